# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What scripts/bench measures at an adit gateway without traffic: session_measure_NAME, in the namespaces "client" and
# "gw". Results go to "emit"; one that cannot be had leaves the reason in $why and returns 1.

seconds=10 quick=0
CROWD=16 # client certificates
SESSIONS=10000 QUICK_SESSIONS=500
LAST_CORE=$(($(nproc) - 1))

# make_crowd: certificates crowd0, crowd1, ...; leaves them in the array "crowd" as tlsload takes them
make_crowd()
{
	local i
	crowd=()
	for ((i = 0; i < CROWD; i++)); do
		[[ -f $PKI/issued/crowd$i.crt ]] || pki client "crowd$i"
		crowd+=("$PKI/issued/crowd$i.crt" "$PKI/private/crowd$i.key")
	done
}

# start_gateway SETTING...: one worker, on core 0 alone
start_gateway()
{
	server_config gw vpn.bench 'addresses.ipv4="10.20.0.0/16"' 'addresses.ipv6=' workers=1 \
		'limits={ unauthenticated = 4096; per_source = 4096; sessions_per_client = 1024; handshake_seconds = 30; }' "$@"
	start gw gw taskset -c 0 "$ADIT" server -c "$WORK/gw.conf"
	wait_event gw 10 event=ready >/dev/null || not_up "the gateway is not ready"
}

# --- full mutual handshakes a second on one core, and what its public-key operations alone allow ---

session_measure_handshakes()
{
	local before busy good failed time
	make_crowd
	start_gateway || return
	before=$(gateway_handshakes) busy=$(run_time gw)
	in_ns client timeout -k 5 $((seconds + 60)) taskset -c $LAST_CORE "$TOOLS/tlsload" handshakes 192.0.2.1 443 \
		"$seconds" "${crowd[@]}" >"$WORK/tlsload" 2>"$WORK/tlsload.log"
	read -r good failed time <"$WORK/tlsload" || not_up "tlsload has no result" || return
	((failed * 100 <= good)) || not_up "$failed of $((good + failed)) failed" || return
	busy=$(($(run_time gw) - busy)) good=$(($(gateway_handshakes) - before))
	((good > 0)) || not_up "the gateway has counted none" || return
	emit handshakes "$(per $good "$time")"
	emit handshakecpu "$(per $busy $((good * 1000000)))"
	stop gw
	emit_ceiling
}

gateway_handshakes()
{
	ctl gw status --json | json_field counters/handshakes
}

# A handshake at the gateway: the key share made and used (X25519 twice), one signature, and three verified, which are
# the client's, its certificate's and that of the revocation list.
emit_ceiling()
{
	local sign verify x25519
	read -r sign verify < <(speed_of ecdsap256 | awk '/nistp256/ { print $(NF - 1), $NF }')
	read -r x25519 < <(speed_of ecdhx25519 | awk '/X25519/ { print $NF }')
	[[ -n ${sign:-} && -n ${x25519:-} ]] || not_up "openssl speed has no result" || return
	emit sign "$sign"
	emit verify "$verify"
	emit x25519 "$x25519"
	emit ceiling "$(awk -v s="$sign" -v v="$verify" -v x="$x25519" 'BEGIN { print 1 / (1 / s + 3 / v + 2 / x) }')"
}

speed_of()
{
	timeout -k 5 60 taskset -c 0 openssl speed -seconds "$(((seconds + 2) / 3))" "$1" 2>>"$WORK/openssl.log"
}

# --- many sessions that say nothing, on both channels ---

session_measure_idle()
{
	local count=$SESSIONS pss rss came time
	((!quick)) || count=$QUICK_SESSIONS
	make_crowd
	start_gateway dpd.seconds=3600 dpd.keepalive_seconds=3600 rekey.seconds=86400 || return
	pss=$(memory_kib Pss) rss=$(memory_kib Rss)
	# Its input never ends, so it stays until it is ended.
	[[ -p $WORK/endless ]] || mkfifo "$WORK/endless"
	rm -f "$WORK/tlsload"
	ip netns exec "$NS-client" taskset -c $LAST_CORE "$TOOLS/tlsload" sessions 192.0.2.1 443 $count "${crowd[@]}" \
		<>"$WORK/endless" >"$WORK/tlsload" 2>"$WORK/tlsload.log" &
	try $((count / 20 + 60)) load_stands $! && [[ -s $WORK/tlsload ]] ||
		not_up "the sessions do not come up: $(head -n 1 "$WORK/tlsload.log")" || return
	read -r came time <"$WORK/tlsload"
	((came == count)) || not_up "$((count - came)) of $count sessions were refused" || return
	ctl gw sessions --json >"$WORK/sessions"
	((count == $(grep -o '"name"' "$WORK/sessions" | wc -l))) || not_up "sessions were lost" || return
	((count == $(grep -o '"transport": *"dtls"' "$WORK/sessions" | wc -l))) || not_up "not all are on datagrams" || return
	emit idlecount $count
	emit idletime "$time"
	emit idlepss "$(per $(($(memory_kib Pss) - pss)) $count)"
	emit idlerss "$(per $(($(memory_kib Rss) - rss)) $count)"
}

