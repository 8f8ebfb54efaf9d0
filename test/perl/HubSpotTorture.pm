# HubSpotTorture: the fault campaign.  Sessions call, HubSpot misbehaves, tables are
# locked, the disk is full, processes are killed and the server is stopped, all at
# random; in the end everything is mended, drains, and the ledger, the tables and
# HubSpot's books are compared.
#
#	use HubSpotTorture;
#	torture(seed => 7, faults => 100, seconds => 20, crashes_every => 4);
#
# It ends the campaign at so many faults or after so many seconds, whichever comes
# first, and makes a TAP test of each property that must hold.  The seed decides what is
# done; when, is up to the machine.  What sessions do is in HubSpotTortureCalls, what is
# done to them in HubSpotTortureFaults, the SQL in test/torture/.
package HubSpotTorture;

use strict;
use warnings;

use Exporter qw(import);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use HubSpotTest qw(:DEFAULT start_writer try_ask);
use HubSpotTortureCalls;
use HubSpotTortureFaults;

our @EXPORT = qw(torture);

my $backlog = 4000;    # rows that may wait before the sessions pause
my $beside_token = 'pat-na1-22222222-3333-4444-5555-666666666666';

# HubSpot; that of another account, which never misbehaves
my ($sim, $beside, $node, $directory, $stop_file, $pause_file);
my ($most_deferred, %seen);
my $next_search = 0;    # when all rows may be looked at again

