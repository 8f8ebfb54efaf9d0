/* 86-previews.sql
 *
 * Previews: what hubspot_sync() and hubspot_audience() would do, put together
 * from the part before.
 */

/*
 * Who runs the statement that an error names declares anew at once: what it creates is there, as rows wait for it.  The
 * index on key wants "o.id > 0", see 15-outbox.sql.
 */
CREATE FUNCTION hubspot.is_being_created(server oid, part text, name text) RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM hubspot.outbox o
		LEFT JOIN LATERAL (SELECT r.verdict, r.finished_at FROM hubspot.result r WHERE r.id = o.id LIMIT 1) e ON true
		WHERE o.key = $2 || ' ' || $3 AND o.id > 0 AND o.server = $1 AND o.object = 'schema' AND o.call::text IN ('create_property', 'create_event')
			AND (e.verdict IS NULL OR e.verdict = ANY (hubspot.verdicts_with('arrived'))
				AND e.finished_at > (SELECT s.refreshed_at FROM hubspot.schema s WHERE s.server = $1 AND s.part = $2)))
$$;
COMMENT ON FUNCTION hubspot.is_being_created(oid, text, text) IS
'whether the creation of a property or event (part event, by its internal name) is queued, or was so young that HubSpot''s properties have not been read again';

/* What hubspot_sync() itself looks at, too: see hubspot.lacking_properties(). */
CREATE FUNCTION hubspot.judged_columns(server oid, object text, event text, key_column text, columns jsonb)
RETURNS TABLE (n bigint, "column" text, label text, type oid, trait text, property text, property_type text, fit text, note text)
LANGUAGE sql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
	WITH given AS (
		SELECT c.n, c."column", c.label, c.type, c.trait, c.property, (SELECT t.is_record FROM hubspot.object_type($2) t) AND c."column" = key_column AND c.property IS NULL AS is_key,
			hubspot.is_reserved($2, c.trait) AS reserved, k.type AS property_type,
			k.field_type, k.options, k.read_only, coalesce(hubspot.server_option($1, 'time_zone'), 'UTC') AS time_zone,
			EXISTS (SELECT FROM hubspot.schema s WHERE s.server = $1 AND s.part = $2 AND s.known)
				AND ($2 <> 'event' OR hubspot.event_full_name($1, $3) IS NOT NULL) AS schema_known
		FROM jsonb_to_recordset($5) AS c(n bigint, "column" text, label text, type oid, trait text, property text)
		LEFT JOIN LATERAL hubspot.preview_known($1, $2, $3, c.property) k ON true
	)
	SELECT g.n, g."column", g.label, g.type, g.trait, g.property, g.property_type,
		CASE WHEN g.is_key THEN 'key' WHEN g.reserved THEN 'reserved' WHEN g.property IS NULL THEN 'unmapped' WHEN NOT g.schema_known THEN 'not checked'
				WHEN g.property_type IS NULL THEN 'unknown' WHEN g.read_only THEN 'read-only' ELSE f.fit END, f.note
	FROM given g
	LEFT JOIN LATERAL hubspot.column_fit(g.type, g.property_type, g.field_type, g.options, g.time_zone) f ON g.property_type IS NOT NULL
$$;
COMMENT ON FUNCTION hubspot.judged_columns(oid, text, text, text, jsonb) IS
'columns, as hubspot.preview_columns() returns them, and whether they fit the properties that they become: key, reserved, unmapped, not checked, unknown, read-only, or what hubspot.column_fit() says';

CREATE FUNCTION hubspot.lacking_properties(server oid, object text, key_column text, columns jsonb)
RETURNS TABLE (property text, statement text, known boolean)
LANGUAGE sql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT j.property, hubspot.statement_for_property($1, $2, j.property, (array_agg(j.type ORDER BY j.n))[1]), bool_or(j.fit = 'unknown')
	FROM (SELECT jsonb_agg(c.it || jsonb_build_object('type', to_regtype(c.it->>'type_name')::oid)) AS columns FROM jsonb_array_elements($4) AS c(it)) typed,
		hubspot.judged_columns($1, $2, NULL, $3, hubspot.preview_columns($1, $2, NULL, typed.columns)) j
	WHERE j.fit IN ('unknown', 'not checked')
	GROUP BY j.property ORDER BY min(j.n)
