# shellcheck shell=bash
#
# Tables and audiences that keep themselves in step: what a session pays whose statement changes a followed table,
# what a refresh costs beyond its query, and a back-fill beside live changes.
#
# shellcheck disable=SC2154 # $scale, $work and $simulator_url are of the script that sources this

measure_syncs() {
	queue 0
	measure_followed "$((200000 / scale))"
	measure_refreshes "$((1000000 / scale))"
}

# What autovacuum and the checkpointer would do some time, they do not do while something is measured.
settle() { psql -X -qAt -v ON_ERROR_STOP=1 -c "VACUUM ANALYZE $1" -c CHECKPOINT; }

ratio() { calc "$(median <"$TMPDIR/$1") / $(median <"$TMPDIR/$2")"; }

# ---- a followed table -------------------------------------------------------

# make_customers NAME ROWS: ten columns, about 150 bytes, two indexes.  Vacuum is left to the measure.
make_customers() {
	ask "CREATE TABLE $1 (id bigint PRIMARY KEY, email text NOT NULL, first_name text, last_name text, city text, plan text,
			visits integer, spent numeric, seen_at timestamptz, note text) WITH (autovacuum_enabled = off);
		INSERT INTO $1 SELECT i, 'user' || i || '@shop-example.de', 'First' || i, 'Last' || i, 'Berlin', 'pro', i % 100, i * 1.5, now(), md5(i::text)
			FROM generate_series(1, $2) i;
		CREATE INDEX ON $1 (email); ANALYZE $1"
}

follow() {
	ask "SELECT hubspot_sync('$1', '$1', key => 'email', backfill => false,
		mapping => '{\"email\": \"email\", \"firstname\": \"first_name\", \"lastname\": \"last_name\", \"plan\": \"plan\"}')" >/dev/null
}

# timed_update NAME TABLE SET: milliseconds of the clock into NAME, of the session's processor into NAME.cpu.
timed_update() {
	local used="SELECT 10 * (split_part(s, ' ', 14)::int + split_part(s, ' ', 15)::int) FROM pg_read_file('/proc/self/stat') s"
	psql -X -qAt -v ON_ERROR_STOP=1 -c "$used" -c '\timing on' -c "UPDATE $2 SET $3" -c '\timing off' -c "$used" >"$TMPDIR/last"
	sed -nE 's/^Time: ([0-9.]+) ms.*/\1/p' "$TMPDIR/last" >>"$TMPDIR/$1"
	sed '/Time/d' "$TMPDIR/last" | awk 'NR == 1 { before = $1 } END { print $1 - before }' >>"$TMPDIR/$1.cpu"
}

# The same UPDATE of a table that is followed and of one that is not, in turn; of a mapped column, and of another one.
measure_followed() {
	local round kind table name ratio
	make_customers followed "$1"
	make_customers bare "$1"
	follow followed
	for round in 0 1 2 3 4 5; do
		for kind in "plan = 'p$round'" "visits = visits + 1"; do
			for table in bare followed; do
				settle "$table"
				timed_update "update.${kind%% *}.$table" "$table" "$kind"
			done
		done
		[ "$round" != 0 ] || rm "$TMPDIR"/update.*	# for the caches
	done
	for name in plan visits; do
		ratio=$(ratio "update.$name.followed" "update.$name.bare")
		if [ "$name" = plan ]; then
			row "UPDATE of $1 rows of a followed table against the bare one" "$ratio x" '<= 2.5 x' "$ratio <= 2.5"
		else
			row '... of a column that is not mapped' "$ratio x" '<= 1.2 x' "$ratio <= 1.2"
		fi
		row '... the same, processor time of the session' "$(ratio "update.$name.followed.cpu" "update.$name.bare.cpu") x" '' ''
	done
	[ "$(ask "SELECT count(*) FROM hubspot.outbox WHERE source = 'sync'")" = $((6 * $1)) ]
	ask "SELECT hubspot_drop_sync('followed'); DROP TABLE followed, bare"
}

# ---- what a statement does not name, and what a subscription applies -------------------

