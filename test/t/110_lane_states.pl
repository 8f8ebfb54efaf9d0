# Every event of hubspot.lane_states(): a lane gets into its state and out of it
# as the table says; meanwhile rows wait and nothing is written of them, HubSpot
# is asked rarely, and what is not concerned goes on.
use strict;
use warnings;

use FindBin ();

use HubSpotTest;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

my $sim = start_simulator(config => { burst_limit => 10000 });
my $healthy = start_simulator(token => 'pat-na1-other', config => { burst_limit => 10000 });
my $node = hubspot_cluster('states',
	tokens => { crm => $HubSpotTest::token, other => 'pat-na1-other' },
	conf => "hubspot.timeout = '30s'\nautovacuum = off");
create_account($node, 'postgres', 'crm', $sim, max_connections => 4, daily_limit => 500000);
create_account($node, 'postgres', 'other', $healthy, secret => 'other');

sub ask { return $node->safe_psql('postgres', shift) }

my $listener = $node->background_psql('postgres');
$listener->query_safe('LISTEN hubspot');

my $rules = JSON::PP->new->decode(ask('SELECT json_agg(s) FROM hubspot.lane_states() s'));
my %rule = map { $_->{event} => $_ } @$rules;
my $round = 0;

# So many contacts, and an event, for crm.
sub queue
{
	my ($count) = @_;
	$round++;
	ask("SELECT count(hubspot_identify(jsonb_build_object('email', 'r${round}n' || i || '\@example.com'), 'crm')) "
		  . "FROM generate_series(1, $count) i");
	ask("SELECT hubspot_track('{\"event\": \"looked\", \"userId\": \"r${round}e\@example.com\"}', 'crm')");
}

sub state_of { return split /\|/, ask("SELECT state, reason, until IS NOT NULL FROM hubspot.status WHERE server = 'crm' AND lane = '$_[0]'") }

# The rows of this round that have no verdict: object and number.
sub waiting
{
	return ask("SELECT coalesce(string_agg(object || ' ' || n, ', '), 'none') FROM (SELECT object, count(*) AS n "
		  . "FROM hubspot.backlog WHERE key ~ '^r${round}[ne]' GROUP BY object ORDER BY object) b");
}

# What hubspot.backlog says of them: nobody has counted an attempt.
sub traces
{
	my $rows = "SELECT o.id FROM hubspot.outbox o WHERE o.key ~ '^r${round}n'";
	my $counts = "(SELECT count(*) FROM hubspot.result WHERE id IN ($rows)), "
	  . "(SELECT count(*) FROM hubspot.backlog WHERE id IN ($rows) AND (attempt > 0 OR state = 'deferred' OR category IS NOT NULL))";
	return ask("SELECT $counts");
}

# Requests to crm's HubSpot but those for events.
sub requests { return scalar grep { $_->{path} !~ /event/ } $sim->requests }

# The other account delivers.
sub other_goes_on
{
	my ($what) = @_;
	my $id = ask(q{SELECT hubspot_identify('{"email": "beside@example.com"}', 'other')});
	wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") eq 'delivered' },
		"$what: the other account to go on");
}

# The worker looks for changed SERVERs when rows come.
sub alter_server { ask(q{ALTER SERVER crm OPTIONS (SET max_connections '4'); SELECT hubspot_identify('{"email": "look@example.com"}', 'other')}) }

sub answer
{
	my ($status, %more) = @_;
	my $match = delete $more{everything} ? {} : { path => 'batch/upsert' };
	my $shortly = delete $more{shortly} // 1;
	return sub {
		my ($exit) = @_;
		$sim->fault(match => $match, action => 'status', status => $status, times => 0,
			headers => { 'Retry-After' => $exit eq 'time' ? $shortly : 300 }, %more);
	};
}

my $guard = sub { $node->append_conf('postgresql.conf', "hubspot.cluster_guard = '$_[0]'"); $node->reload };
my $token_file = $node->basedir . '/secrets/crm';
my $validator = ask(q{SELECT fdwvalidator::regproc FROM pg_foreign_data_wrapper WHERE fdwname = 'hubspot'});

