/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP messages from bytes as they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/http.h"

static const char connect_request[] = "CONNECT /CSCOSSLC/tunnel HTTP/1.1\r\n"
				      "Host: vpn.test:4443\r\n"
				      "Cookie: a=b; webvpn=SECRET==; c=d\r\n"
				      "X-CSTP-MTU: 1390\r\n"
				      "\r\n";
static const char post_request[] = "POST / HTTP/1.1\r\nHost: vpn.test\r\nContent-Length: 5\r\n\r\nhello";

static struct http_parser_state *parser;
static struct http_message message;
static size_t used;

static int setup(void **state)
{
	(void)state;
	parser = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	http_free(parser);
	return 0;
}

static void begin(enum http_kind kind, bool connect_reply, bool keep_body)
{
	http_free(parser);
	parser = http_new(kind, connect_reply, keep_body);
	assert_non_null(parser);
}

static int feed(const char *text)
{
	return http_feed(parser, (const uint8_t *)text, strlen(text), &used, &message);
}

static int feed_times(const char *text, int times)
{
	int r = ERR_SHORT;

	while (times-- && r == ERR_SHORT)
		r = feed(text);
	return r;
}

static void connect_request_with_a_path_is_read(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, false);
	assert_int_equal(feed(connect_request), 1);
	assert_int_equal(used, strlen(connect_request));
	assert_string_equal(message.method, "CONNECT");
	assert_string_equal(message.url, "/CSCOSSLC/tunnel");
	assert_int_equal(message.headers_len, 3);
	assert_string_equal(message.headers[0].name, "Host");
	assert_string_equal(message.headers[0].value, "vpn.test:4443");
}

static void what_follows_a_connect_head_is_left(void **state)
{
	char text[sizeof(connect_request) + 8];

	(void)state;
	begin(HTTP_REQUEST, false, false);
	strcpy(text, connect_request);
	strcat(text, "STF");
	assert_int_equal(feed(text), 1);
	assert_int_equal(used, strlen(connect_request));
}

static void request_in_single_bytes_is_read(void **state)
{
	size_t len = strlen(connect_request);

	(void)state;
	begin(HTTP_REQUEST, false, false);
	for (size_t i = 0; i < len; i++) {
		int r = http_feed(parser, (const uint8_t *)connect_request + i, 1, &used, &message);

		assert_int_equal(r, i == len - 1 ? 1 : ERR_SHORT);
		assert_int_equal(used, 1);
	}
	assert_string_equal(message.url, "/CSCOSSLC/tunnel");
	assert_string_equal(http_find(&message, "X-CSTP-MTU"), "1390");
}

static void body_is_kept_when_wanted(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, true);
	assert_int_equal(feed(post_request), 1);
	assert_int_equal(message.body_len, 5);
	assert_memory_equal(message.body, "hello", 5);
	assert_true(message.keep_alive);
}

static void body_is_thrown_away_otherwise(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, false);
	assert_int_equal(feed(post_request), 1);
	assert_int_equal(used, strlen(post_request));
	assert_int_equal(message.body_len, 0);
}

static void next_request_on_the_connection_is_read_after_reset(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, true);
	assert_int_equal(feed(post_request), 1);
	http_reset(parser);
	assert_int_equal(feed(connect_request), 1);
	assert_string_equal(message.method, "CONNECT");
	assert_int_equal(message.headers_len, 3);
	assert_int_equal(message.body_len, 0);
}

static void second_message_in_the_same_bytes_is_left(void **state)
{
	char text[2 * sizeof(post_request)];

	(void)state;
	begin(HTTP_REQUEST, false, true);
	strcpy(text, post_request);
	strcat(text, post_request);
	assert_int_equal(feed(text), 1);
	assert_int_equal(used, strlen(post_request));
}

static void line_ends_may_lack_cr_and_values_their_blank(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, false);
	assert_int_equal(feed("GET / HTTP/1.0\nA:b\nC: \t d \t\n\n"), 1);
	assert_string_equal(http_find(&message, "a"), "b");
	assert_string_equal(http_find(&message, "c"), "d");
	assert_false(message.keep_alive);
}

