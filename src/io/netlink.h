/* SPDX-License-Identifier: Apache-2.0 */
/* Links, addresses and routes by rtnetlink. Needs CAP_NET_ADMIN for all that changes something. */
#ifndef IO_NETLINK_H
#define IO_NETLINK_H

#include "base/addr.h"

struct netlink;

enum { NETLINK_PROTOCOL = 173 }; /* rtm_protocol of every route we set: `ip route show proto 173` */

/* Where packets to a prefix go. */
struct next_hop {
	struct addr gateway; /* ADDR_NONE: on the link itself */
	int ifindex;         /* 0: nowhere, whoever sends there is told that it is unreachable */
	unsigned flags;      /* RTNH_F_ONLINK or 0 */
};

/** netlink_open() - Connect to the kernel. Return: 0, ERR_SYS or ERR_NOMEM */
int netlink_open(struct netlink **out);

/** netlink_link_up() - Set @mtu and a transmit queue of 1000 packets on a device, then bring it up. Return: 0, ERR_SYS
 */
int netlink_link_up(struct netlink *n, int ifindex, int mtu);

/** netlink_address_add() - Give a device an address with its prefix length. Return: 0, ERR_EXISTS, ERR_SYS */
int netlink_address_add(struct netlink *n, int ifindex, const struct prefix *p);

/** netlink_address_del() - Take it away. Return: 0, ERR_MISSING, ERR_SYS */
int netlink_address_del(struct netlink *n, int ifindex, const struct prefix *p);

/** netlink_route_add() - Add a route to the main table. Return: 0, ERR_EXISTS (one to this very prefix), ERR_SYS */
int netlink_route_add(struct netlink *n, const struct prefix *to, const struct next_hop *via);

/** netlink_route_del() - Remove exactly that route, if it is one of ours. Return: 0, ERR_MISSING, ERR_SYS */
int netlink_route_del(struct netlink *n, const struct prefix *to, const struct next_hop *via);

/**
 * netlink_next_hop() - Where a prefix would go without our tunnel
 * @n:    netlink
 * @to:   a prefix; the longest route of the main table that holds its address counts
 * @skip: device whose routes are passed over; so is a route of ours to exactly @to
 * @out:  filled; of a multipath route the first hop
 *
 * Return: 0, ERR_MISSING (no route), ERR_SYS, ERR_NOMEM.
 */
int netlink_next_hop(struct netlink *n, const struct prefix *to, int skip, struct next_hop *out);

/** netlink_free() - Accepts NULL */
void netlink_free(struct netlink *n);

#endif
