/* 30-syncs.sql
 *
 * Syncs, audiences, computed traits: what is declared, and how it stands.
 *
 * hubspot.sync, hubspot.member and hubspot.company_contact are dumped; what
 * comes back from a dump is held until hubspot_resync().
 */

CREATE SEQUENCE hubspot.sync_id_seq AS integer;
COMMENT ON SEQUENCE hubspot.sync_id_seq IS 'numbers the definitions, and what their rows are counted under';

CREATE TABLE hubspot.sync (
	id integer NOT NULL DEFAULT pg_catalog.nextval('hubspot.sync_id_seq') UNIQUE,
	name text COLLATE "C" PRIMARY KEY CHECK (name <> ''),
	kind text COLLATE "C" NOT NULL CHECK (kind IN ('sync', 'audience', 'trait')),
	owner name NOT NULL,
	server name NOT NULL,
	object text COLLATE "C" NOT NULL CHECK (hubspot.object_can_be_synced(object)),
	relation oid,
	source text NOT NULL,
	search_path text NOT NULL,
	follows boolean NOT NULL,
	key_column text,
	key_attnum smallint,
	columns jsonb,
	mode text COLLATE "C" NOT NULL DEFAULT 'upsert' CHECK (mode IN ('upsert', 'update', 'create', 'mirror')),
	deletes text COLLATE "C" NOT NULL DEFAULT 'ignore' CHECK (deletes IN ('ignore', 'clear', 'archive', 'remove')),
	event text,
	level text COLLATE "C" CHECK (level IN ('user', 'account', 'account_users')),
	outputs text[],
	property text,
	list text,
	on_missing text COLLATE "C" CHECK (on_missing IN ('clear', 'keep')),
	every interval,
	timeout interval NOT NULL,
	max_shrink real NOT NULL,
	create_in_hubspot boolean,
	held text,
	defined_at timestamptz NOT NULL,
	owner_oid oid,
	row_security boolean NOT NULL DEFAULT false,
	deadline interval,
	report integer NOT NULL DEFAULT pg_catalog.nextval('hubspot.sync_id_seq') UNIQUE
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
COMMENT ON COLUMN hubspot.sync.columns IS 'array of {property, column, attnum, type, association}: which column becomes which property, or holds keys of which object''s records; NULL: all, by their names';
COMMENT ON COLUMN hubspot.sync.mode IS 'upsert; update: only records that HubSpot has; create: only such as it has not; mirror: upsert, and archive what has left the source';
COMMENT ON COLUMN hubspot.sync.deletes IS 'what becomes of a record whose row is deleted: ignore, clear (its mapped properties), archive; of an association: ignore, remove';
COMMENT ON COLUMN hubspot.sync.event IS 'of a sync of events: their name';
COMMENT ON COLUMN hubspot.sync.level IS 'of an audience or trait: user (the query returns contacts), account (companies), account_users (companies, meaning their contacts)';
COMMENT ON COLUMN hubspot.sync.outputs IS 'of an audience: any of property, event, list; of a trait: property';
COMMENT ON COLUMN hubspot.sync.property IS 'property that holds the membership or the value';
COMMENT ON COLUMN hubspot.sync.list IS 'name of the static list in HubSpot';
COMMENT ON COLUMN hubspot.sync.on_missing IS 'of a trait, what becomes of the value of a key that the query does not return any more: clear or keep';
COMMENT ON COLUMN hubspot.sync.every IS 'how often it is refreshed; NULL: by hubspot_refresh() only';
COMMENT ON COLUMN hubspot.sync.timeout IS 'how long its query may run, as it was cut to hubspot.max_refresh_timeout when it was declared';
COMMENT ON COLUMN hubspot.sync.max_shrink IS 'share of its members, 0 to 1, that may leave in one refresh; more needs hubspot_refresh(name, confirm => true)';
COMMENT ON COLUMN hubspot.sync.create_in_hubspot IS 'true: a property, list or event definition that HubSpot lacks is created; false: to lack it is an error; NULL: it is left out until HubSpot has it';
COMMENT ON COLUMN hubspot.sync.held IS 'why nothing is done until hubspot_resync(); NULL: it is not held';
COMMENT ON COLUMN hubspot.sync.defined_at IS 'when it was declared, or last changed';
COMMENT ON COLUMN hubspot.sync.owner_oid IS 'that role, whatever it is called now; NULL: restored from a dump, hubspot_resync() looks it up by its name';
COMMENT ON COLUMN hubspot.sync.deadline IS 'how long its events, associations and memberships of lists may wait to be sent; NULL: for ever';
COMMENT ON COLUMN hubspot.sync.report IS 'number that its rows are counted under (hubspot.sync_count and others): another one when it is declared anew with other columns, so that rows from before do not count';
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
	error_code text COLLATE "C",
	fill_lacking boolean NOT NULL DEFAULT false,
	lacked_id bigint NOT NULL DEFAULT 0,
	lacked_at timestamptz,
	lacked_again_at timestamptz
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
COMMENT ON COLUMN hubspot.sync_state.fill_position IS 'where the back-fill is: number of the column that it reads by, =, value of its last row; of what was lacking the key of the last record; NULL: at the beginning';
COMMENT ON COLUMN hubspot.sync_state.fill_rows IS 'rows that the back-fill has queued';
COMMENT ON COLUMN hubspot.sync_state.fill_total IS 'rows that the table had, as estimated, when the back-fill began';
COMMENT ON COLUMN hubspot.sync_state.fill_started_at IS 'when the back-fill was asked for; NULL: none was';
COMMENT ON COLUMN hubspot.sync_state.fill_finished_at IS 'when it had read all of the table; NULL: it has not';
COMMENT ON COLUMN hubspot.sync_state.problem IS 'what keeps the definition from working as declared, in words; NULL: nothing is known';
COMMENT ON COLUMN hubspot.sync_state.ran_at IS 'when the refresher last did something for it, well or not: owners take turns by this';
COMMENT ON COLUMN hubspot.sync_state.fill_lacking IS 'true: that back-fill reads only rows that lacked a property, or an option, which HubSpot has by now';
COMMENT ON COLUMN hubspot.sync_state.lacked_id IS 'hubspot.property.changed_id up to which what was lacking is sent again';
COMMENT ON COLUMN hubspot.sync_state.lacked_at IS 'when that began last';
COMMENT ON COLUMN hubspot.sync_state.lacked_again_at IS 'when to look once more, for rows that were on their way then';
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
COMMENT ON TABLE hubspot.member IS 'what each audience, trait and compared sync has queued for which key: the state that the next refresh is compared with';
COMMENT ON COLUMN hubspot.member.sync IS 'id of the definition';
COMMENT ON COLUMN hubspot.member.present IS 'false: it has left, and the row stays until HubSpot knows';
COMMENT ON COLUMN hubspot.member.outbox_id IS 'outbox row that told HubSpot last; rows of the same change carry it as parent';
COMMENT ON COLUMN hubspot.member.since IS 'when the state was found to be so';
COMMENT ON COLUMN hubspot.member.digest IS 'hash of the value';
COMMENT ON COLUMN hubspot.member.key IS 'what the query returned as key, addresses in lower case; of account_users the contact''s key';
COMMENT ON COLUMN hubspot.member.value IS 'of a trait: its value; of an association: its contact and company';
COMMENT ON COLUMN hubspot.member.failed IS 'why HubSpot does not know, when the call was rejected; NULL: it was not';
CREATE INDEX member_left ON hubspot.member (sync) WHERE NOT present;

CREATE TABLE hubspot.company_contact (
	pair_hash bigint NOT NULL,
	outbox_id bigint NOT NULL DEFAULT 0,
	called_at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	since timestamptz DEFAULT pg_catalog.clock_timestamp(),
	until timestamptz,
	server text COLLATE "C" NOT NULL,
	company text COLLATE "C" NOT NULL,
	contact_property text COLLATE "C",
	contact text COLLATE "C" NOT NULL
);
COMMENT ON TABLE hubspot.company_contact IS 'who was put into which company, or taken out, by a call: hubspot_group(), a contact''s company, hubspot_ungroup(), a sync of associations; of the rows of a pair the newest counts, others go after a while, but for those with until: read hubspot.company_contacts';
COMMENT ON COLUMN hubspot.company_contact.pair_hash IS 'hashtext(contact) in the upper half, a hash of server, company and contact_property in the lower one: what the index is on, so that a pair is found however many contacts its company has, and all pairs of a contact stand together';
COMMENT ON COLUMN hubspot.company_contact.outbox_id IS 'outbox row of the association, or of its end; 0: restored from a dump, whose ids mean nothing here';
COMMENT ON COLUMN hubspot.company_contact.called_at IS 'when it was called for; tells restored rows apart';
COMMENT ON COLUMN hubspot.company_contact.since IS 'since when the contact has been in the company; NULL: no call has put it there by this key';
COMMENT ON COLUMN hubspot.company_contact.until IS 'when it was taken out; NULL: it was not';
COMMENT ON COLUMN hubspot.company_contact.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.company_contact.company IS 'key of the company as in the outbox: groupId or domain';
COMMENT ON COLUMN hubspot.company_contact.contact_property IS 'HubSpot property that the contact''s key is a value of; "userId": of a remembered userId; NULL: an address';
COMMENT ON COLUMN hubspot.company_contact.contact IS 'key of the contact, as in the outbox';
CREATE INDEX company_contact_pair_hash ON hubspot.company_contact (pair_hash);

/* Calls write past it; what comes by INSERT or COPY is from a dump, or by hand. */
CREATE FUNCTION hubspot.company_contact_restored() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	NEW.outbox_id := 0;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION hubspot.company_contact_restored() IS 'takes rows that come into hubspot.company_contact otherwise than by a call, as from a dump, for older than any call';
CREATE TRIGGER company_contact_restored BEFORE INSERT ON hubspot.company_contact
	FOR EACH ROW EXECUTE FUNCTION hubspot.company_contact_restored();
ALTER TABLE hubspot.company_contact ENABLE ALWAYS TRIGGER company_contact_restored;

/*
 * What became of the rows of each definition.  Only the worker writes these, in the transaction that writes the verdicts,
 * and no session may lock a row of them; so a definition that is dropped, or declared with other columns, leaves its
 * counts behind, and the worker forgets them within a minute.
 */
CREATE TABLE hubspot.sync_count (
	report integer PRIMARY KEY,
	rows bigint NOT NULL DEFAULT 0,
	recent bigint NOT NULL DEFAULT 0,
	recent_bad bigint NOT NULL DEFAULT 0,
	before bigint NOT NULL DEFAULT 0,
	before_bad bigint NOT NULL DEFAULT 0,
	troubled bigint NOT NULL DEFAULT 0,
	last_at timestamptz,
	keyless bigint NOT NULL DEFAULT 0,
	keyless_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE hubspot.sync_count IS 'rows of each definition that have ended; exact, also after a crash: read hubspot.sync_report; not dumped';
COMMENT ON COLUMN hubspot.sync_count.report IS 'hubspot.sync.report of the definition';
COMMENT ON COLUMN hubspot.sync_count.rows IS 'rows that have a verdict';
COMMENT ON COLUMN hubspot.sync_count.recent IS 'the last rows, up to 1,000 ...';
COMMENT ON COLUMN hubspot.sync_count.recent_bad IS '... and those of them that failed, or went without a column';
COMMENT ON COLUMN hubspot.sync_count.before IS 'the 1,000 rows before these ...';
COMMENT ON COLUMN hubspot.sync_count.before_bad IS '... and those of them that failed, or went without a column';
COMMENT ON COLUMN hubspot.sync_count.troubled IS 'rows that it has in hubspot.sync_trouble';
COMMENT ON COLUMN hubspot.sync_count.last_at IS 'when the last verdict was written';
COMMENT ON COLUMN hubspot.sync_count.keyless IS 'rows of a followed table that were left out, as they have no key';
COMMENT ON COLUMN hubspot.sync_count.keyless_at IS 'when the last of these was';

CREATE TABLE hubspot.sync_outcome (
	report integer NOT NULL,
	object text COLLATE "C" NOT NULL,
	verdict hubspot.verdict NOT NULL,
	category text COLLATE "C" NOT NULL,
	rows bigint NOT NULL,
	warned bigint NOT NULL,
	example_id bigint NOT NULL,
	last_at timestamptz NOT NULL,
	PRIMARY KEY (report, object, verdict, category)
) WITH (fillfactor = 50);
COMMENT ON TABLE hubspot.sync_outcome IS 'how the rows of each definition have ended; not dumped';
COMMENT ON COLUMN hubspot.sync_outcome.report IS 'hubspot.sync.report of the definition';
COMMENT ON COLUMN hubspot.sync_outcome.object IS 'what the rows write';
COMMENT ON COLUMN hubspot.sync_outcome.verdict IS 'how they ended; a coalesced row as the one that it was merged into';
COMMENT ON COLUMN hubspot.sync_outcome.category IS 'HubSpot''s category or code, or ours in lower case; empty: none';
COMMENT ON COLUMN hubspot.sync_outcome.rows IS 'how many';
COMMENT ON COLUMN hubspot.sync_outcome.warned IS 'of those that arrived, how many without one of their columns, or more';
COMMENT ON COLUMN hubspot.sync_outcome.example_id IS 'the last of them, in the outbox';
COMMENT ON COLUMN hubspot.sync_outcome.last_at IS 'when its verdict was written';

CREATE TABLE hubspot.sync_property (
	report integer NOT NULL,
	object text COLLATE "C" NOT NULL,
	property text COLLATE "C" NOT NULL,
	code text COLLATE "C" NOT NULL,
	rows bigint NOT NULL,
	delivered bigint NOT NULL,
	example_id bigint NOT NULL,
	last_at timestamptz NOT NULL,
	PRIMARY KEY (report, object, property, code)
) WITH (fillfactor = 50);
COMMENT ON TABLE hubspot.sync_property IS 'what became of the columns of each definition; not dumped';
COMMENT ON COLUMN hubspot.sync_property.report IS 'hubspot.sync.report of the definition';
COMMENT ON COLUMN hubspot.sync_property.object IS 'what the rows write';
COMMENT ON COLUMN hubspot.sync_property.property IS 'name that the definition gives it; of a warning HubSpot''s name';
COMMENT ON COLUMN hubspot.sync_property.code IS 'empty: rows that have a value of it; else rows with this warning of it, see the codes of warnings';
COMMENT ON COLUMN hubspot.sync_property.rows IS 'how many have ended';
COMMENT ON COLUMN hubspot.sync_property.delivered IS 'how many of those with a value have brought it to HubSpot';
COMMENT ON COLUMN hubspot.sync_property.example_id IS 'the last of them, in the outbox';
COMMENT ON COLUMN hubspot.sync_property.last_at IS 'when its verdict was written';

CREATE TABLE hubspot.sync_trouble (
	report integer NOT NULL,
	object text COLLATE "C" NOT NULL,
	key text COLLATE "C" NOT NULL,
	outbox_id bigint NOT NULL,
	change_id bigint NOT NULL,
	category text COLLATE "C",
	left_out text[] NOT NULL,
	lacks text[] NOT NULL,
	at timestamptz NOT NULL,
	rows bigint NOT NULL,
	PRIMARY KEY (report, object, key)
);
COMMENT ON TABLE hubspot.sync_trouble IS
'records of which HubSpot has not all: the last row of a definition for this record failed, or went without some of its columns; a row for each, which goes when a later one of the record arrives whole, with the definition, when the contact is erased, and of events after hubspot.retention; not dumped';
COMMENT ON COLUMN hubspot.sync_trouble.report IS 'hubspot.sync.report of the definition';
COMMENT ON COLUMN hubspot.sync_trouble.object IS 'what that row wrote, or was to write';
COMMENT ON COLUMN hubspot.sync_trouble.key IS 'key of the record, as in the outbox, of a userId the address that it means; of an association the contact''s, a space and the company''s';
COMMENT ON COLUMN hubspot.sync_trouble.outbox_id IS 'that row';
COMMENT ON COLUMN hubspot.sync_trouble.change_id IS 'first outbox row of the change, which hubspot.member.outbox_id names';
COMMENT ON COLUMN hubspot.sync_trouble.category IS 'of a row that failed: HubSpot''s category or code, or ours in lower case; NULL: it arrived';
COMMENT ON COLUMN hubspot.sync_trouble.left_out IS 'properties that were left out, by HubSpot''s names';
COMMENT ON COLUMN hubspot.sync_trouble.lacks IS 'those of them that HubSpot lacks, or lacks the option, owner or stage of (unknown_property, invalid_option, unknown_owner, unknown_pipeline, unknown_stage): when it has them, the record is to be sent again';
COMMENT ON COLUMN hubspot.sync_trouble.at IS 'when the verdict was written';
COMMENT ON COLUMN hubspot.sync_trouble.rows IS 'how many rows it stands for: one, but of the empty key all that failed without a key';
CREATE INDEX sync_trouble_change_id ON hubspot.sync_trouble (change_id);
/* What no later row of its record makes good: the worker looks for it each minute. */
CREATE INDEX sync_trouble_tidied ON hubspot.sync_trouble (report, at) WHERE key = '' OR object = 'event';

/* Sessions write here, and only when they have left something out. */
CREATE TABLE hubspot.sync_keyless (
	report integer NOT NULL,
	rows bigint NOT NULL,
	at timestamptz NOT NULL
);
COMMENT ON TABLE hubspot.sync_keyless IS 'rows of followed tables that were left out by a statement, as they have no key; the worker adds them to hubspot.sync_count; not dumped';
COMMENT ON COLUMN hubspot.sync_keyless.report IS 'hubspot.sync.report of the definition';
COMMENT ON COLUMN hubspot.sync_keyless.rows IS 'how many rows';
COMMENT ON COLUMN hubspot.sync_keyless.at IS 'when';

SELECT pg_catalog.pg_extension_config_dump('hubspot.sync_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('hubspot.sync', '');
SELECT pg_catalog.pg_extension_config_dump('hubspot.member', '');
SELECT pg_catalog.pg_extension_config_dump('hubspot.company_contact', '');
