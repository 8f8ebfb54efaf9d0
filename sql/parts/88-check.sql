/* 88-check.sql
 *
 * Whether the tables keep what they promise to each other, as amcheck asks of an index.
 */

CREATE FUNCTION @extschema@.hubspot_check(OUT what text, OUT id bigint, OUT detail text, OUT remedy text)
RETURNS SETOF record
LANGUAGE c VOLATILE COST 1000000 ROWS 1 AS 'MODULE_PATHNAME', 'hubspot_check';
COMMENT ON FUNCTION @extschema@.hubspot_check() IS
'looks at all rows for what should not be: a row that the checkpoint covers and that has no verdict and no copy in hubspot.deferred, or both; two verdicts; a verdict without a row; rows of another generation than their table; sequences or a checkpoint in the wrong place; a record map that contradicts itself.  A row for each finding: what, id of the outbox row (NULL: it is about none), detail, remedy; empty when all is well.  Reads all of these tables, beside everything that goes on.  The worker does the same once in hubspot.check_interval, and before a generation is given back: see hubspot_health()';

CREATE TABLE hubspot.finding (
	what text NOT NULL,
	id bigint,
	detail text NOT NULL,
	remedy text NOT NULL,
	found_at timestamptz NOT NULL
);
COMMENT ON TABLE hubspot.finding IS 'what the worker''s last check has found; written by the worker alone';
COMMENT ON COLUMN hubspot.finding.what IS 'kind of the finding, as hubspot_check() names it';
COMMENT ON COLUMN hubspot.finding.id IS 'outbox row; NULL: it is about none';
COMMENT ON COLUMN hubspot.finding.detail IS 'what is wrong, in words';
COMMENT ON COLUMN hubspot.finding.remedy IS 'what to do about it';
COMMENT ON COLUMN hubspot.finding.found_at IS 'end of the check that has found it';

CREATE TABLE hubspot.last_check (
	started_at timestamptz NOT NULL,
	finished_at timestamptz NOT NULL,
	rows bigint NOT NULL,
	findings bigint NOT NULL
);
COMMENT ON TABLE hubspot.last_check IS 'the last check of all tables that the worker has made: one row, none before the first';
COMMENT ON COLUMN hubspot.last_check.started_at IS 'when it began';
COMMENT ON COLUMN hubspot.last_check.finished_at IS 'when it ended: it goes slowly, to leave the worker to delivery';
COMMENT ON COLUMN hubspot.last_check.rows IS 'how many rows it has looked at';
COMMENT ON COLUMN hubspot.last_check.findings IS 'how many things it has found; at most 1000 of them stand in hubspot.finding';
