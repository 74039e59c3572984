/* SPDX-License-Identifier: Apache-2.0 */
/* What is merged, what is not, and that the order of a flow stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "ip/coalesce.h"
#include "ip/offload.h"
#include "ip/segment.h"
#include "testpacket.h"

enum { MTU = 2000, SIZE = 1000, PACKETS = 200, ROOM = SAMPLE_MAX + 64, OUTPUTS = 200, KINDS = 4 };

/* What went in, and what came out, gathered. */
struct output {
	struct tun_header header;
	uint8_t *bytes;
	size_t len;
	unsigned packets;
};

struct fixture {
	struct coalescer c;
	uint8_t *in[PACKETS];
	size_t in_len[PACKETS];
	unsigned n_in;
	struct output out[OUTPUTS];
	unsigned n_out;
};

static struct fixture f;
static bool short_way; /* all tests run twice, the second time by coalesce_next() where that takes a packet */
static uint8_t scratch[ROOM];

static void gather(void *context, const struct coalesced *out)
{
	struct output *o = &f.out[f.n_out++];
	size_t at = 0;

	assert_ptr_equal(context, &f);
	assert_true(f.n_out <= OUTPUTS);
	*o = (struct output){ out->header, malloc(out->len), out->len, out->packets };
	assert_non_null(o->bytes);
	for (unsigned i = 0; i < out->n_parts; at += out->parts[i++].iov_len)
		memcpy(o->bytes + at, out->parts[i].iov_base, out->parts[i].iov_len);
	assert_int_equal(at, out->len);
}

static int teardown(void **state)
{
	(void)state;
	while (f.n_in)
		free(f.in[--f.n_in]);
	while (f.n_out)
		free(f.out[--f.n_out].bytes);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	coalesce_init(&f.c, gather, &f, COALESCE_TCP | COALESCE_UDP);
	short_way = false;
	return 0;
}

static int setup_short_way(void **state)
{
	setup(state);
	short_way = true;
	return 0;
}

/* Packets from a peer; the copy in the fixture is what is borrowed. */
static void add_bytes(const uint8_t *packet, size_t len, bool partial)
{
	struct super one;

	assert_true(f.n_in < PACKETS);
	f.in[f.n_in] = malloc(len);
	assert_non_null(f.in[f.n_in]);
	memcpy(f.in[f.n_in], packet, len);
	f.in_len[f.n_in] = len;
	assert_int_equal(offload_check(f.in[f.n_in], len, 0, partial, ROOM, &one), PASS);
	f.n_in++;
	if (!short_way || !coalesce_next(&f.c, f.in[f.n_in - 1], len, partial))
		coalesce_add(&f.c, &one);
}

static void add(const struct sample *s)
{
	add_bytes(scratch, sample_build(scratch, s), false);
}

static void add_partial(const struct sample *s)
{
	add_bytes(scratch, sample_build(scratch, s), true);
}

static struct sample sample_of(int kind)
{
	struct sample s = kind & 1 ? sample_udp(kind & 2) : sample_tcp(kind & 2);

	s.payload_len = SIZE;
	return s;
}

/* The packet that follows @s in its flow. */
static struct sample after(const struct sample *s)
{
	struct sample next = *s;

	next.seq += (uint32_t)s->payload_len;
	next.id++;
	return next;
}

static void expect_single(unsigned out, unsigned in)
{
	static const struct tun_header zero;

	assert_true(out < f.n_out);
	assert_int_equal(f.out[out].packets, 1);
	assert_memory_equal(&f.out[out].header, &zero, sizeof(zero));
	assert_int_equal(f.out[out].len, f.in_len[in]);
	assert_memory_equal(f.out[out].bytes, f.in[in], f.in_len[in]);
}

