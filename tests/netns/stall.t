#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# TCP at full speed through rekeys, one a second: it never stands still for longer than 100 ms, in neither direction,
# whether by datagrams or by the stream.
#
#	(alice) to-gw 192.0.2.2 ------------- 192.0.2.1 to-alice (gw)
#	adit0 10.20.0.7 ............ tunnel ........... 10.20.0.1 adit0
#
# Judged by when the kernel saw data come out of the tunnel. Time in which the machine kept adit or iperf3 from running is
# not counted (waits).
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
declare -A rekeys=([dtls]=10 [tls]=5)

# flow LABEL FROM TO ADDRESS: for $seconds, iperf3 between two namespaces while its data is recorded in LABEL.pcap. All of
# it: one in so many would have to be told by sequence numbers, which rise by many kilobytes at once.
flow()
{
	local label=$1 from=$2 to=$3
	start "$label-server" "$to" iperf3 -s --one-off --forceflush
	start_capture "$label" "$to" adit0 'tcp dst port 5201 and greater 500' -s 100
	try 5 grep -q listening "$WORK/$label-server.log" || diag "no server of $label"
	# It waits until all look on.
	start "$label-client" "$from" sh -c 'kill -s STOP $$ && exec iperf3 "$@"' sh -c "$4" -C cubic -t "$seconds"
	"$repo/tests/netns/waits" "${pid_of[$label-client]}" "${pid_of[$label-server]}" \
		"$(engine_of gw)" "$(engine_of alice)" >"$WORK/$label.waits" &
	pid_of[waits]=$!
	try 5 test -s "$WORK/$label.waits" || diag "nobody watches $label"
	try 5 grep -q '^State:.T' "/proc/${pid_of[$label-client]}/status" || diag "$label did not wait"
	kill -s CONT "${pid_of[$label-client]}"
	wait_exit "$label-client" $((2 * seconds))
	local code=$?
	stop waits
	stop_capture "$label" "$from" "$4"
	return "$code"
}

engine_of()
{
	pgrep -P "${pid_of[$1]}"
}

# stalls LABEL: each silence of the data of more than 100 ms, without the time in which the machine was busy otherwise;
# then from when to when there was data
stalls()
{
	tcpdump -r "$WORK/$1.pcap" -tt -n tcp 2>>"$WORK/tcpdump.log" | perl -MPOSIX=strftime -MList::Util=max,min -e '
		open my $file, "<", $ARGV[0] or die "$ARGV[0]: $!\n";
		my @waits = sort { $a->[0] <=> $b->[0] } map { [split] } <$file>;
		my ($first, $last, $count, $longest) = (undef, undef, 0, 0);
		while (<STDIN>) {
			my ($at) = /^([\d.]+)/ or next;
			my $silence = $at - ($last // $at);
			judge($last, $at) if $silence > 0.1;
			$longest = max($longest, $silence);
			($first, $last) = ($first // $at, $at);
			$count++;
		}
		printf "longest silence %.1f ms among %d packets in %.1f s\n", 1e3 * $longest, $count, ($last // 0) - ($first // 0);
		sub judge {
			my ($from, $to) = @_;
			my ($ran, $at) = ($to - $from, $from);
			for my $w (grep { $_->[1] > $from && $_->[0] < $to } @waits) {
				my ($begin, $end) = (max($at, $w->[0]), min($to, $w->[1]));
				$ran -= max(0, $end - $begin);
				$at = max($at, $end);
			}
			printf "%s at %s%03dZ: %.0f ms, of which the machine ran for %.0f\n", $ran > 0.1 ? "stall" : "excused",
				strftime("%T.", gmtime $from), 1e3 * ($from - int $from), 1e3 * ($to - $from), 1e3 * $ran;
		}
	' "$WORK/$1.waits"
}

flows_on()
{
	grep -q ' among [0-9]\{4,\} packets' "$WORK/$1.stalls" && ! grep '^stall' "$WORK/$1.stalls"
}

# lasts LABEL: the data comes nearly as long as iperf3 was to send it; a silence that goes on to the end shows here only
lasts()
{
	awk -v wanted="$seconds" '/^longest/ { print; good = $(NF - 1) >= wanted - 0.5 } END { exit !good }' "$WORK/$1.stalls"
}

generation()
{
	ctl gw sessions --json | perl -MJSON::XS -e 'local $/; print decode_json(<STDIN>)->[0]{generation}'
}

# goes_by TRANSPORT: both ends send so
goes_by()
{
	local label
	for label in gw alice; do
		[[ $(ctl "$label" sessions --json | json_field 0/transport) = "$1" ]] || return 1
	done
}

take_precedence
make_ns gw alice
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
make_pki vpn.test alice
start_server gw gw vpn.test 'rekey.seconds=1' 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; } )'

for by in dtls tls; do
	seconds=$((rekeys[$by] + 4))
	start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"' 'rekey.seconds=1' "transport=\"$by\""
	check "$by: the client is up" try 15 goes_by $by
	for direction in "$by-up alice gw 10.20.0.1" "$by-down gw alice 10.20.0.7"; do
		read -ra arguments <<<"$direction"
		label=${arguments[0]}
		before=$(generation)
		check "$label: iperf3 runs" flow "${arguments[@]}"
		check "$label: there were ${rekeys[$by]} rekeys meanwhile" test $(($(generation) - before)) -ge "${rekeys[$by]}"
		stalls "$label" >"$WORK/$label.stalls"
		diag "$label: $(tail -n 1 "$WORK/$label.stalls")"
		check "$label: data never stood still for more than 100 ms" flows_on "$label"
		check "$label: to the end" lasts "$label"
	done
	check "$by: still" goes_by $by
	stop alice
done
done_testing
