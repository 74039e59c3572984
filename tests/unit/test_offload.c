/* SPDX-License-Identifier: Apache-2.0 */
/* Claims of the kernel and of a peer about a packet: each that passes beside those that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ip/offload.h"
#include "testpacket.h"

enum { MTU = 1400, GSO_SIZE = 1000, ROOM = SAMPLE_MAX + 64, KINDS = 4 };

static uint8_t packet[ROOM], before[ROOM];

/* TCP and UDP over IPv4 and IPv6, by number. */
static struct sample sample_of(int kind, size_t payload_len)
{
	struct sample s = kind & 1 ? sample_udp(kind & 2) : sample_tcp(kind & 2);

	s.payload_len = payload_len;
	return s;
}

static enum super_kind kind_of(const struct sample *s)
{
	if (s->udp)
		return SUPER_UDP;
	return s->ipv6 ? SUPER_TCP6 : SUPER_TCP4;
}

static uint8_t gso_of(const struct sample *s)
{
	if (s->udp)
		return TUN_GSO_UDP;
	return s->ipv6 ? TUN_GSO_TCP6 : TUN_GSO_TCP4;
}

static struct tun_header header_of(const struct sample *s, uint16_t gso_size)
{
	return (struct tun_header){ .flags = TUN_NEEDS_CSUM,
				    .gso_type = gso_size ? gso_of(s) : TUN_GSO_NONE,
				    .hdr_len = 3,
				    .gso_size = gso_size,
				    .csum_start = (uint16_t)sample_l4_offset(s),
				    .csum_offset = s->udp ? 6 : 16 };
}

/* Reading: from our kernel. */

static void a_super_packet_is_understood_without_hdr_len(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind, 3 * GSO_SIZE + 1);
		struct tun_header h = header_of(&s, GSO_SIZE);
		size_t len = sample_build(packet, &s);
		struct super super;

		for (unsigned hint = 0; hint < 3; hint++) {
			h.hdr_len = (uint16_t)(hint * 1500);
			assert_int_equal(offload_read(&h, packet, len, &super), PASS);
			assert_ptr_equal(super.packet, packet);
			assert_int_equal(super.len, len);
			assert_int_equal(super.kind, kind_of(&s));
			assert_int_equal(super.l4_offset, sample_l4_offset(&s));
			assert_int_equal(super.header_len, sample_header_len(&s));
			assert_int_equal(super_payload_len(&super), s.payload_len);
			assert_int_equal(super.gso_size, GSO_SIZE);
			assert_int_equal(super.segments, 4);
			assert_true(super.partial && super.direct);
		}
	}
}

static void ecn_is_masked(void **state)
{
	struct sample s = sample_of(0, 2 * GSO_SIZE);
	struct tun_header h = header_of(&s, GSO_SIZE);
	struct super super;

	(void)state;
	h.gso_type |= TUN_GSO_ECN;
	assert_int_equal(offload_read(&h, packet, sample_build(packet, &s), &super), PASS);
	assert_int_equal(super.kind, SUPER_TCP4);
	s = sample_of(1, 2 * GSO_SIZE);
	h = header_of(&s, GSO_SIZE);
	h.gso_type |= TUN_GSO_ECN;
	assert_int_equal(offload_read(&h, packet, sample_build(packet, &s), &super), DROP_OFFLOAD_FIELDS);
}

static void csum_start_may_be_missing_without_needs_csum(void **state)
{
	struct sample s = sample_of(0, 2 * GSO_SIZE);
	struct tun_header h = { .gso_type = TUN_GSO_TCP4, .gso_size = GSO_SIZE };
	struct super super;

	(void)state;
	assert_int_equal(offload_read(&h, packet, sample_build(packet, &s), &super), PASS);
	assert_int_equal(super.header_len, sample_header_len(&s));
	assert_true(super.partial);
}

