-- Compares the ledger, the tables of the extension and HubSpot's books.  A result row
-- is a property that must hold: what it is, how many break it, an example of those.

--
-- What HubSpot did
--
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
		CASE line ->> 'op' WHEN 'event' THEN 'event' WHEN 'form' THEN 'form' ELSE
			CASE line ->> 'object' WHEN 'contacts' THEN 'contact' WHEN 'companies' THEN 'company' WHEN 'deals' THEN 'deal' WHEN 'tickets' THEN 'ticket'
				WHEN current_setting('torture.car') THEN 'car' END END AS object,
		line ->> 'id' AS record_id, line ->> 'uuid' AS uuid,
		coalesce(line #>> '{properties,city}', line #>> '{properties,marker}', line #>> '{submission,context,pageName}') AS marker,
		(SELECT count(*) FROM life WHERE life.number <= (line ->> 'request')::bigint) AS life
	FROM applied_line WHERE line ->> 'op' IN ('upsert', 'update', 'create', 'event', 'form');
CREATE INDEX ON applied (marker);
ANALYZE ledger, applied_line, request_line;

-- Which contact and which company a record id is
CREATE TEMP TABLE person AS
	SELECT DISTINCT line ->> 'id' AS record_id, lower(coalesce(line ->> 'email', line ->> 'key')) AS address
	FROM applied_line WHERE line ->> 'op' IN ('upsert', 'event') AND coalesce(line ->> 'object', 'contacts') IN ('contacts', 'events')
		AND coalesce(line ->> 'email', line ->> 'key') LIKE '%@%';
CREATE TEMP TABLE firm AS
	SELECT DISTINCT line ->> 'id' AS record_id, line ->> 'key' AS company
	FROM applied_line WHERE line ->> 'op' = 'upsert' AND line ->> 'object' = 'companies';
CREATE TEMP TABLE belonging AS
	SELECT DISTINCT person.address, firm.company
	FROM applied_line JOIN person ON person.record_id = line ->> 'contact' JOIN firm ON firm.record_id = line ->> 'company'
	WHERE line ->> 'op' = 'associate';

--
-- What was called
--
-- A userId means the contact that was told last before the call; one that nobody had told
-- before waits, and means the one that is told then.
CREATE INDEX ON ledger (key, n) WHERE kind = 'tell';
CREATE TEMP TABLE called AS
	SELECT l.marker, l.id, l.kind, l.key, l.n, l.member, l.company, l.list, l.is_in, l.key ~ '^[ud]\d+$' AS is_user,
		CASE WHEN l.key ~ '@' THEN l.key WHEN l.address IS NOT NULL THEN l.address ELSE before.address END AS address,
		l.key ~ '^[ud]\d+$' AND l.address IS NULL AND before.address IS NULL AS is_told_later
	FROM ledger l LEFT JOIN LATERAL (SELECT t.address FROM ledger t
		WHERE l.key ~ '^[ud]\d+$' AND t.key = l.key AND t.kind = 'tell' AND t.n < l.n ORDER BY t.n DESC LIMIT 1) AS before ON true;
CREATE INDEX ON called (marker);

-- The rows of the outbox that it makes: a call is one, and has others with it.
CREATE TEMP TABLE expected AS
	SELECT marker, kind, key, n, is_user, is_told_later, object,
		CASE object WHEN 'company' THEN coalesce(company, key) WHEN 'deal' THEN key WHEN 'ticket' THEN key WHEN 'car' THEN key WHEN 'list' THEN address || ' ' || list ELSE address END AS record
	FROM (SELECT *, unnest(CASE kind WHEN 'company' THEN ARRAY['company'] WHEN 'event' THEN ARRAY['event'] WHEN 'form' THEN ARRAY['form']
			WHEN 'list' THEN ARRAY['list'] WHEN 'enters' THEN ARRAY['list'] WHEN 'leaves' THEN ARRAY['list'] WHEN 'did' THEN ARRAY['event']
			WHEN 'said' THEN ARRAY['event', 'contact'] WHEN 'joins' THEN ARRAY['company', 'association'] WHEN 'deal' THEN ARRAY['deal']
			WHEN 'ticket' THEN ARRAY['ticket'] WHEN 'car' THEN ARRAY['car'] WHEN 'pair' THEN ARRAY['pair'] ELSE ARRAY['contact'] END
			|| CASE WHEN member IS NULL THEN '{}' ELSE ARRAY['association'] END) AS object
		FROM called) AS rows_of;
CREATE INDEX ON expected (marker, object);

CREATE TEMP TABLE queued AS
	SELECT o.id, o.parent, o.call::text, CASE o.object::text WHEN current_setting('torture.car') THEN 'car' ELSE o.object::text END AS object, o.key, o.source::text,
		coalesce(o.message ->> 'marker', o.message #>> '{traits,city}', o.message #>> '{properties,marker}', o.message #>> '{properties,city}', o.message ->> 'city') AS marker,
		r.verdict, r.category, r.merged_into, coalesce(r.verdicts, 0) AS verdicts
	FROM hubspot.outbox o LEFT JOIN
		(SELECT id, min(verdict::text) AS verdict, min(category) AS category, min(merged_into) AS merged_into, count(*) AS verdicts
		FROM hubspot.result GROUP BY id) AS r USING (id)
	WHERE o.id > current_setting('torture.first_id')::bigint
		AND o.server = (SELECT oid FROM pg_foreign_server WHERE srvname = 'crm');
CREATE UNIQUE INDEX ON queued (id);
-- Of an association, a pair and of who was erased the message does not tell.
UPDATE queued q SET marker = p.marker FROM queued p WHERE q.object = 'association' AND p.id = q.parent;
UPDATE queued q SET marker = l.marker FROM ledger l WHERE l.id = q.id AND l.kind IN ('erased', 'pair');
CREATE INDEX ON queued (marker);
ANALYZE applied, person, firm, belonging, called, expected, queued;

ALTER TABLE applied ADD kind text, ADD record text, ADD n int, ADD is_told_later bool;
UPDATE applied a SET kind = e.kind, record = coalesce(e.record, ''), n = e.n, is_told_later = e.is_told_later
FROM expected e WHERE e.marker = a.marker AND e.object = a.object;
-- Whom it concerned
ALTER TABLE applied ADD address text;
UPDATE applied a SET address = p.address FROM person p WHERE p.record_id = a.record_id AND a.object IN ('contact', 'event');
ANALYZE applied;

--
-- What must hold
--
CREATE TEMP TABLE property (number int GENERATED ALWAYS AS IDENTITY, name text);
INSERT INTO property (name) VALUES
	('every committed call has its rows'), ('every row is of a committed call'), ('every row has one verdict'),
	('every verdict is the right one'), ('a verdict that is not good has a reason'), ('what was delivered has arrived'),
	('what was not committed has not arrived'), ('what was merged names the newer row of its record'),
	('values of a record never go back in the life of a worker'), ('events of a contact arrive in order'), ('no event arrives twice'),
	('no form arrives twice'), ('each record ends with its last value'), ('each life repeats no more than was under way'),
	('each member belongs to its company'), ('nobody belongs to a company that was not called'), ('a userId means who was told before'),
	('each list ends with its members'), ('who was deleted is gone, who came back is there'), ('of who was erased nothing is left'),
	('each pair ends as it was called last'), ('nothing is paired that was not called'), ('the audience has its members'), ('the counters are what the tables hold');

CREATE TEMP TABLE broken (property text, example text);
INSERT INTO broken
SELECT 'every committed call has its rows', format('%s %s %s: %s rows of %s', kind, key, marker, rows, object)
FROM (SELECT e.kind, e.key, e.marker, e.object, count(q.id) AS rows FROM expected e LEFT JOIN queued q USING (marker, object)
	GROUP BY 1, 2, 3, 4) AS rows_of WHERE rows <> 1
UNION ALL
SELECT 'every row is of a committed call', format('%s %s %s', q.id, object, q.key)
FROM queued q LEFT JOIN expected e USING (marker, object) WHERE e.marker IS NULL AND NOT (source = 'sync' AND q.marker IS NULL)
UNION ALL
SELECT 'every row has one verdict', format('%s %s %s: %s', id, object, key, verdicts)
FROM queued WHERE verdicts <> 1
UNION ALL
SELECT 'every row has one verdict', format('%s has a verdict and no row', id)
FROM hubspot.result r WHERE NOT EXISTS (SELECT FROM hubspot.outbox o WHERE o.id = r.id)
UNION ALL
SELECT 'every row has one verdict', example FROM disagreement
UNION ALL
-- Of who was erased, what waited is cancelled, and what a crash repeats is refused.
SELECT 'every verdict is the right one', format('%s %s %s: %s %s', q.id, q.call, q.object, verdict, category)
FROM queued q LEFT JOIN ledger l USING (marker)
WHERE CASE WHEN l.kind = 'bad' THEN (verdict, category) IS DISTINCT FROM ('rejected', 'INVALID_EMAIL')
	ELSE verdict IS NULL OR verdict NOT IN ('delivered', 'coalesced', 'unchanged') END
	-- a 404 of nobody that one request has met twice, while others of its path went well, is taken for its own
	AND (verdict, category) IS DISTINCT FROM ('rejected', 'not_found')
	AND NOT (l.kind = 'form' AND (verdict, category) IS NOT DISTINCT FROM ('unknown', 'answer_lost'))
	AND NOT (l.kind = 'erased' AND (verdict = 'cancelled' OR (verdict, category) IS NOT DISTINCT FROM ('rejected', 'INVALID_EMAIL')))
UNION ALL
-- Only a row whose userId was told by a later one finds younger values there.
SELECT 'every verdict is the right one', format('%s %s %s: %s older_value, though its userId was told before', q.id, q.call, q.object, verdict)
FROM queued q JOIN expected e USING (marker, object) WHERE q.category = 'older_value' AND NOT e.is_told_later
UNION ALL
SELECT 'a verdict that is not good has a reason', format('%s %s %s: %s', id, call, object, verdict)
FROM queued WHERE verdict NOT IN ('delivered', 'coalesced', 'unchanged', 'sent_unconfirmed') AND category IS NULL
UNION ALL
SELECT 'what was delivered has arrived', format('%s %s %s %s', id, object, key, marker)
FROM queued q WHERE verdict IN ('delivered', 'unchanged') AND object NOT IN ('association', 'list', 'pair') AND call <> 'delete' AND marker IS NOT NULL
	AND category IS DISTINCT FROM 'older_value' AND NOT EXISTS (SELECT FROM applied a WHERE a.marker = q.marker AND a.object = q.object)
UNION ALL
SELECT 'what was not committed has not arrived', format('%s %s', seq, marker)
FROM applied WHERE object IS NOT NULL AND marker IS NOT NULL AND record IS NULL
UNION ALL
SELECT 'what was not committed has not arrived', format('%s %s is bad', seq, marker)
FROM applied WHERE kind = 'bad'
UNION ALL
SELECT 'what was merged names the newer row of its record', format('%s %s %s into %s', q.id, q.object, q.marker, q.merged_into)
FROM queued q JOIN expected l USING (marker, object) LEFT JOIN queued other ON other.id = q.merged_into
	LEFT JOIN expected o ON o.marker = other.marker AND o.object = other.object
WHERE q.verdict = 'coalesced' AND (coalesce(other.verdict, '') NOT IN ('delivered', 'unchanged', 'cancelled', 'rejected') OR o.object <> l.object
	OR (o.record <> l.record AND NOT l.is_told_later) OR o.n <= l.n)
UNION ALL
SELECT 'values of a record never go back in the life of a worker', format('%s %s: %s after %s, line %s of life %s', object, record, n, before, seq, life)
FROM (SELECT *, max(n) OVER (PARTITION BY object, record, life ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
	FROM applied WHERE object IN ('contact', 'company', 'deal', 'ticket', 'car') AND record IS NOT NULL AND NOT is_told_later) AS in_order WHERE n < before
UNION ALL
SELECT 'events of a contact arrive in order', format('%s: %s after %s, line %s', record, n, before, seq)
FROM (SELECT *, max(n) OVER (PARTITION BY record ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before
	FROM applied WHERE object = 'event' AND record IS NOT NULL AND NOT is_told_later) AS in_order WHERE n < before
UNION ALL
SELECT 'no event arrives twice', format('%s %s', marker, count(*))
FROM applied WHERE object = 'event' GROUP BY marker HAVING count(*) > 1
UNION ALL
SELECT 'no event arrives twice', format('%s %s', uuid, count(*))
FROM applied WHERE object = 'event' GROUP BY uuid HAVING count(*) > 1
UNION ALL
SELECT 'no form arrives twice', format('%s %s', marker, count(*))
FROM applied WHERE object = 'form' GROUP BY marker HAVING count(*) > 1
UNION ALL
SELECT 'each record ends with its last value', format('%s %s: %s, should be %s', object, record, is_last, should)
FROM (SELECT object, record, max(n) AS should FROM expected
		WHERE object IN ('contact', 'company', 'deal', 'ticket', 'car') AND kind NOT IN ('bad', 'erased', 'deleted') AND record IS NOT NULL GROUP BY object, record) AS last_called
	LEFT JOIN (SELECT DISTINCT ON (object, record) object, record, n AS is_last FROM applied ORDER BY object, record, seq DESC) AS arrived USING (object, record)
WHERE is_last IS DISTINCT FROM should;

-- What was sent in one life and again in a later one had no verdict on disk when the
-- first one ended: 6 requests of 100 records were under way, 1000 verdicts not written,
-- and of those that were written asynchronously the last moments lost.
CREATE TEMP TABLE repeats AS
	SELECT life, count(DISTINCT marker) AS repeats,
		1600 + (SELECT count(*) FROM applied a JOIN life e ON e.life = again.life + 1
			WHERE a.at_us BETWEEN e.crash_us - e.ack_lost_us AND e.crash_us) AS bound
	FROM (SELECT life, marker, lead(life) OVER (PARTITION BY object, marker ORDER BY seq) AS next_life
		FROM applied WHERE object IN ('contact', 'company') AND marker IS NOT NULL) AS again
	WHERE next_life > life GROUP BY life;
INSERT INTO broken
SELECT 'each life repeats no more than was under way', format('life %s: %s, at most %s', life, repeats, bound)
FROM repeats WHERE repeats > bound;

--
-- Who belongs to what
--
CREATE TEMP TABLE joined AS
	SELECT DISTINCT coalesce(member, address) AS address, coalesce(company, key) AS company, is_told_later, key
	FROM called WHERE member IS NOT NULL OR kind = 'joins';
INSERT INTO broken
SELECT 'each member belongs to its company', format('%s of %s', address, company)
FROM joined j WHERE NOT is_told_later AND NOT EXISTS (SELECT FROM belonging b WHERE (b.address, b.company) = (j.address, j.company))
UNION ALL
SELECT 'nobody belongs to a company that was not called', format('%s of %s', address, company)
FROM belonging b WHERE NOT EXISTS (SELECT FROM joined j WHERE j.company = b.company
	AND (j.address = b.address OR (j.is_told_later AND EXISTS (SELECT FROM ledger t WHERE t.key = j.key AND t.address = b.address))))
UNION ALL
SELECT 'a userId means who was told before', format('%s %s %s: %s, should be %s', object, kind, marker, address, record)
FROM applied WHERE kind IN ('did', 'said') AND NOT is_told_later AND address IS DISTINCT FROM record
UNION ALL
SELECT 'a userId means who was told before', format('%s %s %s, which nobody had told: %s', object, kind, marker, address)
FROM applied a WHERE kind IN ('did', 'said') AND is_told_later
	AND NOT EXISTS (SELECT FROM ledger l JOIN ledger t ON t.key = l.key AND t.kind = 'tell' AND t.n > l.n
		WHERE l.marker = a.marker AND t.address = a.address);

CREATE TEMP TABLE deal AS
	SELECT DISTINCT line ->> 'id' AS record_id, line ->> 'key' AS deal
	FROM applied_line WHERE line ->> 'op' = 'upsert' AND line ->> 'object' = 'deals' AND line ->> 'key' LIKE 'deal%';
CREATE TEMP TABLE pair_line AS
	SELECT deal || ' ' || address AS pair, (line ->> 'seq')::bigint AS seq, line ->> 'op' AS op, line -> 'labels' ? 'Torture' AS has_label
	FROM applied_line, LATERAL (SELECT CASE line ->> 'from_object' WHEN 'deals' THEN line ->> 'from' ELSE line ->> 'to' END AS deal_id,
			CASE line ->> 'from_object' WHEN 'deals' THEN line ->> 'to' ELSE line ->> 'from' END AS contact_id) AS ends,
		deal, person
	WHERE line ->> 'op' IN ('associate', 'dissociate', 'unlabel') AND deal.record_id = deal_id AND person.record_id = contact_id
		AND 'deals' IN (line ->> 'from_object', line ->> 'to_object') AND 'contacts' IN (line ->> 'from_object', line ->> 'to_object');
INSERT INTO broken
SELECT 'each pair ends as it was called last', format('%s: %s with label %s, called %s with %s', key, op, has_label, is_in, label)
FROM (SELECT DISTINCT ON (key) key, is_in, company AS label FROM ledger WHERE kind = 'pair' ORDER BY key, n DESC) AS last_called
	LEFT JOIN (SELECT DISTINCT ON (pair) pair AS key, op, has_label AND op = 'associate' AS has_label
		FROM pair_line ORDER BY pair, seq DESC) AS arrived USING (key)
WHERE CASE WHEN is_in THEN op IS NULL OR op = 'dissociate' OR (label IS NOT NULL AND NOT has_label)
	WHEN label IS NULL THEN op <> 'dissociate' ELSE has_label END
UNION ALL
SELECT 'nothing is paired that was not called', format('%s: %s', pair, op)
FROM pair_line p WHERE NOT EXISTS (SELECT FROM ledger l WHERE l.kind = 'pair' AND l.key = p.pair AND l.is_in = (p.op = 'associate'));

CREATE TEMP TABLE list_state AS
	SELECT DISTINCT ON (list, address) line ->> 'name' AS list, address, line ->> 'op' = 'list_add' AS is_in
	FROM applied_line JOIN person ON person.record_id = line ->> 'id', LATERAL (SELECT line ->> 'name' AS list) AS l
	WHERE line ->> 'op' IN ('list_add', 'list_remove') ORDER BY list, address, (line ->> 'seq')::bigint DESC;
INSERT INTO broken
SELECT 'each list ends with its members', format('%s of %s: %s, should be %s', address, list, is_in, should)
FROM (SELECT DISTINCT ON (list, address) list, address, is_in AS should
		FROM called WHERE list IS NOT NULL AND address IS NOT NULL
			AND NOT EXISTS (SELECT FROM called later WHERE later.is_told_later AND later.key = called.key AND later.list = called.list)
		ORDER BY list, address, n DESC) AS wanted
	LEFT JOIN list_state USING (list, address)
WHERE coalesce(is_in, false) <> should;

--
-- Who is gone
--
CREATE TEMP TABLE alive AS
	SELECT address, bool_or(op IN ('upsert', 'event')) AS is_there
	FROM (SELECT DISTINCT ON (record_id) address, line ->> 'op' AS op
		FROM person JOIN applied_line ON line ->> 'id' = record_id
		WHERE line ->> 'op' IN ('upsert', 'event', 'archive', 'gdpr') ORDER BY record_id, (line ->> 'seq')::bigint DESC) AS last_op
	GROUP BY address;
INSERT INTO broken
SELECT 'who was deleted is gone, who came back is there', format('%s is there: %s, should be: %s', address, coalesce(is_there, false), should)
FROM (SELECT DISTINCT ON (address) address, kind <> 'deleted' AS should
	FROM called WHERE key ~ '^d\d+$' AND address IS NOT NULL ORDER BY address, n DESC) AS wanted LEFT JOIN alive USING (address)
WHERE coalesce(is_there, false) <> should
UNION ALL
SELECT 'of who was erased nothing is left', format('%s is there', address)
FROM alive WHERE is_there AND address LIKE '%@erased.example.com'
UNION ALL
SELECT 'of who was erased nothing is left', format('%s: %s', place, example)
FROM (SELECT 'outbox' AS place, left(o::text, 200) AS example FROM hubspot.outbox o WHERE o::text ~ '@erased\.'
	UNION ALL SELECT 'result', left(r::text, 200) FROM hubspot.result r WHERE r::text ~ '@erased\.'
	UNION ALL SELECT 'record', r::text FROM hubspot.record r WHERE key ~ '@erased\.'
	UNION ALL SELECT 'dead', d::text FROM hubspot.dead d WHERE d::text ~ '@erased\.'
	UNION ALL SELECT 'company_contact', c::text FROM hubspot.company_contact c WHERE c::text ~ '@erased\.') AS left_over
UNION ALL
SELECT 'the audience has its members', format('%s: %s, should be %s', email, is_in, should)
FROM (SELECT email, is_in AS should FROM people) AS wanted
	LEFT JOIN (SELECT DISTINCT ON (address) address AS email, (line #>> '{properties,torture}')::bool AS is_in
		FROM applied_line JOIN person ON person.record_id = line ->> 'id'
		WHERE line #> '{properties,torture}' IS NOT NULL ORDER BY address, (line ->> 'seq')::bigint DESC) AS arrived USING (email)
WHERE coalesce(is_in, false) <> should;

--
-- What was counted
--
INSERT INTO broken
SELECT 'the counters are what the tables hold', format('%s %s %s %s %s: counted %s, there are %s', server, lane, call, verdict, category, counted, rows)
FROM (SELECT s.srvname AS server, hubspot.lane_of_object(o.object::text) AS lane, o.call::text, r.verdict::text, coalesce(r.category, '') AS category, count(*) AS rows,
		sum(greatest(r.attempt - 1, 0)) AS retries
		FROM hubspot.result r JOIN hubspot.outbox o USING (id) JOIN pg_foreign_server s ON s.oid = o.server
			GROUP BY 1, 2, 3, 4, 5) AS ended
	FULL JOIN (SELECT server, lane, call, verdict, coalesce(category, '') AS category, rows AS counted, retries AS counted_retries
		FROM hubspot.statistics) AS counted USING (server, lane, call, verdict, category)
WHERE (rows, retries) IS DISTINCT FROM (counted, counted_retries)
UNION ALL
SELECT 'the counters are what the tables hold', format('requests %s %s %s: counted %s, there are %s', server, lane, status, counted, requests)
FROM (SELECT s.srvname AS server, q.lane, coalesce(q.status, 0) AS status, count(*) AS requests, sum(q.records) AS records, sum(q.bytes_sent) AS sent
		FROM hubspot.request q JOIN pg_foreign_server s ON s.oid = q.server GROUP BY 1, 2, 3) AS made
	FULL JOIN (SELECT server, lane, coalesce(status, 0) AS status, requests AS counted, records AS counted_records, bytes_sent AS counted_sent
		FROM hubspot.request_statistics) AS counted USING (server, lane, status)
WHERE (requests, records, sent) IS DISTINCT FROM (counted, counted_records, counted_sent);

SELECT p.name, count(b.example), coalesce((array_agg(b.example))[1:5]::text, '')
FROM property p LEFT JOIN broken b ON b.property = p.name GROUP BY p.number, p.name ORDER BY p.number;

SELECT 'calls', count(*), 'committed' FROM ledger
UNION ALL SELECT 'calls by userId', count(*), format('%s of them before anybody had told it', count(*) FILTER (WHERE is_told_later)) FROM called WHERE is_user
UNION ALL SELECT 'rows', count(*), 'of the outbox' FROM queued
UNION ALL SELECT 'requests', count(*), 'that HubSpot saw' FROM request_line
UNION ALL SELECT 'records applied', count(*), 'by HubSpot' FROM applied
UNION ALL SELECT 'forms whose answer was lost', count(*), '' FROM queued WHERE verdict = 'unknown'
UNION ALL SELECT 'deletions', count(*), format('and %s erasures', count(*) FILTER (WHERE line ->> 'op' = 'gdpr')) FROM applied_line WHERE line ->> 'op' IN ('archive', 'gdpr')
UNION ALL SELECT 'repeats within a life', count(*), 'of contacts and companies, after trouble' FROM (SELECT FROM applied
	WHERE object IN ('contact', 'company') AND marker IS NOT NULL GROUP BY object, marker, life HAVING count(*) > 1) AS r
UNION ALL SELECT 'repeats after a crash', coalesce(sum(repeats), 0), format('at most %s after one', coalesce(max(repeats), 0)) FROM repeats
UNION ALL SELECT 'lives of a worker', count(*), 'after the first' FROM life;
