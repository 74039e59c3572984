/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket. A caller sends one line, gets its answer and is let go; one who follows events stays. All sockets
 * are non-blocking and what a caller does not read waits in its own queue, so that none can hold the loop up. Who has
 * not asked in time goes, and earlier when others need the place.
 */
#include "server/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "io/sock.h"
#include "server/report.h"
#include "server/request.h"
#include "server/rights.h"

enum { REQUEST_MS = 5000, ACCEPT_RETRY_MS = 100 };

struct caller {
	struct control *control;
	uv_poll_t poll;
	int fd;
	char request[CONTROL_REQUEST_MAX];
	size_t request_len;
	struct buf out;
	size_t backlog_max;   /* the answer itself and CONTROL_BACKLOG_MAX of events */
	uint64_t deadline_ms; /* for its request, on the loop's clock */
	bool answered;
	bool follows;
	TAILQ_ENTRY(caller) all;
};

struct control {
	const struct control_ops *ops;
	void *arg;
	uv_poll_t listener;
	uv_timer_t requests; /* runs while a caller has not asked */
	uv_timer_t retry;    /* runs while there is no descriptor for another caller */
	int handles;         /* open; the structure goes with the last */
	int fd;
	struct rights rights;
	TAILQ_HEAD(, caller) callers; /* the oldest first */
	size_t callers_len;
};

static void on_caller(uv_poll_t *handle, int status, int events);
static void on_listener(uv_poll_t *handle, int status, int events);

static void free_caller(uv_handle_t *handle)
{
	struct caller *c = handle->data;

	close(c->fd);
	buf_fini(&c->out);
	free(c);
}

static void drop(struct caller *c)
{
	TAILQ_REMOVE(&c->control->callers, c, all);
	c->control->callers_len--;
	uv_close((uv_handle_t *)&c->poll, free_caller);
}

static int append_bytes(const char *data, size_t len, void *out)
{
	return buf_append(out, data, len) < 0 ? -1 : 0;
}

/* One line; takes @json's reference. Escapes all but ASCII, so that the line is harmless on a terminal. */
static int append_line(struct buf *out, json_t *json)
{
	int r = json_dump_callback(json, append_bytes, out, JSON_COMPACT | JSON_ENSURE_ASCII);

	json_decref(json);
	return r < 0 ? ERR_NOMEM : buf_append(out, "\n", 1);
}

static json_t *error_object(const char *text)
{
	return json_pack("{s:s}", "error", text);
}

/* How many sessions were told, as an answer. */
static json_t *told_object(int sessions)
{
	return sessions > 0 ? json_pack("{s:i}", "sessions", sessions) : error_object("no such session");
}

/* The sessions that live, a line each, then "ready". */
static int append_present(struct caller *c)
{
	json_t *sessions = c->control->ops->sessions(c->control->arg), *session;
	int r = sessions ? 0 : ERR_NOMEM;
	size_t i;

	json_array_foreach(sessions, i, session)
		if (r == 0)
			r = append_line(&c->out, report_event_session(session));
	json_decref(sessions);
	return r < 0 ? r : append_line(&c->out, report_event("ready", NULL, NULL, NULL));
}

static bool allowed(const struct caller *c)
{
	struct caller_groups who;

	return rights_caller(c->fd, &who) == 0 && rights_allow(&c->control->rights, &who);
}

static int answer_request(struct caller *c, const struct request *request)
{
	const struct control_ops *ops = c->control->ops;
	void *arg = c->control->arg;

	if (request->changes && !allowed(c))
		return append_line(&c->out, error_object("permission denied"));
	switch (request->command) {
	case REQUEST_STATUS:
		return append_line(&c->out, ops->status(arg));
	case REQUEST_SESSIONS:
		return append_line(&c->out, ops->sessions(arg));
	case REQUEST_DISCONNECT:
		return append_line(&c->out, told_object(ops->disconnect(arg, request->name)));
	case REQUEST_REKEY:
		return append_line(&c->out, told_object(ops->rekey(arg, *request->name ? request->name : NULL)));
	case REQUEST_EVENTS:
		c->follows = true;
		return append_present(c);
	default:
		return ERR_INVALID;
	}
}

/* Return: 0, or a negative code when the caller is to be dropped. */
static int answer(struct caller *c, size_t line_len)
{
	struct request request;
	const char *why;
	int r;

	if (request_decode(c->request, line_len, &request, &why) < 0)
		r = append_line(&c->out, error_object(why));
	else
		r = answer_request(c, &request);
	c->answered = true;
	c->backlog_max = buf_len(&c->out) + CONTROL_BACKLOG_MAX;
	return r;
}

static int recv_request(struct caller *c)
{
	ssize_t n = sock_recv(c->fd, (uint8_t *)c->request + c->request_len, sizeof(c->request) - c->request_len);
	const char *end;

	if (n < 0)
		return n == ERR_AGAIN ? 0 : (int)n;
	c->request_len += (size_t)n;
	end = memchr(c->request, '\n', c->request_len);
	if (end)
		return answer(c, (size_t)(end - c->request));
	if (c->request_len < sizeof(c->request))
		return 0;
	c->answered = true;
	return append_line(&c->out, error_object("the request is too long"));
}

/* Who follows has nothing more to say: only the end of the connection matters. */
static int recv_nothing(struct caller *c)
{
	uint8_t ignored[256];
	ssize_t n = sock_recv(c->fd, ignored, sizeof(ignored));

	return n < 0 && n != ERR_AGAIN ? (int)n : 0;
}

