# pg_upgrade with definitions, verdicts, a deferred row, a paused account and
# rows that wait: the new cluster is held until hubspot_arm(), and then every
# row is sent once, in its order, for its account, with those that were queued
# in the new cluster before it was armed.  Once with --copy, once with --link.
use strict;
use warnings;

use PostgreSQL::Test::BackgroundPsql ();
use PostgreSQL::Test::Utils;
use Test::More;

use HubSpotTest;

my $sim = start_simulator(config => { burst_limit => 0 });
my $old = hubspot_cluster('old', install_path => $ENV{OLD_INSTALL}, conf => 'hubspot.failover_window = 0');
my $node = $old;

sub ask { return $node->safe_psql('postgres', $_[0]) }

# Calls of an account, each in a transaction of its own: [name, zip] ...
sub call
{
	my ($server, @calls) = @_;
	ask(join ';', map { "SELECT hubspot_identify('{\"email\": \"$_->[0]\@example.com\", \"zip\": \"$_->[1]\"}', '$server')" } @calls);
}

# What HubSpot was told of contacts since then, in its order, as name=zip.
sub arrivals
{
	my ($since) = @_;
	my @all = $sim->log;
	return map { ($_->{key} // '') =~ /^(.*)@/ ? "$1=" . ($_->{properties}{zip} // '') : () } @all[ $since .. $#all ];
}

sub ids_of { return ask("SELECT string_agg(id::text, ',' ORDER BY id) FROM hubspot.outbox_status WHERE $_[0]") }

# A SERVER between the others that is gone, so that oids are others in the new cluster.
create_account($old, 'postgres', $_, $sim) for qw(spare shop gone crm);
ask('DROP SERVER spare');
ask(q{CREATE TABLE people (id int PRIMARY KEY, email text, zip text, plan text);
	INSERT INTO people SELECT i, 'person' || i || '@example.com', i, 'free' FROM generate_series(1, 50) i;
	SELECT hubspot_sync('people', 'people', mapping => '{"email": "email", "zip": "zip"}', server => 'crm');
	SELECT hubspot_audience('Professionals', $$SELECT email FROM people WHERE plan = 'pro' OR id <= 5$$, create_in_hubspot => true, server => 'crm');
	SELECT hubspot_trait('Plan', $$SELECT email, plan FROM people$$, property => 'plan', server => 'crm');
	SELECT hubspot_refresh('Professionals');
	SELECT hubspot_refresh('Plan')});
call('crm', map { [ "early$_", 1 ] } 1 .. 20);
call('shop', [ 'shop_early', 1 ]);
call('gone', [ 'gone_early', 1 ]);
wait_drained($node, 'postgres');
wait_until(sub { ask(q{SELECT state FROM hubspot.backfills}) eq 'done' }, 'the back-fill to end');
is(ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE verdict NOT IN ('delivered', 'coalesced', 'unchanged')}), '0', 'before, all is delivered');

# A row that HubSpot fails at, an account that is paused, and then HubSpot is away
$sim->fault(match => { path => 'batch/upsert', record => 'slow@' }, action => 'record_error', category => 'INTERNAL_ERROR', body => 'try again', times => 0);
call('crm', [ 'slow', 1 ], [ 'beside', 1 ]);
wait_until(sub { ask('SELECT count(*) FROM hubspot.deferred') eq '1' }, 'a row to be deferred');
$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 503, times => 0);
ask(q{SELECT hubspot_pause('shop', 'contacts', 'until the upgrade is over')});
call('crm', map { [ 'ordered', $_ ] } 1 .. 5);
call('crm', map { [ "waits$_", 1 ] } 1 .. 30);
call('crm', [ 'slow', 2 ]);
call('shop', [ 'shop_waits', 1 ]);
call('gone', [ 'gone_waits', 1 ]);
ask(q{UPDATE people SET zip = 'moved' WHERE id <= 10});
ask('DROP SERVER gone');
wait_until(sub { ask(q{SELECT verdict FROM hubspot.outbox_status WHERE key = 'gone_waits@example.com'}) eq 'cancelled' }, 'what belongs to no SERVER to end');
wait_until(sub { ask(q{SELECT state FROM hubspot.status WHERE server = 'crm' AND lane = 'contacts'}) eq 'BACKOFF' }, 'the lane to meet the outage');
my $waiting = ids_of("state <> 'done'");
my $all = ids_of('true');
my $members = ask('SELECT count(*) FROM hubspot.members');
my $last = ask('SELECT max(id) FROM hubspot.outbox');
my %oids = map { split /\|/ } split /\n/, ask('SELECT srvname, oid FROM pg_foreign_server');
worker_pid($node, 'postgres');

