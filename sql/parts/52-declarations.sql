/* 52-declarations.sql
 *
 * The functions that declare, refresh and drop syncs, audiences and traits.
 */

CREATE FUNCTION @extschema@.hubspot_sync(name text, source text, object text DEFAULT 'contact', key text DEFAULT NULL,
	mapping jsonb DEFAULT NULL, mode text DEFAULT 'upsert', deletes text DEFAULT 'ignore', event text DEFAULT NULL,
	every interval DEFAULT NULL, backfill boolean DEFAULT true, max_shrink real DEFAULT 0.2,
	timeout interval DEFAULT '5 minutes', server name DEFAULT NULL, deadline interval DEFAULT NULL,
	create_in_hubspot boolean DEFAULT false) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_sync';
COMMENT ON FUNCTION @extschema@.hubspot_sync(text, text, text, text, jsonb, text, text, text, interval, boolean, real, interval, name, interval, boolean) IS
'declares that HubSpot follows a table, view or query, or changes what is declared by this name.  object: contact, company, any other type of records by any of its names, event, association.  mapping: object of property -> column, NULL: all columns by their names; of records beyond contacts and companies a name that is an object''s says that the column holds keys of records that this one is associated with.  key: column that says which record a row is, NULL: the one mapped to the account''s id property, email or domain; of events the primary key.  mode: upsert, update, create, mirror.  deletes: ignore, clear, archive; of associations ignore, remove.  The changes of a table, its partitions and children are followed by triggers, in the transaction of who makes them; a view, a query or the mode mirror is compared every so often, and no more than max_shrink of its records (0 to 1) may leave at once.  backfill: also what is there already; false: it counts as known, for which the query of a compared source is run once, now.  deadline: how long an event or association may wait to be sent.  create_in_hubspot: true: properties that HubSpot lacks are created, of the types of the columns; false: they are an error; NULL: they are left out until HubSpot has them; what is not known, as HubSpot has not told its properties yet, counts as there.  Needs USAGE on the SERVER, SELECT on the columns and TRIGGER on a table, its partitions and children; the caller becomes the owner.  What is no good raises invalid_parameter_value, undefined_column, undefined_table, undefined_object or insufficient_privilege';

CREATE FUNCTION @extschema@.hubspot_audience(name text, query text, level text DEFAULT 'user',
	outputs text[] DEFAULT '{property}', property text DEFAULT NULL, list text DEFAULT NULL, every interval DEFAULT NULL,
	create_in_hubspot boolean DEFAULT false, max_shrink real DEFAULT 1, timeout interval DEFAULT '5 minutes', server name DEFAULT NULL,
	deadline interval DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_audience';
COMMENT ON FUNCTION @extschema@.hubspot_audience(text, text, text, text[], text, text, interval, boolean, real, interval, name, interval) IS
'declares an audience, or changes it: whom the query returns is in.  The first column is the key: an e-mail address or userId (level user), a groupId or domain (account: the companies; account_users: the contacts that group calls have put into them).  outputs: property (a single checkbox, true and false), event (Audience Entered, Audience Exited), list (a static list).  property: its internal name, by default made of the audience''s; list: its name, by default the audience''s.  every: refreshed by the worker; NULL: by hubspot_refresh() only.  create_in_hubspot: what is missing is created; false: it is an error; NULL: it is left out until HubSpot has it.  max_shrink: share of the members that may leave in one refresh.  deadline: how long its events and memberships of the list may wait to be sent.  The caller becomes the owner, the query runs with his rights (those of pg_read_all_data for a superuser) and his present search_path';

CREATE FUNCTION @extschema@.hubspot_trait(name text, query text, level text DEFAULT 'user',
	property text DEFAULT NULL, on_missing text DEFAULT 'clear', every interval DEFAULT NULL,
	create_in_hubspot boolean DEFAULT false, max_shrink real DEFAULT 1, timeout interval DEFAULT '5 minutes', server name DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_trait';
COMMENT ON FUNCTION @extschema@.hubspot_trait(text, text, text, text, text, interval, boolean, real, interval, name) IS
'declares a computed trait, or changes it: the query returns a key, as of hubspot_audience(), and the value of the property.  A key that is not returned any more has its value cleared, unless on_missing is keep.  A property that is created (create_in_hubspot) has the type of the second column: number, bool, date, datetime, enumeration with an enum''s labels, else string';

CREATE FUNCTION @extschema@.hubspot_refresh(name text, confirm boolean DEFAULT false,
	OUT source_rows bigint, OUT entered bigint, OUT changed bigint, OUT exited bigint, OUT bad bigint)
RETURNS record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_refresh';
COMMENT ON FUNCTION @extschema@.hubspot_refresh(text, boolean) IS
'runs the query of an audience, trait or compared sync and queues what differs from the last time, in this transaction; returns how many rows with a usable key the query returned, how many keys are new, have another value, have gone, and how many rows had no key, or one of more than 1,024 bytes.  Waits for another refresh of the same definition.  confirm: more may leave than max_shrink allows.  For the owner of the definition';

CREATE FUNCTION @extschema@.hubspot_refresh_preview(name text, max_rows bigint DEFAULT 100,
	OUT change text, OUT key text, OUT value jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_refresh_preview';
COMMENT ON FUNCTION @extschema@.hubspot_refresh_preview(text, bigint) IS
'what hubspot_refresh() would do now, a row per key that is entered, changed or exited, with its value; queues nothing.  For the owner of the definition';

CREATE FUNCTION @extschema@.hubspot_sync_trigger() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_sync_trigger';
COMMENT ON FUNCTION @extschema@.hubspot_sync_trigger() IS
'queues the changes of a table that hubspot_sync() follows; its argument is the name of the sync.  hubspot_sync() makes the triggers, also on partitions and children, and one for rows that a subscription applies; they need not be dumped or restored in any special way: they do nothing while the sync is held, gone or of another table';

CREATE FUNCTION @extschema@.hubspot_alter_owner(name text, role name) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_alter_owner';
COMMENT ON FUNCTION @extschema@.hubspot_alter_owner(text, name) IS
'gives a sync, audience or trait to another role, with whose rights it reads and queues from then on.  For its owner, who must be able to SET ROLE to the new one, and superusers; the new owner needs what he would need to declare it: USAGE on the SERVER and SELECT on what it reads.  What becomes a superuser''s and was not is held until hubspot_resync().  Raises undefined_object or insufficient_privilege';

CREATE FUNCTION @extschema@.hubspot_drop_sync(name text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_drop_sync';
COMMENT ON FUNCTION @extschema@.hubspot_drop_sync(text) IS
'takes back hubspot_sync(), hubspot_audience() or hubspot_trait(): removes the definition, its members and the triggers of its table.  What is queued is still sent, nothing is changed in HubSpot.  For the owner of the definition; raises undefined_object when there is none of this name';

CREATE FUNCTION @extschema@.hubspot_resync(name text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_resync';
COMMENT ON FUNCTION @extschema@.hubspot_resync(text) IS
'queues everything of a definition anew: of a followed table by a back-fill from its beginning, of everything else by a refresh at once.  Ends a hold, as after a restore; then the source is looked up again by its name.  For the owner of the definition; raises undefined_object when there is none of this name, undefined_table when its source has gone';
