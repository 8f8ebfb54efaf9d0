/* 87-sync-schema.sql
 *
 * hubspot_sync_schema(): what the tables of a schema could be in HubSpot, as
 * statements that declare it.
 *
 * Goes by the catalogs and by what HubSpot has told of the account: no row of
 * a table is read.  Runs as the owner of the extension, and says nothing that
 * who asks could not look up himself.
 */

CREATE FUNCTION hubspot.schema_columns(relation oid, role oid)
RETURNS TABLE (attnum smallint, name text, folded text, type oid, type_label text, is_text boolean, is_time boolean, is_key boolean, is_unique boolean,
	refers_to oid, refers_attnum smallint, is_bookkeeping boolean, left_out text)
LANGUAGE sql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE types AS (
		SELECT a.attnum, a.atttypid AS type FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped
		UNION ALL
		SELECT b.attnum, t.typbasetype FROM types b JOIN pg_type t ON t.oid = b.type WHERE t.typtype = 'd'
	), uniques AS (
		/* of a partitioned table an index has the partition key as well: its other column tells rows apart */
		SELECT coalesce(min(u.attnum) FILTER (WHERE u.attnum <> ALL (coalesce(p.partattrs::int2[], '{}'))), min(u.attnum)) AS attnum, bool_or(i.indisprimary) AS is_primary
		FROM pg_index i
		LEFT JOIN pg_partitioned_table p ON p.partrelid = i.indrelid
		CROSS JOIN LATERAL unnest((i.indkey::int2[])[0:i.indnkeyatts - 1]) AS u(attnum)
		WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
		GROUP BY i.indexrelid
		HAVING count(*) = 1 OR count(*) FILTER (WHERE u.attnum <> ALL (coalesce(p.partattrs::int2[], '{}'))) = 1
	), columns AS (
		SELECT a.attnum, a.attname::text AS name, lower(translate(a.attname, '_- .', '')) AS folded, '_' || lower(regexp_replace(a.attname, '([^[:alnum:]])|(?<=[a-z0-9])(?=[A-Z])', '_', 'g')) || '_' AS words,
			t.oid AS type, format_type(a.atttypid, a.atttypmod) AS label, t.typcategory AS category, t.typname, a.attgenerated AS generated
		FROM pg_attribute a
		JOIN (SELECT b.attnum, b.type FROM types b JOIN pg_type t ON t.oid = b.type AND t.typtype <> 'd') b USING (attnum)
		JOIN pg_type t ON t.oid = b.type
		WHERE a.attrelid = $1
	)
	SELECT c.attnum, c.name, c.folded, c.type, c.label, c.category = 'S', c.typname IN ('timestamp', 'timestamptz', 'date'),
		EXISTS (SELECT FROM uniques u WHERE u.attnum = c.attnum AND u.is_primary),
		EXISTS (SELECT FROM uniques u WHERE u.attnum = c.attnum) OR EXISTS (SELECT FROM pg_index i WHERE i.indrelid = $1 AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
			AND i.indnkeyatts = 1 AND i.indkey[0] = 0 AND pg_get_indexdef(i.indexrelid, 1, true) IN (format('lower(%I)', c.name), format('lower(%I::text)', c.name))),
		f.confrelid, f.confkey[1],
		c.folded IN ('created', 'createdat', 'createdon', 'createtime', 'creationdate', 'inserted', 'insertedat', 'updated', 'updatedat', 'updatedon', 'modified', 'modifiedat', 'modifiedon',
			'changedat', 'lastmodified', 'deletedat', 'isdeleted', 'deleted', 'version', 'rowversion', 'lockversion', 'createdby', 'updatedby'),
		CASE WHEN c.words ~ '_(password|passwd|passphrase|pwd|secret|token|hash|salt|ssn|iban|bic|cvv|cvc|pin|otp|totp|mfa|credential|credentials|passport|cookie|signature)_'
				OR c.words ~ '_(social_security|national_id|tax_id|card_number|credit_card|bank_account|account_number|api_key|private_key|access_key|recovery_code|date_of_death|password[a-z]*)_'
				OR c.folded ~ '(password|passwort|apikey|privatekey|accesskey|creditcard|cardnumber|socialsecurity)' THEN 'looks like a secret'
			WHEN NOT has_column_privilege($2, $1, c.attnum, 'SELECT') THEN 'no right to SELECT it'
			WHEN c.generated = 'v' THEN 'virtual generated column, of which a trigger sees no values'
			WHEN c.category NOT IN ('B', 'N', 'S', 'D', 'E', 'I') AND c.typname <> 'uuid' THEN 'type ' || c.label END
	FROM columns c
	LEFT JOIN LATERAL (SELECT k.confrelid, k.confkey FROM pg_constraint k WHERE k.conrelid = $1 AND k.contype = 'f' AND k.conparentid = 0 AND k.conkey = ARRAY[c.attnum] ORDER BY k.oid LIMIT 1) f ON true
