# HubSpotTest: a cluster with the extension, an account on the simulator.
#
#	use HubSpotTest;
#	my $sim = start_simulator();
#	my $node = hubspot_cluster('drain');
#	create_account($node, 'postgres', 'crm', $sim);
#	$node->safe_psql('postgres', q{SELECT hubspot_identify('{"userId": "ada@example.com"}')});
#	wait_drained($node, 'postgres');
#	is($sim->contact('ada@example.com')->{properties}{email}, 'ada@example.com');
#
# Every wait is for a condition, and dies with what it waited for.
package HubSpotTest;

use strict;
use warnings;

use Carp qw(croak);
use Exporter qw(import);
use List::Util qw(max min);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More ();
use Time::HiRes qw(sleep time);

use HubSpotPauses;
use HubSpotSimulator;

our @EXPORT = qw(start_simulator hubspot_cluster write_token create_account
  stop_delivery resume_delivery queue_together worker_pid freeze wait_until wait_drained becomes
  wait_for_server);
our @EXPORT_OK = qw(try_ask start_writer);

# The token that accounts and simulators have unless told otherwise.
our $token = 'pat-na1-11111111-2222-3333-4444-555555555555';

my $patience = $PostgreSQL::Test::Utils::timeout_default;    # of PG_TEST_TIMEOUT_DEFAULT

# A session that stays open (background_psql) has a timer that began with the session: it
# would end a long test on a slow machine.  Here it is one of each statement.
{
	package HubSpotTest::Session;
	our @ISA = ('PostgreSQL::Test::BackgroundPsql');

	sub quit
	{
		my ($self) = @_;
		$self->{timeout}->start;
		return $self->SUPER::quit;
	}

	package HubSpotTest::Cluster;
	our @ISA = ('PostgreSQL::Test::Cluster');

	# where a test may be late
	sub psql
	{
		my ($self, @arguments) = @_;
		HubSpotPauses::pause_here();
		return $self->SUPER::psql(@arguments);
	}

	sub background_psql
	{
		my ($self, @arguments) = @_;
		my $session = bless $self->SUPER::background_psql(@arguments), 'HubSpotTest::Session';
		$session->set_query_timer_restart;
		return $session;
	}
}

