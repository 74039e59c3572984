/* SPDX-License-Identifier: Apache-2.0 */
/* Longest-prefix match, against a list that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/err.h"
#include "ip/prefix_table.h"

enum { ROUNDS = 40, PREFIXES = 200, PROBES = 2000 };

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static void add(struct prefix_table *t, const char *text)
{
	struct prefix p = prefix(text);

	assert_int_equal(prefix_table_add(t, &p, (void *)text), 0);
}

static const char *find(const struct prefix_table *t, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return prefix_table_find(t, &a);
}

static void empty_table_holds_nothing(void **state)
{
	struct prefix_table *t = prefix_table_new();

	(void)state;
	assert_null(find(t, "10.0.0.1"));
	assert_null(find(t, "fd00::1"));
	prefix_table_free(t);
}

static void longest_prefix_wins_whatever_the_order(void **state)
{
	static const char *const orders[][3] = {
		{ "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24" },
		{ "10.1.2.0/24", "10.1.0.0/16", "10.0.0.0/8" },
		{ "10.1.0.0/16", "10.1.2.0/24", "10.0.0.0/8" },
	};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct prefix_table *t = prefix_table_new();

		for (int j = 0; j < 3; j++)
			add(t, orders[i][j]);
		assert_string_equal(find(t, "10.1.2.3"), "10.1.2.0/24");
		assert_string_equal(find(t, "10.1.3.3"), "10.1.0.0/16");
		assert_string_equal(find(t, "10.2.3.3"), "10.0.0.0/8");
		assert_null(find(t, "11.0.0.0"));
		prefix_table_free(t);
	}
}

static void default_route_holds_its_family_only(void **state)
{
	struct prefix_table *t = prefix_table_new();

	(void)state;
	add(t, "0.0.0.0/0");
	assert_string_equal(find(t, "255.1.2.3"), "0.0.0.0/0");
	assert_null(find(t, "::1"));
	add(t, "::/0");
	assert_string_equal(find(t, "::1"), "::/0");
	prefix_table_free(t);
}

static void same_prefix_twice_is_refused(void **state)
{
	struct prefix_table *t = prefix_table_new();
	struct prefix again = prefix("10.1.2.9/24"); /* bits behind the length do not count */

	(void)state;
	add(t, "10.1.2.0/24");
	assert_int_equal(prefix_table_add(t, &again, t), ERR_EXISTS);
	assert_string_equal(find(t, "10.1.2.3"), "10.1.2.0/24");
	prefix_table_free(t);
}

static void fork_between_two_prefixes_can_become_one(void **state)
{
	struct prefix_table *t = prefix_table_new();

	(void)state;
	add(t, "10.0.0.0/24");
	add(t, "10.0.1.0/24");
	add(t, "10.0.4.0/24");
	assert_null(find(t, "10.0.2.1"));
	add(t, "10.0.0.0/21");
	assert_string_equal(find(t, "10.0.2.1"), "10.0.0.0/21");
	assert_string_equal(find(t, "10.0.0.1"), "10.0.0.0/24");
	prefix_table_free(t);
}

static void host_prefixes_of_both_families_are_found(void **state)
{
	struct prefix_table *t = prefix_table_new();

	(void)state;
	add(t, "10.0.0.1/32");
	add(t, "fd00::1/128");
	assert_string_equal(find(t, "10.0.0.1"), "10.0.0.1/32");
	assert_null(find(t, "10.0.0.2"));
	assert_string_equal(find(t, "fd00::1"), "fd00::1/128");
	assert_null(find(t, "fd00::"));
	prefix_table_free(t);
}

static void free_accepts_null(void **state)
{
	(void)state;
	prefix_table_free(NULL);
}

/* Few distinct bytes, so that prefixes nest and meet often. */
static struct addr random_addr(unsigned bits)
{
	static const uint8_t bytes[] = { 0x00, 0x01, 0x80, 0xff };
	uint8_t a[16];

	for (int i = 0; i < 16; i++)
		a[i] = bytes[random() % 4];
	return addr_from_bytes(a, bits);
}

static void *search(const struct prefix *list, size_t len, const struct addr *a)
{
	const struct prefix *best = NULL;

	for (size_t i = 0; i < len; i++)
		if (prefix_contains(&list[i], a) && (!best || list[i].len > best->len))
			best = &list[i];
	return (void *)best;
}

static void table_agrees_with_a_search_of_the_list(void **state)
{
	(void)state;
	srandom(1);
	for (int round = 0; round < ROUNDS; round++) {
		struct prefix_table *t = prefix_table_new();
		struct prefix list[PREFIXES];
		size_t len = 0;

		while (len < PREFIXES) {
			unsigned bits = random() % 2 ? 32 : 128;
			struct prefix p = { random_addr(bits), (uint8_t)(random() % (bits + 1)) };
			int r;

			list[len] = prefix_network(&p);
			r = prefix_table_add(t, &p, &list[len]);
			len += r == 0;
			assert_true(r == 0 || r == ERR_EXISTS);
		}
		for (int i = 0; i < PROBES; i++) {
			struct addr a = random_addr(i % 2 ? 32 : 128);

			assert_ptr_equal(prefix_table_find(t, &a), search(list, len, &a));
		}
		for (size_t i = 0; i < len; i++)
			assert_ptr_equal(prefix_table_find(t, &list[i].addr), search(list, len, &list[i].addr));
		prefix_table_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_table_holds_nothing),
		cmocka_unit_test(longest_prefix_wins_whatever_the_order),
		cmocka_unit_test(default_route_holds_its_family_only),
		cmocka_unit_test(same_prefix_twice_is_refused),
		cmocka_unit_test(fork_between_two_prefixes_can_become_one),
		cmocka_unit_test(host_prefixes_of_both_families_are_found),
		cmocka_unit_test(free_accepts_null),
		cmocka_unit_test(table_agrees_with_a_search_of_the_list),
	};

	return cmocka_run_group_tests_name("prefix_table", tests, NULL, NULL);
}
