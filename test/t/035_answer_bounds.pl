# Answers without bounds, which no HubSpot gives but what stands in between may:
# endless, of 50 MB, with a header of 1 MB or 10,000 of them, nested 100,000 deep,
# of 8 MB that would be gigabytes, inflated.  The worker's memory stays bounded,
# and each is trouble of the lane: the row waits and is delivered afterwards.
use strict;
use warnings;

use Compress::Zlib ();
use HubSpotTest;
use IO::Select;
use IO::Socket::INET;
use IPC::Open2;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $good = '{"status":"COMPLETE","results":[{"id":"4711"}]}';
my $json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";

# Writes until the other side has had enough.
sub flood
{
	my ($out, $text, $times) = @_;
	for (my $i = 0; !defined $times || $i < $times; $i++)
	{
		return unless defined syswrite $out, $text;
	}
}

sub chunk { return sprintf("%x\r\n%s\r\n", length $_[0], $_[0]) }

my $words = '"' . ('x' x 65533) . '"';
my $gzipped = Compress::Zlib::memGzip('[' . (' ' x 200_000_000) . ']');

# Name, bound of the worker's memory in MB beyond what it had, what is sent.
my @cases = (
	[ '50 MB with a length', 32, sub {
		syswrite $_[0], $json . "Content-Length: 50000000\r\n\r\n";
		flood($_[0], $words, 763);
	} ],
	[ 'chunks of 50 MB without a length', 32, sub {
		syswrite $_[0], $json . "Transfer-Encoding: chunked\r\n\r\n";
		flood($_[0], chunk($words), 763);
	} ],
	[ 'a body without an end', 32, sub {
		syswrite $_[0], $json . "\r\n";
		flood($_[0], $words);
	} ],
	[ 'a header of 1 MB', 32, sub { flood($_[0], $json . 'X-Long: ' . ('x' x 1_000_000) . "\r\nContent-Length: 0\r\n\r\n", 1) } ],
	[ 'headers without an end', 32, sub {
		syswrite $_[0], $json;
		flood($_[0], join '', map { "X-Header-$_: value\r\n" } 1 .. 1000);
	} ],
	[ 'answers that only announce another one', 32, sub { flood($_[0], "HTTP/1.1 100 Continue\r\n\r\n" x 100) } ],
	[ 'a header byte at a time', 32, sub {
		syswrite $_[0], $json;
		while (defined syswrite $_[0], 'X') { sleep 0.2 }
	} ],
	[ 'no HTTP at all', 32, sub { flood($_[0], "\0\xff no HTTP\r\n" x 1000, 1) } ],
	[ 'nested 100,000 deep', 32, sub { flood($_[0], $json . "\r\n" . ('[' x 100_000) . (']' x 100_000), 1) } ],
	[ 'nested 100,000 deep in results', 32, sub {
		flood($_[0], $json . "\r\n" . '{"results":' . ('[' x 100_000) . (']' x 100_000) . '}', 1);
	} ],
	[ '8 MB that would be gigabytes', 32, sub {
		flood($_[0], $json . "\r\n" . '{"results":[' . join(',', ('{}') x 2_600_000) . ']}', 1);
	} ],
	[ 'as many objects as are read', 256, sub {
		flood($_[0], $json . "\r\n" . '{"results":[' . join(',', ('{"a":{}}') x 99_000) . ']}', 1);
	} ],
	[ 'inflated without having been asked', 32, sub {
		flood($_[0], $json . "Content-Encoding: gzip\r\nContent-Length: " . length($gzipped) . "\r\n\r\n$gzipped", 1);
	} ]);

# ---- the peer: account and properties it answers well, the next upsert as it is told

my $directory = PostgreSQL::Test::Utils::tempdir();
my $told = "$directory/case";
my $proper = sub { my ($out, $body) = @_; flood($out, $json . 'Content-Length: ' . length($body) . "\r\n\r\n$body", 1) };

# The path of a request, when it is there as a whole.
sub read_request
{
	my ($in) = @_;
	my $text = '';
	until ($text =~ /^(.*?)\r\n\r\n(.*)/s && length $2 >= ($1 =~ /^Content-Length: (\d+)/mi ? $1 : 0))
	{
		return unless IO::Select->new($in)->can_read(30) && sysread $in, $text, 65536, length $text;
	}
	return $text =~ /^\w+ (\S+)/ ? $1 : undef;
}

sub serve
{
	my ($in, $out) = @_;
	my $path = read_request($in) // return;
	if ($path =~ /upsert/ && open my $file, '<', $told)
	{
		my $number = <$file>;
		unlink $told;
		return $cases[$number][2]->($out);
	}
	return $proper->($out, $path =~ /upsert/ ? $good : $path =~ /details/ ? '{"portalId":1}' : '{"results":[]}');
}

my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16) or die "listen: $!";
my $port = $listener->sockport;
my $peer = fork // die "fork: $!";
if ($peer == 0)
{
	$SIG{PIPE} = 'IGNORE';
	while (my $connection = $listener->accept)
	{
		serve($connection, $connection);
		close $connection;
	}
	POSIX::_exit(0);
}
close $listener;
my @peers = ($peer);