# A simulator; options as in HubSpotSimulator->start().  HubSpot may put one answer in several
# ways: ANSWER_SEED chooses among them, without it answers are as they were recorded.
# What an open fact means, READING_SEED chooses; without it, what is harder for us.
sub start_simulator
{
	my (%options) = @_;
	croak 'SIMULATOR is not set: run this through make check-tap' unless $ENV{SIMULATOR};
	$options{config} = { answer_seed => 0 + ($ENV{ANSWER_SEED} // 0), reading_seed => 0 + ($ENV{READING_SEED} // 0), %{ $options{config} // {} } };
	return HubSpotSimulator->start($ENV{SIMULATOR}, PostgreSQL::Test::Utils::tempdir(),
		token => $token, %options);
}

# A started cluster.  Options: conf (text), tokens (name => token, in place of
# crm), start (0 leaves it stopped), init (list of arguments of init()), install_path
# (of another PostgreSQL than the one in PATH).
sub hubspot_cluster
{
	my ($name, %options) = @_;
	my $node = HubSpotTest::Cluster->new($name, $options{install_path} ? (install_path => $options{install_path}) : ());
	my $secrets = $node->basedir . '/secrets';
	my $tokens = $options{tokens} // { crm => $token };

	$node->init(@{ $options{init} // [] });
	mkdir $secrets, 0700 or croak "$secrets: $!";
	write_token($node, $_, $tokens->{$_}) for keys %$tokens;
	$node->append_conf(
		'postgresql.conf', join "\n",
		q{shared_preload_libraries = 'hubspot'},
		qq{hubspot.secret_directory = '$secrets'},
		$options{conf} // '');
	$node->start if $options{start} // 1;
	pause_cluster($node->data_dir);
	return $node;
}

# The token file of a cluster, in one step as an operator should do it.
sub write_token
{
	my ($node, $name, $value) = @_;
	my $path = $node->basedir . "/secrets/$name";
	my $mask = umask 0077;

	open my $file, '>', "$path.new" or croak "$path.new: $!";
	print $file "$value\n";
	close $file or croak "$path.new: $!";
	umask $mask;
	rename "$path.new", $path or croak "$path: $!";
}

# The extension, and an account on the simulator with these further options of
# the SERVER; the token file is the one called crm unless secret says otherwise.
sub create_account
{
	my ($node, $database, $server, $simulator, %options) = @_;
	my %all = (secret => 'crm', base_url => $simulator->url, %options);
	my $list = join ', ', map { (my $value = $all{$_}) =~ s/'/''/g; "$_ '$value'" } sort keys %all;

	$node->safe_psql($database,
		"CREATE EXTENSION IF NOT EXISTS hubspot; "
		  . "CREATE SERVER $server FOREIGN DATA WRAPPER hubspot OPTIONS ($list);");
}

# From here on nothing is sent: what is queued waits together.
sub stop_delivery
{
	my ($node) = @_;
	$node->safe_psql('postgres', 'ALTER SYSTEM SET hubspot.enabled = off');
	$node->reload;
	wait_until(
		sub {
			$node->safe_psql('postgres',
				"SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'hubspot worker'") eq '0';
		},
		'the workers to stop');
}

sub resume_delivery
{
	my ($node) = @_;
	$node->safe_psql('postgres', 'ALTER SYSTEM RESET hubspot.enabled');
	$node->reload;
}

# Statements whose rows wait together, until all of them are queued; what they return, when all
# rows have their verdicts.
sub queue_together
{
	my ($node, @statements) = @_;

	stop_delivery($node);
	my @results = map { $node->safe_psql('postgres', $_) } @statements;
	resume_delivery($node);
	wait_drained($node, 'postgres');
	return @results;
}

# The process of a database's worker, once there is one that found the extension.
sub worker_pid
{
	my ($node, $database) = @_;
	return wait_until(
		sub {
			$node->safe_psql($database,
				"SELECT w.pid FROM hubspot.workers w JOIN pg_stat_activity a ON a.pid = w.pid "
				  . "WHERE w.database = '$database' AND w.state IN ('running', 'held')");
		},
		"a worker for $database");
}

# From here on a process has no time for anything, until the test continues or kills it.
sub freeze
{
	my ($pid) = @_;
	croak 'no process to be stopped' unless $pid;
	leave_alone($pid);
	kill 'STOP', $pid;
}

# What a query says; undef while the server is down.
sub try_ask
{
	my ($node, $query) = @_;
	my ($result, $out) = eval { $node->psql('postgres', $query) };
	return defined $result && $result == 0 ? $out : undef;
}

# Until a server that has crashed is up again.  A psql that is refused may end before it has
# read its statement: whoever writes that dies of it, unless it is try_ask().
sub wait_for_server
{
	my ($node) = @_;
	return wait_until(sub { try_ask($node, 'SELECT 1') }, 'the server to come back');
}

# A process that runs SQL in one session after the other, whatever becomes of the
# server, until the file exists.  The code gets 1, 2, 3 ... and returns the text of a
# session; its random numbers follow from the caller's.  Returns the process id.
sub start_writer
{
	my ($node, $stop_file, $says) = @_;
	my $seed = int rand 1_000_000;
	my $parent = $$;
	my $pid = fork // croak "fork: $!";
	return $pid if $pid;

	srand $seed;
	my $psql = join ' ', map { "'" . s/'/'\\''/gr . "'" } 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-v', 'ON_ERROR_STOP=1', '-f', '-';

	# nor does it outlive the test, however that ends
	for (my $session = 1; !-e $stop_file && getppid == $parent; $session++)
	{
		if (open my $pipe, '|-', "$psql >/dev/null 2>&1")
		{
			print $pipe $says->($session);
			close $pipe or sleep 0.05;    # the server is down
		}
	}
	POSIX::_exit(0);
}

# Waits until the code returns something true, and returns that.  What it waits
# for is a text, or code that returns one.  A look mostly starts a psql: who has
# waited long looks less often, lest the looks take the processor from the work.
sub wait_until
{
	my ($condition, $what, $timeout) = @_;
	my $begin = time;
	my $give_up = $begin + ($timeout // $patience);
	for (;;)
	{
		my $result = $condition->();
		return $result if $result;
		croak 'gave up waiting for: ' . (ref $what ? $what->() : $what) if time > $give_up;
		sleep max(0.02, min(0.2, (time - $begin) / 10));
	}
}

# A test of something that is told later than it happens: what the worker reports of
# itself (hubspot.status, hubspot.workers, hubspot_health(), the states of rows) is
# published a moment after verdicts, and some tables are written at leisure.  Waits until
# the code returns what is wanted, a text or a pattern, and fails with what it said last.
sub becomes
{
	my ($says, $wanted, $name, $timeout) = @_;
	my $last;
	my $is_so = sub {
		$last = $says->();
		return defined $last && (ref $wanted ? $last =~ $wanted : $last eq $wanted);
	};

	eval { wait_until($is_so, $name, $timeout); 1 } or $@ =~ /^gave up waiting/ or die $@;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return ref $wanted ? Test::More::like($last, $wanted, $name) : Test::More::is($last, $wanted, $name);
}

# Waits until every row of the outbox has a verdict.
sub wait_drained
{
	my ($node, $database, $timeout) = @_;
	my $left;
	my $query = 'SELECT count(*) FROM hubspot.outbox o '
	  . 'WHERE NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id)';

	wait_until(
		sub { ($left = $node->safe_psql($database, $query)) eq '0' },
		sub {
			"a verdict for $left more rows; hubspot.status says "
			  . $node->safe_psql($database, 'SELECT * FROM hubspot.status');
		},
		$timeout);
}

1;
