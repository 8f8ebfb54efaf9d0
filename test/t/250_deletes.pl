# Contacts are archived, or erased without a trace.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('deletes');

sub ask { return $node->safe_psql('postgres', shift) }

# Records of the simulator that have to be there.
sub contact { return $sim->contact(@_) // { id => 'none', properties => {} } }

# HubSpot as another application sees it.
sub hubspot { return $sim->api(@_) }

create_account($node, 'postgres', 'crm', $sim);

sub call
{
	my ($call, $message) = @_;
	my $id = ask("SELECT hubspot_$call(\$j\$$message\$j\$)");
	wait_drained($node, 'postgres');
	return $id;
}


sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status s WHERE id = $_[0]") }

#
# Archived
#
sub removed { my $op = shift; return scalar grep { $_->{op} eq $op } $sim->log }

call('identify', '{"email": "bob@example.com", "city": "Rome"}');
my $bob = contact('bob@example.com')->{id};
my $id = call('delete', '{"userId": "Bob@Example.com"}');
is(row($id, 'call, object, verdict, record_id'), "delete|contact|delivered|$bob", 'a contact is archived');
is($sim->contact('bob@example.com'), undef, 'and gone');
is(scalar(grep { $_->{op} eq 'archive' && $_->{id} eq $bob } $sim->log), 1, 'the right one, once');
hubspot('POST', '/crm/v3/objects/contacts', { properties => { email => 'theirs@example.com' } });
$id = call('delete', '{"traits": {"email": "theirs@example.com"}}');
is(row($id, 'verdict'), 'delivered', 'one that only HubSpot knew');
is($sim->contact('theirs@example.com'), undef, 'is found and archived');
my $archived = removed('archive');
$id = call('delete', '{"userId": "nobody@example.com"}');
is(row($id, 'verdict') . ' ' . (removed('archive') - $archived), 'unchanged 0', 'an unknown contact: unchanged');
$id = call('delete', '{"userId": "bob@example.com"}');
is(row($id, 'verdict') . ' ' . (removed('archive') - $archived), 'unchanged 0', 'one that is archived already, too');
$id = call('identify', '{"email": "bob@example.com", "city": "Oslo"}');
isnt(row($id, 'record_id'), $bob, 'after that the address is another contact');
is(row($id, 'verdict, created') . ' ' . contact('bob@example.com')->{properties}{city}, 'delivered|t Oslo', 'which is made');

# A success with errors accounts for nobody: it is asked for again
for my $how ([ 'batch/archive', '{"email": "e0@example.com"}' ], [ 'gdpr-delete', '{"email": "e1@example.com", "gdpr": true}' ])
{
	my ($path, $message) = @$how;
	my ($email) = $message =~ /"(e\d@[^"]*)"/;
	call('identify', qq({"email": "$email"}));
	$sim->fault(match => { path => $path }, action => 'status', status => 207,
		body => { status => 'COMPLETE', numErrors => 1, errors => [ { message => 'not this one' } ] });
	$id = call('delete', $message);
	is(row($id, 'verdict') . (defined $sim->contact($email) ? ' is there' : ''), 'delivered', "$path: a success with errors");
}

# Calls of one contact keep their order
stop_delivery($node);
ask(qq{SELECT hubspot_$_}) for q{identify('{"email": "order@example.com", "city": "Rome"}')}, q{delete('{"userId": "order@example.com"}')},
	q{identify('{"email": "order@example.com", "plan": "a"}')};
resume_delivery($node);
wait_drained($node, 'postgres');
is_deeply(contact('order@example.com')->{properties}, { email => 'order@example.com', plan => 'a' }, 'before, deleted, after');

# Many at once
sub posts { return scalar grep { $_->{path} =~ m{/contacts/} && $_->{method} ne 'GET' } $sim->requests }

