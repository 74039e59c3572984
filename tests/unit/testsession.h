/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway's and a client's session back to back in memory: the lines between them carry bytes when the test says so,
 * and time is a number. A record is two bytes of length and the plaintext, close_notify a length of 0xffff. What the
 * rooms around a session do (egress, ingress, the loop) is done here in the same order.
 */
#ifndef TESTSESSION_H
#define TESTSESSION_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "session/channel.h"
#include "session/session.h"
#include "wire/frame.h"
#include "wire/records.h"

enum {
	TESTSESSION_START = 1000000, /* ms */
	TESTSESSION_LINES = 64,
	TESTSESSION_PACKETS = 1024, /* each way */
	TESTSESSION_CLOSE_NOTIFY = 0xffff,
};

/* ---- records without a key ---- */

struct records {
	struct buf partial;
	uint64_t sealed, sealed_bytes, opened, opened_bytes;
	bool closed;
};

int records_seal(struct records *r, const uint8_t *data, size_t len, struct buf *out)
{
	uint8_t header[2] = { (uint8_t)(len >> 8), (uint8_t)len };

	assert_in_range(len, 1, RECORDS_PLAIN_MAX);
	assert_false(r->closed);
	r->sealed++;
	r->sealed_bytes += len;
	assert_int_equal(buf_append(out, header, sizeof(header)), 0);
	return buf_append(out, data, len);
}

int records_open(struct records *r, const uint8_t *in, size_t len, struct buf *plain)
{
	assert_int_equal(buf_append(&r->partial, in, len), 0);
	while (buf_len(&r->partial) >= 2) {
		const uint8_t *at = buf_data(&r->partial);
		size_t size = (size_t)at[0] << 8 | at[1];

		if (size == TESTSESSION_CLOSE_NOTIFY)
			return ERR_EOF;
		if (buf_len(&r->partial) < 2 + size)
			return 0;
		assert_int_equal(buf_append(plain, at + 2, size), 0);
		buf_consume(&r->partial, 2 + size);
		r->opened++;
		r->opened_bytes += size;
	}
	return 0;
}

void records_close(struct records *r, struct buf *out)
{
	static const uint8_t notify[2] = { 0xff, 0xff };

	r->closed = true;
	assert_int_equal(buf_append(out, notify, sizeof(notify)), 0);
}

void records_sealed(const struct records *r, uint64_t *records, uint64_t *bytes)
{
	*records = r->sealed;
	*bytes = r->sealed_bytes;
}

void records_opened(const struct records *r, uint64_t *records, uint64_t *bytes)
{
	*records = r->opened;
	*bytes = r->opened_bytes;
}

void records_free(struct records *r)
{
	if (!r)
		return;
	buf_fini(&r->partial);
	free(r);
}

/* ---- the world ---- */

struct end;

/* One end of a line: what has arrived for it, and what its socket does. */
struct plug {
	struct channel *channel; /* NULL: not yet open, or closed */
	struct end *end;
	struct plug *other;
	struct buf in;
	bool in_ended; /* the other end has shut down or closed */
	bool blocked;  /* the socket takes nothing, since ... */
	uint64_t blocked_ms;
	bool resumed;    /* io->resume was called, delivery is due */
	bool finished;   /* io->finish was called */
	bool shut, gone; /* our direction is closed; io->close was called */
	bool dead;       /* cut: nothing is carried, no end of stream seen */
	unsigned dpd_reqs, dpd_resps, keepalives, ends, rekeys, byes, frames, data; /* as received */
	uint64_t end_count;
	uint8_t bye[1 + SESSION_TEXT_MAX];
	size_t bye_len;
	int error; /* of the last frame, from session_control() */
};

struct line {
	struct plug plugs[2]; /* by enum session_side */
};

struct end {
	struct session *s;
	struct world *world;
	enum session_side side;
	uint64_t deadline;
	unsigned moved, rekey, rekey_failed, lost, over, drained, echoes, unread;
	bool over_by_peer;
	int asked;              /* by CHANNEL: 1 datagrams, -1 the stream */
	unsigned dropped_below; /* datagrams of generations under this are ended */
	unsigned transports, doubts, generations_over;
	char why[SESSION_TEXT_MAX];
	uint8_t echo[16];
	size_t echo_len;
	/* packets, by their number */
	uint32_t sent, arrived[TESTSESSION_PACKETS], arrived_len;
	uint8_t times[TESTSESSION_PACKETS];
	unsigned queue_dropped;
};

