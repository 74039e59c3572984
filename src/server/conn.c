/* SPDX-License-Identifier: Apache-2.0 */
/* A connection before it is a session's stream. */
#include "server/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "server/admit.h"
#include "server/gate.h"
#include "server/report.h"
#include "server/server_int.h"
#include "server/worker.h"
#include "session/peers.h"
#include "wire/auth.h"
#include "wire/http.h"
#include "wire/records.h"

enum { READ_MAX = 16384 };

static void on_ready(uv_poll_t *poll, int status, int events);

static void watch(struct conn *c)
{
	int events = UV_READABLE | (buf_len(&c->out) ? UV_WRITABLE : 0);

	uv_poll_start(&c->poll, events, on_ready);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* Everything but the socket. */
static void release(struct conn *c)
{
	gate_leave(c);
	if (c->ready)
		TAILQ_REMOVE(&c->worker->ready, c, turn);
	tls_free(c->tls);
	records_free(c->records);
	explicit_bzero(c->psk, sizeof(c->psk));
	http_free(c->http);
	buf_fini(&c->plain);
	buf_fini(&c->out);
	uv_close((uv_handle_t *)&c->poll, on_closed);
}

void conn_close(struct conn *c)
{
	int fd = c->fd;

	release(c);
	close(fd);
}

void conn_detach(struct conn *c)
{
	release(c);
}

/* Sends what waits; true when nothing is left or nothing more can go. */
static bool flush(struct conn *c)
{
	ssize_t sent;

	while (buf_len(&c->out)) {
		sent = sock_send(c->fd, buf_data(&c->out), buf_len(&c->out));
		if (sent == ERR_AGAIN)
			return false;
		if (sent < 0)
			buf_clear(&c->out); /* reading will tell */
		else
			buf_consume(&c->out, (size_t)sent);
	}
	return true;
}

void conn_finish(struct conn *c)
{
	if (c->state == CONN_CLOSING)
		return;
	gate_closing(c);
	tls_free(c->tls);
	c->tls = NULL;
	if (c->records)
		records_close(c->records, &c->out);
	if (flush(c))
		shutdown(c->fd, SHUT_WR);
	watch(c);
}

void conn_send(struct conn *c, struct buf *http)
{
	if (records_seal_all(c->records, buf_data(http), buf_len(http), &c->out) < 0)
		log_limited(LOG_LEVEL_WARN, "an answer could not be sealed");
	buf_fini(http);
	flush(c);
	watch(c);
}

/* Throws away what still comes, so that closing does not send a reset that overtakes our last words. */
static void drain(struct conn *c)
{
	uint8_t junk[READ_MAX];
	ssize_t len = sock_recv(c->fd, junk, sizeof(junk));

	if (len == ERR_AGAIN)
		return;
	if (len > 0)
		c->drained += (size_t)len;
	explicit_bzero(junk, sizeof(junk));
	if (len < 0 || c->drained >= CONN_DRAIN_MAX)
		conn_close(c);
}

static void report_refusal(struct conn *c)
{
	const struct tls_failure *f = tls_failure(c->tls);
	char peer[ENDPOINT_TEXT_LEN], reason[TLS_TEXT_LEN + 64];
	json_t *event;

	endpoint_format(&c->peer, peer);
	if (!f->certificate && !f->received) {
		report_count_add(COUNT_HANDSHAKE_ERRORS);
		log_limited(LOG_LEVEL_DEBUG, "handshake failed peer=%s reason=\"%s\"", peer, f->reason);
		return;
	}
	report_count_add(COUNT_REFUSED);
	snprintf(reason, sizeof(reason), "%s%s", f->received ? "the client refused us: " : "",
		 f->received ? tls_alert_text(f->alert) : f->reason);
	log_limited(LOG_LEVEL_WARN, "refused peer=%s subject=\"%s\" reason=\"%s\"", peer, f->subject, reason);
	event = report_event("refused", NULL, f->subject[0] ? f->subject : NULL, reason);
	if (event)
		json_object_set_new(event, "peer", json_string(peer));
	server_event(c->worker->server, event);
}

/* Strangers become peers: from here on their name is known. */
static int become_peer(struct conn *c)
{
	c->proof = *tls_proof(c->tls);
	c->facts = *tls_facts(c->tls);
	if (tls_export_psk(c->tls, c->psk) < 0)
		return ERR_CRYPTO;
	if (records_take(c->tls, &c->records) < 0)
		return ERR_NOMEM;
	tls_free(c->tls);
	c->tls = NULL;
	c->http = http_new(HTTP_REQUEST, false, false);
	if (!c->http)
		return ERR_NOMEM;
	report_count_add(COUNT_HANDSHAKES);
	gate_authenticated(c);
	return 0;
}

static void answer_error(struct conn *c, const char *status)
{
	struct buf reply = BUF_INIT;

	report_count_add(COUNT_HTTP_ERRORS);
	buf_printf(&reply, "HTTP/1.1 %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status);
	conn_send(c, &reply);
	conn_finish(c);
}

static void answer_login(struct conn *c)
{
	char cookie[PEER_COOKIE_LEN], peer[ENDPOINT_TEXT_LEN];
	struct buf reply = BUF_INIT;
	int r;

	r = peers_login(c->worker->server->peers, &c->proof, clock_ms(), cookie);
	if (r < 0 || auth_encode_success(cookie, &reply) < 0) {
		buf_fini(&reply);
		answer_error(c, "503 Service Unavailable");
		return;
	}
	explicit_bzero(cookie, sizeof(cookie));
	log_debug("authenticated peer=%s name=%s", endpoint_format(&c->peer, peer), c->proof.name);
	conn_send(c, &reply);
}

/* One whole request. Returns false when the connection is no longer ours to read. */
static bool handle_request(struct conn *c, const struct http_message *m)
{
	bool keep = m->keep_alive && ++c->requests < CONN_REQUESTS_MAX;

	if (!strcmp(m->method, "CONNECT")) {
		admit_connect(c, m);
		return false;
	}
	if (strcmp(m->method, "POST") && strcmp(m->method, "GET")) {
		answer_error(c, "405 Method Not Allowed");
		return false;
	}
	answer_login(c);
	if (c->state == CONN_CLOSING)
		return false;
	if (!keep) {
		conn_finish(c);
		return false;
	}
	gate_authenticated(c);
	http_reset(c->http);
	return true;
}

/* Feeds the parser; several requests may have come at once. */
static void read_requests(struct conn *c)
{
	struct http_message message;
	size_t used;
	int r;

	while (buf_len(&c->plain)) {
		r = http_feed(c->http, buf_data(&c->plain), buf_len(&c->plain), &used, &message);
		if (r < 0 && r != ERR_SHORT) {
			answer_error(c, r == ERR_TOO_BIG ? "431 Request Header Fields Too Large" : "400 Bad Request");
			return;
		}
		buf_consume(&c->plain, used);
		if (r == ERR_SHORT || !handle_request(c, &message))
			return;
	}
}

static void read_http(struct conn *c, const uint8_t *wire, size_t len)
{
	int r = records_open(c->records, wire, len, &c->plain);

	if (r < 0 && (r != ERR_EOF || !buf_len(&c->plain))) {
		records_close(c->records, &c->out);
		flush(c);
		conn_close(c);
		return;
	}
	read_requests(c);
}

void conn_handshake(struct conn *c)
{
	uint8_t bytes[READ_MAX];
	ssize_t len = sock_recv(c->fd, bytes, sizeof(bytes));
	enum tls_step step;

	if (len == ERR_AGAIN) {
		watch(c);
		return;
	}
	if (len < 0) {
		report_count_add(COUNT_HANDSHAKE_ERRORS);
		conn_close(c);
		return;
	}
	step = tls_handshake(c->tls, bytes, (size_t)len, &c->out);
	if (step == TLS_FAILED) {
		report_refusal(c);
		conn_finish(c);
		return;
	}
	flush(c);
	if (step == TLS_DONE && become_peer(c) < 0) {
		conn_close(c);
		return;
	}
	watch(c);
	if (step == TLS_DONE)
		read_http(c, NULL, 0); /* a request may have come behind the Finished */
}

static void wait_turn(struct conn *c)
{
	uv_poll_stop(&c->poll);
	c->ready = true;
	if (tls_started(c->tls))
		TAILQ_INSERT_HEAD(&c->worker->ready, c, turn); /* what has begun is finished first */
	else
		TAILQ_INSERT_TAIL(&c->worker->ready, c, turn);
	worker_work(c->worker);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct conn *c = poll->data;
	uint8_t bytes[READ_MAX];
	ssize_t len;

	if (events & UV_WRITABLE && flush(c)) {
		if (c->state == CONN_CLOSING)
			shutdown(c->fd, SHUT_WR);
		watch(c);
	}
	if (status == 0 && !(events & UV_READABLE))
		return;
	switch (c->state) {
	case CONN_HANDSHAKE:
		wait_turn(c);
		return;
	case CONN_CLOSING:
		drain(c);
		return;
	case CONN_HTTP:
		len = sock_recv(c->fd, bytes, sizeof(bytes));
		if (len == ERR_AGAIN)
			return;
		if (len < 0)
			conn_close(c);
		else
			read_http(c, bytes, (size_t)len);
	}
}

void conn_open(struct worker *w, int fd, const struct endpoint *peer)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c || !(c->tls = tls_new(w->server->tls)) || uv_poll_init(w->path.loop, &c->poll, fd) < 0) {
		if (c)
			tls_free(c->tls);
		free(c);
		close(fd);
		return;
	}
	c->worker = w;
	c->fd = fd;
	c->peer = *peer;
	c->poll.data = c;
	report_count_add(COUNT_ACCEPTED);
	gate_enter(c);
	watch(c);
}
