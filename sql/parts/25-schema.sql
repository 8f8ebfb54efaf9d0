/* 25-schema.sql
 *
 * What HubSpot has told of its properties and events, and what the user says
 * about names.
 */

CREATE TABLE hubspot.schema (
	server oid NOT NULL,
	part text COLLATE "C" NOT NULL,
	refreshed_at timestamptz NOT NULL,
	known boolean NOT NULL,
	PRIMARY KEY (server, part)
);
COMMENT ON TABLE hubspot.schema IS 'when the parts of each account''s schema were last read from HubSpot';
COMMENT ON COLUMN hubspot.schema.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.schema.part IS 'event, or a type of records';
COMMENT ON COLUMN hubspot.schema.refreshed_at IS 'when HubSpot last answered';
COMMENT ON COLUMN hubspot.schema.known IS 'false when the token may not read this part: names are then sent as they are';

CREATE TABLE hubspot.property (
	server oid NOT NULL,
	object text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	type text COLLATE "C" NOT NULL,
	field_type text COLLATE "C" NOT NULL,
	label text NOT NULL,
	is_unique boolean NOT NULL,
	read_only boolean NOT NULL,
	options jsonb NOT NULL,
	is_external boolean NOT NULL DEFAULT false,
	refers_to text COLLATE "C" NOT NULL DEFAULT '',
	changed_id bigint NOT NULL DEFAULT 0,
	group_name text NOT NULL DEFAULT '',
	PRIMARY KEY (server, object, name)
);
COMMENT ON TABLE hubspot.property IS 'properties of records as HubSpot told them, of the types that are in use, refreshed every hour and by hubspot_refresh_schema()';
COMMENT ON COLUMN hubspot.property.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.property.object IS 'type of the records';
COMMENT ON COLUMN hubspot.property.name IS 'internal name';
COMMENT ON COLUMN hubspot.property.type IS 'string, number, bool, enumeration, date, datetime, ...';
COMMENT ON COLUMN hubspot.property.field_type IS 'form of entry in HubSpot; "checkbox" takes several options';
COMMENT ON COLUMN hubspot.property.label IS 'name that HubSpot''s users see';
COMMENT ON COLUMN hubspot.property.is_unique IS 'whether no two records may have the same value';
COMMENT ON COLUMN hubspot.property.read_only IS 'calculated, or set by HubSpot alone';
COMMENT ON COLUMN hubspot.property.options IS 'array of {value, label}';
COMMENT ON COLUMN hubspot.property.group_name IS 'HubSpot''s group that it stands in';
COMMENT ON COLUMN hubspot.property.is_external IS 'whether HubSpot has a list of its values elsewhere: owners, pipelines and their stages; values that are no option are sent';
COMMENT ON COLUMN hubspot.property.refers_to IS 'object that its values are ids of, in HubSpot''s words: OWNER; empty: none';
COMMENT ON COLUMN hubspot.property.changed_id IS 'last outbox id when HubSpot first told it, or told another type, or other options, owners or stages: rows up to it may have gone without it';

CREATE TABLE hubspot.event_definition (
	server oid NOT NULL,
	name text COLLATE "C" NOT NULL,
	full_name text COLLATE "C" NOT NULL,
	label text NOT NULL,
	properties jsonb NOT NULL,
	type_id text COLLATE "C" NOT NULL DEFAULT '',
	match_property text COLLATE "C" NOT NULL DEFAULT '',
	PRIMARY KEY (server, full_name)
);
COMMENT ON TABLE hubspot.event_definition IS 'custom behavioural events as HubSpot told them';
COMMENT ON COLUMN hubspot.event_definition.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.event_definition.name IS 'internal name';
COMMENT ON COLUMN hubspot.event_definition.full_name IS 'fully qualified name, pe{hub id}_{name}';
COMMENT ON COLUMN hubspot.event_definition.label IS 'name that HubSpot''s users see';
COMMENT ON COLUMN hubspot.event_definition.properties IS 'array of properties, with the fields of hubspot.property';
COMMENT ON COLUMN hubspot.event_definition.type_id IS 'type id of the object whose events these are; empty: HubSpot does not say';
COMMENT ON COLUMN hubspot.event_definition.match_property IS 'property of the event whose value finds the record; empty: events name it by its record id, contacts by their address';

