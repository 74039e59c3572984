/* SPDX-License-Identifier: Apache-2.0 */
/* How long a client waits between attempts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/backoff.h"

enum { START = 1000 };

static void assert_about(unsigned got, unsigned full)
{
	assert_in_range(got, full - full * BACKOFF_JITTER_PERCENT / 100, full);
}

static void first_wait_is_short(void **state)
{
	struct backoff b;

	(void)state;
	backoff_init(&b, START);
	assert_about(backoff_next(&b, START), BACKOFF_FIRST_MS);
}

static void wait_doubles_up_to_two_seconds_in_the_first_minute(void **state)
{
	static const unsigned waits[] = { 200, 400, 800, 1600, 2000, 2000, 2000 };
	struct backoff b;

	(void)state;
	backoff_init(&b, START);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		assert_about(backoff_next(&b, START + BACKOFF_EARLY_MS - 1), waits[i]);
}

static void wait_grows_to_half_a_minute_later(void **state)
{
	static const unsigned waits[] = { 4000, 8000, 16000, 30000, 30000 };
	struct backoff b;

	(void)state;
	backoff_init(&b, START);
	for (int i = 0; i < 10; i++)
		backoff_next(&b, START);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++)
		assert_about(backoff_next(&b, START + BACKOFF_EARLY_MS), waits[i]);
}

static void new_outage_begins_with_a_short_wait(void **state)
{
	struct backoff b;

	(void)state;
	backoff_init(&b, START);
	for (int i = 0; i < 10; i++)
		backoff_next(&b, START + BACKOFF_EARLY_MS);
	backoff_init(&b, START + 10 * BACKOFF_EARLY_MS);
	assert_about(backoff_next(&b, START + 10 * BACKOFF_EARLY_MS), BACKOFF_FIRST_MS);
}

static void waits_are_spread(void **state)
{
	struct backoff b = { .begun_ms = START };
	unsigned least = BACKOFF_EARLY_MAX_MS, most = 0, wait;

	(void)state;
	for (int i = 0; i < 200; i++) {
		b.last_ms = BACKOFF_EARLY_MAX_MS;
		wait = backoff_next(&b, START);
		least = wait < least ? wait : least;
		most = wait > most ? wait : most;
	}
	assert_true(most - least > BACKOFF_EARLY_MAX_MS * BACKOFF_JITTER_PERCENT / 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_wait_is_short),
		cmocka_unit_test(wait_doubles_up_to_two_seconds_in_the_first_minute),
		cmocka_unit_test(wait_grows_to_half_a_minute_later),
		cmocka_unit_test(new_outage_begins_with_a_short_wait),
		cmocka_unit_test(waits_are_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