# Minor releases since 15.20 and 17.12 note a version of each column as an option that older ones do not know: such
# a new server takes over no table at all, of whomever.  For the sake of the rest they are taken away then.
if (ask(q{SELECT count(*) FROM pg_attribute WHERE attoptions::text LIKE '%pg_attver%'}) > 0 && slurp_file("$ENV{NEW_INSTALL}/bin/postgres") !~ /pg_attver/)
{
	diag 'the new server is of an older minor release than the old one: options pg_attver are taken away';
	ask(q{SET allow_system_table_mods = on; UPDATE pg_attribute SET attoptions = NULL WHERE attoptions::text LIKE '%pg_attver%' AND attrelid >= 16384});
}
$old->stop('fast');

for my $mode ('--copy', '--link')
{
	my $new = hubspot_cluster("new$mode", install_path => $ENV{NEW_INSTALL}, start => 0,
		init => [ extra => [ `"$ENV{NEW_INSTALL}/bin/postgres" --version` =~ / (\d+)/ && $1 >= 18 ? '--no-data-checksums' : () ] ]);
	my $place = PostgreSQL::Test::Utils::tempdir_short();
	chdir $place or die "$place: $!";
	my ($out, $err);
	my $done = IPC::Run::run([ "$ENV{NEW_INSTALL}/bin/pg_upgrade", '--no-sync', $mode, '-d', $old->data_dir, '-D', $new->data_dir,
			'-b', "$ENV{OLD_INSTALL}/bin", '-B', "$ENV{NEW_INSTALL}/bin", '-s', $place, '-p', $old->port, '-P', $new->port ],
		'>', \$out, '2>', \$err);
	ok($done, "pg_upgrade $mode") or do
	{
		diag "$out\n$err";
		diag slurp_file($_) for glob($new->data_dir . '/pg_upgrade_output.d/*/log/*'), glob("$place/*.log");
		last;
	};
	my $sent = $sim->log;
	my $asked = $sim->requests;
	$node = $new;
	$new->start;

	# Held, and whole
	wait_until(sub { ask(q{SELECT state FROM hubspot.workers}) eq 'held' }, 'the worker to be held');
	like(ask('SELECT problem FROM hubspot_health()'), qr/^the worker is held: this database came from another cluster \(pg_upgrade/, 'health says why it is held');
	is(ids_of('true'), $all, 'every row is there');
	is(ask("SELECT string_agg(name || ' ' || kind, ', ' ORDER BY name) FROM hubspot.sync"), 'Plan trait, Professionals audience, people sync', 'so are the definitions');
	my %new_oids = map { split /\|/ } split /\n/, ask('SELECT srvname, oid FROM pg_foreign_server');
	isnt($new_oids{crm}, $oids{crm}, "a SERVER has another oid: $oids{crm}, $new_oids{crm}; shop: $oids{shop}, $new_oids{shop}");
	call('crm', [ 'ordered', 6 ], [ 'late', 1 ]);
	call('shop', [ 'shop_late', 1 ]);
	ask(q{UPDATE people SET zip = 'moved again' WHERE id = 1});
	cmp_ok(ask('SELECT min(id) FROM hubspot.outbox WHERE id > ' . $last), '==', $last + 1, 'ids go on where they ended');
	$sim->clear_faults;
	$new->restart;
	wait_until(sub { ask(q{SELECT state FROM hubspot.workers}) eq 'held' }, 'another worker to be held');
	$new->reload;
	ask('SELECT pg_reload_conf()');
	wait_until(sub { ask(q{SELECT state FROM hubspot.workers}) eq 'held' }, 'the worker to be held still');
	is(scalar(my @none = $sim->requests($asked)), 0, 'nothing is sent while it is held');

	# Armed
	ask('SELECT hubspot_arm()');
	my $left = q{SELECT string_agg(key, ' ' ORDER BY id) FROM hubspot.outbox_status WHERE state <> 'done'};
	wait_until(sub { $node->psql('postgres', q{SELECT hubspot_retry(id) FROM hubspot.deferred}); ask($left) eq 'shop_waits@example.com shop_late@example.com' },
		sub { 'all but the paused account to be done: ' . ask($left) });
	is(ask(q{SELECT state, reason LIKE '%until the upgrade is over%' FROM hubspot.status WHERE server = 'shop' AND lane = 'contacts'}), 'PAUSED|t', 'what was paused is paused');
	ask(q{SELECT hubspot_resume('shop', 'contacts')});
	wait_drained($node, 'postgres');
	my @came = arrivals($sent);
	my %times;
	$times{$_}++ for @came;
	is(join(' ', sort grep { $times{$_} > 1 } keys %times), '', 'nothing is sent twice');
	is(join(' ', sort grep { !/^person/ } @came), join(' ', sort 'ordered=6', 'late=1', 'slow=2', 'shop_waits=1', 'shop_late=1', map { "waits$_=1" } 1 .. 30),
		'what waited is sent, and what was queued since, the newest value of each contact last');
	is($sim->contact('ordered@example.com')->{properties}{zip}, '6', 'the order of a contact is kept');
	is(join(' ', sort grep { /^person/ } @came), join(' ', sort 'person1=moved again', map { "person$_=moved" } 2 .. 10), 'and what was changed in a followed table');
	is(ask("SELECT concat_ws(' ', key, verdict, category, message, attempt) FROM hubspot.outbox_status WHERE id IN ($waiting) AND verdict NOT IN ('delivered', 'coalesced')"), '', 'all of it has arrived');
	is(ask('SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'), '0', 'and one only');
	is(ask(q{SELECT string_agg(DISTINCT coalesce(server, '-') || CASE WHEN key LIKE 'shop%' THEN ' shop' WHEN key LIKE 'gone%' THEN ' gone' ELSE '' END, ', ') FROM hubspot.outbox_status}),
		'- gone, crm, shop shop', 'each row is of its account');
	is(ask(q{SELECT count(*) FROM hubspot.record r WHERE NOT EXISTS (SELECT FROM pg_foreign_server s WHERE s.oid = r.server) AND r.key NOT LIKE 'gone%'}), '0',
		'the record ids are');

	# It goes on
	is(ask('SELECT count(*) FROM hubspot.members'), $members, 'members are kept');
	is(ask(q{SELECT entered, changed, exited FROM hubspot_refresh('Professionals')}), '0|0|0', 'a refresh finds nothing to send');
	ask(q{UPDATE people SET plan = 'pro', zip = 'new' WHERE id = 20});
	is(ask(q{SELECT entered, changed, exited FROM hubspot_refresh('Professionals')}), '1|0|0', 'but what is new');
	is(ask(q{SELECT entered, changed, exited FROM hubspot_refresh('Plan')}), '0|1|0', 'of a trait as well');
	wait_drained($node, 'postgres');
	is($sim->contact('person20@example.com')->{properties}{zip}, 'new', 'the table is followed');
	is($sim->contact('person20@example.com')->{properties}{plan}, 'pro', 'the trait arrives');
	ask(q{UPDATE people SET plan = 'free', zip = '20' WHERE id = 20});
	ask(q{ALTER SERVER shop RENAME TO store; ALTER SERVER store RENAME TO shop});
	is(ask(q{SELECT string_agg(name || ' ' || (server = (SELECT oid FROM pg_foreign_server WHERE srvname = name)), ', ' ORDER BY name) FROM hubspot.server_name}),
		'crm true, shop true', 'names of SERVERs are noted again');
	wait_drained($node, 'postgres');
	is(ask('SELECT problem FROM hubspot_health()'), '', 'all is well');
	$new->stop;
	unlike(slurp_file($new->logfile), qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
	chdir '/';
}
done_testing();
