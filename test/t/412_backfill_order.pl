# A back-fill never overwrites what a live change has queued, in whichever order
# the transactions begin, commit, and become visible to the worker.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('order');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }
sub first_name { return $sim->contact("$_[0]\@example.com")->{properties}{firstname} }
sub rows_read { return ask("SELECT rows_read FROM hubspot.backfills WHERE name = '$_[0]'") }

sub follow { ask("SELECT hubspot_sync('$_[0]', '$_[0]', mapping => '{\"email\": \"email\", \"firstname\": \"firstname\", \"city\": \"city\"}')") }

sub wait_filled
{
	my ($name) = @_;
	wait_until(sub { ask("SELECT state = 'done' FROM hubspot.backfills WHERE name = '$name'") eq 't' },
		sub { "the back-fill of $name: " . ask('SELECT * FROM hubspot.backfills') });
}

# The conversion of a value waits at a gate, where the back-fill of a superuser's definition converts it, and shows that it does.
ask(q{CREATE TABLE gate (closed boolean); INSERT INTO gate VALUES (false);
	CREATE TYPE slow AS ENUM ('x');
	CREATE FUNCTION slow_json(slow) RETURNS json LANGUAGE plpgsql AS $$
	BEGIN
		IF current_user = 'pg_read_all_data' THEN
			PERFORM pg_advisory_xact_lock_shared(412);
			WHILE EXISTS (SELECT FROM public.gate WHERE closed) LOOP
				PERFORM pg_sleep(0.02);
			END LOOP;
		END IF;
		RETURN '"x"';
	END $$;
	CREATE CAST (slow AS json) WITH FUNCTION slow_json(slow);
	CREATE TABLE people (id int PRIMARY KEY, email text, firstname text, city slow);
	CREATE TABLE others (id int PRIMARY KEY, email text, firstname text, city text);
	INSERT INTO people SELECT i, 'p' || i || '@example.com', 'old' FROM generate_series(1, 9) i;
	UPDATE people SET city = 'x' WHERE id = 9;
	INSERT INTO others VALUES (1, 'o1@example.com', 'old')});
follow('people');
wait_filled('people');

# Keeps the refresher, and tells that it had a turn
ask(q{SELECT hubspot_trait('tick', 'SELECT email, 1 FROM others', property => 'zip', every => '1 second')});

sub let_it_try
{
	for (1, 2)
	{
		my $last = ask(q{SELECT refreshed_at FROM hubspot.syncs WHERE name = 'tick'});
		wait_until(sub { ask(q{SELECT refreshed_at FROM hubspot.syncs WHERE name = 'tick'}) ne $last }, 'a turn of the refresher');
	}
}

my $worker = worker_pid($node, 'postgres');
my $live = $node->background_psql('postgres', on_error_stop => 0);
let_it_try();

# A change that begins before the back-fill reads, and commits; the worker
# sleeps, so that it sees the rows of both at once, by their ids
$live->query_safe(q{BEGIN; UPDATE people SET firstname = 'new' WHERE id = 1});
freeze($worker);
ask(q{SELECT hubspot_resync('people')});
let_it_try();
is(rows_read('people'), '0', 'a row under change is waited for');
$live->query_safe('COMMIT');
wait_filled('people');
kill 'CONT', $worker;
wait_drained($node, 'postgres');
is(first_name('p1'), 'new', 'the newer value is the last one');

# One that rolls back
$live->query_safe(q{BEGIN; UPDATE people SET firstname = 'dropped' WHERE id = 2});
ask(q{SELECT hubspot_resync('people')});
let_it_try();
$live->query_safe('ROLLBACK');
wait_filled('people');
wait_drained($node, 'postgres');
is(first_name('p2'), 'old', 'what is rolled back is not sent');
is(rows_read('people'), '9', 'and its row is');

# One that begins after the back-fill has read, and would commit, and be sent, before it
ask(q{UPDATE gate SET closed = true});
ask(q{SELECT hubspot_resync('people')});
wait_until(sub { ask(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 412}) }, 'the back-fill to stand at the gate');
$live->query_until(qr/begun/, "\\echo begun\nUPDATE people SET firstname = 'newer' WHERE id = 3;\n");
wait_until(
	sub {
		ask(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'UPDATE people SET firstname = ''newer''%' AND wait_event_type = 'Lock'})
		  || first_name('p3') eq 'newer';
	},
	'the change to wait, or to arrive');
ask(q{UPDATE gate SET closed = false});
$live->query_safe('SELECT 1');
wait_filled('people');
wait_drained($node, 'postgres');
is(first_name('p3'), 'newer', 'a change under way does not come before what was read without it');

# One that lasts
$live->query_safe(q{BEGIN; DELETE FROM people WHERE id = 4});
ask(q{SELECT hubspot_resync('people')});
follow('others');
wait_filled('others');
pass('another back-fill goes on');
wait_until(sub { ask(q{SELECT state = 'failed' FROM hubspot.backfills WHERE name = 'people'}) eq 't' }, 'the back-fill to say what it waits for');
is(ask(q{SELECT error FROM hubspot.backfills WHERE name = 'people'}),
	'the back-fill waits for a transaction that has locked rows of table "people"', 'and it says so');
$live->query_safe('COMMIT');
$live->quit;
wait_filled('people');
is(rows_read('people'), '8', 'when it has ended the back-fill goes on, without the row that is gone');
wait_drained($node, 'postgres');
is(ask(q{SELECT count(*) FROM hubspot.result WHERE verdict NOT IN ('delivered', 'coalesced', 'unchanged')}), '0', 'all calls went well');

$node->stop;
done_testing();
