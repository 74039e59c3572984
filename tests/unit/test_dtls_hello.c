/* SPDX-License-Identifier: Apache-2.0 */
/* ClientHello, read without state, and the answer to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "wire/dtls_hello.h"
#include "wire/dtls_header.h"

enum { HELLO_MAX = 512, RECORD_BODY = 13, MESSAGE_BODY = 25, SUITES = 8, EXTENSIONS = 20 };

/* What a hello is made of; mutate a part and build. */
struct parts {
	uint8_t type, message;
	unsigned version, epoch, hello_version;
	uint64_t number;
	unsigned message_number, fragment_from;
	int fragment_short; /* the fragment is so much shorter than the message */
	uint8_t id_len, cookie_len;
	unsigned suites_len;
	uint8_t methods_len;
};

static struct parts good(void)
{
	return (struct parts){ .type = DTLS_HANDSHAKE,
			       .message = 1,
			       .version = DTLS_VERSION_1_0,
			       .hello_version = DTLS_VERSION_1_2,
			       .number = 0x010203040506,
			       .id_len = 32,
			       .suites_len = SUITES,
			       .methods_len = 1 };
}

static struct parts good_with_cookie(void)
{
	struct parts p = good();

	p.cookie_len = DTLS_COOKIE_LEN;
	p.message_number = 1;
	return p;
}

static uint8_t *put(uint8_t *at, size_t len, uint64_t value)
{
	for (size_t i = len; i--; value >>= 8)
		at[i] = (uint8_t)value;
	return at + len;
}

static uint8_t *fill(uint8_t *at, size_t len, uint8_t first)
{
	while (len--)
		*at++ = first++;
	return at;
}

static size_t build(const struct parts *p, uint8_t out[HELLO_MAX])
{
	uint8_t *at = put(out + MESSAGE_BODY, 2, p->hello_version);
	size_t body;

	at = fill(at, 32, 100);
	at = fill(put(at, 1, p->id_len), p->id_len, 1);
	at = fill(put(at, 1, p->cookie_len), p->cookie_len, 50);
	at = fill(put(at, 2, p->suites_len), p->suites_len, 0);
	at = fill(put(at, 1, p->methods_len), p->methods_len, 0);
	at = fill(at, EXTENSIONS, 0);
	body = (size_t)(at - out) - MESSAGE_BODY;
	put(put(put(out, 1, p->type), 2, p->version), 2, p->epoch);
	put(put(out + 5, 6, p->number), 2, body + 12);
	put(put(put(out + RECORD_BODY, 1, p->message), 3, body), 2, p->message_number);
	put(put(out + RECORD_BODY + 6, 3, p->fragment_from), 3, body - (size_t)p->fragment_short);
	return (size_t)(at - out);
}

static enum verdict peek(struct parts p, struct dtls_hello *out)
{
	static uint8_t hello[HELLO_MAX]; /* @out points into it */

	return dtls_hello_peek(hello, build(&p, hello), out);
}

static enum verdict judge(struct parts p)
{
	struct dtls_hello out;

	return peek(p, &out);
}

static void hello_gives_id_and_number(void **state)
{
	struct dtls_hello out;

	(void)state;
	assert_int_equal(peek(good(), &out), PASS);
	assert_int_equal(out.number, good().number);
	assert_int_equal(out.id_len, 32);
	assert_int_equal(out.id[0], 1);
	assert_int_equal(out.id[31], 32);
	assert_int_equal(out.cookie_len, 0);
}

static void hello_gives_its_cookie(void **state)
{
	struct dtls_hello out;

	(void)state;
	assert_int_equal(peek(good_with_cookie(), &out), PASS);
	assert_int_equal(out.cookie_len, DTLS_COOKIE_LEN);
	assert_int_equal(out.cookie[0], 50);
	assert_int_equal(out.cookie[DTLS_COOKIE_LEN - 1], 50 + DTLS_COOKIE_LEN - 1);
}

/* Each line: a hello that is refused but for one field. */
static void wrong_fields_are_refused(void **state)
{
	struct parts p;

	(void)state;
	assert_int_equal(judge(good()), PASS);
	p = good(), p.type = DTLS_DATA;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.version = 0x0303;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.epoch = 1;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.message = 2;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.hello_version = DTLS_VERSION_1_0;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.hello_version = 0x0303;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.id_len = 0;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.id_len = 33;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.suites_len = 0;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.methods_len = 0;
	assert_int_equal(judge(p), DROP_HELLO);
}

