# The token is read from a file and shown nowhere; what is wrong with the file is.
use strict;
use warnings;

use Digest::SHA ();
use HubSpotTest;
use POSIX ();
use PostgreSQL::Test::Utils;
use Test::More;

# Long enough to be found also where it is cut, with letters that no id has.
my $token = 'pat-na1-zyxwvuts-UNMISTAKABLE-qponmlkj-TOKEN';
my @parts = ('zyxwvuts', 'UNMISTAKABLE', 'qponmlkj');
my $sim = start_simulator(token => $token, config => { burst_limit => 0 });
my $node = hubspot_cluster('secrets',
	tokens => { crm => $token },
	conf => qq{
shared_preload_libraries = '\$libdir/hubspot'
log_min_messages = debug5
log_statement = all
log_min_error_statement = debug5
log_error_verbosity = verbose
log_duration = on
debug_print_parse = on
hubspot.timeout = '1s'
});
create_account($node, 'postgres', 'crm', $sim);
my $secrets = $node->basedir . '/secrets';

sub ask { return $node->safe_psql('postgres', shift) }

sub queue
{
	my $name = shift;
	return ask(qq{SELECT hubspot_identify('{"email": "$name\@example.com"}')});
}

sub wait_reason
{
	my ($state, $reason, $what) = @_;
	my $seen = '';
	my $ok = eval {
		wait_until(sub { ($seen = ask(q{SELECT state || ': ' || reason FROM hubspot.status}) // '') =~ /^$state: .*$reason/ }, $what);
	};
	ok($ok, $what) or diag "hubspot.status says $seen";
}

#
# Use it in every way
#
queue('good');
wait_drained($node, 'postgres');
my %faults = (
	error => { action => 'html', status => 502, body => '<html>bad gateway</html>' },
	reset => { action => 'drop_before' },
	garbage => { action => 'garbage' },
	hang => { action => 'hang' },
	forbidden => { action => 'status', status => 403 },
	redirect => { action => 'status', status => 302, headers => { Location => 'http://127.0.0.1:1/x' } });
for my $name (sort keys %faults)
{
	$sim->fault(match => { path => 'batch/upsert' }, %{ $faults{$name} }, times => 1);
	queue($name);
	wait_until(sub { $sim->faults->{results}[0]{hits} == 1 && ask('SELECT count(*) FROM hubspot.request WHERE error IS NOT NULL') > 0 }, $name);
	wait_until(sub { ask(q{SELECT state NOT IN ('RUN', 'CONNECTING') FROM hubspot.status}) eq 't' || ask('SELECT count(*) FROM hubspot.backlog') eq '0' }, "a state after $name");
	$node->reload;
	wait_drained($node, 'postgres');
	$sim->clear_faults;
}
$sim->config(tokens => ['pat-na1-another']);
queue('refused');
wait_reason('UNAUTHORIZED', 'does not accept the token', '401 is told');
$sim->config(tokens => [$token]);
$node->reload;
wait_drained($node, 'postgres');

wait_until(sub { ask('SELECT count(*) FROM hubspot.account WHERE token_fingerprint IS NOT NULL') eq '1' }, 'the account to be written');
becomes(sub { ask('SELECT token_fingerprint FROM hubspot.rate_limits') }, substr(Digest::SHA::sha256_hex($token), 0, 16),
	'the views show a fingerprint');

# A session that is shown while requests hang
$sim->fault(match => { path => 'batch/upsert' }, action => 'hang', times => 0);
queue('hanging');
wait_until(sub { ask(q{SELECT count(*) FROM hubspot.outbox_status WHERE state = 'in_flight'}) eq '1' }, 'a request to hang');

#
# Look for it everywhere
#
my %places;
$places{'pg_stat_activity'} = ask('SELECT a::text FROM pg_stat_activity a');
$places{'pg_settings'} = ask('SELECT s::text FROM pg_settings s');
$places{'pg_foreign_server'} = ask('SELECT s::text FROM pg_foreign_server s');
$places{'pg_file_settings'} = ask('SELECT s::text FROM pg_file_settings s');
for my $relation (split /\n/, ask(q{SELECT oid::regclass FROM pg_class
	WHERE relnamespace = 'hubspot'::regnamespace AND relkind IN ('r', 'p', 'v', 'S', 'm')}))
{
	$places{$relation} = ask("SELECT row(x.*)::text FROM $relation x");
}
for my $function (split /\n/, ask(q{SELECT oid::regprocedure FROM pg_proc
	WHERE (pronamespace = 'hubspot'::regnamespace OR proname LIKE 'hubspot%') AND pronargs = 0
	AND proname ~ '(report|health)$'}))
{
	$places{$function} = ask("SELECT x::text FROM $function x");
}
$places{'ps'} = join '', grep { /postgres/ && !/simulator/ } `ps -eo args`;
$places{'pg_dumpall'} = do {
	my $file = PostgreSQL::Test::Utils::tempdir() . '/dump';
	$node->command_ok([ 'pg_dumpall', '-f', $file ], 'pg_dumpall');
	slurp_file($file);
};
cmp_ok(scalar(keys %places), '>', 40, 'enough places are looked at');
for my $place (sort keys %places)
{
	ok(length($places{$place}), 'there is something in it') if $place =~ /^(pg_|hubspot.outbox_status|hubspot.requests$|ps)/;
	my @found = grep { index($places{$place}, $_) >= 0 } @parts;
	is("@found", '', "not in $place");
}

$sim->clear_faults;
$node->restart;
wait_drained($node, 'postgres');

becomes(sub { ask(q{SELECT count(*) FROM hubspot_health() WHERE problem LIKE '%preloaded%'}) }, '0', 'a library that is preloaded by its path is preloaded');

#
# What is wrong with the file
#
my @wrongs = (
	[ 'readable by others', 'permissions', sub { chmod 0644, "$secrets/crm" } ],
	[ 'writable by the group', 'permissions', sub { chmod 0620, "$secrets/crm" } ],
	[ 'missing', 'no file "crm"', sub { unlink "$secrets/crm" } ],
	[ 'empty', 'is empty', sub { write_token($node, 'crm', '') } ],
	[ 'of two lines', 'more than one line', sub { write_token($node, 'crm', "$token\n$token") } ],
	[ 'of two lines of another system', 'more than one line', sub { write_token($node, 'crm', "$token\r\n$token\r\n") } ],
	[ 'with a byte-order mark', 'byte-order mark', sub { write_token($node, 'crm', "\xEF\xBB\xBF$token") } ],
	[ 'a header', '"Bearer"', sub { write_token($node, 'crm', "bearer $token") } ],
	[ 'with a space', 'a space in it', sub { write_token($node, 'crm', " $token") } ],
	[ 'with a letter of another alphabet', 'not printable ASCII', sub { write_token($node, 'crm', "$token\xC3\xA9") } ],
	[ 'too long', 'longer than', sub { write_token($node, 'crm', $token x 200) } ],
	[ 'a directory', 'regular file', sub { unlink "$secrets/crm"; mkdir "$secrets/crm" } ],
	[ 'a pipe', 'regular file', sub { rmdir "$secrets/crm"; POSIX::mkfifo("$secrets/crm", 0600) } ],
	[ 'a link out of the directory', 'leads out',
		sub {
			unlink "$secrets/crm";
			open my $file, '>', $node->basedir . '/outside'; print $file $token; close $file;
			chmod 0600, $node->basedir . '/outside';
			symlink $node->basedir . '/outside', "$secrets/crm";
		} ]);
for my $wrong (@wrongs)
{
	my ($what, $reason, $make) = @$wrong;
	$make->();
	$node->reload;
	wait_reason('UNAUTHORIZED', $reason, "a file that is $what is told");
	unlike(ask('SELECT reason FROM hubspot.status'), qr/$parts[0]|$parts[1]|$parts[2]/, 'without what it holds');
}
my $id = queue('mended');
unlink "$secrets/crm";
write_token($node, '..target', $token);
symlink '..target', "$secrets/crm";
$node->reload;
wait_drained($node, 'postgres');
is(ask("SELECT verdict FROM hubspot.outbox_status WHERE id = $id"), 'delivered', 'a link within the directory will do');

# Names of files that are not names
for my $name ('../x', 'a/b', '', 'A', 'x' x 100)
{
	my (undef, undef, $stderr) = $node->psql('postgres', "ALTER SERVER crm OPTIONS (SET secret '$name')");
	like($stderr, qr/ERROR/, "no secret is called \"" . substr($name, 0, 10) . '"');
}
my (undef, undef, $stderr) = $node->psql('postgres', q{
	CREATE ROLE plain; GRANT USAGE ON SCHEMA hubspot TO plain; SET ROLE plain;
	SHOW hubspot.secret_directory});
like($stderr, qr/must be superuser|permission denied/, 'the directory is not for everybody');

$node->stop;
my @found;
for my $file (split /\0/, `find '@{[$node->data_dir]}' '@{[$node->logfile]}' -type f -print0`)
{
	my $content = slurp_file($file);
	push @found, $file if grep { index($content, $_) >= 0 } @parts;
}
is("@found", '', 'not in any file of the server: data, WAL, log');
my $log = slurp_file($node->logfile);
like($log, qr/DEBUG.*\n/, 'the log was talkative');
unlike($log, qr/PANIC|TRAP|terminated by signal/, 'nothing crashed');
done_testing();
