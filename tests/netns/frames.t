#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a peer with a valid certificate can send: every frame or packet that it may not send is dropped and counted by
# its own counter, or ends that peer's stream with a reason, while another tunnel loses nothing. Then the same from a
# gateway to its client.
#
#	(gw) 192.0.2.1 ------- 192.0.2.2 (raw)
#	     198.51.100.1 --- 198.51.100.2 (alice)          (fake) 203.0.113.1 --- 203.0.113.2 (bob)
#
# raw is the peer that misbehaves, alice the one that must not notice; fake is a gateway that misbehaves to bob.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

make_ns gw raw alice fake bob
link_ns gw 192.0.2.1/24 raw 192.0.2.2/24
link_ns gw 198.51.100.1/24 alice 198.51.100.2/24
link_ns fake 203.0.113.1/24 bob 203.0.113.2/24

# counts PEER LABEL WANTED STEP...: after that step of PEER the drop counters of LABEL have changed by this
counts()
{
	local peer=$1 label=$2 wanted=$3 before
	shift 3
	before=$(ctl "$label" status --json)
	tell "$peer" "$@" >/dev/null
	is "$label: $*: ${wanted:-passes}" \
		"$(tell "$peer" settle): $(difference "$before" "$(ctl "$label" status --json)" counters/ingress 'drop_.*')" \
		"settled: $wanted"
}

received()
{
	ctl "$1" status --json | jq --arg name "$2" '.sessions[] | select(.name == $name) | .rx_packets'
}

# passes PEER LABEL NAME PACKETS STEP...: so many packets of the session of that name arrive, none is dropped
passes()
{
	local peer=$1 label=$2 name=$3 packets=$4 before
	shift 4
	before=$(received "$label" "$name")
	counts "$peer" "$label" '' "$@"
	is "$label: $*: all arrive" "$(($(received "$label" "$name") - before))" "$packets"
}

# ended LABEL NAME REASON: how often a stream of that session has ended for that reason
ended()
{
	grep -cE "\"event\":\"(lost|reconnecting)\".*\"name\":\"$2\".*\"reason\":\"$3\"" "$WORK/$1.events"
}

ended_more_than()
{
	(($(ended "$2" "$3" "$4") > $1))
}

# ends_stream PEER REASON STEP...: the gateway closes the stream of raw for that reason
ends_stream()
{
	local peer=$1 reason=$2 before
	shift 2
	before=$(ended gw raw "$reason")
	tell "$peer" "$@" >/dev/null
	is "gw: $*: the stream is closed" "$(tell "$peer" wait_close)" closed
	check "gw: $*: the reason is told" try 5 ended_more_than "$before" gw raw "$reason"
}

# join PEER [WISH]...: a new connection with the same cookie; the answer to its CONNECT
join()
{
	local peer=$1
	shift
	tell "$peer" open >/dev/null
	tell "$peer" cookie "$cookie" >/dev/null
	tell "$peer" connect "$@"
}

reconnect()
{
	local answer
	answer=$(join raw "$@")
	[[ $answer = 200* ]] || not_ok "raw is back: $answer"
}

