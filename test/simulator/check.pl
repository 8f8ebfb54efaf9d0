#!/usr/bin/perl
#
# check.pl
#	  Does the simulator answer as the notes on HubSpot's interface say?
#
# Usage: perl check.pl ./simulator
# Objects beside contacts and companies have a test of their own: check_objects.pl.
#
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use POSIX ();
use SimulatorCheck;
use Time::HiRes qw(sleep time);

sub input
{
	my ($id, $properties, %more) = @_;

	return { id => $id, idProperty => 'email', properties => $properties, %more };
}

my $upsert = '/crm/objects/2026-09/contacts/batch/upsert';
my ($status, $data, $headers, $text);

# Versions of the paths, credential, methods, types of content
($status) = ask('POST', $_, { inputs => [] }) and is($status, 200, "POST $_")
  for '/crm/v3/objects/contacts/batch/upsert', '/crm/objects/2026-03/0-1/batch/upsert', $upsert;
($status, $data, $headers, $text) = ask('POST', '/crm/objects/2025-01/contacts/batch/upsert', {});
is($status, 404, 'unknown version');
ok($text =~ /^<html>/, 'an unknown path is answered in HTML');
($status, $data, $headers) = ask('GET', '/account-info/v3/details', undef, authorization => undef);
is($status, 401, 'no credential');
is($data->{category}, 'INVALID_AUTHENTICATION', 'category of 401');
is($headers->{'x-hubspot-correlation-id'}, $data->{correlationId}, 'correlation id in header and body');
is((ask('PUT', $upsert, {}))[0], 405, 'wrong method');
is((ask('POST', $upsert, '{}', 'content-type' => 'text/plain'))[0], 415, 'not JSON');
($status, $data) = ask('POST', $upsert, '{"inputs":[');
is($status, 400, 'broken JSON');
ok($data->{message} =~ /^Invalid input JSON on line 1, column/, 'message of broken JSON');
ok(!exists $data->{category}, 'no category with broken JSON');

# JSON is read strictly, and letters beyond ASCII are letters, whatever version of json-c is there
is((ask('POST', $upsert, "{\"inputs\":[],\"l\xc3\xa4nge\":\"Gr\xc3\xb6\xc3\x9fe \xf0\x9f\x98\x80\"}"))[0], 200, 'letters beyond ASCII');
is((ask('POST', $upsert, "{\"inputs\":[],$_}"))[0], 400, "no JSON: $_")
  for '"a":"Gr\xf6"', "\"a\":\"\xc3\xb6\tx\"", "'\xc3\xb6':1", "\"a\":\xc3\xb6", '"a":1,', '"a":01', '"a":NaN', '"\xc3\xb6":1} {';
($status, $data) = ask('POST', '/crm/v3/objects/butterflies/batch/upsert', {});
is($data->{message}, 'Unable to infer object type from: butterflies', 'unknown object type');
($status, $data) = ask('POST', $upsert, { records => [] });
is("$status $data->{status} " . @{ $data->{results} }, '200 COMPLETE 0', 'body without inputs');

# Upsert
($status, $data) = ask('POST', $upsert, { inputs => [ map { input("User$_\@Example.com", { firstname => "F$_" }) } 1 .. 20 ] });
is($status, 200, 'upsert of 20');
ok($data->{results}[0]{new} == JSON::PP::true, 'new');
my @order = map { $_->{properties}{email} } @{ $data->{results} };
ok("@order" ne join(' ', map { "user$_\@example.com" } 1 .. 20), 'results are not in the order of the inputs');
ok(!exists $data->{results}[0]{objectWriteTraceId}, 'no trace id in results');
($status, $data) = ask('POST', $upsert, { inputs => [ input('user1@example.com', { lastname => 'L' }) ] });
ok(!$data->{results}[0]{new}, 'second upsert is an update');
is((ask('POST', $upsert, { inputs => [ map { input("u$_\@example.com", {}) } 1 .. 101 ] }))[0], 400, '101 inputs');
is((ask('POST', $upsert, { inputs => [ { id => 5, idProperty => 'email', properties => {} } ] }))[0], 400, 'id as number');
is((ask('POST', $upsert, { inputs => [ input('x@example.com', {}, extra => 1) ] }))[0], 400, 'unknown key of an input');
is((ask('POST', $upsert, { inputs => [ input('x@example.com', { firstname => undef }) ] }))[0], 400, 'null value');
($status, $data) = ask('POST', $upsert, { inputs => [ { id => 'x@example.com', properties => {} } ] });
is($data->{message}, 'Upserts in a single batch must specify its unique property using idProperty', 'no idProperty');
($status, $data) = ask('POST', '/crm/v3/objects/companies/batch/upsert',
	{ inputs => [ { id => '5', idProperty => 'hs_object_id', properties => {} } ] });
