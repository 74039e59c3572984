/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One set of headers for each segment. What is the same in all is summed once: template and sums are made with the
 * fields that change set to zero, and each segment adds its own.
 */
#include "ip/segment.h"

#include <assert.h>
#include <netinet/in.h>

#include "ip/checksum.h"
#include "ip/header_int.h"

/* One segment's share of the payload. */
struct share {
	uint8_t *payload;
	size_t len;
	bool first, last;
	uint32_t offset; /* of the payload, from that of the first segment */
};

static void zero_what_changes(uint8_t *headers, const struct super *super)
{
	uint8_t *l4 = headers + super->l4_offset;

	if (is_ipv4(headers)) {
		put16(headers + IPV4_TOTAL_LENGTH, 0);
		put16(headers + IPV4_ID, 0);
		put16(headers + IPV4_CHECKSUM, 0);
	}
	put16(l4 + super->csum_offset, 0);
	if (super->kind == SUPER_UDP) {
		put16(l4 + UDP_LENGTH, 0);
		return;
	}
	put32(l4 + TCP_SEQ, 0);
	l4[TCP_FLAGS] = 0;
}

void segment_begin(struct segmenter *it, const struct super *super, size_t step, bool partial)
{
	uint8_t protocol = super->kind == SUPER_UDP ? IPPROTO_UDP : IPPROTO_TCP;
	uint64_t sum = checksum_pseudo(super->packet, protocol, 0);

	assert(super->kind != SUPER_OTHER && super->header_len <= OFFLOAD_HEADER_MAX);
	assert(step || !super_payload_len(super));
	it->super = *super;
	it->step = step;
	it->at = 0;
	it->done = false;
	it->partial = partial;
	it->id = get16(super->packet + IPV4_ID);
	it->id_step = (uint16_t)(super->gso_size && step > super->gso_size ? step / super->gso_size : 1);
	if (super->kind != SUPER_UDP) {
		it->seq = get32(super->packet + super->l4_offset + TCP_SEQ);
		it->flags = super->packet[super->l4_offset + TCP_FLAGS];
	}
	memcpy(it->headers, super->packet, super->header_len);
	zero_what_changes(it->headers, super);
	it->ip_sum = checksum_fold(checksum_add(0, it->headers, super->l4_offset));
	if (!partial)
		sum = checksum_add(sum, it->headers + super->l4_offset, super->header_len - super->l4_offset);
	it->l4_sum = checksum_fold(sum);
}

static bool take(struct segmenter *it, struct share *out)
{
	size_t left = super_payload_len(&it->super) - it->at;

	if (it->done)
		return false;
	out->payload = it->super.packet + it->super.header_len + it->at;
	out->len = left < it->step ? left : it->step;
	out->first = it->at == 0;
	out->last = it->done = out->len == left;
	out->offset = (uint32_t)it->at;
	it->at += out->len;
	return true;
}

static void put_ip(struct segmenter *it, uint8_t *headers, size_t len)
{
	uint32_t sum = it->ip_sum;

	if (!is_ipv4(headers)) {
		put16(headers + IPV6_PAYLOAD_LENGTH, len - IPV6_LEN);
		return;
	}
	put16(headers + IPV4_TOTAL_LENGTH, len);
	put16(headers + IPV4_ID, it->id);
	sum += htons((uint16_t)len) + (uint32_t)htons(it->id);
	put_sum(headers + IPV4_CHECKSUM, (uint16_t)~checksum_fold(sum));
	it->id += it->id_step;
}

/* Both return the sum of what they have put. */
static uint64_t put_udp(uint8_t *udp, size_t len)
{
	put16(udp + UDP_LENGTH, len);
	return htons((uint16_t)len);
}

static uint64_t put_tcp(const struct segmenter *it, uint8_t *tcp, const struct share *share)
{
	uint32_t seq = it->seq + share->offset;
	uint8_t flags = it->flags;

	if (!share->last)
		flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	if (!share->first)
		flags &= (uint8_t)~TCP_CWR;
	put32(tcp + TCP_SEQ, seq);
	tcp[TCP_FLAGS] = flags;
	return (uint64_t)htonl(seq) + htons(flags);
}

static uint16_t finished(const struct segmenter *it, uint64_t sum)
{
	uint16_t field = (uint16_t)~checksum_fold(sum);

	return !field && it->super.kind == SUPER_UDP ? 0xffff : field;
}

static void put_headers(struct segmenter *it, uint8_t *headers, const struct share *share)
{
	const struct super *super = &it->super;
	size_t len = super->header_len + share->len, l4_len = len - super->l4_offset;
	uint8_t *l4 = headers + super->l4_offset;
	uint64_t sum = it->l4_sum + htons((uint16_t)l4_len), own;

	memcpy(headers, it->headers, super->header_len);
	put_ip(it, headers, len);
	own = super->kind == SUPER_UDP ? put_udp(l4, l4_len) : put_tcp(it, l4, share);
	if (it->partial) {
		put_sum(l4 + super->csum_offset, checksum_fold(sum));
		return;
	}
	sum += own + checksum_fold(checksum_add(0, share->payload, share->len));
	put_sum(l4 + super->csum_offset, finished(it, sum));
}

bool segment_next(struct segmenter *it, uint8_t *headers, const uint8_t **payload, size_t *len)
{
	struct share share;

	if (!take(it, &share))
		return false;
	put_headers(it, headers, &share);
	*payload = share.payload;
	*len = share.len;
	return true;
}

size_t segment_write(struct segmenter *it, uint8_t *out)
{
	size_t header_len = it->super.header_len;
	struct share share;

	if (!take(it, &share))
		return 0;
	memcpy(out + header_len, share.payload, share.len);
	put_headers(it, out, &share);
	return header_len + share.len;
}

uint8_t *segment_in_place(struct segmenter *it, size_t *len)
{
	struct share share;
	uint8_t *packet;

	if (!take(it, &share))
		return NULL;
	packet = share.payload - it->super.header_len;
	put_headers(it, packet, &share);
	*len = it->super.header_len + share.len;
	return packet;
}
