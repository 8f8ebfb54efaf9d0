# What a row does once more when HubSpot refuses it: each reason counts by itself.  A row
# that meets several of them, in any order, is delivered; one that meets the same twice
# is not.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0, association_limit => 0, search_limit => 0 });
$sim->add_property('contacts', name => 'our_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('once');
create_account($node, 'postgres', 'own', $sim, contact_id_property => 'our_id');
create_account($node, 'postgres', 'crm', $sim, forms_url => $sim->url);

sub ask { return $node->safe_psql('postgres', shift) }

sub say_of { my ($id) = @_; return ask("SELECT concat_ws(' ', verdict, category) FROM hubspot.outbox_status WHERE id = $id") }

sub answer { my (%error) = @_; return { status => 'error', correlationId => '11111111-2222-3333-4444-555555555555', message => 'no', %error } }

# All orders of some things.
sub orders
{
	my @things = @_;
	return [] unless @things;
	return map { my $i = $_; map { [ $things[$i], @$_ ] } orders(@things[ grep { $_ != $i } 0 .. $#things ]) } 0 .. $#things;
}

# Each alone, each pair in both orders, all of them in each order, and each twice.
sub sequences
{
	my @reasons = @_;
	my @pairs = map { my $a = $_; map { [ $a, $_ ] } @reasons } @reasons;
	return ((map { [$_] } @reasons), @pairs, @reasons > 2 ? orders(@reasons) : ());
}

sub is_twice { my %seen; return grep { $seen{$_}++ } @_ }

#
# Contacts.  One that HubSpot has by the address alone is adopted, by four requests: the
# upsert, which is a conflict; who has the key, who has the address; the update by
# record id.  Each reason stops one such attempt:
#
#	schema		the update: a property of it does not exist
#	record		the update: the record does not exist
#	conflict	nobody has the address, which was said to be taken
#
my %contact_faults = (
	schema => sub {
		my ($email) = @_;
		return (path => 'batch/update', status => 400, body => answer(category => 'VALIDATION_ERROR',
			errors => [ { message => 'no', code => 'PROPERTY_DOESNT_EXIST', context => { propertyName => ['city'] } } ]));
	},
	record => sub { return (path => 'batch/update', status => 404, body => answer(category => 'OBJECT_NOT_FOUND')) },
	conflict => sub {
		my ($email) = @_;
		return (path => 'batch/read', status => 207, body => { status => 'COMPLETE', results => [], numErrors => 1,
			errors => [ { status => 'error', category => 'OBJECT_NOT_FOUND', message => 'no', context => { ids => [$email] } } ] });
	});
my %contact_end = (schema => 'rejected PROPERTY_DOESNT_EXIST', record => 'rejected OBJECT_NOT_FOUND', conflict => 'rejected CONFLICT');

my $number = 0;
for my $sequence (sequences(sort keys %contact_faults))
{
	my $email = 'adopted' . ++$number . '@example.com';
	my $person = $sim->api('POST', '/crm/v3/objects/contacts', { properties => { email => $email } });
	my $before = 0;
	for my $reason (@$sequence)
	{
		my %fault = $contact_faults{$reason}->($email);
		my $path = delete $fault{path};
		# the address is read in each attempt, and the update is tried where that goes well
		$sim->fault(match => { path => $path, record => $path eq 'batch/read' ? $email : $person->{id} }, action => 'status', times => 1,
			skip => $path eq 'batch/read' ? $before : 0, %fault);
		$before += $path ne 'batch/read';
	}
	my $id = ask("SELECT hubspot_identify('{\"userId\": \"u$number\", \"traits\": {\"email\": \"$email\", \"city\": \"Rome\"}}', 'own')");
	wait_drained($node, 'postgres');
	my $what = join ', then ', @$sequence;
	my $hits = () = grep { ($_->{hits} // 0) > 0 } @{ $sim->faults->{results} };
	is($hits, scalar @$sequence, "a contact meets $what");
	my ($twice) = is_twice(@$sequence);
	is(say_of($id), $twice ? $contact_end{$twice} : 'delivered', $twice ? 'the second time is the end' : 'and is delivered');
	is($sim->contact($email)->{properties}{city} // '', $twice ? '' : 'Rome', 'what HubSpot holds');
	$sim->clear_faults;
}

#
# Members of a list
#
#	list		HubSpot does not know the list by the id that we remember
#	record		nor the record
#
ask(q{SELECT hubspot_create_list('VIP', server => 'crm')});
wait_drained($node, 'postgres');
my %list_end = (list => 'rejected list_not_found', record => 'rejected contact_not_found');
for my $sequence (sequences('list', 'record'))
{
	my $email = 'member' . ++$number . '@example.com';
	my $person = $sim->api('POST', '/crm/v3/objects/contacts', { properties => { email => $email } });
	for my $reason (@$sequence)
	{
		$sim->fault(match => { path => 'memberships', record => $person->{id} }, action => 'status', times => 1,
			$reason eq 'list' ? (status => 404, body => answer(category => 'OBJECT_NOT_FOUND'))
			: (status => 200, body => { recordsIdsAdded => [], recordIdsRemoved => [], recordIdsMissing => [ $person->{id} ] }));
	}
	my $id = ask("SELECT hubspot_add_to_list('VIP', '{\"email\": \"$email\"}', 'crm')");
	wait_drained($node, 'postgres');
	my $what = join ', then ', @$sequence;
	my ($twice) = is_twice(@$sequence);
	is(say_of($id), $twice ? $list_end{$twice} : 'delivered', "a member meets $what");
	my @came = grep { $_->{op} eq 'list_add' && $_->{id} eq $person->{id} } $sim->log;
	is(scalar @came, $twice ? 0 : 1, 'what HubSpot has done');
	$sim->clear_faults;
}

#
# A form whose browser token HubSpot does not know: once without it
#
$sim->api('POST', '/_sim/forms', { id => 'f-1', name => 'Demo', fields => ['email'] });
for my $times (1, 2)
{
	$sim->fault(match => { path => 'submit' }, action => 'status', times => $times, status => 400,
		body => answer(errors => [ { message => 'no', errorType => 'INVALID_HUTK' } ]));
	my $id = ask(q{SELECT hubspot_form('{"formId": "f-1", "fields": [{"name": "email", "value": "form@example.com"}], "context": {"hutk": "0123456789abcdef"}}', 'crm')});
	wait_drained($node, 'postgres');
	is(say_of($id), $times == 1 ? 'delivered' : 'rejected INVALID_HUTK', "a form whose token is unknown, $times times");
	$sim->clear_faults;
}

#
# An event of a record that is gone: once by the address
#
ask(q{SELECT hubspot_create_event('thing', '{"n": "string"}', 'Thing', 'crm')});
ask(q{SELECT hubspot_identify('{"userId": "event-of", "traits": {"email": "event@example.com"}}', 'crm')});
wait_drained($node, 'postgres');
for my $times (1, 2)
{
	$sim->fault(match => { path => 'send/batch' }, action => 'status', times => $times, status => 400, body => answer(category => 'VALIDATION_ERROR'));
	my $id = ask("SELECT hubspot_track('{\"event\": \"thing\", \"userId\": \"event\@example.com\", \"properties\": {\"n\": \"$times\"}}', 'crm')");
	wait_drained($node, 'postgres');
	is(say_of($id), $times == 1 ? 'delivered' : 'rejected VALIDATION_ERROR', "an event that is refused, $times times");
	$sim->clear_faults;
}

#
# An association of records that are gone: both are looked for once
#
for my $times (1, 2)
{
	ask("SELECT hubspot_identify('{\"traits\": {\"email\": \"joins$times\@example.com\"}}', 'crm')");
	wait_drained($node, 'postgres');
	$sim->fault(match => { path => 'associations/' }, action => 'status', times => $times, status => 400, body => answer(category => 'VALIDATION_ERROR'));
	ask("SELECT hubspot_group('{\"groupId\": \"g\", \"userId\": \"joins$times\@example.com\", \"traits\": {\"website\": \"joins$times.com\"}}', 'crm')");
	wait_drained($node, 'postgres');
	is(ask("SELECT concat_ws(' ', verdict, category) FROM hubspot.outbox_status WHERE object = 'association' AND key = 'joins$times\@example.com'"),
		$times == 1 ? 'delivered' : 'rejected VALIDATION_ERROR', "an association that is refused, $times times");
	$sim->clear_faults;
}

done_testing();
