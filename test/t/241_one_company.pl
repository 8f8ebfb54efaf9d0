# One company in HubSpot for each of ours: whichever way it can be known there, by its key,
# by its domain, by a further domain, or because HubSpot has made it for a contact.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000, search_limit => 1000 });
$sim->add_property('companies', name => 'our_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('one_company');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');
create_account($node, 'postgres', 'keyed', $sim, company_id_property => 'our_id', unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

sub hubspot { return $sim->api(@_) }

sub existing { my ($type, %properties) = @_; return hubspot('POST', "/crm/v3/objects/$type", { properties => \%properties })->{id} }

# Companies of a domain, or by another property, the values of one of their properties.
sub companies { return @{ hubspot('GET', "/_sim/objects/companies?key=$_[0]&property=" . ($_[1] // 'domain'))->{results} } }

sub record { my ($id, $property) = @_; return hubspot('GET', "/_sim/objects/companies?id=$id")->{results}[0]{properties}{$property} }

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

sub warned
{
	return ask(qq{SELECT coalesce(string_agg(w->>'code', ' '), '') FROM hubspot.outbox_status s, jsonb_array_elements(s.warnings) w WHERE s.id = $_[0]});
}

sub children
{
	return ask("SELECT coalesce(string_agg(concat_ws(' ', object, verdict, category), ', ' ORDER BY object), '')
		FROM hubspot.outbox_status WHERE parent = $_[0]");
}

# Requests to companies, in short, since the last call.
my $seen = 0;

sub requests
{
	my @new = $sim->requests($seen);
	$seen = $new[-1]{seq} if @new;
	return join ' ', map { $_->{path} =~ m{/(?:(\w+)/batch/(\w+)|\w+/(search))$} ? ($3 // ($1 eq 'companies' ? $2 : "$1:$2")) : () }
	  grep { $_->{path} =~ m{/(companies|company)/} } @new;
}

subtest 'by the key first, then by the domain' => sub {
	my $by_key = existing('companies', name => 'Has the key', our_id => 'k1');
	my $by_domain = existing('companies', name => 'Has the domain', domain => 'key-first.com');
	my $new = existing('companies', name => 'Nobody yet', domain => 'key-second.com');
	my @ids = together(map { statement('group', $_, 'keyed') }
		'{"groupId": "k1", "traits": {"website": "key-first.com", "plan": "a"}}',
		'{"groupId": "k2", "traits": {"website": "key-second.com", "plan": "b"}}');
	is(row($ids[0], 'verdict, created, record_id'), "delivered|f|$by_key", 'a company that has our key without the domain');
	is(record($by_key, 'plan') . ' ' . (record($by_domain, 'our_id') // 'none'), 'a none', 'it is the one, not that of the domain');
	is(row($ids[1], 'verdict, created, record_id') . ' ' . record($new, 'our_id'), "delivered|f|$new k2", 'beside it one is adopted by its domain');
	requests();
	my $id = call('group', '{"groupId": "k3", "traits": {"website": "key-third.com"}}', 'keyed');
	is(row($id, 'verdict, created') . ' ' . requests(), 'delivered|t search upsert', 'nothing to adopt: no request more');
};

#
# Further domains (hs_additional_domains)
#
sub merged { my ($name, $domain, $further) = @_; return existing('companies', name => $name, domain => $domain, hs_additional_domains => $further) }

merged('Decoy', 'decoy.com', 'not-further.com;further.com.org');
for my $server (qw(crm keyed))
{
	subtest "$server: a company by a further domain" => sub {
		my $merged = merged('Merged', "$server-now.com", "$server-old.com; $server-OLDER.com");
		requests();
		my $id = call('group', qq{\{"groupId": "$server-x", "traits": \{"name": "Told", "website": "https://www.$server-older.com/about"\}\}}, $server);
		is(row($id, 'verdict, created, record_id') . ' ' . warned($id), "delivered|f|$merged ", 'is the one');
		is(join(' ', map { record($merged, $_) // 'none' } qw(domain name hs_additional_domains)), "$server-now.com Told $server-old.com; $server-OLDER.com", 'and keeps its primary domain');
		is(requests(), $server eq 'keyed' ? 'search read update' : 'search update', 'found by the search for primary domains');
		$id = call('group', qq{\{"groupId": "$server-x", "traits": \{"name": "Again", "website": "$server-older.com"\}\}}, $server);
		is(row($id, 'record_id') . ' ' . record($merged, 'domain') . ' ' . record($merged, 'name') . ' ' . requests(),
			"$merged $server-now.com Again " . ($server eq 'keyed' ? 'upsert' : 'update'), 'nor does the next call change it');

		my $owner = existing('companies', name => 'Owner', domain => "$server-older2.com");
		merged('Elsewhere', "$server-now2.com", "$server-older2.com");
		$id = call('group', qq{\{"groupId": "$server-y", "traits": \{"name": "Y", "website": "$server-older2.com"\}\}}, $server);
		is(row($id, 'record_id') . ' ' . warned($id), "$owner ", 'one whose primary domain it is goes before');
		my @two = map { merged("Two $_", "$server-two$_.com", "$server-older3.com") } 1, 2;
		$id = call('group', qq{\{"groupId": "$server-z", "traits": \{"website": "$server-older3.com"\}\}}, $server);
		is(row($id, 'record_id') . ' ' . warned($id), "$two[0] several_companies", 'of two the oldest, with a warning');
		requests();
		$id = call('group', qq{\{"groupId": "$server-w", "traits": \{"website": "further.com"\}\}}, $server);
		is(row($id, 'verdict, created') . ' ' . requests(), 'delivered|t search ' . ($server eq 'keyed' ? 'upsert' : 'create'), 'nobody\'s: no request more');
		hubspot('DELETE', "/crm/v3/objects/companies/" . row($id, 'record_id'));
	};
}

subtest 'a deletion by a further domain' => sub {
	my $merged = merged('Gone', 'gone-now.com', 'gone-old.com');
	my $id = call('delete', '{"object": "company", "domain": "gone-old.com"}');
	is(row($id, 'verdict') . ' ' . scalar(companies('gone-now.com')), 'delivered 0', 'means that company');

	# HubSpot has made two companies one, which has a new id, and tells it where it is asked for the old one
	my $old = row(call('group', '{"traits": {"website": "folded.com"}}'), 'record_id');
	my $new = existing('companies', name => 'Folded');
	hubspot('DELETE', "/crm/v3/objects/companies/$old");
	$sim->fault(match => { path => '/companies/batch/read', record => 'hs_merged_object_ids' }, times => 1, action => 'status', status => 200,
		body => { status => 'COMPLETE', results => [ { id => $new, properties => { domain => 'folded.com', hs_merged_object_ids => $old } } ] });
	$id = call('delete', '{"object": "company", "domain": "folded.com"}');
	is(row($id, 'verdict, record_id') . ' ' . scalar(companies($new, 'hs_object_id')), "delivered|$new 0", 'of one that was merged since it was known: what it has become');
	$sim->clear_faults;
};

#
# Domains that no call has told
#
sub pairs { return ask("SELECT string_agg(concat_ws(' ', key, verdict, category), ', ' ORDER BY key) FROM hubspot.outbox_status WHERE object = 'association' AND key LIKE '\%\@staff.com' AND id > $_[0]") }
sub last_id { return ask('SELECT coalesce(max(id), 0) FROM hubspot.outbox_status') }

# Requests of any kind, in short, since the last call of this or requests().
sub all_requests
{
	my @new = $sim->requests($seen);
	$seen = $new[-1]{seq} if @new;
	return join ' ', map { $_->{path} =~ m{(\w+)/(?:batch/)?(search|read|create|archive|add-and-remove)$} ? "$1:$2" : () } @new;
}

subtest 'associations and lists by a domain that no call has told' => sub {
	my $primary = existing('companies', name => 'Primary', domain => 'untold.com');
	my $merged = merged('Merged', 'untold-now.com', 'untold-old.com');
	my @twice = map { existing('companies', name => "Twice $_", domain => 'untold-twice.com') } 1, 2;
	existing('contacts', email => "$_\@staff.com") for qw(ada bob cid dan eve);
	ask(q{CREATE TABLE staff (email text PRIMARY KEY, company text);
		SELECT hubspot_sync('staff', 'staff', 'association', server => 'crm', mapping => '{"contact": "email", "company": "company"}', deletes => 'remove')});
	requests();
	my $before = last_id();
	together(q{INSERT INTO staff VALUES ('ada@staff.com', 'untold.com'), ('bob@staff.com', 'untold.com'), ('cid@staff.com', 'untold-old.com'),
		('dan@staff.com', 'untold-twice.com'), ('eve@staff.com', 'untold-nobody.com')});
	is(pairs($before), join(', ', (map { "$_\@staff.com delivered" } qw(ada bob cid dan)), 'eve@staff.com rejected company_not_found'), 'a sync of associations');
	is(join(', ', map { employers("$_\@staff.com") } qw(ada bob cid dan eve)), "$primary*, $primary*, $merged*, $twice[0]*, ", 'the company is searched for, by any of its domains');
	is(all_requests(), 'contacts:read companies:search company:create', 'once for all');
	is(ask("SELECT string_agg(DISTINCT s.key || ' ' || (w->>'code'), ' ') FROM hubspot.outbox_status s, jsonb_array_elements(s.warnings) w WHERE s.id > $before AND s.object = 'association'"),
		'dan@staff.com several_companies', 'of two the oldest, with a warning');
	like(ask("SELECT message FROM hubspot.outbox_status WHERE id > $before AND key = 'eve\@staff.com'"), qr/search finds no company of the domain untold-nobody\.com/, 'and what is not there is said');
	is(scalar(companies('untold-nobody.com')), 0, 'not made');

	# leaving, in the same way
	existing('contacts', email => "$_\@gone.com") for qw(ada bob);
	my $left = existing('companies', name => 'Left', domain => 'untold-left.com');
	hubspot('PUT', "/crm/v4/objects/contacts/@{[ $sim->contact('ada@gone.com')->{id} ]}/associations/default/companies/$left");
	requests();
	my @ids = together(map { statement('ungroup', qq{\{"userId": "$$_[0]\@gone.com", "traits": \{"website": "$$_[1]"\}\}}) } [ 'ada', 'untold-left.com' ], [ 'bob', 'untold-none.com' ]);
	is(join(', ', map { row($_, q{concat_ws(' ', verdict, category)}) } @ids) . '|' . employers('ada@gone.com'), 'delivered, unchanged company_not_found|', 'who leaves one');
	is(all_requests(), 'contacts:read companies:search company:archive', 'is searched for likewise');

	# lists
	my $member = merged('Member', 'untold-member-now.com', 'untold-member.com');
	ask(q{SELECT hubspot_create_list('Untold', 'company', server => 'crm')});
	wait_drained($node, 'postgres');
	requests();
	@ids = together(map { qq{SELECT hubspot_add_to_list('Untold', '{"object": "company", "website": "$_"}', 'crm')} } qw(untold-member.com untold-nothing.com));
	is(join(', ', map { row($_, q{concat_ws(' ', verdict, category)}) } @ids), 'delivered, rejected company_not_found', 'a list of companies');
	is(all_requests(), 'companies:search memberships:add-and-remove', 'too');
	is(row(ask(q{SELECT hubspot_remove_from_list('Untold', '{"object": "company", "website": "untold-nothing.com"}', 'crm')}), 'id') > 0, 1, 'what is nowhere');
	wait_drained($node, 'postgres');
	is(ask(q{SELECT verdict FROM hubspot.outbox_status WHERE call = 'remove_from_list' ORDER BY id DESC LIMIT 1}), 'unchanged', 'is in no list');

	# what the tables know is old: HubSpot has made two companies one
	hubspot('DELETE', "/crm/v3/objects/companies/$primary");
	my $after = existing('companies', name => 'After the merge', domain => 'untold.com');
	$before = last_id();
	ask(q{INSERT INTO staff VALUES ('fay@staff.com', 'untold.com')}) if existing('contacts', email => 'fay@staff.com');
	wait_drained($node, 'postgres');
	is(pairs($before) . ' ' . employers('fay@staff.com'), "fay\@staff.com delivered $after*", 'a company that is gone is looked for once more');
};

# For each reading of what is not documented, an account: what it has found out lasts for an hour
for my $reading (qw(refuse nothing))
{
	subtest "further domains, when HubSpot's search takes a filter of them to $reading" => sub {
		create_account($node, 'postgres', $reading, $sim, unknown_user_wait => '0');
		$sim->config(further_domains => $reading);
		my $merged = merged('Merged', "$reading-now.com", "$reading-old.com");
		my $known = existing('companies', name => 'Known', domain => "$reading-known.com");
		requests();
		my @ids = together(map { statement('group', qq{\{"traits": \{"website": "$reading-$_.com"\}\}}, $reading) } qw(old known));
		is(row($ids[0], 'verdict, created') . ' ' . row($ids[1], 'verdict, created, record_id'), "delivered|t delivered|f|$known", 'primary domains decide');
		is(join(' ', sort split / /, requests()), $reading eq 'refuse' ? 'create search search update' : 'create search update', 'after a search without');
		call('group', qq{\{"traits": \{"website": "$reading-next.com"\}\}}, $reading);
		is(requests(), 'search create', 'which is not tried for each');
		$sim->config(further_domains => 'token');
	};
}

subtest 'more companies with further domains than an answer has room for' => sub {
	create_account($node, 'postgres', 'many', $sim, unknown_user_wait => '0');
	for my $batch (0 .. 2)
	{
		hubspot('POST', '/crm/v3/objects/companies/batch/create', { inputs => [ map { { properties => { domain => "many$_.com", hs_additional_domains => "many-old$_.com;many-older$_.com" } } } $batch * 70 + 1 .. $batch * 70 + 70 ] });
	}
	my $behind = existing('companies', name => 'Behind', domain => 'many-behind.com');
	my ($far) = companies('many210.com');
	requests();
	my @ids = together(map { statement('group', qq{\{"traits": \{"name": "Told", "website": "$_.com"\}\}}, 'many') } qw(many-older210 many-behind), map { "many-new$_" } 1 .. 10);
	is(row($ids[0], 'verdict, created, record_id'), "delivered|f|$far->{id}", 'it is found by its token');
	is(row($ids[1], 'verdict, created, record_id'), "delivered|f|$behind", 'and a primary one behind the page');
	is(join(' ', map { row($_, 'created') } @ids[2 .. 11]), join(' ', ('t') x 10), 'new ones are made');
	my @kinds = split ' ', requests();
	is((grep { $_ eq 'search' } @kinds) . ' ' . grep({ $_ eq 'create' } @kinds), '5 3', 'once too many, once without, then five domains at once');
	call('group', '{"traits": {"website": "many-next.com"}}', 'many');
	is(requests(), 'search search create', 'from then on a second search for what is nobody\'s primary domain');
};

#
# HubSpot makes a company for a new contact, and its search does not find it yet
#
$sim->config(search_lag_ms => 600_000, auto_company_ms => 1);

for my $server (qw(crm keyed))
{
	subtest "$server: what HubSpot has made by itself" => sub {
		my $domain = "$server-made.com";
		call('identify', qq{\{"email": "bob\@$domain"\}}, $server);
		wait_until(sub { companies($domain) == 1 }, 'HubSpot to make a company');
		my ($made) = companies($domain);
		requests();
		my $id = call('group', qq{\{"groupId": "$server-m", "userId": "bob\@$domain", "traits": \{"name": "Made", "website": "https://www.$domain"\}\}}, $server);
		is(row($id, 'verdict, created, record_id') . ' ' . warned($id), "delivered|f|$made->{id} ", 'the company of its contact is the one');
		is(scalar(companies($domain)) . ' ' . record($made->{id}, 'name') . ' ' . (record($made->{id}, 'our_id') // 'none'),
			'1 Made ' . ($server eq 'keyed' ? "$server-m" : 'none'), 'and no other one');
		is(employers("bob\@$domain"), "$made->{id}*", 'to which it belongs');
		is(requests(), $server eq 'keyed' ? 'search company:read read read update company:create' : 'search company:read read update company:create',
			'found by its contact, whose companies were read');

		$domain = "$server-colleague.com";
		call('identify', qq{\{"email": "ann\@$domain"\}}, $server);
		wait_until(sub { companies($domain) == 1 }, 'HubSpot to make another company');
		($made) = companies($domain);
		$id = call('group', qq{\{"groupId": "$server-c", "traits": \{"website": "$domain"\}\}}, $server);
		is(row($id, 'verdict, created, record_id'), "delivered|f|$made->{id}", 'a call that names no contact: that of one created a moment ago');

		$domain = "$server-two.com";
		my $older = existing('companies', name => 'Older', domain => $domain);
		$sim->config(auto_company_match => 'index');
		call('identify', qq{\{"email": "eve\@$domain"\}}, $server);
		wait_until(sub { companies($domain) == 2 }, 'HubSpot to overlook one');
		$sim->config(auto_company_match => 'records');
		hubspot('PUT', "/crm/v4/objects/contacts/@{[ $sim->contact(qq{eve\@$domain})->{id} ]}/associations/default/companies/$older");
		$id = call('group', qq{\{"groupId": "$server-t", "userId": "eve\@$domain", "traits": \{"website": "$domain"\}\}}, $server);
		is(row($id, 'verdict, created, record_id') . ' ' . warned($id), "delivered|f|$older several_companies", 'of two the oldest, with a warning');

		requests();
		$domain = "$server-elsewhere.com";
		$id = call('group', qq{\{"groupId": "$server-e", "userId": "eve\@$server-two.com", "traits": \{"website": "$domain"\}\}}, $server);
		is(row($id, 'verdict, created') . ' ' . requests(), 'delivered|t search ' . ($server eq 'keyed' ? 'upsert' : 'create') . ' company:create',
			'a contact of another domain: nothing is read');
	};

	subtest "$server: the company first" => sub {
		my $domain = "$server-first.com";
		my $hold = $sim->fault(match => { path => 'companies/search' }, action => 'delay', ms => 1000);
		together(statement('identify', qq{\{"email": "first\@$domain"\}}, $server),
			statement('group', qq{\{"groupId": "$server-f", "userId": "first\@$domain", "traits": \{"name": "First", "website": "$domain"\}\}}, $server));
		my ($company, @more) = companies($domain);
		is(scalar(@more) . " $company->{properties}{name}", '0 First', 'where both wait it is made before the contact');
		is(employers("first\@$domain"), "$company->{id}*", 'which belongs to it');
	};
}

subtest 'a contact waits for no company that does not come' => sub {
	my @calls = map { my $domain = "late$_.com"; (statement('identify', qq{\{"email": "late\@$domain"\}}),
		statement('group', qq{\{"groupId": "late", "userId": "late\@$domain", "traits": \{"website": "$domain"\}\}})) } 1 .. 2;
	ask(q{SELECT hubspot_pause('crm', 'companies')});
	ask($_) for @calls[0, 1];
	wait_until(sub { $sim->contact('late@late1.com') }, 'the contact, while companies are paused');
	ask(q{SELECT hubspot_resume('crm', 'companies')});
	wait_drained($node, 'postgres');
	$sim->fault(match => { path => 'companies/search' }, action => 'delay', ms => 600_000);
	stop_delivery($node);
	ask($_) for @calls[2, 3];
	resume_delivery($node);
	wait_until(sub { $sim->contact('late@late2.com') }, 'the contact, while HubSpot does not answer');
	$sim->clear_faults;
	wait_drained($node, 'postgres');
	is(employers('late@late2.com') =~ tr/*//, 1, 'it joins when it comes');
};

done_testing();
