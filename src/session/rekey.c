/* SPDX-License-Identifier: Apache-2.0 */
/* When the next generation is due. */
#include "session/rekey.h"

#include "base/clock.h"
#include "base/random.h"

static uint64_t due_after(const struct rekey_limits *limits, uint64_t now_ms)
{
	uint64_t jitter = limits->interval_ms * REKEY_JITTER_PERCENT / 100;

	if (!limits->interval_ms)
		return CLOCK_NEVER;
	return now_ms + limits->interval_ms - random_below((uint32_t)jitter + 1);
}

void rekey_init(struct rekey *r, const struct rekey_limits *limits, uint64_t now_ms)
{
	r->limits = *limits;
	rekey_done(r, now_ms);
}

void rekey_done(struct rekey *r, uint64_t now_ms)
{
	r->begun_ms = now_ms;
	r->due_ms = due_after(&r->limits, now_ms);
	r->retry_ms = 0;
	r->asked = r->opening = false;
}

void rekey_failed(struct rekey *r, uint64_t now_ms)
{
	r->retry_ms = r->retry_ms ? r->retry_ms * 2 : REKEY_RETRY_FIRST_MS;
	if (r->retry_ms > REKEY_RETRY_MAX_MS)
		r->retry_ms = REKEY_RETRY_MAX_MS;
	r->due_ms = now_ms + r->retry_ms;
	r->asked = r->opening = false;
}

void rekey_ask(struct rekey *r)
{
	r->asked = true;
}

bool rekey_due(const struct rekey *r, uint64_t now_ms, uint64_t records, uint64_t bytes)
{
	if (r->opening)
		return false;
	if (r->asked || now_ms >= r->due_ms)
		return true;
	return !r->retry_ms && rekey_used_up(r, records, bytes);
}

bool rekey_used_up(const struct rekey *r, uint64_t records, uint64_t bytes)
{
	return records >= r->limits.records || bytes >= r->limits.bytes;
}

void rekey_opening(struct rekey *r)
{
	r->opening = true;
	r->asked = false;
}

static uint64_t expiry(const struct rekey *r)
{
	uint64_t life = 2 * r->limits.interval_ms;

	if (!r->limits.interval_ms)
		return CLOCK_NEVER;
	return r->begun_ms + (life > REKEY_EXPIRY_MIN_MS ? life : REKEY_EXPIRY_MIN_MS);
}

bool rekey_expired(const struct rekey *r, uint64_t now_ms)
{
	return now_ms >= expiry(r);
}

uint64_t rekey_deadline(const struct rekey *r, bool initiator)
{
	return initiator && !r->opening ? clock_sooner(r->due_ms, expiry(r)) : expiry(r);
}
