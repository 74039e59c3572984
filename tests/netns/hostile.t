#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Connections that mean no good, from the address of a client that rekeys every second and from elsewhere: cut off by
# limits and counted, and that client loses not a packet.
#
#	(near) 192.0.2.2 ------ 192.0.2.1 (gw) 198.51.100.1 ------ 198.51.100.2 (far)
#
# alice's tunnel lives in near. Each attack is made from near, then from far.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
handshake_seconds=3
per_source=64
flood=2000
# How much a process may grow: sanitizers keep what was freed.
growth_kib=$((8 * 1024))
slow=0
! grep -qE '__[at]san_init' "$ADIT" || { growth_kib=$((512 * 1024)) slow=2; }

make_ns near gw far
link_ns gw 192.0.2.1/24 near 192.0.2.2/24
link_ns gw 198.51.100.1/24 far 198.51.100.2/24

# changed: those counters that attacks change, since $before was taken; a client that rekeys changes others
changed()
{
	difference "$before" "$(ctl gw status --json)" counters \
		'refused|handshake_errors|handshake_timeouts|http_errors|cookie_refused|streams_lost'
}

counted()
{
	[[ $(changed) == "$1" ]]
}

# check_counted DESCRIPTION WANTED: since $before was taken
check_counted()
{
	try 5 counted "$2"
	is "$1: counted" "$(changed)" "$2"
}

generation()
{
	ctl gw status --json | jq '.sessions[] | select(.name == "alice") | .generation'
}

generation_is_past()
{
	(($(generation) > $1))
}

# memory: of the engine, in KiB
memory()
{
	local engine
	engine=$(pgrep -P "${pid_of[gw]}" | head -n 1)
	sed -n 's/^VmRSS:\s*\([0-9]*\) kB/\1/p' "/proc/$engine/status"
}

check_memory()
{
	local grown=$(($(memory) - $2))
	check "$1: the engine has grown by $grown KiB" test "$grown" -le "$growth_kib"
}

is_within()
{
	(($2 <= $1 && $1 <= $3))
}

# Strangers, who have no certificate.
strangers()
{
	local from=$1 at=$1-stranger
	before=$(ctl gw status --json)
	tell "$at" tcp >/dev/null
	tell "$at" send 00ff1234567890abcdef00ff1234567890abcdef00ff1234567890abcdef >/dev/null
	is "garbage from $from: cut off" "$(tell "$at" wait_close)" closed
	check_counted "garbage from $from" handshake_errors+1

	before=$(ctl gw status --json)
	tell "$at" tcp >/dev/null
	tell "$at" send "$(printf 'GET / HTTP/1.1\r\nHost: vpn.test\r\n\r\n' | od -An -v -tx1 | tr -d ' \n')" >/dev/null
	is "plain HTTP from $from: cut off" "$(tell "$at" wait_close)" closed
	check_counted "plain HTTP from $from" handshake_errors+1

	before=$(ctl gw status --json)
	tell "$at" tcp >/dev/null
	tell "$at" half_hello >/dev/null
	is "half a ClientHello from $from: cut off" "$(tell "$at" wait_close)" closed
	check_counted "half a ClientHello from $from" handshake_timeouts+1

	before=$(ctl gw status --json)
	tell "$at" tcp >/dev/null
	seconds=$(tell "$at" dribble_hello)
	check "a byte a second from $from: cut off after $seconds s" is_within "$seconds" "$handshake_seconds" \
		$((handshake_seconds + 3))
	check_counted "a byte a second from $from" handshake_timeouts+1

	before=$(ctl gw status --json)
	tell "$at" tcp >/dev/null
	tell "$at" half_hello >/dev/null
	tell "$at" reset >/dev/null
	check_counted "a reset in the handshake from $from" handshake_errors+1

	before=$(ctl gw status --json)
	is "no certificate, 50 times from $from: nobody is let in" "$(tell "$at" logins 50)" 0
	check_counted "no certificate, 50 times from $from" refused+50
}

# counter_is NAME NUMBER: at least
counter_is()
{
	(($(ctl gw status --json | json_field "counters/$1") >= $2))
}

silent_are_gone()
{
	[[ $(tell "$1" alive) = 0 ]]
}

# rekeys_beside PEER: alice moves to her next generation while connections of PEER's flood stand
rekeys_beside()
{
	wait_record gw 10 event=rekey name=alice "generation>=$(($(generation) + 1))" && test "$(tell "$1" alive)" -gt 0
}

# More connections than anybody needs, which say nothing.
silence()
{
	local from=$1 at=$1-stranger accepted dropped
	accepted=$(ctl gw status --json | json_field counters/accepted)
	dropped=$(ctl gw status --json | json_field counters/dropped_oldest)
	is "$flood silent connections from $from" "$(tell "$at" flood "$flood")" "$flood"
	check "silence from $from: alice rekeys while it stands" rekeys_beside "$at"
	check "silence from $from: all accepted" try 10 counter_is accepted $((accepted + flood))
	check "silence from $from: few are left" test "$(tell "$at" alive)" -le $((2 * per_source))
	check "silence from $from: the oldest were dropped for newer ones" \
		counter_is dropped_oldest $((dropped + flood - 2 * per_source))
	check "silence from $from: the last are cut off in time" try $((handshake_seconds + 3)) silent_are_gone "$at"
}

