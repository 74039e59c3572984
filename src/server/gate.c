/* SPDX-License-Identifier: Apache-2.0 */
/* Limits on connections that have not proven themselves. */
#include "server/gate.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "conf/conf.h"
#include "server/conn.h"
#include "server/report.h"
#include "server/server_int.h"
#include "server/sources.h"

enum { SHARE_MIN = 16 };

/* Each worker keeps a limit's share, for connections are spread by hash; so much above it that an uneven spread passes.
 */
static size_t share(const struct worker *w, int limit)
{
	size_t workers = (size_t)w->server->workers_len, all = (size_t)limit;
	size_t even = (all + workers - 1) / workers, least = all < SHARE_MIN ? all : SHARE_MIN;

	return even > least ? even : least;
}

static uint64_t handshake_ms(const struct worker *w)
{
	return (uint64_t)w->server->conf->limits.handshake_seconds * 1000;
}

/*
 * Who goes first, the oldest of each kind: one that says nothing; one whose ClientHello has cost nothing yet; any. When
 * more arrive than can be served, those whose handshake has begun must get through, or none ever does.
 */
struct choice {
	struct conn *silent, *unanswered, *oldest;
	size_t count;
};

static void consider(struct choice *choice, struct conn *c)
{
	choice->count++;
	if (!choice->oldest)
		choice->oldest = c;
	if (!c->tls || tls_started(c->tls))
		return;
	if (!choice->unanswered)
		choice->unanswered = c;
	if (!choice->silent && !c->ready)
		choice->silent = c;
}

static struct conn *chosen(const struct choice *choice)
{
	if (choice->silent)
		return choice->silent;
	return choice->unanswered ? choice->unanswered : choice->oldest;
}

static void drop_one(const struct choice *choice)
{
	struct conn *c = chosen(choice);
	char peer[ENDPOINT_TEXT_LEN];

	report_count_add(COUNT_DROPPED_OLDEST);
	log_limited(LOG_LEVEL_WARN, "too many connections without a session: dropped peer=%s name=%s",
		    endpoint_format(&c->peer, peer), c->proof.name);
	conn_close(c);
}

static void make_room(struct conn *newest)
{
	struct worker *w = newest->worker;
	struct choice pool = { 0 }, source = { 0 };
	struct conn *c;

	TAILQ_FOREACH(c, &w->strangers, place) {
		if (c->known == newest->known)
			consider(&pool, c);
		if (addr_equal(&c->peer.addr, &newest->peer.addr))
			consider(&source, c);
	}
	if (source.count >= share(w, w->server->conf->limits.per_source))
		drop_one(&source);
	else if (pool.count >= share(w, w->server->conf->limits.unauthenticated))
		drop_one(&pool);
}

/* A proven peer may not fill the memory either: the same limits, its name in the place of its source. */
static void make_room_authenticated(struct conn *newest)
{
	struct worker *w = newest->worker;
	struct choice all = { 0 }, same = { 0 };
	struct conn *c;

	TAILQ_FOREACH(c, &w->authenticated, place) {
		consider(&all, c);
		if (!strcmp(c->proof.name, newest->proof.name))
			consider(&same, c);
	}
	if (same.count >= share(w, w->server->conf->limits.per_source))
		drop_one(&same);
	else if (all.count >= share(w, w->server->conf->limits.unauthenticated))
		drop_one(&all);
}

static void arm(struct worker *w);

static void expire(struct conns *list, uint64_t now)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(list)) && now >= c->deadline_ms) {
		if (c->state != CONN_CLOSING)
			report_count_add(COUNT_HANDSHAKE_TIMEOUT);
		conn_close(c);
	}
}

static void on_deadline(uv_timer_t *timer)
{
	struct worker *w = timer->data;
	uint64_t now = clock_ms();

	expire(&w->strangers, now);
	expire(&w->authenticated, now);
	expire(&w->closing, now);
	arm(w);
}

static uint64_t first_deadline(const struct conns *list)
{
	return TAILQ_EMPTY(list) ? CLOCK_NEVER : TAILQ_FIRST(list)->deadline_ms;
}

static void arm(struct worker *w)
{
	uint64_t at = clock_sooner(first_deadline(&w->strangers),
				   clock_sooner(first_deadline(&w->authenticated), first_deadline(&w->closing)));
	uint64_t now = clock_ms();

	if (at == CLOCK_NEVER) {
		uv_timer_stop(&w->deadlines);
		return;
	}
	uv_update_time(w->path.loop);
	uv_timer_start(&w->deadlines, on_deadline, at > now ? at - now : 0, 0);
}

static struct conns *list_of(struct conn *c)
{
	if (c->state == CONN_HANDSHAKE)
		return &c->worker->strangers;
	return c->state == CONN_HTTP ? &c->worker->authenticated : &c->worker->closing;
}

static void enlist(struct conn *c, enum conn_state state, uint64_t ms)
{
	c->state = state;
	c->deadline_ms = clock_ms() + ms;
	TAILQ_INSERT_TAIL(list_of(c), c, place);
	arm(c->worker);
}

void gate_init(struct worker *w)
{
	TAILQ_INIT(&w->strangers);
	TAILQ_INIT(&w->authenticated);
	TAILQ_INIT(&w->closing);
	TAILQ_INIT(&w->ready);
	w->deadlines.data = w;
	uv_timer_init(w->path.loop, &w->deadlines);
}

static void close_all(struct conns *list)
{
	while (!TAILQ_EMPTY(list))
		conn_close(TAILQ_FIRST(list));
}

void gate_fini(struct worker *w)
{
	close_all(&w->strangers);
	close_all(&w->authenticated);
	close_all(&w->closing);
	uv_close((uv_handle_t *)&w->deadlines, NULL);
}

void gate_enter(struct conn *c)
{
	c->known = sources_has(c->worker->server->sources, &c->peer.addr);
	make_room(c);
	enlist(c, CONN_HANDSHAKE, handshake_ms(c->worker));
}

void gate_authenticated(struct conn *c)
{
	gate_leave(c);
	make_room_authenticated(c);
	enlist(c, CONN_HTTP, handshake_ms(c->worker));
}

/* Those that are only drained hold a descriptor each: the oldest goes. */
static void limit_closing(struct worker *w)
{
	struct choice all = { 0 };
	struct conn *c;

	TAILQ_FOREACH(c, &w->closing, place)
		consider(&all, c);
	if (all.count >= share(w, w->server->conf->limits.unauthenticated))
		conn_close(all.oldest);
}

void gate_closing(struct conn *c)
{
	gate_leave(c);
	limit_closing(c->worker);
	enlist(c, CONN_CLOSING, CONN_CLOSE_MS);
}

void gate_shed(struct worker *w)
{
	struct conn *c = TAILQ_FIRST(&w->closing);

	if (!c)
		c = TAILQ_FIRST(&w->strangers);
	if (!c)
		c = TAILQ_FIRST(&w->authenticated);
	if (c)
		conn_close(c);
}

void gate_leave(struct conn *c)
{
	TAILQ_REMOVE(list_of(c), c, place);
}
