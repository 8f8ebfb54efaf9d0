# Back-fills of followed tables: all of a table arrives, a bounded part of it
# waits for HubSpot at a time, and no end of a process loses or repeats a row.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('backfills', conf => 'max_prepared_transactions = 2');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub follow
{
	my ($name, $more) = @_;
	ask(sprintf q{SELECT hubspot_sync('%s', '%s', mapping => '{"email": "email", "firstname": "firstname"}'%s)}, $name, $name, $more // '');
}

sub wait_for_state
{
	my ($state, $name) = @_;
	wait_until(sub { ask("SELECT state = '$state' FROM hubspot.backfills WHERE name = '$name'") eq 't' },
		sub { "$name to be $state: " . ask('SELECT * FROM hubspot.backfills') . ask('SELECT * FROM hubspot.workers') });
}

# Rows of back-fills that have no verdict.
my $waiting = 'SELECT count(*) FROM hubspot.outbox o WHERE o.backfill AND NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id)';
my $most = 0;

sub look_at_bound
{
	my $now = ask($waiting);
	$most = $now if $now > $most;
	return $now;
}

sub refresher { return wait_until(sub { ask('SELECT refresher_pid FROM hubspot.workers WHERE refresher_pid IS NOT NULL') }, 'a refresher') }

ask(q{CREATE TABLE people (id int PRIMARY KEY, email text, firstname text);
	INSERT INTO people SELECT i, 'p' || i || '@example.com', 'n' || i FROM generate_series(1, 9000) i;
	ANALYZE people});

# HubSpot takes nothing
$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 503, times => 0);
follow('people');
wait_for_state('waiting for HubSpot', 'people');
becomes(sub { ask(q{SELECT rows_read, rows_total, share > 0.2 AND share < 0.23, eta IS NOT NULL, finished_at IS NULL FROM hubspot.backfills}) },
	'2000|9000|t|t|t', 'as long as HubSpot takes nothing no more is read than a bounded part');
is(look_at_bound(), '2000', 'which waits');
my $written = ask(q{SELECT fill_position, xmin FROM hubspot.sync_state});

# Ends of the refresher: it goes on by itself, and the bound holds
for my $end (qw(TERM TERM))
{
	my $pid = refresher();
	kill $end, $pid;
	wait_until(sub { refresher() ne $pid }, 'another refresher');
}
wait_for_state('waiting for HubSpot', 'people');
look_at_bound();
is(ask(q{SELECT fill_position, xmin FROM hubspot.sync_state}), $written, 'meanwhile nothing is written');

# HubSpot is back; ends of the refresher, of the worker, of the server
$sim->clear_faults;
ask('SELECT hubspot_resume()');
$sim->config(latency_ms => 100);
wait_until(sub { look_at_bound() < 2000 && ask('SELECT rows_read > 2500 FROM hubspot.backfills') eq 't' }, 'the back-fill to go on');
kill 'TERM', refresher();
wait_until(sub { look_at_bound(); ask('SELECT rows_read > 4000 FROM hubspot.backfills') eq 't' }, 'it to go on');
ask('SELECT pg_terminate_backend(pid) FROM hubspot.workers');
wait_until(sub { look_at_bound(); ask('SELECT rows_read > 6000 FROM hubspot.backfills') eq 't' }, 'it to go on');
$node->stop('immediate');
$node->start;
wait_until(sub { look_at_bound(); ask(q{SELECT state = 'done' FROM hubspot.backfills}) eq 't' }, 'the end of the back-fill');
wait_drained($node, 'postgres');
is($sim->count, '9000', 'everything arrives');
is(ask('SELECT count(*), count(DISTINCT key) FROM hubspot.outbox WHERE backfill'), '9000|9000', 'every row is queued once');
cmp_ok($most, '<=', 2000, "and never more than a bounded part waits: $most rows");
becomes(sub { ask(q{SELECT state, rows_read, rows_total, share, eta IS NULL, finished_at IS NOT NULL, error IS NULL FROM hubspot.backfills}) },
	'done|9000|9000|1|t|t|t', 'the view says that it is done');
is(ask(q{SELECT count(*) FROM hubspot.syncs WHERE state = 'following'}), '1', 'and so does the other one');

# Several take turns.  They are declared in one transaction: one that is seen alone, if only for a
# moment, has the share of one, and what it has read meanwhile is queued.
ask(q{CREATE TABLE ants (id int PRIMARY KEY, email text, firstname text);
	INSERT INTO ants SELECT i, 'a' || i || '@example.com', 'n' || i FROM generate_series(1, 3000) i;
	CREATE TABLE bees (LIKE ants INCLUDING ALL);
	INSERT INTO bees SELECT i, 'b' || i || '@example.com', 'n' || i FROM generate_series(1, 3000) i;
	CREATE TABLE cats (LIKE ants INCLUDING ALL);
	INSERT INTO cats SELECT i, 'c' || i || '@example.com', 'n' || i FROM generate_series(1, 3000) i});
$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 503, times => 0);
ask(join ';', 'BEGIN', (map {"SELECT hubspot_sync('$_', '$_', mapping => '{\"email\": \"email\", \"firstname\": \"firstname\"}')"} qw(ants bees cats)), 'COMMIT');
my $of_each = q{SELECT string_agg(rows_read::text, ' ' ORDER BY name) FROM hubspot.backfills WHERE state <> 'done'};
# before its next look the refresher counts what it has queued of "people", and reads less
wait_until(sub { ask($of_each) eq '1000 1000 1000' }, sub { 'a share of each: ' . ask($of_each) });
wait_for_state('waiting for HubSpot', $_) for qw(ants bees cats);
is(ask($of_each), '1000 1000 1000', 'each has its share, and no more is read');
is(ask($waiting), '3000', 'which is no more than twice what one may have');

