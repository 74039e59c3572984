/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and prefixes as values, with their text forms. No socket types: those stay in io. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

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
static inline struct addr addr_from_bytes(const void *bytes, unsigned bits)
{
	struct addr a = { .family = bits == 32 ? ADDR_V4 : ADDR_V6 };

	memcpy(a.bytes, bytes, bits / 8);
	return a;
}

/** addr_parse() - Read "10.0.0.1" or "fd00::1", the whole string. Return: 0 or ERR_INVALID with @out untouched */
int addr_parse(const char *text, struct addr *out);

/** addr_format() - Write the text form to @out[ADDR_TEXT_LEN]; "" for ADDR_NONE. Return: @out */
const char *addr_format(const struct addr *a, char *out);

/** addr_equal() - Same family and bytes */
static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

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
static inline bool addr_is_loopback(const struct addr *a)
{
	static const uint8_t v6[16] = { [15] = 1 };
	static const uint8_t mapped[13] = { [10] = 0xff, [11] = 0xff, [12] = 127 };

	if (a->family == ADDR_V4)
		return a->bytes[0] == 127;
	return a->family == ADDR_V6 && (!memcmp(a->bytes, v6, 16) || !memcmp(a->bytes, mapped, 13));
}

/** addr_is_link_local() - 169.254.0.0/16, fe80::/10 */
static inline bool addr_is_link_local(const struct addr *a)
{
	if (a->family == ADDR_V4)
		return a->bytes[0] == 169 && a->bytes[1] == 254;
	return a->family == ADDR_V6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/** addr_is_multicast() - 224.0.0.0/4, 255.255.255.255, ff00::/8 */
static inline bool addr_is_multicast(const struct addr *a)
{
	static const uint8_t broadcast[4] = { 255, 255, 255, 255 };

	if (a->family == ADDR_V4)
		return (a->bytes[0] & 0xf0) == 0xe0 || !memcmp(a->bytes, broadcast, 4);
	return a->family == ADDR_V6 && a->bytes[0] == 0xff;
}

/** addr_is_unspecified() - 0.0.0.0, :: */
static inline bool addr_is_unspecified(const struct addr *a)
{
	static const uint8_t zero[16];

	return a->family != ADDR_NONE && !memcmp(a->bytes, zero, sizeof(zero));
}

#endif
