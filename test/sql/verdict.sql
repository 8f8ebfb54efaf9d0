-- How rows end: one table in the library, which SQL asks for words.
CREATE EXTENSION hubspot;
SELECT verdict, arrived, in_doubt, failed, final, retried_by FROM hubspot.verdicts();

-- It is about every label of the enum, in its order, once.
SELECT array_agg(verdict) = enum_range(NULL::hubspot.verdict) AS complete FROM hubspot.verdicts();
-- What HubSpot has is no failure, and nobody tries it again; what it has not, somebody does.
SELECT verdict FROM hubspot.verdicts() WHERE arrived AND (failed OR retried_by <> '{}');
SELECT verdict FROM hubspot.verdicts() WHERE final AND arrived IS NOT TRUE AND retried_by = '{}';
-- A failure is somebody's to try again; a row without a fate of its own is nobody's.
SELECT verdict FROM hubspot.verdicts() WHERE failed AND retried_by = '{}' OR NOT final AND (arrived IS NOT NULL OR failed OR retried_by <> '{}');
-- What may have arrived is tried again by nobody who does not name it.
SELECT verdict FROM hubspot.verdicts() WHERE in_doubt AND retried_by && '{refresh,retry}';

-- Flags by name, and what each means in the table.
SELECT f.flag, hubspot.verdicts_with(f.flag) AS verdicts, hubspot.verdicts_with(f.flag) = array_agg(v.verdict ORDER BY v.verdict) AS fits
FROM unnest('{arrived,missing,in_doubt,failed,refresh,retry,retryable}'::text[]) WITH ORDINALITY AS f(flag, n)
JOIN hubspot.verdicts() v ON CASE f.flag WHEN 'arrived' THEN v.arrived WHEN 'missing' THEN NOT v.arrived WHEN 'in_doubt' THEN v.in_doubt
	WHEN 'failed' THEN v.failed WHEN 'retryable' THEN v.retried_by && '{retry,retry by name}' ELSE f.flag = ANY (v.retried_by) END
GROUP BY f.flag, f.n ORDER BY f.n;
SELECT hubspot.verdicts_with('lost');
SELECT hubspot.verdicts_with(NULL);

-- The index of what failed was made by the table: does it hold what is looked for by it?
CREATE FUNCTION pg_temp.indexed(predicate text, verdict text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	held boolean;
BEGIN
	EXECUTE format('SELECT %s FROM (SELECT $1::hubspot.verdict AS verdict) r', predicate) INTO held USING verdict;
	RETURN held;
END
$$;
SELECT count(DISTINCT i.indexrelid) AS indexes,
	bool_and(pg_temp.indexed(pg_get_expr(i.indpred, i.indrelid), v.verdict::text) = (v.verdict = ANY (hubspot.verdicts_with('retryable')))) AS fit
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid AND c.relname ~ '^result_[0-7]_failed$', hubspot.verdicts() v;

-- The planner sees that they are enough: with nothing in the tables, too, where a scan of all is refused.
SET enable_seqscan = off;
CREATE FUNCTION pg_temp.indexes_of(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	line text;
BEGIN
	FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || statement LOOP
		RETURN NEXT (regexp_match(line, '(?:result|outbox)_[0-7]_[a-z]+'))[1];
	END LOOP;
END
$$;
SELECT flag, count(DISTINCT i) FILTER (WHERE i ~ '_failed$') AS indexes
FROM unnest('{failed,missing,refresh,retry,retryable,arrived}'::text[]) AS flag,
	pg_temp.indexes_of(format('SELECT id FROM hubspot.result WHERE verdict = ANY (hubspot.verdicts_with(%L))', flag)) i
GROUP BY flag ORDER BY flag;
SELECT count(DISTINCT i) FROM pg_temp.indexes_of('SELECT * FROM hubspot.failures') i WHERE i ~ '_failed$';

DROP FUNCTION pg_temp.indexed(text, text);

-- Arguments that are words: one kind of error for all functions.
\set SHOW_CONTEXT never
CREATE SERVER s FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'crm');
SELECT hubspot_retry(verdict => 'rejectd');
SELECT hubspot_retry(call => 'identfy');
SELECT hubspot_retry(since => '2026-01-02 UTC', until => '2026-01-01 UTC');
SELECT hubspot_replay('2026-01-02 UTC', '2026-01-01 UTC');
SELECT hubspot_replay('2026-01-01', '2026-01-02', call => 'x');
SELECT hubspot_replay('2026-01-01', '2026-01-02', object => 'contcat');
SELECT hubspot_replay('2026-01-01', '2026-01-02', verdict => 'ok');
SELECT hubspot_cancel(object => 'contcat');
SELECT hubspot_cancel(call => 'x');
SELECT hubspot_forget_confirmed(object => 'x');
SELECT hubspot_map('plan', 'plan', 'bogus');
SELECT hubspot_map('plan', 'Bad Name!');
SELECT hubspot_map('', 'plan');
SELECT hubspot_map('plan', 'plan', server => 'nobody');
SELECT hubspot_map('plan', NULL, 'event', 's');
SELECT hubspot_map('plan', 'plan_2', 'event', 's');
SELECT hubspot_unmap('plan', 'evnt', 's');
SELECT hubspot_pause('s', 'contact');
SELECT hubspot_drain('-1 second');
-- Whoever may write hubspot.mapping may map; nobody else.
CREATE ROLE regress_mapper;
SET ROLE regress_mapper;
\set VERBOSITY sqlstate
SELECT hubspot_map('plan', 'plan_3', 'event', 's');
\set VERBOSITY default
RESET ROLE;
GRANT USAGE ON SCHEMA hubspot TO regress_mapper;
GRANT SELECT, INSERT, UPDATE, DELETE ON hubspot.mapping TO regress_mapper;
SET ROLE regress_mapper;
SELECT hubspot_map('plan', 'plan_4', 'event');
SELECT hubspot_map('plan', 'bogus', 'dealer');
SELECT hubspot_unmap('plan', 'event');
SELECT hubspot_map('plan', 'plan_5', 'event');
RESET ROLE;
SELECT * FROM hubspot.mapping;
DROP EXTENSION hubspot CASCADE;
DROP ROLE regress_mapper;
