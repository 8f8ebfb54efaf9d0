# Whatever a message looks like: mapping it ends in a request or in one of the
# documented errors, never in another, and never in a crash.
use strict;
use warnings;

use JSON::PP ();

use HubSpotTest;
use Test::More;

my $seed = $ENV{SEED} // 20261123;
srand $seed;
diag "SEED=$seed" if $ENV{SEED};

my $sim = start_simulator(config => { burst_limit => 100000 });
my $node = hubspot_cluster('random');
create_account($node, 'postgres', 'crm', $sim, time_zone => 'Europe/Berlin', unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

# Properties of all types, under the names that messages are made of
my @types = ([ 'number', 'number' ], [ 'date', 'date' ], [ 'datetime', 'date' ], [ 'enumeration', 'select' ], [ 'enumeration', 'checkbox' ], [ 'string', 'text' ]);
for my $i (0 .. $#types)
{
	my ($type, $field) = @{ $types[$i] };
	$sim->add_property('contacts', name => "p$i", type => $type, fieldType => $field,
		$type eq 'enumeration' ? (options => [ map { { value => $_, label => uc $_, displayOrder => 0, hidden => JSON::PP::false() } } qw(a b) ]) : ());
}
ask(q{SELECT hubspot_map('deep.er', 'p0'), hubspot_map('address.city', 'p5')});
ask(q{SELECT hubspot_create_event('thing', '{"p0": "number", "p1": "date", "p2": "datetime", "p3": "bool"}')});
ask(q{SELECT hubspot_refresh_schema()});
wait_drained($node, 'postgres');

my @names = (qw(userId user_id groupId group_id id domain employees industry traits properties context event email Email E-mail firstName first_name name address company website
	  hutk page url title timestamp messageId deep deep.er lifecycleStage createdAt p0 p1 p2 p3 p4 p5 P5), 'p 5', ' ', '', "\x{fc}ml\x{e4}ut", "a\x{4e2d}\x{1f600}");
my @scalars = ('"x"', '""', '"a;b;c"', '";;a"', '";a"', '";b;a"', '"ada@example.com"', '"a@b"', '"@"', '"thing"', '"2026-11-23"', '"2026-02-30"',
	'"2026-11-23T10:00:00Z"', '"2026-11-23T25:61:61+99:99"', '"0000-00-00"', '"9999-12-31T23:59:59.999999999-12:00"', '"-0001-01-01"', '"2026-11-23 10:00 Mars/Base"',
	'"now"', '"infinity"', '"NaN"', '"https://www.Acme.com/x"', '"gmail.com"', '"http://[::1]:80/"', '"//a.b.c?d@e:f#g"', '"+1.5"', '"1e400"', '1e400', '1', '-0.000', '123456789012', '999999999999999', '99999999999999999999999', '1.5e-30', 'true', 'false', 'null',
	'"\u0001\n\t\"\\\\"', '"' . ('long ' x 300) . '"', '"' . "\x{e9}" x 300 . '"');

sub value
{
	my ($depth) = @_;
	my $kind = $depth > 0 ? rand : 0;
	return $scalars[ rand @scalars ] if $kind < 0.6;
	return '[' . join(',', map { value($depth - 1) } 1 .. rand 5) . ']' if $kind < 0.75;
	return object($depth - 1);
}

sub object
{
	my ($depth) = @_;
	return '{' . join(',', map { JSON::PP->new->allow_nonref->encode($names[ rand @names ]) . ':' . value($depth) } 1 .. rand 9) . '}';
}

# An envelope that is right more often than not, so that the mapping is reached.
sub message
{
	my %parts = map { $_ => rand() < 0.5 ? object(3) : undef } qw(traits properties context);
	my @members = ('"userId":"' . (rand() < 0.8 ? 'u@example.com' : 'u' . int rand 5) . '"', '"groupId":"g' . int(rand 9) . '"', '"event":"thing"', '"formId":"f-1"', '"fields":' . (rand() < 0.5 ? value(3) : '[{"name":"email","value":' . value(1) . '}]'));
	return value(4) if rand() < 0.1;
	@members = () if rand() < 0.1;
	return '{' . join(',', @members, map { defined $parts{$_} ? "\"$_\":$parts{$_}" : () } sort keys %parts) . '}' if rand() < 0.6;
	return '{' . join(',', @members, '"x":1', map { JSON::PP->new->allow_nonref->encode($names[ rand @names ]) . ':' . value(3) } 1 .. rand 12) . '}';
}

my $pid = worker_pid($node, 'postgres');
my $file = $node->basedir . '/messages';
my $count = $ENV{MESSAGES} // 6000;
open my $out, '>:encoding(UTF-8)', $file or die $!;
print $out message() . "\n" for 1 .. $count;
close $out;
ask(qq{CREATE TABLE raw (t text); CREATE TABLE outcome (call text, state text, t text)});
# as text, whatever backslashes it has
$node->safe_psql('postgres', "COPY raw FROM '$file' (FORMAT csv, DELIMITER E'\\x02', QUOTE E'\\x03')");
ask(q{
	DO $$
	DECLARE
		m raw;
		c text;
		s text;
	BEGIN
		FOR m IN SELECT * FROM raw LOOP
			FOREACH c IN ARRAY ARRAY['identify', 'track', 'group', 'page', 'form', 'delete'] LOOP
				s := 'fine';
				BEGIN
					PERFORM * FROM hubspot_explain(c, m.t::jsonb);
				EXCEPTION WHEN OTHERS THEN
					s := SQLSTATE;
				END;
				INSERT INTO outcome VALUES (c, s, m.t);
			END LOOP;
		END LOOP;
	END
	$$});
is(ask(q{SELECT count(*) FROM outcome}), 6 * $count, "$count messages, six calls");
is(ask(q{SELECT state, call, min(t) FROM outcome WHERE state NOT IN ('fine', '22023', '42704') GROUP BY 1, 2}), '', 'no error but the documented ones');
cmp_ok(ask(q{SELECT count(*) FROM outcome WHERE state = 'fine'}), '>', $count / 2, 'many are mapped');

# And sent: each ends in a verdict, by one worker, and HubSpot got nothing malformed
ask(q{SET hubspot.on_invalid = 'record'; SELECT count(hubspot_identify(t::jsonb)) FROM raw; SELECT count(hubspot_track(t::jsonb)) FROM raw;
	SELECT count(hubspot_group(t::jsonb)) FROM raw; SELECT count(hubspot_delete(t::jsonb)) FROM raw WHERE t !~ 'gdpr'});
wait_drained($node, 'postgres');
is(worker_pid($node, 'postgres'), $pid, 'the same worker has sent them all');
is(ask(q{SELECT count(*) FROM hubspot.result WHERE category = 'mapping_error'}), '0', 'none could not be put together');
is(ask(q{SELECT category, min(message) FROM hubspot.result WHERE verdict <> 'delivered' AND category <> lower(category) GROUP BY 1}), '', 'HubSpot refused nothing');
is(ask(q{SELECT count(*) FROM hubspot.request WHERE status = 400 AND error ~* 'json'}), '0', 'no request was no JSON');
is($sim->stats->{non_string_values} // 0, 0, 'only texts were sent');
diag ask(q{SELECT verdict, category, count(*), min(message) FROM hubspot.result GROUP BY 1, 2 ORDER BY 3 DESC LIMIT 12}) if $ENV{SEED};

done_testing();
