/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold between several settings, and on this host. */
#include "conf/rules.h"

#include <grp.h>
#include <string.h>

#include "conf/conf.h"
#include "conf/source.h"

enum { POOL_HOST_BITS_MIN = 2, IPV6_MTU_MIN = 1280 }; /* RFC 8200 section 5 */

/* One network of one client, and where it stands. */
struct network {
	size_t client, index;
};

static bool is_given(const struct source *source, const char *path)
{
	const config_setting_t *setting = config_lookup(&source->config, path);
	const char *text = setting ? config_setting_get_string(setting) : NULL;

	return setting && (!text || *text);
}

static const config_setting_t *client_setting(const struct source *source, size_t client, const char *name)
{
	const config_setting_t *list = config_lookup(&source->config, "clients");

	return config_setting_get_member(config_setting_get_elem(list, (unsigned)client), name);
}

static void check_pool(struct source *source, const char *key, const struct prefix *pool)
{
	const config_setting_t *setting = config_lookup(&source->config, key);
	char text[PREFIX_TEXT_LEN];

	if (pool->addr.family == ADDR_NONE)
		return;
	if (addr_is_unspecified(&pool->addr))
		source_report(source, setting, key, "found \"%s\", allowed a network of your own",
			      prefix_format(pool, text));
	else if (addr_bits(&pool->addr) - pool->len < POOL_HOST_BITS_MIN)
		source_report(source, setting, key, "found \"%s\", allowed a network of at least 4 addresses, /%u",
			      prefix_format(pool, text), addr_bits(&pool->addr) - POOL_HOST_BITS_MIN);
}

static void check_pools(struct source *source, const struct conf *c)
{
	const config_setting_t *group = config_lookup(&source->config, "addresses");

	check_pool(source, "addresses.ipv4", &c->addresses.ipv4);
	check_pool(source, "addresses.ipv6", &c->addresses.ipv6);
	if (group && config_setting_is_group(group) && !is_given(source, "addresses.ipv4") &&
	    !is_given(source, "addresses.ipv6"))
		source_report(source, group, "addresses", "found neither ipv4 nor ipv6, allowed one or both");
}

static void check_mtu(struct source *source, const struct conf *c)
{
	if (c->addresses.ipv6.addr.family == ADDR_NONE || c->tunnel.mtu >= IPV6_MTU_MIN)
		return;
	source_report(source, config_lookup(&source->config, "tunnel.mtu"), "tunnel.mtu",
		      "found integer %d, allowed an integer %d..65535 with addresses.ipv6", c->tunnel.mtu,
		      IPV6_MTU_MIN);
}

static void check_listen(struct source *source, const struct conf *c)
{
	const config_setting_t *list = config_lookup(&source->config, "listen");
	const struct conf_listen *a, *b;

	if (!c->listen.len && list && config_setting_is_aggregate(list) && !config_setting_length(list))
		source_report(source, list, "listen", "found an empty list, allowed at least one { }");
	for (a = c->listen.items; a < c->listen.items + c->listen.len; a++)
		for (b = c->listen.items; b < a; b++)
			if (a->address && b->address && a->port == b->port && !strcmp(a->address, b->address))
				source_report(source, config_setting_get_elem(list, (unsigned)(a - c->listen.items)),
					      "listen", "found \"%s\" port %d again, allowed each once", a->address,
					      a->port);
}

static void check_name(struct source *source, const struct conf *c, size_t client)
{
	const char *name = c->clients.items[client].name;
	size_t i;

	for (i = 0; name && i < client; i++) {
		if (!c->clients.items[i].name || strcmp(c->clients.items[i].name, name) != 0)
			continue;
		source_report(source, client_setting(source, client, "name"), "clients.name",
			      "found \"%s\" again, allowed each name once", name);
		return;
	}
}

static const struct addr *fixed_address(const struct conf_client *client, enum addr_family family)
{
	return family == ADDR_V4 ? &client->ipv4 : &client->ipv6;
}

/* Of an IPv4 network the first and last address are not for hosts, of an IPv6 network the first (RFC 4291 2.6.1). */
static bool is_edge(const struct prefix *pool, const struct addr *a)
{
	struct prefix next = { addr_add(a, 1), pool->len };
	struct prefix network = prefix_network(&next);

	if (addr_equal(a, &pool->addr))
		return true;
	return pool->addr.family == ADDR_V4 && !addr_equal(&network.addr, &pool->addr);
}

