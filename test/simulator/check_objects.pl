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
sub contact { my ($email) = @_; return (ask('POST', '/crm/v3/objects/contacts', { properties => { email => $email } }))[1]{id} }
sub company { my ($name) = @_; return (ask('POST', '/crm/v3/objects/companies', { properties => { name => $name } }))[1]{id} }
sub deal { my ($name) = @_; return (ask('POST', '/crm/v3/objects/deals', { properties => { %deal, dealname => $name } }))[1]{id} }
sub types { return [ map { { associationCategory => $_->[0], associationTypeId => $_->[1] } } @_ ] }
sub hubspot { return types(map { [ 'HUBSPOT_DEFINED', $_ ] } @_) }
sub pairs { return join ' ', sort map { "$_->{from_id}>$_->{to_id}" . ($_->{primary} ? '*' : '') . join('', map { "($_)" } sort @{ $_->{labels} }) } lines("/_sim/associations?from=$_[0]&to=$_[1]") }
my $ada = contact('ada@example.com');
my $lead = sub { return ask('POST', '/crm/v3/objects/leads/batch/create', { inputs => [ { properties => { hs_lead_name => 'Ada' }, associations => [ { to => { id => $_[0] }, types => hubspot($_[1]) } ] } ] }) };
is((ask('POST', '/crm/v3/objects/leads', { properties => { hs_lead_name => 'Ada' } }))[0], 400, 'a lead without an association');
is((upsert('leads', 'lead_ref', { lead_ref => '1', hs_lead_name => 'Ada' }))[0], 400, '... nor by an upsert');
is(($lead->($ada, 608))[0], 400, '... nor with any other');
is(($lead->('1', 578))[0], 400, '... nor with a contact that is not there');
($status, $data) = $lead->($ada, 578);
my $ada_lead = $data->{results}[0]{id};
is("$status " . pairs('leads', 'contacts'), "201 $ada_lead>$ada*", 'a lead of a contact');
is((ask('POST', '/crm/v3/objects/leads/batch/update', { inputs => [ { id => $ada_lead, properties => { lead_ref => '1' } } ] }))[0], 200, '... gets its key');
is((upsert('leads', 'lead_ref', { lead_ref => '1', hs_lead_label => 'WARM' }))[0], 200, '... and is found by it');
is((ask('POST', '/crm/v4/associations/leads/contacts/batch/labels/archive', { inputs => [ { from => { id => $ada_lead }, to => { id => $ada }, types => hubspot(578) } ] }))[0], 204, 'its last primary association goes');
is((ask('GET', "/crm/v3/objects/leads/$ada_lead"))[0], 404, '... the lead, too');

# Line items and quotes (1.3)
my $order = deal('with items');
($status, $data) = ask('POST', '/crm/v3/objects/quotes', { properties => { hs_title => 'Q', hs_expiration_date => '2026-12-31' } });
my $quote = $data->{id};
($status, $data) = ask('POST', '/crm/v3/objects/line_items/batch/create', { inputs => [ map { { properties => { name => 'Bolt', quantity => '2' }, associations => [ { to => { id => $_->[0] }, types => hubspot($_->[1]) } ] } } [ $order, 20 ], [ $quote, 68 ] ] });
is("$status " . @{ $data->{results} }, '201 2', 'line items of a deal and a quote');
is((ask('DELETE', "/crm/v3/objects/quotes/$quote"))[0], 204, 'the quote goes');
is(scalar(lines('/_sim/associations?from=line_items')), 1, '... its line item, too');

