/* 45-installation.sql
 *
 * Which cluster, database and data directory may send from these tables: a
 * copy elsewhere is held.
 */

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

CREATE FUNCTION hubspot.launch() RETURNS void
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'hubspot_launch';
COMMENT ON FUNCTION hubspot.launch() IS 'when this transaction commits, the launcher looks at this database at once';

/*
 * A dump has the row too, so that a restore of it is told from a new installation: there is one already, of CREATE
 * EXTENSION.  That stays, held, also where the dump was of this very database.
 */
CREATE FUNCTION hubspot.installation_restored() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM hubspot.installation) THEN
		RETURN NEW;
	END IF;
	UPDATE hubspot.installation SET held_at = clock_timestamp(), held_reason = 'this database was restored from a dump'
		WHERE held_at IS NULL;
	PERFORM hubspot.launch();
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION hubspot.installation_restored() IS 'holds a database that is restored from a dump';
CREATE TRIGGER installation_restored BEFORE INSERT ON hubspot.installation
	FOR EACH ROW EXECUTE FUNCTION hubspot.installation_restored();
ALTER TABLE hubspot.installation ENABLE ALWAYS TRIGGER installation_restored;

SELECT pg_catalog.pg_extension_config_dump('hubspot.installation', '');

CREATE FUNCTION hubspot.home_id() RETURNS uuid
LANGUAGE c VOLATILE STRICT AS 'MODULE_PATHNAME', 'hubspot_home_id';
COMMENT ON FUNCTION hubspot.home_id() IS
'the random name of this data directory; NULL when it has none yet, as where the library is not preloaded';

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
'lets this database send what its outbox holds, after it was found to be a copy (a restored dump, a copied or restored data directory, a stale standby, CREATE DATABASE ... TEMPLATE, pg_upgrade); owner of the extension only';
