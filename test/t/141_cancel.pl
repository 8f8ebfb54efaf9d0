# hubspot_cancel(): what waits is not sent; what is done or under way is left alone.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('cancel', conf => 'hubspot.window_rows = 400');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'other', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub queue
{
	my ($name, $count, $server) = @_;
	$server //= 'crm';
	return ask("SELECT min(hubspot_identify(jsonb_build_object('email', '$name' || i || '\@example.com'), '$server')) FROM generate_series(1, $count) i");
}

sub arrived { my $name = shift; return scalar grep { ($_->{key} // '') =~ /^$name/ } $sim->log }
sub verdicts { my $name = shift; return ask("SELECT string_agg(v, ' ' ORDER BY v) FROM (SELECT verdict || count(*) AS v FROM hubspot.outbox_status WHERE key LIKE '$name%' GROUP BY verdict) x") }

my $first = queue('done', 1);
queue('warm', 1, 'other');
wait_drained($node, 'postgres');
is(ask("SELECT hubspot_cancel($first)"), 'f', 'what is done cannot be cancelled');
my (undef, undef, $error) = $node->psql('postgres', 'SELECT hubspot_cancel(999)');
like($error, qr/outbox row 999 does not exist/, 'nor what is not there');

# In an outage: requests that failed without having reached anything, rows in the window, rows still on disk
$sim->fault(match => { path => 'batch/upsert' }, action => 'rate_limit', times => 0);
# which has its id before those, and is committed behind them
my $session = $node->background_psql('postgres');
my $old = $session->query_safe(q{BEGIN; SELECT hubspot_identify('{"email": "old@example.com"}', 'crm')});
my $one = queue('wait', 3000);
queue('keep', 10, 'other');
ask(q{SELECT hubspot_identify('{"email": "wait5@example.com", "plan": "new"}', 'crm')});
# what is in a request is not cancelled, so that the lane has to have given up for a while
sub quiet
{
	my ($waiting) = @_;
	wait_until(sub { ask("SELECT count(*) FROM hubspot.status WHERE server = 'crm' AND state = 'LIMITED' AND in_flight = 0 AND waiting = $waiting") eq '1' },
		sub { "the limit, with $waiting rows waiting: " . ask('SELECT * FROM hubspot.status') });
}
quiet(3001);
ask("BEGIN; SELECT hubspot_cancel($one); ROLLBACK");
becomes(sub { ask("SELECT hubspot_cancel($one)") }, 't', 'one row');
wait_until(sub { ask("SELECT state FROM hubspot.outbox_status WHERE id = $one") eq 'done' }, 'its verdict');
is(ask("SELECT verdict || category FROM hubspot.outbox_status WHERE id = $one"), 'cancelledcancelled', 'it is cancelled, though the lane is stopped');
quiet(3000);
is(ask("SELECT hubspot_cancel(key => ' WAIT5\@example.com')"), '2', 'all rows of a key');
is(ask("SELECT hubspot_cancel('other', call => 'track')"), '0', 'what fits nothing cancels nothing');
# rows that come with their cancellation into a lane that is read by a reader of its own
$session->query_safe("SELECT hubspot_cancel($old); COMMIT");
$session->quit;
my ($both) = ask(q{BEGIN;
SELECT hubspot_identify('{"email": "both@example.com"}', 'crm') AS id \gset
SELECT hubspot_cancel(:id);
COMMIT;
SELECT :id}) =~ /(\d+)$/;
cmp_ok(ask("SELECT hubspot_cancel('crm')"), '>=', 2998 - 400, 'all rows of an account, but for those of four requests');
wait_until(sub { ask("SELECT hubspot_cancel('crm') FROM hubspot.status WHERE server = 'crm' AND in_flight = 0 AND waiting > 0"); ask("SELECT count(*) FROM hubspot.backlog WHERE server = 'crm'") eq '0' }, 'the account to be empty');
is(verdicts('wait'), 'cancelled3001', 'every row has its verdict');
is(ask("SELECT string_agg(verdict::text, ' ') FROM hubspot.result WHERE id IN ($old, $both)"), 'cancelled cancelled', 'and one alone, be it met by two readers');
is(ask("SELECT count(*) FROM hubspot.backlog"), '10', 'another account\'s rows wait on');
wait_until(sub { ask('SELECT count(*) FROM hubspot.command') eq '0' }, 'the commands to be carried out');
queue('new', 5);
$sim->clear_faults;
wait_until(sub { ask("SELECT count(*) FROM hubspot.backlog") eq '0' }, 'the rest to be delivered');
is(arrived('wait'), 0, 'nothing of what was cancelled arrives');
is(arrived('keep') + arrived('new'), 15, 'all else does');

# A call of several rows is cancelled as a whole, before the worker has read it
stop_delivery($node);
my $group = ask(q{SELECT hubspot_group('{"groupId": "g", "userId": "member@example.com", "traits": {"website": "https://group.example.com"},
	"context": {"traits": {"email": "member@example.com", "firstName": "M"}}}', 'crm')});
is(ask("SELECT hubspot_cancel($group)"), 't', 'a call before it is read');
queue('after', 3);
resume_delivery($node);
wait_drained($node, 'postgres');
is(ask("SELECT string_agg(DISTINCT verdict, ' ') FROM hubspot.outbox_status WHERE id = $group OR parent = $group"), 'cancelled', 'its rows do not go');
is(arrived('after'), 3, 'others do');

# A deferred row is cancelled, or tried at once
$sim->fault(match => { path => 'batch/upsert', record => 'slow' }, action => 'record_error', times => 0);
my $slow = queue('slow', 2);
wait_until(sub { ask("SELECT count(*) FROM hubspot.deferred") eq '2' }, 'two rows to be deferred');
# It is in a request for a moment each time that it is tried again.
wait_until(sub { ask("SELECT hubspot_cancel($slow)") eq 't' }, 'a deferred row to be cancelled');
my $tries = ask('SELECT attempt FROM hubspot.deferred ORDER BY id DESC LIMIT 1');
becomes(sub { ($node->psql('postgres', "SELECT hubspot_retry($slow + 1) - $slow"))[1] }, '1', 'retry of a deferred row is that row');
wait_until(sub { ask("SELECT attempt FROM hubspot.deferred ORDER BY id DESC LIMIT 1") > $tries }, 'it to be tried again');
is(verdicts('slow1'), 'cancelled1', 'the other has its verdict');
$sim->clear_faults;
$node->psql('postgres', "SELECT hubspot_retry($slow + 1)");    # an error if it was sent just then
wait_drained($node, 'postgres');
is(verdicts('slow'), 'cancelled1 delivered1', 'and is delivered');

# Rows that an earlier worker may have sent are cancelled as well
$sim->fault(match => { path => 'batch/upsert' }, action => 'rate_limit', times => 0);
queue('restart', 300);
wait_until(sub { ask("SELECT coalesce(sum(waiting), 0) FROM hubspot.status") >= 300 }, 'the rows to be read');
stop_delivery($node);
resume_delivery($node);
wait_until(sub { ask("SELECT coalesce(sum(waiting), 0) FROM hubspot.status") >= 300 }, 'the rows to be read again');
ask("SELECT hubspot_cancel('crm')");
wait_until(sub { ask("SELECT count(*) FROM hubspot.backlog WHERE server = 'crm'") eq '0' }, 'their verdicts');
is(verdicts('restart'), 'cancelled300', 'after a restart of the worker');
$sim->clear_faults;

# A command outlives a crash
stop_delivery($node);
my $crash = queue('crash', 50);
ask("SELECT hubspot_cancel('crm')");
$node->stop('immediate');
$node->start;
resume_delivery($node);
wait_drained($node, 'postgres');
is(verdicts('crash'), 'cancelled50', 'a command outlives a crash');
is(ask('SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'), '0', 'each row has one verdict');
done_testing();
