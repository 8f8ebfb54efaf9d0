# shellcheck shell=bash
#
# 50 calls a second for as many contacts, while something else is wrong: how long from the call to its arrival,
# against the same undisturbed?  HubSpot takes 30 ms per request.  What is wrong stays so all the time, or comes
# again each second.  Hostile accounts have a HubSpot of their own, which answers at once.
#
# shellcheck disable=SC2154 # $scale, $work and $simulator_url are of the script that sources this

measure_disturbances() {
	local fast_url=$simulator_url case
	hostile_simulator
	new_simulator "$BASHPID" --config '{"burst_limit": 1000000000, "daily_limit": 1000000000, "event_limit": 0, "latency_ms": 30}'
	for case in ${DISTURBANCES:-nothing refused failing hot events account schema swallow tokens erasures servers}; do
		measure_live "$case" $((scale > 1 ? 20 : 60))
	done
	simulator_url=$fast_url
}

hostile_simulator() {
	local ours=$simulator_url
	rm -f "$work/simulator.port"
	new_simulator "$BASHPID" --config '{"burst_limit": 1000000000, "daily_limit": 1000000000}'
	hostile_url=$simulator_url simulator_url=$ours
	rm -f "$work/simulator.port"
}
hostile() { curl -sf -X "$1" -d "${3:-}" "$hostile_url/_sim/$2" >/dev/null; }

# SERVERs NAME1 ... of the hostile HubSpot, each with a token of its own.
hostile_servers() {
	as_user bash -c "umask 077; for i in {1..$2}; do echo $1\$i >'$work/secrets/$1'\$i; done"
	ask "DO \$\$ BEGIN FOR i IN 1..$2 LOOP EXECUTE format('CREATE SERVER $1%s FOREIGN DATA WRAPPER hubspot OPTIONS (secret %L, base_url %L)',
		i, '$1' || i, '$hostile_url'); END LOOP; END \$\$"
}

# How each is called, what is done before, and each second meanwhile.
declare -A disturbances=(
	[nothing]='undisturbed'
	[refused]='a record that HubSpot refuses its batch for (400), each second'
	[failing]='a record that HubSpot answers with 500, for ever'
	[hot]='100,000 rows waiting for one contact'
	[events]='events without an answer, 5,000 waiting'
	[account]='another account without an answer, 5,000 waiting'
	[schema]='an account that tells names twice and of 9,000 bytes, each second'
	[swallow]='an audience whose query swallows its cancellation'
	[tokens]='130 accounts with 130 tokens, all refused (429)'
	[erasures]='10 erasures each second, over 200,000 rows (20,000 if QUICK)'
	[servers]='1,000 idle accounts'
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

disturb_schema() {
	local long definition='"label": "x", "type": "string", "fieldType": "text", "groupName": "x"'
	long=$(printf 'x%.0s' {1..9000})
	hostile POST fault "{\"match\": {\"method\": \"GET\", \"path\": \"properties/\"}, \"action\": \"status\", \"status\": 200, \"times\": 0, \"body\":
		{\"results\": [{\"name\": \"twice\", $definition}, {\"name\": \"twice\", $definition}, {\"name\": \"$long\", $definition}]}}"
	hostile_servers odd 1
}
again_schema() { ask "ALTER SERVER odd1 OPTIONS ($([ "$1" = 0 ] && echo ADD || echo SET) max_connections '$((1 + $1 % 4))'); SELECT hubspot_identify('{\"email\": \"odd$1@shop-example.de\"}', 'odd1')"; }
disturb_swallow() {
	hostile_servers odd 1
	ask "CREATE OR REPLACE FUNCTION hang() RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN LOOP BEGIN PERFORM pg_sleep(3600);
			EXCEPTION WHEN query_canceled THEN NULL; END; END LOOP; END \$\$;
		SELECT hubspot_audience('hang', 'SELECT hang()', server => 'odd1', every => '1 minute', timeout => '2 seconds', create_in_hubspot => true)"
}
disturb_tokens() {
	hostile POST fault '{"action": "status", "status": 429, "headers": {"Retry-After": "1"}, "times": 0}'
	hostile_servers odd 130
	ask "SELECT count(hubspot_identify('{\"email\": \"odd@shop-example.de\"}', 'odd' || i)) FROM generate_series(1, 130) i"
}
disturb_erasures() {
	hostile_servers odd 1
	ask "SELECT count(*) FROM hubspot_enqueue('identify', ARRAY(SELECT jsonb_build_object('email', 'p' || i % 10000 || '@shop-example.de', 'plan', 'p' || i)
		FROM generate_series(1, $((200000 / scale))) i), 'odd1')"
	wait_for "SELECT count(*) FROM hubspot.backlog" 0 120
}
again_erasures() {
	ask "SELECT count(*) FROM hubspot_enqueue('delete', ARRAY(SELECT jsonb_build_object('userId', 'p' || i || '@shop-example.de', 'gdpr', true)
		FROM generate_series($(($1 * 10)), $(($1 * 10 + 9))) i), 'odd1')"
}
disturb_servers() {
	local began ended pid before memory
	pid=$(ask "SELECT pid FROM hubspot.workers WHERE pid <> 0 AND database = current_database()")
	before=$(private_kb "$pid")
	hostile_servers odd 1000
	began=$(date +%s%N)
	ask "SELECT hubspot_identify('{\"email\": \"odd@shop-example.de\"}', 'odd1')"
	wait_for "SELECT count(*) FROM hubspot.status WHERE lane = 'contacts' AND state = 'RUN' AND server LIKE 'odd%'" 1000 120
	ended=$(date +%s%N)
	row '1,000 SERVERs: seconds until the last token is proved' "$(calc "($ended - $began) / 1e9" 1) s" '<= 10' "($ended - $began) / 1e9 <= 10"
	memory=$(($(private_kb "$pid") - before))
	row '... memory that they cost the worker' "$memory kB" '<= 64 MB' "$memory <= 65536"
	sleep 2
	began=$(ticks "$pid")
	sleep 10
	ended=$(ticks "$pid")
	row '... processor time of the idle worker' "$(calc "($ended - $began) / 10" 1) %" '<= 1 %' "($ended - $began) / 10 <= 1"
} >&3
private_kb() { awk '/^Private_Dirty/ { print $2 }' "/proc/$1/smaps_rollup"; }
ticks() { awk '{ print $14 + $15 }' "/proc/$1/stat"; }

# Both accounts have delivered, so that nobody has to learn the properties any more.
accounts_for_live() {
	local seen
	fresh "create_events 'on'"
	echo other | as_user tee "$work/secrets/other" >/dev/null
	as_user chmod 600 "$work/secrets/other"
	simulate POST config '{"trace_ids_partial": true}' >/dev/null
	hostile POST reset
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
	"disturb_$1" 3>&1 >/dev/null
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
