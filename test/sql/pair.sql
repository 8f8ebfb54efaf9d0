-- hubspot_associate, hubspot_dissociate, hubspot_create_label: ends, keys, bad arguments.
-- The worker has no token here: rows wait, and nothing is sent.
CREATE EXTENSION hubspot;
\set VERBOSITY default
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile');
CREATE SERVER keyed FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'nofile', contact_id_property 'user_id', company_id_property 'our_id');
SET hubspot.server = 'crm';

-- How an end is named, by what the account goes by
SELECT hubspot_associate('contact', ' Ada@Example.COM ', 'company', 'https://www.initech.com/x') IS NOT NULL AS queued;
SELECT hubspot_associate('company', 'initech.com', 'contact', 'u-1', 'Billing, 100%') IS NOT NULL AS queued;
SELECT hubspot_associate('contact', 'ada@example.com', 'company', 'a,b%c', server => 'keyed') IS NOT NULL AS queued;
SELECT hubspot_dissociate('contact', 'ada@example.com', 'contact', 'u-1', deadline => '1 hour') IS NOT NULL AS queued;
SELECT call, object, key_property, key, message FROM hubspot.outbox ORDER BY id;

-- The same pair is one key, whichever end is named first
SELECT count(hubspot_enqueue) FROM hubspot_enqueue('associate', ARRAY[
	'{"from_object": "company", "from_id": "acme", "to_object": "0-1", "to_record_id": 17}',
	'{"fromObject": "contact", "fromRecordId": "17", "toObject": "company", "toId": "acme", "label": ""}']::jsonb[], 'keyed');
SELECT key, count(*) FROM hubspot.outbox GROUP BY key HAVING count(*) > 1;

-- What cannot be a pair
CREATE PROCEDURE show(calls text[]) LANGUAGE plpgsql AS $$
DECLARE c text; d text; h text;
BEGIN
	FOREACH c IN ARRAY calls LOOP
		BEGIN
			EXECUTE 'SELECT ' || c;
			RAISE INFO '% is queued', c;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL, h = PG_EXCEPTION_HINT;
			RAISE INFO '% -> % % (%)%', c, SQLSTATE, SQLERRM, d, coalesce(' ' || nullif(h, ''), '');
		END;
	END LOOP;
END $$;
CALL show(ARRAY[
	$$hubspot_associate('contact', 'ada@example.com', 'contact', 'ADA@example.com')$$,
	$$hubspot_associate('deal', 'A-1', 'company', 'initech.com')$$,
	$$hubspot_associate('contact', 'ada@example.com', 'event', 'x')$$,
	$$hubspot_associate('contact', 'ada@example.com', 'product', 'x')$$,
	$$hubspot_associate('contact', 'ada@example.com', 'company', 'no domain')$$,
	$$hubspot_associate('contact', '', 'company', 'initech.com')$$,
	$$hubspot_associate(NULL, 'ada@example.com', 'company', 'initech.com')$$,
	$$hubspot_associate('contact', 'ada@example.com', 'company', 'initech.com', repeat('x', 201))$$,
	$$hubspot_associate('contact', repeat('x', 600), 'contact', repeat('y', 600), server => 'keyed')$$,
	$$hubspot_enqueue('associate', ARRAY['{"from_object": "contact", "from_id": 1}']::jsonb[])$$,
	$$hubspot_enqueue('dissociate', ARRAY['{"from_object": "contact", "to_object": "company", "to_id": "initech.com"}']::jsonb[])$$,
	$$hubspot_enqueue('associate', ARRAY['{"from_object": "contact", "from_record_id": "x1", "to_object": "company", "to_id": "initech.com"}']::jsonb[])$$,
	$$hubspot_create_label('contact', 'company', '')$$,
	$$hubspot_create_label('contact', 'form', 'x')$$]);

-- Labels: of both directions
SELECT hubspot_create_label('deal', 'contact', 'Decision maker', 'Decides about') IS NOT NULL AS queued;
SELECT call, object, key_property, key, message FROM hubspot.outbox ORDER BY id DESC LIMIT 1;

DROP SERVER crm;
DROP SERVER keyed;
DROP EXTENSION hubspot CASCADE;
