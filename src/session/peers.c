/* SPDX-License-Identifier: Apache-2.0 */
/* The peers a gateway knows, their cookies and sessions. */
#include "session/peers.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/hex.h"
#include "base/random.h"
#include "conf/conf.h"
#include "session/lease.h"
#include "session/session.h"

enum { BUCKETS = 4096, COOKIE_BYTES = 32 };
static_assert(PEER_COOKIE_LEN == 2 * COOKIE_BYTES + 1, "a cookie travels in hex");

struct cookie {
	uint8_t bytes[COOKIE_BYTES];
	uint64_t expires_ms;     /* while it has no session */
	struct session *session; /* borrowed from the peer's list */
	bool taken;              /* by a session, or by an admission that may end in one */
	TAILQ_ENTRY(cookie) next;
};

TAILQ_HEAD(cookies, cookie);

struct peer {
	char name[TLS_NAME_LEN];
	char root[TLS_ROOT_LEN];
	const struct conf_client *fixed;
	struct cookies waiting;         /* oldest first, few: PEER_COOKIES_MAX */
	struct cookies taken;           /* newest first: that is the one that is looked for next */
	TAILQ_HEAD(, session) sessions; /* oldest first, referenced */
	size_t waiting_len, sessions_len;
	size_t admitted; /* sessions to be: they count like those that are */
	LIST_ENTRY(peer) bucket;
};

struct peers {
	const struct conf *conf;
	struct lease_pool *pool4, *pool6;
	pthread_mutex_t lock;
	LIST_HEAD(, peer) buckets[BUCKETS];
};

static uint32_t bucket_of(const char *name)
{
	return hash_bytes(HASH_SEED, name, strlen(name)) % BUCKETS; /* names are certified, not chosen by strangers */
}

static const struct conf_client *find_fixed(const struct conf *conf, const char *name)
{
	size_t i;

	for (i = 0; i < conf->clients.len; i++)
		if (!strcmp(conf->clients.items[i].name, name))
			return &conf->clients.items[i];
	return NULL;
}

static struct peer *find_peer(struct peers *p, const struct tls_identity_proof *proof)
{
	struct peer *peer;

	LIST_FOREACH(peer, &p->buckets[bucket_of(proof->name)], bucket)
	if (!strcmp(peer->name, proof->name) && !strcmp(peer->root, proof->root))
		return peer;
	return NULL;
}

static struct peer *get_peer(struct peers *p, const struct tls_identity_proof *proof)
{
	struct peer *peer = find_peer(p, proof);

	if (peer)
		return peer;
	peer = calloc(1, sizeof(*peer));
	if (!peer)
		return NULL;
	snprintf(peer->name, sizeof(peer->name), "%s", proof->name);
	snprintf(peer->root, sizeof(peer->root), "%s", proof->root);
	peer->fixed = find_fixed(p->conf, proof->name);
	TAILQ_INIT(&peer->waiting);
	TAILQ_INIT(&peer->taken);
	TAILQ_INIT(&peer->sessions);
	LIST_INSERT_HEAD(&p->buckets[bucket_of(peer->name)], peer, bucket);
	return peer;
}

static void forget_peer_if_idle(struct peer *peer)
{
	if (peer->waiting_len || peer->sessions_len || !TAILQ_EMPTY(&peer->taken))
		return;
	LIST_REMOVE(peer, bucket);
	free(peer);
}

static void add_cookie(struct peer *peer, struct cookie *c)
{
	TAILQ_INSERT_TAIL(&peer->waiting, c, next);
	peer->waiting_len++;
}

static void unlist_cookie(struct peer *peer, struct cookie *c)
{
	TAILQ_REMOVE(c->taken ? &peer->taken : &peer->waiting, c, next);
	peer->waiting_len -= !c->taken;
}

static void take_cookie(struct peer *peer, struct cookie *c)
{
	unlist_cookie(peer, c);
	c->taken = true;
	TAILQ_INSERT_HEAD(&peer->taken, c, next);
}

static void put_cookie_back(struct peer *peer, struct cookie *c)
{
	unlist_cookie(peer, c);
	c->taken = false;
	add_cookie(peer, c);
}

