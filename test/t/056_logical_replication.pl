# Rows that a logical replication worker applies queue calls like any others, if
# the trigger is enabled for it: what was committed on the publisher is sent, once
# committed on the subscriber, in its order, across crashes of both.
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
};
shop($tables . q{
	INSERT INTO customers SELECT 'copied' || i || '@example.com', i FROM generate_series(1, 300) i;
	CREATE PUBLICATION everything FOR ALL TABLES;
});
ask($tables . q{
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
is(ask('SELECT count(*) FROM hubspot.failures'), '0', 'and no row was refused');

ask('ALTER SUBSCRIPTION shop DISABLE; ALTER SUBSCRIPTION shop SET (slot_name = NONE); DROP SUBSCRIPTION shop');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed by itself');
$node->stop;
done_testing();
