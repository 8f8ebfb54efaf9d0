# shellcheck shell=bash
#
# The suites of Debian's archive that PostgreSQL comes from, and a chroot for
# each.  This is the only list of versions.
#
#	suite_of VERSION			sets suite and base
#	previous_of VERSION			what one upgrades from
#	sources_of					lines for apt's sources.list, for $suite, as all that follow
#	chroot_of SUITE				the folder of its chroot
#	make_chroot					a base system, unless it is there
#	in_chroot COMMAND...		run, with mounts and processes that end with it
#	copy_tree					the work tree to /source in the chroot
#	install_packages VERSION	what the tests need
#
# Chroots stay in $chroots between runs: making one costs minutes and gigabytes,
# most of it the clang that Debian's server headers depend on.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
chroots=${HUBSPOT_CHROOTS:-/var/tmp/hubspot-chroots}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# PostgreSQL, the suite that offers it, and the suite to begin with.
versions=(
	'15 bookworm bookworm'
	'17 trixie trixie'
	'18 forky forky'
	'19 experimental forky'
)

suite_of() {
	local version
	for entry in "${versions[@]}"; do
		read -r version suite base <<<"$entry"
		[ "$version" != "$1" ] || return 0
	done
	echo "Debian's archive has no PostgreSQL $1; it has: $(printf '%s ' "${versions[@]%% *}")" >&2
	return 1
}

# The version before this one in the list; nothing for the first.
previous_of() {
	local last='' version
	for entry in "${versions[@]}"; do
		version=${entry%% *}
		[ "$version" != "$1" ] || echo "$last"
		last=$version
	done
}

# Without the dates of validity: a mirror of a suite in the making may lag behind.
sources_of() {
	local each
	for each in "$base" "$suite"; do
		echo "deb [check-valid-until=no signed-by=$keyring] $mirror $each main"
	done | sort -u
}

chroot_of() { echo "$chroots/$1"; }

heading() { printf '\n== %s ==\n' "$*"; }

# A package manager's network may fail once.
patiently() {
	local attempt
	for attempt in 1 2 3; do
		"$@" && return
		[ "$attempt" -eq 3 ] || echo "again: $*" >&2
	done
	return 1
}

# debootstrap has scripts for the suites that it knew; newer ones are like sid.
bootstrap() {
	local -a script=()
	[ -e "/usr/share/debootstrap/scripts/$base" ] || script=(/usr/share/debootstrap/scripts/sid)
	rm -rf --one-file-system "$1"
	mkdir -p "$1"
	unshare --mount --fork debootstrap --variant=minbase --keyring="$keyring" --include=ca-certificates \
		"$base" "$1" "$mirror" "${script[@]}" >"$1.log" 2>&1
}

# What apt prefers for itself is the base suite.  Of a suite that is only
# asked for PostgreSQL, packages that PostgreSQL is built with come along.
set_up_apt() {
	sources_of >"$1/etc/apt/sources.list"
	if [ "$suite" != "$base" ]; then
		printf 'Package: src:postgresql-*\nPin: release a=%s\nPin-Priority: 900\n' "$suite" \
			>"$1/etc/apt/preferences.d/$suite"
	fi
	# The chroot can be made again: nothing in it is worth a flush.
	echo force-unsafe-io >"$1/etc/dpkg/dpkg.cfg.d/unsafe-io"
}

make_chroot() {
	local place
	place=$(chroot_of "$suite")
	if [ -e "$place/made" ]; then
		return
	fi
	if ! patiently bootstrap "$place"; then
		tail -n 30 "$place.log" >&2
		return 1
	fi
	rm -f "$place.log"
	set_up_apt "$place"
	touch "$place/made"
}

# Mounts and processes are the namespaces', and go with the command, however it
# ends: nothing is left running, and no rm -rf meets the machine's /dev.
in_chroot() {
	local place
	place=$(chroot_of "$suite")
	# shellcheck disable=SC2016
	unshare --mount --pid --fork --kill-child --propagation private bash -c '
		set -e
		mount -t proc proc "$1/proc"
		mount -t tmpfs dev "$1/dev" -o mode=755
		for name in null zero full random urandom tty; do
			touch "$1/dev/$name"
			mount --bind "/dev/$name" "$1/dev/$name"
		done
		ln -s /proc/self/fd "$1/dev/fd"
		ln -s fd/0 "$1/dev/stdin"; ln -s fd/1 "$1/dev/stdout"; ln -s fd/2 "$1/dev/stderr"
		mkdir "$1/dev/shm" "$1/dev/pts"
		mount -t tmpfs shm "$1/dev/shm" -o mode=1777
		mount -t devpts devpts "$1/dev/pts" -o newinstance,ptmxmode=0666
		ln -s pts/ptmx "$1/dev/ptmx"
		cp /etc/resolv.conf "$1/etc/resolv.conf"
		place=$1
		shift
		exec chroot "$place" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
	' in_chroot "$place" "$@" </dev/null
}

# What git knows, as it is in the work tree; without git, all of it.
copy_tree() {
	local place
	place=$(chroot_of "$suite")/source
	rm -rf --one-file-system "$place"
	mkdir -p "$place"
	{ git -c safe.directory='*' -C "$root" ls-files -z --cached --others --exclude-standard 2>/dev/null ||
		(cd "$root" && find . -type f -print0); } |
		(cd "$root" && while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done) |
		tar -C "$root" --null --no-recursion -T - -cf - | tar -C "$place" --no-same-owner -xf -
}

# PostgreSQL and what the tests need, by the project's own list of packages,
# which needs make to be read.
install_packages() {
	in_chroot bash -c "apt-get -q update && apt-get -q -y install --no-install-recommends make"
	in_chroot bash -c "cd /source && export PG=$1 && for target in lint test; do test/tools/packages \$target; done"
}
