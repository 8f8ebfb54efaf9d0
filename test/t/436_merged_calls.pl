# Calls that are merged end as the same calls do that are sent one after the other:
# what HubSpot holds, and which of them it has refused.
#
# Each case is told twice, of two records: by calls that wait together, and by calls of
# which each waits for the one before.  SEED repeats the random cases, CASES changes
# their number.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $seed = $ENV{SEED} // int rand 1_000_000;
my $ncases = $ENV{CASES} // 30;
srand $seed;
note "SEED=$seed";

my $sim = start_simulator(config => { burst_limit => 0, association_limit => 0, search_limit => 0 });
for my $type ('contacts', 'companies')
{
	$sim->add_property($type, name => 'nickname', type => 'string', fieldType => 'text', onlyLetters => JSON::PP::true);
	$sim->add_property($type, name => 'rooms', type => 'enumeration', fieldType => 'checkbox',
		options => [ map { { value => $_, label => uc $_, displayOrder => 0, hidden => JSON::PP::false } } qw(attic bath cellar den) ]);
}
$sim->add_property($_->[0], name => $_->[1], type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true)
  for [ companies => 'our_id' ], [ contacts => 'our_id' ];
my $node = hubspot_cluster('merged', conf => 'hubspot.window_rows = 1000');
create_account($node, 'postgres', 'crm', $sim, max_attempts => 3);
create_account($node, 'postgres', 'own', $sim, contact_id_property => 'our_id', company_id_property => 'our_id');
create_account($node, 'postgres', 'sparing', $sim, skip_unchanged => 'on');

my $json = JSON::PP->new->canonical;

sub ask { return $node->safe_psql('postgres', shift) }

# What is written of a record: by its address, an id of our own, a domain.
my %kinds = (
	contact => sub { my ($name, $traits) = @_; return ('identify', 'crm', { traits => { email => "$name\@example.com", %$traits } }) },
	sparing => sub { my ($name, $traits) = @_; return ('identify', 'sparing', { traits => { email => "$name\@example.com", %$traits } }) },
	own => sub { my ($name, $traits) = @_; return ('identify', 'own', { userId => $name, traits => $traits }) },
	company => sub { my ($name, $traits) = @_; return ('group', 'own', { groupId => $name, traits => $traits }) },
	domain => sub { my ($name, $traits) = @_; return ('group', 'crm', { groupId => $name, traits => { website => "$name.com", %$traits } }) },
);
my %place_of = (
	contact => [ 'contacts', 'email', '@example.com' ], sparing => [ 'contacts', 'email', '@example.com' ],
	own => [ 'contacts', 'our_id', '' ], company => [ 'companies', 'our_id', '' ], domain => [ 'companies', 'domain', '.com' ]);

# SQL of one call; traits, or the name of another call about the record.
sub call_of
{
	my ($kind, $name, $what) = @_;
	my ($call, $server, $message) = $kinds{$kind}->($name, ref $what ? $what : {});
	if (!ref $what)
	{
		delete $message->{traits};
		$message->{userId} = "$name\@example.com" if $message->{userId} // '' eq '' && $kind =~ /contact|sparing/;
		$message->{object} = 'company' if $call eq 'group';
		$message->{website} = "$name.com" if $kind eq 'domain';
		$call = $what;
	}
	return "SELECT hubspot_$call(\$j\$" . $json->encode($message) . "\$j\$, '$server');\n";
}

