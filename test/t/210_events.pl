# track and page: events of defined names, each once, with the properties that
# their definitions have.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100000 });
my $node = hubspot_cluster('events');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

# Calls one, waits for its verdict.
sub done
{
	my ($call) = @_;
	my $id = ask("SELECT hubspot_$call");
	wait_until(sub { ask("SELECT state FROM hubspot.outbox_status WHERE id = $id") eq 'done' }, $call);
	return $id;
}

sub verdict_of { return ask("SELECT concat_ws('|', object, verdict, category) FROM hubspot.outbox_status WHERE id = $_[0]") }

sub codes_of { return ask("SELECT coalesce(string_agg(w->>'code' || ' ' || (w->>'property'), ','), '') FROM hubspot.outbox_status, jsonb_array_elements(warnings) w WHERE id = $_[0]") }

sub events { return grep { $_->{op} eq 'event' } $sim->log }

#
# Definitions
#
my $id = done(q{track('{"event": "Order Completed", "properties": {"email": "a@example.com", "order_id": "0071", "revenue": 19.90}}')});
is(verdict_of($id), 'event|rejected|unknown_event', 'an event that HubSpot does not know');
my $message = ask("SELECT message FROM hubspot.failures WHERE id = $id");
my ($statement) = $message =~ /(SELECT hubspot_create_event\(.*\))/;
like($statement, qr/order_completed.*"revenue": "number".*"order_id": "string"/, 'comes with the statement that creates it');
$id = ask($statement);
wait_drained($node, 'postgres');
is(verdict_of($id), 'schema|delivered', 'which creates it');
$id = ask($statement);
wait_drained($node, 'postgres');
is(verdict_of($id), 'schema|unchanged', 'once');

my %names = ('Order Completed' => 'label-like', 'order_completed' => 'name', 'ORDER completed!' => 'normal form',
	'pe1234567_order_completed' => 'fully qualified name');
