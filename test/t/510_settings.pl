# Whatever the owner of a database or a session sets, what the extension promises holds:
# all settings that a user may change are tried at both ends of their range, with
# ALTER DATABASE, so that the worker, the refresher and every session start with them.
# Then a call, a sync, a refresh, every view and hubspot_health() work.
use strict;
use warnings;

use HubSpotCatalog;
use HubSpotTest;
use Test::More;

my $sim = start_simulator();
my $node = hubspot_cluster('settings');
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE DATABASE tenant OWNER mallory');
create_account($node, 'tenant', 'crm', $sim);
$node->safe_psql('tenant', 'GRANT USAGE ON FOREIGN SERVER crm TO mallory; GRANT CREATE ON SCHEMA public TO mallory');
my @views = relations_of_extension($node, 'tenant', 'v');

# What makes an ordinary session impossible, and is meant to: a session of ours sets it back.
my @stops_sessions = qw(statement_timeout lock_timeout transaction_timeout idle_session_timeout idle_in_transaction_session_timeout
  default_transaction_read_only restrict_nonsystem_relation_kind exit_on_error);

# Texts that a setting may be set to; the others are left as they are.
my %texts = (
	search_path => 'public, pg_catalog', DateStyle => 'SQL, DMY', TimeZone => 'Asia/Kathmandu', timezone_abbreviations => 'Australia',
	client_encoding => 'LATIN1', default_tablespace => 'pg_default', temp_tablespaces => 'pg_default', default_table_access_method => 'heap',
	lc_time => 'C', lc_numeric => 'C', lc_monetary => 'C', default_text_search_config => 'pg_catalog.simple', application_name => 'mine',
	restrict_nonsystem_relation_kind => 'view, foreign-table', 'plpgsql.extra_errors' => 'all', 'plpgsql.extra_warnings' => 'all',
	createrole_self_grant => 'set, inherit', 'hubspot.server' => 'crm', transaction_isolation => 'serializable',
);

# Rounds: each setting at the one end of what it may be, and at the other.
sub values_of
{
	my ($end) = @_;
	my %values = %texts;
	for my $row (ask_safely($node, 'postgres', "SELECT name, vartype, boot_val, min_val, max_val, array_to_string(enumvals, ',') FROM pg_settings WHERE context = 'user'"))
	{
		my ($name, $type, $boot, $min, $max, $words) = @$row;
		my @words = split /,/, $words // '';
		$values{$name} =
			$type eq 'bool' ? ($boot eq 'on' ? 'off' : 'on')
		  : $type eq 'enum' ? $words[ $end == 0 ? 0 : -1 ]
		  : $type eq 'string' ? $values{$name}
		  : $end == 1 ? $max
		  # 0 and -1 are mostly "off"
		  : $name =~ /timeout$/ ? 1 : $min;
	}
	delete $values{$_} for grep { !defined $values{$_} } keys %values;
	return \%values;
}

my $tried = 0;

