# The everyday questions read what they ask for, whatever is kept: the plans of the views, and how many rows of
# which table they touch.  No times: these are in docs/operations.md.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $rows = 6_000;    # of a generation
my $last = 6;         # the youngest generation; older ones lie a day apart
my $sim = start_simulator();
my $node = hubspot_cluster('views', conf => 'autovacuum = off');
create_account($node, 'postgres', 'crm', $sim);
stop_delivery($node);

sub ask { return $node->safe_psql('postgres', $_[0]) }

# The question for the account, asked a moment ago, is not of the oldest generation's time.
ask('TRUNCATE hubspot.request');

# A week of calls that have been delivered: every 500th is refused, and of these every second had a row merged into
# it; another row was merged into one that expired.  What the tables say of them is written by hand.
ask(qq{
	CREATE TEMP TABLE call AS SELECT g, n, g * 1000000000::bigint + n AS id,
			now() - interval '1 day' * ($last + 1 - g) + interval '1 day' * n / $rows AS at, n % 500 = 2 AS bad,
			CASE WHEN n % 1000 = 1 THEN g * 1000000000::bigint + n + 1 WHEN n = 10 THEN g * 1000000000::bigint + 11 END AS merged_into
		FROM generate_series(0, $last) g, generate_series(1, $rows) n ORDER BY g, n;
	INSERT INTO hubspot.outbox (id, created_at, server, call, object, source, key, message)
		SELECT id, at, (SELECT oid FROM pg_foreign_server), 'identify', 'contact', 'function', 'user' || id || '\@example.com',
			jsonb_build_object('email', 'user' || id || '\@example.com', 'note', repeat('x', 100)) FROM call c ORDER BY c.id;
	INSERT INTO hubspot.result (id, request_id, finished_at, merged_into, verdict, http_status, attempt, created, record_id, category, message, merged)
		SELECT id, id + 1000, at, merged_into,
			(CASE WHEN merged_into IS NOT NULL THEN 'coalesced' WHEN bad THEN 'rejected' WHEN n = 11 THEN 'expired' ELSE 'delivered' END)::hubspot.verdict,
			200, 1, true, id::text, CASE WHEN bad OR n % 1000 = 1 THEN 'INVALID_EMAIL' WHEN n IN (10, 11) THEN 'too_late' END,
			CASE WHEN bad OR n % 1000 = 1 THEN 'refused' END, CASE WHEN n % 1000 = 2 OR n = 11 THEN 1 END
		FROM call c ORDER BY c.id;
	INSERT INTO hubspot.request (id, server, started_at, duration_ms, records, bytes_sent, bytes_received, status, method, path, lane)
		SELECT id + 1000, (SELECT oid FROM pg_foreign_server), at - interval '1 minute', 5, 1, 100, 100, 200, 'POST', '/', 'contacts' FROM call c ORDER BY c.id;
	SELECT setval('hubspot.outbox_id_seq', max(id)), setval('hubspot.request_id_seq', max(id) + 1000) FROM call});
ask(q{INSERT INTO hubspot.checkpoint SELECT max(id) + 1, clock_timestamp(), pg_sequence_last_value('hubspot.outbox_id_seq'),
	pg_current_snapshot(), pg_snapshot_xmax(pg_current_snapshot()) FROM hubspot.checkpoint});
ask('ANALYZE');

