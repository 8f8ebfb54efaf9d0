# Properties that HubSpot lacks: what a declaration says of them, and its preview; what is sent again
# when HubSpot has them.
use strict;
use warnings;

use JSON::PP ();

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

#
# What was lacking is sent again by itself
#
sub create_in_hubspot
{
	my ($name, $type, %more) = @_;
	$sim->add_property('contacts', name => $name, type => $type, fieldType => $type eq 'number' ? 'number' : 'text', %more);
	ask('SELECT hubspot_refresh_schema()');
}

# What rows of calls for a key have carried since an id, and how many rows there are in all.
sub carried
{
	my ($since, $key) = @_;
	return ask(qq{SELECT string_agg(DISTINCT (SELECT string_agg(t.k, ' ' ORDER BY t.k) FROM jsonb_object_keys(o.message->'traits') AS t(k)), ', ') || ' of ' || count(*)
		FROM hubspot.outbox o WHERE o.call = 'identify' AND o.id > $since} . (defined $key ? qq{ AND o.key = '$key\@example.com'} : ''));
}

sub newest { wait_drained($node, 'postgres'); return ask('SELECT coalesce(max(id), 0) FROM hubspot.outbox') }

subtest 'a followed table' => sub {
	ask(q{CREATE TABLE shoes (id int PRIMARY KEY, email text UNIQUE, first_name text, shoe_size int, colour text);
		INSERT INTO shoes SELECT i, (CASE i WHEN 7 THEN 'S' ELSE 's' END) || i || '@example.com', 'S' || i, 30 + i, 'red' FROM generate_series(1, 20) i;
		SELECT hubspot_sync('shoes', 'shoes', mapping => '{"email": "email", "firstname": "first_name", "shoe_size": "shoe_size", "sole_colour": "colour"}', create_in_hubspot => NULL)});
	becomes(sub { ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE key LIKE 's%@example.com' AND verdict = 'delivered' AND warnings IS NOT NULL}) }, 20, 'rows go without what HubSpot lacks');
	ask(q{DELETE FROM shoes WHERE id = 20; UPDATE shoes SET shoe_size = 99 WHERE id = 3});
	my $before = newest();
	ask(q{SELECT hubspot_create_property('contact', 'shoe_size', 'number')});
	becomes(sub { join ' ', map { property($_, 'shoe_size') } qw(s1 s3 s7 s19 s20) }, '31 99 37 49 none', 'created by our function, it arrives by itself, as rows are now');
	is(carried($before), 'email shoe_size sole_colour of 19', 'only the columns that were left out are sent, of rows that are there');
	is(ask("SELECT bool_and(backfill) FROM hubspot.outbox WHERE id > $before AND call = 'identify'"), 't', '... as a back-fill');
	becomes(sub { ask(q{SELECT state || ' ' || rows_read FROM hubspot.backfills WHERE name = 'shoes'}) }, 'done 19', '... which the view shows');
	$before = newest();
	create_in_hubspot('sole_colour', 'string');
	becomes(sub { join ' ', map { property($_, 'sole_colour') } qw(s1 s19) }, 'red red', 'made in HubSpot by hand, the other one arrives');
	is(carried($before), 'email sole_colour of 19', '... alone');
	ask('SELECT hubspot_refresh_schema()');
	is(newest() - $before, 21, '... and once');
	is(ask(q{SELECT count(*) FROM hubspot.sync_trouble t JOIN hubspot.sync d USING (report) WHERE d.name = 'shoes' AND t.key <> 's20@example.com'}), 0, 'nothing is missing any more');
};

