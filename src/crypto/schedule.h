/* SPDX-License-Identifier: Apache-2.0 */
/* The part of TLS 1.3's key schedule that comes after the handshake: from a traffic secret to the keys of records. */
#ifndef CRYPTO_SCHEDULE_H
#define CRYPTO_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"

enum { SCHEDULE_SECRET_MAX = 48 }; /* SHA-384 */

/** schedule_secret_len() - Bytes of a traffic secret: those of the hash that goes with @cipher (RFC 8446 B.4) */
size_t schedule_secret_len(enum aead_cipher cipher);

/**
 * schedule_keys() - What protects records under a traffic secret (RFC 8446 7.3)
 * @cipher: of the suite
 * @secret: schedule_secret_len() bytes
 * @key:    the key; free with aead_key_free()
 * @iv:     what the sequence number is added to
 *
 * Return: 0, or ERR_CRYPTO (no memory) with nothing filled.
 */
int schedule_keys(enum aead_cipher cipher, const uint8_t *secret, struct aead_key **key, uint8_t iv[AEAD_NONCE_LEN]);

/**
 * schedule_next() - The traffic secret that follows a KeyUpdate (RFC 8446 7.2)
 * @cipher: of the suite
 * @secret: schedule_secret_len() bytes, replaced
 *
 * Return: 0, or ERR_CRYPTO with @secret unchanged.
 */
int schedule_next(enum aead_cipher cipher, uint8_t *secret);

#endif
