/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that wait for a channel: bounded in bytes, each no longer than a time. */
#ifndef SESSION_QUEUE_H
#define SESSION_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "ip/tun_header.h"

enum { QUEUE_BYTES_MAX = 512 * 1024, QUEUE_AGE_MAX_MS = 2000 };

struct queue {
	struct buf bytes; /* entries: time, length, header, packet; no storage while empty */
};

/** queue_push() - Copy a packet, as read with its header, to the end. Return: 0, ERR_FULL, or ERR_NOMEM */
int queue_push(struct queue *q, const struct tun_header *header, const uint8_t *packet, size_t len, uint64_t now_ms);

/**
 * queue_expire() - Throw away from the front what is not worth sending any more
 *
 * Return: how many packets; at a cost for these alone, so it may be called for every packet.
 */
unsigned queue_expire(struct queue *q, uint64_t now_ms);

/** queue_front() - The oldest packet, valid until the next call on @q, its header and length; NULL: there is none */
const uint8_t *queue_front(struct queue *q, struct tun_header *header, size_t *len);

/** queue_pop() - Drop the packet that queue_front() gave */
void queue_pop(struct queue *q);

/** queue_empty() - Whether nothing waits */
static inline bool queue_empty(const struct queue *q)
{
	return !buf_len(&q->bytes);
}

/** queue_fini() - Drop everything and free */
void queue_fini(struct queue *q);

#endif