# Associations of any two types (3)
my ($acme, $initech) = (company('Acme'), company('Initech'));
my ($one, $two) = (deal('One'), deal('Two'));
sub batch { my ($from, $to, $call, @inputs) = @_; return ask('POST', "/crm/associations/2026-03/$from/$to/batch/$call", { inputs => [ map { { from => { id => $_->[0] }, to => { id => $_->[1] }, $_->[2] ? (types => $_->[2]) : () } } @inputs ] }) }
($status, $data) = batch('deal', 'company', 'associate/default', [ $one, $acme ]);
is("$status " . join(' ', map { "$_->{from}{id}>$_->{to}{id}:$_->{associationSpec}{associationTypeId}" } @{ $data->{results} }), "200 $acme>$one:342 $one>$acme:341", 'default: a result for each direction');
($status, $data) = batch('0-3', 'companies', 'create', [ $one, $initech, hubspot(5) ], [ $two, $acme, hubspot(341, 5) ]);
is("$status $data->{results}[0]{fromObjectTypeId} $data->{results}[0]{toObjectTypeId}", '201 0-3 0-2', 'with types');
is(pairs('deals', 'companies'), join(' ', sort "$one>$acme", "$one>$initech*", "$two>$acme*"), 'one primary company of a deal');
batch('deals', 'companies', 'create', [ $one, $acme, hubspot(5) ]);
is(pairs('deals', 'companies'), join(' ', sort "$one>$acme*", "$one>$initech", "$two>$acme*"), '... moves');
($status, $data) = batch('companies', 'deals', 'create', [ $acme, $one, hubspot(5) ]);
is("$status $data->{errors}[0]{subCategory} $data->{errors}[0]{message}", '207 crm.associations.INVALID_ASSOCIATION_TYPE 0-5 is not a valid association type between COMPANY and DEAL', 'the number of the other direction');
is("@{ $data->{errors}[0]{context}{type} } @{ $data->{errors}[0]{context}{toObjectType} }", '0-5 DEAL', '... with its context');
($status, $data) = ask('PUT', "/crm/v4/objects/deals/$one/associations/companies/$acme", hubspot(4));
is("$status $data->{subCategory}", '400 crm.associations.INVALID_ASSOCIATION_TYPE', '... 400 of a single pair');
is((ask('PUT', "/crm/objects/2026-03/deals/$two/associations/companies/$initech", hubspot(5)))[0], 201, 'a single pair with types');
is((ask('DELETE', "/crm/v4/objects/deals/$two/associations/companies/$initech"))[0], 204, '... goes');
is((ask('DELETE', "/crm/v4/objects/deals/$two/associations/companies/$initech"))[0], 204, '... twice');
is((ask('PUT', "/crm/objects/2026-09/deal/$two/associations/default/0-1/$ada"))[0], 200, 'a single default pair');
($status, $data) = batch('contact', 'contact', 'associate/default', [ $ada, $ada ]);
is("$status $data->{errors}[0]{message} " . exists $data->{errors}[0]{context}, "200 Object $ada cannot be associated to itself ($ada) ", 'with itself');
my $bob = contact('bob@example.com');
($status, $data) = batch('contact', 'contact', 'associate/default', [ $ada, $bob ]);
is(join(' ', map { $_->{associationSpec}{associationTypeId} } @{ $data->{results} }), '449 449', 'two of one type');
batch('company', 'company', 'create', [ $initech, $acme, hubspot(13) ]);
($status, $data) = ask('POST', '/crm/v4/associations/companies/companies/batch/read', { inputs => [ { id => $acme }, { id => $initech } ] });
is(join(' ', sort map { my $from = $_->{from}{id}; map { my $to = $_->{toObjectId}; map { "$_->{typeId}:" . ($from eq $acme ? 'acme' : 'initech') } @{ $_->{associationTypes} } } @{ $_->{to} } } @{ $data->{results} }), '13:initech 14:acme 450:acme 450:initech', 'parent and child');
is((batch($_->[0], $_->[1], 'associate/default', [ '1', '2' ]))[0], 400, "no associations: @$_") for [ 'products', 'deals' ], [ 'users', 'contacts' ], [ 'discounts', 'deals' ];
is((batch('discounts', 'quotes', 'associate/default', [ '1', '2' ]))[0], 200, 'discounts go with quotes');
is((ask('POST', '/crm/associations/2026-03/deals/contacts/batch/associate/default', { inputs => [ map { { from => { id => "9$_" }, to => { id => '1' } } } 1 .. 2001 ] }))[0], 400, '2001 pairs');
is((ask('POST', '/crm/associations/2026-03/deals/contacts/batch/read', { inputs => [ map { { id => "9$_" } } 1 .. 1001 ] }))[0], 400, '1001 to be read');
is((ask('POST', '/crm/associations/2026-03/deals/contacts/batch/archive', { inputs => [ map { { from => { id => "9$_" }, to => [] } } 1 .. 101 ] }))[0], 400, '101 to be archived');
is((batch('deals', 'contacts', 'create', [ $one, $ada, hubspot(3) ], [ $one, $ada, hubspot(3) ]))[0], 400, 'a pair twice');
($status, $data) = ask('POST', '/crm/v4/associations/deals/tickets/batch/read', { inputs => [ { id => $one } ] });
is("$status $data->{errors}[0]{subCategory} $data->{errors}[0]{message}", "207 crm.associations.NO_ASSOCIATIONS_FOUND No ticket is associated with deal $one.", 'nothing is associated');
is((batch('deals', 'contacts', 'create', [ $two, $ada, types([ 'USER_DEFINED', 3 ]) ]))[1]{errors}[0]{context}{type}[0], '1-3', 'a number of another category');
($status, $data) = ask('POST', "/crm/associations/2026-03/deals/contacts/batch/archive", { inputs => [ { from => { id => $two }, to => [ { id => $ada } ] } ] });
is("$status $data->{status} " . @{ $data->{results} }, '200 COMPLETE 0', 'archive says nothing');
is((ask('POST', '/crm/v3/objects/deals/search', { filterGroups => [ { filters => [ { propertyName => 'associations.company', operator => 'EQ', value => $acme } ] } ] }))[1]{total}, 2, 'search through associations');

