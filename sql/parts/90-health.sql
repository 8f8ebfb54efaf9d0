/* 90-health.sql
 *
 * A row per problem, with what to do about it.
 */

CREATE FUNCTION @extschema@.hubspot_health(OUT problem text, OUT remedy text) RETURNS SETOF record
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	/* this database's worker, looked at once, so that its problem and its state are of one moment */
	WITH here AS (
		SELECT w.* FROM hubspot.worker_report() w
		WHERE w.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
	)
	SELECT 'the library hubspot is not preloaded: rows are queued but never sent',
		'add hubspot to shared_preload_libraries and restart the server'
	WHERE NOT hubspot.is_preloaded()
UNION ALL
	SELECT 'no account is defined',
		'CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret ''crm'')'
	WHERE NOT EXISTS (SELECT FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
		WHERE f.fdwname = 'hubspot')
UNION ALL
	SELECT 'delivery is switched off', 'set hubspot.enabled = on and reload the configuration'
	WHERE current_setting('hubspot.enabled', true) = 'off'
UNION ALL
	SELECT 'this server is a standby: it sends nothing until it is promoted', 'look at the primary'
	WHERE pg_is_in_recovery()
UNION ALL
	SELECT format('no worker runs for this database: %s',
			coalesce((SELECT nullif(w.problem, '') FROM here w),
				(SELECT 'held: ' || i.held_reason FROM hubspot.installation i WHERE i.held_at IS NOT NULL),
				'not started yet, or hubspot.databases leaves it out')),
		CASE WHEN EXISTS (SELECT FROM here w WHERE w.failures > 0 AND w.state = 'stopped')
			THEN 'mend what the server log names as the cause; nothing is lost, and it is tried again by itself, after a minute at most'
			ELSE (SELECT x.remedy FROM hubspot.lane_states() x WHERE x.state = 'STOPPED') END
	WHERE NOT pg_is_in_recovery()
		AND hubspot.is_preloaded()
		AND NOT EXISTS (SELECT FROM here w WHERE w.pid <> 0 OR w.state = 'held')
UNION ALL
	SELECT format('refreshes and back-fills wait: %s', w.refresher_problem),
		CASE WHEN w.refresher_problem LIKE 'too many%' THEN 'see below what helps with those that are stuck' ELSE 'raise max_worker_processes and restart the server' END
	FROM here w WHERE w.refresher_problem IS NOT NULL
UNION ALL
	SELECT format('%s "%s" of %s runs since %s, %s other definitions wait', y.kind, y.name, y.owner, date_trunc('second', w.refresher_since), o.waiting),
		'its query is ended at its timeout, or by pg_terminate_backend() of the refresher, unless it looks for no interrupts; hubspot.max_refresh_timeout bounds every timeout'
	FROM hubspot.workers w
	JOIN hubspot.syncs y ON y.name = w.refresher_runs
	CROSS JOIN LATERAL (SELECT count(*) AS waiting FROM hubspot.syncs z
		WHERE z.name <> y.name AND z.state NOT IN ('stuck', 'waiting') AND (z.next_at < clock_timestamp() OR z.state = 'filling' OR (z.state = 'new' AND z.every IS NOT NULL))) o
	WHERE w.refresher_since < clock_timestamp() - interval '5 seconds' AND o.waiting > 0
		AND (w.refresher_until + interval '2 seconds' < clock_timestamp()) IS NOT TRUE
