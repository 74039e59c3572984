/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt to reach the gateway by TLS. Each address has a leg: a socket from the monitor, a connection, a
 * handshake. A socket that comes after its leg was given up is closed; nothing is left that could outlive the dial.
 */
#include "client/dial.h"

#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "client/failure.h"
#include "crypto/tls.h"
#include "monitor/ask.h"

enum { READ_LEN = 16384 };

struct leg {
	struct dial *dial;
	struct endpoint to;
	int fd;          /* -1: waits for its socket */
	uv_poll_t poll;  /* on the loop while there is a socket */
	struct tls *tls; /* NULL: not connected yet */
	struct buf out;
};

/* An address and its present attempt. */
struct slot {
	struct addr addr;
	struct leg *leg; /* NULL: not begun or failed */
	bool tried;
	bool over; /* it answered what will not change in this dial */
};

struct dial {
	uv_loop_t *loop;
	struct ask *ask;
	struct tls_context *tls;
	uv_timer_t stagger, deadline;
	int open_handles;

	struct slot slots[ASK_ADDRS_MAX]; /* in the order in which they are tried */
	size_t len;
	uint16_t port;
	struct failure failure; /* the most telling one */
	void (*done)(void *arg, const struct dialed *result, const struct failure *why);
	void *arg;
};

static void begin_next(struct dial *d);
static void on_ready(uv_poll_t *handle, int status, int events);
static void on_stagger(uv_timer_t *timer);

static size_t first_of(const struct addr *addrs, size_t len, const bool *taken, uint8_t family)
{
	size_t i = 0;

	while (i < len && (taken[i] || addrs[i].family != family))
		i++;
	return i;
}

/* Families in turn, beginning with the first address's; within a family the order stays (RFC 8305, section 4). */
static void order_addresses(struct dial *d, const struct addr *addrs, size_t len)
{
	uint8_t want = addrs[0].family, other = want == ADDR_V4 ? ADDR_V6 : ADDR_V4, swap;
	bool taken[ASK_ADDRS_MAX] = { 0 };
	size_t next;

	for (d->len = 0; d->len < len; d->len++) {
		next = first_of(addrs, len, taken, want);
		if (next == len)
			next = first_of(addrs, len, taken, other);
		taken[next] = true;
		d->slots[d->len] = (struct slot){ .addr = addrs[next] };
		swap = want;
		want = other;
		other = swap;
	}
}

static bool any_leg(const struct dial *d)
{
	for (size_t i = 0; i < d->len; i++)
		if (d->slots[i].leg)
			return true;
	return false;
}

/* The first address that has not been tried, else the first that may be tried again; NULL: none. */
static struct slot *next_slot(struct dial *d)
{
	struct slot *again = NULL;

	for (size_t i = 0; i < d->len; i++) {
		if (!d->slots[i].tried)
			return &d->slots[i];
		if (!again && !d->slots[i].leg && !d->slots[i].over)
			again = &d->slots[i];
	}
	return again;
}

static void on_leg_closed(uv_handle_t *handle)
{
	free(handle->data);
}

/* The leg is over; a socket and a handshake that it still holds go with it. */
static void close_leg(struct leg *leg, bool polled)
{
	struct dial *d = leg->dial;

	for (size_t i = 0; i < d->len; i++)
		if (d->slots[i].leg == leg)
			d->slots[i].leg = NULL;
	tls_free(leg->tls);
	buf_fini(&leg->out);
	if (!polled) {
		free(leg);
		return;
	}
	uv_close((uv_handle_t *)&leg->poll, on_leg_closed);
	if (leg->fd >= 0)
		close(leg->fd);
}

static void finish(struct dial *d, const struct dialed *result)
{
	struct failure why = d->failure;

	dial_stop(d);
	d->done(d->arg, result, result ? NULL : &why);
}

static struct slot *slot_of(const struct leg *leg)
{
	struct slot *s = leg->dial->slots;