$$;
COMMENT ON FUNCTION hubspot.schema_columns(oid, oid) IS
'columns of a table or view: base type, whether the column is the primary key or unique by itself, what a foreign key of it alone refers to, whether it is about the row and not about what the row tells, and why a proposal leaves it out; role: who is to read it';

CREATE FUNCTION hubspot.schema_tables(schema oid, role oid, views boolean)
RETURNS TABLE (relation oid, name text, kind text, columns jsonb, key_column text, key_columns bigint, email text, domain text, title text, at text, refers smallint[], is_link boolean, word text)
LANGUAGE sql STABLE ROWS 50
SET search_path = pg_catalog, pg_temp
AS $$
	WITH relations AS (
		SELECT c.oid, c.relname::text AS name, CASE c.relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'foreign table' END AS kind
		FROM pg_class c
		WHERE c.relnamespace = $1 AND c.relkind = ANY (CASE WHEN $3 THEN '{r,p,v,m,f}'::"char"[] ELSE '{r,p}' END) AND NOT c.relispartition AND c.relpersistence <> 't'
			AND NOT EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid)
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
	), columns AS (
		SELECT r.oid AS relation, c.*,
			c.is_text AND (c.folded ~ '^(e?mail|mailaddress)$' OR (c.folded ~ '(email|mail|emailaddress|mailaddress)$' AND c.folded !~ '(hasmail|sendmail|isemail|webmail|voicemail)')) AS is_email,
			array_position(ARRAY['domain', 'domainname', 'companydomain', 'emaildomain', 'website', 'websiteurl', 'homepage', 'url', 'site', 'web'], c.folded) AS domain_rank,
			array_position(ARRAY['name', 'companyname', 'legalname', 'displayname', 'title'], c.folded) AS title_rank,
			coalesce(array_position(ARRAY['occurredat', 'happenedat', 'eventtime', 'timestamp', 'ts', 'time', 'at', 'visitedat', 'loggedat', 'receivedat', 'date', 'createdat', 'created', 'insertedat', 'updatedat'], c.folded), 9) AS time_rank,
			c.folded IN ('role', 'position', 'relation', 'relationship', 'label', 'kind', 'function') AS is_role
		FROM relations r, hubspot.schema_columns(r.oid, $2) c
	)
	SELECT r.oid, r.name, r.kind, coalesce(jsonb_agg(to_jsonb(c) - 'relation' ORDER BY c.attnum) FILTER (WHERE c.attnum IS NOT NULL), '[]'),
		coalesce(min(c.name) FILTER (WHERE c.is_key), (array_agg(c.name ORDER BY c.attnum) FILTER (WHERE c.is_unique AND NOT c.is_email))[1]),
		(SELECT i.indnkeyatts FROM pg_index i WHERE i.indrelid = r.oid AND i.indisprimary),
		(array_agg(c.name ORDER BY c.is_unique DESC, length(c.folded), c.attnum) FILTER (WHERE c.is_email AND c.left_out IS NULL))[1],
		(array_agg(c.name ORDER BY c.domain_rank) FILTER (WHERE c.is_text AND c.domain_rank > 0 AND c.left_out IS NULL))[1],
		(array_agg(c.name ORDER BY c.title_rank) FILTER (WHERE c.is_text AND c.title_rank > 0 AND c.left_out IS NULL))[1],
		(array_agg(c.name ORDER BY c.time_rank, c.attnum) FILTER (WHERE c.is_time AND c.left_out IS NULL))[1],
		coalesce(array_agg(c.attnum ORDER BY c.attnum) FILTER (WHERE c.refers_to IS NOT NULL), '{}'),
		/* nothing but who belongs to what, and as what */
		count(*) FILTER (WHERE c.refers_to IS NOT NULL) = 2 AND count(DISTINCT c.name) FILTER (WHERE c.refers_to IS NULL AND NOT (c.is_role OR c.is_bookkeeping OR c.is_key OR c.is_time)) = 0,
		hubspot.object_of_name(r.name)
	FROM relations r
	LEFT JOIN columns c ON c.relation = r.oid
	GROUP BY r.oid, r.name, r.kind
$$;
COMMENT ON FUNCTION hubspot.schema_tables(oid, oid, boolean) IS
'tables of a schema (views: its views and foreign tables, too) with what a proposal goes by: columns, the one that says which row is which, the number of those of the primary key, e-mail address, domain, name, time, columns that refer to other tables, whether it says nothing but who belongs to what, the object that its name says';

