/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How long the packets may be that datagrams carry on a way, found out by sending (DPLPMTUD, RFC 8899), for ICMP can be
 * forged and is eaten by many. A probe is a request as long as a packet of the size in question, sent alone; its answer
 * is short. With each goes a short request: when that is answered and the probe is not, PMTU_TRIES times, such packets
 * do not pass; unless the peer reports that what is sent arrives, for then the way is merely full.
 *
 *   at the beginning         the base, until a longer size is confirmed; what is longer goes by the stream meanwhile
 *   search                   from the longest size downwards, few sizes; the first that is answered is used
 *   long packets are sent    the size in use is confirmed again each PMTU_CONFIRM_MS; lost: at once the base, and
 * search below the longest        search again after PMTU_RAISE_MS, then twice as long, up to PMTU_RAISE_MAX_MS
 *
 * The last size is what every way must carry; it is never probed. An answer that comes late counts all the same.
 */
#ifndef SESSION_PMTU_H
#define SESSION_PMTU_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

enum {
	PMTU_ANSWER_MS = 300,
	PMTU_TRIES = 3,
	PMTU_CONFIRM_MS = 1000,
	PMTU_RAISE_MS = 30000,
	PMTU_RAISE_MAX_MS = 600000, /* RFC 8899, section 5.1.1 */
	PMTU_SIZES = 8,
};

struct pmtu {
	/* fixed */
	unsigned sizes[PMTU_SIZES]; /* of packets inside, longest first */
	unsigned count, base;       /* how many; which one needs no probe to begin with */
	/* which of them */
	unsigned known;   /* is in use */
	unsigned probing; /* is being probed; count: none */
	/* the one being probed */
	unsigned tries;
	uint64_t probed_ms; /* the last try */
	bool short_passes;  /* a short request was answered since the first */
	/* none is being probed */
	uint64_t confirmed_ms;
	uint64_t raise_ms, raise_after_ms; /* next search; and how long behind this one */
};

/**
 * pmtu_init() - Begin with a search
 * @p:       filled
 * @outer:   IP version of the datagrams
 * @longest: packet that is ever sent, or that the way is known to carry at most
 * @known:   length that an older channel has found on the same way; 0: none
 */
void pmtu_init(struct pmtu *p, enum addr_family outer, unsigned longest, unsigned known);

/** pmtu_restart() - The way may be another: the base again, and search */
void pmtu_restart(struct pmtu *p);

/** pmtu_max() - The longest packet that may be sent */
static inline unsigned pmtu_max(const struct pmtu *p)
{
	return p->sizes[p->known];
}

/** pmtu_below() - What to use when packets of @len bytes are refused; from any thread */
unsigned pmtu_below(const struct pmtu *p, unsigned len);

/**
 * pmtu_check() - What to do now
 * @p:        state
 * @in_use:   whether long packets were sent since the last probe
 * @now_ms:   time
 *
 * Return: length of the packet to send as a probe, with a short request behind it; counted as done. 0: nothing is due.
 */
unsigned pmtu_check(struct pmtu *p, bool in_use, uint64_t now_ms);

/** pmtu_short_answered() - A short request was answered */
void pmtu_short_answered(struct pmtu *p);

/**
 * pmtu_reported() - A short request was answered, by a peer that tells what else it has received
 * @p:      state
 * @arrive: whether packets as long as those that were sent since the last try have arrived
 * @now_ms: time
 *
 * What is lost where too much is sent is not lost for its length: some of it arrives. The first report on a size also
 * speaks of the time before its probe and is not believed.
 */
void pmtu_reported(struct pmtu *p, bool arrive, uint64_t now_ms);

/** pmtu_answered() - A probe of @len bytes was answered. Of other lengths than ours nothing is made */
void pmtu_answered(struct pmtu *p, unsigned len, uint64_t now_ms);

/** pmtu_refused() - Our own kernel says that packets of the length in use do not pass */
void pmtu_refused(struct pmtu *p);

/** pmtu_probing() - Length of the probe that is under way; 0: none */
static inline unsigned pmtu_probing(const struct pmtu *p)
{
	return p->probing < p->count && p->tries ? p->sizes[p->probing] : 0;
}

/** pmtu_settled() - Whether no probe is under way, nor to be sent at once */
static inline bool pmtu_settled(const struct pmtu *p)
{
	return p->probing == p->count;
}

/** pmtu_deadline() - Behind pmtu_check(): when to call it again, 0: at once, CLOCK_NEVER if no time matters */
uint64_t pmtu_deadline(const struct pmtu *p, bool in_use);

#endif