# Labels (3.1, 3.4)
my $labels = '/crm/v4/associations/contacts/deals/labels';
($status, $data) = ask('POST', $labels, { name => 'billing_contact', label => 'Billing contact' });
is("$status " . join(' ', map { "$_->{category}:$_->{label}" } @{ $data->{results} }), '200 USER_DEFINED:Billing contact USER_DEFINED:Billing contact', 'a label has a number for each direction');
my ($billing, $billed) = map { $_->{typeId} } @{ $data->{results} };
($status, $data) = ask('POST', '/crm/associations/2026-03/contacts/deals/labels', { name => 'decision_maker', label => 'Decides', inverseLabel => 'Decided by' });
my ($decides, $decided) = map { $_->{typeId} } @{ $data->{results} };
is("$status $data->{results}[1]{label}", '200 Decided by', 'a paired label');
is((ask('POST', $labels, { name => $_, label => 'x' }))[0], 400, "name $_") for 'a-b', '1a';
is((ask('POST', $labels, { name => 'billing_contact', label => 'x' }))[0], 409, 'a name twice');
for my $path ($labels, '/crm/associations/v4/contacts/deals/labels', '/crm/associations/2026-03/contacts/deals/labels')
{
	is(join(' ', sort map { "$_->{category}:$_->{typeId}:" . ($_->{label} // '') } @{ (ask('GET', $path))[1]{results} }), "HUBSPOT_DEFINED:4: USER_DEFINED:$billing:Billing contact USER_DEFINED:$decides:Decides", $path);
}
ok((grep { $_->{typeId} == $decided && $_->{label} eq 'Decided by' } @{ (ask('GET', '/crm/v4/associations/deals/contacts/labels'))[1]{results} }), 'the other direction');
($status, $data) = batch('contacts', 'deals', 'create', [ $ada, $two, types([ 'USER_DEFINED', $billing ], [ 'USER_DEFINED', $decides ]) ]);
is("$status " . join(' ', sort @{ $data->{results}[0]{labels} }), '201 Billing contact Decides', 'several labels');
batch('deals', 'contacts', 'create', [ $two, $ada, types([ 'USER_DEFINED', $decided ]) ]);
is(pairs('contacts', 'deals'), "$ada>$two(Decides)", 'labels are replaced, from either side');
is((ask('DELETE', "$labels/$decides"))[0], 400, 'a label that is used stays');
batch('contacts', 'deals', 'associate/default', [ $ada, $two ]);
is(pairs('contacts', 'deals'), "$ada>$two(Decides)", 'the default form leaves labels');
batch('contacts', 'deals', 'labels/archive', [ $ada, $two, types([ 'USER_DEFINED', $decides ]) ]);
is(pairs('contacts', 'deals'), "$ada>$two", 'a label goes, the pair stays');
is((ask('PUT', $labels, { associationTypeId => $billing, label => 'Pays' }))[0], 204, 'renamed');
is((grep { $_->{typeId} == $billing } @{ (ask('GET', $labels))[1]{results} })[0]{label}, 'Pays', '... is its text');
is((ask('DELETE', "$labels/$decides"))[0], 204, 'dropped');
is((ask('DELETE', "$labels/4"))[0], 400, "HubSpot's own is not");
batch('contacts', 'deals', 'create', [ $ada, $two, types([ 'USER_DEFINED', $billing ]) ]);
batch('contacts', 'deals', 'labels/archive', [ $ada, $two, hubspot(4) ]);
is(pairs('contacts', 'deals'), '', 'without the unlabelled type nothing is left');

# What is open about labels (3.4)
ask('POST', '/crm/v4/associations/contacts/companies/labels', { name => 'boss', label => 'Boss' });
my ($boss) = map { $_->{typeId} } grep { ($_->{label} // '') eq 'Boss' } @{ (ask('GET', '/crm/v4/associations/contacts/companies/labels'))[1]{results} };
sub boss { batch('contacts', 'companies', 'create', [ $ada, $acme, types([ 'USER_DEFINED', $boss ]) ]); batch('contacts', 'companies', 'create', [ $ada, $acme, hubspot(1) ]); return pairs('contacts', 'companies') }
is(boss(), "$ada>$acme*", 'the primary mark replaces labels');
config(readings => ['kept_labels']);
is(boss(), "$ada>$acme*(Boss)", '... or leaves them');
config(readings => []);
batch('contacts', 'companies', 'associate/default', [ $ada, $initech ]);
batch('contacts', 'companies', 'labels/archive', [ $ada, $acme, hubspot(1) ]);
is(pairs('contacts', 'companies'), join(' ', sort "$ada>$acme(Boss)", "$ada>$initech"), 'no primary company is left');
config(readings => ['next_primary']);
batch('contacts', 'companies', 'create', [ $ada, $acme, hubspot(1) ]);
ask('DELETE', "/crm/v4/objects/contacts/$ada/associations/companies/$acme");
is(pairs('contacts', 'companies'), "$ada>$initech*", '... or another one is');
config(readings => ['first_primary']);
batch('contacts', 'companies', 'associate/default', [ $bob, $acme ]);
is((grep { $_->{from_id} eq $bob } lines('/_sim/associations?from=contacts&to=companies'))[0]{primary}, $true, 'a first company becomes primary by itself');
config(readings => []);

# Limits (3.5)
is((ask('POST', '/_sim/association-limits', { from => 'deals', to => 'contacts', max => 1 }))[0], 204, 'a limit');
($status, $data) = batch('contacts', 'deals', 'associate/default', [ $ada, $two ], [ $bob, $two ]);
is("$status $data->{numErrors}", '200 1', '... holds');

# Associations of custom objects (2)
$car = (ask('POST', $schemas, { %schema, name => 'wagons', associatedObjects => [ 'CONTACT', '0-3' ] }))[1]{objectTypeId};
upsert($car, 'vin', map { { vin => $_, model => 'M' } } 'w1', 'w2');
my ($wagon, $other) = map { $_->{id} } sort { $a->{properties}{vin} cmp $b->{properties}{vin} } lines("/_sim/records/$car");
my ($default) = @{ (ask('GET', "/crm/v4/associations/$car/contacts/labels"))[1]{results} };
is("$default->{category} " . ($default->{label} // ''), 'USER_DEFINED ', 'the unlabelled type of a custom object');
($status, $data) = batch($car, 'contacts', 'associate/default', [ $wagon, $ada ]);
is("$status " . (grep { $_->{associationSpec}{associationTypeId} == $default->{typeId} && $_->{associationSpec}{associationCategory} eq 'USER_DEFINED' } @{ $data->{results} }), '200 1', 'associated by it');
is((batch($car, 'contacts', 'create', [ $other, $ada, types([ 'USER_DEFINED', $default->{typeId} ]) ]))[0], 201, '... and by its number');
is(scalar(grep { $_->{id} eq $default->{typeId} && $_->{fromObjectTypeId} eq $car } @{ (ask('GET', "$schemas/$car"))[1]{associations} }), 1, 'its definition');
is((batch($car, 'companies', 'associate/default', [ $wagon, $acme ]))[0], 400, 'what no schema allows');
is((ask('POST', "$schemas/$car/associations", { fromObjectTypeId => $car, toObjectTypeId => '0-2', name => 'wagon_to_company' }))[0], 201, '... is allowed');
is((batch($car, 'companies', 'associate/default', [ $wagon, $acme ]))[0], 200, '... and done');
is((batch($car, 'notes', 'associate/default', [ $wagon, '1' ]))[0], 200, 'activities are by themselves');
is((ask('POST', "/crm/v3/objects/$car/search", { filterGroups => [ { filters => [ { propertyName => 'associations.contact', operator => 'EQ', value => $ada } ] } ] }))[0], 400, 'no search through them');
ok((grep { $_->{id} eq '279' && $_->{toObjectTypeId} eq '0-2' } @{ (ask('GET', "$schemas/contacts"))[1]{associations} }), "numbers of HubSpot's own types");

# Owners (4)
($status, $data) = ask('GET', "/crm/v3/owners?limit=2");
is("$status " . join(' ', map { $_->{id} } @{ $data->{results} }) . " $data->{paging}{next}{after}", '200 41629779 41629780 2', 'a page of owners');
($status, $data) = ask('GET', "/crm/owners/2026-09?limit=2&after=$data->{paging}{next}{after}");
is("$data->{results}[0]{type} " . ($data->{results}[0]{email} // 'none') . ' ' . exists $data->{paging}, 'QUEUE none ', 'the last one');
is((ask('GET', '/crm/v3/owners?email=grace.owner@example.com'))[1]{results}[0]{userId}, 9586505, 'by e-mail');
is(scalar @{ (ask('GET', '/crm/v3/owners?email=former.owner@example.com'))[1]{results} }, 0, 'one who has left is not listed');
$data = (ask('GET', '/crm/v3/owners?archived=true'))[1];
ok($data->{results}[0]{id} eq '41629782' && !defined $data->{results}[0]{userId} && $data->{results}[0]{userIdIncludingInactive}, '... but among the archived');
is((ask('GET', '/crm/v3/owners/9586504?idProperty=userId'))[1]{id}, '41629779', 'by user id');
is((ask('GET', '/crm/owners/2026-03/1'))[0], 404, 'an unknown owner');
is((ask('GET', '/crm/v3/owners?limit=501'))[0], 400, 'limit of a page');
sub owner { my ($s, $d) = ask('PATCH', "/crm/v3/objects/deals/$one", { properties => { hubspot_owner_id => $_[0] } }); return "$s " . ($s == 200 ? $d->{properties}{hubspot_owner_id} // 'null' : codes($d)) }
is(owner('41629780'), '200 41629780', 'an owner');
is(owner(''), '200 null', '... is cleared');
is(owner($_), '400 INVALID_OWNER_ID:hubspot_owner_id', "owner $_") for '1', '9586504', '41629782', 'grace.owner@example.com';
config(readings => [ 'archived_owners', 'other_codes' ]);
is(owner('41629782'), '200 41629782', 'one who has left, by another reading');
is(owner('1'), '400 INVALID_OPTION:hubspot_owner_id', 'another code');
config(readings => []);
is((ask('POST', '/_sim/owners', { id => '77', email => 'new.owner@example.com' }))[0], 204, 'a further owner');
is(owner('77'), '200 77', '... owns');
is((ask('PATCH', "/crm/v3/objects/contacts/$ada", { properties => { hubspot_owner_id => '77' } }))[0], 200, 'a contact');
is((ask('POST', '/_sim/properties/deals', { name => 'helpers', type => 'enumeration', fieldType => 'checkbox', externalOptions => $true, referencedObjectType => 'OWNER' }))[0], 201, 'a field of several owners');
is((ask('PATCH', "/crm/v3/objects/deals/$one", { properties => { helpers => '77;41629780' } }))[0], 200, '... takes several');
is((ask('PATCH', "/crm/v3/objects/deals/$one", { properties => { helpers => '77;1' } }))[0], 400, '... known ones');
scopes('crm.objects.contacts.read');
is((ask('GET', '/crm/v3/owners'))[1]{context}{requiredGranularScopes}[0], 'crm.objects.owners.read', 'scope of owners');
config(scopes => undef);

# Pipelines (5)
($status, $data) = ask('GET', '/crm/v3/pipelines/deals');
is("$status $data->{results}[0]{id} " . join(' ', map { $_->{id} } @{ $data->{results}[0]{stages} }), '200 default appointmentscheduled qualifiedtobuy presentationscheduled decisionmakerboughtin contractsent closedwon closedlost', 'of deals');
is($data->{results}[0]{stages}[5]{metadata}{isClosed}, 'true', 'metadata are texts');
($status, $data) = ask('GET', '/crm/pipelines/2026-03/tickets');
is("$data->{results}[0]{id} $data->{results}[0]{stages}[0]{label} $data->{results}[0]{stages}[0]{metadata}{ticketState}", '0 New OPEN', 'of tickets');
is((ask('GET', "/crm/pipelines/2026-09/$_"))[0], 200, "of $_") for qw(leads orders 0-421 0-162 0-410 projects), $car;
is((ask('GET', '/crm/v3/pipelines/contacts'))[0], 400, 'not of contacts');
my @won = ({ label => 'Begun', displayOrder => 0, metadata => { isClosed => 'false', probability => '0.5' } }, { label => 'Over', displayOrder => 1, metadata => { isClosed => 'true', probability => '1.0' } });
($status, $data) = ask('POST', '/crm/v3/pipelines/deals', { label => 'Renewals', displayOrder => 1, stages => \@won });
my ($renewals, $begun, $over) = ($data->{id}, map { $_->{id} } @{ $data->{stages} });
is("$status $data->{label}", '201 Renewals', 'a further pipeline');
sub stage { my ($id, %p) = @_; my ($s, $d) = ask('PATCH', "/crm/v3/objects/deals/$id", { properties => \%p }); return "$s " . codes($d) }
is(stage($one, dealstage => 'contractsent'), '200 ', 'a stage, of the default pipeline');
is(stage($one, dealstage => 'nonsense'), '400 INVALID_OPTION:dealstage', 'an unknown stage');
is(stage($one, dealstage => 'Contract Sent'), '400 INVALID_OPTION:dealstage', 'labels are not written');
is(stage($one, dealstage => $begun), '400 INVALID_OPTION:dealstage', 'a stage of another pipeline');
is(stage($one, pipeline => $renewals), '400 INVALID_OPTION:dealstage', 'a pipeline without a stage of it');
is(stage($one, pipeline => 'none', dealstage => $begun), '400 INVALID_OPTION:pipeline', 'an unknown pipeline');
is(stage($one, pipeline => $renewals, dealstage => $begun), '200 ', 'both');
is(stage($one, dealstage => $over), '400 INVALID_OPTION:dealstage', 'a stage alone is one of the default pipeline');
config(readings => ['kept_pipeline']);
is(stage($one, dealstage => $over), '200 ', '... or of its own');
config(readings => ['other_codes']);
is(stage($one, dealstage => 'nonsense'), '400 INVALID_PIPELINE_STAGE:dealstage', '... or in other words');
config(readings => []);
is(stage($one, dealstage => 'qualifiedtobuy'), '200 ', 'backwards');
is((ask('GET', "/crm/v3/objects/deals/$one?properties=pipeline"))[1]{properties}{pipeline}, 'default', '... into the default pipeline');
($status, $data) = ask('POST', '/crm/v3/objects/deals', { properties => { dealname => 'x', dealstage => 'closedwon' } });
$data = (ask('GET', "/crm/v3/objects/deals/$data->{id}?properties=pipeline,closedate"))[1];
ok($data->{properties}{pipeline} eq 'default' && $data->{properties}{closedate}, 'a new one that is closed');
($status, $data) = ask('POST', '/crm/v3/objects/orders', { properties => { hs_order_name => 'x', hs_pipeline => '740100' } });
is((ask('GET', "/crm/v3/objects/orders/$data->{id}?properties=hs_pipeline_stage"))[1]{properties}{hs_pipeline_stage}, '740101', 'a pipeline alone: its first stage');
stage($one, pipeline => $renewals, dealstage => $begun);
($status, $data) = ask('DELETE', "/crm/v3/pipelines/deals/$renewals/stages/$begun?validateReferencesBeforeDelete=true");
is("$status $data->{subCategory} $data->{context}{stageIds}[0] $data->{context}{objectIds}[0]", "400 PipelineError.STAGE_ID_IN_USE [$begun] [$one]", 'a stage that is used');
is((ask('PATCH', "/crm/v3/pipelines/deals/$renewals/stages/$over", { label => 'Done' }))[1]{label}, 'Done', 'a stage is renamed');
($status, $data) = ask('POST', "/crm/v3/pipelines/deals/$renewals/stages", { label => 'More', metadata => { isClosed => 'false' } });
is("$status " . scalar @{ (ask('GET', "/crm/v3/pipelines/deals/$renewals/stages"))[1]{results} }, '201 3', 'a stage more');
is((ask('DELETE', "/crm/v3/pipelines/deals/$renewals/stages/$data->{id}"))[0], 204, 'a stage goes');
is((ask('DELETE', "/crm/v3/pipelines/deals/$renewals"))[0], 204, 'a pipeline goes');
is((ask('GET', "/crm/v3/pipelines/deals/$renewals"))[0], 404, '... is gone');
is($json->encode((ask('GET', '/crm/v3/object-library/enablement'))[1]), '{"enablementByObjectTypeId":{"0-162":true,"0-410":true,"0-420":false,"0-421":true}}', 'what is switched on (1.4)');

# Events of any object (6.3)
unique('companies', 'account_ref');
ask('POST', '/crm/v3/objects/companies/batch/update', { inputs => [ { id => $acme, properties => { account_ref => 'acme' } } ] });
my $define = sub { my ($name, %more) = @_; return ask('POST', '/events/v3/event-definitions', { label => $name, name => $name, includeDefaultProperties => $false, propertyDefinitions => [ { name => 'plan', label => 'p', type => 'string' }, { name => 'account_ref', label => 'a', type => 'string' } ], %more }) };
my $rule = { primaryObjectRule => { targetObjectPropertyName => 'account_ref', eventPropertyName => 'account_ref' } };
($status, $data) = $define->('plan_changed', primaryObject => 'COMPANY');
is("$status $data->{primaryObject} $data->{primaryObjectId}", '201 COMPANY 0-2', 'events of companies');
($status, $data) = $define->('by_key', primaryObject => 'company', customMatchingId => $rule);
is("$status $data->{customMatchingId}{primaryObjectRule}{eventPropertyName}", '201 account_ref', '... that find them by a key');
is(($define->('deal_event', primaryObject => 'DEAL'))[0], 201, 'of deals');
is(($define->('wagon_event', primaryObject => 'wagons'))[1]{primaryObjectId}, $car, 'of custom objects');
is(($define->('order_event', primaryObject => 'ORDER'))[0], 400, 'not of orders');
is(($define->('no_key', primaryObject => 'DEAL', customMatchingId => $rule))[0], 400, 'a key has to be unique');
is(($define->('no_member', primaryObject => 'COMPANY', customMatchingId => { primaryObjectRule => { targetObjectPropertyName => 'account_ref', eventPropertyName => 'none' } }))[0], 400, '... and in the event');
my $send = sub { my ($name, %event) = @_; return (ask('POST', '/events/v3/send', { eventName => "pe1234567_$name", properties => {}, %event }))[0] };
my $last = sub { my ($e) = reverse grep { $_->{op} eq 'event' } lines('/_sim/log'); return "$e->{of} " . ($e->{id} // 'none') };
is($send->('plan_changed', objectId => $acme) . ' ' . $last->(), "204 companies $acme", 'by record id');
is($send->('plan_changed', email => 'ada@example.com'), 400, '... not by address');
is($send->('by_key', properties => { account_ref => 'acme' }) . ' ' . $last->(), "204 companies $acme", 'by key');
is($send->('by_key', objectId => $initech, properties => { account_ref => 'acme' }) . ' ' . $last->(), "204 companies $acme", '... which wins over the id');
is($send->('by_key'), 400, '... one of them is needed');
is($send->('by_key', properties => { account_ref => 'nobody' }) . ' ' . $last->(), '204 companies none', 'a key that nobody has');
config(readings => ['match_refused']);
is($send->('by_key', properties => { account_ref => 'nobody' }), 400, '... or is refused');
config(readings => []);
is($send->('wagon_event', objectId => $wagon) . ' ' . $last->(), "204 $car $wagon", 'of a custom object');

# Consent (7)
my $old = '/communication-preferences/v3';
my $new = '/communication-preferences/2026-03';
is(join(' ', map { "$_->{id}:" . ($_->{isActive} ? 1 : 0) } @{ (ask('GET', "$old/definitions"))[1]{subscriptionDefinitions} }), '39644612:1 9007199254740993:1 39644614:0', 'types, v3');
is((ask('GET', $_))[1]{results}[0]{name}, 'Newsletter', $_) for "$new/definitions", '/communication-preferences/v4/definitions', '/communication-preferences/2026-09/definitions';
sub v3 { my ($call, $email, %more) = @_; my ($s, $d) = ask('POST', "$old/$call", { emailAddress => $email, subscriptionId => '39644612', %more }); return "$s " . ($d->{message} // $d->{status}) }
sub dated { my ($email, $state, %more) = @_; $email =~ s/([@+%\/])/sprintf '%%%02X', ord $1/ge; my ($s, $d) = ask('POST', "$new/statuses/$email", { subscriptionId => 39644612, statusState => $state, channel => 'EMAIL', %more }); return "$s " . ($d->{message} // "$d->{results}[0]{status} $d->{results}[0]{setStatusSuccessReason}") }
sub out { return (ask('GET', "/crm/v3/objects/contacts/$ada?properties=hs_email_optout,hs_email_optout_39644612"))[1]{properties} }
is(v3('subscribe', 'ada@example.com'), '200 SUBSCRIBED', 'subscribe');
is(v3('subscribe', 'Ada@example.com'), '400 ada@example.com is already subscribed to subscription 39644612', '... twice');
is(dated('ada@example.com', 'SUBSCRIBED'), '200 SUBSCRIBED NO_STATUS_CHANGE', '... dated');
is(v3('unsubscribe', 'ada@example.com'), '200 NOT_SUBSCRIBED', 'unsubscribe');
is(v3('unsubscribe', 'ada@example.com'), '400 ada@example.com is already unsubscribed from subscription 39644612', '... twice');
is(out()->{hs_email_optout_39644612}, 'true', 'the contact shows it');
is(v3('subscribe', 'ada@example.com'), '400 Subscription 39644612 for ada@example.com cannot be updated because they have unsubscribed', 'no way back by v3');
is(dated('ada@example.com', 'SUBSCRIBED'), '200 SUBSCRIBED RESUBSCRIBE_OCCURRED', '... but dated');
is((ask('POST', '/_sim/opt-out', { email => 'ada@example.com', subscriptionId => 39644612 }))[0], 204, 'the person opts out');
ok(dated('ada@example.com', 'SUBSCRIBED') =~ /^400 .*they have unsubscribed/, '... which is final');
config(readings => ['resubscribed']);
is(dated('ada@example.com', 'SUBSCRIBED'), '200 SUBSCRIBED RESUBSCRIBE_OCCURRED', '... or is not');
config(readings => []);
is(dated('a+b/c%d@example.com', 'UNSUBSCRIBED'), '200 UNSUBSCRIBED REQUESTED_CHANGE_OCCURRED', 'an address that is no contact, encoded');
is((ask('GET', '/_sim/objects/contacts?key=a%2Bb/c%25d@example.com'))[1]{results}[0] // 'none', 'none', '... and becomes none');
ok((grep { $_->{email} eq 'a+b/c%d@example.com' && $_->{status} eq 'UNSUBSCRIBED' } lines('/_sim/consents')), '... is kept by address');
ok(v3('subscribe', 'b@example.com', subscriptionId => 39644612) =~ /^400/, 'v3: the id is a text');
ok(v3('subscribe', 'b@example.com', subscriptionId => '1') =~ /^400 .*does not exist/, 'an unknown subscription');
ok(v3('subscribe', 'b@example.com', subscriptionId => '39644614') =~ /^400 .*not active/, 'an inactive one');
ok(dated('b@example.com', 'SUBSCRIBED', subscriptionId => '39644612') =~ /^400/, 'dated: the id is a number');
is(dated('b@example.com', 'SUBSCRIBED', subscriptionId => 9007199254740993), '200 SUBSCRIBED REQUESTED_CHANGE_OCCURRED', '... of 64 bits');
config(readings => ['subscription_404']);
ok(v3('subscribe', 'b@example.com', subscriptionId => '1') =~ /^404/, '... 404');
config(readings => [], data_privacy => $true);
my %basis = (legalBasis => 'CONSENT_WITH_NOTICE', legalBasisExplanation => 'form');
ok(v3('subscribe', 'c@example.com') =~ /^400 legalBasis/, 'data privacy: a legal basis');
ok(dated('c@example.com', 'SUBSCRIBED') =~ /^400 legalBasis/, '... dated');
is(v3('subscribe', 'c@example.com', %basis), '200 SUBSCRIBED', '... given');
ok(v3('subscribe', 'd@example.com', %basis, legalBasis => 'WHIM') =~ /^400/, '... one of those there are');
config(readings => ['no_basis']);
is(dated('d@example.com', 'SUBSCRIBED'), '200 SUBSCRIBED REQUESTED_CHANGE_OCCURRED', '... or not asked for');
config(readings => [], data_privacy => $false);
($status, $data) = ask('POST', "$new/statuses/batch/write", { inputs => [ map { { subscriberIdString => $_->[0], subscriptionId => $_->[1], statusState => 'SUBSCRIBED', channel => 'EMAIL' } } [ 'e@example.com', 39644612 ], [ 'f@example.com', 1 ], [ 'nobody', 39644612 ] ] });
is("$status " . @{ $data->{results} } . " $data->{numErrors}", '200 1 2', 'a batch is 200 whatever is in it');
is((ask('POST', "$new/statuses/batch/write", { inputs => [ map { {} } 1 .. 101 ] }))[0], 400, '101 of them');
is((ask('POST', "$new/statuses/e%40example.com/unsubscribe-all"))[0], 400, 'a channel is needed');
($status, $data) = ask('POST', "$new/statuses/e%40example.com/unsubscribe-all?channel=EMAIL");
is("$status " . @{ $data->{results} }, '200 0', 'out of everything');
is((ask('GET', "$new/statuses/e%40example.com/unsubscribe-all?channel=EMAIL"))[1]{results}[0]{status}, 'UNSUBSCRIBED', '... is read');
ok(v3('subscribe', 'e@example.com') =~ /they have unsubscribed/, '... and holds');
($status, $data) = ask('POST', "$new/statuses/batch/unsubscribe-all?channel=EMAIL&verbose=true", { inputs => [ 'ada@example.com', 'none' ] });
is("$status $data->{results}[0]{subscriberIdString} $data->{numErrors}", '200 ada@example.com 1', 'several at once');
is(out()->{hs_email_optout}, 'true', 'the contact shows it');
is((ask('PATCH', "/crm/v3/objects/contacts/$ada", { properties => { hs_email_optout => 'false' } }))[0], 400, '... and cannot change it');
is((ask('PATCH', "/crm/v3/objects/contacts/$ada", { properties => { hs_marketable_status => 'true' } }))[0], 400, 'marketing status is read-only (8)');
is((ask('GET', "$new/statuses/ada%40example.com?channel=EMAIL"))[1]{results}[0]{status}, 'UNSUBSCRIBED', 'status of one');
is((ask('GET', "$old/status/email/ada%40example.com"))[1]{subscriptionStatuses}[0]{status}, 'NOT_SUBSCRIBED', '... v3');
is(scalar @{ (ask('POST', "$new/statuses/batch/read?channel=EMAIL", { inputs => [ 'ada@example.com', 'b@example.com' ] }))[1]{results} }, 2, 'status of several');
is((ask('POST', '/_sim/subscriptions', { id => 5, name => 'Fresh' }))[0], 204, 'a further subscription');
is(v3('subscribe', 'g@example.com', subscriptionId => '5'), '200 SUBSCRIBED', '... is there');
scopes('communication_preferences.read_write');
is((ask('POST', "$new/statuses/batch/write", { inputs => [] }))[1]{context}{requiredGranularScopes}[0], 'communication_preferences.statuses.batch.write', 'batches have a scope of their own');
is((ask('GET', "$old/definitions"))[0], 200, 'the other has not');
config(scopes => undef);

is((ask('POST', '/_sim/config', { readings => ['none'] }))[0], 400, 'an unknown reading');
ok(@{ (ask('POST', '/_sim/config', { reading_seed => 3 }))[1]{readings} } > 2, 'a seed chooses');

finish();
