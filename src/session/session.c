/* SPDX-License-Identifier: Apache-2.0 */
/* A session and its moves from generation to generation; theory of operation in the header. */
#include "session/session.h"

#include <assert.h>
#include <endian.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "session/channel.h"
#include "session/datagram.h"
#include "wire/frame.h"
#include "wire/records.h"

static atomic_uint_fast64_t last_id;

static void free_networks(struct rcu_head *head)
{
	free(caa_container_of(head, struct session_networks, rcu));
}

static void free_session(struct rcu_head *head)
{
	struct session *s = caa_container_of(head, struct session, rcu);

	free(s->networks);
	pthread_mutex_destroy(&s->tx_lock);
	queue_fini(&s->queue);
	free(s);
}

static void set_tx(struct session *s, struct channel *c, bool handing_over)
{
	pthread_mutex_lock(&s->tx_lock);
	s->tx = c;
	s->handing_over = handing_over;
	pthread_mutex_unlock(&s->tx_lock);
}

/* Seals one control frame and sends it; a failure shows when the stream breaks. */
static void send_control(struct session *s, struct channel *c, uint8_t kind, const void *payload, size_t len,
			 uint64_t now_ms)
{
	int r;

	pthread_mutex_lock(&s->tx_lock);
	r = channel_seal(c, kind, payload, len);
	pthread_mutex_unlock(&s->tx_lock);
	if (r < 0)
		return;
	dpd_sent(&c->dpd, now_ms);
	s->io->flush(c);
}

static void close_channel(struct session *s, struct channel *c)
{
	pthread_mutex_lock(&s->tx_lock);
	if (s->tx == c)
		s->tx = NULL;
	c->state = CHANNEL_CLOSED;
	c->tx_ended = true;
	pthread_mutex_unlock(&s->tx_lock);
	if (s->current == c)
		s->current = NULL;
	if (s->next == c)
		s->next = NULL;
	if (s->leaving == c)
		s->leaving = NULL;
	s->io->close(c);
}

/* The older stream's END is in, or will not come: the newer one's data may flow. */
static void release_held(struct session *s)
{
	struct channel *c = s->current;

	s->hold_until_ms = 0;
	if (!c || !c->rx_held)
		return;
	c->rx_held = false;
	s->io->resume(c);
}

static void adopt(struct session *s, struct channel *c, unsigned dpd_s, unsigned keep_s, uint64_t now_ms)
{
	c->session = s;
	dpd_init(&c->dpd, dpd_s, keep_s, now_ms);
}

/* Nothing more is sealed on @c behind this; it is read to its end. */
static void leave(struct session *s, struct channel *c, uint64_t now_ms)
{
	c->state = CHANNEL_LEAVING;
	c->tx_ended = true;
	c->left_ms = now_ms;
	c->left_waiting = buf_len(&c->out);
	c->close_ms = now_ms + SESSION_LINGER_MS;
	s->leaving = c;
}

/* A slow link still carries what was sealed before END. */
static void linger(struct channel *c, uint64_t now_ms)
{
	c->close_ms = clock_sooner(now_ms + SESSION_LINGER_MS, c->left_ms + SESSION_LINGER_MAX_MS);
}

/* Under tx_lock: the last frame on the stream that we leave. */
static void seal_end(struct channel *c)
{
	uint64_t packets_be = htobe64(c->tx_packets);

	if (channel_seal(c, FRAME_END, &packets_be, sizeof(packets_be)) < 0)
		log_debug("could not seal END on generation %u", c->generation);
}

/* Sending moves to @c, and with it the session to c's generation. */
static void move(struct session *s, struct channel *c, bool with_end, uint64_t now_ms)
{
	struct channel *old = s->current;

	pthread_mutex_lock(&s->tx_lock);
	if (old) {
		if (with_end)
			seal_end(old);
		leave(s, old, now_ms);
	}
	c->state = CHANNEL_CURRENT;
	s->tx = c;
	s->peer = c->peer;
	s->generation = c->generation;
	s->used_up = false;
	s->handing_over = false;
	pthread_mutex_unlock(&s->tx_lock);

	s->current = c;
	s->next = NULL;
	s->keep_until_ms = 0;
	s->spent = false;
	rekey_done(&s->rekey, now_ms);
	if (old)
		s->io->flush(old);
	s->io->flush(c);
	s->events->moved(s);
	s->away = false;
	s->io->outdate(s);
}

