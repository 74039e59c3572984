#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command line: exit codes, help, and what the control commands ask and show. A few lines of perl play the engine.
set -u
cd "$(dirname "$0")/../.." || exit 1
. tests/tap.sh
adit=${ADIT:-build/adit}
[[ -x $adit ]] || skip_all "there is no $adit: run make first"
work=$(mktemp -d)
engine=
trap '[[ -z $engine ]] || kill "$engine"; rm -rf "$work"' EXIT
sock=$work/sock

# exits CODE WORDS...: adit ends with that code; its output is kept
exits()
{
	local wanted=$1 code
	shift
	"$adit" "$@" >"$work/out" 2>"$work/err"
	code=$?
	cat "$work/out" "$work/err"
	[[ $code == "$wanted" ]]
}

# says TEXT: on stdout; complains TEXT: on stderr
says()
{
	grep -qF -- "$1" "$work/out"
}

complains()
{
	grep -qF -- "$1" "$work/err" && [[ ! -s $work/out ]]
}

# engine_answers LINE...: to the next call; its request is kept. With $stays it leaves after the caller, else before.
stays=
engine_answers()
{
	rm -f "$sock"
	printf '%s\n' "$@" >"$work/answer"
	perl -MIO::Socket::UNIX -e '
		my ($sock, $answer, $request, $stays) = @ARGV;
		my $listener = IO::Socket::UNIX->new(Local => "$sock.new", Listen => 1) or die;
		rename "$sock.new", $sock;
		my $caller = $listener->accept;
		open my $to, ">", $request or die;
		print $to scalar <$caller>;
		close $to;
		open my $from, "<", $answer or die;
		print $caller $_ while <$from>;
		$caller->flush;
		1 while $stays && <$caller>;
	' "$sock" "$work/answer" "$work/request" "$stays" &
	engine=$!
	until [[ -S $sock ]]; do
		kill -0 "$engine" || return 1
		sleep 0.01
	done
}

engine_ended()
{
	wait "$engine"
	engine=
}

# asked_and_answered CODE ANSWER WORDS...: one exchange
asked_and_answered()
{
	local code=$1 answer=$2 result
	shift 2
	engine_answers "$answer"
	exits "$code" "$@" --socket "$sock"
	result=$?
	engine_ended
	return "$result"
}

# exits_full CODE WORDS...: like exits, with an output that takes nothing
exits_full()
{
	local wanted=$1 code
	shift
	timeout 10 "$adit" "$@" >/dev/full 2>"$work/err"
	code=$?
	: >"$work/out"
	cat "$work/err"
	[[ $code == "$wanted" ]]
}

# follows_until PATTERN: events go to a reader that leaves after that; true when adit then ends well
follows_until()
{
	local codes
	timeout 10 "$adit" events --json --socket "$sock" | grep -m 1 -- "$1"
	codes=${PIPESTATUS[*]}
	echo "exit codes $codes"
	[[ $codes == "0 0" ]]
}

check "no command is bad usage" exits 64
check "usage then goes to stderr" complains "usage: adit COMMAND"
check "an unknown command is bad usage" exits 64 frobnicate
check "help is help" exits 0 help
check "help goes to stdout" says "disconnect"
check "--help is help" exits 0 --help
check "help of an unknown command is bad usage" exits 64 help frobnicate
check "version prints the version" exits 0 version
check "version is a word and a number" grep -qxE 'adit [0-9.]+' "$work/out"
check "--version prints it, too" exits 0 --version
check "version takes no argument" exits 64 version more

for command in server client check status sessions events disconnect rekey version help; do
	check "$command --help is help" exits 0 "$command" --help
	check "$command --help shows its usage" says "usage: adit "
	check "help $command is help" exits 0 help "$command"
done

for role in server client; do
	check "$role without a file is bad usage" exits 64 "$role"
	check "$role with an unknown option is bad usage" exits 64 "$role" -c "$work/none" --frobnicate
	check "$role with one word too many is bad usage" exits 64 "$role" -c "$work/none" more
	check "$role with a file that is missing is bad configuration" exits 78 "$role" -c "$work/none"
done
check "-v can be repeated" exits 78 server -v -vv -c "$work/none"

check "an authority is made" scripts/adit-pki --dir "$work/pki" init
check "and a client's certificate" scripts/adit-pki --dir "$work/pki" client alice
cat >"$work/client.conf" <<END
server = "vpn.example.com:443";
identity = { certificate = "pki/issued/alice.crt"; key = "pki/private/alice.key"; };
trust = { ca = "pki/ca.crt"; };
END
check "a good client's file passes the check" exits 0 check "$work/client.conf"
# faulty_says KEY LINE TEXT SED: the good file, changed, is refused there
faulty_says()
{
	sed "$4" "$work/client.conf" >"$work/faulty.conf"
	exits 78 check "$work/faulty.conf" && complains "$work/faulty.conf:$2: $1: $3"
}

check "and that of another" scripts/adit-pki --dir "$work/pki" client bob
grep -v PRIVATE "$work/pki/private/alice.key" | sed '1i -----BEGIN NOTHING-----' >"$work/no.key"
sed 3d "$work/pki/ca.crt" >"$work/damaged.crt"
chmod 0600 "$work/no.key"
check "another's key is refused where it is named" faulty_says identity.key 2 \
	"the private key does not match the certificate" 's|private/alice|private/bob|'
check "so is a file without a key" faulty_says identity.key 2 "no private key in the PEM text" \
	's|pki/private/alice|no|'
check "a file without a certificate" faulty_says identity.certificate 2 "no certificate in the PEM text" \
	's|pki/issued/alice.crt|no.key|'
check "a damaged authority" faulty_says trust.ca 3 "no CA certificate in the PEM text, or a damaged one" \
	's|pki/ca|damaged|'