/* What a table would be; NULL: nothing, and why. */
CREATE FUNCTION hubspot.object_of_table(word text, email text, email_is_unique boolean, domain text, title text, is_link boolean, OUT object text, OUT why text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT d.object, d.why
	FROM (VALUES (1, is_link, 'association', 'it says who belongs to what'),
		(2, word IN ('contact', 'lead') AND email IS NOT NULL, 'contact', 'by its name and e-mail addresses'),
		(3, word = 'company' AND (domain IS NOT NULL OR title IS NOT NULL), 'company', 'by its name'),
		(4, word NOT IN ('contact', 'company'), word, 'by its name'),
		(5, email_is_unique, 'contact', 'it has unique e-mail addresses'),
		(6, lower(translate(domain, '_- .', '')) ~ '(domain|website)' AND title IS NOT NULL, 'company', format('it has %s and %s', domain, title)),
		(7, word = 'company', 'company', 'by its name'),
		(8, word = 'contact', NULL, 'contacts by its name, but no column has e-mail addresses'),
		(9, email IS NOT NULL, NULL, format('addresses in %s are not unique, so its rows are no contacts;%sa query of it can be synced as an event of them', email, chr(10))))
		AS d(preference, fits, object, why)
	WHERE d.fits
	ORDER BY d.preference LIMIT 1
$$;
COMMENT ON FUNCTION hubspot.object_of_table(text, text, boolean, text, text, boolean) IS 'object that the rows of a table are, and why; object NULL: none, and why not; no row: nothing is known of it';

/* Pairs of a mapping in lines that are read easily. */
CREATE FUNCTION hubspot.mapping_text(pairs jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '{' || string_agg(CASE WHEN p.n = 1 THEN '' WHEN p.n % 4 = 1 THEN ',' || chr(10) || '        ' ELSE ', ' END
		|| to_json(p.it->>'trait')::text || ': ' || to_json(p.it->>'column')::text, '' ORDER BY p.n) || '}'
	FROM jsonb_array_elements(pairs) WITH ORDINALITY AS p(it, n)
$$;
COMMENT ON FUNCTION hubspot.mapping_text(jsonb) IS 'a mapping as text, of an array of {trait, column}';

/*
 * The columns of a table that become properties of an object: what HubSpot
 * calls differently by its own name, one column for each property, the rest by
 * the rules for every trait.
 */
CREATE FUNCTION hubspot.schema_mapping(server oid, object text, event text, columns jsonb, taken text[], OUT pairs jsonb, OUT left_out text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH columns AS (
		SELECT c.*, u.property AS usual, u.preference,
			CASE WHEN c.left_out IS NOT NULL THEN c.left_out WHEN c.refers_to IS NOT NULL THEN format('refers to %s', c.refers_to::regclass)
				WHEN c.is_bookkeeping THEN 'HubSpot keeps its own' WHEN c.is_key AND NOT c.is_text THEN 'the key' END AS why
		FROM jsonb_to_recordset($4) AS c(attnum smallint, name text, folded text, type oid, is_text boolean, is_key boolean, refers_to oid, is_bookkeeping boolean, left_out text)
		LEFT JOIN LATERAL hubspot.usual_property($2, c.name) u ON true
		WHERE c.name <> ALL ($5)
	), named AS (
		SELECT c.*, CASE WHEN c.why IS NULL AND c.usual IS NOT NULL AND row_number() OVER (PARTITION BY c.usual, c.why IS NULL ORDER BY c.preference, c.attnum) = 1 THEN c.usual ELSE c.name END AS trait
		FROM columns c
	), judged AS (
		SELECT n.*, CASE WHEN j.fit = 'unmapped' THEN 'not sent' WHEN j.fit = 'read-only' THEN 'only HubSpot may write it' WHEN j.fit = 'no' THEN j.note END AS unfit
		FROM named n
		LEFT JOIN hubspot.judged_columns($1, $2, $3, NULL, hubspot.preview_columns($1, $2, $3,
			(SELECT jsonb_agg(jsonb_build_object('n', m.attnum, 'column', m.name, 'label', '', 'type', m.type, 'trait', m.trait)) FROM named m WHERE m.why IS NULL))) j ON j.n = n.attnum
	)
	SELECT coalesce(jsonb_agg(jsonb_build_object('trait', j.trait, 'column', j.name, 'type_name', j.type::regtype::text, 'n', j.attnum) ORDER BY j.attnum)
			FILTER (WHERE coalesce(j.why, j.unfit) IS NULL), '[]'),
		(SELECT string_agg(format('%s (%s)', w.names, w.why), ',' || chr(10) || '  ' ORDER BY w.first)
			FROM (SELECT coalesce(k.why, k.unfit) AS why, string_agg(k.name, ', ' ORDER BY k.attnum) AS names, min(k.attnum) AS first
				FROM judged k WHERE coalesce(k.why, k.unfit) IS NOT NULL GROUP BY coalesce(k.why, k.unfit)) w)
	FROM judged j
$$;
COMMENT ON FUNCTION hubspot.schema_mapping(oid, text, text, jsonb, text[]) IS
'columns of hubspot.schema_tables() as pairs of a mapping, but for those that are taken already, and in words which are left out, and why';

/*
 * Tables in an order in which each comes after those that it refers to.  Of a
 * circle of foreign keys one comes first, which then refers to what is later.
 */
CREATE FUNCTION hubspot.order_of_references(relations oid[]) RETURNS oid[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	done oid[] := '{}';
	todo oid[] := relations;
	free oid[];
BEGIN
	WHILE todo <> '{}' LOOP
		SELECT array_agg(t.oid ORDER BY t.n) INTO free
		FROM unnest(todo) WITH ORDINALITY AS t(oid, n)
		WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = t.oid AND k.contype = 'f' AND k.confrelid <> t.oid AND k.confrelid = ANY (todo));
		free := coalesce(free, todo[:1]);
		done := done || free;
		todo := ARRAY(SELECT t.oid FROM unnest(todo) WITH ORDINALITY AS t(oid, n) WHERE t.oid <> ALL (free) ORDER BY t.n);
	END LOOP;
	RETURN done;
END
$$;
COMMENT ON FUNCTION hubspot.order_of_references(oid[]) IS 'tables, those that others refer to by a foreign key first, else as they are given';

/* The tables as an object, by oid, each with what it would be, and why or why not. */
CREATE FUNCTION hubspot.schema_objects(schema oid, server oid, role oid, views boolean) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH tables AS (
		SELECT s.*, coalesce(x.type_id, o.object) AS object, CASE WHEN x.type_id IS NOT NULL THEN format('the account has a custom object %s', x.name) ELSE o.why END AS why, s.kind NOT IN ('table', 'partitioned table') AS is_compared,
			EXISTS (SELECT FROM pg_constraint k WHERE k.confrelid = s.relation AND k.contype = 'f' AND cardinality(k.confkey) = 1
				AND (SELECT a.attname FROM pg_attribute a WHERE a.attrelid = k.confrelid AND a.attnum = k.confkey[1]) NOT IN (coalesce(s.email, ''), coalesce(s.domain, ''))) AS is_referred,
			(SELECT d.name FROM hubspot.sync d JOIN pg_foreign_server f ON f.srvname = d.server WHERE d.relation = s.relation AND d.kind = 'sync' AND f.oid = $2 AND d.object = coalesce(x.type_id, o.object) ORDER BY d.name LIMIT 1) AS declared
		FROM hubspot.schema_tables($1, $3, $4) s
		CROSS JOIN LATERAL (SELECT coalesce(bool_or((c->>'is_unique')::boolean), false) AS email FROM jsonb_array_elements(s.columns) c WHERE c->>'name' = s.email) is_unique
		LEFT JOIN LATERAL hubspot.object_of_table(s.word, s.email, is_unique.email, s.domain, s.title, s.is_link) o ON true
		LEFT JOIN LATERAL (SELECT k.type_id, k.name FROM hubspot.object k WHERE k.server = $2 AND hubspot.words_of_name(k.name) = hubspot.words_of_name(s.name) LIMIT 1) x ON true
	), numbered AS (
		SELECT t.*, row_number() OVER (PARTITION BY t.object ORDER BY t.is_referred DESC, t.name) AS n, first_value(t.name) OVER (PARTITION BY t.object ORDER BY t.is_referred DESC, t.name) AS first
		FROM tables t
	)
	SELECT coalesce(jsonb_object_agg(t.relation::text, to_jsonb(t) || jsonb_build_object('source', format('%s.%I', $1::regnamespace, t.name), 'refusal', CASE
		WHEN t.object IS NULL THEN coalesce(t.why, 'neither its name nor its columns say what it is in HubSpot')
		WHEN NOT hubspot.object_can_be_synced(t.object) THEN format('%s by its name, which hubspot_sync() does not write', t.object)
		WHEN NOT t.is_compared AND NOT has_table_privilege($3, t.relation, 'TRIGGER') THEN 'no right to make triggers on it (GRANT TRIGGER)'
		WHEN t.object = 'event' AND t.at IS NULL THEN 'a log by its name, but no column says when'
		WHEN t.object = 'event' AND t.key_column IS NULL AND NOT t.is_compared THEN 'a log by its name, but no column says which row is which:' || chr(10) || 'it needs a primary key, or a unique index, of one column'
		WHEN t.object IN ('contact', 'association', 'event') OR (t.object = 'company' AND t.domain IS NOT NULL) THEN NULL
		WHEN t.key_column IS NULL AND t.key_columns > 1 THEN format('%s %s, but its primary key has %s columns, and a key is one:%sadd a column that joins them (GENERATED ALWAYS AS (...) STORED), and a unique index on it', t.object, t.why, t.key_columns, chr(10))
		WHEN t.key_column IS NULL THEN format('%s %s, but no column says which row is which:%sit needs a primary key, or a unique index, of one column', t.object, t.why, chr(10))
		WHEN t.n > 1 AND y.call = 'record' THEN format('%s %s, as %s is, which is proposed: an object has one property for its ids', t.object, t.why, t.first) END)), '{}')
	FROM numbered t
	LEFT JOIN LATERAL hubspot.object_type(t.object) y ON true
$$;
COMMENT ON FUNCTION hubspot.schema_objects(oid, oid, oid, boolean) IS
'tables of a schema, an object by their oids: the fields of hubspot.schema_tables(), the object that each is, and the refusal that says why a proposal leaves it out; null: it does not';

CREATE FUNCTION hubspot.propose_sync(server oid, source text, name text, object text, key text, pairs jsonb, further text, is_compared boolean) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT %I.hubspot_sync(%L, %L, %L%s,%s    mapping => %L,%s    %sserver => %L);', hubspot.functions_schema(), $3, $2, $4, ', key => ' || quote_literal($5), chr(10),
		hubspot.mapping_text($6), chr(10), concat($7 || ', ', CASE WHEN $8 THEN 'every => ''1 hour'', ' END), s.srvname)
	FROM pg_foreign_server s WHERE s.oid = $1
$$;
COMMENT ON FUNCTION hubspot.propose_sync(oid, text, text, text, text, jsonb, text, boolean) IS 'the statement that declares a sync, as a proposal shows it; further: arguments behind the mapping';

/* What a column refers to, and whether a row can name that so. */
CREATE FUNCTION hubspot.schema_references(tables jsonb, here jsonb)
RETURNS TABLE ("column" text, object text, source text, table_name text, refusal text)
LANGUAGE sql STABLE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.name, t.it->>'object', c.refers_to::regclass::text, t.it->>'name', CASE WHEN t.it IS NULL THEN 'of no table of this proposal'
		WHEN t.it->>'refusal' IS NOT NULL THEN 'left out' END
	FROM jsonb_to_recordset($2->'columns') AS c(attnum smallint, name text, refers_to oid, left_out text)
	LEFT JOIN LATERAL (SELECT $1->c.refers_to::text AS it) t ON true
	WHERE c.refers_to IS NOT NULL AND c.left_out IS NULL
	ORDER BY c.attnum
$$;
COMMENT ON FUNCTION hubspot.schema_references(jsonb, jsonb) IS 'columns of a table that refer to others, with the object that those are';

CREATE FUNCTION hubspot.propose_id_property(here jsonb) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_to_string(hubspot.words_of_name(here->>'name'), '_') || '_id'
$$;
COMMENT ON FUNCTION hubspot.propose_id_property(jsonb) IS 'name of the property for the ids of a table''s rows';

/* Of several that refer to one object the first: a mapping has each name once.  A custom object tells what it can be associated with. */
CREATE FUNCTION hubspot.propose_columns(server oid, tables jsonb, here jsonb) RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('trait', f.object, 'column', f."column") ORDER BY f.n), '[]')
	FROM (SELECT DISTINCT ON (r.object) r.object, r."column", r.n FROM hubspot.schema_references($2, $3) WITH ORDINALITY AS r("column", object, source, table_name, refusal, n)
		WHERE r.refusal IS NULL AND r.object IS DISTINCT FROM $3->>'object' ORDER BY r.object, r.n) f
	JOIN hubspot.object_type(f.object) t ON t.is_record
	JOIN hubspot.object_type($3->>'object') own ON true
	WHERE NOT EXISTS (SELECT FROM hubspot.record_types() y WHERE y.stands_alone AND y.object IN (t.object, own.object))
		AND NOT EXISTS (SELECT FROM hubspot.object c WHERE c.server = $1 AND c.type_id IN (t.type_id, own.type_id)
			AND NOT EXISTS (SELECT FROM jsonb_array_elements(c.associations) a WHERE ARRAY[a->>'from', a->>'to'] IN (ARRAY[t.type_id, own.type_id], ARRAY[own.type_id, t.type_id])))
