/* 96-verify.sql
 *
 * hubspot_verify(): what HubSpot's documentation leaves open is asked of HubSpot
 * itself, in a test account.
 *
 * A question is a row: requests in JSON, and what is judged of the answer to the
 * last one.  src/verify runs them in a process of its own, one by one.
 */

CREATE TABLE hubspot.verify_question (
	question text COLLATE "C" PRIMARY KEY,
	id integer GENERATED ALWAYS AS IDENTITY UNIQUE,
	asks text NOT NULL,
	assumed text NOT NULL,
	matters text NOT NULL,
	holds jsonpath NOT NULL,
	shows jsonpath[] NOT NULL DEFAULT ARRAY['$.answer.message', '$.answer.errors[*].message']::jsonpath[],
	steps jsonb NOT NULL
);
COMMENT ON TABLE hubspot.verify_question IS 'what HubSpot''s documentation leaves open, as requests that tell';
COMMENT ON COLUMN hubspot.verify_question.question IS 'its word';
COMMENT ON COLUMN hubspot.verify_question.id IS 'place in the order in which they are asked';
COMMENT ON SEQUENCE hubspot.verify_question_id_seq IS 'numbers the questions';
COMMENT ON COLUMN hubspot.verify_question.asks IS 'the question';
COMMENT ON COLUMN hubspot.verify_question.assumed IS 'what the extension assumes';
COMMENT ON COLUMN hubspot.verify_question.matters IS 'what it means where HubSpot does otherwise';
COMMENT ON COLUMN hubspot.verify_question.holds IS 'condition on {status, answer, kept} of the last request: what was assumed is so';
COMMENT ON COLUMN hubspot.verify_question.shows IS 'what of it is shown';
COMMENT ON COLUMN hubspot.verify_question.steps IS
'array of requests: ask (method and path, {objects} and the like by the account''s api_version), body, keep (values of the answer by name, for {name} in later requests), until (condition that is waited for, half a minute at most). {tag} is the prefix of all that is made';

CREATE TABLE hubspot.verify_run (
	server oid PRIMARY KEY,
	started_at timestamptz NOT NULL,
	ended_at timestamptz,
	problem text
);
COMMENT ON TABLE hubspot.verify_run IS 'the last verification of each account';
COMMENT ON COLUMN hubspot.verify_run.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.verify_run.started_at IS 'when it began';
COMMENT ON COLUMN hubspot.verify_run.ended_at IS 'when it ended; NULL: it has not, or its process was ended';
COMMENT ON COLUMN hubspot.verify_run.problem IS 'why nothing was asked, or what could not be removed';

CREATE TABLE hubspot.verify_made (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	server oid NOT NULL,
	request text NOT NULL
);
COMMENT ON TABLE hubspot.verify_made IS 'what verifications have made in HubSpot and not removed yet';
COMMENT ON SEQUENCE hubspot.verify_made_id_seq IS 'numbers what verifications have made';
COMMENT ON COLUMN hubspot.verify_made.id IS 'number: what was made last is removed first';
COMMENT ON COLUMN hubspot.verify_made.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.verify_made.request IS 'method and path of the request that removes it';

CREATE TABLE hubspot.verification (
	server oid NOT NULL,
	question text COLLATE "C" NOT NULL,
	asked_at timestamptz NOT NULL,
	agrees boolean,
	found text NOT NULL,
	PRIMARY KEY (server, question)
);
COMMENT ON TABLE hubspot.verification IS 'what HubSpot did when it was last asked, by account and question';
COMMENT ON COLUMN hubspot.verification.server IS 'oid of the SERVER';
COMMENT ON COLUMN hubspot.verification.question IS 'word of the question, see hubspot.verify_question';
COMMENT ON COLUMN hubspot.verification.asked_at IS 'when it was asked';
COMMENT ON COLUMN hubspot.verification.agrees IS 'whether HubSpot does what is assumed; NULL: the account did not let the question be asked';
COMMENT ON COLUMN hubspot.verification.found IS 'what HubSpot did: status and its words';

CREATE FUNCTION hubspot.verify_ask(method text, path text, body text, OUT status integer, OUT answer text)
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_verify_ask';
COMMENT ON FUNCTION hubspot.verify_ask(text, text, text) IS
'sends a request and waits for its answer, in the process of hubspot_verify() alone; status 0: none came, the answer is why';

