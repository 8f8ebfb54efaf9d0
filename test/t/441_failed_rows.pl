# What syncs have queued and HubSpot does not have: found by index, until it is repeated with success.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('failed');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

# Queue rows as a sync does: contacts of these messages, the first of them the parent of the others.
sub queue
{
	my ($parent, @ids) = ('NULL');
	for my $message (@_)
	{
		push @ids, ask(qq{INSERT INTO hubspot.outbox (server, call, object, source, parent, key, message)
			SELECT s.oid, 'identify', 'contact', 'sync', $parent, m->'traits'->>'email', m
			FROM pg_foreign_server s, (VALUES ('$message'::jsonb)) x(m) RETURNING id});
		$parent = $ids[0];
	}
	return @ids;
}

sub contact { my ($name, $city) = @_; return qq{\{"traits": \{"email": "$name\@example.com", "city": "$city"\}\}} }

sub failed { return ask('SELECT coalesce(string_agg(concat_ws(\' \', id, object, verdict, category), \', \' ORDER BY id, verdict), \'\') FROM hubspot.failed_sync_rows') }

sub deliver { resume_delivery($node); wait_drained($node, 'postgres'); stop_delivery($node) }


#
# Rejected, with what was merged into it, and as a part of a change
#
stop_delivery($node);
$sim->fault(match => { path => 'batch/upsert', record => 'bad@example.com' }, times => 0,
	action => 'status', status => 400, body => '{"status":"error","message":"no","category":"VALIDATION_ERROR","context":{"propertyName":["email"]}}');
my ($good) = queue(contact('good', 'Rome'));
my @merged = (queue(contact('bad', 'Rome')), queue(contact('bad', 'Oslo')));
my ($parent, $child) = queue(contact('fine', 'Rome'), contact('bad', 'Bonn'));
ask(q{SELECT hubspot_identify('{"email": "bad@example.com", "city": "Kiel"}')});
is(failed(), '', 'nothing has failed yet');
deliver();
is(ask("SELECT string_agg(verdict, ' ' ORDER BY id) FROM hubspot.outbox_status"), 'delivered coalesced coalesced delivered coalesced rejected',
	'three calls of syncs are merged into another call, which is rejected');
is(failed(), join(', ', map { "$_ contact rejected VALIDATION_ERROR" } @merged, $parent), 'they share its fate; of a part of a change the first row is named');
is(ask('SELECT DISTINCT message FROM hubspot.failed_sync_rows'), 'no', 'the reason');

#
# Repeated
#
my ($new) = ask("SELECT hubspot_retry($merged[0])");
deliver();
is(ask("SELECT coalesce(verdict, state) FROM hubspot.outbox_status WHERE id = $new"), 'coalesced', 'a retry fails as well');
like(failed(), qr/^$merged[0] contact rejected VALIDATION_ERROR, $merged[1] contact rejected/, 'that changes nothing');
$sim->clear_faults;
ask("SELECT hubspot_retry($new)");
deliver();
is(failed(), '', 'a retry with success does');

#
# Other ends without success, and a replay
#
my ($late) = queue(contact('late', 'Rome'));
my ($cancelled) = queue(contact('cancelled', 'Rome'));
ask("UPDATE hubspot.outbox SET deadline = now() - interval '1 hour' WHERE id = $late");
ask("SELECT hubspot_cancel($cancelled)");
deliver();
is(failed(), "$late contact expired expired, $cancelled contact cancelled cancelled", 'expired and cancelled rows');
my $from = ask("SELECT created_at FROM hubspot.outbox WHERE id = $late");
is(ask("SELECT hubspot_replay('$from', now(), verdict => 'expired') + hubspot_replay('$from', now(), verdict => 'cancelled')"), '2', 'are replayed');
deliver();
is(failed(), '', 'with success');

#
# Found by index
#
like(ask("SET enable_seqscan = off; EXPLAIN SELECT id FROM hubspot.result WHERE verdict IN ('rejected', 'expired', 'cancelled', 'dead')"),
	qr/result_0_failed/, 'failures have an index');
my $count = 'SELECT count(*) FROM hubspot.result WHERE ';
is(ask("SET enable_seqscan = off; $count verdict IN ('rejected', 'expired', 'cancelled', 'dead', 'unknown')"),
	ask("SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off; $count verdict IN ('rejected', 'expired', 'cancelled', 'dead', 'unknown')"),
	'which has them all');
is(ask("SET enable_seqscan = off; $count merged_into IS NOT NULL"), ask("$count verdict = 'coalesced'"), 'as merged rows have');


#
# Other partial indexes are maintained as well, but nobody's code runs in them
#
stop_delivery($node);
ask(q{DO $$ BEGIN FOR i IN 0 .. 7 LOOP EXECUTE format('CREATE INDEX ON hubspot.outbox_%s (key) WHERE call = %L', i, 'track'); END LOOP; END $$});
ask(q{SELECT hubspot_track('{"event": "x", "userId": "ev@example.com"}'), hubspot_identify('{"email": "id@example.com"}')});
like(ask("SET enable_seqscan = off; EXPLAIN SELECT FROM hubspot.outbox WHERE call = 'track'"), qr/outbox_0_key_idx/, 'a partial index of the administrator');
is(ask("SET enable_seqscan = off; SELECT key FROM hubspot.outbox WHERE call = 'track'"), 'ev@example.com', 'is maintained');
ask(q{CREATE FUNCTION theirs(text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS 'BEGIN RETURN true; END';
	DO $$ BEGIN FOR i IN 0 .. 7 LOOP EXECUTE format('CREATE INDEX theirs_%s ON hubspot.outbox_%s (id) WHERE theirs(key)', i, i); END LOOP; END $$});
isnt($node->psql('postgres', q{SELECT hubspot_identify('{"email": "id@example.com"}')}, stderr => \my $refusal), 0, 'one with a function is not');
like($refusal, qr/index "theirs_\d" on "outbox_\d" has an expression or a predicate with functions/, 'which is said');

$node->stop;
done_testing();
