/* SPDX-License-Identifier: Apache-2.0 */
/* Links, addresses and routes by rtnetlink. libnl's error codes end here: callers see errno. */
#include "io/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/route.h>
#include <stdlib.h>

#include "base/err.h"

enum { QUEUE_LEN = 1000 }; /* the default of 500 drops when super-packets come in bursts */

struct netlink {
	struct nl_sock *sock;
};

static int to_errno(int nl_err)
{
	switch (-nl_err) {
	case NLE_NOMEM:
		return ENOMEM;
	case NLE_NOACCESS:
	case NLE_PERM:
		return EPERM;
	case NLE_INVAL:
		return EINVAL;
	case NLE_OBJ_NOTFOUND:
	case NLE_NODEV:
		return ENODEV;
	case NLE_AF_NOSUPPORT:
		return EAFNOSUPPORT;
	case NLE_OPNOTSUPP:
		return EOPNOTSUPP;
	case NLE_BUSY:
		return EBUSY;
	}
	return EIO;
}

static int result(int nl_err)
{
	if (nl_err >= 0)
		return 0;
	if (nl_err == -NLE_EXIST)
		return ERR_EXISTS;
	errno = to_errno(nl_err);
	return ERR_SYS;
}

static struct nl_addr *nl_from_addr(const struct addr *a, unsigned len)
{
	struct nl_addr *nl = nl_addr_build(a->family == ADDR_V4 ? AF_INET : AF_INET6, a->bytes, addr_bits(a) / 8);

	if (nl)
		nl_addr_set_prefixlen(nl, (int)len);
	return nl;
}

/* A default route has no address at all, so the family comes from the route. */
static struct prefix prefix_from_nl(const struct nl_addr *nl, int family)
{
	struct prefix p = { .addr.family = family == AF_INET ? ADDR_V4 : ADDR_V6 };

	if (nl && nl_addr_get_len(nl) == addr_bits(&p.addr) / 8) {
		p.addr = addr_from_bytes(nl_addr_get_binary_addr(nl), addr_bits(&p.addr));
		p.len = (uint8_t)nl_addr_get_prefixlen(nl);
	}
	return p;
}

static struct addr addr_from_nl(const struct nl_addr *nl)
{
	struct addr none = { 0 };

	return nl ? prefix_from_nl(nl, nl_addr_get_family(nl)).addr : none;
}

int netlink_open(struct netlink **out)
{
	struct netlink *n = calloc(1, sizeof(*n));
	int r = ERR_NOMEM;

	if (!n)
		return r;
	n->sock = nl_socket_alloc();
	if (!n->sock)
		goto out;
	r = result(nl_connect(n->sock, NETLINK_ROUTE));
	if (r < 0)
		goto out;
	*out = n;
	return 0;
out:
	netlink_free(n);
	return r;
}

int netlink_link_up(struct netlink *n, int ifindex, int mtu)
{
	struct rtnl_link *old = rtnl_link_alloc(), *new = rtnl_link_alloc();
	int r = ERR_NOMEM;

	if (!old || !new)
		goto out;
	rtnl_link_set_ifindex(old, ifindex);
	rtnl_link_set_mtu(new, (unsigned)mtu);
	rtnl_link_set_txqlen(new, QUEUE_LEN);
	rtnl_link_set_flags(new, IFF_UP);
	r = result(rtnl_link_change(n->sock, old, new, 0));
out:
	rtnl_link_put(old);
	rtnl_link_put(new);
	return r;
}

static struct rtnl_addr *build_address(int ifindex, const struct prefix *p)
{
	struct nl_addr *local = nl_from_addr(&p->addr, p->len);
	struct rtnl_addr *a = rtnl_addr_alloc();

	if (local && a && rtnl_addr_set_local(a, local) >= 0) {
		rtnl_addr_set_ifindex(a, ifindex);
		if (p->addr.family == ADDR_V6)
			rtnl_addr_set_flags(a, IFA_F_NODAD);
		nl_addr_put(local);
		return a;
	}
	nl_addr_put(local);
	rtnl_addr_put(a);
	return NULL;
}

int netlink_address_add(struct netlink *n, int ifindex, const struct prefix *p)
{
	struct rtnl_addr *a = build_address(ifindex, p);
	int r;

	if (!a)
		return ERR_NOMEM;
	r = result(rtnl_addr_add(n->sock, a, NLM_F_EXCL));
	rtnl_addr_put(a);
	return r;
}

int netlink_address_del(struct netlink *n, int ifindex, const struct prefix *p)
{
	struct rtnl_addr *a = build_address(ifindex, p);
	int r;

	if (!a)
		return ERR_NOMEM;
	r = rtnl_addr_delete(n->sock, a, 0);
	rtnl_addr_put(a);
	return r == -NLE_NOADDR || r == -NLE_OBJ_NOTFOUND ? ERR_MISSING : result(r);
}

static struct rtnl_nexthop *build_next_hop(const struct prefix *to, const struct next_hop *via)
{
	struct rtnl_nexthop *nh = rtnl_route_nh_alloc();
	struct nl_addr *gateway = NULL;

