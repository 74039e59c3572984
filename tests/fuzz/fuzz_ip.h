/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzz targets for super-packets share. */
#ifndef FUZZ_IP_H
#define FUZZ_IP_H

#include <string.h>

#include "../unit/testpacket.h"
#include "fuzz.h"
#include "ip/offload.h"

enum { FUZZ_PACKET_MAX = 65535 };

static inline bool fuzz_is_ipv4(const uint8_t *packet)
{
	return packet[0] >> 4 == 4;
}

/* Make lengths and IPv4 header checksum right, so that more than one input in 65536 gets past them. */
static inline void fuzz_mend(uint8_t *packet, size_t len)
{
	size_t header_len = (packet[0] & 0x0fu) * 4;

	if (len >= 40 && !fuzz_is_ipv4(packet))
		sample_put16(packet + 4, len - 40);
	if (len < 20 || !fuzz_is_ipv4(packet) || header_len < 20 || header_len > len)
		return;
	sample_put16(packet + 2, len);
	sample_put16(packet + 10, 0);
	sample_put16(packet + 10, (uint16_t)~sample_sum(0, packet, header_len));
	if (packet[9] == 17 && len >= header_len + 8)
		sample_put16(packet + header_len + 4, len - header_len);
}

/* In memory that ends with the packet, to be freed. */
static inline uint8_t *fuzz_packet(const uint8_t *data, size_t len, bool mend)
{
	uint8_t *packet = malloc(len);

	fuzz_check(packet);
	memcpy(packet, data, len);
	if (mend)
		fuzz_mend(packet, len);
	return packet;
}

/* The sum over pseudo-header and layer 4: all ones when the checksum is complete and right. */
static inline uint16_t fuzz_l4_sum(const struct super *s)
{
	size_t l4_len = s->len - s->l4_offset;
	uint8_t protocol = s->kind == SUPER_UDP ? 17 : 6;

	return sample_sum(sample_pseudo(s->packet, protocol, l4_len), s->packet + s->l4_offset, l4_len);
}

/* One whole packet in good order, of this kind. */
static inline void fuzz_check_packet(uint8_t *packet, size_t len, enum super_kind kind)
{
	static const struct tun_header plain;
	struct super one;

	fuzz_check(offload_read(&plain, packet, len, &one) == PASS);
	fuzz_check(one.kind == kind && one.len == len && one.segments == 1);
	fuzz_check(!fuzz_is_ipv4(packet) || sample_sum(0, packet, one.l4_offset) == 0xffff);
	fuzz_check(fuzz_l4_sum(&one) == 0xffff);
}

#endif
