/* 00-opening.sql
 *
 * Begins the script: where names are looked up, and the schema of the tables.
 *
 * Functions for users live in the schema that CREATE EXTENSION chose, tables,
 * views and functions of ours in the schema "hubspot".  Everything that the
 * parts make is a member of the extension; no relation is created at run time.
 * sql/README.md says what the parts are and in which order.
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

/* Loaders that bring HubSpot's data into a database often name its schema so, too. */
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_namespace WHERE nspname = 'hubspot') THEN
		RAISE EXCEPTION 'schema "hubspot" exists already' USING ERRCODE = 'duplicate_schema',
			DETAIL = format('It belongs to %s and holds %s tables and views; the extension keeps its own there.',
				(SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'hubspot'),
				(SELECT count(*) FROM pg_class WHERE relnamespace = 'hubspot'::regnamespace AND relkind IN ('r', 'p', 'v', 'm', 'f'))),
			HINT = 'Give what fills it another schema and rename this one (ALTER SCHEMA hubspot RENAME TO hubspot_data), or create the extension in a database of its own: see "The schema name hubspot" in docs/operations.md.';
	END IF;
END $$;
CREATE SCHEMA hubspot;
COMMENT ON SCHEMA hubspot IS 'tables and views of the extension hubspot';
