# shellcheck shell=bash
#
# From the outbox to the simulator and back.
#
# shellcheck disable=SC2154 # $scale, $work and $simulator_url are of the script that sources this

upsert=/crm/objects/2026-09/contacts/batch/upsert

simulate() { curl -sf -X "$1" -d "${3:-}" "$simulator_url/_sim/$2"; }

measure_delivery() {
	measure_latency
	measure_h2load
	measure_drain "$((500000 / scale))"
	measure_limit
}

# queue ROWS [TRANSACTIONS]: empty tables, and rows of distinct contacts waiting.
queue() {
	local i each=$(($1 / ${2:-1}))
	delivery off
	ask "DROP EXTENSION hubspot CASCADE; CREATE EXTENSION hubspot; CREATE SERVER crm FOREIGN DATA WRAPPER hubspot
		OPTIONS (secret 'crm', base_url '$simulator_url', max_connections '8')" 2>/dev/null
	simulate POST reset >/dev/null
	wal=$(ask 'SELECT pg_current_wal_lsn()')
	for ((i = 0; i < ${2:-1}; i++)); do
		ask "SELECT count(hubspot_identify(jsonb_build_object('userId', 'u' || i, 'email', 'user' || i || '@shop-example.de', 'first_name', 'First' || i,
			'last_name', 'Last' || i, 'city', 'Berlin', 'plan', 'pro', 'total_spent', i * 1.5))) FROM generate_series($((i * each)) + 1, $(((i + 1) * each))) i" >/dev/null
	done
	ask 'CHECKPOINT'
	sync
}

# Kilobytes of the worker, once a second until it ends.
watch_memory() {
	while [ -e "/proc/$1/status" ]; do
		sed -nE 's/^RssAnon:[^0-9]*([0-9]+).*/\1/p' "/proc/$1/status" 2>/dev/null
		sleep 1
	done >>"$TMPDIR/memory"
}

# Rows per second from the first request to the last result.  Whoever waits
# for it must not take the time away from it: one session does.
drain() {
	delivery on
	wait_for 'SELECT count(*) > 0 FROM hubspot.workers WHERE pid <> 0' t 20
	watch_memory "$(ask 'SELECT max(pid) FROM hubspot.workers')" >/dev/null 2>&1 &
	ask "DO 'BEGIN WHILE (SELECT coalesce(max(done), 0) FROM hubspot.workers) < $1 LOOP PERFORM pg_sleep(0.2); END LOOP; END'"
	wait_for "SELECT count(*) FROM hubspot.unread" 0 10
	ask "SELECT round($1 / extract(epoch FROM max(r.finished_at) - (SELECT min(q.started_at) FROM hubspot.request q WHERE q.records > 0))) FROM hubspot.result r"
}

# Commit to arrival, one row at a time, beside a bare POST.
measure_latency() {
	local n=$((1000 / scale > 200 ? 1000 / scale : 200))
	end_simulator_history_free
	queue 0
	delivery on
	ask "SELECT hubspot_identify('{\"email\": \"warm@shop-example.de\"}')" >/dev/null
	wait_for "SELECT count(*) FROM hubspot.backlog" 0 30
	"$work/post" "$simulator_url$upsert" "$n" | sort >"$TMPDIR/bare"
	cat >"$TMPDIR/one.sql" <<-'END'
		\set i random(1, 1000000000)
		SELECT hubspot_identify(jsonb_build_object('email', 'one' || :i || '@shop-example.de', 'plan', 'pro'));
	END
	as_user pgbench -n -c 1 -R 100 -t "$n" -f "$TMPDIR/one.sql" >/dev/null 2>&1
	wait_for "SELECT count(*) FROM hubspot.backlog" 0 30
	ask "SELECT key || ' ' || (extract(epoch FROM created_at) * 1000000)::bigint FROM hubspot.outbox WHERE key LIKE 'one%'" | sort >"$TMPDIR/ours"
	simulate GET log | sed -nE 's/.*"at_us":([0-9]+).*"key":"([^"]+)".*/\2 \1/p' | sort >"$TMPDIR/arrived"
	for kind in bare ours; do
		join "$TMPDIR/$kind" "$TMPDIR/arrived" | awk '{ print ($3 - $2) / 1000 }' | sort -n >"$TMPDIR/$kind.ms"
	done
	local p50 p99 bare
	p50=$(awk '{ a[NR] = $1 } END { print a[int(NR * 0.5)] }' "$TMPDIR/ours.ms")
	p99=$(awk '{ a[NR] = $1 } END { print a[int(NR * 0.99)] }' "$TMPDIR/ours.ms")
	bare=$(awk '{ a[NR] = $1 } END { print a[int(NR * 0.5)] }' "$TMPDIR/bare.ms")
	row 'call (before its commit) to arrival, p50, beyond a bare POST' "$(calc "$p50 - $bare") ms" '<= 1 ms' "$p50 - $bare <= 1"
	row 'call (before its commit) to arrival, p99' "$(calc "$p99") ms" '< 8 ms' "$p99 < 8"
	simulator_url=$fast_url
}