subtest 'what disappears and appears again' => sub {
	$sim->api('DELETE', '/crm/v3/properties/contacts/sole_colour');
	ask('SELECT hubspot_refresh_schema()');
	my $before = newest();
	ask(q{UPDATE shoes SET colour = 'blue' WHERE id <= 5});
	wait_drained($node, 'postgres');
	is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE id > $before AND warnings IS NOT NULL"), 5, 'rows go without it');
	$before = newest();
	create_in_hubspot('sole_colour', 'string');
	becomes(sub { join ' ', map { property("s$_", 'sole_colour') } 1 .. 6 }, 'blue blue blue blue blue red', 'and are sent again, these and no others');
	is(carried($before), 'email sole_colour of 5', '... with that column');
};

subtest 'a compared sync, a trait, an audience; rows that were rejected' => sub {
	ask(q{SELECT hubspot_sync('compared', 'SELECT email, first_name AS firstname, shoe_size AS last_size FROM shoes WHERE id <= 4', create_in_hubspot => NULL);
		SELECT hubspot_sync('rejected', 'SELECT email, id AS shoe_number FROM shoes WHERE id <= 3', create_in_hubspot => NULL);
		SELECT hubspot_trait('Heel', 'SELECT email, id FROM shoes WHERE id <= 2', create_in_hubspot => NULL);
		SELECT hubspot_audience('Walker', 'SELECT email FROM shoes WHERE id <= 2', create_in_hubspot => NULL);
		SELECT hubspot_refresh(name) FROM hubspot.syncs WHERE name IN ('compared', 'rejected', 'Heel', 'Walker')});
	wait_drained($node, 'postgres');
	is(ask(q{SELECT string_agg(name || ' ' || confirmed, ', ' ORDER BY name, key) FROM hubspot.members WHERE name IN ('compared', 'rejected', 'Heel', 'Walker') AND key IN ('s1@example.com')}),
		'Heel false, Walker false, compared false, rejected false', 'nothing of it has arrived whole');
	my $before = newest();
	$sim->add_property('contacts', name => $_, type => 'number', fieldType => 'number') for qw(last_size shoe_number heel);
	$sim->add_property('contacts', name => 'walker', type => 'bool', fieldType => 'booleancheckbox',
		options => [ map { { value => $_, label => $_, hidden => JSON::PP::false() } } qw(true false) ]);
	ask('SELECT hubspot_refresh_schema()');
	becomes(sub { join ' ', map { property('s1', $_) } qw(last_size shoe_number heel walker) }, '31 1 1 true', 'all are refreshed by themselves');
	becomes(sub { ask(q{SELECT count(*), bool_and(confirmed) FROM hubspot.members WHERE name IN ('compared', 'rejected', 'Heel', 'Walker')}) }, '11|t', '... and all is confirmed');
	is(ask("SELECT string_agg(x.n || ' ' || x.k, ', ' ORDER BY x.n, x.k) FROM (SELECT count(*) AS n, (SELECT string_agg(t.k, ' ' ORDER BY t.k) FROM jsonb_object_keys(o.message->'traits') AS t(k)) AS k
		FROM hubspot.outbox o WHERE id > $before AND call = 'identify' GROUP BY 2) x"),
		'2 email heel, 2 email walker, 3 email shoe_number, 4 email last_size', 'each with its column');
	ask(q{SELECT hubspot_refresh(name) FROM hubspot.syncs WHERE name IN ('compared', 'rejected', 'Heel', 'Walker')});
	is(carried(newest()) , '', 'another refresh has nothing to send');
};