void session_end_generation(struct session *s)
{
	s->spent = true;
	s->io->drop(s, s->generation + 1);
	s->events->generation_over(s);
}

/* No stream is left: keep the session for as long as its cookie is good. */
static void maybe_lost(struct session *s, const char *why, uint64_t now_ms)
{
	if (s->current || s->next || s->ending || s->keep_until_ms)
		return;
	s->keep_until_ms = s->keep_seconds ? now_ms + (uint64_t)s->keep_seconds * 1000 : CLOCK_NEVER;
	set_tx(s, NULL, false);
	s->away = true;
	if (session_keeps_datagrams(s))
		s->io->doubt(s);
	else if (!s->spent)
		session_end_generation(s);
	s->events->lost(s, why);
}

struct session *session_new(const struct session_settings *settings, uint64_t now_ms)
{
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	if (session_set_networks(s, settings->networks, settings->networks_len) < 0) {
		free(s);
		return NULL;
	}
	s->side = settings->side;
	s->id = atomic_fetch_add(&last_id, 1) + 1;
	snprintf(s->name, sizeof(s->name), "%s", settings->name);
	s->ipv4 = settings->ipv4;
	s->ipv6 = settings->ipv6;
	s->overlap = settings->overlap;
	s->no_stream = settings->no_stream;
	s->smooth = settings->smooth;
	s->keep_seconds = settings->keep_seconds;
	s->idle_seconds = settings->idle_seconds;
	s->events = settings->events;
	s->owner = settings->owner;
	s->since_ms = clock_wall_ms();
	s->no_datagram = "none has been offered";
	s->references = 1;
	s->away = true;
	atomic_init(&s->data_ms, now_ms);
	rekey_init(&s->rekey, &settings->rekey, now_ms);
	TAILQ_INIT(&s->flows);
	TAILQ_INIT(&s->app_ids);
	pthread_mutex_init(&s->tx_lock, NULL);
	return s;
}

bool session_get(struct session *s)
{
	int n = atomic_load(&s->references);

	while (n > 0)
		if (atomic_compare_exchange_weak(&s->references, &n, n + 1))
			return true;
	return false;
}

void session_put(struct session *s)
{
	if (!s || atomic_fetch_sub(&s->references, 1) != 1)
		return;
	assert(!s->current && !s->next && !s->leaving && TAILQ_EMPTY(&s->flows));
	urcu_memb_call_rcu(&s->rcu, free_session);
}

int session_set_networks(struct session *s, const struct prefix *networks, size_t len)
{
	struct session_networks *old = s->networks, *new = NULL;

	if (len) {
		new = malloc(sizeof(*new) + len * sizeof(*networks));
		if (!new)
			return ERR_NOMEM;
		new->len = len;
		memcpy(new->items, networks, len * sizeof(*networks));
	}
	rcu_assign_pointer(s->networks, new);
	if (old)
		urcu_memb_call_rcu(&old->rcu, free_networks);
	return 0;
}

bool session_owns(const struct session *s, const struct addr *a)
{
	const struct session_networks *networks;
	size_t i;

	if (addr_equal(a, &s->ipv4) || addr_equal(a, &s->ipv6))
		return true;
	networks = rcu_dereference(s->networks);
	for (i = 0; networks && i < networks->len; i++)
		if (prefix_contains(&networks->items[i], a))
			return true;
	return false;
}

bool session_keeps_datagrams(const struct session *s)
{
	return s->smooth && !s->spent;
}

bool session_by_datagram(const struct session *s)
{
	return s->datagram && datagram_usable(s->datagram);
}

void session_no_datagram(struct session *s, const char *why)
{
	pthread_mutex_lock(&s->tx_lock);
	s->no_datagram = why;
	pthread_mutex_unlock(&s->tx_lock);
}

const char *session_obstacle(const struct session *s)
{
	return s->datagram ? datagram_obstacle(s->datagram) : s->no_datagram;
}

bool session_has_stream(struct session *s)
{
	bool has;

	pthread_mutex_lock(&s->tx_lock);
	has = s->tx != NULL;
	pthread_mutex_unlock(&s->tx_lock);
	return has;
}

