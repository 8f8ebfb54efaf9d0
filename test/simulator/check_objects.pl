#!/usr/bin/perl
#
# check_objects.pl
#	  Does the simulator answer as the notes on HubSpot's objects say?
#
# Usage: perl check_objects.pl ./simulator
# A number in brackets is the section of the notes.
#
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use JSON::PP;
use SimulatorCheck;

my ($status, $data, $headers, $text);
my ($true, $false) = (JSON::PP::true, JSON::PP::false);

sub config { is((ask('POST', '/_sim/config', {@_}))[0], 200, "config $_[0]"); }
sub lines { my ($path) = @_; return map { decode_json($_) } split /\n/, (ask('GET', $path))[3]; }
sub unique
{
	my ($type, $name) = @_;
	is((ask('POST', "/_sim/properties/$type", { name => $name, type => 'string', fieldType => 'text', hasUniqueValue => $true }))[0], 201, "$type: unique $name");
}
sub upsert
{
	my ($type, $key, @inputs) = @_;
	return ask('POST', "/crm/objects/2026-09/$type/batch/upsert", { inputs => [ map { { id => $_->{$key}, idProperty => $key, properties => $_ } } @inputs ] });
}
sub codes { return join ' ', sort map { "$_->{code}:$_->{context}{propertyName}[0]" } @{ $_[0]{errors} } }

# Types and how paths spell them (1.1, 1.2)
my %deal = (dealname => 'Order 1', dealstage => 'closedwon');
unique('deals', 'order_ref');
is((upsert($_, 'order_ref', { %deal, order_ref => "by $_" }))[0], 200, "deals as $_") for qw(deal deals 0-3);
is((ask('POST', "/crm/$_/batch/read", { inputs => [ { id => 'by deal' } ], idProperty => 'order_ref' }))[1]{results}[0]{properties}{dealname}, 'Order 1', $_)
  for 'v3/objects/deals', 'v3/objects/0-3', 'objects/2026-03/deal', 'objects/2026-09/0-3';
