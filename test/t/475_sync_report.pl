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

# One of them: the rows go out without the other.
$sim->add_property('contacts', name => 'orders_count', type => 'number', fieldType => 'number');
ask(q{SELECT hubspot_refresh_schema(); SELECT hubspot_drain('1 minute'); SELECT hubspot_resync('totals')});
refresh('totals');
is(outcomes('totals'), "contact delivered 30 20\ncontact rejected unknown_property 30 0", 'one is made: the rows go out without the other');
is(troubled('totals'), '20 20', '... each record that has a value of it is in trouble');
is(ask(q{SELECT count(*) FILTER (WHERE confirmed), count(*) FROM hubspot.members WHERE name = 'totals'}), '10|30', '... these are not confirmed');
is(ask(q{SELECT DISTINCT message FROM hubspot.members WHERE name = 'totals' AND NOT confirmed}), 'left out: lifetime_total', '... and says what was left out');

# Both
$sim->add_property('contacts', name => 'lifetime_total', type => 'number', fieldType => 'number');
ask(q{SELECT hubspot_refresh_schema(); SELECT hubspot_drain('1 minute'); SELECT hubspot_resync('totals')});
refresh('totals');
is(outcomes('totals'), "contact delivered 60 20\ncontact rejected unknown_property 30 0", 'both are made: the rows go out whole');
is(troubled('totals'), '0 0', '... and no record is in trouble');
is(ask(q{SELECT count(*) FILTER (WHERE confirmed), count(*) FROM hubspot.members WHERE name = 'totals'}), '30|30', '... all are confirmed');
is(columns('totals'), "email 90 60\nlifetime_total 60 20\nlifetime_total unknown_property 50 0\norders_count 90 60\norders_count unknown_property 30 0", '... which the columns show');

done_testing();
