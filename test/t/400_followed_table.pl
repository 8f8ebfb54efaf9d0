# A followed table: what is done to it arrives in HubSpot, whatever becomes of its columns.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('followed');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

# Run statements, and wait until HubSpot has heard of them.
sub change
{
	ask($_) for @_;
	wait_drained($node, 'postgres');
}

sub property
{
	my ($key, $name) = @_;
	my $contact = $sim->contact($key);
	return $contact ? $contact->{properties}{$name} : undef;
}

ask(q{CREATE TABLE customers (id int PRIMARY KEY, mail text, first_name text, plan text, seen timestamptz);
	INSERT INTO customers VALUES (1, 'ada@example.com', 'Ada', 'pro'), (2, 'bob@example.com', 'Bob', 'free')});
ask(q{SELECT hubspot_sync('customers', 'customers', deletes => 'archive',
		mapping => '{"email": "mail", "firstname": "first_name", "plan": "plan"}')});
wait_until(sub { ask(q{SELECT state FROM hubspot.syncs}) eq 'following' }, 'the back-fill to end');
wait_drained($node, 'postgres');
is(property('ada@example.com', 'firstname'), 'Ada', 'what is there already arrives');

#
# Changes
#
change(q{INSERT INTO customers VALUES (3, 'cyd@example.com', 'Cyd', 'pro')},
	q{UPDATE customers SET plan = 'team' WHERE id = 1});
is(property('cyd@example.com', 'plan'), 'pro', 'a new row arrives');
is(property('ada@example.com', 'plan'), 'team', 'a changed one, too');

my $queued = ask('SELECT count(*) FROM hubspot.outbox');
change('UPDATE customers SET seen = now(), first_name = first_name');
is(ask('SELECT count(*) FROM hubspot.outbox'), $queued, 'a column that is not mapped is nothing to HubSpot');

$node->psql('postgres', q{BEGIN; UPDATE customers SET plan = 'gone'; ROLLBACK});
wait_drained($node, 'postgres');
is(property('ada@example.com', 'plan'), 'team', 'nor is what is rolled back');

change(q{DELETE FROM customers WHERE id = 2});
is($sim->contact('bob@example.com'), undef, 'a deleted row is archived');

change(q{UPDATE customers SET mail = 'countess@example.com' WHERE id = 1});
is($sim->contact('ada@example.com'), undef, 'of a changed key the old record is archived');
is(property('countess@example.com', 'plan'), 'team', 'and the new one is made');

change(q{UPDATE customers SET mail = CASE id WHEN 1 THEN 'cyd@example.com' ELSE 'countess@example.com' END
	WHERE id IN (1, 3)});
is(property('cyd@example.com', 'firstname'), 'Ada', 'of rows that exchange their keys in one statement the first is there');
is(property('countess@example.com', 'firstname'), 'Cyd', 'and the second');

#
# The statement of somebody who knows nothing of HubSpot
#
ask(q{CREATE ROLE business LOGIN; GRANT ALL ON customers TO business});
is($node->psql('postgres', q{INSERT INTO customers VALUES (4, 'dan@example.com', 'Dan', 'free')}, extra_params => [ '-U', 'business' ]),
	0, 'needs no right but those on the table');
wait_drained($node, 'postgres');
is(property('dan@example.com', 'plan'), 'free', 'and is followed');
my ($rc, $out, $err) = $node->psql('postgres', 'TRUNCATE customers');
is($rc, 0, 'TRUNCATE goes on');
like($err, qr/WARNING:.*TRUNCATE of "customers" is not followed/, 'with a warning');
wait_drained($node, 'postgres');
like(ask('SELECT message FROM hubspot.failures ORDER BY id DESC LIMIT 1'), qr/emptied by TRUNCATE/, 'which the failures keep');
ok($sim->contact('dan@example.com'), 'and nothing is archived');

#
# DDL
#
change(q{ALTER TABLE customers RENAME COLUMN plan TO tariff},
	q{ALTER TABLE customers RENAME TO clients},
	q{INSERT INTO clients VALUES (5, 'eve@example.com', 'Eve', 'pro')});
is(property('eve@example.com', 'plan'), 'pro', 'renamed columns and tables are followed');
is(ask('SELECT problem FROM hubspot.syncs'), '', 'and no problem');

change(q{ALTER TABLE clients DROP COLUMN tariff},
	q{INSERT INTO clients VALUES (6, 'fay@example.com', 'Fay')});
is(property('fay@example.com', 'firstname'), 'Fay', 'the others of a dropped column go on');
like(ask('SELECT problem FROM hubspot.syncs'), qr/mapped columns.*"tariff"/, 'and the view says what is missing');

change(q{ALTER TABLE clients DROP COLUMN mail},
	q{INSERT INTO clients VALUES (7, 'Guy')});
becomes(sub { ask('SELECT problem FROM hubspot_health()') }, qr/the key's column "mail" does not exist/, 'the key is gone: so is the sync, with a word');

ask('DROP TABLE clients');
like(ask('SELECT problem FROM hubspot.syncs'), qr/its source public\.clients does not exist/, 'and so the table');

#
# Declared anew on another table, then dropped
#
change(q{CREATE TABLE people (mail text, first_name text)},
	q{SELECT hubspot_sync('customers', 'people', mapping => '{"email": "mail", "firstname": "first_name"}')},
	q{INSERT INTO people VALUES ('hal@example.com', 'Hal')});
is(property('hal@example.com', 'firstname'), 'Hal', 'another source of the same name');
change(q{SELECT hubspot_drop_sync('customers')}, q{INSERT INTO people VALUES ('ian@example.com', 'Ian')});
is($sim->contact('ian@example.com'), undef, 'dropped: not followed any more');
is(ask(q{SELECT count(*) FROM pg_trigger WHERE tgrelid = 'people'::regclass}), '0', 'and the triggers are gone');

done_testing();