is(scalar(lines('/_sim/records/deals')), 3, 'all records of a type, for a test');
($status, $data) = ask('POST', '/crm/v3/objects/butterflies/batch/upsert', { inputs => [] });
is("$status $data->{message} " . ($data->{category} // 'bare'), '400 Unable to infer object type from: butterflies bare', 'unknown type');
is((ask('POST', "/crm/v3/objects/$_/batch/read", { inputs => [] }))[0], 200, "type $_")
  for qw(ticket product line_items quote order cart invoices commerce_payments subscription leads project task notes call emails meeting users discounts fee taxes 0-18 0-116);

# Activated objects (1.4)
is((ask('POST', '/crm/v3/objects/0-421/batch/read', { inputs => [] }))[0], 400, 'appointments have to be activated');
config(readings => ['inactive_403']);
is((ask('POST', '/crm/v3/objects/0-421/batch/read', { inputs => [] }))[0], 403, '... or are forbidden');
config(readings => [], activated => [ '0-421', '0-162', '0-410' ]);
is((ask('POST', '/crm/v3/objects/0-421/batch/read', { inputs => [] }))[0], 200, 'activated');
is((ask('POST', '/crm/v3/objects/0-420/batch/read', { inputs => [] }))[0], 400, 'listings were not');
is((ask('POST', '/crm/v3/objects/appointments/batch/read', { inputs => [] }))[0], 400, 'by id alone');

# Batches (1.1)
is((upsert('deals', 'order_ref', map { { %deal, order_ref => "n$_" } } 1 .. 101))[0], 400, '101 inputs');
is((upsert('deals', 'order_ref', map { { %deal, order_ref => "n$_" } } 1 .. 100))[0], 200, '100 inputs');
($status, $data) = upsert('deals', 'dealname', {%deal});
is("$status $data->{message}", '400 Unable to perform update/upsert by non-unique 0-3 property dealname in portal ID 1234567', 'a key that is not unique');
is((upsert('deals', 'hs_object_id', { %deal, hs_object_id => 5 }))[0], 400, 'hs_object_id is no key of an upsert');
($status, $data) = upsert('deals', 'hs_unique_creation_key', { %deal, hs_unique_creation_key => 'k' });
is("$status " . codes($data), '400 READ_ONLY_VALUE:hs_unique_creation_key', 'a unique property that nobody may write');
($status, $data) = upsert('deals', 'order_ref', { %deal, order_ref => 'A-1' });
my $id = $data->{results}[0]{id};
is("$status $data->{results}[0]{new}", '200 1', 'created');
ok(exists $data->{results}[0]{properties}{createdate}, 'createdate of a deal');
is((ask('POST', '/crm/v3/objects/deals/batch/read', { idProperty => 'hs_object_id', inputs => [ { id => $id } ] }))[1]{results}[0]{id}, $id, 'hs_object_id in a batch read');
is((ask('POST', '/crm/v3/objects/deals/batch/update', { inputs => [ { id => $id, idProperty => 'hs_object_id', properties => {} } ] }))[0], 400, '... and in no batch update');
is((ask('POST', '/crm/v3/objects/deals/batch/update', { inputs => [ { id => 'A-1', idProperty => 'order_ref', properties => { amount => '5' } } ] }))[0], 200, 'batch update by a unique property');
($status, $data) = ask('POST', '/crm/v3/objects/deals/batch/read', { properties => ['description'], inputs => [ { id => $id }, { id => 5 . $id } ] });
ok(exists $data->{results}[0]{properties}{description} && !defined $data->{results}[0]{properties}{description}, 'no value is null');
is("$status $data->{errors}[0]{category}", '207 OBJECT_NOT_FOUND', 'not there');
($status, $data) = ask('PATCH', "/crm/objects/2026-03/deals/$id", { properties => { amount => '7' } });
is("$status $data->{properties}{amount}", '200 7', 'single update');
is((ask('GET', "/crm/v3/objects/deals/A-1?idProperty=order_ref&properties=amount"))[1]{properties}{amount}, 7, 'single read');
($status, $data) = ask('POST', '/crm/v3/objects/deals/search', { filterGroups => [ { filters => [ { propertyName => 'order_ref', operator => 'EQ', value => 'A-1' } ] } ] });
is("$data->{total} $data->{results}[0]{properties}{dealname}", '1 Order 1', 'search');
is((ask('POST', '/crm/v3/objects/deals/batch/archive', { inputs => [ { id => $id } ] }))[0], 204, 'archive');
is((ask('GET', "/crm/v3/objects/deals/$id"))[0], 404, 'archived');

# Ids are unique within their type only (1.2)
unique('tickets', 'case_ref');
upsert("tickets", "case_ref", map { { case_ref => "c$_", hs_pipeline_stage => "1" } } 1 .. 3);
my %ids = map { $_->{id} => 1 } lines('/_sim/records/deals');
ok(scalar(grep { $ids{ $_->{id} } } lines('/_sim/records/tickets')), 'a deal and a ticket of one id');

# What a new record needs (1.2), of upserts, too
sub lacks { my ($type, %properties) = @_; my ($s, $d) = ask('POST', "/crm/v3/objects/$type", { properties => \%properties }); return "$s " . codes($d); }
is(lacks('deals', amount => 1), '400 REQUIRED_FIELD:dealname REQUIRED_FIELD:dealstage', 'deal');
is(lacks('tickets', subject => 'x'), '400 REQUIRED_FIELD:hs_pipeline_stage', 'ticket');
is(lacks('tickets', hs_pipeline_stage => '1'), '201 ', 'a ticket without a subject');
is(lacks('quotes', hs_title => 'x'), '400 REQUIRED_FIELD:hs_expiration_date', 'quote');
is(lacks('tasks', hs_task_subject => 'x'), '400 REQUIRED_FIELD:hs_timestamp', 'task');
is(lacks('emails', hs_timestamp => '2026-01-01T00:00:00Z'), '400 REQUIRED_FIELD:hs_email_direction', 'e-mail');
is(lacks('users', hs_email => 'a@example.com'), '400 REQUIRED_FIELD:hs_internal_user_id', 'user');
is(lacks('line_items', quantity => '1'), '201 ', 'a line item needs nothing');
is(lacks('products', name => 'x'), '400 REQUIRED_FIELD:description REQUIRED_FIELD:hs_folder REQUIRED_FIELD:hs_sku REQUIRED_FIELD:price', 'product, by the table');
config(readings => ['fewer_required']);
is(lacks('products', name => 'x'), '201 ', '... or its name alone');
($status, $data) = upsert('deals', 'order_ref', { order_ref => 'new', amount => '1' });
is("$status " . codes($data), '400 REQUIRED_FIELD:dealname REQUIRED_FIELD:dealstage', 'an upsert that creates');
is((upsert('deals', 'order_ref', { order_ref => 'by deal', amount => '1' }))[0], 200, '... not one that updates');
($status, $data) = ask('POST', '/crm/v3/objects/deals/batch/upsert', { inputs => [ map { { id => $_, idProperty => 'order_ref', objectWriteTraceId => $_, properties => { amount => '2' } } } 'by deal', 'new' ] });
is("$status $data->{errors}[0]{context}{objectWriteTraceId}[0] " . @{ $data->{results} }, '207 new 1', '... record by record when traced');
config(readings => ['upsert_lacks']);
is((upsert('deals', 'order_ref', { order_ref => 'new', amount => '1' }))[0], 200, '... or upserts are let pass');
config(readings => []);

# Keys of products (1.2)
is((upsert('products', 'hs_sku', { name => 'x', hs_sku => '1' }))[0], 400, 'hs_sku is not unique');
config(readings => [ 'unique_sku', 'fewer_required' ]);
is((upsert('products', 'hs_sku', { name => 'x', hs_sku => '1' }))[0], 200, '... or is');
config(readings => []);

# Scopes by type (1.2)
sub scopes { config(scopes => \@_); }
scopes('crm.objects.contacts.write');
for (['deals', 'crm.objects.deals.write'], ['tickets', 'tickets'], ['products', 'crm.objects.products.write e-commerce'], ['commerce_payments', 'crm.objects.commercepayments.write'], ['discounts', 'crm.objects.line_items.write'])
{
	($status, $data) = ask('POST', "/crm/v3/objects/$_->[0]/batch/create", { inputs => [] });
	is("$status $data->{category} @{ $data->{context}{requiredGranularScopes} }", "403 MISSING_SCOPES $_->[1]", "scope of $_->[0]");
}
is((ask('POST', "/crm/v3/objects/$_/batch/create", { inputs => [] }))[0], 201, "$_ go with contacts") for qw(tasks notes calls emails meetings);
scopes('e-commerce', 'tickets');
is((ask('POST', "/crm/v3/objects/$_/batch/create", { inputs => [] }))[0], 201, "the other scope of $_") for qw(products line_items quotes tickets);
is((ask('GET', '/crm/v3/properties/tickets'))[0], 200, '... reads its properties');
($status, $data) = ask('GET', '/crm-object-schemas/v3/schemas');
is("$status @{ $data->{context}{requiredGranularScopes} }", '403 custom-object-read', 'schemas');
config(scopes => undef);

# Properties of a type (1.2, 4, 5)
my %property = map { $_->{name} => $_ } @{ (ask('GET', '/crm/v3/properties/deals'))[1]{results} };
ok($property{$_}{externalOptions} && !@{ $property{$_}{options} } && $property{$_}{type} eq 'enumeration', "$_: options elsewhere") for qw(pipeline dealstage hubspot_owner_id);
is($property{hubspot_owner_id}{referencedObjectType}, 'OWNER', 'owner');
ok($property{$_}{modificationMetadata}{readOnlyValue}, "$_: read only") for qw(hs_object_id createdate hs_lastmodifieddate hs_merged_object_ids hs_unique_creation_key);
ok($property{hs_unique_creation_key}{hasUniqueValue}, 'unique and read only');
ok((grep { $_->{calculated} } @{ (ask('GET', '/crm/v3/properties/line_items'))[1]{results} }), 'a computed one');
is((ask('POST', '/crm/v3/properties/tickets', { name => "u$_", label => 'u', groupName => 'ticketinformation', type => 'string', fieldType => 'text', hasUniqueValue => $true }))[0], $_ < 10 ? 201 : 400, "unique property $_ of tickets") for 1 .. 10;

# Custom objects (2)
my $schemas = '/crm-object-schemas/v3/schemas';
my %schema = (name => 'cars', labels => { singular => 'Car', plural => 'Cars' }, requiredProperties => [ 'vin', 'model' ], searchableProperties => ['model'], primaryDisplayProperty => 'model',
	properties => [ { name => 'vin', label => 'VIN', type => 'string', fieldType => 'text', hasUniqueValue => $true }, { name => 'model', label => 'Model' }, { name => 'VIN2', label => 'V' } ], associatedObjects => ['CONTACT']);
($status, $data) = ask('POST', $schemas, \%schema);
my $car = $data->{objectTypeId};
is("$status $data->{fullyQualifiedName} $data->{labels}{plural} @{ $data->{requiredProperties} }", '201 p1234567_cars Cars vin model', 'schema');
ok($car =~ /^2-\d+$/, 'type id', $car);
is((ask('POST', $schemas, \%schema))[0], 409, 'once');
is((ask('POST', $schemas, { %schema, name => '1car' }))[0], 400, 'names start with a letter');
is((ask('POST', $schemas, { %schema, name => 'x', requiredProperties => ['none'] }))[0], 400, 'a required property has to be there');
is((ask('POST', $schemas, { name => 'x', labels => {} }))[0], 400, 'what a schema needs');
is((ask('GET', $_))[1]{results}[0]{objectTypeId}, $car, $_) for $schemas, '/crm/v3/schemas', '/crm-object-schemas/2026-03/schemas', '/crm-object-schemas/2026-09/schemas';
is((ask('GET', '/crm/schemas/2026-09'))[0], 404, 'no dated alias');
is((ask('GET', "$schemas/$_"))[0], 200, "schema $_") for $car, 'p1234567_cars', 'p_cars', 'contacts', '0-3';
is((ask('GET', "$schemas/cars"))[0], 400, 'a bare name is refused');
ok(!exists((ask('GET', "$schemas?includePropertyDefinitions=false"))[1]{results}[0]{properties}), 'without properties');
is((ask('POST', "$schemas/batch/read", { inputs => [$car] }))[1]{results}[0]{name}, 'cars', 'several schemas');
is((upsert($_, 'vin', { vin => "v $_", model => 'M' }))[0], 200, "records as $_") for $car, 'p1234567_cars', 'p_cars';
is((upsert('cars', 'vin', { vin => '1', model => 'M' }))[0], 400, '... not by the bare name');
($status, $data) = upsert($car, 'vin', { vin => 'lacking' });
is("$status " . codes($data), '400 REQUIRED_FIELD:model', 'its required properties');
is(scalar(lines("/_sim/records/$_")), 3, "dump of $_") for $car, 'cars';
is((ask('PATCH', "$schemas/$car", { requiredProperties => ['vin'] }))[0], 200, 'a schema is changed');
is((upsert($car, 'vin', { vin => 'lacking' }))[0], 200, '... and rules');
is((ask('PATCH', "$schemas/contacts", { requiredProperties => ['email'] }))[0], 400, "HubSpot's own cannot be");
is((ask('POST', "/crm/v3/properties/$car", { name => 'color', label => 'Color', groupName => 'cars_information', type => 'string', fieldType => 'text' }))[0], 201, 'a further property');
is((ask('DELETE', "$schemas/$car"))[0], 400, 'a schema with records stays');
($status, $data) = ask('POST', '/_sim/schemas', { name => 'boat' });
is("$status $data->{name}", '201 boat', 'a test says what it cares about');
is((ask('DELETE', "$schemas/$data->{objectTypeId}"))[0], 204, 'a schema goes');
is((ask('POST', "/crm/v3/objects/$data->{objectTypeId}/batch/read", { inputs => [] }))[0], 400, '... and its paths');
is((ask('POST', '/_sim/schemas', { name => 'boat' }))[0], 201, '... its name is free');

# Leads (1.3)
unique('leads', 'lead_ref');
is((ask('POST', '/crm/v3/objects/leads', { properties => { hs_lead_name => 'Ada' } }))[0], 400, 'a lead without an association');
is((upsert('leads', 'lead_ref', { lead_ref => '1', hs_lead_name => 'Ada' }))[0], 400, '... nor by an upsert');

is((ask('POST', '/_sim/config', { readings => ['none'] }))[0], 400, 'an unknown reading');
ok(@{ (ask('POST', '/_sim/config', { reading_seed => 3 }))[1]{readings} } > 2, 'a seed chooses');

finish();
