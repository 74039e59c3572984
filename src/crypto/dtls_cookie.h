/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cookie by which a stranger proves that it receives what is sent to its address (RFC 6347 4.2.1), made and checked
 * without remembering anything.
 */
#ifndef CRYPTO_DTLS_COOKIE_H
#define CRYPTO_DTLS_COOKIE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct addr;

enum { DTLS_COOKIE_BYTES = 16, DTLS_COOKIE_SECRET_LEN = 32, DTLS_COOKIE_TURN_MS = 3600000 };

/* Shared by all workers; written once, at start. */
struct dtls_cookie_secret {
	uint8_t bytes[DTLS_COOKIE_SECRET_LEN]; /* random */
};

/**
 * dtls_cookie_make() - A cookie for a peer
 * @secret: of this gateway
 * @peer:   outer address
 * @port:   of the peer, host order
 * @id:     App-ID
 * @id_len: its bytes
 * @now_ms: time
 * @out:    filled
 *
 * HMAC-SHA-256, cut, under a key that the secret and the hour give: keys change by the hour and two are good, so a
 * cookie is good for one hour at least and two at most.
 *
 * Return: 0 or ERR_CRYPTO.
 */
int dtls_cookie_make(const struct dtls_cookie_secret *secret, const struct addr *peer, uint16_t port, const uint8_t *id,
		     size_t id_len, uint64_t now_ms, uint8_t out[DTLS_COOKIE_BYTES]);

/** dtls_cookie_good() - Whether @cookie was made for the same, within this hour or the last; compared in constant time
 */
bool dtls_cookie_good(const struct dtls_cookie_secret *secret, const struct addr *peer, uint16_t port,
		      const uint8_t *id, size_t id_len, uint64_t now_ms, const uint8_t cookie[DTLS_COOKIE_BYTES]);

#endif
