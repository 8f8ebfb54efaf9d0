-- Calls about records of any type: arguments, messages, what they would send.
CREATE EXTENSION hubspot;
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (id_properties 'deal=order_ref, 2-123=vin, ticket=hs_object_id');
CREATE VIEW queued AS SELECT call, object, key_property, key, mode, message FROM hubspot.outbox ORDER BY id;

-- The option: types of records without an option of their own, each once
ALTER SERVER crm OPTIONS (SET id_properties 'deal=order_ref,');
ALTER SERVER crm OPTIONS (SET id_properties '');
ALTER SERVER crm OPTIONS (SET id_properties 'deal');
ALTER SERVER crm OPTIONS (SET id_properties 'deal=');
ALTER SERVER crm OPTIONS (SET id_properties 'deal=Order Ref');
ALTER SERVER crm OPTIONS (SET id_properties 'deals=order_ref');
ALTER SERVER crm OPTIONS (SET id_properties 'contact=user_id');
ALTER SERVER crm OPTIONS (SET id_properties 'event=order_ref');
ALTER SERVER crm OPTIONS (SET id_properties 'deal=order_ref, 0-3=other');
ALTER SERVER crm OPTIONS (SET id_properties ' deal = order_ref ,2-123=vin,ticket=hs_object_id');

-- Whose record it is
SELECT hubspot_record('deal', '{"id": "A-1", "properties": {"dealname": "One"}}') > 0 AS queued;
SELECT hubspot_record('0-3', '{"id": 2, "dealname": "Two", "mode": "create", "deadline": "1 hour"}') > 0 AS queued;
SELECT hubspot_record('Deals', '{"record_id": "77", "id": "A-3", "mode": "update"}') > 0 AS queued;
SELECT hubspot_record('ticket', '{"id": 5}') > 0 AS queued;
SELECT hubspot_record('2-123', '{"id": "V", "color": "red"}') > 0 AS queued;
SELECT hubspot_delete('{"object": "deal", "id": "A-1"}') > 0 AS queued;
SELECT count(*) FROM hubspot_enqueue('record', ARRAY['{"object": "deal", "id": "B-1", "mode": "update"}', '{"object": "deal", "id": "B-2"}', '{"object": "contact", "id": "ada@example.com", "city": "Rome"}',
	'{"object": "company", "id": "acme", "mode": "create", "properties": {"domain": "acme.example"}}']::jsonb[]);
SELECT * FROM queued;
SELECT justify_hours(date_trunc('minute', deadline - created_at + '1s')) AS within FROM hubspot.outbox WHERE deadline IS NOT NULL;

-- Bad ones
SELECT hubspot_record(NULL, '{}');
SELECT hubspot_record('deal', NULL);
SELECT hubspot_record('deal', '[]');
SELECT hubspot_record('deal', '{}');
SELECT hubspot_record('deal', '{"id": ""}');
SELECT hubspot_record('deal', '{"id": true}');
SELECT hubspot_record('deal', '{"id": {"a": 1}}');
SELECT hubspot_record('deal', '{"record_id": "12a"}');
SELECT hubspot_record('ticket', '{"id": "A-1"}');
SELECT hubspot_record('deal', '{"id": "A-1", "mode": "insert"}');
SELECT hubspot_record('deal', '{"id": "A-1", "deadline": "soon"}');
SELECT hubspot_record('product', '{"id": "A-1"}');
SELECT hubspot_record('contact', '{"record_id": 5}');
SELECT hubspot_record('contact', '{"properties": {"city": "Rome"}}');
SELECT hubspot_delete('{"object": "deal", "id": "A-1", "gdpr": true}');

-- What they would send
SELECT object, key_property, key, method, path, body FROM hubspot_explain('record', '{"object": "deal", "id": "A-1", "properties": {"dealname": "One", "order_ref": "A-2"}}') \gx
SELECT path, body FROM hubspot_explain('record', '{"object": "deal", "record_id": 77, "id": "A-1"}') \gx
SELECT path, body FROM hubspot_explain('record', '{"object": "2-123", "id": "V", "mode": "update", "color": "red"}') \gx
SELECT path, body FROM hubspot_explain('delete', '{"object": "deal", "record_id": 77}') \gx
SELECT object, key, path FROM hubspot_explain('record', '{"object": "contact", "id": "ada@example.com", "properties": {"city": "Rome"}}');

-- Triggers name the object behind the call, and a bad row fails no statement
CREATE TABLE orders (id text, object text, dealname text);
CREATE TRIGGER t AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('record deal');
INSERT INTO orders VALUES ('T-1', 'car', 'One'), (NULL, NULL, 'None');
SELECT object, key, problem, message FROM hubspot.outbox WHERE source = 'trigger' ORDER BY id;
CREATE OR REPLACE TRIGGER t AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('record');
INSERT INTO orders VALUES ('T-2');
CREATE OR REPLACE TRIGGER t AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('records deal');
INSERT INTO orders VALUES ('T-2');

-- A session knows so many types, and says so
SELECT count(hubspot_record('2-' || i, '{"record_id": 1}')) FROM generate_series(1, 5000) i;

DROP TABLE orders;
DROP EXTENSION hubspot CASCADE;
