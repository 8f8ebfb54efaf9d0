# shellcheck shell=bash
#
# 50 calls a second for as many contacts, while something else is wrong: how long from the call to its arrival,
# against the same undisturbed?  HubSpot takes 30 ms per request.  What is wrong stays so all the time, or comes
# again each second.
#
# shellcheck disable=SC2154 # $scale, $work and $simulator_url are of the script that sources this

measure_disturbances() {
	local fast_url=$simulator_url case
	rm -f "$work/simulator.port"
	new_simulator "$BASHPID" --config '{"burst_limit": 1000000000, "daily_limit": 1000000000, "event_limit": 0, "latency_ms": 30}'
	for case in ${DISTURBANCES:-nothing refused failing hot events account}; do
		measure_live "$case" $((scale > 1 ? 20 : 60))
	done
	simulator_url=$fast_url
}

# How each is called, what is done before, and each second meanwhile.
declare -A disturbances=(
	[nothing]='undisturbed'
	[refused]='a record that HubSpot refuses its batch for (400), each second'
	[failing]='a record that HubSpot answers with 500, for ever'
	[hot]='100,000 rows waiting for one contact'
	[events]='events without an answer, 5,000 waiting'
	[account]='another account without an answer, 5,000 waiting'
)

disturb_nothing() { :; }
disturb_refused() { simulate POST config '{"trace_ids_partial": false}' >/dev/null; }
again_refused() { ask "SELECT hubspot_identify('{\"email\": \"refused$1@shop.nowhere\", \"plan\": \"pro\"}', 'crm')"; }
disturb_failing() {
	simulate POST fault '{"match": {"path": "batch/upsert", "record": "failing@"}, "action": "status", "status": 500, "body": "no", "times": 0}'
	ask "SELECT hubspot_identify('{\"email\": \"failing@shop-example.de\"}', 'crm')"
}
disturb_hot() {
	ask "SELECT count(*) FROM hubspot_enqueue('identify', ARRAY(SELECT jsonb_build_object('email', 'hot@shop-example.de', 'plan', 'p' || i)
		FROM generate_series(1, 100000) i), 'crm')"
}
disturb_events() {
	simulate POST fault '{"match": {"path": "send"}, "action": "hang", "times": 0}'
	ask "SELECT count(*) FROM hubspot_enqueue('track', ARRAY(SELECT jsonb_build_object('event', 'looked', 'email', 'looker' || i || '@shop-example.de')
		FROM generate_series(1, 5000) i), 'crm')"
}
disturb_account() {
	ask "SELECT count(*) FROM hubspot_enqueue('identify', ARRAY(SELECT jsonb_build_object('email', 'other' || i || '@shop-example.de')
		FROM generate_series(1, 5000) i), 'other')"
}

# Both accounts have delivered, so that nobody has to learn the properties any more.
accounts_for_live() {
	local seen
	fresh "create_events 'on'"
	echo other | as_user tee "$work/secrets/other" >/dev/null
	as_user chmod 600 "$work/secrets/other"
	simulate POST config '{"trace_ids_partial": true}' >/dev/null
	ask "CREATE SERVER other FOREIGN DATA WRAPPER hubspot OPTIONS (secret 'other', base_url '$simulator_url', max_connections '8');
		CREATE SEQUENCE IF NOT EXISTS live"
	delivery on
	seen=$(ask "SELECT hubspot_identify('{\"email\": \"warm@shop-example.de\", \"plan\": \"pro\"}', 'crm'),
		hubspot_identify('{\"email\": \"warm@shop-example.de\", \"plan\": \"pro\"}', 'other'),
		hubspot_track('{\"email\": \"warm@shop-example.de\", \"event\": \"looked\"}', 'crm')")
	wait_for "SELECT count(*) FROM hubspot.result WHERE id IN (${seen//|/, })" 3 60
	[ "$1" != account ] || simulate POST fault '{"match": {"path": "batch/upsert", "record": "other"}, "action": "hang", "times": 0}' >/dev/null
}

# measure_live CASE SECONDS
measure_live() {
	local i live p50 p99
	accounts_for_live "$1"
	"disturb_$1" >/dev/null
	echo "SELECT hubspot_identify(jsonb_build_object('email', 'live' || nextval('live') || '@shop-example.de', 'plan', 'pro'), 'crm');" >"$TMPDIR/live.sql"
	as_user pgbench -n -c 1 -R 50 -T "$2" -f "$TMPDIR/live.sql" >/dev/null 2>&1 &
	live=$!
	for ((i = 0; i < $2; i++)); do
		if declare -F "again_$1" >/dev/null; then "again_$1" "$i" >/dev/null; fi
		sleep 1
	done
	wait "$live"
	wait_for "SELECT count(*) FROM hubspot.backlog WHERE key LIKE 'live%'" 0 30 || true
	ask "SELECT key || ' ' || (extract(epoch FROM created_at) * 1000000)::bigint FROM hubspot.outbox WHERE key LIKE 'live%'" | sort >"$TMPDIR/called"
	simulate GET log | sed -nE 's/.*"at_us":([0-9]+).*"key":"([^"]+)".*/\2 \1/p' | sort -u -k1,1 >"$TMPDIR/arrived"
	# what has not arrived counts as half a minute
	join -a 1 "$TMPDIR/called" "$TMPDIR/arrived" | awk '{ print NF < 3 ? 30000 : ($3 - $2) / 1000 }' | sort -n >"$TMPDIR/live.ms"
	p50=$(awk '{ a[NR] = $1 } END { print a[int((NR + 1) * 0.5)] }' "$TMPDIR/live.ms")
	p99=$(awk '{ a[NR] = $1 } END { print a[int(NR * 0.99)] }' "$TMPDIR/live.ms")
	if [ "$1" = nothing ]; then
		quiet_p99=$p99
		row 'call to arrival at 50/s and 30 ms: p50; p99' "$(calc "$p50" 1); $(calc "$p99" 1) ms" '' ''
	else
		row "... ${disturbances[$1]}" "$(calc "$p50" 1); $(calc "$p99" 1) ms" 'p99 <= twice' "$p99 <= 2 * $quiet_p99"
	fi
}
