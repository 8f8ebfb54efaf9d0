# Syncs of records of any type: followed tables and compared queries, their modes, deletes,
# previews and reports.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('deals', name => 'order_ref', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
$sim->add_property('leads', name => 'lead_ref', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $boat = $sim->add_schema(name => 'boat', associatedObjects => ['DEAL'])->{objectTypeId};
my $node = hubspot_cluster('records');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }
sub refused { return ($node->psql('postgres', shift))[2] }

sub settled
{
	becomes(sub { ask(q{SELECT count(*) FROM hubspot.backfills WHERE state <> 'done'}) }, '0', 'the back-fills are done', 60);
	return wait_drained($node, 'postgres');
}

# What HubSpot has of the deals: key, name, amount, stage
sub deals { return join ' ', sort map { my $p = $_->{properties}; join ':', map { $_ // '' } @$p{qw(order_ref dealname amount)} } $sim->records('deals') }

ask(q{CREATE TABLE orders (id int PRIMARY KEY, title text, total numeric, stage text);
	INSERT INTO orders VALUES (1, 'one', 10.5, 'contractsent'), (2, 'two', 20, 'closedwon')});
my $declare = q{SELECT hubspot_sync('orders', 'orders', 'deals', mapping => '{"order_ref": "id", "dealname": "title", "amount": "total", "dealstage": "stage"}', deletes => 'archive')};
like(refused($declare), qr/server "crm" names no property for the ids of object "deal".*HINT: .*deal=our_id/s, 'an object needs a property for its ids');
ask(q{ALTER SERVER crm OPTIONS (ADD id_properties 'deal=order_ref')});
like(refused($declare =~ s/deals/dreams/r), qr/dreams/, 'an object that the account does not have is refused');

subtest 'a followed table' => sub {
	is(ask(q{SELECT name, detail FROM hubspot_sync_preview('orders', 'deal', mapping => '{"order_ref": "id", "dealname": "title", "dealstage": "stage"}') WHERE item = 'key' OR name = 'title'}),
		"id|says which deal a row is\ntitle|text -> dealname (string): fits", 'the preview');
	is(ask(q{SELECT body->'inputs'->0->'properties'->>'dealname' FROM hubspot_sync_preview('orders', 'deal', mapping => '{"order_ref": "id", "dealname": "title"}') WHERE item = 'sample' AND name = '1'}),
		'one', '... with a sample of the request');
	ask($declare);
	settled();
	is(deals(), '1:one:10.5 2:two:20', 'what was there');
	ask(q{UPDATE orders SET title = 'uno' WHERE id = 1; DELETE FROM orders WHERE id = 2; INSERT INTO orders VALUES (3, 'three', 30, 'contractsent'); UPDATE orders SET id = 4 WHERE id = 3});
	settled();
	is(deals(), '1:uno:10.5 4:three:30', 'what changes');
	is(ask(q{SELECT count(*) FROM hubspot.sync_report WHERE name = 'orders' AND object = 'deal' AND property = 'dealname' AND delivered >= 4}), '1', 'the report');
	like(refused(q{SELECT hubspot_sync('more', 'orders', 'deal', mapping => '{"order_ref": "id", "colour": "title"}')}),
		qr/deal property "colour" does not exist.*hubspot_create_property\('deal', 'colour'/s, 'a property that HubSpot lacks');
};

subtest 'compared queries, modes' => sub {
	my $query = q{'SELECT id + 100 AS id, title, total, stage FROM orders', 'deal', key => 'id', mapping => '{"order_ref": "id", "dealstage": "stage", "dealname": "title", "amount": "total"}', mode => 'mirror', max_shrink => 1};
	ask(qq{SELECT hubspot_sync('mirror', $query); SELECT hubspot_refresh('mirror')});
	settled();
	is(deals(), '101:uno:10.5 104:three:30 1:uno:10.5 4:three:30', 'a mirror');
	ask(q{DELETE FROM orders WHERE id = 4; UPDATE orders SET total = 11 WHERE id = 1; SELECT hubspot_refresh('mirror')});
	settled();
	is(deals(), '101:uno:11 1:uno:11', 'archives what has left');
	is(ask(q{SELECT key, present, confirmed FROM hubspot.members WHERE name = 'mirror' AND present}), '101|t|t', 'its members');
	ask(q{SELECT hubspot_sync('update', $$SELECT 999 AS id, 'x' AS title UNION SELECT 1, 'ein'$$, 'deal', key => 'id', mapping => '{"order_ref": "id", "dealname": "title"}', mode => 'update'); SELECT hubspot_refresh('update')});
	settled();
	is(deals(), '101:uno:11 1:ein:11', 'mode update makes no record');
};

# Contacts and companies that a deal is associated with
sub associated
{
	my ($key) = @_;
	my ($deal) = grep { ($_->{properties}{order_ref} // '') eq $key } $sim->records('deals');
	my %name = map { $_->{id} => $_->{properties}{email} // $_->{properties}{domain} } $sim->records('contacts'), $sim->records('companies');
	return join ' ', sort map { $name{ $_->{id} } // $_->{object} } @{ $deal->{associations} };
}

sub leads
{
	my %name = map { $_->{id} => $_->{properties}{email} } $sim->records('contacts');
	return join ' ', sort map { my $lead = $_; join ':', @{ $lead->{properties} }{qw(lead_ref hs_lead_name)}, sort map { $name{ $_->{id} } // $_->{object} } @{ $lead->{associations} } } $sim->records('leads');
}

subtest 'columns that hold keys of other records' => sub {
	ask(q{CREATE TABLE customers (email text PRIMARY KEY); CREATE TABLE firms (domain text PRIMARY KEY);
		CREATE TABLE contracts (id text PRIMARY KEY, title text, stage text DEFAULT 'contractsent', firm text REFERENCES firms, buyer text REFERENCES customers);
		INSERT INTO customers SELECT 'c' || i || '@example.com' FROM generate_series(1, 3) i; INSERT INTO firms SELECT 'f' || i || '.example.com' FROM generate_series(1, 3) i;
		INSERT INTO contracts (id, title, firm, buyer) VALUES ('a', 'A', 'f1.example.com', 'c1@example.com'), ('b', 'B', NULL, 'c2@example.com');
		BEGIN;
		SELECT hubspot_sync('contracts', 'contracts', 'deal', mapping => '{"order_ref": "id", "dealname": "title", "dealstage": "stage", "company": "firm", "contact": "buyer"}', deletes => 'archive');
		SELECT hubspot_sync('firms', 'firms', 'company', mapping => '{"domain": "domain"}'); SELECT hubspot_sync('customers', 'customers', mapping => '{"email": "email"}');
		COMMIT});
	is(ask(q{SELECT name, detail FROM hubspot_sync_preview('contracts', 'deal', mapping => '{"order_ref": "id", "company": "firm"}') WHERE item = 'association'}),
		'firm|text -> company: associated with the company that it is the key of', 'a preview tells them');
	is(ask(q{SELECT string_agg(concat_ws(' ', item, name, CASE item WHEN 'association' THEN body END), ', ' ORDER BY item) FROM hubspot_sync_preview('contracts', 'deal', mapping => '{"order_ref": "id", "boat": "firm"}') WHERE item IN ('association', 'needs')}),
		qq{association firm "$boat", needs dealname, needs dealstage}, '... custom objects that nobody has named before, and what a deal needs');
	settled();
	is(associated('a'), 'c1@example.com f1.example.com', 'become associations');
	is(associated('b'), 'c2@example.com', '... NULL becomes none');
	ask(q{UPDATE contracts SET firm = 'f2.example.com', title = 'AA' WHERE id = 'a'; UPDATE contracts SET firm = 'f3.example.com', buyer = NULL WHERE id = 'b'});
	settled();
	is(associated('a'), 'c1@example.com f2.example.com', 'a changed one moves, and others stay');
	is(associated('b'), 'f3.example.com', 'NULL ends it');
	my $before = ask(q{SELECT count(*) FROM hubspot.outbox WHERE object <> 'deal'});
	ask(q{UPDATE contracts SET title = 'AAA' WHERE id = 'a'});
	settled();
	is(ask(q{SELECT count(*) FROM hubspot.outbox WHERE object <> 'deal'}), $before, 'what has not changed is not said again');
	ask(q{UPDATE contracts SET id = 'c', buyer = 'c3@example.com' WHERE id = 'a'; DELETE FROM contracts WHERE id = 'b'});
	settled();
	is(associated('c'), 'c3@example.com f2.example.com', 'another key is another record, with all of them');
	like(refused(q{SELECT hubspot_sync('x', 'SELECT * FROM contracts', 'deal', key => 'id', mapping => '{"order_ref": "id", "company": "firm"}')}),
		qr/compared cannot be mapped to the association "company"/, 'a compared source is refused');
	is(ask(q{SELECT id, call, key, verdict, category FROM hubspot.outbox_status WHERE verdict = ANY (hubspot.verdicts_with('failed')::text[]) AND object <> 'deal'}), '', 'nothing is refused');
};
subtest 'what HubSpot creates with an association only' => sub {
	ask(q{ALTER SERVER crm OPTIONS (SET id_properties 'deal=order_ref, lead=lead_ref')});
	ask(q{CREATE TABLE requests (id text PRIMARY KEY, name text, buyer text); INSERT INTO requests VALUES ('l1', 'One', 'c1@example.com');
		SELECT hubspot_sync('requests', 'requests', 'lead', mapping => '{"lead_ref": "id", "hs_lead_name": "name", "contact": "buyer"}')});
	settled();
	is(leads(), 'l1:One:c1@example.com', 'is created with it');
	ask(q{UPDATE requests SET name = 'Uno' WHERE id = 'l1'; UPDATE requests SET buyer = 'c2@example.com' WHERE id = 'l1'; INSERT INTO requests VALUES ('l2', 'Two', 'c3@example.com')});
	settled();
	is(leads(), 'l1:Uno:c1@example.com:c2@example.com l2:Two:c3@example.com', '... beside which another is made: without the first HubSpot would delete it');
};
done_testing();
