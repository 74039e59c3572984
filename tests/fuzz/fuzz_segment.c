/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What our kernel hands over: control u8 (1 mend the lengths, the rest: where to cut TCP), virtio header, packet. Its
 * segments must be packets in good order that carry every byte once, whichever way they are made.
 */
#include "fuzz_ip.h"
#include "ip/segment.h"

static uint8_t one[FUZZ_PACKET_MAX], piece[FUZZ_PACKET_MAX];

/* Cut by @step; the pieces in order are the payload. */
static void check_cut(const struct super *s, size_t step)
{
	uint8_t headers[OFFLOAD_HEADER_MAX];
	struct segmenter it, writing;
	const uint8_t *payload, *next = s->packet + s->header_len;
	size_t payload_len, n = 0;

	segment_begin(&it, s, step, false);
	segment_begin(&writing, s, step, false);
	while (segment_next(&it, headers, &payload, &payload_len)) {
		fuzz_check(payload == next && payload_len <= step);
		next += payload_len;
		fuzz_check(segment_write(&writing, one) == s->header_len + payload_len);
		fuzz_check(memcmp(one, headers, s->header_len) == 0);
		fuzz_check(memcmp(one + s->header_len, payload, payload_len) == 0);
		fuzz_check_packet(one, s->header_len + payload_len, s->kind);
		n++;
	}
	fuzz_check(segment_write(&writing, one) == 0);
	fuzz_check(next == s->packet + s->len);
	fuzz_check(n == (super_payload_len(s) ? (super_payload_len(s) + step - 1) / step : 1));
}

/* Pieces for a peer, which must take each of them. */
static void check_pieces(const struct super *s)
{
	size_t step = offload_piece_len(s), len, header_len = s->header_len, payload_len = 0;
	struct segmenter it;
	struct super part;

	segment_begin(&it, s, step, s->direct);
	while ((len = segment_write(&it, piece))) {
		uint16_t gso_size = len - header_len > s->gso_size ? s->gso_size : 0;

		payload_len += len - header_len;
		fuzz_check(offload_check(piece, len, gso_size, s->direct, FUZZ_PACKET_MAX, &part) == PASS);
		fuzz_check(part.partial == s->direct && part.segments <= OFFLOAD_SEGMENTS_MAX);
	}
	fuzz_check(payload_len == super_payload_len(s));
}

static void check_in_place(struct super *s)
{
	struct segmenter it, writing;
	uint8_t *whole;
	size_t len;

	segment_begin(&writing, s, s->gso_size ? s->gso_size : super_payload_len(s), false);
	it = writing;
	while ((whole = segment_in_place(&it, &len)))
		fuzz_check(segment_write(&writing, one) == len && memcmp(one, whole, len) == 0);
}

static void check_one(const struct tun_header *h, uint8_t *packet, size_t len, uint8_t less)
{
	struct super s;

	if (offload_read(h, packet, len, &s) != PASS)
		return;
	fuzz_check(s.packet == packet && s.len == len && s.header_len <= len);
	if (s.kind == SUPER_OTHER) {
		fuzz_check(s.segments == 1);
		offload_finish(&s);
		return;
	}
	check_cut(&s, s.gso_size ? s.gso_size : super_payload_len(&s));
	if (s.kind != SUPER_UDP && s.gso_size > less)
		check_cut(&s, (size_t)s.gso_size - less);
	if (fuzz_is_ipv4(packet))
		fuzz_mend(packet, len); /* the kernel's header checksum is right */
	check_pieces(&s);
	check_in_place(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct tun_header h;
	uint8_t *packet;

	if (len < 12 || len - 11 > FUZZ_PACKET_MAX)
		return 0;
	memcpy(&h, data + 1, TUN_HEADER_LEN);
	packet = fuzz_packet(data + 11, len - 11, data[0] & 1);
	check_one(&h, packet, len - 11, data[0]);
	free(packet);
	return 0;
}
