# A log of Segment's messages, as its libraries write them, goes in one statement that the
# documentation has: nothing is lost, no warning is one that nobody can act upon, and a second
# time changes nothing in HubSpot.  CALLS=n for a longer log, SEED=n for another one.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $calls = $ENV{CALLS} || 600;
my $seed = $ENV{SEED} || 1 + int(rand(1_000_000));
my $persons = int($calls / 15) + 2;
my $companies = 7;

diag("SEED=$seed CALLS=$calls");
srand($seed);

my $sim = start_simulator(config => { burst_limit => 100000, event_repeat => 'refuse' });
$sim->add_property('contacts', name => 'subscription', type => 'string', fieldType => 'text');
my $node = hubspot_cluster('log');
create_account($node, 'postgres', 'crm', $sim, create_properties => 'on', create_events => 'on');

sub ask { return $node->safe_psql('postgres', shift) }

sub one_of { return $_[ int rand @_ ] }

#
# The log, and beside it what HubSpot is to hold: the newest word on each trait
#
my (%contact, %company, %pairs, %events, @messages);
my $clock = 1_700_000_000;

sub iso { my @t = gmtime shift; return sprintf '%04d-%02d-%02dT%02d:%02d:%02d.000Z', $t[5] + 1900, $t[4] + 1, @t[ 3, 2, 1, 0 ] }

sub said
{
	my ($type, %message) = @_;
	push @messages, { type => $type, messageId => sprintf('ajs-%s-%06d', $seed, scalar @messages), anonymousId => sprintf('%08x', rand 2**32),
		timestamp => iso($clock += 1 + int rand 60), channel => 'server', integrations => {},
		context => { library => { name => 'analytics-node', version => '2.1.0' }, ip => '203.0.113.7' }, %message };
	return $messages[-1];
}

