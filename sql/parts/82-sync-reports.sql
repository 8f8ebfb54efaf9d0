/* 82-sync-reports.sql
 *
 * What became of the rows of each definition, and which definitions are not well.
 *
 * All of it is from counts that the worker keeps (30-syncs.sql), but for what waits: that is counted among the rows that
 * the checkpoint does not cover.
 */

/* OFFSET 0: the rings are not analyzed, and a join of all results would be chosen. */
CREATE FUNCTION hubspot.sync_waiting_report(OUT report integer, OUT waiting bigint) RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
	SELECT w.report, count(*) FROM (
		SELECT o.report FROM hubspot.outbox o
		WHERE o.report IS NOT NULL
			AND o.xid >= (SELECT pg_snapshot_xmin(c.snapshot) FROM hubspot.last_checkpoint c)
			AND NOT pg_visible_in_snapshot(o.xid, (SELECT c.snapshot FROM hubspot.last_checkpoint c))
			AND NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id OFFSET 0)
			AND NOT EXISTS (SELECT FROM hubspot.deferred d WHERE d.id = o.id OFFSET 0)
		UNION ALL
		SELECT d.report FROM hubspot.deferred d WHERE d.report IS NOT NULL) w
	GROUP BY w.report
$$;
COMMENT ON FUNCTION hubspot.sync_waiting_report() IS
'how many rows of which definition (hubspot.sync.report) have no verdict yet; takes as long as there are such rows, some microseconds for each';

CREATE VIEW hubspot.sync_report AS
	WITH definition AS (
		SELECT d.name, d.kind, d.server, d.report, d.follows, d.key_column, d.columns, coalesce(t.bad, 0) AS bad, t.refreshed_at
		FROM hubspot.sync d LEFT JOIN hubspot.sync_state t ON t.sync = d.id
	), ended AS (
		SELECT o.report, sum(o.rows) FILTER (WHERE o.verdict = ANY (hubspot.verdicts_with('arrived')))::bigint AS delivered,
			sum(o.rows) FILTER (WHERE o.verdict <> ALL (hubspot.verdicts_with('arrived')))::bigint AS left_out,
			sum(o.warned)::bigint AS warned, (array_agg(o.example_id ORDER BY o.last_at DESC))[1] AS example_id
		FROM hubspot.sync_outcome o GROUP BY o.report
	), keyless AS (
		SELECT k.report, sum(k.rows)::bigint AS rows, max(k.at) AS at FROM hubspot.sync_keyless k GROUP BY k.report
	)
	SELECT d.name, d.kind, d.server, NULL::text AS object, NULL::text AS property, NULL::text AS source_column, NULL::text AS code,
		coalesce(c.rows, 0) + coalesce(w.waiting, 0) AS rows, coalesce(w.waiting, 0) AS waiting,
		coalesce(e.delivered, 0) AS delivered, coalesce(e.left_out, 0) AS left_out, coalesce(e.warned, 0) AS warned, e.example_id, c.last_at
	FROM definition d
	LEFT JOIN hubspot.sync_count c ON c.report = d.report
	LEFT JOIN ended e ON e.report = d.report
	LEFT JOIN hubspot.sync_waiting_report() w ON w.report = d.report
UNION ALL
	SELECT d.name, d.kind, d.server, o.object::text, NULL, NULL, CASE o.category WHEN '' THEN o.verdict::text ELSE o.category END,
		o.rows, NULL, 0, o.rows, NULL, o.example_id, o.last_at
	FROM definition d
	JOIN hubspot.sync_outcome o ON o.report = d.report AND o.verdict <> ALL (hubspot.verdicts_with('arrived'))
UNION ALL
	SELECT d.name, d.kind, d.server, NULL, NULL, d.key_column, 'no_key', k.rows, NULL, 0, k.rows, NULL, NULL, k.at
	FROM definition d
	LEFT JOIN hubspot.sync_count c ON c.report = d.report
	LEFT JOIN keyless p ON p.report = d.report
	CROSS JOIN LATERAL (SELECT CASE WHEN d.follows THEN coalesce(c.keyless, 0) + coalesce(p.rows, 0) ELSE d.bad END AS rows,
		CASE WHEN d.follows THEN coalesce(p.at, c.keyless_at) ELSE d.refreshed_at END AS at) k
	WHERE k.rows > 0
