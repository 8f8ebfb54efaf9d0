# What became of the rows of each definition, column by column: the report is
# kept as verdicts are written, and says what HubSpot has not got.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('report');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

sub refresh { my $counts = ask("SELECT concat_ws(' ', entered, changed, exited) FROM hubspot_refresh('$_[0]')"); wait_drained($node, 'postgres'); return $counts }

# Counts are committed with the verdicts, which hubspot_drain() waits for.
my $report = "(SELECT d.report FROM hubspot.sync d WHERE d.name = '%s')";

sub outcomes { return ask(sprintf(q{SELECT concat_ws(' ', object, verdict, nullif(category, ''), rows, warned) FROM hubspot.sync_outcome WHERE report = } . $report . ' ORDER BY 1', @_)) }

sub columns { return ask(sprintf(q{SELECT concat_ws(' ', property, nullif(code, ''), rows, delivered) FROM hubspot.sync_property WHERE report = } . $report . ' ORDER BY 1', @_)) }

sub troubled { return ask(sprintf(q{SELECT concat_ws(' ', (SELECT count(*) FROM hubspot.sync_trouble t WHERE t.report = c.report), troubled) FROM hubspot.sync_count c WHERE report = } . $report, @_)) }

#
# Properties that HubSpot does not have: all rows are rejected
#
ask(q{SELECT hubspot_refresh_schema(); SELECT hubspot_drain('1 minute')});
ask(q{CREATE TABLE people (id int PRIMARY KEY, mail text, first text, orders int, total numeric);
	INSERT INTO people SELECT i, 'p' || i || '@example.com', 'P' || i, i, CASE WHEN i > 10 THEN i END FROM generate_series(1, 30) i});
ask(q{SELECT hubspot_sync('totals', 'SELECT mail, orders, total FROM people', key => 'mail', mapping => '{"email": "mail", "orders_count": "orders", "lifetime_total": "total"}', create_in_hubspot => NULL)});
is(refresh('totals'), '30 0 0', 'a sync of which HubSpot has no property');
is(outcomes('totals'), 'contact rejected unknown_property 30 0', '... all rows are rejected, and counted');
is(columns('totals'), "email 30 0\nlifetime_total 20 0\nlifetime_total unknown_property 30 0\norders_count 30 0\norders_count unknown_property 30 0",
	'... by column, with a value or without');
is(troubled('totals'), '30 30', '... each record is in trouble');
is(ask(q{SELECT DISTINCT category || ' ' || left_out::text || ' ' || lacks::text FROM hubspot.sync_trouble}), 'unknown_property {orders_count,lifetime_total} {orders_count,lifetime_total}', '... for want of both');
becomes(sub { ask(q{SELECT string_agg(name, ' ' ORDER BY name) FROM hubspot.unknown_properties}) }, 'lifetime_total orders_count', '... which are named in hubspot.unknown_properties');
is(ask(q{SELECT DISTINCT message FROM hubspot.failures}), 'HubSpot has no properties "orders_count", "lifetime_total"', '... and in the reason');

becomes(sub { ask(q{SELECT problem || ' / ' || remedy FROM hubspot_health()}) },
	qr{^30 of 30 rows of sync "totals" were rejected: HubSpot has no property lifetime_total, orders_count / SELECT public.hubspot_create_property\('contact', 'lifetime_total', 'number', server => 'crm'\); SELECT public.hubspot_create_property\('contact', 'orders_count', 'number', server => 'crm'\); then SELECT hubspot_resync\('totals'\)},
	'... hubspot_health() says so, and what to do');
becomes(sub { ask(q{SET hubspot.sync_tolerance = 1; SELECT count(*) FROM hubspot_health()}) }, '0', '... unless it is tolerated');
is(ask(q{SELECT concat_ws(' ', state, rejected, warned) FROM hubspot.syncs}), 'on demand 30 0', '... and hubspot.syncs');

# One of them: the rows go out without the other.
$sim->add_property('contacts', name => 'orders_count', type => 'number', fieldType => 'number');
ask(q{SELECT hubspot_refresh_schema(); SELECT hubspot_drain('1 minute'); SELECT hubspot_resync('totals')});
refresh('totals');
is(outcomes('totals'), "contact delivered 30 20\ncontact rejected unknown_property 30 0", 'one is made: the rows go out without the other');
is(troubled('totals'), '20 20', '... each record that has a value of it is in trouble');
is(ask(q{SELECT count(*) FILTER (WHERE confirmed), count(*) FROM hubspot.members WHERE name = 'totals'}), '10|30', '... these are not confirmed');
is(ask(q{SELECT DISTINCT message FROM hubspot.members WHERE name = 'totals' AND NOT confirmed}), 'left out: lifetime_total', '... and says what was left out');

