# Syncs of records of any type: followed tables and compared queries, their modes, deletes,
# previews and reports.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('deals', name => 'order_ref', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
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

done_testing();
