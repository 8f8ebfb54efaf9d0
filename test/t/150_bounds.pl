# What a worker holds in memory has bounds, whatever waits: many keys, large messages,
# deferred rows, commands, verdicts that cannot be written, accounts.  (Answers:
# 035_answer_bounds.pl.)  Sizes are in kB, and generous: without its bound each is several
# times as large.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::BackgroundPsql ();
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100_000, daily_limit => 0 });
my $node = hubspot_cluster('sizes', conf => join "\n",
	"hubspot.window_rows = 10000",
	"hubspot.window_memory = '32MB'",
	"hubspot.max_message_size = '2MB'");
create_account($node, 'postgres', 'crm', $sim, max_attempts => 1000, unknown_properties => 'drop');

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub queue
{
	my ($name, $count, $traits) = @_;
	$traits //= "'{}'";
	ask("SELECT count(hubspot_identify(jsonb_build_object('email', '$name' || i || '\@example.com') || $traits, 'crm')) FROM generate_series(1, $count) i");
}

my ($worker, $base, $peak);

sub anonymous_memory { return slurp_file("/proc/$worker/status") =~ /^RssAnon:\s+(\d+) kB/m ? $1 : die "no worker $worker" }

# From here on the most that the worker has is noted by each look at it.
sub begin
{
	$worker = worker_pid($node, 'postgres');
	$base = $peak = anonymous_memory();
}

sub wait_and_look
{
	my ($query, $expected, $what) = @_;
	wait_until(
		sub {
			my $now = anonymous_memory();
			$peak = $now if $now > $peak;
			return ask($query) eq $expected;
		},
		sub { "$what; '" . ask($query) . "' " . ask('SELECT * FROM hubspot.status') });
}

sub keeps
{
	my ($bound, $what) = @_;
	note "$what: " . ($peak - $base) . ' kB';
	cmp_ok($peak - $base, '<', $bound, "$what: the worker's memory stays bounded");
	is(worker_pid($node, 'postgres'), $worker, "$what: it is the same worker");
}

sub outage { $sim->fault(match => { path => 'batch/upsert' }, action => 'rate_limit', times => 0) }
sub in_trouble { return "SELECT bool_or(state = 'LIMITED') FROM hubspot.status WHERE lane = 'contacts'" }
sub waits { return "SELECT waiting > 0 AND in_flight = 0 FROM hubspot.status WHERE server = 'crm' AND lane = 'contacts'" }

sub go_on
{
	$sim->clear_faults;
	ask('SELECT pg_reload_conf()');
}

queue('warm', 200);
wait_drained($node, 'postgres');

# Many keys
begin();
outage();
queue('key', 200_000);
wait_and_look(in_trouble(), 't', 'the limit');
wait_and_look("SELECT (SELECT read_id FROM hubspot.workers WHERE database = 'postgres') >= (SELECT max(id) FROM hubspot.outbox)", 't', 'all to be read');
cmp_ok(ask("SELECT window_rows FROM hubspot.workers WHERE database = 'postgres'"), '<=', 10_000, '200,000 keys: the window keeps its bound');
keeps(40_000, '200,000 keys');
ask('SELECT hubspot_cancel()');
wait_and_look('SELECT count(*) FROM hubspot.backlog', '0', 'all to be cancelled');
is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE verdict = 'cancelled'"), '200000', 'they are cancelled');
keeps(40_000, '200,000 rows cancelled');
queue('again', 20_000);
wait_and_look(waits(), 't', 'more keys to wait');
kill 'TERM', $worker;
wait_until(sub { !kill 0, $worker }, 'the worker to end');
go_on();
wait_drained($node, 'postgres');

# Large messages: in an outage, in requests, deferred, recalled all at once
begin();
$sim->add_property('contacts', name => "text_$_", type => 'string', fieldType => 'textarea') for 1 .. 3;
ask('SELECT hubspot_refresh_schema()');
outage();
queue('large', 200, q{jsonb_build_object('text_1', repeat('a', 60000), 'text_2', repeat('b', 60000), 'text_3', repeat('c', 60000), 'ballast', repeat('d', 800000))});
wait_and_look(waits(), 't', 'large messages to wait');
wait_and_look(in_trouble(), 't', 'the limit');
cmp_ok(ask("SELECT window_bytes / 1024 FROM hubspot.workers WHERE database = 'postgres'"), '<=', 34 * 1024, 'large messages: the window keeps its bound');
$sim->clear_faults;
$sim->fault(match => { path => 'batch/upsert', record => 'large' }, action => 'record_error', times => 0);
ask('SELECT pg_reload_conf()');
wait_and_look('SELECT count(*) FROM hubspot.deferred', '200', 'all to be deferred');
$sim->clear_faults;
# an error: one was delivered by itself just then
wait_until(sub { my ($status) = $node->psql('postgres', 'SELECT count(hubspot_retry(id)) FROM hubspot.deferred'); $status == 0 }, 'all to be recalled');
wait_and_look("SELECT count(*) FROM hubspot.backlog", '0', 'them to be delivered');
is(length $sim->contact('large200@example.com')->{properties}{text_3}, 60_000, 'large messages arrive');
is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE key LIKE 'large%' AND verdict <> 'delivered'"), '0', 'all of them');
keeps(150_000, 'large messages');
cmp_ok(ask('SELECT max(bytes_sent) FROM hubspot.request'), '<=', 1024 * 1024 + 200_000, 'a request is of 1 MB and a record at the most');
cmp_ok(ask('SELECT max(bytes_sent) FROM hubspot.request'), '>=', 1024 * 1024 - 200_000, 'and as large as that');

