#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's openconnect, with its vpnc-script, at an adit gateway.
#
#	(gw) 192.0.2.1 ----- 192.0.2.2 (client)
#	 |  10.20.0.1, fd20:aa::1 ..... 10.20.0.x, fd20:aa::x
#	lo 10.99.0.1, fd99::1: the networks that the gateway announces
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs openconnect

resolv_conf=/etc/netns/$NS-client/resolv.conf

take_precedence
make_ns gw client
link_ns gw 192.0.2.1/24 client 192.0.2.2/24
in_ns client ip route add default via 192.0.2.1
in_ns gw ip addr add 10.99.0.1/32 dev lo
in_ns gw ip addr add fd99::1/128 dev lo
make_pki vpn.test alice bob
PKI=$WORK/elsewhere make_pki vpn.test alice
routes='push={ routes = ("10.99.0.0/16", "fd99::/64", "fd20:aa::/64"); exclude = ("10.99.7.0/24"); dns = ("10.20.0.1");
	domains = ("corp.example"); }'

# openconnect_as LABEL CERTIFICATE [OPTION]...: in the background. Without a script of its own it leaves the network
# alone; the first client alone uses the stock one.
openconnect_as()
{
	local label=$1 certificate=$2
	shift 2
	start "$label" client openconnect --non-inter --cafile "$PKI/ca.crt" --resolve vpn.test:192.0.2.1 \
		-c "$PKI/issued/$certificate.crt" -k "$PKI/private/$certificate.key" "$@" https://vpn.test/
}

# event LABEL SECONDS FIELD=PATTERN...: as wait_record; leaves the line in $line
event()
{
	line=$(wait_record "$@")
}

field()
{
	json_field "$1" <<<"$line"
}

has_address()
{
	in_ns client ip -br addr show dev oct0 | grep -q " $1/"
}

route_by()
{
	in_ns client ip "$1" route get "$2" | grep -q "dev $3 "
}

ping_to()
{
	in_ns "$1" ping -q -c 3 -i 0.2 -W 3 "$2"
}

generation()
{
	ctl "$1" sessions --json | jq '.[0].generation'
}

# What the gateway could not keep for a client without connection.
gateway_drops()
{
	ctl gw status --json | jq .counters.egress.drop_queue
}

port_of_session()
{
	ctl "$1" sessions --json | jq -r '.[0].peer' | sed 's/.*://'
}

# --- one long session: network, traffic, rekeys ---
start_server gw gw vpn.test "$routes" 'rekey.seconds=3'
record_events gw
openconnect_as alice alice -i oct0
check "openconnect gets a session" event gw 15 event=up name=alice
ipv4=$(field ipv4) ipv6=$(field ipv6)
check "its script has set the IPv4 address" try 5 has_address "$ipv4"
check "its script has set the IPv6 address" try 5 has_address "$ipv6"
check "the announced IPv4 network leads into the tunnel" try 5 route_by -4 10.99.0.1 oct0
check "the announced IPv6 network does too" try 5 route_by -6 fd99::1 oct0
check "an excluded network does not" fails route_by -4 10.99.7.1 oct0
check "the name server is set" try 5 grep -q '^nameserver 10.20.0.1' "$resolv_conf"
check "the domain is set" grep -q 'corp.example' "$resolv_conf"
check "IPv4 to the gateway's network" ping_to client 10.99.0.1
check "IPv6 to the gateway's network" ping_to client fd99::1
check "IPv4 to the client" ping_to gw "$ipv4"
check "IPv6 to the client" ping_to gw "$ipv6"

# 500 packets a second each way, half of them IPv6, over two rekeys or more. openconnect closes its old connection without
# reading what is on its way, and reads nothing from its device until the new one stands: what is lost by that is told in
# the test's name and bounded, for the machine decides how long it takes. The gateway may lose nothing.
allowed=10
[[ $ADIT != *san-* ]] || allowed=1000 # slowed as all is then, it says nothing
before=$(generation gw)
count_start up4 client gw 10.99.0.1 6001 250 8
count_start up6 client gw fd99::1 6002 250 8
count_start down4 gw client "$ipv4" 6003 250 8
count_start down6 gw client "$ipv6" 6004 250 8
lost_up=0 lost_down=0 doubled=0
for label in up4 up6 down4 down6; do
	result=$(count_result $label)
	diag "$label: $result"
	doubled=$((doubled + $(json_field duplicated <<<"$result")))
	case $label in
	up*) lost_up=$((lost_up + $(json_field lost <<<"$result"))) ;;
	down*) lost_down=$((lost_down + $(json_field lost <<<"$result"))) ;;
	esac
