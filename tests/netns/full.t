#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A client's line is slower than what it is to send, and the queue in front of it so long that the datagram socket gets
# full. The client then reads no more packets than it can send and throws none away; when the datagrams stand still, it
# does not wait for them.
#
#	(gw) 192.0.2.1 --- 192.0.2.2 (alice); her datagrams come by a class of their own, which is slow
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs nft
rate=32000 size=1250 # packets a second, and bytes: 320 Mbit/s
[[ $ADIT != *san-* ]] || rate=4000 # slower, and beside other tests

make_ns gw alice
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
in_ns alice nft 'add table inet line; add chain inet line c { type filter hook output priority 0; };
	add rule inet line c udp dport 443 meta priority set 1:10'
in_ns gw nft 'add table inet silent; add chain inet silent c { type filter hook input priority 0; };
	add rule inet silent c udp dport 9 drop'
make_pki vpn.test alice
start_server gw gw vpn.test

# line RATE: what the datagrams get from now on; their queue holds more than the socket does
line()
{
	in_ns alice tc qdisc add dev to-gw root handle 1: htb default 20
	in_ns alice tc class add dev to-gw parent 1: classid 1:10 htb rate "$1" burst 128k quantum 65536
	in_ns alice tc class add dev to-gw parent 1: classid 1:20 htb rate 1gbit quantum 65536
	in_ns alice tc qdisc add dev to-gw parent 1:10 pfifo limit 100000
}

goes_by()
{
	[[ $(ctl alice sessions --json | json_field 0/transport) = "$1" ]]
}

# flood: until "stop flood", as much in one flow to a port where nobody listens
flood()
{
	start flood alice "$UDPCOUNT" send 10.20.0.1 9 $rate 30 $size
}

# what the kernel has thrown away in front of the tunnel
dropped_by_tun()
{
	in_ns alice ip -s -j link show adit0 | json_field 0/stats64/tx/dropped
}

# is_held_back BEFORE: and that goes on
is_held_back()
{
	(($(dropped_by_tun) - $1 > 1000))
}

counter()
{
	ctl "$1" status --json | json_field "counters/$2/packets"
}

all_arrived()
{
	(($(counter gw ingress) - before == $(counter alice egress)))
}

for workers in 1 2; do
	before=$(counter gw ingress)
	start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"' workers=$workers
	check "$workers workers: a tunnel by datagrams" try 20 goes_by dtls
	line 20mbit
	dropped=$(dropped_by_tun)
	flood
	check "$workers workers: the kernel holds packets back" try 10 is_held_back "$dropped"
	stop flood INT
	is "$workers workers: the client has thrown nothing away" "$(drops alice)" '[{},{}]'
	# A sanitizer makes the gateway too slow for that.
	[[ $ADIT == *san-* ]] || check "$workers workers: what it has sent has arrived" try 5 all_arrived
	is "$workers workers: none twice, the gateway has thrown nothing away either" "$(drops gw)" '[{},{}]'
	check "$workers workers: by datagrams" goes_by dtls
	check "$workers workers: an answer" in_ns alice ping -c 1 -W 1 10.20.0.1
	((workers == 2)) || stop alice
	((workers == 2)) || in_ns alice tc qdisc del dev to-gw root
done

record_events alice
dropped=$(dropped_by_tun)
flood
check "the kernel holds packets back" try 10 is_held_back "$dropped"
ctl alice rekey >/dev/null
check "a rekey in the midst of it" wait_record alice 10 event=rekey
stop flood INT
check "packets pass" try 5 in_ns alice ping -c 1 -W 1 10.20.0.1
check "by datagrams" try 5 goes_by dtls
is "the client has thrown nothing away" "$(drops alice | jq -c '.[0]')" '{}'
is "nor the gateway" "$(drops gw)" '[{},{}]'
in_ns alice tc qdisc del dev to-gw root

line 8kbit
flood
check "datagrams stand still, packets go by the stream" try 10 goes_by tls
check "an answer" try 5 in_ns alice ping -c 1 -W 1 10.20.0.1
stop flood INT
in_ns alice tc qdisc del dev to-gw root
check "and by datagrams again when these pass" try 10 goes_by dtls
check "an answer" try 5 in_ns alice ping -c 1 -W 1 10.20.0.1
done_testing
