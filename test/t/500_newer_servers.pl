# What newer servers have of their own: this has no counterpart in older ones,
# and must neither be silently wrong nor end a statement.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('newer', conf => "hubspot.on_invalid = 'auto'");
create_account($node, 'postgres', 'crm', $sim);

my $version = $node->safe_psql('postgres', q{SELECT current_setting('server_version_num')::int / 10000});

sub ask { return $node->safe_psql('postgres', shift) }

# Run statements, and wait until HubSpot has heard of them.
sub change
{
	ask($_) for @_;
	wait_drained($node, 'postgres');
}

# The error of a statement.
sub refused
{
	my ($result, $out, $error) = $node->psql('postgres', shift);
	return $error;
}

sub property
{
	my ($key, $name) = @_;
	my $contact = $sim->contact($key);
	return $contact ? $contact->{properties}{$name} : undef;
}

# The verdict and message of the last row.
sub last_verdict
{
	return ask(q{SELECT r.verdict || ': ' || coalesce(r.message, '') FROM hubspot.result r ORDER BY r.id DESC LIMIT 1});
}

ask(q{CREATE TABLE customers (id int PRIMARY KEY, mail text, plan text);
	INSERT INTO customers VALUES (1, 'ada@example.com', 'pro'), (2, 'bob@example.com', 'free'), (3, 'cyd@example.com', 'free')});
change(q{SELECT hubspot_sync('customers', 'customers', deletes => 'archive', mapping => '{"email": "mail", "plan": "plan"}')});
wait_until(sub { ask(q{SELECT state FROM hubspot.syncs}) eq 'following' }, 'the back-fill to end');
wait_drained($node, 'postgres');
is(property('cyd@example.com', 'plan'), 'free', 'the table is followed');

SKIP:
{
	skip 'intervals are finite before 17', 4 if $version < 17;

	like(refused(q{SELECT hubspot_audience('a', 'SELECT mail FROM customers', every => 'infinity')}),
		qr/every must be at most ten years/, 'a refresh that never comes is refused');
	like(refused(q{SELECT hubspot_audience('a', 'SELECT mail FROM customers', every => '-infinity')}),
		qr/every must be at least one second/, 'and one that is over');
	like(refused(q{SELECT hubspot_identify('{"userId": "ada@example.com"}', deadline => 'infinity')}),
		qr/deadline "?infinity"? is/, 'and a deadline that never comes');
	is(ask(q{SELECT hubspot_drain('infinity')}), 't', 'one may wait for ever');
}

SKIP:
{
	skip 'MERGE knows rows without a source since 17', 3 if $version < 17;

	change(q{MERGE INTO customers c USING (VALUES (1, 'ada@example.com', 'team'), (4, 'dan@example.com', 'pro')) AS v (id, mail, plan)
			ON c.id = v.id
			WHEN MATCHED THEN UPDATE SET plan = v.plan
			WHEN NOT MATCHED THEN INSERT VALUES (v.id, v.mail, v.plan)
			WHEN NOT MATCHED BY SOURCE AND c.id = 3 THEN DELETE});
	is(property('ada@example.com', 'plan'), 'team', 'MERGE: what it updates arrives');
	is(property('dan@example.com', 'plan'), 'pro', 'what it inserts, too');
	is($sim->contact('cyd@example.com'), undef, 'what it deletes is archived');
}

SKIP:
{
	skip 'generated columns are stored before 18', 11 if $version < 18;

	change(q{ALTER TABLE customers ADD shouted text GENERATED ALWAYS AS (upper(plan)) VIRTUAL},
		q{UPDATE customers SET plan = 'solo' WHERE id = 1});
	is(property('ada@example.com', 'plan'), 'solo', 'a virtual column beside those that are mapped changes nothing');
	like(refused(q{SELECT hubspot_sync('shouting', 'customers', mapping => '{"email": "mail", "plan": "shouted"}')}),
		qr/column "shouted" of the source is a virtual generated column/, 'mapped, it is refused');
	like(refused(q{SELECT hubspot_sync('shouting', 'customers')}), qr/virtual generated column/, 'also among all columns');
	change(q{CREATE VIEW shouting AS SELECT mail, shouted FROM customers},
		q{SELECT hubspot_sync('shouting', 'shouting', key => 'mail', mapping => '{"email": "mail", "lastname": "shouted"}')},
		q{SELECT hubspot_refresh('shouting')});
	is(property('ada@example.com', 'lastname'), 'SOLO', 'of a view it is a column like any other');

	ask(q{CREATE TABLE people (email text, plan text, shouted text GENERATED ALWAYS AS (upper(plan)) VIRTUAL);
		CREATE TRIGGER a AFTER INSERT ON people REFERENCING NEW TABLE AS changed FOR EACH STATEMENT
			EXECUTE FUNCTION hubspot_trigger('identify', 'crm')});
	change(q{INSERT INTO people VALUES ('eve@example.com', 'pro')});
	like(last_verdict(), qr/^rejected: column "shouted" of table "people" is a virtual generated column/,
		'a trigger for all columns says which one it does not see');
	is(property('eve@example.com', 'plan'), undef, 'and sends no half of a row');
	is(ask('SELECT count(*) FROM people'), '1', 'the statement has succeeded');

	ask(q{DROP TRIGGER a ON people;
		CREATE TRIGGER a AFTER INSERT OR UPDATE ON people FOR EACH ROW
			EXECUTE FUNCTION hubspot_trigger('identify', 'crm', '{"email": "email", "plan": "shouted"}')});
	change(q{INSERT INTO people VALUES ('fay@example.com', 'pro')});
	like(last_verdict(), qr/^rejected: column "shouted"/, 'a mapping that names it, too');

	ask(q{DROP TRIGGER a ON people;
		CREATE TRIGGER a AFTER INSERT OR UPDATE ON people FOR EACH ROW
			EXECUTE FUNCTION hubspot_trigger('identify', 'crm', '{"email": "email", "plan": "plan"}')});
	change(q{INSERT INTO people VALUES ('gus@example.com', 'pro')});
	is(property('gus@example.com', 'plan'), 'pro', 'a mapping without it works');

	# the key of a period: no column of it is a key of its own
	ask(q{CREATE TABLE stays (guest int4range, during daterange, mail text, plan text, PRIMARY KEY (guest, during WITHOUT OVERLAPS))});
	like(refused(q{SELECT hubspot_sync('stays', 'stays', object => 'event', event => 'Stay', key => 'guest',
				mapping => '{"email": "mail"}', backfill => false)}),
		qr/column "guest" has no unique index/, 'a key without overlaps is none of events');
	change(q{INSERT INTO stays VALUES ('[1,2)', '[2026-01-01,2027-01-01)', 'hal@example.com', 'pro')},
		q{SELECT hubspot_sync('stays', 'stays', key => 'mail', mapping => '{"email": "mail", "plan": "plan"}')});
	wait_until(sub { ask(q{SELECT state FROM hubspot.syncs WHERE name = 'stays'}) eq 'following' }, 'the back-fill to end');
	wait_drained($node, 'postgres');
	is(property('hal@example.com', 'plan'), 'pro', 'its table is followed by another column');
}

done_testing();
