# Properties that HubSpot lacks: what a declaration says of them, and what its preview does.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('missing');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub property { my ($key, $name) = @_; my $contact = $sim->contact("$key\@example.com"); return $contact ? $contact->{properties}{$name} // 'none' : 'no contact' }

# What an error says, in its three parts.
sub refusal
{
	my ($statement) = @_;
	my (undef, undef, $error) = $node->psql('postgres', "\\set VERBOSITY verbose\n$statement");
	my ($message) = $error =~ /ERROR:\s+(.*)/;
	my ($detail) = $error =~ /DETAIL:\s+(.*)/;
	my ($hint) = $error =~ /HINT:\s+(.*)/;
	return ($message // '', $detail // '', $hint // '');
}

sub properties_read { return scalar(grep { ($_->{op} // '') eq 'request' && $_->{path} =~ m{/properties/} } $sim->log) }

ask(q{
	CREATE TYPE size AS ENUM ('small', 'large');
	CREATE TABLE totals (id int PRIMARY KEY, email text UNIQUE, orders_count int, sum_spent numeric(10,2), recent_order_at timestamptz, pet size, first_name text);
	INSERT INTO totals SELECT i, 't' || i || '@example.com', i, i * 10.5, '2026-01-02 03:04:05+00', 'large', 'T' || i FROM generate_series(1, 20) i});
my $three = q{'{"email": "email", "orders_count": "orders_count", "sum_spent": "sum_spent", "recent_order_at": "recent_order_at"}'};
my $named = q{'{"email": "email", "firstname": "first_name", "orders_count": "orders_count", "Pet Size": "pet"}'};

subtest 'a preview reads what HubSpot has not told yet' => sub {
	is(ask(q{SELECT count(*) FROM hubspot.schema}), 0, 'nothing has been read');
	my $fates = ask("SELECT string_agg(concat_ws(' ', name, body->>'fit', body->>'fate'), ', ' ORDER BY name) FROM hubspot_sync_preview('totals', mapping => $named) WHERE item = 'column'");
	is($fates, 'email key, first_name fits, orders_count unknown refused, pet unknown refused', 'the first preview checks each column');
	is(ask(q{SELECT string_agg(part || ' ' || known, ',') FROM hubspot.schema}), 'contact true', '... as the worker has read this part, and no other');
	is(ask(q{SELECT count(*) FROM hubspot.outbox}), 0, '... without a row');
	is(ask("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; SELECT string_agg(DISTINCT item, ',') FROM hubspot_sync_preview('totals', 'company', mapping => '{\"domain\": \"email\"}') WHERE item IN ('schema', 'column'); COMMIT")
		=~ s/^1\n//r, 'column', 'also in a transaction that sees only the past');
	is(ask("SELECT string_agg(name || ' ' || (body->>'exists'), ', ' ORDER BY name) FROM hubspot_audience_preview('SELECT email FROM totals', outputs => '{event}') WHERE item = 'event'"),
		'Audience Entered false, Audience Exited false', 'an audience with events has events read');
};

subtest 'a declaration without properties that HubSpot has is an error' => sub {
	my ($message, $detail, $hint) = refusal("SELECT hubspot_sync('customer totals', 'totals', mapping => $three)");
	is($message, '42704: contact properties "sum_spent", "orders_count", "recent_order_at" do not exist in HubSpot account "crm"', 'all of them are named');
	is($detail, 'Sync "customer totals" writes to them.', '... with what writes to them');
	is(join(' ', map { "$_->[0]=$_->[1]" } sort { $a->[0] cmp $b->[0] } map { [ /create_property\('contact', '(\w+)', '(\w+)', server => 'crm'\)/ ] } split /; /, $hint =~ s/; or declare.*//r),
		'orders_count=number recent_order_at=datetime sum_spent=number', 'the hint has a statement for each, with the type of its column');
	is(ask(q{SELECT count(*) FROM hubspot.sync}), 0, 'nothing is declared');
	is(ask(q{SELECT count(*) FROM hubspot.outbox}), 0, '... or queued');
	($message) = refusal("SELECT hubspot_sync('one', 'SELECT email, orders_count FROM totals')");
	is($message, '42704: contact property "orders_count" does not exist in HubSpot account "crm"', 'one, of a compared sync by the names of its columns');
	($message) = refusal(q{SELECT hubspot_audience('both', 'SELECT email FROM totals', outputs => '{property,event}')});
	is($message, '42704: contact property "both", events "audience_entered", "audience_exited" do not exist in HubSpot account "crm"', 'an audience names all as well');
	($message, undef, $hint) = refusal(q{SELECT hubspot_sync('e', 'totals', 'association', mapping => '{"contact": "email", "company": "email"}', create_in_hubspot => true)});
	like($message, qr/^22023: create_in_hubspot is for syncs of contacts and companies/, 'what has no properties has nothing to create');
};

subtest 'NULL declares all the same' => sub {
	is(ask("SELECT string_agg(concat_ws(' ', name, body->>'fit', body->>'fate'), ', ' ORDER BY name) FROM hubspot_sync_preview('totals', mapping => $named, create_in_hubspot => NULL) WHERE item = 'column'"),
		'email key, first_name fits, orders_count unknown left out, pet unknown left out', 'the preview: columns are left out where others are there');
	is(ask("SELECT string_agg(DISTINCT concat_ws(' ', body->>'fate'), ', ') FROM hubspot_sync_preview('totals', mapping => $three, create_in_hubspot => NULL) WHERE item = 'column' AND name <> 'email'"),
		'rejected', '... and rows rejected where none is');
	my $one = q{'{"email": "email", "orders_count": "orders_count"}'};
	my $said = ask("SELECT string_agg(DISTINCT detail || coalesce(body::text, ''), ',') FROM hubspot_sync_preview('totals', mapping => $one, create_in_hubspot => NULL) WHERE item = 'sample'");
	ask("SELECT hubspot_sync('left', 'totals', mapping => $one, create_in_hubspot => NULL)");
	becomes(sub { ask(q{SELECT count(*), string_agg(DISTINCT concat_ws(': ', verdict, message) || ' (' || category || ')', ',') FROM hubspot.outbox_status WHERE call = 'identify' AND verdict IS NOT NULL}) },
		"20|$said", 'the sample says in the words of the verdict what becomes of the rows');
	ask(q{SELECT hubspot_drop_sync('left')});
};

subtest 'create_in_hubspot creates them' => sub {
	my $preview = "hubspot_sync_preview('totals', mapping => $named, create_in_hubspot => true)";
	is(ask("SELECT string_agg(detail, ', ' ORDER BY name) FROM $preview WHERE item = 'column' AND body->>'fit' = 'unknown'"),
		'integer -> orders_count: created in HubSpot, as number, size -> pet_size: created in HubSpot, as enumeration', 'the preview says what becomes of the columns');
	is(ask("SELECT string_agg(name, ', ' ORDER BY name) FROM $preview WHERE item = 'create' AND detail LIKE 'property%'"), 'orders_count, pet_size', '... and what is created');
	ask("SELECT hubspot_sync('made', 'totals', mapping => $named, create_in_hubspot => true)");
	wait_drained($node, 'postgres');
	becomes(sub { join ' ', map { property('t20', $_) } qw(firstname orders_count pet_size) }, 'T20 20 large', 'rows wait for them');
	is(ask(q{SELECT string_agg(name || ' ' || type || ' ' || jsonb_path_query_array(options, '$[*].value')::text, ', ' ORDER BY name) FROM hubspot.property WHERE object = 'contact' AND name IN ('orders_count', 'pet_size')}),
		'orders_count number [], pet_size enumeration ["small", "large"]', 'HubSpot has them, with their types');
	is(ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE warnings IS NOT NULL AND call = 'identify' AND verdict = 'delivered'}), 0, 'no row has lost a column');
	my $queued = ask('SELECT max(id) FROM hubspot.outbox');
	ask("SELECT hubspot_sync('made', 'totals', mapping => $named, create_in_hubspot => true)");
	is(ask("SELECT count(*) FROM hubspot.outbox WHERE id > $queued"), 0, 'declared anew it creates nothing');
	ask(q{ALTER SERVER crm OPTIONS (ADD create_properties 'on')});
	is(ask(q{SELECT string_agg(body->>'fate', ' ') FROM hubspot_sync_preview('totals', mapping => '{"email": "email", "sum_spent": "sum_spent"}') WHERE item = 'column' AND name = 'sum_spent'}),
		'created', 'an account with create_properties creates what its syncs name');
	ask(q{SELECT hubspot_sync('option', 'totals', mapping => '{"email": "email", "sum_spent": "sum_spent"}')});
	becomes(sub { property('t20', 'sum_spent') }, '210.00', '... by the type of the column');
	is(ask(q{SELECT type FROM hubspot.property WHERE name = 'sum_spent' AND object = 'contact'}), 'number', '... which the property has');
	ask(q{ALTER SERVER crm OPTIONS (DROP create_properties)});
};

subtest 'where nothing is known a declaration goes on, as an audience does' => sub {
	create_account($node, 'postgres', 'other', $sim);
	$node->safe_psql('postgres', q{SELECT hubspot_pause('other')});
	is(ask(q{SELECT count(*) FROM hubspot.schema s JOIN pg_foreign_server f ON f.oid = s.server WHERE srvname = 'other'}), 0, 'nothing is known of the other account');
	ask(q{SELECT hubspot_sync('untold', 'totals', mapping => '{"email": "email", "shoe_size": "id"}', server => 'other')});
	is(ask(q{SELECT count(*) FROM hubspot.sync WHERE name = 'untold'}), 1, 'what is not known is no error');
	ask(q{SELECT hubspot_sync('made untold', 'totals', mapping => '{"email": "email", "firstname": "first_name", "hs_lead_status": "pet", "shirt": "id"}', server => 'other', create_in_hubspot => true)});
	is(ask(q{SELECT string_agg(message->>'name', ' ') FROM hubspot.outbox WHERE call = 'create_property' AND server = (SELECT oid FROM pg_foreign_server WHERE srvname = 'other')}),
		'shirt', '... and with create_in_hubspot what HubSpot has not of itself is created');
};

$node->stop;
done_testing();
