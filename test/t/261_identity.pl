# What says which record is meant is no ordinary value: no trait writes it, whatever its
# spelling, and what is no good as a key leaves the next one.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('contacts', name => 'customer_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
$sim->add_property('companies', name => 'gid', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('identity');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');
create_account($node, 'postgres', 'keyed', $sim, contact_id_property => 'customer_id', company_id_property => 'gid');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

sub statement { my ($call, $message, $server) = @_; return "SELECT hubspot_$call(\$j\$$message\$j\$, '" . ($server // 'crm') . "')" }

# Returns the row's id.
sub call
{
	my $id = ask(statement(@_));
	wait_drained($node, 'postgres');
	return $id;
}

sub hubspot { return $sim->api(@_) }

my $warnings = q{(SELECT coalesce(string_agg(w->>'code' || ' ' || (w->>'property'), ', ' ORDER BY 1, w->>'property'), '')
	FROM jsonb_array_elements(s.warnings) w)};

sub row { return ask("SELECT concat_ws(' ', $_[1]) FROM hubspot.outbox_status s WHERE id = $_[0]") }

sub told { return row($_[0], "verdict, $warnings") }

# The row of this object that a call made besides its own.
sub child { return ask("SELECT id FROM hubspot.outbox_status WHERE parent = $_[0] AND object = '$_[1]'") }

sub held { my ($type, $key, $property, $name) = @_; return (($sim->object($type, $key, $property) // {})->{properties} // {})->{$name} // 'none' }

subtest 'a key is not written by a trait' => sub {
	ask(q{SELECT hubspot_map('reference', 'customer_id', server => 'keyed'), hubspot_map('mailbox', 'email'),
		hubspot_map('account.number', 'gid', 'company', 'keyed'), hubspot_map('site', 'domain', 'company', 'crm')});
	my $n = 0;
	for my $traits ('"customer_id": 900', '"customer_id": null', '"Customer ID": 900', '"CUSTOMER-ID": "900"', '"reference": 900')
	{
		my $key = 'u' . ++$n;
		my $flat = call('identify', qq({"user_id": "$key", "city": "Rome", $traits}), 'keyed');
		is(told($flat), 'delivered key_property customer_id', "$traits in a flat row");
		my $id = call('identify', qq({"userId": "$key", "traits": {$traits, "city": "Oslo"}}), 'keyed');
		is(told($id) . ' ' . held('contacts', $key, 'customer_id', 'city'), 'delivered key_property customer_id Oslo', 'the next call finds the contact');
		$id = child(call('group', qq({"groupId": "g$key", "userId": "$key", "traits": {"name": "N"}, "context": {"traits": {$traits, "city": "Bonn"}}}), 'keyed'), 'contact');
		is(told($id) . ' ' . held('contacts', $key, 'customer_id', 'city'), 'delivered key_property customer_id Bonn', 'in context.traits of a group call, too');
	}
	is(told(call('identify', '{"userId": "u1", "traits": {"customer_id": "u1", "city": "Lima"}}', 'keyed')), 'delivered ', 'one that says what the key says is worth no warning');
	is(told(call('identify', '{"traits": {"email": "keyless@example.com", "customer_id": 901}}', 'keyed')), 'delivered key_property customer_id', 'a contact by its address takes none, either');
	is(held('contacts', 'keyless@example.com', 'email', 'customer_id'), 'none', 'and has none');

	my $id = call('identify', '{"traits": {"email": "ada@example.com", "mailbox": "other@example.com", "city": "Rome"}}');
	is(told($id) . ' ' . held('contacts', 'ada@example.com', 'email', 'city'), 'delivered key_property email Rome', 'the address, where it is the key');
	is(told(call('identify', '{"traits": {"email": "ada@example.com", "mailbox": " ADA@example.com"}}')), 'delivered ', 'another spelling of it is the same');
	$id = call('identify', '{"userId": "u1", "traits": {"mailbox": "u1@example.com"}}', 'keyed');
	is(told($id) . ' ' . held('contacts', 'u1', 'customer_id', 'email'), 'delivered  u1@example.com', 'where it is not the key it is an ordinary value');
};

subtest 'nor is a company\'s' => sub {
	for my $traits ('"gid": "g9"', '"gid": null', '"GID": "g9"', '"account": {"number": "g9"}')
	{
		my $id = call('group', qq({"groupId": "g1", "traits": {$traits, "name": "Acme"}}), 'keyed');
		is(told($id) . ' ' . held('companies', 'g1', 'gid', 'name'), 'delivered key_property gid Acme', $traits);
		$id = call('group', qq({"group_id": "g1", "name": "Flat", $traits}), 'keyed');
		is(told($id) . ' ' . held('companies', 'g1', 'gid', 'name'), 'delivered key_property gid Flat', "$traits in a flat row");
	}
	my $id = child(call('identify', '{"userId": "u1", "traits": {"company": {"id": "g1", "gid": "g9", "name": "Inner"}}}', 'keyed'), 'company');
	is(told($id) . ' ' . held('companies', 'g1', 'gid', 'name'), 'delivered key_property gid Inner', 'in the company of a contact');
	$id = call('group', '{"traits": {"website": "https://acme.com", "site": "https://other.com", "phone": "5"}}');
	is(told($id) . ' ' . held('companies', 'acme.com', 'domain', 'phone'), 'delivered key_property domain 5', 'a domain that is the key');
	is(told(call('group', '{"traits": {"website": "https://acme.com", "site": "https://www.ACME.com/about"}}')), 'delivered ', 'another spelling of it is the same');
};

subtest 'what is no address leaves the next identity' => sub {
	my $hutk = '0123456789abcdef0123456789abcdef';
	hubspot('POST', '/events/2026-09/event-definitions', { name => 'tick', label => 'Tick', includeDefaultProperties => JSON::PP::false, propertyDefinitions => [] });
	ask(q{SELECT hubspot_refresh_schema('crm')});
	wait_drained($node, 'postgres');
	call('identify', '{"userId": "told", "traits": {"email": "told@example.com"}}');
	my @bad = ('""', '"n/a"', '5');
	my $last = sub { my @events = grep { $_->{op} eq 'event' } $sim->log; return $events[-1] // {} };
	for my $bad (@bad)
	{
		is(told(call('track', qq({"event": "Tick", "properties": {"email": $bad}, "context": {"hutk": "$hutk"}}))) . ' ' . ($last->()->{utk} // 'none'),
			"delivered invalid_email email $hutk", "$bad: the browser token");
		is(told(call('track', qq({"event": "Tick", "properties": {"email": $bad}, "userId": "told"}))), 'delivered invalid_email email', 'a userId');
		my $id = call('identify', qq({"traits": {"email": $bad, "city": "Rome"}, "userId": "user\@example.com"}));
		is(told($id) . ' ' . held('contacts', 'user@example.com', 'email', 'city'), 'delivered invalid_email email Rome', 'a userId that is an address');
		$id = call('identify', qq({"traits": {"email": $bad, "city": "Oslo"}, "properties": {"email": "next\@example.com"}}));
		is(told($id) . ' ' . held('contacts', 'next@example.com', 'email', 'city'), 'delivered invalid_email email Oslo', 'the next address');
		$id = call('group', qq({"traits": {"website": "acme.com"}, "userId": "told", "context": {"traits": {"email": $bad}}}));
		is(told($id) . ' ' . row(child($id, 'association'), "verdict, key, $warnings"), 'delivered invalid_email email delivered told ', 'the contact of a group call');
	}
	is(told(call('delete', '{"email": "n/a", "userId": "next@example.com"}')) . held('contacts', 'next@example.com', 'email', 'city'), 'delivered invalid_email emailnone', 'a deletion');
	my ($code, undef, $error) = $node->psql('postgres', statement('identify', '{"email": "n/a", "userId": "told"}'));
	isnt($code, 0, 'where none is left it is an error');
	like($error, qr{is not an e-mail address: "n/a"}, 'of the address');
};

subtest 'an id of the contact, and of its company' => sub {
	my $id = call('identify', '{"userId": "u1", "groupId": "g1", "traits": {"city": "Rome"}}', 'keyed');
	is(told($id), 'delivered company_ignored groupId', 'a groupId of identify is ignored, and that is told');
	hubspot('POST', '/crm/v3/properties/contacts', { name => 'id', label => 'Id', type => 'string', fieldType => 'text', groupName => 'contactinformation' });
	ask(q{SELECT hubspot_refresh_schema('keyed')});
	wait_drained($node, 'postgres');
	is(told(call('identify', '{"userId": "u1", "traits": {"city": "Rome"}}', 'keyed')) . held('contacts', 'u1', 'customer_id', 'id'), 'delivered u1', 'a property "id" has the userId');
	is(told(call('identify', '{"userId": "u1", "traits": {"id": "mine"}}', 'keyed')) . held('contacts', 'u1', 'customer_id', 'id'), 'delivered mine', 'unless there is a trait');
	is(told(call('identify', '{"user_id": "u2", "city": "Oslo"}', 'keyed')) . held('contacts', 'u2', 'customer_id', 'id'), 'delivered u2', 'of a flat row as well');
	ask(q{SELECT hubspot_map('id', NULL, server => 'keyed')});
	is(told(call('identify', '{"userId": "u3", "traits": {"city": "Rome"}}', 'keyed')) . held('contacts', 'u3', 'customer_id', 'id'), 'delivered none', 'or a mapping that says otherwise');
};

subtest 'a char(n) as the value of a trait' => sub {
	ask(q{CREATE TABLE padded (email text, code char(8)); INSERT INTO padded VALUES ('padded@example.com', 'ab')});
	ask(q{SELECT hubspot_trait('plan', 'SELECT email, code FROM padded')});
	ask(q{SELECT hubspot_refresh('plan')});
	wait_drained($node, 'postgres');
	is(held('contacts', 'padded@example.com', 'email', 'plan'), 'ab', 'is without its padding');
};

subtest 'a record id of HubSpot as the key' => sub {
	my $contact = hubspot('POST', '/crm/v3/objects/contacts', { properties => { email => 'byid@example.com', city => 'Rome' } })->{id};
	my $company = hubspot('POST', '/crm/v3/objects/companies', { properties => { name => 'By Id' } })->{id};
	my $new = hubspot('POST', '/crm/v3/objects/contacts', { properties => { email => 'merged@example.com' } })->{id};
	my $count = $sim->count;
	create_account($node, 'postgres', 'byid', $sim, contact_id_property => 'hs_object_id', company_id_property => 'hs_object_id', create_missing => 'on');
	my $id = call('identify', qq({"userId": $contact, "traits": {"city": "Oslo", "hs_object_id": 5, "email": "byid2\@example.com"}}), 'byid');
	is(row($id, "verdict, created, record_id, $warnings"), "delivered f $contact key_property hs_object_id", 'a contact is updated by it');
	is(held('contacts', $contact, 'hs_object_id', 'city') . held('contacts', $contact, 'hs_object_id', 'email'), 'Oslobyid2@example.com', 'with its values');
	$id = call('group', qq({"groupId": "$company", "userId": "$contact", "traits": {"name": "Named", "website": "https://byid.com"}}), 'byid');
	is(row($id, 'verdict, record_id') . ' ' . held('companies', $company, 'hs_object_id', 'name'), "delivered $company Named", 'a company as well');
	is(row(child($id, 'association'), 'verdict, category'), 'delivered', 'and they are put together');
	is(told(call('track', qq({"userId": "$contact", "event": "Tick"}), 'byid')), 'delivered ', 'its events');
	$id = call('identify', '{"userId": 999999, "traits": {"email": "byid2@example.com"}}', 'byid');
	is(row($id, 'verdict, category'), 'rejected contact_not_found', 'one that HubSpot does not have');
	is(row(child(call('group', qq({"groupId": 999998, "userId": $contact, "traits": {"name": "Nobody"}}), 'byid'), 'association'), 'verdict, category'),
		'rejected company_not_found', 'nor is anything made for an association');
	is(told(call('delete', '{"userId": 999999}', 'byid')), 'unchanged ', 'or for a deletion');
	is($sim->count, $count, 'no record is made');
	my ($code, undef, $error) = $node->psql('postgres', statement('identify', '{"userId": "u1"}', 'byid'));
	like($error, qr/not a record id of HubSpot.*contact_id_property 'hs_object_id'/s, 'a key that is none is an error');

	# HubSpot has made two contacts one, which has a new id: the old one is found by a read, and not by an update
	hubspot('DELETE', "/crm/v3/objects/contacts/$contact");
	$sim->fault(match => { path => '/contacts/batch/read' }, times => 1, action => 'status', status => 200, body => { status => 'COMPLETE',
		results => [ { id => $new, properties => { hs_object_id => $new, hs_merged_object_ids => "17;$contact" } } ] });
	$id = call('identify', qq({"userId": $contact, "traits": {"city": "Bonn"}}), 'byid');
	is(row($id, 'verdict, record_id') . ' ' . held('contacts', $new, 'hs_object_id', 'city'), "delivered $new Bonn", 'a contact that was merged is followed');
	my $reads = () = grep { $_->{path} =~ m{/batch/read} } $sim->requests;
	$id = call('identify', qq({"userId": $contact, "traits": {"city": "Lima"}}), 'byid');
	is(row($id, 'verdict, record_id') . ' ' . held('contacts', $new, 'hs_object_id', 'city'), "delivered $new Lima", 'from then on by its new id');
	is(scalar(grep { $_->{path} =~ m{/batch/read} } $sim->requests), $reads, 'without a read');
};

subtest 'an answer with another record id' => sub {
	my $old = row(call('group', '{"traits": {"website": "https://moved.com", "name": "Old"}}'), 'record_id');
	my $new = hubspot('POST', '/crm/v3/objects/companies', { properties => { name => 'New' } })->{id};
	$sim->fault(match => { path => '/companies/batch/update' }, times => 1, action => 'status', status => 200, body => { status => 'COMPLETE',
		results => [ { id => $new, properties => { hs_object_id => $new } } ] });
	is(row(call('group', '{"traits": {"website": "https://moved.com", "name": "Merged"}}'), 'verdict, record_id'), "delivered $new", 'moves the id');
	is(row(call('group', '{"traits": {"website": "https://moved.com", "name": "Later"}}'), 'verdict, record_id') . ' ' . held('companies', $new, 'hs_object_id', 'name'),
		"delivered $new Later", 'that the next call goes by');
	is(ask("SELECT count(*) FROM hubspot.record WHERE record_id = '$old'"), '0', 'the old one is remembered no more');
};

subtest 'a key property that is not unique' => sub {
	create_account($node, 'postgres', 'common', $sim, contact_id_property => 'plan');
	ask(statement('identify', '{"userId": "u1", "traits": {"city": "Rome"}}', 'common'));
	my $state = q{SELECT state || ' ' || reason FROM hubspot.status WHERE server = 'common' AND lane = 'contacts'};
	becomes(sub { ask($state) }, q{MISCONFIGURED a property that is not unique in HubSpot cannot be the key: contact_id_property 'plan'}, 'is the account\'s trouble');
	is(ask(q{SELECT state FROM hubspot.outbox_status WHERE server = 'common' ORDER BY id DESC LIMIT 1}), 'waiting', 'and rejects no row');
	ask(q{ALTER SERVER common OPTIONS (SET contact_id_property 'customer_id')});
	becomes(sub { ask(q{SELECT state FROM hubspot.status WHERE server = 'common' AND lane = 'contacts'}) }, 'RUN', 'another option ends it');
	is(told(call('identify', '{"userId": "common1", "traits": {"city": "Rome"}}', 'common')), 'delivered ', 'and calls go out');
};

$node->stop;
done_testing();
