/* 75-repeats.sql
 *
 * Calls that the operator queues again or takes back.
 */

CREATE TABLE hubspot.retry (
	id bigint PRIMARY KEY,
	retried_as bigint NOT NULL
);
COMMENT ON TABLE hubspot.retry IS 'rows that hubspot_retry() has queued again, so that none is queued twice; not dumped';
COMMENT ON COLUMN hubspot.retry.id IS 'row that had ended';
COMMENT ON COLUMN hubspot.retry.retried_as IS 'row that repeats it';

CREATE TABLE hubspot.repeat (
	replay_of bigint NOT NULL,
	id bigint NOT NULL,
	is_new boolean NOT NULL
);
COMMENT ON TABLE hubspot.repeat IS 'outbox rows that repeat others, to be found by those; not dumped';
COMMENT ON COLUMN hubspot.repeat.replay_of IS 'first row of the call that is repeated';
COMMENT ON COLUMN hubspot.repeat.id IS 'row that repeats it';
COMMENT ON COLUMN hubspot.repeat.is_new IS 'it is an event of its own to HubSpot: hubspot_replay(as_new => true); its replay_of in the outbox is NULL';
CREATE INDEX repeat_replay_of ON hubspot.repeat (replay_of);

/*
 * Few results are failures: they are found by index, and what belongs to each is looked up.  The planner, for which
 * the rings are not analyzed, would take them for many: OFFSET 0 keeps it from another order.
 */
CREATE FUNCTION hubspot.failed_sync_report(
	OUT id bigint, OUT object text, OUT verdict hubspot.verdict, OUT category text, OUT message text)
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
	WITH failed AS MATERIALIZED (
		SELECT r.id, r.verdict, r.category, r.message, r.merged FROM hubspot.result r
		WHERE r.verdict = ANY (hubspot.verdicts_with('missing'))
	), rows AS (
		SELECT f.id, f.verdict, f.category, f.message FROM failed f
		UNION ALL
		SELECT m.id, f.verdict, f.category, f.message
		FROM failed f, LATERAL (SELECT x.id FROM hubspot.result x WHERE x.merged_into = f.id OFFSET 0) m
		WHERE f.merged > 0
	)
	SELECT coalesce(o.parent, o.id), o.object, f.verdict, f.category, f.message
	FROM rows f, LATERAL (SELECT x.id, x.parent, x.object, x.source, x.replay_of FROM hubspot.outbox x WHERE x.id = f.id OFFSET 0) o
	WHERE o.source = 'sync' AND NOT EXISTS (SELECT FROM hubspot.repeat p,
			LATERAL (SELECT x.verdict, x.merged_into FROM hubspot.result x WHERE x.id = p.id OFFSET 0) r
			LEFT JOIN LATERAL (SELECT x.verdict FROM hubspot.result x WHERE x.id = r.merged_into OFFSET 0) c ON true
		WHERE p.replay_of = coalesce(o.replay_of, o.id) AND p.id > o.id
			AND coalesce(c.verdict, r.verdict) = ANY (hubspot.verdicts_with('arrived')) OFFSET 0)
$$;
COMMENT ON FUNCTION hubspot.failed_sync_report() IS 'what the view hubspot.failed_sync_rows shows';

CREATE VIEW hubspot.failed_sync_rows AS
	SELECT f.id, f.object, f.verdict, f.category, f.message FROM hubspot.failed_sync_report() f;
COMMENT ON VIEW hubspot.failed_sync_rows IS
'rows that a sync, audience or trait has queued and HubSpot does not have: rejected, expired, cancelled, dead, or merged into such a row, and not repeated with success since; within hubspot.retention.  id: the first row of the change, which hubspot.member.outbox_id names';
COMMENT ON COLUMN hubspot.failed_sync_rows.id IS 'first outbox row of the change, which hubspot.member.outbox_id names';
COMMENT ON COLUMN hubspot.failed_sync_rows.object IS 'what the row would have written';
COMMENT ON COLUMN hubspot.failed_sync_rows.verdict IS 'how the row ended, or the one that it was merged into';
COMMENT ON COLUMN hubspot.failed_sync_rows.category IS 'HubSpot''s category or code, or ours in lower case';
COMMENT ON COLUMN hubspot.failed_sync_rows.message IS 'reason in words';

