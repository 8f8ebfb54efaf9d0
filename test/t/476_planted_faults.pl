# Faults that an operator meets, planted one after the other: hubspot_health() names each, and is
# empty again when the statements of its remedy have been run as they are printed there.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use POSIX ();
use PostgreSQL::Test::Utils qw(append_to_file slurp_file system_or_bail);
use Test::More;
use Time::HiRes ();

my $sim = start_simulator(config => { burst_limit => 10000 });
# While the file is there, the disk is full for what a database holds (test/library/full_disk.c).
system_or_bail('make', '-s', '-C', 'test/library');
my $full = PostgreSQL::Test::Utils::tempdir() . '/full';
my $node;
{
	local %ENV = (%ENV, FULL_DISK => $full, LD_PRELOAD => POSIX::getcwd() . '/test/library/full_disk.so');
	$node = hubspot_cluster('faults');
}
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub has_tiers
{
	$sim->add_property('contacts', name => 'tier', type => 'enumeration', fieldType => 'select',
		options => [ map { { value => $_, label => ucfirst $_, displayOrder => 0, hidden => JSON::PP::false() } } @_ ]);
}

has_tiers('gold', 'silver');
$sim->add_property('contacts', name => 'seats', type => 'number', fieldType => 'number');
ask(q{SELECT hubspot_refresh_schema(); SELECT hubspot_create_event('order_placed', '{"total": "number"}', 'Order Placed'); SELECT hubspot_drain('1 minute');
	CREATE TABLE people (id int PRIMARY KEY, email text, first_name text, tier text, seats text, shoe int);
	INSERT INTO people SELECT i, 'p' || i || '@example.com', 'P' || i, 'gold', i, i FROM generate_series(1, 20) i;
	CREATE TABLE purchases (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text, total numeric, placed_at timestamptz DEFAULT now());
	CREATE TABLE readings (id int, email text, city text) PARTITION BY RANGE (id);
	CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (0) TO (1000);
	CREATE ROLE marketing; CREATE ROLE sales;
	GRANT USAGE ON FOREIGN SERVER crm TO marketing, sales;
	GRANT SELECT ON people TO sales;
	SELECT hubspot_sync('people', 'people', mapping => '{"email": "email", "firstname": "first_name", "tier": "tier", "seats": "seats"}');
	SELECT hubspot_sync('readings', 'readings', mapping => '{"email": "email", "city": "city"}');
	SELECT hubspot_sync('purchases', 'purchases', 'event', key => 'id', event => 'Order Placed', mapping => '{"email": "email", "timestamp": "placed_at", "total": "total"}');
	SELECT hubspot_audience('few', 'SELECT email FROM people WHERE id < 10', every => '1 second', create_in_hubspot => true);
	SELECT hubspot_sync('names', 'SELECT email, first_name FROM people', mapping => '{"email": "email", "firstname": "first_name"}', every => '1 second')});
wait_drained($node, 'postgres');

sub health { return ask(q{SELECT concat(problem, E'\n\t', remedy) FROM hubspot_health()}) }

becomes(\&health, '', 'all is well');

# The statements of a remedy; ROLE is for who reads it to choose.
my $argument = qr/'[^']*'|[^()']/;
my $statement = qr/SELECT (?:\w+\.)?(?:hubspot|pg)_\w+\($argument*\)|SELECT [\w, *]+ FROM hubspot\.\w+ WHERE \w+ = (?:\d+|'[^']*')/;

sub run_remedy
{
	my ($name, $said) = @_;
	my @statements = map { s/'ROLE'/'sales'/r } map { /($statement)/g } grep { /^\t/ } split /\n/, $said;
	ok(@statements > 0, "$name: the remedy has statements") or diag($said);
	for (@statements)
	{
		my ($code, undef, $error) = $node->psql('postgres', $_);
		is($code, 0, "... $_") or diag($error);
	}
}

