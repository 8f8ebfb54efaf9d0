-- hubspot_sync_schema: what the tables of a schema could be in HubSpot, as statements.
-- The worker has no token here; what HubSpot would have told is written into the tables.
CREATE EXTENSION hubspot;
\set SHOW_CONTEXT never
SET timezone = 'UTC';
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile');
CREATE SCHEMA app;
CREATE TYPE app.tier AS ENUM ('free', 'pro');
CREATE TABLE app.accounts (id uuid PRIMARY KEY, name text NOT NULL, website text, tier app.tier, headcount int, iban text, created_at timestamptz);
CREATE TABLE app.users (id uuid PRIMARY KEY, email text NOT NULL UNIQUE, first_name text, last_name text, password_hash text, plan text, settings jsonb, vip boolean,
	initials text GENERATED ALWAYS AS (left(first_name, 1) || left(last_name, 1)) STORED, account_id uuid REFERENCES app.accounts, created_at timestamptz);
CREATE TABLE app.memberships (user_id uuid REFERENCES app.users, account_id uuid REFERENCES app.accounts, role text, PRIMARY KEY (user_id, account_id));
CREATE TABLE app.page_visits (id bigint GENERATED ALWAYS AS IDENTITY, user_id uuid REFERENCES app.users, path text, seconds int, "User-Agent" text, visited_at timestamptz, PRIMARY KEY (id, visited_at))
	PARTITION BY RANGE (visited_at);
CREATE TABLE app.page_visits_2026 PARTITION OF app.page_visits FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE app.audit_log (at timestamptz, what text);
CREATE TABLE app.user_settings (user_id uuid REFERENCES app.users PRIMARY KEY, colour text);
CREATE TABLE app."Newsletter Sign-ups" ("E-Mail" text, "when" date);
CREATE TABLE app.vendors (country text, number int, name text, PRIMARY KEY (country, number));
CREATE TABLE app.invitations (id int PRIMARY KEY, email text, account_id uuid REFERENCES app.accounts);
CREATE TABLE app.customers (id int PRIMARY KEY, phone text);
CREATE VIEW app.paying_users AS SELECT email, plan FROM app.users;

-- Nothing is known of HubSpot's properties
INSERT INTO hubspot.schema SELECT oid, part, now(), false FROM pg_foreign_server, unnest('{contact,company,event}'::text[]) part;
INSERT INTO hubspot.reading (server, reading, subject, read_at, known) SELECT oid, 'objects', '', now(), true FROM pg_foreign_server;
SELECT what, statement, remark FROM hubspot_sync_schema('app');

-- HubSpot has told
UPDATE hubspot.schema SET known = true;
INSERT INTO hubspot.property (server, object, name, type, field_type, label, is_unique, read_only, options)
	SELECT s.oid, p.object, p.name, p.type, p.field_type, p.name, false, false, '[]'
	FROM pg_foreign_server s, (VALUES ('contact', 'email', 'string', 'text'), ('contact', 'firstname', 'string', 'text'), ('contact', 'lastname', 'string', 'text'),
		('company', 'name', 'string', 'text'), ('company', 'domain', 'string', 'text'), ('company', 'numberofemployees', 'number', 'number')) AS p(object, name, type, field_type);
SELECT ordinal, what, name, statement, remark FROM hubspot_sync_schema('app');

-- What it does not do, and whom it refuses
SELECT hubspot_sync_schema(NULL);
SELECT hubspot_sync_schema('nothing');
SELECT hubspot_sync_schema('app', server => 'other');
SELECT hubspot_sync_schema('app', deletes => 'remove');
CREATE ROLE regress_proposal_reader;
GRANT regress_proposal_reader TO CURRENT_USER;
SET ROLE regress_proposal_reader;
SELECT hubspot_sync_schema('app');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER crm TO regress_proposal_reader;
SET ROLE regress_proposal_reader;
SELECT hubspot_sync_schema('app');
RESET ROLE;
GRANT USAGE ON SCHEMA app TO regress_proposal_reader;
GRANT SELECT (id, email, first_name), TRIGGER ON app.users TO regress_proposal_reader;
SET ROLE regress_proposal_reader;
SELECT what, statement, remark FROM hubspot_sync_schema('app') WHERE name = 'app.users';
RESET ROLE;

-- The statements can be run as they are printed, in their order
BEGIN;
SELECT statement FROM hubspot_sync_schema('app', deletes => 'ignore') WHERE statement IS NOT NULL \gexec
SELECT name, object, relation::regclass, key_column, deletes FROM hubspot.sync ORDER BY id;
ROLLBACK;

