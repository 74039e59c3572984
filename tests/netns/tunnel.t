#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# One gateway, one client: packets pass both ways, the host is set as granted, what adit tells about itself has the form
# that its schemas promise, and nothing is left behind after each way of ending.
#
#	(alice) to-gw 192.0.2.2 ------------- 192.0.2.1 to-alice (gw)
#	adit0 10.20.0.x, fd20:aa::x  . tunnel .  10.20.0.1, fd20:aa::1 adit0
#	default by 192.0.2.1                     lo 10.99.0.1, fd99::1
unset ADIT_CTL # what the tool prints is looked at, too
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

declare -A role=([gw]=server [alice]=client)
make_ns gw alice
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
in_ns alice ip route add default via 192.0.2.1
in_ns gw ip addr add 10.99.0.1/32 dev lo
in_ns gw ip addr add fd99::1/128 dev lo
echo 'nameserver 9.9.9.9' >"/etc/netns/$NS-alice/resolv.conf"
make_pki vpn.test alice

begin_gateway()
{
	start_server gw gw vpn.test 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; ipv6 = "fd20:aa::7"; } )' \
		'push.routes=( "10.20.0.0/24", "10.99.0.0/16", "fd20:aa::/64", "fd99::/64" )' \
		'push.exclude=( "10.99.9.0/24" )' 'push.dns=( "10.20.0.1" )' 'push.domains=( "corp.example" )'
}

# begin_client [SETTING]...
begin_client()
{
	start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"' "$@"
	wait_event alice 15 'event=up|session' >/dev/null || diag "the client is not up"
}

# Addresses of the links come when their detection of duplicates has ended: the picture before must be the one after.
settled()
{
	! ip -n "$NS-$1" addr | grep -q tentative
}

# state LABEL: what adit could leave behind
state()
{
	in_ns "$1" ip -br addr
	in_ns "$1" ip -4 route show table all
	in_ns "$1" ip -6 route show table all
	in_ns "$1" ip rule
	in_ns "$1" md5sum /etc/resolv.conf
	in_ns "$1" sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
	ls "$WORK/$1.sock" "$WORK/${role[$1]}"-*.journal* 2>&1
}

# none_left LABEL: no process of it lives
none_left()
{
	[[ -z $(ip netns pids "$NS-$1") ]]
}

# is_clean LABEL: adit has left nothing and nobody
is_clean()
{
	diff <(echo "${clean[$1]}") <(state "$1") && none_left "$1"
}

# stop_engine LABEL: kill -9 it; returns the exit status of the rest
stop_engine()
{
	kill -s KILL "$(pgrep -P "${pid_of[$1]}")"
	wait_exit "$1"
}

has_route()
{
	in_ns alice ip "$1" route show "$2" | grep -q "$3"
}

# iperf NS ADDRESS [-R]: it flows, were it slowly on a machine with other work
iperf()
{
	in_ns "$1" iperf3 -c "$2" -t 1 -J "${@:3}" >"$WORK/iperf.json" &&
		perl -MJSON::XS -0777 -ne 'exit(decode_json($_)->{end}{sum_received}{bytes} <= 1e5)' "$WORK/iperf.json"
}

# counter LABEL DIRECTION NAME
counter()
{
	ctl "$1" status --json | json_field "counters/$2/$3"
}

# stays_out LABEL COUNTER ADDRESS: what is sent there by adit's device is dropped on its way out, and counted so; the
# other end has nothing to drop. The kernel may send more of the kind by itself.
stays_out()
{
	local other=gw before got
	[[ $1 = alice ]] || other=alice
	before=$(counter "$1" egress "$2") got=$(counter "$other" ingress "$2")
	in_ns "$1" ping -q -c 3 -i 0.01 -W 0.1 -b -I adit0 "$3"
	echo "$2 of $1 was $before, is $(counter "$1" egress "$2"); of $other was $got, is $(counter "$other" ingress "$2")"
	(($(counter "$1" egress "$2") >= before + 3)) && [[ $(counter "$other" ingress "$2") = "$got" ]]
}

# includes FAMILY: what leads into the tunnel at the client
includes()
{
	in_ns alice ip -j "$1" route show dev adit0 | jq -r '[.[].dst | select(. != "fd20:aa::7")] | sort | join(" ")'
}

