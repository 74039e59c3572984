# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# What every network-namespace test needs: namespaces and links with the process id in their names, daemons whose logs
# explain a failure, certificates, configurations, waiting for events; and all of it gone at the end.
#
#	. "$(dirname "$0")/lib.sh"
#	make_ns gw client
#	link_ns gw 192.0.2.1/24 client 192.0.2.2/24
#	make_pki vpn.test alice
#	start_server gw gw vpn.test 'rekey={ seconds = 1; }'
#	start_client alice client alice 192.0.2.1:443 'trust.name="vpn.test"'
#	check "the client is up" wait_event alice 10 'event=up|session'
#	check "the gateway answers" in_ns client ping -c 1 10.20.0.1
#	done_testing
#
# ADIT is the program under test, ADIT_CTL what asks it as the operator (ADIT, unless it is said); UDPCOUNT the packet
# counter. $WORK holds the files of one run.
set -u
repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tests/tap.sh
. "$repo/tests/tap.sh"

ADIT=$(realpath -m "${ADIT:-$repo/build/adit}")
ADIT_KEYLOG=$(realpath -m "${ADIT_KEYLOG:-$repo/build/keylog/adit}") # the test build that writes TLS key log lines
ADIT_CTL=$(realpath -m "${ADIT_CTL:-$ADIT}")
UDPCOUNT=$(realpath -m "${UDPCOUNT:-$repo/build/netns/udpcount}")

# bail_out WHY: nothing can be said about the program
bail_out()
{
	echo "Bail out! $1"
	exit 1
}

# lacks WHAT: leave the scenario out for want of it. Where all is supposed to be there (CHECK_ALL=1), that is a failure.
lacks()
{
	[[ ${CHECK_ALL:-0} = 0 ]] || {
		not_ok "needs $1"
		print_plan_and_exit
	}
	skip_all "needs $1"
}

# needs_programs NAME...
needs_programs()
{
	local name
	for name; do
		command -v "$name" >/dev/null || lacks "$name"
	done
}

[[ $(id -u) = 0 ]] || lacks root
[[ -x $ADIT ]] || bail_out "$ADIT is not built"
[[ -x $ADIT_CTL ]] || bail_out "$ADIT_CTL is not built"
# Many connections at once need more descriptors than a login is given.
ulimit -Sn "$(ulimit -Hn)"

WORK=$(mktemp -d /tmp/adit-XXXXXX)
chmod 0755 "$WORK"
PKI=$WORK/pki
declare -A pid_of=() event_mark=() peer_steps=() peer_answers=()
namespaces=() hung=() running=()
declare -A cores_of=() # of a namespace: what in_ns and start run there keeps to these processors, as taskset -c has them

# The real name of a namespace is $NS-NAME.
NS=adit$$

in_ns()
{
	local ns=$1
	shift
	ip netns exec "$NS-$ns" ${cores_of[$ns]:+taskset -c "${cores_of[$ns]}"} "$@"
}

make_ns()
{
	local name
	for name; do
		# Without it a client would write into the host's.
		{ mkdir -p "/etc/netns/$NS-$name" && : >"/etc/netns/$NS-$name/resolv.conf"; } ||
			bail_out "no resolv.conf for $name"
		ip netns add "$NS-$name"
		namespaces+=("$name")
		ip -n "$NS-$name" link set lo up
	done
}

# link_ns A ADDRESSES B ADDRESSES: a cable between two namespaces; in A it is called to-B, in B to-A. Several addresses
# are separated by commas.
link_ns()
{
	ip -n "$NS-$1" link add "to-$3" type veth peer name "to-$1" netns "$NS-$3"
	plug_in "$1" "to-$3" "$2"
	plug_in "$3" "to-$1" "$4"
	[[ $2$4 != *:* ]] || try 5 both_hear "$@" || diag "no IPv6 between $1 and $3"
}

# both_hear A - B: the kernel hears that a cable is plugged in at both ends up to a second later, and only then gives the
# devices their link-local addresses and takes multicast, which IPv6 finds its neighbours by.
both_hear()
{
	[[ $(ip -n "$NS-$1" -6 addr show dev "to-$3" scope link) && $(ip -n "$NS-$3" -6 addr show dev "to-$1" scope link) ]]
}

plug_in()
{
	local ns=$1 device=$2 address
	{
		for address in ${3//,/ }; do
			# No duplicate address detection: it would make the first seconds different from the rest.
			case $address in
			*:*) echo "addr add $address dev $device nodad" ;;
			*) echo "addr add $address dev $device" ;;
			esac
		done
		echo "link set $device up"
	} | ip -n "$NS-$ns" -batch -
}

