# Whose rights a definition's query has: those of its owner, never a
# superuser's, whoever refreshes it.
use strict;
use warnings;

use HubSpotTest;
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


done_testing();
