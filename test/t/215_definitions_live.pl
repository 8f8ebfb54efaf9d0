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

# What was sent of an event since, as texts, in the order of arrival.
sub sent { my ($event, $since) = @_; return map { my $p = $_->{properties}; join ' ', map { "$_=$p->{$_}" } sort keys %$p } grep { $_->{event} eq "pe1234567_$event" } splice @{ [ events() ] }, $since }

# Queued together, while nothing is sent.
sub waiting_together { stop_delivery($node); my @ids = split /\n/, ask(join ";\n", 'BEGIN', @_, 'COMMIT'); resume_delivery($node); wait_drained($node, 'postgres'); return @ids }

subtest 'a definition is made of all that waits, and grows' => sub {
	my ($before, $events) = (scalar(() = $sim->requests), scalar(() = events()));
	my @ids = waiting_together(map { track('Checked out', $_, 'maker') } '"total": 5, "paid": true, "Ship To": {"city": "Bonn"}', '"total": "7 EUR", "coupon": "X", "none": null', '"items": 3', '"items": 4.5, "paid": false');

	is(verdicts(@ids), 'delivered, delivered, delivered, delivered', 'all are delivered');
	is(join(',', map { codes($_) } @ids), ',,,', 'whole');
	is(properties('checked_out'), 'coupon string, items number, paid bool, ship_to string, total string', 'the union, of types that fit all');
	is(join('|', sent('checked_out', $events)), 'paid=true ship_to={"city":"Bonn"} total=5|coupon=X total=7 EUR|items=3|items=4.5 paid=false', 'is what HubSpot holds');
	is(scalar(grep { /^POST/ } asked($before)), 1, 'by one request');

	($before, $events) = (scalar(() = $sim->requests), scalar(() = events()));
	@ids = waiting_together(map { track('Checked out', $_, 'maker') } '"late": 3', '"late": "soon"', '"later": 1, "items": 2');
	is(verdicts(@ids) . codes($ids[0]) . codes($ids[2]), 'delivered, delivered, delivered', 'what comes later is added');
	is(join('|', sent('checked_out', $events)), 'late=3|late=soon|items=2 later=1', 'before the events that have it');
	is(join(' ', sort map { s/ .*//r } asked($before)), 'GET POST POST', 'each property once');
	like(properties('checked_out'), qr/late string, later number/, 'of types that fit all');

	ask(q{SELECT hubspot_map('total', 'amount', 'event', 'maker')});
	is(codes(done(track('Checked out', '"total": 9', 'maker'))), '', 'a mapping');
	like(properties('checked_out'), qr/^amount number/, 'decides what is created');
	ask(q{SELECT hubspot_unmap('total', 'event', 'maker')});
};

subtest 'what HubSpot refuses holds up no event' => sub {
	my $refuse = sub { $sim->fault(match => { method => 'POST', path => 'event-definitions', record => $_[0] }, action => 'status', status => 400,
		body => { status => 'error', category => 'VALIDATION_ERROR', message => 'not such a thing' }, times => 0) };

	$refuse->('"odd_one"');
	my $before = () = $sim->requests;
	my @ids = waiting_together(map { track('Checked out', $_, 'maker') } '"odd_one": 1, "fine": 1', '"odd_one": 2', '"1st": 1, "hs_own": 1');
	is(verdicts(@ids), 'delivered, delivered, delivered', 'they go without');
	is(join(' | ', map { codes($_) } @ids), 'unknown_property odd_one | unknown_property odd_one | unknown_property 1st,unknown_property hs_own', 'and each says so');
	is((grep { $_->{properties}{fine} } events())[0]{properties}{fine}, '1', 'with what HubSpot takes');
	is(scalar(grep { m{^POST .*/property 400} } asked($before)), 1, 'HubSpot is asked once');
	$before = () = $sim->requests;
	is(codes(done(track('Checked out', '"odd_one": 3', 'maker'))), 'unknown_property odd_one', 'the next one');
	is(scalar(grep { /^POST/ } asked($before)), 0, 'does not ask again');
	$refuse->('Never to be');
	like(ask("SELECT message FROM hubspot.outbox_status WHERE id = " . done(track('Never to be', '', 'maker'))), qr/refuses to create it: not such a thing/, 'a definition that is refused');
	$sim->clear_faults;
	ask(q{SELECT hubspot_refresh_schema('maker')});
	is(codes(done(track('Checked out', '"odd_one": 4', 'maker'))), '', 'after a refresh it is tried again');

	$before = () = $sim->requests;
	is(codes(done(track('wide', '"p1": "x", "p51": "x"', 'maker'))), 'unknown_property p51', 'more than 50 properties');
	is(scalar(grep { /^POST/ } asked($before)), 0, 'are not asked for');
	@ids = waiting_together(track('Very wide', join(', ', map { qq{"w$_": $_} } 1 .. 30), 'maker'), track('Very wide', join(', ', map { qq{"w$_": $_} } 21 .. 60), 'maker'));
	is(verdicts(@ids), 'delivered, delivered', 'what waits has more than 50');
	is(scalar(split /, /, properties('very_wide')), 50, 'of which a definition takes as many as it may');
};

subtest 'others create it as well, and a worker ends meanwhile' => sub {
	create_account($node, 'postgres', 'second', $sim, create_events => 'on');
	my @ids = waiting_together(map { track('Shared', qq{"of_$_": 1, "both": 1}, $_) } qw(maker second));
	is(verdicts(@ids) . codes($ids[0]) . codes($ids[1]), 'delivered, delivered', 'two accounts of one hub');
	is(properties('shared'), 'both number, of_maker number, of_second number', 'have the same definition');

	$sim->api('POST', '/events/v3/event-definitions/shared/property', { name => 'theirs', label => 'theirs', type => 'number' });
	is(codes(done(track('Shared', '"theirs": 5, "ours": 6', 'maker'))), '', 'somebody else has added a property meanwhile');
	is((sent('shared', 0))[-1], 'ours=6 theirs=5', 'which is filled');

	$sim->fault(match => { method => 'POST', path => 'shared/property' }, action => 'drop_after', times => 1);
	is(codes(done(track('Shared', '"lost": 7', 'maker'))), '', 'an answer is lost');
	$sim->clear_faults;

	$sim->fault(match => { method => 'GET', path => 'event-definitions' }, action => 'hang', times => 0);
	my $before = () = $sim->requests;
	my $id = ask(track('Shared', '"before_the_crash": 8', 'maker'));
	wait_until(sub { grep { m{^POST .*/property 201} } asked($before) }, 'the property to be added');
	stop_delivery($node);
	$sim->clear_faults;
	resume_delivery($node);
	wait_drained($node, 'postgres');
	is(verdicts($id) . codes($id), 'delivered', 'a worker that comes after it goes on');
	is((sent('shared', 0))[-1], 'before_the_crash=8', 'with what was added');
};

subtest 'what is missing has the statement that creates it' => sub {
	done(q{SELECT hubspot_refresh_schema('crm')});
	ask(q{TRUNCATE hubspot.unknown_property; CREATE TABLE bought (id int PRIMARY KEY, mail text, amount numeric, at timestamptz, gift boolean)});
	my $missing = q{SELECT string_agg(concat_ws(' ', object, event, name, times), ', ' ORDER BY object, event, name) FROM hubspot.unknown_properties WHERE server = 'crm'};
	ask(q{SELECT hubspot_sync('bought', 'bought', 'event', event => 'Checked out', mapping => '{"email": "mail", "amount_due": "amount", "timestamp": "at", "was_gift": "gift"}')});
	is(ask(q{SELECT string_agg(detail, '; ' ORDER BY name) FROM hubspot_sync_preview('bought', 'event', event => 'Checked out', mapping => '{"email": "mail", "amount_due": "amount", "timestamp": "at", "was_gift": "gift"}', server => 'crm') WHERE item = 'unknown'}),
		q{SELECT public.hubspot_create_event_property('checked_out', 'amount_due', 'number', server => 'crm'); SELECT public.hubspot_create_event_property('checked_out', 'was_gift', 'bool', server => 'crm')}, 'a preview has it');
	my @ids = done(track('Checked out', '"size": 5, "paid": true'), track('Checked out', '"size": "XL"'), track('Signed In', '"how": "app", "n": 1'), track('Signed In', '"n": "2"'),
		q{INSERT INTO bought VALUES (1, 'ada@example.com', 5, now(), true) RETURNING id},
		map { qq{SELECT hubspot_add_to_list('$_', '{"email": "ada\@example.com"}')} } 'VIP customers', 'Not yet');
	is(verdicts(@ids[ 0 .. 3, 5, 6 ]), 'delivered, delivered, rejected unknown_event, rejected unknown_event, rejected list_not_found, rejected list_not_found', 'events and members of lists');
	becomes(sub { ask($missing) }, 'event checked_out amount_due 1, event checked_out size 2, event checked_out was_gift 1, event signed_in 2, list Not yet 1, list VIP customers 1', 'are counted');
	done(q{SELECT hubspot_create_list('Not yet')});
	becomes(sub { ask($missing) =~ /Not yet/ ? 'missing' : 'there' }, 'there', 'a list that is there is not missing');
	is(ask(q{SELECT string_agg(statement, '; ' ORDER BY statement) FROM hubspot_create_missing('crm', dry_run => true)}) =~ s/, server => 'crm'\)/)/gr,
		q{SELECT public.hubspot_create_event('signed_in', '{"n": "string", "how": "string"}', 'Signed In'); SELECT public.hubspot_create_event_property('checked_out', 'amount_due', 'number'); SELECT public.hubspot_create_event_property('checked_out', 'size', 'string'); }
		. q{SELECT public.hubspot_create_event_property('checked_out', 'was_gift', 'bool'); SELECT public.hubspot_create_list('VIP customers', 'contact')},
		'of types that fit, of a column its own');
	done(q{SELECT count(id) FROM hubspot_create_missing('crm')});
	becomes(sub { ask($missing) }, '', 'all is created at once');
	is(verdicts(done(track('Signed In', '"how": "app", "n": 1'), track('Checked out', '"size": "S"'), q{SELECT hubspot_add_to_list('VIP customers', '{"email": "ada@example.com"}')})), 'delivered, delivered, delivered', 'and goes');

	$sim->fault(match => { method => 'POST', path => 'event-definitions' }, action => 'status', status => 400,
		body => { status => 'error', category => 'VALIDATION_ERROR', message => 'enough of them' }, times => 1);
	done(track('Checked out', '"one_too_many": 5', 'maker'));
	$sim->clear_faults;
	becomes(sub { ask(q{SELECT concat_ws('|', event, name, refusal) FROM hubspot.unknown_properties WHERE server = 'maker' AND name = 'one_too_many'}) }, 'checked_out|one_too_many|enough of them', 'what HubSpot refuses is shown with its words');
	becomes(sub { ask(q{SELECT count(*) FROM hubspot_health() WHERE problem LIKE 'account maker: HubSpot refuses%' AND remedy LIKE '%hubspot_refresh_schema(''maker'')%'}) }, '1', 'and health says so');
	ask(q{SELECT hubspot_refresh_schema('maker')});
	done(track('Checked out', '"one_too_many": 6', 'maker'));
	becomes(sub { ask(q{SELECT count(*) FROM hubspot_health() WHERE problem LIKE 'account maker: HubSpot refuses%'}) }, '0', 'until it takes it');
};

subtest 'a list that was asked for before something changed is not the newest' => sub {
	is(codes(done(track('Checked out', '"never": 1'))), 'unknown_property never', 'a miss has HubSpot asked once in 30 seconds');
	$sim->fault(match => { method => 'GET', path => 'event-definitions' }, action => 'delay', ms => 60000, times => 1);
	ask(q{SELECT hubspot_refresh_schema('crm')});
	wait_until(sub { $sim->faults->{results}[0]{hits} }, 'HubSpot to be asked');
	my ($made, $id) = split /\n/, ask(join ";\n", 'BEGIN', q{SELECT hubspot_create_event_property('checked_out', 'meanwhile', 'number')}, track('Checked out', '"meanwhile": 1'), 'COMMIT');
	wait_until(sub { verdicts($made) eq 'delivered' }, 'a property to be added meanwhile');
	$sim->clear_faults;
	wait_drained($node, 'postgres');
	is(verdicts($id) . codes($id), 'delivered', 'an event that waited for it has it');
};

done_testing();
