# track and page become custom behavioural events: of the right definition, for
# the right contact, once.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('events');

sub ask { return $node->safe_psql('postgres', shift) }

# Records of the simulator that have to be there.
sub contact { return $sim->contact(@_) // { id => 'none', properties => {} } }

# HubSpot as another application sees it.
sub hubspot { return $sim->api(@_) }

# An event definition of the account; further arguments are name => type.
sub define
{
	my ($name, $label, %properties) = @_;
	hubspot('POST', '/events/2026-09/event-definitions', {
		name => $name, label => $label, includeDefaultProperties => $name =~ /^(page|wide)/ ? JSON::PP::true : JSON::PP::false,
		propertyDefinitions => [ map { { name => $_, label => $_, type => $properties{$_} } } sort keys %properties ] });
}

sub types { return { map { $_->{name} => $_->{type} } @{ hubspot('GET', "/events/2026-09/event-definitions/$_[0]")->{properties} // [] } } }

# The messages are JSON objects; returns the row's id.
sub call
{
	my ($call, $message) = @_;
	my $id = ask("SELECT hubspot_$call(\$j\$$message\$j\$)");
	wait_drained($node, 'postgres');
	return $id;
}

# Statements whose rows wait together; returns what they return.
sub together { return queue_together($node, @_) }

my $warnings = q{(SELECT coalesce(string_agg(DISTINCT w->>'code' || ' ' || (w->>'property'), ', '), '')
	FROM jsonb_array_elements(s.warnings) w)};

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status s WHERE id = $_[0]") }

sub newest { return ask('SELECT coalesce(max(id), 0) FROM hubspot.outbox') }

sub verdicts { return ask("SELECT object, verdict, count(*) FROM hubspot.outbox_status WHERE id > $_[0] GROUP BY 1, 2 ORDER BY 1, 2") }

sub mark { my @log = $sim->log; return @log ? $log[-1]{seq} : 0 }

sub events { return grep { $_->{op} eq 'event' } $sim->log($_[0] // 0) }

sub sends { return grep { $_->{path} =~ m{/send(/batch)?$} } $sim->requests }

define('order_completed', 'An order', order_id => 'string', revenue => 'number', paid => 'bool', ordered_on => 'date', note => 'string');
define('special_thing', 'Quite Another');
define('clicked_buy_now_button', 'Buy');
define('page_viewed', 'Page Viewed');
define('visited', 'Visited', map { $_ => 'string' } qw(hs_page_url hs_page_title hs_referrer));
define('wide', 'Wide', map { ("p$_" => 'string') } 1 .. 50);
create_account($node, 'postgres', 'crm', $sim);

#
# Which definition
#
my @names = (
	[ 'order_completed', 'order_completed', 'by name' ],
	[ 'pe1234567_special_thing', 'special_thing', 'by fully qualified name' ],
	[ 'Quite Another', 'special_thing', 'by label' ],
	[ 'Clicked Buy Now button', 'clicked_buy_now_button', 'by normalised name' ],
	[ 'ORDER -- completed', 'order_completed', 'by normalised name, runs' ]);
together(map { qq{SELECT hubspot_track('{"userId": "name$_\@example.com", "event": "$names[$_][0]"}')} } 0 .. $#names);
my %arrived = map { ($_->{email} // '') => $_->{event} } events();
is($arrived{"name$_\@example.com"}, "pe1234567_$names[$_][1]", "definition $names[$_][2]") for 0 .. $#names;
is(verdicts(0), 'event|delivered|5', 'delivered');

#
# What an event carries, and for whom
#
call('identify', '{"email": "ada@example.com"}');
my $ada = contact('ada@example.com')->{id};
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.record WHERE key = 'ada@example.com'}) eq '1' }, 'the record id to be remembered');
my $mark = mark();
my $id = call('track', '{"event": "order_completed", "timestamp": "2024-03-01T12:00:00.5+02:00", "properties": {"email": "Ada@example.com",
	"Order ID": "007", "revenue": 19.90, "paid": "Yes", "ordered_on": "2024-03-01T23:00:00Z", "coupon": "none", "note": "' . 'x' x 300 . '"}}');
my ($event) = events($mark);
is_deeply($event->{properties},
	{ order_id => '007', revenue => '19.90', paid => 'true', ordered_on => '2024-03-01', note => 'x' x 256 },
	'values by the types of the definition');
is($event->{occurred_at}, '2024-03-01T10:00:00.500Z', 'the timestamp is the time');
is("$event->{object_id}/" . ($event->{email} // ''), "$ada/", 'a known contact goes by its record id');
is(row($id, "verdict, $warnings"), 'delivered|truncated note, unknown_property coupon', 'verdict and warnings')
  or diag row($id, 'warnings');
$mark = mark();
$id = call('track', '{"userId": "new@example.com", "event": "order_completed", "properties": {"paid": "perhaps", "order_id": null}}');
($event) = events($mark);
is($event->{email} . '/' . ($event->{object_id} // ''), 'new@example.com/', 'an unknown one by its address');
is($event->{occurred_at}, row($id, q{to_char(enqueued_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')}),
	'without a timestamp the time of the call');
like(row($id, $warnings), qr/invalid_boolean paid/, 'a bad value is left out');
$mark = mark();
call('track', '{"event": "order_completed", "properties": {}, "context": {"hutk": "60c2ccdfe4892f0fa0593940b12c11aa"}}');
($event) = events($mark);
is_deeply([ @$event{qw(utk email object_id)} ], [ '60c2ccdfe4892f0fa0593940b12c11aa', undef, undef ], 'a visitor by utk');
$mark = mark();
$id = call('track', '{"userId": "ada@example.com", "event": "wide", "properties": {' . join(', ', map { qq{"$_": "x"} } qw(hs_language hs_city hs_region), map { "p$_" } 1 .. 50) . '}}');
($event) = events($mark);
is(scalar keys %{ $event->{properties} }, 50, 'at most 50 properties');
like(row($id, 'warnings'), qr/too_many_properties/, 'with a warning');
for my $bad ('{"event": "order_completed", "properties": {}}', '{"userId": "ada@example.com", "properties": {}}',
	'{"userId": "ada@example.com", "event": "wide", "timestamp": "soon"}')
{
	isnt($node->psql('postgres', "SELECT hubspot_track('$bad')", stderr => \my $error), 0, "a bad message: $bad");
}

#
# Traits of the context are the contact's
#
$id = call('track', '{"event": "order_completed", "properties": {"order_id": "5"},
	"context": {"traits": {"email": "ada@example.com", "firstName": "Ada", "plan": "pro"}}}');
is_deeply([ @{ contact('ada@example.com')->{properties} }{qw(firstname plan)} ], [ 'Ada', 'pro' ], 'context.traits arrive');
is(ask("SELECT object, verdict FROM hubspot.outbox_status WHERE parent = $id"), 'contact|delivered', 'as a row of their own');
is(row($id, 'object, verdict'), 'event|delivered', 'beside that of the event');

#
# Pages
#
$mark = mark();
$id = call('page', '{"userId": "ada@example.com", "name": "Home", "properties": {"url": "https://example.com/' . 'x' x 2000 . '",
	"title": "Welcome", "referrer": "https://example.org/"}}');
($event) = events($mark);
is($event->{event}, 'pe1234567_page_viewed', 'a page is an event');
is_deeply([ map { substr($event->{properties}{$_} // '', 0, 30) } qw(hs_page_url hs_page_title hs_referrer) ],
	[ 'https://example.com/xxxxxxxxxx', 'Welcome', 'https://example.org/' ], 'with url, title, referrer');
is(length $event->{properties}{hs_page_url}, 1024, 'a long url is cut');
like(row($id, $warnings), qr/truncated hs_page_url/, 'with a warning');
ask(q{ALTER SERVER crm OPTIONS (ADD page_event 'visited')});
$mark = mark();
call('page', '{"context": {"hutk": "60c2ccdfe4892f0fa0593940b12c11aa",
	"page": {"url": "https://example.com/a", "title": "A", "referrer": "https://example.org/b"}}}');
($event) = events($mark);
is_deeply([ $event->{event}, $event->{utk}, $event->{properties} ],
	[ 'pe1234567_visited', '60c2ccdfe4892f0fa0593940b12c11aa',
		{ hs_page_url => 'https://example.com/a', hs_page_title => 'A', hs_referrer => 'https://example.org/b' } ],
	'page_event, context.page, utk');
ask(q{ALTER SERVER crm OPTIONS (DROP page_event)});

#
# An answer is lost: the uuid is the same again, the event applied once
#
my @uuids;
for my $repeat (qw(refuse conflict ignore))
{
	$sim->config(event_repeat => $repeat);
	$mark = mark();
	my $from = newest();
	$sim->fault(match => { path => '/send' }, action => 'drop_after');
	together(qq{SELECT count(hubspot_track(jsonb_build_object('userId', '$repeat' || i || '\@example.com', 'event', 'order_completed')))
		FROM generate_series(1, 20) i});
	is($sim->faults->{results}[0]{hits}, 1, "$repeat: an answer was lost");
	is(scalar(events($mark)), 20, "$repeat: each event once");
	is(verdicts($from), 'event|delivered|20', "$repeat: and delivered");
	push @uuids, map { $_->{uuid} } events($mark);
	$sim->clear_faults;
}
$sim->config(event_repeat => 'refuse');
is(scalar(grep { /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/ } @uuids), 60, 'uuids of version 5');
is(scalar(keys %{ { map { $_ => 1 } @uuids } }), 60, 'all different');
$mark = mark();
my $same = '{"userId": "ada@example.com", "event": "order_completed", "messageId": "m-1"}';
call('track', $same);
call('track', $same);
together(map { q{SELECT hubspot_track('{"userId": "ada@example.com", "event": "order_completed", "messageId": "m-2"}')} } 1, 2);
is(scalar(events($mark)), 2, 'a messageId is one event, however often it comes');

#
# Many
#
my $before = sends();
my $from = newest();
$mark = mark();
together(q{SELECT count(*) FROM hubspot_enqueue('track', ARRAY(SELECT jsonb_build_object('userId', 'many' || i || '@example.com',
	'event', 'order_completed', 'properties', jsonb_build_object('order_id', i)) FROM generate_series(1, 1000) i))});
my @sends = sends();
@sends = @sends[ $before .. $#sends ];
is(scalar(events($mark)), 1000, '1000 events arrive');
is(scalar(grep { $_->{records} > 500 } @sends), 0, 'in requests of at most 500');
cmp_ok(scalar @sends, '<=', 5, 'which are few');
is(verdicts($from), 'event|delivered|1000', 'each with its verdict');

# One of them is bad: HubSpot refuses all, and may or may not say why
my %bad = (
	address => [ 'bad57@example.nosuchtld', sub { } ],
	silence => [ 'bad57@example.com',
		sub { $sim->fault(match => { path => '/send', record => 'bad57@' }, action => 'status', status => 400, times => 0,
			body => { status => 'error', category => 'VALIDATION_ERROR', message => 'Invalid input', correlationId => 'aa-bb' }) } ]);
for my $kind (sort keys %bad)
{
	my ($culprit, $prepare) = @{ $bad{$kind} };
	$prepare->();
	$before = sends();
	$from = newest();
	$mark = mark();
	together(qq{SELECT count(hubspot_track(jsonb_build_object('event', 'order_completed', 'messageId', '$kind' || i, 'userId',
		CASE i WHEN 57 THEN '$culprit' ELSE '$kind' || i || '\@example.com' END))) FROM generate_series(1, 200) i});
	is(verdicts($from), "event|delivered|199\nevent|rejected|1", "$kind: one is rejected");
	is(ask("SELECT call_message->>'userId', message <> '' FROM hubspot.failures WHERE id > $from"), "$culprit|t",
		"$kind: the culprit, with a reason");
	is(scalar(events($mark)), 199, "$kind: the others arrive, once each");
	cmp_ok(sends() - $before, '<=', 20, "$kind: found with few requests");
	$sim->clear_faults;
}

# The daily limit stops contacts, not events
$sim->fault(match => { path => 'batch/upsert' }, action => 'rate_limit', policy => 'DAILY', times => 0);
ask(q{SELECT hubspot_identify('{"email": "tomorrow@example.com"}')});
wait_until(sub { ask(q{SELECT state FROM hubspot.status WHERE lane = 'contacts'}) eq 'DAILY' }, 'the daily limit');
$id = ask(q{SELECT hubspot_track('{"userId": "today@example.com", "event": "order_completed"}')});
wait_until(sub { row($id, 'verdict') eq 'delivered' }, 'an event beyond the daily limit');
becomes(sub { ask(q{SELECT state FROM hubspot.status WHERE lane = 'contacts'}) }, 'DAILY', 'the daily limit does not stop events');
$sim->clear_faults;
$node->reload;
wait_drained($node, 'postgres');

#
# What is not defined
#
my $unknown = q{{"userId": "ada@example.com", "event": "Signed Up!", "properties": {"code": "007", "amount": 3.5, "first": true, "at": "2024-03-01"}}};
$id = call('track', $unknown);
is(row($id, 'verdict, category'), 'rejected|unknown_event', 'an unknown event is rejected');
my ($statement) = row($id, 'message') =~ /(hubspot_create_event\(.*\))/s;
ok($statement, 'with the statement that creates it') or diag row($id, 'message');
ask("SELECT $statement");
wait_drained($node, 'postgres');
$mark = mark();
$id = call('track', $unknown);
($event) = events($mark);
is(row($id, 'verdict'), 'delivered', 'after which it is delivered');
is_deeply($event->{properties}, { code => '007', amount => '3.5', first => 'true', at => '2024-03-01' }, 'with its properties');

ask(q{ALTER SERVER crm OPTIONS (ADD create_events 'on')});
$mark = mark();
$from = newest();
together(q{SELECT count(hubspot_track(jsonb_build_object('userId', 'creates' || i || '@example.com', 'event', 'Trial Started',
	'properties', '{"code": "007", "amount": 3.5, "first": true, "at": "2024-03-01"}'::jsonb))) FROM generate_series(1, 20) i});
is(ask("SELECT verdict, count(*) FROM hubspot.outbox_status WHERE id > $from AND call = 'track' GROUP BY 1"), 'delivered|20',
	'create_events');
is_deeply([ map { $_->{event} } events($mark) ], [ ('pe1234567_trial_started') x 20 ], 'under the normalised name');
my $types = types('trial_started');
is_deeply({ map { $_ => $types->{$_} } qw(code amount first at) },
	{ code => 'string', amount => 'number', first => 'bool', at => 'string' }, 'types from JSON, text stays text');
is((events($mark))[0]{properties}{code}, '007', 'and comes unchanged');
ask(q{ALTER SERVER crm OPTIONS (DROP create_events)});

$id = ask(q{SELECT hubspot_create_event('trial_ended', '{"days": "number", "why": "string"}', 'Trial over')});
wait_drained($node, 'postgres');
is(row($id, 'verdict'), 'delivered', 'hubspot_create_event');
is(hubspot('GET', '/events/2026-09/event-definitions/trial_ended')->{labels}{singular}, 'Trial over', 'label');
$types = types('trial_ended');
is("$types->{days} $types->{why}", 'number string', 'properties');
$mark = mark();
call('track', '{"userId": "ada@example.com", "event": "Trial over", "properties": {"days": 14, "why": "bored"}}');
($event) = events($mark);
is_deeply($event->{properties}, { days => '14', why => 'bored' }, 'it is known at once');

#
# Under which path events are served: HubSpot's own sources name two
#
sub paths_asked { my $since = shift; return [ map { "$_->{status} $_->{path}" } grep { $_->{path} =~ /events/ } $sim->requests($since) ] }

sub last_request { my @all = $sim->requests; return @all ? $all[-1]{seq} : 0 }

for my $form ([ 'custom', '/events/custom/2026-09', '/events/2026-09' ], [ 'plain', '/events/2026-09', '/events/custom/2026-09' ])
{
	my ($served, $right, $wrong) = @$form;
	my $since = last_request();

	$sim->config(events_path => $served);
	$mark = mark();
	$id = call('track', qq{{"userId": "ada\@example.com", "event": "order_completed", "properties": {"n": "$served"}}});
	is(row($id, 'verdict'), 'delivered', "events are served as $served: it arrives");
	is(scalar(events($mark)), 1, 'once');
	is_deeply(paths_asked($since), [ "404 $wrong/send/batch", "204 $right/send/batch" ], 'the other form is tried once');
	$since = last_request();
	call('track', '{"userId": "ada@example.com", "event": "order_completed"}');
	ask('SELECT hubspot_refresh_schema()');
	wait_until(sub { grep { /^200/ } @{ paths_asked($since) } }, 'the definitions are read');
	is_deeply(paths_asked($since), [ "204 $right/send/batch", "404 $wrong/event-definitions", "200 $right/event-definitions" ],
		'and remembered; the definitions, which have a path of their own, likewise');
	becomes(sub { ask(q{SELECT state FROM hubspot.status WHERE lane = 'events'}) }, 'RUN', 'no lane has stopped');
}
$sim->config(events_path => 'both');

# A version for some paths
ask(q{ALTER SERVER crm OPTIONS (ADD api_version 'objects:v3, events:2026-03')});
my $since = last_request();
together(q{SELECT hubspot_track('{"userId": "ada@example.com", "event": "order_completed"}')},
	q{SELECT hubspot_group('{"userId": "ada@example.com", "groupId": "versions.example", "traits": {"website": "versions.example"}}')});
my %path = map { $_->{path} => 1 } grep { $_->{method} eq 'POST' } $sim->requests($since);
is_deeply([ grep { !$path{$_} } qw(/crm/v3/objects/companies/batch/create /events/2026-03/send/batch
		/crm/associations/2026-09/contact/company/batch/create) ], [], 'each family of paths in its version')
	or diag join ' ', sort keys %path;
ask(q{ALTER SERVER crm OPTIONS (DROP api_version)});

#
# Events of other objects than contacts: by record id, and by what the definition finds them by
#
my $boat = $sim->add_schema(name => 'boat')->{objectTypeId};
$sim->add_property('companies', name => 'account_ref', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $acme = hubspot('POST', '/crm/v3/objects/companies', { properties => { name => 'Acme', account_ref => 'acme' } })->{id};
my $hull = hubspot('POST', "/crm/v3/objects/$boat", { properties => {} })->{id};

sub define_for
{
	my ($name, $object, %more) = @_;
	hubspot('POST', '/events/2026-09/event-definitions', { name => $name, label => $name, includeDefaultProperties => JSON::PP::false, primaryObject => $object,
		propertyDefinitions => [ map { { name => $_, label => $_, type => 'string' } } 'plan', 'account_ref' ], %more });
}

define_for('plan_changed', 'COMPANY', customMatchingId => { primaryObjectRule => { targetObjectPropertyName => 'account_ref', eventPropertyName => 'account_ref' } });
define_for('plan_ended', 'COMPANY');
define_for('boat_sunk', 'boat');
ask(q{SELECT hubspot_refresh_schema()});
$mark = mark();
my %of = (
	record => qq({"event": "plan_changed", "object": "company", "record_id": $acme, "properties": {"plan": "pro"}}),
	rule => '{"event": "plan_changed", "object": "company", "id": "acme", "properties": {"plan": "free"}}',
	bare => '{"event": "plan_changed", "object": "0-2", "id": "acme", "properties": {}}',
	custom => qq({"event": "boat_sunk", "object": "$boat", "record_id": "$hull", "properties": {}}),
	no_rule => '{"event": "plan_ended", "object": "company", "id": "acme", "properties": {}}',
	other => qq({"event": "plan_changed", "object": "deal", "record_id": $acme, "properties": {}}),
	person => '{"event": "plan_changed", "userId": "ada@example.com", "properties": {}}',
	unknown => qq({"event": "never_defined", "object": "company", "record_id": $acme, "properties": {}}));
my @kinds = sort keys %of;
my %row;
@row{@kinds} = together(map { "SELECT hubspot_track(\$j\$$of{$_}\$j\$)" } @kinds);
is(row($row{$_}, 'object, verdict, category'), 'event|delivered|', "event of another object, $_") for qw(record rule bare custom);
is(join(', ', sort map { my $e = $_; join ' ', $e->{of}, $e->{id}, map { "$_=$e->{properties}{$_}" } sort keys %{ $e->{properties} } } events($mark)),
	join(', ', sort "companies $acme plan=pro", "companies $acme account_ref=acme plan=free", "companies $acme account_ref=acme", "$boat $hull"),
	'each of its own record; the id goes as the property of the rule');
is(row($row{$_}, 'verdict, category'), 'rejected|wrong_object', "not of it, $_") for qw(no_rule other person);
is(row($row{unknown}, 'verdict, category'), 'rejected|unknown_event', 'a definition is made in HubSpot');
is(row($row{rule}, 'key'), 'acme', 'its key');
like(($node->psql('postgres', qq{SELECT hubspot_track('{"event": "plan_changed", $_->[0], "properties": {}}')}))[2], $_->[1], "bad: $_->[0]")
  for [ '"object": "cow", "id": 1', qr/"object" of the message is not a type of records/ ], [ '"object": "deal"', qr/does not say which deal/ ],
  [ '"object": "deal", "record_id": "x"', qr/"record_id" of the message is not a key/ ];

# HubSpot loses an event that finds no record: the one that is queued before it goes first
$sim->add_property('deals', name => 'our_ref', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
define_for('deal_moved', 'DEAL', customMatchingId => { primaryObjectRule => { targetObjectPropertyName => 'our_ref', eventPropertyName => 'account_ref' } });
ask(q{ALTER SERVER crm OPTIONS (ADD company_id_property 'account_ref', ADD id_properties 'deal=our_ref')});
ask(q{SELECT hubspot_refresh_schema()});
$mark = mark();
together(map { (qq{SELECT hubspot_track('{"event": "deal_moved", "object": "deal", "id": "d$_", "properties": {"plan": "too early"}}')},
		qq{SELECT hubspot_record('deal', '{"id": "d$_", "dealname": "D", "dealstage": "closedwon"}')},
		qq{SELECT hubspot_track('{"event": "deal_moved", "object": "deal", "id": "d$_", "properties": {"plan": "deal $_"}}')},
		qq{SELECT hubspot_group('{"groupId": "beta-$_", "traits": {"name": "Beta"}}')},
		qq{SELECT hubspot_track('{"event": "plan_changed", "object": "company", "id": "beta-$_", "properties": {"plan": "beta $_"}}')}) } 1 .. 3);
# one that stands before may find its record, or not
is(join(', ', sort grep { $_ ne 'too early' } map { $_->{id} ? $_->{properties}{plan} : () } events($mark)), 'beta 1, beta 2, beta 3, deal 1, deal 2, deal 3',
	'events of records that are created in the same moment find them');
ask(q{ALTER SERVER crm OPTIONS (DROP company_id_property, DROP id_properties)});
is(ask(q{SELECT body #>> '{inputs,0,properties,account_ref}' FROM hubspot_explain('track', '{"event": "plan_changed", "object": "company", "id": "acme", "properties": {}}')}), 'acme', 'as it is explained');

$node->stop;
done_testing();
