# The worker's marks are true while sessions draw ids as fast as they can: see src/ring/ring_id.c.  The same with more
# of them, and in figures: test/sequence/run.
use strict;
use warnings;

use HubSpotTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = hubspot_cluster('sequence', conf => "hubspot.enabled = off\nfsync = off");
my $library = POSIX::getcwd() . '/test/sequence/marks';
my $count = 100_000;

sub ask { return $node->safe_psql('postgres', $_[0]) }

system_or_bail('make', '-s', '-C', 'test/sequence');
ask(<<"END");
CREATE SEQUENCE s; SELECT nextval('s');
CREATE FUNCTION marks(regclass, int8) RETURNS int8 LANGUAGE c AS '$library';
CREATE FUNCTION unlocked_marks(regclass, int8) RETURNS int8 LANGUAGE c AS '$library';
CREATE PROCEDURE draw() LANGUAGE plpgsql AS \$\$
BEGIN
	LOOP
		PERFORM count(nextval('s')) FROM generate_series(1, 1000);
		COMMIT;
	END LOOP;
END \$\$;
END
my @sessions = map { $node->background_psql('postgres') } 1 .. 2;
$_->query_until(qr/draws/, "\\echo draws\nCALL draw();\n") for @sessions;

# A read without the lock is wrong sooner or later: until then this test has shown nothing.
my $rounds = 0;
wait_until(sub { $rounds++; ask("SELECT unlocked_marks('s', $count)") > 0 }, 'a value that goes back, read without the lock');
pass("a SELECT's way to read the sequence sees a value that nobody has drawn: in round $rounds");
is(ask("SELECT marks('s', 3 * $count)"), '0', 'the worker\'s way never does');

ask(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL draw%'});
$node->stop('immediate');
done_testing();
