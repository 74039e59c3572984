#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sites, one by datagrams and one by the stream: networks behind clients talk to a network behind the gateway and to each other, both families, both ways; what
# comes from elsewhere behind a client is dropped and counted.
#
#	(hostb) 192.168.7.2 --- 192.168.7.1 (berlin) 192.0.2.2 ------ 192.0.2.1 (gw) 10.1.0.1 --- 10.1.0.2 (office)
#	        fd07::2         fd07::1                                    |        fd10::1         fd10::2
#	(hostp) 192.168.8.2 --- 192.168.8.1 (paris) 198.51.100.2 ----------+
#	        fd08::2         fd08::1              198.51.100.1
#
# hostb also has 192.168.9.2 and fd09::2, which are not declared as berlin's, and berlin has an address of paris.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
make_ns gw office berlin hostb paris hostp
link_ns gw 192.0.2.1/24 berlin 192.0.2.2/24
link_ns gw 198.51.100.1/24 paris 198.51.100.2/24
link_ns gw 10.1.0.1/24,fd10::1/64 office 10.1.0.2/24,fd10::2/64
link_ns berlin 192.168.7.1/24,192.168.9.1/24,fd07::1/64,fd09::1/64 hostb 192.168.7.2/24,192.168.9.2/24,fd07::2/64,fd09::2/64
link_ns paris 192.168.8.1/24,fd08::1/64 hostp 192.168.8.2/24,fd08::2/64

# host_behind HOST NETWORK4 NETWORK6: its router is the first there, itself the second
host_behind()
{
	in_ns "$1" ip route add default via "$2.1" src "$2.2"
	in_ns "$1" ip route add default via "$3::1" src "$3::2"
}

host_behind office 10.1.0 fd10
host_behind hostb 192.168.7 fd07
host_behind hostp 192.168.8 fd08
# The operator's part. On the gateway IPv4 only where it has to be, so that adit's own part shows.
in_ns gw sysctl -qw net.ipv4.conf.to-office.forwarding=1 net.ipv6.conf.all.forwarding=1
for router in berlin paris; do
	in_ns "$router" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
done

counter()
{
	ctl gw status --json | jq ".counters.ingress.$1"
}

# reaches FROM TO [ping options]
reaches()
{
	in_ns "$1" ping -c 2 -i 0.1 -W 3 "${@:3}" "$2"
}

# dropped COUNTER FROM SOURCE TO: pings from there do not pass, and are counted
dropped()
{
	local before
	before=$(counter "$1")
	if in_ns "$2" ping -c 2 -i 0.1 -W 1 -I "$3" "$4"; then
		return 1
	fi
	echo "$1 was $before, is $(counter "$1")"
	(($(counter "$1") == before + 2))
}

# over_tcp HOST ADDRESS FROM: it flows, were it slowly on a machine with other work
over_tcp()
{
	start "iperf-$1" "$1" iperf3 -s -1 -B "$2"
	try 5 in_ns "$1" sh -c 'ss -ltn | grep -q :5201' || return 1
	in_ns "$3" timeout 20 iperf3 -c "$2" --connect-timeout 5000 -t 2 -J | jq -e '.end.sum_received.bytes > 1e5'
}

make_pki vpn.test berlin paris
start_server gw gw vpn.test 'push.routes=( "10.1.0.0/16", "192.168.0.0/16", "fd10::/64", "fd07::/64", "fd08::/64" )' \
	'clients=( { name = "berlin"; ipv4 = "10.20.0.7"; networks = ( "192.168.7.0/24", "fd07::/64" ); },
		{ name = "paris"; networks = ( "192.168.8.0/24", "fd08::/64" ); } )'
is "forwarding is on for the tunnel's device" "$(in_ns gw sysctl -n net.ipv4.conf.adit0.forwarding)" 1
for site in berlin paris; do
	start_client "$site" "$site" "$site" "$([[ $site = berlin ]] && echo 192.0.2.1 || echo 198.51.100.1):443" \
		'trust.name="vpn.test"' "transport=\"$([[ $site = berlin ]] && echo auto || echo tls)\""
	check "$site is up" wait_event "$site" 10 'event=up|session'
done

check "a host behind berlin reaches the office" reaches hostb 10.1.0.2
check "by IPv6 too" reaches hostb fd10::2
check "the office reaches the host behind berlin" reaches office 192.168.7.2
check "by IPv6 too" reaches office fd07::2
check "berlin itself reaches the office" reaches berlin 10.1.0.2
check "the office reaches berlin's own address" reaches office 10.20.0.7
check "TCP passes" over_tcp office 10.1.0.2 hostb
check "TCP passes by IPv6" over_tcp hostb fd07::2 office

check "a host behind berlin reaches one behind paris" reaches hostb 192.168.8.2
check "by IPv6 too" reaches hostb fd08::2
check "and the other way round" reaches hostp 192.168.7.2
check "by IPv6 too" reaches hostp fd07::2

is "nothing was dropped so far" "$(counter drop_source)" 0
check "a source that berlin has not declared is dropped" dropped drop_source hostb 192.168.9.2 10.1.0.2
check "by IPv6 too" dropped drop_source hostb fd09::2 fd10::2
in_ns berlin ip addr add 192.168.8.9/32 dev lo
check "so is an address of the other site" dropped drop_source berlin 192.168.8.9 10.1.0.2
check "the declared one goes on" reaches hostb 10.1.0.2

is "the gateway leads berlin's network into the tunnel" \
	"$(in_ns gw ip -j route get 192.168.7.2 | jq -r '.[0].dev')" adit0
stop berlin
check "without berlin the office does not reach its network" fails reaches office 192.168.7.2 -W 1
check "and paris goes on" reaches hostp 10.1.0.2
start_client berlin berlin berlin 192.0.2.1:443 'trust.name="vpn.test"'
check "berlin comes again" wait_event berlin 10 'event=up|session'
check "with its network" reaches office 192.168.7.2
done_testing
