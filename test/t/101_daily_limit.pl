# The day's limit: everything that counts waits until HubSpot's own day ends,
# and nobody asks before.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('daily');

sub ask { return $node->safe_psql('postgres', $_[0]) }

my $contacts = 0;
sub queue
{
	my ($count) = @_;
	ask("SELECT count(hubspot_identify(jsonb_build_object('email', 'daily' || i || '\@example.com'))) FROM generate_series($contacts + 1, $contacts + $count) i");
	$contacts += $count;
}

# Returns when the lane goes on by itself, in seconds since 1970.
sub wait_for_state
{
	my ($pattern) = @_;
	my ($seen, $until);
	wait_until(sub { ($seen, $until) = split /\n/, ask("SELECT concat_ws(' ', state, reason) || E'\n' || coalesce(extract(epoch FROM until), 0) FROM hubspot.status WHERE lane = 'contacts'"); ($seen // '') =~ $pattern },
		sub { "$pattern, now $seen" });
	return $until;
}

# Zones with two names, of which at least one is not near its midnight: a refusal just after
# it may be about the day before, see below.
my ($zone, $old_name) = @{ (grep { my $hour = ask("SELECT extract(hour FROM now() AT TIME ZONE '$_->[0]')"); $hour > 0 && $hour < 23 }
	[ 'America/New_York', 'US/Eastern' ], [ 'America/Los_Angeles', 'US/Pacific' ])[0] };
my ($offset) = grep { my $hour = (gmtime time + 3600 * $_)[2]; $hour > 0 && $hour < 23 } 3, 9;

# Seconds since 1970 at which the lane goes on by itself.
sub goes_on_at { return ask("SELECT coalesce(extract(epoch FROM until), 0) FROM hubspot.status WHERE lane = 'contacts'") }

# A POSIX time zone in which it is midnight in so many seconds.
sub zone_with_midnight_in
{
	my ($seconds) = @_;
	my $west = int(time + $seconds) % 86400;
	$west -= 86400 if $west > 43200;
	return sprintf 'SIM%s%02d:%02d:%02d', $west < 0 ? '-' : '+', (gmtime abs $west)[ 2, 1, 0 ];
}

# Tests that the lane goes on at a moment, or shortly before or after it.
sub goes_on_about
{
	my ($moment, $name) = @_;
	my $wanted = ref $moment ? $moment : sub { $moment };
	becomes(sub { abs(goes_on_at() - $wanted->()) <= 20 ? 'about then' : 'goes on at ' . goes_on_at() . ', not at ' . $wanted->() }, 'about then', $name);
}

sub mend
{
	$sim->clear_faults;
	$sim->config(daily_used => 0, daily_limit => 625000);
	$node->reload;
	wait_drained($node, 'postgres');
}

sub usage_says
{
	my ($resets_at) = @_;
	$sim->fault(match => { path => 'api-usage' }, action => 'status', status => 200, times => 0, content_type => 'application/json',
		body => { results => [ { name => 'private-apps-api-calls-daily', usageLimit => 1000, currentUsage => 1000,
			collectedAt => '2026-01-01T00:00:00Z', fetchStatus => 'SUCCESS',
			resetsAt => strftime('%Y-%m-%dT%H:%M:%S.000Z', gmtime $resets_at) } ] });
}

# How many requests came since the code began.
sub requests_during
{
	my ($code) = @_;
	my @before = $sim->requests;
	$code->();
	return scalar(my @new = $sim->requests(scalar @before));
}

# The last requests of the day are used, none more is made, the next day goes on.
# A slow machine must be there before midnight, so what takes long is done before.  The usage, which tells when that is,
# can be asked for before the last requests are under way, all at once.
ask('CREATE EXTENSION hubspot');
worker_pid($node, 'postgres');
my $midnight = int(time) + 40;
$sim->config(time_zone => zone_with_midnight_in(40), daily_limit => 1000, daily_used => 985);
create_account($node, 'postgres', 'crm', $sim);
queue(1);
wait_drained($node, 'postgres');
wait_until(sub { abs(ask("SELECT coalesce(extract(epoch FROM daily_resets_at), 0) FROM hubspot.rate_limits WHERE lane = 'contacts'") - $midnight) <= 5 },
	sub { 'the end of the day: ' . ask('TABLE hubspot.rate_limits') });
queue(2000);
my $until = wait_for_state(qr/^DAILY the account's requests of the day are used up/);
cmp_ok(abs($until - $midnight), '<=', 10, 'until midnight where the account is');
# answers of requests that were under way together come in any order
cmp_ok(ask("SELECT daily_limit - daily_used FROM hubspot.status WHERE lane = 'contacts'"), '<=', 4, 'the day is seen as used up');
wait_drained($node, 'postgres');
cmp_ok($sim->stats->{rate_limited}, '<=', 5, 'at most what was under way, and one question, was refused');
cmp_ok(ask("SELECT extract(epoch FROM max(started_at)) FROM hubspot.request"), '>=', $midnight, 'the rest went on the next day');

# HubSpot refuses and tells nothing else: midnight in a zone that PostgreSQL knows
# by name.  A new worker need not ask again.
my $day_ends = q{extract(epoch FROM (date_trunc('day', now() AT TIME ZONE '} . $zone . q{') + interval '1 day') AT TIME ZONE '} . $zone . q{')};
$sim->config(time_zone => $zone, daily_limit => 625000, daily_used => 0);
$node->restart;
queue(1);
wait_drained($node, 'postgres');
$sim->fault(action => 'rate_limit', policy => 'DAILY', times => 0);
queue(1);
wait_for_state(qr/^DAILY/);
goes_on_about(sub { ask("SELECT $day_ends") }, 'until midnight of the zone');
wait_until(sub { ask('SELECT DISTINCT time_zone FROM hubspot.account') eq $zone }, 'the zone to be written down');
my $requests = requests_during(sub { $node->restart; wait_for_state(qr/^DAILY/) });
goes_on_about(sub { ask("SELECT $day_ends") }, 'also for a worker that starts on such a day');
cmp_ok($requests, '<=', 3, 'which asks for the account and the usage, once');
mend();

# HubSpot tells the time itself; when that is too early the next question waits
# for minutes.
my $resets_at = time + 3600;
usage_says($resets_at);
$sim->fault(match => { path => 'batch/upsert' }, action => 'rate_limit', policy => 'DAILY', times => 0);
queue(1);
wait_for_state(qr/^DAILY/);
wait_until(sub { abs(goes_on_at() - $resets_at) <= 20 }, 'the time that HubSpot tells');
becomes(sub { ask(q{SELECT daily_resets_at - interval '59 minutes' > now() FROM hubspot.rate_limits WHERE lane = 'contacts'}) }, 't', 'which is shown');
becomes(sub { ask(q{SELECT count(*) FROM hubspot_health() WHERE problem LIKE '%crm%day%'}) }, '1', 'health tells');
mend();

# HubSpot calls zones by old names, too, which a server may know or not, and by
# names that nobody knows: then the offset that it tells counts, and health says so.
# A new worker has to tell the same from what is written down.
my $zones = q{SELECT problem FROM hubspot_health() WHERE problem LIKE '%time zone%'};
my $by_offset = int(time / 86400) * 86400 - 3600 * $offset;
$by_offset += 86400 while $by_offset <= time;
for my $case ([ $old_name, sub { ask("SELECT $day_ends") }, '' ],
	[ 'Mars/Olympus', sub { $by_offset },
		qq{account crm: this server does not know the time zone "Mars/Olympus": its day is taken to end at midnight of UTC+0$offset:00} ])
{
	my ($name, $midnight_there, $problem) = @$case;
	$sim->config(time_zone => "UTC-$offset", time_zone_name => $name);
	$node->restart;
	queue(1);
	wait_drained($node, 'postgres');
	wait_until(sub { ask('SELECT DISTINCT time_zone FROM hubspot.account') eq $name }, 'the zone to be written down');
	becomes(sub { ask($zones) }, $problem, "$name: " . ($problem ? 'health tells that it is not known' : 'all is well'));
	$sim->fault(action => 'rate_limit', policy => 'DAILY', times => 0);
	for my $who ('a worker', 'one that starts on such a day')
	{
		$node->restart if $who =~ /starts/;
		queue(1);
		wait_for_state(qr/^DAILY/);
		goes_on_about($midnight_there, "$name: $who waits for midnight there");
	}
	mend();
}
# A refusal just after midnight may be about the day before: it is no reason to wait for
# all of the new one.  Some minutes later it is.
for my $case ([ 60, 'minutes' ], [ 900, 'until the next midnight' ])
{
	my ($ago, $how_long) = @$case;
	my $next = time + 86400 - $ago;
	$sim->config(time_zone => zone_with_midnight_in(86400 - $ago), time_zone_name => '');
	$node->restart;
	queue(1);
	wait_drained($node, 'postgres');
	$sim->fault(match => { path => 'batch/upsert' }, action => 'rate_limit', policy => 'DAILY', times => 0);
	queue(1);
	wait_for_state(qr/^DAILY/);
	wait_until(sub { abs(ask("SELECT coalesce(extract(epoch FROM daily_resets_at), 0) FROM hubspot.rate_limits WHERE lane = 'contacts'") - $next) <= 20 }, 'HubSpot to tell when the day ends');
	my $what = "refused $ago s after midnight: it waits $how_long";
	$how_long eq 'minutes'
	  ? becomes(sub { my $waits = goes_on_at() - time; $waits > 0 && $waits < 700 ? 'minutes' : "$waits s" }, 'minutes', $what)
	  : goes_on_about($next, $what);
	mend();
}

$sim->config(time_zone => $zone, time_zone_name => '');
$node->restart;

$node->restart;
queue(1);
wait_drained($node, 'postgres');
usage_says(time + 2);
$sim->fault(action => 'rate_limit', policy => 'DAILY', times => 0);
queue(1);
wait_for_state(qr/^DAILY/);
$requests = requests_during(sub { wait_until(sub { my $at = goes_on_at(); $at > time + 300 && $at < time + 700 }, 'a longer pause after a question that was too early') });
cmp_ok($requests, '<=', 4, 'no storm of questions');
mend();

# The SERVER's own limits of the day; those of other applications count.
sub refused { return $sim->stats->{rate_limited} }
my $refused = refused();
$sim->config(daily_limit => 1000, daily_used => 400);
for my $case ([ daily_limit => 500, 'the SERVER option daily_limit is reached' ],
	[ quota_share => 0.5, 'the SERVER option quota_share leaves the rest' ])
{
	my ($option, $value, $reason) = @$case;
	ask("ALTER SERVER crm OPTIONS (ADD $option '$value')");
	queue(1);
	wait_drained($node, 'postgres');
	$sim->config(daily_limit => 1000, daily_used => 499);
	queue(1);
	wait_for_state(qr/^DAILY our part of the account's requests of the day is used up: $reason/);
	queue(1);
	goes_on_about(sub { ask("SELECT $day_ends") }, "$option: until the day ends");
	is($sim->config->{daily_used} < 510, 1, "$option: the rest is left to others");
	ask("ALTER SERVER crm OPTIONS (DROP $option)");
	wait_drained($node, 'postgres');
	$sim->config(daily_limit => 1000, daily_used => 400);
}
is(refused(), $refused, 'none of this was refused by HubSpot');

# A token whose answers carry no daily headers: the usage tells.
$sim->config(oauth => JSON::PP::true, daily_used => 123, daily_limit => 5000);
my $other = hubspot_cluster('oauth');
create_account($other, 'postgres', 'crm', $sim);
$other->safe_psql('postgres', q{SELECT hubspot_identify('{"email": "oauth@example.com"}')});
wait_until(sub { $other->safe_psql('postgres', q{SELECT daily_used BETWEEN 123 AND 140 AND daily_limit = 5000 FROM hubspot.status WHERE lane = 'contacts'}) eq 't' },
	'the use of the day without headers');
wait_drained($other, 'postgres');
pass('daily_used and daily_limit of a token without daily headers');

done_testing();