# cut_tcp NS PORT: from now on what comes to NS from that TCP port is answered with a reset
cut_tcp()
{
	in_ns "$1" nft -f - <<-END
		table inet cut {
			chain input {
				type filter hook input priority 0;
				tcp sport $2 reject with tcp reset
			}
		}
	END
}

# start_capture LABEL NS DEVICE FILTER [OPTION]...: from now on what passes there goes to $WORK/LABEL.pcap; options are
# tcpdump's
start_capture()
{
	start "$1" "$2" tcpdump -i "$3" -B 65536 -w "$WORK/$1.pcap" -U "${@:5}" "($4) or udp port 9"
	try 5 grep -q listening "$WORK/$1.log" || diag "no capture $1"
}

# stop_capture LABEL NS ADDRESS: ends it when it has caught up. The kernel hands packets over in blocks, and what it still
# holds is lost with the process; a packet from NS to ADDRESS marks the end.
stop_capture()
{
	in_ns "$2" bash -c "echo end >/dev/udp/$3/9"
	try 15 has_end "$1" || diag "the capture $1 did not reach its end"
	stop "$1"
}

has_end()
{
	[[ -n $(tcpdump -r "$WORK/$1.pcap" -n udp port 9 2>>"$WORK/tcpdump.log") ]]
}

# For tests that judge times: whatever else the machine does comes after us and what we start.
take_precedence()
{
	renice -n -10 -p $$ >/dev/null
}

# start LABEL NS COMMAND...: in the background, its output in $WORK/LABEL.log
start()
{
	local label=$1 ns=$2
	shift 2
	# Not by in_ns: the process id must be the command's, not a subshell's.
	ip netns exec "$NS-$ns" ${cores_of[$ns]:+taskset -c "${cores_of[$ns]}"} "$repo/tests/netns/apart" "$@" \
		>>"$WORK/$label.log" 2>&1 &
	pid_of[$label]=$!
}

# start_adit LABEL NS ARGUMENTS...
start_adit()
{
	local label=$1 ns=$2
	shift 2
	start "$label" "$ns" "$ADIT" "$@"
}

# stop LABEL [SIGNAL]: end it and return its exit status
stop()
{
	local status=0
	kill -s "${2:-TERM}" "${pid_of[$1]}"
	wait_exit "$1" || status=$?
	# 143: most that are not adit do not catch SIGTERM
	((status == 0 || status == 143)) || echo "$1: exit status $status" >&2
	return $status
}

# wait_exit LABEL [SECONDS]: until it has ended; returns its exit status. One that does not end is killed, which fails
# the scenario at its end: here the caller may be a check, whose output is not shown.
wait_exit()
{
	local pid=${pid_of[$1]}
	try "${2:-20}" has_ended "$pid" || {
		hung+=("$1")
		kill -s KILL "$pid"
	}
	unset "pid_of[$1]"
	wait "$pid"
}

# exits LABEL STATUS [SECONDS]: whether it ends, and with that status
exits()
{
	local status=0
	try "${3:-15}" has_ended "${pid_of[$1]}" || return 1
	wait_exit "$1" || status=$?
	((status == $2)) || {
		echo "exit status $status, not $2"
		return 1
	}
}

# has_ended PID: one that was started here; its number may be another's by now
has_ended()
{
	local pid
	running_jobs
	for pid in "${running[@]}"; do
		((pid != $1)) || return 1
	done
}

# running_jobs: their process ids in the array "running"; by a file, for a pipe would take a process each time
running_jobs()
{
	jobs -pr >"$WORK/jobs"
	mapfile -t running <"$WORK/jobs"
}

not_running()
{
	! kill -0 "$1" 2>/dev/null
}

# said LABEL PATTERN: whether its output has such a line, or will soon
said()
{
	try 5 grep -qE "$2" "$WORK/$1.log"
}

# try SECONDS COMMAND...: until it succeeds; for what no event tells
try()
{
	local end=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
	shift
	until "$@" >/dev/null 2>&1; do
		((${EPOCHREALTIME/[.,]/} < end)) || return 1
		sleep 0.1 # not read -t, in which bash falls over when a signal comes
	done
}

# make_pki SERVER CLIENT...: an authority, a gateway of that name and clients in $PKI
make_pki()
{
	local server=$1 client
	shift
	pki init
	pki server "$server"
	for client; do
		pki client "$client"
	done
}

