/* SPDX-License-Identifier: Apache-2.0 */
/* How large a packet inside the tunnel may be. */
#include "wire/mtu.h"

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	UDP_HEADER = 8,
	RECORD_HEADER = 13,
	TYPE_BYTE = 1,
	GCM_COST = 8 + 16, /* explicit nonce, tag */
	CHACHA20_COST = 16,
};

int mtu_inside(const struct mtu_way *way)
{
	int base = way->base ? way->base : MTU_BASE;
	int ip = way->outer == ADDR_V6 ? IPV6_HEADER : IPV4_HEADER;

	return base - ip - UDP_HEADER - RECORD_HEADER - TYPE_BYTE -
	       (way->cipher == MTU_CHACHA20 ? CHACHA20_COST : GCM_COST);
}

int mtu_tunnel(const struct mtu_way *way, int limit, bool ipv6)
{
	int mtu = mtu_inside(way), least = ipv6 ? MTU_MIN_IPV6 : MTU_MIN_IPV4;

	if (mtu > limit)
		mtu = limit;
	return mtu < least ? least : mtu;
}
