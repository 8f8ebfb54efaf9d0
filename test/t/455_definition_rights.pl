# Whose rights a definition's query has: those of its owner, never a
# superuser's, whoever refreshes it; nor has any other code that the owner put into
# his tables and types.  What he may not read any more is not sent.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('rights');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub as { my ($role, $sql) = @_; return $node->safe_psql('postgres', "SET ROLE $role; $sql") }

sub error_of { my ($role, $sql) = @_; my ($status, undef, $error) = $node->psql('postgres', "SET ROLE $role; $sql"); return $status ? $error : 'no error' }

ask(q{CREATE ROLE marketing; CREATE ROLE sales; GRANT USAGE ON FOREIGN SERVER crm TO marketing;
	GRANT CREATE ON SCHEMA public TO marketing, sales;
	CREATE TABLE secret (email text); INSERT INTO secret VALUES ('hidden@example.com');
	CREATE TABLE shown (email text); INSERT INTO shown VALUES ('seen@example.com'); GRANT SELECT ON shown TO marketing;
	SELECT hubspot_create_property('contact', p, 'bool') FROM unnest('{mine,spy,admin,path,shadow}'::text[]) p});
wait_drained($node, 'postgres');

like(error_of('sales', q{SELECT hubspot_audience('mine', 'SELECT email FROM shown')}), qr/permission denied for foreign server crm/, 'USAGE on the SERVER is the right to declare');
like(error_of('marketing', q{SELECT hubspot_audience('mine', 'SELECT email FROM secret')}), qr/permission denied for table secret/, 'no query on what its owner may not read');
as('marketing', q{SELECT hubspot_audience('mine', 'SELECT email FROM shown')});
is(ask(q{SELECT owner FROM hubspot.sync WHERE name = 'mine'}), 'marketing', 'who declares is the owner');
like(error_of('sales', q{SELECT hubspot_refresh('mine')}), qr/must be owner of audience "mine"/, 'others may not refresh it');
like(error_of('sales', q{SELECT hubspot_audience('mine', 'SELECT 1')}), qr/must be owner of audience "mine"|permission denied/, '... nor change it');
like(error_of('sales', q{SELECT * FROM hubspot_refresh_preview('mine')}), qr/must be owner/, '... nor look at its members');
like(error_of('marketing', q{SELECT * FROM hubspot.members}), qr/permission denied/, 'members are shown to whom the owner of the extension grants it');

ask(q{REVOKE SELECT ON shown FROM marketing});
like(error_of('postgres', q{SELECT hubspot_refresh('mine')}), qr/permission denied for table shown/, 'a superuser who refreshes lends no rights');
ask(q{GRANT SELECT ON shown TO marketing});
is(as('marketing', q{SELECT entered FROM hubspot_refresh('mine')}), 1, 'the owner refreshes');
ask(q{REVOKE USAGE ON FOREIGN SERVER crm FROM marketing; INSERT INTO shown VALUES ('more@example.com')});
like(error_of('postgres', q{SELECT hubspot_refresh('mine')}), qr/permission denied for foreign server crm/, 'USAGE is asked for at each refresh');
ask(q{GRANT USAGE ON FOREIGN SERVER crm TO marketing});

#
# What a function of the owner's can do while a superuser refreshes
#
as('marketing', q{CREATE FUNCTION spy() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		IF current_user <> 'marketing' THEN RAISE EXCEPTION 'I am %', current_user; END IF;
		BEGIN PERFORM count(*) FROM secret; RAISE EXCEPTION 'secret was read'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		BEGIN PERFORM count(*) FROM hubspot.member; RAISE EXCEPTION 'member was read'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		BEGIN EXECUTE 'SET ROLE postgres'; RAISE EXCEPTION 'role was set'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		BEGIN EXECUTE 'RESET ROLE'; RAISE EXCEPTION 'role was reset'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		BEGIN EXECUTE 'SET SESSION AUTHORIZATION postgres'; RAISE EXCEPTION 'session was taken'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		BEGIN EXECUTE 'CREATE TEMP TABLE hidden_trap (i int)'; RAISE EXCEPTION 'table was made'; EXCEPTION WHEN insufficient_privilege THEN NULL; END;
		RETURN 'spy@example.com';
	END $$;
	SELECT hubspot_audience('spy', 'SELECT spy()')});
