# A query that does not end keeps the refresher for a bounded time, and owners take turns.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('long', conf => 'log_statement = none');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub as { my ($role, $sql) = @_; my ($status, $out, $error) = $node->psql('postgres', "SET ROLE $role; $sql"); return $error }

sub problem_of { return ask("SELECT problem FROM hubspot.syncs WHERE name = '$_[0]'") }

sub refreshed_at { return ask("SELECT refreshed_at FROM hubspot.syncs WHERE name = '$_[0]'") }

sub everything { return ask('SELECT * FROM hubspot.syncs') . ask('SELECT * FROM hubspot.workers') }

sub wait_for_refresh
{
	my ($name, $what) = @_;
	my $last = refreshed_at($name);
	wait_until(sub { refreshed_at($name) ne $last }, sub { "$what: " . everything() });
	pass($what);
}

ask(q{CREATE ROLE mallory; CREATE ROLE alice; GRANT USAGE ON FOREIGN SERVER crm TO mallory, alice; GRANT CREATE ON SCHEMA public TO mallory;
	SELECT hubspot_create_property('contact', p, 'bool') FROM unnest('{hang,hang2,ours,slow}'::text[]) p});
wait_drained($node, 'postgres');
as('mallory', q{CREATE FUNCTION hang() RETURNS text LANGUAGE plpgsql AS $$
	BEGIN LOOP BEGIN PERFORM pg_sleep(3600); EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END $$});
my $ours = q{SELECT hubspot_audience('ours', 'SELECT ''a'' || extract(epoch FROM now()) || ''@example.com''', every => '1 second')};

# A query that swallows its cancel
as('mallory', q{SELECT hubspot_audience('hang', 'SELECT public.hang()', every => '1 second', timeout => '4 seconds')});
wait_until(sub { ask('SELECT refresher_runs FROM hubspot.workers') eq 'hang' }, 'the query that hangs');
as('alice', $ours);
wait_until(sub { ask('SELECT problem FROM hubspot_health()') =~ /^audience "hang" of mallory runs since 20\S+ \S+, 1 other definitions wait$/m },
	sub { 'health: ' . ask('SELECT * FROM hubspot_health()') });
pass('health names who waits for whom');
wait_until(sub { problem_of('hang') ne '' }, 'its end');
is(problem_of('hang'), 'the query went on after it was canceled at its timeout, and the process was ended', 'the process that it keeps is ended, and the reason is told');
is(ask(q{SELECT error_code FROM hubspot.sync_state s JOIN hubspot.sync y ON y.id = s.sync WHERE y.name = 'hang'}), '57014', '... with a SQLSTATE, which is what others see of it');
is(ask(q{SELECT failures > 0, next_at > failed_at FROM hubspot.syncs WHERE name = 'hang'}), 't|t', 'it counts as a failure of that definition');
wait_for_refresh('ours', 'another owner is served');
is(ask(q{SELECT failures FROM hubspot.syncs WHERE name = 'ours'}), 0, 'and has not failed');
like(slurp_file($node->logfile), qr/WARNING:  refresh of "hang" failed with SQLSTATE 57014/, 'the log says so');

# Many of them: each owner gets his turn
as('mallory', "SELECT hubspot_audience('hang$_', 'SELECT public.hang()', property => 'hang2', every => '1 second', timeout => '100 ms')") for 1 .. 6;
my $failed = q{SELECT s.failed_at FROM hubspot.sync_state s JOIN hubspot.sync y ON y.id = s.sync WHERE y.name LIKE 'hang_' AND s.failures > 0};
wait_until(sub { ask("SELECT count(*) >= 2 FROM ($failed) f") eq 't' }, sub { 'two of them to be ended ' . everything() });
is(ask(qq{SELECT s.ran_at > (SELECT min(f.failed_at) FROM ($failed) f) FROM hubspot.sync_state s JOIN hubspot.sync y ON y.id = s.sync WHERE y.name = 'ours'}),
	't', 'between two of one owner comes the other');
ask(q{SELECT hubspot_drop_sync(name) FROM hubspot.syncs WHERE name LIKE 'hang%'});

