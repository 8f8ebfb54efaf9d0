/* 60-views.sql
 *
 * What became of each row.  The first columns of a view are a contract, more
 * may follow.
 *
 * HubSpot's messages quote addresses, and errors of queries the values that
 * they met.  Whoever may not read such texts sees what we say ourselves, in
 * the same column, so that "SELECT *" works for all who may read the view.
 */

CREATE FUNCTION hubspot.may_read_texts() RETURNS boolean
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'hubspot_may_read_texts';
COMMENT ON FUNCTION hubspot.may_read_texts() IS
'whether the current user sees texts that may quote customers'' data, in all views: has he the right to read the column message of hubspot.failures?';

CREATE FUNCTION hubspot.error_shown(error text, code text, owner oid) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE WHEN $1 IS NULL OR hubspot.may_read_texts() OR pg_catalog.pg_has_role($3, 'USAGE') THEN $1
		ELSE pg_catalog.format('an error with SQLSTATE %s, whose text is for the owner of the definition', coalesce($2, 'unknown')) END;
END;
COMMENT ON FUNCTION hubspot.error_shown(text, text, oid) IS 'the error of a definition''s query, as the current user may see it';

CREATE FUNCTION hubspot.waits_for(id bigint, server oid, object text, key_property text, key text, backfill boolean)
RETURNS text
LANGUAGE c STABLE COST 10 AS 'MODULE_PATHNAME', 'hubspot_waits_for';
COMMENT ON FUNCTION hubspot.waits_for(bigint, oid, text, text, text, boolean) IS
'what a row of the outbox that is neither done nor under way waits for, as the worker tells it now; NULL: nothing but its turn, or for less than a second.  Keys of other rows are named to those who may read the column key of hubspot.outbox_status';

CREATE VIEW hubspot.last_checkpoint AS
	SELECT c.id, c.at, c.last_id, c.snapshot
	FROM hubspot.checkpoint c ORDER BY c.id DESC LIMIT 1;
COMMENT ON VIEW hubspot.last_checkpoint IS 'the checkpoint that counts';
COMMENT ON COLUMN hubspot.last_checkpoint.id IS 'number of the checkpoint';
COMMENT ON COLUMN hubspot.last_checkpoint.at IS 'when it was written';
COMMENT ON COLUMN hubspot.last_checkpoint.last_id IS 'last id handed out before the snapshot was taken';
COMMENT ON COLUMN hubspot.last_checkpoint.snapshot IS 'every outbox row visible in this snapshot has a verdict';

CREATE FUNCTION hubspot.covered_to() RETURNS bigint
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'hubspot_covered_to';
COMMENT ON FUNCTION hubspot.covered_to() IS
'rows of the outbox up to this id are done or in hubspot.deferred: where to begin a search for what is not';

CREATE FUNCTION hubspot.is_waiting(id bigint) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'hubspot_is_waiting';
COMMENT ON FUNCTION hubspot.is_waiting(bigint) IS
'whether a row of the outbox has neither a verdict nor a copy in hubspot.deferred';

/*
 * A branch for each child of the ring, so that each is read by its own indexes: an outbox
 * row and its verdict are in children of the same number.  Each branch comes by id, newest
 * first, so that those of a LIMIT are met without a look at the others.
 *
 * What is done goes by the verdicts, also what the checkpoint does not cover yet.  What is
 * not lies above covered_to().  "o.id > 0" is for the index on key, see 15-outbox.sql.
 * is_waiting() is no sub-select: joins would be made of that, so that a plan that was kept from when
 * little waited had a loop in a loop, and its cost would start JIT.
 */
