/* 92-markup.sql
 *
 * What hubspot_report() is made of: markup, words, pictures.
 *
 * Names, reasons and messages come from users and from HubSpot.  They get
 * into the page as arguments of hubspot.html() only, which escapes each; a
 * template is a constant of ours.  What is markup already, the result of
 * another hubspot.html(), is concatenated.
 *
 * Templates are ASCII: a character that the client's encoding does not have
 * would be an error of the whole page.
 */

CREATE FUNCTION hubspot.html(template text, VARIADIC data text[] DEFAULT '{}') RETURNS text
LANGUAGE c IMMUTABLE STRICT PARALLEL SAFE AS 'MODULE_PATHNAME', 'hubspot_html';
COMMENT ON FUNCTION hubspot.html(text, text[]) IS
'a template of ours with data in place of its %s, each escaped, so that it is a text in the page and never markup; NULL is empty, %% is a percent sign';

CREATE FUNCTION hubspot.grouped(number numeric) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT to_char(round($1), 'FM999,999,999,999,999,990');
END;
COMMENT ON FUNCTION hubspot.grouped(numeric) IS 'a number for a reader: whole, with a comma after each three digits';

CREATE FUNCTION hubspot.span_in_words(span interval) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN s.s < 1 THEN 'under 1 s'
		WHEN s.s < 90 THEN format('%s s', s.s::int)
		WHEN s.s < 90 * 60 THEN format('%s min', (s.s / 60)::int)
		WHEN s.s < 36 * 3600 THEN format('%s h %s min', div(round(s.s / 60), 60), mod(round(s.s / 60), 60))
		WHEN s.s IS NOT NULL THEN format('%s d %s h', div(round(s.s / 3600), 24), mod(round(s.s / 3600), 24)) END
	FROM (SELECT greatest(extract(epoch FROM $1), 0) AS s WHERE $1 IS NOT NULL) s;
END;
COMMENT ON FUNCTION hubspot.span_in_words(interval) IS 'a span of time for a reader, in its one or two largest units';