CREATE TABLE hubspot.mapping (
	server name NOT NULL,
	object text COLLATE "C" NOT NULL CHECK (hubspot.object_has_schema(object)),
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
	parent text COLLATE "C" NOT NULL DEFAULT '',
	name text COLLATE "C" NOT NULL,
	type text COLLATE "C" NOT NULL,
	label text NOT NULL DEFAULT '',
	times bigint NOT NULL,
	last_id bigint NOT NULL,
	last_at timestamptz NOT NULL,
	refusal text,
	refused_at timestamptz,
	PRIMARY KEY (server, object, parent, name)
);
COMMENT ON TABLE hubspot.unknown_property IS 'names that were dropped because HubSpot does not have them, counted by the worker, written at most every 5 seconds';
COMMENT ON COLUMN hubspot.unknown_property.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.unknown_property.object IS 'contact, company, event or list';
COMMENT ON COLUMN hubspot.unknown_property.parent IS 'of an event, or a property of one: the event''s internal name; of a list: the object of its members; else empty';
COMMENT ON COLUMN hubspot.unknown_property.name IS 'property as it would be created, or list; empty: the event itself';
COMMENT ON COLUMN hubspot.unknown_property.type IS 'type that fits the last value, of a property of an event all so far; empty: it is no property';
COMMENT ON COLUMN hubspot.unknown_property.label IS 'of an event: its name as the calls say it';
COMMENT ON COLUMN hubspot.unknown_property.times IS 'how often it was dropped, or rejected';
COMMENT ON COLUMN hubspot.unknown_property.last_id IS 'outbox row that had it last';
COMMENT ON COLUMN hubspot.unknown_property.last_at IS 'when';
COMMENT ON COLUMN hubspot.unknown_property.refusal IS 'why HubSpot refused to create it when the worker was to (create_events), in its words; NULL: it did not';
COMMENT ON COLUMN hubspot.unknown_property.refused_at IS 'when a call last went without it for that';

CREATE TABLE hubspot.required_property (
	server oid NOT NULL,
	object text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	times bigint NOT NULL,
	last_id bigint NOT NULL,
	last_at timestamptz NOT NULL,
	PRIMARY KEY (server, object, name)
);
COMMENT ON TABLE hubspot.required_property IS 'properties that HubSpot demands of new records, as its refusals have named them, counted by the worker, written at most every 5 seconds';
COMMENT ON COLUMN hubspot.required_property.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.required_property.object IS 'type of the records';
COMMENT ON COLUMN hubspot.required_property.name IS 'internal name';
COMMENT ON COLUMN hubspot.required_property.times IS 'how many records were refused for want of it';
COMMENT ON COLUMN hubspot.required_property.last_id IS 'outbox row that lacked it last';
COMMENT ON COLUMN hubspot.required_property.last_at IS 'when';

SELECT pg_catalog.pg_extension_config_dump('hubspot.mapping', '');

CREATE FUNCTION hubspot.mapping_changed() RETURNS trigger
LANGUAGE c VOLATILE AS 'MODULE_PATHNAME', 'hubspot_mapping_changed';
COMMENT ON FUNCTION hubspot.mapping_changed() IS 'tells the worker at commit that the table hubspot.mapping has changed';
CREATE TRIGGER mapping_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON hubspot.mapping
	FOR EACH STATEMENT EXECUTE FUNCTION hubspot.mapping_changed();
ALTER TABLE hubspot.mapping ENABLE ALWAYS TRIGGER mapping_changed;
