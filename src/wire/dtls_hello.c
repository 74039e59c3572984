/* SPDX-License-Identifier: Apache-2.0 */
/* The ClientHello, and HelloVerifyRequest. */
#include "wire/dtls_hello.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "wire/dtls_header.h"

enum {
	CLIENT_HELLO = 1,
	HELLO_VERIFY_REQUEST = 3,
	MESSAGE_HEADER_LEN = 12,
	RANDOM_LEN = 32,
	VERIFY_BODY_LEN = 2 + 1 + DTLS_COOKIE_LEN,
};
static_assert(DTLS_HELLO_VERIFY_LEN == DTLS_HEADER_LEN + MESSAGE_HEADER_LEN + VERIFY_BODY_LEN, "the parts of it");

/* What is left to read; a read beyond it gives zeros and is remembered. */
struct cursor {
	const uint8_t *at;
	size_t left;
	bool beyond;
};

static const uint8_t *take(struct cursor *c, size_t len)
{
	const uint8_t *at = c->at;

	if (len > c->left) {
		c->beyond = true;
		c->left = 0;
		return NULL;
	}
	c->at += len;
	c->left -= len;
	return at;
}

static uint32_t take_number(struct cursor *c, size_t len)
{
	const uint8_t *at = take(c, len);
	uint32_t value = 0;

	while (at && len--)
		value = value << 8 | *at++;
	return value;
}

/* Bytes behind their length of @len_len bytes. */
static const uint8_t *take_vector(struct cursor *c, size_t len_len, size_t *len)
{
	*len = take_number(c, len_len);
	return take(c, *len);
}

/* One whole message in one fragment. */
static bool read_message(struct cursor *c, uint32_t *message_number)
{
	uint32_t kind = take_number(c, 1), whole = take_number(c, 3), from, part;

	*message_number = take_number(c, 2);
	from = take_number(c, 3);
	part = take_number(c, 3);
	return !c->beyond && kind == CLIENT_HELLO && from == 0 && part == whole && whole == c->left;
}

/* Major version 254; minor versions count down, and DTLS 1.3 still says 1.2 here. */
static bool knows_dtls_1_2(uint32_t version)
{
	return version >> 8 == DTLS_VERSION_1_2 >> 8 && version <= DTLS_VERSION_1_2;
}

static bool read_hello(struct cursor *c, struct dtls_hello *out)
{
	uint32_t version = take_number(c, 2);
	size_t suites_len, methods_len;

	take(c, RANDOM_LEN);
	out->id = take_vector(c, 1, &out->id_len);
	out->cookie = take_vector(c, 1, &out->cookie_len);
	take_vector(c, 2, &suites_len);
	take_vector(c, 1, &methods_len);
	return !c->beyond && knows_dtls_1_2(version) && out->id_len && out->id_len <= DTLS_ID_MAX && suites_len &&
	       methods_len && (!out->cookie_len || out->cookie_len == DTLS_COOKIE_LEN);
}

enum verdict dtls_hello_peek(const uint8_t *data, size_t len, struct dtls_hello *out)
{
	struct dtls_record record;
	struct dtls_hello hello = { 0 };
	uint32_t message_number;
	struct cursor c;
	enum verdict v;

	if ((v = dtls_header_parse(data, len, &record)) != PASS)
		return v;
	if (record.type != DTLS_HANDSHAKE || record.epoch || record.version >> 8 != DTLS_VERSION_1_2 >> 8)
		return DROP_HELLO;
	hello.number = record.number;
	c = (struct cursor){ record.body, record.len, false };
	if (!read_message(&c, &message_number) || !read_hello(&c, &hello))
		return DROP_HELLO;
	if (message_number != (hello.cookie_len ? 1 : 0))
		return DROP_HELLO;
	*out = hello;
	return PASS;
}

static uint8_t *put(uint8_t *at, size_t len, uint64_t value)
{
	for (size_t i = len; i--; value >>= 8)
		at[i] = (uint8_t)value;
	return at + len;
}

void dtls_hello_verify(const struct dtls_hello *hello, const uint8_t cookie[DTLS_COOKIE_LEN],
		       uint8_t out[DTLS_HELLO_VERIFY_LEN])
{
	uint8_t *at = out;

	at = put(at, 1, DTLS_HANDSHAKE);
	at = put(at, 2, DTLS_VERSION_1_0); /* in both places, whatever is agreed on later (RFC 6347 4.2.1) */
	at = put(at, 2, 0);
	at = put(at, 6, hello->number);
	at = put(at, 2, MESSAGE_HEADER_LEN + VERIFY_BODY_LEN);
	at = put(at, 1, HELLO_VERIFY_REQUEST);
	at = put(at, 3, VERIFY_BODY_LEN);
	at = put(at, 2, 0); /* message number */
	at = put(at, 3, 0);
	at = put(at, 3, VERIFY_BODY_LEN);
	at = put(at, 2, DTLS_VERSION_1_0);
	at = put(at, 1, DTLS_COOKIE_LEN);
	memcpy(at, cookie, DTLS_COOKIE_LEN);
}
