# Records of any type: deals, tickets, custom objects.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $car = $sim->add_schema(name => 'car')->{objectTypeId};
unique('deals', 'order_ref');
unique('tickets', 'ticket_ref');
unique($car, 'vin');
$sim->add_property('deals', name => 'sold_by', type => 'string', fieldType => 'text');
$sim->add_property($car, name => 'color', type => 'string', fieldType => 'text');
my $node = hubspot_cluster('records');
create_account($node, 'postgres', 'crm', $sim, id_properties => "deal=order_ref, 0-5=ticket_ref, $car=vin", skip_unchanged => 'on');
create_account($node, 'postgres', 'maker', $sim, id_properties => "cart=cart_ref, $car=plate", create_properties => 'on');
create_account($node, 'postgres', 'wrong', $sim, id_properties => 'ticket=lacking, deal=dealname');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub unique { my ($type, $name) = @_; return $sim->add_property($type, name => $name, type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true) }

sub ask { return $node->safe_psql('postgres', shift) }

sub error_of { return ($node->psql('postgres', shift))[2] }

sub record { my ($object, $message, $more) = @_; return "SELECT hubspot_record('$object', \$j\$$message\$j\$" . (defined $more ? ", $more" : '') . ')' }

# What is queued waits together; returns the ids.
sub together { return queue_together($node, @_) }

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status s WHERE id = $_[0]") }

sub properties { my ($type, $key, $property) = @_; my $found = eval { $sim->object($type, $key, $property) }; return $found ? $found->{properties} : {} }

sub requests_to { my $path = shift; return scalar grep { $_->{path} =~ $path } $sim->requests }

sub existing { my ($type, %properties) = @_; return $sim->api('POST', "/crm/v3/objects/$type", { properties => \%properties })->{id} }

#
# What it writes
#
ask(q{SELECT hubspot_map('total.sum', 'amount', 'deal')});
my ($first, $second, $other, $ticket, $custom) = together(
	record('deal', '{"id": "A-1", "properties": {"dealname": "One", "dealstage": "closedwon", "Sold By": "Ada", "total": {"sum": 5}, "Nonsense": 1}}'),
	record('deal', '{"id": "A-1", "amount": "7.5", "order_ref": "A-2"}'),
	record('deals', '{"id": 2, "dealname": "Two", "dealstage": "closedwon", "user_id": "u1"}'),
	record('ticket', '{"id": "A-1", "properties": {"subject": "Help", "hs_pipeline_stage": "1"}}'),
	record($car, '{"id": "VIN 1", "color": "red"}'));
is(row($first, 'call, object, key, verdict'), 'record|deal|A-1|coalesced', 'rows of one key are one record');
is(row($second, 'verdict, created, record_id IS NOT NULL'), 'delivered|t|t', 'which is created');
is(join(' ', map { properties('deals', 'A-1', 'order_ref')->{$_} } qw(dealname amount sold_by)), 'One 7.5 Ada', 'the younger value counts; names are mapped');
is(row($first, q{(SELECT string_agg(w->>'code' || ' ' || (w->>'property'), ', ') FROM jsonb_array_elements(s.warnings) w)}), 'unknown_property nonsense', 'what HubSpot lacks is told');
is(row($second, q{s.warnings->0->>'code'}), 'key_property', 'nothing but the key writes the key');
is(row($other, 'object, key, verdict, s.warnings->0->>\'property\''), 'deal|2|delivered|user_id', 'a number is a key; the object may be called otherwise; a column user_id is a property');
is(row($ticket, 'object, verdict'), 'ticket|delivered', 'the same key of another type is another record');
is(properties('tickets', 'A-1', 'ticket_ref')->{subject}, 'Help', 'in HubSpot');
is(row($custom, 'object, verdict, created'), "$car|delivered|t", 'a custom object');
is(properties($car, 'VIN 1', 'vin')->{color}, 'red', 'in HubSpot');
is(ask(q{SELECT string_agg(part, ' ' ORDER BY part) FROM hubspot.schema JOIN pg_foreign_server s ON s.oid = server WHERE srvname = 'crm'}), "$car deal ticket", 'properties of what is in use are read, and of nothing else');

#
# Modes, and HubSpot's own ids
#
my $known = existing('deals', dealname => 'Known', dealstage => 'closedwon');
my ($update, $missing, $create, $exists, $adopted, $gone) = together(
	record('deal', '{"id": "A-1", "mode": "update", "amount": 8}'),
	record('deal', '{"id": "A-9", "mode": "update", "amount": 8}'),
	record('deal', '{"id": "A-3", "mode": "create", "dealname": "Three", "dealstage": "closedwon"}'),
	record('deal', '{"id": "2", "mode": "create", "dealname": "Not two"}'),
	record('deal', qq({"record_id": $known, "id": "A-4", "amount": 3})),
	record('deal', '{"record_id": 987654321, "amount": 3}'));
