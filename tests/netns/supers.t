#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Super-packets: with and without the kernel's offloads at either end, by datagrams and by the stream, to an adit and to a
# stock client, what goes in comes out: a TCP stream byte for byte, the datagrams of a UDP super-packet one by one.
#
#	(gw) 192.0.2.1 ------- 192.0.2.2 (alice), by datagrams
#	     203.0.113.1 ----- 203.0.113.2 (bob), by the stream
#	     198.51.100.1 ---- 198.51.100.2 (oc)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs openconnect
REFUSE_GSO=$(realpath -m "${REFUSE_GSO:-$repo/build/netns/refuse_gso.so}")
[[ -f $REFUSE_GSO || $ADIT = *san-* ]] || bail_out "$REFUSE_GSO is not built"

make_ns gw alice bob oc
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
link_ns gw 203.0.113.1/24 bob 203.0.113.2/24
link_ns gw 198.51.100.1/24 oc 198.51.100.2/24
make_pki vpn.test alice bob oc
declare -A by=([alice]=dtls [bob]=tls) outer=([alice]=192.0.2.1 [bob]=203.0.113.1)

# flows FROM TO ADDRESS: some megabytes by TCP and some super-packets of UDP arrive as they were sent
flows()
{
	is "$1 to $2, $3" "$("$repo/tests/netns/flow" "$NS-$1" "$NS-$2" "$3")" "tcp same, udp same"
}

# address LABEL FAMILY
address()
{
	ctl "$1" sessions --json | json_field "0/ipv$2"
}

goes_by()
{
	[[ $(ctl "$1" sessions --json | json_field 0/transport) = "$2" ]]
}

# damage LABEL: drops, but what TCP has sent again because the queue of its stream was full
damage()
{
	drops "$1" | jq -c 'map(del(.drop_queue))'
}

offloads()
{
	ctl "$1" status --json | jq -c '.offloads | [.tso, .uso]'
}

# cuts_datagrams LABEL: whether it says that the kernel does that
cuts_datagrams()
{
	ctl "$1" status --json | jq '.offloads.udp_gso'
}

none='offload={ tso=false; uso=false; }'
for at in neither gw client both; do
	server=() client=()
	[[ $at = client || $at = both ]] || server=("$none")
	[[ $at = gw || $at = both ]] || client=("$none")
	start_server gw gw vpn.test "${server[@]}"
	for name in alice bob; do
		start_client $name $name $name "${outer[$name]}:443" 'trust.name="vpn.test"' "transport=\"${by[$name]}\"" "${client[@]}"
		check "offloads at $at: a tunnel of $name" try 15 goes_by $name "${by[$name]}"
		is "the gateway tells of its offloads" "$(offloads gw)" "$([[ ${server[*]} ]] && echo '[false,false]' || echo '[true,true]')"
		is "so does $name" "$(offloads $name)" "$([[ ${client[*]} ]] && echo '[false,false]' || echo '[true,true]')"
		for family in 4 6; do
			flows $name gw "$([[ $family = 4 ]] && echo 10.20.0.1 || echo fd20:aa::1)"
			flows gw $name "$(address $name $family)"
		done
		check "by ${by[$name]}" goes_by $name "${by[$name]}"
		is "nothing was dropped at $name" "$(damage $name)" '[{},{}]'
	done
	is "nor at the gateway" "$(damage gw)" '[{},{}]'
	stop alice
	stop bob
	stop gw
done

# A kernel that takes the offloads and then refuses what is written or sent: from then on packets go one by one, on the
# socket of the next generation, too. What is preloaded would come in front of a sanitizer, which will not have that.
if [[ $ADIT != *san-* ]]; then
	LD_PRELOAD=$REFUSE_GSO start_server gw gw vpn.test
	for name in alice bob; do
		LD_PRELOAD=$REFUSE_GSO start_client $name $name $name "${outer[$name]}:443" 'trust.name="vpn.test"' "transport=\"${by[$name]}\""
		check "super-packets refused: a tunnel of $name" try 15 goes_by $name "${by[$name]}"
		flows $name gw 10.20.0.1
		flows gw $name "$(address $name 4)"
		is "nothing was dropped at $name" "$(damage $name)" '[{},{}]'
		is "which tells that it goes on without" "$(offloads $name)" '[false,false]'
		is "and has logged it once for each kind" "$(grep -c 'kernel refuses super-packets' "$WORK/$name.log")" 2
	done
	is "runs of datagrams refused: alice tells that she goes on without" "$(cuts_datagrams alice)" false
	record_events alice
	ctl alice rekey >/dev/null
	check "the next generation" wait_record alice 10 event=rekey
	check "goes by datagrams" try 5 goes_by alice dtls
	flows alice gw 10.20.0.1
	is "without, from its beginning" "$(grep -c 'kernel refuses runs of datagrams' "$WORK/alice.log")" 1
	is "bob has sent none" "$(cuts_datagrams bob)" true
	is "nor at the gateway" "$(damage gw)" '[{},{}]'
	is "which goes on without, too" "$(offloads gw)" '[false,false]'
	stop alice
	stop bob
	stop gw
fi

start_server gw gw vpn.test
start oc oc openconnect --non-inter --no-dtls --cafile "$PKI/ca.crt" --resolve vpn.test:198.51.100.1 -c "$PKI/issued/oc.crt" \
	-k "$PKI/private/oc.key" -i oct0 https://vpn.test:443/
check "a stock client has a tunnel" wait_event gw 15 'event=up|session' name=oc
check "and its network" try 10 in_ns oc ping -c 1 -W 1 10.20.0.1
for family in 4 6; do
	flows oc gw "$([[ $family = 4 ]] && echo 10.20.0.1 || echo fd20:aa::1)"
	flows gw oc "$(address gw $family)"
done
is "nothing was dropped" "$(damage gw)" '[{},{}]'
stop oc INT
done_testing
