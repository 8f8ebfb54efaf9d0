# The worker is killed and the server crashes, again and again, while sessions
# queue rows: every committed row arrives and has one verdict, no row that was
# rolled back or lost ever arrives, and each contact ends in its newest state.
#
# CRASH_SEED repeats a run's choices, CRASH_ROUNDS and CRASH_ROWS change its size.
use strict;
use warnings;

use HubSpotTest qw(:DEFAULT start_writer try_ask);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $seed = $ENV{CRASH_SEED} || time % 1_000_000;
my $rounds = $ENV{CRASH_ROUNDS} || 22;
my $rows = $ENV{CRASH_ROWS} || 20_000;
my $writers = 4;
my $contacts = 300;

note "CRASH_SEED=$seed";
srand $seed;

my $sim = start_simulator(config => { burst_limit => 0, latency_ms => 20, latency_jitter_ms => 30 });
# Commits that are asynchronous stay so until somebody flushes them.
my $node = hubspot_cluster('crash', conf => qq{
restart_after_crash = on
wal_writer_delay = 10s
log_statement = none
checkpoint_timeout = 30s
});
create_account($node, 'postgres', 'crm', $sim);

# A call that carries the next number of its contact: the row's lock orders the
# calls of one contact, whichever session makes them.
$node->safe_psql('postgres', qq{
CREATE TABLE counter (contact int PRIMARY KEY, n int NOT NULL);
INSERT INTO counter SELECT i, 0 FROM generate_series(0, $contacts - 1) i;
CREATE FUNCTION call(whom int, tag text) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE number int;
BEGIN
	UPDATE counter SET n = n + 1 WHERE contact = whom RETURNING n INTO number;
	PERFORM hubspot_identify(jsonb_build_object(
		'email', 'c' || whom || '\@example.com', 'zip', number, 'city', tag));
END \$\$;
});

# What a session says: transactions of several calls, some rolled back, some
# with a part that is, some committed asynchronously.
sub transactions
{
	my ($writer, $chunk) = @_;
	my $sql = '';
	my $call = 0;

	for my $transaction (1 .. 10)
	{
		my $fate = int rand 10;
		my @whom = sort { $a <=> $b } map { int rand $contacts } 1 .. 1 + int rand 12;
		my $tag = $fate == 0 ? 'rolled' : 'kept';

		$sql .= "BEGIN;\n";
		$sql .= "SET LOCAL synchronous_commit = off;\n" if $fate > 5;
		for my $contact (@whom)
		{
			$call++;
			if ($fate == 1 && $call % 3 == 0)
			{
				$sql .= "SAVEPOINT s; SELECT call($contact, 'rolled-$writer-$chunk-$call'); ROLLBACK TO s;\n";
			}
			elsif ($fate == 2 && $call % 3 == 0)
			{
				$sql .= "SAVEPOINT s; SELECT call($contact, '$tag-$writer-$chunk-$call'); RELEASE s;\n";
			}
			else
			{
				$sql .= "SELECT call($contact, '$tag-$writer-$chunk-$call');\n";
			}
		}
		$sql .= $fate == 0 ? "ROLLBACK;\n" : "COMMIT;\n";
	}
	return $sql;
}

my $stop_file = PostgreSQL::Test::Utils::tempdir() . '/stop';

$SIG{PIPE} = 'IGNORE';
my @pids;
for my $writer (1 .. $writers)
{
	push @pids, start_writer($node, $stop_file, sub { transactions($writer, @_) });
}

