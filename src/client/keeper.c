/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the tunnel. A round resolves and opens at once with the addresses that are known already; what is resolved
 * meanwhile serves the next round. When the first round has failed, the tunnel's name servers are taken back: they may
 * lie behind the very tunnel that is down, and the gateway may have moved.
 */
#include "client/keeper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "client/airway.h"
#include "client/client_int.h"
#include "client/failure.h"
#include "client/items.h"
#include "client/renew.h"
#include "conf/conf.h"
#include "crypto/tls.h"
#include "path/link.h"
#include "server/report.h"
#include "session/channel.h"
#include "session/session.h"
#include "session/table.h"
#include "wire/mtu.h"

enum {
	STABLE_MS = 10000, /* a stream that lived so long ends the back-off */
	RETRY_TEXT_LEN = TLS_TEXT_LEN + 64,
	EXIT_REFUSED = 2,
};

static void begin_round(struct client *c);
static void retry_later(struct client *c, const char *why);

/* ---- what the grant asks for ---- */

/* The smaller of two intervals in which 0 means none. */
static unsigned smaller(int a, int b)
{
	return (unsigned)(a && (!b || a < b) ? a : b);
}

static struct rekey_limits rekey_limits(const struct client *c, const struct tunnel_grant *g)
{
	return (struct rekey_limits){
		.interval_ms = (uint64_t)smaller(c->conf->rekey.seconds, g->rekey_seconds) * 1000,
		.records = (uint64_t)1 << c->conf->rekey.records_log2,
		.bytes = (uint64_t)c->conf->rekey.mib << 20,
	};
}

static bool may_overlap(const struct tunnel_grant *g)
{
	return g->overlap && g->frames;
}

/* It ends without DISCONNECT: the gateway knows it no more, or shall keep it for another attempt. */
static void leave_session(struct client *c, const char *why)
{
	struct session *old = c->session;
	struct link *link = c->link;

	renew_stop(c); /* a generation on its way would come to a session that is gone */
	client_event(c, "down", why);
	c->session = NULL;
	c->link = NULL;
	client_unpublish(c, old);
	session_end(old, NULL, clock_ms());
	link_touch(link);
}

static void on_reconfigured(void *arg, int result)
{
	struct client *c = arg;

	c->adapting = false;
	if (result < 0)
		log_warn("the network could not be adapted: %s", err_text(result));
}

static void report_up(struct client *c)
{
	char ipv4[ADDR_TEXT_LEN], ipv6[ADDR_TEXT_LEN], peer[ENDPOINT_TEXT_LEN];
	const struct session *s = c->session;

	log_info("up name=%s peer=%s generation=%u ipv4=%s ipv6=%s mtu=%d overlap=%d", s->name,
		 endpoint_format(&s->peer, peer), s->generation, addr_format(&s->ipv4, ipv4),
		 addr_format(&s->ipv6, ipv6), c->grant.mtu, s->overlap);
	client_event(c, "up", NULL);
}

static void on_configured(void *arg, int result)
{
	struct client *c = arg;

	if (c->ending || !c->session)
		return;
	if (result < 0 && !c->configured) {
		leave_session(c, "the network the gateway asks for cannot be set up");
		retry_later(c, "the network the gateway asks for cannot be set up");
		return;
	}
	if (result < 0)
		log_warn("the network the gateway asks for cannot be set up: %s", err_text(result));
	c->configured = true;
	if (c->session->current)
		report_up(c);
}

/* Outer addresses that must stay outside the tunnel: first the one in use, which the name may no longer lead to. */
static size_t outer_addrs(const struct client *c, struct addr out[ASK_ADDRS_MAX])
{
	size_t i, len = 0;

	if (c->session && c->session->peer.addr.family)
		out[len++] = c->session->peer.addr;
	for (i = 0; i < c->addrs_len && len < ASK_ADDRS_MAX; i++)
		if (!len || !addr_equal(&out[0], &c->addrs[i]))
			out[len++] = c->addrs[i];
	return len;
}

