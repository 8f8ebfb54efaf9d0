# The SERVER option skip_unchanged: what HubSpot has confirmed is not sent again.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;
use PostgreSQL::Test::Utils;

my $sim = start_simulator();
$sim->add_property($_->[0], name => $_->[1], type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true)
  for [ companies => 'segment_group_id' ], [ contacts => 'user_id' ];
my $node = hubspot_cluster('unchanged', conf => "restart_after_crash = on");
create_account($node, 'postgres', 'crm', $sim, skip_unchanged => 'on');
create_account($node, 'postgres', 'keyed', $sim, skip_unchanged => 'on', company_id_property => 'segment_group_id', contact_id_property => 'user_id',
	lifecycle => 'forward');
create_account($node, 'postgres', 'plain', $sim);
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

my $json = JSON::PP->new->canonical;

sub ask { return $node->safe_psql('postgres', shift) }

# Queue a call and wait for its end; the row's id.
sub call
{
	my ($call, $message, $server) = @_;
	my $text = $json->encode($message);
	my $id = ask("SELECT hubspot_$call(\$j\$$text\$j\$, '" . ($server // 'crm') . "')");
	wait_drained($node, 'postgres');
	return $id;
}

sub identify { my ($email, %traits) = @_; return call('identify', { traits => { email => $email, %traits } }) }

sub row { my ($id, $columns) = @_; return ask("SELECT $columns FROM hubspot.outbox_status WHERE id = $id") }

# What was written since the last time that this was asked: properties of each record.
my $seen = 0;

sub written
{
	my @log = $sim->log($seen);
	$seen = $log[-1]{seq} if @log;
	return [ map { $_->{properties} } grep { $_->{op} =~ /^(upsert|create|update)$/ } @log ];
}

sub value { my ($email, $name) = @_; return $sim->contact($email)->{properties}{$name} }

# Another application, or a person, changes a record.
sub edit
{
	my ($type, $id, %properties) = @_;
	$sim->api('PATCH', "/crm/v3/objects/$type/$id", { properties => \%properties });
	written();
}

# Requests about records; others, about the accounts, may come at any time.
sub writes { return scalar grep { $_->{path} =~ m{/objects/} } $sim->requests }

#
# The same call, one property, clearing
#
my $id = identify('ada@example.com', city => 'Rome', plan => 'pro');
is(row($id, 'verdict, created, attempt'), 'delivered|t|1', 'the first call is sent');
is_deeply(written(), [ { city => 'Rome', plan => 'pro' } ], 'with its values');
my $record = $sim->contact('ada@example.com')->{id};
my $requests = writes();
$id = identify('ada@example.com', city => 'Rome', plan => 'pro');
is(row($id, 'verdict, attempt, http_status, request_id, record_id'), "unchanged|0|||$record", 'the same again is not');
is(writes(), $requests, 'there is no request');
is(row(identify('ada@example.com'), 'verdict'), 'unchanged', 'nor for a contact that is there');
identify('ada@example.com', city => 'Rome', plan => 'free');
is_deeply(written(), [ { plan => 'free' } ], 'one value changed: that one is sent');
identify('ada@example.com', plan => undef);
is_deeply(written(), [ { plan => '' } ], 'null clears');
is(row(identify('ada@example.com', plan => undef), 'verdict'), 'unchanged', 'once');
identify('ada@example.com', plan => 'free');
is_deeply(written(), [ { plan => 'free' } ], 'back again');
$id = identify('ada@example.com', city => 'Rome', nonsense => 1);
is(row($id, q{verdict, warnings->0->>'code'}), 'unchanged|unknown_property', 'warnings stay');

#
# Merged rows
#
wait_until(sub { ask('SELECT count(*) FROM hubspot.account WHERE portal_id IS NOT NULL') == 3 }, 'the hubs to be known');
stop_delivery($node);
my @ids = map { ask("SELECT hubspot_identify('{\"email\": \"ada\@example.com\", $_}')") } '"city": "Oslo"', '"city": "Bonn", "plan": "free"', '"city": "Rome"';
is(ask(q{SELECT records, merged, unchanged, requests FROM hubspot_explain_backlog('crm')}), '0|2|1|0', 'the backlog makes no request');
resume_delivery($node);
wait_drained($node, 'postgres');
is(join(' ', map { row($_, 'verdict') } @ids), 'coalesced coalesced unchanged', 'rows whose last values are there');
is_deeply(written(), [], 'are not sent');
stop_delivery($node);
ask("SELECT hubspot_identify('{\"email\": \"ada\@example.com\", $_}')") for '"city": "Oslo"', '"plan": "free"', '"plan": "gold"';
is(ask(q{SELECT records, merged, unchanged, requests FROM hubspot_explain_backlog('crm')}), '1|2|0|1', 'of these there is something left');
resume_delivery($node);
wait_drained($node, 'postgres');
is_deeply(written(), [ { city => 'Oslo', plan => 'gold' } ], 'which goes out');

#
# Edited in HubSpot
#
edit(contacts => $record, city => 'Nowhere');
is(row(identify('ada@example.com', city => 'Oslo'), 'verdict'), 'unchanged', 'what others write is not seen');
is(value('ada@example.com', 'city'), 'Nowhere', 'and stays');
is(ask(q{SELECT hubspot_forget_confirmed('crm', 'contact', 'ADA@example.com'); SELECT hubspot_identify('{"email": "ada@example.com", "city": "Oslo"}')}) =~ /^1\n/, 1,
	'until it is forgotten');
wait_drained($node, 'postgres');
is_deeply(written(), [ { city => 'Oslo' } ], 'in time for a call of the same transaction');
is(value('ada@example.com', 'city'), 'Oslo', 'it is overwritten');
becomes(sub { ask('SELECT count(*) FROM hubspot.forgotten') }, '0', 'the order is done');
is(row(identify('ada@example.com', city => 'Oslo'), 'verdict'), 'unchanged', 'and known again');
is(ask(q{SELECT hubspot_forget_confirmed('keyed')}), '0', 'of another account');
# nothing is taken for known while there is an order to forget
wait_until(sub { ask('SELECT count(*) FROM hubspot.forgotten') eq '0' }, 'the order to be carried out');
is(row(identify('ada@example.com', city => 'Oslo'), 'verdict'), 'unchanged', 'nothing changes');
ask(q{SELECT hubspot_forget_confirmed()});
is(row(identify('ada@example.com', city => 'Oslo'), 'verdict'), 'delivered', 'of all');
isnt($node->psql('postgres', q{SELECT hubspot_forget_confirmed(object => 'thing')}), 0, 'a word that is no object');
ask(q{CREATE ROLE somebody; GRANT USAGE ON SCHEMA hubspot TO somebody});
isnt($node->psql('postgres', q{SET ROLE somebody; SELECT hubspot_forget_confirmed()}), 0, 'not for everybody');

ask(q{ALTER SERVER crm OPTIONS (ADD confirmed_for '1 second')});
written();
edit(contacts => $record, city => 'Nowhere');
ask('SELECT pg_sleep(1)') while row(identify('ada@example.com', city => 'Oslo'), 'verdict') eq 'unchanged';
is(value('ada@example.com', 'city'), 'Oslo', 'what was confirmed expires');
ask(q{ALTER SERVER crm OPTIONS (DROP confirmed_for)});
written();

#
# A userId is remembered though nothing is sent
#
ask(q{ALTER DATABASE postgres SET hubspot.server = 'crm'});
is(row(call('identify', { userId => 'u1', traits => { email => 'ada@example.com', city => 'Oslo' } }), 'verdict'), 'unchanged', 'a userId beside known values');
is(row(call('delete', { userId => 'u2' }), 'category'), 'contact_not_found', 'one that is not known');
is(ask(q{SELECT hubspot_forget_confirmed('crm', NULL, 'u1')}), '1', 'leads to the contact, to be forgotten');
is(row(identify('ada@example.com', city => 'Oslo'), 'verdict'), 'delivered', 'and is');
written();

#
# Refused
#
$id = identify('ada@example.com', city => 'Oslo');
is(row($id, 'verdict'), 'unchanged', 'known');
$sim->fault(match => { path => 'batch/upsert' }, times => 1, action => 'status', status => 400, body => { status => 'error', category => 'VALIDATION_ERROR', message => 'no' });
is(row(identify('ada@example.com', plan => 'x'), 'verdict'), 'rejected', 'a write is refused');
identify('ada@example.com', city => 'Oslo');
is_deeply(written(), [ { city => 'Oslo' } ], 'then nothing is taken for granted');

#
# Deleted; gone
#
is(row(call('delete', { userId => 'ada@example.com' }), 'verdict'), 'delivered', 'deleted');
becomes(sub { ask(qq{SELECT count(*) FROM hubspot.confirmed WHERE record_id = '$record'}) }, '0', 'nothing is kept');
$id = identify('ada@example.com', city => 'Oslo');
is(row($id, 'verdict, created'), 'delivered|t', 'the same values again');
is_deeply(written(), [ { city => 'Oslo' } ], 'are sent');

identify('eve@example.com', city => 'Rome', plan => 'pro', zip => '1');
my $eve = $sim->contact('eve@example.com')->{id};
$sim->api('DELETE', "/crm/v3/objects/contacts/$eve");
written();
$id = identify('eve@example.com', city => 'Rome', plan => 'free');
is(row($id, 'verdict, created'), 'delivered|t', 'somebody has deleted the contact: the write creates another one');
is(value('eve@example.com', 'city'), 'Rome', 'which gets what was left out, too');
is(row(identify('eve@example.com', city => 'Rome', plan => 'free'), 'verdict'), 'unchanged', 'and is known');
written();
call('delete', { userId => 'eve@example.com', gdpr => JSON::PP::true });
becomes(sub { ask(q{SELECT count(*) FROM hubspot.confirmed WHERE record_id = (SELECT record_id FROM hubspot.record WHERE key = 'eve@example.com')}) }, '0', 'erased');
becomes(sub { ask(q{SELECT count(*) FROM hubspot.confirmed}) }, '1', 'here, too');

#
# Two addresses of one contact
#
identify('bob@example.com', city => 'Rome');
my $bob = $sim->contact('bob@example.com')->{id};
edit(contacts => $bob, hs_additional_emails => 'robert@example.com');
identify('robert@example.com', city => 'Oslo');
is(value('bob@example.com', 'city'), 'Oslo', 'by the other address');
written();
identify('bob@example.com', city => 'Rome');
is_deeply(written(), [ { city => 'Rome' } ], 'what is known is known of the record');
is(value('bob@example.com', 'city'), 'Rome', 'so that the last call counts');

#
# Lifecycle stage
#
identify('ada@example.com', lifecycleStage => 'customer');
is(row(identify('ada@example.com', lifecycleStage => 'customer'), 'verdict'), 'unchanged', 'a stage');
written();
identify('ada@example.com', lifecycleStage => 'lead', city => 'Oslo');
is_deeply(written(), [ { lifecyclestage => 'lead' }, { lifecyclestage => '' }, { lifecyclestage => 'lead' } ], 'backwards');
is(row(identify('ada@example.com', lifecycleStage => 'lead'), 'verdict'), 'unchanged', 'is known then');
call('identify', { userId => 'f', traits => { email => 'f@example.com', lifecycleStage => 'customer', city => 'Rome' } }, 'keyed');
call('identify', { userId => 'f', traits => { email => 'f@example.com', lifecycleStage => 'lead', city => 'Rome' } }, 'keyed');
written();
$id = call('identify', { userId => 'f', traits => { email => 'f@example.com', lifecycleStage => 'lead', city => 'Rome' } }, 'keyed');
is(row($id, q{verdict, warnings->0->>'code'}), 'delivered|lifecycle_kept', 'a stage that HubSpot has kept is tried again');
is_deeply(written(), [ { lifecyclestage => 'lead' } ], 'and nothing else');
$id = call('identify', { userId => 'f', traits => { email => 'f@example.com', city => 'Rome' } }, 'keyed');
is(row($id, 'verdict'), 'unchanged', 'by a key of its own, address included');

#
# Companies
#
my %acme = (website => 'https://acme.com', name => 'Acme', employees => 7);
is(row(call('group', { groupId => 'g', traits => \%acme }), 'verdict'), 'delivered', 'a company by domain');
my $acme = $sim->company('acme.com')->{id};
is(row(call('group', { groupId => 'g', traits => \%acme }), 'verdict, record_id'), "unchanged|$acme", 'again');
written();
call('group', { groupId => 'g', traits => { %acme, employees => 8 } });
is_deeply(written(), [ { numberofemployees => '8' } ], 'one value');
$sim->api('DELETE', "/crm/v3/objects/companies/$acme");
$id = call('group', { groupId => 'g', traits => { %acme, employees => 9 } });
is(row($id, 'verdict, created'), 'delivered|t', 'gone: another one');
is($sim->company('acme.com')->{properties}{name}, 'Acme', 'with all values');
is(row(call('group', { groupId => 'k', traits => \%acme }, 'keyed'), 'verdict'), 'delivered', 'by a key');
is(row(call('group', { groupId => 'k', traits => \%acme }, 'keyed'), 'verdict'), 'unchanged', 'again');
written();
call('group', { groupId => 'k', traits => { %acme, name => 'Acme & Co' } }, 'keyed');
is_deeply(written(), [ { name => 'Acme & Co' } ], 'one value, by key');

#
# Explained
#
sub explained
{
	my ($call, $message) = @_;
	my $text = $json->encode($message);
	return @{ JSON::PP->new->utf8->decode(ask("SELECT jsonb_agg(e) FROM hubspot_explain('$call', \$j\$$text\$j\$, 'crm') e")) };
}
my ($work) = explained(identify => { email => 'ada@example.com', city => 'Oslo', plan => 'new' });
is_deeply({ map { $_->{property} => $_->{unchanged} ? 1 : 0 } @{ $work->{properties} } }, { city => 1, plan => 0 }, 'hubspot_explain tells what is left out');
is_deeply($work->{body}{inputs}[0]{properties}, { plan => 'new' }, 'and what is not');
($work) = explained(identify => { email => 'ada@example.com', city => 'Oslo' });
is_deeply([ @$work{qw(method path body)} ], [ undef, undef, undef ], 'or that nothing is left');

#
# Not on
#
my $count = ask('SELECT count(*) FROM hubspot.confirmed');
for (1 .. 2)
{
	is(row(call('identify', { traits => { email => 'plain@example.com', city => 'Rome' } }, 'plain'), 'verdict'), 'delivered', 'without the option all is sent');
}
is(ask('SELECT count(*) FROM hubspot.confirmed'), $count, 'and nothing written down');
ask(q{ALTER SERVER crm OPTIONS (SET skip_unchanged 'off')});
identify('ada@example.com', city => 'Bonn');
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.confirmed WHERE server = (SELECT oid FROM pg_foreign_server WHERE srvname = 'crm')}) eq '0' },
	'what was known to be given up');
