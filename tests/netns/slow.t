#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One client behind a line of 1 Mbit/s is sent far more than that, by the stream and by datagrams. Another client at the
# same worker of the gateway does not notice: its answers come at once and its flow runs.
#
#	(slow) 192.0.2.2 ---- 1 Mbit/s --- 192.0.2.1 (gw) 198.51.100.1 ---- 198.51.100.2 (fast)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs iperf3

make_ns gw slow fast
link_ns gw 192.0.2.1/24 slow 192.0.2.2/24
link_ns gw 198.51.100.1/24 fast 198.51.100.2/24
make_pki vpn.test slow fast

transport()
{
	ctl gw sessions --json | jq -r ".[] | select(.name == \"$1\") | .transport"
}

goes_by()
{
	[[ $(transport "$1") = "$2" ]]
}

dropped()
{
	ctl gw status --json | jq '.counters.egress | .drop_queue + .drop_send'
}

# what the kernel has thrown away in front of the slow line
dropped_by_line()
{
	in_ns gw tc -s -j qdisc show dev to-slow | jq '[.[].drops] | add'
}

drops_much()
{
	(($(dropped) + $(dropped_by_line) > 100))
}

# Beside the flood the other's flow keeps this part of what it has alone, one in so many; no answer takes longer.
part=10 soon=300
[[ $ADIT != *san-* ]] || part=50 soon=3000 # slowed as all is then

# flow_rate NAME: Mbit/s of a TCP flow to the fast client, or nothing
flow_rate()
{
	start "$1" gw iperf3 -s --one-off --forceflush -B 10.20.0.1
	try 5 said "$1" listening
	in_ns fast iperf3 -c 10.20.0.1 -R -t 2 -J | jq '.end.sum_received.bits_per_second / 1e6 | floor'
	wait_exit "$1" 20
}

for by in tls dtls; do
	start_server gw gw vpn.test workers=1
	start_client slow slow slow 192.0.2.1:443 'trust.name="vpn.test"' "transport=\"$by\""
	start_client fast fast fast 198.51.100.1:443 'trust.name="vpn.test"' "transport=\"$by\""
	check "the slow client has a tunnel by $by" try 10 goes_by slow $by
	check "so has the fast one" try 10 goes_by fast $by
	slow4=$(ctl slow sessions --json | json_field 0/ipv4)
	fast4=$(ctl fast sessions --json | json_field 0/ipv4)
	alone=$(flow_rate "alone-$by")
	in_ns gw tc qdisc add dev to-slow root tbf rate 1mbit burst 16k latency 100ms
	# 20 Mbit/s, twenty times what the line carries
	count_start flood gw slow "$slow4" 5001 2000 600 1250
	check "the line is full" try 10 said flood receiving
	check "what it cannot carry is dropped" try 10 drops_much
	rate=$(flow_rate "beside-$by")
	check "the other client's flow runs on ($alone Mbit/s alone, $rate beside)" test "$((rate * part))" -gt "$alone"
	in_ns gw ping -q -c 50 -i 0.02 -W 2 "$fast4" >"$WORK/ping"
	slowest=$(sed -n 's|^rtt.* = [0-9.]*/[0-9.]*/\([0-9.]*\)/.*|\1|p' "$WORK/ping")
	check "its answers come at once ($slowest ms at most)" test "${slowest%.*}" -lt $soon
	is "all of them" "$(grep -o '[0-9]* received' "$WORK/ping")" '50 received'
	check "the slow client lives" goes_by slow $by
	in_ns gw tc qdisc del dev to-slow root
	stop flood-send # the word that it is over may be among what is dropped
	stop flood-recv
	stop slow
	stop fast
	stop gw
done
done_testing
