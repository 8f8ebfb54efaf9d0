-- hubspot_trigger: changed rows become calls, whatever happens to them.
CREATE EXTENSION hubspot;
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile');
CREATE TABLE customers (user_id int PRIMARY KEY, email text, first_name text, balance numeric(10,2), vip bool, since date, seen timestamptz, tags text[], extra jsonb);
CREATE VIEW queued AS SELECT key, source, problem, message FROM hubspot.outbox ORDER BY id DESC;
SET timezone = 'UTC';

-- Per statement, all columns
CREATE TRIGGER ins AFTER INSERT ON customers REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION hubspot_trigger('identify');
INSERT INTO customers VALUES (1, 'Ada@example.com', 'Ada', 12.50, true, '2026-01-02', '2026-01-02 03:04:05+00', '{a,b}', '{"x": 1}'), (2, 'bob@example.com', NULL, NULL, NULL, NULL, NULL, NULL, NULL);
SELECT * FROM queued LIMIT 2;

-- A bad row does not fail the statement
INSERT INTO customers VALUES (3, 'nobody'), (4, 'cyd@example.com');
SELECT key, problem FROM queued LIMIT 2;
SET hubspot.on_invalid = 'error';
INSERT INTO customers VALUES (5, 'nobody');
RESET hubspot.on_invalid;
SELECT count(*) FROM customers;

-- Per row, some columns under other names
CREATE TRIGGER upd AFTER UPDATE ON customers FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.*)
	EXECUTE FUNCTION hubspot_trigger('identify', 'crm', '{"email": "email", "firstName": "first_name"}');
UPDATE customers SET first_name = 'Bobby' WHERE user_id = 2;
UPDATE customers SET first_name = 'Bobby' WHERE user_id = 2;
SELECT key, message FROM queued LIMIT 1;
SELECT count(*) FROM queued;

-- A mapping that does not fit any more
ALTER TABLE customers DROP COLUMN first_name;
UPDATE customers SET vip = false WHERE user_id = 1;
SELECT key, problem FROM queued LIMIT 1;
DROP TRIGGER upd ON customers;

-- The owner of the table needs the right, not who changes it
CREATE ROLE regress_business;
GRANT ALL ON customers TO regress_business;
SET ROLE regress_business;
INSERT INTO customers (user_id, email) VALUES (10, 'dan@example.com');
RESET ROLE;
SELECT key FROM queued LIMIT 1;

-- Misuse
CREATE TABLE wrong (email text);
CREATE TRIGGER t BEFORE INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('identify');
INSERT INTO wrong VALUES ('x@example.com');
DROP TRIGGER t ON wrong;
CREATE TRIGGER t AFTER INSERT ON wrong FOR EACH STATEMENT EXECUTE FUNCTION hubspot_trigger('identify');
INSERT INTO wrong VALUES ('x@example.com');
DROP TRIGGER t ON wrong;
CREATE TRIGGER t AFTER INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION hubspot_trigger();
INSERT INTO wrong VALUES ('x@example.com');
DROP TRIGGER t ON wrong;
CREATE TRIGGER t AFTER INSERT ON wrong FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('identify', '', '[1]');
INSERT INTO wrong VALUES ('x@example.com');
SELECT hubspot_trigger();

DROP TABLE customers, wrong CASCADE;
DROP VIEW queued;
DROP ROLE regress_business;
DROP EXTENSION hubspot CASCADE;
