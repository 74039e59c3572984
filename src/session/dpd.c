/* SPDX-License-Identifier: Apache-2.0 */
/* Dead-peer detection of one channel. */
#include "session/dpd.h"

#include "base/clock.h"

void dpd_init(struct dpd *d, unsigned interval_s, unsigned keepalive_s, uint64_t now_ms)
{
	*d = (struct dpd){
		.interval_ms = (uint64_t)interval_s * 1000,
		.keepalive_ms = (uint64_t)keepalive_s * 1000,
		.received_ms = now_ms,
		.sent_ms = now_ms,
	};
}

void dpd_received(struct dpd *d, uint64_t now_ms)
{
	d->received_ms = now_ms;
	d->probed_ms = 0;
}

void dpd_sent(struct dpd *d, uint64_t now_ms)
{
	d->sent_ms = now_ms;
}

static uint64_t next_probe(const struct dpd *d)
{
	if (!d->interval_ms)
		return CLOCK_NEVER;
	return d->probed_ms ? d->probed_ms + d->interval_ms / 2 : d->received_ms + d->interval_ms;
}

static uint64_t next_keepalive(const struct dpd *d)
{
	return d->keepalive_ms ? d->sent_ms + d->keepalive_ms : CLOCK_NEVER;
}

/* Never without a probe that the peer had time to answer: we may have been kept from asking. */
static uint64_t death(const struct dpd *d)
{
	uint64_t silent = d->received_ms + 2 * d->interval_ms, unanswered = d->probed_ms + d->interval_ms / 2;

	if (!d->interval_ms || !d->probed_ms)
		return CLOCK_NEVER;
	return silent > unanswered ? silent : unanswered;
}

enum dpd_verdict dpd_check(struct dpd *d, uint64_t now_ms)
{
	if (now_ms >= death(d))
		return DPD_DEAD;
	if (now_ms >= next_probe(d)) {
		d->probed_ms = d->sent_ms = now_ms;
		return DPD_PROBE;
	}
	if (now_ms >= next_keepalive(d)) {
		d->sent_ms = now_ms;
		return DPD_KEEPALIVE;
	}
	return DPD_QUIET;
}

uint64_t dpd_deadline(const struct dpd *d)
{
	return clock_sooner(death(d), clock_sooner(next_probe(d), next_keepalive(d)));
}
