#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A gateway that asks for what a client must not set up is no end: the client goes on trying, and is up once it may.
#
#	client (alice) 192.0.2.2 ---- 192.0.2.1 gw (ocserv)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
command -v ocserv >/dev/null || skip_all "needs ocserv"

make_ns gw client
link_ns gw 192.0.2.1/24 client 192.0.2.2/24
make_pki vpn.test alice

listening()
{
	in_ns gw ss -Hltn 'sport = :443' | grep -q .
}

# start_ocserv DNS
start_ocserv()
{
	cat >"$WORK/ocserv.conf" <<-END
		auth = "certificate"
		ca-cert = $PKI/ca.crt
		server-cert = $PKI/issued/vpn.test.crt
		server-key = $PKI/private/vpn.test.key
		cert-user-oid = 2.5.4.3
		tcp-port = 443
		run-as-user = nobody
		run-as-group = nogroup
		socket-file = $WORK/ocserv.sock
		pid-file = $WORK/ocserv.pid
		device = vpnt
		ipv4-network = 10.88.0.0/24
		route = 10.99.0.0/16
		dns = $1
	END
	start ocserv gw ocserv -f -d 1 -c "$WORK/ocserv.conf"
	try 5 listening || diag "ocserv does not listen"
}

start_ocserv 127.0.0.53
start_client alice client alice 192.0.2.1:443 'trust.name="vpn.test"'
check "a name server on loopback is not set up" try 10 said alice "cannot be set up"
check "and the client tries again" try 10 said alice "next attempt in"
stop ocserv
start_ocserv 10.88.0.1
check "with another it is up" wait_event alice 20 "event=up|session"
check "and has its name server" grep -q 10.88.0.1 "/etc/netns/$(ns client)/resolv.conf"
check "it ends cleanly" stop alice
done_testing
