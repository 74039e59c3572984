/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cuts a super-packet into what its sender would have sent without offload, exactly as the kernel does
 * (tcp_gso_segment,
 * __udp_gso_segment), or into shorter super-packets. Headers are made anew for each segment, payload is pointed at:
 *
 *   struct segmenter it;
 *
 *   segment_begin(&it, &super, super.gso_size, partial);
 *   while (segment_next(&it, headers, &payload, &len))
 *           ...
 */
#ifndef IP_SEGMENT_H
#define IP_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ip/offload.h"

struct segmenter {
	struct super super;
	uint8_t headers[OFFLOAD_HEADER_MAX]; /* those of the super-packet; what changes is zero */
	size_t step;                         /* payload bytes of a segment */
	size_t at;                           /* payload bytes given out */
	bool done;
	bool partial;
	uint16_t id;      /* IPv4 identification of the next segment ... */
	uint16_t id_step; /* ... and how many each takes */
	uint32_t seq;     /* TCP: of the first segment */
	uint8_t flags;    /* TCP: of the super-packet */
	uint16_t ip_sum;  /* of @headers, the IP header */
	uint16_t l4_sum;  /* of the pseudo-header without length and, unless partial, the layer 4 header */
};

/**
 * segment_begin() - Before the first segment_next()
 * @it:      filled
 * @super:   from offload_read() or offload_check(), not SUPER_OTHER; copied, its packet is borrowed. One packet is one
 *           segment and comes out as it went in, but for its checksum.
 * @step:    payload bytes of each segment but the last, at least 1. gso_size, as a rule. TCP: may be smaller, when the
 *           path's MTU is. A multiple of gso_size makes super-packets that keep it (offload_piece_len()).
 * @partial: leave the layer 4 checksum of each segment partial: the folded pseudo-header sum over its own length. To be
 *           set for super-packets.
 *
 * The rules are those of the kernel: IPv4 identification counts up, mod 2^16; TCP sequence advances, FIN and PSH only
 * on the last, CWR only on the first, all else copied; a UDP checksum of zero is sent as 0xffff.
 */
void segment_begin(struct segmenter *it, const struct super *super, size_t step, bool partial);

/**
 * segment_next() - The next segment, in order
 * @it:      after segment_begin()
 * @headers: filled with super.header_len bytes (at most OFFLOAD_HEADER_MAX)
 * @payload: set to the segment's first payload byte, inside the super-packet
 * @len:     set to the segment's payload bytes
 *
 * Return: false when there is no more; nothing is written then.
 */
bool segment_next(struct segmenter *it, uint8_t *headers, const uint8_t **payload, size_t *len);

/**
 * segment_write() - The next segment, copied
 * @it:  after segment_begin()
 * @out: room for header_len + step bytes; not in the super-packet
 *
 * Return: bytes written, 0 when there is no more.
 */
size_t segment_write(struct segmenter *it, uint8_t *out);

/**
 * segment_in_place() - The next segment, contiguous inside the super-packet
 * @it:  after segment_begin()
 * @len: set to the segment's bytes
 *
 * Its headers are written right in front of its payload, over segments that were given out before: be done with each
 * (sealed out of place, written) before the next call. The super-packet is spent afterwards.
 *
 * Return: first byte of its IP header, NULL when there is no more.
 */
uint8_t *segment_in_place(struct segmenter *it, size_t *len);

#endif
