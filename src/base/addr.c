/* SPDX-License-Identifier: Apache-2.0 */
/* IP addresses and prefixes as values. */
#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

int addr_parse(const char *text, struct addr *out)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1) {
		*out = addr_from_bytes(bytes, 32);
		return 0;
	}
	if (inet_pton(AF_INET6, text, bytes) == 1) {
		*out = addr_from_bytes(bytes, 128);
		return 0;
	}
	return ERR_INVALID;
}

const char *addr_format(const struct addr *a, char *out)
{
	out[0] = '\0';
	if (a->family != ADDR_NONE)
		inet_ntop(a->family == ADDR_V4 ? AF_INET : AF_INET6, a->bytes, out, ADDR_TEXT_LEN);
	return out;
}

/* The finalizer of splitmix64: each bit of @x reaches each of the result. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return x ^ x >> 31;
}

uint64_t addr_hash(uint64_t key, const struct addr *a)
{
	uint64_t words[2];

	memcpy(words, a->bytes, sizeof(words));
	return mix(mix(key ^ a->family ^ words[0]) ^ words[1]);
}

struct addr addr_add(const struct addr *a, uint32_t n)
{
	struct addr sum = *a;
	uint64_t carry = n;
	int i;

	for (i = (int)addr_bits(a) / 8 - 1; i >= 0 && carry; i--) {
		carry += sum.bytes[i];
		sum.bytes[i] = (uint8_t)carry;
		carry >>= 8;
	}
	return sum;
}

int prefix_parse(const char *text, struct prefix *out)
{
	const char *slash = strchr(text, '/');
	char addr[ADDR_TEXT_LEN];
	struct prefix p = { 0 };
	size_t addr_len = slash ? (size_t)(slash - text) : strlen(text);
	unsigned len = 0;
	int used = 0;

	if (addr_len >= sizeof(addr))
		return ERR_INVALID;
	memcpy(addr, text, addr_len);
	addr[addr_len] = '\0';
	if (addr_parse(addr, &p.addr) < 0)
		return ERR_INVALID;
	p.len = (uint8_t)addr_bits(&p.addr);
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9' || sscanf(slash + 1, "%3u%n", &len, &used) != 1 ||
		    slash[1 + used] || len > p.len)
			return ERR_INVALID;
		p.len = (uint8_t)len;
	}
	*out = p;
	return 0;
}

const char *prefix_format(const struct prefix *p, char *out)
{
	char addr[ADDR_TEXT_LEN];

	snprintf(out, PREFIX_TEXT_LEN, "%s/%u", addr_format(&p->addr, addr), p->len);
	return out;
}

struct prefix prefix_network(const struct prefix *p)
{
	struct prefix net = *p;
	unsigned i, bits = addr_bits(&p->addr);

	for (i = p->len; i < bits; i++)
		net.addr.bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
	return net;
}

bool prefix_contains(const struct prefix *p, const struct addr *a)
{
	unsigned whole = p->len / 8, rest = p->len % 8;

	if (p->addr.family != a->family || memcmp(p->addr.bytes, a->bytes, whole))
		return false;
	return !rest || !((p->addr.bytes[whole] ^ a->bytes[whole]) >> (8 - rest));
}

bool prefix_overlaps(const struct prefix *p, const struct prefix *q)
{
	return p->len <= q->len ? prefix_contains(p, &q->addr) : prefix_contains(q, &p->addr);
}
