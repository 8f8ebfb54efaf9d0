# Sources of every kind that a user can choose: partitioned tables with foreign partitions,
# tables without partitions, materialized views, views of foreign tables, keys that no
# index holds.  Each works, or is refused with its reason; nothing ends a process.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('odd_sources');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub error_of { my ($status, undef, $error) = $node->psql('postgres', $_[0]); return $status ? $error : 'no error' }

my $mapping = q{mapping => '{"email": "email"}'};

sub wait_for_fill
{
	my ($name, $state) = @_;
	wait_until(sub { ask("SELECT state = '$state' FROM hubspot.backfills WHERE name = '$name'") eq 't' }, sub { "$name to be $state: " . ask('SELECT * FROM hubspot.backfills') });
}

my ($host, $port) = ($node->host, $node->port);
ask(qq{CREATE EXTENSION postgres_fdw; CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
	CREATE USER MAPPING FOR PUBLIC SERVER loop OPTIONS (user 'postgres', password_required 'false');
	CREATE TABLE archive (id int, email text); INSERT INTO archive SELECT i, 'old' || i || '\@example.com' FROM generate_series(1000, 1009) i;
	CREATE TABLE parted (id int, email text) PARTITION BY RANGE (id);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (1000);
	CREATE FOREIGN TABLE parted_2 PARTITION OF parted FOR VALUES FROM (1000) TO (2000) SERVER loop OPTIONS (table_name 'archive');
	INSERT INTO parted SELECT i, 'new' || i || '\@example.com' FROM generate_series(0, 9) i});

# A foreign partition
like(error_of("SELECT hubspot_sync('parted', 'parted', $mapping)"), qr/table public.parted cannot be followed.*"parted_2" is a foreign table.*SELECT \* FROM public.parted/s,
	'a table with a foreign partition is not followed, and why');
ask("SELECT hubspot_sync('compared', 'SELECT * FROM parted', key => 'email', $mapping); SELECT hubspot_sync('mirrored', 'parted', mode => 'mirror', $mapping)");
is(ask("SELECT entered FROM hubspot_refresh('compared')") . ask("SELECT entered FROM hubspot_refresh('mirrored')"), '2020', 'a query of it, and a mirror, are compared with all of its rows');

# One that comes later; deep below, too
ask("ALTER TABLE parted DETACH PARTITION parted_2; SELECT hubspot_sync('later', 'parted', $mapping)");
wait_for_fill('later', 'done');
is(ask("SELECT problem IS NULL FROM hubspot.syncs WHERE name = 'later'"), 't', 'without one it is followed');
ask(q{CREATE TABLE deep (id int, email text) PARTITION BY RANGE (id); ALTER TABLE deep ATTACH PARTITION parted_2 FOR VALUES FROM (1000) TO (1500);
	ALTER TABLE parted ATTACH PARTITION deep FOR VALUES FROM (1000) TO (2000); SELECT hubspot_resync('later')});
like(ask("SELECT problem FROM hubspot.syncs WHERE name = 'later'"), qr/partition "parted_2" .*is a foreign table/, 'attached later, it is a problem of the definition');
becomes(sub { ask('SELECT problem FROM hubspot_health()') }, qr/partition "parted_2" .*is a foreign table/, '... that health names');
wait_until(sub { ask(q{SELECT error FROM hubspot.sync_state s JOIN hubspot.sync y ON y.id = s.sync WHERE y.name = 'later'}) =~ /partition "parted_2"/ }, 'the back-fill to say so');
ask("INSERT INTO parted VALUES (10, 'ten\@example.com')");
wait_drained($node, 'postgres');
ok($sim->contact('ten@example.com'), '... while changes of the other partitions are followed');
ask("ALTER TABLE parted DETACH PARTITION deep; SELECT hubspot_resync('later')");
wait_for_fill('later', 'done');
is(ask("SELECT coalesce(problem, 'none') FROM hubspot.syncs WHERE name = 'later'"), 'none', 'detached, all is well');

# Others
ask(q{CREATE TABLE childless (id int PRIMARY KEY, email text) PARTITION BY RANGE (id); CREATE UNLOGGED TABLE unlogged (email text); INSERT INTO unlogged VALUES ('un@example.com');
	CREATE TABLE parent (email text); INSERT INTO parent VALUES ('parent@example.com'); CREATE FOREIGN TABLE child () INHERITS (parent) SERVER loop OPTIONS (table_name 'archive');
	CREATE VIEW seen AS SELECT email FROM parted_2; CREATE MATERIALIZED VIEW kept AS SELECT email FROM archive; CREATE TEMP TABLE mine (email text)});
ask("SELECT hubspot_sync('$_', '$_', $mapping)") for qw(childless unlogged parent);
wait_for_fill($_, 'done') for qw(childless unlogged parent);
is(ask(q{SELECT string_agg(name || ' ' || rows_read, ', ' ORDER BY name) FROM hubspot.backfills WHERE name IN ('childless', 'unlogged', 'parent')}),
	'childless 0, parent 1, unlogged 1', 'a table without partitions, one that is not logged, one with foreign children');
ask("SELECT hubspot_sync('$_', '$_', key => 'email', $mapping)") for qw(seen kept);
is(ask("SELECT entered FROM hubspot_refresh('$_')"), '10', "$_ is compared") for qw(seen kept);
like(error_of("SELECT hubspot_sync('x', 'parted_2')"), qr/is a partition/, 'a partition by itself');
like(error_of("SELECT hubspot_sync('x', 'pg_toast.pg_toast_1255')"), qr/is not a table or view/, 'what is neither table nor view');
wait_drained($node, 'postgres');

# Keys that no index holds
ask(q{CREATE TABLE keys (key text, value int)});
ask(qq{INSERT INTO keys VALUES ('good1\@example.com', 1), ('good2\@example.com', 2), (NULL, 3), ('', 4);
	INSERT INTO keys SELECT string_agg(md5(i::text), ''), 5 FROM generate_series(1, 200) i; INSERT INTO keys SELECT string_agg(md5(i::text), '') || '\@example.com', 6 FROM generate_series(1, 40) i;
	INSERT INTO keys SELECT 'u' || left(string_agg(md5(i::text), ''), 1023), 7 FROM generate_series(1, 40) i});
ask(q{SELECT hubspot_audience('keys', 'SELECT key FROM keys', create_in_hubspot => true); SELECT hubspot_trait('values', 'SELECT key, value FROM keys', create_in_hubspot => true);
	SELECT hubspot_sync('rows', 'SELECT key AS email, value AS numchildren FROM keys', create_in_hubspot => NULL)});
is(ask("SELECT concat_ws(' ', source_rows, entered, bad) FROM hubspot_refresh('$_')"), '3 3 4', "$_: keys that are too long are bad, all others go on") for qw(keys values rows);
is(ask("SELECT count(*) FROM hubspot_refresh_preview('keys')"), '0', '... and all that is known is known');
like(error_of(q{SELECT hubspot_map(string_agg(md5(i::text), ''), 'x') FROM generate_series(1, 200) i}), qr/invalid name of a trait/, 'a trait that is too long is refused');

unlike(slurp_file($node->logfile), qr/terminated by signal|index row size|PANIC/, 'nothing came to a bad end');
done_testing();
