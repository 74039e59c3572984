# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What scripts/bench measures through a tunnel that stands: measure_NAME, to the address in $target. Results go to
# "emit MEASURE VALUE [RETRANSMITTED [DROPPED]]"; one that cannot be had returns 1. All times follow $seconds.

seconds=10 quick=0 target=''
FLOW_PORTS=(5201 5202 5203 5204)

start_listeners()
{
	local port
	for port in "${FLOW_PORTS[@]}"; do
		start "iperf3-$port" gw iperf3 -s -p "$port"
	done
	for port in "${FLOW_PORTS[@]}"; do
		try 5 listens gw tcp "$port" || return 1
	done
}

# What devices and UDP sockets of both ends have dropped so far, and adit itself
losses()
{
	local ns sum
	sum=$(for ns in gw client; do
		in_ns $ns cat /proc/net/dev /proc/net/snmp
	done | awk '
		/:/ && !/^ *lo:/ && NF == 17 { sum += $5 + $13 }
		/^Udp: [0-9]/ { sum += $4 + $7 }
		END { print sum + 0 }')
	[[ ${peer:-} != adit-* ]] || sum=$((sum + $(adit_losses)))
	echo "$sum"
}

# flow PORT OPTION...: one TCP flow between client and gateway; leaves what iperf3 says in $WORK/flow-PORT.json
flow()
{
	in_ns client timeout -k 5 $((10 * seconds + 60)) iperf3 -c "$target" -p "$1" -C cubic -l 1M -J "${@:2}" \
		>"$WORK/flow-$1.json" 2>>"$WORK/iperf3.log"
}

# flows_result PORT...: their Mbit/s as received, and what they sent again, together
flows_result()
{
	local port
	for port; do
		cat "$WORK/flow-$port.json"
	done | perl -MJSON::XS -e 'local $/; my ($rate, $again) = (0, 0);
		my @flows = JSON::XS->new->incr_parse(scalar <STDIN> // "");
		die "iperf3 says nothing\n" unless @flows == $ARGV[0];
		for my $flow (@flows) {
			my $end = $flow->{end};
			die "iperf3: " . ($flow->{error} // "no bytes") . "\n" unless $end->{sum_received}{bytes};
			$rate += $end->{sum_received}{bits_per_second} / 1e6;
			$again += $end->{sum_sent}{retransmits} // 0;
		}
		printf "%.1f %d\n", $rate, $again' $#
}

# one_flow MEASURE OPTION...
one_flow()
{
	local before rate again
	before=$(losses)
	flow 5201 "${@:2}"
	read -r rate again < <(flows_result 5201) || return 1
	emit "$1" "$rate" "$again" $(($(losses) - before))
}

measure_up()
{
	one_flow up -t "$seconds"
}

measure_down()
{
	one_flow down -t "$seconds" -R
}

measure_four()
{
	local before rate again port pids=()
	before=$(losses)
	for port in "${FLOW_PORTS[@]}"; do
		flow "$port" -t "$seconds" &
		pids+=($!)
	done
	wait "${pids[@]}"
	read -r rate again < <(flows_result "${FLOW_PORTS[@]}") || return 1
	emit four "$rate" "$again" $(($(losses) - before))
}

# Small packets: more than can get through are sent, one by one and in runs of 64; those that arrive are counted.
measure_small()
{
	local size
	for size in 64 256 1280; do
		flood_of small $size || return 1
	done
	for size in 64 1280; do
		flood_of runs $size runs || return 1
	done
	try 5 answers "$target" # behind all that still waits in the queues, which would be measured with what comes next
}

# flood_of MEASURE SIZE [runs]. What sends never rests, so it is on whichever processor is free: on the client's own it
# would take half of that from the client.
flood_of()
{
	local ms=$((300 * seconds)) counter packets time
	: >"$WORK/flood.log"
	in_ns gw timeout -k 5 $((ms / 1000 + 15)) "$TOOLS/flood" count "$target" 6000 $ms >"$WORK/flood" 2>"$WORK/flood.log" &
	counter=$!
	try 5 grep -q listening "$WORK/flood.log" || return 1
	ip netns exec "$NS-client" timeout -k 5 $((ms / 1000 + 15)) "$TOOLS/flood" send "$target" 6000 "$2" $((ms + 200)) "${@:3}" \
		>"$WORK/flood-sent"
	wait $counter
	read -r packets time <"$WORK/flood" || return 1
	emit "$1$2" "$(per "$packets" "$time")"
	read -r packets time <"$WORK/flood-sent" || return 1
	emit "sent$1$2" "$(per "$packets" "$time")"
}

# per A B: A / B
per()
{
	awk -v a="$1" -v b="$2" 'BEGIN { printf "%.3f\n", a / b }'
}

# round_trips NAME: median and 99th percentile in microseconds of a ping each 10 ms
round_trips()
{
	local count=$((50 * seconds)) got
	in_ns client timeout -k 5 $((seconds + 20)) ping -n -i 0.01 -c $count -W 1 "$target" |
		sed -n 's/.*time=\([0-9.]*\) ms/\1/p' | sort -g >"$WORK/round-trips"
	got=$(wc -l <"$WORK/round-trips")
	((got > 0)) || return 1
	emit "$1" "$(percentile 50 "$got")" '' $((count - got))
	emit "${1}99" "$(percentile 99 "$got")" '' $((count - got))
}

# percentile P COUNT: of the sorted milliseconds in $WORK/round-trips, in microseconds; the nearest rank
percentile()
{
	awk -v rank=$((($1 * $2 + 99) / 100)) 'NR == rank { printf "%.0f\n", 1000 * $1 }' "$WORK/round-trips"
}

measure_ping()
{
	round_trips ping
}

# Beside a flow of 1 Gbit/s, or of what the tunnel can do; small writes, for a burst would be measured with them.
measure_load()
{
	local load rate again status=0
	flow 5201 -l 32K -b 1G -t $((seconds + 1)) &
	load=$!
	sleep 0.5
	round_trips load || status=1
	wait $load
	read -r rate again < <(flows_result 5201) || return 1
	emit loadrate "$rate" "$again"
	return $status
}

# Processor time of the whole machine: on a veth much of it falls on the wrong process.
measure_cpu()
{
	local bytes=$(((quick ? 50000000 : 200000000) * seconds)) before busy lost rate again
	lost=$(losses)
	before=$(busy_ticks)
	flow 5201 -n $bytes
	busy=$(($(busy_ticks) - before))
	read -r rate again < <(flows_result 5201) || return 1
	emit cpu "$(per $((busy * 1000)) $(($(getconf CLK_TCK) * bytes / 1000000)))" "$again" $(($(losses) - lost))
}

busy_ticks()
{
	awk '/^cpu / { print $2 + $3 + $4 + $7 + $8 }' /proc/stat
}

steal_ticks()
{
	awk '/^cpu / { print $9 }' /proc/stat
}
