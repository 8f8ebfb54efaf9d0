# shellcheck shell=bash
#
# The back-fill of a followed table within HubSpot's limit, beside live changes: these do not wait behind it, and
# the table is its queue, not the outbox.
#
#	BACKFILL_ROWS=1000000	rows of the table; otherwise 200,000, with QUICK=1 50,000
#
# shellcheck disable=SC2154 # $scale, $work and $simulator_url are of the script that sources this

measure_backfill() {
	local fast_url=$simulator_url rows=${BACKFILL_ROWS:-$((scale > 1 ? 50000 : 200000))} live
	rm -f "$work/simulator.port"
	new_simulator "$BASHPID" --config '{"burst_limit": 190, "latency_ms": 150, "daily_limit": 1000000000}'
	queue 0
	make_customers customers "$rows"
	ask "CREATE SEQUENCE changed; SELECT hubspot_sync('customers', 'customers', key => 'email', mapping => '{\"email\": \"email\", \"firstname\": \"first_name\",
		\"lastname\": \"last_name\", \"plan\": \"plan\"}')" >/dev/null
	delivery on
	wait_for 'SELECT count(*) > 0 FROM hubspot.request WHERE records > 0' t 60
	live_changes "$rows" >/dev/null 2>&1 &
	live=$!
	watch_backfill "$rows"
	wait "$live"
	wait_for 'SELECT count(*) FROM hubspot.backlog' 0 60
	report_backfill "$rows"
	ask "SELECT hubspot_drop_sync('customers'); DROP TABLE customers; DROP SEQUENCE changed"
	simulator_url=$fast_url
}

# 20 times a second another customer changes, all over the table, until the back-fill is done.
live_changes() {
	echo "UPDATE customers SET plan = 'live' WHERE id = (SELECT 1 + nextval('changed') * 7919 % $1)" >"$TMPDIR/change.sql"
	while [ "$(ask "SELECT count(*) FROM hubspot.backfills WHERE state = 'done'")" = 0 ]; do
		as_user pgbench -n -c 1 -R 20 -T 5 -f "$TMPDIR/change.sql"
	done
}

# How many of its rows wait in the outbox, twice a second.
watch_backfill() {
	local i
	rm -f "$TMPDIR/ahead"
	for ((i = 0; i < $1 / 200 + 200; i++)); do
		ask "SELECT count(*) FROM hubspot.backlog WHERE backfill" >>"$TMPDIR/ahead"
		[ "$(ask "SELECT count(*) FROM hubspot.backfills WHERE state = 'done'")" = 0 ] || return 0
		sleep 0.5
	done
	echo "the back-fill is not done: $(ask 'SELECT * FROM hubspot.backfills')" >&2
	return 1
}

report_backfill() {
	local rate p50 p99 ahead
	[ "$(simulate GET objects/contacts)" = "{\"count\":$1}" ] || { simulate GET objects/contacts >&2; return 1; }
	rate=$(simulate GET requests | perl -MJSON::PP -ne '
		my $r = decode_json($_);
		push @upserts, $r if $r->{path} =~ /upsert/ && $r->{status} < 300;
		END {	# after a window, in which as many requests as are granted come at once
			my ($first, $last) = ($upserts[190], $upserts[-1]);
			$records += $_->{records} for @upserts[190 .. $#upserts - 1];
			printf "%d\n", $records / ($last->{at_us} - $first->{at_us}) * 1e6;
		}')
	ask "SELECT key || ' ' || (extract(epoch FROM created_at) * 1000000)::bigint FROM hubspot.outbox WHERE NOT backfill IS TRUE" | sort -u -k1,1 >"$TMPDIR/called"
	simulate GET log | grep '"live"' | sed -nE 's/.*"at_us":([0-9]+).*"key":"([^"]+)".*/\2 \1/p' | sort -u -k1,1 >"$TMPDIR/arrived"
	# what has not arrived counts as ten minutes
	join -a 1 "$TMPDIR/called" "$TMPDIR/arrived" | awk '{ print NF < 3 ? 600000 : ($3 - $2) / 1000 }' | sort -n >"$TMPDIR/live.ms"
	p50=$(awk '{ a[NR] = $1 } END { print a[int((NR + 1) * 0.5)] }' "$TMPDIR/live.ms")
	p99=$(awk '{ a[NR] = $1 } END { print a[int(NR * 0.99)] }' "$TMPDIR/live.ms")
	ahead=$(sort -n "$TMPDIR/ahead" | tail -n 1)
	row "back-fill of $1 rows at 190 requests per 10 s, 150 ms: records/s" "$rate" '>= 1800' "$rate >= 1800"
	row '... its rows in the outbox without a verdict, at most' "$ahead" '<= 4000' "$ahead <= 4000"
	row "... $(wc -l <"$TMPDIR/live.ms") live changes meanwhile: p50; p99" "$(calc "$p50" 0); $(calc "$p99" 0) ms" 'p99 < 5 s' "$p99 < 5000"
}
