/* 65-status.sql
 *
 * How the lanes, the limits, the workers and the back-fills stand.
 */

/*
 * What the worker has not read yet, by account and object: exact up to 10,000
 * rows, beyond that the mix of the first 10,000 is taken for all.
 */
CREATE VIEW hubspot.unread AS
	WITH mark AS (
		SELECT coalesce((SELECT w.read_id FROM hubspot.worker_report() w, pg_catalog.pg_database d
				WHERE d.datname = pg_catalog.current_database() AND w.database = d.oid AND w.pid <> 0 AND w.read_id > 0),
			(SELECT c.last_id FROM hubspot.last_checkpoint c)) AS read_id,
			(SELECT q.last_value FROM hubspot.outbox_id_seq q WHERE q.is_called) AS last_id
	), sample AS (
		SELECT o.id, o.server, o.object, o.created_at
		FROM mark m, LATERAL (SELECT x.id, x.server, x.object, x.created_at FROM hubspot.outbox x
			WHERE x.id > m.read_id ORDER BY x.id LIMIT 10000) o
	), size AS (
		SELECT CASE WHEN pg_catalog.count(*) < 10000 THEN 1.0
			ELSE greatest(1.0, (SELECT (m.last_id - m.read_id)::float8 FROM mark m)
				/ (pg_catalog.max(s.id) - (SELECT m.read_id FROM mark m))) END AS factor
		FROM sample s
	)
	SELECT s.server, s.object, (pg_catalog.count(*) * (SELECT z.factor FROM size z))::bigint AS waiting,
		pg_catalog.min(s.created_at) AS oldest
	FROM sample s GROUP BY s.server, s.object;
COMMENT ON VIEW hubspot.unread IS 'rows that the worker has not read yet; an estimate beyond 10,000';
COMMENT ON COLUMN hubspot.unread.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.unread.object IS 'what the rows write in HubSpot';
COMMENT ON COLUMN hubspot.unread.waiting IS 'how many rows the worker has not read yet';
COMMENT ON COLUMN hubspot.unread.oldest IS 'when the oldest of them was queued';

CREATE VIEW hubspot.status AS
	WITH told AS MATERIALIZED (
		SELECT r.* FROM hubspot.lane_report() r
	), unread AS MATERIALIZED (
		SELECT x.server, hubspot.lane_of_object(x.object) AS lane, x.waiting, x.oldest FROM hubspot.unread x
	), used AS (
		SELECT t.server, t.lane COLLATE "C" AS name FROM told t
		UNION SELECT x.server, x.lane COLLATE "C" FROM unread x
		UNION SELECT x.oid, 'contacts' FROM pg_catalog.pg_foreign_server x
	)
	SELECT s.srvname AS server, lane.name AS lane,
		/* what holds all of the database goes before what the lane was in */
		CASE WHEN w.held THEN 'HELD' ELSE coalesce(l.state, a.state, 'STOPPED') END AS state,
		CASE WHEN w.held THEN w.problem
			/* what the worker itself cannot do holds up each lane */
			WHEN l.state IS NOT NULL THEN coalesce(l.reason, CASE WHEN w.state = 'running' THEN nullif(w.problem, '') END)
			WHEN a.state IS NULL THEN coalesce(nullif(w.problem, ''),
				(SELECT x.reason FROM hubspot.lane_states() x WHERE x.state = 'STOPPED'))
			END AS reason,
		CASE WHEN w.held THEN NULL ELSE l.until END AS until,
		coalesce(l.waiting, 0) + coalesce(u.waiting, 0) AS waiting,
		coalesce(l.in_flight, 0) AS in_flight,
		coalesce(l.deferred, 0) AS deferred,
		least(l.oldest, u.oldest) AS oldest,
		coalesce(l.rate, 0) AS rate,
		m.daily_limit - m.daily_remaining AS daily_used,
		m.daily_limit,
		CASE WHEN coalesce(l.waiting, 0) + coalesce(l.in_flight, 0) + coalesce(u.waiting, 0) = 0 THEN NULL
			WHEN l.rate > 0 THEN pg_catalog.make_interval(
				secs => (l.waiting + l.in_flight + coalesce(u.waiting, 0)) / l.rate) END AS eta
	FROM pg_catalog.pg_foreign_server s
	JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw AND f.fdwname = 'hubspot'
	JOIN used lane ON lane.server = s.oid
	LEFT JOIN told l ON l.server = s.oid AND l.lane = lane.name
	/* a lane that the worker has not begun with is in no trouble of its own */
	LEFT JOIN (SELECT r.server, 'RUN' AS state FROM told r WHERE r.lane = 'contacts') a ON a.server = s.oid
	LEFT JOIN unread u ON u.server = s.oid AND u.lane = lane.name
	LEFT JOIN hubspot.meter_report() m ON m.server = s.oid
	LEFT JOIN (SELECT x.database, x.problem, x.state, x.state = 'held' AS held FROM hubspot.worker_report() x) w
		ON w.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database());
