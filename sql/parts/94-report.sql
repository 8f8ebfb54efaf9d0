/* 94-report.sql
 *
 * hubspot_report(): one page of HTML for people, as it stands now.
 *
 * It reads views with the rights of whoever calls it, and no more of them
 * than takes some tenths of a second, however many rows there are.
 */

CREATE FUNCTION hubspot.failure_remedy(verdict text, category text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
BEGIN ATOMIC
	SELECT CASE $2
		WHEN 'bad_message' THEN 'Mend the data that the call was made of, and call again.'
		WHEN 'unknown_event' THEN 'The message has the statement that creates the event. Run it, then hubspot_retry(category => ''unknown_event'').'
		WHEN 'unknown_property' THEN 'hubspot_create_missing() creates what hubspot.unknown_properties names. Then hubspot_retry(category => ''unknown_property'').'
		WHEN 'required_property' THEN 'hubspot_health() says what the account demands. Bring it with the calls, or make it optional in HubSpot; then hubspot_retry(category => ''required_property'').'
		WHEN 'required_association' THEN 'Bring the association with the call that creates the record, in "associations" of its message, as the message says; then call again.'
		WHEN 'contact_not_found' THEN 'Tell HubSpot of the contact first (hubspot_identify()), or set the SERVER option create_missing. Then hubspot_retry(category => ''contact_not_found'').'
		WHEN 'company_not_found' THEN 'See how the row of the company ended (hubspot_group()). Then hubspot_retry(category => ''company_not_found'').'
		WHEN 'not_found' THEN 'HubSpot does not have what the row names, such as the form of a formId. Mend the name, and call again.'
		WHEN 'OBJECT_NOT_FOUND' THEN 'HubSpot does not have the record that the row names. Mend the data, and call again.'
		WHEN 'wrong_object' THEN 'The event is defined for records of another type. Name one of those, or the event that is meant, and call again.'
		WHEN 'unknown_label' THEN 'The message has the statement that creates the label. Run it, then hubspot_retry(category => ''unknown_label'').'
		WHEN 'self_association' THEN 'Both ends of the association are one record. Mend the data, and call again.'
		WHEN 'unknown_object' THEN 'The account has no such object, or it has to be activated in HubSpot. Then hubspot_retry().'
		WHEN 'unknown_subscription' THEN 'The message lists the subscription types of the account. Name one of them, and call again.'
		WHEN 'unsubscribed' THEN 'The person has opted out. Leave it at that; who asks to be subscribed again is written with "resubscribe": true.'
		WHEN 'legal_basis_missing' THEN 'The account demands a legal basis. Bring legalBasis and legalBasisExplanation with the call.'
		WHEN 'list_not_found' THEN 'The message has the statement that creates the list. Run it, then hubspot_retry(category => ''list_not_found'').'
		WHEN 'list_not_static' THEN 'HubSpot finds the members of this list itself. Name a static list.'
		WHEN 'conflicting_key' THEN 'HubSpot has this address for a contact with another key. Merge the two in HubSpot, or mend the data; then hubspot_retry(category => ''conflicting_key'').'
		WHEN 'crashed_server' THEN 'A process died twice over this row. Look into the server log, and report it; hubspot_retry() with its id tries again.'
		WHEN 'mapping_error' THEN 'The message has the error. Mend the data or the mapping, then hubspot_retry(category => ''mapping_error'').'
		WHEN 'answer_lost' THEN 'It may have arrived: look in HubSpot before you repeat it. hubspot_retry() with its id sends it once more.'
		WHEN 'lost' THEN 'It may have arrived: look into the server log of that time, and in HubSpot.'
		WHEN 'not_confirmed' THEN 'HubSpot answers with success and does not mention the record. Its support asks for the correlation_id; hubspot_retry(verdict => ''dead'') tries again.'
		WHEN 'unavailable' THEN 'HubSpot stumbles over these records alone: compare their call_message with those that go well. hubspot_retry(verdict => ''dead'') tries again.'
		WHEN 'no_answer' THEN 'HubSpot gives no answer for these records alone: compare their call_message with those that go well. hubspot_retry(verdict => ''dead'') tries again.'
		WHEN 'unreadable' THEN 'This server cannot read the answer: see hubspot.libraries(). When that is mended, hubspot_retry(verdict => ''dead'').'
		WHEN 'PROPERTY_DOESNT_EXIST' THEN 'The token may not read the properties of this object. Grant it the scope that hubspot_health() names, then hubspot_retry(category => ''PROPERTY_DOESNT_EXIST'').'
		WHEN 'INVALID_OPTION' THEN 'The token may not read the properties of this object. Grant it the scope that hubspot_health() names, then hubspot_retry(category => ''INVALID_OPTION'').'
		WHEN 'INVALID_EMAIL' THEN 'HubSpot does not take the address. Mend the data, and call again.'
		ELSE format('HubSpot''s word: the message says more, and its support asks for the correlation_id. When it is mended, hubspot_retry(verdict => %L%s).',
			$1, ', category => ' || quote_literal($2)) END;
END;
COMMENT ON FUNCTION hubspot.failure_remedy(text, text) IS 'what to do about rows that ended with a verdict and category, for a reader';

CREATE FUNCTION hubspot.report_problems(OUT page text, OUT problems bigint)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT CASE WHEN count(*) > 0 THEN '<section id="problems"><h2>Problems, and what to do</h2><ol>'
			|| string_agg(hubspot.html('<li><p>%s</p><p class="todo">%s</p></li>', h.problem, h.remedy), '') || '</ol></section>' ELSE '' END,
		count(*)
	FROM @extschema@.hubspot_health() h;
END;
COMMENT ON FUNCTION hubspot.report_problems() IS 'the part of hubspot_report() that says what hubspot_health() says';

CREATE FUNCTION hubspot.report_accounts(
	OUT page text, OUT accounts bigint, OUT records numeric, OUT requests numeric, OUT failed numeric, OUT waiting numeric, OUT eta interval)
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH hours AS MATERIALIZED (
		SELECT * FROM hubspot.request_hours()
	), lanes AS MATERIALIZED (
		SELECT s.*, hubspot.lane_mood(s.state) AS mood FROM hubspot.status s
	), slots AS (
		SELECT t.hours_ago, date_trunc('hour', statement_timestamp()) - t.hours_ago * interval '1 hour' AS begins FROM generate_series(0, 23) AS t(hours_ago)
	), lane_bars AS (
		SELECT l.server, l.lane, array_agg(coalesce(h.records, 0)::numeric ORDER BY t.begins) AS records
		FROM lanes l
		CROSS JOIN slots t
		LEFT JOIN hours h ON h.server = l.server AND h.lane = l.lane AND h.hours_ago = t.hours_ago
		GROUP BY l.server, l.lane
	), account_hours AS (
		SELECT h.server, h.hours_ago, sum(h.requests) AS requests, sum(h.records) AS records, sum(h.failed) AS failed, min(h.share_read) AS share_read
		FROM hours h GROUP BY h.server, h.hours_ago
	), bars AS (
		SELECT l.server, array_agg(coalesce(h.records, 0) ORDER BY t.begins) AS records, array_agg(coalesce(h.requests, 0) ORDER BY t.begins) AS requests,
			array_agg(coalesce(h.failed, 0) > 0 ORDER BY t.begins) AS marked,
			array_agg(format('%s to %s: %s records in %s requests%s', to_char(t.begins, 'HH24:MI'), to_char(t.begins + interval '1 hour', 'HH24:MI'),
				hubspot.grouped(coalesce(h.records, 0)), hubspot.grouped(coalesce(h.requests, 0)),
				', ' || hubspot.grouped(nullif(h.failed, 0)) || ' of them failed') ORDER BY t.begins) AS tips,
			min(t.begins) AS begins, sum(h.records) AS all_records, sum(h.requests) AS all_requests, coalesce(sum(h.failed), 0) AS all_failed,
			CASE WHEN min(h.share_read) < 1 THEN ', estimated' ELSE '' END AS estimated
		FROM (SELECT DISTINCT server FROM lanes) l
		CROSS JOIN slots t
		LEFT JOIN account_hours h ON h.server = l.server AND h.hours_ago = t.hours_ago
		GROUP BY l.server
	), accounts AS (
		SELECT l.server, sum(l.waiting + l.in_flight) AS waiting, max(l.daily_used) AS daily_used, max(l.daily_limit) AS daily_limit, max(l.eta) AS eta,
			(array_agg(l.mood ORDER BY array_position('{bad,warn,calm,good}', l.mood)))[1] AS mood,
			(array_agg(l.state ORDER BY array_position('{bad,warn,calm,good}', l.mood)))[1] AS state,
			string_agg(hubspot.html('<tr><th scope="row">%s</th><td>', l.lane) || hubspot.html_state(l.state, l.mood) || '</td><td class="wide">'
				|| hubspot.html_spark(b.records)
				|| hubspot.html('</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td></tr>',
					hubspot.grouped(l.waiting), hubspot.grouped(l.in_flight), hubspot.grouped(l.deferred),
					coalesce(hubspot.span_in_words(clock_timestamp() - l.oldest), '-'), coalesce(hubspot.grouped(nullif(l.rate, 0)::numeric), '-'),
					coalesce(hubspot.span_in_words(l.eta), '-'))
				|| CASE WHEN l.reason IS NULL THEN '' ELSE hubspot.html('<tr class="why"><td colspan="9">%s: %s%s</td></tr>', l.lane, l.reason,
						CASE WHEN l.until > clock_timestamp() THEN '; goes on by itself in ' || hubspot.span_in_words(l.until - clock_timestamp()) END) END,
				'' ORDER BY l.lane <> 'contacts', l.lane) AS lanes
		FROM lanes l JOIN lane_bars b ON b.server = l.server AND b.lane = l.lane
		GROUP BY l.server
	), shown AS (
		SELECT a.*, b.records, b.requests, b.marked, b.tips, b.begins, b.all_records, b.all_requests, b.all_failed, b.estimated, r.burst_limit, r.burst_used, r.burst_others, r.burst_window_ms, r.daily_resets_at,
			concat_ws(', ', 'hub ' || r.portal_id, r.hublet, nullif(r.time_zone, '')) AS home,
			a.daily_used / nullif(a.daily_limit, 0)::float8 AS share,
			CASE WHEN a.daily_limit / 24.0 <= 5 * (SELECT max(m.m) FROM unnest(b.requests) AS m(m)) THEN a.daily_limit / 24.0 END AS bound,
			row_number() OVER by_trouble AS place, count(*) OVER () AS all_accounts
		FROM accounts a
		JOIN bars b ON b.server = a.server
		LEFT JOIN (SELECT x.server AS name, x.* FROM hubspot.rate_limits x WHERE x.lane = 'contacts') r ON r.name = a.server
		WINDOW by_trouble AS (ORDER BY array_position('{bad,warn}', a.mood), a.server)
	)
	SELECT CASE WHEN count(*) > 0 THEN '<section id="accounts"><h2>Accounts</h2>' || string_agg(
			/* the first ones are open, of many those in trouble alone */
			CASE WHEN s.place <= 3 AND (s.all_accounts <= 3 OR s.mood IN ('bad', 'warn')) THEN '<details class="card" open="open">' ELSE '<details class="card">' END
			|| hubspot.html('<summary><span class="name">%s</span> ', s.server) || hubspot.html_state(s.state, s.mood)
			|| '<span class="day">' || hubspot.html_spark(s.records)
			|| hubspot.html('<span class="of"><b>%s</b> records in 24 h</span></span><span class="queue"><b>%s</b> waiting</span>',
				hubspot.grouped(coalesce(s.all_records, 0)), hubspot.grouped(s.waiting))
			|| hubspot.html('<span class="budget">') || coalesce(hubspot.html_meter(s.share, CASE WHEN s.share > 0.9 THEN 'warn' ELSE 'calm' END), '')
			|| hubspot.html('<span class="of">%s</span></span></summary>',
				coalesce(round(100 * s.share::numeric, 1) || ' % of the day', 'budget not known yet'))
			|| CASE WHEN s.all_requests IS NULL THEN '<p class="empty">Nothing was sent in the last 24 hours.</p>'
				ELSE '<div class="charts">' || hubspot.html_chart('Records sent per hour',
					format('%s in 24 hours%s%s', hubspot.grouped(s.all_records), s.estimated,
						CASE WHEN s.all_failed > 0 THEN format('; %s of %s requests failed, in the hours marked below the axis',
							hubspot.grouped(s.all_failed), hubspot.grouped(s.all_requests)) ELSE '' END),
					s.records, s.tips, s.marked, NULL, s.begins)
				|| hubspot.html_chart('Requests per hour', format('%s in 24 hours%s', hubspot.grouped(s.all_requests),
						CASE WHEN s.bound IS NOT NULL THEN format('; dashed: the day''s %s, spread evenly', hubspot.grouped(s.daily_limit))
							WHEN s.daily_limit IS NOT NULL THEN format('; the day''s budget would allow %s in each', hubspot.grouped(s.daily_limit / 24)) ELSE '' END),
					s.requests, s.tips, s.marked, s.bound, s.begins) || '</div>' END
			|| '<div class="scroll"><table><thead><tr><th scope="col">Lane</th><th scope="col">State</th><th scope="col">Last 24 hours</th>'
			|| '<th scope="col" class="n">Waiting</th><th scope="col" class="n">In flight</th><th scope="col" class="n">Deferred</th>'
			|| '<th scope="col" class="n">Oldest</th><th scope="col" class="n">Rows/s</th><th scope="col" class="n">Time left</th></tr></thead><tbody>'
			|| s.lanes || '</tbody></table></div><dl>'
			|| CASE WHEN s.daily_limit IS NULL THEN '' ELSE hubspot.html('<div><dt>Requests of the day</dt><dd>%s of %s, by all applications of the account%s</dd></div>',
				hubspot.grouped(s.daily_used), hubspot.grouped(s.daily_limit),
				'; a new day begins in ' || hubspot.span_in_words(CASE WHEN s.daily_resets_at > clock_timestamp() THEN s.daily_resets_at - clock_timestamp() END)) END
			|| CASE WHEN s.burst_limit IS NULL THEN '' ELSE hubspot.html('<div><dt>Requests in %s</dt><dd>%s of %s used here, %s by others, at this moment</dd></div>',
				hubspot.span_in_words(make_interval(secs => s.burst_window_ms / 1000.0)), coalesce(s.burst_used, 0)::text, s.burst_limit::text, coalesce(s.burst_others, 0)::text) END
			|| CASE WHEN s.home = '' THEN '' ELSE hubspot.html('<div><dt>Account</dt><dd>%s</dd></div>', s.home) END
			|| '</dl></details>', '' ORDER BY s.place) || '</section>'
		ELSE '<section id="accounts"><h2>Accounts</h2><div class="card empty"><p>No account is defined, so nothing can be sent. Put its token into a file in '
			|| '<code>hubspot.secret_directory</code>, then:</p><pre>CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret ''crm'');</pre></div></section>' END,
		count(*), coalesce(sum(s.all_records), 0), coalesce(sum(s.all_requests), 0), coalesce(sum(s.all_failed), 0), coalesce(sum(s.waiting), 0), max(s.eta)
	FROM shown s;
END;
COMMENT ON FUNCTION hubspot.report_accounts() IS 'the part of hubspot_report() about accounts: lanes, throughput, budget; and sums of the last day';

CREATE FUNCTION hubspot.report_backfills() RETURNS text
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	SELECT '<section id="backfills"><h2>Back-fills</h2><div class="card scroll"><table><thead><tr><th scope="col">Sync</th><th scope="col">Account</th>'
		|| '<th scope="col">State</th><th scope="col">Progress</th><th scope="col" class="n">Rows read</th><th scope="col" class="n">Of about</th>'
		|| '<th scope="col" class="n">Rows/s</th><th scope="col" class="n">Time left</th><th scope="col" class="n">Begun</th></tr></thead><tbody>'
		|| string_agg(hubspot.html('<tr><th scope="row">%s</th><td>%s</td><td>', b.name, b.server) || hubspot.html_state(b.state, b.mood)
			|| '</td><td class="wide">' || coalesce(hubspot.html_meter(b.share, b.mood) || hubspot.html(' <span class="of">%s %%</span>', round(100 * b.share::numeric)::text), '-')
			|| hubspot.html('</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td></tr>',
				hubspot.grouped(b.rows_read), coalesce(hubspot.grouped(b.rows_total), '-'), coalesce(hubspot.grouped(b.rows_per_second::numeric), '-'),
				CASE WHEN b.state = 'done' THEN 'took ' || hubspot.span_in_words(b.finished_at - b.started_at) ELSE coalesce(hubspot.span_in_words(b.eta), 'not known') END,
				hubspot.span_in_words(clock_timestamp() - b.started_at) || ' ago')
			|| CASE WHEN b.error IS NULL THEN '' ELSE hubspot.html('<tr class="why"><td colspan="9">%s: %s</td></tr>', b.name, left(b.error, 500)) END,
			'' ORDER BY b.finished_at DESC NULLS FIRST, b.name)
		|| '</tbody></table></div></section>'
	FROM (SELECT x.*, CASE WHEN x.state IN ('failed', 'stuck') THEN 'bad' WHEN x.state IN ('held', 'waiting') THEN 'warn' WHEN x.state = 'done' THEN 'good' ELSE 'calm' END AS mood
		FROM hubspot.backfills x ORDER BY x.finished_at DESC NULLS FIRST, x.name LIMIT 50) b
	HAVING count(*) > 0;
END;
COMMENT ON FUNCTION hubspot.report_backfills() IS 'the part of hubspot_report() about back-fills; NULL: there are none';

CREATE FUNCTION hubspot.report_definitions() RETURNS text
LANGUAGE sql VOLATILE
BEGIN ATOMIC
	WITH report AS MATERIALIZED (
		SELECT * FROM hubspot.sync_report
	), contracts AS (
		SELECT r.name, bool_or(r.left_out + r.warned > 0.01 * r.rows) FILTER (WHERE r.property IS NULL AND r.code IS NULL) AS is_broken,
			max(format('%s rows: %s delivered, %s not, %s without a column of theirs, %s waiting', hubspot.grouped(r.rows), hubspot.grouped(r.delivered),
				hubspot.grouped(r.left_out), hubspot.grouped(r.warned), hubspot.grouped(r.waiting))) FILTER (WHERE r.property IS NULL AND r.code IS NULL) AS says,
			string_agg(hubspot.html('<tr><td>%s</td><td>%s</td><td>%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td></tr>',
				coalesce(r.property, 'rows as a whole'), coalesce(r.source_column, '-'), coalesce(r.code, 'all with a value'), hubspot.grouped(r.rows),
				hubspot.grouped(r.delivered), hubspot.grouped(r.left_out), coalesce(r.example_id::text, '-')), ''
				ORDER BY r.property NULLS FIRST, r.code NULLS FIRST) FILTER (WHERE r.property IS NOT NULL OR r.code IS NOT NULL) AS lines
		FROM report r GROUP BY r.name
	)
	SELECT '<section id="definitions"><h2>Syncs, audiences, traits</h2>' || CASE WHEN count(*) > 0
		THEN '<div class="card scroll"><table><thead><tr><th scope="col">Name</th><th scope="col">Kind</th><th scope="col">Account</th><th scope="col">State</th>'
			|| '<th scope="col" class="n">Members</th><th scope="col" class="n">Refreshed</th><th scope="col" class="n">Took</th><th scope="col" class="n">Next</th></tr></thead><tbody>'
			|| string_agg(hubspot.html('<tr><th scope="row">%s</th><td>%s of %s</td><td>%s</td><td>', d.name, d.kind, d.object, d.server) || hubspot.html_state(d.state, CASE WHEN d.mood = 'good' AND c.is_broken THEN 'warn' ELSE d.mood END)
				|| hubspot.html('</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td></tr>',
					CASE WHEN d.state IN ('following', 'filling') THEN '-' ELSE hubspot.grouped(d.members) END,
					coalesce(hubspot.span_in_words(clock_timestamp() - d.refreshed_at) || ' ago', '-'), coalesce(hubspot.span_in_words(d.duration), '-'),
					coalesce(CASE WHEN d.next_at > clock_timestamp() THEN 'in ' || hubspot.span_in_words(d.next_at - clock_timestamp()) ELSE 'due' || left(d.next_at::text, 0) END, '-'))
				|| CASE WHEN d.problem IS NULL THEN '' ELSE hubspot.html('<tr class="why"><td colspan="8">%s: %s</td></tr>', d.name, left(d.problem, 500)) END
				/* the contract; open where more than one of a hundred rows do not keep it */
				|| CASE WHEN c.lines IS NULL THEN '' ELSE '<tr class="why"><td colspan="8"><details' || CASE WHEN c.is_broken THEN ' open="open"' ELSE '' END
					|| hubspot.html('><summary>%s</summary>', c.says) || '<table><thead><tr><th scope="col">Property</th><th scope="col">Column</th><th scope="col">Which rows</th>'
					|| '<th scope="col" class="n">Rows</th><th scope="col" class="n">Delivered</th><th scope="col" class="n">Left out</th><th scope="col" class="n">For example row</th></tr></thead><tbody>'
					|| c.lines || '</tbody></table></details></td></tr>' END,
				'' ORDER BY d.place)
			|| '</tbody></table></div>'
			|| CASE WHEN max(d.all_definitions) > count(*) THEN hubspot.html('<p class="note">%s more are in hubspot.syncs.</p>', hubspot.grouped(max(d.all_definitions) - count(*))) ELSE '' END
		ELSE '<div class="card empty"><p>Nothing is declared: what is sent comes from calls and triggers. To let HubSpot follow a table, look first:</p>'
			|| '<pre>SELECT item, name, detail FROM hubspot_sync_preview(''customers'', mapping =&gt; ''{"email": "email"}'');</pre></div>' END || '</section>'
	FROM (SELECT x.*, row_number() OVER (ORDER BY array_position('{bad,warn}', x.mood), x.kind, x.name) AS place, count(*) OVER () AS all_definitions
		FROM (SELECT y.*, CASE WHEN y.state IN ('failing', 'stuck') THEN 'bad' WHEN y.state IN ('held', 'waiting') OR y.problem IS NOT NULL THEN 'warn'
				WHEN y.state = 'new' THEN 'calm' ELSE 'good' END AS mood FROM hubspot.syncs y) x
		ORDER BY place LIMIT 200) d
	LEFT JOIN contracts c ON c.name = d.name;
END;
COMMENT ON FUNCTION hubspot.report_definitions() IS 'the part of hubspot_report() about syncs, audiences and traits, with their contracts as in hubspot.sync_report';

/* Of many failures the newest tell what is wrong; LIMIT 1, because nothing tells the planner that ids are unique in a ring of tables. */
CREATE VIEW hubspot.failure_reasons AS
	SELECT s.srvname AS server, o.object::text AS object, r.verdict::text AS verdict, r.category, count(*) AS rows,
		max(r.finished_at) AS last_at, max(r.id) AS example_id
	FROM (SELECT x.id, x.finished_at, x.verdict, x.category FROM hubspot.result x
		WHERE x.verdict = ANY (hubspot.verdicts_with('failed')) ORDER BY x.id DESC LIMIT 2000) r
	CROSS JOIN LATERAL (SELECT y.server, y.object FROM hubspot.outbox y WHERE y.id = r.id LIMIT 1) o
	LEFT JOIN pg_foreign_server s ON s.oid = o.server
	WHERE r.finished_at > statement_timestamp() - interval '1 day'
	GROUP BY s.srvname, o.object, r.verdict, r.category;
COMMENT ON VIEW hubspot.failure_reasons IS 'why rows failed within the last 24 hours, by reason, of the newest 2,000 that failed: as fast with 10,000,000 rows';
COMMENT ON COLUMN hubspot.failure_reasons.server IS 'name of the SERVER; NULL: it has been dropped';
COMMENT ON COLUMN hubspot.failure_reasons.object IS 'what the rows would have written';
COMMENT ON COLUMN hubspot.failure_reasons.verdict IS 'how they ended';
COMMENT ON COLUMN hubspot.failure_reasons.category IS 'HubSpot''s category or code, or ours in lower case';
COMMENT ON COLUMN hubspot.failure_reasons.rows IS 'how many of the newest 2,000';
COMMENT ON COLUMN hubspot.failure_reasons.last_at IS 'when the last of them failed';
COMMENT ON COLUMN hubspot.failure_reasons.example_id IS 'the newest of them, in hubspot.failures';

CREATE FUNCTION hubspot.report_failures(OUT page text, OUT failures bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	most CONSTANT bigint := 2000;
	reason record;
	says text;
BEGIN
	page := '';
	failures := 0;
	FOR reason IN
		SELECT f.server, f.object, f.verdict, f.category, f.rows AS times, f.last_at, f.example_id FROM hubspot.failure_reasons f ORDER BY f.rows DESC, f.example_id DESC
	LOOP
		failures := failures + reason.times;
		IF hubspot.may_read_texts() THEN
			SELECT x.message INTO says FROM hubspot.failures x WHERE x.id = reason.example_id;
		END IF;
		page := page || hubspot.html('<li><p><b class="times">%s</b> %s %s: <b>%s</b>%s; the newest is row %s, %s ago</p>', hubspot.grouped(reason.times),
				reason.object || CASE WHEN reason.times = 1 THEN ' row' ELSE ' rows' END, reason.verdict, coalesce(reason.category, 'no category'),
				CASE WHEN reason.server IS NOT NULL THEN ' in account ' || reason.server ELSE '' END, reason.example_id::text,
				hubspot.span_in_words(clock_timestamp() - reason.last_at))
			|| CASE WHEN says IS NULL THEN '' ELSE hubspot.html('<blockquote>%s</blockquote>', left(says, 400)) END
			|| hubspot.html('<p class="todo">%s</p></li>', hubspot.failure_remedy(reason.verdict, reason.category));
	END LOOP;
	page := '<section id="failures"><h2>What did not arrive</h2>' || CASE WHEN failures = 0
		THEN '<div class="card empty"><p>Nothing failed in the last 24 hours.</p></div>'
		ELSE hubspot.html('<p class="note">Of the last 24 hours%s, by reason. <code>SELECT * FROM hubspot.failures</code> has each row.</p>',
				CASE WHEN failures = most THEN ', the newest ' || hubspot.grouped(most) || ' rows' ELSE '' END) || '<ol>' || page || '</ol>' END || '</section>';
END
$$;
COMMENT ON FUNCTION hubspot.report_failures() IS
'the part of hubspot_report() about failures of the last day, by reason with a remedy, and their number; the message of the newest is for those who may read texts, see hubspot.may_read_texts()';
