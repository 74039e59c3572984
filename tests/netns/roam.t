#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A translator on the way gives the client another port or another address: its datagrams go on, without a handshake.
# What somebody else sends in its name changes nothing for long.
#
#	(gw) 192.0.2.1 --- 192.0.2.2, .3, .4, .9 (nat) 198.51.100.1 --- 198.51.100.2 (alice)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs nft python3

make_ns gw nat alice
link_ns gw 192.0.2.1/24 nat 192.0.2.2/24,192.0.2.3/24,192.0.2.4/24,192.0.2.9/24
link_ns nat 198.51.100.1/24 alice 198.51.100.2/24
ip -n "$NS-alice" route add default via 198.51.100.1
in_ns nat sysctl -qw net.ipv4.ip_forward=1
in_ns nat nft -f - <<-END
	table ip count {
		counter handshakes {}
		chain forward { type filter hook forward priority 0; udp dport 443 @th,64,8 22 counter name handshakes; }
	}
	table ip streams {
		chain post { type nat hook postrouting priority srcnat; tcp dport 443 masquerade; }
	}
END
make_pki vpn.test alice

# translate ADDRESS PORT: what the client's datagrams look like from now on. In another zone nothing is known of how they
# were translated before.
zone=0
translate()
{
	((++zone))
	in_ns nat nft -f - <<-END
		table ip datagrams {}
		delete table ip datagrams
		table ip datagrams {
			chain pre {
				type filter hook prerouting priority raw;
				udp dport 443 ct zone set $zone
				udp sport 443 ct zone set $zone
			}
			chain post { type nat hook postrouting priority srcnat; iif to-alice udp dport 443 snat to $1:$2; }
		}
	END
}

handshakes()
{
	in_ns nat nft -j list counter ip count handshakes | jq '.nftables[] | select(.counter) | .counter.packets'
}

goes_by()
{
	[[ $(ctl "$1" sessions --json | jq -r ".[] | select(.name == \"$2\") | .transport") = "$3" ]]
}

moved()
{
	ctl gw status --json | json_field counters/moved
}

has_moved()
{
	[[ $(moved) = "$1" ]]
}

dropped_strays()
{
	ctl gw status --json | json_field counters/ingress/drop_stray
}

# pings LEAST: whether of sixty, 1.2 s in all, so many are answered that were on their way since start_pings
start_pings()
{
	in_ns alice ping -q -i 0.02 -c 60 -W 1 10.20.0.1 >"$WORK/pings" 2>&1 &
	pings=$!
	sleep 0.2
}

pings()
{
	local received
	wait "$pings"
	received=$(sed -n 's/.* \([0-9]*\) received.*/\1/p' "$WORK/pings")
	echo "$received" >>"$WORK/answered.log"
	((received >= $1))
}

translate 192.0.2.2 40000
start_server gw gw vpn.test 'workers=2'
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
check "a tunnel" wait_event alice 10 'event=up|session'
check "by datagrams" try 5 goes_by alice vpn.test dtls
check "the gateway's, too" try 5 goes_by gw alice dtls
check "ping" in_ns alice ping -c 3 -i 0.05 -W 1 10.20.0.1
record_events alice
record_events gw
greeted=$(handshakes)

# Other ports, so many that the gateway's kernel gives the datagrams to one worker as well as to the other.
for port in 40001 40002 40003 40004; do
	start_pings
	translate 192.0.2.2 $port
	check "port $port: pings are answered" pings 55
done
is "each time the channel moved" "$(moved)" 4

# Other addresses: found when the gateway has sent and heard nothing for a moment.
for address in 192.0.2.3 192.0.2.4; do
	start_pings
	translate $address 40000
	check "address $address: pings are answered" pings 20
done
is "the channel moved there" "$(moved)" 6
is "no handshake was made for it" "$(handshakes)" "$greeted"
is "packets went by datagrams all the while" "$(cat "$WORK"/{gw,alice}.events | grep -c '"transport"')" 0

# Copies of what has arrived, from another address.
start capture nat "$repo/tests/netns/rawudp" capture to-gw 443 20 "$WORK/copies"
check "listening" try 5 grep -q listening "$WORK/capture.log"
check "packets to copy" in_ns alice ping -q -c 25 -i 0.01 -W 1 10.20.0.1
check "captured" exits capture 0
before=$(dropped_strays)
is "they are sent again from elsewhere" "$(in_ns nat "$repo/tests/netns/rawudp" inject "$WORK/copies" same 192.0.2.9)" "sent 20"
is "so are forged ones" "$(in_ns nat "$repo/tests/netns/rawudp" inject "$WORK/copies" forged 192.0.2.9)" "sent 20"
check "and dropped" try 5 test "$(($(dropped_strays) - before))" -ge 20
is "the channel stays" "$(moved)" 6
check "ping" in_ns alice ping -q -c 20 -i 0.01 -W 0.5 10.20.0.1

# One that was held back, and is new to the gateway, from where the client was before: it moves the channel, and the
# client's next one brings it back.
start_pings
in_ns nat nft 'add table inet hold; add chain inet hold c { type filter hook forward priority 10; };
	add rule inet hold c udp dport 443 drop'
start capture nat "$repo/tests/netns/rawudp" capture to-alice 443 5 "$WORK/held"
check "captured" exits capture 0
in_ns nat "$repo/tests/netns/rawudp" inject "$WORK/held" same 192.0.2.3 >"$WORK/inject.out"
check "a record that was held back moves the channel" try 2 has_moved 7
in_ns nat nft delete table inet hold
check "the client's next one moves it back" try 2 has_moved 8
check "few pings are lost" pings 30
check "ping" in_ns alice ping -q -c 20 -i 0.01 -W 0.5 10.20.0.1
is "still without a handshake" "$(handshakes)" "$greeted"
diag "pings answered of 60: $(tr '\n' ' ' <"$WORK/answered.log")"
stop alice
stop gw
done_testing
