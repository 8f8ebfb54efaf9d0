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

-- The spaces that fill up a char(n) are no part of its text
CREATE TABLE padded (user_id char(20), email char(40), code char(8), empty char(3));
CREATE TRIGGER ins AFTER INSERT ON padded REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION hubspot_trigger('identify');
INSERT INTO padded VALUES ('u1', 'padded@example.com', ' a b', '');
SELECT key, message FROM queued LIMIT 1;
DROP TABLE padded;

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

-- Who creates a trigger needs USAGE himself, or all rights of the table's owner
CREATE SERVER theirs FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile');
CREATE ROLE regress_creator;
CREATE ROLE regress_table_owner;
GRANT USAGE ON FOREIGN SERVER crm, theirs TO regress_table_owner;
GRANT USAGE ON FOREIGN SERVER theirs TO regress_creator;
CREATE TABLE shop (email text);
ALTER TABLE shop OWNER TO regress_table_owner;
GRANT INSERT, TRIGGER ON shop TO regress_creator;
SET ROLE regress_creator;
CREATE TRIGGER t AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('delete', 'crm');
CREATE CONSTRAINT TRIGGER t AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('delete', 'crm');
CREATE TRIGGER t AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('delete');
CREATE TRIGGER t AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('delete', '', '', '1 day');
CREATE TRIGGER t AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('delete', 'to come');
CREATE TRIGGER t AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('identify', 'theirs');
CREATE OR REPLACE TRIGGER t AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
RESET ROLE;
INSERT INTO shop VALUES ('eve@example.com');
SELECT tgname, encode(tgargs, 'escape') FROM pg_trigger WHERE tgrelid = 'shop'::regclass;
SELECT s.srvname, o.call, o.key FROM hubspot.outbox o JOIN pg_foreign_server s ON s.oid = o.server ORDER BY o.id DESC LIMIT 1;
DROP TRIGGER t ON shop;

-- The owner may; then no user's setting chooses among his accounts, but the administrator's does
SET ROLE regress_table_owner;
CREATE TRIGGER t AFTER INSERT ON shop FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('identify');
SET ROLE regress_creator;
SET hubspot.server = 'crm';
INSERT INTO shop VALUES ('fay@example.com');
SET hubspot.server = 'theirs';
INSERT INTO shop VALUES ('fay@example.com');
RESET ROLE;
RESET hubspot.server;
ALTER DATABASE contrib_regression SET hubspot.server = 'crm';
\c -
SET ROLE regress_creator;
INSERT INTO shop VALUES ('gil@example.com');
RESET ROLE;
ALTER DATABASE contrib_regression RESET hubspot.server;
\c -
SELECT s.srvname, o.key FROM hubspot.outbox o JOIN pg_foreign_server s ON s.oid = o.server ORDER BY o.id DESC LIMIT 2;

-- Partitions get copies of a trigger that was checked
CREATE TABLE parted (email text) PARTITION BY LIST (email);
CREATE TRIGGER t AFTER INSERT ON parted FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
ALTER TABLE parted OWNER TO regress_creator;
GRANT CREATE ON SCHEMA public TO regress_creator;
SET ROLE regress_creator;
CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
INSERT INTO parted VALUES ('hal@example.com');
RESET ROLE;
DROP TABLE shop, parted;
DROP SERVER theirs;

-- and lend their owner's USAGE to no owner of the trigger's table: at no depth, whether created or attached
SET ROLE regress_creator;
CREATE TABLE parted (id int, email text) PARTITION BY LIST (id);
CREATE TRIGGER by_name AFTER INSERT OR UPDATE ON parted FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('delete');
RESET ROLE;
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1);
CREATE TABLE parted_2 (id int, email text);
ALTER TABLE parted_2 OWNER TO regress_table_owner;
ALTER TABLE parted ATTACH PARTITION parted_2 FOR VALUES IN (2);
CREATE TABLE parted_3 PARTITION OF parted FOR VALUES IN (3) PARTITION BY LIST (email);
CREATE TABLE parted_3_1 PARTITION OF parted_3 DEFAULT;
SET ROLE regress_creator;
INSERT INTO parted VALUES (1, 'created@example.com');
INSERT INTO parted VALUES (2, 'attached@example.com');
INSERT INTO parted VALUES (3, 'below@example.com');
RESET ROLE;
SELECT count(*) FROM hubspot.outbox WHERE call = 'delete';
-- who has it himself gets on, where the partition's owner has it, too
ALTER TABLE parted OWNER TO regress_table_owner;
INSERT INTO parted VALUES (1, 'created@example.com'), (2, 'attached@example.com'), (3, 'below@example.com');
ALTER TABLE parted_1 OWNER TO regress_creator;
INSERT INTO parted VALUES (1, 'again@example.com');
SELECT count(*) FROM hubspot.outbox WHERE call = 'delete';
-- what was a partition has no trigger any more
ALTER TABLE parted DETACH PARTITION parted_2;
SELECT count(*) FROM pg_trigger WHERE tgrelid = 'parted_2'::regclass;
DROP TABLE parted, parted_2;
REVOKE CREATE ON SCHEMA public FROM regress_creator;
DROP OWNED BY regress_table_owner, regress_creator;
DROP ROLE regress_creator, regress_table_owner;

DROP TABLE customers, wrong CASCADE;
DROP VIEW queued;
DROP ROLE regress_business;
DROP EXTENSION hubspot CASCADE;