struct world {
	uint64_t now;
	struct end ends[2];
	struct line lines[TESTSESSION_LINES];
	unsigned lines_len;
	enum frame_format format;
	unsigned dpd_s, keep_s;
};

/* ---- session_io ---- */

static inline void testsession_carry(struct plug *p)
{
	struct channel *c = p->channel;

	if (p->blocked)
		return;
	if (!p->dead && !p->other->gone)
		assert_int_equal(buf_append(&p->other->in, buf_data(&c->out), buf_len(&c->out)), 0);
	buf_clear(&c->out);
	if (p->finished && !p->shut) {
		p->shut = true;
		p->other->in_ended |= !p->dead;
	}
}

static inline void testsession_seal_packet(struct channel *c, const void *packet, size_t len)
{
	c->tx_packets++;
	atomic_store(&c->tx_data_ms, ((struct plug *)c->port)->end->world->now);
	assert_int_equal(channel_seal(c, FRAME_DATA, packet, len), 0);
}

static void testsession_flush(struct channel *c)
{
	struct plug *p = c->port;
	struct session *s = c->session;
	struct tun_header header;
	const uint8_t *packet;
	size_t len;

	if (c->state == CHANNEL_CLOSED)
		return;
	testsession_carry(p);
	p->end->queue_dropped += queue_expire(&s->queue, p->end->world->now);
	while (c == s->tx && !c->tx_ended && !buf_len(&c->out) && (packet = queue_front(&s->queue, &header, &len))) {
		testsession_seal_packet(c, packet, len);
		queue_pop(&s->queue);
		testsession_carry(p);
	}
}

static void testsession_resume(struct channel *c)
{
	((struct plug *)c->port)->resumed = true;
}

static void testsession_finish(struct channel *c)
{
	struct plug *p = c->port;

	if (p->finished)
		return;
	p->finished = true;
	records_close(c->records, &c->out);
	testsession_flush(c);
}

static void testsession_close(struct channel *c)
{
	struct plug *p = c->port;

	assert_int_equal(c->state, CHANNEL_CLOSED);
	assert_false(p->gone);
	p->gone = true;
	p->end->unread += buf_len(&p->in) || buf_len(&c->plain);
	p->other->in_ended |= !p->dead;
}

/* Datagrams have tests of their own; here a session is told and tells. */
static void testsession_ask(struct session *s, bool here)
{
	((struct end *)s->owner)->asked = here ? 1 : -1;
}

static void testsession_doubt(struct session *s)
{
	((struct end *)s->owner)->doubts++;
}

static void testsession_drop(struct session *s, unsigned below)
{
	((struct end *)s->owner)->dropped_below = below;
}

static void testsession_outdate(struct session *s)
{
	(void)s;
}

static const struct session_io testsession_io = {
	.ask = testsession_ask,
	.doubt = testsession_doubt,
	.drop = testsession_drop,
	.outdate = testsession_outdate,
	.flush = testsession_flush,
	.resume = testsession_resume,
	.finish = testsession_finish,
	.close = testsession_close,
};

/* ---- session_events ---- */

static inline void testsession_note(struct end *e, const char *why)
{
	snprintf(e->why, sizeof(e->why), "%s", why);
}

static void testsession_moved(struct session *s)
{
	((struct end *)s->owner)->moved++;
}

static void testsession_rekey(struct session *s)
{
	((struct end *)s->owner)->rekey++;
}

static void testsession_rekey_failed(struct session *s, const char *why)
{
	((struct end *)s->owner)->rekey_failed++;
	testsession_note(s->owner, why);
}

static void testsession_lost(struct session *s, const char *why)
{
	((struct end *)s->owner)->lost++;
	testsession_note(s->owner, why);
}

static void testsession_over(struct session *s, const char *why, bool by_peer)
{
	struct end *e = s->owner;

	e->over++;
	e->over_by_peer = by_peer;
	testsession_note(e, why);
}

static void testsession_drained(struct session *s)
{
	((struct end *)s->owner)->drained++;
}

