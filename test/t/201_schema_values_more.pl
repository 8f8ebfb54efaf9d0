# The account's schema decides which traits are sent, under which names and as
# which values; what was left out is told, and can be created.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my ($true, $false) = (JSON::PP::true, JSON::PP::false);
my $sim = start_simulator(config => { burst_limit => 10000 });

sub options { return options => [ map { { value => $_->[0], label => $_->[1], hidden => $false } } @_ ] }

$sim->add_property('contacts', name => 'vip', type => 'bool', fieldType => 'booleancheckbox',
	options([ 'true', 'True' ], [ 'false', 'False' ]));
$sim->add_property('contacts', name => 'opted_in', type => 'enumeration', fieldType => 'booleancheckbox',
	options([ 'true', 'Agreed' ], [ 'false', 'Refused' ]));
$sim->add_property('contacts', name => 'tier', type => 'enumeration', fieldType => 'select',
	options([ 'g1', 'Gold Tier' ], [ 's1', 'Silver Tier' ]));
$sim->add_property('contacts', name => 'hobbies', type => 'enumeration', fieldType => 'checkbox',
	options([ 'chess', 'Chess' ], [ 'go', 'The Game of Go' ], [ 'golf', 'Golf' ]));
$sim->add_property('contacts', name => 'birthday', type => 'date', fieldType => 'date');
$sim->add_property('contacts', name => $_, type => 'string', fieldType => 'text') for qw(two_words temporary);

my $node = hubspot_cluster('schema');
create_account($node, 'postgres', 'crm', $sim);

my $count = 0;

sub ask { return $node->safe_psql('postgres', shift) }

# HubSpot as another application sees it.
sub hubspot { return $sim->api(@_) }

sub property { return hubspot('GET', "/crm/v3/properties/$_[0]/$_[1]") }

sub account { ask("ALTER SERVER crm OPTIONS ($_[0])") }

# A message with these traits (the inside of a JSON object), quoted.
sub message { return '$j${"email": "' . "$_[0]\@example.com\", $_[1]" . '}$j$' }

# One contact with these traits; its row's id.
sub identify
{
	my $id = ask('SELECT hubspot_identify(' . message(@_) . ')');
	wait_drained($node, 'postgres');
	return $id;
}

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status WHERE id = $_[0]") }

sub value { my $contact = $sim->contact("$_[0]\@example.com"); return $contact && $contact->{properties}{ $_[1] } }

my $warnings = q{(SELECT coalesce(string_agg(DISTINCT w->>'code' || ' ' || (w->>'property'), ', '), '')
	FROM jsonb_array_elements(s.warnings) w)};

