/* 40-accounts.sql
 *
 * An account is a SERVER: its options, what HubSpot says of it, and how rows
 * find it again after pg_upgrade.
 */

CREATE FUNCTION @extschema@.hubspot_fdw_validator(options text[], catalog oid) RETURNS void
LANGUAGE c STRICT AS 'MODULE_PATHNAME', 'hubspot_fdw_validator';
COMMENT ON FUNCTION @extschema@.hubspot_fdw_validator(text[], oid) IS
'checks the options of CREATE SERVER ... FOREIGN DATA WRAPPER hubspot';

CREATE FOREIGN DATA WRAPPER hubspot VALIDATOR @extschema@.hubspot_fdw_validator;
COMMENT ON FOREIGN DATA WRAPPER hubspot IS 'one SERVER is one HubSpot account; USAGE on it is the right to queue for it';

CREATE FUNCTION hubspot.server_oid(server name) RETURNS oid
LANGUAGE c STABLE AS 'MODULE_PATHNAME', 'hubspot_server_oid';
COMMENT ON FUNCTION hubspot.server_oid(name) IS 'oid of the SERVER that a call with this argument means; an error when there is none';

CREATE FUNCTION hubspot.server_option(server oid, name text) RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT o.option_value FROM pg_foreign_server s, pg_options_to_table(s.srvoptions) o WHERE s.oid = $1 AND o.option_name = $2
$$;
COMMENT ON FUNCTION hubspot.server_option(oid, text) IS 'option of a SERVER, NULL where it has its default';

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

CREATE FUNCTION hubspot.is_preloaded() RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE AS 'MODULE_PATHNAME', 'hubspot_is_preloaded';
COMMENT ON FUNCTION hubspot.is_preloaded() IS 'whether the server was started with the library in shared_preload_libraries, in whatever way it is named there';

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

/*
 * A dump has the names too, for the userIds of hubspot.record.  There an oid may be that of another SERVER than here,
 * or of none, so that they come into a table of their own.
 */
CREATE TABLE hubspot.dumped_server (
	number oid NOT NULL,
	name name NOT NULL
);
COMMENT ON TABLE hubspot.dumped_server IS 'SERVERs of the database that was dumped, from its restore until rows of hubspot.record have found theirs by name';
COMMENT ON COLUMN hubspot.dumped_server.number IS 'oid of the SERVER in the database that was dumped';
COMMENT ON COLUMN hubspot.dumped_server.name IS 'its name';

CREATE FUNCTION hubspot.server_name_restored() RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- as hubspot.note_servers() notes them
	IF EXISTS (SELECT FROM pg_foreign_server s WHERE s.oid = NEW.server AND s.srvname = NEW.name)
		AND NOT EXISTS (SELECT FROM hubspot.server_name n WHERE n.server = NEW.server AND n.name = NEW.name) THEN
		RETURN NEW;
	END IF;
	INSERT INTO hubspot.dumped_server (number, name) VALUES (NEW.server, NEW.name);
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION hubspot.server_name_restored() IS 'puts the names that come from a dump aside, into hubspot.dumped_server';
CREATE TRIGGER server_name_restored BEFORE INSERT ON hubspot.server_name
	FOR EACH ROW EXECUTE FUNCTION hubspot.server_name_restored();
ALTER TABLE hubspot.server_name ENABLE ALWAYS TRIGGER server_name_restored;

SELECT pg_catalog.pg_extension_config_dump('hubspot.server_name', '');
SELECT pg_catalog.pg_extension_config_dump('hubspot.dumped_server', '');

/* Of a SERVER that is not here yet the rows wait: it may be made later. */
CREATE FUNCTION hubspot.settle_restored() RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	UPDATE hubspot.record r SET server = s.oid, told_by = -2
		FROM hubspot.dumped_server d
		JOIN pg_catalog.pg_foreign_server s ON s.srvname = d.name
		JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'hubspot'
		WHERE r.told_by = -1 AND r.server = d.number;
	DELETE FROM hubspot.dumped_server d USING pg_catalog.pg_foreign_server s
		JOIN pg_catalog.pg_foreign_data_wrapper w ON w.oid = s.srvfdw AND w.fdwname = 'hubspot'
		WHERE s.srvname = d.name;
END;
COMMENT ON FUNCTION hubspot.settle_restored() IS 'gives the userIds that came from a dump the SERVERs of this database, by their names';

CREATE FUNCTION hubspot.move_servers(olds oid[], news oid[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fetched CONSTANT name[] := '{account,confirmed,event_definition,object,owner,pipeline_stage,property,rate_limit,reading,required_property,schema,unknown_property}';
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
	IF EXISTS (SELECT FROM hubspot.dumped_server) THEN
		PERFORM hubspot.settle_restored();
	END IF;
END $$;
COMMENT ON FUNCTION hubspot.note_servers() IS 'notes the names of the SERVERs; in a cluster that pg_upgrade made, gives rows their new oids before; gives rows that came from a dump theirs';

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
COMMENT ON EVENT TRIGGER hubspot_servers_change IS 'notes the names of the SERVERs before a statement that may change them';
ALTER EVENT TRIGGER hubspot_servers_change ENABLE ALWAYS;
CREATE EVENT TRIGGER hubspot_servers_changed ON ddl_command_end
	WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER', 'DROP SERVER', 'DROP OWNED') EXECUTE FUNCTION hubspot.servers_changed();
COMMENT ON EVENT TRIGGER hubspot_servers_changed IS 'notes the names of the SERVERs after a statement that may change them';
ALTER EVENT TRIGGER hubspot_servers_changed ENABLE ALWAYS;
