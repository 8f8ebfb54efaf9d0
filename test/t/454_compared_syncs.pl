# Syncs of views and queries, and in mode mirror: compared with what was queued
# before, only differences are sent; a mirror takes away what it has written.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('compared');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

sub refresh { return ask("SELECT concat_ws(' ', entered, changed, exited) FROM hubspot_refresh('$_[0]')") }

sub delivered { my $counts = refresh($_[0]); wait_drained($node, 'postgres'); return $counts }

sub error_of { my ($status, undef, $error) = $node->psql('postgres', $_[0]); return $status ? $error : 'no error' }

sub property { my ($email, $name) = @_; my $contact = $sim->contact("$email\@example.com"); return $contact ? $contact->{properties}{$name} // 'none' : 'no contact' }

#
# A view
#
ask(q{CREATE TABLE people (id int PRIMARY KEY, mail text, first text, last text, plan text);
	INSERT INTO people VALUES (1, 'ann@example.com', 'Ann', 'A', 'free'), (2, 'bob@example.com', 'Bob', 'B', 'pro'), (3, 'cy@example.com', 'Cy', 'C', 'pro');
	CREATE VIEW paying AS SELECT mail, first, last, plan FROM people WHERE plan <> 'free'});
ask(q{SELECT hubspot_sync('paying', 'paying', key => 'mail', mapping => '{"email": "mail", "firstname": "first", "lastname": "last"}', deletes => 'clear', max_shrink => 1)});
is(delivered('paying'), '2 0 0', 'a view: everybody at first');
is(property('bob', 'firstname'), 'Bob', '... with the mapped columns');
is(property('ann', 'firstname'), 'no contact', '... nobody else');
ask(q{UPDATE people SET plan = 'gold' WHERE id = 2; UPDATE people SET first = 'Cyd' WHERE id = 3; UPDATE people SET plan = 'pro' WHERE id = 1});
is(delivered('paying'), '1 1 0', 'a new row and a changed one; a change of another column is none');
is(property('cy', 'firstname'), 'Cyd', '... the change arrives');
ask(q{DELETE FROM people WHERE id = 3});
is(delivered('paying'), '0 0 1', 'a row that goes');
is(join(' ', property('cy', 'firstname'), property('cy', 'email')), 'none cy@example.com', '... clears what was mapped (deletes => clear), and keeps the contact');
ask(q{ALTER TABLE people RENAME COLUMN first TO given; ALTER VIEW paying RENAME COLUMN first TO given_name});
ask(q{UPDATE people SET given = 'Robert' WHERE id = 2});
is(delivered('paying'), '0 1 0', 'a column of the view that was renamed is followed');
is(property('bob', 'firstname'), 'Robert', '... under its property');
ask(q{ALTER VIEW paying RENAME TO payers});
is(refresh('paying'), '0 0 0', 'so is the view');
ask(q{DROP VIEW payers});
like(error_of(q{SELECT hubspot_refresh('paying')}), qr/the source of "paying", does not exist any more/, 'a view that was dropped is an error');
is(ask(q{SELECT members FROM hubspot.syncs WHERE name = 'paying'}), 2, '... that changes nothing');

#
# Modes
#
ask(q{SELECT hubspot_sync('known', 'SELECT mail, plan FROM people UNION ALL SELECT ''dee@example.com'', ''x''', key => 'mail', mapping => '{"email": "mail", "jobtitle": "plan"}', mode => 'update')});
is(delivered('known'), '3 0 0', 'mode update');
is(join(' ', map { property($_, 'jobtitle') } qw(ann bob dee)), 'pro gold no contact', '... writes to contacts that HubSpot has, and creates none');
is(ask(q{SELECT verdict || ' ' || message FROM hubspot.members WHERE name = 'known' AND NOT confirmed}) =~ /^rejected/, 1, '... and says who is missing');
ask(q{SELECT hubspot_sync('fresh', 'SELECT ''bob@example.com'' AS mail, ''boss'' AS job UNION ALL SELECT ''eve@example.com'', ''boss''', key => 'mail', mapping => '{"email": "mail", "jobtitle": "job"}', mode => 'create')});
is(delivered('fresh'), '2 0 0', 'mode create');
is(join(' ', map { property($_, 'jobtitle') } qw(bob eve)), 'gold boss', '... creates, and leaves alone what HubSpot has');

#
# Mirror
#
$sim->api('POST', '/crm/v3/objects/contacts', { properties => { email => 'foreign@example.com' } });
ask(q{CREATE TABLE staff (mail text PRIMARY KEY, job text); INSERT INTO staff SELECT 'staff' || i || '@example.com', 'job' FROM generate_series(1, 10) i});
ask(q{SELECT hubspot_sync('staff', 'staff', key => 'mail', mapping => '{"email": "mail", "jobtitle": "job"}', mode => 'mirror', max_shrink => 0.2)});
is(delivered('staff'), '10 0 0', 'a mirror of a table');
ask(q{DELETE FROM staff WHERE mail IN ('staff1@example.com', 'staff2@example.com')});
is(delivered('staff'), '0 0 2', 'rows that go');
is(join(' ', map { property($_, 'jobtitle') } qw(staff1 staff2 staff3 foreign)), 'no contact no contact job none', '... are archived in HubSpot, others are not');
ask(q{DELETE FROM staff WHERE mail IN ('staff3@example.com', 'staff4@example.com', 'staff5@example.com')});
like(error_of(q{SELECT hubspot_refresh('staff')}), qr/has shrunk by more than max_shrink allows.*3 of 8 records would leave, at most 20 % may.*confirm => true/s, 'too many at once are refused');
ask(q{DELETE FROM staff});
like(error_of(q{SELECT hubspot_refresh('staff')}), qr/the source of "staff" is empty/, 'so is an empty source');
is($sim->contact('staff7@example.com')->{properties}{jobtitle}, 'job', '... and HubSpot keeps what it has');
is(ask(q{SELECT exited FROM hubspot_refresh('staff', confirm => true)}), 8, 'until it is confirmed');
wait_drained($node, 'postgres');
is(property('staff7', 'jobtitle'), 'no contact', '... then they are archived');
is(property('foreign', 'email'), 'foreign@example.com', '... and what the mirror has not written stays');

#
# Events and associations
#
ask(q{SELECT hubspot_create_event('order_completed', '{"amount": "number"}'); CREATE TABLE orders (id int, mail text, amount numeric, at timestamptz);
	INSERT INTO orders VALUES (1, 'bob@example.com', 10.50, '2026-01-02 03:04:05+00'), (2, 'ann@example.com', 20, '2026-01-02 03:04:06+00')});
wait_drained($node, 'postgres');
ask(q{SELECT hubspot_sync('orders', 'SELECT * FROM orders WHERE amount > 0', object => 'event', event => 'order_completed', key => 'id', mapping => '{"email": "mail", "timestamp": "at", "amount": "amount"}')});
is(delivered('orders'), '2 0 0', 'events of a query');
ask(q{INSERT INTO orders VALUES (3, 'ann@example.com', 30, now()); DELETE FROM orders WHERE id = 1});
is((split / /, delivered('orders'))[0], 1, '... each once');
is(ask(q{SELECT count(*) || ' ' || count(*) FILTER (WHERE r.verdict = 'delivered') FROM hubspot.outbox o JOIN hubspot.result r USING (id) WHERE o.call = 'track'}), '3 3', '... all delivered');
ask(q{SELECT hubspot_group('{"traits": {"domain": "acme.com", "name": "Acme"}}'); SELECT hubspot_group('{"traits": {"domain": "other.com"}}')});
ask(q{SELECT hubspot_sync('works_at', 'SELECT mail, employer FROM people, unnest(''{acme.com,other.com}''::text[]) employer WHERE employer = ''acme.com'' OR id = 2', object => 'association', key => 'mail', mapping => '{"contact": "mail", "company": "employer"}')});
is(delivered('works_at'), '3 0 0', 'associations of a query');
is(scalar(@{ $sim->contact('ann@example.com')->{associations} // [] }), 1, '... a contact belongs to the company');
is(scalar(@{ $sim->contact('bob@example.com')->{associations} // [] }), 2, '... or to two');

is(ask(q{SELECT count(*) FROM hubspot.outbox WHERE source <> 'sync' AND call IN ('identify', 'delete')}), 0, 'all of it came from syncs');

done_testing();
