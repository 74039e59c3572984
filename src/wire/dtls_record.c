/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS 1.2 records. */
#include "wire/dtls_record.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "crypto/dtls.h"

enum {
	AAD_LEN = 13,
	NUMBER_AT = 3, /* epoch and number in the header: 8 bytes that are also the start of the additional data */
	NUMBER_LEN = 8,
	LENGTH_AT = 11,
	GCM_SALT_LEN = 4,
};

#define NUMBER_MAX ((UINT64_C(1) << 48) - 1)

static const uint64_t seal_max[] = {
	[AEAD_AES_128_GCM] = UINT64_C(5) << 22,
	[AEAD_AES_256_GCM] = UINT64_C(5) << 22,
	[AEAD_CHACHA20_POLY1305] = NUMBER_MAX,
};
static_assert(sizeof(seal_max) / sizeof(seal_max[0]) == AEAD_CIPHERS, "a limit for every cipher");

static const uint64_t fail_max[] = {
	[AEAD_AES_128_GCM] = UINT64_C(1) << 28,
	[AEAD_AES_256_GCM] = UINT64_C(1) << 28,
	[AEAD_CHACHA20_POLY1305] = UINT64_C(1) << 36,
};
static_assert(sizeof(fail_max) / sizeof(fail_max[0]) == AEAD_CIPHERS, "a limit for every cipher");

static size_t explicit_len(enum aead_cipher cipher)
{
	return cipher == AEAD_CHACHA20_POLY1305 ? 0 : DTLS_EXPLICIT_LEN;
}

/* @wire: the record's explicit nonce, or epoch and number, as the cipher has it. */
static void make_nonce(enum aead_cipher cipher, const uint8_t iv[AEAD_NONCE_LEN], const uint8_t wire[NUMBER_LEN],
		       uint8_t nonce[AEAD_NONCE_LEN])
{
	memcpy(nonce, iv, AEAD_NONCE_LEN);
	if (cipher != AEAD_CHACHA20_POLY1305) {
		memcpy(nonce + GCM_SALT_LEN, wire, NUMBER_LEN);
		return;
	}
	for (size_t i = 0; i < NUMBER_LEN; i++)
		nonce[AEAD_NONCE_LEN - NUMBER_LEN + i] ^= wire[i];
}

/* Epoch and number come first, unlike in the header. */
static void make_aad(const uint8_t header[DTLS_HEADER_LEN], size_t plain_len, uint8_t aad[AAD_LEN])
{
	memcpy(aad, header + NUMBER_AT, NUMBER_LEN);
	memcpy(aad + NUMBER_LEN, header, 3);
	aad[LENGTH_AT] = (uint8_t)(plain_len >> 8);
	aad[LENGTH_AT + 1] = (uint8_t)plain_len;
}

size_t dtls_record_len(enum aead_cipher cipher, size_t plain_len)
{
	return DTLS_HEADER_LEN + explicit_len(cipher) + plain_len + AEAD_TAG_LEN;
}

uint64_t dtls_seal_max(enum aead_cipher cipher)
{
	return seal_max[cipher];
}

uint64_t dtls_fail_max(enum aead_cipher cipher)
{
	return fail_max[cipher];
}

int dtls_sealer_init(struct dtls_sealer *s, const struct dtls_keys *keys)
{
	*s = (struct dtls_sealer){ .cipher = keys->cipher, .next = keys->tx_number };
	memcpy(s->iv, keys->tx.iv, sizeof(s->iv));
	s->key = aead_key_new(keys->cipher, keys->tx.key);
	return s->key ? 0 : ERR_NOMEM;
}

/* One piece is sealed from where it lies, several are gathered first. Returns where the plaintext is. */
static const uint8_t *gather(const struct iovec *pieces, size_t count, uint8_t *room, size_t *len)
{
	*len = pieces[0].iov_len;
	if (count == 1)
		return pieces[0].iov_base;
	*len = 0;
	for (size_t i = 0; i < count; i++) {
		memcpy(room + *len, pieces[i].iov_base, pieces[i].iov_len);
		*len += pieces[i].iov_len;
	}
	return room;
}

