# HubSpot, or the way to it, misbehaves: nothing is lost, nothing is blamed on a
# row, an outage writes nothing per row, and hubspot.status says what goes on.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('faults',
	tokens => { crm => $HubSpotTest::token, other => 'pat-na1-other' },
	conf => "hubspot.timeout = '2s'\nautovacuum = off");
my $healthy = start_simulator(token => 'pat-na1-other');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'other', $healthy, secret => 'other');
$node->safe_psql('postgres', "ALTER DATABASE postgres SET hubspot.server = 'crm'");
my $round = 0;

sub ask { return $node->safe_psql('postgres', shift) }

sub queue
{
	my ($count) = @_;
	$round++;
	ask("SELECT count(hubspot_identify(jsonb_build_object("
		  . "'email', 'r${round}n' || i || '\@example.com', 'plan', 'p$round'))) FROM generate_series(1, $count) i");
}

sub arrived { return scalar grep { $_->{key} =~ /^r${round}n/ } $sim->log }

sub verdicts
{
	return ask(qq{SELECT coalesce(verdict, 'none'), count(*) FROM hubspot.outbox_status
		WHERE key LIKE 'r${round}n%' GROUP BY 1 ORDER BY 1});
}

sub state_of_crm
{
	return ask(q{SELECT state || ' ' || coalesce(reason, '') || CASE WHEN until IS NULL THEN '' ELSE ' until' END
		FROM hubspot.status WHERE server = 'crm'});
}

# All that wait are delivered; what would take minutes, or was seen to pass by
# itself before, is cut short by a reload.
sub wait_delivered
{
	my ($count, $what) = @_;
	wait_until(
		sub {
			$node->reload if $what ne '503 with HTML' && $what !~ /reset/ && state_of_crm() =~ /^(MISDIRECTED|BACKOFF|UNREACHABLE)/;
			return verdicts() eq "delivered|$count";
		},
		sub { "$count rows delivered after $what; now " . verdicts() . '; ' . state_of_crm() });
}

#
# Trouble with requests: all rows are delivered in the end
#
my %faults = (
	'502 with HTML' => { action => 'html', status => 502 },
	'503 with HTML' => { action => 'html', status => 503 },
	'504 with HTML' => { action => 'html', status => 504 },
	'an answer that is not JSON' => { action => 'garbage' },
	'an answer that says nothing' => { action => 'empty_success' },
	'an answer that leaves one out' => { action => 'missing_results' },
	'results in another order' => { action => 'shuffle' },
	'an answer in small pieces' => { action => 'slow_body', ms => 0 },
	'a truncated answer' => { action => 'truncate' },
	'a reset' => { action => 'reset' },
	'a reset amid the answer' => { action => 'reset', after_bytes => 400 },
	'a connection closed before' => { action => 'drop_before' },
	'an answer lost after the fact' => { action => 'drop_after' },
	'no answer at all' => { action => 'hang' },
	'an answer that never ends' => { action => 'slow_body', ms => 1000 },
	'an answer of 50 MB' => { action => 'big', bytes => 50_000_000 },
	'locked records' => { action => 'status', status => 423 },
	'a timeout of HubSpot' => { action => 'status', status => 408 },
	'a redirect' => { action => 'status', status => 307, headers => { Location => $sim->url . '/elsewhere' } },
	'404 with HTML' => { action => 'html', status => 404 },
	'a short-time limit' => { action => 'status', status => 429, headers => { 'Retry-After' => 1 } },
	'401 once' => { action => 'status', status => 401 });
for my $name (sort keys %faults)
{
	$sim->fault(match => { path => 'batch/upsert' }, %{ $faults{$name} }, times => 1);
	queue(30);
	if ($name eq '401 once')
	{
		wait_until(sub { state_of_crm() =~ /^UNAUTHORIZED.*token.* until$/ }, 'UNAUTHORIZED');
		$node->reload;
	}
	wait_delivered(30, $name);
	is($sim->faults->{results}[0]{hits}, 1, "$name happened");
	is(scalar(keys %{ { map { $_->{key} => 1 } grep { $_->{key} =~ /^r${round}n/ } $sim->log } }),
		30, "$name: everything arrived");
	is(ask('SELECT count(*) FROM hubspot.failures'), '0', "$name: no row is blamed");
	$sim->clear_faults;
}
is(scalar(grep { $_->{path} =~ /elsewhere/ } $sim->requests), 0, 'no redirect was followed');
is(ask('SELECT max(bytes_received) < 20000000 FROM hubspot.request'), 't', 'a long answer is cut');

#
# One record that HubSpot refuses together with its whole batch.  No answer is missing any
# more: one that is late is not taken for it.
#
ask(q{ALTER SYSTEM SET hubspot.timeout = '2min'});
my @refusals = (
	[ '409', { action => 'conflict' } ],
	[ '413', { action => 'status', status => 413, body => 'Request Entity Too Large', content_type => 'text/plain' } ],
	[ '400', { action => 'status', status => 400,
			body => { status => 'error', category => 'VALIDATION_ERROR', message => 'Invalid input', correlationId => 'aa-bb' } } ]);
for my $refusal (@refusals)
{
	my ($status, $fault) = @$refusal;
	stop_delivery($node);
	queue(100);
	my $poison = "r${round}n57\@example.com";
	$sim->fault(match => { path => 'batch/upsert', record => "\"$poison\"" }, %$fault, times => 0);
	my $before = ask('SELECT coalesce(max(id), 0) FROM hubspot.request');
	resume_delivery($node);
	wait_drained($node, 'postgres');
	is( ask("SELECT key, verdict, http_status, message <> '' FROM hubspot.failures WHERE key LIKE 'r${round}n%'"),
		"$poison|rejected|$status|t", "$status: only the culprit is rejected, with a reason");
	is(arrived(), 99, "$status: the other 99 arrived, once each");
	my $requests = ask("SELECT count(*) FROM hubspot.request WHERE id > $before AND lane = 'contacts'");
	cmp_ok($requests, '<=', 15, "$status: found with $requests requests");
	$sim->clear_faults;
}