pki()
{
	"$repo/scripts/adit-pki" --dir "$PKI" "$@" >>"$WORK/pki.log" 2>&1 ||
		diag "adit-pki $*" "$(tail -n 3 "$WORK/pki.log")"
}

# write_config FILE KEY=VALUE...: later settings replace earlier ones of the same key, an empty value removes one.
# "trust.name=..." is one member of a group, "trust={...}" the whole of it.
write_config()
{
	local file=$1 setting key
	local -A value=()
	shift
	for setting; do
		key=${setting%%=*}
		value[$key]=${setting#*=}
		forget_members "$key"
	done
	for key in $(printf '%s\n' "${!value[@]}" | sed 's/[.].*//' | sort -u); do
		if [[ -n ${value[$key]:-} ]]; then
			printf '%s = %s;\n' "$key" "${value[$key]}"
		else
			print_group "$key"
		fi
	done >"$file"
}

# Helpers of write_config, on its array "value": a group given whole replaces members given before.
forget_members()
{
	local member
	for member in "${!value[@]}"; do
		[[ $member != "$1".* ]] || unset "value[$member]"
	done
}

print_group()
{
	local member members=''
	for member in "${!value[@]}"; do
		[[ $member != "$1".* || -z ${value[$member]} ]] || members+=" ${member#*.} = ${value[$member]};"
	done
	[[ -z $members ]] || printf '%s = {%s };\n' "$1" "$members"
}

# server_config LABEL CERTIFICATE [KEY=VALUE]...: $WORK/LABEL.conf
server_config()
{
	local label=$1 certificate=$2
	shift 2
	write_config "$WORK/$label.conf" 'listen=( { address = "*"; port = 443; } )' \
		"identity.certificate=\"$PKI/issued/$certificate.crt\"" \
		"identity.key=\"$PKI/private/$certificate.key\"" \
		"trust.ca=\"$PKI/ca.crt\"" "trust.crl=\"$PKI/crl.pem\"" 'tunnel.device="adit0"' \
		'addresses.ipv4="10.20.0.0/24"' 'addresses.ipv6="fd20:aa::/64"' \
		"control=\"$WORK/$label.sock\"" 'user="nobody"' "$@"
}

# ocserv_config CERTIFICATE LINE...: $WORK/ocserv.conf for the gateway of that name, with these lines besides
ocserv_config()
{
	local certificate=$1
	shift
	chmod 0755 "$PKI" "$PKI/issued" # ocserv's workers read the certificates again
	cat >"$WORK/ocserv.conf" <<-END
		auth = "certificate"
		ca-cert = $PKI/ca.crt
		server-cert = $PKI/issued/$certificate.crt
		server-key = $PKI/private/$certificate.key
		cert-user-oid = 2.5.4.3
		tcp-port = 443
		run-as-user = nobody
		run-as-group = nogroup
		socket-file = $WORK/ocserv.sock
		pid-file = $WORK/ocserv.pid
		device = vpnt
	END
	printf '%s\n' "$@" >>"$WORK/ocserv.conf"
}

# listens NS tcp|udp PORT: whether somebody there does
listens()
{
	in_ns "$1" ss -Hln "--$2" "sport = :$3" | grep -q .
}

# client_config LABEL CERTIFICATE HOST:PORT [KEY=VALUE]...: $WORK/LABEL.conf
client_config()
{
	local label=$1 certificate=$2 server=$3
	shift 3
	write_config "$WORK/$label.conf" "server=\"$server\"" \
		"identity.certificate=\"$PKI/issued/$certificate.crt\"" \
		"identity.key=\"$PKI/private/$certificate.key\"" \
		"trust.ca=\"$PKI/ca.crt\"" 'tunnel.device="adit0"' "control=\"$WORK/$label.sock\"" 'user="nobody"' "$@"
}

# start_server LABEL NS CERTIFICATE [KEY=VALUE]...: returns when it is ready
start_server()
{
	local label=$1 ns=$2
	shift 2
	server_config "$label" "$@"
	start_adit "$label" "$ns" server -c "$WORK/$label.conf"
	wait_event "$label" 10 event=ready >/dev/null || diag "gateway $label is not ready"
}

# start_client LABEL NS CERTIFICATE HOST:PORT [KEY=VALUE]...: does not wait
start_client()
{
	local label=$1 ns=$2
	shift 2
	client_config "$label" "$@"
	start_adit "$label" "$ns" client -c "$WORK/$label.conf"
}

# Ask a running adit: ctl LABEL COMMAND...
ctl()
{
	local label=$1 command=$2
	shift 2
	"$ADIT_CTL" "$command" --socket "$WORK/$label.sock" "$@"
}

# drops LABEL: its drop counters that are not zero
drops()
{
	ctl "$1" status --json | jq -c '.counters | [.egress, .ingress] | map(with_entries(
		select((.key | startswith("drop_")) and (.key | test("link_local|multicast") | not) and .value > 0)))'
}