DO $$
DECLARE
	columns CONSTANT text := $columns$o.id, o.parent, s.srvname AS server, o.call::text AS call, o.object::text AS object, o.key,
		%s, o.created_at AS enqueued_at,
		%s, o.source::text AS source,
		o.deadline, o.backfill IS TRUE AS backfill, o.replay_of, CASE o.mode WHEN 'u' THEN 'update' WHEN 'c' THEN 'create' END AS mode,
		%s AS waits_for$columns$;
	flies CONSTANT text := 'o.id IN (SELECT f.id FROM hubspot.flight_report() f)';
	waits_for CONSTANT text := 'hubspot.waits_for(o.id, o.server, o.object::text, o.key_property, o.key, o.backfill)';
	done CONSTANT text := format($done$(SELECT %s
		FROM hubspot.result_N r
		JOIN hubspot.outbox_N o ON o.id = r.id AND o.id > 0
		LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = o.server
		ORDER BY r.id DESC)$done$,
		format(columns, $a$'done'::text AS state, r.verdict::text AS verdict, r.attempt, r.http_status, r.record_id,
			r.created, r.category, r.message, r.warnings, r.request_id$a$,
			'r.finished_at, NULL::timestamptz AS next_try_at, r.merged_into', 'NULL::text'));
	waiting CONSTANT text := format($waiting$(SELECT %s
		FROM hubspot.outbox_N o
		LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = o.server
		WHERE o.id > hubspot.covered_to() AND hubspot.is_waiting(o.id)
		ORDER BY o.id DESC)$waiting$,
		format(columns, format($a$CASE WHEN %s THEN 'in_flight' ELSE 'waiting' END AS state, NULL::text AS verdict,
			NULL::smallint AS attempt, NULL::smallint AS http_status, NULL::text COLLATE "C" AS record_id,
			NULL::boolean AS created, NULL::text COLLATE "C" AS category, NULL::text AS message, NULL::jsonb AS warnings, NULL::bigint AS request_id$a$, flies),
			'NULL::timestamptz AS finished_at, NULL::timestamptz AS next_try_at, NULL::bigint AS merged_into',
			format('CASE WHEN %s THEN NULL ELSE %s END', flies, waits_for)));
	deferred CONSTANT text := format($deferred$(SELECT %s
		FROM hubspot.deferred o
		LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = o.server
		ORDER BY o.id DESC)$deferred$,
		format(columns, format($a$CASE WHEN %s THEN 'in_flight' ELSE 'deferred' END AS state, NULL::text AS verdict,
			o.attempt::smallint AS attempt, o.http_status, NULL::text COLLATE "C" AS record_id,
			NULL::boolean AS created, o.category, o.last_error AS message, NULL::jsonb AS warnings, o.request_id$a$, flies),
			'NULL::timestamptz AS finished_at, o.next_try_at, NULL::bigint AS merged_into',
			format($a$CASE WHEN %s THEN NULL
			WHEN o.key_property = 'userId' AND o.category = 'contact_not_found'
			THEN pg_catalog.format('the contact of userId %%s', o.key)
			WHEN o.next_try_at > pg_catalog.clock_timestamp()
			THEN pg_catalog.format('its next try at %%s', pg_catalog.date_trunc('second', o.next_try_at))
			ELSE %s END$a$, flies, waits_for)));
	backlog CONSTANT text := deferred || (SELECT string_agg(' UNION ALL ' || replace(waiting, '_N', '_' || n), '' ORDER BY n)
		FROM generate_series(0, 7) n);
BEGIN
	EXECUTE 'CREATE VIEW hubspot.backlog AS ' || backlog;
	EXECUTE 'CREATE VIEW hubspot.outbox_status AS ' || backlog ||
		(SELECT string_agg(' UNION ALL ' || replace(done, '_N', '_' || n), '' ORDER BY n) FROM generate_series(0, 7) n);
