# Members of static lists: who comes and who goes, in order, and once.
use strict;
use warnings;
use utf8;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('companies', name => 'our_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
$sim->add_property('contacts', name => 'our_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('lists');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');
create_account($node, 'postgres', 'keyed', $sim, contact_id_property => 'our_id', company_id_property => 'our_id');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

# Runs all of it while nothing is sent, then lets it go; returns the results.
sub together { return queue_together($node, @_) }

sub call
{
	my $id = ask("SELECT hubspot_$_[0]");
	wait_drained($node, 'postgres');
	return $id;
}

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status WHERE id = $_[0]") }

sub ended { return row($_[0], q{concat_ws(' ', verdict, category)}) }

sub id_of_list { return $sim->api('GET', '/crm/v3/lists/object-type-id/' . ($_[1] // '0-1') . "/name/$_[0]")->{list}{listId} }

# Record ids, in order.
sub members { return join ' ', sort map { $_->{recordId} } @{ $sim->api('GET', '/crm/v3/lists/' . id_of_list(@_) . '/memberships')->{results} } }

sub contact { return ($sim->contact(@_) // { id => 'none' })->{id} }

# What happened to a member, in order: "add VIP", "remove VIP".
sub history
{
	my $id = shift;
	return join ', ', map { $_->{op} =~ s/^list_//r . " $_->{name}" } grep { $_->{object} eq 'lists' && $_->{id} eq $id && $_->{list} } $sim->log;
}

sub requests { my ($method, $path) = @_; return scalar grep { $_->{method} eq $method && $_->{path} =~ $path } $sim->requests }

sub make_list { return $sim->api('POST', '/crm/v3/lists', { name => $_[0], objectTypeId => $_[1] // '0-1', processingType => $_[2] // 'MANUAL' })->{list}{listId} }

#
# A list is made, and gets its first member
#
my @ids = together(q{SELECT hubspot_create_list('VIP')}, q{SELECT hubspot_identify('{"email": "ada@example.com"}')},
	q{SELECT hubspot_add_to_list('VIP', '{"email": "Ada@Example.com "}')});
is(ended($ids[0]), 'delivered', 'a list is created');
is(row($ids[0], q{concat_ws('|', call, object, key, created, record_id)}), 'create_list|list|contact VIP|t|' . id_of_list('VIP'), 'with its id');
is(ended($ids[2]), 'delivered', 'a member, queued together with the list and the contact');
is(row($ids[2], q{concat_ws('|', call, object, key, record_id)}), 'add_to_list|list|ada@example.com|' . contact('ada@example.com'), 'by its record');
is(members('VIP'), contact('ada@example.com'), 'HubSpot has it');
is(requests('POST', qr{contacts/batch/read}), 0, 'whose record was known');
is(ended(call(q{create_list('VIP')})), 'unchanged', 'a list that HubSpot has');
is(ended(call(q{add_to_list('VIP', '{"email": "ada@example.com"}')})), 'unchanged', 'a member that it is already');
is(ended(call(q{remove_from_list('VIP', '{"email": "ada@example.com"}')})), 'delivered', 'it goes');
is(ended(call(q{remove_from_list('VIP', '{"email": "ada@example.com"}')})), 'unchanged', 'and is gone');
is(history(contact('ada@example.com')), 'add VIP, remove VIP', 'came once, went once');
is(requests('GET', qr{2026-09/object-type-id/.*/name/}), 1, 'its id was told by the creation, and asked for once, when the name was taken');

# Names, and who is meant
my $odd = 'Käufer „gut“ 100% & more?';
make_list($odd);
call('identify(\'{"userId": "u1", "traits": {"email": "bob@example.com"}}\')');
is(ended(call(qq{add_to_list('$odd', '{"userId": "u1"}')})), 'delivered', 'by a userId that is remembered, to a list of an odd name');
is(history(contact('bob@example.com')), "add $odd", 'it is the member');
is(ended(call(q{add_to_list('VIP', '{"userId": "stranger"}')})), 'rejected contact_not_found', 'by a userId that nobody has seen');
my $id = ask(q{SELECT * FROM hubspot_enqueue('add_to_list', ARRAY['{"list": "VIP", "traits": {"email": "bob@example.com"}}'::jsonb])});
wait_drained($node, 'postgres');
is(ended($id), 'delivered', 'hubspot_enqueue');

# Bad messages
for my $bad (
	[ q{hubspot_add_to_list('', '{"email": "a@example.com"}')}, qr/not the name of a list/ ],
	[ q{hubspot_add_to_list(repeat('x', 251), '{"email": "a@example.com"}')}, qr/not the name of a list/ ],
	[ q{hubspot_add_to_list('a/b', '{"email": "a@example.com"}')}, qr/not the name of a list/ ],
	[ q{hubspot_add_to_list('..', '{"email": "a@example.com"}')}, qr/not the name of a list/ ],
	[ q{hubspot_add_to_list('VIP', '{"name": "nobody"}')}, qr/no contact key/ ],
	[ q{hubspot_add_to_list('VIP', '[1]')}, qr/not an object/ ],
	[ q{hubspot_add_to_list('VIP', NULL)}, qr/must not be null/ ],
	[ q{hubspot_remove_from_list('VIP', '{"email": "a@example.com", "object": "deal"}')}, qr/not an object that a list can be of/ ],
	[ q{hubspot_create_list('VIP', 'deal')}, qr/unknown object "deal"/ ],
	[ q{hubspot_create_list(NULL)}, qr/must not be null/ ],
	[ q{hubspot_enqueue('add_to_list', ARRAY['{"email": "a@example.com"}'::jsonb])}, qr/not the name of a list/ ])
{
	isnt($node->psql('postgres', "SELECT $bad->[0]", stderr => \my $error), 0, "an error: $bad->[0]");
	like($error, $bad->[1], 'with its reason');
}

#
# Order: the last word counts, and rows of one contact and list are one
#
my $before = requests('PUT', qr{add-and-remove});
$id = ask(q{BEGIN; SELECT hubspot_identify('{"email": "eve@example.com"}');
	SELECT hubspot_add_to_list('VIP', '{"email": "eve@example.com"}'); SELECT hubspot_remove_from_list('VIP', '{"email": "eve@example.com"}');
	SELECT hubspot_add_to_list('VIP', '{"email": "eve@example.com"}'); COMMIT});
wait_drained($node, 'postgres');
is(members('VIP'), join(' ', sort map { contact("$_\@example.com") } qw(bob eve)), 'added, removed, added again in one transaction: a member');
is(ask(q{SELECT string_agg(verdict, ' ' ORDER BY id) FROM hubspot.outbox_status WHERE object = 'list' AND key = 'eve@example.com'}),
	'coalesced coalesced delivered', 'merged into the last one');
is(history(contact('eve@example.com')), 'add VIP', 'came once');
is(requests('PUT', qr{add-and-remove}) - $before, 1, 'with one request');
make_list('Other');
together(map { "SELECT hubspot_$_" } q{add_to_list('Other', '{"email": "eve@example.com"}')}, q{remove_from_list('VIP', '{"email": "eve@example.com"}')},
	q{remove_from_list('Other', '{"email": "eve@example.com"}')}, q{add_to_list('VIP', '{"email": "eve@example.com"}')});
is(history(contact('eve@example.com')), 'add VIP, add Other, remove VIP, remove Other, add VIP', 'of several lists: in the order of the calls');

#
# What is not there
#
$id = call(q{add_to_list('Unknown', '{"email": "eve@example.com"}')});
is(ended($id), 'rejected list_not_found', 'a list that does not exist');
is(row($id, 'message'), q{HubSpot has no list "Unknown" of contacts; SELECT hubspot_create_list('Unknown') creates it}, 'with the statement that creates it');
$before = requests('GET', qr{2026-09/object-type-id/.*/name/});
@ids = together(map { qq{SELECT hubspot_add_to_list('Nowhere', '{"email": "n$_\@example.com"}')} } 1 .. 5);
is(join('|', map { ended($_) } @ids), join('|', ('rejected list_not_found') x 5), 'for many');
is(requests('GET', qr{2026-09/object-type-id/.*/name/}) - $before, 1, 'asked for once');
call(q{create_list('Unknown')});
$id = ask("SELECT hubspot_retry($id)");
wait_drained($node, 'postgres');
is(ended($id), 'delivered', 'created and retried');
make_list('Own', '0-1');
is(ended(call(q{add_to_list('Own', '{"email": "eve@example.com"}')})), 'delivered', 'a list made in HubSpot');
make_list('Active', '0-1', 'DYNAMIC');
$id = call(q{add_to_list('Active', '{"email": "eve@example.com"}')});
is(ended($id), 'rejected list_not_static', 'a dynamic list');
like(row($id, 'message'), qr/HubSpot itself finds its members/, 'with the reason');
is(ended(call(q{create_list('Active')})), 'rejected VALIDATION_ERROR', 'whose name is taken');
is(ended(call(q{create_list('VIP', 'company')})), 'rejected VALIDATION_ERROR', 'as that of a list of contacts is for companies');

is(ended(call(q{add_to_list('VIP', '{"email": "nobody@example.com"}')})), 'rejected contact_not_found', 'a contact that HubSpot does not have');
is(ended(call(q{remove_from_list('VIP', '{"email": "nobody@example.com"}')})), 'unchanged', 'is no member either');
my $elsewhere = $sim->api('POST', '/crm/v3/objects/contacts', { properties => { email => 'elsewhere@example.com' } })->{id};
is(ended(call(q{add_to_list('VIP', '{"email": "elsewhere@example.com"}')})), 'delivered', 'one that only HubSpot knows');
is(history($elsewhere), 'add VIP', 'is found');
ask(q{ALTER SERVER crm OPTIONS (ADD create_missing 'on')});
is(ended(call(q{add_to_list('VIP', '{"email": "made@example.com"}')})), 'delivered', 'create_missing');
is(history(contact('made@example.com')), 'add VIP', 'makes one');
is(ended(call(q{remove_from_list('VIP', '{"email": "nobody@example.com"}')})), 'unchanged', 'but not for one who leaves');
is(contact('nobody@example.com'), 'none', 'nobody was made');
ask(q{ALTER SERVER crm OPTIONS (DROP create_missing)});

# A record that HubSpot has no more, though the tables know it
$sim->api('DELETE', '/crm/v3/objects/contacts/' . contact('bob@example.com'));
is(ended(call(q{add_to_list('Other', '{"email": "bob@example.com"}')})), 'rejected contact_not_found', 'deleted in HubSpot');
my $again = $sim->api('POST', '/crm/v3/objects/contacts', { properties => { email => 'bob@example.com' } })->{id};
is(ended(call(q{add_to_list('Other', '{"email": "bob@example.com"}')})), 'delivered', 'there again');
is(history($again), 'add Other', 'by its new record');

# A list that was deleted, and made anew
my $old = id_of_list('Own');
$sim->api('DELETE', "/crm/v3/lists/$old");
is(ended(call(q{add_to_list('Own', '{"email": "bob@example.com"}')})), 'rejected list_not_found', 'a list that was deleted');
make_list('Own');
call(q{add_to_list('Own', '{"email": "bob@example.com"}')});
$sim->api('DELETE', '/crm/v3/lists/' . id_of_list('Own'));
make_list('Own');
is(ended(call(q{add_to_list('Own', '{"email": "eve@example.com"}')})), 'delivered', 'made anew by the same name');
is(members('Own'), contact('eve@example.com'), 'the new one has the member');

#
# Companies; a company and a contact of the same key do not meet
#
together(q{SELECT hubspot_create_list('Accounts', 'company', 'keyed')},
	q{SELECT hubspot_group('{"groupId": "7", "traits": {"name": "Acme", "website": "acme.com"}}', 'keyed')},
	q{SELECT hubspot_identify('{"userId": "7", "traits": {"email": "seven@example.com"}}', 'keyed')},
	q{SELECT hubspot_add_to_list('Accounts', '{"groupId": "7", "object": "company"}', 'keyed')},
	q{SELECT hubspot_add_to_list('VIP', '{"userId": "7"}', 'keyed')});
my $acme = $sim->company('acme.com')->{id};
is(members('Accounts', '0-2'), $acme, 'a list of companies');
is(history($acme) . '; ' . history(contact('seven@example.com')), 'add Accounts; add VIP', 'company and contact of the same key');
my $beta = $sim->api('POST', '/crm/v3/objects/companies', { properties => { name => 'Beta', our_id => 'b-1' } })->{id};
is(ended(call(q{add_to_list('Accounts', '{"groupId": "b-1", "object": "company"}', 'keyed')})), 'delivered', 'a company that only HubSpot knows');
is(members('Accounts', '0-2'), join(' ', sort $acme, $beta), 'is found');
is(ended(call(q{add_to_list('Accounts', '{"groupId": "none", "object": "company"}', 'keyed')})), 'rejected company_not_found', 'one that it does not have');
call(q{group('{"groupId": "8", "traits": {"website": "initech.com"}}')});
is(ended(call(q{add_to_list('Accounts', '{"website": "https://www.initech.com/x", "object": "company"}')})), 'delivered', 'by domain');
is(ended(call(q{add_to_list('Accounts', '{"website": "unheard.com", "object": "company"}')})), 'rejected company_not_found', 'by a domain that no call told');
$id = call(q{add_to_list('VIP', '{"groupId": "7", "object": "company"}', 'keyed')});
is(row($id, q{concat_ws(' ', verdict, message)}), q{rejected HubSpot has no list "VIP" of companies; SELECT hubspot_create_list('VIP', 'company') creates it},
	'a list of contacts is none of companies');

#
# hubspot_explain, hubspot_explain_backlog
#
is(ask(q{SELECT concat_ws('|', object, key_property, key, method, path, body) FROM hubspot_explain('add_to_list', '{"list": "VIP", "email": "ada@example.com"}')}),
	'list|email|ada@example.com|PUT|/crm/lists/2026-09/{listId}/memberships/add-and-remove|{"recordIdsToAdd": ["' . contact('ada@example.com')
	. '"], "recordIdsToRemove": []}', 'hubspot_explain');
is(ask(q{SELECT body FROM hubspot_explain('remove_from_list', '{"list": "VIP", "email": "unknown@example.com"}')}),
	'{"recordIdsToAdd": [], "recordIdsToRemove": [null]}', 'of a contact that is not known');

#
# Many members
#
stop_delivery($node);
$before = $sim->requests;
ask(q{SELECT count(*) FROM hubspot_enqueue('identify', ARRAY(SELECT jsonb_build_object('email', 'm' || i || '@example.com') FROM generate_series(1, 2000) i))});
ask(q{SELECT hubspot_create_list('Many')});
ask(q{SELECT count(*) FROM hubspot_enqueue('add_to_list', ARRAY(SELECT jsonb_build_object('list', 'Many', 'email', 'm' || i || '@example.com')
	FROM generate_series(1, 2000) i))});
is(ask(q{SELECT concat_ws('|', queued, records, merged, requests) FROM hubspot_explain_backlog('crm') WHERE lane = 'lists'}), '2001|2001|0|5', 'hubspot_explain_backlog');
resume_delivery($node);
wait_drained($node, 'postgres');
is(scalar(split ' ', members('Many')), 2000, '2,000 members');
cmp_ok(scalar(grep { $_->{path} =~ m{/lists} } splice @{ [ $sim->requests ] }, $before), '<=', 12, 'in few requests');
is(ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE object = 'list' AND key LIKE 'm%' AND verdict <> 'delivered'}), '0', 'all delivered');
becomes(sub { ask(q{SELECT state FROM hubspot.status WHERE server = 'crm' AND lane = 'lists'}) }, 'RUN', 'the lane');

$node->stop;
done_testing();
