#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The memory of all processes after several rekeys: the keys of the present generation, of its stream and of its
# datagrams, are in the engines, those of older generations nowhere, and none at all are in the monitors, nor in the
# gateway when the client has left. What datagram keys are made of goes with the handshake. The private key that the
# client's profile holds itself is in neither of its processes as the text it was.
#
#	(alice) to-gw 192.0.2.2 ------------- 192.0.2.1 to-alice (gw)
#	adit0 10.20.0.7 ............ tunnel ........... 10.20.0.1 adit0
#
# Either end in turn is the build that writes TLS key log lines; the other is as users have it. The gateway protects records
# by EVP, the client by ipsec-mb where it is installed, so the memory of both is looked at.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
MEMSCAN=$(realpath -m "${MEMSCAN:-$repo/build/netns/memscan}")
for program in "$ADIT_KEYLOG" "$MEMSCAN"; do
	[[ -x $program ]] || bail_out "$program is not built"
done
! nm "$ADIT" | grep -qE '__(asan|tsan)_init' || skip_all "sanitizers keep freed memory and stacks of their own"
rekeys=6

# begin LOGGER: gateway and client, the key log of one in $WORK/LOGGER.keys
begin()
{
	server_config gw vpn.test 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; } )' 'aead="evp"'
	client_config alice alice 192.0.2.1:443 'trust.name="vpn.test"' "identity.key=\"$key\""
	chmod 0600 "$WORK/alice.conf"
	start_end gw server "$1"
	wait_event gw 10 event=ready >/dev/null || diag "the gateway is not ready"
	start_end alice client "$1"
	wait_event alice 15 'event=up|session' >/dev/null || diag "the client is not up"
	try 10 datagrams_of 1 || diag "no datagrams"
}

# datagrams_of GENERATION: its keys are there, and no other flow is
datagrams_of()
{
	(($(grep -c ^DTLS_CLIENT_WRITE_KEY "$WORK/$logger.keys") >= $1)) && [[ $(in_ns alice ss -Hun | wc -l) = 1 ]]
}

# start_end LABEL ROLE LOGGER
start_end()
{
	local program=("$ADIT" "$2")
	[[ $1 != "$3" ]] || program=("$ADIT_KEYLOG" "$2" --keylog-fd 1)
	ip netns exec "$NS-$1" "$repo/tests/netns/apart" "${program[@]}" -c "$WORK/$1.conf" >"$WORK/$1.keys" 2>>"$WORK/$1.log" &
	pid_of[$1]=$!
}

engine_of()
{
	pgrep -P "${pid_of[$1]}"
}

# rekey_once GENERATION: to it, under traffic both ways, and till the old stream and the old datagrams have ended
rekey_once()
{
	in_ns alice ping -q -c 20 -i 0.01 10.20.0.1 &&
		ctl alice rekey && wait_event gw 5 'event=rekey|session' "generation>=$1" &&
		wait_event alice 5 'event=rekey|session' "generation>=$1" &&
		try 7 one_stream && try 7 datagrams_of "$1" && in_ns alice ping -q -c 20 -i 0.01 10.20.0.1
}

one_stream()
{
	[[ $(in_ns gw ss -Htn | wc -l) = 1 && $(in_ns alice ss -Htn | wc -l) = 1 ]]
}

# find_all PID...: what of the generations is in their memory, and where
find_all()
{
	"$MEMSCAN" "$WORK/$logger.keys" "$@" >"$WORK/finds"
}

# holds PID GENERATION LABEL: a secret of that generation is in its memory
holds()
{
	find_all "$1" && awk -v g="$2" -v l="$3" '$2 == g && $3 == l { found = 1 } END { exit !found }' "$WORK/finds"
}

# holds_no LABEL PID...: of any generation
holds_no()
{
	local label=$1
	shift
	find_all "$@" && ! awk -v l="$label" '$3 == l' "$WORK/finds" | sort | uniq -c | grep .
}

# holds_none_before GENERATION PID...
holds_none_before()
{
	local generation=$1
	shift
	find_all "$@" && ! awk -v g="$generation" '$2 < g' "$WORK/finds" | sort | uniq -c | grep .
}

make_ns gw alice
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
make_pki vpn.test alice

# Its text as "secrets" of 48 bytes. The first 48 letters are the same in every key of this kind.
key=$(cat "$PKI/private/alice.key")
grep -v -- ----- <<<"$key" | tr -d '\n' | tail -c +49 | head -c 96 | od -An -v -tx1 -w48 | tr -d ' ' |
	sed 's/^/KEY_TEXT 00 /' >"$WORK/key.keys"

# key_is_in PID: the key's text, or a part of it
key_is_in()
{
	"$MEMSCAN" "$WORK/key.keys" "$1" | sort | uniq -c | grep .
}
check "who has the key's text is found out" key_is_in $$

fastest=evp
! ldconfig -p | grep -qF libIPSec_MB.so.1 || fastest=ipsec-mb

# aead_of LABEL: what its status says
aead_of()
{
	ctl "$1" status --json | json_field aead
}

for logger in gw alice; do
	begin $logger
	is "$logger logs: the gateway protects records by what it was told" "$(aead_of gw)" evp
	is "$logger logs: the client by the fastest that is installed" "$(aead_of alice)" $fastest
	for ((generation = 2; generation <= rekeys + 1; generation++)); do
		check "$logger logs: generation $generation" rekey_once $generation
	done
	is "$logger logs: it has logged every generation" \
		"$(grep -c ^CLIENT_TRAFFIC_SECRET_0 "$WORK/$logger.keys")" $((rekeys + 1))
	is "$logger logs: it has logged the datagrams of each" \
		"$(grep -c ^CLIENT_RANDOM "$WORK/$logger.keys")" $((rekeys + 1))
	for label in gw alice; do
		for secret in CLIENT_TRAFFIC_SECRET_0 SERVER_TRAFFIC_SECRET_0 DTLS_CLIENT_WRITE_KEY DTLS_SERVER_WRITE_KEY \
			EXPORTER_SECRET/psk; do
			check "$logger logs: $secret of now is in the engine of $label" \
				holds "$(engine_of $label)" $((rekeys + 1)) $secret
		done
		check "$logger logs: no master secret of datagrams is in the engine of $label" \
			holds_no CLIENT_RANDOM "$(engine_of $label)"
		try 3 holds_none_before $((rekeys + 1)) "$(engine_of $label)" # the gateway opens what is late for a moment
		check "$logger logs: nothing older is in the engine of $label" \
			holds_none_before $((rekeys + 1)) "$(engine_of $label)"
		check "$logger logs: nothing is in the monitor of $label" \
			holds_none_before $((rekeys + 2)) "${pid_of[$label]}"
	done
	for pid in "${pid_of[alice]}" "$(engine_of alice)"; do
		check "$logger logs: the text of its private key is not in alice's $(<"/proc/$pid/comm") $pid" \
			fails key_is_in "$pid"
	done
	stop alice
	try 5 holds_none_before $((rekeys + 2)) "$(engine_of gw)"
	check "$logger logs: nothing is left in the gateway when the client has gone" \
		holds_none_before $((rekeys + 2)) "$(engine_of gw)"
	stop gw
done
done_testing
