/* SPDX-License-Identifier: Apache-2.0 */
/* Dead-peer detection: every verdict and its deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "session/dpd.h"

enum { START = 1000, INTERVAL_S = 20, KEEPALIVE_S = 30, INTERVAL = 20000, KEEPALIVE = 30000 };

static struct dpd begin(unsigned interval_s, unsigned keepalive_s)
{
	struct dpd d;

	dpd_init(&d, interval_s, keepalive_s, START);
	return d;
}

static void silence_for_the_interval_probes(void **state)
{
	struct dpd d = begin(INTERVAL_S, 0);

	(void)state;
	assert_int_equal(dpd_deadline(&d), START + INTERVAL);
	assert_int_equal(dpd_check(&d, START + INTERVAL - 1), DPD_QUIET);
	assert_int_equal(dpd_check(&d, START + INTERVAL), DPD_PROBE);
	assert_int_equal(dpd_check(&d, START + INTERVAL), DPD_QUIET);
}

static void probe_is_repeated_at_half_the_interval(void **state)
{
	struct dpd d = begin(INTERVAL_S, 0);

	(void)state;
	dpd_check(&d, START + INTERVAL);
	assert_int_equal(dpd_deadline(&d), START + INTERVAL * 3 / 2);
	assert_int_equal(dpd_check(&d, START + INTERVAL * 3 / 2 - 1), DPD_QUIET);
	assert_int_equal(dpd_check(&d, START + INTERVAL * 3 / 2), DPD_PROBE);
}

static void silence_for_twice_the_interval_is_death(void **state)
{
	struct dpd d = begin(INTERVAL_S, 0);

	(void)state;
	dpd_check(&d, START + INTERVAL);
	dpd_check(&d, START + INTERVAL * 3 / 2);
	assert_int_equal(dpd_deadline(&d), START + 2 * INTERVAL);
	assert_int_equal(dpd_check(&d, START + 2 * INTERVAL - 1), DPD_QUIET);
	assert_int_equal(dpd_check(&d, START + 2 * INTERVAL), DPD_DEAD);
	assert_int_equal(dpd_check(&d, START + 2 * INTERVAL), DPD_DEAD);
}

static void record_received_begins_anew(void **state)
{
	struct dpd d = begin(INTERVAL_S, 0);
	uint64_t heard = START + 2 * INTERVAL - 1;

	(void)state;
	dpd_check(&d, START + INTERVAL);
	dpd_received(&d, heard);
	assert_int_equal(dpd_deadline(&d), heard + INTERVAL);
	assert_int_equal(dpd_check(&d, heard + INTERVAL - 1), DPD_QUIET);
	assert_int_equal(dpd_check(&d, heard + INTERVAL), DPD_PROBE);
}

static void sending_alone_does_not_keep_a_peer_alive(void **state)
{
	struct dpd d = begin(INTERVAL_S, KEEPALIVE_S);

	(void)state;
	dpd_check(&d, START + INTERVAL);
	dpd_check(&d, START + INTERVAL * 3 / 2);
	dpd_sent(&d, START + 2 * INTERVAL - 1);
	assert_int_equal(dpd_check(&d, START + 2 * INTERVAL), DPD_DEAD);
}

static void nobody_is_dead_who_was_not_asked(void **state)
{
	struct dpd d = begin(INTERVAL_S, 0);
	uint64_t late = START + 5 * INTERVAL;

	(void)state;
	assert_int_equal(dpd_check(&d, late), DPD_PROBE);
	assert_int_equal(dpd_deadline(&d), late + INTERVAL / 2);
	assert_int_equal(dpd_check(&d, late + INTERVAL / 2 - 1), DPD_QUIET);
	assert_int_equal(dpd_check(&d, late + INTERVAL / 2), DPD_DEAD);
}

static void silence_of_ours_sends_a_keepalive(void **state)
{
	struct dpd d = begin(0, KEEPALIVE_S);

	(void)state;
	assert_int_equal(dpd_deadline(&d), START + KEEPALIVE);
	assert_int_equal(dpd_check(&d, START + KEEPALIVE - 1), DPD_QUIET);
	assert_int_equal(dpd_check(&d, START + KEEPALIVE), DPD_KEEPALIVE);
	assert_int_equal(dpd_check(&d, START + KEEPALIVE), DPD_QUIET);
	assert_int_equal(dpd_deadline(&d), START + 2 * KEEPALIVE);
}

static void record_sent_puts_the_keepalive_off(void **state)
{
	struct dpd d = begin(0, KEEPALIVE_S);

	(void)state;
	dpd_sent(&d, START + KEEPALIVE - 1);
	assert_int_equal(dpd_check(&d, START + KEEPALIVE), DPD_QUIET);
	assert_int_equal(dpd_deadline(&d), START + 2 * KEEPALIVE - 1);
}

static void probe_serves_as_keepalive(void **state)
{
	struct dpd d = begin(INTERVAL_S, INTERVAL_S);

	(void)state;
	assert_int_equal(dpd_check(&d, START + INTERVAL), DPD_PROBE);
	assert_int_equal(dpd_check(&d, START + INTERVAL), DPD_QUIET);
}

static void without_intervals_nothing_ever_happens(void **state)
{
	struct dpd d = begin(0, 0);

	(void)state;
	assert_int_equal(dpd_deadline(&d), CLOCK_NEVER);
	assert_int_equal(dpd_check(&d, START + UINT64_C(1000000000)), DPD_QUIET);
}

/* Whoever sleeps until the deadline misses nothing, and is never told a deadline that brings nothing. */
static void every_deadline_brings_a_verdict(void **state)
{
	(void)state;
	for (unsigned interval = 1; interval < 40; interval++) {
		struct dpd d = begin(interval, 7);
		enum dpd_verdict v = DPD_QUIET;

		for (int i = 0; v != DPD_DEAD; i++) {
			uint64_t at = dpd_deadline(&d);

			assert_true(i < 100);
			assert_int_equal(dpd_check(&d, at - 1), DPD_QUIET);
			v = dpd_check(&d, at);
			assert_int_not_equal(v, DPD_QUIET);
		}
		assert_int_equal(dpd_deadline(&d), START + 2000 * interval);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_for_the_interval_probes),
		cmocka_unit_test(probe_is_repeated_at_half_the_interval),
		cmocka_unit_test(silence_for_twice_the_interval_is_death),
		cmocka_unit_test(record_received_begins_anew),
		cmocka_unit_test(sending_alone_does_not_keep_a_peer_alive),
		cmocka_unit_test(nobody_is_dead_who_was_not_asked),
		cmocka_unit_test(silence_of_ours_sends_a_keepalive),
		cmocka_unit_test(record_sent_puts_the_keepalive_off),
		cmocka_unit_test(probe_serves_as_keepalive),
		cmocka_unit_test(without_intervals_nothing_ever_happens),
		cmocka_unit_test(every_deadline_brings_a_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