is($data->{message}, 'Unable to perform update/upsert by non-unique 0-2 property hs_object_id in portal ID 1234567', 'hs_object_id as idProperty');
is((ask('POST', '/crm/v3/objects/companies/batch/upsert',
	{ inputs => [ { id => 'a.com', idProperty => 'domain', properties => {} } ] }))[0], 400, 'domain is not unique');
($status, $data) = ask('POST', $upsert, { inputs => [ input('dup@example.com', {}), input('DUP@example.com', {}) ] });
is("$status $data->{context}{ids}[0]", '400 DUP@example.com', 'duplicate ids');

# All or nothing, and partial success
my @mixed = ([ 'good@example.com', { firstname => 'G' } ], [ 'bad@nowhere', {} ], [ 'other@example.com', { nope => '1' } ],
	[ 'third@example.com', { nope => '2', newsletter => 'maybe', total_spent => '1e5', last_order_at => 'now', createdate => '1', lifecyclestage => 'Lead' } ]);
($status, $data) = ask('POST', $upsert, { inputs => [ map { input(@$_) } @mixed ] });
is($status, 400, 'one fault refuses an untraced batch');
ok($data->{message} =~ /^Property values were not valid: (\[.*\])$/, 'problems in the message');
my $embedded = decode_json($1);
is(scalar @$embedded, 8, 'problems in the embedded list');
is(scalar @{ $data->{errors} }, 7, 'the list of errors is shorter');
is(join(' ', sort map { $_->{error} } @$embedded),
	'INVALID_DATE INVALID_EMAIL INVALID_INTEGER INVALID_OPTION INVALID_OPTION PROPERTY_DOESNT_EXIST PROPERTY_DOESNT_EXIST READ_ONLY_VALUE', 'codes');
($status, $data) = ask('GET', '/_sim/objects/contacts?key=good@example.com');
is(scalar @{ $data->{results} }, 0, 'nothing was written');
my $trace = 0;
($status, $data) = ask('POST', $upsert, { inputs => [ map { input(@$_, objectWriteTraceId => '' . ++$trace) } @mixed ] });
is("$status $data->{numErrors} " . @{ $data->{results} }, '207 3 1', 'traced batch');
is(join(' ', map { $_->{context}{objectWriteTraceId}[0] } @{ $data->{errors} }), '2 3 4', 'errors name their inputs');
is((ask('POST', $upsert, { inputs => [ map { input("$_\@example.com", {}, objectWriteTraceId => '1') } 'a', 'b' ] }))[0], 400, 'repeated trace id');

# Addresses
ask('POST', $upsert, { inputs => [ input('ada@example.com', { hs_additional_emails => 'ada2@example.com;ada3@example.com' }) ] });
($status, $data) = ask('POST', $upsert, { inputs => [ input('ADA2@example.com', { city => 'London' }) ] });
is($data->{results}[0]{properties}{email}, 'ada@example.com', 'additional address resolves, the answer shows the primary');
($status, $data) = ask('POST', $upsert, { inputs => [ input('user1@example.com', { email => 'ada3@example.com' }) ] });
is("$status $data->{category}", '409 CONFLICT', 'address of another contact');
($status, $data) = ask('POST', $upsert, { inputs => [ input('ada3@example.com', { email => 'ada3@example.com' }) ] });
is($data->{results}[0]{properties}{email}, 'ada3@example.com', 'writing an additional address makes it primary');
($status, $data) = ask('POST', '/crm/v3/objects/contacts/batch/read', { idProperty => 'email', inputs => [ { id => 'ada@example.com' }, { id => 'none@example.com' } ] });
is("$status $data->{results}[0]{properties}{email} $data->{errors}[0]{context}{ids}[0]", '207 ada3@example.com none@example.com', 'batch read by address');

