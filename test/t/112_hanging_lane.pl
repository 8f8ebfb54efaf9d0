# Requests that hang keep their connections; lanes and accounts that have none go on.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000, event_limit => 0 });
my $silent = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('hanging', conf => "hubspot.timeout = '10min'");
create_account($node, 'postgres', 'crm', $sim, max_connections => 2, create_events => 'on');
create_account($node, 'postgres', 'silent', $silent, max_connections => 16);

sub ask { return $node->safe_psql('postgres', shift) }

sub delivered
{
	my ($id, $what) = @_;
	wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") eq 'delivered' }, $what);
	ok(1, $what);
}

sub in_flight { return ask("SELECT in_flight FROM hubspot.status WHERE server = '$_[0]' AND lane = '$_[1]'") }

# Everybody knows the account's properties and events
for my $server (qw(crm silent))
{
	delivered(ask("SELECT hubspot_identify('{\"email\": \"first\@example.com\"}', '$server')"), "$server delivers");
}
delivered(ask(q{SELECT hubspot_track('{"email": "first@example.com", "event": "looked"}', 'crm')}), 'an event');

# All connections of an account are taken by its events
$sim->fault(match => { path => 'send' }, action => 'hang', times => 0);
ask(q{SELECT count(*) FROM hubspot_enqueue('track', ARRAY(SELECT jsonb_build_object('email', 'e' || i || '@example.com', 'event', 'looked')
	FROM generate_series(1, 2500) i), 'crm')});
wait_until(sub { in_flight('crm', 'events') > 500 }, 'events to hang');
delivered(ask(q{SELECT hubspot_identify('{"email": "second@example.com"}', 'crm')}), 'a contact beside them');
cmp_ok(in_flight('crm', 'events'), '<=', 1000, 'max_connections is what the events have');

# Another account hangs, too, and would take more than the worker has
$silent->fault(action => 'hang', times => 0);
ask(q{SELECT count(*) FROM hubspot_enqueue('identify', ARRAY(SELECT jsonb_build_object('email', 'c' || i || '@example.com')
	FROM generate_series(1, 3000) i), 'silent')});
wait_until(sub { in_flight('silent', 'contacts') >= 1000 }, 'contacts to hang');
delivered(ask(q{SELECT hubspot_identify('{"email": "third@example.com"}', 'crm')}), 'a contact beside both');
cmp_ok(in_flight('silent', 'contacts'), '<=', 1200, 'some connections are left');

$node->stop;
done_testing();
