/* SPDX-License-Identifier: Apache-2.0 */
/* Work posted to a loop by other threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "path/mailbox.h"

enum { THREADS = 4, LETTERS = 2000 };

struct sender {
	struct mailbox *mailbox;
	pthread_t thread;
	int numbers[LETTERS];
};

/* Written by the letters, on the loop's thread. */
static struct {
	int arrived, out_of_order, last[THREADS];
	pthread_t thread;
	struct mailbox *mailbox;
	bool closed;
} seen;

static struct sender senders[THREADS];

static void letter(void *arg)
{
	int *number = arg;
	size_t from;

	for (from = 0; number < senders[from].numbers || number >= senders[from].numbers + LETTERS; from++)
		;
	seen.out_of_order += *number != seen.last[from] + 1;
	seen.last[from] = *number;
	seen.thread = pthread_self();
	seen.arrived++;
}

static void *post_all(void *arg)
{
	struct sender *s = arg;

	for (int i = 0; i < LETTERS; i++) {
		s->numbers[i] = i + 1;
		if (mailbox_post(s->mailbox, letter, &s->numbers[i]) < 0)
			break;
	}
	return NULL;
}

static int setup(void **state)
{
	static uv_loop_t loop;

	if (uv_loop_init(&loop) < 0)
		return -1;
	*state = &loop;
	memset(&seen, 0, sizeof(seen));
	seen.mailbox = mailbox_new(&loop);
	return seen.mailbox ? 0 : -1;
}

static int teardown(void **state)
{
	uv_loop_t *loop = *state;

	if (!seen.closed)
		mailbox_close(seen.mailbox);
	uv_run(loop, UV_RUN_DEFAULT);
	mailbox_free(seen.mailbox);
	return uv_loop_close(loop);
}

static void post_from_here(int count)
{
	senders[0].mailbox = seen.mailbox;
	for (int i = 0; i < count; i++) {
		senders[0].numbers[i] = i + 1;
		assert_int_equal(mailbox_post(seen.mailbox, letter, &senders[0].numbers[i]), 0);
	}
}

static void letters_of_many_threads_all_arrive_in_each_ones_order(void **state)
{
	uv_loop_t *loop = *state;

	for (int i = 0; i < THREADS; i++) {
		senders[i].mailbox = seen.mailbox;
		assert_int_equal(pthread_create(&senders[i].thread, NULL, post_all, &senders[i]), 0);
	}
	while (seen.arrived < THREADS * LETTERS)
		uv_run(loop, UV_RUN_NOWAIT);
	for (int i = 0; i < THREADS; i++)
		pthread_join(senders[i].thread, NULL);
	assert_int_equal(seen.arrived, THREADS * LETTERS);
	assert_int_equal(seen.out_of_order, 0);
	assert_true(pthread_equal(seen.thread, pthread_self()));
}

static void letter_is_not_run_before_the_loops_turn(void **state)
{
	uv_loop_t *loop = *state;

	post_from_here(1);
	assert_int_equal(seen.arrived, 0);
	uv_run(loop, UV_RUN_NOWAIT);
	assert_int_equal(seen.arrived, 1);
}

static void post_again(void *arg)
{
	letter(arg);
	if (seen.arrived == 1)
		mailbox_post(seen.mailbox, post_again, &senders[0].numbers[1]);
}

static void letter_may_post_another(void **state)
{
	uv_loop_t *loop = *state;

	senders[0].numbers[0] = 1;
	senders[0].numbers[1] = 2;
	assert_int_equal(mailbox_post(seen.mailbox, post_again, &senders[0].numbers[0]), 0);
	while (seen.arrived < 2)
		uv_run(loop, UV_RUN_NOWAIT);
	assert_int_equal(seen.out_of_order, 0);
}

static void close_runs_what_is_left(void **state)
{
	(void)state;
	post_from_here(3);
	mailbox_close(seen.mailbox);
	seen.closed = true;
	assert_int_equal(seen.arrived, 3);
	assert_int_equal(seen.out_of_order, 0);
}

/* Another worker may be slower to end. */
static void closed_mailbox_takes_nothing(void **state)
{
	uv_loop_t *loop = *state;

	mailbox_close(seen.mailbox);
	seen.closed = true;
	assert_int_equal(mailbox_post(seen.mailbox, letter, &senders[0].numbers[0]), ERR_EOF);
	uv_run(loop, UV_RUN_NOWAIT);
	assert_int_equal(mailbox_post(seen.mailbox, letter, &senders[0].numbers[0]), ERR_EOF);
	assert_int_equal(seen.arrived, 0);
}

static void mailbox_keeps_the_loop_alive_until_it_is_closed(void **state)
{
	uv_loop_t *loop = *state;

	assert_int_not_equal(uv_run(loop, UV_RUN_NOWAIT), 0);
	mailbox_close(seen.mailbox);
	seen.closed = true;
	assert_int_equal(uv_run(loop, UV_RUN_DEFAULT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(letters_of_many_threads_all_arrive_in_each_ones_order, setup, teardown),
		cmocka_unit_test_setup_teardown(letter_is_not_run_before_the_loops_turn, setup, teardown),
		cmocka_unit_test_setup_teardown(letter_may_post_another, setup, teardown),
		cmocka_unit_test_setup_teardown(close_runs_what_is_left, setup, teardown),
		cmocka_unit_test_setup_teardown(closed_mailbox_takes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(mailbox_keeps_the_loop_alive_until_it_is_closed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