/* A super-packet of @n packets: the kernel takes it, and its segments are the packets, byte by byte. */
static void expect_merged(unsigned out, unsigned in, unsigned n)
{
	struct output *o = &f.out[out];
	struct segmenter it;
	struct super super;

	assert_true(out < f.n_out);
	assert_int_equal(o->packets, n);
	assert_int_equal(offload_read(&o->header, o->bytes, o->len, &super), PASS);
	assert_int_equal(super.segments, n);
	segment_begin(&it, &super, super.gso_size, false);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(segment_write(&it, scratch), f.in_len[in + i]);
		assert_memory_equal(scratch, f.in[in + i], f.in_len[in + i]);
	}
	assert_int_equal(segment_write(&it, scratch), 0);
}

static void packets_that_continue_each_other_are_merged(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind);

		for (int i = 0; i < 10; i++, s = after(&s))
			add(&s);
		assert_int_equal(f.n_out, 0);
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 1);
		expect_merged(0, 0, 10);
		teardown(state);
	}
}

/* Fields of the header that the kernel will see, and of that of the packet itself. */
static void the_whole_is_written_as_the_kernel_wants_it(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind), whole = s;
		struct tun_header h = { .flags = TUN_NEEDS_CSUM, .gso_size = SIZE };
		size_t len;

		add(&s);
		s = after(&s);
		s.flags |= kind & 1 ? 0 : SAMPLE_PSH;
		add(&s);
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 1);
		h.gso_type = s.udp ? TUN_GSO_UDP : s.ipv6 ? TUN_GSO_TCP6 : TUN_GSO_TCP4;
		h.hdr_len = (uint16_t)sample_header_len(&s);
		h.csum_start = (uint16_t)sample_l4_offset(&s);
		h.csum_offset = s.udp ? 6 : 16;
		assert_memory_equal(&f.out[0].header, &h, sizeof(h));
		whole.payload_len = 2 * SIZE;
		whole.flags = s.flags;
		len = sample_build(scratch, &whole);
		sample_partial(scratch, len, &whole);
		assert_int_equal(f.out[0].len, len);
		assert_memory_equal(f.out[0].bytes, scratch, sample_header_len(&s));
		teardown(state);
	}
}

static void the_packets_themselves_are_not_changed(void **state)
{
	struct sample s = sample_of(0), next = after(&s);

	(void)state;
	add(&s);
	add(&next);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 1);
	sample_build(scratch, &s);
	assert_memory_equal(f.in[0], scratch, f.in_len[0]);
	sample_build(scratch, &next);
	assert_memory_equal(f.in[1], scratch, f.in_len[1]);
}

static void one_packet_comes_out_unchanged(void **state)
{
	struct sample s = sample_of(0);

	(void)state;
	add(&s);
	coalesce_flush(&f.c);
	expect_single(0, 0);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 1);
}

static void headers_are_written_afresh(void **state)
{
	struct sample s = sample_of(0), next = after(&s);

	(void)state;
	for (int round = 0; round < 20; round++) {
		add(&s);
		add(&next);
		coalesce_flush(&f.c);
		add(&s);
		coalesce_flush(&f.c);
		expect_merged(2 * (unsigned)round, 3 * (unsigned)round, 2);
		expect_single(2 * (unsigned)round + 1, 3 * (unsigned)round + 2);
	}
}

static void a_short_packet_is_the_last(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind);

		add(&s);
		s = after(&s);
		s.payload_len--;
		add(&s);
		assert_int_equal(f.n_out, 1);
		s = after(&s);
		s.payload_len++;
		add(&s);
		coalesce_flush(&f.c);
		expect_merged(0, 0, 2);
		expect_single(1, 2);
		teardown(state);
	}
}

static void a_longer_packet_begins_a_new_group(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind);

		add(&s);
		s = after(&s);
		s.payload_len++;
		add(&s);
		s = after(&s);
		add(&s);
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 2);
		expect_single(0, 0);
		expect_merged(1, 1, 2);
		teardown(state);
	}
}