subtest 'an option that appears' => sub {
	my $options = sub { [ map { { value => $_, label => $_, hidden => JSON::PP::false() } } @_ ] };
	create_in_hubspot('width', 'enumeration', fieldType => 'select', options => $options->('narrow'));
	wait_drained($node, 'postgres');
	ask(q{CREATE TABLE widths (email text PRIMARY KEY, first_name text, width text);
		INSERT INTO widths VALUES ('w1@example.com', 'W', 'narrow'), ('w2@example.com', 'W', 'wide'), ('w3@example.com', 'W', 'odd');
		SELECT hubspot_sync('widths', 'widths', mapping => '{"email": "email", "firstname": "first_name", "width": "width"}')});
	becomes(sub { join ' ', map { property($_, 'width') } qw(w1 w2 w3) }, 'narrow none none', 'values that are no option are left out');
	my $before = newest();
	$sim->api('DELETE', '/crm/v3/properties/contacts/width');
	create_in_hubspot('width', 'enumeration', fieldType => 'select', options => $options->('narrow', 'wide'));
	becomes(sub { join ' ', map { property($_, 'width') } qw(w1 w2 w3) }, 'narrow wide none', 'one arrives when it has become an option');
	is(carried($before), 'email width of 2', 'those that lacked one are sent again');
	ask('SELECT hubspot_refresh_schema()');
	is(carried(newest()), '', '... once');
};

subtest 'keys with more rows than a transaction takes' => sub {
	ask(q{CREATE TABLE worn (email text, first_name text, wear text);
		SELECT hubspot_sync('worn', 'worn', mapping => '{"email": "email", "firstname": "first_name", "wear": "wear"}', backfill => false, create_in_hubspot => NULL);
		INSERT INTO worn SELECT 'x' || i || '@example.com', 'X', 'w' FROM generate_series(0, 3) i});
	wait_drained($node, 'postgres');
	# as if they had been there before
	ask(q{ALTER TABLE worn DISABLE TRIGGER USER; INSERT INTO worn SELECT 'x' || i % 4 || '@example.com', 'X', 'w' FROM generate_series(1, 10000) i; ALTER TABLE worn ENABLE TRIGGER USER});
	create_in_hubspot('wear', 'string');
	becomes(sub { ask(q{SELECT coalesce(s.error, '') || ' ' || (s.fill_finished_at IS NOT NULL) || ' ' || s.fill_rows FROM hubspot.sync_state s JOIN hubspot.sync d ON d.id = s.sync WHERE d.name = 'worn'}) }, ' true 10004', 'all are read, in several');
	becomes(sub { join ' ', map { property($_, 'wear') } qw(x0 x3) }, 'w w', '... and sent');
	wait_drained($node, 'postgres');
};

subtest 'a crash in between' => sub {
	ask(q{CREATE TABLE many (id int PRIMARY KEY, email text UNIQUE, first_name text, laces int);
		INSERT INTO many SELECT i, 'm' || i || '@example.com', 'M', i FROM generate_series(1, 2600) i;
		SELECT hubspot_sync('many', 'many', mapping => '{"email": "email", "firstname": "first_name", "laces": "laces"}', create_in_hubspot => NULL)});
	becomes(sub { ask(q{SELECT count(*) FROM hubspot.sync_trouble t JOIN hubspot.sync d USING (report) WHERE d.name = 'many'}) }, 2600, 'all rows lack a property');
	my $before = newest();
	$sim->add_property('contacts', name => 'laces', type => 'number', fieldType => 'number');
	# the schema is read, and what is queued after that gets no answer
	$sim->fault(match => { path => 'batch/upsert' }, action => 'hang', times => 0);
	ask('SELECT hubspot_refresh_schema()');
	becomes(sub { ask("SELECT count(*) >= 2000 FROM hubspot.outbox WHERE id > $before AND call = 'identify'") }, 't', 'chunks are queued, and no more than a back-fill is ahead');
	cmp_ok(ask("SELECT count(*) FROM hubspot.outbox WHERE id > $before AND call = 'identify'"), '<', 2600, '... not all at once');
	$node->stop('immediate');
	$sim->clear_faults;
	$node->start;
	becomes(sub { ask(q{SELECT count(*) FROM hubspot.sync_trouble t JOIN hubspot.sync d USING (report) WHERE d.name = 'many'}) }, 0, 'all arrive after the crash');
	is(carried($before), 'email laces of 2600', '... each once');
	is(join(' ', map { property("m$_", 'laces') } 1, 1300, 2600), '1 1300 2600', '... with their values');
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
