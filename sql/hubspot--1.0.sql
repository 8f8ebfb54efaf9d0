/* hubspot--1.0.sql
 *
 * Functions live in the schema that CREATE EXTENSION chose, tables and views
 * in the schema "hubspot".  Everything here is a member of the extension; no
 * relation is created at run time.
 *
 * The three rings (outbox, result, request) are partitioned by generation:
 * an id is "generation * 1,000,000,000 + number", its child is the generation
 * modulo 8.  A generation is given back by TRUNCATE as a whole.  src/store/ring.h
 * holds the same two numbers.
 */

-- complain if the script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION hubspot" to load this file. \quit

/*
 * The target schema may belong to somebody who is not trusted: an operator or
 * a function that he planted there would be taken where pg_catalog has none of
 * exactly these types, run by this script, and kept in views and partition
 * keys.  So nothing is looked up outside pg_catalog, and what we make is named
 * with its schema.
 */
SET LOCAL search_path = pg_catalog, pg_temp;

CREATE SCHEMA hubspot;
COMMENT ON SCHEMA hubspot IS 'tables and views of the extension hubspot';

/* ------------------------------------------------------------------------
 * Words
 * ------------------------------------------------------------------------
 * The order of the labels is known to src/store/ring.h: add new ones at the end.
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

/* ------------------------------------------------------------------------
 * The outbox ring: INSERT only
 * ------------------------------------------------------------------------ */
CREATE SEQUENCE hubspot.outbox_id_seq AS bigint CACHE 1;
COMMENT ON SEQUENCE hubspot.outbox_id_seq IS
'numbers the rows of the outbox; its cache must stay 1, because the worker relies on higher numbers being handed out later';
CREATE SEQUENCE hubspot.request_id_seq AS bigint CACHE 1;
COMMENT ON SEQUENCE hubspot.request_id_seq IS 'numbers the HTTP requests';

CREATE FUNCTION hubspot.next_outbox_id() RETURNS bigint
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'hubspot_next_outbox_id';
COMMENT ON FUNCTION hubspot.next_outbox_id() IS
'next id of the outbox, drawn after the transaction has its xid (the worker''s reading order depends on that)';

CREATE TABLE hubspot.outbox (
	id bigint NOT NULL DEFAULT hubspot.next_outbox_id(),
	xid xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	created_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	server oid NOT NULL,
	call hubspot.call NOT NULL,
	object hubspot.object NOT NULL,
	source hubspot.source NOT NULL,
	parent bigint,
	deadline timestamptz,
	backfill boolean,
	mode "char" CHECK (mode IN ('u', 'c')),
	replay_of bigint,
	called_at timestamptz,
	key_property text COLLATE "C",
	key text COLLATE "C" NOT NULL,
	problem text,
	message jsonb
) PARTITION BY LIST (((id / 1000000000::bigint) % 8::bigint));

COMMENT ON TABLE hubspot.outbox IS 'queued calls, INSERT only; one row is one piece of work for HubSpot';
COMMENT ON COLUMN hubspot.outbox.id IS 'number of the row, returned by the function that queued it';
COMMENT ON COLUMN hubspot.outbox.xid IS 'top-level transaction that queued the row';
COMMENT ON COLUMN hubspot.outbox.created_at IS 'when the row was queued';
COMMENT ON COLUMN hubspot.outbox.server IS 'oid of the SERVER (the HubSpot account)';
COMMENT ON COLUMN hubspot.outbox.call IS 'function that was called';
COMMENT ON COLUMN hubspot.outbox.object IS 'what the row writes in HubSpot';
COMMENT ON COLUMN hubspot.outbox.source IS 'function, trigger or sync';
COMMENT ON COLUMN hubspot.outbox.parent IS 'row that this one was queued with, when one call makes several';
COMMENT ON COLUMN hubspot.outbox.deadline IS 'not sent after this time';
COMMENT ON COLUMN hubspot.outbox.backfill IS 'true: a bulk of old data, which makes way for live calls; NULL: live';
COMMENT ON COLUMN hubspot.outbox.mode IS 'u: only updates a record that HubSpot has; c: only creates one that it has not; NULL: either';
COMMENT ON COLUMN hubspot.outbox.replay_of IS 'row whose call this one repeats, the first of them when it was repeated before; NULL: none';
COMMENT ON COLUMN hubspot.outbox.called_at IS 'of a row that repeats a call: when that was made; NULL: created_at';
COMMENT ON COLUMN hubspot.outbox.key_property IS 'HubSpot property that the key is a value of; NULL: the e-mail address';
COMMENT ON COLUMN hubspot.outbox.key IS 'normalised identity; rows of one key are sent in order';
COMMENT ON COLUMN hubspot.outbox.problem IS 'why the message is bad (recorded instead of raised): the row ends as rejected and is never sent';
COMMENT ON COLUMN hubspot.outbox.message IS 'the call as it was given';

/* The result ring: one row per verdict, same child as its outbox row. */
CREATE TABLE hubspot.result (
	id bigint NOT NULL,
	request_id bigint,
	finished_at timestamptz NOT NULL,
	merged_into bigint,
	verdict hubspot.verdict NOT NULL,
	http_status smallint,
	attempt smallint NOT NULL,
	created boolean,
	record_id text COLLATE "C",
	category text COLLATE "C",
	message text,
	warnings jsonb,
	merged smallint
) PARTITION BY LIST (((id / 1000000000::bigint) % 8::bigint));

COMMENT ON TABLE hubspot.result IS 'verdicts, INSERT only; join it to the outbox by id';
COMMENT ON COLUMN hubspot.result.id IS 'id of the outbox row';
COMMENT ON COLUMN hubspot.result.request_id IS 'the HTTP request that decided it, see hubspot.request; NULL when none was needed';
COMMENT ON COLUMN hubspot.result.finished_at IS 'time of the verdict';
COMMENT ON COLUMN hubspot.result.merged_into IS 'of a coalesced row: the row that carried its values and whose verdict it shares';
COMMENT ON COLUMN hubspot.result.verdict IS 'how the row ended';
COMMENT ON COLUMN hubspot.result.http_status IS 'HTTP status of the deciding answer';
COMMENT ON COLUMN hubspot.result.attempt IS 'how often the row was sent';
COMMENT ON COLUMN hubspot.result.created IS 'whether HubSpot created the record (true) or updated it (false)';
COMMENT ON COLUMN hubspot.result.record_id IS 'HubSpot''s record id';
COMMENT ON COLUMN hubspot.result.category IS 'HubSpot''s category or code, or ours in lower case';
COMMENT ON COLUMN hubspot.result.message IS 'reason in words';
COMMENT ON COLUMN hubspot.result.warnings IS 'array of {code, property, detail}: what was dropped or changed though the row went out';
COMMENT ON COLUMN hubspot.result.merged IS 'how many rows were merged into this one; NULL: none';

/* The request ring: one row per HTTP request. */
CREATE TABLE hubspot.request (
	id bigint NOT NULL,
	server oid NOT NULL,
	started_at timestamptz NOT NULL,
	duration_ms real NOT NULL,
	records integer NOT NULL,
	bytes_sent bigint NOT NULL,
	bytes_received bigint NOT NULL,
	status smallint,
	retry_after integer,
	method text COLLATE "C" NOT NULL,
	path text COLLATE "C" NOT NULL,
	lane text COLLATE "C" NOT NULL,
	correlation_id text COLLATE "C",
	error text,
	category text COLLATE "C"
) PARTITION BY LIST (((id / 1000000000::bigint) % 8::bigint));

COMMENT ON TABLE hubspot.request IS 'log of HTTP requests, INSERT only; holds no bodies and no token';
COMMENT ON COLUMN hubspot.request.id IS 'number of the request';
COMMENT ON COLUMN hubspot.request.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.request.started_at IS 'when it was sent';
COMMENT ON COLUMN hubspot.request.duration_ms IS 'milliseconds until the answer was complete';
COMMENT ON COLUMN hubspot.request.records IS 'records in the request';
COMMENT ON COLUMN hubspot.request.bytes_sent IS 'bytes of the request body';
COMMENT ON COLUMN hubspot.request.bytes_received IS 'bytes of the answer''s body';
COMMENT ON COLUMN hubspot.request.status IS 'HTTP status; NULL when no answer came';
COMMENT ON COLUMN hubspot.request.retry_after IS 'seconds HubSpot asked to wait';
COMMENT ON COLUMN hubspot.request.method IS 'HTTP method';
COMMENT ON COLUMN hubspot.request.path IS 'path without host';
COMMENT ON COLUMN hubspot.request.lane IS 'lane that sent it';
COMMENT ON COLUMN hubspot.request.correlation_id IS 'HubSpot''s correlation id: name it to HubSpot''s support';
COMMENT ON COLUMN hubspot.request.error IS 'what went wrong with the request as a whole: HubSpot''s words where it answered, which may quote data, else ours';
COMMENT ON COLUMN hubspot.request.category IS 'HubSpot''s category or code';

