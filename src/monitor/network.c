/* SPDX-License-Identifier: Apache-2.0 */
/* What is set on the host for a tunnel. */
#include "monitor/network.h"

#include <assert.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "io/netlink.h"
#include "monitor/dns.h"
#include "monitor/journal.h"
#include "monitor/plan.h"
#include "monitor/script.h"

enum { DEFAULT_MTU = 1400, ROUTE_TEXT_LEN = 160 };

/* A destination kept outside the tunnel and the way it was given, or one that is blocked. */
struct outside {
	struct prefix to;
	struct next_hop via;
};

struct network {
	const struct conf *conf;
	struct netlink *nl;
	struct journal *journal;
	const char *device;
	int ifindex;
	int mtu; /* set on the device, 0: not up yet */

	/* client */
	struct script *script; /* NULL: we set things ourselves */
	struct dns dns;
	struct plan *now, *next;
	struct outside outside[ASK_NET_MAX + 4]; /* with the halves of families that are blocked */
	size_t outside_len;
	bool begun;
	bool unsure; /* the last change failed half-way: all is set again */
	enum net_phase phase;
	size_t len;
	struct net_item items[ASK_NET_MAX + 1]; /* one over the limit shows that it was passed */
	struct net_item standing[ASK_NET_MAX];  /* those @now was made of, for the domains' texts and the script */
	size_t standing_len;
};

/* Below /proc/sys/net. Return: 0 or ERR_SYS. */
static int sysctl_write(const char *family, const char *device, const char *key, const char *value)
{
	char path[128];
	int fd, r = 0;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/%s/%s", family, device, key);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return ERR_SYS;
	if (write(fd, value, strlen(value)) < 0)
		r = ERR_SYS;
	close(fd);
	return r;
}

static bool sysctl_is_off(const char *family)
{
	char path[128], value = '1';
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf/all/forwarding", family);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	if (read(fd, &value, 1) < 0)
		value = '1';
	close(fd);
	return value == '0';
}

static void set_or_warn(struct network *n, const char *family, const char *key, const char *value)
{
	if (sysctl_write(family, n->device, key, value) < 0)
		log_warn("cannot set %s %s=%s: device=%s: %s", family, key, value, n->device, err_text(ERR_SYS));
}

/* Addresses need the device up for their routes. */
static int link_up(struct network *n, int mtu)
{
	int r;

	if (n->mtu == mtu)
		return 0;
	r = netlink_link_up(n->nl, n->ifindex, mtu);
	if (r < 0)
		return r;
	n->mtu = mtu;
	return 0;
}

static int address_add(struct network *n, const struct prefix *p)
{
	char text[PREFIX_TEXT_LEN];
	int r;

	/* A host may have IPv6 off by default for new devices. */
	if (p->addr.family == ADDR_V6)
		sysctl_write("ipv6", n->device, "disable_ipv6", "0");
	r = netlink_address_add(n->nl, n->ifindex, p);
	if (r < 0 && r != ERR_EXISTS) {
		log_err("cannot set address %s: device=%s: %s", prefix_format(p, text), n->device, err_text(r));
		return r;
	}
	return 0;
}

/* @fresh: the route should not have been there before. */
static int device_route_add(struct network *n, const struct prefix *p, bool fresh)
{
	struct next_hop device = { .ifindex = n->ifindex };
	char text[PREFIX_TEXT_LEN];
	int r = netlink_route_add(n->nl, p, &device);

	if (r == ERR_EXISTS) {
		if (fresh)
			log_warn("the host has a route of its own, left as it is: %s", prefix_format(p, text));
		return 0;
	}
	if (r < 0)
		log_err("cannot set route %s: device=%s: %s", prefix_format(p, text), n->device, err_text(r));
	return r;
}

static void forward(struct network *n)
{
	set_or_warn(n, "ipv4", "forwarding", "1");
	set_or_warn(n, "ipv4", "send_redirects", "0");
	if (sysctl_is_off("ipv4"))
		log_warn("IPv4 forwarding is off on the host: only the gateway and its clients can be reached");
	if (n->conf->addresses.ipv6.addr.family == ADDR_NONE)
		return;
	set_or_warn(n, "ipv6", "forwarding", "1");
	/* Since Linux 6.17; before, the host's switch decides alone. */
	sysctl_write("ipv6", n->device, "force_forwarding", "1");
	if (sysctl_is_off("ipv6"))
		log_warn("IPv6 forwarding is off on the host: only the gateway can be reached");
}

