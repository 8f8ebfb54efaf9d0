# Databases of every kind of encoding, side by side: what comes in their letters arrives as
# UTF-8, what HubSpot says in others is kept with replacements, bytes that are no text stop nobody.
use strict;
use warnings;
use utf8;

use Encode qw(encode decode);
use HubSpotTest;
use JSON::PP ();
use Test::More;

# A name and a company in letters that the encoding has; what it leaves of HubSpot's "Größe 日本 €".
my %databases = (
	utf8 => { encoding => 'UTF8', perl => 'UTF-8', person => 'Jürgen 日本 €', city => 'Köln', label => 'Größe 日本 €' },
	latin1 => { encoding => 'LATIN1', perl => 'iso-8859-1', person => 'Jürgen Weiß', city => 'Köln', label => 'Größe ?? ?' },
	euc => { encoding => 'EUC_JP', perl => 'euc-jp', person => '山田 太郎', city => '東京', label => 'Größe 日本 ?' },
	ascii => { encoding => 'SQL_ASCII', perl => 'UTF-8', person => 'Jürgen 日本', city => 'Köln', label => 'Größe 日本 €' },
);
my @names = sort keys %databases;
my %tokens = map { $_ => "pat-na1-$_-2222-3333-4444-555555555555" } @names;
my $json = JSON::PP->new;

my $node = hubspot_cluster('encodings', tokens => \%tokens);
my (%sim, %calls);

# In the encoding of the database, and back: psql passes bytes on.
sub ask
{
	my ($name, $query) = @_;
	my $perl = $databases{$name}{perl};
	local $ENV{PGCLIENTENCODING} = $databases{$name}{encoding};
	my $answer = $node->safe_psql($name, ref $query ? $$query : encode($perl, $query, Encode::FB_CROAK));
	return $name eq 'ascii' ? decode('UTF-8', $answer) : decode($perl, $answer, Encode::FB_CROAK);
}

