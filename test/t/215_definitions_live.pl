# Names that tell events apart, and definitions that grow: what the rows said is
# what HubSpot holds, though its definitions came later or knew less.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100000 });
my $node = hubspot_cluster('definitions');
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');
create_account($node, 'postgres', 'maker', $sim, create_events => 'on', create_properties => 'on');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET hubspot.server = 'crm'});

sub ask { return $node->safe_psql('postgres', shift) }

# Statements in one transaction, each of which returns an id; all have their verdict.
sub done
{
	my @ids = split /\n/, ask(join ";\n", 'BEGIN', @_, 'COMMIT');

	wait_drained($node, 'postgres');
	return wantarray ? @ids : $ids[-1];
}

sub track
{
	my ($event, $properties, $server) = @_;
	return sprintf q{SELECT hubspot_track($j${"event": "%s", "userId": "ada@example.com", "properties": {%s}}$j$, '%s')}, $event, $properties // '', $server // 'crm';
}

sub identify { my ($name, $traits) = @_; return "SELECT hubspot_identify(\$j\${\"traits\": {\"email\": \"$name\@example.com\", $traits}}\$j\$)" }

sub verdicts { return join ', ', map { ask("SELECT concat_ws(' ', verdict, category) FROM hubspot.outbox_status WHERE id = $_") } @_ }

sub codes { return ask("SELECT coalesce(string_agg(w->>'code' || ' ' || (w->>'property'), ',' ORDER BY w->>'property'), '') FROM hubspot.outbox_status, jsonb_array_elements(warnings) w WHERE id = $_[0]") }

sub error_of { my (undef, undef, $error) = $node->psql('postgres', shift); return $error }

sub events { return grep { $_->{op} eq 'event' } $sim->log }

