# HubSpot says that all went well, and we cannot read what it says: nothing is
# sent again without end, it is seen at once that the reader is to blame, and
# what can go on goes on.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('unreadable');
my $cut = '{"results":[{"id":"1","properties":{"firstname":"';
my $blame = 'this server cannot read HubSpot\'s answers';
my $round = 0;

sub ask { return $node->safe_psql('postgres', shift) }

sub queue
{
	my ($count) = @_;
	$round++;
	ask("SELECT count(hubspot_identify(jsonb_build_object('email', 'r${round}n' || i || '\@example.com', 'firstname', 'Ünal'))) "
		  . "FROM generate_series(1, $count) i");
}

sub verdicts
{
	return ask("SELECT coalesce(string_agg(v || ' ' || n, ', ' ORDER BY v), '') FROM (SELECT coalesce(verdict::text, state) AS v, count(*) AS n "
		  . "FROM hubspot.outbox_status WHERE key ~ '^r${round}n' GROUP BY 1) x");
}

sub wait_for
{
	my ($verdicts) = @_;
	wait_until(sub { verdicts() eq $verdicts }, sub { "$verdicts; now " . verdicts() . '; ' . ask('SELECT lane, state, reason FROM hubspot.status') });
	ok(1, $verdicts);
}

sub lane { return ask("SELECT state || ': ' || coalesce(reason, '') FROM hubspot.status WHERE lane = '$_[0]'") }

sub unreadable { $sim->fault(match => { path => $_[0] }, action => 'garbage', apply => JSON::PP::true, body => $cut, times => 0) }

sub requests { my ($path) = @_; return scalar grep { $_->{path} =~ $path } $sim->requests }

# Letters beyond ASCII, both ways
create_account($node, 'postgres', 'crm', $sim, create_properties => 'true');
ask(q{SELECT hubspot_create_property('contact', 'groesse', 'string', 'Größe')});
ask(q{SELECT hubspot_identify('{"email": "uenal@example.com", "firstname": "Ünal", "groesse": "größer", "lastname": "日本 😀"}')});
wait_drained($node, 'postgres');
is(ask(q{SELECT verdict, warnings FROM hubspot.outbox_status WHERE key = 'uenal@example.com'}), 'delivered|', 'a contact with letters beyond ASCII');
is(ask(q{SELECT label FROM hubspot.property WHERE name = 'groesse'}), 'Größe', 'a property with such a label');
is(requests(qr/batch\/upsert/), 1, 'one request told all');

# One record among others: it is found, tried a few times, and given up
my $poison = 'r1n57@example.com';
$sim->fault(match => { path => 'batch/upsert', record => "\"$poison\"" }, action => 'garbage', apply => JSON::PP::true, body => $cut, times => 0);
stop_delivery($node);
queue(100);
my $before = requests(qr/batch\/upsert/);
resume_delivery($node);
wait_until(sub { $node->psql('postgres', q{SELECT hubspot_retry(id) FROM hubspot.deferred}); verdicts() eq 'dead 1, delivered 99' },
	sub { 'one to be given up; now ' . verdicts() . '; ' . lane('contacts') });
my $words = qr/^HubSpot has probably done what was asked, but this server cannot read its answer: HTTP status 200, after 49 of 49 bytes: the end within a string, in ".*firstname.*" \(json-c \d/;
like(ask("SELECT message FROM hubspot.failures WHERE key = '$poison'"), $words, 'it says what was not read, where, and by whom');
is(ask("SELECT verdict, category, attempt, http_status FROM hubspot.outbox_status WHERE key = '$poison'"), 'dead|unreadable|3|200', 'after three tries alone');
my $writes = grep { ($_->{key} // '') eq $poison } $sim->log;
cmp_ok($writes, '<=', 12, "HubSpot has written it $writes times, and no more");
cmp_ok(requests(qr/batch\/upsert/) - $before, '<=', 25, 'found with few requests');
becomes(sub { ask(q{SELECT problem FROM hubspot_health()}) }, qr/^1 rows were given up/m, 'health tells');
$sim->clear_faults;
ask(q{SELECT count(*) FROM hubspot_retry(verdict => 'dead')});
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.backlog}) eq '0' }, 'the retry');
wait_until(sub { ask(q{SELECT problem FROM hubspot_health()}) eq '' }, 'all to be well after the retry');
is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE key = '$poison' AND verdict = 'delivered'"), '1', 'a retry delivers it');

# No answer to a batch can be read: that is the lane's, and HubSpot is asked rarely
unreadable('batch/upsert');
queue(300);
$before = requests(qr/batch\/upsert/);
wait_until(sub { lane('contacts') =~ /^UNREADABLE: $blame: HTTP status 200, after 49/ }, sub { 'UNREADABLE; now ' . lane('contacts') });
becomes(sub { ask('SELECT problem, remedy FROM hubspot_health()') }, qr/^account crm, lane contacts: $blame: .*\|see hubspot.requests and hubspot.libraries\(\)/, 'health shows it at once');
wait_until(sub { ask(q{SELECT until > now() + interval '5 s' FROM hubspot.status WHERE lane = 'contacts'}) eq 't' }, 'longer pauses');
cmp_ok(requests(qr/batch\/upsert/) - $before, '<=', 12, 'requests until the pause is eight seconds');
becomes(sub { verdicts() }, 'waiting 300', 'rows wait, none is blamed');
becomes(sub { ask(q{SELECT error FROM hubspot.requests WHERE status = 200 AND error IS NOT NULL ORDER BY id DESC LIMIT 1}) }, qr/^HTTP status 200, after 49/, 'the log of requests has the words');
$sim->clear_faults;
$node->reload;
wait_for('delivered 300');