	while (s->leg != leg)
		s++;
	return s;
}

/* While another address keeps us waiting, one that refused is tried again: the gateway may just be starting. */
static void fail_leg(struct leg *leg, const struct failure *why)
{
	struct dial *d = leg->dial;
	const struct slot *next;

	if (!d->failure.reason[0] || why->kind > d->failure.kind)
		d->failure = *why;
	slot_of(leg)->over = why->kind != FAILURE_UNREACHABLE;
	close_leg(leg, leg->fd >= 0);
	next = next_slot(d);
	if (next && !next->tried)
		begin_next(d);
	else if (!any_leg(d))
		finish(d, NULL);
	else if (next && !uv_is_active((uv_handle_t *)&d->stagger))
		uv_timer_start(&d->stagger, on_stagger, DIAL_AGAIN_MS, 0);
}

static void fail_leg_by(struct leg *leg, int code)
{
	char to[ENDPOINT_TEXT_LEN];
	struct failure why;

	failure_set(&why, FAILURE_UNREACHABLE, 0, "%s: %s", endpoint_format(&leg->to, to), err_text(code));
	fail_leg(leg, &why);
}

static void win(struct leg *leg)
{
	struct dialed result = { .fd = leg->fd, .tls = leg->tls, .peer = leg->to };
	struct dial *d = leg->dial;

	leg->fd = -1;
	leg->tls = NULL;
	close_leg(leg, true);
	finish(d, &result);
}

/* A failed write is no verdict: what the gateway has to say is read. */
static void send_out(struct leg *leg)
{
	ssize_t sent;

	while (buf_len(&leg->out)) {
		sent = sock_send(leg->fd, buf_data(&leg->out), buf_len(&leg->out));
		if (sent == ERR_AGAIN)
			return;
		if (sent < 0)
			buf_clear(&leg->out);
		else
			buf_consume(&leg->out, (size_t)sent);
	}
}

static void shake(struct leg *leg, const uint8_t *in, size_t len)
{
	enum tls_step step = tls_handshake(leg->tls, in, len, &leg->out);
	struct failure why;

	send_out(leg);
	if (step == TLS_FAILED) {
		failure_from_tls(&why, tls_failure(leg->tls));
		fail_leg(leg, &why);
	} else if (step == TLS_DONE && !buf_len(&leg->out)) {
		win(leg);
	} else {
		uv_poll_start(&leg->poll, UV_READABLE | (buf_len(&leg->out) ? UV_WRITABLE : 0), on_ready);
	}
}

static void begin_handshake(struct leg *leg)
{
	int r = sock_error(leg->fd);

	if (r < 0) {
		fail_leg_by(leg, r);
		return;
	}
	leg->tls = tls_new(leg->dial->tls);
	if (leg->tls)
		shake(leg, NULL, 0);
	else
		fail_leg_by(leg, ERR_NOMEM);
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
	struct leg *leg = handle->data;
	uint8_t in[READ_LEN];
	ssize_t len = 0;

	if (!leg->tls) {
		begin_handshake(leg);
		return;
	}
	if (events & UV_READABLE || status < 0)
		len = sock_recv(leg->fd, in, sizeof(in));
	if (len < 0 && len != ERR_AGAIN)
		fail_leg_by(leg, (int)len);
	else
		shake(leg, in, len > 0 ? (size_t)len : 0);
}

static void connect_leg(struct leg *leg, int fd)
{
	int r = sock_connect(fd, &leg->to);

	if (r == ERR_AGAIN || r == 0) {
		leg->poll.data = leg;
		r = uv_poll_init(leg->dial->loop, &leg->poll, fd) < 0 ? ERR_SYS : 0;
	}
	if (r < 0) {
		close(fd);
		fail_leg_by(leg, r);
		return;
	}
	leg->fd = fd;
	uv_poll_start(&leg->poll, UV_WRITABLE, on_ready);
}

