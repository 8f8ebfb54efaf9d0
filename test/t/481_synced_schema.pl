# The tables of a business with other businesses as its customers: one proposal of
# hubspot_sync_schema(), run as it is; HubSpot then equals the tables by a join, and does so
# after changes of every kind.  MODEL_ROWS: of all tables together.
use strict;
use warnings;

use HubSpotTest;
use Test::More;

my $rows = $ENV{MODEL_ROWS} // 2000;
my $sim = start_simulator(config => { burst_limit => 10000 });
$sim->add_schema(name => 'vehicle', associatedObjects => ['COMPANY'], properties => [ { name => 'model', label => 'Model', type => 'string', fieldType => 'text' } ]);
my $node = hubspot_cluster('model');
create_account($node, 'postgres', 'crm', $sim);

sub ask { return $node->safe_psql('postgres', shift) }

# All that HubSpot has of these types, as rows of hub(type, record).
sub fetch
{
	my $file = $node->basedir . '/hub.json';
	ask('CREATE TABLE IF NOT EXISTS hub (type text, record jsonb); TRUNCATE hub');
	for my $type (@_)
	{
		open my $out, '>:raw', $file or die "$file: $!";
		print $out JSON::PP->new->utf8->canonical->encode($_), "\n" for $sim->records($type);
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
	# to join or leave a company is in vain for who has been deleted a moment later or before
	is(ask(q{SELECT r.id, r.call, r.object, r.verdict, r.category, r.message FROM hubspot.outbox_status r
		WHERE r.verdict = ANY (hubspot.verdicts_with('failed')::text[]) AND r.category IS DISTINCT FROM 'contact_not_found' LIMIT 3}), '', "$what: nothing is refused");
}

ask(<<"END");
	CREATE SCHEMA app;
	CREATE TABLE app.accounts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, name text NOT NULL, industry_code text, created_at timestamptz DEFAULT now());
	CREATE TABLE app.users (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, email text UNIQUE, first_name text, password_hash text);
	CREATE TABLE app.memberships (user_id uuid REFERENCES app.users ON DELETE CASCADE, account_id uuid REFERENCES app.accounts ON DELETE CASCADE, role text, PRIMARY KEY (user_id, account_id));
	CREATE TABLE app.subscriptions (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, account_id uuid REFERENCES app.accounts ON DELETE SET NULL, buyer uuid REFERENCES app.users ON DELETE SET NULL,
		title text, status text DEFAULT 'contractsent', amount numeric);
	CREATE TABLE app.tickets (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), user_id uuid REFERENCES app.users ON DELETE SET NULL, subject text, status text DEFAULT '1');
	CREATE TABLE app.vehicles (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n int, account_id uuid REFERENCES app.accounts ON DELETE SET NULL, model text);
	INSERT INTO app.accounts (n, name, industry_code) SELECT i, 'Account ' || i, 'c' || i % 7 FROM generate_series(1, $rows / 10) i;
	INSERT INTO app.users (n, email, first_name, password_hash) SELECT i, 'u' || i || '\@example.com', 'User ' || i, 'x' FROM generate_series(1, $rows * 3 / 10) i;
	INSERT INTO app.memberships SELECT u.id, a.id, 'member' FROM app.users u JOIN app.accounts a ON a.n = 1 + u.n % ($rows / 10);
	INSERT INTO app.subscriptions (n, account_id, buyer, title, amount) SELECT u.n, a.id, u.id, 'Plan ' || u.n, u.n * 1.5
		FROM app.users u JOIN app.accounts a ON a.n = 1 + u.n % ($rows / 10) WHERE u.n <= $rows / 10;
	INSERT INTO app.tickets (user_id, subject) SELECT id, 'Help ' || n FROM app.users WHERE n <= $rows / 10;
	INSERT INTO app.vehicles (n, account_id, model) SELECT n, id, 'M' || n FROM app.accounts WHERE n <= $rows / 10;
	ANALYZE;
END

# A row of the accounts is locked, so that their back-fill is late: the memberships wait for it, the contacts do not
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; SELECT FROM app.accounts WHERE n = 1 FOR UPDATE');
ask(q{SELECT hubspot_sync_schema('app', dry_run => false)});
becomes(sub { ask(q{SELECT string_agg(concat_ws(' ', name, state, error), ', ' ORDER BY name) FROM hubspot.backfills WHERE name IN ('memberships', 'users')}) },
	q{memberships waiting for others its rows name records that are queued first, by 'accounts', users done}, 'what others refer to goes first');
$holder->query_safe('COMMIT');
$holder->quit;
settled('the first run');

