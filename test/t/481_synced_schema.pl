# The tables of a business with other businesses as its customers: one proposal of
# hubspot_sync_schema(), run as it is; HubSpot then equals the tables by a join, and does so
# after changes of every kind.  MODEL_ROWS: of all tables together.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $rows = $ENV{MODEL_ROWS} // 2000;
my $sim = start_simulator(config => { burst_limit => 10000 });
my $vehicle = $sim->add_schema(name => 'vehicle', associatedObjects => [ 'COMPANY', 'CONTACT' ], properties => [ { name => 'model', label => 'Model', type => 'string', fieldType => 'text' } ])->{objectTypeId};
my $node = hubspot_cluster('model');
# what is to be associated with a contact that is deleted a moment later would wait for another one of that userId
create_account($node, 'postgres', 'crm', $sim, unknown_user_wait => '0');

sub ask { return $node->safe_psql('postgres', shift) }

# All that HubSpot has of these types, and all pairs, as rows of hub(type, record).
sub fetch
{
	my $file = $node->basedir . '/hub.json';
	ask('CREATE TABLE IF NOT EXISTS hub (type text, record jsonb); TRUNCATE hub');
	for my $type (@_, 'associations')
	{
		open my $out, '>:raw', $file or die "$file: $!";
		print $out ($type eq 'associations' ? $sim->associations_text : $sim->records_text($type)) =~ s/"$vehicle"/"vehicle"/gr;
		close $out or die "$file: $!";
		ask(qq{CREATE TEMP TABLE lines (line text);
			COPY lines FROM '$file' (FORMAT csv, QUOTE E'\\x01', DELIMITER E'\\x02');
			INSERT INTO hub SELECT '$type', line::jsonb FROM lines});
	}
}

sub settled
{
	my ($what) = @_;
	wait_until(sub { ask(q{SELECT count(*) FROM hubspot.backfills WHERE state <> 'done'}) eq '0' },
		sub { "$what: " . ask('SELECT name, state, rows_read, rows_total, error FROM hubspot.backfills') }, 600);
	wait_drained($node, 'postgres', 600);
	# to associate, or not any more, is in vain of what has been deleted a moment later or before
	is(ask(q{SELECT r.id, r.call, r.object, r.verdict, r.category, r.message FROM hubspot.outbox_status r
		WHERE r.verdict = ANY (hubspot.verdicts_with('failed')::text[]) AND coalesce(r.category, '') NOT LIKE '%\_not\_found' LIMIT 3}), '', "$what: nothing is refused");
}

# A tenth each of accounts, subscriptions, tickets and vehicles, three tenths each of users and memberships
my $tenth = int($rows / 10);
ask(<<"END");
	CREATE SCHEMA app;
	CREATE TABLE app.accounts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, name text NOT NULL, industry_code text, owner_email text, created_at timestamptz DEFAULT now());
	CREATE TABLE app.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, email text UNIQUE, first_name text, password_hash text);
	CREATE TABLE app.memberships (user_id uuid REFERENCES app.users ON DELETE CASCADE, account_id uuid REFERENCES app.accounts ON DELETE CASCADE, role text, PRIMARY KEY (user_id, account_id));
	CREATE TABLE app.subscriptions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, account_id uuid REFERENCES app.accounts ON DELETE SET NULL, buyer uuid REFERENCES app.users ON DELETE SET NULL,
		title text, status text DEFAULT 'Contract Sent', amount numeric, owner_email text);
	CREATE TABLE app.tickets (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, user_id uuid REFERENCES app.users ON DELETE SET NULL, subscription_id uuid REFERENCES app.subscriptions ON DELETE SET NULL,
		subject text, status text DEFAULT '1');
	CREATE TABLE app.vehicles (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, account_id uuid REFERENCES app.accounts ON DELETE SET NULL, driver uuid REFERENCES app.users ON DELETE SET NULL, model text);
	INSERT INTO app.accounts (n, name, industry_code, owner_email) SELECT i, 'Account ' || i, 'c' || i % 7, CASE WHEN i % 3 > 0 THEN (ARRAY['ada', 'grace'])[i % 3] || '.owner\@example.com' END FROM generate_series(1, $tenth) i;
	INSERT INTO app.users (n, email, first_name, password_hash) SELECT i, 'u' || i || '\@example.com', 'User ' || i, 'x' FROM generate_series(1, 3 * $tenth) i;
	INSERT INTO app.memberships SELECT u.id, a.id, 'member' FROM app.users u JOIN app.accounts a ON a.n = 1 + u.n % $tenth;
	INSERT INTO app.subscriptions (n, account_id, buyer, title, amount, owner_email) SELECT u.n, a.id, u.id, 'Plan ' || u.n, u.n * 1.5, a.owner_email
		FROM app.users u JOIN app.accounts a ON a.n = 1 + u.n % $tenth WHERE u.n <= $tenth;
	INSERT INTO app.tickets (n, user_id, subscription_id, subject) SELECT u.n, u.id, s.id, 'Help ' || u.n FROM app.users u JOIN app.subscriptions s ON s.n = 1 + u.n % 7 WHERE u.n <= $tenth;
	INSERT INTO app.vehicles (n, account_id, driver, model) SELECT a.n, a.id, u.id, 'M' || a.n FROM app.accounts a LEFT JOIN app.users u ON u.n = 2 * a.n AND a.n % 5 > 0;
	ANALYZE;