	if (!nh)
		return NULL;
	rtnl_route_nh_set_ifindex(nh, via->ifindex);
	if (via->gateway.family == ADDR_NONE)
		return nh;
	gateway = nl_from_addr(&via->gateway, addr_bits(&via->gateway));
	if (!gateway) {
		rtnl_route_nh_free(nh);
		return NULL;
	}
	rtnl_route_nh_set_flags(nh, via->flags);
	if (via->gateway.family == to->addr.family)
		rtnl_route_nh_set_gateway(nh, gateway);
	else /* an IPv4 route by an IPv6 router */
		rtnl_route_nh_set_via(nh, gateway);
	nl_addr_put(gateway);
	return nh;
}

/* Of an IPv4 route without gateway the next hop is on the link (rtnetlink(7), rtm_scope). */
static uint8_t scope_of(const struct prefix *to, const struct next_hop *via)
{
	bool on_link = via->ifindex && via->gateway.family == ADDR_NONE;

	return to->addr.family == ADDR_V4 && on_link ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
}

static struct rtnl_route *build_route(const struct prefix *to, const struct next_hop *via)
{
	struct prefix net = prefix_network(to);
	struct nl_addr *dst = nl_from_addr(&net.addr, net.len);
	struct rtnl_nexthop *nh = via->ifindex ? build_next_hop(to, via) : NULL;
	struct rtnl_route *route = rtnl_route_alloc();

	if (dst && (nh || !via->ifindex) && route && rtnl_route_set_dst(route, dst) >= 0) {
		rtnl_route_set_table(route, RT_TABLE_MAIN);
		rtnl_route_set_protocol(route, NETLINK_PROTOCOL);
		rtnl_route_set_type(route, via->ifindex ? RTN_UNICAST : RTN_UNREACHABLE);
		rtnl_route_set_scope(route, scope_of(to, via));
		if (nh)
			rtnl_route_add_nexthop(route, nh); /* takes it */
		nl_addr_put(dst);
		return route;
	}
	if (nh)
		rtnl_route_nh_free(nh);
	nl_addr_put(dst);
	rtnl_route_put(route);
	return NULL;
}

int netlink_route_add(struct netlink *n, const struct prefix *to, const struct next_hop *via)
{
	struct rtnl_route *route = build_route(to, via);
	int r;

	if (!route)
		return ERR_NOMEM;
	r = result(rtnl_route_add(n->sock, route, NLM_F_EXCL));
	rtnl_route_put(route);
	return r;
}

int netlink_route_del(struct netlink *n, const struct prefix *to, const struct next_hop *via)
{
	struct rtnl_route *route = build_route(to, via);
	int r;

	if (!route)
		return ERR_NOMEM;
	r = rtnl_route_delete(n->sock, route, 0);
	rtnl_route_put(route);
	return r == -NLE_OBJ_NOTFOUND || r == -NLE_NODEV ? ERR_MISSING : result(r);
}

/* Whether the route leads to @to by some other way than the tunnel; tells its prefix and metric apart in @p. */
static bool route_serves(struct rtnl_route *route, const struct prefix *to, int skip, struct prefix *p)
{
	struct rtnl_nexthop *nh = rtnl_route_nexthop_n(route, 0);

	if (!nh || rtnl_route_get_table(route) != RT_TABLE_MAIN || rtnl_route_get_type(route) != RTN_UNICAST ||
	    rtnl_route_nh_get_ifindex(nh) == skip)
		return false;
	*p = prefix_from_nl(rtnl_route_get_dst(route), rtnl_route_get_family(route));
	if (!prefix_contains(p, &to->addr) || p->len > to->len)
		return false;
	return p->len != to->len || rtnl_route_get_protocol(route) != NETLINK_PROTOCOL;
}

static void read_next_hop(struct rtnl_route *route, struct next_hop *out)
{
	struct rtnl_nexthop *nh = rtnl_route_nexthop_n(route, 0);
	struct nl_addr *gateway = rtnl_route_nh_get_gateway(nh);

	if (!gateway)
		gateway = rtnl_route_nh_get_via(nh);
	*out = (struct next_hop){
		.gateway = addr_from_nl(gateway),
		.ifindex = rtnl_route_nh_get_ifindex(nh),
		.flags = rtnl_route_nh_get_flags(nh) & RTNH_F_ONLINK,
	};
}

int netlink_next_hop(struct netlink *n, const struct prefix *to, int skip, struct next_hop *out)
{
	struct rtnl_route *route, *best = NULL;
	struct prefix p, best_prefix = { 0 };
	struct nl_object *object;
	struct nl_cache *routes;
	int r;

	r = result(rtnl_route_alloc_cache(n->sock, to->addr.family == ADDR_V4 ? AF_INET : AF_INET6, 0, &routes));
	if (r < 0)
		return r;
	for (object = nl_cache_get_first(routes); object; object = nl_cache_get_next(object)) {
		route = (struct rtnl_route *)object;
		if (!route_serves(route, to, skip, &p))
			continue;
		if (!best || p.len > best_prefix.len ||
		    (p.len == best_prefix.len && rtnl_route_get_priority(route) < rtnl_route_get_priority(best))) {
			best = route;
			best_prefix = p;
		}
	}
	if (best)
		read_next_hop(best, out);
	nl_cache_free(routes);
	return best ? 0 : ERR_MISSING;
}

void netlink_free(struct netlink *n)
{
	if (!n)
		return;
	nl_socket_free(n->sock);
	free(n);
}
