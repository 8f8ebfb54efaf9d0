# What a process was working on when it died is suspected, and held at the second
# time: a definition, a row, the lane of an answer.  What merely was under way, and
# what was being done when others died, is not.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('suspects', conf => 'restart_after_crash = on');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }

my $oid = ask(q{SELECT oid FROM pg_database WHERE datname = 'postgres'});

# The server restarts again and again here: no answer is no error.
sub wait_for { my ($query, $what) = @_; return wait_until(sub { my $said = HubSpotTest::try_ask($node, $query); defined $said && $said ne '' && $said ne 'f' ? $said : 0 }, $what // $query) }

# A process dies of a signal, and the server goes down and comes up again.
sub dies
{
	my ($pid, $signal) = @_;
	my $crashes = () = slurp_file($node->logfile) =~ /all server processes terminated; reinitializing/g;
	kill $signal // 'SEGV', $pid;
	wait_until(sub { my $now = () = slurp_file($node->logfile) =~ /all server processes terminated; reinitializing/g; $now > $crashes }, 'the server to restart');
	wait_for('SELECT true');
}

my $refresher = q{SELECT pid FROM pg_stat_activity WHERE query = 'refresh of "slow"' AND state = 'active' AND wait_event = 'PgSleep'};
my $worker = q{SELECT w.pid FROM hubspot.workers w JOIN pg_stat_activity a ON a.pid = w.pid WHERE w.state = 'running'};

# ---- a definition ---------------------------------------------------------------------------

ask(q{CREATE TABLE pace (seconds int); INSERT INTO pace VALUES (300); CREATE TABLE people (email text); INSERT INTO people VALUES ('ann@example.com');
	SELECT hubspot_audience('slow', 'SELECT email FROM people, pace, LATERAL pg_sleep(seconds)', every => '1 minute', timeout => '10 minutes', create_in_hubspot => true);
	SELECT hubspot_audience('quick', 'SELECT email FROM people', every => '1 minute', create_in_hubspot => true)});
my $first = wait_for($refresher);

# others die: it is not suspected, however often
for (1 .. 2)
{
	dies(ask(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'}));
	wait_for($refresher);
}
is(ask(q{SELECT count(*) FROM hubspot.syncs WHERE state = 'held'}), '0', 'when others die, no definition is held');
unlike(slurp_file($node->logfile), qr/died while it worked/, '... nor suspected');

dies(wait_for($refresher));
my $again = wait_for($refresher);
is(ask(q{SELECT count(*) FROM hubspot.syncs WHERE state = 'held'}), '0', 'it dies itself: once is no reason');
dies($again);
wait_for(q{SELECT state = 'held' FROM hubspot.syncs WHERE name = 'slow'}, 'it to be held');
like(ask(q{SELECT problem FROM hubspot.syncs WHERE name = 'slow'}), qr/died there twice/, 'twice: it is held, with the reason');
becomes(sub { ask(q{SELECT problem || ' / ' || remedy FROM hubspot_health()}) }, qr/audience "slow": .*died there twice.*SELECT hubspot_resync\('slow'\)/, '... that health names with the remedy');
wait_for(q{SELECT refreshed_at IS NOT NULL AND state = 'scheduled' FROM hubspot.syncs WHERE name = 'quick'}, 'the other definition to go on');
pass('... and the other one goes on');
ask(q{UPDATE pace SET seconds = 0; SELECT hubspot_resync('slow')});
wait_for(q{SELECT refreshed_at IS NOT NULL AND state = 'scheduled' FROM hubspot.syncs WHERE name = 'slow'}, 'the definition to go on');
pass('... as it does, once it is let go');
wait_drained($node, 'postgres');
ask(q{SELECT hubspot_drop_sync('slow'); SELECT hubspot_drop_sync('quick')});

# ---- what is under way -----------------------------------------------------------------------

$sim->fault(match => { path => 'batch/upsert' }, action => 'hang', times => 0);
my $innocent = ask(q{SELECT hubspot_identify('{"userId": "innocent@example.com"}')});
for (1 .. 2)
{
	wait_for("SELECT state = 'in_flight' FROM hubspot.outbox_status WHERE id = $innocent", 'the row to be under way');
	dies(wait_for($worker));
}
$sim->clear_faults;
my $suspicions = () = slurp_file($node->logfile) =~ /died while it worked/g;
is($suspicions, 2, 'a row under way is not suspected');
dies(wait_for($worker));    # of what hangs still
wait_drained($node, 'postgres');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $innocent"), 'delivered', '... and arrives');

# ---- a row, an answer ------------------------------------------------------------------------

# A worker that dies in the midst of a row takes microseconds to meet: so what it would
# leave is written into its file, as it would be: kind (SUSPECT_ROW, SUSPECT_ANSWER) and id.
sub dies_at
{
	my ($kind, $id) = @_;
	my $pid = wait_for($worker);
	my $path = $node->data_dir . '/hubspot_worker_suspects.' . $oid;

	freeze($pid);
	open my $file, '+<:raw', $path or die "$path: $!";
	seek $file, 8, 0;
	print $file pack('L x4 q', $kind, $id);
	close $file;
	dies($pid, 'KILL');
}

$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 503, times => 0);
my ($bad, $good) = split /\|/, ask(q{SELECT hubspot_identify('{"userId": "bad@example.com"}'), hubspot_identify('{"userId": "good@example.com"}')});
dies_at(3, $bad);
wait_for($worker);
is(ask("SELECT state FROM hubspot.outbox_status WHERE id = $bad") =~ /^(waiting|in_flight)$/, 1, 'a row where the worker died once waits');
dies_at(3, $bad);
wait_for("SELECT state = 'done' FROM hubspot.outbox_status WHERE id = $bad", 'its verdict');
like(ask("SELECT verdict, category, message FROM hubspot.outbox_status WHERE id = $bad"), qr/^rejected\|crashed_server\|.*died there twice/, 'twice: it is rejected, and says why');
$sim->clear_faults;
ask('SELECT hubspot_resume()');
wait_drained($node, 'postgres');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $good"), 'delivered', '... and its neighbour arrives');
my $retry = ask("SELECT hubspot_retry($bad)");
wait_drained($node, 'postgres');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $retry"), 'delivered', '... as it does when it is retried and nothing is wrong');

my $answer = ask(q{SELECT oid::bigint << 32 FROM pg_foreign_server WHERE srvname = 'crm'});    # contacts are the first lane
dies_at(4, $answer) for 1 .. 2;
wait_for(q{SELECT state = 'PAUSED' FROM hubspot.status WHERE lane = 'contacts'}, 'the lane to be paused');
becomes(sub { ask(q{SELECT problem || ' / ' || remedy FROM hubspot_health()}) }, qr/lane contacts of account "crm" is paused.*died there twice.*hubspot_resume\('crm', 'contacts'\)/s,
	'an answer: its lane is paused, health names reason and remedy');
my $waits = ask(q{SELECT hubspot_identify('{"userId": "waits@example.com"}')});
ask(q{SELECT hubspot_resume('crm', 'contacts')});
wait_drained($node, 'postgres');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $waits"), 'delivered', '... and goes on when it is resumed');

# ---- a full disk -----------------------------------------------------------------------------

# A store into a hole of a mapped file would be a death by SIGBUS.
$node->stop;
my $file = $node->data_dir . '/hubspot_worker_suspects.' . $oid;
unlink $file;
symlink '/dev/full', $file or die "$file: $!";
$node->start;
my $without = ask(q{SELECT hubspot_identify('{"userId": "without@example.com"}')});
wait_drained($node, 'postgres');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $without"), 'delivered', 'where the disk is full the worker does without');
like(slurp_file($node->logfile), qr/could not map file "hubspot_worker_suspects.$oid": No space left on device/, '... and says so');
done_testing();
