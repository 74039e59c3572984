/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The replay window of one generation's datagrams (RFC 6347 4.1.2.6): which of the newest REPLAY_WINDOW numbers have
 * been received. The bits lie in a ring of words (RFC 6479): number n is bit n % 64 of word n / 64 % REPLAY_WORDS. The
 * ring has one word more than the window, so moving on clears whole words and shifts nothing.
 *
 * A record is asked about before it is opened and marked only after its tag was right: a forger moves nothing.
 */
#ifndef WIRE_REPLAY_H
#define WIRE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	REPLAY_WINDOW = 8192, /* a fast path reorders over thousands of packets; RFC 6347's 64 is less than a batch */
	REPLAY_WORDS = REPLAY_WINDOW / 64 + 1,
};

struct replay {
	uint64_t next; /* one above the highest number received; all zero is a window that has seen nothing */
	uint64_t seen[REPLAY_WORDS];
};

/** replay_fresh() - Whether a record with this number may be opened: not received yet, and not older than the window */
bool replay_fresh(const struct replay *r, uint64_t number);

/** replay_mark() - Note an authentic record, for which replay_fresh() is true; a number above all others moves the
 * window */
void replay_mark(struct replay *r, uint64_t number);

#endif
