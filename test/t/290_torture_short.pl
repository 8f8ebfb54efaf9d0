# A short run of the fault campaign that make torture runs at length: see
# test/perl/HubSpotTorture.pm.  SEED repeats a run's choices (not its timing).
use strict;
use warnings;

use HubSpotTorture;
use Test::More;

my $faults = torture(seed => $ENV{SEED} || time % 1_000_000, faults => 120, seconds => 12, crashes_every => 3, sessions => 3);
cmp_ok($faults, '>=', 5, 'there were faults');
done_testing();