COMMENT ON VIEW hubspot.status IS
'a row per account and lane in use: what waits, how fast it goes (rows with a verdict per second), until when; cheap to poll';
COMMENT ON COLUMN hubspot.status.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.status.lane IS 'contacts, companies, associations, events, forms, schema, lists, consent, pairs, or that of another record type, see hubspot.record_types()';
COMMENT ON COLUMN hubspot.status.state IS 'state of the lane, see hubspot.lane_states()';
COMMENT ON COLUMN hubspot.status.reason IS 'why it is in this state, in words; NULL: nothing is wrong';
COMMENT ON COLUMN hubspot.status.until IS 'when the lane goes on by itself; NULL: not known, or it is going';
COMMENT ON COLUMN hubspot.status.waiting IS 'rows that wait for it, those included that the worker has not read yet';
COMMENT ON COLUMN hubspot.status.in_flight IS 'rows in requests under way';
COMMENT ON COLUMN hubspot.status.deferred IS 'rows that failed for a reason of their own, and are tried again later';
COMMENT ON COLUMN hubspot.status.oldest IS 'when the oldest of the waiting rows was queued';
COMMENT ON COLUMN hubspot.status.rate IS 'rows with a verdict per second';
COMMENT ON COLUMN hubspot.status.daily_used IS 'requests of the day, as HubSpot''s last answer said';
COMMENT ON COLUMN hubspot.status.daily_limit IS 'requests per day that HubSpot grants the account';
COMMENT ON COLUMN hubspot.status.eta IS 'how long what waits will take at this rate; NULL: nothing waits, or nothing goes';

CREATE VIEW hubspot.rate_limits AS
	SELECT s.srvname AS server, r.lane, r.state, CASE WHEN hubspot.may_read_texts() THEN r.reason ELSE r.own_reason END AS reason, r.until,
		coalesce(m.burst_limit, r.burst_limit) AS burst_limit,
		coalesce(m.burst_limit - m.burst_used - m.burst_others, r.burst_remaining) AS burst_remaining,
		m.burst_used, m.burst_others,
		coalesce(m.daily_limit, r.daily_limit) AS daily_limit,
		coalesce(m.daily_remaining, r.daily_remaining) AS daily_remaining,
		r.updated_at, a.token_fingerprint, a.portal_id, a.hublet, a.time_zone,
		coalesce(m.burst_window_ms, r.burst_window_ms) AS burst_window_ms, m.burst_reserve, m.blocked_until,
		coalesce(m.daily_resets_at, r.daily_resets_at) AS daily_resets_at,
		m.search_limit, m.search_used, m.search_blocked_until,
		m.association_limit, m.association_used, m.association_blocked_until,
		m.form_limit, m.form_used, m.form_blocked_until
	FROM hubspot.rate_limit r
	LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = r.server
	LEFT JOIN hubspot.account a ON a.server = r.server
	LEFT JOIN hubspot.meter_report() m ON m.server = r.server;
