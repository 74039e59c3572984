/* SPDX-License-Identifier: Apache-2.0 */
/* What a backend of aead.h gives. */
#ifndef CRYPTO_AEAD_INT_H
#define CRYPTO_AEAD_INT_H

#include "crypto/aead.h"

/* The first member of a backend's own key. */
struct aead_key {
	const struct aead_backend *backend;
	enum aead_cipher cipher;
};

/* Plaintext in two pieces: what the caller has, and a byte that may follow it. */
struct aead_text {
	const uint8_t *bytes;
	size_t len;
	const uint8_t *end; /* NULL: none */
};

/* Each as its namesake in aead.h says. */
struct aead_backend {
	const char *name;
	struct aead_key *(*key_new)(enum aead_cipher cipher, const uint8_t *key);
	void (*key_free)(struct aead_key *k);
	void (*seal)(struct aead_key *k, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
		     const struct aead_text *text, uint8_t *out);
	/* @len without the tag, which lies behind; after a failure @out may hold anything */
	bool (*open)(struct aead_key *k, const uint8_t *nonce, const uint8_t *aad, size_t aad_len, const uint8_t *in,
		     size_t len, uint8_t *out);
};

extern const struct aead_backend aead_evp;

/**
 * aead_mb_load() - Load ipsec-mb; once it is loaded it stays
 * @why: when it cannot be had, static text without a full stop
 *
 * Return: the backend or NULL.
 */
const struct aead_backend *aead_mb_load(const char **why);

#endif