# A process that an administrator ends
as('mallory', q{SELECT hubspot_audience('hang', 'SELECT public.hang()', every => '1 second')});
wait_until(sub { ask('SELECT refresher_runs FROM hubspot.workers') eq 'hang' }, 'the query that hangs once more');
ask('SELECT pg_cancel_backend(refresher_pid), pg_sleep(0.2) FROM hubspot.workers');
isnt(problem_of('hang'), 'canceling statement due to user request', 'a cancel does not end it');
# nor may the worker, for that cancel, be the one who ends it: then once more
wait_until(sub { ask(q{SELECT pg_terminate_backend(refresher_pid) FROM hubspot.workers WHERE refresher_runs = 'hang'}); problem_of('hang') eq 'the process was ended by an administrator while the query ran' }, sub { 'its end, not: ' . problem_of('hang') });
pass('an administrator ends it, and it waits for its next turn');
ask(q{SELECT hubspot_drop_sync('hang')});
ask('SELECT pg_terminate_backend(refresher_pid) FROM hubspot.workers');
wait_for_refresh('ours', 'the others go on');

# What waits for a lock: its own timeout would be too long for the others
ask(q{CREATE SCHEMA m AUTHORIZATION mallory; CREATE TABLE m.locked (email text); ALTER TABLE m.locked OWNER TO mallory});
as('mallory', q{SELECT hubspot_audience('hang', 'SELECT email FROM m.locked', every => '1 second', timeout => '1 hour')});
my $locker = $node->background_psql('postgres');
$locker->query_safe('SET ROLE mallory; BEGIN; LOCK TABLE m.locked IN ACCESS EXCLUSIVE MODE');
wait_until(sub { problem_of('hang') eq 'canceling statement due to lock timeout' }, sub { 'the lock timeout, not: ' . problem_of('hang') });
is(ask(q{SELECT error_code FROM hubspot.sync_state s JOIN hubspot.sync y ON y.id = s.sync WHERE y.name = 'hang'}), '55P03', 'a lock is waited for shorter than a query may run');
wait_for_refresh('ours', 'the others are served');
$locker->query_safe('COMMIT');
$locker->quit;
wait_until(sub { problem_of('hang') eq '' }, sub { 'the next try, not: ' . problem_of('hang') });
pass('and it is tried again');