UNION ALL
	SELECT d.name, d.kind, d.server, p.object::text, p.property,
		(SELECT s.column FROM pg_catalog.jsonb_to_recordset(d.columns) AS s(property text, "column" text)
			WHERE pg_catalog.lower(s.property) = pg_catalog.lower(p.property) LIMIT 1),
		nullif(p.code, ''), p.rows, NULL, p.delivered, p.rows - p.delivered, NULL, p.example_id, p.last_at
	FROM definition d
	JOIN hubspot.sync_property p ON p.report = d.report;
COMMENT ON VIEW hubspot.sync_report IS
'what became of the rows of each sync, audience and trait since it was declared with its columns.  property and code NULL: a line for the definition; only property NULL: rows that are not in HubSpot, by reason; only code NULL: rows with a value of the property; neither: rows with this warning of it.  Kept by counting, but for waiting, which takes as long as there are rows that wait';
COMMENT ON COLUMN hubspot.sync_report.name IS 'name of the definition';
COMMENT ON COLUMN hubspot.sync_report.kind IS 'sync, audience or trait';
COMMENT ON COLUMN hubspot.sync_report.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.sync_report.object IS 'what the rows write; NULL: of all';
COMMENT ON COLUMN hubspot.sync_report.property IS 'property, as the definition names it, in a line with a code by HubSpot''s name; NULL: rows as a whole';
COMMENT ON COLUMN hubspot.sync_report.source_column IS 'column of the source that is mapped to it; of no_key the key''s';
COMMENT ON COLUMN hubspot.sync_report.code IS 'reason: of rows as a whole a category, else the verdict, or no_key (left out before they were queued, as they have no key; of what is compared in the last refresh); of a property the code of a warning; NULL: all rows';
COMMENT ON COLUMN hubspot.sync_report.rows IS 'how many: queued; with this reason; with a value of the property';
COMMENT ON COLUMN hubspot.sync_report.waiting IS 'of those queued: how many have no verdict yet';
COMMENT ON COLUMN hubspot.sync_report.delivered IS 'how many HubSpot has; of a property: with its value';
COMMENT ON COLUMN hubspot.sync_report.left_out IS 'how many have ended and HubSpot has not; of a property: or has without it';
COMMENT ON COLUMN hubspot.sync_report.warned IS 'how many HubSpot has without one of their columns, or more';
COMMENT ON COLUMN hubspot.sync_report.example_id IS 'the last of them, in the outbox';
COMMENT ON COLUMN hubspot.sync_report.last_at IS 'when its verdict was written';

/*
 * Two measures: the last rows, of which those count that no later row of their record has made good; and the records, as
 * far as one knows how many there are.
 */
