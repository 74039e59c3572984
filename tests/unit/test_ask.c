/* SPDX-License-Identifier: Apache-2.0 */
/* The engine's end of the talk with the monitor: what becomes of requests when it stops. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "base/err.h"
#include "io/sock.h"
#include "monitor/ask.h"
#include "monitor/message.h"

enum { HOOKS = 3000 }; /* a socket holds a few hundred */

static uv_loop_t loop;
static struct ask *ask;
static int monitor_fd;

static void nothing(void *arg)
{
	(void)arg;
}

static int begin(void **state)
{
	int ends[2];

	(void)state;
	uv_loop_init(&loop);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	monitor_fd = ends[0];
	ask = ask_open(&loop, ends[1], nothing, nothing, NULL);
	return ask ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	if (monitor_fd >= 0)
		close(monitor_fd);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

static void ask_for_hooks(void)
{
	struct hook_facts facts = { .name = "x" };

	while (facts.session < HOOKS) {
		facts.session++;
		ask_hook(ask, &facts, NULL, NULL);
	}
}

/* Answers each hook as the monitor does, until the engine is gone; @arg counts those that came in order. */
static void *monitor(void *arg)
{
	const union message answer = { .answer = { .header = { MESSAGE_ANSWER, 1 } } };
	struct pollfd ready = { .fd = monitor_fd, .events = POLLIN };
	unsigned *hooks = arg;
	union message m;
	int r, fd;

	for (;;) {
		r = sock_recv_fd(monitor_fd, &m, sizeof(m), &fd);
		if (r == ERR_AGAIN) {
			poll(&ready, 1, -1);
			continue;
		}
		if (r != (int)message_len(MESSAGE_HOOK) || m.hook.facts.session != *hooks + 1)
			return NULL;
		++*hooks;
		if (sock_send_fd(monitor_fd, &answer, message_len(MESSAGE_ANSWER), -1) == ERR_AGAIN)
			return NULL; /* the engine does not read */
	}
}

static void all_that_was_asked_before_the_end_goes_out(void **state)
{
	unsigned hooks = 0;
	pthread_t thread;

	(void)state;
	ask_for_hooks();
	assert_int_equal(pthread_create(&thread, NULL, monitor, &hooks), 0);
	ask_close(ask);
	pthread_join(thread, NULL);
	assert_int_equal(hooks, HOOKS);
}

static void monitor_that_is_gone_is_not_waited_for(void **state)
{
	(void)state;
	ask_for_hooks();
	close(monitor_fd);
	monitor_fd = -1;
	ask_close(ask);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_that_was_asked_before_the_end_goes_out, begin, end),
		cmocka_unit_test_setup_teardown(monitor_that_is_gone_is_not_waited_for, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
