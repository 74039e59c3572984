#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every counter of the code has a line in docs/counters.md, and every line there a counter.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh

# counters_in FILE PREFIX: names in the table that maps an enum's values, PREFIX_..., to text
counters_in()
{
	sed -n "s/^\t\[\($2\)[A-Z_]*\] = \"\([a-z_]*\)\",\$/\2/p" "$1" | sort
}

# documented SECTION: names in the first column of the section's table
documented()
{
	awk -v section="## $1" '/^## / { inside = $0 == section } inside && /^\| `/' docs/counters.md | cut -d'`' -f2 | sort
}

# entries FILE ENUM: how many values an enum has, the count at its end not included
entries()
{
	sed -n "/^enum $2 {/,/^}/p" "$1" | grep -cE '^\s[A-Z_]+( = 0)?,'
}

verdicts=$(counters_in src/base/verdict.c 'PASS\|DROP_')
events=$(counters_in src/server/report.c COUNT_)

is "the check reads every verdict" "$(wc -l <<<"$verdicts")" "$(entries src/base/verdict.h verdict)"
is "the check reads every other counter" "$(wc -l <<<"$events")" "$(entries src/server/report.h report_count)"
is "the verdicts and their lines are the same" "$(documented Packets)" "$verdicts"
is "the other counters and their lines are the same" "$(documented 'Connections and sessions')" "$events"
done_testing
