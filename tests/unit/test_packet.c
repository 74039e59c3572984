/* SPDX-License-Identifier: Apache-2.0 */
/* The packet view: what may enter, and each thing that may not beside its harmless twin. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <string.h>

#include "ip/packet.h"

enum { ROOM = 2048 };

/* A packet under construction; headers are appended, lengths kept right. */
struct draft {
	uint8_t data[ROOM];
	size_t len;
	size_t next_at; /* place of the latest next-header or protocol field */
};

static void put_addr(uint8_t *at, const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	memcpy(at, a.bytes, addr_bits(&a) / 8);
}

static void set_length(struct draft *d)
{
	size_t len = d->data[0] >> 4 == 4 ? d->len : d->len - 40;
	size_t at = d->data[0] >> 4 == 4 ? 2 : 4;

	d->data[at] = (uint8_t)(len >> 8);
	d->data[at + 1] = (uint8_t)len;
}

static void append(struct draft *d, uint8_t kind, const void *bytes, size_t len)
{
	d->data[d->next_at] = kind;
	memcpy(d->data + d->len, bytes, len);
	d->len += len;
	set_length(d);
}

static void append_payload(struct draft *d, uint8_t protocol)
{
	static const uint8_t payload[16] = "payload";

	append(d, protocol, payload, sizeof(payload));
}

static void ipv4_header(struct draft *d, const char *src, const char *dst)
{
	*d = (struct draft){ .len = 20, .next_at = 9 };
	d->data[0] = 0x45;
	put_addr(d->data + 12, src);
	put_addr(d->data + 16, dst);
	set_length(d);
}

static void ipv6_header(struct draft *d, const char *src, const char *dst)
{
	*d = (struct draft){ .len = 40, .next_at = 6 };
	d->data[0] = 0x60;
	put_addr(d->data + 8, src);
	put_addr(d->data + 24, dst);
	set_length(d);
}

/* An extension header of @units x 8 bytes more than its first 8. */
static void append_extension(struct draft *d, uint8_t kind, uint8_t units, uint8_t third)
{
	uint8_t ext[8 + 255 * 8] = { 0, units, third };
	size_t at = d->len;

	append(d, kind, ext, 8 + units * 8u);
	d->next_at = at;
}

static struct draft udp4(void)
{
	struct draft d;

	ipv4_header(&d, "10.0.0.1", "10.0.0.2");
	append_payload(&d, IPPROTO_UDP);
	return d;
}

static struct draft udp6(void)
{
	struct draft d;

	ipv6_header(&d, "fd00::1", "fd00::2");
	append_payload(&d, IPPROTO_UDP);
	return d;
}

static struct draft with_options(const uint8_t *options, size_t len)
{
	struct draft d;

	ipv4_header(&d, "10.0.0.1", "10.0.0.2");
	d.data[0] = (uint8_t)(0x45 + len / 4);
	append(&d, IPPROTO_UDP, options, len);
	append_payload(&d, IPPROTO_UDP);
	return d;
}

static struct draft with_addrs(const char *src, const char *dst)
{
	struct draft d;

	if (strchr(src, ':'))
		ipv6_header(&d, src, dst);
	else
		ipv4_header(&d, src, dst);
	append_payload(&d, IPPROTO_UDP);
	return d;
}

/* An ICMP message of @type about a packet to @quoted_dst. */
static struct draft icmp(uint8_t type, const char *quoted_dst)
{
	uint8_t header[8] = { type };
	struct draft d, quoted = with_addrs(strchr(quoted_dst, ':') ? "fd00::99" : "10.0.0.99", quoted_dst);

	if (strchr(quoted_dst, ':'))
		ipv6_header(&d, "fd00::1", "fd00::2");
	else
		ipv4_header(&d, "10.0.0.1", "10.0.0.2");
	append(&d, strchr(quoted_dst, ':') ? IPPROTO_ICMPV6 : IPPROTO_ICMP, header, sizeof(header));
	append(&d, d.data[d.next_at], quoted.data, quoted.len);
	return d;
}

