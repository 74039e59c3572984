# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# TAP for test scripts in bash: the plan comes last, printed by done_testing.
tap_count=0
tap_failed=0
# What a check's command says is kept in a file without a name: nothing to remove, and no process to make one each time.
tap_output=$(mktemp)
exec {tap_fd}<>"$tap_output"
rm -f "$tap_output"
tap_output=/proc/$$/fd/$tap_fd

ok()
{
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s\n' "$tap_count" "$1"
}

not_ok()
{
	tap_count=$((tap_count + 1))
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_count" "$1"
}

# diag LINE...: said to whoever looks into a failure. On standard error: a harness keeps the rest to itself.
diag()
{
	printf '%s\n' "$@" | sed 's/^/# /' >&2
}

# check DESCRIPTION COMMAND...: ok when the command succeeds; its output is shown when it does not.
check()
{
	local name=$1
	shift
	# Not in a subshell: the command may start, stop or set something.
	if "$@" >"$tap_output" 2>&1; then
		ok "$name"
	else
		not_ok "$name"
		diag "$*" "$(cat "$tap_output")"
	fi
}

# fails COMMAND...: for check, when the command must not succeed
fails()
{
	! "$@"
}

# is DESCRIPTION GOT WANTED
is()
{
	if [[ $2 == "$3" ]]; then
		ok "$1"
	else
		not_ok "$1"
		diag "got:    $2" "wanted: $3"
	fi
}

done_testing()
{
	print_plan_and_exit
}

print_plan_and_exit()
{
	printf '1..%d\n' "$tap_count"
	exit $((tap_failed > 0))
}

skip_all()
{
	printf '1..0 # SKIP %s\n' "$1"
	# prove takes a plan of none for "skipped" only from a test that ends with 0; others know 77.
	exit $((${HARNESS_ACTIVE:-0} ? 0 : 77))
}
