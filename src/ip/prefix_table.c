/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Longest-prefix match by a path-compressed binary trie, one for each family. A node stands for a prefix; its children
 * are longer prefixes within it, told apart by the bit behind its length. A fork that only parts two prefixes has no
 * value.
 */
#include "ip/prefix_table.h"

#include <stdlib.h>

#include "base/err.h"

struct node {
	struct prefix net;
	void *value; /* NULL: a fork */
	struct node *child[2];
};

struct prefix_table {
	struct node *ipv4, *ipv6;
};

static unsigned bit_at(const struct addr *a, unsigned i)
{
	return a->bytes[i / 8] >> (7 - i % 8) & 1;
}

/* Leading bits that two networks of one family share, at most the shorter's length. */
static unsigned common_len(const struct prefix *p, const struct prefix *q)
{
	unsigned max = p->len < q->len ? p->len : q->len, i;

	for (i = 0; i < max && bit_at(&p->addr, i) == bit_at(&q->addr, i); i++)
		;
	return i;
}

static struct node *node_new(const struct prefix *net, unsigned len, void *value)
{
	struct node *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->net = *net;
	n->net.len = (uint8_t)len;
	n->net = prefix_network(&n->net);
	n->value = value;
	return n;
}

static void node_free(struct node *n)
{
	if (!n)
		return;
	node_free(n->child[0]);
	node_free(n->child[1]);
	free(n);
}

static void hang(struct node *parent, struct node *child)
{
	parent->child[bit_at(&child->net.addr, parent->net.len)] = child;
}

/* Put a new node in @link's place, above @old, which shares @shared bits with it but does not hold it. */
static int insert_above(struct node **link, struct node *old, const struct prefix *net, unsigned shared, void *value)
{
	struct node *leaf = node_new(net, net->len, value), *fork = leaf;

	if (!leaf)
		return ERR_NOMEM;
	if (shared < net->len) {
		fork = node_new(net, shared, NULL);
		if (!fork) {
			free(leaf);
			return ERR_NOMEM;
		}
		hang(fork, leaf);
	}
	hang(fork, old);
	*link = fork;
	return 0;
}

struct prefix_table *prefix_table_new(void)
{
	return calloc(1, sizeof(struct prefix_table));
}

int prefix_table_add(struct prefix_table *t, const struct prefix *p, void *value)
{
	struct node **link = p->addr.family == ADDR_V4 ? &t->ipv4 : &t->ipv6;
	struct prefix net = prefix_network(p);

	for (struct node *n = *link; n; n = *link) {
		unsigned shared = common_len(&n->net, &net);

		if (shared < n->net.len)
			return insert_above(link, n, &net, shared, value);
		if (n->net.len == net.len) {
			if (n->value)
				return ERR_EXISTS;
			n->value = value;
			return 0;
		}
		link = &n->child[bit_at(&net.addr, n->net.len)];
	}
	*link = node_new(&net, net.len, value);
	return *link ? 0 : ERR_NOMEM;
}

void *prefix_table_find(const struct prefix_table *t, const struct addr *a)
{
	const struct node *n = a->family == ADDR_V4 ? t->ipv4 : t->ipv6;
	void *best = NULL;

	while (n && prefix_contains(&n->net, a)) {
		if (n->value)
			best = n->value;
		if (n->net.len == addr_bits(a))
			break;
		n = n->child[bit_at(a, n->net.len)];
	}
	return best;
}

void prefix_table_free(struct prefix_table *t)
{
	if (!t)
		return;
	node_free(t->ipv4);
	node_free(t->ipv6);
	free(t);
}