static int serve_pool(struct network *n, const struct prefix *pool)
{
	struct prefix own = prefix_network(pool);

	if (pool->addr.family == ADDR_NONE)
		return 0;
	own.addr = addr_add(&own.addr, 1);
	return address_add(n, &own);
}

static int serve_networks(struct network *n)
{
	size_t i, k;
	int r = 0;

	for (i = 0; i < n->conf->clients.len && r == 0; i++) {
		const struct conf_prefixes *networks = &n->conf->clients.items[i].networks;

		for (k = 0; k < networks->len && r == 0; k++)
			r = device_route_add(n, &networks->items[k], true);
	}
	return r;
}

static void route_text(const struct outside *o, char *out)
{
	char to[PREFIX_TEXT_LEN], gateway[ADDR_TEXT_LEN];

	addr_format(&o->via.gateway, gateway);
	snprintf(out, ROUTE_TEXT_LEN, "%s %s %d %u", prefix_format(&o->to, to), *gateway ? gateway : "-",
		 o->via.ifindex, o->via.flags);
}

static struct outside *outside_find(struct network *n, const struct prefix *to)
{
	size_t i;

	for (i = 0; i < n->outside_len; i++)
		if (n->outside[i].to.len == to->len && addr_equal(&n->outside[i].to.addr, &to->addr))
			return &n->outside[i];
	return NULL;
}

static void outside_remove(struct network *n, struct outside *o)
{
	char text[ROUTE_TEXT_LEN];

	route_text(o, text);
	journal_undo(n->journal, NETWORK_ROUTE, text);
	*o = n->outside[--n->outside_len];
}

static bool same_way(const struct next_hop *a, const struct next_hop *b)
{
	return addr_equal(&a->gateway, &b->gateway) && a->ifindex == b->ifindex && a->flags == b->flags;
}

static int outside_set(struct network *n, const struct prefix *to, const struct next_hop *via)
{
	struct outside route = { .to = *to, .via = *via }, *old = outside_find(n, to);
	char text[ROUTE_TEXT_LEN];
	int r;

	if (old && !same_way(&old->via, &route.via)) {
		outside_remove(n, old);
		old = NULL;
	}
	route_text(&route, text);
	r = journal_add(n->journal, NETWORK_ROUTE, text);
	if (r < 0)
		return r;
	/* Added again even when it should stand: the kernel drops routes of a link that was down. */
	r = netlink_route_add(n->nl, to, &route.via);
	if (r < 0 && r != ERR_EXISTS) {
		journal_undo(n->journal, NETWORK_ROUTE, text);
		return r;
	}
	if (!old)
		n->outside[n->outside_len++] = route;
	return 0;
}

static int outside_add(struct network *n, const struct prefix *to)
{
	char text[PREFIX_TEXT_LEN];
	struct next_hop via;
	int r = netlink_next_hop(n->nl, to, n->ifindex, &via);

	if (r == ERR_MISSING) {
		log_warn("no way outside the tunnel: %s", prefix_format(to, text));
		return 0;
	}
	return r < 0 ? r : outside_set(n, to, &via);
}

/* A host that does not speak the family has nothing to block. */
static int outside_block(struct network *n, const struct prefix *to)
{
	static const struct next_hop nowhere;
	int r = outside_set(n, to, &nowhere);

	return r == ERR_SYS ? 0 : r;
}

static int outside_add_all(struct network *n, const struct plan *plan)
{
	char text[PREFIX_TEXT_LEN];
	size_t i;
	int r = 0;

	/* Those that go make room for those that come. */
	for (i = n->outside_len; i-- > 0;)
		if (!plan_has(&plan->outside, &n->outside[i].to) && !plan_has(&plan->blocked, &n->outside[i].to))
			outside_remove(n, &n->outside[i]);
	for (i = 0; i < plan->outside.len; i++) {
		r = outside_add(n, &plan->outside.items[i]);
		if (r < 0) {
			log_err("cannot keep %s outside the tunnel: %s", prefix_format(&plan->outside.items[i], text),
				err_text(r));
			return r;
		}
	}
	for (i = 0; i < plan->blocked.len && r == 0; i++)
		r = outside_block(n, &plan->blocked.items[i]);
	return r;
}

