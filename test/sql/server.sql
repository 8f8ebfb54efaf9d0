-- SERVER options: which are taken, what is said of the others, who may set them.
CREATE EXTENSION hubspot;

CREATE SERVER s FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'crm', base_url 'https://api.hubapi.com/', burst_limit '190', quota_share '0.5',
	api_version 'v3', max_connections '8', contact_id_property 'user_id', portal_id '123456', daily_limit '1000');
CREATE SERVER later FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'crm', skip_unchanged 'on', confirmed_for '1 day 12:00', time_zone 'Europe/Berlin');
ALTER SERVER later OPTIONS (SET confirmed_for 'P2W');
ALTER SERVER later OPTIONS (SET confirmed_for 'a while');
ALTER SERVER later OPTIONS (SET confirmed_for '0');
ALTER SERVER later OPTIONS (SET confirmed_for '-1 day');
ALTER SERVER later OPTIONS (SET confirmed_for '11 years');
ALTER SERVER later OPTIONS (ADD api_version '2026-09, objects:v3, lists:2026-03');
ALTER SERVER later OPTIONS (SET api_version 'events:v3');
ALTER SERVER later OPTIONS (SET api_version 'v3, objects:v3, objects:2026-09');
ALTER SERVER later OPTIONS (SET api_version 'v3, 2026-09');
ALTER SERVER later OPTIONS (SET api_version 'v3, deals:v3');
ALTER SERVER later OPTIONS (SET api_version 'v3,');
ALTER SERVER later OPTIONS (SET api_version '');
DROP SERVER later;

-- Refused, with what was expected
ALTER SERVER s OPTIONS (ADD burst_limt '5');
ALTER SERVER s OPTIONS (ADD frobnicate 'x');
ALTER SERVER s OPTIONS (SET burst_limit 'many');
ALTER SERVER s OPTIONS (SET burst_limit '0');
ALTER SERVER s OPTIONS (SET quota_share '2');
ALTER SERVER s OPTIONS (SET api_version '2020-01');
ALTER SERVER s OPTIONS (SET base_url 'http://api.hubapi.com');
ALTER SERVER s OPTIONS (SET base_url 'https://user:pass@api.hubapi.com');
ALTER SERVER s OPTIONS (SET base_url 'http://127.evil.example.com');
ALTER SERVER s OPTIONS (SET base_url 'http://127.0.0.1:8080');
ALTER SERVER s OPTIONS (SET secret '../passwd');
ALTER SERVER s OPTIONS (SET contact_id_property 'User Id');
ALTER FOREIGN DATA WRAPPER hubspot OPTIONS (ADD secret 'x');

-- A SERVER is for calls only: no tables, nothing to import, no users
CREATE FOREIGN TABLE contacts (email text) SERVER s;
CREATE FOREIGN TABLE contacts (email text) SERVER s OPTIONS (table_name 'contacts');
CREATE TABLE parted (email text) PARTITION BY LIST (email);
CREATE FOREIGN TABLE contacts PARTITION OF parted DEFAULT SERVER s;
DROP TABLE parted;
IMPORT FOREIGN SCHEMA crm FROM SERVER s INTO public;
CREATE USER MAPPING FOR PUBLIC SERVER s OPTIONS (user 'x');

-- Who may set what
CREATE ROLE regress_owner;
GRANT USAGE ON FOREIGN DATA WRAPPER hubspot TO regress_owner;
ALTER SERVER s OWNER TO regress_owner;
SET ROLE regress_owner;
ALTER SERVER s OPTIONS (SET burst_limit '100');
ALTER SERVER s OPTIONS (SET base_url 'https://example.com');
ALTER SERVER s OPTIONS (SET secret 'other');
CREATE SERVER mine FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'crm');
RESET ROLE;
DROP EXTENSION hubspot CASCADE;
DROP ROLE regress_owner;
