-- What the sessions of the campaign call with, and the books that they keep: a line
-- of the ledger is written in the transaction of each call, so that the check knows
-- what was committed without asking the outbox.
--
-- Persons of three sorts: c3@example.com is named by the address; u3 is a userId, told
-- now with one address, now with another; d3 is one that is deleted and comes back.
CREATE TABLE ledger (
	marker text PRIMARY KEY,	-- of this call alone; it travels to HubSpot
	id bigint,					-- of its row, where a function told
	kind text NOT NULL,			-- contact, company, event, form, list or bad; erased; of persons by userId see call_user();
								-- deal, ticket or car: a record; pair: two that are associated or parted
	key text NOT NULL,			-- whose call it is: an address, a groupId, a userId
	n int NOT NULL,				-- number of the call for this key
	member text,				-- company: the contact that belongs to it
	address text,				-- of a person by userId: what is told, or who is meant
	company text,				-- what a person by userId joins; the label of a pair
	list text, is_in bool		-- list: which, and whether to add or to remove
);

-- Its row lock orders the calls of one key, whichever session makes them.
CREATE TABLE counter (kind text, key text, n int NOT NULL, PRIMARY KEY (kind, key));

CREATE FUNCTION next_number(kind text, key text) RETURNS int
LANGUAGE sql AS $$
	INSERT INTO counter AS c VALUES ($1, $2, 1) ON CONFLICT ON CONSTRAINT counter_pkey DO UPDATE SET n = c.n + 1 RETURNING c.n
$$;

CREATE TABLE by_row (email text, zip int, city text);
CREATE TRIGGER by_row AFTER INSERT ON by_row FOR EACH ROW
	EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
CREATE TABLE by_statement (email text, zip int, city text);
CREATE TRIGGER by_statement AFTER INSERT ON by_statement REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
	EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
CREATE TABLE followed (email text PRIMARY KEY, zip int, city text);
SELECT hubspot_sync('followed', 'followed', server => 'crm');

-- An audience, refreshed all the time: who is in it is a checkbox in HubSpot.
CREATE TABLE people (email text PRIMARY KEY, is_in bool NOT NULL);
INSERT INTO people SELECT 'p' || i || '@example.com', i % 2 = 0 FROM generate_series(0, 29) i;
SELECT hubspot_audience('torture', 'SELECT email FROM people WHERE is_in', every => '1 second', create_in_hubspot => true, server => 'crm');

