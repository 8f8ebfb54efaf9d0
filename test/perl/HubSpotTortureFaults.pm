# HubSpotTortureFaults: what the fault campaign does to HubSpot, the worker and the
# server (HubSpotTorture).
#
#	use HubSpotTortureFaults;
#	begin_faults($node, $sim, $directory);
#	add_fault(); hold_lock(3); fill_disk(1); crash(); ...
#	end_faults();
#	faults_so_far(), fault_counts(), crashes()
#
# A fault is an answer that a rule of the simulator spoilt, a lock on a table of the
# extension, a full disk, or a kill or stop.
package HubSpotTortureFaults;

use strict;
use warnings;

use Exporter qw(import);
use POSIX ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);

use HubSpotTest qw(:DEFAULT try_ask);
use HubSpotTortureCalls qw(one_of contact);

our @EXPORT = qw(begin_faults end_faults add_fault hubspot_gone count_faults hold_lock fill_disk free_disk crash
  faults_so_far fault_counts crashes preloaded);

my ($node, $sim, $disk_file);
my %count;             # of faults, by kind
my @crash_log;         # [µs, what]

# From here on requests are another worker's; called when the old one is gone and the next one not there.
sub note_crash { push @crash_log, [ int(time * 1e6), shift ] }

sub crashes { return @crash_log }
sub fault_counts { return %count }

sub faults_so_far
{
	my $sum = 0;
	$sum += $_ for values %count;
	return $sum;
}

#
# What HubSpot does.  One record alone is never refused, nor met with silence.
#
my %several = (match => { record => '},{' });
my @faults = (
	(map { my $status = $_; [ "status $status", action => 'status', status => $status, body => 'no' ] } 408, 500, 502, 503, 504),
	(map { [ "status $_", action => 'status', status => $_ ] } 401, 403, 423, 477),
	(map { [ "html $_", action => 'html', status => $_ ] } 404, 502, 503),
	[ '429, again in 1 s', action => 'status', status => 429, headers => { 'Retry-After' => 1 } ],
	[ '429 DAILY', action => 'rate_limit', policy => 'DAILY' ],
	[ '429 SECONDLY_SEARCH', action => 'rate_limit', policy => 'SECONDLY_SEARCH', headers => { 'Retry-After' => 1 } ],
	[ 'reset', action => 'reset' ], [ 'reset amid the answer', action => 'reset', after_bytes => 300 ],
	[ 'truncated', action => 'truncate' ],
	[ 'dropped before', action => 'drop_before' ], [ 'dropped after', action => 'drop_after' ], [ 'dropped after', action => 'drop_after' ],
	[ 'late', action => 'delay', ms => 250 ], [ 'in pieces', action => 'slow_body', ms => 0 ], [ '2 MB', action => 'big', bytes => 2_000_000 ],
	[ 'garbage', action => 'garbage' ],
	[ 'shuffled', action => 'shuffle' ], [ 'errors of nobody', action => 'untraced_errors' ],
	[ 'a result missing', action => 'missing_results', %several ], [ 'empty success', action => 'empty_success', %several ],
	[ 'conflict', action => 'conflict', %several ],
	[ '400 for all', action => 'status', status => 400, %several,
		body => { status => 'error', category => 'VALIDATION_ERROR', message => 'Invalid input' } ]);
# These take seconds each.
my @slow_faults = ([ 'hang', action => 'hang' ], [ 'very late', action => 'delay', ms => 2000 ],
	[ '429 TEN_SECONDLY_ROLLING', action => 'rate_limit', policy => 'TEN_SECONDLY_ROLLING' ]);
# One contact spoils each request that it is in, for a while.
sub spoilt_contact
{
	return ([ 'one contact fails all', action => 'status', status => one_of(500, 502, 503), body => 'no',
			match => { record => '"' . contact() . '"' } ], 5 + int rand 10);
}

my @paths = (('contacts/batch/upsert') x 2, ('batch/upsert') x 3, ('companies/batch/upsert') x 2, ('send/batch') x 3, ('/associations/') x 2,
	('/memberships') x 2, '/submissions/', 'contacts/batch/read', 'contacts/batch/archive', 'gdpr-delete', 'account-info', '/');

my %kind_of_rule;

# Until end_faults() HubSpot is not there.
sub hubspot_gone
{
	my $gone = one_of([ action => 'status', status => 503 ], [ action => 'reset' ], [ action => 'drop_before' ]);
	$kind_of_rule{ $sim->fault(@$gone, times => 0) } = 'gone';
}