static void newer_versions_and_shorter_ids_are_taken(void **state)
{
	struct parts p;

	(void)state;
	p = good(), p.hello_version = 0xfefc;
	assert_int_equal(judge(p), PASS);
	p = good(), p.version = DTLS_VERSION_1_2;
	assert_int_equal(judge(p), PASS);
	p = good(), p.id_len = 1;
	assert_int_equal(judge(p), PASS);
}

static void fragments_are_refused(void **state)
{
	struct parts p;

	(void)state;
	p = good(), p.fragment_short = 1;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.fragment_short = -1;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.fragment_from = 1;
	assert_int_equal(judge(p), DROP_HELLO);
}

static void only_our_cookies_come_second(void **state)
{
	struct parts p;

	(void)state;
	assert_int_equal(judge(good_with_cookie()), PASS);
	p = good_with_cookie(), p.cookie_len--;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good_with_cookie(), p.cookie_len++;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good_with_cookie(), p.message_number = 0;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good_with_cookie(), p.message_number = 2;
	assert_int_equal(judge(p), DROP_HELLO);
	p = good(), p.message_number = 1;
	assert_int_equal(judge(p), DROP_HELLO);
}

/* Cut anywhere, the lengths around it corrected or not: in a block of its own, so that a sanitizer sees a read beyond.
 */
static void hello_cut_short_is_refused(void **state)
{
	struct parts p = good_with_cookie();
	uint8_t hello[HELLO_MAX];
	size_t whole = build(&p, hello), core = whole - EXTENSIONS;
	struct dtls_hello out;

	(void)state;
	for (size_t len = 0; len < whole; len++) {
		uint8_t *cut = malloc(len ? len : 1);

		memcpy(cut, hello, len);
		assert_int_equal(dtls_hello_peek(cut, len, &out), DROP_RECORD);
		if (len >= MESSAGE_BODY) {
			put(cut + 11, 2, len - RECORD_BODY);
			assert_int_equal(dtls_hello_peek(cut, len, &out), DROP_HELLO);
			put(cut + RECORD_BODY + 1, 3, len - MESSAGE_BODY);
			put(cut + RECORD_BODY + 9, 3, len - MESSAGE_BODY);
			assert_int_equal(dtls_hello_peek(cut, len, &out), len < core ? DROP_HELLO : PASS);
		}
		free(cut);
	}
}

static void bytes_behind_the_record_do_not_matter(void **state)
{
	struct parts p = good();
	uint8_t hello[HELLO_MAX];
	size_t whole = build(&p, hello);
	struct dtls_hello out;

	(void)state;
	hello[whole] = 22;
	assert_int_equal(dtls_hello_peek(hello, whole + 1, &out), PASS);
}

/* RFC 6347 4.2.1, byte by byte. */
static void answer_repeats_the_number_and_carries_the_cookie(void **state)
{
	static const uint8_t head[] = { 22,   0xfe, 0xff, 0,  0, 1, 2, 3, 4, 5, 6, 0,  31, /* record */
					3,    0,    0,    19, 0, 0, 0, 0, 0, 0, 0, 19,     /* message */
					0xfe, 0xff, 16 };
	struct dtls_hello hello = { .number = 0x010203040506 };
	uint8_t cookie[DTLS_COOKIE_LEN], out[DTLS_HELLO_VERIFY_LEN];

	(void)state;
	fill(cookie, sizeof(cookie), 7);
	dtls_hello_verify(&hello, cookie, out);
	assert_int_equal(sizeof(out), sizeof(head) + sizeof(cookie));
	assert_memory_equal(out, head, sizeof(head));
	assert_memory_equal(out + sizeof(head), cookie, sizeof(cookie));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello_gives_id_and_number),
		cmocka_unit_test(hello_gives_its_cookie),
		cmocka_unit_test(wrong_fields_are_refused),
		cmocka_unit_test(newer_versions_and_shorter_ids_are_taken),
		cmocka_unit_test(fragments_are_refused),
		cmocka_unit_test(only_our_cookies_come_second),
		cmocka_unit_test(hello_cut_short_is_refused),
		cmocka_unit_test(bytes_behind_the_record_do_not_matter),
		cmocka_unit_test(answer_repeats_the_number_and_carries_the_cookie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
