# What group and delete calls would send, what waits, and legacy events.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 190 });
$sim->add_property('companies', name => 'segment_group_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('explain_calls');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'keyed', $sim, company_id_property => 'segment_group_id', primary_company => 'off');
create_account($node, 'postgres', 'old', $sim, events => 'legacy', events_url => $sim->url);
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

# Rows of hubspot_explain(), as hashes.
sub explained
{
	my ($call, $message, $server) = @_;
	my $rows = ask("SELECT coalesce(jsonb_agg(e), '[]') FROM hubspot_explain('$call', \$j\$$message\$j\$, '" . ($server // 'crm') . "') e");
	return @{ JSON::PP->new->utf8->decode($rows) };
}

sub inputs { return $_[0]{body}{inputs} }

ask("SELECT hubspot_refresh_schema('$_')") for qw(crm keyed old);
wait_drained($node, 'postgres');

#
# hubspot_explain
#
my $group = '{"groupId": "g1", "userId": "ada@example.com", "traits": {"website": "https://www.acme.com/x", "employees": 7, "color": "red"},
	"context": {"traits": {"firstName": "Ada"}}}';
my ($company, $contact, $association) = explained('group', $group);
is_deeply([ map { "$_->{object} $_->{key_property} $_->{key}" } explained('group', $group) ],
	[ 'company domain acme.com', 'contact email ada@example.com', 'association email ada@example.com' ], 'a group call, by domain: three pieces of work');
is($company->{path}, '/crm/objects/2026-09/companies/batch/create', 'a company that is not known would be created');
is_deeply(inputs($company)->[0]{properties}, { website => 'https://www.acme.com/x', numberofemployees => '7', domain => 'acme.com' }, 'with its domain');
is_deeply([ map { "$_->{code} $_->{property}" } @{ $company->{warnings} } ], ['unknown_property color'], 'and what would be dropped');
is_deeply(inputs($contact)->[0]{properties}, { firstname => 'Ada' }, 'context.traits are the contact\'s');
is_deeply(inputs($association)->[0]{from}, { id => undef }, 'ids that are not known are asked for later');
ask("SELECT hubspot_group(\$j\$$group\$j\$)");
wait_drained($node, 'postgres');
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.record WHERE key IN ('acme.com', 'ada@example.com')}) eq '2' }, 'the records to be remembered');
($company, undef, $association) = explained('group', $group);
is($company->{path}, '/crm/objects/2026-09/companies/batch/update', 'one that is known is updated');
is_deeply(inputs($association)->[0]{types}, [ { associationCategory => 'HUBSPOT_DEFINED', associationTypeId => 1 } ], 'as primary company');
is_deeply([ inputs($association)->[0]{from}{id}, inputs($association)->[0]{to}{id}, inputs($company)->[0]{id} ],
	[ $sim->contact('ada@example.com')->{id}, ($sim->company('acme.com')->{id}) x 2 ], 'by their ids');
($company, undef, $association) = explained('group', $group, 'keyed');
is("$company->{path} " . inputs($company)->[0]{idProperty}, '/crm/objects/2026-09/companies/batch/upsert segment_group_id', 'with a key of its own: an upsert');
is($association->{path}, '/crm/associations/2026-09/contact/company/batch/associate/default', 'primary_company off');
is_deeply([ map { $_->{object} } explained('identify', '{"email": "b@example.com", "company": {"domain": "b.com", "name": "B"}}') ],
	[qw(contact company association)], 'identify with a company');
($contact) = explained('identify', '{"email": "b@example.com", "company": {"domain": "gmail.com"}}');
is($contact->{warnings}[0]{code}, 'company_ignored', 'and with one that cannot be');
my ($delete) = explained('delete', '{"userId": "ada@example.com"}');
is("$delete->{path} " . inputs($delete)->[0]{id}, '/crm/objects/2026-09/contacts/batch/archive ' . $sim->contact('ada@example.com')->{id}, 'a deletion');
($delete) = explained('delete', '{"userId": "nobody@example.com", "gdpr": true}');
is_deeply($delete->{body}, { objectId => 'nobody@example.com', idProperty => 'email' }, 'an erasure');
isnt($node->psql('postgres', q{SELECT hubspot_explain('group', '{"traits": {"website": "gmail.com"}}')}), 0, 'a bad message is an error');

