/* SPDX-License-Identifier: Apache-2.0 */
/* Pools of inner addresses: their boundaries, and who gets what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "base/err.h"
#include "session/lease.h"

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct lease_pool *pool_of(const char *text)
{
	struct prefix p = prefix(text);
	struct lease_pool *pool = lease_pool_new(&p);

	assert_non_null(pool);
	return pool;
}

static uint32_t index_in(const struct prefix *net, const struct addr *a)
{
	unsigned bytes = addr_bits(a) / 8;
	uint32_t low = 0, base = 0;

	for (unsigned i = bytes - 4; i < bytes; i++) {
		low = low << 8 | a->bytes[i];
		base = base << 8 | net->addr.bytes[i];
	}
	return low - base;
}

/* Lends until the pool is full: each address from @first to @last exactly once, and none else. */
static void check_span(const char *text, const char *first, const char *last)
{
	struct prefix net = prefix(text);
	struct addr lowest = addr(first), highest = addr(last), a;
	uint32_t from = index_in(&net, &lowest), to = index_in(&net, &highest), n;
	struct lease_pool *pool = pool_of(text);
	uint8_t *seen = test_calloc(to + 1, 1);
	char name[16];

	for (n = from; n <= to; n++) {
		uint32_t i;

		snprintf(name, sizeof(name), "peer%u", n);
		assert_int_equal(lease_take(pool, name, &a), 0);
		assert_true(prefix_contains(&net, &a));
		i = index_in(&net, &a);
		assert_in_range(i, from, to);
		assert_false(seen[i]);
		seen[i] = 1;
		if (to - from > 4096 && n == from + 4096)
			break; /* of a large pool a part will do */
	}
	if (n > to)
		assert_int_equal(lease_take(pool, "one more", &a), ERR_FULL);
	test_free(seen);
	lease_pool_free(pool);
}

static void ipv4_pool_lends_all_but_network_gateway_and_broadcast(void **state)
{
	(void)state;
	check_span("10.20.0.0/30", "10.20.0.2", "10.20.0.2");
	check_span("10.20.0.0/29", "10.20.0.2", "10.20.0.6");
	check_span("10.20.0.0/24", "10.20.0.2", "10.20.0.254");
	check_span("10.20.0.0/22", "10.20.0.2", "10.20.3.254");
	check_span("10.20.0.0/16", "10.20.0.2", "10.20.255.254");
}

static void ipv6_pool_lends_all_but_the_zero_host_and_the_gateway(void **state)
{
	(void)state;
	check_span("fd20::/126", "fd20::2", "fd20::3");
	check_span("fd20::/120", "fd20::2", "fd20::ff");
	check_span("fd20::/112", "fd20::2", "fd20::ffff");
}

static void of_a_large_prefix_the_first_million_is_lent(void **state)
{
	(void)state;
	check_span("fd20:aa::/64", "fd20:aa::2", "fd20:aa::f:ffff");
	check_span("fd00::/8", "fd00::2", "fd00::f:ffff");
	check_span("10.0.0.0/8", "10.0.0.2", "10.15.255.255");
}

static void pool_without_room_for_a_client_is_full(void **state)
{
	static const char *const texts[] = { "10.0.0.0/31", "10.0.0.0/32", "fd20::/127", "fd20::/128" };
	struct addr a, gateway;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct prefix p = prefix(texts[i]);
		struct lease_pool *pool = pool_of(texts[i]);

		gateway = lease_gateway(&p);
		assert_int_equal(lease_take(pool, "a", &a), ERR_FULL);
		assert_int_equal(lease_reserve(pool, &p.addr), ERR_INVALID);
		assert_int_equal(lease_reserve(pool, &gateway), ERR_INVALID);
		lease_give(pool, &gateway);
		lease_pool_free(pool);
	}
}

static void gateway_is_the_first_host_even_of_an_interface_address(void **state)
{
	struct prefix p = prefix("10.20.0.77/24");
	struct addr want = addr("10.20.0.1"), got = lease_gateway(&p);

	(void)state;
	assert_true(addr_equal(&got, &want));
	p = prefix("fd20:aa::/64");
	want = addr("fd20:aa::1");
	got = lease_gateway(&p);
	assert_true(addr_equal(&got, &want));
}

