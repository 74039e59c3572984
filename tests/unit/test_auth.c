/* SPDX-License-Identifier: Apache-2.0 */
/* The authentication phase: what is written can be read, what other gateways say is understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "testhttp.h"
#include "wire/auth.h"

static struct auth_reply reply;

static int decode(const char *status, const char *headers, const char *body)
{
	static char text[2 * HTTP_BODY_MAX];
	struct http_message m;

	snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body),
		 body);
	m = testhttp_text(HTTP_REPLY, false, text);
	return auth_decode_reply(&m, &reply);
}

static int decode_body(const char *body)
{
	return decode("200 OK", "Set-Cookie: webvpn=abc\r\n", body);
}

#define SUCCESS "<config-auth client=\"vpn\" type=\"complete\"><auth id=\"success\"/></config-auth>"

static void request_is_what_gateways_expect(void **state)
{
	struct buf b = BUF_INIT;
	struct http_message m;

	(void)state;
	assert_int_equal(auth_encode_request("vpn.test", 4443, &b), 0);
	assert_true(testhttp_has_line(&b, "POST / HTTP/1.1"));
	assert_true(testhttp_has_line(&b, "Host: vpn.test:4443"));
	assert_true(testhttp_has_line(&b, "User-Agent: " AUTH_USER_AGENT));
	assert_true(testhttp_has_line(&b, "X-Transcend-Version: 1"));
	assert_true(testhttp_has_line(&b, "X-Aggregate-Auth: 1"));
	m = testhttp_buf(HTTP_REQUEST, false, &b);
	assert_non_null(memmem(m.body, m.body_len, "type=\"init\"", 11));
	assert_non_null(memmem(m.body, m.body_len, "https://vpn.test:4443/", 22));
	buf_fini(&b);
}

static void host_is_bracketed_and_the_usual_port_left_out(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(auth_encode_request("fd00::1", 443, &b), 0);
	assert_true(testhttp_has_line(&b, "Host: [fd00::1]"));
	buf_fini(&b);
}

static void success_comes_back(void **state)
{
	struct buf b = BUF_INIT;
	struct http_message m;

	(void)state;
	assert_int_equal(auth_encode_success("0123+/==", &b), 0);
	assert_true(testhttp_has_line(&b, "Set-Cookie: webvpn=0123+/==; Secure; HttpOnly"));
	m = testhttp_buf(HTTP_REPLY, false, &b);
	assert_int_equal(auth_decode_reply(&m, &reply), 0);
	assert_string_equal(reply.cookie, "0123+/==");
	buf_fini(&b);
}

static void reply_of_ocserv_is_read(void **state)
{
	(void)state;
	assert_int_equal(
		decode("200 OK",
		       "Connection: Keep-Alive\r\nContent-Type: text/xml\r\nX-Transcend-Version: 1\r\n"
		       "Set-Cookie: webvpncontext=AMTM; Secure; HttpOnly\r\n"
		       "Set-Cookie: webvpn=AMTM/+==; Secure; HttpOnly\r\n"
		       "Set-Cookie: webvpnc=; expires=Thu, 01 Jan 1970 22:00:00 GMT; path=/; Secure; HttpOnly\r\n"
		       "Set-Cookie: webvpnc=bu:/&p:t&iu:1/&sh:00; path=/; Secure; HttpOnly\r\n",
		       "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<config-auth client=\"vpn\" type=\"complete\">\n"
		       "<version who=\"sg\">0.1(1)</version>\n<auth id=\"success\">\n<title>SSL VPN Service</title>"
		       "<banner>hello</banner></auth></config-auth>\n"),
		0);
	assert_string_equal(reply.cookie, "AMTM/+==");
}

static void bare_auth_element_is_enough(void **state)
{
	(void)state;
	assert_int_equal(decode_body("<auth id=\"success\"/>"), 0);
	assert_string_equal(reply.cookie, "abc");
}

static void session_token_stands_for_the_cookie(void **state)
{
	(void)state;
	assert_int_equal(
		decode("200 OK", "",
		       "<config-auth><session-token> tok </session-token><auth id=\"success\"/></config-auth>"),
		0);
	assert_string_equal(reply.cookie, "tok");
}

static void session_token_elsewhere_does_not(void **state)
{
	(void)state;
	assert_int_equal(
		decode("200 OK", "",
		       "<config-auth><x><session-token>t</session-token></x><auth id=\"success\"/></config-auth>"),
		ERR_PROTO);
}

static void success_without_a_cookie_is_refused(void **state)
{
	(void)state;
	assert_int_equal(decode("200 OK", "", SUCCESS), ERR_PROTO);
	assert_int_equal(decode("200 OK", "Set-Cookie: webvpn=a\r\nSet-Cookie: webvpn=; path=/\r\n", SUCCESS),
			 ERR_PROTO);
}

static void cookie_without_success_is_not_enough(void **state)
{
	(void)state;
	assert_int_equal(decode_body("<config-auth/>"), ERR_PROTO);
	assert_string_equal(reply.cookie, "");
}

static void cookie_that_could_not_be_sent_back_is_refused(void **state)
{
	char header[AUTH_COOKIE_MAX + 64];

	(void)state;
	assert_int_equal(decode("200 OK", "Set-Cookie: webvpn=a b\r\n", SUCCESS), ERR_PROTO);
	snprintf(header, sizeof(header), "Set-Cookie: webvpn=%0*d\r\n", AUTH_COOKIE_MAX - 1, 0);
	assert_int_equal(decode("200 OK", header, SUCCESS), 0);
	snprintf(header, sizeof(header), "Set-Cookie: webvpn=%0*d\r\n", AUTH_COOKIE_MAX, 0);
	assert_int_equal(decode("200 OK", header, SUCCESS), ERR_PROTO);
	assert_int_equal(decode("200 OK", "", "<a><session-token>x;y</session-token><auth id=\"success\"/></a>"),
			 ERR_PROTO);
}

static void error_is_shown_before_message(void **state)
{
	(void)state;
	assert_int_equal(decode_body("<config-auth><auth id=\"main\"><message>Enter.</message>"
				     "<error id=\"1\" param1=\"\">\n Login failed.\n</error></auth></config-auth>"),
			 ERR_REFUSED);
	assert_string_equal(reply.error, "Login failed.");
	assert_int_equal(decode_body("<a><auth id=\"main\"><message>Go <b>away</b>.</message></auth></a>"),
			 ERR_REFUSED);
	assert_string_equal(reply.error, "Go away.");
	assert_int_equal(decode_body("<a><error>\x7f \x7fGo\x7f</error></a>"), ERR_REFUSED);
	assert_string_equal(reply.error, "Go");
}

static void long_error_is_cut(void **state)
{
	char body[2 * AUTH_TEXT_MAX];

	(void)state;
	snprintf(body, sizeof(body), "<a><error>%0*d</error></a>", AUTH_TEXT_MAX + 100, 0);
	assert_int_equal(decode_body(body), ERR_REFUSED);
	assert_int_equal(strlen(reply.error), AUTH_TEXT_MAX - 1);
}

static void form_and_certificate_request_are_refused_in_words(void **state)
{
	(void)state;
	assert_int_equal(
		decode_body("<config-auth><auth id=\"main\"><form action=\"/auth\"><input name=\"password\"/></form>"
			    "</auth></config-auth>"),
		ERR_REFUSED);
	assert_non_null(strstr(reply.error, "form"));
	assert_int_equal(decode_body("<config-auth><client-cert-request/></config-auth>"), ERR_REFUSED);
	assert_non_null(strstr(reply.error, "certificate"));
}

static void status_decides_before_the_body(void **state)
{
	(void)state;
	assert_int_equal(decode("401 No certificate", "Set-Cookie: webvpn=a\r\n", SUCCESS), ERR_DENIED);
	assert_string_equal(reply.error, "No certificate");
	assert_string_equal(reply.cookie, "");
	assert_int_equal(decode("403 Forbidden", "", ""), ERR_DENIED);
	assert_int_equal(decode("503 Busy", "", ""), ERR_AGAIN);
	assert_int_equal(decode("302 Moved", "Location: https://other/\r\n", ""), ERR_PROTO);
	assert_int_equal(decode("404 Not found", "", ""), ERR_PROTO);
}

static void what_is_not_xml_is_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_body(""), ERR_PROTO);
	assert_int_equal(decode_body("<html><auth id=\"success\"/>"), ERR_PROTO);
	assert_int_equal(decode_body("hello"), ERR_PROTO);
}

static void document_type_is_refused(void **state)
{
	(void)state;
	assert_int_equal(decode_body("<!DOCTYPE a [<!ENTITY x \"y\">]>" SUCCESS), ERR_PROTO);
	assert_int_equal(decode_body("<!DOCTYPE a SYSTEM \"file:///etc/passwd\">" SUCCESS), ERR_PROTO);
}

static int decode_nested(int depth)
{
	char body[1024] = "";

	for (int i = 1; i < depth; i++)
		strcat(body, "<a>");
	strcat(body, "<auth id=\"success\"/>");
	for (int i = 1; i < depth; i++)
		strcat(body, "</a>");
	return decode_body(body);
}

static void depth_is_limited(void **state)
{
	(void)state;
	assert_int_equal(decode_nested(32), 0);
	assert_int_equal(decode_nested(33), ERR_PROTO);
}

static int teardown(void **state)
{
	(void)state;
	testhttp_fini();
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(request_is_what_gateways_expect),
		TEST(host_is_bracketed_and_the_usual_port_left_out),
		TEST(success_comes_back),
		TEST(reply_of_ocserv_is_read),
		TEST(bare_auth_element_is_enough),
		TEST(session_token_stands_for_the_cookie),
		TEST(session_token_elsewhere_does_not),
		TEST(success_without_a_cookie_is_refused),
		TEST(cookie_without_success_is_not_enough),
		TEST(cookie_that_could_not_be_sent_back_is_refused),
		TEST(error_is_shown_before_message),
		TEST(long_error_is_cut),
		TEST(form_and_certificate_request_are_refused_in_words),
		TEST(status_decides_before_the_body),
		TEST(what_is_not_xml_is_refused),
		TEST(document_type_is_refused),
		TEST(depth_is_limited),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
