#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A session moves to a new generation thirty times under load: every packet arrives once, and each generation is a full
# handshake with new key shares and both certificates. Then each of the other reasons to move: records, bytes, a wish.
#
#	(alice) to-gw 192.0.2.2 ------------- 192.0.2.1 to-alice (gw), TLS captured here
#	adit0 10.20.0.7, fd20:aa::7 . tunnel . 10.20.0.1, fd20:aa::1 adit0
#
# The gateway is the build that writes TLS key log lines, so that the capture can be read.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
[[ -x $ADIT_KEYLOG ]] || bail_out "$ADIT_KEYLOG is not built"
rekeys=30
seconds_max=300 # for all of them
rate=2000 # packets a second and flow
flows='up4 down4 up6 down6'

# begin GATEWAY_SETTING CLIENT_SETTING: either may be empty
begin()
{
	server_config gw vpn.test 'clients=( { name = "alice"; ipv4 = "10.20.0.7"; ipv6 = "fd20:aa::7"; } )' ${1:+"$1"}
	ip netns exec "$NS-gw" "$repo/tests/netns/apart" "$ADIT_KEYLOG" server --keylog-fd 1 -c "$WORK/gw.conf" >>"$WORK/keys" 2>>"$WORK/gw.log" &
	pid_of[gw]=$!
	wait_event gw 10 event=ready >/dev/null || diag "the gateway is not ready"
	start_client alice alice alice 192.0.2.1:443 'trust.name="vpn.test"' ${2:+"$2"}
	wait_event alice 15 'event=up|session' >/dev/null || diag "the client is not up"
	record_events gw
	record_events alice
}

end()
{
	stop alice
	stop gw
	wait_exit events-alice
	wait_exit events-gw
}

count_all()
{
	count_start up4 alice gw 10.20.0.1 5001 $rate "$1"
	count_start down4 gw alice 10.20.0.7 5001 $rate "$1"
	count_start up6 alice gw fd20:aa::1 5002 $rate "$1"
	count_start down6 gw alice fd20:aa::7 5002 $rate "$1"
}

generation()
{
	ctl "$1" sessions --json | perl -MJSON::XS -e 'local $/; print decode_json(<STDIN>)->[0]{generation}'
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

# moves COMMAND...: both ends move to the next generation, once the command has run
moves()
{
	local next=$(($(generation gw) + 1))
	"$@" && wait_record gw 5 event=rekey "generation>=$next" && wait_record alice 5 event=rekey "generation>=$next"
}

# stays COMMAND...: the generation is the same after it
stays()
{
	local before
	before=$(generation gw)
	"$@" && in_ns alice ping -c 1 -W 2 10.20.0.1 && [[ $(generation gw) = "$before" ]]
}

# send FROM TO NUMBER: UDP packets through the tunnel, in a second
send()
{
	in_ns "$1" "$UDPCOUNT" send "$2" 5009 "$3" 1 1300
}

take_precedence
make_ns gw alice
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
make_pki vpn.test alice

# By time, under load.
start_capture outer gw to-alice 'tcp port 443'
begin 'rekey.seconds=1' 'rekey.seconds=1'
# A sender that the machine held up catches up in a burst, which is not for the device's queue to lose. Nor could it hide
# that adit dawdles: stall.t would tell.
for label in gw alice; do
	in_ns $label ip link set adit0 txqueuelen 20000
done
first=$(generation gw)
count_all $seconds_max
check "there are $rekeys rekeys meanwhile" wait_record gw $seconds_max event=rekey "generation>=$((first + rekeys))"
for flow in $flows; do
	count_stop "$flow"
done
for flow in $flows; do
	result=$(count_result "$flow")
	diag "$flow: $result"
	is "$flow: every packet was sent" "$(json_field failed <"$WORK/$flow.send")" 0
	check "$flow: all the while" test "$(json_field sent <"$WORK/$flow.send")" -ge $((rekeys * rate / 2))
	is "$flow: none was lost" "$(json_field lost <<<"$result")" 0
	is "$flow: none came twice" "$(json_field duplicated <<<"$result")" 0
done
last=$(generation gw)
for label in gw alice; do
	is "no rekey of $label failed" "$(counter $label rekey_failures)" 0
	is "no stream of $label was lost" "$(counter $label streams_lost)" 0
done
end
stop_capture outer alice 192.0.2.1

read_capture >"$WORK/handshakes"
check "the capture holds a handshake for each generation" test "$(wc -l <"$WORK/handshakes")" -ge "$last"
check "each has a new share of the client" is_new 1
check "each has a new share of the gateway" is_new 2
is "in each both ends send their certificate, and none resumes" \
	"$(awk '{ print $3, $4, $5 }' "$WORK/handshakes" | sort -u)" "1 1 full"

# By wish.
begin '' ''
check "the client's operator begins a generation" moves ctl alice rekey
check "the gateway's operator begins a generation" moves ctl gw rekey
end

# By records and by bytes, whichever end has the limit and whichever sends. Nothing comes back that could wake a sender.
for label in gw alice; do
	in_ns $label nft 'add table inet silent; add chain inet silent c { type filter hook input priority 0; };
		add rule inet silent c udp dport 5009 drop'
done
for limit in rekey.records_log2=10 rekey.mib=1; do
	for limited in gw alice; do
		case $limited in
		gw) begin $limit '' ;;
		alice) begin '' $limit ;;
		esac
		check "$limited waits for its limit $limit" stays send alice 10.20.0.1 100
		check "$limited moves at its limit $limit when the client sends" moves send alice 10.20.0.1 3000
		check "$limited moves at its limit $limit when the gateway sends" moves send gw 10.20.0.7 3000
		end
	done
done
done_testing
