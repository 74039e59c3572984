/* SPDX-License-Identifier: Apache-2.0 */
/* What an App-ID stands for. */
#include "session/app_id.h"

#include <assert.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "session/session.h"

struct app_id {
	uint8_t id[APP_ID_LEN]; /* first: what the tree compares */
	struct app_id_facts facts;
	struct session *session;
	TAILQ_ENTRY(app_id) of_session;
};

struct app_ids {
	pthread_mutex_t lock;
	void *tree;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, APP_ID_LEN);
}

struct app_ids *app_ids_new(void)
{
	struct app_ids *t = calloc(1, sizeof(*t));

	if (t)
		pthread_mutex_init(&t->lock, NULL);
	return t;
}

static void fill(struct app_id_facts *facts, unsigned generation, const uint8_t psk[TLS_PSK_LEN], unsigned packet_max)
{
	facts->generation = generation;
	facts->packet_max = packet_max;
	memcpy(facts->psk, psk, TLS_PSK_LEN);
}

int app_ids_add(struct app_ids *t, struct session *s, unsigned generation, const uint8_t psk[TLS_PSK_LEN],
		unsigned packet_max, uint8_t id[APP_ID_LEN])
{
	struct app_id *a = calloc(1, sizeof(*a));
	void *at;

	if (!a)
		return ERR_NOMEM;
	a->session = s;
	fill(&a->facts, generation, psk, packet_max);
	random_bytes(a->id, APP_ID_LEN);
	memcpy(id, a->id, APP_ID_LEN);
	pthread_mutex_lock(&t->lock);
	at = tsearch(a, &t->tree, compare);
	if (at)
		TAILQ_INSERT_TAIL(&s->app_ids, a, of_session);
	pthread_mutex_unlock(&t->lock);
	if (at)
		return 0;
	free(a);
	return ERR_NOMEM;
}

int app_ids_renew(struct app_ids *t, struct session *s, unsigned generation, const uint8_t psk[TLS_PSK_LEN],
		  unsigned packet_max, uint8_t id[APP_ID_LEN])
{
	struct app_id *a;

	pthread_mutex_lock(&t->lock);
	a = TAILQ_FIRST(&s->app_ids);
	if (a) {
		fill(&a->facts, generation, psk, packet_max);
		memcpy(id, a->id, APP_ID_LEN);
	}
	pthread_mutex_unlock(&t->lock);
	return a ? 0 : ERR_MISSING;
}

struct session *app_ids_find(struct app_ids *t, const uint8_t *id, size_t len, struct app_id_facts *facts)
{
	struct session *s = NULL;
	struct app_id **at;

	if (len != APP_ID_LEN)
		return NULL;
	pthread_mutex_lock(&t->lock);
	at = tfind(id, &t->tree, compare);
	if (at && session_get((*at)->session)) {
		s = (*at)->session;
		*facts = (*at)->facts;
	}
	pthread_mutex_unlock(&t->lock);
	return s;
}

void app_ids_drop(struct app_ids *t, struct session *s, unsigned keep)
{
	struct app_id *a, *next;

	pthread_mutex_lock(&t->lock);
	for (a = TAILQ_FIRST(&s->app_ids); a; a = next) {
		next = TAILQ_NEXT(a, of_session);
		if (keep && a->facts.generation == keep)
			continue;
		tdelete(a, &t->tree, compare);
		TAILQ_REMOVE(&s->app_ids, a, of_session);
		explicit_bzero(a, sizeof(*a));
		free(a);
	}
	pthread_mutex_unlock(&t->lock);
}

void app_ids_free(struct app_ids *t)
{
	if (!t)
		return;
	assert(!t->tree);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
