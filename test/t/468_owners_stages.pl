# Values that are chosen from a list of HubSpot's own: owners, pipelines and their stages.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('choices');
create_account($node, 'postgres', 'crm', $sim, skip_unchanged => 'on');

sub ask { return $node->safe_psql('postgres', shift) }

# How often HubSpot was asked; what has ended since, was asked for before.
sub requests_for { my ($what) = @_; return ask("SELECT count(*) FROM hubspot.request WHERE path LIKE '%/$what%'") }

# Waits for a row's verdict; "verdict: codes of its warnings".
sub ended
{
	my ($id) = @_;
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM hubspot.result WHERE id = $id") or die "row $id has not ended";
	return ask("SELECT concat_ws(': ', verdict, nullif(concat_ws(' ', category, (SELECT string_agg(w->>'code', ' ' ORDER BY n) FROM jsonb_array_elements(warnings) WITH ORDINALITY AS w(w, n))), ''))
		FROM hubspot.outbox_status WHERE id = $id");
}

sub identified
{
	my ($key, $traits) = @_;
	return ended(ask(qq{SELECT hubspot_identify('{"userId": "$key\@example.com", "traits": $traits}')}));
}

sub owner { my ($key) = @_; my $contact = $sim->contact("$key\@example.com"); return $contact ? $contact->{properties}{hubspot_owner_id} // 'none' : 'no contact' }

subtest 'owners are read when a value needs them' => sub {
	is(identified('plain', '{"firstname": "P"}'), 'delivered', 'a contact without an owner');
	is(requests_for('owners'), 0, '... has nobody read them');
	is(ask(q{SELECT count(*) FROM hubspot.owner}), 0, '... and none is there');
	is(identified('a', '{"hubspot_owner_id": "Ada.Owner@example.com", "firstname": "A"}'), 'delivered', 'an address');
	is(owner('a'), '41629779', '... became the id');
	is(identified('b', '{"Owner": "grace hopper"}'), 'delivered', 'a name, and the short name of the property');
	is(owner('b'), '41629780', '... became the id');
	is(identified('c', '{"hubspot_owner_id": 41629781}'), 'delivered', 'an id, of a queue');
	is(owner('c'), '41629781', '... is sent');
	is(requests_for('owners'), 1, 'one request for all of them');
	is(ask(q{SELECT string_agg(concat_ws(' ', id, email, name, type, archived), ', ' ORDER BY id) FROM hubspot.owner}),
		'41629779 ada.owner@example.com Ada Lovelace PERSON f, 41629780 grace.owner@example.com Grace Hopper PERSON f, 41629781 QUEUE f', 'the table');
};

subtest 'skip_unchanged goes by the id' => sub {
	is(identified('a', '{"owner": "Ada Lovelace", "firstname": "A"}'), 'unchanged', 'the same owner by another word');
	is(identified('a', '{"owner": "Grace Hopper"}'), 'delivered', 'another one');
	is(owner('a'), '41629780', '... is sent');
	is(identified('a', '{"owner": null}'), 'delivered', 'none');
	is(owner('a') =~ s/^$/none/r, 'none', '... clears');
};

subtest 'who is not there' => sub {
	my $before = requests_for('owners');
	is(identified('d', '{"owner": "nobody@example.com", "firstname": "D"}'), 'delivered: unknown_owner', 'nobody of that address: the record goes out');
	is($sim->contact('d@example.com')->{properties}{firstname}, 'D', '... with the rest');
	is(requests_for('owners'), $before + 1, 'they are read again before anybody is left out');
	is(identified('e', '{"owner": "former.owner@example.com"}'), 'delivered: unknown_owner', 'one who was archived before they were read');
	is(requests_for('owners'), $before + 1, '... not again within the half minute');
	is(ask(q{SELECT w->>'detail' FROM hubspot.result, jsonb_array_elements(warnings) w ORDER BY id DESC LIMIT 1}), 'no owner has the e-mail address "former.owner@example.com"', 'what was looked for is said');
};

subtest 'what a definition went without is sent when HubSpot has it' => sub {
	ask(q{CREATE TABLE people (email text PRIMARY KEY, first_name text, manager text);
		INSERT INTO people SELECT 'p' || i || '@example.com', 'P' || i, CASE WHEN i % 2 = 0 THEN 'new@example.com' ELSE 'Ada Lovelace' END FROM generate_series(1, 6) i;
		SELECT hubspot_sync('people', 'people', mapping => '{"email": "email", "firstname": "first_name", "hubspot_owner_id": "manager"}')});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 3 FROM hubspot.sync_trouble WHERE lacks = '{hubspot_owner_id}'}), 'three records lack their owner');
	is(owner('p1'), '41629779', 'the others have theirs');
	is(ask(q{SELECT string_agg(code || ' ' || property, ',') FROM hubspot.sync_property WHERE code <> ''}), 'unknown_owner hubspot_owner_id', 'it is counted');
	$sim->set_owner(id => '41629790', email => 'new@example.com', firstName => 'New', lastName => 'One', userId => 1);
	ask(q{SELECT hubspot_refresh_schema()});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM hubspot.sync_trouble}), 'when HubSpot has the owner, they are sent again');
	is(join(' ', map { owner("p$_") } 2, 4, 6), '41629790 41629790 41629790', '... and arrive');
};

subtest 'HubSpot refuses one that it has told' => sub {
	for my $readings ([], ['other_codes'])
	{
		$sim->config(readings => $readings);
		$sim->set_owner(id => '41629790', email => 'new@example.com', firstName => 'New', lastName => 'One', userId => 1, archived => \1);
		my $case = @$readings ? 'o' : 'r';
		my %who = (1 => 'Ada Lovelace', 2 => 'new@example.com', 3 => 'Ada Lovelace');
		my @ids = map { ask(qq{SELECT hubspot_identify('{"userId": "$case$_\@example.com", "traits": {"owner": "$who{$_}", "firstname": "F$_"}}')}) } 1 .. 3;
		is(join(', ', map { ended($_) } @ids), 'delivered, delivered: unknown_owner, delivered', "the record goes without it (@$readings)");
		is($sim->contact("${case}2\@example.com")->{properties}{firstname}, 'F2', '... with the rest');
		$sim->set_owner(id => '41629790', email => 'new@example.com', firstName => 'New', lastName => 'One', userId => 1, archived => \0);
	}
	$sim->config(readings => []);
	$sim->set_owner(id => '41629790', archived => \1);
	ask(q{SELECT hubspot_refresh_schema()});
	ok($node->poll_query_until('postgres', q{SELECT archived FROM hubspot.owner WHERE id = '41629790'}), 'who is not told any more is archived');
	is(identified('r4', '{"owner": "New One"}'), 'delivered: unknown_owner', '... and left out');
	like(ask(q{SELECT w->>'detail' FROM hubspot.result, jsonb_array_elements(warnings) w ORDER BY id DESC LIMIT 1}), qr/is archived in HubSpot/, '... as the warning says');
};

done_testing();
