/* 10-words.sql
 *
 * The words that rows of the outbox and of its verdicts are told by.
 * src/base/words.h knows the order of the labels: a new one stands at the end.
 * What a verdict means is said by src/base/verdict.c alone.
 */

CREATE TYPE hubspot.call AS ENUM ('identify', 'track', 'group', 'page', 'form', 'delete',
	'refresh_schema', 'create_property', 'create_event', 'add_to_list', 'remove_from_list', 'create_list', 'ungroup', 'subscription', 'record',
	'associate', 'dissociate', 'create_label');
COMMENT ON TYPE hubspot.call IS 'the function (or trigger argument) that queued a row';

CREATE FUNCTION hubspot.object_types(
	OUT object text, OUT lane text, OUT call text, OUT per_request integer, OUT own_limit integer, OUT merges boolean,
	OUT has_schema boolean, OUT can_be_synced boolean, OUT keyed_by_contact boolean, OUT is_record boolean, OUT type_id text,
	OUT id_member text, OUT id_option text, OUT natural_key text, OUT natural_key_is_unique boolean, OUT key_trait text,
	OUT stage_property text, OUT special_fields text[], OUT can_be_erased boolean)
RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 9 AS 'MODULE_PATHNAME', 'hubspot_object_types';
COMMENT ON FUNCTION hubspot.object_types() IS
'what is known of each object, a row for each that has code of its own, records of contacts and companies among them: its lane; the call that queues one; how many a request takes, and the requests per 10 seconds of a limit of its own (0: HubSpot has none, NULL: the account''s); whether rows of one key become one record; whether HubSpot tells its properties or definitions, hubspot_sync() writes it, its rows end with the erasure of their contact.  For records of the CRM also: HubSpot''s type id; member of the message that holds the user''s id, SERVER option that names the property of that; the property that a record goes by without it, whether that is unique in HubSpot, and the trait that tells it as well; the property that HubSpot moves forwards only; properties with rules of their own in the mapping; whether a record can be erased';

CREATE FUNCTION hubspot.object_type(word text,
	OUT object text, OUT lane text, OUT call text, OUT per_request integer, OUT own_limit integer, OUT merges boolean,
	OUT has_schema boolean, OUT can_be_synced boolean, OUT keyed_by_contact boolean, OUT is_record boolean, OUT type_id text,
	OUT id_member text, OUT id_option text, OUT natural_key text, OUT natural_key_is_unique boolean, OUT key_trait text,
	OUT stage_property text, OUT special_fields text[], OUT can_be_erased boolean)
RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 1 AS 'MODULE_PATHNAME', 'hubspot_object_type';
COMMENT ON FUNCTION hubspot.object_type(text) IS 'what hubspot.object_types() says of one object, and of a further type of records or a custom object as well; no row: there is no such object';

CREATE FUNCTION hubspot.record_types(
	OUT object text, OUT lane text, OUT type_id text, OUT path text, OUT scopes text[], OUT modified_property text,
	OUT pipeline_property text, OUT stage_property text, OUT born_with text[], OUT born_associated text[], OUT stands_alone boolean)
RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 27 AS 'MODULE_PATHNAME', 'hubspot_record_types';
COMMENT ON FUNCTION hubspot.record_types() IS
'HubSpot''s own types of records: the word that rows and arguments name them by, the lane, HubSpot''s type id and what its paths call them, the scopes of which a token needs one to write them, the property that holds when a record last changed, those of its pipeline and stage, the properties that HubSpot wants at creation, the objects with one of which it wants it associated then, and whether it can be associated with nothing.  A custom object is named by its type id, as 2-123, which is its lane''s name, too';

