# The fault campaign at length, as make torture runs it: see test/torture/run.
use strict;
use warnings;

use HubSpotTorture;
use Test::More;

my $wanted = $ENV{FAULTS} || 1000;
my $faults = torture(
	seed => $ENV{SEED} || time % 1_000_000,
	faults => $wanted,
	seconds => $ENV{MAX_SECONDS} || 900,
	crashes_every => 6,
	loud => 1);
cmp_ok($faults, '>=', $wanted, "$wanted faults within the time");
done_testing();
