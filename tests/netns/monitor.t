#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the monitor sets on a host, and that nothing of it is left after each way of ending.
#
#	(adit<pid>-host) to-peer 192.0.2.2 ----- 192.0.2.1 (adit<pid>-peer)
#	default route by 192.0.2.1; the gateway of the tunnel would be 192.0.2.9
#
# PROBE is the monitor with an engine that does only what is asked (monitor_probe.c).
ADIT=${ADIT:-/bin/true} UDPCOUNT=${UDPCOUNT:-/bin/true}
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"
PROBE=$(realpath "${PROBE:-$repo/build/netns/monitor_probe}")
export CONTROL=$WORK/probe.sock
resolv_conf=/etc/netns/$NS-host/resolv.conf

make_ns host peer
link_ns host 192.0.2.2/24 peer 192.0.2.1/24
in_ns host ip route add default via 192.0.2.1
echo 'nameserver 9.9.9.9' >"$resolv_conf"

state()
{
	in_ns host ip -br link show type tun
	in_ns host ip route
	in_ns host ip -6 route show proto 173
	cat "$resolv_conf"
	find "$WORK" -name '*.sock' -o -name '*.journal*'
}

# probe ROLE MODE LINES: in the background, until it has printed so many lines; LESS takes a capability from it
probe()
{
	local tries=100
	: >"$WORK/out"
	ip netns exec "$NS-host" "$repo/tests/netns/apart" setpriv --groups 4,6 ${LESS:+"--bounding-set=-$LESS"} "$PROBE" "$1" "$2" \
		>"$WORK/out" 2>>"$WORK/probe.log" &
	probe_pid=$!
	pid_of[probe]=$probe_pid
	while (($(wc -l <"$WORK/out") < $3)) && ((tries-- > 0)); do
		sleep 0.05
	done
	engine_pid=$(sed -n 's/.* pid=//p' "$WORK/out")
}