CREATE FUNCTION hubspot.word_of_object(name text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'hubspot_word_of_object';
COMMENT ON FUNCTION hubspot.word_of_object(text) IS 'the word of the column object for an object, which may be named by HubSpot''s type id as well; NULL: there is no such object';

CREATE FUNCTION hubspot.lane_of_object(name text) RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'hubspot_lane_of_object';
COMMENT ON FUNCTION hubspot.lane_of_object(text) IS 'the lane of an object''s rows; NULL: there is no such object';

CREATE FUNCTION hubspot.object_has_schema(object text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce((SELECT t.has_schema FROM hubspot.object_types() t WHERE t.object = $1), hubspot.word_of_object($1) = $1, false)
$$;
COMMENT ON FUNCTION hubspot.object_has_schema(text) IS 'whether HubSpot tells the properties of an object of this name, so that traits can be mapped to them';

CREATE FUNCTION hubspot.object_can_be_synced(object text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce((SELECT t.can_be_synced FROM hubspot.object_type($1) t WHERE t.object = $1), false)
$$;
COMMENT ON FUNCTION hubspot.object_can_be_synced(text) IS 'whether a definition can be of an object of this name';

CREATE TYPE hubspot.source AS ENUM ('function', 'trigger', 'sync');
COMMENT ON TYPE hubspot.source IS 'how a row came into the outbox';

CREATE TYPE hubspot.verdict AS ENUM ('delivered', 'coalesced', 'unchanged', 'rejected', 'expired',
	'cancelled', 'dead', 'sent_unconfirmed', 'unknown');
COMMENT ON TYPE hubspot.verdict IS 'how a row ended; hubspot.verdicts() says what each means';

CREATE FUNCTION hubspot.verdicts(
	OUT verdict hubspot.verdict, OUT arrived boolean, OUT in_doubt boolean, OUT failed boolean, OUT final boolean,
	OUT retried_by text[], OUT meaning text)
RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 9 AS 'MODULE_PATHNAME', 'hubspot_verdicts';
COMMENT ON FUNCTION hubspot.verdicts() IS
'how a row can end, a row per verdict: whether HubSpot has what the row says (arrived; NULL: nobody knows, or the row in merged_into says so); whether it was sent and no answer says what became of it (in_doubt); whether it is in hubspot.failures (failed); whether it is the row''s own fate (final), not that of the row in merged_into; who tries again: refresh (the next one of an audience, a trait or a compared sync), retry (hubspot_retry()), retry by name (hubspot_retry() with this id or verdict)';

/*
 * Immutable, so that the planner puts the verdicts in its place, finds them
 * in a partial index's condition, and compares without a call.
 */
CREATE FUNCTION hubspot.verdicts_with(flag text) RETURNS hubspot.verdict[]
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'hubspot_verdicts_with';
COMMENT ON FUNCTION hubspot.verdicts_with(text) IS
'the verdicts of hubspot.verdicts() with a flag, in its order: arrived, missing (arrived is false), in_doubt, failed, refresh, retry (both in retried_by), retryable (by hubspot_retry(), be it by name)';

CREATE FUNCTION hubspot.check_word(noun text, word text, valid text[] DEFAULT NULL) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	valid := coalesce(valid, ARRAY(SELECT e.enumlabel::text FROM pg_enum e
		WHERE e.enumtypid = format('hubspot.%I', noun)::regtype ORDER BY e.enumsortorder));
	IF word <> ALL (valid) THEN
		RAISE EXCEPTION 'unknown % "%"', noun, word USING ERRCODE = 'invalid_parameter_value',
			HINT = format('Valid %ss are: %s.', noun, array_to_string(valid, ', '));
	END IF;
END
$$;
COMMENT ON FUNCTION hubspot.check_word(text, text, text[]) IS
'raises an error that names the valid words unless an argument is NULL or one of them: these, or else the labels of the enum of that name';

CREATE FUNCTION hubspot.check_object(object text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF hubspot.word_of_object(object) IS DISTINCT FROM object THEN
		RAISE EXCEPTION 'unknown object "%"', object USING ERRCODE = 'invalid_parameter_value',
			HINT = format('Valid objects are: %s; those of hubspot.record_types(); and type ids of custom objects, as 2-123.',
				(SELECT string_agg(t.object, ', ') FROM hubspot.object_types() t));
	END IF;
END
$$;
COMMENT ON FUNCTION hubspot.check_object(text) IS 'raises an error unless an argument is NULL or a word of the column object';

CREATE FUNCTION hubspot.check_order(since timestamptz, until timestamptz) RETURNS void
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF since > until THEN
		RAISE EXCEPTION 'since must not be after until' USING ERRCODE = 'invalid_parameter_value',
			DETAIL = format('since is %s, until is %s.', since, until);
	END IF;
END
$$;
COMMENT ON FUNCTION hubspot.check_order(timestamptz, timestamptz) IS 'raises an error if a span of time ends before it begins';
