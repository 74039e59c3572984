/* SPDX-License-Identifier: Apache-2.0 */
/* The internet checksum against a plain sum of 16-bit words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/err.h"
#include "ip/checksum.h"

enum { SAMPLE_LEN = 200 };

/* The definition, word by word (RFC 1071, section 1). */
static uint16_t plain_sum(const uint8_t *data, size_t len)
{
	uint32_t sum = 0;
	uint16_t word;

	for (size_t i = 0; i < len; i += 2) {
		sum += (uint32_t)data[i] << 8 | (i + 1 < len ? data[i + 1] : 0);
		sum = (sum & 0xffff) + (sum >> 16);
	}
	word = (uint16_t)(sum >> 8 | sum << 8); /* as stored: first byte first */
	return word;
}

static void fill(uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 151 + 77);
}

static void sum_is_the_plain_sum_at_every_length_and_alignment(void **state)
{
	uint8_t data[SAMPLE_LEN];

	(void)state;
	fill(data, sizeof(data));
	for (size_t start = 0; start < 9; start++)
		for (size_t len = 0; start + len <= sizeof(data); len++)
			assert_int_equal(checksum_fold(checksum_add(0, data + start, len)),
					 plain_sum(data + start, len));
}

static void sum_of_all_ones_carries_around(void **state)
{
	uint8_t data[64];

	(void)state;
	memset(data, 0xff, sizeof(data));
	assert_int_equal(checksum_fold(checksum_add(0, data, sizeof(data))), 0xffff);
}

static void sum_may_be_continued(void **state)
{
	uint8_t data[SAMPLE_LEN];

	(void)state;
	fill(data, sizeof(data));
	for (size_t cut = 0; cut <= sizeof(data); cut += 2)
		assert_int_equal(
			checksum_fold(checksum_add(checksum_add(0, data, cut), data + cut, sizeof(data) - cut)),
			plain_sum(data, sizeof(data)));
}