void session_attach(struct session *s, struct channel *c, unsigned dpd_s, unsigned keep_s, uint64_t now_ms)
{
	adopt(s, c, dpd_s, keep_s, now_ms);
	if (s->next)
		close_channel(s, s->next);
	if (s->leaving)
		close_channel(s, s->leaving);
	release_held(s);
	if (s->current)
		s->current->rx_overdue = true; /* no END comes on it that the new one's data could wait for */
	c->generation = s->generation + 1;
	if (session_keeps_datagrams(s))
		s->io->doubt(s);
	else
		s->io->drop(s, c->generation); /* others open new ones with each stream, an adit after a loss */
	move(s, c, false, now_ms);
}

int session_join(struct session *s, struct channel *c, unsigned dpd_s, unsigned keep_s, uint64_t now_ms)
{
	if (!s->overlap || s->ending || !s->current || c->generation != s->generation + 1)
		return ERR_REFUSED;
	if (s->next || s->leaving)
		return ERR_EXISTS;
	adopt(s, c, dpd_s, keep_s, now_ms);
	c->state = CHANNEL_JOINING;
	c->close_ms = now_ms + SESSION_LINGER_MS;
	s->next = c;
	if (s->side == SESSION_CLIENT)
		send_control(s, c, FRAME_DPD_REQ, NULL, 0, now_ms);
	return 0;
}

void session_heard(struct session *s, struct channel *c, uint64_t now_ms)
{
	dpd_received(&c->dpd, now_ms);
	c->answered = 0;
	if (c->state == CHANNEL_JOINING)
		move(s, c, true, now_ms);
	else if (c->state == CHANNEL_LEAVING && !s->ending)
		linger(c, now_ms);
}

bool session_may_deliver(struct session *s, struct channel *c, uint64_t now_ms)
{
	if (s->ending)
		return false;
	if (!s->overlap || c != s->current || !s->leaving || s->leaving->rx_ended || s->leaving->rx_overdue)
		return true;
	if (!s->hold_until_ms)
		s->hold_until_ms = now_ms + SESSION_HOLD_MS;
	c->rx_held = true;
	return false;
}

static int handle_end(struct session *s, struct channel *c, const struct frame *f)
{
	uint64_t packets_be;

	if (!s->overlap || f->len != FRAME_END_LEN || c->rx_ended)
		return ERR_PROTO;
	memcpy(&packets_be, f->payload, sizeof(packets_be));
	if (be64toh(packets_be) != c->rx_packets)
		log_limited(LOG_LEVEL_WARN, "session=%llu name=%s generation=%u: %llu packets sent, %llu received",
			    (unsigned long long)s->id, s->name, c->generation, (unsigned long long)be64toh(packets_be),
			    (unsigned long long)c->rx_packets);
	c->rx_ended = true;
	if (c == s->leaving)
		release_held(s);
	else if (!s->next)
		return ERR_PROTO; /* ended without a successor */
	return 0;
}

/* A peer that asks and does not read the answers may not fill our memory, nor one that asks all the time our time. */
static int answer_dpd(struct session *s, struct channel *c, const struct frame *f, uint64_t now_ms)
{
	size_t waiting;

	pthread_mutex_lock(&s->tx_lock);
	waiting = buf_len(&c->out);
	pthread_mutex_unlock(&s->tx_lock);
	if (waiting >= SESSION_ANSWERS_MAX || c->answered >= SESSION_ANSWERS_BATCH)
		return ERR_MISSING;
	c->answered++;
	send_control(s, c, FRAME_DPD_RESP, f->payload, f->len, now_ms);
	return 0;
}

/* For good; any other DISCONNECT of a client only ends the stream, and its cookie stays good (docs/protocol.md). */
static bool is_logout(const struct frame *f)
{
	return f->len && f->payload[0] == FRAME_BYE_LOGOUT;
}

/* The text behind the first byte of a DISCONNECT, cut; blanks for what could end a line of a log or a hook's variable.
 */