for my $name (sort keys %names)
{
	my $before = events();
	$id = done(qq{track('{"event": "$name", "timestamp": "2026-11-23T10:00:00.1239+01:00", "userId": "a\@example.com",
		"properties": {"order_id": "0071", "revenue": 19.90, "Order ID": "x", "nosuch": 1, "coupon": null}}')});
	is(verdict_of($id), 'event|delivered', "found by $names{$name}");
	my $event = (events())[-1];
	is($event->{event}, 'pe1234567_order_completed', 'sent by its full name');
	is_deeply($event->{properties}, { order_id => '0071', revenue => '19.90' }, 'digits survive, the rest is left out');
	is($event->{email}, 'a@example.com', 'of the contact');
	is($event->{occurred_at}, '2026-11-23T09:00:00.123Z', 'at its time');
	is(codes_of($id), 'duplicate_property order_id,unknown_property nosuch', 'with warnings');
}

#
# Where it is from, and what it says of the contact
#
$id = done(q{track('{"event": "order_completed", "context": {"hutk": "60c2ccdfe4892f0fa0593940b12c11aa"}, "properties": {"revenue": "x"}}')});
is(verdict_of($id), 'event|delivered', 'by the browser token alone');
is((events())[-1]->{utk}, '60c2ccdfe4892f0fa0593940b12c11aa', 'which is sent');
is(codes_of($id), 'invalid_number revenue', 'values go by the types of the definition');
$id = done(q{track('{"event": "order_completed", "email": "flat@example.com", "order_id": 5}')});
is_deeply([ @{ (events())[-1] }{qw(email properties)} ], [ 'flat@example.com', { order_id => '5' } ], 'a flat row');
$id = done(q{track('{"event": "order_completed", "context": {"traits": {"email": "t@example.com", "plan": "gold"}}}')});
wait_until(sub { ($sim->contact('t@example.com') // { properties => {} })->{properties}{plan} }, 'the traits');
is($sim->contact('t@example.com')->{properties}{plan}, 'gold', 'context.traits go to the contact');
is(ask("SELECT object, call FROM hubspot.outbox_status WHERE parent = $id"), 'contact|track', 'by a row of its own');
for my $bad ('{"event": "x"}', '{"email": "a@example.com"}', '{"event": "", "email": "a@example.com"}', '{"event": "x", "email": "nobody"}')
{
	my ($status, undef, $error) = $node->psql('postgres', "SELECT hubspot_track('$bad')");
	like($error, qr/message/, "$bad is an error");
}

#
# Pages
#
ask(q{SELECT hubspot_create_event('page_viewed', '{"section": "string"}', 'Page Viewed')});
wait_drained($node, 'postgres');
$id = done(q{page('{"userId": "a@example.com", "name": "Home", "properties": {"title": "T", "section": "s"},
	"context": {"page": {"url": "https://example.com/" , "title": "other", "referrer": "https://example.org/"}}}')});
is(verdict_of($id), 'event|delivered', 'a page');
my $page = (events())[-1];
is($page->{event}, 'pe1234567_page_viewed', 'is the event page_viewed');
is_deeply($page->{properties}, { hs_page_url => 'https://example.com/', hs_page_title => 'T', hs_referrer => 'https://example.org/', section => 's' },
	'with the page');

#
# Limits of HubSpot
#
my $long = 'x' x 2000;
$id = done(qq{track('{"event": "page_viewed", "userId": "a\@example.com", "properties": {"section": "$long", "hs_page_url": "$long"}}')});
is(codes_of($id), 'truncated section,truncated hs_page_url', 'long values are cut');
is(join(',', map { length } @{ (events())[-1]{properties} }{qw(section hs_page_url)}), '256,1024', 'at the limits');

#
# Many, with the least of requests, in order
#
stop_delivery($node);
my $before = () = events();
ask(q{SELECT count(*) FROM hubspot_enqueue('track', (SELECT array_agg(jsonb_build_object('event', 'order_completed', 'userId', 'm' || i % 7 || '@example.com',
	'properties', jsonb_build_object('order_id', i)) ORDER BY i) FROM generate_series(1, 2000) i))});
my $last_request = ask('SELECT coalesce(max(id), 0) FROM hubspot.request');
resume_delivery($node);
wait_drained($node, 'postgres');
my @many = events();
@many = splice @many, $before;
is(scalar(@many), 2000, '2000 events');
cmp_ok(ask("SELECT count(*) FROM hubspot.request WHERE lane = 'events' AND id > $last_request"), '<=', 8, 'in few requests');
my (%last, $disorder);
for my $event (@many)
{
	$disorder++ if ($last{ $event->{email} } // 0) > $event->{properties}{order_id};
	$last{ $event->{email} } = $event->{properties}{order_id};
}
is($disorder, undef, 'those of one contact in order');

stop_delivery($node);
$last_request = ask('SELECT coalesce(max(id), 0) FROM hubspot.request');
ask(q{SELECT count(hubspot_track(jsonb_build_object('event', 'order_completed', 'userId', 'd' || i || '@example.com'))) FROM generate_series(1, 10000) i});
resume_delivery($node);
wait_drained($node, 'postgres');
cmp_ok(ask("SELECT count(*) FROM hubspot.request WHERE lane = 'events' AND id > $last_request"), '<=', 22, '10000 events of as many contacts in 20 requests, or so');

#
# A bad one among many
#
stop_delivery($node);
ask(q{SELECT count(hubspot_track(jsonb_build_object('event', 'order_completed', 'userId',
	CASE WHEN i = 33 THEN 'bad@example.nosuchtld' ELSE 'g' || i % 3 || '@example.com' END, 'properties', jsonb_build_object('order_id', i)))) FROM generate_series(1, 100) i});
resume_delivery($node);
wait_drained($node, 'postgres');
is(ask(q{SELECT verdict, count(*) FROM hubspot.outbox_status WHERE key ~ '^(g\d|bad)@' GROUP BY 1 ORDER BY 1}),
	"delivered|99\nrejected|1", 'a bad event of a batch is found, the others are delivered');
is(scalar(grep { ($_->{email} // '') =~ /^g\d@/ } events()), 99, 'once each');

#
# Nothing twice
#
$sim->fault(match => { path => 'send/batch' }, action => 'drop_after', times => 1);
$id = done(q{track('{"event": "order_completed", "messageId": "m-1", "userId": "lost@example.com"}')});
is(verdict_of($id), 'event|delivered', 'an answer that was lost');
is(scalar(grep { ($_->{email} // '') eq 'lost@example.com' } events()), 1, 'the event is there once');
$sim->fault(match => { path => 'send/batch' }, action => 'drop_after', times => 1);
stop_delivery($node);
ask(q{SELECT count(hubspot_track(jsonb_build_object('event', 'order_completed', 'userId', 'lost' || i % 5 || '@example.com'))) FROM generate_series(1, 50) i});
resume_delivery($node);
wait_drained($node, 'postgres');
is(ask(q{SELECT string_agg(DISTINCT verdict, ',') FROM hubspot.outbox_status WHERE key LIKE 'lost_@%'}), 'delivered', 'of a whole batch');
is(scalar(grep { ($_->{email} // '') =~ /^lost\d@/ } events()), 50, 'each once');
$id = done(q{track('{"event": "order_completed", "messageId": "m-1", "userId": "lost@example.com"}')});
is(verdict_of($id), 'event|unchanged', 'the same messageId again: HubSpot has the event');
is(scalar(grep { ($_->{email} // '') eq 'lost@example.com' } events()), 1, 'still once');

# A success that lists no result confirms none
$sim->fault(match => { path => 'send/batch' }, action => 'empty_success', times => 2);
$id = done(q{track('{"event": "order_completed", "userId": "silent@example.com"}')});
is(verdict_of($id), 'event|delivered', 'a success that names nothing');
$sim->fault(match => { path => 'send/batch' }, action => 'empty_success', times => 2);
ask(q{SELECT count(hubspot_track(jsonb_build_object('event', 'order_completed', 'userId', 'silent@example.com'))) FROM generate_series(1, 10)});
wait_drained($node, 'postgres');
is(scalar(grep { ($_->{email} // '') eq 'silent@example.com' } events()), 11, 'each is sent again');
$sim->fault(match => { path => 'send/batch' }, action => 'empty_success', times => 3);
$id = done(q{track('{"event": "order_completed", "userId": "silent@example.com"}')});
is(verdict_of($id), 'event|delivered', 'also when it was deferred for that');

# ... nor one that lists errors
my %errors = (action => 'status', status => 207, body => { status => 'COMPLETE', numErrors => 1, errors => [ { message => 'not this one' } ] });
$sim->fault(match => { path => 'send/batch' }, %errors);
$id = done(q{track('{"event": "order_completed", "userId": "errors@example.com"}')});
is(verdict_of($id) . scalar(grep { ($_->{email} // '') eq 'errors@example.com' } events()), 'event|delivered1', 'a success with errors: sent again');

# HubSpot has forgotten the record that we remember
ask(q{SELECT hubspot_identify('{"email": "gone@example.com"}')});
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.record WHERE key = 'gone@example.com'}) eq '1' }, 'the record id');
my $record = ask(q{SELECT record_id FROM hubspot.record WHERE key = 'gone@example.com'});
$sim->fault(match => { path => 'send/batch', record => qq("objectId":"$record") }, action => 'status', status => 400, times => 0,
	body => { status => 'error', category => 'VALIDATION_ERROR', message => "No contact with id $record" });
$id = done(q{track('{"event": "order_completed", "userId": "gone@example.com"}')});
is(verdict_of($id), 'event|delivered', 'a record id that HubSpot does not know any more');
is((events())[-1]{email}, 'gone@example.com', 'the address is tried');
$sim->clear_faults;

#
# Created by themselves
#
ask(q{ALTER SERVER crm OPTIONS (ADD create_events 'on')});
$id = done(q{track('{"event": "Brand New Thing", "userId": "a@example.com", "properties": {"size": 5, "zip": "01234", "gift": true}}')});
is(verdict_of($id), 'event|delivered', 'create_events');
is_deeply((events())[-1]{properties}, { size => '5', zip => '01234', gift => 'true' }, 'with its properties');
is(ask(q{SELECT string_agg(p->>'type', ',' ORDER BY p->>'name') FROM hubspot.event_definition, jsonb_array_elements(properties) p
	WHERE name = 'brand_new_thing' AND p->>'name' IN ('size', 'zip', 'gift')}), 'bool,number,string', 'of the types of the JSON values');

# The day's limit is not theirs
$sim->fault(match => { path => 'contacts/batch' }, action => 'rate_limit', policy => 'DAILY', times => 0);
ask(q{SELECT hubspot_identify('{"email": "daily@example.com"}')});
wait_until(sub { ask(q{SELECT state FROM hubspot.status WHERE lane = 'contacts'}) eq 'DAILY' }, 'DAILY');
$id = done(q{track('{"event": "order_completed", "userId": "a@example.com"}')});
is(verdict_of($id), 'event|delivered', 'an event goes out when the requests of the day are used up');

is( ask(q{SELECT object, key, p->>'property', method, path, body->'inputs'->0->>'eventName'
		FROM hubspot_explain('track', '{"event": "Order completed", "userId": "X@example.com", "properties": {"order_id": 1}}'), jsonb_array_elements(properties) p}),
	'event|x@example.com|order_id|POST|/events/2026-09/send/batch|pe1234567_order_completed', 'hubspot_explain()');

done_testing();
