/* 80-sync-views.sql
 *
 * How syncs, audiences and traits stand, and whom they have in HubSpot.
 */

CREATE FUNCTION hubspot.sync_problem(sync integer) RETURNS text
LANGUAGE c VOLATILE STRICT PARALLEL UNSAFE AS 'MODULE_PATHNAME', 'hubspot_sync_problem';
COMMENT ON FUNCTION hubspot.sync_problem(integer) IS
'what keeps the definition of this number from working as declared, as the catalogs are now: its source, a mapped column, a trigger, the owner or his right on the SERVER is gone; NULL: nothing, or it is held';

/*
 * sync_state counts the members, so that nobody counts a million of them to see how they stand; what was restored
 * has no state yet.
 */
CREATE VIEW hubspot.syncs AS
	SELECT d.name, d.kind, coalesce((SELECT r.rolname FROM pg_catalog.pg_roles r WHERE r.oid = d.owner_oid), d.owner) AS owner,
		d.server, d.object, d.level,
		CASE WHEN d.held IS NOT NULL OR h.reason IS NOT NULL THEN 'held'
			WHEN k.state IS NOT NULL THEN k.state
			WHEN t.failed_at IS NOT NULL THEN 'failing'
			WHEN t.fill_started_at IS NOT NULL AND t.fill_finished_at IS NULL THEN 'filling'
			WHEN d.follows THEN 'following'
			WHEN t.refreshed_at IS NULL THEN 'new'
			WHEN d.every IS NOT NULL THEN 'scheduled'
			ELSE 'on demand' END AS state,
		coalesce(d.held, h.reason, k.reason, hubspot.error_shown(t.error, t.error_code, d.owner_oid), hubspot.sync_problem(d.id), t.problem) AS problem,
		coalesce(t.members, (SELECT count(*) FROM hubspot.member m WHERE m.sync = d.id))
			- (SELECT count(*) FROM hubspot.member m WHERE m.sync = d.id AND NOT m.present) AS members,
		d.every, t.refreshed_at, t.duration, t.source_rows, t.entered, t.changed, t.exited, t.bad,
		t.failures, t.failed_at, CASE WHEN d.held IS NULL AND h.reason IS NULL AND k.state IS NULL THEN t.next_at END AS next_at, d.defined_at,
		(SELECT coalesce(sum(o.rows), 0)::bigint FROM hubspot.sync_outcome o WHERE o.report = d.report AND o.verdict = ANY (hubspot.verdicts_with('failed'))) AS rejected,
		(SELECT coalesce(sum(o.warned), 0)::bigint FROM hubspot.sync_outcome o WHERE o.report = d.report) AS warned
	FROM hubspot.sync d
	LEFT JOIN hubspot.sync_state t ON t.sync = d.id
	LEFT JOIN hubspot.copy_held h ON t.fill_started_at IS NOT NULL AND t.fill_finished_at IS NULL OR NOT d.follows AND d.every IS NOT NULL
	LEFT JOIN hubspot.stuck k ON k.sync = d.id AND (k.state = 'stuck'
		OR t.fill_started_at IS NOT NULL AND t.fill_finished_at IS NULL OR NOT d.follows AND (d.every IS NOT NULL OR t.next_at IS NOT NULL));
