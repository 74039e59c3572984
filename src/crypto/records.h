/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record protection of one TLS connection after its handshake: seal plaintext into records, open records into
 * plaintext. The data path sees only this interface; behind it stands libssl.
 */
#ifndef CRYPTO_RECORDS_H
#define CRYPTO_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct records;

enum { RECORDS_PLAIN_MAX = 16384, RECORDS_OVERHEAD = 22 }; /* RFC 8446 5.1, 5.2: header 5, type 1, tag 16 */

/**
 * records_seal() - Protect bytes as application data
 * @r:    records
 * @data: plaintext
 * @len:  1..RECORDS_PLAIN_MAX: exactly one record
 * @out:  the record is appended, behind the answer to a KeyUpdate when one is due
 *
 * Return: 0, ERR_NOMEM, or ERR_CRYPTO (the connection is lost).
 */
int records_seal(struct records *r, const uint8_t *data, size_t len, struct buf *out);

/** records_seal_all() - The same for any length: as many records as it takes. On failure @out may hold some of them */
static inline int records_seal_all(struct records *r, const uint8_t *data, size_t len, struct buf *out)
{
	int result = 0;

	while (result == 0 && len) {
		size_t part = len < RECORDS_PLAIN_MAX ? len : RECORDS_PLAIN_MAX;

		result = records_seal(r, data, part, out);
		data += part;
		len -= part;
	}
	return result;
}

/**
 * records_open() - Take bytes from the wire, give plaintext
 * @r:     records
 * @in:    bytes as received; all are taken, a partial record is kept inside
 * @len:   bytes at @in; may be 0 (bytes left over from the handshake are opened)
 * @plain: plaintext of every whole record is appended, in order
 * @reply: records that the peer must get (an alert) are appended, nearly always nothing
 *
 * A KeyUpdate is answered in front of the next sealed record (RFC 8446 4.6.3 asks for no more), so that the order on
 * the wire is that of the callers who seal.
 *
 * Return: 0, ERR_EOF after close_notify (@plain holds what came before it), ERR_PROTO or ERR_CRYPTO (bad tag, alert,
 * unexpected message; records_alert() tells which) or ERR_NOMEM with the connection lost. Calls after that return the
 * same.
 */
int records_open(struct records *r, const uint8_t *in, size_t len, struct buf *plain, struct buf *reply);

/** records_alert() - The alert by which the peer ended the connection, -1: none; tells a client why it is refused */
int records_alert(const struct records *r);

/** records_close() - Append our close_notify to @out; nothing may be sealed afterwards */
void records_close(struct records *r, struct buf *out);

/** records_sealed() - Records and bytes sealed so far; limits of a generation are judged by them */
void records_sealed(const struct records *r, uint64_t *records, uint64_t *bytes);

/** records_opened() - The same for the other direction */
void records_opened(const struct records *r, uint64_t *records, uint64_t *bytes);

/**
 * records_free() - Wipe the keys and free; accepts NULL
 *
 * Seal and open may run in two threads at once (a lock inside); everything else needs a single user.
 */
void records_free(struct records *r);

#endif
