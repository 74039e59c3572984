/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The datagram handshakes of a session, two at most at once: one may take the other's place from elsewhere, after a
 * change of networks or beside the old generation. One that has not ended within HANDSHAKE_MS is thrown away, for
 * OpenSSL's own repetitions come ever later; a client then begins anew.
 *
 * A gateway keeps a finished handshake until the client's first record, HANDSHAKE_LINGER_MS at most: the client may not
 * have heard the end of it and ask again. A client's is gone with its end.
 *
 * All of it runs on the session's home worker.
 */
#ifndef SESSION_HANDSHAKES_H
#define SESSION_HANDSHAKES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "crypto/tls.h"
#include "io/sock.h"

struct dtls;
struct handshake;

enum { HANDSHAKES_MAX = 2, HANDSHAKE_MS = 4000, HANDSHAKE_LINGER_MS = 10000 };

/* None of them begins or ends a handshake at once. */
struct handshake_events {
	void (*send)(struct handshake *h, const uint8_t *datagram, size_t len);
	void (*done)(struct handshake *h); /* dtls_take_keys() is due */
	void (*failed)(struct handshake *h, const char *why);
};

struct handshake {
	struct dtls *dtls; /* owned; NULL: a free place */
	const struct handshake_events *events;
	void *owner;
	enum tls_role role;
	struct endpoint peer; /* other end of the flow */
	unsigned generation;  /* whose key it was given */
	bool known;           /* comes from where the session is known to be */
	bool done;            /* lingers */
	uint64_t end_ms;      /* thrown away at this time */
};

/* All zero: none. */
struct handshakes {
	struct handshake places[HANDSHAKES_MAX];
};

/**
 * handshakes_begin() - Set one up
 * @hs:     places
 * @wanted: role, peer, generation, known, events, owner and dtls; copied. dtls is owned from now on, unless NULL is
 *          returned
 * @now_ms: time
 *
 * Takes, in this order, the place of an older one of the same flow, a free one, that of one that lingers, or, being
 * known, that of one that is not: the App-ID travels in clear, and who has seen it may not keep the session's own
 * client out.
 *
 * Return: where it is, for handshake_take(); NULL when there is no place.
 */
struct handshake *handshakes_begin(struct handshakes *hs, const struct handshake *wanted, uint64_t now_ms);

/**
 * handshake_take() - Give a datagram to it, or NULL with @len 0 to let a client begin; see dtls_handshake()
 *
 * events->done or events->failed may be called; after failure, and at a client after the end, its place is free.
 */
void handshake_take(struct handshake *h, const uint8_t *datagram, size_t len, uint64_t now_ms);

/** handshake_end() - Free it and its place: the client's first record has been opened, or nobody wants it any more */
void handshake_end(struct handshake *h);

/** handshakes_tick() - Repeat what is due, throw away what has lasted too long. Return: when to call again */
uint64_t handshakes_tick(struct handshakes *hs, uint64_t now_ms);

/** handshakes_fini() - Free them all */
void handshakes_fini(struct handshakes *hs);

#endif