my $locker;
my @faults = (
	{	name => 'a property that HubSpot does not have',
		plant => sub { ask(q{SELECT hubspot_sync('shoes', 'people', mapping => '{"email": "email", "shoe_size": "shoe"}', create_in_hubspot => NULL)}) },
		says => qr/sync "shoes" were rejected: HubSpot has no property shoe_size\n\tSELECT public\.hubspot_create_property/ },
	{	name => 'a column of a wrong type',
		plant => sub { ask(q{ALTER TABLE people ALTER seats TYPE boolean USING true; UPDATE people SET seats = false}) },
		says => qr/sync "people" went without a column: left out: seats \(invalid_number\)\n\tSELECT verdict, message, warnings FROM/,
		mend => sub { ask(q{ALTER TABLE people ALTER seats TYPE int USING 5}) } },
	{	name => 'an option that HubSpot does not have',
		plant => sub { ask(q{UPDATE people SET tier = 'bronze' WHERE id < 15}) },
		says => qr/sync "people" went without a column: HubSpot has no such option of tier\n\t.*SELECT hubspot_refresh_schema\('crm'\)/,
		mend => sub { $sim->api('DELETE', '/crm/v3/properties/contacts/tier'); has_tiers('gold', 'silver', 'bronze') } },
	{	name => 'a scope that was revoked',
		plant => sub {
			$sim->config(scopes => [ 'oauth', 'crm.objects.contacts.read', 'crm.schemas.contacts.read' ]);
			ask(q{UPDATE people SET first_name = 'scope' WHERE id = 1; INSERT INTO purchases (email, total) VALUES ('p1@example.com', 5)});
		},
		says => qr/lane contacts: the token lacks a scope: crm\.objects\.contacts\.write\n(?:.*\n)*.*lane events: the token lacks a scope: /,
		mend => sub { $sim->config(scopes => undef) } },
	{	name => 'a wrong token',
		plant => sub { write_token($node, 'crm', 'pat-na1-00000000-2222-3333-4444-555555555555'); $node->reload },
		says => qr/lane contacts: HubSpot does not accept the token/,
		mend => sub { write_token($node, 'crm', $HubSpotTest::token) } },
	{	name => 'a role that was dropped in another database',
		plant => sub {
			ask(q{GRANT SELECT ON people TO marketing; SELECT hubspot_alter_owner('names', 'marketing'); REVOKE ALL ON people FROM marketing;
				REVOKE ALL ON FOREIGN SERVER crm FROM marketing});
			$node->safe_psql('template1', 'DROP ROLE marketing');
		},
		says => qr/sync "names": .*role "marketing", .*does not exist any more/ },
	{	name => 'a partition that comes with rows',
		plant => sub {
			$node->psql('postgres', q{CREATE TABLE readings_2 (LIKE readings); INSERT INTO readings_2 VALUES (1001, 'r2@example.com', 'Bonn');
				ALTER TABLE readings ATTACH PARTITION readings_2 FOR VALUES FROM (1000) TO (2000)});
		},
		says => qr/sync "readings" were rejected: bad_message/,
		holds => sub { is($sim->contact('r2@example.com')->{properties}{city}, 'Bonn', '... its rows are there') } },
	{	name => 'disabled triggers',
		plant => sub { ask(q{ALTER TABLE readings_1 DISABLE TRIGGER USER; INSERT INTO readings_1 VALUES (2, 'missed@example.com', 'Ulm')}) },
		says => qr/sync "readings": the trigger "\w+" of table public\.readings_1 is disabled/,
		holds => sub { is($sim->contact('missed@example.com')->{properties}{city}, 'Ulm', '... what was missed is there') } },
	{	name => 'a column that was renamed under a query',
		plant => sub { ask(q{ALTER TABLE people RENAME first_name TO given_name; UPDATE people SET given_name = 'Renamed' WHERE id = 1}) },
		says => qr/sync "names": column "first_name" does not exist\n\tmend what it names/,
		mend => sub { ask(q{ALTER TABLE people RENAME given_name TO first_name}) },
		holds => sub { is($sim->contact('p1@example.com')->{properties}{firstname}, 'Renamed', '... and a followed table is followed') } },
	{	name => 'a column that was dropped',
		plant => sub { ask(q{ALTER TABLE people DROP COLUMN shoe}) },
		says => qr/sync "shoes": mapped columns do not exist any more: "shoe"\n\tundo what has changed, declare it anew/,
		mend => sub { ask(q{SELECT hubspot_sync('shoes', 'people', mapping => '{"email": "email", "shoe_size": "seats"}')}) } },
	{	name => 'a full disk',
		plant => sub {
			ask(q{SELECT hubspot_pause('crm', 'contacts'); SELECT count(hubspot_identify(jsonb_build_object('email', 'd' || i || '@example.com'))) FROM generate_series(1, 3000) i});
			append_to_file($full, '');
			ask(q{SELECT hubspot_resume('crm', 'contacts')});
		},
		says => qr/^the worker: writing results fails again and again: there is no space left on the disk\n\tfree space in the data directory/,
		looks => sub { becomes(sub { ask(q{SELECT reason FROM hubspot.status WHERE lane = 'contacts'}) }, qr/no space left on the disk/, '... hubspot.status says so, too') },
		mend => sub { unlink $full },
		nothing_to_run => 1,
		holds => sub { is(ask(q{SELECT count(*) FROM hubspot.results WHERE key ~ '^d\d' AND verdict = 'delivered'}), 3000, '... each row has its verdict') } },
	{	name => 'a table that somebody locks',
		plant => sub {
			$locker = $node->background_psql('postgres');
			$locker->query_safe('BEGIN; LOCK TABLE hubspot.result IN EXCLUSIVE MODE');
			ask(q{SELECT hubspot_identify('{"email": "locked@example.com"}')});
		},
		says => qr/^the worker: writing results fails again and again: another session holds a lock on a table that it needs\n\tend that transaction: SELECT pg_terminate_backend/ });

