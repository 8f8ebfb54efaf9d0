# HubSpotCatalog: the extension as the catalogs know it, for tests and lint that
# must cover a new function or view without anybody remembering.
#
#	use HubSpotCatalog;
#	my @calls = calls_of_functions($node, 'postgres', { name => "'crm'" });
#	my @foreign = catalog_findings($node, 'postgres');
#
# The statements look nothing up outside pg_catalog, so that they may be run in
# a database full of traps.
package HubSpotCatalog;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(ask_safely relations_of_extension calls_of_functions catalog_findings sql_words column_enums);

# What a statement says, with nothing but pg_catalog to be found: rows as arrays.
sub ask_safely
{
	my ($node, $database, $sql) = @_;
	my $out = $node->safe_psql($database, "SET search_path = pg_catalog, pg_temp;\n$sql;\n", extra_params => [ '-F', "\x1f", '-R', "\x1e" ]);
	return map { [ split /\x1f/, $_, -1 ] } split /\x1e/, $out;
}

# Names of the tables, views and sequences, qualified, partitions left out.
sub relations_of_extension
{
	my ($node, $database, $kinds) = @_;
	return map { $_->[0] } ask_safely($node, $database, <<"END");
		SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
		FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
		JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
		JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE e.extname = 'hubspot' AND d.deptype = 'e' AND c.relkind = ANY ('{$kinds}') AND NOT c.relispartition
		ORDER BY 1
END
}

# A call of each function that may be called, with NULLs and with samples: by the
# name of the argument, else by its type, else NULL.
sub calls_of_functions
{
	my ($node, $database, $samples) = @_;
	my @calls;
	for my $row (ask_safely($node, $database, <<'END'))
		SELECT pg_catalog.format('%I.%I', n.nspname, p.proname),
			(SELECT pg_catalog.string_agg(coalesce(a.name, '') || '=' || pg_catalog.format_type(a.type, NULL), ',' ORDER BY a.n)
				FROM ROWS FROM (unnest(p.proargtypes::oid[]), unnest(p.proargnames[1 : p.pronargs])) WITH ORDINALITY AS a(type, name, n))
		FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
		JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid
		JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE e.extname = 'hubspot' AND d.deptype = 'e' AND p.prorettype <> 'trigger'::regtype
		ORDER BY n.nspname, p.proname, 2
END
	{
		my ($function, $arguments) = @$row;
		my (@nulls, @values);
		for my $argument (split /,/, $arguments)
		{
			my ($name, $type) = split /=/, $argument, 2;
			my $qualified = qualified_type($type);
			push @nulls, "NULL::$qualified";
			push @values, map { $_ eq 'NULL' ? "NULL::$qualified" : "$_\::$qualified" } $samples->{$name} // $samples->{$type} // 'NULL';
		}
		push @calls, map { "SELECT * FROM $function($_)" } join(', ', @nulls), join(', ', @values);
	}
	my %seen;
	return grep { !$seen{$_}++ } @calls;
}

# Types that format_type() writes in words of the grammar mean pg_catalog's wherever they stand.
my %words = map { $_ => 1 } qw(bigint integer smallint boolean real numeric interval), 'double precision', 'timestamp with time zone';

sub qualified_type
{
	my ($type) = @_;
	my ($base, $array) = $type =~ /^(.*?)((?:\[\])?)$/;
	return $words{$base} || $base =~ /\./ ? $type : "pg_catalog.$base$array";
}

# What test/tools/catalog.sql finds wrong: texts, none if all is well.
sub catalog_findings
{
	my ($node, $database) = @_;
	open my $in, '<', 'test/tools/catalog.sql' or die "test/tools/catalog.sql: $!";
	local $/;
	my $sql = <$in>;
	$sql =~ s/;\s*\z//;
	# who may call what is another test's
	$sql =~ s/:'everybody'::text\[\]/ARRAY(SELECT CASE y.nspname WHEN 'hubspot' THEN 'hubspot.' ELSE '' END || x.proname FROM pg_proc x JOIN pg_namespace y ON y.oid = x.pronamespace)/;
	return map { $_->[0] } ask_safely($node, $database, $sql);
}

# Words in the SQL of the parts and in the texts of the C files.
sub sql_words
{
	my ($source) = @_;
	my %words;
	for my $file (glob("$source/sql/parts/*.sql"), glob("$source/src/*.c $source/src/*/*.c"))
	{
		open my $in, '<', $file or die "$file: $!";
		local $/;
		my $text = <$in>;
		$text = join ' ', $text =~ /"((?:[^"\\]|\\.)*)"/g if $file =~ /\.c$/;
		$words{$1} = 1 while $text =~ /\b([a-z_][a-z0-9_]*)\b/g;
	}
	return sort keys %words;
}

# Enums of the sources that name a table's columns in its order: [ table, whether
# they stand behind those of the outbox, enumerators ].  The comment above each
# says what it is of.
sub column_enums
{
	my ($source) = @_;
	my @enums;
	for my $file (glob("$source/src/*.[ch] $source/src/*/*.[ch]"))
	{
		open my $in, '<', $file or die "$file: $!";
		local $/;
		my $text = <$in>;
		while ($text =~ m!/\* Columns of hubspot\.(\w+)( behind those of the outbox)?, in the order of the script\. \*/\nenum[^{]*\{(.*?)\}!gs)
		{
			my ($table, $behind, $names) = ($1, $2, $3);
			$names =~ s{^#.*}{}mg;
			push @enums, [ $table, $behind, map { s/\s|=.*//gsr } split /,/, $names ];
		}
	}
	return @enums;
}

1;
