# What arrives in HubSpot, and what the tables say of it.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('verdicts', tokens => { crm => $HubSpotTest::token, bad => 'pat-na1-wrong' });
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

# Rows that wait together: nothing is sent while they are queued.
sub while_stopped
{
	my $statements = shift;
	ask('ALTER SYSTEM SET hubspot.enabled = off');
	$node->reload;
	wait_until(sub { ask("SELECT count(*) FROM hubspot.workers WHERE pid <> 0") eq '0' }, 'the worker to stop');
	ask($_) for @$statements;
	ask('ALTER SYSTEM RESET hubspot.enabled');
	$node->reload;
	wait_drained($node, 'postgres');
}

# One contact
my $id = ask(q{SELECT hubspot_identify('{"userId": "u1", "traits": {"email": " Ada@Example.com ", "firstName": "Ada", "plan": "pro", "total_spent": 12.50}}')});
wait_drained($node, 'postgres');
my $contact = $sim->contact('ada@example.com');
is($contact->{properties}{firstname}, 'Ada', 'special field');
is($contact->{properties}{total_spent}, '12.50', 'a number arrives as jsonb prints it');
is( ask("SELECT verdict, http_status, created, attempt, record_id, state, request_id IS NOT NULL FROM hubspot.outbox_status WHERE id = $id"),
	"delivered|200|t|1|$contact->{id}|done|t", 'verdict of a new contact');
is(ask("SELECT record_id FROM hubspot.record WHERE key = 'ada\@example.com' AND key_hash = hashtextextended(key, 0)"),
	$contact->{id}, 'the record id is remembered');
$id = ask(q{SELECT hubspot_identify('{"email": "ada@example.com", "plan": null}')});
wait_drained($node, 'postgres');
is(ask("SELECT verdict, created FROM hubspot.outbox_status WHERE id = $id"), 'delivered|f', 'an update');
ok(!$sim->contact('ada@example.com')->{properties}{plan}, 'null clears');
is($sim->contact('ada@example.com')->{properties}{firstname}, 'Ada', 'an absent key leaves alone');

# Rows of one contact are merged per property, the newest value winning
my $requests = $sim->stats->{requests};
while_stopped([
	q{SELECT hubspot_identify('{"email": "bob@example.com", "firstName": "Robert", "city": "Bonn"}')},
	q{SELECT hubspot_identify('{"email": "bob@example.com", "firstName": "Bob"}')},
	q{SELECT hubspot_identify('{"email": "BOB@example.com", "plan": "free"}')} ]);
is(ask("SELECT string_agg(verdict, ',' ORDER BY id) FROM hubspot.outbox_status WHERE key = 'bob\@example.com'"),
	'coalesced,coalesced,delivered', 'earlier rows share the fate of the last one');
is( ask("SELECT count(DISTINCT coalesce(merged_into, id)), count(DISTINCT request_id) FROM hubspot.outbox_status WHERE key = 'bob\@example.com'"),
	'1|1', 'they name it and its request');
my ($applied) = grep { $_->{key} eq 'bob@example.com' } $sim->log;
is($applied->{properties}{firstname}, 'Bob', 'newest value');
is($applied->{properties}{city}, 'Bonn', 'values of older rows');
is($applied->{properties}{plan}, 'free', 'and of the newest row');
is(scalar(grep { $_->{key} eq 'bob@example.com' } $sim->log), 1, 'one write');

# Batches of 100
my $before = ask("SELECT count(*) FROM hubspot.request WHERE lane = 'contacts'");
while_stopped([q{SELECT count(hubspot_identify(jsonb_build_object('email', 'many' || i || '@example.com', 'plan', 'pro'))) FROM generate_series(1, 250) i}]);
is(ask("SELECT count(*) - $before FROM hubspot.request WHERE lane = 'contacts'"), '3', '250 contacts in 3 requests');

# Bad records among good ones
while_stopped([q{SELECT count(hubspot_identify(jsonb_build_object('email', 'mixed' || i || CASE WHEN i % 10 = 0 THEN '@example.nosuchtld' ELSE '@example.com' END,
	'firstName', 'x', CASE WHEN i = 7 THEN 'no_such_property' ELSE 'plan' END, 'pro'))) FROM generate_series(1, 50) i}]);
