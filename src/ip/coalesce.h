/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Merges the packets of a batch into super-packets, as the kernel's GRO would (tcp_gro_receive, udp_gro_receive), so
 * that one TUN write carries many. Packets are borrowed until coalesce_flush(); only headers are copied.
 *
 *   coalesce_init(&c, emit, context, COALESCE_TCP | COALESCE_UDP);       once a worker
 *   offload_check(..., &one), coalesce_add(&c, &one);                    each packet
 *   coalesce_flush(&c);                                                  end of the batch
 */
#ifndef IP_COALESCE_H
#define IP_COALESCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "ip/offload.h"
#include "ip/tun_header.h"

enum {
	COALESCE_GROUPS = 8,                         /* open at a time: flows in one batch are few */
	COALESCE_PACKETS_MAX = OFFLOAD_SEGMENTS_MAX, /* in one super-packet */
	COALESCE_PARTS_MAX = 1 + COALESCE_PACKETS_MAX,
};

/* What may be merged; a kernel or a route may stand one and not the other. */
enum coalesce_what { COALESCE_TCP = 1, COALESCE_UDP = 2 };

/* One packet or super-packet for the TUN. */
struct coalesced {
	struct tun_header header;
	struct iovec parts[COALESCE_PARTS_MAX]; /* one packet: itself; else the headers, then each packet's payload */
	unsigned n_parts;
	unsigned packets; /* that are in it */
	size_t len;       /* of all parts */
	size_t header_len;
	bool partial; /* the packets themselves have partial checksums */
};

/* Called with each; @out is valid during the call. May not add packets. */
typedef void coalesce_emit(void *context, const struct coalesced *out);

struct coalesce_group {
	struct coalesced out;
	struct super first;                  /* view of its first packet */
	uint8_t headers[OFFLOAD_HEADER_MAX]; /* of the super-packet */
	const void *from;                    /* whose its first packet was */
	uint32_t next_seq;                   /* TCP: where it ends */
	bool pushed;                         /* PSH came */
};

struct coalescer {
	coalesce_emit *emit;
	void *context;
	const void *from; /* set by the caller before it adds: whose packets these are, compared and nothing else */
	unsigned what;    /* enum coalesce_what, or-ed; may be changed at any time */
	uint8_t open;     /* groups in use */
	uint8_t order[COALESCE_GROUPS];                /* indices of groups, last used first; then those not in use */
	struct coalesced alone;                        /* for a packet that is in no group */
	struct coalesce_group groups[COALESCE_GROUPS]; /* 11 KB */
};

/**
 * coalesce_init() - Make ready, once
 * @c:       filled; about 12 KB, so not on a small stack
 * @emit:    takes what comes out
 * @context: for @emit; borrowed
 * @what:    enum coalesce_what, or-ed; 0: everything goes through singly
 */
void coalesce_init(struct coalescer *c, coalesce_emit *emit, void *context, unsigned what);

/**
 * coalesce_add() - One packet, in the order of arrival
 * @c:   coalescer
 * @one: from offload_check(), one packet (segments 1); copied. Its bytes are borrowed until coalesce_flush() and are
 * not changed.
 *
 * Merged with the open group of its flow, or held as the first of a new one, or emitted now. The order inside a flow
 * (addresses, protocol, ports) never changes, that between flows may. A checksum is verified before a packet is merged
 * unless it is partial. Partial packets merge with partial ones only.
 */
void coalesce_add(struct coalescer *c, const struct super *one);

/**
 * coalesce_next() - Append a packet to the group that was used last, if it simply continues that
 * @c:       coalescer
 * @packet:  IP packet; borrowed until coalesce_flush(), of a partial one the checksum field is written
 * @len:     its bytes
 * @partial: its layer 4 checksum was not computed
 *
 * The short way for what fills most batches. All that rules for addresses and offload_check() look at is the same as in
 * the group's first packet, which has passed them, and that one came from the same c->from: so this one passes, too.
 *
 * Return: false when it does not continue it, or may not: nothing was done, check it and coalesce_add().
 */
bool coalesce_next(struct coalescer *c, uint8_t *packet, size_t len, bool partial);

/** coalesce_flush() - Emit all that is held; at the end of each batch */
void coalesce_flush(struct coalescer *c);

/**
 * coalesced_packet() - One of the packets that were merged, as it was: for a kernel that refused them together
 * @out:    as emitted
 * @i:      0..packets - 1
 * @header: filled with its virtio header
 * @len:    set to its bytes
 *
 * Return: its first byte, inside the borrowed packet.
 */
const uint8_t *coalesced_packet(const struct coalesced *out, unsigned i, struct tun_header *header, size_t *len);

#endif
