# hubspot.suppressed is asked when a request is built: who is in it by then is not written to.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('consent');
create_account($node, 'postgres', 'crm', $sim, create_events => 'on');
create_account($node, 'postgres', 'other', $sim);
create_account($node, 'postgres', 'by_id', $sim, contact_id_property => 'external_id', unknown_user_wait => '0');
$sim->add_property('contacts', name => 'external_id', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);

sub ask { return $node->safe_psql('postgres', $_[0]) }
sub identify { my ($name, $more, $server) = @_; return ask(sprintf q{SELECT hubspot_identify('{"email": "%s@example.com"%s}', '%s')}, $name, $more // '', $server // 'crm') }
sub ended { my ($id, $verdict, $what) = @_; becomes(sub { ask("SELECT verdict || coalesce('/' || category, '') FROM hubspot.outbox_status WHERE id = $id") }, $verdict, $what) }
sub arrived { my $name = shift; return scalar grep { ($_->{key} // '') =~ /^\Q$name\E\@/ } $sim->log }

subtest 'a row waits behind a slow answer' => sub {
	$sim->fault(match => { path => 'batch/upsert', record => 'slow@' }, action => 'delay', ms => 600_000);
	my $first = identify('slow');
	becomes(sub { ask("SELECT state FROM hubspot.outbox_status WHERE id = $first") }, 'in_flight', 'it is in a request');
	my @behind = map { identify('slow', qq{, "plan": "$_"}) } 1 .. 2;
	my $beside = identify('beside');
	ended($beside, 'delivered', 'another contact is delivered meanwhile');
	ask(q{INSERT INTO hubspot.suppressed (address, reason) VALUES (' Slow@Example.com', 'asked by telephone')});
	my $after = identify('after');
	ended($after, 'delivered', 'the worker has gone on');
	is(ask("SELECT count(*) FROM hubspot.backlog WHERE id IN ($first, $behind[0], $behind[1])"), '3', 'what waits is not looked at before it may go');
	$sim->clear_faults;
	ended($first, 'delivered', 'what was under way has arrived');
	ended($_, 'cancelled/suppressed', 'what was behind it is not sent') for @behind;
	like(ask("SELECT message FROM hubspot.results WHERE id = $behind[0]"), qr/^the contact is in hubspot.suppressed, since .*: asked by telephone$/, 'and says why');
	is(arrived('slow'), 1, 'the simulator has seen the first only');
};

subtest 'a request that is to be sent again' => sub {
	$sim->fault(match => { path => 'batch/upsert', record => 'again@' }, action => 'status', status => 503, times => 0);
	my $id = identify('again');
	wait_until(sub { ask(q{SELECT count(*) FROM hubspot.requests WHERE status = 503}) > 0 }, 'a request to fail');
	ask(q{INSERT INTO hubspot.suppressed (address) VALUES ('again@example.com')});
	ended($id, 'cancelled/suppressed', 'it is taken apart');
	$sim->clear_faults;
	is(arrived('again'), 0, 'and never arrives');
	ended(identify('healthy'), 'delivered', 'the lane goes on');
};

subtest 'what is concerned' => sub {
	my $wait = ask(q{SELECT hubspot_create_list('VIP', server => 'crm')});
	ended($wait, 'delivered', 'a list');
	ended(identify('gone'), 'delivered', 'a contact');
	ended(ask(q{SELECT hubspot_add_to_list('VIP', '{"email": "gone@example.com"}', 'crm')}), 'delivered', 'is a member');
	ask(q{INSERT INTO hubspot.suppressed (address, server) VALUES ('gone@example.com', 'crm')});
	ended(identify('gone', ', "plan": "x"'), 'cancelled/suppressed', 'properties');
	ended(ask(q{SELECT hubspot_track('{"email": "gone@example.com", "event": "looked"}', 'crm')}), 'cancelled/suppressed', 'events');
	ended(ask(q{SELECT hubspot_form('{"formId": "0a1b2c3d-0000-4000-8000-1234567890ab", "fields": [{"name": "email", "value": "gone@example.com"}]}', 'crm')}),
		'cancelled/suppressed', 'forms');
	ended(ask(q{SELECT hubspot_add_to_list('VIP', '{"email": "gone@example.com"}', 'crm')}), 'cancelled/suppressed', 'lists');
	my $group = ask(q{SELECT hubspot_group('{"groupId": "g", "traits": {"name": "G", "website": "g.example.com"}, "context": {"traits": {"email": "gone@example.com"}}}', 'crm')});
	ended($group, 'delivered', 'a company is no contact');
	becomes(sub { ask("SELECT verdict || '/' || category FROM hubspot.outbox_status WHERE parent = $group AND object = 'association'") }, 'cancelled/suppressed', 'but its contact is one');
	ended(ask(q{SELECT hubspot_remove_from_list('VIP', '{"email": "gone@example.com"}', 'crm')}), 'delivered', 'who leaves a list may');
	ended(identify('gone', undef, 'other'), 'delivered', 'another account is not concerned');
	ended(ask(q{SELECT hubspot_delete('{"email": "gone@example.com"}', 'crm')}), 'delivered', 'a deletion goes');

	ask(q{INSERT INTO hubspot.suppressed (address, objects) VALUES ('quiet@example.com', '{event,list}')});
	ended(identify('quiet'), 'delivered', 'some objects only: properties go');
	ended(ask(q{SELECT hubspot_track('{"email": "quiet@example.com", "event": "looked"}', 'crm')}), 'cancelled/suppressed', 'events do not');
	ask(q{INSERT INTO hubspot.suppressed (address, subscription) VALUES ('letters@example.com', 'Newsletter')});
	ended(identify('letters'), 'delivered', 'one subscription stops nothing else');
	ask(q{INSERT INTO hubspot.suppressed (address, server) VALUES ('typo@example.com', 'cmr')});
	ended(identify('typo'), 'cancelled/suppressed', 'the name of a SERVER that is none counts for all');
	ask(q{DELETE FROM hubspot.suppressed WHERE address = 'typo@example.com'});
	ended(identify('typo'), 'delivered', 'who is taken out is written to');
};

subtest 'userIds' => sub {
	ended(ask(q{SELECT hubspot_identify('{"userId": "u1", "email": "told@example.com"}', 'crm')}), 'delivered', 'a userId is told');
	ask(q{INSERT INTO hubspot.suppressed (address) VALUES ('told@example.com')});
	ended(ask(q{SELECT hubspot_track('{"userId": "u1", "event": "looked"}', 'crm')}), 'cancelled/suppressed', 'a remembered userId is its address');
	ended(ask(q{SELECT hubspot_identify('{"userId": "u2", "email": "told@example.com"}', 'by_id')}), 'cancelled/suppressed', 'the address beside a key counts');
	ended(ask(q{SELECT hubspot_identify('{"userId": "u3", "plan": "x"}', 'by_id')}), 'delivered', 'a key without an address');
	ask(q{INSERT INTO hubspot.suppressed (user_id) VALUES ('u3')});
	ended(ask(q{SELECT hubspot_identify('{"userId": "u3", "plan": "y"}', 'by_id')}), 'cancelled/suppressed', 'is found by user_id');
	ended(ask(q{SELECT hubspot_identify('{"userId": "u3", "email": "third@example.com"}', 'crm')}), 'cancelled/suppressed', 'and so is the userId beside an address');
};

subtest 'an erased contact stays suppressed' => sub {
	ended(identify('erased'), 'delivered', 'a contact');
	ask(q{INSERT INTO hubspot.suppressed (address, user_id, reason) VALUES ('erased@example.com', 'u9', 'erased@example.com wrote a letter')});
	ended(ask(q{SELECT hubspot_delete('{"email": "erased@example.com", "gdpr": true}', 'crm')}), 'delivered', 'is erased');
	is(ask(q{SELECT count(*) FROM hubspot.suppressed s WHERE s::text ~ 'erased|u9'}), '0', 'without a trace');
	is(ask(q{SELECT count(*) FROM hubspot.suppressed WHERE address ~ '^sha256:[0-9a-f]{64}$' AND user_id ~ '^sha256:[0-9a-f]{64}$' AND reason IS NULL}), '1', 'but of a hash');
	ended(identify('erased'), 'cancelled/suppressed', 'by which the address is found');
	ended(ask(q{SELECT hubspot_identify('{"userId": "u9", "plan": "y"}', 'by_id')}), 'cancelled/suppressed', 'and the userId');
};

subtest 'many' => sub {
	ask(q{INSERT INTO hubspot.suppressed (address) SELECT 'many' || i || '@example.com' FROM generate_series(1, 3000, 2) i});
	my $first = ask(q{SELECT min(x) FROM hubspot_enqueue('identify', ARRAY(SELECT jsonb_build_object('email', 'many' || i || '@example.com') FROM generate_series(1, 3000) i), 'crm') x});
	wait_drained($node, 'postgres');
	is(ask("SELECT string_agg(v, ' ' ORDER BY v) FROM (SELECT verdict || count(*) AS v FROM hubspot.outbox_status WHERE id >= $first GROUP BY verdict) x"),
		'cancelled1500 delivered1500', 'half of 3000');
	is(scalar(grep { ($_->{key} // '') =~ /^many(\d+)\@/ && $1 % 2 } $sim->log), 0, 'and none of the others');

	# nobody announces it
	ask(q{BEGIN; INSERT INTO hubspot.suppressed (address) VALUES ('prepared@example.com'); PREPARE TRANSACTION 'suppress'}) if ask('SHOW max_prepared_transactions') > 0;
	ask(q{TRUNCATE hubspot.suppressed});
	ended(identify('many1', ', "plan": "z"'), 'delivered', 'an empty table stops nobody');
};
done_testing();
