# What HubSpot says of an account's properties and events may be anything: it is
# stored within bounds, and what cannot be is that account's trouble alone.
use strict;
use warnings;
use utf8;

use HubSpotTest;
use JSON::PP ();
use Test::More;

my %tokens = map { $_ => "pat-na1-$_" } qw(odd good);
my $sim = start_simulator(token => $tokens{odd}, config => { burst_limit => 10000 });
my $healthy = start_simulator(token => $tokens{good}, config => { burst_limit => 10000 });
my $node = hubspot_cluster('schemas', tokens => \%tokens);
create_account($node, 'postgres', 'odd', $sim, secret => 'odd');
create_account($node, 'postgres', 'good', $healthy, secret => 'good');

sub ask { return $node->safe_psql('postgres', shift) }

my $round = 0;
my $json = JSON::PP->new;

sub property { my ($name, %more) = @_; return { name => $name, label => $name, type => 'string', fieldType => 'text', groupName => 'contactinformation', options => [], %more } }

sub event { my ($name, %more) = @_; return { name => $name, fullyQualifiedName => "pe1_$name", labels => { singular => $name }, properties => [ property('email') ], %more } }

# HubSpot says this of a part (pages of results), and both accounts deliver.
sub told
{
	my ($what, $part, @pages) = @_;
	my $path = $part eq 'events' ? 'event-definitions' : 'properties/2026-09/contacts';
	$sim->clear_faults;
	for my $page (0 .. $#pages)
	{
		my %body = ref $pages[$page] eq 'HASH' ? %{ $pages[$page] } : (results => $pages[$page]);
		$body{paging} = { next => { after => '' . ($page + 1) } } if $page < $#pages;
		$sim->fault(match => { path => $path }, action => 'status', status => 200, content_type => 'application/json', body => $json->encode(\%body));
	}
	my $from = ask('SELECT clock_timestamp()');
	ask(q{SELECT hubspot_refresh_schema('odd')});
	my $key = 'n' . ++$round . '@example.com';
	my $id = ask(qq{SELECT hubspot_identify('{"email": "$key", "firstname": "x"}', 'odd')});
	my $beside = ask(qq{SELECT hubspot_identify('{"email": "$key"}', 'good')});
	wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $beside") eq 'delivered' }, "$what: the other account");
	wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id") eq 'delivered' },
		sub { "$what: the account itself: " . ask(q{SELECT string_agg(lane || ' ' || state || ' ' || reason, '; ') FROM hubspot.status WHERE server = 'odd'}) });
	wait_until(sub { ask(qq{SELECT count(*) FROM hubspot.schema s JOIN pg_foreign_server f ON f.oid = s.server WHERE srvname = 'odd' AND refreshed_at > '$from'}) eq '3' }, "$what: all parts");
	pass("$what: both accounts deliver");
}

sub names
{
	my ($part) = @_;
	my $table = $part eq 'events' ? 'hubspot.event_definition' : "(SELECT * FROM hubspot.property WHERE object = 'contact')";
	return ask("SELECT coalesce(string_agg(name || ':' || label, ' ' ORDER BY name), '') FROM $table t JOIN pg_foreign_server f ON f.oid = t.server WHERE f.srvname = 'odd'");
}

my @usual = (property('email'), property('firstname'));
my $long = 'n' x 9000;

told('a name twice on a page', contacts => [ @usual, property('a', label => 'first'), property('a', label => 'second') ]);
is(names('contacts'), 'a:second email:email firstname:firstname', 'the last one counts');
told('an event twice, on two pages', events => [ event('e'), event('f') ], [ event('f', labels => { singular => 'again' }), event('g') ]);
is(names('events'), 'e:e f:again g:g', 'each is there once');
told('names of 9,000 bytes', contacts => [ @usual, property($long), property('b', label => $long, type => $long, fieldType => $long) ]);
is(names('contacts'), 'b:' . 'n' x 1000 . ' email:email firstname:firstname', 'a name is not cut, but left out; a label is cut');
told('an event of 9,000 bytes', events => [ event($long), event('h') ]);
is(names('events'), 'h:h', 'the same of events');
told('labels in letters of three bytes', contacts => [ @usual, property('c', label => '日' x 1000) ]);
is(ask(q{SELECT octet_length(label) FROM hubspot.property WHERE name = 'c'}), '999', 'are cut at a whole one');
told('5,000 properties', contacts => [ @usual, map { property("p$_") } 1 .. 5000 ]);
is(ask(q{SELECT count(*) FROM hubspot.property p JOIN pg_foreign_server f ON f.oid = p.server WHERE srvname = 'odd' AND object = 'contact'}), '5002', 'are all there');
told('wrong types everywhere', contacts => [ @usual, 1, undef, 'text', [], { name => 7 }, { name => undef }, { name => {} }, { name => '' },
	{ name => 'd', label => undef, type => [], fieldType => 1, options => { a => 1 }, hasUniqueValue => 'yes', calculated => 1, modificationMetadata => [] },
	property("a\nb"), property('o', type => 'enumeration', options => [ 1, undef, {}, { value => 1 }, { value => 'x', label => undef }, { value => $long, label => 'long' }, { value => 'y', label => [ [ [] ] ] } ]) ]);
is(ask(q{SELECT string_agg(name, ' ' ORDER BY name) FROM hubspot.property p JOIN pg_foreign_server f ON f.oid = p.server WHERE srvname = 'odd' AND object = 'contact'}),
	'7 d email firstname o', 'what has a name is there, be it a number');
