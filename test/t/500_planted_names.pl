# A database's owner plants what our SQL might take for PostgreSQL's own: every
# operator over all pairs of 20 types, every function of pg_catalog whose name our SQL
# contains, views and types of the same names, and a search_path that puts them
# first.  Then a superuser creates the extension there, reads every view, calls every
# function, and lets worker and refresher work.  Nothing planted may be called
# or depended on: what is planted tells the log.
use strict;
use warnings;

use HubSpotCatalog;
use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator();
my $node = hubspot_cluster('planted', conf => "max_locks_per_transaction = 1024\nlog_statement = none\nlog_min_messages = warning\n");
my $log = $node->logfile;

$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE DATABASE victim OWNER mallory');
sub as_mallory { return $node->safe_psql('victim', shift, extra_params => [ '-U', 'mallory' ]) }

#
# Planting.  A planted function returns its first argument, or true, so that
# nothing notices but the log; it is immutable, so that it is good for a partition key.
#
my @types = qw(int8 int4 int2 float8 float4 numeric text name "char" varchar bool oid timestamptz timestamp date interval jsonb xid8 uuid bytea);
my $types = join ', ', map { "'pg_catalog.$_'" } @types;
my $words = join ', ', map { "'$_'" } sql_words('.');

as_mallory(<<"END");
	CREATE SCHEMA planted;
	SET search_path = pg_catalog, pg_temp;
	CREATE TABLE planted.counts (what text, n bigint);

	DO \$do\$
	DECLARE
		types text[] := ARRAY[$types];
		words text[] := ARRAY[$words];
		l text;
		r text;
		o text;
		p record;
		planted bigint := 0;
		body text;
		arguments text;
	BEGIN
		/* one function for each pair and kind of result, named so that no call of ours finds it */
		FOREACH l IN ARRAY types LOOP
			FOREACH r IN ARRAY types LOOP
				EXECUTE format('CREATE FUNCTION planted."bool of"(%s, %s) RETURNS pg_catalog.bool LANGUAGE plpgsql IMMUTABLE AS '
					'\$f\$ BEGIN RAISE LOG \$l\$PLANTED operator that returns bool (%1\$s, %2\$s)\$l\$; RETURN true; END \$f\$', l, r);
				EXECUTE format('CREATE FUNCTION planted."left of"(%s, %s) RETURNS %1\$s LANGUAGE plpgsql IMMUTABLE AS '
					'\$f\$ BEGIN RAISE LOG \$l\$PLANTED operator that returns its left argument (%1\$s, %2\$s)\$l\$; RETURN \$1; END \$f\$', l, r);
			END LOOP;
		END LOOP;
		FOR o IN SELECT DISTINCT oprname FROM pg_operator WHERE oprkind = 'b' AND oprnamespace = 'pg_catalog'::regnamespace LOOP
			FOREACH l IN ARRAY types LOOP
				FOREACH r IN ARRAY types LOOP
					EXECUTE format('CREATE OPERATOR planted.%s (LEFTARG = %s, RIGHTARG = %s, FUNCTION = planted.%I)', o, l, r,
						CASE WHEN o = ANY ('{+,-,*,/,%,||,->,->>,#>,#>>,&,|,#,#-,<<,>>,^}') THEN 'left of' ELSE 'bool of' END);
					planted := planted + 1;
				END LOOP;
			END LOOP;
		END LOOP;
		INSERT INTO planted.counts VALUES ('operators', planted);

		/* with the arguments of each function of that name, and with each type and two of them */
		planted := 0;
		body := 'BEGIN RAISE LOG \$l\$PLANTED function %s(%s)\$l\$; RETURN %s; END';
		FOR p IN
			WITH names AS (
				SELECT DISTINCT f.proname FROM pg_proc f WHERE f.pronamespace = 'pg_catalog'::regnamespace AND f.proname = ANY (words)
					AND f.prokind <> 'p'
			), lists AS (
				SELECT f.proname, pg_get_function_identity_arguments(f.oid) AS list, format_type(f.prorettype, NULL) AS result
				FROM pg_proc f JOIN names n ON n.proname = f.proname WHERE f.pronamespace = 'pg_catalog'::regnamespace
				UNION ALL
				SELECT n.proname, v.type, 'text' FROM names n, unnest(types) v(type)
				UNION ALL
				SELECT n.proname, v.type || ', ' || w.type, 'text' FROM names n, unnest(types) v(type), unnest(ARRAY['text', 'int8', 'int4', 'float8', 'timestamptz', 'jsonb']) w(type)
				UNION ALL
				SELECT n.proname, v.list, 'text' FROM names n, unnest(ARRAY['anyelement', 'anyarray', 'VARIADIC anyarray', 'VARIADIC text[]', 'VARIADIC int8[]',
					'text, VARIADIC text[]', 'text, VARIADIC anyarray', 'anyelement, anyelement', 'anyarray, anyelement']) v(list)
			)
			SELECT * FROM lists ORDER BY proname, result = 'text', list
		LOOP
			BEGIN
				EXECUTE format('CREATE FUNCTION planted.%I(%s) RETURNS %s LANGUAGE plpgsql IMMUTABLE AS %L', p.proname, p.list, p.result,
					format(body, p.proname, p.list, 'NULL'));
				planted := planted + 1;
			EXCEPTION WHEN OTHERS THEN
				NULL;		/* there already, or not to be had in this language */
			END;
		END LOOP;
		INSERT INTO planted.counts VALUES ('functions', planted);

		/* views and types with the names of the catalogs and types that our SQL names */
		planted := 0;
		CREATE FUNCTION planted."touch of"(what text) RETURNS bool LANGUAGE plpgsql VOLATILE AS
			\$f\$ BEGIN RAISE LOG 'PLANTED relation or type %', what; RETURN true; END \$f\$;
		FOR p IN SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v') AND c.relname = ANY (words) LOOP
			BEGIN
				EXECUTE format('CREATE VIEW planted.%I AS SELECT * FROM pg_catalog.%1\$I WHERE planted."touch of"(%L)', p.relname, p.relname);
				planted := planted + 1;
			EXCEPTION WHEN invalid_table_definition THEN
				NULL;		/* a column of a pseudo-type */
			END;
		END LOOP;
		INSERT INTO planted.counts VALUES ('views', planted);
		planted := 0;
		FOR p IN SELECT t.typname FROM pg_type t WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typelem = 0
			AND (t.typname = ANY (words) OR t.typname = ANY ('{int8,int4,int2,float4,bool,varchar,bpchar}')) LOOP
			EXECUTE format('CREATE DOMAIN planted.%I AS pg_catalog.%1\$I CHECK (planted."touch of"(%L))', p.typname, p.typname);
			planted := planted + 1;
		END LOOP;
		INSERT INTO planted.counts VALUES ('types', planted);
	END
	\$do\$;

	/* a type of his own, with casts to what columns are written as */
	CREATE TYPE planted.odd AS ENUM ('ada\@example.com', 'bob\@example.com');
	CREATE FUNCTION planted."odd as json"(planted.odd) RETURNS json LANGUAGE plpgsql IMMUTABLE AS
		\$f\$ BEGIN RAISE LOG 'PLANTED cast as %', current_user; RETURN '"ada\@example.com"'; END \$f\$;
	CREATE FUNCTION planted."odd as text"(planted.odd) RETURNS text LANGUAGE plpgsql IMMUTABLE AS
		\$f\$ BEGIN RAISE LOG 'PLANTED cast as %', current_user; RETURN 'ada\@example.com'; END \$f\$;
	CREATE CAST (planted.odd AS json) WITH FUNCTION planted."odd as json";
	CREATE CAST (planted.odd AS text) WITH FUNCTION planted."odd as text" AS IMPLICIT;
	CREATE TABLE planted.shop (id pg_catalog.int8 PRIMARY KEY, email pg_catalog.text, odd planted.odd);
	INSERT INTO planted.shop SELECT i, 'p' || i || '\@example.com', 'ada\@example.com' FROM generate_series(1, 30) i;
	ALTER DATABASE victim SET search_path = planted, pg_catalog;
