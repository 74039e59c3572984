#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The operator at the control sockets of a gateway and a client: what each command prints and does, who may, and that
# none who asks can hold the program up.
#
#	(gw) 192.0.2.1 ----- 192.0.2.2 (client)
unset ADIT_CTL # the tool itself is looked at
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

GROUP=games # one that every Debian has, and its users do not
EVENTS=400  # more than a socket holds for a reader that does not read

make_ns gw client
link_ns gw 192.0.2.1/24 client 192.0.2.2/24
make_pki vpn.test alice
# Others must be able to run it, wherever it was built.
cp "$ADIT" "$WORK/adit"

# as GROUPS COMMAND...: as an unprivileged user who is neither root nor the engine's
as()
{
	local groups=$1
	shift
	setpriv --reuid=daemon --regid=daemon --groups="$groups" -- "$@"
}

ctl_as()
{
	as "$1" "$WORK/adit" "$3" --socket "$WORK/$2.sock" "${@:4}"
}

# ends STATUS PATTERN COMMAND...: with that status and such a line
ends()
{
	local wanted=$1 pattern=$2 output status=0
	shift 2
	output=$("$@" 2>&1) || status=$?
	echo "exit status $status: $output"
	((status == wanted)) && grep -qE "$pattern" <<<"$output"
}

# ask LABEL LINE: a raw request and its answer
ask()
{
	perl -MIO::Socket::UNIX -e '
		my $adit = IO::Socket::UNIX->new($ARGV[0]) or die "$!\n";
		print $adit "$ARGV[1]\n";
		$adit->flush;
		print while <$adit>;
	' "$WORK/$1.sock" "$2"
}

generation()
{
	ctl "$1" sessions --json | jq '.[0].generation'
}

start_gateway()
{
	start_server gw gw vpn.test "$@"
}

start_alice()
{
	start_client alice client alice 192.0.2.1:443 'trust.name="vpn.test"'
	wait_event alice 15 'event=up|session' >/dev/null || diag "the client is not up"
}

start_gateway
check "without sessions there are none" test "$(ctl gw sessions --json)" = '[]'
check "and none to rekey" ends 1 'no such session' ctl gw rekey
start_alice
record_events gw
record_events alice

# --- what people see ---
check "status of the gateway" ends 0 '^adit [0-9.]+, server$' ctl gw status
check "status of the client" ends 0 '^adit [0-9.]+, client$' ctl alice status
check "status counts sessions" ends 0 '^sessions: 1$' ctl gw status
check "sessions of the gateway" ends 0 '^alice  10\.20\.0\.[0-9]+  fd20:aa::[0-9a-f:]+  192\.0\.2\.2:[0-9]+  d?tls  ' \
	bash -c "'$ADIT' sessions --socket '$WORK/gw.sock' | sed 's/   */  /g'"
check "sessions of the client" ends 0 '^vpn.test  10\.20\.0\.' ctl alice sessions
is "the columns have titles" "$(ctl gw sessions | head -n 1 | tr -s ' ')" \
	"NAME IPV4 IPV6 PEER TRANSPORT GENERATION SINCE RECEIVED SENT DATAGRAMS"
for label in gw alice; do
	is "events of $label begin with what lives, and ready" \
		"$(head -n 2 "$WORK/$label.events" | jq -r .event | tr '\n' ' ')" "session ready "
	start "$label-human" gw "$ADIT" events --socket "$WORK/$label.sock"
	check "ready for people: $label" said "$label-human" '^[0-9T:.-]+Z ready$'
	check "after what lives: $label" said "$label-human" '^[0-9T:.-]+Z session name='
	stop "$label-human"
done

# --- rekey ---
for label in gw alice; do
	mark_events gw
	mark_events alice
	before=$(generation gw)
	check "rekey at $label" ends 0 '^1 session told$' ctl $label rekey
	for end in gw alice; do
		check "$end tells of it" wait_record $end 5 event=rekey "generation=$((before + 1))"
	done
done
check "rekey of one by name" ends 0 '^\{"sessions":1\}$' ctl gw rekey alice --json
check "rekey of nobody" ends 1 'no such session' ctl gw rekey carol
check "also in JSON it fails" ends 1 'no such session' ctl gw rekey carol --json