sub add_fault
{
	my ($fault, $times) = rand() < 0.08 ? spoilt_contact() : (rand() < 0.01 ? one_of(@slow_faults) : one_of(@faults), 1 + int rand 4);
	my ($kind, %rule) = @$fault;
	$rule{match} = { %{ $rule{match} // {} }, path => one_of(@paths) };
	my $id = $sim->fault(%rule, times => $times, skip => int rand 3);
	$kind_of_rule{$id} = $kind;
}

# Counts what the rules did, and forgets them.
sub count_faults
{
	$count{ $kind_of_rule{ $_->{id} } } += $_->{hits} for @{ $sim->faults->{results} };
	$sim->clear_faults;
}

#
# What another session, and the machine, do to the tables
#
my %locker;    # process -> 1

# A session that holds a lock on one of the extension's tables, one at a time.  The worker waits a second for a lock.
sub hold_lock
{
	my ($seconds) = @_;
	delete $locker{$_} for grep { waitpid($_, POSIX::WNOHANG) != 0 } keys %locker;
	return if %locker;
	my $table = one_of(qw(deferred deferred deferred result result record request checkpoint outbox command account rate_limit company_contact));
	my $mode = one_of('SHARE', 'SHARE', 'EXCLUSIVE', 'ACCESS EXCLUSIVE');
	my $sql = "SET lock_timeout = '1s'; BEGIN; LOCK TABLE hubspot.$table IN $mode MODE; SELECT pg_sleep($seconds); COMMIT";
	my $pid = fork // die "fork: $!";
	if ($pid == 0)
	{
		open STDOUT, '>', '/dev/null';
		open STDERR, '>&', \*STDOUT;
		exec 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-v', 'ON_ERROR_STOP=1', '-c', $sql or POSIX::_exit(1);
	}
	$locker{$pid} = 1;
	$count{"lock on hubspot.$table"}++;
}

# While the file is there no file of a database grows (test/library/full_disk.c).
sub fill_disk
{
	append_to_file($disk_file, '');
	$count{'full disk'}++;
}

sub free_disk { unlink $disk_file }

# Starts something whose processes have the library.
sub preloaded
{
	my ($code) = @_;
	local %ENV = (%ENV, FULL_DISK => $disk_file, LD_PRELOAD => POSIX::getcwd() . '/test/library/full_disk.so');
	return $code->();
}

#
# What ends processes and the server
#
sub pid_of { return try_ask($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'hubspot $_[0]' LIMIT 1") || undef }

sub wait_gone
{
	my ($pid, $what) = @_;
	wait_until(sub { !kill 0, $pid }, "$what: process $pid to be gone");
}

sub end_worker
{
	my ($signal, $what) = @_;
	my $pid = pid_of('worker') or return 0;
	kill $signal, $pid;
	wait_gone($pid, $what);
	note_crash($what);
	return 1;
}

# Another process of the extension; when it is killed the server takes the worker along.
sub end_other
{
	my ($name, $signal, $what) = @_;
	my ($pid, $worker) = map { pid_of($_) } $name, 'worker';
	return 0 unless $pid;
	kill $signal, $pid;
	wait_gone($pid, $what);
	if ($signal eq 'KILL' && $worker)
	{
		wait_gone($worker, $what);
		note_crash($what);
	}
	return 1;
}

sub end_server
{
	my ($mode, $what) = @_;
	$node->stop($mode);
	note_crash($what);
	sleep rand 0.5;
	preloaded(sub { $node->start });
	return 1;
}

sub end_sessions
{
	return defined try_ask($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
}

my @crashes = (
	[ 'worker killed', 8, sub { end_worker('KILL', @_) } ],
	[ 'worker ended', 3, sub { end_worker('TERM', @_) } ],
	[ 'launcher killed', 1, sub { end_other('launcher', 'KILL', @_) } ],
	[ 'launcher ended', 1, sub { end_other('launcher', 'TERM', @_) } ],
	[ 'refresher killed', 2, sub { end_other('refresher', 'KILL', @_) } ],
	[ 'refresher ended', 2, sub { end_other('refresher', 'TERM', @_) } ],
	[ 'server stopped immediately', 6, sub { end_server('immediate', @_) } ],
	[ 'server restarted', 3, sub { end_server('fast', @_) } ],
	[ 'sessions ended', 3, \&end_sessions ]);

# A server that recovers from a crash needs space.
sub crash
{
	my ($what, undef, $act) = @{ one_of(map { ($_) x $_->[1] } @crashes) };
	free_disk();
	$count{$what}++ if $act->($what);
}

sub begin_faults
{
	my $directory;
	($node, $sim, $directory) = @_;
	$disk_file = "$directory/full";
	system_or_bail('make', '-s', '-C', 'test/library');
}

# All is mended.
sub end_faults
{
	free_disk();
	waitpid $_, 0 for keys %locker;
	%locker = ();
	count_faults();
}

1;
