#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Datagrams that nobody should have sent: ClientHellos from everywhere, cookies and App-IDs of others, records that come
# twice, late or damaged. Each is dropped by its own counter, leaves nothing behind, and the tunnel does not notice.
#
#	(alice) 192.0.2.2 ---- 192.0.2.1 (gw) 198.51.100.1 ---- 198.51.100.2 (mallory)
#	(oc) 203.0.113.2 ----- 203.0.113.1
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs openconnect

make_ns gw alice mallory oc
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
link_ns gw 198.51.100.1/24 mallory 198.51.100.2/24
link_ns gw 203.0.113.1/24 oc 203.0.113.2/24
in_ns gw ip route add 10.0.0.0/8 via 198.51.100.2
make_pki vpn.test alice bob oc

raw() # NS COMMAND...
{
	in_ns "$1" "$repo/tests/netns/rawudp" "${@:2}"
}

# overhear LABEL NS: from now on; the App-ID comes in $WORK/LABEL.log
overhear()
{
	start "$1" "$2" "$repo/tests/netns/rawudp" overhear to-gw 443
	try 5 grep -q listening "$WORK/$1.log" || diag "nobody listens at $2"
}

app_id()
{
	wait_exit "$1"
	tail -n 1 "$WORK/$1.log"
}

transport()
{
	ctl gw sessions --json | jq -r ".[] | select(.name == \"$1\") | .transport"
}

goes_by()
{
	[[ $(transport "$1") = "$2" ]]
}

dropped()
{
	difference "$before" "$(ctl gw status --json)" counters/ingress 'drop_(cookie|app_id|hello|record|epoch|replay|tag|stray)'
}

has_dropped()
{
	[[ $(dropped) = "$1" ]]
}

# counts WANTED COMMAND...: behind that the gateway's drop counters have changed by this
counts()
{
	local wanted=$1
	shift
	before=$(ctl gw status --json)
	"$@" >"$WORK/said"
	try 3 has_dropped "$wanted"
	is "$*: $wanted" "$(dropped)" "$wanted"
}

memory()
{
	awk '/^VmRSS/ { print $2 }' "/proc/$(pgrep -P "${pid_of[gw]}")/status"
}

# heard: packets that have come to mallory
heard()
{
	in_ns mallory cat /sys/class/net/to-gw/statistics/rx_packets
}

# capture FILE: ten datagrams of alice with data
capture()
{
	start capture alice "$repo/tests/netns/rawudp" capture to-gw 443 10 "$1"
	try 5 grep -q listening "$WORK/capture.log" || diag "no capture"
	in_ns alice ping -c 10 -i 0.01 -W 2 10.20.0.1 >/dev/null
	wait_exit capture
	: >"$WORK/capture.log"
}

start_server gw gw vpn.test workers=1
record_events gw
overhear alice-id alice
start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
check "a tunnel by datagrams" try 10 goes_by alice dtls
alice_id=$(app_id alice-id)

# No state before the cookie.
is "1,000 ClientHellos, each from another address" "$(raw mallory flood 198.51.100.1 443 1000)" 1000
rss=$(memory) heard=$(heard)
is "20,000 more" "$(raw mallory flood 198.51.100.1 443 20000)" 20000
check "they are answered" test $(($(heard) - heard)) -ge 1000
check "then the tunnel passes" in_ns alice ping -c 3 -i 0.05 -W 2 10.20.0.1
grown=256
[[ $ADIT != *san-* ]] || grown=$((320 << 10)) # a sanitizer keeps a quarter of a gigabyte of what was freed
check "and nothing has grown: $rss KiB, $(memory) KiB" test "$(memory)" -le $((rss + grown))
is "none of them is a session" "$(ctl gw sessions --json | jq length)" 1