# How each event is brought about, and ended; exits that are not the usual ones.
my %cases = (
	start => {
		break => sub { $sim->fault(match => { path => 'account-info' }, action => 'delay', ms => 600_000); alter_server() } },
	learning => {
		break => sub { $sim->fault(match => { path => 'properties/' }, action => 'delay', ms => 600_000); alter_server() } },
	'not told' => {},    # 470_readings
	metered => {
		break => sub { $sim->config(burst_limit => 2, burst_window_ms => 8000) },
		mend => sub { $sim->config(burst_limit => 10000) } },
	429 => { break => answer(429) },
	'429 of the day' => {
		break => sub { $sim->fault(match => { path => 'batch/upsert' }, action => 'rate_limit', policy => 'DAILY', times => 0) },
		spares_events => 1 },
	'share of the day' => {
		break => sub {
			$sim->config(daily_used => 500000);
			ask(q{SELECT hubspot_identify('{"email": "last@example.com"}', 'crm')});
			wait_until(sub { (state_of('contacts'))[0] eq 'DAILY' }, 'DAILY');
		},
		mend => sub { $sim->config(daily_used => 0) },
		spares_events => 1 },
	423 => { break => answer(423) },
	'5xx' => { break => answer(503, body => '<html>busy</html>', content_type => 'text/html') },
	'no answer' => {
		break => sub { $sim->fault(match => { path => 'batch/upsert' }, action => 'drop_before', times => 0) },
		is_short => 1 },
	'not stored' => {
		break => sub {
			ask(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'this table takes nothing'; END $$;
				CREATE TRIGGER refuse BEFORE INSERT ON hubspot.property FOR EACH ROW WHEN (NEW.object = 'contact') EXECUTE FUNCTION refuse()});
			alter_server();
		},
		mend => sub { ask('DROP FUNCTION refuse CASCADE') },
		is_short => 1 },
	'unreadable answer' => { break => answer(200, body => '<html>welcome</html>', content_type => 'text/html', shortly => 4) },
	477 => { break => answer(477, everything => 1) },
	488 => { break => answer(488, everything => 1) },
	401 => { break => answer(401, everything => 1) },
	'other account' => {
		break => sub { ask(q{ALTER SERVER crm OPTIONS (ADD portal_id '7')}) },
		mend => sub { ask('ALTER SERVER crm OPTIONS (DROP portal_id)') } },
	403 => { break => answer(403) },
	'403 page' => { break => answer(403, body => '<!DOCTYPE html><title>Attention Required!</title>', content_type => 'text/html') },
	'answer too long' => {},    # 035_answer_bounds
	misdirected => { break => answer(404, body => '<html>no such path</html>', content_type => 'text/html') },
	'bad option' => {
		break => sub {
			ask("ALTER FOREIGN DATA WRAPPER hubspot NO VALIDATOR; ALTER SERVER crm OPTIONS (ADD frobnicate 'x');
				ALTER FOREIGN DATA WRAPPER hubspot VALIDATOR $validator");
		},
		mend => sub { ask('ALTER SERVER crm OPTIONS (DROP frobnicate)') } },
	'no token' => {
		break => sub { rename $token_file, "$token_file.away" or die; $node->reload },
		mend => sub { rename "$token_file.away", $token_file or die } },
	'no meter' => {},    # 115_many_accounts
	'key not unique' => {},    # 261_identity
	'key lacking' => {},    # 610_records
	'unknown object' => {},    # 444_associations
	paused => {
		break => sub { ask(q{SELECT hubspot_pause('crm', 'contacts')}) },
		mend => sub { },
		exits => { 'hubspot_resume()' => sub { ask(q{SELECT hubspot_resume('crm', 'contacts')}) } } },
	'account paused' => {
		break => sub { ask(q{SELECT hubspot_pause('crm')}) },
		mend => sub { },
		exits => { 'hubspot_resume()' => sub { ask(q{SELECT hubspot_resume('crm')}) } } },
	held => {
		break => sub { $guard->('elsewhere') },
		mend => sub { },
		exits => { reload => sub { $guard->('') } },
		reason => 'hubspot.cluster_guard is "elsewhere"' },
	'no worker' => {
		break => sub { stop_delivery($node) },
		mend => sub { },
		exits => { start => sub { resume_delivery($node) } },
		reason => 'hubspot.enabled' });
my %usual_exits = (
	answer => sub { },
	time => sub { },
	reload => sub { $node->reload },
	'ALTER SERVER' => \&alter_server);

# Exits that take a minute and more; 080_clone_held has the last one.
my %not_here = ((map { $_ => $rule{$_}{left_by} } 'not told', 'unknown object', 'no meter', 'key not unique', 'key lacking', 'answer too long'), 'no token' => ['time'], 'other account' => ['time'], '429 of the day' => ['time'], 'share of the day' => ['time'], held => [ 'time', 'hubspot_arm()' ]);

# What was notified of so far.  Of a lane something is told once a second at most, and what came and went between is
# not: so a round waits for the word on what it has broken before it mends it, and then for the end.
my @told;

sub gather { return push @told, map { JSON::PP->new->decode($_) } $listener->query('SELECT 1') =~ /with payload "(\{.*\})" received/g }