static void read_text(const struct frame *f, char text[SESSION_TEXT_MAX])
{
	snprintf(text, SESSION_TEXT_MAX, "%.*s", f->len > 1 ? (int)(f->len - 1) : 0,
		 f->len > 1 ? (const char *)f->payload + 1 : "");
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

static void handle_disconnect(struct session *s, struct channel *c, const struct frame *f, uint64_t now_ms)
{
	char text[SESSION_TEXT_MAX];

	if (c == s->leaving || (c == s->current && s->handing_over) || s->ending)
		return; /* it speaks of a stream that is being replaced */
	if (s->side == SESSION_GATEWAY && f->kind == FRAME_DISCONNECT && !is_logout(f)) {
		session_gone(s, c, "left for now by the client", now_ms);
		return;
	}
	/* ocserv's, when it is stopped, when its limits end a session, and after an error: worth another attempt. */
	if (s->side == SESSION_CLIENT && f->kind == FRAME_DISCONNECT && f->len <= 1) {
		session_gone(s, c, "ended by the gateway without a reason", now_ms);
		return;
	}
	read_text(f, text);
	if (c == s->next)
		session_gone(s, c, text, now_ms);
	else
		s->events->over(s, text, true);
}

int session_control(struct session *s, struct channel *c, const struct frame *f, uint64_t now_ms)
{
	switch (f->kind) {
	case FRAME_DPD_REQ:
		return answer_dpd(s, c, f, now_ms);
	case FRAME_DPD_RESP:
		if (f->len)
			s->events->echo(s, f->payload, f->len);
		return 0;
	case FRAME_KEEPALIVE:
		return 0;
	case FRAME_DISCONNECT:
	case FRAME_TERMINATE:
		handle_disconnect(s, c, f, now_ms);
		return 0;
	case FRAME_COMPRESSED:
		return ERR_PROTO; /* never negotiated */
	case FRAME_END:
		return handle_end(s, c, f);
	case FRAME_CHANNEL:
		if (!s->overlap)
			return ERR_MISSING;
		if (f->len != FRAME_CHANNEL_LEN)
			return ERR_PROTO;
		s->wish = f->payload[0] == FRAME_BY_DATAGRAM ? WISH_DATAGRAMS : WISH_STREAM;
		return 0;
	case FRAME_REKEY:
		if (s->side != SESSION_CLIENT || !s->overlap)
			return ERR_MISSING; /* only a gateway that agreed on it may ask */
		/* On an older stream it is granted already; and one that asks and then refuses does not make us hurry.
		 */
		if (c == s->current && !s->rekey.retry_ms)
			rekey_ask(&s->rekey);
		return 0;
	default:
		return ERR_MISSING;
	}
}

void session_gone(struct session *s, struct channel *c, const char *why, uint64_t now_ms)
{
	bool was_next = c == s->next, was_current = c == s->current, was_leaving = c == s->leaving;

	if (c->state == CHANNEL_CLOSED)
		return;
	close_channel(s, c);
	if (was_leaving)
		release_held(s);
	if (was_next) {
		rekey_failed(&s->rekey, now_ms);
		s->events->rekey_failed(s, why);
		/* The peer has moved already and its new stream broke: nothing more will come on the old one. */
		if (s->current && s->current->rx_ended)
			session_gone(s, s->current, why, now_ms);
	}
	if (was_current && s->handing_over)
		return; /* expected: the gateway drops it for the stream that is being opened */
	if (was_current || was_next)
		maybe_lost(s, why, now_ms);
}

void session_hold_sending(struct session *s)
{
	set_tx(s, NULL, true);
}

void session_release_sending(struct session *s)
{
	set_tx(s, s->current, false);
	if (s->current)
		s->io->flush(s->current);
	else
		maybe_lost(s, "the gateway dropped the old stream", clock_ms());
}

void session_probe(struct session *s, const uint8_t *data, size_t len, uint64_t now_ms)
{
	if (s->current)
		send_control(s, s->current, FRAME_DPD_REQ, data, len, now_ms);
}

/* What the busiest direction under this generation's keys has used of them, the stream's receiving left out; under
 * tx_lock. */
static void used(const struct session *s, uint64_t *records, uint64_t *bytes)
{
	*records = *bytes = 0;
	if (s->tx)
		records_sealed(s->tx->records, records, bytes);
	if (s->datagram && (s->smooth || s->datagram->generation == s->generation))
		datagram_raise(s->datagram, records, bytes);
}

bool session_used_up(struct session *s)
{
	uint64_t records, bytes;

	if (s->used_up)
		return false;
	used(s, &records, &bytes);
	s->used_up = rekey_used_up(&s->rekey, records, bytes);
	return s->used_up;
}

/*
 * ocserv sends where it has heard from us last: by datagrams, until DATA comes on the stream. This is a packet that
 * every kernel drops without a word, for the checksum of its header is wrong (RFC 1122, section 3.2.1.2).
 */
static void draw_to_stream(struct session *s, uint64_t now_ms)
{
	static const uint8_t no_packet[] = { 0x45, 0, 0, 20, 0, 0, 0, 0, 1, 59, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 };

	if (s->current)
		send_control(s, s->current, FRAME_DATA, no_packet, sizeof(no_packet), now_ms);
}

void session_transport(struct session *s, uint64_t now_ms)
{
	uint8_t channel;
	bool usable, away;

	pthread_mutex_lock(&s->tx_lock);
	usable = session_by_datagram(s);
	away = s->datagram && s->datagram->state == DATAGRAM_AWAY;
	pthread_mutex_unlock(&s->tx_lock);
	if (s->ending)
		return;
	if (s->overlap && s->current && away != s->told_stream) {
		s->told_stream = away;
		channel = away ? FRAME_BY_STREAM : FRAME_BY_DATAGRAM;
		send_control(s, s->current, FRAME_CHANNEL, &channel, sizeof(channel), now_ms);
	}
	if (away && !s->overlap && s->side == SESSION_CLIENT)
		draw_to_stream(s, now_ms);
	if (usable == s->by_datagram)
		return;
	s->by_datagram = usable;
	s->events->transport(s);
}

void session_rekey_now(struct session *s, uint64_t now_ms)
{
	if (s->side == SESSION_CLIENT)
		rekey_ask(&s->rekey);
	else if (s->current && s->overlap)
		send_control(s, s->current, FRAME_REKEY, NULL, 0, now_ms);
	else if (s->current)
		session_gone(s, s->current, "rekey: the client opens a new tunnel", now_ms);
}

void session_end(struct session *s, const char *reason, uint64_t now_ms)
{
	struct channel *c = s->current;
	uint8_t bye[1 + SESSION_TEXT_MAX] = { FRAME_BYE_LOGOUT };
	int len;

	s->ending = true;
	s->io->drop(s, UINT_MAX);
	if (s->next)
		close_channel(s, s->next);
	if (s->leaving)
		close_channel(s, s->leaving);
	release_held(s);
	if (!c)
		return;
	if (!reason) {
		close_channel(s, c);
		return;
	}
	len = snprintf((char *)bye + 1, SESSION_TEXT_MAX, "%s", reason);
	if (len >= SESSION_TEXT_MAX)
		len = SESSION_TEXT_MAX - 1;
	send_control(s, c, FRAME_DISCONNECT, bye, 1 + (size_t)len, now_ms);
	set_tx(s, NULL, false);
	s->current = NULL;
	leave(s, c, now_ms);
	c->close_ms = now_ms + SESSION_GOODBYE_MS;
	s->io->finish(c);
}

/* The busier direction of the current generation. */
static void usage(struct session *s, uint64_t *records, uint64_t *bytes)
{
	uint64_t opened, opened_bytes;

	pthread_mutex_lock(&s->tx_lock);
	used(s, records, bytes);
	pthread_mutex_unlock(&s->tx_lock);
	records_opened(s->current->records, &opened, &opened_bytes);
	*records = *records > opened ? *records : opened;
	*bytes = *bytes > opened_bytes ? *bytes : opened_bytes;
}

static bool is_used_up(struct session *s)
{
	bool used_up;

	pthread_mutex_lock(&s->tx_lock);
	used_up = s->used_up;
	pthread_mutex_unlock(&s->tx_lock);
	return used_up;
}

static void tick_rekey(struct session *s, uint64_t now_ms)
{
	bool initiator = s->side == SESSION_CLIENT;
	uint64_t records, bytes;

	if (!s->current && session_keeps_datagrams(s) && (rekey_expired(&s->rekey, now_ms) || is_used_up(s)))
		session_end_generation(s);
	if (!s->current || s->next || s->leaving)
		return;
	if (rekey_expired(&s->rekey, now_ms)) {
		session_end_generation(s);
		session_gone(s, s->current, "the generation was not renewed in time", now_ms);
		return;
	}
	usage(s, &records, &bytes);
	if (records >= SESSION_RECORDS_MAX) { /* the peer did not want a new one: no key goes on beyond its limit */
		session_end_generation(s);
		session_gone(s, s->current, "the generation's keys are used up", now_ms);
		return;
	}
	if (!rekey_due(&s->rekey, initiator ? now_ms : s->rekey.begun_ms, records, bytes))
		return;
	rekey_opening(&s->rekey);
	if (initiator) {
		s->events->rekey(s);
		return;
	}
	if (!s->overlap)
		session_end_generation(s); /* a smooth one's datagrams, too: it is their keys that may be used up */
	session_rekey_now(s, now_ms);
}

static void tick_dpd(struct session *s, struct channel *c, uint64_t now_ms)
{
	uint64_t data_ms = atomic_load_explicit(&c->tx_data_ms, memory_order_relaxed);

	if (data_ms > c->dpd.sent_ms)
		dpd_sent(&c->dpd, data_ms);
	switch (dpd_check(&c->dpd, now_ms)) {
	case DPD_QUIET:
		return;
	case DPD_PROBE:
		send_control(s, c, FRAME_DPD_REQ, NULL, 0, now_ms);
		return;
	case DPD_KEEPALIVE:
		send_control(s, c, FRAME_KEEPALIVE, NULL, 0, now_ms);
		return;
	case DPD_DEAD:
		session_gone(s, c, "dead peer: nothing received", now_ms);
		return;
	}
}

static size_t unsent(struct session *s, struct channel *c)
{
	size_t len;

	pthread_mutex_lock(&s->tx_lock);
	len = buf_len(&c->out);
	pthread_mutex_unlock(&s->tx_lock);
	return len;
}

/* Only the client ends an old stream, once both directions are through. */
static void tick_leaving(struct session *s, uint64_t now_ms)
{
	struct channel *c = s->leaving;
	size_t waiting;

	if (!c)
		return;
	if (s->hold_until_ms && now_ms >= s->hold_until_ms) {
		c->rx_overdue = true;
		release_held(s);
	}
	waiting = unsent(s, c);
	if (waiting < c->left_waiting && !s->ending)
		linger(c, now_ms);
	c->left_waiting = waiting;
	if (now_ms >= c->close_ms) {
		if (!s->ending && (waiting || (s->overlap && !c->rx_ended)))
			log_limited(LOG_LEVEL_WARN,
				    "old stream cut short session=%llu name=%s generation=%u unsent=%zu end=%d",
				    (unsigned long long)s->id, s->name, c->generation, waiting, c->rx_ended);
		session_gone(s, c, "the old stream did not end", now_ms);
	} else if (s->overlap && !s->ending && s->side == SESSION_CLIENT && c->rx_ended && !waiting) {
		s->io->finish(c);
	}
}

static void tick_limits(struct session *s, uint64_t now_ms)
{
	if (s->ending)
		return;
	if (s->keep_until_ms && now_ms >= s->keep_until_ms)
		s->events->over(s, "no stream came back in time", false);
	else if (s->idle_seconds && now_ms >= atomic_load(&s->data_ms) + (uint64_t)s->idle_seconds * 1000)
		s->events->over(s, "idle", false);
}

static uint64_t next_deadline(const struct session *s)
{
	uint64_t at = CLOCK_NEVER;

	if (s->hold_until_ms)
		at = clock_sooner(at, s->hold_until_ms);
	if (s->leaving)
		at = clock_sooner(at, s->leaving->close_ms);
	if (s->next)
		at = clock_sooner(at, s->next->close_ms);
	if (s->ending)
		return at;
	if (s->current && !s->leaving && !s->next)
		at = clock_sooner(at, rekey_deadline(&s->rekey, s->side == SESSION_CLIENT));
	if (!s->current && session_keeps_datagrams(s))
		at = clock_sooner(at, rekey_deadline(&s->rekey, false));
	if (s->current)
		at = clock_sooner(at, dpd_deadline(&s->current->dpd));
	if (s->keep_until_ms)
		at = clock_sooner(at, s->keep_until_ms);
	if (s->idle_seconds)
		at = clock_sooner(at, atomic_load(&s->data_ms) + (uint64_t)s->idle_seconds * 1000);
	return at;
}

/* Of all that the peer has wished since the last tick, the last: each costs a letter to every loop with a flow. */
static void tick_wish(struct session *s)
{
	enum session_wish wish = s->wish;

	s->wish = WISH_NONE;
	if (wish != WISH_NONE)
		s->io->ask(s, wish == WISH_DATAGRAMS);
}

uint64_t session_tick(struct session *s, uint64_t now_ms)
{
	tick_wish(s);
	if (s->current && !s->ending)
		tick_dpd(s, s->current, now_ms);
	if (s->next && now_ms >= s->next->close_ms)
		session_gone(s, s->next, "no proof on the new stream", now_ms);
	tick_leaving(s, now_ms);
	if (!s->ending)
		tick_rekey(s, now_ms);
	tick_limits(s, now_ms);
	if (s->ending && !s->current && !s->next && !s->leaving) {
		s->events->drained(s);
		return CLOCK_NEVER;
	}
	return next_deadline(s);
}