done
rekeys=$(($(generation gw) - before))
check "two rekeys or more: $rekeys" test "$rekeys" -ge 2
check "to the gateway $lost_up of 4000 are lost in $rekeys rekeys" test "$lost_up" -le $((allowed * rekeys))
check "to the client $lost_down of 4000 are lost in $rekeys rekeys" test "$lost_down" -le $((allowed * rekeys))
is "none is doubled" "$doubled" 0
is "the gateway itself dropped none" "$(gateway_drops)" 0
check "the gateway tells of the newest" event gw 1 event=up name=alice "generation>=$rekeys"
is "the same IPv4 address after a rekey" "$(field ipv4)" "$ipv4"
is "the same IPv6 address after a rekey" "$(field ipv6)" "$ipv6"
shares=$(jq -r 'select(.event == "up").peer_share' "$WORK/gw.events")
is "each generation has a fresh share of the client" "$(sort -u <<<"$shares" | wc -l)" "$(wc -l <<<"$shares")"

# Right behind a rekey: one that is told to end in the midst of its own reconnect goes without a word.
event gw 10 event=up name=alice "generation>=$(($(generation gw) + 1))"
check "openconnect ends when told" stop alice INT
check "and has logged out" event gw 5 event=down name=alice
check "its script has restored the name server" fails grep -q nameserver "$resolv_conf"
check "SIGTERM ends the gateway" stop gw

# --- a connection that is cut; no rekey can be taken for what follows from it ---
start_server gw1 gw vpn.test "$routes" 'rekey.seconds=3600'
record_events gw1
openconnect_as cut alice -i oct0 --no-dtls # the stream must have something to carry
check "openconnect gets a session again" event gw1 15 event=up name=alice
ipv4=$(field ipv4)
check "with traffic" try 5 ping_to client 10.99.0.1
before=$(generation gw1) port=$(port_of_session gw1)
mark_events gw1
cut_tcp gw "$port"
in_ns client ping -q -c 1 -W 1 10.20.0.1 >/dev/null # something for the cut to answer
# The gateway does not see the cut, so for it the new connection takes the place of a living one.
check "the session survives it" event gw1 15 'event=up|rekey' name=alice "generation>=$((before + 1))"
is "with the same address" "$(field ipv4)" "$ipv4"
check "by another connection" test "$(port_of_session gw1)" != "$port"
check "and with traffic" try 5 ping_to client 10.99.0.1
stop cut INT
stop gw1

# --- logins ---
start_server gw2 gw vpn.test "$routes" 'limits.cookie_seconds=6'
record_events gw2

PKI_HERE=$PKI
PKI=$WORK/elsewhere openconnect_as stranger alice --cafile "$PKI_HERE/ca.crt" -s true
check "a certificate of another authority is refused" exits stranger 1
check "openconnect says so" said stranger 'alert'
check "the gateway names subject and reason" event gw2 5 event=refused 'name=.*alice.*' 'reason=.+'

openconnect_as plain alice --no-xmlpost -s true
check "a login by GET" event gw2 10 event=up name=alice
check "it ends" stop plain INT
check "and has logged out" event gw2 5 event=down name=alice

# login CERTIFICATE: sets COOKIE, FINGERPRINT and CONNECT_URL
login()
{
	local words
	words=$(in_ns client openconnect --non-inter --authenticate --cafile "$PKI/ca.crt" \
		--resolve vpn.test:192.0.2.1 -c "$PKI/issued/$1.crt" -k "$PKI/private/$1.key" https://vpn.test/)
	eval "$words"
	[[ -n ${COOKIE:-} && -n ${FINGERPRINT:-} ]]
}

# with_cookie LABEL CERTIFICATE: a tunnel without login
with_cookie()
{
	openconnect_as "$1" "$2" -s true --cookie "$COOKIE" --servercert "$FINGERPRINT"
}

mark_events gw2
check "a login apart from the tunnel" login alice
with_cookie cookie alice
check "a tunnel by the cookie alone" event gw2 10 event=up name=alice
address=$(field ipv4)
stop cookie KILL 2>/dev/null
check "a client that vanishes leaves its session" event gw2 5 event=lost name=alice
openconnect_as bob bob -s true
check "another client comes meanwhile" event gw2 10 event=up name=bob
check "and gets another address" test "$(field ipv4)" != "$address"
mark_events gw2
with_cookie again alice
check "the one that vanished comes back by its cookie" event gw2 10 event=up name=alice
is "with its address" "$(field ipv4)" "$address"
with_cookie thief bob
check "nobody else may use the cookie" exits thief 2
check "it ends" stop again INT
check "and has logged out" event gw2 5 event=down name=alice
with_cookie late alice
check "after the logout the cookie is dead" exits late 2

mark_events gw2
check "another login" login alice
with_cookie gone alice
check "a third tunnel" event gw2 10 event=up name=alice
stop gone KILL 2>/dev/null
check "a session that nobody resumes ends with its cookie" event gw2 12 event=down name=alice
with_cookie expired alice
check "and its cookie is refused" exits expired 2

check "the operator ends a session" ctl gw2 disconnect bob
check "openconnect ends" exits bob 1
check "and tells the reason" said bob 'operator'
check "as the gateway does" event gw2 5 event=down name=bob 'reason=.*operator.*'
done_testing
