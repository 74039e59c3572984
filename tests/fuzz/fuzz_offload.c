/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer's packet with its claims: control u8 (1 partial, 2 mend the lengths), gso_size u16, mtu u16, packet. What
 * passes must be what a kernel's GSO code may see; what does not must be left as it was.
 */
#include "fuzz_ip.h"
#include "ip/segment.h"

static void check_header(const struct super *s, const struct tun_header *h)
{
	size_t field = (size_t)h->csum_start + h->csum_offset;

	if (!h->flags) {
		fuzz_check(!h->gso_type && !h->gso_size && !h->csum_start && !h->csum_offset && !h->hdr_len);
		return;
	}
	fuzz_check(h->flags == TUN_NEEDS_CSUM && h->hdr_len <= s->len && field + 2 <= h->hdr_len);
	fuzz_check(h->csum_start == (fuzz_is_ipv4(s->packet) ? 20 : 40));
	fuzz_check(sample_read16(s->packet + field) ==
		   sample_pseudo(s->packet, s->kind == SUPER_UDP ? 17 : 6, s->len - s->l4_offset));
	fuzz_check((h->gso_type == TUN_GSO_NONE) == (s->segments == 1) && (h->gso_size == 0) == (s->segments == 1));
}

/* As our kernel, or we, will cut it. */
static void check_segments(const struct super *s, size_t mtu)
{
	static uint8_t packet[FUZZ_PACKET_MAX];
	struct segmenter it;
	size_t len, payload_len = 0;
	unsigned n = 0;

	fuzz_check(s->segments <= OFFLOAD_SEGMENTS_MAX && s->gso_size >= OFFLOAD_GSO_MIN);
	segment_begin(&it, s, s->gso_size, false);
	for (; (len = segment_write(&it, packet)); n++) {
		fuzz_check(len <= mtu);
		fuzz_check_packet(packet, len, s->kind);
		payload_len += len - s->header_len;
	}
	fuzz_check(n == s->segments && payload_len == super_payload_len(s));
}

static void check_one(uint8_t *packet, size_t len, uint16_t gso_size, bool partial, size_t mtu)
{
	static uint8_t before[FUZZ_PACKET_MAX];
	struct tun_header h;
	struct super s;

	memcpy(before, packet, len);
	if (offload_check(packet, len, gso_size, partial, mtu, &s) != PASS) {
		fuzz_check(memcmp(packet, before, len) == 0);
		return;
	}
	fuzz_check(s.packet == packet && s.len == len && s.header_len <= len && s.segments >= 1);
	fuzz_check(s.segments > 1 || len <= mtu);
	offload_header(&s, &h);
	check_header(&s, &h);
	if (s.segments > 1)
		check_segments(&s, mtu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *packet;

	if (len < 6 || len - 5 > FUZZ_PACKET_MAX)
		return 0;
	packet = fuzz_packet(data + 5, len - 5, data[0] & 2);
	check_one(packet, len - 5, (uint16_t)sample_read16(data + 1), data[0] & 1, sample_read16(data + 3));
	free(packet);
	return 0;
}
