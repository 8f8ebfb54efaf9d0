/* 99-rights.sql
 *
 * Who may do what; then the database may send.  The last part, because it is
 * about everything that was made before.
 *
 * Calls are for everybody who has USAGE on the SERVER; what carries customers'
 * data is for nobody until the owner grants it.
 */

/* Of the schema hubspot nobody needs anything but what is granted here. */
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA hubspot FROM PUBLIC;
GRANT EXECUTE ON FUNCTION hubspot.server_oid(name), hubspot.lane_states(), hubspot.readings(), hubspot.object_named(text, name), hubspot.object_types(), hubspot.object_type(text), hubspot.record_types(), hubspot.word_of_object(text), hubspot.lane_of_object(text), hubspot.check_object(text), hubspot.check_mapped(text), hubspot.object_has_schema(text),
	hubspot.object_can_be_synced(text), hubspot.verdicts(), hubspot.verdicts_with(text), hubspot.has_failed(bigint), hubspot.correlation_of(bigint), hubspot.check_word(text, text, text[]),
	hubspot.functions_schema(), hubspot.may_read_texts(),
	hubspot.error_shown(text, text, oid), hubspot.sync_problem(integer), hubspot.stuck_report(),
	hubspot.libraries(), hubspot.duration_bounds() TO PUBLIC;

/* PostgreSQL calls the validator itself, and asks for no right then. */
REVOKE ALL ON FUNCTION @extschema@.hubspot_fdw_validator(text[], oid), @extschema@.hubspot_arm(),
	@extschema@.hubspot_pause(name, text, text), @extschema@.hubspot_resume(name, text), @extschema@.hubspot_health(), @extschema@.hubspot_check(), @extschema@.hubspot_report(),
	@extschema@.hubspot_explain_backlog(name), @extschema@.hubspot_forget_confirmed(name, text, text),
	@extschema@.hubspot_retry(bigint), @extschema@.hubspot_retry(name, text, text, text, text, timestamptz, timestamptz),
	@extschema@.hubspot_replay(timestamptz, timestamptz, name, text, text, text, text, boolean), @extschema@.hubspot_drain(interval, name),
	@extschema@.hubspot_cancel(bigint), @extschema@.hubspot_cancel(name, text, text, text, boolean),
	@extschema@.hubspot_reset_statistics(name), @extschema@.hubspot_verify(name, boolean) FROM PUBLIC;

GRANT USAGE ON SCHEMA hubspot TO pg_monitor;
GRANT EXECUTE ON FUNCTION hubspot.lane_report(), hubspot.flight_report(), hubspot.worker_report(), hubspot.fill_report(), hubspot.fills_waiting(),
	hubspot.meter_report(), hubspot.knows_time_zone(text), hubspot.is_preloaded(), hubspot.waits_for(bigint, oid, text, text, text, boolean), hubspot.covered_to(), hubspot.is_waiting(bigint), hubspot.short_time(interval), @extschema@.hubspot_health(), @extschema@.hubspot_check(), @extschema@.hubspot_explain_backlog(name),
	@extschema@.hubspot_drain(interval, name), @extschema@.hubspot_report(), hubspot.report_problems(), hubspot.report_accounts(), hubspot.report_backfills(),
	hubspot.report_definitions(), hubspot.report_failures(), hubspot.report_style(), hubspot.failure_remedy(text, text), hubspot.request_hours(),
	hubspot.requests_of_day(), hubspot.html(text, text[]), hubspot.html_state(text, text), hubspot.html_meter(double precision, text), hubspot.html_spark(numeric[]),
	hubspot.html_chart(text, text, numeric[], text[], boolean[], numeric, timestamptz), hubspot.round_ceiling(numeric), hubspot.lane_mood(text),
	hubspot.grouped(numeric), hubspot.span_in_words(interval) TO pg_monitor;
GRANT EXECUTE ON FUNCTION hubspot.sync_waiting_report(), hubspot.sync_alarms() TO pg_monitor;
GRANT SELECT ON hubspot.syncs, hubspot.sync_report, hubspot.triggers, hubspot.status, hubspot.top, hubspot.rate_limits, hubspot.workers, hubspot.stuck, hubspot.backfills, hubspot.requests, hubspot.unread, hubspot.failure_reasons,
	hubspot.last_checkpoint, hubspot.last_check, hubspot.finding, hubspot.schema, hubspot.required_property, hubspot.pause, hubspot.installation,
	hubspot.statistics, hubspot.request_statistics TO pg_monitor;
GRANT SELECT (failed_at) ON hubspot.dead TO pg_monitor;
GRANT SELECT (server, refused_at) ON hubspot.unknown_property TO pg_monitor;
GRANT SELECT (server, reading, subject, read_at, known, http_status, category, scopes) ON hubspot.reading TO pg_monitor;
GRANT SELECT (server, time_zone, utc_offset_ms) ON hubspot.account TO pg_monitor;
GRANT SELECT (id, parent, server, call, object, state, verdict, attempt, http_status, created, category,
	request_id, enqueued_at, finished_at, next_try_at, merged_into, source, deadline, backfill, replay_of, mode, waits_for)
	ON hubspot.outbox_status, hubspot.backlog TO pg_monitor;
GRANT SELECT (id, server, call, object, verdict, category, http_status, correlation_id, finished_at, enqueued_at,
	request_id, merged_into) ON hubspot.failures TO pg_monitor;
GRANT SELECT (id, server, call, object, verdict, category, http_status, finished_at, created, attempt, request_id, merged_into, enqueued_at)
	ON hubspot.results TO pg_monitor;

SELECT @extschema@.hubspot_arm();