static void psh_is_the_last(void **state)
{
	struct sample s = sample_of(0);

	(void)state;
	add(&s);
	s = after(&s);
	s.flags |= SAMPLE_PSH;
	add(&s);
	assert_int_equal(f.n_out, 1);
	expect_merged(0, 0, 2);
	s = after(&s);
	add(&s);
	assert_int_equal(f.n_out, 2);
	expect_single(1, 2);
}

/* A change to the second of two packets that keeps them apart, in the same flow. */
typedef void change(struct sample *second);

static void change_tos(struct sample *s)
{
	s->tos = 3;
}

static void change_ttl(struct sample *s)
{
	s->ttl--;
}

static void change_flow_label(struct sample *s)
{
	s->flow_label++;
}

static void change_df(struct sample *s)
{
	s->fragment = 0;
}

static void change_ack(struct sample *s)
{
	s->ack++;
}

static void change_window(struct sample *s)
{
	s->window++;
}

static void change_urgent(struct sample *s)
{
	s->urgent++;
}

static void change_seq_ahead(struct sample *s)
{
	s->seq++;
}

static void change_seq_behind(struct sample *s)
{
	s->seq--;
}

static void change_timestamp(struct sample *s)
{
	s->timestamp++;
}

static void change_data_offset(struct sample *s)
{
	s->tcp_options += 4;
}

static void change_to_ece(struct sample *s)
{
	s->flags |= SAMPLE_ECE;
}

static void change_to_fin(struct sample *s)
{
	s->flags |= SAMPLE_FIN;
}

static void change_to_syn(struct sample *s)
{
	s->flags |= SAMPLE_SYN;
}

static void change_to_rst(struct sample *s)
{
	s->flags |= SAMPLE_RST;
}

static void change_to_urg(struct sample *s)
{
	s->flags |= SAMPLE_URG;
}

static void change_to_cwr(struct sample *s)
{
	s->flags |= SAMPLE_CWR;
}

static void change_to_no_ack(struct sample *s)
{
	s->flags = 0;
}

static void change_to_pure_ack(struct sample *s)
{
	s->payload_len = 0;
}

static void change_ip_options(struct sample *s)
{
	s->ip_options = 8;
}

static void expect_apart(int kind, change *alter)
{
	struct sample s = sample_of(kind), next = after(&s);

	alter(&next);
	add(&s);
	add(&next);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 2);
	expect_single(0, 0);
	expect_single(1, 1);
	teardown(NULL);
}

static void what_does_not_fit_is_not_merged(void **state)
{
	static const struct {
		change *alter;
		unsigned kinds; /* bit 0: TCP4, 1: UDP4, 2: TCP6, 3: UDP6 */
	} cases[] = {
		{ change_tos, 15 },        { change_ttl, 15 },         { change_ip_options, 15 },
		{ change_flow_label, 12 }, { change_df, 3 },           { change_ack, 5 },
		{ change_window, 5 },      { change_urgent, 5 },       { change_seq_ahead, 5 },
		{ change_seq_behind, 5 },  { change_timestamp, 5 },    { change_data_offset, 5 },
		{ change_to_ece, 5 },      { change_to_fin, 5 },       { change_to_syn, 5 },
		{ change_to_rst, 5 },      { change_to_urg, 5 },       { change_to_cwr, 5 },
		{ change_to_no_ack, 5 },   { change_to_pure_ack, 15 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int kind = 0; kind < KINDS; kind++)
			if (cases[i].kinds >> kind & 1)
				expect_apart(kind, cases[i].alter);
}

static void protocols_are_never_mixed(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind), other = sample_of(kind ^ 1);

		other.id++;
		add(&s);
		add(&other);
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 2);
		teardown(state);
	}
}

static void without_df_the_identification_must_count_up(void **state)
{
	struct sample s = sample_of(0);

	(void)state;
	s.fragment = 0;
	s.id = 0xffff;
	for (int i = 0; i < 3; i++, s = after(&s))
		add(&s);
	s.id++;
	add(&s);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 2);
	expect_merged(0, 0, 3);
	expect_single(1, 3);
}

