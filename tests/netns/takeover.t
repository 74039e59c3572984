#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Who gets a session when there is not one for everybody: the newest of one identity takes over, a session without a
# stream goes before one with, an empty pool makes clients wait.
#
#	(one)   to-gw 192.0.2.2 ------ 192.0.2.1 --+
#	(two)   to-gw 192.0.3.2 ------ 192.0.3.1 --+-- (gw)
#	(three) to-gw 192.0.4.2 ------ 192.0.4.1 --+
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
make_ns gw one two three
link_ns gw 192.0.2.1/24 one 192.0.2.2/24
link_ns gw 192.0.3.1/24 two 192.0.3.2/24
link_ns gw 192.0.4.1/24 three 192.0.4.2/24
declare -A gateway_for=([one]=192.0.2.1 [two]=192.0.3.1 [three]=192.0.4.1)

# connect NAME NS: a client with the label NAME-NS
connect()
{
	start_client "$1-$2" "$2" "$1" "${gateway_for[$2]}:443" 'trust.name="vpn.test"'
}

# comes_up NAME NS: connect and wait
comes_up()
{
	connect "$1" "$2"
	wait_event "$1-$2" 15 'event=up|session'
}

is_up()
{
	in_ns "$2" ping -c 1 -W 3 10.20.0.1 && ctl "$1-$2" status
}

# address NAME NS [ipv4|ipv6]
address()
{
	ctl "$1-$2" sessions --json | jq -r ".[0].${3:-ipv4}"
}

counter()
{
	ctl gw status --json | jq ".counters.$1"
}

asked_twice()
{
	(($(counter pool_empty) >= 2))
}

# The outer addresses of somebody's sessions, oldest first
sessions()
{
	ctl gw sessions --json | jq -r "[.[] | select(.name == \"$1\") | .peer | sub(\":[0-9]+\$\"; \"\")] | join(\" \")"
}

make_pki vpn.test alice bob carol
start_server gw gw vpn.test 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; ipv6 = "fd20:aa::7"; },
	{ name = "bob"; sessions = 1; } )' 'limits={ sessions_per_client = 2; }'
record_events gw

# One identity, one fixed address
check "alice comes up" comes_up alice one
is "she has her fixed address" "$(address alice one) $(address alice one ipv6)" "10.20.0.7 fd20:aa::7"
check "she comes up elsewhere" comes_up alice two
is "and has her fixed address there" "$(address alice two) $(address alice two ipv6)" "10.20.0.7 fd20:aa::7"
check "the older one ends with 1" exits alice-one 1
check "and says why" said alice-one 'ended by the gateway.*: replaced'
check "the gateway says so too" wait_record gw 5 event=down name=alice reason=replaced
is "and counts it" "$(counter replaced)" 1
check "nothing is left of the older one" fails in_ns one ip link show adit0
check "the newer one works" is_up alice two
is "it is the only one" "$(sessions alice)" 192.0.3.2
stop alice-two
check "bob, who may have one session, comes up" comes_up bob one
check "his second" comes_up bob two
check "replaces the first" exits bob-one 1
check "and works" is_up bob two
bobs_address=$(address bob two)
stop bob-two

# Everybody else may have two
check "carol comes up" comes_up carol one
check "carol comes up a second time" comes_up carol two
check "both work" is_up carol one
check "both work" is_up carol two
check "with addresses of their own" test "$(address carol one)" != "$(address carol two)"
is "the gateway has both" "$(sessions carol)" "192.0.2.2 192.0.3.2"
check "a third" comes_up carol three
check "replaces the oldest" exits carol-one 1
is "so the others stay" "$(sessions carol)" "192.0.3.2 192.0.4.2"
check "and work" is_up carol two
check "and work" is_up carol three

# Sessions without a stream go first
mark_events gw
kill -KILL "$(pgrep -P "${pid_of[carol-three]}")"
wait_exit carol-three
check "the newest of carol's loses its stream" wait_record gw 10 event=lost name=carol
is "its session waits for it" "$(sessions carol)" "192.0.3.2 192.0.4.2"
check "carol comes up once more" comes_up carol one
is "in the place of the session that waited, though it was not the oldest" "$(sessions carol)" "192.0.3.2 192.0.2.2"
check "the older one works" is_up carol two
check "and the newest" is_up carol one
stop carol-one
stop carol-two

# The same address again
check "bob comes again" comes_up bob three
is "and has the address that he had" "$(address bob three)" "$bobs_address"
check "he ends with 0" stop bob-three
stop gw

# A pool of one address
start_server gw gw vpn.test 'addresses.ipv4="10.20.0.0/30"' addresses.ipv6=
check "bob gets the only address" comes_up bob one
connect carol two
check "carol is told that there is none" said carol-two '503.*no address is free'
check "again and again" try 10 asked_twice
check "bob does not suffer" is_up bob one
stop bob-one
check "she gets it when bob has gone" wait_event carol-two 5 'event=up|session'
is "it is his" "$(address carol two)" 10.20.0.2
done_testing