# The answer to the question for the account
unreadable('account-info');
ask(q{ALTER SERVER crm OPTIONS (ADD max_connections '3')});
queue(1);
wait_until(sub { lane('contacts') =~ /^UNREADABLE: $blame/ }, sub { 'UNREADABLE of the account; now ' . lane('contacts') });
$sim->clear_faults;
$node->reload;
wait_for('delivered 1');

# ... is one without the account's number, which uuids of events are made of
$sim->fault(match => { path => 'account-info' }, action => 'empty_success', times => 0);
ask(q{ALTER SERVER crm OPTIONS (SET max_connections '4')});
queue(1);
wait_until(sub { lane('contacts') =~ /^UNREADABLE: $blame: HTTP status 200 without the number of an account in "portalId"/ },
	sub { 'UNREADABLE of an account without a number; now ' . lane('contacts') });
$sim->clear_faults;
$node->reload;
wait_for('delivered 1');

# The list of properties, which rows wait for
unreadable('properties/');
$before = requests(qr/properties/);
ask(q{SELECT hubspot_refresh_schema()});
wait_until(sub { lane('contacts') =~ /^UNREADABLE: $blame: contact properties: HTTP status 200, after 49/ }, sub { 'UNREADABLE of the schema; now ' . lane('contacts') });
my $watched = ask(q{SET ROLE pg_monitor; SELECT reason FROM hubspot.status WHERE lane = 'contacts'});
like($watched, qr/^$blame/, 'who watches sees that');
unlike($watched, qr/after 49/, '... but no part of the answer');
queue(1);
wait_until(sub { verdicts() eq 'waiting 1' }, 'a row that waits');
becomes(sub { ask(q{SELECT string_agg(problem, ' ') FROM hubspot_health()}) }, qr/account crm, lane contacts: $blame/, 'health shows it');
$sim->clear_faults;
$node->reload;
wait_for('delivered 1');
wait_until(sub { ask(q{SELECT count(*) FROM hubspot_health()}) eq '0' }, 'all to be well');

# ... and where they are known of old: delivery goes on with what is known
unreadable('properties/');
$before = requests(qr/properties/);
ask(q{UPDATE hubspot.schema SET refreshed_at = refreshed_at - interval '2 hours'; SELECT hubspot_map('nickname', 'firstname')});
queue(1);
wait_until(sub { lane('schema') =~ /^UNREADABLE: $blame: contact properties/ }, sub { 'UNREADABLE of the schema lane; now ' . ask('SELECT lane, state, reason FROM hubspot.status') });
queue(50);
wait_for('delivered 50');
becomes(sub { lane('contacts') }, qr/^RUN/, 'what was read before still counts');
becomes(sub { ask('SELECT problem FROM hubspot_health()') }, qr/^account crm, lane schema: $blame/, 'and health shows that it is not read anew');
cmp_ok(requests(qr/properties/) - $before, '<=', 8, 'few requests for it');
$sim->clear_faults;
$node->reload;
wait_until(sub { ask(q{SELECT count(*) FROM hubspot_health()}) eq '0' }, 'the list to be read');

# Properties to be created: once, the list tells whether they are there
unreadable('properties/contacts/batch/create');
$before = requests(qr/batch\/create/);
ask(q{SELECT hubspot_identify('{"email": "new@example.com", "shoe_colour": "red"}')});
wait_drained($node, 'postgres');
is(requests(qr/batch\/create/) - $before, 1, 'a creation is not repeated for its answer');
is(ask(q{SELECT verdict, warnings FROM hubspot.outbox_status WHERE key = 'new@example.com'}), 'delivered|', 'and what was created is used');

# A library that is not as it is needed
sub restart_with
{
	my ($broken) = @_;
	local %ENV = (%ENV, LD_PRELOAD => POSIX::getcwd() . '/test/library/break_json.so', BREAK_JSON => $broken);
	$node->restart;
}

system_or_bail('make', '-s', '-C', 'test/library');
is(ask(q{SELECT string_agg(library || ' ' || (version = built_with) || coalesce(problem, ''), ', ') FROM hubspot.libraries()}),
	'json-c true, libcurl true', 'the libraries are as they are needed');
my $levels = 'as many levels are read as our own check allows';
restart_with('depth');
queue(1);
wait_for('delivered 1');
becomes(sub { ask('SELECT problem, remedy FROM hubspot_health()') }, qr/^json-c \S+ is not as it is needed: it does not hold that $levels\|deeper answers are unreadable; install another/, 'health tells what does not hold');
ok($node->log_contains(qr/WARNING: .*json-c \S+ is not as it is needed: it does not hold that $levels/), 'so does the log');
restart_with('numbers');
queue(1);
my $obstacle = 'json-c \S+ is not as it is needed: it does not hold that whole numbers of 64 bits are read';
wait_until(sub { lane('contacts') =~ /^HELD: $obstacle/ }, sub { 'HELD; now ' . lane('contacts') });
becomes(sub { ask('SELECT string_agg(problem, E\'\\n\') FROM hubspot_health()') }, qr/^the worker is held: $obstacle.*1 rows wait/m, 'nothing is sent with what we cannot do without');
is(verdicts(), 'waiting 1', 'the row waits');
$node->restart;
wait_for('delivered 1');

$node->stop;
done_testing();