ask(q{ALTER SERVER crm OPTIONS (SET skip_unchanged 'on')});
identify('ada@example.com', city => 'Oslo');
is(value('ada@example.com', 'city'), 'Oslo', 'switched off and on: nothing old counts');

#
# Another account behind the same SERVER
#
is(row(identify('ada@example.com', city => 'Oslo'), 'verdict'), 'unchanged', 'known');
my $other = start_simulator(config => { portal_id => 99 });
ask("ALTER SERVER crm OPTIONS (SET base_url '" . $other->url . "')");
is(row(identify('ada@example.com', city => 'Oslo'), 'verdict, created'), 'delivered|t', 'elsewhere nothing is known');
is($other->contact('ada@example.com')->{properties}{city}, 'Oslo', 'and all is sent');

# ... where that is not wanted
ask("ALTER SERVER crm OPTIONS (ADD portal_id '100')");
ask(q{SELECT hubspot_identify('{"email": "ada@example.com"}')});
becomes(sub { ask(q{SELECT problem || ': ' || (remedy LIKE '%of the right account%, or correct the SERVER option portal_id%') FROM hubspot_health() WHERE problem LIKE '%lane contacts%'}) },
	'account crm, lane contacts: the token is of another account: it belongs to 99, the SERVER option portal_id says 100: true', 'both ways out are told');

$node->stop;
done_testing();
