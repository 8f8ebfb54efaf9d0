# Faults of one record that may pass: its rows wait by themselves, all others go on.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('deferred');
create_account($node, 'postgres', 'crm', $sim, max_attempts => 3);

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub identify
{
	my ($name, $plan) = @_;
	return ask("SELECT hubspot_identify('{\"email\": \"$name\@example.com\", \"plan\": \"$plan\"}')");
}

sub queue
{
	my ($name, $from, $to) = @_;
	ask("SELECT count(hubspot_identify(jsonb_build_object('email', '$name' || i || '\@example.com'))) FROM generate_series($from, $to) i");
}

sub wait_for_state
{
	my ($id, $state) = @_;
	wait_until(sub { ask("SELECT state FROM hubspot.outbox_status WHERE id = $id") eq $state }, "row $id to be $state");
}

# Does not wait for next_try_at.
sub wait_for_end
{
	my ($id, $meanwhile) = @_;
	wait_until(
		sub {
			$meanwhile->() if $meanwhile;
			my $state = ask("SELECT state FROM hubspot.outbox_status WHERE id = $id");
			$node->psql('postgres', "SELECT hubspot_retry($id)") if $state eq 'deferred';
			$state eq 'done';
		},
		"row $id to end");
}

# What was applied for a contact: the values of plan, in order.
sub plans
{
	my $name = shift;
	return join ',', map { $_->{properties}{plan} // '-' } grep { ($_->{key} // '') eq "$name\@example.com" } $sim->log;
}

identify('warm', 'free');
wait_drained($node, 'postgres');

# One record of many, of which HubSpot says that it failed for the moment
$sim->fault(match => { path => 'batch/upsert', record => 'slow@' }, action => 'record_error', category => 'INTERNAL_ERROR',
	body => 'try again', times => 0);
stop_delivery($node);
my $slow = identify('slow', 'one');
queue('other', 1, 99);
resume_delivery($node);
wait_for_state($slow, 'deferred');
becomes(sub { ask("SELECT attempt || category || message FROM hubspot.outbox_status WHERE id = $slow") }, qr/^[12]INTERNAL_ERRORtry again$/,
	'the row is deferred with HubSpot\'s reason');
is(ask("SELECT next_try_at > failed_at AND next_try_at < failed_at + interval '1 minute' FROM hubspot.deferred WHERE id = $slow"), 't',
	'it says when it is tried again');
is(ask("SELECT failed_at BETWEEN created_at AND clock_timestamp() FROM hubspot.deferred WHERE id = $slow"), 't', 'it failed when it did');
becomes(sub { ask("SELECT deferred FROM hubspot.status WHERE lane = 'contacts'") }, '1', 'and so does the lane');
my $later = identify('slow', 'two');
queue('other', 100, 150);
wait_until(sub { $sim->contact('other150@example.com') }, 'others to be delivered');
becomes(sub { ask("SELECT state FROM hubspot.outbox_status WHERE id = $later") }, 'waiting', 'what is queued for the same contact keeps its place');
becomes(sub { ask("SELECT state FROM hubspot.status WHERE lane = 'contacts'") }, 'RUN', 'the lane is in no trouble');
$sim->clear_faults;
wait_for_end($slow);
wait_drained($node, 'postgres');
is(ask("SELECT verdict || ' ' || attempt FROM hubspot.outbox_status WHERE id = $later"), 'delivered 1', 'in the end it is delivered');
is($sim->contact('slow@example.com')->{properties}{plan}, 'two', 'the newest value wins');
like(plans('slow'), qr/^(one,)?two$/, 'in order');
is(ask('SELECT count(*) FROM hubspot.deferred'), '0', 'the copy is gone');

# Through restarts, in order
$sim->fault(match => { path => 'batch/upsert', record => 'night@' }, action => 'record_error', times => 0);
my $night = identify('night', 'one');
wait_for_state($night, 'deferred');
is(ask("SELECT hubspot_drain('0.1 s')"), 'f', 'a deferred row is not done');
queue('pass', 1, 3);
wait_until(sub { ask("SELECT pg_visible_in_snapshot(o.xid, c.snapshot) FROM hubspot.last_checkpoint c, hubspot.outbox o WHERE o.id = $night") eq 't' },
	'the checkpoint not to wait for it');
my $morning = identify('night', 'two');
my $next_try = ask("SELECT next_try_at FROM hubspot.deferred WHERE id = $night");
$node->stop('immediate');
$sim->clear_faults;
$node->start;
wait_until(sub { ask("SELECT count(*) FROM hubspot.outbox_status WHERE id IN ($night, $morning) AND state = 'done'") eq '2' }, 'both rows after a crash');
is(ask("SELECT finished_at >= '$next_try' FROM hubspot.outbox_status WHERE id = $night"), 't', '... in its time, which outlives the server');
like(plans('night'), qr/^(one,)?two$/, 'neither is lost or overtaken');
is(ask("SELECT string_agg(state, ',') FROM hubspot.outbox_status WHERE id = $night"), 'done', 'it is shown once');

# Given up
$sim->fault(match => { path => 'batch/upsert', record => 'never@' }, action => 'record_error', times => 0, body => 'not today');
my $never = identify('never', 'one');
wait_for_end($never);
is(ask("SELECT verdict || attempt || category || message FROM hubspot.outbox_status WHERE id = $never"), 'dead3INTERNAL_ERRORnot today',
	'after max_attempts the row is dead');
is(ask("SELECT id || key || attempt || last_error FROM hubspot.dead"), "${never}never\@example.com3not today", 'and kept');
is(ask("SELECT failed_at BETWEEN created_at AND clock_timestamp() FROM hubspot.dead"), 't', '... with the time of the last fault');
is(ask("SELECT verdict FROM hubspot.failures WHERE id = $never"), 'dead', 'among the failures');
is(ask('SELECT count(*) FROM hubspot.deferred'), '0', 'nothing of it waits');
becomes(sub { ask('SET ROLE pg_monitor; SELECT problem FROM hubspot_health()') }, qr/^1 rows were given up within the last day/, 'hubspot_health() tells whoever watches');
ask("UPDATE hubspot.dead SET failed_at = failed_at - interval '25 hours'");
becomes(sub { ask('SELECT problem FROM hubspot_health()') }, '', 'for a day');
$sim->clear_faults;

# A record that makes HubSpot stumble as a whole
my $last = ask('SELECT max(id) FROM hubspot.request');
$sim->fault(match => { path => 'batch/upsert', record => 'poison@' }, action => 'status', status => 500, times => 0);
stop_delivery($node);
queue('before', 1, 60);
my $poison = identify('poison', 'one');
queue('after', 1, 139);
resume_delivery($node);
wait_until(sub { $sim->count >= 60 + 139 + 156 }, sub { 'all but one to arrive: ' . $sim->count });
wait_for_state($poison, 'deferred');
is(ask("SELECT category || http_status FROM hubspot.deferred WHERE id = $poison"), 'unavailable500', 'the culprit is found');
cmp_ok(ask("SELECT count(*) FROM hubspot.request q, hubspot.deferred d WHERE d.id = $poison AND q.lane = 'contacts' AND q.id > $last AND q.id <= d.request_id"),
	'<=', 3 + 14, 'by 14 more requests at the most');
queue('follow', 1, 5);
wait_until(sub { $sim->contact('follow5@example.com') }, 'the lane to go on');
my $tick = 0;
wait_for_end($poison, sub { $tick++; queue('tick', $tick, $tick); wait_until(sub { $sim->contact("tick$tick\@example.com") }, 'another contact') });
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $poison"), 'dead', 'and given up in its turn');
becomes(sub { ask("SELECT state FROM hubspot.status WHERE lane = 'contacts'") }, 'RUN', 'the lane is in no trouble');

# The same in an outage: nobody else has a success, so nobody is to blame
$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 503, times => 0);
my $outage = identify('outage', 'one');
queue('outage', 1, 150);
wait_until(sub { ask("SELECT count(*) FROM hubspot.request WHERE status = 503") >= 5 }, 'some tries during an outage');
is(ask('SELECT count(*) FROM hubspot.deferred'), '0', 'an outage defers no row');
$sim->clear_faults;
wait_drained($node, 'postgres');
is(ask("SELECT verdict || attempt FROM hubspot.outbox_status WHERE id = $outage"), 'delivered1', 'and counts as no attempt');
$sim->clear_faults;

