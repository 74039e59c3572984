/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a virtio header or a peer claims about a packet, checked against the packet. Both ways lead to a struct super, a
 * view of one packet or super-packet that is safe to segment, to coalesce and to give to a kernel:
 *
 *   TUN read       -> offload_read()  -> struct super -> offload_piece_len(), segment_begin() or offload_finish()
 *   frame, record  -> offload_check() -> struct super -> coalesce_add(), or offload_header() and a TUN write
 *
 * Nothing but type, segment size and "checksum is partial" is ever taken over: the rest follows from the packet.
 */
#ifndef IP_OFFLOAD_H
#define IP_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/verdict.h"
#include "ip/tun_header.h"

enum {
	OFFLOAD_SEGMENTS_MAX =
		64,               /* of one super-packet between peers: every kernel takes as many (UDP_MAX_SEGMENTS) */
	OFFLOAD_GSO_MIN = 256,    /* smallest segment of one from a peer: tiny segments would amplify */
	OFFLOAD_HEADER_MAX = 256, /* IP and layer 4 headers of a super-packet, extension headers included */
};

enum super_kind {
	SUPER_OTHER, /* one packet in which nothing is to be done: not TCP or UDP, a fragment, headers not understood */
	SUPER_TCP4,
	SUPER_TCP6,
	SUPER_UDP, /* both versions of IP */
};

struct super {
	uint8_t *packet; /* borrowed: first byte of the IP header */
	size_t len;
	enum super_kind kind;
	size_t l4_offset;   /* where layer 4 begins; SUPER_OTHER: where its partial checksum begins */
	size_t header_len;  /* IP and layer 4: where the payload begins; SUPER_OTHER: 0 */
	size_t csum_offset; /* of the checksum field, from l4_offset */
	uint16_t gso_size;  /* payload of each segment but the last; 0: one packet */
	unsigned segments;  /* 1: one packet */
	bool partial;       /* the checksum field holds only the pseudo-header sum; always so with several segments */
	bool direct; /* TCP or UDP right behind an IP header without options: only then may a peer get it partial */
};

/** super_payload_len() - Bytes behind the headers; of no meaning for SUPER_OTHER */
static inline size_t super_payload_len(const struct super *s)
{
	return s->len - s->header_len;
}

/**
 * offload_read() - Check what our kernel handed over by a TUN read
 * @h:      the virtio header as read
 * @packet: IP packet, first byte of its header; may be written to later, through @out
 * @len:    bytes at @packet, at most 65535
 * @out:    filled on PASS; borrows @packet
 *
 * The payload is found by parsing, never by hdr_len; csum_start is believed only of one packet with NEEDS_CSUM and only
 * within bounds. A payload no longer than gso_size is one packet, whatever the type. The number of segments is not
 * limited. Source: linux/virtio_net.h, drivers/net/tun.c.
 *
 * Return: PASS; DROP_SHORT, DROP_VERSION, DROP_HEADER, DROP_LENGTH (packet); DROP_OFFLOAD (a type that was never asked
 * for); DROP_OFFLOAD_FIELDS (type or size do not fit the packet, SYN or RST in a super-packet).
 */
enum verdict offload_read(const struct tun_header *h, uint8_t *packet, size_t len, struct super *out);

/**
 * offload_check() - Check a packet or super-packet that a peer sent, before a kernel may see it
 * @packet:   IP packet; on PASS its checksum field is overwritten with the pseudo-header sum when it is partial
 * @len:      bytes at @packet, at most 65535
 * @gso_size: the peer's claim; 0: one packet
 * @partial:  the peer's claim that the checksum was left out
 * @mtu:      of our TUN device
 * @out:      filled on PASS; borrows @packet
 *
 * To be called after packet_parse(), which judges addresses and source routes, and works on one packet without claims
 * too: that passes whatever it is made of if it is not longer than @mtu, and is only understood as far as
 * coalesce_add() needs. With a claim: TCP or UDP directly behind an IP header without options, no fragment, lengths
 * exact, IPv4 header checksum right. A payload of at most @gso_size is one packet; else at most OFFLOAD_SEGMENTS_MAX
 * segments of at least OFFLOAD_GSO_MIN bytes, each with its headers within @mtu, TCP without SYN, RST and URG. A
 * super-packet's checksum counts as partial whatever @partial says: a complete one has no meaning there.
 *
 * Return: PASS; DROP_SHORT, DROP_VERSION, DROP_LENGTH; DROP_TOO_BIG (beyond @mtu); DROP_HEADER_CHECKSUM;
 * DROP_OFFLOAD_FIELDS (anything else above). @packet is untouched unless PASS.
 */
enum verdict offload_check(uint8_t *packet, size_t len, uint16_t gso_size, bool partial, size_t mtu, struct super *out);

/**
 * offload_header() - The virtio header for a TUN write
 * @s:   from offload_check()
 * @out: filled: all zero for a plain packet, NEEDS_CSUM for a partial one, a GSO type as well for a super-packet
 */
void offload_header(const struct super *s, struct tun_header *out);

/**
 * offload_finish() - Complete the checksum of one packet, for a peer or TUN that takes no partial ones
 * @s: one packet; nothing is done unless it is partial. Written to.
 */
void offload_finish(struct super *s);

/**
 * offload_piece_len() - How much payload of a super-packet one frame may carry to a peer
 * @s: from offload_read(), not SUPER_OTHER
 *
 * A peer's offload_check() refuses more than OFFLOAD_SEGMENTS_MAX segments, segments under OFFLOAD_GSO_MIN, options,
 * extension headers and URG. Pieces of this length, cut by segment_begin(), pass: whole super-packets where it is a
 * multiple of gso_size above it, to be sent with gso_size and a partial checksum; single packets where it is gso_size,
 * to be sent with gso_size 0 and, if @s is direct and the peer agreed to it, a partial checksum.
 *
 * Return: payload bytes of each piece but the last; the whole payload when @s can go as it is.
 */
size_t offload_piece_len(const struct super *s);

/** offload_put_pseudo_sum() - Write the sum with which a partial checksum begins; @s is TCP or UDP */
void offload_put_pseudo_sum(struct super *s);

#endif
