/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first words of a DTLS handshake, read and answered without any state (RFC 6347 4.2.1): a ClientHello names its
 * session by the App-ID in its session id, and must come back with our cookie before the
 * gateway remembers anything.
 */
#ifndef WIRE_DTLS_HELLO_H
#define WIRE_DTLS_HELLO_H

#include <stddef.h>
#include <stdint.h>

#include "base/verdict.h"

enum {
	DTLS_ID_MAX = 32,
	DTLS_COOKIE_LEN = 16,
	DTLS_HELLO_VERIFY_LEN = 13 + 12 + 2 + 1 + DTLS_COOKIE_LEN, /* record, message, version, length, cookie */
};

struct dtls_hello {
	uint64_t number;   /* of the record */
	const uint8_t *id; /* session id: the App-ID; borrowed */
	size_t id_len;     /* 1..DTLS_ID_MAX */
	const uint8_t *cookie;
	size_t cookie_len; /* 0: none, to be answered by dtls_hello_verify(); else DTLS_COOKIE_LEN */
};

/**
 * dtls_hello_peek() - Read the ClientHello at the start of a datagram
 * @data: datagram
 * @len:  its bytes
 * @out:  filled when PASS, borrows @data
 *
 * Return: PASS; DROP_RECORD (no whole record); DROP_HELLO (not one that we answer: another record or message, not in
 * epoch 0, in fragments, older than DTLS 1.2, without App-ID, with a cookie that is not of our length, lengths that do
 * not fit, or a message number other than 0 without cookie and 1 with it).
 */
enum verdict dtls_hello_peek(const uint8_t *data, size_t len, struct dtls_hello *out);

/**
 * dtls_hello_verify() - Write the HelloVerifyRequest that answers a ClientHello without cookie
 * @hello:  as read; its record's number is repeated (RFC 6347 4.2.1)
 * @cookie: to come back in the next ClientHello
 * @out:    the whole datagram; shorter than what it answers
 */
void dtls_hello_verify(const struct dtls_hello *hello, const uint8_t cookie[DTLS_COOKIE_LEN],
		       uint8_t out[DTLS_HELLO_VERIFY_LEN]);

#endif