# Unique property of the account, conflicts inside a batch
is((ask('POST', '/crm/v3/properties/contacts', { name => 'user_id', label => 'User', groupName => 'contactinformation', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true }))[0], 201, 'create a property');
is((ask('POST', '/crm/v3/properties/contacts', { name => 'user_id', label => 'User', groupName => 'contactinformation', type => 'string', fieldType => 'text' }))[0], 409, 'create it again');
($status, $data) = ask('POST', '/crm/v3/properties/contacts/batch/create', { inputs => [ map { { name => $_, label => $_, groupName => 'contactinformation', type => 'string', fieldType => 'text' } } 'user_id', 'hobby' ] });
is("$status $data->{errors}[0]{subCategory} $data->{results}[0]{name}", '207 Properties.PROPERTY_WITH_NAME_EXISTS hobby', 'batch of properties');
my $by_user = sub { { id => $_[0], idProperty => 'user_id', properties => $_[1], defined $_[2] ? (objectWriteTraceId => $_[2]) : () } };
is((ask('POST', $upsert, { inputs => [ $by_user->('u1', { email => 'u1@example.com' }), $by_user->('u2', { email => 'u2@example.com' }) ] }))[0], 200, 'upsert by custom key');
($status, $data) = ask('POST', $upsert, { inputs => [ $by_user->('u3', { email => 'u1@example.com' }, '7') ] });
is("$status $data->{errors}[0]{category} " . scalar @{ $data->{errors}[0]{context}{existingId} }, '207 CONFLICT 1', 'traced conflict names the other contact');
($status, $data) = ask('POST', $upsert, { inputs => [ $by_user->('u4', { email => 'same@example.com' }), $by_user->('u5', { email => 'same@example.com' }) ] });
is($status, 409, 'two new contacts of one address');
($status, $data) = ask('POST', $upsert, { inputs => [ input('u1@example.com', { user_id => 'u2' }) ] });
ok($data->{message} =~ /CONFLICTING_UNIQUE_VALUE/, 'clash of another unique property');

# Lifecycle, update, create, archive
ask('POST', $upsert, { inputs => [ input('life@example.com', { lifecyclestage => 'customer' }) ] });
($status, $data) = ask('POST', $upsert, { inputs => [ input('life@example.com', { lifecyclestage => 'lead' }) ] });
is($data->{results}[0]{properties}{lifecyclestage}, 'customer', 'a step back is ignored');
ask('POST', $upsert, { inputs => [ input('life@example.com', { lifecyclestage => '' }) ] });
($status, $data) = ask('POST', $upsert, { inputs => [ input('life@example.com', { lifecyclestage => 'lead' }) ] });
is($data->{results}[0]{properties}{lifecyclestage}, 'lead', 'cleared, then set');
my $id = $data->{results}[0]{id};
($status, $data) = ask('POST', '/crm/v3/objects/contacts/batch/update', { inputs => [ { id => $id, properties => { city => 'Rome' } }, { id => 'unknown888', properties => {} } ] });
is("$status $data->{errors}[0]{category} $data->{errors}[0]{context}{ids}[0]", '207 OBJECT_NOT_FOUND unknown888', 'update of an unknown id');
is((ask('POST', '/crm/v3/objects/contacts/batch/update', { inputs => [ input('life@example.com', {}) ] }))[0], 400, 'batch update by address');
is((ask('PATCH', '/crm/v3/objects/contacts/life@example.com?idProperty=email', { properties => { city => 'Pisa' } }))[0], 200, 'single update by address');
is((ask('POST', '/crm/v3/objects/contacts', { properties => { email => 'life@example.com' } }))[0], 409, 'create of an existing contact');
is((ask('POST', '/crm/v3/objects/contacts', { properties => { city => 'Bonn' } }))[0], 400, 'create of a contact without a name');
($status, $data) = ask('POST', '/crm/v3/objects/contacts/batch/create', { inputs => [ { objectWriteTraceId => '0', properties => { email => 'life@example.com' } }, { objectWriteTraceId => '1', properties => { email => 'fresh@example.com' } } ] });
is("$status $data->{errors}[0]{context}{existingId}[0]", "207 $id", 'batch create names the existing contact');
is((ask('POST', '/crm/v3/objects/contacts/batch/archive', { inputs => [ { id => $id }, { id => '1' } ] }))[0], 204, 'archive');
is((ask('GET', "/crm/v3/objects/contacts/$id"))[0], 404, 'archived');
is((ask('POST', '/crm/v3/objects/contacts/gdpr-delete', { objectId => 'u1@example.com', idProperty => 'email' }))[0], 204, 'GDPR delete');
($status, $data) = ask('POST', $upsert, { inputs => [ input('u1@example.com', {}) ] });
ok($data->{message} =~ /GDPR blacklisted/, 'the address is blocked');

