# hubspot_verify(): what HubSpot's documentation leaves open is asked of HubSpot,
# here of the simulator, in more than one reading; nothing is left behind.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100000, search_limit => 0, search_lag_ms => 0 });
my $node = hubspot_cluster('verify');

create_account($node, 'postgres', 'crm', $sim, burst_limit => 1000);

sub ask { return $node->safe_psql('postgres', shift) }

sub error_of { my (undef, undef, $error) = $node->psql('postgres', shift); return $error }

sub verify
{
	my %found = map { my @row = split /\t/, $_, 3; ($row[0] => \@row) }
	  split /\n/, ask(q{SELECT concat_ws(E'\t', question, coalesce(agrees::text, 'open'), regexp_replace(found, '\s+', ' ', 'g')) FROM hubspot_verify()});
	return \%found;
}

# What the simulator holds, of everything that a question may make.
sub holdings { return join ',', map { scalar $sim->records($_) } qw(contacts companies deals leads products) }

subtest 'which account may be asked, by whom' => sub {
	like(error_of('SELECT * FROM hubspot_verify()'), qr/SERVER "crm" is not said to be a test account.*ALTER SERVER crm OPTIONS \(ADD test_account 'on'\)/s, 'one that is named');
	ask(q{ALTER SERVER crm OPTIONS (ADD test_account 'on')});
	like(error_of(q{SELECT hubspot.verify_ask('GET', '{lists}/1', NULL)}), qr/requests are sent by background processes alone/, 'a session sends nothing');
	ask(q{CREATE ROLE merchant; GRANT EXECUTE ON FUNCTION hubspot_verify(name, boolean), hubspot.verify_start(name, boolean) TO merchant; GRANT USAGE ON SCHEMA hubspot TO merchant});
	like(error_of('SET ROLE merchant; SELECT * FROM hubspot_verify()'), qr/must be owner of foreign server crm/, 'the owner of the SERVER');
	ask(q{CREATE ROLE stranger});
	like(error_of('SET ROLE stranger; SELECT * FROM hubspot_verify()'), qr/permission denied for function hubspot_verify/, 'not everybody');
	is(scalar(grep { $_->{path} !~ m{account-info|/properties/|event-definitions} } $sim->requests), 0, 'HubSpot was asked nothing');
};

subtest 'every question has an answer, and nothing is left' => sub {
	my $before = holdings();
	my $found = verify();

	is(join(',', sort keys %$found), ask(q{SELECT string_agg(question, ',' ORDER BY question) FROM hubspot.verify_question}), 'all of them');
	is($found->{$_}[1], 'true', "$_: $found->{$_}[2]")
	  for qw(upsert_partial duplicate_ids null_value bare_company archive_unknown archived_address further_domains search_behind absent_pair itself lone_lead unknown_list unknown_event repeated_event);
	is(holdings(), $before, 'what was made is gone');
	is(scalar(grep { ($_->{name} // '') =~ /hubspot.verify/ } @{ $sim->api('GET', '/events/v3/event-definitions')->{results} }), 0, 'the definition of an event, too');
	is(ask('SELECT count(*) FROM hubspot.verify_made'), '0', 'and is not remembered');
	is(ask('SELECT problem IS NULL AND ended_at > started_at FROM hubspot.verify_run'), 't', 'the run ended well');
};

subtest 'HubSpot does otherwise' => sub {
	$sim->config(trace_ids_partial => JSON::PP::false, event_repeat => 'ignore', further_domains => 'refuse');
	my $found = verify();

	is($found->{$_}[1], 'false', "$_: $found->{$_}[2]") for qw(upsert_partial repeated_event further_domains);
	is(ask(q{SELECT string_agg(question, ',' ORDER BY question) FROM hubspot.verification WHERE question IN ('upsert_partial', 'repeated_event') AND NOT agrees}),
		'repeated_event,upsert_partial', 'the table says what HubSpot did last');
	is(ask('SELECT count(*) FROM hubspot.verify_made'), '0', 'nothing is left');
};

subtest 'a scope is missing' => sub {
	$sim->config(scopes => [ 'crm.objects.contacts.read', 'crm.objects.contacts.write', 'oauth' ]);
	my $found = verify();

	is($found->{duplicate_ids}[1], 'true', 'what needs none is answered');
	is($found->{search_behind}[1], 'open', 'the others are not');
	like($found->{search_behind}[2], qr/its request 1 was refused \(POST \{objects\}companies\): HTTP 403/, 'and say why');
	$sim->config(scopes => undef);
};

subtest 'the process is killed, or HubSpot lets nothing be removed: the next run removes it' => sub {
	$sim->fault(match => { path => 'contacts/', method => 'DELETE' }, action => 'status', status => 500, times => 0);
	my ($status, undef, $error) = $node->psql('postgres', 'SELECT * FROM hubspot_verify()');
	like($error, qr/WARNING:  \d+ things that were made could not be removed, such as DELETE \{objects\}contacts/, 'what is left is told');
	cmp_ok(ask('SELECT count(*) FROM hubspot.verify_made'), '>', 0, 'and remembered');
	$sim->clear_faults;
	verify();
	is(ask('SELECT count(*) FROM hubspot.verify_made') . ' ' . holdings(), '0 0,0,0,0,0', 'and removed');
};

subtest 'an account with customers' => sub {
	$sim->api('POST', '/crm/v3/objects/contacts/batch/create',
		{ inputs => [ map { { properties => { email => "c$_\@example.com" }, associations => [] } } 1 .. 100 ] });
	$sim->api('POST', '/crm/v3/objects/contacts/batch/create', { inputs => [ { properties => { email => 'one@example.com' }, associations => [] } ] });
	like(error_of('SELECT * FROM hubspot_verify()'), qr/nothing was asked of HubSpot: the account has 101 contacts.*any_size => true/s, 'is refused');
	is(ask('SELECT count(*) > 20 FROM hubspot_verify(any_size => true)'), 't', 'unless that is meant');
	is((split /,/, holdings())[0], 101, 'its contacts are untouched');
	ask(q{ALTER SERVER crm OPTIONS (DROP secret)});
	like(error_of('SELECT * FROM hubspot_verify()'), qr/the SERVER has no option "secret"/, 'no token');
};

done_testing();