/* Asks for the network of the present grant. */
static void configure(struct client *c, enum net_phase phase)
{
	void (*done)(void *arg, int result) = phase == NET_RECONNECTING ? on_reconfigured : on_configured;
	struct net_item *items = calloc(ASK_NET_MAX, sizeof(*items));
	struct addr outer[ASK_ADDRS_MAX];
	size_t outer_len = outer_addrs(c, outer);
	bool names = phase != NET_RECONNECTING || c->rounds <= 1;
	int len = ERR_NOMEM;

	if (items)
		len = items_from_grant(&c->grant, c->conf->tunnel.mtu, outer, outer_len, names, items, ASK_NET_MAX);
	if (len < 0)
		done(c, len);
	else
		ask_net(c->ask, items, (size_t)len, phase, done, c);
	free(items);
}

/* The way to the gateway may be another by now, and so may its addresses. */
static void adapt(struct client *c)
{
	c->adapting = true;
	configure(c, NET_RECONNECTING);
}

/* ---- the session ---- */

static int make_session(struct client *c, const struct tunnel_grant *g)
{
	struct session_settings settings = {
		.side = SESSION_CLIENT,
		.name = c->conf->trust.name,
		.ipv4 = g->ipv4,
		.ipv6 = g->ipv6.addr,
		.overlap = may_overlap(g),
		.no_stream = c->conf->transport == CONF_TRANSPORT_DTLS,
		.rekey = rekey_limits(c, g),
		.events = &client_session_events,
		.owner = c,
	};

	c->session = session_new(&settings, clock_ms());
	c->link = c->session ? link_new(&c->paths[0], c->session) : NULL;
	if (!c->link) {
		session_put(c->session);
		c->session = NULL;
		return ERR_NOMEM;
	}
	session_table_add(c->table, c->session);
	session_table_fallback(c->table, c->session);
	return 0;
}

/* The gateway counts generations; ours may have missed one whose grant was lost on its way. */
static void align_generation(struct session *s, unsigned generation)
{
	if (!generation)
		return;
	pthread_mutex_lock(&s->tx_lock);
	s->generation = generation - 1;
	pthread_mutex_unlock(&s->tx_lock);
}

static int larger(int a, int b)
{
	return a > b ? a : b;
}

static void take_grant(struct client *c, const struct tunnel_grant *g)
{
	struct session *s = c->session;

	tunnel_grant_fini(&c->grant);
	c->grant = *g;
	if (session_set_networks(s, g->networks, g->networks_len) < 0)
		log_warn("out of memory: the networks behind this client stay what they were");
	pthread_mutex_lock(&s->tx_lock);
	s->rekey.limits = rekey_limits(c, g);
	pthread_mutex_unlock(&s->tx_lock);
	/* What is too long for datagrams comes by the stream, and the gateway's device is the same for all its clients.
	 */
	for (size_t i = 0; i < c->paths_len; i++)
		c->paths[i].mtu = (unsigned)larger(larger(g->mtu, c->conf->tunnel.mtu), MTU_BASE);
}

/* ---- rounds ---- */

static void on_retry(uv_timer_t *timer)
{
	begin_round(timer->data);
}

static void retry_later(struct client *c, const char *why)
{
	unsigned ms = backoff_next(&c->backoff, clock_ms());
	char text[RETRY_TEXT_LEN];

	snprintf(text, sizeof(text), "next attempt in %u ms: %s", ms, why);
	log_warn("not connected server=%s:%d, %s", c->conf->server_host, c->conf->server_port, text);
	client_event(c, "retry", text);
	uv_update_time(&c->loop);
	uv_timer_start(&c->retry, on_retry, ms, 0);
}

static void refuse(struct client *c, const char *why)
{
	log_err("refused server=%s:%d: %s", c->conf->server_host, c->conf->server_port, why);
	client_event(c, "refused", why);
	client_end(c, EXIT_REFUSED, NULL);
}

static void on_failed(void *arg, const struct failure *why)
{
	struct client *c = arg;

	if (why->kind == FAILURE_CERTIFICATE || why->kind == FAILURE_ALERT)
		report_count_add(COUNT_REFUSED);
	switch (failure_judge(why, c->succeeded)) {
	case FAILURE_RETRY:
		retry_later(c, why->reason);
		return;
	case FAILURE_LOGIN:
		log_info("the cookie is no longer good, logging in again: %s", why->reason);
		explicit_bzero(c->cookie, sizeof(c->cookie));
		begin_round(c);
		return;
	case FAILURE_FINAL:
		refuse(c, why->reason);
		return;
	}
}

