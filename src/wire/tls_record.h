/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of TLS 1.3's protected records (RFC 8446 5.2): type, version, length, and behind them content and its
 * true type, encrypted and authenticated together with that header.
 *
 *	23  03 03  length u16  | content ...  type  zeros ... |  tag 16
 *	                         ------- encrypted ----------
 */
#ifndef WIRE_TLS_RECORD_H
#define WIRE_TLS_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "crypto/schedule.h"

enum tls_content { TLS_ALERT = 21, TLS_HANDSHAKE = 22, TLS_APPLICATION_DATA = 23 };

/* RFC 8446 6: what is sent, and what has a meaning of its own */
enum tls_alert {
	TLS_ALERT_CLOSE_NOTIFY = 0,
	TLS_ALERT_UNEXPECTED_MESSAGE = 10,
	TLS_ALERT_BAD_RECORD_MAC = 20,
	TLS_ALERT_RECORD_OVERFLOW = 22,
	TLS_ALERT_ILLEGAL_PARAMETER = 47,
	TLS_ALERT_DECODE_ERROR = 50,
	TLS_ALERT_INTERNAL_ERROR = 80,
	TLS_ALERT_USER_CANCELED = 90,
};

enum {
	TLS_RECORD_HEADER_LEN = 5,
	TLS_RECORD_CONTENT_MAX = 16384, /* RFC 8446 5.1 */
	TLS_RECORD_OVERHEAD = TLS_RECORD_HEADER_LEN + 1 + AEAD_TAG_LEN,
	TLS_RECORD_LEN_MAX = TLS_RECORD_CONTENT_MAX + TLS_RECORD_OVERHEAD, /* padding included: 5.4 */
};

/*
 * Records sealed under one key. RFC 8446 5.5 allows AES-GCM 2^24.5 of full length, and ChaCha20-Poly1305 more than
 * there are numbers.
 */
#define TLS_RECORD_KEY_MAX (UINT64_C(1) << 24)

struct tls_direction {
	enum aead_cipher cipher;
	struct aead_key *key;
	uint8_t secret[SCHEDULE_SECRET_MAX];
	uint8_t iv[AEAD_NONCE_LEN];
	uint64_t sequence; /* of the next record under this key */
};

/**
 * tls_direction_init() - Begin with a traffic secret
 * @d:        filled
 * @cipher:   of the suite
 * @secret:   schedule_secret_len() bytes; copied
 * @sequence: of the next record
 *
 * Return: 0, or ERR_CRYPTO with nothing to free.
 */
int tls_direction_init(struct tls_direction *d, enum aead_cipher cipher, const uint8_t *secret, uint64_t sequence);

/** tls_direction_next() - Go on to the keys after a KeyUpdate, wipe the old. Return: 0, or ERR_CRYPTO with @d unchanged
 */
int tls_direction_next(struct tls_direction *d);

/** tls_direction_fini() - Wipe the keys */
void tls_direction_fini(struct tls_direction *d);

/**
 * tls_record_seal() - Write one record
 * @d:    direction; its sequence is below TLS_RECORD_KEY_MAX
 * @type: of the content
 * @data: content
 * @len:  at most TLS_RECORD_CONTENT_MAX
 * @out:  @len + TLS_RECORD_OVERHEAD bytes, apart from @data
 */
void tls_record_seal(struct tls_direction *d, enum tls_content type, const uint8_t *data, size_t len, uint8_t *out);

/**
 * tls_record_len() - How long a record is
 * @header: TLS_RECORD_HEADER_LEN bytes of it
 * @len:    of the whole record, header included, at most TLS_RECORD_LEN_MAX; unset on refusal
 *
 * Return: 0, or the alert with which to refuse it: no protected record, too long, or too short to be one.
 */
int tls_record_len(const uint8_t *header, size_t *len);

/**
 * tls_record_open() - Read one record
 * @d:       direction
 * @record:  the whole record
 * @len:     as tls_record_len() said
 * @out:     room for @len - TLS_RECORD_HEADER_LEN - AEAD_TAG_LEN bytes, apart from @record
 * @type:    of the content, any number but 0; unset on refusal
 * @content: bytes of it at @out; unset on refusal
 *
 * Return: 0, or the alert with which to refuse it: a wrong tag, no type, or all numbers used up.
 */
int tls_record_open(struct tls_direction *d, const uint8_t *record, size_t len, uint8_t *out, uint8_t *type,
		    size_t *content);

#endif
