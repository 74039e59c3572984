#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Records of each suite against Debian's openconnect and ocserv, both GnuTLS, on the stream and as datagrams. The stock end
# offers one suite alone.
#
#	(gw) 192.0.2.1 -------- 192.0.2.2 (byte)      adit <-> openconnect
#	     198.51.100.1 ----- 198.51.100.2 (pipe)   adit <-> openconnect --no-dtls
#	(oc) 192.0.2.1 -------- 192.0.2.2 (anna)      ocserv <-> adit
#	     198.51.100.1 ----- 198.51.100.2 (bert)   ocserv <-> adit, transport = "tls"
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs openconnect ocserv

suites=(
	"AES-128-GCM TLS_AES_128_GCM_SHA256 PSK-AES128-GCM-SHA256"
	"AES-256-GCM TLS_AES_256_GCM_SHA384 PSK-AES256-GCM-SHA384"
	"CHACHA20-POLY1305 TLS_CHACHA20_POLY1305_SHA256 PSK-CHACHA20-POLY1305"
)

make_ns gw byte pipe oc anna bert
link_ns gw 192.0.2.1/24 byte 192.0.2.2/24
link_ns gw 198.51.100.1/24 pipe 198.51.100.2/24
link_ns oc 192.0.2.1/24 anna 192.0.2.2/24
link_ns oc 198.51.100.1/24 bert 198.51.100.2/24
make_pki vpn.test byte pipe anna bert

# openconnect_as NAME ADDRESS [OPTION]...: at our gateway, with $cipher alone
openconnect_as()
{
	local name=$1 address=$2
	shift 2
	start "$name" "$name" openconnect --non-inter --cafile "$PKI/ca.crt" --resolve "vpn.test:$address" \
		-c "$PKI/issued/$name.crt" -k "$PKI/private/$name.key" -i oct0 \
		--gnutls-priority "NORMAL:-CIPHER-ALL:+$cipher" "$@" https://vpn.test/
}

# agreed LABEL NAME: transport and suites of the session with that peer
agreed()
{
	ctl "$1" sessions --json |
		jq -r ".[] | select(.name == \"$2\") | [.transport, .tls.suite, .datagrams.suite // \"-\"] | join(\" \")"
}

comes_to()
{
	[[ $(agreed "$1" "$2") = "$3" ]]
}

# carries NS GATEWAY_NS ADDRESS LABEL NAME: bytes of TCP and UDP come through unchanged, both ways, for the client in NS,
# which LABEL knows the session of by that NAME
carries()
{
	local said inner
	inner=$(ctl "$4" sessions --json | jq -r ".[] | select(.name == \"$5\") | .ipv4")
	try 10 in_ns "$1" ping -c 1 -W 1 "$3" || return 1
	said=$("$repo/tests/netns/flow" "$NS-$1" "$NS-$2" "$3" && "$repo/tests/netns/flow" "$NS-$2" "$NS-$1" "$inner")
	echo "$said"
	[[ $said = "tcp same, udp same"$'\n'"tcp same, udp same" ]]
}

start_server gw gw vpn.test
for line in "${suites[@]}"; do
	read -r cipher tls dtls <<<"$line"
	openconnect_as byte 192.0.2.1
	openconnect_as pipe 198.51.100.1 --no-dtls
	ocserv_config vpn.test 'udp-port = 443' 'ipv4-network = 10.88.0.0/24' \
		"tls-priorities = \"NORMAL:-CIPHER-ALL:+$cipher:%SERVER_PRECEDENCE\""
	start ocserv oc ocserv -f -c "$WORK/ocserv.conf"
	try 10 listens oc tcp 443
	# The other backend than that of the gateway, where there are two
	start_client anna anna anna 192.0.2.1:443 'trust.name="vpn.test"' 'aead="evp"'
	start_client bert bert bert 198.51.100.1:443 'trust.name="vpn.test"' 'aead="evp"' 'transport="tls"'
	check "openconnect agrees on $dtls" try 15 comes_to gw byte "dtls $tls $dtls"
	check "openconnect without datagrams agrees on $tls" try 10 comes_to gw pipe "tls $tls -"
	check "ocserv agrees on $dtls" try 10 comes_to anna vpn.test "dtls $tls $dtls"
	check "ocserv without datagrams agrees on $tls" try 10 comes_to bert vpn.test "tls $tls -"
	check "packets pass from openconnect, $dtls" carries byte gw 10.20.0.1 gw byte
	check "packets pass from openconnect, $tls" carries pipe gw 10.20.0.1 gw pipe
	check "packets pass to ocserv, $dtls" carries anna oc 10.88.0.1 anna vpn.test
	check "packets pass to ocserv, $tls" carries bert oc 10.88.0.1 bert vpn.test
	stop byte INT
	stop pipe INT
	stop anna
	stop bert
	stop ocserv
done
is "the gateway could open all" "$(ctl gw status --json | jq -c '.counters.ingress |
	with_entries(select((.key | test("drop_(tag|replay|epoch|record)")) and .value > 0))')" '{}'
stop gw
done_testing