CREATE FUNCTION hubspot.sync_alarms(OUT name text, OUT kind text, OUT bad bigint, OUT of_all bigint, OUT problem text, OUT remedy text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
	SELECT d.name, d.kind, m.bad, m.of_all,
		format('%s of %s of %s "%s" %s', m.bad,
			format(CASE WHEN m.by_records THEN '%s records' WHEN c.rows > m.of_all THEN 'the last %s rows' ELSE '%s rows' END, m.of_all), d.kind, d.name,
			concat_ws(': ', CASE r.failed WHEN r.looked_at THEN 'were rejected' WHEN 0 THEN 'went without a column' ELSE 'were rejected, or went without a column' END,
				concat_ws('; ', 'HubSpot has no property ' || r.missing, 'HubSpot has no such option of ' || r.options,
					'HubSpot has by now the property ' || r.made, 'left out: ' || r.others, r.categories))),
		concat_ws('; then ', r.statements,
			CASE WHEN r.statements IS NOT NULL THEN ''
				WHEN r.missing IS NOT NULL THEN 'in some seconds the statement that creates it stands here, and in hubspot.unknown_properties; when it has run, '
				ELSE format('SELECT verdict, message, warnings FROM hubspot.outbox_status WHERE id = %s says why the last of them, SELECT * FROM hubspot.sync_report WHERE name = %L how many of which column; when that is mended, ',
					r.example_id, d.name) || CASE WHEN r.options IS NOT NULL THEN format('SELECT hubspot_refresh_schema(%L) if it was in HubSpot, and ', d.server) ELSE '' END END
				|| format('SELECT hubspot_resync(%L) sends the rows again', d.name))
	FROM hubspot.sync d
	JOIN hubspot.sync_count c ON c.report = d.report AND c.troubled > 0
	LEFT JOIN hubspot.sync_state t ON t.sync = d.id
	LEFT JOIN pg_class k ON k.oid = d.relation
	LEFT JOIN pg_foreign_server s ON s.srvname = d.server
	/*
	 * Rows without a usable key have one entry together.  Some tell of rows that were not seen; a back-fill that began
	 * afterwards makes them good.
	 */
	CROSS JOIN LATERAL (SELECT c.troubled - count(*) FILTER (WHERE g.is_good) AS records,
			coalesce(sum(z.rows - 1) FILTER (WHERE NOT g.is_good), 0)::bigint AS further
		FROM hubspot.sync_trouble z
		CROSS JOIN LATERAL (SELECT (d.follows AND t.fill_started_at > z.at AND t.fill_finished_at IS NOT NULL) IS TRUE AS is_good) g
		WHERE z.report = d.report AND z.object = d.object AND z.key = '') b
	CROSS JOIN LATERAL (SELECT least(b.records + b.further, c.recent_bad + c.before_bad) AS last_bad, greatest(c.recent + c.before, 1) AS last_rows,
		CASE WHEN d.object = 'event' THEN 0 WHEN d.follows THEN greatest(k.reltuples, 0)::bigint ELSE coalesce(t.members, 0) END AS records) n
	CROSS JOIN LATERAL (SELECT n.records >= b.records AND b.records::float8 / n.records > n.last_bad::float8 / n.last_rows AS by_records) x
	CROSS JOIN LATERAL (SELECT x.by_records, CASE WHEN x.by_records THEN b.records ELSE n.last_bad END AS bad,
		CASE WHEN x.by_records THEN n.records ELSE n.last_rows END AS of_all) m
	CROSS JOIN LATERAL (
		WITH sample AS MATERIALIZED (
			SELECT z.object, z.category, z.left_out, z.lacks, z.outbox_id FROM hubspot.sync_trouble z WHERE z.report = d.report LIMIT 1000
		), lack AS MATERIALIZED (
			SELECT DISTINCT z.object, l.name,
				EXISTS (SELECT FROM hubspot.property p WHERE p.server = s.oid AND p.object::text = z.object::text AND p.name = l.name) AS is_there,
				EXISTS (SELECT FROM hubspot.sync_property p WHERE p.report = d.report AND p.object = z.object AND p.property = l.name
					AND p.code = ANY ('{invalid_option,unknown_owner,unknown_pipeline,unknown_stage}')) AS is_option
			FROM sample z, unnest(z.lacks) AS l(name)
		)
		SELECT (SELECT count(*) FROM sample) AS looked_at, (SELECT count(z.category) FROM sample z) AS failed,
			(SELECT string_agg(DISTINCT z.category, ', ') FROM sample z WHERE z.category NOT IN ('', 'unknown_property')) AS categories,
			(SELECT string_agg(l.name, ', ' ORDER BY l.name) FROM lack l WHERE NOT l.is_there) AS missing,
			(SELECT string_agg(l.name, ', ' ORDER BY l.name) FROM lack l WHERE l.is_there AND l.is_option) AS options,
			(SELECT string_agg(l.name, ', ' ORDER BY l.name) FROM lack l WHERE l.is_there AND NOT l.is_option) AS made,
			(SELECT string_agg(DISTINCT o.name || coalesce(' (' || p.code || ')', ''), ', ') FROM sample z CROSS JOIN unnest(z.left_out) AS o(name)
				LEFT JOIN hubspot.sync_property p ON p.report = d.report AND p.object = z.object AND p.property = o.name AND p.code <> ''
				WHERE o.name <> ALL (z.lacks)) AS others,
			(SELECT max(z.outbox_id) FROM sample z) AS example_id,
			(SELECT string_agg(u.statement, '; ' ORDER BY u.name) FROM hubspot.unknown_properties u
				JOIN lack l ON l.name = u.name AND l.object::text = u.object AND NOT l.is_there WHERE u.server = d.server) AS statements
	) r
	WHERE b.records > 0 AND m.bad > m.of_all * current_setting('hubspot.sync_tolerance')::float8
$$;
COMMENT ON FUNCTION hubspot.sync_alarms() IS
'syncs, audiences and traits of which more than hubspot.sync_tolerance of the last 1,000 to 2,000 rows, or of their records, failed or went without a column, and no later row of the record has made it good; for hubspot_health()';