my %crashes = (worker => 0, server => 0);
for my $round (1 .. $rounds)
{
	my $enough = $rows / $rounds * $round;
	wait_until(
		sub {
			(try_ask($node, 'SELECT last_value FROM hubspot.outbox_id_seq') // 0) >= $enough
			  && (try_ask($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot worker'}) // 0) eq '1';
		},
		"round $round of the writers");
	sleep rand 0.3;
	if (rand() < 0.65)
	{
		my $pid = try_ask($node, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'hubspot worker'});
		redo unless $pid;
		kill 'KILL', $pid;
		$crashes{worker}++;
		wait_until(sub { !kill 0, $pid }, 'the worker to be gone');
	}
	else
	{
		$node->stop('immediate');
		$node->start;
		$crashes{server}++;
	}
}
open my $file, '>', $stop_file or die "$stop_file: $!";
close $file;
waitpid $_, 0 for @pids;
note "workers killed: $crashes{worker}, servers crashed: $crashes{server}";
wait_for_server($node);
wait_drained($node, 'postgres');

#
# The tables
#
sub ask { return $node->safe_psql('postgres', shift) }

my $committed = ask('SELECT count(*) FROM hubspot.outbox');
cmp_ok($committed, '>=', $rows * 0.5, "$committed rows were committed");
is(ask('SELECT sum(n) FROM counter'), $committed, 'as many as the counters say');
is( ask('SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'),
	'0', 'each has exactly one verdict');
is(ask('SELECT count(*) FROM hubspot.result r WHERE NOT EXISTS (SELECT FROM hubspot.outbox o WHERE o.id = r.id)'),
	'0', 'no verdict is of a row that does not exist');
is(ask(q{SELECT string_agg(DISTINCT verdict::text, ',' ORDER BY verdict::text) FROM hubspot.result}),
	'coalesced,delivered', 'all arrived');
is( ask(q{SELECT count(*) FROM hubspot.result r WHERE verdict = 'coalesced' AND NOT EXISTS (
		SELECT FROM hubspot.result c JOIN hubspot.outbox co USING (id), hubspot.outbox o
		WHERE c.id = r.merged_into AND o.id = r.id AND co.key = o.key AND c.verdict = 'delivered'
		AND (co.message ->> 'zip')::int > (o.message ->> 'zip')::int)}),
	'0', 'a row that was merged names a newer one of its contact that was delivered');
like(ask(q{SELECT key FROM hubspot.outbox WHERE (message ->> 'city') LIKE 'rolled%' LIMIT 1}),
	qr/^$/, 'what was rolled back is not there');

#
# The log of the simulator
#
my (%call, %last, %seen);
for (split /\n/, ask(q{SELECT key, message ->> 'zip', message ->> 'city' FROM hubspot.outbox}))
{
	my ($key, $n, $tag) = split /\|/;
	$call{"$key $tag"} = $n;
}
my ($ghosts, $wrong, $repeats) = (0, 0, 0);
for my $entry ($sim->log)
{
	my ($n, $tag) = @{ $entry->{properties} }{qw(zip city)};
	my $known = $call{"$entry->{key} $tag"};

	if (!defined $known) { diag "ghost: $entry->{key} $tag" if $ghosts++ < 5 }
	elsif ($known != $n) { $wrong++ }
	$repeats++ if $seen{"$entry->{key} $tag"}++;
	$last{ $entry->{key} } = $n;
}
is($ghosts, 0, 'nothing arrived that was not committed');
is($wrong, 0, 'what arrived is what was queued');
is( ask(q{SELECT count(*) FROM hubspot.result r JOIN hubspot.outbox o USING (id) WHERE verdict = 'delivered'}),
	scalar(grep { defined } map { $seen{$_} } split /\n/,
		ask(q{SELECT key || ' ' || (o.message ->> 'city') FROM hubspot.outbox o JOIN hubspot.result USING (id) WHERE verdict = 'delivered'})),
	'whatever was delivered is in the log');
my %newest = map { split /\|/ } split /\n/, ask(q{SELECT 'c' || contact || '@example.com', n FROM counter WHERE n > 0});
is_deeply(\%last, \%newest, 'each contact ends in its newest state');
# 4 requests under way, and what was answered within the last moments
cmp_ok($repeats, '<=', $rounds * 1500, "$repeats records were written again");

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9)/, 'nothing crashed by itself');
$node->stop;
done_testing();
