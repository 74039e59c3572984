/* SPDX-License-Identifier: Apache-2.0 */
/* Path MTU discovery: a way that carries packets up to a length, or answers nothing; time is a number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "session/pmtu.h"

enum { START = 1000, LONGEST = 1400, BASE = 1134, LEAST = 510 };

static struct pmtu p;
static uint64_t now;
static unsigned probes;

static int begin(void **state)
{
	(void)state;
	now = START;
	probes = 0;
	pmtu_init(&p, ADDR_V4, LONGEST, 0);
	return 0;
}

/* Lets @ms pass on a way that carries @passes bytes and answers at once; 0: nothing at all. */
static void pass(uint64_t ms, unsigned passes, bool in_use)
{
	uint64_t until = now + ms, at;
	unsigned len;

	do {
		while ((len = pmtu_check(&p, in_use, now))) {
			probes++;
			if (passes)
				pmtu_short_answered(&p);
			if (len <= passes)
				pmtu_answered(&p, len, now);
		}
		at = pmtu_deadline(&p, in_use);
		assert_true(at > now);
		now = clock_sooner(at, until);
	} while (now < until);
}

static void search_begins_at_the_longest(void **state)
{
	(void)state;
	assert_int_equal(pmtu_max(&p), BASE);
	assert_int_equal(pmtu_deadline(&p, false), 0);
	assert_int_equal(pmtu_check(&p, false, now), LONGEST);
	assert_int_equal(pmtu_probing(&p), LONGEST);
	assert_int_equal(pmtu_check(&p, false, now), 0);
	assert_int_equal(pmtu_deadline(&p, false), now + PMTU_ANSWER_MS);
	pmtu_answered(&p, LONGEST, now);
	assert_int_equal(pmtu_max(&p), LONGEST);
	assert_int_equal(pmtu_probing(&p), 0);
	assert_int_equal(pmtu_deadline(&p, false), CLOCK_NEVER);
}

static void each_size_has_three_tries(void **state)
{
	(void)state;
	pass(3 * PMTU_ANSWER_MS - 1, 1, false);
	assert_int_equal(probes, 3);
	pass(1, 1334, false);
	pass(1, 1334, false);
	assert_int_equal(probes, 4);
	assert_int_equal(pmtu_max(&p), 1334);
}

static void base_is_probed_too_and_the_last_is_not(void **state)
{
	(void)state;
	pass(4 * 3 * PMTU_ANSWER_MS, 1, false);
	pass(1, 1, false);
	assert_int_equal(probes, 12);
	assert_int_equal(pmtu_max(&p), LEAST);
}

static void silence_is_no_verdict(void **state)
{
	(void)state;
	pass(100 * PMTU_ANSWER_MS, 0, false);
	assert_int_equal(pmtu_max(&p), BASE);
	assert_int_equal(pmtu_probing(&p), LONGEST);
	assert_int_equal(probes, 100);
}

/* One that was answered before the first probe of this size says nothing. */
static void short_answer_counts_for_its_own_size_only(void **state)
{
	(void)state;
	pmtu_short_answered(&p);
	pass(3 * PMTU_ANSWER_MS, 1, false);
	pass(PMTU_ANSWER_MS * 4, 0, false);
	assert_int_equal(pmtu_probing(&p), 1334);
}

static void length_in_use_is_confirmed_each_second(void **state)
{
	(void)state;
	pass(1, LONGEST, true);
	assert_int_equal(probes, 1);
	pass(10 * PMTU_CONFIRM_MS, LONGEST, true);
	assert_int_equal(probes, 11);
	pass(10 * PMTU_CONFIRM_MS, LONGEST, false);
	assert_int_equal(probes, 11);
}

static void loss_of_the_length_in_use_leads_to_the_base_at_once(void **state)
{
	(void)state;
	pass(1, LONGEST, true);
	pass(PMTU_CONFIRM_MS + 3 * PMTU_ANSWER_MS - 1, 1, true);
	assert_int_equal(pmtu_max(&p), LONGEST);
	pass(1, 1, true);
	assert_int_equal(pmtu_max(&p), BASE);
	pass(PMTU_ANSWER_MS, 1334, true);
	assert_int_equal(pmtu_max(&p), 1334);
}

