# shellcheck shell=bash
#
# Instructions of a call and of a delivered row.  Unlike times they are the same on a
# busy machine.  Valgrind counts, some thirty times slower.
#
# Only when it is asked for: PARTS=instructions, make check-instructions.  Each figure is
# the difference of two processes that do the same with few and with many rows, so that
# the start of a process is in none; rows before them have filled the first pages of
# tables and indexes.  The bar is the figure in instructions.figures beside
# this file, 5 % either way: who makes something cheaper lowers the figure, and it stays so.
#
# shellcheck disable=SC2154 # $root, $work, $bindir and $simulator_url are of the scripts that source this

measure_instructions() {
	local warm=1500 few=1000 many=9000
	if ! command -v valgrind >/dev/null; then
		echo 'skipped: instructions are counted by valgrind, which is not here (Debian: valgrind)'
		return 0
	fi
	queue "$warm"
	drain "$warm" >/dev/null
	start_counted
	queue_counted "$few" "$warm"
	queue_counted "$many" "$((warm + few))"
	judge_instructions 'instructions of a call' call "$(each call "$few" "$many")"
	judge_instructions 'instructions of a delivered row, in the worker' worker "$(each worker "$few" "$many")"
}

# judge_instructions WHAT NAME COUNTED: no bar where this machine and PostgreSQL have no figure.
judge_instructions() {
	local figure
	figure=$(awk -v machine="$(uname -m)" -v version="$(ask 'SHOW server_version_num' | sed 's/....$//')" -v name="$2" \
		'$1 == machine && $2 == version && $3 == name { print $4 }' "$root/test/bench/instructions.figures")
	if [ -n "$figure" ]; then
		row "$1" "$3" "$figure, 5 % either way" "$3 >= $figure * 0.95 && $3 <= $figure * 1.05"
	else
		row "$1" "$3" 'no figure of this version' ''
	fi
}

# The cluster again, each of its processes counted: a file for each, when it ends.  The C
# library copies and compares by what the processor can do; here it knows no more than the
# least of them.
start_counted() {
	quietly as_user pg_ctl -D "$work/bench" -m fast -w stop
	GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX512F,-AVX512VL,-ERMS,-FSRM,-EVEX as_user \
		valgrind --tool=cachegrind --cache-sim=no --cachegrind-out-file="$work/tmp/counted.%p" \
		"$bindir/postgres" -D "$work/bench" >"$work/counted.log" 2>&1 &
	wait_for 'SELECT 1' 1 60
}

# queue_counted ROWS BEFORE: rows of contacts that are new are queued by a session and
# delivered by a worker; both end.
queue_counted() {
	local pid
	pid=$(ask "SELECT pg_backend_pid(); SELECT count(hubspot_identify(jsonb_build_object('userId', 'u' || i, 'email', 'user' || i || '@shop-example.de',
		'first_name', 'First' || i, 'last_name', 'Last' || i, 'city', 'Berlin', 'plan', 'pro', 'total_spent', i * 1.5)))
		FROM generate_series($2 + 1, $2 + $1) i" | sed -n 1p)
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
