# Copies of a data directory, by whatever means, do not send before they are
# told to; the original goes on through restarts, crashes and moves.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $waiting = 20;
my $sim = start_simulator(config => { burst_limit => 0 });
my $original = hubspot_cluster('original', conf => 'restart_after_crash = on', init => [ has_archiving => 1, allows_streaming => 1 ]);
create_account($original, 'postgres', 'crm', $sim, secret => 'later');

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

sub sends
{
	my ($node, $name, $what) = @_;
	queue($node, $name, 3);
	wait_drained($node, 'postgres');
	is(arrived($name), 3, $what);
}

# A data directory that is another one's, byte by byte.
sub copy_directory
{
	my ($from, $name) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name);

	system_or_bail('cp', '-a', $from->data_dir, $node->data_dir);
	return settle_in($node);
}

# What a copy needs to run beside its original.
sub settle_in
{
	my $node = shift;
	$node->append_conf('postgresql.conf', join "\n", 'port = ' . $node->port, q{archive_mode = 'off'}, '');
	return $node;
}

sub held
{
	my ($node, $reason) = @_;
	my $found;
	wait_until(sub { ($found = $node->safe_psql('postgres', q{SELECT problem FROM hubspot.workers WHERE state = 'held'})) =~ $reason },
		sub { "the worker to be held because of $reason, not \"$found\"" });
	like($found, $reason, $node->name . ' says why');
}

# Started, looked at, started again: nothing leaves.  Then it is armed.
sub is_a_copy
{
	my ($node, $reason) = @_;
	my $name = $node->name;
	my $before = () = $sim->log;

	$node->start;
	held($node, $reason);
	becomes(sub { $node->safe_psql('postgres', 'SELECT problem || E\'\n\' || remedy FROM hubspot_health() WHERE problem ~ \'held\'') },
		'the worker is held: ' . $node->safe_psql('postgres', 'SELECT problem FROM hubspot.workers') . "; $waiting rows wait\n"
		  . $node->safe_psql('postgres', q{SELECT remedy FROM hubspot.lane_states() WHERE state = 'HELD'}),
		"$name: what waits and what can be done");
	becomes(sub { $node->safe_psql('postgres', q{SELECT s.state, s.reason = w.problem FROM hubspot.status s, hubspot.workers w WHERE s.lane = 'contacts'}) },
		'HELD|t', "$name: the lane is held, and says why");
	is($node->safe_psql('postgres', 'SELECT sum(queued) FROM hubspot_explain_backlog()'), $waiting, "$name: what would be sent");
	$node->restart;
	held($node, $reason);
	is(scalar(my @log = $sim->log), $before, "$name has sent nothing");

	$node->safe_psql('postgres', 'SELECT hubspot_arm()');
	wait_drained($node, 'postgres');
	is(scalar(@log = $sim->log), $before + $waiting, "$name sends when it is told to");
	$node->restart;
	sends($node, "armed$name", "$name stays armed over a restart");
}

# All copies are of a time when these rows wait
queue($original, 'waits', $waiting);
wait_until(sub { $original->safe_psql('postgres', q{SELECT state FROM hubspot.status WHERE lane = 'contacts'}) eq 'UNAUTHORIZED' }, 'the token to be missed');
$original->backup('base');
$original->stop;
my $copied = copy_directory($original, 'copied');
my $without = copy_directory($original, 'without');
unlink $without->data_dir . '/hubspot_home' or die "hubspot_home: $!";
$original->start;
write_token($original, 'later', $HubSpotTest::token);
$original->reload;
wait_drained($original, 'postgres');
is(arrived('waits'), $waiting, 'the original sends what waited, after a restart');

# The worker dies, and takes the server with it for a moment.
sub kill_worker
{
	my ($node, $database) = @_;
	my $pid = worker_pid($node, $database);
	kill 'KILL', $pid;
	wait_until(sub { !kill 0, $pid }, 'the worker to be gone');
	wait_for_server($node);
}

# The same directory
$original->stop('immediate');
$original->start;
sends($original, 'crashed', 'it goes on after a crash of the server');
kill_worker($original, 'postgres');
sends($original, 'killed', 'and after one of its processes');
$original->stop;
rename $original->data_dir, $original->data_dir . '.moved' or die "rename: $!";
symlink $original->data_dir . '.moved', $original->data_dir or die "symlink: $!";
$original->start;
sends($original, 'moved', 'it goes on at another path');
becomes(sub { $original->safe_psql('postgres', 'SELECT count(*) FROM hubspot_health()') }, '0', 'and is healthy');

# Copies
is_a_copy($copied, qr/^the data directory is a copy: its file "hubspot_home" is not the one that was written$/);
like(slurp_file($copied->logfile), qr/hubspot takes this data directory for a copy.*\n.*DETAIL:  File "hubspot_home" has inode \d+ and was born at \d+/,
	'the log says by what it was known');
like(slurp_file($copied->logfile), qr/nothing is sent to HubSpot from database "postgres"\n.*DETAIL:  The worker is held: the data/, 'and that it is held');