COMMENT ON VIEW hubspot.syncs IS
'declared syncs, audiences and traits and how they stand: state is new (never refreshed), scheduled, on demand, following (a table, by triggers), filling (its back-fill is under way), failing (problem: the last error; next_at: the next try), stuck (the process that runs it goes on although it was told to end), waiting (for one of the same owner that is stuck) or held (problem: why; also what the refresher would do in a database whose worker is held as a copy); counts are those of the last refresh';
COMMENT ON COLUMN hubspot.syncs.name IS 'name of the definition';
COMMENT ON COLUMN hubspot.syncs.kind IS 'sync, audience or trait';
COMMENT ON COLUMN hubspot.syncs.owner IS 'role whose rights it reads and queues with';
COMMENT ON COLUMN hubspot.syncs.server IS 'name of the SERVER';
COMMENT ON COLUMN hubspot.syncs.object IS 'what it writes in HubSpot: contact, company, another type of records, event or association';
COMMENT ON COLUMN hubspot.syncs.level IS 'of an audience or trait: user, account or account_users';
COMMENT ON COLUMN hubspot.syncs.state IS 'new, scheduled, on demand, following, filling, failing, stuck, waiting (for one of its owner that is stuck) or held';
COMMENT ON COLUMN hubspot.syncs.problem IS 'what keeps it from working as declared, in words; NULL: nothing is known';
COMMENT ON COLUMN hubspot.syncs.members IS 'how many keys are in it; of a followed table 0';
COMMENT ON COLUMN hubspot.syncs.every IS 'how often it is refreshed; NULL: by hubspot_refresh() only, or it follows a table';
COMMENT ON COLUMN hubspot.syncs.refreshed_at IS 'when it was last refreshed without an error';
COMMENT ON COLUMN hubspot.syncs.duration IS 'how long that took';
COMMENT ON COLUMN hubspot.syncs.source_rows IS 'rows with a usable key that the query returned then';
COMMENT ON COLUMN hubspot.syncs.entered IS 'keys that were new then';
COMMENT ON COLUMN hubspot.syncs.changed IS 'keys with another value than before';
COMMENT ON COLUMN hubspot.syncs.exited IS 'keys that had gone';
COMMENT ON COLUMN hubspot.syncs.bad IS 'rows of the source without a usable key';
COMMENT ON COLUMN hubspot.syncs.failures IS 'scheduled refreshes that failed since the last one that did not';
COMMENT ON COLUMN hubspot.syncs.failed_at IS 'when the last one failed';
COMMENT ON COLUMN hubspot.syncs.next_at IS 'when the schedule refreshes it next';
COMMENT ON COLUMN hubspot.syncs.defined_at IS 'when it was declared, or last changed';
COMMENT ON COLUMN hubspot.syncs.rejected IS 'rows that failed, since it was declared with these columns';
COMMENT ON COLUMN hubspot.syncs.warned IS 'rows that HubSpot has without one of their columns, or more; see hubspot.sync_report';

/*
 * Nothing tells the planner that ids are unique in a ring of tables; LIMIT 1 does, so that the look at one member
 * is neither a join of everything nor worth compiling.
 */
CREATE VIEW hubspot.members AS
	SELECT d.name, d.kind, m.key, m.value, m.present, m.since,
		CASE WHEN m.failed IS NOT NULL OR t.left_out IS NOT NULL THEN false
			WHEN r.id IS NOT NULL THEN coalesce(c.verdict, r.verdict) = ANY (hubspot.verdicts_with('arrived'))
			ELSE o.id IS NULL END AS confirmed,
		CASE WHEN m.failed IS NULL AND t.left_out IS NULL THEN coalesce(c.finished_at, r.finished_at) END AS confirmed_at,
		coalesce(c.verdict, r.verdict)::text AS verdict, coalesce(m.failed, c.message, r.message, 'left out: ' || array_to_string(t.left_out, ', ')) AS message, m.outbox_id
	FROM hubspot.member m
	JOIN hubspot.sync d ON d.id = m.sync
	LEFT JOIN LATERAL (SELECT x.* FROM hubspot.result x WHERE x.id = m.outbox_id LIMIT 1) r ON true
	LEFT JOIN LATERAL (SELECT x.* FROM hubspot.result x WHERE x.id = r.merged_into LIMIT 1) c ON true
	LEFT JOIN LATERAL (SELECT x.id FROM hubspot.outbox x WHERE x.id = m.outbox_id LIMIT 1) o ON true
	LEFT JOIN LATERAL (SELECT x.left_out FROM hubspot.sync_trouble x
		WHERE x.change_id = m.outbox_id AND x.report = d.report AND x.left_out <> '{}' LIMIT 1) t ON true;
COMMENT ON VIEW hubspot.members IS
'who is in which audience, who has which value of a trait, since when, and whether HubSpot has confirmed it: confirmed is false while the call waits, when it failed, and when a column of it was left out (verdict and message say why); present is false for those who have left and of whom HubSpot is still to hear';
COMMENT ON COLUMN hubspot.members.name IS 'name of the definition';
COMMENT ON COLUMN hubspot.members.kind IS 'audience, trait or sync';
COMMENT ON COLUMN hubspot.members.key IS 'key of the contact or company, as the query returned it';
COMMENT ON COLUMN hubspot.members.value IS 'of a trait: its value';
COMMENT ON COLUMN hubspot.members.present IS 'false: it has left, and HubSpot is still to hear of it';
COMMENT ON COLUMN hubspot.members.since IS 'when the state was found to be so';
COMMENT ON COLUMN hubspot.members.confirmed IS 'whether HubSpot has confirmed it; false while the call waits, when it failed, and when a column was left out, as HubSpot has no such property or option';
COMMENT ON COLUMN hubspot.members.confirmed_at IS 'when HubSpot did';
COMMENT ON COLUMN hubspot.members.verdict IS 'how the call ended; NULL: it waits, or its result has been given back';
COMMENT ON COLUMN hubspot.members.message IS 'why the call failed, or what was left out of it, in words';
COMMENT ON COLUMN hubspot.members.outbox_id IS 'outbox row that told HubSpot last';
