#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Wrong certificates, each in its way: refused, with the reason shown at both ends, while a tunnel that runs loses
# nothing.
#
#	(gw) 192.0.2.1 ------- 192.0.2.2 (client) 203.0.113.2 ------- 203.0.113.1 (bad)
#	     198.51.100.1 --- 198.51.100.2 (alice)
#
# gw is a gateway in order, tried with certificates of clients; bad is started anew with each certificate of a gateway.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

make_ns gw client alice bad
link_ns gw 192.0.2.1/24 client 192.0.2.2/24
link_ns gw 198.51.100.1/24 alice 198.51.100.2/24
link_ns bad 203.0.113.1/24 client 203.0.113.2/24

# certificate NAME SUBJECT CA [EXTENSION...]: what adit-pki would not issue; CA is the file of an authority without its
# ending, its key beside it
certificate()
{
	local name=$1 subject=$2 ca=$3
	shift 3
	printf '%s\n' 'basicConstraints = CA:FALSE' 'keyUsage = critical, digitalSignature' "$@" >"$WORK/extensions"
	openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$subject" \
		-keyout "$PKI/private/$name.key" -out "$WORK/request" 2>/dev/null
	openssl x509 -req -in "$WORK/request" -CA "$ca.crt" -CAkey "$ca.key" -set_serial "0x$(openssl rand -hex 8)" \
		-days 30 -extfile "$WORK/extensions" -out "$PKI/issued/$name.crt" 2>/dev/null
}

make_certificates()
{
	local ca=$WORK/authority
	make_pki vpn.test alice good gone
	cp "$PKI/ca.crt" "$ca.crt"
	cp "$PKI/private/ca.key" "$ca.key"
	pki client expired --not-before '10 days ago' --not-after '1 day ago'
	pki client early --not-before '1 day' --not-after '10 days'
	pki client no-usage --eku none
	pki client server-usage --eku serverAuth
	pki revoke gone
	certificate two-names '/CN=one/CN=two' "$ca" 'extendedKeyUsage = clientAuth'
	certificate bad-name '/CN=al ice!' "$ca" 'extendedKeyUsage = clientAuth'
	certificate between '/CN=between' "$ca" 'basicConstraints = critical, CA:TRUE' \
		'keyUsage = critical, keyCertSign'
	cp "$PKI/issued/between.crt" "$WORK/between.crt"
	cp "$PKI/private/between.key" "$WORK/between.key"
	certificate chained '/CN=chained' "$WORK/between" 'extendedKeyUsage = clientAuth'
	cat "$PKI/issued/chained.crt" "$WORK/between.crt" >"$PKI/issued/whole-chain.crt"
	cp "$PKI/private/chained.key" "$PKI/private/whole-chain.key"

	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj '/CN=somebody else' -days 30 \
		-keyout "$WORK/other.key" -out "$WORK/other.crt" 2>/dev/null
	certificate stranger '/CN=stranger' "$WORK/other" 'extendedKeyUsage = clientAuth'
	certificate gw-stranger '/CN=vpn.test' "$WORK/other" 'extendedKeyUsage = serverAuth' \
		'subjectAltName = DNS:vpn.test'

	pki server gw-expired --dns vpn.test --not-before '10 days ago' --not-after '1 day ago'
	pki server gw-early --dns vpn.test --not-before '1 day' --not-after '10 days'
	pki server gw-no-usage --dns vpn.test --eku none
	pki server gw-client-usage --dns vpn.test --eku clientAuth
	pki server gw-other-name --dns elsewhere.test
	certificate gw-only-cn '/CN=vpn.test' "$ca" 'extendedKeyUsage = serverAuth'
	certificate gw-cn-address '/CN=203.0.113.1' "$ca" 'extendedKeyUsage = serverAuth' \
		'subjectAltName = DNS:203.0.113.1'
	pki server gw-address --ip 203.0.113.1
	pki server gw-gone --dns vpn.test
	pki revoke gw-gone

	cp "$PKI/crl.pem" "$WORK/crl.pem"
	pki crl --not-before '2 days ago' --not-after '1 day ago'
	mv "$PKI/crl.pem" "$WORK/lapsed.pem"
	mv "$WORK/crl.pem" "$PKI/crl.pem"
}

