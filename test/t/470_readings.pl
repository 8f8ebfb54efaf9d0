# What is read from HubSpot because somebody needs it: custom objects and their names.  Nothing is
# read unasked; trouble of a reading is told, and is nobody's but of who needs it.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('readings');
create_account($node, 'postgres', 'crm', $sim);
my $json = JSON::PP->new;

sub ask { return $node->safe_psql('postgres', shift) }

# What an account says to a statement that fails.
sub error_of { return ($node->psql('postgres', shift))[2] }
sub schemas_read { return scalar grep { $_->{path} =~ /crm-object-schemas/ } $sim->requests }
sub reading { return ask(q{SELECT known::text || ' ' || coalesce(http_status || ' ' || category, '') FROM hubspot.reading WHERE reading = 'objects'}) }
sub refresh { my $id = ask('SELECT hubspot_refresh_schema()'); wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") eq 'delivered' }, 'the refresh') }

# From here on HubSpot answers this to the question for its objects.
sub objects_are
{
	my ($status, $body) = @_;
	$sim->clear_faults;
	$sim->fault(match => { path => 'crm-object-schemas' }, action => 'status', status => $status, content_type => 'application/json', times => 0,
		body => ref $body ? $json->encode($body) : $body);
}

sub object
{
	my ($id, $name, %more) = @_;
	return { id => "$id", objectTypeId => "2-$id", name => $name, fullyQualifiedName => "p1234_$name", labels => { singular => ucfirst $name, plural => ucfirst $name . 's' },
		primaryDisplayProperty => 'model', requiredProperties => ['vin'], searchableProperties => [ 'vin', 'model' ], archived => JSON::PP::false,
		properties => [ { name => 'vin', hasUniqueValue => JSON::PP::true }, { name => 'hs_unique_creation_key', hasUniqueValue => JSON::PP::true, modificationMetadata => { readOnlyValue => JSON::PP::true } }, { name => 'model' } ],
		associations => [ { id => '75', fromObjectTypeId => "2-$id", toObjectTypeId => '0-1', name => "${name}_to_contact" } ], %more };
}

objects_are(200, { results => [ object(7, 'car'), object(8, 'Boat'), object(9, 'gone', archived => JSON::PP::true), { name => 'no id' }, object(10, "odd\nname") ] });
ask(q{SELECT hubspot_identify('{"email": "a@example.com"}')});
wait_drained($node, 'postgres');
is(schemas_read(), 0, 'what nobody needs is not read');
is(ask(q{SELECT concat_ws(' ', hubspot.object_named('companies'), hubspot.object_named('Deals'), hubspot.object_named('0-421'), hubspot.object_named('commerce_payments'))}), 'company deal appointment payment', "names of HubSpot's own types");
is(schemas_read(), 0, '... need nothing of the account');
is(ask(q{SELECT hubspot.object_named('car')}), '2-7', 'a custom object has the type id that HubSpot told');
is(schemas_read(), 1, '... when it was named');
is(ask(q{SELECT string_agg(hubspot.object_named(w), ' ') FROM unnest('{p1234_car,p_car,2-7,CAR,boat,p_Boat}'::text[]) w}), '2-7 2-7 2-7 2-7 2-8 2-8', 'by any of its names');
is(ask(q{SELECT string_agg(concat_ws('|', type_id, name, full_name, label, plural_label, required_properties, unique_properties, searchable_properties, display_property, associations), E'\n') FROM hubspot.object WHERE name = 'car'}),
	'2-7|car|p1234_car|Car|Cars|{vin}|{vin}|{vin,model}|model|[{"to": "0-1", "from": "2-7", "name": "car_to_contact"}]', 'what HubSpot tells of it is in the table');
is(ask(q{SELECT string_agg(type_id, ' ' ORDER BY type_id) FROM hubspot.object}), '2-10 2-7 2-8', 'without what is deleted, or has no type id');
like(error_of(q{SELECT hubspot.object_named('truck')}), qr/account "crm" has no object "truck".*read at .*Boat \(2-8\), car \(2-7\).*HubSpot's own: contact, company.*try again/s, 'an unknown name lists what there is');
like(error_of(q{SELECT hubspot.object_named('2-99')}), qr/has no object "2-99"/, 'so does an unknown type id');

#
# Read again, at demand and when asked to
#
objects_are(200, { results => [ object(7, 'car'), object(11, 'truck') ] });
refresh();
is(ask(q{SELECT string_agg(name, ' ' ORDER BY name) FROM hubspot.object}), 'car truck', 'hubspot_refresh_schema() reads what is in use');
is(ask(q{SELECT hubspot.object_named('truck')}), '2-11', 'and a new name is known');

#
# In pages, which no list of today has: one may come twice
#
my $pages_before = schemas_read();
$sim->clear_faults;
$sim->fault(match => { path => 'crm-object-schemas' }, action => 'status', status => 200, content_type => 'application/json',
	body => $json->encode({ results => [ object(7, 'car'), object(12, 'van') ], paging => { next => { after => 'x&1' } } }));
$sim->fault(match => { path => 'crm-object-schemas' }, action => 'status', status => 200, content_type => 'application/json',
	body => $json->encode({ results => [ object(12, 'bus') ] }));
refresh();
is(ask(q{SELECT string_agg(name, ' ' ORDER BY name) FROM hubspot.object}), 'bus car', 'pages make one list, and of two the last one counts');
is(schemas_read() - $pages_before, 2, '... a request each');

#
# HubSpot does not tell
#
my $log_begins = -s $node->logfile;
objects_are(403, { status => 'error', category => 'MISSING_SCOPES', message => 'This app lacks secret-words', errors => [ { message => 'x', context => { requiredGranularScopes => ['crm.schemas.custom.read'] } } ] });
refresh();
becomes(sub { reading() }, 'false 403 MISSING_SCOPES', 'a refusal is an answer');
becomes(sub { ask(q{SET ROLE pg_monitor; SELECT problem || ' -- ' || remedy FROM hubspot_health()}) },
	qr/account crm: HubSpot does not tell its custom objects \(HTTP 403, MISSING_SCOPES\).* -- grant one of these scopes.*Enterprise.*crm\.schemas\.custom\.read/, 'hubspot_health() says it, and what helps');
unlike(ask('SET ROLE pg_monitor; SELECT problem || remedy FROM hubspot_health()'), qr/secret-words/, "... not in HubSpot's words");
is(ask(q{SELECT hubspot.object_named('car')}), '2-7', 'what was told before still counts');
$node->wait_for_log(qr/LOG:  HubSpot account "crm", lane schema: HubSpot does not tell what rows need, so they go without: custom objects$/m, $log_begins);
ok(1, 'the log has it, too');
like(error_of(q{SELECT hubspot.object_named('truck_two')}), qr/not known whether account "crm" has an object "truck_two".*HubSpot does not tell.*type id/s, 'else it is said that HubSpot does not tell');
is(ask(q{SELECT hubspot.object_named('2-4711')}), '2-4711', '... and a type id is taken at its word');

#
# Answers that cannot be read, or stored: trouble of the reading alone
#
objects_are(200, '{"results": [');
my $refresh = ask('SELECT hubspot_refresh_schema()');
becomes(sub { ask(q{SELECT state || ' ' || reason FROM hubspot.status WHERE lane = 'schema'}) }, qr/^UNREADABLE this server cannot read HubSpot's answers: custom objects: /, 'is told as the schema lane\'s');
my $contact = ask(q{SELECT hubspot_identify('{"email": "b@example.com"}')});
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $contact") eq 'delivered' }, 'contacts to go on');
pass('contacts go on');
ask(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room for %', NEW.name; END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON hubspot.object FOR EACH ROW WHEN (NEW.name = 'poison') EXECUTE FUNCTION refuse()});
objects_are(200, { results => [ object(7, 'car'), object(13, 'poison') ] });
$node->reload;
becomes(sub { ask(q{SELECT state || ' ' || reason FROM hubspot.status WHERE lane = 'schema'}) }, qr/^BACKOFF .*could not be stored: custom objects: .*no room for poison/, 'so is one that the tables refuse');
$contact = ask(q{SELECT hubspot_identify('{"email": "c@example.com"}')});
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $contact") eq 'delivered' }, 'contacts to go on');
ask('DROP FUNCTION refuse CASCADE');
$node->reload;
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $refresh") eq 'delivered' }, 'the refresh that has waited');
is(ask(q{SELECT string_agg(name, ' ' ORDER BY name) FROM hubspot.object}), 'car poison', 'mended, it is there');
becomes(sub { ask('SELECT count(*) FROM hubspot_health()') }, '0', 'and hubspot_health() is content');

#
# HubSpot does not tell the properties of what rows write
#
$log_begins = -s $node->logfile;
$sim->clear_faults;
$sim->fault(match => { path => 'properties/' }, action => 'status', status => 403, content_type => 'application/json', times => 0,
	body => $json->encode({ status => 'error', category => 'MISSING_SCOPES', message => 'x' }));
refresh();
ask(q{SELECT hubspot_identify('{"email": "d@example.com"}')});
wait_drained($node, 'postgres');
becomes(sub { ask(q{SET ROLE pg_monitor; SELECT problem || ' -- ' || remedy FROM hubspot_health()}) },
	qr/^account crm: HubSpot does not tell the properties of contacts \(asked at [^)]*\): their rows go by what it has told before, or as they are -- grant the token a scope that reads them, in HubSpot \(crm\.schemas\.contacts\.read or crm\.objects\.contacts\.read\); SELECT hubspot_refresh_schema\('crm'\) has them read again at once$/,
	'properties that the token may not read, of what rows write alone');
$node->wait_for_log(qr/LOG:  HubSpot account "crm", lane contacts: HubSpot does not tell what rows need, so they go without: properties of contacts$/m, $log_begins);
$sim->clear_faults;
refresh();
becomes(sub { ask('SELECT count(*) FROM hubspot_health()') }, '0', '... until it may');
$node->wait_for_log(qr/LOG:  HubSpot account "crm", lane contacts: it is over that HubSpot does not tell/, $log_begins);

#
# As the simulator tells it
#
$sim->clear_faults;
$sim->add_schema(name => 'pet');
refresh();
like(ask(q{SELECT concat_ws(' ', hubspot.object_named('pet'), name, full_name) FROM hubspot.object}), qr/^2-\d+ pet p\d+_pet$/, 'a custom object of the simulator');

#
# hubspot_object(): by which property records are told apart
#
sub options { return ask(q{SELECT coalesce(string_agg(o, ', ' ORDER BY o), '') FROM pg_foreign_server, unnest(srvoptions) o WHERE srvname = 'crm' AND o ~ 'id_propert'}) }
sub declare { return ask("SELECT concat_ws('|', o.word, o.found, coalesce(o.outbox_id::text, '-'), o.remedy) FROM hubspot_object(" . join(', ', map { defined ? "'$_'" : 'NULL' } @_) . ') o') }

is(declare('deals', 'order_ref'), q{deal|missing|-|SELECT hubspot_create_property('deal', 'order_ref', 'string', is_unique => true, server => 'crm')}, 'a property that HubSpot lacks: the statement that creates it');
is(options(), 'id_properties=deal=order_ref', 'the option is set');
like(error_of(q{SELECT hubspot_object('0-3', 'dealname')}), qr/property "dealname" of deal cannot tell records apart.*not keep its values unique/s, 'one that is there and not unique is refused');
like(error_of(q{SELECT hubspot_object('deal', 'hs_lastmodifieddate')}), qr/cannot tell records apart.*Only HubSpot may write it/s, "... or HubSpot's own");
like(error_of(q{SELECT hubspot_object('deal', 'a, pet=b')}), qr/"a, pet=b" is no internal name/, '... or no name');
like(error_of(q{SELECT hubspot_object('form', 'a')}), qr/unknown object "form".*not a type of records.*contact, company, deal/s, 'what is no type of records');
is(options(), 'id_properties=deal=order_ref', '... and nothing is set');
ask(q{ALTER SERVER crm OPTIONS (ADD create_properties 'on')});
my $pet = ask('SELECT type_id FROM hubspot.object');
my ($word, $found, $created) = split /\|/, declare('p_pet', 'tag');
is("$word $found", "$pet missing", 'with create_properties');
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $created") ne '' }, 'the property');
is(ask("SELECT verdict || coalesce(': ' || message, '') FROM hubspot.outbox_status WHERE id = $created"), 'delivered', '... it is created');
is(options(), "id_properties=deal=order_ref, $pet=tag", '... and a further type is set beside the first');
refresh();
is(declare('pet', 'tag'), "$pet|unique|-", 'one that is unique');
is(declare('contact', 'hs_object_id') =~ s/\|HubSpot gives.*//r, 'contact|record ids|-', "HubSpot's record ids");
is(options(), "contact_id_property=hs_object_id, id_properties=deal=order_ref, $pet=tag", '... contacts have an option of their own');
is(declare('contacts', undef), 'contact|taken back|-', 'a setting is taken back');
is(declare('tickets', undef), 'ticket|taken back|-', '... also one that was none');
is(declare($_, undef) =~ s/.*?\|//r, 'taken back|-', "... of $_") for 'deal', 'pet';
is(options(), '', '... and the option goes with the last one');
#
# What a new record needs is known before it is sent
#
$sim->add_schema(name => 'ship', properties => [ map { { name => $_, label => $_, type => 'string', fieldType => 'text', hasUniqueValue => $_ eq 'imo' ? JSON::PP::true : JSON::PP::false } } qw(imo flag) ], requiredProperties => [qw(imo flag)], primaryDisplayProperty => 'imo');
refresh();
sub needs { return ask("SELECT coalesce(string_agg(w->>'property', ' '), '') FROM hubspot_explain('record', '$_[0]') x, jsonb_array_elements(x.warnings) w WHERE w->>'code' = 'required_property'") }
my ($ship) = split /\|/, declare('ship', 'imo');
declare('deal', 'order_ref');
is(needs('{"object": "deal", "id": "1", "properties": {"amount": 3}}'), 'dealname dealstage', 'of a new deal');
is(needs('{"object": "deal", "id": "1", "properties": {"dealname": "x"}}'), 'dealstage', '... what the call has not');
is(needs('{"object": "deal", "id": "1", "mode": "update", "properties": {"amount": 3}}'), '', '... nor when no record is created');
is(needs('{"object": "p_ship", "id": "9", "properties": {"other": 1}}'), 'flag', 'of a custom object by its definition; its key is there');
is(ask("SELECT string_agg(property || ' ' || says, '; ' ORDER BY property) FROM hubspot.required_properties((SELECT oid FROM pg_foreign_server WHERE srvname = 'crm'), '$ship')"),
	"flag as the object's definition says; imo as the object's definition says", 'the previews know it, too');
declare($_, undef) for 'deal', 'ship';
ask(q{CREATE ROLE guest; CREATE ROLE caller; GRANT USAGE ON FOREIGN SERVER crm TO caller});
like(error_of(q{SET ROLE guest; SELECT hubspot_object('truck', 'tag')}), qr/permission denied for foreign server crm/, 'without USAGE nobody learns which objects there are');
like(error_of(q{SET ROLE caller; SELECT hubspot_object('deal', 'tag')}), qr/must be owner of foreign server crm/, 'only the owner of the SERVER sets it');
for my $call (q{hubspot_create_label('truck', 'deal', 'x')}, q{hubspot_create_property('truck', 'a', 'string')}, q{hubspot.object_named('truck')}, q{hubspot_record('truck', '{}')},
	q{hubspot_associate('truck', '1', 'deal', '2')}, q{hubspot_explain('record', '{"object": "truck"}')}, q{hubspot_sync('x', 'SELECT 1 AS id', 'truck', 'id')})
{
	like(error_of("GRANT USAGE ON SCHEMA hubspot TO guest; SET ROLE guest; SELECT $call"), qr/permission denied for foreign server crm/, "without USAGE: $call");
}

# Two at once add to one list: the second waits for the first, and neither is lost
my $first = $node->background_psql('postgres');
$first->query_safe(q{BEGIN; SELECT hubspot_object('deal', 'hs_object_id')});
my $second = $node->background_psql('postgres');
$second->query_until(qr/asked/, qq{\\echo asked\nSELECT hubspot_object('ticket', 'hs_object_id');\n});
wait_until(sub { ask(q{SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND NOT granted}) eq '1' }, 'the second one to wait');
$first->query_safe('COMMIT');
$first->quit;
$second->quit;
is(options(), 'id_properties=deal=hs_object_id, ticket=hs_object_id', 'both are set');
declare($_, undef) for 'deal', 'ticket';

# HubSpot calls an object what no word of ours can be
objects_are(200, { results => [ object(7, 'car'), { %{ object(8, 'odd') }, objectTypeId => '2-1234567890' }, { %{ object(9, 'odder') }, objectTypeId => 'event' } ] });
refresh();
for my $name (qw(odd odder))
{
	like(error_of("SELECT $_"), qr/object "$name" has an unknown kind of type id/, "$_ is an error")
	  for "hubspot_object('$name', 'tag')", "hubspot_create_property('$name', 'a', 'string')", "hubspot.object_named('$name')", qq{hubspot_record('$name', '{"id": 1}')};
}
$sim->clear_faults;
refresh();

#
# Another worker goes by the tables
#
my $before = schemas_read();
$node->restart;
worker_pid($node, 'postgres');
is(ask(q{SELECT hubspot.object_named('pet')}), $pet, 'after a restart a name is known');
is(schemas_read(), $before, '... without a request');

# Without a worker nobody reads
ask(q{CREATE SERVER other FOREIGN DATA WRAPPER hubspot});
stop_delivery($node);
like(error_of(q{SELECT hubspot.object_named('car', 'other')}), qr/custom objects of account "other" have not been read yet.*No worker runs/s, 'without a worker that is said');

done_testing();