# Errors of records that do not say whose they are
stop_delivery($node);
queue(40);
ask(q{SELECT hubspot_identify('{"email": "untraced@example.nosuchtld"}')});
$sim->fault(match => { path => 'batch/upsert' }, action => 'untraced_errors', times => 0);
resume_delivery($node);
wait_drained($node, 'postgres');
is(verdicts(), 'delivered|40', 'errors that name no record: the good ones are delivered');
is(ask(q{SELECT verdict, category FROM hubspot.outbox_status WHERE key LIKE 'untraced%'}),
	'rejected|INVALID_EMAIL', 'and the bad one is found');
$sim->clear_faults;

#
# States that last: visible with their reason, nothing written per row, left
# when the cause is mended
#
my $forever = sub { my %fault = @_; return sub { $sim->fault(match => { path => 'batch/upsert' }, %fault, times => 0) } };
my $mended = sub { $sim->clear_faults };
my @states = (
	[ 'FORBIDDEN', qr/crm\.objects\.contacts\.write/,
		sub { $sim->config(scopes => ['oauth']) }, sub { $sim->config(scopes => undef) } ],
	[ 'UNAUTHORIZED', qr/token/,
		sub { $sim->config(tokens => ['another']) }, sub { $sim->config(tokens => [$HubSpotTest::token]) } ],
	[ 'WRONG_HUBLET', qr/eu1/, $forever->(action => 'status', status => 488), $mended ],
	[ 'MIGRATING', qr/moving/, $forever->(action => 'status', status => 477), $mended ],
	[ 'DAILY', qr/day/, $forever->(action => 'rate_limit', policy => 'DAILY'), $mended ],
	[ 'LIMITED', qr/limit/, $forever->(action => 'status', status => 429, headers => { 'Retry-After' => 1 }), $mended ],
	[ 'MISDIRECTED', qr/not HubSpot/, $forever->(action => 'html', status => 404), $mended ],
	[ 'UNREACHABLE', qr/no answer/, $forever->(action => 'drop_before'), $mended ],
	[ 'BACKOFF', qr/not available/, $forever->(action => 'html', status => 503), $mended ],
	[ 'BACKOFF', qr/locked/, $forever->(action => 'status', status => 423), $mended ]);
for my $case (@states)
{
	my ($state, $reason, $break, $mend) = @$case;
	$break->();
	my $results = ask('SELECT count(*) FROM hubspot.result');
	queue(5);
	my $seen;
	wait_until(sub { ($seen = state_of_crm()) =~ /^$state .* until$/ }, sub { "$state, now $seen" });
	like($seen, $reason, "$state says why");
	my ($name) = ask(q{SELECT hubspot_identify('{"email": "beside@example.com"}', 'other')});
	wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $name") eq 'delivered' },
		"$state: the other account to go on");
	is(verdicts(), 'none|5', "$state: the rows wait");
	is(ask('SELECT count(*) FROM hubspot.result'), $results + 1, "$state: nothing is written about them");
	becomes(sub { ask(q{SELECT count(*) > 0 FROM hubspot_health() WHERE problem LIKE 'account crm%'}) }, 't', "$state: health tells")
	  if $state ne 'LIMITED';
	$mend->();
	$node->reload;
	wait_delivered(5, $state);
}
wait_until(sub { ask(q{SELECT string_agg(state, ',') FROM hubspot.rate_limit}) eq 'RUN,RUN' }, 'the table to say RUN');
is(ask(q{SELECT sum(n_dead_tup) FROM pg_stat_user_tables WHERE relname ~ '^(outbox|result|request)_[0-9]'}),
	'0', 'no dead rows');

#
# Several requests at once
#
sub while_stopped
{
	my ($count) = @_;
	stop_delivery($node);
	queue($count);
	resume_delivery($node);
}

# One bad moment, which four requests meet at once
$sim->config(latency_ms => 200);
$sim->fault(match => { path => 'batch/upsert' }, action => 'html', status => 503, times => 4);
while_stopped(1000);
wait_delivered(1000, 'four times 503 at once');
$sim->clear_faults;

# The token is replaced as an operator would: first the file, then the old one is
# revoked; nobody reloads.  The refusals of the old one come in one by one, as a rule
# some of them after the new one was accepted.
ask(q{ALTER SERVER crm OPTIONS (ADD max_connections '16')});
queue(1);
wait_delivered(1, 'the change of the SERVER');
$sim->config(latency_ms => 50, latency_jitter_ms => 800, tokens => ['pat-na1-new']);
write_token($node, 'crm', 'pat-na1-new');
my $refused = $sim->stats->{by_status}{401};
my $first = my @so_far = $sim->requests;
queue(1600);
wait_delivered(1600, 'a new token');
# a lane that is UNAUTHORIZED waits for a minute
my @times = map { $_->{at_us} } $sim->requests($first);
is(scalar(grep { $times[$_] - $times[ $_ - 1 ] > 50_000_000 } 1 .. $#times), 0, 'late refusals of the old token do not stop the new one');
cmp_ok($sim->stats->{by_status}{401} - $refused, '>=', 1, 'the old token was refused, the new one taken without a reload');

is(ask(q{SELECT count(*) FROM hubspot.failures WHERE verdict <> 'rejected'}), '0', 'no row was given up');
$node->stop;
done_testing();
