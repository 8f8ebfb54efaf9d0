-- hubspot_sync: what it refuses, what it writes down, what its triggers queue.
CREATE EXTENSION hubspot;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile');
CREATE TABLE customers (id int PRIMARY KEY, mail text, first_name text, plan text, seen timestamptz, doc json, score numeric);
CREATE VIEW queued AS SELECT call, object, key_property, key, source, mode, problem, message FROM hubspot.outbox ORDER BY id;
CREATE VIEW declared AS SELECT name, owner, server, object, relation::regclass, source, search_path, follows, key_column, columns, mode, deletes, event, every, held
	FROM hubspot.sync ORDER BY id;
CREATE FUNCTION forget() RETURNS void LANGUAGE sql AS 'TRUNCATE hubspot.outbox';

-- Arguments
SELECT hubspot_sync(NULL, 'customers');
SELECT hubspot_sync('', 'customers');
SELECT hubspot_sync('c', NULL);
SELECT hubspot_sync('c', 'nothing');
SELECT hubspot_sync('c', 'customers', object => 'deal', backfill => false);
SELECT hubspot_sync('c', 'customers', mode => 'replace', backfill => false);
SELECT hubspot_sync('c', 'customers', deletes => 'drop', backfill => false);
SELECT hubspot_sync('c', 'customers', max_shrink => 1.5, backfill => false);
SELECT hubspot_sync('c', 'customers', every => '10 ms');
SELECT hubspot_sync('c', 'customers', every => '200000 years');
SELECT hubspot_sync('c', 'customers', timeout => '0', backfill => false);
SELECT hubspot_sync('c', 'customers', server => 'other', backfill => false);
SELECT hubspot_sync('c', 'customers', mapping => '[1]', backfill => false);
SELECT hubspot_sync('c', 'customers', mapping => '{"email": 1}', backfill => false);
SELECT hubspot_sync('c', 'customers', mapping => '{"email": "nothing"}', backfill => false);
SELECT hubspot_sync('c', 'customers', key => 'nothing', backfill => false);
SELECT hubspot_sync('c', 'customers', backfill => false);
SELECT hubspot_sync('c', 'customers', object => 'event', backfill => false);
SELECT hubspot_sync('c', 'customers', event => 'Signed Up', backfill => false);
SELECT hubspot_sync('c', 'customers', object => 'event', event => 'Signed Up', mode => 'mirror');
SELECT hubspot_sync('c', 'customers', object => 'event', event => 'Signed Up', deletes => 'clear', backfill => false);
SELECT hubspot_sync('c', 'customers', object => 'event', event => 'Signed Up', backfill => false);
SELECT hubspot_sync('c', 'customers', object => 'event', event => 'Signed Up', key => 'mail', mapping => '{"email": "mail"}', backfill => false);
SELECT hubspot_sync('c', 'customers', object => 'association', mapping => '{"contact": "mail"}', backfill => false);
SELECT hubspot_sync('c', 'customers', object => 'association', mapping => '{"contact": "mail", "company": "plan", "label": "first_name"}', backfill => false);
SELECT hubspot_sync('c', 'customers', object => 'company', key => 'plan', mapping => '{"name": "plan"}', backfill => false);
SELECT hubspot_sync('c', 'customers', mapping => '{"email": "mail"}', mode => 'mirror', deletes => 'clear');

-- Queries are analysed, not run
SELECT hubspot_sync('c', 'SELECT 1/0 AS email, 2 AS email', mapping => '{"email": "email"}');
SELECT hubspot_sync('c', 'SELECT mail FROM nothing');
SELECT hubspot_sync('c', 'SELECT 1 AS email) q; DROP TABLE customers; SELECT * FROM (SELECT 1');
SELECT hubspot_sync('c', 'WITH gone AS (DELETE FROM customers RETURNING mail) SELECT mail AS email FROM gone');
SELECT hubspot_sync('q', ' /* all */ select mail AS email, 1 / (length(mail) - length(mail)) AS plan FROM customers; ', every => '1 hour');
SELECT hubspot_sync('m', 'customers', mapping => '{"email": "mail"}', mode => 'mirror');

-- What cannot be a source
CREATE TEMP TABLE passing (email text);
SELECT hubspot_sync('c', 'passing');
CREATE SEQUENCE number;
SELECT hubspot_sync('c', 'number');
CREATE TABLE parts (email text) PARTITION BY LIST (email);
CREATE TABLE part PARTITION OF parts DEFAULT;
SELECT hubspot_sync('c', 'part');

