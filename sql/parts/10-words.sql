/* 10-words.sql
 *
 * The words that rows of the outbox and of its verdicts are told by.
 * src/base/words.h knows the order of the labels: a new one stands at the end.
 * What a verdict means is said by src/base/verdict.c alone.
 */

CREATE TYPE hubspot.call AS ENUM ('identify', 'track', 'group', 'page', 'form', 'delete',
	'refresh_schema', 'create_property', 'create_event', 'add_to_list', 'remove_from_list', 'create_list');
COMMENT ON TYPE hubspot.call IS 'the function (or trigger argument) that queued a row';

CREATE TYPE hubspot.object AS ENUM ('contact', 'company', 'association', 'event', 'form', 'schema', 'list');
COMMENT ON TYPE hubspot.object IS 'what a row writes in HubSpot';

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