static enum verdict parse(const struct draft *d, struct packet *p)
{
	uint8_t exact[ROOM]; /* a copy at the end of its memory, so that a read beyond is seen */
	uint8_t *at = exact + ROOM - d->len;

	memcpy(at, d->data, d->len);
	return packet_parse(at, d->len, p);
}

static void check(struct draft d, enum verdict expected)
{
	struct packet p;

	assert_int_equal(parse(&d, &p), expected);
}

static void udp_over_ipv4_is_read(void **state)
{
	struct draft d = udp4();
	struct packet p;
	struct addr src, dst;

	(void)state;
	addr_parse("10.0.0.1", &src);
	addr_parse("10.0.0.2", &dst);
	assert_int_equal(packet_parse(d.data, d.len, &p), PASS);
	assert_ptr_equal(p.data, d.data);
	assert_int_equal(p.len, d.len);
	assert_true(addr_equal(&p.src, &src) && addr_equal(&p.dst, &dst));
	assert_int_equal(p.protocol, IPPROTO_UDP);
	assert_int_equal(p.l4_offset, 20);
	assert_false(p.fragment || p.quotes);
}

static void udp_over_ipv6_is_read(void **state)
{
	struct draft d = udp6();
	struct packet p;
	struct addr src, dst;

	(void)state;
	addr_parse("fd00::1", &src);
	addr_parse("fd00::2", &dst);
	assert_int_equal(parse(&d, &p), PASS);
	assert_true(addr_equal(&p.src, &src) && addr_equal(&p.dst, &dst));
	assert_int_equal(p.protocol, IPPROTO_UDP);
	assert_int_equal(p.l4_offset, 40);
}

static void every_cut_packet_is_dropped(void **state)
{
	struct draft drafts[] = { udp4(), udp6(), icmp(3, "10.9.9.9"), icmp(1, "fd09::9") };
	struct packet p;

	(void)state;
	for (size_t i = 0; i < sizeof(drafts) / sizeof(drafts[0]); i++) {
		size_t header = drafts[i].data[0] >> 4 == 4 ? 20 : 40;

		for (size_t len = 0; len < drafts[i].len; len++)
			assert_int_equal(packet_parse(drafts[i].data, len, &p),
					 len < header ? DROP_SHORT : DROP_LENGTH);
	}
}

static void packet_longer_than_its_header_says_is_dropped(void **state)
{
	struct draft d = udp4(), e = udp6();

	(void)state;
	d.len++;
	check(d, DROP_LENGTH);
	e.len++;
	check(e, DROP_LENGTH);
}

static void other_versions_are_dropped(void **state)
{
	(void)state;
	for (int version = 0; version < 16; version++) {
		struct draft d = udp4();

		if (version == 4 || version == 6)
			continue;
		d.data[0] = (uint8_t)(version << 4 | 5);
		check(d, DROP_VERSION);
	}
}

static void ipv4_header_length_must_fit(void **state)
{
	struct draft d = udp4();

	(void)state;
	d.data[0] = 0x44;
	check(d, DROP_HEADER);
	d.data[0] = 0x4f; /* 60 bytes of 36 */
	check(d, DROP_HEADER);
}

static void harmless_options_pass(void **state)
{
	static const uint8_t record_route[] = { 1, 7, 7, 4, 0, 0, 0, 0 };
	static const uint8_t after_end[] = { 0, 131, 99, 99 };
	struct packet p;
	struct draft d = with_options(record_route, sizeof(record_route));

	(void)state;
	assert_int_equal(parse(&d, &p), PASS);
	assert_int_equal(p.l4_offset, 28);
	check(with_options(after_end, sizeof(after_end)), PASS);
}