# Peers, whose certificate is good.
peers()
{
	local from=$1 at=$1-peer seconds grown name cookie
	before=$(ctl gw status --json)
	tell "$at" open >/dev/null
	seconds=$(tell "$at" dribble_http)
	check "a peer's byte a second from $from: cut off after $seconds s" is_within "$seconds" "$handshake_seconds" \
		$((handshake_seconds + 3))
	check_counted "a peer's byte a second from $from" handshake_timeouts+1

	for what in head body; do
		before=$(ctl gw status --json)
		grown=$(memory)
		tell "$at" open >/dev/null
		is "an endless $what from $from: cut off" "$(tell "$at" "endless_$what")" stopped
		check_counted "an endless $what from $from" http_errors+1
		check_memory "an endless $what from $from" "$grown"
	done

	grown=$(memory)
	is "1000 logins from $from: all answered" "$(for _ in {1..10}; do tell "$at" logins 100; done | sort | uniq -c |
		tr -s ' ')" ' 10 100'
	check_memory "1000 logins from $from" "$grown"

	before=$(ctl gw status --json)
	tell "$at" open >/dev/null
	tell "$at" cookie "$(printf '%064d' 0)" >/dev/null
	is "an unknown cookie from $from" "$(tell "$at" connect)" '401 the cookie is not acceptable'
	tell "$at" open >/dev/null
	cookie=$(tell "$at" login)
	tell "$from-other" open >/dev/null
	tell "$from-other" cookie "${cookie#200 }" >/dev/null
	is "somebody else's cookie from $from" "$(tell "$from-other" connect)" '401 the cookie is not acceptable'
	check_counted "cookies from $from" cookie_refused+2

	before=$(ctl gw status --json)
	is "another path from $from" "$(tell "$at" connect path=/elsewhere)" '404 no such path'
	tell "$at" open >/dev/null
	is "another method from $from" "$(tell "$at" http DELETE /)" 405
	check_counted "another path and method from $from" http_errors+2

	before=$(ctl gw status --json)
	tell "$at" open >/dev/null
	tell "$at" login >/dev/null
	tell "$at" connect | grep -q ^200 || not_ok "$from has no tunnel"
	tell "$at" reset >/dev/null
	check_counted "a tunnel reset from $from" streams_lost+1

	before=$(ctl gw status --json)
	grown=$(memory)
	tell "$at" open >/dev/null
	tell "$at" connect | grep -q ^200 || not_ok "$from has no tunnel"
	check "questions from $from, answers not read: a part is taken" test "$(tell "$at" unread 4000)" -gt 0
	check_memory "questions from $from, answers not read" "$grown"
	tell "$at" reset >/dev/null
	check_counted "questions from $from, then a reset" streams_lost+1
}

make_pki vpn.test alice peer other
start_server gw gw vpn.test "limits={ handshake_seconds = $handshake_seconds; per_source = $per_source; }"
record_events gw
start_client alice near alice 192.0.2.1:443 'trust.name="vpn.test"' 'rekey={ seconds = 1; }'
check "a tunnel runs" wait_event alice 10 'event=up|session'
count_start up near gw 10.20.0.1 5001 500 600
count_start down gw near "$(ctl alice status --json | json_field sessions/0/ipv4)" 5002 500 600

for from in near far; do
	server=192.0.2.1
	[[ $from = near ]] || server=198.51.100.1
	start_peer $from-stranger $from $server 443
	start_peer $from-peer $from --cert "$PKI/issued/peer.crt" --key "$PKI/private/peer.key" $server 443
	start_peer $from-other $from --cert "$PKI/issued/other.crt" --key "$PKI/private/other.key" $server 443
	for attack in strangers silence peers; do
		$attack $from
		ctl gw status >/dev/null || break 2
	done
done

generation=$(generation)
check "alice still rekeys" try 10 generation_is_past $((generation + 1))
count_stop up
count_stop down
is "nothing was lost on its way up" "$(count_result up | json_field lost)" 0
is "nor on its way down" "$(count_result down | json_field lost)" 0
is "nor doubled" "$(count_result up | json_field duplicated) $(count_result down | json_field duplicated)" '0 0'
check "alice was never cut" never_recorded gw '"(lost|down)".*"alice"' event=rekey name=alice "generation>=$(($(generation) + 1))"
# A sanitizer's build may be too slow with its ClientHello for the flood; it tries again, and nothing is lost by it.
for label in gw alice; do
	check "no rekey of $label failed" test "$(ctl $label status --json | json_field counters/rekey_failures)" -le $slow
done
check "the gateway lives" ctl gw status
check "its log is not flooded" test "$(wc -l <"$WORK/gw.log")" -lt 1000
done_testing
