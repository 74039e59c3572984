#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Everything through the tunnel: both families, what stays outside, name servers, and a host left as it was found after
# each way of ending; the same by a vpnc-script; and gateways with several addresses or only IPv6 ones.
#
#	(client) 192.0.2.2 ------ 192.0.2.1 (router) 198.51.100.1 ------ 198.51.100.2 (gw) 10.1.0.1 ------ 10.1.0.2 (world)
#	         2001:db8:1::2    2001:db8:1::1      2001:db8:2::1      2001:db8:2::2      fd10::1         fd10::2
#	                          lo 198.18.0.1, 2001:db8:9::1, excluded                                   lo 203.0.113.5,
#	                                                                                                   2001:db8:5::5
#
# The router knows no way to the world's addresses on lo: they are reached through the tunnel or not at all.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# A sanitizer's build may take longer over a handshake, on a machine with other work.
[[ $ADIT == *san-* ]] && SLOWER=${SLOWER:-3}
# The deadline of an attempt is 10 s: whoever waits for it takes longer than this.
SOON_MS=$((3000 * ${SLOWER:-1}))
resolv_conf=/etc/netns/$NS-client/resolv.conf

take_precedence
make_ns client router gw world
link_ns client 192.0.2.2/24,2001:db8:1::2/64 router 192.0.2.1/24,2001:db8:1::1/64
link_ns router 198.51.100.1/24,2001:db8:2::1/64 gw 198.51.100.2/24,2001:db8:2::2/64
link_ns gw 10.1.0.1/24,fd10::1/64 world 10.1.0.2/24,fd10::2/64
plug_in router lo 198.18.0.1/32,2001:db8:9::1/128
plug_in world lo 203.0.113.5/32,2001:db8:5::5/128

# routes NS DESTINATION ROUTER...
routes()
{
	local ns=$1
	shift
	while [[ $# -gt 0 ]]; do
		in_ns "$ns" ip route add "$1" via "$2"
		shift 2
	done
}

routes client default 192.0.2.1 default 2001:db8:1::1
routes gw default 198.51.100.1 default 2001:db8:2::1 203.0.113.5 10.1.0.2 2001:db8:5::5 fd10::2
routes world default 10.1.0.1 default fd10::1
for ns in router gw; do
	in_ns "$ns" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
done
# Neither a line's end nor one at the end of the file may be lost.
printf 'nameserver 192.0.2.53\n\n# the operator'\''s\r\noptions ndots:2' >"$resolv_conf"

# Addresses of the links come when their detection of duplicates has ended: the picture before must be the one after.
settled()
{
	! in_ns client ip addr | grep -q tentative
}

# What adit may not leave behind
state()
{
	in_ns client ip -br addr
	in_ns client ip -4 route show table all
	in_ns client ip -6 route show table all
	in_ns client ip rule
	in_ns client cat /etc/resolv.conf
	find "$WORK" -name 'alice.sock' -o -name '*.journal*'
}

# as_before: the client's host is as we found it
as_before()
{
	diff <(echo "$before") <(state)
}

reaches()
{
	in_ns client ping -c 1 -W 3 "$1"
}

# leads ADDRESS DEVICE: whether packets to there leave by that device
leads()
{
	in_ns client ip -j route get "$1" | jq -e ".[0].dev == \"$2\""
}

# has_route FAMILY DESTINATION PATTERN
has_route()
{
	in_ns client ip "$1" route show "$2" | grep "$3"
}

# connect [HOST [KEY=VALUE]...]
connect()
{
	local host=${1:-198.51.100.2}
	shift
	start_client alice client alice "$host:443" 'trust.name="vpn.test"' "$@"
}

comes_up()
{
	connect "$@"
	wait_event alice 15 'event=up|session'
}

# everything_inside: both families of the world by the tunnel, the host's own default routes untouched
everything_inside()
{
	leads 203.0.113.5 adit0 && leads 2001:db8:5::5 adit0 && reaches 203.0.113.5 && reaches 2001:db8:5::5 &&
		has_route -4 default 'via 192.0.2.1 dev to-router' && has_route -6 default 'via 2001:db8:1::1 dev to-router'
}

# excludes_outside: by the way they had
excludes_outside()
{
	leads 198.18.0.1 to-router && leads 2001:db8:9::1 to-router && reaches 198.18.0.1 && reaches 2001:db8:9::1
}

# kill_all LABEL: monitor and engine, at once
kill_all()
{
	kill -KILL "${pid_of[$1]}" "$(pgrep -P "${pid_of[$1]}")"
	wait_exit "$1"
}

make_pki vpn.test alice
begin_gateway()
{
	start_server gw gw vpn.test 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; ipv6 = "fd20:aa::7"; } )' \
		'push.routes=( "0.0.0.0/0", "::/0" )' 'push.exclude=( "198.18.0.0/24", "2001:db8:9::/64" )' \
		'push.dns=( "10.20.0.1", "fd20:aa::1" )' 'push.domains=( "corp.example", "lab.example" )' "$@"
}

