/* SPDX-License-Identifier: Apache-2.0 */
/* Where things are in IP, TCP and UDP headers (RFC 791, 8200, 9293, 768). For this room; bounds are the caller's. */
#ifndef IP_HEADER_INT_H
#define IP_HEADER_INT_H

#include <arpa/inet.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ip/checksum.h"

enum {
	IPV4_LEN = 20, /* without options */
	IPV4_TOS = 1,
	IPV4_TOTAL_LENGTH = 2,
	IPV4_ID = 4,
	IPV4_FRAGMENT = 6, /* flags and offset */
	IPV4_TTL = 8,
	IPV4_PROTOCOL = 9,
	IPV4_CHECKSUM = 10,
	IPV4_ADDRESSES = 12,
	IPV4_ADDRESSES_LEN = 8,
	IPV4_DONT_FRAGMENT = 0x4000,
	IPV4_IS_FRAGMENT = 0x3fff, /* more fragments, or an offset */

	IPV6_LEN = 40,
	IPV6_FLOW_LEN = 4, /* version, traffic class, flow label */
	IPV6_PAYLOAD_LENGTH = 4,
	IPV6_NEXT = 6,
	IPV6_HOP_LIMIT = 7,
	IPV6_ADDRESSES = 8,
	IPV6_ADDRESSES_LEN = 32,
	IPV6_EXT_MIN = 8, /* the shortest extension header */

	PORTS_LEN = 4, /* of both, at the start of TCP and UDP */

	TCP_LEN = 20, /* without options */
	TCP_SEQ = 4,
	TCP_ACK_NUMBER = 8,
	TCP_DATA_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_WINDOW = 14,
	TCP_CHECKSUM = 16,
	TCP_URGENT = 18,
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_ACK = 0x10,
	TCP_URG = 0x20,
	TCP_CWR = 0x80,

	UDP_LEN = 8,
	UDP_LENGTH = 4,
	UDP_CHECKSUM = 6,
};

static inline uint16_t get16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static inline uint32_t get32(const uint8_t *at)
{
	return (uint32_t)get16(at) << 16 | get16(at + 2);
}

static inline void put16(uint8_t *at, size_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static inline void put32(uint8_t *at, uint32_t value)
{
	put16(at, value >> 16);
	put16(at + 2, value);
}

static inline bool is_ipv4(const uint8_t *packet)
{
	return packet[0] >> 4 == 4;
}

static inline size_t ipv4_header_len(const uint8_t *packet)
{
	return (packet[0] & 0x0fu) * 4;
}

/* A sum goes into the packet in the byte order in which it was made. */
static inline void put_sum(uint8_t *at, uint16_t sum)
{
	memcpy(at, &sum, sizeof(sum));
}

/* The length field of the IP header, for a packet of @len bytes; IPv4's checksum is made anew. */
static inline void set_ip_length(uint8_t *packet, size_t len)
{
	if (!is_ipv4(packet)) {
		put16(packet + IPV6_PAYLOAD_LENGTH, len - IPV6_LEN);
		return;
	}
	put16(packet + IPV4_TOTAL_LENGTH, len);
	put16(packet + IPV4_CHECKSUM, 0);
	put_sum(packet + IPV4_CHECKSUM, (uint16_t)~checksum_fold(checksum_add(0, packet, ipv4_header_len(packet))));
}

#endif
