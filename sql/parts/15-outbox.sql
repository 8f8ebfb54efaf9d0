/* 15-outbox.sql
 *
 * The three rings that every call goes through: outbox, result and request.
 * Rows are inserted, never updated or deleted.
 *
 * The rings are partitioned by generation: an id is "generation *
 * 1,000,000,000 + number", its child is the generation modulo 8.  A generation
 * is given back by TRUNCATE as a whole.  src/ring/ring.h holds the same two
 * numbers.
 */

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
	source hubspot.source NOT NULL,
	report integer,
	parent bigint,
	deadline timestamptz,
	backfill boolean,
	mode "char" CHECK (mode IN ('u', 'c')),
	replay_of bigint,
	called_at timestamptz,
	object text COLLATE "C" NOT NULL,
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
COMMENT ON COLUMN hubspot.outbox.source IS 'function, trigger or sync';
COMMENT ON COLUMN hubspot.outbox.report IS 'of a definition''s row: number that its verdict is counted under, see hubspot.sync.report; NULL: of no definition';
COMMENT ON COLUMN hubspot.outbox.parent IS 'row that this one was queued with, when one call makes several';
COMMENT ON COLUMN hubspot.outbox.deadline IS 'not sent after this time';
COMMENT ON COLUMN hubspot.outbox.backfill IS 'true: a bulk of old data, which makes way for live calls; NULL: live';
COMMENT ON COLUMN hubspot.outbox.mode IS 'u: only updates a record that HubSpot has; c: only creates one that it has not; NULL: either';
COMMENT ON COLUMN hubspot.outbox.replay_of IS 'row whose call this one repeats, the first of them when it was repeated before; NULL: none';
COMMENT ON COLUMN hubspot.outbox.called_at IS 'of a row that repeats a call: when that was made; NULL: created_at';
COMMENT ON COLUMN hubspot.outbox.object IS 'what the row writes in HubSpot, a word of hubspot.object_types()';
COMMENT ON COLUMN hubspot.outbox.key_property IS 'HubSpot property that the key is a value of; NULL: the e-mail address.  Of an event of another object than a contact: that object and the member that names the record, as in company.id';
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
		/*
		 * Rows lie in the order of time: a summary of each range of pages costs two bytes a row
		 * and less, where a b-tree would cost seventy; the worker makes them (ring_summary.c).
		 * A filter of keys says in which ranges a key may be.  The id is there for the planner,
		 * which takes the order of the rows for that of the index's columns, and would not
		 * believe that a key is in few ranges.
		 */
		EXECUTE pg_catalog.format('CREATE INDEX outbox_%s_key ON hubspot.outbox_%s
			USING brin (key text_bloom_ops (false_positive_rate = 0.001), id) WITH (pages_per_range = 32)', child, child);
		EXECUTE pg_catalog.format('CREATE TABLE hubspot.result_%s PARTITION OF hubspot.result FOR VALUES IN (%s)
			WITH (autovacuum_vacuum_insert_threshold = -1)', child, child);
		EXECUTE pg_catalog.format('CREATE INDEX result_%s_id ON hubspot.result_%s (id)', child, child);
		/* Next to nothing for what goes well. */
		EXECUTE pg_catalog.format('CREATE INDEX result_%s_failed ON hubspot.result_%s (id)
			WHERE verdict = ANY (%L::hubspot.verdict[])', child, child, hubspot.verdicts_with('retryable'));
		EXECUTE pg_catalog.format('CREATE INDEX result_%s_finished_at ON hubspot.result_%s
			USING brin (finished_at) WITH (pages_per_range = 8)', child, child);
		/* Also a row that was merged into another one and has its reason: that one may have failed. */
		EXECUTE pg_catalog.format('CREATE INDEX result_%s_failed_at ON hubspot.result_%s (finished_at)
			WHERE verdict = ANY (%L::hubspot.verdict[]) OR merged_into IS NOT NULL AND (category IS NOT NULL OR message IS NOT NULL)',
			child, child, hubspot.verdicts_with('retryable'));
		EXECUTE pg_catalog.format('CREATE INDEX result_%s_merged ON hubspot.result_%s (merged_into) WHERE merged_into IS NOT NULL', child, child);
		EXECUTE pg_catalog.format('CREATE TABLE hubspot.request_%s PARTITION OF hubspot.request FOR VALUES IN (%s)
			WITH (autovacuum_vacuum_insert_threshold = -1)', child, child);
		EXECUTE pg_catalog.format('CREATE UNIQUE INDEX request_%s_id ON hubspot.request_%s (id)', child, child);
		EXECUTE pg_catalog.format('CREATE INDEX request_%s_started_at ON hubspot.request_%s
			USING brin (started_at) WITH (pages_per_range = 8)', child, child);
		/* PostgreSQL gives the first range an entry, which each row in it would write anew: a filter of
		 * keys costs as much as two calls.  So does ring_truncate(). */
		PERFORM pg_catalog.brin_desummarize_range(pg_catalog.format(name, child)::pg_catalog.regclass, 0)
			FROM pg_catalog.unnest(ARRAY['hubspot.outbox_%s_key', 'hubspot.result_%s_finished_at', 'hubspot.request_%s_started_at']) AS name;
	END LOOP;
END
$$;