is(row($update, 'verdict, created, mode'), 'delivered|f|update', 'what is there is updated');
is(row($missing, 'verdict, category'), 'rejected|deal_not_found', 'what is not there is not');
is(row($create, 'verdict, created, mode'), 'delivered|t|create', 'what is not there is created');
is(row($exists, 'verdict, category'), 'unchanged|exists', 'what is there is not');
is(row($adopted, 'verdict, record_id'), "delivered|$known", "by HubSpot's own id");
is(properties('deals', 'A-4', 'order_ref')->{amount}, '3', 'it is given the id of ours');
is(row($gone, 'verdict, category'), 'rejected|deal_not_found', "HubSpot's ids are its own");

#
# Deletions, and what HubSpot has already
#
my ($again) = together(record('deal', '{"id": "A-1", "amount": 8}'));
is(row($again, 'verdict, request_id'), 'unchanged|', 'what HubSpot has is not sent');
my ($deleted, $nobody, $anew) = together(
	q{SELECT hubspot_delete('{"object": "deal", "id": "A-3"}')},
	q{SELECT hubspot_delete('{"object": "deal", "id": "A-10"}')},
	record('deal', '{"id": "A-3", "dealname": "Three again", "dealstage": "closedwon"}'));
is(row($deleted, 'object, verdict'), 'deal|delivered', 'archived');
is(row($nobody, 'verdict'), 'unchanged', 'there is nothing to archive');
is(row($anew, 'verdict, created'), 'delivered|t', 'and after it made anew');
is($sim->count('deals'), 4, 'so many deals are there');

#
# Contacts and companies by the call of their own; arrays; triggers; repeats
#
my ($ids) = together(q{SELECT string_agg(i::text, ' ') FROM hubspot_enqueue('record', ARRAY['{"object": "contact", "id": "ada@example.com", "properties": {"city": "Rome"}}',
	'{"object": "company", "properties": {"domain": "acme.example", "city": "Oslo"}}', '{"object": "deal", "id": "A-5", "dealname": "Five", "dealstage": "closedwon"}']::jsonb[]) i});
is(ask("SELECT string_agg(concat_ws(' ', call, object, key, verdict), ', ' ORDER BY id) FROM hubspot.outbox_status WHERE id IN (" . ($ids =~ s/ /, /gr) . ')'),
	'identify contact ada@example.com delivered, group company acme.example delivered, record deal A-5 delivered', 'each by its own call');
is($sim->contact('ada@example.com')->{properties}{city}, 'Rome', 'a contact');
ask(q{CREATE TABLE orders (id text PRIMARY KEY, title text, stage text);
	CREATE TRIGGER to_hubspot AFTER INSERT ON orders REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION hubspot_trigger('record deal', '', '{"id": "id", "dealname": "title", "dealstage": "stage"}');
	INSERT INTO orders SELECT 'T-' || i, 'Order ' || i, 'closedwon' FROM generate_series(1, 150) i});
wait_drained($node, 'postgres');
is(ask(q{SELECT source, count(*), count(*) FILTER (WHERE verdict = 'delivered') FROM hubspot.outbox_status WHERE key LIKE 'T-%' GROUP BY 1}), 'trigger|150|150', 'rows of a table');
my $replayed = ask(q{SELECT hubspot_replay('-infinity', 'infinity', object => 'ticket')});
wait_drained($node, 'postgres');
is(ask(q{SELECT count(*), min(call::text), min(verdict) FROM hubspot.outbox_status WHERE replay_of IS NOT NULL}), '1|record|delivered', 'a repeat of the tickets alone');
stop_delivery($node);
my $unwanted = ask(record('ticket', '{"id": "C-1", "subject": "No"}'));
my $wanted = ask(record('deal', '{"id": "A-5", "amount": 1}'));
is(ask(q{SELECT hubspot_cancel(object => 'ticket')}), 1, 'what is cancelled is of one type');
is(ask(q{SELECT string_agg(lane || ' ' || queued || ' ' || requests, ', ' ORDER BY lane) FROM hubspot_explain_backlog()}), 'deals 1 1, tickets 1 1', 'what would go out');
resume_delivery($node);
wait_drained($node, 'postgres');
is(row($unwanted, 'verdict') . ' ' . row($wanted, 'verdict'), 'cancelled delivered', 'the other one goes');

#
# A record that fails for a reason of its own is tried again, and holds up its own key alone
#
$sim->fault(match => { path => 'deals/batch/upsert', record => 'slow' }, action => 'record_error', category => 'INTERNAL_ERROR', times => 0);
my $slow = ask(record('deal', '{"id": "slow", "dealname": "Slow", "dealstage": "closedwon"}'));
my $behind = ask(record('deal', '{"id": "slow", "amount": 4}'));
my $quick = ask(record('deal', '{"id": "quick", "dealname": "Quick", "dealstage": "closedwon"}'));
becomes(sub { row($slow, 'state') }, 'deferred', 'it is put off');
becomes(sub { row($quick, 'verdict') }, 'delivered', 'others go on');
$sim->clear_faults;
ask("SELECT hubspot_retry($slow)");
wait_drained($node, 'postgres');
is(properties('deals', 'slow', 'order_ref')->{amount}, '4', 'then it goes, and what waited behind it');