CREATE FUNCTION message(kind text, key text, n int, marker text, member text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT jsonb_build_object('marker', marker) || CASE kind
		WHEN 'event' THEN
			jsonb_build_object('event', 'thing', 'userId', key, 'properties', jsonb_build_object('n', n::text, 'marker', marker))
				|| CASE WHEN n % 3 = 0 THEN jsonb_build_object('messageId', 'of-' || marker) ELSE '{}' END
		WHEN 'company' THEN
			jsonb_build_object('groupId', key, 'traits', jsonb_build_object('zip', n, 'city', marker))
				|| CASE WHEN member IS NULL THEN '{}' ELSE jsonb_build_object('userId', member) END
		WHEN 'form' THEN
			jsonb_build_object('formId', 'f-1', 'fields', jsonb_build_array(jsonb_build_object('name', 'email', 'value', key)),
				'context', jsonb_build_object('pageName', marker))
		ELSE
			jsonb_build_object('userId', key, 'traits', jsonb_build_object('email', key, 'zip', n, 'city', marker))
	END
$$;

-- Queues a message by the function or hubspot_enqueue().
CREATE FUNCTION queue(name text, body jsonb, how text, number int) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	row_id bigint;
BEGIN
	IF how = 'enqueue' THEN
		SELECT * INTO row_id FROM hubspot_enqueue(name, ARRAY[body], 'crm');
	ELSE
		EXECUTE format('SELECT hubspot_%s(%s, $2, deadline => $3)', name, CASE WHEN body ? 'list' THEN '$1 ->> ''list'', $1' ELSE '$1' END)
			INTO row_id USING body, 'crm'::name, CASE WHEN number % 2 = 0 THEN interval '1 hour' END;
	END IF;
	RETURN row_id;
END $$;

-- One call; how: function, enqueue, row, statement or sync (the last three for contacts).
CREATE FUNCTION call(kind text, key text, marker text, how text DEFAULT 'function', member text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	number int := next_number(kind, key);
BEGIN
	INSERT INTO ledger (marker, kind, key, n, member) VALUES (marker, kind, key, number, member);
	IF how = 'row' THEN
		INSERT INTO by_row VALUES (key, number, marker);
	ELSIF how = 'statement' THEN
		INSERT INTO by_statement VALUES (key, number, marker);
	ELSIF how = 'sync' THEN
		INSERT INTO followed VALUES (key, number, marker) ON CONFLICT (email) DO UPDATE SET zip = number, city = marker;
	ELSE
		PERFORM queue(CASE kind WHEN 'company' THEN 'group' WHEN 'event' THEN 'track' WHEN 'form' THEN 'form' ELSE 'identify' END,
			message(kind, key, number, marker, member), how, number);
	END IF;
END $$;

-- A contact comes into a list or leaves it.
CREATE FUNCTION call_list(key text, marker text, list text, is_in bool, how text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	number int := next_number('list', key);
BEGIN
	INSERT INTO ledger (marker, kind, key, n, list, is_in) VALUES (marker, 'list', key, number, list, is_in);
	PERFORM queue(CASE WHEN is_in THEN 'add_to_list' ELSE 'remove_from_list' END,
		jsonb_build_object('list', list, 'email', key, 'marker', marker), how, number);
END $$;

-- A call of a person by userId.  What: tell (detail is the address), did (an event), said (an event
-- with traits of the contact), joins (a company), enters or leaves (a list), deleted (by the address,
-- or NULL: by the userId).
CREATE FUNCTION call_user(what text, user_id text, marker text, detail text, how text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	number int := next_number('user', user_id);
	traits jsonb := jsonb_build_object('zip', number, 'city', marker);
	body jsonb := jsonb_build_object('userId', user_id, 'marker', marker);
BEGIN
	INSERT INTO ledger (marker, kind, key, n, address, company, list, is_in) VALUES (marker, what, user_id, number,
		CASE WHEN what IN ('tell', 'deleted') THEN detail END, CASE WHEN what = 'joins' THEN detail END,
		CASE WHEN what IN ('enters', 'leaves') THEN detail END, CASE WHEN what IN ('enters', 'leaves') THEN what = 'enters' END);
	PERFORM queue(
		CASE what WHEN 'tell' THEN 'identify' WHEN 'joins' THEN 'group' WHEN 'enters' THEN 'add_to_list'
			WHEN 'leaves' THEN 'remove_from_list' WHEN 'deleted' THEN 'delete' ELSE 'track' END,
		CASE what
			WHEN 'tell' THEN body || jsonb_build_object('traits', traits || jsonb_build_object('email', detail))
			WHEN 'joins' THEN body || jsonb_build_object('groupId', detail, 'traits', traits)
			WHEN 'enters' THEN body || jsonb_build_object('list', detail)
			WHEN 'leaves' THEN body || jsonb_build_object('list', detail)
			WHEN 'deleted' THEN CASE WHEN detail IS NULL THEN body ELSE body || jsonb_build_object('userId', detail) END
			ELSE body || jsonb_build_object('event', 'thing', 'properties', jsonb_build_object('n', number::text, 'marker', marker))
				|| CASE WHEN what = 'said' THEN jsonb_build_object('context', jsonb_build_object('traits', traits)) ELSE '{}' END
		END, how, number);
END $$;

-- A deal, a ticket or a car, which is a custom object.
CREATE FUNCTION call_record(kind text, key text, marker text, how text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	number int := next_number(kind, key);
	object text := CASE kind WHEN 'car' THEN current_setting('torture.car') ELSE kind END;
	body jsonb := jsonb_build_object('id', key, 'marker', marker, 'properties', jsonb_build_object('zip', number::text, 'city', marker)
		|| CASE kind WHEN 'deal' THEN '{"dealname": "Deal", "dealstage": "appointmentscheduled"}'
			WHEN 'ticket' THEN '{"subject": "Ticket", "hs_pipeline_stage": "1"}' ELSE '{}' END::jsonb);
BEGIN
	INSERT INTO ledger (marker, kind, key, n) VALUES (marker, kind, key, number);
	IF how = 'enqueue' THEN
		PERFORM hubspot_enqueue('record', ARRAY[body || jsonb_build_object('object', object)], 'crm');
	ELSE
		PERFORM hubspot_record(object, body, 'crm', deadline => CASE WHEN number % 2 = 0 THEN interval '1 hour' END);
	END IF;
END $$;

-- A deal and a contact are associated, or not any more; with a label, or without (NULL).
CREATE FUNCTION call_pair(deal text, contact text, marker text, is_in bool, label text, how text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	pair text := deal || ' ' || contact;
	number int := next_number('pair', pair);
	row_id bigint;
BEGIN
	IF how = 'enqueue' THEN
		SELECT * INTO row_id FROM hubspot_enqueue(CASE WHEN is_in THEN 'associate' ELSE 'dissociate' END, ARRAY[jsonb_strip_nulls(jsonb_build_object(
			'from_object', 'contact', 'from_id', contact, 'to_object', 'deal', 'to_id', deal, 'label', label))], 'crm');
	ELSIF is_in THEN
		row_id := hubspot_associate('deal', deal, 'contact', contact, label, 'crm');
	ELSE
		row_id := hubspot_dissociate('deal', deal, 'contact', contact, label, 'crm');
	END IF;
	INSERT INTO ledger (marker, id, kind, key, n, is_in, company) VALUES (marker, row_id, 'pair', pair, number, is_in, label);
END $$;

-- Somebody comes, a few times, and is erased.
CREATE FUNCTION call_erasure(marker text, count int) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	address text := marker || '@erased.example.com';
BEGIN
	FOR i IN 1 .. count + 1 LOOP
		INSERT INTO ledger (marker, kind, key, n, id) VALUES (marker || '-' || i, 'erased', address, i,
			CASE WHEN i <= count THEN queue('identify', message('erased', address, i, marker || '-' || i, NULL), 'function', i)
				ELSE queue('delete', jsonb_build_object('userId', address, 'gdpr', true), 'function', i) END);
	END LOOP;
END $$;

-- Many contacts of their own in one statement.
CREATE FUNCTION call_many(marker text, count int, how text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
	INSERT INTO ledger (marker, kind, key, n) SELECT marker || '-' || i, 'contact', marker || '-' || i || '@example.com', 1 FROM generate_series(1, count) i;
	IF how = 'statement' THEN
		INSERT INTO by_statement SELECT marker || '-' || i || '@example.com', 1, marker || '-' || i FROM generate_series(1, count) i;
	ELSE
		PERFORM hubspot_enqueue('identify', array_agg(message('contact', marker || '-' || i || '@example.com', 1, marker || '-' || i, NULL)), 'crm',
			backfill => count % 2 = 0) FROM generate_series(1, count) i;
	END IF;
END $$;

-- A call in a block that fails now and then.
CREATE FUNCTION call_in_block(kind text, key text, marker text, fails bool) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM call(kind, key, marker);
	IF fails THEN
		RAISE division_by_zero;
	END IF;
EXCEPTION WHEN division_by_zero THEN
	NULL;
END $$;

-- Rows that the last checkpoint covers and that have no verdict and wait in no other
-- table; rows that have two verdicts, or that wait although they have one.
CREATE VIEW disagreement AS
	SELECT o.id, format('%s %s %s: %s verdicts, %s', o.id, o.call, o.object, coalesce(r.verdicts, 0),
		CASE WHEN d.id IS NULL THEN 'not deferred' ELSE 'deferred' END) AS example
	FROM hubspot.outbox o
		LEFT JOIN (SELECT id, count(*) AS verdicts FROM hubspot.result GROUP BY id) r USING (id)
		LEFT JOIN hubspot.deferred d USING (id),
		hubspot.last_checkpoint c
	WHERE r.verdicts > 1 OR (r.id IS NOT NULL AND d.id IS NOT NULL)
		OR (r.id IS NULL AND d.id IS NULL AND pg_visible_in_snapshot(o.xid, c.snapshot));

-- Whether the worker sleeps with a transaction: each of five looks, 50 ms apart, finds it in
-- its wait with the same one.  (One look may meet it between the two.)
CREATE FUNCTION sleeps_in_transaction() RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	suspects jsonb;
BEGIN
	FOR i IN 1 .. 5 LOOP
		PERFORM pg_stat_clear_snapshot();
		SELECT jsonb_object_agg(pid || ' since ' || xact_start, 1) INTO suspects
		FROM pg_stat_activity a
		WHERE backend_type = 'hubspot worker' AND wait_event_type = 'Extension'
			AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL
				OR EXISTS (SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.locktype = 'relation'))
			AND (i = 1 OR suspects ? (pid || ' since ' || xact_start));
		EXIT WHEN suspects IS NULL;
		PERFORM pg_sleep(0.05);
	END LOOP;
	RETURN QUERY SELECT jsonb_object_keys(suspects);
END $$;

-- When a worker or the server was ended, and HubSpot's books, filled in at the end.
CREATE TABLE crash (at_us bigint NOT NULL, what text NOT NULL);
CREATE TABLE applied_line (line jsonb NOT NULL);
CREATE TABLE request_line (line jsonb NOT NULL);
