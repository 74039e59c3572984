/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway grants, as far as it comes from more than one setting: the datagram channel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "conf/conf.h"
#include "server/grant.h"
#include "session/session.h"

static struct conf conf;
static struct session session;
static struct tunnel_offer offer;
static struct tunnel_grant grant;
static struct grant_datagrams datagrams;

static int setup(void **state)
{
	(void)state;
	grant = (struct tunnel_grant){ 0 };
	conf = (struct conf){
		.role = CONF_SERVER,
		.tunnel.mtu = 1500,
		.dpd = { .seconds = 20, .keepalive_seconds = 30 },
		.rekey = { .seconds = 900 },
	};
	prefix_parse("10.20.0.0/24", &conf.addresses.ipv4);
	prefix_parse("fd20:aa::/64", &conf.addresses.ipv6);
	memset(&session, 0, sizeof(session));
	addr_parse("10.20.0.7", &session.ipv4);
	addr_parse("fd20:aa::7", &session.ipv6);
	offer = (struct tunnel_offer){ .base_mtu = 1500, .psk_negotiate = true };
	datagrams = (struct grant_datagrams){
		.app_id = { 0xa0, 0x94, 0x55, 0x15 },
		.app_id_len = 4,
		.port = 4443,
		.outer = ADDR_V4,
	};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	grant_fini(&grant);
	return 0;
}

static void fill(const struct grant_datagrams *d)
{
	grant_fini(&grant);
	assert_int_equal(grant_fill(&grant, &conf, &session, &offer, 1, d), 0);
}

static int mtu_over(int base_mtu, int pmtu, enum addr_family outer)
{
	offer.base_mtu = base_mtu;
	datagrams.pmtu = pmtu;
	datagrams.outer = outer;
	fill(&datagrams);
	return grant.mtu;
}

static void datagram_channel_is_granted_with_its_intervals(void **state)
{
	(void)state;
	fill(&datagrams);
	assert_int_equal(grant.app_id_len, 4);
	assert_memory_equal(grant.app_id, datagrams.app_id, 4);
	assert_int_equal(grant.dtls_port, 4443);
	assert_int_equal(grant.dtls_dpd_seconds, 20);
	assert_int_equal(grant.dtls_keepalive_seconds, 30);
}

static void without_it_nothing_of_it_is_granted(void **state)
{
	(void)state;
	fill(NULL);
	assert_int_equal(grant.app_id_len, 0);
	assert_int_equal(grant.dtls_port, 0);
	assert_int_equal(grant.dtls_dpd_seconds, 0);
	assert_int_equal(grant.mtu, 1500);
	assert_int_equal(grant.base_mtu, 1500);
}

static void client_that_does_not_offer_it_gets_none(void **state)
{
	(void)state;
	offer.psk_negotiate = false;
	fill(&datagrams);
	assert_int_equal(grant.app_id_len, 0);
	assert_int_equal(grant.mtu, 1500);
}

static void only_a_smooth_session_keeps_its_datagram_channel(void **state)
{
	(void)state;
	fill(&datagrams);
	assert_int_equal(grant.dtls_rekey_seconds, 0);
	assert_int_equal(grant.dtls_rekey_method, TUNNEL_REKEY_NONE);
	session.smooth = true;
	fill(&datagrams);
	assert_int_equal(grant.dtls_rekey_method, TUNNEL_REKEY_NEW_TUNNEL);
	assert_true(grant.dtls_rekey_seconds > 24 * 60 * 60); /* the longest generation */
	assert_true(grant.dtls_rekey_seconds < INT32_MAX / 1000);
}

static void mtu_is_what_datagrams_carry(void **state)
{
	(void)state;
	assert_int_equal(mtu_over(1500, 0, ADDR_V4), 1434);
	assert_int_equal(mtu_over(1500, 0, ADDR_V6), 1414);
	assert_int_equal(mtu_over(0, 0, ADDR_V4), 1434);
	conf.tunnel.mtu = 1400;
	assert_int_equal(mtu_over(1500, 0, ADDR_V4), 1400);
}

static void narrower_view_of_the_way_counts(void **state)
{
	(void)state;
	assert_int_equal(mtu_over(1500, 1420, ADDR_V4), 1354);
	assert_int_equal(grant.base_mtu, 1420);
	assert_int_equal(mtu_over(1400, 1500, ADDR_V4), 1334);
	assert_int_equal(grant.base_mtu, 1400);
	assert_int_equal(mtu_over(0, 1400, ADDR_V4), 1334);
}

static void ipv6_inside_keeps_its_1280(void **state)
{
	(void)state;
	assert_int_equal(mtu_over(1300, 0, ADDR_V4), 1280);
	session.ipv6 = (struct addr){ 0 };
	assert_int_equal(mtu_over(1300, 0, ADDR_V4), 1234);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(datagram_channel_is_granted_with_its_intervals),
		TEST(without_it_nothing_of_it_is_granted),
		TEST(client_that_does_not_offer_it_gets_none),
		TEST(only_a_smooth_session_keeps_its_datagram_channel),
		TEST(mtu_is_what_datagrams_carry),
		TEST(narrower_view_of_the_way_counts),
		TEST(ipv6_inside_keeps_its_1280),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
