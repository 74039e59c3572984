#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What becomes of two clients, one by datagrams and one by the stream, and of one TCP connection through each, when their
# gateway dies, is begun anew or is out of reach for a while: they are back by themselves, with their addresses, and the
# connections go on.
#
#	(alice) to-gw 192.0.2.2 ------- 192.0.2.1 (gw) 10.1.0.1 ------ 10.1.0.2 to-gw (office)
#	(bob) to-gw 198.51.100.2 ------ 198.51.100.1
#	adit0 10.20.0.7, 10.20.0.8 . tunnel . 10.20.0.1 adit0
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
# A sanitizer's build may take longer over a handshake, on a machine with other work.
[[ $ADIT == *san-* ]] && SLOWER=${SLOWER:-3}
BACK_MS=$((3000 * ${SLOWER:-1}))
DPD_SECONDS=2

take_precedence
declare -A outer=([alice]=192.0.2.1 [bob]=198.51.100.1) inner=([alice]=10.20.0.7 [bob]=10.20.0.8) port=([alice]=5201 [bob]=5202)
declare -A transport=([alice]=auto [bob]=tls) by=([alice]=dtls [bob]=tls) first_port=()
make_ns gw alice bob office
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
link_ns gw 198.51.100.1/24 bob 198.51.100.2/24
link_ns gw 10.1.0.1/24 office 10.1.0.2/24
in_ns office ip route add default via 10.1.0.1
in_ns gw sysctl -qw net.ipv4.ip_forward=1
make_pki vpn.test alice bob

begin_gateway()
{
	start_server gw gw vpn.test 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; }, { name = "bob"; ipv4 = "10.20.0.8"; } )' \
		'push.routes=( "10.1.0.0/16" )' "dpd={ seconds = $DPD_SECONDS; }"
}

begin_client()
{
	start_client "$1" "$1" "$1" "${outer[$1]}:443" 'trust.name="vpn.test"' "transport=\"${transport[$1]}\""
}

now_ms()
{
	echo $((${EPOCHREALTIME/[.,]/} / 1000))
}

# back_within MS: from now on, until both clients say that they are up again
back_within()
{
	local begun name
	begun=$(now_ms)
	for name in alice bob; do
		wait_record "$name" $(($1 / 1000 + 5)) event=up || return 1
	done
	echo "back after $(($(now_ms) - begun)) ms"
	(($(now_ms) - begun <= $1))
}

# both_say SECONDS FIELD=PATTERN...: such an event of each client
both_say()
{
	local name
	for name in alice bob; do
		wait_record "$name" "$@" || return 1
	done
}

# The gateway is begun and the clients back in time, both counted from the beginning
begun_and_back()
{
	local begun
	begun=$(now_ms)
	begin_gateway
	back_within $((BACK_MS + begun - $(now_ms)))
}

# connection CLIENT: the one that carries the data: its ports, and what was acknowledged by now
connection()
{
	in_ns "$1" ss -tinHO state established dst "10.1.0.2:${port[$1]}" |
		perl -ne 'print "$1 $2\n" if /:(\d+) +10.1.0.2.*bytes_acked:(\d{4,})/'
}

# goes_on CLIENT: the connection of the beginning carries more than a moment ago. TCP waits longer and longer before it
# sends again.
goes_on()
{
	local own acked
	read -r own acked < <(connection "$1")
	echo "port $own, at first ${first_port[$1]}; acknowledged $acked"
	[[ $own = "${first_port[$1]}" ]] && try 15 has_grown "$1" "$own" "$acked"
}

# has_grown CLIENT PORT BYTES
has_grown()
{
	local own acked
	read -r own acked < <(connection "$1")
	[[ $own = "$2" ]] && ((acked > $3 + 1000000))
}

has_its_address()
{
	ctl "$1" sessions --json | jq -e ".[0] | .connected and .ipv4 == \"${inner[$1]}\""
}

goes_by()
{
	[[ $(ctl "$1" sessions --json | json_field 0/transport) = "$2" ]]
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
	local name
	for name in alice bob; do
		check "$1: $name has its address" has_its_address "$name"
		check "$1: its TCP connection goes on" goes_on "$name"
		check "$1: by ${by[$name]}" try 10 goes_by "$name" "${by[$name]}"
		mark_events "$name"
	done
}

