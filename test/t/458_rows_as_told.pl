# What the rows said, and no more: a value that no message can hold costs itself alone; single
# checkboxes in any language; what counts as known; which occurrence an event's row is.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster('as_told');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

sub property { my ($key, $name) = @_; my $contact = $sim->contact("$key\@example.com"); return $contact ? $contact->{properties}{$name} // 'none' : 'no contact' }

# Occurrences of an event that HubSpot holds.
sub occurrences { my ($name) = @_; return grep { $_->{op} eq 'event' && $_->{event} =~ /$name/ } $sim->log }

sub following { my ($name) = @_; wait_until(sub { ask("SELECT state FROM hubspot.syncs WHERE name = '$name'") eq 'following' }, "$name to follow") }

# The warnings of the newest row of a key (%: of any), and its verdict.
sub ended
{
	my ($key, $call) = @_;
	wait_drained($node, 'postgres');
	return ask(qq{SELECT verdict || coalesce((SELECT string_agg(' ' || (w->>'code') || ' ' || (w->>'property') || ': ' || (w->>'detail'), ',')
		FROM jsonb_array_elements(warnings) w), '') FROM hubspot.outbox_status
		WHERE key LIKE '$key%' AND call = '${\($call // 'identify')}' ORDER BY id DESC LIMIT 1});
}

$sim->add_property('contacts', name => 'bio', type => 'string', fieldType => 'text');
ask(q{SELECT hubspot_create_event('read', '{"bio": "string", "page": "string"}', 'Read')});
ask(q{SELECT hubspot_refresh_schema()});
wait_drained($node, 'postgres');

#
# A value that jsonb cannot hold
#
my $bad = 'unreadable_value bio: unsupported Unicode escape sequence';
my $bad_payload = 'unreadable_value payload: unsupported Unicode escape sequence';

subtest 'a value that jsonb cannot hold costs itself alone' => sub {
	ask(q{CREATE TABLE told (id int PRIMARY KEY, email text, first_name text, payload json);
		CREATE TRIGGER per_statement AFTER INSERT ON told REFERENCING NEW TABLE AS new FOR EACH STATEMENT
			EXECUTE FUNCTION hubspot_trigger('identify', 'crm', '{"email": "email", "firstname": "first_name", "bio": "payload"}')});
	my ($status) = $node->psql('postgres', q{INSERT INTO told VALUES (1, 'nul@example.com', 'Nul', '{"k": "\u0000"}'), (2, 'good@example.com', 'Good', '{"k":"v"}'),
		(3, 'half@example.com', 'Half', '{"k": "\ud800"}')});
	is($status, 0, 'hubspot_trigger per statement: the statement goes on');
	is(ended('nul@'), "delivered $bad", '... the row is found by its key, and a warning names the column');
	like(ended('half@'), qr/^delivered unreadable_value bio: .+/, '... a lone surrogate is the same');
	is(join(' ', map { property($_, 'firstname') . property($_, 'bio') } qw(nul half good)), 'Nulnone Halfnone Good{"k":"v"}', '... the other columns and rows arrive');

	ask(q{DROP TRIGGER per_statement ON told;
		CREATE TRIGGER per_row AFTER UPDATE ON told FOR EACH ROW EXECUTE FUNCTION hubspot_trigger('track', 'crm')});
	($status) = $node->psql('postgres', q{ALTER TABLE told ADD event text DEFAULT 'Read'; UPDATE told SET first_name = 'N' WHERE id = 1});
	is($status, 0, 'hubspot_trigger per row, with all columns');
	like(ended('nul@', 'track'), qr/^delivered .*$bad_payload/, '... the event goes, and a warning names the column');
	is(scalar(occurrences('read')), 1, '... and HubSpot has it');
	ask('DROP TRIGGER per_row ON told');

	# followed: the back-fill, then a change
	ask(q{UPDATE told SET first_name = 'Back' WHERE id = 1; SELECT hubspot_sync('told', 'told', mapping => '{"email": "email", "firstname": "first_name", "bio": "payload"}')});
	following('told');
	is(ended('nul@'), "delivered $bad", 'a back-fill');
	is(property('nul', 'firstname'), 'Back', '... brings the other columns');
	ask(q{UPDATE told SET first_name = 'Live' WHERE id = 1});
	is(ended('nul@'), "delivered $bad", 'a followed change');
	is(property('nul', 'firstname'), 'Live', '... brings the other columns');
	ask(q{SELECT hubspot_drop_sync('told')});

	# compared: a sync, a trait, an event query
	ask(q{UPDATE told SET first_name = 'Seen' WHERE id = 1;
		SELECT hubspot_sync('seen', 'SELECT * FROM told', mapping => '{"email": "email", "firstname": "first_name", "bio": "payload"}');
		SELECT hubspot_trait('bio', 'SELECT email, payload FROM told');
		SELECT hubspot_sync('reads', 'SELECT id, email, payload FROM told', 'event', event => 'Read', key => 'id', mapping => '{"email": "email", "bio": "payload"}')});
	is(ask(q{SELECT entered FROM hubspot_refresh('seen')}), 3, 'a compared sync is refreshed');
	is(ended('nul@'), "delivered $bad", '... with the warning');
	is(property('nul', 'firstname'), 'Seen', '... and the other columns');
	is(ask(q{SELECT entered || ' ' || changed FROM hubspot_refresh('seen')}), '0 0', '... once');
	is(ask(q{SELECT entered FROM hubspot_refresh('bio')}), 3, 'a trait');
	is(ended('nul@'), "delivered $bad", '... has the warning');
	is(ask(q{SELECT entered FROM hubspot_refresh('reads')}), 3, 'events of a query');
	is(ended('nul@', 'track'), "delivered $bad", '... have the warning');
	is(scalar(occurrences('read')), 4, '... and all of them arrive');
	like(ask(q{SELECT string_agg(detail::text, ' ') FROM hubspot_sync_preview('SELECT * FROM told', mapping => '{"email": "email", "bio": "payload"}') WHERE item = 'sample'}),
		qr/unreadable_value/, 'the preview tells before');

	# a key that nobody can read: the row says which column
	ask(q{CREATE TABLE keyless (email json, first_name text);
		CREATE TRIGGER t AFTER INSERT ON keyless REFERENCING NEW TABLE AS new FOR EACH STATEMENT EXECUTE FUNCTION hubspot_trigger('identify', 'crm');
		INSERT INTO keyless VALUES ('"\u0000@example.com"', 'x')});
	like(ask(q{SELECT problem FROM hubspot.outbox ORDER BY id DESC LIMIT 1}), qr/column "email" cannot be read: unsupported Unicode/, 'a key that cannot be read is named in the reason');

	# longer than a message
	ask(q{INSERT INTO keyless VALUES ('"long@example.com"', repeat('x', 3000000))});
	like(ended('long@'), qr/^delivered .*unreadable_value first_name: with its 300000\d bytes the message would exceed hubspot.max_message_size/,
		'a value that is longer than a message is left out, and its row goes');
	ask('DROP TABLE keyless; DROP TABLE told CASCADE');
};

#
# What is there when a compared source is declared
#
subtest 'backfill => false of a compared source' => sub {
	ask(q{CREATE TABLE sold (id int PRIMARY KEY, email text, page text);
		INSERT INTO sold VALUES (1, 'one@example.com', 'a'), (2, 'two@example.com', 'b')});
	my $before = occurrences('read');
	ask(q{SELECT hubspot_sync('sold', 'SELECT * FROM sold', 'event', event => 'Read', key => 'id', mapping => '{"email": "email", "page": "page"}', backfill => false);
		SELECT hubspot_sync('buyers', 'SELECT * FROM sold', mapping => '{"email": "email", "firstname": "page"}', deletes => 'archive', max_shrink => 1, backfill => false)});
	is(ask(q{SELECT concat_ws(' ', source_rows, entered, changed, exited) FROM hubspot_refresh('sold')}), '2 0 0 0', 'the first refresh sends nothing');
	is(ask(q{SELECT string_agg(key || present || confirmed, ' ' ORDER BY key) FROM hubspot.members WHERE name = 'sold'}), '1truetrue 2truetrue', '... what was there is known');
	ask(q{INSERT INTO sold VALUES (3, 'three@example.com', 'c')});
	is(ask(q{SELECT entered FROM hubspot_refresh('sold')}), 1, 'a new row is sent');
	wait_drained($node, 'postgres');
	is(scalar(occurrences('read')) - $before, 1, '... one event in all');
	ask(q{UPDATE sold SET page = 'z' WHERE id = 2; DELETE FROM sold WHERE id = 1});
	is(ask(q{SELECT concat_ws(' ', entered, changed, exited) FROM hubspot_refresh('buyers')}), '1 1 1', 'of records, too: who is new, who has changed, who has left since');
	wait_drained($node, 'postgres');
	is(join(' ', map { property($_, 'firstname') } qw(one two three)), 'no contact z c', '... and nobody else');
	ask(q{INSERT INTO sold VALUES (4, 'four@example.com', 'd');
		SELECT hubspot_sync('buyers', 'SELECT * FROM sold', mapping => '{"email": "email", "firstname": "page"}', deletes => 'archive', max_shrink => 1, backfill => false)});
	is(ask(q{SELECT entered FROM hubspot_refresh('buyers')}), 1, 'declared once more without a change, it loses none');
	ask(q{SELECT hubspot_sync('buyers', 'SELECT * FROM sold', mapping => '{"email": "email", "lastname": "page"}', deletes => 'archive', max_shrink => 1, backfill => false)});
	is(ask(q{SELECT concat_ws(' ', entered, changed, exited) FROM hubspot_refresh('buyers')}), '0 0 0', 'with another column, it sends none');
	ask(q{SELECT hubspot_resync('buyers')});
	becomes(sub { join(' ', map { property($_, 'lastname') } qw(two three four)) }, 'z c d', 'hubspot_resync() sends them all');
	ask(q{SELECT hubspot_drop_sync('sold'), hubspot_drop_sync('buyers'); DROP TABLE sold});
};

#
# Which occurrence a row is
#
subtest 'an event is its key and its time' => sub {
	my $query = q{SELECT id, email, saved_at, page FROM cart WHERE saved_at < now() - interval '1 hour' AND NOT bought};
	my $before = occurrences('read');
	ask(qq{CREATE TABLE cart (id int PRIMARY KEY, email text, page text, saved_at timestamptz, bought boolean DEFAULT false);
		INSERT INTO cart VALUES (1, 'ann\@example.com', 'a', now() - interval '2 hours');
		SELECT hubspot_sync('carts', \$q\$$query\$q\$, 'event', event => 'Read', key => 'id', deadline => '1 day',
			mapping => '{"email": "email", "timestamp": "saved_at", "page": "page"}')});
	is(ask(q{SELECT entered FROM hubspot_refresh('carts')}), 1, 'a cart is abandoned');
	is(ask(q{SET timezone = 'Asia/Kolkata'; SELECT entered + changed FROM hubspot_refresh('carts')}), 0, '... once, whatever the time zone');
	ask(q{UPDATE cart SET saved_at = now(); SELECT hubspot_refresh('carts', confirm => true)});
	ask(q{UPDATE cart SET saved_at = now() - interval '90 minutes'});
	is(ask(q{SELECT entered FROM hubspot_refresh('carts')}), 1, 'saved, and abandoned once more');
	wait_drained($node, 'postgres');
	is(scalar(occurrences('read')) - $before, 2, '... HubSpot has two events');
	ask(q{UPDATE cart SET page = 'b'});
	is(ask(q{SELECT changed FROM hubspot_refresh('carts')}), 1, 'another value of the same occurrence');
	wait_drained($node, 'postgres');
	is(scalar(occurrences('read')) - $before, 2, '... is no other event');
	is(ask(q{SELECT bool_and(deadline BETWEEN created_at + interval '23 hours' AND created_at + interval '25 hours') FROM hubspot.outbox WHERE message->>'messageId' LIKE 'carts:%'}),
		't', 'its rows have the deadline');
	ask(q{SELECT hubspot_drop_sync('carts')});

	# followed
	ask(q{SELECT hubspot_sync('saves', 'cart', 'event', event => 'Read', key => 'id', mapping => '{"email": "email", "timestamp": "saved_at"}', backfill => false)});
	$before = occurrences('read');
	ask(q{UPDATE cart SET saved_at = now(); UPDATE cart SET page = 'c'; UPDATE cart SET saved_at = NULL});
	wait_drained($node, 'postgres');
	is(scalar(occurrences('read')) - $before, 1, 'of a followed table another time is another event, nothing else is');
	ask(q{UPDATE cart SET saved_at = now()});
	wait_drained($node, 'postgres');
	is(scalar(occurrences('read')) - $before, 2, '... each of them');
	ask(q{SELECT hubspot_drop_sync('saves')});
};

subtest 'what is too late is not worth sending' => sub {
	ask(q{SELECT hubspot_pause('crm');
		CREATE TABLE late (id int PRIMARY KEY, email text, domain text);
		SELECT hubspot_sync('late', 'SELECT * FROM late', 'event', event => 'Read', key => 'id', mapping => '{"email": "email"}', deadline => '1 second');
		SELECT hubspot_sync('late pairs', 'late', 'association', mapping => '{"contact": "email", "company": "domain"}', deadline => '1 second');
		SELECT hubspot_audience('late ones', 'SELECT email FROM late', outputs => '{event,list}', create_in_hubspot => true, deadline => '1 second')});
	my $before = occurrences('read');
	ask(q{INSERT INTO late VALUES (1, 'late@example.com', 'late.example'); SELECT hubspot_refresh('late'); SELECT hubspot_refresh('late ones')});
	becomes(sub { ask(q{SELECT string_agg(DISTINCT call || ' ' || coalesce(verdict::text, state), ', ' ORDER BY call || ' ' || coalesce(verdict::text, state)) FROM hubspot.outbox_status WHERE key = 'late@example.com'}) },
		'add_to_list expired, group expired, track expired', 'events, memberships and associations have it');
	is(ask(q{SELECT entered FROM hubspot_refresh('late')}), 0, 'the next refresh does not send the event later still');
	is(ask(q{SELECT confirmed || ' ' || verdict FROM hubspot.members WHERE name = 'late'}), 'false expired', '... and says what became of it');
	my $queued = ask(q{SELECT max(id) FROM hubspot.outbox});
	is(ask(qq{SELECT hubspot_refresh('late ones') IS NOT NULL AND (SELECT true)}), 't', 'of an audience');
	is(ask(qq{SELECT string_agg(call::text, ' ') FROM hubspot.outbox WHERE id > $queued AND key = 'late\@example.com'}), 'add_to_list', '... it puts into the list who is still in, and says no more that he has entered');
	ask(q{SELECT hubspot_resume('crm')});
	wait_drained($node, 'postgres');
	is(scalar(occurrences('read')) - $before, 0, 'HubSpot has no late event');
	my ($status, undef, $error) = $node->psql('postgres', q{SELECT hubspot_sync('x', 'late', mapping => '{"email": "email"}', deadline => '1 day')});
	like($error, qr/deadline is for syncs of events and associations only/, 'a record has no deadline');
};

#
# What is missing in HubSpot
#
subtest 'what is missing is created with the types of its columns' => sub {
	ask(q{CREATE TYPE size AS ENUM ('small', 'large');
		CREATE TABLE totals (email text, paid_last_at timestamptz, orders int, pet size, note text);
		INSERT INTO totals VALUES ('sum@example.com', now(), 3, 'large', 'n');
		SELECT hubspot_sync('totals', 'SELECT * FROM totals', create_in_hubspot => NULL);
		SELECT hubspot_refresh('totals');
		SELECT hubspot_identify('{"email": "sum@example.com", "by_hand": true}')});
	my $missing = q{SELECT string_agg(concat_ws(' ', name, split_part(statement, '''', 6)), ', ' ORDER BY name) FROM hubspot_create_missing(dry_run => true)
		WHERE name IN ('by_hand', 'paid_last_at', 'orders', 'pet', 'note')};
	becomes(sub { ask($missing) }, 'by_hand bool, note string, orders number, paid_last_at datetime, pet enumeration', 'a dry run shows each with its type');
	my $queued = ask('SELECT max(id) FROM hubspot.outbox');
	ask(q{SELECT hubspot_create_missing(dry_run => true)});
	is(ask('SELECT max(id) FROM hubspot.outbox'), $queued, '... and queues nothing');
	is(ask(q{SELECT count(*) = count(id) AND count(id) >= 5 FROM hubspot_create_missing('crm')}), 't', 'all are created at once');
	becomes(sub { ask(q{SELECT count(*) FROM hubspot_create_missing()}) }, 0, '... and are missing no more');
	ask(q{SELECT hubspot_resync('totals')});
	becomes(sub { join(' ', map { property('sum', $_) } qw(orders pet note)) }, '3 large n', 'a resync brings the values');
};

done_testing();
