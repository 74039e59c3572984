/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A view of one inner IP packet, checked far enough that it may meet a kernel: version, header lengths, total length,
 * source routing (design: inner traffic). Pure bytes; parses what a peer can send, so it has a fuzz target.
 */
#ifndef IP_PACKET_H
#define IP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/verdict.h"

enum { PACKET_MAX_LEN = 65535 };

struct packet {
	const uint8_t *data; /* borrowed: first byte of the IP header */
	size_t len;
	struct addr src, dst;
	uint8_t protocol;       /* of the payload, behind IPv6 extension headers */
	bool fragment;          /* a fragment other than the first: no layer 4 header in it */
	size_t l4_offset;       /* of the payload */
	bool quotes;            /* an ICMP or ICMPv6 error ... */
	struct addr quoted_dst; /* ... about a packet that went to this address (RFC 792, RFC 4443 section 3) */
};

/**
 * packet_parse() - Check a packet's headers and fill a view of it
 * @data: first byte of the IP header
 * @len:  bytes at @data: exactly one packet
 * @out:  filled on PASS; borrows @data
 *
 * Refuses what no peer may send: wrong version or lengths, IPv4 loose and strict source routes (RFC 7126 4.3, 4.4),
 * IPv6 routing headers 0 and 2 (RFC 5095), link-local, multicast, broadcast, loopback and unspecified addresses at
 * either end. An ICMP error whose quoted packet cannot be read is DROP_ICMP_QUOTE. IPv6 extension headers are followed
 * (hop-by-hop, destination, routing, fragment, AH; RFC 8200) up to PACKET_MAX_EXT of them, else DROP_HEADER.
 *
 * Return: PASS, or the reason to drop with @out undefined.
 */
enum verdict packet_parse(const uint8_t *data, size_t len, struct packet *out);

enum { PACKET_MAX_EXT = 8 };

/**
 * packet_dst() - Destination only, for packets that come from our own kernel
 * @data: first byte of the IP header
 * @len:  bytes at @data
 * @out:  filled on PASS
 *
 * Return: PASS, DROP_SHORT, DROP_VERSION, or DROP_LINK_LOCAL / DROP_MULTICAST for what never enters the tunnel.
 */
enum verdict packet_dst(const uint8_t *data, size_t len, struct addr *out);

#endif
