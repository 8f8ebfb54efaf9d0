-- Writes that do not name the followed table: partitions, children, replicas.  Each change is queued once.
CREATE EXTENSION hubspot;
SET timezone = 'UTC';
\set SHOW_CONTEXT never
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile');
CREATE FUNCTION forget() RETURNS void LANGUAGE sql AS 'TRUNCATE hubspot.outbox';

-- What a statement queues, in order: D the record is archived
CREATE VIEW queued AS SELECT string_agg(CASE call WHEN 'delete' THEN 'D ' ELSE '' END || split_part(key, '@', 1) || coalesce('=' || (message->'traits'->>'plan'), '')
	|| coalesce(' ' || problem, ''), ', ' ORDER BY id) AS queued FROM hubspot.outbox;
CREATE FUNCTION does(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM forget();
	EXECUTE statement;
	RETURN (SELECT queued FROM queued);
END
$$;
CREATE VIEW our_triggers AS SELECT t.tgrelid::regclass AS "table", string_agg(split_part(t.tgname, '_', 3) || CASE t.tgenabled WHEN 'O' THEN '' ELSE ' ' || t.tgenabled::text END
	|| CASE t.tgparentid WHEN 0 THEN '' ELSE ' copy' END, ', ' ORDER BY t.tgname) AS triggers
	FROM pg_trigger t WHERE NOT t.tgisinternal AND t.tgname LIKE 'hubspot_sync%' GROUP BY 1 ORDER BY t.tgrelid::regclass::text;

-- A partitioned table: columns have other numbers in some partitions
CREATE TABLE pt (id int, mail text, plan text, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE p1 PARTITION OF pt FOR VALUES FROM (0) TO (100);
CREATE TABLE p2 (gone int, plan text, mail text, id int NOT NULL);
ALTER TABLE p2 DROP COLUMN gone;
ALTER TABLE pt ATTACH PARTITION p2 FOR VALUES FROM (100) TO (200);
CREATE TABLE p3 PARTITION OF pt FOR VALUES FROM (200) TO (400) PARTITION BY RANGE (id);
CREATE TABLE p3a PARTITION OF p3 FOR VALUES FROM (200) TO (300);
SELECT hubspot_sync('pts', 'pt', mapping => '{"email": "mail", "plan": "plan"}', deletes => 'archive', backfill => false);
SELECT * FROM our_triggers;

SELECT does($$INSERT INTO pt VALUES (1, 'a@example.com', 'x'), (101, 'b@example.com', 'x'), (201, 'c@example.com', 'x')$$);
SELECT does($$INSERT INTO p1 VALUES (2, 'd@example.com', 'x')$$);
SELECT does($$INSERT INTO p2 (id, mail, plan) VALUES (102, 'e@example.com', 'x')$$);
SELECT does($$INSERT INTO p3 VALUES (202, 'f@example.com', 'x')$$);
SELECT does($$INSERT INTO p3a VALUES (203, 'g@example.com', 'x')$$);
SELECT does($$UPDATE pt SET plan = 'y' WHERE id IN (1, 101, 201)$$);
SELECT does($$UPDATE p2 SET plan = 'y' WHERE id = 102$$);
SELECT does($$UPDATE p3 SET plan = 'y', id = id WHERE id = 202$$);
SELECT does($$UPDATE ONLY p3a SET mail = 'gg@example.com' WHERE id = 203$$);
SELECT does($$DELETE FROM p1 WHERE id = 2$$);
SELECT does($$DELETE FROM pt WHERE id = 102$$);
SELECT does($$INSERT INTO p1 VALUES (1, 'a@example.com', 'z'), (3, 'h@example.com', 'z') ON CONFLICT (id) DO UPDATE SET plan = EXCLUDED.plan$$);
SELECT does($$INSERT INTO pt VALUES (1, 'a@example.com', 'u'), (103, 'i@example.com', 'u') ON CONFLICT (id) DO UPDATE SET plan = EXCLUDED.plan$$);
SELECT does($$MERGE INTO p2 USING (VALUES (101, 'm'), (103, 'm'), (104, 'm')) v(n, p) ON id = n
	WHEN MATCHED AND n = 103 THEN DELETE WHEN MATCHED THEN UPDATE SET plan = p WHEN NOT MATCHED THEN INSERT (id, mail, plan) VALUES (n, 'j@example.com', p)$$);
SELECT does($$MERGE INTO pt USING (VALUES (1, 'n'), (104, 'n'), (204, 'n')) v(n, p) ON id = n
	WHEN MATCHED AND n = 104 THEN DELETE WHEN MATCHED THEN UPDATE SET plan = p WHEN NOT MATCHED THEN INSERT (id, mail, plan) VALUES (n, 'k@example.com', p)$$);
SELECT forget();
COPY pt FROM stdin;
4	l@example.com	v
205	m@example.com	v
\.
COPY p3 FROM stdin;
206	n@example.com	v
\.
SELECT * FROM queued;
-- A row that moves is one change, of the table that the statement names, whatever triggers its partitions have
SELECT does($$UPDATE pt SET id = 150, plan = 'moved' WHERE id = 1$$);
SELECT does($$UPDATE pt SET id = id + 100 WHERE id = 150$$);
SELECT does($$UPDATE pt SET id = 151, mail = 'aa@example.com' WHERE id = 250$$);

-- Partitions that come and go
CREATE TABLE p4 PARTITION OF pt FOR VALUES FROM (400) TO (500);
CREATE TABLE p3b (LIKE p3);
ALTER TABLE p3 ATTACH PARTITION p3b FOR VALUES FROM (300) TO (400);
CREATE TABLE p5 (LIKE pt) PARTITION BY RANGE (id);
CREATE TABLE p5a PARTITION OF p5 DEFAULT;
ALTER TABLE pt ATTACH PARTITION p5 FOR VALUES FROM (500) TO (600);
SELECT * FROM our_triggers;
SELECT does($$INSERT INTO p4 VALUES (401, 'o@example.com', 'x')$$), does($$INSERT INTO p3b VALUES (301, 'p@example.com', 'x')$$),
	does($$INSERT INTO p5 VALUES (501, 'q@example.com', 'x')$$), does($$INSERT INTO p5a VALUES (502, 'r@example.com', 'x')$$), does($$DELETE FROM pt WHERE id > 300$$);
ALTER TABLE pt DETACH PARTITION p5;
ALTER TABLE p3 DETACH PARTITION p3b;
ALTER TABLE pt DETACH PARTITION p2 CONCURRENTLY;
SELECT * FROM our_triggers;
SELECT does($$INSERT INTO p5 VALUES (503, 's@example.com', 'x')$$), does($$INSERT INTO p3b VALUES (302, 't@example.com', 'x')$$), does($$INSERT INTO p2 (id) VALUES (105)$$);
DROP TABLE p4, p5, p3b, p2;
SELECT problem FROM hubspot.syncs;

-- Rows that come and leave with their table
CREATE TABLE filled AS SELECT i AS id, 'f' || i || '@example.com' AS mail, 'x' AS plan FROM generate_series(800, 802) i;
ALTER TABLE filled ALTER id SET NOT NULL;
SELECT does($$ALTER TABLE pt ATTACH PARTITION filled FOR VALUES FROM (800) TO (900)$$);
SELECT does($$UPDATE filled SET plan = 'y' WHERE id = 800$$);
SELECT does($$ALTER TABLE pt DETACH PARTITION filled$$);
DROP TABLE filled;

-- A statement that fails leaves nothing behind; names that are not found at first sight
BEGIN;
CREATE TABLE p6 PARTITION OF pt FOR VALUES FROM (0) TO (10);
ROLLBACK;
BEGIN;
SAVEPOINT s;
CREATE TABLE p6 PARTITION OF pt FOR VALUES FROM (600) TO (700);
ROLLBACK TO s;
CREATE TEMP TABLE p6 (id int);
CREATE TABLE public.p6 PARTITION OF pt FOR VALUES FROM (600) TO (700);
COMMIT;
SELECT * FROM our_triggers WHERE "table"::text LIKE '%p6';
DROP TABLE pg_temp.p6;

-- TRUNCATE is told once for each table that is named, however many there are below it
SELECT does('TRUNCATE pt');
SELECT does('TRUNCATE p1, p3a');
SELECT does('TRUNCATE p1'), does('TRUNCATE p3');

-- A trigger that is disabled, missing, or for others is named
ALTER TABLE p1 DISABLE TRIGGER hubspot_sync_insert_pts;
SELECT problem FROM hubspot.syncs;
DROP TRIGGER hubspot_sync_update_pts ON p3a;
SELECT problem FROM hubspot.syncs;
SELECT remedy FROM hubspot_health() WHERE problem LIKE '%hubspot_sync_insert_pts%';
SELECT hubspot_resync('pts');
SELECT problem FROM hubspot.syncs;
-- What enables all triggers does not enable them for others than they are for
ALTER TABLE p1 DISABLE TRIGGER ALL;
ALTER TABLE pt DISABLE TRIGGER USER;
SELECT problem FROM hubspot.syncs;
ALTER TABLE p1 ENABLE TRIGGER ALL;
ALTER TABLE pt ENABLE TRIGGER USER;
SELECT problem FROM hubspot.syncs;
SELECT * FROM our_triggers;
-- Nor does it make two changes of one
ALTER TABLE pt ENABLE ALWAYS TRIGGER hubspot_sync_applied_pts;
ALTER TABLE pt ENABLE ALWAYS TRIGGER hubspot_sync_insert_pts;
SELECT does($$INSERT INTO pt VALUES (1, 'a@example.com', 'x')$$);
SET session_replication_role = replica;
SELECT does($$INSERT INTO pt VALUES (2, 'b@example.com', 'x')$$);

-- Rows that a replica applies, by their own triggers
SELECT does($$INSERT INTO p1 VALUES (3, 'c@example.com', 'x')$$);
SELECT does($$UPDATE pt SET plan = 'y' WHERE id < 3$$), does($$UPDATE pt SET id = id$$), does($$UPDATE p1 SET mail = 'cc@example.com' WHERE id = 3$$);
SELECT does($$DELETE FROM pt WHERE id = 3$$);
SELECT does($$UPDATE pt SET id = 203 WHERE id = 2$$), does($$UPDATE pt SET id = 3, mail = 'bb@example.com' WHERE id = 203$$);
-- ... where two definitions follow them: a row that moves is gone for neither, whichever key has changed
RESET session_replication_role;
SELECT hubspot_sync('more', 'pt', 'company', mapping => '{"domain": "plan", "name": "mail"}', deletes => 'archive', backfill => false);
SELECT does($$INSERT INTO pt VALUES (5, 'e@example.com', 'e.example'), (6, 'f@example.com', 'f.example')$$);
SET session_replication_role = replica;
SELECT does($$UPDATE pt SET id = id + 200 WHERE id IN (5, 6)$$);
SELECT does($$UPDATE pt SET id = 5, mail = 'ee@example.com' WHERE id = 205$$);
SELECT does($$UPDATE pt SET id = 6, plan = 'ff.example' WHERE id = 206$$);
SELECT does($$DELETE FROM pt WHERE id IN (5, 6)$$);
SELECT hubspot_drop_sync('more');
SELECT does($$TRUNCATE pt$$);
RESET session_replication_role;

-- Dropping takes all with it
SELECT hubspot_drop_sync('pts');
SELECT * FROM our_triggers;
DROP TABLE pt;

-- Children
CREATE TABLE base (id int, mail text, plan text);
CREATE TABLE child (extra int) INHERITS (base);
CREATE TABLE grandchild (plan text, mail text, more int, id int);
ALTER TABLE grandchild ADD COLUMN extra int, INHERIT child;
CREATE TEMP TABLE passing () INHERITS (base);
SELECT hubspot_sync('bases', 'base', mapping => '{"email": "mail", "plan": "plan"}', deletes => 'archive', backfill => false);
CREATE TABLE second () INHERITS (base);
SELECT * FROM our_triggers;
SELECT does($$INSERT INTO base VALUES (1, 'a@example.com', 'x')$$), does($$INSERT INTO child VALUES (2, 'b@example.com', 'x')$$),
	does($$INSERT INTO grandchild (id, mail, plan) VALUES (3, 'c@example.com', 'x')$$), does($$INSERT INTO second VALUES (4, 'd@example.com', 'x')$$);
SELECT does($$UPDATE base SET plan = 'y'$$), does($$UPDATE child SET plan = 'z'$$), does($$UPDATE ONLY child SET plan = 'u'$$), does($$UPDATE grandchild SET mail = 'cc@example.com'$$);
ALTER TABLE base RENAME COLUMN plan TO tariff;
SELECT does($$UPDATE grandchild SET tariff = 'v'$$);
SET session_replication_role = replica;
SELECT does($$UPDATE base SET tariff = 'w'$$), does($$UPDATE grandchild SET tariff = 'r'$$);
RESET session_replication_role;
ALTER TABLE grandchild NO INHERIT child;
SELECT does($$UPDATE grandchild SET tariff = 'gone'$$), does($$DELETE FROM base$$);
SELECT * FROM our_triggers;
SELECT problem FROM hubspot.syncs;
-- A table that comes under another one
CREATE TABLE above (LIKE base);
ALTER TABLE base INHERIT above;
SELECT problem FROM hubspot.syncs;
SELECT item, name, detail FROM hubspot_sync_preview('base', mapping => '{"email": "mail"}', deletes => 'archive') WHERE item IN ('source', 'unseen');
ALTER TABLE base NO INHERIT above;
ALTER TABLE base DROP COLUMN tariff;
SELECT does($$INSERT INTO child VALUES (2, 'b@example.com')$$);
SELECT problem FROM hubspot.syncs;

-- Rights: whoever follows needs them on each table; whoever attaches needs none
CREATE ROLE follower;
CREATE ROLE attacher;
GRANT USAGE ON FOREIGN SERVER crm TO follower;
CREATE TABLE shared (id int, mail text) PARTITION BY RANGE (id);
CREATE TABLE s1 PARTITION OF shared FOR VALUES FROM (0) TO (10);
GRANT SELECT, TRIGGER ON shared TO follower;
SET ROLE follower;
SELECT hubspot_sync('shared', 'shared', mapping => '{"email": "mail"}', backfill => false);
RESET ROLE;
GRANT TRIGGER ON s1 TO follower;
SET ROLE follower;
SELECT hubspot_sync('shared', 'shared', mapping => '{"email": "mail"}', backfill => false);
RESET ROLE;
ALTER TABLE shared OWNER TO attacher;
GRANT CREATE ON SCHEMA public TO attacher;
SET ROLE attacher;
CREATE TABLE s2 PARTITION OF shared FOR VALUES FROM (10) TO (20);
RESET ROLE;
SELECT * FROM our_triggers WHERE "table"::text LIKE 's%';
SELECT does($$INSERT INTO s2 VALUES (11, 'a@example.com')$$);
ALTER TABLE shared OWNER TO follower;
SET ROLE follower;
SELECT hubspot_drop_sync('shared');
RESET ROLE;
SELECT does($$INSERT INTO s2 VALUES (12, 'b@example.com')$$);
DROP TABLE shared;
REVOKE ALL ON SCHEMA public FROM attacher;
REVOKE ALL ON FOREIGN SERVER crm FROM follower;
DROP ROLE follower, attacher;
SELECT hubspot_drop_sync('bases');
DROP TABLE base, child, second, grandchild, above CASCADE;

-- Columns that hold keys of other records: what is associated, what is so no longer (-), what goes alone (!)
CREATE VIEW paired AS SELECT string_agg(CASE call WHEN 'delete' THEN 'D ' WHEN 'dissociate' THEN '-' ELSE '' END
	|| CASE WHEN object = 'pair' THEN coalesce('!' || (message->>'id'), replace(replace(key, 'company domain=', ''), 'deal ref=', '')) ELSE '[' || key || ']' END, ' ' ORDER BY id) AS queued FROM hubspot.outbox;
CREATE FUNCTION pairs(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM forget();
	EXECUTE statement;
	RETURN (SELECT queued FROM paired);
END
$$;
ALTER SERVER crm OPTIONS (ADD id_properties 'deal=ref');
INSERT INTO hubspot.schema SELECT oid, 'deal', now(), true FROM pg_foreign_server;
INSERT INTO hubspot.property (server, object, name, type, field_type, label, is_unique, read_only, options) SELECT oid, 'deal', name, 'string', 'text', name, name = 'ref', false, '[]' FROM pg_foreign_server, unnest('{ref,dealname,dealstage,note}'::text[]) name;
INSERT INTO hubspot.reading (server, reading, subject, read_at, known) SELECT oid, 'objects', '', now(), true FROM pg_foreign_server;
CREATE TABLE offer (id text, firm text, buyer text, title text, note text DEFAULT 'n', region int, PRIMARY KEY (id, region)) PARTITION BY RANGE (region);
CREATE TABLE offer_1 PARTITION OF offer FOR VALUES FROM (0) TO (10);
CREATE TABLE offer_2 PARTITION OF offer FOR VALUES FROM (10) TO (20);
SELECT hubspot_sync('offers', 'offer', 'deal', mapping => '{"ref": "id", "dealname": "title", "note": "note", "company": "firm", "contact": "buyer"}', backfill => false);
SELECT string_agg(c.property || coalesce('=' || c.association, ''), ' ' ORDER BY c.property) FROM hubspot.sync, jsonb_to_recordset(columns) AS c(property text, association text) WHERE name = 'offers';
SELECT pairs($$INSERT INTO offer VALUES ('a', 'f.com', 'p@x.com', 'A', 'n', 1), ('b', NULL, NULL, 'B', 'n', 1), ('c', '', 'u7', 'C', 'n', 1), ('d', 'n/a', 'p@x.com', 'D', 'n', 1)$$);
SELECT pairs($$UPDATE offer SET title = title || title$$);
SELECT pairs($$UPDATE offer SET firm = 'g.com' WHERE id <> 'b'$$);
SELECT pairs($$UPDATE offer SET firm = NULL WHERE id = 'a'; UPDATE offer SET firm = '', buyer = 'q@x.com' WHERE id = 'c'; UPDATE offer SET firm = 'F.com' WHERE id = 'd'$$);
SELECT pairs($$UPDATE offer SET firm = 'g.com' WHERE id = 'a'; UPDATE offer SET firm = 'f.com' WHERE id = 'a'; UPDATE offer SET firm = 'g.com' WHERE id = 'a'$$);
-- ... another key is another record; what is deleted is left alone
SELECT pairs($$UPDATE offer SET id = 'aa', firm = 'h.com' WHERE id = 'a'; DELETE FROM offer WHERE id = 'b'$$);
-- ... rows that move to another partition, and what a replica applies
SELECT pairs($$UPDATE offer SET region = 11, firm = 'f.com' WHERE id = 'aa'$$);
SET session_replication_role = replica;
SELECT pairs($$UPDATE offer SET region = 1, firm = 'g.com' WHERE id = 'aa'$$);
SELECT pairs($$UPDATE offer SET region = 12, title = 'AA' WHERE id = 'aa'$$);
SELECT pairs($$UPDATE offer SET firm = NULL WHERE id = 'aa'$$), pairs($$DELETE FROM offer WHERE id = 'c'$$), pairs($$UPDATE offer SET region = 1, id = 'x' WHERE id = 'aa'$$);
RESET session_replication_role;
-- ... cleared, and archived
SELECT hubspot_sync('offers', 'offer', 'deal', mapping => '{"ref": "id", "dealname": "title", "company": "firm", "contact": "buyer"}', deletes => 'clear', backfill => false);
SELECT pairs($$UPDATE offer SET firm = 'f.com'$$), pairs($$DELETE FROM offer WHERE id = 'x'$$), pairs($$UPDATE offer SET id = 'dd' WHERE id = 'd'$$);
SET session_replication_role = replica;
SELECT pairs($$DELETE FROM offer_1 WHERE id = 'dd'$$);
RESET session_replication_role;
SELECT hubspot_sync('offers', 'offer', 'deal', mapping => '{"ref": "id", "dealname": "title", "company": "firm", "contact": "buyer"}', deletes => 'archive', backfill => false);
SELECT pairs($$INSERT INTO offer VALUES ('e', 'f.com', NULL, 'E', 'n', 1)$$), pairs($$UPDATE offer SET id = 'f' WHERE id = 'e'$$), pairs($$DELETE FROM offer WHERE id = 'f'$$);
-- ... said by every row of what HubSpot creates only with one
ALTER SERVER crm OPTIONS (SET id_properties 'deal=ref, lead=ref');
INSERT INTO hubspot.schema SELECT oid, 'lead', now(), false FROM pg_foreign_server;
CREATE TABLE lead (id text PRIMARY KEY, name text, buyer text);
SELECT hubspot_sync('leads', 'lead', 'lead', mapping => '{"ref": "id", "hs_lead_name": "name", "contact": "buyer"}');
SELECT pairs($$INSERT INTO lead VALUES ('l', 'L', 'p@x.com')$$), pairs($$UPDATE lead SET name = 'LL'$$);
SELECT hubspot_drop_sync('leads');
-- ... and who cannot be mapped so
SELECT hubspot_sync('twice', 'offer', 'deal', mapping => '{"ref": "id", "contact": "buyer", "0-1": "firm"}');
SELECT hubspot_sync('query', 'SELECT * FROM offer', 'deal', key => 'id', mapping => '{"ref": "id", "company": "firm"}');
SELECT hubspot_sync('mirror', 'offer', 'deal', mapping => '{"ref": "id", "company": "firm"}', mode => 'mirror');
CREATE TABLE bare (ref text PRIMARY KEY, company text);
SELECT hubspot_sync('bare', 'bare', 'deal');
DROP TABLE offer, bare, lead;
DROP FUNCTION pairs(text);
DROP VIEW paired;

-- Triggers of one's own: what they miss, and that the remedy works as it is printed
CREATE TABLE "Own" (id int, email text) PARTITION BY RANGE (id);
CREATE TABLE own_1 PARTITION OF "Own" FOR VALUES FROM (0) TO (10);
CREATE TABLE own_2 PARTITION OF "Own" FOR VALUES FROM (10) TO (20);
CREATE TABLE own_parent (id int, email text);
CREATE TABLE own_child () INHERITS (own_parent);
CREATE TRIGGER " ON it" AFTER INSERT ON "Own" REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION hubspot_trigger('identify', 'crm', '{"email": "email"}');
CREATE TRIGGER rows AFTER INSERT OR UPDATE OF email ON own_parent FOR EACH ROW WHEN (NEW.email <> ' EXECUTE ') EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
CREATE TABLE own_fine (LIKE "Own") PARTITION BY RANGE (id);
CREATE TABLE own_fine_1 PARTITION OF own_fine DEFAULT;
CREATE TRIGGER fine AFTER INSERT ON own_fine FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
CREATE TABLE own_off (LIKE "Own");
CREATE TRIGGER off AFTER INSERT ON own_off FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
ALTER TABLE own_off DISABLE TRIGGER off;
SELECT "table", name, level, enabled_for, problem FROM hubspot.triggers ORDER BY 1, 2;
SELECT problem FROM hubspot_health() WHERE problem LIKE 'trigger %' ORDER BY 1;
SELECT does($$INSERT INTO own_1 VALUES (1, 'a@example.com')$$), does($$INSERT INTO own_child VALUES (1, 'b@example.com')$$), does($$INSERT INTO own_off VALUES (1, 'c@example.com')$$);
SELECT unnest(string_to_array(remedy, '; ')) FROM hubspot_health() WHERE problem LIKE 'trigger %' ORDER BY problem \gexec
SELECT "table", name, level, enabled_for, problem FROM hubspot.triggers WHERE problem <> '' ORDER BY 1, 2;
SELECT does($$INSERT INTO own_1 VALUES (1, 'a@example.com')$$), does($$INSERT INTO own_child VALUES (1, 'b@example.com')$$), does($$INSERT INTO own_off VALUES (1, 'c@example.com')$$),
	does($$INSERT INTO "Own" VALUES (11, 'd@example.com')$$), does($$INSERT INTO own_fine_1 VALUES (1, 'e@example.com')$$);
DROP TABLE "Own", own_parent, own_child, own_fine, own_off;
DROP VIEW our_triggers, queued;
DROP FUNCTION does(text), forget();
DROP EXTENSION hubspot CASCADE;
