# Companies, by a key of their own or by domain, and the contacts that belong to
# them, whatever comes first.
use strict;
use warnings;

use HubSpotTest;
use Test::More;
use Time::HiRes qw(time);

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('companies', name => 'segment_group_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('groups');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'keyed', $sim, company_id_property => 'segment_group_id');
create_account($node, 'postgres', 'fresh', $sim, company_id_property => 'our_group_id', create_properties => 'on');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

# Records of the simulator that have to be there.
sub contact { return $sim->contact(@_) // { id => 'none', properties => {} } }

sub company { return eval { $sim->company(@_) } // { id => 'none', properties => {} } }

# HubSpot as another application sees it.
sub hubspot { return $sim->api(@_) }

sub existing { my ($type, %properties) = @_; return hubspot('POST', "/crm/v3/objects/$type", { properties => \%properties })->{id} }

sub companies { return @{ hubspot('GET', "/_sim/objects/companies?key=$_[0]")->{results} } }

# The companies of a contact, its primary one with a star.
sub employers
{
	my $contact = $sim->contact($_[0]) or return 'no contact';
	return join ' ', sort map { $_->{id} . ($_->{primary} ? '*' : '') } @{ $contact->{associations} };
}

sub statement { my ($call, $message, $server) = @_; return "SELECT hubspot_$call(\$j\$$message\$j\$, '" . ($server // 'crm') . "')" }

# Returns the row's id.
sub call
{
	my $id = ask(statement(@_));
	wait_drained($node, 'postgres');
	return $id;
}

sub together { return queue_together($node, @_) }

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status WHERE id = $_[0]") }

# The rows that were queued with this one, and how they ended.
sub children
{
	return ask("SELECT coalesce(string_agg(concat_ws(' ', object, verdict, category), ', ' ORDER BY object), '')
		FROM hubspot.outbox_status WHERE parent = $_[0]");
}

sub account { ask("ALTER SERVER crm OPTIONS ($_[0])") }

sub requests { my $pattern = shift; return scalar grep { $_->{path} =~ $pattern } $sim->requests }

#
# By a key of their own
#
call('identify', '{"email": "ada@example.com"}', 'keyed');
my $id = call('group', '{"groupId": "g1", "userId": "ada@example.com", "traits": {"name": "Acme", "website": "https://www.Acme.com/about?x=1",
	"employees": 50, "industry": "retail", "plan": "pro", "nonsense": 1,
	"address": {"street": "Main St 1", "city": "Rome", "postalCode": "00100", "country": "Italy"}}}', 'keyed');
my $acme = company('g1', 'segment_group_id');
is_deeply({ map { $_ => $acme->{properties}{$_} } qw(name domain website numberofemployees industry plan address city zip country) },
	{ name => 'Acme', domain => 'acme.com', website => 'https://www.Acme.com/about?x=1', numberofemployees => '50',
		industry => 'RETAIL', plan => 'pro', address => 'Main St 1', city => 'Rome', zip => '00100', country => 'Italy' },
	'special fields of a company');
is(row($id, 'call, object, verdict, created, record_id'), "group|company|delivered|t|$acme->{id}", 'verdict of a new company');
is(ask(qq{SELECT w->>'code', w->>'property' FROM hubspot.outbox_status s, jsonb_array_elements(s.warnings) w WHERE s.id = $id}),
	'unknown_property|nonsense', 'what it has no property for');
is(children($id), 'association delivered', 'the association is a row of its own');
is(employers('ada@example.com'), "$acme->{id}*", 'its primary company');
$id = call('group', '{"groupId": "g1", "traits": {"name": "Acme Inc"}}', 'keyed');
is(row($id, 'verdict, created, record_id'), "delivered|f|$acme->{id}", 'the second call updates it');
is(company('g1', 'segment_group_id')->{properties}{name}, 'Acme Inc', 'with its values');
is(children($id), '', 'and without a contact there is nothing to associate');
$id = call('group', '{"groupId": "g2", "userId": "ada@example.com", "traits": {"name": "Beta"}}', 'keyed');
is(employers('ada@example.com'), join(' ', sort $acme->{id}, company('g2', 'segment_group_id')->{id} . '*'),
	'a second company becomes the primary one');

# Adoption
my $adopted = existing('companies', name => 'Adopted', domain => 'adopted.com');
my $taken = existing('companies', name => 'Taken', domain => 'taken.com', segment_group_id => 'other');
my @ids = together(map { statement('group', qq{\{"groupId": "$_-id", "traits": \{"name": "$_ we say", "website": "$_.com"\}\}}, 'keyed') }
	qw(adopted taken neither));
is(row($ids[0], 'verdict, created, record_id'), "delivered|f|$adopted", 'a company without the key is adopted by its domain');
is_deeply([ @{ company('adopted.com')->{properties} }{qw(segment_group_id name)} ], [ 'adopted-id', 'adopted we say' ], 'it gets the key');
is(row($ids[1], 'verdict, created'), 'delivered|t', 'beside one with another key there is a new one');
is(scalar(companies('taken.com')), 2, 'of the same domain');
is(company('other', 'segment_group_id')->{properties}{name}, 'Taken', 'the other is left alone');
is(row($ids[2], 'verdict, created'), 'delivered|t', 'a third one of the same batch is new');

# The key property is made on demand
$id = call('group', '{"groupId": "f1", "traits": {"name": "Fresh"}}', 'fresh');
is(row($id, 'verdict'), 'delivered', 'a key property that HubSpot does not have');
my $property = hubspot('GET', '/crm/v3/properties/companies/our_group_id');
ok($property->{hasUniqueValue} && $property->{hidden} && $property->{type} eq 'string', 'is created: unique, hidden, text');
is(company('f1', 'our_group_id')->{properties}{name}, 'Fresh', 'and used');

#
# By domain
#
$sim->config(search_lag_ms => 600_000);
$id = call('group', '{"groupId": "5", "traits": {"name": "Initech", "website": "HTTPS://user:pw@www.Initech.com.:8443/a?b#c"}}');
my $initech = company('initech.com');
is($initech->{properties}{name}, 'Initech', 'a company is created with its domain');
is(row($id, 'key, verdict, created, record_id'), "initech.com|delivered|t|$initech->{id}", 'the domain is its key');
$id = call('group', '{"groupId": "6", "traits": {"name": "Initech Inc", "website": "initech.com"}}');
is(row($id, 'verdict, created, record_id'), "delivered|f|$initech->{id}", 'the second call updates it, though the index does not have it yet');
is(scalar(companies('initech.com')), 1, 'one company of the domain');
is(company('initech.com')->{properties}{name}, 'Initech Inc', 'with the new name');
$sim->config(search_lag_ms => 0);

my $found = existing('companies', name => 'Found', domain => 'found.com');
my @before = (requests(qr{companies/search$}), requests(qr{companies/batch/create$}));
together((map { statement('group', qq{\{"groupId": "$_", "traits": \{"website": "new$_.com", "plan": "a"\}\}}) } 1 .. 9),
	statement('group', '{"groupId": "7", "traits": {"domain": "found.com", "plan": "pro"}}'));
is(scalar(grep { companies("new$_.com") == 1 } 1 .. 9), 9, 'several new companies');
is(join(' ', map { "$_->{id} $_->{properties}{plan}" } companies('found.com')), "$found pro", 'and one that HubSpot has');
is(requests(qr{companies/search$}) - $before[0], 1, 'with one search');
is(requests(qr{companies/batch/create$}) - $before[1], 1, 'and one request that creates');

my $there = existing('companies', name => 'There', domain => 'there.com');
$sim->fault(match => { path => 'companies/search' }, action => 'empty_success');
$id = call('group', '{"groupId": "7", "traits": {"website": "there.com", "plan": "pro"}}');
is(row($id, 'verdict, created, record_id') . ' ' . $sim->faults->{results}[-1]{hits}, "delivered|f|$there 1", 'a search that says nothing at all is repeated');

my $oldest = existing('companies', name => 'First', domain => 'twins.com');
my $then = time;
wait_until(sub { time > $then + 0.005 }, 'the clock to go on');
existing('companies', name => "Twin $_", domain => 'twins.com') for 1 .. 5;
$id = call('group', '{"groupId": "8", "traits": {"website": "twins.com", "plan": "pro"}}');
is(row($id, 'verdict, created, record_id'), "delivered|f|$oldest", 'several companies of one domain: the oldest');
like(row($id, 'warnings'), qr/several_companies/, 'with a warning');
is(scalar(companies('twins.com')), 6, 'and no other');

my $rows = ask('SELECT count(*) FROM hubspot.outbox');
my %refused = (
	'"website": "https://gmail.com/"' => qr/gmail\.com/,
	'"website": "http://192.0.2.7:8080/x"' => qr/192\.0\.2\.7/,
	'"website": "http://[2001:db8::1]/"' => qr/2001:db8::1/,
	'"website": "http://intranet/"' => qr/intranet/,
	'"name": "No website"' => qr/website|domain/);
for my $traits (sort keys %refused)
{
	isnt($node->psql('postgres', statement('group', qq{\{"groupId": "9", "userId": "ada\@example.com", "traits": \{$traits\}\}}), stderr => \my $error),
		0, "refused: $traits");
	like($error, $refused{$traits}, 'with a reason');
}
is(ask('SELECT count(*) FROM hubspot.outbox'), $rows, 'and nothing is queued');
$id = ask(q{SET hubspot.on_invalid = 'record'; } . statement('group', '{"groupId": "9", "traits": {"website": "gmail.com"}}'));
wait_drained($node, 'postgres');
is(row($id, 'verdict, category'), 'rejected|bad_message', 'unless bad messages are recorded');

ask(q{SELECT hubspot_map('tariff', 'plan', 'company')});
call('group', '{"groupId": "5", "traits": {"website": "initech.com", "tariff": "mapped"}}');
is(company('initech.com')->{properties}{plan}, 'mapped', 'hubspot_map for companies');

#
# Whose contact
#
for my $server (qw(crm keyed))
{
	together(
		statement('group', qq{\{"groupId": "$server-a", "userId": "a-$server\@example.com", "traits": \{"name": "A", "website": "a-$server.com"\}\}}, $server),
		statement('identify', qq{\{"email": "a-$server\@example.com"\}}, $server),
		statement('identify', qq{\{"email": "b-$server\@example.com"\}}, $server),
		statement('group', qq{\{"groupId": "$server-b", "userId": "b-$server\@example.com", "traits": \{"name": "B", "website": "b-$server.com"\}\}}, $server));
	for my $who (qw(a b))
	{
		is(employers("$who-$server\@example.com"), company("$who-$server.com")->{id} . '*', "$server: both new, order $who");
	}
	is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE server = '$server' AND verdict = 'rejected' AND category = 'contact_not_found'"), '0',
		"$server: nobody was missed");
}

my $elsewhere = existing('contacts', email => 'elsewhere@example.com');
$id = call('group', '{"groupId": "5", "userId": "elsewhere@example.com", "traits": {"website": "initech.com"}}');
is(children($id), 'association delivered', 'a contact that only HubSpot knows');
is(employers('elsewhere@example.com'), "$initech->{id}*", 'is found');
$id = call('group', '{"groupId": "5", "userId": "nobody@example.com", "traits": {"website": "initech.com", "plan": "still"}}');
is(children($id), 'association rejected contact_not_found', 'one that nobody knows is not');
is(row($id, 'verdict') . ' ' . company('initech.com')->{properties}{plan}, 'delivered still', 'the company does not suffer');
is($sim->contact('nobody@example.com'), undef, 'and no contact is made');
account(q{ADD create_missing 'on'});
$id = call('group', '{"groupId": "5", "userId": "nobody@example.com", "traits": {"website": "initech.com"}}');
is(children($id), 'association delivered', 'create_missing');
is(employers('nobody@example.com'), "$initech->{id}*", 'makes one');
account('DROP create_missing');

account(q{ADD primary_company 'off'});
call('identify', '{"email": "free@example.com"}');
call('group', '{"groupId": "5", "userId": "free@example.com", "traits": {"website": "initech.com"}}');
is(employers('free@example.com'), $initech->{id}, 'primary_company off');
account('DROP primary_company');

$id = call('group', '{"groupId": "5", "traits": {"website": "initech.com"}, "context": {"traits": {"email": "eve@example.com", "firstName": "Eve"}}}');
is(row($id, 'object'), 'company', 'the id is the row of the company');
is(children($id), 'association delivered, contact delivered', 'context.traits are the contact\'s');
is(contact('eve@example.com')->{properties}{firstname}, 'Eve', 'they arrive');
is(employers('eve@example.com'), "$initech->{id}*", 'and it is associated');

#
# A company in the traits of a contact
#
call('identify', '{"email": "gavin@example.com", "company": {"name": "Hooli", "website": "https://hooli.com/xyz", "employees": 7}}');
my $hooli = company('hooli.com');
is($hooli->{properties}{name}, 'Hooli', 'identify with a company queues it');
is($hooli->{properties}{numberofemployees}, '7', 'with its traits');
is(contact('gavin@example.com')->{properties}{company}, 'Hooli', 'the contact has its name');
is(employers('gavin@example.com'), "$hooli->{id}*", 'and belongs to it');
call('identify', '{"email": "selina@example.com", "company": {"id": "h-1", "name": "Raviga"}}', 'keyed');
is(employers('selina@example.com'), company('h-1', 'segment_group_id')->{id} . '*', 'by id where that is the key');
my $companies = $sim->count('companies');
$id = call('identify', '{"email": "jared@example.com", "firstName": "Jared", "company": {"name": "Jared", "domain": "gmail.com"}}');
is(ask(q{SELECT verdict, warnings->0->>'code' FROM hubspot.outbox_status WHERE object = 'contact' AND key = 'jared@example.com'}),
	'delivered|company_ignored', 'an unusable company never fails the contact');
is(contact('jared@example.com')->{properties}{firstname}, 'Jared', 'who arrives');
call('identify', '{"email": "monica@example.com", "company": {"name": "Just a name"}}');
account(q{ADD associate_company_trait 'off'});
call('identify', '{"email": "dinesh@example.com", "company": {"name": "Aviato", "domain": "aviato.com"}}');
account('DROP associate_company_trait');
is(contact('dinesh@example.com')->{properties}{company}, 'Aviato', 'associate_company_trait off: the name only');
is($sim->count('companies'), $companies, 'none of these is a company');

#
# Many
#
for my $server (qw(crm keyed))
{
	my $from = ask('SELECT max(id) FROM hubspot.outbox');
	my $requests = requests(qr{/(companies|company|0-2)/|/associations/});
	my $pairs = $sim->stats->{associations};
	$companies = $sim->count('companies');
	together(
		qq{SELECT count(*) FROM hubspot_enqueue('identify', ARRAY(SELECT jsonb_build_object('email', 'm' || i || '-$server\@example.com')
			FROM generate_series(1, 1000) i), '$server')},
		qq{SELECT count(*) FROM hubspot_enqueue('group', ARRAY(SELECT jsonb_build_object('userId', 'm' || i || '-$server\@example.com',
			'groupId', 'many-' || i % 50, 'traits', jsonb_build_object('website', 'many' || i % 50 || '-$server.com', 'plan', i))
			FROM generate_series(1, 1000) i), '$server')});
	is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE id > $from AND verdict NOT IN ('delivered', 'coalesced')"), '0',
		"$server: 1000 calls for 50 companies");
	is($sim->count('companies') - $companies, 50, "$server: 50 companies");
	is($sim->stats->{associations} - $pairs, 1000, "$server: 1000 contacts in them");
	is(scalar(grep { my ($company) = companies("many${_}-$server.com"); $company->{properties}{plan} != ($_ == 0 ? 1000 : 950 + $_) } 0 .. 49), 0,
		"$server: each with its newest value");
	cmp_ok(requests(qr{/(companies|company|0-2)/|/associations/}) - $requests, '<=', 20, "$server: with few requests");
}

#
# Rows that were read early, because their transaction was short, have higher ids than
# those of a long one: they are not what a call about a userId has to wait for
#
my $long = $node->background_psql('postgres');
$long->query_safe('BEGIN');
$long->query_safe(statement('identify', '{"userId": "long-1", "traits": {"email": "long@example.com"}}', 'keyed'));
$id = $long->query_safe(statement('group', '{"groupId": "long", "userId": "long-1", "traits": {"name": "Long"}}', 'keyed'));
$sim->fault(match => { path => 'contacts/batch/upsert', record => 'short@example.com' }, action => 'delay', ms => 3000);
ask(statement('identify', '{"email": "short@example.com"}', 'keyed'));
wait_until(sub { grep { $_->{hits} } @{ $sim->faults->{results} } }, 'the short transaction to be under way');
$long->query_safe('COMMIT');
$long->quit;
wait_drained($node, 'postgres');
is(children($id), 'association delivered', 'who a userId is was told by a row that was read later');

#
# The answer to a create is lost, and the index lags: half a minute later the
# company is found, and not made again
#
$sim->config(search_lag_ms => 20_000);
$sim->fault(match => { path => 'companies/batch/create' }, action => 'drop_after');
$id = call('group', '{"groupId": "10", "traits": {"website": "lost.com"}}');
is($sim->faults->{results}[0]{hits}, 1, 'the answer to a create is lost');
is(scalar(companies('lost.com')), 1, 'one company all the same');
is(row($id, 'verdict, record_id'), 'delivered|' . company('lost.com')->{id}, 'and it is found');

$node->stop;
done_testing();
