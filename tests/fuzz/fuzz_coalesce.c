/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch of packets of a few flows, eight bytes each say how the next one differs from what would continue its flow.
 * Whatever comes: each packet comes out once, those of a flow in their order, and what is merged falls apart into the
 * packets that were put in, byte by byte.
 */
#include "fuzz_ip.h"
#include "ip/coalesce.h"
#include "ip/segment.h"

enum { STEP = 8, PACKETS = 192, ROOM = 1400, FLOWS = 12 };

struct record {
	uint8_t bytes[ROOM];
	size_t len;
	unsigned flow;
	bool done;
};

static struct record records[PACKETS];
static unsigned n_records, n_out;
static int last_of_flow[FLOWS];

static void mark(unsigned i)
{
	struct record *r = &records[i];

	fuzz_check(i < n_records && !r->done && last_of_flow[r->flow] < (int)i);
	r->done = true;
	last_of_flow[r->flow] = (int)i;
	n_out++;
}

static unsigned index_of(const uint8_t *packet)
{
	return (unsigned)((const struct record *)packet - records);
}

/* What may differ: the checksum when it was partial or not there, the identification of what is never fragmented. */
static void hide(uint8_t *packet, const struct super *one, bool checksum)
{
	if (checksum)
		memset(packet + one->l4_offset + one->csum_offset, 0, 2);
	if (!fuzz_is_ipv4(packet) || !(packet[6] & 0x40))
		return;
	memset(packet + 4, 0, 2);
	memset(packet + 10, 0, 2);
}

static void check_same(uint8_t *segment, size_t len, const uint8_t *packet, size_t packet_len, bool partial)
{
	static const struct tun_header plain;
	static uint8_t copy[ROOM];
	struct super one;
	bool checksum;

	fuzz_check(len == packet_len);
	memcpy(copy, packet, len);
	fuzz_check(offload_read(&plain, copy, len, &one) == PASS && one.kind != SUPER_OTHER);
	fuzz_check_packet(segment, len, one.kind);
	checksum = partial || sample_read16(copy + one.l4_offset + one.csum_offset) == 0;
	hide(copy, &one, checksum);
	hide(segment, &one, checksum);
	fuzz_check(memcmp(segment, copy, len) == 0);
}

static void check_whole(const struct coalesced *out)
{
	static uint8_t whole[FUZZ_PACKET_MAX], segment[ROOM];
	struct tun_header h;
	struct segmenter it;
	struct super super;
	size_t at = 0, len;

	for (unsigned i = 0; i < out->n_parts; at += out->parts[i++].iov_len) {
		fuzz_check(at + out->parts[i].iov_len <= sizeof(whole));
		memcpy(whole + at, out->parts[i].iov_base, out->parts[i].iov_len);
	}
	fuzz_check(at == out->len && offload_read(&out->header, whole, at, &super) == PASS);
	fuzz_check(super.segments == out->packets && out->header.hdr_len == super.header_len);
	segment_begin(&it, &super, super.gso_size, false);
	for (unsigned i = 0; i < out->packets; i++) {
		size_t packet_len, segment_len = segment_write(&it, segment);
		const uint8_t *packet = coalesced_packet(out, i, &h, &packet_len);

		mark(index_of(packet));
		check_same(segment, segment_len, packet, packet_len, out->partial);
	}
	len = segment_write(&it, segment);
	fuzz_check(len == 0);
}

static void check_out(void *context, const struct coalesced *out)
{
	const uint8_t *packet = out->parts[0].iov_base;

	(void)context;
	if (out->packets > 1) {
		check_whole(out);
		return;
	}
	fuzz_check(out->n_parts == 1 && out->len == records[index_of(packet)].len);
	fuzz_check(out->header.gso_type == TUN_GSO_NONE);
	mark(index_of(packet));
}

/* Where each flow goes on. */
static struct sample next_of[FLOWS];

static void begin_flows(void)
{
	for (int i = 0; i < FLOWS; i++) {
		next_of[i] = i & 1 ? sample_udp(i & 2) : sample_tcp(i & 2);
		next_of[i].source_port = (uint16_t)(5000 + i);
		next_of[i].fragment = i & 4 ? 0 : 0x4000;
		last_of_flow[i] = -1;
	}
}

static void differ(struct sample *s, const uint8_t *how)
{
	if (!(how[2] & 0x80))
		return;
	s->id += how[2] & 1;
	s->seq += how[2] >> 1 & 1;
	s->tos ^= how[2] >> 2 & 1;
	s->ttl -= how[2] >> 3 & 1;
	s->window += how[2] >> 4 & 1;
	s->timestamp += how[2] >> 5 & 1;
	s->ip_options = how[2] & 0x40 ? 8 : 0;
	s->flags = how[3] ? how[3] : SAMPLE_ACK;
}

/* Behind the ports, for it is to stay in its flow; or the header checksum. */
static void spoil(struct record *r, const struct sample *s, const uint8_t *how)
{
	size_t from = sample_l4_offset(s) + 4;

	if (how[4] & 2)
		r->bytes[from + sample_read16(how + 5) % (r->len - from)] ^= how[7];
	if (how[4] & 16 && !s->ipv6)
		r->bytes[10] ^= how[7];
}

/*
 * flow u8, payload u8, differences u8, flags u8, control u8 (1 partial, 2 spoil a byte, 4 no checksum, 8 PSH, 16 spoil
 * the header checksum, 32 by the short way if it goes), place u16, with u8
 */
static void put(struct coalescer *c, const uint8_t *how)
{
	struct record *r = &records[n_records];
	struct sample s;
	struct super one;
	bool passes, taken;

	r->flow = how[0] % FLOWS;
	s = next_of[r->flow];
	s.payload_len = how[1] * 5u;
	s.flags |= how[4] & 8 ? SAMPLE_PSH : 0;
	differ(&s, how);
	r->len = sample_build(r->bytes, &s);
	r->done = false;
	if (s.udp && how[4] & 4)
		sample_put16(r->bytes + sample_csum_at(&s), 0);
	spoil(r, &s, how);
	passes = offload_check(r->bytes, r->len, 0, how[4] & 1, ROOM, &one) == PASS;
	n_records++;
	taken = how[4] & 32 && coalesce_next(c, r->bytes, r->len, how[4] & 1);
	fuzz_check(passes || !taken); /* the short way takes nothing that the long one refuses */
	if (!passes) {
		n_records--;
		return;
	}
	s.flags = SAMPLE_ACK;
	s.ip_options = 0;
	s.seq += (uint32_t)s.payload_len;
	s.id++;
	next_of[r->flow] = s;
	if (!taken)
		coalesce_add(c, &one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct coalescer c;

	n_records = n_out = 0;
	begin_flows();
	coalesce_init(&c, check_out, NULL, COALESCE_TCP | COALESCE_UDP);
	for (; len >= STEP && n_records < PACKETS; data += STEP, len -= STEP)
		put(&c, data);
	coalesce_flush(&c);
	fuzz_check(n_out == n_records && c.open == 0);
	return 0;
}
