#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An adit client at Debian's ocserv.
#
#	(client) 192.0.2.2 ----- 192.0.2.1 (gw)
#	 |  10.88.0.x, fd88::x ..... 10.88.0.1, fd88::1
#	                             lo 10.99.0.1, fd99::1: the networks that ocserv announces
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs ocserv

resolv_conf=/etc/netns/$NS-client/resolv.conf
REKEY=4
DPD=2

take_precedence
make_ns gw client
link_ns gw 192.0.2.1/24 client 192.0.2.2/24
in_ns client ip route add default via 192.0.2.1
in_ns gw ip addr add 10.99.0.1/32 dev lo
in_ns gw ip addr add fd99::1/128 dev lo
make_pki vpn.test alice

ocserv_config vpn.test 'ipv4-network = 10.88.0.0/24' 'ipv6-network = fd88::/64' 'ipv6-subnet-prefix = 128' \
	'route = 10.99.0.0/16' 'route = fd99::/64' 'no-route = 10.99.7.0/24' 'dns = 10.88.0.1' \
	'default-domain = corp.example' "rekey-time = $REKEY" 'rekey-method = new-tunnel' "dpd = $DPD" 'cookie-timeout = 60'

start_ocserv()
{
	start ocserv gw ocserv -f -d 2 -c "$WORK/ocserv.conf"
	try 5 listens gw tcp 443 || diag "ocserv does not listen"
}

# event SECONDS FIELD=PATTERN...: of the client since mark_events; leaves the line in $line
event()
{
	line=$(wait_record alice "$@")
}

field()
{
	json_field "$1" <<<"$line"
}

route_by()
{
	in_ns client ip "$1" route get "$2" | grep -q "dev $3 "
}

# ping_to FROM ADDRESS [OPTION]...
ping_to()
{
	in_ns "$1" ping -q -c 3 -i 0.2 -W 3 "${@:3}" "$2"
}

session()
{
	ctl alice sessions --json | jq -r ".[0].$1"
}

# The client's end of its connection to ocserv
port_of_stream()
{
	in_ns client ss -Htn 'dport = :443' | awk '{ print $4 }' | sed 's/.*://' | head -n 1
}

start_ocserv
start_client alice client alice 192.0.2.1:443 'trust.name="vpn.test"' "dpd.seconds=$DPD"
wait_event alice 15 'event=up|session' >/dev/null
record_events alice
check "the client is up" event 5 event=session
ipv4=$(field ipv4) ipv6=$(field ipv6)
check "by the plain protocol: $ipv4 $ipv6" test -n "$ipv4" -a -n "$ipv6"
check "the announced IPv4 network leads into the tunnel" route_by -4 10.99.0.1 adit0
check "the announced IPv6 network does too" route_by -6 fd99::1 adit0
check "an excluded network does not" route_by -4 10.99.7.1 to-gw
check "what was not announced does not either" route_by -4 203.0.113.1 to-gw
check "the name server is set" grep -q '^nameserver 10.88.0.1' "$resolv_conf"
check "the domain is set" grep -q 'corp.example' "$resolv_conf"
check "IPv4 to the gateway's network" ping_to client 10.99.0.1
check "IPv6 to the gateway's network" ping_to client fd99::1
check "IPv4 to the client" ping_to gw "$ipv4"
check "IPv6 to the client" ping_to gw "$ipv6" -I fd99::1

# --- rekeys under traffic; dead-peer detection goes on meanwhile ---
# 500 packets a second each way over two rekeys or more. What goes to ocserv all arrives. For each connection it makes a
# new device and ends the old one's worker, which reads no more while its process ends: what the kernel has given to the
# old device by then is gone, a packet for each two milliseconds that takes. No client can help that, so the limit only
# tells whether it is that; the count stands in the test's name. A sanitizer slows the hand-over.
allowed=10 allowed_up=0
[[ $ADIT != *san-* ]] || allowed=1000 allowed_up=1000
before=$(session generation)
count_start up client gw 10.99.0.1 6001 500 $((2 * REKEY + 2))
count_start down gw client "$ipv4" 6002 500 $((2 * REKEY + 2))
up=$(count_result up) down=$(count_result down)
rekeys=$(($(session generation) - before))
diag "to ocserv: $up" "from ocserv: $down"
lost_down=$(json_field lost <<<"$down")
check "two rekeys or more: $rekeys" test "$rekeys" -ge 2
check "to ocserv none is lost" test "$(json_field lost <<<"$up")" -le "$allowed_up"
is "nor doubled" "$(json_field duplicated <<<"$up")" 0
check "to the client $lost_down of 5000 are lost in $rekeys rekeys" test "$lost_down" -le $((allowed * rekeys))
is "none is doubled" "$(json_field duplicated <<<"$down")" 0
is "the same IPv4 address after a rekey" "$(session ipv4)" "$ipv4"
is "the same IPv6 address after a rekey" "$(session ipv6)" "$ipv6"
check "none was a reconnect" never_recorded alice '"event":"(lost|reconnecting)"' event=rekey \
	"generation>=$(($(session generation) + 1))"

# --- a gateway that is killed ---
mark_events alice
for pid in $(ip netns pids "$NS-gw"); do
	kill -KILL "$pid"
done
wait_exit ocserv 2>/dev/null
rm -f "$WORK"/ocserv.pid "$WORK"/ocserv.sock*
sed -i '/^rekey-time/s/=.*/= 3600/' "$WORK/ocserv.conf" # so that no rekey comes in between from here on
check "a killed gateway is noticed" event 10 'event=lost|reconnecting'
start_ocserv
check "the client is back after its restart" event 15 event=up
check "with traffic" try 5 ping_to client 10.99.0.1

# --- one that has nothing to carry lives ---
mark_events alice
port=$(port_of_stream)
check "for 3 times its dead-peer detection an idle tunnel has no event" fails event $((3 * DPD)) 'event=.*'
is "its connection is the same" "$(port_of_stream)" "$port"

# --- a connection that is cut ---
cut_tcp gw "$port"
check "a cut is noticed" event 10 'event=lost|reconnecting'
is "by the first event since the idle time" "$(tail -n "+$((event_mark[alice] + 1))" "$WORK/alice.events" | head -n 1)" "$line"
check "the session survives it" event 10 event=up
is "with the same address" "$(field ipv4)" "$ipv4"
check "and with traffic" try 5 ping_to client 10.99.0.1

# --- a peer that falls silent ---
mark_events alice
in_ns gw nft add rule inet cut input tcp dport 443 drop
check "a silent peer is noticed" event 20 'event=lost|reconnecting'
in_ns gw nft delete table inet cut
check "and the session comes back" event 20 event=up
check "with traffic" try 5 ping_to client 10.99.0.1

check "the client ends when told" stop alice
check "ocserv has seen a logout" said ocserv 'received BYE packet'
check "the name server is restored" fails grep -q nameserver "$resolv_conf"
check "the device is gone" fails in_ns client ip link show adit0
done_testing
