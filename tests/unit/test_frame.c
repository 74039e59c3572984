/* SPDX-License-Identifier: Apache-2.0 */
/* Frames on the stream in both formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "wire/frame.h"

enum { ROOM = 70000 };
static uint8_t stream[ROOM];

/* A frame at the start of the stream. */
static size_t frame(enum frame_format format, uint8_t kind, size_t len)
{
	memset(stream, 0xee, sizeof(stream));
	frame_encode_header(format, kind, len, stream);
	return FRAME_HEADER_LEN + len;
}

static void check_round_trip(enum frame_format format, uint8_t kind, size_t len)
{
	size_t total = frame(format, kind, len);
	struct frame f;

	assert_int_equal(frame_decode(format, stream, sizeof(stream), &f), (int)total);
	assert_int_equal(f.kind, kind);
	assert_int_equal(f.len, len);
	assert_int_equal(f.flags, 0);
	assert_int_equal(f.gso_size, 0);
	assert_ptr_equal(f.payload, stream + FRAME_HEADER_LEN);
}

static void cstp_frame_comes_back(void **state)
{
	(void)state;
	check_round_trip(FRAME_FORMAT_CSTP, FRAME_DATA, 1400);
	check_round_trip(FRAME_FORMAT_CSTP, FRAME_KEEPALIVE, 0);
	check_round_trip(FRAME_FORMAT_CSTP, FRAME_DPD_REQ, FRAME_CSTP_PAYLOAD_MAX);
}

static void adit_frame_comes_back(void **state)
{
	(void)state;
	check_round_trip(FRAME_FORMAT_ADIT, FRAME_DATA, 1400);
	check_round_trip(FRAME_FORMAT_ADIT, FRAME_REKEY, 0);
	check_round_trip(FRAME_FORMAT_ADIT, FRAME_END, FRAME_END_LEN);
	check_round_trip(FRAME_FORMAT_ADIT, FRAME_DATA, FRAME_ADIT_PAYLOAD_MAX);
}

static void cstp_header_is_that_of_the_protocol(void **state)
{
	static const uint8_t bye[] = { 'S', 'T', 'F', 1, 0, 0x12, 5, 0 };

	(void)state;
	frame(FRAME_FORMAT_CSTP, FRAME_DISCONNECT, 0x12);
	assert_memory_equal(stream, bye, sizeof(bye));
}

static void adit_header_is_that_of_the_protocol(void **state)
{
	static const uint8_t data[] = { 0, 0, 0, 0, 0, 0, 0x05, 0x78 };

	(void)state;
	frame(FRAME_FORMAT_ADIT, FRAME_DATA, 1400);
	assert_memory_equal(stream, data, sizeof(data));
}

static void every_cut_frame_wants_more(void **state)
{
	struct frame f;

	(void)state;
	for (int format = FRAME_FORMAT_CSTP; format <= FRAME_FORMAT_ADIT; format++) {
		size_t total = frame(format, FRAME_DATA, 20);

		for (size_t len = 0; len < total; len++)
			assert_int_equal(frame_decode(format, stream, len, &f), ERR_SHORT);
		assert_int_equal(frame_decode(format, stream, total, &f), (int)total);
	}
}

static void cstp_with_a_wrong_magic_is_refused(void **state)
{
	struct frame f;

	(void)state;
	for (int i = 0; i < 4; i++) {
		frame(FRAME_FORMAT_CSTP, FRAME_DATA, 20);
		stream[i] ^= 1;
		assert_int_equal(frame_decode(FRAME_FORMAT_CSTP, stream, sizeof(stream), &f), ERR_PROTO);
	}
}

static void cstp_with_a_reserved_byte_is_refused(void **state)
{
	struct frame f;

	(void)state;
	frame(FRAME_FORMAT_CSTP, FRAME_DATA, 20);
	stream[7] = 1;
	assert_int_equal(frame_decode(FRAME_FORMAT_CSTP, stream, sizeof(stream), &f), ERR_PROTO);
}

static void frame_over_the_limit_is_refused_before_it_has_come(void **state)
{
	struct frame f;

	(void)state;
	frame(FRAME_FORMAT_CSTP, FRAME_DATA, FRAME_CSTP_PAYLOAD_MAX + 1);
	assert_int_equal(frame_decode(FRAME_FORMAT_CSTP, stream, FRAME_HEADER_LEN, &f), ERR_PROTO);
	frame(FRAME_FORMAT_ADIT, FRAME_DATA, FRAME_ADIT_PAYLOAD_MAX + 1);
	assert_int_equal(frame_decode(FRAME_FORMAT_ADIT, stream, FRAME_HEADER_LEN, &f), ERR_PROTO);
	frame(FRAME_FORMAT_ADIT, FRAME_DATA, 0);
	stream[4] = 0xff;
	assert_int_equal(frame_decode(FRAME_FORMAT_ADIT, stream, FRAME_HEADER_LEN, &f), ERR_PROTO);
}

static void super_packet_header_is_that_of_the_protocol(void **state)
{
	static const uint8_t data[] = { 0, 1, 0x05, 0x14, 0, 0, 0xff, 0xff };
	struct frame f;

	(void)state;
	frame_encode_data(FRAME_PARTIAL, 1300, 65535, stream);
	assert_memory_equal(stream, data, sizeof(data));
	assert_int_equal(frame_decode(FRAME_FORMAT_ADIT, stream, sizeof(data), &f), ERR_SHORT);
	frame_encode_data(FRAME_PARTIAL, 1300, 8, stream);
	assert_int_equal(frame_decode(FRAME_FORMAT_ADIT, stream, 16, &f), 16);
	assert_int_equal(f.flags, FRAME_PARTIAL);
	assert_int_equal(f.gso_size, 1300);
}

static void unknown_flags_are_refused(void **state)
{
	struct frame f;

	(void)state;
	for (int bit = 1; bit < 8; bit++) {
		frame(FRAME_FORMAT_ADIT, FRAME_DATA, 20);
		stream[1] = (uint8_t)(1 << bit);
		assert_int_equal(frame_decode(FRAME_FORMAT_ADIT, stream, sizeof(stream), &f), ERR_PROTO);
	}
}

static void only_data_has_flags_and_gso_size(void **state)
{
	struct frame f;

	(void)state;
	for (int i = 1; i <= 3; i++) {
		frame(FRAME_FORMAT_ADIT, FRAME_DPD_REQ, 20);
		stream[i] = 1;
		assert_int_equal(frame_decode(FRAME_FORMAT_ADIT, stream, sizeof(stream), &f), ERR_PROTO);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cstp_frame_comes_back),
		cmocka_unit_test(adit_frame_comes_back),
		cmocka_unit_test(cstp_header_is_that_of_the_protocol),
		cmocka_unit_test(adit_header_is_that_of_the_protocol),
		cmocka_unit_test(every_cut_frame_wants_more),
		cmocka_unit_test(cstp_with_a_wrong_magic_is_refused),
		cmocka_unit_test(cstp_with_a_reserved_byte_is_refused),
		cmocka_unit_test(frame_over_the_limit_is_refused_before_it_has_come),
		cmocka_unit_test(super_packet_header_is_that_of_the_protocol),
		cmocka_unit_test(unknown_flags_are_refused),
		cmocka_unit_test(only_data_has_flags_and_gso_size),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
