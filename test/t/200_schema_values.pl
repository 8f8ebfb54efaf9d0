# What HubSpot knows of an account's properties decides what is sent: names,
# types, what is dropped, what is created.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100000 });
my $node = hubspot_cluster('schema');

sub ask { return $node->safe_psql('postgres', shift) }

# Properties of all types, beyond those of the simulator's shop
sub define
{
	my ($name, $type, $field, @options) = @_;
	$sim->add_property('contacts', name => $name, type => $type, fieldType => $field,
			@options ? (options => [ map { { value => $_->[0], label => $_->[1], displayOrder => 0, hidden => JSON::PP::false() } } @options ]) : ());
}
define('age', 'number', 'number');
define('vip', 'bool', 'booleancheckbox', [ 'true', 'Yes' ], [ 'false', 'No' ]);
define('tier', 'enumeration', 'select', [ 'gold_1', 'Gold' ], [ 'silver_1', 'Silver' ]);
define('likes', 'enumeration', 'checkbox', [ 'a', 'Apples' ], [ 'b', 'Bananas' ], [ 'c', 'Cherries' ]);
define('birthday', 'date', 'date');
define('seen_at', 'datetime', 'date');
define('last__login', 'string', 'text');
create_account($node, 'postgres', 'crm', $sim, time_zone => 'America/New_York');

my $n = 0;

# Sends traits as a new contact; what HubSpot holds of it, and the codes of the warnings.
sub sent
{
	my ($traits) = @_;
	my $key = 'c' . ++$n . '@example.com';
	my $id = ask(qq{SELECT hubspot_identify('{"userId": "$key", "traits": $traits}')});
	wait_until(sub { ask("SELECT state FROM hubspot.outbox_status WHERE id = $id") eq 'done' }, $traits);
	my $codes = ask("SELECT string_agg(w->>'code', ',') FROM hubspot.outbox_status, jsonb_array_elements(warnings) w WHERE id = $id");
	is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id"), 'delivered', "$traits: delivered");
	return ($sim->contact($key)->{properties}, $codes);
}

#
# Values by type
#
my @values = (
	[ 'age', '12.50', '12.50', '' ],
	[ 'age', '"007"', '007', '' ],
	[ 'age', '" 1.5 "', '1.5', '' ],
	[ 'age', '"1,5"', undef, 'invalid_number' ],
	[ 'age', '"1e3"', undef, 'invalid_number' ],
	[ 'age', '"NaN"', undef, 'invalid_number' ],
	[ 'age', 'true', undef, 'invalid_number' ],
	[ 'vip', 'true', 'true', '' ],
	[ 'vip', '"YES"', 'true', '' ],
	[ 'vip', '0', 'false', '' ],
	[ 'vip', '"maybe"', undef, 'invalid_boolean' ],
	[ 'tier', '"gold_1"', 'gold_1', '' ],
	[ 'tier', '"silver"', 'silver_1', '' ],
	[ 'tier', '"bronze"', undef, 'invalid_option' ],
	[ 'likes', '["a", "Cherries"]', 'a;c', '' ],
	[ 'likes', '"b; x"', 'b', 'invalid_option' ],
	[ 'likes', '["x"]', undef, 'invalid_option' ],
	[ 'birthday', '"2026-11-23"', '2026-11-23', '' ],
	[ 'birthday', '"2026-11-23T02:00:00Z"', '2026-11-22', '' ],
	[ 'birthday', '"2026-11-23T23:30:00"', '2026-11-23', '' ],
	[ 'birthday', '1795456871', undef, 'invalid_date' ],
	[ 'birthday', '"tomorrow"', undef, 'invalid_date' ],
	[ 'seen_at', '"2026-11-23T10:00:00.1239+01:00"', '2026-11-23T09:00:00.123Z', '' ],
	[ 'seen_at', '"2026-11-23T10:00:00"', '2026-11-23T15:00:00.000Z', '' ],
	[ 'seen_at', '"2026-07-01"', '2026-07-01T04:00:00.000Z', '' ],
	[ 'seen_at', '1795456871125', '2026-11-23T18:01:11.125Z', '' ],
	[ 'seen_at', '1795456871', undef, 'invalid_datetime' ],
	[ 'plan', '"2026-11-23"', '2026-11-23', '' ],
	[ 'plan', '{"a": [1, "b"]}', '{"a":[1,"b"]}', '' ]);
