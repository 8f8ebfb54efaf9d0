# shellcheck shell=bash
#
# How many requests calls cost, and what it costs to put one together.
#
# shellcheck disable=SC2154 # $scale, $work and $simulator_url are of the script that sources this

measure_requests() {
	local calls=$((10000 / scale))
	ask 'ALTER SYSTEM SET log_min_messages = debug1'
	ask 'SELECT pg_reload_conf()' >/dev/null
	fresh
	measure_contacts "$calls"
	measure_unchanged "$((100000 / scale))"
	measure_groups "$calls" segment_group_id
	measure_groups "$calls"
	measure_events "$calls"
	measure_mapping "$((100000 / scale))"
}

# fresh [OPTIONS]: an account without a past.
fresh() {
	delivery off
	ask "DROP EXTENSION hubspot CASCADE; CREATE EXTENSION hubspot; CREATE SERVER crm FOREIGN DATA WRAPPER hubspot
		OPTIONS (secret 'crm', base_url '$simulator_url', max_connections '8'${1:+, $1})" 2>/dev/null
	simulate POST reset >/dev/null
	simulate POST config '{"burst_limit": 1000000000, "association_limit": 1000000000}' >/dev/null
}

deliver_all() {
	delivery on
	wait_for "SELECT count(*) FROM hubspot.outbox o WHERE NOT EXISTS (SELECT FROM hubspot.result r WHERE r.id = o.id)" 0 120
}

requests_like() { ask "SELECT count(*) FROM hubspot.request WHERE path ~ '$1'"; }

measure_contacts() {
	local before after
	ask "SELECT count(hubspot_identify(jsonb_build_object('email', 'user' || i || '@shop-example.de', 'plan', 'free'))) FROM generate_series(1, $1) i" >/dev/null
	deliver_all
	before=$(requests_like contacts/batch)
	delivery off
	ask "SELECT count(hubspot_identify(jsonb_build_object('email', 'user' || i || '@shop-example.de', 'plan', 'pro'))) FROM generate_series(1, $1) i" >/dev/null
	deliver_all
	after=$(requests_like contacts/batch)
	row "requests for $1 changed contacts" "$((after - before))" "<= $(($1 / 100))" "$after - $before <= $1 / 100"
}

# pass CALLS PLAN: deliver so many contacts of ten properties; leaves rows per second, WAL per row and requests in $rate, $wal, $requests.
pass() {
	local last lsn
	delivery off
	last=$(ask 'SELECT coalesce(max(id), 0) FROM hubspot.outbox')
	ask "SELECT count(hubspot_identify(jsonb_build_object('email', 'user' || i || '@shop-example.de', 'plan', '$2', 'city', 'Berlin', 'zip', i, 'phone', '0123',
		'country', 'Germany', 'state', 'BE', 'firstName', 'First' || i, 'lastName', 'Last' || i, 'total_spent', i, 'website', 'shop-example.de')))
		FROM generate_series(1, $1) i" >/dev/null
	lsn=$(ask 'SELECT pg_current_wal_lsn()')
	requests=$(requests_like contacts/batch)
	deliver_all
	rate=$(ask "SELECT round(count(*) / greatest(extract(epoch FROM max(finished_at) - min(finished_at)), 0.001)) FROM hubspot.result WHERE id > $last")
	wal=$(ask "SELECT round(pg_wal_lsn_diff(pg_current_wal_lsn(), '$lsn') / $1)")
	requests=$(($(requests_like contacts/batch) - requests))
}

# The same calls again, and one property changed, with skip_unchanged and without.
measure_unchanged() {
	local rate wal requests changed sent
	fresh
	pass "$1" free
	pass "$1" pro
	sent=$wal
	fresh "skip_unchanged 'on'"
	pass "$1" free
	row "$1 contacts, new to HubSpot, with skip_unchanged: rows/s" "$rate" '' ''
	pass "$1" pro
	changed="$rate; $((wal - sent)) bytes"
	pass "$1" pro
	row 'the same calls again: requests' "$requests" '0' "$requests == 0"
	row '... rows/s; WAL per row' "$rate; $wal bytes" '' ''
	row '... one value of ten changed: rows/s; WAL of the confirmation' "$changed" '' ''
}

# As many calls for a tenth of companies, each with its contact, known to nobody before.
measure_groups() {
	local what=${2:+a key of their own} companies associations
	local options="company_id_property '${2:-}', create_properties 'on'"
	fresh "${2:+$options}"
	ask "SELECT count(*) FROM hubspot_enqueue('identify', ARRAY(SELECT jsonb_build_object('email', 'user' || i || '@shop-example.de') FROM generate_series(1, $1) i));
		SELECT count(*) FROM hubspot_enqueue('group', ARRAY(SELECT jsonb_build_object('groupId', 'g' || i % ($1 / 10), 'userId', 'user' || i || '@shop-example.de',
			'traits', jsonb_build_object('website', 'shop' || i % ($1 / 10) || '-example.de', 'plan', 'p' || i)) FROM generate_series(1, $1) i))" >/dev/null
	deliver_all
	companies=$(requests_like 'objects/.*/companies/batch')
	associations=$(requests_like 'associations/')
	row "requests for $1 group calls of $(($1 / 10)) companies by ${what:-domain}: companies" "$companies" "<= $(($1 / 1000))" "$companies <= $1 / 1000"
	row '... associations (batches of 100); searches' "$associations; $(requests_like search)" '' ''
}

measure_events() {
	local events
	fresh "create_events 'on'"
	ask "SELECT count(*) FROM hubspot_enqueue('track', ARRAY(SELECT jsonb_build_object('event', 'bought', 'email', 'user' || i || '@shop-example.de') FROM generate_series(1, $1) i))" >/dev/null
	deliver_all
	events=$(requests_like 'send/batch')
	row "requests for $1 events" "$events" "<= $(($1 / 500))" "$events <= $1 / 500"
}

# Contacts of 20 properties: what the worker says of the time that their requests took to build.
measure_mapping() {
	local took
	fresh "create_properties 'on'"
	ask "SELECT count(hubspot_identify(jsonb_build_object('email', 'user' || i || '@shop-example.de', 'firstName', 'First' || i, 'lastName', 'Last' || i,
		'city', 'Berlin', 'phone', '0123', 'zip', '10115', 'country', 'Germany', 'jobTitle', 'Buyer', 'state', 'BE', 'website', 'shop-example.de',
		'plan', 'pro', 'total_spent', i * 1.5, 'p1', 'a', 'p2', i, 'p3', true, 'p4', 'text of some length, as people write it', 'p5', 'b', 'p6', 12.5,
		'p7', 'c', 'p8', 'd', 'p9', 'e'))) FROM generate_series(1, $1) i" >/dev/null
	deliver_all
	delivery off
	took=$(sed -nE 's/.*building ([0-9]+) requests took ([0-9]+) us.*/\1 \2/p' "$work/bench.log" | tail -n 1)
	set -- "$1" "${took% *}" "${took#* }"
	row 'building a request of 100 contacts of 20 properties' "$(calc "$3 / $2 / 1000") ms" '< 1 ms' "$3 / $2 < 1000"
}