-- All or nothing: the last statement is an error, as somebody else has the name
BEGIN;
SELECT hubspot_sync('page_visits', 'app.users', backfill => false, create_in_hubspot => NULL);
UPDATE hubspot.sync SET kind = 'trait';
SAVEPOINT before;
SELECT hubspot_sync_schema('app', dry_run => false);
ROLLBACK TO before;
SELECT count(*) FROM hubspot.sync;
ROLLBACK;
SELECT ordinal, what, name, remark FROM hubspot_sync_schema('app', dry_run => false) WHERE statement IS NOT NULL;
SELECT name, object, relation::regclass, key_column, columns, deletes FROM hubspot.sync ORDER BY id;
SELECT ordinal, what, name, statement, remark FROM hubspot_sync_schema('app');

-- Views, as compared syncs; and tables in a circle of references
CREATE SCHEMA odd;
CREATE TABLE odd."tblOrganisation" ("orgId" int PRIMARY KEY, "displayName" text, "billingContact" int);
CREATE TABLE odd.person (id int PRIMARY KEY, mail text, org int REFERENCES odd."tblOrganisation");
ALTER TABLE odd."tblOrganisation" ADD FOREIGN KEY ("billingContact") REFERENCES odd.person;
CREATE VIEW odd.leads AS SELECT mail AS email, 'x' AS source FROM odd.person;
SELECT ordinal, what, name, statement, remark FROM hubspot_sync_schema('odd', views => true);

-- Deals, tickets, products, a custom object; what HubSpot associates with nothing, and what one object has twice
CREATE SCHEMA sales;
CREATE TABLE sales.accounts (id uuid PRIMARY KEY, name text NOT NULL, website text, owner_email text);
CREATE TABLE sales.users (id uuid PRIMARY KEY, email text UNIQUE);
CREATE TABLE sales.subscriptions (id uuid PRIMARY KEY, account_id uuid REFERENCES sales.accounts, buyer uuid REFERENCES sales.users, seller uuid REFERENCES sales.users,
	title text, status text, amount numeric, owner text, closed_at timestamptz);
CREATE TABLE sales.opportunities (id int PRIMARY KEY, name text);
CREATE TABLE sales.support_tickets (id uuid PRIMARY KEY, user_id uuid REFERENCES sales.users, subject text, body text, status text, priority text);
CREATE TABLE sales.vehicles (id uuid PRIMARY KEY, account_id uuid REFERENCES sales.accounts, user_id uuid REFERENCES sales.users, model text);
CREATE TABLE sales.products (id int PRIMARY KEY, name text, price numeric, sku text);
CREATE TABLE sales.line_items (id int PRIMARY KEY, subscription_id uuid REFERENCES sales.subscriptions, product_id int REFERENCES sales.products, quantity int);
CREATE TABLE sales.subscription_users (subscription_id uuid REFERENCES sales.subscriptions, user_id uuid REFERENCES sales.users, role text, PRIMARY KEY (subscription_id, user_id));
INSERT INTO hubspot.schema SELECT oid, part, now(), false FROM pg_foreign_server, unnest('{deal,ticket,product,line_item,2-77}'::text[]) part;
INSERT INTO hubspot.object SELECT oid, '2-77', 'vehicle', 'p1_vehicle', 'Vehicle', 'Vehicles', '{}', '{}', '{}', 'model', 'g', '[{"from": "2-77", "to": "0-2", "name": "x"}]', now() FROM pg_foreign_server;
SELECT what, name, statement, remark FROM hubspot_sync_schema('sales');
BEGIN;
SELECT count(*) FROM hubspot_sync_schema('sales', dry_run => false);
SELECT name, object, key_column, (SELECT string_agg(c.property || '=' || c.association, ' ' ORDER BY c.property) FROM jsonb_to_recordset(columns) AS c(property text, association text) WHERE c.association IS NOT NULL) AS associations
	FROM hubspot.sync WHERE relation::regclass::text LIKE 'sales.%' ORDER BY id;
ROLLBACK;
CREATE SCHEMA bare;
SELECT * FROM hubspot_sync_schema('bare');
DROP OWNED BY regress_proposal_reader;
DROP ROLE regress_proposal_reader;
\set VERBOSITY terse
DROP EXTENSION hubspot CASCADE;
DROP SCHEMA app CASCADE;
DROP SCHEMA odd CASCADE;
DROP SCHEMA sales CASCADE;
DROP SCHEMA bare;
