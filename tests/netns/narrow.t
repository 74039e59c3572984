#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A way that eats long datagrams without a word: packets go on within two seconds, by datagrams where they fit.
#
#	(gw) 192.0.2.1 --- 192.0.2.2 (way) 198.51.100.1 --- 198.51.100.2 (alice, oc)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs nft ethtool openconnect

make_ns gw way alice
link_ns gw 192.0.2.1/24 way 192.0.2.2/24
link_ns way 198.51.100.1/24 alice 198.51.100.2/24
ip -n "$NS-gw" route add default via 192.0.2.2
ip -n "$NS-alice" route add default via 198.51.100.1
in_ns way sysctl -qw net.ipv4.ip_forward=1
# On a cable of ours many datagrams would pass in one piece; the way is to see each.
in_ns gw ethtool -K to-way tx-udp-segmentation off >"$WORK/ethtool.log"
in_ns alice ethtool -K to-way tx-udp-segmentation off >>"$WORK/ethtool.log"
make_pki vpn.test alice oc

# narrow up|down|both BYTES: longer datagrams vanish on the way in that direction
narrow()
{
	in_ns way nft -f - <<-END
		table inet narrow {}
		delete table inet narrow
		table inet narrow {
			chain up { type filter hook forward priority 0; }
			chain down { type filter hook forward priority 0; }
		}
	END
	[[ $1 = down ]] || in_ns way nft add rule inet narrow up udp dport 443 udp length gt "$2" drop
	[[ $1 = up ]] || in_ns way nft add rule inet narrow down udp sport 443 udp length gt "$2" drop
}

wide()
{
	in_ns way nft delete table inet narrow
}

goes_by()
{
	[[ $(ctl "$1" sessions --json | jq -r ".[] | select(.name == \"$2\") | .transport") = "$3" ]]
}

# carries LABEL BYTES: whether it has found out that its datagrams carry packets of so many at most
carries()
{
	grep -q "datagrams carry packets of $2 bytes at most" "$WORK/$1.log"
}

not_told()
{
	! grep -q 'datagrams carry packets' "$WORK/$1.log"
}

# long_ping NS ADDRESS SECONDS: whether full packets pass again within that time; prints how long it took
long_ping()
{
	local since=${EPOCHREALTIME/[.,]/}
	try "$3" in_ns "$1" ping -c 1 -W 0.2 -s 1372 -M "do" "$2" || return 1
	diag "$1: full packets pass after $(((${EPOCHREALTIME/[.,]/} - since) / 1000)) ms"
}

# counts_on LABEL: numbered full packets lost no more than what was sent within two seconds
counts_on()
{
	count_result "$1" >"$WORK/$1.json"
	diag "$1: $(cat "$WORK/$1.json")"
	check "$1: silent for less than $silence ms" test "$(jq '.longest_gap_ms | floor' "$WORK/$1.json")" -lt "$silence"
}

silence=2200
[[ $ADIT != *san-* ]] || silence=6000

start_server gw gw vpn.test
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
check "a tunnel" wait_event alice 10 'event=up|session'
check "by datagrams" try 5 goes_by alice vpn.test dtls
alice4=$(ctl alice sessions --json | json_field 0/ipv4)
check "full packets pass" long_ping alice 10.20.0.1 2
record_events alice

# It becomes narrow while packets flow.
count_start up alice gw 10.20.0.1 5001 200 5 1372
count_start down gw alice "$alice4" 5002 200 5 1372
check "packets flow" try 5 said up receiving
check "both ways" try 5 said down receiving
sleep 0.3
narrow both 1300
check "an echo of 1300 bytes" try 3 in_ns alice ping -c 1 -W 0.2 -s 1300 10.20.0.1
counts_on up
counts_on down
is "a stream of TCP passes" "$("$repo/tests/netns/flow" "$NS-alice" "$NS-gw" 10.20.0.1)" "tcp same, udp same"
is "down, too" "$("$repo/tests/netns/flow" "$NS-gw" "$NS-alice" "$alice4")" "tcp same, udp same"
check "the client knows what passes" try 5 carries alice 1214
check "the gateway, too" try 5 carries gw 1214
check "packets go by datagrams all the while" goes_by alice vpn.test dtls
check "the gateway's, too" goes_by gw alice dtls

# The next generation begins with what is known.
in_ns alice ping -q -i 0.01 -c 100 -W 1 -s 1372 -M "do" 10.20.0.1 >"$WORK/rekey-ping" &
ctl alice rekey >/dev/null
check "a rekey" wait_record alice 10 event=rekey
wait $!
check "loses no full packet" grep -q '100 received' "$WORK/rekey-ping"
is "packets went by datagrams all the while" "$(grep -c '"transport"' "$WORK/alice.events")" 0
stop alice
stop gw

# Narrow from the beginning, in one direction. Full packets pass from the first on, and only the end that sends in that
# direction sends shorter datagrams.
declare -A sender=([up]=alice [down]=gw) receiver=([up]=gw [down]=alice)
for direction in up down; do
	narrow $direction 1300
	start_server gw-$direction gw vpn.test
	start_client alice-$direction alice alice 192.0.2.1:443 'trust.name="vpn.test"' 'transport="dtls"'
	check "$direction: a tunnel that is pinned to datagrams" try 10 goes_by alice-$direction vpn.test dtls
	check "$direction: full packets pass" long_ping alice 10.20.0.1 1
	check "$direction: the sender knows what passes" try 5 carries "${sender[$direction]}-$direction" 1214
	check "$direction: the other end sends full packets" not_told "${receiver[$direction]}-$direction"
	stop alice-$direction
	stop gw-$direction
done

# openconnect measures by itself what it sends; what is sent to it the gateway finds out.
wide
start_server gw gw vpn.test
start oc alice openconnect --non-inter --cafile "$PKI/ca.crt" --resolve vpn.test:192.0.2.1 -c "$PKI/issued/oc.crt" \
	-k "$PKI/private/oc.key" -i oct0 https://vpn.test:443/
check "openconnect has a datagram channel" try 15 said oc 'Established DTLS connection'
check "the gateway sends by datagrams" try 15 goes_by gw oc dtls
oc4=$(ctl gw sessions --json | jq -r '.[] | select(.name == "oc") | .ipv4')
check "full packets pass" try 5 in_ns gw ping -c 1 -W 0.2 -s 1300 "$oc4"
count_start ocdown gw alice "$oc4" 5003 200 4 1300
check "packets flow" try 5 said ocdown receiving
narrow down 1300
counts_on ocdown
check "by datagrams all the while" goes_by gw oc dtls
check "the gateway knows what passes" try 5 carries gw 1214
stop oc INT
stop gw
done_testing
