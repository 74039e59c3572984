#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The helper of these tests fails where it has to: each trial is a scenario of its own, most of which end badly.
# shellcheck source=tests/netns/lib.sh
. "$(dirname "$0")/lib.sh"

# trial LINE...: a scenario of these lines; its output in $WORK/trial, its status in $status
trial()
{
	printf '%s\n' '#!/bin/bash' ". '$repo/tests/netns/lib.sh'" "$@" done_testing >"$WORK/trial.t"
	HARNESS_ACTIVE=1 timeout -k 5 120 bash "$WORK/trial.t" >"$WORK/trial" 2>&1
	status=$?
}

# comes_to STATUS PATTERN: what the trial came to
comes_to()
{
	cat "$WORK/trial"
	echo "exit status $status"
	((status == $1)) && grep -qE "$2" "$WORK/trial"
}

# --- what does not end ---
stubborn='start stubborn a bash -c "trap : TERM; echo here; while :; do sleep 1; done"; said stubborn here'
# shellcheck disable=SC2016
trial 'make_ns a' "$stubborn" 'kill "${pid_of[stubborn]}"' 'check "it stops" wait_exit stubborn 1'
check "one that does not end is killed, and its status tells" comes_to 1 '^not ok 1 - it stops'
check "and fails the scenario" comes_to 1 '^not ok 2 - stubborn ends when it should'
trial 'make_ns a' 'start early a true' 'check "it ends" exits early 0' 'start long a sleep 60' 'stop_all' \
	'check "none is left" none_runs'
check "what ends in time does not" comes_to 0 '^ok 2 - none is left'

# --- what a daemon's log tells ---
for report in 'ERROR: AddressSanitizer: SEGV on unknown address' 'ERROR: ThreadSanitizer: SEGV' \
	'FATAL: ThreadSanitizer: unexpected memory mapping' 'WARNING: ThreadSanitizer: data race' \
	'ERROR: LeakSanitizer: detected memory leaks' 'LeakSanitizer has encountered a fatal error.' \
	'a.c:1:2: runtime error: signed integer overflow'; do
	trial "echo '==1==$report' >\"\$WORK/x.log\""
	check "a report fails the scenario: $report" comes_to 1 '^not ok 1 - no sanitizer report'
done
trial "echo 'an error of the runtime' >\"\$WORK/x.log\""
check "another line does not" comes_to 0 '^1\.\.0'

# --- what is not there ---
CHECK_ALL=0 trial 'needs_programs no-such-program'
check "a scenario that lacks a program is left out" comes_to 0 '^1\.\.0 # SKIP needs no-such-program'
CHECK_ALL=1 trial 'needs_programs no-such-program'
check "which is a failure where all is to be tested" comes_to 1 '^not ok 1 - needs no-such-program'

# --- what was never recorded ---
# shellcheck disable=SC2016
events='printf "%s\n" "{\"event\":\"up\"}" "{\"event\":\"rekey\"}" >"$WORK/x.events"'
trial "$events" 'check "never" never_recorded x lost event=rekey'
check "an event that is not there was never recorded" comes_to 0 '^ok 1'
trial "$events" 'check "never" never_recorded x up event=rekey'
check "one that is there was" comes_to 1 '^not ok 1'
trial 'check "never" never_recorded x lost event=rekey'
check "nothing can be said of a recording that is not there" comes_to 1 '^not ok 1'

# --- what the host knows of name servers ---
# is_covered PROGRAM: on a host that has it, a daemon of ours cannot run it
is_covered()
{
	# shellcheck disable=SC2016 # for the other shell to expand
	unshare --mount sh -c '
		mount -t tmpfs none /usr/local/sbin
		printf "#!/bin/sh\n" >"/usr/local/sbin/$2"
		chmod +x "/usr/local/sbin/$2"
		"/usr/local/sbin/$2" && ! "$1" "/usr/local/sbin/$2" && "/usr/local/sbin/$2"
	' sh "$repo/tests/netns/apart" "$1"
}

for program in resolvectl resolvconf systemd-resolve; do
	check "$program cannot be run" is_covered $program
done
check "others can" "$repo/tests/netns/apart" true
done_testing