COMMENT ON VIEW hubspot.rate_limits IS 'limits of each account, live where the worker runs, else as it last wrote them';
COMMENT ON COLUMN hubspot.rate_limits.server IS 'name of the SERVER; NULL: it has been dropped';
COMMENT ON COLUMN hubspot.rate_limits.lane IS 'lane that the row is about';
COMMENT ON COLUMN hubspot.rate_limits.state IS 'state of the lane when the row was written';
COMMENT ON COLUMN hubspot.rate_limits.reason IS 'why it was in this state, in words; HubSpot''s are shown to who may read texts, see hubspot.may_read_texts()';
COMMENT ON COLUMN hubspot.rate_limits.until IS 'when the lane goes on by itself';
COMMENT ON COLUMN hubspot.rate_limits.burst_limit IS 'requests per window of burst_window_ms that HubSpot grants this token';
COMMENT ON COLUMN hubspot.rate_limits.burst_remaining IS 'how many of them are left';
COMMENT ON COLUMN hubspot.rate_limits.burst_used IS 'how many of them were ours in the last window, those under way included; NULL: no worker runs';
COMMENT ON COLUMN hubspot.rate_limits.burst_others IS 'how many of them were others'', as far as HubSpot''s headers tell; NULL: no worker runs';
COMMENT ON COLUMN hubspot.rate_limits.daily_limit IS 'requests per day that HubSpot grants the account';
COMMENT ON COLUMN hubspot.rate_limits.daily_remaining IS 'how many of them are left';
COMMENT ON COLUMN hubspot.rate_limits.updated_at IS 'when the worker last wrote the row';
COMMENT ON COLUMN hubspot.rate_limits.token_fingerprint IS 'first 16 hex digits of the SHA-256 of the token in use';
COMMENT ON COLUMN hubspot.rate_limits.portal_id IS 'hub id of the account';
COMMENT ON COLUMN hubspot.rate_limits.hublet IS 'data centre of the account, such as na1 or eu1';
COMMENT ON COLUMN hubspot.rate_limits.time_zone IS 'time zone of the account: its day ends at midnight there';
COMMENT ON COLUMN hubspot.rate_limits.burst_window_ms IS 'length of the window of burst_limit, milliseconds';
COMMENT ON COLUMN hubspot.rate_limits.burst_reserve IS 'places in the window that are left free for others';
COMMENT ON COLUMN hubspot.rate_limits.blocked_until IS 'nothing is sent to the account before this time';
COMMENT ON COLUMN hubspot.rate_limits.daily_resets_at IS 'when the day of daily_limit ends, if HubSpot told';
COMMENT ON COLUMN hubspot.rate_limits.search_limit IS 'searches per second that are granted';
COMMENT ON COLUMN hubspot.rate_limits.search_used IS 'how many of them were made in the last window';
COMMENT ON COLUMN hubspot.rate_limits.search_blocked_until IS 'no search is sent before this time';
COMMENT ON COLUMN hubspot.rate_limits.association_limit IS 'requests for associations per 10 seconds that are granted';
COMMENT ON COLUMN hubspot.rate_limits.association_used IS 'how many of them were made in the last window';
COMMENT ON COLUMN hubspot.rate_limits.association_blocked_until IS 'no request for associations is sent before this time';
COMMENT ON COLUMN hubspot.rate_limits.form_limit IS 'submissions of forms per 10 seconds that are granted';
COMMENT ON COLUMN hubspot.rate_limits.form_used IS 'how many of them were made in the last window';
COMMENT ON COLUMN hubspot.rate_limits.form_blocked_until IS 'no form is submitted before this time';