is(ask(q{SELECT options FROM hubspot.property p JOIN pg_foreign_server f ON f.oid = p.server WHERE srvname = 'odd' AND name = 'o'}),
	'[{"label": "", "value": "1"}, {"label": "", "value": "x"}, {"label": "", "value": "y"}]', 'so are options that have a value');
my $deep = {};
$deep = { a => [$deep] } for 1 .. 10;
told('deep options', contacts => [ @usual, property('q', options => [ { value => 'z', label => 'z', more => $deep } ]) ]);
told('no results at all', contacts => { results => { a => 1 } });
is(names('contacts'), '', 'a list that is none has nothing');
told('the same on each page', events => map { [ event('i') ] } 1 .. 3);
is(names('events'), 'i:i', 'is there once');

#
# What the tables do not take, for whatever reason
#
ask(q{CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no room for %', NEW.name; END $$;
	CREATE TRIGGER refuse BEFORE INSERT ON hubspot.property FOR EACH ROW WHEN (NEW.name = 'poison') EXECUTE FUNCTION refuse()});
$sim->clear_faults;
$sim->fault(match => { path => 'properties/2026-09/contacts' }, action => 'status', status => 200, content_type => 'application/json', times => 0,
	body => $json->encode({ results => [ @usual, property('poison') ] }));
my $asked = () = $sim->requests;
ask(q{SELECT hubspot_refresh_schema('odd')});
my $waits = ask(q{SELECT hubspot_identify('{"email": "waits@example.com"}', 'odd')});
my $company = ask(q{SELECT hubspot_group('{"traits": {"website": "acme.com", "name": "Acme"}}', 'odd')});
wait_until(sub { ask(q{SELECT state || ' ' || reason FROM hubspot.status WHERE server = 'odd' AND lane = 'contacts'}) =~ /^BACKOFF what HubSpot says .*no room for poison/ },
	sub { 'the reason: ' . ask(q{SELECT lane || state || ' ' || reason FROM hubspot.status WHERE server = 'odd'}) });
pass('the lane says what is wrong');
becomes(sub { ask(q{SELECT problem FROM hubspot_health()}) }, qr/account odd, lane contacts.*no room for poison/, 'so does hubspot_health()');
my $watched = ask(q{SET ROLE pg_monitor; SELECT state || ' ' || reason FROM hubspot.status WHERE server = 'odd' AND lane = 'contacts'});
like($watched, qr/^BACKOFF what HubSpot says/, 'who watches sees that');
unlike($watched, qr/poison/, '... but not what it quotes');
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $company") eq 'delivered' }, 'another lane of the account');
my $beside = ask(q{SELECT hubspot_identify('{"email": "last@example.com"}', 'good')});
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $beside") eq 'delivered' }, 'the other account');
is(ask("SELECT state FROM hubspot.outbox_status WHERE id = $waits"), 'waiting', 'only what depends on it waits');
ask('DROP FUNCTION refuse CASCADE');
$node->reload;
wait_until(sub { ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $waits") eq 'delivered' }, 'the row when that is mended');
wait_until(sub { ask('SELECT count(*) FROM hubspot_health()') eq '0' }, 'hubspot_health() to be content');

#
# Texts of any length
#
my $words = '€' x 200_000;
$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 400, content_type => 'application/json',
	body => $json->encode({ status => 'error', message => $words, category => 'C' x 9000, correlationId => 'x' x 9000 }));
my $refused = ask(q{SELECT hubspot_identify('{"email": "refused@example.com"}', 'odd')});
wait_drained($node, 'postgres');
cmp_ok(ask("SELECT octet_length(message) FROM hubspot.outbox_status WHERE id = $refused"), '<=', 16384, 'a reason is kept within bounds');
cmp_ok(ask("SELECT octet_length(category) FROM hubspot.outbox_status WHERE id = $refused"), '<=', 200, 'so is a category');
cmp_ok(ask('SELECT max(octet_length(error)) FROM hubspot.requests'), '<=', 1024, 'and the log of requests');
cmp_ok(ask('SELECT max(octet_length(correlation_id)) FROM hubspot.requests'), '<=', 64, 'with its ids');
$sim->fault(match => { path => 'batch/upsert' }, action => 'status', status => 207, content_type => 'application/json',
	body => $json->encode({ status => 'COMPLETE', results => [], errors => [ { category => 'C' x 9000, message => $words } ] }));
$refused = ask(q{SELECT hubspot_identify('{"email": "single@example.com"}', 'odd')});
wait_drained($node, 'postgres');
cmp_ok(ask("SELECT octet_length(message) FROM hubspot.outbox_status WHERE id = $refused"), '<=', 16384, 'a reason of one record');
cmp_ok(ask("SELECT octet_length(category) FROM hubspot.outbox_status WHERE id = $refused"), '<=', 200, 'and its category');

#
# A step of the worker that fails each time
#
ask('ALTER TABLE hubspot.rate_limit RENAME COLUMN reason TO away');
ask(q{SELECT hubspot_identify('{"email": "meanwhile@example.com"}', 'good')});
wait_until(sub { ask('SELECT problem FROM hubspot_health()') =~ /the worker: writing account states fails again and again/ },
	sub { 'hubspot_health() to say so: ' . ask('SELECT * FROM hubspot_health()') });
ask('ALTER TABLE hubspot.rate_limit RENAME COLUMN away TO reason');
wait_drained($node, 'postgres');
wait_until(sub { ask('SELECT count(*) FROM hubspot_health()') eq '0' }, 'hubspot_health() to be content again');
pass('what fails again and again is told, until it is over');
my $log = PostgreSQL::Test::Utils::slurp_file($node->logfile);
unlike($log, qr/cannot affect row|index row requires|exiting|terminated by signal/, 'the log tells of no accident');
done_testing();
