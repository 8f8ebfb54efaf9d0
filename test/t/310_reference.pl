# The reference against the catalogs: each function, relation, column, option,
# setting and word that there is stands in docs/reference*.md, once, as it is,
# and nothing else does.  And the columns that the sources know by number.
use strict;
use warnings;

use HubSpotCatalog;
use HubSpotTest;
use Test::More;

my $node = hubspot_cluster('reference');
$node->safe_psql('postgres', q{CREATE EXTENSION hubspot; CREATE SERVER crm FOREIGN DATA WRAPPER hubspot});
sub lines { return map { $_->[0] } ask_safely($node, 'postgres', shift) }

# A page as its headings, anchors and texts: [ heading, anchor, text ].
sub sections
{
	my ($page) = @_;
	my $text = PostgreSQL::Test::Utils::slurp_file("docs/$page");
	my @sections;
	my $in_code = 0;
	for (split /^/, $text)
	{
		$in_code = !$in_code if /^\s*```/;
		if (!$in_code && /^#+ (.*)/)
		{
			my $heading = $1;
			push @sections, [ $heading, lc($heading) =~ s/[^\w\- ]//gr =~ tr/ /-/r, '' ];
		}
		$sections[-1][2] .= $_ if @sections;
	}
	return @sections;
}

# What one list has and the other one has not, or has twice, in words.
sub differences
{
	my ($there, $documented) = @_;
	my (%there, %documented);
	$there{$_}++ for @$there;
	$documented{$_}++ for @$documented;
	return join '; ', (map { "$_ is not documented" } grep { !$documented{$_} } sort keys %there), (map { "$_ is not there" } grep { !$there{$_} } sort keys %documented),
	  map { "$_ is documented twice" } grep { $documented{$_} > 1 } sort keys %documented;
}

# Words in code in the first cells of a table's lines, without arguments.
sub words_of
{
	my ($text, $which) = @_;
	return map { /`($which)(?:\([^`]*\))?`/g } map { (split /\|/)[1] } grep { /^\| `/ } split /\n/, $text;
}

#
# Functions
#
my @functions = sections('reference-functions.md');
my %heading_of = map { $_->[1] => $_->[0] } @functions;
my $index = PostgreSQL::Test::Utils::slurp_file('docs/reference.md');
my @of_users = lines(<<'END');
	SELECT DISTINCT p.proname FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'hubspot' AND p.pronamespace = e.extnamespace
END
cmp_ok(scalar(@of_users), '>', 30, 'the extension has functions');
my @links = $index =~ /\[(hubspot[\w.]+)\]\(reference-functions\.md#([\w-]+)\)/g;
my (@indexed, @misled);
while (my ($function, $anchor) = splice @links, 0, 2)
{
	push @indexed, $function if $function !~ /\./;
	my $leads_to = $heading_of{$anchor} // '';
	push @misled, "$function to $leads_to" if $function !~ /\./ && !grep { $_ eq $function } split /, /, $leads_to;
}
is(differences(\@of_users, \@indexed), '', 'the index has each function once');
is(join('; ', @misled), '', '... and leads to the section that is named like it');
is(differences(\@of_users, [ map { grep { /^hubspot_/ } split /, /, $_->[0] } @functions ]), '', 'each function has one section');

# A signature as it is compared: in small letters, without blanks where they say nothing, without the casts of defaults;
# what is returned as a table is written as OUT arguments.
sub signature
{
	my ($text) = @_;
	$text = lc($text) =~ s/\s+/ /gr =~ s/ ?([(),]) ?/$1/gr;
	$text =~ s/::[a-z ]+(?:\[\])?//g;
	$text =~ s/timestamp with time zone/timestamptz/g;
	$text =~ s/'00:05:00'/'5 minutes'/g;
	$text =~ s/returns setof record//;
	$text =~ s/\)returns table\((.*)\)/join ',', '', map("out $_", split(m{,}, $1)), ''/e and $text =~ s/,\z/)/;
	return $text =~ s/^\s+|\s+$//gr;
}
my @documented;
for my $section (@functions)
{
	my ($heading, undef, $text) = @$section;
	next if $heading !~ /^hubspot_/ || $heading =~ /trigger$/;
	my ($block) = $text =~ /\A[^\n]*\n\n((?:    [^\n]*\n)+|```\n.*?^```\n)/ms or next;
	$block =~ s/^```\n//mg;
	push @documented, map { signature($_) } split /\n(?=\s*hubspot_)/, $block;
}
my @there = map { signature($_) } lines(<<'END');
	SELECT p.proname || '(' || pg_get_function_arguments(p.oid) || ')'
		|| CASE WHEN pg_get_function_arguments(p.oid) ~ '(^|, )OUT ' THEN '' ELSE ' RETURNS ' || pg_get_function_result(p.oid) END
	FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'hubspot' AND p.pronamespace = e.extnamespace
	WHERE p.prorettype <> 'trigger'::regtype
END
is(differences(\@there, \@documented), '', 'arguments, defaults and results are as the sections say');

# The schema hubspot has functions too; `preview_*` stands for all that begin so.
my ($in_schema) = map { $_->[2] } grep { $_->[0] eq 'Functions in the schema hubspot' } @functions;
my @named = map { s/^hubspot\.//r } words_of($in_schema, qr/hubspot\.[\w*]+/);
my %several = map { $_ => s/\*$//r } grep { /\*$/ } @named;
@there = lines(q{SELECT DISTINCT proname FROM pg_proc WHERE pronamespace = 'hubspot'::regnamespace});
@there = grep { my $name = $_; !grep { index($name, $_) == 0 } values %several } @there;
is(differences(\@there, [ grep { !$several{$_} } @named ]), '', 'the table of functions of the schema hubspot has each once');

#
# Tables and views
#
my %text_of;
for my $section (sections('reference-tables-and-views.md'))
{
	push @{ $text_of{$_} }, $section->[2] for $section->[0] =~ /^hubspot\./ ? map { s/^hubspot\.//r } split /, | and /, $section->[0] : ();
}
my @relations = map { s/^hubspot\.//r } relations_of_extension($node, 'postgres', 'r,p,v,m');
is(differences(\@relations, [ map { ($_) x @{ $text_of{$_} } } keys %text_of ]), '', 'each table and view has one section');

is(join(', ', grep { index($index, "[$_](reference-tables-and-views.md#") < 0 } relations_of_extension($node, 'postgres', 'v')), '', 'the index has each view');

# A column is named in its relation's section, or in one of a relation that this section names ("as in hubspot.outbox").
sub names_column
{
	my ($relation, $column) = @_;
	my ($text) = @{ $text_of{$relation} // [] } or return 0;
	my @others = grep { $_ ne $relation } $text =~ /hubspot\.(\w+)/g;
	return grep { /`$column`/ } $text, map { @{ $text_of{$_} // [] } } @others;
}
my @missing = map { "$_->[0].$_->[1]" } grep { !names_column(@$_) } ask_safely($node, 'postgres', <<'END');
	SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
	WHERE c.relnamespace = 'hubspot'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition ORDER BY 1, a.attnum
END
is(join(', ', @missing), '', 'each column of each is named there');

# Where a section has a table of columns, these are there.
my %columns;
$columns{ $_->[0] }{ $_->[1] } = 1 for ask_safely($node, 'postgres', q{SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.relnamespace = 'hubspot'::regnamespace});
my @invented;
for my $relation (@relations)
{
	my ($text) = @{ $text_of{$relation} // [''] };
	my ($table) = $text =~ /^\| column [^\n]*\n\| -[^\n]*\n((?:\|[^\n]*\n)+)/m or next;
	my @of_section = grep { $text_of{$_} && $text_of{$_}[0] eq $text } @relations;
	for my $column (words_of($table, qr/\w+/))
	{
		push @invented, "$relation.$column" if !grep { $columns{$_}{$column} } @of_section;
	}
}
is(join(', ', @invented), '', 'each column of the tables in the sections is there');

#
# Options, settings, words
#
my %settings = map { $_->[0] => $_->[2] } sections('reference-settings.md');
is(differences([ lines(q{SELECT name FROM pg_settings WHERE name LIKE 'hubspot.%'}) ], [ words_of($settings{Settings}, qr/hubspot\.\w+/) ]), '', 'each setting has its line');
for my $row (ask_safely($node, 'postgres', q{SELECT name, CASE vartype WHEN 'bool' THEN boot_val ELSE '' END, context, CASE vartype WHEN 'enum' THEN array_to_string(enumvals, ', ') END FROM pg_settings WHERE name LIKE 'hubspot.%'}))
{
	my ($name, $default, $context, $words) = @$row;
	my ($line) = $settings{Settings} =~ /^(\| `\Q$name\E`.*)$/m or next;
	my (undef, undef, $type, $shown, $shown_context) = map { s/^\s+|\s+$//gr } split /\|/, $line;
	my $known = $context eq 'postmaster' ? 'server start' : $context;
	is($shown_context =~ s/, S$//r, $known, "$name: when it can be set");
	is($shown, $default, "$name: its default") if $default ne '';
	is(join(', ', sort $type =~ /`(\w+)`/g), join(', ', sort split /, /, $words), "$name: its words") if $words;
}
my (undef, undef, $error) = $node->psql('postgres', q{ALTER SERVER crm OPTIONS (ADD no_such_option '1')});
my ($valid) = $error =~ /valid options[^:]*: (.*)/i;
is(differences([ split /, /, ($valid // '') =~ s/[".]//gr ], [ words_of($settings{'Options of a SERVER'}, qr/\w+/) ]), '', 'each option of a SERVER has its line')
  or diag $error;
my %enum = (Verdicts => 'hubspot.verdict');
for my $section (sort keys %enum)
{
	is(differences([ lines("SELECT unnest(enum_range(NULL::$enum{$section}))") ], [ words_of($settings{$section}, qr/\w+/) ]), '', "$enum{$section}: each word has its line");
}

my @steps = map { PostgreSQL::Test::Utils::slurp_file($_) =~ /\bin_(?:first_)?transaction\(\w+, "([^"]+)"\)/g } glob 'src/*/worker.c';
my ($shown_steps) = $settings{'Processes in pg_stat_activity'} =~ /`query` says what it does: (.*?)\. Otherwise/s;
my %distinct = map { $_ => 1 } @steps;
cmp_ok(scalar(@steps), '>', 5, 'the worker has steps');
is(differences([ keys %distinct ], [ map { s/\s+/ /gr } $shown_steps =~ /`([^`]+)`/g ]), '', 'each step of the worker that pg_stat_activity shows is named');
# Words of ours: where the sources give a warning or a category, it is documented; what is documented is in the sources.
# The table of verdicts has words beside them that are none of these.
my $sources = join '', map { PostgreSQL::Test::Utils::slurp_file($_) } grep { !m{/base/verdict\.c$} } glob 'src/*/*.[ch]';
my %given = (
	Warnings => qr/(?:\bdrop\(\w+|_warn\([^,]+), "(\w+)"|\\"code\\":\\"(\w+)\\"/,
	Categories => qr/(?:\bVERDICT_[A-Z]+, |\bcategory = [^"();]*|\bdefer_input\([^,]+, [^,"]*)"([a-z_]+)"/,);
for my $section (sort keys %given)
{
	my %documented = map { $_ => 1 } words_of($settings{$section}, qr/\w+/);
	my %in_code = map { $_ => 1 } grep { defined } $sources =~ /$given{$section}/g;
	cmp_ok(scalar(keys %in_code), '>', 10, "$section: the sources give some");
	is(join(', ', sort grep { !$documented{$_} } keys %in_code), '', '... each of them is documented');
	is(join(', ', grep { $sources !~ /\\?"$_\\?"/ } sort keys %documented), '', '... and none that is not there');
}

#
# Columns that the sources know by number
#
my @enums = column_enums('.');
cmp_ok(scalar(@enums), '>=', 8, 'sources write and read tables by the numbers of columns');
my ($outbox) = PostgreSQL::Test::Utils::slurp_file('src/ring/outbox.h') =~ /^#define OUTBOX_COLUMNS\(.*?\n(.*?)\n\n/ms;
push @enums, [ 'outbox', undef, $outbox =~ /\b(?:FIRST|NEXT)\((\w+)\)/g ];
for my $enum (@enums)
{
	my ($table, $behind, @known) = @$enum;
	my @columns = lines("SELECT attname FROM pg_attribute WHERE attrelid = 'hubspot.$table'::regclass AND attnum > 0 ORDER BY attnum");
	splice @columns, 0, scalar(() = lines(q{SELECT attnum FROM pg_attribute WHERE attrelid = 'hubspot.outbox'::regclass AND attnum > 0})) if $behind;
	# only as many as are of use, with a prefix or without
	my @wrong = grep { my $column = $columns[$_] // 'none'; lc($known[$_]) !~ /(?:^|_)\Q$column\E$/ } 0 .. $#known;
	is(join(', ', map { "$known[$_] is " . ($columns[$_] // 'none') } @wrong), '', "hubspot.$table: columns by number are those of the catalog");
}
# A repeat of a call takes along all that the call was made of.
is(join(', ', lines(q{SELECT a.attname FROM pg_attribute a, pg_proc p WHERE a.attrelid = 'hubspot.outbox'::regclass AND a.attnum > 0
	AND p.proname = 'queue_again' AND p.prosrc !~ format('\mo\.%s\M', a.attname) ORDER BY a.attnum})), 'xid, problem', 'hubspot_retry() and hubspot_replay() leave out what is the row\'s own, and nothing else');

$node->stop;

done_testing();