$$;
COMMENT ON FUNCTION hubspot.lacking_properties(oid, text, text, jsonb) IS
'properties that columns (an array of n, column, trait, type_name) become and that HubSpot lacks, or may lack when known is false as it has not told; each with the statement that creates it';

CREATE FUNCTION hubspot.properties_of_columns(sync integer)
RETURNS TABLE (trait text, property text)
LANGUAGE sql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.it->>'trait', p.it->>'property'
	FROM hubspot.sync d
	JOIN pg_foreign_server s ON s.srvname = d.server
	CROSS JOIN LATERAL (SELECT jsonb_agg(jsonb_build_object('trait', c.property)) AS list FROM jsonb_to_recordset(d.columns) AS c(property text, association text) WHERE c.association IS NULL) c
	CROSS JOIN LATERAL jsonb_array_elements(hubspot.preview_columns(s.oid, d.object, d.event, c.list)) AS p(it)
	WHERE d.id = $1
$$;
COMMENT ON FUNCTION hubspot.properties_of_columns(integer) IS 'names that a definition''s mapping gives its columns, and the HubSpot properties that these become';

/* What becomes of a column whose property HubSpot lacks: see records_check(), which judges each row. */
CREATE FUNCTION hubspot.fate_of_unknown(server oid, creates boolean, is_only boolean) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN creates THEN 'created'
		WHEN coalesce(hubspot.server_option($1, 'create_properties')::boolean, false) THEN 'created'
		WHEN NOT creates THEN 'refused'
		WHEN is_only OR hubspot.server_option($1, 'unknown_properties') = 'reject' THEN 'rejected'
		ELSE 'left out' END
$$;
COMMENT ON FUNCTION hubspot.fate_of_unknown(oid, boolean, boolean) IS
'what becomes of a column whose property HubSpot lacks: created, refused by the declaration, its rows rejected, or left out; creates: create_in_hubspot; is_only: no other column has a property';

CREATE FUNCTION hubspot.preview_sync_columns(server oid, object text, event text, key_column text, columns jsonb, creates boolean)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE sql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
	WITH judged AS (
		SELECT c.*, CASE WHEN c.fit = 'unknown' AND $2 <> 'event' THEN hubspot.fate_of_unknown($1, $6,
			NOT bool_or(c.fit NOT IN ('key', 'reserved', 'unmapped', 'unknown', 'read-only', 'no')) OVER ()) END AS fate
		FROM hubspot.judged_columns($1, $2, $3, $4, $5) c
	)
	SELECT 'column', j."column",
		concat_ws(': ', format('%s -> %s', j.label, concat_ws(' ', coalesce(j.property, j.trait), '(' || j.property_type || ')')),
			CASE j.fit WHEN 'key' THEN 'the key' WHEN 'reserved' THEN 'not a property, but what its name says' WHEN 'unmapped' THEN
					CASE WHEN translate(lower(j.trait), '_ -', '') IN ('created', 'createdat') THEN 'not sent, as HubSpot sets the creation date itself' ELSE 'not sent, as hubspot_map() says' END
				WHEN 'unknown' THEN CASE j.fate WHEN 'created' THEN format('created in HubSpot, as %s', hubspot.property_type_for(j.type))
					WHEN 'refused' THEN 'hubspot_sync() refuses it, as HubSpot has no such property (undefined_object)'
					WHEN 'rejected' THEN 'the row is rejected, as HubSpot has no such property (unknown_property)'
					WHEN 'left out' THEN 'left out until HubSpot has such a property (unknown_property)'
					ELSE 'left out, as HubSpot has no such property (unknown_property)' END
				WHEN 'read-only' THEN 'left out, as only HubSpot may write it (read_only_property)'
				WHEN 'no' THEN NULL ELSE j.fit END, CASE WHEN j.fit <> 'read-only' THEN j.note END),
		jsonb_build_object('property', j.property, 'column_type', j.label, 'property_type', j.property_type, 'fit', j.fit) || jsonb_strip_nulls(jsonb_build_object('fate', j.fate))
	FROM judged j
	UNION ALL
	SELECT 'unknown', j."column", CASE WHEN $2 = 'event' AND hubspot.server_option($1, 'create_events')::boolean THEN 'added to the definition, as the SERVER option create_events is on'
			WHEN $2 = 'event' THEN hubspot.statement_for_event_property($1, $3, j.property, j.type)
			ELSE hubspot.statement_for_property($1, $2, j.property, j.type) END, jsonb_build_object('property', j.property)
	FROM judged j WHERE j.fit = 'unknown' AND j.fate IS DISTINCT FROM 'created'
