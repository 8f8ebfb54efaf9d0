# Values that are chosen from a list of HubSpot's own: owners, pipelines and their stages.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $car = $sim->add_schema(name => 'car')->{objectTypeId};
$sim->add_property($_->[0], name => $_->[1], type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true)
	for [ 'deals', 'order_ref' ], [ 'tickets', 'ticket_ref' ], [ $car, 'vin' ];

# Labels and ids of their own, some of which several pipelines have.
sub pipeline
{
	my ($object, $label, @stages) = @_;
	my $made = $sim->api('POST', "/crm/v3/pipelines/$object", { label => $label, displayOrder => 5,
		stages => [ map { { label => $stages[$_], displayOrder => $_, metadata => { probability => '0.5' } } } 0 .. $#stages ] });
	return ($made->{id}, map { $_->{label} => $_->{id} } @{ $made->{stages} });
}
my ($partners, %partner) = pipeline('deals', 'Partners', 'Talks', 'Signed', 'Shared');
my ($renewals, %renewal) = pipeline('deals', 'Renewals', 'Due', 'Shared');
my ($garage, %place) = pipeline($car, 'Garage', 'On the lot', 'Sold');
my $node = hubspot_cluster('choices');
create_account($node, 'postgres', 'crm', $sim, skip_unchanged => 'on', id_properties => "deal=order_ref, ticket=ticket_ref, $car=vin");

sub ask { return $node->safe_psql('postgres', shift) }

# How often HubSpot was asked; what has ended since, was asked for before.
sub requests_for { my ($what) = @_; return ask("SELECT count(*) FROM hubspot.request WHERE path LIKE '%/$what%'") }

# Waits for a row's verdict; "verdict: codes of its warnings".
sub ended
{
	my ($id) = @_;
	$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM hubspot.result WHERE id = $id") or die "row $id has not ended";
	return ask("SELECT concat_ws(': ', verdict, nullif(concat_ws(' ', category, (SELECT string_agg(w->>'code', ' ' ORDER BY n) FROM jsonb_array_elements(warnings) WITH ORDINALITY AS w(w, n))), ''))
		FROM hubspot.outbox_status WHERE id = $id");
}

sub identified
{
	my ($key, $traits) = @_;
	return ended(ask(qq{SELECT hubspot_identify('{"userId": "$key\@example.com", "traits": $traits}')}));
}

sub owner { my ($key) = @_; my $contact = $sim->contact("$key\@example.com"); return $contact ? $contact->{properties}{hubspot_owner_id} // 'none' : 'no contact' }

subtest 'owners are read when a value needs them' => sub {
	is(identified('plain', '{"firstname": "P"}'), 'delivered', 'a contact without an owner');
	is(requests_for('owners'), 0, '... has nobody read them');
	is(ask(q{SELECT count(*) FROM hubspot.owner}), 0, '... and none is there');
	is(identified('a', '{"hubspot_owner_id": "Ada.Owner@example.com", "firstname": "A"}'), 'delivered', 'an address');
	is(owner('a'), '41629779', '... became the id');
	is(identified('b', '{"Owner": "grace hopper"}'), 'delivered', 'a name, and the short name of the property');
	is(owner('b'), '41629780', '... became the id');
	is(identified('c', '{"hubspot_owner_id": 41629781}'), 'delivered', 'an id, of a queue');
	is(owner('c'), '41629781', '... is sent');
	is(requests_for('owners'), 1, 'one request for all of them');
	is(ask(q{SELECT string_agg(concat_ws(' ', id, email, name, type, archived), ', ' ORDER BY id) FROM hubspot.owner}),
		'41629779 ada.owner@example.com Ada Lovelace PERSON f, 41629780 grace.owner@example.com Grace Hopper PERSON f, 41629781 QUEUE f', 'the table');
};

subtest 'skip_unchanged goes by the id' => sub {
	is(identified('a', '{"owner": "Ada Lovelace", "firstname": "A"}'), 'unchanged', 'the same owner by another word');
	is(identified('a', '{"owner": "Grace Hopper"}'), 'delivered', 'another one');
	is(owner('a'), '41629780', '... is sent');
	is(identified('a', '{"owner": null}'), 'delivered', 'none');
	is(owner('a') =~ s/^$/none/r, 'none', '... clears');
};

subtest 'who is not there' => sub {
	my $before = requests_for('owners');
	is(identified('d', '{"owner": "nobody@example.com", "firstname": "D"}'), 'delivered: unknown_owner', 'nobody of that address: the record goes out');
	is($sim->contact('d@example.com')->{properties}{firstname}, 'D', '... with the rest');
	is(requests_for('owners'), $before + 1, 'they are read again before anybody is left out');
	is(identified('e', '{"owner": "former.owner@example.com"}'), 'delivered: unknown_owner', 'one who was archived before they were read');
	is(requests_for('owners'), $before + 1, '... not again within the half minute');
	is(ask(q{SELECT w->>'detail' FROM hubspot.result, jsonb_array_elements(warnings) w ORDER BY id DESC LIMIT 1}), 'no owner has the e-mail address "former.owner@example.com"', 'what was looked for is said');
};

subtest 'what a definition went without is sent when HubSpot has it' => sub {
	ask(q{CREATE TABLE people (email text PRIMARY KEY, first_name text, manager text);
		INSERT INTO people SELECT 'p' || i || '@example.com', 'P' || i, CASE WHEN i % 2 = 0 THEN 'new@example.com' ELSE 'Ada Lovelace' END FROM generate_series(1, 6) i;
		SELECT hubspot_sync('people', 'people', mapping => '{"email": "email", "firstname": "first_name", "hubspot_owner_id": "manager"}')});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 3 FROM hubspot.sync_trouble WHERE lacks = '{hubspot_owner_id}'}), 'three records lack their owner');
	is(owner('p1'), '41629779', 'the others have theirs');
	is(ask(q{SELECT string_agg(code || ' ' || property, ',') FROM hubspot.sync_property WHERE code <> ''}), 'unknown_owner hubspot_owner_id', 'it is counted');
	$sim->set_owner(id => '41629790', email => 'new@example.com', firstName => 'New', lastName => 'One', userId => 1);
	ask(q{SELECT hubspot_refresh_schema()});
	ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM hubspot.sync_trouble}), 'when HubSpot has the owner, they are sent again');
	is(join(' ', map { owner("p$_") } 2, 4, 6), '41629790 41629790 41629790', '... and arrive');
};

