# shellcheck shell=bash
#
# What a call costs the session that makes it.  Delivery is off.
#
# shellcheck disable=SC2154 # $scale is of the script that sources this

measure_enqueue() {
	local rows=$((200000 / scale))
	delivery off
	ask "CREATE TABLE messages AS SELECT to_jsonb(c) AS m FROM (SELECT 'u' || i AS user_id, 'user' || i || '@shop-example.de' AS email,
		'First' || i AS first_name, 'Last' || i AS last_name, 'Berlin' AS city, 'pro' AS plan, i * 1.5 AS total_spent
		FROM generate_series(1, $rows) i) c;
		CREATE TABLE plain (LIKE hubspot.outbox_0 INCLUDING INDEXES); CREATE SEQUENCE plain_id;
		CREATE EXTENSION pgq; SELECT pgq.create_queue('q')" >/dev/null
	measure_calls "$rows"
	measure_session
	measure_trigger "$rows"
	ask 'DROP TABLE plain, messages'
}

# One statement with a call per row, against INSERT ... SELECT and against pgq.
measure_calls() {
	local i ours=() theirs=() pgq=() a b c
	for i in 1 2 3; do
		ask CHECKPOINT
		ours+=("$(time_of 'SELECT count(hubspot_identify(m)) FROM messages')")
		theirs+=("$(time_of "INSERT INTO plain (id, xid, created_at, server, call, object, source, key, message)
			SELECT nextval('plain_id'), pg_current_xact_id(), clock_timestamp(), 1, 'identify', 'contact', 'function', m->>'email', m FROM messages")")
		pgq+=("$(time_of "SELECT count(pgq.insert_event('q', 'identify', m::text)) FROM messages")")
	done
	a=$(printf '%s\n' "${ours[@]}" | median) b=$(printf '%s\n' "${theirs[@]}" | median) c=$(printf '%s\n' "${pgq[@]}" | median)
	row 'call per row against INSERT ... SELECT' "$(calc "$a / $b") x" '<= 1.25 x' "$a / $b <= 1.25"
	row 'pgq.insert_event against call per row' "$(calc "$c / $a") x" '>= 1.8 x' "$c / $a >= 1.8"
}

# One session that commits each call: does it slow down, does it grow?
measure_session() {
	local calls=$((200000 / scale)) pid before after
	cat >"$TMPDIR/call.sql" <<-'END'
		SELECT hubspot_identify('{"userId": "u1", "traits": {"email": "session@shop-example.de", "plan": "pro"}}');
	END
	PGOPTIONS='-c synchronous_commit=off' as_user pgbench -n -M prepared -c 1 -t "$calls" -l --log-prefix="$TMPDIR/session" \
		-f "$TMPDIR/call.sql" >/dev/null 2>&1 &
	wait_for "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pgbench'" 1 10
	pid=$(ask "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench'")
	sleep 0.5
	before=$(awk '/RssAnon/ { print $2 }' "/proc/$pid/status")
	while [ -e "/proc/$pid/status" ]; do
		after=$(awk '/RssAnon/ { print $2 }' "/proc/$pid/status" 2>/dev/null) || break
		[ -z "$after" ] || growth=$((after - before))
		sleep 0.05
	done
	wait $!
	sort -n -k2,2 "$TMPDIR"/session.* | awk -v n="$calls" '{ t[NR] = $3 }
		END { tenth = int(NR / 10); for (i = 1; i <= tenth; i++) { a[i] = t[i]; b[i] = t[NR - tenth + i] }
		na = asort_(a, tenth); nb = asort_(b, tenth); print a[int(tenth / 2)] / b[int(tenth / 2)] }
		function asort_(x, k,   i, j, v) { quick(x, 1, k); return k }
		function quick(x, l, r,   i, j, p, v) { if (l >= r) return; i = l; j = r; p = x[int((l + r) / 2)];
			while (i <= j) { while (x[i] < p) i++; while (x[j] > p) j--; if (i <= j) { v = x[i]; x[i] = x[j]; x[j] = v; i++; j-- } }
			quick(x, l, j); quick(x, i, r) }' >"$TMPDIR/tenths"
	row 'one session: last tenth of its calls against the first' "$(calc "$(cat "$TMPDIR/tenths") * 100" 1) %" '>= 97 %' "$(cat "$TMPDIR/tenths") >= 0.97"
	row 'one session: growth of memory' "$growth kB" '< 64 kB' "$growth < 64"
}

# Statement trigger on an UPDATE, against the bare UPDATE and a PL/pgSQL row trigger.
measure_trigger() {
	local bare ours plpgsql
	ask "CREATE TABLE shop AS SELECT i AS user_id, 'user' || i || '@shop-example.de' AS email, 'pro'::text AS plan FROM generate_series(1, $1) i;
		CREATE TABLE queue (id bigserial PRIMARY KEY, m jsonb);
		CREATE FUNCTION to_queue() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO queue (m) VALUES (to_jsonb(NEW)); RETURN NEW; END'"
	bare=$(time_of "UPDATE shop SET plan = 'a'")
	ask "CREATE TRIGGER t AFTER UPDATE ON shop REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION hubspot_trigger('identify')"
	ours=$(time_of "UPDATE shop SET plan = 'b'")
	ask 'DROP TRIGGER t ON shop; CREATE TRIGGER t AFTER UPDATE ON shop FOR EACH ROW EXECUTE FUNCTION to_queue()'
	plpgsql=$(time_of "UPDATE shop SET plan = 'c'")
	row 'UPDATE with statement trigger against bare UPDATE' "$(calc "$ours / $bare") x" '' ''
	row 'UPDATE with PL/pgSQL row trigger against the same' "$(calc "$plpgsql / $bare") x" '' ''
	ask 'DROP TABLE shop, queue'
}