# The SERVER is dropped while a row is deferred
$sim->fault(match => { path => 'batch/upsert', record => 'gone@' }, action => 'record_error', times => 0);
my $gone = identify('gone', 'one');
wait_for_state($gone, 'deferred');
ask('DROP SERVER crm CASCADE');
wait_for_state($gone, 'done');
is(ask("SELECT verdict || category FROM hubspot.outbox_status WHERE id = $gone"), 'cancelledserver_dropped', 'it ends with its SERVER');
is(ask('SELECT count(*) FROM hubspot.deferred'), '0', 'and leaves nothing');
is(ask('SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'), '0',
	'each row has one verdict');

create_account($node, 'postgres', 'again', $sim);

# What a session does with each statement, our processes do with each transaction.
my $ours = "FROM pg_stat_activity WHERE backend_type LIKE 'hubspot%'";
wait_until(sub { ask("SELECT count(*) FROM (SELECT backend_type $ours AND state = 'idle' AND xact_start IS NULL AND query <> '' GROUP BY 1) x") eq '2' },
	'launcher and worker to be idle');
pass('they tell when they are idle');
my $inserted = q{SELECT sum(n_tup_ins) FROM pg_stat_user_tables WHERE relname ~ '^result_[0-7]$'};
my $before = ask($inserted);
ask(q{SELECT hubspot_identify('{"email": "counted@example.com"}', server => 'again')});
ok(wait_until(sub { ask($inserted) > $before }, 'what the worker has inserted to be counted'), 'and report what they have done');

$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
