#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How scripts/check counts: what passed, what failed, what was skipped.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# tally SCRIPT...: what is counted for programs of these lines
tally()
{
	local n=0 script
	rm -f "$work"/*
	for script; do
		n=$((n + 1))
		printf '%s\n' "$script" >"$work/$n.t"
	done
	TALLY=$work/tally PERL5LIB=$PWD/tests prove --harness Tally --exec sh "$work"/*.t >"$work/out" 2>&1
	cat "$work/tally"
}

is "tests that pass" "$(tally 'echo 1..2; echo ok 1; echo ok 2' 'echo 1..1; echo ok 1')" "3 0 0"
is "tests that fail" "$(tally 'echo 1..2; echo ok 1; echo "not ok 2 - two"; exit 1')" "# $work/1.t: not ok 2 - two
1 1 0"
is "a program that dies" "$(tally 'echo ok 1; exit 3')" "1 1 0"
is "a skipped test has not passed" "$(tally 'echo 1..2; echo ok 1; echo "ok 2 # SKIP no root"')" "1 0 1"
is "nor has a program that skips all" "$(tally 'echo "1..0 # SKIP no root"' 'echo 1..1; echo ok 1')" "1 0 1"
is "nothing but such" "$(tally 'echo "1..0 # SKIP no root"')" "0 0 1"
done_testing
