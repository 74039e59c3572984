/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP messages out of text, for tests of what is built on them. Include behind cmocka.h. */
#ifndef TESTHTTP_H
#define TESTHTTP_H

#include <string.h>

#include "base/buf.h"
#include "wire/http.h"

static struct http_parser_state *testhttp_parser;

/** testhttp_bytes() - A whole message from bytes; valid until the next one or testhttp_fini() */
static inline struct http_message testhttp_bytes(enum http_kind kind, bool connect_reply, const void *data, size_t len)
{
	struct http_message m;
	size_t used;

	http_free(testhttp_parser);
	testhttp_parser = http_new(kind, connect_reply, true);
	assert_non_null(testhttp_parser);
	assert_int_equal(http_feed(testhttp_parser, data, len, &used, &m), 1);
	assert_int_equal(used, len);
	return m;
}

/** testhttp_text() - The same from text */
static inline struct http_message testhttp_text(enum http_kind kind, bool connect_reply, const char *text)
{
	return testhttp_bytes(kind, connect_reply, text, strlen(text));
}

/** testhttp_buf() - The same from a queue, which is emptied */
static inline struct http_message testhttp_buf(enum http_kind kind, bool connect_reply, struct buf *b)
{
	struct http_message m = testhttp_bytes(kind, connect_reply, buf_data(b), buf_len(b));

	buf_clear(b);
	return m;
}

/** testhttp_has_line() - Whether a queue holds exactly this line */
static inline bool testhttp_has_line(const struct buf *b, const char *line)
{
	size_t len = strlen(line);
	const char *at = (const char *)buf_data(b), *end = at + buf_len(b);

	for (; at && at < end; at = memchr(at, '\n', (size_t)(end - at)), at = at ? at + 1 : NULL)
		if ((size_t)(end - at) >= len + 2 && !memcmp(at, line, len) && !memcmp(at + len, "\r\n", 2))
			return true;
	return false;
}

static inline void testhttp_fini(void)
{
	http_free(testhttp_parser);
	testhttp_parser = NULL;
}

#endif