# The properties that cases write; a record that is not there has none.
sub held
{
	my ($kind, $name) = @_;
	my ($type, $property, $ending) = @{ $place_of{$kind} };
	my @there = @{ $sim->api('GET', "/_sim/objects/$type?key=$name$ending&property=$property")->{results} };
	return 'not there' unless @there;
	return join ' ', scalar @there, map { "$_=" . ($there[0]{properties}{$_} // '') } qw(city nickname numberofemployees plan rooms state website zip);
}

# The verdicts of rows; of a row that was merged that of the one that carried it.  One question for many.
my %verdict_of;

sub note_verdicts
{
	my $list = join ',', @_;
	%verdict_of = map { split /\|/ } split /\n/,
	  ask("SELECT r.id, coalesce(c.verdict, r.verdict) FROM hubspot.result r LEFT JOIN hubspot.result c ON c.id = r.merged_into WHERE r.id IN ($list)");
}

sub noted { return join ' ', map { ($verdict_of{$_} // 'none') =~ s/unchanged/delivered/r } @_ }

sub verdicts { note_verdicts(@_); return noted(@_) }

# Runs cases [title, kind, calls ...] and compares.  Returns the ids of the merged rows of each.
my $number = 0;

sub compare
{
	my (@cases) = @_;
	my (@together, @apart, @names);
	my $longest = 0;
	for my $i (0 .. $#cases)
	{
		$names[$i] = 'case' . ++$number;
		$longest = $#{ $cases[$i] } - 1 if $#{ $cases[$i] } - 1 > $longest;
	}
	# apart: the first calls of all cases, then the second ones
	for my $n (0 .. $longest - 1)
	{
		my @due = grep { $n + 2 <= $#{ $cases[$_] } } 0 .. $#cases;
		my @ids = split /\n/, ask(join '', map { call_of($cases[$_][1], "$names[$_]a", $cases[$_][ $n + 2 ]) } @due);
		push @{ $apart[ $due[$_] ] }, $ids[$_] for 0 .. $#due;
		wait_drained($node, 'postgres');
	}
	my @all = split /\n/, ask("BEGIN;\n" . (join '', map { my $i = $_; map { call_of($cases[$i][1], "$names[$i]t", $_) } @{ $cases[$i] }[ 2 .. $#{ $cases[$i] } ] } 0 .. $#cases)
		  . 'COMMIT;');
	push @{ $together[$_] }, splice @all, 0, $#{ $cases[$_] } - 1 for 0 .. $#cases;
	wait_drained($node, 'postgres');
	note_verdicts(map { @$_ } @together, @apart);
	for my $i (0 .. $#cases)
	{
		my ($title, $kind, @calls) = @{ $cases[$i] };
		my $what = "$title, of $kind: " . substr $json->encode(\@calls), 0, 300;
		is(noted(@{ $together[$i] }), noted(@{ $apart[$i] }), "verdicts, $what");
		(my $is = held($kind, "$names[$i]t")) =~ s/$names[$i]t/NAME/g;
		(my $wanted = held($kind, "$names[$i]a")) =~ s/$names[$i]a/NAME/g;
		is($is, $wanted, "values, $what");
	}
	return @together;
}

my $bad = { nickname => '123' };

#
# A value that HubSpot refuses, at each place, of each kind of record
#
my @cases;
for my $kind (sort keys %kinds)
{
	push @cases,
	  [ 'in the middle', $kind, { city => 'Rome' }, $bad, { state => 'Lazio' } ],
	  [ 'first', $kind, $bad, { city => 'Rome' }, { state => 'Lazio' } ],
	  [ 'last', $kind, { city => 'Rome' }, { state => 'Lazio' }, $bad ],
	  [ 'two', $kind, { city => 'Rome' }, $bad, { state => 'Lazio' }, { nickname => '4', plan => 'x' }, { zip => '1' } ],
	  [ 'all', $kind, $bad, { nickname => '4' } ],
	  [ 'none', $kind, { city => 'Rome' }, { city => 'Bonn' } ];
}
# a deletion is merged with nothing, and stands between
push @cases, map { [ 'around a deletion', $_, { city => 'Rome' }, $bad, 'delete', { state => 'Lazio' }, $bad, { zip => '1' } ] } 'contact', 'own';
push @cases, [ 'an address that another one has', 'own', { city => 'Rome' }, { email => 'warm@example.com' }, { state => 'Lazio' } ];
ask(q{SELECT hubspot_identify('{"userId": "warmth", "traits": {"email": "warm@example.com"}}', 'own')});
wait_drained($node, 'postgres');
my @ids = compare(@cases);
is(ask(q{SELECT count(*) > 0 FROM hubspot.result WHERE verdict = 'coalesced' AND id = } . $ids[5][0]), 't', 'calls that HubSpot takes are merged');

#
# Options that are added to those of a property with checkboxes
#
my @appends;
for my $kind (sort keys %kinds)
{
	push @appends, map { [ 'options', $kind, map { { rooms => $_ } } @$_ ] }
	  [ ';attic', ';bath' ], [ 'cellar', ';attic;bath' ], [ ';attic', 'cellar' ], [ ';bath', ';bath' ], [ 'bath', ';bath' ],
	  [ ';attic', undef, ';den' ], [ 'attic', ';bath', 'attic' ], [ 'attic', ';bath', 'attic', ';bath' ], [ ['bath'], ';attic', ['cellar'], ';attic', ';DEN;cellar' ], [ ';attic', ';no such', ';bath' ], [ 'no such', ';attic' ];
	push @appends,
	  [ 'options beside others', $kind, { rooms => ';attic', city => 'Rome' }, { city => 'Bonn', zip => '1' }, { rooms => ';bath;cellar', state => 'x' }, { zip => '22' } ],
	  [ 'options beside a refused value', $kind, { rooms => 'attic' }, { rooms => ';bath', %$bad }, { rooms => ';cellar', zip => '1' } ];
	push @appends, [ 'options of two traits', $kind, { rooms => ';attic', Rooms => ';den' }, { Rooms => ';bath' }, { rooms => ';cellar' } ];
}
compare(@appends);
for ([ ';attic', 'delivered' ], [ ';attic', 'delivered' ], [ 'attic', 'delivered' ], [ 'attic', 'unchanged' ])
{
	my ($rooms, $verdict) = @$_;
	my $id = ask(call_of('sparing', 'again', { rooms => $rooms }));
	wait_drained($node, 'postgres');
	is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id"), $verdict, "only what changed: $rooms is $verdict");
}

# Back-fills make way, but not for calls of the same record: most of them stay on disk meanwhile
stop_delivery($node);
ask(join '', 'SELECT count(hubspot_identify(jsonb_build_object(\'email\', \'bulk\' || i || \'@example.com\'), \'crm\', backfill => true)) FROM generate_series(1, 600) i;',
	map { "SELECT hubspot_identify('{\"traits\": {\"email\": \"slow\@example.com\", \"rooms\": \"$_->[0]\"}}', 'crm', backfill => $_->[1]);" }
	  [ 'attic', 'true' ], [ ';bath', 'false' ], [ 'cellar', 'true' ], [ ';den', 'false' ], [ ';bath', 'true' ]);
resume_delivery($node);
wait_drained($node, 'postgres');
is($sim->contact('slow@example.com')->{properties}{rooms}, 'cellar;den;bath', 'options of a back-fill and of live calls, in order');

# Where nobody knows HubSpot's properties, a text with ";" before it may add or may be a text
my $closed = start_simulator(config => { burst_limit => 0, scopes => [ 'oauth', 'crm.objects.contacts.write' ] });
$closed->add_property('contacts', name => 'rooms', type => 'enumeration', fieldType => 'checkbox',
	options => [ map { { value => $_, label => uc $_, displayOrder => 0, hidden => JSON::PP::false } } qw(attic bath cellar den) ]);
create_account($node, 'postgres', 'closed', $closed, skip_unchanged => 'on');
my @blind = split /\n/, ask('BEGIN;' . (join '', map { "SELECT hubspot_identify('{\"traits\": {\"email\": \"blind\@example.com\", $_}}', 'closed');" }
	  '"rooms": "attic", "zip": "1"', '"rooms": ";bath", "plan": ";x"', '"zip": "2"', '"rooms": ";den", "plan": ";y"') . 'COMMIT;');
wait_drained($node, 'postgres');
is(join(' ', @{ $closed->contact('blind@example.com')->{properties} }{qw(rooms plan zip)}), 'attic;bath;den ;y 2', 'both are right');
is(verdicts(@blind), 'delivered delivered delivered delivered', 'and told');

#
# How many requests the search takes
#
sub requests_for
{
	my ($kind, @calls) = @_;
	my $name = 'many' . ++$number;
	my $before = ask('SELECT count(*) FROM hubspot.request');
	my @ids = split /\n/, ask("BEGIN;\n" . (join '', map { call_of($kind, $name, $_) } @calls) . 'COMMIT;');
	wait_drained($node, 'postgres');
	return ask('SELECT count(*) FROM hubspot.request') - $before, verdicts(@ids);
}

for my $at (0, 31, 63)
{
	my ($requests, $verdicts) = requests_for('contact', map { $_ == $at ? $bad : { "city" => "c$_", zip => "$_" } } 0 .. 63);
	is($verdicts, join(' ', map { $_ == $at ? 'rejected' : 'delivered' } 0 .. 63), "one refused row at place $at of 64");
	cmp_ok($requests, '<=', 2 * 6 + 3, 'twice the logarithm of requests');
}
my ($requests) = requests_for('contact', map { { nickname => "1$_" } } 0 .. 15);
cmp_ok($requests, '<=', 16 + 4 + 1, 'where all are refused hardly more than one for each');
($requests) = requests_for('contact', ($bad) x 16);
is($requests, 1, 'of rows that say the same one, for all share its fate');

# A key that HubSpot cannot take is no row's fault
my @key = map { "SELECT hubspot_identify('{\"email\": \"x\@example.nosuchtld\", \"city\": \"c$_\"}', 'crm');" } 1 .. 8;
my $before = ask('SELECT count(*) FROM hubspot.request');
ask("BEGIN; @key COMMIT;");
wait_drained($node, 'postgres');
is(ask('SELECT count(*) FROM hubspot.request') - $before, 1, 'the key that all have is refused once');

#
# A whole request is refused for one of its rows, without a word on which record
#
$sim->fault(match => { path => 'batch/upsert', record => 'poison' }, action => 'status', status => 400, times => 0,
	body => { status => 'error', category => 'VALIDATION_ERROR', message => 'no' });
compare(
	[ 'refused as a whole', 'contact', { city => 'Rome' }, { plan => 'poison' }, { state => 'Lazio' } ],
	[ 'beside it', 'contact', { city => 'Bonn' }, { zip => '1' } ],
	[ 'another one', 'contact', { plan => 'poison' }, { zip => '2' } ]);
$sim->clear_faults;

#
# A row that makes HubSpot stumble: deferred, in the end dead, and the others arrive
#
$sim->fault(match => { path => 'batch/upsert', record => 'poison' }, action => 'status', status => 500, times => 0);
my @stumble = split /\n/, ask("BEGIN;\n" . (join '', map { call_of('contact', 'stumble', $_) } { city => 'Rome' }, { zip => '1' }, { plan => 'poison' }, { state => 'Lazio' }, { country => 'Italy' }) . 'COMMIT;');
my $others = 0;
wait_until(
	sub {
		# others go well meanwhile, which tells whose fault it is
		ask(sprintf q{SELECT hubspot_identify('{"email": "other%d@example.com"}', 'crm')}, ++$others);
		$node->psql('postgres', "SELECT hubspot_retry($_)") for split /\n/, ask('SELECT id FROM hubspot.deferred');
		ask('SELECT count(*) FROM hubspot.result WHERE id IN (' . join(',', @stumble) . ')') == 5;
	},
	'five rows to end');
is(verdicts(@stumble), 'delivered delivered dead delivered delivered', 'only the row at fault is given up');
is(held('contact', 'stumble'), '1 city=Rome nickname= numberofemployees= plan= rooms= state=Lazio website= zip=1', 'the others have arrived');
$sim->clear_faults;
wait_drained($node, 'postgres');

#
# A member of a list who goes and comes: HubSpot does not take him, and he has gone all the same
#
ask(q{SELECT hubspot_create_list('VIP', server => 'crm'); SELECT hubspot_add_to_list('VIP', '{"email": "warm@example.com"}', 'crm')});
wait_drained($node, 'postgres');
$sim->fault(match => { path => 'memberships', record => 'recordIdsToAdd":["' }, action => 'status', status => 400, times => 0,
	body => { status => 'error', category => 'VALIDATION_ERROR', message => 'no' });
my @moves = split /\n/, ask('BEGIN;' . (join '', map { "SELECT hubspot_$_('VIP', '{\"email\": \"warm\@example.com\"}', 'crm');" } qw(remove_from_list add_to_list)) . 'COMMIT;');
wait_drained($node, 'postgres');
is(verdicts(@moves), 'delivered rejected', 'one who goes, and is not taken again');
is(join(' ', map { $_->{op} } grep { $_->{op} =~ /^list_(add|remove)$/ } $sim->log), 'list_add list_remove', 'has gone');
$sim->clear_faults;

#
# Cases at random
#
sub some_traits
{
	my %traits;
	$traits{$_} = "v" . int rand 4 for grep { rand() < 0.3 } qw(city zip state plan);
	$traits{nickname} = '12' if rand() < 0.25;
	$traits{rooms} = (rand() < 0.7 ? ';' : '') . join ';', grep { rand() < 0.5 } qw(attic bath cellar den) if rand() < 0.4;
	return \%traits;
}

my @kinds = sort keys %kinds;
compare(map { my $kind = $kinds[ rand @kinds ]; [ 'random', $kind, map { $kind eq 'contact' && rand() < 0.07 ? 'delete' : some_traits() } 1 .. 2 + rand 5 ] } 1 .. $ncases);

done_testing();