# What a query locks for its session
as('mallory', q{SELECT hubspot_audience('hang', 'SELECT ''l@example.com'' FROM (SELECT pg_advisory_lock(4)) l', every => '1 hour')});
my $pid = wait_until(sub { ask('SELECT refresher_pid FROM hubspot.workers') }, 'a refresher');
wait_until(sub { ask(q{SELECT source_rows FROM hubspot.syncs WHERE name = 'hang'}) eq '1' }, sub { 'the query with the lock: ' . everything() });
wait_for_refresh('ours', 'another one is served by the same process');
becomes(sub { ask('SELECT refresher_pid FROM hubspot.workers') }, $pid, 'which is the one that took the lock');
becomes(sub { ask(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}) }, 0, 'a lock for the session ends with the task');
as('mallory', q{SELECT hubspot_audience('hang', 'SELECT (1 / (pg_advisory_lock(4)::text <> '''')::int)::text', every => '1 hour')});
wait_until(sub { problem_of('hang') eq 'division by zero' }, sub { 'an error, not: ' . problem_of('hang') });
becomes(sub { ask(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}) }, 0, 'also by an error');
ask(q{SELECT hubspot_drop_sync('hang')});

# What looks for no interrupts: here a process that has no time for them
as('mallory', q{SELECT hubspot_audience('hang', 'SELECT public.hang()', every => '1 second', timeout => '100 ms')});
my $runs = q{SELECT refresher_pid FROM hubspot.workers WHERE refresher_runs = 'hang'};
wait_until(
	sub {
		$pid = ask($runs) or return 0;
		freeze($pid);
		return 1 if ask($runs) eq $pid;
		kill 'CONT', $pid;    # it had ended just then
		return 0;
	},
	'the query that is to be stopped');
wait_until(sub { ask('SELECT problem FROM hubspot_health()') =~ /^audience "hang" of mallory goes on although its process $pid was told to end at 20\S+ \S+: it does not look for interrupts/m },
	sub { 'health: ' . ask('SELECT * FROM hubspot_health()') });
unlike(ask('SELECT problem FROM hubspot_health()'), qr/^audience "hang" of mallory runs since/m, 'health does not promise an end that does not come');
becomes(sub { ask('SELECT remedy FROM hubspot_health()') }, qr/immediate restart.*REVOKE USAGE ON FOREIGN SERVER crm FROM .*mallory.*hubspot_drop_sync\('hang'\)/, '... but says what helps');
wait_for_refresh('ours', 'the others go on beside it');
like(as('postgres', q{SELECT hubspot_drop_sync('hang')}), qr/is stuck: its query goes on in the process with PID $pid\n/, 'hubspot_drop_sync() does not wait for what may never come');
ask(q{SET lock_timeout = '5s'; REVOKE USAGE ON FOREIGN SERVER crm FROM mallory});
kill 'CONT', $pid;
wait_until(sub { problem_of('hang') =~ /permission denied for foreign server crm/ }, sub { 'the lost right to keep it from its next run, not: ' . problem_of('hang') });
pass('who has lost the right to the account is not run again');
ask(q{SELECT hubspot_drop_sync('hang'); GRANT USAGE ON FOREIGN SERVER crm TO mallory});
wait_for_refresh('ours', 'the others have gone on');

# The longest timeout there is
ask(q{SELECT hubspot_audience('slow', 'SELECT pg_sleep(600)::text', every => '1 second', timeout => '5 minutes')});
like(as('alice', q{SET hubspot.max_refresh_timeout = '1h'}), qr/permission denied to set parameter "hubspot.max_refresh_timeout"/, 'the cap is for superusers');
ask(q{ALTER SYSTEM SET hubspot.max_refresh_timeout = '500ms'});
$node->reload;
wait_until(sub { ask('SHOW hubspot.max_refresh_timeout') eq '500ms' }, 'the cap');
wait_until(sub { ask('SELECT refresher_runs FROM hubspot.workers') eq 'slow' || problem_of('slow') ne '' }, 'the slow one');
ask('SELECT pg_cancel_backend(refresher_pid) FROM hubspot.workers');
wait_until(sub { problem_of('slow') eq 'canceling statement due to statement timeout' }, sub { 'the cap, not: ' . problem_of('slow') });
pass('a longer timeout is cut when the query runs');
like(as('alice', $ours), qr/NOTICE:  timeout is cut to 0\.5 seconds, which hubspot\.max_refresh_timeout allows/, 'and when it is declared');
is(ask(q{SELECT timeout FROM hubspot.sync WHERE name = 'ours'}), '00:00:00.5', 'so it is written down');
ask(q{SELECT hubspot_drop_sync(name) FROM hubspot.syncs});

# A back-fill: reading a key as text may be a function of its owner's
as('mallory', q{CREATE TYPE odd AS (a int); CREATE FUNCTION odd_text(odd) RETURNS text LANGUAGE plpgsql AS $$ BEGIN RETURN public.hang(); END $$;
	CREATE CAST (odd AS text) WITH FUNCTION odd_text(odd);
	CREATE TABLE odds (k odd PRIMARY KEY, email text); INSERT INTO odds VALUES (ROW(1), 'o1@example.com');
	SELECT hubspot_sync('odds', 'odds', key => 'k', mapping => '{"email": "email"}')});
ask(q{CREATE TABLE fine (email text PRIMARY KEY); INSERT INTO fine SELECT 'f' || i || '@example.com' FROM generate_series(1, 600) i; GRANT SELECT, TRIGGER ON fine TO alice});
wait_until(sub { problem_of('odds') =~ /^the query went on after it was canceled/ }, sub { 'the back-fill to be ended: ' . problem_of('odds') . ask('SELECT * FROM hubspot.backfills') });
pass('a back-fill is ended, too');
as('alice', q{SELECT hubspot_sync('fine', 'public.fine', mapping => '{"email": "email"}')});
wait_until(sub { ask(q{SELECT state FROM hubspot.backfills WHERE name = 'fine'}) eq 'done' }, sub { 'the other back-fill: ' . ask('SELECT * FROM hubspot.backfills') });
pass('and another one goes on');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
