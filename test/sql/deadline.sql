-- deadline and backfill of a call: argument, envelope, trigger; what is refused.
CREATE EXTENSION hubspot;
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile', time_zone 'Europe/Berlin');
SET timezone = 'UTC';
CREATE VIEW queued AS SELECT call, object, key, justify_hours(date_trunc('minute', deadline - created_at + '1s')) AS within, backfill, problem
	FROM hubspot.outbox ORDER BY id DESC;

-- The argument
SELECT hubspot_identify('{"email": "ada@example.com"}') > 0;
SELECT hubspot_identify('{"email": "ada@example.com"}', deadline => '15 minutes') > 0;
SELECT hubspot_identify('{"email": "ada@example.com"}', 'crm', '1 hour', true) > 0;
SELECT hubspot_identify('{"email": "ada@example.com"}', backfill => NULL) > 0;
SELECT * FROM queued LIMIT 4;
SELECT count(*) FROM hubspot_enqueue('identify', ARRAY['{"email": "bob@example.com"}', '{"email": "cyd@example.com"}']::jsonb[], deadline => '2 days', backfill => true);
SELECT * FROM queued LIMIT 2;

-- All rows of a call
SELECT hubspot_group('{"userId": "ada@example.com", "traits": {"website": "acme.example.com"}, "context": {"traits": {"plan": "pro"}}}',
	deadline => '10 minutes', backfill => true) > 0;
SELECT * FROM queued LIMIT 3;
SELECT hubspot_track('{"userId": "ada@example.com", "event": "x", "context": {"traits": {"plan": "pro"}}}', deadline => '10 minutes') > 0,
	hubspot_page('{"userId": "ada@example.com"}', deadline => '10 minutes') > 0,
	hubspot_form('{"formId": "f1", "fields": [{"name": "email", "value": "ada@example.com"}]}', deadline => '10 minutes') > 0,
	hubspot_delete('{"email": "ada@example.com"}', deadline => '10 minutes') > 0;
SELECT * FROM queued LIMIT 5;

-- The envelope; a flat row has none
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "PT15M"}') > 0;
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "15 minutes"}', deadline => '1 hour') > 0;
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": null}') > 0;
SELECT hubspot_identify('{"email": "ada@example.com", "deadline": "soon"}') > 0;
SELECT within, problem FROM queued LIMIT 4;
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "2024-03-01T12:00:00+03:00"}') > 0;
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "2024-03-01 12:00"}') > 0;
SELECT deadline FROM hubspot.outbox ORDER BY id DESC LIMIT 2;

-- What is no deadline
\set VERBOSITY sqlstate
SELECT hubspot_identify('{"email": "ada@example.com"}', deadline => '-15 minutes');
SELECT hubspot_identify('{"email": "ada@example.com"}', deadline => '0');
\set VERBOSITY default
SELECT hubspot_identify('{"email": "ada@example.com"}', deadline => '0');
SELECT hubspot_identify('{"email": "ada@example.com"}', deadline => '13 months');
SELECT hubspot_identify('{"email": "ada@example.com"}', deadline => '178000000 years');
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "soon"}');
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": ""}');
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": 15}');
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": {"minutes": 15}}');
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "-1 minute"}');
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "infinity"}');
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "9999-01-01"}');
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "2024-02-30"}');
SELECT hubspot_identify('{"traits": {"email": "ada@example.com"}, "deadline": "2024-01-01T00:00:00 Nowhere/Land"}');
SELECT hubspot_identify(jsonb_build_object('traits', '{"email": "ada@example.com"}'::jsonb, 'deadline', repeat('1 second ', 1000)));
SELECT hubspot_enqueue('identify', '{}', deadline => '-1 second');
SELECT hubspot_enqueue('identify', ARRAY['{"email": "bob@example.com"}']::jsonb[], deadline => '-1 second');
SELECT * FROM hubspot_explain('identify', '{"traits": {"email": "ada@example.com"}, "deadline": "soon"}');
SELECT key, properties FROM hubspot_explain('identify', '{"traits": {"email": "ada@example.com"}, "deadline": "1 hour"}');
SET hubspot.on_invalid = 'record';
SELECT hubspot_identify('{"email": "ada@example.com"}', deadline => '-15 minutes') > 0;
SELECT * FROM queued LIMIT 1;
RESET hubspot.on_invalid;

-- A trigger's last argument
CREATE TABLE customers (email text);
CREATE TRIGGER ins AFTER INSERT ON customers REFERENCING NEW TABLE AS new FOR EACH STATEMENT
	EXECUTE FUNCTION hubspot_trigger('identify', '', '', '20 minutes');
INSERT INTO customers VALUES ('dan@example.com'), ('eve@example.com');
SELECT * FROM queued LIMIT 2;
CREATE OR REPLACE TRIGGER ins AFTER INSERT ON customers FOR EACH ROW
	EXECUTE FUNCTION hubspot_trigger('identify', 'crm', '{"email": "email"}', 'never');
INSERT INTO customers VALUES ('dan@example.com');
SELECT * FROM queued LIMIT 1;
CREATE OR REPLACE TRIGGER ins AFTER INSERT ON customers FOR EACH ROW
	EXECUTE FUNCTION hubspot_trigger('identify', 'crm', '{"email": "email"}', '-1 hour');
INSERT INTO customers VALUES ('dan@example.com');
SELECT * FROM queued LIMIT 1;
SET hubspot.on_invalid = 'error';
INSERT INTO customers VALUES ('dan@example.com');
RESET hubspot.on_invalid;
CREATE OR REPLACE TRIGGER ins AFTER INSERT ON customers FOR EACH ROW
	EXECUTE FUNCTION hubspot_trigger('identify', 'crm', '', '1 hour', 'more');
INSERT INTO customers VALUES ('dan@example.com');

DROP TABLE customers;
DROP VIEW queued;
DROP SERVER crm;
DROP EXTENSION hubspot;
