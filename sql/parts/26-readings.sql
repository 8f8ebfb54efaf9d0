/* 26-readings.sql
 *
 * What else HubSpot has told, because somebody needed it.
 */

CREATE TABLE hubspot.reading (
	server oid NOT NULL,
	reading text COLLATE "C" NOT NULL,
	subject text COLLATE "C" NOT NULL,
	read_at timestamptz NOT NULL,
	known boolean NOT NULL,
	http_status integer,
	category text COLLATE "C",
	scopes text,
	message text,
	PRIMARY KEY (server, reading, subject)
);
COMMENT ON TABLE hubspot.reading IS 'what else was read from HubSpot because somebody needed it, and when: see hubspot.readings()';
COMMENT ON COLUMN hubspot.reading.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.reading.reading IS 'word of what was read';
COMMENT ON COLUMN hubspot.reading.subject IS 'what it is about, as an object; empty: the account';
COMMENT ON COLUMN hubspot.reading.read_at IS 'when HubSpot last answered';
COMMENT ON COLUMN hubspot.reading.known IS 'false when HubSpot refuses to tell it: what it said before stays';
COMMENT ON COLUMN hubspot.reading.http_status IS 'of the refusal; NULL: none';
COMMENT ON COLUMN hubspot.reading.category IS 'HubSpot''s word for the refusal';
COMMENT ON COLUMN hubspot.reading.scopes IS 'which scopes HubSpot asks for';
COMMENT ON COLUMN hubspot.reading.message IS 'the refusal in HubSpot''s words';

CREATE FUNCTION hubspot.readings(OUT reading text, OUT reads text, OUT max_age interval, OUT scopes text, OUT remedy text) RETURNS SETOF record
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE ROWS 10 AS 'MODULE_PATHNAME', 'hubspot_readings';
COMMENT ON FUNCTION hubspot.readings() IS
'what is read from HubSpot when somebody needs it: word, what it is, how old it may be, which scope lets a token read it, what to do when HubSpot refuses';

CREATE TABLE hubspot.object (
	server oid NOT NULL,
	type_id text COLLATE "C" NOT NULL,
	name text COLLATE "C" NOT NULL,
	full_name text COLLATE "C" NOT NULL,
	label text NOT NULL,
	plural_label text NOT NULL,
	required_properties text[] NOT NULL,
	unique_properties text[] NOT NULL,
	searchable_properties text[] NOT NULL,
	display_property text COLLATE "C" NOT NULL,
	property_group text COLLATE "C" NOT NULL,
	associations jsonb NOT NULL,
	read_at timestamptz NOT NULL,
	PRIMARY KEY (server, type_id)
);
COMMENT ON TABLE hubspot.object IS 'the custom objects of each account as HubSpot told them, when somebody names one';
COMMENT ON COLUMN hubspot.object.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.object.type_id IS 'HubSpot''s id of the type, which never changes';
COMMENT ON COLUMN hubspot.object.name IS 'internal name';
COMMENT ON COLUMN hubspot.object.full_name IS 'fully qualified name, p{hub id}_{name}';
COMMENT ON COLUMN hubspot.object.label IS 'name of one that HubSpot''s users see';
COMMENT ON COLUMN hubspot.object.plural_label IS 'name of several';
COMMENT ON COLUMN hubspot.object.required_properties IS 'what a new record must have';
COMMENT ON COLUMN hubspot.object.unique_properties IS 'by which a record can be told from all others, and that can be written';
COMMENT ON COLUMN hubspot.object.searchable_properties IS 'where HubSpot''s search looks';
COMMENT ON COLUMN hubspot.object.display_property IS 'the one that HubSpot shows as the record''s name';
COMMENT ON COLUMN hubspot.object.property_group IS 'HubSpot''s group that new properties go to';
COMMENT ON COLUMN hubspot.object.associations IS 'array of {to, from, name}: which objects its records can be associated with, by type id';
COMMENT ON COLUMN hubspot.object.read_at IS 'when HubSpot last told it';

CREATE FUNCTION hubspot.object_named(object text, server name DEFAULT NULL) RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_object_named';
COMMENT ON FUNCTION hubspot.object_named(text, name) IS
'the word that rows have for an object that is called by any of its names: of HubSpot''s own types their name, of a custom object its type id';

CREATE TABLE hubspot.owner (
	server oid NOT NULL,
	id text COLLATE "C" NOT NULL,
	email text,
	name text,
	type text COLLATE "C" NOT NULL,
	teams text[] NOT NULL,
	archived boolean NOT NULL,
	read_at timestamptz NOT NULL,
	PRIMARY KEY (server, id)
);
COMMENT ON TABLE hubspot.owner IS 'who may own records in HubSpot, read when a call first writes to a property that holds an owner, every hour as long as such calls come, and when one names an owner that is not here';
COMMENT ON COLUMN hubspot.owner.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.owner.id IS 'what HubSpot takes as the value of hubspot_owner_id';
COMMENT ON COLUMN hubspot.owner.email IS 'address of the user; NULL: HubSpot does not tell';
COMMENT ON COLUMN hubspot.owner.name IS 'first and last name; NULL: HubSpot does not tell';
COMMENT ON COLUMN hubspot.owner.type IS 'PERSON or QUEUE';
COMMENT ON COLUMN hubspot.owner.teams IS 'names of the teams';
COMMENT ON COLUMN hubspot.owner.archived IS 'whether records can be given to the owner no more';
COMMENT ON COLUMN hubspot.owner.read_at IS 'when HubSpot last told';

CREATE TABLE hubspot.pipeline_stage (
	server oid NOT NULL,
	object text COLLATE "C" NOT NULL,
	pipeline text COLLATE "C" NOT NULL,
	stage text COLLATE "C" NOT NULL,
	pipeline_label text NOT NULL,
	label text NOT NULL,
	pipeline_order integer NOT NULL,
	stage_order integer NOT NULL,
	closed boolean NOT NULL,
	probability numeric,
	read_at timestamptz NOT NULL,
	PRIMARY KEY (server, object, pipeline, stage)
);
COMMENT ON TABLE hubspot.pipeline_stage IS 'pipelines of deals, tickets and other objects with their stages, read when a call first writes to a pipeline or a stage, every hour as long as such calls come, and when one names a stage that is not here';
COMMENT ON COLUMN hubspot.pipeline_stage.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.pipeline_stage.object IS 'deal, ticket ... or the type id of a custom object';
COMMENT ON COLUMN hubspot.pipeline_stage.pipeline IS 'id of the pipeline';
COMMENT ON COLUMN hubspot.pipeline_stage.stage IS 'id of the stage, which HubSpot takes as a value';
COMMENT ON COLUMN hubspot.pipeline_stage.pipeline_label IS 'name of the pipeline that HubSpot''s users see';
COMMENT ON COLUMN hubspot.pipeline_stage.label IS 'name of the stage that HubSpot''s users see';
COMMENT ON COLUMN hubspot.pipeline_stage.pipeline_order IS 'place of the pipeline among those of the object';
COMMENT ON COLUMN hubspot.pipeline_stage.stage_order IS 'place of the stage in its pipeline';
COMMENT ON COLUMN hubspot.pipeline_stage.closed IS 'whether records in it count as closed';
COMMENT ON COLUMN hubspot.pipeline_stage.probability IS 'of a deal: how likely it is to be won, 0 to 1; NULL: HubSpot does not tell';
COMMENT ON COLUMN hubspot.pipeline_stage.read_at IS 'when HubSpot last told';
