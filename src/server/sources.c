/* SPDX-License-Identifier: Apache-2.0 */
/* Outer addresses that have a live session. */
#include "server/sources.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "base/addr.h"
#include "base/random.h"

enum { BUCKETS = 1024 };

struct source {
	struct addr addr;
	unsigned sessions;
	LIST_ENTRY(source) next;
};

struct sources {
	pthread_mutex_t lock;
	uint64_t key; /* random: the addresses are chosen by strangers */
	LIST_HEAD(, source) buckets[BUCKETS];
};

static unsigned bucket_of(const struct sources *s, const struct addr *a)
{
	return addr_hash(s->key, a) % BUCKETS;
}

static struct source *find(struct sources *s, const struct addr *a)
{
	struct source *source;

	LIST_FOREACH(source, &s->buckets[bucket_of(s, a)], next)
	{
		if (addr_equal(&source->addr, a))
			return source;
	}
	return NULL;
}

struct sources *sources_new(void)
{
	struct sources *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	random_bytes(&s->key, sizeof(s->key));
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void sources_add(struct sources *s, const struct addr *a)
{
	struct source *source;

	pthread_mutex_lock(&s->lock);
	source = find(s, a);
	if (!source && (source = calloc(1, sizeof(*source)))) {
		source->addr = *a;
		LIST_INSERT_HEAD(&s->buckets[bucket_of(s, a)], source, next);
	}
	if (source)
		source->sessions++;
	pthread_mutex_unlock(&s->lock);
}

void sources_remove(struct sources *s, const struct addr *a)
{
	struct source *source;

	pthread_mutex_lock(&s->lock);
	source = find(s, a);
	if (source && --source->sessions == 0) {
		LIST_REMOVE(source, next);
		free(source);
	}
	pthread_mutex_unlock(&s->lock);
}

bool sources_has(struct sources *s, const struct addr *a)
{
	bool has;

	pthread_mutex_lock(&s->lock);
	has = find(s, a) != NULL;
	pthread_mutex_unlock(&s->lock);
	return has;
}

void sources_free(struct sources *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < BUCKETS; i++) {
		struct source *source;

		while ((source = LIST_FIRST(&s->buckets[i]))) {
			LIST_REMOVE(source, next);
			free(source);
		}
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}