static void with_df_the_identification_is_of_no_matter(void **state)
{
	struct sample s = sample_of(1);

	(void)state;
	s.id = 0;
	for (int i = 0; i < 3; i++)
		add(&s);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 1);
	assert_int_equal(f.out[0].packets, 3);
}

static void a_wrong_checksum_keeps_a_packet_apart(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind);
		size_t len;

		for (int i = 0; i < 3; i++, s = after(&s)) {
			len = sample_build(scratch, &s);
			scratch[len - 1] ^= i == 1;
			add_bytes(scratch, len, false);
		}
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 3);
		for (unsigned i = 0; i < 3; i++)
			expect_single(i, i);
		teardown(state);
	}
}

static void a_wrong_ipv4_header_checksum_keeps_a_packet_apart(void **state)
{
	struct sample s = sample_of(0);
	size_t len;

	(void)state;
	for (int i = 0; i < 3; i++, s = after(&s)) {
		len = sample_build(scratch, &s);
		scratch[11] ^= i == 1;
		add_bytes(scratch, len, false);
	}
	coalesce_flush(&f.c);
	for (unsigned i = 0; i < 3; i++)
		expect_single(i, i);
}

static void udp_without_checksum_is_merged_on_ipv4_only(void **state)
{
	(void)state;
	for (int kind = 1; kind < KINDS; kind += 2) {
		struct sample s = sample_of(kind);

		for (int i = 0; i < 2; i++, s = after(&s)) {
			size_t len = sample_build(scratch, &s);

			sample_put16(scratch + sample_csum_at(&s), 0);
			add_bytes(scratch, len, false);
		}
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, s.ipv6 ? 2 : 1);
		teardown(state);
	}
}

static void fragments_are_not_merged_and_keep_their_place(void **state)
{
	struct sample s = sample_of(1), fragment;

	(void)state;
	add(&s);
	s = after(&s);
	add(&s);
	fragment = after(&s);
	fragment.fragment = 0x2000;
	add(&fragment);
	assert_int_equal(f.n_out, 2);
	expect_merged(0, 0, 2);
	expect_single(1, 2);
}

static void a_pure_ack_goes_behind_its_flow_and_before_what_follows(void **state)
{
	struct sample s = sample_of(0), pure = s;

	(void)state;
	add(&s);
	s = after(&s);
	add(&s);
	pure = after(&s);
	pure.payload_len = 0;
	add(&pure);
	s = after(&s);
	add(&s);
	s = after(&s);
	add(&s);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 3);
	expect_merged(0, 0, 2);
	expect_single(1, 2);
	expect_merged(2, 3, 2);
}

static void what_is_alone_does_not_close_other_flows(void **state)
{
	struct sample s = sample_of(0), other = sample_of(0);

	(void)state;
	other.source_port++;
	other.payload_len = 0;
	add(&s);
	add(&other);
	assert_int_equal(f.n_out, 1);
	s = after(&s);
	add(&s);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 2);
	assert_int_equal(f.out[1].packets, 2);
}

/* @n flows that take turns. */
static void add_flows(unsigned n, unsigned rounds)
{
	for (unsigned round = 0; round < rounds; round++)
		for (unsigned i = 0; i < n; i++) {
			struct sample s = sample_of(i % KINDS);

			s.source_port = (uint16_t)(5000 + i);
			s.seq += round * SIZE;
			s.id = (uint16_t)(s.id + round);
			add(&s);
		}
}

static void eight_flows_are_merged_side_by_side(void **state)
{
	(void)state;
	add_flows(COALESCE_GROUPS, 3);
	assert_int_equal(f.n_out, 0);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, COALESCE_GROUPS);
	for (unsigned i = 0; i < COALESCE_GROUPS; i++)
		assert_int_equal(f.out[i].packets, 3);
}

