/* 10-words.sql
 *
 * The words that rows of the outbox and of its verdicts are told by.
 * src/base/words.h knows the order of the labels: a new one stands at the end.
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
COMMENT ON TYPE hubspot.verdict IS
'how a row ended: delivered (HubSpot confirmed this record), coalesced (merged into a later row and shares its fate), unchanged (HubSpot had it already), rejected (will never work as it is), expired (deadline passed), cancelled, dead (gave up), sent_unconfirmed (no answer exists), unknown (the answer was lost and a repeat could double it)';
