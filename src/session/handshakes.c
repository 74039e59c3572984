/* SPDX-License-Identifier: Apache-2.0 */
/* The datagram handshakes of a session. */
#include "session/handshakes.h"

#include "base/clock.h"
#include "crypto/dtls.h"

static bool same_flow(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

/* How gladly this place is given to a newcomer; 0: not at all. */
static int worth(const struct handshake *h, const struct handshake *wanted)
{
	if (!h->dtls)
		return 3;
	if (same_flow(&h->peer, &wanted->peer))
		return 4;
	if (h->done)
		return 2;
	return wanted->known && !h->known;
}

struct handshake *handshakes_begin(struct handshakes *hs, const struct handshake *wanted, uint64_t now_ms)
{
	struct handshake *best = hs->places;

	for (int i = 1; i < HANDSHAKES_MAX; i++)
		if (worth(&hs->places[i], wanted) > worth(best, wanted))
			best = &hs->places[i];
	if (!worth(best, wanted))
		return NULL;
	handshake_end(best);
	*best = *wanted;
	best->done = false;
	best->end_ms = now_ms + HANDSHAKE_MS;
	return best;
}

static void on_send(void *arg, const uint8_t *datagram, size_t len)
{
	struct handshake *h = arg;

	h->events->send(h, datagram, len);
}

void handshake_take(struct handshake *h, const uint8_t *datagram, size_t len, uint64_t now_ms)
{
	enum tls_step step = dtls_handshake(h->dtls, datagram, len, on_send, h);

	if (step == TLS_MORE || h->done)
		return;
	if (step == TLS_FAILED) {
		h->events->failed(h, dtls_failure(h->dtls));
		handshake_end(h);
		return;
	}
	h->done = true;
	h->end_ms = now_ms + HANDSHAKE_LINGER_MS;
	h->events->done(h);
	if (h->role == TLS_CLIENT)
		handshake_end(h);
}

void handshake_end(struct handshake *h)
{
	dtls_free(h->dtls);
	*h = (struct handshake){ 0 };
}

static uint64_t tick(struct handshake *h, uint64_t now_ms)
{
	if (now_ms >= h->end_ms) {
		if (!h->done)
			h->events->failed(h, dtls_waiting(h->dtls));
		handshake_end(h);
		return CLOCK_NEVER;
	}
	if (now_ms >= dtls_deadline(h->dtls, now_ms))
		handshake_take(h, NULL, 0, now_ms);
	return h->dtls ? clock_sooner(h->end_ms, dtls_deadline(h->dtls, now_ms)) : CLOCK_NEVER;
}

uint64_t handshakes_tick(struct handshakes *hs, uint64_t now_ms)
{
	uint64_t at = CLOCK_NEVER;

	for (int i = 0; i < HANDSHAKES_MAX; i++)
		if (hs->places[i].dtls)
			at = clock_sooner(at, tick(&hs->places[i], now_ms));
	return at;
}

void handshakes_fini(struct handshakes *hs)
{
	for (int i = 0; i < HANDSHAKES_MAX; i++)
		handshake_end(&hs->places[i]);
}