CREATE FUNCTION hubspot.verify_note(request text) RETURNS void
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_verify_note';
COMMENT ON FUNCTION hubspot.verify_note(text) IS
'remembers what removes a thing that was made, whatever becomes of this transaction; in the process of hubspot_verify() alone';

CREATE FUNCTION hubspot.verify_start(server name, any_size boolean) RETURNS oid
LANGUAGE c VOLATILE PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_verify_start';
COMMENT ON FUNCTION hubspot.verify_start(name, boolean) IS
'runs the questions in a process and waits for its end; returns the oid of the SERVER, which must be the caller''s and have the option test_account';

/* What removes what a request has made, by the form of its path. */
CREATE FUNCTION hubspot.verify_undo(method text, path text, answer jsonb) RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('DELETE %s/%s', regexp_replace($2, made.strip, ''), id #>> '{}')
	FROM (VALUES
		('^[{]objects[}][^/]+/batch/(create|upsert)$', '/batch/(create|upsert)$', '$.results[*] ? (!exists(@.new) || @.new == true).id'),
		('^[{]objects[}][^/]+(/merge)?$', '/merge$', '$.id'),
		('^[{]associations[}][^/]+/[^/]+/labels$', '$^', '$.results[*].typeId'),
		('^[{]lists[}]$', '$^', '$.list.listId'),
		('^[{]events[}]event-definitions$', '$^', '$.name')) AS made(form, strip, ids),
		jsonb_path_query($3, made.ids::jsonpath) AS id
	WHERE $1 = 'POST' AND $2 ~ made.form
$$;
COMMENT ON FUNCTION hubspot.verify_undo(text, text, jsonb) IS 'the requests that remove what a request has made';

/* One step; the answer is {status, answer}, with text that is no JSON as a string. */
CREATE FUNCTION hubspot.verify_step(method text, path text, body text) RETURNS jsonb
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	got record;
	answer jsonb;
BEGIN
	SELECT * INTO got FROM hubspot.verify_ask(method, path, body);
	BEGIN
		answer := got.answer::jsonb;
	EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
		answer := to_jsonb(left(got.answer, 300));
	END;
	IF got.status BETWEEN 200 AND 299 THEN
		PERFORM hubspot.verify_note(undo) FROM hubspot.verify_undo(method, path, answer) AS undo;
	END IF;
	RETURN jsonb_build_object('status', got.status, 'answer', answer);
END
$$;
COMMENT ON FUNCTION hubspot.verify_step(text, text, text) IS 'one request of a question: {status, answer}';

CREATE FUNCTION hubspot.verify_words(answer jsonb, VARIADIC shows jsonpath[]) RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN ($1 ->> 'status')::integer = 0 THEN 'no answer' ELSE format('HTTP %s', $1 ->> 'status') END ||
		coalesce(': ' || nullif(left(CASE WHEN jsonb_typeof($1 -> 'answer') = 'string' THEN regexp_replace($1 ->> 'answer', '(<[^>]*>|[[:space:]])+', ' ', 'g')
			ELSE (SELECT string_agg(shown #>> '{}', '; ') FROM unnest($2) AS path, jsonb_path_query($1, path) AS shown) END, 300), ''), '')
$$;
COMMENT ON FUNCTION hubspot.verify_words(jsonb, jsonpath[]) IS 'an answer in words';

CREATE FUNCTION hubspot.verify_answer(server oid, question text) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	asked hubspot.verify_question;
	names jsonb := jsonb_build_object('tag', 'hubspot-verify-' || substr(md5(random()::text || clock_timestamp()::text), 1, 10));
	step jsonb;
	answer jsonb;
	method text;
	path text;
	body text;
	name text;
	give_up timestamptz;
	ordinal bigint;
BEGIN
	SELECT q.* INTO STRICT asked FROM hubspot.verify_question q WHERE q.question = verify_answer.question;
	FOR step, ordinal IN SELECT e.* FROM jsonb_array_elements(asked.steps) WITH ORDINALITY AS e LOOP
		method := split_part(step ->> 'ask', ' ', 1);
		path := split_part(step ->> 'ask', ' ', 2);
		body := step ->> 'body';
		FOR name IN SELECT jsonb_object_keys(names) LOOP
			/* alone between quotes it is what was kept, a number perhaps */
			path := replace(path, '{' || name || '}', names ->> name);
			body := replace(replace(body, '"{' || name || '}"', (names -> name)::text), '{' || name || '}', names ->> name);
		END LOOP;
		give_up := clock_timestamp() + interval '30 seconds';
		LOOP
			answer := hubspot.verify_step(method, path, body) || jsonb_build_object('kept', names);
			EXIT WHEN step -> 'until' IS NULL OR clock_timestamp() > give_up
				OR (answer ->> 'status')::integer NOT BETWEEN 200 AND 299
				OR coalesce(jsonb_path_match(answer, (step ->> 'until')::jsonpath, silent => true), false);
			PERFORM pg_sleep(1);
		END LOOP;
		/* a page in place of JSON is not an answer of HubSpot's API: there is no such path */
		IF (answer ->> 'status')::integer NOT BETWEEN 200 AND 299
			AND (ordinal < jsonb_array_length(asked.steps) OR jsonb_typeof(answer -> 'answer') IS DISTINCT FROM 'object') THEN
			INSERT INTO hubspot.verification VALUES (server, asked.question, clock_timestamp(), NULL,
				format('not answered, as its request %s was refused (%s): %s', ordinal, step ->> 'ask',
					hubspot.verify_words(answer, '$.answer.message', '$.answer.errors[*].message')))
			ON CONFLICT ON CONSTRAINT verification_pkey DO UPDATE SET asked_at = excluded.asked_at, agrees = NULL, found = excluded.found;
			RETURN;
		END IF;
		FOR name IN SELECT jsonb_object_keys(coalesce(step -> 'keep', '{}')) LOOP
			names := names || jsonb_build_object(name, jsonb_path_query_first(answer, (step -> 'keep' ->> name)::jsonpath));
		END LOOP;
	END LOOP;
	INSERT INTO hubspot.verification VALUES (server, asked.question, clock_timestamp(),
		coalesce(jsonb_path_match(answer, asked.holds, silent => true), false), hubspot.verify_words(answer, VARIADIC asked.shows))
	ON CONFLICT ON CONSTRAINT verification_pkey DO UPDATE SET asked_at = excluded.asked_at, agrees = excluded.agrees, found = excluded.found;
END
$$;
COMMENT ON FUNCTION hubspot.verify_answer(oid, text) IS 'asks one question of an account and writes the answer to hubspot.verification';

CREATE FUNCTION hubspot.verify_failed(server oid, problem text) RETURNS void
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	INSERT INTO hubspot.verification
	VALUES ($1, split_part($2, ': ', 1), clock_timestamp(), NULL, 'not answered: ' || substr($2, strpos($2, ': ') + 2))
	ON CONFLICT ON CONSTRAINT verification_pkey DO UPDATE SET asked_at = excluded.asked_at, agrees = NULL, found = excluded.found;
$$;
COMMENT ON FUNCTION hubspot.verify_failed(oid, text) IS 'writes that a question met an error; problem is "question: words"';

CREATE FUNCTION hubspot.verify_size(server oid) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer jsonb := hubspot.verify_step('POST', '{objects}contacts/search', '{"filterGroups": [], "limit": 1}');
BEGIN
	IF (answer ->> 'status')::integer <> 200 THEN
		RAISE EXCEPTION 'the account could not be asked how many contacts it has: %',
			hubspot.verify_words(answer, '$.answer.message');
	ELSIF (answer #>> '{answer,total}')::bigint > 100 THEN
		RAISE EXCEPTION 'the account has % contacts, a test account is expected to have 100 at most', answer #>> '{answer,total}';
	END IF;
END
$$;
COMMENT ON FUNCTION hubspot.verify_size(oid) IS 'raises an error if an account has more contacts than one for tests would';

CREATE FUNCTION hubspot.verify_clean(server oid) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	made hubspot.verify_made;
	answer jsonb;
	failures bigint := 0;
	failure text;
BEGIN
	FOR made IN SELECT m.* FROM hubspot.verify_made m WHERE m.server = verify_clean.server ORDER BY m.id DESC LOOP
		answer := hubspot.verify_step(split_part(made.request, ' ', 1), split_part(made.request, ' ', 2), NULL);
		IF (answer ->> 'status')::integer BETWEEN 200 AND 299 OR (answer ->> 'status')::integer IN (404, 410) THEN
			DELETE FROM hubspot.verify_made m WHERE m.id = made.id;
		ELSE
			failures := failures + 1;
			failure := made.request || ': ' || hubspot.verify_words(answer, '$.answer.message');
		END IF;
	END LOOP;
	UPDATE hubspot.verify_run r SET problem = format('%s things that were made could not be removed, such as %s', failures, failure)
	WHERE failures > 0 AND r.server = verify_clean.server;
END
$$;
COMMENT ON FUNCTION hubspot.verify_clean(oid) IS 'removes from HubSpot what verifications have made; what cannot be removed stays in hubspot.verify_made';

CREATE FUNCTION @extschema@.hubspot_verify(server name DEFAULT NULL, any_size boolean DEFAULT false,
	OUT question text, OUT asks text, OUT assumed text, OUT found text, OUT agrees boolean, OUT matters text)
RETURNS SETOF record
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	asked oid := hubspot.verify_start($1, $2);
	run hubspot.verify_run;
BEGIN
	SELECT r.* INTO run FROM hubspot.verify_run r WHERE r.server = asked;
	IF run.problem IS NOT NULL AND run.ended_at IS NOT NULL AND NOT EXISTS (SELECT FROM hubspot.verify_made m WHERE m.server = asked) THEN
		RAISE EXCEPTION 'nothing was asked of HubSpot: %', run.problem
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = CASE WHEN run.problem LIKE '%a test account is expected%'
					THEN 'If nothing of value is in the account, call hubspot_verify() with any_size => true.'
					ELSE 'SELECT * FROM hubspot_health() may say more.' END;
	ELSIF run.ended_at IS NULL THEN
		RAISE EXCEPTION 'the process that asks was ended before it was done'
			USING ERRCODE = 'object_not_in_prerequisite_state',
				HINT = 'The server''s log may say why. What was made is removed by the next call.';
	ELSIF run.problem IS NOT NULL THEN
		RAISE WARNING '%', run.problem USING HINT = 'They are in hubspot.verify_made, and the next call tries again.';
	END IF;
	RETURN QUERY SELECT q.question, q.asks, q.assumed, v.found, v.agrees, q.matters
		FROM hubspot.verify_question q JOIN hubspot.verification v ON v.question = q.question
		WHERE v.server = asked AND v.asked_at >= run.started_at ORDER BY q.id;
END
$$;
COMMENT ON FUNCTION @extschema@.hubspot_verify(name, boolean) IS
'holds what HubSpot''s documentation leaves open against a HubSpot account for tests: a row per question with what is assumed, what HubSpot did, whether that agrees (NULL: the account did not let it be asked) and whether it matters.  Creates records whose names begin with hubspot-verify-, and removes them.  For the owner of the SERVER, which must have the option test_account ''on''; an account with more than 100 contacts is refused unless any_size is true.  Takes some minutes';

INSERT INTO hubspot.verify_question (question, asks, assumed, matters, holds, shows, steps) VALUES
('upsert_partial', 'Does a record that is refused leave the rest of an upsert alone, when each has an objectWriteTraceId?',
	'yes: 207, the error names the trace id', 'no: a batch that is refused whole is cut until the record at fault is alone; it costs requests',
	'$.status == 207 && exists($.answer.errors[*].context.objectWriteTraceId)', ARRAY['$.answer.message', '$.answer.errors[*].message']::jsonpath[],
	'[{"ask": "POST {objects}contacts/batch/upsert", "body": {"inputs": [
		{"id": "{tag}-a@example.com", "idProperty": "email", "objectWriteTraceId": "1", "properties": {"email": "{tag}-a@example.com"}},
		{"id": "{tag}-b@example.com", "idProperty": "email", "objectWriteTraceId": "2", "properties": {"email": "{tag}-b@example.com", "lifecyclestage": "no-such-stage"}}]}}]'),
('duplicate_ids', 'Is an upsert refused that names a record twice?', 'yes, the whole of it', 'no: rows of one key are one input',
	'$.status == 400', DEFAULT,
	'[{"ask": "POST {objects}contacts/batch/upsert", "body": {"inputs": [
		{"id": "{tag}@example.com", "idProperty": "email", "properties": {"firstname": "A"}},
		{"id": "{tag}@example.com", "idProperty": "email", "properties": {"firstname": "B"}}]}}]'),
('null_value', 'Is a JSON null refused as the value of a property?', 'yes', 'no: a value is cleared by an empty text',
	'$.status == 400', DEFAULT,
	'[{"ask": "POST {objects}contacts/batch/upsert", "body": {"inputs": [
		{"id": "{tag}@example.com", "idProperty": "email", "properties": {"firstname": null}}]}}]'),
