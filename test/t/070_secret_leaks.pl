# The token is in its file and in the worker, and nowhere else.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $secret = 'pat-na1-UNMISTAKABLE-0123456789';
my $sim = start_simulator(token => $secret);
my $node = hubspot_cluster('secrets', tokens => { crm => $secret },
	conf => "log_min_messages = debug5\nlog_statement = all\nlog_error_verbosity = verbose\nhubspot.timeout = '2s'");
create_account($node, 'postgres', 'crm', $sim);
my $directory = $node->basedir . '/secrets';

sub ask { return $node->safe_psql('postgres', shift) }

# Success, refusal, faults, reloads
ask(q{SELECT hubspot_identify('{"email": "ada@example.com"}')});
wait_drained($node, 'postgres');
$sim->fault(match => { path => 'upsert' }, action => $_) for qw(truncate garbage reset);
ask(q{SELECT hubspot_identify('{"email": "bob@example.com"}')});
wait_drained($node, 'postgres');
$sim->config(tokens => ['another']);
ask(q{SELECT hubspot_identify('{"email": "cyd@example.com"}')});
wait_until(sub { ask('SELECT state FROM hubspot.status') eq 'UNAUTHORIZED' }, 'the token to be refused');
wait_until(sub { ask('SELECT max(length(token_fingerprint)) FROM hubspot.account') eq '16' }, 'the fingerprint');
pass('a fingerprint is shown');

# Files that will not do
my %files = (
	'no file' => [ sub { unlink "$directory/crm" }, qr/there is no file "crm"/ ],
	'readable by others' => [ sub { write_token($node, 'crm', $secret); chmod 0644, "$directory/crm" }, qr/too wide permissions/ ],
	'two lines' => [ sub { write_token($node, 'crm', "$secret\nmore") }, qr/one line/ ],
	'too long' => [ sub { write_token($node, 'crm', 'x' x 5000) }, qr/longer than 4096/ ],
	'a link out of the directory' => [ sub { my $out = $node->basedir . '/outside'; PostgreSQL::Test::Utils::append_to_file($out, $secret); chmod 0600, $out; unlink "$directory/crm"; symlink $out, "$directory/crm" }, qr/leads out/ ]);
for my $name (sort keys %files)
{
	my ($make, $reason) = @{ $files{$name} };
	$make->();
	$node->reload;
	my $seen = '';
	wait_until(sub { $seen = ask("SELECT coalesce(reason, '') FROM hubspot.status"); $seen =~ $reason }, sub { "$name, now: $seen" });
	pass("$name: $seen");
	unlink "$directory/crm";
}
write_token($node, 'crm', $secret);
$sim->config(tokens => [$secret]);
$node->reload;
wait_drained($node, 'postgres');

# Look everywhere
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dumpall', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump everything');
unlike(slurp_file($dump), qr/UNMISTAKABLE/, 'not in a dump');
for my $relation (split /\n/, ask("SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'hubspot'::regnamespace AND c.relkind IN ('r', 'v', 'p')"))
{
	is(ask("SELECT count(*) FROM $relation x WHERE x::text LIKE '%UNMISTAKABLE%'"), '0', "not in $relation");
}
is(ask("SELECT count(*) FROM pg_settings s WHERE s::text LIKE '%UNMISTAK' || 'ABLE%'"), '0', 'not in pg_settings');
is(ask("SELECT count(*) FROM pg_stat_activity a WHERE a::text LIKE '%UNMISTAK' || 'ABLE%'"), '0', 'not in pg_stat_activity');
is(ask("SELECT count(*) FROM pg_foreign_server s WHERE s::text LIKE '%UNMISTAKABLE%'"), '0', 'not in the SERVER');
$node->stop;
my @leaks = grep { /UNMISTAKABLE/ && !/LIKE '%UNMISTAKABLE%'/ } split /\n/, slurp_file($node->logfile);
is(scalar @leaks, 0, 'not in the log, at its most talkative') or diag(@leaks[0 .. 2]);

done_testing();
