-- hubspot_sync_preview: what a sync would do, before it is declared.
-- The worker has no token here; what HubSpot would have told is written into the tables.
CREATE EXTENSION hubspot;
\set SHOW_CONTEXT never
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile');
CREATE TYPE tier AS ENUM ('gold', 'silver', 'tin');
CREATE TABLE customers (id int PRIMARY KEY, email text, first_name text, tier tier, score numeric(6,2), vip boolean, born date, seen timestamptz, local timestamp,
	tags text[], code text, born_text text, made_up int, created_at timestamptz DEFAULT now());

-- Nothing is known yet, and the table is empty
SELECT item, name, detail FROM hubspot_sync_preview('customers', mapping => '{"email": "email", "plan": "tier"}');

INSERT INTO hubspot.schema SELECT oid, part, now(), true FROM pg_foreign_server, unnest('{contact,company,event}'::text[]) part;
INSERT INTO hubspot.property (server, object, name, type, field_type, label, is_unique, read_only, options)
	SELECT s.oid, p.object, p.name, p.type, p.field_type, p.name, false, p.name = 'createdate', p.options::jsonb
	FROM pg_foreign_server s, (VALUES ('contact', 'email', 'string', 'text', '[]'), ('contact', 'firstname', 'string', 'text', '[]'),
		('contact', 'tier', 'enumeration', 'select', '[{"value": "gold", "label": "Gold"}, {"value": "s", "label": "Silver"}]'),
		('contact', 'score', 'number', 'number', '[]'), ('contact', 'code', 'number', 'number', '[]'), ('contact', 'vip', 'bool', 'booleancheckbox', '[]'),
		('contact', 'born', 'date', 'date', '[]'), ('contact', 'seen', 'date', 'date', '[]'), ('contact', 'local', 'datetime', 'date', '[]'),
		('contact', 'tags', 'enumeration', 'checkbox', '[{"value": "a", "label": "A"}]'), ('contact', 'born_text', 'date', 'date', '[]'),
		('contact', 'createdate', 'datetime', 'date', '[]'), ('company', 'name', 'string', 'text', '[]'), ('company', 'domain', 'string', 'text', '[]'), ('company', 'website', 'string', 'text', '[]'))
		AS p(object, name, type, field_type, options);
INSERT INTO customers VALUES (1, 'Ada@example.com', 'Ada', 'gold', 1.50, true, '1815-12-10', '2026-01-02 03:04:05+00', '2026-01-02 03:04:05', '{a}', '12', '1815-12-10', 1),
	(2, 'nobody', 'Bob', 'tin', NULL, false, NULL, NULL, NULL, '{a,b}', 'x12', 'long ago', 2), (3, 'cyd@example.com', 'Cyd', 'silver', 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 3),
	(4, 'dan@example.com', 'Dan', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);

-- Every column, by its own name
SET timezone = 'UTC';
SELECT item, name, detail FROM hubspot_sync_preview('customers');
SELECT name, body FROM hubspot_sync_preview('customers') WHERE item IN ('source', 'column', 'sample', 'requests');

-- The SERVER's options count
ALTER SERVER crm OPTIONS (ADD time_zone 'Europe/Berlin', ADD create_properties 'on', ADD quota_share '0.5', ADD contact_id_property 'code');
INSERT INTO hubspot.rate_limit (server, lane, updated_at, burst_limit, daily_limit, state) SELECT oid, 'contacts', now(), 190, 1000, 'RUN' FROM pg_foreign_server;
SELECT item, name, detail FROM hubspot_sync_preview('customers', key => 'id', mapping => '{"code": "id", "seen": "seen", "new_one": "tier"}', mode => 'update');
SELECT item, name, detail FROM hubspot_sync_preview('SELECT ''id'' || i AS user_id FROM generate_series(1, 500000) i;', key => 'user_id', mapping => '{"code": "user_id"}')
	WHERE item IN ('source', 'requests', 'time');
ALTER SERVER crm OPTIONS (DROP time_zone, DROP create_properties, DROP quota_share, DROP contact_id_property);

-- Companies, events, associations
CREATE TABLE accounts (id int PRIMARY KEY, website text, name text);
INSERT INTO accounts VALUES (1, 'https://www.acme.com', 'Acme'), (2, 'gmail.com', 'Nobody');
SELECT item, name, detail, body FROM hubspot_sync_preview('accounts', 'company', mapping => '{"website": "website", "name": "name"}', mode => 'mirror') WHERE item <> 'column';
SELECT item, name, detail FROM hubspot_sync_preview('SELECT * FROM customers', 'event', event => 'Tier Reached', key => 'id', mapping => '{"email": "email", "tier": "tier", "timestamp": "seen"}') WHERE item <> 'sample';
INSERT INTO hubspot.event_definition SELECT oid, 'tier_reached', 'pe1_tier_reached', 'Tier Reached', '[{"name": "tier", "type": "string"}]' FROM pg_foreign_server;
SELECT item, name, detail, body->'inputs'->0->'properties' AS properties FROM hubspot_sync_preview('customers', 'event', event => 'Tier Reached',
	mapping => '{"email": "email", "tier": "tier", "score": "score", "timestamp": "seen"}');
