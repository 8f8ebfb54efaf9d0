-- Values that are chosen from a list of HubSpot's own: owners, pipelines and their stages.
-- The worker has no token here: what HubSpot has told stands in the tables already.
CREATE EXTENSION hubspot;
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile');
INSERT INTO hubspot.schema SELECT s.oid, p.part, now(), true FROM pg_foreign_server s, unnest('{contact,company}'::text[]) AS p(part);
INSERT INTO hubspot.property (server, object, name, type, field_type, label, is_unique, read_only, options, is_external, refers_to)
SELECT s.oid, p.object, p.name, p.type, p.field_type, p.name, false, false, p.options, p.is_external, p.refers_to
FROM pg_foreign_server s, (VALUES
	('contact', 'firstname', 'string', 'text', '[]'::jsonb, false, ''),
	('contact', 'hubspot_owner_id', 'enumeration', 'select', '[]', true, 'OWNER'),
	('contact', 'helpers', 'enumeration', 'checkbox', '[]', true, 'OWNER'),
	('contact', 'second_owner_id', 'enumeration', 'select', '[]', true, ''),
	('contact', 'region', 'enumeration', 'select', '[{"value": "1", "label": "North"}]', true, ''),
	('contact', 'owner_id', 'enumeration', 'select', '[{"value": "1", "label": "North"}]', false, ''),
	('company', 'name', 'string', 'text', '[]', false, ''),
	('company', 'owner', 'string', 'text', '[]', false, ''),
	('company', 'hubspot_owner_id', 'enumeration', 'select', '[]', true, 'OWNER'))
	AS p(object, name, type, field_type, options, is_external, refers_to);

-- What a contact's traits become
CREATE FUNCTION sent(traits jsonb, OUT properties jsonb, OUT warnings text) LANGUAGE sql AS $$
	SELECT e.body #> '{inputs,0,properties}',
		(SELECT string_agg(format('%s: %s: %s', w->>'property', w->>'code', w->>'detail'), E'\n') FROM jsonb_array_elements(e.warnings) w)
	FROM hubspot_explain('identify', jsonb_build_object('userId', 'a@example.com', 'traits', traits)) e
$$;

-- Not read yet: an id goes as it is, of all else it is said
SELECT * FROM sent('{"hubspot_owner_id": "101", "second_owner_id": "eve@example.com"}');

-- The token may not read them
INSERT INTO hubspot.reading (server, reading, subject, read_at, known) SELECT oid, 'owners', '', now(), false FROM pg_foreign_server;
SELECT * FROM sent('{"hubspot_owner_id": 101, "second_owner_id": "eve@example.com"}');

-- Read
UPDATE hubspot.reading SET known = true;
INSERT INTO hubspot.owner SELECT s.oid, o.id, o.email, o.name, 'PERSON', '{}', o.archived, now()
FROM pg_foreign_server s, (VALUES
	('101', 'Eve@Example.com', 'Eve Moneypenny', false),
	('102', 'bill@example.com', 'Bill Tanner', false),
	('103', 'bill2@example.com', 'Bill  tanner', false),
	('104', 'gone@example.com', 'Alec Trevelyan', true),
	('105', 'back@example.com', 'James Bond', true),
	('106', 'back@example.com', 'James Bond', false),
	('107', NULL, 'Queue', false),
	('108', 'q@example.com', NULL, false)) AS o(id, email, name, archived);
SELECT v.value, (s).properties->>'hubspot_owner_id' AS owner, (s).warnings
FROM (VALUES ('"101"'), ('101'), ('"eve@example.com"'), ('" EVE moneypenny "'), ('"Bill Tanner"'), ('"gone@example.com"'), ('"104"'),
	('"James Bond"'), ('"back@example.com"'), ('"queue"'), ('"nobody@example.com"'), ('"No One"'), ('"999"'), ('true'), ('["101"]'), ('{"id": "101"}'),
	('null'), ('""'), ('"   "')) AS v(value), sent(jsonb_build_object('hubspot_owner_id', v.value::jsonb)) s;

-- Several; whatever the property is called; the word "owner"; two of them
SELECT * FROM sent('{"helpers": ["eve@example.com", "102", "Nobody"], "second_owner_id": "James Bond"}');
SELECT * FROM sent('{"helpers": "Eve Moneypenny; q@example.com;101"}');
SELECT * FROM sent('{"helpers": ";q@example.com"}');
SELECT * FROM sent('{"helpers": ["Nobody", "Else"], "firstname": "x"}');
SELECT * FROM sent('{"Owner": "eve@example.com"}');
SELECT * FROM sent('{"owner": "eve@example.com", "hubspot_owner_id": "102"}');
SELECT p->>'property' AS property, p->>'value' AS value, p->>'trait' AS trait, p->>'rule' AS rule
FROM hubspot_explain('identify', '{"email": "a@example.com", "Owner": "eve@example.com"}'), jsonb_array_elements(properties) p;
SELECT hubspot_map('account_manager', 'hubspot_owner_id');
SELECT * FROM sent('{"account_manager": "q@example.com"}');

-- A property of the account's own of that name is meant
SELECT body #> '{inputs,0,properties}' AS properties, warnings
FROM hubspot_explain('group', '{"groupId": "example.com", "traits": {"name": "X", "owner": "eve@example.com", "domain": "example.com"}}');

-- Of options that HubSpot has elsewhere, those that it shows are a help; of others they are all there are
SELECT * FROM sent('{"region": "north", "owner_id": "north"}');
SELECT * FROM sent('{"region": "South", "owner_id": "South"}');

DROP EXTENSION hubspot CASCADE;
