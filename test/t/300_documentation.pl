# The examples of the documentation: each SQL block runs without an error, in
# the order of its page, on the tables that the pages speak of; a result that is
# shown behind it is what it returns last.
use strict;
use warnings;

use FindBin ();

use HubSpotTest;
use JSON::PP ();
use Test::More;

my $sim = start_simulator(config => { burst_limit => 100000 });
$sim->add_property($sim->add_schema(name => 'car')->{objectTypeId}, name => 'vin', type => 'string', fieldType => 'text', hasUniqueValue => JSON::PP::true);
my $node = hubspot_cluster('documentation', conf => "hubspot.on_invalid = 'auto'");

# Statements that need what is not here: pg_cron, another cluster, a package.
my $elsewhere = qr/cron\.|segment_messages|ALTER SYSTEM/;

sub text_of
{
	my ($page) = @_;
	open my $file, '<', $page or die "$page: $!";
	local $/;
	return <$file>;
}

# SQL, and the result that is shown for it or undef, in turn.
sub blocks
{
	my ($text) = @_;
	return $text =~ /^[ ]*```sql\n(.*?)^[ ]*```\n(?:\n```text\n(.*?)^```)?/msg;
}

# The rows of a result as psql prints it, as psql prints them unaligned.
sub shown_rows
{
	my (undef, undef, @rows) = split /\n/, shift;
	return join "\n", map { join '|', map { s/^\s+|\s+$//gr } split /\|/, $_, -1 } grep { !/^\(/ } @rows;
}

my $root = "$FindBin::Bin/../..";
for my $page ("$root/README.md", glob "$root/docs/*.md")
{
	my ($name) = $page =~ m{([^/]+)\.md$};
	my $text = text_of($page);
	my @blocks = blocks($text);
	my $database = lc $name =~ s/\W/_/gr;
	my $n = 0;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	create_account($node, $database, 'crm', $sim);
	# a page that makes its own tables gets none
	$node->safe_psql($database, q{
		CREATE TABLE accounts (id int PRIMARY KEY, name text, website text);
		CREATE TABLE customers (user_id text PRIMARY KEY, email text, first_name text, plan text, account_id int, city text, updated_at timestamptz);
		CREATE TABLE orders (user_id text, ordered_at timestamptz);
		CREATE TABLE visits (user_id text, path text);
		INSERT INTO customers VALUES ('u1', 'peter@example.com', 'Peter', 'free', 1)}) if $text !~ /^CREATE TABLE customers/m;
	while (my ($block, $result) = splice @blocks, 0, 2)
	{
		$n++;
		next if $block =~ $elsewhere;
		# what a page sets up once is there already
		$block =~ s/^ *(CREATE EXTENSION hubspot|CREATE SERVER crm\b.*?);//msg;
		my ($status, $out, $error) = $node->psql($database, $block);
		is($error =~ s/^psql:\S+ (?:NOTICE|WARNING).*\n?//mgr, '', "$name, example $n") or diag $block;
		next if !defined $result;
		my $rows = shown_rows($result);
		is(substr($out, -length $rows), $rows, "$name, example $n: the result") or diag $out;
	}
	$node->safe_psql('postgres', "DROP DATABASE $database WITH (FORCE)");
}

done_testing();
