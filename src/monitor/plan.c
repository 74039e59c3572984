/* SPDX-License-Identifier: Apache-2.0 */
/* What a client's network items mean. */
#include "monitor/plan.h"

#include <string.h>

#include "base/err.h"

bool plan_has(const struct plan_prefixes *list, const struct prefix *p)
{
	size_t i;

	for (i = 0; i < list->len; i++)
		if (list->items[i].len == p->len && addr_equal(&list->items[i].addr, &p->addr))
			return true;
	return false;
}

static void add(struct plan_prefixes *list, const struct prefix *p)
{
	if (!plan_has(list, p))
		list->items[list->len++] = *p;
}

static bool special(const struct addr *a)
{
	return addr_is_loopback(a) || addr_is_link_local(a) || addr_is_multicast(a);
}

static bool host_ok(const struct addr *a)
{
	return !special(a) && !addr_is_unspecified(a);
}

static bool mtu_ok(uint32_t mtu)
{
	return mtu >= PLAN_MTU_MIN && mtu <= PLAN_MTU_MAX;
}

bool plan_allows(const struct net_item *item)
{
	struct prefix net = prefix_network(&item->prefix);

	switch (item->kind) {
	case NET_ADDRESS:
	case NET_DNS:
		return host_ok(&item->prefix.addr);
	case NET_ROUTE:
		return !special(&net.addr);
	case NET_EXCLUDE:
		return !special(&net.addr) && net.len > 0;
	case NET_MTU:
		return mtu_ok(item->number);
	case NET_GATEWAY:
	case NET_DOMAIN:
	case NET_BANNER:
	case NET_KINDS:
		break;
	}
	return true;
}

/* Without an address or with a wrong MTU there is no tunnel; without one of the others there is. */
static bool item_vital(const struct net_item *item)
{
	return item->kind == NET_ADDRESS || item->kind == NET_MTU;
}

static bool has_family(const struct plan *plan, enum addr_family family)
{
	size_t i;

	for (i = 0; i < plan->addresses.len; i++)
		if (plan->addresses.items[i].addr.family == family)
			return true;
	return false;
}

/* A family that got no address leads nowhere: it may not go past a tunnel that is for everything. */
static void add_everything(struct plan *plan, enum addr_family family)
{
	struct plan_prefixes *list = has_family(plan, family) ? &plan->routes : &plan->blocked;
	struct prefix half = { .addr.family = (uint8_t)family, .len = 1 };

	plan->everything = true;
	add(list, &half);
	half.addr.bytes[0] = 0x80;
	add(list, &half);
}

static void collect(const struct net_item *items, size_t len, struct plan *plan)
{
	struct prefix net;
	size_t i;

	for (i = 0; i < len; i++) {
		if (!plan_allows(&items[i]))
			continue;
		net = prefix_network(&items[i].prefix);
		switch (items[i].kind) {
		case NET_ADDRESS:
			add(&plan->addresses, &items[i].prefix);
			break;
		case NET_EXCLUDE:
			add(&plan->outside, &net);
			break;
		case NET_DNS:
			add(&plan->dns, &net);
			break;
		case NET_DOMAIN:
			plan->domains[plan->domains_len++] = items[i].text;
			break;
		case NET_MTU:
			plan->mtu = items[i].number;
			break;
		case NET_ROUTE: /* these need to know the addresses */
		case NET_GATEWAY:
		case NET_BANNER:
		case NET_KINDS:
			break;
		}
	}
}

static void collect_routes(const struct net_item *items, size_t len, struct plan *plan)
{
	bool any = false;
	size_t i;

	for (i = 0; i < len; i++) {
		struct prefix net = prefix_network(&items[i].prefix);

		if (items[i].kind != NET_ROUTE)
			continue;
		any = true; /* one that is refused, too: that is no wish for everything */
		if (!plan_allows(&items[i]))
			continue;
		if (net.len)
			add(&plan->routes, &net);
		else
			add_everything(plan, net.addr.family);
	}
	if (any)
		return;
	add_everything(plan, ADDR_V4);
	add_everything(plan, ADDR_V6);
}

static bool swallowed(const struct plan_prefixes *list, const struct addr *a)
{
	size_t i;

	for (i = 0; i < list->len; i++)
		if (prefix_contains(&list->items[i], a))
			return true;
	return false;
}

static void keep_gateway_outside(const struct net_item *items, size_t len, struct plan *plan)
{
	size_t i;

	for (i = 0; i < len; i++) {
		const struct prefix *p = &items[i].prefix;

		if (items[i].kind != NET_GATEWAY || !host_ok(&p->addr))
			continue; /* one that is loopback or link-local no route can swallow */
		if (swallowed(&plan->routes, &p->addr) || swallowed(&plan->blocked, &p->addr) ||
		    swallowed(&plan->addresses, &p->addr))
			add(&plan->outside, p);
	}
}

int plan_build(const struct net_item *items, size_t len, struct plan *plan, size_t *bad)
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (i < ASK_NET_MAX && (plan_allows(&items[i]) || !item_vital(&items[i])))
			continue;
		*bad = i;
		return ERR_REFUSED;
	}
	memset(plan, 0, sizeof(*plan));
	collect(items, len, plan);
	collect_routes(items, len, plan);
	keep_gateway_outside(items, len, plan);
	if (plan->mtu && plan->mtu < PLAN_MTU_MIN_V6 && has_family(plan, ADDR_V6))
		plan->mtu = PLAN_MTU_MIN_V6;
	return 0;
}