# has_form LABEL COMMAND: what the command prints as JSON is as its schema says
has_form()
{
	ctl "$1" "$2" --json | "$repo/tests/netns/validate" "$repo/docs/$2.schema.json"
}

disconnect_has_form()
{
	ctl gw disconnect alice --json | "$repo/tests/netns/validate" "$repo/docs/disconnect.schema.json"
}

# session_field LABEL FIELD: of its first session
session_field()
{
	ctl "$1" sessions --json | perl -MJSON::XS -e 'local $/; print decode_json(<STDIN>)->[0]{ $ARGV[0] } // ""' "$2"
}

# packets_pass TRANSPORT: both ways, both families, to the networks behind, and TCP; they go by that
packets_pass()
{
	local address
	check "the tunnel is by $1" try 10 goes_by "$1"
	check "by $1 the client reaches the gateway by IPv4" in_ns alice ping -c 1 -W 2 10.20.0.1
	check "by $1 the client reaches the gateway by IPv6" in_ns alice ping -c 1 -W 2 fd20:aa::1
	check "by $1 the gateway reaches the client by IPv4" in_ns gw ping -c 1 -W 2 10.20.0.7
	check "by $1 the gateway reaches the client by IPv6" in_ns gw ping -c 1 -W 2 fd20:aa::7
	check "by $1 the client reaches a network behind the gateway by IPv4" in_ns alice ping -c 1 -W 2 10.99.0.1
	check "by $1 the client reaches a network behind the gateway by IPv6" in_ns alice ping -c 1 -W 2 fd99::1
	check "by $1 a packet as large as the MTU passes" in_ns alice ping -M "do" -s 1372 -c 1 -W 2 10.20.0.1
	rm -f "$WORK"/iperf-*.log
	start iperf-gw gw iperf3 -s --forceflush
	start iperf-client alice iperf3 -s --forceflush
	try 5 grep -q listening "$WORK/iperf-gw.log"
	try 5 grep -q listening "$WORK/iperf-client.log"
	for address in 10.20.0.1 fd20:aa::1; do
		check "by $1 TCP from the client to $address flows" iperf alice "$address"
		check "by $1 and back" iperf alice "$address" -R
	done
	for address in 10.20.0.7 fd20:aa::7; do
		check "by $1 TCP from the gateway to $address flows" iperf gw "$address"
	done
	stop iperf-gw
	stop iperf-client
	check "by $1 all of it" goes_by "$1"
}

# goes_by TRANSPORT: both ends send so
goes_by()
{
	[[ $(session_field gw transport) = "$1" && $(session_field alice transport) = "$1" ]]
}

# begins LABEL: started anew it comes up and the tunnel carries
begins()
{
	case $1 in
	gw) begin_gateway ;;
	alice) begin_client ;;
	esac
	try 15 in_ns alice ping -c 1 -W 1 10.20.0.1 && try 15 in_ns gw ping -c 1 -W 1 fd20:aa::7
}

try 10 settled gw
try 10 settled alice
declare -A clean=([gw]=$(state gw) [alice]=$(state alice))

begin_gateway
record_events gw
begin_client
record_events alice

check "the gateway's port is open for datagrams too, for each worker" \
	test "$(in_ns gw ss -Hlun 'sport = :443' | wc -l)" = "$(in_ns gw ss -Hltn 'sport = :443' | wc -l)"

# What was granted.
check "the client has the addresses that are its own" grep -q '10.20.0.7/32 fd20:aa::7/128' \
	<(in_ns alice ip -br addr show adit0)
check "the gateway has the first addresses" grep -q '10.20.0.1/24 fd20:aa::1/64' <(in_ns gw ip -br addr show adit0)
check "the client's MTU is the gateway's" grep -q 'mtu 1400' <(in_ns alice ip link show adit0)
for route in 10.20.0.0/24 10.99.0.0/16; do
	check "$route leads into the tunnel" has_route -4 $route adit0
done
for route in fd20:aa::/64 fd99::/64; do
	check "$route leads into the tunnel" has_route -6 $route adit0
