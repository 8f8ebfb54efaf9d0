# The granted rate is used and never exceeded, by all who share a token.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 20, burst_window_ms => 2000 });
my $node = hubspot_cluster('rate');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');
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
becomes(sub { ask('SELECT burst_limit FROM hubspot.rate_limits') }, '20', 'the limit was learnt from the headers');

# A share for others
$sim->reset;
ask("ALTER SERVER crm OPTIONS (ADD quota_share '0.5')", $_) for qw(postgres twin);
queue('postgres', 3000);
wait_drained($node, 'postgres');
cmp_ok($sim->stats->{max_burst_in_window}, '<=', 20, 'quota_share leaves room');
is($sim->stats->{rate_limited}, 0, 'still none refused');

# A 429 stops the meter that it is about, and nothing else
ask("ALTER SERVER crm OPTIONS (DROP quota_share)", $_) for qw(postgres twin);
$sim->reset;
$sim->config(burst_limit => 1000, burst_window_ms => 10000);

sub blocked { return ask("SELECT $_[0]_blocked_until IS NOT NULL FROM hubspot.rate_limits WHERE lane = 'contacts'") eq 't' }

sub goes_on
{
	my ($what) = @_;
	my $id = ask(q{SELECT hubspot_identify(jsonb_build_object('email', 'beside' || nextval('beside') || '@example.com'))});
	wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") eq 'delivered' }, "$what: the contacts to go on");
	wait_until(sub { ask("SELECT state FROM hubspot.status WHERE lane = 'contacts'") eq 'RUN' }, "$what: the view to show it");
	pass("$what: the contacts go on");
}

ask('CREATE SEQUENCE beside');
my %search = (
	'without a policy' => { status => 429, content_type => 'application/json',
		body => { status => 'error', message => 'You have reached your secondly limit.', category => 'RATE_LIMITS' } },
	'with a policy' => { status => 429, content_type => 'application/json',
		body => { status => 'error', message => 'Wait.', errorType => 'RATE_LIMIT', policyName => 'SECONDLY' } },
	'with no words that are known' => { status => 429, content_type => 'text/plain', body => 'slow down' });
for my $shape (sort keys %search)
{
	my $fault = $sim->fault(match => { path => 'companies/search' }, action => 'status', times => 0, %{ $search{$shape} });
	my $id = ask(qq{SELECT hubspot_group('{"userId": "u", "groupId": "x", "traits": {"name": "A", "domain": "@{[ $shape =~ tr/ /-/r ]}.example.com"}}')});
	wait_until(sub { blocked('search') }, "the searches to stop, $shape");
	goes_on("a search refused $shape");
	becomes(sub { ask('SELECT blocked_until IS NULL FROM hubspot.rate_limits LIMIT 1') }, 't', 'the ordinary meter is not blocked');
	my ($state, $reason) = split /\|/, wait_until(sub { my $row = ask(q{SELECT state, reason FROM hubspot.status WHERE lane = 'companies'}); $row =~ /LIMITED/ && $row }, 'LIMITED');
	like($reason, qr/searches/, 'the lane says what it waits for');
	# each refusal begins another pause
	my $is_long = sub { ask(q{SELECT coalesce(search_blocked_until - now() > interval '3 s', false) FROM hubspot.rate_limits LIMIT 1}) };
	$shape =~ /no words/
	  ? becomes($is_long, 't', 'an answer that is not understood is followed by a longer pause')
	  : is($is_long->(), 'f', 'one that is understood by a short one');
	$sim->clear_faults;
	wait_until(sub { ask("SELECT count(*) FROM hubspot.outbox_status WHERE id = $id AND verdict IS NOT NULL") eq '1' }, 'the search to be made');
}
my @searches = grep { $_->{path} =~ /search/ } $sim->requests;
is(scalar(grep { $searches[$_]{at_us} - $searches[ $_ - 1 ]{at_us} < 900_000 && $searches[ $_ - 1 ]{status} == 429 } 1 .. $#searches), 0,
	'no search goes within a second of a refused one');

# Associations have a day of their own
$sim->fault(match => { path => 'associations' }, action => 'rate_limit', policy => 'DAILY', times => 1);
ask(q{SELECT hubspot_identify('{"userId": "a@example.com", "traits": {"company": {"id": "c1", "name": "Acme", "domain": "acme-day.com"}}}')});
wait_until(sub { blocked('association') }, 'the associations to stop for the day');
goes_on('the day of the associations');
is(ask(q{SELECT association_blocked_until > now() + interval '1 minute' OR extract(hour FROM now() AT TIME ZONE 'America/New_York') = 23
	FROM hubspot.rate_limits LIMIT 1}), 't', 'until it ends');
$node->reload;
wait_until(sub { !blocked('association') }, 'a reload to end it');
wait_drained($node, 'postgres');

# A server that starts anew does not know what it sent, but its log does: the
# limit was used up a moment ago, and HubSpot remembers.
$sim->clear_faults;
$node->safe_psql('twin', 'DROP EXTENSION hubspot CASCADE');
for my $mode (qw(fast immediate))
{
	wait_until(sub { ask('SELECT max(burst_used) FROM hubspot.rate_limits') eq '0' }, 'the window to be empty');
	my $logged = ask('SELECT coalesce(max(id), 0) FROM hubspot.request');
	$sim->reset;
	$sim->config(burst_limit => 40, burst_window_ms => 10000);
	queue('postgres', 5500);
	wait_until(sub { $sim->stats->{max_burst_in_window} >= 40 }, 'the limit to be used up');
	wait_until(sub { ask("SELECT count(*) FROM hubspot.request WHERE id > $logged") >= scalar(my @all = $sim->requests) &&
		ask(q{SELECT burst_limit FROM hubspot.rate_limit WHERE lane = 'contacts'}) eq '40' }, 'the log to tell');
	my $written = ask('SELECT pg_current_wal_insert_lsn()');
	wait_until(sub { ask("SELECT pg_current_wal_flush_lsn() >= '$written'") eq 't' }, 'the log to be on disk');
	$node->stop($mode);
	$node->start;
	wait_drained($node, 'postgres');
	is($sim->stats->{rate_limited}, 0, "$mode restart in the middle: nothing is refused");
	cmp_ok($sim->stats->{max_burst_in_window}, '<=', 40, "$mode restart: the limit is kept");
}

done_testing();
