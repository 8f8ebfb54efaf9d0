/* 42-statistics.sql
 *
 * How many rows ended how, how many requests were answered how.
 *
 * The worker writes the counters with the verdicts that they count
 * (src/counts/README.md).  A reset locks none of its rows: it writes down how
 * they stood, and the views subtract.
 */

CREATE FUNCTION hubspot.duration_bounds() RETURNS double precision[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}'::double precision[];
COMMENT ON FUNCTION hubspot.duration_bounds() IS 'upper bounds of the histogram of requests'' durations, in seconds; beyond the last one counts what is in no other';

CREATE TABLE hubspot.statistic (
	server oid NOT NULL,
	call hubspot.call NOT NULL,
	verdict hubspot.verdict NOT NULL,
	rows bigint NOT NULL,
	retries bigint NOT NULL,
	since timestamptz NOT NULL,
	last_at timestamptz NOT NULL,
	lane text COLLATE "C" NOT NULL,
	category text COLLATE "C" NOT NULL,
	PRIMARY KEY (server, lane, call, verdict, category)
) WITH (fillfactor = 50);
COMMENT ON TABLE hubspot.statistic IS 'verdicts counted by the worker; hubspot.statistics shows them';
COMMENT ON COLUMN hubspot.statistic.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.statistic.call IS 'call of the rows';
COMMENT ON COLUMN hubspot.statistic.verdict IS 'how they ended';
COMMENT ON COLUMN hubspot.statistic.rows IS 'how many rows';
COMMENT ON COLUMN hubspot.statistic.retries IS 'tries that they took beyond the first';
COMMENT ON COLUMN hubspot.statistic.since IS 'when the first one was counted';
COMMENT ON COLUMN hubspot.statistic.last_at IS 'when the last one was counted';
COMMENT ON COLUMN hubspot.statistic.lane IS 'lane';
COMMENT ON COLUMN hubspot.statistic.category IS 'category of the verdict, empty: it has none';

CREATE TABLE hubspot.request_statistic (
	server oid NOT NULL,
	status smallint NOT NULL,
	requests bigint NOT NULL,
	records bigint NOT NULL,
	bytes_sent bigint NOT NULL,
	bytes_received bigint NOT NULL,
	seconds double precision NOT NULL,
	since timestamptz NOT NULL,
	last_at timestamptz NOT NULL,
	within bigint[] NOT NULL,
	lane text COLLATE "C" NOT NULL,
	PRIMARY KEY (server, lane, status)
) WITH (fillfactor = 50);
COMMENT ON TABLE hubspot.request_statistic IS 'requests counted by the worker; hubspot.request_statistics shows them';
COMMENT ON COLUMN hubspot.request_statistic.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.request_statistic.status IS 'HTTP status, 0: no answer came';
COMMENT ON COLUMN hubspot.request_statistic.requests IS 'how many requests';
COMMENT ON COLUMN hubspot.request_statistic.records IS 'records that they carried';
COMMENT ON COLUMN hubspot.request_statistic.bytes_sent IS 'size of their bodies';
COMMENT ON COLUMN hubspot.request_statistic.bytes_received IS 'size of the answers';
COMMENT ON COLUMN hubspot.request_statistic.seconds IS 'sum of their durations';
COMMENT ON COLUMN hubspot.request_statistic.since IS 'when the first one was counted';
COMMENT ON COLUMN hubspot.request_statistic.last_at IS 'when the last one was counted';
COMMENT ON COLUMN hubspot.request_statistic.within IS 'how many took no longer than each of hubspot.duration_bounds()';
COMMENT ON COLUMN hubspot.request_statistic.lane IS 'lane; account: requests about the account itself';

CREATE TABLE hubspot.statistic_at_reset (LIKE hubspot.statistic INCLUDING COMMENTS, PRIMARY KEY (server, lane, call, verdict, category));
COMMENT ON TABLE hubspot.statistic_at_reset IS 'hubspot.statistic as hubspot_reset_statistics() found it, and when (last_at)';
CREATE TABLE hubspot.request_statistic_at_reset (LIKE hubspot.request_statistic INCLUDING COMMENTS, PRIMARY KEY (server, lane, status));
COMMENT ON TABLE hubspot.request_statistic_at_reset IS 'hubspot.request_statistic as hubspot_reset_statistics() found it, and when (last_at)';

CREATE VIEW hubspot.statistics AS
	SELECT s.srvname AS server, t.lane, t.call::text AS call, t.verdict::text AS verdict, nullif(t.category, '') AS category,
		t.rows - coalesce(r.rows, 0) AS rows, t.retries - coalesce(r.retries, 0) AS retries,
		coalesce(r.last_at, t.since) AS since, t.last_at
	FROM hubspot.statistic t
	JOIN pg_catalog.pg_foreign_server s ON s.oid = t.server
	LEFT JOIN hubspot.statistic_at_reset r USING (server, lane, call, verdict, category);
