/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a record from an unknown address may be. Flows are only entries here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "path/path.h"
#include "path/roam.h"
#include "session/session.h"

enum { START = 5000, FLOWS = 20, NUMBER = 1 << 20 };

static struct roam *roam;
static struct roamer flows[FLOWS];
static struct session session; /* of all of them; only its references count */
static struct path path;
static struct roam_candidate found[TRIALS_DATAGRAM];

static struct addr address(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* @before may be NULL. */
static void add(unsigned i, const char *at, const char *before, uint64_t next)
{
	flows[i].session = &session;
	flows[i].path = &path;
	flows[i].serial = i + 1;
	flows[i].next = next;
	flows[i].places[0].addr = address(at);
	if (before)
		flows[i].places[1].addr = address(before);
	roam_add(roam, &flows[i]);
}

/* A new source of trials each time, unless it is @from itself that counts. */
static size_t find(const char *from, uint64_t number)
{
	static uint64_t now = START;
	struct addr a = address(from);

	now += 60000;
	return roam_find(roam, &a, number, now, found);
}

static int begin(void **state)
{
	(void)state;
	memset(flows, 0, sizeof(flows));
	session.references = 1;
	roam = roam_new(START);
	return roam ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FLOWS; i++)
		roam_remove(roam, &flows[i]);
	roam_free(roam);
	return 0;
}

static void nobody_is_found_where_nobody_was(void **state)
{
	(void)state;
	assert_int_equal(find("192.0.2.1", NUMBER), 0);
	add(0, "192.0.2.2", NULL, NUMBER);
	assert_int_equal(find("192.0.2.1", NUMBER), 0);
	assert_int_equal(session.references, 1);
}

static void client_with_another_port_is_found(void **state)
{
	(void)state;
	add(0, "192.0.2.1", NULL, NUMBER);
	assert_int_equal(find("192.0.2.1", NUMBER + 3), 1);
	assert_ptr_equal(found[0].session, &session);
	assert_ptr_equal(found[0].path, &path);
	assert_int_equal(found[0].serial, 1);
	assert_int_equal(session.references, 2);
}

static void client_that_comes_back_is_found(void **state)
{
	(void)state;
	add(0, "192.0.2.9", "192.0.2.1", NUMBER);
	assert_int_equal(find("192.0.2.1", NUMBER), 1);
	assert_int_equal(find("192.0.2.9", NUMBER), 1);
	roam_remove(roam, &flows[0]);
	assert_int_equal(find("192.0.2.1", NUMBER), 0);
	assert_int_equal(find("192.0.2.9", NUMBER), 0);
}

static void silent_client_is_found_wherever_it_is(void **state)
{
	(void)state;
	add(0, "192.0.2.1", NULL, NUMBER);
	roam_silent(roam, &flows[0], true);
	assert_int_equal(find("198.51.100.7", NUMBER), 1);
	assert_int_equal(find("192.0.2.1", NUMBER), 1); /* not twice */
	roam_silent(roam, &flows[0], false);
	assert_int_equal(find("198.51.100.7", NUMBER), 0);
	roam_silent(roam, &flows[0], true);
	roam_remove(roam, &flows[0]);
	assert_int_equal(find("198.51.100.7", NUMBER), 0);
}

static void older_and_far_newer_records_are_nobodys(void **state)
{
	(void)state;
	add(0, "192.0.2.1", NULL, NUMBER);
	assert_int_equal(find("192.0.2.1", NUMBER - 1), 0);
	assert_int_equal(find("192.0.2.1", NUMBER + ROAM_AHEAD), 0);
	assert_int_equal(find("192.0.2.1", NUMBER + ROAM_AHEAD - 1), 1);
}

static void closest_numbers_come_first(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FLOWS; i++) /* serials 1 to 20; the numbers are mixed up */
		add(i, "192.0.2.1", NULL, NUMBER + (i * 7) % FLOWS);
	assert_int_equal(find("192.0.2.1", NUMBER + FLOWS - 1), TRIALS_DATAGRAM);
	for (unsigned i = 0; i < TRIALS_DATAGRAM; i++) {
		assert_int_equal(found[i].ahead, i);
		assert_int_equal((found[i].serial - 1) * 7 % FLOWS, FLOWS - 1 - i);
	}
}

static void source_pays_for_looking_and_for_each_trial(void **state)
{
	struct addr a = address("192.0.2.1");
	unsigned trials = 0, looks = 0;
	size_t n;

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		add(i, "192.0.2.1", NULL, NUMBER);
	while ((n = roam_find(roam, &a, NUMBER, START, found))) {
		trials += (unsigned)n;
		looks++;
	}
	assert_int_equal(trials, TRIALS_BURST);
	assert_int_equal(looks, (TRIALS_BURST + 2) / 3);
	assert_int_equal(roam_find(roam, &a, NUMBER, START + 1000, found), 3);
	for (looks = 0, a = address("192.0.2.2"); looks < TRIALS_BURST; looks++)
		assert_int_equal(roam_find(roam, &a, NUMBER, START, found), 0);
	roam_silent(roam, &flows[0], true);
	assert_int_equal(roam_find(roam, &a, NUMBER, START, found), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_is_found_where_nobody_was, begin, end),
		cmocka_unit_test_setup_teardown(client_with_another_port_is_found, begin, end),
		cmocka_unit_test_setup_teardown(client_that_comes_back_is_found, begin, end),
		cmocka_unit_test_setup_teardown(silent_client_is_found_wherever_it_is, begin, end),
		cmocka_unit_test_setup_teardown(older_and_far_newer_records_are_nobodys, begin, end),
		cmocka_unit_test_setup_teardown(closest_numbers_come_first, begin, end),
		cmocka_unit_test_setup_teardown(source_pays_for_looking_and_for_each_trial, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
