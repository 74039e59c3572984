/* SPDX-License-Identifier: Apache-2.0 */
/* What a client's network items come to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "monitor/plan.h"

static struct net_item items[ASK_NET_MAX + 1];
static size_t len, bad;
static struct plan plan;

static int begin(void **state)
{
	(void)state;
	memset(items, 0, sizeof(items));
	len = bad = 0;
	return 0;
}

static void item(enum net_kind kind, const char *prefix)
{
	items[len].kind = kind;
	assert_int_equal(prefix_parse(prefix, &items[len].prefix), 0);
	len++;
}

static int build(void)
{
	return plan_build(items, len, &plan, &bad);
}

static bool has(const struct plan_prefixes *list, const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return plan_has(list, &p);
}

static void no_route_means_everything(void **state)
{
	(void)state;
	item(NET_ADDRESS, "10.20.0.5/24");
	item(NET_ADDRESS, "fd20::5/64");
	assert_int_equal(build(), 0);
	assert_true(plan.everything);
	assert_int_equal(plan.routes.len, 4);
	assert_true(has(&plan.routes, "0.0.0.0/1"));
	assert_true(has(&plan.routes, "128.0.0.0/1"));
	assert_true(has(&plan.routes, "::/1"));
	assert_true(has(&plan.routes, "8000::/1"));
	assert_int_equal(plan.blocked.len, 0);
}

static void a_family_without_address_does_not_go_past_the_tunnel(void **state)
{
	(void)state;
	item(NET_ADDRESS, "10.20.0.5/24");
	item(NET_GATEWAY, "2001:db8::1");
	assert_int_equal(build(), 0);
	assert_int_equal(plan.routes.len, 2);
	assert_int_equal(plan.blocked.len, 2);
	assert_true(has(&plan.blocked, "::/1"));
	assert_true(has(&plan.blocked, "8000::/1"));
	assert_true(has(&plan.outside, "2001:db8::1/128"));
}

static void default_routes_become_halves(void **state)
{
	(void)state;
	item(NET_ADDRESS, "10.20.0.5/24");
	item(NET_ADDRESS, "fd20::5/64");
	item(NET_ROUTE, "::/0");
	assert_int_equal(build(), 0);
	assert_int_equal(plan.routes.len, 2);
	assert_true(has(&plan.routes, "::/1"));
	assert_true(has(&plan.routes, "8000::/1"));
}

static void split_routes_are_taken_as_they_are_and_once(void **state)
{
	(void)state;
	item(NET_ADDRESS, "10.20.0.5/32");
	item(NET_ROUTE, "10.1.2.3/8");
	item(NET_ROUTE, "10.0.0.0/8");
	assert_int_equal(build(), 0);
	assert_false(plan.everything);
	assert_int_equal(plan.routes.len, 1);
	assert_true(has(&plan.routes, "10.0.0.0/8"));
}

static void a_gateway_that_a_route_swallows_stays_outside(void **state)
{
	(void)state;
	item(NET_ADDRESS, "10.20.0.5/32");
	item(NET_GATEWAY, "192.0.2.1");
	item(NET_ROUTE, "192.0.2.0/24");
	assert_int_equal(build(), 0);
	assert_true(has(&plan.outside, "192.0.2.1/32"));
}

static void a_gateway_in_the_addresss_network_stays_outside(void **state)
{
	(void)state;
	item(NET_ADDRESS, "192.0.2.5/24");
	item(NET_GATEWAY, "192.0.2.1");
	item(NET_ROUTE, "10.0.0.0/8");
	assert_int_equal(build(), 0);
	assert_true(has(&plan.outside, "192.0.2.1/32"));
}

static void a_gateway_that_no_route_touches_needs_nothing(void **state)
{
	(void)state;
	item(NET_ADDRESS, "10.20.0.5/32");
	item(NET_GATEWAY, "192.0.2.1");
	item(NET_GATEWAY, "fd00::1");
	item(NET_ROUTE, "10.0.0.0/8");
	assert_int_equal(build(), 0);
	assert_int_equal(plan.outside.len, 0);
}

static void excludes_stay_outside(void **state)
{
	(void)state;
	item(NET_ADDRESS, "10.20.0.5/32");
	item(NET_EXCLUDE, "198.51.100.0/24");
	assert_int_equal(build(), 0);
	assert_true(has(&plan.outside, "198.51.100.0/24"));
}

static void refused(enum net_kind kind, const char *prefix)
{
	begin(NULL);
	item(NET_ADDRESS, "10.20.0.5/32");
	item(kind, prefix);
	assert_int_equal(build(), ERR_REFUSED);
	assert_int_equal(bad, 1);
}

static void left_out(enum net_kind kind, const char *prefix)
{
	begin(NULL);
	item(NET_ADDRESS, "10.20.0.5/32");
	item(NET_ROUTE, "10.0.0.0/8");
	item(kind, prefix);
	assert_false(plan_allows(&items[2]));
	assert_int_equal(build(), 0);
	assert_int_equal(plan.routes.len, 1);
	assert_int_equal(plan.outside.len + plan.blocked.len + plan.dns.len, 0);
}

static void special_addresses_are_refused(void **state)
{
	(void)state;
	refused(NET_ADDRESS, "127.0.0.2/8");
	refused(NET_ADDRESS, "0.0.0.0/0");
	refused(NET_ADDRESS, "fe80::1/64");
}

static void special_routes_excludes_and_servers_are_left_out(void **state)
{
	(void)state;
	left_out(NET_ROUTE, "127.0.0.0/8");
	left_out(NET_ROUTE, "169.254.1.0/24");
	left_out(NET_ROUTE, "224.0.0.0/4");
	left_out(NET_ROUTE, "fe80::/64");
	left_out(NET_ROUTE, "ff02::/16");
	left_out(NET_DNS, "127.0.0.53");
	left_out(NET_DNS, "fe80::53");
	left_out(NET_EXCLUDE, "::1/128");
	left_out(NET_EXCLUDE, "0.0.0.0/0");
	left_out(NET_EXCLUDE, "224.0.0.0/24");
}

static void a_route_that_is_left_out_does_not_mean_everything(void **state)
{
	(void)state;
	item(NET_ADDRESS, "10.20.0.5/32");
	item(NET_ROUTE, "224.0.0.0/4");
	assert_int_equal(build(), 0);
	assert_false(plan.everything);
	assert_int_equal(plan.routes.len + plan.blocked.len, 0);
}

static void mtu_has_its_range(void **state)
{
	(void)state;
	items[0] = (struct net_item){ .kind = NET_MTU, .number = PLAN_MTU_MIN };
	len = 1;
	assert_int_equal(build(), 0);
	assert_int_equal(plan.mtu, PLAN_MTU_MIN);
	items[0].number = PLAN_MTU_MIN - 1;
	assert_int_equal(build(), ERR_REFUSED);
	items[0].number = PLAN_MTU_MAX + 1;
	assert_int_equal(build(), ERR_REFUSED);
}

static void one_item_over_the_limit_is_refused(void **state)
{
	(void)state;
	for (len = 0; len < ASK_NET_MAX; len++) {
		items[len].kind = NET_ROUTE;
		items[len].prefix.addr = (struct addr){ ADDR_V4, { 10, (uint8_t)(len >> 8), (uint8_t)len, 0 } };
		items[len].prefix.len = 24;
	}
	assert_int_equal(build(), 0);
	assert_int_equal(plan.routes.len, ASK_NET_MAX);
	items[len] = items[0];
	len++;
	assert_int_equal(build(), ERR_REFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(no_route_means_everything, begin),
		cmocka_unit_test_setup(a_family_without_address_does_not_go_past_the_tunnel, begin),
		cmocka_unit_test_setup(default_routes_become_halves, begin),
		cmocka_unit_test_setup(split_routes_are_taken_as_they_are_and_once, begin),
		cmocka_unit_test_setup(a_gateway_that_a_route_swallows_stays_outside, begin),
		cmocka_unit_test_setup(a_gateway_in_the_addresss_network_stays_outside, begin),
		cmocka_unit_test_setup(a_gateway_that_no_route_touches_needs_nothing, begin),
		cmocka_unit_test_setup(excludes_stay_outside, begin),
		cmocka_unit_test_setup(special_addresses_are_refused, begin),
		cmocka_unit_test_setup(special_routes_excludes_and_servers_are_left_out, begin),
		cmocka_unit_test_setup(a_route_that_is_left_out_does_not_mean_everything, begin),
		cmocka_unit_test_setup(mtu_has_its_range, begin),
		cmocka_unit_test_setup(one_item_over_the_limit_is_refused, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
