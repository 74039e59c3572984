/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a DTLS record. */
#include "wire/dtls_header.h"

static uint64_t read_be(const uint8_t *at, size_t len)
{
	uint64_t value = 0;

	while (len--)
		value = value << 8 | *at++;
	return value;
}

static void write_be(uint8_t *at, size_t len, uint64_t value)
{
	for (; len--; value >>= 8)
		at[len] = (uint8_t)value;
}

enum verdict dtls_header_parse(const uint8_t *data, size_t len, struct dtls_record *out)
{
	size_t body_len;

	if (len < DTLS_HEADER_LEN)
		return DROP_RECORD;
	body_len = (size_t)read_be(data + 11, 2);
	if (body_len > len - DTLS_HEADER_LEN)
		return DROP_RECORD;
	*out = (struct dtls_record){
		.type = data[0],
		.version = (uint16_t)read_be(data + 1, 2),
		.epoch = (uint16_t)read_be(data + 3, 2),
		.number = read_be(data + 5, 6),
		.body = data + DTLS_HEADER_LEN,
		.len = body_len,
	};
	return PASS;
}

void dtls_header_write(uint8_t type, uint16_t epoch, uint64_t number, size_t body_len, uint8_t out[DTLS_HEADER_LEN])
{
	out[0] = type;
	write_be(out + 1, 2, DTLS_VERSION_1_2);
	write_be(out + 3, 2, epoch);
	write_be(out + 5, 6, number);
	write_be(out + 11, 2, body_len);
}
