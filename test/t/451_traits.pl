# Computed traits: of users, of accounts, and of the users of accounts; values
# by the type of the query's column.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('companies', name => 'segment_group_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('traits');
create_account($node, 'postgres', 'crm', $sim, company_id_property => 'segment_group_id', unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

sub refresh { return ask("SELECT concat_ws(' ', entered, changed, exited) FROM hubspot_refresh('$_[0]')") }

sub delivered { my $counts = refresh($_[0]); wait_drained($node, 'postgres'); return $counts }

sub error_of { my ($status, undef, $error) = $node->psql('postgres', $_[0]); return $status ? $error : 'no error' }

sub property { my ($email, $name) = @_; my $contact = $sim->contact($email); return $contact ? $contact->{properties}{$name} // 'none' : 'no contact' }

sub property_type
{
	my ($type, $name) = @_;
	my ($found) = grep { $_->{name} eq $name } @{ $sim->api('GET', "/crm/v3/properties/$type")->{results} };
	return $found ? "$found->{type} $found->{fieldType}" : 'none';
}

#
# The example of account-level traits: five users of a company visit its
# pricing page once each, and each of them gets pricing_page_visits: 5.
#
ask(q{CREATE TABLE visits (company text, email text, page text, at timestamptz DEFAULT now());
	INSERT INTO visits (company, email, page) SELECT 'acme', 'user' || i || '@acme.com', 'pricing' FROM generate_series(1, 5) i;
	INSERT INTO visits (company, email, page) VALUES ('other', 'one@other.com', 'pricing'), ('other', 'one@other.com', 'home')});
ask(q{SELECT hubspot_identify(jsonb_build_object('userId', split_part(email, '@', 1) || '-' || company, 'traits', jsonb_build_object('email', email))) FROM visits WHERE page = 'pricing'});
ask(q{SELECT hubspot_group(jsonb_build_object('groupId', company, 'userId', split_part(email, '@', 1) || '-' || company, 'traits', '{"name": "Some company"}'::jsonb)) FROM visits WHERE page = 'pricing'});
ask(q{SELECT hubspot_trait('pricing_page_visits', $$SELECT company, count(*) FROM visits WHERE page = 'pricing' GROUP BY company$$,
	level => 'account_users', create_in_hubspot => true)});
wait_drained($node, 'postgres');
is(delivered('pricing_page_visits'), '6 0 0', 'six users of two accounts');
is(property("user$_\@acme.com", 'pricing_page_visits'), '5', "pricing_page_visits: 5 for user $_ of 5") for 1 .. 5;
is(property('one@other.com', 'pricing_page_visits'), '1', '... and 1 for the user of another account');
is(property_type('contacts', 'pricing_page_visits'), 'number number', 'a count is a number');
is(scalar(grep { defined $_->{properties}{pricing_page_visits} } $sim->log), 6, 'one call for each user');

ask(q{INSERT INTO visits (company, email, page) VALUES ('acme', 'user1@acme.com', 'pricing')});
ask(q{SELECT hubspot_identify('{"email": "user6@acme.com"}'); SELECT hubspot_group('{"groupId": "acme", "userId": "user6@acme.com"}')});
is(delivered('pricing_page_visits'), '1 5 0', 'the value changes for all, and who joins the account gets it');
is(property('user6@acme.com', 'pricing_page_visits'), '6', '... the sixth user, too');
ask(q{DELETE FROM visits WHERE company = 'other'});
is(delivered('pricing_page_visits'), '0 0 1', 'an account that disappears');
is(property('one@other.com', 'pricing_page_visits'), 'none', '... clears the value of its users');

#
# Of the account itself
#
ask(q{SELECT hubspot_trait('Pages seen', 'SELECT company, count(DISTINCT page) FROM visits GROUP BY 1', level => 'account', create_in_hubspot => true)});
is(delivered('Pages seen'), '1 0 0', 'a trait of an account');
is($sim->company('acme', 'segment_group_id')->{properties}{pages_seen}, '1', '... is a property of the company');

#
# Of users, with types
#
ask(q{CREATE TYPE tier AS ENUM ('gold', 'silver', 'lead');
	CREATE TABLE users (email text PRIMARY KEY, spent numeric(12, 4), tier tier, vip boolean, born date, seen timestamptz);
	INSERT INTO users VALUES ('ann@example.com', 12345678.9012, 'gold', true, '1990-02-03', '2026-05-06 07:08:09.123456+02'),
		('bob@example.com', 0.1, 'lead', false, NULL, NULL)});
my %types = (spent => 'number number', tier => 'enumeration select', vip => 'bool booleancheckbox', born => 'date date', seen => 'datetime date', email => 'string text');
for my $column (sort keys %types)
{
	ask("SELECT hubspot_trait('t_$column', 'SELECT email, $column FROM users', create_in_hubspot => true)");
	is(delivered("t_$column"), '2 0 0', "trait $column");
	is(property_type('contacts', "t_$column"), $types{$column}, '... has its type');
}
is(join(' ', map { property('ann@example.com', "t_$_") } qw(spent tier vip born seen)), '12345678.9012 gold true 1990-02-03 2026-05-06T05:08:09.123Z',
	'values by type, digits kept');
is(property('bob@example.com', 't_born'), 'none', 'null is no value');

ask(q{UPDATE users SET spent = 2 WHERE email = 'bob@example.com'; DELETE FROM users WHERE email = 'ann@example.com'});
is(delivered('t_spent'), '0 1 1', 'another value, a key that disappears');
is(join(' ', map { property("$_\@example.com", 't_spent') } qw(ann bob)), 'none 2.0000', '... the one is set, the other cleared');
ask(q{SELECT hubspot_trait('t_tier', 'SELECT email, tier FROM users', on_missing => 'keep')});
is(delivered('t_tier'), '0 0 1', 'on_missing keep');
is(property('ann@example.com', 't_tier'), 'gold', '... keeps the value');
is(ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE verdict NOT IN ('delivered', 'coalesced', 'unchanged')}), 0, 'all was delivered');

