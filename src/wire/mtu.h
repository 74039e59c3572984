/* SPDX-License-Identifier: Apache-2.0 */
/* How large a packet inside the tunnel may be, so that its datagram fits the way outside. */
#ifndef WIRE_MTU_H
#define WIRE_MTU_H

#include <stdbool.h>

#include "base/addr.h"

enum mtu_cipher { MTU_GCM, MTU_CHACHA20 };

enum {
	MTU_BASE = 1500,     /* of a way that nobody knows: Ethernet's */
	MTU_MIN_IPV4 = 576,  /* RFC 791, section 3.1 */
	MTU_MIN_IPV6 = 1280, /* RFC 8200, section 5 */
};

struct mtu_way {
	int base;               /* largest IP packet outside; 0: not known */
	enum addr_family outer; /* of the datagrams */
	enum mtu_cipher cipher;
};

/**
 * mtu_inside() - The largest packet that one DTLS 1.2 record of one datagram carries
 * @way: the way outside
 *
 * Takes off the IP header, 8 bytes of UDP, 13 of the record header (RFC 6347, section 4.1), the type byte of the
 * channel, and what the cipher adds: 24 bytes AES-GCM (RFC 5288), 16 ChaCha20-Poly1305 (RFC 7905).
 *
 * Return: bytes; 0 or less when nothing fits.
 */
int mtu_inside(const struct mtu_way *way);

/**
 * mtu_tunnel() - The MTU to announce for a tunnel with a datagram channel
 * @way:   the way outside
 * @limit: the gateway's own tunnel.mtu
 * @ipv6:  whether the tunnel carries IPv6
 *
 * Not over @limit, and not under what IP demands of every link: packets of that size which no datagram takes go over
 * the stream.
 *
 * Return: bytes.
 */
int mtu_tunnel(const struct mtu_way *way, int limit, bool ipv6);

#endif
