/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A gateway's hooks, at most HOOKS_RUNNING_MAX at once and the rest in order. To start one takes milliseconds, so they
 * begin one a turn of the loop: the engine's requests are taken faster than that, also in the short time of its end.
 */
#include "monitor/hook.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"

struct hook {
	struct hook *next;
	struct hooks *hooks;
	struct hook_facts facts;
	void (*done)(void *arg, int result);
	void *arg;
};

struct hooks {
	uv_loop_t *loop;
	uv_idle_t starter; /* active while one waits and there is room */
	const struct conf *conf;
	const char *device;
	struct hook *waiting, **waiting_end;
	unsigned waiting_len, running;
};

/* "10.0.0.1:443", "[fd00::1]:443" or an address alone: the address, "" for anything else. */
static void address_of(const char *endpoint, char *out)
{
	const char *from = *endpoint == '[' ? endpoint + 1 : endpoint;
	const char *colon = strchr(from, ':');
	size_t len = strlen(from);
	struct addr a = { 0 };
	char text[64];

	if (from != endpoint)
		len = strcspn(from, "]");
	else if (colon && !strchr(colon + 1, ':'))
		len = (size_t)(colon - from);
	snprintf(text, sizeof(text), "%.*s", (int)len, from);
	addr_parse(text, &a);
	addr_format(&a, out);
}

/* The gateway's own address of a pool that is configured. */
static struct addr own_of(const struct prefix *pool)
{
	struct addr network = prefix_network(pool).addr;

	return addr_add(&network, 1);
}

static const char *own_text(const struct prefix *pool, char *out)
{
	struct addr own = own_of(pool);

	return addr_format(&own, out);
}

static bool may_be_lent(const struct prefix *pool, const struct addr *a)
{
	struct addr own;

	if (a->family == ADDR_NONE)
		return true;
	if (!prefix_contains(pool, a))
		return false;
	own = own_of(pool);
	return !addr_equal(a, &own);
}

/* ocserv gives each list whole and by family, its items separated by blanks. */
enum { LIST_ALL, LIST_V4, LIST_V6, LISTS };
static const char *const list_suffixes[] = { [LIST_ALL] = "", [LIST_V4] = "4", [LIST_V6] = "6" };
static_assert(sizeof(list_suffixes) / sizeof(list_suffixes[0]) == LISTS, "a suffix for every list");

static void list_add(struct child_words *env, struct buf *list, const char *text)
{
	if (buf_printf(list, "%s%s", buf_len(list) ? " " : "", text) < 0)
		env->failed = true;
}

static void lists_add(struct child_words *env, struct buf lists[LISTS], const struct addr *a, const char *text)
{
	list_add(env, &lists[LIST_ALL], text);
	list_add(env, &lists[a->family == ADDR_V4 ? LIST_V4 : LIST_V6], text);
}

/* A list without items has no variable. */
static void lists_finish(struct child_words *env, struct buf lists[LISTS], const char *name)
{
	int i;

	for (i = 0; i < LISTS; i++) {
		if (buf_len(&lists[i]))
			child_word(env, "%s%s=%.*s", name, list_suffixes[i], (int)buf_len(&lists[i]),
				   (const char *)buf_data(&lists[i]));
		buf_fini(&lists[i]);
	}
}

static void lists_add_prefix(struct child_words *env, struct buf lists[LISTS], const struct prefix *p)
{
	char text[PREFIX_TEXT_LEN];

	lists_add(env, lists, &p->addr, prefix_format(p, text));
}

static bool has_family(const struct conf_prefixes *prefixes, enum addr_family family)
{
	size_t i;

	for (i = 0; i < prefixes->len; i++)
		if (prefixes->items[i].addr.family == family)
			return true;
	return false;
}

/* What clients are told (server/grant.c): a family without any of push.routes gets its network of addresses. */
static void add_routes(struct child_words *env, const struct conf *conf)
{
	const struct prefix *pools[] = { &conf->addresses.ipv4, &conf->addresses.ipv6 };
	struct buf lists[LISTS] = { BUF_INIT, BUF_INIT, BUF_INIT };
	size_t i;

	for (i = 0; i < conf->push.routes.len; i++)
		lists_add_prefix(env, lists, &conf->push.routes.items[i]);
	for (i = 0; i < 2; i++)
		if (pools[i]->addr.family != ADDR_NONE && !has_family(&conf->push.routes, pools[i]->addr.family))
			lists_add_prefix(env, lists, pools[i]);
	lists_finish(env, lists, "OCSERV_ROUTES");
}

static void add_excludes(struct child_words *env, const struct conf *conf)
{
	struct buf lists[LISTS] = { BUF_INIT, BUF_INIT, BUF_INIT };
	size_t i;

	for (i = 0; i < conf->push.exclude.len; i++)
		lists_add_prefix(env, lists, &conf->push.exclude.items[i]);
	lists_finish(env, lists, "OCSERV_NO_ROUTES");
}

static void add_addrs(struct child_words *env, const char *name, const struct conf_addrs *addrs)
{
	struct buf lists[LISTS] = { BUF_INIT, BUF_INIT, BUF_INIT };
	char text[ADDR_TEXT_LEN];
	size_t i;

	for (i = 0; i < addrs->len; i++)
		lists_add(env, lists, &addrs->items[i], addr_format(&addrs->items[i], text));
	lists_finish(env, lists, name);
}

