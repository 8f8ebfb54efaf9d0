# shellcheck shell=bash
#
# Steady traffic of all kinds for SOAK_SECONDS (7200), while something fails now and then and tables are rotated:
# nothing may grow.  40 intervals, a line and a fault each; the first third is for warming up, and the greatest
# value of the last third is compared with that of the middle one.
#
# shellcheck disable=SC2154 # $work, $secrets and $simulator_url are of the script that sources this

soak_format='%7s %8s %8s %8s %8s %8s %8s %8s %8s %8s %8s  %s\n'

# column, what, growth that is allowed in percent, and in its unit
soak_columns=(
	'worker|memory of the worker (RssAnon), kB|3|1024'
	'launcher|memory of the launcher (RssAnon), kB|3|256'
	'contexts|memory contexts of the worker, kB|10|512'
	'files|files that the worker has open|10|16'
	'sockets|its other descriptors|0|4'
	'rings|outbox, result and request, kB|25|1024'
	'others|all other relations, kB|15|1024'
)

measure_soak() {
	local seconds=${SOAK_SECONDS:-7200} i traffic begun interval
	interval=$((seconds / 40))
	if [ "$interval" -lt 5 ]; then
		echo 'SOAK_SECONDS must be at least 200' >&2
		return 1
	fi
	soak_account
	soak_scripts $((seconds * 2)) $((seconds / 10))
	delivery on
	wait_for 'SELECT count(*) > 0 FROM hubspot.workers WHERE pid <> 0' t 20
	as_user pgbench -n -c 4 -R 60 -T "$seconds" "${soak_scripts[@]}" >"$TMPDIR/soak.pgbench" 2>&1 &
	traffic=$! begun=$SECONDS
	# shellcheck disable=SC2059 # the format is ours
	printf "$soak_format" second queued waiting requests worker launcher contexts files sockets rings others trouble
	for ((i = 1; i <= 40; i++)); do
		"soak_${soak_faults[i % ${#soak_faults[@]}]}"
		sleep_until $((begun + i * interval - interval / 3))
		soak_mend
		sleep_until $((begun + i * interval))
		soak_line $((i * interval)) "${soak_faults[i % ${#soak_faults[@]}]}"
	done
	kill "$traffic" 2>/dev/null || true
	wait "$traffic" || true
	echo
	soak_verdict
}

sleep_until() { [ "$1" -le "$SECONDS" ] || sleep $(($1 - SECONDS)); }

# A burst limit as HubSpot's, so that batches form; what is kept is given back after two minutes.
soak_account() {
	ask "ALTER SYSTEM SET hubspot.retention = '2min'"
	ask "ALTER SYSTEM SET hubspot.timeout = '5s'"
	ask "ALTER SYSTEM SET autovacuum_naptime = '10s'"
	fresh "skip_unchanged 'on', confirmed_for '5 minutes', create_events 'on', create_properties 'on'"
	simulate POST config '{"burst_limit": 190, "association_limit": 150, "latency_ms": 30, "latency_jitter_ms": 100}' >/dev/null
}

# soak_scripts CONTACTS COMPANIES: all of them are known after the first third; some calls are rolled back or refused.
soak_scripts() {
	local name
	cat >"$TMPDIR/soak-identify.sql" <<-'END'
		\set i random(1, :contacts)
		\set n random(1, 50)
		SELECT hubspot_identify(jsonb_build_object('email', 'user' || :i || '@shop-example.de', 'firstName', 'First' || :n, 'plan', 'p' || :n, 'total_spent', :n));
	END
	cat >"$TMPDIR/soak-track.sql" <<-'END'
		\set i random(1, :contacts)
		SELECT hubspot_track(jsonb_build_object('email', 'user' || :i || '@shop-example.de', 'event', 'looked', 'properties', jsonb_build_object('page', :i)));
	END
	cat >"$TMPDIR/soak-group.sql" <<-'END'
		\set i random(1, :contacts)
		\set g random(1, :companies)
		SELECT hubspot_group(jsonb_build_object('groupId', 'g' || :g, 'userId', 'user' || :i || '@shop-example.de', 'traits',
			jsonb_build_object('website', 'shop' || :g || '-example.de', 'name', 'Shop ' || :g)));
	END
	cat >"$TMPDIR/soak-rollback.sql" <<-'END'
		BEGIN;
		SELECT hubspot_identify('{"email": "never@shop-example.de"}');
		ROLLBACK;
		SELECT hubspot_identify('{"email": "refused@shop.nowhere", "plan": "none"}');
		SELECT count(*) FROM hubspot.status;
	END
	soak_scripts=(-D "contacts=$1" -D "companies=$2")
	for name in identify@70 track@15 group@10 rollback@5; do
		soak_scripts+=(-f "$TMPDIR/soak-${name%@*}.sql@${name#*@}")
	done
}

