/* SPDX-License-Identifier: Apache-2.0 */
/* Whether datagrams still pass. */
#include "session/probe.h"

#include "base/clock.h"

bool probe_sent(struct probe *p, uint64_t now_ms)
{
	uint64_t none = 0;

	if (!atomic_load(&p->waiting_ms))
		atomic_compare_exchange_strong(&p->waiting_ms, &none, now_ms);
	return !atomic_load(&p->watched) && !atomic_exchange(&p->watched, true);
}

void probe_received(struct probe *p)
{
	if (atomic_load(&p->waiting_ms)) /* called for every record, and another core may be sending */
		atomic_store(&p->waiting_ms, 0);
	p->unanswered = 0;
}

bool probe_answered(struct probe *p)
{
	bool was_away = p->away;

	p->away = false;
	return was_away;
}

static uint64_t next_probe(const struct probe *p)
{
	uint64_t waiting_ms = atomic_load(&p->waiting_ms);

	if (p->unanswered)
		return p->probed_ms + PROBE_ANSWER_MS;
	if (p->away)
		return p->probed_ms + PROBE_AWAY_MS;
	return waiting_ms ? waiting_ms + PROBE_SILENCE_MS : CLOCK_NEVER;
}

static enum probe_verdict check_away(struct probe *p, uint64_t now_ms)
{
	if (p->unanswered) {
		p->unanswered = 0;
		return PROBE_VAIN;
	}
	p->probed_ms = now_ms;
	p->unanswered = 1;
	return PROBE_SEND;
}

enum probe_verdict probe_check(struct probe *p, uint64_t now_ms)
{
	if (now_ms < next_probe(p))
		return PROBE_QUIET;
	if (p->away)
		return check_away(p, now_ms);
	p->probed_ms = now_ms;
	if (p->unanswered == PROBE_TRIES) {
		p->away = true;
		p->unanswered = 1;
		return PROBE_LOST;
	}
	p->unanswered++;
	return PROBE_SEND;
}

/* What is heard at once ends the waiting, but more is about to be sent: that need not wake the watcher each time. */
static bool look_again(struct probe *p, uint64_t now_ms)
{
	if (!atomic_load(&p->watched))
		return false;
	if (!p->look_ms)
		p->look_ms = now_ms + PROBE_SILENCE_MS;
	return now_ms < p->look_ms;
}

uint64_t probe_deadline(struct probe *p, uint64_t now_ms)
{
	uint64_t next = next_probe(p);

	if (next == CLOCK_NEVER && look_again(p, now_ms))
		return p->look_ms;
	if (next == CLOCK_NEVER) {
		atomic_store(&p->watched, false);
		next = next_probe(p); /* sent before it could see that nobody watches */
	}
	if (next != CLOCK_NEVER)
		atomic_store(&p->watched, true);
	p->look_ms = next == CLOCK_NEVER ? 0 : next;
	return next;
}
