# Lists when something goes wrong: scopes, lost answers, restarts, a pause, a list
# that vanishes under way.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('lists_faults');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status WHERE id = $_[0]") }

sub ended { return row($_[0], q{concat_ws(' ', verdict, category)}) }

sub finish { wait_drained($node, 'postgres'); return ended($_[0]) }

sub call { return finish(ask("SELECT hubspot_$_[0]")) }

sub add { return "SELECT hubspot_add_to_list('VIP', '{\"email\": \"$_[0]\@example.com\"}')" }

sub state_of { return ask("SELECT state FROM hubspot.status WHERE lane = '$_[0]'") }

# What happened to a contact, in order.
sub history
{
	my $id = ($sim->contact("$_[0]\@example.com") // { id => 'none' })->{id};
	return join ' ', map { $_->{op} } grep { $_->{object} eq 'lists' && $_->{id} eq $id && $_->{list} } $sim->log;
}

my %changes = (path => 'add-and-remove');
my $hits = sub { return $sim->faults->{results}[-1]{hits} };

ask(q{SELECT hubspot_create_list('VIP')});
ask("SELECT hubspot_identify('{\"email\": \"$_\@example.com\"}')") for qw(ada bob eve joe max);
wait_drained($node, 'postgres');

#
# A scope is missing: this lane alone waits, and names it
#
$sim->config(scopes => [ map { ("crm.objects.$_.read", "crm.objects.$_.write", "crm.schemas.$_.read") } qw(contacts companies) ]);
my $id = ask(add('ada'));
wait_until(sub { state_of('lists') eq 'FORBIDDEN' }, 'the lane to be FORBIDDEN');
becomes(sub { ask(q{SELECT reason FROM hubspot.status WHERE lane = 'lists'}) }, qr/crm\.lists\.write/, 'the reason names the scope');
becomes(sub { ask(q{SELECT problem FROM hubspot_health()}) }, qr/lane lists: the token lacks a scope: crm\.lists\.write/, 'and so does health');
my $other = ask(q{SELECT hubspot_identify('{"email": "ada@example.com", "firstName": "Ada"}')});
wait_until(sub { row($other, 'state') eq 'done' }, 'the contact to be delivered');
is(row($id, q{concat_ws(' ', state, coalesce(attempt, 0))}), 'waiting 0', 'the row waits untouched');
becomes(sub { state_of('contacts') }, 'RUN', 'contacts go on');
$sim->config(scopes => undef);
$node->reload;
is(finish($id), 'delivered', 'with the scope it is delivered');

#
# Answers that are lost, or none
#
# again and again, as libcurl itself repeats what a connection in use has lost
$sim->fault(match => \%changes, action => 'drop_after', times => 0);
$id = ask(add('bob'));
wait_until(sub { state_of('lists') eq 'UNREACHABLE' }, 'the loss to be seen');
$sim->clear_faults;
is(finish($id), 'delivered', 'the answer is lost: our own doing counts');
is(history('bob'), 'list_add', 'it was added once');
$sim->fault(match => \%changes, action => 'status', status => 503, times => 2);
is(call(q{remove_from_list('VIP', '{"email": "bob@example.com"}')}) . ' ' . $hits->(), 'delivered 2', 'HubSpot is not available');
is(history('bob'), 'list_add list_remove', 'and removed once');
$sim->fault(match => \%changes, action => 'empty_success');
is(call(q{add_to_list('VIP', '{"email": "bob@example.com"}')}) . ' ' . $hits->(), 'delivered 1', 'a success that says nothing of members is none');
$sim->fault(match => { path => '/crm/lists/2026-09', method => 'POST' }, action => 'drop_after');
is(call(q{create_list('Lost')}) . ' ' . $hits->(), 'unchanged 1', 'a list that was created though the answer was lost');
is(call(q{add_to_list('Lost', '{"email": "bob@example.com"}')}), 'delivered', 'is there');
$sim->fault(match => { path => 'object-type-id' }, action => 'garbage');
$sim->api('POST', '/crm/v3/lists', { name => 'Found', objectTypeId => '0-1', processingType => 'MANUAL' });
is(call(q{add_to_list('Found', '{"email": "bob@example.com"}')}) . ' ' . $hits->(), 'delivered 1', 'the question for the list is repeated');

# A request that is refused for one of its members
stop_delivery($node);
my @ids = map { ask(add($_)) } qw(eve joe max);
my $joe = $sim->contact('joe@example.com')->{id};
$sim->fault(match => { %changes, record => $joe }, action => 'status', status => 400,
	body => { status => 'error', category => 'VALIDATION_ERROR', message => 'not this one', correlationId => 'x' }, times => 0);
resume_delivery($node);
wait_drained($node, 'postgres');
is(join('|', map { ended($_) } @ids), 'delivered|rejected VALIDATION_ERROR|delivered', 'the culprit of a refused request stands alone');
$sim->clear_faults;

#
# The list is gone when its members are changed: asked for again, and in the end not found
#
my ($list) = $sim->api('GET', '/crm/v3/lists/object-type-id/0-1/name/VIP')->{list}{listId};
$sim->api('DELETE', "/crm/v3/lists/$list");
stop_delivery($node);
@ids = map { ask(add($_)) } qw(eve joe max);
resume_delivery($node);
wait_drained($node, 'postgres');
is(join('|', map { ended($_) } @ids), join('|', ('rejected list_not_found') x 3), 'a list that was deleted');
becomes(sub { state_of('lists') }, 'RUN', 'does not stop the lane');
ask(q{SELECT hubspot_create_list('VIP')});
is(ask(q{SELECT count(*) FROM hubspot_retry(category => 'list_not_found')}), '3', 'created anew, the rows are retried');
wait_drained($node, 'postgres');
is(ask(q{SELECT count(*) FROM (SELECT verdict FROM hubspot.outbox_status WHERE call = 'add_to_list' ORDER BY id DESC LIMIT 3) l WHERE verdict = 'delivered'}),
	'3', 'and delivered');

#
# The order holds over a pause and the worker's end
#
ask(q{SELECT hubspot_pause('crm', 'lists', 'looking')});
$id = ask(q{SELECT hubspot_identify('{"email": "ina@example.com"}'); SELECT hubspot_add_to_list('VIP', '{"email": "ina@example.com"}')});
($id) = $id =~ /(\d+)$/;
wait_until(sub { $sim->contact('ina@example.com') }, 'the contact to be made');
is(row($id, 'state'), 'waiting', 'a paused lane');
ask(q{SELECT hubspot_remove_from_list('VIP', '{"email": "eve@example.com"}')});
my $pid = worker_pid($node, 'postgres');
ask("SELECT pg_terminate_backend($pid)");
wait_until(sub { worker_pid($node, 'postgres') ne $pid }, 'another worker');
ask(q{SELECT hubspot_add_to_list('VIP', '{"email": "eve@example.com"}')});
ask(q{SELECT hubspot_remove_from_list('VIP', '{"email": "eve@example.com"}')});
ask(q{SELECT hubspot_resume('crm', 'lists')});
is(finish($id), 'delivered', 'after the restart it is delivered');
is(history('ina'), 'list_add', 'once');
is(history('eve'), 'list_add list_add list_remove', 'removed, added and removed again: one removal');

# The worker ends while a request is under way, which takes effect
$sim->fault(match => \%changes, action => 'delay', ms => 600_000);
$id = ask(add('eve'));
wait_until(sub { row($id, 'state') eq 'in_flight' }, 'the request to be under way');
$pid = worker_pid($node, 'postgres');
ask("SELECT pg_terminate_backend($pid)");
wait_until(sub { worker_pid($node, 'postgres') ne $pid }, 'another worker');
$sim->clear_faults;
is(finish($id), 'delivered', 'it is sent again');
is(history('eve'), 'list_add list_add list_remove list_add', 'and has come once');

#
# The SERVER goes: what waits is cancelled
#
ask(q{SELECT hubspot_pause('crm', 'lists')});
$id = ask(add('bob'));
wait_until(sub { state_of('lists') eq 'PAUSED' }, 'PAUSED');
ask('DROP SERVER crm');
is(finish($id), 'cancelled server_dropped', 'the SERVER is dropped');

$node->stop;
done_testing();
