/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP with the gateway over an authenticated connection. */
#include "client/stream.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "client/dial.h"
#include "client/failure.h"
#include "crypto/tls.h"
#include "session/channel.h"
#include "wire/http.h"
#include "wire/records.h"

enum { READ_LEN = 16384 };

struct stream {
	uv_poll_t poll;
	uv_timer_t deadline;
	int open_handles;

	int fd; /* -1: handed over */
	struct endpoint peer;
	struct tls_facts facts;
	uint8_t psk[TLS_PSK_LEN]; /* for datagrams */
	struct records *records;
	struct buf out;   /* sealed */
	struct buf plain; /* opened, not yet read */

	struct http_parser_state *http; /* NULL: no exchange under way */
	void (*done)(void *arg, const struct http_message *m, const struct failure *why);
	void *arg;
};

static void on_ready(uv_poll_t *handle, int status, int events);

static void arm(struct stream *s)
{
	uv_poll_start(&s->poll, UV_READABLE | (buf_len(&s->out) ? UV_WRITABLE : 0), on_ready);
}

/* A failed write is no verdict: what the gateway has to say is read. */
static void send_out(struct stream *s)
{
	ssize_t sent;

	while (buf_len(&s->out)) {
		sent = sock_send(s->fd, buf_data(&s->out), buf_len(&s->out));
		if (sent == ERR_AGAIN)
			return;
		if (sent < 0)
			buf_clear(&s->out);
		else
			buf_consume(&s->out, (size_t)sent);
	}
}

/* Ends the exchange. The stream may be gone afterwards. */
static void finish(struct stream *s, const struct http_message *m, const struct failure *why)
{
	struct http_parser_state *http = s->http;

	s->http = NULL;
	uv_timer_stop(&s->deadline);
	uv_poll_stop(&s->poll);
	s->done(s->arg, m, why);
	http_free(http);
}

static void fail(struct stream *s, const char *reason)
{
	struct failure why;

	failure_set(&why, FAILURE_UNREACHABLE, 0, "%s", reason);
	finish(s, NULL, &why);
}

static void fail_to_open(struct stream *s, int code)
{
	int alert = records_alert(s->records);
	struct failure why;

	records_close(s->records, &s->out);
	send_out(s);
	if (alert < 0) {
		fail(s, code == ERR_EOF ? "closed by the gateway" : err_text(code));
		return;
	}
	failure_set(&why, FAILURE_ALERT, alert, "refused by the other end: %s", tls_alert_text(alert));
	finish(s, NULL, &why);
}

/* Reads the reply out of what is opened; @opened says whether more can come. */
static void read_reply(struct stream *s, int opened)
{
	struct http_message m;
	size_t used = 0;
	int r = ERR_SHORT;

	if (buf_len(&s->plain)) {
		r = http_feed(s->http, buf_data(&s->plain), buf_len(&s->plain), &used, &m);
		buf_consume(&s->plain, r == ERR_SHORT ? buf_len(&s->plain) : used);
	}
	if (r == ERR_SHORT && opened == ERR_EOF && http_finish(s->http, &m) == 1)
		r = 1;
	if (r == 1)
		finish(s, &m, NULL);
	else if (r != ERR_SHORT)
		fail(s, "the gateway's answer is no HTTP, or too long");
	else if (opened < 0)
		fail_to_open(s, opened);
	else
		arm(s);
}

static void receive(struct stream *s)
{
	uint8_t in[READ_LEN];
	ssize_t len = sock_recv(s->fd, in, sizeof(in));

	if (len == ERR_AGAIN)
		arm(s);
	else if (len < 0)
		read_reply(s, (int)len);
	else
		read_reply(s, records_open(s->records, in, (size_t)len, &s->plain));
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
	struct stream *s = handle->data;

	send_out(s);
	if (events & UV_READABLE || status < 0)
		receive(s);
	else
		arm(s);
}

static void on_deadline(uv_timer_t *timer)
{
	fail(timer->data, "the gateway did not answer in time");
}

static void on_closed(uv_handle_t *handle)
{
	struct stream *s = handle->data;

	if (!--s->open_handles)
		free(s);
}

struct stream *stream_new_take(uv_loop_t *loop, const struct dialed *d)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s || tls_export_psk(d->tls, s->psk) < 0 || records_take(d->tls, &s->records) < 0 ||
	    uv_poll_init(loop, &s->poll, d->fd) < 0)
		goto out;
	uv_timer_init(loop, &s->deadline);
	s->poll.data = s->deadline.data = s;
	s->open_handles = 2;
	s->fd = d->fd;
	s->peer = d->peer;
	s->facts = *tls_facts(d->tls);
	tls_free(d->tls);
	return s;
out:
	if (s) {
		records_free(s->records);
		explicit_bzero(s->psk, sizeof(s->psk));
	}
	free(s);
	tls_free(d->tls);
	close(d->fd);
	return NULL;
}

int stream_pmtu(const struct stream *s)
{
	return sock_pmtu(s->fd);
}

int stream_exchange(struct stream *s, const struct buf *request, bool connect, unsigned seconds,
		    void (*done)(void *arg, const struct http_message *m, const struct failure *why), void *arg)
{
	int r;

	if (buf_len(request) > RECORDS_PLAIN_MAX)
		return ERR_TOO_BIG;
	if ((r = records_seal(s->records, buf_data(request), buf_len(request), &s->out)) < 0)
		return r;
	s->http = http_new(HTTP_REPLY, connect, true);
	if (!s->http)
		return ERR_NOMEM;
	s->done = done;
	s->arg = arg;
	uv_timer_start(&s->deadline, on_deadline, (uint64_t)seconds * 1000, 0);
	uv_poll_start(&s->poll, UV_READABLE | UV_WRITABLE, on_ready);
	return 0;
}

struct channel *stream_hand_over(struct stream *s, enum frame_format format)
{
	struct channel *c = channel_new(s->records, s->fd, &s->peer, &s->facts, format);

	if (c) {
		memcpy(c->psk, s->psk, sizeof(c->psk));
		c->out = s->out;
		c->plain = s->plain;
		s->out = s->plain = (struct buf)BUF_INIT;
		s->records = NULL;
		s->fd = -1;
	}
	stream_free(s);
	return c;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	uv_close((uv_handle_t *)&s->poll, on_closed);
	uv_close((uv_handle_t *)&s->deadline, on_closed);
	if (s->fd >= 0)
		close(s->fd);
	records_free(s->records);
	explicit_bzero(s->psk, sizeof(s->psk));
	buf_fini(&s->out);
	buf_fini(&s->plain);
	http_free(s->http);
	s->http = NULL;
}
