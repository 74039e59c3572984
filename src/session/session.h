/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session: the authenticated state shared with one peer, and how it moves from generation to generation.
 *
 * At most two channels live at once: `current`, and either `next` (joining, not proven) or `leaving` (we have moved on
 * and read it to its END). Moves:
 *
 *   session_attach   nothing or anything -> current        first stream, or a reconnect that replaces
 *   session_join     -> next                               a rekey beside the current one (overlap)
 *   session_heard    next -> current, current -> leaving   first authenticated record on next: from now on we send only
 *                                                          there; the last frame on the old one is END
 *   session_gone     any -> closed                         end of stream, error, or a deadline
 *
 * A new stream's DATA is held until the old one's END has arrived, SESSION_HOLD_MS at most, so nothing overtakes. The
 * client ends the old stream when both ENDs are through; the gateway waits for that.
 *
 * A generation ends with its stream, and its datagrams with it. Not so in a *smooth* session: the keys of its datagrams
 * outlive its streams, for as long as the generation of the last one would have lived (rekey_expired()), until they
 * have carried as much as a generation may; packets wait until the client shows that it listens again.
 *
 * All of it runs on the session's home worker. Other workers only look a session up under RCU and send under tx_lock.
 * Bytes and time come in; bytes (in a channel's `out`) and a deadline go out; sockets are reached through session_io.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include <urcu/rculfhash.h>
#include <urcu/urcu-memb.h>

#include "base/addr.h"
#include "crypto/tls.h"
#include "io/sock.h"
#include "session/queue.h"
#include "session/rekey.h"

struct app_id;
struct channel;
struct datagram;
struct flows;
struct frame;
struct mailbox;
struct session;

enum session_side { SESSION_GATEWAY, SESSION_CLIENT };

/* By what the peer wants packets, since the last tick. */
enum session_wish { WISH_NONE, WISH_STREAM, WISH_DATAGRAMS };

enum {
	SESSION_HOLD_MS = 200,     /* the new stream's data waits this long for the old one's END */
	SESSION_LINGER_MS = 5000,  /* an old stream that does not end is closed */
	SESSION_GOODBYE_MS = 1000, /* after DISCONNECT, for the peer to close */
	SESSION_TEXT_MAX = 128,
	SESSION_LINGER_MAX_MS = 30000,   /* also when it still carries something */
	SESSION_ANSWERS_BATCH = 16,      /* DPD-REQ answered of those that arrive at once */
	SESSION_RECORDS_MAX = 5 << 22,   /* under the 2^24.5 records of RFC 8446 5.5 */
	SESSION_ANSWERS_MAX = 256 << 10, /* bytes waiting for the socket, beyond which DPD-REQ is not answered */
};

/* How a session reaches its sockets; given by the room that owns the loop. None of them calls back at once. */
struct session_io {
	void (*flush)(struct channel *c);  /* bytes wait in c->out */
	void (*resume)(struct channel *c); /* what was held may be delivered; read on */
	void (*finish)(struct channel *c); /* all is sealed: send close_notify, then shut down our direction */
	void (*close)(struct channel *c);  /* the channel is CHANNEL_CLOSED: leave the loop, close, free */
	/* Datagrams may be at work on another loop than the session's home. */
	void (*ask)(struct session *s, bool here);       /* the peer wants packets by datagrams, or not */
	void (*doubt)(struct session *s);                /* the client may not listen: ask it before more is sent */
	void (*drop)(struct session *s, unsigned below); /* end those of generations under @below, UINT_MAX: all */
	void (*outdate)(struct session *s);              /* the session has moved to another generation */
};

/* What the owner learns. Called on the home worker, never under tx_lock. */
struct session_events {
	void (*moved)(struct session *s); /* a new generation carries the traffic */
	void (*rekey)(struct session *s); /* client: open the next generation */
	void (*rekey_failed)(struct session *s, const char *why);
	void (*lost)(struct session *s, const char *why); /* no stream left; the session itself lives */
	void (*generation_over)(struct session *s);       /* what could begin its datagrams is to be forgotten */
	void (*over)(struct session *s, const char *why, bool by_peer);   /* to be ended by the owner now */
	void (*drained)(struct session *s);                               /* after session_end(): no stream is left */
	void (*echo)(struct session *s, const uint8_t *data, size_t len); /* DPD-RESP with a payload */
	void (*transport)(struct session *s);                             /* s->by_datagram has changed */
};

/* Prefixes behind a client that are routed to it. */
struct session_networks {
	struct rcu_head rcu;
	size_t len;
	struct prefix items[];
};

struct session {
	/* set before it is published, then fixed */
	enum session_side side;
	uint64_t id;
	char name[TLS_NAME_LEN]; /* the peer's identity; at a client the gateway's name */
	struct addr ipv4, ipv6;  /* leased inner addresses, ADDR_NONE: none */
	bool overlap;            /* both ends are adit and agreed on it */
	bool no_stream;          /* client: what datagrams can carry does not go by the stream */
	bool smooth;             /* gateway: the client is no adit and keeps its datagram channel over new streams */
	uint64_t since_ms;       /* wall clock */
	const struct session_io *io;
	const struct session_events *events;
	void *owner;
	void *link;           /* path/link.c */
	struct mailbox *home; /* of the loop that the link is on */

	struct session_networks *networks; /* RCU; NULL: none. Changed by session_set_networks() */

	/* any worker, under tx_lock */
	pthread_mutex_t tx_lock;
	struct channel *tx; /* NULL: no stream; without datagrams packets wait in the queue */
	struct queue queue;
	struct datagram *datagram; /* in use, though perhaps not usable at the moment; NULL: none */
	const char *no_datagram;   /* why there is none, for people; static text */
	TAILQ_HEAD(, flows) flows; /* path/flow.c */
	unsigned flows_from;       /* flows of generations under it are dropped and may not begin; UINT_MAX: all */
	bool handing_over;         /* client: nothing is sent until the streams are swapped */
	bool used_up;              /* session_used_up() has said so in this generation */
	unsigned generation;       /* of the newest channel that carried traffic; 0 before the first */
	struct endpoint peer;      /* outer address of the newest stream */

	/* home worker only */
	struct channel *current, *next, *leaving;
	struct rekey rekey;     /* its limits: written under tx_lock, for session_used_up() */
	uint64_t hold_until_ms; /* 0: nothing is held */
	uint64_t keep_until_ms; /* without stream: over at this time */
	unsigned keep_seconds;  /* 0: for ever */
	unsigned idle_seconds;  /* 0: no limit */
	enum session_wish wish; /* CHANNEL has come */
	bool ending;            /* session_end() was called */
	bool away;              /* no stream has carried traffic since the session began or was lost */
	bool by_datagram;       /* packets go by datagrams; what events->transport has told */
	bool told_stream;       /* the peer was told to send by the stream, for nothing arrives by datagrams */
	bool spent;             /* the generation is over, and no stream of another one has come yet */
	struct addr source;     /* gateway: outer address booked as a live one */
	struct endpoint local;  /* gateway: our own outer address of the first stream */

	/* counters: relaxed, once a batch */
	_Atomic uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes, data_ms;

	/* places in session/table.h */
	_Atomic int references;
	atomic_bool published; /* in the table; written under its lock */
	bool booked;           /* at its peer; under the peers' lock */
	struct cds_lfht_node by_ipv4, by_ipv6;
	TAILQ_ENTRY(session) all;
	TAILQ_ENTRY(session) of_peer;
	TAILQ_ENTRY(session) of_home; /* the home worker's list */
	TAILQ_HEAD(, app_id) app_ids; /* session/app_id.c */
	struct rcu_head rcu;
};

struct session_settings {
	enum session_side side;
	const char *name;
	struct addr ipv4, ipv6;
	const struct prefix *networks; /* copied */
	size_t networks_len;
	bool overlap, no_stream, smooth;
	struct rekey_limits rekey;
	unsigned keep_seconds, idle_seconds;
	const struct session_events *events;
	void *owner;
};

/** session_new() - A session without stream, one reference held by the caller; NULL without memory */
struct session *session_new(const struct session_settings *settings, uint64_t now_ms);

/** session_get() - One more reference. Return: false when the session is being freed (only for RCU readers) */
bool session_get(struct session *s);

/** session_put() - Drop a reference; the last one frees after a grace period. No channel may be left. Accepts NULL */
void session_put(struct session *s);

/** session_set_networks() - Replace the networks behind the client by a copy of these. Return: 0 or ERR_NOMEM */
int session_set_networks(struct session *s, const struct prefix *networks, size_t len);

/**
 * session_owns() - Whether an inner address is leased to or routed to the peer of this session (client: to us)
 *
 * Inside an RCU read section where the networks may change.
 */
bool session_owns(const struct session *s, const struct addr *a);

/** session_end_generation() - Its datagrams end, and nothing begins any under its keys; a stream may go on */
void session_end_generation(struct session *s);

/** session_keeps_datagrams() - Whether the next stream may go on with the datagram channel there is; on the home worker
 */
bool session_keeps_datagrams(const struct session *s);

/** session_by_datagram() - Whether packets can go by datagrams now; under tx_lock */
bool session_by_datagram(const struct session *s);

/** session_no_datagram() - Note why there is no datagram channel: static text; from any thread without tx_lock */
void session_no_datagram(struct session *s, const char *why);

/** session_obstacle() - Why packets do not go by datagrams, for people: static text; NULL: they do. Under tx_lock */
const char *session_obstacle(const struct session *s);

/** session_has_stream() - Whether there is one to send on; from any thread that does not hold tx_lock */
bool session_has_stream(struct session *s);

/**
 * session_attach() - Make a stream the current one; whatever there was before is replaced
 * @s:      session
 * @c:      channel; the session's from now on
 * @dpd_s:  dead-peer detection, seconds; 0 off
 * @keep_s: keepalive, seconds; 0 off
 * @now_ms: time
 *
 * The old current stream is read to its end, SESSION_LINGER_MS at most, and closed without DISCONNECT; the new one's
 * data does not wait for it. Queued packets are sent by the flush that follows. Counts as a new generation:
 * events->moved.
 */
void session_attach(struct session *s, struct channel *c, unsigned dpd_s, unsigned keep_s, uint64_t now_ms);

/**
 * session_join() - Set a stream up beside the current one
 * @s, @c, @dpd_s, @keep_s, @now_ms: as session_attach(); c->generation is the one agreed on
 *
 * A client proves it at once by DPD-REQ.
 *
 * Return: 0; ERR_EXISTS while two generations live; ERR_REFUSED without overlap, without current stream, or when
 * c->generation is not the next one. On failure @c stays the caller's.
 */
int session_join(struct session *s, struct channel *c, unsigned dpd_s, unsigned keep_s, uint64_t now_ms);

/** session_heard() - An authenticated record arrived on @c: the peer lives, and a joining channel is proven */
void session_heard(struct session *s, struct channel *c, uint64_t now_ms);

/** session_may_deliver() - Whether DATA of @c may go on now; if not, @c is held until io->resume */
bool session_may_deliver(struct session *s, struct channel *c, uint64_t now_ms);

/**
 * session_control() - Act on a frame that is not DATA
 *
 * Return: 0; ERR_MISSING for a kind that is ignored (to be counted); ERR_PROTO for one that may not come (the caller
 * treats the channel as gone). @c may be CHANNEL_CLOSED afterwards.
 */
int session_control(struct session *s, struct channel *c, const struct frame *f, uint64_t now_ms);

/** session_gone() - The stream of @c has ended or failed; @why for people. @c is closed */
void session_gone(struct session *s, struct channel *c, const char *why, uint64_t now_ms);

/** session_hold_sending() - Client, before a gateway without overlap swaps streams: queue packets, expect the swap */
void session_hold_sending(struct session *s);

/** session_release_sending() - The swap is off: send on the current stream again */
void session_release_sending(struct session *s);

/** session_probe() - Send DPD-REQ with a payload on the current stream; its answer comes by events->echo */
void session_probe(struct session *s, const uint8_t *data, size_t len, uint64_t now_ms);

/**
 * session_used_up() - After sealing, or a batch of datagrams, whether the home worker must be told to tick because of
 * that
 * @s: session, its tx_lock held; from any worker
 *
 * Return: true once a generation, when what has been sealed reaches its limit.
 */
bool session_used_up(struct session *s);

/**
 * session_transport() - Whether packets go by datagrams may have changed: tell the owner, and the peer the way to us
 *
 * An adit by CHANNEL; a gateway that is none by DATA on the stream, each time while nothing comes by datagrams.
 */
void session_transport(struct session *s, uint64_t now_ms);

/** session_rekey_now() - Operator's wish: a client opens a generation, a gateway asks its client to */
void session_rekey_now(struct session *s, uint64_t now_ms);

/**
 * session_end() - End for good: DISCONNECT with a reason on the current stream, then drain and close
 * @s:      session, already unpublished by its owner
 * @reason: for the peer; NULL: close without DISCONNECT
 * @now_ms: time
 *
 * events->drained follows (perhaps from session_tick()) when no stream is left.
 */
void session_end(struct session *s, const char *reason, uint64_t now_ms);

/**
 * session_tick() - Do what is due
 *
 * Return: when to call again, monotonic ms; CLOCK_NEVER if no time matters. Call it after every batch of events too.
 */
uint64_t session_tick(struct session *s, uint64_t now_ms);

#endif
