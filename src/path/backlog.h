/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sealed records that a full socket has not taken: run by run, until it is writable again. Bounded in bytes.
 */
#ifndef PATH_BACKLOG_H
#define PATH_BACKLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "io/udp.h"

/* What is left of a super-packet, and a session's queue (session/queue.h) with what sealing adds to small packets. */
enum { BACKLOG_BYTES_MAX = 1 << 20 };

struct backlog {
	STAILQ_HEAD(, backlog_run) runs; /* no storage while empty */
	size_t len;                      /* bytes in them */
};

/** backlog_init() - Empty */
void backlog_init(struct backlog *b);

/** backlog_empty() - Whether nothing waits */
static inline bool backlog_empty(const struct backlog *b)
{
	return STAILQ_EMPTY(&b->runs);
}

/** backlog_add() - Copy a run of records to the end. Return: 0, ERR_FULL, or ERR_NOMEM */
int backlog_add(struct backlog *b, const struct udp_batch *run);

/** backlog_front() - What is left of the oldest run, valid until the next call on @b; NULL: nothing waits */
const struct udp_batch *backlog_front(const struct backlog *b);

/** backlog_done() - The first @records of that run are dealt with: at most all of them */
void backlog_done(struct backlog *b, size_t records);

/** backlog_fini() - Drop everything and free. Return: how many records that were */
unsigned backlog_fini(struct backlog *b);

#endif
