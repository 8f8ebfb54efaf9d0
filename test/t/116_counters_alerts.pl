# What is counted, and what is told.  hubspot.statistics and hubspot.request_statistics
# count what the tables hold, over crashes and resets; hubspot_reset_statistics() holds
# up nobody.  The channel "hubspot" and the log tell what begins and ends to be wrong;
# for each event of a lane see 110_lane_states.pl.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('statistics', conf => 'autovacuum = off');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

# What the tables say, and what was counted
my $ended = q{SELECT string_agg(w, E'\n' ORDER BY w) FROM (SELECT concat_ws(' ', t.lane, o.call, r.verdict, r.category, count(*)) AS w
	FROM hubspot.result r JOIN hubspot.outbox o USING (id) JOIN hubspot.object_types() t ON t.object = o.object::text
	GROUP BY t.lane, o.call, r.verdict, r.category) x};
my $counted = q{SELECT string_agg(w, E'\n' ORDER BY w)
	FROM (SELECT concat_ws(' ', lane, call, verdict, category, rows) AS w FROM hubspot.statistics WHERE server = 'crm') x};
my $made = q{SELECT string_agg(w, E'\n' ORDER BY w) FROM (SELECT concat_ws(' ', lane, status, count(*), sum(records), sum(bytes_sent), sum(bytes_received),
	round(sum(duration_ms)::numeric)) AS w FROM hubspot.request GROUP BY lane, status) x};
my $requests = q{SELECT string_agg(w, E'\n' ORDER BY w) FROM (SELECT concat_ws(' ', lane, status, requests, records, bytes_sent, bytes_received,
	round((duration_seconds_sum * 1000)::numeric)) AS w FROM hubspot.request_statistics) x};

sub deliver
{
	my ($round) = @_;
	ask(qq{SELECT count(hubspot_identify(jsonb_build_object('email', 'r${round}n' || i || '\@example.com'))) FROM generate_series(1, 250) i});
	ask(qq{SELECT hubspot_identify('{"email": "twice$round\@example.com", "city": "a"}'), hubspot_identify('{"email": "twice$round\@example.com", "city": "b"}')});
	ask(qq{SET hubspot.on_invalid = 'record'; SELECT hubspot_identify('{"city": "nobody"}'), hubspot_track('{"event": "looked", "userId": "r${round}\@example.com"}')});
	wait_drained($node, 'postgres');
}

subtest 'what is counted is what the tables hold' => sub {
	$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 502, times => 2);
	deliver(1);
	my $truth = ask($ended);
	like($truth, qr/^contacts identify delivered \d+$/m, 'rows were delivered');
	like($truth, qr/^contacts identify rejected bad_message 1$/m, 'a row was rejected as it was read');
	becomes(sub { ask($counted) }, $truth, 'each verdict is counted');
	becomes(sub { ask($requests) eq ask($made) }, '1', 'and each request');
	like(ask($requests), qr/^contacts 502 2 /m, 'by status');
	is(ask(q{SELECT bool_and(duration_seconds_count = requests AND cardinality(duration_seconds) = cardinality(duration_seconds_bucket)
			AND duration_seconds_bucket[cardinality(duration_seconds_bucket)] = requests
			AND NOT EXISTS (SELECT FROM unnest(duration_seconds_bucket[2:], duration_seconds_bucket) AS b(upper, lower) WHERE upper < lower))
		FROM hubspot.request_statistics}), 't', 'the histogram grows from bound to bound');
	is(ask(q{SELECT bool_and(s.duration_seconds_bucket[3] = r.n) FROM hubspot.request_statistics s
			JOIN (SELECT lane, status, count(*) FILTER (WHERE duration_ms <= 250) AS n FROM hubspot.request GROUP BY 1, 2) r USING (lane, status)}),
		't', 'and says how many took no longer');
};

