# Which contact is meant: keys of their own, addresses that change or are one of
# several, ids that were seen before; and stages that go backwards.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('contacts', name => 'user_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('contacts');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');
create_account($node, 'postgres', 'keyed', $sim, contact_id_property => 'user_id');
create_account($node, 'postgres', 'onward', $sim, lifecycle => 'forward', unknown_user_wait => '0');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

# Records of the simulator that have to be there.
sub contact { return $sim->contact(@_) // { id => 'none', properties => {} } }

sub company { return $sim->company(@_) // { id => 'none', properties => {} } }

# HubSpot as another application sees it.
sub hubspot { return $sim->api(@_) }

# A contact that is there already; its id.
sub existing { return hubspot('POST', '/crm/v3/objects/contacts', { properties => {@_} })->{id} }

sub statement { my ($call, $message, $server) = @_; return "SELECT hubspot_$call(\$j\$$message\$j\$, '" . ($server // 'crm') . "')" }

# Returns the row's id.
sub call
{
	my $id = ask(statement(@_));
	wait_drained($node, 'postgres');
	return $id;
}

sub together { return queue_together($node, @_) }

my $warnings = q{(SELECT coalesce(string_agg(DISTINCT w->>'code' || ' ' || (w->>'property'), ', '), '')
	FROM jsonb_array_elements(s.warnings) w)};

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status s WHERE id = $_[0]") }

sub by_id { return ($sim->object('contacts', $_[0], 'hs_object_id') // {})->{properties} // {} }

sub last_event { my @events = grep { $_->{op} eq 'event' } $sim->log; return $events[-1] // {} }

#
# A key of their own: contacts that are there by address only
#
my $ada = existing(email => 'ada@example.com', firstname => 'Ada');
my $id = call('identify', '{"userId": "u1", "traits": {"email": "ada@example.com", "city": "Rome"}}', 'keyed');
is(row($id, 'key, verdict, created, record_id'), "u1|delivered|f|$ada", 'a contact without the key is adopted');
is_deeply(by_id($ada), { email => 'ada@example.com', firstname => 'Ada', city => 'Rome', user_id => 'u1' }, 'it gets the key and the values');
$id = call('identify', '{"userId": "u1", "traits": {"email": "ada@example.com", "city": "Oslo"}}', 'keyed');
is(row($id, 'verdict, record_id') . ' ' . by_id($ada)->{city}, "delivered|$ada Oslo", 'from then on it is known by it');

my $other = existing(email => 'other@example.com', user_id => 'theirs', city => 'Bonn');
$id = call('identify', '{"userId": "u2", "traits": {"email": "other@example.com", "city": "Rome"}}', 'keyed');
is(row($id, 'verdict, category'), 'rejected|conflicting_key', 'a contact with another key is not');
isnt(row($id, 'message'), '', 'for a reason');
is_deeply(by_id($other), { email => 'other@example.com', user_id => 'theirs', city => 'Bonn' }, 'it is left alone');
is($sim->object('contacts', 'u2', 'user_id'), undef, 'and there is no second one');

# Adopted, conflicting, new and known ones in one batch
my $count = $sim->count;
existing(email => "mixed$_\@example.com") for 1 .. 10;
existing(email => "mixed$_\@example.com", user_id => "owner$_") for 11 .. 20;
together(q{SELECT count(hubspot_identify(jsonb_build_object('userId', 'mixed' || i, 'traits',
	jsonb_build_object('email', 'mixed' || i || '@example.com', 'plan', 'p' || i)), 'keyed')) FROM generate_series(1, 60) i});
is(ask(q{SELECT verdict, created, category, count(*) FROM hubspot.outbox_status WHERE key LIKE 'mixed%' GROUP BY 1, 2, 3 ORDER BY 4, 1}),
	"delivered|f||10\nrejected||conflicting_key|10\ndelivered|t||40", 'in one batch each has its own fate');
is($sim->count - $count, 60, 'no contact is doubled');
is(scalar(grep { my $p = contact("mixed$_\@example.com")->{properties}; ($p->{plan} // '') eq "p$_" && $p->{user_id} eq "mixed$_" } 1 .. 10, 21 .. 60),
	50, 'adopted and new ones have their values and keys');

# A change of the address
$id = call('identify', '{"userId": "u3", "traits": {"email": "before@example.com", "plan": "a"}}', 'keyed');
my $record = row($id, 'record_id');
$id = call('identify', '{"userId": "u3", "traits": {"email": "After@Example.com"}}', 'keyed');
is(row($id, 'verdict, created, record_id'), "delivered|f|$record", 'an address changes, the contact stays');
is_deeply(by_id($record), { user_id => 'u3', email => 'after@example.com', plan => 'a' }, 'with its values');
is($sim->contact('before@example.com'), undef, 'the old address is nobody\'s');
existing(email => 'occupied@example.com', city => 'Bonn');
$id = call('identify', '{"userId": "u3", "traits": {"email": "occupied@example.com", "city": "Rome"}}', 'keyed');
is(row($id, 'verdict'), 'rejected', 'to the address of somebody else it does not');
is(by_id($record)->{email} . ' ' . contact('occupied@example.com')->{properties}{city}, 'after@example.com Bonn', 'and both stay as they were');
$id = call('identify', '{"traits": {"email": "after@example.com", "city": "Lima"}}', 'keyed');
is(row($id, 'verdict, record_id') . ' ' . by_id($record)->{city}, "delivered|$record Lima", 'without a userId the address is the key');

#
# One of several addresses
#
my $many = existing(email => 'first@example.com', hs_additional_emails => 'second@example.com;third@example.com');
$count = $sim->count;
$id = call('identify', '{"email": "second@example.com", "city": "Oslo"}');
is(row($id, 'verdict, created, record_id'), "delivered|f|$many", 'an additional address finds the contact');
is(by_id($many)->{email} . ' ' . by_id($many)->{city}, 'first@example.com Oslo', 'which keeps its primary one');
my @ids = together(map { statement('identify', qq({"email": "$_->[0]\@example.com", "$_->[1]": "x"})) }
	[ first => 'plan' ], [ second => 'phone' ], [ third => 'zip' ], [ fourth => 'state' ]);
is(join(' ', map { row($_, 'verdict, record_id') } @ids[ 0 .. 2 ]), join(' ', ("delivered|$many") x 3), 'all of them in one batch');
is(join(' ', map { by_id($many)->{$_} // 'none' } qw(email plan phone zip)), 'first@example.com x x x', 'each with its values');
is($sim->count - $count, 1, 'only the fourth is somebody new');
call('identify', '{"email": "third@example.com", "city": "Rome"}');
is(by_id($many)->{email} . ' ' . by_id($many)->{city}, 'first@example.com Rome', 'later, too');

#
# Lifecycle
#
sub stages { return join ',', map { contact("$_[0]$_\@example.com")->{properties}{lifecyclestage} // '' } 1 .. $_[1] }

call('identify', '{"email": "life1@example.com", "lifecycleStage": "customer"}');
$id = call('identify', '{"email": "life1@example.com", "lifecycleStage": "lead", "city": "Rome"}');
is(row($id, "verdict, $warnings"), 'delivered|', 'a stage backwards is delivered');
is(stages('life', 1) . ' ' . contact('life1@example.com')->{properties}{city}, 'lead Rome', 'when it is carried out');
call('identify', '{"email": "onward1@example.com", "lifecycleStage": "customer"}', 'onward');
$id = call('identify', '{"email": "onward1@example.com", "lifecycleStage": "lead", "city": "Rome"}', 'onward');
is(row($id, "verdict, $warnings"), 'delivered|lifecycle_kept lifecyclestage', 'forward only: a warning');
is(stages('onward', 1) . ' ' . contact('onward1@example.com')->{properties}{city}, 'customer Rome', 'and the stage is kept');
call('identify', '{"email": "onward1@example.com", "lifecycleStage": "evangelist"}', 'onward');
is(stages('onward', 1), 'evangelist', 'forward it goes');

my $stage = q{SELECT count(hubspot_identify(jsonb_build_object('email', 'step' || i || '@example.com', 'lifecyclestage',
	(%s)[i %% 3 + 1]))) FROM generate_series(1, 60) i};
together(sprintf $stage, q{ARRAY['customer', 'lead', 'opportunity']});
my $writes = sub { return scalar grep { $_->{path} =~ m{/contacts/batch/} } $sim->requests };
my $before = $writes->();
together(sprintf $stage, q{ARRAY['subscriber', 'lead', 'customer']});
is(stages('step', 60), join(',', (qw(lead customer subscriber)) x 20), 'a batch: backwards, the same, forwards');
is($writes->() - $before, 3, 'with two further requests');
is(ask(q{SELECT verdict, count(*) FROM hubspot.outbox_status WHERE key LIKE 'step%' GROUP BY 1}), 'delivered|120', 'all delivered');

#
# A userId that was seen with its address
#
hubspot('POST', '/events/2026-09/event-definitions', { name => 'order_completed', label => 'Order Completed',
	includeDefaultProperties => JSON::PP::false, propertyDefinitions => [] });
ask("SELECT hubspot_refresh_schema('$_')") for qw(crm onward);
wait_drained($node, 'postgres');
my $track = '{"userId": "%s", "event": "order_completed"}';
my $who = row(call('identify', '{"userId": "u77", "traits": {"email": "remembered@example.com"}}'), 'record_id');
$id = call('track', sprintf $track, 'u77');
is(row($id, 'verdict'), 'delivered', 'a userId that was seen with its address');
is((last_event()->{object_id} // 'none'), $who, 'is that contact');
($id) = (together(statement('identify', '{"userId": "u78", "traits": {"email": "together@example.com"}}'),
	statement('track', sprintf $track, 'u78')))[1];
is(row($id, 'verdict'), 'delivered', 'also when both wait together');
my $event = last_event();
is($event->{email} // by_id($event->{object_id} // 0)->{email}, 'together@example.com', 'in their order');
call('group', '{"groupId": "5", "userId": "u77", "traits": {"website": "initech.com"}}');
is(contact('remembered@example.com')->{associations}[0]{id}, company('initech.com')->{id}, 'group finds it, too');
$node->restart;
$id = call('track', sprintf $track, 'u77');
is(row($id, 'verdict') . ' ' . (last_event()->{object_id} // 'none'), "delivered $who", 'after a restart as well');

my $events = grep { $_->{op} eq 'event' } $sim->log;
$count = $sim->count;
$id = call('track', sprintf $track, 'stranger');
is(row($id, 'verdict, category'), 'rejected|contact_not_found', 'a userId that nobody has seen');
$id = call('group', '{"groupId": "5", "userId": "stranger", "traits": {"website": "initech.com"}}');
is(row($id, 'verdict'), 'delivered', 'does not hold up the company');
is(ask("SELECT object, verdict, category FROM hubspot.outbox_status WHERE parent = $id"), 'association|rejected|contact_not_found',
	'but the association');
$id = call('track', sprintf($track, 'u77'), 'onward');
is(row($id, 'verdict, category'), 'rejected|contact_not_found', 'each account remembers its own');
is(scalar(grep { $_->{op} eq 'event' } $sim->log), $events, 'no event is sent');
is($sim->count, $count, 'no contact is made');

$node->stop;
done_testing();