END

# The proposal, read: what each table is, and what is left out
is(ask(q{SELECT what, name FROM hubspot_sync_schema('app') WHERE what IN ('sync', 'association', 'left out') ORDER BY ordinal}), <<'END' =~ s/\n\z//r, 'the proposal');
sync|app.accounts
sync|app.users
sync|app.subscriptions
sync|app.vehicles
sync|app.tickets
association|app.memberships
END
like(ask(q{SELECT statement FROM hubspot_sync_schema('app') WHERE name = 'app.tickets' AND what = 'sync'}), qr/"hs_pipeline_stage": "status".*"contact": "user_id".*"deal": "subscription_id"/s, '... foreign keys are associations');

# ... and run as it is printed.  A row of the accounts is locked, so that their back-fill is late: who refers to them waits, the contacts do not
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; SELECT FROM app.accounts WHERE n = 1 FOR UPDATE');
my $began = time;
ask(ask(q{SELECT string_agg(statement, chr(10) ORDER BY ordinal) FROM hubspot_sync_schema('app')}));
becomes(sub { ask(q{SELECT string_agg(concat_ws(' ', name, state, error), E'\n' ORDER BY name) FROM hubspot.backfills WHERE name <> 'accounts'}) }, <<'END' =~ s/\n\z//r, 'what others refer to goes first');
memberships waiting for others its rows name records that are queued first, by 'accounts'
subscriptions waiting for others its rows name records that are queued first, by 'accounts'
tickets waiting for others its rows name records that are queued first, by 'subscriptions'
users done
vehicles waiting for others its rows name records that are queued first, by 'accounts'
END
$holder->query_safe('COMMIT');
$holder->quit;
settled('the first run');
diag(sprintf('%d rows of the model took %d s, from the first statement of the proposal', $rows, time - $began)) if $ENV{MODEL_ROWS};

# Records of the tables and of HubSpot, and who belongs to whom in both; what is wrong, in words
sub differences
{
	fetch(qw(companies contacts deals tickets vehicle));
	return ask(<<'END');
		WITH stage(label, id) AS (VALUES ('Contract Sent', 'contractsent'), ('Closed Won', 'closedwon')),
		owner(email, id) AS (VALUES ('ada.owner@example.com', '41629779'), ('grace.owner@example.com', '41629780')),
		known AS (SELECT type, record->>'id' AS id, coalesce(p->>'subscription_id', p->>'ticket_id', p->>'vehicle_id', p->>'account_id', p->>'email') AS key, p
			FROM (SELECT type, record, record->'properties' AS p FROM hub WHERE record ? 'properties') h),
		pair AS (SELECT record->>'from_object' AS one, coalesce(f.key, '?') AS one_key, record->>'to_object' AS other, coalesce(t.key, '?') AS other_key
			FROM hub LEFT JOIN known f ON (f.type, f.id) = (record->>'from_object', record->>'from_id') LEFT JOIN known t ON (t.type, t.id) = (record->>'to_object', record->>'to_id')
			WHERE hub.type = 'associations'),
		pairs AS (SELECT LEAST(x.a, x.b) AS a, GREATEST(x.a, x.b) AS b FROM pair, LATERAL (SELECT one || ' ' || one_key AS a, other || ' ' || other_key AS b) x),
		meant(a, b) AS (
			SELECT 'contacts ' || u.email, 'companies ' || m.account_id FROM app.memberships m JOIN app.users u ON u.id = m.user_id UNION ALL
			SELECT 'deals ' || s.id, 'companies ' || s.account_id FROM app.subscriptions s WHERE s.account_id IS NOT NULL UNION ALL
			SELECT 'deals ' || s.id, 'contacts ' || u.email FROM app.subscriptions s JOIN app.users u ON u.id = s.buyer UNION ALL
			SELECT 'tickets ' || t.id, 'contacts ' || u.email FROM app.tickets t JOIN app.users u ON u.id = t.user_id UNION ALL
			SELECT 'tickets ' || t.id, 'deals ' || t.subscription_id FROM app.tickets t WHERE t.subscription_id IS NOT NULL UNION ALL
			SELECT 'vehicle ' || v.id, 'companies ' || v.account_id FROM app.vehicles v WHERE v.account_id IS NOT NULL UNION ALL
			SELECT 'vehicle ' || v.id, 'contacts ' || u.email FROM app.vehicles v JOIN app.users u ON u.id = v.driver),
		compared(what, here, there) AS (
			SELECT 'accounts', ARRAY(SELECT ROW(a.id::text, a.name, a.n::text, a.industry_code, coalesce(o.id, ''))::text FROM app.accounts a LEFT JOIN owner o ON o.email = a.owner_email),
				ARRAY(SELECT ROW(p->>'account_id', p->>'name', p->>'n', p->>'industry_code', coalesce(p->>'hubspot_owner_id', ''))::text FROM known WHERE type = 'companies') UNION ALL
			SELECT 'users', ARRAY(SELECT ROW(u.email, u.first_name, u.n::text, NULL::text)::text FROM app.users u),
				ARRAY(SELECT ROW(p->>'email', p->>'firstname', p->>'n', p->>'password_hash')::text FROM known WHERE type = 'contacts') UNION ALL
			SELECT 'subscriptions', ARRAY(SELECT ROW(s.id::text, s.title, s.n::text, g.id, s.amount::float8, coalesce(o.id, ''))::text FROM app.subscriptions s JOIN stage g ON g.label = s.status LEFT JOIN owner o ON o.email = s.owner_email),
				ARRAY(SELECT ROW(p->>'subscription_id', p->>'dealname', p->>'n', p->>'dealstage', (p->>'amount')::float8, coalesce(p->>'hubspot_owner_id', ''))::text FROM known WHERE type = 'deals') UNION ALL
			SELECT 'tickets', ARRAY(SELECT ROW(t.id::text, t.subject, t.n::text, t.status)::text FROM app.tickets t),
				ARRAY(SELECT ROW(p->>'ticket_id', p->>'subject', p->>'n', p->>'hs_pipeline_stage')::text FROM known WHERE type = 'tickets') UNION ALL
			SELECT 'vehicles', ARRAY(SELECT ROW(v.id::text, v.model, v.n::text)::text FROM app.vehicles v),
				ARRAY(SELECT ROW(p->>'vehicle_id', p->>'model', p->>'n')::text FROM known WHERE type = 'vehicle') UNION ALL
			SELECT 'associations', ARRAY(SELECT LEAST(a, b) || ', ' || GREATEST(a, b) FROM meant), ARRAY(SELECT a || ', ' || b FROM pairs))
		SELECT what || ': ' || cardinality(here) || ' rows, ' || cardinality(there) || ' in HubSpot'
			|| coalesce('; missing ' || (SELECT count(*) || ', as ' || min(x) FROM (SELECT unnest(here) EXCEPT ALL SELECT unnest(there)) m(x)), '')
			|| coalesce('; too many ' || (SELECT count(*) || ', as ' || min(x) FROM (SELECT unnest(there) EXCEPT ALL SELECT unnest(here)) m(x)), '')
		FROM compared WHERE ARRAY(SELECT unnest(here) ORDER BY 1) <> ARRAY(SELECT unnest(there) ORDER BY 1) OR cardinality(there) = 0
END
}
is(differences(), '', 'HubSpot equals the tables by a join');

# A day of changes: moves, leaves, owners, stages back and forth, deletions, and several of one row
ask(qq{UPDATE app.accounts SET name = name || ' Ltd' WHERE n % 10 = 0;
	UPDATE app.accounts SET owner_email = CASE WHEN n % 2 = 0 THEN 'grace.owner\@example.com' END WHERE n % 4 < 2;
	UPDATE app.users SET first_name = 'Renamed' WHERE n % 9 = 0;
	INSERT INTO app.users (n, email, first_name) SELECT 1000000 + i, 'new' || i || '\@example.com', 'New' FROM generate_series(1, 20) i;
	INSERT INTO app.memberships SELECT u.id, (SELECT id FROM app.accounts WHERE n = 3), 'admin' FROM app.users u WHERE u.n > 1000000;
	UPDATE app.memberships SET account_id = (SELECT id FROM app.accounts WHERE n = 5) WHERE user_id IN (SELECT id FROM app.users WHERE n % 8 = 1);
	INSERT INTO app.subscriptions (n, account_id, buyer, title, amount) SELECT 1000000 + u.n, (SELECT id FROM app.accounts WHERE n = 6), u.id, 'Second plan', 5 FROM app.users u WHERE u.n % 30 = 0;
	UPDATE app.subscriptions SET status = 'Closed Won', amount = amount + 1 WHERE n % 3 = 0;
	UPDATE app.subscriptions SET owner_email = 'ada.owner\@example.com' WHERE n % 4 = 0;
	UPDATE app.subscriptions SET account_id = (SELECT id FROM app.accounts WHERE n = 5) WHERE n % 5 = 1});
ask(q{UPDATE app.subscriptions SET status = 'Contract Sent', buyer = NULL WHERE n % 6 = 0;
	UPDATE app.subscriptions s SET account_id = a.id FROM app.accounts a WHERE a.n = 4 AND s.n % 10 = 1;
	UPDATE app.subscriptions s SET account_id = a.id FROM app.accounts a WHERE a.n = 5 AND s.n % 20 = 1;
	UPDATE app.tickets SET status = '2', user_id = (SELECT id FROM app.users WHERE n = 6) WHERE subject LIKE '%1';
	UPDATE app.tickets t SET subscription_id = s.id FROM app.subscriptions s WHERE s.n = 8 AND t.n % 6 = 2;
	UPDATE app.tickets SET status = '1' WHERE subject LIKE '%11';
	UPDATE app.vehicles SET account_id = NULL WHERE n % 4 = 2; UPDATE app.vehicles SET driver = (SELECT id FROM app.users WHERE n = 9) WHERE n % 5 = 0; DELETE FROM app.vehicles WHERE n % 9 = 2;
	DELETE FROM app.subscriptions WHERE n % 11 = 3;
	DELETE FROM app.memberships WHERE user_id IN (SELECT id FROM app.users WHERE n % 8 = 2);
	DELETE FROM app.users WHERE n % 25 = 4;
	DELETE FROM app.accounts WHERE n % 40 = 7;
	DELETE FROM app.tickets WHERE n % 13 = 5});
$began = time;
settled('a day of changes');
diag(sprintf('a day of changes took %d s', time - $began)) if $ENV{MODEL_ROWS};
is(differences(), '', '... equals them again');

# Days that a seed makes: some of each is undone, the worker is not waited for between
my $seed = $ENV{SEED} // 1;
my $state = $seed;
sub pick { my ($n) = @_; $state = ($state * 1103515245 + 12345) % 2147483648; return int($state / 65536) % $n }
sub one_of { return $_[ pick(scalar @_) ] }

# A row of a table, NULL now and then
sub some { my ($table, $nulls) = @_; return 'NULL' if $nulls && pick(4) == 0; return "(SELECT id FROM app.$table ORDER BY n OFFSET " . pick(40) . ' LIMIT 1)' }
sub few { my $m = 5 + pick(60); return "n % $m = " . pick($m) }

sub change
{
	my $made = 2000000 + pick(1000000);
	return one_of(
		(map { my ($table, $column, $other) = @$_; sub { "UPDATE app.$table SET $column = " . some($other, 1) . ' WHERE ' . few() } }
			([ 'subscriptions', 'account_id', 'accounts' ], [ 'subscriptions', 'buyer', 'users' ], [ 'tickets', 'user_id', 'users' ], [ 'tickets', 'subscription_id', 'subscriptions' ],
			[ 'vehicles', 'account_id', 'accounts' ], [ 'vehicles', 'driver', 'users' ])),
		sub { 'UPDATE app.memberships SET account_id = ' . some('accounts') . ' WHERE user_id IN (SELECT id FROM app.users WHERE ' . few() . ')' },
		sub { 'DELETE FROM app.memberships WHERE user_id IN (SELECT id FROM app.users WHERE ' . few() . ')' },
		sub { 'INSERT INTO app.memberships SELECT id, ' . some('accounts') . ", 'x' FROM app.users WHERE " . few() . ' AND id NOT IN (SELECT user_id FROM app.memberships)' },
		(map { my $table = $_; sub { "DELETE FROM app.$table WHERE n % 97 = " . pick(97) } } qw(accounts users subscriptions tickets vehicles)),
		sub { "INSERT INTO app.accounts (n, name) VALUES ($made, 'New')" },
		sub { "INSERT INTO app.users (n, email, first_name) VALUES ($made, 'r$made\@example.com', 'New')" },
		sub { "INSERT INTO app.subscriptions (n, account_id, buyer, title, amount) SELECT $made + i, " . some('accounts', 1) . ', ' . some('users', 1) . ", 'New', i FROM generate_series(1, 5) i" },
		sub { "INSERT INTO app.vehicles (n, account_id, driver, model) VALUES ($made, " . some('accounts', 1) . ', ' . some('users', 1) . ", 'New')" },
		# ... two rows exchange what they have; one is gone, and there again under the same key; there and gone; first this, then that
		sub { my ($a, $b) = (some('subscriptions'), some('subscriptions')); "UPDATE app.subscriptions s SET account_id = t.account_id, buyer = t.buyer FROM app.subscriptions t WHERE s.id <> t.id AND ARRAY[s.id, t.id] <@ ARRAY[$a, $b]" },
		sub { my $id = some('subscriptions'); 'CREATE TEMP TABLE again AS SELECT * FROM app.subscriptions WHERE id = ' . $id . '; DELETE FROM app.subscriptions WHERE id = (SELECT id FROM again);
			INSERT INTO app.subscriptions SELECT * FROM again; DROP TABLE again; UPDATE app.tickets SET subscription_id = ' . $id . ' WHERE ' . few() },
		sub { my $id = some('vehicles'); "UPDATE app.vehicles SET account_id = " . some('accounts') . " WHERE id = $id; DELETE FROM app.vehicles WHERE id = $id" },
		sub { my $where = few(); join '; ', map { "UPDATE app.tickets SET user_id = " . some('users', 1) . ", status = '" . one_of(1, 2) . "' WHERE $where" } 1 .. 3 },
		sub { "UPDATE app.subscriptions SET status = '" . one_of('Contract Sent', 'Closed Won') . "', owner_email = " . one_of('NULL', "'ada.owner\@example.com'", "'grace.owner\@example.com'") . ' WHERE ' . few() },
		sub { 'UPDATE app.subscriptions SET id = gen_random_uuid() WHERE n % 97 = ' . pick(97) . ' AND id NOT IN (SELECT subscription_id FROM app.tickets WHERE subscription_id IS NOT NULL)' },
		sub { 'UPDATE app.users SET first_name = first_name || \'.\' WHERE ' . few() })->();
}

sub random_day
{
	my ($changes) = @_;
	my @said;
	while ($changes > 0)
	{
		my @changes = map { change() } 1 .. 1 + pick(5);
		$changes -= @changes;
		# in one transaction or each in its own; of a transaction a part or all may be undone
		my $how = pick(4);
		@changes = ('BEGIN', (map { pick(3) ? $_ : ('SAVEPOINT s', $_, 'ROLLBACK TO s') } @changes), pick(5) ? 'COMMIT' : 'ROLLBACK') if $how < 2;
		push @said, @changes;
	}
	ask(join ";\n", @said, '');
	return @said;
}
for my $day (1 .. $ENV{DAYS} // 1)
{
	my @said = random_day(60);
	settled("random day $day of seed $seed");
	is(differences(), '', "... after which HubSpot equals the tables") or diag("seed $seed, day $day:\n", join ";\n", @said);
}

subtest 'in a circle of foreign keys nobody waits for ever' => sub {
	ask(q{CREATE TABLE hens (id int PRIMARY KEY, email text, egg int);
		CREATE TABLE eggs (id int PRIMARY KEY, email text, hen int REFERENCES hens);
		ALTER TABLE hens ADD FOREIGN KEY (egg) REFERENCES eggs;
		INSERT INTO hens SELECT i, 'h' || i || '@example.com' FROM generate_series(1, 10) i;
		INSERT INTO eggs SELECT i, 'e' || i || '@example.com', i FROM generate_series(1, 10) i;
		UPDATE hens SET egg = id;
		SELECT hubspot_sync('hens', 'hens', mapping => '{"email": "email", "city": "egg"}');
		SELECT hubspot_sync('eggs', 'eggs', mapping => '{"email": "email", "city": "hen"}')});
	settled('both');
	is(ask(q{SELECT count(*) FROM hubspot.fills_waiting()}), '0', 'and nothing waits');
	is($sim->contact($_)->{properties}{city}, 10, "$_ is there") for qw(h10@example.com e10@example.com);
};
done_testing();