is_a_copy($without, qr/^the file "hubspot_home" was missing in the data directory when the server started/);
$without->stop;

my $base = PostgreSQL::Test::Cluster->new('base');
$base->init_from_backup($original, 'base');
is_a_copy(settle_in($base), qr/^the data directory is a base backup \(the server was started with backup_label\)$/);
$base->stop;

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init_from_backup($original, 'base', has_restoring => 1, standby => 0);
$restored->append_conf('postgresql.conf', "recovery_target = 'immediate'\nrecovery_target_action = 'promote'\n");
is_a_copy(settle_in($restored), qr/^the data directory was restored from a backup \(the server was started with recovery.signal\)$/);

# A crash in the life of the server that was a restore does not undo what was armed in it
$restored->stop;
$restored->append_conf('postgresql.conf', "recovery_target = ''\n");
$restored->set_recovery_mode;
$restored->start;
held($restored, qr/restored from a backup/);
$restored->safe_psql('postgres', 'SELECT hubspot_arm()');
sends($restored, 'inplace', 'a restore in place is held until it is armed');
kill_worker($restored, 'postgres');
sends($restored, 'incrash', 'and stays armed');

# Restored while nobody looked
$restored->stop;
$restored->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$restored->set_recovery_mode;
$restored->start;
$restored->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()');
$restored->stop;
$restored->append_conf('postgresql.conf', "shared_preload_libraries = 'hubspot'\n");
$restored->start;
held($restored, qr/^the server was restored or promoted while the library hubspot was not preloaded$/);
$restored->stop;

# A copy of an armed copy is a copy
$copied->stop;
my $again = copy_directory($copied, 'again');
$copied->start;
sends($copied, 'first', 'the armed copy goes on');
$again->start;
held($again, qr/is a copy: its file/);
queue($again, 'again', 5);

# The extension created anew begins anew
$again->safe_psql('postgres', 'CREATE DATABASE fresh');
create_account($again, 'fresh', 'crm', $sim);
$again->safe_psql('fresh', q{SELECT hubspot_identify('{"email": "fresh1@example.com"}')});
wait_drained($again, 'fresh');
is(arrived('fresh'), 1, 'an extension that is created in a copy sends');
is(arrived('again'), 0, 'the other database does not');
$again->safe_psql('postgres', 'DROP EXTENSION hubspot CASCADE');
create_account($again, 'postgres', 'crm', $sim);
sends($again, 'anew', 'one that was dropped and created again does');
is(arrived('again'), 0, 'with an empty queue');
$again->stop;

# What is wrong with the file
my $file = $copied->data_dir . '/hubspot_home';
$copied->stop;
chmod 0, $file or die "chmod: $!";
$copied->start;
held($copied, qr/^could not read file "hubspot_home": Permission denied$/);
chmod 0600, $file or die "chmod: $!";
$copied->reload;
sends($copied, 'readable', 'and goes on when it can be read');

# A restore that was begun and given up may have changed anything
$copied->stop;
$copied->set_recovery_mode;
is($copied->start(fail_ok => 1), 0, 'a restore without a source fails');
unlink $copied->data_dir . '/recovery.signal' or die "unlink: $!";
$copied->start;
held($copied, qr/^the file "hubspot_home" was missing .* or a restore was begun here$/);
$copied->safe_psql('postgres', 'SELECT hubspot_arm()');
sends($copied, 'givenup', 'and is armed');

# Where the file system knows no time of birth, the inode decides
sub edit_note
{
	my ($from, $to) = @_;
	my $text = slurp_file($file);
	$text =~ s/$from/$to/ or die "no $from in $text";
	open my $handle, '+<', $file or die "$file: $!";
	truncate $handle, 0;
	print $handle $text;
	close $handle or die "$file: $!";
}
$copied->stop;
edit_note(qr/born [\d.]+/, 'born 0.000000000');
$copied->start;
sends($copied, 'unborn', 'without a time of birth it is known by its inode');
$copied->stop;
edit_note(qr/inode \d+/, 'inode 2');
$copied->start;
held($copied, qr/is a copy: its file/);

# No room for the file: it is held, and is a copy when there is room
$copied->stop;
unlink $file;
mkdir "$file.new" or die "mkdir: $!";
$copied->start;
held($copied, qr/^the data directory is a copy/);
$copied->safe_psql('postgres', 'SELECT hubspot_arm()');
held($copied, qr/^could not write file "hubspot_home"/);
my $before = () = $sim->log;
queue($copied, 'roomless', 2);
rmdir "$file.new" or die "rmdir: $!";
$copied->reload;
wait_drained($copied, 'postgres');
is(arrived('roomless'), 2, 'armed without a file, it goes on when there is room for one');
is(scalar(my @log = $sim->log), $before + 2, 'with what is new');

unlike(slurp_file($_->logfile), qr/PANIC|TRAP|segmentation|signal 11/i, $_->name . ': nothing crashed') for $original, $copied, $restored, $again;
done_testing();
