/* SPDX-License-Identifier: Apache-2.0 */
/* Records that wait for their socket: their order, what is left of a run, and the bound in bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "path/backlog.h"

enum { STRIDE = 1000 };

static uint8_t records[BACKLOG_BYTES_MAX];

static int setup(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(records); i++)
		records[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
	return 0;
}

static int add(struct backlog *b, size_t at, size_t len)
{
	return backlog_add(b, &(struct udp_batch){ .records = records + at, .len = len, .stride = STRIDE });
}

/* The oldest run has so many bytes left, which were at @at. */
static void check_front(const struct backlog *b, size_t at, size_t len)
{
	const struct udp_batch *front = backlog_front(b);

	assert_non_null(front);
	assert_int_equal(front->len, len);
	assert_int_equal(front->stride, STRIDE);
	assert_memory_equal(front->records, records + at, len);
}

static void new_backlog_is_empty(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b);
	assert_true(backlog_empty(&b));
	assert_null(backlog_front(&b));
	assert_int_equal(backlog_fini(&b), 0);
}

static void runs_leave_in_the_order_they_came(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b);
	assert_int_equal(add(&b, 0, 3 * STRIDE), 0);
	assert_int_equal(add(&b, 3 * STRIDE, STRIDE + 1), 0);
	check_front(&b, 0, 3 * STRIDE);
	backlog_done(&b, 3);
	check_front(&b, 3 * STRIDE, STRIDE + 1);
	backlog_done(&b, 2);
	assert_true(backlog_empty(&b));
	assert_int_equal(b.len, 0);
}

static void rest_of_a_run_stays(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b);
	assert_int_equal(add(&b, 0, 2 * STRIDE + 10), 0);
	backlog_done(&b, 0);
	check_front(&b, 0, 2 * STRIDE + 10);
	backlog_done(&b, 2);
	check_front(&b, 2 * STRIDE, 10);
	backlog_done(&b, 1);
	assert_true(backlog_empty(&b));
}

static void records_are_copied(void **state)
{
	uint8_t record[STRIDE];
	struct backlog b;

	(void)state;
	backlog_init(&b);
	memcpy(record, records, sizeof(record));
	assert_int_equal(
		backlog_add(&b, &(struct udp_batch){ .records = record, .len = sizeof(record), .stride = STRIDE }), 0);
	memset(record, 0, sizeof(record));
	check_front(&b, 0, STRIDE);
	backlog_fini(&b);
}

static void what_is_dropped_is_counted_in_records(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b);
	add(&b, 0, 5 * STRIDE);
	add(&b, 0, 2 * STRIDE + 1);
	add(&b, 0, 1);
	backlog_done(&b, 4);
	assert_int_equal(backlog_fini(&b), 1 + 3 + 1);
	assert_true(backlog_empty(&b));
}

static void run_over_the_byte_bound_is_refused(void **state)
{
	struct backlog b;

	(void)state;
	backlog_init(&b);
	assert_int_equal(add(&b, 0, BACKLOG_BYTES_MAX - STRIDE), 0);
	assert_int_equal(add(&b, 0, STRIDE + 1), ERR_FULL);
	assert_int_equal(add(&b, 0, STRIDE), 0);
	assert_int_equal(add(&b, 0, 1), ERR_FULL);
	backlog_done(&b, 1);
	assert_int_equal(add(&b, 0, STRIDE), 0);
	backlog_fini(&b);
}

/* ---- at a socket: a pair of another family gets full ---- */

static size_t receive_all(int fd, size_t at)
{
	uint8_t room[STRIDE + 1];
	ssize_t len;

	while ((len = recv(fd, room, sizeof(room), MSG_DONTWAIT)) > 0) {
		assert_memory_equal(room, records + at, (size_t)len);
		at += (size_t)len;
	}
	return at;
}

static void full_socket_gets_all_in_order_when_it_is_writable(void **state)
{
	struct udp_sent sent = { 0 };
	size_t at, arrived = 0, refills = 0;
	struct backlog b;
	struct udp u;
	int ends[2];

	(void)state;
	backlog_init(&b);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(udp_init(&u, ends[0], true, true), 0);
	for (at = 0; at < 10 * 64 * STRIDE; at += 64 * STRIDE)
		assert_int_equal(add(&b, at, 64 * STRIDE), 0);
	while (!backlog_empty(&b)) {
		while (!backlog_empty(&b) && udp_send_batch(&u, backlog_front(&b), &sent) == 0)
			backlog_done(&b, sent.records + sent.refused);
		if (!backlog_empty(&b))
			backlog_done(&b, sent.records + sent.refused);
		arrived = receive_all(ends[1], arrived);
		refills++;
	}
	assert_int_equal(arrived, at);
	assert_true(refills > 1);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_backlog_is_empty),
		cmocka_unit_test(runs_leave_in_the_order_they_came),
		cmocka_unit_test(rest_of_a_run_stays),
		cmocka_unit_test(records_are_copied),
		cmocka_unit_test(what_is_dropped_is_counted_in_records),
		cmocka_unit_test(run_over_the_byte_bound_is_refused),
		cmocka_unit_test(full_socket_gets_all_in_order_when_it_is_writable),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
