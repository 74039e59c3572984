/* SPDX-License-Identifier: Apache-2.0 */
/* Whether datagrams pass: every verdict and its deadline, and who is woken when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "session/probe.h"

enum { START = 1000 };

/* Sleeps until the deadline, where something must be due. Returns the time. */
static uint64_t sleep_until_due(struct probe *p, uint64_t now, enum probe_verdict verdict)
{
	uint64_t at = probe_deadline(p, now);

	assert_true(at > now && at != CLOCK_NEVER);
	assert_int_equal(probe_check(p, at - 1), PROBE_QUIET);
	assert_int_equal(probe_check(p, at), verdict);
	return at;
}

/* Sent at START, nothing ever heard. */
static uint64_t lose(struct probe *p)
{
	uint64_t now = START;

	assert_true(probe_sent(p, now));
	assert_int_equal(probe_check(p, now), PROBE_QUIET);
	for (int i = 0; i < PROBE_TRIES; i++)
		now = sleep_until_due(p, now, PROBE_SEND);
	return sleep_until_due(p, now, PROBE_LOST);
}

static void silence_when_nothing_is_sent_means_nothing(void **state)
{
	struct probe p = { 0 };

	(void)state;
	assert_int_equal(probe_check(&p, START), PROBE_QUIET);
	assert_int_equal(probe_deadline(&p, START), CLOCK_NEVER);
	assert_int_equal(probe_check(&p, START + 1000000), PROBE_QUIET);
}

static void silence_after_sending_is_probed(void **state)
{
	struct probe p = { 0 };

	(void)state;
	probe_sent(&p, START);
	probe_sent(&p, START + 399); /* the first counts */
	assert_int_equal(probe_check(&p, START + 399), PROBE_QUIET);
	assert_int_equal(probe_deadline(&p, START + 399), START + 400);
	assert_int_equal(probe_check(&p, START + 400), PROBE_SEND);
	assert_int_equal(probe_check(&p, START + 400), PROBE_QUIET);
}

static void three_probes_unanswered_mean_away(void **state)
{
	struct probe p = { 0 };

	(void)state;
	assert_int_equal(lose(&p), START + 400 + 3 * 300);
	assert_true(p.away);
}

static void anything_heard_begins_anew(void **state)
{
	struct probe p = { 0 };
	uint64_t now = START;

	(void)state;
	probe_sent(&p, now);
	for (int i = 0; i < PROBE_TRIES; i++)
		now = sleep_until_due(&p, now, PROBE_SEND);
	probe_received(&p);
	assert_int_equal(probe_check(&p, now + 300), PROBE_QUIET);
	probe_sent(&p, now + 300);
	assert_int_equal(probe_check(&p, now + 699), PROBE_QUIET);
	assert_int_equal(probe_check(&p, now + 700), PROBE_SEND);
	assert_false(p.away);
}

static void away_is_probed_for_ever(void **state)
{
	struct probe p = { 0 };
	uint64_t lost = lose(&p), now = lost;

	(void)state;
	for (int i = 1; i < 20; i++) {
		now = sleep_until_due(&p, now, PROBE_VAIN);
		assert_int_equal(now, lost + (uint64_t)(i - 1) * PROBE_AWAY_MS + PROBE_ANSWER_MS);
		now = sleep_until_due(&p, now, PROBE_SEND);
		assert_int_equal(now, lost + (uint64_t)i * PROBE_AWAY_MS);
	}
	assert_true(p.away);
}

/* What we send may still be lost while what we hear arrives. */
static void only_an_answer_ends_being_away(void **state)
{
	struct probe p = { 0 };

	(void)state;
	lose(&p);
	probe_received(&p);
	assert_true(p.away);
	probe_received(&p);
	assert_true(probe_answered(&p));
	assert_false(p.away);
	assert_false(probe_answered(&p));
}

static void after_coming_back_everything_is_as_before(void **state)
{
	struct probe p = { 0 };
	uint64_t now = lose(&p) + 5000;

	(void)state;
	probe_received(&p);
	probe_answered(&p);
	assert_int_equal(probe_check(&p, now), PROBE_QUIET);
	probe_sent(&p, now);
	assert_int_equal(probe_check(&p, now + 399), PROBE_QUIET);
	assert_int_equal(probe_check(&p, now + 400), PROBE_SEND);
}

/* Kept from running for long: the peer still gets its three chances. */
static void nobody_is_away_who_was_not_asked(void **state)
{
	struct probe p = { 0 };
	uint64_t late = START + 60000;

	(void)state;
	probe_sent(&p, START);
	for (int i = 0; i < PROBE_TRIES; i++)
		assert_int_equal(probe_check(&p, late + (uint64_t)i * 300), PROBE_SEND);
	assert_int_equal(probe_check(&p, late + 899), PROBE_QUIET);
	assert_int_equal(probe_check(&p, late + 900), PROBE_LOST);
}

static void watcher_is_woken_once(void **state)
{
	struct probe p = { 0 };

	(void)state;
	assert_true(probe_sent(&p, START));
	assert_false(probe_sent(&p, START));
	assert_int_equal(probe_check(&p, START), PROBE_QUIET);
	assert_int_equal(probe_deadline(&p, START), START + 400);
	assert_false(probe_sent(&p, START + 1));
}

/* Traffic both ways: the watcher looks every 400 ms and is never woken in between. */
static void lively_traffic_wakes_nobody(void **state)
{
	struct probe p = { 0 };
	unsigned woken = 0, looked = 0;
	uint64_t at = CLOCK_NEVER;

	(void)state;
	for (uint64_t now = START; now < START + 10000; now += 10) {
		bool wake = probe_sent(&p, now);

		woken += wake;
		probe_received(&p);
		if (wake || now >= at || now % 50 == 0) { /* ticked after each batch received, too */
			looked += now >= at;
			assert_int_equal(probe_check(&p, now), PROBE_QUIET);
			at = probe_deadline(&p, now);
		}
	}
	assert_in_range(woken, 1, 10000 / PROBE_SILENCE_MS + 1);
	assert_in_range(looked, 0, 10000 / PROBE_SILENCE_MS + 1);
}

static void watcher_sleeps_when_the_traffic_ends(void **state)
{
	struct probe p = { 0 };

	(void)state;
	probe_sent(&p, START);
	probe_check(&p, START);
	probe_deadline(&p, START);
	probe_received(&p);
	assert_int_equal(probe_deadline(&p, START + 10), START + 400); /* it has this one already */
	assert_int_equal(probe_check(&p, START + 400), PROBE_QUIET);
	assert_int_equal(probe_deadline(&p, START + 400), CLOCK_NEVER);
	assert_true(probe_sent(&p, START + 401));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silence_when_nothing_is_sent_means_nothing),
		cmocka_unit_test(silence_after_sending_is_probed),
		cmocka_unit_test(three_probes_unanswered_mean_away),
		cmocka_unit_test(anything_heard_begins_anew),
		cmocka_unit_test(away_is_probed_for_ever),
		cmocka_unit_test(only_an_answer_ends_being_away),
		cmocka_unit_test(after_coming_back_everything_is_as_before),
		cmocka_unit_test(nobody_is_away_who_was_not_asked),
		cmocka_unit_test(watcher_is_woken_once),
		cmocka_unit_test(lively_traffic_wakes_nobody),
		cmocka_unit_test(watcher_sleeps_when_the_traffic_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