# The fast simulator keeps no history; this measure needs one that does.
end_simulator_history_free() {
	fast_url=$simulator_url
	rm -f "$work/simulator.port"
	new_simulator "$BASHPID" --config '{"burst_limit": 1000000000, "daily_limit": 1000000000}'
}

# What h2load gets out of the same simulator with the same bodies.
measure_h2load() {
	local requests=$((5000 / scale)) i
	simulate POST reset >/dev/null
	perl -e 'my ($dir, $n) = @ARGV; for my $f (0 .. $n - 1) { open my $o, ">", "$dir/body.$f" or die; print $o "{\"inputs\":[", join(",", map {
		my $i = $f * 100 + $_; "{\"idProperty\":\"email\",\"id\":\"user$i\@shop-example.de\",\"objectWriteTraceId\":\"$i\",\"properties\":{\"city\":\"Berlin\",\"plan\":\"pro\",\"total_spent\":\"" . $i * 1.5 . "\",\"firstname\":\"First$i\",\"lastname\":\"Last$i\"}}" } 1 .. 100), "]}" }' "$TMPDIR" 8
	h2load=0
	for i in 0 1 2 3 4 5 6 7; do
		h2load --h1 -c 8 -n "$((requests / 8))" -d "$TMPDIR/body.$i" -H 'Content-Type: application/json' -H 'Authorization: Bearer bench' \
			"$simulator_url$upsert" | sed -nE 's/.*, ([0-9.]+) req\/s.*/\1/p' >>"$TMPDIR/h2load"
	done
	h2load=$(median <"$TMPDIR/h2load")
	row 'h2load, eight bodies again and again, records/s' "$(calc "$h2load * 100" 0)" '' ''
	measure_creates
}

# h2load has one body, whose contacts the simulator knows after the first time.
# The drain creates its contacts; so does this: every body is posted once.
measure_creates() {
	local bodies=$((5000 / scale)) rate
	simulate POST reset >/dev/null
	perl -e 'my ($dir, $n) = @ARGV; open my $o, ">", "$dir/bodies" or die; for my $f (0 .. $n - 1) { print $o "{\"inputs\":[", join(",", map {
		my $i = $f * 100 + $_; "{\"idProperty\":\"email\",\"id\":\"user$i\@shop-example.de\",\"objectWriteTraceId\":\"$i\",\"properties\":{\"city\":\"Berlin\",\"plan\":\"pro\",\"total_spent\":\"" . $i * 1.5 . "\",\"firstname\":\"First$i\",\"lastname\":\"Last$i\"}}" } 1 .. 100), "]}\n" }' "$TMPDIR" "$bodies"
	cat >"$TMPDIR/bodies.lua" <<-'END'
		local bodies, at = {}, 0
		for line in io.lines(os.getenv("TMPDIR") .. "/bodies") do bodies[#bodies + 1] = line end
		local headers = { ["Content-Type"] = "application/json", ["Authorization"] = "Bearer bench" }
		request = function() at = at % #bodies + 1; return wrk.format("POST", nil, headers, bodies[at]) end
	END
	rate=$(wrk -t 1 -c 8 -d 1 -s "$TMPDIR/bodies.lua" "$simulator_url$upsert" | sed -nE 's/^Requests\/sec: *([0-9.]+).*/\1/p')
	creates=$(calc "$rate * 100" 0)
	row 'wrk, every body once, records/s' "$creates" '' ''
}

