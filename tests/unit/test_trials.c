/* SPDX-License-Identifier: Apache-2.0 */
/* What a source of an unknown flow may cost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/addr.h"
#include "session/trials.h"

enum { START = 5000 };

static struct trials trials;

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static int begin(void **state)
{
	(void)state;
	trials_init(&trials, START);
	trials.key = 1; /* the addresses below have buckets of their own */
	return 0;
}

static unsigned empty(const struct addr *source, uint64_t now)
{
	unsigned granted, sum = 0;

	while ((granted = trials_take(&trials, source, TRIALS_DATAGRAM, now)))
		sum += granted;
	return sum;
}

static void datagram_costs_eight_at_most(void **state)
{
	struct addr a = address("192.0.2.1");

	(void)state;
	assert_int_equal(trials_take(&trials, &a, 1000, START), TRIALS_DATAGRAM);
	assert_int_equal(trials_take(&trials, &a, 3, START), 3);
	assert_int_equal(trials_take(&trials, &a, 0, START), 0);
	assert_int_equal(empty(&a, START), TRIALS_BURST - TRIALS_DATAGRAM - 3);
}

static void bucket_fills_with_time_and_no_higher(void **state)
{
	struct addr a = address("192.0.2.1");
	uint64_t late = START + 992 + (UINT64_C(31) << 32); /* 2^32 trials after the last of those below */

	(void)state;
	assert_int_equal(empty(&a, START), TRIALS_BURST);
	assert_int_equal(empty(&a, START + 30), 0);
	assert_int_equal(empty(&a, START + 31), 1);
	assert_int_equal(empty(&a, START + 1000), 31);
	assert_int_equal(empty(&a, late), TRIALS_BURST);
	assert_int_equal(empty(&a, late), 0);
}

/* Two workers look at their clocks one behind the other and come in the other order. */
static void time_that_goes_back_fills_nothing(void **state)
{
	struct addr a = address("192.0.2.1");

	(void)state;
	empty(&a, START);
	assert_int_equal(empty(&a, START + 62), 2);
	assert_int_equal(empty(&a, START + 61), 0);
	assert_int_equal(empty(&a, START), 0);
	assert_int_equal(empty(&a, START + 93), 1);
}

/* However often it is asked in between. */
static void asking_does_not_keep_it_empty(void **state)
{
	struct addr a = address("192.0.2.1");
	unsigned sum = 0;

	(void)state;
	empty(&a, START);
	for (uint64_t now = START; now <= START + 1000; now++)
		sum += trials_take(&trials, &a, TRIALS_DATAGRAM, now);
	assert_int_equal(sum, TRIALS_PER_SECOND);
}

static void sources_do_not_pay_for_each_other(void **state)
{
	struct addr a = address("192.0.2.1"), b = address("192.0.2.2");

	(void)state;
	empty(&a, START);
	assert_int_equal(empty(&b, START), TRIALS_BURST);
}

static void network_of_ipv6_is_one_source(void **state)
{
	struct addr a = address("2001:db8:0:1::1"), same = address("2001:db8:0:1:ffff::9"),
		    other = address("2001:db8:0:2::1");

	(void)state;
	empty(&a, START);
	assert_int_equal(empty(&same, START), 0);
	assert_int_equal(empty(&other, START), TRIALS_BURST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(datagram_costs_eight_at_most, begin),
		cmocka_unit_test_setup(bucket_fills_with_time_and_no_higher, begin),
		cmocka_unit_test_setup(time_that_goes_back_fills_nothing, begin),
		cmocka_unit_test_setup(asking_does_not_keep_it_empty, begin),
		cmocka_unit_test_setup(sources_do_not_pay_for_each_other, begin),
		cmocka_unit_test_setup(network_of_ipv6_is_one_source, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
