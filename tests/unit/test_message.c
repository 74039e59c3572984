/* SPDX-License-Identifier: Apache-2.0 */
/* The monitor's check of what an engine sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/err.h"
#include "monitor/message.h"

static int check(const union message *m)
{
	return message_check(m, message_len(m->header.type));
}

static union message item_message(enum net_kind kind, const char *prefix)
{
	union message m = { .net_item = { { MESSAGE_NET_ITEM, 1 }, { .kind = kind } } };

	if (prefix)
		prefix_parse(prefix, &m.net_item.item.prefix);
	return m;
}

static union message text_message(enum net_kind kind, const char *text)
{
	union message m = item_message(kind, NULL);

	snprintf(m.net_item.item.text, sizeof(m.net_item.item.text), "%s", text);
	return m;
}

static union message hook_message(const char *name)
{
	union message m = { .hook = { { MESSAGE_HOOK, 1 }, { .connect = 1 } } };

	snprintf(m.hook.facts.name, sizeof(m.hook.facts.name), "%s", name);
	return m;
}

static void every_length_but_the_own_is_refused(void **state)
{
	union message m = item_message(NET_ROUTE, "10.0.0.0/8");
	size_t len;

	(void)state;
	for (len = 0; len <= sizeof(m); len++)
		assert_int_equal(message_check(&m, len), len == sizeof(m.net_item) ? 0 : ERR_INVALID);
}

static void types_of_the_monitor_and_unknown_ones_are_refused(void **state)
{
	union message m = { .header = { MESSAGE_STOP, 1 } };

	(void)state;
	assert_int_equal(check(&m), ERR_INVALID);
	m.header.type = MESSAGE_ANSWER;
	assert_int_equal(check(&m), ERR_INVALID);
	m.header.type = MESSAGE_TYPES;
	assert_int_equal(message_check(&m, sizeof(m)), ERR_INVALID);
	m.header.type = UINT32_MAX;
	assert_int_equal(message_check(&m, sizeof(m)), ERR_INVALID);
	m.header.type = MESSAGE_NET_COMMIT;
	assert_int_equal(check(&m), 0);
}

static void kind_and_phase_must_be_in_range(void **state)
{
	union message m = item_message(NET_KINDS, "10.0.0.0/8");

	(void)state;
	assert_int_equal(check(&m), ERR_INVALID);
	m.net_begin = (struct message_net_begin){ { MESSAGE_NET_BEGIN, 1 }, NET_RECONNECTED };
	assert_int_equal(check(&m), 0);
	m.net_begin.phase++;
	assert_int_equal(check(&m), ERR_INVALID);
}

static void prefix_must_fit_its_family(void **state)
{
	union message m = item_message(NET_ROUTE, "10.0.0.0/32");

	(void)state;
	assert_int_equal(check(&m), 0);
	m.net_item.item.prefix.len = 33;
	assert_int_equal(check(&m), ERR_INVALID);
	m = item_message(NET_ROUTE, "fd00::/128");
	assert_int_equal(check(&m), 0);
	m.net_item.item.prefix.addr.family = 5;
	assert_int_equal(check(&m), ERR_INVALID);
}

static void nothing_may_stand_behind_an_ipv4_address(void **state)
{
	union message m = item_message(NET_ROUTE, "0.0.0.0/1");

	(void)state;
	assert_int_equal(check(&m), 0);
	m.net_item.item.prefix.addr.bytes[4] = 1;
	assert_int_equal(check(&m), ERR_INVALID);
	m = item_message(NET_GATEWAY, "0.0.0.0");
	m.net_item.item.prefix.addr.bytes[15] = 1;
	assert_int_equal(check(&m), ERR_INVALID);
	m = hook_message("x");
	addr_parse("10.20.0.2", &m.hook.facts.ipv4);
	assert_int_equal(check(&m), 0);
	m.hook.facts.ipv4.bytes[4] = 1;
	assert_int_equal(check(&m), ERR_INVALID);
}

static void name_server_must_be_a_whole_address(void **state)
{
	union message m = item_message(NET_DNS, "10.0.0.1");

	(void)state;
	assert_int_equal(check(&m), 0);
	m.net_item.item.prefix.len = 24;
	assert_int_equal(check(&m), ERR_INVALID);
}

static void domain_is_a_name_and_nothing_more(void **state)
{
	static const char *const bad[] = { "", "a b", "a\nnameserver 1.2.3.4", "-x", "$(id)", "a;b", "~." };
	union message m = text_message(NET_DOMAIN, "corp.example");
	size_t i;

	(void)state;
	assert_int_equal(check(&m), 0);
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		m = text_message(NET_DOMAIN, bad[i]);
		assert_int_equal(check(&m), ERR_INVALID);
	}
}

static void text_without_an_end_is_refused(void **state)
{
	union message m = text_message(NET_DOMAIN, "a");

	(void)state;
	memset(m.net_item.item.text, 'a', sizeof(m.net_item.item.text));
	assert_int_equal(check(&m), ERR_INVALID);
	m = (union message){ .resolve = { .header = { MESSAGE_RESOLVE, 1 } } };
	memset(m.resolve.host, 'a', sizeof(m.resolve.host));
	assert_int_equal(check(&m), ERR_INVALID);
	m.resolve.host[sizeof(m.resolve.host) - 1] = '\0';
	assert_int_equal(check(&m), 0);
}

static void banner_may_be_any_line(void **state)
{
	union message m = text_message(NET_BANNER, "Willkommen \xc3\xbc!");

	(void)state;
	assert_int_equal(check(&m), 0);
	m = text_message(NET_BANNER, "two\nlines");
	assert_int_equal(check(&m), ERR_INVALID);
}

static void hook_takes_only_identities(void **state)
{
	union message m = hook_message("berlin@corp.example");

	(void)state;
	assert_int_equal(check(&m), 0);
	m = hook_message("x y");
	assert_int_equal(check(&m), ERR_INVALID);
	m = hook_message("x");
	memset(m.hook.facts.name, 'a', sizeof(m.hook.facts.name));
	assert_int_equal(check(&m), ERR_INVALID);
}

static void hook_facts_must_make_sense(void **state)
{
	union message m = hook_message("x");

	(void)state;
	m.hook.facts.connect = 2;
	assert_int_equal(check(&m), ERR_INVALID);
	m = hook_message("x");
	m.hook.facts.ipv4.family = ADDR_V6;
	assert_int_equal(check(&m), ERR_INVALID);
	m = hook_message("x");
	strcpy(m.hook.facts.peer, "[fd00::1]:443");
	assert_int_equal(check(&m), 0);
	strcpy(m.hook.facts.peer, "`id`");
	assert_int_equal(check(&m), ERR_INVALID);
}

static void socket_needs_a_kind_and_a_family(void **state)
{
	union message m = { .socket = { { MESSAGE_SOCKET, 1 }, ASK_DATAGRAM, ADDR_V6 } };

	(void)state;
	assert_int_equal(check(&m), 0);
	m.socket.family = ADDR_NONE;
	assert_int_equal(check(&m), ERR_INVALID);
	m.socket = (struct message_socket){ { MESSAGE_SOCKET, 1 }, ASK_SOCKET_KINDS, ADDR_V6 };
	assert_int_equal(check(&m), ERR_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_but_the_own_is_refused),
		cmocka_unit_test(types_of_the_monitor_and_unknown_ones_are_refused),
		cmocka_unit_test(kind_and_phase_must_be_in_range),
		cmocka_unit_test(prefix_must_fit_its_family),
		cmocka_unit_test(nothing_may_stand_behind_an_ipv4_address),
		cmocka_unit_test(name_server_must_be_a_whole_address),
		cmocka_unit_test(domain_is_a_name_and_nothing_more),
		cmocka_unit_test(text_without_an_end_is_refused),
		cmocka_unit_test(banner_may_be_any_line),
		cmocka_unit_test(hook_takes_only_identities),
		cmocka_unit_test(hook_facts_must_make_sense),
		cmocka_unit_test(socket_needs_a_kind_and_a_family),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
