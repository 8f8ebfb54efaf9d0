/* 35-reports.sql
 *
 * What the worker tells, from shared memory, and the tables that the C code
 * works by.  Views are made of these.
 */

CREATE FUNCTION hubspot.lane_report(
	OUT server oid, OUT lane text, OUT state text, OUT reason text, OUT until timestamptz,
	OUT waiting bigint, OUT in_flight bigint, OUT oldest timestamptz, OUT done bigint, OUT rate double precision, OUT event text,
	OUT deferred bigint)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'hubspot_lane_report';
COMMENT ON FUNCTION hubspot.lane_report() IS
'lanes of this database''s worker, live; rate in rows with a verdict per second; event as in hubspot.lane_states(); reason without HubSpot''s own words for those who may not read them, see hubspot.may_read_texts()';

CREATE FUNCTION hubspot.lane_states(
	OUT state text, OUT event text, OUT scope text, OUT failure boolean, OUT first_wait interval, OUT longest_wait interval,
	OUT left_by text[], OUT reason text, OUT remedy text)
RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 20 AS 'MODULE_PATHNAME', 'hubspot_lane_states';
COMMENT ON FUNCTION hubspot.lane_states() IS
'what can happen to a lane, a row per event: the state that it leads to; whether it moves the lane, the account or all of the database; whether it counts as a failure, so that the next wait is twice as long, up to the longest; what leads out again; the reason that hubspot.status shows, completed by a detail; the remedy that hubspot_health() shows, NULL: nothing is wrong';

CREATE FUNCTION hubspot.libraries(
	OUT library text, OUT version text, OUT built_with text, OUT problem text, OUT otherwise text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME', 'hubspot_libraries';
COMMENT ON FUNCTION hubspot.libraries() IS
'the libraries that read and carry HubSpot''s answers, for a bug report: the version that runs, the one that hubspot was built with, and what does not hold of that which hubspot leans on (NULL: all holds), with how it does without; a row more for each such problem';

CREATE FUNCTION hubspot.flight_report(OUT id bigint) RETURNS SETOF bigint
LANGUAGE c VOLATILE STRICT ROWS 100 AS 'MODULE_PATHNAME', 'hubspot_flight_report';
COMMENT ON FUNCTION hubspot.flight_report() IS 'outbox ids in requests under way (at most 512 of a request)';

CREATE FUNCTION hubspot.worker_report(
	OUT database oid, OUT pid integer, OUT state text, OUT problem text, OUT started_at timestamptz,
	OUT last_turn_at timestamptz, OUT failures integer, OUT window_rows bigint, OUT window_bytes bigint,
	OUT read_id bigint, OUT requests bigint, OUT done bigint, OUT refresher_pid integer, OUT refresher_problem text,
	OUT refresher_sync integer, OUT refresher_since timestamptz, OUT refresher_until timestamptz, OUT refreshers_stuck integer)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT ROWS 5 AS 'MODULE_PATHNAME', 'hubspot_worker_report';
COMMENT ON FUNCTION hubspot.worker_report() IS 'workers of the cluster, live; no rows when the library is not preloaded';

CREATE FUNCTION hubspot.stuck_report(OUT sync integer, OUT owner oid, OUT pid integer, OUT since timestamptz, OUT until timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT ROWS 1 AS 'MODULE_PATHNAME', 'hubspot_stuck_report';
COMMENT ON FUNCTION hubspot.stuck_report() IS
'refreshers of this database that go on although they were told to end (until: when), for what they run looks for no interrupts, live: the definition, who owned it when it began (since), the process';

CREATE FUNCTION hubspot.fill_report(OUT sync integer, OUT unfinished integer, OUT waits boolean)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT ROWS 5 AS 'MODULE_PATHNAME', 'hubspot_fill_report';
COMMENT ON FUNCTION hubspot.fill_report() IS
'back-fills under way in this database, live: rows queued that have no verdict, and whether they are so many that no more is read';

CREATE FUNCTION hubspot.meter_report(
	OUT server oid, OUT burst_limit integer, OUT burst_used integer, OUT burst_others integer,
	OUT daily_limit bigint, OUT daily_remaining bigint,
	OUT burst_window_ms integer, OUT burst_reserve integer, OUT blocked_until timestamptz, OUT daily_resets_at timestamptz,
	OUT search_limit integer, OUT search_used integer, OUT search_blocked_until timestamptz,
	OUT association_limit integer, OUT association_used integer, OUT association_blocked_until timestamptz,
	OUT form_limit integer, OUT form_used integer, OUT form_blocked_until timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT ROWS 5 AS 'MODULE_PATHNAME', 'hubspot_meter_report';
COMMENT ON FUNCTION hubspot.meter_report() IS
'rate limits of this database''s accounts, live: requests used in the last window (burst_window_ms) by us and, as far as HubSpot''s headers tell, by others, for whose next ones burst_reserve places are left free; nothing is sent before blocked_until; the meters of their own: search (per second), association and form (without a token; per 10 seconds)';
