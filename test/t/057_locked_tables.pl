# Another session holds one of the extension's tables for longer than the worker waits for
# a lock: what the worker was about to do is done later, and nothing of it twice.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('locked');
create_account($node, 'postgres', 'crm', $sim, skip_unchanged => 'on');

sub ask { return $node->safe_psql('postgres', shift) }

ask(q{SELECT hubspot_create_event('thing', '{"n": "string"}')});
wait_drained($node, 'postgres');
my $n = 0;
my $session = $node->background_psql('postgres', on_error_stop => 1);
for my $table (qw(record confirmed deferred))
{
	$session->query_safe("BEGIN; LOCK TABLE hubspot.$table IN ACCESS EXCLUSIVE MODE");
	my $seen = -s $node->logfile;
	# contacts that are known and contacts that are not; one of them fails for its own sake
	$sim->fault(match => { path => 'batch/upsert', record => "$table-1\@" }, action => 'record_error', category => 'INTERNAL_ERROR', times => 1)
	  if $table eq 'deferred';
	for my $who ("$table-1", "$table-2", 'known')
	{
		$n++;
		ask(qq{BEGIN; SELECT hubspot_identify('{"email": "$who\@example.com", "city": "$n"}');
			SELECT hubspot_track('{"event": "thing", "userId": "$who\@example.com", "properties": {"n": "$n"}}'); COMMIT});
	}
	$node->wait_for_log(qr/canceling statement due to lock timeout/, $seen);
	$session->query_safe('COMMIT');
	wait_until(
		sub {
			ask('SELECT hubspot_retry(id) FROM hubspot.deferred');
			ask('SELECT count(*) FROM hubspot.backlog') eq '0';
		},
		"$table: verdicts");
}
$session->quit;
is(ask('SELECT count(*) FROM hubspot.outbox o WHERE (SELECT count(*) FROM hubspot.result r WHERE r.id = o.id) <> 1'), '0', 'each row has one verdict');
is(ask(q{SELECT string_agg(DISTINCT verdict::text, ' ') FROM hubspot.result}), 'delivered', 'which is a good one');
my %times;
$times{ $_->{properties}{n} }++ for grep { $_->{op} eq 'event' } $sim->log;
is(join(' ', map { "$_:" . ($times{$_} // 0) } 1 .. $n), join(' ', map { "$_:1" } 1 .. $n), 'each event is there once');
my $repeats = grep { $_->{path} =~ /send\/batch/ && $_->{status} == 400 } $sim->requests;
is($repeats, 0, 'and none was sent again');
$node->stop;
done_testing();
