# Memory runs out in the worker: each allocation that the extension, libcurl and
# json-c make for a request fails once.  The request is sent again, and the row is
# delivered by the same worker.  Where PostgreSQL's own allocations fail, the worker
# may end and be started again; the server goes on.
#
# ALLOC_STEP=1 tries each of PostgreSQL's allocations and of the worker's start, too,
# and not only some.
use strict;
use warnings;

use HubSpotTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $step = $ENV{ALLOC_STEP} || 9;

system_or_bail('make', '-s', '-C', 'test/library');
my $file = PostgreSQL::Test::Utils::tempdir() . '/fail_alloc';
my %at = (pid => 0, everything => 1, countdown => 2, seen => 3, failed => 4);

sub control
{
	my (%values) = @_;
	open my $fh, '+<', $file or die "$file: $!";
	for my $name (qw(everything countdown seen failed pid))
	{
		next unless exists $values{$name};
		sysseek $fh, 8 * $at{$name}, 0;
		syswrite $fh, pack('q', $values{$name});
	}
	sysseek $fh, 0, 0;
	sysread $fh, my $bytes, 40;
	my @numbers = unpack 'q5', $bytes;
	return map { $_ => $numbers[$at{$_}] } keys %at;
}

open my $fh, '>', $file or die "$file: $!";
print $fh "\0" x 4096;
close $fh;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('memory', start => 0, conf => "restart_after_crash = on\nhubspot.timeout = '5s'");
{
	local %ENV = (%ENV, FAIL_ALLOC => $file);
	$ENV{LD_PRELOAD} = POSIX::getcwd() . '/test/library/fail_alloc.so';
	$node->start;
}
create_account($node, 'postgres', 'crm', $sim);

# Queues a row and waits for its verdict; trouble is cut short by a reload.  Each start
# of a worker that fails doubles the time until the next one, up to a minute.
$node->safe_psql('postgres', q{
CREATE PROCEDURE deliver(n int, INOUT outcome text) LANGUAGE plpgsql AS $$
DECLARE
	row_id bigint := hubspot_identify(jsonb_build_object('email', 'n' || n || '@example.com', 'plan', 'pro'));
BEGIN
	COMMIT;
	FOR i IN 1 .. 30000 LOOP
		SELECT verdict INTO outcome FROM hubspot.outbox_status WHERE id = row_id;
		EXIT WHEN outcome IS NOT NULL;
		IF i % 10 = 0 AND EXISTS (SELECT FROM hubspot.status WHERE state <> 'RUN') THEN
			PERFORM pg_reload_conf();
		END IF;
		PERFORM pg_sleep(0.003);
		COMMIT;
	END LOOP;
	outcome := concat_ws(' ', outcome, (SELECT string_agg(w.pid::text, ',') FROM hubspot.workers w));
END $$});

sub crashes
{
	my $log = slurp_file($node->logfile);
	return () = $log =~ /terminated by signal|PANIC|server process .* was terminated/g;
}

my $number = 0;
my $worker = worker_pid($node, 'postgres');
is($node->safe_psql('postgres', 'CALL deliver(0, NULL)'), "delivered $worker", 'without trouble');

# Every allocation of a request, until none is left to fail; returns how many failed.
sub torture
{
	my ($what) = @_;
	my $failed = 0;
	my @bad;
	my $start = time;

	for (my $n = 1;; $n++)
	{
		control(countdown => $n, seen => 0, failed => 0, pid => $worker);
		my $outcome = $node->safe_psql('postgres', 'CALL deliver(' . ++$number . ', NULL)');
		my %state = control(pid => 0);
		push @bad, "$n: $outcome" if $outcome ne "delivered $worker";
		$failed += $state{failed};
		last if $state{failed} == 0 || @bad > 5;
	}
	is(join("\n", @bad), '', "$what: the row is delivered by the same worker, whatever fails");
	cmp_ok($failed, '>', 20, "$what: $failed allocations failed");
	note sprintf '%s: %.1f s', $what, time - $start;
}

torture('a connection that is kept');

# From here on each answer ends its connection
$sim->fault(match => { path => 'batch/upsert' }, times => 0, action => 'status', status => 200,
	headers => { Connection => 'close' }, body => { status => 'COMPLETE', results => [ { id => '4711' } ] });
torture('a new connection');
$sim->clear_faults;

# ---- PostgreSQL's own: outside of a transaction it ends the worker, and another one starts

# Whoever delivers it in the end; returns how many allocations failed.
sub torture_everything
{
	my $failed = 0;
	my @bad;

	for (my $n = 1;; $n += $step)
	{
		control(everything => 1, countdown => $n, seen => 0, failed => 0, pid => $worker);
		my $outcome = $node->safe_psql('postgres', 'CALL deliver(' . ++$number . ', NULL)');
		my %state = control(pid => 0);
		push @bad, "$n: $outcome" if $outcome !~ /^delivered\b/;
		$failed += $state{failed};
		last if $state{failed} == 0 || @bad > 5;
		$worker = worker_pid($node, 'postgres');
	}
	is(join("\n", @bad), '', 'PostgreSQL: the row is delivered, whatever fails');
	return $failed;
}

my $failed = torture_everything();
cmp_ok($failed, '>', 2, "PostgreSQL: $failed allocations failed");

# ---- the start of a worker

my @bad;
for (my $n = 1;; $n += $step)
{
	stop_delivery($node);
	control(everything => 0, countdown => $n, seen => 0, failed => 0, pid => -1);
	resume_delivery($node);
	my $outcome = $node->safe_psql('postgres', 'CALL deliver(' . ++$number . ', NULL)');
	my %state = control(pid => 0);
	push @bad, "$n: $outcome" if $outcome !~ /^delivered\b/;
	last if $state{failed} == 0 || @bad > 5;
}
is(join("\n", @bad), '', 'a worker starts, whatever fails at first');
is(crashes(), 0, 'no process crashed');
is($node->safe_psql('postgres', 'SELECT count(*) FROM hubspot.failures'), '0', 'no row is blamed');

$node->stop;
done_testing();
