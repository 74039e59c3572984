/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection before it is a session's stream: TLS handshake, then HTTP. Strangers stop at the handshake: no HTTP is
 * parsed for a peer without a valid certificate.
 */
#ifndef SERVER_CONN_H
#define SERVER_CONN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/buf.h"
#include "crypto/tls.h"
#include "io/sock.h"

struct http_parser_state;
struct records;
struct worker;

enum conn_state { CONN_HANDSHAKE, CONN_HTTP, CONN_CLOSING };

enum {
	CONN_REQUESTS_MAX = 16, /* HTTP requests on one connection */
	CONN_DRAIN_MAX = 16384, /* bytes read and thrown away after an alert, so that no reset overtakes it */
	CONN_CLOSE_MS = 1000,
	CONN_HANDSHAKE_BUDGET_US = 2000, /* handshakes in one turn of the loop: data must flow on */
};

struct conn {
	struct worker *worker;
	uv_poll_t poll;
	int fd;
	struct endpoint peer;
	enum conn_state state;
	uint64_t deadline_ms;
	bool known; /* its source has a live session */
	bool ready; /* on the worker's list of handshakes to work on */
	struct tls *tls;
	struct tls_identity_proof proof;
	struct tls_facts facts;
	struct records *records;
	uint8_t psk[TLS_PSK_LEN]; /* for datagrams */
	struct http_parser_state *http;
	struct buf plain; /* opened, not yet parsed */
	struct buf out;   /* sealed, not yet sent */
	unsigned requests;
	size_t drained;
	TAILQ_ENTRY(conn) place; /* in one of the worker's lists */
	TAILQ_ENTRY(conn) turn;  /* in worker->ready */
};

/** conn_open() - Take over an accepted connection; a failure closes it */
void conn_open(struct worker *w, int fd, const struct endpoint *peer);

/** conn_handshake() - Read and go on with the handshake; called in turn by the worker, within its budget */
void conn_handshake(struct conn *c);

/** conn_send() - Seal and send HTTP bytes (emptied) on an authenticated connection */
void conn_send(struct conn *c, struct buf *http);

/** conn_finish() - Send what is left, then SHUT_WR, drain and close */
void conn_finish(struct conn *c);

/**
 * conn_detach() - The connection becomes a stream: leave the loop without closing
 * @c: on return on its way to be freed; its fd, records and unparsed plaintext are the caller's, who took them before
 */
void conn_detach(struct conn *c);

/** conn_close() - Close at once */
void conn_close(struct conn *c);

#endif
