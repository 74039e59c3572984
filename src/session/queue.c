/* SPDX-License-Identifier: Apache-2.0 */
/* Packets that wait for a channel. */
#include "session/queue.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

struct entry {
	uint64_t queued_ms;
	size_t len;
	struct tun_header header;
};

static struct entry front_entry(const struct queue *q)
{
	struct entry e;

	assert(buf_len(&q->bytes) >= sizeof(e));
	memcpy(&e, buf_data(&q->bytes), sizeof(e));
	return e;
}

int queue_push(struct queue *q, const struct tun_header *header, const uint8_t *packet, size_t len, uint64_t now_ms)
{
	struct entry e = { .queued_ms = now_ms, .len = len, .header = *header };
	uint8_t *at;
	int r;

	if (buf_len(&q->bytes) + sizeof(e) + len > QUEUE_BYTES_MAX)
		return ERR_FULL;
	if ((r = buf_reserve(&q->bytes, sizeof(e) + len, &at)) < 0)
		return r;
	memcpy(at, &e, sizeof(e));
	memcpy(at + sizeof(e), packet, len);
	buf_grow(&q->bytes, sizeof(e) + len);
	return 0;
}

/* The worker that queued a packet may be a moment ahead. */
static bool is_stale(const struct queue *q, uint64_t now_ms)
{
	return now_ms > front_entry(q).queued_ms + QUEUE_AGE_MAX_MS;
}

unsigned queue_expire(struct queue *q, uint64_t now_ms)
{
	unsigned expired = 0;

	for (; !queue_empty(q) && is_stale(q, now_ms); expired++)
		queue_pop(q);
	return expired;
}

const uint8_t *queue_front(struct queue *q, struct tun_header *header, size_t *len)
{
	struct entry e;

	if (queue_empty(q))
		return NULL;
	e = front_entry(q);
	*header = e.header;
	*len = e.len;
	return buf_data(&q->bytes) + sizeof(struct entry);
}

void queue_pop(struct queue *q)
{
	buf_consume(&q->bytes, sizeof(struct entry) + front_entry(q).len);
	if (queue_empty(q))
		buf_fini(&q->bytes);
}

void queue_fini(struct queue *q)
{
	buf_fini(&q->bytes);
}