static void a_payload_of_one_segment_is_one_packet(void **state)
{
	struct sample s = sample_of(0, GSO_SIZE);
	struct tun_header h = header_of(&s, GSO_SIZE);
	struct super super;

	(void)state;
	assert_int_equal(offload_read(&h, packet, sample_build(packet, &s), &super), PASS);
	assert_int_equal(super.segments, 1);
	assert_int_equal(super.gso_size, 0);
	h.flags = 0;
	assert_int_equal(offload_read(&h, packet, sample_build(packet, &s), &super), PASS);
	assert_true(super.partial);
	s.payload_len++;
	assert_int_equal(offload_read(&h, packet, sample_build(packet, &s), &super), PASS);
	assert_int_equal(super.segments, 2);
}

static void one_packet_tells_whether_its_checksum_is_partial(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind, 77);
		struct tun_header partial = header_of(&s, 0), valid = { .flags = TUN_DATA_VALID }, none = { 0 };
		size_t len = sample_build(packet, &s);
		struct super super;

		assert_int_equal(offload_read(&partial, packet, len, &super), PASS);
		assert_true(super.partial && super.direct && super.segments == 1);
		assert_int_equal(offload_read(&valid, packet, len, &super), PASS);
		assert_false(super.partial);
		assert_int_equal(offload_read(&none, packet, len, &super), PASS);
		assert_false(super.partial);
	}
}

/* A host that tunnels inside our tunnel leaves the inner packet's checksum to us. */
static void a_sum_further_in_is_finished_there(void **state)
{
	struct sample s = sample_of(1, 300);
	struct tun_header h = { .flags = TUN_NEEDS_CSUM, .csum_start = 100, .csum_offset = 16 };
	size_t len = sample_build(packet, &s);
	struct super super;

	(void)state;
	sample_put16(packet + 116, 0x4321);
	assert_int_equal(offload_read(&h, packet, len, &super), PASS);
	assert_int_equal(super.kind, SUPER_OTHER);
	assert_true(super.partial);
	assert_false(super.direct);
	offload_finish(&super);
	assert_false(super.partial);
	sample_build(before, &s);
	assert_memory_equal(packet, before, 100 + 16);
	assert_int_not_equal(sample_read16(packet + 116), 0x4321);
	/* With what stood there taken off again the sum is whole. */
	assert_int_equal(sample_sum(0x4321, packet + 100, len - 100), 0xffff);
}

static void a_sum_outside_the_packet_is_refused(void **state)
{
	struct sample s = sample_of(1, 300);
	size_t len = sample_build(packet, &s);
	struct tun_header h = { .flags = TUN_NEEDS_CSUM, .csum_start = (uint16_t)(len - 18), .csum_offset = 16 };
	struct super super;

	(void)state;
	assert_int_equal(offload_read(&h, packet, len, &super), PASS);
	h.csum_offset++;
	assert_int_equal(offload_read(&h, packet, len, &super), DROP_OFFLOAD_FIELDS);
	h = (struct tun_header){ .flags = TUN_NEEDS_CSUM, .csum_start = 0xffff, .csum_offset = 0xffff };
	assert_int_equal(offload_read(&h, packet, len, &super), DROP_OFFLOAD_FIELDS);
}

/* Either the header is changed, or one byte of a packet. */
struct read_case {
	const char *what;
	void (*change)(struct tun_header *h);
	size_t at;
	uint8_t byte;
	enum verdict verdict;
};

static void read_ufo(struct tun_header *h)
{
	h->gso_type = 3;
}

static void read_tunnel(struct tun_header *h)
{
	h->gso_type |= 0x20;
}

static void read_wrong_version(struct tun_header *h)
{
	h->gso_type = TUN_GSO_TCP6;
}

static void read_wrong_protocol(struct tun_header *h)
{
	h->gso_type = TUN_GSO_UDP;
}

static void read_size_zero(struct tun_header *h)
{
	h->gso_size = 0;
}

static void read_csum_start(struct tun_header *h)
{
	h->csum_start++;
}

static void read_csum_offset(struct tun_header *h)
{
	h->csum_offset = 6;
}

