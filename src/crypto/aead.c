/* SPDX-License-Identifier: Apache-2.0 */
/* Authenticated encryption by the backend that was chosen. */
#include "crypto/aead.h"

#include <string.h>

#include "base/err.h"
#include "crypto/aead_int.h"

/* Not whole blocks: both ends of a library's loops are tried. */
enum { TRIAL_LEN = 1400 + 3 };

static const struct aead_backend *chosen = &aead_evp;
static const char *missing;

static bool trial_seal(const struct aead_backend *b, enum aead_cipher cipher, const uint8_t *text, uint8_t *out)
{
	uint8_t key[AEAD_KEY_MAX], nonce[AEAD_NONCE_LEN] = { 1 };
	struct aead_text pieces = { text, TRIAL_LEN - 1, text + TRIAL_LEN - 1 };
	struct aead_key *k;

	memset(key, 0x5a, sizeof(key));
	if (!(k = b->key_new(cipher, key)))
		return false;
	b->seal(k, nonce, text, AEAD_NONCE_LEN, &pieces, out);
	b->key_free(k);
	return true;
}

/* A library that is younger than what we were built with, or broken, shows here and not on the wire. */
static bool equals_evp(const struct aead_backend *b)
{
	uint8_t text[TRIAL_LEN], theirs[TRIAL_LEN + AEAD_TAG_LEN], ours[TRIAL_LEN + AEAD_TAG_LEN];

	for (size_t i = 0; i < TRIAL_LEN; i++)
		text[i] = (uint8_t)(i * 7);
	for (int cipher = 0; cipher < AEAD_CIPHERS; cipher++)
		if (!trial_seal(b, cipher, text, theirs) || !trial_seal(&aead_evp, cipher, text, ours) ||
		    memcmp(theirs, ours, sizeof(ours)))
			return false;
	return true;
}

int aead_choose(enum aead_choice choice)
{
	const struct aead_backend *mb;

	chosen = &aead_evp;
	missing = NULL;
	if (choice == AEAD_EVP)
		return 0;
	mb = aead_mb_load(&missing);
	if (mb && !equals_evp(mb)) {
		missing = "its results are wrong";
		mb = NULL;
	}
	if (mb)
		chosen = mb;
	return mb || choice == AEAD_AUTO ? 0 : ERR_MISSING;
}

const char *aead_missing(void)
{
	return missing;
}

const char *aead_name(void)
{
	return chosen->name;
}

size_t aead_key_len(enum aead_cipher cipher)
{
	return cipher == AEAD_AES_128_GCM ? 16 : 32;
}

struct aead_key *aead_key_new(enum aead_cipher cipher, const uint8_t *key)
{
	return chosen->key_new(cipher, key);
}

void aead_key_free(struct aead_key *k)
{
	if (k)
		k->backend->key_free(k);
}

void aead_seal(struct aead_key *k, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad, size_t aad_len,
	       const uint8_t *in, size_t len, uint8_t *out)
{
	struct aead_text text = { in, len, NULL };

	k->backend->seal(k, nonce, aad, aad_len, &text, out);
}

void aead_seal_ending(struct aead_key *k, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad, size_t aad_len,
		      const uint8_t *in, size_t len, uint8_t end, uint8_t *out)
{
	struct aead_text text = { in, len, &end };

	k->backend->seal(k, nonce, aad, aad_len, &text, out);
}

bool aead_open(struct aead_key *k, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad, size_t aad_len,
	       const uint8_t *in, size_t len, uint8_t *out)
{
	if (len < AEAD_TAG_LEN)
		return false;
	if (k->backend->open(k, nonce, aad, aad_len, in, len - AEAD_TAG_LEN, out))
		return true;
	explicit_bzero(out, len - AEAD_TAG_LEN);
	return false;
}
