# A row whose userId nobody has told yet waits, holds up nobody, and goes on by itself
# when somebody tells: in the same transaction, a while later, after a restart.
#
# ROWS (400) is the size of the two syncs that are filled side by side.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $rows = $ENV{ROWS} // 400;
my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('untold');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'short', $sim, unknown_user_wait => '3 s');
create_account($node, 'postgres', 'never', $sim, unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

sub city { return ($sim->contact("$_[0]\@example.com") // { properties => {} })->{properties}{city} // 'none' }

sub row { return ask("SELECT concat_ws(' ', coalesce(verdict, state), category) FROM hubspot.outbox_status WHERE id = $_[0]") }

sub with { return ask("SELECT string_agg(coalesce(verdict, state), ', ' ORDER BY id) FROM hubspot.outbox_status WHERE parent = $_[0]") }

sub wait_for { my ($id, $end, $what) = @_; wait_until(sub { row($id) eq $end }, sub { "$what: " . row($id) }) }

sub identify
{
	my ($user_id, $name, %traits) = @_;
	return qq{SELECT hubspot_identify(jsonb_build_object('userId', '$user_id', 'traits', jsonb_build_object('email', '$name\@example.com'}
	  . join('', map { ", '$_', '$traits{$_}'" } sort keys %traits) . ")), 'crm')";
}

my $number = 0;

# Its number is the event's.
sub track
{
	my ($user_id, $server) = @_;
	$number++;
	return qq{SELECT hubspot_track('{"event": "seen", "userId": "$user_id", "properties": {"n": "$number"}}', '} . ($server // 'crm') . q{')};
}

# The contact's traits go with it.
sub group
{
	my ($user_id, $company, %traits) = @_;
	my $context = join ', ', map { qq{"$_": "$traits{$_}"} } sort keys %traits;
	return qq{SELECT hubspot_group('{"groupId": "g", "userId": "$user_id", "traits": {"website": "$company.com"}, "context": {"traits": {$context}}}', 'crm')};
}

sub events { my ($name) = @_; return scalar grep { $_->{op} eq 'event' && is_of($_, "$name\@example.com") } $sim->log }

sub is_of
{
	my ($event, $email) = @_;
	return $event->{email} eq $email if $event->{email};
	my ($found) = @{ $sim->api('GET', "/_sim/objects/contacts?id=$event->{id}")->{results} };
	return $found && $found->{properties}{email} eq $email;
}

sub uncovered { return ask(q{SELECT count(*) FROM hubspot.outbox o WHERE NOT pg_visible_in_snapshot(o.xid, (SELECT snapshot FROM hubspot.last_checkpoint))}) }

ask("SELECT hubspot_create_event('seen', '{\"n\": \"string\"}', server => '$_')") for qw(crm short never);
wait_drained($node, 'postgres');

#
# The same transaction, later, after a restart
#
my @ids = split /\n/, ask(join ';', 'BEGIN', track('u1'), group('u1', 'first', city => 'Rome', zip => '1'), identify('u1', 'first', city => 'Oslo'), 'COMMIT');
wait_drained($node, 'postgres');
is(row($ids[0]), 'delivered', 'an event before the call that tells, in one transaction');
is(with($ids[1]), 'coalesced, delivered', '... and a company call');
is(events('first'), 1, 'it is of that contact');
is(city('first'), 'Oslo', 'the value of the older call is not the last one');
is($sim->contact('first@example.com')->{properties}{zip}, '1', '... but arrives');
is(scalar @{ $sim->contact('first@example.com')->{associations} }, 1, '... and so does the company');

my $event = ask(track('u2'));
my $more = ask(track('u2'));
my $company = ask(group('u2', 'second', city => 'Rome'));
wait_for($_, 'deferred contact_not_found', 'a row that nobody has told of') for $event, $more;
wait_until(sub { with($company) eq 'deferred, deferred' }, 'the contact and the association to be deferred');
is(ask("SELECT waits_for FROM hubspot.outbox_status WHERE id = $event"), 'the contact of userId u2', 'it says for what it waits');
is(ask("SELECT next_try_at - enqueued_at BETWEEN '23:59:58' AND '24:00:10' FROM hubspot.outbox_status WHERE id = $event"), 't', '... and how long');
my $other = ask(identify('u3', 'third', city => 'Bern'));
wait_for($other, 'delivered', 'another contact');
wait_until(sub { uncovered() eq '0' }, 'the checkpoint to go on');
is(row($event), 'deferred contact_not_found', 'nobody else waits for it');
is(ask(q{SELECT count(*) FROM hubspot.company_contacts WHERE company = 'second.com'}), '0', 'an association that waits makes nobody belong to the company');
$node->restart;
worker_pid($node, 'postgres');
is(row($event), 'deferred contact_not_found', 'a restart changes nothing');
my $late = ask(track('u2'));
ask(identify('u2', 'second'));
wait_drained($node, 'postgres');
is(row($_), 'delivered', 'it goes on when somebody tells') for $event, $more, $late;
is(with($company), 'coalesced, delivered', '... so do the traits and the company');
is(events('second'), 3, 'the events are of that contact');
is(city('second'), 'Rome', '... whose traits these are');
is(ask('SELECT count(*) FROM hubspot.deferred'), '0', 'no copy is left');
is(ask(q{SELECT string_agg(contact, ', ') FROM hubspot.company_contacts WHERE company = 'second.com'}), 'second@example.com', 'the contact belongs to the company');

# The worker ends between the call that tells and the ones that wait
my $killed = ask(track('u4'));
wait_for($killed, 'deferred contact_not_found', 'the event');
stop_delivery($node);
ask(identify('u4', 'fourth'));
resume_delivery($node);
wait_drained($node, 'postgres');
is(row($killed), 'delivered', 'what is told while no worker runs is told');

# The worker ends while rows that have waited are in a request
my $under_way = ask(group('u7', 'seventh', city => 'Rome'));
my $tracked = ask(track('u7'));
wait_for($tracked, 'deferred contact_not_found', 'the event');
wait_until(sub { with($under_way) eq 'deferred, deferred' }, 'the traits to be deferred');
$sim->fault(match => { path => 'contacts/batch/upsert', record => 'seventh@' }, action => 'delay', ms => 4000);
ask(identify('u7', 'seventh', zip => '7'));
wait_until(sub { grep { $_->{hits} } @{ $sim->faults->{results} } }, 'their request');
$node->restart;
$sim->clear_faults;
wait_drained($node, 'postgres');
is(row($tracked), 'delivered', 'what was told before a restart is told: an event');
is(with($under_way), 'coalesced, delivered', '... traits and a company');

#
# Values of a row that has waited never overwrite younger ones
#
my $old = ask(group('u5', 'fifth', city => 'Rome', zip => '5'));
wait_until(sub { with($old) eq 'deferred, deferred' }, 'the traits to be deferred');
ask(q{SELECT hubspot_identify('{"traits": {"email": "fifth@example.com", "city": "Oslo"}}', 'crm')});
wait_until(sub { city('fifth') eq 'Oslo' }, 'a younger call by the address');
ask(identify('u5', 'fifth', country => 'Norway'));
wait_drained($node, 'postgres');
is(with($old), 'delivered, delivered', 'a row whose contact has got younger values');
is(city('fifth'), 'Oslo', 'what HubSpot has stays');
is($sim->contact('fifth@example.com')->{properties}{$_->[0]}, $_->[1], "what it has not is filled in: $_->[0]") for [ zip => '5' ], [ country => 'Norway' ];
is(ask("SELECT string_agg(w->>'code' || ' ' || (w->>'property'), ', ') FROM hubspot.outbox_status, jsonb_array_elements(warnings) w WHERE parent = $old"),
	'older_value city', '... and a warning says so');
$old = ask(group('u6', 'fifth', city => 'Rome'));
wait_until(sub { with($old) eq 'deferred, deferred' }, 'the traits to be deferred');
ask(identify('u6', 'fifth'));
wait_drained($node, 'postgres');
is(ask("SELECT concat_ws(' ', verdict, category) FROM hubspot.outbox_status WHERE parent = $old AND object = 'contact'"), 'unchanged older_value',
	'a row of which nothing is left');

# ... nor does their company take the place of a younger one
sub companies { my ($name) = @_; return join ' ', sort map { my ($c) = @{ $sim->api('GET', "/_sim/objects/companies?id=$_->{id}")->{results} }; $c->{properties}{domain} . ($_->{primary} ? '!' : '') } @{ $sim->contact("$name\@example.com")->{associations} } }
ask(identify('known8', 'eighth'));
ask(identify('known9', 'sixth'));
my ($beside, $only) = (ask(group('u8', 'older')), ask(group('u9', 'alone')));
wait_until(sub { with($_) =~ /^deferred/ }, 'the associations to be deferred') for $beside, $only;
ask(q{SELECT hubspot_group('{"groupId": "g", "userId": "eighth@example.com", "traits": {"website": "newer.com"}}', 'crm')});
wait_until(sub { companies('eighth') eq 'newer.com!' }, 'a younger company');
ask(join ';', 'BEGIN', identify('u8', 'eighth'), identify('u9', 'sixth'), 'COMMIT');
wait_drained($node, 'postgres');
is(companies('eighth'), 'newer.com! older.com', 'a company that comes late stands beside the primary one');
like(ask("SELECT string_agg(w->>'code', ', ') FROM hubspot.outbox_status, jsonb_array_elements(warnings) w WHERE parent = $beside AND object = 'association'"), qr/^older_value$/,
	'... and a warning says so');
is(companies('sixth'), 'alone.com!', '... and is the primary one where there was none');

#
# Nobody tells
#
my $never = ask(track('nobody', 'never'));
my $short = ask(track('nobody', 'short'));
my $deleted = ask(q{SELECT hubspot_delete('{"userId": "nobody"}', 'crm')});
wait_for($never, 'rejected contact_not_found', 'unknown_user_wait 0');
wait_for($deleted, 'rejected contact_not_found', 'a deletion, which does not wait');
wait_for($short, 'rejected contact_not_found', 'the end of its time');
is(ask("SELECT finished_at - enqueued_at >= '3 s' FROM hubspot.outbox_status WHERE id = $short"), 't', '... which it has waited for');
is(ask(q{SELECT count(*) FROM hubspot.deferred}), '0', 'no copy is left');
my ($code, $out, $error) = $node->psql('postgres', q{ALTER SERVER crm OPTIONS (ADD unknown_user_wait 'never')});
like($error, qr/unknown_user_wait.*An interval between 0 and 10 years is expected, like "1 day"/s, 'an option that is no interval');

# A shorter time holds for those that wait, as soon as they are looked at
my $waits = ask(track('somebody'));
wait_for($waits, 'deferred contact_not_found', 'an event that waits');
ask(q{ALTER SERVER crm OPTIONS (ADD unknown_user_wait '0')});
ask("SELECT hubspot_retry($waits)");
wait_for($waits, 'rejected contact_not_found', 'the end of its time');
ask(q{ALTER SERVER crm OPTIONS (DROP unknown_user_wait)});

#
# Two syncs, one declared after the other: orders that name customers by userId
#
ask(qq{CREATE TABLE customers AS SELECT 'c' || i AS id, 'c' || i || '\@example.com' AS email FROM generate_series(1, $rows) i;
	CREATE TABLE orders AS SELECT i AS id, 'c' || i AS customer, now() AS at FROM generate_series(1, $rows) i;
	ALTER TABLE customers ADD PRIMARY KEY (id); ALTER TABLE orders ADD PRIMARY KEY (id)});
ask(q{SELECT hubspot_create_event('ordered', '{"number": "string"}', server => 'crm')});
wait_drained($node, 'postgres');
ask(q{SELECT hubspot_sync('orders', 'orders', object => 'event', event => 'ordered', server => 'crm',
	mapping => '{"userId": "customer", "number": "id", "timestamp": "at"}')});
ask(q{SELECT hubspot_sync('customers', 'customers', server => 'crm', mapping => '{"email": "email", "userId": "id"}')});
wait_until(sub { ask("SELECT count(*) FROM hubspot.outbox o JOIN hubspot.result USING (id) WHERE source = 'sync'") eq 2 * $rows },
	'both to be filled', 300);
is(ask(q{SELECT string_agg(DISTINCT verdict::text, ', ') FROM hubspot.outbox o JOIN hubspot.result USING (id) WHERE source = 'sync' AND object = 'event'}),
	'delivered', 'no order is lost, though they come before their customers');

$node->stop;
done_testing();