static void testsession_echo(struct session *s, const uint8_t *data, size_t len)
{
	struct end *e = s->owner;

	e->echoes++;
	e->echo_len = len;
	assert_true(len <= sizeof(e->echo));
	memcpy(e->echo, data, len);
}

static void testsession_generation_over(struct session *s)
{
	((struct end *)s->owner)->generations_over++;
}

static void testsession_transport(struct session *s)
{
	((struct end *)s->owner)->transports++;
}

static const struct session_events testsession_events = {
	.transport = testsession_transport,
	.generation_over = testsession_generation_over,
	.moved = testsession_moved,
	.rekey = testsession_rekey,
	.rekey_failed = testsession_rekey_failed,
	.lost = testsession_lost,
	.over = testsession_over,
	.drained = testsession_drained,
	.echo = testsession_echo,
};

/* ---- network to TUN ---- */

static inline void testsession_deliver(struct plug *p, const struct frame *f)
{
	struct end *e = p->end;
	uint32_t number;

	assert_int_equal(f->len, sizeof(number));
	memcpy(&number, f->payload, sizeof(number));
	assert_in_range(number, 0, TESTSESSION_PACKETS - 1);
	e->times[number]++;
	assert_true(e->arrived_len < TESTSESSION_PACKETS);
	e->arrived[e->arrived_len++] = number;
	p->channel->rx_packets++;
	p->data++;
	atomic_store(&e->s->data_ms, e->world->now);
}

static inline void testsession_count(struct plug *p, const struct frame *f)
{
	uint64_t count_be;

	p->dpd_reqs += f->kind == FRAME_DPD_REQ;
	p->dpd_resps += f->kind == FRAME_DPD_RESP;
	p->keepalives += f->kind == FRAME_KEEPALIVE;
	p->rekeys += f->kind == FRAME_REKEY;
	if (f->kind == FRAME_END && f->len == sizeof(count_be)) {
		memcpy(&count_be, f->payload, sizeof(count_be));
		p->end_count = be64toh(count_be);
		p->ends++;
	}
	if (f->kind == FRAME_DISCONNECT && f->len <= sizeof(p->bye)) {
		p->byes++;
		memcpy(p->bye, f->payload, f->len);
		p->bye_len = f->len;
	}
}

static inline int testsession_take_frame(struct plug *p, const struct frame *f)
{
	struct channel *c = p->channel;
	struct session *s = c->session;

	assert_true(!p->ends || f->kind == FRAME_END); /* END is the last */
	if (f->kind == FRAME_DATA) {
		if (s->ending)
			return 0;
		if (!session_may_deliver(s, c, p->end->world->now))
			return ERR_AGAIN;
		testsession_deliver(p, f);
		return 0;
	}
	testsession_count(p, f);
	p->error = session_control(s, c, f, p->end->world->now);
	return p->error == ERR_MISSING ? 0 : p->error;
}

static inline int testsession_take_frames(struct plug *p)
{
	struct channel *c = p->channel;
	struct frame f;
	int used, r = 0;

	while (r == 0 && c->state != CHANNEL_CLOSED && !c->rx_held) {
		used = frame_decode(c->format, buf_data(&c->plain), buf_len(&c->plain), &f);
		if (used == ERR_PROTO)
			return ERR_PROTO;
		if (used < 0)
			return 0;
		if ((r = testsession_take_frame(p, &f)) == 0) {
			p->frames++;
			buf_consume(&c->plain, (size_t)used);
		}
	}
	return r == ERR_PROTO ? r : 0;
}

/** testsession_tick() - What follows every batch of events */
static inline void testsession_tick(struct end *e)
{
	e->deadline = session_tick(e->s, e->world->now);
}

static inline void testsession_take(struct plug *p, size_t len)
{
	struct channel *c = p->channel;
	size_t before = buf_len(&c->plain);
	int opened, framed;

	opened = records_open(c->records, buf_data(&p->in), len, &c->plain);
	buf_consume(&p->in, len);
	if (buf_len(&c->plain) > before)
		session_heard(c->session, c, p->end->world->now);
	framed = testsession_take_frames(p);
	if (opened == ERR_EOF || (p->in_ended && !buf_len(&p->in) && !c->rx_held))
		session_gone(c->session, c, "closed by the peer", p->end->world->now);
	else if (opened < 0 || framed < 0)
		session_gone(c->session, c, "protocol error", p->end->world->now);
	testsession_tick(p->end);
}

