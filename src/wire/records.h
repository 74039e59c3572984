/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Record protection of one TLS connection after its handshake: seal plaintext into records, open records into
 * plaintext. What a peer may still say besides data (KeyUpdate, tickets, alerts) is dealt with inside.
 *
 * Sealing (records_seal, records_seal_all, records_close) has one user at a time, opening (records_open, records_alert)
 * another, and the two may run at once without a lock: each direction has its own keys and numbers, and what opening
 * owes the peer goes over to sealing as one atomic word. The counts may be read by anybody. records_free() is alone.
 */
#ifndef WIRE_RECORDS_H
#define WIRE_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct records;
struct tls;
struct tls_traffic;

enum { RECORDS_PLAIN_MAX = 16384, RECORDS_OVERHEAD = 22 }; /* RFC 8446 5.1, 5.2: header 5, type 1, tag 16 */

/* Records without data (KeyUpdates, tickets, empty ones) in one call of records_open(); each costs, and brings nothing.
 */
enum { RECORDS_QUIET_MAX = 32 };

/**
 * records_new_take() - Records under the keys of a finished handshake
 * @traffic: taken and wiped, also on failure
 *
 * Return: the records, NULL without memory.
 */
struct records *records_new_take(struct tls_traffic *traffic);

/**
 * records_take() - The same from the handshake itself: tls_take_traffic() and records_new_take()
 * @t:   done handshake; may then only be freed
 * @out: free with records_free()
 *
 * Return: 0, ERR_CRYPTO or ERR_NOMEM.
 */
int records_take(struct tls *t, struct records **out);

/**
 * records_seal() - Protect bytes as application data
 * @r:    records
 * @data: plaintext
 * @len:  1..RECORDS_PLAIN_MAX: exactly one record
 * @out:  the record is appended, behind a KeyUpdate when the peer waits for one or our key has sealed its share
 *
 * Return: 0, ERR_NOMEM, or ERR_CRYPTO (the connection is lost or closed).
 */
int records_seal(struct records *r, const uint8_t *data, size_t len, struct buf *out);

/**
 * records_seal_all() - The same for any length
 *
 * As many records as it takes lie one after the other in @out, all but the last of RECORDS_PLAIN_MAX; each is sealed
 * from
 * @data straight into its place. On failure @out may hold some of them.
 */
static inline int records_seal_all(struct records *r, const uint8_t *data, size_t len, struct buf *out)
{
	uint8_t *room;
	/* Once for all; that of a KeyUpdate, too, is seen to by whom it befalls. */
	int result = buf_reserve(out, len + (len / RECORDS_PLAIN_MAX + 1) * RECORDS_OVERHEAD, &room);

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
 * @plain: plaintext of every whole record is appended, in order, opened from @in straight into its place
 *
 * A KeyUpdate is answered in front of the next sealed record (RFC 8446 4.6.3 asks for no more, and for one answer to
 * many), so that the order on the wire is that of the callers who seal. We never ask for one in return.
 *
 * Return: 0, ERR_EOF after close_notify (@plain holds what came before it), ERR_PROTO or ERR_CRYPTO (bad tag, alert,
 * unexpected message; records_alert() and records_refusal() tell which) or ERR_NOMEM with the connection lost: nothing
 * can be sealed any more, and records_close() gives the alert that the peer must get. Calls after that return the same.
 */
int records_open(struct records *r, const uint8_t *in, size_t len, struct buf *plain);

/** records_alert() - The alert by which the peer ended the connection, -1: none; tells a client why it is refused */
int records_alert(const struct records *r);

/** records_refusal() - The alert by which we ended it, -1: none */
int records_refusal(const struct records *r);

/**
 * records_close() - Append our last record to @out
 *
 * It is the alert that says why records_open() failed, nothing when the peer's alert was the reason, else close_notify.
 * Nothing can be sealed afterwards, and a second call appends nothing. Without memory nothing is appended.
 */
void records_close(struct records *r, struct buf *out);

/** records_sealed() - Records and bytes of content sealed so far; limits of a generation are judged by them */
void records_sealed(const struct records *r, uint64_t *records, uint64_t *bytes);

/** records_opened() - The same for the other direction */
void records_opened(const struct records *r, uint64_t *records, uint64_t *bytes);

/** records_free() - Wipe the keys and free; accepts NULL */
void records_free(struct records *r);

#endif
