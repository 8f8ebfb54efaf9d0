# The launcher: which databases have a worker, through DDL, reloads, crashes
# and lack of processes.  Nothing is sent here; no account is defined.
#
# Every wait is for a condition.  That something does not happen is shown by
# waiting for something that happens later.

use strict;
use warnings;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use HubSpotTest qw(becomes);
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('launcher');
$node->init;
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'hubspot'
restart_after_crash = on
max_worker_processes = 40
log_line_prefix = '%b '
});
$node->start;

# All questions are asked from here: it has a worker through the whole test.
sub ask
{
	return $node->safe_psql('watch', shift);
}

sub pid_of
{
	my $database = shift;
	return ask("SELECT pid FROM pg_stat_activity "
		  . "WHERE backend_type = 'hubspot worker' AND datname = '$database'");
}

sub wait_for
{
	my ($query, $what) = @_;
	ok($node->poll_query_until('watch', "SELECT $query"), $what);
}

# A worker that found the extension, with a pid other than the given.
sub wait_for_worker
{
	my ($database, $what, $not_pid) = @_;
	$not_pid ||= 0;
	wait_for(
		"EXISTS (SELECT FROM hubspot.workers WHERE database = '$database' "
		  . "AND state IN ('running', 'held') AND pid <> $not_pid)", $what);
}

sub wait_for_none
{
	my ($database, $what) = @_;
	wait_for(
		"NOT EXISTS (SELECT FROM pg_stat_activity "
		  . "WHERE backend_type = 'hubspot worker' AND datname = '$database')",
		$what);
}

# Run a statement about a database that has a worker: PostgreSQL gives up after five seconds
# in which a worker has not left.
sub quick
{
	my ($statement, $what) = @_;
	my ($status, undef, $error) = $node->psql('postgres', $statement);
	is("$status $error", '0 ', $what);
}

sub add_database
{
	my $name = shift;
	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION hubspot');
}

#
# CREATE EXTENSION and DROP EXTENSION
#
add_database('watch');
wait_for_worker('watch', 'a worker comes with the extension');

$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('plain', 'BEGIN; CREATE EXTENSION hubspot; ROLLBACK');
add_database('shop');
wait_for_worker('shop', 'a second database has a worker of its own');
is(pid_of('plain'), '', 'no worker where the extension was rolled back');

my $pid = pid_of('shop');
$node->safe_psql('shop', 'BEGIN; DROP EXTENSION hubspot; ROLLBACK');
is(pid_of('shop'), $pid, 'a DROP EXTENSION rolled back leaves the worker');
$node->safe_psql('shop', 'DROP EXTENSION hubspot');
wait_for_none('shop', 'DROP EXTENSION ends the worker');
$node->safe_psql('shop', 'CREATE EXTENSION hubspot');
wait_for_worker('shop', 'and CREATE EXTENSION brings it back');

#
# Statements that need a database for themselves
#
$pid = pid_of('shop');
quick('ALTER DATABASE shop RENAME TO store', 'RENAME does not wait for the worker');
wait_for_worker('store', 'the renamed database has a worker', $pid);

$pid = pid_of('store');
my ($status) = $node->psql('postgres', 'ALTER DATABASE store RENAME TO watch');
isnt($status, 0, 'RENAME to a name in use fails');
wait_for_worker('store', 'after which the worker comes back', $pid);

$pid = pid_of('store');
my $space = PostgreSQL::Test::Utils::tempdir;
$node->safe_psql('postgres', "CREATE TABLESPACE space LOCATION '$space'");
quick('ALTER DATABASE store SET TABLESPACE space',
	'SET TABLESPACE does not wait for the worker');
wait_for_worker('store', 'and it comes back', $pid);

$pid = pid_of('store');
quick('CREATE DATABASE copy TEMPLATE store', 'TEMPLATE does not wait for the worker');
wait_for_worker('store', 'the original has its worker again', $pid);
wait_for("EXISTS (SELECT FROM hubspot.workers WHERE database = 'copy' AND state = 'held' AND pid = 0)", 'the copy is looked at, and held');
quick('DROP DATABASE copy', 'DROP DATABASE does not wait for the worker');

$pid = pid_of('store');
$node->safe_psql('postgres', 'CREATE ROLE stranger LOGIN');
($status) = $node->psql('postgres', 'DROP DATABASE store',
	extra_params => [ '-U', 'stranger' ]);
isnt($status, 0, 'a stranger may not drop the database');
is(pid_of('store'), $pid, 'nor disturb its worker');

my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN');
$session->query_safe('ALTER DATABASE store RENAME TO other');
wait_for(
	"EXISTS (SELECT FROM hubspot.workers WHERE state = 'stopped' AND problem ~ 'statement')",
	'while a RENAME is not committed the slot says why there is no worker');
