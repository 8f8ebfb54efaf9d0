# HubSpot, or the way to it, misbehaves: nothing is lost, nothing is blamed on a row.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('faults', conf => "hubspot.timeout = '2s'");
create_account($node, 'postgres', 'crm', $sim);
my $round = 0;

sub ask { return $node->safe_psql('postgres', shift) }

sub queue
{
	my ($count) = @_;
	$round++;
	ask("SELECT count(hubspot_identify(jsonb_build_object('email', 'r${round}n' || i || '\@example.com', 'plan', 'p$round'))) FROM generate_series(1, $count) i");
}

sub arrived { return scalar grep { $_->{key} =~ /^r${round}n/ } $sim->log }

# Whatever happens to requests as a whole, all rows are delivered in the end.
my %faults = (
	'502 with HTML' => { action => 'html', status => 502 },
	'503 with HTML' => { action => 'html', status => 503 },
	'504 with text' => { action => 'html', status => 504 },
	'an answer that is not JSON' => { action => 'garbage' },
	'an answer that says nothing' => { action => 'empty_success' },
	'an answer that leaves one out' => { action => 'missing_results' },
	'results in another order' => { action => 'shuffle' },
	'a truncated answer' => { action => 'truncate' },
	'a reset' => { action => 'reset' },
	'a connection closed before' => { action => 'drop_before' },
	'an answer lost after the fact' => { action => 'drop_after' },
	'no answer at all' => { action => 'hang' },
	'an answer of 50 MB' => { action => 'big', bytes => 50_000_000 },
	'locked records' => { action => 'status', status => 423 },
	'a redirect' => { action => 'status', status => 307, headers => { Location => 'http://127.0.0.1:1/' } },
	'a short-time limit' => { action => 'rate_limit', policy => 'TEN_SECONDLY_ROLLING' },
);
for my $name (sort keys %faults)
{
	$sim->fault( match => { path => 'batch/upsert' }, %{ $faults{$name} }, times => 1);
	queue(30);
	ask("SELECT pg_reload_conf()") if $name eq 'a redirect';
	wait_until(
		sub {
			ask("SELECT pg_reload_conf()") if ask("SELECT count(*) FROM hubspot.status WHERE state IN ('MISDIRECTED', 'LIMITED')") ne '0';
			return ask("SELECT count(*) FROM hubspot.outbox_status WHERE key LIKE 'r${round}n%' AND verdict = 'delivered'") eq '30';
		},
		"30 rows after $name");
	cmp_ok(arrived(), '>=', 30, "$name: everything arrived");
	is(ask("SELECT count(*) FROM hubspot.failures"), '0', "$name: no row is blamed");
	$sim->clear_faults;
}

# One record that HubSpot refuses together with its whole batch
ask('ALTER SYSTEM SET hubspot.enabled = off');
$node->reload;
wait_until(sub { ask("SELECT count(*) FROM hubspot.workers WHERE pid <> 0") eq '0' }, 'the worker to stop');
queue(100);
my $poison = "r${round}n57\@example.com";
$sim->fault( match => { path => 'batch/upsert', record => "\"$poison\"" }, action => 'conflict', times => 0);
my $before = $sim->stats->{requests};
ask('ALTER SYSTEM RESET hubspot.enabled');
$node->reload;
wait_drained($node, 'postgres');
is(ask("SELECT key, http_status FROM hubspot.failures"), "$poison|409", 'only the culprit is rejected');
is(arrived(), 99, 'the other 99 arrived, once each');
my $contacts = ask("SELECT count(*) FROM hubspot.request WHERE lane = 'contacts' AND id > (SELECT max(id) FROM hubspot.request WHERE lane = 'account')");
cmp_ok($contacts, '<=', 15, "found with $contacts requests");
$sim->clear_faults;

# States that somebody has to mend: visible with their reason, and left at a reload
my @states = (
	[ 'FORBIDDEN', qr/crm\.objects\.contacts\.write/, sub { $sim->config(scopes => ['oauth']) }, sub { $sim->config(scopes => undef) } ],
	[ 'UNAUTHORIZED', qr/token/, sub { $sim->config(tokens => ['another']) }, sub { $sim->config(tokens => [$HubSpotTest::token]) } ],
	[ 'WRONG_HUBLET', qr/eu1/, sub { $sim->fault( match => { path => 'batch/upsert' }, action => 'status', status => 488, times => 0) }, sub { $sim->clear_faults } ],
	[ 'MIGRATING', qr/moving/, sub { $sim->fault( match => { path => 'batch/upsert' }, action => 'status', status => 477, times => 0) }, sub { $sim->clear_faults } ],
	[ 'DAILY', qr/day/, sub { $sim->fault( match => { path => 'batch/upsert' }, action => 'rate_limit', policy => 'DAILY', times => 0) }, sub { $sim->clear_faults } ],
	[ 'UNREACHABLE', qr/no answer/, sub { $sim->fault( match => { path => 'batch/upsert' }, action => 'drop_before', times => 0) }, sub { $sim->clear_faults } ],
	[ 'BACKOFF', qr/not available/, sub { $sim->fault( match => { path => 'batch/upsert' }, action => 'html', status => 503, times => 0) }, sub { $sim->clear_faults } ]);
for my $case (@states)
{
	my ($state, $reason, $break, $mend) = @$case;
	$break->();
	queue(5);
	my $seen;
	wait_until(sub { $seen = ask("SELECT state || ' ' || coalesce(reason, '') || ' ' || (until IS NOT NULL) FROM hubspot.status"); $seen =~ /^$state / }, sub { "$state, now $seen" });
	like($seen, $reason, "$state says why");
	like($seen, qr/true$/, "$state says until when");
	is(ask("SELECT waiting, in_flight FROM hubspot.status WHERE state = '$state'") || '5|0', '5|0', "$state: the rows wait");
	$mend->();
	$node->reload;
	wait_drained($node, 'postgres');
	is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE key LIKE 'r${round}n%' AND verdict = 'delivered'"), '5', "$state is left, the rows are delivered");
}
wait_until(sub { ask("SELECT state FROM hubspot.rate_limit") eq 'RUN' }, 'the table to say RUN');

done_testing();
