/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DTLS 1.2 records in datagrams, protected by AEAD. Behind the header (wire/dtls_header.h):
 *
 *   AES-GCM            body = explicit nonce 8, ciphertext, tag 16   nonce = IV (4) and explicit nonce    (RFC 5288)
 *   ChaCha20-Poly1305  body = ciphertext, tag 16                     nonce = IV (12) xor epoch and number (RFC 7905)
 *
 * Additional data: epoch, number, type, version, plaintext length. Our explicit nonce is epoch and number. Handshakes
 * are crypto/dtls's; here are only the records of epoch 1, the one full handshake of a generation.
 */
#ifndef WIRE_DTLS_RECORD_H
#define WIRE_DTLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/verdict.h"
#include "crypto/aead.h"
#include "wire/dtls_header.h"
#include "wire/replay.h"

struct dtls_keys;

enum {
	DTLS_EPOCH = 1, /* of everything behind the handshake */
	DTLS_EXPLICIT_LEN = 8,
	DTLS_PLAIN_MAX = 16384,
	DTLS_OVERHEAD_MAX = DTLS_HEADER_LEN + DTLS_EXPLICIT_LEN + AEAD_TAG_LEN,
};

/* One direction of one generation; one user at a time. */
struct dtls_sealer {
	struct aead_key *key;
	enum aead_cipher cipher;
	uint8_t iv[AEAD_NONCE_LEN];
	uint64_t next;           /* number of the next record; only ever grows */
	uint64_t records, bytes; /* sealed so far: plaintext */
};

struct dtls_opener {
	struct aead_key *key;
	enum aead_cipher cipher;
	uint8_t iv[AEAD_NONCE_LEN];
	struct replay replay;
	uint64_t records, bytes; /* opened so far: plaintext */
	uint64_t failed;         /* wrong tags */
};

struct dtls_plain {
	uint8_t type; /* DTLS_DATA or DTLS_ALERT */
	uint8_t *data;
	size_t len;
	size_t record_len; /* bytes the record took; another one may follow in the datagram */
};

/** dtls_record_len() - Bytes on the wire of a record with @plain_len bytes of plaintext */
size_t dtls_record_len(enum aead_cipher cipher, size_t plain_len);

/**
 * dtls_seal_max() - How many records one key may protect
 *
 * AES-GCM: under 2^24.5 (RFC 9325 4.4). ChaCha20-Poly1305: what the numbers allow.
 */
uint64_t dtls_seal_max(enum aead_cipher cipher);

/** dtls_fail_max() - How many wrong tags one key may see: AES-GCM 2^28 (RFC 9325 4.4), ChaCha20-Poly1305 2^36 */
uint64_t dtls_fail_max(enum aead_cipher cipher);

/** dtls_sealer_init() - Take the sending half of @keys, which the caller wipes. Return: 0 or ERR_NOMEM */
int dtls_sealer_init(struct dtls_sealer *s, const struct dtls_keys *keys);

/**
 * dtls_seal() - Protect one record
 * @s:       sender's key
 * @type:    DTLS_DATA or DTLS_ALERT
 * @pieces:  plaintext in order; none of them overlaps @out
 * @count:   how many, at least 1; a single one is not copied
 * @out:     dtls_record_len() bytes for DTLS_PLAIN_MAX of plaintext at most, filled from the start: records of equal
 *           length sealed one behind the other are one batch for UDP_SEGMENT
 *
 * Every call has a number of its own, whatever becomes of the record.
 *
 * Return: bytes at @out, or ERR_REFUSED (dtls_seal_max() is reached).
 */
int dtls_seal(struct dtls_sealer *s, uint8_t type, const struct iovec *pieces, size_t count, uint8_t *out);

/** dtls_sealer_fini() - Wipe; a sealer of zeros is allowed */
void dtls_sealer_fini(struct dtls_sealer *s);

/** dtls_opener_init() - Take the receiving half of @keys, which the caller wipes. Return: 0 or ERR_NOMEM */
int dtls_opener_init(struct dtls_opener *o, const struct dtls_keys *keys);

/**
 * dtls_open() - Verify and decrypt in place the first record of a datagram, or of what is left of one
 * @o:    receiver's key
 * @data: bytes as received
 * @len:  how many
 * @out:  filled when PASS; borrows @data
 *
 * Never answered, whatever it is. The replay window moves only by an authentic record.
 *
 * Return: PASS; DROP_RECORD (no whole record of DTLS 1.2 with data or an alert, or none that this cipher can have
 * made), DROP_EPOCH (of other keys), DROP_REPLAY, DROP_TAG (also for everything once dtls_fail_max() is reached). What
 * remains of the datagram is then to be dropped with it.
 */
enum verdict dtls_open(struct dtls_opener *o, uint8_t *data, size_t len, struct dtls_plain *out);

/**
 * dtls_open_trial() - Whether a record is authentic and newer than all that were opened
 * @o:    receiver's key; only @o->failed may change
 * @data: bytes as received, perhaps of a flow that has moved; left as they are
 * @len:  how many
 * @room: DTLS_PLAIN_MAX bytes, overwritten
 *
 * Window and counts stay as they are: dtls_open() then takes it.
 */
bool dtls_open_trial(struct dtls_opener *o, const uint8_t *data, size_t len, uint8_t *room);

/** dtls_opener_fini() - Wipe; an opener of zeros is allowed */
void dtls_opener_fini(struct dtls_opener *o);

#endif