measure_drain() {
	local rate held many dead per_row message memory i
	for i in 1 2 3; do
		queue "$1"
		drain "$1" >>"$TMPDIR/rates"
	done
	rate=$(median <"$TMPDIR/rates")
	row 'drain, rows/s' "$rate" '>= 100000' "$rate >= 100000"
	row 'drain against h2load' "$(calc "$rate / $h2load / 100")" '>= 0.5' "$rate / $h2load / 100 >= 0.5"
	row 'drain against wrk' "$(calc "$rate / $creates")" '' ''
	per_row=$(ask "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '$wal') / $1")
	message=$(ask 'SELECT avg(pg_column_size(message)) FROM (SELECT message FROM hubspot.outbox LIMIT 10000) o')
	row 'WAL per delivered row, without the message' "$(calc "$per_row - $message" 0) bytes" '< 650 bytes' "$per_row - $message < 650"

	queue "$1"
	( psql -X -qAt -c 'BEGIN ISOLATION LEVEL REPEATABLE READ' -c 'SELECT 1' -c 'SELECT pg_sleep(600)' >/dev/null 2>&1 & echo $! >"$TMPDIR/holder" )
	held=$(drain "$1")
	row 'drain with a snapshot held elsewhere' "$(calc "$held / $rate * 100" 0) %" '>= 90 %' "$held / $rate >= 0.9"
	dead=$(ask "SELECT coalesce(sum(n_dead_tup), 0) FROM pg_stat_user_tables WHERE relname ~ '^(outbox|result)_'")
	row 'dead tuples in outbox and result' "$dead" '0' "$dead == 0"
	ask "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(600)%'" >/dev/null

	queue "$((4 * $1))"
	many=$(drain "$((4 * $1))")
	queue "$((4 * $1))" 100
	held=$(drain "$((4 * $1))")
	row "drain of $((4 * $1)) rows of one transaction against $1 rows" "$(calc "$many / $rate * 100" 0) %" '>= 90 %' "$many / $rate >= 0.9"
	row "the same against as many rows of 100 transactions" "$(calc "$many / $held * 100" 0) %" '>= 90 %' "$many / $held >= 0.9"
	memory=$(sort -n "$TMPDIR/memory" | tail -n 1)
	row "worker's memory" "$((memory / 1024)) MB" '< 128 MB' "$memory < 131072"
}

# 100 requests per 10 s granted, 100 ms latency: how much of it is used in a minute?
measure_limit() {
	local seconds=$((scale > 1 ? 20 : 60)) used batch refused
	queue 100000
	simulate POST config '{"burst_limit": 100, "latency_ms": 100}' >/dev/null
	delivery on
	wait_for 'SELECT count(*) > 0 FROM hubspot.request WHERE records > 0' t 30
	sleep "$seconds"
	used=$(ask "SELECT count(*) FROM hubspot.request WHERE started_at < (SELECT min(started_at) FROM hubspot.request WHERE records > 0) + interval '$seconds s'")
	batch=$(ask 'SELECT avg(records) FROM hubspot.request WHERE records > 0')
	refused=$(ask 'SELECT count(*) FROM hubspot.request WHERE status = 429')
	row "budget used in $seconds s at 100 requests/10 s and 100 ms" "$(calc "$used / ($seconds * 10) * 100" 1) %" '>= 97 %' "$used / ($seconds * 10) >= 0.97"
	row 'refused for the limit (429)' "$refused" '0' "$refused == 0"
	row 'records per request with a backlog' "$(calc "$batch" 1)" '>= 99' "$batch >= 99"
}
