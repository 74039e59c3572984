#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The datagrams of clients that are no adit: kept over rekeys or not, as rekey.stock has it, and what status says of them.
#
#	(gw) 192.0.2.1 -------- 192.0.2.2 (oc)
#	     198.51.100.1 ----- 198.51.100.2 (raw)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs openconnect nft openssl

RATE=500 SIZE=1000
[[ $ADIT != *san-* ]] || RATE=100
DURATION=6

make_ns gw oc raw
link_ns gw 192.0.2.1/24 oc 192.0.2.2/24
link_ns gw 198.51.100.1/24 raw 198.51.100.2/24
make_pki vpn.test oc raw

session() # FIELD of the only session
{
	ctl gw sessions --json | jq -r ".[0].$1"
}

has()
{
	[[ $(session "$1") = "$2" ]]
}

obstacle_is()
{
	session datagrams.obstacle | grep -q "$1"
}

generation_is_past()
{
	(($(session generation) > $1))
}

# start_openconnect: returns when packets go by its datagrams
start_openconnect()
{
	rm -f "$WORK/oc.log"
	start oc oc openconnect --non-inter --cafile "$PKI/ca.crt" --resolve vpn.test:192.0.2.1 -c "$PKI/issued/oc.crt" \
		-k "$PKI/private/oc.key" -i oct0 https://vpn.test/
	check "openconnect has a tunnel" try 15 in_ns oc ping -c 1 -W 1 10.20.0.1
	check "by datagrams" try 10 has transport dtls
	oc4=$(session ipv4)
}

# overhear: from now on; the App-ID comes in $WORK/overhear.log
overhear()
{
	rm -f "$WORK/overhear.log"
	start overhear oc "$repo/tests/netns/rawudp" overhear to-gw 443
	try 5 grep -q listening "$WORK/overhear.log" || diag "nobody listens"
}

# handshakes: how many of its datagrams openconnect has done
handshakes()
{
	grep -c 'Established DTLS connection' "$WORK/oc.log"
}

has_begun_anew()
{
	(($(handshakes) == 2))
}

has_young_keys()
{
	has transport dtls && (($(session datagrams.key_seconds) < DURATION - 1))
}

dropped()
{
	ctl gw status --json | jq -c '.counters | [.egress, .ingress] | map(with_entries(
		select((.key | startswith("drop_")) and (.key | test("link_local|multicast") | not) and .value > 0)))'
}