becomes(sub { ask(q{SELECT problem FROM hubspot_health()}) }, qr{^20 of 30 records of sync "totals" went without a column: HubSpot has no property lifetime_total$|^20 of 60 rows of sync "totals" went without a column: HubSpot has no property lifetime_total$}, '... and hubspot_health() says of how many');

# Both
$sim->add_property('contacts', name => 'lifetime_total', type => 'number', fieldType => 'number');
ask(q{SELECT hubspot_refresh_schema(); SELECT hubspot_drain('1 minute'); SELECT hubspot_resync('totals')});
refresh('totals');
is(outcomes('totals'), "contact delivered 60 20\ncontact rejected unknown_property 30 0", 'both are made: the rows go out whole');
is(troubled('totals'), '0 0', '... and no record is in trouble');
is(ask(q{SELECT count(*) FILTER (WHERE confirmed), count(*) FROM hubspot.members WHERE name = 'totals'}), '30|30', '... all are confirmed');
is(columns('totals'), "email 90 60\nlifetime_total 60 20\nlifetime_total unknown_property 50 0\norders_count 90 60\norders_count unknown_property 30 0", '... which the columns show');

becomes(sub { ask(q{SELECT count(*) FROM hubspot_health()}) }, '0', '... and all is well again');
is(ask(q{SELECT string_agg(concat_ws(' ', property, source_column, code, rows, waiting, delivered, left_out, warned), ', ' ORDER BY property NULLS FIRST, code NULLS FIRST) FROM hubspot.sync_report WHERE name = 'totals'}),
	'90 0 60 30 20, unknown_property 30 0 30, email mail 90 60 30, lifetime_total total 60 20 40, lifetime_total total unknown_property 50 0 50, orders_count orders 90 60 30, orders_count orders unknown_property 30 0 30',
	'... the report in full');

#
# A followed table: rows without a key, rows that wait, a crash, other columns
#
ask(q{CREATE TABLE staff (id int PRIMARY KEY, mail text, size text);
	SELECT hubspot_sync('staff', 'staff', mapping => '{"email": "mail", "shoe_width": "size"}', create_in_hubspot => NULL)});
is(ask(q{SELECT detail FROM hubspot_sync_preview('SELECT NULL AS mail, 1 AS size', mapping => '{"email": "mail"}') WHERE item = 'sample'}),
	'left out, as it has no key', 'what the preview says of a row without a key');
ask(q{SELECT hubspot_pause(reason => 'test')});
ask(q{INSERT INTO staff VALUES (1, 's1@example.com', 'x'), (2, NULL, 'x'), (3, '', 'x'), (4, 'no address', 'x')});

sub lines { return ask("SELECT string_agg(concat_ws(' ', property, code, rows, waiting, delivered, left_out), ', ' ORDER BY property NULLS FIRST, code NULLS FIRST) FROM hubspot.sync_report WHERE name = '$_[0]'") }

becomes(sub { lines('staff') }, '2 1 0 1, bad_message 1 0 1, no_key 2 0 2, email 1 0 1, shoe_width 1 0 1',
	'... is what becomes of it; others wait, or are rejected');
is(ask(q{SELECT count(*) FROM hubspot.outbox o JOIN hubspot.sync d ON d.report = o.report WHERE d.name = 'staff'}), 2, '... nothing is queued for it');
ask(q{SELECT hubspot_resume()});
wait_drained($node, 'postgres');
is(lines('staff'), '2 0 0 2, bad_message 1 0 1, no_key 2 0 2, unknown_property 1 0 1, email 2 0 2, shoe_width 2 0 2, shoe_width unknown_property 1 0 1', '... until they have ended');

# The server dies while they are delivered: what has a verdict is counted, and nothing else.
ask(q{INSERT INTO staff SELECT i, 's' || i || '@example.com', 'x' FROM generate_series(101, 1500) i});
wait_until(sub { ask('SELECT count(*) FROM hubspot.result') > 200 }, 'some verdicts');
$node->stop('immediate');
$node->start;
is(ask(q{SELECT c.rows - (SELECT count(*) FROM hubspot.outbox o JOIN hubspot.result r ON r.id = o.id WHERE o.report = c.report)
	FROM hubspot.sync_count c JOIN hubspot.sync d ON d.report = c.report WHERE d.name = 'staff'}), 0, 'a crash: what has a verdict is counted');
wait_drained($node, 'postgres');
is(ask(q{SELECT concat_ws(' ', rows, waiting, left_out) FROM hubspot.sync_report WHERE name = 'staff' AND property IS NULL AND code IS NULL}), '1402 0 1402', '... and all of it in the end');

