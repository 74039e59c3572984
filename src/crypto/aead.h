/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Authenticated encryption of single records, by one of two backends: ipsec-mb, a library of Intel's that is four times
 * as fast on packets and that may be missing, or OpenSSL's EVP. Their output is the same.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aead_key;

enum aead_cipher { AEAD_AES_128_GCM, AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305, AEAD_CIPHERS };
enum aead_choice { AEAD_AUTO, AEAD_EVP, AEAD_IPSEC_MB };
enum { AEAD_NONCE_LEN = 12, AEAD_TAG_LEN = 16, AEAD_KEY_MAX = 32 };

/**
 * aead_choose() - Settle which backend new keys get; keys that exist keep theirs
 * @choice: AEAD_AUTO takes ipsec-mb when the library is installed, its results equal EVP's and the processor has AES
 *          and carry-less multiplication; otherwise EVP
 *
 * Once at start, by the only thread, where files may still be opened. Before it, and after a failure, keys are EVP's.
 *
 * Return: 0, or ERR_MISSING (AEAD_IPSEC_MB cannot be had; aead_missing() says why).
 */
int aead_choose(enum aead_choice choice);

/** aead_missing() - Why ipsec-mb was not taken when it was last looked for: static text without a full stop; else NULL
 */
const char *aead_missing(void);

/** aead_name() - The backend of new keys as `status` shows it: "ipsec-mb" or "evp" */
const char *aead_name(void);

/** aead_key_len() - Bytes of a key: 16 or 32 */
size_t aead_key_len(enum aead_cipher cipher);

/**
 * aead_key_new() - Make a key ready for use
 * @cipher: what it is for
 * @key:    aead_key_len() bytes; copied, the caller wipes his
 *
 * A key has one user at a time and may pass from thread to thread. Seal with it or open with it: one direction of a
 * channel has one key.
 *
 * Return: the key, or NULL without memory.
 */
struct aead_key *aead_key_new(enum aead_cipher cipher, const uint8_t *key);

/** aead_key_free() - Wipe and free; accepts NULL */
void aead_key_free(struct aead_key *k);

/**
 * aead_seal() - Encrypt and authenticate one record
 * @k:       key
 * @nonce:   never the same twice under one key
 * @aad:     authenticated only
 * @aad_len: bytes at @aad
 * @in:      plaintext
 * @len:     bytes at @in, may be 0
 * @out:     @len + AEAD_TAG_LEN bytes, ciphertext and tag; equal to @in or apart from it
 *
 * Cannot fail but by a fault of the library, on which the process ends: nothing unsealed may ever be sent.
 */
void aead_seal(struct aead_key *k, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad, size_t aad_len,
	       const uint8_t *in, size_t len, uint8_t *out);

/**
 * aead_seal_ending() - The same with one byte more behind the plaintext, for which the caller needs no room
 * @end: the byte, TLS 1.3's content type (RFC 8446 5.2)
 * @out: @len + 1 + AEAD_TAG_LEN bytes
 */
void aead_seal_ending(struct aead_key *k, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad, size_t aad_len,
		      const uint8_t *in, size_t len, uint8_t end, uint8_t *out);

/**
 * aead_open() - Verify and decrypt one record
 * @k:       key
 * @nonce:   as it was sealed
 * @aad:     likewise
 * @aad_len: bytes at @aad
 * @in:      ciphertext and tag
 * @len:     bytes at @in
 * @out:     @len - AEAD_TAG_LEN bytes of plaintext; equal to @in or apart from it
 *
 * Return: whether the tag, compared in constant time, is right; if not (or when @len has no room for a tag), @out holds
 * nothing of the plaintext.
 */
bool aead_open(struct aead_key *k, const uint8_t nonce[AEAD_NONCE_LEN], const uint8_t *aad, size_t aad_len,
	       const uint8_t *in, size_t len, uint8_t *out);

#endif
