# Much of one kind does not hold up others: back-fills, contacts with very many
# calls; and the order of each contact's calls is kept.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0, latency_ms => 20 });
my $node = hubspot_cluster('priority', conf => 'hubspot.window_rows = 4000');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }

# Queues calls for contacts NAMEfrom .. NAMEto, each with the number of its call.
sub queue
{
	my ($name, $from, $to, $zip, $options) = @_;
	$options //= '';
	ask("SELECT count(hubspot_identify(jsonb_build_object('email', '$name' || i || '\@example.com', 'zip', $zip)$options)) FROM generate_series($from, $to) i");
}

# The numbers that arrived for each contact, in order; none may go down.
sub order_faults
{
	my ($pattern) = @_;
	my (%last, $faults);
	for ($sim->log)
	{
		next unless ($_->{key} // '') =~ /^$pattern/ && defined $_->{properties}{zip};
		$faults .= " $_->{key}: $_->{properties}{zip} after $last{$_->{key}}"
		  if defined $last{ $_->{key} } && $_->{properties}{zip} < $last{ $_->{key} };
		$last{ $_->{key} } = $_->{properties}{zip};
	}
	return $faults // '';
}

# Position in the log of the first arrival.
sub arrival
{
	my ($key) = @_;
	my ($first) = grep { ($_->{key} // '') eq "$key\@example.com" } $sim->log;
	return $first ? $first->{seq} : undef;
}

queue('warm', 1, 1, 0);
wait_drained($node, 'postgres');

# A back-fill that is larger than the window; live calls for others, and for contacts of the back-fill
stop_delivery($node);
queue('c', 1, 20000, 1, ', backfill => true');
queue('live', 1, 50, 1);
queue('c', 19951, 20000, 2);
queue('c', 101, 120, 2);
queue('c', 19981, 20000, 3, ', backfill => true');
resume_delivery($node);
wait_drained($node, 'postgres');
my $last = (sort { $a <=> $b } map { arrival($_) } 'live50', 'c20000')[1];
my $after = grep { ($_->{key} // '') =~ /^c/ && $_->{seq} > $last } $sim->log;
cmp_ok($after, '>', 5000, "live calls do not wait for the back-fill, of which $after rows came later");
is(order_faults('c'), '', 'no contact\'s calls overtake each other');
is($sim->contact("c$_\@example.com")->{properties}{zip}, { 19000 => 1, 110 => 2, 19960 => 2, 19990 => 3 }->{$_}, "contact $_ has its last value")
  for 110, 19000, 19960, 19990;
is($sim->count, 20000 + 50 + 1, 'everything arrives');
is(ask('SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'), '0', 'each row has one verdict');

# One contact with many calls, others behind it
$sim->reset;
stop_delivery($node);
ask("SELECT count(hubspot_identify(jsonb_build_object('email', 'hot\@example.com', 'zip', i))) FROM generate_series(1, 30000) i");
queue('cold', 1, 100, 1);
resume_delivery($node);
wait_until(sub { arrival('cold100') }, 'those behind');
ask(q{SELECT hubspot_identify('{"email": "hot@example.com", "zip": 30001}')});
wait_drained($node, 'postgres');
my $cold = arrival('cold100');
my ($hot) = (sort { $b <=> $a } map { $_->{properties}{zip} } grep { ($_->{key} // '') =~ /^hot/ && $_->{seq} < $cold } $sim->log)[0];
cmp_ok($hot // 0, '<', 25_000, 'they do not wait for all calls of that contact, of which they came after ' . ($hot // 'none'));
is($sim->contact('hot@example.com')->{properties}{zip}, '30001', 'the last of its calls wins');
is(order_faults('hot'), '', 'in order');

# Through a crash, with rows that were read and left on disk
$sim->reset;
stop_delivery($node);
queue('d', 1, 8000, 1, ', backfill => true');
ask("SELECT count(hubspot_identify(jsonb_build_object('email', 'many\@example.com', 'zip', i))) FROM generate_series(1, 9000) i");
queue('d', 7001, 7100, 2);
resume_delivery($node);
wait_until(sub { arrival('d7100') }, 'a live call of the second part');
$node->stop('immediate');
$node->start;
wait_drained($node, 'postgres');
is($sim->count, 8001, 'everything arrives after a crash');
is($sim->contact('d7050@example.com')->{properties}{zip}, '2', 'nothing older comes last');
is($sim->contact('many@example.com')->{properties}{zip}, '9000', 'of neither kind');

# A command reaches what is on disk
$sim->reset;
$sim->fault(match => { path => 'batch/upsert' }, action => 'rate_limit', times => 0);
queue('e', 1, 6000, 1, ', backfill => true');
wait_until(sub { ask('SELECT coalesce(sum(waiting), 0) FROM hubspot.status') >= 6000 }, 'all to be read');
cmp_ok(ask('SELECT hubspot_cancel(backfill => true)'), '>=', 6000 - 400, 'a back-fill is cancelled');
queue('f', 1, 1, 1);
$sim->clear_faults;
wait_drained($node, 'postgres');
my $cancelled = ask("SELECT count(*) FROM hubspot.outbox_status WHERE key LIKE 'e%' AND verdict = 'cancelled'");
cmp_ok($cancelled, '>=', 6000 - 400, 'but for what was under way');
is($sim->count, 1 + 6000 - $cancelled, 'nothing of it arrives');

$node->stop;
unlike(PostgreSQL::Test::Utils::slurp_file($node->logfile), qr/PANIC|TRAP|terminated by signal|gone before it had a verdict/, 'nothing crashed');
done_testing();
