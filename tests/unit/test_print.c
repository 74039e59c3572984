/* SPDX-License-Identifier: Apache-2.0 */
/* Answers for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "cli/print.h"

/* What a printer makes of JSON; to be freed. */
static char *printed(void (*print)(FILE *to, const json_t *), const char *json)
{
	json_t *o = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	assert_non_null(o);
	print(to, o);
	fclose(to);
	json_decref(o);
	return text;
}

static void assert_printed(void (*print)(FILE *to, const json_t *), const char *json, const char *wanted)
{
	char *text = printed(print, json);

	assert_string_equal(text, wanted);
	free(text);
}

static void sessions_stand_in_columns(void **state)
{
	(void)state;
	assert_printed(
		print_sessions,
		"[{\"name\": \"berlin\", \"ipv4\": \"10.0.0.2\", \"ipv6\": null, \"peer\": \"192.0.2.1:7\","
		"  \"transport\": \"tls\", \"generation\": 2, \"since\": \"2023\", \"rx_bytes\": 1023,"
		"  \"tx_bytes\": 1536}]",
		"NAME    IPV4      IPV6  PEER         TRANSPORT  GENERATION  SINCE  RECEIVED  SENT     DATAGRAMS\n"
		"berlin  10.0.0.2  -     192.0.2.1:7  tls        2           2023   1023 B    1.5 KiB  -\n");
}

static void no_sessions_leave_the_titles(void **state)
{
	(void)state;
	assert_printed(print_sessions, "[]",
		       "NAME  IPV4  IPV6  PEER  TRANSPORT  GENERATION  SINCE  RECEIVED  SENT  DATAGRAMS\n");
}

static void assert_last_cell(const char *datagrams, const char *wanted)
{
	char json[256], *text, *last;

	snprintf(json, sizeof(json), "[{\"datagrams\": %s}]", datagrams);
	text = printed(print_sessions, json);
	last = strstr(text, wanted);
	assert_non_null(last);
	assert_string_equal(last + strlen(wanted), "\n");
	free(text);
}

static void sessions_tell_the_age_of_datagram_keys_or_what_is_in_the_way(void **state)
{
	(void)state;
	assert_last_cell("{\"suite\": \"PSK\", \"key_seconds\": 37, \"obstacle\": null}", "  keys 37 s old");
	assert_last_cell("{\"suite\": \"PSK\", \"key_seconds\": 37, \"obstacle\": \"nothing\\n\"}", "  nothing\\x0a");
	assert_last_cell("{\"suite\": null, \"key_seconds\": null, \"obstacle\": \"no hello\"}", "  no hello");
}

static void status_is_a_summary(void **state)
{
	(void)state;
	assert_printed(
		print_status,
		"{\"role\": \"server\", \"version\": \"1.2\", \"aead\": \"evp\","
		" \"offloads\": {\"tso\": true, \"uso\": false, \"udp_gro\": true},"
		" \"counters\": {\"egress\": {\"packets\": 5, \"drop_queue\": 0}, \"refused\": 1, \"rekeys\": 0},"
		" \"sessions\": []}",
		"adit 1.2, server\n"
		"aead: evp\n"
		"offloads: tso udp_gro\n"
		"counters:\n"
		"  egress   packets                  5\n"
		"           refused                  1\n"
		"sessions: 0\n");
}

static void event_is_a_line(void **state)
{
	(void)state;
	assert_printed(print_event,
		       "{\"event\": \"down\", \"time\": \"2023\", \"name\": \"berlin\", \"generation\": 3,"
		       " \"reason\": \"the peer left\"}",
		       "2023 down name=berlin generation=3 reason=\"the peer left\"\n");
}

static void control_characters_are_escaped(void **state)
{
	(void)state;
	assert_printed(print_event,
		       "{\"event\": \"down\", \"time\": \"2023\", \"reason\": \"\\u001b[2J\\n\\u007f\\u009b\"}",
		       "2023 down reason=\\x1b[2J\\x0a\\x7f\\xc2\\x9b\n");
	assert_printed(print_json, "{\"reason\": \"\\u001b\\u009b\"}", "{\"reason\":\"\\u001B\\u009B\"}\n");
}

static void long_text_is_cut(void **state)
{
	char json[2048], *text;

	(void)state;
	snprintf(json, sizeof(json), "{\"event\": \"down\", \"time\": \"2023\", \"reason\": \"%01500d\"}", 0);
	text = printed(print_event, json);
	assert_in_range(strlen(text), 400, 600);
	free(text);
}

static void count_is_said_in_words(void **state)
{
	(void)state;
	assert_printed(print_told, "{\"sessions\": 1}", "1 session told\n");
	assert_printed(print_told, "{\"sessions\": 2}", "2 sessions told\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_stand_in_columns),
		cmocka_unit_test(no_sessions_leave_the_titles),
		cmocka_unit_test(sessions_tell_the_age_of_datagram_keys_or_what_is_in_the_way),
		cmocka_unit_test(status_is_a_summary),
		cmocka_unit_test(event_is_a_line),
		cmocka_unit_test(control_characters_are_escaped),
		cmocka_unit_test(long_text_is_cut),
		cmocka_unit_test(count_is_said_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