static bool same_prefixes(const struct plan_prefixes *a, const struct plan_prefixes *b)
{
	size_t i;

	for (i = 0; i < a->len; i++)
		if (!plan_has(b, &a->items[i]))
			return false;
	return a->len == b->len;
}

/* Removing one address may take others of its network along, so those that stay are set again. */
static int change_addresses(struct network *n, const struct plan *now, const struct plan *next)
{
	size_t i;
	int r = 0;

	for (i = 0; i < now->addresses.len; i++)
		if (!plan_has(&next->addresses, &now->addresses.items[i]))
			netlink_address_del(n->nl, n->ifindex, &now->addresses.items[i]);
	for (i = 0; i < next->addresses.len && r == 0; i++)
		r = address_add(n, &next->addresses.items[i]);
	return r;
}

/* The kernel flushes a device's routes with its last address, so all are set again after a change. */
static int change_routes(struct network *n, const struct plan *now, const struct plan *next)
{
	struct next_hop device = { .ifindex = n->ifindex };
	size_t i;
	int r = 0;

	for (i = 0; i < now->routes.len; i++)
		if (!plan_has(&next->routes, &now->routes.items[i]))
			netlink_route_del(n->nl, &now->routes.items[i], &device);
	for (i = 0; i < next->routes.len && r == 0; i++)
		r = device_route_add(n, &next->routes.items[i], !plan_has(&now->routes, &next->routes.items[i]));
	return r;
}

static bool same_dns(const struct plan *a, const struct plan *b)
{
	size_t i;

	if (!same_prefixes(&a->dns, &b->dns) || a->domains_len != b->domains_len || a->everything != b->everything)
		return false;
	for (i = 0; i < a->domains_len; i++)
		if (strcmp(a->domains[i], b->domains[i]) != 0)
			return false;
	return true;
}

static int wanted_mtu(const struct network *n, const struct plan *plan)
{
	if (plan->mtu)
		return (int)plan->mtu;
	return n->conf->tunnel.mtu ? n->conf->tunnel.mtu : DEFAULT_MTU;
}

static int change(struct network *n)
{
	const struct plan *now = n->now, *next = n->next;
	bool moved = n->unsure || !same_prefixes(&now->addresses, &next->addresses);
	int r;

	/* First what must not be swallowed, then the routes that would swallow it. */
	if ((r = outside_add_all(n, next)) < 0 || (r = link_up(n, wanted_mtu(n, next))) < 0)
		return r;
	if (moved && (r = change_addresses(n, now, next)) < 0)
		return r;
	if ((moved || !same_prefixes(&now->routes, &next->routes)) && (r = change_routes(n, now, next)) < 0)
		return r;
	if (same_dns(now, next) && !n->unsure && dns_stands(&n->dns))
		return 0;
	r = dns_set(&n->dns, next);
	if (r < 0)
		log_err("cannot set name servers: %s", err_text(r));
	return r;
}

/* What stands from now on, as far as we know. */
static void keep(struct network *n)
{
	size_t bad;

	memcpy(n->standing, n->items, n->len * sizeof(*n->items));
	n->standing_len = n->len;
	plan_build(n->standing, n->standing_len, n->now, &bad);
}

static void log_refusal(const struct net_item *item)
{
	static const char *const kinds[] = { "address", "mtu",        "route",  "exclude",
					     "gateway", "dns server", "domain", "banner" };
	char text[PREFIX_TEXT_LEN] = "";

	static_assert(sizeof(kinds) / sizeof(kinds[0]) == NET_KINDS, "one name a kind");
	if (item->kind == NET_MTU)
		snprintf(text, sizeof(text), "%u", item->number);
	else if (item->kind != NET_DOMAIN && item->kind != NET_BANNER)
		prefix_format(&item->prefix, text);
	log_limited(LOG_LEVEL_WARN, "refused from the gateway: %s %s", kinds[item->kind], text);
}