$$;
COMMENT ON FUNCTION hubspot.propose_columns(oid, jsonb, jsonb) IS 'columns of a table of records that hold keys of other records, as pairs of a mapping';

CREATE FUNCTION hubspot.propose_record(server oid, tables jsonb, here jsonb, deletes text)
RETURNS TABLE (step integer, what text, name text, statement text, remark text)
LANGUAGE plpgsql STABLE ROWS 5
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	object text := here->>'object';
	source text := here->>'source';
	key text := here->>'key_column';
	account text := (SELECT s.srvname FROM pg_foreign_server s WHERE s.oid = server);
	functions name := hubspot.functions_schema();
	type record;
	by_id boolean;		/* the record is known by the user's own id */
	by_itself text;		/* column of the property that the record goes by without one */
	id_property text;
	mapping record;
	pairs jsonb := '[]';
	associations jsonb := '[]';		/* columns that hold keys of other records */
	lacking record;
	has_unknown boolean := false;
	has_lacking boolean := false;
BEGIN
	SELECT t.* INTO type FROM hubspot.object_type(propose_record.here->>'object') t;
	id_property := hubspot.own_id_property(server, propose_record.here->>'object');
	by_itself := CASE type.natural_key WHEN 'email' THEN here->>'email' WHEN 'domain' THEN here->>'domain' END;
	by_id := key IS NOT NULL AND ((here->>'is_referred')::boolean OR id_property IS NOT NULL OR by_itself IS NULL);

	/* The userId of a contact is remembered by the address that is told with it; a company has no such memory. */
	IF by_id AND id_property IS NULL AND type.natural_key IS DISTINCT FROM 'email' THEN
		id_property := hubspot.propose_id_property(here);
		RETURN QUERY SELECT 1, 'key', source, format('SELECT %I.hubspot_create_property(%L, %L, ''string'', is_unique => true, server => %L);', functions, object, id_property, account),
			format('a unique property for %s, by which HubSpot finds the %s', key,
				coalesce((SELECT o.name FROM hubspot.object o WHERE o.server = propose_record.server AND o.type_id = propose_record.here->>'object'), object));
		/* the other objects have one option together: see schema_proposal() */
		RETURN QUERY SELECT 1, 'key', source, format('ALTER SERVER %I OPTIONS (ADD %I %L);', account, type.id_option, id_property),
			format('%s says which %s of this account is meant, in calls of yours as well', type.id_member, object) WHERE type.call <> 'record';
	END IF;
	IF by_id THEN
		pairs := pairs || jsonb_build_object('trait', type.id_member, 'column', key);
	END IF;
	IF type.call = 'record' THEN
		associations := hubspot.propose_columns(server, tables, here);
	END IF;
	IF by_itself IS NOT NULL THEN
		pairs := pairs || jsonb_build_object('trait', CASE WHEN by_itself ~* '(domain|mail)' THEN type.natural_key ELSE coalesce(type.key_trait, type.natural_key) END, 'column', by_itself);
	END IF;
	SELECT * INTO mapping FROM hubspot.schema_mapping(server, object, NULL, here->'columns',
		ARRAY[coalesce(CASE WHEN by_id THEN key END, ''), coalesce(by_itself, '')] || ARRAY(SELECT a->>'column' FROM jsonb_array_elements(associations) a));
	FOR lacking IN SELECT * FROM hubspot.lacking_properties(server, object, NULL, mapping.pairs) LOOP
		has_lacking := has_lacking OR lacking.known;
		has_unknown := has_unknown OR NOT lacking.known;
		RETURN QUERY SELECT 2, 'property', source, lacking.statement || ';', 'HubSpot has no such property; without it the column is left out' WHERE lacking.known;
	END LOOP;
	RETURN QUERY SELECT 3, 'sync', source,
		hubspot.propose_sync(server, source, here->>'name', object, NULL, pairs || mapping.pairs || associations, concat_ws(', ', format('deletes => %L', deletes),
			CASE WHEN has_lacking THEN 'create_in_hubspot => NULL' WHEN has_unknown THEN 'create_in_hubspot => true' END), (here->>'is_compared')::boolean),
		concat_ws(chr(10), format('%s: %s', object, here->>'why'), CASE WHEN has_unknown AND NOT has_lacking THEN 'what HubSpot lacks is created, as it has not told its properties' END,
			'left out: ' || mapping.left_out);
