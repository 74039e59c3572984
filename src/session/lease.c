/* SPDX-License-Identifier: Apache-2.0 */
/* Inner addresses lent to peers out of one prefix. */
#include "session/lease.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hash.h"

enum { GATEWAY_INDEX = 1 };

enum slot { SLOT_FREE, SLOT_LENT, SLOT_RESERVED };

struct lease_pool {
	struct prefix net;
	uint32_t size;        /* addresses from the network's own on */
	uint32_t first, last; /* of those that may be lent */
	uint8_t slots[];      /* enum slot */
};

/* Place of @a in the pool, or the pool's size when it is not in it. */
static uint32_t index_of(const struct lease_pool *pool, const struct addr *a)
{
	unsigned i, bytes = addr_bits(a) / 8;
	uint64_t index = 0;

	if (!prefix_contains(&pool->net, a))
		return pool->size;
	for (i = 0; i < bytes; i++)
		index = (index << 8 | (uint8_t)(a->bytes[i] ^ pool->net.addr.bytes[i])) & UINT32_MAX;
	/* high bytes of a large IPv6 prefix were shifted out: compare */
	if (index < pool->size) {
		struct addr back = addr_add(&pool->net.addr, (uint32_t)index);

		if (addr_equal(&back, a))
			return (uint32_t)index;
	}
	return pool->size;
}

static uint32_t hash_name(const char *name)
{
	return hash_bytes(HASH_SEED, name, strlen(name));
}

struct lease_pool *lease_pool_new(const struct prefix *p)
{
	unsigned bits = addr_bits(&p->addr) - p->len;
	uint32_t size = 1u << (bits < LEASE_POOL_BITS_MAX ? bits : LEASE_POOL_BITS_MAX);
	struct lease_pool *pool = calloc(1, sizeof(*pool) + size);

	if (!pool)
		return NULL;
	pool->net = prefix_network(p);
	pool->size = size;
	pool->first = GATEWAY_INDEX + 1;
	pool->last = p->addr.family == ADDR_V4 && bits <= LEASE_POOL_BITS_MAX ? size - 2 : size - 1;
	return pool;
}

struct addr lease_gateway(const struct prefix *p)
{
	struct prefix net = prefix_network(p);

	return addr_add(&net.addr, GATEWAY_INDEX);
}

int lease_reserve(struct lease_pool *pool, const struct addr *a)
{
	uint32_t i = index_of(pool, a);

	if (i < pool->first || i > pool->last)
		return ERR_INVALID;
	pool->slots[i] = SLOT_RESERVED;
	return 0;
}

int lease_take(struct lease_pool *pool, const char *name, struct addr *out)
{
	uint32_t count, n, i;

	if (pool->last < pool->first || pool->size <= pool->first)
		return ERR_FULL;
	count = pool->last - pool->first + 1;
	for (n = 0; n < count; n++) {
		i = pool->first + (uint32_t)(((uint64_t)hash_name(name) + n) % count);
		if (pool->slots[i] != SLOT_FREE)
			continue;
		pool->slots[i] = SLOT_LENT;
		*out = addr_add(&pool->net.addr, i);
		return 0;
	}
	return ERR_FULL;
}

void lease_give(struct lease_pool *pool, const struct addr *a)
{
	uint32_t i = index_of(pool, a);

	if (i < pool->size && pool->slots[i] == SLOT_LENT)
		pool->slots[i] = SLOT_FREE;
}

void lease_pool_free(struct lease_pool *pool)
{
	free(pool);
}
