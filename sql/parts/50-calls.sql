/* 50-calls.sql
 *
 * The functions that queue a row, and what is said about names and known values.
 */

CREATE FUNCTION @extschema@.hubspot_identify(message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_identify';
COMMENT ON FUNCTION @extschema@.hubspot_identify(jsonb, name, interval, boolean) IS
'queues a contact: a Segment identify message, or a flat row (to_jsonb(t)) whose columns are the traits; returns the outbox id.  Part of the caller''s transaction.  A message without a contact key or with a malformed one raises invalid_parameter_value (see hubspot.on_invalid).  deadline, of this and the other calls: what could not be sent within it, a year at most, ends as expired; NULL: the deadline of the message, if it has one.  backfill: a bulk of old data, which makes way for live calls';

CREATE FUNCTION @extschema@.hubspot_track(message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_track';
COMMENT ON FUNCTION @extschema@.hubspot_track(jsonb, name, interval, boolean) IS
'queues a custom behavioural event: a Segment track message, or a flat row with a key "event" whose other keys are the event''s properties; returns the outbox id.  context.traits are queued as a row of the contact, whose parent is this id.  "object" beside "properties" names another record type than a contact, with "record_id" or the "id" that the event''s definition finds the record by.  A message without an event, or without an e-mail address, userId or context.hutk, raises invalid_parameter_value';

CREATE FUNCTION @extschema@.hubspot_group(message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_group';
COMMENT ON FUNCTION @extschema@.hubspot_group(jsonb, name, interval, boolean) IS
'queues a company: a Segment group message, or a flat row; returns the outbox id.  The company is known by groupId where the SERVER option company_id_property is set, else by the domain of its website.  With a userId or context.traits.email the contact is associated with it, and context.traits are queued as the contact''s: rows whose parent is this id.  A message without a usable key raises invalid_parameter_value';

CREATE FUNCTION @extschema@.hubspot_ungroup(message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_ungroup';
COMMENT ON FUNCTION @extschema@.hubspot_ungroup(jsonb, name, interval, boolean) IS
'queues that a contact belongs to a company no longer: a message as of hubspot_group, which names both; all else in it is ignored.  Company and contact stay; returns the outbox id.  unchanged: HubSpot does not have one of the two.  A message that does not name both raises invalid_parameter_value';

CREATE FUNCTION @extschema@.hubspot_page(message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_page';
COMMENT ON FUNCTION @extschema@.hubspot_page(jsonb, name, interval, boolean) IS
'queues a page view as the event that the SERVER option page_event names, with hs_page_url, hs_page_title and hs_referrer from properties or context.page; returns the outbox id.  Keys and errors as hubspot_track';

CREATE FUNCTION @extschema@.hubspot_form(message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_form';
COMMENT ON FUNCTION @extschema@.hubspot_form(jsonb, name, interval, boolean) IS
'queues the submission of a HubSpot form: formId, fields (array of {name, value}), optional portalId, submittedAt, legalConsentOptions and context.{hutk, pageUri, pageName, ipAddress}; returns the outbox id.  Never sent twice: when the answer is lost the row ends as unknown.  A message without formId or fields raises invalid_parameter_value';

CREATE FUNCTION @extschema@.hubspot_delete(message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_delete';
COMMENT ON FUNCTION @extschema@.hubspot_delete(jsonb, name, interval, boolean) IS
'queues the archiving of a contact, by userId or e-mail address, or with "object": "company" of a company, by groupId or domain; returns the outbox id.  unchanged: HubSpot has no such record.  With "gdpr": true HubSpot erases a contact for good, and every trace of it is removed from the extension''s tables before the row has its verdict';

CREATE FUNCTION @extschema@.hubspot_add_to_list(list text, message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_add_to_list';
COMMENT ON FUNCTION @extschema@.hubspot_add_to_list(text, jsonb, name, interval, boolean) IS
'queues that a contact becomes a member of the static list of this name in HubSpot; the message names the contact by an e-mail address or userId, or with "object": "company" a company as hubspot_group() does, of a list of companies; returns the outbox id.  unchanged: it is a member already.  rejected: list_not_found, see hubspot_create_list(), list_not_static, contact_not_found or company_not_found.  A message without a usable key, or a list''s name of more than 250 bytes, raises invalid_parameter_value';

CREATE FUNCTION @extschema@.hubspot_remove_from_list(list text, message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_remove_from_list';
COMMENT ON FUNCTION @extschema@.hubspot_remove_from_list(text, jsonb, name, interval, boolean) IS
'queues that a contact or company is a member of the static list no longer; arguments, verdicts and errors as hubspot_add_to_list.  unchanged: it is not a member, or HubSpot does not have it at all';

CREATE FUNCTION @extschema@.hubspot_subscription(message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_subscription';
COMMENT ON FUNCTION @extschema@.hubspot_subscription(jsonb, name, interval, boolean) IS
'queues that an address is subscribed to a type of e-mail, or has opted out: email (or a userId that was told), subscription (name or id), subscribed, legalBasis with legalBasisExplanation, channel (EMAIL); or unsubscribeAll, with businessUnit; returns the outbox id.  Rows of one address go in their order, none is merged.  unchanged: it is so already.  rejected: unsubscribed (the address has opted out, and the message has no "resubscribe": true), unknown_subscription, legal_basis_missing.  A message that says none of this raises invalid_parameter_value';

CREATE FUNCTION @extschema@.hubspot_record(object text, message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_record';
COMMENT ON FUNCTION @extschema@.hubspot_record(text, jsonb, name, interval, boolean) IS
'queues a record of any type of HubSpot''s CRM: object is a word of hubspot.record_types(), such as deal, a type id, or a name of a custom object; message is {"id": your own id, "properties": {...}, "mode": "upsert", "update" or "create"}, with "record_id" in place of "id" where HubSpot''s own id is known, or a flat row; returns the outbox id.  id is a value of the property that the SERVER option id_properties names for the object.  Of contact and company it is what hubspot_identify() and hubspot_group() queue';

CREATE FUNCTION @extschema@.hubspot_associate(from_object text, from_id text, to_object text, to_id text, label text DEFAULT NULL,
	server name DEFAULT NULL, deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_associate';
COMMENT ON FUNCTION @extschema@.hubspot_associate(text, text, text, text, text, name, interval, boolean) IS
'queues that two records of any objects are associated, with a label or without; each is named by your id, as in its own calls: a contact by an e-mail address or userId, a company by groupId or domain.  Other labels of the two stay.  Waits until both records are known, at most for the SERVER option unknown_user_wait; returns the outbox id.  unchanged: they have the label already.  rejected: <object>_not_found, self_association.  Warning unknown_label: HubSpot does not have it, see hubspot_create_label(); they are associated without.  A message form for hubspot_enqueue() and triggers has the same names, and from_record_id, to_record_id';

CREATE FUNCTION @extschema@.hubspot_dissociate(from_object text, from_id text, to_object text, to_id text, label text DEFAULT NULL,
	server name DEFAULT NULL, deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_dissociate';
COMMENT ON FUNCTION @extschema@.hubspot_dissociate(text, text, text, text, text, name, interval, boolean) IS
'queues that two records are associated no longer, whatever labels they have; or with a label, that they lose this one and stay associated; arguments as hubspot_associate.  Returns the outbox id.  unchanged: HubSpot does not have one of the two.  rejected: unknown_label';

CREATE FUNCTION @extschema@.hubspot_enqueue(call text, messages jsonb[], server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS SETOF bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_enqueue';
COMMENT ON FUNCTION @extschema@.hubspot_enqueue(text, jsonb[], name, interval, boolean) IS
'queues one call per element, in order, and returns their outbox ids in the same order; call is the word after hubspot_, such as identify; NULL: each message names its own in its member "type", as Segment''s do; messages of the types alias and screen are left out, their id is NULL and a NOTICE counts them';

CREATE FUNCTION @extschema@.hubspot_trigger() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_trigger';
COMMENT ON FUNCTION @extschema@.hubspot_trigger() IS
'queues a call per new row; arguments: call, server ('''' for the default), column mapping as a JSON object of trait -> column ('''' for all columns), deadline as an interval.  AFTER INSERT or UPDATE, FOR EACH ROW, or FOR EACH STATEMENT with REFERENCING NEW TABLE.  USAGE is checked for the owner of the table, and for whoever creates the trigger, who must own the table when it names no server; a bad row never fails the statement (see hubspot.on_invalid)';

CREATE FUNCTION hubspot.check_mapped(object text) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT hubspot.object_has_schema(object) THEN
		RAISE EXCEPTION 'unknown object "%"', object USING ERRCODE = 'invalid_parameter_value',
			HINT = format('Valid objects are: %s; those of hubspot.record_types(); and type ids of custom objects, as 2-123.',
				(SELECT string_agg(t.object, ', ' ORDER BY t.object = 'event', t.object DESC) FROM hubspot.object_types() t WHERE t.has_schema));
	END IF;
END
$$;
COMMENT ON FUNCTION hubspot.check_mapped(text) IS 'raises an error unless an argument is NULL or an object whose traits can be mapped';

CREATE FUNCTION @extschema@.hubspot_map(trait text, property text, object text DEFAULT 'contact', server name DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM hubspot.check_mapped($3),
		CASE WHEN $4 IS NOT NULL THEN hubspot.server_oid($4) END;
	IF $1 = '' OR octet_length($1) > 1024 THEN
		RAISE EXCEPTION 'invalid name of a trait' USING ERRCODE = 'invalid_parameter_value',
			DETAIL = 'It is empty, or longer than 1024 bytes.';
	END IF;
	IF $2 !~ '^[a-z][a-z0-9_]{0,99}$' THEN
		RAISE EXCEPTION 'invalid name of a property: "%"', $2 USING ERRCODE = 'invalid_parameter_value',
			DETAIL = 'HubSpot''s internal names consist of small letters, digits and "_", and begin with a letter.',
			HINT = 'The label that HubSpot shows is not the name: see hubspot.property. NULL: the trait is not sent.';
	END IF;
	INSERT INTO hubspot.mapping (server, object, trait, property) VALUES (coalesce($4, ''), $3, $1, $2)
	ON CONFLICT ON CONSTRAINT mapping_pkey DO UPDATE SET property = excluded.property;
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_map(text, text, text, name) IS
'from now on the trait (dots reach inside of objects, the rest of which is not touched) is this HubSpot property, whatever its name; property NULL: it is not sent.  For one SERVER, or for all of this database.  Needs the right to write hubspot.mapping';

CREATE FUNCTION @extschema@.hubspot_unmap(trait text, object text DEFAULT 'contact', server name DEFAULT NULL)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT hubspot.check_mapped($2),
		CASE WHEN $3 IS NOT NULL THEN hubspot.server_oid($3) END;
	DELETE FROM hubspot.mapping m
	WHERE m.server = coalesce($3, '') AND m.object = $2 AND m.trait = $1;
$$;
COMMENT ON FUNCTION @extschema@.hubspot_unmap(text, text, name) IS 'takes back hubspot_map()';

CREATE FUNCTION @extschema@.hubspot_refresh_schema(server name DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_refresh_schema';
COMMENT ON FUNCTION @extschema@.hubspot_refresh_schema(name) IS
'queues the reading of properties and event definitions from HubSpot; returns the outbox id, whose verdict says when it is done';

CREATE FUNCTION @extschema@.hubspot_create_property(object text, name text, type text, label text DEFAULT NULL,
	options text[] DEFAULT NULL, is_unique boolean DEFAULT false, server name DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_create_property';
COMMENT ON FUNCTION @extschema@.hubspot_create_property(text, text, text, text, text[], boolean, name) IS
'queues the creation of a property of a type of records in HubSpot; object is contact, company, another word of hubspot.record_types() or a type id; type is string, number, bool, enumeration (with options), date or datetime; returns the outbox id.  unchanged: HubSpot has it already';

CREATE FUNCTION @extschema@.hubspot_create_event(name text, properties jsonb DEFAULT '{}', label text DEFAULT NULL,
	server name DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_create_event';
COMMENT ON FUNCTION @extschema@.hubspot_create_event(text, jsonb, text, name) IS
'queues the definition of a custom event in HubSpot; properties is an object of name -> type (string, number, bool, date, datetime), beside HubSpot''s default ones; returns the outbox id.  Of an event that HubSpot has, the properties that it lacks are added; unchanged: it lacks none.  A property''s type cannot be changed later';

CREATE FUNCTION @extschema@.hubspot_create_event_property(event text, name text, type text, label text DEFAULT NULL,
	server name DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_create_event_property';
COMMENT ON FUNCTION @extschema@.hubspot_create_event_property(text, text, text, text, name) IS
'queues a property that is added to the definition of a custom event in HubSpot; event is its internal name, type is string, number, bool, date or datetime; returns the outbox id.  unchanged: the event has it already.  rejected: HubSpot has no such event, or takes no more properties';

CREATE FUNCTION @extschema@.hubspot_create_list(name text, object text DEFAULT 'contact', server name DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_create_list';
COMMENT ON FUNCTION @extschema@.hubspot_create_list(text, text, name) IS
'queues the creation of a static list in HubSpot, whose members hubspot_add_to_list() and hubspot_remove_from_list() change; object is contact or company; returns the outbox id.  unchanged: HubSpot has it already.  rejected: another list has this name';

CREATE FUNCTION @extschema@.hubspot_create_label(from_object text, to_object text, label text, inverse text DEFAULT NULL, server name DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_create_label';
COMMENT ON FUNCTION @extschema@.hubspot_create_label(text, text, text, text, name) IS
'queues the creation of a label for associations of two objects in HubSpot; inverse: what it is called seen from the other one, NULL: the same; returns the outbox id.  Associations with this label that are queued after it wait for it.  unchanged: HubSpot has it already';

/*
 * Records that a key may mean: as it is, in lower case as addresses and
 * domains are kept, and by the address that a userId was seen with.
 */
CREATE FUNCTION hubspot.records_of_key(key text, OUT server oid, OUT object text, OUT record_id text)
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
	WITH given AS (
		SELECT r.server, r.object, r.key_property, r.record_id FROM hubspot.record r
		WHERE r.key_hash IN (pg_catalog.hashtextextended($1, 0), pg_catalog.hashtextextended(pg_catalog.lower($1), 0))
			AND r.key IN ($1, pg_catalog.lower($1))
	)
	SELECT g.server, g.object, g.record_id FROM given g WHERE g.key_property <> 'userId'
	UNION
	SELECT r.server, r.object, r.record_id
	FROM given g
	JOIN hubspot.record r ON r.key_hash = pg_catalog.hashtextextended(g.record_id, 0)
		AND r.key = g.record_id AND r.server = g.server AND r.object = g.object AND r.key_property = 'email'
	WHERE g.key_property = 'userId';
END;
COMMENT ON FUNCTION hubspot.records_of_key(text) IS 'records of all accounts that a key is known to mean';

CREATE FUNCTION hubspot.wake() RETURNS void
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'hubspot_wake';
COMMENT ON FUNCTION hubspot.wake() IS 'when this transaction commits, the worker of this database looks at its tables at once';

CREATE FUNCTION @extschema@.hubspot_forget_confirmed(server name DEFAULT NULL, object text DEFAULT NULL, key text DEFAULT NULL)
RETURNS bigint
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT hubspot.check_object($2);
	INSERT INTO hubspot.forgotten (server, object, key)
		VALUES (CASE WHEN $1 IS NOT NULL THEN hubspot.server_oid($1) END, $2, $3);
	SELECT hubspot.wake();
	SELECT CASE WHEN $3 IS NULL THEN (SELECT count(*) FROM hubspot.confirmed c
			WHERE ($1 IS NULL OR c.server = hubspot.server_oid($1)) AND ($2 IS NULL OR c.object = $2))
		ELSE (SELECT count(*) FROM hubspot.records_of_key($3) r
			JOIN hubspot.confirmed c ON c.server = r.server AND c.record_id = r.record_id AND c.object = r.object
			WHERE ($1 IS NULL OR c.server = hubspot.server_oid($1)) AND ($2 IS NULL OR c.object = $2)) END;
$$;
COMMENT ON FUNCTION @extschema@.hubspot_forget_confirmed(name, text, text) IS
'from this transaction''s commit on, what HubSpot has confirmed counts as not known, so that the next call sends all its values again (SERVER option skip_unchanged): of one SERVER or all, of contact or company or both, of one key (e-mail address, userId, domain, or the value of the id property) or all; returns how many records are written down as confirmed now.  Owner of the extension only';

CREATE FUNCTION hubspot.functions_schema() RETURNS name
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hubspot';
END;
COMMENT ON FUNCTION hubspot.functions_schema() IS 'schema of the functions hubspot_*, for statements that are proposed';

CREATE FUNCTION @extschema@.hubspot_object(object text, id_property text, server name DEFAULT NULL,
	OUT word text, OUT found text, OUT outbox_id bigint, OUT remedy text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_object';
COMMENT ON FUNCTION @extschema@.hubspot_object(text, text, name) IS
'from now on the user''s ids of these records are values of this property in HubSpot: sets the SERVER''s option for it (id_properties, contact_id_property or company_id_property) with the caller''s rights; NULL takes that back.  object: of HubSpot''s own types a name (deal, tickets, 0-3), a custom object''s name or type id.  word: what rows call it; found: unique, record ids, missing, not checked, taken back; a property that is missing is created, unique and hidden, where the SERVER option create_properties is on (outbox_id), else remedy has the statement.  One that is there and not unique, or that only HubSpot writes, raises invalid_parameter_value';