static void a_ninth_flow_closes_the_one_longest_unused(void **state)
{
	struct sample first = sample_of(0), ninth = sample_of(0);

	(void)state;
	add_flows(COALESCE_GROUPS, 1);
	first.source_port = 5000;
	first = after(&first);
	add(&first); /* used again, so 5001 is the oldest now */
	ninth.source_port = 5999;
	add(&ninth);
	assert_int_equal(f.n_out, 1);
	expect_single(0, 1);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, COALESCE_GROUPS + 1);
}

static void at_most_64_packets_are_merged(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind);

		for (int i = 0; i < 65; i++, s = after(&s))
			add(&s);
		assert_int_equal(f.n_out, 1);
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 2);
		expect_merged(0, 0, 64);
		expect_single(1, 64);
		teardown(state);
	}
}

static void a_whole_is_at_most_65535_bytes(void **state)
{
	for (int beyond = 0; beyond < 2; beyond++) {
		struct sample s = sample_of(0);
		size_t room = 65535 - sample_header_len(&s);

		s.payload_len = room / 5 + 1;
		for (int i = 0; i < 4; i++, s = after(&s))
			add(&s);
		s.payload_len = room - 4 * s.payload_len + (size_t)beyond;
		add(&s);
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 1 + beyond);
		expect_merged(0, 0, 5 - (unsigned)beyond);
		teardown(state);
	}
}

static void tiny_payloads_are_not_merged(void **state)
{
	struct sample s = sample_of(1);

	(void)state;
	s.payload_len = 7;
	for (int i = 0; i < 2; i++, s = after(&s))
		add(&s);
	assert_int_equal(f.n_out, 2);
	s.payload_len = 8;
	for (int i = 0; i < 2; i++, s = after(&s))
		add(&s);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 3);
	expect_merged(2, 2, 2);
}

static void sequences_wrap(void **state)
{
	struct sample s = sample_of(0);

	(void)state;
	s.seq = 0xffffff00;
	for (int i = 0; i < 3; i++, s = after(&s))
		add(&s);
	coalesce_flush(&f.c);
	expect_merged(0, 0, 3);
}

/* Whatever the peer left in the payload's sum: it is not looked at. */
static void partial_packets_are_merged_unverified(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind);
		struct tun_header h;

		for (int i = 0; i < 3; i++, s = after(&s))
			add_partial(&s);
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 1);
		/* Complete, as segments come out. */
		for (unsigned i = 0; i < 3; i++)
			sample_finish(f.in[i], f.in_len[i], &s);
		h = f.out[0].header;
		assert_int_equal(h.flags, TUN_NEEDS_CSUM);
		expect_merged(0, 0, 3);
		teardown(state);
	}
}

static void one_partial_packet_has_needs_csum(void **state)
{
	struct sample s = sample_of(0), pure = sample_of(2);

	(void)state;
	pure.payload_len = 0;
	add_partial(&s);
	add_partial(&pure);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 2);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(f.out[i].packets, 1);
		assert_int_equal(f.out[i].header.flags, TUN_NEEDS_CSUM);
		assert_int_equal(f.out[i].header.gso_type, TUN_GSO_NONE);
		assert_int_equal(f.out[i].header.csum_start, i ? 20 : 40);
	}
}

static void partial_and_complete_are_kept_apart(void **state)
{
	struct sample s = sample_of(0);

	(void)state;
	add(&s);
	s = after(&s);
	add_partial(&s);
	s = after(&s);
	add(&s);
	coalesce_flush(&f.c);
	assert_int_equal(f.n_out, 3);
	expect_single(0, 0);
	expect_single(2, 2);
}

static void each_kind_can_be_switched_off(void **state)
{
	(void)state;
	for (unsigned what = 0; what < 4; what++) {
		coalesce_init(&f.c, gather, &f, what);
		add_flows(2, 2); /* TCP and UDP */
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 4 - !!(what & COALESCE_TCP) - !!(what & COALESCE_UDP));
		teardown(state);
	}
}

/* For a kernel that refuses the whole: each packet with its own header. */
static unsigned singles;

