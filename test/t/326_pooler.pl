# Behind PgBouncer in transaction mode: what is set for a transaction is in force for it alone.
use strict;
use warnings;

use HubSpotTest;
use IPC::Run;
use PostgreSQL::Test::Utils;
use Test::More;

my ($pgbouncer) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
plan skip_all => 'pgbouncer is not installed' if !$pgbouncer;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('pooled');
create_account($node, 'postgres', 'crm', $sim);

# One session of the server for all clients
my $dir = PostgreSQL::Test::Utils::tempdir_short();
my $port = PostgreSQL::Test::Cluster::get_free_port();
PostgreSQL::Test::Utils::append_to_file("$dir/pgbouncer.ini", <<"END");
[databases]
postgres = host=@{[ $node->host ]} port=@{[ $node->port ]} user=postgres
[pgbouncer]
listen_port = $port
unix_socket_dir = $dir
auth_type = any
pool_mode = transaction
default_pool_size = 1
END
my $pooler = IPC::Run::start([ $pgbouncer, "$dir/pgbouncer.ini" ], '<', \undef, '>', "$dir/log", '2>&1');
END { local $?; $pooler->kill_kill if $pooler }

# The output of a statement by a client of its own, or the first line of its error.
sub pooled
{
	my ($sql) = @_;
	my ($out, $error);
	IPC::Run::run([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', "host=$dir port=$port dbname=postgres user=postgres" ], '<', \$sql, '>', \$out, '2>', \$error);
	chomp $out;
	return $error =~ /(?:ERROR|error): +(.*)/ ? $1 : $out;
}

wait_until(sub { pooled('SELECT 1') eq '1' }, 'the pooler');
my $session = pooled('SELECT pg_backend_pid()');

my $id = pooled(q{BEGIN; SET LOCAL hubspot.on_invalid = 'record'; SELECT hubspot_identify('{"traits": {"plan": "pro"}}'); COMMIT});
like($id, qr/^\d+$/, 'a bad message is recorded where its transaction says so');
is(pooled(q{SELECT hubspot_identify('{"traits": {"plan": "pro"}}')}), 'identify message has no contact key', 'and raised for the next client');
is(pooled('SELECT pg_backend_pid()'), $session, 'of the same session');
becomes(sub { pooled("SELECT verdict || ' ' || category FROM hubspot.outbox_status WHERE id = $id") }, 'rejected bad_message', 'the row that was recorded has its verdict');

# Why the pages say SET LOCAL
pooled(q{SET hubspot.on_invalid = 'record'});
like(pooled(q{SELECT hubspot_identify('{"traits": {"plan": "pro"}}')}), qr/^\d+$/, 'a plain SET is in force for others');
pooled('RESET hubspot.on_invalid');

$id = pooled(q{SELECT hubspot_identify('{"email": "ada@example.com", "firstName": "Ada"}')});
is(pooled(q{SELECT hubspot_drain('60 s') IS NOT NULL}), 't', 'a client may wait for the queue');
is(pooled("SELECT verdict FROM hubspot.outbox_status WHERE id = $id"), 'delivered', 'a call by way of the pooler arrives');
is($sim->contact('ada@example.com')->{properties}{firstname}, 'Ada', 'as it was made');

done_testing();
