# What functions tell of other people's rows: nothing to who may only queue, whichever
# function he asks, and whoever runs it for him.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('seen');
create_account($node, 'postgres', 'acme', $sim, skip_unchanged => 'true');
create_account($node, 'postgres', 'mine', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub as { my ($role, $sql) = @_; return $node->safe_psql('postgres', "SET ROLE $role; $sql") }

sub error_of { my ($role, $sql) = @_; my ($status, undef, $error) = $node->psql('postgres', "SET ROLE $role; $sql"); return $status ? $error : 'no error' }

# bob may queue for acme; mallory for mine alone; support may read the tables, too.
ask(q{CREATE ROLE bob; CREATE ROLE mallory; CREATE ROLE support;
	GRANT CREATE ON SCHEMA public TO bob, mallory;
	GRANT USAGE ON FOREIGN SERVER acme TO bob, support; GRANT USAGE ON FOREIGN SERVER mine TO mallory;
	GRANT SELECT ON hubspot.record, hubspot.confirmed, hubspot.company_contact TO support;
	SELECT hubspot_create_event('seen', '{}', server => 'acme');
	SELECT hubspot_create_property('contact', 'peek', 'bool', server => 'acme');
	SELECT hubspot_group('{"userId": "u-77", "traits": {"name": "Victim", "website": "victimcorp.com"},
		"context": {"traits": {"email": "boss@example.com", "firstName": "Vic"}}}', 'acme');
	SELECT hubspot_group('{"userId": "clerk@example.com", "traits": {"website": "victimcorp.com"}}', 'acme');
	SELECT hubspot_identify('{"userId": "u-77", "traits": {"email": "boss@example.com", "firstName": "Vic"}}', 'acme')});
wait_drained($node, 'postgres');
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.record WHERE key = 'u-77'}) eq '1' }, 'the record map');
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.confirmed}) > 0 }, 'the confirmed values');
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.account WHERE token_fingerprint IS NOT NULL}) eq '2' }, 'what they are confirmed of');

#
# hubspot_explain(): a call that names somebody, and the same for a stranger
#
my %calls = (
	track => '{"event": "seen", "userId": "%s", "timestamp": "2026-11-23T10:00:00Z", "messageId": "m"}',
	identify => '{"userId": "%s", "traits": {"email": "%s@example.com", "firstName": "Vic"}}',
	group => '{"userId": "%s", "traits": {"website": "%scorp.com", "name": "Victim"}}',
	delete => '{"userId": "%s"}',
	add_to_list => '{"list": "L", "userId": "%s"}');

sub explained
{
	my ($role, $call, @who) = @_;
	my $message = sprintf $calls{$call}, @who;
	my $text = as($role, "SELECT x FROM hubspot_explain('$call', \$\$$message\$\$, 'acme') x");
	for my $n (0 .. $#who) { $text =~ s/\Q$who[$n]\E/WHO$n/g }
	return $text =~ s/"uuid": "[^"]*"/"uuid"/gr =~ s/""uuid"": ""[^"]*""/uuid/gr;
}

my %known = (track => ['u-77'], identify => [ 'u-77', 'boss' ], group => [ 'u-77', 'victim' ], delete => ['u-77'], add_to_list => ['u-77']);
my %stranger = (track => ['u-00'], identify => [ 'u-00', 'none' ], group => [ 'u-00', 'nobody' ], delete => ['u-00'], add_to_list => ['u-00']);
my $told = 0;
for my $call (sort keys %calls)
{
	is(explained('bob', $call, @{ $known{$call} }), explained('bob', $call, @{ $stranger{$call} }), "$call: to who may queue, everybody is a stranger");
	$told++ if explained('support', $call, @{ $known{$call} }) ne explained('support', $call, @{ $stranger{$call} });
}
cmp_ok($told, '>=', 4, 'to who may read the tables they are not');
like(explained('support', 'identify', @{ $known{identify} }), qr/unchanged/, 'which values HubSpot has, for example');
is(explained('postgres', $_, @{ $known{$_} }), explained('support', $_, @{ $known{$_} }), "$_: the owner sees the same") for sort keys %calls;
ask('REVOKE SELECT ON hubspot.confirmed FROM support');
unlike(explained('support', 'identify', @{ $known{identify} }), qr/unchanged/, 'of confirmed values who may read these');
ask('GRANT SELECT ON hubspot.confirmed TO support');

