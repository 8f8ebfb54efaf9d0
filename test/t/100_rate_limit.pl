# The granted rate is used and never exceeded, by all who share a token.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 20, burst_window_ms => 2000 });
my $node = hubspot_cluster('rate');
create_account($node, 'postgres', 'crm', $sim);
$node->safe_psql('postgres', 'CREATE DATABASE twin');
create_account($node, 'twin', 'crm', $sim);

sub ask { return $node->safe_psql($_[1] // 'postgres', $_[0]) }

sub queue
{
	my ($database, $count) = @_;
	ask("SELECT count(hubspot_identify(jsonb_build_object('email', '$database' || i || '\@example.com'))) FROM generate_series(1, $count) i", $database);
}

queue('postgres', 4000);
wait_until(sub { ask("SELECT count(*) FROM hubspot.status WHERE state = 'LIMITED' AND until > now() - interval '1 minute' AND reason IS NOT NULL") eq '1' }, 'the lane to say LIMITED');
pass('LIMITED says until when');
queue('twin', 2500);
wait_drained($node, $_) for qw(postgres twin);

my $stats = $sim->stats;
is($stats->{rate_limited}, 0, 'no request was refused');
cmp_ok($stats->{max_burst_in_window}, '<=', 20, 'two databases with one token share its limit');
cmp_ok($stats->{max_burst_in_window}, '>=', 19, 'and use it');
is($sim->count, 6500, 'everything arrived');
is(ask('SELECT burst_limit FROM hubspot.rate_limits'), '20', 'the limit was learnt from the headers');

# A share for others
$sim->reset;
ask("ALTER SERVER crm OPTIONS (ADD quota_share '0.5')", $_) for qw(postgres twin);
ask("SELECT pg_sleep(0)");
queue('postgres', 3000);
wait_drained($node, 'postgres');
cmp_ok($sim->stats->{max_burst_in_window}, '<=', 20, 'quota_share leaves room');
is($sim->stats->{rate_limited}, 0, 'still none refused');

done_testing();
