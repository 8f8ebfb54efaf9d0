# hubspot_verify(): what HubSpot's documentation leaves open is asked of HubSpot,
# here of the simulator, in both readings; and nothing is left behind.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100000, search_limit => 0, search_lag_ms => 0 });
my $node = hubspot_cluster('verify');

create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub error_of { my (undef, undef, $error) = $node->psql('postgres', shift); return $error }

like(error_of('SELECT * FROM hubspot_verify()'), qr/SERVER "crm" is not said to be a test account.*ALTER SERVER crm OPTIONS/s, 'an account has to be named');
ask(q{ALTER SERVER crm OPTIONS (ADD test_account 'on')});
like(error_of(q{SELECT hubspot.verify_ask('GET', '{lists}/1', NULL)}), qr/requests are sent by background processes alone/, 'a session sends nothing');

note(ask('SELECT question, agrees, found FROM hubspot_verify()'));
ok(1);
done_testing();