CREATE VIEW hubspot.workers AS
	SELECT d.datname AS database, w.pid, w.state, nullif(w.problem, '') AS problem, w.started_at, w.last_turn_at,
		w.failures, w.window_rows, w.window_bytes, w.read_id, w.requests, w.done, w.refresher_pid, w.refresher_problem,
		CASE WHEN d.datname = pg_catalog.current_database() THEN
			(SELECT y.name FROM hubspot.sync y WHERE y.id = w.refresher_sync) END AS refresher_runs, w.refresher_since,
		w.refresher_until, w.refreshers_stuck
	FROM hubspot.worker_report() w
	LEFT JOIN pg_catalog.pg_database d ON d.oid = w.database;
COMMENT ON VIEW hubspot.workers IS
'the workers of the cluster, one per database that has the extension; one that is held (problem says why) has no process, pid is 0; refresher_pid: its process for refreshes and back-fills, NULL while none is needed; refresher_problem: why none can be started; refresher_runs: the definition that it works on, of this database only, refresher_since: since when, refresher_until: when the process is told to end if it still runs then; refreshers_stuck: how many others go on although they were told to, hubspot_health() names them';
COMMENT ON COLUMN hubspot.workers.database IS 'name of the database';
COMMENT ON COLUMN hubspot.workers.pid IS 'process of the worker; 0: none runs';
COMMENT ON COLUMN hubspot.workers.state IS 'starting, probing (looks for the extension), running, held, stopped or absent';
COMMENT ON COLUMN hubspot.workers.problem IS 'why it is held or stopped, or what ended it last, in words; NULL: nothing';
COMMENT ON COLUMN hubspot.workers.started_at IS 'when the process started';
COMMENT ON COLUMN hubspot.workers.last_turn_at IS 'when it last reported';
COMMENT ON COLUMN hubspot.workers.failures IS 'how often it has ended with an error in a row';
COMMENT ON COLUMN hubspot.workers.window_rows IS 'rows that it has in memory';
COMMENT ON COLUMN hubspot.workers.window_bytes IS 'bytes that these take';
COMMENT ON COLUMN hubspot.workers.read_id IS 'id up to which it has read the outbox';
COMMENT ON COLUMN hubspot.workers.requests IS 'requests that it has sent since its start';
COMMENT ON COLUMN hubspot.workers.done IS 'rows that it has given a verdict since its start';
COMMENT ON COLUMN hubspot.workers.refresher_pid IS 'its process for refreshes and back-fills; NULL: none is needed';
COMMENT ON COLUMN hubspot.workers.refresher_problem IS 'why no such process can be started; NULL: one can';
COMMENT ON COLUMN hubspot.workers.refresher_runs IS 'the definition that it works on, of this database only';
COMMENT ON COLUMN hubspot.workers.refresher_since IS 'since when';
COMMENT ON COLUMN hubspot.workers.refresher_until IS 'when that process is told to end if it still runs then';
COMMENT ON COLUMN hubspot.workers.refreshers_stuck IS 'how many other such processes go on although they were told to end';

/* A copy has no refresher before hubspot_arm(); its triggers queue, and what is called by hand works. */
CREATE VIEW hubspot.copy_held AS
	SELECT pg_catalog.concat_ws(': ', 'the worker is held', i.held_reason) AS reason
	FROM hubspot.installation i WHERE i.held_at IS NOT NULL LIMIT 1;
COMMENT ON VIEW hubspot.copy_held IS 'why this database, found to be a copy, refreshes and fills nothing by itself; no row: it is none';
COMMENT ON COLUMN hubspot.copy_held.reason IS 'why nothing is done, in words';

