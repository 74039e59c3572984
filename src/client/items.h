/* SPDX-License-Identifier: Apache-2.0 */
/* What a gateway's grant asks of the host's network, as items for the monitor. */
#ifndef CLIENT_ITEMS_H
#define CLIENT_ITEMS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/addr.h"

struct net_item;
struct tunnel_grant;

/**
 * items_from_grant() - Turn a grant into items
 * @g:        grant
 * @mtu:      the operator's own limit, 0: none
 * @outer:    the gateway's addresses on the outside
 * @outer_len: how many
 * @names:    with name servers and domains
 * @out:      filled
 * @cap:      items at @out
 *
 * IPv4 addresses are set alone, the network of their mask becomes a route; IPv6 ones keep their prefix. A grant without
 * includes means everything and gives no NET_ROUTE. Domains that are not host names are left out.
 *
 * Return: how many items, or ERR_TOO_BIG.
 */
int items_from_grant(const struct tunnel_grant *g, int mtu, const struct addr *outer, size_t outer_len, bool names,
		     struct net_item *out, size_t cap);

#endif
