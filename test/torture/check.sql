-- Compares the ledger, the tables of the extension and HubSpot's books.  A result row
-- is a property that must hold: what it is, how many break it, an example of those.

-- Each worker begins with asking for the account.  So the first such request after a
-- crash begins a life; requests with a lower number were sent by the one before.
CREATE TEMP TABLE asked AS
	SELECT (line ->> 'number')::bigint AS number, (line ->> 'at_us')::bigint AS at_us, line ->> 'path' AS path
	FROM request_line;
CREATE TEMP TABLE life AS
	SELECT number, at_us, row_number() OVER (ORDER BY number) AS life, crash_us, ack_lost_us
	FROM (SELECT DISTINCT ON (a.number) a.number, a.at_us, c.at_us AS crash_us,
			CASE WHEN current_setting('hubspot.ack_synchronous_commit')::bool THEN 0 ELSE 700000 END AS ack_lost_us
		FROM crash c CROSS JOIN LATERAL (SELECT number, at_us FROM asked
			WHERE path LIKE '%account-info%' AND asked.at_us > c.at_us ORDER BY number LIMIT 1) a
		ORDER BY a.number, c.at_us) AS begun;

CREATE TEMP TABLE applied AS
	SELECT (line ->> 'seq')::bigint AS seq, (line ->> 'at_us')::bigint AS at_us, line ->> 'op' AS op,
		CASE line ->> 'op' WHEN 'event' THEN 'event' ELSE
			CASE line ->> 'object' WHEN 'contacts' THEN 'contact' WHEN 'companies' THEN 'company' END END AS kind,
		line ->> 'uuid' AS uuid,
		coalesce(line #>> '{properties,city}', line #>> '{properties,marker}') AS marker,
		(SELECT count(*) FROM life WHERE life.number <= (line ->> 'request')::bigint) AS life
	FROM applied_line WHERE line ->> 'op' IN ('upsert', 'update', 'create', 'event');
ALTER TABLE applied ADD key text, ADD n int;
UPDATE applied a SET key = l.key, n = l.n FROM ledger l WHERE l.marker = a.marker;
CREATE INDEX ON applied (marker);

CREATE TEMP TABLE queued AS
	SELECT o.id, o.parent, o.object::text, o.key,
		coalesce(o.message #>> '{traits,city}', o.message #>> '{properties,marker}', o.message ->> 'city') AS marker,
		r.verdict, r.category, r.merged_into, coalesce(r.verdicts, 0) AS verdicts
	FROM hubspot.outbox o LEFT JOIN
		(SELECT id, min(verdict::text) AS verdict, min(category) AS category, min(merged_into) AS merged_into, count(*) AS verdicts
		FROM hubspot.result GROUP BY id) AS r USING (id)
	WHERE o.id > current_setting('torture.first_id')::bigint;
CREATE UNIQUE INDEX ON queued (id);
CREATE INDEX ON queued (marker);
ANALYZE;

CREATE TEMP TABLE broken (property text, example text);
CREATE TEMP TABLE property (number int, name text);

INSERT INTO property VALUES (1, 'every committed call has its row'), (2, 'every row is of a committed call'), (3, 'every row has one verdict'),
	(4, 'every verdict is the right one'), (5, 'what was delivered has arrived'), (6, 'what was not committed has not arrived'),
	(7, 'what was merged names the newer row of its key'), (8, 'values of a key never go back in the life of a worker'),
	(9, 'events of a contact arrive in order'), (10, 'no event arrives twice'), (11, 'each record ends with its last value'),
	(12, 'each life repeats no more than was under way'), (13, 'each member belongs to its company');

INSERT INTO broken
SELECT 'every committed call has its row', format('%s %s %s: %s rows', kind, key, marker, rows)
FROM (SELECT l.kind, l.key, l.marker, count(q.id) AS rows FROM ledger l
	LEFT JOIN queued q ON q.marker = l.marker AND q.object <> 'association' GROUP BY 1, 2, 3) AS rows_of WHERE rows <> 1
UNION ALL
SELECT 'every committed call has its row', format('association of %s %s: %s rows', l.key, l.marker, count(a.id))
FROM ledger l JOIN queued q ON q.marker = l.marker LEFT JOIN queued a ON a.parent = q.id AND a.object = 'association'
WHERE l.member IS NOT NULL GROUP BY l.key, l.marker HAVING count(a.id) <> 1
UNION ALL
SELECT 'every row is of a committed call', format('%s %s %s', id, object, key)
FROM queued q WHERE parent IS NULL AND NOT EXISTS (SELECT FROM ledger l WHERE l.marker = q.marker)
UNION ALL
SELECT 'every row has one verdict', format('%s %s %s: %s', id, object, key, verdicts)
FROM queued WHERE verdicts <> 1
UNION ALL
SELECT 'every row has one verdict', format('%s has a verdict and no row', id)
FROM hubspot.result r WHERE NOT EXISTS (SELECT FROM hubspot.outbox o WHERE o.id = r.id)
UNION ALL
SELECT 'every verdict is the right one', format('%s %s %s: %s %s', id, object, q.key, verdict, category)
FROM queued q LEFT JOIN ledger l USING (marker)
WHERE CASE WHEN l.kind = 'bad' THEN (verdict, category) IS DISTINCT FROM ('rejected', 'INVALID_EMAIL')
	ELSE verdict IS NULL OR verdict NOT IN ('delivered', 'coalesced', 'unchanged') END
UNION ALL
SELECT 'what was delivered has arrived', format('%s %s %s %s', id, object, key, marker)
FROM queued q WHERE verdict IN ('delivered', 'unchanged') AND object <> 'association' AND NOT EXISTS (SELECT FROM applied a WHERE a.marker = q.marker)
UNION ALL
SELECT 'what was not committed has not arrived', format('%s %s', seq, marker)
FROM applied WHERE kind IS NOT NULL AND marker IS NOT NULL AND key IS NULL
UNION ALL
SELECT 'what was not committed has not arrived', format('%s %s is bad', seq, l.marker)
FROM applied a JOIN ledger l USING (marker) WHERE l.kind = 'bad'
UNION ALL
SELECT 'what was merged names the newer row of its key', format('%s %s into %s', q.id, q.key, q.merged_into)
FROM queued q JOIN ledger l USING (marker) LEFT JOIN queued other ON other.id = q.merged_into LEFT JOIN ledger o ON o.marker = other.marker
WHERE q.verdict = 'coalesced' AND (coalesce(other.verdict, '') NOT IN ('delivered', 'unchanged') OR o.key <> l.key OR o.kind <> l.kind OR o.n <= l.n)
UNION ALL
SELECT 'values of a key never go back in the life of a worker', format('%s %s: %s after %s, line %s of life %s', kind, key, n, before, seq, life)
FROM (SELECT *, max(n) OVER (PARTITION BY kind, key, life ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
	FROM applied WHERE kind IN ('contact', 'company') AND key IS NOT NULL) AS in_order WHERE n < before
UNION ALL
SELECT 'events of a contact arrive in order', format('%s: %s after %s, line %s', key, n, before, seq)
FROM (SELECT *, max(n) OVER (PARTITION BY key ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
	FROM applied WHERE kind = 'event' AND key IS NOT NULL) AS in_order WHERE n < before
UNION ALL
SELECT 'no event arrives twice', format('%s %s', marker, count(*))
FROM applied WHERE kind = 'event' GROUP BY marker HAVING count(*) > 1
UNION ALL
SELECT 'no event arrives twice', format('%s %s', uuid, count(*))
FROM applied WHERE kind = 'event' GROUP BY uuid HAVING count(*) > 1
UNION ALL
SELECT 'each record ends with its last value', format('%s %s: %s, should be %s', kind, key, is_last, should)
FROM (SELECT kind, key, max(n) AS should FROM ledger WHERE kind IN ('contact', 'company') GROUP BY kind, key) AS called
	LEFT JOIN (SELECT DISTINCT ON (kind, key) kind, key, n AS is_last FROM applied ORDER BY kind, key, seq DESC) AS arrived USING (kind, key)
WHERE is_last IS DISTINCT FROM should;

-- What was sent in one life and again in a later one had no verdict on disk when the
-- first one ended: 6 requests of 100 records were under way, 1000 verdicts not written,
-- and of those that were written asynchronously the last moments lost.
CREATE TEMP TABLE repeats AS
	SELECT life, count(DISTINCT marker) AS repeats,
		1600 + (SELECT count(*) FROM applied a JOIN life e ON e.life = again.life + 1
			WHERE a.at_us BETWEEN e.crash_us - e.ack_lost_us AND e.crash_us) AS bound
	FROM (SELECT life, marker, lead(life) OVER (PARTITION BY marker ORDER BY seq) AS next_life
		FROM applied WHERE kind IN ('contact', 'company') AND marker IS NOT NULL) AS again
	WHERE next_life > life GROUP BY life;
INSERT INTO broken
SELECT 'each life repeats no more than was under way', format('life %s: %s, at most %s', life, repeats, bound)
FROM repeats WHERE repeats > bound;

CREATE TEMP TABLE record AS
	SELECT DISTINCT a.kind, a.key, line ->> 'id' AS id
	FROM applied_line l JOIN applied a ON a.seq = (l.line ->> 'seq')::bigint WHERE a.kind IN ('contact', 'company');
INSERT INTO broken
SELECT DISTINCT 'each member belongs to its company', format('%s of %s', l.member, l.key)
FROM ledger l JOIN record contact ON contact.kind = 'contact' AND contact.key = l.member
	JOIN record company ON company.kind = 'company' AND company.key = l.key
WHERE (contact.id, company.id) NOT IN (SELECT line ->> 'contact', line ->> 'company' FROM applied_line WHERE line ->> 'op' = 'associate');

SELECT p.name, count(b.example), coalesce((array_agg(b.example))[1:5]::text, '')
FROM property p LEFT JOIN broken b ON b.property = p.name GROUP BY p.number, p.name ORDER BY p.number;

SELECT 'calls', count(*), 'committed' FROM ledger
UNION ALL SELECT 'rows', count(*), 'of the outbox' FROM queued
UNION ALL SELECT 'requests', count(*), 'that HubSpot saw' FROM request_line
UNION ALL SELECT 'records applied', count(*), 'by HubSpot' FROM applied
UNION ALL SELECT 'repeats within a life', count(*), 'of contacts and companies, after trouble' FROM (SELECT FROM applied
	WHERE kind IN ('contact', 'company') AND marker IS NOT NULL GROUP BY marker, life HAVING count(*) > 1) AS r
UNION ALL SELECT 'repeats after a crash', coalesce(sum(repeats), 0), format('at most %s after one', coalesce(max(repeats), 0)) FROM repeats
UNION ALL SELECT 'lives of a worker', count(*), 'after the first' FROM life;
