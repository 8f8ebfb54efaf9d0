# SimulatorCheck: a simulator on a free port, and what its self-tests ask it by.
#
#	use SimulatorCheck;			# starts the program that the first argument names
#	is((ask('GET', '/crm/v3/owners'))[0], 200, 'owners');
#	finish();
#
# Prints each failure and a last line "N passed, N failed"; leaves nothing behind.
package SimulatorCheck;

use strict;
use warnings;

use Exporter qw(import);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use JSON::PP;
use Time::HiRes qw(sleep);

our @EXPORT = qw(ask ok is finish $json);
our $json = JSON::PP->new->utf8->canonical;

my $program = shift @ARGV or die "usage: $0 PROGRAM\n";
my $dir = tempdir(CLEANUP => 1);
my ($passed, $failed) = (0, 0);

my $pid = fork // die "fork: $!";
if ($pid == 0)
{
	open STDOUT, '>', '/dev/null';
	exec $program, '--port-file', "$dir/port", '--log', "$dir/log",
	  '--watch-pid', getppid(), '--config', '{"burst_limit":0,"search_limit":0}';
	die "exec: $!";
}
sleep 0.02 until -s "$dir/port";
open my $file, '<', "$dir/port" or die;
chomp(my $port = <$file>);
my $base = "http://127.0.0.1:$port";
my $http = HTTP::Tiny->new(timeout => 5);

# Status, decoded body, headers, body as it came.
sub ask
{
	my ($method, $path, $body, %headers) = @_;
	my %options = (headers => { authorization => 'Bearer pat-na1-check', %headers });

	delete $options{headers}{authorization} unless defined $options{headers}{authorization};
	if (defined $body)
	{
		$options{content} = ref $body ? $json->encode($body) : $body;
		$options{headers}{'content-type'} //= 'application/json';
	}
	my $answer = $http->request($method, $base . $path, \%options);
	my $data = eval { $json->decode($answer->{content}) };
	return ($answer->{status}, $data, $answer->{headers}, $answer->{content});
}

sub ok
{
	my ($good, $name, $detail) = @_;

	if ($good) { $passed++; return; }
	$failed++;
	print "not ok: $name", defined $detail ? " ($detail)" : '', "\n";
}

sub is
{
	my ($got, $wanted, $name) = @_;

	ok(defined $got && $got eq $wanted, $name, 'got ' . ($got // 'undef') . ", wanted $wanted");
}

sub finish
{
	kill 'TERM', $pid;
	waitpid $pid, 0;
	is($?, 0, 'ends at once and well');
	print "$passed passed, $failed failed\n";
	exit($failed ? 1 : 0);
}

1;
