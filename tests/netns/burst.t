#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A gateway that was kept from running finds two thousand small packets of a client in its stream, or as many datagrams, all
# for another client: more than the kernel's queue of its device holds. All arrive.
#
#	(one) 192.0.2.2 ---- 192.0.2.1 (gw) 198.51.100.1 ---- 198.51.100.2 (two)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
PACKETS=2000

make_ns gw one two
link_ns gw 192.0.2.1/24 one 192.0.2.2/24
link_ns gw 198.51.100.1/24 two 198.51.100.2/24
in_ns gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
make_pki vpn.test one two
start_server gw gw vpn.test workers=1
engine=$(pgrep -P "${pid_of[gw]}")

# goes_by LABEL TRANSPORT
goes_by()
{
	[[ $(ctl "$1" sessions --json | json_field 0/transport) = "$2" ]]
}

has_sent()
{
	(($(ctl one status --json | json_field counters/egress/packets) >= before + PACKETS))
}

for by in dtls tls; do
	start_client one one one 192.0.2.1:443 'trust.name="vpn.test"' "transport=\"$by\""
	start_client two two two 198.51.100.1:443 'trust.name="vpn.test"' "transport=\"$by\""
	for label in one two; do
		check "$label is up by $by" try 15 goes_by $label $by
	done
	for family in 4 6; do
		address=$(ctl two sessions --json | json_field "0/ipv$family")
		before=$(ctl one status --json | json_field counters/egress/packets)
		kill -STOP "$engine"
		count_start burst$family one two "$address" 5000 $PACKETS 1 16
		check "IPv$family: client one has sent $PACKETS packets" try 10 has_sent
		kill -CONT "$engine"
		is "IPv$family: client two has them all" "$(count_result burst$family | jq -c '[.received, .lost]')" "[$PACKETS,0]"
	done
	check "they went by $by" goes_by one $by
	stop one
	stop two
done
done_testing
