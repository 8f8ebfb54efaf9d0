/* 84-schema-names.sql
 *
 * What tables and columns are called, and what their names say of them: the
 * dictionaries of hubspot_sync_schema().
 */

/* Names are compared by their words, in the singular: app_users, AppUser and tbl_user are one. */
CREATE FUNCTION hubspot.words_of_name(name text) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(CASE WHEN w.word IN ('people', 'persons') THEN 'person' WHEN w.word ~ '[^aeiou]ies$' THEN left(w.word, -3) || 'y'
			WHEN w.word ~ '(x|ch|sh|ss)es$' THEN left(w.word, -2) WHEN w.word ~ '(ss|us|is)$' THEN w.word ELSE regexp_replace(w.word, 's$', '') END ORDER BY w.n), '{}')
	FROM (SELECT lower(p.part) AS word, p.n FROM regexp_split_to_table($1, '[^[:alnum:]]+|(?<=[a-z0-9])(?=[A-Z])') WITH ORDINALITY AS p(part, n)) w
	WHERE w.word <> ''
$$;
COMMENT ON FUNCTION hubspot.words_of_name(text) IS 'words of the name of a table or column, in lower case and in the singular';

/* What tables are called that hold the records of an object; the last words say it: customer_orders are orders. */
CREATE FUNCTION hubspot.object_of_name(name text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH words(list) AS (
		SELECT hubspot.words_of_name($1)
	), bare AS (
		SELECT w.list[:coalesce((SELECT max(i.i) FROM generate_subscripts(w.list, 1) i(i)
			WHERE w.list[i.i] NOT IN ('table', 'tbl', 'tb', 't', 'data', 'record', 'list', 'master', 'app', 'crm', 'db', 'new', 'v1', 'v2', 'v3')), 0)] AS list FROM words w
	), dictionary(object, names) AS (
		VALUES ('contact', ARRAY['contact', 'person', 'user', 'customer', 'member', 'subscriber', 'client', 'signup', 'sign_up', 'registration', 'prospect', 'student', 'patient', 'guest', 'profile']),
			('company', ARRAY['company', 'account', 'organisation', 'organization', 'org', 'tenant', 'workspace', 'business', 'firm', 'employer', 'vendor', 'supplier']),
			('deal', ARRAY['deal', 'opportunity', 'subscription', 'contract']),
			('ticket', ARRAY['ticket', 'case', 'support_request', 'support_case', 'incident', 'issue']),
			('line_item', ARRAY['line_item', 'order_item', 'order_line', 'invoice_line', 'invoice_item', 'deal_item', 'deal_product', 'order_detail']),
			('product', ARRAY['product', 'article', 'sku']), ('order', ARRAY['order', 'purchase']), ('quote', ARRAY['quote', 'quotation', 'estimate']),
			('invoice', ARRAY['invoice', 'bill']), ('payment', ARRAY['payment', 'charge']), ('cart', ARRAY['cart', 'basket']), ('lead', ARRAY['lead']),
			('appointment', ARRAY['appointment', 'booking', 'reservation']), ('service', ARRAY['service']), ('course', ARRAY['course']),
			('listing', ARRAY['listing']), ('project', ARRAY['project']), ('task', ARRAY['task', 'todo']), ('note', ARRAY['note']), ('meeting', ARRAY['meeting']),
			('event', ARRAY['event', 'log', 'visit', 'activity', 'history', 'click', 'view', 'pageview', 'login', 'signin', 'hit', 'session', 'audit', 'action', 'interaction', 'impression', 'download'])
	)
	SELECT d.object
	FROM bare b, dictionary d, unnest(d.names) AS n(name)
	WHERE n.name IN (b.list[cardinality(b.list)], b.list[cardinality(b.list) - 1] || '_' || b.list[cardinality(b.list)])
	ORDER BY position('_' IN n.name) > 0 DESC LIMIT 1
$$;
COMMENT ON FUNCTION hubspot.object_of_name(text) IS 'object that a table of this name holds, by its last words; event: it is written like a log; NULL: the name says nothing';

/* Columns that HubSpot's own properties are called differently from. */
CREATE FUNCTION hubspot.usual_property(object text, column_name text, OUT property text, OUT preference bigint)
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	WITH dictionary(object, property, names) AS (
		VALUES ('contact', 'firstname', ARRAY['firstname', 'givenname', 'forename']), ('contact', 'lastname', ARRAY['lastname', 'surname', 'familyname']),
			('contact', 'phone', ARRAY['phone', 'phonenumber', 'telephone', 'tel']), ('contact', 'mobilephone', ARRAY['mobile', 'mobilephone', 'mobilenumber', 'cell', 'cellphone']),
			('contact', 'jobtitle', ARRAY['jobtitle', 'position']), ('contact', 'company', ARRAY['companyname', 'employer']),
			('contact', 'zip', ARRAY['zip', 'zipcode', 'postalcode', 'postcode']), ('contact', 'address', ARRAY['address', 'street', 'streetaddress']),
			('contact', 'lifecyclestage', ARRAY['lifecyclestage']),
			('company', 'name', ARRAY['name', 'companyname', 'legalname', 'displayname']), ('company', 'numberofemployees', ARRAY['employees', 'employeecount', 'headcount', 'numberofemployees']),
			('company', 'annualrevenue', ARRAY['revenue', 'annualrevenue']), ('company', 'phone', ARRAY['phone', 'phonenumber', 'telephone']),
			('company', 'zip', ARRAY['zip', 'zipcode', 'postalcode', 'postcode']), ('company', 'address', ARRAY['address', 'street', 'streetaddress']), ('company', 'lifecyclestage', ARRAY['lifecyclestage']),
			('deal', 'dealname', ARRAY['dealname', 'name', 'title', 'subject']), ('deal', 'amount', ARRAY['amount', 'total', 'value', 'price', 'mrr', 'arr']),
			('deal', 'dealstage', ARRAY['dealstage', 'stage', 'status', 'state']), ('deal', 'pipeline', ARRAY['pipeline']),
			('deal', 'closedate', ARRAY['closedate', 'closedat', 'closedon', 'closeson', 'expectedclose', 'expectedclosedate']), ('deal', 'deal_currency_code', ARRAY['currency', 'currencycode']),
			('ticket', 'subject', ARRAY['subject', 'title', 'name']), ('ticket', 'content', ARRAY['content', 'body', 'description', 'message', 'text']),
			('ticket', 'hs_ticket_priority', ARRAY['priority']), ('ticket', 'hs_ticket_category', ARRAY['category']),
			('product', 'name', ARRAY['name', 'title']), ('product', 'price', ARRAY['price', 'unitprice', 'listprice']), ('product', 'hs_sku', ARRAY['sku', 'code', 'articlenumber']),
			('product', 'hs_cost_of_goods_sold', ARRAY['cost', 'unitcost']),
			('line_item', 'name', ARRAY['name', 'title']), ('line_item', 'price', ARRAY['price', 'unitprice']), ('line_item', 'quantity', ARRAY['quantity', 'qty', 'count', 'units']), ('line_item', 'hs_sku', ARRAY['sku']),
			('order', 'hs_order_name', ARRAY['name', 'number', 'ordernumber', 'reference', 'title']), ('order', 'hs_total_price', ARRAY['total', 'amount', 'totalprice', 'totalamount', 'value']),
			('order', 'hs_currency_code', ARRAY['currency', 'currencycode']),
			('quote', 'hs_title', ARRAY['title', 'name', 'number']), ('quote', 'hs_expiration_date', ARRAY['expiresat', 'expireson', 'expirationdate', 'validuntil']),
			('invoice', 'hs_currency', ARRAY['currency', 'currencycode']), ('invoice', 'hs_due_date', ARRAY['dueat', 'dueon', 'duedate']),
			('payment', 'hs_initial_amount', ARRAY['amount', 'total', 'value']), ('payment', 'hs_initiated_date', ARRAY['paidat', 'initiatedat', 'date']),
			('cart', 'hs_cart_name', ARRAY['name']), ('lead', 'hs_lead_name', ARRAY['name', 'title', 'fullname']), ('appointment', 'hs_appointment_name', ARRAY['name', 'title', 'subject']),
			('service', 'hs_name', ARRAY['name', 'title']), ('course', 'hs_course_name', ARRAY['name', 'title']), ('listing', 'hs_name', ARRAY['name', 'title']), ('project', 'hs_name', ARRAY['name', 'title']),
			('task', 'hs_task_subject', ARRAY['subject', 'title', 'name']), ('task', 'hs_task_body', ARRAY['body', 'description', 'text']), ('task', 'hs_timestamp', ARRAY['dueat', 'dueon', 'duedate']),
			('note', 'hs_note_body', ARRAY['body', 'text', 'content', 'note']), ('note', 'hs_timestamp', ARRAY['at', 'createdat', 'writtenat']),
			('meeting', 'hs_meeting_title', ARRAY['title', 'subject', 'name']), ('meeting', 'hs_timestamp', ARRAY['startsat', 'startat', 'starttime', 'at']),
			/* what many objects have; what stands above is preferred */
			('', 'hs_pipeline', ARRAY['pipeline']), ('', 'hs_pipeline_stage', ARRAY['stage', 'status', 'state']),
			('*', 'hubspot_owner_id', ARRAY['owner', 'owneremail', 'accountowner', 'accountmanager', 'salesrep', 'salesperson', 'hubspotowner', 'hubspotownerid', 'manageremail', 'assignee', 'assigneeemail'])
	)
	SELECT d.property, n.preference
	FROM dictionary d, unnest(d.names) WITH ORDINALITY AS n(name, preference)
	WHERE n.name = lower(translate($2, '_- .', ''))
		AND (d.object IN ($1, '*') OR (d.object = '' AND $1 IN ('ticket', 'order', 'appointment', 'course', 'listing', 'service', 'lead', 'project')))
	ORDER BY d.object = $1 DESC LIMIT 1
$$;
COMMENT ON FUNCTION hubspot.usual_property(text, text) IS 'HubSpot''s own property that a column of this name is of an object, and how well the name fits (1: best); NULL: none is known';
