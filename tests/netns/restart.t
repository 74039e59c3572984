#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What becomes of a client, and of one TCP connection through it, when its gateway dies, is begun anew or is out of
# reach for a while: it is back by itself, with its address, and the connection goes on.
#
#	(client) to-gw 192.0.2.2 ------ 192.0.2.1 (gw) 10.1.0.1 ------ 10.1.0.2 to-gw (office)
#	adit0 10.20.0.7 . . . tunnel . . . 10.20.0.1 adit0
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# A sanitizer's build may take longer over a handshake, on a machine with other work.
[[ $ADIT == *san-* ]] && SLOWER=${SLOWER:-3}
BACK_MS=$((3000 * ${SLOWER:-1}))
DPD_SECONDS=2

take_precedence
make_ns gw client office
link_ns gw 192.0.2.1/24 client 192.0.2.2/24
link_ns gw 10.1.0.1/24 office 10.1.0.2/24
in_ns office ip route add default via 10.1.0.1
in_ns gw sysctl -qw net.ipv4.ip_forward=1
make_pki vpn.test alice

begin_gateway()
{
	start_server gw gw vpn.test 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; } )' \
		'push.routes=( "10.1.0.0/16" )' "dpd={ seconds = $DPD_SECONDS; }"
}

now_ms()
{
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# back_within MS: from now on, until the client says that it is up again
back_within()
{
	local begun
	begun=$(now_ms)
	wait_record alice $(($1 / 1000 + 5)) event=up || return 1
	echo "back after $(($(now_ms) - begun)) ms"
	(($(now_ms) - begun <= $1))
}

# The gateway is begun and the client back in time, both counted from the beginning
begun_and_back()
{
	local begun
	begun=$(now_ms)
	begin_gateway
	back_within $((BACK_MS + begun - $(now_ms)))
}

# The connection that carries the data: its ports, and what was acknowledged by now
connection()
{
	in_ns client ss -tinHO state established dst 10.1.0.2:5201 |
		perl -ne 'print "$1 $2\n" if /:(\d+) +10.1.0.2.*bytes_acked:(\d{4,})/'
}

# The connection of the beginning carries more than a moment ago. TCP waits longer and longer before it sends again.
goes_on()
{
	local port acked
	read -r port acked < <(connection)
	echo "port $port, at first $first_port; acknowledged $acked"
	[[ $port = "$first_port" ]] && try 15 has_grown "$port" "$acked"
}

has_grown()
{
	local port acked
	read -r port acked < <(connection)
	[[ $port = "$1" ]] && ((acked > $2 + 1000000))
}

has_its_address()
{
	ctl alice sessions --json | jq -e '.[0] | .connected and .ipv4 == "10.20.0.7"'
}

is_empty()
{
	[[ -z $(ip netns pids "$NS-$1") ]]
}

engine_of()
{
	pgrep -P "${pid_of[$1]}"
}

# recovers WHAT: what every one of these stories ends with
recovers()
{
	check "$1: it has its address" has_its_address
	check "$1: the TCP connection goes on" goes_on
	mark_events alice
}

# A client that is there before its gateway
start_client alice client alice 192.0.2.1:443 'trust.name="vpn.test"'
try 5 test -S "$WORK/alice.sock"
record_events alice
check "a client without a gateway tries again" wait_record alice 5 event=retry
check "and waits longer" wait_record alice 5 event=retry 'reason=next attempt in \d{4} ms.*'
check "it comes up soon after its gateway" begun_and_back
mark_events alice
start iperf-server office iperf3 -s -B 10.1.0.2
try 5 in_ns office bash -c ': </dev/tcp/10.1.0.2/5201'
start iperf client iperf3 -c 10.1.0.2 -b 50M -t 300 # enough to see it, and leaves the machine to the others
try 5 has_grown "$(connection | cut -d' ' -f1)" 0
read -r first_port _ < <(connection)

# The gateway is killed
kill -KILL "${pid_of[gw]}" "$(engine_of gw)"
wait_exit gw
check "the client sees that its gateway is gone" wait_record alice 5 event=reconnecting
sleep 3 # that long it is away
check "killed and begun after 3 s: the client is back within $BACK_MS ms" begun_and_back
recovers "killed"

# Only its monitor is killed
kill -KILL "${pid_of[gw]}"
wait_exit gw
check "monitor killed: the engine ends with it" try 5 is_empty gw
check "monitor killed: the client sees it" wait_record alice 5 event=reconnecting
check "monitor killed: the client is back within $BACK_MS ms" begun_and_back
recovers "monitor killed"

# Somebody on the way answers in its place: an alert in clear, 48 unknown_ca. It is nobody's verdict.
stop gw
check "forged: the client sees that its gateway is gone" wait_record alice 5 event=reconnecting
mark_events alice
# shellcheck disable=SC2016 # for perl to expand
start forger gw perl -MIO::Socket::INET -e '
	my $listener = IO::Socket::INET->new(Listen => 5, LocalPort => 443, ReuseAddr => 1) or die "$!\n";
	while (my $c = $listener->accept) { sysread $c, my $hello, 16384; syswrite $c, "\x15\x03\x03\0\2\2\x30" }'
check "forged: the client has met the alert" wait_record alice 5 event=retry 'reason=.*unknown issuer.*'
stop forger
check "forged: the client is back within $BACK_MS ms" begun_and_back
recovers "forged"

# It is ended in order
check "ended: with 0" stop gw
check "ended: the client sees it" wait_record alice 5 event=reconnecting
check "ended: the client is back within $BACK_MS ms" begun_and_back
recovers "ended"

# The network is away for a while
since=$(ctl gw sessions --json | jq -r '.[0].since')
in_ns client ip link set to-gw down
sleep 5 # that long it is away
check "no network: the client has seen it" wait_record alice 5 event=reconnecting
mark_events alice
in_ns client ip link set to-gw up
check "no network: the client is back within $BACK_MS ms" back_within $BACK_MS
recovers "no network"

# The network swallows everything
in_ns client nft -f - <<'RULES'
table inet cut {
	chain from_gateway { type filter hook input priority 0; iifname "to-gw" drop; }
	chain to_gateway { type filter hook output priority 0; oifname "to-gw" drop; }
}
RULES
check "swallowed: the client finds out" wait_record alice $(((2 * DPD_SECONDS + 5) * ${SLOWER:-1})) event=reconnecting
in_ns client nft delete table inet cut
check "swallowed: the client is back" back_within 10000
recovers "swallowed"
is "the gateway took both for the session it had" "$(ctl gw sessions --json | jq -r '.[0].since')" "$since"
check "the client ends when it is told to" stop alice

# Somebody takes the device away: it ends, rather than be a tunnel through which nothing passes
start_client alice client alice 192.0.2.1:443 'trust.name="vpn.test"'
check "no device: a client is up" wait_event alice 15 'event=up|session'
in_ns client ip link del adit0
check "no device: the client ends with 1" exits alice 1
check "no device: and says why" said alice "the tunnel's device is gone"
in_ns gw ip link del adit0
check "no device: the gateway ends with 1" exits gw 1
check "no device: and says why" said gw "the tunnel's device is gone"
check "no device: nothing of it runs" is_empty gw
done_testing
