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
sub plan_of
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
	is(plan_of('mover@example.com'), 'churned', 'of one company: its value');
	deliver(group('zeta', 'mover@example.com'));
	is(in_hubspot('mover@example.com'), 'acme zeta*', 'HubSpot has him in two, the later one is primary');
	is(plan_of('mover@example.com'), 'enterprise', 'of two: the value of the primary one');
	deliver(group('acme', 'mover@example.com'));
	is(in_hubspot('mover@example.com'), 'acme* zeta', 'the first is primary again');
	is(plan_of('mover@example.com'), 'churned', 'the value moves with it');
	deliver(group('zeta', 'u-1'));
	is(plan_of('mover@example.com'), 'enterprise', 'also where he was named by his userId');
	deliver(group('beta', 'mover@example.com'));
	is(plan_of('mover@example.com'), 'enterprise', 'a company that the query does not return decides nothing');

	ask(q{ALTER SERVER crm OPTIONS (ADD primary_company 'off')});
	deliver(group($_, 'joiner@example.com')) for qw(acme zeta acme);
	is(plan_of('joiner@example.com'), 'enterprise', 'where calls make none primary: the company that was joined last');
	ask(q{ALTER SERVER crm OPTIONS (DROP primary_company)});
	is(ask(q{BEGIN; } . group('zeta', 'u-new') . '; ' . group('acme', 'u-new') . q{;
		SELECT hubspot_refresh('plan', confirm => true); SELECT value FROM hubspot.member WHERE key = 'u-new'; ROLLBACK}) =~ s/.*\n//sr,
		'"churned"', 'and of one whose userId nobody has told yet');
};

sub verdict { return ask("SELECT concat_ws(' ', object, call, verdict, category) FROM hubspot.outbox_status WHERE id = $_[0]") }

sub ungroup { my ($company, $who) = @_; return statement('ungroup', qq{\{"groupId": "$company", "userId": "$who"\}}) }

subtest 'hubspot_ungroup' => sub {
	deliver(statement('identify', '{"userId": "u-2", "traits": {"email": "leaver@example.com"}}'), map { group($_, 'leaver@example.com') } qw(acme zeta));
	is(plan_of('leaver@example.com'), 'enterprise', 'a contact of two companies');
	my $id = ask(ungroup('zeta', 'leaver@example.com'));
	is(companies('leaver@example.com'), 'acme', 'leaves one: the tables know it at once');
	wait_drained($node, 'postgres');
	is(verdict($id), 'association ungroup delivered', 'a row of the associations');
	is(in_hubspot('leaver@example.com'), 'acme', 'HubSpot and the tables agree');
	is(plan_of('leaver@example.com'), 'churned', 'and the value is that of the company that is left');
	like(ask(q{SELECT since < until FROM hubspot.company_contact WHERE contact = 'leaver@example.com' AND company = 'zeta' AND until IS NOT NULL}), qr/^t$/, 'since and until are kept');
	deliver(ungroup('acme', 'u-2'));
	is(companies('leaver@example.com') . '|' . in_hubspot('leaver@example.com'), '|', 'by his userId, too');
	is(plan_of('leaver@example.com'), 'none', 'who is in no company has no value of one');
	deliver(group('acme', 'leaver@example.com'));
	is(companies('leaver@example.com') . '|' . in_hubspot('leaver@example.com'), 'acme|acme*', 'who left may come back');

	# The order of the calls decides, in whatever they wait together
	stop_delivery($node);
	ask($_) for ungroup('acme', 'leaver@example.com'), group('acme', 'u-2'), group('zeta', 'leaver@example.com'), ungroup('zeta', 'u-2'), group('beta', 'u-2'), ungroup('beta', 'leaver@example.com'), ungroup('beta', 'leaver@example.com');
	ask('BEGIN; ' . statement('identify', '{"email": "once@example.com"}') . '; ' . group('zeta', 'once@example.com') . '; ' . ungroup('zeta', 'once@example.com') . '; ' . group('zeta', 'once@example.com') . '; COMMIT');
	ask(q{SELECT count(*) FROM hubspot_enqueue('ungroup', ARRAY(SELECT jsonb_build_object('groupId', 'beta', 'userId', 'b' || i || '@example.com') FROM generate_series(1, 150) i))});
	resume_delivery($node);
	wait_drained($node, 'postgres');
	becomes(sub { companies('leaver@example.com') }, 'acme', 'the last word about each company');
	is(in_hubspot('leaver@example.com'), 'acme', 'is HubSpot\'s, too');
	is(companies('once@example.com') . '|' . in_hubspot('once@example.com'), 'zeta|zeta*', 'also within one transaction');
	is(ask(q{SELECT DISTINCT verdict FROM hubspot.outbox_status WHERE key LIKE 'b%@example.com' AND call = 'ungroup'}), 'unchanged', 'contacts that HubSpot does not have are in no company');
	is($sim->contact('b1@example.com'), undef, 'and are not made for it');
};

