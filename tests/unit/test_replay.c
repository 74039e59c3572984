/* SPDX-License-Identifier: Apache-2.0 */
/* The replay window: boundaries, jumps, and a slow twin that remembers everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "wire/replay.h"

#define NUMBER_MAX ((UINT64_C(1) << 48) - 1) /* the highest that a DTLS header holds */

static struct replay begin_at(uint64_t number)
{
	struct replay r = { 0 };

	replay_mark(&r, number);
	return r;
}

static void every_number_is_fresh_in_the_beginning(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 63, 64, REPLAY_WINDOW, UINT64_C(1) << 20, NUMBER_MAX };
	struct replay r = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		assert_true(replay_fresh(&r, numbers[i]));
}

static void marked_number_is_refused_and_its_neighbours_are_not(void **state)
{
	struct replay r = begin_at(1000);

	(void)state;
	assert_false(replay_fresh(&r, 1000));
	assert_true(replay_fresh(&r, 999));
	assert_true(replay_fresh(&r, 1001));
	assert_true(replay_fresh(&r, 1000 - 64));
	assert_true(replay_fresh(&r, 1000 + 64));
}

static void asking_changes_nothing(void **state)
{
	struct replay r = begin_at(5), before = r;

	(void)state;
	replay_fresh(&r, 4);
	replay_fresh(&r, 5);
	replay_fresh(&r, NUMBER_MAX);
	assert_memory_equal(&r, &before, sizeof(r));
}

static void window_is_exactly_as_wide_as_it_says(void **state)
{
	(void)state;
	for (uint64_t top = REPLAY_WINDOW; top < REPLAY_WINDOW + 130; top++) {
		struct replay r = begin_at(top);

		assert_true(replay_fresh(&r, top - REPLAY_WINDOW + 1));
		assert_false(replay_fresh(&r, top - REPLAY_WINDOW));
		assert_false(replay_fresh(&r, 0));
	}
}

/* The oldest number of the window shares no word with the newest, wherever the window stands. */
static void oldest_and_newest_are_kept_apart(void **state)
{
	(void)state;
	for (uint64_t top = REPLAY_WINDOW; top < 3 * REPLAY_WINDOW; top += 31) {
		struct replay r = begin_at(top);
		uint64_t oldest = top - REPLAY_WINDOW + 1;

		assert_true(replay_fresh(&r, oldest));
		replay_mark(&r, oldest);
		assert_false(replay_fresh(&r, oldest));
		assert_false(replay_fresh(&r, top));
		assert_true(replay_fresh(&r, oldest + 1));
		assert_true(replay_fresh(&r, top - 1));
	}
}

static void each_number_passes_once_over_many_turns_of_the_ring(void **state)
{
	struct replay r = { 0 };

	(void)state;
	for (uint64_t n = 0; n < 5 * REPLAY_WINDOW; n++) {
		assert_true(replay_fresh(&r, n));
		replay_mark(&r, n);
		assert_false(replay_fresh(&r, n));
		assert_false(n && replay_fresh(&r, n - 1));
	}
}

static void jump_forgets_what_lay_in_the_words_it_enters(void **state)
{
	static const uint64_t jumps[] = { 1,
					  63,
					  64,
					  65,
					  REPLAY_WINDOW - 1,
					  REPLAY_WINDOW,
					  REPLAY_WORDS * 64 - 1,
					  REPLAY_WORDS * 64,
					  REPLAY_WORDS * 64 + 1,
					  UINT64_C(1) << 40 };

	(void)state;
	for (size_t i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		struct replay r = { 0 };
		uint64_t top = 2 * REPLAY_WINDOW, first;

		for (uint64_t n = 0; n <= top; n++)
			replay_mark(&r, n);
		replay_mark(&r, top + jumps[i]);
		first = top + jumps[i] - REPLAY_WINDOW + 1;
		for (uint64_t n = first; n < top + jumps[i]; n++)
			assert_int_equal(replay_fresh(&r, n), n > top);
		assert_false(replay_fresh(&r, first - 1));
	}
}

static void highest_number_of_all_can_be_marked(void **state)
{
	struct replay r = begin_at(NUMBER_MAX);

	(void)state;
	assert_false(replay_fresh(&r, NUMBER_MAX));
	assert_true(replay_fresh(&r, NUMBER_MAX - REPLAY_WINDOW + 1));
	assert_false(replay_fresh(&r, NUMBER_MAX - REPLAY_WINDOW));
}

/* A walk with gaps, repeats and stragglers, against one byte a number. */
static void it_agrees_with_a_list_of_everything(void **state)
{
	enum { NUMBERS = 200000, ROUNDS = 150000 };
	uint8_t *seen = calloc(1, NUMBERS);
	struct replay r = { 0 };
	uint64_t top = 0, n;
	bool fresh;

	(void)state;
	srand(7);
	for (int i = 0; i < ROUNDS; i++) {
		n = top + 3 - (uint64_t)rand() % (i % 7 ? 6 : REPLAY_WINDOW + 200);
		if (n >= NUMBERS)
			continue; /* below zero */
		fresh = !seen[n] && n + REPLAY_WINDOW > top;
		assert_int_equal(replay_fresh(&r, n), fresh);
		if (!fresh)
			continue;
		replay_mark(&r, n);
		seen[n] = 1;
		top = n > top ? n : top;
	}
	assert_true(top > 3 * REPLAY_WINDOW);
	free(seen);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_number_is_fresh_in_the_beginning),
		cmocka_unit_test(marked_number_is_refused_and_its_neighbours_are_not),
		cmocka_unit_test(asking_changes_nothing),
		cmocka_unit_test(window_is_exactly_as_wide_as_it_says),
		cmocka_unit_test(oldest_and_newest_are_kept_apart),
		cmocka_unit_test(each_number_passes_once_over_many_turns_of_the_ring),
		cmocka_unit_test(jump_forgets_what_lay_in_the_words_it_enters),
		cmocka_unit_test(highest_number_of_all_can_be_marked),
		cmocka_unit_test(it_agrees_with_a_list_of_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