int dtls_seal(struct dtls_sealer *s, uint8_t type, const struct iovec *pieces, size_t count, uint8_t *out)
{
	size_t explicit = explicit_len(s->cipher), len;
	uint8_t nonce[AEAD_NONCE_LEN], aad[AAD_LEN], *body = out + DTLS_HEADER_LEN;
	const uint8_t *plain;

	if (s->records >= seal_max[s->cipher] || s->next > NUMBER_MAX)
		return ERR_REFUSED;
	plain = gather(pieces, count, body + explicit, &len);
	assert(len <= DTLS_PLAIN_MAX);
	dtls_header_write(type, DTLS_EPOCH, s->next, explicit + len + AEAD_TAG_LEN, out);
	s->next++;
	s->records++;
	s->bytes += len;
	memcpy(body, out + NUMBER_AT, explicit);
	make_nonce(s->cipher, s->iv, out + NUMBER_AT, nonce);
	make_aad(out, len, aad);
	aead_seal(s->key, nonce, aad, sizeof(aad), plain, len, body + explicit);
	return (int)dtls_record_len(s->cipher, len);
}

void dtls_sealer_fini(struct dtls_sealer *s)
{
	aead_key_free(s->key);
	explicit_bzero(s, sizeof(*s));
}

int dtls_opener_init(struct dtls_opener *o, const struct dtls_keys *keys)
{
	*o = (struct dtls_opener){ .cipher = keys->cipher };
	memcpy(o->iv, keys->rx.iv, sizeof(o->iv));
	o->key = aead_key_new(keys->cipher, keys->rx.key);
	return o->key ? 0 : ERR_NOMEM;
}

/* Everything that can be said about a record before its tag is computed. */
static enum verdict admit(const struct dtls_opener *o, const struct dtls_record *r)
{
	size_t overhead = explicit_len(o->cipher) + AEAD_TAG_LEN;

	if ((r->type != DTLS_DATA && r->type != DTLS_ALERT) || r->version != DTLS_VERSION_1_2)
		return DROP_RECORD;
	if (r->epoch != DTLS_EPOCH)
		return DROP_EPOCH;
	if (r->len < overhead || r->len > overhead + DTLS_PLAIN_MAX)
		return DROP_RECORD;
	if (!replay_fresh(&o->replay, r->number))
		return DROP_REPLAY;
	return o->failed < fail_max[o->cipher] ? PASS : DROP_TAG;
}

static size_t plain_len(const struct dtls_opener *o, const struct dtls_record *r)
{
	return r->len - explicit_len(o->cipher) - AEAD_TAG_LEN;
}

/* @out may be where the ciphertext lies. */
static bool unseal(struct dtls_opener *o, const uint8_t *data, const struct dtls_record *r, uint8_t *out)
{
	size_t explicit = explicit_len(o->cipher);
	uint8_t nonce[AEAD_NONCE_LEN], aad[AAD_LEN];

	make_nonce(o->cipher, o->iv, explicit ? r->body : data + NUMBER_AT, nonce);
	make_aad(data, plain_len(o, r), aad);
	if (aead_open(o->key, nonce, aad, sizeof(aad), r->body + explicit, r->len - explicit, out))
		return true;
	o->failed++;
	return false;
}

enum verdict dtls_open(struct dtls_opener *o, uint8_t *data, size_t len, struct dtls_plain *out)
{
	uint8_t *plain = data + DTLS_HEADER_LEN + explicit_len(o->cipher);
	struct dtls_record r;
	enum verdict v;

	if ((v = dtls_header_parse(data, len, &r)) != PASS || (v = admit(o, &r)) != PASS)
		return v;
	if (!unseal(o, data, &r, plain))
		return DROP_TAG;
	replay_mark(&o->replay, r.number);
	o->records++;
	o->bytes += plain_len(o, &r);
	*out = (struct dtls_plain){ r.type, plain, plain_len(o, &r), DTLS_HEADER_LEN + r.len };
	return PASS;
}

bool dtls_open_trial(struct dtls_opener *o, const uint8_t *data, size_t len, uint8_t *room)
{
	struct dtls_record r;

	return dtls_header_parse(data, len, &r) == PASS && r.number >= o->replay.next && admit(o, &r) == PASS &&
	       unseal(o, data, &r, room);
}

void dtls_opener_fini(struct dtls_opener *o)
{
	aead_key_free(o->key);
	explicit_bzero(o, sizeof(*o));
}