static void what_the_kernel_says_must_fit(void **state)
{
	static const struct read_case cases[] = {
		{ "UFO", read_ufo, 0, 0, DROP_OFFLOAD },
		{ "UDP tunnel", read_tunnel, 0, 0, DROP_OFFLOAD },
		{ "type of the other version", read_wrong_version, 0, 0, DROP_OFFLOAD_FIELDS },
		{ "type of the other protocol", read_wrong_protocol, 0, 0, DROP_OFFLOAD_FIELDS },
		{ "size 0", read_size_zero, 0, 0, DROP_OFFLOAD_FIELDS },
		{ "sum begins elsewhere", read_csum_start, 0, 0, DROP_OFFLOAD_FIELDS },
		{ "field elsewhere", read_csum_offset, 0, 0, DROP_OFFLOAD_FIELDS },
		{ "SYN", NULL, 33, SAMPLE_ACK | SAMPLE_SYN, DROP_OFFLOAD_FIELDS },
		{ "RST", NULL, 33, SAMPLE_ACK | SAMPLE_RST, DROP_OFFLOAD_FIELDS },
		{ "fragment", NULL, 6, 0x20, DROP_OFFLOAD_FIELDS },
		{ "data offset under 20", NULL, 32, 0x40, DROP_OFFLOAD_FIELDS },
		{ "IP header under 20", NULL, 0, 0x44, DROP_HEADER },
		{ "version 5", NULL, 0, 0x55, DROP_VERSION },
		{ "length", NULL, 3, 0, DROP_LENGTH },
	};
	struct sample s = sample_of(0, 3 * GSO_SIZE);
	struct super super;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct tun_header h = header_of(&s, GSO_SIZE);
		size_t len = sample_build(packet, &s);

		assert_int_equal(offload_read(&h, packet, len, &super), PASS);
		if (cases[i].change)
			cases[i].change(&h);
		else
			packet[cases[i].at] = cases[i].byte;
		if (offload_read(&h, packet, len, &super) != cases[i].verdict)
			fail_msg("%s", cases[i].what);
	}
}

/* In memory that ends with the packet, so that a sanitizer sees each byte read behind it. */
static enum verdict read_exactly(const struct tun_header *h, size_t len, struct super *out)
{
	uint8_t *exact = malloc(len ? len : 1);
	enum verdict v;

	assert_non_null(exact);
	memcpy(exact, packet, len);
	v = offload_read(h, exact, len, out);
	free(exact);
	return v;
}

static void headers_beyond_the_packet_are_refused(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind, 0);
		struct tun_header h = header_of(&s, GSO_SIZE), plain = { 0 };
		size_t len = sample_build(packet, &s), at = s.ipv6 ? 4 : 2, off = s.ipv6 ? 40 : 0;
		struct super super;

		assert_int_equal(read_exactly(&h, len, &super), PASS);
		while (--len >= sample_l4_offset(&s)) {
			sample_put16(packet + at, len - off);
			if (s.udp)
				sample_put16(packet + sample_l4_offset(&s) + 4, len - sample_l4_offset(&s));
			assert_int_equal(read_exactly(&h, len, &super), DROP_OFFLOAD_FIELDS);
			assert_int_equal(read_exactly(&plain, len, &super), PASS);
			assert_int_equal(super.kind, SUPER_OTHER);
		}
		for (; len > 0; len--)
			assert_int_equal(read_exactly(&plain, len, &super), DROP_SHORT);
		assert_int_equal(read_exactly(&plain, 0, &super), DROP_SHORT);
	}
}

static void ipv4_options_beyond_the_packet_are_refused(void **state)
{
	struct sample s = sample_of(1, 0);
	struct tun_header plain = { 0 };
	size_t len = sample_build(packet, &s);
	struct super super;

	(void)state;
	packet[0] = 0x47;
	assert_int_equal(read_exactly(&plain, len, &super), PASS);
	packet[0] = 0x48;
	assert_int_equal(read_exactly(&plain, len, &super), DROP_HEADER);
}

