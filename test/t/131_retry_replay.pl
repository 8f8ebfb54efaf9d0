# Calls that are queued again: hubspot_retry() for what was not sent,
# hubspot_replay() for whatever was queued.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $node = hubspot_cluster('repeat');
create_account($node, 'postgres', 'crm', $sim, forms_url => $sim->url);
ask('CREATE SERVER gone FOREIGN DATA WRAPPER hubspot OPTIONS (secret \'crm\', base_url \'' . $sim->url . q{')});
ask(q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

sub verdict_of { return ask("SELECT coalesce(verdict, state) FROM hubspot.outbox_status WHERE id = $_[0]") }

# The standard output and the messages of a statement that may fail.
sub say_of
{
	my ($status, $out, $err) = $node->psql('postgres', shift);
	return ($out, $err);
}

sub drained { wait_drained($node, 'postgres') }

sub while_stopped
{
	stop_delivery($node);
	my @ids = map { ask($_) } @_;
	resume_delivery($node);
	drained();
	return @ids;
}

sub writes_of
{
	my ($key, $since) = @_;
	return grep { lc($_->{key} // $_->{email} // '') eq $key } $sim->log($since // 0);
}

sub mark { my @log = $sim->log; return @log ? $log[-1]{seq} : 0 }

my $refusal = $sim->fault(match => { path => 'batch/upsert', record => 'ada@example.com' }, times => 0,
	action => 'status', status => 400, body => '{"status":"error","message":"no","category":"VALIDATION_ERROR","context":{"propertyName":["email"]}}');

#
# A rejected row, with those that were merged into it
#
my @merged = while_stopped(
	q{SELECT hubspot_identify('{"email": "ada@example.com", "firstName": "Ada"}')},
	q{SELECT hubspot_identify('{"email": "ada@example.com", "plan": "free"}', deadline => '1 hour', backfill => true)},
	q{SELECT hubspot_identify('{"email": "ada@example.com", "plan": "pro", "messageId": "m1"}')});
my ($carrier) = $merged[2];
is(verdict_of($carrier), 'rejected', 'a row is rejected');
is(verdict_of($merged[0]), 'coalesced', 'and with it those that were merged into it');
$sim->clear_faults;
my $new = ask("SELECT hubspot_retry($carrier)");
drained();
is(verdict_of($new), 'delivered', 'it is delivered when it is tried again');
is_deeply([ @{ $sim->contact('ada@example.com')->{properties} }{qw(firstname plan)} ], [ 'Ada', 'pro' ], 'with the values of all');
is( ask(qq{SELECT string_agg(concat_ws(' ', replay_of, verdict, backfill::text, deadline IS NOT NULL), ', ' ORDER BY id)
		FROM hubspot.outbox_status WHERE replay_of IS NOT NULL}),
	"$merged[0] coalesced false f, $merged[1] coalesced true t, $carrier delivered false f", 'in order, as they were');
is(ask("SELECT called_at = (SELECT created_at FROM hubspot.outbox WHERE id = $carrier) FROM hubspot.outbox WHERE id = $new"),
	't', 'it knows when the call was made');

#
# Not twice
#
for my $id ($carrier, $merged[1])
{
	my ($out, $err) = say_of("SELECT hubspot_retry($id)");
	like($err, qr/NOTICE:  outbox row $id was retried already, as row \d+, which was sent: delivered/, "row $id is not retried twice");
}
my ($out, $err) = say_of('SELECT hubspot_retry()');
is($out, '', 'nor by a search');
like($err, qr/1 of the rows were retried or replayed before/, 'which says so');
($out, $err) = say_of("SELECT hubspot_retry($new)");
like($err, qr/outbox row $new was sent: delivered.*HINT:  hubspot_replay/s, 'what was delivered is no failure');
($out, $err) = say_of('SELECT hubspot_retry(999999)');
like($err, qr/outbox row 999999 does not exist/, 'nor is what does not exist');

#
# A retry that fails may be retried; the oldest row leads to the newest
#
$sim->fault(match => { path => 'batch/upsert', record => 'bob@example.com' }, times => 2,
	action => 'status', status => 400, body => '{"status":"error","message":"no","category":"VALIDATION_ERROR","context":{"propertyName":["email"]}}');
my $bob = ask(q{SELECT hubspot_identify('{"email": "Bob@example.com", "plan": "pro"}')});
drained();
my $first = ask("SELECT hubspot_retry($bob)");
drained();
is(verdict_of($first), 'rejected', 'the first retry is rejected, too');
stop_delivery($node);
my $second = ask("SELECT hubspot_retry($bob)");
isnt($second, $first, 'it is retried again');
($out, $err) = say_of("SELECT hubspot_retry($bob)");
is($out, $second, 'while it waits');
like($err, qr/as row $second, which is waiting/, 'it is not queued once more');
($out, $err) = say_of("SELECT hubspot_retry($second)");
like($err, qr/ERROR:  outbox row $second is waiting/, 'by whatever id');
resume_delivery($node);
drained();
is(verdict_of($second), 'delivered', 'and arrives');
is(ask("SELECT count(DISTINCT replay_of) FROM hubspot.outbox WHERE id IN ($first, $second)"), '1', 'both repeat the first row');

#
# By a search
#
$sim->fault(match => { path => 'batch/upsert', record => "many$_\@example.com" }, times => 0,
	action => 'status', status => 400, body => '{"status":"error","message":"no","category":"VALIDATION_ERROR","context":{"propertyName":["email"]}}') for 1 .. 3;
ask("SELECT hubspot_identify('{\"email\": \"many$_\@example.com\", \"plan\": \"pro\"}')") for 1 .. 3;
my $expired = ask(q{SELECT hubspot_identify('{"traits": {"email": "eve@example.com"}, "deadline": "2024-01-01T00:00:00Z"}')});
my $bad = ask(q{SET hubspot.on_invalid = record; SELECT hubspot_identify('{"foo": 1}')});
my $dropped = ask(q{SELECT hubspot_identify('{"email": "fay@example.com"}', 'gone', deadline => '1 microsecond')});
drained();
ask('DROP SERVER gone');
$sim->clear_faults;
($out, $err) = say_of("SELECT hubspot_retry($bad)");
like($err, qr/cannot be sent.*DETAIL:  Its message is bad: identify message has no contact key/s, 'a bad message cannot be retried');
($out, $err) = say_of("SELECT hubspot_retry($dropped)");
like($err, qr/cannot be sent.*SERVER has been dropped/s, 'nor one of a dropped SERVER');
is(ask(q{SELECT count(*) FROM hubspot_retry(key => 'Many1@example.com', verdict => 'rejected', since => now() - interval '1 hour', until => now())}),
	'1', 'by key and time');
is(ask(q{SELECT count(*) FROM hubspot_retry(server => 'crm', call => 'identify', category => 'VALIDATION_ERROR')}), '2', 'by category');
drained();
is(ask('SELECT string_agg(key, \' \' ORDER BY id) FROM hubspot.outbox_status WHERE key LIKE \'many%\' AND replay_of IS NOT NULL AND verdict = \'delivered\''),
	'many1@example.com many2@example.com many3@example.com', 'all arrive');
($out, $err) = say_of('SELECT hubspot_retry()');
is((split /\n/, $out)[0], ask('SELECT max(id) FROM hubspot.outbox'), 'without restriction: what is left, which had expired');
like($err, qr/2 of the rows cannot be sent, and are left out/, 'with a word on what cannot be sent');
drained();
is(ask("SELECT string_agg(verdict, ' ') FROM hubspot.outbox_status WHERE replay_of = $expired"), 'delivered', 'a deadline that passed is gone');
for my $args (q{verdict => 'delivered'}, q{verdict => 'coalesced'})
{
	($out, $err) = say_of("SELECT hubspot_retry($args)");
	like($err, qr/are not retried.*hubspot_replay/s, "not $args");
}
($out, $err) = say_of(q{SELECT hubspot_retry(call => 'idenitfy')});
like($err, qr/unknown call "idenitfy"/, 'a call that does not exist');
($out, $err) = say_of(q{SELECT hubspot_retry(server => 'nowhere')});
like($err, qr/server "nowhere" does not exist/, 'a SERVER that does not exist');

#
# Unknown only when asked for
#
$sim->api('POST', '/_sim/forms', { id => '0a1b2c3d-0000-4000-8000-1234567890ab', name => 'Demo', fields => ['email'] });
$sim->fault(match => { path => '/submit/' }, times => 1, action => 'drop_after');
my $form = ask(q{SELECT hubspot_form('{"formId": "0a1b2c3d-0000-4000-8000-1234567890ab", "fields": [{"name": "email", "value": "gus@example.com"}]}')});
drained();
is(verdict_of($form), 'unknown', 'the answer to a form is lost');
is(ask('SELECT count(*) FROM hubspot_retry()'), '0', 'it is not retried by chance');
is(ask(q{SELECT count(*) FROM hubspot_retry(verdict => 'unknown')}), '1', 'but when asked for');
drained();
is(scalar(grep { $_->{op} eq 'form' } $sim->log), 2, 'and HubSpot has it twice');

#
# The same event to HubSpot
#
ask(q{SELECT hubspot_create_event('visited', '{"place": "string"}')});
drained();
my $event = ask(q{SELECT hubspot_track('{"userId": "ada@example.com", "event": "visited", "properties": {"place": "home"}}')});
drained();
my $mark = mark();
my $here = q{(SELECT created_at FROM hubspot.outbox WHERE id = } . $event . ')';
is(ask("SELECT hubspot_replay($here, now(), call => 'track')"), '1', 'an event is replayed');
drained();
is(ask(qq{SELECT string_agg(verdict, ' ' ORDER BY id) FROM hubspot.outbox_status WHERE id = $event OR replay_of = $event}), 'delivered unchanged',
	'HubSpot keeps the first');
is(scalar(grep { $_->{op} eq 'event' } $sim->log), 1, 'and has it once');

# Whatever HubSpot says to a uuid that it has had: refused (400, or 409 in the end), or as if it were new
sub events_of { my ($who) = @_; return grep { $_->{op} eq 'event' && ($_->{email} // '') eq "$who\@example.com" } $sim->log }
sub places { my ($who) = @_; return join ' ', map { $_->{properties}{place} } events_of($who) }

sub seen_of
{
	my ($who) = @_;
	return ask(qq{SELECT string_agg(coalesce(verdict, state), ' ' ORDER BY id) FROM hubspot.outbox_status WHERE key = '$who\@example.com' AND object = 'event'}) . ': ' . places($who);
}

sub visit { my ($who, $place, $more) = @_; return qq[SELECT hubspot_track('{"userId": "$who\@example.com", "event": "visited", "properties": {"place": "$place"}] . ($more // '') . q[}')] }
sub since { my ($id) = @_; return "(SELECT created_at FROM hubspot.outbox WHERE id = $id), now()" }

for my $how (qw(refuse ignore))
{
	$sim->config(event_repeat => $how);
	my %first = map { $_ => ask(visit("$_.$how", 'a')) } qw(known new);
	drained();
	my $replay = sub { my ($who, $more) = @_; return 'SELECT hubspot_replay(' . since($first{$who}) . ", key => '$who.$how\@example.com'" . ($more // '') . ')' };
	my ($expired) = while_stopped(
		visit("retried.$how", 'a', q[, "deadline": "1 ms"]),
		# replays of what HubSpot has, and of what waits
		$replay->('known'), visit("known.$how", 'b'),
		visit("waits.$how", 'a'), visit("waits.$how", 'b'),
		"SELECT hubspot_replay(min(created_at), now(), key => min(key)) FROM hubspot.outbox WHERE key = 'waits.$how\@example.com'", visit("waits.$how", 'c'),
		# one messageId, queued together
		(map { visit("same.$how", $_, qq[, "messageId": "m-$how"]) } qw(a b)),
		# for those who want another event
		$replay->('new', ', as_new => true'));
	is(verdict_of($expired), 'expired', 'an event that was not sent');
	$sim->fault(match => { path => 'send/batch' }, action => 'drop_after', times => 1);
	$first{lost} = ask(visit("lost.$how", 'a', qq[, "messageId": "lost-$how"]));
	drained();
	$sim->fault(match => { path => 'send/batch' }, action => 'drop_after', times => 1);
	ask(join ';', $replay->('lost'), visit("same.$how", 'c', qq[, "messageId": "m-$how"]), "SELECT hubspot_retry($expired)");
	drained();
	is(seen_of("known.$how"), 'delivered unchanged delivered: a b', "$how: a replay is unchanged, what comes after it is not");
	is(seen_of("waits.$how"), 'delivered delivered unchanged unchanged delivered: a b c', "$how: replays of what waits");
	is(seen_of("same.$how"), 'delivered unchanged unchanged: a', "$how: one messageId is one event");
	is(seen_of("lost.$how"), 'delivered unchanged: a', "$how: a lost answer, and that of a replay");
	is(seen_of("retried.$how"), 'expired delivered: a', "$how: of a call that is retried the first to arrive is delivered");
	is(seen_of("new.$how"), 'delivered delivered: a a', "$how: a replay as a new event is delivered");
	my ($one, $two) = events_of("new.$how");
	isnt($one->{uuid}, $two->{uuid}, '... with a uuid of its own');
	is($one->{occurred_at}, $two->{occurred_at}, '... at the time of the first');
	is(ask("SELECT count(*) FROM hubspot.repeat r JOIN hubspot.outbox_status o USING (id) WHERE r.replay_of = $first{new} AND r.is_new AND o.replay_of IS NULL AND o.verdict = 'delivered'"), 1,
		'... and can be found by the first');
}
$sim->config(event_repeat => 'conflict');
is(ask('SELECT hubspot_replay(' . since(ask(q{SELECT min(id) FROM hubspot.outbox WHERE key = 'new.ignore@example.com'})) . q{, key => 'new.ignore@example.com', as_new => true)}), 1,
	'what became several counts once for the next such replay');
ask('SELECT hubspot_replay(' . since(ask(q{SELECT min(id) FROM hubspot.outbox WHERE key = 'new.ignore@example.com'})) . q{, key => 'new.ignore@example.com')});
my $as_new = ask(visit('stripped', 'a', q[, "messageId": "s-1"]));
drained();
is(seen_of('new.ignore'), 'delivered delivered delivered unchanged unchanged unchanged: a a a', 'a replay as usual has all of them, and changes none');
ask('SELECT hubspot_replay(' . since($as_new) . ', as_new => true)');
drained();
is(seen_of('stripped'), 'delivered delivered: a a', 'a messageId is left out of an event that is new');

#
# Replay: all in order, as a back-fill
#
my $since = ask('SELECT clock_timestamp()');
while_stopped(
	q{SELECT hubspot_identify('{"email": "hal@example.com", "plan": "free"}')},
	q{SELECT hubspot_identify('{"email": "hal@example.com", "plan": "pro"}')},
	q{SELECT hubspot_group('{"userId": "hal@example.com", "traits": {"website": "acme.com", "name": "Acme"}}')});
$form = ask(q{SELECT hubspot_form('{"formId": "0a1b2c3d-0000-4000-8000-1234567890ab", "fields": [{"name": "email", "value": "hal@example.com"}]}')});
ask(q{SET hubspot.on_invalid = record; SELECT hubspot_identify('{"foo": 1}')});
drained();
my $until = ask('SELECT clock_timestamp()');
$mark = mark();
my $last = ask('SELECT max(id) FROM hubspot.outbox');
is(ask("SELECT hubspot_replay('$since', '$until')"), '4', 'all rows but forms and bad messages are replayed');
drained();
is( ask(qq{SELECT string_agg(concat_ws(' ', object, verdict, backfill), ', ' ORDER BY id) FROM hubspot.outbox_status WHERE id > $last}),
	'contact coalesced t, contact delivered t, company delivered t, association delivered t', 'as a back-fill');
is(ask(qq{SELECT count(*) FROM hubspot.outbox o JOIN hubspot.outbox p ON p.id = o.parent AND p.id > $last WHERE o.object = 'association'}),
	'1', 'rows of one call stay together');
my ($write) = writes_of('hal@example.com', $mark);
is($write->{properties}{plan}, 'pro', 'the newest value wins again');
is(ask("SELECT hubspot_replay('$since', now(), call => 'identify')"), '2', 'what was replayed already counts once');
drained();
is(ask("SELECT hubspot_replay('$since', now(), key => 'HAL\@example.com', verdict => 'delivered', object => 'contact')"), '2',
	'a merged row has the verdict of its carrier');
is(ask("SELECT hubspot_replay('$since', '$until', server => 'crm', call => 'form')"), '1', 'a form only when forms are asked for');
drained();
is(scalar(grep { $_->{op} eq 'form' } $sim->log($mark)), 1, 'which is a second submission');
($out, $err) = say_of('SELECT hubspot_replay(NULL, now())');
like($err, qr/since and until must not be null/, 'no replay without bounds');

# What was replayed is no failure any more
$since = ask('SELECT clock_timestamp()');
ask(q{SELECT hubspot_identify('{"traits": {"email": "joe@example.com"}, "deadline": "2024-01-01T00:00:00Z"}')});
drained();
is(ask("SELECT hubspot_replay('$since', now(), verdict => 'expired')"), '1', 'what had expired is replayed');
drained();
is(ask("SELECT count(*) FROM hubspot_retry(since => '$since')"), '0', 'and not retried');

# What HubSpot has confirmed is sent again all the same: it may have lost it
ask(q{ALTER SERVER crm OPTIONS (ADD skip_unchanged 'on')});
$since = ask('SELECT clock_timestamp()');
for my $verdict ('delivered', 'unchanged')
{
	my $id = ask(q{SELECT hubspot_identify('{"email": "ivy@example.com", "plan": "pro"}')});
	drained();
	is(verdict_of($id), $verdict, "once $verdict");
}
$sim->reset;
is(ask("SELECT hubspot_replay('$since', now())"), '2', 'rows that were unchanged are replayed');
drained();
is($sim->contact('ivy@example.com')->{properties}{plan}, 'pro', 'and are sent in full');
ask(q{ALTER SERVER crm OPTIONS (DROP skip_unchanged)});

#
# Erased rows are gone; whoever may not, cannot
#
$since = ask('SELECT clock_timestamp()');
ask(q{SELECT hubspot_identify('{"email": "ian@example.com", "plan": "free"}')});
drained();
ask(q{SELECT hubspot_delete('{"email": "ian@example.com", "gdpr": true}')});
drained();
is(ask("SELECT hubspot_replay('$since', now())"), '0', 'nothing of an erased contact is replayed');
ask('CREATE ROLE nobody_special LOGIN');
for my $call ('hubspot_retry(1)', 'hubspot_retry()', 'hubspot_replay(now(), now())', 'hubspot_drain()')
{
	($out, $err) = say_of("SET ROLE nobody_special; SELECT $call");
	like($err, qr/permission denied for function/, "$call is for the owner");
}
ask('GRANT EXECUTE ON FUNCTION hubspot_replay(timestamptz, timestamptz, name, text, text, text, text, boolean) TO nobody_special');
is(ask("SET ROLE nobody_special; SELECT hubspot_replay('$since', now(), key => 'nobody\@example.com')"), '0', 'and for whom he lets');

done_testing();
