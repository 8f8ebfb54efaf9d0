/* 85-preview-values.sql
 *
 * Previews: which property a column is, whether its values fit, what a row
 * would send, what so many records cost.
 *
 * The source has been read before, with the rights of who asks.  What is
 * here and in the next part runs as the owner of the extension over plain
 * values, and returns of the extension's tables the account's schema alone.
 */

/*
 * A message with one trait, beside the key, says which property the trait is,
 * whether its value would be taken or not.
 */
CREATE FUNCTION hubspot.property_of_trait(server oid, object text, event text, trait text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(x.properties->0->>'property', x.warnings->0->>'property')
	FROM pg_foreign_server s
	CROSS JOIN hubspot.object_type($2) t
	CROSS JOIN LATERAL (SELECT jsonb_build_object(trait, 'someone@example.com') AS one,
		CASE WHEN hubspot.server_option($1, 'contact_id_property') IS NULL THEN 'someone@example.com' ELSE 'someone' END AS contact) v
	CROSS JOIN LATERAL hubspot.explain(
		t.call,
		CASE WHEN t.object = 'event' THEN jsonb_build_object('event', event, 'userId', v.contact, 'properties', v.one)
			WHEN t.object = 'contact' THEN jsonb_build_object('userId', v.contact, 'traits', v.one)
			WHEN t.call = 'record' THEN jsonb_build_object('object', t.object, 'record_id', '1', 'properties', v.one)
			WHEN hubspot.server_option($1, t.id_option) IS NULL
				THEN jsonb_build_object('traits', jsonb_build_object(t.natural_key, 'example.com') || v.one)
			ELSE jsonb_build_object(t.id_member, 'someone', 'traits', v.one) END,
		s.srvname) x
	WHERE s.oid = $1 AND t.object = $2 AND x.object = $2
$$;
COMMENT ON FUNCTION hubspot.property_of_trait(oid, text, text, text) IS
'HubSpot property that a trait of a contact, company or event is, as far as HubSpot''s properties are known; NULL: it is the key, or is not sent';

CREATE FUNCTION hubspot.event_full_name(server oid, event text) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN (SELECT x.body->'inputs'->0->>'eventName' FROM pg_foreign_server s,
		hubspot.explain('track', jsonb_build_object('event', event, 'userId', 'someone@example.com'), s.srvname) x WHERE s.oid = $1);
EXCEPTION WHEN undefined_object THEN
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION hubspot.event_full_name(oid, text) IS 'fully qualified name of the event that a track call would send; NULL: HubSpot has no such event';

CREATE FUNCTION hubspot.event_name(event text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE
AS 'MODULE_PATHNAME', 'hubspot_event_name';
COMMENT ON FUNCTION hubspot.event_name(text) IS 'internal name that an event of this name is created by';

/* Rules of docs/mapping.md about values, seen from a column's type. */
CREATE FUNCTION hubspot.column_fit(column_type oid, property_type text, field_type text, options jsonb, time_zone text,
	OUT fit text, OUT note text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH kinds AS (
		SELECT CASE WHEN t.typtype = 'e' THEN 'enum' WHEN t.typcategory = 'A' THEN 'array' WHEN t.typcategory = 'S' THEN 'text'
				WHEN t.typname IN ('int2', 'int4', 'int8', 'numeric') THEN 'number' WHEN t.typname IN ('float4', 'float8') THEN 'float'
				WHEN t.typname IN ('bool', 'date', 'timestamp', 'timestamptz') THEN t.typname ELSE 'other' END AS kind,
			CASE WHEN t.typname = 'bool' THEN '{true,false}'
				ELSE ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid IN (t.oid, t.typelem) ORDER BY e.enumsortorder) END AS labels,
			CASE WHEN $2 = 'enumeration' AND $3 = 'checkbox' THEN 'checkboxes' WHEN $2 = 'enumeration' AND $3 = 'booleancheckbox' THEN 'checkbox'
				WHEN $2 = 'enumeration' AND $3 IN ('owner', 'elsewhere') THEN $3
				WHEN $2 IN ('number', 'bool', 'enumeration', 'date', 'datetime') THEN $2 ELSE 'string' END AS target
		FROM pg_type t WHERE t.oid = $1
	), rules(target, kind, fit, note) AS (
		VALUES ('string', 'array', 'changed', 'as compact JSON'), ('string', 'other', 'changed', 'as text, or compact JSON'),
			('string', '', 'fits', NULL),
			('number', 'number', 'fits', NULL), ('number', 'float', 'fits', 'NaN and Infinity are left out'),
			('number', 'text', 'partly', 'only texts that are one decimal number (invalid_number)'),
			('number', 'enum', 'partly', 'only labels that are one decimal number (invalid_number)'),
			('number', '', 'no', 'left out (invalid_number)'),
			('bool', 'bool', 'fits', NULL), ('bool', 'number', 'partly', 'only 1 and 0 (invalid_boolean)'),
			('bool', 'text', 'partly', 'only true, t, yes, on, 1, false, f, no, off, 0 (invalid_boolean)'),
			('bool', 'enum', 'partly', 'only true, t, yes, on, 1, false, f, no, off, 0 (invalid_boolean)'),
			('bool', '', 'no', 'left out (invalid_boolean)'),
			('date', 'date', 'fits', NULL), ('date', 'timestamp', 'changed', 'its day'),
			('date', 'timestamptz', 'changed', 'its day in the time zone %s'),
			('date', 'text', 'partly', 'only texts in ISO 8601 (invalid_date)'), ('date', '', 'no', 'left out (invalid_date)'),
			('datetime', 'timestamptz', 'fits', 'to the millisecond'), ('datetime', 'timestamp', 'changed', 'taken as a time in the time zone %s'),
			('datetime', 'date', 'changed', 'midnight in the time zone %s'),
			('datetime', 'number', 'partly', 'only milliseconds since 1970, of at least 12 digits (invalid_datetime)'),
			('datetime', 'text', 'partly', 'only texts in ISO 8601 (invalid_datetime)'), ('datetime', '', 'no', 'left out (invalid_datetime)'),
			('enumeration', 'text', 'partly', 'only its options (invalid_option)'), ('enumeration', 'enum', 'fits', NULL),
			('enumeration', 'number', 'partly', 'only its options (invalid_option)'), ('enumeration', 'bool', 'fits', NULL),
			('enumeration', '', 'no', 'left out (invalid_option)'),
			('checkbox', 'bool', 'fits', NULL), ('checkbox', 'number', 'partly', 'only 1 and 0 (invalid_option)'),
			('checkbox', 'text', 'partly', 'only true, t, yes, on, 1, false, f, no, off, 0, and the labels of its options (invalid_option)'),
			('checkbox', 'enum', 'fits', NULL), ('checkbox', '', 'no', 'left out (invalid_option)'),
			('checkboxes', 'array', 'partly', 'only its options (invalid_option)'), ('checkboxes', 'enum', 'fits', NULL),
			('checkboxes', 'text', 'partly', 'only its options, several with ";" between them (invalid_option)'),
			('checkboxes', 'bool', 'fits', NULL), ('checkboxes', '', 'no', 'left out (invalid_option)'),
			('owner', 'text', 'partly', 'only e-mail addresses, names and ids of owners (unknown_owner)'),
			('owner', 'enum', 'partly', 'only e-mail addresses, names and ids of owners (unknown_owner)'),
			('owner', 'array', 'partly', 'only e-mail addresses, names and ids of owners (unknown_owner)'),
			('owner', 'number', 'partly', 'only ids of owners (unknown_owner)'), ('owner', '', 'no', 'left out (unknown_owner)'),
			('elsewhere', '', 'partly', 'only what HubSpot lists apart, such as pipelines and stages (unknown_stage, unknown_pipeline)')
	), refused AS (
		SELECT string_agg(l.label, ', ' ORDER BY l.n) AS labels
		FROM kinds k, unnest(k.labels) WITH ORDINALITY AS l(label, n)
		WHERE k.target IN ('enumeration', 'checkbox', 'checkboxes') AND jsonb_array_length($4) > 0
			AND (k.target <> 'checkbox' OR lower(l.label) NOT IN ('true', 't', 'yes', 'on', '1', 'false', 'f', 'no', 'off', '0'))
			AND NOT EXISTS (SELECT FROM jsonb_to_recordset($4) AS o(value text, label text) WHERE o.value = l.label OR lower(o.label) = lower(l.label))
	)
	SELECT CASE WHEN x.labels IS NOT NULL THEN 'partly' WHEN k.kind = 'array' AND k.labels <> '{}' AND r.fit = 'partly' THEN 'fits' ELSE r.fit END,
		CASE WHEN x.labels IS NOT NULL THEN format('left out, as HubSpot has no such option (invalid_option): %s', x.labels)
			WHEN k.kind = 'array' AND k.labels <> '{}' AND r.fit = 'partly' THEN NULL ELSE replace(r.note, '%s', $5) END
	FROM kinds k
	JOIN rules r ON r.target = k.target AND r.kind IN (k.kind, '')
	CROSS JOIN refused x
	ORDER BY r.kind DESC LIMIT 1
$$;
COMMENT ON FUNCTION hubspot.column_fit(oid, text, text, jsonb, text) IS
'whether values of a column''s type are taken by a property: fits; changed; partly, some values are left out; no, all are; and a note in words';

CREATE FUNCTION hubspot.property_type_for(column_type oid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN t.typtype = 'e' AND EXISTS (SELECT FROM pg_enum e WHERE e.enumtypid = t.oid) THEN 'enumeration' WHEN t.typname IN ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8') THEN 'number'
		WHEN t.typname = 'bool' THEN 'bool' WHEN t.typname = 'date' THEN 'date'
		WHEN t.typname IN ('timestamp', 'timestamptz') THEN 'datetime' ELSE 'string' END
	FROM pg_type t WHERE t.oid = $1
$$;
COMMENT ON FUNCTION hubspot.property_type_for(oid) IS 'type of a HubSpot property for the values of a column''s type';

CREATE FUNCTION hubspot.statement_for_property(server oid, object text, property text, column_type oid, label text DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	/* what tells records apart is a text that is unique, whatever the column's type is */
	SELECT format('SELECT %I.hubspot_create_property(%L, %L, %L%s%s%s, server => %L)', hubspot.functions_schema(), object, property,
		CASE WHEN k.is_key THEN 'string' ELSE hubspot.property_type_for($4) END,
		', label => ' || quote_literal(label),
		(SELECT ', options => ' || quote_literal(array_agg(e.enumlabel::text ORDER BY e.enumsortorder)) FROM pg_enum e WHERE e.enumtypid = $4 AND NOT k.is_key HAVING count(*) > 0),
		CASE WHEN k.is_key THEN ', is_unique => true' END, s.srvname)
	FROM pg_foreign_server s
	CROSS JOIN LATERAL (SELECT lower(property) IS NOT DISTINCT FROM lower(hubspot.id_property_of(s.oid, object)) AS is_key) k WHERE s.oid = $1
$$;
COMMENT ON FUNCTION hubspot.statement_for_property(oid, text, text, oid, text) IS 'the statement that creates a property for the values of a column';

CREATE FUNCTION hubspot.statement_for_event_property(server oid, event text, property text, column_type oid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT %I.hubspot_create_event_property(%L, %L, %L, server => %L)', hubspot.functions_schema(), d.name, property,
		CASE hubspot.property_type_for($4) WHEN 'enumeration' THEN 'string' ELSE hubspot.property_type_for($4) END, s.srvname)
	FROM pg_foreign_server s
	JOIN hubspot.event_definition d ON d.server = s.oid AND d.full_name = hubspot.event_full_name($1, $2)
	WHERE s.oid = $1
$$;
COMMENT ON FUNCTION hubspot.statement_for_event_property(oid, text, text, oid) IS 'the statement that adds a property for the values of a column to the definition of an event';

/* A property of that name is meant where HubSpot has one. */
CREATE FUNCTION hubspot.associated_object(server oid, of text, name text, OUT object text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT x.object
	FROM (SELECT t.object FROM hubspot.record_types() t WHERE NOT t.stands_alone AND $3 IN (t.object, t.type_id)
		UNION ALL
		SELECT o.type_id FROM hubspot.object o WHERE o.server = $1 AND $3 IN (o.type_id, o.name, o.full_name)) x
	WHERE NOT EXISTS (SELECT FROM hubspot.property p WHERE p.server = $1 AND p.object = $2 AND p.name = $3)
	LIMIT 1
$$;
COMMENT ON FUNCTION hubspot.associated_object(oid, text, text) IS 'object of whose records a column has the keys that a mapping of the other object gives this name; NULL: it is a property';

/* Names of a mapping that say whose the record is, or what, and are no property. */
CREATE FUNCTION hubspot.is_reserved(object text, trait text) RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT object = 'association' OR lower(translate(trait, '_- ', '')) = ANY (CASE object WHEN 'event' THEN '{email,userid,timestamp}'
		ELSE ARRAY(SELECT lower(t.id_member) FROM hubspot.object_type($1) t WHERE t.is_record) END)
$$;
COMMENT ON FUNCTION hubspot.is_reserved(text, text) IS 'whether a name of a mapping is part of the call, and not a property';

CREATE FUNCTION hubspot.preview_columns(server oid, object text, event text, columns jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH event AS MATERIALIZED (
		SELECT $2 = 'event' AND hubspot.event_full_name($1, $3) IS NULL AS missing
	)
	SELECT coalesce(jsonb_agg(c.it || jsonb_build_object('property', CASE WHEN hubspot.is_reserved(object, c.it->>'trait') THEN NULL
		WHEN e.missing THEN c.it->>'trait' ELSE hubspot.property_of_trait(server, object, event, c.it->>'trait') END) ORDER BY c.n), '[]')
	FROM jsonb_array_elements(columns) WITH ORDINALITY AS c(it, n), event e
$$;
COMMENT ON FUNCTION hubspot.preview_columns(oid, text, text, jsonb) IS
'columns with the property that each is; property null: it is the key or a reserved name, or is not sent';

/* The message that a row of the source becomes. */
CREATE FUNCTION hubspot.preview_message(server oid, object text, event text, key text, key_is_trait boolean, traits jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH parts AS (
		SELECT coalesce(jsonb_object_agg(t.key, t.value) FILTER (WHERE NOT hubspot.is_reserved(object, t.key)), '{}') AS traits,
			max(t.value #>> '{}') FILTER (WHERE t.name = 'userid') AS user_id, max(t.value #>> '{}') FILTER (WHERE t.name = 'email') AS email,
			max(t.value #>> '{}') FILTER (WHERE t.name = 'timestamp') AS at, max(t.value #>> '{}') FILTER (WHERE t.name = 'contact') AS contact,
			max(t.value #>> '{}') FILTER (WHERE t.name = 'company') AS company,
			hubspot.server_option($1, (SELECT t.id_option FROM hubspot.object_type($2) t)) IS NULL AS by_natural_key,
			hubspot.server_option($1, 'contact_id_property') IS NULL AND $4 LIKE '%@%' AS by_address
		FROM (SELECT e.key, e.value, lower(translate(e.key, '_- ', '')) AS name FROM jsonb_each($6) e) t
	)
	SELECT CASE $2
		WHEN 'contact' THEN CASE WHEN key_is_trait THEN jsonb_build_object('traits', p.traits)
			WHEN p.by_address THEN jsonb_build_object('traits', p.traits || jsonb_build_object('email', $4))
			ELSE jsonb_build_object('userId', $4, 'traits', p.traits) END
		WHEN 'event' THEN jsonb_strip_nulls(jsonb_build_object('event', event, 'messageId', $4, 'userId', p.user_id, 'email', p.email, 'timestamp', p.at))
			|| jsonb_build_object('properties', p.traits)
		WHEN 'association' THEN jsonb_build_object('userId', p.contact, 'groupId', p.company, 'traits', jsonb_build_object('domain', p.company))
		ELSE (SELECT CASE WHEN t.call = 'record' THEN jsonb_build_object('object', t.object, t.id_member, $4, 'properties', p.traits)
			WHEN NOT p.by_natural_key THEN jsonb_build_object(t.id_member, $4, 'traits', p.traits)
			WHEN key_is_trait THEN jsonb_build_object('traits', p.traits)
			ELSE jsonb_build_object('traits', p.traits || jsonb_build_object(t.natural_key, $4)) END
			FROM hubspot.object_type($2) t) END
	FROM parts p
$$;
COMMENT ON FUNCTION hubspot.preview_message(oid, text, text, text, boolean, jsonb) IS
'message that a row of the source becomes; key_is_trait: its key is an address or a domain among the traits';

/* A bad message is what a preview is for: its error is what would be recorded. */
CREATE FUNCTION hubspot.preview_sample(server oid, object text, call text, message jsonb, key text, creates boolean)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE plpgsql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	account name := (SELECT s.srvname FROM pg_foreign_server s WHERE s.oid = server);
	why text;
BEGIN
	IF call = 'identify' AND message->>'userId' NOT LIKE '%@%' AND hubspot.server_option(server, 'contact_id_property') IS NULL THEN
		RETURN QUERY SELECT 'sample', key, 'updates the contact that this userId was seen with, else rejected (contact_not_found)', NULL::jsonb;
		RETURN;
	END IF;
	/* As the worker judges the row of a sync: see records_check(). */
	RETURN QUERY
		SELECT 'sample', x.key, CASE WHEN refused.n > 0 THEN format('rejected: HubSpot has no %s %s (unknown_property)', CASE refused.n WHEN 1 THEN 'property' ELSE 'properties' END, refused.names)
				ELSE (SELECT string_agg(CASE WHEN creates AND w->>'code' = 'unknown_property' THEN format('%s: is created first, and is then sent, too', w->>'property')
					ELSE format('%s %s: %s', w->>'code', w->>'property', w->>'detail') END, '; ') FROM jsonb_array_elements(x.warnings) w) END,
			CASE WHEN refused.n = 0 THEN x.body END
		FROM hubspot.explain(call, message, account) AS x
		CROSS JOIN LATERAL (SELECT count(*) AS n, string_agg(format('"%s"', w->>'property'), ', ' ORDER BY n) AS names FROM jsonb_array_elements(x.warnings) WITH ORDINALITY AS u(w, n)
			WHERE NOT creates AND w->>'code' = 'unknown_property' AND EXISTS (SELECT FROM hubspot.object_type(x.object) t WHERE t.is_record)
				AND (jsonb_array_length(x.properties) = 0 OR hubspot.server_option(server, 'unknown_properties') = 'reject')) refused
		WHERE preview_sample.object <> 'association' OR x.object = 'association';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
	RETURN QUERY SELECT 'sample', key, concat_ws(': ', 'rejected', SQLERRM, nullif(why, '')), NULL::jsonb;
END
$$;
COMMENT ON FUNCTION hubspot.preview_sample(oid, text, text, jsonb, text, boolean) IS
'what a message of a definition would send, as a row of a preview; creates: properties that HubSpot lacks are created';

CREATE FUNCTION hubspot.preview_cost(server oid, object text, records bigint)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE sql STABLE ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
	WITH families(object, lane, per_request, per_window) AS (
		SELECT t.object, t.lane, t.per_request, t.own_limit FROM hubspot.object_type($2) t
	), told AS (
		SELECT coalesce(m.burst_limit, r.burst_limit) AS burst, coalesce(m.daily_limit, r.daily_limit) AS daily,
			hubspot.server_option($1, 'burst_limit')::integer AS burst_option,
			coalesce(hubspot.server_option($1, 'quota_share')::numeric, 1) AS share
		FROM (SELECT) one
		LEFT JOIN hubspot.rate_limit r ON r.server = $1 AND r.lane = 'contacts'
		LEFT JOIN hubspot.meter_report() m ON m.server = $1
	), cost AS (
		SELECT f.lane, f.per_request, (records + f.per_request - 1) / f.per_request AS requests, t.daily, t.share, f.per_window IS NULL AS counts,
			coalesce(f.per_window, least(coalesce(t.burst, 100), t.burst_option)) AS per_window, t.burst IS NOT NULL OR f.per_window IS NOT NULL AS known
		FROM families f, told t WHERE f.object = $2
	), sized AS (
		SELECT c.*, CASE WHEN c.per_window > 0 THEN ceil(c.requests * 10 / (c.per_window * c.share)) ELSE 0 END AS seconds FROM cost c
	)
	SELECT 'requests', z.lane, format('%s of up to %s records', z.requests, z.per_request),
		jsonb_build_object('requests', z.requests, 'records', records, 'per_request', z.per_request)
	FROM sized z
	UNION ALL
	SELECT 'time', z.lane,
		concat_ws('; ',
			CASE WHEN z.per_window = 0 THEN 'HubSpot does not limit events by time'
				ELSE format('%s at %s requests per 10 s%s%s', make_interval(secs => z.seconds::float8), z.per_window,
					CASE WHEN NOT z.known THEN ' (assumed: HubSpot has not told yet)' END, CASE WHEN z.share < 1 THEN format(', of which our share is %s', z.share) END) END,
			CASE WHEN z.counts AND z.daily > 0 THEN format('%s %% of the %s requests of a day', round(z.requests * 100.0 / z.daily, 2), z.daily) END),
		jsonb_build_object('seconds', z.seconds, 'per_window', z.per_window, 'share', z.share, 'daily_limit', z.daily)
	FROM sized z
$$;
COMMENT ON FUNCTION hubspot.preview_cost(oid, text, bigint) IS 'how many requests so many records take, and how long, as rows of a preview';

/* What is said of the account: that its schema is not known, and what HubSpot would be asked to create. */
CREATE FUNCTION hubspot.preview_schema(server oid, object text)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE sql STABLE ROWS 1
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'schema', $2,
		CASE WHEN k.known IS NULL THEN format('HubSpot has not told which %s there are, and could not be asked now, so names and types are not checked; hubspot_health() says what is wrong',
				CASE object WHEN 'event' THEN 'events' ELSE 'properties' END)
			ELSE 'the token may not read this part of the schema, so names and types are not checked' END, NULL::jsonb
	FROM (SELECT) one
	LEFT JOIN hubspot.schema k ON k.server = $1 AND k.part = $2
	WHERE $2 <> 'association' AND k.known IS NOT TRUE
$$;
COMMENT ON FUNCTION hubspot.preview_schema(oid, text) IS 'a row of a preview when properties or events of the account are not known';

CREATE FUNCTION hubspot.preview_known(server oid, object text, event text, property text,
	OUT type text, OUT field_type text, OUT options jsonb, OUT read_only boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p.type, CASE WHEN p.is_external AND p.type = 'enumeration' THEN
			CASE WHEN p.refers_to = 'OWNER' OR p.refers_to = '' AND right(p.name, 8) = 'owner_id' THEN 'owner' ELSE 'elsewhere' END
		ELSE p.field_type END, p.options, p.read_only FROM hubspot.property p
	WHERE p.server = $1 AND p.object::text = $2 AND p.name = $4
	UNION ALL
	SELECT p.type, p.field_type, coalesce(p.options, '[]'), false
	FROM hubspot.event_definition d, jsonb_to_recordset(d.properties) AS p(name text, type text, field_type text, options jsonb)
	WHERE $2 = 'event' AND d.server = $1 AND d.full_name = hubspot.event_full_name($1, $3) AND p.name = $4
$$;
COMMENT ON FUNCTION hubspot.preview_known(oid, text, text, text) IS 'a property as HubSpot has it; NULL: it has none; field_type owner, elsewhere: HubSpot lists its values apart';
