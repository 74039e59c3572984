/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic keys of TLS 1.3. */
#include "crypto/schedule.h"

#include <string.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>

#include "base/err.h"

static const char *hash_of(enum aead_cipher cipher)
{
	return cipher == AEAD_AES_256_GCM ? "SHA384" : "SHA256";
}

/* HKDF-Expand-Label(secret, label, "", out_len) of RFC 8446 7.1 */
static int expand_label(enum aead_cipher cipher, const uint8_t *secret, const char *label, uint8_t *out, size_t out_len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_3_KDF, NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)hash_of(cipher), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)secret, schedule_secret_len(cipher)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, "tls13 ", strlen("tls13 ")),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, (void *)label, strlen(label)),
		OSSL_PARAM_construct_end(),
	};
	int ok = ctx && EVP_KDF_derive(ctx, out, out_len, params) == 1;

	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	if (!ok)
		ERR_clear_error();
	return ok ? 0 : ERR_CRYPTO;
}

size_t schedule_secret_len(enum aead_cipher cipher)
{
	return cipher == AEAD_AES_256_GCM ? 48 : 32;
}

int schedule_keys(enum aead_cipher cipher, const uint8_t *secret, struct aead_key **key, uint8_t iv[AEAD_NONCE_LEN])
{
	uint8_t bytes[AEAD_KEY_MAX], nonce[AEAD_NONCE_LEN];
	struct aead_key *made = NULL;

	if (expand_label(cipher, secret, "key", bytes, aead_key_len(cipher)) == 0 &&
	    expand_label(cipher, secret, "iv", nonce, sizeof(nonce)) == 0)
		made = aead_key_new(cipher, bytes);
	explicit_bzero(bytes, sizeof(bytes));
	if (!made)
		return ERR_CRYPTO;
	*key = made;
	memcpy(iv, nonce, sizeof(nonce));
	return 0;
}

int schedule_next(enum aead_cipher cipher, uint8_t *secret)
{
	uint8_t next[SCHEDULE_SECRET_MAX];
	int r = expand_label(cipher, secret, "traffic upd", next, schedule_secret_len(cipher));

	if (r == 0)
		memcpy(secret, next, schedule_secret_len(cipher));
	explicit_bzero(next, sizeof(next));
	return r;
}