# finish [SIGNAL PID]: the exit code of the probe in $code
finish()
{
	[[ $# = 2 ]] && kill "-$1" "$2"
	wait "$probe_pid" 2>/dev/null
	code=$?
	unset 'pid_of[probe]'
}

has_route()
{
	in_ns host ip "$1" route show "$2" | grep -q "$3"
}

# forwarding 0|1: the host's own switches
forwarding()
{
	in_ns host sysctl -qw "net.ipv4.ip_forward=$1" "net.ipv6.conf.all.forwarding=$1"
}

# The user of the monitor's child that is not the engine: real, effective, saved, for files
resolver_uids()
{
	local pid
	for pid in $(pgrep -P "$probe_pid" | grep -vx "$engine_pid"); do
		awk '/^Uid:/ { print $2, $3, $4, $5 }' "/proc/$pid/status"
	done
}

clean=$(state)

probe client full 4
check "the engine is nobody, without new privileges" grep -q 'uid=65534 nnp=1 root_open=0' "$WORK/out"
check "its bounding set is empty" grep -qx 'CapBnd:	0*' "/proc/$engine_pid/status"
check "it has no capability" grep -qx 'CapEff:	0*' "/proc/$engine_pid/status"
check "it is in no group but its own" grep -qxE 'Groups:	 *' "/proc/$engine_pid/status"
check "the network was configured" grep -qx 'net=0' "$WORK/out"
check "a socket was handed over" grep -qx 'socket=0 valid=1' "$WORK/out"
check "a name was resolved" grep -qx 'resolve=0 count=1 first=192.0.2.77' "$WORK/out"
check "half of IPv4 leads into the tunnel" has_route -4 0.0.0.0/1 adit0
check "the other half of IPv4 does too" has_route -4 128.0.0.0/1 adit0
check "half of IPv6 leads into the tunnel" has_route -6 ::/1 173
check "the gateway stays outside" has_route -4 192.0.2.9 'dev to-peer'
check "an exclude goes by the present next hop" has_route -4 198.51.100.0/24 'via 192.0.2.1'
is "the device has no link-local address" "$(in_ns host ip -6 addr show dev adit0 scope link)" ''
check "the MTU is set" grep -q 'mtu 1300' <(in_ns host ip link show adit0)
check "the name server is set" grep -q 'nameserver 10.88.0.1' "$resolv_conf"
is "the control socket is for root" "$(stat -c %a "$CONTROL")" 600
finish TERM "$probe_pid"
is "SIGTERM ends with 0" "$code" 0
is "nothing is left after SIGTERM" "$(state)" "$clean"

probe client full 4
finish KILL "$engine_pid"
is "a killed engine gives 1" "$code" 1
is "nothing is left after kill -9 of the engine" "$(state)" "$clean"

probe client full 4
lock=$(echo "$WORK"/client-*.lock)
check "the monitor holds its lock" fails flock -n "$lock" true
finish KILL "$probe_pid"
check "and nobody else: kill -9 of the monitor frees it" flock -n "$lock" true
probe client split 4
check "a start after kill -9 of the monitor succeeds" grep -qx 'net=0' "$WORK/out"
check "it has cleaned up first" fails has_route -4 0.0.0.0/1 adit0
finish TERM "$probe_pid"
is "nothing is left after it" "$(state)" "$clean"

probe client split 4
in_ns host "$PROBE" client split >"$WORK/second.log" 2>&1
is "a second one is refused" "$?" 1
check "with a reason" grep -q 'another adit is running' "$WORK/second.log"
finish TERM "$probe_pid"

# One that has the lock but no socket yet, as at two starts at once.
timeout 10 flock -n "$lock" ip netns exec "$NS-host" "$PROBE" client split >"$WORK/out2" 2>&1
is "one that begins before the other listens is refused too" "$?" 1
check "with the same reason" grep -q 'another adit is running' "$WORK/out2"

umask 077
CONTROL=$WORK/new/probe.sock probe client split 4
umask 022
is "the folder of the control socket is for all, whatever our umask" "$(stat -c %a "$WORK/new")" 755
finish TERM "$probe_pid"

probe client bad 4
check "a loopback route is left out" fails has_route -4 127.0.0.0/8 adit0
check "and the rest configured" grep -qx 'net=0' "$WORK/out"
check "and named" grep -q 'refused from the gateway: route 127.0.0.0/8' "$WORK/probe.log"
finish TERM "$probe_pid"

probe client hostile 2
finish
check "an engine that sends garbage is cut off" grep -qx lost "$WORK/out"
is "nothing is left after it either" "$(state)" "$clean"

probe client lookup 2
is "who looks names up is nobody, too" "$(resolver_uids)" "65534 65534 65534 65534"
kill -TERM "$probe_pid"
check "a name server that does not answer holds up nothing" try 4 not_running "$probe_pid"
finish

probe client many 2
is "1023 routes at once are all set" "$(in_ns host ip route show proto 173 dev adit0 | wc -l)" 1023
finish TERM "$probe_pid"

LESS=setpcap probe client full 4
check "a bounding set that cannot be cleared is no secret" grep -q 'bounding set stays' "$WORK/probe.log"
finish TERM "$probe_pid"

LESS='kill' probe client deaf 4
kill -TERM "$probe_pid"
check "nor is an engine that cannot be killed" try 45 grep -q "cannot kill the engine: pid=$engine_pid" "$WORK/probe.log"
finish KILL "$engine_pid"
is "once somebody else does, all is undone" "$(state)" "$clean"

probe client refused 4
finish TERM "$probe_pid"
is "the engine's exit code is the program's" "$code" 2

# shellcheck disable=SC2016 # for the script to expand
printf '#!/bin/sh\nenv | sort >"%s/hook.$REASON"\n[ "$REASON" = connect ] || sleep 60\n' "$WORK" >"$WORK/hook"
chmod +x "$WORK/hook"
forwarding 1
HOOK_CONNECT=$WORK/hook HOOK_DISCONNECT=$WORK/hook probe server hooks 3
is "the gateway's device has no link-local address" "$(in_ns host ip -6 addr show dev adit0 scope link)" ''
check "nothing is said of a host that forwards" fails grep 'forwarding is off' "$WORK/probe.log"
check "the gateway has its addresses" grep -q '10.20.0.1/24 fd20:aa::1/64' <(in_ns host ip -br addr show adit0)
check "a client's network leads into the device" has_route -4 192.168.7.0/24 adit0
is "forwarding is on" "$(in_ns host sysctl -n net.ipv4.conf.adit0.forwarding)" 1
is "redirects are off" "$(in_ns host sysctl -n net.ipv4.conf.adit0.send_redirects)" 0
is "each worker has a socket for datagrams" "$(in_ns host ss -Hlun 'sport = :4433' | wc -l)" 2
check "larger than the host allows others" grep -q 'rb16777216' <(in_ns host ss -Hlunm 'sport = :4433')
check "the connect hook ran" grep -qx 'hook connect=0' "$WORK/out"
check "it was told the name" grep -qx 'USERNAME=berlin' "$WORK/hook.connect"
check "and the outer address" grep -qx 'IP_REAL=192.0.2.1' "$WORK/hook.connect"
check "a hook that hangs meets its deadline" grep -qx 'hook disconnect=-15' "$WORK/out"
finish TERM "$probe_pid"
is "nothing is left of the gateway" "$(state)" "$clean"
is "nor of its sockets" "$(in_ns host ss -Hlun 'sport = :4433')" ''
forwarding 0
probe server hooks 1
for family in IPv4 IPv6; do
	check "a host that does not forward $family is warned of" said probe "$family forwarding is off on the host"
done
finish TERM "$probe_pid"

rm "$WORK/hook.connect"
HOOK_CONNECT=$WORK/hook probe server foreign 2
finish
check "a gateway's engine that claims a foreign inner address is cut off" grep -qx lost "$WORK/out"
check "before a hook hears of it" fails test -e "$WORK/hook.connect"

# shellcheck disable=SC2016 # for the script to expand
printf '#!/bin/sh\necho $ID >>"%s/crowd"\n' "$WORK" >"$WORK/hook"
HOOK_DISCONNECT=$WORK/hook HOOK_SECONDS=60 probe server crowd 1
finish
is "each of the 400 hooks asked for at the end has run" "$(sort -u "$WORK/crowd" | wc -l)" 400
rm "$WORK/crowd"
HOOK_DISCONNECT=$WORK/hook HOOK_SECONDS=60 probe server unread 1
finish
is "also behind answers that nobody has read" "$(sort -u "$WORK/crowd" | wc -l)" 400

# shellcheck disable=SC2016 # for the script to expand
printf '#!/bin/sh\necho "$reason $TUNDEV $INTERNAL_IP4_ADDRESS" >>"%s/script.log"\n' "$WORK" >"$WORK/script"
# shellcheck disable=SC2016 # for the script to expand
printf '[ -d /sys/class/net/$TUNDEV ] || echo "no device" >>"%s/script.log"\n' "$WORK" >>"$WORK/script"
chmod +x "$WORK/script"
SCRIPT=$WORK/script probe client split 4
finish TERM "$probe_pid"
is "the script saw it all with its device" "$(cat "$WORK/script.log")" "pre-init adit0 
connect adit0 10.88.0.5
disconnect adit0 10.88.0.5"

# An impatient user
# shellcheck disable=SC2016 # for the script to expand
printf '[ $reason != disconnect ] || { echo begun >"%s/begun"; sleep 1; echo ended >"%s/ended"; }\n' "$WORK" "$WORK" >>"$WORK/script"
SCRIPT=$WORK/script probe client split 4
kill -TERM "$probe_pid"
check "the script has begun to undo" try 5 test -s "$WORK/begun"
kill -INT "$probe_pid"
finish TERM "$probe_pid"
is "told twice and thrice, it ends with 0 all the same" "$code" 0
check "the script has come to its end" test -s "$WORK/ended"
is "nothing is left" "$(state)" "$clean"

# configured COUNT: whether so many configurations were carried out
configured()
{
	(($(grep -c '^net=0' "$WORK/out") == $1))
}

# script BODY: one that writes down its runs, then does this
script()
{
	rm -f "$WORK/script.log"
	cat >"$WORK/script" <<-END
		#!/bin/sh
		mkdir "$WORK/under-way" || echo "beside another" >>"$WORK/script.log"
		echo "\$reason \$INTERNAL_IP4_ADDRESS" >>"$WORK/script.log"
		$1
		rmdir "$WORK/under-way"
	END
}

script "[ \$reason != connect ] || [ -e $WORK/failed ] || { touch $WORK/failed; rmdir $WORK/under-way; exit 1; }"
SCRIPT=$WORK/script probe client again 3
finish TERM "$probe_pid"
is "a script that failed to connect connects again" "$(cat "$WORK/script.log")" "pre-init 
connect 10.88.0.5
connect 10.88.0.5
disconnect 10.88.0.5"

script "[ \$reason\$INTERNAL_IP4_ADDRESS != connect10.88.0.5 ] || until [ -e $WORK/go ]; do sleep 0.05; done"
SCRIPT=$WORK/script probe client replace 1
try 5 grep -q 'connect 10.88.0.5' "$WORK/script.log"
touch "$WORK/go"
try 10 configured 2
finish TERM "$probe_pid"
is "a replaced configuration goes between two others" "$(cat "$WORK/script.log")" "pre-init 
connect 10.88.0.5
disconnect 10.88.0.5
connect 10.88.0.6
disconnect 10.88.0.6"

script "[ \$reason != connect ] || sleep 600"
SCRIPT=$WORK/script probe client replace 1
try 5 grep -q 'connect 10.88.0.5' "$WORK/script.log"
rmdir "$WORK/under-way"
kill -TERM "$probe_pid"
check "a script that hangs does not hold up SIGTERM" try 15 not_running "$probe_pid"
finish
is "nothing but its disconnect runs then" "$(cat "$WORK/script.log")" "pre-init 
connect 10.88.0.5
disconnect 10.88.0.5"
done_testing
