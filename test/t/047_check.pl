# hubspot_check(): silent beside traffic, deferrals and rotations; finds what is hidden by hand; nothing that has no
# verdict is given back.
use strict;
use warnings;

use HubSpotTest qw(:DEFAULT start_writer);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('check', conf => "hubspot.retention = '1min'\nautovacuum = off\nlog_statement = none");
create_account($node, 'postgres', 'crm', $sim, max_attempts => 1000);
create_account($node, 'postgres', 'strict', $sim, max_attempts => 1);

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub identify
{
	my ($name, $server) = @_;
	return ask(sprintf q{SELECT hubspot_identify('{"email": "%s@example.com"}', server => '%s')}, $name, $server // 'crm');
}

sub found { return ask(q{SELECT string_agg(concat_ws(' ', what, id), ', ' ORDER BY what, id) FROM hubspot_check()}) }

sub covered
{
	my ($id) = @_;
	wait_until(sub { ask("SELECT pg_visible_in_snapshot(o.xid, c.snapshot) FROM hubspot.last_checkpoint c, hubspot.outbox o WHERE o.id = $id") eq 't' },
		"the checkpoint to cover row $id");
	return $id;
}

# Whatever is there is old enough for the rotation, which a reload brings about.
sub rotate
{
	ask(q{UPDATE hubspot.outbox SET created_at = created_at - interval '1 hour'});
	$node->reload;
}

sub generations { return ask('SELECT count(DISTINCT id / 1000000000) FROM hubspot.outbox') }

sub is_given_back { return ask("SELECT count(*) FROM hubspot.outbox WHERE id = $_[0]") eq '0' }

# A write by hand, what is found then, and the way back.
sub finds
{
	my ($change, $expected, $undo, $what) = @_;
	ask($change);
	is(found(), $expected, $what);
	ask($undo);
}

#
# Beside everything else
#
my $stop = $node->basedir . '/stop';
$sim->fault(match => { path => 'batch/upsert', record => 'r1' }, action => 'record_error', category => 'INTERNAL_ERROR', times => 0, probability => 0.3);
our @writers = map {
	start_writer(
		$node, $stop,
		sub {
			my ($session) = @_;
			my $name = 'r' . int rand 40;
			my $server = rand() < 0.5 ? 'crm' : 'strict';
			my $call = "SELECT hubspot_identify('{\"email\": \"$name\@example.com\", \"plan\": \"$session\"}', server => '$server')";
			return "BEGIN; $call; SAVEPOINT s; $call; ROLLBACK TO s; $call; COMMIT; $call; SELECT hubspot_retry(id) FROM hubspot.deferred LIMIT 1; SELECT pg_sleep(0.02);";
		})
} 1 .. 2;
END { kill 'KILL', @writers if @writers }
my ($checks, $alarms, %seen) = (0, '');
my $first = covered(identify('first'));
my $rotations = 0;
wait_until(
	sub {
		# each with a snapshot of its own
		$alarms .= ask(join ';', ('SELECT * FROM hubspot_check()') x 20);
		$checks += 20;
		$seen{ $_ } = 1 for split /\n/, ask('SELECT DISTINCT id / 1000000000 FROM hubspot.outbox');
		# no further than a look at a generation can follow
		$rotations++, rotate() if generations() < 4;
		keys %seen >= 4 && is_given_back($first) && $checks >= 40;
	},
	sub { 'rotations: ' . join(', ', sort keys %seen) });
append_to_file($stop, 'stop');
waitpid $_, 0 for @writers;
@writers = ();
is($alarms, '', 'no false alarm beside traffic, deferrals and rotations');
cmp_ok($checks, '>=', 40, "in $checks checks");
cmp_ok(ask('SELECT count(*) FROM hubspot.result WHERE attempt > 0'), '>', 0, 'there was something to look at');
$sim->clear_faults;
ask(q{SELECT hubspot_retry(id) FROM hubspot.deferred});
wait_drained($node, 'postgres');
wait_until(sub { ask('SELECT count(*) FROM hubspot.deferred') eq '0' }, 'nothing to be deferred');
is(found(), '', 'nor when all is done');

#
# What is hidden by hand
#
identify('beside');
my $lost = covered(identify('lost'));
wait_drained($node, 'postgres');
ask('CREATE TABLE kept AS SELECT * FROM hubspot.result WHERE false; CREATE TABLE rows AS SELECT * FROM hubspot.outbox WHERE false');
my $back = 'INSERT INTO hubspot.result SELECT * FROM kept; TRUNCATE kept';
my $gone = "WITH gone AS (DELETE FROM hubspot.result WHERE id = $lost RETURNING *) INSERT INTO kept SELECT * FROM gone";
finds($gone, "no verdict $lost", $back, 'a verdict that is gone');
finds("INSERT INTO hubspot.result SELECT * FROM hubspot.result WHERE id = $lost", "two verdicts $lost", "$gone; $back; " . "DELETE FROM hubspot.result WHERE id = $lost AND ctid IN (SELECT max(ctid) FROM hubspot.result WHERE id = $lost)",
	'one that is there twice');
finds("WITH gone AS (DELETE FROM hubspot.outbox WHERE id = $lost RETURNING *) INSERT INTO rows SELECT * FROM gone",
	"no row $lost", 'INSERT INTO hubspot.outbox SELECT * FROM rows', 'a row that is gone');
finds(
	"INSERT INTO hubspot.deferred SELECT o.*, 1, false, clock_timestamp() + interval '1 day', 500, 'x', 'x', NULL, clock_timestamp() FROM hubspot.outbox o WHERE id = $lost",
	"copy and verdict $lost", "DELETE FROM hubspot.deferred WHERE id = $lost", 'a copy of a row that has its verdict');
finds("INSERT INTO hubspot.dead SELECT o.*, 1, 500, 'x', 'x', NULL, clock_timestamp() FROM hubspot.outbox o WHERE id = $lost",
	"dead by half $lost", "DELETE FROM hubspot.dead WHERE id = $lost", 'a row given up that was delivered');
my $last = ask('SELECT max(id) FROM hubspot.outbox');
finds("SELECT setval('hubspot.outbox_id_seq', $last - 1)", "sequence $last", "SELECT setval('hubspot.outbox_id_seq', $last)", 'a sequence that is behind');
finds("SELECT setval('hubspot.request_id_seq', max(id) - 1) FROM hubspot.request", 'sequence',
	"SELECT setval('hubspot.request_id_seq', max(id)) FROM hubspot.request", 'that of the requests');
finds(q{UPDATE hubspot.record SET key_hash = key_hash + 1 WHERE key = 'lost@example.com'}, 'record map',
	q{UPDATE hubspot.record SET key_hash = key_hash - 1 WHERE key = 'lost@example.com'}, 'a key that is not found');
finds(q{INSERT INTO hubspot.record SELECT * FROM hubspot.record WHERE key = 'lost@example.com'}, 'record map',
	q{DELETE FROM hubspot.record WHERE ctid IN (SELECT max(ctid) FROM hubspot.record WHERE key = 'lost@example.com')}, 'a key that is there twice');
is(found(), '', 'all is as it was');
stop_delivery($node);
my $waiting = identify('waiting');
is(found(), '', 'a row that waits is no finding');
my $ahead = ask(q{INSERT INTO hubspot.checkpoint SELECT id + 1, clock_timestamp(), last_id, pg_current_snapshot(), next_xid FROM hubspot.checkpoint ORDER BY id DESC LIMIT 1 RETURNING id});
is(found(), "no verdict $waiting", '... but when the checkpoint has been moved beyond it');
ask(qq{UPDATE hubspot.checkpoint SET snapshot = '9999999:9999999:' WHERE id = $ahead});
is(found(), "checkpoint, no verdict $waiting", 'a checkpoint of the future');
ask("DELETE FROM hubspot.checkpoint WHERE id = $ahead");
is(found(), '', 'all is as it was');
resume_delivery($node);
wait_drained($node, 'postgres');

$sim->fault(match => { path => 'batch/upsert', record => 'later@' }, action => 'record_error', times => 0);
my $later = covered(identify('later'));
wait_until(sub { ask("SELECT count(*) FROM hubspot.deferred WHERE id = $later") eq '1' }, 'a row to be deferred');
is(found(), '', 'a deferred row is no finding');
ask("DELETE FROM hubspot.deferred WHERE id = $later");
like(found(), qr/^(no verdict $later|)$/, 'but when its copy is gone, until the worker looks for it');
$sim->clear_faults;
$node->psql('postgres', "SELECT hubspot_retry($later)");
wait_until(sub { ask("SELECT coalesce(sum(deferred), 0) FROM hubspot.status") eq '0' }, 'the worker to look for it');
wait_drained($node, 'postgres');
is(found(), '', '... and the row has one verdict, whoever was first');

#
# Nothing without a verdict is given back
#
ask($gone);
wait_until(sub { rotate(); ask("SELECT count(*) FROM hubspot.finding WHERE what = 'no verdict' AND id = $lost") eq '1' }, 'the rotation to meet the row');
for (1 .. 2)
{
	# by the time that what is called later has arrived, the worker has met the reload
	rotate();
	my $later = identify("after$_");
	wait_until(sub { ask("SELECT verdict FROM hubspot.result WHERE id = $later") eq 'delivered' }, 'what is called after the rotation');
}
ok(!is_given_back($lost), 'its generation stays');
becomes(sub { (grep { /no verdict/ } split /\n/, ask('SET ROLE pg_monitor; SELECT problem || remedy FROM hubspot_health()'))[0] // '' },
	qr/row $lost: .*hubspot_retry\($lost\)/, 'it is said so, and what to do');
my $again = ask("SELECT hubspot_retry($lost)");
isnt($again, $lost, 'its call is queued again');
is(ask("SELECT verdict || ' ' || category FROM hubspot.outbox_status WHERE id = $lost"), 'unknown lost', 'and the row has ended');
wait_drained($node, 'postgres');
is(found(), '', 'nothing is wrong any more');
$node->append_conf('postgresql.conf', "hubspot.check_interval = '1s'");
$node->reload;
wait_until(sub { ask('SELECT count(*) FROM hubspot.finding') eq '0' && ask('SELECT count(*) FROM hubspot.last_check WHERE findings = 0 AND rows > 0') eq '1' },
	'the worker to see that');
becomes(sub { scalar grep { /hubspot_check/ } split /\n/, ask('SELECT problem FROM hubspot_health()') }, '0', 'health is silent');
wait_until(sub { rotate(); is_given_back($lost) }, 'the generation to be given back');
pass('the generation is given back');
ask('CREATE EXTENSION pageinspect');
is(ask(q{SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam,
	brin_revmap_data(get_raw_page('hubspot.' || c.relname, 1)) AS entry
	WHERE a.amname = 'brin' AND c.relname ~ '_[0-7]_' AND pg_relation_size(i.indrelid) = 0 AND entry::text NOT LIKE '%,0)'}), '0',
	'and no range of an empty table has an entry that each row would write anew');

my ($status, undef, $error) = $node->psql('postgres', 'CREATE ROLE nobody; SET ROLE nobody; SELECT * FROM hubspot_check()');
like($error, qr/permission denied for function hubspot_check/, 'not everybody may look');
$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
