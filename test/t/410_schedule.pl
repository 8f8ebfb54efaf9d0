# The schedule of audiences and traits: who runs the query, what becomes of one
# that fails or takes too long, when it is refreshed next, and who ends when.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('schedule');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }
sub state_of { return ask("SELECT state FROM hubspot.syncs WHERE name = '$_[0]'") }

# Waits until a definition is refreshed so many times more.
sub wait_for_refreshes
{
	my ($name, $count) = @_;
	for (1 .. $count)
	{
		my $last = ask("SELECT refreshed_at FROM hubspot.syncs WHERE name = '$name'");
		wait_until(
			sub { ask("SELECT refreshed_at FROM hubspot.syncs WHERE name = '$name'") ne $last },
			sub { "a refresh of $name: " . ask('SELECT * FROM hubspot.syncs') . ask('SELECT * FROM hubspot.workers') });
	}
}

sub property_of
{
	my ($email, $property) = @_;
	return ($sim->contact($email) // { properties => {} })->{properties}{$property} // '';
}

ask(q{CREATE ROLE ann LOGIN; GRANT USAGE ON FOREIGN SERVER crm TO ann; GRANT CREATE ON SCHEMA public TO ann;
	SET ROLE ann;
	CREATE TABLE buyers (email text, plan text);
	INSERT INTO buyers VALUES ('ada@example.com', 'free')});

# The query says who runs it: a superuser would divide by zero
my $who = q{SELECT email, current_user || ' ' || 1 / (NOT rolsuper)::int FROM %s, pg_roles WHERE rolname = current_user};
$node->safe_psql('postgres', sprintf(q{SELECT hubspot_trait('runs_as_ann', '%s', property => 'city', every => '1 second')}, sprintf($who, 'buyers') =~ s/'/''/gr),
	extra_params => [ '-U', 'ann' ]);
wait_for_refreshes('runs_as_ann', 1);
wait_until(sub { property_of('ada@example.com', 'city') eq 'ann 1' }, 'the value that the query of an ordinary role gives');
pass('the schedule runs the query as the owner of the definition');

ask(sprintf(q{SELECT hubspot_trait('runs_as_reader', '%s', property => 'state', every => '1 second')}, sprintf($who, 'buyers') =~ s/'/''/gr));
wait_until(sub { property_of('ada@example.com', 'state') eq 'pg_read_all_data 1' }, sub { 'the value that the query of a superuser gives: ' . ask('SELECT * FROM hubspot.syncs') });
pass('and that of a superuser without his rights');

# What changes arrives
ask(q{INSERT INTO buyers VALUES ('bob@example.com', 'pro')});
wait_until(sub { property_of('bob@example.com', 'city') eq 'ann 1' }, 'a new member');
pass('a refresh later HubSpot knows of a new row');

# A process of its own
becomes(sub { ask(q{SELECT count(*) FROM hubspot.workers w JOIN pg_stat_activity a ON a.pid = w.refresher_pid WHERE a.backend_type = 'hubspot refresher'}) },
	'1', 'a process of its own does it');

# A query that fails
my $log = -s $node->logfile;
ask(q{SELECT hubspot_trait('broken', 'SELECT email, CASE plan WHEN ''pro'' THEN email::int ELSE 1 END FROM buyers', property => 'zip', every => '1 second')});
wait_until(sub { state_of('broken') eq 'failing' }, 'the failure to be seen');
like(ask(q{SELECT problem FROM hubspot.syncs WHERE name = 'broken'}), qr/^invalid input syntax for type integer: "\w+\@example.com"$/, 'the error is written down');
wait_until(sub { ask(q{SELECT failures >= 3 FROM hubspot.syncs WHERE name = 'broken'}) eq 't' }, 'further tries');
cmp_ok(ask(q{SELECT extract(epoch FROM next_at - failed_at) FROM hubspot.syncs WHERE name = 'broken'}), '>', 3.9, 'that come ever less often');
my $logged = PostgreSQL::Test::Utils::slurp_file($node->logfile, $log);
is(() = $logged =~ /WARNING:  refresh of "broken" failed with SQLSTATE 22P02$/mg, 1, 'the log says so once');
unlike($logged, qr/invalid input syntax/, '... without the text, which quotes what the query has read');
wait_for_refreshes('runs_as_ann', 2);
ask(q{SELECT hubspot_identify('{"email": "eve@example.com"}')});
wait_until(sub { $sim->contact('eve@example.com') }, 'a call');
pass('neither other definitions nor calls wait for it');
ask(q{UPDATE buyers SET plan = 'team' WHERE plan = 'pro'; SELECT hubspot_resync('broken')});
wait_until(sub { property_of('bob@example.com', 'zip') eq '1' }, sub { 'the repaired one' . ask('SELECT * FROM hubspot.syncs') });
becomes(sub { ask(q{SELECT state, problem, failures FROM hubspot.syncs WHERE name = 'broken'}) }, 'scheduled||0', 'a success ends it');
ask(q{SELECT hubspot_drop_sync('broken')});

# One that takes too long
ask(q{SELECT hubspot_trait('slow', 'SELECT email, pg_sleep(600)::text FROM buyers', property => 'zip', every => '1 second', timeout => '300 ms')});
wait_until(sub { state_of('slow') eq 'failing' }, 'the timeout');
like(ask(q{SELECT problem FROM hubspot.syncs WHERE name = 'slow'}), qr/timeout/, 'a query ends at its timeout');
ask(q{SELECT hubspot_drop_sync('slow')});

# One that somebody ends, as he waits for it
ask(q{SELECT hubspot_trait('long', 'SELECT email, pg_sleep(600)::text FROM buyers', property => 'zip', every => '1 minute')});
wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot refresher' AND query = 'refresh of "long"'}) }, 'a long refresh');
ask(q{SELECT pg_cancel_backend(refresher_pid) FROM hubspot.workers});
wait_until(sub { state_of('long') eq 'failing' }, 'its end');
is(ask(q{SELECT problem FROM hubspot.syncs WHERE name = 'long'}), 'canceling statement due to user request', 'a refresh can be cancelled');
ask(q{SELECT hubspot_drop_sync('long')});

# Somebody else refreshes it: it waits for nobody
my $session = $node->background_psql('postgres');
$session->query_safe(q{BEGIN; SELECT hubspot_refresh('runs_as_ann')});
my $before = ask(q{SELECT refreshed_at FROM hubspot.syncs WHERE name = 'runs_as_ann'});
wait_for_refreshes('runs_as_reader', 3);
is(ask(q{SELECT refreshed_at FROM hubspot.syncs WHERE name = 'runs_as_ann'}), $before, 'one refresh of a definition at a time, the others go on');
$session->query_safe('COMMIT');
$session->quit;
wait_for_refreshes('runs_as_ann', 1);

# No burst after a time in which nothing ran
stop_delivery($node);
becomes(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot refresher'}) }, '0', 'where nothing is delivered nothing is refreshed');
ask(q{UPDATE hubspot.sync_state SET next_at = now() - interval '1 hour'});
resume_delivery($node);
wait_for_refreshes('runs_as_ann', 1);
cmp_ok(ask(q{SELECT extract(epoch FROM now() - next_at) FROM hubspot.syncs WHERE name = 'runs_as_ann'}), '<', 60, 'what was missed is not made up for');

# By hand, without a schedule
ask(q{SELECT hubspot_trait('by_hand', 'SELECT email, plan FROM buyers', property => 'jobtitle')});
wait_for_refreshes('runs_as_ann', 2);
becomes(sub { state_of('by_hand') }, 'new', 'what has no schedule is not refreshed');
ask(q{SELECT hubspot_resync('by_hand')});
wait_until(sub { property_of('ada@example.com', 'jobtitle') eq 'free' }, 'the one that was asked for');
is(ask(q{SELECT next_at FROM hubspot.syncs WHERE name = 'by_hand'}), '', 'but once by hubspot_resync()');
wait_drained($node, 'postgres');
my $number = ($sim->log)[-1]{seq};
ask(q{SELECT hubspot_resync('by_hand')});
wait_until(sub { grep { $_->{seq} > $number && ($_->{properties}{jobtitle} // '') eq 'free' } $sim->log }, 'everybody again');
pass('hubspot_resync() queues what HubSpot has');
my ($status, undef, $error) = $node->psql('postgres', q{SELECT hubspot_resync('by_hand')}, extra_params => [ '-U', 'ann' ]);
like($error, qr/must be owner of trait "by_hand"/, 'it is for the owner');

# The process ends when there is nothing to do, and with its database
ask(q{SELECT hubspot_drop_sync(name) FROM hubspot.syncs});
wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot refresher'}) eq '0' }, 'the end of the refresher');
pass('the refresher ends when nothing is left to do');
$node->safe_psql('postgres', 'CREATE DATABASE other');
create_account($node, 'other', 'crm', $sim);
$node->safe_psql('other', q{SELECT hubspot_trait('sleeper', 'SELECT ''ada@example.com''::text, pg_sleep(600)::text', property => 'zip', every => '1 second')});
wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'other' AND backend_type = 'hubspot refresher' AND query LIKE 'refresh of%'}) eq '1' }, 'a long refresh');
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE other');
pass('a database is copied while a refresh runs');
wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE datname = 'other' AND backend_type = 'hubspot refresher' AND query LIKE 'refresh of%'}) eq '1' }, 'a long refresh');
$node->safe_psql('postgres', 'DROP DATABASE other');
pass('and dropped');

$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
