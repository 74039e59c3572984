/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as an HTTP message, whole and byte by byte: both ways must give the same. The first byte picks the kind. */
#include <ctype.h>
#include <string.h>

#include "base/err.h"
#include "fuzz.h"

static int feed_slowly(struct http_parser_state *p, const uint8_t *data, size_t len, size_t *used,
		       struct http_message *m)
{
	int r = ERR_SHORT;
	size_t n;

	*used = 0;
	for (size_t i = 0; i < len && r == ERR_SHORT; i++) {
		r = http_feed(p, data + i, 1, &n, m);
		if (r >= 0 || r == ERR_SHORT)
			*used += n;
	}
	return r;
}

static bool is_printable(const char *text)
{
	while (*text == '\t' || (*text && !iscntrl((unsigned char)*text)))
		text++;
	return !*text;
}

static void check_message(const struct http_message *m)
{
	fuzz_check(m->headers_len <= HTTP_REPLY_HEADERS_MAX && m->body_len <= HTTP_BODY_MAX);
	fuzz_check(is_printable(m->url) && is_printable(m->reason));
	for (size_t i = 0; i < m->headers_len; i++)
		fuzz_check(is_printable(m->headers[i].name) && is_printable(m->headers[i].value));
}

static bool is_failure(int r)
{
	return r == ERR_PROTO || r == ERR_TOO_BIG;
}

static void check_same(const struct http_message *a, const struct http_message *b)
{
	fuzz_check(!strcmp(a->method, b->method) && !strcmp(a->url, b->url) && a->status == b->status);
	fuzz_check(!strcmp(a->reason, b->reason) && a->headers_len == b->headers_len && a->body_len == b->body_len);
	for (size_t i = 0; i < a->headers_len; i++)
		fuzz_check(!strcmp(a->headers[i].name, b->headers[i].name) &&
			   !strcmp(a->headers[i].value, b->headers[i].value));
	fuzz_check(!a->body_len || !memcmp(a->body, b->body, a->body_len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	enum http_kind kind = len && data[0] & 1 ? HTTP_REPLY : HTTP_REQUEST;
	bool connect_reply = kind == HTTP_REPLY && data[0] & 2;
	struct http_parser_state *fast = http_new(kind, connect_reply, true);
	struct http_parser_state *slow = http_new(kind, connect_reply, true);
	struct http_message m, n;
	size_t used, used_slowly;
	char cookie[32];
	int r, s;

	fuzz_check(fast && slow);
	if (len > 1) {
		r = http_feed(fast, data + 1, len - 1, &used, &m);
		s = feed_slowly(slow, data + 1, len - 1, &used_slowly, &n);
		/* Which of two faults is seen first may depend on where the bytes were cut. */
		fuzz_check(r == s || (is_failure(r) && is_failure(s)));
		if (r == ERR_SHORT) {
			r = http_finish(fast, &m);
			fuzz_check(r == http_finish(slow, &n));
		}
		if (r == 1) {
			fuzz_check(used == used_slowly && used <= len - 1);
			check_message(&m);
			check_same(&m, &n);
			http_cookie(&m, "webvpn", cookie, sizeof(cookie));
		}
	}
	http_free(fast);
	http_free(slow);
	return 0;
}
