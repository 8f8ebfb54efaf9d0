# What a row waits for: each reason once, in the words of hubspot.outbox_status.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('waits_for', conf => 'hubspot.window_rows = 100');
create_account($node, 'postgres', 'crm', $sim, max_connections => 1);
create_account($node, 'postgres', 'other', $sim);
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm';
	CREATE ROLE watcher; GRANT pg_monitor TO watcher; CREATE ROLE support; GRANT pg_monitor TO support;
	GRANT SELECT ON hubspot.outbox_status, hubspot.backlog TO support});

my $time = qr/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\S*/;

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub words { return ask("SELECT coalesce(waits_for, state) FROM hubspot.outbox_status WHERE id = $_[0]") }

sub is_told
{
	my ($id, $expected, $what) = @_;
	becomes(sub { words($id) }, qr/^$expected$/, $what);
}

sub identify { return ask(qq{SELECT hubspot_identify('{"email": "$_[0]\@example.com"}', '} . ($_[1] // 'crm') . q{')}) }

# Answers about such records are held back until the faults are cleared; returns when one
# is under way.
sub delay
{
	my ($path, $record, $begin) = @_;
	$sim->clear_faults;
	$sim->fault(match => { path => $path, record => $record }, action => 'delay', ms => 600_000);
	my @ids = split /\n/, $begin->();
	wait_until(sub { grep { $_->{hits} } @{ $sim->faults->{results} } }, "a request about $record");
	return @ids;
}

sub children { return ask("SELECT id FROM hubspot.outbox WHERE parent = $_[0]") }

ask(q{SELECT hubspot_create_event('seen')});
# What was held back comes.
sub let_go { $sim->clear_faults; wait_drained($node, 'postgres') }

identify($_) for qw(peter warm);
ask(q{SELECT hubspot_group('{"userId": "warm@example.com", "traits": {"website": "warm.com"}}')});
wait_drained($node, 'postgres');

#
# Rows of the same lane, and of others
#
my ($first) = delay('contacts/batch/upsert', 'first@',
	sub { ask(q{SELECT hubspot_identify('{"userId": "u1", "traits": {"email": "first@example.com"}}')}) });
my $second = identify('first');
my $told = ask(q{SELECT hubspot_track('{"event": "Seen", "userId": "u1"}')});
is_told($second, 'the answer about earlier rows of its key', 'a row of a key that is in a request');
becomes(sub { words($first) }, 'in_flight', 'what is under way does not wait');
is_told($told, 'rows of contact first@example\.com', 'an event of a userId whose contact is being written');
becomes(sub { ask("SELECT waits_for FROM hubspot.backlog WHERE id = $told") }, 'rows of contact first@example.com', 'hubspot.backlog says the same');
let_go();
is(words($second), 'done', 'what has ended does not wait');

my ($group) = delay('companies/batch/create', 'acme.com',
	sub { ask(q{SELECT hubspot_group('{"userId": "peter@example.com", "traits": {"website": "acme.com"}}')}) });
my $association = children($group);
is_told($association, 'rows of company acme\.com', 'an association with a company that is being written');
becomes(sub { ask("SET ROLE watcher; SELECT waits_for FROM hubspot.outbox_status WHERE id = $association") },
	'rows of company (another)', 'who may not read keys is told no name');
my $guess = q{SELECT coalesce(hubspot.waits_for(0, oid, 'association', NULL, 'peter@example.com', false), 'nothing') FROM pg_foreign_server WHERE srvname = 'crm'};
becomes(sub { ask($guess) }, 'rows of company acme.com', 'a key tells of its rows');
is(ask("SET ROLE watcher; $guess"), 'nothing', '... but not to who could only guess it');
becomes(sub { ask("SET ROLE support; SELECT waits_for FROM hubspot.backlog WHERE id = $association") },
	'rows of company acme.com', 'who may read them is');
let_go();

my ($creation, $needs) = delay('crm/properties', 'shoe_size', sub {
	ask(q{BEGIN; SELECT hubspot_create_property('contact', 'shoe_size', 'number');
		SELECT hubspot_identify('{"email": "peter@example.com", "shoe_size": 43}'); COMMIT}) });
is_told($needs, 'the creation of contact shoe_size', 'a row that needs a property');
let_go();

#
# Times of the record
#
$sim->clear_faults;
$sim->fault(match => { path => 'companies/batch/create' }, action => 'drop_after');
my $lost = ask(q{SELECT hubspot_group('{"traits": {"website": "lost.com"}}')});
is_told($lost, qr/HubSpot's search index until $time/, 'a company whose creation got lost');
$sim->fault(match => { path => 'batch/upsert', record => 'slow@' }, action => 'record_error', category => 'INTERNAL_ERROR',
	body => 'try again', times => 0);
my ($slow, $warm) = split /\n/, ask(q{BEGIN; SELECT hubspot_identify('{"email": "slow@example.com"}');
	SELECT hubspot_identify('{"email": "warm@example.com"}'); COMMIT});
is_told($slow, qr/its next try at $time/, 'a deferred row');
becomes(sub { ask("SELECT o.next_try_at BETWEEN d.failed_at + interval '4 s' AND d.failed_at + interval '1 min' FROM hubspot.outbox_status o JOIN hubspot.deferred d USING (id) WHERE o.id = $slow") },
	't', 'whose next try is told as it is, however long the worker has run');
my $behind = identify('slow');
is_told($behind, qr/an earlier row of its key, which is tried again at $time/, 'a row behind a deferred one');
$sim->clear_faults;
ask("SELECT hubspot_cancel('crm')");
wait_drained($node, 'postgres');

#
# Not in the window: 100 rows have room, of a back-fill 25
#
delay('contacts/batch/upsert', 'many1@', sub { ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'many' || i || '@example.com'),
	backfill => i <= 60)) FROM generate_series(1, 400) i}) });
my $late = ask(q{SELECT hubspot_group('{"userId": "late@example.com", "traits": {"website": "warm.com"}}')});
my ($parked, $unread) = split /\|/, ask(q{SELECT max(id) FILTER (WHERE backfill), max(id) FILTER (WHERE object = 'contact') FROM hubspot.outbox});
is_told($unread, 'not read yet', 'a row that has no room');
is_told($parked, 'its turn in the back-fill', 'a row of a back-fill, which makes way');
is_told(children($late), 'contacts queued before', 'an association, whose contact may be among the rows that have no room');
let_go();

#
# Of the lane, the account, the database
#
ask(q{SELECT hubspot_pause('other', 'contacts', 'for the test')});
my $stopped = identify('stopped', 'other');
is_told($stopped, 'lane paused', 'a row of a paused lane');
ask(q{SELECT hubspot_pause('other', reason => 'for the test')});
is_told($stopped, 'account paused', 'a row of a paused account');
ask(q{SELECT hubspot_resume('other'), hubspot_resume('other', 'contacts')});
wait_drained($node, 'postgres');
for my $case ([ 'rate_limit', undef, qr/HubSpot's limit until $time/ ], [ 'status', 503, qr/HubSpot, which is not available until $time/ ],
	[ 'status', 401, qr/a valid token until $time/ ])
{
	my ($action, $status, $expected) = @$case;
	$sim->fault(match => { path => 'contacts/batch' }, action => $action, times => 0, defined $status ? (status => $status) : ());
	is_told(identify('stopped', 'other'), $expected, 'trouble of the lane: ' . ($status // $action));
	$sim->clear_faults;
}
stop_delivery($node);
is_told(identify('stopped', 'other'), 'a worker', 'a row without a worker');
resume_delivery($node);
$node->reload;
wait_drained($node, 'postgres');

done_testing();
