#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The helper of the network-namespace tests does what they rely on, with a program that only plays adit.
# shellcheck source=tests/netns/lib.sh
set -u
cd "$(dirname "$0")/../.." || exit 1
fake=$(mktemp)
cat >"$fake" <<'END'
#!/bin/sh
case $1 in
server) echo "runtime says hello"; while :; do sleep 0.1; done ;;
events)
	echo '{"event":"session","name":"alice","generation":2}'
	echo '{"event":"ready"}'
	echo '{"event":"rekey","name":"alice","generation":3,"peer_share":"00ff"}'
	exec sleep 30
	;;
esac
END
chmod +x "$fake"
ADIT=$fake
. tests/netns/lib.sh
trap 'cleanup; rm -f "$fake"' EXIT

make_ns left right
link_ns left 192.0.2.1/24,2001:db8::1/64 right 192.0.2.2/24,2001:db8::2/64
check "the namespaces reach each other by IPv4" in_ns left ping -c 1 -W 2 192.0.2.2
check "the namespaces reach each other by IPv6" in_ns left ping -c 1 -W 2 2001:db8::2
check "a namespace has a resolv.conf of its own" in_ns left test ! -s /etc/resolv.conf

count_start v4 left right 192.0.2.2 5001 2000 1
count_start v6 right left 2001:db8::1 5001 2000 1
is "udpcount counts every packet of IPv4" "$(count_result v4 | json_field received)" 2000
is "udpcount counts every packet of IPv6" "$(count_result v6 | json_field received)" 2000
in_ns left nft 'add table inet t; add chain inet t c { type filter hook input priority 0; };
	add rule inet t c udp dport 5002 numgen inc mod 5 == 0 drop'
count_start lossy right left 192.0.2.1 5002 1000 1
is "udpcount sees what is lost" "$(count_result lossy | json_field lost)" 200
count_start cut right left 192.0.2.1 5003 1000 60
count_stop cut
is "udpcount can be stopped early" "$(count_result cut | json_field lost)" 0

make_pki vpn.test alice
check "make_pki makes an authority and names" test -f "$PKI/ca.crt" -a -f "$PKI/issued/alice.crt"
server_config gw vpn.test 'rekey.seconds=1' 'trust.crl=' 'addresses={ ipv4 = "10.9.0.0/24"; }'
check "a later setting replaces a default" grep -qx 'addresses = { ipv4 = "10.9.0.0/24"; };' "$WORK/gw.conf"
check "a setting can be removed" fails grep -q crl "$WORK/gw.conf"
check "a member can be added" grep -qx 'rekey = { seconds = 1; };' "$WORK/gw.conf"

start_server gw left vpn.test
check "what was started runs" kill -0 "${pid_of[gw]}"
check "it runs in its namespace" grep -qx "${pid_of[gw]}" <(ip netns pids "$NS-left")
check "an event is found" wait_event gw 5 event=rekey name=alice 'generation>=3'
check "an event is found by alternatives" wait_event gw 5 'event=up|session'
check "an event that does not come ends the wait" fails wait_event gw 0.3 event=down
check "a value must match whole" fails wait_event gw 0.3 event=rek
record_events gw
is "a recorded event is found" "$(wait_record gw 5 event=rekey | json_field peer_share)" 00ff
stop gw
is "what is stopped ends by its signal" $? 143

namespace=$NS-left
cleanup >/dev/null
namespaces=()
check "nothing is left of the namespaces" fails grep -q "$namespace" <(ip netns)
check "nothing is left of their files" test ! -e "/etc/netns/$namespace" -a ! -e "$WORK"
print_plan_and_exit
