# Runs TAP files like prove, and writes "passed failed" (tests) to a file.
#
#	prove.pl COUNT-FILE TEST-FILE...
#
# A file that fails otherwise than by a test (dies, runs none, has the wrong
# plan) counts as one failure.  The ends of a failed file's logs are shown.
use strict;
use warnings;

use File::Basename qw(basename);
use TAP::Harness;

my ($count_file, @files) = @ARGV;

my $harness = TAP::Harness->new(
	{
		failures => 1,
		timer => 1,
		verbosity => $ENV{VERBOSE} ? 1 : 0,
		jobs => $ENV{TEST_JOBS} || 4,
	});
my $aggregate = $harness->runtests(@files);

my ($passed, $failed) = (0, 0);
for my $file (@files)
{
	my ($parser) = $aggregate->parsers($file);
	$passed += $parser->passed;
	next unless $parser->has_problems;
	$failed += $parser->failed || 1;

	(my $name = basename($file)) =~ s/\.pl$//;
	for my $log (glob "$ENV{TESTLOGDIR}/${name}_*.log")
	{
		open my $fh, '<', $log or next;
		my @lines = <$fh>;
		splice @lines, 0, -30 if @lines > 30;
		print "--- end of ", basename($log), "\n", @lines;
	}
}

open my $out, '>', $count_file or die "$count_file: $!\n";
print $out "$passed $failed\n";
close $out or die "$count_file: $!\n";