static void sum_of_the_example_of_rfc_1071_fits(void **state)
{
	static const uint8_t data[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
	static const uint8_t expected[] = { 0xdd, 0xf2 };
	uint16_t sum = checksum_fold(checksum_add(0, data, sizeof(data)));

	(void)state;
	assert_memory_equal(&sum, expected, sizeof(sum));
}

static void long_runs_carry_around(void **state)
{
	static uint8_t data[65536];

	(void)state;
	memset(data, 0xff, sizeof(data));
	data[1] = 0xfe;
	for (size_t len = 2; len <= sizeof(data); len = len * 2 + 14)
		assert_int_equal(checksum_fold(checksum_add(UINT64_MAX, data, len)), plain_sum(data, len));
}

static void fold_keeps_every_carry(void **state)
{
	static const uint64_t sums[] = { 0,
					 0xffff,
					 0x10000,
					 0x1fffe,
					 0xffffffff,
					 0x1ffffffff,
					 0xffffffffffffffff,
					 0xfffeffffffffffff,
					 0x10001,
					 0xffff0000ffff0001,
					 0x8000800080008000,
					 0x0001fffefffefffe };

	(void)state;
	for (size_t i = 0; i < sizeof(sums) / sizeof(sums[0]); i++) {
		uint16_t folded = checksum_fold(sums[i]);

		/* Congruent modulo 65535; zero only of zero. */
		assert_int_equal(folded % 65535, sums[i] % 65535);
		assert_int_equal(folded == 0, sums[i] == 0);
	}
}

static void pseudo_header_is_that_of_the_standards(void **state)
{
	uint8_t packet[40], pseudo[40] = { 0 };

	(void)state;
	fill(packet, sizeof(packet));
	packet[0] = 0x45;
	memcpy(pseudo, packet + 12, 8);
	memcpy(pseudo + 8, (const uint8_t[4]){ 0, 17, 0xab, 0xcd }, 4);
	assert_int_equal(checksum_fold(checksum_pseudo(packet, 17, 0xabcd)), plain_sum(pseudo, 12));
	packet[0] = 0x60;
	memcpy(pseudo, packet + 8, 32);
	memcpy(pseudo + 32, (const uint8_t[8]){ 0, 0, 0xab, 0xcd, 0, 0, 0, 6 }, 8);
	assert_int_equal(checksum_fold(checksum_pseudo(packet, 6, 0xabcd)), plain_sum(pseudo, 40));
}

static void finished_checksum_verifies(void **state)
{
	uint8_t packet[61];

	(void)state;
	fill(packet, sizeof(packet));
	memset(packet + 20 + 16, 0, 2); /* the pseudo-header's sum left out on both sides */
	assert_int_equal(checksum_finish(packet, sizeof(packet), 20, 16), 0);
	assert_int_equal(checksum_fold(checksum_add(0, packet + 20, sizeof(packet) - 20)), 0xffff);
}

static void finish_keeps_the_pseudo_header_sum(void **state)
{
	uint8_t pseudo[12], packet[40];
	uint16_t sum;

	(void)state;
	fill(pseudo, sizeof(pseudo));
	fill(packet, sizeof(packet));
	sum = checksum_fold(checksum_add(0, pseudo, sizeof(pseudo)));
	memcpy(packet + 20 + 16, &sum, sizeof(sum));
	assert_int_equal(checksum_finish(packet, sizeof(packet), 20, 16), 0);
	assert_int_equal(
		checksum_fold(checksum_add(checksum_add(0, pseudo, sizeof(pseudo)), packet + 20, sizeof(packet) - 20)),
		0xffff);
}

/* Eight bytes that sum to 0xffff, so that the checksum is zero. */
static const uint8_t sums_to_ones[8] = { 0xff, 0xff };

static void zero_of_udp_is_stored_as_ones(void **state)
{
	uint8_t packet[8];

	(void)state;
	memcpy(packet, sums_to_ones, sizeof(packet));
	assert_int_equal(checksum_finish(packet, sizeof(packet), 0, 6), 0);
	assert_int_equal(packet[6] << 8 | packet[7], 0xffff);
}

static void zero_of_tcp_stays_zero(void **state)
{
	uint8_t packet[18] = { 0xff, 0xff };

	(void)state;
	assert_int_equal(checksum_finish(packet, sizeof(packet), 0, 16), 0);
	assert_int_equal(packet[16] << 8 | packet[17], 0);
}

static void field_at_the_very_end_is_finished(void **state)
{
	uint8_t packet[28] = { 0 };

	(void)state;
	assert_int_equal(checksum_finish(packet, sizeof(packet), 20, 6), 0);
}

static void field_outside_the_packet_is_refused(void **state)
{
	uint8_t packet[28], before[28];

	(void)state;
	fill(packet, sizeof(packet));
	memcpy(before, packet, sizeof(packet));
	assert_int_equal(checksum_finish(packet, sizeof(packet), 20, 7), ERR_INVALID);
	assert_int_equal(checksum_finish(packet, sizeof(packet), 29, 0), ERR_INVALID);
	assert_int_equal(checksum_finish(packet, sizeof(packet), 20, SIZE_MAX), ERR_INVALID);
	assert_int_equal(checksum_finish(packet, sizeof(packet), SIZE_MAX, 16), ERR_INVALID);
	assert_memory_equal(packet, before, sizeof(packet));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sum_is_the_plain_sum_at_every_length_and_alignment),
		cmocka_unit_test(sum_of_all_ones_carries_around),
		cmocka_unit_test(sum_may_be_continued),
		cmocka_unit_test(sum_of_the_example_of_rfc_1071_fits),
		cmocka_unit_test(long_runs_carry_around),
		cmocka_unit_test(fold_keeps_every_carry),
		cmocka_unit_test(pseudo_header_is_that_of_the_standards),
		cmocka_unit_test(finished_checksum_verifies),
		cmocka_unit_test(finish_keeps_the_pseudo_header_sum),
		cmocka_unit_test(zero_of_udp_is_stored_as_ones),
		cmocka_unit_test(zero_of_tcp_stays_zero),
		cmocka_unit_test(field_at_the_very_end_is_finished),
		cmocka_unit_test(field_outside_the_packet_is_refused),
	};

	return cmocka_run_group_tests_name("checksum", tests, NULL, NULL);
}
