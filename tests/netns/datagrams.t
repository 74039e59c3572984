#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Packets go by datagrams when they pass, by the stream when they do not, and back again, inside one session; transport
# pins one of both. Stock clients and gateways use them, too.
#
#	(gw) 192.0.2.1 ------- 192.0.2.2 (alice)
#	     198.51.100.1 ---- 198.51.100.2 (oc)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs openconnect ocserv nft

make_ns gw alice oc
link_ns gw 192.0.2.1/24,2001:db8::1/64 alice 192.0.2.2/24,2001:db8::2/64
link_ns gw 198.51.100.1/24 oc 198.51.100.2/24
make_pki vpn.test alice oc

transport()
{
	ctl "$1" sessions --json | jq -r ".[] | select(.name == \"$2\") | .transport"
}

goes_by()
{
	[[ $(transport "$1" "$2") = "$3" ]]
}

start_server gw gw vpn.test
record_events gw
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
check "a tunnel" wait_event alice 10 'event=up|session'
record_events alice
check "the client's packets go by datagrams" try 5 goes_by alice vpn.test dtls
check "so do the gateway's" try 5 goes_by gw alice dtls
check "that is an event" wait_record gw 5 event=transport name=alice
alice4=$(ctl alice sessions --json | json_field 0/ipv4)
count_datagrams alice
before=$(datagram_bytes_out alice)
check "ping" in_ns alice ping -c 5 -i 0.02 -W 2 10.20.0.1
check "they are on the wire" test "$(($(datagram_bytes_out alice) - before))" -ge 400

# A black hole, and back.
mark_events alice
mark_events gw
count_start up alice gw 10.20.0.1 5001 500 60
count_start down gw alice "$alice4" 5002 500 60
check "packets flow" try 5 said up receiving
deafen gw alice
check "the client notices" wait_record alice 5 event=transport
check "the gateway notices, or is told" wait_record gw 5 event=transport name=alice
check "the client sends by the stream" try 2 goes_by alice vpn.test tls
check "the gateway sends by the stream" try 2 goes_by gw alice tls
check "the inner flow goes on" in_ns alice ping -c 2 -i 0.1 -W 2 10.20.0.1
mark_events alice
mark_events gw
undeafen gw alice
since=${EPOCHREALTIME/[.,]/}
check "when datagrams pass again, the client comes back" wait_record alice 10 event=transport
check "and the gateway" wait_record gw 10 event=transport name=alice
back=$(((${EPOCHREALTIME/[.,]/} - since) / 1000))
check "both within ten seconds ($back ms)" test $back -lt 10000
check "the client's packets go by datagrams again" goes_by alice vpn.test dtls
check "the gateway's, too" goes_by gw alice dtls
count_stop up
count_stop down
silence=2000
[[ $ADIT != *san-* ]] || silence=6000 # slowed as all is then
for label in up down; do
	count_result $label >"$WORK/$label.json"
	gap=$(json_field longest_gap_ms <"$WORK/$label.json")
	check "$label: never silent for longer than $silence ms ($gap ms)" test "${gap%.*}" -lt $silence
done
check "the session was never lost" test "$(ctl gw sessions --json | jq length)" = 1

# A rekey moves the datagrams to new keys.
generation=$(ctl gw sessions --json | json_field 0/generation)
ctl alice rekey >/dev/null
check "a rekey" wait_record gw 10 event=rekey name=alice "generation>=$((generation + 1))"
check "packets go by datagrams behind it" in_ns alice ping -c 3 -i 0.1 -W 2 10.20.0.1
check "still" goes_by alice vpn.test dtls
stop alice
stop gw

# Pinned.
start_server gw gw vpn.test 'listen=( { port = 443; datagrams = false; } )'
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
check "a gateway without datagrams" wait_event alice 10 'event=up|session'
check "has no socket for them" test -z "$(in_ns gw ss -Hlun 'sport = :443')"
check "ping by the stream" in_ns alice ping -c 2 -i 0.1 -W 2 10.20.0.1
is "packets go by the stream" "$(transport alice vpn.test)" tls
stop alice
stop gw
start_server gw gw vpn.test
start_client alice alice alice '[2001:db8::1]:443' 'trust.name="vpn.test"' 'transport="tls"'
check "a client that wants the stream" wait_event alice 10 'event=up|session'
before=$(datagram_bytes_out alice)
check "ping" in_ns alice ping -c 2 -i 0.1 -W 2 10.20.0.1
is "sends no datagram" "$(datagram_bytes_out alice)" "$before"
stop alice
start_client alice alice alice '[2001:db8::1]:443' 'trust.name="vpn.test"' 'transport="dtls"'
check "a client that wants datagrams, over IPv6" try 10 goes_by alice vpn.test dtls
check "ping" in_ns alice ping -c 2 -i 0.1 -W 2 10.20.0.1
stop alice

