/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side of the talk with the monitor. Requests wait in order until the socket takes them (a full network
 * configuration is more than it holds at once); answers find their request by id.
 */
#include "monitor/ask.h"

#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "io/sock.h"
#include "monitor/message.h"

enum { LAST_WORDS_MS = 2000 }; /* at the end; the monitor kills an engine that takes much longer */

struct queued {
	struct queued *next;
	union message message;
};

struct request {
	struct request *next;
	uint32_t id;
	enum message_type type;
	union {
		void (*resolve)(void *arg, int result, const struct addr *addrs, size_t len);
		void (*socket)(void *arg, int result, int fd);
		void (*plain)(void *arg, int result);
	} done;
	void *arg;
};

struct ask {
	uv_poll_t poll;
	int fd;
	uint32_t last_id;
	struct queued *queue, **queue_end;
	struct request *requests;
	void (*lost)(void *arg);
	void (*stop)(void *arg);
	void *arg;
	bool gone; /* lost was called */
};

static void on_ready(uv_poll_t *poll, int status, int events);

static void arm(struct ask *a)
{
	if (!a->gone)
		uv_poll_start(&a->poll, UV_READABLE | (a->queue ? UV_WRITABLE : 0), on_ready);
}

static void lose(struct ask *a)
{
	if (a->gone)
		return;
	a->gone = true;
	uv_poll_stop(&a->poll);
	a->lost(a->arg);
}

/* Returns below 0 when the monitor is gone. */
static int flush(struct ask *a)
{
	struct queued *q;
	int r;

	while ((q = a->queue)) {
		r = sock_send_fd(a->fd, &q->message, message_len(q->message.header.type), -1);
		if (r < 0)
			return r == ERR_AGAIN ? 0 : r;
		a->queue = q->next;
		if (!a->queue)
			a->queue_end = &a->queue;
		free(q);
	}
	return 0;
}

/* What is asked for at the end, a gateway's hooks, is more than the socket holds, and the loop will not turn again. */
static void flush_last(struct ask *a)
{
	struct pollfd room = { .fd = a->fd, .events = POLLOUT };
	uint64_t now = clock_ms(), deadline = now + LAST_WORDS_MS;

	/* Nobody reads answers any more; the monitor shall not wait for us to. */
	shutdown(a->fd, SHUT_RD);
	while (flush(a) == 0 && a->queue && now < deadline) {
		poll(&room, 1, (int)(deadline - now));
		now = clock_ms();
	}
}

static void drop_queue(struct ask *a)
{
	struct queued *q;
	unsigned n;

	for (n = 0; (q = a->queue); n++) {
		a->queue = q->next;
		free(q);
	}
	if (n)
		log_warn("requests that the monitor did not take: count=%u", n);
}

static int enqueue(struct ask *a, const union message *m)
{
	struct queued *q = calloc(1, sizeof(*q));

	if (!q)
		return ERR_NOMEM;
	q->message = *m;
	*a->queue_end = q;
	a->queue_end = &q->next;
	/* Sent by the loop, so that a failure is never reported from within a request. */
	arm(a);
	return 0;
}

static struct request *request_new(struct ask *a, enum message_type type, void *arg)
{
	struct request *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->id = ++a->last_id;
	r->type = type;
	r->arg = arg;
	r->next = a->requests;
	a->requests = r;
	return r;
}

static struct request *request_take(struct ask *a, uint32_t id)
{
	struct request *r, **at;

	for (at = &a->requests; (r = *at); at = &r->next) {
		if (r->id != id)
			continue;
		*at = r->next;
		return r;
	}
	return NULL;
}

static void request_finish(struct request *r, const struct message_answer *answer, int fd)
{
	if (r->type == MESSAGE_SOCKET)
		r->done.socket(r->arg, answer->result, fd);
	else if (r->type == MESSAGE_RESOLVE)
		r->done.resolve(r->arg, answer->result, answer->addrs, answer->count);
	else if (r->done.plain)
		r->done.plain(r->arg, answer->result);
	free(r);
}

/* Without memory for a request the engine cannot go on: it ends as if the monitor were gone. */
static void fail(struct ask *a)
{
	log_err("asking the monitor: %s", err_text(ERR_NOMEM));
	lose(a);
}