static void empty_value_is_a_value(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, false);
	assert_int_equal(feed("GET / HTTP/1.1\r\nA:\r\nB: c\r\n\r\n"), 1);
	assert_string_equal(http_find(&message, "A"), "");
	assert_string_equal(http_find(&message, "B"), "c");
	assert_null(http_find(&message, "C"));
}

static void chunked_body_is_joined(void **state)
{
	(void)state;
	begin(HTTP_REPLY, false, true);
	assert_int_equal(
		feed("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x\r\nllo\r\n0\r\nT: u\r\n\r\n"),
		1);
	assert_int_equal(message.body_len, 5);
	assert_memory_equal(message.body, "hello", 5);
	assert_null(http_find(&message, "T"));
}

static void reply_is_read(void **state)
{
	(void)state;
	begin(HTTP_REPLY, false, true);
	assert_int_equal(feed("HTTP/1.1 401 Cookie is not acceptable\r\nContent-Length: 0\r\n\r\n"), 1);
	assert_int_equal(message.status, 401);
	assert_string_equal(message.reason, "Cookie is not acceptable");
}

static void reply_without_a_reason_is_read(void **state)
{
	(void)state;
	begin(HTTP_REPLY, false, true);
	assert_int_equal(feed("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"), 1);
	assert_int_equal(message.status, 200);
	assert_string_equal(message.reason, "");
}

static void reply_to_connect_has_no_body_whatever_it_says(void **state)
{
	(void)state;
	begin(HTTP_REPLY, true, true);
	assert_int_equal(feed("HTTP/1.1 200 CONNECTED\r\nContent-Length: 5\r\n\r\nSTF"), 1);
	assert_int_equal(used, strlen("HTTP/1.1 200 CONNECTED\r\nContent-Length: 5\r\n\r\n"));
}

static void reply_without_length_ends_with_the_stream(void **state)
{
	(void)state;
	begin(HTTP_REPLY, false, true);
	assert_int_equal(feed("HTTP/1.0 200 OK\r\n\r\nhello"), ERR_SHORT);
	assert_int_equal(http_finish(parser, &message), 1);
	assert_int_equal(message.body_len, 5);
	assert_false(message.keep_alive);
}

static void message_cut_short_is_told(void **state)
{
	(void)state;
	begin(HTTP_REPLY, false, true);
	assert_int_equal(http_finish(parser, &message), ERR_EOF);
	begin(HTTP_REPLY, false, true);
	assert_int_equal(feed("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell"), ERR_SHORT);
	assert_int_equal(http_finish(parser, &message), ERR_EOF);
}

static void what_is_not_http_is_refused(void **state)
{
	static const char *const texts[] = { "\x16\x03\x01",
					     "HELLO / HTTP/1.1\r\n\r\n",
					     "GET\r\n\r\n",
					     "GET / SIP/2.0\r\n\r\n",
					     "GET / HTTP/1.1\r\nno colon here\r\n\r\n",
					     "POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
					     "GET / HTTP/1.1\r\nA: b\001c\r\n\r\n",
					     "GET / HTTP/1.1\r\nA: \001b\r\n\r\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		begin(HTTP_REQUEST, false, false);
		assert_int_equal(feed(texts[i]), ERR_PROTO);
	}
}

static void head_over_its_limit_is_refused(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, false);
	assert_int_equal(feed("GET / HTTP/1.1\r\nA: "), ERR_SHORT);
	assert_int_equal(feed_times("0123456789", HTTP_HEAD_MAX / 10), ERR_TOO_BIG);
}

static void head_below_its_limit_passes(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, false);
	assert_int_equal(feed("GET / HTTP/1.1\r\nA: "), ERR_SHORT);
	assert_int_equal(feed_times("0123456789", HTTP_HEAD_MAX / 10 - 4), ERR_SHORT);
	assert_int_equal(feed("\r\n\r\n"), 1);
}

static void blank_lines_without_end_are_refused(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, false);
	assert_int_equal(feed_times("\r\n\r\n\r\n\r\n", HTTP_HEAD_MAX), ERR_TOO_BIG);
}

