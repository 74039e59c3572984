/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway's configuration grants a session. */
#include "server/grant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "conf/conf.h"
#include "session/session.h"
#include "wire/mtu.h"
#include "wire/tunnel.h"

/*
 * Told openconnect with "new-tunnel", a time far beyond any generation's keeps its datagram channel when the stream is
 * renewed. As milliseconds it still fits 31 bits, for clients that count so.
 */
enum { DATAGRAM_REKEY_SECONDS = 14 * 24 * 60 * 60 };

/* 255.255.255.0 from a prefix of length 24. */
static struct addr netmask_of(const struct prefix *p)
{
	static const uint8_t ones[4] = { 255, 255, 255, 255 };
	struct prefix mask = { .addr = addr_from_bytes(ones, 32), .len = p->len };

	return prefix_network(&mask).addr;
}

static void fill_addresses(struct tunnel_grant *g, const struct conf *conf, const struct session *s)
{
	g->ipv4 = s->ipv4;
	if (s->ipv4.family)
		g->ipv4_netmask = netmask_of(&conf->addresses.ipv4);
	if (s->ipv6.family)
		g->ipv6 = (struct prefix){ .addr = s->ipv6, .len = 128 };
}

static void fill_names(struct tunnel_grant *g, const struct conf *conf)
{
	size_t i, used = 0;

	for (i = 0; i < conf->push.dns.len && i < TUNNEL_DNS_MAX; i++)
		g->dns[g->dns_len++] = conf->push.dns.items[i];
	/* Whole names only: a stump would be another domain. */
	for (i = 0; i < conf->push.domains.len; i++) {
		const char *name = conf->push.domains.items[i];

		if (used + strlen(name) + 2 > sizeof(g->default_domain))
			break;
		used += (size_t)snprintf(g->default_domain + used, sizeof(g->default_domain) - used, "%s%s",
					 used ? " " : "", name);
	}
	g->split_dns = calloc(conf->push.domains.len + 1, sizeof(*g->split_dns));
	for (i = 0; g->split_dns && i < conf->push.domains.len; i++)
		snprintf(g->split_dns[g->split_dns_len++], TUNNEL_NAME_MAX, "%s", conf->push.domains.items[i]);
}

/* A family with an address but without any include would go through the tunnel whole: include its pool. */
static void include_pool(struct tunnel_grant *g, const struct prefix *pool)
{
	size_t i;

	if (!pool->addr.family)
		return;
	for (i = 0; i < g->includes_len; i++)
		if (g->includes[i].addr.family == pool->addr.family)
			return;
	g->includes[g->includes_len++] = *pool;
}

static int fill_routes(struct tunnel_grant *g, const struct conf *conf)
{
	size_t i;

	g->excludes = conf->push.exclude.items;
	g->excludes_len = conf->push.exclude.len;
	g->includes = calloc(conf->push.routes.len + 2, sizeof(*g->includes));
	if (!g->includes)
		return ERR_NOMEM; /* none would mean everything */
	for (i = 0; i < conf->push.routes.len; i++)
		g->includes[g->includes_len++] = conf->push.routes.items[i];
	include_pool(g, &conf->addresses.ipv4);
	include_pool(g, &conf->addresses.ipv6);
	return 0;
}

/* The narrower of what both ends know. */
static int narrower(int a, int b)
{
	return a && (!b || a < b) ? a : b;
}

static void fill_datagrams(struct tunnel_grant *g, const struct conf *conf, const struct session *s,
			   const struct grant_datagrams *d)
{
	struct mtu_way way = { .outer = d->outer, .cipher = MTU_GCM }; /* what costs most of what may be agreed on */

	memcpy(g->app_id, d->app_id, d->app_id_len);
	g->app_id_len = d->app_id_len;
	g->dtls_port = d->port;
	g->dtls_dpd_seconds = conf->dpd.seconds;
	g->dtls_keepalive_seconds = conf->dpd.keepalive_seconds;
	if (s->smooth) {
		g->dtls_rekey_seconds = DATAGRAM_REKEY_SECONDS;
		g->dtls_rekey_method = TUNNEL_REKEY_NEW_TUNNEL;
	}
	g->base_mtu = way.base = narrower(g->base_mtu, d->pmtu);
	g->mtu = mtu_tunnel(&way, conf->tunnel.mtu, g->ipv6.addr.family != ADDR_NONE);
}

unsigned grant_packet_max(const struct conf *conf, const struct tunnel_offer *offer, const struct grant_datagrams *d)
{
	struct mtu_way way = { .base = narrower(offer->base_mtu, d->pmtu), .outer = d->outer, .cipher = MTU_GCM };
	int inside = mtu_inside(&way), max = inside < conf->tunnel.mtu ? inside : conf->tunnel.mtu;

	return max > 0 ? (unsigned)max : 0;
}

int grant_fill(struct tunnel_grant *g, const struct conf *conf, const struct session *s,
	       const struct tunnel_offer *offer, unsigned generation, const struct grant_datagrams *datagrams)
{
	*g = (struct tunnel_grant){
		.status = 200,
		.mtu = conf->tunnel.mtu,
		.base_mtu = offer->base_mtu,
		.dpd_seconds = conf->dpd.seconds,
		.keepalive_seconds = conf->dpd.keepalive_seconds,
		.idle_seconds = conf->limits.idle_seconds,
		.rekey_seconds = conf->rekey.seconds,
		.rekey_method = TUNNEL_REKEY_NEW_TUNNEL, /* what brings a fresh ECDHE from every client */
		.disconnected_seconds = conf->limits.cookie_seconds,
		.frames = offer->frames,
		.overlap = offer->overlap && s->overlap,
		.generation = generation,
		.networks = s->networks ? s->networks->items : NULL, /* a gateway does not change them */
		.networks_len = s->networks ? s->networks->len : 0,
	};
	fill_addresses(g, conf, s);
	if (datagrams && offer->psk_negotiate)
		fill_datagrams(g, conf, s, datagrams);
	fill_names(g, conf);
	return fill_routes(g, conf);
}

void grant_fini(struct tunnel_grant *g)
{
	free(g->split_dns);
	free(g->includes);
}