$$;
COMMENT ON FUNCTION hubspot.preview_sync_columns(oid, text, text, text, jsonb, boolean) IS 'whether columns fit the properties that they become, as rows of a preview';

CREATE FUNCTION hubspot.preview_sync_creates(server oid, object text, event text, mode text, columns jsonb, creates boolean)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE sql STABLE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'create', c.property, CASE WHEN creates THEN 'property, as create_in_hubspot is true' ELSE 'property, as the SERVER option create_properties is on' END, NULL::jsonb
	FROM jsonb_to_recordset($5) AS c(property text)
	WHERE hubspot.fate_of_unknown($1, creates, false) = 'created' AND (SELECT t.is_record FROM hubspot.object_type($2) t) AND c.property IS NOT NULL
		AND EXISTS (SELECT FROM hubspot.schema s WHERE s.server = $1 AND s.part = $2 AND s.known)
		AND NOT EXISTS (SELECT FROM hubspot.property p WHERE p.server = $1 AND p.object::text = $2 AND p.name = c.property)
	UNION ALL
	SELECT 'create', $3, CASE WHEN hubspot.server_option($1, 'create_events')::boolean THEN 'event definition, as the SERVER option create_events is on'
			ELSE format('HubSpot has no such event, and rows would be rejected (unknown_event): %s',
				(SELECT format('SELECT %I.hubspot_create_event(%L, %L, %L, server => %L)', hubspot.functions_schema(), hubspot.event_name($3),
					(SELECT coalesce(jsonb_object_agg(c.property, CASE t.type WHEN 'enumeration' THEN 'string' ELSE t.type END), '{}')
						FROM jsonb_to_recordset($5) AS c(property text, type oid), LATERAL (SELECT hubspot.property_type_for(c.type)) AS t(type)
						WHERE c.property IS NOT NULL), $3, s.srvname)
				FROM pg_foreign_server s WHERE s.oid = $1)) END, NULL
	WHERE $2 = 'event' AND hubspot.event_full_name($1, $3) IS NULL
	UNION ALL
	SELECT 'create', (SELECT t.lane FROM hubspot.object_type($2) t),
		CASE WHEN $2 = 'event' THEN 'an occurrence for each row'
			WHEN $2 = 'association' THEN 'between contacts and companies that HubSpot has' || CASE WHEN hubspot.server_option($1, 'create_missing')::boolean THEN ', or that are created for it' ELSE '' END
			WHEN $4 = 'update' THEN 'none: only records that HubSpot has are written'
			ELSE 'those that HubSpot does not have; how many these are is not known before' END, NULL
$$;
COMMENT ON FUNCTION hubspot.preview_sync_creates(oid, text, text, text, jsonb, boolean) IS 'what a sync would create in HubSpot, as rows of a preview';

CREATE FUNCTION hubspot.required_properties(server oid, object text)
RETURNS TABLE (property text, says text)
LANGUAGE sql STABLE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT b.property, 'as HubSpot documents it' FROM hubspot.record_types() t, unnest(t.born_with) AS b(property) WHERE t.object = $2
	UNION ALL
	SELECT b.property, 'as the object''s definition says' FROM hubspot.object o, unnest(o.required_properties) AS b(property) WHERE o.server = $1 AND o.type_id = $2
	UNION ALL
	SELECT p.name, format('as HubSpot said of %s records', p.times) FROM hubspot.required_property p WHERE p.server = $1 AND p.object = $2
		AND p.name <> ALL (ARRAY(SELECT unnest(t.born_with) FROM hubspot.record_types() t WHERE t.object = $2))