begin_gateway
try 10 settled
before=$(state)
check "the world is out of reach" fails reaches 203.0.113.5

# By ourselves
check "the client comes up" comes_up
check "the gateway has a route of its own" has_route -4 198.51.100.2 'via 192.0.2.1 dev to-router'
for half in '-4 0.0.0.0/1' '-4 128.0.0.0/1' '-6 ::/1' '-6 8000::/1'; do
	# shellcheck disable=SC2086 # family and prefix
	check "a route leads into the tunnel: $half" has_route $half 'dev adit0'
done
check "everything goes through the tunnel" everything_inside
check "but for what is excluded" excludes_outside
is "names are looked up there" "$(in_ns client grep -v '^#' /etc/resolv.conf)" 'nameserver 10.20.0.1
nameserver fd20:aa::1
search corp.example lab.example'
check "the client ends" stop alice
check "it has left nothing" as_before

comes_up >/dev/null
kill_all alice
check "a killed client leaves its name servers" grep -q 10.20.0.1 "$resolv_conf"
check "it comes up again" comes_up
check "everything goes through the tunnel" everything_inside
check "but for what is excluded" excludes_outside
stop alice
check "it has left nothing" as_before

# By Debian's vpnc-script
vpnc_script=/usr/share/vpnc-scripts/vpnc-script
if [[ -x $vpnc_script ]]; then
	check "the client comes up by a vpnc-script" comes_up '' "script=\"$vpnc_script\""
	check "everything goes through the tunnel" reaches 203.0.113.5
	check "by IPv6 too" reaches 2001:db8:5::5
	check "but for what is excluded" excludes_outside
	check "names are looked up there" grep -q 'nameserver 10.20.0.1' "$resolv_conf"
	stop alice
	check "it has left nothing" as_before
	comes_up '' "script=\"$vpnc_script\"" >/dev/null
	kill_all alice
	check "after kill -9 it comes up again" comes_up '' "script=\"$vpnc_script\""
	check "everything goes through the tunnel" reaches 203.0.113.5
	stop alice
	check "it has left nothing" as_before
elif [[ ${CHECK_ALL:-0} = 0 ]]; then
	ok "vpnc-script # SKIP not installed"
else
	not_ok "needs vpnc-script"
fi

# By a script that writes down what it is told
cat >"$WORK/script" <<-END
	#!/bin/sh
	echo "\$reason" >>"$WORK/reasons"
	env | grep -v -e ^PWD= -e ^SHLVL= -e ^_= -e ^VPNPID= | sort >"$WORK/env.\$reason"
	[ "\$reason" = connect ] || exit 0
	ip addr add "\$INTERNAL_IP4_ADDRESS/32" dev "\$TUNDEV"
	ip link set "\$TUNDEV" up
	ip route add 10.20.0.1 dev "\$TUNDEV"