# Cookies and App-IDs.
id=$(printf '%064d' 7)
answer=$(raw mallory hello 198.51.100.1 443 "$id")
check "a ClientHello is asked for a cookie" grep -qE '^verify [0-9a-f]{32}$' <<<"$answer"
counts drop_cookie+1 raw mallory hello 198.51.100.1 443 "$id" "${answer#verify }"
export OWN_PORT=4001
answer=$(raw mallory hello 198.51.100.1 443 "$id")
counts drop_app_id+1 raw mallory hello 198.51.100.1 443 "$id" "${answer#verify }"
is "it hears nothing" "$(cat "$WORK/said")" nothing
counts drop_cookie+1 raw mallory hello 198.51.100.1 443 "$id" "$(printf '%032d' 9)"
counts drop_hello+1 raw mallory hello 198.51.100.1 443 "$id" 00
counts drop_hello+1 raw mallory hello 198.51.100.1 443 ''
answer=$(raw mallory hello 198.51.100.1 443 "$alice_id")
is "an App-ID overheard begins a handshake ..." "$(raw mallory hello 198.51.100.1 443 "$alice_id" "${answer#verify }")" flight
check "... and changes nothing for its session" in_ns alice ping -c 3 -i 0.05 -W 2 10.20.0.1
is "whose packets go by datagrams" "$(transport alice)" dtls

# Two App-IDs from one address, the second while the first one's flow ends, all in one receive
overhear bob-id oc
start_client bob oc bob 203.0.113.1:443 'trust.name="vpn.test"'
check "another tunnel by datagrams" try 10 goes_by bob dtls
bob_id=$(app_id bob-id)
engine=$(pgrep -P "${pid_of[gw]}")
for OWN_PORT in 4003 4004 4005 4006; do
	export OWN_PORT
	answer=$(raw mallory hello 198.51.100.1 443 "$alice_id")
	cookie=${answer#verify }
	answer=$(raw mallory hello 198.51.100.1 443 "$bob_id")
	raw mallory hello 198.51.100.1 443 "$alice_id" "$cookie" >/dev/null
	kill -s STOP "$engine"
	raw mallory swap 198.51.100.1 443 "$bob_id" "${answer#verify }" >/dev/null
	kill -s CONT "$engine"
done
check "the first tunnel passes" in_ns alice ping -c 3 -i 0.05 -W 2 10.20.0.1
check "and the second" in_ns oc ping -c 3 -i 0.05 -W 2 10.20.0.1
check "by datagrams" goes_by alice dtls
stop bob


OWN_PORT=4001
overhear oc-id oc
start oc oc openconnect --non-inter --cafile "$PKI/ca.crt" --resolve vpn.test:203.0.113.1 -c "$PKI/issued/oc.crt" \
	-k "$PKI/private/oc.key" -i oct0 https://vpn.test:443/
check "a stock client's tunnel by datagrams" try 15 goes_by oc dtls
oc_id=$(app_id oc-id)
OWN_PORT=4002 # at the other one a handshake is under way
answer=$(raw mallory hello 198.51.100.1 443 "$oc_id")
counts drop_app_id+1 raw mallory hello 198.51.100.1 443 "$oc_id" "${answer#verify }"
is "from elsewhere than a stock client's stream it hears nothing" "$(cat "$WORK/said")" nothing
unset OWN_PORT
stop oc INT

# Records.
capture "$WORK/records"
counts drop_replay+10 raw alice inject "$WORK/records" same
counts drop_tag+10 raw alice inject "$WORK/records" forged
counts drop_record+10 raw alice inject "$WORK/records" cut
counts drop_record+10 raw alice inject "$WORK/records" long
counts drop_record+10 raw alice inject "$WORK/records" type
counts drop_epoch+10 raw alice inject "$WORK/records" epoch
check "the tunnel passes" in_ns alice ping -c 3 -i 0.05 -W 2 10.20.0.1
ctl alice rekey >/dev/null
check "a rekey" wait_record gw 10 event=rekey name=alice generation=2
check "datagrams go on" try 5 goes_by alice dtls
old_flow_gone()
{
	before=$(ctl gw status --json)
	raw alice inject "$WORK/records" same >/dev/null
	try 1 has_dropped drop_stray+10
}
check "records of a dead generation belong to nobody" try 5 old_flow_gone
check "the tunnel passes" in_ns alice ping -c 3 -i 0.05 -W 2 10.20.0.1
is "the client has dropped nothing" "$(ctl alice status --json | jq -c '.counters.ingress | with_entries(select((.key | startswith("drop_")) and .value > 0))')" '{}'
done_testing