subtest 'HubSpot refuses one that it has told' => sub {
	for my $readings ([], ['other_codes'])
	{
		$sim->config(readings => $readings);
		$sim->set_owner(id => '41629790', email => 'new@example.com', firstName => 'New', lastName => 'One', userId => 1, archived => \1);
		my $case = @$readings ? 'o' : 'r';
		my %who = (1 => 'Ada Lovelace', 2 => 'new@example.com', 3 => 'Ada Lovelace');
		my @ids = map { ask(qq{SELECT hubspot_identify('{"userId": "$case$_\@example.com", "traits": {"owner": "$who{$_}", "firstname": "F$_"}}')}) } 1 .. 3;
		is(join(', ', map { ended($_) } @ids), 'delivered, delivered: unknown_owner, delivered', "the record goes without it (@$readings)");
		is($sim->contact("${case}2\@example.com")->{properties}{firstname}, 'F2', '... with the rest');
		$sim->set_owner(id => '41629790', email => 'new@example.com', firstName => 'New', lastName => 'One', userId => 1, archived => \0);
	}
	$sim->config(readings => []);
	$sim->set_owner(id => '41629790', archived => \1);
	ask(q{SELECT hubspot_refresh_schema()});
	ok($node->poll_query_until('postgres', q{SELECT archived FROM hubspot.owner WHERE id = '41629790'}), 'who is not told any more is archived');
	is(identified('r4', '{"owner": "New One"}'), 'delivered: unknown_owner', '... and left out');
	like(ask(q{SELECT w->>'detail' FROM hubspot.result, jsonb_array_elements(warnings) w ORDER BY id DESC LIMIT 1}), qr/is archived in HubSpot/, '... as the warning says');
};

sub recorded
{
	my ($object, $key, $properties) = @_;
	return ended(ask(qq{SELECT hubspot_record('$object', '{"id": "$key", "properties": $properties}')}));
}

