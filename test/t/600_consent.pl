# hubspot.suppressed is asked when a request is built: who is in it by then is not written to.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('consent', conf => 'max_prepared_transactions = 1');
create_account($node, 'postgres', 'crm', $sim, create_events => 'on', id_properties => 'lead=our_ref');
$sim->add_property('leads', name => 'our_ref', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
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
	ended(identify('colleague'), 'delivered', 'another contact');
	ended(ask(q{SELECT hubspot_associate('contact', 'gone@example.com', 'contact', 'colleague@example.com', server => 'crm')}), 'cancelled/suppressed', 'associations of the contact');
	ended(ask(q{SELECT hubspot_associate('contact', 'colleague@example.com', 'contact', 'gone@example.com', server => 'crm')}), 'cancelled/suppressed', 'whichever is named first');
	ended(ask(q{SELECT hubspot_dissociate('contact', 'gone@example.com', 'contact', 'colleague@example.com', server => 'crm')}), 'delivered', 'but their ends go');
	for my $of (qw(gone colleague))
	{
		ended(ask(qq{SELECT hubspot_record('lead', '{"id": "L-$of", "properties": {"hs_lead_name": "x"}, "associations": [{"object": "contact", "id": "$of\@example.com"}]}', 'crm')}),
			$of eq 'gone' ? 'cancelled/suppressed' : 'delivered', "a lead of $of");
	}
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
	ended(ask(q{SELECT hubspot_associate('contact', 'u1', 'contact', 'colleague@example.com', server => 'crm')}), 'cancelled/suppressed', 'that of a pair, too');
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

	# nobody announces it: it counts with the next look, of which there is one every 5 seconds
	ask(q{BEGIN; INSERT INTO hubspot.suppressed (address) VALUES ('prepared@example.com'); PREPARE TRANSACTION 'suppress'});
	ended(identify('prepared'), 'delivered', 'a prepared transaction is not there yet');
	ask(q{COMMIT PREPARED 'suppress'});
	becomes(sub {
		my $id = identify('prepared');
		wait_drained($node, 'postgres');
		return ask("SELECT concat_ws('/', verdict, category) FROM hubspot.outbox_status WHERE id = $id");
	}, 'cancelled/suppressed', 'COMMIT PREPARED counts');
	ask(q{TRUNCATE hubspot.suppressed});
	ended(identify('many1', ', "plan": "z"'), 'delivered', 'an empty table stops nobody');
};

#
# hubspot_subscription()
#
my ($letters, $updates, $former) = (39644612, 9007199254740993, 39644614);
my $v3 = start_simulator(config => { burst_limit => 0, data_privacy => JSON::PP::true });
create_account($node, 'postgres', 'old', $v3, api_version => '2026-09, consent:v3');

