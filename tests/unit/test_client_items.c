/* SPDX-License-Identifier: Apache-2.0 */
/* What a grant asks of the host's network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "client/items.h"
#include "monitor/ask.h"
#include "wire/tunnel.h"

static struct net_item items[ASK_NET_MAX];

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static struct prefix prefix(const char *text)
{
	struct prefix p;

	assert_int_equal(prefix_parse(text, &p), 0);
	return p;
}

static struct tunnel_grant a_grant(void)
{
	return (struct tunnel_grant){ .status = 200, .ipv4 = addr("10.20.0.7"), .mtu = 1400 };
}

static int convert(const struct tunnel_grant *g)
{
	return items_from_grant(g, 0, NULL, 0, true, items, ASK_NET_MAX);
}

static int count(enum net_kind kind, int len)
{
	int n = 0;

	for (int i = 0; i < len; i++)
		n += items[i].kind == kind;
	return n;
}

static bool holds(enum net_kind kind, const char *text, int len)
{
	char found[PREFIX_TEXT_LEN];

	for (int i = 0; i < len; i++)
		if (items[i].kind == kind && !strcmp(prefix_format(&items[i].prefix, found), text))
			return true;
	return false;
}

static bool holds_text(enum net_kind kind, const char *text, int len)
{
	for (int i = 0; i < len; i++)
		if (items[i].kind == kind && !strcmp(items[i].text, text))
			return true;
	return false;
}

static uint32_t mtu_of(int len)
{
	for (int i = 0; i < len; i++)
		if (items[i].kind == NET_MTU)
			return items[i].number;
	return 0;
}

static void ipv4_address_stands_alone(void **state)
{
	struct tunnel_grant g = a_grant();
	int len = convert(&g);

	(void)state;
	assert_true(holds(NET_ADDRESS, "10.20.0.7/32", len));
	assert_int_equal(count(NET_ADDRESS, len), 1);
}

static void ipv6_address_keeps_its_prefix(void **state)
{
	struct tunnel_grant g = a_grant();
	int len;

	(void)state;
	g.ipv6 = prefix("fd20:aa::7/64");
	len = convert(&g);
	assert_true(holds(NET_ADDRESS, "fd20:aa::7/64", len));
}

static void no_includes_give_no_route(void **state)
{
	struct tunnel_grant g = a_grant();

	(void)state;
	assert_int_equal(count(NET_ROUTE, convert(&g)), 0);
}

static void names_are_left_out_on_demand(void **state)
{
	struct tunnel_grant g = a_grant();
	int len;

	(void)state;
	g.dns[0] = addr("10.20.0.1");
	g.dns_len = 1;
	snprintf(g.default_domain, sizeof(g.default_domain), "corp.example");
	len = convert(&g);
	assert_int_equal(count(NET_DNS, len), 1);
	assert_int_equal(count(NET_DOMAIN, len), 1);
	len = items_from_grant(&g, 0, NULL, 0, false, items, ASK_NET_MAX);
	assert_int_equal(count(NET_DNS, len), 0);
	assert_int_equal(count(NET_DOMAIN, len), 0);
	assert_int_equal(count(NET_ADDRESS, len), 1);
}

static void includes_are_the_only_routes(void **state)
{
	struct prefix includes[] = { prefix("10.0.0.0/8"), prefix("fd00::/16") };
	struct tunnel_grant g = a_grant();
	int len;

	(void)state;
	g.includes = includes;
	g.includes_len = 2;
	len = convert(&g);
	assert_int_equal(count(NET_ROUTE, len), 2);
	assert_true(holds(NET_ROUTE, "10.0.0.0/8", len));
	assert_true(holds(NET_ROUTE, "fd00::/16", len));
}

static void netmask_routes_its_network(void **state)
{
	struct prefix include = prefix("192.168.0.0/16");
	struct tunnel_grant g = a_grant();
	int len;

	(void)state;
	g.includes = &include;
	g.includes_len = 1;
	g.ipv4_netmask = addr("255.255.255.0");
	len = convert(&g);
	assert_true(holds(NET_ROUTE, "10.20.0.0/24", len));
}

static void host_netmask_routes_nothing(void **state)
{
	struct prefix include = prefix("192.168.0.0/16");
	struct tunnel_grant g = a_grant();

	(void)state;
	g.includes = &include;
	g.includes_len = 1;
	g.ipv4_netmask = addr("255.255.255.255");
	assert_int_equal(count(NET_ROUTE, convert(&g)), 1);
}

static void excludes_and_gateways_stay_outside(void **state)
{
	struct prefix exclude = prefix("10.1.0.0/16");
	struct addr outer[] = { addr("192.0.2.1"), addr("2001:db8::1") };
	struct tunnel_grant g = a_grant();
	int len;

	(void)state;
	g.excludes = &exclude;
	g.excludes_len = 1;
	len = items_from_grant(&g, 0, outer, 2, true, items, ASK_NET_MAX);
	assert_true(holds(NET_EXCLUDE, "10.1.0.0/16", len));
	assert_true(holds(NET_GATEWAY, "192.0.2.1/32", len));
	assert_true(holds(NET_GATEWAY, "2001:db8::1/128", len));
}

static void smaller_mtu_counts(void **state)
{
	struct tunnel_grant g = a_grant();

	(void)state;
	assert_int_equal(mtu_of(convert(&g)), 1400);
	assert_int_equal(mtu_of(items_from_grant(&g, 1300, NULL, 0, true, items, ASK_NET_MAX)), 1300);
	assert_int_equal(mtu_of(items_from_grant(&g, 1500, NULL, 0, true, items, ASK_NET_MAX)), 1400);
}

static void name_servers_and_domains_are_taken(void **state)
{
	char split[][TUNNEL_NAME_MAX] = { "lab.example" };
	struct tunnel_grant g = a_grant();
	int len;

	(void)state;
	g.dns[0] = addr("10.20.0.1");
	g.dns_len = 1;
	snprintf(g.default_domain, sizeof(g.default_domain), "corp.example other.example");
	g.split_dns = split;
	g.split_dns_len = 1;
	len = convert(&g);
	assert_true(holds(NET_DNS, "10.20.0.1/32", len));
	assert_true(holds_text(NET_DOMAIN, "corp.example", len));
	assert_true(holds_text(NET_DOMAIN, "other.example", len));
	assert_true(holds_text(NET_DOMAIN, "lab.example", len));
}

static void domain_that_comes_twice_is_taken_once(void **state)
{
	char split[][TUNNEL_NAME_MAX] = { "corp.example", "corp.example.org" };
	struct tunnel_grant g = a_grant();
	int len;

	(void)state;
	snprintf(g.default_domain, sizeof(g.default_domain), "corp.example");
	g.split_dns = split;
	g.split_dns_len = 2;
	len = convert(&g);
	assert_int_equal(count(NET_DOMAIN, len), 2);
	assert_true(holds_text(NET_DOMAIN, "corp.example.org", len));
}

static void what_is_no_domain_is_left_out(void **state)
{
	char split[][TUNNEL_NAME_MAX] = { "*.corp", "a;b", "-x", "" };
	struct tunnel_grant g = a_grant();

	(void)state;
	snprintf(g.default_domain, sizeof(g.default_domain), "  $(reboot) ");
	g.split_dns = split;
	g.split_dns_len = 4;
	assert_int_equal(count(NET_DOMAIN, convert(&g)), 0);
}

static void banner_is_one_line(void **state)
{
	struct tunnel_grant g = a_grant();
	int len;

	(void)state;
	snprintf(g.banner, sizeof(g.banner), "hello\nworld");
	len = convert(&g);
	assert_true(holds_text(NET_BANNER, "hello world", len));
}

static void too_many_routes_are_refused(void **state)
{
	static struct prefix includes[ASK_NET_MAX];
	struct tunnel_grant g = a_grant();

	(void)state;
	for (size_t i = 0; i < ASK_NET_MAX; i++)
		includes[i] = prefix("10.0.0.0/8");
	g.includes = includes;
	g.includes_len = ASK_NET_MAX - 2; /* beside address and MTU */
	assert_int_equal(convert(&g), ASK_NET_MAX);
	g.includes_len++;
	assert_int_equal(convert(&g), ERR_TOO_BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ipv4_address_stands_alone),
		cmocka_unit_test(ipv6_address_keeps_its_prefix),
		cmocka_unit_test(no_includes_give_no_route),
		cmocka_unit_test(names_are_left_out_on_demand),
		cmocka_unit_test(includes_are_the_only_routes),
		cmocka_unit_test(netmask_routes_its_network),
		cmocka_unit_test(host_netmask_routes_nothing),
		cmocka_unit_test(excludes_and_gateways_stay_outside),
		cmocka_unit_test(smaller_mtu_counts),
		cmocka_unit_test(name_servers_and_domains_are_taken),
		cmocka_unit_test(domain_that_comes_twice_is_taken_once),
		cmocka_unit_test(what_is_no_domain_is_left_out),
		cmocka_unit_test(banner_is_one_line),
		cmocka_unit_test(too_many_routes_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