# count_datagrams NS / datagram_bytes_out NS: count those of the tunnel that go out there; how many bytes it are by now.
# Not packets: a batch that the kernel cuts later is one.
count_datagrams()
{
	in_ns "$1" nft -f - <<-END
		table inet t {
			counter out {}
			chain output { type filter hook output priority 0; udp dport 443 counter name out; udp sport 443 counter name out; }
		}
	END
}

datagram_bytes_out()
{
	in_ns "$1" nft -j list counter inet t out | jq '.nftables[] | select(.counter) | .counter.bytes'
}

# deafen NS... / undeafen NS...: whether datagrams of the tunnel vanish on arrival there. A rule at the output would be an
# error to the sender.
deafen()
{
	local ns
	for ns; do
		in_ns "$ns" nft 'add table inet deaf; add chain inet deaf c { type filter hook input priority -10; };
			add rule inet deaf c udp dport 443 drop; add rule inet deaf c udp sport 443 drop'
	done
}

undeafen()
{
	local ns
	for ns; do
		in_ns "$ns" nft delete table inet deaf
	done
}

# strays LABEL: what it has dropped of records that came twice, late, or under keys that it has not
strays()
{
	ctl "$1" status --json | jq -r '.counters.ingress | to_entries
		| map(select((.key | test("drop_(record|epoch|replay|tag|hello|cookie|app_id|stray)")) and .value > 0))
		| map("\(.key)+\(.value)") | join(" ")'
}

# wait_event LABEL SECONDS FIELD=PATTERN...: until the adit of that label reports such an event, and prints it. What
# lives already is reported first, so 'event=up|session' means "up by now". Patterns: see tests/netns/await.
wait_event()
{
	local label=$1 seconds=$2
	shift 2
	"$repo/tests/netns/await" "$seconds" "$@" -- "$ADIT_CTL" events --socket "$WORK/$label.sock" --json
}

# record_events LABEL: from now on every event goes to $WORK/LABEL.events; returns when the recording has begun
record_events()
{
	"$ADIT_CTL" events --socket "$WORK/$1.sock" --json >"$WORK/$1.events" 2>>"$WORK/$1.log" &
	pid_of[events-$1]=$!
	event_mark[$1]=0
	wait_record "$1" 5 event=ready >/dev/null || diag "no events of $1"
}

# wait_record LABEL SECONDS FIELD=PATTERN...: like wait_event, in what record_events wrote since it began, or since
# mark_events
wait_record()
{
	local label=$1 seconds=$2 from=$((${event_mark[$1]:-0} + 1))
	shift 2
	"$repo/tests/netns/await" "$seconds" "$@" -- tail -n "+$from" -f "$WORK/$label.events"
}

# never_recorded LABEL REGEX FIELD=PATTERN...: whether no line in what wait_record looks at matches. That all was recorded
# is shown by another event, one that the caller knows to come later than what must not be there.
never_recorded()
{
	local label=$1 regex=$2
	shift 2
	wait_record "$label" 15 "$@" && ! tail -n "+$((${event_mark[$label]:-0} + 1))" "$WORK/$label.events" | grep -E "$regex"
}

# mark_events LABEL: what was recorded so far is no longer looked at
mark_events()
{
	event_mark[$1]=$(wc -l <"$WORK/$1.events")
}

# start_peer LABEL NS ARGUMENTS...: a rawpeer (tests/netns/rawpeer) that waits for steps
start_peer()
{
	local label=$1 ns=$2 to from
	shift 2
	mkfifo "$WORK/$label.steps" "$WORK/$label.answers"
	# Both ends of each pipe stay open here, so nothing that opens one has to wait for the other.
	exec {to}<>"$WORK/$label.steps" {from}<>"$WORK/$label.answers"
	peer_steps[$label]=$to
	peer_answers[$label]=$from
	ip netns exec "$NS-$ns" "$repo/tests/netns/rawpeer" "$@" \
		<"$WORK/$label.steps" >"$WORK/$label.answers" 2>>"$WORK/$label.log" &
	pid_of[$label]=$!
}

# tell LABEL STEP [ARGUMENT]...: have a rawpeer do this, print its answer
tell()
{
	local label=$1 answer
	shift
	echo "$*" >&"${peer_steps[$label]}"
	read -r -t 60 answer <&"${peer_answers[$label]}" || answer="no answer to $1"
	echo "$answer"
}

