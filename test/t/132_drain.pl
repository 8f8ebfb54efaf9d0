# hubspot_drain(): whoever waits goes on when, and only when, everything that
# was committed before has its verdict.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('drain', tokens => { crm => $HubSpotTest::token, bad => 'pat-na1-wrong' });
create_account($node, 'postgres', 'crm', $sim);
ask('CREATE SERVER other FOREIGN DATA WRAPPER hubspot OPTIONS (secret \'crm\', base_url \'' . $sim->url . q{')});

sub ask { return $node->safe_psql('postgres', shift) }

sub say_of
{
	my ($status, $out, $err) = $node->psql('postgres', shift);
	return ($out, $err);
}

sub refuse { return $sim->fault(match => { path => 'batch/upsert', @_ }, times => 0, action => 'status', status => 503) }


is(ask('SELECT hubspot_drain()'), 't', 'an empty outbox is drained');
is(ask(q{SELECT hubspot_drain('0')}), 't', 'also without time');

#
# Rows before the call count, with their verdicts there when it returns
#
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'a' || i || '@example.com'), 'crm')) FROM generate_series(1, 5000) i});
is(ask('SELECT hubspot_drain()'), 't', 'it waits for what is queued');
is(ask('SELECT count(*) FROM hubspot.outbox o WHERE NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id)'), '0', 'all has its verdict');
is($sim->count('contacts'), 5000, 'and is in HubSpot');

#
# Trouble: false after the timeout, true when it is over
#
refuse();
ask(q{SELECT hubspot_identify('{"email": "bob@example.com"}', 'crm')});
is(ask(q{SELECT hubspot_drain('200 ms')}), 'f', 'not done within the timeout');
is(ask(q{SELECT hubspot_drain('0')}), 'f', 'not done now');
is(ask(q{SELECT hubspot_drain('60 s', 'other')}), 't', 'another account is not waited for');
is(ask(q{SELECT hubspot_drain('0', 'crm')}), 'f', 'but this one is');

# An open transaction is none of our business, and what comes later neither
my $open = $node->background_psql('postgres');
$open->query_safe('BEGIN');
$open->query_safe(q{SELECT hubspot_identify('{"email": "open@example.com"}', 'crm')});
my $waiting = $node->background_psql('postgres');
$waiting->query_until(qr/begun/, "\\echo begun\nSELECT 'drained ' || hubspot_drain();\n");
wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT ''drained%' AND wait_event_type IN ('Extension', 'Timeout')}) eq '1' },
	'the session that waits');
ask('CREATE SERVER shut FOREIGN DATA WRAPPER hubspot OPTIONS (secret \'bad\', base_url \'' . $sim->url . q{')});
my $later = ask(q{SELECT hubspot_identify('{"email": "later@example.com"}', 'shut')});
is(ask(q{SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) JOIN pg_class c ON c.oid = l.relation
	WHERE a.query LIKE 'SELECT ''drained%' AND c.relname ~ '^(outbox|result|checkpoint)'}), '0', 'who waits locks none of the tables');
$sim->clear_faults;
is(($waiting->query_until(qr/drained true/, '') =~ /drained (\w+)/)[0], 'true', 'it ends with the trouble');
is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE id = $later AND state <> 'done'"), '1', 'though a later row waits');
$open->query_safe('COMMIT');
$waiting->quit;
is(ask(q{SELECT hubspot_drain(server => 'crm')}), 't', 'now all of the account is done');
is(ask("SELECT string_agg(id::text, ' ') FROM hubspot.outbox_status WHERE state <> 'done'"), $later, 'that of the transaction that was open, too');
$open->quit;

#
# Rows of its own
#
for my $queue ('hubspot_identify(\'{"email": "own@example.com"}\', \'crm\')', 'hubspot_refresh_schema(\'crm\')')
{
	my ($out, $err) = say_of("SET lock_timeout = 0; BEGIN; SELECT $queue; SELECT hubspot_drain();");
	like($err, qr/cannot wait for calls of its own transaction.*HINT:  Commit first/s, "refused after $queue");
}
my ($out, $err) = say_of(q{SELECT hubspot_identify('{"email": "own@example.com"}', 'crm'), hubspot_drain()});
like($err, qr/cannot wait for calls of its own transaction/, 'also in one statement');
($out, $err) = say_of(q{BEGIN; SAVEPOINT s; SELECT hubspot_identify('{"email": "own@example.com"}', 'crm'); ROLLBACK TO s; SELECT hubspot_drain(server => 'crm'); COMMIT});
like($out, qr/^t$/m, 'what was rolled back is not in the way');
($out, $err) = say_of(q{BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM hubspot.outbox; SELECT hubspot_drain(server => 'crm'); COMMIT});
like($out, qr/^t$/m, 'any isolation level will do');

#
# What waits for somebody
#
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.status WHERE server = 'shut' AND state = 'UNAUTHORIZED'}) ne '0' }, 'the refusal of the token');
($out, $err) = say_of(q{SELECT hubspot_drain('6 s')});
is($out, 'f', 'a lane that waits for somebody is waited for');
like($err, qr/WARNING:  hubspot_drain waits for account shut, lane contacts: UNAUTHORIZED\nDETAIL: .*token.*\nHINT:  See hubspot_health/s, 'with a word on it');
is(scalar(() = $err =~ /WARNING/g), 1, 'once');
($out, $err) = say_of(q{SELECT hubspot_drain('60 s', 'crm')});
is("$out$err", 't', 'not when another account is waited for');
ask('DROP SERVER shut');
stop_delivery($node);
ask(q{SELECT hubspot_identify('{"email": "dan@example.com"}', 'crm')});
($out, $err) = say_of(q{SELECT hubspot_drain('3 s')});
is($out, 'f', 'without a worker nothing is done');
like($err, qr/WARNING:  hubspot_drain waits for account crm, lane contacts: STOPPED/, 'which it says');
resume_delivery($node);
is(ask('SELECT hubspot_drain()'), 't', 'until there is one again');

#
# It can be cancelled, and used by whoever watches
#
refuse();
ask(q{SELECT hubspot_identify('{"email": "eve@example.com"}', 'crm')});
($out, $err) = say_of(q{SET statement_timeout = '300 ms'; SELECT hubspot_drain()});
like($err, qr/canceling statement due to statement timeout/, 'it can be cancelled');
$sim->clear_faults;
ask('CREATE ROLE watcher LOGIN IN ROLE pg_monitor');
is(ask('SET ROLE watcher; SELECT hubspot_drain()'), 't', 'pg_monitor may wait');
($out, $err) = say_of(q{SELECT hubspot_drain(server => 'nowhere')});
like($err, qr/server "nowhere" does not exist/, 'a SERVER that does not exist');

#
# After a crash
#
refuse();
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'b' || i || '@example.com'), 'crm')) FROM generate_series(1, 1000) i});
$node->stop('immediate');
$sim->clear_faults;
$node->start;
is(ask('SELECT hubspot_drain()'), 't', 'after a crash it waits as well');
is(ask('SELECT count(*) FROM hubspot.outbox o WHERE NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id)'), '0', 'for everything');

done_testing();