# Who HubSpot has in which company, and both of them; what is wrong, in words
sub differences
{
	fetch(qw(companies contacts deals tickets vehicle));
	return ask(<<'END');
		WITH hub_company AS (SELECT record->>'id' AS id, record->'properties' AS p FROM hub WHERE type = 'companies'),
		ids AS (SELECT record->>'id' AS id, coalesce(record->'properties'->>'account_id', record->'properties'->>'email') AS key FROM hub WHERE type IN ('companies', 'contacts')),
		others AS (SELECT h.type, h.record->'properties' AS p, (SELECT coalesce(string_agg(i.key, ' ' ORDER BY i.key), '') FROM jsonb_array_elements(h.record->'associations') a JOIN ids i ON i.id = a->>'id') AS ends
			FROM hub h WHERE h.type NOT IN ('companies', 'contacts')),
		hub_contact AS (SELECT record->>'id' AS id, record->'properties' AS p, record->'associations' AS companies FROM hub WHERE type = 'contacts'),
		pairs(what, here, there) AS (
			VALUES ('account', ARRAY(SELECT ROW(a.id::text, a.name, a.industry_code)::text FROM app.accounts a),
				ARRAY(SELECT ROW(c.p->>'account_id', c.p->>'name', c.p->>'industry_code')::text FROM hub_company c)),
			('user', ARRAY(SELECT ROW(u.email, u.first_name, u.n::text, NULL::text)::text FROM app.users u),
				ARRAY(SELECT ROW(c.p->>'email', c.p->>'firstname', c.p->>'n', c.p->>'password_hash')::text FROM hub_contact c)),
			('membership', ARRAY(SELECT ROW(u.email, m.account_id::text)::text FROM app.memberships m JOIN app.users u ON u.id = m.user_id),
				ARRAY(SELECT ROW(c.p->>'email', h.p->>'account_id')::text FROM hub_contact c, jsonb_array_elements(c.companies) a JOIN hub_company h ON h.id = a->>'id')),
			('subscription', ARRAY(SELECT ROW(s.id::text, s.title, s.status, s.amount::float8::text, concat_ws(' ', s.account_id, u.email))::text
					FROM (SELECT * FROM app.subscriptions) s LEFT JOIN app.users u ON u.id = s.buyer),
				ARRAY(SELECT ROW(o.p->>'subscription_id', o.p->>'dealname', o.p->>'dealstage', (o.p->>'amount')::float8::text, o.ends)::text FROM others o WHERE o.type = 'deals')),
			('ticket', ARRAY(SELECT ROW(t.id::text, t.subject, t.status, coalesce(u.email, ''))::text FROM app.tickets t LEFT JOIN app.users u ON u.id = t.user_id),
				ARRAY(SELECT ROW(o.p->>'ticket_id', o.p->>'subject', o.p->>'hs_pipeline_stage', o.ends)::text FROM others o WHERE o.type = 'tickets')),
			('vehicle', ARRAY(SELECT ROW(v.id::text, v.model, coalesce(v.account_id::text, ''))::text FROM app.vehicles v),
				ARRAY(SELECT ROW(o.p->>'vehicle_id', o.p->>'model', o.ends)::text FROM others o WHERE o.type = 'vehicle')))
		SELECT what || ': ' || concat_ws(', ', 'missing ' || (SELECT min(x) FROM unnest(here) x WHERE x <> ALL (there)), 'too many ' || (SELECT min(x) FROM unnest(there) x WHERE x <> ALL (here)),
			'twice' || CASE WHEN cardinality(there) <> cardinality(here) THEN '' END)
		FROM pairs WHERE ARRAY(SELECT unnest(here) ORDER BY 1) <> ARRAY(SELECT unnest(there) ORDER BY 1)
END
}
is(differences(), '', 'HubSpot equals the tables by a join');

# A day of changes
ask(q{UPDATE app.accounts SET name = name || ' Ltd' WHERE n % 10 = 0;
	UPDATE app.users SET first_name = 'Renamed' WHERE n % 9 = 0;
	INSERT INTO app.users (n, email, first_name) SELECT 1000000 + i, 'new' || i || '@example.com', 'New' FROM generate_series(1, 20) i;
	INSERT INTO app.memberships SELECT u.id, (SELECT id FROM app.accounts WHERE n = 3), 'admin' FROM app.users u WHERE u.n > 1000000;
	UPDATE app.memberships SET account_id = (SELECT id FROM app.accounts WHERE n = 5) WHERE user_id IN (SELECT id FROM app.users WHERE n % 8 = 1);
	UPDATE app.subscriptions SET status = 'closedwon', amount = amount + 1 WHERE n % 3 = 0;
	UPDATE app.subscriptions SET account_id = (SELECT id FROM app.accounts WHERE n = 5) WHERE n % 5 = 1;
	UPDATE app.subscriptions SET status = 'contractsent', buyer = NULL WHERE n % 6 = 0;
	UPDATE app.tickets SET status = '2', user_id = (SELECT id FROM app.users WHERE n = 6) WHERE subject LIKE '%1';
	UPDATE app.vehicles SET account_id = NULL WHERE n % 4 = 2; DELETE FROM app.vehicles WHERE n % 9 = 2;
	DELETE FROM app.subscriptions WHERE n % 11 = 3;
	DELETE FROM app.memberships WHERE user_id IN (SELECT id FROM app.users WHERE n % 8 = 2);
	DELETE FROM app.users WHERE n % 25 = 4;
	DELETE FROM app.accounts WHERE n % 40 = 7});
settled('a day of changes');
is(differences(), '', '... equals them again');

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
