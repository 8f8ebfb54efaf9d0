# Many accounts in one database: each has limits of its own, none is in trouble
# because others are there, and what there is no room for says so.
use strict;
use warnings;

use HubSpotTest;
use Test::More;
use Time::HiRes qw(time);

my $many = $ENV{ACCOUNTS} || 1000;
my $sim = start_simulator(token => [], config => { burst_limit => 10000 });
my $node = hubspot_cluster('many', tokens => { map { ("t$_" => "pat-na1-many-$_") } 1 .. $many + 1 },
	conf => "hubspot.max_tokens = $many\nautovacuum = off\nlog_min_messages = warning");

sub ask { return $node->safe_psql('postgres', shift) }

sub servers
{
	my ($first, $last) = @_;

	ask("DO \$\$ BEGIN FOR i IN $first .. $last LOOP EXECUTE format('CREATE SERVER s%s FOREIGN DATA WRAPPER hubspot OPTIONS (%s)', "
		  . "i, format('secret ''t%s'', base_url ''" . $sim->url . "''', i)); END LOOP; END \$\$");
}

sub states { return ask("SELECT string_agg(state || ' ' || n, ', ' ORDER BY state) FROM (SELECT state, count(*) AS n FROM hubspot.status WHERE lane = 'contacts' GROUP BY 1) s") }

ask('CREATE EXTENSION hubspot');
worker_pid($node, 'postgres');

# All start at once, with places for 16 requests
my $began = time;
servers(1, $many);
ask(q{SELECT hubspot_identify('{"email": "first@example.com"}', 's1')});    # the worker looks for SERVERs when rows come
my %seen;
wait_until(
	sub {
		$seen{$_} = 1 for split /\n/, ask("SELECT DISTINCT state || ': ' || coalesce(reason, '') FROM hubspot.status");
		return states() eq "RUN $many";
	},
	sub { 'all accounts to run; they are: ' . states() });
note sprintf '%d accounts run after %.1f s', $many, time - $began;
is(join(', ', grep { !/^(RUN|CONNECTING|STOPPED)/ } sort keys %seen), '', 'no account is in trouble because many start at once');
is(scalar(grep { $_->{path} =~ /account-info/ } $sim->requests), $many, 'each token is proved once');

# Each has a meter of its own
my @busy = grep { $_ <= $many } 5, 76, 130, $many;
ask("SELECT hubspot_identify('{\"email\": \"warm\@example.com\"}', 's$_')") for @busy;
wait_drained($node, 'postgres');
$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 429, times => 1, headers => { 'Retry-After' => 3000 });
ask(q{SELECT hubspot_identify('{"email": "limited@example.com"}', 's5')});
wait_until(sub { ask('SELECT count(*) FROM hubspot.rate_limits WHERE blocked_until IS NOT NULL') ne '0' }, 'the 429');
becomes(sub { ask("SELECT string_agg(server, ', ') FROM hubspot.rate_limits WHERE blocked_until IS NOT NULL") }, 's5', 'a 429 stops the account that got it, and no other');
ask("SELECT hubspot_identify('{\"email\": \"goes\@example.com\"}', 's$_')") for 1 .. 4, 6 .. 40;
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE key = 'goes@example.com' AND verdict = 'delivered'}) == 39 }, 'the others to deliver');

# One more than there is room for
servers($many + 1, $many + 1);
my $last = 's' . ($many + 1);
ask("SELECT hubspot_identify('{\"email\": \"late\@example.com\"}', '$last')");
my $state = "SELECT state || ': ' || reason FROM hubspot.status WHERE server = '$last' AND lane = 'contacts'";
wait_until(sub { ask($state) =~ /^MISCONFIGURED/ }, 'the one too many to say so');
becomes(sub { ask($state) }, "MISCONFIGURED: more tokens are in use than hubspot.max_tokens allows: $many in use", '... with the reason');
becomes(sub { ask("SELECT string_agg(remedy, '') FROM hubspot_health() WHERE problem LIKE '%account $last,%'") }, qr/hubspot\.max_tokens/, '... and the remedy');
becomes(sub { ask("SELECT count(*) FROM hubspot.status WHERE lane = 'contacts' AND state NOT IN ('RUN', 'LIMITED')") }, 1, '... and nobody else is concerned');

# A token that is replaced takes the place of the old one; an account that goes leaves it
ask("DROP SERVER s$many CASCADE; SELECT hubspot_identify('{\"email\": \"wake\@example.com\"}', 's1')");
wait_until(sub { ask("SELECT state FROM hubspot.status WHERE server = '$last' AND lane = 'contacts'") eq 'RUN' }, 'the place of the dropped one to be taken');
write_token($node, 't7', 'pat-na1-another');
$node->reload;
wait_until(sub { ask("SELECT count(*) FROM hubspot.status WHERE lane = 'contacts' AND state = 'RUN'") == $many - 1 }, 'the replaced token to be proved');
becomes(sub { ask(q{SELECT string_agg(server, ', ') FROM hubspot.rate_limits WHERE blocked_until IS NOT NULL}) }, 's5', 'the 429 is still of one account');

my $pid = worker_pid($node, 'postgres');
my $memory = sub { open my $file, '<', "/proc/$pid/smaps_rollup" or return 0; my ($kb) = map { /^Private_Dirty:\s+(\d+)/ ? $1 : () } <$file>; return $kb };
note 'private memory of the worker: ' . $memory->() . ' kB';
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/meter is used by/, 'every use of a meter held it');

# No room for a report of its lanes: the worker delivers without
$node->append_conf('postgresql.conf', 'dynamic_shared_memory_type = mmap');
$node->restart;
worker_pid($node, 'postgres');
my $segments = $node->data_dir . '/pg_dynshmem';
chmod 0555, $segments;
ask('SELECT pg_terminate_backend(pid) FROM hubspot.workers');
my $lack = qr/no shared memory is left for the report of all lanes/;
wait_until(sub { ask(q{SELECT coalesce(problem, '') FROM hubspot.workers WHERE state = 'running'}) =~ $lack }, sub { 'the lack to be told; ' . ask('SELECT * FROM hubspot.workers') });
my $still = worker_pid($node, 'postgres');
my $without = ask(q{SELECT hubspot_identify('{"email": "without@example.com"}', 's1')});
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $without") eq 'delivered' }, 'a row without a report');
becomes(sub { ask('SELECT problem FROM hubspot_health()') }, $lack, 'health names it');
becomes(sub { ask('SELECT pid FROM hubspot.workers') }, $still, 'and the worker has not ended for it');
chmod 0700, $segments;
wait_until(sub { states() =~ /RUN/ && ask(q{SELECT count(*) FROM hubspot.workers WHERE problem IS NULL}) eq '1' }, 'the report to come back');
pass('the report comes back');

$node->stop;
done_testing();