static inline bool testsession_readable(const struct plug *p)
{
	const struct channel *c = p->channel;

	if (!c || p->gone || p->dead)
		return false;
	return p->resumed || (!c->rx_held && (buf_len(&p->in) || p->in_ended));
}

/** testsession_receive() - The loop's turn of one plug: at most @max bytes; nothing when it is not readable */
static inline void testsession_receive(struct plug *p, size_t max)
{
	size_t len = buf_len(&p->in) < max ? buf_len(&p->in) : max;

	if (!testsession_readable(p))
		return;
	if (p->resumed)
		len = 0; /* what was held comes first */
	p->resumed = false;
	testsession_take(p, len);
}

/* ---- TUN to network ---- */

/** testsession_send() - The next numbered packet of an end */
static inline void testsession_send(struct end *e)
{
	struct session *s = e->s;
	uint32_t number = e->sent++;

	assert_true(number < TESTSESSION_PACKETS);
	atomic_store(&s->data_ms, e->world->now);
	if (!s->tx || s->tx->tx_ended || buf_len(&s->tx->out) || !queue_empty(&s->queue)) {
		assert_int_equal(queue_push(&s->queue, &(struct tun_header){ 0 }, (uint8_t *)&number, sizeof(number),
					    e->world->now),
				 0);
		return;
	}
	testsession_seal_packet(s->tx, &number, sizeof(number));
	testsession_carry(s->tx->port);
}

/* ---- the test's hand ---- */

static inline struct session *testsession_new(struct end *e, struct session_settings settings)
{
	settings.events = &testsession_events;
	settings.owner = e;
	settings.side = e->side;
	settings.name = settings.name ? settings.name : "alice";
	settings.rekey.records = settings.rekey.records ? settings.rekey.records : UINT64_MAX;
	settings.rekey.bytes = settings.rekey.bytes ? settings.rekey.bytes : UINT64_MAX;
	e->s = session_new(&settings, e->world->now);
	assert_non_null(e->s);
	e->s->io = &testsession_io;
	return e->s;
}

/** testsession_world() - Two sessions without a stream */
static inline struct world *testsession_world(struct session_settings settings)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->now = TESTSESSION_START;
	w->format = settings.overlap ? FRAME_FORMAT_ADIT : FRAME_FORMAT_CSTP;
	for (int side = SESSION_GATEWAY; side <= SESSION_CLIENT; side++) {
		w->ends[side].world = w;
		w->ends[side].side = (enum session_side)side;
		testsession_new(&w->ends[side], settings);
	}
	return w;
}

static inline struct line *testsession_line(struct world *w)
{
	struct line *l = &w->lines[w->lines_len++];

	assert_true(w->lines_len <= TESTSESSION_LINES);
	for (int side = SESSION_GATEWAY; side <= SESSION_CLIENT; side++) {
		l->plugs[side].end = &w->ends[side];
		l->plugs[side].other = &l->plugs[!side];
	}
	return l;
}

static inline struct channel *testsession_channel(struct plug *p, unsigned generation)
{
	static const struct endpoint peer = { { ADDR_V4, { 192, 0, 2, 1 } }, 443 };
	static const struct tls_facts facts;

	p->channel = channel_new(calloc(1, sizeof(struct records)), -1, &peer, &facts, p->end->world->format);
	assert_non_null(p->channel);
	p->channel->port = p;
	p->channel->generation = generation;
	return p->channel;
}

static inline void testsession_attach(struct plug *p)
{
	struct world *w = p->end->world;

	session_attach(p->end->s, testsession_channel(p, 0), w->dpd_s, w->keep_s, w->now);
	testsession_tick(p->end);
}

/** testsession_join() - session_join() with a new channel, which is freed when it is refused */
static inline int testsession_join(struct plug *p, unsigned generation)
{
	struct world *w = p->end->world;
	int r = session_join(p->end->s, testsession_channel(p, generation), w->dpd_s, w->keep_s, w->now);

	if (r < 0) {
		channel_free(p->channel);
		p->channel = NULL;
	} else {
		testsession_tick(p->end);
	}
	return r;
}

