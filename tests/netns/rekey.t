#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Sessions move to a new generation thirty times under load, one whose packets go by datagrams and one by the stream: every
# packet arrives once, and each generation is a full handshake with new key shares and both certificates. Then each of
# the other reasons to move: records, bytes, a wish.
#
#	(alice) to-gw 192.0.2.2 ------------- 192.0.2.1 to-alice (gw), TLS captured here
#	adit0 10.20.0.7, fd20:aa::7 . tunnel . 10.20.0.1, fd20:aa::1 adit0
#	(bob) to-gw 198.51.100.2 ------------ 198.51.100.1 to-bob (gw)
#	adit0 10.20.0.8, fd20:aa::8
#
# The gateway is the build that writes TLS key log lines, so that the capture can be read.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
[[ -x $ADIT_KEYLOG ]] || bail_out "$ADIT_KEYLOG is not built"
rekeys=30
seconds_max=300 # for all of them
rate=1000 # packets a second and flow
declare -A transport=([alice]=auto [bob]=tls) by=([alice]=dtls [bob]=tls)
declare -A outer=([alice]=192.0.2.1 [bob]=198.51.100.1) host=([alice]=7 [bob]=8)

# begin CLIENT GATEWAY_SETTING CLIENT_SETTING: either may be empty
begin()
{
	begin_gateway "$2"
	begin_client "$1" "$3"
}

begin_gateway()
{
	server_config gw vpn.test 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; ipv6 = "fd20:aa::7"; },
		{ name = "bob"; ipv4 = "10.20.0.8"; ipv6 = "fd20:aa::8"; } )' ${1:+"$1"}
	ip netns exec "$NS-gw" "$repo/tests/netns/apart" "$ADIT_KEYLOG" server --keylog-fd 1 -c "$WORK/gw.conf" >>"$WORK/keys" 2>>"$WORK/gw.log" &
	pid_of[gw]=$!
	wait_event gw 10 event=ready >/dev/null || diag "the gateway is not ready"
	record_events gw
}

begin_client()
{
	start_client "$1" "$1" "$1" "${outer[$1]}:443" 'trust.name="vpn.test"' "transport=\"${transport[$1]}\"" ${2:+"$2"}
	wait_event "$1" 15 'event=up|session' >/dev/null || diag "$1 is not up"
	try 10 goes_by "$1" "${by[$1]}" || diag "$1 does not send by ${by[$1]}"
	record_events "$1"
}

# end CLIENT...
end()
{
	local label
	for label in "$@" gw; do
		stop "$label"
		wait_exit "events-$label"
	done
}

# count_all CLIENT SECONDS: flows CLIENT-up4, CLIENT-down4, ...
count_all()
{
	count_start "$1-up4" "$1" gw 10.20.0.1 "500${host[$1]}" $rate "$2"
	count_start "$1-down4" gw "$1" "10.20.0.${host[$1]}" "500${host[$1]}" $rate "$2"
	count_start "$1-up6" "$1" gw fd20:aa::1 "501${host[$1]}" $rate "$2"
	count_start "$1-down6" gw "$1" "fd20:aa::${host[$1]}" "501${host[$1]}" $rate "$2"
}

# session LABEL NAME FIELD: of that peer's session
session()
{
	ctl "$1" sessions --json | jq -r ".[] | select(.name == \"$2\") | .$3"
}

# generation CLIENT
generation()
{
	session gw "$1" generation
}

# goes_by CLIENT TRANSPORT: both ends send so
goes_by()
{
	[[ $(session gw "$1" transport) = "$2" && $(session "$1" vpn.test transport) = "$2" ]]
}

# counter LABEL NAME
counter()
{
	ctl "$1" status --json | perl -MJSON::XS -e 'local $/; print decode_json(<STDIN>)->{counters}{ $ARGV[0] }' "$2"
}