for my $case (@values)
{
	my ($property, $json, $expected, $codes) = @$case;
	my ($there, $warned) = sent(qq({"$property": $json, "city": "x"}));
	is($there->{$property}, $expected, "$property: $json arrives as " . ($expected // 'nothing'));
	is($warned, $codes, "$property: $json warns " . ($codes || 'of nothing'));
	is($there->{city}, 'x', 'and the rest goes out');
}

#
# Names
#
my @names = (
	[ '{"Last  Login": "runs"}', 'last__login', 'runs', '' ],
	[ '{"PLAN": "pro"}', 'plan', 'pro', '' ],
	[ '{"Total-Spent": 5}', 'total_spent', '5', '' ],
	[ '{"plan": "a", "Plan": "b"}', 'plan', 'a', 'duplicate_property' ],
	[ '{"position": "x", "jobtitle": "y"}', 'jobtitle', 'x', 'duplicate_property' ],
	[ '{"no_such": 1}', 'no_such', undef, 'unknown_property' ],
	[ '{"hs_object_id": "1"}', 'no_such', undef, 'read_only_property' ]);
for my $case (@names)
{
	my ($traits, $property, $expected, $codes) = @$case;
	my ($there, $warned) = sent($traits);
	is($there->{$property}, $expected, "$traits: $property is " . ($expected // 'not there'));
	is($warned, $codes, "$traits warns " . ($codes || 'of nothing'));
}

#
# Explicit mappings
#
ask(q{SELECT hubspot_map('package.level', 'tier'), hubspot_map('city', NULL), hubspot_map('Shoe Size', 'age', server => 'crm')});
my ($there) = sent('{"package": {"level": "Gold"}, "city": "Berlin", "shoe_size": 44}');
is_deeply([ @$there{qw(tier city age)} ], [ 'gold_1', undef, '44' ], 'inside an object, dropped, renamed');
ask(q{SELECT hubspot_unmap('city')});
($there) = sent('{"city": "Berlin"}');
is($there->{city}, 'Berlin', 'a mapping taken back');
my (undef, undef, $error) = $node->psql('postgres', q{SELECT hubspot_map('a', 'b', server => 'nobody')});
like($error, qr/nobody/, 'a mapping for no account is an error');

#
# Unknown properties: counted, with the statement that creates them
#
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.unknown_properties WHERE name = 'no_such'}) eq '1' }, 'the view');
becomes(sub { ask(q{SELECT object, times, last_id IN (SELECT id FROM hubspot.outbox) FROM hubspot.unknown_properties WHERE name = 'no_such'}) },
	'contact|1|t', 'the view counts');
ask(ask(q{SELECT statement FROM hubspot.unknown_properties WHERE name = 'no_such'}));
wait_drained($node, 'postgres');
($there) = sent('{"no_such": 7}');
is($there->{no_such}, '7', 'its statement creates the property');
becomes(sub { ask(q{SELECT count(*) FROM hubspot.unknown_properties WHERE name = 'no_such'}) }, '0', 'and it leaves the view');
ask(q{SELECT hubspot_create_property('contact', 'no_such', 'number')});
wait_drained($node, 'postgres');
is(ask(q{SELECT verdict FROM hubspot.outbox_status WHERE call = 'create_property' ORDER BY id DESC LIMIT 1}), 'unchanged', 'once more: unchanged');
ask(q{SELECT hubspot_create_property('company', 'size_class', 'enumeration', 'Size', ARRAY['small', 'large'])});
wait_drained($node, 'postgres');
is(ask(q{SELECT verdict FROM hubspot.outbox_status WHERE call = 'create_property' ORDER BY id DESC LIMIT 1}), 'delivered', 'of a company, with options');
for my $bad (q{'list', 'x', 'number'}, q{'butterfly', 'x', 'number'}, q{'contact', 'X', 'number'}, q{'contact', 'x', 'money'}, q{'contact', 'x', 'enumeration'}, q{'contact', NULL, 'number'})
{
	my ($status) = $node->psql('postgres', "SELECT hubspot_create_property($bad)");
	isnt($status, 0, "hubspot_create_property($bad) is an error");
}

ask(q{ALTER SERVER crm OPTIONS (ADD create_properties 'on')});
($there) = sent('{"made_up": true, "made_up_too": 12, "and_text": "12"}');
is_deeply([ @$there{qw(made_up made_up_too and_text)} ], [ 'true', '12', '12' ], 'create_properties creates them first');
becomes(sub { ask(q{SELECT string_agg(type, ',' ORDER BY name) FROM hubspot.property WHERE name IN ('made_up', 'made_up_too', 'and_text')}) },
	'string,bool,number', 'with the type of the value; text stays text');

