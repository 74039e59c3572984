/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway's grant asks of the host's network, as items for the monitor. */
#include "client/items.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "monitor/ask.h"
#include "wire/tunnel.h"

#define DOMAIN_CHARS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._"

struct list {
	struct net_item *items;
	size_t len, cap;
	struct net_item beyond; /* written to when the list is full */
	bool full;
};

static struct net_item *add(struct list *l, enum net_kind kind)
{
	struct net_item *item = l->len < l->cap ? &l->items[l->len++] : &l->beyond;

	l->full = l->full || item == &l->beyond;
	memset(item, 0, sizeof(*item));
	item->kind = kind;
	return item;
}

static void add_prefix(struct list *l, enum net_kind kind, const struct prefix *p)
{
	add(l, kind)->prefix = *p;
}

static void add_address(struct list *l, enum net_kind kind, const struct addr *a)
{
	add(l, kind)->prefix = (struct prefix){ .addr = *a, .len = (uint8_t)addr_bits(a) };
}

static void add_prefixes(struct list *l, enum net_kind kind, const struct prefix *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		add_prefix(l, kind, &p[i]);
}

static bool has_domain(const struct list *l, const char *name, size_t len)
{
	for (size_t i = 0; i < l->len; i++)
		if (l->items[i].kind == NET_DOMAIN && !strncmp(l->items[i].text, name, len) && !l->items[i].text[len])
			return true;
	return false;
}

/* The default domain is often a split one, too. */
static void add_domain(struct list *l, const char *name, size_t len)
{
	if (len && len < ASK_NAME_MAX && *name != '-' && strspn(name, DOMAIN_CHARS) >= len && !has_domain(l, name, len))
		snprintf(add(l, NET_DOMAIN)->text, ASK_NAME_MAX, "%.*s", (int)len, name);
}

static void add_domains(struct list *l, const struct tunnel_grant *g)
{
	const char *at = g->default_domain;
	size_t i, len;

	for (; *at; at += len + strspn(at + len, " ")) {
		len = strcspn(at, " ");
		add_domain(l, at, len);
	}
	for (i = 0; i < g->split_dns_len; i++)
		add_domain(l, g->split_dns[i], strlen(g->split_dns[i]));
}

/* The network a mask puts the address in. */
static struct prefix network_of(const struct addr *a, const struct addr *mask)
{
	struct prefix p = { .addr = *a };
	int i;

	for (i = 0; i < 4; i++)
		p.len += (uint8_t)__builtin_popcount(mask->bytes[i]);
	return prefix_network(&p);
}

static void add_routes(struct list *l, const struct tunnel_grant *g)
{
	struct prefix own;

	add_prefixes(l, NET_EXCLUDE, g->excludes, g->excludes_len);
	if (!g->includes_len)
		return; /* no route at all means everything */
	add_prefixes(l, NET_ROUTE, g->includes, g->includes_len);
	if (!g->ipv4.family || !g->ipv4_netmask.family)
		return;
	own = network_of(&g->ipv4, &g->ipv4_netmask);
	if (own.len && own.len < 32)
		add_prefix(l, NET_ROUTE, &own);
}

/* The script prints it: one line. */
static void add_banner(struct list *l, const char *text)
{
	char *at;

	if (!*text)
		return;
	at = add(l, NET_BANNER)->text;
	snprintf(at, ASK_NAME_MAX, "%.*s", ASK_NAME_MAX - 1, text);
	for (; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = ' ';
}

int items_from_grant(const struct tunnel_grant *g, int mtu, const struct addr *outer, size_t outer_len, bool names,
		     struct net_item *out, size_t cap)
{
	struct list l = { .items = out, .cap = cap };
	size_t i;

	if (g->ipv4.family)
		add_address(&l, NET_ADDRESS, &g->ipv4);
	if (g->ipv6.addr.family)
		add_prefix(&l, NET_ADDRESS, &g->ipv6);
	add(&l, NET_MTU)->number = (uint32_t)(mtu && mtu < g->mtu ? mtu : g->mtu);
	for (i = 0; i < outer_len; i++)
		add_address(&l, NET_GATEWAY, &outer[i]);
	add_routes(&l, g);
	for (i = 0; names && i < g->dns_len; i++)
		add_address(&l, NET_DNS, &g->dns[i]);
	if (names)
		add_domains(&l, g);
	add_banner(&l, g->banner);
	return l.full ? ERR_TOO_BIG : (int)l.len;
}
