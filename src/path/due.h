/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a timer is due, and whether its loop comes too late for that. The loop runs timers before it looks at sockets.
 * When it was kept from running for long, what has arrived meanwhile is to be read first: it may be the answer that the
 * deadline was for, or the last records of a channel that is being left.
 */
#ifndef PATH_DUE_H
#define PATH_DUE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"

enum { DUE_LATE_MS = 100 };

struct due {
	uint64_t at_ms; /* CLOCK_NEVER: nothing is due */
	bool late;      /* the sockets come first, this once */
};

/**
 * due_is_late() - In the timer's callback: whether to let the sockets come first
 *
 * Return: true when the timer is to be started again with 1 ms (0 would come before the sockets again); never twice in
 * a row.
 */
static inline bool due_is_late(struct due *d, uint64_t now_ms)
{
	d->late = !d->late && d->at_ms != CLOCK_NEVER && now_ms > d->at_ms + DUE_LATE_MS;
	return d->late;
}

#endif
