# Who belongs to which company: the company whose value a contact of several gets, leaving by
# hubspot_ungroup() and by a sync of associations, and HubSpot's opinion afterwards.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_property('companies', name => 'our_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('leaving');
create_account($node, 'postgres', 'crm', $sim, company_id_property => 'our_id', unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

sub statement { my ($call, $message) = @_; return "SELECT hubspot_$call(\$j\$$message\$j\$)" }

sub group { my ($company, $who) = @_; return statement('group', qq{\{"groupId": "$company", "userId": "$who", "traits": \{"name": "$company"\}\}}) }

sub deliver { ask($_) for @_; return wait_drained($node, 'postgres') }

# Companies that the tables have a contact in.
sub companies { return ask("SELECT coalesce(string_agg(company, ' ' ORDER BY company), '') FROM hubspot.company_contacts WHERE contact = '$_[0]' AND server = 'crm'") }

# Companies that HubSpot has it in, the primary one with a star.
sub in_hubspot
{
	my ($who) = @_;
	my $contact = $sim->contact($who) // return 'no contact';
	my %name = map { $_->{id} => $_->{properties}{our_id} } map { $sim->company($_, 'our_id') // () } qw(acme beta zeta);
	return join ' ', sort map { ($name{ $_->{id} } // 'other') . ($_->{primary} ? '*' : '') } @{ $contact->{associations} };
}

# The value that a contact has in HubSpot after a refresh.
sub plan
{
	my ($who) = @_;
	ask(q{SELECT hubspot_refresh('plan', confirm => true)});
	wait_drained($node, 'postgres');
	return $sim->contact($who)->{properties}{plan} // 'none';
}

ask(q{CREATE TABLE accounts (id text PRIMARY KEY, plan text);
	INSERT INTO accounts VALUES ('acme', 'churned'), ('zeta', 'enterprise');
	SELECT hubspot_trait('plan', 'SELECT id, plan FROM accounts', level => 'account_users', create_in_hubspot => true)});

subtest 'the company whose value a contact of several gets' => sub {
	deliver(statement('identify', '{"userId": "u-1", "traits": {"email": "mover@example.com"}}'), group('acme', 'mover@example.com'));
	is(plan('mover@example.com'), 'churned', 'of one company: its value');
	deliver(group('zeta', 'mover@example.com'));
	is(in_hubspot('mover@example.com'), 'acme zeta*', 'HubSpot has him in two, the later one is primary');
	is(plan('mover@example.com'), 'enterprise', 'of two: the value of the primary one');
	deliver(group('acme', 'mover@example.com'));
	is(in_hubspot('mover@example.com'), 'acme* zeta', 'the first is primary again');
	is(plan('mover@example.com'), 'churned', 'the value moves with it');
	deliver(group('zeta', 'u-1'));
	is(plan('mover@example.com'), 'enterprise', 'also where he was named by his userId');
	deliver(group('beta', 'mover@example.com'));
	is(plan('mover@example.com'), 'enterprise', 'a company that the query does not return decides nothing');

	ask(q{ALTER SERVER crm OPTIONS (ADD primary_company 'off')});
	deliver(group($_, 'joiner@example.com')) for qw(acme zeta acme);
	is(plan('joiner@example.com'), 'enterprise', 'where calls make none primary: the company that was joined last');
	ask(q{ALTER SERVER crm OPTIONS (DROP primary_company)});
	is(ask(q{BEGIN; } . group('zeta', 'u-new') . '; ' . group('acme', 'u-new') . q{;
		SELECT hubspot_refresh('plan', confirm => true); SELECT value FROM hubspot.member WHERE key = 'u-new'; ROLLBACK}) =~ s/.*\n//sr,
		'"churned"', 'and of one whose userId nobody has told yet');
};

$node->stop;
done_testing();