UNION ALL
	SELECT format('%s "%s" of %s goes on although its process %s was told to end at %s: it does not look for interrupts, as xpath() or a foreign table may; for it wait %s%s',
			y.kind, y.name, y.owner, g.pid, date_trunc('second', g.until),
			CASE WHEN g.is_beside THEN format('%s other definitions of that owner', (SELECT count(*) FROM hubspot.syncs z WHERE z.state = 'waiting' AND z.owner = y.owner))
				ELSE 'all refreshes and back-fills of the database, unless another process is started beside it in some seconds' END,
			(SELECT ', and the processes ' || string_agg(a.pid::text, ', ' ORDER BY a.pid) FROM pg_stat_activity a
				WHERE a.wait_event_type = 'Lock' AND g.pid = ANY (pg_blocking_pids(a.pid)))),
		format('it ends when what it calls comes back, which is undone; hubspot_refresh(), hubspot_resync() and hubspot_drop_sync() of it are refused so long.  Else only an immediate restart of the server ends it (pg_ctl restart -m immediate).'
			'  First REVOKE USAGE ON FOREIGN SERVER %I FROM whom its owner %I has it by, that it is not run again; afterwards SELECT hubspot_drop_sync(%L)',
			y.server, y.owner, y.name)
	FROM (SELECT k.name, k.pid, k.until, true AS is_beside FROM hubspot.stuck k WHERE k.state = 'stuck'
		UNION ALL SELECT w.refresher_runs, w.refresher_pid, w.refresher_until, false FROM hubspot.workers w
			WHERE w.refresher_until + interval '2 seconds' < clock_timestamp()) g
	JOIN hubspot.syncs y ON y.name = g.name
UNION ALL
	SELECT format('%s %s is not as it is needed: it does not hold that %s', y.library, y.version, y.problem),
		format('%s; install another version of it (built with: %s), restart the server, and report this', y.otherwise, y.built_with)
	FROM hubspot.libraries() y WHERE y.problem IS NOT NULL
UNION ALL
	SELECT format('the worker is held: %s; %s rows wait', w.problem,
			(SELECT coalesce(sum(s.waiting), 0) FROM hubspot.status s)),
		/* one that waits after crashes has a process, and goes on by itself */
		CASE WHEN w.pid <> 0 THEN 'find out from the server''s log what crashed; nothing is lost'
			ELSE (SELECT x.remedy FROM hubspot.lane_states() x WHERE x.state = 'HELD') END
	FROM here w WHERE w.state = 'held'
UNION ALL
	SELECT format('the worker: %s', w.problem),
		CASE WHEN w.problem LIKE '%no space left on the disk' THEN
				'free space in the data directory, or in the tablespace that the server log names; nothing is lost, it is tried again by itself, and what HubSpot has taken meanwhile may be sent to it once more'
			WHEN w.problem LIKE '%holds a lock%' THEN
				coalesce('end that transaction: ' || (SELECT string_agg(DISTINCT format('SELECT pg_terminate_backend(%s)', l.pid), ', ')
						FROM pg_locks l JOIN pg_class c ON c.oid = l.relation
						WHERE l.granted AND l.pid <> w.pid AND l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')
							AND l.database = w.database AND c.relnamespace = 'hubspot'::regnamespace) || '; ',
					'pg_locks tells which session it is; ') || 'nothing is lost, and it is tried again by itself'
			ELSE 'mend what the server log names; nothing is lost' END
	FROM here w WHERE w.state = 'running' AND w.problem <> ''
UNION ALL
	SELECT format('account %s, lane %s: %s', s.srvname, l.lane, l.reason),
		x.remedy || CASE WHEN l.until IS NOT NULL THEN format('; it is tried again at %s%s', date_trunc('second', l.until),
			CASE WHEN 'reload' = ANY (x.left_by) THEN ', and at once by SELECT pg_reload_conf()' END) ELSE '' END
	FROM hubspot.lane_report() l
	JOIN hubspot.lane_states() x ON x.event = l.event AND x.remedy IS NOT NULL
	JOIN pg_foreign_server s ON s.oid = l.server
UNION ALL
	SELECT format('account %s: %s', s.srvname, l.reason),
		'end that transaction, if need be with pg_terminate_backend(); other erasures and deliveries go on meanwhile'
	FROM hubspot.lane_report() l
	JOIN pg_foreign_server s ON s.oid = l.server
	/* not of one that goes on: then the reason says how far it is */
	WHERE l.event = 'success' AND l.reason LIKE 'erasure of row % waits for %transaction %'
