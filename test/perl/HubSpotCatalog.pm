# HubSpotCatalog: the extension as the catalogs know it, for tests and lint that
# must cover a new function or view without anybody remembering.
#
#	use HubSpotCatalog;
#	my @calls = calls_of_functions($node, 'postgres', { name => "'crm'" });
#	my @foreign = foreign_dependencies($node, 'postgres');
#
# The statements look nothing up outside pg_catalog, so that they may be run in
# a database full of traps.
package HubSpotCatalog;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(ask_safely relations_of_extension calls_of_functions foreign_dependencies sql_words);

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

# What members of the extension, and what belongs to them (rules of views, defaults, constraints, partition keys, indexes,
# triggers), depend on that is neither a member, nor of pg_catalog: texts, none if all is well.
sub foreign_dependencies
{
	my ($node, $database) = @_;
	return map { $_->[0] } ask_safely($node, $database, <<'END');
		WITH RECURSIVE members AS (
			SELECT d.classid, d.objid FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
			WHERE e.extname = 'hubspot' AND d.deptype = 'e'
		), parts AS (
			SELECT m.classid, m.objid FROM members m
			UNION
			SELECT d.classid, d.objid FROM parts p JOIN pg_depend d ON d.refclassid = p.classid AND d.refobjid = p.objid
			WHERE d.deptype IN ('i', 'a', 'P', 'S')
				/* SERVERs and their owners' things hang on the wrapper, not in it */
				AND d.classid NOT IN ('pg_foreign_server'::regclass)
		)
		SELECT DISTINCT pg_catalog.format('%s depends on %s', pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid),
			pg_catalog.pg_describe_object(d.refclassid, d.refobjid, d.refobjsubid))
		FROM parts p JOIN pg_depend d ON d.classid = p.classid AND d.objid = p.objid
		/* what initdb made is not to be replaced by anybody */
		WHERE d.refobjid >= 16384
			AND d.refclassid NOT IN ('pg_extension'::regclass)
			AND NOT EXISTS (SELECT FROM parts q WHERE q.classid = d.refclassid AND q.objid = d.refobjid)
			/* the target schema itself */
			AND NOT (d.refclassid = 'pg_namespace'::regclass AND d.classid IN ('pg_proc'::regclass)
				AND d.refobjid = (SELECT e.extnamespace FROM pg_extension e WHERE e.extname = 'hubspot'))
		ORDER BY 1
END
}

# Words in the SQL of the script and in the texts of the C files.
sub sql_words
{
	my ($source) = @_;
	my %words;
	for my $file (glob("$source/sql/*.sql"), glob("$source/src/*.c"))
	{
		open my $in, '<', $file or die "$file: $!";
		local $/;
		my $text = <$in>;
		$text = join ' ', $text =~ /"((?:[^"\\]|\\.)*)"/g if $file =~ /\.c$/;
		$words{$1} = 1 while $text =~ /\b([a-z_][a-z0-9_]*)\b/g;
	}
	return sort keys %words;
}

1;