END
$$;
COMMENT ON FUNCTION hubspot.propose_record(oid, jsonb, jsonb, text) IS 'statements for a table whose rows are records of the CRM; tables: all of its schema, as hubspot.schema_objects() says, here: it';

/* A contact that belongs to the company that its row names; or a table of who belongs to what. */
CREATE FUNCTION hubspot.propose_associations(server oid, tables jsonb, here jsonb)
RETURNS TABLE (step integer, what text, name text, statement text, remark text)
LANGUAGE plpgsql STABLE ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	links boolean := here->>'object' = 'association';
	contact text;
	company record;
BEGIN
	IF here->>'object' = 'contact' THEN
		contact := CASE WHEN hubspot.server_option(server, 'contact_id_property') IS NULL THEN here->>'email' ELSE here->>'key_column' END;
	ELSE
		contact := (SELECT f."column" FROM hubspot.schema_references(tables, here) f WHERE links AND f.object = 'contact' AND f.refusal IS NULL LIMIT 1);
	END IF;
	SELECT f.* INTO company FROM hubspot.schema_references(tables, here) f WHERE (links OR here->>'object' = 'contact') AND f.object = 'company' AND f.refusal IS NULL LIMIT 1;
	IF contact IS NOT NULL AND company."column" IS NOT NULL THEN
		RETURN QUERY SELECT 4, 'association', here->>'source',
			hubspot.propose_sync(server, here->>'source', CASE WHEN links THEN here->>'name' ELSE format('%s of %s', here->>'name', company.table_name) END, 'association', NULL,
				jsonb_build_array(jsonb_build_object('trait', 'contact', 'column', contact), jsonb_build_object('trait', 'company', 'column', company."column")),
				'deletes => ''remove''', (here->>'is_compared')::boolean),
			format('%s says which of %s a contact belongs to', company."column", company.source);
	ELSIF links THEN
		RETURN QUERY SELECT 9, 'left out', here->>'source', NULL::text,
			(SELECT concat('says what belongs to what: ', string_agg(concat_ws(' ', f."column", '->', f.source, '(' || coalesce(f.refusal, f.object) || ')'), ', '),
					CASE WHEN bool_and(f.refusal IS NULL) THEN ';' || chr(10) || 'a trigger of yours can call hubspot_associate() and hubspot_dissociate() for its rows' END)
				FROM hubspot.schema_references(tables, here) f);
	END IF;