#
# Keys that come twice, keys that are none
#
ask(q{CREATE TABLE points (email text, n int); INSERT INTO points VALUES ('ann@example.com', 1), ('bob@example.com', 2)});
ask(q{SELECT hubspot_trait('points', 'SELECT email, n FROM points', create_in_hubspot => true)});
is(delivered('points'), '2 0 0', 'one value for each key');
for my $twice ([ 'ANN@example.com', 1 ], [ 'ann@example.com', 7 ], [ 'new@example.com', 1 ])
{
	ask("INSERT INTO points VALUES ('$twice->[0]', $twice->[1])" . ($twice->[0] =~ /new/ ? ", ('new\@example.com', 2)" : ''));
	like(error_of(q{SELECT hubspot_refresh('points')}), qr/returns a key more than once.*\n?.*\L$twice->[0]/, "a key twice is an error: $twice->[0] $twice->[1]");
	ask(q{DELETE FROM points WHERE ctid <> (SELECT min(ctid) FROM points p WHERE p.email = points.email) OR email <> lower(email) OR email LIKE 'new%'});
}
is(refresh('points'), '0 0 0', '... and nothing was queued');
ask(q{INSERT INTO points VALUES (NULL, 1), ('', 2), ('no address', 3)});
is(ask(q{SELECT entered || ' ' || bad FROM hubspot_refresh('points')}), '1 2', 'rows without a key are counted');
wait_drained($node, 'postgres');
is(ask(q{SELECT verdict || ' ' || confirmed FROM hubspot.members WHERE name = 'points' AND key = 'no address'}), 'rejected false', 'a key that is none is rejected, and seen to be');
is(refresh('points'), '0 0 0', '... once');

done_testing();
