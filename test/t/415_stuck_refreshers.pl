# A query that looks for no interrupts is ended by nothing: others are served beside it.
use strict;
use warnings;

use Fcntl qw(O_NONBLOCK O_WRONLY);
use HubSpotTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('stuck', conf => "log_statement = none\nmax_worker_processes = 16\nrestart_after_crash = on");
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }

# The server restarts in between: no answer is no error.
sub maybe { return HubSpotTest::try_ask($node, $_[0]) // '' }

sub as { my ($role, $sql) = @_; my ($status, $out, $error) = $node->psql('postgres', "SET ROLE $role; $sql"); return $error }

sub state_of { return maybe("SELECT state FROM hubspot.syncs WHERE name = '$_[0]'") }

sub problem_of { return maybe("SELECT problem FROM hubspot.syncs WHERE name = '$_[0]'") }

sub refreshed_at { return maybe("SELECT refreshed_at FROM hubspot.syncs WHERE name = '$_[0]'") }

sub health { return maybe('SET ROLE pg_monitor; SELECT problem, remedy FROM hubspot_health()') }

sub everything { return join "\n", maybe('SELECT * FROM hubspot.syncs'), maybe('SELECT * FROM hubspot.workers'), maybe('SELECT * FROM hubspot.stuck_report()') }

sub stuck_pid { return maybe("SELECT k.pid FROM hubspot.stuck_report() k JOIN hubspot.sync y ON y.id = k.sync WHERE y.name = '$_[0]'") }

sub wait_for_refresh
{
	my ($name, $what) = @_;
	my $last = refreshed_at($name);
	my $at;
	wait_until(sub { $at = refreshed_at($name); $at ne '' && $at ne $last }, sub { "$what: " . everything() });
	pass($what);
	return $at;
}

# A query that looks for no interrupts until it is released: a function reads a pipe that
# nobody writes.  Then the file is there for good, and has an address in it.  Of a pipe
# pg_read_file() comes back with an error, lo_import() with a value.
my $pipes = $node->basedir . '/pipes';
mkdir $pipes or die "$pipes: $!";

sub pipe_query
{
	my ($name, $function) = @_;
	POSIX::mkfifo("$pipes/$name", 0600) or die "$pipes/$name: $!";
	return sprintf "SELECT %s('%s')::text", $function // 'pg_read_file', "$pipes/$name";
}

sub open_pipe { my ($name) = @_; sysopen(my $pipe, "$pipes/$name", O_WRONLY | O_NONBLOCK) or return undef; return $pipe }

sub release
{
	my ($name) = @_;
	PostgreSQL::Test::Utils::append_to_file("$pipes/$name.new", "$name\@example.com");
	my $pipe = open_pipe($name);    # none: nobody reads it
	rename "$pipes/$name.new", "$pipes/$name" or die "$pipes/$name: $!";
}

my @hostile = qw(mallory mike mona max);
ask(q{CREATE ROLE alice; GRANT USAGE ON FOREIGN SERVER crm TO alice; CREATE DATABASE elsewhere;
	SELECT hubspot_create_property('contact', p, 'bool') FROM unnest('{ours,mallory1,mallory2,mallory3,mike1,max1}'::text[]) p});
ask(qq{CREATE ROLE $_ IN ROLE pg_read_server_files; GRANT USAGE ON FOREIGN SERVER crm TO $_; GRANT CREATE ON SCHEMA public TO $_;
	GRANT EXECUTE ON FUNCTION pg_read_file(text), lo_import(text) TO $_}) for @hostile;
wait_drained($node, 'postgres');

sub declare
{
	my ($role, $name, $query, %options) = @_;
	my $every = $options{every} // '1 second';
	return as($role, "SELECT hubspot_audience('$name', \$\$$query\$\$, every => '$every', timeout => '100 ms')");
}

# ---- one ------------------------------------------------------------------------------------

declare('mallory', 'mallory1', pipe_query('mallory1'));
wait_until(sub { stuck_pid('mallory1') ne '' || ask('SELECT refresher_runs FROM hubspot.workers') eq 'mallory1' }, sub { 'the query: ' . everything() });
declare('alice', 'ours', q{SELECT 'a' || extract(epoch FROM now()) || '@example.com'});
wait_until(sub { stuck_pid('mallory1') }, sub { 'it to be stuck: ' . health() . everything() });
my $pid = stuck_pid('mallory1');
my $served = wait_for_refresh('ours', 'another owner is served beside a query that looks for no interrupts');
my $late = ask("SELECT '$served'::timestamptz - k.since FROM hubspot.stuck_report() k");
note("the other owner waited for $late, of which 0.1 s are the timeout, 5 s and 2 s the graces");
cmp_ok(ask("SELECT extract(epoch FROM '$served'::timestamptz - k.until) FROM hubspot.stuck_report() k"), '<', 60, '... some seconds after the process was told to end');
becomes(sub { ask('SELECT refreshers_stuck, refresher_pid IS DISTINCT FROM ' . $pid . ' FROM hubspot.workers WHERE refresher_pid IS NOT NULL') }, '1|t', '... by another process');
becomes(sub { state_of('mallory1') }, 'stuck', 'the definition is stuck');
like(problem_of('mallory1'), qr/^process $pid was told to end at 20\S+ \S+ and goes on: its query looks for no interrupts$/, '... and says so');
becomes(sub { health() }, qr/^audience "mallory1" of mallory goes on although its process $pid was told to end at 20.*; for it wait 0 other definitions of that owner\|.*immediate restart.*REVOKE USAGE ON FOREIGN SERVER crm.*hubspot_drop_sync\('mallory1'\)/m,
	'... as health does, with what helps');
like(slurp_file($node->logfile), qr/WARNING:  hubspot refresher with PID $pid does not end although it was told to/, '... and the log');

# ---- a second one of the same owner -----------------------------------------------------------

declare('mallory', 'mallory2', pipe_query('mallory2'));
declare('mallory', 'mallory3', q{SELECT 'm3@example.com'});
wait_until(sub { state_of('mallory3') eq 'waiting' }, sub { 'them to wait: ' . everything() });
wait_for_refresh('ours', "the other owner's is refreshed $_") for 1 .. 3;
is(open_pipe('mallory2'), undef, 'nothing else of that owner is run');
is(refreshed_at('mallory3'), '', '... be it harmless');
is(problem_of('mallory2'), 'waits for "mallory1" of the same owner, which is stuck', '... and says why');
becomes(sub { health() }, qr/for it wait 2 other definitions of that owner/, 'health says who waits for whom');
unlike(health(), qr/"ours".*waits|mallory.*runs since/, '... and who does not');

# ---- what would wait ----------------------------------------------------------------------------

for my $call (q{hubspot_drop_sync('mallory1')}, q{hubspot_refresh('mallory1')}, q{hubspot_resync('mallory1')},
	q{hubspot_audience('mallory1', 'SELECT NULL::text')}, q{hubspot_alter_owner('mallory1', 'alice')})
{
	like(as('postgres', "SET lock_timeout = '60s'; SELECT $call"), qr/ERROR:  audience "mallory1" is stuck: its query goes on in the process with PID $pid\n.*HINT:/s, "$call is refused");
}
like(as('postgres', 'DROP EXTENSION hubspot CASCADE'), qr/ERROR:  cannot drop extension "hubspot" while a refresher is stuck\n/, 'DROP EXTENSION is refused');
is(as('postgres', q{SET lock_timeout = '60s'; SELECT hubspot_drop_sync('mallory3')}), '', 'what merely waits can be dropped');
my ($status, $out, $error) = $node->psql('elsewhere', 'DROP DATABASE postgres');
like($error, qr/WARNING:  the hubspot process with PID $pid has not left database "postgres".*ERROR:  database "postgres" is being accessed by other users/s, 'DROP DATABASE says what it fails by');
wait_for_refresh('ours', 'after that the others go on, with another worker');
is(stuck_pid('mallory1'), $pid, '... beside the same process');

# ---- the most there are -------------------------------------------------------------------------

# in a parallel worker, for which the refresher waits when it is to end
my $parallel = ask(q{SELECT name FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')});
sub set_parallel { ask("ALTER SYSTEM SET $parallel = $_[0]"); $node->reload; return wait_for_refresh('ours', "the next refresh, with $parallel $_[0]") }
set_parallel('on');
declare('mike', 'mike1', pipe_query('mike1'), every => '1 hour');
wait_until(sub { stuck_pid('mike1') }, sub { 'a second owner to be stuck: ' . everything() });
is(ask(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker' AND leader_pid = } . stuck_pid('mike1')), 1, 'another owner is stuck in a parallel worker');
set_parallel('off');
my $read = pipe_query('mona1');
as('mona', qq{CREATE TYPE odd AS (a int); CREATE FUNCTION odd_text(odd) RETURNS text LANGUAGE sql AS \$\$ $read \$\$; CREATE CAST (odd AS text) WITH FUNCTION odd_text(odd);
	CREATE TABLE odds (k odd PRIMARY KEY, email text); INSERT INTO odds VALUES (ROW(1), 'o1\@example.com')});
ask(q{ALTER SYSTEM SET hubspot.max_refresh_timeout = '100ms'});    # a back-fill has the longest
$node->reload;
wait_for_refresh('ours', 'with two of them');
as('mona', q{SELECT hubspot_sync('mona1', 'odds', key => 'k', mapping => '{"email": "email"}')});
wait_until(sub { stuck_pid('mona1') }, sub { 'a back-fill to be stuck: ' . health() . everything() });
is(ask(q{SELECT state || ': ' || error FROM hubspot.backfills}), 'stuck: ' . problem_of('mona1'), 'hubspot.backfills says so');
wait_for_refresh('ours', 'with three of them');
becomes(sub { ask('SELECT refreshers_stuck FROM hubspot.workers') }, 3, 'these are as many as may be');
declare('max', 'max1', pipe_query('max1', 'lo_import'), every => '1 hour');
wait_until(sub { health() =~ /^refreshes and back-fills wait: too many refreshers are stuck, no more are started beside them\|see below/m }, sub { 'the bound: ' . health() . everything() });
becomes(sub { ask('SELECT refreshers_stuck, refresher_runs FROM hubspot.workers') }, '3|max1', 'beyond them no process is started');
becomes(sub { health() }, qr/^audience "max1" of max goes on .*; for it wait all refreshes and back-fills of the database/m, '... and health says who waits');
becomes(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot refresher'}) }, 4, '... as the list of processes does');

# ---- it comes back --------------------------------------------------------------------------------

release('mike1');
wait_until(sub { stuck_pid('max1') }, sub { 'its place to be used: ' . everything() });
wait_for_refresh('ours', 'as soon as one has ended, others are served');
like(problem_of('mike1'), qr/^the query went on after its process was told to end: it calls something that looks for no interrupts/, 'what came back has failed, with the reason');
is(ask(q{SELECT error_code, failures, next_at > failed_at FROM hubspot.sync_state s JOIN hubspot.sync y ON y.id = s.sync WHERE y.name = 'mike1'}), '57014|1|t', '... which counts as a failure of that definition');
unlike(health(), qr/too many refreshers/, 'there is room again');
release($_) for qw(mona1 max1);
wait_until(sub { ask(q{SELECT state FROM hubspot.backfills}) eq 'done' }, sub { 'the back-fill: ' . ask('SELECT * FROM hubspot.backfills') });
pass('its next try is done');
wait_until(sub { state_of('max1') eq 'failing' }, sub { 'the end of the refresh: ' . everything() });
is(ask(q{SELECT (SELECT count(*) FROM hubspot.members WHERE name = 'max1') + (SELECT count(*) FROM pg_largeobject_metadata)}), 0, 'what came back without an error has done nothing, either');
ask(q{SELECT hubspot_resync('max1')});
wait_until(sub { state_of('max1') eq 'scheduled' && refreshed_at('max1') ne '' }, sub { 'the refresh: ' . everything() });
pass('and is done at its next try');

# ---- one dies: it is suspected, not the one that works ----------------------------------------------

my %ids = map { $_ => ask("SELECT id FROM hubspot.sync WHERE name = '$_'") } qw(mallory1 ours);

sub dies
{
	my ($victim) = @_;
	my $crashes = () = slurp_file($node->logfile) =~ /all server processes terminated; reinitializing/g;
	kill 'KILL', $victim;
	wait_until(sub { my $now = () = slurp_file($node->logfile) =~ /all server processes terminated; reinitializing/g; $now > $crashes }, 'the server to restart');
	wait_until(sub { maybe('SELECT true') eq 't' }, 'the server to be up');
}

dies($pid);
wait_until(sub { slurp_file($node->logfile) =~ /died while it worked on something/ }, 'the suspicion');
wait_until(sub { my $now = stuck_pid('mallory1'); $now ne '' && $now ne $pid }, sub { 'it to be stuck again: ' . everything() });
wait_for_refresh('ours', 'after a crash it is as before');
becomes(sub { state_of('mallory1') }, 'stuck', 'one death is no reason to hold it');
dies(stuck_pid('mallory1'));
wait_until(sub { state_of('mallory1') eq 'held' }, sub { 'it to be held: ' . everything() });
like(problem_of('mallory1'), qr/died there twice/, 'two are');
my @suspects = slurp_file($node->logfile) =~ /Kind 1, number (\d+), deaths: \d/g;
is("@suspects", "$ids{mallory1} $ids{mallory1}", 'of those that ran it is the one that was suspected');

# ---- all is well ------------------------------------------------------------------------------------

release('mallory2');
ask(q{SELECT hubspot_drop_sync('mallory1')});
wait_until(sub { refreshed_at('mallory2') ne '' && state_of('mallory2') eq 'scheduled' }, sub { 'what waited: ' . everything() });
wait_for_refresh('ours', 'the others go on');
becomes(sub { ask('SELECT refreshers_stuck, refresher_problem FROM hubspot.workers') }, '0|', 'none is stuck');
becomes(sub { health() =~ /mallory|too many/ ? $& : 'content' }, 'content', 'health is content');
unlike(slurp_file($node->logfile), qr/the server crashed \d+ times in a row while the hubspot refresher ran/, 'what runs beside another one is no crash');
$node->stop;
is(scalar(() = glob $node->data_dir . '/hubspot_refresher_starts.*'), 0, 'nor is anything left that would count as one');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP/, 'nothing crashed by itself');
done_testing();
