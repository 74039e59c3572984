/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that wait: their order, and the bounds in bytes and time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "session/queue.h"

enum { NOW = 10000, PACKET_LEN = 1400 };

/* A packet whose every byte is its number. */
static int push(struct queue *q, uint8_t number, size_t len, uint64_t now_ms)
{
	static uint8_t packet[QUEUE_BYTES_MAX];

	memset(packet, number, len);
	return queue_push(q, &(struct tun_header){ .gso_size = number }, packet, len, now_ms);
}

static void check_front(struct queue *q, uint64_t now_ms, uint8_t number, size_t want)
{
	struct tun_header header;
	const uint8_t *packet;
	size_t len = 0;

	assert_int_equal(queue_expire(q, now_ms), 0);
	packet = queue_front(q, &header, &len);
	assert_non_null(packet);
	assert_int_equal(header.gso_size, number);
	assert_int_equal(len, want);
	assert_int_equal(packet[0], number);
	assert_int_equal(packet[len - 1], number);
}

static void new_queue_is_empty(void **state)
{
	struct queue q = { 0 };
	struct tun_header header;
	size_t len;

	(void)state;
	assert_true(queue_empty(&q));
	assert_int_equal(queue_expire(&q, NOW), 0);
	assert_null(queue_front(&q, &header, &len));
	queue_fini(&q);
}

static void packets_leave_in_the_order_they_came(void **state)
{
	struct queue q = { 0 };

	(void)state;
	for (uint8_t i = 1; i <= 100; i++)
		assert_int_equal(push(&q, i, 20u + i, NOW), 0);
	for (uint8_t i = 1; i <= 100; i++) {
		check_front(&q, NOW, i, 20u + i);
		check_front(&q, NOW, i, 20u + i);
		queue_pop(&q);
	}
	assert_true(queue_empty(&q));
}

static void emptied_queue_holds_no_storage(void **state)
{
	struct queue q = { 0 };

	(void)state;
	assert_int_equal(push(&q, 1, PACKET_LEN, NOW), 0);
	queue_pop(&q);
	assert_null(q.bytes.base);
}

static void packet_over_the_byte_bound_is_refused(void **state)
{
	struct queue q = { 0 };
	int n = 0, r;

	(void)state;
	while ((r = push(&q, 1, PACKET_LEN, NOW)) == 0)
		n++;
	assert_int_equal(r, ERR_FULL);
	assert_true(buf_len(&q.bytes) <= QUEUE_BYTES_MAX);
	assert_true(buf_len(&q.bytes) > QUEUE_BYTES_MAX - 2 * PACKET_LEN);
	queue_pop(&q);
	assert_int_equal(push(&q, 2, PACKET_LEN, NOW), 0);
	assert_int_equal(push(&q, 3, PACKET_LEN, NOW), ERR_FULL);
	while (--n)
		queue_pop(&q);
	check_front(&q, NOW, 2, PACKET_LEN);
	queue_fini(&q);
}

static void packet_as_old_as_allowed_is_kept(void **state)
{
	struct queue q = { 0 };

	(void)state;
	assert_int_equal(push(&q, 1, PACKET_LEN, NOW), 0);
	check_front(&q, NOW + QUEUE_AGE_MAX_MS, 1, PACKET_LEN);
	queue_fini(&q);
}

static void older_packets_are_dropped_and_counted(void **state)
{
	struct queue q = { 0 };
	struct tun_header header;
	size_t len;

	(void)state;
	push(&q, 1, PACKET_LEN, NOW);
	push(&q, 2, PACKET_LEN, NOW);
	push(&q, 3, PACKET_LEN, NOW + 1);
	assert_int_equal(queue_expire(&q, NOW + QUEUE_AGE_MAX_MS + 1), 2);
	assert_int_equal(queue_front(&q, &header, &len)[0], 3);
	assert_int_equal(queue_expire(&q, NOW + QUEUE_AGE_MAX_MS + 2), 1);
	assert_null(queue_front(&q, &header, &len));
	assert_true(queue_empty(&q));
}

/* Each worker reads the clock once a batch: one may be a moment behind another. */
static void packet_queued_by_a_worker_whose_clock_is_ahead_is_kept(void **state)
{
	struct queue q = { 0 };

	(void)state;
	assert_int_equal(push(&q, 1, PACKET_LEN, NOW + 1), 0);
	check_front(&q, NOW, 1, PACKET_LEN);
	queue_fini(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_queue_is_empty),
		cmocka_unit_test(packets_leave_in_the_order_they_came),
		cmocka_unit_test(emptied_queue_holds_no_storage),
		cmocka_unit_test(packet_over_the_byte_bound_is_refused),
		cmocka_unit_test(packet_as_old_as_allowed_is_kept),
		cmocka_unit_test(older_packets_are_dropped_and_counted),
		cmocka_unit_test(packet_queued_by_a_worker_whose_clock_is_ahead_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
