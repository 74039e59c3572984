#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Many clients at one gateway with two workers, every other one without datagrams: each reaches the gateway and the others while all of them rekey, and a
# stream of numbered packets loses nothing; then the gateway forbids that they reach each other.
#
#	(c1) to-gw 192.0.2.11 --+
#	(c2) to-gw 192.0.2.12 --+-- bridge lan 192.0.2.1 (gw)
#	...                     |
#	(cN) to-gw 192.0.2.x  --+
#
# Inside the tunnel cI has 10.20.0.(10 + I) and fd20:aa::(10 + I).
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
CLIENTS=${CLIENTS:-50}
[[ $ADIT != *san-* ]] || CLIENTS=12 # the sanitizers look at the same code, only slower
LOG_LINES=${LOG_LINES:-5}
pairs=$((CLIENTS * (CLIENTS - 1)))
mapfile -t names < <(seq -f 'c%g' "$CLIENTS")

inner4()
{
	echo "10.20.0.$((10 + ${1#c}))"
}

inner6()
{
	printf 'fd20:aa::%x\n' $((10 + ${1#c}))
}

make_lan()
{
	local name
	make_ns gw "${names[@]}"
	in_ns gw ip link add lan type bridge
	plug_in gw lan 192.0.2.1/24
	for name in "${names[@]}"; do
		link_ns gw '' "$name" "192.0.2.$((10 + ${name#c}))/24"
		in_ns gw ip link set "to-$name" master lan
	done
	in_ns gw sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
}

entries()
{
	local name
	for name in "${names[@]}"; do
		printf '{ name = "%s"; ipv4 = "%s"; ipv6 = "%s"; } ' "$name" "$(inner4 "$name")" "$(inner6 "$name")"
	done | sed 's/} {/}, {/g'
}

# begin_gateway [KEY=VALUE]...
begin_gateway()
{
	start_server gw gw vpn.test workers=2 'rekey={ seconds = 2; }' "clients=( $(entries))" "$@"
}

begin_clients()
{
	local name
	for name in "${names[@]}"; do
		start_client "$name" "$name" "$name" 192.0.2.1:443 'trust.name="vpn.test"' \
			"transport=\"$( ((${name#c} % 2)) && echo auto || echo tls)\""
	done
}

# all_at GENERATION: every client has a session, and it has come so far
all_at()
{
	ctl gw sessions --json | jq -e "map(select(.connected and .generation >= $1)) | length == $CLIENTS"
}

# in_parallel COMMAND: for each line of the input, as its arguments, 25 at once
in_parallel()
(
	local n=0 line
	while read -ra line; do
		"$1" "${line[@]}" &
		((++n % 25)) || wait
	done
	wait
)

gateway_from()
{
	{ in_ns "$1" ping -c 1 -W 5 10.20.0.1 && in_ns "$1" ping -c 1 -W 5 fd20:aa::1; } >"$WORK/$1.ping" ||
		echo "$1 does not reach the gateway"
}

# reached FAMILY SECONDS: each client pings each other; how many pairs of how many reach each other within that time
reached()
{
	local name
	for name in "${names[@]}"; do
		echo "$NS-$name $("inner$1" "$name")"
	done | "$repo/tests/netns/pingall" "$2"
}

everyone()
{
	printf '%s\n' "${names[@]}"
}

counter()
{
	ctl gw status --json | jq ".counters$1"
}

make_lan
make_pki vpn.test "${names[@]}"
begin_gateway
begin_clients
check "all $CLIENTS are up" try 60 all_at 1

count_start numbered c1 c2 "$(inner4 c2)" 5000 500 10
is "each reaches the gateway" "$(everyone | in_parallel gateway_from)" ''
for family in 4 6; do
	is "each reaches each other by IPv$family" "$(reached $family 5)" "$pairs of $pairs"
done
check "all have had three generations" try 60 all_at 3
is "nothing was lost or doubled between two of them meanwhile" \
	"$(count_result numbered | jq -c '[.received, .lost, .duplicated]')" '[5000,0,0]'
is "no rekey failed" "$(counter .rekey_failures)" 0
is "nothing was dropped on its way in" "$(counter '.ingress | del(.packets) | add')" 0

stop gw
begin_gateway client_to_client=false
check "all come back by themselves to a gateway begun anew" try 60 all_at 1
is "each still reaches the gateway" "$(everyone | in_parallel gateway_from)" ''
for family in 4 6; do
	before=$(counter .ingress.drop_client_to_client)
	is "none reaches another by IPv$family when that is forbidden" "$(reached $family 1)" "0 of $pairs"
	is "and each attempt was counted" "$(($(counter .ingress.drop_client_to_client) - before))" "$pairs"
done
done_testing