/** testsession_connect() - A line that is the current stream of both ends */
static inline struct line *testsession_connect(struct world *w)
{
	struct line *l = testsession_line(w);

	testsession_attach(&l->plugs[SESSION_GATEWAY]);
	testsession_attach(&l->plugs[SESSION_CLIENT]);
	return l;
}

/** testsession_overlap() - A line that joins at both ends; nothing is carried yet */
static inline struct line *testsession_overlap(struct world *w)
{
	struct line *l = testsession_line(w);
	unsigned generation = w->ends[SESSION_CLIENT].s->generation + 1;

	assert_int_equal(testsession_join(&l->plugs[SESSION_GATEWAY], generation), 0);
	assert_int_equal(testsession_join(&l->plugs[SESSION_CLIENT], generation), 0);
	return l;
}

static inline bool testsession_readable_anywhere(struct world *w, struct plug **out)
{
	for (unsigned i = 0; i < w->lines_len; i++) {
		for (int side = SESSION_GATEWAY; side <= SESSION_CLIENT; side++) {
			*out = &w->lines[i].plugs[side];
			if (testsession_readable(*out))
				return true;
		}
	}
	return false;
}

/** testsession_settle() - Carry everything until nothing moves; time stands still */
static inline void testsession_settle(struct world *w)
{
	struct plug *p;

	while (testsession_readable_anywhere(w, &p))
		testsession_receive(p, SIZE_MAX);
}

/** testsession_wait() - Let @ms pass, with a tick at each end */
static inline void testsession_wait(struct world *w, uint64_t ms)
{
	w->now += ms;
	testsession_tick(&w->ends[SESSION_GATEWAY]);
	testsession_tick(&w->ends[SESSION_CLIENT]);
}

/** testsession_frame() - A frame that arrives at a plug as if the other end had sent it. Return: session_control()'s */
static inline int testsession_frame(struct plug *p, uint8_t kind, const void *payload, size_t len)
{
	uint8_t frame[2 + FRAME_HEADER_LEN + 512] = { 0 };

	assert_true(len <= 512);
	frame[0] = (uint8_t)((FRAME_HEADER_LEN + len) >> 8);
	frame[1] = (uint8_t)(FRAME_HEADER_LEN + len);
	frame_encode_header(p->end->world->format, kind, len, frame + 2);
	if (len)
		memcpy(frame + 2 + FRAME_HEADER_LEN, payload, len);
	assert_int_equal(buf_append(&p->in, frame, 2 + FRAME_HEADER_LEN + len), 0);
	p->error = 0;
	testsession_receive(p, SIZE_MAX);
	return p->error;
}

/** testsession_cut() - The line breaks and neither end hears of it */
static inline void testsession_cut(struct line *l)
{
	for (int side = SESSION_GATEWAY; side <= SESSION_CLIENT; side++) {
		l->plugs[side].dead = true;
		buf_clear(&l->plugs[side].in);
	}
}

/** testsession_break() - The line breaks, and the socket of this end says so */
static inline void testsession_break(struct plug *p)
{
	p->dead = true;
	buf_clear(&p->in);
	session_gone(p->end->s, p->channel, "connection reset", p->end->world->now);
	testsession_tick(p->end);
}

/** testsession_live() - Channels that an end has */
static inline unsigned testsession_live(const struct end *e)
{
	return !!e->s->current + !!e->s->next + !!e->s->leaving;
}

static inline void testsession_free(struct world *w)
{
	for (int side = SESSION_GATEWAY; side <= SESSION_CLIENT; side++) {
		session_end(w->ends[side].s, NULL, w->now);
		session_put(w->ends[side].s);
	}
	for (unsigned i = 0; i < w->lines_len; i++) {
		for (int side = SESSION_GATEWAY; side <= SESSION_CLIENT; side++) {
			channel_free(w->lines[i].plugs[side].channel);
			buf_fini(&w->lines[i].plugs[side].in);
		}
	}
	free(w);
}

/** testsession_setup() / testsession_teardown() - For the group: sessions are freed after a grace period */
static inline int testsession_setup(void **state)
{
	(void)state;
	urcu_memb_register_thread();
	return 0;
}

static inline int testsession_teardown(void **state)
{
	(void)state;
	urcu_memb_barrier();
	urcu_memb_unregister_thread();
	return 0;
}

#endif