# Clients that are there before their gateway
for name in alice bob; do
	begin_client $name
	try 5 test -S "$WORK/$name.sock"
	record_events $name
done
check "clients without a gateway try again" both_say 5 event=retry
check "and wait longer" both_say 5 event=retry 'reason=next attempt in \d{4} ms.*'
check "they come up soon after their gateway" begun_and_back
for name in alice bob; do
	mark_events $name
	start iperf-server-$name office iperf3 -s -B 10.1.0.2 -p "${port[$name]}"
	try 5 listens office tcp "${port[$name]}"
	start iperf-$name $name iperf3 -c 10.1.0.2 -p "${port[$name]}" -b 25M -t 300 # enough to see it, and leaves the machine to the others
	try 5 has_grown $name "$(connection $name | cut -d' ' -f1)" 0
	read -r first_port[$name] _ < <(connection $name)
done

# The gateway is killed
kill -KILL "${pid_of[gw]}" "$(engine_of gw)"
wait_exit gw
check "the clients see that their gateway is gone" both_say 5 event=reconnecting
sleep 3 # that long it is away
check "killed and begun after 3 s: the clients are back within $BACK_MS ms" begun_and_back
recovers "killed"

# Only its monitor is killed
kill -KILL "${pid_of[gw]}"
wait_exit gw
check "monitor killed: the engine ends with it" try 5 is_empty gw
check "monitor killed: the clients see it" both_say 5 event=reconnecting
check "monitor killed: the clients are back within $BACK_MS ms" begun_and_back
recovers "monitor killed"

# Somebody on the way answers in its place: an alert in clear, 48 unknown_ca. It is nobody's verdict.
stop gw
check "forged: the clients see that their gateway is gone" both_say 5 event=reconnecting
for name in alice bob; do
	mark_events $name
done
# shellcheck disable=SC2016 # for perl to expand
start forger gw perl -MIO::Socket::INET -e '
	my $listener = IO::Socket::INET->new(Listen => 5, LocalPort => 443, ReuseAddr => 1) or die "$!\n";
	while (my $c = $listener->accept) { sysread $c, my $hello, 16384; syswrite $c, "\x15\x03\x03\0\2\2\x30" }'
check "forged: the clients have met the alert" both_say 5 event=retry 'reason=.*unknown issuer.*'
stop forger
check "forged: the clients are back within $BACK_MS ms" begun_and_back
recovers "forged"

# It is ended in order
check "ended: with 0" stop gw
check "ended: the clients see it" both_say 5 event=reconnecting
check "ended: the clients are back within $BACK_MS ms" begun_and_back
recovers "ended"

# The network is away for a while
since=$(ctl gw sessions --json | jq -c '[.[].since] | sort')
for name in alice bob; do
	in_ns $name ip link set to-gw down
done
sleep 5 # that long it is away
check "no network: the clients have seen it" both_say 5 event=reconnecting
for name in alice bob; do
	mark_events $name
	in_ns $name ip link set to-gw up
done
check "no network: the clients are back within $BACK_MS ms" back_within $BACK_MS
recovers "no network"

# The network swallows everything
for name in alice bob; do
	in_ns $name nft -f - <<-'RULES'
		table inet cut {
			chain from_gateway { type filter hook input priority 0; iifname "to-gw" drop; }
			chain to_gateway { type filter hook output priority 0; oifname "to-gw" drop; }
		}
	RULES
done
check "swallowed: the clients find out" both_say $(((2 * DPD_SECONDS + 5) * ${SLOWER:-1})) event=reconnecting
for name in alice bob; do
	in_ns $name nft delete table inet cut
done
check "swallowed: the clients are back" back_within 10000
recovers "swallowed"
is "the gateway took both times for the sessions it had" "$(ctl gw sessions --json | jq -c '[.[].since] | sort')" "$since"
for name in alice bob; do
	check "$name ends when it is told to" stop $name
done

# Somebody takes the device away: it ends, rather than be a tunnel through which nothing passes
begin_client alice
check "no device: a client is up" wait_event alice 15 'event=up|session'
in_ns alice ip link del adit0
check "no device: the client ends with 1" exits alice 1
check "no device: and says why" said alice "the tunnel's device is gone"
in_ns gw ip link del adit0
check "no device: the gateway ends with 1" exits gw 1
check "no device: and says why" said gw "the tunnel's device is gone"
check "no device: nothing of it runs" is_empty gw
done_testing