# --- smooth: one datagram channel for all streams ---
start_server gw gw vpn.test 'rekey={ seconds = 1; stock = "smooth"; }'
overhear
start_openconnect
wait_exit overhear
app_id=$(tail -n 1 "$WORK/overhear.log")
first=$(session generation)
count_start up oc gw 10.20.0.1 6001 $RATE $DURATION $SIZE
count_start down gw oc "$oc4" 6002 $RATE $DURATION $SIZE
# Somebody at the same address who has seen the App-ID
export OWN_PORT=4001
answer=$(in_ns oc "$repo/tests/netns/rawudp" hello 192.0.2.1 443 "$app_id")
is "a hello in its name begins a handshake" \
	"$(in_ns oc "$repo/tests/netns/rawudp" hello 192.0.2.1 443 "$app_id" "${answer#verify }")" flight
unset OWN_PORT
for label in up down; do
	is "$label: none is lost, none doubled" "$(count_result $label | jq -c '[.received, .lost, .duplicated]')" \
		"[$((DURATION * RATE)),0,0]"
done
rekeys=$(($(session generation) - first))
check "over $rekeys rekeys, three or more" test "$rekeys" -ge 3
is "openconnect has done one handshake for datagrams" "$(handshakes)" 1
check "and still uses them" try 5 has transport dtls
check "status tells the age of their keys: $(session datagrams.key_seconds) s" test "$(session datagrams.key_seconds)" -ge $((DURATION - 1))
check "for people, too" eval 'ctl gw status | grep -qE "keys [0-9]+ s old$"'
is "nothing was dropped" "$(dropped)" '[{},{}]'

# From another address its old flow leads nowhere: it is told to begin another.
ip -n "$NS-oc" addr del 192.0.2.2/24 dev to-gw
ip -n "$NS-oc" addr add 192.0.2.3/24 dev to-gw
kill -s USR2 "${pid_of[oc]}"
check "a client that has moved begins another handshake" try 10 has_begun_anew
check "and goes on by datagrams" try 10 in_ns oc ping -c 1 -W 1 10.20.0.1
check "of young keys" try 5 has_young_keys

# A client that is gone does not keep its keys for ever, but at most for what a generation may live.
stop oc KILL 2>/dev/null
check "a client that vanishes leaves its session" try 5 has connected false
is "with its keys" "$(session datagrams.suite)" PSK-AES128-GCM-SHA256
stop gw

# --- strict: each generation has datagrams of its own ---
start_server gw gw vpn.test 'rekey.seconds=1'
start_openconnect
check "four generations" try 15 generation_is_past 4
check "the last one has datagrams" try 5 has transport dtls
check "openconnect has done a handshake for each: $(handshakes)" test "$(handshakes)" -ge 4
check "their keys are young: $(session datagrams.key_seconds) s" test "$(session datagrams.key_seconds)" -le 2
stop oc INT
stop gw

# --- why a client is on the stream ---
# hello KEY APP_ID: libssl's handshake from a stock client's place, for as long as the gateway may take to give it up
hello()
{
	openssl asn1parse -noout -out "$WORK/session.der" -genconf /dev/stdin >"$WORK/asn1.log" <<-END
		asn1 = SEQUENCE:session
		[session]
		version = INTEGER:1
		protocol = INTEGER:65277
		cipher = FORMAT:HEX,OCTETSTRING:00A8
		id = FORMAT:HEX,OCTETSTRING:$2
		master = FORMAT:HEX,OCTETSTRING:$(printf '%096d' 7)
		time = EXPLICIT:1,INTEGER:$EPOCHSECONDS
		timeout = EXPLICIT:2,INTEGER:3600
	END
	openssl sess_id -inform der -in "$WORK/session.der" -out "$WORK/session.pem"
	in_ns raw timeout 6 openssl s_client -dtls1_2 -connect 198.51.100.1:443 -psk "$1" -psk_identity psk -cipher PSK \
		-sess_in "$WORK/session.pem" >"$WORK/hello.log" 2>&1 </dev/null
}

start_server gw gw vpn.test
start_peer raw raw --cert "$PKI/issued/raw.crt" --key "$PKI/private/raw.key" 198.51.100.1 443
tell raw open >/dev/null
tell raw login >/dev/null
answer=$(tell raw connect)
check "a client that does not ask for datagrams" grep -q '^200 ' <<<"$answer"
is "is one" "$(session datagrams.obstacle)" "the client does not ask for it"
tell raw close >/dev/null
tell raw open >/dev/null
answer=$(tell raw connect datagrams)
check "one that does gets an App-ID" grep -qE '^200 .* [0-9a-f]{64}$' <<<"$answer"
app_id=${answer##* }
is "and has not begun" "$(session datagrams.obstacle)" "the client has not begun a handshake"
hello "$(printf '%064d' 1)" "$app_id" & # not its stream's
check "that its key is another one is told" try 8 obstacle_is "key is not that of its stream"
check "for people, too" eval 'ctl gw sessions | grep -q "key is not that of its stream$"'
is "it stays on the stream" "$(session transport)" tls
wait $!
check "and may go on there" test "$(tell raw settle)" = settled
export OWN_PORT=4001
answer=$(in_ns oc "$repo/tests/netns/rawudp" hello 192.0.2.1 443 "$app_id")
in_ns oc "$repo/tests/netns/rawudp" hello 192.0.2.1 443 "$app_id" "${answer#verify }" >/dev/null
unset OWN_PORT
check "a hello from elsewhere is told, too" obstacle_is "from elsewhere"
stop raw
stop gw
start_server gw gw vpn.test 'listen=( { port = 443; datagrams = false; } )'
start_peer again raw --cert "$PKI/issued/raw.crt" --key "$PKI/private/raw.key" 198.51.100.1 443
tell again open >/dev/null
tell again login >/dev/null
tell again connect datagrams >/dev/null
is "where none are offered, that is it" "$(session datagrams.obstacle)" "not offered on this port"
stop again
stop gw
done_testing
