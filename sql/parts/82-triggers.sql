/* 82-triggers.sql
 *
 * Triggers of one's own that queue calls, and which writes they do not see.
 */

/*
 * A statement trigger sees statements that name its table; a row trigger rows of its table, and of partitions, to
 * which PostgreSQL copies it; what a subscription applies only row triggers that are enabled for replicas.  What is
 * missing on a table below is made of the definition of the trigger above, with the table's name in place of the other.
 */
CREATE VIEW hubspot.triggers AS
	WITH RECURSIVE own AS (
		SELECT t.oid, t.tgrelid, t.tgname, t.tgenabled, t.tgargs, t.tgparentid <> 0 AS is_copy, (t.tgtype & 1) <> 0 AS for_row, t.tgtype & 20 AS events,
			pg_catalog.pg_get_triggerdef(t.oid) AS definition, format('%I.%I', n.nspname, c.relname) AS "table"
		FROM pg_catalog.pg_trigger t
		JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid AND p.prosrc = 'hubspot_trigger'
		JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_catalog.pg_extension e ON d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass AND e.oid = d.refobjid AND e.extname = 'hubspot'
		JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	), below AS (
		SELECT o.tgrelid AS top, i.inhrelid AS relid FROM (SELECT DISTINCT w.tgrelid FROM own w) o
		JOIN pg_catalog.pg_inherits i ON i.inhparent = o.tgrelid
		UNION SELECT b.top, i.inhrelid FROM below b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.relid
	), unseen AS (
		SELECT o.oid, count(*) AS tables, min(x."table") AS "table",
			string_agg(overlay(o.definition PLACING format(' ON %s ', x."table") FROM position(format(' ON %s ', o."table") IN o.definition)
				FOR length(format(' ON %s ', o."table"))), '; ' ORDER BY x."table") AS statements
		FROM own o
		JOIN below b ON b.top = o.tgrelid
		JOIN pg_catalog.pg_class c ON c.oid = b.relid AND c.relpersistence <> 't' AND c.relkind <> 'f'
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		CROSS JOIN LATERAL (SELECT format('%I.%I', n.nspname, c.relname) AS "table") x
		WHERE NOT o.is_copy AND NOT EXISTS (SELECT FROM own s WHERE s.tgrelid = b.relid AND s.tgargs = o.tgargs AND s.tgenabled <> 'D' AND o.events & ~s.events = 0)
		GROUP BY o.oid
	)
	SELECT o."table", o.tgname::text AS name, CASE WHEN o.for_row THEN 'row' ELSE 'statement' END AS level,
		CASE o.tgenabled WHEN 'O' THEN 'sessions' WHEN 'R' THEN 'replicas' WHEN 'A' THEN 'both' ELSE 'nobody' END AS enabled_for,
		CASE WHEN o.tgenabled = 'D' THEN 'it is disabled, so that it queues nothing'
			WHEN o.tgenabled = 'R' THEN NULL
			WHEN u.tables IS NOT NULL AND o.for_row THEN format('rows of %s%s are not seen', u."table", CASE WHEN u.tables > 1 THEN format(' and of %s more tables below it', u.tables - 1) ELSE '' END)
			WHEN u.tables IS NOT NULL THEN format('statements that name %s%s are not seen', u."table", CASE WHEN u.tables > 1 THEN format(' or another of the %s tables below it', u.tables) ELSE '' END)
			WHEN r.subscription IS NOT NULL THEN format('what the subscription "%s" applies is not seen', r.subscription) END AS problem,
		CASE WHEN o.tgenabled = 'D' THEN format('ALTER TABLE %s ENABLE TRIGGER %I', o."table", o.tgname)
			WHEN o.tgenabled = 'R' THEN NULL
			WHEN u.tables IS NOT NULL THEN u.statements
			WHEN r.subscription IS NOT NULL AND o.for_row THEN format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', o."table", o.tgname)
			WHEN r.subscription IS NOT NULL THEN format('%s; ALTER TABLE %s ENABLE REPLICA TRIGGER %I',
				regexp_replace(regexp_replace(overlay(o.definition PLACING format('CREATE TRIGGER %I ', v.name) FROM 1 FOR length(format('CREATE TRIGGER %I ', o.tgname))),
					' REFERENCING (OLD|NEW) TABLE AS .*? FOR EACH STATEMENT ', ' FOR EACH STATEMENT '), ' FOR EACH STATEMENT ', ' FOR EACH ROW '), o."table", v.name) END AS remedy
	FROM own o
	LEFT JOIN unseen u ON u.oid = o.oid
	CROSS JOIN LATERAL (SELECT left(o.tgname::text, 40) || '_applied' AS name) v
	LEFT JOIN LATERAL (SELECT min(s.subname) AS subscription
		FROM pg_catalog.pg_subscription_rel l JOIN pg_catalog.pg_subscription s ON s.oid = l.srsubid
		WHERE (l.srrelid = o.tgrelid OR l.srrelid IN (SELECT b.relid FROM below b WHERE b.top = o.tgrelid))
			AND NOT EXISTS (SELECT FROM own a WHERE a.tgrelid = o.tgrelid AND a.tgargs = o.tgargs AND a.for_row AND a.tgenabled IN ('R', 'A') AND o.events & ~a.events = 0)) r ON true
	WHERE NOT o.is_copy;
COMMENT ON VIEW hubspot.triggers IS
'triggers with hubspot_trigger(), and which writes they do not see: statements that name a partition or child, rows of children, what a subscription applies, everything while they are disabled; those that hubspot_sync() makes are judged in hubspot.syncs';
COMMENT ON COLUMN hubspot.triggers."table" IS 'the table, with its schema';
COMMENT ON COLUMN hubspot.triggers.name IS 'name of the trigger';
COMMENT ON COLUMN hubspot.triggers.level IS 'row or statement';
COMMENT ON COLUMN hubspot.triggers.enabled_for IS 'whom it fires for: sessions, replicas (what a subscription applies), both, nobody';
COMMENT ON COLUMN hubspot.triggers.problem IS 'which writes it does not see; NULL: none is known';
COMMENT ON COLUMN hubspot.triggers.remedy IS 'statements that make it see them; NULL: nothing is wrong';