is( ask("SELECT verdict, category, count(*) FROM hubspot.outbox_status WHERE key LIKE 'mixed%' GROUP BY 1, 2 ORDER BY 1, 2"),
	"delivered||44\nrejected|INVALID_EMAIL|5\nrejected|PROPERTY_DOESNT_EXIST|1", 'only the bad ones are rejected');
is( ask("SELECT count(*) FROM hubspot.failures WHERE key LIKE 'mixed%' AND message <> '' AND correlation_id <> '' AND http_status IN (207, 400)"),
	'6', 'with reason and correlation id');

# A bad message that was recorded
$id = ask(q{SET hubspot.on_invalid = 'record'; SELECT hubspot_identify('{"email": "nobody@"}')});
wait_drained($node, 'postgres');
is(ask("SELECT verdict, category, request_id IS NULL, attempt FROM hubspot.outbox_status WHERE id = $id"),
	'rejected|bad_message|t|0', 'a bad message is rejected without a request');

# Warnings
$id = ask(q{SELECT hubspot_identify('{"email": "warn@example.com", "title": "x", "position": "y", "createdAt": "2020-01-01"}')});
wait_drained($node, 'postgres');
is( ask("SELECT string_agg(w->>'code' || ' ' || (w->>'property'), ', ' ORDER BY w->>'code') FROM hubspot.result r, jsonb_array_elements(r.warnings) w WHERE r.id = $id"),
	'duplicate_property jobtitle, read_only_property createdate', 'what was changed on the way');

# A unique property as the key
$sim->add_property('contacts', name => 'user_id', type => 'string', fieldType => 'text', label => 'User', groupName => 'contactinformation', hasUniqueValue => JSON::PP::true);
ask("ALTER SERVER crm OPTIONS (ADD contact_id_property 'user_id')");
ask(q{SELECT hubspot_identify('{"userId": "k9", "traits": {"email": "kate@example.com"}}')});
ask(q{SELECT hubspot_identify('{"userId": "k9", "traits": {"email": "kate.b@example.com"}}')});
wait_drained($node, 'postgres');
is($sim->object('contacts', 'k9', 'user_id')->{properties}{email}, 'kate.b@example.com', 'the address changes, the contact stays');

# COPY and INSERT by hand announce nothing and are found all the same
ask(q{ALTER SERVER crm OPTIONS (DROP contact_id_property)});
ask(q{INSERT INTO hubspot.outbox (server, call, object, source, key, message)
	SELECT oid, 'identify', 'contact', 'function', 'hand@example.com', '{"email": "hand@example.com"}' FROM pg_foreign_server});
wait_drained($node, 'postgres');
ok($sim->contact('hand@example.com'), 'a row written by hand arrives');

# One account in trouble does not stop another
ask("CREATE SERVER second FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'bad', base_url '" . $sim->url . "')");
ask(q{SELECT hubspot_identify('{"email": "held@example.com"}', 'second')});
wait_until(sub { ask("SELECT state FROM hubspot.status WHERE server = 'second'") eq 'UNAUTHORIZED' }, 'the second account to be refused');
$id = ask(q{SELECT hubspot_identify('{"email": "flows@example.com"}', 'crm')});
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") eq 'delivered' }, 'the first account to go on');
is(ask("SELECT state FROM hubspot.backlog WHERE key = 'held\@example.com'"), 'waiting', 'the row of the other waits');
is(ask("SELECT waiting FROM hubspot.status WHERE server = 'second'"), '1', 'and is counted');
like(ask("SELECT problem FROM hubspot_health()"), qr/second.*does not accept the token/, 'health tells');
write_token($node, 'bad', $HubSpotTest::token);
$node->reload;
wait_drained($node, 'postgres');
ok($sim->contact('held@example.com'), 'a new token lets it go');

# A dropped SERVER's rows
ask("ALTER SERVER second OPTIONS (SET secret 'nofile')");
wait_until(sub { ask("SELECT state FROM hubspot.status WHERE server = 'second'") eq 'UNAUTHORIZED' }, 'no token');
$id = ask(q{SELECT hubspot_identify('{"email": "orphan@example.com"}', 'second')});
wait_until(sub { ask("SELECT waiting FROM hubspot.status WHERE server = 'second'") eq '1' }, 'the row to be read');
ask('DROP SERVER second');
wait_drained($node, 'postgres');
is(ask("SELECT verdict, category FROM hubspot.outbox_status WHERE id = $id"), 'cancelled|server_dropped', 'are cancelled');

done_testing();
