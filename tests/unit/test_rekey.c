/* SPDX-License-Identifier: Apache-2.0 */
/* When the next generation is due, and when the present one has lived too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "session/rekey.h"

enum { START = 5000, INTERVAL = 900000, RECORDS = 1000, BYTES = 1000000, TRIES = 2000 };

static struct rekey begin(uint64_t interval_ms)
{
	const struct rekey_limits limits = { .interval_ms = interval_ms, .records = RECORDS, .bytes = BYTES };
	struct rekey r;

	rekey_init(&r, &limits, START);
	return r;
}

static void time_is_the_interval_less_a_jitter(void **state)
{
	uint64_t soonest = CLOCK_NEVER, latest = 0;

	(void)state;
	for (int i = 0; i < TRIES; i++) {
		struct rekey r = begin(INTERVAL);

		assert_in_range(r.due_ms, START + INTERVAL * 9 / 10, START + INTERVAL);
		soonest = r.due_ms < soonest ? r.due_ms : soonest;
		latest = r.due_ms > latest ? r.due_ms : latest;
	}
	/* spread over the whole of it */
	assert_true(soonest < START + INTERVAL * 91 / 100);
	assert_true(latest > START + INTERVAL * 99 / 100);
}

static void smallest_and_largest_interval_keep_the_bounds(void **state)
{
	static const uint64_t intervals[] = { 1, 9, 1000, 86400000 };

	(void)state;
	for (size_t i = 0; i < sizeof(intervals) / sizeof(intervals[0]); i++) {
		for (int n = 0; n < TRIES; n++) {
			struct rekey r = begin(intervals[i]);

			assert_in_range(r.due_ms, START + intervals[i] - intervals[i] / 10, START + intervals[i]);
		}
	}
}

static void due_by_time_at_its_deadline_and_not_before(void **state)
{
	struct rekey r = begin(INTERVAL);

	(void)state;
	assert_int_equal(rekey_deadline(&r, true), r.due_ms);
	assert_false(rekey_due(&r, r.due_ms - 1, 0, 0));
	assert_true(rekey_due(&r, r.due_ms, 0, 0));
}

static void due_by_records(void **state)
{
	struct rekey r = begin(INTERVAL);

	(void)state;
	assert_false(rekey_due(&r, START, RECORDS - 1, 0));
	assert_true(rekey_due(&r, START, RECORDS, 0));
}

static void due_by_bytes(void **state)
{
	struct rekey r = begin(INTERVAL);

	(void)state;
	assert_false(rekey_due(&r, START, 0, BYTES - 1));
	assert_true(rekey_due(&r, START, 0, BYTES));
}

static void due_when_asked(void **state)
{
	struct rekey r = begin(INTERVAL);

	(void)state;
	assert_false(rekey_due(&r, START, 0, 0));
	rekey_ask(&r);
	assert_true(rekey_due(&r, START, 0, 0));
}

static void without_interval_only_records_bytes_and_wishes_count(void **state)
{
	struct rekey r = begin(0);

	(void)state;
	assert_int_equal(rekey_deadline(&r, true), CLOCK_NEVER);
	assert_false(rekey_due(&r, CLOCK_NEVER - 1, 0, 0));
	assert_false(rekey_expired(&r, CLOCK_NEVER - 1));
	assert_true(rekey_due(&r, START, RECORDS, 0));
	rekey_ask(&r);
	assert_true(rekey_due(&r, START, 0, 0));
}

static void not_due_while_one_is_being_set_up(void **state)
{
	struct rekey r = begin(INTERVAL);

	(void)state;
	rekey_opening(&r);
	rekey_ask(&r);
	assert_false(rekey_due(&r, START + INTERVAL, RECORDS, BYTES));
}

static void failure_is_tried_again_after_a_second_doubling_to_thirty(void **state)
{
	static const uint64_t waits[] = { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 };
	struct rekey r = begin(INTERVAL);
	uint64_t now = r.due_ms;

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		assert_true(rekey_due(&r, now, 0, 0));
		rekey_opening(&r);
		rekey_failed(&r, now);
		assert_int_equal(rekey_deadline(&r, true), now + waits[i]);
		assert_false(rekey_due(&r, now + waits[i] - 1, 0, 0));
		now += waits[i];
	}
}

