# HubSpotTorture: the fault campaign.  Sessions call, HubSpot misbehaves, workers are
# killed and the server is stopped, all at random; in the end everything is mended,
# drains, and the ledger, the tables and HubSpot's books are compared.
#
#	use HubSpotTorture;
#	torture(seed => 7, faults => 100, seconds => 20, crashes_every => 4);
#
# It ends the campaign at so many faults or after so many seconds, whichever comes
# first, and makes a TAP test of each property that must hold.  A fault is an answer
# that a rule of the simulator spoilt, or a kill or stop.  The seed decides what is
# done; when, is up to the machine.  The SQL is in test/torture/.
package HubSpotTorture;

use strict;
use warnings;

use Exporter qw(import);
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

use HubSpotTest qw(:DEFAULT start_writer try_ask);

our @EXPORT = qw(torture);

my $contacts = 60;
my $companies = 20;
my $backlog = 4000;    # rows that may wait before the sessions pause

my ($sim, $node, $directory, $stop_file, $pause_file);
my %count;             # of faults, by kind
my $most_deferred = 0;

sub one_of { return $_[ rand @_ ] }

#
# What sessions do
#
# Some contacts are called for more often than others.
sub contact { return 'c' . int($contacts * rand() ** 2) . '@example.com' }
sub company { return 'group' . int rand $companies }

# One call of a key that others call, too; keys grow within a transaction, so that two do not deadlock.
sub shared_call
{
	my ($kind, $key, $marker) = @_;
	my $how = $kind eq 'contact' ? one_of(qw(function function enqueue row statement)) : one_of(qw(function enqueue));
	my $member = $kind eq 'company' && rand() < 0.4 ? "'" . contact() . "'" : 'NULL';
	my $call = "SELECT call('$kind', '$key', '$marker', '$how', $member);\n";
	my $fate = rand;

	return "SAVEPOINT s;\n${call}ROLLBACK TO s;\n" if $fate < 0.06;
	return "SAVEPOINT s;\n${call}RELEASE s;\n" if $fate < 0.12;
	return "SELECT call_in_block('$kind', '$key', '$marker', " . one_of('true', 'false') . ");\n" if $fate < 0.2;
	return $call;
}

# Rows put into the table by COPY, with their lines of the ledger.
sub copy
{
	my ($marker, $server) = @_;
	my ($ledger, $outbox) = ('', '');

	for my $i (1 .. 2 + int rand 40)
	{
		my ($one, $key) = ("$marker-$i", "$marker-$i\@example.com");
		$ledger .= "$one|contact|$key|1\n";
		$outbox .= qq{$server|identify|contact|function|$key|{"email": "$key", "zip": 1, "city": "$one"}\n};
	}
	return "COPY ledger (marker, kind, key, n) FROM STDIN (DELIMITER '|');\n$ledger\\.\n"
	  . "COPY hubspot.outbox (server, call, object, source, key, message) FROM STDIN (DELIMITER '|');\n$outbox\\.\n";
}

# A transaction; the marker begins those of its calls.
sub transaction
{
	my ($marker, $server) = @_;
	my $n = 0;
	my $sql = "BEGIN;\n";
	my $end = rand() < 0.1 ? "ROLLBACK;\n" : "COMMIT;\n";
	my $kind = rand;

	$sql .= "SET LOCAL synchronous_commit = off;\n" if rand() < 0.4;
	if ($kind < 0.07)
	{
		# what is prepared may wait for long: only keys of its own
		my $fate = rand() < 0.7 ? 'keep' : 'drop';
		$sql .= "SELECT call('contact', 'own-$marker\@example.com', '$marker-" . $n++ . "');\n" for 0 .. rand 4;
		$sql .= "SELECT call_many('$marker-many', " . int(rand 100) . ", 'enqueue');\n";
		return $sql . "PREPARE TRANSACTION '$fate-$marker';\n";
	}
	if ($kind < 0.1)
	{
		# a session that takes its time
		$sql .= "SELECT call('contact', 'own-$marker\@example.com', '$marker-a'); SELECT pg_sleep(" . rand(2) . ");\n"
		  . "SELECT call('contact', 'own-$marker\@example.com', '$marker-b');\n";
		return $sql . $end;
	}
	return $sql . copy($marker, $server) . $end if $kind < 0.15;
	return $sql . "SELECT call('" . one_of(qw(contact event)) . "', '" . contact() . "', '$marker-' || i) FROM generate_series(1, " . int(rand 150) . ") i;\n" . $end
	  if $kind < 0.17;
	return $sql . "SELECT call_many('$marker', " . int(rand 300) . ", '" . one_of(qw(enqueue statement)) . "');\n" . $end if $kind < 0.2;
	return $sql . "SELECT call('bad', 'bad-$marker\@example.nosuchtld', '$marker-bad');\n" . $end if $kind < 0.24;

	$sql .= shared_call('contact', $_, "$marker-" . $n++) for sort map { contact() } 0 .. rand 8;
	$sql .= shared_call('company', $_, "$marker-" . $n++) for sort map { company() } 1 .. rand 4;
	$sql .= shared_call('event', $_, "$marker-" . $n++) for sort map { contact() } 0 .. rand 6;
	return $sql . $end;
}