CREATE VIEW hubspot.repeatable AS
	SELECT o.*, t.retried_as,
		s.oid IS NOT NULL AND o.problem IS NULL AND o.message IS NOT NULL AND (o.key <> '' OR o.call <> 'delete') AS sendable,
		coalesce('events=legacy' = ANY (s.srvoptions), false) AS legacy
	FROM (SELECT x.* FROM hubspot.outbox x
		UNION ALL
		SELECT d.id, d.xid, d.created_at, d.server, d.call, d.source, d.report, d.parent, d.deadline, d.backfill, d.mode,
			d.replay_of, d.called_at, d.object, d.key_property, d.key, d.problem, d.message
		FROM hubspot.dead d WHERE NOT EXISTS (SELECT FROM hubspot.outbox x WHERE x.id = d.id)) o
	LEFT JOIN (pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw AND f.fdwname = 'hubspot') ON s.oid = o.server
	LEFT JOIN hubspot.retry t ON t.id = o.id;
COMMENT ON VIEW hubspot.repeatable IS
'the outbox and hubspot.dead, with what a repeat depends on: sendable is false for bad messages, erased rows and dropped SERVERs, retried_as the row that repeats this one, legacy whether the SERVER sends legacy events, whose repeat counts twice';
COMMENT ON COLUMN hubspot.repeatable.retried_as IS 'row that repeats this one by hubspot_retry(); NULL: none';
COMMENT ON COLUMN hubspot.repeatable.sendable IS 'whether a repeat could be sent: false for bad messages, erased rows and dropped SERVERs';
COMMENT ON COLUMN hubspot.repeatable.legacy IS 'whether the SERVER sends legacy events, whose repeat counts twice';
DO $$
DECLARE
	name name;
	description text;
BEGIN
	-- its columns are described where they come from
	FOR name, description IN
		SELECT a.attname, col_description(a.attrelid, a.attnum) FROM pg_attribute a
		WHERE a.attrelid = 'hubspot.outbox'::regclass AND a.attnum > 0
	LOOP
		EXECUTE format('COMMENT ON COLUMN hubspot.repeatable.%I IS %L', name, description);
	END LOOP;
END
$$;

/*
 * A deadline that has passed would end the new row at once: it is left out.
 * What makes an event the same one to HubSpot is its first row, or its messageId: as_new leaves both out.
 * Planned anew each time, because there may be one row or a million.
 */