static void udp_length_must_be_the_rest(void **state)
{
	struct sample s = sample_of(1, 3 * GSO_SIZE);
	struct tun_header h = header_of(&s, GSO_SIZE);
	size_t len = sample_build(packet, &s);
	struct super super;

	(void)state;
	assert_int_equal(offload_read(&h, packet, len, &super), PASS);
	packet[25]--;
	assert_int_equal(offload_read(&h, packet, len, &super), DROP_OFFLOAD_FIELDS);
}

static void extension_headers_are_followed(void **state)
{
	struct sample s = sample_of(2, 3 * GSO_SIZE);
	struct tun_header h;
	struct super super;
	size_t len;

	(void)state;
	s.ip_options = 24;
	h = header_of(&s, GSO_SIZE);
	len = sample_build(packet, &s);
	assert_int_equal(offload_read(&h, packet, len, &super), PASS);
	assert_int_equal(super.l4_offset, 64);
	assert_false(super.direct);
	packet[41]--; /* its length: layer 4 would begin elsewhere */
	assert_int_equal(offload_read(&h, packet, len, &super), DROP_OFFLOAD_FIELDS);
}

static void extension_headers_stay_inside(void **state)
{
	struct sample s = sample_of(3, 32);
	struct tun_header plain = { 0 };
	struct super super;

	(void)state;
	s.ip_options = 8;
	for (size_t len = sample_build(packet, &s); len >= 40; len--) {
		sample_put16(packet + 4, len - 40);
		packet[41] = (uint8_t)((len - 40) / 8);
		assert_int_equal(read_exactly(&plain, len, &super), PASS);
		assert_int_equal(super.kind, SUPER_OTHER);
	}
}

static void very_long_headers_are_for_one_packet_only(void **state)
{
	(void)state;
	for (unsigned options = 208; options <= 216; options += 8) {
		struct sample s = sample_of(3, 3 * GSO_SIZE);
		struct tun_header h, plain = { 0 };
		struct super super;
		size_t len;

		s.ip_options = (uint8_t)options;
		h = header_of(&s, GSO_SIZE);
		len = sample_build(packet, &s);
		assert_int_equal(offload_read(&h, packet, len, &super), options > 208 ? DROP_OFFLOAD_FIELDS : PASS);
		assert_int_equal(offload_read(&plain, packet, len, &super), PASS);
	}
}

static void one_packet_of_anything_passes(void **state)
{
	struct sample s = sample_of(2, 100);
	struct tun_header h = { 0 };
	struct super super;
	size_t len = sample_build(packet, &s);

	(void)state;
	for (unsigned next = 0; next < 256; next++) {
		packet[6] = (uint8_t)next;
		assert_int_equal(offload_read(&h, packet, len, &super), PASS);
		assert_int_equal(super.kind == SUPER_OTHER, next != 6);
		assert_int_equal(super.segments, 1);
	}
}

static void finishing_gives_the_right_checksum(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind, 777);
		struct tun_header h = header_of(&s, 0);
		size_t len = sample_build(packet, &s);
		struct super super;

		sample_put16(packet + sample_csum_at(&s), 0x1234); /* not even the pseudo-header is believed */
		assert_int_equal(offload_read(&h, packet, len, &super), PASS);
		offload_finish(&super);
		assert_false(super.partial);
		sample_build(before, &s);
		assert_memory_equal(packet, before, len);
		offload_finish(&super);
		assert_memory_equal(packet, before, len);
	}
}

/* Checking: from a peer. */

struct check {
	struct sample sample;
	uint16_t gso_size;
	bool partial;
	size_t mtu;
};

static struct check super_check(int kind)
{
	return (struct check){ sample_of(kind, 3 * GSO_SIZE + 1), GSO_SIZE, true, MTU };
}

static enum verdict run(const struct check *c, struct super *out)
{
	size_t len = sample_build(packet, &c->sample);

	return offload_check(packet, len, c->gso_size, c->partial, c->mtu, out);
}

static void expect(const struct check *c, enum verdict verdict)
{
	struct super super;

	assert_int_equal(run(c, &super), verdict);
	if (verdict == PASS)
		return;
	assert_memory_equal(packet, before, sample_build(before, &c->sample));
}

