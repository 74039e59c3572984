/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a DTLS record. */
#include "wire/dtls_header.h"

#include <endian.h>
#include <string.h>

/* Epoch and number lie side by side, 8 bytes; the length behind them. */
enum { VERSION_AT = 1, EPOCH_AT = 3, LENGTH_AT = 11, NUMBER_BITS = 48 };

static uint16_t read16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void write16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

enum verdict dtls_header_parse(const uint8_t *data, size_t len, struct dtls_record *out)
{
	uint64_t sequence;

	if (len < DTLS_HEADER_LEN || read16(data + LENGTH_AT) > len - DTLS_HEADER_LEN)
		return DROP_RECORD;
	memcpy(&sequence, data + EPOCH_AT, sizeof(sequence));
	sequence = be64toh(sequence);
	*out = (struct dtls_record){
		.type = data[0],
		.version = read16(data + VERSION_AT),
		.epoch = (uint16_t)(sequence >> NUMBER_BITS),
		.number = sequence & ((UINT64_C(1) << NUMBER_BITS) - 1),
		.body = data + DTLS_HEADER_LEN,
		.len = read16(data + LENGTH_AT),
	};
	return PASS;
}

void dtls_header_write(uint8_t type, uint16_t epoch, uint64_t number, size_t body_len, uint8_t out[DTLS_HEADER_LEN])
{
	uint64_t sequence = htobe64((uint64_t)epoch << NUMBER_BITS | number);

	out[0] = type;
	write16(out + VERSION_AT, DTLS_VERSION_1_2);
	memcpy(out + EPOCH_AT, &sequence, sizeof(sequence));
	write16(out + LENGTH_AT, body_len);
}
