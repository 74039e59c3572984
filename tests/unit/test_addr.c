/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that differ little spread over a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/addr.h"
#include "base/random.h"

enum {
	BUCKETS = 4096,
	LONGEST = 12, /* thrown at random, a bucket gets more once in four million times */
};

/* The fullest bucket when there are as many addresses as buckets, each @step above the one before. */
static unsigned fullest(const char *first, uint32_t step)
{
	unsigned char count[BUCKETS] = { 0 };
	unsigned i, most = 0;
	struct addr a;
	uint64_t key;

	random_bytes(&key, sizeof(key));
	assert_int_equal(addr_parse(first, &a), 0);
	for (i = 0; i < BUCKETS; i++, a = addr_add(&a, step)) {
		unsigned char n = ++count[addr_hash(key, &a) % BUCKETS];

		most = n > most ? n : most;
	}
	return most;
}

static void test_spread(void **state)
{
	(void)state;
	assert_in_range(fullest("10.20.0.1", 1), 1, LONGEST);
	assert_in_range(fullest("10.0.0.1", 256), 1, LONGEST);
	assert_in_range(fullest("10.0.0.1", 4096), 1, LONGEST);
	assert_in_range(fullest("fd20:aa::1", 1), 1, LONGEST);
	assert_in_range(fullest("fd20:aa::1", 65536), 1, LONGEST);
}

static void test_families(void **state)
{
	struct addr v4 = { .family = ADDR_V4 }, v6 = { .family = ADDR_V6 };

	(void)state;
	assert_int_not_equal(addr_hash(1, &v4), addr_hash(1, &v6));
	assert_int_not_equal(addr_hash(1, &v4), addr_hash(2, &v4));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_spread),
		cmocka_unit_test(test_families),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
