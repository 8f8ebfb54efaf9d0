CREATE EXTENSION hubspot;
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'crm', base_url 'http://127.0.0.1:9', forms_url 'http://127.0.0.1:9', max_attempts '4', create_events 'true', unknown_user_wait '30 s', id_properties 'deal=order_ref, 2-3465404=vin');
CREATE FUNCTION hubspot_model(bigint, int, text) RETURNS int LANGUAGE c STRICT AS '$libdir/hubspot';
SELECT hubspot_model(0, 1, 'prepare');