# Who comes later has the share of all that are there by then
ask(q{CREATE TABLE dogs (LIKE ants INCLUDING ALL);
	INSERT INTO dogs SELECT i, 'd' || i || '@example.com', 'n' || i FROM generate_series(1, 3000) i});
follow('dogs');
wait_until(sub { ask($of_each) eq '1000 1000 1000 1000' }, sub { 'a share of each: ' . ask($of_each) });
wait_for_state('waiting for HubSpot', $_) for qw(ants bees cats dogs);
is(look_at_bound(), '4000', 'all together wait no more than twice as many');
$sim->clear_faults;
ask('SELECT hubspot_resume()');
wait_for_state('done', $_) for qw(ants bees cats dogs);
wait_drained($node, 'postgres');
is($sim->count, '21000', 'all of them arrive');

# Odd tables: keys that occur often, that are NULL or empty, without an index; partitions; names
$sim->reset;
$sim->config(latency_ms => 0);
ask(q{CREATE TABLE "Odd ""people" ("E mail" text, firstname varchar(20), born date) PARTITION BY RANGE (born);
	CREATE TABLE odd_old PARTITION OF "Odd ""people" FOR VALUES FROM (MINVALUE) TO ('2000-01-01');
	CREATE TABLE odd_new (born date, gone int, firstname varchar(20), "E mail" text);
	ALTER TABLE odd_new DROP gone;
	ALTER TABLE "Odd ""people" ATTACH PARTITION odd_new FOR VALUES FROM ('2000-01-01') TO (MAXVALUE);
	INSERT INTO "Odd ""people" SELECT CASE WHEN i % 10 = 0 THEN NULL ELSE 'o' || i % 700 || '@example.com' END, 'n' || i % 700, '1990-01-01'::date + i * 3
		FROM generate_series(1, 2100) i;
	SELECT hubspot_sync('odd', '"Odd ""people"', mapping => '{"email": "E mail", "firstname": "firstname"}')});
wait_for_state('done', 'odd');
wait_drained($node, 'postgres');
is($sim->count, '630', 'rows without a key are left out, all others arrive, whatever partition they are in');
is(ask(q{SELECT rows_read FROM hubspot.backfills WHERE name = 'odd'}), '1890', 'none is lost among those with an equal key');
is($sim->contact('o333@example.com')->{properties}{firstname}, 'n333', 'with their values');
ask(q{CREATE TABLE bare (email text, firstname text);
	INSERT INTO bare SELECT 'bare' || i || '@example.com', 'x' FROM generate_series(1, 1200) i});
$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 503, times => 3);
follow('bare');
wait_for_state('done', 'bare');
wait_drained($node, 'postgres');
is($sim->count, '1830', 'a table without any index is read as well');
ask(q{SELECT hubspot_resync('bare')});
wait_for_state('done', 'bare');
is(ask(q{SELECT rows_read FROM hubspot.backfills WHERE name = 'bare'}), '1200', 'hubspot_resync() begins anew');
wait_drained($node, 'postgres');

# Definitions of others; what stands in the way
ask(q{CREATE ROLE ann LOGIN; GRANT USAGE ON FOREIGN SERVER crm TO ann; GRANT CREATE ON SCHEMA public TO ann; GRANT SELECT, TRIGGER ON bees TO ann});
$node->safe_psql('postgres', q{SELECT hubspot_sync('of_ann', 'bees', mapping => '{"email": "email", "firstname": "firstname"}')}, extra_params => [ '-U', 'ann' ]);
wait_for_state('done', 'of_ann');
is(ask(q{SELECT rows_read FROM hubspot.backfills WHERE name = 'of_ann'}), '3000', 'who may only read a table can have it followed');
ask(q{REVOKE SELECT ON bees FROM ann; SELECT hubspot_resync('of_ann')});
wait_for_state('failed', 'of_ann');
is(ask(q{SELECT error FROM hubspot.backfills WHERE name = 'of_ann'}), 'the sync "of_ann" cannot queue rows: its owner, the role "ann", has no SELECT on the table "bees" any more', 'it is read with the rights of its owner');
ask(q{GRANT SELECT ON bees TO ann});
wait_for_state('done', 'of_ann');
is(ask(q{SELECT state, error IS NULL FROM hubspot.backfills WHERE name = 'of_ann'}), 'done|t', 'and goes on by itself when nothing stands in the way any more');
wait_drained($node, 'postgres');

# What needs the database for itself is not held up
$node->safe_psql('postgres', 'CREATE DATABASE other');
create_account($node, 'other', 'crm', $sim);
$node->safe_psql('other', q{CREATE TABLE people (id int PRIMARY KEY, email text);
	INSERT INTO people SELECT i, 'q' || i || '@example.com' FROM generate_series(1, 50000) i;
	SELECT hubspot_sync('people', 'people', mapping => '{"email": "email"}')});
wait_until(sub { $node->safe_psql('other', 'SELECT rows_read > 0 FROM hubspot.backfills') eq 't' }, 'a back-fill');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE other');
wait_until(sub { $node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'other' AND backend_type = 'hubspot refresher'}) }, 'it to go on');
$node->safe_psql('postgres', 'DROP DATABASE other');
pass('a database is copied and dropped while a back-fill runs');
$node->safe_psql('postgres', 'DROP EXTENSION hubspot CASCADE');
pass('and the extension while one was declared');

$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
