# Who sees what: the tables of docs/security.md against the catalogs, role by role and column
# by column, and recognizable secrets as data, in HubSpot's errors and in errors of
# queries: nobody finds one who may not, in a column, a result, an error or a warning.
use strict;
use warnings;

use HubSpotCatalog;
use HubSpotTest;
use Test::More;

my $sim = start_simulator();
my $node = hubspot_cluster('roles');
sub ask { return $node->safe_psql('tenants', shift) }

$node->safe_psql('postgres', <<'END');
	CREATE ROLE dbowner LOGIN; CREATE ROLE watcher LOGIN; CREATE ROLE caller LOGIN; CREATE ROLE definer LOGIN; CREATE ROLE stranger LOGIN; CREATE ROLE support LOGIN;
	GRANT pg_monitor TO watcher;
	CREATE DATABASE tenants OWNER dbowner;
END
create_account($node, 'tenants', 'crm', $sim);
ask(<<'END');
	GRANT USAGE ON FOREIGN SERVER crm TO caller, definer;
	GRANT USAGE ON SCHEMA hubspot TO support;
	GRANT SELECT ON hubspot.outbox_status, hubspot.failures TO support;
	GRANT EXECUTE ON FUNCTION hubspot.flight_report() TO support;
	GRANT CREATE ON SCHEMA public TO definer;
END
my @roles = qw(dbowner watcher caller definer stranger support);

#
# The tables of the page
#
my $page = do { open my $in, '<', 'docs/security.md' or die "docs/security.md: $!"; local $/; <$in> };

