# The random calls of 270 with accounts that send only what changed: HubSpot ends
# as the same model does.
use strict;
use warnings;

use File::Basename;
use HubSpotTest;    # before it runs: it begins before the program does

$ENV{UNCHANGED} = 1;
$ENV{ROUNDS} //= 6;
$ENV{SEED} //= 20261125;
my $file = dirname(__FILE__) . '/270_calls_random.pl';
do "./$file" or die $@ || "$file: $!";