# try_client CERTIFICATE SERVER [KEY=VALUE]...: run until it is refused; $code is its exit status, $said what it said
try_client()
{
	client_config try "$@"
	in_ns client timeout -k 1 30 "$ADIT" client -c "$WORK/try.conf" >"$WORK/try.out" 2>&1
	code=$?
	said=$(cat "$WORK/try.out")
	cat "$WORK/try.out" >>"$WORK/try.log"
}

# told GATEWAY PEER SUBJECT REASON: nothing when the gateway tells of such a refusal in its log and as an event
told()
{
	local gateway=$1 peer=$2 subject=$3 reason=$4 name="name=$3"
	[[ -n $subject ]] || name='name!=.*'
	try 5 grep -qE "refused peer=$peer:[0-9]+ subject=\"$subject\" reason=\"$reason" "$WORK/$gateway.log" ||
		echo "no such line in the log"
	wait_record "$gateway" 5 event=refused "$name" "peer=$peer:.*" "reason=$reason.*" >/dev/null || echo "no such event"
}

# refuses_client DESCRIPTION CERTIFICATE SUBJECT REASON WHAT_THE_CLIENT_SAYS
refuses_client()
{
	try_client "$2" 192.0.2.1:443 'trust.name="vpn.test"'
	is "a client certificate $1: exit 2" "$code" 2
	check "a client certificate $1: the client says why" grep -E "refused server=192.0.2.1:443: .*$5" <<<"$said"
	is "a client certificate $1: the gateway says why" "$(told gw 192.0.2.2 "$3" "$4")" ''
}

# refuses_gateway DESCRIPTION CERTIFICATE WHAT_THE_CLIENT_SAYS ALERT [NAME_SETTING]
refuses_gateway()
{
	start_server "$2" bad "$2" 'trust.crl='
	record_events "$2"
	try_client good 203.0.113.1:443 "${5:-trust.name=\"vpn.test\"}" "trust.crl=\"$PKI/crl.pem\""
	is "a gateway certificate $1: exit 2" "$code" 2
	check "a gateway certificate $1: the client says why" grep -E "refused server=203.0.113.1:443: .*$3" <<<"$said"
	is "a gateway certificate $1: the gateway learns why" \
		"$(told "$2" 203.0.113.2 '' "the client refused us: .*$4")" ''
	stop "events-$2"
	stop "$2"
}

accepts_gateway()
{
	start_server bad bad "$2" 'trust.crl='
	start_client good client good 203.0.113.1:443 "${3:-trust.name=\"vpn.test\"}" "trust.crl=\"$PKI/crl.pem\""
	check "$1" wait_event good 10 'event=up|session'
	stop good
	stop bad
}

# The generation that alice is going to have
next_generation()
{
	ctl alice sessions --json | jq '.[0].generation + 1'
}

make_certificates
start_server gw gw vpn.test
record_events gw
start_client alice alice alice 198.51.100.1:443 'trust.name="vpn.test"' 'rekey={ seconds = 1; }'
check "a tunnel runs" wait_event alice 10 'event=up|session'
count_start up alice gw 10.20.0.1 5001 500 300
count_start down gw alice "$(ctl alice status --json | json_field sessions/0/ipv4)" 5002 500 300

refuses_client "that has expired" expired CN=expired 'certificate has expired' 'certificate expired or not yet valid'
refuses_client "that is not yet valid" early CN=early 'certificate is not yet valid' \
	'certificate expired or not yet valid'
refuses_client "of another authority" stranger CN=stranger 'certificate is not signed by a trusted issuer' \
	'certificate from an unknown issuer'
refuses_client "that is revoked" gone CN=gone 'certificate revoked' 'certificate revoked'
refuses_client "without usage" no-usage CN=no-usage 'certificate has no extended key usage' \
	'certificate not meant for this use'