DO $$
BEGIN
	FOR child IN 0 .. 7 LOOP
		/* Nothing in these tables ever dies, so that vacuum has nothing to
		 * find: only the wrap-around one is left on.  The planner is not
		 * asked either: the worker reads by index. */
		EXECUTE pg_catalog.format('CREATE TABLE hubspot.outbox_%s PARTITION OF hubspot.outbox FOR VALUES IN (%s)
			WITH (autovacuum_vacuum_insert_threshold = -1)', child, child);
		EXECUTE pg_catalog.format('CREATE UNIQUE INDEX outbox_%s_id ON hubspot.outbox_%s (id)', child, child);
		EXECUTE pg_catalog.format('CREATE INDEX outbox_%s_xid ON hubspot.outbox_%s (xid, id)', child, child);
		EXECUTE pg_catalog.format('CREATE TABLE hubspot.result_%s PARTITION OF hubspot.result FOR VALUES IN (%s)
			WITH (autovacuum_vacuum_insert_threshold = -1)', child, child);
		EXECUTE pg_catalog.format('CREATE INDEX result_%s_id ON hubspot.result_%s (id)', child, child);
		/* Next to nothing for what goes well. */
		EXECUTE pg_catalog.format('CREATE INDEX result_%s_failed ON hubspot.result_%s (id)
			WHERE verdict IN (''rejected'', ''expired'', ''cancelled'', ''dead'', ''unknown'')', child, child);
		EXECUTE pg_catalog.format('CREATE INDEX result_%s_merged ON hubspot.result_%s (merged_into) WHERE merged_into IS NOT NULL', child, child);
		EXECUTE pg_catalog.format('CREATE TABLE hubspot.request_%s PARTITION OF hubspot.request FOR VALUES IN (%s)
			WITH (autovacuum_vacuum_insert_threshold = -1)', child, child);
		EXECUTE pg_catalog.format('CREATE UNIQUE INDEX request_%s_id ON hubspot.request_%s (id)', child, child);
	END LOOP;
END
$$;

/* ------------------------------------------------------------------------
 * The worker's memory
 * ------------------------------------------------------------------------ */
CREATE TABLE hubspot.checkpoint (
	id bigint NOT NULL,
	at timestamptz NOT NULL,
	last_id bigint NOT NULL,
	snapshot pg_snapshot NOT NULL,
	next_xid xid8 NOT NULL
) PARTITION BY LIST (((id / 1000::bigint) % 2::bigint));
CREATE TABLE hubspot.checkpoint_0 PARTITION OF hubspot.checkpoint FOR VALUES IN (0);
CREATE TABLE hubspot.checkpoint_1 PARTITION OF hubspot.checkpoint FOR VALUES IN (1);
CREATE UNIQUE INDEX checkpoint_0_id ON hubspot.checkpoint_0 (id);
CREATE UNIQUE INDEX checkpoint_1_id ON hubspot.checkpoint_1 (id);
COMMENT ON TABLE hubspot.checkpoint IS
'how far the worker is, INSERT only, at most one row a second; the last one counts, the older half is truncated in turn';
COMMENT ON COLUMN hubspot.checkpoint.id IS 'number of the checkpoint';
COMMENT ON COLUMN hubspot.checkpoint.at IS 'when it was written';
COMMENT ON COLUMN hubspot.checkpoint.last_id IS 'last id handed out before the snapshot was taken';
COMMENT ON COLUMN hubspot.checkpoint.snapshot IS 'every outbox row visible in this snapshot has a verdict';
COMMENT ON COLUMN hubspot.checkpoint.next_xid IS 'next transaction id to be assigned before the snapshot was taken';

INSERT INTO hubspot.checkpoint
	VALUES (1, pg_catalog.clock_timestamp(), 0, pg_catalog.pg_current_snapshot(),
		pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()));

/*
 * Rows whose own fault may pass, and those that were given up: the first
 * columns are the outbox's, in its order (src/queue/defer.c relies on that), so that
 * the outbox may be given back meanwhile.
 */
CREATE TABLE hubspot.deferred (
	LIKE hubspot.outbox INCLUDING COMMENTS,
	attempt integer NOT NULL,
	lost boolean NOT NULL,
	next_try_at timestamptz NOT NULL,
	http_status smallint,
	category text COLLATE "C",
	last_error text,
	request_id bigint,
	failed_at timestamptz NOT NULL
) WITH (fillfactor = 70);
CREATE UNIQUE INDEX deferred_id ON hubspot.deferred (id);
COMMENT ON TABLE hubspot.deferred IS
'rows that failed for a reason of their own that may pass, with a copy of the call: tried again at next_try_at; rows of the same key wait behind them';
COMMENT ON COLUMN hubspot.deferred.attempt IS 'faults of its own so far; after the SERVER option max_attempts the row is dead';
COMMENT ON COLUMN hubspot.deferred.lost IS 'whether it may have been carried out though no good answer came';
COMMENT ON COLUMN hubspot.deferred.next_try_at IS 'when it is tried again';
COMMENT ON COLUMN hubspot.deferred.http_status IS 'HTTP status of the last answer, NULL when none came';
COMMENT ON COLUMN hubspot.deferred.category IS 'HubSpot''s category or code, or ours in lower case';
COMMENT ON COLUMN hubspot.deferred.last_error IS 'reason in words';
COMMENT ON COLUMN hubspot.deferred.request_id IS 'the HTTP request that failed last, see hubspot.request';
COMMENT ON COLUMN hubspot.deferred.failed_at IS 'when it did';

CREATE TABLE hubspot.dead (
	LIKE hubspot.outbox INCLUDING COMMENTS,
	attempt integer NOT NULL,
	http_status smallint,
	category text COLLATE "C",
	last_error text,
	request_id bigint,
	failed_at timestamptz NOT NULL
);
CREATE UNIQUE INDEX dead_id ON hubspot.dead (id);
COMMENT ON TABLE hubspot.dead IS
'rows that were given up after max_attempts faults of their own, with a copy of the call that outlives the outbox''s retention; hubspot_retry() queues them again, DELETE forgets them';
COMMENT ON COLUMN hubspot.dead.attempt IS 'how often it failed';
COMMENT ON COLUMN hubspot.dead.http_status IS 'HTTP status of the last answer, NULL when none came';
COMMENT ON COLUMN hubspot.dead.category IS 'HubSpot''s category or code, or ours in lower case';
COMMENT ON COLUMN hubspot.dead.last_error IS 'reason in words';
COMMENT ON COLUMN hubspot.dead.request_id IS 'the HTTP request that failed last';
COMMENT ON COLUMN hubspot.dead.failed_at IS 'when it did';

CREATE TABLE hubspot.command (
	id bigint GENERATED ALWAYS AS IDENTITY,
	cancels boolean NOT NULL,
	last_id bigint NOT NULL,
	ids bigint[],
	server oid,
	call hubspot.call,
	object hubspot.object,
	key text COLLATE "C",
	backfill boolean,
	given_by name NOT NULL DEFAULT session_user,
	given_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE hubspot.command IS
'what hubspot_cancel() and hubspot_retry() have asked of the worker and it has not done yet; it means rows for which all that is not NULL fits';
COMMENT ON SEQUENCE hubspot.command_id_seq IS 'numbers the commands';
COMMENT ON COLUMN hubspot.command.id IS 'number of the command';
COMMENT ON COLUMN hubspot.command.cancels IS 'true: the rows are not to be sent; false: those that are deferred are to be tried at once';
COMMENT ON COLUMN hubspot.command.last_id IS 'rows with a higher id are not meant';
COMMENT ON COLUMN hubspot.command.ids IS 'rows that are meant';
COMMENT ON COLUMN hubspot.command.server IS 'oid of their SERVER';
COMMENT ON COLUMN hubspot.command.call IS 'their call';
COMMENT ON COLUMN hubspot.command.object IS 'what they write';
COMMENT ON COLUMN hubspot.command.key IS 'their key, as in the outbox';
COMMENT ON COLUMN hubspot.command.backfill IS 'whether they are a back-fill';
COMMENT ON COLUMN hubspot.command.given_by IS 'who called';
COMMENT ON COLUMN hubspot.command.given_at IS 'and when';

CREATE TABLE hubspot.record (
	key_hash bigint NOT NULL,
	server oid NOT NULL,
	object hubspot.object NOT NULL,
	record_id text COLLATE "C" NOT NULL,
	key_property text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL
);
CREATE INDEX record_key_hash ON hubspot.record (key_hash);
COMMENT ON TABLE hubspot.record IS 'which key is which record in HubSpot, as HubSpot''s answers said';
COMMENT ON COLUMN hubspot.record.key_hash IS 'hashtextextended(key, 0): what the index is on, because keys are long and come in no order';
COMMENT ON COLUMN hubspot.record.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.record.object IS 'contact or company';
COMMENT ON COLUMN hubspot.record.record_id IS 'HubSpot''s record id; of a userId the address that it was seen with';
COMMENT ON COLUMN hubspot.record.key_property IS 'HubSpot property that the key is a value of: "email" for addresses, "domain" for companies without a key of their own, "userId" for userIds seen with an address';
COMMENT ON COLUMN hubspot.record.key IS 'the key, as in the outbox';

/* One row per record; changed in place where the page has room. */
CREATE TABLE hubspot.confirmed (
	confirmed_at timestamptz NOT NULL,
	server oid NOT NULL,
	object hubspot.object NOT NULL,
	record_id text COLLATE "C" NOT NULL,
	properties bytea NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX confirmed_record ON hubspot.confirmed (server, record_id);
COMMENT ON TABLE hubspot.confirmed IS
'which values HubSpot has confirmed of which record, as hashes; written by the worker alone, for accounts with the SERVER option skip_unchanged. To have something forgotten call hubspot_forget_confirmed()';
COMMENT ON COLUMN hubspot.confirmed.confirmed_at IS 'when HubSpot last took a value of the record';
COMMENT ON COLUMN hubspot.confirmed.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.confirmed.object IS 'contact or company';
COMMENT ON COLUMN hubspot.confirmed.record_id IS 'HubSpot''s record id, as in hubspot.record';
COMMENT ON COLUMN hubspot.confirmed.properties IS
'16 bytes for each property, at most 100 of them: hash of its name, seconds since 2000-01-01 when its value was confirmed, hash of name and value';

CREATE TABLE hubspot.forgotten (
	id bigint GENERATED ALWAYS AS IDENTITY,
	server oid,
	object hubspot.object,
	key text COLLATE "C"
);
COMMENT ON TABLE hubspot.forgotten IS 'what hubspot_forget_confirmed() has asked for and the worker has not done yet';
COMMENT ON SEQUENCE hubspot.forgotten_id_seq IS 'numbers the orders';
COMMENT ON COLUMN hubspot.forgotten.id IS 'number of the order';
COMMENT ON COLUMN hubspot.forgotten.server IS 'oid of the SERVER; NULL: all';
COMMENT ON COLUMN hubspot.forgotten.object IS 'contact or company; NULL: both';
COMMENT ON COLUMN hubspot.forgotten.key IS 'key as in the outbox; NULL: all';

CREATE TABLE hubspot.message_id (
	server oid NOT NULL,
	message_id text COLLATE "C" NOT NULL,
	id bigint NOT NULL,
	PRIMARY KEY (message_id, server)
);
COMMENT ON TABLE hubspot.message_id IS 'messageIds seen within the retention, written only while hubspot.dedup_message_id is on';
COMMENT ON COLUMN hubspot.message_id.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.message_id.message_id IS 'messageId of the message';
COMMENT ON COLUMN hubspot.message_id.id IS 'outbox row that the first call with it queued';

CREATE TABLE hubspot.account (
	server oid PRIMARY KEY,
	checked_at timestamptz NOT NULL,
	portal_id bigint,
	account_type text COLLATE "C",
	time_zone text COLLATE "C",
	utc_offset_ms integer,
	hublet text COLLATE "C",
	token_fingerprint text COLLATE "C"
);
COMMENT ON TABLE hubspot.account IS 'what HubSpot says of each account, asked when the account starts';
COMMENT ON COLUMN hubspot.account.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.account.checked_at IS 'when HubSpot last accepted the token';
COMMENT ON COLUMN hubspot.account.portal_id IS 'hub id';
COMMENT ON COLUMN hubspot.account.account_type IS 'STANDARD, SANDBOX, DEVELOPER_TEST or APP_DEVELOPER';
COMMENT ON COLUMN hubspot.account.time_zone IS 'time zone of the account: its day ends at midnight there';
COMMENT ON COLUMN hubspot.account.utc_offset_ms IS 'offset of that zone when asked, milliseconds';
COMMENT ON COLUMN hubspot.account.hublet IS 'data centre, such as na1 or eu1';
COMMENT ON COLUMN hubspot.account.token_fingerprint IS 'first 16 hex digits of the SHA-256 of the token in use';

CREATE TABLE hubspot.rate_limit (
	server oid NOT NULL,
	lane text COLLATE "C" NOT NULL,
	updated_at timestamptz NOT NULL,
	until timestamptz,
	burst_limit integer,
	burst_remaining integer,
	daily_limit bigint,
	daily_remaining bigint,
	state text COLLATE "C" NOT NULL,
	reason text,
	burst_window_ms integer,
	daily_resets_at timestamptz,
	own_reason text,
	PRIMARY KEY (server, lane)
) WITH (fillfactor = 50);
COMMENT ON TABLE hubspot.rate_limit IS 'limits and lane states as the worker last wrote them, at most every 5 seconds: the row of the contacts when the account was busy, the others when their state changed; the live ones are in hubspot.status';
COMMENT ON COLUMN hubspot.rate_limit.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.rate_limit.lane IS 'lane';
COMMENT ON COLUMN hubspot.rate_limit.updated_at IS 'when this row was written';
COMMENT ON COLUMN hubspot.rate_limit.until IS 'when the lane goes on by itself';
COMMENT ON COLUMN hubspot.rate_limit.burst_limit IS 'requests per 10 seconds that HubSpot grants this token';
COMMENT ON COLUMN hubspot.rate_limit.burst_remaining IS 'of these, how many were left';
COMMENT ON COLUMN hubspot.rate_limit.daily_limit IS 'requests per day that HubSpot grants the account';
COMMENT ON COLUMN hubspot.rate_limit.daily_remaining IS 'of these, how many were left';
COMMENT ON COLUMN hubspot.rate_limit.state IS 'state of the lane';
COMMENT ON COLUMN hubspot.rate_limit.reason IS 'why, in words, HubSpot''s among them, which may quote data';
COMMENT ON COLUMN hubspot.rate_limit.own_reason IS 'the same without HubSpot''s words';
COMMENT ON COLUMN hubspot.rate_limit.burst_window_ms IS 'length of the window of burst_limit, milliseconds';
COMMENT ON COLUMN hubspot.rate_limit.daily_resets_at IS 'when the day of daily_limit ends, if HubSpot told';

/* ------------------------------------------------------------------------
 * What HubSpot knows of the accounts, and what the user says about names
 * ------------------------------------------------------------------------ */
CREATE TABLE hubspot.schema (
	server oid NOT NULL,
	part text COLLATE "C" NOT NULL,
	refreshed_at timestamptz NOT NULL,
	known boolean NOT NULL,
	PRIMARY KEY (server, part)
);
COMMENT ON TABLE hubspot.schema IS 'when the parts of each account''s schema were last read from HubSpot';
COMMENT ON COLUMN hubspot.schema.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.schema.part IS 'contact, company or event';
COMMENT ON COLUMN hubspot.schema.refreshed_at IS 'when HubSpot last answered';
COMMENT ON COLUMN hubspot.schema.known IS 'false when the token may not read this part: names are then sent as they are';

CREATE TABLE hubspot.property (
	server oid NOT NULL,
	object hubspot.object NOT NULL,
	name text COLLATE "C" NOT NULL,
	type text COLLATE "C" NOT NULL,
	field_type text COLLATE "C" NOT NULL,
	label text NOT NULL,
	is_unique boolean NOT NULL,
	read_only boolean NOT NULL,
	options jsonb NOT NULL,
	PRIMARY KEY (server, object, name)
);
COMMENT ON TABLE hubspot.property IS 'properties of contacts and companies as HubSpot told them, refreshed every hour and by hubspot_refresh_schema()';
COMMENT ON COLUMN hubspot.property.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.property.object IS 'contact or company';
COMMENT ON COLUMN hubspot.property.name IS 'internal name';
COMMENT ON COLUMN hubspot.property.type IS 'string, number, bool, enumeration, date, datetime, ...';
COMMENT ON COLUMN hubspot.property.field_type IS 'form of entry in HubSpot; "checkbox" takes several options';
COMMENT ON COLUMN hubspot.property.label IS 'name that HubSpot''s users see';
COMMENT ON COLUMN hubspot.property.is_unique IS 'whether no two records may have the same value';
COMMENT ON COLUMN hubspot.property.read_only IS 'calculated, or set by HubSpot alone';
COMMENT ON COLUMN hubspot.property.options IS 'array of {value, label}';

CREATE TABLE hubspot.event_definition (
	server oid NOT NULL,
	name text COLLATE "C" NOT NULL,
	full_name text COLLATE "C" NOT NULL,
	label text NOT NULL,
	properties jsonb NOT NULL,
	PRIMARY KEY (server, full_name)
);
COMMENT ON TABLE hubspot.event_definition IS 'custom behavioural events as HubSpot told them';
COMMENT ON COLUMN hubspot.event_definition.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.event_definition.name IS 'internal name';
COMMENT ON COLUMN hubspot.event_definition.full_name IS 'fully qualified name, pe{hub id}_{name}';
COMMENT ON COLUMN hubspot.event_definition.label IS 'name that HubSpot''s users see';
COMMENT ON COLUMN hubspot.event_definition.properties IS 'array of properties, with the fields of hubspot.property';

CREATE TABLE hubspot.mapping (
	server name NOT NULL,
	object text COLLATE "C" NOT NULL CHECK (object IN ('contact', 'company', 'event')),
	trait text COLLATE "C" NOT NULL CHECK (trait <> '' AND pg_catalog.octet_length(trait) <= 1024),
	property text COLLATE "C",
	PRIMARY KEY (server, object, trait)
);
COMMENT ON TABLE hubspot.mapping IS 'explicit mappings, written by hubspot_map()';
COMMENT ON COLUMN hubspot.mapping.server IS 'name of the SERVER, empty for all of them';
COMMENT ON COLUMN hubspot.mapping.object IS 'contact, company or event';
COMMENT ON COLUMN hubspot.mapping.trait IS 'name of the trait; dots reach inside of objects';
COMMENT ON COLUMN hubspot.mapping.property IS 'HubSpot property; NULL: the trait is not sent';

CREATE TABLE hubspot.unknown_property (
	server oid NOT NULL,
	object text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	type text COLLATE "C" NOT NULL,
	times bigint NOT NULL,
	last_id bigint NOT NULL,
	last_at timestamptz NOT NULL,
	PRIMARY KEY (server, object, name)
);
COMMENT ON TABLE hubspot.unknown_property IS 'names that were dropped because HubSpot does not have them, counted by the worker, written at most every 5 seconds';
COMMENT ON COLUMN hubspot.unknown_property.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.unknown_property.object IS 'contact or company';
COMMENT ON COLUMN hubspot.unknown_property.name IS 'property as it would be created';
COMMENT ON COLUMN hubspot.unknown_property.type IS 'type that fits the last value';
COMMENT ON COLUMN hubspot.unknown_property.times IS 'how often it was dropped';
COMMENT ON COLUMN hubspot.unknown_property.last_id IS 'outbox row that had it last';
COMMENT ON COLUMN hubspot.unknown_property.last_at IS 'when';

SELECT pg_catalog.pg_extension_config_dump('hubspot.mapping', '');

CREATE FUNCTION hubspot.mapping_changed() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'hubspot_mapping_changed';
COMMENT ON FUNCTION hubspot.mapping_changed() IS 'tells the worker at commit that the table hubspot.mapping has changed';
CREATE TRIGGER mapping_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hubspot.mapping
	FOR EACH STATEMENT EXECUTE FUNCTION hubspot.mapping_changed();
ALTER TABLE hubspot.mapping ENABLE ALWAYS TRIGGER mapping_changed;

CREATE TABLE hubspot.pause (
	server oid NOT NULL,
	lane text COLLATE "C" NOT NULL,
	paused_by name NOT NULL,
	paused_at timestamptz NOT NULL,
	reason text,
	PRIMARY KEY (server, lane)
);
COMMENT ON TABLE hubspot.pause IS 'lanes and accounts that send nothing until somebody resumes them, written by hubspot_pause() and hubspot_resume(); not dumped';
COMMENT ON COLUMN hubspot.pause.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.pause.lane IS 'lane, empty for the whole account';
COMMENT ON COLUMN hubspot.pause.paused_by IS 'user who was logged in';
COMMENT ON COLUMN hubspot.pause.paused_at IS 'since when';
COMMENT ON COLUMN hubspot.pause.reason IS 'why, as given';

CREATE TABLE hubspot.installation (
	system_identifier bigint NOT NULL,
	database oid NOT NULL,
	armed_at timestamptz NOT NULL,
	home uuid,
	alive_at timestamptz NOT NULL,
	held_at timestamptz,
	held_reason text COLLATE "C"
);
COMMENT ON TABLE hubspot.installation IS
'the cluster, database and data directory that may send from these tables, one row; a copy elsewhere is held until hubspot_arm() is called there';
COMMENT ON COLUMN hubspot.installation.system_identifier IS 'of the cluster, as in pg_control_system()';
COMMENT ON COLUMN hubspot.installation.database IS 'oid of the database';
COMMENT ON COLUMN hubspot.installation.armed_at IS 'since when';
COMMENT ON COLUMN hubspot.installation.home IS
'of the data directory, as in its file hubspot_home; NULL: the first one where a worker runs';
COMMENT ON COLUMN hubspot.installation.alive_at IS
'last sign of life of the worker that may send: every 5 minutes, oftener when hubspot.failover_window is short; a standby reads it at its promotion';
COMMENT ON COLUMN hubspot.installation.held_at IS 'when this was found to be a copy; NULL: it was not';
COMMENT ON COLUMN hubspot.installation.held_reason IS 'by what it was found to be one';

/* ------------------------------------------------------------------------
 * Syncs, audiences, computed traits: what is declared, how it stands
 * ------------------------------------------------------------------------
 * hubspot.sync, hubspot.member and hubspot.company_contact are dumped; what
 * comes back from a dump is held until hubspot_resync().
 */
CREATE SEQUENCE hubspot.sync_id_seq AS integer;
COMMENT ON SEQUENCE hubspot.sync_id_seq IS 'numbers the definitions';

CREATE TABLE hubspot.sync (
	id integer NOT NULL DEFAULT pg_catalog.nextval('hubspot.sync_id_seq') UNIQUE,
	name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
	kind text COLLATE "C" NOT NULL CHECK (kind IN ('sync', 'audience', 'trait')),
	owner name NOT NULL,
	server name NOT NULL,
	object text COLLATE "C" NOT NULL CHECK (object IN ('contact', 'company', 'event', 'association')),
	relation oid,
	source text NOT NULL,
	search_path text NOT NULL,
	follows boolean NOT NULL,
	key_column text,
	key_attnum smallint,
	columns jsonb,
	mode text COLLATE "C" NOT NULL DEFAULT 'upsert' CHECK (mode IN ('upsert', 'update', 'create', 'mirror')),
	deletes text COLLATE "C" NOT NULL DEFAULT 'ignore' CHECK (deletes IN ('ignore', 'clear', 'archive')),
	event text,
	level text COLLATE "C" CHECK (level IN ('user', 'account', 'account_users')),
	outputs text[],
	property text,
	list text,
	on_missing text COLLATE "C" CHECK (on_missing IN ('clear', 'keep')),
	every interval,
	timeout interval NOT NULL,
	max_shrink real NOT NULL,
	create_in_hubspot boolean NOT NULL,
	held text,
	defined_at timestamptz NOT NULL,
	owner_oid oid,
	row_security boolean NOT NULL DEFAULT false
);
COMMENT ON TABLE hubspot.sync IS 'declared syncs, audiences and computed traits, written by hubspot_sync(), hubspot_audience() and hubspot_trait()';
COMMENT ON COLUMN hubspot.sync.id IS 'number of the definition';
COMMENT ON COLUMN hubspot.sync.name IS 'name of the definition';
COMMENT ON COLUMN hubspot.sync.kind IS 'sync, audience or trait';
COMMENT ON COLUMN hubspot.sync.owner IS 'name of the role that defined it, as it was last known: its query runs with the rights of that role, and USAGE on the SERVER is checked for it';
COMMENT ON COLUMN hubspot.sync.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.sync.object IS 'what it writes in HubSpot: contact, company, event or association';
COMMENT ON COLUMN hubspot.sync.relation IS 'oid of the source when that is a table or view; NULL: a query';
COMMENT ON COLUMN hubspot.sync.source IS 'the query, or the qualified name that the table or view had when it was declared';
COMMENT ON COLUMN hubspot.sync.search_path IS 'search_path of the session that declared it, which the query runs with';
COMMENT ON COLUMN hubspot.sync.follows IS 'true: triggers on the table queue its changes; false: the source is compared with hubspot.member at each refresh';
COMMENT ON COLUMN hubspot.sync.key_column IS 'column of the source that identifies the record; NULL: the first one';
COMMENT ON COLUMN hubspot.sync.key_attnum IS 'number of that column of a table or view, which may have been renamed since';
COMMENT ON COLUMN hubspot.sync.columns IS 'array of {property, column, attnum}: which column becomes which property; NULL: all, by their names';
COMMENT ON COLUMN hubspot.sync.mode IS 'upsert; update: only records that HubSpot has; create: only such as it has not; mirror: upsert, and archive what has left the source';
COMMENT ON COLUMN hubspot.sync.deletes IS 'what becomes of a record whose row is deleted: ignore, clear (its mapped properties), archive';
COMMENT ON COLUMN hubspot.sync.event IS 'of a sync of events: their name';
COMMENT ON COLUMN hubspot.sync.level IS 'of an audience or trait: user (the query returns contacts), account (companies), account_users (companies, meaning their contacts)';
COMMENT ON COLUMN hubspot.sync.outputs IS 'of an audience: any of property, event, list; of a trait: property';
COMMENT ON COLUMN hubspot.sync.property IS 'property that holds the membership or the value';
COMMENT ON COLUMN hubspot.sync.list IS 'name of the static list in HubSpot';
COMMENT ON COLUMN hubspot.sync.on_missing IS 'of a trait, what becomes of the value of a key that the query does not return any more: clear or keep';
COMMENT ON COLUMN hubspot.sync.every IS 'how often it is refreshed; NULL: by hubspot_refresh() only';
COMMENT ON COLUMN hubspot.sync.timeout IS 'how long its query may run, as it was cut to hubspot.max_refresh_timeout when it was declared';
COMMENT ON COLUMN hubspot.sync.max_shrink IS 'share of its members, 0 to 1, that may leave in one refresh; more needs hubspot_refresh(name, confirm => true)';
COMMENT ON COLUMN hubspot.sync.create_in_hubspot IS 'whether a missing property, list or event definition is created';
COMMENT ON COLUMN hubspot.sync.held IS 'why nothing is done until hubspot_resync(); NULL: it is not held';
COMMENT ON COLUMN hubspot.sync.defined_at IS 'when it was declared, or last changed';
COMMENT ON COLUMN hubspot.sync.owner_oid IS 'that role, whatever it is called now; NULL: restored from a dump, hubspot_resync() looks it up by its name';
COMMENT ON COLUMN hubspot.sync.row_security IS 'true: when it was declared policies hid rows from its owner, and they apply; false: a policy that would hide rows is an error';

CREATE FUNCTION hubspot.sync_restored() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'hubspot_sync_restored';
COMMENT ON FUNCTION hubspot.sync_restored() IS 'holds what comes into hubspot.sync otherwise than by a declaration, as from a dump';
CREATE TRIGGER sync_restored BEFORE INSERT ON hubspot.sync
	FOR EACH ROW EXECUTE FUNCTION hubspot.sync_restored();
ALTER TABLE hubspot.sync ENABLE ALWAYS TRIGGER sync_restored;

CREATE FUNCTION hubspot.sync_changed() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'hubspot_sync_changed';
COMMENT ON FUNCTION hubspot.sync_changed() IS 'makes sessions read the definitions anew after the commit';
CREATE TRIGGER sync_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hubspot.sync
	FOR EACH STATEMENT EXECUTE FUNCTION hubspot.sync_changed();
ALTER TABLE hubspot.sync ENABLE ALWAYS TRIGGER sync_changed;

CREATE TABLE hubspot.sync_state (
	sync integer PRIMARY KEY,
	members bigint NOT NULL DEFAULT 0,
	refreshed_at timestamptz,
	duration interval,
	source_rows bigint,
	entered bigint,
	changed bigint,
	exited bigint,
	bad bigint,
	next_at timestamptz,
	failures integer NOT NULL DEFAULT 0,
	failed_at timestamptz,
	error text,
	fill_position text,
	fill_rows bigint,
	fill_total bigint,
	fill_started_at timestamptz,
	fill_finished_at timestamptz,
	problem text,
	resend boolean NOT NULL DEFAULT false,
	ran_at timestamptz,
	error_code text COLLATE "C"
) WITH (fillfactor = 50);
COMMENT ON TABLE hubspot.sync_state IS 'how each definition of hubspot.sync stands; its row lock keeps refreshes of one definition apart; not dumped';
COMMENT ON COLUMN hubspot.sync_state.sync IS 'id of the definition';
COMMENT ON COLUMN hubspot.sync_state.members IS 'rows that it has in hubspot.member';
COMMENT ON COLUMN hubspot.sync_state.refreshed_at IS 'when it was last refreshed without an error';
COMMENT ON COLUMN hubspot.sync_state.duration IS 'how long that took';
COMMENT ON COLUMN hubspot.sync_state.source_rows IS 'rows with a usable key that the query returned then';
COMMENT ON COLUMN hubspot.sync_state.entered IS 'keys that were new then';
COMMENT ON COLUMN hubspot.sync_state.changed IS 'keys with another value than before';
COMMENT ON COLUMN hubspot.sync_state.exited IS 'keys that had gone';
COMMENT ON COLUMN hubspot.sync_state.bad IS 'rows of the source without a usable key: NULL, empty, longer than 1,024 bytes';
COMMENT ON COLUMN hubspot.sync_state.next_at IS 'when the schedule refreshes it next';
COMMENT ON COLUMN hubspot.sync_state.failures IS 'scheduled refreshes that failed since the last one that did not';
COMMENT ON COLUMN hubspot.sync_state.failed_at IS 'when the last one failed';
COMMENT ON COLUMN hubspot.sync_state.error IS 'with this error, which may quote data';
COMMENT ON COLUMN hubspot.sync_state.error_code IS 'and its SQLSTATE';
COMMENT ON COLUMN hubspot.sync_state.fill_position IS 'where the back-fill is: number of the column that it reads by, =, value of its last row; NULL: at the beginning';
COMMENT ON COLUMN hubspot.sync_state.fill_rows IS 'rows that the back-fill has queued';
COMMENT ON COLUMN hubspot.sync_state.fill_total IS 'rows that the table had, as estimated, when the back-fill began';
COMMENT ON COLUMN hubspot.sync_state.fill_started_at IS 'when the back-fill was asked for; NULL: none was';
COMMENT ON COLUMN hubspot.sync_state.fill_finished_at IS 'when it had read all of the table; NULL: it has not';
COMMENT ON COLUMN hubspot.sync_state.problem IS 'what keeps the definition from working as declared, in words; NULL: nothing is known';
COMMENT ON COLUMN hubspot.sync_state.ran_at IS 'when the refresher last did something for it, well or not: owners take turns by this';
COMMENT ON COLUMN hubspot.sync_state.resend IS 'true: the next refresh queues every member anew, as hubspot_resync() asked';

CREATE TABLE hubspot.member (
	sync integer NOT NULL,
	present boolean NOT NULL,
	outbox_id bigint NOT NULL,
	since timestamptz NOT NULL,
	digest bigint NOT NULL,
	key text COLLATE "C" NOT NULL,
	value jsonb,
	failed text,
	PRIMARY KEY (sync, key)
) WITH (fillfactor = 90);
CREATE INDEX member_left ON hubspot.member (sync) WHERE NOT present;
COMMENT ON TABLE hubspot.member IS 'what each audience, trait and compared sync has queued for which key: the state that the next refresh is compared with';
COMMENT ON COLUMN hubspot.member.sync IS 'id of the definition';
COMMENT ON COLUMN hubspot.member.present IS 'false: it has left, and the row stays until HubSpot knows';
COMMENT ON COLUMN hubspot.member.outbox_id IS 'outbox row that told HubSpot last; rows of the same change carry it as parent';
COMMENT ON COLUMN hubspot.member.since IS 'when the state was found to be so';
COMMENT ON COLUMN hubspot.member.digest IS 'hash of the value';
COMMENT ON COLUMN hubspot.member.key IS 'what the query returned as key, addresses in lower case; of account_users the contact''s key';
COMMENT ON COLUMN hubspot.member.value IS 'of a trait: its value';
COMMENT ON COLUMN hubspot.member.failed IS 'why HubSpot does not know, when the call was rejected; NULL: it was not';

CREATE TABLE hubspot.company_contact (
	pair_hash bigint NOT NULL,
	server text COLLATE "C" NOT NULL,
	company text COLLATE "C" NOT NULL,
	contact_property text COLLATE "C",
	contact text COLLATE "C" NOT NULL
);
CREATE INDEX company_contact_pair_hash ON hubspot.company_contact (pair_hash);
COMMENT ON TABLE hubspot.company_contact IS 'which contacts associations were queued for with which company, by hubspot_group(), a contact''s company or a sync; two sessions at once may write a pair twice: read hubspot.company_contacts';
COMMENT ON COLUMN hubspot.company_contact.pair_hash IS 'hashtext(contact) in the upper half, a hash of all other columns in the lower one: what the index is on, so that a pair is found however many contacts its company has, and all pairs of a contact stand together';
COMMENT ON COLUMN hubspot.company_contact.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.company_contact.company IS 'key of the company as in the outbox: groupId or domain';
COMMENT ON COLUMN hubspot.company_contact.contact_property IS 'HubSpot property that the contact''s key is a value of; "userId": of a remembered userId; NULL: an address';
COMMENT ON COLUMN hubspot.company_contact.contact IS 'key of the contact, as in the outbox';

SELECT pg_catalog.pg_extension_config_dump('hubspot.sync_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('hubspot.sync', '');
SELECT pg_catalog.pg_extension_config_dump('hubspot.member', '');
SELECT pg_catalog.pg_extension_config_dump('hubspot.company_contact', '');

/* ------------------------------------------------------------------------
 * Accounts
 * ------------------------------------------------------------------------ */
CREATE FUNCTION @extschema@.hubspot_fdw_validator(options text[], catalog oid) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'hubspot_fdw_validator';
COMMENT ON FUNCTION @extschema@.hubspot_fdw_validator(text[], oid) IS
'checks the options of CREATE SERVER ... FOREIGN DATA WRAPPER hubspot';

CREATE FOREIGN DATA WRAPPER hubspot VALIDATOR @extschema@.hubspot_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER hubspot IS 'one SERVER is one HubSpot account; USAGE on it is the right to queue for it';

/* ------------------------------------------------------------------------
 * Calls
 * ------------------------------------------------------------------------ */
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
'queues a custom behavioural event: a Segment track message, or a flat row with a key "event" whose other keys are the event''s properties; returns the outbox id.  context.traits are queued as a row of the contact, whose parent is this id.  A message without an event, or without an e-mail address, userId or context.hutk, raises invalid_parameter_value';

CREATE FUNCTION @extschema@.hubspot_group(message jsonb, server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_group';
COMMENT ON FUNCTION @extschema@.hubspot_group(jsonb, name, interval, boolean) IS
'queues a company: a Segment group message, or a flat row; returns the outbox id.  The company is known by groupId where the SERVER option company_id_property is set, else by the domain of its website.  With a userId or context.traits.email the contact is associated with it, and context.traits are queued as the contact''s: rows whose parent is this id.  A message without a usable key raises invalid_parameter_value';

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

CREATE FUNCTION @extschema@.hubspot_enqueue(call text, messages jsonb[], server name DEFAULT NULL,
	deadline interval DEFAULT NULL, backfill boolean DEFAULT false)
RETURNS SETOF bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_enqueue';
COMMENT ON FUNCTION @extschema@.hubspot_enqueue(text, jsonb[], name, interval, boolean) IS
'queues one call per element, in order, and returns their outbox ids in the same order; call is the word after hubspot_, such as identify';

CREATE FUNCTION hubspot.server_oid(server name) RETURNS oid
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'hubspot_server_oid';
COMMENT ON FUNCTION hubspot.server_oid(name) IS 'oid of the SERVER that a call with this argument means; an error when there is none';

CREATE FUNCTION @extschema@.hubspot_map(trait text, property text, object text DEFAULT 'contact', server name DEFAULT NULL)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO hubspot.mapping (server, object, trait, property)
	SELECT coalesce($4, ''), $3, $1, $2
	WHERE $4 IS NULL OR hubspot.server_oid($4) IS NOT NULL
	ON CONFLICT (server, object, trait) DO UPDATE SET property = excluded.property;
$$;
COMMENT ON FUNCTION @extschema@.hubspot_map(text, text, text, name) IS
'from now on the trait (dots reach inside of objects) is this HubSpot property, whatever its name; property NULL: it is not sent.  For one SERVER, or for all of this database.  Needs the right to write hubspot.mapping';

CREATE FUNCTION @extschema@.hubspot_unmap(trait text, object text DEFAULT 'contact', server name DEFAULT NULL)
RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	DELETE FROM hubspot.mapping m
	WHERE m.server = coalesce($3, '') AND m.object = $2 AND m.trait = $1;
$$;
COMMENT ON FUNCTION @extschema@.hubspot_unmap(text, text, name) IS 'takes back hubspot_map()';

CREATE FUNCTION @extschema@.hubspot_refresh_schema(server name DEFAULT NULL) RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_refresh_schema';
COMMENT ON FUNCTION @extschema@.hubspot_refresh_schema(name) IS
'queues the reading of properties and event definitions from HubSpot; returns the outbox id, whose verdict says when it is done';

/*
 * Records that a key may mean: as it is, in lower case as addresses and
 * domains are kept, and by the address that a userId was seen with.
 */
CREATE FUNCTION hubspot.records_of_key(key text, OUT server oid, OUT object hubspot.object, OUT record_id text)
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
	INSERT INTO hubspot.forgotten (server, object, key)
		VALUES (CASE WHEN $1 IS NOT NULL THEN hubspot.server_oid($1) END, $2::hubspot.object, $3);
	SELECT hubspot.wake();
	SELECT CASE WHEN $3 IS NULL THEN (SELECT count(*) FROM hubspot.confirmed c
			WHERE ($1 IS NULL OR c.server = hubspot.server_oid($1)) AND ($2 IS NULL OR c.object = $2::hubspot.object))
		ELSE (SELECT count(*) FROM hubspot.records_of_key($3) r
			JOIN hubspot.confirmed c ON c.server = r.server AND c.record_id = r.record_id AND c.object = r.object
			WHERE ($1 IS NULL OR c.server = hubspot.server_oid($1)) AND ($2 IS NULL OR c.object = $2::hubspot.object)) END;
$$;
COMMENT ON FUNCTION @extschema@.hubspot_forget_confirmed(name, text, text) IS
'from this transaction''s commit on, what HubSpot has confirmed counts as not known, so that the next call sends all its values again (SERVER option skip_unchanged): of one SERVER or all, of contact or company or both, of one key (e-mail address, userId, domain, or the value of the id property) or all; returns how many records are written down as confirmed now.  Owner of the extension only';

CREATE FUNCTION @extschema@.hubspot_create_property(object text, name text, type text, label text DEFAULT NULL,
	options text[] DEFAULT NULL, is_unique boolean DEFAULT false, server name DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_create_property';
COMMENT ON FUNCTION @extschema@.hubspot_create_property(text, text, text, text, text[], boolean, name) IS
'queues the creation of a property of contacts or companies in HubSpot; object is contact or company, type is string, number, bool, enumeration (with options), date or datetime; returns the outbox id.  unchanged: HubSpot has it already';

CREATE FUNCTION @extschema@.hubspot_create_event(name text, properties jsonb DEFAULT '{}', label text DEFAULT NULL,
	server name DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_create_event';
COMMENT ON FUNCTION @extschema@.hubspot_create_event(text, jsonb, text, name) IS
'queues the definition of a custom event in HubSpot; properties is an object of name -> type (string, number, bool, date, datetime), beside HubSpot''s default ones; returns the outbox id.  unchanged: HubSpot has it already.  A definition''s types cannot be changed later';

CREATE FUNCTION @extschema@.hubspot_create_list(name text, object text DEFAULT 'contact', server name DEFAULT NULL)
RETURNS bigint
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_create_list';
COMMENT ON FUNCTION @extschema@.hubspot_create_list(text, text, name) IS
'queues the creation of a static list in HubSpot, whose members hubspot_add_to_list() and hubspot_remove_from_list() change; object is contact or company; returns the outbox id.  unchanged: HubSpot has it already.  rejected: another list has this name';

CREATE FUNCTION @extschema@.hubspot_explain(call text, message jsonb, server name DEFAULT NULL,
	OUT object text, OUT key_property text, OUT key text, OUT properties jsonb, OUT warnings jsonb,
	OUT method text, OUT path text, OUT body jsonb)
RETURNS SETOF record
LANGUAGE c STABLE ROWS 1
AS 'MODULE_PATHNAME', 'hubspot_explain';
COMMENT ON FUNCTION @extschema@.hubspot_explain(text, jsonb, name) IS
'what the call would send, a row per piece of work: the key, the properties with trait and rule, what would be dropped or changed and why, the request.  Goes by what is known of the account''s properties; sends and queues nothing.  A bad message is the error that the call would raise.  The current user needs USAGE on the SERVER; record ids are shown to who may SELECT hubspot.record, "unchanged" to who may SELECT hubspot.confirmed';

/*
 * For the functions below, which run as the extension's owner: in the schema
 * that CREATE EXTENSION chose somebody may plant others of the name.
 */
CREATE FUNCTION hubspot.explain(call text, message jsonb, server name,
	OUT object text, OUT key_property text, OUT key text, OUT properties jsonb, OUT warnings jsonb,
	OUT method text, OUT path text, OUT body jsonb)
RETURNS SETOF record
LANGUAGE c STABLE ROWS 1
AS 'MODULE_PATHNAME', 'hubspot_explain_by_schema';
COMMENT ON FUNCTION hubspot.explain(text, jsonb, name) IS
'hubspot_explain() for previews: goes by the account''s schema alone, tells nothing of records';

CREATE FUNCTION hubspot.functions_schema() RETURNS name
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT n.nspname FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hubspot';
END;
COMMENT ON FUNCTION hubspot.functions_schema() IS 'schema of the functions hubspot_*, for statements that are proposed';

CREATE FUNCTION @extschema@.hubspot_trigger() RETURNS trigger
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_trigger';
COMMENT ON FUNCTION @extschema@.hubspot_trigger() IS
'queues a call per new row; arguments: call, server ('''' for the default), column mapping as a JSON object of trait -> column ('''' for all columns), deadline as an interval.  AFTER INSERT or UPDATE, FOR EACH ROW, or FOR EACH STATEMENT with REFERENCING NEW TABLE.  USAGE is checked for the owner of the table, and for whoever creates the trigger, who must own the table when it names no server; a bad row never fails the statement (see hubspot.on_invalid)';

/* ------------------------------------------------------------------------
 * Syncs, audiences, computed traits
 * ------------------------------------------------------------------------ */
CREATE FUNCTION @extschema@.hubspot_sync(name text, source text, object text DEFAULT 'contact', key text DEFAULT NULL,
	mapping jsonb DEFAULT NULL, mode text DEFAULT 'upsert', deletes text DEFAULT 'ignore', event text DEFAULT NULL,
	every interval DEFAULT NULL, backfill boolean DEFAULT true, max_shrink real DEFAULT 0.2,
	timeout interval DEFAULT '5 minutes', server name DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_sync';
COMMENT ON FUNCTION @extschema@.hubspot_sync(text, text, text, text, jsonb, text, text, text, interval, boolean, real, interval, name) IS
'declares that HubSpot follows a table, view or query, or changes what is declared by this name.  object: contact, company, event, association.  mapping: object of property -> column, NULL: all columns by their names.  key: column that says which record a row is, NULL: the one mapped to the account''s id property, email or domain; of events the primary key.  mode: upsert, update, create, mirror.  deletes: ignore, clear, archive.  The changes of a table are followed by triggers, in the transaction of who makes them; a view, a query or the mode mirror is compared every so often, and no more than max_shrink of its records (0 to 1) may leave at once.  backfill: also what is there already.  Needs USAGE on the SERVER, SELECT on the columns and TRIGGER on a table; the caller becomes the owner.  What is no good raises invalid_parameter_value, undefined_column, undefined_table or insufficient_privilege';

CREATE FUNCTION @extschema@.hubspot_audience(name text, query text, level text DEFAULT 'user',
	outputs text[] DEFAULT '{property}', property text DEFAULT NULL, list text DEFAULT NULL, every interval DEFAULT NULL,
	create_in_hubspot boolean DEFAULT false, max_shrink real DEFAULT 1, timeout interval DEFAULT '5 minutes', server name DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_audience';
COMMENT ON FUNCTION @extschema@.hubspot_audience(text, text, text, text[], text, text, interval, boolean, real, interval, name) IS
'declares an audience, or changes it: whom the query returns is in.  The first column is the key: an e-mail address or userId (level user), a groupId or domain (account: the companies; account_users: the contacts that group calls have put into them).  outputs: property (a single checkbox, true and false), event (Audience Entered, Audience Exited), list (a static list).  property: its internal name, by default made of the audience''s; list: its name, by default the audience''s.  every: refreshed by the worker; NULL: by hubspot_refresh() only.  create_in_hubspot: what is missing is created, otherwise it is an error.  max_shrink: share of the members that may leave in one refresh.  The caller becomes the owner, the query runs with his rights (those of pg_read_all_data for a superuser) and his present search_path';

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
'queues the changes of a table that hubspot_sync() follows; its argument is the name of the sync.  hubspot_sync() makes the triggers, which need not be dumped or restored in any special way: they do nothing while the sync is held, gone or of another table';

CREATE FUNCTION @extschema@.hubspot_alter_owner(name text, role name) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_alter_owner';
COMMENT ON FUNCTION @extschema@.hubspot_alter_owner(text, name) IS
'gives a sync, audience or trait to another role, with whose rights it reads and queues from then on.  For its owner, who must be able to SET ROLE to the new one, and superusers; the new owner needs what he would need to declare it: USAGE on the SERVER and SELECT on what it reads.  What becomes a superuser''s and was not is held until hubspot_resync().  Raises undefined_object or insufficient_privilege';

CREATE FUNCTION @extschema@.hubspot_drop_sync(name text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_drop_sync';
CREATE FUNCTION @extschema@.hubspot_resync(name text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_resync';
COMMENT ON FUNCTION @extschema@.hubspot_resync(text) IS
'queues everything of a definition anew: of a followed table by a back-fill from its beginning, of everything else by a refresh at once.  Ends a hold, as after a restore; then the source is looked up again by its name.  For the owner of the definition; raises undefined_object when there is none of this name, undefined_table when its source has gone';

COMMENT ON FUNCTION @extschema@.hubspot_drop_sync(text) IS
'takes back hubspot_sync(), hubspot_audience() or hubspot_trait(): removes the definition, its members and the triggers of its table.  What is queued is still sent, nothing is changed in HubSpot.  For the owner of the definition; raises undefined_object when there is none of this name';

/* ------------------------------------------------------------------------
 * Pausing
 * ------------------------------------------------------------------------ */
CREATE FUNCTION @extschema@.hubspot_pause(server name DEFAULT NULL, lane text DEFAULT NULL, reason text DEFAULT NULL)
RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'hubspot_pause';
COMMENT ON FUNCTION @extschema@.hubspot_pause(name, text, text) IS
'from the commit on, the lane (NULL: the whole account) begins no request until hubspot_resume(); what is under way ends, rows wait.  Holds over restarts and failover; hubspot.status shows who, since when and the reason.  An unknown lane is an error that lists the valid ones.  For the owner of the extension, and whom he grants EXECUTE';

CREATE FUNCTION @extschema@.hubspot_resume(server name DEFAULT NULL, lane text DEFAULT NULL) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'hubspot_resume';
COMMENT ON FUNCTION @extschema@.hubspot_resume(name, text) IS
'takes back hubspot_pause() of the same SERVER and lane (NULL: that of the whole account; lanes that were paused by name stay so); returns whether it was paused.  A NOTICE tells what is still paused';

/* ------------------------------------------------------------------------
 * What the worker tells, from shared memory
 * ------------------------------------------------------------------------ */
CREATE FUNCTION hubspot.lane_report(
	OUT server oid, OUT lane text, OUT state text, OUT reason text, OUT until timestamptz,
	OUT waiting bigint, OUT in_flight bigint, OUT oldest timestamptz, OUT done bigint, OUT rate double precision, OUT event text,
	OUT deferred bigint)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'hubspot_lane_report';
COMMENT ON FUNCTION hubspot.lane_report() IS
'lanes of this database''s worker, live; rate in rows with a verdict per second; event as in hubspot.lane_states(); reason without HubSpot''s own words for those who may not read them, see hubspot.may_read_texts()';

CREATE FUNCTION hubspot.lane_states(
	OUT state text, OUT event text, OUT scope text, OUT failure boolean, OUT first_wait interval, OUT longest_wait interval,
	OUT left_by text[], OUT reason text, OUT remedy text)
RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 20 AS 'MODULE_PATHNAME', 'hubspot_lane_states';
COMMENT ON FUNCTION hubspot.lane_states() IS
'what can happen to a lane, a row per event: the state that it leads to; whether it moves the lane, the account or all of the database; whether it counts as a failure, so that the next wait is twice as long, up to the longest; what leads out again; the reason that hubspot.status shows, completed by a detail; the remedy that hubspot_health() shows, NULL: nothing is wrong';

CREATE FUNCTION hubspot.libraries(
	OUT library text, OUT version text, OUT built_with text, OUT problem text, OUT otherwise text)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT PARALLEL SAFE ROWS 2 AS 'MODULE_PATHNAME', 'hubspot_libraries';
COMMENT ON FUNCTION hubspot.libraries() IS
'the libraries that read and carry HubSpot''s answers, for a bug report: the version that runs, the one that hubspot was built with, and what does not hold of that which hubspot leans on (NULL: all holds), with how it does without; a row more for each such problem';

CREATE FUNCTION hubspot.flight_report(OUT id bigint) RETURNS SETOF bigint
LANGUAGE c VOLATILE STRICT ROWS 100 AS 'MODULE_PATHNAME', 'hubspot_flight_report';
COMMENT ON FUNCTION hubspot.flight_report() IS 'outbox ids in requests under way (at most 512 of a request)';

CREATE FUNCTION hubspot.worker_report(
	OUT database oid, OUT pid integer, OUT state text, OUT problem text, OUT started_at timestamptz,
	OUT last_turn_at timestamptz, OUT failures integer, OUT window_rows bigint, OUT window_bytes bigint,
	OUT read_id bigint, OUT requests bigint, OUT done bigint, OUT refresher_pid integer, OUT refresher_problem text,
	OUT refresher_sync integer, OUT refresher_since timestamptz, OUT refresher_until timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT ROWS 5 AS 'MODULE_PATHNAME', 'hubspot_worker_report';
COMMENT ON FUNCTION hubspot.worker_report() IS 'workers of the cluster, live; no rows when the library is not preloaded';

CREATE FUNCTION hubspot.fill_report(OUT sync integer, OUT unfinished integer, OUT waits boolean)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT ROWS 5 AS 'MODULE_PATHNAME', 'hubspot_fill_report';
COMMENT ON FUNCTION hubspot.fill_report() IS
'back-fills under way in this database, live: rows queued that have no verdict, and whether they are so many that no more is read';

CREATE FUNCTION hubspot.meter_report(
	OUT server oid, OUT burst_limit integer, OUT burst_used integer, OUT burst_others integer,
	OUT daily_limit bigint, OUT daily_remaining bigint,
	OUT burst_window_ms integer, OUT burst_reserve integer, OUT blocked_until timestamptz, OUT daily_resets_at timestamptz,
	OUT search_limit integer, OUT search_used integer, OUT search_blocked_until timestamptz,
	OUT association_limit integer, OUT association_used integer, OUT association_blocked_until timestamptz,
	OUT form_limit integer, OUT form_used integer, OUT form_blocked_until timestamptz)
RETURNS SETOF record
LANGUAGE c VOLATILE STRICT ROWS 5 AS 'MODULE_PATHNAME', 'hubspot_meter_report';
COMMENT ON FUNCTION hubspot.meter_report() IS
'rate limits of this database''s accounts, live: requests used in the last window (burst_window_ms) by us and, as far as HubSpot''s headers tell, by others, for whose next ones burst_reserve places are left free; nothing is sent before blocked_until; the meters of their own: search (per second), association and form (without a token; per 10 seconds)';

CREATE FUNCTION hubspot.launch() RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'hubspot_launch';
COMMENT ON FUNCTION hubspot.launch() IS 'when this transaction commits, the launcher looks at this database at once';

CREATE FUNCTION hubspot.home_id() RETURNS uuid
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'hubspot_home_id';
COMMENT ON FUNCTION hubspot.home_id() IS
'the random name of this data directory; NULL when it has none yet, as where the library is not preloaded';

CREATE FUNCTION hubspot.knows_time_zone(name text) RETURNS boolean
LANGUAGE c STABLE STRICT AS 'MODULE_PATHNAME', 'hubspot_knows_time_zone';
COMMENT ON FUNCTION hubspot.knows_time_zone(text) IS 'whether the server has the time zone that HubSpot calls so';

/*
 * Rows tell their account by the oid of the SERVER.  pg_upgrade gives SERVERs
 * other oids, also such as another SERVER had; everything else keeps its own.
 * So names are noted as SERVERs come and go, and when tables are found in another
 * cluster their rows get the oids that these names have there, or 0 (their
 * verdict is server_dropped) when there is none.
 *
 * Calls may have been queued there before that.  What came along is older
 * than the types of the extension, which pg_upgrade made anew after it had
 * set the cluster's transaction counter to where the old one's ended.
 *
 * Every table with a column server is moved, those apart which are filled anew
 * from HubSpot's answers.
 */
CREATE TABLE hubspot.server_name (
	server oid PRIMARY KEY,
	name name NOT NULL
);
COMMENT ON TABLE hubspot.server_name IS 'names of the SERVERs, so that rows find theirs after pg_upgrade, which gives SERVERs other oids';
COMMENT ON COLUMN hubspot.server_name.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.server_name.name IS 'its name';

CREATE FUNCTION hubspot.move_servers(olds oid[], news oid[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fetched CONSTANT name[] := '{account,confirmed,event_definition,property,rate_limit,schema,unknown_property}';
	single CONSTANT name[] := '{message_id,pause}';	-- the SERVER is part of their key
	apart CONSTANT bigint := 2147483648;
	place regclass;
	came_along text;
BEGIN
	SELECT format('age(xmin) NOT BETWEEN 0 AND %s', max(age(e.xmin))) INTO came_along
	FROM pg_enum e WHERE e.enumtypid = 'hubspot.call'::regtype;
	FOR place IN
		SELECT c.oid FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'server' AND a.atttypid = 'oid'::regtype
		WHERE c.relnamespace = 'hubspot'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relispartition
			AND c.relname <> ALL (fetched || single || name 'server_name')
	LOOP
		EXECUTE format('UPDATE %s SET server = coalesce($2[array_position($1, server)], 0) WHERE server IS NOT NULL AND %s',
			place, came_along) USING olds, news;
	END LOOP;
	FOR place IN SELECT format('hubspot.%I', n)::regclass FROM unnest(fetched) n LOOP
		EXECUTE format('DELETE FROM %s', place);
	END LOOP;
	FOR place IN SELECT format('hubspot.%I', n)::regclass FROM unnest(single) n LOOP
		EXECUTE format('DELETE FROM %s WHERE array_position($1, server) IS NULL AND %s', place, came_along) USING olds;
		EXECUTE format('UPDATE %s SET server = (server::bigint + $1)::oid WHERE %s', place, came_along) USING apart;
	END LOOP;
	-- what was said in the new cluster counts
	DELETE FROM hubspot.message_id m WHERE m.server::bigint >= apart AND EXISTS (SELECT FROM hubspot.message_id n
		WHERE n.message_id = m.message_id AND n.server = news[array_position(olds, (m.server::bigint - apart)::oid)]);
	DELETE FROM hubspot.pause p WHERE p.server::bigint >= apart AND EXISTS (SELECT FROM hubspot.pause n
		WHERE n.lane = p.lane AND n.server = news[array_position(olds, (p.server::bigint - apart)::oid)]);
	FOR place IN SELECT format('hubspot.%I', n)::regclass FROM unnest(single) n LOOP
		EXECUTE format('UPDATE %s SET server = $3[array_position($2, (server::bigint - $1)::oid)] WHERE server::bigint >= $1', place)
			USING apart, olds, news;
	END LOOP;
END $$;
COMMENT ON FUNCTION hubspot.move_servers(oid[], oid[]) IS 'gives the rows that came from another cluster the oids that their SERVERs have in this one';

CREATE FUNCTION hubspot.note_servers() RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	olds oid[];
	news oid[];
BEGIN
	IF EXISTS (SELECT FROM hubspot.installation i, pg_control_system() c WHERE i.system_identifier <> c.system_identifier)
		AND EXISTS (SELECT FROM hubspot.server_name n JOIN pg_foreign_server s ON s.srvname = n.name AND s.oid <> n.server)
	THEN
		LOCK TABLE hubspot.server_name IN SHARE ROW EXCLUSIVE MODE;	-- rows are moved once
		SELECT array_agg(n.server), array_agg(s.oid) INTO olds, news
		FROM hubspot.server_name n
		JOIN pg_foreign_server s ON s.srvname = n.name
		JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'hubspot';
		-- the same oids: another system identifier, but not pg_upgrade
		IF EXISTS (SELECT FROM unnest(olds, news) AS t(old, new) WHERE t.old <> t.new) THEN
			PERFORM hubspot.move_servers(olds, news);
		END IF;
	END IF;
	DELETE FROM hubspot.server_name d WHERE d.server IN (
		SELECT n.server FROM hubspot.server_name n
		WHERE NOT EXISTS (SELECT FROM pg_foreign_server s WHERE s.oid = n.server AND s.srvname = n.name)
		FOR UPDATE SKIP LOCKED);
	INSERT INTO hubspot.server_name AS n (server, name)
		SELECT s.oid, s.srvname FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'hubspot'
		WHERE NOT EXISTS (SELECT FROM hubspot.server_name k WHERE k.server = s.oid AND k.name = s.srvname)
		ON CONFLICT (server) DO UPDATE SET name = excluded.name;
END $$;
COMMENT ON FUNCTION hubspot.note_servers() IS 'notes the names of the SERVERs; in a cluster that pg_upgrade made, gives rows their new oids before';

/*
 * Everybody gets here, also by statements that do nothing or are about other
 * wrappers, and in transactions that stay open: then nothing is written and no
 * lock is taken that others could wait for.  The exception is a cluster that
 * pg_upgrade made, until rows have been moved.
 */
CREATE FUNCTION hubspot.servers_changed() RETURNS event_trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	concerned boolean;
BEGIN
	IF tg_event = 'ddl_command_start' THEN
		concerned := EXISTS (SELECT FROM hubspot.installation i, pg_control_system() c WHERE i.system_identifier <> c.system_identifier);
	ELSE
		concerned := EXISTS (SELECT FROM pg_event_trigger_ddl_commands() d
			JOIN pg_foreign_server s ON d.classid = 'pg_foreign_server'::regclass AND s.oid = d.objid
			JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'hubspot')
			OR EXISTS (SELECT FROM hubspot.server_name n WHERE NOT EXISTS (SELECT FROM pg_foreign_server s WHERE s.oid = n.server));
	END IF;
	IF concerned THEN
		PERFORM hubspot.note_servers();
	END IF;
END $$;
COMMENT ON FUNCTION hubspot.servers_changed() IS 'notes the names of the SERVERs before and after a statement that may change them';
-- before, too: in a cluster that pg_upgrade made they still have the names that were noted
CREATE EVENT TRIGGER hubspot_servers_change ON ddl_command_start
	WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'DROP SERVER', 'DROP OWNED') EXECUTE FUNCTION hubspot.servers_changed();
ALTER EVENT TRIGGER hubspot_servers_change ENABLE ALWAYS;
CREATE EVENT TRIGGER hubspot_servers_changed ON ddl_command_end
	WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'DROP SERVER', 'DROP OWNED') EXECUTE FUNCTION hubspot.servers_changed();
ALTER EVENT TRIGGER hubspot_servers_changed ENABLE ALWAYS;

CREATE FUNCTION @extschema@.hubspot_arm() RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT hubspot.note_servers();
	DELETE FROM hubspot.installation;
	INSERT INTO hubspot.installation (system_identifier, database, armed_at, home, alive_at)
		SELECT s.system_identifier, d.oid, pg_catalog.clock_timestamp(), hubspot.home_id(), pg_catalog.clock_timestamp()
		FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d
		WHERE d.datname = pg_catalog.current_database();
	SELECT hubspot.launch();
END;
COMMENT ON FUNCTION @extschema@.hubspot_arm() IS
'lets this database send what its outbox holds, after it was found to be a copy (a copied or restored data directory, a stale standby, CREATE DATABASE ... TEMPLATE, pg_upgrade); owner of the extension only';

/* ------------------------------------------------------------------------
 * Views: their first columns are a contract, more may follow
 * ------------------------------------------------------------------------
 * HubSpot's messages quote addresses, and errors of queries the values that
 * they met.  Whoever may not read such texts sees what we say ourselves, in
 * the same column, so that "SELECT *" works for all who may read the view.
 */
CREATE FUNCTION hubspot.may_read_texts() RETURNS boolean
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'hubspot_may_read_texts';
COMMENT ON FUNCTION hubspot.may_read_texts() IS
'whether the current user sees texts that may quote customers'' data, in all views: has he the right to read the column message of hubspot.failures?';

CREATE FUNCTION hubspot.error_shown(error text, code text, owner oid) RETURNS text
LANGUAGE sql STABLE
BEGIN ATOMIC
	SELECT CASE WHEN $1 IS NULL OR hubspot.may_read_texts() OR pg_catalog.pg_has_role($3, 'USAGE') THEN $1
		ELSE pg_catalog.format('an error with SQLSTATE %s, whose text is for the owner of the definition', coalesce($2, 'unknown')) END;
END;
COMMENT ON FUNCTION hubspot.error_shown(text, text, oid) IS 'the error of a definition''s query, as the current user may see it';

CREATE VIEW hubspot.last_checkpoint AS
	SELECT c.id, c.at, c.last_id, c.snapshot
	FROM hubspot.checkpoint c ORDER BY c.id DESC LIMIT 1;
COMMENT ON VIEW hubspot.last_checkpoint IS 'the checkpoint that counts';

/*
 * The second branch holds what the checkpoint does not cover, found by the
 * index on xid; the first is known to be done, so that a search for what is
 * not done never reads it.
 */
CREATE VIEW hubspot.outbox_status AS
	SELECT o.id, o.parent, s.srvname AS server, o.call::text AS call, o.object::text AS object, o.key,
		'done'::text AS state, r.verdict::text AS verdict, r.attempt, r.http_status, r.record_id,
		r.created, r.category, r.message, r.warnings, r.request_id, o.created_at AS enqueued_at,
		r.finished_at, NULL::timestamptz AS next_try_at, r.merged_into, o.source::text AS source,
		o.deadline, o.backfill IS TRUE AS backfill, o.replay_of, CASE o.mode WHEN 'u' THEN 'update' WHEN 'c' THEN 'create' END AS mode
	FROM hubspot.outbox o
	JOIN hubspot.result r ON r.id = o.id
	LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = o.server
	WHERE pg_catalog.pg_visible_in_snapshot(o.xid, (SELECT c.snapshot FROM hubspot.last_checkpoint c))
UNION ALL
	SELECT o.id, o.parent, s.srvname, o.call::text, o.object::text, o.key,
		CASE WHEN r.id IS NOT NULL THEN 'done' WHEN f.id IS NOT NULL THEN 'in_flight' ELSE 'waiting' END,
		r.verdict::text, r.attempt, r.http_status, r.record_id,
		r.created, r.category, r.message, r.warnings, r.request_id, o.created_at,
		r.finished_at, NULL::timestamptz, r.merged_into, o.source::text, o.deadline, o.backfill IS TRUE, o.replay_of,
		CASE o.mode WHEN 'u' THEN 'update' WHEN 'c' THEN 'create' END
	FROM hubspot.outbox o
	LEFT JOIN hubspot.result r ON r.id = o.id
	LEFT JOIN hubspot.flight_report() f ON f.id = o.id
	LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = o.server
	WHERE o.xid >= (SELECT pg_catalog.pg_snapshot_xmin(c.snapshot) FROM hubspot.last_checkpoint c)
		AND NOT pg_catalog.pg_visible_in_snapshot(o.xid, (SELECT c.snapshot FROM hubspot.last_checkpoint c))
		AND NOT EXISTS (SELECT FROM hubspot.deferred d WHERE d.id = o.id)
UNION ALL
	SELECT d.id, d.parent, s.srvname, d.call::text, d.object::text, d.key,
		CASE WHEN f.id IS NOT NULL THEN 'in_flight' ELSE 'deferred' END,
		NULL::text, d.attempt::smallint, d.http_status, NULL::text,
		NULL::boolean, d.category, d.last_error, NULL::jsonb, d.request_id, d.created_at,
		NULL::timestamptz, d.next_try_at, NULL::bigint, d.source::text, d.deadline, d.backfill IS TRUE, d.replay_of,
		CASE d.mode WHEN 'u' THEN 'update' WHEN 'c' THEN 'create' END
	FROM hubspot.deferred d
	LEFT JOIN hubspot.flight_report() f ON f.id = d.id
	LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = d.server;
COMMENT ON VIEW hubspot.outbox_status IS
'a row per queued row: state is waiting, in_flight, deferred or done; verdict is NULL until done; of a deferred row category and message say what went wrong last, next_try_at when it is tried again';

CREATE VIEW hubspot.backlog AS
	SELECT o.* FROM hubspot.outbox_status o WHERE o.state <> 'done';
COMMENT ON VIEW hubspot.backlog IS 'what is not done yet, as in hubspot.outbox_status';

CREATE VIEW hubspot.failures AS
	SELECT r.id, s.srvname AS server, o.call::text AS call, o.object::text AS object, o.key,
		r.verdict::text AS verdict, r.category, r.message, r.http_status, q.correlation_id,
		r.finished_at, o.message AS call_message, o.created_at AS enqueued_at, r.request_id
	FROM hubspot.result r
	JOIN hubspot.outbox o ON o.id = r.id
	LEFT JOIN hubspot.request q ON q.id = r.request_id
	LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = o.server
	WHERE r.verdict IN ('rejected', 'dead', 'unknown')
	ORDER BY r.finished_at DESC;
COMMENT ON VIEW hubspot.failures IS 'rows that HubSpot will not have, with the call and the reason, newest first';

/*
 * A contact that is known by userId and by address is one.  Two branches, so that pairs of addresses, the most of
 * them as a rule, need no look at the record map.
 */
CREATE VIEW hubspot.company_contacts AS
	SELECT p.server::name AS server, p.company, p.contact, p.contact_property
	FROM hubspot.company_contact p WHERE p.contact_property IS DISTINCT FROM 'userId'
UNION
	SELECT p.server::name, p.company, coalesce(r.record_id, p.contact), CASE WHEN r.record_id IS NULL THEN p.contact_property END
	FROM hubspot.company_contact p
	LEFT JOIN (hubspot.record r
		JOIN pg_catalog.pg_foreign_server s ON s.oid = r.server)
		ON r.key_hash = pg_catalog.hashtextextended(p.contact, 0) AND r.key = p.contact AND s.srvname = p.server
			AND r.object = 'contact' AND r.key_property = 'userId'
	WHERE p.contact_property = 'userId';
COMMENT ON VIEW hubspot.company_contacts IS
'which contacts have been put into which company, each pair once: by hubspot_group(), the company of a contact, a sync of associations.  server: name of the SERVER; company: groupId or domain; contact: address, or the value of contact_property, which is NULL for an address, "userId" for a userId whose address nobody has told yet';

CREATE VIEW hubspot.unknown_properties AS
	SELECT s.srvname AS server, u.object, u.name, u.times, u.last_id,
		pg_catalog.format('SELECT %I.hubspot_create_property(%L, %L, %L, server => %L)', hubspot.functions_schema(), u.object, u.name, u.type, s.srvname)
			AS statement,
		u.last_at
	FROM hubspot.unknown_property u
	JOIN pg_catalog.pg_foreign_server s ON s.oid = u.server
	WHERE NOT EXISTS (SELECT FROM hubspot.property p
		WHERE p.server = u.server AND p.object::text = u.object AND p.name = u.name)
	ORDER BY u.times DESC;
COMMENT ON VIEW hubspot.unknown_properties IS
'traits that were dropped because HubSpot has no such property, with the statement that creates it';

CREATE VIEW hubspot.requests AS
	SELECT q.id, s.srvname AS server, q.lane, q.started_at, q.method, q.path, q.records, q.status, q.duration_ms,
		q.bytes_sent, q.bytes_received, q.correlation_id, q.retry_after,
		CASE WHEN q.error IS NULL OR q.status IS NULL OR hubspot.may_read_texts() THEN q.error
			ELSE pg_catalog.format('HubSpot answered with status %s', q.status) END AS error,
		q.category
	FROM hubspot.request q
	LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = q.server
	ORDER BY q.id DESC;
COMMENT ON VIEW hubspot.requests IS 'HTTP requests, newest first';

/*
 * What the worker has not read yet, by account and object: exact up to 10,000
 * rows, beyond that the mix of the first 10,000 is taken for all.
 */
CREATE VIEW hubspot.unread AS
	WITH mark AS (
		SELECT coalesce((SELECT w.read_id FROM hubspot.worker_report() w, pg_catalog.pg_database d
				WHERE d.datname = pg_catalog.current_database() AND w.database = d.oid AND w.pid <> 0 AND w.read_id > 0),
			(SELECT c.last_id FROM hubspot.last_checkpoint c)) AS read_id,
			(SELECT q.last_value FROM hubspot.outbox_id_seq q WHERE q.is_called) AS last_id
	), sample AS (
		SELECT o.id, o.server, o.object, o.created_at
		FROM mark m, LATERAL (SELECT x.id, x.server, x.object, x.created_at FROM hubspot.outbox x
			WHERE x.id > m.read_id ORDER BY x.id LIMIT 10000) o
	), size AS (
		SELECT CASE WHEN pg_catalog.count(*) < 10000 THEN 1.0
			ELSE greatest(1.0, (SELECT (m.last_id - m.read_id)::float8 FROM mark m)
				/ (pg_catalog.max(s.id) - (SELECT m.read_id FROM mark m))) END AS factor
		FROM sample s
	)
	SELECT s.server, s.object, (pg_catalog.count(*) * (SELECT z.factor FROM size z))::bigint AS waiting,
		pg_catalog.min(s.created_at) AS oldest
	FROM sample s GROUP BY s.server, s.object;
COMMENT ON VIEW hubspot.unread IS 'rows that the worker has not read yet; an estimate beyond 10,000';

CREATE VIEW hubspot.status AS
	SELECT s.srvname AS server, lane.name AS lane,
		/* what holds all of the database goes before what the lane was in */
		CASE WHEN w.held THEN 'HELD' ELSE coalesce(l.state, a.state, 'STOPPED') END AS state,
		CASE WHEN w.held THEN w.problem
			WHEN l.state IS NOT NULL THEN l.reason
			WHEN a.state IS NULL THEN coalesce(nullif(w.problem, ''),
				(SELECT x.reason FROM hubspot.lane_states() x WHERE x.state = 'STOPPED'))
			END AS reason,
		CASE WHEN w.held THEN NULL ELSE l.until END AS until,
		coalesce(l.waiting, 0) + coalesce(u.waiting, 0) AS waiting,
		coalesce(l.in_flight, 0) AS in_flight,
		coalesce(l.deferred, 0) AS deferred,
		least(l.oldest, u.oldest) AS oldest,
		coalesce(l.rate, 0) AS rate,
		m.daily_limit - m.daily_remaining AS daily_used,
		m.daily_limit,
		CASE WHEN coalesce(l.waiting, 0) + coalesce(l.in_flight, 0) + coalesce(u.waiting, 0) = 0 THEN NULL
			WHEN l.rate > 0 THEN pg_catalog.make_interval(
				secs => (l.waiting + l.in_flight + coalesce(u.waiting, 0)) / l.rate) END AS eta
	FROM pg_catalog.pg_foreign_server s
	JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw AND f.fdwname = 'hubspot'
	CROSS JOIN (VALUES ('contacts', 'contact'::hubspot.object), ('companies', 'company'), ('associations', 'association'),
		('events', 'event'), ('forms', 'form'), ('schema', 'schema'), ('lists', 'list')) AS lane(name, object)
	LEFT JOIN hubspot.lane_report() l ON l.server = s.oid AND l.lane = lane.name
	/* a lane that the worker has not begun with is in no trouble of its own */
	LEFT JOIN (SELECT r.server, 'RUN' AS state FROM hubspot.lane_report() r WHERE r.lane = 'contacts') a ON a.server = s.oid
	LEFT JOIN hubspot.unread u ON u.server = s.oid AND u.object = lane.object
	LEFT JOIN hubspot.meter_report() m ON m.server = s.oid
	LEFT JOIN (SELECT x.database, x.problem, x.state = 'held' AS held FROM hubspot.worker_report() x) w
		ON w.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database())
	WHERE lane.name = 'contacts' OR l.lane IS NOT NULL OR u.object IS NOT NULL;
COMMENT ON VIEW hubspot.status IS
'a row per account and lane in use: what waits, how fast it goes (rows with a verdict per second), until when; cheap to poll';

CREATE VIEW hubspot.rate_limits AS
	SELECT s.srvname AS server, r.lane, r.state, CASE WHEN hubspot.may_read_texts() THEN r.reason ELSE r.own_reason END AS reason, r.until,
		coalesce(m.burst_limit, r.burst_limit) AS burst_limit,
		coalesce(m.burst_limit - m.burst_used - m.burst_others, r.burst_remaining) AS burst_remaining,
		m.burst_used, m.burst_others,
		coalesce(m.daily_limit, r.daily_limit) AS daily_limit,
		coalesce(m.daily_remaining, r.daily_remaining) AS daily_remaining,
		r.updated_at, a.token_fingerprint, a.portal_id, a.hublet, a.time_zone,
		coalesce(m.burst_window_ms, r.burst_window_ms) AS burst_window_ms, m.burst_reserve, m.blocked_until,
		coalesce(m.daily_resets_at, r.daily_resets_at) AS daily_resets_at,
		m.search_limit, m.search_used, m.search_blocked_until,
		m.association_limit, m.association_used, m.association_blocked_until,
		m.form_limit, m.form_used, m.form_blocked_until
	FROM hubspot.rate_limit r
	LEFT JOIN pg_catalog.pg_foreign_server s ON s.oid = r.server
	LEFT JOIN hubspot.account a ON a.server = r.server
	LEFT JOIN hubspot.meter_report() m ON m.server = r.server;
COMMENT ON VIEW hubspot.rate_limits IS 'limits of each account, live where the worker runs, else as it last wrote them';

CREATE VIEW hubspot.workers AS
	SELECT d.datname AS database, w.pid, w.state, nullif(w.problem, '') AS problem, w.started_at, w.last_turn_at,
		w.failures, w.window_rows, w.window_bytes, w.read_id, w.requests, w.done, w.refresher_pid, w.refresher_problem,
		CASE WHEN d.datname = pg_catalog.current_database() THEN
			(SELECT y.name FROM hubspot.sync y WHERE y.id = w.refresher_sync) END AS refresher_runs, w.refresher_since,
		w.refresher_until
	FROM hubspot.worker_report() w
	LEFT JOIN pg_catalog.pg_database d ON d.oid = w.database;
COMMENT ON VIEW hubspot.workers IS
'the workers of the cluster, one per database that has the extension; one that is held (problem says why) has no process, pid is 0; refresher_pid: its process for refreshes and back-fills, NULL while none is needed; refresher_problem: why none can be started; refresher_runs: the definition that it works on, of this database only, refresher_since: since when, refresher_until: when the process is told to end if it still runs then';

/* A copy has no refresher before hubspot_arm(); its triggers queue, and what is called by hand works. */
CREATE VIEW hubspot.copy_held AS
	SELECT pg_catalog.concat_ws(': ', 'the worker is held', i.held_reason) AS reason
	FROM hubspot.installation i WHERE i.held_at IS NOT NULL LIMIT 1;
COMMENT ON VIEW hubspot.copy_held IS 'why this database, found to be a copy, refreshes and fills nothing by itself; no row: it is none';

CREATE VIEW hubspot.backfills AS
	SELECT y.name, y.server,
		CASE WHEN y.held IS NOT NULL THEN 'held'
			WHEN s.fill_finished_at IS NOT NULL THEN 'done'
			WHEN h.reason IS NOT NULL THEN 'held'
			WHEN s.failures > 0 THEN 'failed'
			WHEN f.waits THEN 'waiting for HubSpot'
			ELSE 'reading' END AS state,
		coalesce(s.fill_rows, 0) AS rows_read,
		CASE WHEN s.fill_finished_at IS NOT NULL THEN s.fill_rows ELSE greatest(s.fill_total, s.fill_rows) END AS rows_total,
		CASE WHEN s.fill_finished_at IS NOT NULL THEN 1.0::float8
			WHEN s.fill_total > s.fill_rows THEN s.fill_rows / s.fill_total::float8 END AS share,
		r.rate AS rows_per_second,
		CASE WHEN s.fill_finished_at IS NULL AND y.held IS NULL AND h.reason IS NULL AND s.failures = 0 AND r.rate > 0 AND s.fill_total > s.fill_rows
			THEN pg_catalog.make_interval(secs => (s.fill_total - s.fill_rows) / r.rate) END AS eta,
		s.fill_started_at AS started_at, s.fill_finished_at AS finished_at,
		coalesce(y.held, h.reason, hubspot.error_shown(s.error, s.error_code, y.owner_oid), s.problem) AS error
	FROM hubspot.sync y
	JOIN hubspot.sync_state s ON s.sync = y.id AND s.fill_started_at IS NOT NULL
	LEFT JOIN hubspot.fill_report() f ON f.sync = y.id
	LEFT JOIN hubspot.copy_held h ON s.fill_finished_at IS NULL
	CROSS JOIN LATERAL (SELECT s.fill_rows / nullif(extract(epoch FROM
		coalesce(s.fill_finished_at, pg_catalog.clock_timestamp()) - s.fill_started_at), 0)::float8 AS rate) r
	WHERE y.follows;
COMMENT ON VIEW hubspot.backfills IS
'a row per back-fill of a followed table: state is reading, waiting for HubSpot (enough is queued), done (all is read and queued), held or failed (error says why; it is tried again); rows_total is estimated until it is done; rows_per_second since its start; share and eta are NULL when they are not known';

/*
 * Rows of one key are one record; a request takes 100 records, 500 events, one
 * form or one change of the schema.  Events are not limited.
 */
CREATE FUNCTION hubspot.all_confirmed(server oid, object text, key_property text, key text, calls text[], messages jsonb[])
RETURNS boolean
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'hubspot_all_confirmed';
COMMENT ON FUNCTION hubspot.all_confirmed(oid, text, text, text, text[], jsonb[]) IS
'whether HubSpot is known to have all that these calls of one key, newest first, would write when merged: the worker would send nothing';

CREATE FUNCTION @extschema@.hubspot_explain_backlog(server name DEFAULT NULL, OUT account name, OUT lane text, OUT queued bigint,
	OUT records bigint, OUT merged bigint, OUT unchanged bigint, OUT requests bigint, OUT estimate interval)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER ROWS 10 SET search_path = pg_catalog, pg_temp
AS $$
	WITH mark AS (
		SELECT c.snapshot, pg_snapshot_xmin(c.snapshot) AS xmin FROM hubspot.last_checkpoint c
	), skipping AS (
		SELECT s.oid AS server FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) p
		WHERE CASE p.option_name WHEN 'skip_unchanged' THEN p.option_value::boolean END
	), waiting AS (
		SELECT o.server, o.object, o.call = 'delete' AS deletes, o.key_property, o.key,
			CASE o.object WHEN 'association' THEN o.message WHEN 'list' THEN jsonb_build_array(o.message->'list', o.message->'object') END AS other,
			o.id, o.call, CASE WHEN o.object IN ('contact', 'company') AND o.server = ANY (ARRAY(SELECT k.server FROM skipping k))
				THEN o.message END AS values_of
		FROM hubspot.outbox o
		LEFT JOIN hubspot.result r ON r.id = o.id
		WHERE o.xid >= (SELECT m.xmin FROM mark m) AND NOT pg_visible_in_snapshot(o.xid, (SELECT m.snapshot FROM mark m))
			AND r.id IS NULL AND o.problem IS NULL AND ($1 IS NULL OR o.server = hubspot.server_oid($1))
	), families(object, lane, merges, per_request, per_window) AS (
		VALUES ('contact'::hubspot.object, 'contacts', true, 100, NULL::integer), ('company', 'companies', true, 100, NULL),
			('association', 'associations', true, 100, 100), ('event', 'events', false, 500, 0),
			('form', 'forms', false, 1, NULL), ('schema', 'schema', false, 1, NULL), ('list', 'lists', true, 500, NULL)
	), counted AS (
		SELECT w.server, w.object, count(*) AS queued,
			count(DISTINCT (w.deletes, w.key_property, w.key, w.other)) AS keys
		FROM waiting w GROUP BY w.server, w.object
	), unchanged AS (
		SELECT k.server, k.object, count(*) AS records
		FROM (SELECT w.server, w.object, w.key_property, w.key,
				array_agg(w.call::text ORDER BY w.id DESC) AS calls, array_agg(w.values_of ORDER BY w.id DESC) AS messages
			FROM waiting w WHERE w.values_of IS NOT NULL AND NOT w.deletes
			GROUP BY w.server, w.object, w.key_property, w.key) k
		WHERE hubspot.all_confirmed(k.server, k.object::text, k.key_property, k.key, k.calls, k.messages)
		GROUP BY k.server, k.object
	), sized AS (
		SELECT c.server, f.lane, c.queued, CASE WHEN f.merges THEN c.keys ELSE c.queued END - coalesce(u.records, 0) AS records,
			coalesce(u.records, 0) AS unchanged, f.per_request, coalesce(f.per_window, m.burst_limit, 100) AS per_window
		FROM counted c
		JOIN families f ON f.object = c.object
		LEFT JOIN unchanged u ON u.server = c.server AND u.object = c.object
		LEFT JOIN hubspot.meter_report() m ON m.server = c.server
	)
	SELECT s.srvname, z.lane, z.queued, z.records, z.queued - z.records - z.unchanged, z.unchanged,
		(z.records + z.per_request - 1) / z.per_request,
		make_interval(secs => CASE WHEN z.per_window = 0 THEN 0
			ELSE (z.records + z.per_request - 1) / z.per_request * 10.0 / z.per_window END)
	FROM sized z JOIN pg_foreign_server s ON s.oid = z.server
	ORDER BY s.srvname, z.lane
$$;
COMMENT ON FUNCTION @extschema@.hubspot_explain_backlog(name) IS
'what would go out now, a row per account and lane: rows queued, records they make when those of one key are merged, records left out because HubSpot has them already, requests, and the time these take at the limit that is granted now.  Reads all that waits; sends nothing';

/* ------------------------------------------------------------------------
 * Calls that are queued again, by the operator
 * ------------------------------------------------------------------------ */
CREATE TABLE hubspot.retry (
	id bigint PRIMARY KEY,
	retried_as bigint NOT NULL
);
COMMENT ON TABLE hubspot.retry IS 'rows that hubspot_retry() has queued again, so that none is queued twice; not dumped';
COMMENT ON COLUMN hubspot.retry.id IS 'row that had ended';
COMMENT ON COLUMN hubspot.retry.retried_as IS 'row that repeats it';

CREATE TABLE hubspot.repeat (
	replay_of bigint NOT NULL,
	id bigint NOT NULL
);
CREATE INDEX repeat_replay_of ON hubspot.repeat (replay_of);
COMMENT ON TABLE hubspot.repeat IS 'outbox rows that repeat others, to be found by those; not dumped';
COMMENT ON COLUMN hubspot.repeat.replay_of IS 'row whose call is repeated, as in the outbox';
COMMENT ON COLUMN hubspot.repeat.id IS 'row that repeats it';

/*
 * Few results are failures: they are found by index, and what belongs to each is looked up.  The planner, for which
 * the rings are not analyzed, would take them for many: OFFSET 0 keeps it from another order.
 */
CREATE FUNCTION hubspot.failed_sync_report(
	OUT id bigint, OUT object hubspot.object, OUT verdict hubspot.verdict, OUT category text, OUT message text)
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 100
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
SET jit = off
AS $$
	WITH failed AS MATERIALIZED (
		SELECT r.id, r.verdict, r.category, r.message, r.merged FROM hubspot.result r
		WHERE r.verdict IN ('rejected', 'expired', 'cancelled', 'dead')
	), rows AS (
		SELECT f.id, f.verdict, f.category, f.message FROM failed f
		UNION ALL
		SELECT m.id, f.verdict, f.category, f.message
		FROM failed f, LATERAL (SELECT x.id FROM hubspot.result x WHERE x.merged_into = f.id OFFSET 0) m
		WHERE f.merged > 0
	)
	SELECT coalesce(o.parent, o.id), o.object, f.verdict, f.category, f.message
	FROM rows f, LATERAL (SELECT x.id, x.parent, x.object, x.source, x.replay_of FROM hubspot.outbox x WHERE x.id = f.id OFFSET 0) o
	WHERE o.source = 'sync' AND NOT EXISTS (SELECT FROM hubspot.repeat p,
			LATERAL (SELECT x.verdict, x.merged_into FROM hubspot.result x WHERE x.id = p.id OFFSET 0) r
			LEFT JOIN LATERAL (SELECT x.verdict FROM hubspot.result x WHERE x.id = r.merged_into OFFSET 0) c ON true
		WHERE p.replay_of = coalesce(o.replay_of, o.id) AND p.id > o.id
			AND coalesce(c.verdict, r.verdict) IN ('delivered', 'unchanged', 'sent_unconfirmed') OFFSET 0)
$$;
COMMENT ON FUNCTION hubspot.failed_sync_report() IS 'what the view hubspot.failed_sync_rows shows';

CREATE VIEW hubspot.failed_sync_rows AS
	SELECT f.id, f.object, f.verdict, f.category, f.message FROM hubspot.failed_sync_report() f;
COMMENT ON VIEW hubspot.failed_sync_rows IS
'rows that a sync, audience or trait has queued and HubSpot does not have: rejected, expired, cancelled, dead, or merged into such a row, and not repeated with success since; within hubspot.retention.  id: the first row of the change, which hubspot.member.outbox_id names';

CREATE VIEW hubspot.repeatable AS
	SELECT o.*, t.retried_as,
		s.oid IS NOT NULL AND o.problem IS NULL AND o.message IS NOT NULL AND (o.key <> '' OR o.call <> 'delete') AS sendable,
		coalesce('events=legacy' = ANY (s.srvoptions), false) AS legacy
	FROM (SELECT x.* FROM hubspot.outbox x
		UNION ALL
		SELECT d.id, d.xid, d.created_at, d.server, d.call, d.object, d.source, d.parent, d.deadline, d.backfill, d.mode,
			d.replay_of, d.called_at, d.key_property, d.key, d.problem, d.message
		FROM hubspot.dead d WHERE NOT EXISTS (SELECT FROM hubspot.outbox x WHERE x.id = d.id)) o
	LEFT JOIN (pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper f ON f.oid = s.srvfdw AND f.fdwname = 'hubspot') ON s.oid = o.server
	LEFT JOIN hubspot.retry t ON t.id = o.id;
COMMENT ON VIEW hubspot.repeatable IS
'the outbox and hubspot.dead, with what a repeat depends on: sendable is false for bad messages, erased rows and dropped SERVERs, retried_as the row that repeats this one, legacy whether the SERVER sends legacy events, whose repeat counts twice';

/*
 * A deadline that has passed would end the new row at once: it is left out.
 * Planned anew each time, because there may be one row or a million.
 */
CREATE FUNCTION hubspot.queue_again(old_ids bigint[], new_ids bigint[], as_backfill boolean) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE '
		WITH pairs AS MATERIALIZED (
			SELECT p.old_id, p.new_id FROM unnest($1, $2) AS p(old_id, new_id)
		), written AS (
		INSERT INTO hubspot.outbox (id, server, call, object, source, parent, deadline, backfill, mode, replay_of,
			called_at, key_property, key, message)
		SELECT c.new_id, o.server, o.call, o.object, o.source, coalesce(p.new_id, o.parent),
			CASE WHEN o.deadline > clock_timestamp() THEN o.deadline END,
			CASE WHEN $3 THEN true ELSE o.backfill END, o.mode, coalesce(o.replay_of, o.id),
			coalesce(o.called_at, o.created_at), o.key_property, o.key, o.message
		FROM pairs c
		JOIN hubspot.repeatable o ON o.id = c.old_id
		LEFT JOIN pairs p ON p.old_id = o.parent
		ORDER BY c.new_id
		RETURNING replay_of, id
		) INSERT INTO hubspot.repeat (replay_of, id) SELECT w.replay_of, w.id FROM written w' USING old_ids, new_ids, as_backfill;
END
$$;
COMMENT ON FUNCTION hubspot.queue_again(bigint[], bigint[], boolean) IS
'repeats the calls of the first array under the ids of the second, which were drawn in this order; for hubspot_retry() and hubspot_replay()';

CREATE FUNCTION hubspot.retry_rows(carriers bigint[]) RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	merged bigint[];
	old_ids bigint[];
	new_ids bigint[];
BEGIN
	DELETE FROM hubspot.retry t WHERE t.id < (SELECT min(o.id) FROM hubspot.outbox o);
	SELECT array_agg(r.id) INTO merged FROM hubspot.result r
	WHERE r.merged_into = ANY (carriers) AND r.merged_into IS NOT NULL;

	WITH chosen AS MATERIALIZED (
		SELECT o.id FROM hubspot.repeatable o WHERE o.id = ANY (carriers || merged) AND o.sendable ORDER BY o.id
	), claimed AS (
		INSERT INTO hubspot.retry (id, retried_as)
		SELECT c.id, hubspot.next_outbox_id() FROM chosen c
		ON CONFLICT DO NOTHING
		RETURNING retry.id, retry.retried_as
	)
	SELECT array_agg(c.id ORDER BY c.id), array_agg(c.retried_as ORDER BY c.id) INTO old_ids, new_ids FROM claimed c;
	PERFORM hubspot.queue_again(old_ids, new_ids, false);
	DELETE FROM hubspot.dead d WHERE d.id = ANY (old_ids);
	RETURN QUERY SELECT unnest(new_ids);
END
$$;
COMMENT ON FUNCTION hubspot.retry_rows(bigint[]) IS
'queues rows again that have ended, each behind those that were merged into it; returns the ids of the new rows, none for what somebody else retries at this moment';

CREATE FUNCTION @extschema@.hubspot_retry(id bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	target hubspot.repeatable;
	carrier bigint;
	verdict hubspot.verdict;
	fate text;
BEGIN
	carrier := hubspot_retry.id;
	LOOP
		SELECT o.* INTO target FROM hubspot.repeatable o WHERE o.id = carrier;
		EXIT WHEN target.retried_as IS NULL;
		carrier := target.retried_as;
	END LOOP;
	IF target.id IS NULL THEN
		RAISE EXCEPTION 'outbox row % does not exist', carrier
			USING ERRCODE = 'no_data_found', HINT = 'Rows are kept for hubspot.retention after their verdict.';
	END IF;

	IF EXISTS (SELECT FROM hubspot.deferred d WHERE d.id = target.id) THEN
		INSERT INTO hubspot.command (cancels, last_id, ids) VALUES (false, target.id, ARRAY[target.id]);
		PERFORM hubspot.wake();
		RETURN target.id;
	END IF;
	SELECT coalesce(c.verdict, r.verdict), coalesce(c.id, r.id) INTO verdict, carrier
	FROM hubspot.result r LEFT JOIN hubspot.result c ON c.id = r.merged_into
	WHERE r.id = target.id;
	IF verdict IS NULL AND EXISTS (SELECT FROM hubspot.dead d WHERE d.id = target.id) THEN
		verdict := 'dead';
		carrier := target.id;
	END IF;
	fate := CASE WHEN verdict IS NULL THEN 'is waiting'
		WHEN verdict IN ('delivered', 'unchanged', 'sent_unconfirmed') THEN 'was sent: ' || verdict END;
	IF fate IS NOT NULL AND target.id <> hubspot_retry.id THEN
		RAISE NOTICE 'outbox row % was retried already, as row %, which %', hubspot_retry.id, target.id, fate;
		RETURN target.id;
	ELSIF verdict IS NULL THEN
		RAISE EXCEPTION 'outbox row % is waiting', target.id USING ERRCODE = 'object_not_in_prerequisite_state';
	ELSIF fate IS NOT NULL THEN
		RAISE EXCEPTION 'outbox row % %', target.id, fate
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'hubspot_replay() sends again what was sent.';
	ELSIF target.problem IS NOT NULL THEN
		RAISE EXCEPTION 'outbox row % cannot be sent', target.id
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'Its message is bad: ' || target.problem,
				HINT = 'Make a new call with a good message.';
	ELSIF NOT target.sendable THEN
		RAISE EXCEPTION 'outbox row % cannot be sent', target.id
			USING ERRCODE = 'object_not_in_prerequisite_state',
				DETAIL = CASE WHEN target.message IS NULL OR target.key = '' THEN 'Its message has been erased.'
					ELSE 'Its SERVER has been dropped.' END;
	END IF;
	PERFORM hubspot.retry_rows(ARRAY[carrier]);
	RETURN (SELECT t.retried_as FROM hubspot.retry t WHERE t.id = target.id);
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_retry(bigint) IS
'queues the call of a row again that was not sent (rejected, dead, expired, cancelled) or may not have been (unknown), together with the rows that were merged into it; returns the id of the new row, whose replay_of is this one.  It goes behind what waits for the same key, is mapped anew, and has no deadline that has passed.  A deferred row is tried at once, and its own id returned.  What was retried already is not queued twice: a NOTICE, and the id of that retry.  Errors: the row waits or was sent, has a bad message, was erased, its SERVER is gone';

/*
 * The rings are not analyzed, so that the planner takes them for small: of these two, which
 * read all of them, a nested loop must not come out.
 */
CREATE FUNCTION @extschema@.hubspot_retry(server name DEFAULT NULL, call text DEFAULT NULL, verdict text DEFAULT NULL,
	category text DEFAULT NULL, key text DEFAULT NULL, since timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL)
RETURNS SETOF bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
AS $$
#variable_conflict use_column
DECLARE
	verdicts hubspot.verdict[] := '{rejected,dead,expired,cancelled}';
	account oid := CASE WHEN hubspot_retry.server IS NOT NULL THEN hubspot.server_oid(hubspot_retry.server) END;
	chosen bigint[];
	retried bigint;
	unsendable bigint;
BEGIN
	IF hubspot_retry.verdict::hubspot.verdict = ANY (verdicts || '{unknown}') THEN
		verdicts := ARRAY[hubspot_retry.verdict::hubspot.verdict];
	ELSIF hubspot_retry.verdict IS NOT NULL THEN
		RAISE EXCEPTION 'rows with the verdict "%" are not retried', hubspot_retry.verdict
			USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'Verdicts of rows that were not sent are: rejected, dead, expired, cancelled; unknown: perhaps it was.',
				HINT = 'hubspot_replay() sends again what was sent.';
	END IF;
	SELECT array_agg(o.id) FILTER (WHERE o.sendable AND o.retried_as IS NULL AND n.last IS NULL),
		count(*) FILTER (WHERE o.retried_as IS NOT NULL OR n.last IS NOT NULL), count(*) FILTER (WHERE NOT o.sendable)
	INTO chosen, retried, unsendable
	FROM hubspot.result r
	JOIN hubspot.repeatable o ON o.id = r.id
	/* of a call that was repeated, the last time counts */
	LEFT JOIN (SELECT x.replay_of, max(x.id) AS last FROM hubspot.repeat x GROUP BY x.replay_of) n
		ON n.replay_of = coalesce(o.replay_of, o.id) AND n.last > o.id
	WHERE r.verdict = ANY (verdicts)
		/* as the index has it */
		AND r.verdict IN ('rejected', 'expired', 'cancelled', 'dead', 'unknown')
		AND (account IS NULL OR o.server = account)
		AND (hubspot_retry.call IS NULL OR o.call = hubspot_retry.call::hubspot.call)
		AND (hubspot_retry.category IS NULL OR r.category = hubspot_retry.category)
		AND (hubspot_retry.key IS NULL OR o.key IN (hubspot_retry.key, lower(btrim(hubspot_retry.key))))
		AND (hubspot_retry.since IS NULL OR r.finished_at >= hubspot_retry.since)
		AND (hubspot_retry.until IS NULL OR r.finished_at < hubspot_retry.until);
	IF retried > 0 THEN
		RAISE NOTICE '% of the rows were retried or replayed before, and are left out', retried;
	END IF;
	IF unsendable > 0 THEN
		RAISE NOTICE '% of the rows cannot be sent, and are left out: bad messages, erased ones, those of dropped SERVERs', unsendable;
	END IF;
	RETURN QUERY SELECT hubspot.retry_rows(chosen) WHERE chosen IS NOT NULL;
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_retry(name, text, text, text, text, timestamptz, timestamptz) IS
'hubspot_retry(id) for all rows that ended as rejected, dead, expired or cancelled and fit: SERVER, call, verdict (also unknown, which is not retried unless named), category, key, since <= time of the verdict < until; in the order in which they were queued.  Returns the ids of the new rows.  What cannot be sent, or was retried or replayed before, is left out, with a NOTICE';

CREATE FUNCTION @extschema@.hubspot_replay(since timestamptz, until timestamptz, server name DEFAULT NULL, call text DEFAULT NULL,
	object text DEFAULT NULL, key text DEFAULT NULL, verdict text DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
AS $$
#variable_conflict use_column
DECLARE
	account oid := CASE WHEN hubspot_replay.server IS NOT NULL THEN hubspot.server_oid(hubspot_replay.server) END;
	old_ids bigint[];
BEGIN
	IF hubspot_replay.since IS NULL OR hubspot_replay.until IS NULL THEN
		RAISE EXCEPTION 'since and until must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT array_agg(o.id ORDER BY o.id) INTO old_ids
	FROM hubspot.repeatable o
	LEFT JOIN hubspot.result r ON r.id = o.id
	LEFT JOIN hubspot.result c ON c.id = r.merged_into
	WHERE o.created_at >= hubspot_replay.since AND o.created_at < hubspot_replay.until
		AND o.sendable AND o.call <> 'refresh_schema'
		AND (account IS NULL OR o.server = account)
		AND CASE WHEN hubspot_replay.call IS NULL THEN o.call <> 'form' ELSE o.call = hubspot_replay.call::hubspot.call END
		AND (hubspot_replay.object IS NULL OR o.object = hubspot_replay.object::hubspot.object)
		AND (hubspot_replay.key IS NULL OR o.key IN (hubspot_replay.key, lower(btrim(hubspot_replay.key))))
		AND CASE WHEN hubspot_replay.verdict IS NOT NULL THEN coalesce(c.verdict, r.verdict) = hubspot_replay.verdict::hubspot.verdict
			ELSE o.object <> 'event' OR NOT o.legacy AND coalesce(r.verdict NOT IN ('sent_unconfirmed', 'unknown'), true) END
		/* of a call that was repeated, the last time counts */
		AND NOT EXISTS (SELECT FROM hubspot.outbox n
			WHERE n.replay_of = coalesce(o.replay_of, o.id) AND n.id > o.id AND n.created_at < hubspot_replay.until);
	IF old_ids IS NULL THEN
		RETURN 0;
	END IF;
	PERFORM hubspot.queue_again(old_ids, ARRAY(SELECT hubspot.next_outbox_id() FROM unnest(old_ids)), true);
	RETURN cardinality(old_ids);
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_replay(timestamptz, timestamptz, name, text, text, text, text) IS
'queues again, as a back-fill and in their order, the calls that were queued in [since, until), whatever became of them; returns the number of rows.  Restricted by SERVER, call, object, key, verdict (that of the row that a coalesced one was merged into).  Left out: bad messages, erased rows, those of dropped SERVERs; forms unless call is form, and legacy events unless a verdict is named, as a repeat counts twice.  Values that were queued after until are overwritten by older ones: let until be now where that matters';

CREATE FUNCTION @extschema@.hubspot_cancel(id bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	chosen bigint[];
BEGIN
	SELECT array_agg(b.id) INTO chosen FROM hubspot.outbox_status b
	WHERE (b.id = hubspot_cancel.id OR b.parent = hubspot_cancel.id) AND b.state IN ('waiting', 'deferred');
	IF chosen IS NULL AND NOT EXISTS (SELECT FROM hubspot.outbox_status b WHERE b.id = hubspot_cancel.id) THEN
		RAISE EXCEPTION 'outbox row % does not exist', hubspot_cancel.id USING ERRCODE = 'no_data_found',
			HINT = 'Rows are kept for hubspot.retention after their verdict; those of an open transaction are cancelled by its rollback.';
	END IF;
	INSERT INTO hubspot.command (cancels, last_id, ids)
		SELECT true, (SELECT max(c) FROM unnest(chosen) c), chosen WHERE chosen IS NOT NULL;
	PERFORM hubspot.wake();
	RETURN chosen IS NOT NULL;
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_cancel(bigint) IS
'at this transaction''s commit a row that waits or is deferred, and the rows that were queued with it, are not sent any more: they end as cancelled.  False: it is under way, or done.  One that may have reached HubSpot already is not cancelled';

CREATE FUNCTION @extschema@.hubspot_cancel(server name DEFAULT NULL, call text DEFAULT NULL, object text DEFAULT NULL,
	key text DEFAULT NULL, backfill boolean DEFAULT NULL)
RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	account oid := CASE WHEN hubspot_cancel.server IS NOT NULL THEN hubspot.server_oid(hubspot_cancel.server) END;
	normal_key text := CASE WHEN position('@' IN hubspot_cancel.key) > 0 THEN lower(btrim(hubspot_cancel.key)) ELSE hubspot_cancel.key END;
	last_id bigint := (SELECT q.last_value FROM hubspot.outbox_id_seq q WHERE q.is_called);
BEGIN
	IF last_id IS NULL THEN
		RETURN 0;
	END IF;
	INSERT INTO hubspot.command (cancels, last_id, server, call, object, key, backfill)
		VALUES (true, last_id, account, hubspot_cancel.call::hubspot.call, hubspot_cancel.object::hubspot.object, normal_key, hubspot_cancel.backfill);
	PERFORM hubspot.wake();
	RETURN (SELECT count(*) FROM hubspot.outbox_status b
		LEFT JOIN pg_foreign_server s ON s.srvname = b.server
		WHERE b.state IN ('waiting', 'deferred') AND b.id <= last_id
			AND (account IS NULL OR s.oid = account)
			AND (hubspot_cancel.call IS NULL OR b.call = hubspot_cancel.call)
			AND (hubspot_cancel.object IS NULL OR b.object = hubspot_cancel.object)
			AND (normal_key IS NULL OR b.key = normal_key)
			AND (hubspot_cancel.backfill IS NULL OR b.backfill = hubspot_cancel.backfill));
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_cancel(name, text, text, text, boolean) IS
'hubspot_cancel(id) for all rows that wait or are deferred now and fit: SERVER, call, object, key, back-fill or not; without an argument all.  Returns how many wait at this moment; those that the worker sends before the commit are not cancelled';

CREATE FUNCTION @extschema@.hubspot_drain(timeout interval DEFAULT NULL, server name DEFAULT NULL) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_drain';
COMMENT ON FUNCTION @extschema@.hubspot_drain(interval, name) IS
'waits until every row that was committed before the call has its verdict; true when that is so, false after the timeout (NULL: none).  One SERVER, or all.  An error when the calling transaction has queued rows itself.  When what is missing waits for somebody, a WARNING says so, once';

/* ------------------------------------------------------------------------
 * How syncs, audiences and traits stand
 * ------------------------------------------------------------------------ */
CREATE FUNCTION hubspot.sync_problem(sync integer) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_sync_problem';
COMMENT ON FUNCTION hubspot.sync_problem(integer) IS
'what keeps the definition of this number from working as declared, as the catalogs are now: its source, a mapped column, a trigger, the owner or his right on the SERVER is gone; NULL: nothing, or it is held';

/*
 * sync_state counts the members, so that nobody counts a million of them to see how they stand; what was restored
 * has no state yet.
 */
CREATE VIEW hubspot.syncs AS
	SELECT d.name, d.kind, coalesce((SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = d.owner_oid), d.owner) AS owner,
		d.server, d.object, d.level,
		CASE WHEN d.held IS NOT NULL OR h.reason IS NOT NULL THEN 'held'
			WHEN t.failed_at IS NOT NULL THEN 'failing'
			WHEN t.fill_started_at IS NOT NULL AND t.fill_finished_at IS NULL THEN 'filling'
			WHEN d.follows THEN 'following'
			WHEN t.refreshed_at IS NULL THEN 'new'
			WHEN d.every IS NOT NULL THEN 'scheduled'
			ELSE 'on demand' END AS state,
		coalesce(d.held, h.reason, hubspot.error_shown(t.error, t.error_code, d.owner_oid), hubspot.sync_problem(d.id), t.problem) AS problem,
		coalesce(t.members, (SELECT count(*) FROM hubspot.member m WHERE m.sync = d.id))
			- (SELECT count(*) FROM hubspot.member m WHERE m.sync = d.id AND NOT m.present) AS members,
		d.every, t.refreshed_at, t.duration, t.source_rows, t.entered, t.changed, t.exited, t.bad,
		t.failures, t.failed_at, CASE WHEN d.held IS NULL AND h.reason IS NULL THEN t.next_at END AS next_at, d.defined_at
	FROM hubspot.sync d
	LEFT JOIN hubspot.sync_state t ON t.sync = d.id
	LEFT JOIN hubspot.copy_held h ON t.fill_started_at IS NOT NULL AND t.fill_finished_at IS NULL OR NOT d.follows AND d.every IS NOT NULL;
COMMENT ON VIEW hubspot.syncs IS
'declared syncs, audiences and traits and how they stand: state is new (never refreshed), scheduled, on demand, following (a table, by triggers), filling (its back-fill is under way), failing (problem: the last error; next_at: the next try) or held (problem: why; also what the refresher would do in a database whose worker is held as a copy); counts are those of the last refresh';

/*
 * Nothing tells the planner that ids are unique in a ring of tables; LIMIT 1 does, so that the look at one member
 * is neither a join of everything nor worth compiling.
 */
CREATE VIEW hubspot.members AS
	SELECT d.name, d.kind, m.key, m.value, m.present, m.since,
		CASE WHEN m.failed IS NOT NULL THEN false
			WHEN r.id IS NOT NULL THEN coalesce(c.verdict, r.verdict) IN ('delivered', 'unchanged', 'sent_unconfirmed')
			ELSE o.id IS NULL END AS confirmed,
		CASE WHEN m.failed IS NULL THEN coalesce(c.finished_at, r.finished_at) END AS confirmed_at,
		coalesce(c.verdict, r.verdict)::text AS verdict, coalesce(m.failed, c.message, r.message) AS message, m.outbox_id
	FROM hubspot.member m
	JOIN hubspot.sync d ON d.id = m.sync
	LEFT JOIN LATERAL (SELECT x.* FROM hubspot.result x WHERE x.id = m.outbox_id LIMIT 1) r ON true
	LEFT JOIN LATERAL (SELECT x.* FROM hubspot.result x WHERE x.id = r.merged_into LIMIT 1) c ON true
	LEFT JOIN LATERAL (SELECT x.id FROM hubspot.outbox x WHERE x.id = m.outbox_id LIMIT 1) o ON true;
COMMENT ON VIEW hubspot.members IS
'who is in which audience, who has which value of a trait, since when, and whether HubSpot has confirmed it: confirmed is false while the call waits, and when it failed (verdict and message say why); present is false for those who have left and of whom HubSpot is still to hear';
/* ------------------------------------------------------------------------
 * Previews: what a declaration would do
 * ------------------------------------------------------------------------
 * The source has been read before, with the rights of who asks.  What is
 * here runs as the owner of the extension over plain values, and returns of
 * the extension's tables the account's schema alone.
 */
CREATE FUNCTION hubspot.server_option(server oid, name text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o.option_value FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o WHERE s.oid = $1 AND o.option_name = $2
$$;
COMMENT ON FUNCTION hubspot.server_option(oid, text) IS 'option of a SERVER, NULL where it has its default';

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
	CROSS JOIN LATERAL (SELECT jsonb_build_object(trait, 'someone@example.com') AS one,
		CASE WHEN hubspot.server_option($1, 'contact_id_property') IS NULL THEN 'someone@example.com' ELSE 'someone' END AS contact) v
	CROSS JOIN LATERAL hubspot.explain(
		CASE object WHEN 'company' THEN 'group' WHEN 'event' THEN 'track' ELSE 'identify' END,
		CASE WHEN object = 'event' THEN jsonb_build_object('event', event, 'userId', v.contact, 'properties', v.one)
			WHEN object = 'contact' THEN jsonb_build_object('userId', v.contact, 'traits', v.one)
			WHEN hubspot.server_option($1, 'company_id_property') IS NULL
				THEN jsonb_build_object('traits', '{"domain": "example.com"}'::jsonb || v.one)
			ELSE jsonb_build_object('groupId', 'someone', 'traits', v.one) END,
		s.srvname) x
	WHERE s.oid = $1 AND x.object = $2
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
			CASE WHEN $2 = 'enumeration' AND $3 = 'checkbox' THEN 'checkboxes'
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
			('checkboxes', 'array', 'partly', 'only its options (invalid_option)'), ('checkboxes', 'enum', 'fits', NULL),
			('checkboxes', 'text', 'partly', 'only its options, several with ";" between them (invalid_option)'),
			('checkboxes', 'bool', 'fits', NULL), ('checkboxes', '', 'no', 'left out (invalid_option)')
	), refused AS (
		SELECT string_agg(l.label, ', ' ORDER BY l.n) AS labels
		FROM kinds k, unnest(k.labels) WITH ORDINALITY AS l(label, n)
		WHERE k.target IN ('enumeration', 'checkboxes') AND jsonb_array_length($4) > 0
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
	SELECT CASE WHEN t.typtype = 'e' THEN 'enumeration' WHEN t.typname IN ('int2', 'int4', 'int8', 'numeric', 'float4', 'float8') THEN 'number'
		WHEN t.typname = 'bool' THEN 'bool' WHEN t.typname = 'date' THEN 'date'
		WHEN t.typname IN ('timestamp', 'timestamptz') THEN 'datetime' ELSE 'string' END
	FROM pg_type t WHERE t.oid = $1
$$;
COMMENT ON FUNCTION hubspot.property_type_for(oid) IS 'type of a HubSpot property for the values of a column''s type';

CREATE FUNCTION hubspot.statement_for_property(server oid, object text, property text, column_type oid) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT %I.hubspot_create_property(%L, %L, %L%s, server => %L)', hubspot.functions_schema(), object, property, hubspot.property_type_for($4),
		(SELECT ', options => ' || quote_literal(array_agg(e.enumlabel::text ORDER BY e.enumsortorder)) FROM pg_enum e WHERE e.enumtypid = $4 HAVING count(*) > 0),
		s.srvname)
	FROM pg_foreign_server s WHERE s.oid = $1
$$;
COMMENT ON FUNCTION hubspot.statement_for_property(oid, text, text, oid) IS 'the statement that creates a property for the values of a column';

/* Names of a mapping that say whose the record is, or what, and are no property. */
CREATE FUNCTION hubspot.is_reserved(object text, trait text) RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT object = 'association' OR lower(translate(trait, '_- ', '')) = ANY (CASE object
		WHEN 'contact' THEN '{userid}' WHEN 'company' THEN '{groupid}' WHEN 'event' THEN '{email,userid,timestamp}' ELSE '{}' END::text[])
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
			hubspot.server_option($1, 'company_id_property') IS NULL AS by_domain,
			hubspot.server_option($1, 'contact_id_property') IS NULL AND $4 LIKE '%@%' AS by_address
		FROM (SELECT e.key, e.value, lower(translate(e.key, '_- ', '')) AS name FROM jsonb_each($6) e) t
	)
	SELECT CASE object
		WHEN 'contact' THEN CASE WHEN key_is_trait THEN jsonb_build_object('traits', p.traits)
			WHEN p.by_address THEN jsonb_build_object('traits', p.traits || jsonb_build_object('email', $4))
			ELSE jsonb_build_object('userId', $4, 'traits', p.traits) END
		WHEN 'company' THEN CASE WHEN NOT p.by_domain THEN jsonb_build_object('groupId', $4, 'traits', p.traits)
			WHEN key_is_trait THEN jsonb_build_object('traits', p.traits)
			ELSE jsonb_build_object('traits', p.traits || jsonb_build_object('domain', $4)) END
		WHEN 'event' THEN jsonb_strip_nulls(jsonb_build_object('event', event, 'messageId', $4, 'userId', p.user_id, 'email', p.email, 'timestamp', p.at))
			|| jsonb_build_object('properties', p.traits)
		ELSE jsonb_build_object('userId', p.contact, 'groupId', p.company, 'traits', jsonb_build_object('domain', p.company)) END
	FROM parts p
$$;
COMMENT ON FUNCTION hubspot.preview_message(oid, text, text, text, boolean, jsonb) IS
'message that a row of the source becomes; key_is_trait: its key is an address or a domain among the traits';

/* A bad message is what a preview is for: its error is what would be recorded. */
CREATE FUNCTION hubspot.preview_sample(server oid, object text, call text, message jsonb, key text)
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
	RETURN QUERY
		SELECT 'sample', x.key, (SELECT string_agg(format('%s %s: %s', w->>'code', w->>'property', w->>'detail'), '; ') FROM jsonb_array_elements(x.warnings) w), x.body
		FROM hubspot.explain(call, message, account) AS x
		WHERE preview_sample.object <> 'association' OR x.object = 'association';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
	RETURN QUERY SELECT 'sample', key, concat_ws(': ', 'rejected', SQLERRM, nullif(why, '')), NULL::jsonb;
END
$$;
COMMENT ON FUNCTION hubspot.preview_sample(oid, text, text, jsonb, text) IS 'what a message would send, as a row of a preview';

CREATE FUNCTION hubspot.preview_cost(server oid, object text, records bigint)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE sql STABLE ROWS 2
SET search_path = pg_catalog, pg_temp
AS $$
	WITH families(object, lane, per_request, per_window) AS (
		VALUES ('contact', 'contacts', 100, NULL::integer), ('company', 'companies', 100, NULL), ('association', 'associations', 100, 100),
			('event', 'events', 500, 0), ('list', 'lists', 500, NULL)
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
		CASE WHEN k.known IS NULL THEN format('HubSpot has not told yet which %s there are, so names and types are not checked: call hubspot_refresh_schema()',
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
	SELECT p.type, p.field_type, p.options, p.read_only FROM hubspot.property p
	WHERE p.server = $1 AND p.object::text = $2 AND p.name = $4
	UNION ALL
	SELECT p.type, p.field_type, coalesce(p.options, '[]'), false
	FROM hubspot.event_definition d, jsonb_to_recordset(d.properties) AS p(name text, type text, field_type text, options jsonb)
	WHERE $2 = 'event' AND d.server = $1 AND d.full_name = hubspot.event_full_name($1, $3) AND p.name = $4
$$;
COMMENT ON FUNCTION hubspot.preview_known(oid, text, text, text) IS 'a property as HubSpot has it; NULL: it has none';

CREATE FUNCTION hubspot.preview_sync_columns(server oid, object text, event text, key_column text, columns jsonb)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE sql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
	WITH given AS (
		SELECT c.n, c."column", c.label, c.type, c.trait, c.property, $2 IN ('contact', 'company') AND c."column" = key_column AND c.property IS NULL AS is_key,
			hubspot.is_reserved($2, c.trait) AS reserved, k.type AS property_type,
			k.field_type, k.options, k.read_only, coalesce(hubspot.server_option($1, 'time_zone'), 'UTC') AS time_zone,
			EXISTS (SELECT FROM hubspot.schema s WHERE s.server = $1 AND s.part = $2 AND s.known)
				AND ($2 <> 'event' OR hubspot.event_full_name($1, $3) IS NOT NULL) AS schema_known
		FROM jsonb_to_recordset($5) AS c(n bigint, "column" text, label text, type oid, trait text, property text)
		LEFT JOIN LATERAL hubspot.preview_known($1, $2, $3, c.property) k ON true
	), judged AS (
		SELECT g.*, CASE WHEN g.is_key THEN 'key' WHEN g.reserved THEN 'reserved' WHEN g.property IS NULL THEN 'unmapped' WHEN NOT g.schema_known THEN 'not checked'
				WHEN g.property_type IS NULL THEN 'unknown' WHEN g.read_only THEN 'read-only' ELSE f.fit END AS fit, f.note
		FROM given g
		LEFT JOIN LATERAL hubspot.column_fit(g.type, g.property_type, g.field_type, g.options, g.time_zone) f ON g.property_type IS NOT NULL
	)
	SELECT 'column', j."column",
		concat_ws(': ', format('%s -> %s', j.label, concat_ws(' ', coalesce(j.property, j.trait), '(' || j.property_type || ')')),
			CASE j.fit WHEN 'key' THEN 'the key' WHEN 'reserved' THEN 'not a property, but what its name says' WHEN 'unmapped' THEN 'not sent, as hubspot_map() says'
				WHEN 'unknown' THEN 'left out, as HubSpot has no such property (unknown_property)' WHEN 'read-only' THEN 'left out, as only HubSpot may write it (read_only_property)'
				WHEN 'no' THEN NULL ELSE j.fit END, CASE WHEN j.fit <> 'read-only' THEN j.note END),
		jsonb_build_object('property', j.property, 'column_type', j.label, 'property_type', j.property_type, 'fit', j.fit)
	FROM judged j
	UNION ALL
	SELECT 'unknown', j."column", CASE WHEN $2 = 'event' THEN 'a definition has the properties that it was created with'
			ELSE hubspot.statement_for_property($1, $2, j.property, j.type) END, jsonb_build_object('property', j.property)
	FROM judged j WHERE j.fit = 'unknown'
$$;
COMMENT ON FUNCTION hubspot.preview_sync_columns(oid, text, text, text, jsonb) IS 'whether columns fit the properties that they become, as rows of a preview';

CREATE FUNCTION hubspot.preview_sync_creates(server oid, object text, event text, mode text, columns jsonb)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE sql STABLE ROWS 3
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'create', c.property, 'property, as the SERVER option create_properties is on', NULL::jsonb
	FROM jsonb_to_recordset($5) AS c(property text)
	WHERE coalesce(hubspot.server_option($1, 'create_properties')::boolean, false) AND $2 IN ('contact', 'company') AND c.property IS NOT NULL
		AND EXISTS (SELECT FROM hubspot.schema s WHERE s.server = $1 AND s.part = $2 AND s.known)
		AND NOT EXISTS (SELECT FROM hubspot.property p WHERE p.server = $1 AND p.object::text = $2 AND p.name = c.property)
	UNION ALL
	SELECT 'create', $3, CASE WHEN hubspot.server_option($1, 'create_events')::boolean THEN 'event definition, as the SERVER option create_events is on'
			ELSE format('HubSpot has no such event, and rows would be rejected (unknown_event): %s',
				(SELECT format('SELECT %I.hubspot_create_event(%L, %L, %L, server => %L)', hubspot.functions_schema(), lower(regexp_replace($3, '[^a-zA-Z0-9]+', '_', 'g')),
					(SELECT coalesce(jsonb_object_agg(c.property, CASE t.type WHEN 'enumeration' THEN 'string' ELSE t.type END), '{}')
						FROM jsonb_to_recordset($5) AS c(property text, type oid), LATERAL (SELECT hubspot.property_type_for(c.type)) AS t(type)
						WHERE c.property IS NOT NULL), $3, s.srvname)
				FROM pg_foreign_server s WHERE s.oid = $1)) END, NULL
	WHERE $2 = 'event' AND hubspot.event_full_name($1, $3) IS NULL
	UNION ALL
	SELECT 'create', CASE $2 WHEN 'contact' THEN 'contacts' WHEN 'company' THEN 'companies' ELSE $2 || 's' END,
		CASE WHEN $2 = 'event' THEN 'an occurrence for each row'
			WHEN $2 = 'association' THEN 'between contacts and companies that HubSpot has' || CASE WHEN hubspot.server_option($1, 'create_missing')::boolean THEN ', or that are created for it' ELSE '' END
			WHEN $4 = 'update' THEN 'none: only records that HubSpot has are written'
			ELSE 'those that HubSpot does not have; how many these are is not known before' END, NULL
$$;
COMMENT ON FUNCTION hubspot.preview_sync_creates(oid, text, text, text, jsonb) IS 'what a sync would create in HubSpot, as rows of a preview';

CREATE FUNCTION hubspot.preview_sync(server oid, source jsonb, object text, key_column text, mode text, deletes text, event text)
RETURNS TABLE (item text, name text, detail text, body jsonb)
LANGUAGE plpgsql STABLE ROWS 30
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	columns jsonb := hubspot.preview_columns(server, object, event, source->'columns');
	key_is_trait boolean := EXISTS (SELECT FROM jsonb_array_elements(source->'columns') c
		WHERE c->>'column' = key_column AND lower(translate(c->>'trait', '_- ', '')) IN ('email', 'domain', 'website'));
	rows bigint := (source->>'rows')::bigint;
BEGIN
	RETURN QUERY SELECT 'source', NULL::text, format('%s, %s; rows: %s%s', source->>'what',
			CASE WHEN (source->>'follows')::boolean THEN 'followed by triggers' ELSE 'compared at each refresh' END,
			CASE WHEN (source->>'exact')::boolean THEN '' ELSE 'about ' END, rows),
		jsonb_build_object('follows', source->'follows', 'rows', rows, 'exact', source->'exact', 'mode', mode, 'deletes', deletes);
	RETURN QUERY SELECT * FROM hubspot.preview_schema(server, object);
	RETURN QUERY SELECT 'key', key_column, CASE WHEN object = 'event' THEN 'identifies the event, so that none is sent twice'
		WHEN object = 'association' THEN 'identifies the row, which says what a contact belongs to' ELSE format('says which %s a row is', object) END, NULL::jsonb;
	RETURN QUERY SELECT * FROM hubspot.preview_sync_columns(server, object, event, key_column, columns);
	RETURN QUERY SELECT * FROM hubspot.preview_sync_creates(server, object, event, mode, columns);
	RETURN QUERY SELECT s.*
		FROM jsonb_array_elements(source->'sample') WITH ORDINALITY AS r(it, n),
			hubspot.preview_sample(server, object, CASE object WHEN 'contact' THEN 'identify' WHEN 'event' THEN 'track' ELSE 'group' END,
				hubspot.preview_message(server, object, event, r.it->>'key', key_is_trait, r.it->'traits'), r.it->>'key') s
		ORDER BY r.n;
	RETURN QUERY SELECT * FROM hubspot.preview_cost(server, object, rows);
END
$$;
COMMENT ON FUNCTION hubspot.preview_sync(oid, jsonb, text, text, text, text, text) IS 'hubspot_sync_preview() of a source that has been read; source is what src/declare/preview_source.h says';

CREATE FUNCTION @extschema@.hubspot_sync_preview(source text, object text DEFAULT 'contact', key text DEFAULT NULL, mapping jsonb DEFAULT NULL,
	mode text DEFAULT 'upsert', deletes text DEFAULT 'ignore', event text DEFAULT NULL, server name DEFAULT NULL,
	OUT item text, OUT name text, OUT detail text, OUT body jsonb)
RETURNS SETOF record
LANGUAGE c VOLATILE PARALLEL UNSAFE ROWS 30 AS 'MODULE_PATHNAME', 'hubspot_sync_preview';
COMMENT ON FUNCTION @extschema@.hubspot_sync_preview(text, text, text, jsonb, text, text, text, name) IS
'what hubspot_sync() with these arguments would do, without declaring or sending anything: source, schema (only when HubSpot has not told it), key, column (a row for each: whether its values fit the property), unknown (with the statement that creates the property), create, sample (up to 3 rows: the request, and what would be left out), requests, time.  Reads the source with the rights of the caller, who needs USAGE on the SERVER.  Rows are counted up to 10,000, beyond that estimated';

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
				lower(replace(e.event, ' ', '_')), '{"audience_key": "string", "audience_name": "string"}', e.event, s.srvname) END,
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
		CROSS JOIN LATERAL (VALUES ('property', CASE object WHEN 'company' THEN 'group' ELSE 'identify' END, m.call),
			('event', 'track', (m.call - 'traits') || jsonb_build_object('event', 'Audience Entered', 'properties',
				(m.call->'traits') - property || jsonb_build_object('audience_key', property)))) AS v(output, call, message)
		CROSS JOIN LATERAL hubspot.preview_sample(server, object, v.call, v.message, k.key) s
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

/* ------------------------------------------------------------------------
 * Health: a row per problem, with what to do about it
 * ------------------------------------------------------------------------ */
CREATE FUNCTION @extschema@.hubspot_health(OUT problem text, OUT remedy text) RETURNS SETOF record
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'the library hubspot is not preloaded: rows are queued but never sent',
		'add hubspot to shared_preload_libraries and restart the server'
	WHERE NOT ('hubspot' = ANY (regexp_split_to_array(coalesce(current_setting('shared_preload_libraries', true), ''), '[[:space:]]*,[[:space:]]*')))
UNION ALL
	SELECT 'no account is defined',
		'CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret ''crm'')'
	WHERE NOT EXISTS (SELECT FROM pg_foreign_server s JOIN pg_foreign_data_wrapper f ON f.oid = s.srvfdw
		WHERE f.fdwname = 'hubspot')
UNION ALL
	SELECT 'delivery is switched off', 'set hubspot.enabled = on and reload the configuration'
	WHERE current_setting('hubspot.enabled', true) = 'off'
UNION ALL
	SELECT 'this server is a standby: it sends nothing until it is promoted', 'look at the primary'
	WHERE pg_is_in_recovery()
UNION ALL
	SELECT format('no worker runs for this database: %s',
			coalesce((SELECT nullif(w.problem, '') FROM hubspot.worker_report() w
				WHERE w.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())),
				(SELECT 'held: ' || i.held_reason FROM hubspot.installation i WHERE i.held_at IS NOT NULL),
				'not started yet, or hubspot.databases leaves it out')),
		(SELECT x.remedy FROM hubspot.lane_states() x WHERE x.state = 'STOPPED')
	WHERE NOT pg_is_in_recovery()
		AND 'hubspot' = ANY (regexp_split_to_array(coalesce(current_setting('shared_preload_libraries', true), ''), '[[:space:]]*,[[:space:]]*'))
		AND NOT EXISTS (SELECT FROM hubspot.worker_report() w
			WHERE (w.pid <> 0 OR w.state = 'held') AND w.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
UNION ALL
	SELECT format('refreshes and back-fills wait: %s', w.refresher_problem), 'raise max_worker_processes and restart the server'
	FROM hubspot.worker_report() w
	WHERE w.refresher_problem IS NOT NULL AND w.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
UNION ALL
	SELECT format('%s "%s" of %s runs since %s, %s other definitions wait', y.kind, y.name, y.owner, date_trunc('second', w.refresher_since), o.waiting),
		'its query is ended at its timeout, or by pg_terminate_backend() of the refresher, unless it looks for no interrupts; hubspot.max_refresh_timeout bounds every timeout'
	FROM hubspot.workers w
	JOIN hubspot.syncs y ON y.name = w.refresher_runs
	CROSS JOIN LATERAL (SELECT count(*) AS waiting FROM hubspot.syncs z
		WHERE z.name <> y.name AND (z.next_at < clock_timestamp() OR z.state = 'filling' OR (z.state = 'new' AND z.every IS NOT NULL))) o
	WHERE w.refresher_since < clock_timestamp() - interval '5 seconds' AND o.waiting > 0
		AND (w.refresher_until + interval '2 seconds' < clock_timestamp()) IS NOT TRUE
UNION ALL
	SELECT format('%s "%s" of %s goes on although its process %s was told to end at %s: it does not look for interrupts, as xpath() or a foreign table may',
			y.kind, y.name, y.owner, w.refresher_pid, date_trunc('second', w.refresher_until)),
		format('all refreshes and back-fills of the database wait for it, and so does hubspot_drop_sync().  Only an immediate restart of the server ends it (pg_ctl restart -m immediate).'
			'  First REVOKE USAGE ON FOREIGN SERVER %I FROM whom its owner %I has it by, that it is not run again; afterwards SELECT hubspot_drop_sync(%L)',
			y.server, y.owner, y.name)
	FROM hubspot.workers w
	JOIN hubspot.syncs y ON y.name = w.refresher_runs
	WHERE w.refresher_until + interval '2 seconds' < clock_timestamp()
UNION ALL
	SELECT format('%s %s is not as it is needed: it does not hold that %s', y.library, y.version, y.problem),
		format('%s; install another version of it (built with: %s), restart the server, and report this', y.otherwise, y.built_with)
	FROM hubspot.libraries() y WHERE y.problem IS NOT NULL
UNION ALL
	SELECT format('the worker is held: %s; %s rows wait', w.problem,
			(SELECT coalesce(sum(s.waiting), 0) FROM hubspot.status s)),
		(SELECT x.remedy FROM hubspot.lane_states() x WHERE x.state = 'HELD')
	FROM hubspot.worker_report() w
	WHERE w.state = 'held' AND w.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
UNION ALL
	SELECT format('the worker: %s', w.problem), 'mend what the server log names; nothing is lost'
	FROM hubspot.worker_report() w
	WHERE w.state = 'running' AND w.problem <> '' AND w.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
UNION ALL
	SELECT format('account %s, lane %s: %s', s.srvname, l.lane, l.reason),
		x.remedy || CASE WHEN l.until IS NOT NULL THEN format('; it is tried again at %s%s', date_trunc('second', l.until),
			CASE WHEN 'reload' = ANY (x.left_by) THEN ', and at a reload' END) ELSE '' END
	FROM hubspot.lane_report() l
	JOIN hubspot.lane_states() x ON x.event = l.event AND x.remedy IS NOT NULL
	JOIN pg_foreign_server s ON s.oid = l.server
UNION ALL
	SELECT format('account %s: %s', s.srvname, l.reason),
		'end that transaction, if need be with pg_terminate_backend(); other erasures and deliveries go on meanwhile'
	FROM hubspot.lane_report() l
	JOIN pg_foreign_server s ON s.oid = l.server
	/* not of one that goes on: then the reason says how far it is */
	WHERE l.event = 'success' AND l.reason LIKE 'erasure of row % waits for %transaction %'
UNION ALL
	SELECT format('account %s: this server does not know the time zone "%s": its day is taken to end at midnight of UTC%s%s',
			s.srvname, a.time_zone, CASE WHEN a.utc_offset_ms < 0 THEN '-' ELSE '+' END,
			to_char(make_interval(secs => abs(a.utc_offset_ms) / 1000), 'HH24:MI')),
		'install the system''s time zone data with that name (on Debian 13 old names are in the package tzdata-legacy); no restart is needed'
	FROM hubspot.account a
	JOIN pg_foreign_server s ON s.oid = a.server
	WHERE a.time_zone <> '' AND NOT hubspot.knows_time_zone(a.time_zone)
UNION ALL
	SELECT format('%s rows were given up within the last day, most recently at %s', count(*), date_trunc('second', max(d.failed_at))),
		'hubspot.failures says why; hubspot_retry(verdict => ''dead'') sends them again, DELETE FROM hubspot.dead takes note of them'
	FROM hubspot.dead d WHERE d.failed_at > now() - interval '1 day'
	HAVING count(*) > 0
UNION ALL
	SELECT format('%s of account "%s" is paused since %s: %s', CASE p.lane WHEN '' THEN 'all' ELSE format('the lane %s', p.lane) END, s.srvname,
			date_trunc('second', p.paused_at), p.reason),
		format('find out from the server''s log why the process died; then SELECT hubspot_resume(%L%s)', s.srvname, CASE p.lane WHEN '' THEN '' ELSE format(', %L', p.lane) END)
	FROM hubspot.pause p JOIN pg_foreign_server s ON s.oid = p.server WHERE p.paused_by = 'hubspot worker'
UNION ALL
	SELECT format('the cache of the sequence hubspot.outbox_id_seq is %s: rows could be overlooked', q.seqcache),
		'ALTER SEQUENCE hubspot.outbox_id_seq CACHE 1'
	FROM pg_sequence q WHERE q.seqrelid = 'hubspot.outbox_id_seq'::regclass AND q.seqcache <> 1
UNION ALL
	SELECT format('%s "%s": %s', y.kind, y.name, y.problem),
		CASE y.state WHEN 'held' THEN
				CASE WHEN EXISTS (SELECT FROM hubspot.installation i WHERE i.held_at IS NOT NULL)
					THEN 'see the worker; what is still held when it has been let go: ' ELSE '' END || format('SELECT hubspot_resync(%L)', y.name)
			WHEN 'failing' THEN format('it is tried again at %s', date_trunc('second', y.next_at))
			ELSE format('undo what has changed, declare it anew, or give it with hubspot_alter_owner() to a role with the rights; then SELECT hubspot_resync(%L) tells HubSpot what it has missed', y.name) END
	FROM hubspot.syncs y WHERE y.problem IS NOT NULL
$$;
COMMENT ON FUNCTION @extschema@.hubspot_health() IS 'problem and remedy, a row each; empty when all is well';

/* ------------------------------------------------------------------------
 * Rights: calls are for everybody who has USAGE on the SERVER; what carries
 * customers' data is for nobody until the owner grants it.
 * ------------------------------------------------------------------------ */
/* Of the schema hubspot nobody needs anything but what is granted here. */
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA hubspot FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hubspot.server_oid(name), hubspot.lane_states(), hubspot.functions_schema(), hubspot.may_read_texts(),
	hubspot.error_shown(text, text, oid), hubspot.sync_problem(integer), hubspot.libraries() TO PUBLIC;

/* PostgreSQL calls the validator itself, and asks for no right then. */
REVOKE ALL ON FUNCTION @extschema@.hubspot_fdw_validator(text[], oid), @extschema@.hubspot_arm(),
	@extschema@.hubspot_pause(name, text, text), @extschema@.hubspot_resume(name, text), @extschema@.hubspot_health(),
	@extschema@.hubspot_explain_backlog(name), @extschema@.hubspot_forget_confirmed(name, text, text),
	@extschema@.hubspot_retry(bigint), @extschema@.hubspot_retry(name, text, text, text, text, timestamptz, timestamptz),
	@extschema@.hubspot_replay(timestamptz, timestamptz, name, text, text, text, text), @extschema@.hubspot_drain(interval, name),
	@extschema@.hubspot_cancel(bigint), @extschema@.hubspot_cancel(name, text, text, text, boolean) FROM PUBLIC;

GRANT USAGE ON SCHEMA hubspot TO pg_monitor;
GRANT EXECUTE ON FUNCTION hubspot.lane_report(), hubspot.flight_report(), hubspot.worker_report(), hubspot.fill_report(),
	hubspot.meter_report(), hubspot.knows_time_zone(text), @extschema@.hubspot_health(), @extschema@.hubspot_explain_backlog(name),
	@extschema@.hubspot_drain(interval, name) TO pg_monitor;
GRANT SELECT ON hubspot.syncs, hubspot.status, hubspot.rate_limits, hubspot.workers, hubspot.backfills, hubspot.requests, hubspot.unread,
	hubspot.last_checkpoint, hubspot.pause, hubspot.installation TO pg_monitor;
GRANT SELECT (failed_at) ON hubspot.dead TO pg_monitor;
GRANT SELECT (server, time_zone, utc_offset_ms) ON hubspot.account TO pg_monitor;
GRANT SELECT (id, parent, server, call, object, state, verdict, attempt, http_status, created, category,
	request_id, enqueued_at, finished_at, next_try_at, merged_into, source, deadline, backfill, replay_of, mode)
	ON hubspot.outbox_status, hubspot.backlog TO pg_monitor;
GRANT SELECT (id, server, call, object, verdict, category, http_status, correlation_id, finished_at, enqueued_at,
	request_id) ON hubspot.failures TO pg_monitor;

SELECT @extschema@.hubspot_arm();
