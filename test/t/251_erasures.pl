# Erasures: exactly the rows of the person go, whatever stands in them; many cost one pass over the tables, during
# which delivery goes on; who holds one up holds up no other, and is named.
use strict;
use warnings;

use HubSpotTest;
use Test::More;
use Time::HiRes qw(time);

my $other_token = 'pat-na1-other';
my $sim = start_simulator(config => { burst_limit => 100000 });
my $beside = start_simulator(token => $other_token, config => { burst_limit => 100000 });
my $node = hubspot_cluster('erasures', tokens => { crm => $HubSpotTest::token, other => $other_token }, conf => 'autovacuum = off');
create_account($node, 'postgres', 'crm', $sim);
create_account($node, 'postgres', 'other', $beside, secret => 'other');

sub ask { return $node->safe_psql('postgres', shift) }

sub erase { return ask(qq{SELECT hubspot_delete('{"userId": "$_[0]", "gdpr": true}', '} . ($_[1] // 'crm') . q{')}) }

sub emptied { return ask("SELECT coalesce(string_agg(n::text, ' ' ORDER BY n), '') FROM note WHERE id IN (SELECT id FROM hubspot.outbox WHERE message IS NULL)") }

#
# What is of the person, and what is not
#
# The note, and whether it mentions ann@example.com, who is to be erased.
my @notes = (
	[ 'ann@example.com', 1 ],
	[ 'ANN@Example.COM', 1 ],
	[ 'call ann@example.com.', 1 ],
	[ '"ann@example.com"', 1 ],
	[ 'her <ann@example.com>, his', 1 ],
	[ q{Email address 'ann@example.com' is invalid}, 1 ],
	[ 'mailto:ann@example.com?subject=x', 1 ],
	[ "a\nann\@example.com\tb", 1 ],
	[ '\\ann@example.com\\', 1 ],
	[ 'ünn@example.com, ann@example.com', 1 ],
	[ 'ann@example.com@twice', 1 ],
	[ 'joann@example.com', 0 ],
	[ 'jo.ann@example.com', 0 ],
	[ 'jo+ann@example.com', 0 ],
	[ 'üann@example.com', 0 ],
	[ q{o'ann@example.com}, 0 ],
	[ 'ann@example.com.au', 0 ],
	[ 'ann@example.company', 0 ],
	[ 'ann@sub.example.com', 0 ],
	[ 'ann@exämple.com', 0 ],
	[ 'ann at example.com', 0 ],
	[ 'no address', 0 ]);
# userIds are the person's in a message's userId only, and by their very letters
ask('CREATE TABLE note (n int, id bigint)');
ask(q{SELECT hubspot_identify('{"userId": "U-1", "traits": {"email": "ann@example.com"}}', 'crm')});
wait_drained($node, 'postgres');
for my $n (0 .. $#notes)
{
	my $text = $notes[$n][0] =~ s/'/''/gr;
	ask("INSERT INTO note SELECT $n, hubspot_identify(jsonb_build_object('email', 'of$n\@example.com', 'city', E'" . ($text =~ s/\\/\\\\/gr) . "'), 'crm')");
}
my $n = @notes;
my @more = (
	[ q{hubspot_track('{"event": "seen", "userId": "U-1"}', 'crm')}, 1 ],
	[ q{hubspot_identify('{"userId": "u-1", "traits": {"email": "small@example.com"}}', 'crm')}, 0 ],
	[ q{hubspot_identify('{"email": "about@example.com", "city": "U-1"}', 'crm')}, 0 ],
	[ q{hubspot_identify('{"email": "ann@example.com", "city": "there"}', 'other')}, 0 ],
	[ q{hubspot_identify('{"email": "deep@example.com", "tags": ["a", {"b": "ann@example.com"}]}', 'crm')}, 1 ],
	[ q{hubspot_identify('{"email": "name@example.com", "ann@example.com": "as a name"}', 'crm')}, 1 ]);
ask("INSERT INTO note SELECT " . $n++ . ", $_->[0]") for @more;
wait_drained($node, 'postgres');
my $before = ask('SELECT count(*) FROM hubspot.outbox WHERE message IS NULL');
my $id = erase('Ann@example.com');
wait_drained($node, 'postgres');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id"), 'delivered', 'erased');
my @expected = map { $_->[1] } @notes, @more;
is(emptied(), join(' ', grep { $expected[$_] } 0 .. $#expected), 'the rows that are of the person, or mention it, and no others')
  or diag join "\n", map { "$_: $notes[$_][0]" } 0 .. $#notes;
becomes(sub { ask(q{SELECT string_agg(key, ' ' ORDER BY key) FROM hubspot.record WHERE key IN ('U-1', 'u-1', 'ann@example.com') AND server = (SELECT oid FROM pg_foreign_server WHERE srvname = 'crm')}) },
	'u-1', 'the record map knows the namesake only');
becomes(sub { ask(q{SELECT count(*) FROM hubspot.record r JOIN pg_foreign_server s ON s.oid = r.server WHERE r.key = 'ann@example.com' AND s.srvname = 'other'}) },
	1, 'another account is another matter');

# An international domain is written in two ways
ask("INSERT INTO note SELECT 1000, hubspot_identify('{\"email\": \"idn\@example.com\", \"city\": \"bo\@bücher.example.com\"}', 'crm')");
ask("SELECT hubspot_identify('{\"email\": \"bo\@bücher.example.com\"}', 'crm')");
wait_drained($node, 'postgres');
erase('bo@xn--bcher-kva.example.com');
wait_drained($node, 'postgres');
is(ask('SELECT message IS NULL FROM hubspot.outbox WHERE id = (SELECT id FROM note WHERE n = 1000)'), 't', 'a mention by the other form of an international domain');

# Rows that came after the deletion are of somebody who came back
stop_delivery($node);
ask(q{SELECT hubspot_identify('{"email": "back@example.com", "city": "first"}', 'crm')});
erase('back@example.com');
ask(q{SELECT hubspot_identify('{"email": "back@example.com", "city": "second"}', 'crm')});
resume_delivery($node);
wait_drained($node, 'postgres');
is(ask(q{SELECT string_agg(message->>'city', ' ') FROM hubspot.outbox WHERE key = 'back@example.com'}), 'second', 'what was said before is gone, what came after is there');

#
# One is held up
#
ask(q{CREATE TABLE people (email text); INSERT INTO people VALUES ('held@example.com'), ('stays@example.com');
	SELECT hubspot_audience('holder', 'SELECT email FROM people', server => 'crm', create_in_hubspot => true)});
ask(q{SELECT hubspot_refresh('holder')});
ask("SELECT hubspot_identify('{\"email\": \"free$_\@example.com\"}', 'crm'), hubspot_identify('{\"email\": \"free$_\@example.com\"}', 'other')") for 1 .. 3;
wait_drained($node, 'postgres');
my $refresh = $node->background_psql('postgres');
$refresh->query_safe(q{BEGIN});
my $pid = $refresh->query_safe('SELECT pg_backend_pid()');
my $xid = $refresh->query_safe(q{SELECT hubspot_refresh('holder') IS NULL, pg_current_xact_id()}) =~ s/^.*\|//r;
my $held = erase('held@example.com');
my $status = q{SELECT state, reason FROM hubspot.status WHERE server = 'crm' AND lane = 'contacts'};
wait_until(sub { ask($status) =~ /erasure/ }, sub { 'the one that is held up to say so; ' . ask($status) });
becomes(sub { ask($status) }, "RUN|erasure of row $held waits for transaction $xid of process $pid, which refreshes \"holder\"", 'hubspot.status names the transaction');
becomes(sub { ask(q{SELECT problem FROM hubspot_health()}) }, "account crm: erasure of row $held waits for transaction $xid of process $pid, which refreshes \"holder\"", 'so does hubspot_health()');
my @free = (erase('free1@example.com'), erase('free2@example.com'), erase('free3@example.com', 'other'));
wait_until(sub { ask("SELECT count(*) FROM hubspot.outbox_status WHERE verdict = 'delivered' AND id IN (" . join(', ', @free) . ')') == 3 }, 'the others to be erased');
is(ask("SELECT count(*) FROM hubspot.result WHERE id = $held"), 0, 'those behind it, of both accounts, have passed the one that is held up');
$refresh->query_safe('COMMIT');
$refresh->quit;
wait_drained($node, 'postgres');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $held"), 'delivered', 'which ends when the transaction does');
wait_until(sub { ask($status) eq 'RUN|' }, 'the obstacle to be forgotten');
becomes(sub { ask('SELECT count(*) FROM hubspot_health()') }, 0, 'and all is well');

#
# Many, over many rows
#
my $rows = $ENV{ROWS} || 20000;
stop_delivery($node);
ask("SELECT count(*) FROM hubspot_enqueue('identify', ARRAY(SELECT jsonb_build_object('email', 'p' || i % 5000 || '\@example.com', 'city', 'c' || i)
	FROM generate_series(1, $rows) i), 'crm')");
resume_delivery($node);
wait_drained($node, 'postgres');

# The tables have no statistics, as any that were just filled: the pass does not read all of them for each chunk
my $all = ask('SELECT 2 * (max(id) - min(id) + 1) FROM hubspot.outbox');
my $read = q{SELECT sum(seq_tup_read), sum(idx_tup_fetch) FROM pg_stat_all_tables WHERE schemaname = 'hubspot' AND relname ~ '^(outbox|result)_[0-9]$'};
# processes count what they have read when they end, at the latest
stop_delivery($node);
resume_delivery($node);
worker_pid($node, 'postgres');
wait_until(sub { ask(q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'}) eq '1' }, 'other sessions to end');
my @read = split /\|/, ask($read);
my $blocker = $node->background_psql('postgres');
$blocker->query_safe('BEGIN; LOCK TABLE hubspot.dead IN ACCESS EXCLUSIVE MODE');
$id = erase('p4999@example.com');
my $progress = qr/^RUN\|erasure of row $id goes through the tables: ([0-9]+) of ([0-9]+) rows are done$/;
wait_until(sub { return ask($status) =~ $progress && $1 > 0 }, sub { 'progress; ' . ask($status) });
my ($done, $of) = ask($status) =~ $progress;
ok($done <= $of && $of == $all, "hubspot.status says how far it is: $done of $of rows");
$blocker->query_safe('COMMIT');
$blocker->quit;
wait_until(sub { ask($status) eq 'RUN|' && ask(qq{SET enable_seqscan = off; SELECT count(*) FROM hubspot.result WHERE id = $id AND verdict = 'delivered'}) }, 'the erasure to end');
my @then;
wait_until(sub { @then = split /\|/, ask($read); return $then[1] - $read[1] >= $rows }, 'what the pass read to be counted');
cmp_ok($then[0] - $read[0], '<', 10 * $rows, 'no scan of a table for each chunk');
cmp_ok($then[1] - $read[1], '<', 10 * $rows, 'and no row is read again and again');
my $worker = worker_pid($node, 'postgres');
my $cpu = sub { open my $file, '<', "/proc/$worker/stat" or return 0; my @f = split ' ', <$file>; return ($f[13] + $f[14]) / 100 };
my ($began, $spent) = (time, $cpu->());
ask("SELECT count(*) FROM hubspot_enqueue('delete', ARRAY(SELECT jsonb_build_object('userId', 'p' || i || '\@example.com', 'gdpr', true)
	FROM generate_series(1, 200) i), 'crm')");
wait_drained($node, 'postgres');
note sprintf '200 erasures over %d rows: %.1f s, %.2f s of the processor', $rows, time - $began, $cpu->() - $spent;
is(ask(q{SELECT count(*) FROM hubspot.outbox WHERE message IS NULL AND key = '' AND call = 'identify' AND id > (SELECT max(id) FROM note)}) >= 200 * $rows / 5000 ? 'all' : 'fewer',
	'all', 'every row of 200 contacts is empty');
is(ask(q{SELECT count(*) FROM hubspot.outbox WHERE key ~ '^p([1-9]|[1-9][0-9]|1[0-9][0-9]|200)@'}), 0, 'and has no key');
is(ask(q{SELECT count(DISTINCT key) FROM hubspot.outbox WHERE key ~ '^p[0-9]+@' AND message IS NOT NULL}), 4799, 'the rows of all others are as they were');

$node->stop;
done_testing();