# Rows of the first table of a section, as lists of cells.
sub rows_of
{
	my ($section) = @_;
	my ($text) = $page =~ /^### \Q$section\E\n(.*?)(?=^#)/ms or die "no section $section";
	my ($table) = $text =~ /((?:^\|.*\n)+)/m;
	my @rows = map { [ map { s/^\s+|\s+$//gr } (split /\|/)[ 1 .. 3 ] ] } split /\n/, $table;
	return @rows[ 2 .. $#rows ];
}
sub words { return $_[0] =~ /`([^`]+)`/g }

my %watched;    # relation => 1 for all columns, or a hash of them
for my $row (rows_of('Tables and views'))
{
	my ($relations, $columns) = @$row;
	for my $relation (words($relations))
	{
		$watched{$relation} = $columns eq 'all columns' ? 1 : { map { $_ => 1 } words($columns) };
	}
}
my (%everybody, %monitor);
for my $row (rows_of('Functions'))
{
	my ($who, $functions) = @$row;
	$everybody{$_} = 1 for $who =~ /^everybody/ ? words($functions) : ();
	$monitor{$_} = 1 for $who eq '`pg_monitor`' ? words($functions) : ();
}

my %of_support = map { $_ => 1 } qw(outbox_status failures);
my @wrong;
my ($columns, $functions) = (0, 0);
my %named;
my $roles = join ', ', map { "'$_'" } @roles;
for my $row (ask_safely($node, 'tenants', <<"END"))
	SELECT r.rolname, c.relname, a.attname,
		has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT'),
		has_schema_privilege(r.oid, n.oid, 'USAGE') AND (has_column_privilege(r.oid, c.oid, a.attnum, 'INSERT, UPDATE, REFERENCES') OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER'))
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped,
		pg_roles r
	WHERE n.nspname = 'hubspot' AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND r.rolname IN ($roles)
END
{
	my ($role, $relation, $column, $reads, $writes) = @$row;
	my $watched = $watched{$relation} // {};
	my $may = $role eq 'watcher' ? (ref $watched ? $watched->{$column} : 1) : $role eq 'support' && $of_support{$relation};
	$columns++;
	$named{"$relation.$column"} = 1;
	push @wrong, "$role " . ($reads eq 't' ? 'reads' : 'does not read') . " $relation.$column" if ($reads eq 't') != !!$may;
	push @wrong, "$role writes $relation.$column" if $writes eq 't';
}
is(join("\n", @wrong), '', "$columns columns of " . @roles . ' roles are as docs/security.md says');
for my $relation (sort keys %watched)
{
	fail("docs/security.md names $relation.$_, which is not there")
	  for grep { !$named{"$relation.$_"} } ref $watched{$relation} ? sort keys %{ $watched{$relation} } : ();
}

@wrong = ();
%named = ();
for my $row (ask_safely($node, 'tenants', <<"END"))
	SELECT r.rolname, CASE n.nspname WHEN 'hubspot' THEN 'hubspot.' ELSE '' END || p.proname,
		has_schema_privilege(r.oid, n.oid, 'USAGE') AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
	FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'hubspot'
	JOIN pg_namespace n ON n.oid = p.pronamespace, pg_roles r
	WHERE r.rolname IN ($roles)
END
{
	my ($role, $function, $calls) = @$row;
	my $in_hubspot = $function =~ /^hubspot\./;
	my $may = $everybody{$function} && (!$in_hubspot || $role =~ /^(watcher|support)$/) || $role eq 'watcher' && $monitor{$function}
	  || $role eq 'support' && $function eq 'hubspot.flight_report';
	$functions++;
	$named{$function} = 1;
	push @wrong, "$role may " . ($calls eq 't' ? '' : 'not ') . "call $function" if ($calls eq 't') != !!$may;
}
is(join("\n", @wrong), '', "$functions functions of " . @roles . ' roles are as docs/security.md says');
is(join(', ', grep { !$named{$_} } sort(keys %everybody, keys %monitor)), '', '... which names none that is not there');

# A view calls its functions with the rights of who reads it: docs/reference-tables-and-views.md says which.
my %needed;
for (split /\n/, PostgreSQL::Test::Utils::slurp_file('docs/reference-tables-and-views.md'))
{
	my ($views, $called) = /^\| (`\w+`(?:, `\w+`)*) \| (`hubspot\.\w+_report\(\)`.*) \|$/ or next;
	$needed{$_} = join ' ', sort $called =~ /`hubspot\.(\w+)/g for $views =~ /`(\w+)`/g;
}
my $calls = ask(<<'END');
	WITH RECURSIVE uses AS (
		SELECT v.oid AS view, d.refclassid, d.refobjid FROM pg_class v JOIN pg_rewrite r ON r.ev_class = v.oid
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refobjid <> v.oid
		WHERE v.relnamespace = 'hubspot'::regnamespace AND v.relkind = 'v'
	UNION
		SELECT u.view, d.refclassid, d.refobjid FROM uses u JOIN pg_rewrite r ON u.refclassid = 'pg_class'::regclass AND r.ev_class = u.refobjid
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refobjid <> r.ev_class)
	SELECT c.relname || ': ' || string_agg(p.proname, ' ' ORDER BY p.proname) FROM uses u JOIN pg_class c ON c.oid = u.view
	JOIN pg_proc p ON u.refclassid = 'pg_proc'::regclass AND p.oid = u.refobjid AND NOT has_function_privilege('stranger', p.oid, 'EXECUTE')
	WHERE p.pronamespace = 'hubspot'::regnamespace GROUP BY c.relname ORDER BY 1
END
is($calls, join("\n", map { "$_: $needed{$_}" } sort keys %needed), 'docs/reference-tables-and-views.md names the functions that views need');

#
# Secrets as data
#
ask(<<'END');
	SELECT hubspot_identify('{"userId": "zecret-one@example.com", "traits": {"firstName": "Zecretname", "zecret trait": 1}}');
	SELECT hubspot_group('{"groupId": "zecret.example.com", "userId": "zecret-one@example.com", "traits": {"name": "Zecret", "website": "zecret.com"}}');
	SELECT hubspot_audience('others', $$SELECT 'zecret-member@example.com'$$, create_in_hubspot => true);
	SELECT hubspot_refresh('others');
END
wait_drained($node, 'tenants');
wait_until(sub { ask('SELECT count(*) FROM hubspot.unknown_property') ne '0' }, 'the name of the trait to be written down');
# a trait that is mapped before its call is read is not unknown
ask(q{SELECT hubspot_map('zecret trait', 'firstname')});
# HubSpot quotes the address in the answer to a whole batch, in a category that is none, and in what says why an account waits
$sim->fault(match => { path => 'batch/upsert', record => 'zecret-bad' }, times => 1, action => 'status', status => 400,
	body => { status => 'error', category => 'zecret category', message => 'Email address zecret-quoted@example.com is invalid' });
$sim->fault(match => { path => 'batch/upsert', record => 'zecret-worse' }, times => 1, action => 'status', status => 400,
	body => { status => 'error', category => 'VALIDATION_ERROR', message => 'Email address zecret-quoted@example.com is invalid', errors => [ { message => 'zecret', code => 'zecret code' } ] });
ask(q{SELECT hubspot_identify('{"userId": "zecret-bad@example.com", "traits": {"firstName": "B"}}')});
wait_drained($node, 'tenants');
ask(q{SELECT hubspot_identify('{"userId": "zecret-worse@example.com", "traits": {"firstName": "B"}}')});
wait_drained($node, 'tenants');
ask(q{SET hubspot.on_invalid = 'record'; SELECT hubspot_identify('{"userId": 1, "email": "zecret bad address"}')});
wait_drained($node, 'tenants');
# errors of queries that quote what they met
$node->safe_psql('tenants', <<'END', extra_params => [ '-U', 'definer' ]);
	CREATE TABLE bad AS SELECT 'zecret-value' AS value;
	SELECT hubspot_trait('fails', $$SELECT 'a@example.com', value::int FROM bad$$, every => '1 second', create_in_hubspot => true);
	CREATE TYPE odd AS ENUM ('zecret-odd');
	CREATE FUNCTION odd_json(odd) RETURNS json LANGUAGE plpgsql IMMUTABLE AS $$ BEGIN RAISE EXCEPTION 'no json of %', $1; END $$;
	CREATE CAST (odd AS json) WITH FUNCTION odd_json;
	CREATE TABLE people (id int PRIMARY KEY, email text, odd odd);
	INSERT INTO people VALUES (1, 'zecret-two@example.com', 'zecret-odd');
	SELECT hubspot_sync('fills', 'people', key => 'email', mapping => '{"email": "email", "firstname": "odd"}');
END
wait_until(sub { ask("SELECT count(*) FROM hubspot.sync_state WHERE error LIKE '%zecret%'") eq '2' },
	sub { 'the errors: ' . ask('SELECT name, state, problem FROM hubspot.syncs') });
$sim->fault(match => { path => 'batch/upsert' }, times => 0, action => 'status', status => 503, body => { status => 'error', category => 'BUSY', message => 'busy with zecret-three@example.com' });
my $id = ask(q{SELECT hubspot_identify('{"userId": "zecret-waits@example.com", "traits": {"firstName": "W"}}')});
wait_until(sub { ask("SELECT count(*) FROM hubspot.status s JOIN hubspot.rate_limits r USING (server, lane) WHERE s.reason LIKE '%zecret%' AND r.reason LIKE '%zecret%'") eq '1' },
	sub { 'the reason: ' . ask('TABLE hubspot.status; TABLE hubspot.rate_limits') });

# All that a role can get out of the extension: texts by what they come from.
my @relations = map { $_->[0] } ask_safely($node, 'tenants', "SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'hubspot'::regnamespace AND c.relkind IN ('r', 'p', 'v') ORDER BY 1");
my %columns_of;
push @{ $columns_of{ $_->[0] } }, $_->[1] for ask_safely($node, 'tenants', "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE c.relnamespace = 'hubspot'::regnamespace AND c.relkind IN ('r', 'p', 'v') ORDER BY 1, a.attnum");
my $account = ask("SELECT oid FROM pg_foreign_server WHERE srvname = 'crm'");
my $message = q{'{"userId": "ada@example.com", "event": "e", "groupId": "g", "formId": "f", "fields": [], "traits": {"website": "a.example.com"}}'};
my @calls = grep { !/hubspot_(drop_sync|resync|arm|alter_owner)\b/ } calls_of_functions($node, 'tenants', {
	server => "'crm'", name => "'others'", id => $id, bigint => 1, message => $message, messages => "ARRAY[$message]", call => "'identify'", object => "'contact'",
	key => "'ada\@example.com'", lane => "'contacts'", deadline => "'1 hour'", timeout => "'50 ms'", interval => "'1 hour'", query => q{$$SELECT 'ada@example.com'$$},
	source => q{$$SELECT 'ada@example.com' AS email$$}, mapping => q{'{"email": "email"}'}, mode => "'upsert'", deletes => "'ignore'", level => "'user'", outputs => "'{property}'",
	property => "'others'", list => "'l'", sync => 1, boolean => 'false', since => "'yesterday'", until => "'tomorrow'", text => "'contact'", oid => $account, real => 1, });
s/'crm'::pg_catalog\.oid/$account\::pg_catalog.oid/g for @calls;

sub found_by
{
	my ($role) = @_;
	my @parts = (
		(map { my $relation = $_; map { [ "hubspot.$relation.$_", "SELECT \"$_\" FROM hubspot.$relation" ] } @{ $columns_of{$relation} } } @relations),
		(map { [ "hubspot.$_", "TABLE hubspot.$_" ] } @relations),
		(map { [ s/^SELECT \* FROM ([^(]*).*/$1()/sr, $_ ] } @calls));
	my $sql = join '', "\\set VERBOSITY verbose\n\\set SHOW_CONTEXT always\n", map { "\\echo \x01$_->[0]\n\\warn \x01$_->[0]\nBEGIN; SET LOCAL statement_timeout = '3s'; $_->[1]; ROLLBACK;\n" } @parts;
	my ($status, $out, $error) = $node->psql('tenants', $sql, on_error_stop => 0, extra_params => [ '-U', $role ]);
	my %found;
	for my $text ($out, $error)
	{
		for my $part (split /\x01/, $text)
		{
			my ($name, $rest) = split /\n/, $part, 2;
			# psql repeats the statement that failed
			$found{$name} = $rest if defined $rest && $rest =~ /zecret/i;
		}
	}
	return scalar(@parts), \%found;
}

# What processes without a client write into the log is ours; PostgreSQL logs the statements of sessions whole.
my @logged = grep { /^\S+ \S+ \S+ \[\d+\] [A-Z]+: / } split /\n/, PostgreSQL::Test::Utils::slurp_file($node->logfile);
ok((grep { /state BACKOFF/ } @logged) && (grep { /SQLSTATE 22P02/ } @logged), 'the log tells of the account and of the query');
is(join("\n", grep { /zecret/i } @logged), '', '... and quotes neither');

my ($parts, $found) = found_by('postgres');
my @must = qw(hubspot.outbox.message hubspot.result.message hubspot.requests.error hubspot.status.reason hubspot.rate_limits.reason hubspot.lane_report() hubspot.syncs.problem
  hubspot.backfills.error public.hubspot_health() hubspot.failures.message hubspot.members.key hubspot.unknown_property.name);
is(join(', ', grep { !$found->{$_} } @must), '', 'the owner of the extension finds the secrets in ' . keys(%$found) . " of $parts places");
for my $role (qw(dbowner watcher caller stranger definer))
{
	($parts, $found) = found_by($role);
	is(join("\n", map { "$_: $found->{$_}" } sort keys %$found), '', "$role finds none, in $parts places");
}
my ($shown, $error);
(undef, $shown, $error) = $node->psql('tenants', join('', map { my $columns = ref $watched{$_} ? join ', ', sort keys %{ $watched{$_} } : '*'; "SELECT $columns FROM hubspot.$_;\n" } sort keys %watched)
	  . 'SELECT * FROM hubspot_health(); SELECT * FROM hubspot_explain_backlog()', on_error_stop => 0, extra_params => [ '-U', 'watcher' ]);
is($error, '', 'who watches can read all that is his');
(undef, $shown) = $node->psql('tenants', q{SELECT * FROM hubspot.requests; SELECT * FROM hubspot_health(); SELECT problem FROM hubspot.syncs; SELECT error FROM hubspot.backfills; TABLE hubspot.status}, extra_params => [ '-U', 'watcher' ]);
like($shown, qr/HubSpot answered with status 400/, 'who watches sees our words');
like($shown, qr/VALIDATION_ERROR/, '... and the category');
like($shown, qr/SQLSTATE 22P02/, '... and the SQLSTATE of an error');
ask('GRANT SELECT ON hubspot.syncs TO definer, support; GRANT USAGE ON SCHEMA hubspot TO definer');
(undef, $shown) = $node->psql('tenants', q{SELECT problem FROM hubspot.syncs WHERE name = 'fails'}, extra_params => [ '-U', 'definer' ]);
like($shown, qr/zecret-value/, 'who owns a definition sees its error, when he may read the view');
(undef, $shown) = $node->psql('tenants', q{SELECT problem FROM hubspot.syncs WHERE name = 'fails'}, extra_params => [ '-U', 'support' ]);
like($shown, qr/zecret-value/, '... and so does who may read reasons');

done_testing();
