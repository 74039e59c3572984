/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session at work on a loop. Each channel has a port: the socket's poll handle. A closed channel is freed when its
 * handle's close callback runs, so nothing on the stack loses its ground; the same holds for the link.
 */
#include "path/link.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "path/due.h"
#include "path/egress.h"
#include "path/flow.h"
#include "path/ingress.h"
#include "path/mailbox.h"
#include "path/path.h"
#include "session/channel.h"
#include "session/session.h"
#include "wire/records.h"

struct port {
	uv_poll_t poll;
	uv_idle_t again; /* delivers what was held or left over, from the loop's next turn */
	struct channel *channel;
	int watched;   /* the events that the loop looks for */
	bool blocked;  /* waits for writability */
	bool finished; /* our direction is shut down, or will be when all is sent */
	bool shut;
	int open_handles;
};

struct link {
	struct path *path;
	struct session *session;
	uv_timer_t timer;
	struct due due;
};

static void on_ready(uv_poll_t *handle, int status, int events);

static struct link *link_of(const struct channel *c)
{
	return c->session->link;
}

static void watch(struct port *port)
{
	bool waits = port->channel->rx_held || port->channel->rx_more;
	int events = (waits ? 0 : UV_READABLE) | (port->blocked ? UV_WRITABLE : 0);

	if (uv_is_closing((uv_handle_t *)&port->poll) || events == port->watched)
		return; /* libuv would go to the kernel for it all the same */
	if ((events ? uv_poll_start(&port->poll, events, on_ready) : uv_poll_stop(&port->poll)) == 0)
		port->watched = events;
}

/* Our close_notify and FIN go behind the last sealed byte. */
static void shut_when_sent(struct port *port)
{
	if (port->blocked || !port->finished || port->shut)
		return;
	port->shut = true;
	shutdown(port->channel->fd, SHUT_WR);
}

static void flush_channel(struct channel *c)
{
	struct port *port = c->port;
	struct path *p;

	if (c->state == CHANNEL_CLOSED)
		return;
	p = link_of(c)->path;
	port->blocked = !egress_flush(p, c, clock_ms());
	shut_when_sent(port);
	watch(port);
	if (!port->blocked && c == c->session->tx) /* tx is written by this thread only */
		path_resume_all(p);
}

static void on_again(uv_idle_t *handle)
{
	struct port *port = handle->data;
	struct channel *c = port->channel;
	struct link *l = link_of(c);

	uv_idle_stop(handle);
	if (c->state == CHANNEL_CLOSED)
		return;
	ingress_begin(l->path, c, clock_ms());
	if (c->state != CHANNEL_CLOSED)
		watch(port);
	link_touch(l);
}

static void resume_channel(struct channel *c)
{
	struct port *port = c->port;

	watch(port);
	uv_idle_start(&port->again, on_again);
}

static void finish_channel(struct channel *c)
{
	struct port *port = c->port;
	struct session *s = c->session;

	if (port->finished)
		return;
	port->finished = true;
	pthread_mutex_lock(&s->tx_lock);
	records_close(c->records, &c->out);
	pthread_mutex_unlock(&s->tx_lock);
	flush_channel(c);
}

static void on_port_closed(uv_handle_t *handle)
{
	struct port *port = handle->data;

	if (--port->open_handles)
		return;
	close(port->channel->fd);
	channel_free(port->channel);
	free(port);
}

static void close_channel(struct channel *c)
{
	struct port *port = c->port;

	uv_close((uv_handle_t *)&port->poll, on_port_closed);
	uv_close((uv_handle_t *)&port->again, on_port_closed);
}

static const struct session_io link_io = {
	.flush = flush_channel,
	.resume = resume_channel,
	.finish = finish_channel,
	.close = close_channel,
	.ask = flows_ask,
	.doubt = flows_doubt,
	.drop = flows_drop,
	.outdate = flows_moved,
};

static void on_ready(uv_poll_t *handle, int status, int events)
{
	struct port *port = handle->data;
	struct channel *c = port->channel;
	struct link *l = link_of(c);

	if (status < 0) /* libuv has stopped looking */
		port->watched = 0;
	if (events & UV_WRITABLE)
		flush_channel(c);
	if (c->state != CHANNEL_CLOSED && (events & UV_READABLE || status < 0))
		ingress_stream(l->path, c, clock_ms());
	if (c->state != CHANNEL_CLOSED)
		watch(port);
	link_touch(l);
}

