# shellcheck shell=bash disable=SC2154
#
# The model, for the scripts that run it inside in_workspace, after stage_extension
# (test/tools/lib.sh).
#
#	prepare_model			build it, and a cluster in which it has learnt HubSpot's schema
#	model_schedules FIRST N	run so many, from that seed on; what it says goes to $work/model.log
#	model_tell SEED			one in words, and, if it breaks a promise, the least that does
#	put_model_back			the installation is as stage made it
#
# A library of the extension's objects and the model's takes the place of the
# extension's own, and a process without others, in single-user mode, runs it.
model_chunk=100		# schedules per statement: then the tables are emptied

model_session() {
	as_user env LD_PRELOAD="$source/test/model/clock.so" "$bindir/postgres" --single -j -D "$work/modelled" \
		-c shared_preload_libraries=hubspot -c hubspot.secret_directory="$work/model_secrets" -c hubspot.max_tokens=2 \
		-c log_min_messages=fatal -c fsync=off -c autovacuum=off -c jit=off -c shared_buffers=128MB postgres
}

# Statements of a file, one per line, as the session wants them.
model_file() { sed 's/$/\n/' "$source/test/model/$1.sql"; }

prepare_model() {
	library=$tree$("$pg_config" --pkglibdir)/hubspot.so
	as_user make -s -C "$source/test/model" -j"$(nproc)" PG_CONFIG="$pg_config" >/dev/null
	as_user mv "$library" "$library.own"
	as_user cp "$source/test/model/model.so" "$library"
	quietly as_user initdb -D "$work/modelled" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync
	as_user mkdir -m 700 "$work/model_secrets"
	printf 'pat-of-the-model\n' | as_user tee "$work/model_secrets/crm" >/dev/null
	as_user chmod 600 "$work/model_secrets/crm"
	{
		model_file prepare
		model_file fresh
	} | model_session >"$work/model.log" 2>&1 || true
	if ! grep -qE '^1 schedules, 0 broken' <(tr '\r' '\n' <"$work/model.log"); then
		cat "$work/model.log"
		return 1
	fi
}

put_model_back() {
	as_user mv -f "$library.own" "$library"
}

model_schedules() {
	local first=$1 last=$(($1 + $2)) i n
	for ((i = first; i < last; i += model_chunk)); do
		n=$((last - i < model_chunk ? last - i : model_chunk))
		printf "SELECT public.hubspot_model(%d, %d, 'run');\n\n" "$i" "$n"
		model_file fresh
		[ "$i" -lt $((last - model_chunk)) ] || printf "SELECT public.hubspot_model(0, 0, 'coverage');\n\n"
	done | model_session 2>&1 | tr '\r' '\n' >"$work/model.log" || true
	# each schedule was run to its end, and kept its promises
	[ "$(awk '$2 == "schedules," { n += $1 } END { print n + 0 }' "$work/model.log")" -eq "$2" ] &&
		! grep -qE '^seed [0-9]+ after ' "$work/model.log"
}

# The seeds that broke a promise, or the one at which the process ended.
model_broken() {
	grep -oE '^seed [0-9]+ after .*' "$work/model.log" ||
		grep -oE '^(backend> )*seed [0-9]+' "$work/model.log" | tail -n 1 | sed 's/.*seed/seed/; s/$/ ended the process/'
}

# What the last schedules have reached, or only what they have not.
model_coverage() { sed -n 's/^\(backend> \)*coverage: //p' "$work/model.log"; }

model_tell() {
	{
		printf "SELECT public.hubspot_model(%d, 1, 'tell');\n\n" "$1"
		model_file fresh
		printf "SELECT public.hubspot_model(%d, 1, 'shrink');\n\n" "$1"
	} | model_session 2>&1 | tr '\r' '\n' | grep -vE '^(backend> )*(seed [0-9]+)?$|^PostgreSQL stand-alone|typeid|^	' || true
}