/* What the plan leaves out. */
static void log_refusals(const struct network *n)
{
	size_t i;

	for (i = 0; i < n->len; i++)
		if (!plan_allows(&n->items[i]))
			log_refusal(&n->items[i]);
}

static int commit_plain(struct network *n)
{
	int r = change(n);

	n->unsure = r < 0;
	keep(n);
	return r;
}

int network_new(const struct conf *conf, struct netlink *nl, struct journal *j, const char *device,
		struct network **out)
{
	struct network *n = calloc(1, sizeof(*n));
	int r = ERR_NOMEM;

	if (!n)
		return r;
	n->conf = conf;
	n->nl = nl;
	n->journal = j;
	n->device = device;
	dns_init(&n->dns, j, device);
	n->now = calloc(1, sizeof(*n->now));
	n->next = calloc(1, sizeof(*n->next));
	if (!n->now || !n->next)
		goto out;
	n->ifindex = (int)if_nametoindex(device);
	r = ERR_SYS;
	if (!n->ifindex)
		goto out;
	/* No link-local address of the kernel's making; a host without IPv6 has no such switch. */
	sysctl_write("ipv6", device, "addr_gen_mode", "1");
	*out = n;
	return 0;
out:
	network_free(n);
	return r;
}

int network_serve(struct network *n)
{
	int r = link_up(n, n->conf->tunnel.mtu ? n->conf->tunnel.mtu : DEFAULT_MTU);

	if (r < 0) {
		log_err("cannot bring up %s: %s", n->device, err_text(r));
		return r;
	}
	if ((r = serve_pool(n, &n->conf->addresses.ipv4)) < 0 || (r = serve_pool(n, &n->conf->addresses.ipv6)) < 0)
		return r;
	forward(n);
	return serve_networks(n);
}

int network_attach(struct network *n, uv_loop_t *loop)
{
	if (n->conf->role == CONF_SERVER || !n->conf->script || !*n->conf->script)
		return 0;
	n->script = script_new(loop, n->journal, n->conf->script, n->device);
	return n->script ? 0 : ERR_NOMEM;
}

void network_begin(struct network *n, enum net_phase phase)
{
	n->begun = true;
	n->phase = phase;
	n->len = 0;
}

int network_item(struct network *n, const struct net_item *item)
{
	if (!n->begun)
		return ERR_INVALID;
	if (n->len <= ASK_NET_MAX)
		n->items[n->len++] = *item;
	return 0;
}

int network_commit(struct network *n, void (*done)(void *arg, int result), void *arg)
{
	size_t bad = 0;
	int r;

	if (!n->begun)
		return ERR_INVALID;
	n->begun = false;
	if (n->phase == NET_RECONNECTING && !n->len) {
		memcpy(n->items, n->standing, n->standing_len * sizeof(*n->items));
		n->len = n->standing_len;
	}
	log_refusals(n);
	r = plan_build(n->items, n->len, n->next, &bad);
	if (r < 0) {
		done(arg, r);
		return 0;
	}
	if (!n->script) {
		done(arg, commit_plain(n));
		return 0;
	}
	r = script_net(n->script, n->items, n->len, n->phase, done, arg);
	keep(n);
	if (r < 0)
		done(arg, r);
	return 0;
}

bool network_busy(const struct network *n)
{
	return n->script && script_busy(n->script);
}

void network_abandon(struct network *n)
{
	if (n && n->script)
		script_abandon(n->script);
}

void network_undo_route(void *arg, const char *text)
{
	char to[PREFIX_TEXT_LEN], gateway[ADDR_TEXT_LEN];
	struct outside o = { 0 };
	int r;

	if (sscanf(text, "%49s %45s %d %u", to, gateway, &o.via.ifindex, &o.via.flags) != 4 ||
	    prefix_parse(to, &o.to) < 0 || (*gateway != '-' && addr_parse(gateway, &o.via.gateway) < 0))
		return;
	r = netlink_route_del(arg, &o.to, &o.via);
	if (r < 0 && r != ERR_MISSING)
		log_warn("cannot remove route %s: %s", to, err_text(r));
}

void network_free(struct network *n)
{
	if (!n)
		return;
	script_free(n->script);
	dns_fini(&n->dns);
	free(n->now);
	free(n->next);
	free(n);
}
