# A copy of a database does not send what its original will send.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('clones');

sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

$node->safe_psql('postgres', 'CREATE DATABASE original');
create_account($node, 'original', 'crm', $sim, secret => 'nofile');
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'c' || i || '@example.com'))) FROM generate_series(1, 20) i}, 'original');
ask(q{CREATE TABLE people (email text); CREATE ROLE watcher; GRANT pg_monitor TO watcher;
	SELECT hubspot_audience('hourly', 'SELECT email FROM people', every => '1 hour'); SELECT hubspot_audience('by_hand', 'SELECT email FROM people', property => 'hourly')}, 'original');
ask('CREATE DATABASE copy TEMPLATE original');
write_token($node, 'nofile', $HubSpotTest::token);

wait_until(sub { ask("SELECT state FROM hubspot.workers WHERE database = 'copy'", 'copy') eq 'held' }, 'the copy to be held');
becomes(sub { ask('SELECT problem FROM hubspot_health()', 'copy') }, qr/held: this database is a copy of another one, made from a template; 20 rows wait/, 'health says why');
becomes(sub { ask(q{SET ROLE watcher; SELECT name, state, next_at, problem FROM hubspot.syncs ORDER BY name}, 'copy') }, "by_hand|new||\nhourly|held||the worker is held: this database is a copy of another one, made from a template",
	'what has a schedule is shown as held, too');
unlike(ask(q{SET ROLE watcher; SELECT remedy FROM hubspot_health()}, 'copy'), qr/tried again/, '... and no remedy speaks of a next try');
$node->reload;
wait_drained($node, 'original');
is($sim->count, 20, 'the original sends');
is(ask('SELECT count(*) FROM hubspot.backlog', 'copy'), '20', 'the copy does not');
is(scalar(my @log = $sim->log), 20, 'once');

ask('SELECT hubspot_arm()', 'copy');
wait_drained($node, 'copy');
is(scalar(@log = $sim->log), 40, 'until it is told to');

# Or it is to have nothing of the queue, but what comes afterwards
write_token($node, 'nofile', 'not yet');
$node->reload;
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'old' || i || '@example.com'))) FROM generate_series(1, 30) i}, 'original');
wait_until(sub { ask("SELECT state FROM hubspot.status WHERE lane = 'contacts'", 'original') eq 'UNAUTHORIZED' }, 'the token to be refused');
ask('CREATE DATABASE second TEMPLATE original');
wait_until(sub { ask("SELECT state FROM hubspot.workers WHERE database = 'second'", 'second') eq 'held' }, 'the second copy to be held');
ask('BEGIN; SELECT hubspot_cancel(); SELECT hubspot_arm(); COMMIT', 'second');
ask(q{SELECT hubspot_identify('{"email": "new@example.com"}')}, 'second');
write_token($node, 'nofile', $HubSpotTest::token);
ask('ALTER SERVER crm OPTIONS (ADD max_connections \'2\')', 'second');
wait_drained($node, 'second');
is(ask("SELECT verdict || count(*) FROM hubspot.outbox_status WHERE key LIKE 'old%' GROUP BY verdict", 'second'), 'cancelled30', 'a copy whose rows are cancelled');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE key = 'new\@example.com'", 'second'), 'delivered', 'sends what is queued afterwards');
$node->reload;
wait_drained($node, 'original');
is(scalar(grep { ($_->{key} // '') =~ /^old/ } $sim->log), 30, 'the original sends its own, once');

# A physical copy is told apart by its configuration; the test's cluster has its node's name
$node->append_conf('postgresql.conf', "hubspot.cluster_guard = 'production'");
$node->restart;
wait_until(sub { ask("SELECT state FROM hubspot.workers WHERE database = 'original'", 'original') eq 'held' }, 'the guard to hold');
becomes(sub { ask("SELECT problem FROM hubspot.workers WHERE database = 'original'", 'original') }, qr/cluster_guard is "production", but cluster_name is "clones"/, 'with its reason');
ask(q{SELECT hubspot_identify('{"email": "later@example.com"}')}, 'original');
$node->append_conf('postgresql.conf', "hubspot.cluster_guard = 'clones'");
$node->reload;
wait_drained($node, 'original');
ok($sim->contact('later@example.com'), 'and lets go when they agree');

done_testing();
