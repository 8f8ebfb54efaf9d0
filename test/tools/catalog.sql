-- What is wrong with the extension's SQL, as the catalogs of a database have it: a text each, none when all is well.
-- Run by make lint and test/t/500_planted_names.pl, with search_path = pg_catalog, pg_temp.
--
-- Whoever owns the database or the target schema may plant names there; what is stored by oid (views, defaults,
-- constraints, partition keys, indexes, triggers, functions with a body of the standard's kind) is seen in pg_depend, what
-- is looked up when it runs must have its search_path pinned.
WITH RECURSIVE extension AS (
	SELECT e.oid, n.nspname AS target, e.extnamespace FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'hubspot'
), members AS (
	SELECT d.classid, d.objid FROM pg_depend d JOIN extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid WHERE d.deptype = 'e'
), parts AS (
	SELECT m.classid, m.objid FROM members m
	UNION
	/* SERVERs hang on the wrapper, and are not ours */
	SELECT d.classid, d.objid FROM parts p JOIN pg_depend d ON d.refclassid = p.classid AND d.refobjid = p.objid
	WHERE d.deptype IN ('i', 'a', 'P', 'S') AND d.classid <> 'pg_foreign_server'::regclass
), functions AS (
	SELECT p.oid, p.oid::regprocedure::text AS name, l.lanname, p.prosecdef, p.proacl, p.proowner, p.prosrc,
		p.prosqlbody IS NULL AND l.lanname NOT IN ('c', 'internal') AS has_names,
		coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false) AS is_pinned
	FROM members m JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid JOIN pg_language l ON l.oid = p.prolang
)
/* what initdb made is not to be replaced by anybody; the target schema itself is no name that is looked up */
SELECT format('%s depends on %s', pg_describe_object(d.classid, d.objid, d.objsubid), pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid))
FROM parts p JOIN pg_depend d ON d.classid = p.classid AND d.objid = p.objid
WHERE d.refobjid >= 16384 AND d.refclassid <> 'pg_extension'::regclass
	AND NOT EXISTS (SELECT FROM parts q WHERE q.classid = d.refclassid AND q.objid = d.refobjid)
	AND NOT EXISTS (SELECT FROM extension e WHERE d.refclassid = 'pg_namespace'::regclass AND d.classid = 'pg_proc'::regclass AND d.refobjid = e.extnamespace)
UNION
SELECT format('function %s looks names up by the search_path of who calls it: give it SET search_path = pg_catalog, pg_temp, or BEGIN ATOMIC', f.name)
FROM functions f WHERE f.has_names AND NOT f.is_pinned
UNION
SELECT format('function %s is SECURITY DEFINER without SET search_path = pg_catalog, pg_temp', f.name)
FROM functions f WHERE f.prosecdef AND NOT f.is_pinned
UNION
SELECT format('function %s calls something in the schema of the functions hubspot_*, where others may plant: call what is in the schema hubspot', f.name)
FROM functions f, extension e WHERE f.has_names AND position(e.target || '.' IN f.prosrc) > 0
UNION
SELECT format('function %s has a backslash in its body, which means something else when standard_conforming_strings is off', f.name)
FROM functions f WHERE f.has_names AND position(chr(92) IN f.prosrc) > 0
UNION
SELECT format('%s has no description', pg_describe_object(w.classid, w.objid, w.objsubid))
FROM (SELECT m.classid, m.objid, 0 AS objsubid FROM members m
		WHERE NOT EXISTS (SELECT FROM pg_class c WHERE m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relispartition)
		/* since 17 the types of rows and arrays are members, too; they come with what has a description */
		AND NOT EXISTS (SELECT FROM pg_type t LEFT JOIN pg_class c ON c.oid = t.typrelid WHERE m.classid = 'pg_type'::regclass AND t.oid = m.objid
			AND (c.relkind <> 'c' OR EXISTS (SELECT FROM pg_type element WHERE element.typarray = t.oid)))
	UNION ALL
	SELECT m.classid, m.objid, a.attnum FROM members m
		JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND NOT c.relispartition
		JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) w
WHERE NOT EXISTS (SELECT FROM pg_description d WHERE d.classoid = w.classid AND d.objoid = w.objid AND d.objsubid = w.objsubid)
UNION
SELECT format('everybody may call %s: revoke EXECUTE, or say in docs/security.md who needs it', f.name)
FROM functions f, LATERAL aclexplode(coalesce(f.proacl, acldefault('f', f.proowner))) a, pg_proc p, pg_namespace n
WHERE a.grantee = 0 AND a.privilege_type = 'EXECUTE' AND p.oid = f.oid AND n.oid = p.pronamespace
	AND CASE n.nspname WHEN 'hubspot' THEN 'hubspot.' ELSE '' END || p.proname <> ALL (:'everybody'::text[])
ORDER BY 1;
