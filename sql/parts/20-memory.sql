/* 20-memory.sql
 *
 * What the worker must know after a restart: how far it is, which rows it has
 * put off or given up, what it was asked to do, which key is which record.
 */

CREATE TABLE hubspot.checkpoint (
	id bigint NOT NULL,
	at timestamptz NOT NULL,
	last_id bigint NOT NULL,
	snapshot pg_snapshot NOT NULL,
	next_xid xid8 NOT NULL
) PARTITION BY LIST (((id / 1000::bigint) % 2::bigint));
COMMENT ON TABLE hubspot.checkpoint IS
'how far the worker is, INSERT only, at most one row a second; the last one counts, the older half is truncated in turn';
COMMENT ON COLUMN hubspot.checkpoint.id IS 'number of the checkpoint';
COMMENT ON COLUMN hubspot.checkpoint.at IS 'when it was written';
COMMENT ON COLUMN hubspot.checkpoint.last_id IS 'last id handed out before the snapshot was taken';
COMMENT ON COLUMN hubspot.checkpoint.snapshot IS 'every outbox row visible in this snapshot has a verdict';
COMMENT ON COLUMN hubspot.checkpoint.next_xid IS 'next transaction id to be assigned before the snapshot was taken';
CREATE TABLE hubspot.checkpoint_0 PARTITION OF hubspot.checkpoint FOR VALUES IN (0);
CREATE TABLE hubspot.checkpoint_1 PARTITION OF hubspot.checkpoint FOR VALUES IN (1);
CREATE UNIQUE INDEX checkpoint_0_id ON hubspot.checkpoint_0 (id);
CREATE UNIQUE INDEX checkpoint_1_id ON hubspot.checkpoint_1 (id);

INSERT INTO hubspot.checkpoint
	VALUES (1, pg_catalog.clock_timestamp(), 0, pg_catalog.pg_current_snapshot(),
		pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot()));

/*
 * Rows whose own fault may pass, and those that were given up: the first
 * columns are the outbox's, in its order (src/wait/defer.c relies on that), so that
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
CREATE UNIQUE INDEX deferred_id ON hubspot.deferred (id);

/* Seldom more than a few rows, so no index but the one that keeps an id from standing twice. */
CREATE TABLE hubspot.begun (
	id bigint PRIMARY KEY,
	begun_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp()
);
COMMENT ON TABLE hubspot.begun IS
'rows whose repeat would be a second one (forms, legacy events), from before they are sent until they have a verdict: what a worker finds here at its start ends as unknown, and is not sent again; not dumped';
COMMENT ON COLUMN hubspot.begun.id IS 'row of the outbox';
COMMENT ON COLUMN hubspot.begun.begun_at IS 'when it was about to be sent';

CREATE TABLE hubspot.dead (
	LIKE hubspot.outbox INCLUDING COMMENTS,
	attempt integer NOT NULL,
	http_status smallint,
	category text COLLATE "C",
	last_error text,
	request_id bigint,
	failed_at timestamptz NOT NULL
);
COMMENT ON TABLE hubspot.dead IS
'rows that were given up after max_attempts faults of their own, with a copy of the call that outlives the outbox''s retention; hubspot_retry() queues them again, DELETE forgets them';
COMMENT ON COLUMN hubspot.dead.attempt IS 'how often it failed';
COMMENT ON COLUMN hubspot.dead.http_status IS 'HTTP status of the last answer, NULL when none came';
COMMENT ON COLUMN hubspot.dead.category IS 'HubSpot''s category or code, or ours in lower case';
COMMENT ON COLUMN hubspot.dead.last_error IS 'reason in words';
COMMENT ON COLUMN hubspot.dead.request_id IS 'the HTTP request that failed last';
COMMENT ON COLUMN hubspot.dead.failed_at IS 'when it did';
CREATE UNIQUE INDEX dead_id ON hubspot.dead (id);

