# Twenty types of records, three of them custom: what changes goes out a hundred to a request, and
# HubSpot has what the tables have.  RECORDS=N changes how many there are of each type.
use strict;
use warnings;

use HubSpotTest;
use JSON::PP ();
use Test::More;

my $each = $ENV{RECORDS} || 200;
my %needs = (
	deal => [ '0-3', { dealname => 'Name %s', dealstage => 'closedwon', amount => '%s' } ],
	ticket => [ '0-5', { subject => 'Name %s', hs_pipeline_stage => '1' } ],
	product => [ '0-7', { name => 'Name %s', price => '%s', hs_sku => 'SKU %s', description => 'D', hs_folder => 'F' } ],
	quote => [ '0-14', { hs_title => 'Name %s', hs_expiration_date => '2027-01-31' } ],
	order => [ '0-123', { hs_order_name => 'Name %s' } ],
	cart => [ '0-142', { hs_cart_name => 'Name %s' } ],
	invoice => [ '0-53', { hs_currency => 'EUR', hs_comments => 'Name %s' } ],
	payment => [ '0-101', { hs_initial_amount => '%s', hs_initiated_date => '2026-11-30T10:00:00.000Z' } ],
	subscription => [ '0-69', { hs_name => 'Name %s' } ],
	appointment => [ '0-421', { hs_appointment_name => 'Name %s' } ],
	service => [ '0-162', { hs_name => 'Name %s', hs_pipeline => '740300', hs_pipeline_stage => '740302' } ],
	course => [ '0-410', { hs_course_name => 'Name %s' } ],
	listing => [ '0-420', { hs_name => 'Name %s' } ],
	project => [ '0-970', { hs_name => 'Name %s', hs_pipeline => '740600', hs_pipeline_stage => '740601' } ],
	task => [ '0-27', { hs_timestamp => '2026-11-30T10:00:00.000Z', hs_task_subject => 'Name %s' } ],
	note => [ '0-46', { hs_timestamp => '2026-11-30T10:00:00.000Z', hs_note_body => 'Name %s' } ],
	call => [ '0-48', { hs_timestamp => '2026-11-30T10:00:00.000Z', hs_call_title => 'Name %s' } ],
);
my $sim = start_simulator(config => { burst_limit => 10000, activated => undef });
for my $name (qw(car boat plane))
{
	my $schema = $sim->add_schema(name => $name, requiredProperties => ['model'], properties => [ { name => 'model' } ]);
	$needs{ $schema->{objectTypeId} } = [ $schema->{objectTypeId}, { model => 'Name %s' } ];
}
my @objects = sort keys %needs;
is(scalar @objects, 20, 'so many types');
$sim->add_property($needs{$_}[0], name => 'own_ref', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true) for @objects;
my $node = hubspot_cluster('twenty');
create_account($node, 'postgres', 'crm', $sim, id_properties => join(', ', map { "$_=own_ref" } @objects));

sub ask { return $node->safe_psql('postgres', shift) }

sub writes { return scalar grep { $_->{method} eq 'POST' && $_->{path} =~ m{/batch/(?:upsert|create|update)$} } $sim->requests }

# All that is queued goes out, and nothing of it fails.
sub sent
{
	my ($what) = @_;

	resume_delivery($node);
	wait_drained($node, 'postgres');
	is(ask(q{SELECT DISTINCT verdict, category FROM hubspot.outbox_status}), 'delivered|', "$what: all are delivered");
}

# Each row of the table is a record of its type, each record is a row.
sub equal
{
	my ($what) = @_;
	my @there = map { my $object = $_; map { { object => $object, id => $_->{properties}{own_ref}, properties => $_->{properties} } } $sim->records($needs{$object}[0]) } @objects;
	my $json = JSON::PP->new->canonical->encode(\@there);

	is(ask("WITH there AS (SELECT * FROM jsonb_to_recordset(\$j\$$json\$j\$) AS r(object text, id text, properties jsonb))
		SELECT count(*), count(*) FILTER (WHERE there.properties \@> thing.properties) FROM thing FULL JOIN there USING (object, id)"),
		@objects * $each . '|' . @objects * $each, "$what: HubSpot has what the table has");
}

my $values = join ', ', map { "('$_', '" . JSON::PP->new->canonical->encode($needs{$_}[1]) . "')" } @objects;
ask("CREATE TABLE thing (object text, id text, properties jsonb, PRIMARY KEY (object, id));
	INSERT INTO thing SELECT o, o || ' ' || i, replace(p, '%s', i::text)::jsonb FROM (VALUES $values) v(o, p), generate_series(1, $each) i");
stop_delivery($node);
ask(q{SELECT count(hubspot_record(object, jsonb_build_object('id', id, 'properties', properties))) FROM thing});
sent('new');
my $new = writes();
cmp_ok($new, '<=', @objects * $each / 100, 'at most a request for a hundred new records') or diag "$new requests";
equal('new');

# Some change, of every type
stop_delivery($node);
ask(q{UPDATE thing SET properties = replace(properties::text, 'Name ', 'New name ')::jsonb WHERE object <> 'payment';
	UPDATE thing SET properties = properties || '{"hs_initial_amount": "0.5"}' WHERE object = 'payment'});
ask(q{SELECT count(hubspot_record(object, jsonb_build_object('id', id, 'properties', properties))) FROM thing});
sent('changed');
my $changed = writes() - $new;
cmp_ok($changed, '<=', @objects * $each / 100, 'at most a request for a hundred changed records') or diag "$changed requests";
equal('changed');

# What nobody uses is not read
my %read = map { $_ => 1 } map { $_->{path} =~ m{/properties(?:/2026-\d+)?/([^/?]+)} } $sim->requests;
is(scalar(grep { /^(?:leads|0-136|line_items|0-8)$/ } keys %read), 0, 'properties of other types are not read');

done_testing();
