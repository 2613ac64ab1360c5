#!/usr/bin/env bash
# Gets SoftHSM2 from Debian and makes an empty token for trials and tests.
#
#   scripts/softhsm.sh          install it, print the path of its PKCS #11 library
#   scripts/softhsm.sh DIR      also make a token called trent in DIR, with the PIN in DIR/pin,
#                               and print how to start trent on it
#
# As root it installs the Debian packages. Otherwise it downloads and unpacks them below $XDG_CACHE_HOME/trent/softhsm.
# Nothing is installed where a library is found: in $SOFTHSM2_MODULE, in Debian's place or in that cache.
set -euo pipefail

cache=${XDG_CACHE_HOME:-$HOME/.cache}/trent/softhsm
packages="softhsm2 softhsm2-common libsofthsm2"

find_library() {
	local candidate
	for candidate in "${SOFTHSM2_MODULE:-}" /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so "$cache"/usr/lib/softhsm/libsofthsm2.so \
		"$cache"/usr/lib/*/softhsm/libsofthsm2.so; do
		if [ -n "$candidate" ] && [ -e "$candidate" ]; then
			echo "$candidate"
			return
		fi
	done
	return 1
}

install() {
	if [ "$(id -u)" = 0 ]; then
		apt-get update -qq >&2
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $packages >&2
		return
	fi
	mkdir -p "$cache"
	# Its libraries come along, since there may be none of them here.
	(cd "$cache" && apt-get download $packages libssl3 libsqlite3-0 libstdc++6 2>&1 | sed 's/^/softhsm.sh: /' >&2 || true)
	local package
	for package in "$cache"/*.deb; do
		dpkg -x "$package" "$cache"
	done
	rm -f "$cache"/*.deb
}

library=$(find_library) || { install && library=$(find_library); } || {
	echo "softhsm.sh: no SoftHSM2 here, and Debian's packages $packages could not be had" >&2
	exit 1
}
if [ $# -eq 0 ]; then
	echo "$library"
	exit
fi

dir=$1
util=$(command -v softhsm2-util || echo "$cache/usr/bin/softhsm2-util")
libraries=$(dirname "$library"):$cache/usr/lib:$(echo "$cache"/usr/lib/*-linux-gnu*)
mkdir -p "$dir/tokens"
chmod 700 "$dir" "$dir/tokens"
dir=$(cd "$dir" && pwd)
printf 'directories.tokendir = %s/tokens\nobjectstore.backend = file\nlog.level = ERROR\n' "$dir" >"$dir/softhsm2.conf"
export SOFTHSM2_CONF=$dir/softhsm2.conf
if [ ! -e "$dir/pin" ]; then
	(umask 077 && od -An -N8 -tu8 /dev/urandom | tr -d ' \n' >"$dir/pin")
	so=$(od -An -N8 -tu8 /dev/urandom | tr -d ' \n')
	LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} \
		"$util" --module "$library" --init-token --free --label trent --pin "$(cat "$dir/pin")" --so-pin "$so" >&2
fi
echo "export SOFTHSM2_CONF=$SOFTHSM2_CONF SOFTHSM2_MODULE=$library"
echo "# bin/trent-pkcs11 serve --data-dir $dir/kms --hsm 'pkcs11:$library?token=trent&pin-file=$dir/pin'"