# What leaves the database meanwhile
my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN hubspot');
my $log_begins = -s $node->logfile;

for my $fault (@faults)
{
	my $name = $fault->{name};
	my $begun = Time::HiRes::time();
	my $said;

	$fault->{plant}->();
	becomes(sub { $said = health() }, $fault->{says}, "$name: hubspot_health() says so");
	note sprintf "after %.1f s: %s", Time::HiRes::time() - $begun, $said;
	$fault->{looks}->() if $fault->{looks};
	$fault->{mend}->() if $fault->{mend};
	run_remedy($name, $said) unless $fault->{nothing_to_run};
	becomes(\&health, '', '... and all is well again');
	wait_drained($node, 'postgres');
	$fault->{holds}->() if $fault->{holds};
}

my @worker;
wait_until(
	sub {
		push @worker, grep { $_->{kind} eq 'worker' } map { JSON::PP->new->decode($_) } $listener->query_safe('SELECT 1') =~ /with payload "(\{.*\})" received/g;
		@worker >= 4;
	},
	'notifications of what the worker could not do');
is(join(', ', map { $_->{reason} // 'over' } @worker),
	'writing results fails again and again: there is no space left on the disk, over, writing results fails again and again: another session holds a lock on a table that it needs, over',
	'what the worker cannot do is notified, and its end');
$listener->quit;
like(slurp_file($node->logfile, $log_begins), qr/LOG:  HubSpot worker: writing results fails again and again: there is no space left.*LOG:  HubSpot worker: what failed again and again goes well again/s,
	'... and logged');

# No fault: it is followed
ask(q{INSERT INTO readings_1 VALUES (1, 'direct@example.com', 'Bonn')});
wait_drained($node, 'postgres');
is($sim->contact('direct@example.com')->{properties}{city}, 'Bonn', 'a partition that is written directly is followed');
is(health(), '', 'and nothing is wrong');

done_testing();
