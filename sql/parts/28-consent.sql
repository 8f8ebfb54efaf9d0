/* 28-consent.sql
 *
 * Whom nothing is sent about.  The table is the user's own; the worker asks it
 * when it builds a request.
 */

CREATE TABLE hubspot.suppressed (
	address text COLLATE "C",
	user_id text COLLATE "C",
	server name,
	subscription text COLLATE "C",
	objects text[] COLLATE "C",
	since timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
	reason text,
	CONSTRAINT suppressed_names_somebody CHECK (address IS NOT NULL OR user_id IS NOT NULL),
	CONSTRAINT suppressed_subscription_alone CHECK (subscription IS NULL OR objects IS NULL)
);
COMMENT ON TABLE hubspot.suppressed IS
'contacts about whom nothing is sent from the commit on, written by you: a row that waits ends as cancelled, category suppressed, when the worker would have put it into a request.  What takes away is sent all the same: deletions, opt-outs, leaving a list or a company, and ends of associations.  Dumped';
COMMENT ON COLUMN hubspot.suppressed.address IS 'e-mail address, kept in lower case; of an erased contact a keyed hash of it, sha256:...';
COMMENT ON COLUMN hubspot.suppressed.user_id IS 'userId, or whatever the account''s contact_id_property holds: for calls that name the contact by that alone';
COMMENT ON COLUMN hubspot.suppressed.server IS 'name of the SERVER; NULL: all of this database.  A name that no SERVER has counts for all';
COMMENT ON COLUMN hubspot.suppressed.subscription IS 'only this type of subscription, by name or id: nobody is subscribed to it; everything else is sent.  NULL: not restricted';
COMMENT ON COLUMN hubspot.suppressed.objects IS 'only calls about these objects (contact, association, pair, event, form, list, consent); NULL: all';
COMMENT ON COLUMN hubspot.suppressed.since IS 'since when, for people';
COMMENT ON COLUMN hubspot.suppressed.reason IS 'why, for people: verdicts quote it';

/* Several rows of a contact count together; objects are a part of the key, so that a narrow row keeps no wide one out. */
CREATE UNIQUE INDEX suppressed_address ON hubspot.suppressed (address, user_id, server, subscription, objects) NULLS NOT DISTINCT;
CREATE INDEX suppressed_user_id ON hubspot.suppressed (user_id) WHERE user_id IS NOT NULL;

/* Made with the first erasure of a contact that is in the table, so that a dump and its restore have one key. */
CREATE TABLE hubspot.suppressed_key (
	key bytea NOT NULL
);
COMMENT ON TABLE hubspot.suppressed_key IS 'what the hashes of erased contacts in hubspot.suppressed are made with; empty before the first; dumped';
COMMENT ON COLUMN hubspot.suppressed_key.key IS 'random';

CREATE FUNCTION hubspot.suppressed_check() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'hubspot_suppressed_check';
COMMENT ON FUNCTION hubspot.suppressed_check() IS 'brings addresses in hubspot.suppressed into the form that keys have, and refuses what is none';
CREATE TRIGGER suppressed_check BEFORE INSERT OR UPDATE ON hubspot.suppressed
	FOR EACH ROW EXECUTE FUNCTION hubspot.suppressed_check();
ALTER TABLE hubspot.suppressed ENABLE ALWAYS TRIGGER suppressed_check;

CREATE FUNCTION hubspot.suppressed_changed() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'hubspot_suppressed_changed';
COMMENT ON FUNCTION hubspot.suppressed_changed() IS 'has the worker look at hubspot.suppressed before it builds a request after the commit';
CREATE TRIGGER suppressed_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hubspot.suppressed
	FOR EACH STATEMENT EXECUTE FUNCTION hubspot.suppressed_changed();
ALTER TABLE hubspot.suppressed ENABLE ALWAYS TRIGGER suppressed_changed;

CREATE TABLE hubspot.subscription_type (
	server oid NOT NULL,
	subscription_id text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	purpose text NOT NULL,
	channel text NOT NULL,
	is_active boolean NOT NULL,
	is_internal boolean NOT NULL,
	business_unit text COLLATE "C" NOT NULL,
	PRIMARY KEY (server, subscription_id)
);
COMMENT ON TABLE hubspot.subscription_type IS 'types of subscriptions of each account as HubSpot told them, when somebody names one';
COMMENT ON COLUMN hubspot.subscription_type.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.subscription_type.subscription_id IS 'HubSpot''s id of the type';
COMMENT ON COLUMN hubspot.subscription_type.name IS 'name that HubSpot''s users see';
COMMENT ON COLUMN hubspot.subscription_type.purpose IS 'what HubSpot says it is for';
COMMENT ON COLUMN hubspot.subscription_type.channel IS 'how it is communicated, such as Email';
COMMENT ON COLUMN hubspot.subscription_type.is_active IS 'whether it is in use';
COMMENT ON COLUMN hubspot.subscription_type.is_internal IS 'whether contacts do not see it';
COMMENT ON COLUMN hubspot.subscription_type.business_unit IS 'id of the business unit that it is of; empty: not told';

SELECT pg_catalog.pg_extension_config_dump('hubspot.suppressed', '');
SELECT pg_catalog.pg_extension_config_dump('hubspot.suppressed_key', '');