static void on_opened(void *arg, struct channel *channel, const struct tunnel_grant *grant)
{
	keeper_take_up(arg, channel, grant);
}

static const struct opening_events events = { .done = on_opened, .failed = on_failed };

static void open_stream(struct client *c)
{
	struct opening_wish wish = { .addrs = c->addrs, .addrs_len = c->addrs_len, .events = &events };

	if (c->session) {
		wish.had_ipv4 = c->session->ipv4;
		wish.had_ipv6 = c->session->ipv6;
	}
	opening_start(&c->opening, &wish);
}

static void on_resolved(void *arg, int result, const struct addr *addrs, size_t len)
{
	struct client *c = arg;

	c->resolving = false;
	if (result == 0 && len) {
		memcpy(c->addrs, addrs, len * sizeof(*addrs));
		c->addrs_len = len;
	}
	if (!c->waiting_for_addrs || c->ending)
		return;
	c->waiting_for_addrs = false;
	if (c->addrs_len)
		open_stream(c);
	else
		retry_later(c, "the server's name cannot be resolved");
}

static void resolve(struct client *c)
{
	if (addr_parse(c->conf->server_host, &c->addrs[0]) == 0) {
		c->addrs_len = 1;
	} else if (!c->resolving) {
		c->resolving = true;
		ask_resolve(c->ask, c->conf->server_host, on_resolved, c);
	}
}

static void begin_round(struct client *c)
{
	c->rounds++;
	if (c->session && !c->adapting)
		adapt(c);
	resolve(c);
	if (c->addrs_len)
		open_stream(c);
	else
		c->waiting_for_addrs = true;
}

/* ---- exported ---- */

void keeper_start(struct client *c)
{
	backoff_init(&c->backoff, clock_ms());
	begin_round(c);
}

void keeper_lost(struct client *c, const char *why)
{
	uint64_t now = clock_ms();

	report_count_add(COUNT_STREAMS_LOST);
	client_event(c, "reconnecting", why);
	renew_stop(c);
	path_resume_all(&c->paths[0]); /* packets wait in the session's queue, where they age */
	if (now - c->up_ms >= STABLE_MS)
		backoff_init(&c->backoff, now);
	retry_later(c, why);
}

bool keeper_same(const struct client *c, const struct tunnel_grant *g)
{
	const struct session *s = c->session;

	return s && addr_equal(&s->ipv4, &g->ipv4) && addr_equal(&s->ipv6, &g->ipv6.addr) &&
	       s->overlap == may_overlap(g);
}

int keeper_attach(struct client *c, struct channel *channel, const struct tunnel_grant *grant)
{
	int r;

	airway_granted(c, channel, grant);
	take_grant(c, grant);
	align_generation(c->session, grant->generation);
	r = link_attach(
		c->link, channel, smaller(c->conf->dpd.seconds, grant->dpd_seconds),
		/* The gateway wants to hear something at least every DPD interval of its own. */
		smaller((int)smaller(c->conf->dpd.keepalive_seconds, grant->keepalive_seconds), grant->dpd_seconds));
	if (r < 0) {
		opening_drop(channel);
		return r;
	}
	c->up_ms = clock_ms();
	c->rounds = 0;
	return 0;
}

void keeper_take_up(struct client *c, struct channel *channel, const struct tunnel_grant *grant)
{
	struct tunnel_grant g = *grant;

	c->succeeded = true;
	if (c->session && !keeper_same(c, &g)) {
		log_warn("the gateway gave another address, connections through the tunnel will break");
		leave_session(c, "the gateway gave another address");
	}
	if (!c->session && make_session(c, &g) < 0) {
		tunnel_grant_fini(&g);
		opening_drop(channel);
		retry_later(c, err_text(ERR_NOMEM));
		return;
	}
	if (keeper_attach(c, channel, &g) < 0) {
		retry_later(c, err_text(ERR_SYS));
		return;
	}
	configure(c, c->configured ? NET_RECONNECTED : NET_CONNECTED);
}

void keeper_stop(struct client *c)
{
	uv_timer_stop(&c->retry);
	c->waiting_for_addrs = false;
	opening_stop(&c->opening);
}