# openconnect at our gateway.
start oc oc openconnect --non-inter --cafile "$PKI/ca.crt" --resolve vpn.test:198.51.100.1 -c "$PKI/issued/oc.crt" \
	-k "$PKI/private/oc.key" -i oct0 https://vpn.test:443/
check "openconnect has a datagram channel" try 15 said oc 'Established DTLS connection'
check "its network stands" try 10 in_ns oc ping -c 1 -W 1 10.20.0.1
check "the gateway sends by datagrams" try 5 goes_by gw oc dtls
oc4=$(ctl gw sessions --json | jq -r '.[] | select(.name == "oc") | .ipv4')
count_datagrams oc
before=$(datagram_bytes_out oc)
count_start ocup oc gw 10.20.0.1 5003 500 2
count_start ocdown gw oc "$oc4" 5004 500 2
is "up: all arrive" "$(count_result ocup | jq -c '[.received, .lost]')" '[1000,0]'
is "down: all arrive" "$(count_result ocdown | jq -c '[.received, .lost]')" '[1000,0]'
check "by datagrams" test "$(($(datagram_bytes_out oc) - before))" -ge 200000
is "nothing was dropped" "$(drops gw)" '[{},{}]'
stop oc INT
stop gw
# mtu BYTES: of the cable
mtu()
{
	ip -n "$NS-gw" link set to-alice mtu "$1"
	ip -n "$NS-alice" link set to-gw mtu "$1"
}

# A way that is narrow: what no datagram carries goes by the stream.
mtu 1320
start_server gw gw vpn.test
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
check "datagrams on a narrow way" try 10 goes_by alice vpn.test dtls
check "the longest packets pass" in_ns alice ping -c 3 -i 0.1 -W 2 -s 1252 -M "do" 10.20.0.1
check "small ones, too" in_ns alice ping -c 3 -i 0.1 -W 2 10.20.0.1
check "still by datagrams" goes_by alice vpn.test dtls
stop alice
stop gw

# One that becomes narrow.
mtu 1500
start_server gw gw vpn.test
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
check "datagrams on a wide way" try 10 goes_by alice vpn.test dtls
check "the longest packets pass" in_ns alice ping -c 2 -i 0.1 -W 2 -s 1372 -M "do" 10.20.0.1
mtu 1350
check "they pass when it has become narrow" try 5 in_ns alice ping -c 2 -i 0.1 -W 1 -s 1372 -M "do" 10.20.0.1
is "and a stream of TCP" "$("$repo/tests/netns/flow" "$NS-alice" "$NS-gw" 10.20.0.1)" "tcp same, udp same"
stop alice
stop gw
mtu 1500

# Packets beyond what any record carries
start_server gw gw vpn.test 'tunnel.mtu=30000'
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"' 'tunnel.mtu=30000'
check "a tunnel of huge packets" try 10 goes_by alice vpn.test dtls
check "they pass" in_ns alice ping -c 2 -i 0.1 -W 2 -s 20000 10.20.0.1
stop alice
stop gw

# A port that nobody listens at, for a moment: an ICMP message is no reason to turn deaf.
start_server gw gw vpn.test
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
check "a tunnel" try 10 goes_by alice vpn.test dtls
record_events alice
in_ns gw nft 'add table inet no; add chain inet no c { type filter hook input priority -10; };
	add rule inet no c udp dport 443 reject with icmpx type port-unreachable'
in_ns alice ping -c 1 -W 0.1 10.20.0.1 >/dev/null
in_ns gw nft delete table inet no
check "the next packets pass" in_ns alice ping -c 10 -i 0.02 -W 2 10.20.0.1
ctl alice rekey >/dev/null
check "by datagrams all the while" never_recorded alice '"transport"' event=rekey
stop alice
stop gw

# An adit client at ocserv
ocserv_config vpn.test 'udp-port = 443' 'ipv4-network = 10.88.0.0/24'
start ocserv gw ocserv -f -c "$WORK/ocserv.conf"
try 10 listens gw tcp 443
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
check "our client has datagrams at ocserv" try 15 goes_by alice vpn.test dtls
alice4=$(ctl alice sessions --json | json_field 0/ipv4)
before=$(datagram_bytes_out alice)
count_start seup alice gw 10.88.0.1 5005 500 2
count_start sedown gw alice "$alice4" 5006 500 2
is "up: all arrive" "$(count_result seup | jq -c '[.received, .lost]')" '[1000,0]'
is "down: all arrive" "$(count_result sedown | jq -c '[.received, .lost]')" '[1000,0]'
check "by datagrams" test "$(($(datagram_bytes_out alice) - before))" -ge 200000
stop alice
stop ocserv
done_testing