void hook_env(struct child_words *env, const struct conf *conf, const char *device, const struct hook_facts *facts)
{
	char text[ADDR_TEXT_LEN];

	child_words_init(env);
	child_word(env, "REASON=%s", facts->connect ? "connect" : "disconnect");
	child_word(env, "ID=%" PRIu64, facts->session);
	child_word(env, "USERNAME=%s", facts->name);
	child_word(env, "VHOST=default");
	child_word(env, "GROUPNAME=");
	child_word(env, "REMOTE_HOSTNAME="); /* what a client calls itself proves nothing */
	child_word(env, "DEVICE=%s", device);
	address_of(facts->peer, text);
	child_word(env, "IP_REAL=%s", text);
	address_of(facts->local, text);
	child_word(env, "IP_REAL_LOCAL=%s", text);
	if (facts->ipv4.family != ADDR_NONE) {
		child_word(env, "IP_LOCAL=%s", own_text(&conf->addresses.ipv4, text));
		child_word(env, "IP_REMOTE=%s", addr_format(&facts->ipv4, text));
	}
	if (facts->ipv6.family != ADDR_NONE) {
		child_word(env, "IPV6_LOCAL=%s", own_text(&conf->addresses.ipv6, text));
		child_word(env, "IPV6_REMOTE=%s", addr_format(&facts->ipv6, text));
		child_word(env, "IPV6_PREFIX=128");
	}
	add_routes(env, conf);
	add_excludes(env, conf);
	add_addrs(env, "OCSERV_DNS", &conf->push.dns);
	if (facts->connect)
		return;
	child_word(env, "STATS_BYTES_IN=%" PRIu64, facts->rx_bytes);
	child_word(env, "STATS_BYTES_OUT=%" PRIu64, facts->tx_bytes);
	child_word(env, "STATS_DURATION=%" PRIu64, facts->seconds);
	child_word(env, "REASON_TEXT=%s", facts->reason);
}

bool hook_allowed(const struct conf *conf, const struct hook_facts *facts)
{
	return *facts->name && may_be_lent(&conf->addresses.ipv4, &facts->ipv4) &&
	       may_be_lent(&conf->addresses.ipv6, &facts->ipv6);
}

static const char *path_of(const struct hooks *h, const struct hook_facts *facts)
{
	return facts->connect ? h->conf->hooks.connect : h->conf->hooks.disconnect;
}

static void start(struct hook *hook);

static void finish(struct hook *hook, int result)
{
	if (result < 0)
		log_limited(LOG_LEVEL_WARN, "hook %s: name=%s: %s", hook->facts.connect ? "connect" : "disconnect",
			    hook->facts.name, err_text(result));
	hook->done(hook->arg, result);
	free(hook);
}

static struct hook *take_waiting(struct hooks *h)
{
	struct hook *hook = h->waiting;

	h->waiting = hook->next;
	if (!h->waiting)
		h->waiting_end = &h->waiting;
	h->waiting_len--;
	return hook;
}

static void on_turn(uv_idle_t *starter)
{
	struct hooks *h = starter->data;

	if (h->waiting && h->running < HOOKS_RUNNING_MAX)
		start(take_waiting(h));
	else
		uv_idle_stop(starter);
}

static void on_done(void *arg, int result)
{
	struct hook *hook = arg;
	struct hooks *h = hook->hooks;

	h->running--;
	finish(hook, result);
	uv_idle_start(&h->starter, on_turn);
}

static void start(struct hook *hook)
{
	struct hooks *h = hook->hooks;
	struct child_words env;
	int r;

	hook_env(&env, h->conf, h->device, &hook->facts);
	r = child_start(h->loop, path_of(h, &hook->facts), &env, h->conf->hooks.seconds, on_done, hook, NULL);
	child_words_fini(&env);
	if (r < 0)
		finish(hook, r);
	else
		h->running++;
}

struct hooks *hook_new(uv_loop_t *loop, const struct conf *conf, const char *device)
{
	struct hooks *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->loop = loop;
	h->conf = conf;
	h->device = device;
	h->waiting_end = &h->waiting;
	uv_idle_init(loop, &h->starter);
	h->starter.data = h;
	return h;
}

void hook_run(struct hooks *h, const struct hook_facts *facts, void (*done)(void *arg, int result), void *arg)
{
	const char *path = path_of(h, facts);
	struct hook *hook;

	if (!path || !*path) {
		done(arg, 0);
		return;
	}
	hook = h->waiting_len < HOOKS_WAITING_MAX ? calloc(1, sizeof(*hook)) : NULL;
	if (!hook) {
		log_limited(LOG_LEVEL_WARN, "hook dropped: name=%s waiting=%u", facts->name, h->waiting_len);
		done(arg, ERR_FULL);
		return;
	}
	*hook = (struct hook){ NULL, h, *facts, done, arg };
	*h->waiting_end = hook;
	h->waiting_end = &hook->next;
	h->waiting_len++;
	uv_idle_start(&h->starter, on_turn);
}

bool hook_busy(const struct hooks *h)
{
	return h->running || h->waiting;
}

void hook_abandon(struct hooks *h)
{
	struct hook *hook;

	if (h->waiting_len)
		log_warn("hooks not run: count=%u", h->waiting_len);
	while ((hook = h->waiting)) {
		h->waiting = hook->next;
		hook->done(hook->arg, ERR_TIMEOUT);
		free(hook);
	}
	h->waiting_end = &h->waiting;
	h->waiting_len = 0;
}

void hook_free(struct hooks *h)
{
	free(h);
}