subtest 'a crash takes no more than the verdicts' => sub {
	my $before = ask('SELECT sum(rows) FROM hubspot.statistics');
	$sim->fault(match => { path => 'batch/upsert', record => '"r2n200@example.com"' }, action => 'hang', times => 1);
	ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'r2n' || i || '@example.com'))) FROM generate_series(1, 2000) i});
	wait_until(sub { ask('SELECT count(*) FROM hubspot.result') > $before }, 'some verdicts');
	$before = ask('SELECT sum(rows) FROM hubspot.statistics');
	$node->stop('immediate');
	$sim->clear_faults;
	$node->start;
	# verdicts are written asynchronously, so that the crash may have taken the last ones
	wait_drained($node, 'postgres');
	becomes(sub { ask($counted) eq ask($ended) }, '1', 'the counters are what the tables hold');
	cmp_ok(ask('SELECT sum(rows) FROM hubspot.statistics'), '>=', $before, 'and have not gone back');
};

subtest 'a reset begins anew, and holds up nobody' => sub {
	my $session = $node->background_psql('postgres', on_error_die => 1);
	$session->query_safe('BEGIN; SELECT hubspot_reset_statistics()');
	deliver(3);
	becomes(sub { ask($counted) eq ask($ended) }, '1', 'rows are delivered and counted while it is open');
	$session->query_safe('COMMIT');
	$session->quit;
	my $total = ask('SELECT sum(rows) FROM hubspot.statistics');
	cmp_ok($total, '>=', 250, 'what came after the reset counts');
	cmp_ok($total, '<', ask('SELECT count(*) FROM hubspot.result'), 'what came before does not');
	is(ask('SELECT bool_and(since > (SELECT min(finished_at) FROM hubspot.result)) FROM hubspot.statistics'), 't', 'since says when that was');

	ask(q{SELECT hubspot_reset_statistics('crm')});
	is(ask('SELECT sum(rows), sum(retries) FROM hubspot.statistics'), '0|0', 'a second one begins anew');
	is(ask('SELECT sum(requests), sum(records), sum(duration_seconds_count), sum(b) FROM hubspot.request_statistics, unnest(duration_seconds_bucket) b'),
		'0|0|0|0', 'also for requests');
	my ($code, undef, $error) = $node->psql('postgres', q{SELECT hubspot_reset_statistics('crn')});
	like($error, qr/server "crn" does not exist/, 'of an account that there is');
};

subtest 'a snapshot that somebody holds' => sub {
	my $session = $node->background_psql('postgres', on_error_die => 1);
	$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
	ask(q{SELECT hubspot_identify(jsonb_build_object('email', 'h' || i || '@example.com')) FROM generate_series(1, 3) i}) for 1 .. 20;
	wait_drained($node, 'postgres');
	my $size = ask(q{SELECT pg_relation_size('hubspot.statistic') + pg_relation_size('hubspot.request_statistic')});
	$session->query_safe('COMMIT');
	$session->quit;
	cmp_ok($size, '<', 4e6, 'the tables stay small');
};

# What was heard on the channel since the last time, one that has these members among it
my $listener = $node->background_psql('postgres', on_error_die => 1);
$listener->query_safe('LISTEN hubspot');
my @heard;

sub gather { return push @heard, map { JSON::PP->new->decode($_) } $listener->query_safe('SELECT 1') =~ /with payload "(\{.*\})" received/g }