# Companies and search
($status, $data) = ask('POST', '/crm/v3/objects/companies', { properties => { name => 'Acme', domain => 'Acme.org' } });
my $company = $data->{id};
($status, $data) = ask('POST', '/crm/v3/objects/companies/search', { filterGroups => [ { filters => [ { propertyName => 'domain', operator => 'IN', values => ['acme.org'] } ] } ], properties => [ 'domain', 'website' ] });
is("$data->{total} $data->{results}[0]{properties}{website}", '1 acme.org', 'search by domain, website filled');
($status, $data) = ask('POST', '/crm/v3/objects/companies/search', { filterGroups => [ { filters => [ { propertyName => 'domain', operator => 'IN', values => ['Acme.org'] } ] } ] });
is($data->{total}, 0, 'IN needs lower case');
is((ask('POST', '/crm/v3/objects/companies/search', { query => 'x' x 3000 }))[0], 400, 'search body too long');

# Associations
($status, $data) = ask('POST', $upsert, { inputs => [ input('member@example.com', {}) ] });
my $contact = $data->{results}[0]{id};
my $pair = { from => { id => $contact }, to => { id => $company } };
($status, $data) = ask('POST', '/crm/associations/2026-09/contact/company/batch/associate/default', { inputs => [$pair] });
is("$status " . join(' ', map { "$_->{from}{id}>$_->{to}{id}:$_->{associationSpec}{associationTypeId}" } @{ $data->{results} }),
	"200 $company>$contact:280 $contact>$company:279", 'default association: both directions');
is((ask('POST', '/crm/v4/associations/contact/company/batch/associate/default', { inputs => [ $pair, $pair ] }))[0], 400, 'a pair twice');
my $typed = { %$pair, types => [ { associationCategory => 'HUBSPOT_DEFINED', associationTypeId => 1 } ] };
is((ask('POST', '/crm/v4/associations/contacts/companies/batch/create', { inputs => [$typed] }))[0], 201, 'typed association');
($status, $data) = ask('POST', '/crm/v4/associations/contacts/companies/batch/create', { inputs => [ $typed, { %$typed, from => { id => 'x1' } } ] });
is("$status $data->{errors}[0]{subCategory}", '207 crm.associations.INVALID_IDENTIFIER', 'association of an unknown id');
($status, $data) = ask('POST', '/crm/v4/associations/contacts/companies/batch/read', { inputs => [ { id => $contact } ] });
is(join(' ', map { $_->{typeId} } @{ $data->{results}[0]{to}[0]{associationTypes} }), '279 1', 'primary');
is((ask('PUT', "/crm/v4/objects/contact/$contact/associations/default/company/$company"))[0], 200, 'single association');
is((ask('POST', '/crm/v4/associations/contacts/companies/batch/archive', { inputs => [ { from => { id => $contact }, to => [ { id => $company } ] } ] }))[0], 204, 'archive of a pair');

