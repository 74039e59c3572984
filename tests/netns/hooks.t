#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A gateway's hooks: what they are told, that a client is refused by one, and that one which hangs holds up nobody but
# its own client.
#
#	(gw) 192.0.2.1 ------ 192.0.2.2 (alice)
#	     198.51.100.1 --- 198.51.100.2 (bob)
#	     203.0.113.1 ---- 203.0.113.2 (other)
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
needs_programs openconnect

hook=$WORK/hook
SECONDS_MAX=6 # of a hook

make_ns gw alice bob other
link_ns gw 192.0.2.1/24 alice 192.0.2.2/24
link_ns gw 198.51.100.1/24 bob 198.51.100.2/24
link_ns gw 203.0.113.1/24 other 203.0.113.2/24
make_pki vpn.test alice bob hanging unwanted odd

# What it is told goes to a file when it is complete. For "hanging" it waits for ever with a child, for "bob" at the end.
cat >"$hook" <<END
#!/bin/sh
env | sort >"$WORK/new.\$REASON.\$USERNAME"
mv "$WORK/new.\$REASON.\$USERNAME" "$WORK/\$REASON.\$USERNAME"
case \$REASON.\$USERNAME in
connect.unwanted)
	exit 1 ;;
connect.hanging | disconnect.bob)
	sleep 600 &
	echo \$\$ \$! >"$WORK/pids.\$REASON"
	wait ;;
esac
END
chmod 0755 "$hook"

client()
{
	start_client "$1" "$2" "$1" "$3:443" 'trust.name="vpn.test"' "${@:4}"
}

# told REASON NAME VARIABLE: what the hook got
told()
{
	sed -n "s/^$3=//p" "$WORK/$1.$2"
}

# was_told REASON NAME VARIABLE PATTERN
was_told()
{
	told "$1" "$2" "$3"
	told "$1" "$2" "$3" | grep -qxE "$4"
}

# those_alive FILE: whether every process that a hook wrote there lives; those_dead FILE: whether none does
those_alive()
{
	local pid pids
	read -ra pids <"$1"
	for pid in "${pids[@]}"; do
		! not_running "$pid" || return 1
	done
}

those_dead()
{
	local pid pids
	read -ra pids <"$1"
	for pid in "${pids[@]}"; do
		not_running "$pid" || return 1
	done
}

start_server gw gw vpn.test "hooks={ connect = \"$hook\"; disconnect = \"$hook\"; seconds = $SECONDS_MAX; }" \
	'push={ routes = ("10.20.0.0/24", "10.99.0.0/16", "fd20:aa::/64"); exclude = ("10.99.7.0/24", "fd99:7::/64");
	dns = ("10.20.0.1", "fd20:aa::1"); }'
record_events gw

# --- what a connect hook is told ---
client alice alice 192.0.2.1
check "alice gets a session" wait_record gw 15 event=up name=alice
ipv4=$(ctl gw sessions --json | jq -r '.[0].ipv4')
ipv6=$(ctl gw sessions --json | jq -r '.[0].ipv6')
check "the hook has an ID" was_told connect alice ID '[0-9]+'
id=$(told connect alice ID)
# PWD is the shell's own word.
is "the hook is told all that ocserv tells, and nothing else" "$(grep -v '^PWD=' "$WORK/connect.alice")" \
	"DEVICE=adit0
GROUPNAME=
ID=$id
IPV6_LOCAL=fd20:aa::1
IPV6_PREFIX=128
IPV6_REMOTE=$ipv6
IP_LOCAL=10.20.0.1
IP_REAL=192.0.2.2
IP_REAL_LOCAL=192.0.2.1
IP_REMOTE=$ipv4
OCSERV_DNS4=10.20.0.1
OCSERV_DNS6=fd20:aa::1
OCSERV_DNS=10.20.0.1 fd20:aa::1
OCSERV_NO_ROUTES4=10.99.7.0/24
OCSERV_NO_ROUTES6=fd99:7::/64
OCSERV_NO_ROUTES=10.99.7.0/24 fd99:7::/64
OCSERV_ROUTES4=10.20.0.0/24 10.99.0.0/16
OCSERV_ROUTES6=fd20:aa::/64
OCSERV_ROUTES=10.20.0.0/24 10.99.0.0/16 fd20:aa::/64
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
REASON=connect
REMOTE_HOSTNAME=
USERNAME=alice
VHOST=default"

