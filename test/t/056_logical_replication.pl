# Rows that a logical replication worker applies queue calls like any others, if
# the trigger is enabled for it: what was committed on the publisher is sent, once
# committed on the subscriber, in its order, across crashes of both.  Of a table that
# hubspot_sync() follows it is: each change is queued once.
use strict;
use warnings;

use PostgreSQL::Test::Utils;
use Test::More;

use HubSpotTest;

my $sim = start_simulator(config => { burst_limit => 100000 });
# The publisher's database and the subscriber's are in one cluster.
my $node = hubspot_cluster('logical', init => [ allows_streaming => 'logical' ], conf => join "\n", 'restart_after_crash = on',
	'log_statement = none', 'max_prepared_transactions = 5', q{wal_retrieve_retry_interval = '100ms'});
create_account($node, 'postgres', 'crm', $sim);
$node->safe_psql('postgres', 'CREATE DATABASE shop');
ask(q{SELECT hubspot_create_event('bought', '{"order_id": "string"}')});
wait_drained($node, 'postgres');

sub ask { return $node->safe_psql('postgres', shift) }
sub shop { return $node->safe_psql('shop', shift) }

my $tables = q{
	CREATE TABLE customers (email text PRIMARY KEY, zip int);
	CREATE TABLE plain (email text PRIMARY KEY);
	CREATE TABLE orders (order_id int PRIMARY KEY, email text);
	CREATE TABLE members (id int PRIMARY KEY, email text, plan text);
	CREATE TABLE visits (id int PRIMARY KEY, email text, plan text)};
shop($tables . q{;
	INSERT INTO members SELECT i, 'm' || i || '@example.com', 'free' FROM generate_series(1, 3) i;
	INSERT INTO visits SELECT i, 'v' || i || '@example.com', 'free' FROM generate_series(1, 3) i;
	INSERT INTO customers SELECT 'copied' || i || '@example.com', i FROM generate_series(1, 300) i;
	CREATE PUBLICATION everything FOR ALL TABLES;
});
ask($tables . q{
	PARTITION BY RANGE (id);
	CREATE TABLE visits_1 PARTITION OF visits FOR VALUES FROM (0) TO (100);
	CREATE TABLE visits_2 (plan text, email text, id int NOT NULL);
	ALTER TABLE visits ATTACH PARTITION visits_2 FOR VALUES FROM (100) TO (200);
	SELECT hubspot_sync('members', 'members', mapping => '{"email": "email", "plan": "plan"}', deletes => 'archive', backfill => false);
	SELECT hubspot_sync('visits', 'visits', mapping => '{"email": "email", "plan": "plan"}', deletes => 'archive', backfill => false);
	CREATE TRIGGER always AFTER INSERT OR UPDATE ON customers FOR EACH ROW
		EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
	ALTER TABLE customers ENABLE ALWAYS TRIGGER always;
	CREATE TRIGGER origin AFTER INSERT ON plain FOR EACH ROW
		EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
	CREATE FUNCTION bought() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM public.hubspot_track(jsonb_build_object('event', 'bought', 'userId', NEW.email, 'properties',
			jsonb_build_object('order_id', NEW.order_id)), 'crm');
		RETURN NULL;
	END $$;
	CREATE TRIGGER replica AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION bought();
	ALTER TABLE orders ENABLE REPLICA TRIGGER replica;
});
shop(q{SELECT pg_create_logical_replication_slot('shop', 'pgoutput')});
ask('CREATE SUBSCRIPTION shop CONNECTION $$' . $node->connstr('shop') . "\$\$ PUBLICATION everything WITH (create_slot = false, slot_name = 'shop')");

sub contacts { my ($name) = @_; return grep { /^$name/ } map { ($_->{key} =~ /^(.*)@/)[0] . '=' . $_->{properties}{zip} } grep { $_->{op} eq 'upsert' } $sim->log }
sub orders { return map { $_->{properties}{order_id} } grep { $_->{op} eq 'event' } $sim->log }

#
# The first copy, and changes
#
wait_until(sub { scalar(contacts('copied')) == 300 }, 'the first copy to arrive');
pass('the first copy of a table is sent');
shop(q{INSERT INTO customers VALUES ('ada@example.com', 1);
	UPDATE customers SET zip = 2 WHERE email LIKE 'ada%';
	BEGIN; UPDATE customers SET zip = 666 WHERE email LIKE 'ada%'; INSERT INTO customers VALUES ('ghost@example.com', 1); ROLLBACK;
	BEGIN; UPDATE customers SET zip = 3 WHERE email LIKE 'ada%';
	SAVEPOINT s; INSERT INTO customers VALUES ('ghost@example.com', 2); ROLLBACK TO s; COMMIT;
	INSERT INTO orders SELECT i, 'ada@example.com' FROM generate_series(1, 20) i;
	INSERT INTO plain VALUES ('plain@example.com');
	BEGIN; INSERT INTO customers VALUES ('prepared@example.com', 1); PREPARE TRANSACTION 'p';});