# Everybody is told at some time: those of whom nobody tells have no identify in the log.
my %told;
for my $i (1 .. $calls)
{
	my $n = int rand $persons;
	my ($user, $email) = ("user-$n", "person$n\@example.com");
	my $kind = rand;

	if ($kind < 0.3)
	{
		my %traits = (email => $email, createdAt => iso(1_600_000_000 + $n), subscription => one_of(qw(free pro team)));
		$traits{firstName} = "First$n" if rand() < 0.5;
		$traits{loyalty_points} = int rand 1000 if $i > $calls / 2;    # a trait that appears later
		said('identify', userId => $user, traits => \%traits);
		$told{$user} = 1;
		$contact{$email}{ { firstName => 'firstname' }->{$_} // $_ } = $traits{$_} for grep { !/^(email|createdAt)$/ } keys %traits;
	}
	elsif ($kind < 0.7)
	{
		my %properties = (total => int rand 500, currency => 'EUR');
		$properties{coupon} = one_of(qw(SPRING AUTUMN)) if $i > $calls / 3 && rand() < 0.5;    # a property that appears later
		my $message = said('track', userId => $user, event => 'Order Completed', properties => \%properties);
		$events{ $message->{messageId} } = [ $email, \%properties ];
	}
	elsif ($kind < 0.9)
	{
		my $message = said('page', userId => $user, name => 'Pricing', properties => { url => 'https://www.example.com/pricing', title => 'Pricing', path => '/pricing' });
		$events{ $message->{messageId} } = [ $email, undef ];
	}
	elsif ($kind < 0.97)
	{
		my $c = ($n + int rand 2) % $companies;    # two companies of each person
		said('group', userId => $user, groupId => "company$c.example", traits => { name => "Company $c", website => "https://www.company$c.example", employees => 10 + $i, createdAt => iso(1_500_000_000) });
		$company{"company$c.example"}{numberofemployees} = 10 + $i;
		$pairs{"$email company$c.example"} = 1;
	}
	else { said(one_of('alias', 'screen'), userId => $user, previousId => 'x', name => 'Home') }
}
# Late identifies: whoever is not told yet is, at the end.
for my $n (0 .. $persons - 1)
{
	my ($user, $email) = ("user-$n", "person$n\@example.com");
	next if $told{$user};
	said('identify', userId => $user, traits => { email => $email, subscription => 'late', createdAt => iso(1_600_000_000 + $n) });
	$contact{$email}{subscription} = 'late';
}

ask('CREATE TABLE segment_messages (id bigint GENERATED ALWAYS AS IDENTITY, message jsonb)');
my $json = JSON::PP->new->canonical;
ask('INSERT INTO segment_messages (message) VALUES ' . join ',', map { q{($j$} . $json->encode($_) . q{$j$)} } @messages);

# The statement of the documentation, as it stands there.
my $page = PostgreSQL::Test::Utils::slurp_file('docs/coming-from-segment.md');
my ($statement) = $page =~ /```sql\n(BEGIN;\n[^`]*hubspot_enqueue\(NULL[^`]*)```/;
ok($statement, 'the documentation has a statement for it');

my $useful = grep { $_->{type} !~ /^(alias|screen)$/ } @messages;

# What HubSpot holds, as lines; ids of records stay as they are.
sub held
{
	my @lines;
	for my $email (sort keys %contact)
	{
		my $record = $sim->contact($email);
		push @lines, "$email: " . ($record ? join ' ', map { "$_=" . ($record->{properties}{$_} // '') } sort keys %{ $contact{$email} } : 'missing');
	}
	for my $domain (sort keys %company)
	{
		my $record = $sim->company($domain);
		push @lines, "$domain: " . ($record ? join ' ', map { "$_=" . ($record->{properties}{$_} // '') } sort keys %{ $company{$domain} } : 'missing');
	}
	return @lines;
}

my @wanted = ((map { my $email = $_; "$email: " . join ' ', map { "$_=$contact{$email}{$_}" } sort keys %{ $contact{$email} } } sort keys %contact),
	(map { my $domain = $_; "$domain: " . join ' ', map { "$_=$company{$domain}{$_}" } sort keys %{ $company{$domain} } } sort keys %company));

my @first;
for my $time (qw(first second))
{
	my $before = ask('SELECT coalesce(max(id), 0) FROM hubspot.outbox');

	like($node->safe_psql('postgres', $statement), qr/^$useful$/m, "the $time time: all that is of use is queued");
	wait_drained($node, 'postgres');
	is(ask("SELECT string_agg(DISTINCT call::text || ' ' || verdict || ' ' || coalesce(category, ''), ', ') FROM hubspot.outbox_status
		WHERE id > $before AND verdict = ANY (hubspot.verdicts_with('missing')::text[])"), '', "the $time time: nothing is lost");
	is(ask("SELECT string_agg(DISTINCT w->>'code' || ' ' || coalesce(w->>'property', ''), ', ')
		FROM hubspot.outbox_status s, jsonb_array_elements(s.warnings) w WHERE s.id > $before"), '', "the $time time: nothing is warned of");
	is(ask("SELECT count(*) FROM hubspot.outbox WHERE id > $before AND NOT backfill"), '0', "the $time time: all goes as a back-fill");
	is_deeply([ held() ], \@wanted, "the $time time: HubSpot holds the newest word on everything");
	my @events = grep { $_->{op} eq 'event' } $sim->log;
	is(scalar(@events), scalar(keys %events), "the $time time: each event once");
	is(scalar(grep { $_->{properties}{coupon} } @events), scalar(grep { $_->[1] && $_->[1]{coupon} } values %events), "the $time time: with the property that appeared later");
	my $pairs = ask('SELECT count(*) FROM hubspot.company_contacts');
	is($pairs, scalar(keys %pairs), "the $time time: each of its companies has its contact");
	is($sim->count('contacts') . ' ' . $sim->count('companies'), scalar(keys %contact) . ' ' . scalar(keys %company), "the $time time: no record is doubled");
}

$node->stop;
done_testing();
