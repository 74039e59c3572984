#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A gateway that asks for what a client must not set up is no end: what a tunnel can do without is left out, else the client
# goes on trying and is up once it may. Nor is a script that fails an end, not even with a rekey under way.
#
#	client (alice) 192.0.2.2 ---- 192.0.2.1 gw (ocserv)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin
needs_programs ocserv

make_ns gw client
link_ns gw 192.0.2.1/24 client 192.0.2.2/24
make_pki vpn.test alice

# start_ocserv NETWORK DNS
start_ocserv()
{
	ocserv_config vpn.test "ipv4-network = $1" 'route = 10.99.0.0/16' "dns = $2"
	start ocserv gw ocserv -f -d 1 -c "$WORK/ocserv.conf"
	try 5 listens gw tcp 443 || diag "ocserv does not listen"
}

start_ocserv 169.254.7.0/24 10.88.0.1
start_client alice client alice 192.0.2.1:443 'trust.name="vpn.test"'
check "a link-local address is not set up" try 10 said alice "cannot be set up"
check "and the client tries again" try 10 said alice "next attempt in"
stop ocserv
start_ocserv 10.88.0.0/24 127.0.0.53
check "with another it is up" wait_event alice 20 "event=up|session"
check "but for a name server on loopback" said alice "refused from the gateway: dns server 127.0.0.53"
check "which is not set" fails grep -q nameserver "/etc/netns/$NS-client/resolv.conf"
check "it ends cleanly" stop alice
stop ocserv

# A script that waits for a word and then fails: meanwhile the client rekeys.
cat >"$WORK/script" <<-END
	#!/bin/sh
	[ "\$reason" = connect ] || exit 0
	echo >>"$WORK/called"
	[ ! -e "$WORK/good" ] || exit 0
	read -r word <"$WORK/word"
	exit 1
END
chmod 0755 "$WORK/script"
mkfifo "$WORK/word"
exec {word}<>"$WORK/word" # open at both ends: nobody has to wait for the other

# rekeying: the client has a connection beside its session's
rekeying()
{
	[[ $(in_ns client ss -Htn state established 'dport = :443' | wc -l) -ge 2 ]]
}

# failed NUMBER: so many times the network was not set up
failed()
{
	[[ $(grep -c 'cannot be set up' "$WORK/alice.log") -ge $1 ]]
}

# fail_while_rekeying NUMBER: the gateway stands still while the script fails, and answers right after
fail_while_rekeying()
{
	local engine
	engine=$(pgrep -P "${pid_of[gw]}")
	try 5 test "$(wc -l <"$WORK/called")" -ge "$1"
	kill -s STOP "$engine"
	try 5 rekeying
	echo >&"$word"
	try 5 failed "$1"
	kill -s CONT "$engine"
}

start_server gw gw vpn.test 'rekey.seconds=1'
record_events gw
start_client alice client alice 192.0.2.1:443 'trust.name="vpn.test"' 'rekey.seconds=1' "script=\"$WORK/script\""
check "a script is called" try 10 test -s "$WORK/called"
for number in 1 2 3; do
	check "it fails while a rekey is under way, number $number" fail_while_rekeying $number
	mark_events gw
	check "the client comes again" wait_record gw 10 event=up
done
check "and the client lives" kill -0 "${pid_of[alice]}"
touch "$WORK/good"
echo >&"$word"
check "once the script succeeds it is up" wait_event alice 20 "event=up|session"
check "its engine never died" fails grep -q "engine died" "$WORK/alice.log"
check "it ends cleanly" stop alice
done_testing
