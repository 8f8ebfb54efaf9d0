# Back-fills of followed tables: everything arrives, a bounded part is queued at a time.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $sim = start_simulator(config => { burst_limit => 0 });
my $node = hubspot_cluster('backfills');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', $_[0]) }

ask(q{CREATE TABLE people (id int PRIMARY KEY, email text, firstname text);
	INSERT INTO people SELECT i, 'p' || i || '@example.com', 'n' || i FROM generate_series(1, 20000) i;
	INSERT INTO hubspot.sync (name, kind, owner, server, object, relation, source, search_path, follows, key_column, timeout, max_shrink, create_in_hubspot, defined_at)
	VALUES ('people', 'sync', current_user, 'crm', 'contact', 'people'::regclass, 'public.people', 'public', true, 'email', '5 minutes', 0.2, false, now())});
ask(q{SELECT hubspot_resync('people')});
wait_until(sub { ask(q{SELECT state = 'done' FROM hubspot.backfills}) eq 't' }, sub {'back-fill ' . ask('SELECT * FROM hubspot.backfills') . ask('SELECT * FROM hubspot.workers')});
diag ask('SELECT * FROM hubspot.backfills');
wait_drained($node, 'postgres');
is($sim->count, 20000, 'everything arrives');
done_testing();
