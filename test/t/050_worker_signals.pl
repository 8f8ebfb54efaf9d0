# A HubSpot that never answers holds nobody up: no signal, no DDL, no vacuum.
use strict;
use warnings;

use HubSpotTest;
use Test::More;
use Time::HiRes qw(time);

my $sim = start_simulator();
my $node = hubspot_cluster('signals');

sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

sub hang
{
	my $database = shift;
	$sim->clear_faults;
	$sim->fault(match => { path => 'batch/upsert' }, action => 'hang', times => 0);
	ask(q{SELECT hubspot_identify('{"email": "slow@example.com"}')}, $database);
	wait_until(sub { ask('SELECT count(*) FROM hubspot.outbox_status WHERE state = \'in_flight\'', $database) eq '1' }, "a request to hang in $database");
}

sub took
{
	my $begun = time;
	shift->();
	return time - $begun;
}

create_account($node, 'postgres', 'crm', $sim);
hang('postgres');
my $pid = ask('SELECT pid FROM hubspot.workers');
is(ask("SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND backend_xmin IS NULL AND backend_xid IS NULL AND xact_start IS NULL"), '1', 'no snapshot, no transaction');
is(ask("SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype = 'relation'"), '0', 'no lock on a relation');
is(ask('SELECT in_flight FROM hubspot.status'), '1', 'the status counts it');
$node->reload;

cmp_ok(took(sub {
	ask("SELECT pg_terminate_backend($pid)");
	wait_until(sub { !kill 0, $pid }, 'the worker to end') }), '<', 1, 'SIGTERM ends within a second');
wait_until(sub { ask("SELECT count(*) FROM hubspot.outbox_status WHERE state = 'in_flight'") eq '1' }, 'the next worker to send it again');
cmp_ok(took(sub { $node->stop('fast') }), '<', 3, 'a fast stop of the server is fast');
$node->start;

ask('CREATE DATABASE victim');
create_account($node, 'victim', 'crm', $sim);
hang('victim');
cmp_ok(took(sub { ask('DROP EXTENSION hubspot CASCADE', 'victim') }), '<', 2, 'DROP EXTENSION returns within two seconds');
create_account($node, 'victim', 'crm', $sim);
hang('victim');
cmp_ok(took(sub { ask('DROP DATABASE victim') }), '<', 2, 'DROP DATABASE returns within two seconds');
is(ask("SELECT count(*) FROM hubspot.workers WHERE database = 'victim'"), '0', 'its worker is gone');

$sim->clear_faults;
$node->restart;
wait_drained($node, 'postgres');
ok($sim->contact('slow@example.com'), 'what hung arrives in the end');

done_testing();