/* So no owner has two processes that are stuck; src/schedule.c has the same condition. */
CREATE VIEW hubspot.stuck AS
	SELECT k.sync, z.name, 'stuck' AS state,
		pg_catalog.format('process %s was told to end at %s and goes on: its query looks for no interrupts', k.pid, pg_catalog.date_trunc('second', k.until)) AS reason,
		k.pid, k.until
	FROM hubspot.stuck_report() k
	JOIN hubspot.sync z ON z.id = k.sync
	UNION ALL
	SELECT y.id, y.name, 'waiting', pg_catalog.format('waits for "%s" of the same owner, which is stuck', min(z.name)), NULL, NULL
	FROM hubspot.stuck_report() k
	JOIN hubspot.sync z ON z.id = k.sync
	JOIN hubspot.sync y ON k.owner = coalesce(y.owner_oid, (SELECT r.oid FROM pg_catalog.pg_roles r WHERE r.rolname = y.owner))
	WHERE y.id NOT IN (SELECT x.sync FROM hubspot.stuck_report() x)
	GROUP BY y.id, y.name;
COMMENT ON VIEW hubspot.stuck IS
'definitions that nothing is done for now: what a refresher is stuck in, and what else is of the same owner (state stuck, waiting)';
COMMENT ON COLUMN hubspot.stuck.sync IS 'number of the definition';
COMMENT ON COLUMN hubspot.stuck.name IS 'its name';
COMMENT ON COLUMN hubspot.stuck.state IS 'stuck, or waiting for one of the same owner that is';
COMMENT ON COLUMN hubspot.stuck.reason IS 'which process goes on since when, or for what it waits, in words';
COMMENT ON COLUMN hubspot.stuck.pid IS 'process that is stuck in it; NULL: it waits';
COMMENT ON COLUMN hubspot.stuck.until IS 'when that process was told to end';

/*
 * Rows that name records of another table by a foreign key, or are about the
 * records of their own, would come before these and be in vain.  In a circle
 * nobody waits for one that waits for him.
 */
CREATE FUNCTION hubspot.fills_waiting() RETURNS TABLE (sync integer, waits_for integer)
LANGUAGE sql STABLE SECURITY DEFINER ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE open AS MATERIALIZED (
		SELECT d.id, d.server, d.relation, coalesce((SELECT t.is_record FROM hubspot.object_types() t WHERE t.object = d.object), true) AS is_record,
			ARRAY(SELECT c.attnum FROM jsonb_to_recordset(d.columns) AS c(attnum smallint)) || d.key_attnum AS columns
		FROM hubspot.sync d
		JOIN hubspot.sync_state s ON s.sync = d.id
		WHERE d.follows AND d.held IS NULL AND s.fill_started_at IS NOT NULL AND s.fill_finished_at IS NULL AND NOT s.fill_lacking
	), needs AS (
		SELECT a.id AS sync, b.id AS waits_for
		FROM open a
		JOIN open b ON b.server = a.server AND b.id <> a.id AND b.is_record
		WHERE (a.relation = b.relation AND NOT a.is_record)
			OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.relation AND k.contype = 'f' AND k.confrelid = b.relation AND k.conkey && a.columns)
	), reach AS (
		SELECT n.sync, n.waits_for FROM needs n
		UNION
		SELECT r.sync, n.waits_for FROM reach r JOIN needs n ON n.sync = r.waits_for
	)
	SELECT n.sync, n.waits_for FROM needs n
	WHERE NOT EXISTS (SELECT FROM reach r WHERE r.sync = n.waits_for AND r.waits_for = n.sync)
$$;
COMMENT ON FUNCTION hubspot.fills_waiting() IS
'which back-fill reads nothing yet, and for which other one: its rows name records, by a foreign key or as they are of the same table, that the other one has still to queue';

