# Copies that must not send keep no process from databases that may.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $copies = 8;
my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster("slots", conf => "max_worker_processes = 8");

sub ask { my ($sql, $database) = @_; return $node->safe_psql($database // 'postgres', $sql) }

sub processes { return ask(q{SELECT coalesce(string_agg(datname, ' ' ORDER BY datname), '') FROM pg_stat_activity WHERE backend_type = 'hubspot worker'}) }

sub held { return ask(q{SELECT count(*) FROM hubspot.workers WHERE state = 'held' AND pid = 0}, 'cloner') }

sub arrives
{
	my ($database, $name) = @_;
	ask(qq{SELECT hubspot_identify('{"email": "$name\@example.com"}')}, $database);
	wait_until(sub { $sim->contact("$name\@example.com") }, sub { "$name of $database: " . ask('SELECT database, state, problem FROM hubspot.workers', 'cloner') });
	pass("$name: $database sends");
}

ask('CREATE DATABASE cloner');
ask('CREATE DATABASE tenant');
create_account($node, 'cloner', 'crm', $sim);
ask(q{SELECT hubspot_identify('{"email": "original@example.com"}')}, 'cloner');
wait_drained($node, 'cloner');
ask("CREATE DATABASE clone$_ TEMPLATE cloner") for 1 .. $copies;
wait_until(sub { held() == $copies }, sub { 'the copies to be held: ' . ask('SELECT database, state, problem FROM hubspot.workers', 'cloner') });
pass('each copy is held');
becomes(sub { processes() }, 'cloner', 'and has no process');
becomes(sub { ask(q{SELECT state, reason FROM hubspot.status}, 'clone1') }, 'HELD|this database is a copy of another one, made from a template', 'status says so');
becomes(sub { ask('SELECT problem FROM hubspot_health()', 'clone1') }, 'the worker is held: this database is a copy of another one, made from a template; 0 rows wait', 'and health');

create_account($node, 'tenant', 'crm', $sim);
arrives('tenant', 'neighbour');

# The order in which databases are found after a start does not matter
$node->restart;
arrives('tenant', 'restarted');
arrives('cloner', 'original2');
wait_until(sub { held() == $copies }, 'the copies to be held again');
wait_until(sub { processes() eq 'cloner tenant' }, sub { 'the processes that look to end: ' . processes() });
pass('after a start as well');
unlike(slurp_file($node->logfile), qr/out of background worker slots/, 'no process was missing at any time');

# What queues in a copy starts nothing
my $visits = () = slurp_file($node->logfile) =~ /nothing is sent to HubSpot from database "clone/g;
ask(q{SELECT hubspot_identify('{"email": "copied@example.com"}')}, 'clone2') for 1 .. 3;
becomes(sub { ask('SELECT problem FROM hubspot_health()', 'clone2') }, qr/3 rows wait$/, 'rows of a copy wait');

# hubspot_arm() starts one of them, at its commit; a rollback none
ask('BEGIN; SELECT hubspot_arm(); ROLLBACK', 'clone2');
ask('SELECT hubspot_arm()', 'clone3');
arrives('clone3', 'armed');
becomes(sub { processes() }, 'clone3 cloner tenant', 'the one that was told to');
is(() = slurp_file($node->logfile) =~ /nothing is sent to HubSpot from database "clone/g, $visits, 'which is not told anew each time that somebody looks');

# A reload looks at all of them, and ends those that must not send any more
$node->append_conf('postgresql.conf', q{hubspot.cluster_guard = 'elsewhere'});
$node->reload;
wait_until(sub { processes() eq '' }, 'all of them to end');
becomes(sub { ask(q{SELECT string_agg(DISTINCT problem, ';') FROM hubspot.workers WHERE database IN ('tenant', 'cloner')}, 'tenant') },
	'hubspot.cluster_guard is "elsewhere", but cluster_name is "slots"', 'where the guard does not fit all are held');
ask(q{SELECT hubspot_identify('{"email": "guarded@example.com"}')}, 'tenant');
$node->append_conf('postgresql.conf', q{hubspot.cluster_guard = 'slots'});
$node->reload;
wait_until(sub { $sim->contact('guarded@example.com') }, 'what was queued meanwhile');
wait_until(sub { processes() eq 'clone3 cloner tenant' }, sub { 'those that may send: ' . processes() });
pass('and go on when it does');
ok(!$sim->contact('copied@example.com'), 'the copies have sent nothing');

# Off and on
$node->append_conf('postgresql.conf', 'hubspot.enabled = off');
$node->reload;
wait_until(sub { processes() eq '' && held() == 0 }, 'all of them to stop');
becomes(sub { ask(q{SELECT problem FROM hubspot.workers WHERE database = 'clone1'}, 'clone1') }, 'hubspot.enabled is off', 'what is switched off says so');
$node->append_conf('postgresql.conf', 'hubspot.enabled = on');
$node->reload;
wait_until(sub { held() == $copies - 1 }, 'the copies to be held once more');

# More that may send than there are processes
$node->append_conf('postgresql.conf', 'max_worker_processes = 4');
$node->restart;
wait_until(sub { (() = processes() =~ /\w+/g) == 2 }, 'the processes that there are');    # beside two launchers
my ($out) = grep { processes() !~ /\b$_\b/ } qw(clone3 cloner tenant);
wait_until(sub { ask('SELECT problem FROM hubspot_health()', $out) =~ /no worker runs for this database: no background worker slot is free, max_worker_processes is too low/ },
	sub { "health of $out: " . ask('SELECT problem FROM hubspot_health()', $out) });
pass('a database that gets no process says so');
like(slurp_file($node->logfile), qr/out of background worker slots for the hubspot worker of database "/, 'and so does the log');
wait_until(sub { ask('SELECT problem FROM hubspot_health()', 'clone1') }, 'a copy');

# It goes with its database
ask("DROP DATABASE clone$_") for 4 .. 8;
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.workers WHERE database IS NULL OR database ~ 'clone[4-8]'}, 'cloner') eq '0' }, 'their slots');
pass('a copy that is dropped leaves nothing');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
