# shellcheck shell=bash
#
# For the scripts that need PostgreSQL with the extension, or the simulator: a
# private installation in a temporary directory, as an ordinary user, and its
# certain end.  Source it, define the work as a function, and call
#
#	in_workspace NAME FUNCTION
#
# The function runs in a child of its own process group, with errors ending
# it.  It may use the rest of this file.  When it ends, or the script is
# interrupted, every process it started is ended and $work is removed, unless
# KEEP=1.  The exit status is the function's.
#
#	$root	the work tree, only read	$work	the temporary directory
#	$tree	the private installation	$bindir	its programs
#	$source	copy of what stage built	$simulator	the simulator's program
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
pg_config=$(make -s --no-print-directory -C "$root" pg_config)

# The caller's settings of make, PostgreSQL and proxies are for other things; how long
# a test waits before it gives up is for us (PG_TEST_TIMEOUT_DEFAULT, seconds).
unset MAKEFLAGS MFLAGS MAKELEVEL CDPATH
for name in $(compgen -e PG) http_proxy https_proxy all_proxy no_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY; do
	case $name in
		PG_CONFIG | PG_TEST_TIMEOUT_DEFAULT) ;;
		*) unset "$name" ;;
	esac
done
for name in $(compgen -e LC_); do unset "$name"; done
export LANG=C.UTF-8
umask 022

# PostgreSQL refuses to run as root.
run_as=()
if [ "$(id -u)" -eq 0 ]; then
	owner=nobody
	if id postgres >/dev/null 2>&1; then owner=postgres; fi
	run_as=(setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups)
fi
as_user() { "${run_as[@]}" "$@"; }

heading() { printf '\n== %s ==\n' "$*"; }

# Run a command; show what it says only if it fails.
quietly() {
	local log status=0
	log=$(mktemp)
	"$@" >"$log" 2>&1 || status=$?
	[ "$status" -eq 0 ] || cat "$log"
	rm "$log"
	return "$status"
}

in_workspace() {
	local status=0
	work=$(mktemp -d "/tmp/hubspot-$1.XXXXXX")
	[ ${#run_as[@]} -eq 0 ] || chown "$owner:" "$work"
	export HOME=$work TMPDIR=$work/tmp
	trap 'end_workspace' EXIT
	trap 'KEEP=; exit 130' INT
	trap 'KEEP=; exit 143' TERM HUP
	set -m
	( cd "$work"; as_user mkdir "$TMPDIR"; "$2" ) </dev/null &
	body=$!
	set +m
	wait "$body" || status=$?
	exit "$status"
}

end_workspace() {
	trap '' INT TERM HUP
	if [ "${KEEP:-}" = 1 ]; then
		return
	fi
	end_group TERM 50 || end_group KILL 50 || true
	end_clusters QUIT 100 || end_clusters KILL 50 || true
	rm -rf "$work"
}

# Signal what is left of the body's process group; is it gone within n/10 s?
end_group() {
	local i
	kill -"$1" -- "-$body" 2>/dev/null || return 0
	for ((i = 0; i < $2; i++)); do
		kill -0 -- "-$body" 2>/dev/null || return 0
		sleep 0.1
	done
	return 1
}

# The same for the postmasters below $work: each is a session of its own.
end_clusters() {
	local i pid file
	local -a left
	for ((i = 0; i < $2; i++)); do
		left=()
		while read -r file; do
			pid=$(head -n 1 "$file" 2>/dev/null) || continue
			[ "$(readlink "/proc/$pid/cwd")" != "${file%/*}" ] || left+=("$pid")
		done < <(find "$work" -name postmaster.pid 2>/dev/null)
		[ ${#left[@]} -gt 0 ] || return 0
		[ "$i" -gt 0 ] || kill -"$1" "${left[@]}" 2>/dev/null || true
		sleep 0.1
	done
	return 1
}

# Copy, build, install into $work; stage_extension leaves the simulator out.
stage() {
	stage_extension
	quietly as_user make -C "$source/test/simulator" -j"$(nproc)"
}

# The work tree may be unreadable for the ordinary user, and is nobody's place
# for another user's files.
stage_extension() {
	local part
	local -a parts=()
	source=$work/source tree=$work/install
	simulator=$source/test/simulator/simulator
	for part in Makefile README.md hubspot.control sql src test expected docs; do
		[ ! -e "$root/$part" ] || parts+=("$part")
	done
	as_user mkdir "$source"
	tar -C "$root" --exclude='*.o' --exclude='*.d' --exclude='.built-for*' \
		--exclude=test/simulator/simulator --exclude='test/unit/*_test' --exclude=test/fuzz/corpus --exclude=test/fuzz/found --exclude=test/model/of -cf - "${parts[@]}" |
		as_user tar -C "$source" --no-same-owner -xf -

	copy_postgres
	printf 'building with %s ... ' "$("$pg_config" --version)"
	quietly as_user make -C "$source" -j"$(nproc)" PG_CONFIG="$pg_config" DESTDIR="$tree" install
	echo ok
}

# PostgreSQL finds its files relative to its programs, once these are files
# and not links.  So a copy of the programs among links to the rest is an
# installation of its own, into which DESTDIR puts the extension.
copy_postgres() {
	local directory name
	bindir=$tree$("$pg_config" --bindir)
	as_user mkdir -p "$bindir"
	as_user cp -L "$("$pg_config" --bindir)"/* "$bindir"
	for name in sharedir pkglibdir; do
		directory=$("$pg_config" "--$name")
		as_user mkdir -p "$tree$directory"
		as_user cp -asn "$directory/." "$tree$directory"
		if [ "$("$bindir/pg_config" "--$name")" != "$tree$directory" ]; then
			echo "this PostgreSQL cannot be moved: $directory" >&2
			return 1
		fi
	done
	as_user rm -rf "$tree$("$pg_config" --pkglibdir)"/{hubspot.so,bitcode/hubspot*} \
		"$tree$("$pg_config" --sharedir)"/extension/hubspot{.control,--*}
	export PATH=$bindir:$PATH
}

# A running cluster in $work/NAME with its socket in $work, port 5432 (of the
# socket's name; it listens nowhere else), superuser postgres.  Settings come
# from standard input.
new_cluster() {
	quietly as_user initdb -D "$work/$1" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync
	as_user tee -a "$work/$1/postgresql.conf" >/dev/null <<-END
		listen_addresses = ''
		unix_socket_directories = '$work'
		shared_preload_libraries = 'hubspot'
		$(cat)
	END
	export PGHOST=$work PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
	if ! quietly as_user pg_ctl -D "$work/$1" -l "$work/$1.log" -w start; then
		cat "$work/$1.log"
		return 1
	fi
}

# A simulator on a free port that ends with process PID; its address goes to
# $simulator_url, its process to $simulator_pid.  Further arguments are the simulator's.
new_simulator() {
	local i port_file=$work/simulator.port
	"${run_as[@]}" "$simulator" --port 0 --port-file "$port_file" --watch-pid "$1" "${@:2}" \
		>"$work/simulator.out" 2>&1 &
	simulator_pid=$!
	for ((i = 0; i < 100; i++)); do
		if [ -e "$port_file" ]; then
			simulator_url=http://127.0.0.1:$(cat "$port_file")
			export simulator_url
			return
		fi
		sleep 0.1
	done
	cat "$work/simulator.out"
	return 1
}