static void back_off_holds_for_records_and_bytes_too(void **state)
{
	struct rekey r = begin(0);

	(void)state;
	rekey_opening(&r);
	rekey_failed(&r, START);
	assert_false(rekey_due(&r, START + REKEY_RETRY_FIRST_MS - 1, RECORDS, BYTES));
	assert_true(rekey_due(&r, START + REKEY_RETRY_FIRST_MS, RECORDS, BYTES));
}

static void wish_overrides_the_back_off(void **state)
{
	struct rekey r = begin(INTERVAL);

	(void)state;
	rekey_opening(&r);
	rekey_failed(&r, START);
	rekey_ask(&r);
	assert_true(rekey_due(&r, START, 0, 0));
}

static void success_forgets_back_off_and_wish(void **state)
{
	struct rekey r = begin(INTERVAL);

	(void)state;
	rekey_failed(&r, START);
	rekey_failed(&r, START);
	rekey_ask(&r);
	rekey_opening(&r);
	rekey_done(&r, START + 7);
	assert_false(rekey_due(&r, START + 7, 0, 0));
	assert_in_range(r.due_ms, START + 7 + INTERVAL * 9 / 10, START + 7 + INTERVAL);
	rekey_failed(&r, START + 8);
	assert_int_equal(rekey_deadline(&r, true), START + 8 + REKEY_RETRY_FIRST_MS);
}

static void expires_after_twice_the_interval(void **state)
{
	struct rekey r = begin(INTERVAL);

	(void)state;
	assert_false(rekey_expired(&r, START + 2 * INTERVAL - 1));
	assert_true(rekey_expired(&r, START + 2 * INTERVAL));
}

static void expires_after_thirty_seconds_at_the_soonest(void **state)
{
	struct rekey r = begin(1000);

	(void)state;
	assert_false(rekey_expired(&r, START + REKEY_EXPIRY_MIN_MS - 1));
	assert_true(rekey_expired(&r, START + REKEY_EXPIRY_MIN_MS));
}

static void failures_do_not_put_the_expiry_off(void **state)
{
	struct rekey r = begin(1000);

	(void)state;
	rekey_failed(&r, START + REKEY_EXPIRY_MIN_MS - 1);
	assert_true(rekey_expired(&r, START + REKEY_EXPIRY_MIN_MS));
	assert_int_equal(rekey_deadline(&r, true), START + REKEY_EXPIRY_MIN_MS);
}

static void deadline_of_the_other_end_is_the_expiry(void **state)
{
	struct rekey r = begin(INTERVAL);

	(void)state;
	assert_int_equal(rekey_deadline(&r, false), START + 2 * INTERVAL);
	rekey_opening(&r);
	assert_int_equal(rekey_deadline(&r, true), START + 2 * INTERVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_the_interval_less_a_jitter),
		cmocka_unit_test(smallest_and_largest_interval_keep_the_bounds),
		cmocka_unit_test(due_by_time_at_its_deadline_and_not_before),
		cmocka_unit_test(due_by_records),
		cmocka_unit_test(due_by_bytes),
		cmocka_unit_test(due_when_asked),
		cmocka_unit_test(without_interval_only_records_bytes_and_wishes_count),
		cmocka_unit_test(not_due_while_one_is_being_set_up),
		cmocka_unit_test(failure_is_tried_again_after_a_second_doubling_to_thirty),
		cmocka_unit_test(back_off_holds_for_records_and_bytes_too),
		cmocka_unit_test(wish_overrides_the_back_off),
		cmocka_unit_test(success_forgets_back_off_and_wish),
		cmocka_unit_test(expires_after_twice_the_interval),
		cmocka_unit_test(expires_after_thirty_seconds_at_the_soonest),
		cmocka_unit_test(failures_do_not_put_the_expiry_off),
		cmocka_unit_test(deadline_of_the_other_end_is_the_expiry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
