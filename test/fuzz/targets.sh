# shellcheck shell=bash disable=SC2154
#
# The fuzz targets, for the scripts that run them inside in_workspace, after
# stage (test/tools/lib.sh).
#
#	prepare_targets check|fuzz	build them, and the cluster that some of them see
#	check_target NAME			over its seeds, without a fuzzer
#	fuzz_target NAME			search for new inputs
#	put_library_back			the installation is as stage made it
#
# reply and headers are programs.  message and batch run in a server process, in
# single-user mode: a library of the extension and the targets takes the place of
# the extension's own.  What a target says goes to $work/NAME.log.
fuzz_targets=(reply headers message batch)

# One session without other processes; statements come from standard input.
session() {
	as_user env LD_PRELOAD="$preload" ASAN_OPTIONS=detect_leaks=0 timeout "$limit" "$bindir/postgres" --single -D "$work/fuzzed" \
		-c shared_preload_libraries=hubspot -c hubspot.secret_directory="$work/secrets" -c log_min_messages=fatal \
		-c fsync=off -c autovacuum=off postgres
}

prepare_targets() {
	local name
	mode=$1 fuzz=$source/test/fuzz limit=120 preload=
	library=$tree$("$pg_config" --pkglibdir)/hubspot.so
	if [ "$mode" = fuzz ]; then
		as_user make -s -C "$fuzz" -j"$(nproc)" PG_CONFIG="$pg_config" programs asan_first.so backend_fuzz.so
		preload=$(clang -print-file-name="libclang_rt.asan-$(uname -m).so"):$fuzz/asan_first.so
	else
		as_user make -s -C "$fuzz" -j"$(nproc)" PG_CONFIG="$pg_config" reply_check headers_check backend_check.so
	fi
	as_user mv "$library" "$library.own"
	as_user cp "$fuzz/backend_$mode.so" "$library"
	quietly as_user initdb -D "$work/fuzzed" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync
	as_user mkdir -m 700 "$work/secrets"
	for name in plain keyed legacy; do
		printf 'pat-%s\n' "$name" | as_user tee "$work/secrets/$name" >/dev/null
	done
	as_user chmod 600 "$work/secrets"/*
	session <"$fuzz/backend.sql" >"$work/prepare.log" 2>&1 || true
	if grep -qE 'ERROR|FATAL' "$work/prepare.log"; then
		cat "$work/prepare.log"
		return 1
	fi
}

put_library_back() {
	as_user mv -f "$library.own" "$library"
}

# With libFuzzer's arguments, or files.
run_target() {
	local target=$1 list
	shift
	case $target in
		message | batch)
			printf -v list "'%s', " "$@"
			printf "SELECT hubspot_fuzz('%s', ARRAY[%s]);\n" "$target" "${list%, }" |
				session 2>"$work/$target.log" >/dev/null || true
			;;
		*)
			as_user "$fuzz/${target}_$mode" "$@" >"$work/$target.log" 2>&1 || true
			;;
	esac
	grep -qE '^Done [0-9]+ runs|^[0-9]+ files$' "$work/$target.log"
}

check_target() {
	run_target "$1" "$fuzz/seeds/$1"/* && return
	tail -n 30 "$work/$1.log"
	return 1
}

# Inputs are kept in the work tree: corpus/NAME, and in found/ what broke a promise.
fuzz_target() {
	local kept=$root/test/fuzz status=0 seconds=${SECONDS_EACH:-120}
	limit=$((seconds + 120))
	as_user mkdir -p "$work/corpus/$1" "$work/found"
	if [ -d "$kept/corpus/$1" ]; then
		tar -C "$kept/corpus/$1" -cf - . | as_user tar -C "$work/corpus/$1" --no-same-owner -xf -
	fi
	run_target "$1" -max_total_time="$seconds" -max_len=16384 -timeout=20 -print_final_stats=1 \
		-artifact_prefix="$work/found/" "$work/corpus/$1" "$fuzz/seeds/$1" || status=1
	mkdir -p "$kept/corpus/$1" "$kept/found"
	cp -r "$work/corpus/$1/." "$kept/corpus/$1"
	cp -r "$work/found/." "$kept/found"
	grep -E '^#[0-9]+[[:space:]]+(INITED|DONE)|^stat::|^Done ' "$work/$1.log" || true
	[ "$status" -eq 0 ] || tail -n 60 "$work/$1.log"
	return "$status"
}