sub hears
{
	my ($name, %members) = @_;
	my $found;
	wait_until(
		sub {
			gather();
			while (my $told = shift @heard)
			{
				$found = $told if !grep { ($told->{$_} // 'none') ne $members{$_} } keys %members;
				return 1 if $found;
			}
		},
		$name);
	ok($found, $name);
	return $found;
}

subtest 'a failure of a new kind' => sub {
	$sim->fault(match => { path => 'batch/upsert', record => '"odd@example.com"' }, action => 'status', status => 400, times => 0,
		body => '{"status": "error", "category": "ODD_VALUE", "message": "of odd@example.com"}');
	ask(q{SELECT hubspot_identify('{"email": "odd@example.com"}')});
	my $told = hears('is told', kind => 'failure', verdict => 'rejected', category => 'ODD_VALUE');
	is_deeply([ @$told{qw(account lane call)} ], [qw(crm contacts identify)], 'of which rows it is');
	unlike(JSON::PP->new->encode($told), qr/odd\@/, 'and nothing of the row');
	wait_drained($node, 'postgres');
	$sim->clear_faults;
};

subtest 'a definition' => sub {
	ask(q{CREATE TABLE members (email text); INSERT INTO members VALUES ('m@example.com');
		SELECT hubspot_sync('their members', 'SELECT email FROM members', mapping => '{"email": "email"}', every => '1 second')});
	wait_until(sub { ask('SELECT count(*) FROM hubspot.syncs WHERE refreshed_at IS NOT NULL') }, 'the first refresh');
	$sim->fault(match => { path => 'batch/upsert', record => '"n@example.com"' }, action => 'status', status => 400, times => 0,
		body => '{"status": "error", "category": "ODD_VALUE", "message": "of n@example.com"}');
	ask(q{INSERT INTO members VALUES ('n@example.com'); SELECT hubspot_refresh(name) FROM hubspot.sync});
	hears('whose rows fail in a new way is told', kind => 'failure', name => 'their members', verdict => 'rejected', category => 'ODD_VALUE');
	$sim->clear_faults;
	ask('ALTER TABLE members RENAME TO former_members');
	hears('that fails is told', kind => 'definition', name => 'their members', state => 'failing', wrong => 1);
	ask('ALTER TABLE former_members RENAME TO members; SELECT hubspot_refresh(name) FROM hubspot.sync');
	hears('and that it is well again', kind => 'definition', name => 'their members', before => 'failing', wrong => 0);
	ask('DROP TABLE members CASCADE');
	hears('one that is wrong', kind => 'definition', state => 'failing');
	ask('SELECT hubspot_drop_sync(name) FROM hubspot.sync');
	hears('and dropped is not wrong any more', kind => 'definition', state => 'dropped', before => 'failing');
	like(PostgreSQL::Test::Utils::slurp_file($node->logfile),
		qr/HubSpot sync "their members" is in state "failing".*HubSpot sync "their members" is well again/s, 'the log says the same');
};

subtest 'what comes and goes many times in a second' => sub {
	for my $n (1 .. 15)
	{
		ask(q{SELECT hubspot_pause('crm', 'contacts')});
		ask(q{SELECT hubspot_resume('crm', 'contacts')});
	}
	ask(q{SELECT hubspot_pause('crm', 'contacts', 'the last one')});
	ask(q{SELECT hubspot_pause('crm', 'events')});
	# the last word on each: one that came a moment ago, and is over, is no news
	my $last_of = sub { my ($lane) = @_; return (grep { $_->{kind} eq 'lane' && ($_->{lane} // "") eq $lane } @heard)[-1] };
	wait_until(sub { gather(); $last_of->('events') && $last_of->('events')->{wrong} }, 'another lane waits for nobody');
	wait_until(sub { gather(); $last_of->('contacts') && $last_of->('contacts')->{wrong} }, 'the last state is told at last');
	@heard = ();
	ask(q{SELECT hubspot_resume('crm', 'contacts')});
	my $told = hears('and its end', kind => 'lane', lane => 'contacts', wrong => 0);
	ask(q{SELECT hubspot_resume('crm', 'events')});
	hears('each has its end', kind => 'lane', lane => 'events', wrong => 0, before => 'paused', state => 'RUN');
	unlike(JSON::PP->new->encode($told), qr/last one/, 'without what somebody has written');
};

subtest 'the setting' => sub {
	$node->append_conf('postgresql.conf', 'hubspot.notify = off');
	$node->reload;
	wait_until(sub { ask('SHOW hubspot.notify') eq 'off' }, 'the setting');
	my $offset = -s $node->logfile;
	ask(q{SELECT hubspot_pause('crm')});
	wait_until(sub { PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset) =~ /HubSpot account "crm" is in state PAUSED/ }, 'the log');
	$node->append_conf('postgresql.conf', 'hubspot.notify = on');
	$node->reload;
	ask(q{SELECT hubspot_resume('crm')});
	gather();
	is(scalar(grep { ($_->{event} // '') eq 'account paused' } @heard), 0, 'no notification when it is off');
};

$listener->quit;
$node->stop;
done_testing();