('bare_company', 'Is a company refused that has neither a name nor a domain?', 'yes', 'no: HubSpot''s words are passed on',
	'$.status == 400', DEFAULT,
	'[{"ask": "POST {objects}companies/batch/create", "body": {"inputs": [{"properties": {}, "associations": []}]}}]'),
('archive_unknown', 'Is it an error to archive a record that is not there?', 'no', 'no: either way the row ends as unchanged',
	'$.status == 204', DEFAULT,
	'[{"ask": "POST {objects}contacts/batch/archive", "body": {"inputs": [{"id": "999999999999"}]}}]'),
('archived_address', 'Does an upsert of an archived contact''s address make another contact?', 'yes',
	'yes: where HubSpot restores the old one, its old values come back',
	'$.answer.results[0].new == true && $.answer.results[0].id != $.kept.old', ARRAY['$.answer.results[0].new', '$.answer.message', '$.answer.errors[*].message']::jsonpath[],
	'[{"ask": "POST {objects}contacts/batch/upsert", "body": {"inputs": [{"id": "{tag}@example.com", "idProperty": "email", "properties": {"firstname": "A"}}]},
		"keep": {"old": "$.answer.results[0].id"}},
	{"ask": "DELETE {objects}contacts/{old}"},
	{"ask": "POST {objects}contacts/batch/upsert", "body": {"inputs": [{"id": "{tag}@example.com", "idProperty": "email", "properties": {"lastname": "B"}}]}}]'),