is(ask(q{SELECT entered FROM hubspot_refresh('spy')}), 1, 'a function in the query can do what its owner can, and no more');

#
# A superuser's definition
#
ask(q{CREATE FUNCTION who() RETURNS text LANGUAGE sql AS $$ SELECT current_user || '@example.com' $$;
	SELECT hubspot_audience('admin', 'SELECT who() UNION ALL SELECT email FROM secret'); SELECT hubspot_refresh('admin')});
is(ask(q{SELECT string_agg(key, ' ' ORDER BY key) FROM hubspot.members WHERE name = 'admin'}), 'hidden@example.com pg_read_all_data@example.com',
	'a superuser\'s query reads everything, as pg_read_all_data');
ask(q{CREATE TABLE trap (i int); CREATE FUNCTION write_trap() RETURNS text LANGUAGE sql AS $$ INSERT INTO trap VALUES (1); SELECT 'a@example.com' $$;
	SELECT hubspot_audience('admin', 'SELECT write_trap()')});
like(error_of('postgres', q{SELECT hubspot_refresh('admin')}), qr/permission denied for table trap/, '... and writes nothing');

#
# The search_path is that of the declaration.
#
ask(q{CREATE SCHEMA a; CREATE SCHEMA b; CREATE TABLE a.who (email text); CREATE TABLE b.who (email text);
	INSERT INTO a.who VALUES ('from_a@example.com'); INSERT INTO b.who VALUES ('from_b@example.com')});
ask(q{SET search_path = a, public; SELECT hubspot_audience('path', 'SELECT email FROM who'); SET search_path = b, public; SELECT hubspot_refresh('path')});
is(ask(q{SELECT key FROM hubspot.members WHERE name = 'path'}), 'from_a@example.com', 'a query means what it meant when it was declared');

#
# What is revoked from the owner of a followed table is not sent any more
#
sub outbox_of { return ask("SELECT count(*) FROM hubspot.outbox WHERE key = '$_[0]\@example.com'") }

sub problem_of { return ask("SELECT problem FROM hubspot.syncs WHERE name = '$_[0]'") }

my $serial = 0;
sub insert_is_sent { my $who = 'rv' . ++$serial; ask("INSERT INTO shop.rv (id, email) VALUES ($serial, '$who\@example.com')"); return outbox_of($who) }

ask(q{CREATE ROLE bob; CREATE SCHEMA shop; GRANT USAGE ON SCHEMA shop TO bob; GRANT USAGE ON FOREIGN SERVER crm TO bob;
	CREATE TABLE shop.rv (id int, email text, extra text, internal text); GRANT TRIGGER ON shop.rv TO bob; GRANT SELECT (email, extra) ON shop.rv TO bob});
like(error_of('bob', q{SELECT hubspot_sync('rv', 'shop.rv', mapping => '{"email": "email", "firstname": "internal"}')}), qr/permission denied for table rv/,
	'a column that its owner may not read is not followed');
