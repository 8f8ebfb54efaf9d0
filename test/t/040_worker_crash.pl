# Worker and server die at random moments while rows are queued and sent:
# every committed row has a verdict and arrived, no rolled-back row ever did,
# and no contact ends with an older value.
#
# CRASH_SEED repeats a run, CRASH_ROUNDS makes it longer.
use strict;
use warnings;

use HubSpotTest;
use IPC::Run ();
use Test::More;
use Time::HiRes qw(sleep);

my $seed = $ENV{CRASH_SEED} // time;
my $rounds = $ENV{CRASH_ROUNDS} // 20;
srand($seed);
note("CRASH_SEED=$seed");

my $sim = start_simulator(config => { burst_limit => 100000, latency_ms => 3 });
my $node = hubspot_cluster('crash', conf => "restart_after_crash = on\nmax_wal_size = '1GB'\nhubspot.window_rows = 2000");
create_account($node, 'postgres', 'crm', $sim);

# A session's work: each of 400 contacts is written by one session only, with
# a number that grows; the number rolled back is never to be seen in HubSpot.
$node->safe_psql('postgres', q{
CREATE TABLE done (session int, contact int, n int);
CREATE PROCEDURE work(session int, calls int) LANGUAGE plpgsql AS $$
DECLARE c int;
BEGIN
	FOR n IN 1 .. calls LOOP
		c := session * 100 + n % 100;
		IF n % 7 = 0 THEN
			PERFORM hubspot_identify(jsonb_build_object('email', 'c' || c || '@example.com', 'city', 'rolled back', 'total_spent', n));
			ROLLBACK;
		ELSE
			BEGIN
				PERFORM hubspot_identify(jsonb_build_object('email', 'c' || c || '@example.com', 'city', 'rolled back', 'total_spent', n));
				RAISE division_by_zero;
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
			PERFORM hubspot_identify(jsonb_build_object('email', 'c' || c || '@example.com', 'city', 'committed', 'total_spent', n));
			INSERT INTO done VALUES (session, c, n);
			PERFORM set_config('synchronous_commit', CASE WHEN n % 2 = 0 THEN 'off' ELSE 'on' END, true);
			COMMIT;
		END IF;
	END LOOP;
END $$;
});

sub sessions
{
	my ($calls) = @_;
	return map {
		my $session = $_;
		my ($in, $out, $err) = ('', '', '');
		IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL work($session, $calls)" ], \$in, \$out, \$err)
	} 1 .. 4;
}

my $killed = 0;
for my $round (1 .. $rounds)
{
	my @sessions = sessions(300);
	sleep(0.05 + rand(0.7));
	if ($round % 2)
	{
		my $pid = $node->safe_psql('postgres', 'SELECT coalesce(max(pid), 0) FROM hubspot.workers');
		$killed += kill('KILL', $pid) if $pid > 0;
	}
	else
	{
		$node->stop('immediate');
		$node->start;
	}
	for my $session (@sessions) { eval { $session->finish }; }
	wait_until(sub { $node->psql('postgres', 'SELECT 1') == 0 }, 'the server to be back');
}
cmp_ok($killed, '>', 0, "the worker was killed $killed times");
$node->safe_psql('postgres', q{SELECT count(hubspot_identify(jsonb_build_object('email', 'c' || i || '@example.com', 'city', 'committed', 'total_spent', 1000000))) FROM generate_series(100, 499) i});
wait_drained($node, 'postgres');

is($node->safe_psql('postgres', 'SELECT count(*) - count(DISTINCT id) FROM hubspot.result'), '0', 'one verdict per row');
is($node->safe_psql('postgres', "SELECT count(*) FROM hubspot.outbox_status WHERE verdict NOT IN ('delivered', 'coalesced')"), '0', 'all of them delivered');
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM hubspot.outbox'), '>', 1000, 'there was something to lose');

my @log = $sim->log;
is(scalar(grep { ($_->{properties}{city} // '') ne 'committed' } @log), 0, 'no rolled-back row arrived');
my %last;
my $backwards = 0;
# the table restarts each round, so order is that of the outbox: ids grow
for my $entry (@log)
{
	my $trace = $entry->{trace} // 0;
	$backwards++ if exists $last{ $entry->{key} } && $trace < $last{ $entry->{key} };
	$last{ $entry->{key} } = $trace;
}
cmp_ok($backwards, '<=', 16 * 100 * $rounds, "$backwards repeats after crashes, within what was in flight");
my %newest = map { split /\|/ } split /\n/,
  $node->safe_psql('postgres', 'SELECT key, max(id) FROM hubspot.outbox GROUP BY key');
is(scalar(grep { ($last{$_} // 0) != $newest{$_} } keys %newest), 0, 'each contact ends with its newest row');
is(scalar(grep { $sim->contact($_)->{properties}{total_spent} ne '1000000' } keys %newest), 0, 'and with its value');

done_testing();
