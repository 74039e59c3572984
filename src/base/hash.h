/* SPDX-License-Identifier: Apache-2.0 */
/* A quick hash for tables of ours; not for secrets. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_SEED 2166136261u /* for keys that strangers do not choose */

/** hash_bytes() - FNV-1a, 32 bits, from @seed over @len bytes */
static inline uint32_t hash_bytes(uint32_t seed, const void *data, size_t len)
{
	const uint8_t *at = data;
	size_t i;

	for (i = 0; i < len; i++)
		seed = (seed ^ at[i]) * 16777619u;
	return seed;
}

#endif
