/* SPDX-License-Identifier: Apache-2.0 */
/* Network to TUN. */
#ifndef PATH_INGRESS_H
#define PATH_INGRESS_H

#include <stddef.h>
#include <stdint.h>

struct channel;
struct coalesced;
struct flow;
struct path;
struct udp;

/**
 * ingress_stream() - Read a stream once and deliver what it holds
 * @p:      path of the session's home worker
 * @c:      readable channel; may be CHANNEL_CLOSED on return
 * @now_ms: time of this batch
 *
 * Control frames go to the session, DATA through the inner-traffic rules into the TUN. When the session holds a
 * channel's data back, the rest waits in the channel.
 */
void ingress_stream(struct path *p, struct channel *c, uint64_t now_ms);

/** ingress_begin() - Deliver what has arrived already: behind the handshake, or held until now */
void ingress_begin(struct path *p, struct channel *c, uint64_t now_ms);

/**
 * ingress_datagrams() - Read a datagram socket once and deliver what it holds
 * @p:      path of the socket's worker
 * @u:      readable socket
 * @own:    client: the flow that it is for; NULL at a gateway
 * @now_ms: time of this batch
 *
 * What belongs to no flow goes to p->stranger.
 */
void ingress_datagrams(struct path *p, struct udp *u, struct flow *own, uint64_t now_ms);

/** ingress_datagram() - Deliver one datagram of a gateway's flow, in an RCU read section */
void ingress_datagram(struct path *p, struct flow *f, uint8_t *data, size_t len, uint64_t now_ms);

/** ingress_write_merged() - For the coalescer of a path: write what it gives into the TUN */
void ingress_write_merged(void *path, const struct coalesced *merged);

#endif