END
my %planted = map { @$_ } ask_safely($node, 'victim', 'TABLE planted.counts');
note join ', ', map { "$_: $planted{$_}" } sort keys %planted;
cmp_ok($planted{operators}, '>', 20_000, "$planted{operators} operators are planted");
cmp_ok($planted{functions}, '>', 5_000, "... and $planted{functions} functions");

# What has been called, but for the casts of the table's owner, as himself.
sub called
{
	my $text = slurp_file($log);
	my %called = map { $_ => 1 } grep { !/cast as mallory/ } $text =~ /LOG:  PLANTED (.*)/g;
	return join "\n", sort keys %called;
}

my ($trap) = $node->psql('victim', 'SET search_path = planted, pg_catalog; SELECT 1::bigint % 2');
like(called(), qr/returns its left argument/, 'a trap that is stepped on tells the log');
my $before = length slurp_file($log);
sub new_calls
{
	my %called = map { $_ => 1 } grep { !/cast as mallory/ } substr(slurp_file($log), $before) =~ /LOG:  PLANTED (.*)/g;
	return join "\n", sort keys %called;
}

#
# A superuser creates the extension, in the schema that is full of traps
#
my ($status, $out, $error) = $node->psql('victim', 'CREATE EXTENSION hubspot SCHEMA planted');
is($status, 0, 'the extension can be created there') or diag $error;
is(new_calls(), '', '... and calls nothing planted');
is(join("\n", catalog_findings($node, 'victim')), '', '... and depends on nothing that is not its own or of pg_catalog, and everything has a description');
BAIL_OUT('without the extension there is nothing to look at') if $status != 0;

