/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session's datagrams at work on a loop: what link.h is for its stream.
 *
 * A *flow* is what passes between one socket of ours and one address of the peer's. It begins with a handshake and then
 * carries one channel (session/datagram.h). When the peer's address changes on the way, the channel moves to a new
 * flow. A gateway's flows share the socket of their listener; a client opens one
 * for each. All flows that one session has on one loop are a struct flows; with several workers the peer's datagrams
 * decide which loop that is, so a session may have some on a loop that is not its home.
 */
#ifndef PATH_FLOW_H
#define PATH_FLOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include <urcu/rculfhash.h>
#include <urcu/urcu-memb.h>
#include <uv.h>

#include "io/udp.h"
#include "path/backlog.h"
#include "path/roam.h"
#include "session/datagram.h"
#include "session/handshakes.h"

struct flow;
struct flows;
struct path;
struct session;

/* What a client learns of the flow that it has dialed; called on the session's home, from its next turn on. */
typedef void flow_failed_fn(struct session *s, const char *why);

struct flow_settings {
	unsigned generation;
	unsigned packet_max; /* longest packet that is worth a try; what passes is found out (session/pmtu.h) */
	enum datagram_gate gate;
	bool announce;
	unsigned dpd_seconds, keepalive_seconds;
};

struct flow {
	struct flows *flows;
	struct udp *udp;      /* the socket it uses: a listener's, or own */
	struct udp own;       /* client; fd -1: none */
	uv_poll_t poll;       /* client: on own */
	struct backlog waits; /* client: packets that own has had no room for; under the session's tx_lock */
	struct endpoint peer; /* the other end */
	struct addr local;    /* gateway: which of our addresses it is sent to */
	struct flow_settings settings;
	unsigned told_max;         /* packet_max of its channel that was logged */
	struct datagram *datagram; /* NULL until the handshake is done */
	uint64_t serial;           /* a channel with a higher one is newer */
	uint64_t outdated_ms;      /* since when its generation is not the session's; 0: it is */
	struct roamer roamer;      /* gateway: for when its client has moved */
	struct cds_lfht_node node; /* gateway: in its path's table */
	struct rcu_head rcu;       /* a table that grows is walked by a thread of liburcu's, too */
	TAILQ_ENTRY(flow) next;
};

/**
 * flow_find() - The flow of a peer's address on this worker, or NULL
 *
 * Inside an RCU read section; the result is good to the loop's next turn, but for flow_accept().
 */
struct flow *flow_find(struct path *p, const struct endpoint *peer);

/**
 * flow_accept() - A gateway's: a ClientHello has brought its cookie back
 * @p:        worker's path
 * @s:        session that its App-ID stands for
 * @u:        socket it came by
 * @from:     whence
 * @dtls:     handshake, owned from now on
 * @known:    it comes from where the session's stream comes
 * @settings: of the channel to be
 *
 * The hello itself is given to it by flow_take().
 *
 * Return: the flow, or NULL (no memory, or two handshakes of this session are under way).
 */
struct flow *flow_accept(struct path *p, struct session *s, struct udp *u, const struct udp_received *from,
			 struct dtls *dtls, bool known, const struct flow_settings *settings, uint64_t now_ms);

/**
 * flow_dial() - A client's: begin a handshake; from the session's home
 * @p:        path of the worker that is to have the flow, the same each time
 * @s:        session
 * @u:        connected socket, owned from now on
 * @peer:     what it is connected to
 * @dtls:     handshake, owned from now on
 * @settings: of the channel to be
 * @failed:   told when the handshake fails; nothing is told once it is done
 *
 * An older handshake that is under way is thrown away without a word.
 *
 * Return: 0; ERR_NOMEM or ERR_EOF (@p is closing), with @u closed and @dtls freed.
 */
int flow_dial(struct path *p, struct session *s, const struct udp *u, const struct endpoint *peer, struct dtls *dtls,
	      const struct flow_settings *settings, flow_failed_fn *failed);

/**
 * flow_take() - One received record of a flow
 * @f:      flow
 * @data:   datagram, or what is left of it; opened in place
 * @len:    its bytes
 * @packet: filled when PASS: a packet to deliver, its length 0 when there is none
 *
 * Frees nothing: what has to go goes with the loop's next turn.
 *
 * Return: PASS or why it is dropped; @packet->record_len as datagram_open() has it.
 */
enum verdict flow_take(struct flow *f, uint8_t *data, size_t len, uint64_t now_ms, struct datagram_packet *packet);

/** flow_is_stranger() - Whether a datagram begins another handshake, which p->stranger judges as from anywhere */
bool flow_is_stranger(struct flow *f, const uint8_t *data, size_t len);

/**
 * flow_roam() - A gateway's: the flow that a record from an unknown address belongs to, which is moved there
 * @p:    worker's path
 * @u:    socket it came by
 * @from: whence
 * @data: datagram, or what is left of it; left as it is
 * @len:  its bytes
 * @out:  set to the flow, for flow_take(); else to NULL
 *
 * A channel that may be its own is asked for where it is; if that is another worker, the record is delivered when the
 * channel has come here.
 *
 * Return: PASS, or DROP_STRAY: it is nobody's that may be tried.
 */
enum verdict flow_roam(struct path *p, struct udp *u, const struct udp_received *from, const uint8_t *data, size_t len,
		       uint64_t now_ms, struct flow **out);

/** flow_batch() / flow_batch_done() - A batch of its datagrams begins, and ends */
void flow_batch(struct flow *f);
void flow_batch_done(struct flow *f);

/** flow_session() - Whose it is */
struct session *flow_session(const struct flow *f);

/**
 * flow_send() - Give @p's run of sealed packets to the kernel; under tx_lock, from any worker
 * @f: flow of the channel that has sealed them
 * @p: worker's path, whose counters tell what was dropped
 *
 * What a client's socket has no room for waits, and whatever comes behind it; the flow's loop sends that when the
 * socket is writable. Reading the TUN is to stop meanwhile, see flow_is_full().
 *
 * A gateway drops it. Its socket is full when the queue of a device is, which packets to all clients share: they would
 * be lost in the TUN's queue instead, together with those that leave by another device.
 */
void flow_send(struct flow *f, struct path *p);

/** flow_is_full() - Client: whether packets wait for the socket; under tx_lock. Who stops for that is woken by
 * path_resume_all() when they do not any more, or when packets do not go by this flow */
static inline bool flow_is_full(const struct flow *f)
{
	return !backlog_empty(&f->waits);
}

/** flow_sent() - Under tx_lock, from any worker: a batch of packets, the longest a record of @longest bytes, was sent
 * by the session's channel on @f */
void flow_sent(struct flow *f, size_t longest, uint64_t now_ms);

/* For session_io; from the session's home. */
void flows_ask(struct session *s, bool here);
void flows_doubt(struct session *s);
void flows_drop(struct session *s, unsigned below);
void flows_moved(struct session *s);

/** flows_close() - The loop ends: close all that are on it */
void flows_close(struct path *p);

#endif
