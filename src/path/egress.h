/* SPDX-License-Identifier: Apache-2.0 */
/* TUN to network. */
#ifndef PATH_EGRESS_H
#define PATH_EGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct channel;
struct path;
struct session;

/**
 * egress_tun() - Carry one batch of packets from the TUN queue to their sessions' channels
 * @p:      worker's path
 * @now_ms: time of this batch
 *
 * A packet whose session cannot send now waits in the session's queue, or is dropped and counted when that is full.
 * A client stops reading the queue instead, by path_pause(), while the socket of its channel is full.
 */
void egress_tun(struct path *p, uint64_t now_ms);

/**
 * egress_flush() - Send what a channel has sealed, then what waits in its session's queue
 * @p:      path of the session's home worker
 * @c:      channel
 * @now_ms: time
 *
 * Return: true when all is sent; false when the socket is full: call again when it is writable.
 */
bool egress_flush(struct path *p, struct channel *c, uint64_t now_ms);

/** egress_resume() - Packets can go by datagrams: send what waits, and have a client go on reading the TUN. On any
 * worker of @s's flows */
void egress_resume(struct path *p, struct session *s, uint64_t now_ms);

/** egress_expire() - Throw away what has waited too long for @s; on @p's thread, for sessions nobody sends to any more
 */
void egress_expire(struct path *p, struct session *s, uint64_t now_ms);

#endif