ask(q{ALTER SERVER crm OPTIONS (SET create_properties 'off', ADD unknown_properties 'reject')});
my $id = ask(q{SELECT hubspot_identify('{"email": "strict@example.com", "nobody_knows": 1}')});
wait_drained($node, 'postgres');
is(ask("SELECT verdict, category FROM hubspot.outbox_status WHERE id = $id"), 'rejected|unknown_property', 'unknown_properties = reject');
is($sim->contact('strict@example.com'), undef, 'nothing was sent');
ask(q{ALTER SERVER crm OPTIONS (DROP unknown_properties)});

#
# HubSpot's properties change behind our back
#
$sim->fault(match => { path => 'batch/upsert', record => '"made_up"' }, times => 1, action => 'status', status => 400,
	body => { status => 'error', category => 'VALIDATION_ERROR', message => 'Property values were not valid: '
		  . '[{"isValid":false,"message":"Property \"made_up\" does not exist","error":"PROPERTY_DOESNT_EXIST","name":"made_up"}]' });
my $lists = scalar grep { $_->{method} eq 'GET' && $_->{path} =~ m{/properties/.*/contacts} } $sim->requests;
($there) = sent('{"made_up": false, "age": 3}');
is($there->{age}, '3', 'a row that was refused for a property goes out again');
cmp_ok(scalar(grep { $_->{method} eq 'GET' && $_->{path} =~ m{/properties/.*/contacts} } $sim->requests), '>', $lists,
	'after the properties were read again');

define('brand_new', 'string', 'text');
ask(q{SELECT hubspot_refresh_schema()});
wait_drained($node, 'postgres');
($there) = sent('{"brand_new": "x"}');
is($there->{brand_new}, 'x', 'hubspot_refresh_schema() reads them, too');

# A worker that starts goes by what the tables hold
$lists = scalar grep { $_->{path} =~ /properties/ } $sim->requests;
$node->restart;
($there, my $codes) = sent('{"age": "x", "plan": "pro"}');
is($codes, 'invalid_number', 'after a restart the schema is there');
is(scalar(grep { $_->{path} =~ /properties/ } $sim->requests), $lists, 'without asking');

#
# Without a network
#
is( ask(q{SELECT object, key, p->>'value', p->>'rule', warnings->0->>'code', method, path
		FROM hubspot_explain('identify', '{"email": "X@example.com", "firstName": "Ada", "odd one": 1}'), jsonb_array_elements(properties) p}),
	'contact|x@example.com|Ada|special field|unknown_property|POST|/crm/objects/2026-09/contacts/batch/upsert', 'hubspot_explain() tells all of it');
is(ask(q{SELECT body->'inputs'->0->'properties' FROM hubspot_explain('identify', '{"email": "x@example.com", "age": "12"}')}),
	'{"age": "12"}', 'and the request');
ask(q{CREATE ROLE app; GRANT USAGE ON FOREIGN SERVER crm TO app});
is(ask(q{SET ROLE app; SELECT key FROM hubspot_explain('identify', '{"email": "x@example.com"}')}), 'x@example.com', 'to whoever may queue');
ask(q{REVOKE USAGE ON FOREIGN SERVER crm FROM app});
my ($status) = $node->psql('postgres', q{SET ROLE app; SELECT key FROM hubspot_explain('identify', '{"email": "x@example.com"}')});
isnt($status, 0, 'and to nobody else');

# A token that may not read properties: names and values go out as they are
my $plain = hubspot_cluster('plain');
my $closed = start_simulator(config => { scopes => [ 'oauth', 'crm.objects.contacts.write' ] });
create_account($plain, 'postgres', 'crm', $closed);
$plain->safe_psql('postgres', q{SELECT hubspot_identify('{"email": "a@example.com", "plan": "pro"}')});
wait_drained($plain, 'postgres');
is($closed->contact('a@example.com')->{properties}{plan}, 'pro', 'without the scope to read properties, contacts are sent all the same');

$closed->config(scopes => undef);
$plain->reload;
$plain->safe_psql('postgres', q{SELECT hubspot_refresh_schema()});
wait_drained($plain, 'postgres');
$plain->safe_psql('postgres', q{SELECT hubspot_identify('{"email": "b@example.com", "nosuch": 1}')});
wait_drained($plain, 'postgres');
is($plain->safe_psql('postgres', q{SELECT verdict, warnings->0->>'code' FROM hubspot.outbox_status ORDER BY id DESC LIMIT 1}),
	'delivered|unknown_property', 'with the scope it knows better');

done_testing();