add_database('later');
wait_for_worker('later', 'another database gets its worker meanwhile');
is(pid_of('store'), '', 'the one under RENAME does not');
$session->query_safe('ROLLBACK');
$session->quit;
wait_for_worker('store', 'after the ROLLBACK it does', $pid);
quick('DROP DATABASE later WITH (FORCE)', 'DROP with FORCE does not wait either');

#
# Ends of processes
#
for my $times (1 .. 2)
{
	$pid = pid_of('store');
	# looked at from the statement that ends it: the next one starts after a second or two
	$node->safe_psql('store', "SET client_min_messages = error; DO \$\$ BEGIN
		PERFORM pg_terminate_backend($pid);
		FOR i IN 1 .. 6000 LOOP
			IF EXISTS (SELECT FROM hubspot_health() WHERE problem ~ 'the worker ended with an error, $times times in a row, and is started again at'
				AND remedy ~ 'the server log names as the cause; nothing is lost') THEN RETURN; END IF;
			PERFORM pg_sleep(0.01);
		END LOOP;
		RAISE 'health does not tell of a worker that has ended'; END \$\$");
	wait_for_worker('store', "a worker that was terminated starts again ($times)", $pid);
	becomes(sub { ask("SELECT failures FROM hubspot.workers WHERE database = 'store'") },
		$times, "and the failure is counted ($times)");
}

$pid = pid_of('store');
my $launcher = "pid FROM pg_stat_activity WHERE backend_type = 'hubspot launcher'";
my $old = ask("SELECT $launcher");
ask("SELECT pg_terminate_backend($old)");
wait_for("EXISTS (SELECT $launcher AND pid <> $old)", 'the launcher starts again');
is(pid_of('store'), $pid, 'workers outlive the launcher');
ask("SELECT pg_terminate_backend($pid)");
wait_for_worker('store', 'and the new launcher looks after them', $pid);

$pid = pid_of('store');
my $watch_pid = pid_of('watch');
$session = $node->background_psql('postgres', on_error_stop => 0);
my $victim = $session->query('SELECT pg_backend_pid()');
kill 'KILL', $victim;
becomes(
	sub {
		HubSpotTest::try_ask($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot worker' "
			  . "AND datname IN ('store', 'watch') AND pid NOT IN ($pid, $watch_pid)");
	},
	'2',
	'after a crash of the server all workers come back');
eval { $session->{run}->finish; };

#
# Settings
#
$node->append_conf('postgresql.conf', "hubspot.databases = 'watch, nowhere'");
$node->reload;
wait_for_none('store', 'a database not in hubspot.databases has no worker');
$node->append_conf('postgresql.conf', "hubspot.databases = '*'");
$node->reload;
wait_for_worker('store', 'it comes back with the setting');

$node->append_conf('postgresql.conf', 'hubspot.enabled = off');
$node->reload;
wait_for_none('store', 'hubspot.enabled = off ends the workers');
wait_for("(SELECT bool_and(state = 'stopped' AND problem ~ 'hubspot.enabled') FROM hubspot.workers)",
	'and says so');
$node->append_conf('postgresql.conf', 'hubspot.enabled = on');
$node->reload;
wait_for_worker('store', 'on starts them');

for my $bad ("'*, store'", q{'"open'})
{
	my ($result, $out, $err) =
	  $node->psql('postgres', "ALTER SYSTEM SET hubspot.databases = $bad");
	like($err, qr/invalid value for parameter/, "hubspot.databases = $bad is refused");
}

#
# Many databases, and too few processes
#
add_database("many$_") for (1 .. 10);
$node->restart;
wait_for(
	"count(DISTINCT datname) = 12 FROM pg_stat_activity WHERE backend_type = 'hubspot worker' "
	  . "AND (datname LIKE 'many%' OR datname IN ('watch', 'store'))",
	'twelve databases have their workers after a start');

# Two are needed by the launchers, so that some databases wait.
$node->append_conf('postgresql.conf', 'max_worker_processes = 6');
my $log_start = -s $node->logfile;
$node->restart;
wait_for("EXISTS (SELECT FROM hubspot.workers WHERE problem ~ 'max_worker_processes' AND failures >= 2)",
	'a worker that finds no process says so, and is tried again');
my $log = slurp_file($node->logfile, $log_start);
my $complaints = () = $log =~ /WARNING:  out of background worker slots/g;
is($complaints, 1, 'the log says so once');

# Give the processes free; watch itself may be among those that wait.
for my $database (split /\n/,
	$node->safe_psql('postgres', "SELECT datname FROM pg_database WHERE datname LIKE 'many%'"))
{
	quick("DROP DATABASE $database", "DROP DATABASE $database");
}
wait_for_worker('watch', 'with processes free again everyone has a worker');
wait_for_worker('store', 'really everyone');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|hubspot.*terminated by signal (?!9)/,
	'no process crashed but the one that was killed');

done_testing();
