/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of the control socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "server/request.h"

static struct request request;
static const char *why;

static int decode(const char *line)
{
	memset(&request, 0, sizeof(request));
	return request_decode(line, strlen(line), &request, &why);
}

static void assert_refused(const char *line, const char *reason)
{
	assert_int_equal(decode(line), ERR_INVALID);
	assert_string_equal(why, reason);
}

static void command_without_name_is_read(void **state)
{
	(void)state;
	assert_int_equal(decode("{\"command\": \"status\"}"), 0);
	assert_int_equal(request.command, REQUEST_STATUS);
	assert_false(request.changes);
	assert_string_equal(request.name, "");
}

static void command_with_name_is_read(void **state)
{
	(void)state;
	assert_int_equal(decode("{\"command\": \"disconnect\", \"name\": \"berlin\"}"), 0);
	assert_int_equal(request.command, REQUEST_DISCONNECT);
	assert_true(request.changes);
	assert_string_equal(request.name, "berlin");
}

static void rekey_takes_a_name_or_none(void **state)
{
	(void)state;
	assert_int_equal(decode("{\"command\": \"rekey\"}"), 0);
	assert_true(request.changes);
	assert_int_equal(decode("{\"command\": \"rekey\", \"name\": \"berlin\"}"), 0);
	assert_string_equal(request.name, "berlin");
}

static void unknown_command_is_refused(void **state)
{
	(void)state;
	assert_refused("{\"command\": \"reboot\"}", "unknown command");
	assert_refused("{\"command\": \"Status\"}", "unknown command");
}

static void name_where_none_belongs_is_refused(void **state)
{
	(void)state;
	assert_refused("{\"command\": \"status\", \"name\": \"berlin\"}", "this command takes no name");
}

static void missing_name_is_refused(void **state)
{
	(void)state;
	assert_refused("{\"command\": \"disconnect\"}", "this command needs a name");
}

static void name_of_64_characters_is_the_longest(void **state)
{
	char line[128], name[66];

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[65] = '\0';
	snprintf(line, sizeof(line), "{\"command\": \"rekey\", \"name\": \"%.64s\"}", name);
	assert_int_equal(decode(line), 0);
	assert_int_equal(strlen(request.name), 64);
	snprintf(line, sizeof(line), "{\"command\": \"rekey\", \"name\": \"%s\"}", name);
	assert_refused(line, "a name has 1 to 64 characters");
	assert_refused("{\"command\": \"rekey\", \"name\": \"\"}", "a name has 1 to 64 characters");
}

static void what_is_not_a_request_is_refused(void **state)
{
	static const char *const lines[] = {
		"",
		"status",
		"[]",
		"null",
		"{}",
		"{\"name\": \"berlin\"}",
		"{\"command\": 1}",
		"{\"command\": \"rekey\", \"name\": null}",
		"{\"command\": \"rekey\", \"nmae\": \"berlin\"}",
		"{\"command\": \"rekey\", \"command\": \"status\"}",
		"{\"command\": \"status\"} {}",
		"{\"command\": \"rekey\", \"name\": \"a\\u0000b\"}",
		"{\"command\": \"rekey\", \"name\": \"\xff\"}",
	};
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		assert_refused(lines[i], "a request is {\"command\": \"...\", \"name\": \"...\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(command_without_name_is_read),
		cmocka_unit_test(command_with_name_is_read),
		cmocka_unit_test(rekey_takes_a_name_or_none),
		cmocka_unit_test(unknown_command_is_refused),
		cmocka_unit_test(name_where_none_belongs_is_refused),
		cmocka_unit_test(missing_name_is_refused),
		cmocka_unit_test(name_of_64_characters_is_the_longest),
		cmocka_unit_test(what_is_not_a_request_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
