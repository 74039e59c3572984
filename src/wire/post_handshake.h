/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Handshake messages after the handshake (RFC 8446 4.6). A message may span records, and a record hold several.
 * KeyUpdate is followed, tickets are passed over, everything else is refused: a certificate, for one, is only asked for
 * in the handshake.
 */
#ifndef WIRE_POST_HANDSHAKE_H
#define WIRE_POST_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum post_handshake_event {
	POST_HANDSHAKE_NOTHING,
	POST_HANDSHAKE_KEY_UPDATE,           /* the peer's next record has new keys */
	POST_HANDSHAKE_KEY_UPDATE_REQUESTED, /* likewise, and ours should have new ones, too */
};

/* All zero to begin with, but for tickets. */
struct post_handshake {
	bool tickets;   /* the peer is a server and may send them */
	uint8_t got[5]; /* of the message that has begun: its header, and the one byte of a KeyUpdate */
	uint8_t got_len;
	uint32_t skip; /* bytes of a ticket that are still to come */
};

/** post_handshake_amid() - Whether a message has begun and not ended: no record of another kind may come now (5.1) */
static inline bool post_handshake_amid(const struct post_handshake *p)
{
	return p->got_len || p->skip;
}

/**
 * post_handshake_take() - Read the content of one record
 * @p:     state
 * @bytes: content
 * @len:   bytes at @bytes
 * @event: what it asks for, at most one thing; unset on refusal
 *
 * Return: 0, or the alert with which to refuse it.
 */
int post_handshake_take(struct post_handshake *p, const uint8_t *bytes, size_t len, enum post_handshake_event *event);

#endif
