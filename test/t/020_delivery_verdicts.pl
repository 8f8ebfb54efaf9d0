# What arrives in HubSpot, and what the tables say of it.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('verdicts',
	tokens => { crm => $HubSpotTest::token, bad => 'pat-na1-wrong' });
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

# Rows that wait together: nothing is sent while they are queued.
sub while_stopped
{
	stop_delivery($node);
	ask($_) for @_;
	resume_delivery($node);
	wait_drained($node, 'postgres');
}

sub applied
{
	my $key = shift;
	return grep { lc($_->{key}) eq $key } $sim->log;
}

#
# One contact
#
my $id = ask(
	q{SELECT hubspot_identify('{"userId": "u1", "traits":
		{"email": " Ada@Example.com ", "firstName": "Ada", "plan": "pro", "total_spent": 12.50}}')});
wait_drained($node, 'postgres');
my $contact = $sim->contact('ada@example.com');
is($contact->{properties}{firstname}, 'Ada', 'a special field arrives');
is($contact->{properties}{plan}, 'pro', 'a property of its own arrives');
is($contact->{properties}{total_spent}, '12.50', 'a number arrives as jsonb prints it');
is( ask("SELECT state, verdict, http_status, created, attempt, record_id, finished_at >= enqueued_at "
		  . "FROM hubspot.outbox_status WHERE id = $id"),
	"done|delivered|200|t|1|$contact->{id}|t",
	'verdict of a new contact');
is( ask("SELECT lane, method, records, status, correlation_id <> '' FROM hubspot.request "
		  . "WHERE id = (SELECT request_id FROM hubspot.outbox_status WHERE id = $id)"),
	'contacts|POST|1|200|t',
	'it names its request');
becomes(sub { ask(q{SELECT record_id FROM hubspot.record
		WHERE key = 'ada@example.com' AND key_hash = hashtextextended(key, 0)}) },
	$contact->{id}, 'the record id is remembered');

$id = ask(q{SELECT hubspot_identify('{"email": "ada@example.com", "plan": null}')});
wait_drained($node, 'postgres');
is(ask("SELECT verdict, created, record_id FROM hubspot.outbox_status WHERE id = $id"),
	"delivered|f|$contact->{id}", 'verdict of an update');
my $properties = $sim->contact('ada@example.com')->{properties};
ok(!$properties->{plan}, 'null clears');
is($properties->{firstname}, 'Ada', 'an absent key leaves alone');

#
# Waiting rows of one contact are one write; per property the newest value counts
#
my $requests = ask('SELECT count(*) FROM hubspot.request');
while_stopped(
	q{SELECT hubspot_identify('{"email": "bob@example.com", "firstName": "Robert", "city": "Bonn", "phone": "1"}')},
	q{SELECT hubspot_identify('{"email": "bob@example.com", "firstName": "Bob", "phone": null}')},
	q{SELECT hubspot_identify('{"email": "BOB@example.com", "plan": "free"}')});
is( ask(q{SELECT string_agg(verdict, ',' ORDER BY id) FROM hubspot.outbox_status WHERE key = 'bob@example.com'}),
	'coalesced,coalesced,delivered', 'earlier rows share the fate of the last one');
is( ask(q{SELECT count(DISTINCT merged_into), min(merged_into) = (SELECT max(id) FROM hubspot.outbox)
		FROM hubspot.outbox_status WHERE key = 'bob@example.com'}),
	'1|t', 'they name the row that carried them');
is( ask(q{SELECT count(*), count(DISTINCT request_id), count(DISTINCT record_id), bool_and(http_status = 200)
		FROM hubspot.outbox_status WHERE key = 'bob@example.com'}),
	'3|1|1|t', 'and have its request, record and status');
my @applied = applied('bob@example.com');
is(scalar @applied, 1, 'one write');
is_deeply(
	{ map { $_ => $applied[0]{properties}{$_} } qw(firstname city plan phone) },
	{ firstname => 'Bob', city => 'Bonn', plan => 'free', phone => '' },
	'the newest value of each property, null included');

#
# Batches
#
my $before = ask("SELECT count(*) FROM hubspot.request WHERE lane = 'contacts'");
while_stopped(
	q{SELECT count(hubspot_identify(jsonb_build_object('email', 'many' || i || '@example.com', 'plan', 'pro')))
	FROM generate_series(1, 250) i});
is(ask("SELECT count(*) - $before FROM hubspot.request WHERE lane = 'contacts'"),
	'3', '250 contacts in 3 requests');
is(scalar(grep { $_->{key} =~ /^many/ } $sim->log), 250, 'each once');

#
# Bad records among good ones
#
while_stopped(
	q{SELECT count(hubspot_identify(jsonb_build_object(
		'email', 'mixed' || i || CASE WHEN i % 10 = 0 THEN '@example.nosuchtld' ELSE '@example.com' END,
		'firstName', 'x', CASE WHEN i = 7 THEN 'no_such_property' ELSE 'plan' END, 'pro')))
	FROM generate_series(1, 50) i});
is( ask(q{SELECT verdict, category, count(*) FROM hubspot.outbox_status
		WHERE key LIKE 'mixed%' GROUP BY 1, 2 ORDER BY 1, 2}),
	"delivered||45\nrejected|INVALID_EMAIL|5",
	'only the bad ones are rejected, with the code of HubSpot');
is( ask(q{SELECT count(*) FROM hubspot.failures f JOIN hubspot.request r ON r.id = f.request_id
		WHERE key LIKE 'mixed%' AND f.message <> '' AND f.correlation_id = r.correlation_id
		AND f.http_status = r.status AND f.call_message ->> 'email' = f.key}),
	'5', 'with reason, correlation id and the call');
like(ask(q{SELECT warnings FROM hubspot.outbox_status WHERE key = 'mixed7@example.com'}),
	qr/unknown_property.*no_such_property/, 'what HubSpot does not have is left out, with a warning');
is( ask(q{SELECT count(*) FROM hubspot.failures WHERE key LIKE 'mixed%' AND category = 'INVALID_EMAIL'
		AND position(key IN message) > 0}),
	'5', 'or the address');

#
# Bad messages that were recorded
#
$id = ask(q{SET hubspot.on_invalid = 'record'; SELECT hubspot_identify('{"email": "nobody@"}')});
wait_drained($node, 'postgres');
is( ask("SELECT verdict, category, request_id IS NULL, attempt, message <> '' "
		  . "FROM hubspot.outbox_status WHERE id = $id"),
	'rejected|bad_message|t|0|t',
	'a bad message is rejected without a request');

#
# Warnings
#
$id = ask(q{SELECT hubspot_identify('{"email": "warn@example.com", "title": "x", "position": "y", "createdAt": "2020-01-01"}')});
wait_drained($node, 'postgres');
is( ask("SELECT string_agg(w->>'code' || ' ' || (w->>'property'), ', ' ORDER BY w->>'code') "
		  . "FROM hubspot.outbox_status r, jsonb_array_elements(r.warnings) w WHERE r.id = $id"),
	'duplicate_property jobtitle',
	'what was changed on the way');

#
# A unique property as the key
#
$sim->add_property('contacts', name => 'user_id', type => 'string', fieldType => 'text',
	hasUniqueValue => JSON::PP::true);
ask("ALTER SERVER crm OPTIONS (ADD contact_id_property 'user_id')");
ask(q{SELECT hubspot_identify('{"userId": "k9", "traits": {"email": "kate@example.com"}}')});
wait_drained($node, 'postgres');
ask(q{SELECT hubspot_identify('{"userId": "k9", "traits": {"email": "kate.b@example.com"}}')});
ask(q{SELECT hubspot_identify('{"traits": {"email": "noid@example.com"}}')});
wait_drained($node, 'postgres');
is($sim->object('contacts', 'k9', 'user_id')->{properties}{email},
	'kate.b@example.com', 'the address changes, the contact stays');
is(ask(q{SELECT count(DISTINCT record_id) FROM hubspot.outbox_status WHERE key = 'k9'}),
	'1', 'under the same id');
ok($sim->contact('noid@example.com'), 'without a userId the address is the key');
ask('ALTER SERVER crm OPTIONS (DROP contact_id_property)');

#
# COPY and INSERT by hand announce nothing and are found all the same
#
my $server = ask(q{SELECT oid FROM pg_foreign_server WHERE srvname = 'crm'});
ask(qq{INSERT INTO hubspot.outbox (server, call, object, source, key, message)
	VALUES ($server, 'identify', 'contact', 'function', 'hand\@example.com', '{"email": "hand\@example.com"}')});
ask(qq{COPY hubspot.outbox (server, call, object, source, key, message) FROM stdin;
$server	identify	contact	sync	copy1\@example.com	{"email": "copy1\@example.com"}
$server	identify	contact	sync	copy2\@example.com	{"email": "copy2\@example.com"}
\\.
});
wait_drained($node, 'postgres');
is(scalar(grep { $sim->contact("$_\@example.com") } qw(hand copy1 copy2)),
	3, 'rows written by hand arrive');

#
# One account in trouble does not stop another
#
ask("CREATE SERVER second FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'bad', base_url '" . $sim->url . "')");
ask(q{SELECT hubspot_identify('{"email": "held@example.com"}', 'second')});
wait_until(sub { ask(q{SELECT state FROM hubspot.status WHERE server = 'second'}) eq 'UNAUTHORIZED' },
	'the second account to be refused');
$id = ask(q{SELECT hubspot_identify('{"email": "flows@example.com"}', 'crm')});
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") eq 'delivered' },
	'the first account to go on');
becomes(sub { ask(q{SELECT state FROM hubspot.backlog WHERE key = 'held@example.com'}) }, 'waiting',
	'the row of the other waits');
becomes(sub { ask(q{SELECT waiting FROM hubspot.status WHERE server = 'second'}) }, '1', 'and is counted');
becomes(sub { ask('SELECT problem FROM hubspot_health()') }, qr/second.*does not accept the token/, 'health tells');
write_token($node, 'bad', $HubSpotTest::token);
$node->reload;
wait_drained($node, 'postgres');
ok($sim->contact('held@example.com'), 'a new token lets it go');
wait_until(sub { ask('SELECT count(*) FROM hubspot_health()') eq '0' }, 'health to be silent');

#
# A dropped SERVER's rows, read already or not
#
ask(q{ALTER SERVER second OPTIONS (SET secret 'nofile')});
wait_until(sub { ask(q{SELECT reason FROM hubspot.status WHERE server = 'second'}) =~ /no file "nofile"/ },
	'the missing file to be told');
$id = ask(q{SELECT hubspot_identify('{"email": "orphan@example.com"}', 'second')});
wait_until(sub { ask(q{SELECT window_rows FROM hubspot.workers}) eq '1' }, 'the row to be read');
ask('DROP SERVER second');
wait_drained($node, 'postgres');
is(ask("SELECT verdict, category, attempt FROM hubspot.outbox_status WHERE id = $id"),
	'cancelled|server_dropped|0', 'are cancelled');
ok(!$sim->contact('orphan@example.com'), 'and not sent');

$node->stop;
done_testing();
