# The examples, as somebody would type them into a new database: nothing is
# waited for in between.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('at_once');
create_account($node, 'postgres', 'crm', $sim);

sub property { my ($email, $name) = @_; my $contact = $sim->contact($email); return $contact ? $contact->{properties}{$name} // 'none' : 'no contact' }

$node->safe_psql('postgres', q{
	CREATE TABLE visits (company text, user_id text, page text);
	INSERT INTO visits SELECT 'acme.com', 'u' || i, 'pricing' FROM generate_series(1, 5) i;
	SELECT hubspot_identify(jsonb_build_object('userId', user_id, 'traits', jsonb_build_object('email', user_id || '@acme.com'))) FROM visits;
	SELECT hubspot_group(jsonb_build_object('groupId', company, 'userId', user_id, 'traits', jsonb_build_object('website', 'https://www.' || company))) FROM visits;
	SELECT hubspot_trait('pricing_page_visits', 'SELECT company, count(*) FROM visits WHERE page = ''pricing'' GROUP BY company', level => 'account_users', create_in_hubspot => true);
	SELECT hubspot_refresh('pricing_page_visits');

	CREATE TABLE orders (user_id text, completed_at timestamptz);
	INSERT INTO orders VALUES ('u1', now()), ('u2', now() - interval '31 days');
	SELECT hubspot_audience('order_completed_last_30days', 'SELECT user_id FROM orders WHERE completed_at > now() - interval ''30 days''',
		outputs => '{property,event,list}', create_in_hubspot => true);
	SELECT hubspot_refresh('order_completed_last_30days');
	UPDATE orders SET completed_at = now() - interval '31 days' WHERE user_id = 'u1';
	INSERT INTO orders VALUES ('u3', now());
	SELECT hubspot_refresh('order_completed_last_30days')});
wait_drained($node, 'postgres');

is(property("u$_\@acme.com", 'pricing_page_visits'), '5', "pricing_page_visits: 5 of user $_") for 1 .. 5;
is(join(' ', map { property("u$_\@acme.com", 'order_completed_last_30days') } 1 .. 3), 'false none true', 'order_completed_last_30days: who has left, was never in, is in');
is($node->safe_psql('postgres', q{SELECT coalesce(string_agg(DISTINCT concat_ws(' ', call, verdict, category, message), ', '), 'none') FROM hubspot.outbox_status WHERE verdict NOT IN ('delivered', 'coalesced', 'unchanged')}),
	'none', 'everything was delivered');
is($node->safe_psql('postgres', q{SELECT string_agg(o.message->>'event', ', ' ORDER BY o.id) FROM hubspot.outbox o WHERE o.call = 'track'}),
	'Audience Entered, Audience Exited, Audience Entered', 'events in their order');
my $list = $sim->api('GET', '/crm/v3/lists/object-type-id/0-1/name/order_completed_last_30days')->{list}{listId};
is(join(' ', map { $_->{recordId} } @{ $sim->api('GET', "/crm/v3/lists/$list/memberships")->{results} }), $sim->contact('u3@acme.com')->{id}, 'the list holds who is in');

done_testing();