CREATE VIEW hubspot.backfills AS
	SELECT y.name, y.server,
		CASE WHEN y.held IS NOT NULL THEN 'held'
			WHEN s.fill_finished_at IS NOT NULL THEN 'done'
			WHEN h.reason IS NOT NULL THEN 'held'
			WHEN k.state IS NOT NULL THEN k.state
			WHEN s.failures > 0 THEN 'failed'
			WHEN w.names IS NOT NULL THEN 'waiting for others'
			WHEN f.waits THEN 'waiting for HubSpot'
			ELSE 'reading' END AS state,
		coalesce(s.fill_rows, 0) AS rows_read,
		CASE WHEN s.fill_finished_at IS NOT NULL THEN s.fill_rows ELSE greatest(s.fill_total, s.fill_rows) END AS rows_total,
		CASE WHEN s.fill_finished_at IS NOT NULL THEN 1.0::float8
			WHEN s.fill_total > s.fill_rows THEN s.fill_rows / s.fill_total::float8 END AS share,
		r.rate AS rows_per_second,
		CASE WHEN s.fill_finished_at IS NULL AND y.held IS NULL AND h.reason IS NULL AND k.state IS NULL AND s.failures = 0 AND r.rate > 0 AND s.fill_total > s.fill_rows
			THEN pg_catalog.make_interval(secs => (s.fill_total - s.fill_rows) / r.rate) END AS eta,
		s.fill_started_at AS started_at, s.fill_finished_at AS finished_at,
		coalesce(y.held, h.reason, k.reason, hubspot.error_shown(s.error, s.error_code, y.owner_oid), s.problem, 'its rows name records that are queued first, by ' || w.names) AS error
	FROM hubspot.sync y
	JOIN hubspot.sync_state s ON s.sync = y.id AND s.fill_started_at IS NOT NULL
	LEFT JOIN (SELECT v.sync, string_agg(pg_catalog.quote_literal(z.name), ', ' ORDER BY z.name) AS names
		FROM hubspot.fills_waiting() v JOIN hubspot.sync z ON z.id = v.waits_for GROUP BY v.sync) w ON w.sync = y.id
	LEFT JOIN hubspot.fill_report() f ON f.sync = y.id
	LEFT JOIN hubspot.copy_held h ON s.fill_finished_at IS NULL
	LEFT JOIN hubspot.stuck k ON k.sync = y.id AND s.fill_finished_at IS NULL
	CROSS JOIN LATERAL (SELECT s.fill_rows / nullif(extract(epoch FROM
		coalesce(s.fill_finished_at, pg_catalog.clock_timestamp()) - s.fill_started_at), 0)::float8 AS rate) r
	WHERE y.follows;
COMMENT ON VIEW hubspot.backfills IS
'a row per back-fill of a followed table: state is reading, waiting for HubSpot (enough is queued), waiting for others (error names those whose records its rows name), done (all is read and queued), held, stuck (its process goes on although it was told to end), waiting (for one of the same owner that is stuck) or failed (error says why; it is tried again); rows_total is estimated until it is done; rows_per_second since its start; share and eta are NULL when they are not known';
COMMENT ON COLUMN hubspot.backfills.name IS 'name of the sync';
COMMENT ON COLUMN hubspot.backfills.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.backfills.state IS 'reading, waiting for HubSpot (enough is queued), waiting for others (whose records its rows name), done (all is read and queued), held, stuck, waiting (for one of its owner that is stuck) or failed';
COMMENT ON COLUMN hubspot.backfills.rows_read IS 'rows that it has read and queued';
COMMENT ON COLUMN hubspot.backfills.rows_total IS 'rows of the table, estimated until it is done';
COMMENT ON COLUMN hubspot.backfills.share IS 'what part of the table it has read, 0 to 1; NULL: not known';
COMMENT ON COLUMN hubspot.backfills.rows_per_second IS 'rows read per second since its start';
COMMENT ON COLUMN hubspot.backfills.eta IS 'how long it will still take at this rate; NULL: not known';
COMMENT ON COLUMN hubspot.backfills.started_at IS 'when it was asked for';
COMMENT ON COLUMN hubspot.backfills.finished_at IS 'when it had read all of the table; NULL: it has not';
COMMENT ON COLUMN hubspot.backfills.error IS 'why it is held or failed, for whom it waits, or what makes it slow, in words';

