# An audience as event, as static list, as all of them; what fails is told again
# or remembered.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('outputs');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub refresh { return ask("SELECT concat_ws(' ', entered, changed, exited) FROM hubspot_refresh('$_[0]')") }

sub delivered { my $counts = refresh($_[0]); wait_drained($node, 'postgres'); return $counts }

sub error_of { my ($status, undef, $error) = $node->psql('postgres', $_[0]); return $status ? $error : 'no error' }

sub property { my ($email, $name) = @_; my $contact = $sim->contact($email); return $contact ? $contact->{properties}{$name} // 'none' : 'no contact' }

sub list_id { my $found = $sim->api('GET', "/crm/v3/lists/object-type-id/0-1/name/$_[0]"); return $found && $found->{list} ? $found->{list}{listId} : undef }

# Record ids of a list, as addresses.
sub in_list
{
	my $id = list_id($_[0]) // return 'no list';
	my %ids = map { $_->{recordId} => 1 } @{ $sim->api('GET', "/crm/v3/lists/$id/memberships")->{results} };
	return join ' ', grep { $ids{ $sim->contact("$_\@example.com") ? $sim->contact("$_\@example.com")->{id} : 0 } } qw(ann bob cy dee);
}

sub events { return join ' ', map { ($_->{event} // $_->{eventName}) =~ /audience_(entered|exited)/ ? "$_->{email}:$1" : () } grep { ($_->{type} // '') =~ /event/ } $sim->log }

ask(q{CREATE TABLE vips (email text); INSERT INTO vips VALUES ('ann@example.com'), ('bob@example.com')});

#
# The example of lists: VIP
#
ask(q{SELECT hubspot_audience('VIP', 'SELECT email FROM vips', outputs => '{list}', create_in_hubspot => true)});
is(delivered('VIP'), '2 0 0', 'an audience as a static list');
like(ask(q{SELECT string_agg(DISTINCT concat_ws(' ', verdict, category), ', ') FROM hubspot.outbox_status WHERE call = 'add_to_list'}), qr/contact_not_found/,
	'... of contacts that HubSpot does not have: said so');
is(ask(q{SELECT bool_or(confirmed) FROM hubspot.members}), 'f', '... and nobody counts as a member');
ask(q{SELECT hubspot_identify(to_jsonb(v)) FROM vips v});
wait_drained($node, 'postgres');
ask(q{SELECT hubspot_resync('VIP')});
wait_until(sub { refresh('VIP'); wait_drained($node, 'postgres'); in_list('VIP') eq 'ann bob' }, 'hubspot_resync() queues everybody again');
ask(q{DELETE FROM vips WHERE email = 'ann@example.com'; INSERT INTO vips VALUES ('cy@example.com'); SELECT hubspot_identify('{"email": "cy@example.com"}')});
is(delivered('VIP'), '1 0 1', 'one comes, one goes');
is(in_list('VIP'), 'bob cy', '... in the list, too');

#
# Events
#
ask(q{SELECT hubspot_refresh_schema()});
wait_drained($node, 'postgres');
like(error_of(q{SELECT hubspot_audience('buyers', 'SELECT email FROM vips', outputs => '{event}')}), qr/events "audience_entered", "audience_exited" do not exist.*hubspot_create_event\('audience_entered'/s,
	'an event that is not defined is named, with the statement');
ask(q{SELECT hubspot_audience('buyers', 'SELECT email FROM vips', outputs => '{event,property,list}', create_in_hubspot => true)});
is(delivered('buyers'), '2 0 0', 'all outputs');
is(in_list('buyers'), 'bob cy', 'the list');
is(property('bob@example.com', 'buyers'), 'true', 'the property');
is(ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE call = 'track' AND verdict = 'delivered'}), 2, 'Audience Entered');
is(ask(q{SELECT count(DISTINCT parent) FROM hubspot.outbox_status o WHERE call IN ('track', 'add_to_list') AND parent IN (SELECT outbox_id FROM hubspot.members WHERE name = 'buyers')}), 2,
	'rows of one change belong to one another');
ask(q{DELETE FROM vips WHERE email = 'bob@example.com'});
is(delivered('buyers'), '0 0 1', 'one leaves');
is(join(' ', property('bob@example.com', 'buyers'), in_list('buyers')), 'false cy', '... property and list');
is(ask(q{SELECT string_agg(o.message->>'event', ', ' ORDER BY o.id) FROM hubspot.outbox o JOIN hubspot.result r USING (id) WHERE o.key = 'bob@example.com' AND o.call = 'track' AND r.verdict = 'delivered'}),
	'Audience Entered, Audience Exited', '... entered once, exited once');

like(error_of(q{SELECT hubspot_audience('x', 'SELECT 1', level => 'account', outputs => '{event}')}), qr/an audience of companies has no events/, 'companies have no events');
like(error_of(q{SELECT hubspot_audience('x', 'SELECT 1', outputs => '{mail}')}), qr/unknown output "mail".*Valid values are: property, event, list/s, 'outputs are words of a list');
like(error_of(q{SELECT hubspot_audience('x', 'DELETE FROM vips RETURNING email')}), qr/syntax error|not one SELECT/, 'a query is a SELECT');
like(error_of(q{SELECT hubspot_audience('x', 'WITH gone AS (DELETE FROM vips RETURNING email) SELECT email FROM gone')}), qr/data-modifying/, '... through and through');
like(error_of(q{SELECT hubspot_audience('x', 'SELECT nobody FROM vips')}), qr/column "nobody" does not exist/, 'a query is analyzed when it is declared');
like(error_of(q{SELECT hubspot_trait('x', 'SELECT email FROM vips')}), qr/returns 1 column.*key.*value/s, 'a trait needs two columns');
like(error_of(q{SELECT hubspot_refresh('x')}), qr/no sync, audience or trait of the name "x" is declared/, 'and nothing of these was declared');

#
# What failed: given up and tried again, rejected and remembered
#
ask(q{DELETE FROM vips; INSERT INTO vips VALUES ('dee@example.com')});
ask(q{SELECT hubspot_audience('late', 'SELECT email FROM vips', create_in_hubspot => true)});
wait_drained($node, 'postgres');
stop_delivery($node);
is(refresh('late'), '1 0 0', 'a member');
ask(q{SELECT hubspot_cancel(key => 'dee@example.com')});
resume_delivery($node);
wait_drained($node, 'postgres');
is(ask(q{SELECT verdict || ' ' || confirmed FROM hubspot.members WHERE name = 'late'}), 'cancelled false', 'whose call is cancelled');
is(property('dee@example.com', 'late'), 'no contact', '... HubSpot does not know');
is(delivered('late'), '0 1 0', 'the next refresh tells it again');
is(property('dee@example.com', 'late'), 'true', '... and HubSpot knows');
is(refresh('late'), '0 0 0', '... once');

done_testing();
