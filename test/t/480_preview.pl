# Previews: what they say is what happens, and saying it changes nothing.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('preview');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

# The bodies of an item, as hashes.
sub bodies
{
	my ($preview, $item) = @_;
	my $json = ask("SELECT coalesce(jsonb_agg(body), '[]') FROM $preview WHERE item = '$item'");
	return @{ JSON::PP->new->utf8->decode($json) };
}

sub requests_of { return ask("SELECT count(*) FROM hubspot.requests WHERE lane = '$_[0]' AND path LIKE '%/batch/%'") }

$sim->add_property('contacts', name => 'points', type => 'number', fieldType => 'number');
$sim->add_property('contacts', name => 'tier', type => 'enumeration', fieldType => 'select',
	options => [ map { { value => $_, label => ucfirst, hidden => JSON::PP::false() } } qw(gold silver) ]);
ask(q{
	CREATE TYPE tier AS ENUM ('gold', 'tin');
	CREATE TABLE people (id int PRIMARY KEY, email text UNIQUE, first_name text, points text, tier tier);
	INSERT INTO people SELECT i, 'p' || i || '@example.com', 'P' || i, CASE WHEN i = 2 THEN 'many' ELSE i::text END,
		CASE WHEN i = 3 THEN 'tin'::tier ELSE 'gold' END FROM generate_series(1, 250) i});
my $mapping = q{'{"email": "email", "firstname": "first_name", "points": "points", "tier": "tier", "shoe_size": "id"}'};

ask('SELECT hubspot_refresh_schema()');
wait_drained($node, 'postgres');

#
# A sync
#
my $sync = "hubspot_sync_preview('people', mapping => $mapping)";
is(ask("SELECT string_agg(concat_ws(' ', name, body->>'fit'), ', ' ORDER BY name) FROM $sync WHERE item = 'column'"),
	'email key, first_name fits, id unknown, points partly, tier partly', 'which columns fit');
my ($requests) = bodies($sync, 'requests');
is_deeply($requests, { records => 250, requests => 3, per_request => 100 }, 'how many requests');
my @sample = map { $_->{inputs}[0]{properties} } bodies($sync, 'sample');
is_deeply($sample[0], { firstname => 'P1', points => '1', tier => 'gold' }, 'a sample');
is_deeply([ map { join ' ', sort keys %$_ } @sample ], [ 'firstname points tier', 'firstname tier', 'firstname points' ], '... without what would be left out');
is(ask("SELECT detail FROM $sync WHERE item = 'sample' AND name = 'p2\@example.com'") =~ /invalid_number points/, 1, '... and why');
ask(ask("SELECT detail FROM $sync WHERE item = 'unknown'"));
wait_drained($node, 'postgres');
is(ask("SELECT body->>'fit' FROM $sync WHERE item = 'column' AND name = 'id'"), 'fits', 'the statement creates what is unknown');
is(ask("SELECT count(*) FROM hubspot.outbox WHERE object = 'contact'"), 0, 'nothing of this has queued a row');
is($sim->count('contacts'), 0, '... or sent one');

#
# An audience
#
my $audience = "hubspot_audience_preview('SELECT email FROM people WHERE id <= 120', outputs => '{property,event}', property => 'regulars')";
is(ask("SELECT string_agg(concat_ws(' ', item, name, body->>'exists'), ', ' ORDER BY item, name) FROM $audience WHERE item IN ('property', 'event')"),
	'event Audience Entered false, event Audience Exited false, property regulars false', 'what HubSpot does not have');
ask($_) for split /\n/, ask("SELECT split_part(detail, ': ', 2) FROM $audience WHERE item IN ('property')");
ask($_) for split /\n/, ask("SELECT substr(detail, strpos(detail, 'SELECT')) FROM $audience WHERE item = 'event'");
wait_drained($node, 'postgres');
is(ask("SELECT count(*) FROM $audience WHERE body->>'exists' = 'true'"), 3, 'the statements create it');
my ($first) = map { $_->{inputs}[0] } bodies($audience, 'sample');
my ($predicted) = bodies($audience, 'requests');
my $before = requests_of('contacts');
ask(q{SELECT hubspot_audience('Regulars', 'SELECT email FROM people WHERE id <= 120', outputs => '{property,event}')});
ask(q{SELECT hubspot_refresh('Regulars')});
wait_drained($node, 'postgres');
is($sim->contact($first->{id})->{properties}{regulars}, $first->{properties}{regulars}, 'the sample is what HubSpot has');
is($sim->count('contacts'), $predicted->{records}, 'for so many contacts');
is(requests_of('contacts') - $before, $predicted->{requests}, 'in so many requests');

#
# Contacts of companies: counted, and not shown to who may only queue
#
ask(q{SELECT count(hubspot_group(jsonb_build_object('userId', email, 'traits', '{"website": "acme.com"}'::jsonb))) FROM people WHERE id <= 5;
	CREATE ROLE caller LOGIN; GRANT USAGE ON FOREIGN SERVER crm TO caller});
wait_drained($node, 'postgres');
my $seen = $node->safe_psql('postgres', q{SELECT item, name, detail, body FROM hubspot_audience_preview('SELECT ''acme.com''', 'account_users', property => 'regulars')},
	extra_params => [ '-U', 'caller' ]);
like($seen, qr/^contacts\|\|.*is shown to who may SELECT/m, 'how many contacts a company has is not for who may only queue');
like(ask(q{SELECT concat_ws('|', item, detail) FROM hubspot_audience_preview('SELECT ''acme.com''', 'account_users', property => 'regulars')}),
	qr/^contacts\|.*: 5$/m, 'but for who may read it');
unlike($seen, qr/p\d\@example/, '... but not who they are');

$node->stop;
done_testing();