CREATE FUNCTION hubspot.short_time(span interval) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN $1 >= interval '100 days' THEN '> 99 d'
		WHEN $1 >= interval '1 day' THEN to_char(justify_hours($1), 'FMDDD "d" HH24 "h"')
		ELSE to_char($1, 'HH24:MI:SS') END
$$;
COMMENT ON FUNCTION hubspot.short_time(interval) IS 'a span of time in eight characters at most';

CREATE VIEW hubspot.top AS
	WITH account AS (
		SELECT s.server, sum(s.waiting + s.in_flight)::bigint AS waiting, sum(s.rate) AS rate,
			CASE WHEN pg_catalog.bool_and(s.eta IS NOT NULL OR s.waiting + s.in_flight = 0) THEN max(s.eta) END AS eta,
			(pg_catalog.array_agg(CASE WHEN s.state = 'RUN' THEN s.reason ELSE pg_catalog.concat_ws(' ', s.state, s.lane || ':', s.reason) END
				ORDER BY s.state = 'RUN', s.waiting DESC, s.lane) FILTER (WHERE s.state <> 'RUN' OR s.reason IS NOT NULL))[1] AS reason,
			sum(s.deferred) AS deferred
		FROM hubspot.status s GROUP BY s.server
	), line(server, name, waiting, rate, eta, trouble) AS (
		SELECT a.server, NULL::text, a.waiting, a.rate, a.eta,
			coalesce(a.reason, CASE WHEN a.deferred > 0 THEN pg_catalog.format('%s deferred', a.deferred) END)
		FROM account a
	UNION ALL
		SELECT b.server, b.name, b.rows_total - b.rows_read, b.rows_per_second, b.eta,
			CASE WHEN b.state <> 'reading' THEN pg_catalog.concat_ws(': ', b.state, b.error) ELSE b.error END
		FROM hubspot.backfills b WHERE b.state <> 'done'
	)
	SELECT CASE WHEN pg_catalog.length(n.name) > 20 THEN pg_catalog.left(n.name, 18) || '..' ELSE n.name END AS account,
		l.waiting, pg_catalog.round(l.rate::numeric, CASE WHEN l.rate < 10 THEN 1 ELSE 0 END) AS rate,
		hubspot.short_time(l.eta) AS time_left,
		CASE WHEN pg_catalog.length(l.trouble) > 40 THEN pg_catalog.left(l.trouble, 38) || '..' ELSE l.trouble END AS trouble
	FROM line l
	CROSS JOIN LATERAL (SELECT coalesce('+ ' || l.name, l.server::text)) AS n(name)
	WINDOW a AS (PARTITION BY l.server)
	ORDER BY pg_catalog.bool_or(l.trouble IS NOT NULL AND l.name IS NULL) OVER a DESC, sum(l.waiting) OVER a = 0, l.server, l.name NULLS FIRST;
COMMENT ON VIEW hubspot.top IS
'a row per account, and below it one for each back-fill that is under way ("+ name"), at most 100 characters wide, for \watch 2: what is in trouble first, then what has work';
COMMENT ON COLUMN hubspot.top.account IS 'name of the SERVER; of a back-fill "+ " and the name of the sync';
COMMENT ON COLUMN hubspot.top.waiting IS 'rows that are not done, all lanes together; of a back-fill, rows of the table that it has still to read';
COMMENT ON COLUMN hubspot.top.rate IS 'rows with a verdict per second; of a back-fill, rows read per second';
COMMENT ON COLUMN hubspot.top.time_left IS 'how long that will take at this rate; NULL: not known';
COMMENT ON COLUMN hubspot.top.trouble IS 'state and reason of the lane in trouble for which most waits, else how many rows are deferred; of a back-fill, what it waits for; cut to 40 characters: hubspot.status and hubspot_health() say it whole';
