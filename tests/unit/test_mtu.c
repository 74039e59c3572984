/* SPDX-License-Identifier: Apache-2.0 */
/* The MTU of the tunnel out of that of the way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/mtu.h"

enum { NO_LIMIT = 65535 };

static int inside(int base, enum addr_family outer, enum mtu_cipher cipher)
{
	return mtu_inside(&(struct mtu_way){ .base = base, .outer = outer, .cipher = cipher });
}

static int tunnel(int base, int limit, bool ipv6)
{
	return mtu_tunnel(&(struct mtu_way){ .base = base, .outer = ADDR_V4 }, limit, ipv6);
}

/* What ocserv and openconnect work out for Ethernet. */
static void ethernet_gives_what_others_work_out(void **state)
{
	(void)state;
	assert_int_equal(inside(1500, ADDR_V4, MTU_GCM), 1434);
	assert_int_equal(inside(1500, ADDR_V6, MTU_GCM), 1414);
	assert_int_equal(inside(1500, ADDR_V4, MTU_CHACHA20), 1442);
	assert_int_equal(inside(1500, ADDR_V6, MTU_CHACHA20), 1422);
}

static void unknown_way_counts_as_ethernet(void **state)
{
	(void)state;
	assert_int_equal(inside(0, ADDR_V4, MTU_GCM), inside(1500, ADDR_V4, MTU_GCM));
}

static void narrower_way_gives_less(void **state)
{
	(void)state;
	assert_int_equal(inside(1492, ADDR_V4, MTU_GCM), 1426);
	assert_int_equal(inside(68, ADDR_V6, MTU_GCM), -18);
}

static void own_limit_is_not_exceeded(void **state)
{
	(void)state;
	assert_int_equal(tunnel(1500, 1400, true), 1400);
	assert_int_equal(tunnel(1500, 1434, true), 1434);
	assert_int_equal(tunnel(1500, NO_LIMIT, true), 1434);
	assert_int_equal(tunnel(1450, 1400, true), 1384);
}

static void each_family_keeps_its_least(void **state)
{
	(void)state;
	assert_int_equal(tunnel(1346, 1400, true), 1280);
	assert_int_equal(tunnel(1345, 1400, true), 1280);
	assert_int_equal(tunnel(1345, 1400, false), 1279);
	assert_int_equal(tunnel(68, 1400, false), 576);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ethernet_gives_what_others_work_out),
		cmocka_unit_test(unknown_way_counts_as_ethernet),
		cmocka_unit_test(narrower_way_gives_less),
		cmocka_unit_test(own_limit_is_not_exceeded),
		cmocka_unit_test(each_family_keeps_its_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