# The same behind TLS, where compressed answers are asked for: one connection after
# the other goes through a program that ends it.
sub serve_tls
{
	my ($tls_port) = @_;
	for (;;)
	{
		my $tls = open2(my $in, my $out, 'openssl', 's_server', '-quiet', '-naccept', 1, '-accept', "127.0.0.1:$tls_port",
			'-cert', "$directory/cert", '-key', "$directory/key");
		serve($in, $out);
		waitpid $tls, 0;
	}
}

# ---- the worker

my $node = hubspot_cluster('bounds', conf => "hubspot.timeout = '3s'");
$node->safe_psql('postgres', "CREATE EXTENSION hubspot; CREATE SERVER crm FOREIGN DATA WRAPPER hubspot "
	  . "OPTIONS (secret 'crm', base_url 'http://127.0.0.1:$port', max_connections '1')");

sub ask { return $node->safe_psql('postgres', shift) }

my $round = 0;

# A row is delivered; trouble is cut short by a reload.
sub deliver
{
	my ($what) = @_;
	my $id = ask(qq{SELECT hubspot_identify('{"email": "r@{[ ++$round ]}\@example.com", "plan": "pro"}')});
	my $verdict = '';
	wait_until(
		sub {
			$node->reload if ask(q{SELECT bool_or(state NOT IN ('RUN', 'CONNECTING')) FROM hubspot.status}) eq 't';
			return ($verdict = ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id")) ne '';
		},
		sub { "a verdict after $what; " . ask('SELECT * FROM hubspot.status') });
	return $verdict;
}

# Memory of a process in kB; peak: the most since it was last asked for.
sub memory
{
	my ($pid, $what) = @_;
	return slurp_file("/proc/$pid/status") =~ /^$what:\s+(\d+) kB/m ? $1 : die "no $what of $pid";
}

sub forget_peak
{
	my ($pid) = @_;
	open my $file, '>', "/proc/$pid/clear_refs" or return;
	print $file "5\n";
	close $file;
}

my $worker = worker_pid($node, 'postgres');
is(deliver('nothing'), 'delivered', 'without trouble');
sub look_at_case
{
	my ($number, $name) = @_;
	my $last = ask('SELECT coalesce(max(id), 0) FROM hubspot.request');

	forget_peak($worker);
	my $before = memory($worker, 'VmRSS');
	append_to_file("$told.new", $number);
	rename "$told.new", $told;
	is(deliver($name), 'delivered', "$name: the row is delivered afterwards");
	cmp_ok(ask("SELECT count(*) FROM hubspot.request WHERE id > $last AND lane = 'contacts'"), '>=', 2,
		"$name: by another request");
	cmp_ok(memory($worker, 'VmHWM') - $before, '<', $cases[$number][1] * 1024, "$name: memory is bounded");
}

look_at_case($_, $cases[$_][0]) for 0 .. $#cases;
my $oversized = ask("SELECT count(*) FROM hubspot.request WHERE error LIKE '%longer than%' AND bytes_received > 1000000");
cmp_ok($oversized, '>=', 3, 'what is longer than 8 MB is cut');
like(slurp_file($node->logfile), qr/HubSpot's answer is too long: the answer is longer than 8388608 bytes/, '... and told as that, not as trouble of the network');

# ---- compressed answers

SKIP:
{
	my $tls_port = PostgreSQL::Test::Cluster::get_free_port();
	skip 'there is no openssl', 5
	  if system("openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1 "
		  . "-keyout $directory/key -out $directory/cert 2>$directory/openssl.log") != 0;
	my $tls_peer = fork // die "fork: $!";
	if ($tls_peer == 0)
	{
		setpgrp;
		$SIG{PIPE} = 'IGNORE';
		serve_tls($tls_port);
	}
	push @peers, -$tls_peer;
	$node->append_conf('postgresql.conf', "hubspot.ca_file = '$directory/cert'");
	$node->reload;
	ask("ALTER SERVER crm OPTIONS (SET base_url 'https://127.0.0.1:$tls_port')");
	is(deliver('the change to TLS'), 'delivered', 'without trouble, by TLS');
	look_at_case($#cases, 'inflated, by TLS');
	is(ask("SELECT count(*) FROM hubspot.request WHERE error LIKE '%longer than%' AND bytes_received > 1000000"), $oversized + 1,
		'inflated, by TLS: it is cut when it has become too long');
}
is(worker_pid($node, 'postgres'), $worker, 'all by the same worker');
is(ask('SELECT count(*) FROM hubspot.failures'), '0', 'no row is blamed');
is(ask('SELECT max(bytes_received) <= 8 * 1024 * 1024 FROM hubspot.request'), 't', 'no more than 8 MB is kept');

$node->stop;
kill 'KILL', @peers;
waitpid abs, 0 for @peers;
done_testing();
