# Wrong calls: every function of the extension, called in every way that it is
# not made for.  Whatever comes is an error of ours or a result; no process ends,
# and none of the errors is an internal one.
#
# The functions are those of pg_depend, and arguments are made by type, so that a
# new function is covered without anybody remembering.  A type that no value is
# known of fails the test.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = hubspot_cluster('wrong_calls', conf => "max_prepared_transactions = 2\nhubspot.enabled = off\nlog_error_verbosity = terse\nlog_min_error_statement = panic",
	init => [ allows_streaming => 1 ]);
sub ask { return $node->safe_psql('postgres', $_[0]) }

# the setting is called otherwise from 16 on
my $parallel = ask(q{SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')});

my ($host, $port) = ($node->host, $node->port);
ask(<<'SQL' =~ s/'\$host'/'$host'/r =~ s/'\$port'/'$port'/r);
CREATE ROLE tenant; CREATE ROLE watcher; CREATE ROLE stranger; CREATE ROLE dbowner;
GRANT pg_monitor TO watcher;
GRANT CREATE ON DATABASE postgres TO tenant, dbowner;
CREATE EXTENSION hubspot;
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'crm');
GRANT USAGE ON FOREIGN SERVER crm TO tenant;
GRANT USAGE ON SCHEMA hubspot TO tenant, stranger, dbowner;
GRANT USAGE ON FOREIGN DATA WRAPPER hubspot TO dbowner;
CREATE EXTENSION postgres_fdw;
CREATE SERVER loop FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
CREATE USER MAPPING FOR PUBLIC SERVER loop OPTIONS (user 'postgres');

-- tables of many shapes, with the names of our columns, dropped columns and odd types
CREATE SCHEMA wrong;
GRANT ALL ON SCHEMA wrong TO PUBLIC;
SET search_path = wrong, public;
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE TYPE pair AS (a int, b text);
CREATE TABLE odd (gone text, held int[], id positive DEFAULT 1, name point, email pair, problem jsonb, server name, gone_too xml);
ALTER TABLE odd DROP COLUMN gone, DROP COLUMN gone_too;
CREATE TABLE parted (LIKE odd) PARTITION BY LIST (id);
CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
CREATE TABLE empty ();
CREATE VIEW seen AS SELECT id, held FROM odd;
CREATE TABLE near (id int, held int[]);
INSERT INTO near VALUES (1);
CREATE FOREIGN TABLE far (id int, held int[]) SERVER loop OPTIONS (table_name 'near', schema_name 'wrong');
CREATE TABLE customers (id int PRIMARY KEY, email text);
INSERT INTO customers VALUES (1, 'ada@example.com');
INSERT INTO odd VALUES ('{1}', 1, '(1,1)', '(1,x)', '{}', 'crm');
INSERT INTO parted VALUES ('{1}', 1, '(1,1)', '(1,x)', '{}', 'crm');
ALTER TABLE odd OWNER TO tenant; ALTER TABLE parted OWNER TO tenant; ALTER TABLE parted_1 OWNER TO tenant;
ALTER TABLE empty OWNER TO tenant; ALTER TABLE far OWNER TO tenant; ALTER VIEW seen OWNER TO tenant; ALTER TABLE customers OWNER TO tenant;
GRANT ALL ON ALL TABLES IN SCHEMA wrong TO PUBLIC;
SELECT hubspot_sync('follows', 'wrong.customers', mapping => '{"email": "email"}', backfill => false);
SELECT hubspot_map('odd name', 'odd_name');
SELECT hubspot_audience('them', 'SELECT email FROM wrong.customers', create_in_hubspot => true);
TRUNCATE hubspot.outbox; -- nothing to wait for

-- the values of each type; the first one is a sensible one
CREATE TABLE value (type regtype, n int, literal text, PRIMARY KEY (type, n));
CREATE FUNCTION add_values(of regtype, VARIADIC literals text[]) RETURNS void LANGUAGE sql AS
$$INSERT INTO wrong.value SELECT of, o, l FROM unnest(literals) WITH ORDINALITY u(l, o)$$;
SELECT add_values('text', 'them', '', repeat('x', 100000), E'\x01\r\n', 'SELECT 1', 'wrong.far', 'wrong.empty', 'hubspot.sync', 'pg_class', '"', '%s%n', 'follows',
	'SELECT NULL::hubspot.sync', 'identify', 'contact', 'company', repeat('(', 20000), 'äöü€😀');
SELECT add_values('name', 'crm', '', repeat('n', 63), 'loop', 'none such');
SELECT add_values('jsonb', '{"userId": "ada@example.com", "traits": {"plan": "pro"}}', 'null', '[]', '{}', '"x"', '1', repeat('[', 3000) || repeat(']', 3000),
	'{"userId": ' || repeat('{"a":', 2000) || '1' || repeat('}', 2000) || '}', '{"userId": 1e130000}', '{"' || repeat('k', 100000) || '": -0.0}',
	'{"userId": "' || repeat('u', 20000) || '"}', '{"event": [], "userId": {}, "traits": "x", "properties": 1, "timestamp": 1e400, "context": null}',
	'{"event": "x", "userId": "u", "timestamp": "infinity", "messageId": ""}');
SELECT add_values('bigint', '1', '0', '-1', '9223372036854775807', '-9223372036854775808');
SELECT add_values('integer', '1', '0', '-1', '2147483647', '-2147483648');
SELECT add_values('real', '0.5', 'NaN', 'Infinity', '-Infinity', '-0', '3e38', '1e-45');
SELECT add_values('double precision', '0.5', 'NaN', 'Infinity', '-Infinity', '-0', '1e308', '5e-324');
SELECT add_values('boolean', 'false', 'true');
SELECT add_values('boolean[]', '{true}', '{}', '{NULL}', '{{true,false},{false,true}}', '[-5:-4]={true,false}');
SELECT add_values('numeric', '1', 'NaN', '0', '-1', 'Infinity', '-Infinity', '1e1000', '1e-1000');
SELECT add_values('numeric[]', '{1}', '{}', '{NULL}', '{{1,2},{3,4}}', '[-5:-4]={0,-1}', '{NaN,Infinity,1e1000}');
SELECT add_values('interval', '1 minute', '0', '-1 second', '178000000 years', '-178000000 years', '1 microsecond', '2147483647 months');
SELECT add_values('timestamptz', '2026-01-01', 'infinity', '-infinity', '294276-12-31 23:59:59+00', '4713-01-01 BC');
SELECT add_values('oid', '0', '1', '1259', '4294967295'); -- and the SERVER, as the first one:
UPDATE value SET literal = (SELECT oid FROM pg_foreign_server WHERE srvname = 'crm') WHERE type = 'oid'::regtype AND n = 1;
SELECT add_values('text[]', '{property}', '{}', '{NULL}', '{{a,b},{c,d}}', '[-5:-4]={a,b}', '{"","",""}', (SELECT array_agg(i::text)::text FROM generate_series(1, 10000) i));
SELECT add_values('jsonpath[]', '{$.a}', '{}', '{NULL}', '{$,$.b[*]}');
SELECT add_values('bigint[]', '{1}', '{}', '{NULL}', '{{1,2},{3,4}}', '[-5:-4]={0,-1}', '{9223372036854775807,-9223372036854775808}');
SELECT add_values('oid[]', '{0}', '{}', '{NULL}', '{{1,2},{3,4}}', '[-5:-4]={0,4294967295}');
SELECT add_values('jsonb[]', '{"{\"userId\": \"ada@example.com\"}"}', '{}', '{NULL}', '{{"1","2"},{"null","[]"}}', '[-5:-4]={"{}","{}"}', '{"{\"userId\": {}}"}');

/*
 * What a statement says, as a role; whatever it has done is undone.  The log tells
 * which one was the last before a crash.
 */
CREATE FUNCTION attempt(statement text, role name, OUT state text, OUT message text) LANGUAGE plpgsql AS $$
BEGIN
	RAISE LOG 'attempt as %: %', role, left(statement, 1000);
	PERFORM set_config('role', role, true);
	EXECUTE statement;
	SET CONSTRAINTS ALL IMMEDIATE;
	RAISE EXCEPTION USING ERRCODE = 'HS000', MESSAGE = 'it went well';
EXCEPTION WHEN OTHERS OR query_canceled OR assert_failure THEN
	GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT;
END $$;

CREATE VIEW functions AS
	SELECT p.oid, p.oid::regprocedure::text AS signature, n.nspname, p.proname, format('%I.%I', n.nspname, p.proname) AS name, p.prorettype::regtype AS result,
		p.pronargs, p.proargtypes::oid[]::regtype[] AS types, p.proparallel, p.provolatile, p.proretset, p.proisstrict
	FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'hubspot' AND d.deptype = 'e'
	JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid JOIN pg_namespace n ON n.oid = p.pronamespace;

-- A call with the values of these numbers, 0 for NULL.
CREATE FUNCTION call_text(f functions, numbers int[]) RETURNS text STABLE LANGUAGE sql AS $$
	SELECT format('%s(%s)', f.name, coalesce(string_agg(CASE WHEN numbers[a.i] = 0 THEN format('NULL::%s', a.type) ELSE format('%L::%s', v.literal, a.type) END, ', ' ORDER BY a.i), ''))
	FROM unnest(f.types) WITH ORDINALITY a(type, i) LEFT JOIN wrong.value v ON v.type = a.type AND v.n = numbers[a.i]
$$;

-- The calls of a function: all sensible, all NULL, and each argument with each value among sensible ones and among NULLs.
CREATE FUNCTION calls(f functions, thorough boolean) RETURNS SETOF text STABLE LANGUAGE sql AS $$
	SELECT DISTINCT wrong.call_text(f, numbers) FROM (
		SELECT array_fill(n, ARRAY[greatest(f.pronargs, 1)]) AS numbers FROM generate_series(0, 1) n
		UNION ALL
		SELECT array_fill(base, ARRAY[i - 1]::int[]) || v.n || array_fill(base, ARRAY[f.pronargs - i]::int[])
		FROM generate_series(0, CASE WHEN thorough THEN 1 ELSE 0 END) base, unnest(f.types) WITH ORDINALITY a(type, i)
		JOIN (SELECT type, n FROM wrong.value UNION ALL SELECT DISTINCT type, 0 FROM wrong.value) v USING (type)
		WHERE thorough OR v.n IN (0, 2)) c
$$;
SQL

is(ask(q{SELECT string_agg(DISTINCT t::text, ', ') FROM wrong.functions, unnest(types) t WHERE t NOT IN (SELECT type FROM wrong.value)}),
	'', 'the type of each argument has values');
cmp_ok(ask('SELECT count(*) FROM wrong.functions'), '>', 70, 'the functions of the extension are found');

my $calls = 0;
my $launcher = ask(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'hubspot launcher'});

