# shellcheck shell=bash
#
# Instructions of a call and of a delivered row.  Unlike times they are the same
# on a busy machine, so that two commits can be compared: within two percent the
# same build counts the same.  Valgrind counts, some thirty times slower.
#
# Only when it is asked for: PARTS=instructions.  Each figure is the difference of
# two runs, so that the start of a process is in none.
#
# shellcheck disable=SC2154 # $work, $bindir and $simulator_url are of the scripts that source this

measure_instructions() {
	local few=2000 many=20000
	if ! command -v valgrind >/dev/null; then
		echo 'PARTS=instructions needs valgrind (Debian: valgrind)' >&2
		return 1
	fi
	start_counted
	queue_counted "$few"
	queue_counted "$many"
	row 'instructions of a call' "$(each call "$few" "$many")" '' ''
	row 'instructions of a delivered row, in the worker' "$(each worker "$few" "$many")" '' ''
}

# The cluster again, each of its processes counted: a file for each, when it ends.
start_counted() {
	quietly as_user pg_ctl -D "$work/bench" -m fast -w stop
	as_user valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file="$work/tmp/counted.%p" \
		"$bindir/postgres" -D "$work/bench" >"$work/counted.log" 2>&1 &
	wait_for 'SELECT 1' 1 60
}

# ROWS are queued by a session and delivered by a worker; both end.
queue_counted() {
	local pid
	queue 0
	pid=$(ask "SELECT pg_backend_pid(); SELECT count(hubspot_identify(jsonb_build_object('userId', 'u' || i, 'email', 'user' || i || '@shop-example.de',
		'first_name', 'First' || i, 'last_name', 'Last' || i, 'city', 'Berlin', 'plan', 'pro', 'total_spent', i * 1.5))) FROM generate_series(1, $1) i" | sed -n 1p)
	counted "$pid" >"$TMPDIR/call.$1"
	delivery on
	wait_for 'SELECT count(*) > 0 FROM hubspot.workers WHERE pid <> 0' t 60
	pid=$(ask 'SELECT max(pid) FROM hubspot.workers')
	ask "DO 'BEGIN WHILE (SELECT coalesce(max(done), 0) FROM hubspot.workers) < $1 LOOP PERFORM pg_sleep(0.2); END LOOP; END'"
	delivery off
	counted "$pid" >"$TMPDIR/worker.$1"
}

# What a process has counted, when it has ended.
counted() {
	local i
	for ((i = 0; i < 300; i++)); do
		! as_user grep -s '^summary:' "$work/tmp/counted.$1" || return 0
		sleep 0.1
	done
	echo "process $1 has left no count" >&2
	return 1
}

each() {
	awk -v rows=$(($3 - $2)) '{ n[NR] = $2 } END { printf "%d", (n[2] - n[1]) / rows }' "$TMPDIR/$1.$2" "$TMPDIR/$1.$3"
}
