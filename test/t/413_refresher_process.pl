# The refresher as a process: no room for it, its crashes, ends of the server, copies.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('process', conf => "max_worker_processes = 3\nrestart_after_crash = on");
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }
sub log_has { my ($pattern) = @_; return scalar(() = PostgreSQL::Test::Utils::slurp_file($node->logfile) =~ /$pattern/g) }
sub health { return ask(q{SELECT count(*) FROM hubspot_health() WHERE problem LIKE 'refreshes and back-fills wait: no background worker slot is free%'}) }

# No process left: launcher, replication launcher and worker have all there are
ask(q{SELECT hubspot_trait('one', 'SELECT ''ada@example.com'', ''Bonn''', property => 'city', every => '1 second')});
wait_until(sub { health() eq '1' }, 'hubspot_health() to say that no process can be started');
ask(q{SELECT hubspot_identify('{"email": "bob@example.com"}')});
wait_until(sub { $sim->contact('bob@example.com') }, 'a call');
pass('calls do not need it');
wait_until(sub { ask('SELECT refresher_problem IS NOT NULL FROM hubspot.workers') eq 't' }, 'the view to say so');
is(log_has(qr/out of background worker slots for the hubspot refresher of database "postgres"/), 1, 'the log says so once');
ask('ALTER SYSTEM SET max_worker_processes = 8');
$node->restart;
wait_until(sub { $sim->contact('ada@example.com') }, 'the refresh');
becomes(sub { health() }, '0', 'with more of them all is well');

# A refresh that crashes the server
ask(q{SELECT hubspot_trait('sleeper', 'SELECT ''eve@example.com'', pg_sleep(600)::text', property => 'city', every => '1 second')});
my $old = '';
for my $crash (1 .. 3)
{
	my $pid = wait_until(sub { my $found = HubSpotTest::try_ask($node, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'hubspot refresher' AND query = 'refresh of "sleeper"'}); defined $found && $found ne $old ? $found : '' },
		'the refresh');
	kill 'KILL', $pid;
	$old = $pid;
	wait_until(sub { (HubSpotTest::try_ask($node, "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid") // 1) eq '0' }, 'the restart after a crash');
	next unless $crash == 2;
	wait_until(sub { (HubSpotTest::try_ask($node, q{SELECT state FROM hubspot.syncs WHERE name = 'sleeper'}) // '') eq 'held' }, 'it to be held');
	ask(q{SELECT hubspot_resync('sleeper')});
}
wait_until(sub { log_has(qr/the server crashed 3 times in a row while the hubspot refresher ran: it waits 1 s/) }, 'the refresher to wait');
pass('a refresh that crashes the server is held, and where somebody lets it go on it does not do so all day');
ask(q{SELECT hubspot_identify('{"email": "cid@example.com"}')});
wait_until(sub { $sim->contact('cid@example.com') }, 'a call');
pass('calls arrive');

# The end of the server does not wait for a query
wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot refresher' AND query = 'refresh of "sleeper"'}) }, 'a long refresh');
$node->stop('smart');
pass('nor does a smart shutdown wait for it');
is(scalar(() = glob $node->data_dir . '/hubspot_refresher_starts.*'), 0, 'which is no crash');
$node->append_conf('postgresql.conf', 'hubspot.enabled = off');
$node->start;
ask(q{SELECT hubspot_drop_sync('sleeper')});
$node->append_conf('postgresql.conf', 'hubspot.enabled = on');
$node->reload;

# A copy does not refresh
$node->safe_psql('postgres', 'CREATE DATABASE copy TEMPLATE postgres');
wait_until(sub { $node->safe_psql('copy', q{SELECT count(*) FROM hubspot.workers WHERE database = 'copy' AND state = 'held'}) }, 'the copy to be found one');
my $last = ask(q{SELECT refreshed_at FROM hubspot.syncs});
wait_until(sub { ask(q{SELECT refreshed_at FROM hubspot.syncs}) ne $last }, 'a refresh in the original');
becomes(sub { ask(q{SELECT refresher_pid IS NULL FROM hubspot.workers WHERE database = 'copy'}) }, 't', 'where nothing may be sent nothing is refreshed');
$node->safe_psql('copy', 'SELECT hubspot_arm()');
wait_until(sub { ask(q{SELECT refresher_pid IS NOT NULL FROM hubspot.workers WHERE database = 'copy'}) eq 't' }, 'a refresher where sending was allowed');
pass('until somebody says that it may');

$node->stop;
done_testing();
