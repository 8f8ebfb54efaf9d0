# HubSpot may put one and the same answer in several ways: ids as numbers or as
# texts, failures in a 207 or in a 200, members that come and go.  The same calls
# end in the same way, whatever way it takes; test/simulator/answer.h has the list.
#
# ANSWER_SEED=N adds one more choice of ways to those here.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100000, search_limit => 1000, association_limit => 100000, answer_seed => 0 });
$sim->add_property('companies', name => 'our_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
$sim->add_property($_, name => 'our_ref', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true) for qw(deals tickets);
$sim->add_property('contacts', name => 'our_number', type => 'number', fieldType => 'number', hasUniqueValue => JSON::PP::true);
$sim->api('POST', '/_sim/forms', { id => 'f-1', name => 'Demo', fields => ['email'] });
my $node = hubspot_cluster('shapes');
create_account($node, 'postgres', 'crm', $sim, forms_url => $sim->url, company_id_property => 'our_id',
	id_properties => 'deal=our_ref, ticket=our_ref');
create_account($node, 'postgres', 'plain', $sim, forms_url => $sim->url, primary_company => 'off', create_missing => 'off');
create_account($node, 'postgres', 'numbered', $sim, contact_id_property => 'our_number', id_properties => 'deal=our_ref');

sub ask { return $node->safe_psql('postgres', shift) }

# Calls of every kind; TAG makes their names new.  Name, server, call.
my @calls = (
	[ 'a contact', 'crm', q{identify('{"email": "a.TAG@example.com", "traits": {"city": "Bonn"}}'} ],
	[ 'a contact that is refused', 'crm', q{identify('{"email": "b.TAG@example.zzz"}'} ],
	[ 'another contact', 'crm', q{identify('{"email": "c.TAG@example.com"}'} ],
	[ 'a contact that is there', 'crm', q{identify('{"email": "known@example.com", "traits": {"city": "TAG"}}'} ],
	[ 'a contact that is only to be updated', 'crm', q{INSERT INTO hubspot.outbox (server, call, object, source, mode, key, message)
		SELECT oid, 'identify', 'contact', 'sync', 'u', 'none.TAG@example.com', '{"email": "none.TAG@example.com", "traits": {"city": "Bonn"}}'
		FROM pg_foreign_server WHERE srvname = 'crm' RETURNING id} ],
	[ 'a company by its key', 'crm', q{group('{"groupId": "g-TAG", "traits": {"name": "Acme"}, "context": {"traits": {"email": "a.TAG@example.com"}}}'} ],
	[ 'a company by its domain', 'plain', q{group('{"groupId": "TAG", "traits": {"domain": "TAG.example.com", "name": "Acme"}, "context": {"traits": {"email": "known@example.com"}}}'} ],
	[ 'a second contact of it', 'plain', q{group('{"groupId": "TAG", "traits": {"domain": "TAG.example.com"}, "context": {"traits": {"email": "d.TAG@example.com"}}}'} ],
	[ 'a list', 'crm', q{create_list('list TAG'} ],
	[ 'a member', 'crm', q{add_to_list('list TAG', '{"email": "a.TAG@example.com"}'} ],
	[ 'a member that is there', 'crm', q{add_to_list('VIP', '{"email": "known@example.com"}'} ],
	[ 'a list that is not there', 'crm', q{add_to_list('none TAG', '{"email": "known@example.com"}'} ],
	[ 'an event', 'crm', q{track('{"event": "defined 250", "email": "known@example.com", "messageId": "m-TAG"}'} ],
	[ 'an event that is there grows', 'crm', q{create_event('defined_250', '{"p_TAG": "string"}', NULL} ],
	[ 'an event that is not there', 'crm', q{create_event_property('none_TAG', 'p', 'string', NULL} ],
	[ 'a form', 'crm', q{form('{"formId": "f-1", "fields": [{"name": "email", "value": "e.TAG@example.com"}]}'} ],
	[ 'a form that is not there', 'crm', q{form('{"formId": "f-TAG", "fields": [{"name": "email", "value": "e.TAG@example.com"}]}'} ],
	[ 'a deletion', 'crm', q{delete('{"email": "old.TAG@example.com"}'} ],
	[ 'a contact with an owner', 'crm', q{identify('{"email": "f.TAG@example.com", "traits": {"owner": "ada.owner@example.com"}}'} ],
	[ 'a label', 'crm', q{create_label('deal', 'contact', 'Decider TAG'} ],
	[ 'a deal', 'crm', q{record('deal', '{"id": "d-TAG", "properties": {"dealname": "D", "stage": "Contract sent", "owner": "Grace Hopper"},
		"associations": [{"object": "contact", "id": "f.TAG@example.com", "label": "Decider TAG"}, {"object": "company", "id": "g-TAG"}]}'} ],
	[ 'a ticket', 'crm', q{record('ticket', '{"id": "t-TAG", "properties": {"subject": "T", "stage": "2"}}'} ],
	[ 'a deal that lacks what one needs', 'crm', q{record('deal', '{"id": "e-TAG", "properties": {"amount": 5}}'} ],
	[ 'a contact by its number', 'numbered', q{identify('{"userId": NUMBER, "traits": {"city": "Bonn"}}'} ],
	[ 'another one', 'numbered', q{identify('{"userId": 1NUMBER, "traits": {"city": "Rome"}}'} ],
	[ 'its deal', 'numbered', q{record('deal', '{"id": "n-TAG", "properties": {"dealname": "N", "stage": "Closed Won"},
		"associations": [{"object": "contact", "id": "NUMBER"}]}'} ],
	[ 'two of one object', 'crm', q{associate('contact', 'f.TAG@example.com', 'contact', 'a.TAG@example.com'} ],
	[ 'a label that is not there', 'crm', q{associate('deal', 'd-TAG', 'contact', 'a.TAG@example.com', 'None'} ],
	[ 'a pair that is none any more', 'crm', q{dissociate('deal', 'd-TAG', 'contact', 'a.TAG@example.com'} ],
	[ 'a subscription', 'crm', q{subscription('{"email": "f.TAG@example.com", "subscription": "Newsletter", "subscribed": true, "legalBasis": "CONSENT_WITH_NOTICE", "legalBasisExplanation": "asked"}'} ],
	[ 'a deletion of nobody', 'crm', q{delete('{"email": "nobody.TAG@example.com"}'} ],
);

my $tag = 0;

# How the calls end, each with its association; what HubSpot holds then.
sub run
{
	my $t = 't' . ++$tag;
	my $number = 7000 + $tag;
	my (%ids, %ends);

	$sim->api('POST', '/crm/v3/objects/contacts', { properties => { email => "old.$t\@example.com" } });
	my $sql = join '', map { my ($name, $server, $call) = @$_; ($call =~ /^INSERT/ ? "$call;\n" : "SELECT hubspot_$call, server => '$server');\n") =~ s/TAG/$t/gr =~ s/NUMBER/$number/gr } @calls;
	my @ids = split /\n/, ask("BEGIN;\n$sql COMMIT;");
	wait_drained($node, 'postgres', 60);
	@ends{ map { $_->[0] } @calls } = split /\n/, ask(
		q{SELECT string_agg(concat_ws(' ', s.object, coalesce(c.verdict::text, s.verdict), s.created, CASE WHEN s.verdict = 'rejected' THEN s.category END), ', ' ORDER BY s.id)
		FROM hubspot.outbox_status s LEFT JOIN hubspot.result r ON r.id = s.id LEFT JOIN hubspot.result c ON c.id = r.merged_into,
			unnest(string_to_array('} . join(' ', @ids) . q{', ' ')::bigint[]) WITH ORDINALITY AS queued(first, place)
		WHERE first IN (s.id, s.parent) GROUP BY place ORDER BY place});
	# how bare a 404 is, nobody tells
	$ends{'a form that is not there'} =~ s/OBJECT_NOT_FOUND|not_found/not found/;
	my $known = $sim->contact('known@example.com');
	$ends{'HubSpot: city'} = $known->{properties}{city} =~ s/$t/TAG/r;
	$ends{'HubSpot: pairs of the company'} = scalar @{ ($sim->company("$t.example.com")->{associations} // []) };
	my %deal = %{ $sim->object('deals', "d-$t", 'our_ref') // {} };
	$ends{'HubSpot: deal'} = join ' ', map { $deal{properties}{$_} // 'none' } qw(pipeline dealstage hubspot_owner_id);
	$ends{'HubSpot: labels of the deal'} = join ' ', sort map { s/$t/TAG/r } map { @{ $_->{labels} // [] } } grep { $_->{from_id} eq ($deal{id} // '') } $sim->associations('deals', 'contacts');
	$ends{'HubSpot: owner'} = ($sim->contact("f.$t\@example.com") // {})->{properties}{hubspot_owner_id};
	$ends{'HubSpot: archived'} = defined $sim->contact("old.$t\@example.com") ? 'no' : 'yes';
	return \%ends;
}

# More events than fit on a page of HubSpot's list
$sim->api('POST', '/events/v3/event-definitions', { label => "Defined $_", name => "defined_$_", includeDefaultProperties => JSON::PP::false, propertyDefinitions => [] }) for 1 .. 250;
$sim->api('POST', '/crm/v3/objects/contacts', { properties => { email => 'known@example.com' } });
my $vip = $sim->api('POST', '/crm/v3/lists', { name => 'VIP', objectTypeId => '0-1', processingType => 'MANUAL' })->{list}{listId};
$sim->api('PUT', "/crm/v3/lists/$vip/memberships/add", [ $sim->contact('known@example.com')->{id} ]);

my $expected = run();
note explain $expected;
is($expected->{'a contact that is refused'}, 'contact rejected INVALID_EMAIL', 'the calls end as they should: a contact');
is($expected->{'a second contact of it'}, 'company delivered t, association rejected contact_not_found', 'an association');
is($expected->{'a company by its domain'} , 'company delivered t, association delivered', 'another one');
is($expected->{'a form that is not there'}, 'form rejected not found', 'a form');
like($expected->{'an event'}, qr/^event delivered/, 'an event of a later page');
is($expected->{'a deal'}, 'deal delivered t, pair delivered, pair delivered', 'a deal');
is($expected->{'its deal'}, 'deal delivered t, pair delivered', 'a deal of a contact that goes by a number');
is($expected->{'HubSpot: labels of the deal'}, 'Decider TAG', 'its label');
is($expected->{'HubSpot: deal'}, 'default contractsent 41629780', 'its stage and owner');
is($expected->{'a member that is there'}, 'list unchanged', 'a member');

# What can be combined stands in one group; a group that fails is looked into way by way.
my @groups = (
	[ qw(number_ids one_direction absent_errors errors_in_200 no_count more_members bare_404 list_400 cursors definition_404) ],
	[ qw(text_ids forward_first created_200 empty_errors echoed_traces backwards redirect) ],
	[ qw(null_members fewer_members required_context typed_values) ]);

# Forty choices among them name each of them.
my %ways;
for my $seed (1 .. 40) { $ways{$_} = 1 for @{ $sim->config(answer_seed => $seed)->{answers} } }
is_deeply([ sort map { @$_ } @groups ], [ sort keys %ways ], 'the groups have each way that the simulator knows');

# Does all end as expected?
sub same
{
	my ($name, %config) = @_;
	my $is = $sim->config(%config)->{answers};

	ask(q{SELECT hubspot_refresh_schema('crm')});
	return is_deeply(run(), $expected, "the same with $name") || diag("ways: @$is") && 0;
}

for my $group (@groups)
{
	next if same("@$group", answers => $group);
	same($_, answers => [$_]) for @$group;
}
same("seed $_", answer_seed => $_) for 1, $ENV{ANSWER_SEED} // ();

done_testing();