# What the capture shows of each connection, a line each: the client's share, the gateway's, how many Certificate
# messages the client sent, how many the gateway, and "resumed" or "full". tshark names the packets of a handshake.
read_capture()
{
	tshark -r "$WORK/outer.pcap" -o "tls.keylog_file:$WORK/keys" -Y tls.handshake -T fields -e tcp.stream -e ip.src \
		-e tls.handshake.type -e tls.handshake.extensions_key_share_key_exchange \
		-e tls.handshake.extension.type 2>"$WORK/tshark.log" | perl -ne '
		chomp;
		my ($stream, $from, $types, $share, $extensions) = split /\t/;
		my ($c, $side) = ($connections[$stream] //= {}, $from eq "192.0.2.2" ? "client" : "gateway");
		$c->{share}{$side} = $share if $share;
		$c->{certificates}{$side} += grep { $_ == 11 } split /,/, $types;
		$c->{resumed} = 1 if grep { $_ == 41 } split /,/, $extensions // "";
		END {
			printf "%s %s %d %d %s\n", (map { $_->{share}{client}, $_->{share}{gateway} // "none",
				$_->{certificates}{client}, $_->{certificates}{gateway} } $_),
				$_->{resumed} ? "resumed" : "full" for grep { $_->{share}{client} } @connections;
		}'
}

# is_new COLUMN: no value comes twice among the handshakes
is_new()
{
	[[ -z $(awk -v c="$1" '{ print $c }' "$WORK/handshakes" | sort | uniq -d) ]]
}

# moves CLIENT COMMAND...: both ends move to the next generation, once the command has run
moves()
{
	local name=$1 next=$(($(generation "$1") + 1))
	shift
	"$@" && wait_record gw 5 event=rekey "generation>=$next" && wait_record "$name" 5 event=rekey "generation>=$next"
}

# stays CLIENT COMMAND...: the generation is the same after it
stays()
{
	local name=$1 before
	before=$(generation "$1")
	shift
	"$@" && in_ns "$name" ping -c 1 -W 2 10.20.0.1 && [[ $(generation "$name") = "$before" ]]
}

# send FROM TO NUMBER: UDP packets through the tunnel, in a second
send()
{
	in_ns "$1" "$UDPCOUNT" send "$2" 5009 "$3" 1 1300
}

take_precedence
make_ns gw alice bob
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
link_ns gw 198.51.100.1/24 bob 198.51.100.2/24
make_pki vpn.test alice bob

# By time, under load.
start_capture outer gw to-alice 'tcp port 443'
begin_gateway 'rekey.seconds=1'
begin_client alice 'rekey.seconds=1'
begin_client bob 'rekey.seconds=1'
# A sender that the machine held up catches up in a burst, which is not for the device's queue to lose. Nor could it hide
# that adit dawdles: stall.t would tell.
for label in gw alice bob; do
	in_ns $label ip link set adit0 txqueuelen 20000
done
declare -A first=()
flows=()
for name in alice bob; do
	first[$name]=$(generation $name)
	count_all $name $seconds_max
	flows+=("$name-up4" "$name-down4" "$name-up6" "$name-down6")
done
for name in alice bob; do
	check "$name: there are $rekeys rekeys meanwhile" \
		wait_record gw $seconds_max event=rekey name=$name "generation>=$((first[$name] + rekeys))"
done
for flow in "${flows[@]}"; do
	count_stop "$flow"
done
for flow in "${flows[@]}"; do
	result=$(count_result "$flow")
	diag "$flow: $result"
	is "$flow: every packet was sent" "$(json_field failed <"$WORK/$flow.send")" 0
	check "$flow: all the while" test "$(json_field sent <"$WORK/$flow.send")" -ge $((rekeys * rate / 2))
	is "$flow: none was lost" "$(json_field lost <<<"$result")" 0
	is "$flow: none came twice" "$(json_field duplicated <<<"$result")" 0
done
last=$(generation alice)
for name in alice bob; do
	check "$name: its packets went by ${by[$name]}" goes_by $name "${by[$name]}"
	# Under a sanitizer the machine is slow enough for datagrams to be doubted now and then.
	[[ $ADIT == *san-* ]] || check "$name: all the time" never_recorded $name '"transport"' event=rekey "generation>=$((first[$name] + rekeys))"
done
for label in gw alice bob; do
	is "no record met the wrong keys at $label, or came twice" "$(strays $label)" ''
	is "no rekey of $label failed" "$(counter $label rekey_failures)" 0
	is "no stream of $label was lost" "$(counter $label streams_lost)" 0
done
end alice bob
stop_capture outer alice 192.0.2.1

read_capture >"$WORK/handshakes"
check "the capture holds a handshake for each generation" test "$(wc -l <"$WORK/handshakes")" -ge "$last"
check "each has a new share of the client" is_new 1
check "each has a new share of the gateway" is_new 2
is "in each both ends send their certificate, and none resumes" \
	"$(awk '{ print $3, $4, $5 }' "$WORK/handshakes" | sort -u)" "1 1 full"

# By wish.
begin alice '' ''
check "the client's operator begins a generation" moves alice ctl alice rekey
check "the gateway's operator begins a generation" moves alice ctl gw rekey
end alice

# By records and by bytes, whichever end has the limit and whichever sends. Nothing comes back that could wake a sender.
for label in gw alice bob; do
	in_ns $label nft 'add table inet silent; add chain inet silent c { type filter hook input priority 0; };
		add rule inet silent c udp dport 5009 drop'
done
for limits in 'alice gw records_log2=10' 'alice alice records_log2=10' 'bob gw records_log2=10' \
	'bob bob records_log2=10' 'alice gw mib=1' 'bob bob mib=1'; do
	read -r name limited limit <<<"$limits"
	case $limited in
	gw) begin "$name" "rekey.$limit" '' ;;
	*) begin "$name" '' "rekey.$limit" ;;
	esac
	what="by ${by[$name]} $limited"
	check "$what waits for its limit $limit" stays "$name" send "$name" 10.20.0.1 100
	check "$what moves at its limit $limit when the client sends" moves "$name" send "$name" 10.20.0.1 3000
	check "$what moves at its limit $limit when the gateway sends" \
		moves "$name" send gw "10.20.0.${host[$name]}" 3000
	end "$name"
done
done_testing