stop_delivery($node);
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'many' || i || '@example.com'))) FROM generate_series(1, 150) i});
resume_delivery($node);
wait_drained($node, 'postgres');
stop_delivery($node);
my $before = posts();
ask(q{SELECT count(*) FROM hubspot_enqueue('delete', ARRAY(SELECT jsonb_build_object('userId', 'many' || i || '@example.com')
	FROM generate_series(1, 200) i))});
resume_delivery($node);
wait_drained($node, 'postgres');
is(ask(q{SELECT verdict, count(*) FROM hubspot.outbox_status WHERE call = 'delete' AND key LIKE 'many%' GROUP BY 1 ORDER BY 1}),
	"delivered|150\nunchanged|50", '200 deletions');
is(scalar(grep { defined $sim->contact("many$_\@example.com") } 1 .. 150), 0, 'all are gone');
cmp_ok(posts() - $before, '<=', 10, 'with few requests');

#
# Erased
#
# Tables of the extension that hold this text, but for the row of the deletion.
sub traces
{
	my ($text, $but) = @_;
	my @tables = split /\n/, ask(q{SELECT oid::regclass FROM pg_class
		WHERE relnamespace = 'hubspot'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1});
	return join ' ', sort split /\n/, ask(join ' UNION ', map {
		"SELECT '$_' FROM $_ t WHERE t::text LIKE '%$text%' AND to_jsonb(t)->>'id' IS DISTINCT FROM '$but'" } @tables);
}

call('identify', '{"email": "forget.me@example.com", "city": "Wherehelives", "newsletter": "only-he-would-say"}');
call('identify', '{"email": "forget.me@example.com", "phone": "0123"}');
call('identify', '{"email": "remember.me@example.com", "city": "Elsewhere"}');
my $contact = contact('forget.me@example.com')->{id};
call('group', '{"userId": "forget.me@example.com", "traits": {"website": "his-company.com", "name": "Stays"},
	"context": {"traits": {"email": "forget.me@example.com", "jobTitle": "told-by-group"}}}');
call('identify', '{"email": "forget.me@example.com", "userId": "number-four-two"}');
becomes(sub { traces('forget.me@example.com', 0) }, qr/hubspot\.outbox.*hubspot\.record/, 'before: messages and the record map');
becomes(sub { traces('number-four-two', 0) }, qr/hubspot\.outbox.*hubspot\.record/, 'the userId, too');
$id = call('delete', '{"userId": "forget.me@example.com", "gdpr": true}');
is(row($id, 'verdict'), 'delivered', 'erased');
is(scalar(grep { $_->{op} eq 'gdpr' && ($_->{id} // '') eq $contact } $sim->log), 1, 'in HubSpot');
is($sim->contact('forget.me@example.com'), undef, 'where it is gone');
is(traces($_, 0), '', "and here: $_") for 'forget.me@example.com', 'Wherehelives', 'only-he-would-say', 'told-by-group', 'number-four-two';
becomes(sub { traces('his-company.com', 0) }, qr/hubspot\.outbox.*hubspot\.record/, 'the company is another matter');
is(ask(q{SELECT message->'traits'->>'name' FROM hubspot.outbox WHERE key = 'his-company.com'}), 'Stays', 'what was said of it stays');
is(ask(q{SELECT count(*) FROM hubspot.record WHERE key = 'forget.me@example.com'}), '0', 'the record map');
becomes(sub { traces('remember.me@example.com', 0) }, qr/hubspot\.outbox.*hubspot\.record/, 'others are remembered');
is(ask(q{SELECT count(*) FROM hubspot.outbox o WHERE NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id)}), '0', 'every row has its verdict');
my $erased = removed('gdpr');
$id = call('delete', '{"userId": "never.seen@example.com", "gdpr": true}');
is(row($id, 'verdict') . ' ' . (removed('gdpr') - $erased), 'delivered 1', 'an address that HubSpot does not know is blocked');

$node->stop;
done_testing();
