# HubSpotPauses: stops processes at random moments, to find tests that fail by chance.
#
#	PAUSES=7 PROVE_TESTS=test/t/421_lists_faults.pl make check-tap
#
# A test that depends on who comes first fails once in thousands of runs on a machine with
# nothing else to do, and in each tenth with pauses.  Nothing that a test says may depend
# on them.  With PAUSES (a seed) in the environment
#
#	pause_cluster()		a process stops and continues processes of a cluster: the worker
#						mostly, refresher, launcher, sessions, PostgreSQL's own
#	pause_process()		the same with one process and its children
#	pause_here()		sleeps at times: the test itself is late
#	leave_alone()		a process that the test itself stops is not continued
#
# and without it they do nothing.  A pause takes 0.02 to 1.5 s, shorter ones more often.
package HubSpotPauses;

use strict;
use warnings;

use Exporter qw(import);
use File::Temp ();
use POSIX ();
use Time::HiRes qw(sleep);

our @EXPORT = qw(pause_cluster pause_process pause_here leave_alone);

my $seed = $ENV{PAUSES};
my $left_alone = File::Temp->newdir if defined $seed;    # has a file with the name of each such process
my $count = 0;    # of processes that pause others, so that each has its own numbers
my @weights = ([ qr/hubspot worker/, 8 ], [ qr/hubspot refresher/, 4 ], [ qr/hubspot launcher/, 1 ], [ qr/^postgres: .*\[local\]/, 2 ], [ qr/^postgres/, 0.3 ]);

if (defined $seed)
{
	my ($file) = $0 =~ m{([^/]+)$};
	print STDERR "# PAUSES=$seed in $file\n";
	srand unpack('%32C*', $file) + 1000 * $seed;
}

sub pause_length { return 0.02 + 1.48 * rand() ** 3 }

sub slurp
{
	my ($path) = @_;
	open my $file, '<', $path or return '';
	local $/;
	return <$file> // '';
}

# A process and its children.
sub family
{
	my ($pid) = @_;
	return $pid, split ' ', slurp("/proc/$pid/task/$pid/children");
}

# One of these processes, by weight; undef for none.
sub choose
{
	my (@pids) = @_;
	my ($sum, $chosen) = (0);
	for my $pid (@pids)
	{
		my $title = slurp("/proc/$pid/cmdline") or next;
		my ($weight) = map { $_->[1] } grep { $title =~ $_->[0] } @weights;
		$sum += $weight //= 1;
		$chosen = $pid if rand($sum) < $weight;
	}
	return $chosen;
}

# A child that pauses one of the processes that the code names, for as long as its parent lives.
sub pause_some
{
	my ($pids) = @_;
	my $number = ++$count;
	my $parent = $$;
	my $own_seed = int rand 2 ** 31;
	my $child = fork // die "fork: $!";
	return if $child;

	# nobody waits for what this one may still write
	POSIX::close($_) for 0 .. 255;
	$SIG{$_} = 'DEFAULT' for qw(INT TERM HUP ALRM CHLD);
	srand $own_seed + $number;
	while (getppid == $parent)
	{
		sleep rand 0.6;
		my $pid = choose($pids->()) or next;
		next if -e "$left_alone/$pid";
		kill 'STOP', $pid or next;
		sleep pause_length();
		kill 'CONT', $pid unless -e "$left_alone/$pid";
	}
	POSIX::_exit(0);
}

sub pause_cluster
{
	my ($data_directory) = @_;
	return unless defined $seed;
	pause_some(
		sub {
			my ($postmaster) = slurp("$data_directory/postmaster.pid") =~ /^(\d+)/ or return;
			return grep { $_ != $postmaster } family($postmaster);
		});
}

sub pause_process
{
	my ($pid) = @_;
	pause_some(sub { family($pid) }) if defined $seed;
}

sub leave_alone
{
	my ($pid) = @_;
	return unless defined $seed;
	open my $file, '>', "$left_alone/$pid" or die "$left_alone/$pid: $!";
	close $file;
}

sub pause_here
{
	sleep pause_length() if defined $seed && rand() < 0.1;
}

1;