('merged_read', 'Is a contact found by the id that it had before it was merged?', 'yes, and the answer has the new id',
	'yes: else rows by the old id look for it by address or key', '$.status == 200 && exists($.answer.results[0].id)',
	ARRAY['$.answer.results[0].id', '$.answer.message', '$.answer.errors[*].message']::jsonpath[],
	'[{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}-a@example.com"}, "associations": []}, "keep": {"a": "$.answer.id"}},
	{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}-b@example.com"}, "associations": []}, "keep": {"b": "$.answer.id"}},
	{"ask": "POST {objects}contacts/merge", "body": {"primaryObjectId": "{a}", "objectIdToMerge": "{b}"}},
	{"ask": "POST {objects}contacts/batch/read", "body": {"properties": ["email"], "propertiesWithHistory": [], "inputs": [{"id": "{b}"}]}}]'),
('merged_update', 'Does batch/update take the id that a contact had before it was merged?', 'no: the record is not found',
	'no: then it is read, and written by its new id', '$.status != 200', DEFAULT,
	'[{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}-a@example.com"}, "associations": []}, "keep": {"a": "$.answer.id"}},
	{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}-b@example.com"}, "associations": []}, "keep": {"b": "$.answer.id"}},
	{"ask": "POST {objects}contacts/merge", "body": {"primaryObjectId": "{a}", "objectIdToMerge": "{b}"}},
	{"ask": "POST {objects}contacts/batch/update", "body": {"inputs": [{"id": "{b}", "properties": {"firstname": "A"}}]}}]'),