static void take_apart(void *context, const struct coalesced *out)
{
	(void)context;
	for (unsigned i = 0; i < out->packets; i++) {
		struct tun_header h;
		size_t len;
		const uint8_t *packet = coalesced_packet(out, i, &h, &len);

		assert_ptr_equal(packet, f.in[singles]);
		assert_int_equal(len, f.in_len[singles]);
		assert_int_equal(h.flags, singles < 3 ? 0 : TUN_NEEDS_CSUM);
		assert_int_equal(h.csum_start, singles < 3 ? 0 : 20);
		assert_int_equal(h.gso_type, TUN_GSO_NONE);
		assert_int_equal(h.gso_size, 0);
		singles++;
	}
}

static void the_packets_of_a_whole_can_be_had_again(void **state)
{
	struct sample s = sample_of(0);

	(void)state;
	singles = 0;
	coalesce_init(&f.c, take_apart, NULL, COALESCE_TCP);
	for (int i = 0; i < 3; i++, s = after(&s))
		add(&s);
	for (int i = 0; i < 3; i++, s = after(&s))
		add_partial(&s);
	s.payload_len = 0;
	add_partial(&s);
	assert_int_equal(singles, 7);
}

/* coalesce(segment(x)) == x */
static void segments_of_a_super_packet_become_it_again(void **state)
{
	static uint8_t whole[ROOM], segment[ROOM];

	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind);
		struct segmenter it;
		struct super super;
		size_t len, segment_len;

		s.payload_len = 40 * SIZE + 17;
		s.flags |= kind & 1 ? 0 : SAMPLE_PSH;
		len = sample_build(whole, &s);
		assert_int_equal(offload_check(whole, len, SIZE, true, MTU, &super), PASS);
		segment_begin(&it, &super, SIZE, false);
		while ((segment_len = segment_write(&it, segment)))
			add_bytes(segment, segment_len, false);
		coalesce_flush(&f.c);
		assert_int_equal(f.n_out, 1);
		assert_int_equal(f.out[0].len, len);
		assert_memory_equal(f.out[0].bytes, whole, len);
		assert_int_equal(f.out[0].header.gso_size, SIZE);
		teardown(state);
	}
}

/* Behind a whole packet, the next of its flow with one bit changed; whether the short way takes it. */
static bool takes_changed(const struct sample *s, size_t at, unsigned bit, bool partial)
{
	struct sample next = after(s);
	size_t len;
	bool taken;

	partial ? add_partial(s) : add(s);
	len = sample_build(scratch, &next);
	scratch[at] ^= (uint8_t)(1u << bit);
	taken = coalesce_next(&f.c, scratch, len, partial);
	coalesce_flush(&f.c);
	teardown(NULL);
	return taken;
}

/* A partial checksum is written anew, and PSH may come with the last; nothing else may differ. */
static bool may_change(const struct sample *s, size_t at, unsigned bit, bool partial)
{
	size_t sum_at = sample_csum_at(s);

	return partial && ((at >= sum_at && at < sum_at + 2) ||
			   (!s->udp && at == sample_l4_offset(s) + 13 && 1 << bit == SAMPLE_PSH));
}

static void the_short_way_takes_no_changed_header(void **state)
{
	(void)state;
	for (int kind = 0; kind < 2 * KINDS; kind++) {
		struct sample s = sample_of(kind % KINDS);
		bool partial = kind >= KINDS;

		for (size_t at = 0; at < sample_header_len(&s); at++)
			for (unsigned bit = 0; bit < 8; bit++)
				assert_int_equal(takes_changed(&s, at, bit, partial), may_change(&s, at, bit, partial));
	}
}

static void the_short_way_takes_no_changed_payload(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind);

		assert_false(takes_changed(&s, sample_header_len(&s), 0, false));
		assert_true(takes_changed(&s, sample_header_len(&s), 0, true));
	}
}

