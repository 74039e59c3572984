/* SPDX-License-Identifier: Apache-2.0 */
/* Inner addresses lent to peers out of one prefix. Pure bookkeeping; the caller serialises. */
#ifndef SESSION_LEASE_H
#define SESSION_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/addr.h"

struct lease_pool;

enum { LEASE_POOL_BITS_MAX = 20 }; /* of a larger prefix only the first 2^20 addresses are lent */

/**
 * lease_pool_new() - A pool over a prefix
 * @p: network; its first address after the network's own is the gateway's and never lent, nor are network and
 *     broadcast address of an IPv4 prefix, nor the all-zero host of an IPv6 one
 *
 * Return: the pool, free with lease_pool_free(); NULL without memory.
 */
struct lease_pool *lease_pool_new(const struct prefix *p);

/** lease_gateway() - The gateway's own address in a prefix */
struct addr lease_gateway(const struct prefix *p);

/** lease_reserve() - Keep a client's fixed address out of what lease_take() lends. Return: 0, or ERR_INVALID */
int lease_reserve(struct lease_pool *pool, const struct addr *a);

/**
 * lease_take() - Lend an address
 * @pool: pool
 * @name: identity: where the search for a free address begins, so a name nearly always gets the same one again
 * @out:  filled
 *
 * Return: 0, or ERR_FULL.
 */
int lease_take(struct lease_pool *pool, const char *name, struct addr *out);

/** lease_give() - An address comes back; fixed ones and foreign ones are ignored */
void lease_give(struct lease_pool *pool, const struct addr *a);

/** lease_pool_free() - Accepts NULL */
void lease_pool_free(struct lease_pool *pool);

#endif
