/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How much a source may cost that sends records from an unknown flow. They may be those of a session whose address has
 * been translated anew, which only trying its keys can tell; or anybody's. Each source has a bucket of trials that
 * fills up again with time. Buckets are fixed in number and shared by sources that fall into the same one, so nothing
 * grows; of IPv6 a source is its /64.
 */
#ifndef SESSION_TRIALS_H
#define SESSION_TRIALS_H

#include <stdint.h>

struct addr;

enum {
	TRIALS_DATAGRAM = 8, /* for one datagram */
	TRIALS_BURST = 64,   /* a full bucket */
	TRIALS_PER_SECOND = 32,
	TRIALS_BUCKETS = 256,
};

/* Of all workers; whoever asks holds the lock around it. */
struct trials {
	uint64_t key; /* random: nobody chooses whose bucket to empty */
	struct {
		uint64_t filled_ms; /* time up to which it has been filled */
		unsigned left;
	} buckets[TRIALS_BUCKETS];
};

/** trials_init() - All buckets full at @now_ms */
void trials_init(struct trials *t, uint64_t now_ms);

/**
 * trials_take() - Take from the bucket of a source
 * @t:      buckets
 * @source: outer address
 * @wanted: keys that come into question
 * @now_ms: time
 *
 * Return: how many of them may be tried: @wanted, TRIALS_DATAGRAM or what is left, whichever is least.
 */
unsigned trials_take(struct trials *t, const struct addr *source, unsigned wanted, uint64_t now_ms);

#endif
