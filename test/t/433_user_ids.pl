# A userId means the contact told by the youngest row before it in the queue, wherever
# that row is: in a request, deferred, of another session; never the one of a later row.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('user_ids');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub city { return ($sim->contact("$_[0]\@example.com") // { properties => {} })->{properties}{city} // 'none' }

sub row { return ask("SELECT concat_ws(' ', coalesce(verdict, state), category) FROM hubspot.outbox_status WHERE id = $_[0]") }

# How the rows that were queued with this one have ended.
sub with { return ask("SELECT string_agg(concat_ws(' ', verdict, category), ', ' ORDER BY id) FROM hubspot.outbox_status WHERE parent = $_[0]") }

sub identify
{
	my ($user_id, $name, %traits) = @_;
	return qq{SELECT hubspot_identify(jsonb_build_object('userId', '$user_id', 'traits', jsonb_build_object('email', '$name\@example.com'}
	  . join('', map { ", '$_', '$traits{$_}'" } sort keys %traits) . ')))';
}

my $number = 0;

# Its number is the event's.
sub track { my ($user_id) = @_; $number++; return qq{SELECT hubspot_track('{"event": "seen", "userId": "$user_id", "properties": {"n": "$number"}}')} }

# With traits, it writes the contact as well.
sub group
{
	my ($user_id, $company, %traits) = @_;
	my $context = join ', ', map { qq{"$_": "$traits{$_}"} } sort keys %traits;
	return qq{SELECT hubspot_group('{"groupId": "g", "userId": "$user_id", "traits": {"website": "$company.com"}, "context": {"traits": {$context}}}')};
}

# Whose the event of that number is; '' when it has not been sent.
sub whose
{
	my ($n) = @_;
	my ($event) = grep { $_->{op} eq 'event' && $_->{properties}{n} eq $n } $sim->log;
	return '' unless $event;
	return $event->{email} if $event->{email};
	my ($found) = @{ $sim->api('GET', "/_sim/objects/contacts?id=$event->{id}")->{results} };
	return $found ? $found->{properties}{email} : "nobody ($event->{id})";
}

sub members { my ($name) = @_; return scalar @{ ($sim->contact("$name\@example.com") // { associations => [] })->{associations} } }

ask(q{SELECT hubspot_create_event('seen', '{"n": "string"}')});
ask(identify('old', 'old', city => 'Rome'));
ask(identify('gone', 'gone'));
wait_drained($node, 'postgres');

#
# Another session, whose request is under way, and has a higher id
#
my $session = $node->background_psql('postgres', on_error_stop => 1);
$session->query_safe('BEGIN');
$session->query_safe(identify('u1', 'first'));
my $tracked = $session->query_safe(track('u1'));
my $first_event = $number;
my $grouped = $session->query_safe(group('u1', 'first'));
$sim->fault(match => { path => 'contacts/batch/upsert', record => 'slow@' }, action => 'delay', ms => 3000);
ask(identify('slow', 'slow'));
wait_until(sub { grep { $_->{hits} } @{ $sim->faults->{results} } }, 'the request of the other session');
$session->query_safe('COMMIT');
$session->quit;
wait_drained($node, 'postgres');
$sim->clear_faults;
is(row($tracked), 'delivered', 'an identify of the same transaction has told, whatever else is under way');
is(whose($first_event), 'first@example.com', '... whose the event is');
is(with($grouped), 'delivered', '... and who belongs to the company');

#
# The row that tells is deferred
#
$sim->fault(match => { path => 'batch/upsert', record => 'late@' }, action => 'record_error', category => 'INTERNAL_ERROR',
	body => 'try again', times => 1);
my ($told) = split /\n/, ask(join ';', 'BEGIN', identify('u2', 'late', city => 'Oslo'), identify('warm', 'warm'), 'COMMIT');
wait_until(sub { row($told) =~ /^deferred/ }, sub { 'the identify to be deferred: ' . row($told) });
my $event = ask(track('u2'));
my $late_event = $number;
my $late = ask(group('u2', 'late', city => 'Bern'));
ask(identify('warm', 'warm', city => "c$_")) for 1 .. 3;
wait_until(sub { ask("SELECT hubspot_retry($told)") if row($told) =~ /^deferred/; row($told) =~ /^(delivered|coalesced)$/ }, 'the identify to end');
wait_drained($node, 'postgres');
$sim->clear_faults;
is(row($event), 'delivered', 'a deferred identify has told');
is(whose($late_event), 'late@example.com', '... whose the event is');
is(with($late), 'delivered, delivered', '... whose the traits are, and who belongs to the company');
is(city('late'), 'Bern', '... and what came later is written later');

#
# A userId that means another contact from a row on
#
my @ids = split /\n/, ask(join ';', 'BEGIN', track('old'), identify('old', 'new'), track('old'), group('old', 'moved'), 'COMMIT');
my $moved_event = $number;
wait_drained($node, 'postgres');
is(whose($moved_event - 1), 'old@example.com', 'a row before the one that tells of another contact means the one of before');
is(whose($moved_event), 'new@example.com', 'a row after it means the new one');
is(members('new') . members('old'), '10', '... which belongs to the company');
ask(join ';', 'BEGIN', identify('gone', 'newgone'), q{SELECT hubspot_delete('{"userId": "gone"}')}, 'COMMIT');
wait_drained($node, 'postgres');
ok($sim->contact('gone@example.com'), 'a deletion after a change of address leaves the previous contact');
ok(!$sim->contact('newgone@example.com'), '... and archives the one that was told last');

ask(join ';', 'BEGIN', q{SELECT hubspot_delete('{"userId": "stranger"}')}, identify('stranger', 'new', city => 'Linz'), 'COMMIT');
wait_drained($node, 'postgres');
ok((grep { $_->{op} eq 'archive' } $sim->log) == 1 && city('new') eq 'Linz', '... but nobody whom a row behind it tells');

# Rows that come late are of what was told before them, even when more has been told since
$session = $node->background_psql('postgres', on_error_stop => 1);
$session->query_safe('BEGIN');
$session->query_safe(track('old'));
my $between = $number;
ask(identify('old', 'newest'));
wait_until(sub { $sim->contact('newest@example.com') }, 'the newest contact');
$session->query_safe('COMMIT');
$session->quit;
wait_drained($node, 'postgres');
is(whose($between), 'new@example.com', 'a row that commits late means what was told before its place in the queue');

# Told something else and the first thing again, in one write of the table
ask(identify('back', 'one'));
wait_drained($node, 'postgres');
ask(join ';', 'BEGIN', identify('back', 'two'), identify('back', 'one'), 'COMMIT');
wait_drained($node, 'postgres');
ask(track('back'));
wait_drained($node, 'postgres');
is(whose($number), 'one@example.com', 'what was told last counts, also when it was told before');

# Told by two sessions, of which the one with the higher id commits first
$session = $node->background_psql('postgres', on_error_stop => 1);
$session->query_safe('BEGIN');
$session->query_safe(identify('both', 'ours'));
ask(identify('both', 'theirs'));
wait_until(sub { $sim->contact('theirs@example.com') }, 'the contact of the other session');
$session->query_safe(identify('both', 'ours'));
$session->query_safe(track('both'));
$session->query_safe('COMMIT');
$session->quit;
wait_drained($node, 'postgres');
is(whose($number), 'ours@example.com', 'what was told before and behind a row of another session counts behind it');

# Told again, before another session that has the id in between
ask(identify('again', 'mine'));
wait_drained($node, 'postgres');
$session = $node->background_psql('postgres', on_error_stop => 1);
$session->query_safe('BEGIN');
$session->query_safe(identify('again', 'between'));
ask(identify('again', 'mine', city => 'Kiel'));
wait_until(sub { city('mine') eq 'Kiel' }, 'the second row that tells');
$session->query_safe('COMMIT');
$session->quit;
wait_drained($node, 'postgres');
ask(track('again'));
wait_drained($node, 'postgres');
is(whose($number), 'mine@example.com', 'what was told again counts against what is told in between, and later');
ask(identify('again', 'mine'));
wait_drained($node, 'postgres');
is(ask(q{SELECT count(*) FROM hubspot.record WHERE key = 'again'}), '3', '... and is kept once where nothing can come between any more');

# A row waits for one that tells before it and is committed later; what is younger has passed both
$session = $node->background_psql('postgres', on_error_stop => 1);
$session->query_safe('BEGIN');
$session->query_safe(identify('behind', 'passed'));
my $passed = ask(group('behind', 'passed', city => 'Trier'));
ask(identify('passed@example.com', 'passed', city => 'Mainz'));
wait_until(sub { city('passed') eq 'Mainz' }, 'the youngest row');
$session->query_safe('COMMIT');
$session->quit;
wait_until(sub { with($passed) eq 'unchanged older_value, delivered' }, sub { 'the row that has waited: ' . with($passed) });
is(city('passed'), 'Mainz', 'a row that has waited to be told overwrites nothing, whichever row tells');

# Told many other things, while rows that were told before may yet ask
ask(identify('turns', 'turns-first'));
$session = $node->background_psql('postgres', on_error_stop => 1);
$session->query_safe('BEGIN');
$session->query_safe(track('turns'));
$between = $number;
my $kept = sub { return ask(q{SELECT count(*) FROM hubspot.record WHERE key = 'turns'}) };
for my $round (1 .. 2)
{
	ask(join ';', 'BEGIN', (map { identify('turns', "turns-$_") } map { ('x', 'y') } 1 .. 10), 'COMMIT');
	wait_until(sub { $kept->() >= 20 * $round }, sub { 'what was told to be kept: ' . $kept->() });
}
$session->query_safe('COMMIT');
$session->quit;
wait_drained($node, 'postgres');
is(whose($between), 'turns-first@example.com', 'a row means what was told before it, however much has been told since');
wait_until(sub { ask(identify('turns', 'turns-' . $number++)); $kept->() < 20 }, sub { 'the oldest tellings to go: ' . $kept->() });

# A row by userId is deferred when the worker ends: the next one finds out whose it is
$sim->fault(match => { path => 'batch/upsert', record => 'one@' }, action => 'record_error', category => 'INTERNAL_ERROR', times => 1);
ask(join ';', 'BEGIN', group('back', 'kept', city => 'Rome'), identify('warm', 'warm', city => 'Ulm'), 'COMMIT');
wait_until(sub { ask('SELECT count(*) FROM hubspot.deferred') ne '0' }, 'a row to be deferred');
is(ask('SELECT DISTINCT key_property FROM hubspot.deferred'), 'userId', 'it waits by its userId');
$node->restart;
wait_until(
	sub {
		ask('SELECT hubspot_retry(id) FROM hubspot.deferred');
		city('one') eq 'Rome';
	},
	sub { 'the row, with ' . ask('SELECT state, reason FROM hubspot.workers') });

$node->stop;
done_testing();