#
# Worker and refresher
#
$node->safe_psql('victim', 'CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret \'crm\', base_url \'' . $sim->url . '\', skip_unchanged \'on\');
	GRANT USAGE ON FOREIGN SERVER crm TO mallory;');
sub call { return $node->safe_psql('victim', shift) }
call(q{SELECT planted.hubspot_identify('{"userId": "ada@example.com", "traits": {"firstName": "Ada", "shoe size": 39}}')});
call(q{SELECT planted.hubspot_map('shoe size', 'shoe', server => 'crm')});
call(q{SELECT planted.hubspot_group('{"groupId": "acme.com", "userId": "ada@example.com", "traits": {"name": "Acme", "website": "acme.com"}}')});
call(q{SELECT planted.hubspot_track('{"event": "Bought", "userId": "ada@example.com"}')});
call(q{SELECT planted.hubspot_delete('{"userId": "gone@example.com", "gdpr": true}')});
call(q{SET hubspot.dedup_message_id = on; SELECT planted.hubspot_identify('{"userId": "twice@example.com", "messageId": "m"}') FROM ROWS FROM (pg_catalog.generate_series(1, 2)) AS g});
call(q{SELECT planted.hubspot_refresh_schema()});
as_mallory(q{
	SELECT planted.hubspot_sync('shop', 'planted.shop', key => 'email', mapping => '{"email": "email", "odd": "odd"}', create_in_hubspot => NULL);
	SELECT planted.hubspot_audience('people', 'SELECT q.email FROM planted.shop q', every => '1 second', create_in_hubspot => true);
	SELECT planted.hubspot_trait('number', 'SELECT q.email, q.id FROM planted.shop q', every => '1 second', create_in_hubspot => true);
	SELECT planted.hubspot_sync('compared', 'SELECT q.email, q.id FROM planted.shop q', key => 'email', mapping => '{"email": "email", "size": "id"}', every => '1 second', mode => 'mirror', create_in_hubspot => NULL);
});
sub answer { return (ask_safely($node, 'victim', shift))[0]->[0] }
wait_until(sub { answer("SELECT count(*) FROM hubspot.outbox o WHERE NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id)") eq '0'
		&& answer('SELECT count(*) FROM hubspot.sync_state WHERE refreshed_at IS NULL AND fill_finished_at IS NULL') eq '0' },
	sub { 'worker and refresher; hubspot_health() says ' . answer('SELECT string_agg(h::text, chr(10)) FROM planted.hubspot_health() h') });
is($sim->contact('p30@example.com')->{properties}{email}, 'p30@example.com', 'worker and refresher do their work');
is(new_calls(), '', '... and call nothing planted');

#
# Every view, table, function, as a superuser with a row waiting
#
stop_delivery($node);
my $id = answer(q{SELECT planted.hubspot_identify('{"userId": "waits@example.com", "traits": {"firstName": "W"}}')});
my $old = answer("SELECT min(id) FROM hubspot.outbox");
my $account = answer("SELECT oid FROM pg_foreign_server WHERE srvname = 'crm'");
my $message = q{'{"event": "Bought", "userId": "ada@example.com", "groupId": "acme.com", "formId": "f", "fields": [], "traits": {"name": "A", "website": "acme.com"}}'};
my %samples = (
	server => "'crm'", account => "'crm'", name => "'shop'", call => "'identify'", messages => "ARRAY[$message]", message => $message, lane => "'contacts'",
	list => "'vip'", trait => "'plan'", property => "'plan'", id => $id, object => "'contact'", level => "'user'", deadline => "'1 day'", timeout => "'1 second'",
	text => "'contact'", key => "'ada\@example.com'", source => "'SELECT q.email FROM planted.shop q'", query => "'SELECT q.email FROM planted.shop q'", mapping => q{'{"email": "email"}'},
	mode => "'upsert'", deletes => "'ignore'", every => "'1 day'", since => "'yesterday'", until => "'tomorrow'", verdict => "'delivered'", category => 'NULL',
	outputs => "'{property}'", on_missing => "'clear'", type => "'string'", columns => q{'[{"column": "email", "label": "text", "type": 25, "trait": "email", "property": "email", "n": 1}]'},
	facts => q{'{"rows": 1, "empty": 0, "bad": 0, "counts": {"keys": 1, "contacts": 0}, "sample": ["ada@example.com"]}'}, options => "'[]'", sync => 1,
	key_column => "'email'", calls => "'{identify}'", key_property => 'NULL', event => "'Bought'", traits => "'{}'", bigint => 1, boolean => 'false', real => 1, interval => "'1 day'",
	oid => $account, carriers => "'{$old}'", old_ids => "'{$old}'", new_ids => "'{}'", column_type => 25, property_type => "'string'", field_type => "'text'", time_zone => "'UTC'",
);
$samples{server_oid} = $account;
my @statements = map { "TABLE $_" } relations_of_extension($node, 'victim', 'r,p,v');
my $views = @statements;
for my $call (calls_of_functions($node, 'victim', \%samples))
{
	# of some the argument "server" is an oid
	$call =~ s/'crm'::pg_catalog\.oid/$account\::pg_catalog.oid/g;
	$call =~ s/'\[\]'::pg_catalog\.text\[\]/'{}'::pg_catalog.text[]/g;
	$call =~ s/^SELECT \* FROM planted\.hubspot_(drop_sync|resync|audience|trait)\b.*//s;
	push @statements, $call if $call ne '';
}
push @statements, 'SELECT planted.hubspot_refresh(\'people\')', 'SELECT planted.hubspot_refresh_preview(\'people\')',
  'SELECT planted.hubspot_resync(\'shop\')', 'SELECT planted.hubspot_drop_sync(\'number\')',
  q{SELECT planted.hubspot_sync_preview('planted.shop', mapping => '{"email": "email"}')}, 'TABLE hubspot.status', 'TABLE hubspot.backfills';
my $functions = @statements - $views;
($status, $out, $error) = $node->psql('victim', "SET statement_timeout = '5s';\n" . join(";\n", @statements) . ';', on_error_stop => 0);
my @errors = $error =~ /(ERROR: .*)/g;
note "$views tables and views, $functions calls, of which " . scalar(@errors) . ' are errors';
note join "\n", @errors;
is(new_calls(), '', "$views tables and views and $functions calls, as a superuser, call nothing planted");
cmp_ok(scalar(@errors), '<', $functions / 2, '... and most of them do something');

# the triggers of a followed table, in the session of its owner: what her casts do is her own affair
as_mallory(q{INSERT INTO planted.shop VALUES (99, 'p99@example.com', 'bob@example.com')});
as_mallory(q{DELETE FROM planted.shop});

#
# A worker that starts with traps, and ends what waits
#
resume_delivery($node);
wait_until(sub { answer("SELECT count(*) FROM hubspot.outbox o WHERE NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id)") eq '0' }, 'what waited to be delivered');
$node->stop;
is(new_calls(), '', 'nor did anything else until the end');

done_testing();
