# Forms are submitted once or not at all.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 10000 });
my $node = hubspot_cluster("forms");

sub ask { return $node->safe_psql('postgres', shift) }

# Records of the simulator that have to be there.
sub contact { return $sim->contact(@_) // { id => 'none', properties => {} } }

# HubSpot as another application sees it.
sub hubspot { return $sim->api(@_) }

hubspot('POST', '/_sim/forms', { id => 'f-1', name => 'Demo', fields => [ 'email', 'firstname' ] });
create_account($node, 'postgres', 'crm', $sim, forms_url => $sim->url);

sub call
{
	my ($call, $message) = @_;
	my $id = ask("SELECT hubspot_$call(\$j\$$message\$j\$)");
	wait_drained($node, 'postgres');
	return $id;
}

# The message of a form: who, further members of the message, further fields.
sub form
{
	my ($who, $more, %fields) = @_;
	%fields = (email => "$who\@example.com", %fields);
	my $list = join ', ', map { qq({"name": "$_", "value": "$fields{$_}"}) } sort keys %fields;
	return qq({"formId": "f-1", "fields": [$list]) . ($more ? ", $more" : '') . '}';
}

sub submitted { my $who = shift; return grep { $_->{op} eq 'form' && $_->{key} eq "$who\@example.com" } $sim->log }

my $warnings = q{(SELECT coalesce(string_agg(DISTINCT w->>'code', ', '), '') FROM jsonb_array_elements(s.warnings) w)};

sub row { return ask("SELECT $_[1] FROM hubspot.outbox_status s WHERE id = $_[0]") }

#
# Forms
#
my $id = call('form', form('ada',
	'"context": {"hutk": "60c2ccdfe4892f0fa0593940b12c11aa", "pageUri": "https://example.com/demo", "pageName": "Demo", "ipAddress": "203.0.113.7"},
	"legalConsentOptions": {"consent": {"consentToProcess": true, "text": "I agree", "communications": [{"value": true, "subscriptionTypeId": 999, "text": "News"}]}}',
	firstname => 'Ada'));
is(row($id, "call, object, verdict, $warnings"), 'form|form|delivered|', 'a form is delivered');
my ($form) = submitted('ada');
is_deeply({ map { $_->{name} => $_->{value} } @{ $form->{submission}{fields} } }, { email => 'ada@example.com', firstname => 'Ada' }, 'its fields');
is_deeply($form->{submission}{context}, { hutk => '60c2ccdfe4892f0fa0593940b12c11aa', pageUri => 'https://example.com/demo',
	pageName => 'Demo', ipAddress => '203.0.113.7' }, 'its context');
is_deeply($form->{submission}{legalConsentOptions}, { consent => { consentToProcess => JSON::PP::true, text => 'I agree',
	communications => [ { value => JSON::PP::true, subscriptionTypeId => 999, text => 'News' } ] } }, 'its consent');
is(contact('ada@example.com')->{properties}{firstname}, 'Ada', 'and it makes the contact');
ok((grep { $_->{path} =~ m{/secure/submit/1234567/f-1$} } $sim->requests), 'by the secure endpoint of this account');

$id = call('form', form('refused', '', shoe_size => 39));
is(row($id, 'verdict'), 'rejected', 'a field that the form lacks');
like(row($id, 'category || message'), qr/FIELD_NOT_IN_FORM_DEFINITION/, 'the code of HubSpot');
like(row($id, 'message'), qr/shoe_size/, 'and the name of the field');
$id = call('form', form('refused twice', '"context": {"ipAddress": "nowhere"}', shoe_size => 39, hat_size => 57));
like(row($id, 'message'), qr/(?=.*shoe_size)(?=.*hat_size)(?=.*ipAddress)/, 'all errors of one answer are kept');
$id = call('form', '{"formId": "f-2", "fields": [{"name": "email", "value": "ada@example.com"}]}');
is(row($id, 'verdict'), 'rejected', 'a form that HubSpot does not have');
for my $bad ('{"fields": [{"name": "email", "value": "ada@example.com"}]}', '{"formId": "f-1"}')
{
	isnt($node->psql('postgres', "SELECT hubspot_form('$bad')", stderr => \my $error), 0, "a bad message: $bad");
	like($error, qr/formId|fields/, 'names the field');
}

# An outcome that is not known is not repeated; what was clearly not accepted is
my %unknown = (
	lost => { action => 'drop_after' },
	cut => { action => 'reset', after_bytes => 5 },
	unreadable => { action => 'garbage', apply => JSON::PP::true },
	errors => { action => 'status', status => 200, body => { errors => [ { message => 'not quite' } ], numErrors => 1 }, apply => JSON::PP::true },
	wordless => { action => 'status', status => 200, body => '', apply => JSON::PP::true },
	map { ("status$_" => { action => 'status', status => $_, apply => JSON::PP::true }) } 500, 502, 504);
for my $who (sort keys %unknown)
{
	call('form', form("warm-$who"));    # a connection that is open already repeats nothing, either
	$sim->fault(match => { path => '/submit/' }, %{ $unknown{$who} });
	$id = call('form', form($who));
	is($sim->faults->{results}[0]{hits}, 1, "$who: happened");
	is(row($id, 'verdict'), 'unknown', "$who: the verdict is unknown");
	isnt(row($id, 'message'), '', "$who: with what is known");
	is(scalar(submitted($who)), 1, "$who: submitted once");
	$sim->clear_faults;
}
for my $status (429, 503)
{
	$sim->fault(match => { path => '/submit/' }, action => 'status', status => $status, times => 2,
		$status == 429 ? (headers => { 'Retry-After' => 1 }) : ());
	$id = call('form', form("busy$status"));
	is($sim->faults->{results}[0]{hits}, 2, "$status happened");
	is(row($id, 'verdict'), 'delivered', "$status is repeated until accepted");
	is(scalar(submitted("busy$status")), 1, "$status: submitted once");
	$sim->clear_faults;
}
$id = call('form', form('hutk', '"context": {"hutk": "37184", "pageUri": "https://example.com/demo"}'));
is(row($id, "verdict, $warnings"), 'delivered|invalid_hutk', 'an invalid hutk');
($form) = submitted('hutk');
is_deeply($form->{submission}{context}, { pageUri => 'https://example.com/demo' }, 'is left out');
is(scalar(submitted('hutk')), 1, 'the form is submitted once');

# A token without the scope
$sim->config(scopes => [ map { ("crm.objects.$_.read", "crm.objects.$_.write") } qw(contacts companies) ]);
$id = call('form', form('public'));
is(row($id, 'verdict') . scalar(submitted('public')), 'delivered1', 'without the scope the form goes to the public endpoint');
$sim->config(scopes => undef);

#
# One wrong formId concerns its own row.  However HubSpot says that it has no such
# form: those after it are not held up, and it does not go first again.
#
sub lane { return ask("SELECT state FROM hubspot.status WHERE server = 'crm' AND lane = 'forms'") }

sub queue { my @messages = @_; return split /\n/, ask('BEGIN;' . join('', map { "SELECT hubspot_form(\$j\$$_\$j\$);" } @messages) . 'COMMIT') }

my $nobody = '{"formId": "f-3", "fields": [{"name": "email", "value": "nobody@example.com"}]}';
my %says = (
	'in its words' => [ body => { status => 'error', message => 'Not Found', correlationId => 'c-1' } ],
	'with a category' => [ body => { status => 'error', message => 'No form', category => 'OBJECT_NOT_FOUND', correlationId => 'c-2' } ],
	'by a page' => [ body => '<html>404</html>', content_type => 'text/html' ],
	'by JSON of somebody else' => [ body => { error => 'not found' } ],
	'by nothing' => [ body => '' ]);
for my $how (sort keys %says)
{
	my $mark = ($sim->requests)[-1]{seq};
	my $tag = lc($how) =~ s/ /-/gr;
	$sim->fault(match => { path => '/f-3' }, action => 'status', status => 404, times => 0, @{ $says{$how} });
	my ($bad, @good) = queue($nobody, map { form("$tag$_") } 1 .. 4);
	wait_drained($node, 'postgres');
	is(row($bad, 'verdict') . ' ' . (row($bad, 'category') ? 'named' : ''), 'rejected named', "404 $how: it alone is rejected, with a category");
	is(join(' ', map { row($_, 'verdict') } @good), 'delivered delivered delivered delivered', 'the others are delivered');
	is(join(' ', map { scalar(submitted("$tag$_")) } 1 .. 4), '1 1 1 1', 'once');
	wait_until(sub { lane() eq 'RUN' }, 'the lane to run on', 60);
	cmp_ok(scalar(grep { $_->{path} =~ m{/f-3$} } $sim->requests($mark)), '<=', 2, 'it is tried twice at most');
	$sim->clear_faults;
}

# The address is wrong: nothing is refused, and all goes out when it is mended
$sim->fault(match => { path => '/submit/' }, action => 'status', status => 404, times => 0, @{ $says{'by a page'} });
my @waiting = queue(map { form("waits$_") } 1 .. 3);
wait_until(sub { lane() eq 'MISDIRECTED' }, 'the lane to be MISDIRECTED', 60);
is(ask("SELECT count(*) FROM hubspot.result WHERE id IN (" . join(',', @waiting) . ')'), 0, 'nobody has the path: no row ends');
$sim->clear_faults;
$node->reload;
wait_drained($node, 'postgres');
is(join(' ', map { row($_, 'verdict') } @waiting), 'delivered delivered delivered', 'mended: all are delivered');

# The same at an address that is new to the worker
$sim->fault(match => { path => '/submit/' }, action => 'status', status => 404, times => 0, @{ $says{'by a page'} });
$node->restart;
my ($first) = queue(form('first'));
wait_until(sub { lane() eq 'MISDIRECTED' }, 'the lane to be MISDIRECTED', 60);
is(row($first, 'state'), 'waiting', 'the first of all waits');
$sim->clear_faults;
$node->reload;
wait_drained($node, 'postgres');
is(row($first, 'verdict'), 'delivered', 'and is delivered');

done_testing();
