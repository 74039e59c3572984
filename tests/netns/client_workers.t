#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two workers at both ends, on both transports: TCP that fills the stream again and again, a rekey in its midst, rekeys
# under numbered packets both ways of which none is lost, a connection that breaks, and each way to end.
#
#	(alice) to-gw 192.0.2.2 ------------- 192.0.2.1 to-alice (gw)
#	adit0 10.20.0.7, two queues . tunnel . 10.20.0.1 adit0, two queues
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs nft
rate=500 # packets a second and flow

begin()
{
	start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"' workers=2 dpd.seconds=2 "transport=\"$1\""
	wait_event alice 15 'event=up|session' >/dev/null || diag "the client is not up"
	check "$1: packets go that way" try 10 goes_by "$1"
	record_events alice
	mark_events gw
}

goes_by()
{
	[[ $(ctl alice sessions --json | json_field 0/transport) = "$1" && $(ctl gw sessions --json | json_field 0/transport) = "$1" ]]
}

# How many packets each queue of the client's device has given its worker
queues()
{
	in_ns alice tc -s -j qdisc show dev adit0 | jq -c '[.[] | select(.kind != "mq") | .packets]'
}

counts='up1 up2 up3 up4 down1 down2'
count_all()
{
	local label
	for label in $counts; do
		case $label in
		up*) count_start "$label" alice gw 10.20.0.1 "500${label: -1}" $rate 60 ;;
		down*) count_start "$label" gw alice 10.20.0.7 "500${label: -1}" $rate 60 ;;
		esac
	done
}

# judge TRANSPORT: what has become of the packets that are counted
judge()
{
	local label
	for label in $counts; do
		count_stop "$label"
	done
	for label in $counts; do
		is "$1: $label: none lost, none twice" "$(count_result "$label" | jq -c '[.lost, .duplicated]')" '[0,0]'
	done
}

# tcp FROM TO ADDRESS: two flows of TCP at once arrive as they were sent
tcp()
{
	local first
	"$repo/tests/netns/flow" "$NS-$1" "$NS-$2" "$3" >"$WORK/first" &
	first=$!
	"$repo/tests/netns/flow" "$NS-$1" "$NS-$2" "$3" >"$WORK/second"
	wait "$first"
	[[ $(sort -u "$WORK/first" "$WORK/second") = "tcp same, udp same" ]]
}

# spread NUMBER: as many flows of one packet, which nobody answers, so that the kernel deals them out to the queues
spread()
{
	in_ns alice bash -c "for _ in {1..$1}; do echo >/dev/udp/10.20.0.1/9; done"
}

make_ns gw alice
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
in_ns gw nft 'add table inet silent; add chain inet silent c { type filter hook input priority 0; };
	add rule inet silent c udp dport 9 drop'
make_pki vpn.test alice
start_server gw gw vpn.test workers=2 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; } )'
record_events gw
for transport in dtls tls; do
	begin $transport
	check "$transport: TCP to the client" tcp gw alice 10.20.0.7
	tcp alice gw 10.20.0.1 &
	flows=$!
	ctl alice rekey >/dev/null
	check "$transport: a rekey in the midst of TCP from the client" wait_record gw 15 event=rekey name=alice
	check "$transport: which arrives" wait "$flows"
	count_all
	for _ in 1 2 3; do
		mark_events gw
		ctl alice rekey >/dev/null
		check "$transport: a rekey" wait_record gw 10 event=rekey name=alice
	done
	judge $transport
	check "$transport: packets go that way still" try 5 goes_by $transport
	is "$transport: no rekey failed" "$(ctl alice status --json | json_field counters/rekey_failures)" 0
	spread 40
	check "$transport: the client's device has two queues, both are read" \
		jq -e 'length == 2 and min > 0' <<<"$(queues)"

	mark_events alice
	cut_tcp gw "$(ctl gw sessions --json | jq -r '.[0].peer | sub(".*:"; "")')"
	check "$transport: a broken connection" wait_record alice 10 event=reconnecting
	check "$transport: is made anew" wait_record alice 15 event=up
	check "$transport: packets go that way again" try 10 goes_by $transport
	check "$transport: TCP from the client again" tcp alice gw 10.20.0.1
	stop alice
	is "$transport: the client ends with 0" $? 0
	check "$transport: the gateway is told" wait_record gw 5 event=down 'reason=logged out by the user'
	check "$transport: its device is gone" fails in_ns alice ip link show adit0
	wait_exit events-alice
done

# Without its device
begin dtls
in_ns alice ip link del adit0
check "a client without its device ends with 1" exits alice 1
check "and says why" said alice "the tunnel's device is gone"
check "the gateway ends cleanly" stop gw
done_testing
