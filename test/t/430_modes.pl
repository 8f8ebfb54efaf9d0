# Rows that only update a record, or only create one; companies are archived.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('companies', name => 'segment_group_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
$sim->add_property('contacts', name => 'user_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('modes');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'keyed', $sim, contact_id_property => 'user_id', company_id_property => 'segment_group_id');
create_account($node, 'postgres', 'maker', $sim, company_id_property => 'segment_group_id', create_missing => 'on');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

sub contact { return $sim->contact(@_) // { id => 'none', properties => {} } }

sub company { return eval { $sim->company(@_) } // { id => 'none', properties => {} } }

# As another application does it.
sub existing
{
	my ($type, %properties) = @_;
	return $sim->api('POST', "/crm/v3/objects/$type", { properties => \%properties })->{id};
}

sub vanish { my ($type, $id) = @_; return $sim->api('DELETE', "/crm/v3/objects/$type/$id") }

# A row as a sync writes it: mode, object, property of the key ('': e-mail), key, message, SERVER.
sub statement
{
	my ($mode, $object, $property, $key, $message, $server) = @_;
	my $call = $object eq 'contact' ? 'identify' : 'group';
	$mode = $mode eq '' ? 'NULL' : "'$mode'";
	$server //= 'crm';
	return qq{INSERT INTO hubspot.outbox (server, call, object, source, mode, key_property, key, message)
		SELECT oid, '$call', '$object', 'sync', $mode, nullif('$property', ''), '$key', \$j\$$message\$j\$
		FROM pg_foreign_server WHERE srvname = '$server' RETURNING id};
}

sub contact_row { my ($mode, $key, $message, $server) = @_; return statement($mode, 'contact', '', $key, $message, $server) }

# What is queued waits together; returns the ids.
sub together { return queue_together($node, @_) }

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status s WHERE id = $_[0]") }

sub requests_to { my $path = shift; return scalar grep { $_->{path} =~ $path } $sim->requests }

#
# Contacts by their address
#
my $known = existing('contacts', email => 'known@example.com', city => 'Rome');
existing('contacts', email => 'taken@example.com', city => 'Nice');
my ($update, $missing, $create, $exists) = together(
	contact_row('u', 'known@example.com', '{"traits": {"email": "known@example.com", "city": "Oslo"}}'),
	contact_row('u', 'missing@example.com', '{"traits": {"email": "missing@example.com", "city": "Oslo"}}'),
	contact_row('c', 'new@example.com', '{"traits": {"email": "new@example.com", "city": "Bern"}}'),
	contact_row('c', 'taken@example.com', '{"traits": {"email": "taken@example.com", "city": "Bern"}}'));
is(row($update, 'mode, verdict, created, record_id'), "update|delivered|f|$known", 'a contact that is there is updated');
is(contact('known@example.com')->{properties}{city}, 'Oslo', 'in HubSpot');
is(row($missing, 'mode, verdict, category, record_id IS NULL'), 'update|rejected|contact_not_found|t', 'one that is not there is refused');
is($sim->contact('missing@example.com'), undef, 'and not created');
is(row($create, 'mode, verdict, created'), 'create|delivered|t', 'a new contact is created');
is(contact('new@example.com')->{properties}{city}, 'Bern', 'in HubSpot');
is(row($exists, 'verdict, category, record_id'), 'unchanged|exists|' . contact('taken@example.com')->{id}, 'one that is there is left alone');
is(contact('taken@example.com')->{properties}{city}, 'Nice', 'as it was');

# What is known needs no look
my $reads = requests_to(qr{/contacts/batch/read});
my $upserts = requests_to(qr{/contacts/batch/upsert});
my ($again, $still) = together(
	contact_row('u', 'known@example.com', '{"traits": {"email": "known@example.com", "city": "Kiel"}}'),
	contact_row('c', 'taken@example.com', '{"traits": {"email": "taken@example.com", "city": "Bern"}}'));
is(row($again, 'verdict') . ' ' . row($still, 'verdict, category, request_id IS NULL'), 'delivered unchanged|exists|t', 'known by now');
is(requests_to(qr{/contacts/batch/read}) - $reads, 0, 'without a look');
is(requests_to(qr{/contacts/batch/upsert}) - $upserts, 0, 'by the record id');
is(contact('known@example.com')->{properties}{city}, 'Kiel', 'updated');

# Deleted in HubSpot meanwhile
vanish('contacts', $known);
my $gone;
($gone, $again) = together(contact_row('u', 'known@example.com', '{"traits": {"email": "known@example.com", "city": "Paris"}}'),
	contact_row('u', 'new@example.com', '{"traits": {"email": "new@example.com", "city": "Paris"}}'));
is(row($gone, 'verdict, category'), 'rejected|contact_not_found', 'a record that was deleted meanwhile');
is($sim->contact('known@example.com'), undef, 'is not made anew');
is(row($again, 'verdict') . ' ' . contact('new@example.com')->{properties}{city}, 'delivered Paris', 'its neighbour in the batch is updated');
existing('contacts', email => 'known@example.com', city => 'Rome');
($again) = together(contact_row('u', 'known@example.com', '{"traits": {"email": "known@example.com", "city": "Bonn"}}'));
is(row($again, 'verdict') . ' ' . contact('known@example.com')->{properties}{city}, 'delivered Bonn', 'one that was made again is updated');

# Each mode by itself, in order
my @mixed = together(
	contact_row('u', 'mixed@example.com', '{"traits": {"email": "mixed@example.com", "city": "1"}}'),
	contact_row('c', 'mixed@example.com', '{"traits": {"email": "mixed@example.com", "city": "2"}}'),
	contact_row('c', 'mixed@example.com', '{"traits": {"email": "mixed@example.com", "city": "3"}}'),
	contact_row('u', 'mixed@example.com', '{"traits": {"email": "mixed@example.com", "zip": "4"}}'),
	contact_row('u', 'mixed@example.com', '{"traits": {"email": "mixed@example.com", "zip": "5"}}'),
	contact_row('', 'mixed@example.com', '{"traits": {"email": "mixed@example.com", "state": "6"}}'));
is(join(', ', map { row($_, q{concat_ws(' ', verdict, category)}) } @mixed),
	'rejected contact_not_found, delivered, unchanged exists, coalesced, delivered, delivered', 'six rows of one contact');
is_deeply([ @{ contact('mixed@example.com')->{properties} }{qw(city zip state)} ], [ 2, 5, 6 ], 'leave what each of them may');
@mixed = together(q{SELECT hubspot_delete('{"userId": "mixed@example.com"}')},
	contact_row('c', 'mixed@example.com', '{"traits": {"email": "mixed@example.com", "city": "7"}}'),
	q{SELECT hubspot_delete('{"userId": "mixed@example.com"}')},
	contact_row('u', 'mixed@example.com', '{"traits": {"email": "mixed@example.com", "city": "8"}}'));
is(join(', ', map { row($_, q{concat_ws(' ', verdict, category)}) } @mixed),
	'delivered, delivered, delivered, rejected contact_not_found', 'with deletions among them');

# Many, and an answer that is lost
existing('contacts', email => "half$_\@example.com") for 1 .. 60;
my ($queued) = together(q{SELECT 1}, q{INSERT INTO hubspot.outbox (server, call, object, source, mode, key, message)
	SELECT s.oid, 'identify', 'contact', 'sync', m.mode, 'half' || i || '@example.com',
		jsonb_build_object('traits', jsonb_build_object('email', 'half' || i || '@example.com', 'city', m.mode))
	FROM pg_foreign_server s, generate_series(1, 120) i, (VALUES ('u'::"char"), ('c')) m(mode)
	WHERE s.srvname = 'crm' ORDER BY i, m.mode DESC});
is(ask(q{SELECT mode, verdict, category, count(*) FROM hubspot.outbox_status WHERE key LIKE 'half%' GROUP BY 1, 2, 3 ORDER BY 1, 2}),
	"create|delivered||60\ncreate|unchanged|exists|60\nupdate|delivered||60\nupdate|rejected|contact_not_found|60", '240 rows of both modes');
is(scalar(grep { (contact("half$_\@example.com")->{properties}{city} // '') eq ($_ <= 60 ? 'u' : 'c') } 1 .. 120), 120, 'each as it should be');
$sim->fault(match => { path => 'contacts/batch/upsert' }, action => 'drop_after', times => 1);
my ($lost) = together(contact_row('c', 'lost@example.com', '{"traits": {"email": "lost@example.com", "city": "Rome"}}'));
is(row($lost, 'verdict') . ' ' . contact('lost@example.com')->{properties}{city}, 'delivered Rome', 'a lost answer: sent again');

# A repeat has the mode of what it repeats
my $repeat = ask("SELECT hubspot_retry($missing)");
wait_drained($node, 'postgres');
is(row($repeat, 'mode, verdict, category'), 'update|rejected|contact_not_found', 'a repeat says the same');
is($sim->contact('missing@example.com'), undef, 'and creates nothing either');

#
# Contacts by a property of their own
#
existing('contacts', email => 'bare@example.com', city => 'Rome');
existing('contacts', email => 'bare2@example.com', city => 'Rome');
existing('contacts', email => 'other@example.com', user_id => 'somebody');
sub by_user { my ($mode, $key, $message) = @_; return statement($mode, 'contact', 'user_id', $key, $message, 'keyed') }
my @keyed = together(
	by_user('u', 'k1', '{"userId": "k1", "traits": {"email": "bare@example.com", "city": "Oslo"}}'),
	by_user('u', 'k2', '{"userId": "k2", "traits": {"email": "nobody@example.com", "city": "Oslo"}}'),
	by_user('u', 'k3', '{"userId": "k3", "traits": {"city": "Oslo"}}'),
	by_user('u', 'k4', '{"userId": "k4", "traits": {"email": "other@example.com"}}'),
	by_user('c', 'k5', '{"userId": "k5", "traits": {"email": "bare2@example.com", "city": "Oslo"}}'),
	by_user('c', 'k6', '{"userId": "k6", "traits": {"email": "fresh@example.com", "city": "Oslo"}}'),
	by_user('u', 'somebody', '{"userId": "somebody", "traits": {"city": "Oslo"}}'),
	by_user('c', 'somebody', '{"userId": "somebody", "traits": {"city": "Bern"}}'));
is(join(', ', map { row($_, q{concat_ws(' ', verdict, category)}) } @keyed),
	'delivered, rejected contact_not_found, rejected contact_not_found, rejected conflicting_key, unchanged exists, delivered, delivered, unchanged exists',
	'keyed by a property');
is_deeply([ @{ contact('bare@example.com')->{properties} }{qw(city user_id)} ], [ 'Oslo', 'k1' ], 'one that is known by its address is adopted');
is_deeply([ @{ contact('bare2@example.com')->{properties} }{qw(city user_id)} ], [ 'Rome', undef ], 'or left alone');
is(contact('fresh@example.com')->{properties}{user_id}, 'k6', 'a new one is created');
is(contact('other@example.com')->{properties}{city}, 'Oslo', 'by the key alone');

#
# Companies
#
existing('companies', domain => 'there.com', city => 'Rome');
existing('companies', domain => 'bare.com', city => 'Rome');
existing('companies', domain => 'bare2.com', city => 'Rome');
existing('companies', domain => 'g3.com', segment_group_id => 'g3', city => 'Rome');
sub by_domain { my ($mode, $key) = @_; return statement($mode, 'company', 'domain', $key, qq({"traits": {"domain": "$key", "city": "Oslo"}})) }
sub by_group
{
	my ($mode, $key, $domain) = @_;
	my $more = defined $domain ? qq(, "domain": "$domain") : '';
	return statement($mode, 'company', 'segment_group_id', $key, qq({"groupId": "$key", "traits": {"city": "Oslo"$more}}), 'keyed');
}
my @companies = together(by_domain('u', 'there.com'), by_domain('u', 'nowhere.com'), by_domain('c', 'fresh.com'), by_domain('c', 'there.com'),
	by_group('u', 'g1', 'bare.com'), by_group('u', 'g2', 'never.com'), by_group('u', 'g2b'), by_group('u', 'g3'), by_group('c', 'g3'),
	by_group('c', 'g4', 'bare2.com'), by_group('c', 'g5', 'fresh5.com'), by_group('c', 'g6'));
is(join(', ', map { row($_, q{concat_ws(' ', verdict, category)}) } @companies),
	'delivered, rejected company_not_found, delivered, unchanged exists, '
	  . 'delivered, rejected company_not_found, rejected company_not_found, delivered, unchanged exists, '
	  . 'unchanged exists, delivered, delivered', 'companies by domain and by a key of their own');
is(company('there.com', 'domain')->{properties}{city}, 'Oslo', 'one that is there is updated');
is(company('nowhere.com', 'domain')->{id}, 'none', 'one that is not is not created');
is(company('fresh.com', 'domain')->{properties}{city}, 'Oslo', 'a new one is created');
is_deeply([ @{ company('bare.com', 'domain')->{properties} }{qw(city segment_group_id)} ], [ 'Oslo', 'g1' ], 'adopted');
is(company('bare2.com', 'domain')->{properties}{city}, 'Rome', 'or left alone');
is(company('g5', 'segment_group_id')->{properties}{city}, 'Oslo', 'created by its key');
is(company('g2', 'segment_group_id')->{id} . company('g2b', 'segment_group_id')->{id}, 'nonenone', 'nothing for the others');
vanish('companies', company('there.com', 'domain')->{id});
vanish('companies', company('g3', 'segment_group_id')->{id});
@companies = together(by_domain('u', 'there.com'), by_group('u', 'g3', 'g3.com'));
is(join(', ', map { row($_, q{concat_ws(' ', verdict, category)}) } @companies), 'rejected company_not_found, rejected company_not_found',
	'companies that were deleted meanwhile');

# Nothing is made for an association of a row that only updates
my ($association) = together(q{INSERT INTO hubspot.outbox (server, call, object, source, mode, key, message)
	SELECT oid, 'group', 'association', 'sync', 'u', 'nobody@example.com', '{"property": "segment_group_id", "company": "g1"}'
	FROM pg_foreign_server WHERE srvname = 'maker' RETURNING id});
is(row($association, 'verdict, category'), 'rejected|contact_not_found', 'an association does not create a side');
is($sim->contact('nobody@example.com'), undef, 'in HubSpot');

#
# Companies are archived
#
sub delete_company { my ($message, $server) = @_; return "SELECT hubspot_delete(\$j\$$message\$j\$, '" . ($server // 'crm') . "')" }
my $alone = existing('companies', domain => 'theirs.com');
my $fresh = company('fresh.com', 'domain')->{id};
my $fifth = company('g5', 'segment_group_id')->{id};
my @deleted = together(delete_company('{"object": "company", "traits": {"website": "https://www.fresh.com/x"}}'),
	delete_company('{"object": "company", "domain": "theirs.com"}'), delete_company('{"object": "company", "domain": "unheard-of.com"}'),
	delete_company('{"object": "company", "groupId": "g5"}', 'keyed'), delete_company('{"object": "company", "groupId": "g77"}', 'keyed'));
is(join(', ', map { row($_, q{concat_ws(' ', object, verdict, record_id)}) } @deleted),
	"company delivered $fresh, company delivered $alone, company unchanged, company delivered $fifth, company unchanged", 'companies are archived');
is(company($_->[0], $_->[1])->{id}, 'none', "$_->[0] is gone")
  for [ 'fresh.com', 'domain' ], [ 'theirs.com', 'domain' ], [ 'g5', 'segment_group_id' ];
is(ask(q{SELECT count(*) FROM hubspot.record WHERE key IN ('fresh.com', 'g5')}), '0', 'and not remembered');
@deleted = together(delete_company('{"object": "company", "domain": "fresh.com"}'), by_domain('', 'fresh.com'),
	delete_company('{"object": "company", "domain": "fresh.com"}'), by_domain('c', 'fresh.com'));
is(join(', ', map { row($_, 'verdict') } @deleted), 'unchanged, delivered, delivered, delivered', 'in the order of the calls');
vanish('companies', company('fresh.com', 'domain')->{id});
@deleted = together(delete_company('{"object": "company", "domain": "fresh.com"}'));
is(row($deleted[0], 'verdict'), 'unchanged', 'one that somebody else deleted');
my (undef, undef, $error) = $node->psql('postgres', delete_company('{"object": "company", "domain": "x.com", "gdpr": true}'));
like($error, qr/a company cannot be erased.*erases contacts only/s, 'erasing is for contacts');
(undef, undef, $error) = $node->psql('postgres', delete_company('{"object": "company", "groupId": "g1"}'));
like($error, qr/delete message has no company key/, 'a company without a key');
is(ask(q{SELECT path FROM hubspot_explain('delete', '{"object": "company", "domain": "acme.com"}')}), '/crm/objects/2026-09/companies/batch/archive',
	'what would be sent');

$node->stop;
done_testing();