as('bob', q{SELECT hubspot_sync('rv', 'shop.rv', mapping => '{"email": "email", "lastname": "extra"}', backfill => false)});
is(insert_is_sent(), 1, 'SELECT on the columns that are sent is enough');
for my $case (
	[ 'REVOKE SELECT (email) ON shop.rv FROM bob', 'GRANT SELECT (email) ON shop.rv TO bob', 'SELECT on the table "rv"', 'SELECT on a column' ],
	[ 'REVOKE ALL ON shop.rv FROM bob', 'GRANT SELECT, TRIGGER ON shop.rv TO bob', 'SELECT on the table "rv"', 'SELECT on the table' ],
	[ 'REVOKE USAGE ON SCHEMA shop FROM bob', 'GRANT USAGE ON SCHEMA shop TO bob', 'USAGE on the schema "shop"', 'USAGE on the schema' ],
	[ 'REVOKE USAGE ON FOREIGN SERVER crm FROM bob', 'GRANT USAGE ON FOREIGN SERVER crm TO bob', 'USAGE on the server "crm"', 'USAGE on the SERVER' ])
{
	my ($revoke, $grant, $problem, $what) = @$case;
	is(problem_of('rv'), '', "nothing is wrong before $what is revoked");
	ask($revoke);
	is(insert_is_sent(), 0, "what is inserted without $what is not sent");
	is(problem_of('rv'), qq{its owner, the role "bob", has no $problem any more}, '... and hubspot.syncs says so');
	becomes(sub { ask(q{SELECT string_agg(h::text, chr(10)) FROM hubspot_health() h}) }, qr/rv/, '... and hubspot_health()');
	ask($grant);
	is(insert_is_sent(), 1, '... until it is granted again');
}
ask('REVOKE SELECT ON shop.rv FROM bob; GRANT SELECT (email) ON shop.rv TO bob; ALTER TABLE shop.rv DROP COLUMN extra');
is(insert_is_sent(), 1, 'a mapped column that has gone is in nobody\'s way');
ask('REVOKE USAGE ON SCHEMA shop FROM bob');
ask(q{CREATE ROLE ann; GRANT USAGE ON FOREIGN SERVER crm TO ann; GRANT SELECT ON shop.rv TO ann});
like(error_of('postgres', q{SELECT hubspot_alter_owner('rv', 'ann')}), qr/permission denied for schema shop/, 'nor is it given to whom may not read it');