$$;
COMMENT ON FUNCTION hubspot.required_properties(oid, text) IS
'properties that HubSpot wants of a new record: of its own types as it documents them, of a custom object as its definition says, and what refusals have named; says: which of these';

/* The property of an object that has the user's own ids; NULL: the SERVER names none. */
CREATE FUNCTION hubspot.own_id_property(server oid, object text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT hubspot.server_option($1, t.id_option) FROM hubspot.object_types() t WHERE t.object = $2 AND t.is_record
	UNION ALL
	SELECT m[2] FROM regexp_split_to_table(hubspot.server_option($1, 'id_properties'), ',') AS e(entry), regexp_match(e.entry, '^ *([^ =]+) *= *([^ ]+) *$') AS m
	WHERE hubspot.word_of_object(m[1]) = $2
$$;
COMMENT ON FUNCTION hubspot.own_id_property(oid, text) IS 'property of an object that has the user''s own ids, as the options of the SERVER say; NULL: they name none';

CREATE FUNCTION hubspot.id_property_of(server oid, object text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(hubspot.own_id_property($1, $2), (SELECT t.natural_key FROM hubspot.object_types() t WHERE t.object = $2 AND t.is_record))
$$;
COMMENT ON FUNCTION hubspot.id_property_of(oid, text) IS 'the property that tells records of an object apart: as the SERVER''s options say, else the natural one; NULL: none';

CREATE FUNCTION hubspot.preview_sync(server oid, source jsonb, object text, key_column text, mode text, deletes text, event text, creates boolean)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE plpgsql STABLE ROWS 30
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	columns jsonb := hubspot.preview_columns(server, object, event, source->'columns');
	key_is_trait boolean := EXISTS (SELECT FROM jsonb_array_elements(source->'columns') c
		WHERE c->>'column' = key_column AND lower(translate(c->>'trait', '_- ', ''))
			IN (SELECT unnest(ARRAY[t.natural_key, t.key_trait]) FROM hubspot.object_type(object) t));
	rows bigint := (source->>'rows')::bigint;
BEGIN
	RETURN QUERY SELECT 'source', NULL::text, format('%s, %s; rows: %s%s', source->>'what',
			CASE WHEN (source->>'follows')::boolean THEN 'followed by triggers' ELSE 'compared at each refresh' END,
			CASE WHEN (source->>'exact')::boolean THEN '' ELSE 'about ' END, rows),
		jsonb_build_object('follows', source->'follows', 'rows', rows, 'exact', source->'exact', 'mode', mode, 'deletes', deletes);
	RETURN QUERY SELECT 'unseen', NULL::text, source->>'unseen', NULL::jsonb WHERE source->>'unseen' IS NOT NULL;
	RETURN QUERY SELECT 'unseen', 'TRUNCATE', 'is no deletion of rows, nor is it when a partition or child is detached or dropped', NULL::jsonb
		WHERE (source->>'follows')::boolean AND deletes <> 'ignore';
	RETURN QUERY SELECT * FROM hubspot.preview_schema(server, object);
	RETURN QUERY SELECT 'key', key_column, CASE WHEN object = 'event' THEN 'identifies the event, so that none is sent twice'
		WHEN object = 'association' THEN 'identifies the row, which says what a contact belongs to' ELSE format('says which %s a row is', object) END, NULL::jsonb;
	RETURN QUERY SELECT * FROM hubspot.preview_sync_columns(server, object, event, key_column, columns, creates);
	RETURN QUERY SELECT 'needs', r.property, format('HubSpot wants it of a new %s (%s), and no column is it: who creates one without it is refused (required_property)', object, r.says), NULL::jsonb
		FROM hubspot.required_properties(server, object) r
		WHERE mode <> 'update' AND r.property <> ALL (ARRAY(SELECT coalesce(c.it->>'property', '') FROM jsonb_array_elements(columns) AS c(it)))
			AND r.property IS DISTINCT FROM hubspot.id_property_of(server, object);
	RETURN QUERY SELECT 'association', a.it->>'column', format('%s -> %s: associated with the %s that it is the key of', a.it->>'label', a.it->>'trait', a.it->>'trait'), a.it->'object'
		FROM jsonb_array_elements(source->'associations') AS a(it);
	RETURN QUERY SELECT 'needs', 'associations', format('a new %s is created with an association to %s, and no column is one: a row that HubSpot does not have is rejected (required_association)',
			t.object, (SELECT string_agg(b.word, ' or ') FROM unnest(t.born_associated) AS b(word))), NULL::jsonb
		FROM hubspot.record_types() t WHERE t.object = preview_sync.object AND t.born_associated <> '{}' AND mode <> 'update'
			AND NOT EXISTS (SELECT FROM jsonb_array_elements(source->'associations') AS a(it) WHERE a.it->>'object' = ANY (t.born_associated));
	RETURN QUERY SELECT * FROM hubspot.preview_sync_creates(server, object, event, mode, columns, creates);
	RETURN QUERY SELECT s.*
		FROM jsonb_array_elements(source->'sample') WITH ORDINALITY AS r(it, n),
			LATERAL (SELECT p.* FROM hubspot.preview_sample(server, object, (SELECT t.call FROM hubspot.object_type(preview_sync.object) t),
					hubspot.preview_message(server, object, event, r.it->>'key', key_is_trait,
						(r.it->'traits') - ARRAY(SELECT a->>'trait' FROM jsonb_array_elements(source->'associations') a)), r.it->>'key',
					object <> 'event' AND hubspot.fate_of_unknown(server, creates, false) = 'created') p
				WHERE r.it->>'key' <> ''
			UNION ALL SELECT 'sample', NULL, 'left out, as it has no key', NULL WHERE (r.it->>'key' <> '') IS NOT TRUE) s
		ORDER BY r.n;
	RETURN QUERY SELECT * FROM hubspot.preview_cost(server, object, rows);
END
$$;
COMMENT ON FUNCTION hubspot.preview_sync(oid, jsonb, text, text, text, text, text, boolean) IS 'hubspot_sync_preview() of a source that has been read; source is what src/declare/preview_source.h says';

CREATE FUNCTION @extschema@.hubspot_sync_preview(source text, object text DEFAULT 'contact', key text DEFAULT NULL, mapping jsonb DEFAULT NULL,
	mode text DEFAULT 'upsert', deletes text DEFAULT 'ignore', event text DEFAULT NULL, server name DEFAULT NULL, create_in_hubspot boolean DEFAULT false,
	OUT item text, OUT name text, OUT detail text, OUT body jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 30 AS 'MODULE_PATHNAME', 'hubspot_sync_preview';
COMMENT ON FUNCTION @extschema@.hubspot_sync_preview(text, text, text, jsonb, text, text, text, name, boolean) IS
'what hubspot_sync() with these arguments would do, without declaring or sending anything: source, unseen (what of a followed table is not seen), schema (only when HubSpot has not told it: it is asked then, for up to 5 seconds), key, column (a row for each: whether its values fit the property), unknown (with the statement that creates the property), needs (a property that HubSpot wants of a new record), association (a column that holds keys of other records), create, sample (up to 3 rows: the request, and what would be left out), requests, time.  Reads the source with the rights of the caller, who needs USAGE on the SERVER.  Rows are counted up to 10,000, beyond that estimated';

/* Whether HubSpot has what an audience writes. */
CREATE FUNCTION hubspot.preview_outputs(server oid, object text, outputs text[], property text, list text)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE sql STABLE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'property', $4, CASE WHEN k.known IS NOT TRUE THEN 'not checked'
			WHEN p.type IS NULL THEN 'HubSpot has no such property: ' || hubspot.statement_for_property($1, $2, $4, 'bool'::regtype)
			WHEN p.read_only THEN 'only HubSpot may write it'
			WHEN f.fit = 'fits' THEN format('HubSpot has it (%s)', p.type)
			ELSE concat_ws(': ', format('HubSpot has it (%s)', p.type), f.note) END,
		jsonb_build_object('exists', CASE WHEN k.known THEN p.type IS NOT NULL END)
	FROM (SELECT) one
	LEFT JOIN hubspot.schema k ON k.server = $1 AND k.part = $2
	LEFT JOIN LATERAL hubspot.preview_known($1, $2, NULL, $4) p ON true
	LEFT JOIN LATERAL hubspot.column_fit('bool'::regtype, p.type, p.field_type, p.options, 'UTC') f ON p.type IS NOT NULL
	WHERE 'property' = ANY ($3)
	UNION ALL
	SELECT 'event', e.event, CASE WHEN k.known IS NOT TRUE THEN 'not checked' WHEN e.full_name IS NOT NULL THEN format('HubSpot has it (%s)', e.full_name)
			ELSE format('HubSpot has no such event: SELECT %I.hubspot_create_event(%L, %L, %L, server => %L)', hubspot.functions_schema(),
				hubspot.event_name(e.event), '{"audience_key": "string", "audience_name": "string"}', e.event, s.srvname) END,
		jsonb_build_object('exists', CASE WHEN k.known THEN e.full_name IS NOT NULL END)
	FROM pg_foreign_server s
	CROSS JOIN (SELECT v.event, hubspot.event_full_name($1, v.event) AS full_name FROM (VALUES ('Audience Entered'), ('Audience Exited')) AS v(event)) e
	LEFT JOIN hubspot.schema k ON k.server = $1 AND k.part = 'event'
	WHERE s.oid = $1 AND 'event' = ANY ($3)
	UNION ALL
	SELECT 'list', $5, 'a static list, looked up when the first member is sent', NULL WHERE 'list' = ANY ($3)
$$;
COMMENT ON FUNCTION hubspot.preview_outputs(oid, text, text[], text, text) IS 'whether property, events and list of an audience exist, as rows of a preview';

CREATE FUNCTION hubspot.preview_keys(server oid, facts jsonb, level text)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE sql STABLE ROWS 4
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'source', NULL, format('query; rows: %s, keys: %s', facts->>'rows', facts->'counts'->>'keys'),
		jsonb_build_object('rows', facts->'rows', 'keys', facts->'counts'->'keys', 'empty', facts->'empty', 'bad', facts->'bad')
	UNION ALL
	SELECT 'key', NULL, CASE level WHEN 'user' THEN 'contacts, by e-mail address or userId'
			ELSE format('companies, by %s', CASE WHEN hubspot.server_option($1, 'company_id_property') IS NULL THEN 'domain' ELSE 'groupId' END) END, NULL
	UNION ALL
	SELECT 'bad', NULL, v.detail, v.body
	FROM (VALUES ((facts->>'empty')::bigint, format('rows without a key, or with one of more than 1,024 bytes, which are left out: %s', facts->>'empty'), NULL),
			((facts->>'bad')::bigint, format('keys that would be rejected: %s; %s', facts->>'bad',
				(SELECT string_agg(e, '; ') FROM jsonb_array_elements_text(facts->'bad_examples') e)), facts->'bad_examples'),
			((facts->'counts'->>'strangers')::bigint, format('userIds that were not seen with an address, so that their calls would be rejected (contact_not_found): %s',
				facts->'counts'->>'strangers'), NULL)) AS v(count, detail, body)
	WHERE v.count > 0
	UNION ALL
	SELECT 'contacts', NULL, CASE WHEN facts->'counts'->>'contacts' IS NULL THEN 'how many contacts these companies have is shown to who may SELECT hubspot.company_contact'
			ELSE format('contacts of these companies, as hubspot_group() calls have said: %s', facts->'counts'->>'contacts') END,
		jsonb_build_object('contacts', facts->'counts'->'contacts')
	WHERE level = 'account_users'
$$;
COMMENT ON FUNCTION hubspot.preview_keys(oid, jsonb, text) IS 'what the keys of an audience are, as rows of a preview';

CREATE FUNCTION hubspot.preview_audience(server oid, facts jsonb, level text, outputs text[], property text, list text)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE plpgsql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	object text := CASE level WHEN 'account' THEN 'company' ELSE 'contact' END;
	of_contacts boolean := level = 'account_users';
	/* who belongs to a company is not for everybody who may queue */
	keys jsonb := CASE WHEN of_contacts THEN '["someone@example.com"]' ELSE facts->'sample' END;
	records bigint := CASE WHEN of_contacts THEN facts->'counts'->>'contacts' ELSE facts->'counts'->>'keys' END;
BEGIN
	IF outputs IS NULL OR outputs = '{}' OR NOT outputs <@ '{property,event,list}' THEN
		RAISE EXCEPTION 'outputs of an audience must be some of property, event, list' USING ERRCODE = 'invalid_parameter_value';
	ELSIF 'property' = ANY (outputs) AND property IS NULL THEN
		RAISE EXCEPTION 'property must not be null' USING ERRCODE = 'null_value_not_allowed',
			HINT = 'An audience has that of its name; a preview has no name.';
	END IF;
	RETURN QUERY SELECT * FROM hubspot.preview_keys(server, facts, level);
	RETURN QUERY SELECT * FROM hubspot.preview_schema(server, object);
	RETURN QUERY SELECT * FROM hubspot.preview_outputs(server, object, outputs, property, list);
	RETURN QUERY
		SELECT s.*
		FROM jsonb_array_elements_text(keys) WITH ORDINALITY AS k(key, n)
		CROSS JOIN LATERAL (SELECT hubspot.preview_message(server, object, NULL, k.key, false, CASE WHEN property IS NULL THEN '{}' ELSE jsonb_build_object(property, true) END) AS call) m
		CROSS JOIN LATERAL (VALUES ('property', (SELECT t.call FROM hubspot.object_types() t(name) WHERE t.name = object), m.call),
			('event', 'track', (m.call - 'traits') || jsonb_build_object('event', 'Audience Entered', 'properties',
				(m.call->'traits') - property || jsonb_build_object('audience_key', property)))) AS v(output, call, message)
		CROSS JOIN LATERAL hubspot.preview_sample(server, object, v.call, v.message, k.key, false) s
		WHERE v.output = ANY (outputs)
		ORDER BY k.n, v.output DESC;
	RETURN QUERY SELECT c.* FROM (VALUES (1, 'property', object), (2, 'event', 'event'), (3, 'list', 'list')) AS v(n, output, object)
		CROSS JOIN LATERAL hubspot.preview_cost(server, v.object, records) c
		WHERE records IS NOT NULL AND v.output = ANY (outputs) ORDER BY c.item, v.n;
END
$$;
COMMENT ON FUNCTION hubspot.preview_audience(oid, jsonb, text, text[], text, text) IS 'hubspot_audience_preview() of a query that has been run; facts is what src/declare/preview_audience.c found';

CREATE FUNCTION @extschema@.hubspot_audience_preview(query text, level text DEFAULT 'user', outputs text[] DEFAULT '{property}',
	property text DEFAULT NULL, list text DEFAULT NULL, server name DEFAULT NULL,
	OUT item text, OUT name text, OUT detail text, OUT body jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 20 AS 'MODULE_PATHNAME', 'hubspot_audience_preview';
COMMENT ON FUNCTION @extschema@.hubspot_audience_preview(text, text, text[], text, text, name) IS
'what hubspot_audience() with these arguments would do, without declaring or sending anything: source (rows and keys of the query now), key, bad (what would be left out or rejected, with examples), contacts (of account_users), schema (only when HubSpot has not told it), property, event, list (whether they exist, or the statement that creates them), sample (up to 3 keys: the request), requests, time (of the first refresh).  Runs the query as a refresh would, as the caller, who needs USAGE on the SERVER';