UNION ALL
	SELECT format('account %s: this server does not know the time zone "%s": its day is taken to end at midnight of UTC%s%s',
			s.srvname, a.time_zone, CASE WHEN a.utc_offset_ms < 0 THEN '-' ELSE '+' END,
			to_char(make_interval(secs => abs(a.utc_offset_ms) / 1000), 'HH24:MI')),
		'install the system''s time zone data with that name (on Debian 13 old names are in the package tzdata-legacy); no restart is needed'
	FROM hubspot.account a
	JOIN pg_foreign_server s ON s.oid = a.server
	WHERE a.time_zone <> '' AND NOT hubspot.knows_time_zone(a.time_zone)
UNION ALL
	SELECT format('%s rows were given up within the last day, most recently at %s', count(*), date_trunc('second', max(d.failed_at))),
		'hubspot.failures says why; hubspot_retry(verdict => ''dead'') sends them again, DELETE FROM hubspot.dead takes note of them'
	FROM hubspot.dead d WHERE d.failed_at > now() - interval '1 day'
	HAVING count(*) > 0
UNION ALL
	SELECT format('account %s: HubSpot demands of a new %s what the calls have not: %s; %s records were refused for it, most recently row %s at %s', s.srvname,
			p.object, string_agg(p.name, ', ' ORDER BY p.name), max(p.times), max(p.last_id), date_trunc('second', max(p.last_at))),
		format('bring these properties with the calls; or make them optional in HubSpot, in the settings of that object; or use a version of the API that does not enforce them: ALTER SERVER %I OPTIONS (%s api_version ''2026-09, objects:v3'').'
			'  Then SELECT hubspot_retry(category => ''required_property'')', s.srvname,
			CASE WHEN EXISTS (SELECT FROM pg_options_to_table(s.srvoptions) o WHERE o.option_name = 'api_version') THEN 'SET' ELSE 'ADD' END)
	FROM hubspot.required_property p
	JOIN pg_foreign_server s ON s.oid = p.server
	WHERE p.last_at > clock_timestamp() - interval '1 day'
	GROUP BY s.oid, s.srvname, s.srvoptions, p.object
UNION ALL
	SELECT format('account %s: HubSpot refuses to create events or properties of events that calls have: %s; the last went without at %s', s.srvname,
			count(*), date_trunc('second', max(u.refused_at))),
		format('hubspot.unknown_properties has them, with HubSpot''s words: create them in HubSpot, or by the statement, or leave them out (hubspot_map(.., NULL, ''event'')); SELECT hubspot_refresh_schema(%L) has each tried again', s.srvname)
	FROM hubspot.unknown_property u
	JOIN pg_foreign_server s ON s.oid = u.server
	WHERE u.refused_at > clock_timestamp() - interval '1 day'
	GROUP BY s.oid, s.srvname
UNION ALL
	SELECT format('account %s: HubSpot does not tell its %s%s (%s%s): asked at %s, needed within the last day', s.srvname, x.reads,
			CASE WHEN r.subject <> '' THEN ' of ' || r.subject ELSE '' END, 'HTTP ' || r.http_status, ', ' || r.category, date_trunc('second', r.read_at)),
		x.remedy || format('; SELECT hubspot_refresh_schema(%L) has it read again at once%s', s.srvname, ' (HubSpot names the scopes: ' || r.scopes || ')')
	FROM hubspot.reading r
	JOIN hubspot.readings() x ON x.reading = r.reading
	JOIN pg_foreign_server s ON s.oid = r.server
	WHERE NOT r.known AND r.read_at > clock_timestamp() - interval '1 day'
