#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The arrow check finds what it is there to find.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A tree in which wire/x.c has one include.
arrows_of()
{
	rm -rf "$work/src"
	mkdir -p "$work/src/wire"
	echo "#include $1" >"$work/src/wire/x.c"
	tests/lint/arrows "$work/src"
}

check "an include of an earlier room passes" arrows_of '"base/err.h"'
check "it is drawn" grep -qx 'wire  *-> base' <(arrows_of '"base/err.h"')
check "an include of one's own room passes" arrows_of '"wire/frame.h"'
check "an include of a later room fails" fails arrows_of '"server/server.h"'
check "an include without a room fails" fails arrows_of '"frame.h"'
check "an include by way of .. fails" fails arrows_of '"../base/err.h"'
check "an unknown room fails" fails arrows_of '"attic/x.h"'
check "a system header passes" arrows_of '<stdio.h>'
check "OpenSSL outside crypto fails" fails arrows_of '<openssl/ssl.h>'
check "libconfig outside conf fails" fails arrows_of '<libconfig.h>'
check "ipsec-mb outside crypto fails" fails arrows_of '<intel-ipsec-mb.h>'
mkdir -p "$work/src/attic"
: >"$work/src/attic/x.c"
check "a file in no room fails" fails tests/lint/arrows "$work/src"
done_testing