# --- what is no request ---
check "a disconnect without a name is bad usage" ends 64 '^usage: ' ctl gw disconnect
check "so is an unknown option" ends 64 'usage: ' ctl gw status --loud
check "no socket, no answer" ends 1 'cannot connect' "$ADIT" status --socket "$WORK/none.sock"
check "garbage is answered" ends 0 '"error":' ask gw 'garbage'
check "an unknown command is answered" ends 0 'unknown command' ask gw '{"command":"reboot"}'
check "a line without end is answered" ends 0 'too long' ask gw "$(head -c 5000 /dev/zero | tr '\0' x)"

# --- who may ---
for label in gw alice; do
	is "the socket of $label is for root" "$(stat -c %a "$WORK/$label.sock")" 600
	check "nobody else may ask it" ends 1 'Permission denied' ctl_as daemon $label status
done

# --- those who do not read, and too many of them ---
start sleeper gw "$ADIT" events --socket "$WORK/gw.sock" --json
check "a reader of events follows" said sleeper '"ready"'
kill -STOP "${pid_of[sleeper]}"
mark_events gw
in_ns client "$repo/tests/netns/strangers" 192.0.2.1 443 $EVENTS
refused()
{
	grep -c '"event":"refused"' "$1"
}
all_refused()
{
	(($(refused "$1") >= EVENTS))
}
check "while it does not read, another one learns everything" try 10 all_refused "$WORK/gw.events"
is "each is told with its source" \
	"$(jq -r 'select(.event == "refused").peer' "$WORK/gw.events" | sed 's/:[0-9]*$//' | sort -u)" 192.0.2.2
check "status is answered" timeout 5 "$ADIT" status --socket "$WORK/gw.sock"
check "the session rekeys" ends 0 'told' ctl gw rekey
check "and goes on" wait_record gw 5 event=rekey
check "the sleeper has not read them" fails all_refused "$WORK/sleeper.log"
kill -CONT "${pid_of[sleeper]}"
check "reading again, it has missed nothing" try 10 all_refused "$WORK/sleeper.log"
stop sleeper

# Sixty-four callers that ask nothing. Ends when all have been let go.
crowd()
{
	perl -MIO::Socket::UNIX -e '
		my @callers = map { IO::Socket::UNIX->new($ARGV[0]) or die "$!\n" } 1 .. 64;
		$| = 1;
		print "here\n";
		<$_> for @callers;
	' "$WORK/gw.sock"
}
crowd >"$WORK/crowd.log" &
pid_of[crowd]=$!
check "a crowd calls" said crowd here
check "that keeps nobody out" ends 0 '^sessions: 1$' ctl gw status
check "and is let go when it has not asked for a while" exits crowd 0

# --- two on one socket, and one that nobody holds any more ---
start_adit second gw server -c "$WORK/gw.conf"
check "a second adit on the socket ends" exits second 1
check "and says why" said second 'another adit is running'
check "the first one is not disturbed" ends 0 '^sessions: 1$' ctl gw status
for pid in $(ip netns pids "$NS-gw"); do
	kill -s KILL "$pid"
done
wait_exit gw 2>/dev/null
check "killed, it leaves its socket" test -S "$WORK/gw.sock"
check "where nobody answers" try 5 ends 1 'cannot connect' ctl gw status
start_gateway "control_group=\"$GROUP\""
check "the next one takes its place" ends 0 ', server$' ctl gw status

# --- who may, with a group ---
is "the socket is for a group" "$(stat -c '%a %G' "$WORK/gw.sock")" "660 $GROUP"
check "its client comes back" wait_event gw 10 'event=up|session' name=alice
check "a member may ask" ends 0 '^sessions: 1$' ctl_as "$GROUP" gw status
check "a member may change" ends 0 'told' ctl_as "$GROUP" gw rekey
check "others may not" ends 1 'Permission denied' ctl_as daemon gw status

# --- disconnect ---
check "disconnect of nobody" ends 1 'no such session' ctl gw disconnect carol
mark_events alice
check "disconnect at the gateway" ends 0 '^1 session told$' ctl_as "$GROUP" gw disconnect alice
check "the client ends with 1" exits alice 1
check "and says why" said alice 'ended by the gateway.*disconnected by the operator'
check "its followers learn it" wait_record alice 5 event=down 'reason=.*operator.*'
start_alice
mark_events gw
check "disconnect at the client" ends 0 '^\{"sessions":1\}$' ctl alice disconnect vpn.test --json
check "it ends with 0" exits alice 0
check "the gateway was told" wait_event gw 5 event=ready
check "and has no session left" try 5 test "$(ctl gw sessions --json)" = '[]'
done_testing
