/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dead-peer detection of one channel. Nothing received for the interval: a probe, repeated at half the interval;
 * nothing for twice the interval, a probe of half of it among them: dead. Nothing sent for the keepalive interval: a
 * keepalive. Time comes in, a verdict and a deadline go out.
 */
#ifndef SESSION_DPD_H
#define SESSION_DPD_H

#include <stdint.h>

struct dpd {
	uint64_t interval_ms;  /* 0: never probes, never dead */
	uint64_t keepalive_ms; /* 0: none */
	uint64_t received_ms;  /* last authenticated record */
	uint64_t sent_ms;      /* last record of ours */
	uint64_t probed_ms;    /* last probe, 0 when none since received_ms */
};

enum dpd_verdict { DPD_QUIET, DPD_PROBE, DPD_KEEPALIVE, DPD_DEAD };

/** dpd_init() - Begin at @now_ms; intervals in seconds, 0 is off */
void dpd_init(struct dpd *d, unsigned interval_s, unsigned keepalive_s, uint64_t now_ms);

/** dpd_received() - An authenticated record arrived */
void dpd_received(struct dpd *d, uint64_t now_ms);

/** dpd_sent() - A record was sent */
void dpd_sent(struct dpd *d, uint64_t now_ms);

/** dpd_check() - What to do now; DPD_PROBE and DPD_KEEPALIVE are counted as done */
enum dpd_verdict dpd_check(struct dpd *d, uint64_t now_ms);

/** dpd_deadline() - When dpd_check() may say something new; CLOCK_NEVER if it will not */
uint64_t dpd_deadline(const struct dpd *d);

#endif