static void base_that_is_lost_leads_to_the_last(void **state)
{
	(void)state;
	pass(3 * 3 * PMTU_ANSWER_MS + 1, BASE, true);
	assert_int_equal(pmtu_max(&p), BASE);
	pass(PMTU_CONFIRM_MS + 3 * PMTU_ANSWER_MS + 1, 1, true);
	assert_int_equal(pmtu_max(&p), LEAST);
	probes = 0;
	pass(10000, 1, true);
	assert_int_equal(probes, 0);
}

static void longer_sizes_are_tried_again_ever_later(void **state)
{
	(void)state;
	pass(3 * PMTU_ANSWER_MS + 1, 1334, false);
	probes = 0;
	pass(PMTU_RAISE_MS - 2, 1334, false);
	assert_int_equal(probes, 0);
	pass(3 * PMTU_ANSWER_MS + 10, 1334, false);
	assert_int_equal(probes, 4); /* the longest thrice, and the one in use */
	pass(2 * PMTU_RAISE_MS - 20, 1334, false);
	assert_int_equal(probes, 4);
	assert_int_equal(pmtu_max(&p), 1334);
	pass(20, LONGEST, false);
	assert_int_equal(pmtu_max(&p), LONGEST);
	assert_int_equal(pmtu_deadline(&p, false), CLOCK_NEVER);
}

static void tries_again_are_ten_minutes_apart_at_most(void **state)
{
	(void)state;
	pass(20 * (uint64_t)PMTU_RAISE_MAX_MS, 1334, false);
	probes = 0;
	pass(10 * (uint64_t)PMTU_RAISE_MAX_MS, 1334, false);
	assert_in_range(probes, 9 * 4, 10 * 4);
}

/* Probes are lost, others of their length are not. */
static void way_that_is_full_is_not_narrow(void **state)
{
	(void)state;
	pass(1, LONGEST, true);
	now += PMTU_CONFIRM_MS;
	assert_int_equal(pmtu_check(&p, true, now), LONGEST);
	pmtu_reported(&p, true, now); /* of the time before, too */
	assert_int_equal(pmtu_probing(&p), LONGEST);
	now += PMTU_ANSWER_MS;
	assert_int_equal(pmtu_check(&p, true, now), LONGEST);
	pmtu_reported(&p, true, now);
	assert_int_equal(pmtu_probing(&p), 0);
	assert_int_equal(pmtu_max(&p), LONGEST);
}

static void shorter_packets_that_arrive_show_nothing(void **state)
{
	(void)state;
	pass(1, LONGEST, true);
	now += PMTU_CONFIRM_MS;
	for (int i = 0; i < PMTU_TRIES; i++, now += PMTU_ANSWER_MS) {
		assert_int_equal(pmtu_check(&p, true, now), LONGEST);
		pmtu_reported(&p, false, now);
	}
	assert_int_equal(pmtu_check(&p, true, now), 1334);
	assert_int_equal(pmtu_max(&p), BASE);
}

static void late_answer_counts(void **state)
{
	(void)state;
	pass(1, LONGEST, true);
	pass(PMTU_CONFIRM_MS + 3 * PMTU_ANSWER_MS, 1, true);
	pass(1, 1, true);
	assert_int_equal(pmtu_max(&p), BASE);
	pmtu_answered(&p, LONGEST, now);
	assert_int_equal(pmtu_max(&p), LONGEST);
}

static void other_lengths_and_shorter_ones_change_nothing(void **state)
{
	struct pmtu before;

	(void)state;
	pass(1, LONGEST, true);
	before = p;
	pmtu_answered(&p, 0, now);
	pmtu_answered(&p, 0xffffffff, now);
	pmtu_answered(&p, 1334, now);
	pmtu_answered(&p, LONGEST, now + 5);
	assert_memory_equal(&p, &before, sizeof(p));
}