static void drop_cookie(struct peer *peer, struct cookie *c)
{
	unlist_cookie(peer, c);
	explicit_bzero(c, sizeof(*c));
	free(c);
}

static bool same_secret(const uint8_t *a, const uint8_t *b, size_t len)
{
	volatile uint8_t diff = 0;
	size_t i;

	for (i = 0; i < len; i++)
		diff |= a[i] ^ b[i];
	return !diff;
}

static struct cookie *find_among(struct cookies *cookies, const uint8_t bytes[COOKIE_BYTES])
{
	struct cookie *c;

	TAILQ_FOREACH(c, cookies, next)
		if (same_secret(c->bytes, bytes, COOKIE_BYTES))
			return c;
	return NULL;
}

static struct cookie *find_cookie(struct peer *peer, const char *text, uint64_t now_ms)
{
	uint8_t bytes[COOKIE_BYTES];
	struct cookie *c;

	if (strlen(text) != 2 * COOKIE_BYTES || hex_decode(text, 2 * COOKIE_BYTES, bytes) < 0)
		return NULL;
	c = find_among(&peer->waiting, bytes);
	if (c && now_ms >= c->expires_ms)
		c = NULL;
	else if (!c)
		c = find_among(&peer->taken, bytes);
	explicit_bzero(bytes, sizeof(bytes));
	return c;
}

static void give_back(struct peers *p, const struct addr *ipv4, const struct addr *ipv6)
{
	if (p->pool4 && ipv4->family)
		lease_give(p->pool4, ipv4);
	if (p->pool6 && ipv6->family)
		lease_give(p->pool6, ipv6);
}

/* Takes @s out of its peer's books. Its reference passes to the caller. */
static void take_out(struct peers *p, struct peer *peer, struct session *s)
{
	struct cookie *c;

	TAILQ_REMOVE(&peer->sessions, s, of_peer);
	peer->sessions_len--;
	s->booked = false;
	give_back(p, &s->ipv4, &s->ipv6);
	TAILQ_FOREACH(c, &peer->taken, next) {
		if (c->session == s) {
			drop_cookie(peer, c);
			return;
		}
	}
}

static struct session *choose_replaced(const struct peer *peer)
{
	struct session *s;

	TAILQ_FOREACH(s, &peer->sessions, of_peer) {
		if (!session_has_stream(s))
			return s;
	}
	return TAILQ_FIRST(&peer->sessions);
}

static bool wants_fixed(const struct peer *peer)
{
	return peer->fixed && (peer->fixed->ipv4.family || peer->fixed->ipv6.family);
}

static size_t limit_of(const struct peers *p, const struct peer *peer)
{
	if (wants_fixed(peer))
		return 1; /* the address is one */
	if (peer->fixed && peer->fixed->sessions)
		return (size_t)peer->fixed->sessions;
	return (size_t)p->conf->limits.sessions_per_client;
}

/* Whether there is room for one more session of @peer, once older ones have made place. */
static int replace_older(struct peers *p, struct peer *peer, struct admission *out)
{
	size_t limit = limit_of(p, peer);

	while (peer->sessions_len && peer->sessions_len + peer->admitted >= limit &&
	       out->replaced_len < ADMISSION_REPLACED_MAX) {
		struct session *s = choose_replaced(peer);

		take_out(p, peer, s);
		out->replaced[out->replaced_len++] = s;
	}
	return peer->sessions_len + peer->admitted < limit ? 0 : ERR_EXISTS;
}

/* A fixed address is lent by name: whoever has it under another trust root goes, too. */
static int replace_namesakes(struct peers *p, struct peer *peer, struct admission *out)
{
	struct session *s;
	struct peer *other;

	LIST_FOREACH(other, &p->buckets[bucket_of(peer->name)], bucket)
	{
		if (other == peer || other->fixed != peer->fixed)
			continue;
		if (other->admitted || out->replaced_len + other->sessions_len > ADMISSION_REPLACED_MAX)
			return ERR_EXISTS;
		while ((s = TAILQ_FIRST(&other->sessions))) {
			take_out(p, other, s);
			out->replaced[out->replaced_len++] = s;
		}
	}
	return 0;
}