wait_until(sub { scalar(orders()) == 20 }, 'events of applied rows');
is(join(' ', orders()), join(' ', 1 .. 20), 'events come in the order of the publisher');
like(join(' ', contacts('ada')), qr/ada=3$/, 'a contact has its last value');
unlike(join(' ', contacts('ada')), qr/3 ada=[12]|666/, 'and never an older one after a newer one');
is($sim->contact('prepared@example.com'), undef, 'what is prepared waits');
shop(q{COMMIT PREPARED 'p'});
wait_until(sub { $sim->contact('prepared@example.com') }, 'what is committed later');
wait_until(sub { ask('SELECT count(*) FROM plain') eq '1' }, 'the table whose trigger is not for replication');
is($sim->contact('plain@example.com'), undef, 'a trigger that is not enabled for replication queues nothing');
is(ask('SELECT "table", name, problem FROM hubspot.triggers WHERE problem IS NOT NULL'), 'public.plain|origin|what the subscription "shop" applies is not seen', '... which is told');
my $remedy = q{SELECT remedy FROM hubspot.triggers WHERE problem IS NOT NULL};
ask(ask($remedy));
shop(q{INSERT INTO plain VALUES ('row@example.com')});
wait_until(sub { $sim->contact('row@example.com') }, 'a row after the remedy');
ask(q{DROP TRIGGER origin ON plain; CREATE TRIGGER origin AFTER INSERT ON plain REFERENCING NEW TABLE AS "FOR EACH" FOR EACH STATEMENT EXECUTE FUNCTION hubspot_trigger('identify', 'crm')});
ask(ask($remedy));
shop(q{INSERT INTO plain VALUES ('statement@example.com')});
wait_until(sub { $sim->contact('statement@example.com') }, 'a row after the remedy of a statement trigger');
is(ask($remedy), '', 'the remedies work as they are printed');

#
# Followed tables
#
# What was queued for keys that begin so, in its order.
sub queued
{
	my ($key) = @_;
	return ask(qq{SELECT coalesce(string_agg(CASE call WHEN 'delete' THEN 'D ' ELSE '' END || split_part(key, '\@', 1) || coalesce('=' || (message->'traits'->>'plan'), ''), ' ' ORDER BY id), '')
		FROM hubspot.outbox WHERE source = 'sync' AND key LIKE '$key%'});
}
for ([ 'm', 'members', 'a table' ], [ 'v', 'visits', 'a partitioned table' ])
{
	my ($key, $table, $what) = @$_;
	my $copied = join ' ', map { "$key$_=free" } 1 .. 3;
	wait_until(sub { queued($key) eq $copied }, sub { "the first copy of $what to be followed: " . queued($key) });
	shop(qq{INSERT INTO $table VALUES (4, '${key}4\@example.com', 'pro'), (101, '${key}5\@example.com', 'pro');
		UPDATE $table SET plan = 'team' WHERE id IN (1, 101); UPDATE $table SET id = id WHERE id = 1; DELETE FROM $table WHERE id = 2;
		UPDATE $table SET email = '${key}33\@example.com' WHERE id = 3;
		BEGIN; UPDATE $table SET id = 102, plan = 'moved' WHERE id = 1; UPDATE $table SET id = 5, email = '${key}55\@example.com' WHERE id = 101; DELETE FROM $table WHERE id = 4; COMMIT;
		BEGIN; DELETE FROM $table WHERE id = 5; INSERT INTO $table VALUES (103, '${key}6\@example.com', 'last'); COMMIT});
	my $all = "$copied ${key}4=pro ${key}5=pro ${key}1=team ${key}5=team D ${key}2 D ${key}3 ${key}33=free ${key}1=moved D ${key}5 ${key}55=team D ${key}4 D ${key}55 ${key}6=last";
	wait_until(sub { queued($key) eq $all }, sub { "changes of $what to be followed, each once: " . queued($key) });
	pass("what is applied to $what is followed, each change once");
	shop("TRUNCATE $table");
	wait_until(sub { ask("SELECT count(*) FROM $table") eq '0' }, "TRUNCATE of $what");
	is(ask(qq{SELECT count(*) FROM hubspot.outbox WHERE problem LIKE 'table "$table" was emptied by TRUNCATE%'}), '1', '... and its TRUNCATE told once');
}
is(ask(q{SELECT string_agg(name || coalesce(problem, ''), ' ' ORDER BY name) FROM hubspot.syncs}), 'members visits', 'nothing stands against it');
ask(q{SELECT hubspot_drop_sync('members'), hubspot_drop_sync('visits')});

#
# Crashes while rows flow: the subscriber's position and the queue are one commit
#
my $next = 1000;
for my $round (1 .. 4)
{
	my $last = $next + 299;
	shop(join '', map { "INSERT INTO orders VALUES ($_, 'ada\@example.com'); UPDATE customers SET zip = $_ WHERE email LIKE 'ada%';\n" } $next .. $last);
	my $enough = 20 + 300 * ($round - 1) + int rand 250;
	wait_until(sub { scalar(orders()) >= $enough }, 'some of them');
	if ($round % 2)
	{
		$node->stop('immediate');
		$node->start;
	}
	else
	{
		my $pid = $node->safe_psql('postgres', q{SELECT pid FROM pg_stat_subscription WHERE pid IS NOT NULL LIMIT 1});
		kill 'TERM', $pid if $pid;
	}
	$next = $last + 1;
}
wait_until(sub { ask('SELECT zip FROM customers WHERE email LIKE $$ada%$$') eq $next - 1 }, 'the subscriber to catch up');
wait_drained($node, 'postgres');
my %times;
$times{$_}++ for orders();
is(join(' ', grep { !$times{$_} } 1 .. 20, 1000 .. $next - 1), '', 'every order arrived');
is(join(' ', grep { $times{$_} > 1 } keys %times), '', 'none of them twice');
is(scalar(keys %times), 20 + $next - 1000, 'and no other');
is($sim->contact('ada@example.com')->{properties}{zip}, $next - 1, 'the contact ends with its last value');
is($sim->contact('ghost@example.com'), undef, 'what the publisher rolled back was never there');
is(ask('SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'), '0', 'each row has one verdict');
is(ask('SELECT count(*) FROM hubspot.failures'), '2', 'and no row was refused but those that tell of TRUNCATE');

ask('ALTER SUBSCRIPTION shop DISABLE; ALTER SUBSCRIPTION shop SET (slot_name = NONE); DROP SUBSCRIPTION shop');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed by itself');
$node->stop;
done_testing();