# The same answers, put otherwise
sub vary { is((ask('POST', '/_sim/config', { answers => [@_] }))[0], 200, "answers @_"); }
vary(qw(one_direction number_ids fewer_members));
($status, $data) = ask('POST', '/crm/associations/2026-09/contact/company/batch/associate/default', { inputs => [$pair] });
is($json->encode($data), qq({"results":[{"associationSpec":{"associationCategory":"HUBSPOT_DEFINED","associationTypeId":279},"from":{"id":$contact},"to":{"id":$company}}],"status":"COMPLETE"}), 'one direction, ids as numbers, nothing else');
vary(qw(text_ids empty_errors more_members created_200));
($status, $data) = ask('POST', '/crm/v4/associations/contacts/companies/batch/create', { inputs => [$typed] });
is("$status $data->{numErrors} " . $json->encode($data->{results}[0]{fromObjectId}), qq(200 0 "$contact"), 'ids as strings, no errors, 200');
ok($data->{unheardOf}{id} && $data->{results}[0]{unheardOf}, 'members that nobody has heard of');
vary(qw(errors_in_200 no_count backwards echoed_traces));
($status, $data) = ask('POST', $upsert, { inputs => [ input('turned@example.com', {}, objectWriteTraceId => '71'), input('not an address', {}, objectWriteTraceId => '72'), input('round@example.com', {}, objectWriteTraceId => '73') ] });
is("$status " . (defined $data->{numErrors} ? 'counted' : '') . join(' ', map { $_->{objectWriteTraceId} } sort { $a->{id} <=> $b->{id} } @{ $data->{results} }), '200 ' . join(' ', map { $_->{objectWriteTraceId} } reverse @{ $data->{results} }), 'errors in a 200, not counted, results with traces, backwards');
vary(qw(bare_404 list_400));
($status, $data) = ask('GET', '/crm/lists/2026-09/object-type-id/0-1/name/none');
is("$status $data->{message}", '400 List does not exist with name none and object type ID 0-1.', 'a list that is not there, as 400');
($status, $data) = ask('GET', '/crm/lists/2026-09/77');
is("$status " . ($data->{category} // 'bare'), '404 bare', 'a 404 without a category');
is((ask('POST', '/_sim/config', { answers => ['no_such'] }))[0], 400, 'an unknown variant');
($status, $data) = ask('POST', '/_sim/config', { answer_seed => 7 });
ok(@{ $data->{answers} } > 2, 'a seed chooses', "@{ $data->{answers} }");
vary();

# Events
($status, $data) = ask('POST', '/events/2026-09/event-definitions', { label => 'Order Completed', name => 'order_completed', includeDefaultProperties => JSON::PP::true, propertyDefinitions => [ { name => 'order_id', label => 'id', type => 'string' }, { name => 'revenue', label => 'r', type => 'number' } ] });
is("$status $data->{fullyQualifiedName}", '201 pe1234567_order_completed', 'event definition');
my %event = (eventName => 'pe1234567_order_completed', email => 'ada@example.com', uuid => 'u-1', properties => { order_id => '1', revenue => '9.5', hs_page_url => 'https://example.com' });
is((ask('POST', '/events/2026-09/send', \%event))[0], 204, 'event');
is((ask('POST', '/events/custom/2026-09/send', { %event, uuid => 'u-2' }))[0], 204, 'event at the other path');
is((ask('POST', '/events/v3/send/batch', { inputs => [ { %event, uuid => 'u-3' }, { %event, uuid => 'u-1' } ] }))[0], 400, 'repeated uuid');
is((ask('POST', '/events/v3/send', { %event, uuid => 'u-4', properties => { other => '1' } }))[0], 400, 'unknown property of an event');
is((ask('POST', '/events/v3/send', { %event, uuid => 'u-4', properties => { order_id => 'x' x 257 } }))[0], 400, 'long value of an event');
is((ask('POST', '/events/v3/send', { %event, uuid => 'u-4', eventName => 'order_completed' }))[0], 400, 'event name not fully qualified');
is((ask('POST', '/events/v3/send/batch', { inputs => [ map { { %event, uuid => "b$_" } } 1 .. 501 ] }))[0], 400, '501 events');

# Definitions that grow
my $growing = '/events/2026-09/event-definitions/order_completed/property';
($status, $data) = ask('POST', $growing, { name => 'coupon', label => 'coupon', type => 'string' });
is("$status $data->{name} $data->{type}", '201 coupon string', 'a property is added');
is((ask('POST', '/events/v3/send', { %event, uuid => 'u-5', properties => { coupon => 'X' } }))[0], 204, 'and may be sent');
($status, $data) = ask('POST', '/events/2026-09/event-definitions/pe1234567_order_completed/property', { name => 'coupon', label => 'coupon', type => 'number' });
is($status, 409, 'once');
is((ask('POST', $growing, { name => 'Coupon', label => 'c', type => 'string' }))[0], 400, 'by a name that HubSpot can have');
is((ask('POST', $growing, { name => 'c', label => 'x' x 51, type => 'string' }))[0], 400, 'a label of 50 characters');
is(scalar(grep { $_ == 201 } map { (ask('POST', $growing, { name => "p$_", label => "p$_", type => 'string' }))[0] } 1 .. 50), 47, 'no more than 50 beside its own');
is((ask('DELETE', "$growing/coupon"))[0], 204, 'a property is deleted');
is((ask('POST', '/events/v3/send', { %event, uuid => 'u-6', properties => { coupon => 'X' } }))[0], 400, 'and cannot be sent any more');
is((ask('POST', $growing, { name => 'coupon', label => 'coupon', type => 'string' }))[0], 409, 'nor its name be used');
($status, $data) = ask('POST', '/events/2026-09/event-definitions/nobody/property', { name => 'c', label => 'c', type => 'string' });
is($status . ($data->{message} =~ /^StandardError.*nobody does not exist/ ? ' words' : ''), '400 words', 'of an event that is there');

# Forms, lists, the legacy event
is((ask('POST', '/_sim/forms', { id => 'f-1', fields => [ 'email', 'firstname' ] }))[0], 204, 'define a form');
my %form = (fields => [ { objectTypeId => '0-1', name => 'email', value => 'form@example.com' } ]);
is((ask('POST', '/submissions/v3/integration/submit/1234567/f-1', \%form, authorization => undef))[0], 200, 'public form');
is((ask('POST', '/submissions/v3/integration/secure/submit/1234567/f-1', \%form, authorization => undef))[0], 401, 'secure form without a credential');
($status, $data) = ask('POST', '/submissions/v3/integration/secure/submit/1234567/f-1', { %form, context => { hutk => '37184' } });
is("$status $data->{errors}[0]{errorType}", '400 INVALID_HUTK', 'bad hutk');
($status, $data) = ask('POST', '/submissions/v3/integration/submit/1234567/f-1', { fields => [ { name => 'city', value => 'x' } ] });
is($data->{errors}[0]{errorType}, 'FIELD_NOT_IN_FORM_DEFINITION', 'field that the form lacks');
($status, $data) = ask('POST', '/crm/v3/lists', { name => 'VIP', objectTypeId => '0-1', processingType => 'MANUAL' });
my $list = $data->{list}{listId};
($status, $data) = ask('POST', '/crm/v3/lists', { name => 'VIP', objectTypeId => '0-1', processingType => 'MANUAL' });
is("$status $data->{subCategory}", '400 ILS.DUPLICATE_LIST_NAMES', 'name of a list twice');
($status, $data) = ask('PUT', "/crm/lists/2026-09/$list/memberships/add-and-remove", { recordIdsToAdd => [ $contact, '99' ], recordIdsToRemove => [] });
is("@{ $data->{recordsIdsAdded} } @{ $data->{recordIdsMissing} }", "$contact 99", 'members');
is((ask('GET', '/crm/v3/lists/object-type-id/0-1/name/VIP'))[0], 200, 'list by name');
($status, $data, $headers) = ask('GET', '/v1/event?_a=1234567&_n=Bought&email=ada@example.com', undef, authorization => undef);
is("$status $headers->{'content-type'}", '200 image/gif', 'legacy event');

# Scopes
ask('POST', '/_sim/config', { scopes => ['crm.objects.contacts.write'] });
($status, $data) = ask('POST', '/crm/v3/objects/companies/batch/upsert', { inputs => [] });
is("$status $data->{context}{requiredGranularScopes}[0]", '403 crm.objects.companies.write', 'missing scope');
is((ask('POST', '/crm/v4/associations/contact/company/batch/create', { inputs => [] }))[0], 403, 'scopes of both ends');
ask('POST', '/_sim/config', { scopes => undef });

# Limits
ask('POST', '/_sim/reset');
ask('POST', '/_sim/config', { burst_limit => 3, burst_window_ms => 400, search_limit => 2 });
my @got = map { [ ask('GET', '/account-info/v3/details') ] } 1 .. 4;
is(join(' ', map { $_->[0] } @got), '200 200 200 429', 'burst limit');
is($got[3][1]{policyName}, 'TEN_SECONDLY_ROLLING', 'policy');
is(join(' ', map { $_->[2]{'x-hubspot-ratelimit-remaining'} } @got[ 0 .. 2 ]), '2 1 0', 'remaining');
sleep 0.45;
is((ask('GET', '/account-info/v3/details'))[0], 200, 'the window rolls on');
($status, $data, $headers) = ask('POST', '/crm/v3/objects/contacts/search', {});
ok(!exists $headers->{'x-hubspot-ratelimit-remaining'} && exists $headers->{'x-hubspot-ratelimit-daily'}, 'search shows the daily pair only');
ask('POST', '/crm/v3/objects/contacts/search', {});
($status, $data) = ask('POST', '/crm/v3/objects/contacts/search', {});
is("$status $data->{category} " . ($data->{policyName} // 'none'), '429 RATE_LIMITS none', 'search limit');
ask('POST', '/_sim/config', { burst_limit => 0, search_limit => 0, daily_used => 9, daily_limit => 10 });
is(join(' ', map { (ask('GET', '/account-info/v3/details'))[0] } 1 .. 2), '200 429', 'daily limit');
ask('POST', '/_sim/config', { oauth => JSON::PP::true });
($status, $data, $headers) = ask('GET', '/account-info/v3/details');
is("$status " . exists $headers->{'x-hubspot-ratelimit-daily'}, '200 ', 'a public application has no day');
ask('POST', '/_sim/config', { oauth => JSON::PP::false, daily_used => 7, daily_limit => 625000, time_zone => 'XXX+05:30' });
my $usage = (ask('GET', '/account-info/v3/api-usage/daily/private-apps'))[1]{results}[0];
ok($usage->{resetsAt} =~ /T05:30:00(\.000)?Z$/, 'the day ends at midnight of the zone');
is("$usage->{usageLimit} $usage->{currentUsage}", '625000 8', 'the use of the day');
ask('POST', '/_sim/config', { daily_used => 0, time_zone => 'UTC+5', time_zone_name => 'Old/Name' });
$data = (ask('GET', '/account-info/v3/details'))[1];
is("$data->{timeZone} $data->{utcOffset} $data->{utcOffsetMilliseconds}", 'Old/Name -05:00 -18000000', 'an account may call its zone by another name');
ask('POST', '/_sim/config', { time_zone => 'America/New_York', time_zone_name => '' });
is((ask('POST', '/_sim/config', { nonsense => 1 }))[0], 400, 'unknown configuration key');

# Companies that HubSpot makes by itself
sub made { return (ask('GET', "/_sim/objects/companies?key=$_[0]"))[1]{results} }
sub contact_of { return (ask('GET', "/_sim/objects/contacts?key=$_[0]"))[1]{results}[0] }
ask('POST', '/_sim/reset');
ask('POST', $upsert, { inputs => [ input('before@auto.com', { city => 'X' }) ] });
ask('POST', '/_sim/config', { auto_company_ms => 1 });
ask('POST', $upsert, { inputs => [ input('one@auto.com', { city => 'X' }), input('one@gmail.com', { city => 'X' }), input('two@auto.com', { city => 'X' }) ] });
sleep 0.01 until @{ made('auto.com') };
my ($auto) = @{ made('auto.com') };
is(scalar @{ made('auto.com') }, 1, 'one company for two contacts');
is($auto->{properties}{name} // 'none', 'none', 'without a name');
is(join(' ', map { "$_->{id} $_->{primary}" } @{ contact_of('two@auto.com')->{associations} }), "$auto->{id} 1", 'both belong to it');
is(scalar @{ contact_of('before@auto.com')->{associations} }, 0, 'who was there before does not');
is((ask('GET', '/_sim/objects/companies'))[1]{count}, 1, 'and a mailbox is no company');
ask('POST', '/crm/v3/objects/companies', { properties => { domain => 'first.com', hs_additional_domains => 'second.com;third.com' } });
ask('POST', $upsert, { inputs => [ input('one@third.com', { city => 'X' }) ] });
sleep 0.01 until @{ contact_of('one@third.com')->{associations} };
is(scalar @{ made('third.com') }, 0, 'a company is found by a further domain');
ask('POST', '/_sim/config', { auto_company_match => 'index', search_lag_ms => 600_000 });
ask('POST', $upsert, { inputs => [ input('two@first.com', { city => 'X' }) ] });
sleep 0.01 until @{ contact_of('two@first.com')->{associations} };
is(scalar @{ made('first.com') }, 2, 'what the index does not have yet may be overlooked');
ask('POST', '/_sim/config', { auto_company_match => 'records', search_lag_ms => 0, auto_company_ms => 0 });
ask('POST', '/_sim/reset');

# Searches by a further domain
my $search = "/crm/v3/objects/companies/search";
my $with_token = { filterGroups => [ { filters => [ { propertyName => 'hs_additional_domains', operator => 'CONTAINS_TOKEN', value => 'further.com' } ] } ] };
ask('POST', '/crm/v3/objects/companies', { properties => { domain => 'first.com', hs_additional_domains => 'second.com;further.com' } });
is((ask('POST', $search, $with_token))[1]{total}, 1, 'one of several domains is a token');
ask('POST', '/_sim/config', { further_domains => 'nothing' });
is((ask('POST', $search, $with_token))[1]{total}, 0, 'or nothing is found by it');
ask('POST', '/_sim/config', { further_domains => 'refuse' });
is((ask('POST', $search, $with_token))[0], 400, 'or nobody may search by it');
ask('POST', '/_sim/config', { further_domains => 'token' });
ask('POST', '/_sim/reset');

# Faults
my $one = { inputs => [ input('fault@example.com', { city => 'X' }) ] };
my $count = sub { (ask('GET', '/_sim/objects/contacts'))[1]{count} };
my $with = sub {
	my $added = (ask('POST', '/_sim/fault', $_[0]))[0];
	ok($added == 200, "fault $_[0]{action} is accepted");
	my @answer = ask('POST', $upsert, $one);
	ask('DELETE', '/_sim/faults');
	return @answer;
};
is(($with->({ action => 'status', status => 503, body => 'busy', content_type => 'text/plain' }))[3], 'busy', 'status with a text');
is(($with->({ action => 'status', status => 488 }))[1]{correctHublet}, 'eu1', 'wrong data centre');
is(($with->({ action => 'rate_limit', policy => 'DAILY' }))[1]{policyName}, 'DAILY', 'pretended 429');
is(($with->({ action => 'conflict' }))[0], 409, 'conflict');
is(($with->({ action => $_ }))[0], 599, $_) for 'drop_before', 'reset';
is(($with->({ action => 'html', status => 504 }))[0], 504, 'html');
is(scalar @{ ($with->({ action => 'empty_success' }))[1]{results} }, 0, 'empty success');
ok(!defined(($with->({ action => 'garbage' }))[1]), 'garbage');
is(length(($with->({ action => 'big', bytes => 300000 }))[3]), 300000, 'big');
is($count->(), 0, 'none of these was applied');
is(($with->({ action => 'drop_after' }))[0], 599, 'drop_after');
is($count->(), 1, 'drop_after was applied');
is(($with->({ action => 'truncate' }))[0], 599, 'truncate');
is(($with->({ action => 'reset', after_bytes => 100 }))[0], 599, 'reset after bytes');
is(scalar @{ ($with->({ action => 'missing_results' }))[1]{results} }, 0, 'missing results');
is(($with->({ action => 'shuffle' }))[0], 200, 'shuffle');
is(($with->({ action => 'slow_body', ms => 1 }))[0], 200, 'slow body');
my $before = time;
is(($with->({ action => 'delay', ms => 200 }))[0], 200, 'delay');
ok(time - $before >= 0.2, 'the delay was kept');
ask('POST', '/_sim/fault', { action => 'delay', ms => 600_000, match => { path => 'batch/upsert' } });
my $child = fork // die "fork: $!";
if ($child == 0)
{
	my @answer = ask('POST', $upsert, $one);
	POSIX::_exit($answer[0] == 200 ? 0 : 1);
}
sleep 0.01 until (ask('GET', '/_sim/faults'))[1]{results}[-1]{hits};
ask('DELETE', '/_sim/faults');
waitpid $child, 0;
is($?, 0, 'an answer that is delayed comes when the rules are removed');
is(($with->({ action => 'status', match => { record => 'nobody' } }))[0], 200, 'a rule that does not match');
is(($with->({ action => 'status', skip => 1 }))[0], 200, 'a rule that skips');
is((ask('POST', '/_sim/fault', { action => 'nonsense' }))[0], 400, 'unknown action');

# The books
($status, $data, $headers, $text) = ask('GET', '/_sim/log');
my @lines = map { decode_json($_) } split /\n/, $text;
is(join(' ', map { $_->{seq} } @lines), join(' ', 1 .. @lines), 'the log is in order');
is(scalar @lines, (ask('GET', '/_sim/stats'))[1]{applied}, 'the log is complete');
is($lines[0]{properties}{city}, 'X', 'the log shows what was written');
($status, $data, $headers, $text) = ask('GET', '/_sim/requests');
ok($text !~ /pat-na1-check/ && $text =~ /"token_tail":"heck"/, 'the log shows no credential');

finish();
