/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway's hooks may be told, and are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "conf/conf.h"
#include "monitor/hook.h"

static struct conf conf;
static struct hook_facts facts;
static struct prefix routes[1];

static int begin(void **state)
{
	(void)state;
	conf = (struct conf){ .role = CONF_SERVER, .push.routes.items = routes };
	facts = (struct hook_facts){ .connect = 1, .name = "berlin" };
	prefix_parse("10.20.0.0/24", &conf.addresses.ipv4);
	addr_parse("10.20.0.2", &facts.ipv4);
	return 0;
}

static bool allowed_with(const char *text)
{
	struct addr a = { 0 };

	assert_int_equal(addr_parse(text, &a), 0);
	*(a.family == ADDR_V4 ? &facts.ipv4 : &facts.ipv6) = a;
	return hook_allowed(&conf, &facts);
}

/* The value of a variable, or NULL; valid until the next call. */
static const char *told(const char *name)
{
	static char value[256];
	struct child_words env;
	size_t i, len = strlen(name);
	bool found = false;

	hook_env(&env, &conf, "adit0", &facts);
	assert_false(env.failed);
	for (i = 0; i < env.len; i++) {
		if (strncmp(env.items[i], name, len) != 0 || env.items[i][len] != '=')
			continue;
		assert_false(found);
		found = true;
		snprintf(value, sizeof(value), "%s", env.items[i] + len + 1);
	}
	child_words_fini(&env);
	return found ? value : NULL;
}

static void push(const char *route)
{
	prefix_parse(route, &routes[0]);
	conf.push.routes.len = 1;
}

static void inner_address_must_be_of_the_pool(void **state)
{
	(void)state;
	assert_true(allowed_with("10.20.0.254"));
	assert_false(allowed_with("10.20.1.2"));
	assert_false(allowed_with("192.0.2.1"));
}

static void gateways_own_address_is_nobodys(void **state)
{
	(void)state;
	assert_false(allowed_with("10.20.0.1"));
}

static void family_without_a_pool_has_no_address(void **state)
{
	(void)state;
	assert_false(allowed_with("fd20:aa::2"));
	prefix_parse("fd20:aa::/64", &conf.addresses.ipv6);
	assert_true(allowed_with("fd20:aa::2"));
	assert_false(allowed_with("fd20:aa::1"));
}

static void client_without_an_address_of_a_family_is_allowed(void **state)
{
	(void)state;
	facts.ipv4.family = ADDR_NONE;
	assert_true(hook_allowed(&conf, &facts));
}

static void name_must_not_be_empty(void **state)
{
	(void)state;
	assert_true(hook_allowed(&conf, &facts));
	facts.name[0] = '\0';
	assert_false(hook_allowed(&conf, &facts));
}

static void pool_is_told_as_route_when_none_is_pushed(void **state)
{
	(void)state;
	prefix_parse("fd20:aa::/64", &conf.addresses.ipv6);
	assert_string_equal(told("OCSERV_ROUTES"), "10.20.0.0/24 fd20:aa::/64");
	assert_string_equal(told("OCSERV_ROUTES4"), "10.20.0.0/24");
	assert_string_equal(told("OCSERV_ROUTES6"), "fd20:aa::/64");
}

static void pushed_route_is_told_instead_of_its_familys_pool(void **state)
{
	(void)state;
	push("10.99.0.0/16");
	assert_string_equal(told("OCSERV_ROUTES"), "10.99.0.0/16");
	assert_null(told("OCSERV_ROUTES6"));
	push("fd99::/64");
	assert_string_equal(told("OCSERV_ROUTES"), "fd99::/64 10.20.0.0/24");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(inner_address_must_be_of_the_pool, begin),
		cmocka_unit_test_setup(gateways_own_address_is_nobodys, begin),
		cmocka_unit_test_setup(family_without_a_pool_has_no_address, begin),
		cmocka_unit_test_setup(client_without_an_address_of_a_family_is_allowed, begin),
		cmocka_unit_test_setup(name_must_not_be_empty, begin),
		cmocka_unit_test_setup(pool_is_told_as_route_when_none_is_pushed, begin),
		cmocka_unit_test_setup(pushed_route_is_told_instead_of_its_familys_pool, begin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
