# hubspot_pause() and hubspot_resume(): what is paused begins nothing, at once and
# over restarts and crashes; what is under way ends; the rest goes on.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $healthy = start_simulator(token => 'pat-na1-other', config => { burst_limit => 10000 });
my $node = hubspot_cluster('pauses', tokens => { crm => $HubSpotTest::token, other => 'pat-na1-other' });
create_account($node, 'postgres', 'crm', $sim, forms_url => $sim->url, max_connections => 4);
create_account($node, 'postgres', 'other', $healthy, secret => 'other');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});
$sim->api('POST', '/_sim/forms', { id => 'f-1', name => 'Demo', fields => ['email'] });

sub ask { return $node->safe_psql('postgres', shift) }
sub delivered { my ($id) = @_; return ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") eq 'delivered' }
sub state_of { return ask("SELECT state FROM hubspot.status WHERE server = 'crm' AND lane = '$_[0]'") }
sub requests { return scalar(my @all = $sim->requests) }

my $round = 0;

# A row for each lane.  Company and contact of the association are there from the first round on.
sub queue_all
{
	$round++;
	my ($with) = @_;
	return join '; ', $with // (),
	  qq{SELECT hubspot_identify('{"email": "c$round\@example.com"}')},
	  qq{SELECT hubspot_group('{"website": "co$round.com", "name": "Company $round"}')},
	  qq{SELECT hubspot_group('{"website": "base.com", "userId": "base\@example.com"}')},
	  qq{SELECT hubspot_track('{"event": "looked", "userId": "base\@example.com"}')},
	  qq{SELECT hubspot_form('{"formId": "f-1", "fields": [{"name": "email", "value": "f$round\@example.com"}]}')},
	  qq{SELECT hubspot_create_property('contact', 'p$round', 'string')},
	  qq{SELECT hubspot_create_list('l$round')};
}

sub waiting
{
	return ask(q{SELECT coalesce(string_agg(DISTINCT object, ' ' ORDER BY object), 'none') FROM hubspot.backlog WHERE server = 'crm'});
}

sub wait_for_rest
{
	my ($expected, $what) = @_;
	wait_until(sub { waiting() eq $expected }, sub { "$what: of all rows only $expected to wait, now " . waiting() });
}

sub other_goes_on
{
	my $id = ask(q{SELECT hubspot_identify('{"email": "beside@example.com"}', 'other')});
	wait_until(sub { delivered($id) }, 'the other account to go on');
}

ask(q{SELECT hubspot_create_event('looked'); SELECT hubspot_identify('{"email": "base@example.com"}')});
wait_drained($node, 'postgres');
ask(queue_all());
wait_drained($node, 'postgres');

#
# Each lane by itself: an association needs its company
#
my %stops = (contacts => 'contact', companies => 'association company', associations => 'association', events => 'event',
	forms => 'form', schema => 'schema', lists => 'list');
for my $lane (sort keys %stops)
{
	# in one transaction with rows: not one of them goes
	my $before = ask("SELECT coalesce(max(id), 0) FROM hubspot.request");
	ask('BEGIN; ' . queue_all("SELECT hubspot_pause('crm', '$lane', 'for $lane')") . '; COMMIT');
	wait_for_rest($stops{$lane}, $lane);
	wait_until(sub { state_of($lane) eq 'PAUSED' }, "$lane: PAUSED");
	becomes(sub { ask("SELECT concat_ws('|', state, reason, until, waiting > 0, in_flight) FROM hubspot.status WHERE server = 'crm' AND lane = '$lane'") },
		qr/^PAUSED\|the lane is paused: by \w+ since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*: for $lane\|t\|0$/, "$lane: who, since when, why");
	becomes(sub { ask("SELECT string_agg(DISTINCT lane, ' ') FROM hubspot.status WHERE server = 'crm' AND state = 'PAUSED'") }, $lane, "$lane alone");
	# a part of the schema is read for the lane that needs it, so there are requests of the lane "schema"
	is(ask("SELECT count(*) FROM hubspot.request WHERE id > $before AND lane = '$lane' AND method = 'POST'"), '0', "$lane: no request");
	is(ask("SELECT hubspot_resume('crm', '$lane')"), 't', "$lane: resumed");
	wait_drained($node, 'postgres');
	wait_until(sub { state_of($lane) eq 'RUN' }, "$lane: RUN");
}
is(ask(q{SELECT hubspot_resume('crm', 'events')}), 'f', 'what was not paused');

#
# The whole account: nothing at all, whatever happens
#
ask(q{SELECT hubspot_pause(reason => 'maintenance')});
wait_until(sub { state_of('contacts') eq 'PAUSED' }, 'PAUSED');
my $before = requests();
ask(queue_all() . q{; SELECT hubspot_refresh_schema()});
other_goes_on();
$node->reload;
other_goes_on();
ask(q{ALTER SERVER crm OPTIONS (SET max_connections '4')});
other_goes_on();
is(waiting(), 'association company contact event form list schema', 'all rows of a paused account wait');
is(ask(q{SELECT count(*) FROM hubspot.backlog WHERE server = 'crm' AND (attempt > 0 OR state <> 'waiting')}), '0', 'untouched');
becomes(sub { ask(q{SELECT count(*) FROM hubspot.status WHERE server = 'crm' AND (state <> 'PAUSED' OR reason !~ 'the account is paused: .*: maintenance$')}) },
	'0', 'all lanes say so');
becomes(sub { ask(q{SELECT problem FROM hubspot_health() LIMIT 1}) }, qr/account crm, lane \w+: the account is paused/, 'and so does health');

# What has been paused outlives the server, in order and not
for my $how ('fast', 'immediate')
{
	$node->stop($how);
	$node->start;
	worker_pid($node, 'postgres');
	other_goes_on();
	wait_until(sub { state_of('contacts') eq 'PAUSED' }, "PAUSED after a stop, $how");
	is(requests(), $before, "nothing was sent: $how");
}

# A pause or its end that is rolled back is none
ask(q{BEGIN; SELECT hubspot_resume(); ROLLBACK});
other_goes_on();
becomes(sub { state_of('contacts') }, 'PAUSED', 'an end that was rolled back');
is(requests(), $before, 'sends nothing');
ask(q{SELECT hubspot_pause(lane => 'events'); SELECT hubspot_resume()});
# what a refresh reads of events belongs to their lane
wait_for_rest('event schema', 'the account goes on, the lane does not');
is(ask(q{SELECT hubspot_resume(lane => 'events')}), 't', 'now the lane, too');
wait_drained($node, 'postgres');
ask(q{BEGIN; SELECT hubspot_pause(); ROLLBACK});
ask(queue_all());
wait_drained($node, 'postgres');
becomes(sub { state_of('contacts') }, 'RUN', 'a pause that was rolled back');

# An account that is paused in the transaction that creates it; a prepared one
create_account($node, 'postgres', 'late', my $quiet = start_simulator(), secret => 'crm');
ask('DROP SERVER late');
ask(q{BEGIN; CREATE SERVER late FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'crm', base_url '} . $quiet->url
	  . q{'); SELECT hubspot_pause('late'); SELECT hubspot_identify('{"email": "late@example.com"}', 'late'); COMMIT});
wait_until(sub { ask(q{SELECT state FROM hubspot.status WHERE server = 'late'}) eq 'PAUSED' }, 'the new account to be paused');
other_goes_on();
is(scalar(grep { $_->{path} =~ /upsert/ } $quiet->requests), 0, 'it never sends');
ask(q{SELECT hubspot_resume('late')});
wait_drained($node, 'postgres');
is($quiet->count, 1, 'until it may');

# A SERVER that is dropped while it is paused: its rows end
my $orphan = ask(q{SELECT hubspot_pause('late'); SELECT hubspot_identify('{"email": "orphan@example.com"}', 'late')});
$orphan =~ s/\s//g;
ask('DROP SERVER late');
wait_drained($node, 'postgres');
is(ask("SELECT verdict, category FROM hubspot.outbox_status WHERE id = $orphan"), 'cancelled|server_dropped', 'rows of a dropped account');

#
# What is under way ends
#
$sim->fault(match => { path => 'batch/upsert' }, action => 'delay', ms => 2000, times => 1);
my $id = ask(q{SELECT hubspot_identify('{"email": "under.way@example.com"}')});
wait_until(sub { $sim->faults->{results}[0]{hits} == 1 }, 'the request');
ask(q{SELECT hubspot_pause(lane => 'contacts')});
my $later = ask(q{SELECT hubspot_identify('{"email": "under.way@example.com", "city": "Rome"}')});
wait_until(sub { delivered($id) }, 'what was under way');
becomes(sub { state_of('contacts') }, 'PAUSED', 'it ends in a paused lane');
other_goes_on();
is(ask("SELECT state FROM hubspot.outbox_status WHERE id = $later"), 'waiting', 'the next row of this contact waits');
ask(q{SELECT hubspot_resume(lane => 'contacts')});
wait_until(sub { delivered($later) }, 'the next row');

# A stage that was taken away is put back: HubSpot is not left without it
ask(q{SELECT hubspot_identify('{"email": "stage@example.com", "lifecycleStage": "customer"}')});
wait_drained($node, 'postgres');
$sim->clear_faults;
$sim->fault(match => { path => 'contacts/batch/update' }, action => 'delay', ms => 2000, times => 1);
$id = ask(q{SELECT hubspot_identify('{"email": "stage@example.com", "lifecycleStage": "lead"}')});
wait_until(sub { $sim->faults->{results}[0]{hits} == 1 }, 'the stage to be cleared');
ask(q{SELECT hubspot_pause()});
wait_until(sub { delivered($id) }, 'the stage to be set');
is($sim->contact('stage@example.com')->{properties}{lifecyclestage}, 'lead', 'a stage backwards is finished in a paused account');
becomes(sub { state_of('contacts') }, 'PAUSED', 'which it still is');
ask(q{SELECT hubspot_resume()});
wait_until(sub { state_of('contacts') eq 'RUN' }, 'the account to go on');

# A reason in another script is shown as it was given, cut where it is too long
ask(q{SELECT hubspot_pause(lane => 'forms', reason => repeat(chr(252), 300))});
wait_until(sub { state_of('forms') eq 'PAUSED' }, 'forms to be paused');
becomes(sub { ask(q{SELECT reason FROM hubspot.status WHERE server = 'crm' AND lane = 'forms'}) }, qr/: (\xc3\xbc)+$/, 'umlauts, whole');
wait_until(sub { ask(q{SELECT state FROM hubspot.rate_limits WHERE server = 'crm' AND lane = 'forms'}) eq 'PAUSED' }, 'the table to tell');
ask(q{SELECT hubspot_resume(lane => 'forms')});
wait_drained($node, 'postgres');
wait_until(sub { ask('SELECT count(*) FROM hubspot_health()') eq '0' }, 'health to be silent');

$node->stop;
done_testing();
