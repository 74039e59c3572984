/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libssl reads datagrams from and writes them to: during a call the caller's one datagram and the caller's
 * function. Where one ends and the next begins is kept, unlike in OpenSSL's memory BIO.
 */
#ifndef CRYPTO_DATAGRAM_BIO_INT_H
#define CRYPTO_DATAGRAM_BIO_INT_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "crypto/dtls.h"

struct datagram_bio {
	const uint8_t *in; /* borrowed for a call; NULL: none, or libssl has read it */
	size_t len;
	dtls_send_fn *send; /* for a call */
	void *arg;
};

/** datagram_bio_attach() - Give a new connection its BIO. Return: what it reads from, valid as long as @ssl, or NULL */
struct datagram_bio *datagram_bio_attach(SSL *ssl);

/** datagram_bio_begin() - Lend a datagram and a way out to libssl, or with NULL take them back */
void datagram_bio_begin(struct datagram_bio *b, const uint8_t *in, size_t len, dtls_send_fn *send, void *arg);

#endif
