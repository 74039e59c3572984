/* SPDX-License-Identifier: Apache-2.0 */
/* Protected records of TLS 1.3, one by one. */
#include "wire/tls_record.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

/* RFC 8446 5.3 */
static void make_nonce(const struct tls_direction *d, uint8_t nonce[AEAD_NONCE_LEN])
{
	memcpy(nonce, d->iv, AEAD_NONCE_LEN);
	for (int i = 0; i < 8; i++)
		nonce[AEAD_NONCE_LEN - 1 - i] ^= (uint8_t)(d->sequence >> 8 * i);
}

static void write_header(uint8_t *out, size_t body_len)
{
	out[0] = TLS_APPLICATION_DATA;
	out[1] = out[2] = 3;
	out[3] = (uint8_t)(body_len >> 8);
	out[4] = (uint8_t)body_len;
}

int tls_direction_init(struct tls_direction *d, enum aead_cipher cipher, const uint8_t *secret, uint64_t sequence)
{
	*d = (struct tls_direction){ .cipher = cipher, .sequence = sequence };
	memcpy(d->secret, secret, schedule_secret_len(cipher));
	if (schedule_keys(cipher, secret, &d->key, d->iv) == 0)
		return 0;
	tls_direction_fini(d);
	return ERR_CRYPTO;
}

int tls_direction_next(struct tls_direction *d)
{
	uint8_t secret[SCHEDULE_SECRET_MAX];
	struct tls_direction next;
	int r;

	memcpy(secret, d->secret, sizeof(secret));
	if ((r = schedule_next(d->cipher, secret)) == 0 && (r = tls_direction_init(&next, d->cipher, secret, 0)) == 0) {
		aead_key_free(d->key);
		*d = next;
		explicit_bzero(&next, sizeof(next));
	}
	explicit_bzero(secret, sizeof(secret));
	return r;
}

void tls_direction_fini(struct tls_direction *d)
{
	aead_key_free(d->key);
	explicit_bzero(d, sizeof(*d));
}

void tls_record_seal(struct tls_direction *d, enum tls_content type, const uint8_t *data, size_t len, uint8_t *out)
{
	uint8_t nonce[AEAD_NONCE_LEN];

	assert(len <= TLS_RECORD_CONTENT_MAX && d->sequence < TLS_RECORD_KEY_MAX);
	make_nonce(d, nonce);
	d->sequence++;
	write_header(out, len + TLS_RECORD_OVERHEAD - TLS_RECORD_HEADER_LEN);
	aead_seal_ending(d->key, nonce, out, TLS_RECORD_HEADER_LEN, data, len, (uint8_t)type,
			 out + TLS_RECORD_HEADER_LEN);
}

/* The version means nothing (5.1), but what stands there is authenticated. */
int tls_record_len(const uint8_t *header, size_t *len)
{
	size_t whole = TLS_RECORD_HEADER_LEN + ((size_t)header[3] << 8 | header[4]);

	if (header[0] != TLS_APPLICATION_DATA)
		return TLS_ALERT_UNEXPECTED_MESSAGE;
	if (whole > TLS_RECORD_LEN_MAX)
		return TLS_ALERT_RECORD_OVERFLOW;
	if (whole < TLS_RECORD_OVERHEAD)
		return TLS_ALERT_BAD_RECORD_MAC;
	*len = whole;
	return 0;
}

int tls_record_open(struct tls_direction *d, const uint8_t *record, size_t len, uint8_t *out, uint8_t *type,
		    size_t *content)
{
	size_t at = len - TLS_RECORD_HEADER_LEN - AEAD_TAG_LEN;
	uint8_t nonce[AEAD_NONCE_LEN];

	if (d->sequence == UINT64_MAX)
		return TLS_ALERT_UNEXPECTED_MESSAGE;
	make_nonce(d, nonce);
	if (!aead_open(d->key, nonce, record, TLS_RECORD_HEADER_LEN, record + TLS_RECORD_HEADER_LEN,
		       len - TLS_RECORD_HEADER_LEN, out))
		return TLS_ALERT_BAD_RECORD_MAC;
	d->sequence++;
	while (at && !out[at - 1])
		at--;
	if (!at)
		return TLS_ALERT_UNEXPECTED_MESSAGE;
	*type = out[at - 1];
	*content = at - 1;
	return 0;
}