static int lease_family(struct lease_pool *pool, const struct addr *fixed, const char *name, struct addr *out)
{
	if (fixed && fixed->family) {
		*out = *fixed;
		return 0;
	}
	return pool ? lease_take(pool, name, out) : 0;
}

static int lease_both(struct peers *p, const struct peer *peer, bool ipv4, bool ipv6, struct admission *out)
{
	const struct conf_client *fixed = peer->fixed;
	int r;

	if (ipv4 && (r = lease_family(p->pool4, fixed ? &fixed->ipv4 : NULL, peer->name, &out->ipv4)) < 0)
		return r;
	if (ipv6 && (r = lease_family(p->pool6, fixed ? &fixed->ipv6 : NULL, peer->name, &out->ipv6)) < 0) {
		give_back(p, &out->ipv4, &out->ipv6);
		out->ipv4 = (struct addr){ 0 };
		return r;
	}
	return out->ipv4.family || out->ipv6.family ? 0 : ERR_MISSING;
}

struct peers *peers_new(const struct conf *conf)
{
	struct peers *p = calloc(1, sizeof(*p));
	size_t i;

	if (!p)
		return NULL;
	p->conf = conf;
	pthread_mutex_init(&p->lock, NULL);
	if (conf->addresses.ipv4.addr.family && !(p->pool4 = lease_pool_new(&conf->addresses.ipv4)))
		goto out;
	if (conf->addresses.ipv6.addr.family && !(p->pool6 = lease_pool_new(&conf->addresses.ipv6)))
		goto out;
	for (i = 0; i < conf->clients.len; i++) {
		const struct conf_client *c = &conf->clients.items[i];

		if (p->pool4 && c->ipv4.family)
			lease_reserve(p->pool4, &c->ipv4);
		if (p->pool6 && c->ipv6.family)
			lease_reserve(p->pool6, &c->ipv6);
	}
	return p;
out:
	peers_free(p);
	return NULL;
}

int peers_login(struct peers *p, const struct tls_identity_proof *proof, uint64_t now_ms, char cookie[PEER_COOKIE_LEN])
{
	struct cookie *c = calloc(1, sizeof(*c));
	struct peer *peer;

	if (!c)
		return ERR_NOMEM;
	random_bytes(c->bytes, sizeof(c->bytes));
	c->expires_ms = now_ms + (uint64_t)p->conf->limits.cookie_seconds * 1000;
	pthread_mutex_lock(&p->lock);
	peer = get_peer(p, proof);
	if (!peer) {
		pthread_mutex_unlock(&p->lock);
		free(c);
		return ERR_NOMEM;
	}
	if (peer->waiting_len >= PEER_COOKIES_MAX)
		drop_cookie(peer, TAILQ_FIRST(&peer->waiting));
	add_cookie(peer, c);
	hex_encode(c->bytes, sizeof(c->bytes), cookie);
	pthread_mutex_unlock(&p->lock);
	return 0;
}

int peers_claim(struct peers *p, const struct tls_identity_proof *proof, const char *cookie, uint64_t now_ms,
		struct session **living)
{
	struct cookie *c = NULL;
	struct peer *peer;

	pthread_mutex_lock(&p->lock);
	peer = find_peer(p, proof);
	if (peer)
		c = find_cookie(peer, cookie, now_ms);
	if (c) {
		*living = c->session;
		if (c->session)
			session_get(c->session);
	}
	pthread_mutex_unlock(&p->lock);
	return c ? 0 : ERR_DENIED;
}

static int admit(struct peers *p, struct peer *peer, struct cookie *c, bool ipv4, bool ipv6, struct admission *out)
{
	int r;

	if (c->taken)
		return ERR_EXISTS;
	if ((r = replace_older(p, peer, out)) < 0 || (wants_fixed(peer) && (r = replace_namesakes(p, peer, out)) < 0) ||
	    (r = lease_both(p, peer, ipv4, ipv6, out)) < 0)
		return r;
	take_cookie(peer, c);
	peer->admitted++;
	return 0;
}

