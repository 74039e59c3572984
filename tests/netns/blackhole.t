#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Datagrams between an adit client and Debian's ocserv: over rekeys, and when they vanish for a while. Then the flows inside
# go on by the stream, both ways, and come back. ocserv itself does not look; it sends where the client has last sent.
#
#	(gw) 192.0.2.1 ----- 192.0.2.2 (alice)
#	     10.88.0.1 ..... 10.88.0.x
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs ocserv nft

RATE=500
silence=2000 back_ms=10000
[[ $ADIT != *san-* ]] || silence=6000 back_ms=20000 # slowed as all is then

take_precedence
make_ns gw alice
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
make_pki vpn.test alice
count_datagrams gw
count_datagrams alice

# sends_datagrams NS...: whether each has sent many within half a second
sends_datagrams()
{
	local ns
	local -A before=()
	for ns; do
		before[$ns]=$(datagram_bytes_out "$ns")
	done
	sleep 0.5
	for ns; do
		(($(datagram_bytes_out "$ns") - before[$ns] > RATE * 200 / 5)) || return 1
	done
}

session()
{
	ctl alice sessions --json | jq -r ".[0].$1"
}

# check_gap LABEL: of an ended count
check_gap()
{
	local gap
	count_result "$1" >"$WORK/$1.json"
	gap=$(json_field longest_gap_ms <"$WORK/$1.json")
	check "$1: never silent for longer than $silence ms ($gap ms)" test "${gap%.*}" -lt $silence
}

goes_by()
{
	[[ $(session transport) = "$1" ]]
}

# begin SETTING...: ocserv with these, and the client at it
begin()
{
	ocserv_config vpn.test 'udp-port = 443' 'ipv4-network = 10.88.0.0/24' "$@"
	start ocserv gw ocserv -f -c "$WORK/ocserv.conf"
	try 10 listens gw tcp 443
	start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"'
	check "the client is up" wait_event alice 15 'event=up|session'
	check "by datagrams" try 10 goes_by dtls
	ipv4=$(session ipv4)
}

# --- rekeys: what the client can lose, and what ocserv loses by itself (ocserv.t) ---
begin 'rekey-time = 2' 'rekey-method = new-tunnel'
allowed=10 allowed_up=0
[[ $ADIT != *san-* ]] || allowed=1000 allowed_up=1000
first=$(session generation)
count_start up alice gw 10.88.0.1 5001 $RATE 5
count_start down gw alice "$ipv4" 5002 $RATE 5
lost_up=$(count_result up | json_field lost) lost_down=$(count_result down | json_field lost)
rekeys=$(($(session generation) - first))
check "two rekeys or more: $rekeys" test "$rekeys" -ge 2
check "to ocserv none is lost: $lost_up" test "$lost_up" -le $allowed_up
check "to the client $lost_down are lost in $rekeys rekeys" test "$lost_down" -le $((allowed * rekeys))
check "packets go by datagrams again" try 5 goes_by dtls
stop alice
stop ocserv

begin
record_events alice

# --- traffic both ways ---
count_start up alice gw 10.88.0.1 5001 $RATE 60
count_start down gw alice "$ipv4" 5002 $RATE 60
check "packets flow by datagrams" try 5 sends_datagrams gw alice
mark_events alice
deafen gw alice
check "the client notices" wait_record alice 5 event=transport
is "status tells what is in the way" "$(session datagrams.obstacle)" "nothing comes back"
check "a third flow passes" in_ns alice ping -c 2 -i 0.1 -W 2 10.88.0.1
check "ocserv sends by the stream" fails sends_datagrams gw
mark_events alice
undeafen gw alice
since=${EPOCHREALTIME/[.,]/}
check "when datagrams pass again, both ends are back" try $((back_ms / 1000)) sends_datagrams gw alice
back=$(((${EPOCHREALTIME/[.,]/} - since) / 1000))
check "soon: $back ms" test "$back" -lt $back_ms
count_stop up
count_stop down
check_gap up
check_gap down

# --- one who only receives: with one packet of its own it learns, and ocserv learns from it ---
count_start lonely gw alice "$ipv4" 5003 $RATE 60
check "packets flow down" try 5 sends_datagrams gw
mark_events alice
deafen gw alice
in_ns alice ping -c 1 -W 0.1 10.88.0.1 >/dev/null
check "the client notices" wait_record alice 5 event=transport
sleep 0.5
check "ocserv sends by the stream" fails sends_datagrams gw
mark_events alice
undeafen gw alice
check "it comes back" wait_record alice 10 event=transport
check "and ocserv" try 5 sends_datagrams gw
count_stop lonely
check_gap lonely

# --- only what comes from ocserv vanishes: what it still hears may not mislead it ---
count_start lonely gw alice "$ipv4" 5003 $RATE 60
check "packets flow down" try 5 sends_datagrams gw
mark_events alice
deafen gw alice
undeafen gw
in_ns alice ping -c 1 -W 0.1 10.88.0.1 >/dev/null
check "the client notices" wait_record alice 5 event=transport
sleep 4 # a probe and its failure
undeafen alice
count_stop lonely
check_gap lonely
is "the session was never lost" "$(ctl alice status --json | jq .counters.streams_lost)" 0
stop alice
stop ocserv
done_testing
