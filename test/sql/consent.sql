-- hubspot.suppressed: what may be in it, in which form
CREATE EXTENSION hubspot;
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot;

INSERT INTO hubspot.suppressed (address, server) VALUES (' Ann@EXAMPLE.com ', ''), ('bob@exämple.com', 'crm');
INSERT INTO hubspot.suppressed (user_id, objects) VALUES ('u 1', '{event,list}');
INSERT INTO hubspot.suppressed (address, subscription) VALUES ('ann@example.com', 'Newsletter');
INSERT INTO hubspot.suppressed (address) VALUES ('ANN@example.com') ON CONFLICT DO NOTHING;
-- a narrow entry keeps no wide one out
INSERT INTO hubspot.suppressed (address, objects) VALUES ('carl@example.com', '{list}');
INSERT INTO hubspot.suppressed (address) VALUES ('carl@example.com') ON CONFLICT DO NOTHING;
UPDATE hubspot.suppressed SET address = 'Dora@example.com' WHERE address = 'bob@xn--exmple-cua.com';
SELECT address, user_id, server, subscription, objects FROM hubspot.suppressed ORDER BY 1, 2, 3, 4, 5;

-- what is refused
INSERT INTO hubspot.suppressed (address) VALUES ('ann at home');
INSERT INTO hubspot.suppressed (address) VALUES ('');
INSERT INTO hubspot.suppressed (address) VALUES ('sha256:00');
INSERT INTO hubspot.suppressed (user_id) VALUES ('');
INSERT INTO hubspot.suppressed (user_id) VALUES (repeat('x', 1025));
INSERT INTO hubspot.suppressed (address, subscription) VALUES ('ann@example.com', '');
INSERT INTO hubspot.suppressed (reason, since) VALUES ('nobody', '2026-01-01 00:00Z');
INSERT INTO hubspot.suppressed (address, objects) VALUES ('ann@example.com', '{}');
INSERT INTO hubspot.suppressed (address, objects) VALUES ('ann@example.com', '{events}');
INSERT INTO hubspot.suppressed (address, objects) VALUES ('ann@example.com', '{company}');
INSERT INTO hubspot.suppressed (address, objects) VALUES ('ann@example.com', '{NULL}');
INSERT INTO hubspot.suppressed (address, objects) VALUES ('ann@example.com', array_fill('event'::text, '{100}'));
INSERT INTO hubspot.suppressed (address, objects, subscription, since) VALUES ('ann@example.com', '{event}', 'Newsletter', '2026-01-01 00:00Z');
-- the longest entry fits into the index
INSERT INTO hubspot.suppressed (address, user_id, server, subscription)
	VALUES (repeat('a', 60) || '@' || repeat(repeat('b', 60) || '.', 3) || 'com', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 32) i), repeat('s', 63), (SELECT string_agg(md5(i::text), '') FROM generate_series(33, 64) i));
-- a hash, as an erasure leaves it, comes back from a dump
INSERT INTO hubspot.suppressed (address) VALUES ('sha256:' || repeat('0a', 32));

-- its triggers are for it alone
CREATE TABLE t (address text);
CREATE TRIGGER wrong BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION hubspot.suppressed_check();
INSERT INTO t VALUES ('x');

