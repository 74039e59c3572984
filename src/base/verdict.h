/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What becomes of a packet or frame: PASS, or the reason it is dropped. Every reason is a counter of its own in `adit
 * status` and a line in docs/counters.md.
 */
#ifndef BASE_VERDICT_H
#define BASE_VERDICT_H

#include <stdatomic.h>
#include <stdint.h>

enum verdict {
	PASS = 0,
	/* the packet itself */
	DROP_SHORT,          /* shorter than its IP header */
	DROP_VERSION,        /* neither IPv4 nor IPv6 */
	DROP_HEADER,         /* IPv4 header length under 20 or beyond the packet; extension header beyond it */
	DROP_LENGTH,         /* the length in the IP header is not the packet's */
	DROP_SOURCE_ROUTE,   /* IPv4 loose or strict source route option */
	DROP_ROUTING_HEADER, /* IPv6 routing header of type 0 or 2 */
	DROP_LINK_LOCAL,     /* a link-local address at either end */
	DROP_MULTICAST,      /* multicast or broadcast at either end */
	DROP_LOOPBACK,       /* loopback or unspecified source or destination */
	/* claims about it: what the kernel or the peer says of checksum and segments */
	DROP_OFFLOAD,         /* asks for an offload that is not in use */
	DROP_OFFLOAD_FIELDS,  /* type, segment size or flags do not fit the packet, or go beyond what is allowed */
	DROP_HEADER_CHECKSUM, /* IPv4 header checksum wrong, where headers are made anew from it */
	/* policy */
	DROP_SOURCE,           /* the source is not leased or routed to the peer (at a client: is its own) */
	DROP_DESTINATION,      /* at a client: the destination is not leased or routed to it */
	DROP_ICMP_QUOTE,       /* an ICMP error about a packet that was not sent to the peer */
	DROP_CLIENT_TO_CLIENT, /* client_to_client is off and the destination is another client */
	/* delivery */
	DROP_NO_SESSION,    /* no session owns the destination */
	DROP_QUEUE,         /* the session's queue is full or the packet has waited too long */
	DROP_TOO_BIG,       /* longer than the tunnel's MTU or than one record holds */
	DROP_TUN_WRITE,     /* the kernel refused the packet */
	DROP_FRAME_UNKNOWN, /* a frame of a kind that is not known or not negotiated, ignored */
	/* datagrams */
	DROP_RECORD, /* no whole record of DTLS 1.2 where one must be */
	DROP_EPOCH,  /* a record under other keys than the channel's */
	DROP_REPLAY, /* a record that has come before, or that is older than the replay window */
	DROP_TAG,    /* a record that is not authentic */
	DROP_HELLO,  /* a ClientHello that is not answered */
	DROP_COOKIE, /* one whose cookie was not made for its sender */
	DROP_APP_ID, /* one that names no session, or that may not come from there */
	DROP_STRAY,  /* a record from an address of no flow, and of nobody who may have moved there */
	DROP_SEND,   /* egress: the socket would not take the record */
	VERDICTS
};

/* Counted by one worker, read by all. */
struct verdict_counts {
	_Atomic uint64_t n[VERDICTS];
};

/** verdict_name() - The counter's name in `status`, for example "drop_source"; PASS is "packets" */
const char *verdict_name(enum verdict v);

/** verdict_add() - Count @n packets; @counts has one writer */
static inline void verdict_add(struct verdict_counts *counts, enum verdict v, unsigned n)
{
	atomic_store_explicit(&counts->n[v], atomic_load_explicit(&counts->n[v], memory_order_relaxed) + n,
			      memory_order_relaxed);
}

/** verdict_count() - Count one */
static inline void verdict_count(struct verdict_counts *counts, enum verdict v)
{
	verdict_add(counts, v, 1);
}

#endif
