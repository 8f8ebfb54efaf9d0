# shellcheck shell=bash
#
# A million rows wait while HubSpot is gone, busy (503), silent (and answers in the end) or deaf (what was asked
# meanwhile is never answered), for OUTAGE_SECONDS each (15; 150 makes ten minutes): what that writes, and how soon
# everything goes on.  HubSpot takes 50 ms per request, so that eight connections make 16,000 rows/s at most.
#
# shellcheck disable=SC2154 # $scale, $work, $simulator_pid and $simulator_url are of the script that sources this

measure_outage() {
	local fast_url=$simulator_url rows=$((scale > 1 ? 400000 : 1000000)) kind dead
	outage_simulator "$(free_port)"
	queue "$rows"
	ask 'ALTER SYSTEM SET autovacuum = off'
	ask "ALTER SYSTEM SET hubspot.timeout = '10s'"
	delivery on
	for kind in gone busy silent deaf; do
		measure_break "$kind" "${OUTAGE_SECONDS:-15}"
	done
	dead=$(ask "SELECT coalesce(sum(n_tup_upd + n_tup_del + n_dead_tup), 0) FROM pg_stat_user_tables WHERE relname ~ '^(outbox|result)_'")
	row '... rows changed or dead in outbox and result' "$dead" '0' "$dead == 0"
	delivery off
	ask 'ALTER SYSTEM RESET autovacuum'
	ask 'ALTER SYSTEM RESET hubspot.timeout'
	kill "$simulator_pid"
	simulator_url=$fast_url
}

# Not one of those that connections get: the worker's own could take it meanwhile.
free_port() {
	local port
	while port=$((20000 + RANDOM % 10000)); (: <>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
	echo "$port"
}

# outage_simulator PORT: one that can be ended and started again.
outage_simulator() {
	rm -f "$work/simulator.port"
	new_simulator "$BASHPID" --no-history --port "$1" --config '{"burst_limit": 1000000000, "daily_limit": 1000000000, "latency_ms": 50}'
}

break_gone() { kill "$simulator_pid"; }
mend_gone() { outage_simulator "${simulator_url##*:}"; }
break_busy() { simulate POST fault '{"action": "status", "status": 503, "body": "busy", "content_type": "text/plain", "times": 0}' >/dev/null; }
mend_busy() { simulate DELETE faults; }
break_silent() { kill -STOP "$simulator_pid"; }
mend_silent() { kill -CONT "$simulator_pid"; }
break_deaf() { simulate POST fault '{"action": "hang", "times": 0}' >/dev/null; }
mend_deaf() { simulate DELETE faults; }

now() { ask 'SELECT clock_timestamp()'; }
lsn() { ask 'SELECT pg_current_wal_lsn()'; }

# Rows per second in requests that were sent in so many seconds from then on, and went well.
rate_from() {
	ask "SELECT round(coalesce(sum(records), 0) / $2.0) FROM hubspot.request
		WHERE status = 200 AND records > 0 AND started_at >= '$1' AND started_at < '$1'::timestamptz + interval '$2 s'"
}

# The end of the first good answer to a request that was on its way at or after that time.
first_answer_after() {
	ask "SELECT min(at) FROM (SELECT started_at + duration_ms * interval '1 ms' AS at FROM hubspot.request WHERE status = 200 AND records > 0) r WHERE at >= '$1'"
}

# measure_break KIND SECONDS
measure_break() {
	local start from until before written mended first good probes soon most=5
	local name="outage of $2 s, HubSpot is $1"
	[ "$1" != deaf ] || most=15
	start=$(now)
	wait_for "SELECT coalesce(sum(records), 0) > 60000 FROM hubspot.request WHERE status = 200 AND started_at > '$start'" t 60
	good=$(rate_from "$(ask "SELECT min(started_at) + interval '1 s' FROM hubspot.request WHERE records > 0 AND started_at > '$start'")" 2)

	"break_$1"
	# what was under way, and its verdicts, are not of the outage
	sleep 3
	ask 'CHECKPOINT'
	before=$(lsn) from=$(now)
	sleep "$2"
	written=$(ask "SELECT pg_wal_lsn_diff('$(lsn)', '$before')")
	until=$(now)
	probes=$(ask "SELECT count(*) FROM hubspot.request WHERE started_at BETWEEN '$from' AND '$until'")

	mended=$(now)
	"mend_$1"
	wait_for "SELECT count(*) > 0 FROM hubspot.request WHERE status = 200 AND records > 0 AND started_at > '$mended'" t 200
	first=$(first_answer_after "$mended")
	wait_for "SELECT max(started_at) > '$first'::timestamptz + interval '3 s' FROM hubspot.request" t 60
	soon=$(ask "SELECT extract(epoch FROM '$first'::timestamptz - '$mended')")

	row "$name: WAL per second ($probes requests)" "$(calc "$written / $2" 0) bytes" '< 1000 bytes' "$written / $2 < 1000"
	row '... from its end to the first answer' "$(calc "$soon") s" "< $most s" "$soon < $most"
	first=$(rate_from "$first" 1)
	row '... the first second from then on, against before' "$(calc "$first / $good * 100" 0) % of $good rows/s" '>= 90 %' "$first / $good >= 0.9"
}
