/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait between attempts to reach the gateway. */
#include "client/backoff.h"

#include "base/random.h"

void backoff_init(struct backoff *b, uint64_t now_ms)
{
	*b = (struct backoff){ .begun_ms = now_ms };
}

unsigned backoff_next(struct backoff *b, uint64_t now_ms)
{
	unsigned max = now_ms - b->begun_ms < BACKOFF_EARLY_MS ? BACKOFF_EARLY_MAX_MS : BACKOFF_MAX_MS;

	b->last_ms = b->last_ms ? b->last_ms * 2 : BACKOFF_FIRST_MS;
	if (b->last_ms > max)
		b->last_ms = max;
	return b->last_ms - random_below(b->last_ms * BACKOFF_JITTER_PERCENT / 100 + 1);
}
