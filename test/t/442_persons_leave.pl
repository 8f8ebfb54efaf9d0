# Persons who are archived or erased leave their companies; erased ones leave audiences and traits, too.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('leave');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

sub statement { my ($call, $message) = @_; return "SELECT hubspot_$call(\$j\$$message\$j\$)" }

sub call { ask(statement(@_)); return wait_drained($node, 'postgres') }

sub group { my ($company, $who) = @_; return statement('group', qq{\{"userId": "$who", "traits": \{"website": "$company.com"\}\}}) }

sub contacts { return ask("SELECT coalesce(string_agg(contact, ' ' ORDER BY contact), '') FROM hubspot.company_contacts WHERE company = '$_[0].com'") }

sub members { return ask("SELECT coalesce(string_agg(m.key, ' ' ORDER BY m.key), '') FROM hubspot.member m JOIN hubspot.sync d ON d.id = m.sync WHERE d.name = '$_[0]'") }

# What the state counts, and what there is.
sub counts
{
	return ask("SELECT t.members = (SELECT count(*) FROM hubspot.member m WHERE m.sync = t.sync), t.members
		FROM hubspot.sync_state t JOIN hubspot.sync d ON d.id = t.sync WHERE d.name = '$_[0]'");
}

call('identify', qq{\{"userId": "u-$_", "traits": \{"email": "$_\@example.com"\}\}}) for qw(ada bob eve);

#
# Archived
#
ask(group('acme', $_)) for qw(ada@example.com u-ada u-bob bob@example.com eve@example.com);
ask(group('beta', 'ada@example.com'));
ask(statement('group', '{"traits": {"website": "acme.com", "name": "Acme"}}'));
wait_drained($node, 'postgres');
becomes(sub { contacts('acme') }, 'ada@example.com bob@example.com eve@example.com', 'three contacts of a company');
call('delete', '{"userId": "ada@example.com"}');
ok(wait_until(sub { contacts('acme') eq 'bob@example.com eve@example.com' }, 'the contact to leave'), 'one that is archived leaves, also where its userId was named');
becomes(sub { contacts('beta') }, '', 'all companies');
call('delete', '{"userId": "u-bob"}');
ok(wait_until(sub { contacts('acme') eq 'eve@example.com' }, 'the contact to leave'), 'the same when it is archived by its userId');
becomes(sub { ask('SELECT count(*) FROM hubspot.company_contact') }, '1', 'nothing is left of them');

stop_delivery($node);
ask(statement('delete', '{"userId": "eve@example.com"}'));
ask(statement('identify', '{"email": "eve@example.com"}'));
ask(group('acme', 'eve@example.com'));
resume_delivery($node);
wait_drained($node, 'postgres');
becomes(sub { contacts('acme') }, 'eve@example.com', 'one that comes back at once stays');

#
# Erased
#
ask(q{CREATE TABLE people (email text, spent numeric);
	INSERT INTO people SELECT x || '@example.com', 10 FROM unnest('{eve,mia,tom}'::text[]) x});
call('identify', '{"userId": "u-eve", "traits": {"email": "eve@example.com"}}');
ask(q{SELECT hubspot_audience('buyers', 'SELECT email FROM people', create_in_hubspot => true);
	SELECT hubspot_audience('by_number', $q$SELECT 'u-' || split_part(email, '@', 1) FROM people$q$, create_in_hubspot => true);
	SELECT hubspot_trait('spent', 'SELECT email, spent FROM people', create_in_hubspot => true)});
ask("SELECT hubspot_refresh('$_')") for qw(buyers by_number spent);
wait_drained($node, 'postgres');
is(members('buyers'), 'eve@example.com mia@example.com tom@example.com', 'an audience has members');
is(members('by_number'), 'u-eve u-mia u-tom', 'one that goes by userIds, too');
# a refresh that goes on is not disturbed
my $refresh = $node->background_psql('postgres');
$refresh->query_safe('BEGIN');
$refresh->query_safe(q{SELECT hubspot_refresh('buyers')});
ask(q{DELETE FROM people WHERE email LIKE 'eve@%'});
my $id = ask(statement('delete', '{"userId": "eve@example.com", "gdpr": true}'));
ok(wait_until(sub { !$sim->contact('eve@example.com') }, 'HubSpot to erase the contact'), 'erased in HubSpot');
ask(statement('identify', '{"email": "meanwhile@example.com"}'));
ok(wait_until(sub { $sim->contact('meanwhile@example.com') }, 'another contact to arrive'), 'while a refresh goes on, others are delivered');
is(ask("SELECT state FROM hubspot.outbox_status WHERE id = $id") eq 'done' ? 'done' : 'open', 'open', 'and the deletion is not done');
$refresh->query_safe('COMMIT');
$refresh->quit;
wait_drained($node, 'postgres');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id"), 'delivered', 'it is afterwards');
is(members('buyers'), 'mia@example.com tom@example.com', 'she has left the audience');
is(members('by_number'), 'u-mia u-tom', 'also where only her userId was known');
is(members('spent'), 'mia@example.com tom@example.com', 'and the trait');
is(counts($_), 't|2', "$_: the count is exact") for qw(buyers by_number spent);
becomes(sub { contacts('acme') }, '', 'her company knows her no more');
is(ask("SELECT entered + changed + exited FROM hubspot_refresh('$_')"), '0', "$_: the next refresh finds nothing new") for qw(buyers by_number spent);

$node->stop;
done_testing();
