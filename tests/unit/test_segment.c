/* SPDX-License-Identifier: Apache-2.0 */
/* Segments, compared byte by byte with packets that are made singly. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ip/offload.h"
#include "ip/segment.h"
#include "testpacket.h"

enum { GSO_SIZE = 1000, ROOM = SAMPLE_MAX + 64 };

static uint8_t packet[ROOM], segment[ROOM], expected[ROOM];

/* A super-packet as the kernel hands it over. */
static struct super make_super(const struct sample *s, uint16_t gso_size)
{
	struct tun_header h = { .flags = TUN_NEEDS_CSUM, .hdr_len = 9, .gso_size = gso_size };
	size_t len = sample_build(packet, s);
	struct super super;

	h.gso_type = s->udp ? TUN_GSO_UDP : s->ipv6 ? TUN_GSO_TCP6 : TUN_GSO_TCP4;
	h.csum_start = (uint16_t)sample_l4_offset(s);
	h.csum_offset = s->udp ? 6 : 16;
	sample_partial(packet, len, s);
	assert_int_equal(offload_read(&h, packet, len, &super), PASS);
	return super;
}

/* What segment @i of the whole is to be when each takes @step bytes. */
static struct sample nth(const struct sample *whole, size_t i, size_t step)
{
	struct sample s = *whole;
	size_t left = whole->payload_len - i * step;

	s.payload_len = left < step ? left : step;
	s.id = (uint16_t)(whole->id + i);
	s.seq = whole->seq + (uint32_t)(i * step);
	if (i)
		s.flags &= (uint8_t)~SAMPLE_CWR;
	if (left > step)
		s.flags &= (uint8_t) ~(SAMPLE_FIN | SAMPLE_PSH);
	return s;
}

/* The payload of UDP samples depends on the identification; here it is that of the whole. */
static size_t build_nth(const struct sample *whole, size_t i, size_t step)
{
	struct sample s = nth(whole, i, step);
	size_t len = sample_build(expected, &s), header_len = sample_header_len(&s);

	if (s.udp)
		for (size_t k = 0; k < s.payload_len; k++)
			expected[header_len + k] = sample_byte((uint32_t)(whole->id + i * step + k));
	sample_finish(expected, len, &s);
	return len;
}

static void expect_segments(const struct sample *whole, size_t step)
{
	struct super super = make_super(whole, GSO_SIZE);
	struct segmenter it;
	size_t n = 0, len;

	segment_begin(&it, &super, step, false);
	while ((len = segment_write(&it, segment))) {
		assert_int_equal(len, build_nth(whole, n, step));
		assert_memory_equal(segment, expected, len);
		n++;
	}
	assert_int_equal(n, (whole->payload_len + step - 1) / step);
}

static void expect_of_all_kinds(void (*change)(struct sample *), size_t payload_len)
{
	for (int kind = 0; kind < 4; kind++) {
		struct sample s = kind & 1 ? sample_udp(kind & 2) : sample_tcp(kind & 2);

		s.payload_len = payload_len;
		change(&s);
		expect_segments(&s, GSO_SIZE);
	}
}

static void nothing(struct sample *s)
{
	(void)s;
}

static void only_the_last_segment_is_short(void **state)
{
	(void)state;
	expect_of_all_kinds(nothing, 4 * GSO_SIZE + 1);
}

static void a_multiple_of_the_size_has_no_short_segment(void **state)
{
	(void)state;
	expect_of_all_kinds(nothing, 3 * GSO_SIZE);
}

static void odd_lengths_are_summed_right(void **state)
{
	(void)state;
	expect_of_all_kinds(nothing, 2 * GSO_SIZE + 333);
}

static void high_id(struct sample *s)
{
	s->id = 0xfffe;
}

static void identification_counts_up_and_wraps(void **state)
{
	(void)state;
	expect_of_all_kinds(high_id, 5 * GSO_SIZE);
}