# Set by the owner, where that is allowed to him; the worker and the refresher start anew.
sub set_by_owner
{
	my ($values, $as) = @_;
	$node->safe_psql('postgres', 'ALTER DATABASE tenant RESET ALL');
	my $sql = join '', "DO 'BEGIN END';\n", map { my $value = $values->{$_} =~ s/'/''/gr; "ALTER DATABASE tenant SET $_ = " . (/^(search_path|DateStyle|temp_tablespaces)$/ ? $value : "'$value'") . ";\n" } sort keys %$values;
	my ($status, $out, $error) = $node->psql('postgres', $sql, on_error_stop => 0, extra_params => [ '-U', $as // 'mallory' ]);
	my @refused = $error =~ /ERROR:  (.*)/g;
	note join "\n", @refused;
	$tried += keys(%$values) - @refused;
	my $count = $node->safe_psql('postgres', "SELECT coalesce(max(cardinality(setconfig)), 0) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase WHERE d.datname = 'tenant'");
	$node->safe_psql('postgres', "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE datname = 'tenant' AND backend_type LIKE 'hubspot%'");
	return $count;
}

# A session has the database's settings, but for those that forbid it to do anything.
sub session
{
	my ($sql, %options) = @_;
	my $back = join ' ', map { my ($value) = /timeout/ ? 0 : /relation_kind/ ? '' : 'off'; "-c $_=$value" } @{ $options{back} // [] };
	local $ENV{PGOPTIONS} = $back;
	my ($status, $out, $error) = $node->psql('tenant', $sql, on_error_stop => 0, extra_params => [ '-U', $options{role} // 'postgres' ]);
	return ($out, join '', map { "$_\n" } $error =~ /((?:ERROR|FATAL|PANIC): .*)/g);
}

my @known = map { $_->[0] } ask_safely($node, 'postgres', 'SELECT name FROM pg_settings');
my %known = map { $_ => 1 } @known;
my @back = grep { $known{$_} } @stops_sessions;
sub answer { return (ask_safely($node, 'postgres', shift))[0]->[0] }

# All that is promised, with what is set in this round; n tells the rounds apart.
my $n = 0;
sub holds
{
	my ($what, %options) = @_;
	my @session = (back => \@back, %options);
	$n++;
	my ($out, $error) = session(<<"END", @session);
		SELECT hubspot_identify(\$j\${"userId": "call$n\@example.com", "traits": {"firstName": "back\\\\slash"}}\$j\$);
		DROP TABLE IF EXISTS people$n;
		CREATE TABLE people$n (id int PRIMARY KEY, email text, at timestamptz, "odd \\ name" text);
		INSERT INTO people$n VALUES (1, 'row$n\@example.com', now(), 'x');
		SELECT hubspot_sync('people$n', 'people$n', key => 'email', mapping => \$j\${"email": "email", "firstname": "odd \\\\ name"}\$j\$);
		INSERT INTO people$n VALUES (2, 'later$n\@example.com', now(), NULL);
		SELECT hubspot_audience('audience$n', 'SELECT email FROM people$n', every => '1 second', property => 'audience$n', create_in_hubspot => true);
		SELECT hubspot_refresh('audience$n');
		SELECT hubspot_sync('compared$n', 'SELECT * FROM people$n', key => 'email', mapping => '{"email": "email", "lastname": "id"}', every => '1 second', max_shrink => 1);
END
	is($error, '', "$what: a call, a followed table, an audience, its refresh");
	($out, $error) = session(join('', map { "TABLE $_;\n" } @views) . 'SELECT count(*) FROM hubspot.syncs; SELECT count(*) FROM hubspot_explain_backlog();'
		. "SELECT * FROM hubspot_sync_preview('people$n', mapping => '{\"email\": \"email\"}'); SELECT hubspot_map('t$n', 'firstname'); SELECT hubspot_unmap('t$n');"
		. "SELECT hubspot_cancel(server => 'crm', key => 'nobody'); SELECT hubspot_retry(server => 'crm'); SELECT hubspot_replay('yesterday', 'yesterday');"
		. "SELECT hubspot_forget_confirmed('crm'); SELECT hubspot_explain('identify', '{\"email\": \"a\@example.com\"}'); SELECT hubspot_refresh_schema();",
		@session, role => 'postgres');
	is($error, '', '... ' . @views . ' views and the functions of the operator');
	my $arrived = eval {
		wait_until(sub { $sim->contact("call$n\@example.com") && $sim->contact("row$n\@example.com") && $sim->contact("later$n\@example.com") }, 'the contacts');
		wait_until(sub { ($sim->contact("row$n\@example.com")->{properties}{lastname} // '') eq '1' }, 'the compared sync');
	};
	ok($arrived, '... worker and refresher work') or diag session("TABLE hubspot.status; SELECT name, state, problem FROM hubspot.syncs; SELECT * FROM hubspot_health(); TABLE hubspot.workers", @session, role => 'postgres');
	becomes(sub { join '', session('SELECT * FROM hubspot_health()', @session, role => 'postgres') }, '', '... and hubspot_health() is well');
	session("SELECT hubspot_drop_sync('people$n'); SELECT hubspot_drop_sync('audience$n'); SELECT hubspot_drop_sync('compared$n'); DROP TABLE people$n", @session);
}

my $count = set_by_owner(values_of(0));
cmp_ok($count, '>', 80, "$count settings are set by the owner of the database");
holds('lowest values');
$count = set_by_owner(values_of(1));
cmp_ok($count, '>', 80, "$count settings");
holds('highest values');

# those of the review that are neither
set_by_owner({ standard_conforming_strings => 'off', backslash_quote => 'on', escape_string_warning => 'off', bytea_output => 'escape',
	IntervalStyle => 'sql_standard', default_transaction_isolation => 'serializable', extra_float_digits => '-15', xmlbinary => 'hex',
	plan_cache_mode => 'force_generic_plan', client_min_messages => 'error', 'hubspot.on_invalid' => 'record' });
holds('strings with backslashes');

# what only a superuser may set, or may allow
set_by_owner({ session_replication_role => 'replica', lc_messages => 'C', log_statement => 'all', zero_damaged_pages => 'on', jit => 'on', exit_on_error => 'on' }, 'postgres');
holds('as a replica');

# the identity
set_by_owner({ role => 'mallory', session_authorization => 'mallory' });
my ($out, $error) = session(q{SELECT hubspot_identify('{"userId": "role@example.com"}')}, role => 'mallory');
ok(wait_until(sub { $sim->contact('role@example.com') }, 'the worker whose database has a role'), 'ALTER DATABASE ... SET role does not change who the worker is');
note "$tried settings tried";
done_testing();