SELECT item, name, detail, body FROM hubspot_sync_preview('SELECT email, ''acme.com'' AS domain FROM customers', 'association', mapping => '{"contact": "email", "company": "domain"}');

-- Audiences
SELECT item, name, detail, body FROM hubspot_audience_preview('SELECT email FROM customers UNION ALL SELECT NULL UNION ALL SELECT ''u1'' UNION ALL SELECT ''x@'';', property => 'vip');
SELECT item, name, detail, body FROM hubspot_audience_preview('SELECT email FROM customers WHERE id = 1', outputs => '{property,event,list}', property => 'at_risk', list => 'At risk');
SELECT item, name, detail, body FROM hubspot_audience_preview('SELECT website FROM accounts', 'account', property => 'name');
INSERT INTO hubspot.company_contact (pair_hash, server, company, contact) VALUES (1, 'crm', 'acme.com', 'ada@example.com'), (2, 'crm', 'acme.com', 'cyd@example.com');
SELECT item, name, detail, body FROM hubspot_audience_preview('SELECT website FROM accounts', 'account_users', property => 'vip');
SELECT hubspot_audience_preview('SELECT 1', property => NULL);
SELECT hubspot_audience_preview('SELECT 1', outputs => '{mail}', property => 'vip');
SELECT hubspot_audience_preview('SELECT 1', 'team', property => 'vip');
SELECT hubspot_audience_preview('SELECT 1/0', property => 'vip');
SELECT hubspot_audience(repeat('x', 201), 'SELECT 1');
SELECT hubspot_sync(repeat('x', 201), 'SELECT 1');

-- A role without rights on the extension's tables
CREATE ROLE regress_previewer;
GRANT SELECT ON accounts TO regress_previewer;
SET ROLE regress_previewer;
SELECT count(*) FROM hubspot_sync_preview('accounts', 'company');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER crm TO regress_previewer;
SET ROLE regress_previewer;
SELECT item, count(*) FROM hubspot_sync_preview('accounts', 'company') GROUP BY item ORDER BY item;
SELECT item, count(*) FROM hubspot_audience_preview('SELECT name || ''@example.com'' FROM accounts', property => 'vip') GROUP BY item ORDER BY item;
SELECT count(*) FROM hubspot_audience_preview('SELECT email FROM customers', property => 'vip');
SELECT count(*) FROM hubspot_sync_preview('customers');
SELECT count(*) FROM hubspot_sync_preview('SELECT id FROM hubspot.outbox');
RESET ROLE;

-- Names are the caller's
CREATE SCHEMA elsewhere;
CREATE TABLE elsewhere.customers (email text);
SET search_path = elsewhere, public;
SELECT detail FROM hubspot_sync_preview('customers') WHERE item = 'source';
RESET search_path;

-- A column may be the caller's without the others
REVOKE SELECT ON accounts FROM regress_previewer;
GRANT SELECT (id, website) ON accounts TO regress_previewer;
SET ROLE regress_previewer;
SELECT item, name, detail FROM hubspot_sync_preview('public.accounts', 'company', mapping => '{"website": "website"}') WHERE item IN ('source', 'sample');
SELECT count(*) FROM hubspot_sync_preview('public.accounts', 'company', mapping => '{"website": "website", "name": "name"}');
RESET ROLE;

-- What is no good
SELECT hubspot_sync_preview(NULL);
SELECT hubspot_sync_preview('nothing');
SELECT hubspot_sync_preview('SELECT 1/0 AS email');
SELECT hubspot_sync_preview('DELETE FROM customers RETURNING email');
SELECT hubspot_sync_preview('customers', 'deal');
SELECT hubspot_sync_preview('customers', mode => 'replace');
SELECT hubspot_sync_preview('customers', deletes => 'drop');
SELECT hubspot_sync_preview('customers', key => 'nothing');
SELECT hubspot_sync_preview('customers', mapping => '{"plan": "nothing"}');
SELECT hubspot_sync_preview('customers', mapping => '["plan"]');
SELECT hubspot_sync_preview('accounts');
SELECT hubspot_sync_preview('customers', 'event');

-- Nothing was written
SELECT count(*) FROM hubspot.outbox;
BEGIN READ ONLY;
SELECT count(*) > 0 AS shown FROM hubspot_sync_preview('customers');
SELECT pg_current_xact_id_if_assigned();
COMMIT;

DROP SCHEMA elsewhere CASCADE;
DROP TABLE customers, accounts;
DROP TYPE tier CASCADE;
DROP OWNED BY regress_previewer;
DROP ROLE regress_previewer;
DROP EXTENSION hubspot CASCADE;
