# Rows that no function would write, put into the outbox by hand: none may keep
# others from being sent, end the worker, or take the server down.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator();
my $node = hubspot_cluster('odd', conf => 'restart_after_crash = on');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

my $server = ask('SELECT oid FROM pg_foreign_server');
my $pid = worker_pid($node, 'postgres');
my @rows = (
	[ 'a message that is an array', $server, 'contact', q{'odd1@example.com'}, q{'[1, 2]'}, 'rejected' ],
	[ 'a message that is a text', $server, 'contact', q{'odd2@example.com'}, q{'"text"'}, 'rejected' ],
	[ 'a message without a key', $server, 'contact', q{'odd3@example.com'}, q{'{"foo": 1}'}, 'delivered' ],
	[ 'a schema call that nobody knows', $server, 'schema', q{'odd'}, q{'{"foo": 1}'}, 'rejected' ],
	[ 'a member of no list', $server, 'list', q{'odd9@example.com'}, q{'["VIP"]'}, 'rejected' ],
	[ 'a list call that nobody knows', $server, 'list', q{'odd9@example.com'}, q{'{"list": "VIP"}'}, 'rejected' ],
	[ 'an empty key', $server, 'contact', q{''}, q{'{"email": "odd4@example.com"}'}, 'rejected' ],
	[ 'no such SERVER', 1, 'contact', q{'odd5@example.com'}, q{'{"email": "odd5@example.com"}'}, 'cancelled' ],
	[ 'an object not sent yet', $server, 'company', q{'odd6.example.com'}, q{'{"email": "odd6@example.com"}'}, 'rejected' ],
	[ 'a company whose key is of no property', $server, 'company', q{'odd8.example.com'},
		q{'{"company": {"website": "odd8.example.com"}}'}, 'rejected' ],
	[ 'no message', $server, 'contact', q{'odd7@example.com'}, 'NULL', 'rejected' ]);

for my $row (@rows)
{
	my ($what, $account, $object, $key, $message, $verdict) = @$row;
	my $before = ask('SELECT coalesce(max(id), 0) FROM hubspot.outbox');

	ask("INSERT INTO hubspot.outbox (server, call, object, source, key, message) "
		  . "VALUES ($account, 'identify', '$object', 'function', $key, $message)");
	ask(q{SELECT hubspot_identify('{"email": "healthy@example.com"}')});
	my $found = sub {
		my (undef, $out) = $node->psql('postgres',
			"SELECT string_agg(coalesce(verdict, 'none'), ',' ORDER BY id) FROM hubspot.outbox_status WHERE id > $before");
		return $out;
	};
	becomes($found, "$verdict,delivered", "$what: $verdict, and the next row is delivered");
	# so that each is tried by itself
	wait_until(sub { my ($rc) = $node->psql('postgres', 'DELETE FROM hubspot.outbox'); $rc == 0 }, 'an empty outbox');
}
is(worker_pid($node, 'postgres'), $pid, 'all by one worker');

$node->stop;
done_testing();
