/* SPDX-License-Identifier: Apache-2.0 */
/* Which lines of a key log tell what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "crypto/secrets_int.h"

#define RANDOM "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void note(struct secrets *s, const char *label, size_t len, unsigned byte)
{
	char line[512];
	int at = snprintf(line, sizeof(line), "%s %s ", label, RANDOM);

	for (size_t i = 0; i < len; i++)
		at += snprintf(line + at, sizeof(line) - (size_t)at, "%02x", byte);
	secrets_note(s, line);
}

static void assert_secret(const struct secret *s, size_t len, unsigned byte)
{
	assert_int_equal(s->len, len);
	for (size_t i = 0; i < len; i++)
		assert_int_equal(s->bytes[i], byte);
}

static void both_directions_are_taken(void **state)
{
	struct secrets s = { 0 };

	(void)state;
	note(&s, "CLIENT_TRAFFIC_SECRET_0", 32, 0xab);
	note(&s, "SERVER_TRAFFIC_SECRET_0", 48, 0x01);
	assert_secret(&s.client, 32, 0xab);
	assert_secret(&s.server, 48, 0x01);
	secrets_fini(&s);
	assert_secret(&s.client, 0, 0);
	assert_int_equal(s.server.bytes[47], 0);
}

static void other_secrets_are_passed_over(void **state)
{
	static const char *const labels[] = { "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "SERVER_HANDSHAKE_TRAFFIC_SECRET",
					      "EXPORTER_SECRET", "CLIENT_TRAFFIC_SECRET_1", "CLIENT_TRAFFIC_SECRET_" };
	struct secrets s = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++)
		note(&s, labels[i], 32, 0xab);
	assert_int_equal(s.client.len, 0);
	assert_int_equal(s.server.len, 0);
}

static void what_is_no_secret_is_not_taken(void **state)
{
	struct secrets s = { 0 };

	(void)state;
	note(&s, "CLIENT_TRAFFIC_SECRET_0", 49, 0xab);
	secrets_note(&s, "CLIENT_TRAFFIC_SECRET_0 " RANDOM " abc");
	secrets_note(&s, "CLIENT_TRAFFIC_SECRET_0 " RANDOM " zz");
	secrets_note(&s, "CLIENT_TRAFFIC_SECRET_0");
	secrets_note(&s, "");
	assert_int_equal(s.client.len, 0);
	assert_int_equal(s.server.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_directions_are_taken),
		cmocka_unit_test(other_secrets_are_passed_over),
		cmocka_unit_test(what_is_no_secret_is_not_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
