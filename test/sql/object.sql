-- What is known of each object.
CREATE EXTENSION hubspot;

\x on
SELECT * FROM hubspot.object_types();
\x off
-- A lane is of one object
SELECT lane FROM hubspot.object_types() GROUP BY lane HAVING count(*) > 1;
-- Types of records: no word, lane or type id twice, nor one of an object that is no record; what is named is known
SELECT object, lane, type_id, path, scopes, pipeline_property, stage_property, born_with, born_associated, stands_alone FROM hubspot.record_types();
WITH words AS (
	SELECT object, lane, type_id, path FROM hubspot.record_types()
	UNION ALL SELECT object, lane, type_id, NULL FROM hubspot.object_types() WHERE NOT is_record)
SELECT w.kind, w.word FROM words, LATERAL (VALUES ('object', object), ('lane', lane), ('type id', type_id), ('path', path)) w(kind, word)
	WHERE w.word IS NOT NULL GROUP BY 1, 2 HAVING count(*) > 1;
SELECT object FROM hubspot.record_types() WHERE num_nulls(object, lane, type_id, path, modified_property) > 0 OR scopes = '{}'
	OR (pipeline_property IS NULL) <> (stage_property IS NULL);
SELECT object FROM hubspot.record_types() WHERE hubspot.word_of_object(object) <> object OR hubspot.word_of_object(type_id) <> object OR hubspot.lane_of_object(type_id) <> lane;
SELECT w, hubspot.word_of_object(w) AS word, hubspot.lane_of_object(w) AS lane
	FROM unnest('{contact,0-2,event,2-123,2-999999999,0-18,2-,2-0,2-01,2-1234567890,1-5,2-12a,deals,"",Deal}'::text[]) w;
-- A record has all that records have, and others have nothing of it
SELECT object FROM hubspot.object_types() t WHERE is_record AND (type_id IS NULL OR id_member IS NULL OR id_option IS NULL
	OR can_be_erased IS NULL OR NOT has_schema OR NOT can_be_synced OR NOT merges OR keyed_by_contact);
SELECT object FROM hubspot.object_types() t WHERE NOT is_record
	AND num_nonnulls(type_id, id_member, id_option, natural_key, natural_key_is_unique, key_trait, stage_property, special_fields, can_be_erased) > 0;
-- Who goes by a key that is not unique in HubSpot has a trait that tells it
SELECT object FROM hubspot.object_types() WHERE NOT natural_key_is_unique AND key_trait IS NULL;

-- The options of records are options of a SERVER, the calls are calls
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot;
SELECT format('ALTER SERVER crm OPTIONS (ADD %I %L)', id_option, object || '_ref') FROM hubspot.object_types() WHERE is_record \gexec
SELECT object, (SELECT count(*) FROM hubspot_explain(call, jsonb_build_object(id_member, 'k1', 'traits', '{"city": "Paris"}'::jsonb)) x
	WHERE x.object = t.object AND x.key = 'k1' AND x.key_property = t.object || '_ref' AND x.path LIKE '%/' || t.lane || '/batch/upsert') AS upserts
	FROM hubspot.object_types() t WHERE is_record;
-- Deleted, mapped, made properties and lists for
SELECT object, (SELECT x.path LIKE '%/' || t.lane || '/batch/archive' FROM hubspot_explain('delete', jsonb_build_object('object', object, id_member, 'k1')) x) AS archives,
	hubspot_create_property(object, 'plan', 'string') > 0 AS has_properties, hubspot_create_list('VIP', object) > 0 AS has_lists
	FROM hubspot.object_types() t WHERE is_record;
\set SHOW_CONTEXT never
SELECT hubspot_map('plan', 'plan_name', object) FROM hubspot.object_types() WHERE has_schema;
\set SHOW_CONTEXT errors
SELECT hubspot_map('plan', 'plan_name', object) FROM hubspot.object_types() WHERE NOT has_schema;
SELECT hubspot_create_property('list', 'plan', 'string');
-- Erased or archived
SELECT x.path FROM hubspot_explain('delete', '{"userId": "k1", "gdpr": true}') x;
SELECT * FROM hubspot_explain('delete', '{"object": "company", "groupId": "k1", "gdpr": true}');

DROP EXTENSION hubspot CASCADE;