static void may_be_fragmented(struct sample *s)
{
	s->fragment = 0;
}

static void identification_counts_up_without_df_too(void **state)
{
	(void)state;
	expect_of_all_kinds(may_be_fragmented, 3 * GSO_SIZE);
}

static void high_seq(struct sample *s)
{
	s->seq = 0xfffffe00;
}

static void sequence_wraps_at_32_bits(void **state)
{
	(void)state;
	expect_of_all_kinds(high_seq, 3 * GSO_SIZE);
}

static void low_seq_half(struct sample *s)
{
	s->seq = 0x1234ff00;
}

static void sequence_carries_into_its_upper_half(void **state)
{
	(void)state;
	expect_of_all_kinds(low_seq_half, 60 * GSO_SIZE);
}

static void fin_psh(struct sample *s)
{
	s->flags |= SAMPLE_FIN | SAMPLE_PSH;
}

static void fin_and_psh_are_on_the_last_only(void **state)
{
	(void)state;
	expect_of_all_kinds(fin_psh, 3 * GSO_SIZE + 5);
}

static void cwr(struct sample *s)
{
	s->flags |= SAMPLE_CWR;
}

static void cwr_is_on_the_first_only(void **state)
{
	(void)state;
	expect_of_all_kinds(cwr, 3 * GSO_SIZE);
}

static void other_flags(struct sample *s)
{
	s->flags |= SAMPLE_ECE | SAMPLE_URG;
	s->urgent = 77;
}

static void other_flags_are_on_each(void **state)
{
	(void)state;
	expect_of_all_kinds(other_flags, 3 * GSO_SIZE);
}

static void ip_options(struct sample *s)
{
	s->ip_options = 16;
	s->tos = 0xb9;
	s->ttl = 7;
	s->flow_label = 0xabcde;
}

static void options_and_extension_headers_are_copied(void **state)
{
	(void)state;
	expect_of_all_kinds(ip_options, 3 * GSO_SIZE + 1);
}

static void most_options(struct sample *s)
{
	s->ip_options = s->ipv6 ? 64 : 40;
	s->tcp_options = 40;
}

static void the_longest_headers_are_copied(void **state)
{
	(void)state;
	expect_of_all_kinds(most_options, 2 * GSO_SIZE);
}

static void a_udp_checksum_of_zero_is_sent_as_ones(void **state)
{
	struct sample s = sample_udp(true);
	struct super super;
	struct segmenter it;
	uint8_t *word = packet + 48;

	(void)state;
	s.payload_len = 2 * GSO_SIZE;
	super = make_super(&s, GSO_SIZE);
	memset(word, 0, GSO_SIZE);
	segment_begin(&it, &super, GSO_SIZE, false);
	segment_write(&it, segment);
	/* The first two bytes of payload make the sum all ones, its inverse zero. */
	sample_put16(word, sample_read16(segment + 46));
	segment_begin(&it, &super, GSO_SIZE, false);
	segment_write(&it, segment);
	assert_int_equal(sample_read16(segment + 46), 0xffff);
}

static void a_tcp_checksum_of_zero_stays(void **state)
{
	struct sample s = sample_tcp(false);
	struct super super;
	struct segmenter it;

	(void)state;
	s.payload_len = 2 * GSO_SIZE;
	super = make_super(&s, GSO_SIZE);
	memset(packet + 52, 0, GSO_SIZE);
	segment_begin(&it, &super, GSO_SIZE, false);
	segment_write(&it, segment);
	sample_put16(packet + 52, sample_read16(segment + 36));
	segment_begin(&it, &super, GSO_SIZE, false);
	segment_write(&it, segment);
	assert_int_equal(sample_read16(segment + 36), 0);
}

static void tcp_may_be_cut_smaller(void **state)
{
	struct sample s = sample_tcp(false);

	(void)state;
	s.payload_len = 3 * GSO_SIZE;
	s.flags |= SAMPLE_PSH | SAMPLE_CWR;
	expect_segments(&s, 700);
}