sub call
{
	my ($name, $function, $message, $more) = @_;
	my $text = $json->encode($message) =~ s/'/''/gr;
	$calls{$name}++;
	return ask($name, "SELECT hubspot_$function('$text'" . ($more // '') . ')');
}

sub verdict { my ($name, $id) = @_; return ask($name, "SELECT concat_ws('|', verdict, category, message) FROM hubspot.outbox_status WHERE id = $id") }

sub drained
{
	my ($name) = @_;
	wait_until(sub { ask($name, q{SELECT count(*) FROM hubspot.outbox o WHERE NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id)}) eq '0' },
		sub { "verdicts in $name: " . ask($name, q{SELECT * FROM hubspot.status}) });
}

for my $name (@names)
{
	my $directory = PostgreSQL::Test::Utils::tempdir();
	$sim{$name} = HubSpotSimulator->start($ENV{SIMULATOR}, $directory, token => $tokens{$name}, config => { burst_limit => 10000 });
	$sim{$name}->add_property('contacts', name => 'shirt', label => 'Größe 日本 €', type => 'enumeration', fieldType => 'select', groupName => 'contactinformation',
		options => [{ label => 'Größe 日本 €', value => 'large', hidden => JSON::PP::false },
			{ label => 'klein', value => 'small', hidden => JSON::PP::false }]);
	$node->safe_psql('postgres', "CREATE DATABASE $name TEMPLATE template0 ENCODING '$databases{$name}{encoding}' LC_COLLATE 'C' LC_CTYPE 'C'");
	create_account($node, $name, 'crm', $sim{$name}, secret => $name);
}

#
# Calls of each kind, with ASCII and with the encoding's letters
#
for my $name (@names)
{
	my ($person, $city) = @{ $databases{$name} }{qw(person city)};
	my $sim = $sim{$name};
	my %id;

	$id{ascii} = call($name, 'identify', { email => 'plain@example.com', firstName => 'Peter' });
	$id{letters} = call($name, 'identify', { email => 'letters@example.com', firstName => $person, address => { city => $city } });
	$id{company} = call($name, 'group', { groupId => 'acme', userId => 'letters@example.com', traits => { name => "$city $person", website => 'acme.com' } });
	drained($name);
	is(verdict($name, $id{$_}), 'delivered', "$name: $_") for qw(ascii letters company);
	is($sim->contact('plain@example.com')->{properties}{firstname}, 'Peter', "$name: ASCII arrives");
	is($sim->contact('letters@example.com')->{properties}{firstname}, $person, "$name: its letters arrive as UTF-8");
	is($sim->contact('letters@example.com')->{properties}{city}, $city, "$name: and in each property");
	is($sim->company('acme.com', 'domain')->{properties}{name}, "$city $person", "$name: of a company, too");

	ask($name, qq{SELECT hubspot_create_event('order_completed', '{"city": "string"}', label => 'Order $city')});
	drained($name);
	$id{event} = call($name, 'track', { event => 'order_completed', userId => 'letters@example.com', properties => { city => $city } });
	$id{list} = ask($name, "SELECT hubspot_create_list('Kunden $city')");
	drained($name);
	$id{member} = ask($name, qq{SELECT hubspot_add_to_list('Kunden $city', '{"userId": "letters\@example.com"}')});
	drained($name);
	is(verdict($name, $id{$_}), 'delivered', "$name: $_") for qw(event list member);
	my ($seen) = grep { $_->{op} eq 'event' } $sim->log;
	is($seen->{properties}{city}, $city, "$name: an event's property");
	$calls{$name} += 4;
}

#
# What HubSpot says
#
for my $name (@names)
{
	my $label = $databases{$name}{label};
	my $sim = $sim{$name};

	is(ask($name, q{SELECT label || '|' || (options->0->>'label') FROM hubspot.property WHERE name = 'shirt'}), "$label|$label",
		"$name: labels are kept, with replacements");
	my $id = call($name, 'identify', { email => 'shirt@example.com', shirt => $label });
	drained($name);
	is($sim->contact('shirt@example.com')->{properties}{shirt}, 'large', "$name: an option is found by its label");

	$sim->fault(match => { path => 'batch/upsert' }, times => 1, action => 'status', status => 400,
		body => $json->encode({ status => 'error', message => "Größe 日本 € of quoted\@example.com is wrong", category => 'VALIDATION_ERROR', correlationId => 'aaaa-€' }));
	$id = call($name, 'identify', { email => 'quoted@example.com', firstName => 'x' });
	drained($name);
	is(verdict($name, $id), "rejected|VALIDATION_ERROR|$label of quoted\@example.com is wrong", "$name: a reason");
	is(ask($name, qq{SELECT error FROM hubspot.requests WHERE error IS NOT NULL ORDER BY id DESC LIMIT 1}), "$label of quoted\@example.com is wrong",
		"$name: in the log of requests, too");

	my $inner = JSON::PP->new->ascii->encode([{ isValid => JSON::PP::false, message => 'Größe 日本 €', error => 'INVALID_INTEGER', name => 'firstname' }]);
	$sim->fault(match => { path => 'batch/upsert' }, times => 1, action => 'status', status => 400,
		body => $json->encode({ status => 'error', message => "Werte ungültig: $inner", category => 'VALIDATION_ERROR' }));
	$id = call($name, 'identify', { email => 'nested@example.com', firstName => 'x' });
	drained($name);
	is(verdict($name, $id), "rejected|INVALID_INTEGER|$label", "$name: a reason within a reason");

	$sim->fault(match => { path => 'batch/upsert' }, times => 1, action => 'status', status => 403,
		body => $json->encode({ status => 'error', message => 'Größe 日本 €', category => 'MISSING_SCOPES' }));
	call($name, 'identify', { email => 'later@example.com', firstName => 'x' });
	wait_until(sub { ask($name, q{SELECT reason FROM hubspot.status WHERE lane = 'contacts'}) =~ /\Q$label\E/ }, "$name: a lane's reason");
	pass("$name: a lane's reason");
	$node->reload;
	drained($name);

	my $explained = ask($name, q{SELECT properties FROM hubspot_explain('identify', '} . $json->encode({ email => 'e@example.com', firstName => $databases{$name}{person} }) . q{')});
	like($explained, qr/\Q$databases{$name}{person}\E/, "$name: hubspot_explain()");
	ask($name, "SELECT hubspot_map('$databases{$name}{city}', 'city')");
	call($name, 'identify', { email => 'mapped@example.com', $databases{$name}{city} => 'here' });
	$id = call($name, 'identify', { email => 'unknown@example.com', firstName => 'x', "no $databases{$name}{city}" => 1 });
	drained($name);
	is($sim->contact('mapped@example.com')->{properties}{city}, 'here', "$name: hubspot_map()");
}

#
# The refresher
#
for my $name (@names)
{
	my $audience = "In $databases{$name}{city}";
	ask($name, qq{CREATE TABLE people AS SELECT 'p' || i || '\@example.com' AS email, '$databases{$name}{city}' AS city FROM generate_series(1, 5) i;
		SELECT hubspot_audience('$audience', \$\$SELECT email FROM people WHERE city = '$databases{$name}{city}'\$\$, every => '1 hour', property => 'in_city', create_in_hubspot => true)});
}
for my $name (@names)
{
	my $audience = "In $databases{$name}{city}";
	wait_until(sub { ask($name, qq{SELECT members FROM hubspot.syncs WHERE name = '$audience'}) eq '5' },
		sub { "$name: the audience: " . ask($name, 'SELECT * FROM hubspot.syncs') });
	drained($name);
	is($sim{$name}->contact('p3@example.com')->{properties}{in_city}, 'true', "$name: an audience whose name and query have its letters");
	wait_until(sub { ask($name, q{SELECT count(*) FROM hubspot.unknown_properties}) > 0 }, 'unknown names');
	like(ask($name, q{SELECT name FROM hubspot.unknown_properties}), qr{^no_}, "$name: names that HubSpot does not have");
}

#
# Bytes that are no text
#
my $query = qq{SELECT hubspot_identify(E'{"email": "bad\@example.com", "firstName": "J\\\\xfcrgen"}'::jsonb)} =~ s/\\\\xfc/\xfc/r;
my $bad = ask('ascii', \$query);
my $good = call('ascii', 'identify', { email => 'good@example.com', firstName => 'after' });
drained('ascii');
is(verdict('ascii', $bad), 'rejected|bad_message|the value of "firstName" has bytes that are no text in UTF-8, which is what HubSpot takes (the database\'s encoding is SQL_ASCII)',
	'SQL_ASCII: the row is rejected, and says why');
is(verdict('ascii', $good), 'delivered', 'SQL_ASCII: the next one arrives');
$query =~ s/SELECT hubspot_identify\((.*)\)$/SELECT hubspot_explain('identify', $1)/s;
{
	local $ENV{PGCLIENTENCODING} = 'SQL_ASCII';
	my ($status, $out, $err) = $node->psql('ascii', $query);
	like($err, qr/the value of "firstName" has bytes that are no text/, 'SQL_ASCII: hubspot_explain() says so beforehand');
}

for my $name (@names)
{
	becomes(sub { $node->safe_psql($name, q{SELECT count(*) FROM hubspot_health() h WHERE h.problem NOT LIKE '%unknown%'}) }, '0', "$name: hubspot_health() is content");
}
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
unlike($log, qr/encoding conversion|invalid byte sequence/, 'no conversion failed in the log');
note 'calls: ' . join ', ', map { "$_ $calls{$_}" } @names;
done_testing();
