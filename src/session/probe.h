/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether datagrams still pass, found out within two seconds while there is something to send:
 *
 *   sent, and nothing received for PROBE_SILENCE_MS    a probe
 *   PROBE_TRIES unanswered, PROBE_ANSWER_MS each       away
 *   away                                               a probe every PROBE_AWAY_MS; its answer, and nothing else, shows
 *                                                      that both directions pass again
 *
 * Who sends may be another thread than the one that watches. The watcher is told of the first sending after a silence
 * and then looks again and again, PROBE_SILENCE_MS apart, until nothing is sent any more.
 */
#ifndef SESSION_PROBE_H
#define SESSION_PROBE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
	PROBE_SILENCE_MS = 400,
	PROBE_ANSWER_MS = 300,
	PROBE_TRIES = 3,
	PROBE_AWAY_MS = 3000,
};

struct probe {
	_Atomic uint64_t
		waiting_ms;  /* since when an answer is wanted: the first sending since something was received */
	atomic_bool watched; /* the watcher has a deadline */
	/* the watcher only */
	uint64_t look_ms;    /* the deadline it was given */
	uint64_t probed_ms;  /* the last probe */
	unsigned unanswered; /* probes since something was received; away: whether the last one was just sent */
	bool away;
};

enum probe_verdict {
	PROBE_QUIET,
	PROBE_SEND, /* send a probe; counted as done */
	PROBE_LOST, /* away from now on; a probe is to be sent, too */
	PROBE_VAIN, /* away, and the last probe has not been answered either */
};

/**
 * probe_sent() - Something was sent that the peer will answer in some way; from any thread
 *
 * Return: whether the watcher must be told to call probe_check(), for it sleeps.
 */
bool probe_sent(struct probe *p, uint64_t now_ms);

/** probe_received() - An authenticated record arrived */
void probe_received(struct probe *p);

/** probe_answered() - It was an answer to a probe. Return: whether that ends being away */
bool probe_answered(struct probe *p);

/** probe_check() - What to do now */
enum probe_verdict probe_check(struct probe *p, uint64_t now_ms);

/** probe_deadline() - Behind probe_check(): when to call it again; CLOCK_NEVER until probe_sent() asks for it */
uint64_t probe_deadline(struct probe *p, uint64_t now_ms);

#endif