static void a_partial_checksum_is_the_pseudo_header_of_each_segment(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct sample s = kind & 1 ? sample_udp(kind & 2) : sample_tcp(kind & 2);
		struct super super;
		struct segmenter it;
		size_t len;

		s.payload_len = 2 * GSO_SIZE + 7;
		super = make_super(&s, GSO_SIZE);
		segment_begin(&it, &super, GSO_SIZE, true);
		for (size_t i = 0; (len = segment_write(&it, segment)); i++) {
			assert_int_equal(len, build_nth(&s, i, GSO_SIZE));
			sample_partial(expected, len, &s);
			assert_memory_equal(segment, expected, len);
		}
	}
}

static void one_packet_comes_out_as_it_was(void **state)
{
	(void)state;
	for (size_t payload_len = 0; payload_len <= GSO_SIZE; payload_len += GSO_SIZE / 2) {
		struct sample s = sample_tcp(false);
		struct super super;
		struct segmenter it;
		size_t len = sample_header_len(&s) + payload_len;

		s.payload_len = payload_len;
		s.flags |= SAMPLE_FIN | SAMPLE_PSH | SAMPLE_CWR;
		super = make_super(&s, GSO_SIZE);
		segment_begin(&it, &super, super_payload_len(&super), false);
		assert_int_equal(segment_write(&it, segment), len);
		sample_build(expected, &s);
		assert_memory_equal(segment, expected, len);
		assert_int_equal(segment_write(&it, segment), 0);
	}
}

static void the_three_ways_give_the_same(void **state)
{
	struct sample s = sample_tcp(true);
	uint8_t headers[OFFLOAD_HEADER_MAX], *whole;
	struct super super;
	struct segmenter it, in_place, writing;
	const uint8_t *payload;
	size_t payload_len, len, header_len = sample_header_len(&s);

	(void)state;
	s.payload_len = 5 * GSO_SIZE + 3;
	super = make_super(&s, GSO_SIZE);
	segment_begin(&it, &super, GSO_SIZE, false);
	segment_begin(&writing, &super, GSO_SIZE, false);
	segment_begin(&in_place, &super, GSO_SIZE, false);
	while (segment_next(&it, headers, &payload, &payload_len)) {
		assert_int_equal(segment_write(&writing, segment), header_len + payload_len);
		assert_memory_equal(segment, headers, header_len);
		assert_memory_equal(segment + header_len, payload, payload_len);
		whole = segment_in_place(&in_place, &len);
		assert_int_equal(len, header_len + payload_len);
		assert_ptr_equal(whole + header_len, payload);
		assert_memory_equal(whole, segment, len);
	}
	assert_null(segment_in_place(&in_place, &len));
}

static void headers_longer_than_segments_go_in_place_too(void **state)
{
	struct sample s = sample_tcp(true);
	struct super super;
	struct segmenter it;
	uint8_t *whole;
	size_t len, i;

	(void)state;
	s.payload_len = 100;
	super = make_super(&s, 10);
	segment_begin(&it, &super, 10, false);
	for (i = 0; (whole = segment_in_place(&it, &len)); i++) {
		assert_int_equal(len, build_nth(&s, i, 10));
		assert_memory_equal(whole, expected, len);
	}
	assert_int_equal(i, 10);
}

/* Pieces that a peer takes: their segments are those of the whole. */
static void expect_pieces(const struct sample *s, uint16_t gso_size, size_t piece_len, size_t pieces)
{
	static uint8_t piece[ROOM];
	struct super super = make_super(s, gso_size), part;
	struct segmenter cut, it;
	size_t len, n = 0, count = 0, segment_len;

	assert_int_equal(offload_piece_len(&super), piece_len);
	segment_begin(&cut, &super, piece_len, true);
	while ((len = segment_write(&cut, piece))) {
		count++;
		assert_int_equal(offload_check(piece, len, gso_size, true, 1500, &part), PASS);
		segment_begin(&it, &part, gso_size, false);
		while ((segment_len = segment_write(&it, segment))) {
			assert_int_equal(segment_len, build_nth(s, n++, gso_size));
			assert_memory_equal(segment, expected, segment_len);
		}
	}
	assert_int_equal(count, pieces);
	assert_int_equal(n, (s->payload_len + gso_size - 1) / gso_size);
}

