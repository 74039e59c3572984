/* SPDX-License-Identifier: Apache-2.0 */
/* Whose a record from an unknown address may be; told in the header. */
#include "path/roam.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "session/session.h"

enum { BUCKETS = 1024 };

struct roam {
	pthread_mutex_t lock;
	uint64_t key; /* random: clients choose their addresses */
	LIST_HEAD(, roam_place) near[BUCKETS];
	TAILQ_HEAD(, roamer) silent; /* the latest first */
	struct trials trials;
};

/* What one look has found so far. */
struct look {
	uint64_t number;
	struct roam_candidate *best;
	size_t found;
};

struct roam *roam_new(uint64_t now_ms)
{
	struct roam *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	pthread_mutex_init(&r->lock, NULL);
	random_bytes(&r->key, sizeof(r->key));
	TAILQ_INIT(&r->silent);
	trials_init(&r->trials, now_ms);
	return r;
}

static unsigned bucket_of(const struct roam *r, const struct addr *a)
{
	return (unsigned)(addr_hash(r->key, a) % BUCKETS);
}

void roam_add(struct roam *r, struct roamer *who)
{
	pthread_mutex_lock(&r->lock);
	for (int i = 0; i < ROAM_PLACES; i++) {
		struct roam_place *place = &who->places[i];

		place->roamer = who;
		if (place->addr.family != ADDR_NONE)
			LIST_INSERT_HEAD(&r->near[bucket_of(r, &place->addr)], place, next);
	}
	who->added = true;
	pthread_mutex_unlock(&r->lock);
}

static void set_silent(struct roam *r, struct roamer *who, bool silent)
{
	if (silent && !who->silent)
		TAILQ_INSERT_HEAD(&r->silent, who, next_silent);
	else if (!silent && who->silent)
		TAILQ_REMOVE(&r->silent, who, next_silent);
	who->silent = silent;
}

void roam_remove(struct roam *r, struct roamer *who)
{
	if (!who->added)
		return;
	pthread_mutex_lock(&r->lock);
	for (int i = 0; i < ROAM_PLACES; i++)
		if (who->places[i].addr.family != ADDR_NONE)
			LIST_REMOVE(&who->places[i], next);
	set_silent(r, who, false);
	who->added = false;
	pthread_mutex_unlock(&r->lock);
}

void roam_silent(struct roam *r, struct roamer *who, bool silent)
{
	if (!who->added || who->silent == silent)
		return;
	pthread_mutex_lock(&r->lock);
	set_silent(r, who, silent);
	pthread_mutex_unlock(&r->lock);
}

static bool is_among(const struct look *l, const struct roamer *who)
{
	for (size_t i = 0; i < l->found; i++)
		if (l->best[i].path == who->path && l->best[i].serial == who->serial)
			return true;
	return false;
}

/* Into its place among the best, if it is one of them. */
static void consider(struct look *l, const struct roamer *who)
{
	uint64_t ahead = l->number - atomic_load_explicit(&who->next, memory_order_relaxed);
	size_t at;

	if (ahead >= ROAM_AHEAD || is_among(l, who)) /* an older number is a very large one here */
		return;
	if (l->found < TRIALS_DATAGRAM)
		l->found++;
	else if (ahead >= l->best[l->found - 1].ahead)
		return;
	for (at = l->found - 1; at > 0 && l->best[at - 1].ahead > ahead; at--)
		l->best[at] = l->best[at - 1];
	l->best[at] = (struct roam_candidate){ who->session, who->path, who->serial, ahead };
}

static void look_near(struct roam *r, struct look *l, const struct addr *from)
{
	struct roam_place *place;
	unsigned steps = 0;

	LIST_FOREACH(place, &r->near[bucket_of(r, from)], next)
	{
		if (addr_equal(&place->addr, from))
			consider(l, place->roamer);
		if (++steps == ROAM_LOOK)
			return;
	}
}

static void look_at_silent(struct roam *r, struct look *l)
{
	struct roamer *who;
	unsigned steps = 0;

	TAILQ_FOREACH(who, &r->silent, next_silent) {
		consider(l, who);
		if (++steps == ROAM_LOOK)
			return;
	}
}

/* How many of the best may be tried; the first is paid for already. */
static size_t grant(struct roam *r, const struct addr *from, size_t found, uint64_t now_ms)
{
	return found > 1 ? 1 + trials_take(&r->trials, from, (unsigned)found - 1, now_ms) : found;
}

size_t roam_find(struct roam *r, const struct addr *from, uint64_t number, uint64_t now_ms,
		 struct roam_candidate out[TRIALS_DATAGRAM])
{
	struct look l = { .number = number, .best = out };
	size_t granted = 0, kept = 0;

	pthread_mutex_lock(&r->lock);
	if (trials_take(&r->trials, from, 1, now_ms)) {
		look_near(r, &l, from);
		look_at_silent(r, &l);
		granted = grant(r, from, l.found, now_ms);
	}
	for (size_t i = 0; i < granted; i++)
		if (session_get(out[i].session)) /* its flow has a reference as long as it is here */
			out[kept++] = out[i];
	pthread_mutex_unlock(&r->lock);
	return kept;
}

void roam_free(struct roam *r)
{
	if (!r)
		return;
	pthread_mutex_destroy(&r->lock);
	free(r);
}