-- What is written down
SELECT hubspot_sync('c', 'customers', mapping => '{"email": "mail", "firstname": "first_name", "plan": "plan"}', backfill => false);
SELECT hubspot_sync('parts', 'public.parts', every => '1 hour', backfill => false);
SELECT * FROM declared \gx
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'hubspot%' ORDER BY 1, 2;

-- Changes of a table
INSERT INTO customers (id, mail, first_name, plan) VALUES (1, 'Ada@example.com', 'Ada', 'pro'), (2, NULL, 'Nobody', 'pro'), (3, '', 'Nobody', 'pro'), (4, 'no address', 'Bad', 'pro');
UPDATE customers SET seen = now();
UPDATE customers SET plan = 'team' WHERE id = 1;
UPDATE customers SET mail = 'countess@example.com' WHERE id = 1;
INSERT INTO customers VALUES (1, 'ada@example.com', 'Ada', 'free') ON CONFLICT (id) DO UPDATE SET plan = EXCLUDED.plan;
DELETE FROM customers WHERE id = 1;
TRUNCATE customers;
INSERT INTO parts VALUES ('part@example.com');
SELECT * FROM queued;
SELECT forget();

-- Deletes and changed keys; conversions that fail; modes
SELECT hubspot_sync('c', 'customers', mapping => '{"email": "mail", "plan": "plan", "doc": "doc", "score": "score"}', deletes => 'archive', mode => 'update', backfill => false);
INSERT INTO customers VALUES (1, 'ada@example.com', 'Ada', 'pro', now(), '{"x": "\u0000"}', 12.50), (2, 'bob@example.com', 'Bob', 'pro', now(), '{"x": 1}', 'NaN');
UPDATE customers SET mail = 'bobby@example.com' WHERE id = 2;
DELETE FROM customers WHERE id = 2;
TRUNCATE customers;
SELECT * FROM queued;
SELECT forget();
SELECT hubspot_sync('c', 'customers', mapping => '{"email": "mail", "plan": "plan"}', deletes => 'clear', backfill => false);
INSERT INTO customers VALUES (1, 'ada@example.com', 'Ada', 'pro');
DELETE FROM customers;
SELECT * FROM queued;
SELECT forget();

-- Columns: renamed, of another type, dropped; the key's
INSERT INTO customers VALUES (1, 'ada@example.com', 'Ada', '7');
ALTER TABLE customers RENAME COLUMN mail TO address;
UPDATE customers SET plan = 8;
ALTER TABLE customers ALTER COLUMN plan TYPE int USING plan::int;
UPDATE customers SET plan = 9;
SELECT hubspot.sync_problem(id) FROM hubspot.sync WHERE name = 'c';
ALTER TABLE customers DROP COLUMN plan;
SELECT hubspot.sync_problem(id) FROM hubspot.sync WHERE name = 'c';
INSERT INTO customers VALUES (2, 'bob@example.com', 'Bob');
ALTER TABLE customers DROP COLUMN address;
INSERT INTO customers VALUES (3, 'Cyd');
SELECT problem, remedy FROM hubspot_health() WHERE problem LIKE 'sync "c"%';
SELECT * FROM queued;
SELECT forget();

-- Other objects
CREATE TABLE orders (id int PRIMARY KEY, mail text, at timestamptz, total numeric(10,2));
CREATE TABLE accounts (site text, name text, mail text, staff int);
SELECT hubspot_sync('orders', 'orders', object => 'event', event => 'Order Completed', mapping => '{"email": "mail", "timestamp": "at", "total": "total"}', backfill => false);
SELECT hubspot_sync('accounts', 'accounts', object => 'company', mapping => '{"website": "site", "name": "name"}', deletes => 'archive', backfill => false);
SELECT hubspot_sync('staff', 'accounts', object => 'association', mapping => '{"contact": "mail", "company": "site"}', backfill => false);
INSERT INTO orders VALUES (7, 'ada@example.com', '2026-01-02 03:04:05+00', 12.50);
UPDATE orders SET total = 1;
INSERT INTO accounts VALUES ('https://www.acme.com', 'Acme', 'ada@example.com', 1), ('https://beta.example', 'Beta', NULL, 2);
DELETE FROM accounts WHERE name = 'Beta';
SELECT * FROM queued;
SELECT forget();
ALTER SERVER crm OPTIONS (ADD contact_id_property 'user_id', ADD company_id_property 'account_id');
CREATE TABLE users (id int PRIMARY KEY, mail text);
SELECT hubspot_sync('users', 'users', mapping => '{"user_id": "id", "email": "mail"}', deletes => 'clear', backfill => false);
SELECT hubspot_sync('accounts', 'accounts', object => 'company', key => 'name', mapping => '{"account_id": "name", "domain": "site"}', deletes => 'archive', backfill => false);
INSERT INTO users VALUES (5, 'ada@example.com');
DELETE FROM users;
DELETE FROM accounts;
SELECT * FROM queued;
SELECT forget();