#
# ... where another user stands outside
#
like(error_of('mallory', q{SELECT * FROM hubspot_explain('delete', '{"userId": "u-77"}', 'acme')}), qr/permission denied for foreign server acme/, 'USAGE is needed');
as('mallory', q{CREATE TABLE loot (said text);
	CREATE FUNCTION spy() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
		INSERT INTO loot SELECT e::text FROM hubspot_explain('track', '{"event": "seen", "userId": "u-77"}', 'acme') e;
		RETURN 'x@example.com'; END $$;
	SELECT hubspot_audience('spy', 'SELECT spy()', server => 'mine', every => '1 minute', create_in_hubspot => true)});
wait_until(sub { ask(q{SELECT problem FROM hubspot.syncs WHERE name = 'spy'}) =~ /permission denied for foreign server acme/ },
	sub { 'the refresher: ' . ask(q{SELECT * FROM hubspot.syncs}) });
pass('the refresher lends no right');
like(error_of('postgres', q{SELECT hubspot_refresh('spy')}), qr/permission denied for foreign server acme/, 'neither does a superuser who refreshes');
is(ask('SELECT count(*) FROM loot'), '0', 'nothing was told');
like(error_of('bob', q{SELECT * FROM hubspot.explain('track', '{"event": "seen", "userId": "u-77"}', 'acme')}), qr/permission denied/, 'the function for previews is nobody else\'s');

#
# Previews
#
my $sample = q{SELECT string_agg(item || coalesce(detail, '') || coalesce(body::text, ''), ' ' ORDER BY item, detail) FROM };
for my $role (qw(bob support))
{
	unlike(as($role, "$sample hubspot_audience_preview('SELECT \$\$u-77\$\$::text', property => 'peek', server => 'acme')"), qr/5140\d{4}|unchanged/, "$role: no id in an audience's sample");
}
my $strangers = sub { as($_[0], "$sample hubspot_audience_preview('SELECT unnest(ARRAY[''u-77'', ''u-00''])', property => 'peek', server => 'acme')") };
unlike($strangers->('bob'), qr/were not seen/, 'which userIds are known is not counted for who may queue');
like($strangers->('support'), qr/were not seen[^:]*\D*: 1/, 'but for who may read the table');
my $contacts = sub { as($_[0], "$sample hubspot_audience_preview('SELECT ''victimcorp.com''', level => 'account_users', property => 'peek', server => 'acme')") };
like($contacts->('bob'), qr/how many contacts these companies have is shown to who may SELECT hubspot.company_contact/, 'contacts of companies are not counted, either');
unlike($contacts->('bob'), qr/boss|clerk|"contacts": \d/, 'nor shown');
like($contacts->('support'), qr/"contacts": 2/, 'but for who may read them');

#
# Who belongs to a company
#
as($_, qq{SELECT hubspot_audience('peek $_', \$\$SELECT 'victimcorp.com'\$\$, level => 'account_users', property => 'peek', server => 'acme')}) for qw(bob support);
my $refused = error_of('bob', q{SELECT * FROM hubspot_refresh_preview('peek bob')});
like($refused, qr/permission denied for the members of audience "peek bob"/, 'the preview of account_users is refused');
like($refused, qr/HINT:.*GRANT SELECT ON hubspot.company_contact/, 'with what would help');
is(as('bob', q{SELECT entered FROM hubspot_refresh('peek bob')}), '2', 'the refresh works, and counts');
like(error_of('bob', "SELECT * FROM hubspot.$_"), qr/permission denied/, "$_ are shown to nobody who may only queue") for qw(members member company_contact company_contacts record confirmed outbox outbox_status failures);
is(as('support', q{SELECT string_agg(key, ' ' ORDER BY key) FROM hubspot_refresh_preview('peek support')}), 'boss@example.com clerk@example.com', 'who may read the table sees who');
wait_drained($node, 'postgres');
is($sim->contact('clerk@example.com')->{properties}{peek}, 'true', 'and HubSpot hears of them all the same');
done_testing();