# With other columns it is another one.
ask(q{SELECT hubspot_sync('staff', 'staff', mapping => '{"email": "mail", "shoe_width": "size"}', deadline => NULL, backfill => false, create_in_hubspot => NULL)});
is(ask(q{SELECT rejected FROM hubspot.syncs WHERE name = 'staff'}), 1402, 'declared anew as it was, it keeps its counts');
ask(q{SELECT hubspot_sync('staff', 'staff', mapping => '{"email": "mail", "firstname": "size"}', backfill => false)});
is(lines('staff'), '0 0 0 0', '... and with other columns it begins anew');
becomes(sub { ask(q{SELECT count(*) FROM hubspot_health()}) }, '0', '... which ends the trouble');
ask(q{UPDATE staff SET size = 'y' WHERE id = 1});
wait_drained($node, 'postgres');
is(lines('staff'), '1 0 1 0, email 1 1 0, firstname 1 1 0', '... and counts');

# What was there before: rows without a key are counted, whichever column the table is read by.
ask(q{CREATE TABLE old (id int PRIMARY KEY, mail text);
	INSERT INTO old VALUES (1, 'o1@example.com'), (2, NULL), (3, ''), (4, NULL), (5, 'o5@example.com')});
for my $by ('its primary key', 'an index on the key', 'nothing')
{
	ask('CREATE INDEX ON old (mail)') if $by eq 'an index on the key';
	ask('DROP INDEX old_mail_idx; ALTER TABLE old DROP CONSTRAINT old_pkey') if $by eq 'nothing';
	ask(q{SELECT hubspot_sync('old', 'old', key => 'mail', mapping => '{"email": "mail"}')});
	becomes(sub { ask(q{SELECT string_agg(concat_ws(' ', code, rows), ', ' ORDER BY code NULLS FIRST) FROM hubspot.sync_report WHERE name = 'old' AND property IS NULL}) },
		'2, no_key 3', "a back-fill that reads by $by counts rows without a key");
	ask(q{SELECT hubspot_drop_sync('old')});
}

# Rows whose key is none are many, though they have no key to be told apart by.
ask(q{CREATE TABLE nicks (id int PRIMARY KEY, nick text);
	INSERT INTO nicks SELECT i, CASE WHEN i > 6 THEN 'nick' || i ELSE 'n' || i || '@example.com' END FROM generate_series(1, 300) i;
	SELECT hubspot_sync('nicks', 'nicks', mapping => '{"email": "nick"}')});
becomes(sub { ask(q{SELECT problem FROM hubspot_health()}) }, '294 of 300 rows of sync "nicks" were rejected: bad_message', 'rows without a usable key: hubspot_health() says how many');
is(troubled('nicks'), '1 1', '... which are one entry');
ask(q{UPDATE nicks SET nick = 'n' || id || '@example.com'; SELECT hubspot_resync('nicks')});
becomes(sub { ask(q{SELECT count(*) FROM hubspot_health()}) }, '0', '... until they are mended');
ask(q{SELECT hubspot_drop_sync('nicks')});

#
# Other kinds: events, an audience with its outputs, a trait
#
ask(q{SELECT hubspot_create_event('bought', '{"total": "number"}', 'Bought'); SELECT hubspot_drain('1 minute')});
ask(q{SELECT hubspot_sync('sales', 'SELECT 1 AS id, ''s1@example.com'' AS mail, 5 AS total, 6 AS tax', 'event', event => 'Bought', key => 'id', mapping => '{"email": "mail", "total": "total", "tax": "tax"}', create_in_hubspot => NULL)});
refresh('sales');
is(lines('sales'), '1 0 1 0, email 1 1 0, tax 1 0 1, tax unknown_property 1 0 1, total 1 1 0', 'events');
ask(q{SELECT hubspot_audience('fans', 'SELECT ''s1@example.com'' AS mail', outputs => '{property,list}', create_in_hubspot => true); SELECT hubspot_drain('1 minute')});
refresh('fans');
is(ask(q{SELECT string_agg(concat_ws(' ', o.object, o.verdict, o.rows), ', ' ORDER BY o.object::text) FROM hubspot.sync_outcome o JOIN hubspot.sync d USING (report) WHERE d.name = 'fans'}),
	'contact delivered 1, list delivered 1', 'an audience: each of its outputs');

# A name that an index would refuse keeps no verdict from being written.
ask(q{SELECT hubspot_sync('names', 'SELECT ''s1@example.com'' AS mail, 1 AS one', key => 'mail', create_in_hubspot => NULL,
	mapping => jsonb_build_object('email', 'mail', (SELECT string_agg(md5(i::text), '') FROM generate_series(1, 200) i), 'one'))});
refresh('names');
is(ask(q{SELECT string_agg(concat_ws(' ', length(property), code), ', ' ORDER BY property, code) FROM hubspot.sync_report WHERE name = 'names' AND property IS NOT NULL}),
	'0 unknown_property, 255, 5', 'a name of any length');
ask(q{SELECT hubspot_drop_sync('names')});

ask(q{SELECT hubspot_drop_sync('fans')});
is(ask(q{SELECT count(*) FROM hubspot.sync_report WHERE name = 'fans'}), 0, 'what is dropped has no report');

done_testing();
