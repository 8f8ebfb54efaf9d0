-- What can happen to a lane, and pausing one.
CREATE EXTENSION hubspot;

-- The table of states, by which the worker goes and from which the views have their words
\x on
SELECT * FROM hubspot.lane_states();
\x off
-- A wait has an end; a failure has a way out, a remedy goes with whatever is no good state
SELECT event FROM hubspot.lane_states() WHERE (first_wait IS NULL) <> (longest_wait IS NULL) OR first_wait > longest_wait;
SELECT event FROM hubspot.lane_states() WHERE left_by = '{}' AND state <> 'RUN' OR (first_wait IS NOT NULL AND NOT 'time' = ANY (left_by));
SELECT event FROM hubspot.lane_states() WHERE (remedy IS NULL) <> (state IN ('RUN', 'CONNECTING', 'LIMITED') AND event <> 'not told');
SELECT event FROM hubspot.lane_states() GROUP BY event HAVING count(*) > 1;

-- Which account, which lane
SELECT hubspot_pause();
CREATE SERVER crm FOREIGN DATA WRAPPER hubspot;
SELECT hubspot_pause(lane => 'contact');
SELECT hubspot_resume(lane => '');
SELECT hubspot_pause('nobody');
SELECT hubspot_pause();
SELECT hubspot_resume();
CREATE SERVER other FOREIGN DATA WRAPPER hubspot;
SELECT hubspot_pause(reason => 'which one?');
SET hubspot.server = 'other';
SELECT hubspot_pause(reason => 'this one');
CREATE VIEW paused AS SELECT s.srvname, p.lane, p.paused_by = session_user AS by_me, p.paused_at > now() - interval '1 day' AS lately, p.reason
	FROM hubspot.pause p LEFT JOIN pg_foreign_server s ON s.oid = p.server ORDER BY 1, 2;
TABLE paused;

-- Part of the transaction
BEGIN;
SELECT hubspot_pause('crm', 'events', 'never');
ROLLBACK;
SELECT count(*) FROM hubspot.pause WHERE lane = 'events';

-- The last word counts; the account's pause and those of its lanes are apart
SELECT hubspot_pause('crm', 'events', 'first');
SELECT hubspot_pause('crm', 'events');
SELECT hubspot_pause('crm', 'contacts', 'workflows are being changed');
SELECT hubspot_pause('crm');
TABLE paused;
SELECT hubspot_resume('crm', 'events');
SELECT hubspot_resume('crm', 'events');
SELECT hubspot_resume('crm');
SELECT hubspot_resume('crm', 'contacts');
TABLE paused;

-- A dropped SERVER's pauses go with the next one
DROP SERVER other;
RESET hubspot.server;
SELECT hubspot_pause(lane => 'forms');
TABLE paused;
SELECT hubspot_resume(lane => 'forms');

-- Who may
CREATE ROLE regress_operator;
GRANT USAGE ON FOREIGN SERVER crm TO regress_operator;
SET ROLE regress_operator;
SELECT hubspot_pause();
SELECT hubspot_resume();
RESET ROLE;
GRANT EXECUTE ON FUNCTION hubspot_pause, hubspot_resume TO regress_operator;
SET ROLE regress_operator;
SELECT hubspot_pause(lane => 'companies', reason => 'granted');
SELECT * FROM hubspot.pause;
RESET ROLE;
TABLE paused;
SET SESSION AUTHORIZATION regress_operator;
SELECT hubspot_pause(lane => 'companies');
RESET SESSION AUTHORIZATION;
SELECT paused_by FROM hubspot.pause;
REVOKE USAGE ON FOREIGN SERVER crm FROM regress_operator;
SET default_transaction_read_only = on;
SELECT hubspot_pause();
RESET default_transaction_read_only;

DROP EXTENSION hubspot CASCADE;
DROP ROLE regress_operator;
