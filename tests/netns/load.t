#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A session moves to a new generation once a second while the machine carries all that it can, by datagrams and by the
# stream: UDP, more than gets through, and a TCP flow the other way. No record meets keys that are not there any more or
# not yet, none is taken for a replay, and the session stays.
#
#	(alice) to-gw 192.0.2.2 ------------- 192.0.2.1 to-alice (gw)
#	adit0 10.20.0.7 ............ tunnel ........... 10.20.0.1 adit0
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs iperf3
declare -A rekeys=([dtls]=30 [tls]=10)
udp_rate=5G
tcp_rate=0 # unlimited
if [[ $ADIT == *san-* ]]; then # the same code, only slower, and beside other tests
	rekeys=([dtls]=5 [tls]=2)
	udp_rate=20M
	tcp_rate=20M
fi
bytes=1000000 # at least, for each rekey and in each direction

# start_flow LABEL PORT OPTION...: iperf3 from alice to the gateway, until it is stopped
start_flow()
{
	start "$1-server" gw iperf3 -s --one-off -p "$2"
	try 5 listens gw tcp "$2" || diag "no server of $1"
	start "$1" alice iperf3 -c 10.20.0.1 -p "$2" -t 600 --forceflush "${@:3}"
	check "$1 flows" try 10 grep -q 'sec .*bits/sec' "$WORK/$1.log"
}

session_field()
{
	ctl "$1" sessions --json | json_field "0/$2"
}

# goes_by TRANSPORT: both ends send so
goes_by()
{
	[[ $(session_field gw transport) = "$1" && $(session_field alice transport) = "$1" ]]
}

counter()
{
	ctl "$1" status --json | json_field "counters/$2"
}

make_ns gw alice
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
make_pki vpn.test alice
for by in dtls tls; do
	start_server gw gw vpn.test 'rekey.seconds=1'
	start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"' 'rekey.seconds=1' "transport=\"$by\""
	check "a tunnel by $by" try 15 goes_by $by
	record_events gw
	# In this order: most of what goes up beside the flood is lost, a SYN too, four times in a row now and then.
	start_flow tcp-$by 5202 -R -b $tcp_rate
	start_flow udp-$by 5201 -u -b $udp_rate
	first=$(session_field gw generation)
	check "$by: there are ${rekeys[$by]} rekeys meanwhile" \
		wait_record gw 300 event=rekey "generation>=$((first + rekeys[$by]))"
	for label in gw alice; do
		check "$by: $label has received much" test "$(session_field $label rx_bytes)" -ge $((bytes * rekeys[$by]))
	done
	for label in udp-$by tcp-$by udp-$by-server tcp-$by-server; do
		kill "${pid_of[$label]}" 2>/dev/null # the servers may have ended with their clients
		wait_exit "$label"
	done
	for label in gw alice; do
		is "$by: no record met the wrong keys at $label, or came twice" "$(strays $label)" ''
		is "$by: no rekey of $label failed" "$(counter $label rekey_failures)" 0
		is "$by: no stream of $label was lost" "$(counter $label streams_lost)" 0
	done
	check "$by: still" goes_by $by
	stop alice
	stop gw
	wait_exit events-gw
done
done_testing
