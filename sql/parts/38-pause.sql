/* 38-pause.sql
 *
 * Lanes and accounts that somebody has stopped.
 */

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