sub hears
{
	my ($from, $is_it, $what) = @_;
	wait_until(sub { gather(); grep { $is_it->($_) } @told[ $from .. $#told ] }, $what);
	return;
}

sub check_round
{
	my ($event, $exit) = @_;
	my $rule = $rule{$event};
	my $case = $cases{$event};
	my $name = "$event, left by $exit";
	my $reason = $case->{reason} // $rule->{reason};
	my $events_go = $rule->{scope} eq 'lane' || $case->{spares_events};
	my $before = requests();
	my $began = time;
	my $is_told = defined $rule->{remedy} && $rule->{scope} ne 'database';
	my $from = @told;

	$case->{break}->($exit);
	queue(500);
	my @now;
	wait_until(sub { @now = state_of('contacts'); $now[0] eq $rule->{state} && index($now[1], $reason) == 0 },
		sub { "$name: $rule->{state} because of $reason; now @now" });
	is($now[2], defined $rule->{first_wait} || $rule->{state} eq 'LIMITED' ? 't' : 'f', "$name: until") if $exit ne 'time';

	# what is not concerned goes on
	other_goes_on($name) if $rule->{scope} ne 'database';
	wait_until(sub { waiting() !~ /event/ }, "$name: the events of the account") if $events_go;
	like(waiting(), $events_go ? qr/^contact \d+$/ : qr/^contact \d+, event 1$/, "$name: the rest waits");
	becomes(sub { (state_of('events'))[0] }, $rule->{state}, "$name: the lane beside it shows it as well") if !$events_go;
	is(traces(), '0|0', "$name: nothing is written of the rows") if $event ne 'metered';
	becomes(sub { ask(q{SELECT remedy FROM hubspot_health() WHERE problem ~ '^account crm, lane contacts|^the worker is held|^no worker'}) =~ s/; it is tried.*//r },
		$rule->{remedy} // '', "$name: health has the remedy");

	# HubSpot is not pestered: what was under way at once, the account's question and schema.  A short wait has
	# passed a few times by now, at least each 4 s, and libcurl repeats what a kept connection has dropped.
	my $most = $case->{is_short} ? 2 * (10 + (time - $began) / 4) : 8;
	cmp_ok(requests() - $before, '<=', $most, "$name: few requests") if $exit ne 'time';
	probe_once($name) if $exit eq 'reload' && $rule->{scope} eq 'lane' && !$case->{is_short};

	hears($from, sub { $_[0]{wrong} && $_[0]{event} eq $event }, "$name: to be told") if $is_told;
	($case->{mend} // sub { $sim->clear_faults })->();
	($case->{exits}{$exit} // $usual_exits{$exit})->();
	wait_until(sub { waiting() eq 'none' }, sub { "$name: all to be delivered, now " . join ' ', state_of('contacts') });
	wait_until(sub { (state_of('contacts'))[0] eq 'RUN' }, "$name: RUN again");
	hears($from, sub { ($_[0]{before} // '') eq $event }, "$name: its end to be told") if $is_told;
	is(ask("SELECT max(attempt) FROM hubspot.outbox_status WHERE key ~ '^r${round}[ne]'"), '1', "$name: no attempt was counted");
	$sim->clear_faults;
	return;
}

# While the trouble lasts, a reload costs one request.
sub probe_once
{
	my ($name) = @_;
	my $before = requests();
	$node->reload;
	wait_until(sub { requests() > $before }, "$name: a reload to try again");
	other_goes_on($name);
	is(requests(), $before + 1, "$name: once");
}

#
# All of them
#
ask(q{SELECT hubspot_create_event('looked', '{}', server => 'crm')});
queue(1);
wait_until(sub { waiting() eq 'none' && (state_of('contacts'))[0] eq 'RUN' }, 'the start');
is_deeply([ sort keys %cases ], [ sort grep { $_ ne 'success' } keys %rule ], 'each event of the table is tried here');
for my $event (map { $_->{event} } @$rules)
{
	next if $event eq 'success';
	for my $exit (@{ $rule{$event}{left_by} })
	{
		check_round($event, $exit) unless grep { $_ eq $exit } @{ $not_here{$event} // [] };
	}
}

# A machine that is gone; the account's address is changed
my $doomed = start_simulator();
create_account($node, 'postgres', 'doomed', $doomed);
ask(q{SELECT hubspot_identify('{"email": "first@example.com"}', 'doomed')});
wait_until(sub { $doomed->count == 1 }, 'the third account to deliver');
$doomed->kill9;
my $id = ask(q{SELECT hubspot_identify('{"email": "second@example.com"}', 'doomed')});
wait_until(sub { ask(q{SELECT state FROM hubspot.status WHERE server = 'doomed'}) eq 'UNREACHABLE' }, 'its end to be noticed');
other_goes_on('a machine that is gone');
my $another = start_simulator();
ask("ALTER SERVER doomed OPTIONS (SET base_url '" . $another->url . "')");
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") eq 'delivered' }, 'the new address');
is($another->count, 1, 'the row arrives there');

# What is told first: held, paused, the account, the lane
$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 403, times => 0);
queue(1);
my $is = sub { my ($state) = @_; wait_until(sub { (state_of('contacts'))[0] eq $state }, "$state to be told"); ok(1, "$state goes first") };
$is->('FORBIDDEN');
$sim->config(tokens => ['another']);
ask(q{SELECT hubspot_create_event('looked', '{}', server => 'crm')});
$is->('UNAUTHORIZED');
ask(q{SELECT hubspot_pause('crm', 'contacts')});
$is->('PAUSED');
$guard->('elsewhere');
$is->('HELD');
$guard->('');
$is->('PAUSED');
ask(q{SELECT hubspot_resume('crm', 'contacts')});
$is->('UNAUTHORIZED');
$sim->config(tokens => [$HubSpotTest::token]);
$sim->clear_faults;
$node->reload;
wait_drained($node, 'postgres');

wait_until(sub { ask('SELECT problem FROM hubspot_health()') eq '' }, 'all to be well in the end');
ok(1, 'all is well in the end');
is( ask(q{SELECT sum(n_tup_upd + n_tup_del + n_dead_tup) FROM pg_stat_user_tables WHERE relname ~ '^(outbox|result|request)_[0-9]'}),
	'0', 'and nothing was ever changed in the rings');

# Whatever was wrong has been told where nobody has to look, and its end, too: see hubspot_health().
wait_until(
	sub {
		gather();
		# what a worker that was held has told is void
		my %wrong;
		for (@told)
		{
			%wrong = () if $_->{kind} eq 'start';
			$wrong{ join '/', $_->{account}, $_->{lane} // '' } += $_->{wrong} ? $_->{before} ? 0 : 1 : -1 if $_->{kind} eq 'lane';
		}
		return !grep { $_ != 0 } values %wrong;
	},
	'the end of everything to be told');
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
my (@untold, @unlogged);
for my $rule (grep { defined $_->{remedy} && $_->{scope} ne 'database' && %{ $cases{ $_->{event} } } } @$rules)
{
	my $event = $rule->{event};
	push @untold, "$event begins" if !grep { $_->{wrong} && $_->{event} eq $event && $_->{state} eq $rule->{state} && $_->{remedy} } @told;
	push @untold, "$event ends" if !grep { ($_->{before} // '') eq $event } @told;
	push @unlogged, "$event begins" if $log !~ /LOG:  HubSpot account "\w+"(?:, lane \w+)? is in state $rule->{state}: \Q$rule->{reason}\E/;
	push @unlogged, "$event ends" if $log !~ /LOG:  HubSpot account "\w+"(?:, lane \w+)? is not in state $rule->{state} any more/;
}
is("@untold", '', 'each event that a remedy is for was notified of, and its end');
is("@unlogged", '', 'and logged');
$listener->quit;

#
# The table in the reference is this one
#
sub documented
{
	my ($rule) = @_;
	my $seconds = sub { my ($h, $m, $s) = split /:/, $_[0]; return $h * 3600 + $m * 60 + $s };
	my $wait = !defined $rule->{first_wait} ? ''
	  : $rule->{first_wait} eq $rule->{longest_wait} ? $seconds->($rule->{first_wait}) . ' s'
	  : $seconds->($rule->{first_wait}) . ' to ' . $seconds->($rule->{longest_wait}) . ' s';
	my $line = join ' | ', "| `$rule->{state}`", $rule->{event}, $rule->{reason} // 'all is well', $rule->{scope}, $wait,
	  join(', ', @{ $rule->{left_by} }), $rule->{remedy} // '';
	return $line . ' |' =~ s/ +/ /gr;
}

open my $page, '<', "$FindBin::Bin/../../docs/reference-settings.md" or die "reference-settings.md: $!";
my @lines = map { s/ +/ /gr } grep { /^\| `[A-Z_]+` \|/ } map { chomp; $_ } <$page>;
is_deeply(\@lines, [ map { s/ +/ /gr } map { documented($_) } @$rules ], 'docs/reference-settings.md has the table of states as it is')
  or diag join "\n", map { documented($_) } @$rules;

$node->stop;
done_testing();