static void more_than_64_segments_go_in_several_pieces(void **state)
{
	(void)state;
	for (int kind = 0; kind < 4; kind++) {
		struct sample s = kind & 1 ? sample_udp(kind & 2) : sample_tcp(kind & 2);

		s.payload_len = 130 * 300 + 1;
		s.flags |= SAMPLE_PSH | SAMPLE_CWR;
		s.id = 0xffc8;
		expect_pieces(&s, 300, 64 * 300, 3);
	}
}

static void sixty_four_segments_go_whole(void **state)
{
	struct sample s = sample_tcp(false);

	(void)state;
	s.payload_len = 64 * 300;
	expect_pieces(&s, 300, 64 * 300, 1);
}

static void small_segments_go_singly(void **state)
{
	struct sample s = sample_tcp(false);

	(void)state;
	s.payload_len = 10 * 255;
	expect_pieces(&s, 255, 255, 10);
	s.payload_len = 10 * 256;
	expect_pieces(&s, 256, 10 * 256, 1);
}

static void what_a_peer_refuses_whole_goes_singly(void **state)
{
	struct sample s = sample_tcp(false);
	struct super super;

	(void)state;
	s.payload_len = 3 * GSO_SIZE;
	s.ip_options = 4;
	super = make_super(&s, GSO_SIZE);
	assert_int_equal(offload_piece_len(&super), GSO_SIZE);
	s.ip_options = 0;
	s.flags |= SAMPLE_URG;
	super = make_super(&s, GSO_SIZE);
	assert_int_equal(offload_piece_len(&super), GSO_SIZE);
	s.flags = SAMPLE_ACK;
	super = make_super(&s, GSO_SIZE);
	assert_int_equal(offload_piece_len(&super), 3 * GSO_SIZE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_the_last_segment_is_short),
		cmocka_unit_test(a_multiple_of_the_size_has_no_short_segment),
		cmocka_unit_test(odd_lengths_are_summed_right),
		cmocka_unit_test(identification_counts_up_and_wraps),
		cmocka_unit_test(identification_counts_up_without_df_too),
		cmocka_unit_test(sequence_wraps_at_32_bits),
		cmocka_unit_test(sequence_carries_into_its_upper_half),
		cmocka_unit_test(fin_and_psh_are_on_the_last_only),
		cmocka_unit_test(cwr_is_on_the_first_only),
		cmocka_unit_test(other_flags_are_on_each),
		cmocka_unit_test(options_and_extension_headers_are_copied),
		cmocka_unit_test(the_longest_headers_are_copied),
		cmocka_unit_test(a_udp_checksum_of_zero_is_sent_as_ones),
		cmocka_unit_test(a_tcp_checksum_of_zero_stays),
		cmocka_unit_test(tcp_may_be_cut_smaller),
		cmocka_unit_test(a_partial_checksum_is_the_pseudo_header_of_each_segment),
		cmocka_unit_test(one_packet_comes_out_as_it_was),
		cmocka_unit_test(the_three_ways_give_the_same),
		cmocka_unit_test(headers_longer_than_segments_go_in_place_too),
		cmocka_unit_test(more_than_64_segments_go_in_several_pieces),
		cmocka_unit_test(sixty_four_segments_go_whole),
		cmocka_unit_test(small_segments_go_singly),
		cmocka_unit_test(what_a_peer_refuses_whole_goes_singly),
	};

	return cmocka_run_group_tests_name("segment", tests, NULL, NULL);
}
