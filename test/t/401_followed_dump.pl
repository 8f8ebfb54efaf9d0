# Dump and restore: what was declared comes back, held; business goes on; resync wakes it.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('dumped');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

ask(q{CREATE TABLE customers (gone int, id int PRIMARY KEY, mail text, plan text);
	ALTER TABLE customers DROP COLUMN gone;
	INSERT INTO customers VALUES (1, 'ada@example.com', 'pro')});
ask(q{SELECT hubspot_sync('followed', 'customers', mapping => '{"email": "mail", "plan": "plan"}', deletes => 'archive')});
ask(q{SELECT hubspot_sync('compared', 'SELECT mail AS email, plan FROM public.customers', every => '1 hour')});
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.member}) eq '1' }, 'the first refresh');
wait_until(sub { ask(q{SELECT state FROM hubspot.syncs WHERE name = 'followed'}) eq 'following' }, 'the back-fill');
wait_drained($node, 'postgres');

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
is(ask(q{SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'hubspot_sync%'}, 'copy'), '4', 'so do the triggers');

ask(q{INSERT INTO customers VALUES (2, 'bob@example.com', 'free'); UPDATE customers SET plan = 'team'; DELETE FROM customers WHERE id = 2}, 'copy');
is(ask('SELECT count(*) FROM hubspot.outbox', 'copy'), '0', 'business goes on, and HubSpot hears nothing of it');
becomes(sub { ask('SELECT string_agg(remedy, chr(10)) FROM hubspot_health()', 'copy') }, qr/hubspot_resync\('followed'\)/, 'what to do about it is told');

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
# Columns and tables that were renamed before the dump are found by their present names
#
ask(q{ALTER TABLE customers RENAME COLUMN mail TO address; ALTER TABLE customers RENAME TO clients});
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump after renaming');
ask('CREATE DATABASE renamed');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', $node->connstr('renamed'), $dump ], 'restore');
ask(q{SELECT hubspot_resync('followed')}, 'renamed');
ask(q{INSERT INTO clients VALUES (4, 'dan@example.com', 'free')}, 'renamed');
wait_until(sub { $sim->contact('dan@example.com') }, 'the new row to arrive');
pass('a renamed table is followed after a resync');
is(ask(q{SELECT source, key_column FROM hubspot.sync WHERE name = 'followed'}, 'renamed'), 'public.clients|address', 'by its present name');

done_testing();