-- and it is nobody's but the owner's until he grants it
CREATE ROLE regress_writer;
SET ROLE regress_writer;
INSERT INTO hubspot.suppressed (address) VALUES ('eve@example.com');
RESET ROLE;
GRANT USAGE ON SCHEMA hubspot TO regress_writer;
GRANT INSERT ON hubspot.suppressed TO regress_writer;
SET ROLE regress_writer;
INSERT INTO hubspot.suppressed (address) VALUES ('eve@example.com');
SELECT * FROM hubspot.suppressed;
RESET ROLE;
DROP OWNED BY regress_writer;
DROP ROLE regress_writer;
DROP TABLE t;
-- what a subscription call says
CREATE FUNCTION try(message jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE detail text;
BEGIN
	PERFORM hubspot_subscription(message, 'crm');
	RETURN (SELECT format('%s %s %s', object, coalesce(key_property, '-'), key) FROM hubspot.outbox ORDER BY id DESC LIMIT 1);
EXCEPTION WHEN invalid_parameter_value THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
	RETURN SQLERRM || ' / ' || detail;
END $$;
SELECT try(m) FROM unnest(ARRAY[
	'{"email": "Ada@Example.com", "subscription": "Newsletter", "subscribed": true}',
	'{"email": "ada@example.com", "subscription": 39644612, "subscribed": false}',
	'{"email": "ada@example.com", "subscription": "1", "subscribed": "True"}',
	'{"email": "ada@example.com", "unsubscribeAll": true}',
	'{"email": "ada@example.com", "unsubscribe_all": true, "business_unit": 5, "subscribed": false}',
	'{"userId": "u1", "properties": {"subscription": "Newsletter", "subscribed": true, "legalBasis": "non_gdpr", "legalBasisExplanation": "x"}}',
	'{"subscription": "Newsletter", "subscribed": true}',
	'{"email": "ada at home", "subscription": "Newsletter", "subscribed": true}',
	'{"email": "ada@example.com", "subscribed": true}',
	'{"email": "ada@example.com", "subscription": "", "subscribed": true}',
	'{"email": "ada@example.com", "subscription": {"a": 1}, "subscribed": true}',
	'{"email": "ada@example.com", "subscription": "Newsletter"}',
	'{"email": "ada@example.com", "subscription": "Newsletter", "subscribed": "perhaps"}',
	'{"email": "ada@example.com", "subscription": "Newsletter", "subscribed": 1}',
	'{"email": "ada@example.com", "subscription": "Newsletter", "subscribed": true, "legalBasis": "NON_GDPR"}',
	'{"email": "ada@example.com", "subscription": "Newsletter", "subscribed": true, "legalBasisExplanation": "x"}',
	'{"email": "ada@example.com", "subscription": "Newsletter", "subscribed": true, "legalBasis": "because", "legalBasisExplanation": "x"}',
	'{"email": "ada@example.com", "subscription": "Newsletter", "subscribed": true, "channel": "a b"}',
	'{"email": "ada@example.com", "subscription": "Newsletter", "subscribed": true, "resubscribe": "x"}',
	'{"email": "ada@example.com", "unsubscribeAll": true, "subscription": "Newsletter"}',
	'{"email": "ada@example.com", "unsubscribeAll": true, "subscribed": true}',
	'{"email": "ada@example.com", "unsubscribeAll": 2}',
	'{"email": "ada@example.com", "subscription": "Newsletter", "subscribed": false, "businessUnit": 5}']::jsonb[]) m;
SELECT hubspot_subscription(NULL);
SELECT count(*) FROM hubspot_enqueue('subscription', ARRAY['{"email": "ada@example.com", "subscription": "a", "subscribed": false}']::jsonb[], 'crm');
SELECT count(*) FROM hubspot_enqueue(NULL, ARRAY['{"type": "subscription", "email": "ada@example.com", "subscription": "a", "subscribed": false}']::jsonb[], 'crm');
SELECT method, path, body FROM hubspot_explain('subscription', '{"email": "ada@example.com", "unsubscribeAll": true}', 'crm');
SELECT method, path, body FROM hubspot_explain('subscription', '{"email": "ada@example.com", "subscription": "Newsletter", "subscribed": true}', 'crm');
ALTER SERVER crm OPTIONS (ADD api_version '2026-09, consent:v3');
SELECT method, path, body FROM hubspot_explain('subscription', '{"email": "ada@example.com", "subscription": "7", "subscribed": true}', 'crm');
SELECT method, path, body FROM hubspot_explain('subscription', '{"email": "ada@example.com", "unsubscribeAll": true}', 'crm');

-- opt-outs that enter hubspot.suppressed
TRUNCATE hubspot.suppressed;
ALTER SERVER crm OPTIONS (SET api_version '2026-09', ADD suppress_opt_outs 'on');
SELECT try(m) FROM unnest(ARRAY[
	'{"email": "o1@example.com", "subscription": "Newsletter", "subscribed": false}',
	'{"email": "o1@example.com", "subscription": "Newsletter", "subscribed": false}',
	'{"email": "o2@example.com", "unsubscribeAll": true}',
	'{"userId": "u1", "subscription": "1", "subscribed": false}',
	'{"email": "o3@example.com", "subscription": "1", "subscribed": true}']::jsonb[]) m;
INSERT INTO hubspot.suppressed (address, reason) VALUES ('o1@example.com', 'mine');
SELECT address, user_id, server, subscription, objects, reason FROM hubspot.suppressed ORDER BY 1, 2, 4;
SELECT try('{"email": "o1@example.com", "subscription": "newsletter", "subscribed": true}');
SELECT try('{"email": "o1@example.com", "subscription": "newsletter", "subscribed": true, "resubscribe": true}');
SELECT address, subscription, reason FROM hubspot.suppressed WHERE address = 'o1@example.com';
DROP FUNCTION try;
DROP SERVER crm;
DROP EXTENSION hubspot;