sub last_attempt
{
	my @attempts = slurp_file($_[0]->logfile) =~ /LOG:  (attempt as .*)/g;
	return $attempts[-1];
}

# Runs the statements of a query (statement, role) and looks at what they said; how many there were.
sub attempt_all
{
	my ($what, $query, %options) = @_;
	my $on = $options{on} // $node;
	my $setup = $options{setup} // '';
	my ($status, $out, $error) = $on->psql('postgres', <<SQL, timeout => 660);
SET statement_timeout = '600s'; SET search_path = wrong, public, hubspot; SET client_min_messages = error; $setup
WITH said AS MATERIALIZED (SELECT s.statement, s.role, a.* FROM ($query) s(statement, role), LATERAL wrong.attempt(s.statement, s.role) a)
SELECT count(*) || ' ' || count(*) FILTER (WHERE state = 'HS000') FROM said
UNION ALL SELECT format('%s as %s: %s: %s', left(statement, 300), role, state, left(message, 200)) FROM said WHERE state LIKE 'XX%' OR state = '57014';
SQL
	my ($counts, @bad) = split /\n/, $out // '';
	is($status, 0, "$what: the session lives") or BAIL_OUT("$error\nthe last call was " . last_attempt($on));
	is(join("\n", @bad[0 .. ($#bad > 20 ? 20 : $#bad)]), '', "$what: no internal error");
	my ($all, $well) = split / /, $counts // '0 0';
	note "$what: $all calls, of which $well went well";
	$calls += $all;
	cmp_ok($all, '>=', $options{least} // 1, "$what: $all calls");
	return $all;
}

# ---- arguments ----------------------------------------------------------------------------

my $roles = q{('postgres'), ('dbowner'), ('tenant'), ('watcher'), ('stranger')};
attempt_all('arguments', q{SELECT 'SELECT ' || c, 'postgres' FROM functions f, calls(f, true) c}, least => 1000);
attempt_all('roles', qq{SELECT 'SELECT * FROM ' || c, r FROM functions f, calls(f, false) c, (VALUES $roles) r(r)}, least => 1000);
attempt_all('in other places', qq{
	SELECT replace(s, '?', c), 'postgres' FROM functions f, calls(f, false) c, unnest(ARRAY[
		'SELECT ? OVER ()', 'SELECT count(?), count(*) FROM generate_series(1, 2)', 'SELECT count(*) FILTER (WHERE (?) IS NULL)', 'SELECT ROW(?), ARRAY[(?)]',
		'SELECT 1 ORDER BY ?', 'SELECT ?, ?', 'SELECT * FROM ROWS FROM (?, ?) WITH ORDINALITY', 'SELECT (SELECT a FROM ? a LIMIT 0)',
		'SELECT * FROM ? AS t(a int)', 'CALL ?']) s}, least => 1000);
attempt_all('read only', qq{SELECT 'SELECT ' || c, 'postgres' FROM functions f, calls(f, false) c}, setup => 'SET default_transaction_read_only = on;');
attempt_all('in parallel workers', qq{SELECT 'SELECT count(*) FROM (SELECT ' || c || ' FROM generate_series(1, 2)) x', 'postgres' FROM functions f, calls(f, false) c},
	setup => "SET $parallel = on;");

# ---- triggers -----------------------------------------------------------------------------

attempt_all('triggers', q{
	SELECT format('CREATE %s wrong_one %s %s ON %s %s %s EXECUTE FUNCTION %s(%s); %s', constr, timing, event, relation, tables, level, f.name, args,
		CASE event WHEN 'INSERT' THEN format('INSERT INTO %s SELECT (jsonb_populate_record(s, %L)).* FROM %1$s s LIMIT 1', relation, other)
			WHEN 'UPDATE' THEN format('UPDATE %s SET (%s) = ROW(%2$s)', relation, split_part(other, '"', 2)) WHEN 'DELETE' THEN format('DELETE FROM %s', relation) ELSE format('TRUNCATE %s', relation) END),
		'postgres'
	FROM functions f, unnest(ARRAY['', '''identify''', '''follows''', '''delete'', ''crm'', '''', ''-1 day'', ''more''', '''identify'', ''crm'', ''{"email": "held"}''']) args,
		unnest(ARRAY['BEFORE', 'AFTER', 'INSTEAD OF']) timing, unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) event,
		unnest(ARRAY['FOR EACH ROW', 'FOR EACH STATEMENT']) level,
		(VALUES ('odd', '{"id": 2}'), ('parted', '{"id": 2}'), ('seen', '{"id": 2}'), ('far', '{"id": 2}'), ('hubspot.sync', '{"name": "other", "id": 99}'), ('hubspot.mapping', '{"trait": "other"}')) r(relation, other),
		unnest(ARRAY['', 'REFERENCING NEW TABLE AS n', 'REFERENCING OLD TABLE AS o', 'REFERENCING NEW TABLE AS n OLD TABLE AS o']) tables, unnest(ARRAY['TRIGGER', 'CONSTRAINT TRIGGER']) constr
	WHERE f.result = 'trigger'::regtype AND (timing <> 'INSTEAD OF') = (relation <> 'seen') AND (event <> 'TRUNCATE' OR level <> 'FOR EACH ROW' AND relation <> 'seen')
		AND (tables = '' OR timing = 'AFTER' AND constr = 'TRIGGER' AND relation <> 'far' AND event <> 'TRUNCATE' AND (event <> 'INSERT' OR tables NOT LIKE '%OLD%') AND (event <> 'DELETE' OR tables NOT LIKE '%NEW%')
			AND (relation <> 'parted' OR level <> 'FOR EACH ROW'))
		AND (constr = 'TRIGGER' OR timing = 'AFTER' AND level = 'FOR EACH ROW' AND relation <> 'far') AND (timing <> 'INSTEAD OF' OR level = 'FOR EACH ROW')}, least => 1000);
attempt_all('triggers of temporary tables', qq{
	SELECT format('CREATE TEMP TABLE mine (id int, held %s, name text); INSERT INTO mine (id) VALUES (1);
		CREATE TRIGGER wrong_one %s INSERT OR UPDATE OR DELETE ON mine %s EXECUTE FUNCTION %s(); INSERT INTO mine (id) VALUES (2); SELECT mine::text FROM mine; UPDATE mine SET id = 3; DELETE FROM mine',
		type, timing, level, f.name), r
	FROM functions f, unnest(ARRAY['BEFORE', 'AFTER']) timing, unnest(ARRAY['FOR EACH ROW', 'FOR EACH STATEMENT']) level, unnest(ARRAY['text', 'int[]', 'int']) type, (VALUES $roles) r(r)
	WHERE f.result = 'trigger'::regtype}, least => 200);
attempt_all('as other things', q{
	SELECT format(s, f.name, coalesce(f.types[1]::text, 'text'), (SELECT string_agg(t::text, ', ') FROM unnest(f.types) t), f.result, coalesce(f.types[2]::text, 'text')), 'postgres'
	FROM functions f, unnest(ARRAY[
		'CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION %1$s()',
		'CREATE AGGREGATE a (%5$s) (SFUNC = %1$s, STYPE = %2$s); SELECT a(NULL::%5$s) FROM generate_series(1, 2)',
		'CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int, FINALFUNC = %1$s); SELECT a(1)',
		'CREATE AGGREGATE a (%2$s) (SFUNC = array_append, STYPE = %2$s[], FINALFUNC = %1$s); SELECT a(NULL::%2$s)',
		'CREATE OPERATOR %% (FUNCTION = %1$s, LEFTARG = %2$s, RIGHTARG = %5$s); SELECT NULL::%2$s %% NULL::%5$s',
		'CREATE OPERATOR @ (FUNCTION = %1$s, RIGHTARG = %2$s); SELECT @ NULL::%2$s',
		'CREATE DOMAIN d AS %2$s; CREATE CAST (%2$s AS pair) WITH FUNCTION %1$s(%3$s)',
		'CREATE TYPE t; CREATE TYPE t (INPUT = %1$s, OUTPUT = %1$s)',
		'CREATE FOREIGN DATA WRAPPER w VALIDATOR %1$s; CREATE SERVER s FOREIGN DATA WRAPPER w OPTIONS (secret ''x'')',
		'CREATE FOREIGN DATA WRAPPER w HANDLER %1$s; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE ft (a int) SERVER s; SELECT * FROM ft',
		'CREATE LANGUAGE l HANDLER %1$s', 'CREATE ACCESS METHOD m TYPE TABLE HANDLER %1$s; CREATE TABLE x (a int) USING m',
		'CREATE CONVERSION c FOR ''UTF8'' TO ''LATIN1'' FROM %1$s',
		'CREATE TYPE r AS RANGE (SUBTYPE = %2$s, SUBTYPE_DIFF = %1$s)']) s}, least => 500);
attempt_all('where PostgreSQL calls', q{
	SELECT format('ALTER FUNCTION %s IMMUTABLE; ', f.signature) || format(s, c, f.name), 'postgres'
	FROM functions f, calls(f, false) c, unnest(ARRAY[
		'CREATE INDEX ON odd ((%1$s)); ', 'ALTER TABLE odd ADD CHECK ((%1$s) IS NULL)', 'ALTER TABLE odd ADD x text GENERATED ALWAYS AS ((%1$s)::text) STORED',
		'CREATE POLICY p ON odd USING ((%1$s) IS NULL); ALTER TABLE odd ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; SET LOCAL ROLE tenant; SELECT * FROM odd',
		'ALTER TABLE odd ADD x text DEFAULT (%1$s)::text', 'CREATE INDEX ON odd (id) WHERE (%1$s) IS NULL', 'CREATE DOMAIN d AS int CHECK ((%1$s) IS NULL); SELECT 1::d',
		'CREATE RULE r AS ON INSERT TO odd DO ALSO SELECT %1$s; INSERT INTO odd DEFAULT VALUES', 'CREATE MATERIALIZED VIEW m AS SELECT %1$s',
		'SELECT id, count(*) FROM odd WHERE (%1$s) IS NULL GROUP BY GROUPING SETS ((), (id))', 'DEALLOCATE ALL; PREPARE p AS SELECT %1$s; EXECUTE p', 'DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT %1$s; FETCH 2 c; FETCH BACKWARD 1 c',
		'CREATE STATISTICS st ON (%1$s), id FROM odd; ANALYZE odd']) s
	WHERE f.result <> 'trigger'::regtype}, least => 1000);

# ---- a standby ----------------------------------------------------------------------------

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('wrong_calls_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
attempt_all('on a standby', q{SELECT 'SELECT ' || c, 'postgres' FROM functions f, calls(f, false) c}, on => $standby);
$standby->stop('immediate');

is(ask(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'hubspot launcher'}), $launcher, 'the server was not restarted');
unlike(slurp_file($node->logfile) . slurp_file($standby->logfile), qr/terminated by signal|PANIC|TRAP|internal error/, 'the logs say nothing of a crash');
note "$calls calls";
diag "$calls wrong calls";
done_testing();
