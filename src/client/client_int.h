/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state of a client's engine. One loop runs it all; other workers, if there are any, read their TUN queues and
 * send, and one of them has the datagrams:
 *
 *   keeper.c  reach the gateway, take the session up, configure the network, and again whenever the stream is lost
 *   renew.c   open the session's next generation while the present one carries the traffic
 *   airway.c  its datagram channel
 *   client.c  begin, end, and the operator's wishes
 *
 * At most one opening is under way: the keeper's without a stream, renew's with one.
 */
#ifndef CLIENT_CLIENT_INT_H
#define CLIENT_CLIENT_INT_H

#include <stdbool.h>
#include <uv.h>

#include "client/backoff.h"
#include "client/opening.h"
#include "monitor/ask.h"
#include "path/path.h"
#include "wire/auth.h"
#include "wire/tunnel.h"

struct ask;
struct control;
struct conf;
struct dial;
struct dtls_context;
struct link;
struct session;
struct session_table;
struct tls_context;

enum { MARKER_LEN = 8 };

/* A datagram channel that a stream's grant offers. */
struct airway_offer {
	unsigned generation;
	uint8_t psk[TLS_PSK_LEN];
	uint8_t id[TUNNEL_APP_ID_MAX]; /* App-ID */
	size_t id_len;                 /* 0: none */
	uint16_t port;
	int base_mtu; /* of the way outside, 0: not known */
	int mtu;      /* of the tunnel */
	unsigned dpd_seconds, keepalive_seconds;
};

struct client {
	struct conf *conf;
	uv_loop_t loop;
	uv_signal_t on_term, on_int;
	struct ask *ask;
	struct control *control;
	struct tls_context *tls;
	struct dtls_context *dtls;
	struct dial *dial;
	struct session_table *table;
	struct path *paths; /* the workers'; the first is on this loop, with everything but datagrams */
	size_t paths_len;

	/* keeper.c */
	struct opening opening;
	struct addr addrs[ASK_ADDRS_MAX]; /* of the gateway, as last resolved */
	size_t addrs_len;
	bool resolving, waiting_for_addrs;
	char cookie[AUTH_COOKIE_MAX]; /* "": none */
	struct tunnel_grant grant;    /* of the present session */
	struct session *session;      /* NULL before the first tunnel */
	struct link *link;
	struct backoff backoff;
	uv_timer_t retry;
	uint64_t up_ms;  /* when the present stream came up */
	unsigned rounds; /* since then, or since the beginning */
	bool succeeded;  /* the gateway has granted a tunnel before */
	bool configured; /* the network stands */
	bool adapting;   /* and is being adapted to the way that leads to the gateway now */

	/* renew.c */
	bool renewing;
	uint8_t marker[MARKER_LEN]; /* its echo: the old stream has carried all we sent */
	uv_timer_t echo;

	struct airway {
		struct airway_offer offer; /* of the present generation */
		struct airway_offer next;  /* of a stream that does not carry the traffic yet */
		uv_timer_t again;
		uint64_t dialed_ms;
		bool asking; /* the monitor, for a socket */
	} airway;

	/* the end */
	bool ending;
	uv_timer_t end; /* everything is closed in a turn of its own */
	int exit_code;
};

/**
 * client_end() - End the session and then the engine
 * @c:         client
 * @exit_code: the process's
 * @goodbye:   for the gateway; NULL: close without a word
 *
 * Not to be called from a session's events: client_say_goodbye() is, as the link ticks the session afterwards.
 */
void client_end(struct client *c, int exit_code, const char *goodbye);

/** client_say_goodbye() - client_end() for a client with a session, up to the next link_touch() */
void client_say_goodbye(struct client *c, int exit_code, const char *goodbye);

/** client_event() - Tell those who follow events about the present session, or the gateway before the first */
void client_event(struct client *c, const char *event, const char *reason);

/** client_datagram_path() - The worker that has the session's datagrams */
struct path *client_datagram_path(struct client *c);

/** client_unpublish() - Take a session out of the table */
void client_unpublish(struct client *c, struct session *s);

/** client_session_events - What the client does about its sessions */
extern const struct session_events client_session_events;

#endif
