# What needs a property or an event waits for its creation, when that was queued
# before, and for nothing else.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('schema_order');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'strict', $sim, unknown_properties => 'reject');
create_account($node, 'postgres', 'keyed', $sim, contact_id_property => 'member_id');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

# Statements in one transaction, each of which returns an id.
sub transaction { return split /\n/, ask(join ";\n", 'BEGIN', @_, 'COMMIT') }

sub delivered { wait_drained($node, 'postgres'); return @_ }

sub identify { my ($name, $traits, $server) = @_; return "SELECT hubspot_identify(\$j\${\"traits\": {\"email\": \"$name\@example.com\", $traits}}\$j\$, '" . ($server // 'crm') . "')" }

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status WHERE id = $_[0]") }

sub verdicts { return join ', ', map { row($_, q{concat_ws(' ', verdict, category, warnings->0->>'code')}) } @_ }

sub value { my ($name, $property) = @_; return ($sim->contact("$name\@example.com") // { properties => {} })->{properties}{$property} // 'none' }

sub property { my ($type, $name) = @_; return $sim->api('GET', "/crm/v3/properties/$type/$name") }

# Something of each part of the schema, so that it is known.
delivered(transaction(identify('warm', '"city": "Rome"'), q{SELECT hubspot_group('{"traits": {"domain": "warm.com"}}')}));

#
# In one transaction, and one after the other
#
my @ids = delivered(transaction(q{SELECT hubspot_create_property('contact', 'big_spender', 'bool')}, identify('one', '"big_spender": true')));
is(verdicts(@ids), 'delivered, delivered', 'created and used in one transaction');
is(value('one', 'big_spender'), 'true', 'the value is there');
my $made = property('contacts', 'big_spender');
is_deeply([ $made->{type}, $made->{fieldType}, map { $_->{value} } @{ $made->{options} } ], [ 'bool', 'booleancheckbox', 'true', 'false' ], 'a single checkbox');
like(ask(q{SELECT body FROM hubspot_explain('identify', '{"traits": {"email": "x@example.com", "big_spender": false}}')}),
	qr/"big_spender": "false"/, 'the schema is known');
@ids = delivered(map { ask($_) } q{SELECT hubspot_create_property('contact', 'two_things', 'number')}, identify('two', '"two_things": 2'));
is(verdicts(@ids) . ' ' . value('two', 'two_things'), 'delivered, delivered 2', 'one after the other');
@ids = delivered(transaction(q{SELECT hubspot_create_event('spent_much', '{"amount": "number"}')},
		q{SELECT hubspot_track('{"event": "Spent Much", "userId": "one@example.com", "properties": {"amount": 7}}')}));
is(verdicts(@ids), 'delivered, delivered', 'an event');
is(scalar(grep { $_->{op} eq 'event' } $sim->log), 1, 'which has arrived');
@ids = delivered(transaction(q{SELECT hubspot_create_property('company', 'tier', 'string')},
		q{SELECT hubspot_group('{"traits": {"domain": "acme.com", "tier": "gold"}}')}));
is(verdicts(@ids) . ' ' . ($sim->company('acme.com', 'domain')->{properties}{tier} // 'none'), 'delivered, delivered gold', 'a company');
@ids = delivered(transaction(q{SELECT hubspot_create_property('contact', 'wanted', 'string', server => 'strict')},
		identify('strict', '"wanted": "yes"', 'strict'), identify('strict2', '"wanted": "yes", "unwanted": 1', 'strict')));
is(verdicts(@ids), 'delivered, delivered, rejected unknown_property unknown_property', 'an account that refuses unknown names');
@ids = delivered(transaction(q{SELECT hubspot_create_property('contact', 'member_id', 'string', is_unique => true, server => 'keyed')},
		q{SELECT hubspot_identify('{"userId": "m1", "traits": {"city": "Bonn"}}', 'keyed')}));
is(verdicts(@ids), 'delivered, delivered', 'the property of the key');
is($sim->contact('m1', 'member_id')->{properties}{city}, 'Bonn', 'the contact has it');

# Made by somebody else, and read again
$sim->api('POST', '/crm/v3/properties/contacts', { name => 'theirs', label => 'Theirs', type => 'string', fieldType => 'text', groupName => 'contactinformation' });
@ids = delivered(transaction('SELECT hubspot_refresh_schema()', identify('three', '"theirs": "x"')));
is(verdicts(@ids) . ' ' . value('three', 'theirs'), 'delivered, delivered x', 'hubspot_refresh_schema() comes first');

#
# Many, of which some need nothing
#
ask(q{BEGIN; SELECT hubspot_create_property('contact', 'vip', 'bool');
	SELECT count(hubspot_identify(jsonb_build_object('traits', jsonb_build_object('email', 'vip' || i || '@example.com') ||
		CASE WHEN i % 2 = 0 THEN jsonb '{"vip": true}' ELSE '{"city": "Rome"}' END))) FROM generate_series(1, 900) i; COMMIT});
delivered();
is(ask(q{SELECT verdict, count(*), count(warnings) FROM hubspot.outbox_status WHERE key LIKE 'vip%' GROUP BY 1}), 'delivered|900|0', 'many contacts');
is(join(' ', map { value("vip$_", 'vip') } 2, 3, 450, 900), 'true none true true', 'have what they should');

#
# While the creation has to wait: nobody else does, and the order is kept
#
ask(q{SELECT hubspot_pause(lane => 'schema')});
my ($before, $creation, $needs, $behind, $other, $track, $event, $later) = transaction(
	identify('four', '"city": "Rome"'), q{SELECT hubspot_create_property('contact', 'patient', 'string')},
	identify('four', '"city": "Oslo", "patient": "yes"'), identify('four', '"city": "Bern"'), identify('five', '"city": "Oslo"'),
	q{SELECT hubspot_track('{"event": "spent_much", "userId": "four@example.com"}')}, q{SELECT hubspot_create_event('spent_more')},
	q{SELECT hubspot_track('{"event": "spent_more", "userId": "four@example.com"}')});
wait_until(sub { ask("SELECT count(*) FROM hubspot.result WHERE id IN ($before, $other, $track)") eq '3' }, 'those that need nothing');
is(verdicts($before, $other, $track), 'delivered, delivered, delivered', 'what needs nothing goes');
is(ask("SELECT string_agg(state, ' ') FROM hubspot.outbox_status WHERE id IN ($creation, $needs, $behind, $event, $later)"),
	'waiting waiting waiting waiting waiting', 'the rest waits');
is(value('four', 'city'), 'Rome', 'in its order');

# The worker begins anew
stop_delivery($node);
resume_delivery($node);
my $next = ask(identify('six', '"city": "Rome"'));
wait_until(sub { row($next, 'state') eq 'done' }, 'the new worker to deliver');
is(ask("SELECT string_agg(state, ' ') FROM hubspot.outbox_status WHERE id IN ($needs, $behind, $later)"), 'waiting waiting waiting',
	'after a restart it still waits');
$sim->fault(match => { method => 'POST', path => 'crm/properties' }, action => 'status', status => 503, times => 3);
ask(q{SELECT hubspot_resume(lane => 'schema')});
delivered();
is($sim->faults->{results}[0]{hits}, 3, 'the trouble was there');
is(verdicts($creation, $behind, $event, $later), 'delivered, delivered, delivered, delivered', 'it comes about, in spite of HubSpot\'s trouble');
is(row($needs, 'verdict, warnings IS NULL'), 'coalesced|t', 'without a warning');
is(value('four', 'patient') . value('four', 'city'), 'yesBern', 'values and order are right');

#
# A creation that does not come about
#
$sim->fault(match => { method => 'POST', path => 'crm/properties' }, action => 'status', status => 400,
	body => { status => 'error', category => 'VALIDATION_ERROR', message => 'no more properties' }, times => 1);
@ids = delivered(transaction(q{SELECT hubspot_create_property('contact', 'refused', 'string')}, identify('seven', '"refused": "x", "city": "Rome"')));
is(verdicts(@ids) . ' ' . value('seven', 'city'), 'rejected VALIDATION_ERROR, delivered unknown_property Rome', 'refused: the rest is sent, with a warning');
@ids = delivered(transaction(identify('seven', '"late": "x"'), q{SELECT hubspot_create_property('contact', 'late', 'string')}));
is(verdicts(@ids), 'delivered unknown_property, delivered', 'what was queued before the creation does not wait');
ask(q{SELECT hubspot_pause(lane => 'schema')});
($creation, $needs) = transaction(q{SELECT hubspot_create_property('contact', 'given_up', 'string')}, identify('eight', '"given_up": "x"'));
ask(q{SELECT hubspot_cancel(} . $creation . ')');
delivered();
is(verdicts($creation, $needs), 'cancelled cancelled, delivered unknown_property', 'cancelled: nobody waits any more');
ask(q{SELECT hubspot_resume(lane => 'schema')});

# The token may not create
$sim->fault(match => { method => 'POST', path => $_ }, action => 'status', status => 403, times => 0) for 'crm/properties', 'event-definitions';
($creation, $needs, $other, $event, $later) = transaction(q{SELECT hubspot_create_property('contact', 'forbidden', 'string')},
	identify('nine', '"forbidden": "x", "city": "Rome"'), identify('ten', '"forbidden": "x"'),
	q{SELECT hubspot_create_event('never')}, q{SELECT hubspot_track('{"event": "never", "userId": "nine@example.com"}')});
wait_until(sub { ask("SELECT count(*) FROM hubspot.result WHERE id IN ($needs, $other, $later)") eq '3' }, 'rows to go on without');
is(verdicts($needs, $other, $later), 'delivered unknown_property, delivered unknown_property, rejected unknown_event', 'forbidden: rows go on without');
becomes(sub { ask(q{SELECT state FROM hubspot.status WHERE lane = 'schema' AND server = 'crm'}) . ' ' . row($creation, 'state') }, 'FORBIDDEN waiting', 'the creation waits');
$sim->clear_faults;
$node->reload;
delivered();
is(verdicts($creation), 'delivered', 'and is made when it may be');
@ids = delivered(ask(identify('nine', '"forbidden": "y"')));
is(verdicts(@ids) . ' ' . value('nine', 'forbidden'), 'delivered y', 'from then on it is there');

$node->stop;
done_testing();
