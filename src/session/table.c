/* SPDX-License-Identifier: Apache-2.0 */
/* Which session owns an inner address. */
#include "session/table.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <urcu/rculfhash.h>
#include <urcu/urcu-memb.h>

#include "base/err.h"
#include "base/random.h"
#include "ip/prefix_table.h"
#include "session/session.h"

enum { FIRST_BUCKETS = 64 };

/* A network behind a client. */
struct site {
	const char *name;
	struct session *session; /* RCU */
	TAILQ_ENTRY(site) next;
};

struct session_table {
	struct cds_lfht *by_addr;
	uint64_t hash_key; /* random: a pool is predictable */
	struct prefix_table *by_network;
	struct session *fallback; /* RCU */
	pthread_mutex_t lock;     /* writers */
	TAILQ_HEAD(, site) sites;
	TAILQ_HEAD(session_list, session) all;
	size_t count;
};

/*
 * What was written before a session was published is seen by who finds it. liburcu's barriers see to that on the
 * machine; this pair with session_table_add() says it in the language's terms, which sanitizers understand.
 */
static struct session *found(struct session *s)
{
	if (s)
		atomic_load_explicit(&s->published, memory_order_acquire);
	return s;
}

static int match_ipv4(struct cds_lfht_node *node, const void *key)
{
	return addr_equal(&caa_container_of(node, struct session, by_ipv4)->ipv4, key);
}

static int match_ipv6(struct cds_lfht_node *node, const void *key)
{
	return addr_equal(&caa_container_of(node, struct session, by_ipv6)->ipv6, key);
}

static void claim_sites(struct session_table *t, struct session *s)
{
	struct site *site;

	TAILQ_FOREACH(site, &t->sites, next) {
		if (!strcmp(site->name, s->name))
			rcu_assign_pointer(site->session, s);
	}
}

static struct session *namesake(struct session_table *t, const struct session *s)
{
	struct session *other;

	TAILQ_FOREACH_REVERSE(other, &t->all, session_list, all)
	{
		if (other != s && !strcmp(other->name, s->name))
			return other;
	}
	return NULL;
}

/* Sites go back to another session of the same name, when there is one. */
static void yield_sites(struct session_table *t, struct session *s)
{
	struct session *heir = NULL;
	struct site *site;

	TAILQ_FOREACH(site, &t->sites, next) {
		if (site->session != s)
			continue;
		if (!heir)
			heir = namesake(t, s);
		rcu_assign_pointer(site->session, heir);
	}
}

struct session_table *session_table_new(void)
{
	struct session_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	TAILQ_INIT(&t->sites);
	TAILQ_INIT(&t->all);
	random_bytes(&t->hash_key, sizeof(t->hash_key));
	pthread_mutex_init(&t->lock, NULL);
	t->by_addr =
		cds_lfht_new_flavor(FIRST_BUCKETS, FIRST_BUCKETS, 0, CDS_LFHT_AUTO_RESIZE, &urcu_memb_flavor, NULL);
	t->by_network = prefix_table_new();
	if (!t->by_addr || !t->by_network) {
		session_table_free(t);
		return NULL;
	}
	return t;
}

int session_table_site(struct session_table *t, const struct prefix *p, const char *name)
{
	struct site *site = calloc(1, sizeof(*site));
	int r;

	if (!site)
		return ERR_NOMEM;
	site->name = name;
	if ((r = prefix_table_add(t->by_network, p, site)) < 0) {
		free(site);
		return r;
	}
	TAILQ_INSERT_TAIL(&t->sites, site, next);
	return 0;
}

void session_table_add(struct session_table *t, struct session *s)
{
	session_get(s);
	pthread_mutex_lock(&t->lock);
	atomic_store_explicit(&s->published, true, memory_order_release); /* before it can be found */
	urcu_memb_read_lock();
	if (s->ipv4.family)
		cds_lfht_add(t->by_addr, addr_hash(t->hash_key, &s->ipv4), &s->by_ipv4);
	if (s->ipv6.family)
		cds_lfht_add(t->by_addr, addr_hash(t->hash_key, &s->ipv6), &s->by_ipv6);
	urcu_memb_read_unlock();
	TAILQ_INSERT_TAIL(&t->all, s, all);
	t->count++;
	claim_sites(t, s);
	pthread_mutex_unlock(&t->lock);
}

void session_table_remove(struct session_table *t, struct session *s)
{
	bool was_in;

	pthread_mutex_lock(&t->lock);
	was_in = s->published;
	if (was_in) {
		urcu_memb_read_lock();
		if (s->ipv4.family)
			cds_lfht_del(t->by_addr, &s->by_ipv4);
		if (s->ipv6.family)
			cds_lfht_del(t->by_addr, &s->by_ipv6);
		urcu_memb_read_unlock();
		yield_sites(t, s);
		TAILQ_REMOVE(&t->all, s, all);
		t->count--;
		s->published = false;
		if (t->fallback == s)
			rcu_assign_pointer(t->fallback, NULL);
	}
	pthread_mutex_unlock(&t->lock);
	if (was_in)
		session_put(s);
}

void session_table_fallback(struct session_table *t, struct session *s)
{
	rcu_assign_pointer(t->fallback, s);
}

struct session *session_by_addr(struct session_table *t, const struct addr *dst)
{
	bool v4 = dst->family == ADDR_V4;
	struct cds_lfht_iter iter;
	struct cds_lfht_node *node;
	struct site *site;

	cds_lfht_lookup(t->by_addr, addr_hash(t->hash_key, dst), v4 ? match_ipv4 : match_ipv6, dst, &iter);
	node = cds_lfht_iter_get_node(&iter);
	if (node)
		return found(v4 ? caa_container_of(node, struct session, by_ipv4)
				: caa_container_of(node, struct session, by_ipv6));
	site = prefix_table_find(t->by_network, dst);
	return site ? found(rcu_dereference(site->session)) : NULL;
}

struct session *session_fallback(struct session_table *t)
{
	return found(rcu_dereference(t->fallback));
}

struct session *session_by_dst(struct session_table *t, const struct addr *dst)
{
	struct session *s = session_by_addr(t, dst);

	return s ? s : session_fallback(t);
}

void session_table_each(struct session_table *t, void (*fn)(struct session *s, void *arg), void *arg)
{
	struct session *s;

	pthread_mutex_lock(&t->lock);
	TAILQ_FOREACH(s, &t->all, all)
		fn(s, arg);
	pthread_mutex_unlock(&t->lock);
}

size_t session_table_count(struct session_table *t)
{
	size_t count;

	pthread_mutex_lock(&t->lock);
	count = t->count;
	pthread_mutex_unlock(&t->lock);
	return count;
}

void session_table_free(struct session_table *t)
{
	struct site *site;

	if (!t)
		return;
	assert(!t->count);
	while ((site = TAILQ_FIRST(&t->sites))) {
		TAILQ_REMOVE(&t->sites, site, next);
		free(site);
	}
	if (t->by_addr)
		cds_lfht_destroy(t->by_addr, NULL);
	prefix_table_free(t->by_network);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