sub subscription { my ($json, $server) = @_; return ask(sprintf q{SELECT hubspot_subscription('%s', '%s')}, $json, $server // 'crm') }
sub wish { my ($name, $subscribed, $more, $server) = @_; return subscription(sprintf(q{{"email": "%s@example.com", "subscription": %s, "subscribed": %s%s}}, $name, $letters, $subscribed ? 'true' : 'false', $more // ''), $server) }
sub stands { my ($name, $of) = @_; return join ' ', sort map { ($_->{subscription} // 'all') . '=' . $_->{status} } grep { $_->{email} eq "$name\@example.com" } ($of // $sim)->_lines('consents') }
sub asked { my ($path, $of) = @_; return scalar grep { $_->{path} =~ m{\Q$path\E} } ($of // $sim)->requests }

for my $mode (qw(many one))
{
	subtest "subscriptions, $mode at once" => sub {
		$sim->config(scopes => $mode eq 'many' ? undef : [ 'oauth', 'communication_preferences.read', 'communication_preferences.write' ]);
		ask(q{ALTER SERVER crm OPTIONS (ADD max_attempts '9')}) if $mode eq 'one';    # the account begins anew
		my $many = asked('statuses/batch/');
		my @ids = map { wish("$mode$_", 1, ', "legalBasis": "consent_with_notice", "legalBasisExplanation": "form of \u00dcbersee"') } 1 .. 3;
		ended($_, 'delivered', 'subscribed') for @ids;
		is(stands("${mode}1"), "$letters=SUBSCRIBED", 'HubSpot has it');
		is((grep { $_->{email} eq "${mode}1\@example.com" } $sim->_lines('consents'))[0]{legal_basis}, 'CONSENT_WITH_NOTICE', 'with its legal basis');
		ended(wish("${mode}1", 1), 'unchanged', 'once more');
		ended(wish("${mode}1", 0), 'delivered', 'opted out');
		ended(wish("${mode}1", 0), 'unchanged', 'once more');
		is(stands("${mode}1"), "$letters=UNSUBSCRIBED", 'HubSpot has it');
		ended(wish("${mode}1", 1), 'rejected/unsubscribed', 'nobody is subscribed again unasked');
		is(stands("${mode}1"), "$letters=UNSUBSCRIBED", 'nor is he');
		ended(wish("${mode}1", 1, ', "resubscribe": true'), 'delivered', 'but when the call says so');
		is(stands("${mode}1"), "$letters=SUBSCRIBED", 'he is');
		ended(subscription(qq({"email": "${mode}2\@example.com", "unsubscribeAll": true})), 'delivered', 'out of everything');
		like(stands("${mode}2"), qr/all=UNSUBSCRIBED/, 'HubSpot has it');
		ended(wish("${mode}2", 1), 'rejected/unsubscribed', 'that is an opt-out of each');
		ended(subscription(qq({"email": "${mode}3\@example.com", "subscription": 4711, "subscribed": false})), 'rejected/unknown_subscription', 'an unknown type');
		ended(subscription(qq({"email": "${mode}3\@example.com", "subscription": $former, "subscribed": false})), 'rejected/unknown_subscription', 'one that is not in use');
		ended(subscription(qq({"email": "${mode}3\@example.com", "subscription": "$updates", "subscribed": false})), 'delivered', 'an id beyond 53 bits');
		is(stands("${mode}3"), "$letters=SUBSCRIBED $updates=UNSUBSCRIBED", 'is that one');

		# opposite wishes of one address in their order, never merged
		my @turns = map { wish("${mode}4", $_ % 2, ', "resubscribe": true') } 1 .. 5;
		ended($_, 'delivered', 'turn by turn') for @turns;
		is(join(' ', map { $_->{status} } grep { ($_->{email} // '') eq "${mode}4\@example.com" } $sim->log), 'SUBSCRIBED UNSUBSCRIBED SUBSCRIBED UNSUBSCRIBED SUBSCRIBED', 'in their order');
		$mode eq 'many' ? cmp_ok(asked('statuses/batch/'), '>', $many, 'by requests for many')
		  : cmp_ok(asked('statuses/batch/') - $many, '<=', 3, 'one by one after the first refusals');
	};
}
$sim->config(scopes => undef);

subtest 'the older contract' => sub {
	my $basis = ', "legalBasis": "NON_GDPR", "legalBasisExplanation": "a test"';
	ended(wish('v', 1, undef, 'old'), 'rejected/legal_basis_missing', 'a legal basis is wanted');
	ended(wish('v', 1, $basis, 'old'), 'delivered', 'subscribed');
	ended(wish('v', 1, $basis, 'old'), 'unchanged', 'already');
	ended(wish('v', 0, $basis, 'old'), 'delivered', 'opted out');
	ended(wish('v', 0, $basis, 'old'), 'unchanged', 'already');
	ended(wish('v', 1, $basis, 'old'), 'rejected/unsubscribed', 'HubSpot refuses it');
	ended(subscription('{"email": "v@example.com", "subscription": "4711", "subscribed": false}', 'old'), 'rejected/unknown_subscription', 'an unknown type');
	ended(subscription('{"email": "v@example.com", "unsubscribeAll": true}', 'old'), 'rejected/bad_message', 'everything has no call there');
	is(asked('/v3/', $v3), scalar(grep { $_->{path} =~ m{/communication-preferences/} } $v3->requests), 'nothing else is spoken');
};

subtest 'names' => sub {
	ended(subscription('{"email": "n1@example.com", "subscription": "newsletter", "subscribed": true}'), 'delivered', 'a type by its name');
	is(stands('n1'), "$letters=SUBSCRIBED", 'is that one');
	my $unknown = subscription('{"email": "n1@example.com", "subscription": "Nonsense", "subscribed": true}');
	ended($unknown, 'rejected/unknown_subscription', 'a name that is none');
	like(ask("SELECT message FROM hubspot.results WHERE id = $unknown"), qr/"Nonsense"; it has .*Newsletter \($letters\)/, 'lists what there is');
	is(ask(q{SELECT count(*) FROM hubspot.subscription_type WHERE is_active}), '2', 'the types are in their table');
	$v3->api('POST', '/_sim/subscriptions', { id => '77', name => 'Of the old one', isActive => JSON::PP::true });
	my $message = q{'{"email": "n1@example.com", "subscription": "Neither", "subscribed": true}'};
	my @both = queue_together($node, map { "SELECT hubspot_subscription($message, '$_')" } qw(crm old));
	ended($_, 'rejected/unknown_subscription', 'a name that neither of two accounts has') for @both;
	is(ask("SELECT string_agg((message ~ 'Of the old one')::text, ' ' ORDER BY id) FROM hubspot.results WHERE id IN ($both[0], $both[1])"), 'false true', 'each lists its own');
	ended(subscription('{"email": "n1@example.com", "subscription": "Newsletter", "subscribed": false, "legalBasis": "NON_GDPR", "legalBasisExplanation": "x"}', 'old'), 'delivered', 'and for the older contract, too');
	like(ask(q{SELECT method || ' ' || path || ' ' || body FROM hubspot_explain('subscription', '{"email": "N1@example.com", "subscription": "Newsletter", "subscribed": true}', 'crm')}),
		qr{^POST /communication-preferences/2026-09/statuses/batch/write .*$letters.*"n1\@example.com"}, 'explained');
	ask(q{INSERT INTO hubspot.suppressed (address, subscription) VALUES ('n2@example.com', 'NEWSLETTER'), ('n3@example.com', '39644612')});
	ended(wish('n2', 1), 'cancelled/suppressed', 'an entry by name stops the id');
	ended(subscription('{"email": "n3@example.com", "subscription": "Newsletter", "subscribed": true}'), 'cancelled/suppressed', 'and one by id the name');
};

subtest 'a lost answer' => sub {
	$sim->fault(match => { path => 'statuses/batch/write', record => 'lost1@' }, action => 'reset', after_bytes => 10, apply => JSON::PP::true);
	ended(wish('lost1', 1), 'delivered', 'a subscription is looked for');
	is(scalar(grep { ($_->{email} // '') eq 'lost1@example.com' } $sim->log), 1, 'it is not sent again');
	$sim->fault(match => { path => 'statuses/batch/write', record => 'lost2@' }, action => 'reset', after_bytes => 10, apply => JSON::PP::true);
	ended(wish('lost2', 0), 'delivered', 'an opt-out is sent again');
	is(stands('lost2'), "$letters=UNSUBSCRIBED", 'and is so');
};

subtest 'suppressed subscribers' => sub {
	ask(q{INSERT INTO hubspot.suppressed (address, subscription) VALUES ('sup1@example.com', '39644612')});
	ask(q{INSERT INTO hubspot.suppressed (address) VALUES ('sup2@example.com')});
	ended(wish('sup1', 1), 'cancelled/suppressed', 'not to this one');
	ended(subscription(qq({"email": "sup1\@example.com", "subscription": "$updates", "subscribed": true})), 'delivered', 'to another one');
	ended(wish('sup1', 0), 'delivered', 'an opt-out goes');
	ended(wish('sup2', 1), 'cancelled/suppressed', 'to none');
	ended(subscription('{"email": "sup2@example.com", "unsubscribeAll": true}'), 'delivered', 'an opt-out goes');
	ask(q{TRUNCATE hubspot.suppressed});
};
done_testing();