# make_partitioned NAME ROWS: as make_customers, in four partitions of a quarter each.
make_partitioned() {
	local i
	make_customers "$1_flat" "$2"
	ask "CREATE TABLE $1 (LIKE $1_flat INCLUDING DEFAULTS, PRIMARY KEY (id)) PARTITION BY RANGE (id)"
	for i in 0 1 2 3; do
		ask "CREATE TABLE $1_$i PARTITION OF $1 FOR VALUES FROM ($(($2 * i / 4))) TO ($(($2 * (i + 1) / 4 + (i == 3)))) WITH (autovacuum_enabled = off)"
	done
	ask "INSERT INTO $1 SELECT * FROM $1_flat; DROP TABLE $1_flat; CREATE INDEX ON $1 (email); ANALYZE $1"
}

# timed_apply NAME TABLE SET: milliseconds until the subscriber has applied the publisher's UPDATE, processor time of the apply worker.
timed_apply() {
	local begun pid
	psql -X -qAt -v ON_ERROR_STOP=1 -d publisher -c "UPDATE $2 SET $3"
	begun=$(date +%s%N)
	ask 'ALTER SUBSCRIPTION bench ENABLE'
	wait_for "SELECT count(*) FROM $2 WHERE id = 1 AND $3" 1 120
	echo $((($(date +%s%N) - begun) / 1000000)) >>"$TMPDIR/$1"
	pid=$(ask "SELECT pid FROM pg_stat_subscription WHERE subname = 'bench'")
	awk '{ print 10 * ($14 + $15) }' "/proc/$pid/stat" >>"$TMPDIR/$1.cpu"
	ask 'ALTER SUBSCRIPTION bench DISABLE'
	wait_for "SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL" 0 20
}

# measure_ratio NAME WHAT BAR: the median of what is followed against the bare one.
measure_ratio() {
	local ratio
	ratio=$(ratio "$1.followed" "$1.bare")
	row "$2" "$ratio x" "<= $3 x" "$ratio <= $3"
	row '... the same, processor time of the process' "$(ratio "$1.followed.cpu" "$1.bare.cpu") x" '' ''
}

# Of its own, because it needs wal_level = logical: PARTS=follow make bench.
measure_follow() {
	local round table rows=$((200000 / scale))
	queue 0
	make_customers followed "$rows"
	make_customers bare "$rows"
	make_partitioned parted_followed "$rows"
	make_partitioned parted_bare "$rows"
	follow followed
	follow parted_followed
	ask 'CREATE DATABASE publisher'
	for table in followed bare; do
		PGDATABASE=publisher make_customers "$table" "$rows"
	done
	psql -X -qAt -v ON_ERROR_STOP=1 -d publisher -c 'CREATE PUBLICATION bench FOR ALL TABLES' -c "SELECT pg_create_logical_replication_slot('bench', 'pgoutput')" >/dev/null
	ask "CREATE SUBSCRIPTION bench CONNECTION 'dbname=publisher host=$PGHOST port=$PGPORT user=$PGUSER' PUBLICATION bench
		WITH (create_slot = false, slot_name = 'bench', copy_data = false, enabled = false)" 2>/dev/null
	for round in 0 1 2 3; do
		for table in bare followed; do
			settle "$table"
			timed_update "sessions.$table" "$table" "plan = 'p$round'"
			settle "parted_$table"
			timed_update "parted.$table" "parted_$table" "plan = 'p$round'"
			settle "$table"
			timed_apply "applied.$table" "$table" "plan = 'q$round'"
		done
		[ "$round" != 0 ] || rm "$TMPDIR"/sessions.* "$TMPDIR"/parted.* "$TMPDIR"/applied.*	# for the caches
	done
	measure_ratio sessions "UPDATE of $rows rows of a followed table against the bare one" 2.2
	measure_ratio parted '... of a partitioned table, through the parent' 2.2
	measure_ratio applied '... applied by a subscription' 2.2
	[ "$(ask "SELECT count(*) FROM hubspot.outbox WHERE source = 'sync'")" = $((12 * rows)) ]
	ask "ALTER SUBSCRIPTION bench SET (slot_name = NONE); DROP SUBSCRIPTION bench; SELECT pg_drop_replication_slot('bench')" >/dev/null
	ask "SELECT hubspot_drop_sync('followed'), hubspot_drop_sync('parted_followed'); DROP TABLE followed, bare, parted_followed, parted_bare" >/dev/null
	ask 'DROP DATABASE publisher'
}