# Each case is a contact: its traits, the properties that HubSpot gets, the
# warnings (not looked at when undef).
sub check
{
	my ($what, @cases) = @_;
	my @keys = map { 'case' . ++$count } @cases;
	my @messages = map { message($keys[$_], $cases[$_][0]) } 0 .. $#cases;

	ask(q{SELECT count(*) FROM hubspot_enqueue('identify', ARRAY[} . join(', ', @messages) . ']::jsonb[])');
	wait_drained($node, 'postgres');
	my %written = map { $_->{key} => $_->{properties} } grep { $_->{op} eq 'upsert' } $sim->log;
	my %warned = map { split /\|/, $_, 2 } split /\n/,
	  ask("SELECT key, $warnings FROM hubspot.outbox_status s WHERE verdict = 'delivered' AND key LIKE 'case%'");
	for my $i (0 .. $#cases)
	{
		my ($traits, $properties, $warning) = @{ $cases[$i] };
		my $name = "$what: " . substr($traits, 0, 70);
		is_deeply($written{"$keys[$i]\@example.com"}, $properties, $name);
		is($warned{"$keys[$i]\@example.com"}, $warning, "$name: warnings") if defined $warning;
	}
}

# Values of one property beside one that always arrives.
sub check_values
{
	my ($what, @cases) = @_;
	check($what, map {
		my ($property, $json, $written, $warning) = @$_;
		[ qq{"plan": "x", "$property": $json}, { plan => 'x', defined $written ? ($property => $written) : () },
			defined $warning ? "$warning $property" : '' ]
	} @cases);
}

#
# Names
#
check('name',
	[ '"Total Spent": 5', { total_spent => '5' }, '' ],
	[ '"Total-Spent": 5', { total_spent => '5' }, '' ],
	[ '"Two  Words": "a"', { two_words => 'a' }, '' ],
	[ '"first_name": "Ada", "Last Name": "Byron"', { firstname => 'Ada', lastname => 'Byron' }, '' ],
	[ '"name": "Ada King Byron"', { firstname => 'Ada', lastname => 'King Byron' }, '' ],
	[ '"address": {"street": "Main St 1", "city": "Rome", "postalCode": "00100"}',
		{ address => 'Main St 1', city => 'Rome', zip => '00100' } ],
	[ '"plan": "a", "Plan": "b"', { plan => 'a' }, 'duplicate_property plan' ],
	[ '"plan": "a", "Plan": "a"', { plan => 'a' }, '' ],
	[ '"plan": "a", "no_such_property": "b"', { plan => 'a' }, 'unknown_property no_such_property' ],
	[ '"plan": "a", "createdate": "2020-01-01"', { plan => 'a' }, 'read_only_property createdate' ],
	[ '"plan": "a", "createdAt": "2020-01-01"', { plan => 'a' }, '' ],
	[ '"plan": "a", "hs_object_id": 5', { plan => 'a' }, 'read_only_property hs_object_id' ]);

#
# Values
#
check_values('string', map { [ 'two_words', @$_ ] }
	[ '"2024-03-01"', '2024-03-01' ],
	[ '"1709251200000"', '1709251200000' ],
	[ '"007"', '007' ],
	[ '12.50', '12.50' ],
	[ '12345678901234567890.123456789', '12345678901234567890.123456789' ],
	[ 'true', 'true' ],
	[ '{"b": 1, "a": [1, 2.50]}', '{"a":[1,2.50],"b":1}' ],
	[ '["a", "b"]', '["a","b"]' ],
	[ '"' . 'x' x 65536 . '"', 'x' x 65536 ],
	[ '"' . 'x' x 70000 . '"', 'x' x 65536, 'truncated' ],
	[ 'null', '' ],
	[ '""', '' ]);
check_values('number', map { [ 'total_spent', @$_ ] }
	[ '12.50', '12.50' ],
	[ '"12.50"', '12.50' ],
	[ '-3', '-3' ],
	[ '12345678901234567890.123456789', '12345678901234567890.123456789' ],
	[ 'null', '' ],
	[ '""', '' ],
	map { [ $_, undef, 'invalid_number' ] } ('"1e5"', '"1,000"', '"twelve"', '"0x10"', '"NaN"', '"Infinity"', 'true', '[1]'));
check_values('bool', map { [ 'vip', @$_ ] }
	(map { [ $_, 'true' ] } qw(true "TRUE" "t" "Yes" "on" 1 "1")),
	(map { [ $_, 'false' ] } qw(false "False" "F" "no" "OFF" 0 "0")),
	[ 'null', '' ],
	map { [ $_, undef, 'invalid_boolean' ] } qw("maybe" 2 {}));
check_values('enumeration', map { [ 'tier', @$_ ] }
	[ '"g1"', 'g1' ],
	[ '"sILVER tIER"', 's1' ],
	[ 'null', '' ],
	[ '"bronze"', undef, 'invalid_option' ]);
check_values('single checkbox', map { [ 'opted_in', @$_ ] }
	[ 'true', 'true' ],
	[ 'false', 'false' ],
	[ '"Agreed"', 'true' ],
	(map { [ $_, 'true' ] } qw("TRUE" "t" "Yes" "on" 1 "1")),
	(map { [ $_, 'false' ] } qw("False" "F" "no" "OFF" 0 "0" "refused")),
	[ 'null', '' ],
	[ '2', undef, 'invalid_option' ],
	[ '"perhaps"', undef, 'invalid_option' ]);
check_values('several options', map { [ 'hobbies', @$_ ] }
	[ '["chess", "the game of go"]', 'chess;go' ],
	[ '"chess;golf"', 'chess;golf' ],
	[ '";golf"', ';golf' ],
	[ '"golf"', 'golf' ],
	[ '["chess", "polo", "go"]', 'chess;go', 'invalid_option' ]);
check_values('date', map { [ 'birthday', @$_ ] }
	[ '"2024-02-29"', '2024-02-29' ],
	[ '"2024-03-01T23:30:00"', '2024-03-01' ],
	[ '"2024-03-01T23:30:00-05:00"', '2024-03-02' ],
	[ 'null', '' ],
	map { [ $_, undef, 'invalid_date' ] } qw("2023-02-29" "soon" 1709251200000 true));
check_values('datetime', map { [ 'last_order_at', @$_ ] }
	[ '"2024-03-01T10:00:00Z"', '2024-03-01T10:00:00.000Z' ],
	[ '"2024-03-01T10:00:00+05:30"', '2024-03-01T04:30:00.000Z' ],
	[ '"2024-03-01T10:00:00.123999Z"', '2024-03-01T10:00:00.123Z' ],
	[ '"2024-03-01T10:00:00"', '2024-03-01T10:00:00.000Z' ],
	[ '"2024-03-01"', '2024-03-01T00:00:00.000Z' ],
	[ '1709287200123', '2024-03-01T10:00:00.123Z' ],
	[ 'null', '' ],
	map { [ $_, undef, 'invalid_datetime' ] } qw("whenever" 17092872 true));

my $detail = sub {
	return ask(qq{SELECT w->>'detail' FROM hubspot.outbox_status s, jsonb_array_elements(s.warnings) w
		WHERE s.id = } . identify(@_));
};
like($detail->('options', '"tier": "bronze"'), qr/g1.*s1/s, 'the warning names the valid options');
like($detail->('bare', '"birthday": 1709251200'), qr/ISO 8601/, 'the warning says how a date is written');

account(q{ADD time_zone 'Europe/Berlin'});
check_values('in Berlin',
	[ birthday => '"2024-03-01T23:30:00Z"', '2024-03-02' ],
	[ birthday => '"2024-03-01T23:30:00"', '2024-03-01' ],
	[ birthday => '"2024-03-01"', '2024-03-01' ],
	[ last_order_at => '"2024-07-01T12:00:00"', '2024-07-01T10:00:00.000Z' ],
	[ last_order_at => '"2024-01-01T12:00:00Z"', '2024-01-01T12:00:00.000Z' ],
	[ last_order_at => '"2024-07-01"', '2024-06-30T22:00:00.000Z' ]);
account('DROP time_zone');

#
# Explicit mapping
#
ask(q{SELECT hubspot_map('Stammkunde', 'plan'), hubspot_map('Rang', 'plan', 'contact', 'crm'),
	hubspot_map('mobilephone', NULL), hubspot_map('billing.level', 'plan'), hubspot_map('badge', 'jobtitle')});
check('mapping',
	[ '"Stammkunde": "gold"', { plan => 'gold' }, '' ],
	[ '"Rang": "gold"', { plan => 'gold' }, '' ],
	[ '"plan": "a", "mobilephone": "1"', { plan => 'a' } ],
	[ '"billing": {"level": "pro", "other": 1}', { plan => 'pro' } ],
	[ '"badge": "B", "title": "T"', { jobtitle => 'B' }, 'duplicate_property jobtitle' ]);

#
# What HubSpot does not have: counted, created, rejected
#
identify('shoe1', '"shoe_size": 38, "plan": "a"');
my $id = identify('shoe2', '"shoe_size": 39, "plan": "a"');
my $seen;
wait_until(
	sub {
		($seen = ask(q{SELECT times, server, object, last_id FROM hubspot.unknown_properties
			WHERE name = 'shoe_size'})) =~ /^2\|/;
	},
	sub { "the unknown property to be counted, now $seen" });
is($seen, "2|crm|contact|$id", 'an unknown property is counted');
my $statement = ask(q{SELECT statement FROM hubspot.unknown_properties WHERE name = 'shoe_size'});
like($statement, qr/hubspot_create_property.*shoe_size/s, 'with a statement');
ask($statement);
wait_drained($node, 'postgres');
$id = identify('shoe2', '"shoe_size": 39');
is(value('shoe2', 'shoe_size'), '39', 'after the statement the value arrives');
is(ask("SELECT s.verdict, $warnings FROM hubspot.outbox_status s WHERE id = $id"), 'delivered|', 'without a warning');

account(q{ADD unknown_properties 'reject'});
$id = identify('strict', '"plan": "a", "nowhere_to_go": 1');
is(row($id, 'verdict'), 'rejected', 'unknown properties can be refused');
like(row($id, 'message'), qr/nowhere_to_go/, 'with the name in the reason');
is($sim->contact('strict@example.com'), undef, 'and nothing is sent');
account('DROP unknown_properties');

account(q{ADD create_properties 'on'});
$id = identify('maker', '"new_text": "007", "new_number": 3.5, "new_flag": true, "New Words": "2024-03-01"');
is(ask("SELECT s.verdict, $warnings FROM hubspot.outbox_status s WHERE id = $id"), 'delivered|', 'create_properties');
is_deeply([ map { value('maker', $_) } qw(new_text new_number new_flag new_words) ],
	[ '007', '3.5', 'true', '2024-03-01' ], 'the values arrive');
is(property('contacts', 'new_text')->{type}, 'string', 'text stays text');
is(property('contacts', 'new_words')->{type}, 'string', 'whatever it looks like');
is(property('contacts', 'new_number')->{type}, 'number', 'a number is one');
is(property('contacts', 'new_flag')->{fieldType}, 'booleancheckbox', 'a boolean is one');
account('DROP create_properties');
$id = identify('maker', '"plan": "a", "newer_text": "x"');
is(property('contacts', 'newer_text')->{type}, undef, 'without the option nothing is created');

#
# hubspot_create_property, hubspot_refresh_schema
#
my @ids = split /\n/, ask(q{SELECT hubspot_create_property('contact', 'loyalty_tier', 'enumeration', 'Loyalty tier', ARRAY['silver', 'gold'])
	UNION ALL SELECT hubspot_create_property('contact', 'member_no', 'string', is_unique => true)
	UNION ALL SELECT hubspot_create_property('company', 'founded_on', 'date', 'Founded on')
	UNION ALL SELECT hubspot_create_property('contact', 'plan', 'string')});
wait_drained($node, 'postgres');
is(ask("SELECT count(*) FROM hubspot.outbox_status WHERE id IN (" . join(', ', @ids) . ") AND verdict IN ('delivered', 'unchanged')"),
	'4', 'hubspot_create_property, once for what is there already');
is(property('contacts', 'loyalty_tier')->{label}, 'Loyalty tier', 'label');
is(join(' ', map { $_->{value} } @{ property('contacts', 'loyalty_tier')->{options} }), 'silver gold', 'options');
ok(property('contacts', 'member_no')->{hasUniqueValue}, 'unique');
is(property('companies', 'founded_on')->{type}, 'date', 'of companies, too');
$id = identify('member', '"Loyalty Tier": "GOLD", "member_no": 7');
is(value('member', 'loyalty_tier') . value('member', 'member_no'), 'gold7', 'they are known at once');

$sim->add_property('contacts', name => 'late_number', type => 'number', fieldType => 'number');
ask('SELECT hubspot_refresh_schema()');
wait_drained($node, 'postgres');
identify('late', '"late_number": "12"');
is(value('late', 'late_number'), '12', 'a refresh finds what is new');

#
# A property goes while we believe in it
#
identify('before', '"temporary": "x"');
is(value('before', 'temporary'), 'x', 'a property that is there');
hubspot('DELETE', '/crm/v3/properties/contacts/temporary');
my ($last) = reverse $sim->requests;
stop_delivery($node);
ask(q{SELECT count(hubspot_identify(jsonb_build_object('email', 'gone' || i || '@example.com', 'city', 'Rome',
	CASE WHEN i % 2 = 0 THEN 'temporary' ELSE 'plan' END, 'x'))) FROM generate_series(1, 50) i});
resume_delivery($node);
wait_drained($node, 'postgres');
is(ask(qq{SELECT s.verdict, $warnings, count(*) FROM hubspot.outbox_status s WHERE key LIKE 'gone%' GROUP BY 1, 2 ORDER BY 1, 2}),
	"delivered||25\ndelivered|unknown_property temporary|25", 'rows with a property that is gone are delivered without it');
is(scalar(grep { (value("gone$_", 'city') // '') eq 'Rome' } 1 .. 50), 50, 'the rest of them arrives');
ok((grep { $_->{method} eq 'GET' && $_->{path} =~ m{/properties/} } $sim->requests($last->{seq})), 'the schema is read again');
my $refused = grep { $_->{status} == 400 || $_->{status} == 207 } $sim->requests;
$id = identify('after', '"city": "Rome", "temporary": "x"');
is(ask("SELECT s.verdict, $warnings FROM hubspot.outbox_status s WHERE id = $id"), 'delivered|unknown_property temporary',
	'the next one leaves it out');
is(scalar(grep { $_->{status} == 400 || $_->{status} == 207 } $sim->requests), $refused, 'before HubSpot says so');

#
# What the account demands of a new record, in the ways in which HubSpot may name it
#
for my $way ([ 'in the details', [] ], [ 'in the context', ['required_context'] ])
{
	my ($name, $answers) = @$way;

	$sim->config(required => [ 'contacts.lead_source', 'contacts.country' ], answers => $answers);
	my $missing = identify("missing$$", '"city": "Rome"');
	$id = identify('late', '"city": "Rome"');
	is(ask("SELECT verdict, category, message FROM hubspot.outbox_status WHERE id = $missing"),
		'rejected|required_property|HubSpot demands of a new contact what the call has not: lead_source, country', "required, $name: which");
	is(row($id, 'verdict'), 'delivered', 'a contact that is there lacks nothing');
	wait_until(sub { ask(q{SELECT count(*) FROM hubspot_health() WHERE problem LIKE '%demands%'}) eq '1' }, 'health says so, once');
	my ($problem, $remedy) = split /\|/, ask(q{SELECT problem, remedy FROM hubspot_health() WHERE problem LIKE '%demands%'});
	like($problem, qr/^account crm: HubSpot demands of a new contact what the calls have not: country, lead_source; 1 records were refused for it, most recently row $missing at /,
		'health names all of them');
	my ($statement) = $remedy =~ /(ALTER SERVER [^)]*\))/;
	ask($statement);
	ask(q{SELECT count(*) FROM hubspot_retry(category => 'required_property')});
	wait_drained($node, 'postgres');
	is(value("missing$$", 'city'), 'Rome', 'the remedy, as it is printed');
	ask(q{ALTER SERVER crm OPTIONS (DROP api_version)});
	ask('DELETE FROM hubspot.required_property');
	hubspot('DELETE', '/crm/v3/objects/contacts/' . $sim->contact("missing$$\@example.com")->{id});
}
$sim->config(required => [], answers => []);

$node->stop;
done_testing();