static void answer_read(struct ask *a, const struct message_answer *answer, int fd)
{
	struct request *r = request_take(a, answer->header.id);

	if (r) {
		request_finish(r, answer, fd);
		return;
	}
	if (fd >= 0)
		close(fd);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct ask *a = poll->data;
	union message m = { 0 };
	int n, fd;

	if (status < 0 || ((events & UV_WRITABLE) && flush(a) < 0)) {
		lose(a);
		return;
	}
	arm(a);
	if (!(events & UV_READABLE))
		return;
	/* One message a turn: its callback may close the asker. */
	n = sock_recv_fd(a->fd, &m, sizeof(m), &fd);
	if (n == ERR_AGAIN)
		return;
	if (n < 0)
		lose(a);
	else if (m.header.type == MESSAGE_STOP)
		a->stop(a->arg);
	else
		answer_read(a, &m.answer, fd);
}

static void on_closed(uv_handle_t *handle)
{
	free(handle->data);
}

struct ask *ask_open(uv_loop_t *loop, int fd, void (*lost)(void *arg), void (*stop)(void *arg), void *arg)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->fd = fd;
	a->lost = lost;
	a->stop = stop;
	a->arg = arg;
	a->queue_end = &a->queue;
	a->poll.data = a;
	if (uv_poll_init(loop, &a->poll, fd) < 0) {
		free(a);
		return NULL;
	}
	arm(a);
	return a;
}

void ask_resolve(struct ask *a, const char *host,
		 void (*done)(void *arg, int result, const struct addr *addrs, size_t len), void *arg)
{
	struct request *r = request_new(a, MESSAGE_RESOLVE, arg);
	union message m = { 0 };

	if (!r) {
		fail(a);
		return;
	}
	r->done.resolve = done;
	m.header = (struct message_header){ MESSAGE_RESOLVE, r->id };
	snprintf(m.resolve.host, sizeof(m.resolve.host), "%s", host);
	if (enqueue(a, &m) < 0)
		fail(a);
}

void ask_socket(struct ask *a, enum ask_socket_kind kind, enum addr_family family,
		void (*done)(void *arg, int result, int fd), void *arg)
{
	struct request *r = request_new(a, MESSAGE_SOCKET, arg);
	union message m = { 0 };

	if (!r) {
		fail(a);
		return;
	}
	r->done.socket = done;
	m.socket = (struct message_socket){ { MESSAGE_SOCKET, r->id }, kind, family };
	if (enqueue(a, &m) < 0)
		fail(a);
}

void ask_net(struct ask *a, const struct net_item *items, size_t len, enum net_phase phase,
	     void (*done)(void *arg, int result), void *arg)
{
	struct request *r = request_new(a, MESSAGE_NET_COMMIT, arg);
	union message m = { 0 };
	size_t i;

	if (!r) {
		fail(a);
		return;
	}
	r->done.plain = done;
	m.net_begin = (struct message_net_begin){ { MESSAGE_NET_BEGIN, r->id }, phase };
	if (enqueue(a, &m) < 0)
		goto out;
	for (i = 0; i < len; i++) {
		m.net_item = (struct message_net_item){ { MESSAGE_NET_ITEM, r->id }, items[i] };
		if (enqueue(a, &m) < 0)
			goto out;
	}
	m.header = (struct message_header){ MESSAGE_NET_COMMIT, r->id };
	if (enqueue(a, &m) == 0)
		return;
out:
	fail(a);
}

void ask_hook(struct ask *a, const struct hook_facts *facts, void (*done)(void *arg, int result), void *arg)
{
	struct request *r = request_new(a, MESSAGE_HOOK, arg);
	union message m = { 0 };

	if (!r) {
		fail(a);
		return;
	}
	r->done.plain = done;
	m.hook = (struct message_hook){ { MESSAGE_HOOK, r->id }, *facts };
	if (enqueue(a, &m) < 0)
		fail(a);
}

void ask_close(struct ask *a)
{
	struct request *r;

	if (!a)
		return;
	flush_last(a);
	drop_queue(a);
	while ((r = a->requests)) {
		a->requests = r->next;
		free(r);
	}
	uv_poll_stop(&a->poll);
	close(a->fd);
	uv_close((uv_handle_t *)&a->poll, on_closed);
}
