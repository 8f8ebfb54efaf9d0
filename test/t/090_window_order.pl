# Rows become visible in any order; all are found, and each contact's in order.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::BackgroundPsql ();
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100000 });
my $node = hubspot_cluster('window', conf => "max_prepared_transactions = 5\nhubspot.window_rows = 300\nautovacuum = off");
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

sub arrived { my $key = shift; wait_until(sub { $sim->contact($key) }, "$key to arrive"); pass("$key arrived") }

sub call { my ($name, $n) = @_; return "SELECT hubspot_identify('{\"email\": \"$name\@example.com\", \"total_spent\": " . ($n // 1) . "}')" }

# An earlier id committed later
my $early = $node->background_psql('postgres');
$early->query_safe('BEGIN');
$early->query_safe(call('early'));
ask(call("late$_")) for 1 .. 5;
arrived('late5@example.com');
is($sim->contact('early@example.com'), undef, 'what is not committed is not sent');
$early->query_safe('COMMIT');
arrived('early@example.com');

# Writers that stay open, here and in another database, stall nothing
ask('CREATE DATABASE other');
my $idle = $node->background_psql('other');
$idle->query_safe('CREATE TABLE t (i int)');
$idle->query_safe('BEGIN; INSERT INTO t VALUES (1)');
$early->query_safe('BEGIN');
$early->query_safe(call('open'));
ask(call("while_open$_")) for 1 .. 20;
arrived('while_open20@example.com');

# Prepared and rolled-back transactions, savepoints
ask('BEGIN; ' . call('prepared') . q{; PREPARE TRANSACTION 'p'});
ask('BEGIN; ' . call('undone') . '; ROLLBACK');
ask('BEGIN; SAVEPOINT a; ' . call('undone') . '; ROLLBACK TO a; ' . call('kept') . '; RELEASE a; COMMIT');
arrived('kept@example.com');
ask(q{COMMIT PREPARED 'p'});
arrived('prepared@example.com');

# One transaction of many rows beside single ones, through a small window
my $many = $node->background_psql('postgres');
$many->query_safe('BEGIN');
$many->query_safe(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'm' || i || '@example.com', 'total_spent', 1))) FROM generate_series(1, 20000) i});
ask(call("single$_")) for 1 .. 10;
$many->query_safe('COMMIT');
ask(call("single$_")) for 11 .. 20;
$early->query_safe('COMMIT');
$idle->query_safe('ROLLBACK');
wait_drained($node, 'postgres');
is($sim->count, 20000 + 20 + 1 + 5 + 1 + 20 + 2, 'everybody arrived');
is($sim->contact('undone@example.com'), undef, 'but for those rolled back');

# Few contacts, many rows each: in order
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'few' || i % 3 || '@example.com', 'total_spent', i))) FROM generate_series(1, 5000) i});
wait_drained($node, 'postgres');
is($sim->contact("few$_\@example.com")->{properties}{total_spent}, { 0 => 4998, 1 => 4999, 2 => 5000 }->{$_}, "few$_ ends with its newest value") for 0 .. 2;

# A lane that is stuck fills neither the window nor the way of another one
ask("CREATE SERVER stuck FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'later', base_url '" . $sim->url . "')");
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 's' || i % 500 || '@example.com', 'total_spent', i), 'stuck')) FROM generate_series(1, 3000) i});
wait_until(sub { ask("SELECT waiting FROM hubspot.status WHERE server = 'stuck'") eq '3000' }, 'the stuck rows to be counted');
ask("SET hubspot.server = 'crm'; " . call('passes'));
arrived('passes@example.com');
cmp_ok(ask('SELECT max(window_rows) FROM hubspot.workers'), '<=', 300, 'the window keeps its bound');
write_token($node, 'later', $HubSpotTest::token);
$node->reload;
wait_drained($node, 'postgres');
is(scalar(grep { $sim->contact("s$_\@example.com")->{properties}{total_spent} != ($_ == 0 ? 3000 : 2500 + $_) } 0 .. 499), 0, 'in order, too, when it goes on');

# The next generation of the ring
ask(q{SELECT setval('hubspot.outbox_id_seq', 999999995)});
ask("SET hubspot.server = 'crm'; " . q{SELECT count(hubspot_identify(jsonb_build_object('email', 'g' || i || '@example.com'))) FROM generate_series(1, 10) i});
wait_drained($node, 'postgres');
is(ask('SELECT count(*) FROM hubspot.outbox_1'), '6', 'ids beyond 999999999 are in the next child');
is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE key LIKE 'g%' AND verdict = 'delivered'"), '10', 'and delivered');

# Nothing dies on the way, but for the two rows that were rolled back
becomes(sub { ask(q{SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE relname ~ '^(outbox|result|request)_[0-9]'}) }, '2', 'no dead row');

$_->quit for $early, $idle, $many;
done_testing();
