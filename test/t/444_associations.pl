# Any two records are associated, with labels and without: they wait for both, in whatever order they are told,
# keep what others have said of them, and go in requests as large as HubSpot takes.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('companies', name => 'our_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('associations');
$sim->add_property($_, name => 'our_ref', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true) for qw(deals tickets leads line_items 0-410);
create_account($node, 'postgres', 'crm', $sim, company_id_property => 'our_id', id_properties => 'deal=our_ref, ticket=our_ref, lead=our_ref, line_item=our_ref, course=our_ref');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

# How a row has ended: verdict, category, codes of warnings.
sub verdict
{
	my ($id) = @_;
	return ask("SELECT concat_ws(' ', verdict, category, (SELECT string_agg(w->>'code', ' ') FROM jsonb_array_elements(warnings) w))"
		. " FROM hubspot.outbox_status WHERE id = $id");
}

# Queued rows have ended.
sub deliver
{
	my @ids = map { ask("SELECT $_") } @_;
	wait_drained($node, 'postgres');
	return @ids;
}

sub group { return qq{hubspot_group('{"groupId": "$_[0]", "traits": {"name": "$_[0]"}}')} }
sub contact { return qq{hubspot_identify('{"email": "$_[0]"}')} }

# Companies that HubSpot has a contact in.
sub companies_of
{
	my $contact = $sim->contact($_[0]) // return 'no contact';
	my %name = map { $_->{id} => $_->{properties}{our_id} } map { $sim->company($_, 'our_id') // () } qw(acme beta gone);
	return join ' ', sort map { $name{ $_->{to_id} } // 'other' } grep { $_->{from_id} eq $contact->{id} } $sim->associations('contacts', 'companies');
}

subtest 'records that are there, in either direction' => sub {
	deliver(contact('ada@example.com'), group('acme'));
	my ($there, $back) = deliver(q{hubspot_associate('contact', 'ada@example.com', 'company', 'acme')},
		q{hubspot_associate('company', 'acme', 'contact', 'Ada@Example.com ')});
	is(verdict($there), 'delivered', 'from a contact to a company');
	is(verdict($back), 'delivered', 'and back');
	is(companies_of('ada@example.com'), 'acme', 'HubSpot has the association');
	my ($gone) = deliver(q{hubspot_dissociate('company', 'acme', 'contact', 'ada@example.com')});
	is(verdict($gone), 'delivered', 'taken apart');
	is(companies_of('ada@example.com'), '', 'HubSpot has it no more');
};

sub queue { return ask("SELECT $_[0]") }

# Waits for what a row's column says.
sub row_becomes
{
	my ($id, $column, $wanted, $name) = @_;
	return becomes(sub { ask("SELECT coalesce($column\::text, '') FROM hubspot.outbox_status WHERE id = $id") }, $wanted, $name);
}

sub requests { my ($path) = @_; return grep { $_->{path} =~ $path } $sim->requests }

subtest 'both are waited for' => sub {
	my $pair = queue(q{hubspot_associate('company', 'beta', 'contact', 'bob@example.com')});
	row_becomes($pair, 'state', 'deferred', 'nobody has told either');
	queue(contact('bob@example.com'));
	queue(group('beta'));
	row_becomes($pair, 'verdict', 'delivered', 'when both are told it goes on');
	is(companies_of('bob@example.com'), 'beta', 'HubSpot has the association');
};

subtest 'across restarts, and by a userId' => sub {
	my $pair = queue(q{hubspot_associate('contact', 'u-7', 'company', 'acme')});
	row_becomes($pair, 'state', 'deferred', 'nobody has told whom the userId means');
	$node->restart;
	queue(q{hubspot_identify('{"userId": "u-7", "traits": {"email": "seven@example.com"}}')});
	row_becomes($pair, 'verdict', 'delivered', 'told after a restart');
	is(companies_of('seven@example.com'), 'acme', 'HubSpot has the association');
};

subtest 'what HubSpot has and no call has told' => sub {
	$sim->api('POST', '/crm/v3/objects/contacts', { properties => { email => 'theirs@example.com' } });
	my $company = $sim->api('POST', '/crm/v3/objects/companies', { properties => { name => 'By domain', domain => 'bydomain.com' } });
	create_account($node, 'postgres', 'plain', $sim);
	my ($pair) = deliver(q{hubspot_associate('contact', 'theirs@example.com', 'company', 'acme', server => 'crm')});
	is(verdict($pair), 'delivered', 'found by its key');
	my $id = $sim->company('acme', 'our_id')->{id};
	my $message = qq{{"from_object": "contact", "from_id": "bob\@example.com", "to_object": "company", "to_record_id": $id}};
	($pair) = deliver(qq{hubspot_enqueue('associate', ARRAY['$message'::jsonb], 'crm')});
	is(verdict($pair), 'delivered', q{by HubSpot's own id});
	is(companies_of('bob@example.com'), 'acme beta', 'the other one stays');
	ask(q{ALTER SERVER plain OPTIONS (ADD unknown_user_wait '0')});
	($pair) = deliver(q{hubspot_associate('contact', 'theirs@example.com', 'contact', 'nobody@example.com', server => 'plain')});
	is(verdict($pair), 'rejected contact_not_found', 'who is nowhere ends the row when its time is over');
	($pair) = deliver(q{hubspot_dissociate('contact', 'theirs@example.com', 'contact', 'nobody@example.com', server => 'plain')});
	is(verdict($pair), 'unchanged contact_not_found', 'who is nowhere is associated with nobody');
};

subtest 'as many as HubSpot takes' => sub {
	queue_together($node, q{SELECT count(*) FROM (SELECT hubspot_identify(jsonb_build_object('email', 'many' || n || '@example.com')) FROM generate_series(1, 1100) n) x});
	wait_drained($node, 'postgres');
	my $before = () = requests(qr{/batch/associate/default});
	queue_together($node, q{SELECT count(*) FROM (SELECT hubspot_associate('contact', 'many' || n || '@example.com', 'company', 'acme') FROM generate_series(1, 1100) n) x});
	wait_drained($node, 'postgres');
	is(ask(q{SELECT string_agg(DISTINCT r.verdict::text, ' ') FROM hubspot.outbox o JOIN hubspot.result r USING (id) WHERE o.key LIKE '%many%' AND o.call = 'associate'}),
		'delivered', 'thousands of pairs of one company');
	cmp_ok((() = requests(qr{/batch/associate/default})) - $before, '<=', 2, 'in requests of up to 2,000');
	is(companies_of('many1100@example.com'), 'acme', 'HubSpot has them');
};

# The labels of two records, as the first one sees them.
sub labels_of
{
	my ($from, $from_id, $to, $to_id) = @_;
	my ($pair) = grep { $_->{from_id} eq $from_id && $_->{to_id} eq $to_id } $sim->associations($from, $to);
	return defined $pair ? join ', ', sort @{ $pair->{labels} } : 'none';
}

subtest 'labels' => sub {
	my $ada = (deliver(contact('ada@example.com')))[0];
	$ada = $sim->contact('ada@example.com')->{id};
	my ($acme, $beta) = map { $sim->company($_, 'our_id')->{id} } qw(acme beta);
	my @ids = queue_together($node,
		q{SELECT hubspot_associate('contact', 'ada@example.com', 'company', 'acme', 'Decision maker')},
		q{SELECT hubspot_create_label('contact', 'company', 'Decision maker')},
		q{SELECT hubspot_create_label('company', 'contact', 'Is paid by', 'Pays')},
		q{SELECT hubspot_associate('contact', 'ada@example.com', 'company', 'acme', 'decision MAKER')},
		q{SELECT hubspot_associate('company', 'acme', 'contact', 'ada@example.com', 'Is paid by')},
		q{SELECT hubspot_associate('contact', 'ada@example.com', 'company', 'acme')},
		q{SELECT hubspot_associate('contact', 'ada@example.com', 'company', 'acme', 'Decision maker')});
	wait_drained($node, 'postgres');
	is(verdict($ids[0]), 'delivered unknown_label', 'a label that HubSpot does not have does not cost the association');
	is(verdict($ids[$_]), 'delivered', 'a label is created') for 1, 2;
	is(verdict($ids[3]), 'delivered', 'queued after its creation it is there, in whatever case');
	is(verdict($ids[4]), 'delivered', 'another one, from the other side');
	is(verdict($ids[6]), 'unchanged', 'one that the pair has');
	is(labels_of('contacts', $ada, 'companies', $acme), 'Decision maker, Pays', 'all of them are kept');
	@ids = deliver(q{hubspot_dissociate('contact', 'ada@example.com', 'company', 'acme', 'Pays')},
		q{hubspot_dissociate('contact', 'ada@example.com', 'company', 'acme', 'No such')});
	is(join('|', map { verdict($_) } @ids), 'delivered|rejected unknown_label', 'one is taken away, one is not there');
	is(labels_of('contacts', $ada, 'companies', $acme), 'Decision maker', 'the other one stays');
	like(ask("SELECT message FROM hubspot.outbox_status WHERE id = $ids[1]"), qr/"Decision maker".*hubspot_create_label\('contact', 'company', 'No such'\)/,
		'what is said of it lists those that there are');
	is((deliver(q{hubspot_create_label('contact', 'company', 'Decision maker')}))[0] =~ s/(\d+)/verdict($1)/er, 'unchanged', 'a label that is there');
};

subtest 'a label that HubSpot has forgotten' => sub {
	my $labels = '/crm/v4/associations/contacts/companies/labels';
	my $drop = sub {
		my ($contact) = @_;
		my ($label) = grep { ($_->{label} // '') eq 'Short lived' } @{ $sim->api('GET', $labels)->{results} };
		deliver("hubspot_dissociate('contact', '$contact', 'company', 'acme', 'Short lived')");    # else it is in use
		$sim->api('DELETE', "$labels/$label->{typeId}");
		is(scalar(grep { ($_->{label} // '') eq 'Short lived' } @{ $sim->api('GET', $labels)->{results} }), 0, 'it is gone');
	};
	deliver(q{hubspot_create_label('contact', 'company', 'Short lived')});
	deliver(q{hubspot_associate('contact', 'ada@example.com', 'company', 'acme', 'Short lived')});
	$drop->('ada@example.com');
	$sim->api('POST', $labels, { name => 'short_again', label => 'Short lived' });
	my ($pair) = deliver(q{hubspot_associate('contact', 'bob@example.com', 'company', 'acme', 'Short lived')});
	is(verdict($pair), 'delivered', 'one that has another number is read again');
	$drop->('bob@example.com');
	($pair) = deliver(q{hubspot_associate('contact', 'bob@example.com', 'company', 'beta', 'Short lived')});
	is(verdict($pair), 'delivered unknown_label', 'one that is gone costs no association');
};

subtest 'the primary company moves' => sub {
	my $primary = sub { join ' ', map { $_->{to_id} } grep { $_->{from_id} eq $_[0] && $_->{primary} } $sim->associations('contacts', 'companies') };
	my $ada = $sim->contact('ada@example.com')->{id};
	my ($acme, $beta) = map { $sim->company($_, 'our_id')->{id} } qw(acme beta);
	deliver(q{hubspot_associate('contact', 'ada@example.com', 'company', 'acme', 'Primary')});
	is($primary->($ada), $acme, 'it is a label');
	is(labels_of('contacts', $ada, 'companies', $acme) =~ /Decision maker/ ? 1 : 0, 1, 'beside which the others stay');
	deliver(q{hubspot_associate('contact', 'ada@example.com', 'company', 'beta', 'Primary')});
	is($primary->($ada), $beta, 'and goes with another company');
	deliver(q{hubspot_dissociate('contact', 'ada@example.com', 'company', 'beta', 'Primary')});
	is($primary->($ada), '', 'or away');
	is(companies_of('ada@example.com'), 'acme beta', 'the companies stay');
};

subtest 'other objects' => sub {
	my $deal = $sim->api('POST', '/crm/v3/objects/deals', { properties => { dealname => 'Order', dealstage => 'closedwon' } })->{id};
	my $ticket = $sim->api('POST', '/crm/v3/objects/tickets', { properties => { subject => 'Help', hs_pipeline_stage => '1' } })->{id};
	my @ids = deliver(map { "hubspot_enqueue('associate', ARRAY['$_'::jsonb])" }
		qq{{"from_object": "deal", "from_record_id": "$deal", "to_object": "company", "to_id": "acme"}},
		qq{{"from_object": "0-5", "from_record_id": $ticket, "to_object": "deal", "to_record_id": $deal}},
		qq{{"from_object": "ticket", "from_record_id": $ticket, "to_object": "deal", "to_record_id": 99999999}});
	is(join('|', map { verdict($_) } @ids[0, 1]), 'delivered|delivered', 'a deal with a company, a ticket with a deal');
	like(verdict($ids[2]), qr/^rejected .*NOT_FOUND/, 'a record id that HubSpot does not have');
	is(labels_of('deals', $deal, 'companies', $sim->company('acme', 'our_id')->{id}), '', 'HubSpot has it');
	is(labels_of('deals', $deal, 'tickets', $ticket), '', 'seen from either side');
};

subtest 'in the message of a record' => sub {
	my ($deal) = deliver(q{hubspot_record('deal', '{"id": "A-1", "properties": {"dealname": "Order", "dealstage": "closedwon"}, "associations":
		[{"object": "company", "id": "acme"}, {"object": "contact", "id": "later@example.com"}, {"object": "ticket", "id": "T-1"}]}')},
		q{hubspot_record('contact', '{"email": "later@example.com", "associations": [{"object": "company", "id": "beta", "label": "Decision maker"}]}')},
		q{hubspot_record('ticket', '{"id": "T-1", "properties": {"subject": "Help", "hs_pipeline_stage": "1"}}')});
	is(ask("SELECT string_agg(concat_ws(' ', call, verdict), ', ' ORDER BY id) FROM hubspot.outbox_status WHERE id = $deal OR parent = $deal"),
		'record delivered, associate delivered, associate delivered, associate delivered', 'rows of their own, which belong to the record');
	my ($id) = map { $_->{id} } grep { ($_->{properties}{our_ref} // '') eq 'A-1' } $sim->records('deals');
	is(scalar(grep { $_->{from_id} eq $id } $sim->associations('deals', $_)), 1, "HubSpot has that with $_") for qw(companies contacts tickets);
	is(companies_of('later@example.com'), 'beta', 'and that of a contact');
	is(ask(q{SELECT string_agg(object, ' ') FROM hubspot_explain('record', '{"object": "deal", "id": "A-1", "properties": {}, "associations": [{"object": "company", "id": "acme"}]}')}),
		'deal pair', 'explained');
};

subtest 'an object that the account has not activated' => sub {
	my $lane = sub { ask(q{SELECT state || ': ' || reason FROM hubspot.status WHERE lane = 'courses'}) };
	my @courses = map { queue(qq{hubspot_record('course', '{"id": "C-$_", "properties": {"hs_course_name": "$_"}}')}) } 1 .. 3;
	becomes($lane, qr/^MISDIRECTED: the account has no such object: Unable to infer object type from/, 'stops its own lane');
	is(join(' ', map { verdict($_) } @courses), '  ', 'and costs no row');
	my @pairs = map { queue(qq{hubspot_enqueue('associate', ARRAY['{"from_object": "company", "from_id": "acme", "to_object": "course", "to_record_id": $_}'::jsonb])}) } 1 .. 3;
	row_becomes($_, q{concat_ws(' ', verdict, category)}, 'rejected unknown_object', 'what names it as one of two is refused') for @pairs;
	row_becomes(queue(q{hubspot_associate('contact', 'ada@example.com', 'company', 'beta')}), 'verdict', qr/^(?:delivered|unchanged)$/, 'other pairs go on');
	$sim->config(activated => ['0-410']);
	$node->reload;
	becomes(sub { join ' ', map { verdict($_) =~ s/ .*//r } @courses }, 'delivered delivered delivered', 'activated, it goes on');
};

# The record of our id, and what HubSpot has associated it with.
sub found { my ($type, $ref) = @_; return (grep { ($_->{properties}{our_ref} // '') eq $ref } $sim->records($type))[0] }

sub lead_of
{
	my $lead = found('leads', $_[0]) // return 'no lead';
	return join ' ', map { my $type = $_; map { $type . ($_->{primary} ? '*' : '') } grep { $_->{from_id} eq $lead->{id} } $sim->associations('leads', $type) } qw(contacts companies deals);
}

sub lead { my ($id, $associations, $more) = @_; return qq{hubspot_record('lead', '{"id": "$id", "properties": {"hs_lead_name": "$id"}, "associations": [$associations]$more}')} }

sub writes { return scalar requests(qr{/leads/batch/(?:create|update|upsert)$}) }

subtest 'a record that is born with an association' => sub {
	my $known = '{"object": "contact", "id": "seven@example.com"}';
	my $seven = $sim->contact('seven@example.com')->{id};
	my $before = writes();
	my @ids = queue_together($node, map { "SELECT $_" }
		lead('L-1', qq($known, {"object": "companies", "id": "acme"}, {"object": "deal", "id": "A-1"}), ''),
		lead('L-2', '{"object": "contact", "id": "new@example.com"}', ''),
		lead('L-1', '', ', "mode": "create"'),
		contact('new@example.com'),
		qq{count(hubspot_record('lead', '{"hs_lead_name": "M", "associations": [{"object": "contact", "record_id": "$seven"}]}'::jsonb || jsonb_build_object('id', 'M-' || n))) FROM generate_series(1, 120) n});
	is(verdict($ids[0]), 'delivered', 'its contact is known');
	is(lead_of('L-1'), 'contacts* companies* deals', 'all that is known it is born with, and the rest follows');
	is(verdict($ids[1]) . ' ' . lead_of('L-2'), 'delivered contacts*', 'its contact is queued behind it');
	is(verdict($ids[2]), 'unchanged exists', 'a second creation finds the first');
	is(ask(q{SELECT string_agg(DISTINCT concat_ws(' ', r.verdict, r.created), ', ') FROM hubspot.outbox o JOIN hubspot.result r USING (id) WHERE o.object = 'lead' AND o.key LIKE 'M-%'}), 'delivered t', 'many of them');
	cmp_ok(writes() - $before, '<=', 4, 'a hundred in a request');
	is((grep { $_->{path} =~ m{/leads/batch/upsert$} } $sim->requests), 0, 'none of them by an upsert, which takes no associations');
	my $alone = queue(lead('L-3', '{"object": "deal", "id": "A-1"}', ''));
	row_becomes($alone, q{concat_ws(' ', verdict, category)}, 'rejected required_association', 'with a deal alone it is not created');
	like(ask("SELECT message FROM hubspot.outbox_status WHERE id = $alone"), qr/a new one is created with an association to a contact or a company/, '... and the row says why');
	ask("SELECT hubspot_cancel($alone)");
};

subtest 'which HubSpot has already' => sub {
	my $ada = $sim->contact('ada@example.com')->{id};
	$sim->api('POST', '/crm/v3/objects/leads', { properties => { hs_lead_name => 'Theirs', our_ref => 'T-1' },
		associations => [ { to => { id => $ada }, types => [ { associationCategory => 'HUBSPOT_DEFINED', associationTypeId => 578 } ] } ] });
	my @ids = deliver(q{hubspot_record('lead', '{"id": "T-1", "hs_lead_label": "WARM"}')},
		q{hubspot_record('lead', '{"id": "L-1", "hs_lead_label": "HOT"}')},
		q{hubspot_record('lead', '{"id": "L-9", "mode": "update", "hs_lead_label": "HOT"}')},
		q{hubspot_record('lead', '{"id": "L-9", "hs_lead_name": "Alone"}')});
	is(ask("SELECT verdict, created FROM hubspot.outbox_status WHERE id = $ids[0]"), 'delivered|f', 'it is updated without an association');
	is(join(' ', map { found('leads', $_)->{properties}{hs_lead_label} } qw(T-1 L-1)), 'WARM HOT', 'so is one that we have created');
	is(verdict($ids[2]), 'rejected lead_not_found', 'who only updates creates none');
	is(verdict($ids[3]), 'rejected required_association', 'a new one needs an association');
};

subtest 'it waits for the other end' => sub {
	my $lead = queue(lead('W-1', '{"object": "contact", "id": "u-77"}, {"object": "company", "id": "nowhere"}', ''));
	row_becomes($lead, q{concat_ws(' ', state, category)}, 'deferred record_not_found', 'nobody has told either');
	my ($pair) = ask("SELECT min(id) FROM hubspot.outbox WHERE parent = $lead");
	row_becomes($pair, 'state', 'deferred', 'what waits for it waits outside of the window, too');
	$node->restart;
	queue(q{hubspot_identify('{"userId": "u-77", "traits": {"email": "late@example.com"}}')});
	row_becomes($lead, 'verdict', 'delivered', 'told after a restart');
	is(lead_of('W-1'), 'contacts*', 'born with the one that is known');
	row_becomes($pair, 'verdict', 'delivered', 'and what has waited for it goes on');

	ask("SELECT hubspot_cancel(id) FROM hubspot.outbox WHERE parent = $lead AND key LIKE '%nowhere%'");

	# HubSpot has forgotten whom we remember
	$sim->api('DELETE', '/crm/v3/objects/contacts/' . $sim->contact('late@example.com')->{id});
	($lead) = queue(lead('W-2', '{"object": "contact", "id": "late@example.com"}', ''));
	row_becomes($lead, 'state', 'deferred', 'a contact that is gone');
	queue(contact('late@example.com'));
	row_becomes($lead, 'verdict', 'delivered', 'and comes back');
	($lead) = deliver(q{hubspot_record('lead', '{"record_id": "999", "hs_lead_name": "X"}')});
	is(verdict($lead), 'rejected lead_not_found', q{HubSpot's own ids are no new ones});
};

subtest 'a repeat makes no second one' => sub {
	$sim->fault(match => { path => 'leads/batch/create' }, action => 'drop_after', times => 1);
	my ($lead) = deliver(lead('R-1', '{"object": "contact", "id": "seven@example.com"}', ''));
	is(verdict($lead), 'delivered', 'the answer to its creation was lost');
	is(scalar(grep { ($_->{properties}{hs_lead_name} // '') eq 'R-1' } $sim->records('leads')), 1, 'there is one');
};

subtest 'a line item' => sub {
	my ($item, $alone) = deliver(q{hubspot_record('line_item', '{"id": "I-1", "name": "Shirt", "quantity": 2, "associations": [{"object": "deal", "id": "A-1"}]}')},
		q{hubspot_record('line_item', '{"id": "I-2", "name": "Socks"}')});
	is(verdict($item), 'delivered', 'is created with its deal');
	my $id = found('line_items', 'I-1')->{id};
	is(scalar(grep { $_->{from_id} eq $id } $sim->associations('line_items', 'deals')), 1, 'HubSpot has both');
	is(verdict($alone), 'rejected required_association', 'and not without');
};

subtest 'explained before it is sent' => sub {
	my $explain = sub { ask("SELECT object || ' ' || coalesce(path, '') || ' ' || coalesce(body::text, '') || ' ' || coalesce(jsonb_path_query_array(warnings, '\$[*].code')::text, '') FROM hubspot_explain('record', '$_[0]') WHERE object = 'lead'") =~ s/"\d{3,}"/"id"/gr };
	is($explain->('{"object": "lead", "id": "E-1", "hs_lead_name": "X", "associations": [{"object": "contact", "id": "seven@example.com"}, {"object": "company", "id": "nobody"}]}'),
		'lead /crm/objects/2026-09/leads/batch/create {"inputs": [{"properties": {"our_ref": "E-1", "hs_lead_name": "X"}, "associations": [{"to": {"id": "id"}, "types": [{"associationTypeId": 578, "associationCategory": "HUBSPOT_DEFINED"}]}, {"to": {"id": null}, "types": [{"associationTypeId": 580, "associationCategory": "HUBSPOT_DEFINED"}]}], "objectWriteTraceId": "0"}]} []', 'a new one');
	is($explain->('{"object": "lead", "id": "E-1", "hs_lead_name": "X"}'),
		'lead /crm/objects/2026-09/leads/batch/update {"inputs": [{"properties": {"hs_lead_name": "X"}, "objectWriteTraceId": "0"}]} ["required_association"]', 'without an association');
	is($explain->('{"object": "lead", "id": "L-1", "hs_lead_name": "X"}'),
		'lead /crm/objects/2026-09/leads/batch/update {"inputs": [{"id": "id", "properties": {"hs_lead_name": "X"}, "objectWriteTraceId": "0"}]} []', 'one that is known');
};

subtest 'a lead of a table' => sub {
	ask(q{CREATE TABLE prospect (id text PRIMARY KEY, title text, person text)});
	my $needs = sub { ask("SELECT coalesce(string_agg(name, ' '), 'nothing') FROM hubspot_sync_preview('prospect', 'lead', key => 'id', mapping => '{$_[0]}') WHERE item = 'needs'") };
	is($needs->('"hs_lead_name": "title"'), 'associations', 'a preview says that it needs an association');
	is($needs->('"hs_lead_name": "title", "contact": "person"'), 'nothing', '... which a column is');
	ask(q{SELECT hubspot_sync('prospects', 'prospect', 'lead', key => 'id', mapping => '{"hs_lead_name": "title", "contact": "person"}'); INSERT INTO prospect VALUES ('P-1', 'From a table', 'seven@example.com')});
	becomes(sub { lead_of('P-1') }, 'contacts*', 'it is born with that');
};

subtest 'a record that is deleted or erased takes along what waits for the other one' => sub {
	my ($deleted, $erased) = map { queue("hubspot_associate('contact', '$_\@example.com', 'company', 'nowhere')") } qw(ada bob);
	row_becomes($_, 'state', 'deferred', 'waits for the company') for $deleted, $erased;
	queue(q{hubspot_delete('{"email": "ada@example.com"}')});
	row_becomes($deleted, q{concat_ws(' ', verdict, category)}, 'cancelled record_deleted', 'deleted');
	queue(q{hubspot_delete('{"email": "bob@example.com", "gdpr": true}')});
	wait_drained($node, 'postgres');
	is(verdict($erased), 'cancelled erased', 'erased');
	is(ask("SELECT key || coalesce(message::text, '') FROM hubspot.outbox WHERE id = $erased"), '', 'without a trace');
	is(ask(q{SELECT count(*) FROM hubspot.outbox o WHERE o::text LIKE '%bob@example.com%'}), '0', 'of him in any row');
};

subtest 'before it is sent' => sub {
	is(ask(q{SELECT object || ' ' || key || ' ' || path || ' ' || body FROM hubspot_explain('associate',
		'{"from_object": "contact", "from_id": "seven@example.com", "to_object": "company", "to_id": "acme", "label": "Billing"}')}) =~ s/"id": "\d+"/"id"/gr,
		'pair company our_id=acme, contact email=seven@example.com /crm/associations/2026-09/0-1/0-2/batch/create'
			. ' {"inputs": [{"to": {"id"}, "from": {"id"}, "types": [{"associationTypeId": null, "associationCategory": null}]}]}', 'explained');
};

subtest 'a list of associations that has no end' => sub {
	my $id = $sim->contact('later@example.com')->{id};
	my $page = sub { return qq({"status": "COMPLETE", "results": [{"from": {"id": "$id"}, "to": [], "paging": {"next": {"after": "$_[0]"}}}]}) };
	$sim->fault(match => { path => '0-1/0-2/batch/read', record => $_->[0] }, action => 'status', status => 200, content_type => 'application/json', times => 0, body => $page->($_->[1]))
	  for [ '"after":"page a"', 'page b' ], [ '"after":"page b"', 'page a' ], [ '"id"', 'page a' ];
	my $pair = queue(q{hubspot_associate('contact', 'later@example.com', 'company', 'acme', 'Decision maker')});
	row_becomes($pair, q{concat_ws(' ', state, category, message)}, qr/^deferred unreadable the list of a record's associations has no end/, 'is not read for ever');
	$sim->clear_faults;
};

subtest 'one account names ever new types' => sub {
	ask(q{SELECT count(hubspot_record('2-' || i, '{"record_id": 1, "properties": {"a": "b"}}', 'plain')) FROM generate_series(1001, 1150) i});
	ask(q{SELECT count(*) FROM generate_series(1151, 1250) i, hubspot_enqueue('associate', ARRAY[jsonb_build_object('from_object', '2-' || i, 'from_record_id', 1, 'to_object', 'contact', 'to_record_id', 1)], 'plain')});
	becomes(sub { ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE verdict = 'rejected' AND message ~ 'more than 200 types of records'}) }, '50', 'what is beyond the bound is refused');
	queue(q{hubspot_record('2-1251', '{"record_id": 1, "properties": {"a": "b"}}', 'crm')});
	becomes(sub { ask(q{SELECT state FROM hubspot.status WHERE server = 'crm' AND lane = '2-1251'}) }, 'MISDIRECTED', 'another account has its room');
};

done_testing();