END
$$;
COMMENT ON FUNCTION hubspot.propose_associations(oid, jsonb, jsonb) IS 'statements for what the rows of a table are associated with; tables: all of its schema, here: it';

CREATE FUNCTION hubspot.propose_event(server oid, tables jsonb, here jsonb)
RETURNS TABLE (step integer, what text, name text, statement text, remark text)
LANGUAGE plpgsql STABLE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	source text := here->>'source';
	event text := initcap(array_to_string(hubspot.words_of_name(here->>'name'), ' '));
	account text := (SELECT s.srvname FROM pg_foreign_server s WHERE s.oid = server);
	whose text;
	whose_trait text;
	mapping record;
BEGIN
	SELECT f."column", CASE a.attname WHEN tables->c.refers_to::text->>'email' THEN 'email' ELSE 'userId' END INTO whose, whose_trait
	FROM hubspot.schema_references(tables, here) f
	JOIN jsonb_to_recordset(here->'columns') AS c(name text, refers_to oid, refers_attnum smallint) ON c.name = f."column"
	JOIN pg_attribute a ON a.attrelid = c.refers_to AND a.attnum = c.refers_attnum
	WHERE f.object = 'contact' AND f.refusal IS NULL LIMIT 1;
	IF whose IS NULL THEN
		whose := here->>'email';
		whose_trait := 'email';
	END IF;
	IF whose IS NULL THEN
		RETURN QUERY SELECT 9, 'left out', source, NULL::text, 'a log by its name, but no column says whose an event is:' || chr(10) || 'none refers to a table of contacts, or has e-mail addresses';
		RETURN;
	END IF;
	SELECT * INTO mapping FROM hubspot.schema_mapping(server, 'event', event, here->'columns', ARRAY[whose, here->>'at', coalesce(here->>'key_column', '')]);
	IF hubspot.event_full_name(server, event) IS NULL THEN
		RETURN QUERY SELECT 2, 'event', source,
			format('SELECT %I.hubspot_create_event(%L, %L, %L, server => %L);', hubspot.functions_schema(), hubspot.event_name(event),
				/* as canonical_name() has it; what is no name even so is left out of the events, with a warning */
				(SELECT coalesce(jsonb_object_agg(n.name, CASE t.type WHEN 'enumeration' THEN 'string' ELSE t.type END), '{}')
					FROM jsonb_to_recordset(mapping.pairs) AS c(trait text, type_name text), LATERAL (SELECT hubspot.property_type_for(to_regtype(c.type_name)::oid)) AS t(type),
						LATERAL (SELECT regexp_replace(lower(c.trait), '[^a-z0-9_]+', '_', 'g')) AS n(name)
					WHERE n.name ~ '^[a-z][a-z0-9_]{0,49}$'),
				event, account),
			CASE WHEN EXISTS (SELECT FROM hubspot.schema k WHERE k.server = propose_event.server AND k.part = 'event' AND k.known) THEN 'HubSpot has no such event'
				ELSE 'HubSpot has not told its events: one that it has stays as it is' END;
	END IF;
	RETURN QUERY SELECT 5, 'sync', source,
		hubspot.propose_sync(server, source, here->>'name', 'event', here->>'key_column',
			jsonb_build_array(jsonb_build_object('trait', whose_trait, 'column', whose), jsonb_build_object('trait', 'timestamp', 'column', here->>'at')) || mapping.pairs,
			format('event => %L', event), (here->>'is_compared')::boolean),
		concat_ws(chr(10), 'event: ' || (here->>'why'), 'left out: ' || mapping.left_out);
