# A standby sends nothing.  Promoted, it goes on where the primary ended.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $primary = hubspot_cluster('primary', init => [ allows_streaming => 1 ]);
create_account($primary, 'postgres', 'crm', $sim);

sub queue
{
	my ($node, $name, $count) = @_;
	$node->safe_psql('postgres', "SELECT count(hubspot_identify(jsonb_build_object("
		  . "'email', '$name' || i || '\@example.com', 'zip', i))) FROM generate_series(1, $count) i");
}

sub arrived
{
	my $name = shift;
	return scalar grep { $_->{key} =~ /^$name\d/ } $sim->log;
}

queue($primary, 'before', 300);
wait_drained($primary, 'postgres');
$primary->backup('base');

my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;

# What the standby shows
is($standby->safe_psql('postgres', 'SELECT count(*) FROM hubspot.outbox'), '300', 'the standby has the rows');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'hubspot%'}),
	'0', 'neither launcher nor worker run there');
becomes(sub { $standby->safe_psql('postgres', 'SELECT problem FROM hubspot_health()') }, qr/standby/, 'health says so');
becomes(sub { $standby->safe_psql('postgres', 'SELECT DISTINCT state FROM hubspot.status') }, 'STOPPED', 'the lane is stopped');
is($standby->safe_psql('postgres', q{SELECT count(*) FROM hubspot.outbox_status WHERE state = 'done'}),
	'300', 'verdicts can be read');
my ($status, undef, $stderr) = $standby->psql('postgres', q{SELECT hubspot_identify('{"email": "no@example.com"}')});
like($stderr, qr/recovery|read-only/, 'nothing can be queued there');

# Queued on the primary while nothing can leave; some of it is under way, with answers lost
$sim->fault(match => { path => 'batch/upsert' }, action => 'drop_after', times => 1);
$sim->fault(match => { path => 'batch/upsert' }, action => 'hang', times => 0);
queue($primary, 'wait', 500);
$primary->safe_psql('postgres', q{
	BEGIN; SELECT hubspot_identify('{"email": "rolled1@example.com"}'); ROLLBACK;
	BEGIN; SELECT hubspot_identify('{"email": "prepared1@example.com"}'); COMMIT});
my $open = $primary->background_psql('postgres');
$open->query_safe(q{BEGIN; SELECT hubspot_identify('{"email": "open1@example.com"}')});
queue($primary, 'last', 100);
$primary->safe_psql('postgres', q{SELECT hubspot_pause(lane => 'forms', reason => 'on the primary')});
$primary->wait_for_catchup($standby);
my $requests = $sim->stats->{requests};
is($standby->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'hubspot%'}),
	'0', 'still nothing runs on the standby');

# The primary is lost
$primary->stop('immediate');
eval { $open->quit };
$sim->clear_faults;
$standby->promote;
$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
wait_drained($standby, 'postgres');
is(arrived('last'), 100, 'everything that was waiting arrives after the promotion');
cmp_ok(arrived('wait'), '>=', 500, 'so does what was under way');
is(arrived('before'), 300, 'nothing that had its verdict is sent again');
is(arrived('rolled') + arrived('open'), 0, 'nothing that did not commit is sent');
is(arrived('prepared'), 1, 'and what committed is');

queue($standby, 'after', 50);
wait_drained($standby, 'postgres');
is(arrived('after'), 50, 'the new primary delivers');
becomes(sub { $standby->safe_psql('postgres', q{SELECT state, reason FROM hubspot.status WHERE lane = 'forms'}) },
	qr/^PAUSED\|.*: on the primary$/, 'what was paused still is');
is($standby->safe_psql('postgres', q{SELECT hubspot_resume(lane => 'forms')}), 't', 'and can go on');
$standby->poll_query_until('postgres', 'SELECT count(*) = 0 FROM hubspot_health()') or die;
is( $standby->safe_psql('postgres',
		'SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'),
	'0', 'each row has one verdict');

$standby->stop;
unlike(slurp_file($standby->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
