#!/usr/bin/perl
# Does lint-rooms find what it is there for?  Small houses with a fault each.
use strict;
use warnings;

use File::Basename qw(dirname);
use File::Path qw(make_path);
use File::Temp qw(tempdir);

my $lint = dirname($0) . '/../tools/lint-rooms';
my ($passed, $failed) = (0, 0);

sub check
{
	my ($good, $what) = @_;
	$good ? $passed++ : $failed++;
	printf "%s %d - %s\n", $good ? 'ok' : 'not ok', $passed + $failed, $what;
}

# What the lint says of a house: names of files and their texts.
sub lint
{
	my (%files) = @_;
	my $src = tempdir(CLEANUP => 1);
	for my $name (sort keys %files)
	{
		make_path(dirname("$src/$name"));
		open my $file, '>', "$src/$name" or die "$src/$name: $!";
		print $file $files{$name};
		close $file or die;
	}
	for my $name (grep { /\.c$/ } sort keys %files)
	{
		my $object = "$src/$name" =~ s/c$/o/r;
		system($ENV{CC} // 'cc', "-I$src", '-c', '-o', $object, "$src/$name") == 0 or die "$name does not compile";
	}
	my $said = `'$lint' '$src' 2>&1`;
	return ($? >> 8, $said);
}

my %house = (
	'ROOMS' => "base:\nqueue: base\ncrm: queue\n.: crm\n",
	'base/a.c' => "int a(void) { return 1; }\n",
	'queue/a.h' => "int q(void);\n",
	'queue/b.c' => "int a(void); int q(void) { return a(); }\n",
	'crm/c.c' => "#include \"queue/a.h\"\nint a(void); int c(void) { return q() + a(); }\n",
	'main.c' => "int c(void); int main(void) { return c(); }\n",
);

my ($status, $said) = lint(%house);
check($status == 0 && $said =~ /^4 rooms, 5 files; uses outside the table: 0; circles of files: 0 /m && $said !~ /may not/,
	'nothing is found where nothing is wrong; what a room may use, it may use through another');

($status, $said) = lint(%house, 'base/a.c' => "int c(void); int a(void) { return c(); }\n");
check($status == 1 && $said =~ m{^base/a.c uses c of crm/c.c: base may not use crm$}m, 'a name that a room takes from one above it');
check($said =~ m{^a circle of 3 files: base/a.c crm/c.c queue/b.c$}m && $said =~ m{^	queue/b.c uses a of base/a.c$}m,
	'a circle of files, with what ties it');
check($said =~ m{^a circle of rooms: base crm queue$}m, 'a circle of rooms');

($status, $said) = lint(%house, 'base/a.c' => "extern int x; int a(void) { return x; }\n", 'queue/b.c' => "int x = 1; int q(void) { return 1; }\n");
check($status == 1 && $said =~ m{^base/a.c uses x of queue/b.c: base may not use queue$}m, 'a variable is a use, too');

($status, $said) = lint(%house, 'base/a.c' => "#include \"queue/a.h\"\nint a(void) { return 1; }\n");
check($status == 1 && $said =~ m{^base/a.c uses declarations of queue/a.h: base may not use queue$}m, 'an include line alone');

($status, $said) = lint(%house, 'queue/b.c' => "#include \"a.h\"\nint q(void) { return 1; }\n");
check($status == 1 && $said =~ m{^queue/b.c includes "a.h": say "queue/a.h"$}m, 'an include line without the room');

($status, $said) = lint(%house, 'base/b.c' => "int b(void); int a2(void) { return b(); }\n", 'base/c.c' => "int a2(void); int b(void) { return a2(); }\n");
check($status == 1 && $said =~ m{^a circle of 2 files: base/b.c base/c.c$}m && $said !~ /circle of rooms/, 'a circle within a room');

($status, $said) = lint(%house, map { ("queue/many$_.c" => "int many$_;\n") } 1 .. 20);
check($status == 1 && $said =~ m{/queue: \d+ files, more than 20: make two rooms of it$}m, 'a room that is too full');

($status, $said) = lint(%house, 'crm/README.md' => "# crm\n", map { ("crm/many$_.h" => "\n") } 1 .. 19);
check($status == 1 && $said =~ m{/crm: 2\d files, more than 20: make two rooms of it$}m, 'headers and the README take room, too');

($status, $said) = lint(%house, 'cellar/a.c' => "int cellar;\n");
check($status == 1 && $said =~ m{/cellar: not in }, 'a folder that the table does not have');

($status, $said) = lint(%house, 'ROOMS' => "base: crm\nqueue: base\ncrm: queue attic\n.: crm\n");
check($status == 1 && $said =~ m{crm uses attic, which is no room$}m && $said =~ m{ROOMS: a circle of rooms: base crm queue$}m,
	'a table with a circle, or a room that is none');

my $src = tempdir(CLEANUP => 1);
system("mkdir '$src/base' && echo 'base:' > '$src/ROOMS' && echo 'int a;' > '$src/base/a.c'") == 0 or die;
$said = `'$lint' '$src' 2>&1`;
check($? != 0 && $said =~ m{base/a.o is not there or old: build first$}m, 'nothing is said of what is not built');

printf "1..%d\n%d passed, %d failed\n", $passed + $failed, $passed, $failed;
exit($failed == 0 ? 0 : 1);
