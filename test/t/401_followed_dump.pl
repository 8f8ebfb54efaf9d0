# Dump and restore: the database is held until it is armed; what was declared comes back, held until a resync;
# business goes on; userIds are known.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('dumped');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');

sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

ask(q{CREATE TABLE customers (gone int, id int PRIMARY KEY, mail text, plan text);
	ALTER TABLE customers DROP COLUMN gone;
	INSERT INTO customers VALUES (1, 'ada@example.com', 'pro')});
ask(q{SELECT hubspot_sync('followed', 'customers', mapping => '{"email": "mail", "plan": "plan"}', deletes => 'archive')});
ask(q{SELECT hubspot_sync('compared', 'SELECT mail AS email, plan FROM public.customers', every => '1 hour')});
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.member}) eq '1' }, 'the first refresh');
wait_until(sub { ask(q{SELECT state FROM hubspot.syncs WHERE name = 'followed'}) eq 'following' }, 'the back-fill');
ask(q{CREATE TABLE people (mail text);
	CREATE TRIGGER told AFTER INSERT ON people REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
		EXECUTE FUNCTION hubspot_trigger('identify', 'crm', '{"email": "mail"}');
	SELECT hubspot_identify('{"userId": "u1", "traits": {"email": "old@example.com"}}');
	SELECT hubspot_identify('{"userId": "u1", "traits": {"email": "new@example.com"}}');
	SELECT hubspot_identify('{"userId": "u2", "traits": {"email": "two@example.com"}}')});
wait_drained($node, 'postgres');
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.record WHERE told_by IS NOT NULL}) eq '3' }, 'the userIds to be remembered');
ask(q{ALTER SERVER crm RENAME TO crm_two; ALTER SERVER crm_two RENAME TO crm});

#
# Into another database of the same account
#
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
ask('CREATE DATABASE copy');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('copy'), $dump ], 'restore');

is(ask('SELECT name, held IS NOT NULL FROM hubspot.sync ORDER BY name', 'copy'), "compared|t\nfollowed|t", 'the definitions come back, held');
is(ask('SELECT state, count(*) FROM hubspot.syncs GROUP BY state', 'copy'), 'held|2', 'and say so');
is(ask('SELECT key FROM hubspot.member', 'copy'), 'ada@example.com', 'the members come back');
is(ask(q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'hubspot_sync%'}, 'copy'), '5', 'so do the triggers');

ask(q{INSERT INTO customers VALUES (2, 'bob@example.com', 'free'); UPDATE customers SET plan = 'team'; DELETE FROM customers WHERE id = 2}, 'copy');
is(ask('SELECT count(*) FROM hubspot.outbox', 'copy'), '0', 'business goes on, and HubSpot hears nothing of it');
becomes(sub { ask('SELECT string_agg(remedy, chr(10)) FROM hubspot_health()', 'copy') }, qr/hubspot_resync\('followed'\)/, 'what to do about it is told');

# A trigger of the user's own is not a declaration: the whole database is held
ask(q{INSERT INTO people VALUES ('staging@example.com')}, 'copy');
becomes(sub { ask(q{SELECT problem || ' -> ' || remedy FROM hubspot_health() WHERE problem LIKE '%restored%'}, 'copy') },
	qr/held: this database was restored from a dump; 1 rows wait -> .*hubspot_arm\(\)/, 'a restored database is held, and says so');
ask(q{SELECT hubspot_identify('{"email": "live@example.com"}')});
wait_drained($node, 'postgres');
is(ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE verdict IS NOT NULL}, 'copy'), '0', 'it sends nothing while the original does');
is(ask(q{SELECT count(*), bool_and(told_by = -1) FROM hubspot.record}, 'copy'), '2|t', 'of each userId it has what was told last');
ask('SELECT hubspot_arm()', 'copy');
wait_drained($node, 'copy');
isnt($sim->contact('staging@example.com'), undef, 'until it is armed');
is(ask(q{SELECT string_agg(key || ' ' || record_id, ', ' ORDER BY key) FROM hubspot.record r JOIN pg_foreign_server s ON s.oid = r.server WHERE told_by < 0}, 'copy'),
	'u1 new@example.com, u2 two@example.com', 'userIds have found their SERVER by its name');
is(ask('SELECT count(*) FROM hubspot.dumped_server', 'copy'), '0', 'nothing waits for one');
my $id = ask(q{SELECT hubspot_track('{"event": "Bought", "userId": "u1"}')}, 'copy');
becomes(sub { ask(qq{SELECT verdict || ' ' || coalesce(category, '') FROM hubspot.outbox_status WHERE id = $id}, 'copy') }, 'rejected unknown_event',
	'a call by userId alone finds its contact');

