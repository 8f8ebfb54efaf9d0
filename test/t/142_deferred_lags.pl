# Memory is ahead of hubspot.deferred while its changes cannot be written: nobody takes a row for removed meanwhile.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('lags');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'strict', $sim, max_attempts => 1);

sub ask { return $node->safe_psql('postgres', $_[0]) }

sub identify
{
	my ($name, %arguments) = @_;
	my $more = join '', map { ", $_ => '$arguments{$_}'" } sort keys %arguments;
	return ask("SELECT hubspot_identify('{\"email\": \"$name\@example.com\"}', server => 'crm'$more)") unless $arguments{server};
	return ask("SELECT hubspot_identify('{\"email\": \"$name\@example.com\"}'$more)");
}

sub verdict { return ask("SELECT concat_ws(' ', verdict, category) FROM hubspot.outbox_status WHERE id = $_[0]") }

sub lock_timeouts { return () = slurp_file($node->logfile) =~ /canceling statement due to lock timeout/g }

identify('warm', server => $_) for qw(crm strict);
wait_drained($node, 'postgres');

# What CREATE INDEX and REINDEX take
my $locker = $node->background_psql('postgres');
$locker->query_safe('BEGIN; LOCK TABLE hubspot.deferred IN SHARE MODE');
$sim->fault(match => { path => 'batch/upsert', record => "$_\@" }, action => 'record_error', category => 'INTERNAL_ERROR', times => 1)
  for qw(victim late unwanted hopeless);
my $victim = identify('victim');
my $unwanted = identify('unwanted');
my $hopeless = identify('hopeless', server => 'strict');
wait_until(sub { ask("SELECT deferred FROM hubspot.status WHERE lane = 'contacts' AND server = 'crm'") eq '2' }, 'the rows to be deferred');
my $deferred_at = time;
is(ask('SELECT count(*) FROM hubspot.deferred'), '0', 'their copies cannot be written');
is(ask("SELECT hubspot_cancel($unwanted)"), 't', 'one of them is cancelled');
my $late = identify('late', deadline => '3 seconds');
identify($_, server => $_) for qw(crm strict);
wait_until(sub { $sim->contact("$_\@example.com") }, 'another row to be read and sent') for qw(crm strict);
my $failed_before = ask('SELECT clock_timestamp()');
my $timeouts = lock_timeouts();

# 5 seconds is the first wait: afterwards the worker wants its copies.
wait_until(sub { time > $deferred_at + 7 && lock_timeouts() > $timeouts + 1 }, 'the worker to have tried to go on');
identify('more');
wait_until(sub { $sim->contact('more@example.com') }, 'delivery to go on');
$locker->query_safe('ROLLBACK');
$locker->quit;

wait_drained($node, 'postgres');
is(verdict($victim), 'delivered', 'who was tried again is delivered');
is(verdict($late), 'expired expired', 'a deadline that has passed meanwhile is what it is');
is(verdict($unwanted), 'cancelled cancelled', 'what was cancelled before its copy was written is cancelled');
ok($sim->contact('victim@example.com'), 'HubSpot has the one');
ok(!$sim->contact('unwanted@example.com'), '... and not the other');
is(verdict($hopeless), 'dead INTERNAL_ERROR', 'who was given up meanwhile');
is(ask("SELECT count(*) FROM hubspot.dead WHERE failed_at BETWEEN created_at AND '$failed_before'"), '1', '... has failed when it did, not when that was written');
wait_until(sub { ask('SELECT count(*) FROM hubspot.deferred') + ask('SELECT count(*) FROM hubspot.command') == 0 }, 'nothing to be left');
is(ask('SELECT id FROM hubspot.result GROUP BY id HAVING count(*) > 1'), '', 'each row has one verdict');

$node->stop;
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|is read before/, 'nothing crashed, and no copy was looked for too early');
done_testing();