subtest 'what there is nothing to leave of' => sub {
	is(verdict(do { my $id = ask(ungroup('nowhere', 'leaver@example.com')); wait_drained($node, 'postgres'); $id }), 'association ungroup unchanged company_not_found', 'a company that HubSpot does not have');
	is(verdict(do { my $id = ask(ungroup('acme', 'nobody@example.com')); wait_drained($node, 'postgres'); $id }), 'association ungroup unchanged contact_not_found', 'a contact that it does not have');
	is(verdict(do { my $id = ask(statement('ungroup', '{"userId": "leaver@example.com", "traits": {"website": "never-told.example"}}')); wait_drained($node, 'postgres'); $id }),
		'association ungroup unchanged company_not_found', 'a company that goes by a domain that no call has told');
	is(verdict(do { my $id = ask(ungroup('acme', 'u-never')); wait_drained($node, 'postgres'); $id }), 'association ungroup rejected contact_not_found', 'a userId that nobody tells');
	my $count = $sim->count('companies');
	is(verdict(do { my $id = ask(ungroup('beta', 'leaver@example.com')); wait_drained($node, 'postgres'); $id }), 'association ungroup delivered', 'a pair that is none: HubSpot does not say');
	for my $bad ('{"userId": "leaver@example.com"}', '{"groupId": "acme"}', '{"groupId": "acme", "userId": true}')
	{
		isnt($node->psql('postgres', statement('ungroup', $bad), stderr => \my $error), 0, "$bad is an error");
		like($error, qr/ungroup message has no (company|contact) key|"userId" of the message/, '... that says what is missing');
	}
	is($sim->count('companies'), $count, 'no company is made for it');

	# With HubSpot's other way to say that there is no such pair
	$sim->config(answers => ['absent_errors']);
	deliver(group('acme', 'leaver@example.com'), group('zeta', 'mover@example.com'), group('acme', 'joiner@example.com'), group('zeta', 'joiner@example.com'));
	my @ids = split /\n/, ask(q{SELECT hubspot_enqueue('ungroup', ARRAY['{"groupId": "beta", "userId": "leaver@example.com"}', '{"groupId": "acme", "userId": "mover@example.com"}', '{"groupId": "zeta", "userId": "joiner@example.com"}']::jsonb[])});
	wait_drained($node, 'postgres');
	is(join(', ', map { verdict($_) } @ids), 'association ungroup delivered, association ungroup delivered, association ungroup delivered', 'one that is none keeps nobody');
	is(in_hubspot('mover@example.com') . ', ' . in_hubspot('joiner@example.com'), 'beta zeta*, acme', 'and the others have left');
	is(verdict(do { my $id = ask(ungroup('beta', 'joiner@example.com')); wait_drained($node, 'postgres'); $id }), 'association ungroup unchanged OBJECT_NOT_FOUND', 'alone, it is unchanged');
	$sim->config(answers => []);
};