# ---- an audience ------------------------------------------------------------

# Customers with three orders each; as many as are asked for have spent enough lately, a tenth more has not.
make_orders() {
	ask "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text NOT NULL, ordered_at timestamptz NOT NULL, amount numeric NOT NULL);
		INSERT INTO orders (email, ordered_at, amount) SELECT 'user' || i % ($1 * 11 / 10) || '@shop-example.de', now() - i % 80 * interval '1 day',
				CASE WHEN i % ($1 * 11 / 10) < $1 THEN 50 ELSE 20 END
			FROM generate_series(0, $1 * 33 / 10 - 1) i;
		CREATE TABLE subscribers AS SELECT 'user' || i || '@shop-example.de' AS email FROM generate_series(0, $1 - 1) i;
		CREATE INDEX ON orders (email); ANALYZE orders, subscribers"
}

declare -A audience_queries=(
	[buyers]="SELECT email FROM orders WHERE ordered_at > now() - interval '90 days' GROUP BY email HAVING sum(amount) > 100"
	[subscribers]='SELECT email FROM subscribers'
)

# One in a hundred: half of them leave, half of them are new.
change_buyers() {
	ask "UPDATE orders SET amount = 20 WHERE email IN (SELECT email FROM orders GROUP BY email HAVING sum(amount) > 100 LIMIT $2);
		INSERT INTO orders (email, ordered_at, amount) SELECT 'new$1.' || i || '@shop-example.de', now(), 150 FROM generate_series(1, $2) i; ANALYZE orders"
}

change_subscribers() {
	ask "UPDATE subscribers SET email = 'new$1.' || email WHERE email IN (SELECT email FROM subscribers LIMIT $2); ANALYZE subscribers"
}

# measure_audience NAME MEMBERS: change_NAME changes what its query returns.  What is queued is exactly the difference.
measure_audience() {
	local round query=${audience_queries[$1]} counts expected before
	ask "SELECT hubspot_audience('$1', \$q\$$query\$q\$)" >/dev/null
	rm -f "$TMPDIR"/refresh.*
	time_of "SELECT hubspot_refresh('$1')" >"$TMPDIR/refresh.first"
	expected="$2|$(($2 / 200))|0|$(($2 / 200))"
	for round in 1 2 3; do
		"change_$1" "$round" "$(($2 / 200))"
		settle "hubspot.member, orders, subscribers"
		time_of "SELECT count(*) FROM ($query OFFSET 0) q" >>"$TMPDIR/refresh.query"
		before=$(ask 'SELECT coalesce(max(id), 0) FROM hubspot.outbox')
		psql -X -qAt -v ON_ERROR_STOP=1 -c '\timing on' -c "SELECT source_rows, entered, changed, exited FROM hubspot_refresh('$1')" >"$TMPDIR/last"
		sed -nE 's/^Time: ([0-9.]+) ms.*/\1/p' "$TMPDIR/last" >>"$TMPDIR/refresh.all"
		counts=$(head -n 1 "$TMPDIR/last")
		[ "$counts" = "$expected" ] || { echo "refresh of $1: $counts, not $expected" >&2; return 1; }
		[ "$(ask "SELECT count(*) FROM hubspot.outbox WHERE id > $before")" = "$(($2 / 100))" ]
	done
}

measure_refreshes() {
	local times
	make_orders "$1"
	measure_audience buyers "$1"
	times=$(ratio refresh.all refresh.query)
	row "refresh of an audience of $1, 1 % changed, against its query" "$times x" '< 3 x' "$times < 3"
	row '... and its first refresh, which queues them all' "$(ratio refresh.first refresh.query) x" '' ''
	measure_audience subscribers "$1"
	row '... of a query that only reads the keys from a table' "$(ratio refresh.all refresh.query) x" '' ''
	ask "SELECT hubspot_drop_sync('buyers'), hubspot_drop_sync('subscribers'); DROP TABLE orders, subscribers" >/dev/null
}