static void refusal_needs_no_probe(void **state)
{
	(void)state;
	pass(1, LONGEST, true);
	assert_int_equal(pmtu_below(&p, LONGEST), BASE);
	assert_int_equal(pmtu_below(&p, BASE), LEAST);
	pmtu_refused(&p);
	assert_int_equal(pmtu_max(&p), BASE);
	assert_int_equal(pmtu_check(&p, true, now), 1334);
	pmtu_answered(&p, 1334, now);
	pmtu_refused(&p);
	pass(PMTU_ANSWER_MS * 3, 1, false);
	pmtu_refused(&p);
	pmtu_refused(&p);
	assert_int_equal(pmtu_max(&p), LEAST);
	assert_int_equal(pmtu_check(&p, true, now), 0);
}

static void restart_forgets(void **state)
{
	(void)state;
	pass(1, LONGEST, true);
	pmtu_restart(&p);
	assert_int_equal(pmtu_max(&p), BASE);
	assert_int_equal(pmtu_check(&p, false, now), LONGEST);
}

static void next_channel_begins_with_what_is_known(void **state)
{
	(void)state;
	pmtu_init(&p, ADDR_V4, LONGEST, LONGEST);
	assert_int_equal(pmtu_max(&p), LONGEST);
	assert_int_equal(pmtu_check(&p, false, now), LONGEST);
	pmtu_init(&p, ADDR_V4, LONGEST, 1399);
	assert_int_equal(pmtu_max(&p), 1334);
	pmtu_init(&p, ADDR_V4, LONGEST, LEAST);
	assert_int_equal(pmtu_max(&p), BASE);
}

static void ways_of_ipv6_carry_1280(void **state)
{
	(void)state;
	pmtu_init(&p, ADDR_V6, LONGEST, 0);
	assert_int_equal(pmtu_max(&p), 1280 - 86);
	pass(9 * PMTU_ANSWER_MS + 1, 1, true);
	assert_int_equal(pmtu_max(&p), 1280 - 86);
	assert_int_equal(probes, 9); /* of 1400, 1386 and 1314 bytes */
}

static void short_tunnels_have_less_to_find_out(void **state)
{
	(void)state;
	pmtu_init(&p, ADDR_V4, LEAST, 0);
	assert_int_equal(pmtu_check(&p, true, now), 0);
	assert_int_equal(pmtu_max(&p), LEAST);
	assert_int_equal(pmtu_deadline(&p, true), CLOCK_NEVER);
	pmtu_init(&p, ADDR_V4, 0, 0);
	assert_int_equal(pmtu_check(&p, true, now), 0);
	assert_int_equal(pmtu_max(&p), 0);
	pmtu_init(&p, ADDR_V4, 1000, 0);
	assert_int_equal(pmtu_max(&p), 1000);
	pass(3 * PMTU_ANSWER_MS + 1, 1, true);
	assert_int_equal(pmtu_max(&p), LEAST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(search_begins_at_the_longest, begin),
		cmocka_unit_test_setup(each_size_has_three_tries, begin),
		cmocka_unit_test_setup(base_is_probed_too_and_the_last_is_not, begin),
		cmocka_unit_test_setup(silence_is_no_verdict, begin),
		cmocka_unit_test_setup(short_answer_counts_for_its_own_size_only, begin),
		cmocka_unit_test_setup(length_in_use_is_confirmed_each_second, begin),
		cmocka_unit_test_setup(loss_of_the_length_in_use_leads_to_the_base_at_once, begin),
		cmocka_unit_test_setup(base_that_is_lost_leads_to_the_last, begin),
		cmocka_unit_test_setup(longer_sizes_are_tried_again_ever_later, begin),
		cmocka_unit_test_setup(tries_again_are_ten_minutes_apart_at_most, begin),
		cmocka_unit_test_setup(way_that_is_full_is_not_narrow, begin),
		cmocka_unit_test_setup(shorter_packets_that_arrive_show_nothing, begin),
		cmocka_unit_test_setup(late_answer_counts, begin),
		cmocka_unit_test_setup(other_lengths_and_shorter_ones_change_nothing, begin),
		cmocka_unit_test_setup(refusal_needs_no_probe, begin),
		cmocka_unit_test_setup(restart_forgets, begin),
		cmocka_unit_test_setup(next_channel_begins_with_what_is_known, begin),
		cmocka_unit_test_setup(ways_of_ipv6_carry_1280, begin),
		cmocka_unit_test_setup(short_tunnels_have_less_to_find_out, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
