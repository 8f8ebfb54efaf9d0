# A standby that takes over from its primary sends without being told; one that
# is promoted with old data, or that follows a copy, does not.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });

sub queue
{
	my ($node, $name, $count) = @_;
	$node->safe_psql('postgres', "SELECT count(hubspot_identify(jsonb_build_object('email', '$name' || i || '\@example.com'))) "
		  . "FROM generate_series(1, $count) i");
}

sub arrived
{
	my $name = shift;
	return scalar grep { $_->{key} =~ /^$name\d/ } $sim->log;
}

sub standby_of
{
	my ($primary, $name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	$primary->backup($name);
	$node->init_from_backup($primary, $name, has_streaming => 1);
	$node->start;
	return $node;
}

# Rows wait when the primary is lost; whether they were waiting on the standby too is seen there.
sub fail_over
{
	my ($primary, $standby, $name, $mode) = @_;

	stop_delivery($primary);
	queue($primary, $name, 5);
	$primary->wait_for_catchup($standby);
	$primary->safe_psql('postgres', 'ALTER SYSTEM RESET hubspot.enabled');
	$primary->stop($mode // 'immediate');
	promote($standby);
}

sub promote
{
	my $standby = shift;
	$standby->promote;
	$standby->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
}

sub rewind
{
	my ($old, $new) = @_;
	$new->safe_psql('postgres', 'CHECKPOINT');    # or else pg_rewind overlooks the promotion
	command_ok(
		[ 'pg_rewind', '--target-pgdata', $old->data_dir, '--source-server', $new->connstr('postgres'), '--no-sync' ],
		$old->name . ' is rewound');
	$old->append_conf('postgresql.conf', 'port = ' . $old->port);
	$old->enable_streaming($new);
	$old->start;
}

sub goes_on
{
	my ($node, $name, $what) = @_;
	wait_drained($node, 'postgres');
	is(arrived($name), 5, $what);
	becomes(sub { $node->safe_psql('postgres', 'SELECT count(*) FROM hubspot_health()') }, '0', 'and is healthy');
}

sub is_held
{
	my ($node, $reason) = @_;
	my $found;
	wait_until(sub { ($found = $node->safe_psql('postgres', q{SELECT problem FROM hubspot.workers WHERE state = 'held'})) =~ $reason },
		sub { "the worker to be held because of $reason, not \"$found\"" });
	like($found, $reason, $node->name . ' is held, and says why');
}

# There and back again, as an operator or a tool does it
my $one = hubspot_cluster('one', init => [ allows_streaming => 1 ], conf => "wal_log_hints = on\nwal_keep_size = '64MB'");
create_account($one, 'postgres', 'crm', $sim);
my $armed_at = $one->safe_psql('postgres', 'SELECT armed_at FROM hubspot.installation');

my $two = standby_of($one, 'two');
my $three = standby_of($two, 'three');
fail_over($one, $two, 'first');
goes_on($two, 'first', 'a promoted standby sends what the primary had waiting');
$two->restart;
queue($two, 'restarted', 5);
goes_on($two, 'restarted', 'it goes on after a restart');
$two->stop('immediate');
$two->start;
queue($two, 'crashed', 5);
goes_on($two, 'crashed', 'and after a crash');

# The old primary is rewound and follows; then it is promoted
rewind($one, $two);
fail_over($two, $one, 'rewound');
goes_on($one, 'rewound', 'a rewound primary goes on when it is promoted');

# A switchover needs no rewind: the directory is the one it was
rewind($two, $one);
fail_over($one, $two, 'switched', 'fast');
goes_on($two, 'switched', 'a switchover goes on');
$one->enable_streaming($two);
$one->start;
fail_over($two, $one, 'back', 'fast');
goes_on($one, 'back', 'and back');

# What follows a standby follows its next primary
$three->append_conf('postgresql.conf', "primary_conninfo = '" . $one->connstr . "'");
$three->restart;
fail_over($one, $three, 'cascade');
goes_on($three, 'cascade', 'so does what followed a standby');
is($three->safe_psql('postgres', 'SELECT armed_at FROM hubspot.installation'), $armed_at, 'nobody had to arm anything');

# A primary that was down for long and comes back as a standby of nobody, as some tools start it
stop_delivery($three);
queue($three, 'alone', 5);
$three->safe_psql('postgres', q{UPDATE hubspot.installation SET alive_at = alive_at - interval '1 day'});
$three->safe_psql('postgres', 'ALTER SYSTEM RESET hubspot.enabled');
$three->stop;
$three->append_conf('postgresql.conf', q{primary_conninfo = ''});
$three->set_standby_mode;
$three->start;
promote($three);
goes_on($three, 'alone', 'a primary that was down for a day goes on in its own directory');

# The sign of life
$three->append_conf('postgresql.conf', q{hubspot.failover_window = '3s'});
$three->reload;
$three->restart;
my $alive = $three->safe_psql('postgres', 'SELECT alive_at FROM hubspot.installation');
wait_until(sub { $three->safe_psql('postgres', "SELECT alive_at > '$alive'::timestamptz + interval '2 seconds' FROM hubspot.installation") eq 't' },
	'signs of life of an idle worker');
pass('an idle worker tells that it is alive');
$three->append_conf('postgresql.conf', q{hubspot.failover_window = '1h'});
$three->restart;

# A standby with old data
my $stale = standby_of($three, 'stale');
my $never = standby_of($three, 'never');
stop_delivery($three);
queue($three, 'stale', 5);
$three->safe_psql('postgres', q{UPDATE hubspot.installation SET alive_at = alive_at - interval '2 hours'});
$three->wait_for_catchup($_) for $stale, $never;
$three->safe_psql('postgres', 'ALTER SYSTEM RESET hubspot.enabled');
$three->stop;
$_->safe_psql('postgres', 'ALTER SYSTEM RESET hubspot.enabled') for $stale, $never;
promote($stale);
is_held($stale, qr/^this server was promoted at 20\S+ \S+ with data of another time: the primary's last sign of life in it is of 20\S+ \S+ \(see hubspot\.failover_window\)$/);
becomes(sub { $stale->safe_psql('postgres', 'SELECT problem FROM hubspot_health()') }, qr/5 rows wait$/, 'with what waits');

# The operator may have known better, before
$never->append_conf('postgresql.conf', q{hubspot.failover_window = '3h'});
$never->reload;
promote($never);
wait_drained($never, 'postgres');
is(arrived('stale'), 5, 'one whose window is wider sends');
$never->stop;

$stale->restart;
is_held($stale, qr/^this server was promoted at/);
is($stale->safe_psql('postgres', 'SELECT count(*) FROM hubspot.backlog'), '5', 'it sends nothing after a restart either');

# What follows a copy is a copy, however fresh it is
my $heir = standby_of($stale, 'heir');
$stale->safe_psql('postgres', 'UPDATE hubspot.installation SET alive_at = clock_timestamp()');
$stale->wait_for_catchup($heir);
$stale->stop;
promote($heir);
is_held($heir, qr/^this server was promoted at/);
is(arrived('stale'), 5, 'nothing was sent by either');
$heir->safe_psql('postgres', 'SELECT hubspot_arm()');
wait_drained($heir, 'postgres');
is(arrived('stale'), 10, 'until it is told to');

# Without a window every promotion waits
my $asked = standby_of($heir, 'asked');
$asked->append_conf('postgresql.conf', 'hubspot.failover_window = 0');
$asked->reload;
fail_over($heir, $asked, 'asked');
is_held($asked, qr/^this server was promoted at/);
is(arrived('asked'), 0, 'with a window of 0 a promotion has to be confirmed');
$asked->safe_psql('postgres', 'SELECT hubspot_arm()');
goes_on($asked, 'asked', 'and is');

unlike(slurp_file($_->logfile), qr/PANIC|TRAP|segmentation|signal 11/i, $_->name . ': nothing crashed') for $one, $two, $three, $stale, $heir, $asked;
done_testing();