#
# Trouble of one type stops its lane alone
#
$sim->config(scopes => [ map { ("crm.objects.$_.read", "crm.objects.$_.write") } qw(contacts companies deals custom) ]);
my $forbidden = ask(record('ticket', '{"id": "A-1", "subject": "Forbidden"}'));
my $allowed = ask(record('deal', '{"id": "A-5", "amount": 2}'));
becomes(sub { ask(q{SELECT state, reason FROM hubspot.status WHERE server = 'crm' AND lane = 'tickets'}) }, qr/^FORBIDDEN\|.*tickets/, 'the token lacks a scope of tickets');
becomes(sub { row($allowed, 'verdict') }, 'delivered', 'deals go on');
$sim->config(scopes => undef);
$node->reload;
becomes(sub { row($forbidden, 'verdict') }, 'delivered', 'nothing is lost');

# The key cannot be one
my $lacking = ask(record('ticket', '{"id": "L-1", "subject": "Key", "hs_pipeline_stage": "1"}', "'wrong'"));
my $ambiguous = ask(record('deal', '{"id": "L-1", "dealstage": "closedwon"}', "'wrong'"));
becomes(sub { ask(q{SELECT state, reason FROM hubspot.status WHERE server = 'wrong' AND lane = 'deals'}) }, qr/^MISCONFIGURED\|.*not unique.*id_properties 'dealname'/, 'a key that is not unique');
becomes(sub { ask(q{SELECT state, reason FROM hubspot.status WHERE server = 'wrong' AND lane = 'tickets'}) }, qr/^MISCONFIGURED\|.*SELECT hubspot_create_property\('ticket', 'lacking'/, 'a key that HubSpot lacks');
becomes(sub { ask(q{SELECT string_agg(problem, ' ') FROM hubspot_health()}) }, qr/account wrong, lane tickets: HubSpot lacks/, 'health says so');
my ($remedy) = ask(q{SELECT reason FROM hubspot.status WHERE server = 'wrong' AND lane = 'tickets'}) =~ /(SELECT .*)/;
ask($remedy);
becomes(sub { row($lacking, 'verdict') }, 'delivered', 'the statement in the reason mends it');
is(row($ambiguous, 'state'), 'waiting', 'the other type waits for its own');
ask(q{SELECT hubspot_cancel(server => 'wrong')});

#
# Properties are created in the group of the type
#
is(ask(q{SELECT hubspot.object_named('p_car', 'maker')}), $car, 'a custom object is known by its name');
my ($cart, $plated) = together(
	record('cart', '{"id": "S-1", "weight": 2}', "'maker'"),
	record('p_car', '{"id": "B-1", "wheels": 4}', "'maker'"));
is(row($cart, 'verdict, warnings') . ' ' . row($plated, 'verdict, warnings'), 'delivered| delivered|', 'what HubSpot lacks is created');
is(properties('carts', 'S-1', 'cart_ref')->{weight}, '2', 'a number, beside the key');
is(join(' ', map { $sim->api('GET', "/crm/v3/properties/$_->[0]/$_->[1]")->{groupName} } [ 'carts', 'weight' ], [ $car, 'wheels' ]), 'cartinformation car_information', 'in the groups that HubSpot has');
my $made = ask(q{SELECT hubspot_create_property('order', 'colour', 'string', server => 'maker')});
becomes(sub { row($made, 'verdict') }, 'delivered', 'of a type that nothing else is about');
is($sim->api('GET', '/crm/v3/properties/orders/colour')->{groupName}, 'orderinformation', 'in its group, too');
ask(record('deal', '{"id": "A-5", "strange": true}', "'crm'"));
wait_drained($node, 'postgres');
becomes(sub { ask(q{SELECT statement FROM hubspot.unknown_properties WHERE server = 'crm' AND name = 'strange'}) }, qr/^SELECT public\.hubspot_create_property\('deal', 'strange', /, 'what is not created is proposed');

# A pause holds for a lane that comes to be
ask(q{SELECT hubspot_pause('crm', 'quotes')});
my $paused = ask(record('quote', '{"record_id": 5, "hs_title": "Later"}'));
becomes(sub { ask(q{SELECT state FROM hubspot.status WHERE lane = 'quotes'}) }, 'PAUSED', 'the lane of the first quote');
is(row($paused, 'state'), 'waiting', 'sends nothing');
ask(q{SELECT hubspot_resume('crm', 'quotes')});
wait_drained($node, 'postgres');
is(row($paused, 'verdict, category'), 'rejected|quote_not_found', 'then it goes');

done_testing();
