# A checkpoint covers only rows that have their verdicts, also those that a lane
# read late because its window was full.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100000 });
my $healthy = start_simulator(token => 'pat-na1-other');
my $node = hubspot_cluster('checkpoint', conf => "hubspot.window_rows = 200",
	tokens => { crm => $HubSpotTest::token, other => 'pat-na1-other' });
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'other', $healthy, secret => 'other');

sub ask { return $node->safe_psql('postgres', shift) }

# The last row of a backlog that takes several windows hangs.
stop_delivery($node);
$sim->fault(match => { path => 'batch/upsert', record => '"n1000@example.com"' }, action => 'hang', times => 0);
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'n' || i || '@example.com'), 'crm')) FROM generate_series(1, 1000) i});
resume_delivery($node);
wait_until(sub { ask(q{SELECT count(*) >= 900 FROM hubspot.result}) eq 't' }, 'all but the last request');

# Time for several checkpoints, with something to cover each time
my $started = ask('SELECT now()');
my $n = 0;
wait_until(
	sub {
		$n++;
		ask(qq{SELECT hubspot_identify('{"email": "beside$n\@example.com"}', 'other')});
		wait_until(sub { $healthy->contact("beside$n\@example.com") }, 'the other account');
		return ask("SELECT clock_timestamp() - '$started' > interval '3 s'") eq 't';
	}, 'three seconds');
is( ask(q{SELECT count(*) FROM hubspot.outbox o LEFT JOIN hubspot.result r USING (id)
		WHERE r.id IS NULL AND pg_visible_in_snapshot(o.xid,
			(SELECT snapshot FROM hubspot.checkpoint ORDER BY id DESC LIMIT 1))}),
	'0', 'the last checkpoint covers no row without a verdict');

$node->stop('immediate');
$sim->clear_faults;
$node->start;
wait_drained($node, 'postgres');
is(ask(q{SELECT count(*) FROM hubspot.outbox o LEFT JOIN hubspot.result r USING (id) WHERE r.id IS NULL}),
	'0', 'after a crash every row gets its verdict');
is($sim->count, 1000, 'and all have arrived');

$node->stop;
done_testing();