END
$$;
COMMENT ON VIEW hubspot.outbox_status IS
'a row per queued row: state is waiting, in_flight, deferred or done; verdict is NULL until done; of a deferred row category and message say what went wrong last, next_try_at when it is tried again';
COMMENT ON COLUMN hubspot.outbox_status.id IS 'number of the row, as the function that queued it returned it';
COMMENT ON COLUMN hubspot.outbox_status.parent IS 'row that this one was queued with, when one call makes several';
COMMENT ON COLUMN hubspot.outbox_status.server IS 'name of the SERVER; NULL: it has been dropped';
COMMENT ON COLUMN hubspot.outbox_status.call IS 'function that was called';
COMMENT ON COLUMN hubspot.outbox_status.object IS 'what the row writes in HubSpot';
COMMENT ON COLUMN hubspot.outbox_status.key IS 'normalised identity; rows of one key are sent in order';
COMMENT ON COLUMN hubspot.outbox_status.state IS 'waiting, in_flight (in a request), deferred (is tried again at next_try_at) or done';
COMMENT ON COLUMN hubspot.outbox_status.verdict IS 'how the row ended; NULL until it is done';
COMMENT ON COLUMN hubspot.outbox_status.attempt IS 'answers of HubSpot about this record, of a deferred or dead row its faults; trouble of a lane does not count';
COMMENT ON COLUMN hubspot.outbox_status.http_status IS 'HTTP status of the deciding answer; of a deferred row, of the last one';
COMMENT ON COLUMN hubspot.outbox_status.record_id IS 'HubSpot''s record id';
COMMENT ON COLUMN hubspot.outbox_status.created IS 'whether HubSpot created the record (true) or updated it (false)';
COMMENT ON COLUMN hubspot.outbox_status.category IS 'HubSpot''s category or code, or ours in lower case';
COMMENT ON COLUMN hubspot.outbox_status.message IS 'reason in words';
COMMENT ON COLUMN hubspot.outbox_status.warnings IS 'array of {code, property, detail}: what was dropped or changed though the row went out';
COMMENT ON COLUMN hubspot.outbox_status.request_id IS 'the HTTP request that decided it, see hubspot.requests; of a deferred row, that failed last';
COMMENT ON COLUMN hubspot.outbox_status.enqueued_at IS 'when the row was queued';
COMMENT ON COLUMN hubspot.outbox_status.finished_at IS 'time of the verdict';
COMMENT ON COLUMN hubspot.outbox_status.next_try_at IS 'when a deferred row is tried again';
COMMENT ON COLUMN hubspot.outbox_status.merged_into IS 'of a coalesced row: the row that carried its values and whose verdict it shares';
COMMENT ON COLUMN hubspot.outbox_status.source IS 'function, trigger or sync';
COMMENT ON COLUMN hubspot.outbox_status.deadline IS 'not sent after this time';
COMMENT ON COLUMN hubspot.outbox_status.backfill IS 'whether it is part of a bulk of old data, which makes way for live calls';
COMMENT ON COLUMN hubspot.outbox_status.replay_of IS 'row whose call this one repeats, the first of them when it was repeated before';
COMMENT ON COLUMN hubspot.outbox_status.mode IS 'update: only a record that HubSpot has; create: only one that it has not; NULL: either';
COMMENT ON COLUMN hubspot.outbox_status.waits_for IS
'what keeps a row that is not done from being sent: other rows, a limit, a pause, a time, that it has not been read; NULL: nothing but its turn, or for less than a second';

COMMENT ON VIEW hubspot.backlog IS 'what is not done yet, as in hubspot.outbox_status';
DO $$
DECLARE
	name name;
	description text;
BEGIN
	-- its columns are described where they come from
	FOR name, description IN
		SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a
		WHERE a.attrelid = 'hubspot.outbox_status'::regclass AND a.attnum > 0
	LOOP
		EXECUTE format('COMMENT ON COLUMN hubspot.backlog.%I IS %L', name, description);
	END LOOP;
END
$$;

CREATE FUNCTION hubspot.has_failed(id bigint) RETURNS boolean
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'hubspot_has_failed';
COMMENT ON FUNCTION hubspot.has_failed(bigint) IS 'whether a row of the outbox ended with a verdict that is a failure, see hubspot.verdicts()';

CREATE FUNCTION hubspot.correlation_of(request bigint) RETURNS text
LANGUAGE c STABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'hubspot_correlation_of';
COMMENT ON FUNCTION hubspot.correlation_of(bigint) IS 'HubSpot''s correlation id of a request';

/*
 * By time, where outbox_status goes by id.  The outbox is asked only for what is wanted of
 * it: counts by verdict never read it.
 */