# What goes wrong, in turn, for two thirds of an interval.
soak_faults=(nothing timeout busy limited reload lost alter garbage spoilt token paused)
soak_fault() { simulate POST fault "$1" >/dev/null; }
soak_nothing() { :; }
soak_timeout() { soak_fault '{"action": "hang", "probability": 0.2, "seed": 1, "times": 0}'; }
soak_busy() { soak_fault '{"action": "status", "status": 503, "body": "busy", "content_type": "text/plain", "probability": 0.5, "seed": 2, "times": 0}'; }
soak_limited() { soak_fault '{"action": "rate_limit", "policy": "TEN_SECONDLY_ROLLING", "probability": 0.1, "seed": 3, "times": 0}'; }
soak_reload() { ask 'SELECT pg_reload_conf()' >/dev/null; }
soak_lost() { soak_fault '{"action": "drop_after", "probability": 0.2, "seed": 4, "times": 0}'; }
soak_alter() { ask "ALTER SERVER crm OPTIONS (SET max_connections '$((RANDOM % 8 + 1))')"; }
soak_garbage() { soak_fault '{"action": "garbage", "probability": 0.3, "seed": 5, "times": 0}'; }
soak_spoilt() { soak_fault '{"match": {"path": "batch/upsert", "record": "user777"}, "action": "status", "status": 500, "body": "no", "times": 0}'; }
soak_token() { as_user mv "$work/secrets/crm" "$work/secrets/away"; ask 'SELECT pg_reload_conf()' >/dev/null; }
soak_paused() { ask "SELECT hubspot_pause('crm')" >/dev/null; }

soak_mend() {
	simulate DELETE faults >/dev/null
	if [ -e "$work/secrets/away" ]; then
		as_user mv "$work/secrets/away" "$work/secrets/crm"
		ask 'SELECT pg_reload_conf()' >/dev/null
	fi
	ask "SELECT hubspot_resume('crm')" >/dev/null
}

process() { ask "SELECT pid FROM pg_stat_activity WHERE backend_type = 'hubspot $1'"; }
anonymous_memory() { sed -nE 's/^RssAnon:[^0-9]*([0-9]+).*/\1/p' "/proc/$1/status"; }

# What the worker says itself, into the log.
context_memory() {
	local before after i
	before=$(grep -c "Grand total" "$work/bench.log")
	ask "SELECT pg_log_backend_memory_contexts($1)" >/dev/null
	for ((i = 0; i < 100; i++)); do
		after=$(grep -c "Grand total" "$work/bench.log")
		[ "$after" -eq "$before" ] || break
		sleep 0.1
	done
	sed -nE 's/.*Grand total: ([0-9]+) bytes.*/\1/p' "$work/bench.log" | tail -n 1 | awk '{ print int($1 / 1024) }'
}

# soak_line SECOND TROUBLE
soak_line() {
	local worker launcher sizes files links
	worker=$(process worker) launcher=$(process launcher)
	links=$(find "/proc/$worker/fd" -type l -printf '%l\n')
	files=$(grep -c '^/' <<<"$links")
	sizes=$(ask "SELECT div(sum(pg_total_relation_size(oid)) FILTER (WHERE relname ~ '^(outbox|result|request)_[0-9]\$'), 1024) || ' ' ||
		div(sum(pg_total_relation_size(oid)) FILTER (WHERE relname !~ '^(outbox|result|request)_[0-9]\$'), 1024)
		FROM pg_class WHERE relnamespace = 'hubspot'::regnamespace AND relkind = 'r'")
	# shellcheck disable=SC2059 # the format is ours
	printf "$soak_format" "$1" "$(ask 'SELECT count(*) FROM hubspot.outbox')" "$(ask 'SELECT coalesce(sum(waiting), 0) FROM hubspot.status')" \
		"$(simulate GET stats | sed -E 's/.*"requests":([0-9]+).*/\1/')" "$(anonymous_memory "$worker")" "$(anonymous_memory "$launcher")" \
		"$(context_memory "$worker")" "$files" $(($(wc -l <<<"$links") - files)) "${sizes% *}" "${sizes#* }" "$2" | tee -a "$TMPDIR/soak"
	echo "$worker" >>"$TMPDIR/soak.workers"
}

# soak_greatest COLUMN FROM TO: of the lines from that to that.
soak_greatest() { awk -v c="$1" -v from="$2" -v to="$3" 'NR >= from && NR <= to && $c > max { max = $c } END { print max }' "$TMPDIR/soak"; }

soak_verdict() {
	local i column name percent units middle last problems
	for ((i = 0; i < ${#soak_columns[@]}; i++)); do
		IFS='|' read -r column name percent units <<<"${soak_columns[i]}"
		middle=$(soak_greatest $((i + 5)) 14 27) last=$(soak_greatest $((i + 5)) 28 40)
		row "soak: $name, middle and last third" "$middle; $last" "<= $percent % + $units more" "$last <= $middle * (1 + $percent / 100) + $units"
	done
	row 'soak: workers' "$(sort -u "$TMPDIR/soak.workers" | wc -l)" '1' "$(sort -u "$TMPDIR/soak.workers" | wc -l) == 1"
	simulate POST config '{"burst_limit": 1000000}' >/dev/null
	ask 'SELECT hubspot_retry(id) FROM hubspot.deferred' >/dev/null
	if wait_for 'SELECT count(*) FROM hubspot.backlog' 0 120; then i=0; else i=$(ask 'SELECT count(*) FROM hubspot.backlog'); fi
	row 'soak: rows without a verdict two minutes after the end' "$i" '0' "$i == 0"
	problems=$(ask 'SELECT count(*) FROM hubspot_health()')
	row 'soak: problems that hubspot_health() tells of' "$problems" '0' "$problems == 0"
	ask 'SELECT problem FROM hubspot_health()'
	ask "ALTER SYSTEM RESET hubspot.retention"
	ask "ALTER SYSTEM RESET hubspot.timeout"
	ask "ALTER SYSTEM RESET autovacuum_naptime"
}
