# Audiences: who enters and leaves, as property, as event; each refresh queues
# the difference to the last one and no more.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('audiences');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub refresh { return ask("SELECT concat_ws(' ', entered, changed, exited) FROM hubspot_refresh('$_[0]')") }

sub property { my ($email, $name) = @_; my $contact = $sim->contact($email); return $contact ? $contact->{properties}{$name} // 'none' : 'no contact' }

# What HubSpot shows of a property in a contact's record: label and value, a choice by its label.
sub shown
{
	my ($email, $name) = @_;
	my ($property) = grep { $_->{name} eq $name } @{ $sim->api('GET', '/crm/v3/properties/contacts')->{results} };
	my ($option) = grep { $_->{value} eq property($email, $name) } @{ $property->{options} };
	return "$property->{label}: $option->{label}";
}

sub error_of { my ($status, undef, $error) = $node->psql('postgres', $_[0]); return $status ? $error : 'no error' }


ask(q{CREATE TABLE orders (email text NOT NULL, completed_at timestamptz NOT NULL DEFAULT now());
	INSERT INTO orders (email) VALUES ('ann@example.com'), ('ann@example.com'), ('Bob@Example.com');
	INSERT INTO orders VALUES ('old@example.com', now() - interval '40 days')});

#
# What is declared has to exist in HubSpot, or is created on request.
#
my $query = q{SELECT DISTINCT email FROM orders WHERE completed_at > now() - interval '30 days'};
ask("SELECT hubspot_identify('{\"email\": \"ann\@example.com\"}')");
wait_drained($node, 'postgres');
my $error = error_of("SELECT hubspot_audience('order_completed_last_30days', \$q\$$query\$q\$)");
like($error, qr/contact property "order_completed_last_30days" does not exist in HubSpot account "crm"/, 'a property that is missing is named');
like($error, qr/hubspot_create_property\('contact', 'order_completed_last_30days', 'bool'/, '... with the statement that creates it');
is(ask('SELECT count(*) FROM hubspot.sync'), 0, '... and nothing is declared');

ask("SELECT hubspot_audience('order_completed_last_30days', \$q\$$query\$q\$, create_in_hubspot => true)");
is(refresh('order_completed_last_30days'), '2 0 0', 'the first refresh queues everyone, a key in two spellings once');
wait_drained($node, 'postgres');
my ($property) = grep { $_->{name} eq 'order_completed_last_30days' } @{ $sim->api('GET', '/crm/v3/properties/contacts')->{results} };
is("$property->{type} $property->{fieldType}", 'bool booleancheckbox', 'the property is a single checkbox');
is(property('ann@example.com', 'order_completed_last_30days'), 'true', 'the example: order_completed_last_30days: true');
is(property('bob@example.com', 'order_completed_last_30days'), 'true', '... also of a contact that HubSpot did not have');
is(property('old@example.com', 'order_completed_last_30days'), 'no contact', '... nobody else');

# The words of the product that this one replaces: order_completed_last_30days: true appears as "Order Completed 30 Days: Yes".
ask("SELECT hubspot_audience('Order Completed 30 Days', \$q\$$query\$q\$, create_in_hubspot => true)");
is(refresh('Order Completed 30 Days'), '2 0 0', 'an audience with a name in prose');
wait_drained($node, 'postgres');
is(shown('ann@example.com', 'order_completed_30_days'), 'Order Completed 30 Days: Yes', 'Order Completed 30 Days: Yes');
ask("DELETE FROM orders WHERE email = 'ann\@example.com'; SELECT hubspot_refresh('Order Completed 30 Days')");
wait_drained($node, 'postgres');
is(shown('ann@example.com', 'order_completed_30_days'), 'Order Completed 30 Days: No', '... and No of who is no longer in it');
ask("INSERT INTO orders (email) VALUES ('ann\@example.com'); SELECT hubspot_drop_sync('Order Completed 30 Days')");

is(refresh('order_completed_last_30days'), '0 0 0', 'without a change nothing is queued');
ask(q{UPDATE orders SET completed_at = now() - interval '31 days' WHERE email = 'ann@example.com';
	INSERT INTO orders (email) VALUES ('cy@example.com')});
is(ask(q{SELECT string_agg(change || ' ' || key, ', ' ORDER BY key) FROM hubspot_refresh_preview('order_completed_last_30days')}),
	'exited ann@example.com, entered cy@example.com', 'the preview names the difference');
is(refresh('order_completed_last_30days'), '1 0 1', 'the next refresh: who was added and who was removed');
wait_drained($node, 'postgres');
is(property('ann@example.com', 'order_completed_last_30days'), 'false', 'no longer satisfied: false');
is(property('cy@example.com', 'order_completed_last_30days'), 'true', 'added: true');
is(ask(q{SELECT string_agg(concat_ws(' ', key, present, confirmed), ', ' ORDER BY key) FROM hubspot.members}),
	'ann@example.com f t, bob@example.com t t, cy@example.com t t', 'the view of members knows who is in and what is confirmed');
is(refresh('order_completed_last_30days'), '0 0 0', 'nothing more');
is(ask(q{SELECT count(*) FROM hubspot.member}), 2, '... and who has left is forgotten, now that HubSpot knows');
is(ask(q{SELECT name || ' ' || kind || ' ' || state || ' ' || members FROM hubspot.syncs}),
	'order_completed_last_30days audience on demand 2', 'the view of definitions');

#
# A property that is missing, and was not known to be: no member counts as told.
#
ask(q{DELETE FROM hubspot.schema; SELECT hubspot_audience('nowhere', 'SELECT email FROM orders')});
is(refresh('nowhere'), '4 0 0', 'a schema that is not known is no obstacle');
wait_drained($node, 'postgres');
is(ask(q{SELECT DISTINCT concat_ws(' ', verdict, confirmed, message) FROM hubspot.members WHERE name = 'nowhere'}),
	'rejected f HubSpot has no property "nowhere"', '... but each member is rejected, and says why');

done_testing();