# --- one that hangs, while a tunnel carries traffic and another client comes ---
count_start up alice gw 10.20.0.1 6001 500 $((SECONDS_MAX + 2))
count_start down gw alice "$ipv4" 6002 500 $((SECONDS_MAX + 2))
client hanging other 203.0.113.1
check "a hook hangs" try 10 test -s "$WORK/pids.connect"
cp "$WORK/pids.connect" "$WORK/pids.first"
client bob bob 198.51.100.1
check "another client comes meanwhile" wait_record gw $((SECONDS_MAX - 2)) event=up name=bob
check "the first one's hook hangs still" those_alive "$WORK/pids.first"
check "its client has no session" test "$(ctl gw sessions --json | jq 'map(select(.name == "hanging")) | length')" = 0
check "at its deadline the hook is killed, with its child" try $((SECONDS_MAX + 2)) those_dead "$WORK/pids.first"
check "the client learns why, and tries again" said hanging "next attempt.*hook did not finish"
check "the gateway says why" said gw 'refused.*name=hanging.*hook did not finish'
for label in up down; do
	result=$(count_result $label)
	diag "$label: $result"
	is "the tunnel beside it lost nothing: $label" "$(json_field lost <<<"$result")" 0
done
check "the client ends while its hook hangs" stop hanging

# --- one that refuses ---
client unwanted other 203.0.113.1
check "an adit client that is refused ends with 2" exits unwanted 2
check "and says why" said unwanted "refused by the gateway's connect hook"
check "the gateway says why" said gw "refused.*name=unwanted.*connect hook"
check "the gateway counts it" test "$(ctl gw status --json | jq .counters.hook_refused)" -ge 1
check "no disconnect hook follows" fails test -e "$WORK/disconnect.unwanted"
start openconnect other openconnect --non-inter --cafile "$PKI/ca.crt" --resolve vpn.test:203.0.113.1 -s true \
	-c "$PKI/issued/unwanted.crt" -k "$PKI/private/unwanted.key" https://vpn.test/
check "openconnect that is refused ends with 1" exits openconnect 1
check "and says why" said openconnect "refused by the gateway's connect hook"

# --- one whose last words could end a line ---
start_peer odd other --cert "$PKI/issued/odd.crt" --key "$PKI/private/odd.key" 203.0.113.1 443
tell odd open >/dev/null
tell odd login >/dev/null
is "a client comes" "$(tell odd connect | cut -d' ' -f1)" 200
tell odd frame 5 b0610a623d7f63 >/dev/null
is "it says good-bye with control characters" "$(tell odd wait_close)" closed
check "its hook runs" try 5 test -s "$WORK/disconnect.odd"
is "and is told the rest of them" "$(told disconnect odd REASON_TEXT)" "a b= c"

# --- what a disconnect hook is told ---
in_ns bob ping -q -c 5 -i 0.1 10.20.0.1 >/dev/null
check "bob logs out" stop bob
check "the hook runs then" try 5 test -s "$WORK/pids.disconnect"
check "with the reason" was_told disconnect bob REASON_TEXT '.+'
check "with bytes from the client" was_told disconnect bob STATS_BYTES_IN '[1-9][0-9]{2,}'
check "with bytes to the client" was_told disconnect bob STATS_BYTES_OUT '[1-9][0-9]{2,}'
check "with the duration" was_told disconnect bob STATS_DURATION '[0-9]+'
is "with the ID and addresses of the connect hook" "$(grep -E '^(ID|IP.*|USERNAME|DEVICE)=' "$WORK/disconnect.bob")" \
	"$(grep -E '^(ID|IP.*|USERNAME|DEVICE)=' "$WORK/connect.bob")"
check "it hangs, and is killed at its deadline" try $((SECONDS_MAX + 2)) those_dead "$WORK/pids.disconnect"
check "the gateway says so" said gw 'hook disconnect: name=bob: timed out'
check "the gateway ends by SIGTERM" stop gw
check "alice's hook has run too" was_told disconnect alice REASON_TEXT '.*stopping.*'
check "no hook is left" try 5 those_dead "$WORK/pids.connect"
done_testing
