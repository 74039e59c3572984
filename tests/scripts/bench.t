#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# scripts/bench without measuring: its options, what is made of results, and the programs that it measures with.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
tools=build/bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# exits CODE COMMAND...: with that code; its output is kept
exits()
{
	local wanted=$1 code
	shift
	"$@" >"$work/out" 2>&1
	code=$?
	cat "$work/out"
	[[ $code == "$wanted" ]]
}

# complains TEXT OPTION...: bad usage, and says so
complains()
{
	local text=$1
	shift
	exits 64 scripts/bench "$@" && grep -qF -- "$text" "$work/out"
}

# --- options ---
check "--help is help" exits 0 scripts/bench --help
check "and names every tunnel" grep -q 'wireguard-go' "$work/out"
check "an unknown option is bad usage" complains 'unknown option "--fast"' --fast
check "so is a value that is missing" complains "--json takes a value" --json
check "a number that is none" complains "takes a number" --rounds 0
check "a tunnel that nobody knows" complains 'does not know "ipsec"' --only veth,ipsec
check "no tunnel at all" complains "takes names" --only ""
check "a measure that nobody knows" complains 'does not know "colour"' --measures colour
check "another state of the cable" complains 'does not know "half"' --veth half
check "quick figures stay out of the documents" complains "does not belong" --quick --write
check "a file of results that is missing" exits 1 scripts/bench --from "$work/none"

# --- results: three rounds of figures made up for this test ---
# run TUNNEL MEASURE VALUE[/RETRANSMITTED]...: one line a round
run()
{
	local tunnel=$1 measure=$2 round=0 value again
	shift 2
	for value; do
		round=$((round + 1)) again=''
		[[ $value != */* ]] || again=${value#*/}
		printf 'run\t%d\ton\t%s\t%s\t%s\t%s\t\n' $round "$tunnel" "$measure" "${value%/*}" "$again"
	done
}

{
	printf 'fact\trounds\t3\n'
	printf 'note\tadit-tls\t0.1.0, evp\n'
	printf 'absent\tadit-dtls\tis not installed\n'
	printf 'fault\t2\ton\trelay-tcp\tno <answer>\n'
	run veth up 1000 1010 1005
	run adit-tls up 500 700/12 600
	run openvpn-udp up 200 200 200
	run ocserv-dtls up 400 400 400
	run ocserv-tls up 100 100 100
	run veth cpu 0.1 0.1 0.2
	run ocserv-dtls cpu 4 4 4
	run ocserv-tls cpu 2 2 2
	run adit-tls cpu 1 1 1
	run adit handshakes 900 1000 1100
	run adit ceiling 4000 4000 4000
} >"$work/lines"

# has PATTERN...: a line of the tables with these words
has()
{
	grep -qE "$(printf '%s +' "$@" | sed 's/ +$//')" "$work/out"
}

check "lines become JSON" exits 0 tests/bench/report json "$work/lines"
cp "$work/out" "$work/results.json"
check "with every run" test "$(grep -c '"value"' "$work/results.json")" = 33
check "a kind of line that nobody knows is refused" exits 1 tests/bench/report json <(echo "guess	1")
check "results become tables" exits 0 scripts/bench --from "$work/results.json"
check "median, range and ratios: to the cable, to OpenVPN, to the better of ocserv's two; and the worst loss" \
	has adit-tls 600 500 700 0.60 3.00 1.50 '12 sent again'
check "where less is better, the better one is the lower" has adit-tls 1.00 1.00 1.00 10.00 - 0.50
check "all medians are seen at a glance" has adit-tls 600 - - - - - - - - 1.00
check "what is not there is said" has adit-dtls - - - - - - 'not available'
check "with its reason" has 'adit-dtls: not available: is not installed'
check "a fault is said" has 'FAULT in round 2, relay-tcp: no <answer>'
check "handshakes are compared with their ceiling" has 'part of that' % 25
check "a calm cable is no reason for doubt" fails has DOUBTFUL
sed 's/1010/1100/' "$work/lines" >"$work/moved"
tests/bench/report json "$work/moved" >"$work/moved.json"
check "one that moves is" exits 0 tests/bench/report text "$work/moved.json"
check "and how far" has 'DOUBTFUL: the bare cable moved by 10 %'

cp docs/performance.md "$work/page.md"
check "the same goes into a page" exits 0 tests/bench/report write "$work/results.json" "$work/page.md" "$work/plot.svg"
check "as a table of Markdown" grep -qxF '| adit-tls | 600 | 500 | 700 | 0.60 | 3.00 | 1.50 | 12 sent again |' "$work/page.md"
check "what stands around it stays" diff <(sed '/begin:/q' docs/performance.md) <(sed '/begin:/q' "$work/page.md")
cp "$work/page.md" "$work/before.md"
check "once more" exits 0 tests/bench/report write "$work/results.json" "$work/page.md" "$work/plot.svg"
check "changes nothing" cmp "$work/before.md" "$work/page.md"
echo "no marks" >"$work/other.md"
check "a page without marks is left alone" exits 1 tests/bench/report write "$work/results.json" "$work/other.md" "$work/none.svg"
check "the plot is XML" exits 0 /usr/bin/python3 -c 'import sys, xml.dom.minidom as x; x.parse(sys.argv[1])' "$work/plot.svg"
is "with a bar for each row" "$(grep -o '<rect x=' "$work/plot.svg" | wc -l)" 9

# --- the programs that measure, as far as it goes without a tunnel ---
for tool in relay flood tlsload; do
	check "$tool without arguments is bad usage" exits 64 $tools/$tool
done
for how in "" runs; do
	: >"$work/log"
	$tools/flood count 127.0.0.1 16000 100 >"$work/counted" 2>"$work/log" &
	counter=$!
	until [[ -s $work/log ]] || ! kill -0 $counter 2>/dev/null; do
		sleep 0.01
	done
	check "flood sends${how:+ in }$how" exits 0 $tools/flood send 127.0.0.1 16000 64 200 $how
	check "and counts what arrives" wait $counter
	check "for the time that was asked for" grep -qE '^[1-9][0-9]* 0[.]1[0-9]{2}$' "$work/counted"
done
done_testing
