/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and prefixes as values, with their text forms. No socket types: those stay in io. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum addr_family { ADDR_NONE = 0, ADDR_V4 = 4, ADDR_V6 = 6 };

struct addr {
	uint8_t family;    /* enum addr_family */
	uint8_t bytes[16]; /* network order; the first 4 for IPv4, the rest zero */
};

struct prefix {
	struct addr addr; /* bits behind len may be set (an interface address); prefix_network() clears them */
	uint8_t len;
};

enum { ADDR_TEXT_LEN = 46, PREFIX_TEXT_LEN = 50 }; /* with NUL */

/** addr_bits() - 32 or 128 */
static inline unsigned addr_bits(const struct addr *a)
{
	return a->family == ADDR_V4 ? 32 : 128;
}

/** addr_from_bytes() - An address from its @bits / 8 network-order bytes; @bits is 32 or 128 */
struct addr addr_from_bytes(const void *bytes, unsigned bits);

/** addr_parse() - Read "10.0.0.1" or "fd00::1", the whole string. Return: 0 or ERR_INVALID with @out untouched */
int addr_parse(const char *text, struct addr *out);

/** addr_format() - Write the text form to @out[ADDR_TEXT_LEN]; "" for ADDR_NONE. Return: @out */
const char *addr_format(const struct addr *a, char *out);

/** addr_equal() - Same family and bytes */
bool addr_equal(const struct addr *a, const struct addr *b);

/**
 * addr_hash() - For tables: any bits of it spread over addresses however alike
 * @key: random where strangers choose the addresses or know the pool
 */
uint64_t addr_hash(uint64_t key, const struct addr *a);

/** addr_add() - The address @n above @a (wraps) */
struct addr addr_add(const struct addr *a, uint32_t n);

/**
 * prefix_parse() - Read "10.0.0.0/8", "fd00::/64", or an address alone (then the full length)
 *
 * Return: 0 or ERR_INVALID with @out untouched.
 */
int prefix_parse(const char *text, struct prefix *out);

/** prefix_format() - Write "addr/len" to @out[PREFIX_TEXT_LEN]. Return: @out */
const char *prefix_format(const struct prefix *p, char *out);

/** prefix_network() - @p with the bits behind its length cleared */
struct prefix prefix_network(const struct prefix *p);

/** prefix_contains() - Whether @a lies in @p; false across families */
bool prefix_contains(const struct prefix *p, const struct addr *a);

/** prefix_overlaps() - Whether one of the two lies in the other */
bool prefix_overlaps(const struct prefix *p, const struct prefix *q);

/** addr_is_loopback() - 127.0.0.0/8, ::1, and ::ffff:127.0.0.0/104 */
bool addr_is_loopback(const struct addr *a);

/** addr_is_link_local() - 169.254.0.0/16, fe80::/10 */
bool addr_is_link_local(const struct addr *a);

/** addr_is_multicast() - 224.0.0.0/4, 255.255.255.255, ff00::/8 */
bool addr_is_multicast(const struct addr *a);

/** addr_is_unspecified() - 0.0.0.0, :: */
bool addr_is_unspecified(const struct addr *a);

#endif