static const char *fixed_fault(const struct conf *c, size_t client, enum addr_family family, const struct prefix *pool)
{
	const struct addr *a = fixed_address(&c->clients.items[client], family);
	const struct addr gateway = addr_add(&pool->addr, 1);
	size_t i;

	if (!prefix_contains(pool, a))
		return "an address within addresses";
	if (addr_equal(a, &gateway))
		return "an address other than the gateway's own, the first";
	if (is_edge(pool, a))
		return "an address that a host may have";
	for (i = 0; i < client; i++)
		if (addr_equal(a, fixed_address(&c->clients.items[i], family)))
			return "each address once";
	return NULL;
}

static void check_fixed(struct source *source, const struct conf *c, size_t client, enum addr_family family)
{
	const struct prefix *pool = family == ADDR_V4 ? &c->addresses.ipv4 : &c->addresses.ipv6;
	const struct addr *a = fixed_address(&c->clients.items[client], family);
	const char *fault;
	char text[ADDR_TEXT_LEN];
	bool refused = pool->addr.family == ADDR_NONE &&
		       is_given(source, family == ADDR_V4 ? "addresses.ipv4" : "addresses.ipv6");

	if (a->family == ADDR_NONE || refused)
		return;
	fault = fixed_fault(c, client, family, pool);
	if (fault)
		source_report(source, client_setting(source, client, family == ADDR_V4 ? "ipv4" : "ipv6"),
			      family == ADDR_V4 ? "clients.ipv4" : "clients.ipv6", "found \"%s\", allowed %s",
			      addr_format(a, text), fault);
}

/* An earlier network, of this client or of one before it, that shares addresses with network @n. */
static const struct prefix *network_clash(const struct conf *c, struct network n)
{
	const struct prefix *net = &c->clients.items[n.client].networks.items[n.index], *other;
	size_t client, i, len;

	for (client = 0; client <= n.client; client++) {
		len = client == n.client ? n.index : c->clients.items[client].networks.len;
		for (i = 0; i < len; i++) {
			other = &c->clients.items[client].networks.items[i];
			if (other->addr.family != ADDR_NONE && prefix_overlaps(net, other))
				return other;
		}
	}
	return NULL;
}

static const struct prefix *pool_clash(const struct conf *c, const struct prefix *net)
{
	const struct prefix *pools[] = { &c->addresses.ipv4, &c->addresses.ipv6 };
	size_t i;

	for (i = 0; i < 2; i++)
		if (pools[i]->addr.family != ADDR_NONE && prefix_overlaps(net, pools[i]))
			return pools[i];
	return NULL;
}

static void check_network(struct source *source, const struct conf *c, struct network n)
{
	const struct prefix *net = &c->clients.items[n.client].networks.items[n.index], *clash;
	char text[PREFIX_TEXT_LEN], other[PREFIX_TEXT_LEN];

	if (net->addr.family == ADDR_NONE)
		return;
	clash = network_clash(c, n);
	if (!clash)
		clash = pool_clash(c, net);
	if (clash)
		source_report(source,
			      config_setting_get_elem(client_setting(source, n.client, "networks"), (unsigned)n.index),
			      "clients.networks", "found \"%s\", allowed a network that does not overlap %s",
			      prefix_format(net, text), prefix_format(clash, other));
}

static void check_clients(struct source *source, const struct conf *c)
{
	struct network n;

	for (n.client = 0; n.client < c->clients.len; n.client++) {
		check_name(source, c, n.client);
		check_fixed(source, c, n.client, ADDR_V4);
		check_fixed(source, c, n.client, ADDR_V6);
		for (n.index = 0; n.index < c->clients.items[n.client].networks.len; n.index++)
			check_network(source, c, n);
	}
}

static void check_control_group(struct source *source, const struct conf *c)
{
	if (*c->control_group && !getgrnam(c->control_group))
		source_report(source, config_lookup(&source->config, "control_group"), "control_group",
			      "found string \"%s\", allowed the name of a group that exists, or \"\"",
			      c->control_group);
}

void rules_check(struct source *source, const struct conf *c)
{
	check_control_group(source, c);
	if (c->role == CONF_CLIENT)
		return;
	check_pools(source, c);
	check_mtu(source, c);
	check_listen(source, c);
	check_clients(source, c);
}
