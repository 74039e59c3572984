/* SPDX-License-Identifier: Apache-2.0 */
/* The header of a DTLS record (RFC 6347 4.1): type u8, version u16, epoch u16, number u48, length u16. */
#ifndef WIRE_DTLS_HEADER_H
#define WIRE_DTLS_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "base/verdict.h"

enum dtls_type {
	DTLS_CHANGE_CIPHER_SPEC = 20,
	DTLS_ALERT = 21,
	DTLS_HANDSHAKE = 22,
	DTLS_DATA = 23,
};

enum {
	DTLS_HEADER_LEN = 13,
	DTLS_VERSION_1_0 = 0xfeff, /* versions count down */
	DTLS_VERSION_1_2 = 0xfefd,
};

/* A record as it lies in its datagram. */
struct dtls_record {
	uint8_t type; /* any */
	uint16_t version, epoch;
	uint64_t number;     /* 48 bits */
	const uint8_t *body; /* borrowed */
	size_t len;          /* of the body */
};

/**
 * dtls_header_parse() - Read the header of the first record in a datagram
 * @data: datagram
 * @len:  its bytes, 0 included
 * @out:  filled when PASS, borrows @data
 *
 * Return: PASS, or DROP_RECORD (shorter than the header or than its length says); type, version and epoch are not
 * judged.
 */
enum verdict dtls_header_parse(const uint8_t *data, size_t len, struct dtls_record *out);

/** dtls_header_write() - Write the header in front of a body of @body_len bytes, of DTLS 1.2 */
void dtls_header_write(uint8_t type, uint16_t epoch, uint64_t number, size_t body_len, uint8_t out[DTLS_HEADER_LEN]);

#endif
