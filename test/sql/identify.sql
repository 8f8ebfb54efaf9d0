-- hubspot_identify and hubspot_enqueue: keys, bad messages, rights, transactions.
-- The worker has no token here: rows wait, and nothing is sent.
CREATE EXTENSION hubspot;
\set VERBOSITY default

-- Which account
SELECT hubspot_identify('{"email": "ada@example.com"}');
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile');
SELECT hubspot_identify('{"email": "ada@example.com"}') AS id;
CREATE SERVER second FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile', contact_id_property 'user_id');
SELECT hubspot_identify('{"email": "ada@example.com"}');
SELECT hubspot_identify('{"email": "ada@example.com"}', 'nobody');
SELECT hubspot_identify('{"email": "ada@example.com"}', 'second') AS id;
SET hubspot.server = 'crm';

-- Keys
-- Who was queued, or what was said instead
CREATE FUNCTION last_key() RETURNS text LANGUAGE sql AS
$$ SELECT concat_ws('=', key_property, key) FROM hubspot.outbox ORDER BY id DESC LIMIT 1 $$;
CREATE PROCEDURE show_keys(messages text[], server name DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE m text; d text;
BEGIN
	FOREACH m IN ARRAY messages LOOP
		BEGIN
			PERFORM hubspot_identify(m::jsonb, server);
			RAISE INFO '% -> %', m, last_key();
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
			RAISE INFO '% -> % % (%)', m, SQLSTATE, SQLERRM, d;
		END;
	END LOOP;
END $$;
CALL show_keys(ARRAY[
	'{"traits": {"email": " Ada@Example.COM "}}',
	'{"traits": {"E-Mail": "dash@example.com"}}',
	'{"context": {"traits": {"email": "context@example.com"}}}',
	'{"properties": {"email": "properties@example.com"}}',
	'{"email": "top@example.com"}',
	'{"userId": "user@example.com"}',
	'{"user_id": 7, "Email": "flat@example.com", "plan": "pro"}',
	'{"traits": {"email": "traits@example.com"}, "email": "top@example.com", "userId": "u1"}',
	'{"email": "x@y.de", "timestamp": "2026-11-23T10:00:00.123Z"}']);
CALL show_keys(ARRAY[
	'{"userId": "u1", "traits": {"email": "ada@example.com"}}',
	'{"user_id": 42, "traits": {}}',
	'{"traits": {"email": "only@example.com"}}'], 'second');

-- What is no address leaves the next identity; what nobody sees is trimmed; names outside ASCII, in a database with LC_CTYPE C
CALL show_keys(ARRAY[
	'{"traits": {"email": ""}, "userId": "user@example.com"}',
	'{"traits": {"email": "n/a"}, "context": {"traits": {"email": 5}}, "properties": {"email": "properties@example.com"}}',
	'{"email": " \u00a0\ufeffedge@example.com\u200b\u00a0"}',
	'{"email": "in\u200bside@example.com"}',
	'{"email": "inside@exam\u00a0ple.com"}',
	'{"email": "\u00a0\u200b"}',
	'{"email": "Info@Kaffeer\u00d6sterei.example"}',
	'{"email": "info@stra\u00dfe.example"}',
	'{"email": "info@\u4f8b\u3048.jp"}',
	'{"email": "info@-\u00f6.example"}']);
SELECT datctype FROM pg_database WHERE datname = current_database();
SELECT w->>'code' AS code, w->>'property' AS property, w->>'detail' AS detail
	FROM hubspot_explain('identify', '{"traits": {"email": ""}, "properties": {"email": "n/a"}, "userId": "user@example.com"}') x, jsonb_array_elements(x.warnings) w;
SELECT key FROM hubspot_explain('group', '{"traits": {"website": "\u00a0https://www.Kaffeer\u00f6sterei.example/laden\ufeff"}}');
SELECT key FROM hubspot_explain('group', '{"traits": {"website": "https://exam\u200bple.com"}}');
SELECT x.object, x.key_property, x.key, x.warnings FROM hubspot_explain('track', '{"event": "Tick", "properties": {"email": ""}, "context": {"hutk": "0123456789abcdef0123456789abcdef"}}') x;

-- Bad messages
CALL show_keys(ARRAY['[]', '"text"', '{}', '{"userId": "u1"}', '{"traits": 5}', '{"email": 5}', '{"email": ""}', '{"email": "a"}', '{"email": "a@b"}',
	'{"email": "a@b@c.de"}', '{"email": "a b@c.de"}', '{"email": "\"a\"@c.de"}', '{"email": "a..b@c.de"}', '{"email": ".a@c.de"}', '{"email": "ä@c.de"}',
	'{"email": "a@-c.de"}', '{"email": "a@c.d"}', '{"email": "a@1.2.3.4"}', '{"email": "a@c.de", "timestamp": "now"}', '{"email": "a@c.de", "timestamp": 5}',
	'{"email": "a@c.de", "timestamp": "2026-13-45"}', '{"email": "a@c.de", "messageId": {}}']);
CALL show_keys(ARRAY['{"userId": true}', '{"userId": ""}'], 'second');
SELECT hubspot_identify(NULL);
SET hubspot.max_message_size = '1kB';
SELECT hubspot_identify(jsonb_build_object('email', 'big@example.com', 'text', repeat('x', 2000)));
RESET hubspot.max_message_size;

-- Recorded instead of raised
SET hubspot.on_invalid = 'record';
SELECT hubspot_identify('{"email": "nobody@"}') > 0 AS queued;
SELECT key, problem FROM hubspot.outbox ORDER BY id DESC LIMIT 1;
RESET hubspot.on_invalid;

-- Part of the transaction
SELECT count(*) AS before FROM hubspot.outbox \gset
BEGIN;
SELECT hubspot_identify('{"email": "gone@example.com"}') > 0 AS queued;
ROLLBACK;
BEGIN;
SAVEPOINT a;
SELECT hubspot_identify('{"email": "gone@example.com"}') > 0 AS queued;
ROLLBACK TO a;
SELECT hubspot_identify('{"email": "kept@example.com"}') > 0 AS queued;
COMMIT;
SELECT count(*) - :before AS more FROM hubspot.outbox;
BEGIN READ ONLY;
SELECT hubspot_identify('{"email": "x@example.com"}');
ROLLBACK;

-- Arrays
SELECT count(*), max(id) - min(id) AS distance FROM hubspot_enqueue('identify', ARRAY['{"email": "a1@example.com"}', '{"email": "a2@example.com"}', '{"email": "a3@example.com"}']::jsonb[]) id;
SELECT string_agg(key, ',' ORDER BY id) FROM hubspot.outbox WHERE key LIKE 'a_@%';
SELECT count(*) FROM hubspot_enqueue('identify', '{}');
SELECT hubspot_enqueue('identify', ARRAY['{"email": "a4@example.com"}', NULL]::jsonb[]);
SELECT hubspot_enqueue('frobnicate', '{}');
SELECT hubspot_enqueue('identify', ARRAY['{"email": "a5@example.com"}', '{"email": "a6"}']::jsonb[]);

-- A log: each message names its call
SELECT id IS NOT NULL AS queued FROM hubspot_enqueue(NULL, ARRAY['{"type": "identify", "userId": "log@example.com"}', '{"type": "alias", "userId": "u", "previousId": "p"}',
	'{"type": "track", "userId": "log@example.com", "event": "Bought"}', '{"type": "screen", "name": "Home"}', '{"type": "page", "userId": "log@example.com"}']::jsonb[]) id;
SELECT call, object, key, parent IS NOT NULL AS has_parent FROM hubspot.outbox WHERE key = 'log@example.com' ORDER BY id;
SELECT hubspot_enqueue(NULL, ARRAY['{"type": "identify", "userId": "log@example.com"}', '{"userId": "log@example.com"}']::jsonb[]);
SELECT hubspot_enqueue(NULL, ARRAY['{"type": "identify", "userId": "log@example.com"}', '{"type": "library", "userId": "log@example.com"}']::jsonb[]);
SELECT hubspot_enqueue(NULL, ARRAY['"identify"']::jsonb[]);
SELECT hubspot_enqueue('identify', NULL);
SELECT count(*) FROM hubspot.outbox WHERE key LIKE 'a5%';

-- The same messageId twice
SET hubspot.dedup_message_id = on;
SELECT hubspot_identify('{"email": "m@example.com", "messageId": "m1"}') AS first \gset
SELECT hubspot_identify('{"email": "m@example.com", "message_id": "m1"}') = :first AS same;
SELECT count(*) FROM hubspot.outbox WHERE key = 'm@example.com';
RESET hubspot.dedup_message_id;

-- USAGE on the SERVER is what counts
CREATE ROLE regress_user;
SET ROLE regress_user;
SELECT hubspot_identify('{"email": "u@example.com"}');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER crm TO regress_user;
SET ROLE regress_user;
SELECT hubspot_identify('{"email": "u@example.com"}') > 0 AS queued;
SELECT count(*) FROM hubspot.outbox;
SELECT * FROM hubspot.status;
RESET ROLE;
GRANT pg_monitor TO regress_user;
SET ROLE regress_user;
SELECT count(DISTINCT server) FROM hubspot.status;
SELECT count(id) > 0 AS readable FROM hubspot.outbox_status;
SELECT key FROM hubspot.outbox_status;
SELECT call_message FROM hubspot.failures;
RESET ROLE;
DROP OWNED BY regress_user;
DROP ROLE regress_user;
DROP EXTENSION hubspot CASCADE;