COMMENT ON VIEW hubspot.statistics IS
'rows by account, lane, call, verdict and category, counted as their verdicts are written, in the same transaction; they only grow, over restarts and crashes, until hubspot_reset_statistics()';
COMMENT ON COLUMN hubspot.statistics.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.statistics.lane IS 'lane, as in hubspot.status';
COMMENT ON COLUMN hubspot.statistics.call IS 'call of the rows';
COMMENT ON COLUMN hubspot.statistics.verdict IS 'how they ended, see hubspot.verdicts()';
COMMENT ON COLUMN hubspot.statistics.category IS 'category of the verdict, as in hubspot.outbox_status; NULL: it has none; other: an account with very many categories has more of them';
COMMENT ON COLUMN hubspot.statistics.rows IS 'how many rows';
COMMENT ON COLUMN hubspot.statistics.retries IS 'tries that these rows took beyond the first; waiting for a lane is none';
COMMENT ON COLUMN hubspot.statistics.since IS 'from when on they are counted: the first one, or the last reset';
COMMENT ON COLUMN hubspot.statistics.last_at IS 'when the last one was counted';

CREATE VIEW hubspot.request_statistics AS
	SELECT s.srvname AS server, t.lane, nullif(t.status, 0)::integer AS status,
		t.requests - coalesce(r.requests, 0) AS requests, t.records - coalesce(r.records, 0) AS records,
		t.bytes_sent - coalesce(r.bytes_sent, 0) AS bytes_sent, t.bytes_received - coalesce(r.bytes_received, 0) AS bytes_received,
		hubspot.duration_bounds() AS duration_seconds,
		ARRAY(SELECT w.now - coalesce(w.before, 0) FROM ROWS FROM (unnest(t.within), unnest(r.within)) WITH ORDINALITY AS w(now, before, n)
			ORDER BY w.n) AS duration_seconds_bucket,
		greatest(t.seconds - coalesce(r.seconds, 0), 0) AS duration_seconds_sum,
		t.requests - coalesce(r.requests, 0) AS duration_seconds_count,
		coalesce(r.last_at, t.since) AS since, t.last_at
	FROM hubspot.request_statistic t
	JOIN pg_catalog.pg_foreign_server s ON s.oid = t.server
	LEFT JOIN hubspot.request_statistic_at_reset r USING (server, lane, status);
COMMENT ON VIEW hubspot.request_statistics IS
'HTTP requests by account, lane and status, with a histogram of their durations; counted as hubspot.statistics is, and reset with it';
COMMENT ON COLUMN hubspot.request_statistics.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.request_statistics.lane IS 'lane whose requests they are; account: about the account itself; schema: also what is read of properties and definitions';
COMMENT ON COLUMN hubspot.request_statistics.status IS 'HTTP status; NULL: no answer came';
COMMENT ON COLUMN hubspot.request_statistics.requests IS 'how many requests';
COMMENT ON COLUMN hubspot.request_statistics.records IS 'records that they carried';
COMMENT ON COLUMN hubspot.request_statistics.bytes_sent IS 'size of their bodies';
COMMENT ON COLUMN hubspot.request_statistics.bytes_received IS 'size of the answers';
COMMENT ON COLUMN hubspot.request_statistics.duration_seconds IS 'upper bounds of the histogram, see hubspot.duration_bounds()';
COMMENT ON COLUMN hubspot.request_statistics.duration_seconds_bucket IS 'for each of the bounds: requests that took no longer; so the numbers grow from bound to bound';
COMMENT ON COLUMN hubspot.request_statistics.duration_seconds_sum IS 'sum of the durations';
COMMENT ON COLUMN hubspot.request_statistics.duration_seconds_count IS 'how many requests, as in the column requests';
COMMENT ON COLUMN hubspot.request_statistics.since IS 'from when on they are counted: the first one, or the last reset';
COMMENT ON COLUMN hubspot.request_statistics.last_at IS 'when the last one was counted';

CREATE FUNCTION @extschema@.hubspot_reset_statistics(server name DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	account oid := CASE WHEN server IS NOT NULL THEN hubspot.server_oid(server) END;
BEGIN
	INSERT INTO hubspot.statistic_at_reset AS r (server, call, verdict, rows, retries, since, last_at, lane, category)
		SELECT t.server, t.call, t.verdict, t.rows, t.retries, t.since, clock_timestamp(), t.lane, t.category
		FROM hubspot.statistic t WHERE account IS NULL OR t.server = account
		ORDER BY t.server, t.lane, t.call, t.verdict, t.category
		ON CONFLICT ON CONSTRAINT statistic_at_reset_pkey DO UPDATE SET rows = excluded.rows, retries = excluded.retries, last_at = excluded.last_at;
	INSERT INTO hubspot.request_statistic_at_reset AS r (server, status, requests, records, bytes_sent, bytes_received, seconds, since, last_at, within, lane)
		SELECT t.server, t.status, t.requests, t.records, t.bytes_sent, t.bytes_received, t.seconds, t.since, clock_timestamp(), t.within, t.lane
		FROM hubspot.request_statistic t WHERE account IS NULL OR t.server = account
		ORDER BY t.server, t.lane, t.status
		ON CONFLICT ON CONSTRAINT request_statistic_at_reset_pkey DO UPDATE SET requests = excluded.requests, records = excluded.records,
			bytes_sent = excluded.bytes_sent, bytes_received = excluded.bytes_received, seconds = excluded.seconds,
			within = excluded.within, last_at = excluded.last_at;
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_reset_statistics(name) IS
'lets hubspot.statistics and hubspot.request_statistics count from zero, of one SERVER or of all; holds up no delivery.  For the owner of the extension, and whom he grants EXECUTE';
