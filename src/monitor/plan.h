/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a client's network items mean, before anything is changed: which addresses, which routes into the tunnel, which
 * destinations stay on the way they have now, which name servers. Pure data; it decides what is allowed.
 */
#ifndef MONITOR_PLAN_H
#define MONITOR_PLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"
#include "monitor/ask.h"

enum {
	PLAN_ROUTES_MAX = ASK_NET_MAX + 4, /* the halves of both families may come on top */
	PLAN_MTU_MIN = 576,                /* RFC 791; with an IPv6 address 1280, RFC 8200 section 5 */
	PLAN_MTU_MIN_V6 = 1280,
	PLAN_MTU_MAX = 65535,
};

struct plan_prefixes {
	struct prefix items[PLAN_ROUTES_MAX];
	size_t len;
};

struct plan {
	struct plan_prefixes addresses;
	struct plan_prefixes routes;  /* into the device */
	struct plan_prefixes outside; /* by the present next hop: the gateway and the excludes */
	struct plan_prefixes blocked; /* unreachable: halves of a family that got no address */
	struct plan_prefixes dns;
	const char *domains[ASK_NET_MAX]; /* borrowed from the items */
	size_t domains_len;
	uint32_t mtu;    /* 0: not given */
	bool everything; /* a default route leads into the tunnel */
};

/**
 * plan_build() - Check items and work out what they ask for
 * @items: as message_check() passed them
 * @len:   how many
 * @plan:  filled, duplicates left out; large, so better not on the stack
 * @bad:   filled with the item that is refused
 *
 * No NET_ROUTE at all means everything of both families, a route to 0.0.0.0/0 or ::/0 that of its own: the two halves
 * of the space (they win over the host's default route without touching it), into the device when the family has an
 * address, else blocked. An outer address of the gateway that a route or an address's network would swallow stays
 * outside. What plan_allows() refuses is left out, but for addresses and the MTU.
 *
 * Return: 0; ERR_REFUSED for an address or an MTU that is not allowed, or for more than ASK_NET_MAX items.
 */
int plan_build(const struct net_item *items, size_t len, struct plan *plan, size_t *bad);

/**
 * plan_allows() - Whether an item may be set
 *
 * Refused: loopback, link-local, multicast and unspecified values, an exclude of everything, an MTU out of range.
 */
bool plan_allows(const struct net_item *item);

/** plan_has() - Whether @p is in the list */
bool plan_has(const struct plan_prefixes *list, const struct prefix *p);

#endif