('unknown_owner', 'Is a contact refused whose owner HubSpot does not know?', 'yes', 'yes: a record would be left without the rest of its values',
	'$.status == 400 || $.status == 207', DEFAULT,
	'[{"ask": "POST {objects}contacts/batch/upsert", "body": {"inputs": [{"id": "{tag}@example.com", "idProperty": "email", "properties": {"hubspot_owner_id": "1"}}]}}]'),
('further_domains', 'Does a search by CONTAINS_TOKEN find a company by one of its additional domains?', 'yes, within half a minute',
	'yes: else such a company is not found and another one is made', '$.answer.total > 0', ARRAY['$.answer.total', '$.answer.message']::jsonpath[],
	'[{"ask": "POST {objects}companies", "body": {"properties": {"name": "{tag}", "domain": "{tag}.example.com", "hs_additional_domains": "{tag}-x.example.com;{tag}-y.example.com"}, "associations": []}},
	{"ask": "POST {objects}companies/search", "body": {"limit": 10, "filterGroups": [{"filters": [{"propertyName": "hs_additional_domains", "operator": "CONTAINS_TOKEN", "value": "{tag}-y.example.com"}]}]},
		"until": "$.answer.total > 0"}]'),
('search_behind', 'Does the search find a company within half a minute of its creation?', 'yes',
	'yes: a company by domain would be made twice', '$.answer.total > 0', ARRAY['$.answer.total', '$.answer.message']::jsonpath[],
	'[{"ask": "POST {objects}companies", "body": {"properties": {"name": "{tag}", "domain": "{tag}.example.com"}, "associations": []}},
	{"ask": "POST {objects}companies/search", "body": {"limit": 10, "filterGroups": [{"filters": [{"propertyName": "domain", "operator": "EQ", "value": "{tag}.example.com"}]}]},
		"until": "$.answer.total > 0"}]'),
