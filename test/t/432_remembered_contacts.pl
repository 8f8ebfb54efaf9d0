# What a refresh tells of a contact that it names by a userId alone reaches the
# contact that this was seen with.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('contacts', name => 'vip', type => 'bool', fieldType => 'booleancheckbox',
	options => [ { value => 'true', label => 'True', hidden => JSON::PP::false }, { value => 'false', label => 'False', hidden => JSON::PP::false } ]);
my $node = hubspot_cluster('remembered_contacts');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

sub vip { return ($sim->contact($_[0]) // { properties => {} })->{properties}{vip} // 'none' }

sub verdict { return ask("SELECT concat_ws(' ', verdict, category) FROM hubspot.outbox_status WHERE id = $_[0]") }

ask(q{CREATE TABLE best (user_id text); INSERT INTO best VALUES ('u1'), ('u2'), ('u404')});
ask(q{SELECT hubspot_identify('{"userId": "u1", "traits": {"email": "first@example.com"}}')});
wait_drained($node, 'postgres');
ask(q{SELECT hubspot_audience('vip', 'SELECT user_id FROM best')});

# One that was seen before, one whose call waits, one that nobody has seen
stop_delivery($node);
ask(q{SELECT hubspot_identify('{"userId": "u2", "traits": {"email": "second@example.com"}}')});
ask(q{SELECT hubspot_refresh('vip')});
resume_delivery($node);
wait_drained($node, 'postgres');
is(vip('first@example.com'), 'true', 'a userId that was seen before');
is(vip('second@example.com'), 'true', 'one whose first call stood before it in the queue');
is(ask(q{SELECT string_agg(concat_ws(' ', verdict, category), ', ') FROM hubspot.outbox_status WHERE source = 'sync' AND key = 'u404'}),
	'rejected contact_not_found', 'one that nobody has seen');
is($sim->count('contacts'), 2, 'no contact is made of it');

# Order, also when both wait
ask(q{DELETE FROM best WHERE user_id = 'u1'});
stop_delivery($node);
ask(q{SELECT hubspot_identify('{"userId": "u1", "traits": {"email": "first@example.com", "vip": true, "city": "Rome"}}')});
ask(q{SELECT hubspot_refresh('vip')});
resume_delivery($node);
wait_drained($node, 'postgres');
is(vip('first@example.com'), 'false', 'the later one of an identify and a refresh wins');

# Update only, create only
my @ids = map { ask(qq{INSERT INTO hubspot.outbox (server, call, object, source, mode, key_property, key, message)
	SELECT oid, 'identify', 'contact', 'sync', '$_->[0]', 'userId', '$_->[1]', '{"userId": "$_->[1]", "traits": {"city": "$_->[2]"}}'
	FROM pg_foreign_server WHERE srvname = 'crm' RETURNING id}) } [ 'u', 'u2', 'Oslo' ], [ 'u', 'u404', 'Oslo' ], [ 'c', 'u2', 'Bern' ];
wait_drained($node, 'postgres');
is(join(', ', map { verdict($_) } @ids), 'delivered, rejected contact_not_found, unchanged exists', 'modes, by a userId');
is($sim->contact('second@example.com')->{properties}{city}, 'Oslo', 'the contact is updated');

# A call of a user still needs the address
my (undef, undef, $error) = $node->psql('postgres', q{SELECT hubspot_identify('{"userId": "u1", "traits": {"city": "Rome"}}')});
like($error, qr/identify message has no contact key/, 'hubspot_identify() needs the address');

$node->stop;
done_testing();
