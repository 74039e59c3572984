/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose a record may be that comes from an address of no flow: the client has moved, or a translator on the way has
 * given it another port. Only trying the keys of sessions can tell, and there may be ten thousand of them. So those are
 * looked at that are likely, of all workers:
 *
 *   near    their client is at that address, with another port; or was there before it moved last
 *   silent  they were sent to and have not answered, or their client hears nothing, wherever it was
 *
 * ROAM_LOOK of each at most, and of those the ones whose next record would have a number closest to this one's. Each
 * costs its source a trial (session/trials.h), looking costs one as well.
 *
 * A client that moved while nobody sends to it and that shares its new address with no earlier one of its own is not
 * found; nor is one behind an address with thousands of others, if it is unlucky. It gets no answers, and is back with
 * another handshake.
 */
#ifndef PATH_ROAM_H
#define PATH_ROAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "session/trials.h"

struct path;
struct roam;
struct session;

enum {
	ROAM_LOOK = 1024,     /* in a list for one record */
	ROAM_AHEAD = 1 << 20, /* numbers that may be lost while a client moves: a second at 10 Gbit/s */
	ROAM_PLACES = 2,      /* the address of the client, and the one before */
};

/* A flow's entry. Its own worker writes it, by the functions below. */
struct roamer {
	/* set before roam_add(), then fixed */
	struct session *session; /* referenced by the owner */
	struct path *path;
	uint64_t serial;
	struct roam_place {
		struct addr addr; /* ADDR_NONE: none */
		struct roamer *roamer;
		LIST_ENTRY(roam_place) next;
	} places[ROAM_PLACES];

	_Atomic uint64_t next; /* a newer record has at least this number */
	bool added, silent;
	TAILQ_ENTRY(roamer) next_silent;
};

struct roam_candidate {
	struct session *session; /* referenced */
	struct path *path;
	uint64_t serial;
	uint64_t ahead; /* numbers between its next and the record's */
};

/** roam_new() - Empty, for all workers; NULL without memory */
struct roam *roam_new(uint64_t now_ms);

/** roam_add() / roam_remove() - A flow can be looked for from now on, or no more; the latter also when it could not */
void roam_add(struct roam *r, struct roamer *who);
void roam_remove(struct roam *r, struct roamer *who);

/** roam_silent() - Whether its client was sent to and does not answer */
void roam_silent(struct roam *r, struct roamer *who, bool silent);

/**
 * roam_find() - Whose a record may be; from any worker
 * @r:      flows
 * @from:   whence it comes
 * @number: of the record
 * @now_ms: time
 * @out:    filled, the likeliest first; the caller drops the references
 *
 * Return: how many may be tried.
 */
size_t roam_find(struct roam *r, const struct addr *from, uint64_t number, uint64_t now_ms,
		 struct roam_candidate out[TRIALS_DATAGRAM]);

/** roam_free() - No flow may be left; accepts NULL */
void roam_free(struct roam *r);

#endif
