-- CREATE and DROP EXTENSION: what is there, that it is explained, that it goes.
CREATE EXTENSION hubspot;

-- Everything a user sees has a comment
SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hubspot'
	WHERE obj_description(p.oid, 'pg_proc') IS NULL ORDER BY 1;
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'hubspot'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
	AND NOT c.relispartition AND obj_description(c.oid, 'pg_class') IS NULL ORDER BY 1;
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
	WHERE c.relnamespace = 'hubspot'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
	AND col_description(c.oid, a.attnum) IS NULL ORDER BY 1, 2;

-- The views' first columns are a contract
SELECT attrelid::regclass AS view, string_agg(attname, ', ' ORDER BY attnum) AS columns FROM pg_attribute
	WHERE attnum > 0 AND attrelid IN ('hubspot.outbox_status'::regclass, 'hubspot.status'::regclass) GROUP BY 1 ORDER BY 1;

-- Nothing outside of the two schemas but the wrapper
SELECT DISTINCT coalesce(n.nspname, d.classid::regclass::text) AS place FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'hubspot'
	LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
	LEFT JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
	LEFT JOIN pg_type t ON d.classid = 'pg_type'::regclass AND t.oid = d.objid
	LEFT JOIN pg_namespace n ON n.oid = coalesce(c.relnamespace, p.pronamespace, t.typnamespace)
	WHERE d.deptype = 'e' ORDER BY 1;

-- Texts in indexes: whatever comes from a user or from HubSpot has at most 1,024 bytes (MESSAGE_MAX_KEY in src/message/message.h), which who writes it checks
SELECT c.relname || '.' || a.attname AS indexed FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
	WHERE c.relnamespace = 'hubspot'::regnamespace AND a.atttypid = 'text'::regtype GROUP BY 1 ORDER BY 1;

-- Tables are empty, and none is dumped
SELECT count(*) FROM hubspot.outbox;
SELECT extconfig::regclass[] FROM pg_extension WHERE extname = 'hubspot';

-- A range of pages has no entry in an index before it is full: each row in it would write the entry anew
CREATE EXTENSION pageinspect;
SELECT count(DISTINCT i.indexrelid) AS indexes, count(*) FILTER (WHERE entry::text NOT LIKE '%,0)') AS entries
	FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam,
	brin_revmap_data(get_raw_page('hubspot.' || c.relname, 1)) AS entry
	WHERE a.amname = 'brin' AND c.relnamespace = 'hubspot'::regnamespace AND c.relkind = 'i';
DROP EXTENSION pageinspect;

-- Rows go by the numbers of columns: of another version's tables nothing is read or written, however often it is tried
BEGIN;
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot;
ALTER TABLE hubspot.outbox RENAME problem TO trouble;
SAVEPOINT before;
SELECT hubspot_identify('{"email": "ada@example.com"}');
ROLLBACK TO before;
SELECT hubspot_identify('{"email": "ada@example.com"}');
ROLLBACK TO before;
ALTER TABLE hubspot.outbox RENAME trouble TO problem;
ALTER TABLE hubspot.deferred RENAME attempt TO attempts;
\set VERBOSITY sqlstate
SELECT hubspot_identify('{"email": "ada@example.com"}');
\set VERBOSITY default
ROLLBACK;
-- The same for words: in a new session, which knows none yet
\c -
BEGIN;
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot;
ALTER TYPE hubspot.verdict RENAME VALUE 'dead' TO 'gone';
SAVEPOINT before;
SELECT hubspot_identify('{"email": "ada@example.com"}');
ROLLBACK TO before;
SELECT hubspot_identify('{"email": "ada@example.com"}');
ROLLBACK TO before;
SELECT verdict FROM hubspot.verdicts();
ROLLBACK;

-- Health without an account
SELECT problem, remedy FROM hubspot_health() WHERE problem LIKE '%account%';

-- Gone, and created again in a schema of its own
DROP EXTENSION hubspot;
SELECT count(*) FROM pg_namespace WHERE nspname = 'hubspot';
CREATE SCHEMA elsewhere;
CREATE EXTENSION hubspot SCHEMA elsewhere;
SELECT pronamespace::regnamespace FROM pg_proc WHERE proname = 'hubspot_identify';
DROP EXTENSION hubspot;
DROP SCHEMA elsewhere;