static void reserved_address_is_never_lent(void **state)
{
	struct lease_pool *pool = pool_of("10.20.0.0/29");
	struct addr fixed = addr("10.20.0.4"), a;

	(void)state;
	assert_int_equal(lease_reserve(pool, &fixed), 0);
	lease_give(pool, &fixed); /* whoever had it: it stays reserved */
	for (int i = 0; i < 4; i++) {
		assert_int_equal(lease_take(pool, "a", &a), 0);
		assert_false(addr_equal(&a, &fixed));
	}
	assert_int_equal(lease_take(pool, "a", &a), ERR_FULL);
	lease_pool_free(pool);
}

static void what_may_not_be_lent_may_not_be_reserved(void **state)
{
	static const char *const refused[] = { "10.20.0.0", "10.20.0.1",     "10.20.0.7",
					       "10.20.0.8", "10.19.255.255", "fd20::2" };
	struct lease_pool *pool = pool_of("10.20.0.0/29");
	struct addr a = addr("10.20.0.6");

	(void)state;
	assert_int_equal(lease_reserve(pool, &a), 0);
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		a = addr(refused[i]);
		assert_int_equal(lease_reserve(pool, &a), ERR_INVALID);
	}
	lease_pool_free(pool);
}

/* The low bits of such an address are those of one in the pool. */
static void address_far_above_the_pool_is_not_mistaken_for_one_in_it(void **state)
{
	struct lease_pool *pool = pool_of("fd20:aa::/64");
	struct addr far = addr("fd20:aa::1:0:0:2"), near = addr("fd20:aa::2");

	(void)state;
	assert_int_equal(lease_reserve(pool, &far), ERR_INVALID);
	far = addr("fd20:aa::1:0:2");
	assert_int_equal(lease_reserve(pool, &far), ERR_INVALID);
	assert_int_equal(lease_reserve(pool, &near), 0);
	lease_pool_free(pool);
}

static void same_name_gets_the_same_address_again(void **state)
{
	struct lease_pool *pool = pool_of("10.20.0.0/16");
	struct addr first, other, again;

	(void)state;
	assert_int_equal(lease_take(pool, "alice", &first), 0);
	assert_int_equal(lease_take(pool, "bob", &other), 0);
	lease_give(pool, &first);
	assert_int_equal(lease_take(pool, "alice", &again), 0);
	assert_true(addr_equal(&first, &again));
	assert_false(addr_equal(&first, &other));
	lease_pool_free(pool);
}

static void second_lease_of_a_name_is_another_address(void **state)
{
	struct lease_pool *pool = pool_of("10.20.0.0/24");
	struct addr first, second;

	(void)state;
	assert_int_equal(lease_take(pool, "alice", &first), 0);
	assert_int_equal(lease_take(pool, "alice", &second), 0);
	assert_false(addr_equal(&first, &second));
	lease_pool_free(pool);
}

static void address_given_back_is_lent_again(void **state)
{
	struct lease_pool *pool = pool_of("10.20.0.0/30");
	struct addr a, b;

	(void)state;
	assert_int_equal(lease_take(pool, "alice", &a), 0);
	assert_int_equal(lease_take(pool, "bob", &b), ERR_FULL);
	lease_give(pool, &a);
	assert_int_equal(lease_take(pool, "bob", &b), 0);
	assert_true(addr_equal(&a, &b));
	lease_pool_free(pool);
}

static void foreign_address_given_back_changes_nothing(void **state)
{
	struct lease_pool *pool = pool_of("10.20.0.0/30");
	struct addr a, foreign = addr("192.168.0.2"), gateway = addr("10.20.0.1");

	(void)state;
	assert_int_equal(lease_take(pool, "alice", &a), 0);
	lease_give(pool, &foreign);
	lease_give(pool, &gateway);
	assert_int_equal(lease_take(pool, "bob", &a), ERR_FULL);
	lease_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_pool_lends_all_but_network_gateway_and_broadcast),
		cmocka_unit_test(ipv6_pool_lends_all_but_the_zero_host_and_the_gateway),
		cmocka_unit_test(of_a_large_prefix_the_first_million_is_lent),
		cmocka_unit_test(pool_without_room_for_a_client_is_full),
		cmocka_unit_test(gateway_is_the_first_host_even_of_an_interface_address),
		cmocka_unit_test(reserved_address_is_never_lent),
		cmocka_unit_test(what_may_not_be_lent_may_not_be_reserved),
		cmocka_unit_test(address_far_above_the_pool_is_not_mistaken_for_one_in_it),
		cmocka_unit_test(same_name_gets_the_same_address_again),
		cmocka_unit_test(second_lease_of_a_name_is_another_address),
		cmocka_unit_test(address_given_back_is_lent_again),
		cmocka_unit_test(foreign_address_given_back_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
