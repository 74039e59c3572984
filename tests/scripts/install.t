#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `make install` puts everything where PREFIX says, in the units too, and `make uninstall` takes it away again.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
[[ -x build/adit ]] || skip_all "there is no build/adit: run make first"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

# make_for PREFIX TARGET
make_for()
{
	env -u MAKEFLAGS -u SAN -u KEYLOG make DESTDIR="$root" PREFIX="$1" "$2"
}

started()
{
	sed -n 's/^ExecStart=\([^ ]*\) .*/\1/p' "$root$1"/lib/systemd/system/*.service | sort -u
}

# Seconds, so that a client that was replaced or disconnected stays away for a while.
check "the client's unit does not undo a disconnect at once" grep -qx 'RestartSec=30' config/adit-client@.service
for prefix in /usr/local /opt/adit; do
	check "install to $prefix" make_for $prefix install
	for program in adit adit-pki; do
		check "$program is among an ordinary user's programs" test -x "$root$prefix/bin/$program"
	done
	check "there is the manual" test -f "$root$prefix/share/man/man8/adit.8" -a \
		-f "$root$prefix/share/man/man5/adit.conf.5"
	check "and the documents" test -f "$root$prefix/share/doc/adit/running.md" -a \
		-f "$root$prefix/share/doc/adit/server.conf"
	is "the units start what was installed" "$(started $prefix)" "$prefix/bin/adit"
	check "uninstall from $prefix" make_for $prefix uninstall
	is "no file is left" "$(find "$root" ! -type d)" ""
done
done_testing
