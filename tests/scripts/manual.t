#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The manual of the configuration tells of every key what the program itself tells.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
page=build/adit.conf.5
[[ -f $page ]] || skip_all "there is no $page: run make first"

# keys_in_page SECTION: as `adit check --keys` prints them
keys_in_page()
{
	sed -n "/^\.Sh $1/,/^\.El/p" $page | sed -n '/^\.It Ic /{N;s/^\.It Ic //;s/\n/: /;s/\\e/\\/g;p}'
}

is "the keys of a gateway" "$(keys_in_page 'KEYS OF A GATEWAY')" "$(build/adit check --keys server)"
is "the keys of a client" "$(keys_in_page 'KEYS OF A CLIENT')" "$(build/adit check --keys client)"
check "it has the keys of today" grep -q '^listen.port: ' <(keys_in_page 'KEYS OF A GATEWAY')
if command -v groff >/dev/null; then
	for manual in $page docs/adit.8; do
		is "groff has nothing to say about $manual" "$(groff -mandoc -ww -Tutf8 "$manual" 2>&1 >/dev/null)" ""
	done
fi
done_testing