END
chmod +x "$WORK/script"
export OF_THE_CALLER=1
check "the client comes up by another script" comes_up '' "script=\"$WORK/script\"" 'transport="tls"' # for the cut to show
record_events alice
cut_tcp gw "$(ctl gw sessions --json | jq -r '.[0].peer | sub(".*:"; "")')"
in_ns client ping -c 1 -W 1 10.20.0.1 >/dev/null # what is sent now meets the reset
check "it loses its stream" wait_record alice 5 event=reconnecting
check "it reconnects" wait_record alice 10 event=up
stop alice
is "the script saw it all" "$(uniq "$WORK/reasons" | tr '\n' ' ')" 'pre-init connect attempt-reconnect reconnect disconnect '
is "the script was told this and nothing else" "$(grep -v ^PATH= "$WORK/env.connect")" 'CISCO_DEF_DOMAIN=corp.example lab.example
CISCO_IPV6_SPLIT_EXC=1
CISCO_IPV6_SPLIT_EXC_0_ADDR=2001:db8:9::
CISCO_IPV6_SPLIT_EXC_0_MASKLEN=64
CISCO_SPLIT_EXC=1
CISCO_SPLIT_EXC_0_ADDR=198.18.0.0
CISCO_SPLIT_EXC_0_MASK=255.255.255.0
CISCO_SPLIT_EXC_0_MASKLEN=24
INTERNAL_IP4_ADDRESS=10.20.0.7
INTERNAL_IP4_DNS=10.20.0.1
INTERNAL_IP4_MTU=1400
INTERNAL_IP4_NETADDR=10.20.0.7
INTERNAL_IP4_NETMASK=255.255.255.255
INTERNAL_IP4_NETMASKLEN=32
INTERNAL_IP6_ADDRESS=fd20:aa::7
INTERNAL_IP6_DNS=fd20:aa::1
INTERNAL_IP6_NETMASK=fd20:aa::7/128
TUNDEV=adit0
VPNGATEWAY=198.51.100.2
reason=connect'
is "and the same at the end" "$(diff "$WORK/env.connect" "$WORK/env.disconnect" | grep -c '^[<>]')" 2

# A name with two addresses, the first of them dead
printf '2001:db8:2::dead vpn.test\n198.51.100.2 vpn.test\n' >"/etc/netns/$NS-client/hosts"
in_ns router nft -f - <<-'END'
	table inet dead {
		counter tried { }
		chain forward { type filter hook forward priority 0; ip6 daddr 2001:db8:2::dead counter name tried drop; }
	}
END
begun=${EPOCHREALTIME/[.,]/}
check "a client comes up though the first address is dead" comes_up vpn.test
took=$(((${EPOCHREALTIME/[.,]/} - begun) / 1000))
check "without waiting for it to end: $took ms" test "$took" -le "$SOON_MS"
check "it had tried the first" test \
	"$(in_ns router nft -j list counter inet dead tried | jq '.nftables[1].counter.packets')" -gt 0
check "everything goes through the tunnel" everything_inside
check "both addresses stay outside" has_route -6 2001:db8:2::dead 'via 2001:db8:1::1 dev to-router'
stop alice
check "it has left nothing" as_before

# A gateway on IPv6 only
stop gw
begin_gateway 'listen=( { address = "2001:db8:2::2"; port = 443; } )'
check "a client comes up by IPv6" comes_up '[2001:db8:2::2]'
check "the gateway has a route of its own" has_route -6 2001:db8:2::2 'via 2001:db8:1::1 dev to-router'
check "everything goes through the tunnel" everything_inside
check "but for what is excluded" excludes_outside
check "nobody listens on IPv4" fails in_ns client bash -c ': </dev/tcp/198.51.100.2/443'
stop alice
check "it has left nothing" as_before

# A gateway that lends only IPv4 addresses and is for everything: IPv6 does not go past it
stop gw
begin_gateway 'addresses={ ipv4 = "10.20.0.0/24"; }' 'clients=' 'push.dns='
check "a client comes up with IPv4 alone" comes_up
check "IPv4 goes through the tunnel" leads 203.0.113.5 adit0
check "IPv6 leads nowhere" fails in_ns client ip -6 route get 2001:db8:5::5
check "and whoever tries is told at once" grep -q 'No route to host' < <(in_ns client ping -c 1 -W 3 2001:db8:5::5 2>&1)
check "the host's own IPv6 network is reached" reaches 2001:db8:1::1
check "what is excluded of IPv4 is reached" reaches 198.18.0.1
kill_all alice
check "after kill -9 it comes up again" comes_up
stop alice
check "it has left nothing" as_before
done_testing
