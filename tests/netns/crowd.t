#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Thousands of sessions in one engine with two workers, while an ordinary client rekeys and loses nothing.
#
#	crowd, alice: client ---- gw
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

each=1000 herd=300
[[ $ADIT != *san-* ]] || each=50 herd=60 # the sanitizers look at the same code, only slower
total=$((2 * each + 1))

make_ns gw client
link_ns gw 192.0.2.1/24 client 192.0.2.2/24
make_pki vpn.test crowd1 crowd2 alice herd

# Many more at once than may be in their handshake: those that have begun are finished, so all get through.
start_server gw gw vpn.test workers=1 'limits={ unauthenticated = 16; per_source = 1000; }'
is "$herd clients that come at once all get in" "$(in_ns client "$repo/tests/netns/herd" \
	"$PKI/issued/herd.crt" "$PKI/private/herd.key" 192.0.2.1 443 $herd 60 2>&1 | tail -n 1)" "$herd of $herd"
stop gw

start_server gw gw vpn.test 'addresses.ipv4="10.20.0.0/16"' 'addresses.ipv6=' 'workers=2' 'rekey.seconds=600' 'dpd.seconds=600' \
	"limits.sessions_per_client=$each"
start_client alice client alice 192.0.2.1:443 'trust.name="vpn.test"' 'rekey.seconds=1'
check "an ordinary client is up" wait_event alice 30 "event=up|session"
count_start calm client gw 10.20.0.1 5000 500 600

mkfifo "$WORK/steps"
exec {steps}<>"$WORK/steps"
for name in crowd1 crowd2; do
	ip netns exec "$NS-client" "$repo/tests/netns/crowd" "$PKI/issued/$name.crt" "$PKI/private/$name.key" \
		192.0.2.1 443 $each <"$WORK/steps" >"$WORK/$name.answers" 2>"$WORK/$name.log" &
	pid_of[$name]=$!
done
for name in crowd1 crowd2; do
	check "$each sessions come up" try 300 grep -q up "$WORK/$name.answers"
done
is "the gateway lists them all" "$(ctl gw sessions --json | jq length)" $total
is "each with an address of its own" "$(ctl gw sessions --json | jq '[.[].ipv4] | unique | length')" $total
printf 'go\ngo\n' >&"$steps"
for name in crowd1 crowd2; do
	check "each session answers" try 60 grep -qx "$each" "$WORK/$name.answers"
	wait_exit $name
done

count_stop calm
is "the ordinary client has lost nothing meanwhile" "$(count_result calm | jq -c '[.lost, .duplicated]')" '[0,0]'
check "a gateway with that many ends cleanly" stop gw
done_testing