DO $$
DECLARE
	branch CONSTANT text := $branch$(SELECT r.id, s.srvname AS server, o.call::text AS call, o.object::text AS object, o.key,
			r.verdict::text AS verdict, r.category, r.message, r.http_status, %s
		FROM hubspot.result_N r
		LEFT JOIN hubspot.outbox_N o ON o.id = r.id AND o.id > 0
		LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = o.server
		%s)$branch$;
	results CONSTANT text := format(branch, $a$r.finished_at, r.record_id, r.created, r.attempt, r.warnings, r.request_id, r.merged_into,
			o.created_at AS enqueued_at$a$, '');
	failures CONSTANT text := format(branch, $a$hubspot.correlation_of(r.request_id) COLLATE "C" AS correlation_id,
			r.finished_at, o.message AS call_message, o.created_at AS enqueued_at, r.request_id, r.merged_into$a$,
		$a$WHERE r.verdict = ANY (hubspot.verdicts_with('failed'))
			OR r.merged_into IS NOT NULL AND (r.category IS NOT NULL OR r.message IS NOT NULL)
				AND hubspot.has_failed(r.merged_into)
		ORDER BY r.finished_at DESC$a$);
BEGIN
	EXECUTE 'CREATE VIEW hubspot.results AS ' ||
		(SELECT string_agg(replace(results, '_N', '_' || n), ' UNION ALL ' ORDER BY n) FROM generate_series(0, 7) n);
	EXECUTE format('CREATE VIEW hubspot.failures AS SELECT f.* FROM (%s) f ORDER BY f.finished_at DESC',
		(SELECT string_agg(replace(failures, '_N', '_' || n), ' UNION ALL ' ORDER BY n) FROM generate_series(0, 7) n));
END
$$;
COMMENT ON VIEW hubspot.results IS
'a row per verdict, for questions by time: fast for a span of finished_at, however much is kept, and for counts of it; hubspot.outbox_status also has what is not done';
COMMENT ON COLUMN hubspot.results.id IS 'number of the outbox row';
COMMENT ON COLUMN hubspot.results.server IS 'name of the SERVER; NULL: it has been dropped';
COMMENT ON COLUMN hubspot.results.call IS 'function that was called';
COMMENT ON COLUMN hubspot.results.object IS 'what the row writes in HubSpot';
COMMENT ON COLUMN hubspot.results.key IS 'normalised identity of the record';
COMMENT ON COLUMN hubspot.results.verdict IS 'how the row ended, see hubspot.verdict';
COMMENT ON COLUMN hubspot.results.category IS 'HubSpot''s category or code, or ours in lower case';
COMMENT ON COLUMN hubspot.results.message IS 'reason in words';
COMMENT ON COLUMN hubspot.results.http_status IS 'HTTP status of the deciding answer; NULL: there was none';
COMMENT ON COLUMN hubspot.results.finished_at IS 'time of the verdict';
COMMENT ON COLUMN hubspot.results.record_id IS 'HubSpot''s record id';
COMMENT ON COLUMN hubspot.results.created IS 'whether HubSpot created the record (true) or updated it (false)';
COMMENT ON COLUMN hubspot.results.attempt IS 'how often the row was sent';
COMMENT ON COLUMN hubspot.results.warnings IS 'array of {code, property, detail}: what was dropped or changed though the row went out';
COMMENT ON COLUMN hubspot.results.request_id IS 'the HTTP request that decided it, see hubspot.requests';
COMMENT ON COLUMN hubspot.results.merged_into IS 'of a coalesced row: the row that carried its values and whose verdict it shares';
COMMENT ON COLUMN hubspot.results.enqueued_at IS 'when the row was queued';