subtest 'a company that goes by its domain, and other ways to ask' => sub {
	deliver(statement('group', '{"userId": "leaver@example.com", "traits": {"website": "https://www.domain.example"}}'));
	is(companies('leaver@example.com'), 'acme domain.example', 'known by its domain');
	is(ask(q{SELECT method || ' ' || path || ' ' || body FROM hubspot_explain('ungroup', '{"userId": "leaver@example.com", "traits": {"website": "domain.example"}}')}) =~ s/\d{3,}/N/gr,
		'POST /crm/associations/N-09/contact/company/batch/archive {"inputs": [{"to": [{"id": "N"}], "from": {"id": "N"}}]}', 'hubspot_explain()');
	deliver(statement('ungroup', '{"userId": "leaver@example.com", "traits": {"website": "domain.example"}}'));
	is(companies('leaver@example.com') . '|' . in_hubspot('leaver@example.com'), 'acme|acme', 'is left');
	deliver(q{CREATE TABLE left_company (user_id text, group_id text);
		CREATE TRIGGER t AFTER INSERT ON left_company FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('ungroup');
		INSERT INTO left_company VALUES ('u-2', 'acme')});
	is(companies('leaver@example.com') . '|' . in_hubspot('leaver@example.com'), '|', 'by a trigger');

	# waits for who tells
	ask(q{ALTER SERVER crm OPTIONS (SET unknown_user_wait '1 hour')});
	deliver(group('acme', 'late@example.com'));
	my $id = ask(ungroup('acme', 'u-late'));
	becomes(sub { ask("SELECT state FROM hubspot.outbox_status WHERE id = $id") }, 'deferred', 'a userId that nobody has told yet waits');
	deliver(statement('identify', '{"userId": "u-late", "traits": {"email": "late@example.com"}}'));
	becomes(sub { verdict($id) }, 'association ungroup delivered', 'until somebody tells');
	is(companies('late@example.com') . '|' . in_hubspot('late@example.com'), '|', 'and leaves then');
	ask(q{ALTER SERVER crm OPTIONS (SET unknown_user_wait '0')});

	# taken back, and repeated
	deliver(group('acme', 'late@example.com'));
	stop_delivery($node);
	$id = ask(ungroup('acme', 'late@example.com'));
	ask("SELECT hubspot_cancel($id)");
	resume_delivery($node);
	becomes(sub { verdict($id) }, 'association ungroup cancelled cancelled', 'cancelled');
	is(in_hubspot('late@example.com'), 'acme*', 'HubSpot was not asked');
	deliver("SELECT hubspot_retry($id)");
	is(in_hubspot('late@example.com'), '', 'repeated by hubspot_retry()');
};

