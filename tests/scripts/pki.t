#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What adit-pki promises, each asserted with openssl's own verification.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
dir=$work/pki

pki()
{
	scripts/adit-pki --dir "$dir" "$@" >"$work/out" 2>&1
}

verify()
{
	local purpose=$1 name=$2
	shift 2
	openssl verify -x509_strict -CAfile "$dir/ca.crt" -CRLfile "$dir/crl.pem" -crl_check -purpose "$purpose" "$@" \
		"$dir/issued/$name.crt" >"$work/out" 2>&1
}

verify_file()
{
	openssl verify -CAfile "$dir/ca.crt" -CRLfile "$dir/crl.pem" -crl_check "$1" >"$work/out" 2>&1
}

refused_with()
{
	local text=$1
	shift
	! "$@" && grep -q -- "$text" "$work/out"
}

# bad_usage TEXT WORDS...: refused before anything is done, with that text
bad_usage()
{
	local text=$1
	shift
	pki "$@"
	[[ $? == 64 ]] && grep -qF -- "$text" "$work/out"
}

serial()
{
	openssl x509 -in "$dir/issued/$1.crt" -noout -serial
}

mode()
{
	stat -c %a "$dir/$1"
}

key_fits()
{
	cmp -s <(openssl x509 -in "$dir/issued/$1.crt" -noout -pubkey) <(openssl pkey -in "$dir/private/$1.key" -pubout)
}

check "init makes an authority" pki init --name "test CA"
check "the authority has the name it was given" \
	grep -q 'CN = test CA' <(openssl x509 -in "$dir/ca.crt" -noout -subject)
check "init does not overwrite" refused_with "already" pki init
check "the authority may sign certificates and lists only" \
	grep -q 'Certificate Sign, CRL Sign$' <(openssl x509 -in "$dir/ca.crt" -noout -ext keyUsage)
check "init makes a revocation list the authority signed" \
	openssl crl -in "$dir/crl.pem" -CAfile "$dir/ca.crt" -noout
check "the authority's key is private" test "$(mode private/ca.key)" = 600

check "server issues" pki server gw
check "a server certificate is good for a server" verify sslserver gw
check "a server certificate is not good for a client" refused_with "purpose" verify sslclient gw
check "a server's DNS name is its name when none is given" verify sslserver gw -verify_hostname gw
check "server takes DNS names and addresses" pki server gw2 --dns vpn.test --ip 192.0.2.1 --ip 2001:db8::1
check "a DNS name verifies" verify sslserver gw2 -verify_hostname vpn.test
check "an IPv4 address verifies" verify sslserver gw2 -verify_ip 192.0.2.1
check "an IPv6 address verifies" verify sslserver gw2 -verify_ip 2001:db8::1
check "another name does not verify" refused_with "mismatch" verify sslserver gw2 -verify_hostname gw2

check "an IPv4 address is a name, too" pki server 203.0.113.5
check "and the address is what verifies" verify sslserver 203.0.113.5 -verify_ip 203.0.113.5
check "an IPv6 address likewise" pki server 2001:db8::5
check "and verifies" verify sslserver 2001:db8::5 -verify_ip 2001:db8::5
check "a name that is given takes the place of it" pki server 203.0.113.6 --dns vpn.test
check "with no trace of the address" refused_with "mismatch" verify sslserver 203.0.113.6 -verify_ip 203.0.113.6
check "a certificate of an address can be renewed" pki renew 2001:db8::5
check "and stays one" verify sslserver 2001:db8::5 -verify_ip 2001:db8::5
check "a client has no address for a name" bad_usage "needs a name" client 2001:db8::5
for name in 203.0.113.256 1.2.3 10.010.0.1 gw@home a..b; do
	check "a gateway is not called $name" bad_usage "give --dns or --ip" server "$name"
done
check "unless that is not its DNS name" pki server gw@home --dns vpn.test
for address in nonsense 1.2.3 1.2.3.256 10.010.0.1 : 2001:db8 1::2::3 '[::1]' 10.0.0.0/8 ''; do
	check "\"$address\" is no address" bad_usage "--ip takes" server x --ip "$address"
done
for dns in 203.0.113.5 2001:db8::1 'a b' a..b 'a,' '*' '*a.test' ''; do
	check "\"$dns\" is no DNS name" bad_usage "--dns takes" server x --dns "$dns"
done
check "a wildcard is one" pki server any --dns '*.wild.test'
check "and verifies" verify sslserver any -verify_hostname vpn.wild.test
for email in alice copy @ a@b@c 'a b@c'; do
	check "\"$email\" is no mail address" bad_usage "--email takes" client x --email "$email"
done

check "client issues" pki client alice@example.test
check "a client certificate is good for a client" verify sslclient alice@example.test
check "a client certificate is not good for a server" refused_with "purpose" verify sslserver alice@example.test
check "a client's key is private" test "$(mode private/alice@example.test.key)" = 600
check "key and certificate belong together" key_fits alice@example.test
check "a second certificate of one name needs renew" refused_with "renew" pki client alice@example.test
check "usage can be left out" pki client plain --eku none
check "no usage means no extension" \
	bash -c "! openssl x509 -in '$dir/issued/plain.crt' -noout -text | grep -q 'Extended Key Usage'"