('default_twice', 'Does batch/associate/default answer with a result for each direction?', 'yes', 'no: one is taken as well',
	'$.answer.results.size() == 2', ARRAY['$.answer.results.size()', '$.answer.message', '$.answer.errors[*].message']::jsonpath[],
	'[{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}@example.com"}, "associations": []}, "keep": {"a": "$.answer.id"}},
	{"ask": "POST {objects}companies", "body": {"properties": {"name": "{tag}"}, "associations": []}, "keep": {"b": "$.answer.id"}},
	{"ask": "POST {associations}contact/company/batch/associate/default", "body": {"inputs": [{"from": {"id": "{a}"}, "to": {"id": "{b}"}}]}}]'),
('first_is_primary', 'Is the first company of a contact its primary one, without being asked for?', 'no', 'no: the primary company is written as such',
	'$.status == 200 && !exists($.answer.results[*].to[*].associationTypes[*] ? (@.category == "HUBSPOT_DEFINED" && @.typeId == 1))',
	ARRAY['$.answer.results[*].to[*].associationTypes[*].typeId', '$.answer.message']::jsonpath[],
	'[{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}@example.com"}, "associations": []}, "keep": {"a": "$.answer.id"}},
	{"ask": "POST {objects}companies", "body": {"properties": {"name": "{tag}"}, "associations": []}, "keep": {"b": "$.answer.id"}},
	{"ask": "POST {associations}contact/company/batch/associate/default", "body": {"inputs": [{"from": {"id": "{a}"}, "to": {"id": "{b}"}}]}},
	{"ask": "POST {associations}contact/company/batch/read", "body": {"inputs": [{"id": "{a}"}]}}]'),
('primary_drops_labels', 'Does making a company the primary one take the labels of the pair away?', 'yes',
	'no: labels are read, and written together', '!exists($.answer.results[*].to[*].associationTypes[*] ? (@.category == "USER_DEFINED"))',
	ARRAY['$.answer.results[*].to[*].associationTypes[*].label', '$.answer.message']::jsonpath[],
	'[{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}@example.com"}, "associations": []}, "keep": {"a": "$.answer.id"}},
	{"ask": "POST {objects}companies", "body": {"properties": {"name": "{tag}"}, "associations": []}, "keep": {"b": "$.answer.id"}},
	{"ask": "POST {associations}contact/company/labels", "body": {"name": "hubspot_verify", "label": "{tag}"}, "keep": {"label": "$.answer.results[0].typeId"}},
	{"ask": "POST {associations}contact/company/batch/create", "body": {"inputs": [{"from": {"id": "{a}"}, "to": {"id": "{b}"}, "types": [{"associationCategory": "USER_DEFINED", "associationTypeId": "{label}"}]}]}},
	{"ask": "POST {associations}contact/company/batch/create", "body": {"inputs": [{"from": {"id": "{a}"}, "to": {"id": "{b}"}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]}]}},
	{"ask": "POST {associations}contact/company/batch/read", "body": {"inputs": [{"id": "{a}"}]}}]'),
