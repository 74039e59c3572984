#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A gateway that moves while its clients' name servers lie behind the tunnel, and a resolv.conf that somebody else writes
# meanwhile: the client finds the gateway, and its names are looked up where they should be.
#
#	(client) 192.0.2.2 ----- 192.0.2.1, .3 the gateway's addresses, .53 name server (gw)
#	adit0 10.20.0.x ............ 10.20.0.1, announces 10.20.0.53 as name server, where nobody answers
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
resolv_conf=/etc/netns/$NS-client/resolv.conf

# begin_gateway ADDRESS: there and nowhere else, and the name leads there
begin_gateway()
{
	echo "$1" >"$WORK/address"
	start_server gw gw vpn.test "listen=( { address = \"$1\"; port = 443; } )" 'push.dns=( "10.20.0.53" )' \
		'push.routes=( "10.20.0.0/24" )'
}

# answers_name: the name server is there
answers_name()
{
	in_ns client getent ahostsv4 vpn.test
}

asks()
{
	grep -qx "nameserver $1" "$resolv_conf"
}

make_ns gw client
link_ns gw 192.0.2.1/24,192.0.2.3/24,192.0.2.53/24 client 192.0.2.2/24
make_pki vpn.test alice
echo 192.0.2.1 >"$WORK/address"
# A name server that knows one name: the question comes back with one A record of a second's life (RFC 1035, section 4).
# shellcheck disable=SC2016 # perl expands them
start names gw perl -MIO::Socket::INET -e '
	my $socket = IO::Socket::INET->new(Proto => "udp", LocalAddr => "192.0.2.53", LocalPort => 53) or die "$!\n";
	while (defined $socket->recv(my $query, 512)) {
		open my $file, "<", $ARGV[0] or die "$ARGV[0]: $!\n";
		chomp(my $address = <$file>);
		my ($id, $question) = (substr($query, 0, 2), substr $query, 12);
		my $end = index($question, "\0") + 5;
		my ($type) = unpack "n", substr $question, $end - 4, 2;
		my $answer = $type == 1 ? "\xc0\x0c" . pack("nnNn", 1, 1, 1, 4) . pack "C4", split /\./, $address : "";
		$socket->send($id . "\x81\x80" . pack("n4", 1, length $answer ? 1 : 0, 0, 0) .
			substr($question, 0, $end) . $answer);
	}' "$WORK/address"
echo 'nameserver 192.0.2.53' >"$resolv_conf"
check "the name server answers" try 5 answers_name

begin_gateway 192.0.2.1
start_client alice client alice vpn.test:443
check "the client comes up" wait_event alice 15 'event=up|session'
check "names are looked up behind the tunnel" asks 10.20.0.53
record_events alice

# It moves
stop gw
check "the client sees that its gateway is gone" wait_record alice 5 event=reconnecting
mark_events alice
begin_gateway 192.0.2.3
check "the client finds it at its new address" wait_record alice 30 event=up
check "names are looked up behind the tunnel again" asks 10.20.0.53
mark_events alice

# Somebody else writes the file, as a DHCP client does
echo 'nameserver 192.0.2.53 # renewed' >"$resolv_conf"
stop gw
check "the client sees that its gateway is gone" wait_record alice 5 event=reconnecting
mark_events alice
begin_gateway 192.0.2.3
check "the client is back" wait_record alice 30 event=up
check "names are looked up behind the tunnel again" asks 10.20.0.53
check "the client ends" stop alice
is "what somebody else wrote is what stands now" "$(cat "$resolv_conf")" 'nameserver 192.0.2.53 # renewed'
done_testing