check "renew keeps a missing usage missing" pki renew plain
for usage in nonsense clientauth serverAuth,none serverAuth,,clientAuth 1 ',' ''; do
	check "\"$usage\" is no usage" bad_usage "--eku" client x --eku "$usage"
done
check "several usages can be given" pki client both --eku "serverAuth, clientAuth,1.3.6.1.5.5.7.3.17"
check "as a server" verify sslserver both
check "and as a client" verify sslclient both
check "another curve can be chosen" pki client curve --curve P-384
check "the curve is the one chosen" grep -q P-384 <(openssl x509 -in "$dir/issued/curve.crt" -noout -text)

check "an expired certificate can be made" pki client late --not-before "3 days ago" --not-after "1 day ago"
check "an expired certificate is refused" refused_with "expired" verify sslclient late
check "a certificate of the future can be made" pki client early --not-before "1 day" --days 3
check "a certificate of the future is refused" refused_with "not yet valid" verify sslclient early

before=$(serial gw2)
check "renew issues anew" pki renew gw2
check "renew changes the serial number" test "$before" != "$(serial gw2)"
check "renew keeps DNS names" verify sslserver gw2 -verify_hostname vpn.test
check "renew keeps addresses" verify sslserver gw2 -verify_ip 2001:db8::1
check "renewed key and certificate belong together" key_fits gw2
check "renew takes new names" pki renew gw2 --dns vpn2.test --ip 192.0.2.2
check "a new DNS name verifies" verify sslserver gw2 -verify_hostname vpn2.test
check "a new address verifies" verify sslserver gw2 -verify_ip 192.0.2.2
check "they take the place of the old ones" refused_with "mismatch" verify sslserver gw2 -verify_hostname vpn.test
check "renew revokes nothing" bash -c "! grep -q '^R' '$dir/database/index'"

check "a certificate of an address can be revoked" pki revoke 2001:db8::5
check "and is" refused_with "revoked" verify sslserver 2001:db8::5

cp "$dir/issued/gw2.crt" "$work/gw2.old"
check "renew works twice" pki renew gw2
check "revoke takes every certificate of a name" pki revoke gw2
check "the newest is revoked" refused_with "revoked" verify sslserver gw2
check "the one before is revoked" refused_with "revoked" verify_file "$work/gw2.old"
check "revoking again is no failure" pki revoke gw2
check "which is said" grep -q "revoked already" "$work/out"
check "others stay valid" verify sslserver gw
check "a revoked name can be renewed" pki renew gw2
check "its new certificate is valid" verify sslserver gw2
check "a lapsed list can be made" pki crl --not-before "3 days ago" --not-after "1 day ago"
check "a lapsed list is one" refused_with "expired" verify sslserver gw
check "a list can be made anew" pki crl
check "the new list still knows what was revoked" refused_with "revoked" verify_file "$work/gw2.old"

pki client cut
mkdir "$work/bin"
cat >"$work/bin/openssl" <<END
#!/bin/sh
case " \$* " in *" -gencrl "*) exit 1 ;; esac
exec '$(command -v openssl)' "\$@"
END
chmod 0755 "$work/bin/openssl"
cp "$dir/crl.pem" "$work/crl.old"
check "a revocation without a list fails" fails env "PATH=$work/bin:$PATH" scripts/adit-pki --dir "$dir" revoke cut
check "and leaves the list that was" cmp "$dir/crl.pem" "$work/crl.old"
check "it can be repeated" pki revoke cut
check "and ends in the list" refused_with "revoked" verify sslclient cut

pki client away
rm "$dir/private/away.key"
check "a profile needs the key" refused_with "key of .* is not in" pki profile away --server vpn.test
check "a p12 needs the key" refused_with "key of .* is not in" pki p12 away --password-file /dev/null
cp "$dir/issued/away.crt" "$work/away.old"
check "renew needs no key" pki renew away
check "it says that it made one" grep -q "new key .*/private/away.key" "$work/out"
check "which fits the new certificate" key_fits away
rm "$dir/private/away.key"
check "revoke needs no key" pki revoke away
check "the renewed is revoked" refused_with "revoked" verify sslclient away
check "the one before it, too" refused_with "revoked" verify_file "$work/away.old"
pki client lost
rm "$dir/private/lost.key" "$dir/issued/lost.crt"
check "revoke needs nothing but openssl's list" pki revoke lost
: >"$dir/private/half.key"
check "a key whose certificate was never made is in nobody's way" pki client half
check "and replaced" key_fits half
check "its certificate can be revoked" pki revoke half

pki list
check "list shows the valid" grep -qE '^gw +valid ' "$work/out"
check "list shows the revoked" grep -qE '^gw2 +revoked ' "$work/out"
check "list shows the expired" grep -qE '^late +expired ' "$work/out"