static void the_header_of_a_super_packet_is_computed(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct check c = super_check(kind);
		struct tun_header h, expected = header_of(&c.sample, GSO_SIZE);
		struct super super;

		expected.hdr_len = (uint16_t)sample_header_len(&c.sample);
		assert_int_equal(run(&c, &super), PASS);
		offload_header(&super, &h);
		assert_memory_equal(&h, &expected, sizeof(h));
		assert_int_equal(super.segments, 4);
	}
}

static void ecn_is_said_of_cwr(void **state)
{
	struct check c = super_check(0);
	struct tun_header h;
	struct super super;

	(void)state;
	c.sample.flags |= SAMPLE_CWR | SAMPLE_ECE;
	assert_int_equal(run(&c, &super), PASS);
	offload_header(&super, &h);
	assert_int_equal(h.gso_type, TUN_GSO_TCP4 | TUN_GSO_ECN);
	c.sample.flags = SAMPLE_ACK | SAMPLE_ECE;
	assert_int_equal(run(&c, &super), PASS);
	offload_header(&super, &h);
	assert_int_equal(h.gso_type, TUN_GSO_TCP4);
}

static void a_pseudo_header_sum_is_written_by_us(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct check c = super_check(kind);
		struct super super;
		size_t len = sample_build(before, &c.sample);

		sample_partial(before, len, &c.sample);
		assert_int_equal(run(&c, &super), PASS);
		assert_memory_equal(packet, before, len);
	}
}

static void a_super_packet_is_partial_whether_it_is_said_or_not(void **state)
{
	struct check c = super_check(0);
	struct super super;

	(void)state;
	c.partial = false;
	assert_int_equal(run(&c, &super), PASS);
	assert_true(super.partial);
}

static void one_partial_packet_has_needs_csum_and_no_type(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct check c = { sample_of(kind, 99), 0, true, MTU };
		struct tun_header h, expected = header_of(&c.sample, 0);
		struct super super;
		size_t len = sample_build(before, &c.sample);

		sample_partial(before, len, &c.sample);
		expected.hdr_len = (uint16_t)sample_header_len(&c.sample);
		assert_int_equal(run(&c, &super), PASS);
		offload_header(&super, &h);
		assert_memory_equal(&h, &expected, sizeof(h));
		assert_memory_equal(packet, before, len);
	}
}

static void one_plain_packet_is_left_alone(void **state)
{
	struct tun_header h, zero = { 0 };

	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct check c = { sample_of(kind, 99), 0, false, MTU };
		struct super super;

		c.sample.ip_options = 8;
		c.sample.flags = SAMPLE_SYN | SAMPLE_URG;
		assert_int_equal(run(&c, &super), PASS);
		offload_header(&super, &h);
		assert_memory_equal(&h, &zero, sizeof(h));
		assert_memory_equal(packet, before, sample_build(before, &c.sample));
	}
}

/* Whole, or with a checksum left open, it is refused; as one plain packet it passes. */
static void expect_plain_only(struct check c)
{
	expect(&c, DROP_OFFLOAD_FIELDS);
	c.gso_size = 0;
	c.sample.payload_len = 10;
	expect(&c, DROP_OFFLOAD_FIELDS);
	c.partial = false;
	expect(&c, PASS);
}

static void options_go_with_plain_packets_only(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct check c = super_check(kind);

		c.sample.ip_options = 8;
		expect_plain_only(c);
	}
}

static void fragments_go_with_plain_packets_only(void **state)
{
	static const uint16_t fragments[] = { 1, 0x2000 };

	(void)state;
	for (size_t i = 0; i < sizeof(fragments) / sizeof(fragments[0]); i++) {
		struct check c = super_check(0);

		c.sample.fragment = fragments[i];
		expect_plain_only(c);
	}
}