UNION ALL
	/* of those that rows have gone by within the last day */
	SELECT format('account %s: HubSpot does not tell the %s (asked at %s): their rows go by what it has told before, or as they are', s.srvname,
			CASE x.part WHEN 'event' THEN 'definitions of events' ELSE 'properties of ' || x.lane END, date_trunc('second', x.refreshed_at)),
		format('grant the token a scope that reads them, in HubSpot (%s); SELECT hubspot_refresh_schema(%L) has them read again at once',
			CASE WHEN x.part = 'event' THEN 'behavioral_events.event_definitions.read_write'
				WHEN x.part LIKE '2-%' THEN 'crm.schemas.custom.read or crm.objects.custom.read'
				ELSE concat_ws(' or ', format('crm.schemas.%s.read', x.lane), (SELECT string_agg(replace(c, '.write', '.read'), ' or ')
					FROM hubspot.record_types() t, unnest(t.scopes) c WHERE t.object = x.part)) END, s.srvname)
	FROM (SELECT c.*, hubspot.lane_of_object(c.part) AS lane FROM hubspot.schema c WHERE NOT c.known) x
	JOIN pg_foreign_server s ON s.oid = x.server
	WHERE EXISTS (SELECT FROM hubspot.statistics t WHERE t.server = s.srvname AND t.lane = x.lane AND t.last_at > clock_timestamp() - interval '1 day')
UNION ALL
	SELECT format('hubspot_check() of the worker at %s has found %s of the kind "%s"; the first%s: %s', date_trunc('second', max(c.found_at)), count(*), c.what,
			', row ' || min(c.id), (array_agg(c.detail ORDER BY c.id))[1]),
		(array_agg(c.remedy ORDER BY c.id))[1] || '; SELECT * FROM hubspot_check() tells how it stands now'
	FROM hubspot.finding c GROUP BY c.what
UNION ALL
	SELECT format('%s of account "%s" is paused since %s: %s', CASE p.lane WHEN '' THEN 'all' ELSE format('the lane %s', p.lane) END, s.srvname,
			date_trunc('second', p.paused_at), p.reason),
		format('find out from the server''s log why the process died; then SELECT hubspot_resume(%L%s)', s.srvname, CASE p.lane WHEN '' THEN '' ELSE format(', %L', p.lane) END)
	FROM hubspot.pause p JOIN pg_foreign_server s ON s.oid = p.server WHERE p.paused_by = 'hubspot worker'
UNION ALL
	SELECT format('the cache of the sequence hubspot.outbox_id_seq is %s: rows could be overlooked', q.seqcache),
		'ALTER SEQUENCE hubspot.outbox_id_seq CACHE 1'
	FROM pg_sequence q WHERE q.seqrelid = 'hubspot.outbox_id_seq'::regclass AND q.seqcache <> 1
UNION ALL
	SELECT format('%s "%s": %s', y.kind, y.name, y.problem),
		CASE WHEN y.problem LIKE 'its owner, the role "%", does not exist any more%' OR y.problem LIKE 'role "%", the owner of %, does not exist any more%' THEN
				format('as a superuser: SELECT hubspot_alter_owner(%L, ''ROLE'') with a role that has USAGE on the SERVER and SELECT on what it reads; then SELECT hubspot_resync(%L) tells HubSpot what it has missed', y.name, y.name)
			WHEN y.state = 'held' THEN
				CASE WHEN EXISTS (SELECT FROM hubspot.installation i WHERE i.held_at IS NOT NULL)
					THEN 'see the worker; what is still held when it has been let go: ' ELSE '' END || format('SELECT hubspot_resync(%L)', y.name)
			WHEN y.state = 'failing' THEN format('mend what it names, or declare %L anew; it is tried again at %s, and at once by SELECT %s(%L)',
				y.name, date_trunc('second', y.next_at), CASE WHEN y.every IS NULL THEN 'hubspot_resync' ELSE 'hubspot_refresh' END, y.name)
			ELSE format('undo what has changed, declare it anew, or give it with hubspot_alter_owner() to a role with the rights; then SELECT hubspot_resync(%L) tells HubSpot what it has missed', y.name) END
	FROM hubspot.syncs y WHERE y.problem IS NOT NULL AND y.state NOT IN ('stuck', 'waiting')
UNION ALL
	SELECT format('trigger "%s" of table %s: %s', t.name, t."table", t.problem), t.remedy
	FROM hubspot.triggers t WHERE t.problem IS NOT NULL
UNION ALL
	SELECT a.problem, a.remedy FROM hubspot.sync_alarms() a
$$;
COMMENT ON FUNCTION @extschema@.hubspot_health() IS 'problem and remedy, a row each; empty when all is well';