static void source_routes_are_dropped(void **state)
{
	static const uint8_t loose[] = { 131, 7, 4, 10, 9, 9, 9, 0 }, strict[] = { 137, 7, 4, 10, 9, 9, 9, 0 };
	static const uint8_t behind_others[] = { 1, 7, 3, 4, 131, 3, 4, 0 };

	(void)state;
	check(with_options(loose, sizeof(loose)), DROP_SOURCE_ROUTE);
	check(with_options(strict, sizeof(strict)), DROP_SOURCE_ROUTE);
	check(with_options(behind_others, sizeof(behind_others)), DROP_SOURCE_ROUTE);
}

static void malformed_options_are_dropped(void **state)
{
	static const uint8_t bad[][4] = { { 7, 0, 0, 0 }, { 7, 1, 0, 0 }, { 7, 5, 0, 0 }, { 1, 1, 1, 7 } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check(with_options(bad[i], sizeof(bad[i])), DROP_HEADER);
}

static void ipv4_fragments_are_told(void **state)
{
	struct draft d = udp4();
	struct packet p;

	(void)state;
	d.data[6] = 0x20; /* the first of several */
	assert_int_equal(parse(&d, &p), PASS);
	assert_false(p.fragment);
	d.data[7] = 1;
	assert_int_equal(parse(&d, &p), PASS);
	assert_true(p.fragment);
}

static void extension_headers_are_followed(void **state)
{
	struct packet p;
	struct draft d;

	(void)state;
	ipv6_header(&d, "fd00::1", "fd00::2");
	append_extension(&d, IPPROTO_HOPOPTS, 0, 0);
	append_extension(&d, IPPROTO_DSTOPTS, 2, 0);
	append_extension(&d, IPPROTO_ROUTING, 0, 4);
	append_payload(&d, IPPROTO_TCP);
	assert_int_equal(parse(&d, &p), PASS);
	assert_int_equal(p.protocol, IPPROTO_TCP);
	assert_int_equal(p.l4_offset, 40 + 8 + 24 + 8);
}

static void authentication_header_counts_in_words(void **state)
{
	static const uint8_t ah[24] = { IPPROTO_TCP, 4 };
	struct packet p;
	struct draft d;

	(void)state;
	ipv6_header(&d, "fd00::1", "fd00::2");
	append(&d, IPPROTO_AH, ah, sizeof(ah));
	d.next_at = 40;
	append_payload(&d, IPPROTO_TCP);
	assert_int_equal(parse(&d, &p), PASS);
	assert_int_equal(p.l4_offset, 40 + 24);
	assert_int_equal(p.protocol, IPPROTO_TCP);
}

static void routing_headers_0_and_2_are_dropped(void **state)
{
	(void)state;
	for (uint8_t type = 0; type < 6; type++) {
		struct draft d;

		ipv6_header(&d, "fd00::1", "fd00::2");
		append_extension(&d, IPPROTO_DSTOPTS, 0, 0);
		append_extension(&d, IPPROTO_ROUTING, 2, type);
		append_payload(&d, IPPROTO_UDP);
		check(d, type == 0 || type == 2 ? DROP_ROUTING_HEADER : PASS);
	}
}

static void extension_beyond_the_packet_is_dropped(void **state)
{
	struct draft d;

	(void)state;
	ipv6_header(&d, "fd00::1", "fd00::2");
	append_extension(&d, IPPROTO_DSTOPTS, 1, 0);
	d.data[40] = IPPROTO_NONE;
	check(d, PASS);
	d.data[41] = 2;
	check(d, DROP_HEADER);
	d.data[40] = IPPROTO_DSTOPTS; /* and none is there */
	d.data[41] = 1;
	check(d, DROP_HEADER);
}

static void extensions_are_counted(void **state)
{
	struct draft d;

	(void)state;
	ipv6_header(&d, "fd00::1", "fd00::2");
	for (int i = 0; i < PACKET_MAX_EXT; i++)
		append_extension(&d, IPPROTO_DSTOPTS, 0, 0);
	append_payload(&d, IPPROTO_UDP);
	check(d, PASS);
	ipv6_header(&d, "fd00::1", "fd00::2");
	for (int i = 0; i <= PACKET_MAX_EXT; i++)
		append_extension(&d, IPPROTO_DSTOPTS, 0, 0);
	append_payload(&d, IPPROTO_UDP);
	check(d, DROP_HEADER);
}

static void ipv6_fragments_are_told(void **state)
{
	struct packet p;
	struct draft d;

	(void)state;
	ipv6_header(&d, "fd00::1", "fd00::2");
	append_extension(&d, IPPROTO_FRAGMENT, 0, 0);
	append_payload(&d, IPPROTO_UDP);
	d.data[43] = 1; /* more follow */
	assert_int_equal(parse(&d, &p), PASS);
	assert_false(p.fragment);
	d.data[43] = 8; /* at offset 8 */
	assert_int_equal(parse(&d, &p), PASS);
	assert_true(p.fragment);
	assert_int_equal(p.l4_offset, 48);
}

static void what_follows_a_later_fragment_is_not_read_as_a_header(void **state)
{
	struct draft d;

	(void)state;
	ipv6_header(&d, "fd00::1", "fd00::2");
	append_extension(&d, IPPROTO_FRAGMENT, 0, 0);
	append_extension(&d, IPPROTO_ROUTING, 0, 0);
	check(d, DROP_ROUTING_HEADER);
	d.data[43] = 8;
	check(d, PASS);
}

static void addresses_that_never_enter_are_dropped_at_either_end(void **state)
{
	static const struct {
		const char *good, *bad;
		enum verdict expected;
	} cases[] = {
		{ "10.0.0.1", "127.0.0.1", DROP_LOOPBACK },
		{ "10.0.0.1", "0.0.0.0", DROP_LOOPBACK },
		{ "10.0.0.1", "169.254.1.1", DROP_LINK_LOCAL },
		{ "10.0.0.1", "224.0.0.251", DROP_MULTICAST },
		{ "10.0.0.1", "255.255.255.255", DROP_MULTICAST },
		{ "fd00::1", "::1", DROP_LOOPBACK },
		{ "fd00::1", "::", DROP_LOOPBACK },
		{ "fd00::1", "::ffff:127.0.0.1", DROP_LOOPBACK },
		{ "fd00::1", "fe80::1", DROP_LINK_LOCAL },
		{ "fd00::1", "ff02::fb", DROP_MULTICAST },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		check(with_addrs(cases[i].good, cases[i].bad), cases[i].expected);
		check(with_addrs(cases[i].bad, cases[i].good), cases[i].expected);
		check(with_addrs(cases[i].good, cases[i].good), PASS);
	}
}

static void what_a_kernel_sends_by_itself_counts_as_multicast(void **state)
{
	(void)state;
	check(with_addrs("fe80::1", "ff02::2"), DROP_MULTICAST);
	check(with_addrs("::", "ff02::16"), DROP_MULTICAST);
}

static void check_quote(uint8_t type, const char *quoted, bool expected)
{
	struct draft d = icmp(type, quoted);
	struct packet p;
	struct addr dst;

	addr_parse(quoted, &dst);
	assert_int_equal(parse(&d, &p), PASS);
	assert_int_equal(p.quotes, expected);
	if (expected)
		assert_true(addr_equal(&p.quoted_dst, &dst));
}

static void icmp_errors_name_the_quoted_destination(void **state)
{
	(void)state;
	for (int type = 0; type < 256; type++)
		check_quote((uint8_t)type, "10.9.9.9", type == 3 || type == 4 || type == 5 || type == 11 || type == 12);
}

static void icmpv6_errors_name_the_quoted_destination(void **state)
{
	(void)state;
	for (int type = 0; type < 256; type++)
		check_quote((uint8_t)type, "fd09::9", type < 128);
}

static void icmp_error_with_an_unreadable_quote_is_dropped(void **state)
{
	struct draft d = icmp(3, "10.9.9.9"), e = icmp(2, "fd09::9");

	(void)state;
	d.len = 20 + 8 + 20;
	set_length(&d);
	check(d, PASS);
	d.len--;
	set_length(&d);
	check(d, DROP_ICMP_QUOTE);
	d = icmp(3, "10.9.9.9");
	d.data[28] = 0x65;
	check(d, DROP_ICMP_QUOTE);
	e.len = 40 + 8 + 39;
	set_length(&e);
	check(e, DROP_ICMP_QUOTE);
}

static void later_fragment_of_an_icmp_error_has_no_quote(void **state)
{
	struct draft d = icmp(3, "10.9.9.9");
	struct packet p;

	(void)state;
	d.data[7] = 1;
	assert_int_equal(parse(&d, &p), PASS);
	assert_false(p.quotes);
}

static void destination_alone_is_read(void **state)
{
	struct draft d = udp4(), e = udp6();
	struct addr dst, expected;

	(void)state;
	assert_int_equal(packet_dst(d.data, 20, &dst), PASS);
	addr_parse("10.0.0.2", &expected);
	assert_true(addr_equal(&dst, &expected));
	assert_int_equal(packet_dst(e.data, 40, &dst), PASS);
	addr_parse("fd00::2", &expected);
	assert_true(addr_equal(&dst, &expected));
}

static void destination_that_never_enters_is_dropped(void **state)
{
	struct draft d = udp4(), e = udp6(), group = with_addrs("10.0.0.1", "224.0.0.1"),
		     local = with_addrs("fd00::1", "fe80::2");
	struct addr dst;

	(void)state;
	assert_int_equal(packet_dst(d.data, 0, &dst), DROP_SHORT);
	assert_int_equal(packet_dst(d.data, 19, &dst), DROP_SHORT);
	assert_int_equal(packet_dst(e.data, 39, &dst), DROP_SHORT);
	assert_int_equal(packet_dst(group.data, group.len, &dst), DROP_MULTICAST);
	assert_int_equal(packet_dst(local.data, local.len, &dst), DROP_LINK_LOCAL);
	d.data[0] = 0x55;
	assert_int_equal(packet_dst(d.data, d.len, &dst), DROP_VERSION);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(udp_over_ipv4_is_read),
		cmocka_unit_test(udp_over_ipv6_is_read),
		cmocka_unit_test(every_cut_packet_is_dropped),
		cmocka_unit_test(packet_longer_than_its_header_says_is_dropped),
		cmocka_unit_test(other_versions_are_dropped),
		cmocka_unit_test(ipv4_header_length_must_fit),
		cmocka_unit_test(harmless_options_pass),
		cmocka_unit_test(source_routes_are_dropped),
		cmocka_unit_test(malformed_options_are_dropped),
		cmocka_unit_test(ipv4_fragments_are_told),
		cmocka_unit_test(extension_headers_are_followed),
		cmocka_unit_test(authentication_header_counts_in_words),
		cmocka_unit_test(routing_headers_0_and_2_are_dropped),
		cmocka_unit_test(extension_beyond_the_packet_is_dropped),
		cmocka_unit_test(extensions_are_counted),
		cmocka_unit_test(ipv6_fragments_are_told),
		cmocka_unit_test(what_follows_a_later_fragment_is_not_read_as_a_header),
		cmocka_unit_test(addresses_that_never_enter_are_dropped_at_either_end),
		cmocka_unit_test(what_a_kernel_sends_by_itself_counts_as_multicast),
		cmocka_unit_test(icmp_errors_name_the_quoted_destination),
		cmocka_unit_test(icmpv6_errors_name_the_quoted_destination),
		cmocka_unit_test(icmp_error_with_an_unreadable_quote_is_dropped),
		cmocka_unit_test(later_fragment_of_an_icmp_error_has_no_quote),
		cmocka_unit_test(destination_alone_is_read),
		cmocka_unit_test(destination_that_never_enters_is_dropped),
	};

	return cmocka_run_group_tests_name("packet", tests, NULL, NULL);
}