static void claims_are_for_tcp_and_udp(void **state)
{
	struct super super;

	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind, 99);
		size_t len = sample_build(packet, &s);

		if (s.ipv6) {
			packet[6] = 58;
		} else {
			packet[9] = 1;
			sample_put16(packet + 10, 0);
			sample_put16(packet + 10, (uint16_t)~sample_sum(0, packet, 20));
		}
		assert_int_equal(offload_check(packet, len, 0, true, MTU, &super), DROP_OFFLOAD_FIELDS);
		assert_int_equal(offload_check(packet, len, 300, false, MTU, &super), DROP_OFFLOAD_FIELDS);
		assert_int_equal(offload_check(packet, len, 0, false, MTU, &super), PASS);
	}
}

static void lengths_must_be_exact(void **state)
{
	struct super super;

	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct check c = super_check(kind);
		size_t len = sample_build(packet, &c.sample);

		assert_int_equal(offload_check(packet, len - 1, GSO_SIZE, true, MTU, &super), DROP_LENGTH);
		assert_int_equal(offload_check(packet, len + 1, GSO_SIZE, true, MTU, &super), DROP_LENGTH);
		if (!c.sample.udp)
			continue;
		packet[sample_l4_offset(&c.sample) + 5]--;
		assert_int_equal(offload_check(packet, len, GSO_SIZE, true, MTU, &super), DROP_OFFLOAD_FIELDS);
	}
}

static void the_ipv4_header_checksum_is_verified(void **state)
{
	struct check c = super_check(0);
	struct super super;
	size_t len = sample_build(packet, &c.sample);

	(void)state;
	packet[8]--;
	assert_int_equal(offload_check(packet, len, GSO_SIZE, true, MTU, &super), DROP_HEADER_CHECKSUM);
	assert_int_equal(offload_check(packet, len, (uint16_t)len, true, len, &super), DROP_HEADER_CHECKSUM);
	assert_int_equal(offload_check(packet, len, 0, false, len, &super), PASS);
}

static void segments_under_256_are_refused(void **state)
{
	struct check c = super_check(0);

	(void)state;
	c.gso_size = OFFLOAD_GSO_MIN;
	expect(&c, PASS);
	c.gso_size = OFFLOAD_GSO_MIN - 1;
	expect(&c, DROP_OFFLOAD_FIELDS);
	c.gso_size = 1;
	expect(&c, DROP_OFFLOAD_FIELDS);
}

static void at_most_64_segments_pass(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct check c = super_check(kind);

		c.sample.payload_len = 64 * GSO_SIZE;
		expect(&c, PASS);
		c.sample.payload_len++;
		expect(&c, DROP_OFFLOAD_FIELDS);
	}
}

static void segments_fit_the_mtu(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct check c = super_check(kind);

		c.mtu = sample_header_len(&c.sample) + GSO_SIZE;
		expect(&c, PASS);
		c.mtu--;
		expect(&c, DROP_TOO_BIG);
	}
}

static void one_packet_fits_the_mtu(void **state)
{
	struct check c = { sample_of(0, 99), 0, false, 0 };

	(void)state;
	for (int claims = 0; claims < 4; claims++) {
		c.partial = claims & 1;
		c.gso_size = claims & 2 ? 99 : 0;
		c.mtu = sample_header_len(&c.sample) + 99;
		expect(&c, PASS);
		c.mtu--;
		expect(&c, DROP_TOO_BIG);
	}
}

static void a_payload_within_the_size_is_one_packet(void **state)
{
	struct check c = super_check(0);
	struct tun_header h, zero = { 0 };
	struct super super;

	(void)state;
	c.sample.payload_len = GSO_SIZE;
	assert_int_equal(run(&c, &super), PASS);
	offload_header(&super, &h);
	assert_int_equal(h.gso_type, TUN_GSO_NONE);
	assert_int_equal(h.flags, TUN_NEEDS_CSUM);
	c.partial = false;
	assert_int_equal(run(&c, &super), PASS);
	offload_header(&super, &h);
	assert_memory_equal(&h, &zero, sizeof(h));
}