CREATE FUNCTION hubspot.lane_mood(state text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE WHEN $1 = 'RUN' THEN 'good'
		WHEN count(x.remedy) = 0 THEN 'calm'
		WHEN bool_or(x.failure) THEN 'bad'
		ELSE 'warn' END
	FROM hubspot.lane_states() x WHERE x.state = $1;
END;
COMMENT ON FUNCTION hubspot.lane_mood(text) IS
'how a lane''s state is marked in hubspot_report(): good, calm (nothing to do), warn (somebody or a limit holds it) or bad (a failure)';

CREATE FUNCTION hubspot.html_state(word text, mood text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	/* a disc, a ring, a triangle, a square: told apart without colours, too */
	SELECT hubspot.html('<span class="state %s"><span aria-hidden="true">', $2)
		|| CASE $2 WHEN 'good' THEN '&#9679;' WHEN 'calm' THEN '&#9675;' WHEN 'warn' THEN '&#9650;' ELSE '&#9632;' END
		|| hubspot.html('</span> %s</span>', $1);
END;
COMMENT ON FUNCTION hubspot.html_state(text, text) IS 'a state as a word with a mark of its mood, see hubspot.lane_mood()';

CREATE FUNCTION hubspot.html_meter(share double precision, mood text DEFAULT 'calm') RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT hubspot.html('<span class="meter %s" role="img" aria-label="%s percent"><span style="width:%s%%">&#160;</span></span>',
		$2, round(s.percent)::text, round(s.percent, 1)::text)
	FROM (SELECT least(greatest($1, 0), 1)::numeric * 100 AS percent WHERE $1 IS NOT NULL) s;
END;
COMMENT ON FUNCTION hubspot.html_meter(double precision, text) IS 'a bar that is filled to a share of 0 to 1; NULL of NULL';

CREATE FUNCTION hubspot.round_ceiling(number numeric) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT min(c.c) FROM floor(log(greatest($1, 2))) e, unnest('{1,2,4,6,8,10,20}'::numeric[]) m, LATERAL (SELECT m * 10::numeric ^ e AS c) c
	WHERE c.c >= greatest($1, 2) AND mod(c.c, 2) = 0;
END;
COMMENT ON FUNCTION hubspot.round_ceiling(numeric) IS 'the next round number, whose half is whole: the end of an axis';

CREATE FUNCTION hubspot.html_spark(bars numeric[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT hubspot.html('<svg class="spark" viewBox="0 0 %s 24" preserveAspectRatio="none" aria-hidden="true"><path class="axis" d="M0 23.5H%s"/>',
			max(4 * b.n)::text, max(4 * b.n)::text)
		|| coalesce(string_agg(hubspot.html('<rect x="%s" y="%s" width="3" height="%s"/>', (4 * (b.n - 1))::text, (24 - h.height)::text, h.height::text), '' ORDER BY b.n)
			FILTER (WHERE b.size > 0), '') || '</svg>'
	FROM (SELECT max(m.m) AS size FROM unnest($1) AS m(m)) AS top,
		unnest($1) WITH ORDINALITY AS b(size, n),
		LATERAL (SELECT greatest(round(23 * b.size / nullif(top.size, 0), 1), 1) AS height) h;
END;
COMMENT ON FUNCTION hubspot.html_spark(numeric[]) IS 'a row of small bars, the largest of them as high as a line of text';

CREATE FUNCTION hubspot.html_chart(title text, note text, bars numeric[], tips text[], marked boolean[], bound numeric, begins timestamptz)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
BEGIN ATOMIC
	/* once, not for each bar */
	WITH axis AS MATERIALIZED (
		SELECT hubspot.round_ceiling(greatest((SELECT max(b.b) FROM unnest($3) AS b(b)), $6)) AS top, 10 * cardinality($3) AS width
	)
	SELECT hubspot.html('<figure><figcaption><b>%s</b> <span>%s</span></figcaption><div class="plot">', $1, $2)
		|| hubspot.html('<span class="top">%s</span><span class="half">%s</span><span class="zero">0</span>', hubspot.grouped(a.top), hubspot.grouped(a.top / 2))
		|| hubspot.html('<svg viewBox="0 0 %s 108" preserveAspectRatio="none" role="img" aria-label="%s: %s">', a.width::text, $1, $2)
		|| hubspot.html('<path class="grid" d="M0 .5H%s M0 50H%s"/><path class="axis" d="M0 100H%s"/>', a.width::text, a.width::text, a.width::text)
		|| (SELECT string_agg(
				hubspot.html('<g><title>%s</title><rect class="hit" x="%s" y="0" width="10" height="108"/>', $4[b.n], (10 * (b.n - 1))::text)
				|| CASE WHEN b.size > 0
					THEN hubspot.html('<rect x="%s" y="%s" width="8" height="%s"/>', (10 * b.n - 9)::text, (100 - h.height)::text, h.height::text) ELSE '' END
				|| CASE WHEN $5[b.n] THEN hubspot.html('<rect class="bad" x="%s" y="103" width="8" height="5"/>', (10 * b.n - 9)::text) ELSE '' END
				|| '</g>', '' ORDER BY b.n)
			FROM unnest($3) WITH ORDINALITY AS b(size, n),
				LATERAL (SELECT greatest(round(100 * b.size / a.top, 1), 0.7) AS height) h)
		|| CASE WHEN $6 IS NULL THEN ''
			ELSE hubspot.html('<path class="bound" d="M0 %sH%s"/>', round(100 - 100 * $6 / a.top, 1)::text, a.width::text) END
		|| '</svg></div><div class="hours">'
		|| (SELECT string_agg(hubspot.html('<span style="left:%s%%">%s</span>', round(100.0 * n.n / cardinality($3), 2)::text,
				to_char($7 + n.n * interval '1 hour', 'HH24:MI')), '' ORDER BY n.n) FROM generate_series(0, cardinality($3) - 1, 6) AS n(n))
		|| '<span class="now">now</span></div></figure>'
	FROM axis a;
END;
COMMENT ON FUNCTION hubspot.html_chart(text, text, numeric[], text[], boolean[], numeric, timestamptz) IS
'bars, one an hour from a time on, with an axis, a tip for each, a mark below those that are marked, and a line across unless it is NULL';

/*
 * Requests are numbered in the order of their time, and their table has an index on the number alone.  So the first of
 * the day is searched for by halves, from the newest generation back; and where there are very many, blocks of them
 * stand for all.  The view's order, newest first, is the only one that it has without a sort of everything; and bounds
 * are variables, one query a block, because a condition of a join does not get into it.
 */
CREATE FUNCTION hubspot.requests_of_day(
	OUT server name, OUT lane text, OUT started_at timestamptz, OUT records integer, OUT failed boolean, OUT share_read double precision)
RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 10000
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	since CONSTANT timestamptz := date_trunc('hour', statement_timestamp()) - interval '23 hours';
	most CONSTANT bigint := 50000;
	blocks CONSTANT bigint := 400;
	block CONSTANT bigint := 100;
	lows bigint[] := '{}';
	highs bigint[] := '{}';
	low bigint;
	high bigint;
	newest record;
	found_at timestamptz;
	total bigint := 0;
	step bigint;
BEGIN
	SELECT q.id, q.started_at INTO newest FROM hubspot.requests q LIMIT 1;
	WHILE newest.started_at >= since LOOP
		low := newest.id / 1000000000 * 1000000000;
		high := newest.id;
		WHILE low < high LOOP
			SELECT q.started_at INTO found_at FROM hubspot.requests q
			WHERE q.id BETWEEN newest.id / 1000000000 * 1000000000 AND (low + high) / 2 LIMIT 1;
			IF found_at >= since THEN
				high := (low + high) / 2;
			ELSE
				low := (low + high) / 2 + 1;
			END IF;
		END LOOP;
		lows := low || lows;
		highs := newest.id || highs;
		total := total + newest.id - low + 1;
		SELECT q.id, q.started_at INTO newest FROM hubspot.requests q WHERE q.id < low LIMIT 1;
	END LOOP;
	-- all in one go per generation, or blocks at even distances
	step := CASE WHEN total > most THEN total / blocks END;
	share_read := coalesce(block / step::float8, 1);
	FOR i IN 1 .. cardinality(lows) LOOP
		low := lows[i];
		WHILE low <= highs[i] LOOP
			high := CASE WHEN step IS NOT NULL THEN least(low + block - 1, highs[i]) ELSE highs[i] END;
			RETURN QUERY SELECT q.server, q.lane, q.started_at, q.records, coalesce(q.status, 599) >= 400, requests_of_day.share_read
				FROM hubspot.requests q WHERE q.id BETWEEN low AND high AND q.started_at >= since;
			low := coalesce(low + step, high + 1);
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION hubspot.requests_of_day() IS
'requests of this hour and the 23 before it; of more than 50,000 about 40,000, evenly, with the share of all that they are (share_read)';

CREATE FUNCTION hubspot.request_hours(
	OUT server name, OUT lane text, OUT hours_ago integer, OUT requests bigint, OUT records bigint, OUT failed bigint, OUT share_read double precision)
RETURNS SETOF record
LANGUAGE sql STABLE ROWS 200
BEGIN ATOMIC
	SELECT q.server, q.lane, floor(extract(epoch FROM date_trunc('hour', statement_timestamp()) + interval '1 hour' - q.started_at) / 3600)::int,
		round(count(*) / q.share_read)::bigint, round(sum(q.records) / q.share_read)::bigint,
		round(count(*) FILTER (WHERE q.failed) / q.share_read)::bigint, q.share_read
	FROM hubspot.requests_of_day() q WHERE q.server IS NOT NULL
	GROUP BY 1, 2, 3, q.share_read;
END;
COMMENT ON FUNCTION hubspot.request_hours() IS
'requests of the last day by server, lane and hour: hours_ago is 0 for the hour that is not over, 23 for the first; the records that they carried; how many failed (no answer, or a status from 400 on).  Of very many a sample is counted and extrapolated, share_read is less than 1 then';