# load_stands PID: or has ended without
load_stands()
{
	[[ -s $WORK/tlsload ]] || has_ended "$1"
}

# memory_kib Pss|Rss: of the gateway's processes together
memory_kib()
{
	local pid sum=0
	for pid in $(ip netns pids "$NS-gw"); do
		sum=$((sum + $(awk -v what="$1:" '$1 == what { print $2 }' "/proc/$pid/smaps_rollup")))
	done
	echo $sum
}

# --- a rekey of both channels, by the processor time of both ends with and without, and by what a flow loses ---

session_measure_rekey()
{
	rekey_cost && rekey_flows dtls dtls && rekey_flows tls tls && rekey_flows udp dtls -u -b 5G -l 1372
}

rekey_cost()
{
	local -A idle=() busy=()
	rekey_run 86400 || return
	idle=([gw]=$time_gw [client]=$time_client)
	peer_down
	rekey_run 1 || return
	busy=([gw]=$time_gw [client]=$time_client)
	((rekeys > 0)) || not_up "no rekey has happened" || return
	emit rekeygw "$(per $((busy[gw] - idle[gw])) $((rekeys * 1000000)))"
	emit rekeyclient "$(per $((busy[client] - idle[client])) $((rekeys * 1000000)))"
	peer_down
}

# rekey_run SECONDS: a gateway and a client that rekey so often. Leaves in $rekeys how often they did, and in $time_gw
# and $time_client the nanoseconds that each has run meanwhile.
rekey_run()
{
	local generation
	start_gateway "rekey.seconds=$1" || return
	start_client alice client alice 192.0.2.1:443 'trust.name="vpn.bench"' 'transport="dtls"' "rekey.seconds=$1"
	wait_event alice 15 'event=up|session' >/dev/null || not_up "the client does not come up" || return
	try 10 adit_carries_by dtls || not_up "packets do not go by dtls" || return
	sleep 1
	generation=$(generation_now) time_gw=$(run_time gw) time_client=$(run_time client)
	sleep $((2 * seconds + 3))
	time_gw=$(($(run_time gw) - time_gw)) time_client=$(($(run_time client) - time_client))
	rekeys=$(($(generation_now) - generation))
	try 2 adit_carries_by dtls || not_up "packets no longer go by dtls"
}

# rekey_flows NAME TRANSPORT OPTION...: a flow of iperf3 without and one with a rekey a second, each twice; the order meets
# what drifts
rekey_flows()
{
	local kind rate again name=$1 transport=$2
	shift 2
	local -A sum=([plain]=0 [rekey]=0) interval=([plain]=86400 [rekey]=1)
	target=10.20.0.1
	server_config gw vpn.bench # as users have it: on all cores
	start_adit gw gw server -c "$WORK/gw.conf"
	wait_event gw 10 event=ready >/dev/null || not_up "the gateway is not ready" || return
	for kind in plain rekey rekey plain; do
		rekey_flow "$transport" "${interval[$kind]}" "$@" || return
		emit "$kind$name" "$rate" "$again"
		sum[$kind]=$(awk -v a="${sum[$kind]}" -v b="$rate" 'BEGIN { print a + b }')
	done
	emit "rekeyratio$name" "$(per "${sum[rekey]}" "${sum[plain]}")"
	peer_down
}

# rekey_flow TRANSPORT SECONDS OPTION...: by a client that rekeys so often; leaves the Mbit/s in $rate, and in $again what was sent again
rekey_flow()
{
	local before length=$((seconds + 2))
	start_client alice client alice 192.0.2.1:443 'trust.name="vpn.bench"' "transport=\"$1\"" "rekey.seconds=$2"
	wait_event alice 15 'event=up|session' >/dev/null || not_up "the client does not come up" || return
	try 10 adit_carries_by "$1" || not_up "packets do not go by $1" || return
	try 5 answers "$target" || not_up "no answer" || return
	start iperf3-5201 gw iperf3 -s --one-off
	try 5 listens gw tcp 5201 || not_up "iperf3 does not listen" || return
	before=$(generation_now)
	flow 5201 -t $length "${@:3}"
	read -r rate again < <(flows_result 5201) || not_up "iperf3 has no result" || return
	(($2 > 1 || $(generation_now) - before >= length / 2)) || not_up "the rekeys did not come" || return
	wait_exit iperf3-5201
	stop alice
}

generation_now()
{
	ctl alice sessions --json | json_field 0/generation
}

# run_time NS: nanoseconds that the threads of all processes there have run
run_time()
{
	local pid
	for pid in $(ip netns pids "$NS-$1"); do
		cat /proc/"$pid"/task/*/schedstat
	done | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}
