/* SPDX-License-Identifier: Apache-2.0 */
/* The stateless cookie: good for what it was made for, and not for long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/addr.h"
#include "crypto/dtls_cookie.h"

enum { PORT = 4444, NOW = 10 * DTLS_COOKIE_TURN_MS + 5 };

static const struct dtls_cookie_secret secret = { { 1, 2, 3 } };
static const struct addr peer = { ADDR_V4, { 192, 0, 2, 1 } };
static const uint8_t id[] = { 1, 2, 3, 4, 5, 6, 7, 8 };

static uint8_t cookie[DTLS_COOKIE_BYTES];

static int make(void **state)
{
	(void)state;
	return dtls_cookie_make(&secret, &peer, PORT, id, sizeof(id), NOW, cookie);
}

static bool good_at(uint64_t now_ms)
{
	return dtls_cookie_good(&secret, &peer, PORT, id, sizeof(id), now_ms, cookie);
}

static void it_is_good_for_whom_it_was_made(void **state)
{
	(void)state;
	assert_true(good_at(NOW));
}

static void it_is_bound_to_every_part(void **state)
{
	static const struct dtls_cookie_secret other_secret = { { 1, 2, 4 } };
	static const uint8_t other_id[] = { 1, 2, 3, 4, 5, 6, 7, 9 };
	struct addr other = peer;

	(void)state;
	assert_false(dtls_cookie_good(&other_secret, &peer, PORT, id, sizeof(id), NOW, cookie));
	assert_false(dtls_cookie_good(&secret, &peer, PORT + 1, id, sizeof(id), NOW, cookie));
	assert_false(dtls_cookie_good(&secret, &peer, PORT + 256, id, sizeof(id), NOW, cookie));
	assert_false(dtls_cookie_good(&secret, &peer, PORT, other_id, sizeof(other_id), NOW, cookie));
	assert_false(dtls_cookie_good(&secret, &peer, PORT, id, sizeof(id) - 1, NOW, cookie));
	other.bytes[3]++;
	assert_false(dtls_cookie_good(&secret, &other, PORT, id, sizeof(id), NOW, cookie));
	other = peer;
	other.family = ADDR_V6;
	assert_false(dtls_cookie_good(&secret, &other, PORT, id, sizeof(id), NOW, cookie));
}

static void no_bit_of_it_may_be_another(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 8 * sizeof(cookie); bit++) {
		cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(good_at(NOW));
		cookie[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

static void it_lives_through_the_next_turn_and_no_longer(void **state)
{
	uint64_t begin = NOW - NOW % DTLS_COOKIE_TURN_MS;

	(void)state;
	assert_true(good_at(begin));
	assert_true(good_at(begin + 2 * DTLS_COOKIE_TURN_MS - 1));
	assert_false(good_at(begin + 2 * DTLS_COOKIE_TURN_MS));
	assert_false(good_at(begin - 1));
}

static void it_is_another_after_a_turn(void **state)
{
	uint8_t next[DTLS_COOKIE_BYTES];

	(void)state;
	assert_int_equal(dtls_cookie_make(&secret, &peer, PORT, id, sizeof(id), NOW + DTLS_COOKIE_TURN_MS, next), 0);
	assert_memory_not_equal(next, cookie, sizeof(next));
}

static void the_first_turn_of_a_clock_has_none_before_it(void **state)
{
	(void)state;
	assert_int_equal(dtls_cookie_make(&secret, &peer, PORT, id, sizeof(id), 1, cookie), 0);
	assert_true(good_at(0));
	assert_false(good_at(UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(it_is_good_for_whom_it_was_made, make),
		cmocka_unit_test_setup(it_is_bound_to_every_part, make),
		cmocka_unit_test_setup(no_bit_of_it_may_be_another, make),
		cmocka_unit_test_setup(it_lives_through_the_next_turn_and_no_longer, make),
		cmocka_unit_test_setup(it_is_another_after_a_turn, make),
		cmocka_unit_test_setup(the_first_turn_of_a_clock_has_none_before_it, make),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