sub session_says
{
	my ($session, $chunk) = @_;
	my $server = $node->{hubspot_server};
	sleep 0.05 while -e $pause_file && !-e $stop_file;
	sleep rand 0.3;
	return join '', map { transaction("w$session-$chunk-$_", $server) } 1 .. 8;
}

#
# What HubSpot does.  One record alone is never refused, nor met with silence.
#
my %several = (match => { record => '},{' });
my @faults = (
	(map { my $status = $_; [ "status $status", action => 'status', status => $status, body => 'no' ] } 408, 500, 502, 503, 504),
	(map { [ "status $_", action => 'status', status => $_ ] } 401, 403, 423, 477),
	(map { [ "html $_", action => 'html', status => $_ ] } 404, 502, 503),
	[ '429, again in 1 s', action => 'status', status => 429, headers => { 'Retry-After' => 1 } ],
	[ '429 DAILY', action => 'rate_limit', policy => 'DAILY' ],
	[ '429 SECONDLY_SEARCH', action => 'rate_limit', policy => 'SECONDLY_SEARCH', headers => { 'Retry-After' => 1 } ],
	[ 'reset', action => 'reset' ], [ 'reset amid the answer', action => 'reset', after_bytes => 300 ],
	[ 'truncated', action => 'truncate' ],
	[ 'dropped before', action => 'drop_before' ], [ 'dropped after', action => 'drop_after' ], [ 'dropped after', action => 'drop_after' ],
	[ 'late', action => 'delay', ms => 250 ], [ 'in pieces', action => 'slow_body', ms => 0 ], [ '2 MB', action => 'big', bytes => 2_000_000 ],
	[ 'garbage', action => 'garbage' ],
	[ 'shuffled', action => 'shuffle' ], [ 'errors of nobody', action => 'untraced_errors' ],
	[ 'a result missing', action => 'missing_results', %several ], [ 'empty success', action => 'empty_success', %several ],
	[ 'conflict', action => 'conflict', %several ],
	[ '400 for all', action => 'status', status => 400, %several,
		body => { status => 'error', category => 'VALIDATION_ERROR', message => 'Invalid input' } ]);
# These take seconds each.
my @slow_faults = ([ 'hang', action => 'hang' ], [ '429 TEN_SECONDLY_ROLLING', action => 'rate_limit', policy => 'TEN_SECONDLY_ROLLING' ]);
# One contact spoils each request that it is in, for a while.
sub spoilt_contact
{
	return ([ 'one contact fails all', action => 'status', status => one_of(500, 502, 503), body => 'no',
			match => { record => '"' . contact() . '"' } ], 5 + int rand 10);
}

my @paths = (('contacts/batch/upsert') x 4, ('companies/batch/upsert') x 2, ('send/batch') x 3, ('/associations/') x 2, 'account-info', '/');

my %kind_of_rule;

