/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the next generation is due: by time with jitter, by records, by bytes, or asked for; with a back-off after a
 * failure, and with the end of a generation that nobody renewed.
 */
#ifndef SESSION_REKEY_H
#define SESSION_REKEY_H

#include <stdbool.h>
#include <stdint.h>

enum {
	REKEY_JITTER_PERCENT =
		10, /* up to this much of the interval earlier, so that clients do not come all at once */
	REKEY_RETRY_FIRST_MS = 1000,
	REKEY_RETRY_MAX_MS = 30000,
	REKEY_EXPIRY_MIN_MS = 30000,
};

struct rekey_limits {
	uint64_t interval_ms; /* 0: never by time, and no expiry */
	uint64_t records;     /* sealed or opened under one generation */
	uint64_t bytes;
};

struct rekey {
	struct rekey_limits limits;
	uint64_t begun_ms; /* this generation's start */
	uint64_t due_ms;   /* by time, or the next try after a failure */
	uint64_t retry_ms; /* present back-off, 0 after a success */
	bool asked;
	bool opening; /* the next generation is being set up */
};

/** rekey_init() - Begin the first generation at @now_ms */
void rekey_init(struct rekey *r, const struct rekey_limits *limits, uint64_t now_ms);

/** rekey_done() - A new generation carries the traffic since @now_ms */
void rekey_done(struct rekey *r, uint64_t now_ms);

/** rekey_failed() - Setting it up failed: try again after the back-off */
void rekey_failed(struct rekey *r, uint64_t now_ms);

/** rekey_ask() - Somebody wants it now */
void rekey_ask(struct rekey *r);

/**
 * rekey_due() - Whether to begin now; false while one is being set up
 * @r:       state
 * @now_ms:  time
 * @records: of the busier direction so far
 * @bytes:   likewise
 */
bool rekey_due(const struct rekey *r, uint64_t now_ms, uint64_t records, uint64_t bytes);

/** rekey_used_up() - Whether so many records or bytes are enough for a generation; reads only the limits */
bool rekey_used_up(const struct rekey *r, uint64_t records, uint64_t bytes);

/** rekey_opening() - It has begun */
void rekey_opening(struct rekey *r);

/** rekey_expired() - Whether this generation has outlived max(2 x interval, 30 s) */
bool rekey_expired(const struct rekey *r, uint64_t now_ms);

/** rekey_deadline() - When rekey_due() by time or rekey_expired() turns true; @initiator: whether this end begins */
uint64_t rekey_deadline(const struct rekey *r, bool initiator);

#endif
