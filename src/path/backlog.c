/* SPDX-License-Identifier: Apache-2.0 */
/* Records that wait for their socket. */
#include "path/backlog.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

struct backlog_run {
	struct udp_batch left;
	STAILQ_ENTRY(backlog_run) next;
	uint8_t records[];
};

void backlog_init(struct backlog *b)
{
	STAILQ_INIT(&b->runs);
	b->len = 0;
}

int backlog_add(struct backlog *b, const struct udp_batch *run)
{
	struct backlog_run *r;

	if (run->len > BACKLOG_BYTES_MAX - b->len)
		return ERR_FULL;
	r = malloc(sizeof(*r) + run->len);
	if (!r)
		return ERR_NOMEM;
	r->left = *run;
	r->left.records = r->records;
	memcpy(r->records, run->records, run->len);
	STAILQ_INSERT_TAIL(&b->runs, r, next);
	b->len += run->len;
	return 0;
}

const struct udp_batch *backlog_front(const struct backlog *b)
{
	return backlog_empty(b) ? NULL : &STAILQ_FIRST(&b->runs)->left;
}

static size_t count_of(const struct udp_batch *run)
{
	return udp_records(run->len, run->stride);
}

void backlog_done(struct backlog *b, size_t records)
{
	struct backlog_run *r = STAILQ_FIRST(&b->runs);
	size_t bytes = records < count_of(&r->left) ? records * r->left.stride : r->left.len;

	assert(records <= count_of(&r->left));
	r->left.records += bytes;
	r->left.len -= bytes;
	b->len -= bytes;
	if (r->left.len)
		return;
	STAILQ_REMOVE_HEAD(&b->runs, next);
	free(r);
}

unsigned backlog_fini(struct backlog *b)
{
	const struct udp_batch *front;
	size_t dropped = 0;

	while ((front = backlog_front(b))) {
		dropped += count_of(front);
		backlog_done(b, count_of(front));
	}
	return (unsigned)dropped;
}
