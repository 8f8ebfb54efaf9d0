# A form, and a legacy event, is sent once at most, however the worker ends while its
# answer is awaited: it ends as unknown, and the next worker does not send it again.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('once', conf => 'restart_after_crash = on');
$sim->api('POST', '/_sim/forms', { id => 'f-1', name => 'Demo', fields => ['email'] });
create_account($node, 'postgres', 'crm', $sim, forms_url => $sim->url, events_url => $sim->url, events => 'legacy');
$node->safe_psql('postgres', q{SELECT hubspot_identify('{"email": "warm@example.com"}')});
wait_drained($node, 'postgres');

sub ask { return $node->safe_psql('postgres', shift) }

# What HubSpot has received of somebody: a form, an event.
sub received
{
	my ($who) = @_;
	my @log = grep { ($_->{key} // $_->{parameters}{email} // q{}) eq "$who\@example.com" } $sim->log;
	return join ' ', map { my $op = $_; scalar grep { $_->{op} eq $op } @log } 'form', 'legacy_event';
}

sub verdicts { return ask("SELECT string_agg(coalesce(verdict, state), ' ' ORDER BY object DESC) FROM hubspot.outbox_status WHERE key = '$_[0]\@example.com'") }

# Both are under way, and HubSpot has them; no answer comes.
sub under_way
{
	my ($who, %fault) = @_;
	%fault = (action => 'hang', apply => JSON::PP::true) unless %fault;
	$sim->fault(match => { path => $_ }, %fault, times => 1) for '/submit/', '/v1/event';
	ask(qq{SELECT hubspot_form('{"formId": "f-1", "fields": [{"name": "email", "value": "$who\@example.com"}]}');
		SELECT hubspot_track('{"event": "Paid", "email": "$who\@example.com"}')});
	wait_until(sub { received($who) eq '1 1' }, "both of $who to arrive");
	return;
}

# They have ended so, are not sent again, and what is queued later is.
sub ended_as
{
	my ($who, $verdicts, $what) = @_;
	wait_drained($node, 'postgres');
	is(verdicts($who), $verdicts, "$what: how they end");
	$sim->clear_faults;
	ask(qq{SELECT hubspot_form('{"formId": "f-1", "fields": [{"name": "email", "value": "later.$who\@example.com"}]}');
		SELECT hubspot_track('{"event": "Paid", "email": "later.$who\@example.com"}')});
	wait_drained($node, 'postgres');
	is(verdicts("later.$who") . ' ' . received("later.$who"), 'delivered sent_unconfirmed 1 1', "$what: later ones go");
	is(received($who), '1 1', "$what: HubSpot has one of each");
	is(ask('SELECT count(*) FROM hubspot.begun'), 0, "$what: no note is left");
	return;
}

# Noted before they are sent
under_way('noted');
is(ask('SELECT count(*) FROM hubspot.begun b JOIN hubspot.outbox o USING (id)'), 2, 'what is under way is noted');
is(verdicts('noted'), 'in_flight in_flight', 'and shown as under way');

# A restart as usual
my $since = time;
$node->restart;
cmp_ok(time - $since, '<', 60, 'the server does not wait for HubSpot');
is(verdicts('noted'), 'unknown unknown', 'fast restart: the verdicts were written before the end');
like(ask(q{SELECT string_agg(DISTINCT category || ' ' || (message LIKE 'the % may have been %'), ',') FROM hubspot.failures WHERE key = 'noted@example.com'}), qr/^answer_lost t/, 'with a reason');
ended_as('noted', 'unknown unknown', 'fast restart');

# ... with an answer that comes in time
under_way('soon', action => 'delay', ms => 300);
$node->restart;
ended_as('soon', 'delivered sent_unconfirmed', 'fast restart, an answer that comes at once');

under_way('ended');
ask(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'hubspot worker'});
ended_as('ended', 'unknown unknown', 'the worker was told to end');

under_way('off');
stop_delivery($node);
is(verdicts('off'), 'unknown unknown', 'hubspot.enabled off: the verdicts were written before the end');
resume_delivery($node);
ended_as('off', 'unknown unknown', 'hubspot.enabled off');

# Crashes: of the server, and of the worker, which takes the others along
under_way('crash');
$node->stop('immediate');
$node->start;
ended_as('crash', 'unknown unknown', 'a crash of the server');

under_way('killed');
kill 'KILL', worker_pid($node, 'postgres');
wait_until(sub { (HubSpotTest::try_ask($node, q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot worker'}) // 0) > 0 }, 'the server to be back');
ended_as('killed', 'unknown unknown', 'a crash of the worker');

# The note cannot be written: nothing is sent
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN; LOCK TABLE hubspot.begun IN SHARE MODE');
ask(q{SELECT hubspot_form('{"formId": "f-1", "fields": [{"name": "email", "value": "locked@example.com"}]}')});
wait_until(sub { PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /canceling statement due to lock timeout/ }, 'the worker to fail at its note');
is(received('locked'), '0 0', 'nothing is sent that is not noted');
$session->query_safe('COMMIT');
$session->quit;
wait_drained($node, 'postgres');
is(verdicts('locked') . ' ' . received('locked'), 'delivered 1 0', 'and it goes when it is');

# HubSpot says no, for certain: it is not noted any more, and sent again
$sim->fault(match => { path => '/submit/' }, action => 'status', status => 503, times => 0);
ask(q{SELECT hubspot_form('{"formId": "f-1", "fields": [{"name": "email", "value": "busy@example.com"}]}')});
wait_until(sub { ask(q{SELECT count(*) > 1 FROM hubspot.requests WHERE status = 503}) eq 't' }, 'HubSpot to refuse it twice');
$node->stop('immediate');
$node->start;
$sim->clear_faults;
wait_drained($node, 'postgres');
like(verdicts('busy') . ' ' . received('busy'), qr/^(delivered 1 0|unknown 0 0)$/, 'what HubSpot has not taken is sent again, or known to be in doubt');

# The SERVER goes
under_way('dropped', action => 'delay', ms => 300);
ask('DROP SERVER crm');
wait_drained($node, 'postgres');
is(verdicts('dropped') . ' ' . received('dropped'), 'delivered sent_unconfirmed 1 1', 'DROP SERVER while they are under way');

done_testing();