static void the_short_way_takes_no_bytes_behind_a_packet(void **state)
{
	(void)state;
	for (int kind = 0; kind < KINDS; kind++) {
		struct sample s = sample_of(kind), next;
		size_t len;

		s.payload_len = SIZE;
		add_partial(&s);
		next = after(&s);
		next.payload_len = SIZE - 1;
		len = sample_build(scratch, &next);
		assert_false(coalesce_next(&f.c, scratch, len + 1, true));
		coalesce_flush(&f.c);
		teardown(state);
	}
}

/* What has been said of one peer's packets says nothing of another's. */
static void the_short_way_is_for_one_peer(void **state)
{
	struct sample s = sample_tcp(false), next;
	size_t len;

	(void)state;
	s.payload_len = SIZE;
	next = after(&s);
	f.c.from = &s;
	add(&s);
	len = sample_build(scratch, &next);
	f.c.from = &next;
	assert_false(coalesce_next(&f.c, scratch, len, false));
	f.c.from = &s;
	assert_true(coalesce_next(&f.c, scratch, len, false));
	coalesce_flush(&f.c);
	assert_int_equal(f.out[0].packets, 2);
}

static void there_is_no_short_way_before_the_first(void **state)
{
	struct sample s = sample_of(0);
	size_t len;

	(void)state;
	add(&s);
	coalesce_flush(&f.c);
	s = after(&s);
	len = sample_build(scratch, &s);
	assert_false(coalesce_next(&f.c, scratch, len, false));
}

#define a_test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		a_test(packets_that_continue_each_other_are_merged),
		a_test(the_whole_is_written_as_the_kernel_wants_it),
		a_test(the_packets_themselves_are_not_changed),
		a_test(one_packet_comes_out_unchanged),
		a_test(headers_are_written_afresh),
		a_test(a_short_packet_is_the_last),
		a_test(a_longer_packet_begins_a_new_group),
		a_test(psh_is_the_last),
		a_test(what_does_not_fit_is_not_merged),
		a_test(protocols_are_never_mixed),
		a_test(without_df_the_identification_must_count_up),
		a_test(with_df_the_identification_is_of_no_matter),
		a_test(a_wrong_checksum_keeps_a_packet_apart),
		a_test(a_wrong_ipv4_header_checksum_keeps_a_packet_apart),
		a_test(udp_without_checksum_is_merged_on_ipv4_only),
		a_test(fragments_are_not_merged_and_keep_their_place),
		a_test(a_pure_ack_goes_behind_its_flow_and_before_what_follows),
		a_test(what_is_alone_does_not_close_other_flows),
		a_test(eight_flows_are_merged_side_by_side),
		a_test(a_ninth_flow_closes_the_one_longest_unused),
		a_test(at_most_64_packets_are_merged),
		a_test(a_whole_is_at_most_65535_bytes),
		a_test(tiny_payloads_are_not_merged),
		a_test(sequences_wrap),
		a_test(partial_packets_are_merged_unverified),
		a_test(one_partial_packet_has_needs_csum),
		a_test(partial_and_complete_are_kept_apart),
		a_test(each_kind_can_be_switched_off),
		a_test(the_packets_of_a_whole_can_be_had_again),
		a_test(segments_of_a_super_packet_become_it_again),
		a_test(the_short_way_takes_no_changed_header),
		a_test(the_short_way_takes_no_changed_payload),
		a_test(the_short_way_takes_no_bytes_behind_a_packet),
		a_test(the_short_way_is_for_one_peer),
		a_test(there_is_no_short_way_before_the_first),
	};
	enum { TESTS = sizeof(tests) / sizeof(tests[0]) };
	struct CMUnitTest both[2 * TESTS];

	memcpy(both, tests, sizeof(tests));
	memcpy(both + TESTS, tests, sizeof(tests));
	for (int i = TESTS; i < 2 * TESTS; i++)
		both[i].setup_func = setup_short_way;
	return cmocka_run_group_tests(both, NULL, NULL);
}