sub add_fault
{
	my ($fault, $times) = rand() < 0.08 ? spoilt_contact() : (rand() < 0.01 ? one_of(@slow_faults) : one_of(@faults), 1 + int rand 4);
	my ($kind, %rule) = @$fault;
	$rule{match} = { %{ $rule{match} // {} }, path => one_of(@paths) };
	my $id = $sim->fault(%rule, times => $times, skip => int rand 3);
	$kind_of_rule{$id} = $kind;
}

# Counts what the rules did, and forgets them.
sub count_faults
{
	$count{ $kind_of_rule{ $_->{id} } } += $_->{hits} for @{ $sim->faults->{results} };
	$sim->clear_faults;
	my $now = try_ask($node, 'SELECT count(*) FROM hubspot.deferred') // 0;
	$most_deferred = $now if $now > $most_deferred;
}

sub faults_so_far
{
	my $sum = 0;
	$sum += $_ for values %count;
	return $sum;
}

# The pauses of the lanes end with a reload.
sub end_pauses
{
	my ($postmaster) = eval { slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/ };
	kill 'HUP', $postmaster if $postmaster;
}

my @lanes = qw(contacts companies associations events);

# An operator stops a lane, or all, and lets it go on.
sub pause
{
	try_ask($node, "SELECT hubspot_pause('crm', " . one_of('NULL', map { "'$_'" } @lanes) . ')');
}

sub resume
{
	try_ask($node, join ' ', map { "SELECT hubspot_resume('crm', $_);" } 'NULL', map { "'$_'" } @lanes);
}

# Limits that are low for a while are no faults.
sub change_limits
{
	my $low = rand() < 0.25;
	$sim->config(burst_limit => $low ? 40 + int rand 40 : 100_000, event_limit => $low ? 300 : 100_000, association_limit => $low ? 20 : 100_000);
}

#
# What ends workers, sessions and the server
#
my @crash_log;

# From here on requests are another worker's; called when the old one is gone and the next one not there.
sub note_crash { push @crash_log, [ int(time * 1e6), shift ] }

sub end_worker
{
	my ($signal, $what) = @_;
	my $pid = try_ask($node, q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'hubspot worker'}) or return 0;
	kill $signal, $pid;
	wait_until(sub { !kill 0, $pid }, "$what: the worker to be gone");
	note_crash($what);
	return 1;
}

sub end_server
{
	my ($mode, $what) = @_;
	$node->stop($mode);
	note_crash($what);
	sleep rand 0.5;
	$node->start;
	return 1;
}

sub end_sessions
{
	return defined try_ask($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
}

my @crashes = (
	[ 'worker killed', 8, sub { end_worker('KILL', @_) } ],
	[ 'worker ended', 2, sub { end_worker('TERM', @_) } ],
	[ 'server stopped immediately', 6, sub { end_server('immediate', @_) } ],
	[ 'server restarted', 1, sub { end_server('fast', @_) } ],
	[ 'sessions ended', 3, \&end_sessions ]);

sub crash
{
	my ($what, undef, $act) = @{ one_of(map { ($_) x $_->[1] } @crashes) };
	$count{$what}++ if $act->($what);
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
sub set_up
{
	my ($ack, $skip) = map { one_of('on', 'off') } 1 .. 2;

	$sim = start_simulator(log => "$directory/applied",
		config => { burst_limit => 100_000, event_limit => 100_000, association_limit => 100_000, daily_limit => 0, latency_ms => 2, latency_jitter_ms => 30 });
	$sim->add_property('companies', name => 'segment_group_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true());
	$node = hubspot_cluster('torture', conf => join "\n", 'restart_after_crash = on', 'max_prepared_transactions = 50',
		'log_statement = none', 'checkpoint_timeout = 30s', "hubspot.timeout = '3s'", "hubspot.ack_synchronous_commit = $ack",
		'hubspot.window_rows = ' . one_of(300, 5000, 50_000));
	create_account($node, 'postgres', 'crm', $sim, company_id_property => 'segment_group_id', skip_unchanged => $skip);
	$node->{hubspot_server} = $node->safe_psql('postgres', q{SELECT oid FROM pg_foreign_server WHERE srvname = 'crm'});
	$node->safe_psql('postgres', q{SELECT hubspot_create_event('thing', '{"n": "string", "marker": "string"}')});
	wait_drained($node, 'postgres');
	$node->safe_psql('postgres', q{ALTER DATABASE postgres SET torture.first_id = } . $node->safe_psql('postgres', 'SELECT max(id) FROM hubspot.outbox'));
	# from one table of the ring to the next
	$node->safe_psql('postgres', q{SELECT setval('hubspot.outbox_id_seq', 2000000000 - } . one_of(1000, 10_000) . ')') if rand() < 0.5;
	$node->safe_psql('postgres', slurp_file('test/torture/setup.sql'));
	$node->safe_psql('postgres', qq{SELECT call('contact', 'c' || i || '\@example.com', 'first-' || i) FROM generate_series(0, $contacts - 1) i});
	wait_drained($node, 'postgres');
	return "acknowledged with synchronous_commit = $ack, skip_unchanged = $skip";
}

sub misbehave
{
	my (%options) = @_;
	my $give_up = time + $options{seconds};
	my $next_crash = time + $options{crashes_every};
	my $next_look = 0;

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
			change_limits() if rand() < 0.2;
			resume();
			pause() if rand() < 0.1;
			finish_prepared(0.1);
			$next_look = time + 1;
		}
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

# All is mended, everything drains, HubSpot's books are loaded.
sub settle
{
	count_faults();
	$sim->config(burst_limit => 100_000, event_limit => 100_000, association_limit => 100_000);
	wait_until(sub { defined try_ask($node, 'SELECT 1') }, 'the server');
	finish_prepared(1);
	wait_until(sub { defined resume() }, 'the lanes to be resumed');
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

	append_to_file("$directory/requests", $sim->requests_text);
	my $format = q{(FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02')};
	$node->safe_psql('postgres', qq{\\copy applied_line FROM '$directory/applied' $format\n\\copy request_line FROM '$directory/requests' $format\n}
		  . join '', map { "INSERT INTO crash VALUES ($_->[0], '$_->[1]');\n" } @crash_log);
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
	($stop_file, $pause_file) = ("$directory/stop", "$directory/pause");
	my $settings = set_up();
	my @sessions;
	for my $session (1 .. $options{sessions} // 4)
	{
		push @sessions, start_writer($node, $stop_file, sub { session_says($session, @_) });
	}
	misbehave(%options);
	append_to_file($stop_file, '');
	waitpid $_, 0 for @sessions;
	settle();

	my @lines = map { [ split /\|/, $_, 3 ] } split /\n/, $node->safe_psql('postgres', slurp_file('test/torture/check.sql'));
	my @properties = splice @lines, 0, @lines - 7;
	push @properties, [ 'nothing crashed by itself', scalar(() = slurp_file($node->logfile) =~ /PANIC|TRAP|terminated by signal (?!9)/g), '' ];

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
	$node->stop;
	return faults_so_far();
}

1;
