/* SPDX-License-Identifier: Apache-2.0 */
/* The stateless cookie of a DTLS handshake. */
#include "crypto/dtls_cookie.h"

#include <assert.h>
#include <string.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/addr.h"
#include "base/err.h"

enum { ID_MAX = 32, HOUR_LEN = 8, PORT_LEN = 2, INPUT_MAX = 1 + 16 + PORT_LEN + ID_MAX };

static bool hmac(const uint8_t *key, size_t key_len, const uint8_t *data, size_t len, uint8_t out[EVP_MAX_MD_SIZE])
{
	unsigned out_len;

	return HMAC(EVP_sha256(), key, (int)key_len, data, len, out, &out_len) != NULL;
}

/* Every field but the last has a fixed length, so no two peers give the same bytes. */
static size_t write_input(const struct addr *peer, uint16_t port, const uint8_t *id, size_t id_len,
			  uint8_t out[INPUT_MAX])
{
	uint8_t *at = out;

	*at++ = peer->family;
	memcpy(at, peer->bytes, sizeof(peer->bytes));
	at += sizeof(peer->bytes);
	*at++ = (uint8_t)(port >> 8);
	*at++ = (uint8_t)port;
	memcpy(at, id, id_len);
	return (size_t)(at - out) + id_len;
}

static bool make(const struct dtls_cookie_secret *secret, uint64_t hour, const uint8_t *input, size_t len,
		 uint8_t out[DTLS_COOKIE_BYTES])
{
	uint8_t text[HOUR_LEN], key[EVP_MAX_MD_SIZE], whole[EVP_MAX_MD_SIZE];
	bool ok;

	for (size_t i = 0; i < HOUR_LEN; i++)
		text[i] = (uint8_t)(hour >> 8 * i);
	ok = hmac(secret->bytes, sizeof(secret->bytes), text, sizeof(text), key) &&
	     hmac(key, DTLS_COOKIE_SECRET_LEN, input, len, whole);
	if (ok)
		memcpy(out, whole, DTLS_COOKIE_BYTES);
	explicit_bzero(key, sizeof(key));
	ERR_clear_error();
	return ok;
}

int dtls_cookie_make(const struct dtls_cookie_secret *secret, const struct addr *peer, uint16_t port, const uint8_t *id,
		     size_t id_len, uint64_t now_ms, uint8_t out[DTLS_COOKIE_BYTES])
{
	uint8_t input[INPUT_MAX];

	assert(id_len <= ID_MAX);
	return make(secret, now_ms / DTLS_COOKIE_TURN_MS, input, write_input(peer, port, id, id_len, input), out)
		       ? 0
		       : ERR_CRYPTO;
}

bool dtls_cookie_good(const struct dtls_cookie_secret *secret, const struct addr *peer, uint16_t port,
		      const uint8_t *id, size_t id_len, uint64_t now_ms, const uint8_t cookie[DTLS_COOKIE_BYTES])
{
	uint64_t hour = now_ms / DTLS_COOKIE_TURN_MS;
	uint8_t input[INPUT_MAX], made[DTLS_COOKIE_BYTES];
	size_t len;

	assert(id_len <= ID_MAX);
	len = write_input(peer, port, id, id_len, input);
	if (make(secret, hour, input, len, made) && !CRYPTO_memcmp(made, cookie, sizeof(made)))
		return true;
	return hour && make(secret, hour - 1, input, len, made) && !CRYPTO_memcmp(made, cookie, sizeof(made));
}
