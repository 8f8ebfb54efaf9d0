# Who belongs to which company, as group calls, contacts' companies and deletions leave it.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('pairs');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'other', $sim);
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

sub statement { my ($call, $message, $server) = @_; return "SELECT hubspot_$call(\$j\$$message\$j\$, '" . ($server // 'crm') . "')" }

sub group { my ($company, $who, $server) = @_; return statement('group', qq{\{"userId": "$who", "traits": \{"website": "$company.com"\}\}}, $server) }

# Contacts of a company, those of another property with its name.
sub contacts
{
	my ($company, $server) = @_;
	return ask("SELECT coalesce(string_agg(concat_ws(':', contact_property, contact), ' ' ORDER BY contact), '')
		FROM hubspot.company_contacts WHERE company = '$company.com' AND server = '" . ($server // 'crm') . "'");
}

sub pairs { return ask('SELECT count(*) FROM hubspot.company_contacts') }

#
# What is noted
#
stop_delivery($node);
ask(group('acme', 'Ada@Example.com'));
is(contacts('acme'), 'ada@example.com', 'the contact of a group call');
ask(group('acme', 'ada@example.com')) for 1 .. 3;
is(pairs(), '1', 'is noted once');
ask(group('acme', 'bob@example.com'));
ask(group('beta', 'ada@example.com'));
is(contacts('acme') . ', ' . contacts('beta'), 'ada@example.com bob@example.com, ada@example.com', 'a contact may belong to two companies');
ask(group('acme', 'ada@example.com', 'other'));
is(contacts('acme', 'other'), 'ada@example.com', 'accounts are apart');
ask(statement('group', '{"traits": {"website": "acme.com"}}'));
is(pairs(), '4', 'a company without a contact: nothing');
ask(statement('identify', '{"email": "gavin@example.com", "company": {"name": "Hooli", "website": "hooli.com"}}'));
is(contacts('hooli'), 'gavin@example.com', 'the company of a contact');
ask('BEGIN; ' . group('gone', 'ada@example.com') . '; ROLLBACK');
is(contacts('gone'), '', 'rolled back');
ask('BEGIN; ' . join('; ', (group('once', 'ada@example.com')) x 3) . '; COMMIT');
is(ask(q{SELECT count(*) FROM hubspot.company_contacts WHERE company = 'once.com'}), '1', 'once in a transaction, too');

my $before = pairs();
my $many = q{SELECT count(*) FROM hubspot_enqueue('group', ARRAY(SELECT jsonb_build_object('userId', 'm' || i % 1000 || '@example.com',
	'traits', jsonb_build_object('website', 'many' || i % 40 || '.com')) FROM generate_series(1, 3000) i))};
ask($many);
is(pairs() - $before, 1000, '3000 calls for 1000 pairs');
ask($many);
is(pairs() - $before, 1000, 'and again');
is(ask(q{SELECT count(DISTINCT (company, contact)) FROM hubspot.company_contact WHERE company LIKE 'many%'}), '1000', 'all of them');

# A bad message and a call that needs no right on the table
ask(q{CREATE ROLE caller; GRANT USAGE ON FOREIGN SERVER crm TO caller});
ask('SET ROLE caller; ' . group('rights', 'ada@example.com'));
is(contacts('rights'), 'ada@example.com', 'the caller needs no right on the table');
isnt($node->psql('postgres', 'SET ROLE caller; SELECT * FROM hubspot.company_contacts', stderr => \my $denied), 0, 'and may not read it');

# A session that has not committed is not waited for, and both may write the pair
my $session = $node->background_psql('postgres');
$session->query_safe('BEGIN');
$session->query_safe(group('both', 'ada@example.com'));
ask(q{SET lock_timeout = '10s'; } . group('both', 'ada@example.com'));
$session->query_safe('COMMIT');
$session->quit;
is(contacts('both'), 'ada@example.com', 'two sessions at once');

#
# A userId and an address of one person
#
ask(group('acme', 'u-7'));
is(contacts('acme'), 'ada@example.com bob@example.com', 'a userId that nobody has told belongs nowhere');
ask(statement('identify', '{"userId": "u-7", "traits": {"email": "bob@example.com"}}'));
ask(group('beta', 'u-7'));
resume_delivery($node);
wait_drained($node, 'postgres');
becomes(sub { contacts('acme') }, 'ada@example.com bob@example.com', 'is the address that it was seen with');
becomes(sub { contacts('beta') }, 'ada@example.com bob@example.com', 'also where only the userId was named');

#
# What newer rows have replaced
#
cmp_ok(ask('SELECT count(*) FROM hubspot.company_contact'), '>', 6000, 'each call has left a row');
my $listed = q{SELECT string_agg(c::text, chr(10) ORDER BY c::text COLLATE "C") FROM hubspot.company_contacts c};
my $known = ask($listed);
ask('SELECT pg_terminate_backend(' . worker_pid($node, 'postgres') . ')');
becomes(sub { ask('SELECT count(*) - count(DISTINCT (pair_hash, server, company, contact, contact_property)) FROM hubspot.company_contact') }, '0', 'those that newer ones have replaced go');
is(ask($listed), $known, 'and nothing else');

$node->stop;
done_testing();