/* Sockets of a family are all alike: the first leg that waits for one gets it. */
static void on_socket(struct dial *d, enum addr_family family, int result, int fd)
{
	struct leg *leg = NULL;

	for (size_t i = 0; i < d->len && !leg; i++)
		if (d->slots[i].leg && d->slots[i].leg->fd < 0 && d->slots[i].addr.family == family)
			leg = d->slots[i].leg;
	if (leg && result == 0)
		connect_leg(leg, fd);
	else if (leg)
		fail_leg_by(leg, result);
	else if (fd >= 0)
		close(fd);
}

static void on_socket_v4(void *arg, int result, int fd)
{
	on_socket(arg, ADDR_V4, result, fd);
}

static void on_socket_v6(void *arg, int result, int fd)
{
	on_socket(arg, ADDR_V6, result, fd);
}

static void on_stagger(uv_timer_t *timer)
{
	begin_next(timer->data);
}

static void begin_leg(struct dial *d, struct slot *slot)
{
	struct leg *leg = calloc(1, sizeof(*leg));

	slot->tried = true;
	slot->leg = leg;
	if (!leg)
		return; /* the deadline comes */
	leg->dial = d;
	leg->to = (struct endpoint){ .addr = slot->addr, .port = d->port };
	leg->fd = -1;
	if (slot->addr.family == ADDR_V4)
		ask_socket(d->ask, ASK_STREAM, ADDR_V4, on_socket_v4, d);
	else
		ask_socket(d->ask, ASK_STREAM, ADDR_V6, on_socket_v6, d);
}

static void begin_next(struct dial *d)
{
	struct slot *slot = next_slot(d);

	if (slot)
		begin_leg(d, slot);
	slot = next_slot(d);
	if (slot)
		uv_timer_start(&d->stagger, on_stagger, slot->tried ? DIAL_AGAIN_MS : DIAL_STAGGER_MS, 0);
	else
		uv_timer_stop(&d->stagger);
}

static void on_deadline(uv_timer_t *timer)
{
	struct dial *d = timer->data;

	if (!d->failure.reason[0])
		failure_set(&d->failure, FAILURE_UNREACHABLE, 0, "no answer in %d seconds", DIAL_DEADLINE_MS / 1000);
	finish(d, NULL);
}

static void on_timer_closed(uv_handle_t *handle)
{
	struct dial *d = handle->data;

	if (!--d->open_handles)
		free(d);
}

struct dial *dial_new(uv_loop_t *loop, struct ask *ask, struct tls_context *tls)
{
	struct dial *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->loop = loop;
	d->ask = ask;
	d->tls = tls;
	uv_timer_init(loop, &d->stagger);
	uv_timer_init(loop, &d->deadline);
	d->stagger.data = d->deadline.data = d;
	d->open_handles = 2;
	return d;
}

void dial_start(struct dial *d, const struct addr *addrs, size_t len, uint16_t port,
		void (*done)(void *arg, const struct dialed *result, const struct failure *why), void *arg)
{
	dial_stop(d);
	order_addresses(d, addrs, len);
	d->port = port;
	d->done = done;
	d->arg = arg;
	uv_timer_start(&d->deadline, on_deadline, DIAL_DEADLINE_MS, 0);
	begin_next(d);
}

void dial_stop(struct dial *d)
{
	uv_timer_stop(&d->stagger);
	uv_timer_stop(&d->deadline);
	for (size_t i = 0; i < d->len; i++)
		if (d->slots[i].leg)
			close_leg(d->slots[i].leg, d->slots[i].leg->fd >= 0);
	d->len = 0;
	d->failure = (struct failure){ 0 };
}

void dial_free(struct dial *d)
{
	if (!d)
		return;
	dial_stop(d);
	uv_close((uv_handle_t *)&d->stagger, on_timer_closed);
	uv_close((uv_handle_t *)&d->deadline, on_timer_closed);
}