# What a statement reads, a line per table of the rings: name, nodes, rows met (those included that a filter or a
# look at the page has thrown away).
ask(q{
	CREATE FUNCTION plan_of(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
	DECLARE plan jsonb;
	BEGIN
		EXECUTE 'EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) ' || query INTO plan;
		RETURN plan;
	END $$;
	CREATE FUNCTION read_by(query text, OUT relation text, OUT nodes text, OUT met bigint) RETURNS SETOF record LANGUAGE sql AS $$
		SELECT n->>'Relation Name', string_agg(DISTINCT n->>'Node Type', ', '),
			sum(((n->>'Actual Rows')::float8 + coalesce((n->>'Rows Removed by Filter')::float8, 0)
				+ coalesce((n->>'Rows Removed by Index Recheck')::float8, 0)) * (n->>'Actual Loops')::float8)
		FROM (SELECT jsonb_path_query(plan_of(query), 'strict $.** ? (exists(@."Relation Name"))') AS n) p
		WHERE n->>'Relation Name' ~ '^(outbox|result|request)_' GROUP BY 1 $$});

# reads WHAT QUERY TABLES: of a table (by its name, or of a generation before the youngest by "outbox" ...) at most so
# many rows are met; of a table that is not named, none.
sub reads
{
	my ($what, $query, %most) = @_;
	my %met = map { split /\|/ } split /\n/, ask(qq{SELECT relation, met FROM read_by(\$q\$$query\$q\$)});
	my @beyond;

	for my $table (sort keys %met)
	{
		my ($ring, $generation) = $table =~ /^(\w+)_(\d)$/;
		my $most = $most{$table} // ($generation < $last ? $most{$ring} : undef) // 0;

		push @beyond, "$met{$table} rows of $table, at most $most" if $met{$table} > $most;
	}
	is(join('; ', @beyond), '', $what);
	is(ask(qq{SELECT plan_of(\$q\$$query\$q\$)->0->'JIT'}), '', "$what: without JIT");
	return;
}

sub now_bound { return q{now() - interval '10 minutes'} }

# Both are of a span that is over, so that a scan meets only ranges without an entry.
sub without_entry
{
	my ($table, $column) = @_;
	return "SELECT count(*) FROM hubspot.$table WHERE $column > now() + interval '1 day'";
}

subtest 'the worker makes the entries of the BRIN indexes' => sub {
	my $all = ask(q{SELECT met FROM read_by($$SELECT count(*) FROM hubspot.result_3 WHERE finished_at > now() + interval '1 day'$$)});

	cmp_ok($all, '>=', $rows / 2, 'without them all is read');
	resume_delivery($node);
	for my $table (map { ("result_$_|finished_at", "request_$_|started_at") } 0 .. $last)
	{
		my ($name, $column) = split /\|/, $table;
		my $most = $name =~ /_$last$/ ? 3000 : 0;
		my $query = without_entry($name, $column);
		becomes(sub { ask(qq{SET enable_seqscan = off; SELECT met <= $most FROM read_by(\$q\$$query\$q\$)}) }, 't', $name);
	}
	becomes(sub { ask(q{SELECT max(met) <= 4000 FROM generate_series(0, 5) g,
		read_by(format('SELECT count(*) FROM hubspot.outbox_%s WHERE key = %L AND id > 0', g, 'nobody@example.com'))}) }, 't', 'keys');
	stop_delivery($node);
};

subtest 'plans' => sub {
	reads('the last ten', 'SELECT id, key, state, verdict, record_id, created, warnings FROM hubspot.outbox_status ORDER BY id DESC LIMIT 10',
		"result_$last" => 11, "outbox_$last" => 11, result => 1, outbox => 1);
	reads('one row', 'SELECT state, verdict, message, warnings FROM hubspot.outbox_status WHERE id = 3000000100', outbox_3 => 1, result_3 => 2);
	reads('the last ten minutes by verdict',
		'SELECT verdict, category, count(*) FROM hubspot.results WHERE finished_at > ' . now_bound() . ' GROUP BY verdict, category',
		"result_$last" => 3000);
	reads('the same of outbox_status', 'SELECT verdict, count(*) FROM hubspot.outbox_status WHERE finished_at > ' . now_bound() . ' GROUP BY verdict',
		"result_$last" => 3000, "outbox_$last" => 200);
	reads('requests of the last ten minutes', 'SELECT lane, status, count(*) FROM hubspot.requests WHERE started_at > ' . now_bound() . ' GROUP BY lane, status',
		"request_$last" => 3000);
	reads('failures, the last ten', 'SELECT id, key, category, message, correlation_id FROM hubspot.failures LIMIT 10',
		# where there are so few, all of them are sorted
		map { $_ => 40, "${_}_$last" => 40 } qw(result outbox request));
	reads('failures by category', 'SELECT category, count(*) FROM hubspot.failures GROUP BY category', "result_$last" => 100, result => 100);
	reads('a key', q{SELECT id, state, verdict, message FROM hubspot.outbox_status WHERE key = 'user3000000100@example.com'},
		outbox => 4000, "outbox_$last" => 12000, result_3 => 1);
	reads('what waits, when nothing does', 'SELECT * FROM hubspot.backlog');
	ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'late' || i || '@example.com'))) FROM generate_series(1, 50) i});
	reads('what waits', 'SELECT * FROM hubspot.backlog', "outbox_$last" => 50);
	reads('the last ten while others wait', 'SELECT id, key, state FROM hubspot.outbox_status ORDER BY id DESC LIMIT 10',
		"result_$last" => 1, "outbox_$last" => 70, result => 1, outbox => 1);
};

# Its cost for each row is what decides whether JIT is started, which takes seconds for so many branches.
subtest 'what waits, however much, starts no JIT' => sub {
	my $node_of = 'jsonb_path_query(plan_of(\'SELECT count(*) FROM hubspot.backlog\'), \'strict $.** ? (@."Relation Name" == $name)\', jsonb_build_object(\'name\', \'outbox_' . $last . '\'))';
	my ($cost, $met) = split /\|/, ask(qq{SELECT (n->>'Total Cost')::float8, (n->>'Actual Rows')::float8 + coalesce((n->>'Rows Removed by Filter')::float8, 0) FROM $node_of n});
	ok($met >= 50, 'what waits is read');
	# a sub-select of verdicts, or of hubspot.deferred, for each row would cost 4, or 12
	cmp_ok($cost / $met, '<', 3, 'a row costs little, as the planner sees it') or diag("$cost for $met");
};