COMMENT ON VIEW hubspot.failures IS
'rows that HubSpot will not have, those included that were merged into one, with the call and the reason, newest first; grouping all costs some microseconds a failure: give a span of finished_at where there are very many';
COMMENT ON COLUMN hubspot.failures.id IS 'number of the outbox row';
COMMENT ON COLUMN hubspot.failures.server IS 'name of the SERVER; NULL: it has been dropped';
COMMENT ON COLUMN hubspot.failures.call IS 'function that was called';
COMMENT ON COLUMN hubspot.failures.object IS 'what the row would have written';
COMMENT ON COLUMN hubspot.failures.key IS 'normalised identity of the record';
COMMENT ON COLUMN hubspot.failures.verdict IS 'how the row ended, see hubspot.verdict; coalesced: as the row in merged_into';
COMMENT ON COLUMN hubspot.failures.category IS 'HubSpot''s category or code, or ours in lower case';
COMMENT ON COLUMN hubspot.failures.message IS 'reason in words';
COMMENT ON COLUMN hubspot.failures.http_status IS 'HTTP status of the deciding answer; NULL: there was none';
COMMENT ON COLUMN hubspot.failures.correlation_id IS 'HubSpot''s correlation id: name it to HubSpot''s support';
COMMENT ON COLUMN hubspot.failures.finished_at IS 'time of the verdict';
COMMENT ON COLUMN hubspot.failures.call_message IS 'the call as it was given';
COMMENT ON COLUMN hubspot.failures.enqueued_at IS 'when the row was queued';
COMMENT ON COLUMN hubspot.failures.request_id IS 'the HTTP request that decided it, see hubspot.requests';
COMMENT ON COLUMN hubspot.failures.merged_into IS 'of a coalesced row: the row that carried its values, and failed';

/*
 * A contact that is known by userId and by address is one; a userId that nobody has told belongs nowhere yet.  Two
 * branches, so that pairs of addresses, the most of them as a rule, need no look at the record map.
 */
CREATE VIEW hubspot.company_contacts AS
	SELECT c.server, c.company, c.contact, c.contact_property, c.since, c.called_at, c.outbox_id
	FROM (SELECT DISTINCT ON (p.server, p.contact, p.contact_property, p.company) p.*
		FROM (SELECT p.server::name AS server, p.company, p.contact, p.contact_property, p.since, p.until, p.called_at, p.outbox_id
			FROM hubspot.company_contact p WHERE p.contact_property IS DISTINCT FROM 'userId'
			UNION ALL
			SELECT p.server::name, p.company, r.record_id, NULL, p.since, p.until, p.called_at, p.outbox_id
			FROM hubspot.company_contact p
			CROSS JOIN LATERAL (SELECT t.record_id FROM hubspot.record t
				JOIN pg_catalog.pg_foreign_server s ON s.oid = t.server
				WHERE t.key_hash = pg_catalog.hashtextextended(p.contact, 0) AND t.key = p.contact AND s.srvname = p.server
					AND t.object = 'contact' AND t.key_property = 'userId'
				ORDER BY t.told_by DESC LIMIT 1) r
			WHERE p.contact_property = 'userId') p
		ORDER BY p.server, p.contact, p.contact_property, p.company, p.outbox_id DESC, p.called_at DESC) c
	WHERE c.until IS NULL;
COMMENT ON VIEW hubspot.company_contacts IS
'which contacts are in which company, as the calls say, each pair once: hubspot_group(), the company of a contact, a sync of associations put one there, hubspot_ungroup() or such a sync takes it out.  server: name of the SERVER; company: groupId or domain; contact: address, or the value of contact_property, which is NULL for an address.  Of a userId it is the address that was told last; one that nobody has told is not there, because its association waits';
COMMENT ON COLUMN hubspot.company_contacts.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.company_contacts.company IS 'key of the company: groupId or domain';
COMMENT ON COLUMN hubspot.company_contacts.contact IS 'address of the contact, or its value of contact_property';
COMMENT ON COLUMN hubspot.company_contacts.contact_property IS 'HubSpot property that contact is a value of; NULL: an address';
COMMENT ON COLUMN hubspot.company_contacts.since IS 'since when it has been in the company, by this key';
COMMENT ON COLUMN hubspot.company_contacts.called_at IS 'when a call said so last';
COMMENT ON COLUMN hubspot.company_contacts.outbox_id IS 'outbox row of that call; the contact''s primary company is the one that was called for last (not with primary_company ''off''); 0: restored from a dump';