# Commands, with many deferred rows
$sim->fault(match => { path => 'batch/upsert', record => 'put_off' }, action => 'record_error', times => 0);
queue('put_off', 5000);
wait_until(sub { ask('SELECT count(*) FROM hubspot.deferred') eq '5000' }, 'rows to be deferred');
ask("SELECT hubspot_pause('crm')");
stop_delivery($node);
ask('SELECT hubspot_cancel(id) FROM (SELECT id FROM hubspot.deferred ORDER BY id LIMIT 1000) x');
resume_delivery($node);
$base = $peak = 0;
$worker = worker_pid($node, 'postgres');
wait_and_look('SELECT count(*) FROM hubspot.command', '0', 'commands to be carried out');
is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE key LIKE 'put_off%' AND verdict = 'cancelled'"), '1000', '1000 commands are carried out');
keeps(100_000, '1000 commands');
ask("SELECT hubspot_resume('crm')");
ask("SELECT hubspot_cancel()");
$sim->clear_faults;
wait_until(sub { ask('SELECT count(*) FROM hubspot.backlog') eq '0' }, 'the rest to be cancelled');

# More rows that fail for their own sake than are kept
begin();
$sim->fault(match => { path => 'batch/upsert', record => 'fail' }, action => 'record_error', times => 0);
queue('fail', 100_500);
wait_and_look("SELECT bool_or(state = 'BACKOFF' AND reason ~ 'too many records fail') FROM hubspot.status", 't', 'too many deferred rows');
cmp_ok(ask('SELECT sum(deferred) FROM hubspot.status'), '<=', 100_000, '100,000 rows are deferred');
is(ask("SELECT count(*) FROM hubspot.failures WHERE key LIKE 'fail%'"), '0', 'none is blamed');
keeps(200_000, '100,000 deferred rows');
$sim->clear_faults;
ask('SELECT hubspot_cancel()');
wait_and_look('SELECT count(*) FROM hubspot.backlog', '0', 'the rest to end');
keeps(200_000, '100,000 deferred rows cancelled');

# Verdicts that cannot be written
begin();
my $sent = $sim->count;
my $lock = $node->background_psql('postgres');
$lock->query_safe('BEGIN; LOCK TABLE hubspot.result_0 IN ACCESS EXCLUSIVE MODE');
my $offset = -s $node->logfile;
queue('unwritten', 40_000);
wait_until(sub { () = slurp_file($node->logfile, $offset) =~ /canceling statement due to lock timeout/g; }, 'the first try to write');
wait_until(sub { my @tries = slurp_file($node->logfile, $offset) =~ /canceling statement due to lock timeout/g; @tries >= 12 }, 'some tries to write');
note $sim->count - $sent, ' sent';
cmp_ok($sim->count - $sent, '<=', 18_000, 'what is sent without a written verdict is bounded');
$peak = anonymous_memory();
$lock->query_safe('COMMIT');
$lock->quit;
wait_drained($node, 'postgres');
is($sim->count - $sent, 40_000, 'in the end all arrive');
keeps(100_000, 'verdicts that cannot be written');

# Accounts
begin();
my $url = $sim->url;
ask("DO \$\$ BEGIN FOR i IN 1 .. 60 LOOP EXECUTE format('CREATE SERVER account_%s FOREIGN DATA WRAPPER hubspot OPTIONS (secret ''crm'', base_url ''$url'')', i); END LOOP; END \$\$");
ask("SELECT hubspot_identify(jsonb_build_object('email', 'of_account\@example.com'), ('account_' || i)::name) FROM generate_series(1, 60) i");
ask("SELECT hubspot_track('{\"event\": \"none\", \"userId\": \"of_account\@example.com\"}', ('account_' || i)::name) FROM generate_series(1, 60) i");
wait_and_look("SELECT count(*) FROM hubspot.status WHERE server LIKE 'account%' AND lane = 'contacts' AND state = 'RUN' AND waiting = 0", '60', '60 accounts to run');
wait_and_look('SELECT count(*) FROM hubspot.backlog', '0', 'their rows to end');
becomes(sub { ask("SELECT count(DISTINCT server) || ' ' || count(*) FROM hubspot.lane_report() WHERE lane IN ('contacts', 'events')") }, '61 121', 'their lanes are reported');
becomes(sub { ask('SELECT problem FROM hubspot_health()') }, '', 'all is well');
keeps(60_000, '60 accounts');
cmp_ok(ask("SELECT sum(allocated_size) FROM pg_shmem_allocations WHERE name ~ 'hubspot'"), '<=', 5 * 1024 * 1024 + 1024 * 21 * 1024,
	'shared memory is what the documentation says: 5 MB, and 21 kB for each token');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|out of memory/, 'nothing crashed');
done_testing();