refuses_client "of a gateway" server-usage CN=server-usage 'certificate is not meant for this use' \
	'certificate not meant for this use'
refuses_client "with two names" two-names CN=two,CN=one 'the certificate has more than one common name' \
	'certificate not acceptable'
refuses_client "with blanks in its name" bad-name 'CN=al ice!' 'the name in the certificate has a character other' \
	'certificate not acceptable'
refuses_client "without its intermediate" chained CN=chained 'certificate is not signed by a trusted issuer' \
	'certificate from an unknown issuer'

in_ns client timeout 10 openssl s_client -connect 192.0.2.1:443 -tls1_3 -quiet </dev/null >"$WORK/none.out" 2>&1
check "no client certificate: the alert says so" grep -q 'alert certificate required' "$WORK/none.out"
is "no client certificate: the gateway says why" "$(told gw 192.0.2.2 '' 'no certificate was sent')" ''
is "each refusal is counted" "$(ctl gw status --json | json_field counters/refused)" 10

start_client whole client whole-chain 192.0.2.1:443 'trust.name="vpn.test"'
check "a client certificate with its intermediate is accepted" wait_event whole 10 'event=up|session'
stop whole

refuses_gateway "that has expired" gw-expired 'certificate has expired' 'certificate expired or not yet valid'
refuses_gateway "that is not yet valid" gw-early 'certificate is not yet valid' 'certificate expired or not yet valid'
refuses_gateway "of another authority" gw-stranger 'certificate is not signed by a trusted issuer' \
	'certificate from an unknown issuer'
refuses_gateway "that is revoked" gw-gone 'certificate revoked' 'certificate revoked'
refuses_gateway "without usage" gw-no-usage 'certificate has no extended key usage' \
	'certificate not meant for this use'
refuses_gateway "of a client" gw-client-usage 'certificate is not meant for this use' \
	'certificate not meant for this use'
refuses_gateway "for another name" gw-other-name 'hostname mismatch' 'certificate not acceptable'
refuses_gateway "with its name only in the CN" gw-only-cn 'hostname mismatch' 'certificate not acceptable'
refuses_gateway "with its address only as CN and name" gw-cn-address 'IP address mismatch' \
	'certificate not acceptable' trust.name=
accepts_gateway "an address as an alternative name is accepted" gw-address trust.name=

start_server bad bad vpn.test "trust.crl=\"$WORK/lapsed.pem\""
start_client good client good 203.0.113.1:443 'trust.name="vpn.test"'
check "a lapsed revocation list lets others in" wait_event good 10 'event=up|session'
stop good
check "it is warned of" grep -q 'revocation list is out of date and still used' "$WORK/bad.log"
try_client gone 203.0.113.1:443 'trust.name="vpn.test"'
is "a lapsed revocation list still revokes" "$code" 2
check "the client says so" grep -q 'refused server=.*certificate revoked' <<<"$said"
stop bad
start_server strict bad vpn.test "trust.crl=\"$WORK/lapsed.pem\"" 'trust.crl_policy="strict"'
record_events strict
try_client good 203.0.113.1:443 'trust.name="vpn.test"'
is "a lapsed revocation list refuses where it is strict" "$code" 2
check "the client says so" grep -q 'refused server=.*certificate not acceptable' <<<"$said"
is "the gateway says why" "$(told strict 203.0.113.2 CN=good 'revocation list has expired')" ''

count_stop up
count_stop down
is "the tunnel has lost nothing on its way up" "$(count_result up | json_field lost)" 0
is "nor on its way down" "$(count_result down | json_field lost)" 0
check "nor doubled anything" test "$(count_result up | json_field duplicated)" = 0
check "it has rekeyed all the while" wait_event alice 5 'event=session' 'generation>=3'
check "and was never cut" never_recorded gw '"(lost|down)".*"alice"' event=rekey name=alice "generation>=$(next_generation)"
for label in gw alice; do
	is "no rekey of $label failed" "$(ctl $label status --json | json_field counters/rekey_failures)" 0
done
done_testing
