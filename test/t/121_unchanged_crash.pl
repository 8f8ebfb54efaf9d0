# skip_unchanged after what nobody answered: nothing counts that may have changed meanwhile.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;
use PostgreSQL::Test::Utils;

my $sim = start_simulator();
my $node = hubspot_cluster('unchanged_crash', conf => 'restart_after_crash = on', init => [ allows_streaming => 1 ]);
create_account($node, 'postgres', 'crm', $sim, skip_unchanged => 'on');

sub ask { return $node->safe_psql('postgres', shift) }

sub identify { my ($city, $email) = @_; return ask("SELECT hubspot_identify('{\"email\": \"" . ($email // 'ada@example.com') . "\", \"city\": \"$city\"}')") }

sub city { return $sim->contact('ada@example.com')->{properties}{city} }

sub verdict { my ($id) = @_; return ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") }

sub wait_for_city { my ($city) = @_; wait_until(sub { city() eq $city }, "$city to be written") }

# Change the city, and let the answer come too late.
sub change_without_answer
{
	my ($city) = @_;
	$sim->fault(match => { path => 'contacts/batch/upsert' }, times => 1, action => 'hang', apply => JSON::PP::true);
	my $id = identify($city);
	wait_until(sub { (grep { ($_->{properties}{city} // '') eq $city } $sim->log) > 0 }, 'the write to be applied');
	return $id;
}

# The worker dies, and what is queued then waits until delivery goes on.
sub kill_worker
{
	my $worker = worker_pid($node, 'postgres');
	freeze($worker);
	ask('ALTER SYSTEM SET hubspot.enabled = off');
	$node->reload;
	wait_until(sub { ask('SHOW hubspot.enabled') eq 'off' }, 'the setting to be read');
	kill 'KILL', $worker;
	wait_until(sub { !kill 0, $worker }, 'the worker to be gone');
	wait_for_server($node);
}

identify('Rome');
wait_drained($node, 'postgres');
identify('Rome');
wait_drained($node, 'postgres');
is(ask('SELECT verdict FROM hubspot.outbox_status ORDER BY id DESC LIMIT 1'), 'unchanged', 'what was confirmed is known');

#
# A crash between sending and acknowledging: HubSpot has another value than the one confirmed
#
my $oslo = change_without_answer('Oslo');
kill_worker();
my $rome = identify('Rome');
resume_delivery($node);
wait_drained($node, 'postgres');
is(city(), 'Rome', 'the call after it is not taken for unchanged');
is(verdict($rome), 'delivered', 'it is sent');
is(verdict($oslo), 'coalesced', 'with the one before, which nobody knew the end of');

#
# The same, but that row is never sent again
#
$sim->fault(match => { path => 'contacts/batch/upsert' }, times => 1, action => 'hang', apply => JSON::PP::true);
ask(q{INSERT INTO hubspot.outbox (server, call, object, source, deadline, key, message)
	SELECT oid, 'identify', 'contact', 'function', clock_timestamp() + interval '10 seconds', 'ada@example.com', '{"email": "ada@example.com", "city": "Bonn"}'
	FROM pg_foreign_server WHERE srvname = 'crm'});
identify('Bonn', 'wake@example.com');
wait_for_city('Bonn');
kill_worker();
ask(q{SELECT pg_sleep(extract(epoch FROM max(deadline) - clock_timestamp()) + 0.1) FROM hubspot.outbox});
$rome = identify('Rome');
resume_delivery($node);
wait_drained($node, 'postgres');
is(ask(q{SELECT verdict FROM hubspot.outbox_status WHERE enqueued_at = (SELECT max(created_at) FROM hubspot.outbox WHERE deadline IS NOT NULL)}), 'expired', 'its deadline has passed');
is(verdict($rome), 'delivered', 'what it may have written is in doubt');
is(city(), 'Rome', 'and is written over');

#
# An answer that is lost without a crash
#
$sim->fault(match => { path => 'contacts/batch/upsert' }, times => 1, action => 'drop_after');
my $bonn = identify('Bonn');
wait_drained($node, 'postgres');
is(verdict($bonn), 'delivered', 'the repeat is confirmed');
$bonn = identify('Bonn');
wait_drained($node, 'postgres');
is(verdict($bonn), 'unchanged', 'and known');

#
# A restart knows what was confirmed; a promoted standby does not: it may lack what came last
#
$node->restart;
$bonn = identify('Bonn');
wait_drained($node, 'postgres');
is(verdict($bonn), 'unchanged', 'after a restart');
$node->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('promoted');
$standby->init_from_backup($node, 'copy', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby, 'replay', $node->lsn('flush'));
is($standby->safe_psql('postgres', q{SELECT count(*) FROM hubspot_explain('identify', '{"email": "ada@example.com", "city": "Bonn"}', 'crm') WHERE method IS NULL}),
	'0', 'a standby does not say what would be left out');
$node->stop('immediate');
$standby->promote;
$node = $standby;
$bonn = identify('Bonn');
wait_drained($node, 'postgres');
is(verdict($bonn), 'delivered', 'after a promotion all is sent once more');

$node->stop;
done_testing();