int peers_admit(struct peers *p, const struct tls_identity_proof *proof, const char *cookie, bool ipv4, bool ipv6,
		struct admission *out)
{
	struct cookie *c = NULL;
	struct peer *peer;
	int r = ERR_DENIED;

	*out = (struct admission){ 0 };
	pthread_mutex_lock(&p->lock);
	peer = find_peer(p, proof);
	if (peer)
		c = find_cookie(peer, cookie, 0);
	if (c) {
		out->fixed = peer->fixed;
		r = admit(p, peer, c, ipv4, ipv6, out);
	}
	pthread_mutex_unlock(&p->lock);
	return r;
}

void peers_release(struct peers *p, const struct tls_identity_proof *proof, const char *cookie,
		   const struct admission *a)
{
	struct peer *peer;

	pthread_mutex_lock(&p->lock);
	give_back(p, &a->ipv4, &a->ipv6);
	peer = find_peer(p, proof);
	peer->admitted--;
	put_cookie_back(peer, find_cookie(peer, cookie, 0));
	pthread_mutex_unlock(&p->lock);
}

void peers_enter(struct peers *p, const struct tls_identity_proof *proof, const char *cookie, struct session *s)
{
	struct peer *peer;

	pthread_mutex_lock(&p->lock);
	peer = find_peer(p, proof);
	peer->admitted--;
	find_cookie(peer, cookie, 0)->session = s;
	session_get(s);
	TAILQ_INSERT_TAIL(&peer->sessions, s, of_peer);
	peer->sessions_len++;
	s->booked = true;
	pthread_mutex_unlock(&p->lock);
}

/* The peer that has @s in its books. Names repeat only across trust roots, so this is short. */
static struct peer *peer_of(struct peers *p, const struct session *s)
{
	struct session *other;
	struct peer *peer;

	LIST_FOREACH(peer, &p->buckets[bucket_of(s->name)], bucket)
	{
		TAILQ_FOREACH(other, &peer->sessions, of_peer) {
			if (other == s)
				return peer;
		}
	}
	return NULL;
}

void peers_leave(struct peers *p, struct session *s)
{
	struct peer *peer = NULL;

	pthread_mutex_lock(&p->lock);
	if (s->booked) {
		peer = peer_of(p, s);
		take_out(p, peer, s);
		forget_peer_if_idle(peer);
	}
	pthread_mutex_unlock(&p->lock);
	if (peer)
		session_put(s);
}

static void expire_cookies(struct peer *peer, uint64_t now_ms, uint64_t *next_ms)
{
	struct cookie *c = TAILQ_FIRST(&peer->waiting);

	while (c) {
		struct cookie *after = TAILQ_NEXT(c, next);

		if (now_ms >= c->expires_ms)
			drop_cookie(peer, c);
		else
			*next_ms = clock_sooner(*next_ms, c->expires_ms);
		c = after;
	}
}

uint64_t peers_expire(struct peers *p, uint64_t now_ms)
{
	uint64_t next_ms = CLOCK_NEVER;
	size_t i;

	pthread_mutex_lock(&p->lock);
	for (i = 0; i < BUCKETS; i++) {
		struct peer *peer = LIST_FIRST(&p->buckets[i]);

		while (peer) {
			struct peer *after = LIST_NEXT(peer, bucket);

			expire_cookies(peer, now_ms, &next_ms);
			forget_peer_if_idle(peer);
			peer = after;
		}
	}
	pthread_mutex_unlock(&p->lock);
	return next_ms;
}

void peers_free(struct peers *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < BUCKETS; i++) {
		struct peer *peer;

		while ((peer = LIST_FIRST(&p->buckets[i]))) {
			assert(!peer->sessions_len);
			while (!TAILQ_EMPTY(&peer->waiting))
				drop_cookie(peer, TAILQ_FIRST(&peer->waiting));
			while (!TAILQ_EMPTY(&peer->taken))
				drop_cookie(peer, TAILQ_FIRST(&peer->taken));
			forget_peer_if_idle(peer);
		}
	}
	lease_pool_free(p->pool4);
	lease_pool_free(p->pool6);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