CREATE FUNCTION hubspot.queue_again(old_ids bigint[], new_ids bigint[], as_backfill boolean, as_new boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE '
		WITH pairs AS MATERIALIZED (
			SELECT p.old_id, p.new_id FROM unnest($1, $2) AS p(old_id, new_id)
		), written AS (
		INSERT INTO hubspot.outbox (id, server, call, object, source, report, parent, deadline, backfill, mode, replay_of,
			called_at, key_property, key, message)
		SELECT c.new_id, o.server, o.call, o.object, o.source, o.report, coalesce(p.new_id, o.parent),
			CASE WHEN o.deadline > clock_timestamp() THEN o.deadline END,
			CASE WHEN $3 THEN true ELSE o.backfill END, o.mode,
			CASE WHEN $4 AND o.object = ''event'' THEN NULL ELSE coalesce(o.replay_of, o.id) END,
			coalesce(o.called_at, o.created_at), o.key_property, o.key,
			CASE WHEN $4 AND o.object = ''event'' THEN o.message - ARRAY[''messageId'', ''message_id''] ELSE o.message END
		FROM pairs c
		JOIN hubspot.repeatable o ON o.id = c.old_id
		LEFT JOIN pairs p ON p.old_id = o.parent
		ORDER BY c.new_id
		RETURNING replay_of, id
		) INSERT INTO hubspot.repeat (replay_of, id, is_new)
			SELECT coalesce(w.replay_of, o.replay_of, o.id), w.id, w.replay_of IS NULL
			FROM written w JOIN pairs c ON c.new_id = w.id JOIN hubspot.repeatable o ON o.id = c.old_id'
		USING old_ids, new_ids, as_backfill, as_new;
END
$$;
COMMENT ON FUNCTION hubspot.queue_again(bigint[], bigint[], boolean, boolean) IS
'repeats the calls of the first array under the ids of the second, which were drawn in this order, as a back-fill or not, events as new ones or not; for hubspot_retry() and hubspot_replay()';

CREATE FUNCTION hubspot.retry_rows(carriers bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	merged bigint[];
	old_ids bigint[];
	new_ids bigint[];
BEGIN
	DELETE FROM hubspot.retry t WHERE t.id < (SELECT min(o.id) FROM hubspot.outbox o);
	SELECT array_agg(r.id) INTO merged FROM hubspot.result r
	WHERE r.merged_into = ANY (carriers) AND r.merged_into IS NOT NULL;

	WITH chosen AS MATERIALIZED (
		SELECT o.id FROM hubspot.repeatable o WHERE o.id = ANY (carriers || merged) AND o.sendable ORDER BY o.id
	), claimed AS (
		INSERT INTO hubspot.retry (id, retried_as)
		SELECT c.id, hubspot.next_outbox_id() FROM chosen c
		ON CONFLICT DO NOTHING
		RETURNING retry.id, retry.retried_as
	)
	SELECT array_agg(c.id ORDER BY c.id), array_agg(c.retried_as ORDER BY c.id) INTO old_ids, new_ids FROM claimed c;
	PERFORM hubspot.queue_again(old_ids, new_ids, false, false);
	DELETE FROM hubspot.dead d WHERE d.id = ANY (old_ids);
	RETURN QUERY SELECT unnest(new_ids);
END
$$;
COMMENT ON FUNCTION hubspot.retry_rows(bigint[]) IS
'queues rows again that have ended, each behind those that were merged into it; returns the ids of the new rows, none for what somebody else retries at this moment';

CREATE FUNCTION @extschema@.hubspot_retry(id bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	target hubspot.repeatable;
	carrier bigint;
	verdict hubspot.verdict;
	fate text;
BEGIN
	carrier := hubspot_retry.id;
	LOOP
		SELECT o.* INTO target FROM hubspot.repeatable o WHERE o.id = carrier;
		EXIT WHEN target.retried_as IS NULL;
		carrier := target.retried_as;
	END LOOP;
	IF target.id IS NULL THEN
		RAISE EXCEPTION 'outbox row % does not exist', carrier
			USING ERRCODE = 'no_data_found', HINT = 'Rows are kept for hubspot.retention after their verdict.';
	END IF;

	IF EXISTS (SELECT FROM hubspot.deferred d WHERE d.id = target.id) THEN
		INSERT INTO hubspot.command (cancels, last_id, ids) VALUES (false, target.id, ARRAY[target.id]);
		PERFORM hubspot.wake();
		RETURN target.id;
	END IF;
	SELECT coalesce(c.verdict, r.verdict), coalesce(c.id, r.id) INTO verdict, carrier
	FROM hubspot.result r LEFT JOIN hubspot.result c ON c.id = r.merged_into
	WHERE r.id = target.id;
	IF verdict IS NULL AND EXISTS (SELECT FROM hubspot.dead d WHERE d.id = target.id) THEN
		verdict := 'dead';
		carrier := target.id;
	END IF;
	/* hubspot_check() names such rows: the worker does not know of them any more */
	IF verdict IS NULL AND target.id = hubspot_retry.id AND target.sendable
		AND pg_visible_in_snapshot(target.xid, (SELECT c.snapshot FROM hubspot.last_checkpoint c)) THEN
		PERFORM hubspot.retry_rows(ARRAY[target.id]);
		INSERT INTO hubspot.result (id, finished_at, verdict, attempt, category, message)
			SELECT t.id, clock_timestamp(), 'unknown', 0, 'lost',
				format('the row was found without a verdict, and was queued again as row %s', t.retried_as)
			FROM hubspot.retry t WHERE t.id = target.id;
		RETURN (SELECT t.retried_as FROM hubspot.retry t WHERE t.id = target.id);
	END IF;
	fate := CASE WHEN verdict IS NULL THEN 'is waiting'
		WHEN verdict = ANY (hubspot.verdicts_with('arrived')) THEN 'was sent: ' || verdict END;
	IF fate IS NOT NULL AND target.id <> hubspot_retry.id THEN
		RAISE NOTICE 'outbox row % was retried already, as row %, which %', hubspot_retry.id, target.id, fate;
		RETURN target.id;
	ELSIF verdict IS NULL THEN
		RAISE EXCEPTION 'outbox row % is waiting', target.id USING ERRCODE = 'object_not_in_prerequisite_state';
	ELSIF fate IS NOT NULL THEN
		RAISE EXCEPTION 'outbox row % %', target.id, fate
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'hubspot_replay() sends again what was sent.';
	ELSIF target.problem IS NOT NULL THEN
		RAISE EXCEPTION 'outbox row % cannot be sent', target.id
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Its message is bad: ' || target.problem,
				HINT = 'Make a new call with a good message.';
	ELSIF NOT target.sendable THEN
		RAISE EXCEPTION 'outbox row % cannot be sent', target.id
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = CASE WHEN target.message IS NULL OR target.key = '' THEN 'Its message has been erased.'
					ELSE 'Its SERVER has been dropped.' END;
	END IF;
	PERFORM hubspot.retry_rows(ARRAY[carrier]);
	RETURN (SELECT t.retried_as FROM hubspot.retry t WHERE t.id = target.id);
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_retry(bigint) IS
'queues the call of a row again that was not sent (rejected, dead, expired, cancelled) or may not have been (unknown), together with the rows that were merged into it; returns the id of the new row, whose replay_of is this one.  It goes behind what waits for the same key, is mapped anew, and has no deadline that has passed.  A deferred row is tried at once, and its own id returned.  What was retried already is not queued twice: a NOTICE, and the id of that retry.  Errors: the row waits or was sent, has a bad message, was erased, its SERVER is gone';

/*
 * The rings are not analyzed, so that the planner takes them for small: of these two, which
 * read all of them, a nested loop must not come out.
 */
CREATE FUNCTION @extschema@.hubspot_retry(server name DEFAULT NULL, call text DEFAULT NULL, verdict text DEFAULT NULL,
	category text DEFAULT NULL, key text DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
AS $$
#variable_conflict use_column
DECLARE
	verdicts hubspot.verdict[] := hubspot.verdicts_with('retry');
	retryable CONSTANT hubspot.verdict[] := hubspot.verdicts_with('retryable');
	account oid := CASE WHEN hubspot_retry.server IS NOT NULL THEN hubspot.server_oid(hubspot_retry.server) END;
	chosen bigint[];
	retried bigint;
	unsendable bigint;
BEGIN
	PERFORM hubspot.check_word('call', hubspot_retry.call), hubspot.check_word('verdict', hubspot_retry.verdict),
		hubspot.check_order(hubspot_retry.since, hubspot_retry.until);
	IF hubspot_retry.verdict::hubspot.verdict = ANY (retryable) THEN
		verdicts := ARRAY[hubspot_retry.verdict::hubspot.verdict];
	ELSIF hubspot_retry.verdict IS NOT NULL THEN
		RAISE EXCEPTION 'rows with the verdict "%" are not retried', hubspot_retry.verdict
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('Verdicts of rows that were not sent, or perhaps not, are: %s.', array_to_string(retryable, ', ')),
				HINT = 'hubspot_replay() sends again what was sent.';
	END IF;
	SELECT array_agg(o.id) FILTER (WHERE o.sendable AND o.retried_as IS NULL AND n.last IS NULL),
		count(*) FILTER (WHERE o.retried_as IS NOT NULL OR n.last IS NOT NULL), count(*) FILTER (WHERE NOT o.sendable)
	INTO chosen, retried, unsendable
	FROM hubspot.result r
	JOIN hubspot.repeatable o ON o.id = r.id
	/* of a call that was repeated, the last time counts */
	LEFT JOIN (SELECT x.replay_of, max(x.id) AS last FROM hubspot.repeat x GROUP BY x.replay_of) n
		ON n.replay_of = coalesce(o.replay_of, o.id) AND n.last > o.id
	WHERE r.verdict = ANY (verdicts)
		/* as the index has it */
		AND r.verdict = ANY (hubspot.verdicts_with('retryable'))
		AND (account IS NULL OR o.server = account)
		AND (hubspot_retry.call IS NULL OR o.call = hubspot_retry.call::hubspot.call)
		AND (hubspot_retry.category IS NULL OR r.category = hubspot_retry.category)
		AND (hubspot_retry.key IS NULL OR o.key IN (hubspot_retry.key, lower(btrim(hubspot_retry.key))))
		AND (hubspot_retry.since IS NULL OR r.finished_at >= hubspot_retry.since)
		AND (hubspot_retry.until IS NULL OR r.finished_at < hubspot_retry.until);
	IF retried > 0 THEN
		RAISE NOTICE '% of the rows were retried or replayed before, and are left out', retried;
	END IF;
	IF unsendable > 0 THEN
		RAISE NOTICE '% of the rows cannot be sent, and are left out: bad messages, erased ones, those of dropped SERVERs', unsendable;
	END IF;
	RETURN QUERY SELECT hubspot.retry_rows(chosen) WHERE chosen IS NOT NULL;
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_retry(name, text, text, text, text, timestamptz, timestamptz) IS
'hubspot_retry(id) for all rows that ended as rejected, dead, expired or cancelled and fit: SERVER, call, verdict (also unknown, which is not retried unless named), category, key, since <= time of the verdict < until; in the order in which they were queued.  Returns the ids of the new rows.  What cannot be sent, or was retried or replayed before, is left out, with a NOTICE';

CREATE FUNCTION @extschema@.hubspot_replay(since timestamptz, until timestamptz, server name DEFAULT NULL, call text DEFAULT NULL,
	object text DEFAULT NULL, key text DEFAULT NULL, verdict text DEFAULT NULL, as_new boolean DEFAULT false)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
AS $$
#variable_conflict use_column
DECLARE
	account oid := CASE WHEN hubspot_replay.server IS NOT NULL THEN hubspot.server_oid(hubspot_replay.server) END;
	old_ids bigint[];
BEGIN
	IF hubspot_replay.since IS NULL OR hubspot_replay.until IS NULL THEN
		RAISE EXCEPTION 'since and until must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF hubspot_replay.as_new IS NULL THEN
		RAISE EXCEPTION 'as_new must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM hubspot.check_order(hubspot_replay.since, hubspot_replay.until), hubspot.check_word('call', hubspot_replay.call),
		hubspot.check_object(hubspot_replay.object), hubspot.check_word('verdict', hubspot_replay.verdict);
	SELECT array_agg(o.id ORDER BY o.id) INTO old_ids
	FROM hubspot.repeatable o
	LEFT JOIN hubspot.result r ON r.id = o.id
	LEFT JOIN hubspot.result c ON c.id = r.merged_into
	WHERE o.created_at >= hubspot_replay.since AND o.created_at < hubspot_replay.until
		AND o.sendable AND o.call <> 'refresh_schema'
		AND (account IS NULL OR o.server = account)
		AND CASE WHEN hubspot_replay.call IS NULL THEN o.call <> 'form' ELSE o.call = hubspot_replay.call::hubspot.call END
		AND (hubspot_replay.object IS NULL OR o.object = hubspot_replay.object)
		AND (hubspot_replay.key IS NULL OR o.key IN (hubspot_replay.key, lower(btrim(hubspot_replay.key))))
		AND CASE WHEN hubspot_replay.verdict IS NOT NULL THEN coalesce(c.verdict, r.verdict) = hubspot_replay.verdict::hubspot.verdict
			ELSE o.object <> 'event' OR NOT o.legacy AND coalesce(r.verdict <> ALL (hubspot.verdicts_with('in_doubt')), true) END
		/* of a call that was repeated, the last time counts */
		AND NOT EXISTS (SELECT FROM hubspot.outbox n
			WHERE n.replay_of = coalesce(o.replay_of, o.id) AND n.id > o.id AND n.created_at < hubspot_replay.until)
		/* as new ones again: neither does one that became several */
		AND NOT (hubspot_replay.as_new AND EXISTS (SELECT FROM hubspot.repeat p JOIN hubspot.outbox n ON n.id = p.id
			WHERE p.is_new AND p.replay_of = coalesce(o.replay_of, o.id) AND n.created_at < hubspot_replay.until));
	IF old_ids IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM hubspot.queue_again(old_ids, ARRAY(SELECT hubspot.next_outbox_id() FROM unnest(old_ids)), true, hubspot_replay.as_new);
	RETURN cardinality(old_ids);
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_replay(timestamptz, timestamptz, name, text, text, text, text, boolean) IS
'queues again, as a back-fill and in their order, the calls that were queued in [since, until), whatever became of them; returns the number of rows.  Restricted by SERVER, call, object, key, verdict (that of the row that a coalesced one was merged into).  Left out: bad messages, erased rows, those of dropped SERVERs; forms unless call is form, and legacy events unless a verdict is named, as a repeat counts twice.  HubSpot keeps the first version of an event that it has had, and the repeat is unchanged; as_new: events are queued as new ones, with a uuid of their own.  Values that were queued after until are overwritten by older ones: let until be now where that matters';

CREATE FUNCTION @extschema@.hubspot_cancel(id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	chosen bigint[];
BEGIN
	SELECT array_agg(b.id) INTO chosen FROM hubspot.outbox_status b
	WHERE (b.id = hubspot_cancel.id OR b.parent = hubspot_cancel.id) AND b.state IN ('waiting', 'deferred');
	IF chosen IS NULL AND NOT EXISTS (SELECT FROM hubspot.outbox_status b WHERE b.id = hubspot_cancel.id) THEN
		RAISE EXCEPTION 'outbox row % does not exist', hubspot_cancel.id USING ERRCODE = 'no_data_found',
			HINT = 'Rows are kept for hubspot.retention after their verdict; those of an open transaction are cancelled by its rollback.';
	END IF;
	INSERT INTO hubspot.command (cancels, last_id, ids)
		SELECT true, (SELECT max(c) FROM unnest(chosen) c), chosen WHERE chosen IS NOT NULL;
	PERFORM hubspot.wake();
	RETURN chosen IS NOT NULL;
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_cancel(bigint) IS
'at this transaction''s commit a row that waits or is deferred, and the rows that were queued with it, are not sent any more: they end as cancelled.  False: it is under way, or done.  One that may have reached HubSpot already is not cancelled';

CREATE FUNCTION @extschema@.hubspot_cancel(server name DEFAULT NULL, call text DEFAULT NULL, object text DEFAULT NULL,
	key text DEFAULT NULL, backfill boolean DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	account oid := CASE WHEN hubspot_cancel.server IS NOT NULL THEN hubspot.server_oid(hubspot_cancel.server) END;
	normal_key text := CASE WHEN position('@' IN hubspot_cancel.key) > 0 THEN lower(btrim(hubspot_cancel.key)) ELSE hubspot_cancel.key END;
	/* under its lock, which a SELECT of the sequence does without: it may see a higher id, of rows that are queued later */
	last_id bigint := pg_sequence_last_value('hubspot.outbox_id_seq');
BEGIN
	PERFORM hubspot.check_word('call', hubspot_cancel.call), hubspot.check_object(hubspot_cancel.object);
	IF last_id IS NULL THEN
		RETURN 0;
	END IF;
	INSERT INTO hubspot.command (cancels, last_id, server, call, object, key, backfill)
		VALUES (true, last_id, account, hubspot_cancel.call::hubspot.call, hubspot_cancel.object, normal_key, hubspot_cancel.backfill);
	PERFORM hubspot.wake();
	RETURN (SELECT count(*) FROM hubspot.outbox_status b
		LEFT JOIN pg_foreign_server s ON s.srvname = b.server
		WHERE b.state IN ('waiting', 'deferred') AND b.id <= last_id
			AND (account IS NULL OR s.oid = account)
			AND (hubspot_cancel.call IS NULL OR b.call = hubspot_cancel.call)
			AND (hubspot_cancel.object IS NULL OR b.object = hubspot_cancel.object)
			AND (normal_key IS NULL OR b.key = normal_key)
			AND (hubspot_cancel.backfill IS NULL OR b.backfill = hubspot_cancel.backfill));
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_cancel(name, text, text, text, boolean) IS
'hubspot_cancel(id) for all rows that wait or are deferred now and fit: SERVER, call, object, key, back-fill or not; without an argument all.  Returns how many wait at this moment; those that the worker sends before the commit are not cancelled';

CREATE FUNCTION @extschema@.hubspot_drain(timeout interval DEFAULT NULL, server name DEFAULT NULL) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_drain';
COMMENT ON FUNCTION @extschema@.hubspot_drain(interval, name) IS
'waits until every row that was committed before the call has its verdict; true when that is so, false after the timeout (NULL: none).  One SERVER, or all.  An error when the calling transaction has queued rows itself.  When what is missing waits for somebody, a WARNING says so, once';