#
# hubspot_explain_backlog
#
stop_delivery($node);
ask(q{SELECT count(*) FROM generate_series(1, 300) i, LATERAL hubspot_identify(jsonb_build_object('email', i % 150 || '@example.com', 'plan', i))});
ask(q{SELECT count(*) FROM generate_series(1, 10) i, LATERAL hubspot_group(jsonb_build_object('userId', '1@example.com',
	'traits', jsonb_build_object('website', 'backlog' || i % 2 || '.com')))});
is(ask(q{SELECT lane, queued, records, merged, unchanged, requests FROM hubspot_explain_backlog('crm')}),
	"associations|10|2|8|0|1\ncompanies|10|2|8|0|1\ncontacts|300|150|150|0|2", 'what waits');
is(ask(q{SELECT count(*) FROM hubspot_explain_backlog() WHERE account = 'crm' AND estimate > '0'}), '3', 'and how long it takes');
is(ask(q{SELECT count(*) FROM hubspot_explain_backlog('keyed')}), '0', 'an account without anything');
resume_delivery($node);
wait_drained($node, 'postgres');
is(ask(q{SELECT count(*) FROM hubspot_explain_backlog()}), '0', 'nothing is left');
becomes(sub { ask(q{SELECT string_agg(lane, ' ' ORDER BY lane) FROM hubspot.status WHERE server = 'crm'}) }, 'associations companies contacts',
	'the lanes that were in use');

#
# Legacy events
#
wait_until(sub { ask('SELECT count(*) FROM hubspot.account WHERE portal_id IS NOT NULL') == 3 }, 'the hub to be known');
my ($legacy) = explained('track', '{"event": "Bought it", "userId": "ada@example.com", "properties": {"revenue": 19.90},
	"context": {"traits": {"city": "Köln & Bonn", "nonsense": 1}}}', 'old');
my $portal = $sim->api('GET', '/account-info/v3/details')->{portalId};
is("$legacy->{method} $legacy->{path}", "GET /v1/event?_a=$portal&_n=Bought%20it&email=ada\@example.com&_m=19.90&city=K%C3%B6ln%20%26%20Bonn",
	'a legacy event is a query');
my $id = ask(q{SELECT hubspot_track('{"event": "Bought it", "userId": "ada@example.com", "properties": {"revenue": 19.90},
	"context": {"traits": {"city": "Rome"}}}', 'old')});
wait_drained($node, 'postgres');
is(ask("SELECT verdict, http_status FROM hubspot.outbox_status WHERE id = $id"), 'sent_unconfirmed|200', 'there is no answer that says anything');
is(ask("SELECT count(*) FROM hubspot.outbox WHERE parent = $id"), '0', 'context.traits are no row of their own');
is($sim->contact('ada@example.com')->{properties}{city}, 'Rome', 'but parameters');
my ($event) = grep { $_->{op} eq 'legacy_event' } $sim->log;
is_deeply($event->{parameters}, { _a => "$portal", _n => 'Bought it', email => 'ada@example.com', _m => '19.90', city => 'Rome' }, 'as they were sent');
is(ask(q{SELECT path FROM hubspot.requests WHERE lane = 'events' ORDER BY id DESC LIMIT 1}), '/v1/event', 'the log has no parameters');
$sim->fault(match => { path => '/v1/event' }, action => 'drop_after');
$id = ask(q{SELECT hubspot_track('{"event": "Lost", "userId": "ada@example.com"}', 'old')});
wait_drained($node, 'postgres');
is(ask("SELECT verdict, category FROM hubspot.outbox_status WHERE id = $id"), 'unknown|answer_lost', 'a lost answer: a repeat would count twice');
is(scalar(grep { $_->{op} eq 'legacy_event' && $_->{event} eq 'Lost' } $sim->log), 1, 'so there is none');

$node->stop;
done_testing();
