# Deadlines: what could not be sent in time is not sent, and says so while the
# trouble lasts.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('deadlines', conf => 'hubspot.window_rows = 1000');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub verdict_of { return ask("SELECT coalesce(verdict, state) || coalesce(' ' || category, '') FROM hubspot.outbox_status WHERE id = $_[0]") }

sub wait_for
{
	my ($query, $what) = @_;
	return wait_until(sub { ask("SELECT $query") eq 't' }, $what);
}

my $expired = 'expired expired';

#
# In time
#
my $id = ask(q{SELECT hubspot_identify('{"email": "ada@example.com", "plan": "free"}', deadline => '1 hour', backfill => true)});
wait_drained($node, 'postgres');
is(verdict_of($id), 'delivered', 'what is in time arrives');
$id = ask(q{SELECT hubspot_identify('{"traits": {"email": "ada@example.com", "plan": "late"}, "deadline": "2024-01-01T00:00:00Z"}')});
wait_drained($node, 'postgres');
is(verdict_of($id), $expired, 'a moment that has passed already');
is($sim->contact('ada@example.com')->{properties}{plan}, 'free', 'is not sent');

#
# In an outage: the request that was refused is not repeated with what is overdue
#
$sim->fault(match => { method => 'POST', path => '/crm/' }, times => 0, action => 'status', status => 503);
# in one transaction, so that they are in one request
my ($stays, $refused) = split /\n/, ask(q{BEGIN; SELECT hubspot_identify('{"email": "ada@example.com", "firstName": "Ada"}');
	SELECT hubspot_identify('{"email": "gus@example.com", "plan": "late"}', deadline => '8 seconds'); COMMIT});
wait_for(q{count(*) > 0 FROM hubspot.requests WHERE status = 503 AND records = 2}, 'trouble');
my @late = ($refused, map { ask($_) } (
	q{SELECT hubspot_identify('{"email": "ada@example.com", "plan": "late"}', deadline => '2 seconds')},
	q{SELECT hubspot_identify('{"email": "bob@example.com", "plan": "late"}', deadline => '2 seconds')},
	q{SELECT hubspot_identify('{"traits": {"email": "cyd@example.com"}, "deadline": "PT2S"}')},
	q{SELECT hubspot_group('{"userId": "dan@example.com", "traits": {"website": "acme.com"}, "context": {"traits": {"plan": "late"}}}', deadline => '2 seconds')}));
my $behind = ask(q{SELECT hubspot_identify('{"email": "bob@example.com", "firstName": "Bob"}')});
wait_for("count(*) = 7 FROM hubspot.outbox_status WHERE verdict = 'expired' AND (id IN (" . join(', ', @late) . ") OR parent = $late[4])",
	'the verdicts');
# A lane in trouble asks now and then, with the rows that it has.
like(verdict_of($stays), qr/^(waiting|in_flight)$/, 'the verdict comes while the trouble lasts');
like(verdict_of($behind), qr/^(waiting|in_flight)$/, 'of one row, not of others of its key');
becomes(sub { ask(q{SELECT count(*) FROM hubspot.status WHERE lane = 'contacts' AND state <> 'RUN'}) }, '1', 'the lane is still in trouble');

# Far more than the window holds
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'many' || i || '@example.com'), deadline => '2 seconds')) FROM generate_series(1, 3000) i});
wait_for(q{count(*) = 3000 FROM hubspot.outbox o JOIN hubspot.result r ON r.id = o.id WHERE o.key LIKE 'many%' AND r.verdict = 'expired'},
	'the verdicts of what the window cannot hold at once');
like(verdict_of($stays), qr/^(waiting|in_flight)$/, 'and nothing else ends');

$sim->clear_faults;
wait_drained($node, 'postgres');
is(verdict_of($stays), 'delivered', 'what has no deadline is sent when the trouble is over');
is(verdict_of($behind), 'delivered', 'also behind an expired row of the same key');
is_deeply([ @{ $sim->contact('ada@example.com')->{properties} }{qw(firstname plan)} ], [ 'Ada', 'free' ], 'without what was overdue');
is($sim->contact('bob@example.com')->{properties}{plan} // '', '', 'which is not merged into a later row');
is($sim->contact($_), undef, "nothing of $_") for qw(gus@example.com cyd@example.com dan@example.com many1@example.com);

#
# Rows that wait for another lane
#
ask(q{SELECT hubspot_create_event('visited', '{"place": "string"}')});
wait_drained($node, 'postgres');
$sim->fault(match => { method => 'POST', path => '/crm/' }, times => 0, action => 'status', status => 503);
ask(q{SELECT hubspot_identify('{"userId": "u7", "traits": {"email": "fay@example.com"}}')});
$late[0] = ask(q{SELECT hubspot_track('{"userId": "u7", "event": "visited", "properties": {"place": "late"}}', deadline => '2 seconds')});
my @kept = map { ask(qq{SELECT hubspot_track('{"userId": "$_", "event": "visited", "properties": {"place": "kept"}}')}) } qw(u8 u7);
wait_until(sub { verdict_of($late[0]) eq $expired }, sub { 'the verdict of the event, now ' . verdict_of($late[0]) });
$sim->clear_faults;
wait_for("state = 'deferred' FROM hubspot.outbox_status WHERE id = $kept[0]", 'somebody to tell who u8 is');
ask(q{ALTER SERVER crm OPTIONS (ADD unknown_user_wait '0')});
ask("SELECT hubspot_retry($kept[0])");
wait_drained($node, 'postgres');
is(verdict_of($kept[1]), 'delivered', 'a later event of the same contact is sent');
is(verdict_of($kept[0]), 'rejected contact_not_found', 'or refused for its own reason');
is_deeply([ map { $_->{properties}{place} } grep { $_->{op} eq 'event' } $sim->log ], ['kept'], 'and none that was late');

done_testing();