ask(q{SELECT hubspot_resync('followed')}, 'copy');
ask(q{INSERT INTO customers VALUES (3, 'cyd@example.com', 'pro')}, 'copy');
wait_drained($node, 'copy');
wait_until(sub { ask(q{SELECT state FROM hubspot.syncs WHERE name = 'followed'}, 'copy') eq 'following' }, 'the back-fill of the copy');
wait_drained($node, 'copy');
is($sim->contact('cyd@example.com')->{properties}{plan}, 'pro', 'after a resync changes are followed');
is($sim->contact('ada@example.com')->{properties}{plan}, 'team', 'and what was there arrives');
is(ask(q{SELECT coalesce(problem, 'none') FROM hubspot.syncs WHERE name = 'followed'}, 'copy'), 'none', 'nothing stands against it');
isnt(ask(q{SELECT held FROM hubspot.sync WHERE name = 'compared'}, 'copy'), '', 'the other one is still held');
is(ask(q{SELECT members FROM hubspot.syncs WHERE name = 'compared'}, 'copy'), '1', 'with its members');
ask(q{SELECT hubspot_resync('compared')}, 'copy');
wait_until(sub { ask(q{SELECT state FROM hubspot.syncs WHERE name = 'compared'}, 'copy') eq 'scheduled' },
	sub { 'the refresh of the copy: ' . ask(q{SELECT problem FROM hubspot.syncs WHERE name = 'compared'}, 'copy') });
is(ask(q{SELECT members FROM hubspot.syncs WHERE name = 'compared'}, 'copy'), '2', 'which are known when it goes on');

#
# A table with partitions
#
ask(q{CREATE TABLE visitors (id int, mail text, plan text) PARTITION BY LIST (plan);
	CREATE TABLE visitors_pro PARTITION OF visitors FOR VALUES IN ('pro');
	SELECT hubspot_sync('parts', 'visitors', mapping => '{"email": "mail", "plan": "plan"}', backfill => false)});
my $triggers = q{SELECT tgrelid::regclass, count(*), string_agg(DISTINCT tgenabled, '' ORDER BY tgenabled) FROM pg_trigger WHERE tgname LIKE 'hubspot_sync%parts' GROUP BY 1 ORDER BY 1::text};
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump of a table with partitions');
ask('CREATE DATABASE parted');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('parted'), $dump ], 'restore');
is(ask($triggers, 'parted'), ask($triggers), 'the triggers of all its tables come back as they were');
ask(q{SELECT hubspot_arm(); SELECT hubspot_resync('parts'); INSERT INTO visitors_pro VALUES (1, 'parted@example.com', 'pro')}, 'parted');
wait_until(sub { $sim->contact('parted@example.com') }, 'a row that was written to the partition');
pass('and do their work after a resync');

#
# Columns and tables that were renamed before the dump are found by their present names
#
ask(q{ALTER TABLE customers RENAME COLUMN mail TO address; ALTER TABLE customers RENAME TO clients});
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump after renaming');
ask('CREATE DATABASE renamed');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('renamed'), $dump ], 'restore');
ask('SELECT hubspot_arm()', 'renamed');
ask(q{SELECT hubspot_resync('followed')}, 'renamed');
ask(q{INSERT INTO clients VALUES (4, 'dan@example.com', 'free')}, 'renamed');
wait_until(sub { $sim->contact('dan@example.com') }, 'the new row to arrive');
pass('a renamed table is followed after a resync');
is(ask(q{SELECT source, key_column FROM hubspot.sync WHERE name = 'followed'}, 'renamed'), 'public.clients|address', 'by its present name');

#
# A schema of that name, as loaders make
#
ask('CREATE DATABASE taken');
ask('CREATE SCHEMA hubspot; CREATE TABLE hubspot.contacts (id int)', 'taken');
my ($code, $out, $error) = $node->psql('taken', 'CREATE EXTENSION hubspot');
like($error, qr/ERROR:  schema "hubspot" exists already\nDETAIL:  It belongs to postgres and holds 1 tables.*\nHINT:  Give what fills it another schema/, 'the way out is told');
ask('ALTER SCHEMA hubspot RENAME TO hubspot_data; CREATE EXTENSION hubspot', 'taken');
is(ask('SELECT count(*) FROM hubspot.sync', 'taken'), '0', '... and is one');

done_testing();
