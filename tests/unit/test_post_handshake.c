/* SPDX-License-Identifier: Apache-2.0 */
/* Handshake messages after the handshake: what is followed, passed over and refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "wire/post_handshake.h"
#include "wire/tls_record.h"

enum { TICKET_LEN = 300, UPDATE_LEN = 5 };

static const uint8_t update[UPDATE_LEN] = { 24, 0, 0, 1, 0 }, update_requested[UPDATE_LEN] = { 24, 0, 0, 1, 1 };
static uint8_t ticket[4 + TICKET_LEN] = { 4, 0, TICKET_LEN >> 8, TICKET_LEN & 0xff };

static int take(struct post_handshake *p, const uint8_t *bytes, size_t len, enum post_handshake_event *event)
{
	return post_handshake_take(p, bytes, len, event);
}

/* One record to a peer of a server. */
static int take_once(const uint8_t *bytes, size_t len)
{
	struct post_handshake p = { .tickets = true };
	enum post_handshake_event event;

	return take(&p, bytes, len, &event);
}

static void both_kinds_of_key_update_are_told(void **state)
{
	struct post_handshake p = { 0 };
	enum post_handshake_event event;

	(void)state;
	assert_int_equal(take(&p, update, UPDATE_LEN, &event), 0);
	assert_int_equal(event, POST_HANDSHAKE_KEY_UPDATE);
	assert_int_equal(take(&p, update_requested, UPDATE_LEN, &event), 0);
	assert_int_equal(event, POST_HANDSHAKE_KEY_UPDATE_REQUESTED);
	assert_false(post_handshake_amid(&p));
}

static void a_message_may_span_records(void **state)
{
	struct post_handshake p = { .tickets = true };
	enum post_handshake_event event;

	(void)state;
	for (size_t i = 0; i < sizeof(ticket); i++) {
		assert_int_equal(post_handshake_amid(&p), i > 0);
		assert_int_equal(take(&p, ticket + i, 1, &event), 0);
		assert_int_equal(event, POST_HANDSHAKE_NOTHING);
	}
	for (size_t i = 0; i < UPDATE_LEN; i++) {
		assert_int_equal(post_handshake_amid(&p), i > 0);
		assert_int_equal(take(&p, update + i, 1, &event), 0);
		assert_int_equal(event, i + 1 == UPDATE_LEN ? POST_HANDSHAKE_KEY_UPDATE : POST_HANDSHAKE_NOTHING);
	}
	assert_false(post_handshake_amid(&p));
}

static void a_record_may_hold_several_messages_the_update_last(void **state)
{
	uint8_t bytes[2 * sizeof(ticket) + UPDATE_LEN + 1] = { 0 };
	struct post_handshake p = { .tickets = true };
	enum post_handshake_event event;

	(void)state;
	memcpy(bytes, ticket, sizeof(ticket));
	memcpy(bytes + sizeof(ticket), ticket, sizeof(ticket));
	memcpy(bytes + 2 * sizeof(ticket), update_requested, UPDATE_LEN);
	assert_int_equal(take(&p, bytes, sizeof(bytes) - 1, &event), 0);
	assert_int_equal(event, POST_HANDSHAKE_KEY_UPDATE_REQUESTED);
	assert_int_equal(take_once(bytes, sizeof(bytes)), TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void only_a_server_gives_tickets(void **state)
{
	struct post_handshake p = { .tickets = false };
	enum post_handshake_event event;

	(void)state;
	assert_int_equal(take_once(ticket, sizeof(ticket)), 0);
	assert_int_equal(take(&p, ticket, sizeof(ticket), &event), TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void a_ticket_has_a_longest(void **state)
{
	static const uint8_t longest[] = { 4, 2, 1, 9 }, longer[] = { 4, 2, 1, 10 };

	(void)state;
	assert_int_equal(take_once(longest, sizeof(longest)), 0);
	assert_int_equal(take_once(longer, sizeof(longer)), TLS_ALERT_DECODE_ERROR);
}

static void other_messages_are_refused(void **state)
{
	(void)state;
	for (int type = 0; type < 256; type++) {
		const uint8_t message[] = { (uint8_t)type, 0, 0, 1 };
		bool known = type == 4 || type == 24;

		assert_int_equal(take_once(message, sizeof(message)), known ? 0 : TLS_ALERT_UNEXPECTED_MESSAGE);
	}
}

static void malformed_updates_are_refused(void **state)
{
	static const uint8_t long_one[] = { 24, 0, 0, 2, 0, 0 }, empty[] = { 24, 0, 0, 0 }, huge[] = { 24, 1, 0, 1, 0 },
			     odd[] = { 24, 0, 0, 1, 2 };

	(void)state;
	assert_int_equal(take_once(long_one, sizeof(long_one)), TLS_ALERT_DECODE_ERROR);
	assert_int_equal(take_once(empty, sizeof(empty)), TLS_ALERT_DECODE_ERROR);
	assert_int_equal(take_once(huge, sizeof(huge)), TLS_ALERT_DECODE_ERROR);
	assert_int_equal(take_once(odd, sizeof(odd)), TLS_ALERT_ILLEGAL_PARAMETER);
	assert_int_equal(take_once(update, 0), TLS_ALERT_UNEXPECTED_MESSAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_kinds_of_key_update_are_told),
		cmocka_unit_test(a_message_may_span_records),
		cmocka_unit_test(a_record_may_hold_several_messages_the_update_last),
		cmocka_unit_test(only_a_server_gives_tickets),
		cmocka_unit_test(a_ticket_has_a_longest),
		cmocka_unit_test(other_messages_are_refused),
		cmocka_unit_test(malformed_updates_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
