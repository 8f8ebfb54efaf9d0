/* 70-explain.sql
 *
 * What a call would send, and what the backlog will cost.
 */

CREATE FUNCTION @extschema@.hubspot_explain(call text, message jsonb, server name DEFAULT NULL,
	OUT object text, OUT key_property text, OUT key text, OUT properties jsonb, OUT warnings jsonb,
	OUT method text, OUT path text, OUT body jsonb)
RETURNS SETOF record
LANGUAGE c STABLE ROWS 1
AS 'MODULE_PATHNAME', 'hubspot_explain';
COMMENT ON FUNCTION @extschema@.hubspot_explain(text, jsonb, name) IS
'what the call would send, a row per piece of work: the key, the properties with trait and rule, what would be dropped or changed and why, the request.  Goes by what is known of the account''s properties; sends and queues nothing.  A bad message is the error that the call would raise.  The current user needs USAGE on the SERVER; record ids are shown to who may SELECT hubspot.record, "unchanged" to who may SELECT hubspot.confirmed';

/*
 * For the previews, which run as the extension's owner: in the schema
 * that CREATE EXTENSION chose somebody may plant others of the name.
 */
CREATE FUNCTION hubspot.explain(call text, message jsonb, server name,
	OUT object text, OUT key_property text, OUT key text, OUT properties jsonb, OUT warnings jsonb,
	OUT method text, OUT path text, OUT body jsonb)
RETURNS SETOF record
LANGUAGE c STABLE ROWS 1
AS 'MODULE_PATHNAME', 'hubspot_explain_by_schema';
COMMENT ON FUNCTION hubspot.explain(text, jsonb, name) IS
'hubspot_explain() for previews: goes by the account''s schema alone, tells nothing of records';

CREATE FUNCTION hubspot.all_confirmed(server oid, object text, key_property text, key text, calls text[], messages jsonb[])
RETURNS boolean
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'hubspot_all_confirmed';
COMMENT ON FUNCTION hubspot.all_confirmed(oid, text, text, text, text[], jsonb[]) IS
'whether HubSpot is known to have all that these calls of one key, newest first, would write when merged: the worker would send nothing';

/* How many rows are one record, and records one request, and how fast these may go: hubspot.object_types(). */
CREATE FUNCTION @extschema@.hubspot_explain_backlog(server name DEFAULT NULL, OUT account name, OUT lane text, OUT queued bigint,
	OUT records bigint, OUT merged bigint, OUT unchanged bigint, OUT requests bigint, OUT estimate interval)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$
	WITH mark AS (
		SELECT c.snapshot, pg_snapshot_xmin(c.snapshot) AS xmin FROM hubspot.last_checkpoint c
	), skipping AS (
		SELECT s.oid AS server FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) p
		WHERE CASE p.option_name WHEN 'skip_unchanged' THEN p.option_value::boolean END
	), waiting AS (
		SELECT o.server, o.object, o.call IN ('delete', 'ungroup', 'dissociate') AS deletes, o.key_property, o.key,
			CASE o.object WHEN 'association' THEN o.message WHEN 'list' THEN jsonb_build_array(o.message->'list', o.message->'object') END AS other,
			o.id, o.call, CASE WHEN o.object <> ALL (ARRAY(SELECT t.object FROM hubspot.object_types() t WHERE NOT t.is_record)) AND o.server = ANY (ARRAY(SELECT k.server FROM skipping k))
				THEN o.message END AS values_of
		FROM hubspot.outbox o
		LEFT JOIN hubspot.result r ON r.id = o.id
		WHERE o.xid >= (SELECT m.xmin FROM mark m) AND NOT pg_visible_in_snapshot(o.xid, (SELECT m.snapshot FROM mark m))
			AND r.id IS NULL AND o.problem IS NULL AND ($1 IS NULL OR o.server = hubspot.server_oid($1))
	), families(object, lane, merges, per_request, per_window) AS (
		SELECT t.object, t.lane, t.merges, t.per_request, t.own_limit FROM hubspot.object_types() t
	), counted AS (
		SELECT w.server, w.object, count(*) AS queued,
			count(DISTINCT (w.deletes, w.key_property, w.key, w.other)) AS keys
		FROM waiting w GROUP BY w.server, w.object
	), unchanged AS (
		SELECT k.server, k.object, count(*) AS records
		FROM (SELECT w.server, w.object, w.key_property, w.key,
				array_agg(w.call::text ORDER BY w.id DESC) AS calls, array_agg(w.values_of ORDER BY w.id DESC) AS messages
			FROM waiting w WHERE w.values_of IS NOT NULL AND NOT w.deletes
			GROUP BY w.server, w.object, w.key_property, w.key) k
		WHERE hubspot.all_confirmed(k.server, k.object, k.key_property, k.key, k.calls, k.messages)
		GROUP BY k.server, k.object
	), sized AS (
		SELECT c.server, hubspot.lane_of_object(c.object) AS lane, c.queued,
			CASE WHEN f.merges IS DISTINCT FROM false THEN c.keys ELSE c.queued END - coalesce(u.records, 0) AS records,
			coalesce(u.records, 0) AS unchanged, coalesce(f.per_request, 100) AS per_request,
			coalesce(f.per_window, m.burst_limit, 100) AS per_window
		FROM counted c
		/* further types of records have no row there: they are merged, a hundred in a request */
		LEFT JOIN families f ON f.object = c.object
		LEFT JOIN unchanged u ON u.server = c.server AND u.object = c.object
		LEFT JOIN hubspot.meter_report() m ON m.server = c.server
	)
	SELECT s.srvname, z.lane, z.queued, z.records, z.queued - z.records - z.unchanged, z.unchanged,
		(z.records + z.per_request - 1) / z.per_request,
		make_interval(secs => CASE WHEN z.per_window = 0 THEN 0
			ELSE (z.records + z.per_request - 1) / z.per_request * 10.0 / z.per_window END)
	FROM sized z JOIN pg_foreign_server s ON s.oid = z.server
	ORDER BY s.srvname, z.lane
$$;
COMMENT ON FUNCTION @extschema@.hubspot_explain_backlog(name) IS
'what would go out now, a row per account and lane: rows queued, records they make when those of one key are merged, records left out because HubSpot has them already, requests, and the time these take at the limit that is granted now.  Reads all that waits; sends nothing';