#
# What is looked at while it happens
#
# What must never be seen; the first ones are kept.
sub seen_wrong { my ($what, @examples) = @_; push @{ $seen{$what} //= [] }, @examples }

sub look
{
	my $deferred = try_ask($node, 'SELECT count(*) FROM hubspot.deferred') // 0;
	$most_deferred = $deferred if $deferred > $most_deferred;
	seen_wrong('the worker never sleeps in a transaction', split /\n/, try_ask($node, 'SELECT * FROM sleeps_in_transaction()') // '');
	return if time < $next_search;

	# all rows are looked at, which takes longer the more there are
	my $begun = time;
	seen_wrong('what the checkpoint covers has a verdict', split /\n/, try_ask($node, 'SELECT example FROM disagreement LIMIT 5') // '');
	seen_wrong('hubspot_check() finds nothing', split /\n/, try_ask($node, 'SELECT * FROM hubspot_check() LIMIT 5') // '');
	$next_search = time + 10 * (time - $begun);
}

# The pauses of the lanes end with a reload.
sub end_pauses
{
	my ($postmaster) = eval { slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/ };
	kill 'HUP', $postmaster if $postmaster;
}

my $car = '2-3465404';
my @lanes = (qw(contacts companies associations events forms lists deals tickets pairs), $car);

# An operator stops a lane, or all, and lets it go on.
sub pause
{
	try_ask($node, "SELECT hubspot_pause('crm', " . one_of('NULL', map { "'$_'" } @lanes) . ')');
}

sub resume
{
	return try_ask($node, join ' ', map { "SELECT hubspot_resume('crm', $_);" } 'NULL', map { "'$_'" } @lanes);
}

# Limits that are low for a while are no faults.
my %no_limits = (burst_limit => 100_000, event_limit => 100_000, association_limit => 100_000, form_limit => 0, daily_limit => 0, search_limit => 0);

sub change_limits
{
	my $low = rand() < 0.25;
	$sim->config(burst_limit => $low ? 40 + int rand 40 : 100_000, event_limit => $low ? 300 : 100_000, association_limit => $low ? 20 : 100_000);
}

sub finish_prepared
{
	my ($share) = @_;
	for my $gid (split /\n/, try_ask($node, 'SELECT gid FROM pg_prepared_xacts') // '')
	{
		next if rand() > $share;
		try_ask($node, ($gid =~ /^keep/ ? 'COMMIT' : 'ROLLBACK') . " PREPARED '$gid'");
	}
}

#
# The campaign
#
sub tell_all
{
	my ($marker, @who) = @_;
	$node->safe_psql('postgres', join '', map { "SELECT call_user('tell', '$_', '$marker-$_', '" . (addresses($_))[0] . "', 'function');\n" } @who);
}

sub set_up
{
	my ($ack, $skip) = map { one_of('on', 'off') } 1 .. 2;

	$sim = start_simulator(log => "$directory/applied", config => { %no_limits, latency_ms => 2, latency_jitter_ms => 30 });
	mkdir "$directory/beside";
	$beside = HubSpotSimulator->start($ENV{SIMULATOR}, "$directory/beside", token => $beside_token, config => {%no_limits});
	$sim->add_property('companies', name => 'segment_group_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true());
	die 'the custom object has another id' if $sim->add_schema(name => 'car')->{objectTypeId} ne $car;
	for my $type ('deals', 'tickets', $car)
	{
		$sim->add_property($type, name => $_, type => 'string', fieldType => 'text', $_ eq 'our_ref' ? (hasUniqueValue => JSON::PP::true()) : ()) for qw(our_ref zip city);
	}
	$sim->api('POST', '/crm/v4/associations/deals/contacts/labels', { name => 'torture', label => 'Torture' });
	$sim->api('POST', '/_sim/forms', { id => 'f-1', name => 'Demo', fields => ['email'] });
	$node = hubspot_cluster('torture', start => 0, tokens => { crm => $HubSpotTest::token, beside => $beside_token },
		conf => join "\n", 'restart_after_crash = on', 'max_prepared_transactions = 50',
		'log_statement = none', "log_line_prefix = '%m [%p] %b %e '", "backtrace_functions = 'AllocSetFree,AllocSetRealloc'",
		'checkpoint_timeout = 30s', "hubspot.timeout = '3s'", "hubspot.ack_synchronous_commit = $ack",
		'hubspot.window_rows = ' . one_of(300, 5000, 50_000));
	begin_faults($node, $sim, $directory);
	preloaded(sub { $node->start });
	create_account($node, 'postgres', 'crm', $sim, forms_url => $sim->url, company_id_property => 'segment_group_id', id_properties => "deal=our_ref, ticket=our_ref, $car=our_ref", skip_unchanged => $skip);
	create_account($node, 'postgres', 'beside', $beside, secret => 'beside');
	$node->safe_psql('postgres', q{SELECT hubspot_create_event('thing', '{"n": "string", "marker": "string"}', server => 'crm')});
	$node->safe_psql('postgres', join '', map { "SELECT hubspot_create_list('$_', server => 'crm');" } @lists);
	$node->safe_psql('postgres', "ALTER DATABASE postgres SET torture.car = '$car'");
	$node->safe_psql('postgres', slurp_file('test/torture/setup.sql'));
	wait_until(sub { $node->safe_psql('postgres', q{SELECT refreshed_at FROM hubspot.syncs WHERE name = 'torture'}) }, 'the first refresh of the audience');
	wait_drained($node, 'postgres');
	$node->{hubspot_server} = $node->safe_psql('postgres', q{SELECT oid FROM pg_foreign_server WHERE srvname = 'crm'});
	$node->safe_psql('postgres', q{ALTER DATABASE postgres SET torture.first_id = } . $node->safe_psql('postgres', 'SELECT max(id) FROM hubspot.outbox'));
	# from one table of the ring to the next
	$node->safe_psql('postgres', q{SELECT setval('hubspot.outbox_id_seq', 2000000000 - } . one_of(1000, 10_000) . ')') if rand() < 0.5;
	$node->safe_psql('postgres', qq{SELECT call('contact', 'c' || i || '\@example.com', 'first-' || i) FROM generate_series(0, $contacts - 1) i});
	$node->safe_psql('postgres', qq{SELECT call_record(kind, kind || i, 'first-' || kind || i, 'enqueue') FROM unnest(ARRAY['car', 'deal', 'ticket']) kind, generate_series(0, $records - 1) i});
	my %late = map { $_ => 1 } @told_late;
	tell_all('first', grep { !$late{$_} } @user_ids);
	wait_drained($node, 'postgres');
	return "acknowledged with synchronous_commit = $ack, skip_unchanged = $skip";
}

sub misbehave
{
	my (%options) = @_;
	my $give_up = time + $options{seconds};
	my $next_crash = time + $options{crashes_every};
	my ($next_look, $next_trouble, $disk_until) = (0, time + rand 3, 0);

	while (faults_so_far() < $options{faults} && time < $give_up)
	{
		add_fault() for 1 .. rand 4;
		end_pauses();
		if (time > $next_look)
		{
			my $waiting = try_ask($node, q{SELECT sum(waiting) FROM hubspot.status}) || 0;
			if ($waiting > $backlog) { append_to_file($pause_file, '') }
			else { unlink $pause_file }
			count_faults();
			look();
			change_limits() if rand() < 0.2;
			resume();
			pause() if rand() < 0.1;
			finish_prepared(0.1);
			$next_look = time + 1;
		}
		if (time > $next_trouble)
		{
			if (rand() < 0.7) { hold_lock(1.2 + rand $options{crashes_every}) }
			else { fill_disk(); $disk_until = time + 0.3 + rand 2 }
			$next_trouble = time + 2 + rand 4;
		}
		free_disk() if time > $disk_until;
		if (time > $next_crash)
		{
			# amid requests that go well, mostly
			count_faults();
			end_pauses();
			sleep rand 0.5;
			crash();
			$next_crash = time + $options{crashes_every} * (0.5 + rand);
		}
		sleep 0.05 + rand 0.1;
	}
}

# HubSpot is gone, for one account.  Returns what is not as it should be.
sub outage
{
	my ($touched, $worker) = (q{SELECT count(*) FROM hubspot.outbox o WHERE key LIKE 'outage-%' AND
		(EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id) OR EXISTS (SELECT FROM hubspot.deferred d WHERE d.id = o.id))});

	wait_until(sub { defined resume() }, 'the lanes to be resumed');
	hubspot_gone();
	$node->safe_psql('postgres', q{SELECT call_many('outage', 500, 'enqueue')});
	wait_until(sub { $node->safe_psql('postgres', q{SELECT state <> 'RUN' FROM hubspot.status WHERE server = 'crm' AND lane = 'contacts'}) eq 't' },
		'the lane to see that HubSpot is gone');

	# the account beside it
	my $id = $node->safe_psql('postgres', q{SELECT hubspot_identify('{"email": "ada@example.com"}', 'beside')});
	my $goes_on = eval {
		wait_until(sub { $node->safe_psql('postgres', "SELECT verdict FROM hubspot.result WHERE id = $id") eq 'delivered' }, 'the other account');
	};
	seen_wrong("one account's trouble does not stop another", $goes_on ? () : $@);
	my $rows = $node->safe_psql('postgres', $touched);
	seen_wrong('an outage writes nothing of the rows', $rows eq '0' ? () : "$rows rows");

	# a worker that does nothing at all
	$worker = worker_pid($node, 'postgres');
	kill 'STOP', $worker;
	my $called = try_ask($node, q{SET statement_timeout = '60s'; SELECT call('contact', 'c0@example.com', 'stopped')});
	kill 'CONT', $worker;
	seen_wrong('a session does not wait for the worker', defined $called ? () : 'the call failed');
	end_faults();
}

# All is mended, everything drains, HubSpot's books are loaded.
sub settle
{
	$sim->config(%no_limits);
	finish_prepared(1);
	wait_until(sub { defined resume() }, 'the lanes to be resumed');
	tell_all('last', @user_ids);
	# a refresh that was killed twice is held
	$node->safe_psql('postgres', q{SELECT hubspot_resync(name) FROM hubspot.sync WHERE name = 'torture'});
	wait_until(sub { defined try_ask($node, q{SELECT hubspot_refresh('torture')}) }, 'the last refresh');
	wait_until(
		sub {
			end_pauses();
			sleep 0.2;
			try_ask($node, 'SELECT hubspot_retry(id) FROM hubspot.deferred');
			my $left = try_ask($node, 'SELECT count(*) FROM hubspot.backlog');
			return defined $left && $left eq '0';
		},
		sub { 'verdicts; ' . (try_ask($node, 'SELECT * FROM hubspot.status; SELECT * FROM hubspot.workers; SELECT * FROM hubspot.backlog LIMIT 10') // 'no server') },
		300);
	$next_search = 0;
	look();

	append_to_file("$directory/requests", $sim->requests_text);
	my $format = q{(FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')};
	$node->safe_psql('postgres', qq{\\copy applied_line FROM '$directory/applied' $format\n\\copy request_line FROM '$directory/requests' $format\n}
		  . join '', map { "INSERT INTO crash VALUES ($_->[0], '$_->[1]');\n" } crashes());
}

# Files of the stopped server that hold a token.
sub leaks
{
	my @tokens = map { ('-e', $_) } $HubSpotTest::token, $beside_token;
	open my $grep, '-|', 'grep', '-rlF', @tokens, $node->data_dir, $node->logfile or die "grep: $!";
	my @files = <$grep>;
	close $grep;
	chomp @files;
	return @files;
}

sub table
{
	return join "\n", map { sprintf '%-58s %9s  %s', @$_ } @_;
}

sub torture
{
	my (%options) = @_;
	my $faults = eval { run(%options) };
	return $faults if defined $faults;
	diag "SEED=$options{seed}\n$@";
	die $@;
}

sub run
{
	my (%options) = @_;
	my $seed = $options{seed};
	my $begun = time;

	srand $seed;
	$SIG{PIPE} = 'IGNORE';
	$directory = PostgreSQL::Test::Utils::tempdir();
	($stop_file, $pause_file, $most_deferred) = ("$directory/stop", "$directory/pause", 0);
	my $settings = set_up();
	my @sessions;
	my $campaign = $$;
	for my $session (1 .. $options{sessions} // 4)
	{
		push @sessions, start_writer($node, $stop_file, sub {
			sleep 0.05 while -e $pause_file && !-e $stop_file && getppid == $campaign;
			sleep rand 0.3;
			return session($session, $_[0], $node->{hubspot_server});
		});
	}
	misbehave(%options);
	append_to_file($stop_file, '');
	end_faults();
	waitpid $_, 0 for @sessions;
	wait_for_server($node);
	outage();
	settle();

	my @lines = map { [ split /\|/, $_, 3 ] } split /\n/, $node->safe_psql('postgres', slurp_file('test/torture/check.sql'));
	my @properties = splice @lines, 0, @lines - 10;
	$node->stop;
	seen_wrong('the token is nowhere', leaks());
	my $log = slurp_file($node->logfile);
	seen_wrong('nothing crashed by itself', $log =~ /.*(?:PANIC|TRAP|terminated by signal (?!9)).*/g);
	seen_wrong('there was no internal error', $log =~ /.* XX0\d\d (?:ERROR|FATAL).*/g);
	push @properties, map { [ $_, scalar @{ $seen{$_} }, join '; ', grep { defined } @{ $seen{$_} }[ 0 .. 2 ] ] } sort keys %seen;

	my %count = fault_counts();
	my @table = map { [ "fault: $_", $count{$_}, '' ] } grep { $count{$_} } sort keys %count;
	push @table, [ 'faults', faults_so_far(), '' ], [ 'seconds', int(time - $begun), $settings ], [ 'most rows deferred at once', $most_deferred, '' ], @lines,
	  map { [ $_->[0], $_->[1], $_->[1] ? 'FAIL' : 'PASS' ] } @properties;
	for my $property (@properties)
	{
		is($property->[1], '0', $property->[0]) or diag $property->[2];
	}
	my $is_well = !grep { $_->[1] } @properties;
	my $text = "SEED=$seed\n" . table(@table);
	if ($options{loud} || !$is_well) { diag $text }
	else { note $text }
	return faults_so_far();
}

1;