static void syn_rst_and_urg_are_refused_in_super_packets(void **state)
{
	static const uint8_t refused[] = { SAMPLE_SYN, SAMPLE_RST, SAMPLE_URG };

	(void)state;
	for (size_t i = 0; i < sizeof(refused); i++) {
		struct check c = super_check(0);

		c.sample.flags |= refused[i];
		expect(&c, DROP_OFFLOAD_FIELDS);
		c.sample.payload_len = 10;
		expect(&c, PASS);
	}
	for (unsigned flags = 0; flags < 256; flags++) {
		struct check c = super_check(2);

		c.sample.flags = (uint8_t)flags;
		expect(&c, flags & (SAMPLE_SYN | SAMPLE_RST | SAMPLE_URG) ? DROP_OFFLOAD_FIELDS : PASS);
	}
}

static void tcp_headers_stay_inside(void **state)
{
	struct super super;

	(void)state;
	for (unsigned words = 0; words < 16; words++) {
		struct sample s = sample_of(0, 3 * GSO_SIZE);
		size_t len = sample_build(packet, &s);

		packet[32] = (uint8_t)(words << 4);
		assert_int_equal(offload_check(packet, len, GSO_SIZE, true, MTU, &super),
				 words < 5 ? DROP_OFFLOAD_FIELDS : PASS);
		s.payload_len = 4;
		len = sample_build(packet, &s);
		packet[32] = (uint8_t)(words << 4);
		assert_int_equal(offload_check(packet, len, 0, true, MTU, &super),
				 words < 5 || words > 9 ? DROP_OFFLOAD_FIELDS : PASS);
	}
}

static void the_longest_packet_passes(void **state)
{
	struct check c = super_check(0);

	(void)state;
	c.gso_size = 1200;
	c.sample.payload_len = 65535 - sample_header_len(&c.sample);
	expect(&c, PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_super_packet_is_understood_without_hdr_len),
		cmocka_unit_test(ecn_is_masked),
		cmocka_unit_test(csum_start_may_be_missing_without_needs_csum),
		cmocka_unit_test(a_payload_of_one_segment_is_one_packet),
		cmocka_unit_test(one_packet_tells_whether_its_checksum_is_partial),
		cmocka_unit_test(a_sum_further_in_is_finished_there),
		cmocka_unit_test(a_sum_outside_the_packet_is_refused),
		cmocka_unit_test(what_the_kernel_says_must_fit),
		cmocka_unit_test(headers_beyond_the_packet_are_refused),
		cmocka_unit_test(ipv4_options_beyond_the_packet_are_refused),
		cmocka_unit_test(udp_length_must_be_the_rest),
		cmocka_unit_test(extension_headers_are_followed),
		cmocka_unit_test(extension_headers_stay_inside),
		cmocka_unit_test(very_long_headers_are_for_one_packet_only),
		cmocka_unit_test(one_packet_of_anything_passes),
		cmocka_unit_test(finishing_gives_the_right_checksum),
		cmocka_unit_test(the_header_of_a_super_packet_is_computed),
		cmocka_unit_test(ecn_is_said_of_cwr),
		cmocka_unit_test(a_pseudo_header_sum_is_written_by_us),
		cmocka_unit_test(a_super_packet_is_partial_whether_it_is_said_or_not),
		cmocka_unit_test(one_partial_packet_has_needs_csum_and_no_type),
		cmocka_unit_test(one_plain_packet_is_left_alone),
		cmocka_unit_test(options_go_with_plain_packets_only),
		cmocka_unit_test(fragments_go_with_plain_packets_only),
		cmocka_unit_test(claims_are_for_tcp_and_udp),
		cmocka_unit_test(lengths_must_be_exact),
		cmocka_unit_test(the_ipv4_header_checksum_is_verified),
		cmocka_unit_test(segments_under_256_are_refused),
		cmocka_unit_test(at_most_64_segments_pass),
		cmocka_unit_test(segments_fit_the_mtu),
		cmocka_unit_test(one_packet_fits_the_mtu),
		cmocka_unit_test(a_payload_within_the_size_is_one_packet),
		cmocka_unit_test(syn_rst_and_urg_are_refused_in_super_packets),
		cmocka_unit_test(tcp_headers_stay_inside),
		cmocka_unit_test(the_longest_packet_passes),
	};

	return cmocka_run_group_tests_name("offload", tests, NULL, NULL);
}
