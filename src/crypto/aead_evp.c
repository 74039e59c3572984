/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AEAD by OpenSSL's EVP. Ciphers are fetched once, and a context takes its key once: what is left for a record is the
 * nonce. Doing either again for each record would cost more than the record itself.
 */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "crypto/aead_int.h"

struct evp_key {
	struct aead_key base;
	EVP_CIPHER_CTX *ctx;
};

static EVP_CIPHER *ciphers[AEAD_CIPHERS];
static pthread_once_t ciphers_once = PTHREAD_ONCE_INIT;

static void fetch_ciphers(void)
{
	ciphers[AEAD_AES_128_GCM] = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
	ciphers[AEAD_AES_256_GCM] = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	ciphers[AEAD_CHACHA20_POLY1305] = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
}

static EVP_CIPHER_CTX *context_of(struct aead_key *k)
{
	return ((struct evp_key *)k)->ctx;
}

static void key_free(struct aead_key *k)
{
	EVP_CIPHER_CTX_free(context_of(k));
	free(k);
}

static struct aead_key *key_new(enum aead_cipher cipher, const uint8_t *key)
{
	struct evp_key *k = malloc(sizeof(*k));

	if (!k)
		return NULL;
	pthread_once(&ciphers_once, fetch_ciphers);
	*k = (struct evp_key){ { &aead_evp, cipher }, EVP_CIPHER_CTX_new() };
	if (k->ctx && EVP_CipherInit_ex(k->ctx, ciphers[cipher], NULL, key, NULL, 1))
		return &k->base;
	ERR_clear_error();
	key_free(&k->base);
	return NULL;
}

static bool add(EVP_CIPHER_CTX *ctx, uint8_t *out, const uint8_t *in, size_t len)
{
	int n;

	return !len || EVP_CipherUpdate(ctx, out, &n, in, (int)len);
}

static void seal(struct aead_key *k, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
		 const struct aead_text *text, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = context_of(k);
	size_t len = text->len + (text->end != NULL);
	int n;

	if (!EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, 1) || !add(ctx, NULL, aad, aad_len) ||
	    !add(ctx, out, text->bytes, text->len) || !add(ctx, out + text->len, text->end, text->end != NULL) ||
	    !EVP_CipherFinal_ex(ctx, out + len, &n) ||
	    !EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_LEN, out + len))
		abort(); /* nothing that a caller gives can make these fail, and half a record must not be sent */
}

static bool open_sealed(struct aead_key *k, const uint8_t *nonce, const uint8_t *aad, size_t aad_len, const uint8_t *in,
			size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *ctx = context_of(k);
	uint8_t rest[1];
	bool right;
	int n;

	right = EVP_CipherInit_ex(ctx, NULL, NULL, NULL, nonce, 0) &&
		EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_LEN, (void *)(in + len)) &&
		add(ctx, NULL, aad, aad_len) && add(ctx, out, in, len) && EVP_CipherFinal_ex(ctx, rest, &n);
	if (!right)
		ERR_clear_error();
	return right;
}

const struct aead_backend aead_evp = { "evp", key_new, key_free, seal, open_sealed };