# count_start LABEL FROM_NS TO_NS TO_ADDRESS PORT RATE SECONDS [SIZE]: numbered packets from one namespace to an address
# in another; count_result LABEL waits for the end (ten minutes at most) and prints the receiver's JSON
count_start()
{
	local label=$1 from=$2 to=$3 address=$4 port=$5 rate=$6 seconds=$7
	rm -f "$WORK/$label".{recv,send,log} # of an earlier count
	ip netns exec "$NS-$to" "$UDPCOUNT" recv "$address" "$port" 30 >"$WORK/$label.recv" 2>"$WORK/$label.log" &
	pid_of[$label-recv]=$!
	try 5 grep -q listening "$WORK/$label.log" || diag "no receiver $label"
	ip netns exec "$NS-$from" "$UDPCOUNT" send "$address" "$port" "$rate" "$seconds" "${8:-200}" \
		>"$WORK/$label.send" 2>&1 &
	pid_of[$label-send]=$!
}

count_result()
{
	try 600 test -s "$WORK/$1.send" -a -s "$WORK/$1.recv"
	cat "$WORK/$1.recv"
}

# count_stop LABEL: enough of it; count_result then tells of what has been sent by now
count_stop()
{
	try 5 grep -q receiving "$WORK/$1.log" || diag "nothing of $1 arrives"
	kill -s INT "${pid_of[$1-send]}"
}

# json_field PATH: of the JSON on standard input, for example sessions/0/name
json_field()
{
	perl -MJSON::XS -e 'local $/; my $at = decode_json(<STDIN>);
		$at = ref $at eq "ARRAY" ? $at->[$_] : $at->{$_} for split m{/}, $ARGV[0];
		print $at // "", "\n"' "$1"
}

# difference BEFORE AFTER PATH REGEX: how the numbers whose names match differ in two answers of "status --json", for
# example "drop_source+1", in the order of their names
difference()
{
	perl -MJSON::XS -e 'my ($path, $regex) = splice @ARGV, 2;
		my ($a, $b) = map { my $at = decode_json($_); $at = $at->{$_} for split m{/}, $path; $at } @ARGV;
		print join(" ", map { "$_+" . ($b->{$_} - $a->{$_}) }
			grep { /^(?:$regex)$/ && $b->{$_} != $a->{$_} } sort keys %$b), "\n"' "$@"
}

show_logs()
{
	local log
	for log in "$WORK"/*.log; do
		[[ ! -s $log ]] || diag "--- $(basename "$log")" "$(tail -n "${LOG_LINES:-60}" "$log")"
	done
}

# Reports of the sanitizers, in whatever daemon, fail the test.
check_sanitizers()
{
	! grep -sqE '(ERROR|WARNING|FATAL): [A-Za-z]+Sanitizer|Sanitizer: ?(CHECK|DEADLYSIGNAL|nested bug)|Sanitizer has encountered|runtime error:' "$WORK"/*.log ||
		not_ok "no sanitizer report"
}

# End everything, then judge.
done_testing()
{
	local label
	stop_all
	for label in "${hung[@]}"; do
		not_ok "$label ends when it should"
	done
	check_sanitizers
	((tap_failed == 0)) || show_logs
	print_plan_and_exit
}

# Only those that still run: the number of one that has ended may be another's by now.
stop_all()
{
	local pid
	for pid in $(jobs -pr); do
		kill "$pid" 2>/dev/null
	done
	try 6 none_runs || {
		# One that was told before it had become its program may have missed it.
		for pid in $(jobs -pr); do
			kill -s KILL "$pid" 2>/dev/null
		done
		try 5 none_runs
	}
	pid_of=()
}

none_runs()
{
	running_jobs
	((${#running[@]} == 0))
}

# Everything that runs in our own namespaces is ours: engines outlive a monitor that was killed, for instance.
cleanup()
{
	local name pid
	# Go on to the end, whatever has gone before us and whoever is impatient.
	set +e
	trap '' INT TERM HUP
	stop_all
	for name in "${namespaces[@]}"; do
		for pid in $(ip netns pids "$NS-$name"); do
			kill -s KILL "$pid" 2>/dev/null
		done
		ip netns del "$NS-$name"
		rm -rf "/etc/netns/$NS-$name"
	done
	if [[ -n ${KEEP_WORK:-} ]]; then
		diag "files in $WORK"
	else
		rm -rf "$WORK"
	fi
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP
