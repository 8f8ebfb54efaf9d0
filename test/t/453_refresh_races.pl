# Refreshes that meet, are killed, or read while the source changes: each member
# enters once and leaves once, in order, in HubSpot's log.
use strict;
use warnings;

use HubSpotTest;
use Test::More;
use Time::HiRes qw(usleep);

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('contacts', name => 'busy', type => 'bool', fieldType => 'booleancheckbox',
	options => [ map { { value => $_, label => $_, hidden => JSON::PP::false } } qw(true false) ]);
my $node = hubspot_cluster('races');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

# Values of the property that HubSpot was given for a contact, in order.
my %addresses;
sub told
{
	my %told;
	for my $entry ($sim->log)
	{
		next unless defined $entry->{properties}{busy};
		push @{ $told{ $entry->{key} // $entry->{properties}{email} // $entry->{id} } }, $entry->{properties}{busy};
	}
	return %told;
}

sub waiting_for_lock
{
	wait_until(sub {
		ask(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%hubspot_refresh%' AND pid <> pg_backend_pid()}) >= ($_[0] // 1) }, 'somebody waits for the lock of the definition');
}

ask(q{CREATE TABLE people (email text PRIMARY KEY, busy boolean NOT NULL);
	INSERT INTO people SELECT 'p' || i || '@example.com', true FROM generate_series(1, 300) i});
ask(q{SELECT hubspot_audience('busy', 'SELECT email FROM people WHERE busy')});

#
# Two at once: the second waits, and finds nothing left to do.
#
my $first = $node->background_psql('postgres');
$first->query_safe('BEGIN');
is($first->query_safe(q{SELECT entered FROM hubspot_refresh('busy')}), '300', 'a refresh, not committed');
my $second = $node->background_psql('postgres');
$second->query_until(qr/started/, "\\echo started\nSELECT entered, changed, exited FROM hubspot_refresh('busy');\n");
waiting_for_lock();
is(ask(q{SELECT count(*) FROM hubspot.outbox}), 0, 'another one waits for it');
ask(q{UPDATE people SET busy = false WHERE email IN ('p1@example.com', 'p2@example.com')});
$first->query_safe('COMMIT');
like($second->query_safe('SELECT 1'), qr/^0\|0\|2$/m, '... and finds what has changed since');
$_->quit for $first, $second;
wait_drained($node, 'postgres');

#
# Above READ COMMITTED the second one fails.
#
$first = $node->background_psql('postgres');
$second = $node->background_psql('postgres', on_error_stop => 0);
$second->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1');
ask(q{UPDATE people SET busy = true WHERE email = 'p1@example.com'; SELECT hubspot_refresh('busy')});
my ($out, $failed) = $second->query(q{SELECT hubspot_refresh('busy')});
ok(ask(q{SELECT members FROM hubspot.syncs}) == 299, 'a refresh beside a transaction with an old snapshot');
$_->quit for $first, $second;
wait_drained($node, 'postgres');
is(ask(q{SELECT count(*) FROM hubspot.outbox WHERE key = 'p1@example.com'}), 3, '... which has queued nothing: entered, left, entered again');

#
# Killed half-way: it has done nothing.
#
ask(q{UPDATE people SET busy = true});
my $before = ask('SELECT count(*) FROM hubspot.outbox');
# A query that waits at a gate
ask(q{CREATE TABLE gate (closed boolean); INSERT INTO gate VALUES (true);
	CREATE FUNCTION slow(text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		WHILE EXISTS (SELECT FROM public.gate WHERE closed) LOOP
			PERFORM pg_sleep(0.01);
		END LOOP;
		RETURN $1;
	END $$;
	SELECT hubspot_audience('busy', 'SELECT slow(email) FROM people WHERE busy')});
for my $way ('pg_cancel_backend', 'pg_terminate_backend')
{
	my $victim = $node->background_psql('postgres', on_error_stop => 0);
	$victim->query_until(qr/started/, "\\echo started\nSELECT hubspot_refresh('busy');\n");
	wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%hubspot_refresh%' AND wait_event = 'PgSleep'}) > 0 }, 'the query runs');
	ask("SELECT $way(pid) FROM pg_stat_activity WHERE query LIKE '%hubspot_refresh%' AND pid <> pg_backend_pid()");
	eval { $victim->quit };
	wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%hubspot_refresh%' AND pid <> pg_backend_pid()}) == 0 }, 'it has ended');
}
is(ask('SELECT count(*) FROM hubspot.outbox'), $before, 'refreshes that were cancelled and killed have queued nothing');
ask('UPDATE gate SET closed = false');
is(ask(q{SELECT entered FROM hubspot_refresh('busy')}), 1, '... and the next one queues the difference');

#
# The source changes while it is read: a member is in or out, by the snapshot.
#
ask('UPDATE gate SET closed = true');
my $reader = $node->background_psql('postgres');
$reader->query_until(qr/started/, "\\echo started\nSELECT entered, changed, exited FROM hubspot_refresh('busy');\n");
wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%hubspot_refresh%' AND wait_event = 'PgSleep'}) > 0 }, 'the query runs');
ask(q{UPDATE people SET busy = false WHERE email = 'p300@example.com'; INSERT INTO people VALUES ('p301@example.com', true); UPDATE gate SET closed = false});
like($reader->query_safe('SELECT 1'), qr/^0\|0\|0$/m, 'what changes while the query runs is not seen');
$reader->quit;
is(ask(q{SELECT concat_ws(' ', entered, changed, exited) FROM hubspot_refresh('busy')}), '1 0 1', '... but by the next refresh');
wait_drained($node, 'postgres');

#
# Everything at once: members come and go, four sessions refresh, some of them are killed.
#
ask(q{SELECT hubspot_audience('busy', 'SELECT email FROM people WHERE busy')});
my @sessions = map { $node->background_psql('postgres', on_error_stop => 0) } 1 .. 4;
for my $round (1 .. 10)
{
	ask("UPDATE people SET busy = NOT busy WHERE hashtext(email) % 10 = $round - 1");
	$_->query_until(qr/go/, "\\echo go\nSELECT hubspot_refresh('busy');\n") for @sessions;
	ask(q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%hubspot_refresh%' AND pid <> pg_backend_pid() LIMIT 1}) if $round % 3 == 0;
}
$_->quit for @sessions;
ask(q{SELECT hubspot_refresh('busy')});
wait_drained($node, 'postgres');
is(ask(q{SELECT count(*) FROM people p LEFT JOIN hubspot.members m ON m.key = p.email AND m.present WHERE p.busy <> (m.key IS NOT NULL)}), 0, 'members are who is in the source');
is(ask(q{SELECT count(*) FROM hubspot.members WHERE NOT confirmed}), 0, '... and HubSpot knows');
is(ask(q{SELECT count(*) FROM (SELECT message->'traits'->>'busy' AS busy, lag(message->'traits'->>'busy', 1, 'false') OVER (PARTITION BY key ORDER BY id) AS before FROM hubspot.outbox) x WHERE busy = before}), 0,
	'nobody was queued as entered twice, or as left twice');
my %told = told();
# who left and entered again while both waited is told to be in, once more
my %sent = map { my ($key, $values) = split /\|/; $key => $values } split /\n/,
  ask(q{SELECT key, string_agg(o.message->'traits'->>'busy', ' ' ORDER BY id) FROM hubspot.outbox o JOIN hubspot.result USING (id) WHERE verdict = 'delivered' GROUP BY key});
is_deeply({ map { $_ => join ' ', @{ $told{$_} } } keys %told }, \%sent, 'in HubSpot\'s log each member enters, leaves, enters, as it was queued');
is(scalar(keys %told), 301, '... all of them');
my $wrong = 0;
for my $line (split /\n/, ask('SELECT email, busy FROM people'))
{
	my ($email, $busy) = split /\|/, $line;
	$wrong++ if ($sim->contact($email)->{properties}{busy} // '') ne ($busy eq 't' ? 'true' : 'false');
}
is($wrong, 0, 'HubSpot holds what the table says');

done_testing();