/* Return: 0, or a negative code when the caller is to be dropped, ERR_EOF after its whole answer. */
static int flush(struct caller *c)
{
	ssize_t n;
	int events;

	while (buf_len(&c->out)) {
		n = sock_send(c->fd, buf_data(&c->out), buf_len(&c->out));
		if (n == ERR_AGAIN)
			break;
		if (n < 0)
			return (int)n;
		buf_consume(&c->out, (size_t)n);
	}
	if (c->answered && !c->follows && !buf_len(&c->out))
		return ERR_EOF;
	events = (!c->answered || c->follows ? UV_READABLE : 0) | (buf_len(&c->out) ? UV_WRITABLE : 0);
	return uv_poll_start(&c->poll, events, on_caller) < 0 ? ERR_SYS : 0;
}

static void on_caller(uv_poll_t *handle, int status, int events)
{
	struct caller *c = handle->data;
	int r = status < 0 ? ERR_SYS : 0;

	if (r == 0 && (events & UV_READABLE))
		r = c->answered ? recv_nothing(c) : recv_request(c);
	if (r == 0)
		r = flush(c);
	if (r < 0)
		drop(c);
}

static struct caller *oldest_silent(struct control *control)
{
	struct caller *c;

	TAILQ_FOREACH(c, &control->callers, all)
		if (!c->answered)
			return c;
	return NULL;
}

static void on_request_deadline(uv_timer_t *timer)
{
	struct control *control = timer->data;
	uint64_t now_ms = uv_now(timer->loop);
	struct caller *c;

	while ((c = oldest_silent(control)) && c->deadline_ms <= now_ms)
		drop(c);
	if (c)
		uv_timer_start(timer, on_request_deadline, c->deadline_ms - now_ms, 0);
}

static int admit(struct control *control, int fd)
{
	struct caller *c = calloc(1, sizeof(*c));

	if (!c)
		return ERR_NOMEM;
	if (uv_poll_init(control->listener.loop, &c->poll, fd) < 0) {
		free(c);
		return ERR_SYS;
	}
	c->control = control;
	c->fd = fd;
	c->deadline_ms = uv_now(control->listener.loop) + REQUEST_MS;
	if (!uv_is_active((uv_handle_t *)&control->requests))
		uv_timer_start(&control->requests, on_request_deadline, REQUEST_MS, 0);
	c->poll.data = c;
	TAILQ_INSERT_TAIL(&control->callers, c, all);
	control->callers_len++;
	if (flush(c) < 0)
		drop(c);
	return 0;
}

static void refuse(int fd)
{
	struct buf line = BUF_INIT;

	if (append_line(&line, error_object("too many callers")) == 0 &&
	    sock_send(fd, buf_data(&line), buf_len(&line)) < 0)
		log_debug("control: a caller left before it was refused");
	buf_fini(&line);
	close(fd);
}

static void on_retry(uv_timer_t *timer)
{
	struct control *control = timer->data;

	uv_poll_start(&control->listener, UV_READABLE, on_listener);
}

/* Without descriptors the caller stays where it is, and the listener readable: not to turn round it, look later. */
static void accept_failed(struct control *control, int error)
{
	if (error == EAGAIN || error == EINTR || error == ECONNABORTED)
		return;
	log_limited(LOG_LEVEL_WARN, "control: cannot accept: %s", strerror(error));
	uv_poll_stop(&control->listener);
	uv_timer_start(&control->retry, on_retry, ACCEPT_RETRY_MS, 0);
}

static void on_listener(uv_poll_t *handle, int status, int events)
{
	struct control *control = handle->data;
	struct caller *silent;
	int fd;

	(void)events;
	if (status < 0)
		return;
	fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		accept_failed(control, errno);
		return;
	}
	if (control->callers_len >= CONTROL_CALLERS_MAX && (silent = oldest_silent(control)))
		drop(silent);
	if (control->callers_len >= CONTROL_CALLERS_MAX)
		refuse(fd);
	else if (admit(control, fd) < 0)
		close(fd);
}

static void free_control(uv_handle_t *handle)
{
	struct control *control = handle->data;

	if (--control->handles > 0)
		return;
	close(control->fd);
	free(control);
}

struct control *control_open(uv_loop_t *loop, int fd, const struct control_ops *ops, void *arg)
{
	struct control *control = calloc(1, sizeof(*control));

	if (!control)
		return NULL;
	control->ops = ops;
	control->arg = arg;
	control->fd = fd;
	rights_init(&control->rights, fd);
	TAILQ_INIT(&control->callers);
	if (uv_poll_init(loop, &control->listener, fd) < 0) {
		free(control);
		return NULL;
	}
	uv_timer_init(loop, &control->requests);
	uv_timer_init(loop, &control->retry);
	control->handles = 3;
	control->listener.data = control->requests.data = control->retry.data = control;
	uv_poll_start(&control->listener, UV_READABLE, on_listener);
	return control;
}

void control_event(struct control *control, json_t *event)
{
	struct buf line = BUF_INIT;
	struct caller *c, *next;

	if (!control || !event || TAILQ_EMPTY(&control->callers)) {
		json_decref(event);
		return;
	}
	if (append_line(&line, event) < 0)
		goto out;
	for (c = TAILQ_FIRST(&control->callers); c; c = next) {
		next = TAILQ_NEXT(c, all);
		if (!c->follows)
			continue;
		if (buf_len(&c->out) + buf_len(&line) > c->backlog_max ||
		    buf_append(&c->out, buf_data(&line), buf_len(&line)) < 0 || flush(c) < 0)
			drop(c);
	}
out:
	buf_fini(&line);
}

void control_close(struct control *control)
{
	struct caller *c;

	if (!control)
		return;
	while ((c = TAILQ_FIRST(&control->callers)))
		drop(c);
	uv_close((uv_handle_t *)&control->listener, free_control);
	uv_close((uv_handle_t *)&control->requests, free_control);
	uv_close((uv_handle_t *)&control->retry, free_control);
}