END
$$;
COMMENT ON FUNCTION hubspot.propose_event(oid, jsonb, jsonb) IS 'statements for a table that is written like a log: each row is an event of a contact; tables: all of its schema, here: it';

CREATE FUNCTION hubspot.schema_proposal(schema oid, server oid, role oid, deletes text, views boolean)
RETURNS TABLE (ordinal bigint, what text, name text, statement text, remark text)
LANGUAGE plpgsql STABLE ROWS 50
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	tables jsonb := hubspot.schema_objects(schema, server, role, views);
	account text := (SELECT s.srvname FROM pg_foreign_server s WHERE s.oid = server);
	listed text := hubspot.server_option(server, 'id_properties');
	further text;	/* entries of the option for objects that have none */
BEGIN
	SELECT string_agg(format('%s=%s', t.it->>'object', hubspot.propose_id_property(t.it)), ', ' ORDER BY t.it->>'name') INTO further
	FROM jsonb_each(tables) AS t(relation, it), hubspot.object_type(t.it->>'object') y
	WHERE y.call = 'record' AND t.it->>'refusal' IS NULL AND t.it->>'declared' IS NULL AND hubspot.own_id_property(server, t.it->>'object') IS NULL;
	RETURN QUERY
		SELECT row_number() OVER (ORDER BY p.step, p.place, p.n), p.what, p.name, p.statement, p.remark FROM (
		SELECT p.*, o.n AS place
		FROM unnest(hubspot.order_of_references(ARRAY(SELECT k::oid FROM jsonb_object_keys(tables) k ORDER BY tables->k->>'name'))) WITH ORDINALITY AS o(relation, n)
		CROSS JOIN LATERAL (SELECT tables->o.relation::text AS it) h
		CROSS JOIN LATERAL (
			SELECT 9 AS step, 'left out' AS what, h.it->>'source' AS name, NULL AS statement,
				concat_ws(chr(10), h.it->>'refusal', CASE WHEN h.it->>'object' IS NULL THEN (SELECT format('%s refers to %s (%s): a view that joins both can be synced', f."column", f.source, f.object)
					FROM hubspot.schema_references(tables, h.it) f WHERE f.refusal IS NULL AND f.object <> 'association' LIMIT 1) END) AS remark, 0 AS n WHERE h.it->>'refusal' IS NOT NULL
			UNION ALL
			SELECT 9, 'left out', h.it->>'source', NULL, format('declared already, as %s', quote_literal(h.it->>'declared')), 0 WHERE h.it->>'refusal' IS NULL AND h.it->>'declared' IS NOT NULL
			UNION ALL
			SELECT s.*, row_number() OVER () FROM (
				SELECT r.* FROM hubspot.propose_record(server, tables, h.it, deletes) r WHERE h.it->>'object' NOT IN ('event', 'association') AND h.it->>'refusal' IS NULL AND h.it->>'declared' IS NULL
				UNION ALL
				SELECT e.* FROM hubspot.propose_event(server, tables, h.it) e WHERE h.it->>'object' = 'event' AND h.it->>'refusal' IS NULL AND h.it->>'declared' IS NULL
				UNION ALL
				SELECT a.* FROM hubspot.propose_associations(server, tables, h.it) a WHERE h.it->>'refusal' IS NULL AND h.it->>'declared' IS NULL) s) p
		UNION ALL
		SELECT 1, 'key', NULL, format('ALTER SERVER %I OPTIONS (%s id_properties %L);', account, CASE WHEN listed IS NULL THEN 'ADD' ELSE 'SET' END, concat_ws(', ', listed, further)),
			'by which records of these objects are found, in calls of yours as well', 0, 1000000 WHERE further IS NOT NULL) p
		ORDER BY 1;
END
$$;
COMMENT ON FUNCTION hubspot.schema_proposal(oid, oid, oid, text, boolean) IS 'hubspot_sync_schema() of an account, for a role that may use it';

CREATE FUNCTION @extschema@.hubspot_sync_schema(schema name, dry_run boolean DEFAULT true, server name DEFAULT NULL, deletes text DEFAULT 'archive', views boolean DEFAULT false,
	OUT ordinal bigint, OUT what text, OUT name text, OUT statement text, OUT remark text)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 50 AS 'MODULE_PATHNAME', 'hubspot_sync_schema';
COMMENT ON FUNCTION @extschema@.hubspot_sync_schema(name, boolean, name, text, boolean) IS
'proposes, from the tables of a schema, their keys and columns, the statements that have HubSpot follow them, in the order to run them: key (what an object is known by), property and event (what HubSpot lacks), sync, association, and what is left out, and why.  What others refer to comes first.  deletes: of the syncs of records.  views: views and foreign tables as well, compared every hour.  dry_run false: runs the statements as well, as the caller, all or nothing.  Reads no row; needs USAGE on the SERVER and on the schema, and to run them what each statement needs.  Raises invalid_schema_name, insufficient_privilege or invalid_parameter_value';