done
check "what is excluded does not" has_route -4 10.99.9.0/24 'via 192.0.2.1 dev to-gw'
check "the default route is still there" has_route -4 default 'via 192.0.2.1'
is "the client's name server and domain are set" \
	"$(in_ns alice sed '/^#/d' /etc/resolv.conf)" $'nameserver 10.20.0.1\nsearch corp.example'

packets_pass dtls

# What never enters a tunnel, whatever the host's routes say.
for label in gw alice; do
	is "the device of $label has no link-local address" "$(in_ns $label ip -6 addr show dev adit0 scope link)" ''
	in_ns $label ip route add 169.254.0.0/16 dev adit0
	in_ns $label ip route add 224.0.0.0/4 dev adit0
	in_ns $label ip route add 255.255.255.255 dev adit0
	in_ns $label ip route add fe80::/64 dev adit0
	for address in 169.254.1.1 fe80::1; do
		check "$label does not send to $address" stays_out $label drop_link_local $address
	done
	for address in 224.0.0.251 ff02::fb ff05::2 255.255.255.255; do
		check "$label does not send to $address" stays_out $label drop_multicast $address
	done
	for route in 169.254.0.0/16 224.0.0.0/4 255.255.255.255 fe80::/64; do
		in_ns $label ip route del $route dev adit0
	done
done

# What adit tells.
for label in gw alice; do
	check "status of $label has its form" has_form $label status
	check "sessions of $label have their form" has_form $label sessions
	check "rekey of $label has its form" has_form $label rekey
	check "$label tells of the rekey" wait_record $label 5 event=rekey
	is "$label has a session by datagrams" "$(session_field $label transport)" dtls
	is "$label knows the inner address" "$(session_field $label ipv4)" 10.20.0.7
	check "$label counts bytes received" test "$(session_field $label rx_bytes)" -gt 1000000
	check "$label counts bytes sent" test "$(session_field $label tx_bytes)" -gt 1000000
done
is "the gateway names the client" "$(session_field gw name)" alice
is "the client names the gateway" "$(session_field alice name)" vpn.test
is "both ends count generations alike" "$(session_field gw generation)" "$(session_field alice generation)"

# Ends as asked.
stop alice
is "SIGTERM ends the client with 0" $? 0
check "nothing is left of the client" is_clean alice
is "the gateway was told" "$(wait_record gw 5 event=down | json_field reason)" "logged out by the user"
check "the client begins again" begins alice
check "disconnect has its form" disconnect_has_form
wait_exit alice
is "a client that is disconnected ends with 1" $? 1
check "nothing is left of it" is_clean alice
for label in gw alice; do
	check "events of $label have their form" "$repo/tests/netns/validate" "$repo/docs/events.schema.json" \
		<"$WORK/$label.events"
done
check "the client begins again" begins alice
stop gw
is "SIGTERM ends the gateway with 0" $? 0
check "nothing is left of the gateway" is_clean gw
check "the client comes back to a new gateway by itself" begins gw

# Ends that nobody asked for.
for label in alice gw; do
	stop_engine $label
	is "$label without its engine ends with 1" $? 1
	check "nothing is left of $label" is_clean $label
	check "$label begins again" begins $label
	stop $label KILL
	check "$label without its monitor ends" try 5 none_left $label
	check "$label begins again" begins $label
done
stop alice
is "SIGTERM ends the client with 0 at last" $? 0
check "nothing at all is left of the client" is_clean alice
stop gw
is "SIGTERM ends the gateway with 0 at last" $? 0
check "nothing at all is left of the gateway" is_clean gw

# The same without datagrams.
begin_gateway
begin_client 'transport="tls"'
packets_pass tls
stop alice
stop gw

# A gateway that is told of no routes announces its own networks, and nothing else.
start_server gw gw vpn.test 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; ipv6 = "fd20:aa::7"; } )'
begin_client
is "without routes the IPv4 network is announced" "$(includes -4)" 10.20.0.0/24
is "and the IPv6 network" "$(includes -6)" fd20:aa::/64
check "the gateway is reached" in_ns alice ping -c 1 -W 2 10.20.0.1
check "the default route is still there" has_route -4 default 'via 192.0.2.1'
done_testing
