/* SPDX-License-Identifier: Apache-2.0 */
/* What an App-ID stands for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "session/app_id.h"
#include "session/session.h"

enum { PACKET_MAX = 1400 };

static const uint8_t first_key[TLS_PSK_LEN] = { 1 }, second_key[TLS_PSK_LEN] = { 2 };
static struct app_ids *ids;
static struct session *session;
static uint8_t id[APP_ID_LEN], other[APP_ID_LEN];
static struct app_id_facts facts;

static int setup(void **state)
{
	struct session_settings settings = { .side = SESSION_GATEWAY, .name = "alice" };

	(void)state;
	ids = app_ids_new();
	session = session_new(&settings, 1);
	return ids && session ? app_ids_add(ids, session, 1, first_key, PACKET_MAX, id) : -1;
}

static int teardown(void **state)
{
	(void)state;
	app_ids_drop(ids, session, 0);
	app_ids_free(ids);
	session_put(session);
	urcu_memb_barrier();
	return 0;
}

static bool stands_for(const uint8_t *what, unsigned generation, const uint8_t *key)
{
	struct session *s = app_ids_find(ids, what, APP_ID_LEN, &facts);
	bool same = s == session && facts.generation == generation && !memcmp(facts.psk, key, TLS_PSK_LEN);

	session_put(s);
	return same;
}

static void each_stands_for_its_generation(void **state)
{
	(void)state;
	assert_int_equal(app_ids_add(ids, session, 2, second_key, PACKET_MAX, other), 0);
	assert_memory_not_equal(id, other, APP_ID_LEN);
	assert_true(stands_for(id, 1, first_key));
	assert_true(stands_for(other, 2, second_key));
	app_ids_drop(ids, session, 2);
	assert_null(app_ids_find(ids, id, APP_ID_LEN, &facts));
	assert_true(stands_for(other, 2, second_key));
}

static void the_same_may_stand_for_the_next_generation(void **state)
{
	(void)state;
	assert_int_equal(app_ids_renew(ids, session, 2, second_key, PACKET_MAX - 1, other), 0);
	assert_memory_equal(id, other, APP_ID_LEN);
	assert_true(stands_for(id, 2, second_key));
	assert_int_equal(facts.packet_max, PACKET_MAX - 1);
}

static void without_one_there_is_none_to_renew(void **state)
{
	(void)state;
	app_ids_drop(ids, session, 0);
	assert_int_equal(app_ids_renew(ids, session, 2, second_key, PACKET_MAX, other), ERR_MISSING);
	assert_null(app_ids_find(ids, id, APP_ID_LEN, &facts));
}

static void what_is_no_app_id_stands_for_nothing(void **state)
{
	(void)state;
	id[0] ^= 1;
	assert_null(app_ids_find(ids, id, APP_ID_LEN, &facts));
	id[0] ^= 1;
	assert_null(app_ids_find(ids, id, APP_ID_LEN - 1, &facts));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_stands_for_its_generation),
		TEST(the_same_may_stand_for_the_next_generation),
		TEST(without_one_there_is_none_to_renew),
		TEST(what_is_no_app_id_stands_for_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