sub value { my ($name, $property) = @_; return ($sim->contact("$name\@example.com") // { properties => {} })->{properties}{$property} // 'none' }

subtest 'an event is found by what tells it from others' => sub {
	my $shared = 'order completed by the customer in the shop of the city of';

	done(map { "SELECT hubspot_create_event('$_')" } 'sale', 'caf', 'vote_1', substr($shared =~ s/\W/_/gr, 0, 50), 'order_completed');
	for my $name ('2025 Sale', '2026 Sale', "Caf\x{c3}\x{a9}", 'Vote +1', "$shared Rome", "\x{d7}\x{90} sale")
	{
		is(verdicts(done(track($name))), 'rejected unknown_event', "\"$name\" is none of those that there are");
	}
	my $before = () = events();

	for my $name ('Sale', ' sale! ', 'vote (1)', 'Order: Completed', 'pe1234567_order_completed', 'PE1234567 Order Completed')
	{
		is(verdicts(done(track($name))), 'delivered', "\"$name\" is");
	}
	is(join(',', map { $_->{event} } (events())[ $before .. $before + 5 ]), join(',', map { "pe1234567_$_" } qw(sale sale vote_1), ('order_completed') x 3), 'the right one');

	my ($statement) = ask(q{SELECT message FROM hubspot.failures WHERE call_message->>'event' = '2025 Sale'}) =~ /(SELECT hubspot_create_event\(.*\))/;
	is(verdicts(done($statement, track('2025 Sale'))), 'delivered, delivered', 'the statement of a rejection creates what is found then');
	is((events())[-1]{event}, 'pe1234567_n_2025_sale', 'whose name HubSpot can have');
};

subtest 'events that are created keep what tells them apart' => sub {
	my $long = 'a very long name of an event, the fifty characters of it are over';
	my @names = ('6month_subscribed', '12month_subscribed', "$long 1", "$long 2", "\x{c3}\x{a4} done", "\x{c3}\x{b6} done", "\x{e6}\x{b3}\x{a8}", '#1', '#2');
	my $before = () = events();

	is(verdicts(done(map { track($_, '', 'maker') } @names)), join(', ', ('delivered') x @names), 'all are delivered');
	my %seen = map { $_->{event} => 1 } (events())[ $before .. $before + $#names ];
	is(scalar(keys %seen), scalar(@names), 'each as an event of its own') or diag(join ' ', sort keys %seen);
	done(map { track(uc $_, '', 'maker') } @names);
	is(scalar(grep { !$seen{ $_->{event} } } (events())[ $before .. $before + 2 * @names - 1 ]), 0, 'which is found again');
};

subtest 'two definitions of one label are told apart' => sub {
	done(q{SELECT hubspot_create_event('gift_a', '{}', 'Gift sent')}, q{SELECT hubspot_create_event('gift_b', '{}', 'gift Sent')});
	my $id = done(track('GIFT SENT'));

	is(verdicts($id), 'rejected unknown_event', 'not by a label of both');
	like(ask("SELECT message FROM hubspot.failures WHERE id = $id"), qr/gift_a.*gift_b/, 'which the reason names');
	is(verdicts(done(track('Gift sent'))), 'delivered', 'but by the label as it is written');
	is((events())[-1]{event}, 'pe1234567_gift_a', 'of the one');
};

subtest 'a mapping of a member leaves the rest of the object' => sub {
	done(q{SELECT hubspot_create_property('contact', 'floor_no', 'string')}, q{SELECT hubspot_create_property('contact', 'plan', 'string')},
		q{SELECT hubspot_create_property('contact', 'plan_name', 'string')}, q{SELECT hubspot_create_property('contact', 'lifecycle_stage', 'string')});
	ask(qq{SELECT hubspot_map('$_->[0]', $_->[1])}) for ([ 'address.floor', "'floor_no'" ], [ 'address.country', 'NULL' ], [ 'plan.inner.name', "'plan_name'" ]);
	my $id = done(identify('floor', q{"address": {"street": "Main St 1", "city": "Bonn", "country": "DE", "Floor": 9}, "plan": {"inner": {"name": "x", "level": 3}}}));

	is(join('|', map { value('floor', $_) } qw(floor_no address city country plan_name plan)), '9|Main St 1|Bonn|none|x|{"inner":{"level":3}}', 'each member has its place');
	is(codes($id), '', 'without a word');
	$id = done(identify('other', q{"plan": {"inner": {"name": "y"}}, "Other": {"a": 1}}));
	is(value('other', 'plan_name') . '|' . value('other', 'plan'), 'y|none', 'an object of which nothing is left is not sent');
	$id = done(identify('third', q{"address": {"floor": 1, "wing": "W"}}));
	is(value('third', 'floor_no') . '|' . codes($id), '1|', 'nor one of which no part has a place');
	ask(qq{SELECT hubspot_unmap('$_')}) for ('address.floor', 'address.country', 'plan.inner.name');
};

subtest 'the spelling of a stage is by the table' => sub {
	done(identify('stage', q{"lifecyclestage": "lead", "lifecycleStage": "opportunity", "lifecycle_stage": "customer"}));
	is(value('stage', 'lifecyclestage') . '|' . value('stage', 'lifecycle_stage'), 'customer|none', 'the first spelling of the table, though a property has its name');
	done(identify('stage2', q{"lifecyclestage": "lead", "lifecycleStage": "opportunity"}));
	is(value('stage2', 'lifecyclestage'), 'opportunity', 'then the second');
	done(identify('stage3', q{"lifecyclestage": "lead"}));
	is(value('stage3', 'lifecyclestage'), 'lead', 'then the third');
};

subtest 'what HubSpot has since a moment is not dropped' => sub {
	create_account($node, 'postgres', 'young', $sim, unknown_user_wait => '0');
	done(q{SELECT hubspot_create_property('contact', 'tier', 'enumeration', options => '{gold,platinum}', server => 'young')}, q{SELECT hubspot_create_event('visited', '{}', server => 'young')});
	done(map { "SELECT hubspot_$_" } q{identify('{"email": "warm@example.com", "tier": "gold"}', 'young')}, q{track('{"event": "visited", "userId": "warm@example.com"}', 'young')});
	$sim->api('POST', '/crm/v3/properties/contacts', { name => 'brand_new', label => 'n', type => 'string', fieldType => 'text', groupName => 'contactinformation' });
	$sim->api('POST', '/events/v3/event-definitions/visited/property', { name => 'room', label => 'room', type => 'string' });
	$sim->api('POST', '/events/v3/event-definitions', { name => 'left_house', label => 'Left house', includeDefaultProperties => JSON::PP::true, propertyDefinitions => [] });
	# as if the option were younger than what was read; a mapping has the worker look into its tables
	ask(q{UPDATE hubspot.property SET options = '[{"value": "gold", "label": "gold"}]' WHERE name = 'tier'});
	ask(q{SELECT hubspot_map('any', 'thing', server => 'young')});
	stop_delivery($node);
	my @ids = split /\n/, ask(join ";\n", map { "SELECT hubspot_$_" } (map { qq{identify('{"email": "young$_\@example.com", "tier": "platinum", "brand_new": "$_", "never": 1}', 'young')} } 1 .. 3),
		q{track('{"event": "Left House", "userId": "young1@example.com"}', 'young')}, q{track('{"event": "visited", "userId": "young2@example.com", "properties": {"room": "blue"}}', 'young')});
	my $before = () = $sim->requests;
	resume_delivery($node);
	wait_drained($node, 'postgres');
	is(verdicts(@ids), join(', ', ('delivered') x 5), 'all are delivered');
	is(join(' ', map { value("young$_", 'tier') . value("young$_", 'brand_new') } 1 .. 3), 'platinum1 platinum2 platinum3', 'with the new property and the new option');
	is((map { $_->{properties}{room} // () } grep { ($_->{email} // '') eq 'young2@example.com' || $_->{properties}{room} } events())[-1], 'blue', 'and the new property of an event');
	is(codes($ids[0]), 'unknown_property never', 'what HubSpot does not have is said to be missing');
	my @reads = map { $_->{path} =~ m{(properties|event-definitions)} } grep { $_->{method} eq 'GET' } splice @{ [ $sim->requests ] }, $before;
	is(join(' ', sort @reads), 'event-definitions properties', 'each was read once, for all that missed');
};

# The properties of a definition beside HubSpot's own, as "name type"; of those that may be sent.
sub properties
{
	my $definition = $sim->api('GET', "/events/v3/event-definitions/$_[0]");
	return join ', ', sort map { "$_->{name} $_->{type}" } grep { $_->{name} !~ /^hs_/ && !$_->{archived} } @{ $definition->{properties} // [] };
}

sub asked { my $since = shift; return map { "$_->{method} " . $_->{path} =~ s{.*/event-definitions}{}r . " $_->{status}" } grep { $_->{path} =~ /event-definitions/ } splice @{ [ $sim->requests ] }, $since }

subtest 'a definition that is there gets what it lacks' => sub {
	my @ids = done(q{SELECT hubspot_create_event('grown', '{"a": "string"}', 'Grown')}, q{SELECT hubspot_create_event('grown', '{"a": "number", "b": "bool", "c": "date"}')});

	is(verdicts(@ids), 'delivered, delivered', 'the second one adds');
	is(properties('grown'), 'a string, b bool, c date', 'what was lacking');
	is(codes($ids[1]), 'other_type a', 'and says whose type HubSpot keeps');
	is(ask("SELECT string_agg(created::text, ' ' ORDER BY id) FROM hubspot.outbox_status WHERE id IN ($ids[0], $ids[1])"), 'true false', 'the definition was made once');
	my $before = () = $sim->requests;
	is(verdicts(done(q{SELECT hubspot_create_event('grown', '{"c": "date"}')})), 'unchanged', 'what has all stays as it is');
	is((asked($before))[1], 'GET /grown 200', 'as HubSpot tells');

	# an event that was queued later waits for the property
	@ids = done(q{SELECT hubspot_create_event_property('grown', 'd', 'number', 'How many')}, track('grown', '"d": 4'), track('grown', '"a": "x"'));
	is(verdicts(@ids) . codes($ids[1]), 'delivered, delivered, delivered', 'a property by itself');
	is((grep { defined $_->{properties}{d} } events())[0]{properties}{d}, '4', 'which an event that came later has waited for');
	is((grep { $_->{name} eq 'd' } @{ $sim->api('GET', '/events/v3/event-definitions/grown')->{properties} })[0]{label}, 'How many', 'by its label');
	is(verdicts(done(q{SELECT hubspot_create_event_property('grown', 'd', 'number')})), 'unchanged', 'once');
	is(verdicts(done(q{SELECT hubspot_create_event_property('nobody', 'd', 'number')})), 'rejected unknown_event', 'of an event that HubSpot has');
	$sim->config(answers => ['definition_404']);
	is(verdicts(done(q{SELECT hubspot_create_event_property('nobody', 'd', 'number')})), 'rejected unknown_event', 'whichever way it says so');
	$sim->config(answers => []);

	# an answer is lost
	$sim->fault(match => { method => 'POST', path => 'grown/property' }, action => 'drop_after', times => 1);
	is(verdicts(done(q{SELECT hubspot_create_event('grown', '{"e": "string", "f": "string"}')})), 'delivered', 'after a lost answer it goes on');
	is($sim->faults->{results}[0]{hits}, 1, 'which there was');
	$sim->clear_faults;
	is(properties('grown'), 'a string, b bool, c date, d number, e string, f string', 'and nothing is missing');

	# what HubSpot refuses
	$sim->api('DELETE', '/events/v3/event-definitions/grown/property/f');
	$sim->fault(match => { method => 'POST', path => 'grown/property', record => '"g"' }, action => 'status', status => 400,
		body => { status => 'error', category => 'VALIDATION_ERROR', message => 'no such name' }, times => 1);
	my $id = done(q{SELECT hubspot_create_event('grown', '{"f": "string", "g": "string", "h": "string"}')});
	$sim->clear_faults;
	is(verdicts($id), 'rejected VALIDATION_ERROR', 'a refusal is told');
	like(ask("SELECT message FROM hubspot.outbox_status WHERE id = $id"), qr/"g": no such name/, 'with the property that it is of');
	like(properties('grown'), qr/h string/, 'and keeps no other away');
	ask(q{SELECT hubspot_refresh_schema()});
	wait_drained($node, 'postgres');
	is(codes(done(track('grown', '"f": "x", "h": "y"'))), 'unknown_property f', 'one that was deleted is left out');

	$sim->api('DELETE', '/events/v3/event-definitions/grown');
	is(verdicts(done(q{SELECT hubspot_create_event('grown', '{"a": "string"}')})), 'rejected unknown_event', 'a name that is used up is no success');
	for ([ q{'grown', 'x', 'enumeration'}, 'an enumeration' ], [ q{'Grown', 'x', 'string'}, 'no internal name' ], [ q{'grown', 'x y', 'string'}, 'no internal name' ],
		[ q{'grown', 'x', 'string', repeat('x', 51)}, 'no label that HubSpot takes' ], [ q{'grown', NULL, 'string'}, 'name must not be null' ])
	{
		like(error_of("SELECT hubspot_create_event_property($_->[0])"), qr/$_->[1]/, $_->[1]);
	}
	like(error_of(q{SELECT hubspot_create_event('wide', (SELECT jsonb_object_agg('p' || i, 'string') FROM generate_series(1, 51) i))}), qr/51 properties/, '51 properties');
	is(verdicts(done(q{SELECT hubspot_create_event('wide', (SELECT jsonb_object_agg('p' || i, 'string') FROM generate_series(1, 50) i))})), 'delivered', 'and 50');
	is(verdicts(done(q{SELECT hubspot_create_event_property('wide', 'one_more', 'string')})), 'rejected VALIDATION_ERROR', 'one more is HubSpot\'s to refuse');
};

done_testing();
