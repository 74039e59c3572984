#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A gateway with several workers: which of them has a client's stream and which its datagrams is up to the kernel, anew with
# each generation. Clients under load move from generation to generation, lose their streams and come back, and end.
#
#	(c1) 192.0.2.2 ------ 192.0.2.1 (gw)
#	(c2) 198.51.100.2 --- 198.51.100.1
#	(c3) 203.0.113.2 ---- 203.0.113.1
#	(c4) 100.64.0.2 ----- 100.64.0.1
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs iperf3
REKEYS=4
declare -A outer=([c1]=192.0.2 [c2]=198.51.100 [c3]=203.0.113 [c4]=100.64.0)
rate=300 tcp_rate=100M
[[ $ADIT != *san-* ]] || tcp_rate=10M # slowed as all is then

make_ns gw c1 c2 c3 c4
for name in c1 c2 c3 c4; do
	link_ns gw "${outer[$name]}.1/24" $name "${outer[$name]}.2/24"
done
in_ns gw sysctl -qw net.ipv4.ip_forward=1
make_pki vpn.test c1 c2 c3 c4

# session LABEL NAME FIELD: of that peer's session
session()
{
	ctl "$1" sessions --json | jq -r ".[] | select(.name == \"$2\") | .$3"
}

# goes_by CLIENT TRANSPORT: both ends send so
goes_by()
{
	[[ $(session gw "$1" transport) = "$2" && $(session "$1" vpn.test transport) = "$2" ]]
}

# address CLIENT
address()
{
	session "$1" vpn.test ipv4
}

# cut_off: from now on the gateway hears no datagrams, and what comes by TCP is answered with a reset
cut_off()
{
	in_ns gw nft -f - <<-'END'
		table inet cut {
			chain input {
				type filter hook input priority 0;
				udp dport 443 drop
				tcp dport 443 reject with tcp reset
			}
		}
	END
}

for workers in 2 4; do
	start_server gw gw vpn.test workers=$workers
	record_events gw
	for name in c1 c2 c3 c4; do
		start_client $name $name $name "${outer[$name]}.1:443" 'trust.name="vpn.test"' 'rekey.seconds=1'
	done
	for name in c1 c2 c3 c4; do
		check "$workers workers: $name goes by datagrams" try 15 goes_by $name dtls
		record_events $name
	done

	# Between clients, so both directions of each are busy; numbered, and a TCP flow beside them.
	count_start c1-c2 c1 c2 "$(address c2)" 5001 $rate 600
	count_start c2-c3 c2 c3 "$(address c3)" 5001 $rate 600
	count_start c3-c1 c3 c1 "$(address c1)" 5001 $rate 600
	start iperf-server gw iperf3 -s --one-off -B 10.20.0.1
	try 5 listens gw tcp 5201
	start iperf c4 iperf3 -c 10.20.0.1 -b $tcp_rate -t 600
	for name in c1 c2 c3 c4; do
		check "$workers workers: $name has $REKEYS rekeys meanwhile" \
			wait_record gw 60 event=rekey name=$name "generation>=$((1 + REKEYS))"
	done
	for flow in c1-c2 c2-c3 c3-c1; do
		count_stop $flow
		is "$workers workers: $flow: nothing was lost or doubled" \
			"$(count_result $flow | jq -c '[.lost, .duplicated]')" '[0,0]'
	done
	for label in gw c1 c2 c3 c4; do
		is "$workers workers: no record met the wrong keys at $label, or came twice" "$(strays $label)" ''
	done

	# Nothing passes any more: datagrams are given up, then the streams meet a reset. Later all of it is begun anew.
	for name in c1 c2 c3 c4; do
		mark_events $name
		start ping-$name $name ping -q -i 0.1 10.20.0.1
	done
	cut_off
	for name in c1 c2 c3 c4; do
		check "$workers workers: $name loses its stream" wait_record $name 10 event=reconnecting
	done
	in_ns gw nft delete table inet cut
	for name in c1 c2 c3 c4; do
		check "$workers workers: $name comes back" wait_record $name 15 event=up
		check "$workers workers: $name goes by datagrams again" try 15 goes_by $name dtls
		check "$workers workers: they pass" in_ns $name ping -c 3 -i 0.05 -W 2 10.20.0.1
		kill "${pid_of[ping-$name]}"
		wait_exit ping-$name
	done
	check "$workers workers: the gateway ends one" ctl gw disconnect c2
	check "$workers workers: which is told" exits c2 1
	check "$workers workers: another ends by itself" stop c3
	for label in iperf iperf-server; do
		kill "${pid_of[$label]}" 2>/dev/null # the server may have ended with its client
		wait_exit $label
	done
	for name in c1 c4; do
		stop $name
	done
	check "$workers workers: the gateway ends" stop gw
done
done_testing