-- Rights
CREATE ROLE regress_owner;
CREATE ROLE regress_other;
CREATE ROLE regress_business;
GRANT CREATE ON SCHEMA public TO regress_owner;
SET ROLE regress_owner;
CREATE TABLE mine (email text, plan text);
GRANT ALL ON mine TO regress_business;
SELECT hubspot_sync('mine', 'mine', backfill => false);
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER crm TO regress_owner, regress_other;
SET ROLE regress_other;
SELECT hubspot_sync('mine', 'mine', backfill => false);
SELECT hubspot_sync('mine', 'SELECT * FROM mine', every => '1 hour');
SET ROLE regress_owner;
SELECT hubspot_sync('mine', 'mine', backfill => false);
SELECT hubspot_sync('mine', 'mine', backfill => false);
SET ROLE regress_other;
SELECT hubspot_drop_sync('mine');
SET ROLE regress_business;
INSERT INTO mine VALUES ('ada@example.com', 'pro');
RESET ROLE;
REVOKE USAGE ON FOREIGN SERVER crm FROM regress_owner;
INSERT INTO mine VALUES ('bob@example.com', 'pro');
SELECT state, problem FROM hubspot.syncs WHERE name = 'mine';
GRANT USAGE ON FOREIGN SERVER crm TO regress_owner;
INSERT INTO mine VALUES ('cyd@example.com', 'pro');
SELECT key FROM queued;
SELECT forget();

ALTER TABLE mine DISABLE TRIGGER hubspot_sync_update_mine;
SELECT problem FROM hubspot.syncs WHERE name = 'mine';
ALTER TABLE mine ENABLE TRIGGER hubspot_sync_update_mine;
SELECT problem FROM hubspot.syncs WHERE name = 'mine';
CREATE TABLE gone (email text);
SELECT hubspot_sync('gone', 'gone', backfill => false);
DROP TABLE gone;
SELECT problem FROM hubspot.syncs WHERE name = 'gone';

-- A trigger on another table, by hand; a trigger that was left behind
CREATE TABLE theirs (email text, plan text);
CREATE TRIGGER t AFTER INSERT ON theirs REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION hubspot_sync_trigger('mine');
INSERT INTO theirs VALUES ('eve@example.com', 'pro');
CREATE TRIGGER u BEFORE INSERT ON theirs FOR EACH ROW EXECUTE FUNCTION hubspot_sync_trigger('mine');
INSERT INTO theirs VALUES ('eve@example.com', 'pro');
SELECT hubspot_sync_trigger();
DROP TRIGGER u ON theirs;
GRANT SELECT, TRIGGER ON theirs TO regress_owner;
SET ROLE regress_owner;
SELECT hubspot_sync('theirs', 'theirs', backfill => false);
SELECT hubspot_drop_sync('theirs');
RESET ROLE;
INSERT INTO theirs VALUES ('eve@example.com', 'pro');
SELECT * FROM queued;

-- What is rolled back is forgotten
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM theirs;
SELECT hubspot_sync('late', 'theirs', backfill => false);
INSERT INTO theirs VALUES ('late@example.com', 'pro');
SELECT key FROM queued;
ROLLBACK;
INSERT INTO theirs VALUES ('late@example.com', 'pro');
SELECT key FROM queued;

-- One name is of one kind; what is dropped is gone
SELECT hubspot_drop_sync('nothing');
SELECT hubspot_drop_sync(name) FROM hubspot.sync;
SELECT count(*) FROM hubspot.sync_state;
SELECT tgrelid::regclass, tgname FROM pg_trigger WHERE NOT tgisinternal AND tgname LIKE 'hubspot%' ORDER BY 1, 2;

DROP TABLE customers, parts, passing, orders, accounts, users, mine, theirs CASCADE;
DROP SEQUENCE number;
DROP VIEW queued, declared;
DROP FUNCTION forget();
REVOKE ALL ON FOREIGN SERVER crm FROM regress_owner, regress_other;
REVOKE ALL ON SCHEMA public FROM regress_owner;
DROP ROLE regress_owner;
DROP ROLE regress_other;
DROP ROLE regress_business;
\set VERBOSITY terse
DROP EXTENSION hubspot CASCADE;