('absent_pair', 'Is it an error to remove an association that is not there?', 'no', 'no: either way the row ends as unchanged',
	'($.status == 204 || $.status == 200) && !exists($.answer.errors[*])', DEFAULT,
	'[{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}@example.com"}, "associations": []}, "keep": {"a": "$.answer.id"}},
	{"ask": "POST {objects}companies", "body": {"properties": {"name": "{tag}"}, "associations": []}, "keep": {"b": "$.answer.id"}},
	{"ask": "POST {associations}contact/company/batch/archive", "body": {"inputs": [{"from": {"id": "{a}"}, "to": [{"id": "{b}"}]}]}}]'),
('itself', 'Is a record refused that is to be associated to itself?', 'yes', 'no: such a call is an error before it is queued',
	'$.status >= 400 || exists($.answer.errors[*])', DEFAULT,
	'[{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}@example.com"}, "associations": []}, "keep": {"a": "$.answer.id"}},
	{"ask": "POST {associations}contact/contact/batch/associate/default", "body": {"inputs": [{"from": {"id": "{a}"}, "to": {"id": "{a}"}}]}}]'),
('unknown_stage', 'Is a deal refused whose stage its pipeline does not have?', 'yes', 'yes: a deal would be in no stage',
	'$.status == 400 || $.status == 207', DEFAULT,
	'[{"ask": "POST {objects}deals/batch/create", "body": {"inputs": [{"properties": {"dealname": "{tag}", "dealstage": "no-such-stage"}, "associations": []}]}}]'),
('lone_lead', 'Is a lead refused that is associated with nobody?', 'yes', 'no: leads are made with their association',
	'$.status == 400 || $.status == 207', DEFAULT,
	'[{"ask": "POST {objects}leads/batch/create", "body": {"inputs": [{"properties": {"hs_lead_name": "{tag}"}, "associations": []}]}}]'),
('sku_is_unique', 'Can a product be upserted by hs_sku?', 'no: it is not unique', 'no: the property of the keys is named by the SERVER''s options',
	'$.answer.hasUniqueValue == false', ARRAY['$.answer.hasUniqueValue', '$.answer.message']::jsonpath[],
	'[{"ask": "GET {properties}products/hs_sku"}]'),
('unknown_list', 'What is said of a list that is not there?', '404', 'no: 400 is understood as well', '$.status == 404', DEFAULT,
	'[{"ask": "GET {lists}/999999999"}]'),
('unknown_event', 'Is an event refused whose definition is not there?', 'yes', 'yes: else it is lost without a word',
	'$.status >= 400', DEFAULT,
	'[{"ask": "POST {events}send/batch", "body": {"inputs": [{"eventName": "pe1_{tag}", "email": "{tag}@example.com", "properties": {}, "uuid": "{tag}"}]}}]'),
('repeated_event', 'How is the second event with the same uuid answered?', 'it is refused', 'no: that it was taken is understood, too',
	'$.status >= 400', DEFAULT,
	'[{"ask": "POST {objects}contacts", "body": {"properties": {"email": "{tag}@example.com"}, "associations": []}},
	{"ask": "POST {events}event-definitions", "body": {"label": "{tag}", "primaryObject": "CONTACT", "includeDefaultProperties": false, "propertyDefinitions": []}, "keep": {"event": "$.answer.fullyQualifiedName"}},
	{"ask": "POST {events}send/batch", "body": {"inputs": [{"eventName": "{event}", "email": "{tag}@example.com", "properties": {}, "uuid": "{tag}"}]}},
	{"ask": "POST {events}send/batch", "body": {"inputs": [{"eventName": "{event}", "email": "{tag}@example.com", "properties": {}, "uuid": "{tag}"}]}}]'),
('unknown_subscription', 'Is consent for a subscription type refused that is not there?', 'yes', 'yes: else consent is lost without a word',
	'$.status >= 400', DEFAULT,
	'[{"ask": "POST /communication-preferences/2026-09/statuses/{tag}%40example.com", "body": {"subscriptionId": 1, "statusState": "UNSUBSCRIBED", "channel": "EMAIL"}}]');
