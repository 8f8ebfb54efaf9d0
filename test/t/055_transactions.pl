# Transactions of every kind that PostgreSQL has: whatever was committed is sent,
# with one verdict and in the order of its key; whatever was not is never sent.
use strict;
use warnings;

use POSIX ();
use PostgreSQL::Test::BackgroundPsql ();
use PostgreSQL::Test::Utils;
use Test::More;

use HubSpotTest;

my $sim = start_simulator(config => { burst_limit => 100000 });
# Asynchronous commits stay in memory until somebody flushes them.
my $node = hubspot_cluster('transactions', conf => join "\n", 'max_prepared_transactions = 10', 'restart_after_crash = on',
	'wal_writer_delay = 10s', 'log_statement = none');
create_account($node, 'postgres', 'crm', $sim);
my $server = ask('SELECT oid FROM pg_foreign_server');

sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

sub call
{
	my ($name, $n) = @_;
	return "SELECT hubspot_identify('{\"email\": \"$name\@example.com\", \"zip\": \"" . ($n // 1) . "\"}');\n";
}

sub many
{
	my ($name, $count) = @_;
	return "SELECT count(hubspot_identify(jsonb_build_object('email', '$name' || i || '\@example.com'))) FROM generate_series(1, $count) i;\n";
}

# What HubSpot was told of contacts, in the order of arrival, as name=zip; what begins so.
sub arrivals
{
	my ($begin) = @_;
	return grep { /^$begin/ } map { ($_->{key} =~ /^(.*)@/)[0] . '=' . ($_->{properties}{zip} // '') } $sim->log;
}

sub arrived { my ($name) = @_; wait_until(sub { $sim->contact("$name\@example.com") }, "$name to arrive") }

sub crash { $node->stop('immediate'); $node->start }

sub kill_worker
{
	my ($signal) = @_;
	my $pid = worker_pid($node, 'postgres');
	kill $signal, $pid;
	wait_until(sub { !kill 0, $pid }, 'the worker to be gone');
	wait_for_server($node);
	return worker_pid($node, 'postgres');
}

# All is done, and everything that is in the table, and nothing else, was sent.
sub all_is_well
{
	my ($what) = @_;
	wait_drained($node, 'postgres');
	is(ask('SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'), '0', "$what: one verdict each");
	is(ask(q{SELECT string_agg(DISTINCT verdict, ',') FROM hubspot.outbox_status WHERE verdict NOT IN ('delivered', 'coalesced')}), '', "$what: all arrived");
	my %queued = map { $_ => 1 } split /\n/, ask('SELECT key FROM hubspot.outbox');
	my %sent = map { $_->{key} => 1 } $sim->log;
	is(join(' ', grep { !$queued{$_} } sort keys %sent), '', "$what: nothing was sent that is not in the table");
	is(join(' ', grep { !$sent{$_} } sort keys %queued), '', "$what: everything in the table was sent");
}

sub write_elsewhere
{
	my $session = $node->background_psql('other');
	$session->query_safe('BEGIN; INSERT INTO t VALUES (1)');
	return $session;
}

# A long transaction that does not end while the rest of this file goes on: nothing may wait for it
ask('CREATE DATABASE other');
ask('CREATE TABLE t (i int)', 'other');
my $idle = write_elsewhere();
ask("BEGIN; CREATE TABLE p (); PREPARE TRANSACTION 'elsewhere'", 'other');

#
# Asynchronous commits: what HubSpot has survives the crash that follows at once
#
for my $round (1 .. 4)
{
	ask('SET synchronous_commit = off;' . join '', map { call("async$round-$_") } 1 .. 20);
	arrived("async$round-" . ($round * 5));
	$node->stop('immediate');
	my %sent = map { $_ => 1 } arrivals("async$round");
	$node->start;
	my %queued = map { ("$_=1" => 1) } split /\n/, ask("SELECT split_part(key, '\@', 1) FROM hubspot.outbox WHERE key LIKE 'async$round-%'");
	is(join(' ', grep { !$queued{$_} } sort keys %sent), '', "crash $round: no ghost");
}
all_is_well('asynchronous commits');
$idle->quit;
$idle = write_elsewhere();

#
# Subtransactions
#
ask(q{CREATE FUNCTION perhaps(name text, fails bool) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM hubspot_identify(jsonb_build_object('email', name || '@example.com'));
		IF fails THEN RAISE division_by_zero; END IF;
	EXCEPTION WHEN division_by_zero THEN NULL;
	END $$});
ask('BEGIN;' . call('sub_a') . 'SAVEPOINT a;' . call('sub_ghost1') . 'SAVEPOINT b;' . call('sub_ghost2') . 'RELEASE b; ROLLBACK TO a;'
	  . call('sub_b') . 'SAVEPOINT b;' . call('sub_a', 2) . 'RELEASE b; COMMIT');
ask(q{SELECT perhaps('sub_block' || i || CASE WHEN i % 2 = 0 THEN '' ELSE '_ghost' END, i % 2 = 1) FROM generate_series(1, 20) i});
# Groups are written as a whole; this one fails when some of it is written already
ask(q{DO $$ BEGIN
	PERFORM hubspot_identify('{"email": "sub_before@example.com"}');
	BEGIN
		PERFORM hubspot_enqueue('identify', (SELECT array_agg(jsonb_build_object('email',
			CASE WHEN i = 1300 THEN 'bad' ELSE 'sub_group_ghost' || i || '@example.com' END)) FROM generate_series(1, 1400) i));
		RAISE 'a bad message was taken';
	EXCEPTION WHEN invalid_parameter_value THEN NULL;
	END;
	PERFORM hubspot_identify('{"email": "sub_after@example.com"}');
END $$});

# Deep, and more at once than a snapshot lists, while others pass
my $deep = $node->background_psql('postgres');
$deep->query_safe('BEGIN;' . join '', map { "SAVEPOINT s$_;" . call("sub_deep$_") } 1 .. 100);
my $wide = $node->background_psql('postgres');
$wide->query_safe('BEGIN;' . join '', map { 'SAVEPOINT s;' . call("sub_wide$_" . ($_ % 3 ? '' : '_ghost')) . ($_ % 3 ? 'RELEASE s;' : 'ROLLBACK TO s; RELEASE s;') } 1 .. 300);
ask(join '', map { call("sub_pass$_") } 1 .. 10);
arrived('sub_pass10');
is(join(' ', arrivals('sub_(deep|wide)')), '', 'nothing of an open transaction is sent');
kill_worker('TERM');
ask(call('sub_pass11'));
arrived('sub_pass11');
$deep->query_safe('ROLLBACK TO s51; COMMIT');
$wide->query_safe('COMMIT');
all_is_well('subtransactions');
is(scalar(arrivals('sub_deep')), 50, 'the outer half of a nest was sent');
is(scalar(arrivals('sub_wide')), 200, 'what was released was sent');
is(scalar(arrivals('sub_block')), 10, 'blocks without an exception were sent');
is(join(' ', grep { /ghost/ } arrivals('sub')), '', 'and nothing that was rolled back');
is(join(' ', sort(arrivals('sub_[ab](efore|fter)?='))), 'sub_a=2 sub_after= sub_b=1 sub_before=', 'what stands around what was rolled back was sent, with its last value');

#
# Prepared transactions, across a restart, a crash, and the worker's checkpoints
#
sub checkpoint_id { return ask('SELECT coalesce(max(last_id), 0) FROM hubspot.checkpoint') }

my @gids = qw(committed rolled_back long long_ghost);
for my $gid (@gids)
{
	ask('BEGIN;' . join('', map { 'SAVEPOINT s;' . call("prep_$gid$_") . 'RELEASE s;' } 1 .. 70)
		  . 'SAVEPOINT s;' . call("prep_ghost_$gid") . "ROLLBACK TO s; PREPARE TRANSACTION '$gid'");
}
ask(call('prep_beside'));
arrived('prep_beside');
is(scalar(arrivals('prep_(?!beside)')), 0, 'nothing of a prepared transaction is sent');
$node->restart;
ask(q{COMMIT PREPARED 'committed'; ROLLBACK PREPARED 'rolled_back'});
for my $round (1 .. 3)
{
	my $before = checkpoint_id();
	ask(many("prep_flow$round-", 700));
	wait_drained($node, 'postgres');
	wait_until(sub { ask(call("prep_tick")); checkpoint_id() > $before + 700 }, 'a checkpoint beyond the rows that flow');
	kill_worker('TERM') if $round == 1;
	crash() if $round == 2;
}
is(scalar(arrivals('prep_long')), 0, 'nor while checkpoints pass it by');
ask(q{COMMIT PREPARED 'long'; ROLLBACK PREPARED 'long_ghost'});
all_is_well('prepared transactions');
is(scalar(arrivals('prep_committed')), 70, 'all of one that was committed after a restart');
is(scalar(arrivals('prep_long')), 70, 'all of one that was committed after many checkpoints, a crash and two workers');
is(scalar(arrivals('prep_(rolled_back|long_ghost|ghost)')), 0, 'nothing that was rolled back');
is(scalar(grep { /prep_flow/ } arrivals('prep_flow')), 2100, 'and nothing that was acknowledged is sent again');

#
# A transaction that queued early and commits late.  The row's lock orders the calls of one contact.
#
ask(q{CREATE TABLE counter (name text PRIMARY KEY, n int NOT NULL);
	INSERT INTO counter SELECT 'lock_' || i, 0 FROM generate_series(0, 4) i;
	CREATE FUNCTION count_and_call(whom text) RETURNS void LANGUAGE plpgsql AS $$
	DECLARE number int;
	BEGIN
		UPDATE counter SET n = n + 1 WHERE name = whom RETURNING n INTO number;
		PERFORM hubspot_identify(jsonb_build_object('email', whom || '@example.com', 'zip', number));
	END $$});
my $early = $node->background_psql('postgres');
my $blocked = $node->background_psql('postgres');
$early->query_safe('BEGIN;' . "SELECT count_and_call('lock_0');" . call('early1'));
$blocked->query_until(qr/now/, "\\echo now\nSELECT count_and_call('lock_0');\n\\echo done\n");
for my $round (1 .. 3)
{
	ask(many("early_flow$round-", 1500));
	wait_drained($node, 'postgres');
	my $before = checkpoint_id();
	wait_until(sub { ask(call('early_tick')); checkpoint_id() > $before }, 'another checkpoint');
	kill_worker('TERM') if $round == 1;
	stop_delivery($node), resume_delivery($node) if $round == 2;
}
$early->query_safe(call('early2') . "SELECT count_and_call('lock_1');");
is(join(' ', arrivals('(early\d|lock)')), '', 'nothing is sent of a transaction that is open for long');
$early->query_safe('COMMIT');
$blocked->quit;
all_is_well('a late commit');
is(join(' ', arrivals('early\d')), 'early1=1 early2=1', 'both its ends were sent');
my @of_lock = arrivals('lock_0');
is($of_lock[-1], 'lock_0=2', 'and before what had waited for its lock');
is(ask(q{SELECT (message ->> 'zip') FROM hubspot.outbox WHERE key = 'lock_0@example.com' ORDER BY id}), "1\n2", 'which came after it');

# Many sessions, few contacts, transactions that overlap: numbers only grow
my $script = PostgreSQL::Test::Utils::tempdir() . '/lock.sql';
append_to_file($script, q{\set a random(0, 2)
\set b random(3, 4)
\set kind random(1, 6)
BEGIN;
SELECT set_config('synchronous_commit', CASE WHEN :kind > 3 THEN 'off' ELSE 'on' END, true);
SELECT count_and_call('lock_' || :a);
SAVEPOINT s;
SELECT count_and_call('lock_' || :b);
\if :kind = 1
ROLLBACK TO s;
\endif
\if :kind = 2
ROLLBACK;
\else
COMMIT;
\endif
});
$node->command_ok([ 'pgbench', '-n', '-c', '6', '-j', '2', '-t', '150', '-f', $script, 'postgres' ], 'sessions that compete for locks');
all_is_well('locks');
for my $key (map { "lock_$_" } 0 .. 4)
{
	my @numbers = map { s/.*=//r } arrivals($key);
	is(scalar(grep { $numbers[$_] <= $numbers[ $_ - 1 ] } 1 .. $#numbers), 0, "$key: numbers only grow");
	is($numbers[-1], ask("SELECT n FROM counter WHERE name = '$key'"), "$key: the newest is the last");
}

#
# COPY into the table
#
my $lines = sub { my ($name, $count) = @_; return join '', map { "$server,identify,contact,function,$name$_\@example.com,{}\n" =~ s/\{\}/"{""email"": ""$name$_\@example.com"", ""zip"": ""$_""}"/r } 1 .. $count };
my $copy = "COPY hubspot.outbox (server, call, object, source, key, message) FROM STDIN (FORMAT csv);\n";
ask($copy . $lines->('copy_alone', 500) . "\\.\n");
ask("BEGIN;\n" . $copy . $lines->('copy_ghost', 300) . "\\.\nROLLBACK;\n");
ask("BEGIN;\n" . call('copy_mixed7', 'before') . "SAVEPOINT s;\n" . $copy . $lines->('copy_ghost', 300) . "\\.\nROLLBACK TO s;\n"
	  . $copy . $lines->('copy_mixed', 10) . "\\.\nCOMMIT;\n");
ask("BEGIN;\n" . $copy . $lines->('copy_prepared', 200) . "\\.\nPREPARE TRANSACTION 'copied';\n");
crash();
ask(q{COMMIT PREPARED 'copied'});
all_is_well('COPY');
my %of_kind;
$of_kind{ s/\d*=.*//r }{$_} = 1 for arrivals('copy');
is(join(' ', map { "$_:" . keys %{ $of_kind{$_} } } sort keys %of_kind), 'copy_alone:500 copy_mixed:10 copy_prepared:200', 'what was copied was sent, but for what was rolled back');
is((arrivals('copy_mixed7='))[-1], 'copy_mixed7=7', 'after what the transaction had called before');

#
# All the time somebody wrote in another database; in the end it is asked whether that was so.
#
ask("ROLLBACK PREPARED 'elsewhere'", 'other');
$idle->quit;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal (?!9)/, 'nothing crashed by itself');
$_->quit for $deep, $wide, $early;
$node->stop;

#
# A SERVER that is created together with rows: the worker is woken when they are visible, and that is a moment before
# other processes are told of the SERVER.  The moment is made long.
#
system_or_bail('make', '-s', '-C', 'test/library');
my $slow = PostgreSQL::Test::Utils::tempdir() . '/slow_wake';
append_to_file($slow, "0\n");
chmod 0644, $slow;
{
	local %ENV = (%ENV, SLOW_WAKE => $slow, LD_PRELOAD => POSIX::getcwd() . '/test/library/slow_wake.so');
	$node->start;
}
wait_drained($node, 'postgres');
my $session = $node->background_psql('postgres', on_error_stop => 1);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
my $options = ask(q{SELECT string_agg(format('%s %L', option_name, option_value), ', ') FROM pg_foreign_server, pg_options_to_table(srvoptions) WHERE srvname = 'crm'});
append_to_file("$slow.new", "$pid\n");
rename "$slow.new", $slow or die "$slow: $!";
$session->query_safe("BEGIN; CREATE SERVER second FOREIGN DATA WRAPPER hubspot OPTIONS ($options);
	SELECT hubspot_identify('{\"email\": \"together\@example.com\"}', server => 'second'); COMMIT;");
$session->quit;
wait_drained($node, 'postgres');
ok($node->log_contains(qr/a SERVER that rows were queued for has been created this moment/), 'a worker met rows of a SERVER that it had not been told of');
is(ask(q{SELECT verdict FROM hubspot.outbox_status WHERE key = 'together@example.com'}), 'delivered', '... and read them again, once it was');
$node->stop;
done_testing();
