#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the build promises about the program, as the linked file has it.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
adit=${ADIT:-build/adit}
[[ -x $adit ]] || skip_all "there is no $adit: run make first"

notes()
{
	readelf -n "$adit"
}

check "its place in memory is random" grep -q 'Type:.*DYN' <(readelf -hW "$adit")
check "it is bound at start, and its tables are then read-only" grep -q 'BIND_NOW\|Flags:.*NOW' <(readelf -dW "$adit")
check "its stack is not executable" grep -qE 'GNU_STACK.* RW ' <(readelf -lW "$adit")
case $(readelf -hW "$adit") in
*X86-64*)
	check "indirect branches are checked" grep -q 'x86 feature:.*IBT' <(notes)
	check "returns are checked" grep -q 'x86 feature:.*SHSTK' <(notes)
	;;
esac
done_testing
