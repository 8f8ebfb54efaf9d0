-- A small shop, the same each time: some thousand customers with their orders.
-- A few addresses are bad in the ways of real tables.

SELECT setseed(0.42);

CREATE TABLE customers (
	user_id text PRIMARY KEY,
	email text,
	first_name text NOT NULL,
	last_name text NOT NULL,
	phone text,
	city text,
	postal_code text,
	country text,
	plan text NOT NULL,
	newsletter boolean NOT NULL,
	total_spent numeric(10, 2) NOT NULL DEFAULT 0
);

CREATE TABLE orders (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	user_id text NOT NULL REFERENCES customers,
	ordered_at timestamptz NOT NULL,
	amount numeric(10, 2) NOT NULL
);

INSERT INTO customers
SELECT 'u' || n, lower(first || '.' || last || n || '@' || domain), first, last,
	format('+49 30 %s', 1000000 + n * 37), place[1], place[2], place[3], plan, n % 3 = 0
FROM generate_series(1, 6000) AS n,
	LATERAL (SELECT
		(ARRAY['Ada', 'Emma', 'Noah', 'Mia', 'Liam', 'Zoë', 'Jürgen', 'Inès', 'Olga', 'Peter'])[1 + n % 10] AS name,
		(ARRAY['Miller', 'Rossi', 'Novak', 'Garcia', 'Dubois', 'Schmidt', 'Jensen', 'Kowalski'])[1 + n * 7 % 8] AS last,
		(ARRAY['example.com', 'example.org', 'mail.example.net', 'example.de'])[1 + n % 4] AS domain,
		(ARRAY['free', 'free', 'basic', 'pro'])[1 + floor(random() * 4)::int] AS plan,
		(ARRAY[['Berlin', '10115', 'Germany'], ['Paris', '75001', 'France'], ['Milano', '20121', 'Italy'],
			['Madrid', '28001', 'Spain'], ['Praha', '110 00', 'Czechia']])[1 + n % 5:1 + n % 5] AS cities) AS a,
	LATERAL (SELECT name AS first, ARRAY(SELECT unnest(cities)) AS place) AS b;

-- Addresses have no accents.
UPDATE customers SET email = translate(email, 'ëüè', 'eue');

-- What a form without checks lets in.
UPDATE customers SET email = 'emma.rossi at example.com' WHERE user_id = 'u1001';
UPDATE customers SET email = 'noah@@example.org' WHERE user_id = 'u2002';
UPDATE customers SET email = 'mia@localhost' WHERE user_id = 'u3003';
UPDATE customers SET email = NULL WHERE user_id = 'u4004';
-- Well-formed, but only HubSpot knows that no such domain can exist.
UPDATE customers SET email = 'liam.garcia@example.con' WHERE user_id = 'u1501';
UPDATE customers SET email = 'olga@example.gmial' WHERE user_id = 'u5008';
-- Registered twice.
INSERT INTO customers
SELECT user_id || '-again', upper(email), first_name, last_name, phone, city, postal_code, country, 'basic', newsletter
FROM customers WHERE user_id IN ('u10', 'u20', 'u30');

INSERT INTO orders (user_id, ordered_at, amount)
SELECT 'u' || 1 + floor(random() * random() * 6000)::int, '2026-01-01'::timestamptz + random() * interval '200 days',
	round((5 + random() * 195)::numeric, 2)
FROM generate_series(1, 15000);

UPDATE customers c SET total_spent = o.total
FROM (SELECT user_id, sum(amount) AS total FROM orders GROUP BY user_id) AS o
WHERE o.user_id = c.user_id;

ANALYZE;
