-- What the sessions of the campaign call with, and the books that they keep: a line
-- of the ledger is written in the transaction of each call, so that the check knows
-- what was committed without asking the outbox.
CREATE TABLE ledger (
	marker text PRIMARY KEY,	-- of this call alone; it travels to HubSpot
	kind text NOT NULL,			-- contact, company, event or bad
	key text NOT NULL,			-- whose call it is
	n int NOT NULL,				-- number of the call for this key
	member text					-- company: the contact that belongs to it
);

-- Its row lock orders the calls of one key, whichever session makes them.
CREATE TABLE counter (kind text, key text, n int NOT NULL, PRIMARY KEY (kind, key));

CREATE TABLE by_row (email text, zip int, city text);
CREATE TRIGGER by_row AFTER INSERT ON by_row FOR EACH ROW
	EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
CREATE TABLE by_statement (email text, zip int, city text);
CREATE TRIGGER by_statement AFTER INSERT ON by_statement REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
	EXECUTE FUNCTION hubspot_trigger('identify', 'crm');

CREATE FUNCTION message(kind text, key text, n int, marker text, member text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
	SELECT CASE kind
		WHEN 'event' THEN
			jsonb_build_object('event', 'thing', 'userId', key, 'properties', jsonb_build_object('n', n::text, 'marker', marker))
				|| CASE WHEN n % 3 = 0 THEN jsonb_build_object('messageId', 'of-' || marker) ELSE '{}' END
		WHEN 'company' THEN
			jsonb_build_object('groupId', key, 'traits', jsonb_build_object('zip', n, 'city', marker))
				|| CASE WHEN member IS NULL THEN '{}' ELSE jsonb_build_object('userId', member) END
		ELSE
			jsonb_build_object('userId', key, 'traits', jsonb_build_object('email', key, 'zip', n, 'city', marker))
	END
$$;

-- One call; how: function, enqueue, row or statement (the last two for contacts).
CREATE FUNCTION call(kind text, key text, marker text, how text DEFAULT 'function', member text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	number int;
	body jsonb;
	name text := CASE kind WHEN 'company' THEN 'group' WHEN 'event' THEN 'track' ELSE 'identify' END;
BEGIN
	INSERT INTO counter AS c VALUES (kind, key, 1)
		ON CONFLICT ON CONSTRAINT counter_pkey DO UPDATE SET n = c.n + 1 RETURNING c.n INTO number;
	INSERT INTO ledger VALUES (marker, kind, key, number, member);
	IF how = 'row' THEN
		INSERT INTO by_row VALUES (key, number, marker);
	ELSIF how = 'statement' THEN
		INSERT INTO by_statement VALUES (key, number, marker);
	ELSE
		body := message(kind, key, number, marker, member);
		IF how = 'enqueue' THEN
			PERFORM hubspot_enqueue(name, ARRAY[body], 'crm');
		ELSE
			EXECUTE format('SELECT hubspot_%s($1, $2, deadline => $3)', name) USING body, 'crm'::name,
				CASE WHEN number % 2 = 0 THEN interval '1 hour' END;
		END IF;
	END IF;
END $$;

-- Many contacts of their own in one statement.
CREATE FUNCTION call_many(marker text, count int, how text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
	INSERT INTO ledger SELECT marker || '-' || i, 'contact', marker || '-' || i || '@example.com', 1 FROM generate_series(1, count) i;
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

-- When a worker or the server was ended, and HubSpot's books, filled in at the end.
CREATE TABLE crash (at_us bigint NOT NULL, what text NOT NULL);
CREATE TABLE applied_line (line jsonb NOT NULL);
CREATE TABLE request_line (line jsonb NOT NULL);