#
# Code that a tenant puts wherever a table or a type can have some runs as him.
# Each kind tells the log as whom it was run; what is constant in an expression is
# evaluated wherever PostgreSQL's relation cache or planner looks at it.
#
ask(q{CREATE ROLE mallory; CREATE SCHEMA m AUTHORIZATION mallory; GRANT USAGE ON FOREIGN SERVER crm TO mallory});
as('mallory', <<'END');
	CREATE FUNCTION m.tell(what text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE LOG 'PLANTED % as %', what, current_user; END $$;
	CREATE FUNCTION m.yes(what text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.tell(what); RETURN true; END $$;
	CREATE FUNCTION m.one(what text) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.tell(what); RETURN 1; END $$;
	CREATE DOMAIN m.address AS text CHECK (m.yes('domain'));
	CREATE TYPE m.odd AS ENUM ('e1@example.com', 'e2@example.com');
	CREATE FUNCTION m.odd_json(m.odd) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.tell('cast to json'); RETURN to_json($1::text); END $$;
	CREATE FUNCTION m.odd_int(m.odd) RETURNS int LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN PERFORM m.tell('cast to int'); RETURN 1; END $$;
	CREATE CAST (m.odd AS json) WITH FUNCTION m.odd_json;
	CREATE CAST (m.odd AS int) WITH FUNCTION m.odd_int AS IMPLICIT;

	CREATE TABLE m.t (id int PRIMARY KEY DEFAULT m.one('default'), email m.address, odd m.odd, day date DEFAULT '2026-01-01',
		made int GENERATED ALWAYS AS (id + m.one('generated column')) STORED, CHECK (m.yes('check')));
	CREATE INDEX ON m.t (email) WHERE m.yes('index predicate');
	CREATE INDEX ON m.t ((id + m.one('index expression')));
	CREATE UNIQUE INDEX ON m.t (odd, (id + m.one('unique index'))) WHERE m.yes('index predicate');
	CREATE STATISTICS m.s ON (id + m.one('statistics')), email FROM m.t;
	INSERT INTO m.t (id, email, odd) SELECT i, 'm' || i || '@example.com', 'e1@example.com' FROM generate_series(1, 20) i;
	ANALYZE m.t;
	CREATE TABLE m.p (LIKE m.t INCLUDING DEFAULTS) PARTITION BY LIST ((id > 0 AND m.yes('partition key')));
	CREATE TABLE m.p1 PARTITION OF m.p FOR VALUES IN (true);
	CREATE TABLE m.p2 PARTITION OF m.p DEFAULT;
	CREATE INDEX ON m.p (email) WHERE m.yes('index predicate');
	INSERT INTO m.p (id, email, odd) SELECT i, 'p' || i || '@example.com', 'e1@example.com' FROM generate_series(1, 20) i;
	CREATE VIEW m.v AS SELECT id, email, odd FROM m.t WHERE m.yes('view');
	CREATE TABLE m.r AS TABLE m.t;
	ALTER TABLE m.r ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY visible ON m.r USING (m.yes('policy'));
END
my $log = $node->logfile;
my $begun = length slurp_file($log);

# What ran since then: the roles, and the kinds.
sub ran_as { my %who = map { $_ => 1 } substr(slurp_file($log), $begun) =~ /LOG:  PLANTED .* as (\S+)/g; return join ' ', sort keys %who }

sub ran { my %what = map { $_ => 1 } substr(slurp_file($log), $begun) =~ /LOG:  PLANTED (.*) as \S+/g; return \%what }

sub all_have_run
{
	wait_until(sub { ask(q{SELECT count(*) FROM hubspot.sync_state st JOIN hubspot.sync s ON s.id = st.sync WHERE s.name ~ '^p_' AND st.refreshed_at IS NULL AND st.fill_finished_at IS NULL}) eq '0' },
		sub { ask('SELECT string_agg(s::text, chr(10)) FROM hubspot.sync_state s') });
	return ask(q{SELECT string_agg(name || ': ' || problem, ', ') FROM hubspot.syncs WHERE owner IN ('mallory', 'postgres') AND name ~ '^p_' AND problem <> ''});
}
as('mallory', q{
	SELECT hubspot_sync('p_email', 'm.t', key => 'email', mapping => '{"email": "email", "firstname": "odd", "lastname": "made"}');
	SELECT hubspot_sync('p_odd', 'm.t', key => 'odd', mapping => '{"email": "odd", "firstname": "email"}');
	SELECT hubspot_sync('p_parts', 'm.p', key => 'email', mapping => '{"email": "email", "firstname": "odd"}');
	SELECT hubspot_sync('p_events', 'm.t', object => 'event', event => 'Bought', key => 'id', mapping => '{"email": "email"}');
	SELECT hubspot_sync('p_mirror', 'm.v', key => 'email', mapping => '{"email": "email", "firstname": "odd"}', mode => 'mirror', every => '1 second');
	SELECT hubspot_audience('p_people', 'SELECT email FROM m.r WHERE id + m.one(''query'') > 0', every => '1 second', create_in_hubspot => true);
	SELECT hubspot_audience('p_cast', 'SELECT email FROM m.v WHERE odd + 0 > 0', every => '1 second', create_in_hubspot => true);
});
note all_have_run();
as('mallory', q{INSERT INTO m.t (id, email, odd) VALUES (100, 'm100@example.com', 'e2@example.com'); UPDATE m.t SET odd = 'e2@example.com' WHERE id = 1; DELETE FROM m.t WHERE id = 2});
ask(qq{SELECT $_}) for q{hubspot_refresh_preview('p_people')},
  q{hubspot_resync('p_email')}, q{hubspot_resync('p_parts')};
ask("TABLE hubspot.$_") for qw(syncs backfills status);
ask('SELECT hubspot_health()');
note all_have_run();
is(ran_as(), 'mallory', 'what a tenant planted is run by definitions of his as himself, by no superuser nor reader of everything');
my $ran = ran();
note join ', ', sort keys %$ran;
ok($ran->{$_}, "... and is run: $_") for 'index predicate', 'index expression', 'partition key', 'cast to json', 'cast to int', 'domain', 'view', 'policy', 'query', 'statistics', 'check', 'generated column';

#
# A superuser's definition of the tenant's tables
#
$begun = length slurp_file($log);
ask(q{SELECT hubspot_sync('p_super', 'm.t', key => 'email', mapping => '{"email": "email", "firstname": "odd"}');
	SELECT hubspot_sync('p_super_parts', 'm.p', key => 'email', mapping => '{"email": "email", "firstname": "odd"}');
	SELECT hubspot_sync('p_super_events', 'm.t', object => 'event', event => 'Bought', key => 'id', mapping => '{"email": "email"}');
	SELECT hubspot_sync('p_super_mirror', 'm.v', key => 'email', mapping => '{"email": "email"}', mode => 'mirror', every => '1 second')});
note all_have_run();
unlike(ran_as(), qr/postgres/, 'a superuser who declares, and who sees to it, runs nothing of it as a superuser: ' . ran_as());

done_testing();