check "and a list that is none" faulty_says trust.crl 3 "no revocation list in the PEM text" \
	's|"pki/ca.crt"|"pki/ca.crt"; crl = "damaged.crt"|'
check "a client's file does not make a server" exits 78 server -c "$work/client.conf"
check "and that is said" complains "not the configuration of a server"

for command in status sessions events rekey "disconnect berlin"; do
	# shellcheck disable=SC2086 # words
	check "$command without a socket fails" exits 1 $command --socket "$work/none"
	check "and that is said" complains "cannot connect to $work/none"
done
check "disconnect needs a name" exits 64 disconnect --socket "$sock"
check "disconnect takes one name" exits 64 disconnect a b --socket "$sock"
check "status takes no name" exits 64 status berlin --socket "$sock"
check "rekey takes one name" exits 64 rekey a b --socket "$sock"
check "an unknown option is bad usage" exits 64 status --frobnicate
check "a path that is too long fails" exits 1 status --socket "$(printf '%0200d' 0)"

check "sessions are shown" asked_and_answered 0 '[{"name":"berlin","ipv4":"10.0.0.7"}]' sessions
check "with their names" says berlin
is "the request is a line of JSON" "$(cat "$work/request")" '{"command":"sessions"}'
check "JSON comes as it was" asked_and_answered 0 '{"role": "server", "x": [1]}' status --json
is "on one line" "$(cat "$work/out")" '{"role":"server","x":[1]}'
check "disconnect is asked by name" asked_and_answered 0 '{"sessions": 1}' disconnect 'be"rlin'
is "which is quoted" "$(cat "$work/request")" '{"command":"disconnect","name":"be\"rlin"}'
check "rekey is asked" asked_and_answered 0 '{"sessions": 2}' rekey
is "for all when there is no name" "$(cat "$work/request")" '{"command":"rekey"}'
check "how many is said" says "2 sessions told"
check "a refusal fails" asked_and_answered 1 '{"error": "no such session"}' disconnect nobody
check "and that is said" complains "no such session"
check "so it does with --json" asked_and_answered 1 '{"error": "no such session"}' disconnect nobody --json
check "and that is said on stderr" complains "no such session"
check "an answer that is not JSON fails" asked_and_answered 1 'hello' status
check "control characters are shown, not obeyed" asked_and_answered 0 '[{"name":"\u001b[2J"}]' sessions
check "as numbers" says '\x1b[2J'

engine_answers '{"event":"session","time":"t","name":"berlin"}' '{"event":"ready","time":"t"}'
check "events end badly when adit leaves" exits 1 events --json --socket "$sock"
engine_ended
is "after a line for each" "$(cat "$work/out")" '{"event":"session","time":"t","name":"berlin"}
{"event":"ready","time":"t"}'

stays=1
engine_answers '{"event":"ready","time":"t"}'
check "events end when nobody reads them any more" follows_until ready
engine_ended
engine_answers '{"event":"ready","time":"t"}'
check "events fail when they cannot be written" exits_full 1 events --socket "$sock"
check "and that is said" complains "cannot write: No space left on device"
engine_ended
stays=

for command in status sessions "disconnect berlin" rekey; do
	engine_answers '{"sessions":1}'
	# shellcheck disable=SC2086 # words
	check "$command fails when its answer cannot be written" exits_full 1 $command --socket "$sock"
	check "and that is said" complains "cannot write: No space left on device"
	engine_ended
done
for command in version help "status --help" "check --keys server" "check $work/client.conf"; do
	# shellcheck disable=SC2086 # words
	check "$command fails when it cannot be written" exits_full 1 $command
	check "and that is said" complains "cannot write: No space left on device"
done

# Listens at its usual place, and leaves the socket there; with "serve" it answers before.
cat >"$work/play" <<'END'
use IO::Socket::UNIX;
my ($what, $path) = @ARGV;
my $listener = IO::Socket::UNIX->new(Local => "$path.new", Listen => 4) or die;
rename "$path.new", $path;
while ($what eq 'serve' and my $caller = $listener->accept) {
	print $caller "[]\n" if defined <$caller>;
}
END

# In a mount namespace with a /run of its own: what stands at the usual places, then the command.
cat >"$work/in_own_run" <<'END'
work=$1 adit=$2 gateway=$3 client=$4
trap 'kill $(jobs -p) 2>/dev/null' EXIT
mount -t tmpfs run /run && mkdir /run/adit || exit
for role in server client; do
	[[ $role = server ]] && what=$gateway || what=$client
	[[ $what != none ]] || continue
	perl "$work/play" "$what" /run/adit/$role.sock &
	until [[ -S /run/adit/$role.sock ]]; do sleep 0.01; done
	[[ $what = serve ]] || wait $!
done
"$adit" sessions --json
END

# finds CODE GATEWAY CLIENT: none, stale or serve
finds()
{
	local code
	unshare --map-root-user --mount bash "$work/in_own_run" "$work" "$adit" "$2" "$3" >"$work/out" 2>"$work/err"
	code=$?
	cat "$work/out" "$work/err"
	[[ $code == "$1" ]]
}

if unshare --map-root-user --mount mount -t tmpfs run /run 2>/dev/null; then
	check "without a socket none runs" finds 1 none none
	check "and that is said" complains "no adit runs here"
	check "nor with one that was left behind" finds 1 stale none
	check "and that is said" complains "no adit runs here"
	check "a client beside what a gateway left behind is found" finds 0 stale serve
	check "a gateway beside what a client left behind is found" finds 0 serve stale
	check "between two that run one must choose" finds 64 serve serve
	check "and that is said" complains "both a gateway and a client run here"
fi

done_testing