static void on_timer(uv_timer_t *handle)
{
	struct link *l = handle->data;

	if (due_is_late(&l->due, clock_ms()))
		uv_timer_start(handle, on_timer, 1, 0);
	else
		link_touch(l);
}

static int open_port(struct link *l, struct channel *c)
{
	struct port *port = calloc(1, sizeof(*port));

	if (!port)
		return ERR_NOMEM;
	if (uv_poll_init(l->path->loop, &port->poll, c->fd) < 0) {
		free(port);
		return ERR_SYS;
	}
	uv_idle_init(l->path->loop, &port->again);
	port->poll.data = port->again.data = port;
	port->open_handles = 2;
	port->channel = c;
	c->port = port;
	return 0;
}

/* The channel was not taken: its socket and memory stay the caller's, only the handles go. */
static void on_port_unused(uv_handle_t *handle)
{
	struct port *port = handle->data;

	if (!--port->open_handles)
		free(port);
}

static void drop_port(struct channel *c)
{
	struct port *port = c->port;

	c->port = NULL;
	uv_close((uv_handle_t *)&port->poll, on_port_unused);
	uv_close((uv_handle_t *)&port->again, on_port_unused);
}

/* On the loop from now on; what came behind the handshake is delivered first. */
static void begin(struct link *l, struct channel *c)
{
	watch(c->port);
	resume_channel(c);
	link_touch(l);
}

struct link *link_new(struct path *p, struct session *s)
{
	struct link *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	session_get(s);
	l->path = p;
	l->session = s;
	l->timer.data = l;
	uv_timer_init(p->loop, &l->timer);
	s->io = &link_io;
	s->link = l;
	s->home = p->mailbox;
	return l;
}

int link_attach(struct link *l, struct channel *c, unsigned dpd_s, unsigned keep_s)
{
	int r = open_port(l, c);

	if (r < 0)
		return r;
	session_attach(l->session, c, dpd_s, keep_s, clock_ms());
	begin(l, c);
	return 0;
}

int link_join(struct link *l, struct channel *c, unsigned dpd_s, unsigned keep_s)
{
	int r = open_port(l, c);

	if (r < 0)
		return r;
	if ((r = session_join(l->session, c, dpd_s, keep_s, clock_ms())) < 0) {
		drop_port(c);
		return r;
	}
	begin(l, c);
	return 0;
}

void link_touch(struct link *l)
{
	uint64_t now = clock_ms(), deadline;

	if (uv_is_closing((uv_handle_t *)&l->timer))
		return;
	deadline = session_tick(l->session, now);
	if (uv_is_closing((uv_handle_t *)&l->timer))
		return; /* the tick drained the session and its owner let go of the link */
	if (deadline == CLOCK_NEVER) {
		uv_timer_stop(&l->timer);
		return;
	}
	l->due.at_ms = deadline;
	uv_update_time(l->path->loop);
	uv_timer_start(&l->timer, on_timer, deadline > now ? deadline - now : 0, 0);
}

void link_wake(struct link *l)
{
	if (!uv_is_closing((uv_handle_t *)&l->timer))
		uv_timer_start(&l->timer, on_timer, 0, 0);
}

/* On the home worker, for another worker that found the stream full. */
static void watch_writable(void *arg)
{
	struct session *s = arg;

	if (s->link && s->current)
		flush_channel(s->current);
	session_put(s);
}

void link_blocked(struct path *from, struct session *s)
{
	struct link *l = s->link;
	struct port *port;

	if (l->path == from) {
		port = s->tx->port;
		port->blocked = true;
		watch(port);
		return;
	}
	if (!session_get(s))
		return;
	if (mailbox_post(l->path->mailbox, watch_writable, s) < 0)
		session_put(s);
}

/* On the home worker. */
static void wake(void *arg)
{
	struct session *s = arg;

	if (s->link)
		link_wake(s->link);
	session_put(s);
}

void link_used_up(struct path *from, struct session *s)
{
	if (from->mailbox == s->home) {
		if (s->link)
			link_wake(s->link);
	} else if (session_get(s) && mailbox_post(s->home, wake, s) < 0) {
		session_put(s);
	}
}

static void on_link_closed(uv_handle_t *handle)
{
	struct link *l = handle->data;

	session_put(l->session);
	free(l);
}

void link_free(struct link *l)
{
	if (!l || uv_is_closing((uv_handle_t *)&l->timer))
		return;
	l->session->link = NULL;
	uv_close((uv_handle_t *)&l->timer, on_link_closed);
}