# logs_in PEER: it has a cookie, in $cookie
logs_in()
{
	tell "$1" open >/dev/null
	login=$(tell "$1" login)
	cookie=${login#200 }
	grep -qE '^200 [0-9a-f]{64}$' <<<"$login"
}

# bad_frames GENERATION: how often the log tells of one in that generation of raw's newest session
bad_frames()
{
	local session
	session=$(sed -n 's/.* up session=\([0-9]*\) name=raw .*/\1/p' "$WORK/gw.log" | tail -n 1)
	grep -cE "bad frame session=$session name=raw generation=$1\$" "$WORK/gw.log"
}

told_of_bad_frame()
{
	[[ $(bad_frames "$1") = 1 ]]
}

# bad_frame DESCRIPTION PEER GENERATION STEP...: ends this one stream of several that raw's session has. Only the log
# tells of it, and of the first ten in a while alone: call this before much else is wrong.
bad_frame()
{
	local what=$1 peer=$2 generation=$3
	shift 3
	is "gw: $what: not told before" "$(bad_frames "$generation")" 0
	tell "$peer" "$@" >/dev/null
	is "gw: $what: the stream is closed" "$(tell "$peer" wait_close)" closed
	check "gw: $what: told" try 5 told_of_bad_frame "$generation"
}

# The generation that alice is going to have
next_generation()
{
	ctl alice sessions --json | jq '.[0].generation + 1'
}

end_frame() # COUNT
{
	printf 'frame 0x42 %016x' "$1"
}

make_pki vpn.test alice raw bob
start_server gw gw vpn.test 'client_to_client=false'
record_events gw
start_client alice alice alice 198.51.100.1:443 'trust.name="vpn.test"' 'rekey={ seconds = 1; }'
check "a tunnel runs" wait_event alice 10 'event=up|session'
alice4=$(ctl alice status --json | json_field sessions/0/ipv4)
count_start up alice gw 10.20.0.1 5001 500 600
count_start down gw alice "$alice4" 5002 500 600

client_files=(--cert "$PKI/issued/raw.crt" --key "$PKI/private/raw.key")
start_peer raw raw "${client_files[@]}" 192.0.2.1 443
start_peer join raw "${client_files[@]}" 192.0.2.1 443
start_peer third raw "${client_files[@]}" 192.0.2.1 443
check "raw logs in" logs_in raw

# Join: only with overlap, only the next generation, one at a time.
answer=$(tell raw connect frames)
check "raw has a tunnel" grep -qE '^200 10\.20\.0\.[0-9]+ fd20:aa::' <<<"$answer"
generation=$(ctl gw status --json | jq '.sessions[] | select(.name == "raw") | .generation')
is "gw: a join without overlap is refused" "$(join third frames overlap join=$((generation + 1)))" '503 no session to join'
tell raw frame 5 b0 >/dev/null
is "gw: DISCONNECT ends the session" "$(tell raw wait_close)" closed
check "gw: DISCONNECT is told" wait_record gw 5 event=down name=raw
is "gw: its cookie is gone with it" "$(join raw)" '401 the cookie is not acceptable'

logs_in raw
tell raw connect frames overlap >/dev/null
is "gw: a join for the present generation is refused" "$(join third frames overlap join=1)" '503 no session to join'
is "gw: a join for the one after the next is refused" "$(join third frames overlap join=3)" '503 no session to join'
check "gw: a join for no generation is refused" grep -q ^400 <<<"$(join third frames overlap join=0)"
check "gw: a join for a negative one is refused" grep -q ^400 <<<"$(join third frames overlap join=-1)"
check "gw: a join for no number is refused" grep -q ^400 <<<"$(join third frames overlap join=2x)"
tell raw packet good4 >/dev/null
is "gw: a join for the next generation is granted" "$(join join frames overlap join=2 | cut -d' ' -f1)" 200
is "gw: a second join beside it is refused" "$(join third frames overlap join=2)" '503 two generations live already'
counts raw gw '' "$(end_frame 1)"
tell join settle >/dev/null
check "gw: the session moves with the first record" wait_record gw 5 event=rekey name=raw generation=2
check "gw: the old stream gets its END" grep -qE '^66 [0-9a-f]{16}$' <<<"$(tell raw next)"
passes join gw raw 1 packet good4
bad_frame "END twice" raw 1 "$(end_frame 1)"
is "gw: the new stream is not touched" "$(tell join settle)" settled

is "gw: a join from the other side is granted" "$(join raw frames overlap join=3 | cut -d' ' -f1)" 200
counts join gw '' "$(end_frame 4711)"
check "gw: a wrong count in END is told" grep -q 'name=raw generation=2: 4711 packets sent, 1 received' "$WORK/gw.log"
tell raw settle >/dev/null
bad_frame "a packet behind END" join 2 packet good4
is "gw: a join once more" "$(join join frames overlap join=4 | cut -d' ' -f1)" 200
bad_frame "END of a wrong length" raw 3 frame 0x42 00000000000001
is "gw: the new stream takes over alone" "$(tell join settle)" settled
check "gw: the session moves on" wait_record gw 5 event=rekey name=raw generation=4
bad_frame "END without a successor" join 4 "$(end_frame 0)"
check "gw: that was the only stream" wait_record gw 5 event=lost name=raw 'reason=protocol error in a frame' generation=4

# DISCONNECT: only what means "for good" ends more than the stream.
for payload in '' 00 91 b1414243; do
	reconnect frames overlap
	ends_stream raw 'left for now by the client' frame 5 $payload
done
reconnect
tell raw frame 5 b0c3a9ff0a21 >/dev/null
is "gw: DISCONNECT with odd text ends the session" "$(tell raw wait_close)" closed
is "gw: and the cookie" "$(join raw)" '401 the cookie is not acceptable'
check "gw: the text cannot spoil the log" fails grep -qP '[^\x09\x0a\x20-\x7e]' "$WORK/gw.log"

logs_in raw
tell raw connect >/dev/null
mark_events gw
# Packets, each with the counter that it adds to, from a peer in either frame format.
packets='drop_short empty short4 short6
drop_version version
drop_header ihl_small ihl_beyond option_beyond extension_beyond
drop_length length_more4 length_less4 length_more6 length_less6
drop_source_route lsrr ssrr ssrr_behind_nop
drop_routing_header routing0 routing2 routing0_behind_options
drop_link_local from_link_local4 from_link_local6 to_link_local4 to_link_local6
drop_multicast from_multicast4 from_multicast6 to_multicast4 to_multicast6 to_broadcast4
drop_loopback from_loopback4 from_loopback6 to_loopback4 to_loopback6 from_nobody4 from_nobody6
drop_icmp_quote icmp_foreign_quote4 icmp_foreign_quote6 icmp_short_quote4
drop_source from_foreign4 from_foreign6 from_you4 from_you6
drop_too_big too_big'
while read -r counter names; do
	for name in $names; do
		counts raw gw "$counter+1" packet "$name"
	done
done <<<"$packets"
counts raw gw drop_client_to_client+1 packet_to "$alice4"
for name in good4 good6 icmp_own_quote4 icmp_own_quote6; do
	passes raw gw raw 1 packet "$name"
done
passes raw gw raw 1 split
passes raw gw raw 2 pair

# Frames of the plain protocol.
counts raw gw drop_frame_unknown+1 frame 6
counts raw gw drop_frame_unknown+1 frame 0xff 0102
counts raw gw drop_frame_unknown+1 frame 0x41 00
counts raw gw drop_frame_unknown+1 frame 0x40
counts raw gw '' frame 7
counts raw gw '' frame 4
tell raw frame 3 deadbeef >/dev/null
is "gw: a DPD request is echoed" "$(tell raw next)" "4 deadbeef"
proto='protocol error in a frame'
ends_stream raw "$proto" send 5354460200000300
for bytes in 5453460100000300 5354460100000301 535446014000030000 53544601ffff0000; do
	reconnect
	ends_stream raw "$proto" send $bytes
done
reconnect
ends_stream raw "$proto" frame 8 0102
reconnect
ends_stream raw "$proto" "$(end_frame 0)"

# forged BYTES ALERT REASON: what is no record ends the stream with that alert, and the log tells why
forged()
{
	reconnect
	is "gw: $3: the alert" "$(tell raw forge "$1")" "$2"
	check "gw: $3: the log tells it" try 5 grep -q "records ended .*name=raw .*refused=\"$3\"" "$WORK/gw.log"
}
forged "1703030014$(printf '%040d' 0)" SSLV3_ALERT_BAD_RECORD_MAC 'bad record'
forged 1703034012 TLSV1_ALERT_RECORD_OVERFLOW 'record too long'
forged 1503030002022a SSLV3_ALERT_UNEXPECTED_MESSAGE 'unexpected message'
reconnect
ends_stream raw "$proto" send 5354460100040300dead53544601000003000000
reconnect
tell raw send 5354460100040300 >/dev/null
before=$(ended gw raw 'closed by the peer')
tell raw close >/dev/null
check "gw: half a frame, then the end: told" try 5 ended_more_than "$before" gw raw 'closed by the peer'

# Frames between two adits.
reconnect frames
while read -r counter names; do
	for name in $names; do
		counts raw gw "$counter+1" packet "$name"
	done
done <<<"$(tail -n 2 <<<"$packets")"
passes raw gw raw 1 split
passes raw gw raw 2 pair
counts raw gw drop_frame_unknown+1 frame 0x40
counts raw gw drop_frame_unknown+1 frame 0x43 00
tell raw frame 3 deadbeef >/dev/null
is "gw: a DPD request is echoed in a frame of ours" "$(tell raw next)" "4 deadbeef"
# Super-packets: what they claim must fit.
supers='3 three_tcp4 three_tcp6 three_udp4 three_udp6 not_partial
64 sixty_four
1 not_more_than_one partial_tcp4 partial_udp6'
lies='drop_offload_fields sixty_five tiny syn rst urg offset_small offset_beyond udp_length icmp_gso icmp_partial
drop_offload_fields options extension fragment
drop_version version
drop_header ihl_small
drop_length length_less length_more
drop_source from_foreign4 from_foreign6
drop_multicast to_multicast
drop_header_checksum header_checksum
drop_too_big segment_too_big'
while read -r number names; do
	for name in $names; do
		passes raw gw raw "$number" super "$name"
	done
done <<<"$supers"
while read -r counter names; do
	for name in $names; do
		counts raw gw "$counter+1" super "$name"
	done
done <<<"$lies"
ends_stream raw "$proto" send 0002000000000000
for bytes in 0080000000000000 0300000100000000 0301000000000000 0000000000010000 00000000ffffffff; do
	reconnect frames
	ends_stream raw "$proto" send $bytes
done
check "gw: the session has lived through all of it" never_recorded gw '"event":"down"' event=rekey name=alice \
	"generation>=$(next_generation)"

# KeyUpdate, from a program that can send it.
mkfifo "$WORK/s_client.in"
exec {s_client}<>"$WORK/s_client.in"
ip netns exec "$NS-raw" openssl s_client -connect 192.0.2.1:443 -cert "$PKI/issued/raw.crt" \
	-key "$PKI/private/raw.key" <"$WORK/s_client.in" >"$WORK/s_client.out" 2>&1 &
pid_of[s_client]=$!
printf 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n' >&"$s_client"
try 5 grep -aq '</config-auth>' "$WORK/s_client.out"
cookie=$(grep -aoP 'Set-Cookie: webvpn=\K[0-9a-f]+' "$WORK/s_client.out")
printf 'CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\nHost: x\r\nCookie: webvpn=%s\r\n\r\n' "$cookie" >&"$s_client"
try 5 grep -aq 'X-CSTP-MTU' "$WORK/s_client.out"
for update in K k K; do
	echo "$update" >&"$s_client"
	updates=$((${updates:-0} + 1))
	try 5 test "$(grep -ac KEYUPDATE "$WORK/s_client.out")" = "$updates"
	printf 'STF\1\0\10\3\0behind-%d' "$updates" >&"$s_client"
	check "gw: KeyUpdate $updates ($update) is followed" try 5 grep -aq "behind-$updates" "$WORK/s_client.out"
done
stop s_client

count_stop up
count_stop down
is "the tunnel has lost nothing on its way up" "$(count_result up | json_field lost)" 0
is "nor on its way down" "$(count_result down | json_field lost)" 0
check "it has rekeyed all the while" wait_event alice 5 event=session 'generation>=3'
event_mark[gw]=0
check "and was never cut" never_recorded gw '"(lost|down)".*"alice"' event=rekey name=alice "generation>=$(next_generation)"
for label in gw alice; do
	is "no rekey of $label failed" "$(ctl $label status --json | json_field counters/rekey_failures)" 0
done

# The other way round: what a gateway may not send to a client.
start_peer fake fake --listen --cert "$PKI/issued/vpn.test.crt" --key "$PKI/private/vpn.test.key" --ca "$PKI/ca.crt" \
	203.0.113.1 443
listening=$(tell fake listen)
start_client bob bob bob 203.0.113.1:443 'trust.name="vpn.test"'
is "a client comes to a gateway that misbehaves" "$listening $(tell fake accept)" "listening up"
check "it has a tunnel" wait_event bob 10 'event=up|session'
record_events bob
while read -r counter names; do
	for name in $names; do
		counts fake bob "$counter+1" packet "$name"
	done
done <<<"$(grep -vE '^drop_(source|icmp_quote) ' <<<"$packets")
drop_icmp_quote icmp_short_quote4
drop_source from_you4 from_you6
drop_destination to_foreign4 to_foreign6"
for name in good4 good6 from_foreign4 from_foreign6; do
	passes fake bob vpn.test 1 packet $name
done
passes fake bob vpn.test 1 split
passes fake bob vpn.test 2 pair
counts fake bob drop_frame_unknown+1 frame 6
counts fake bob drop_frame_unknown+1 frame 0x40
counts fake bob drop_frame_unknown+1 frame 0x41 00
counts fake bob '' frame 7
tell fake frame 3 deadbeef >/dev/null
is "bob: a DPD request is echoed" "$(tell fake next)" "4 deadbeef"

# breaks_stream STEP...: the client leaves that stream, tells why, and comes back
breaks_stream()
{
	local before
	before=$(ended bob vpn.test "$proto")
	tell fake "$@" >/dev/null
	is "bob: $*: the stream is closed" "$(tell fake wait_close)" closed
	check "bob: $*: the reason is told" try 5 ended_more_than "$before" bob vpn.test "$proto"
	is "bob: $*: the client comes back" "$(tell fake accept frames overlap)" up
}

breaks_stream send 5354460200000300
breaks_stream send 0080000000000000
passes fake bob vpn.test 3 super three_tcp4
counts fake bob drop_offload_fields+1 super tiny
breaks_stream send 0300010000000000
breaks_stream send 0000000000010000
breaks_stream frame 8 0102
breaks_stream "$(end_frame 0)"
counts fake bob drop_destination+1 packet to_foreign4
passes fake bob vpn.test 2 pair
tell fake frame 5 b0656e6f756768 >/dev/null
wait_exit bob
is "bob: DISCONNECT ends the client with 1" "$?" 1
check "bob: it says why" grep -q 'ended by the gateway name=vpn.test: enough' "$WORK/bob.log"
done_testing
