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

# engine_answers LINE...: to the next call; its request is kept
engine_answers()
{
	rm -f "$sock"
	printf '%s\n' "$@" >"$work/answer"
	perl -MIO::Socket::UNIX -e '
		my ($sock, $answer, $request) = @ARGV;
		my $listener = IO::Socket::UNIX->new(Local => "$sock.new", Listen => 1) or die;
		rename "$sock.new", $sock;
		my $caller = $listener->accept;
		open my $to, ">", $request or die;
		print $to scalar <$caller>;
		close $to;
		open my $from, "<", $answer or die;
		print $caller $_ while <$from>;
	' "$sock" "$work/answer" "$work/request" &
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

done_testing