CREATE VIEW hubspot.unknown_properties AS
	WITH unknown AS (
		SELECT u.*, s.srvname, e.full_name,
			CASE WHEN k.oid IS NULL THEN u.type WHEN k.typtype = 'e' THEN CASE u.object WHEN 'event' THEN 'string' ELSE 'enumeration' END
				WHEN k.typname IN ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8') THEN 'number'
				WHEN k.typname IN ('bool', 'date') THEN k.typname WHEN k.typname IN ('timestamp', 'timestamptz') THEN 'datetime' ELSE 'string' END AS property_type,
			(SELECT ', options => ' || pg_catalog.quote_literal(pg_catalog.array_agg(l.enumlabel::text ORDER BY l.enumsortorder))
				FROM pg_catalog.pg_enum l WHERE l.enumtypid = k.oid HAVING pg_catalog.count(*) > 0) AS options
		FROM hubspot.unknown_property u
		JOIN pg_catalog.pg_foreign_server s ON s.oid = u.server
		LEFT JOIN LATERAL (SELECT d.full_name, d.properties FROM hubspot.event_definition d
			WHERE u.object = 'event' AND d.server = u.server AND (d.name = u.parent OR pg_catalog.lower(d.label) = pg_catalog.lower(u.label)) LIMIT 1) e ON true
		/* The column that a sync has brought it from knows better than the last value what it is. */
		LEFT JOIN LATERAL (SELECT t.oid, t.typname, t.typtype
			FROM hubspot.sync d, pg_catalog.jsonb_to_recordset(d.columns) AS c(property text, type text), pg_catalog.pg_type t
			WHERE d.server = s.srvname AND d.object = u.object AND t.oid = pg_catalog.to_regtype(c.type)
				AND u.name IN (c.property, pg_catalog.regexp_replace(pg_catalog.lower(c.property), '[^a-z0-9_]', '_', 'g'))
				AND (u.object <> 'event' OR u.parent IN (d.event, pg_catalog.regexp_replace(pg_catalog.lower(d.event), '[^a-z0-9]+', '_', 'g')))
			ORDER BY d.defined_at DESC LIMIT 1) k ON true
		WHERE NOT EXISTS (SELECT FROM hubspot.property p
				WHERE p.server = u.server AND p.object::text = u.object AND p.name = u.name)
			AND NOT EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(e.properties) p WHERE p->>'name' = u.name)
			/* an event is missing as a whole, or one of its properties is */
			AND (u.object <> 'event' OR (e.full_name IS NULL) = (u.name = ''))
	)
	SELECT u.srvname AS server, u.object, CASE WHEN u.object = 'event' AND u.name <> '' THEN u.parent END AS event,
		CASE WHEN u.name = '' THEN u.parent ELSE u.name END AS name, u.times, u.last_id,
		CASE WHEN u.object = 'list' THEN pg_catalog.format('SELECT %I.hubspot_create_list(%L, %L, server => %L)', f.functions, u.name, u.parent, u.srvname)
			WHEN u.object <> 'event' THEN pg_catalog.format('SELECT %I.hubspot_create_property(%L, %L, %L%s, server => %L)', f.functions, u.object, u.name,
				u.property_type, u.options, u.srvname)
			WHEN u.name <> '' THEN pg_catalog.format('SELECT %I.hubspot_create_event_property(%L, %L, %L, server => %L)', f.functions, u.parent, u.name,
				u.property_type, u.srvname)
			ELSE pg_catalog.format('SELECT %I.hubspot_create_event(%L, %L, %L, server => %L)', f.functions, u.parent,
				(SELECT coalesce(pg_catalog.jsonb_object_agg(p.name, p.type), '{}') FROM (SELECT p.name, p.type FROM hubspot.unknown_property p
					WHERE p.server = u.server AND p.object = 'event' AND p.parent = u.parent AND p.name <> '' ORDER BY p.times DESC LIMIT 50) p),
				u.label, u.srvname) END AS statement,
		u.last_at, CASE WHEN u.refusal IS NOT NULL AND NOT hubspot.may_read_texts() THEN 'HubSpot has refused to create it' ELSE u.refusal END AS refusal
	FROM unknown u, (SELECT hubspot.functions_schema() AS functions) f
	ORDER BY u.times DESC;