subtest 'what the views say' => sub {
	my $all = ($last + 1) * $rows;
	is(ask('SELECT state, count(*) FROM hubspot.outbox_status GROUP BY state ORDER BY state'), "done|$all\nwaiting|50", 'each row once');
	is(ask('SELECT count(*) FROM hubspot.results'), $all, 'each verdict once');
	is(ask('SELECT verdict, count(*), count(merged_into) FROM hubspot.failures GROUP BY verdict ORDER BY verdict'),
		join("\n", 'coalesced|' . ($last + 1) * $rows / 1000 . '|' . ($last + 1) * $rows / 1000, 'rejected|' . ($last + 1) * $rows / 500 . '|0'),
		'failures and what was merged into them, but not what was merged into an expired row');
};

# An open transaction of before the checkpoint: its rows have ids that lie below those that are done.
subtest 'a row that comes late is found' => sub {
	my $session = $node->background_psql('postgres');
	my $count = ask('SELECT count(*) FROM hubspot.backlog');
	my $id = $session->query_safe(q{BEGIN; SELECT hubspot_identify('{"email": "slow@example.com"}')});

	resume_delivery($node);
	ask(q{SELECT hubspot_identify('{"email": "quick@example.com"}')});
	wait_until(sub { ask("SELECT last_id > $id FROM hubspot.last_checkpoint") eq 't' }, 'a checkpoint beyond the open row');
	stop_delivery($node);
	is(ask('SELECT count(*) FROM hubspot.backlog'), '0', 'all is done');
	$session->query_safe('COMMIT');
	$session->quit;
	is(ask('SELECT id, state FROM hubspot.backlog'), "$id|waiting", 'the late row waits');
	is(ask("SELECT hubspot.covered_to() < $id"), 't', 'and is not covered');
	resume_delivery($node);
	wait_drained($node, 'postgres');
	is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id"), 'delivered', 'then it is delivered');
	becomes(sub { ask("SELECT hubspot.covered_to() >= $id") }, 't', 'and covered');
};

subtest 'failures have what was merged into a refused row' => sub {
	my ($first, $second) = queue_together($node, map { qq{SELECT hubspot_identify('{"email": "nobody\@nowhere.invalid", "plan": "$_"}')} } 1 .. 2);
	is(ask("SELECT id, verdict, category, merged_into FROM hubspot.failures WHERE key = 'nobody\@nowhere.invalid' ORDER BY id"),
		"$first|coalesced|INVALID_EMAIL|$second\n$second|rejected|INVALID_EMAIL|", 'both');
};

subtest 'hubspot.top' => sub {
	my $long = 'an_account_with_a_name_of_more_than_twenty_characters';
	create_account($node, 'postgres', $long, $sim);
	ask(qq{SELECT hubspot_pause('$long', reason => repeat('for a long time ', 20));
		SELECT count(hubspot_identify(jsonb_build_object('email', 'w' || i || '\@example.com'), '$long')) FROM generate_series(1, 7) i});
	becomes(sub { ask(q{SELECT account, waiting, trouble LIKE 'PAUSED contacts: %..' FROM hubspot.top LIMIT 1}) },
		'an_account_with_a_..|7|t', 'what is in trouble comes first');
	ask(q{CREATE TABLE customers (id int PRIMARY KEY, email text); INSERT INTO customers SELECT i, 'c' || i || '@example.com' FROM generate_series(1, 5) i});
	ask(qq{SELECT hubspot_sync('customers_of_a_long_name', 'customers', key => 'email', mapping => '{"email": "email"}', server => '$long')});
	becomes(sub { ask("SELECT count(*) FROM hubspot.top WHERE account LIKE '+ customers_of_a_l..'") }, qr/^[01]$/, 'a back-fill has a row of its own until it is done');
	my (undef, $table) = $node->psql('postgres', 'SELECT * FROM hubspot.top', extra_params => [ '--no-align', '--pset=format=aligned', '--pset=tuples_only=off' ]);
	is((sort { $b <=> $a } map { length } split /\n/, $table)[0] <= 100, 1, 'no line has more than 100 characters') or diag($table);
	is(ask(q{SELECT string_agg(hubspot.short_time(i::interval), ', ') FROM unnest('{1:02:03, 1 day 4:05, 30:00:00, 99 days 23:59:59, 400 days}'::text[]) i}),
		'01:02:03, 1 d 04 h, 1 d 06 h, 99 d 23 h, > 99 d', 'times are short');
};

$node->stop;
done_testing();