CREATE TABLE hubspot.command (
	id bigint GENERATED ALWAYS AS IDENTITY,
	cancels boolean NOT NULL,
	last_id bigint NOT NULL,
	ids bigint[],
	server oid,
	call hubspot.call,
	object text COLLATE "C",
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
	object text COLLATE "C" NOT NULL,
	record_id text COLLATE "C" NOT NULL,
	key_property text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	told_by bigint
);
COMMENT ON TABLE hubspot.record IS 'which key is which record in HubSpot, as HubSpot''s answers said';
COMMENT ON COLUMN hubspot.record.key_hash IS 'hashtextextended(key, 0): what the index is on, because keys are long and come in no order';
COMMENT ON COLUMN hubspot.record.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.record.object IS 'type of the record';
COMMENT ON COLUMN hubspot.record.record_id IS 'HubSpot''s record id; of a userId the address that it was seen with';
COMMENT ON COLUMN hubspot.record.key_property IS 'HubSpot property that the key is a value of: "email" for addresses, "domain" for companies without a key of their own, "hs_additional_domains" for further domains by which companies with one were found, "userId" for userIds seen with an address';
COMMENT ON COLUMN hubspot.record.key IS 'the key, as in the outbox';
COMMENT ON COLUMN hubspot.record.told_by IS 'of a userId: the row of the outbox that told the address, which counts for rows behind it; a userId that has meant several contacts has a row for each, and one where the same was told again while rows between could still come, the last 16 of them, and what rows that wait may need; -1, then -2 when its SERVER has been found: from a dump';
CREATE INDEX record_key_hash ON hubspot.record (key_hash);

/*
 * HubSpot cannot be asked what a userId means, so that a dump has it, of each the address that was told last.  The
 * worker writes past this trigger; what comes by COPY is from a dump, older than any row of this outbox, and of a
 * SERVER whose oid means nothing here until hubspot.note_servers() finds it by its name.
 */
CREATE FUNCTION hubspot.record_restored() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	NEW.told_by := -1;
	-- not every machine hashes alike
	NEW.key_hash := hashtextextended(NEW.key, 0);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION hubspot.record_restored() IS 'takes what a dump says of a userId for older than any call';
CREATE TRIGGER record_restored BEFORE INSERT ON hubspot.record
	FOR EACH ROW WHEN (NEW.told_by IS NOT NULL) EXECUTE FUNCTION hubspot.record_restored();
ALTER TABLE hubspot.record ENABLE ALWAYS TRIGGER record_restored;

SELECT pg_catalog.pg_extension_config_dump('hubspot.record', 'WHERE told_by IS NOT NULL AND NOT EXISTS ('
	'SELECT FROM hubspot.record younger WHERE younger.key_hash = record.key_hash AND younger.key = record.key'
	' AND younger.server = record.server AND younger.told_by > record.told_by)');

/* One row per record; changed in place where the page has room. */
CREATE TABLE hubspot.confirmed (
	confirmed_at timestamptz NOT NULL,
	server oid NOT NULL,
	object text COLLATE "C" NOT NULL,
	record_id text COLLATE "C" NOT NULL,
	properties bytea NOT NULL
) WITH (fillfactor = 80);
COMMENT ON TABLE hubspot.confirmed IS
'which values HubSpot has confirmed of which record, as hashes; written by the worker alone, for accounts with the SERVER option skip_unchanged. To have something forgotten call hubspot_forget_confirmed()';
COMMENT ON COLUMN hubspot.confirmed.confirmed_at IS 'when HubSpot last took a value of the record';
COMMENT ON COLUMN hubspot.confirmed.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.confirmed.object IS 'type of the record';
COMMENT ON COLUMN hubspot.confirmed.record_id IS 'HubSpot''s record id, as in hubspot.record';
COMMENT ON COLUMN hubspot.confirmed.properties IS
'16 bytes for each property, at most 100 of them: hash of its name, seconds since 2000-01-01 when its value was confirmed, hash of name and value';
CREATE INDEX confirmed_record ON hubspot.confirmed (server, record_id);

CREATE TABLE hubspot.forgotten (
	id bigint GENERATED ALWAYS AS IDENTITY,
	server oid,
	object text COLLATE "C",
	key text COLLATE "C"
);
COMMENT ON TABLE hubspot.forgotten IS 'what hubspot_forget_confirmed() has asked for and the worker has not done yet';
COMMENT ON SEQUENCE hubspot.forgotten_id_seq IS 'numbers the orders';
COMMENT ON COLUMN hubspot.forgotten.id IS 'number of the order';
COMMENT ON COLUMN hubspot.forgotten.server IS 'oid of the SERVER; NULL: all';
COMMENT ON COLUMN hubspot.forgotten.object IS 'type of the records; NULL: all';
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
