# While HubSpot does not answer: the worker ends at once when it is told to,
# nothing waits for it, and it holds no snapshot.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $sim = start_simulator();
my $node = hubspot_cluster('signals', conf => "hubspot.timeout = '10min'");
$node->safe_psql('postgres', 'CREATE DATABASE shop');
create_account($node, 'shop', 'crm', $sim);

# Questions go to the other database, so that they do not keep one from dropping it.
sub ask { return $node->safe_psql('postgres', shift) }
sub ask_shop { return $node->safe_psql('shop', shift) }

sub activity
{
	my $columns = shift;
	return ask("SELECT $columns FROM pg_stat_activity WHERE backend_type = 'hubspot worker' AND datname = 'shop'");
}

sub hang
{
	$sim->clear_faults;
	$sim->fault(match => { path => 'batch/upsert' }, action => 'hang', times => 0);
	ask_shop(q{SELECT hubspot_identify('{"email": "hang@example.com"}')});
	wait_until(sub { activity('wait_event') =~ /^(Extension|HubspotHttp)$/ && $sim->faults->{results}[0]{hits} > 0 }, 'a request to hang');
}

# Who waited for HubSpot would wait for ten minutes.
sub took
{
	my ($action, $what) = @_;
	my $start = time;
	$action->();
	my $seconds = time - $start;
	cmp_ok($seconds, '<', 60, sprintf '%s (%.2f s)', $what, $seconds);
}

sub new_worker
{
	my $old = shift;
	return wait_until(sub { my $pid = activity('pid'); $pid && $pid ne $old && $pid }, 'another worker');
}

#
# What a hanging worker holds
#
hang();
becomes(sub { activity('backend_xmin IS NULL, xact_start IS NULL, backend_xid IS NULL') }, 't|t|t',
	'no transaction and no snapshot while a request hangs');
becomes(sub { activity('wait_event_type, wait_event IS NOT NULL') }, 'Extension|t', 'pg_stat_activity tells what it waits for');
my $pid = activity('pid');
becomes(sub { ask("SELECT count(*) FROM pg_locks WHERE pid = $pid AND locktype <> 'virtualxid'") }, '0', 'and no lock');
wait_until(sub { ask_shop('SELECT state FROM hubspot.outbox_status') eq 'in_flight' }, 'the row to be shown in flight');
becomes(sub { ask_shop('SELECT in_flight FROM hubspot.status') }, '1', 'and counted as such');

# A reload, and rows of other contacts, are seen to meanwhile
ask_shop(q{ALTER SERVER crm OPTIONS (ADD max_connections '2')});
$sim->clear_faults;
ask_shop(q{SELECT hubspot_identify('{"email": "next@example.com"}')});
wait_until(sub { $sim->contact('next@example.com') }, 'another row to pass the hanging one');
becomes(sub { ask_shop(q{SELECT state FROM hubspot.outbox_status WHERE key = 'hang@example.com'}) }, 'in_flight', 'which still hangs');
$node->append_conf('postgresql.conf', 'hubspot.window_rows = 5000');
$node->reload;
ask_shop(q{SELECT hubspot_identify('{"email": "after@example.com"}')});
wait_until(sub { $sim->contact('after@example.com') }, 'a row after a reload');
is(activity('pid'), $pid, 'a reload leaves the worker and its requests');

#
# SIGTERM
#
took(
	sub {
		ask("SELECT pg_terminate_backend($pid)");
		wait_until(sub { !kill 0, $pid }, 'the worker to be gone');
	},
	'SIGTERM ends it');
new_worker($pid);
wait_drained($node, 'shop');
ok($sim->contact('hang@example.com'), 'the next worker sends the row again');

hang();
took(sub { $node->stop('fast') }, 'a fast shutdown of the server does not wait for HubSpot');
$sim->clear_faults;
$node->start;
wait_drained($node, 'shop');
is(scalar(grep { $_->{key} eq 'hang@example.com' } $sim->log), 2, 'the row goes out after the restart');

# A peer that accepts connections and never says a word, not even a TCP reset
hang();
$pid = activity('pid');
freeze($sim->{pid});
took(
	sub {
		ask("SELECT pg_terminate_backend($pid)");
		wait_until(sub { !kill 0, $pid }, 'the worker to be gone');
	},
	'the same with a peer that is frozen');
kill 'CONT', $sim->{pid};
$sim->clear_faults;
new_worker($pid);
wait_drained($node, 'shop');

#
# Statements that need the database, or take the extension away
#
hang();
$pid = activity('pid');
took(sub { ask_shop('BEGIN; DROP EXTENSION hubspot CASCADE; ROLLBACK') }, 'DROP EXTENSION rolled back');
is(activity('pid'), $pid, 'which leaves the worker');
took(sub { ask_shop('DROP EXTENSION hubspot CASCADE') }, 'DROP EXTENSION with a request in flight');
wait_until(sub { activity('pid') eq '' }, 'the worker to leave');

$sim->clear_faults;
create_account($node, 'shop', 'crm', $sim);
new_worker(0);
ask_shop(q{SELECT hubspot_identify('{"email": "again@example.com"}')});
wait_drained($node, 'shop');
ok($sim->contact('again@example.com'), 'created again, it delivers');

hang();
took(sub { ask('DROP DATABASE shop') }, 'DROP DATABASE with a request in flight');
is(ask(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot worker' AND datname IS NOT DISTINCT FROM 'shop'}),
	'0', 'the worker is gone');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