COMMENT ON VIEW hubspot.unknown_properties IS
'what was dropped because HubSpot has no such property, and events and lists whose calls were rejected because HubSpot has none of the name, with the statement that creates it';
COMMENT ON COLUMN hubspot.unknown_properties.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.unknown_properties.object IS 'contact, company, event or list';
COMMENT ON COLUMN hubspot.unknown_properties.event IS 'internal name of the event that lacks the property; NULL: it is of no event, or is one';
COMMENT ON COLUMN hubspot.unknown_properties.name IS 'property or event as it would be created; list';
COMMENT ON COLUMN hubspot.unknown_properties.times IS 'how often it was dropped, or rejected';
COMMENT ON COLUMN hubspot.unknown_properties.last_id IS 'outbox row that had it last';
COMMENT ON COLUMN hubspot.unknown_properties.statement IS 'statement that creates it in HubSpot';
COMMENT ON COLUMN hubspot.unknown_properties.last_at IS 'when it was dropped last';
COMMENT ON COLUMN hubspot.unknown_properties.refusal IS 'why HubSpot refused to create it by itself (create_events), in its words for who may read texts, see hubspot.may_read_texts(); NULL: it did not';

CREATE FUNCTION @extschema@.hubspot_create_missing(server name DEFAULT NULL, dry_run boolean DEFAULT false,
	OUT object text, OUT name text, OUT statement text, OUT id bigint, OUT problem text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	account CONSTANT pg_catalog.name := (SELECT s.srvname FROM pg_foreign_server s WHERE s.oid = hubspot.server_oid($1));
BEGIN
	FOR object, name, statement IN SELECT u.object, u.name, u.statement FROM hubspot.unknown_properties u
		WHERE u.server = account ORDER BY u.object, u.name
	LOOP
		id := NULL;
		problem := NULL;
		IF NOT dry_run THEN
			BEGIN
				EXECUTE statement INTO id;
			EXCEPTION WHEN invalid_name OR invalid_parameter_value THEN
				problem := SQLERRM;
			END;
		END IF;
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_create_missing(name, boolean) IS
'queues the creation of all that hubspot.unknown_properties has of an account, with the types of the columns where a sync brought them, else of the values; returns each statement, with the outbox id, or with the problem when HubSpot can have none of that name.  dry_run: the statements alone.  Needs USAGE on the SERVER and SELECT on the view';

CREATE VIEW hubspot.requests AS
	SELECT q.id, s.srvname AS server, q.lane, q.started_at, q.method, q.path, q.records, q.status, q.duration_ms,
		q.bytes_sent, q.bytes_received, q.correlation_id, q.retry_after,
		CASE WHEN q.error IS NULL OR q.status IS NULL OR hubspot.may_read_texts() THEN q.error
			ELSE pg_catalog.format('HubSpot answered with status %s', q.status) END AS error,
		q.category
	FROM hubspot.request q
	LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = q.server
	ORDER BY q.id DESC;
COMMENT ON VIEW hubspot.requests IS 'HTTP requests, newest first';
COMMENT ON COLUMN hubspot.requests.id IS 'number of the request';
COMMENT ON COLUMN hubspot.requests.server IS 'name of the SERVER; NULL: it has been dropped';
COMMENT ON COLUMN hubspot.requests.lane IS 'lane that sent it';
COMMENT ON COLUMN hubspot.requests.started_at IS 'when it was sent';
COMMENT ON COLUMN hubspot.requests.method IS 'HTTP method';
COMMENT ON COLUMN hubspot.requests.path IS 'path without host';
COMMENT ON COLUMN hubspot.requests.records IS 'records in the request';
COMMENT ON COLUMN hubspot.requests.status IS 'HTTP status; NULL when no answer came';
COMMENT ON COLUMN hubspot.requests.duration_ms IS 'milliseconds until the answer was complete';
COMMENT ON COLUMN hubspot.requests.bytes_sent IS 'bytes of the request body';
COMMENT ON COLUMN hubspot.requests.bytes_received IS 'bytes of the answer''s body';
COMMENT ON COLUMN hubspot.requests.correlation_id IS 'HubSpot''s correlation id: name it to HubSpot''s support';
COMMENT ON COLUMN hubspot.requests.retry_after IS 'seconds HubSpot asked to wait';
COMMENT ON COLUMN hubspot.requests.error IS 'what went wrong with the request as a whole; HubSpot''s words are shown to who may read texts, see hubspot.may_read_texts()';
COMMENT ON COLUMN hubspot.requests.category IS 'HubSpot''s category or code';