sub deal { my ($key) = @_; my $deal = $sim->object('deals', $key, 'order_ref'); return join(' ', map { $deal->{properties}{$_} // 'none' } qw(pipeline dealstage)) }

# What the last warning says.
sub detail { return ask(q{SELECT w->>'detail' FROM hubspot.result, jsonb_array_elements(warnings) w ORDER BY id DESC LIMIT 1}) }

subtest 'a stage by label or id, forwards and backwards' => sub {
	is(recorded('deal', 'd1', '{"dealname": "One", "dealstage": "closed WON"}'), 'delivered', 'a label of the default pipeline');
	is(deal('d1'), 'default closedwon', '... and its pipeline');
	is(requests_for('pipelines/'), 1, 'the pipelines of this object are read, once');
	is(recorded('deal', 'd1', '{"stage": "appointmentscheduled"}'), 'delivered', 'backwards, by an id and by the short name');
	is(deal('d1'), 'default appointmentscheduled', '... as in HubSpot');
	is(recorded('deal', 'd1', '{"stage": "Appointment Scheduled", "dealname": "Uno"}'), 'delivered', 'the same again, with a new name');
	is_deeply([ sort keys %{ ($sim->requests)[-1]{body}{inputs}[0]{properties} } ], ['dealname'], '... sends neither of the two') if ref(($sim->requests)[-1]{body});
	is(recorded('deal', 'd1', '{"stage": "Talks"}'), 'delivered', 'of another pipeline, which alone has it');
	is(deal('d1'), "$partners $partner{Talks}", '... moves the deal there');
	is(recorded('deal', 'd1', '{"stage": "signed"}'), 'delivered', 'on in this pipeline');
	is(deal('d1'), "$partners $partner{Signed}", '... with the pipeline, without which HubSpot would look in the default one');
	is(recorded('deal', 'd1', '{"pipeline": "renewals", "stage": "Shared"}'), 'delivered', 'the pipeline decides which of two of one label');
	is(deal('d1'), "$renewals $renewal{Shared}", '... it is');
	is(recorded('ticket', 't1', '{"subject": "T", "hs_pipeline_stage": "New"}'), 'delivered', 'a ticket');
	is($sim->object('tickets', 't1', 'ticket_ref')->{properties}{hs_pipeline_stage}, '1', '... has properties of other names');
	is(recorded($car, 'c1', '{"stage": "sold", "owner": "ada.owner@example.com"}'), 'delivered', 'a custom object');
	is(join(' ', map { $sim->object($car, 'c1', 'vin')->{properties}{$_} } qw(hs_pipeline hs_pipeline_stage hubspot_owner_id)), "$garage $place{Sold} 41629779", '... and its owner');
	is(ask(q{SELECT string_agg(DISTINCT object || ' ' || pipeline_label, ', ') FROM hubspot.pipeline_stage WHERE object = 'deal'}), 'deal Partners, deal Renewals, deal Sales Pipeline', 'the table');
};

subtest 'a stage that is not there' => sub {
	my $before = requests_for('pipelines/');
	is(recorded('deal', 'd1', '{"stage": "Nowhere", "dealname": "Two"}'), 'delivered: unknown_stage', 'the record goes out');
	is($sim->object('deals', 'd1', 'order_ref')->{properties}{dealname}, 'Two', '... with the rest');
	is(requests_for('pipelines/'), $before + 1, 'the pipelines of this object are read again first');
	like(detail(), qr/^there is no stage "Nowhere"; the stages of pipeline "Sales Pipeline" are: "Appointment Scheduled" \(appointmentscheduled\), /, 'the warning lists the stages');
	is(recorded('deal', 'd1', '{"stage": "Shared", "dealname": "Three"}'), 'delivered: unknown_stage', 'of two pipelines, and none is named');
	like(detail(), qr/^several pipelines have a stage "Shared"/, '... as is said');
	is(recorded('deal', 'd1', '{"pipeline": "Partners", "stage": "Due", "dealname": "Four"}'), 'delivered: unknown_stage', 'of another pipeline than the one named');
	is(recorded('deal', 'd1', '{"pipeline": "Nope", "stage": "Due", "dealname": "Five"}'), 'delivered: unknown_pipeline unknown_stage', 'of a pipeline that is not there');
	is(deal('d1'), "$renewals $renewal{Shared}", 'none of these has moved the deal');
	is(recorded('deal', 'd1', '{"dealstage": ["x"], "dealname": "Six"}'), 'delivered: unknown_stage', 'no text');
};

subtest 'rows that are merged say one thing' => sub {
	my @moves = (
		[ 'the newest stage decides, with its pipeline', '{"dealname": "M", "pipeline": "Partners", "stage": "Talks"}', '{"stage": "closedlost"}', 'default closedlost' ],
		[ 'a newer pipeline keeps an older stage of its own', '{"dealname": "M", "stage": "Due"}', '{"pipeline": "Renewals"}', "$renewals $renewal{Due}" ],
		[ 'a stage that is not there decides nothing', '{"dealname": "M", "pipeline": "Partners", "stage": "Signed"}', '{"stage": "Nowhere"}', "$partners $partner{Signed}" ]);
	my @ids = queue_together($node, map { my $n = $_; map { qq{SELECT hubspot_record('deal', '{"id": "m$n", "properties": $moves[$n][$_]}')} } 1, 2 } 0 .. $#moves);
	is(ask("SELECT string_agg(verdict::text, ' ' ORDER BY id) FROM hubspot.outbox_status WHERE id IN (" . join(',', @ids) . ')'), join(' ', ('coalesced delivered') x 3), 'each two rows are one record');
	is(deal("m$_"), $moves[$_][3], $moves[$_][0]) for 0 .. $#moves;
};

subtest 'HubSpot refuses a stage that it has told' => sub {
	for my $readings ([], ['other_codes'])
	{
		$sim->config(readings => $readings);
		my ($new, %stage) = pipeline('deals', "Short-lived @$readings", 'Gone');
		ask(q{SELECT hubspot_refresh_schema()});
		$node->poll_query_until('postgres', "SELECT count(*) = 1 FROM hubspot.pipeline_stage WHERE pipeline = '$new'") or die;
		$sim->api('DELETE', "/crm/v3/pipelines/deals/$new");
		is(recorded('deal', 'd1', qq({"stage": "Gone", "dealname": "X$new"})), 'delivered: unknown_stage', "the pipelines are read again, and the record goes without it (@$readings)");
	}
	$sim->config(readings => []);
};

done_testing();
