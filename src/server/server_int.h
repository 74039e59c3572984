/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: the server and its workers. */
#ifndef SERVER_SERVER_INT_H
#define SERVER_SERVER_INT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/log.h"
#include "crypto/dtls_cookie.h"
#include "io/udp.h"
#include "path/path.h"

struct ask;
struct app_ids;
struct conf;
struct conn;
struct control;
struct dtls_context;
struct peers;
struct roam;
struct server;
struct session_table;
struct sources;
struct tls_context;

enum { WORKER_NAMES = 256 };

TAILQ_HEAD(conns, conn);
TAILQ_HEAD(sessions, session);

struct listener {
	struct worker *worker;
	uv_poll_t poll;
	int fd;
	struct udp datagrams; /* same address and port; fd -1: none */
	uv_poll_t datagram_poll;
};

struct worker {
	struct server *server;
	int index; /* 0 runs on the engine's main loop */
	struct path path;
	struct listener *listeners;
	size_t listeners_len;
	struct sessions sessions;            /* at home here */
	struct log_limit talk[WORKER_NAMES]; /* what is logged about the sessions of a name, by its hash */
	bool stopping;

	/* connections that are not streams yet, each list in the order of its deadlines (gate.c) */
	struct conns strangers, authenticated, closing;
	struct conns ready; /* have handshake bytes to work on */
	uv_idle_t handshakes;
	uv_timer_t deadlines;
};

struct server {
	const struct conf *conf;
	struct tls_context *tls;
	struct dtls_context *dtls;
	struct dtls_cookie_secret cookie_secret;
	struct app_ids *app_ids;
	struct roam *roam;
	struct session_table *table;
	struct peers *peers;
	struct sources *sources;
	struct worker *workers;
	int workers_len;

	/* main loop only; workers reach it through workers[0].path.mailbox */
	uv_loop_t loop;
	struct ask *ask;
	struct control *control;
	uv_timer_t housekeeping;
	uv_signal_t on_term;
	bool stopping;
	int exit_code;
};

/** server_end() - End the engine as failed; on the main loop */
void server_end(struct server *server);

/** server_event() - Have an event told to those who follow; from any worker; takes @event's reference */
void server_event(struct server *server, json_t *event);

#endif
