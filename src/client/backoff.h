/* SPDX-License-Identifier: Apache-2.0 */
/* How long to wait between attempts to reach the gateway. */
#ifndef CLIENT_BACKOFF_H
#define CLIENT_BACKOFF_H

#include <stdint.h>

enum {
	BACKOFF_FIRST_MS = 200, /* doubles with each attempt */
	BACKOFF_EARLY_MS = 60000,
	BACKOFF_EARLY_MAX_MS = 2000, /* for so long after the tunnel was lost */
	BACKOFF_MAX_MS = 30000,      /* and later */
	BACKOFF_JITTER_PERCENT = 25, /* up to so much sooner, so that clients do not come all at once */
};

struct backoff {
	uint64_t begun_ms; /* when the tunnel was lost or first wanted */
	unsigned last_ms;  /* 0: no attempt has failed yet */
};

/** backoff_init() - Begin anew at @now_ms */
void backoff_init(struct backoff *b, uint64_t now_ms);

/** backoff_next() - An attempt failed: milliseconds to wait before the next one */
unsigned backoff_next(struct backoff *b, uint64_t now_ms);

#endif