check "profile writes one file" pki profile alice@example.test --server vpn.test:443
check "a profile is private" test "$(mode profiles/alice@example.test.conf)" = 600
check "a profile holds the key" grep -q 'BEGIN PRIVATE KEY' "$dir/profiles/alice@example.test.conf"
check "a profile names the server" grep -q 'server = "vpn.test:443"' "$dir/profiles/alice@example.test.conf"
check "a profile needs a server" refused_with "--server" pki profile alice@example.test
for server in vpn.test:443x '[::1' '::1]' '[::1]x' 2001:db8::1 2001:db8::1:443 host:99999 host:65536 host:0 host: :443 \
	'[]' '[192.0.2.1]' '[fe80::g]' 192.0.2.256 a..b 'a b' 'a"; x = "b' ''; do
	check "\"$server\" is no server" bad_usage "HOST[:PORT]" profile alice@example.test --server "$server"
done
for server in vpn.test host:65535 192.0.2.1 192.0.2.1:443 '[2001:db8::1]' '[::ffff:192.0.2.1]:1'; do
	check "$server is one" pki profile alice@example.test --server "$server"
done
check "the name to verify is a host" bad_usage "no host name" profile alice@example.test --server vpn.test --name 'a b'
check "or an address" pki profile alice@example.test --server vpn.test --name 2001:db8::1
check "a profile can be written elsewhere" pki profile both --server vpn.test -o "$work/both.conf"
check "a file named by -o is not overwritten" \
	refused_with "exists" pki profile both --server vpn.test -o "$work/both.conf"
check "a gateway's certificate makes no profile" refused_with "no client's" pki profile gw --server vpn.test
check "one without a usage neither" refused_with "no client's" pki profile plain --server vpn.test
check "a revoked one neither" refused_with "revoked" pki profile half --server vpn.test
check "nor a p12" refused_with "revoked" pki p12 half --password-file /dev/null
check "a renewed one does again" pki renew half
check "as a profile" pki profile half --server vpn.test

echo secret >"$work/password"
check "p12 packs key and certificate" pki p12 alice@example.test --password-file "$work/password"
check "the p12 opens with its password" \
	openssl pkcs12 -in "$dir/profiles/alice@example.test.p12" -passin "file:$work/password" -nodes -out /dev/null
check "the p12 is private" test "$(mode profiles/alice@example.test.p12)" = 600

check "a name with a slash is refused" refused_with "needs a name" pki client ../evil
check "the name ca is refused" refused_with "belongs" pki client ca
check "a name of 65 letters is refused" refused_with "needs a name" pki client "$(printf 'a%.0s' {1..65})"
check "a name of 64 letters is issued" pki client "$(printf 'a%.0s' {1..64})"
check "a date that is none is refused" refused_with "no date" pki client x --not-after nonsense
check "an unknown option is refused" bad_usage "client takes no --frob" client x --frob 1
while IFS=: read -r command options; do
	for option in $options; do
		# shellcheck disable=SC2086 # two words
		check "${command% *} takes no $option" bad_usage "${command% *} takes no $option" $command "$option" 1
	done
done <<'END'
init: --dns --ip --email --eku --server -o --password-file
server gw: --name --email --server -o --password-file
client gw: --name --ip --server -o --password-file
renew gw: --name --server -o --password-file
revoke gw: --name --dns --ip --email --days --not-before --not-after --curve --eku --server -o --password-file
crl: --name --dns --ip --email --curve --eku --server -o --password-file
list: --name --dns --ip --email --days --not-before --not-after --curve --eku --server -o --password-file
profile gw: --dns --ip --email --days --not-before --not-after --curve --eku --password-file
p12 gw: --name --dns --ip --email --days --not-before --not-after --curve --eku --server
END
check "an unknown name is refused" refused_with "nothing was issued" pki revoke nobody
is "bad usage ends with 64" "$(pki frob; echo $?)" 64
is "a missing authority ends with 1" "$(scripts/adit-pki --dir "$work" client x >/dev/null 2>&1; echo $?)" 1

for name in p1 p2 p3 p4; do
	scripts/adit-pki --dir "$dir" client $name >/dev/null 2>&1 &
done
wait
check "four at once are all issued" \
	bash -c "test \$(cut -f 6 '$dir/database/index' | grep -c '^/CN=p[1-4]\$') = 4"
check "nothing is left behind" test -z "$(find "$dir" -name '.work.*')"

mkdir "$work/a \$b #c"
dir="$work/a \$b #c/pki"
check "a directory may have any name" pki init
check "certificates are issued there too" pki server gw
check "and verify" verify sslserver gw
is "a directory that init made can be read by all" "$(mode .)" 755
mkdir -m 0711 "$work/there"
dir=$work/there
check "an authority can be made in a directory that exists" pki init
is "which keeps its mode" "$(mode .)" 711

rm "$dir/ca.crt"
check "an init that was interrupted is not taken for an authority" refused_with "holds no authority" pki client x
check "init says what to do" refused_with "private/ca.key .* without ca.crt" pki init
rm "$dir/private/ca.key"
check "which works" pki init
check "and ends in an authority" pki server gw
check "whose certificates verify" verify sslserver gw
done_testing
