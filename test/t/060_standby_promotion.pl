# A standby sends nothing; promoted, it goes on where the primary was.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Cluster;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 1000 });
my $primary = hubspot_cluster('primary', init => [ allows_streaming => 1 ]);
create_account($primary, 'postgres', 'crm', $sim);
$primary->safe_psql('postgres', q{SELECT hubspot_identify('{"email": "before@example.com"}')});
wait_drained($primary, 'postgres');

$primary->backup('copy');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'copy', has_streaming => 1);
$standby->start;

# The primary stops sending, so that rows wait that the standby could send.
$primary->safe_psql('postgres', 'ALTER SYSTEM SET hubspot.enabled = off');
$primary->reload;
wait_until(sub { $primary->safe_psql('postgres', 'SELECT count(*) FROM hubspot.workers WHERE pid <> 0') eq '0' }, 'the worker to stop');
$primary->safe_psql('postgres', q{SELECT count(hubspot_identify(jsonb_build_object('email', 'w' || i || '@example.com'))) FROM generate_series(1, 300) i});
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT count(*) FROM hubspot.backlog'), '300', 'the standby shows the backlog');
is($standby->safe_psql('postgres', 'SELECT count(*) FROM hubspot.workers WHERE pid <> 0'), '0', 'and has no worker');
like($standby->safe_psql('postgres', 'SELECT problem FROM hubspot_health()'), qr/standby/, 'health says why');
my ($code, $out, $err) = $standby->psql('postgres', q{SELECT hubspot_identify('{"email": "x@example.com"}')});
like($err, qr/read-only transaction|during recovery/, 'queueing is refused');
is($sim->count, 1, 'nothing was sent');

$primary->stop('immediate');
$standby->promote;
wait_drained($standby, 'postgres');
is($sim->count, 301, 'after the promotion everything arrives');

done_testing();