# What the tables and HubSpot have of these contacts.
sub where { return join ', ', map { companies("$_\@example.com") . '|' . in_hubspot("$_\@example.com") =~ tr/*//dr } @_ }

subtest 'a followed table of associations that removes' => sub {
	ask('CREATE TABLE staff (id int PRIMARY KEY, email text, company text)');
	my $declare = q{SELECT hubspot_sync('staff', 'staff', 'association', mapping => '{"contact": "email", "company": "company"}', backfill => false, deletes => };
	for my $wrong ('clear', 'archive')
	{
		isnt($node->psql('postgres', "$declare '$wrong')", stderr => \my $error), 0, "deletes '$wrong' is an error");
		like($error, qr/deletes of a sync of associations is "ignore" or "remove"/, '... that says what there is');
	}
	isnt($node->psql('postgres', q{SELECT hubspot_sync('x', 'staff', mapping => '{"email": "email"}', deletes => 'remove')}, stderr => \my $error), 0, 'and remove is for associations');
	ask("$declare 'remove')");
	deliver(map { statement('identify', qq{\{"email": "$_\@example.com"\}}) } qw(ann bob cyd));
	deliver(q{INSERT INTO staff VALUES (1, 'ann@example.com', 'acme'), (2, 'bob@example.com', 'beta'), (3, 'cyd@example.com', 'zeta'), (4, 'cyd@example.com', 'acme')});
	is(where(qw(ann bob cyd)), 'acme|acme, beta|beta, acme zeta|acme zeta', 'inserted: joined');
	my $last = ask('SELECT max(id) FROM hubspot.outbox');
	deliver(q{UPDATE staff SET company = 'beta' WHERE id = 1});
	is(ask("SELECT string_agg(call || ' ' || (message->>'company'), ', ' ORDER BY id) || count(DISTINCT xid) FROM hubspot.outbox WHERE id > $last"), 'ungroup acme, group beta1', 'a changed company is one leave and one join in one transaction');
	is(where('ann'), 'beta|beta', 'which HubSpot follows');
	deliver(q{UPDATE staff SET company = CASE company WHEN 'beta' THEN 'zeta' ELSE 'beta' END, email = CASE id WHEN 1 THEN 'bob@example.com' WHEN 2 THEN 'ann@example.com' ELSE email END WHERE id IN (1, 2)});
	is(where(qw(ann bob)), 'zeta|zeta, zeta|zeta', 'two rows that exchange contacts and companies');
	deliver(q{UPDATE staff SET email = CASE id WHEN 1 THEN 'ann@example.com' ELSE 'bob@example.com' END WHERE id IN (1, 2)});
	is(where(qw(ann bob)), 'zeta|zeta, zeta|zeta', 'and back');
	deliver(q{UPDATE staff SET id = id + 10});
	is(where(qw(ann bob cyd)), 'zeta|zeta, zeta|zeta, acme zeta|acme zeta', 'other columns say nothing');
	deliver(q{UPDATE staff SET company = NULL WHERE id = 11});
	is(where('ann'), '|', 'NULL: left');
	deliver(q{UPDATE staff SET company = 'acme' WHERE id = 11});
	is(where('ann'), 'acme|acme', 'and joined again');
	deliver(q{DELETE FROM staff WHERE id IN (12, 14)});
	is(where(qw(bob cyd)), '|, zeta|zeta', 'deleted: left');
	deliver('BEGIN; DELETE FROM staff; ROLLBACK');
	is(where(qw(ann cyd)), 'acme|acme, zeta|zeta', 'rolled back: nothing');
	my ($out, $warning);
	$node->psql('postgres', 'TRUNCATE staff', stderr => \$warning);
	like($warning, qr/None of its records is removed by the sync "staff"/, 'TRUNCATE says that it is not followed');
	wait_drained($node, 'postgres');
	is(where(qw(ann cyd)), 'acme|acme, zeta|zeta', 'and is not');
	ask(q{SELECT hubspot_drop_sync('staff')});
};

subtest 'compared associations that remove' => sub {
	ask(q{CREATE TABLE desks (email text, company text); INSERT INTO desks VALUES ('ann@example.com', 'zeta'), ('ann@example.com', 'beta'), ('bob@example.com', 'beta');
		SELECT hubspot_sync('desks', 'SELECT * FROM desks', 'association', mapping => '{"contact": "email", "company": "company"}', deletes => 'remove', max_shrink => 1)});
	my $refresh = sub { ask(q{SELECT hubspot_refresh('desks', confirm => true)}); wait_drained($node, 'postgres') };
	$refresh->();
	is(where(qw(ann bob)), 'acme beta zeta|acme beta zeta, beta|beta', 'what the query returns');
	ask(q{UPDATE desks SET company = 'acme' WHERE email = 'bob@example.com'; DELETE FROM desks WHERE company = 'zeta'});
	$refresh->();
	is(where(qw(ann bob)), 'acme beta|acme beta, acme|acme', 'what it returns no more, and instead');
	ask(q{UPDATE desks SET email = 'Bob@Example.com' WHERE email = 'bob@example.com'});
	$refresh->();
	is(where('bob'), 'acme|acme', 'another spelling of a contact is no leave');
	deliver(statement('delete', '{"userId": "bob@example.com", "gdpr": true}'));
	is(ask(q{SELECT string_agg(key, ' ') FROM hubspot.member m JOIN hubspot.sync d ON d.id = m.sync WHERE d.name = 'desks'}), 'beta ann@example.com', 'who is erased leaves the definition, too');
	is(ask(q{SELECT count(*) FROM hubspot.company_contact WHERE contact ILIKE 'bob@%'}), '0', 'and every company, also those of before');
};

$node->stop;
done_testing();