static void headers_are_counted(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, false);
	feed("GET / HTTP/1.1\r\n");
	feed_times("A: b\r\n", HTTP_HEADERS_MAX);
	assert_int_equal(feed("\r\n"), 1);
	assert_int_equal(message.headers_len, HTTP_HEADERS_MAX);
	begin(HTTP_REQUEST, false, false);
	feed("GET / HTTP/1.1\r\n");
	assert_int_equal(feed_times("A: b\r\n", HTTP_HEADERS_MAX + 1), ERR_TOO_BIG);
}

static void body_over_its_limit_is_refused_kept_or_not(void **state)
{
	(void)state;
	for (int keep = 0; keep < 2; keep++) {
		begin(HTTP_REQUEST, false, keep);
		assert_int_equal(feed("POST / HTTP/1.1\r\nContent-Length: 99999\r\n\r\n"), ERR_SHORT);
		assert_int_equal(feed_times("0123456789abcdef", HTTP_BODY_MAX / 16), ERR_SHORT);
		assert_int_equal(feed("x"), ERR_TOO_BIG);
	}
}

static void chunks_cannot_swell_without_end(void **state)
{
	(void)state;
	begin(HTTP_REQUEST, false, true);
	assert_int_equal(feed("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), ERR_SHORT);
	assert_int_equal(feed_times("1;padding-padding-padding\r\nx\r\n", HTTP_BODY_MAX), ERR_TOO_BIG);
}

static void cookie_is_found_among_others(void **state)
{
	char value[64];

	(void)state;
	begin(HTTP_REQUEST, false, false);
	assert_int_equal(feed(connect_request), 1);
	assert_int_equal(http_cookie(&message, "webvpn", value, sizeof(value)), 8);
	assert_string_equal(value, "SECRET==");
	assert_int_equal(http_cookie(&message, "c", value, sizeof(value)), 1);
	assert_string_equal(value, "d");
}

static void other_cookies_are_not_taken_for_it(void **state)
{
	char value[64];

	(void)state;
	begin(HTTP_REQUEST, false, false);
	feed("GET / HTTP/1.1\r\nCookie: webvpnc=1; Webvpn=2; xwebvpn=3; webvpn\r\n\r\n");
	assert_int_equal(http_cookie(&message, "webvpn", value, sizeof(value)), ERR_MISSING);
}

static void cookie_in_a_second_header_is_found(void **state)
{
	char value[64];

	(void)state;
	begin(HTTP_REQUEST, false, false);
	feed("GET / HTTP/1.1\r\nCookie: a=b\r\ncookie:;; webvpn=X ;\r\n\r\n");
	assert_int_equal(http_cookie(&message, "webvpn", value, sizeof(value)), 1);
	assert_string_equal(value, "X");
}

static void cookie_that_does_not_fit_is_refused(void **state)
{
	char value[8];

	(void)state;
	begin(HTTP_REQUEST, false, false);
	feed(connect_request);
	assert_int_equal(http_cookie(&message, "webvpn", value, sizeof(value)), ERR_TOO_BIG);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(connect_request_with_a_path_is_read),
		TEST(what_follows_a_connect_head_is_left),
		TEST(request_in_single_bytes_is_read),
		TEST(body_is_kept_when_wanted),
		TEST(body_is_thrown_away_otherwise),
		TEST(next_request_on_the_connection_is_read_after_reset),
		TEST(second_message_in_the_same_bytes_is_left),
		TEST(line_ends_may_lack_cr_and_values_their_blank),
		TEST(empty_value_is_a_value),
		TEST(chunked_body_is_joined),
		TEST(reply_is_read),
		TEST(reply_without_a_reason_is_read),
		TEST(reply_to_connect_has_no_body_whatever_it_says),
		TEST(reply_without_length_ends_with_the_stream),
		TEST(message_cut_short_is_told),
		TEST(what_is_not_http_is_refused),
		TEST(head_over_its_limit_is_refused),
		TEST(head_below_its_limit_passes),
		TEST(blank_lines_without_end_are_refused),
		TEST(headers_are_counted),
		TEST(body_over_its_limit_is_refused_kept_or_not),
		TEST(chunks_cannot_swell_without_end),
		TEST(cookie_is_found_among_others),
		TEST(other_cookies_are_not_taken_for_it),
		TEST(cookie_in_a_second_header_is_found),
		TEST(cookie_that_does_not_fit_is_refused),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
