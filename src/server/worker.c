/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: accept, and handshakes in turns. */
#include "server/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "monitor/monitor.h"
#include "path/ingress.h"
#include "path/mailbox.h"
#include "server/member.h"
#include "server/conn.h"
#include "server/gate.h"
#include "server/report.h"
#include "server/server_int.h"
#include "server/welcome.h"

enum { ACCEPT_BATCH = 64 };

static void accept_failed(struct worker *w, int error)
{
	log_limited(LOG_LEVEL_ERR, "accept: %s", strerror(error));
	if (error == EMFILE || error == ENFILE)
		gate_shed(w);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;
	struct endpoint peer;
	int i, fd;

	(void)events;
	for (i = 0; status == 0 && i < ACCEPT_BATCH; i++) {
		fd = sock_accept(l->fd, &peer);
		if (fd == ERR_SYS)
			accept_failed(l->worker, errno);
		if (fd < 0)
			return;
		conn_open(l->worker, fd, &peer);
	}
}

/* A few handshakes, then the loop's other work. */
static void on_turn(uv_idle_t *idle)
{
	struct worker *w = idle->data;
	uint64_t end_us = clock_us() + CONN_HANDSHAKE_BUDGET_US;
	struct conn *c;

	while ((c = TAILQ_FIRST(&w->ready)) && clock_us() < end_us) {
		TAILQ_REMOVE(&w->ready, c, turn);
		c->ready = false;
		conn_handshake(c);
	}
	if (TAILQ_EMPTY(&w->ready))
		uv_idle_stop(idle);
}

static void on_datagrams(uv_poll_t *poll, int status, int events)
{
	struct listener *l = poll->data;

	(void)events;
	if (status < 0) /* at an error libuv stops; reading takes it */
		uv_poll_start(poll, UV_READABLE, on_datagrams);
	ingress_datagrams(&l->worker->path, &l->datagrams, NULL, clock_ms());
}

static int open_datagrams(struct listener *l, const struct conf *conf, int fd)
{
	l->datagrams.fd = -1;
	if (fd < 0)
		return 0;
	if (udp_init(&l->datagrams, fd, conf->offload.udp_gso, conf->offload.udp_gro) < 0 ||
	    uv_poll_init(l->worker->path.loop, &l->datagram_poll, fd) < 0)
		return ERR_SYS;
	l->worker->path.udp_gso = l->datagrams.gso;
	l->worker->path.udp_gro = l->datagrams.gro;
	l->datagram_poll.data = l;
	uv_poll_start(&l->datagram_poll, UV_READABLE, on_datagrams);
	return 0;
}

static int open_listener(struct listener *l, const struct conf *conf, int fd, int datagram_fd)
{
	l->fd = fd;
	l->poll.data = l;
	if (open_datagrams(l, conf, datagram_fd) < 0)
		return ERR_SYS;
	if (uv_poll_init(l->worker->path.loop, &l->poll, fd) < 0)
		return ERR_SYS;
	uv_poll_start(&l->poll, UV_READABLE, on_connection);
	return 0;
}

static int open_listeners(struct worker *w, const struct engine_start *start)
{
	size_t i, n = start->conf->listen.len, first = (size_t)w->index * n;
	int r;

	w->listeners = calloc(n, sizeof(*w->listeners));
	if (!w->listeners)
		return ERR_NOMEM;
	for (i = 0; i < n; i++) {
		w->listeners[i].worker = w;
		r = open_listener(&w->listeners[i], start->conf, start->listen_fds[first + i],
				  start->datagram_fds[first + i]);
		if (r < 0)
			return r;
		w->listeners_len++;
	}
	return 0;
}

static void end_without_device(void *arg)
{
	struct server *server = arg;

	if (!server->stopping)
		log_err("the tunnel's device is gone");
	server_end(server);
}

/* Told to the main loop, whichever worker sees it; not from within its own look at the device. */
static void on_device_gone(void *arg)
{
	struct worker *w = arg;

	mailbox_post(w->server->workers[0].path.mailbox, end_without_device, w->server);
}

static void on_roamed(void *arg)
{
	(void)arg;
	report_count_add(COUNT_MOVED);
}

int worker_open(struct worker *w, struct server *server, int index, const struct engine_start *start)
{
	int r;

	w->server = server;
	w->index = index;
	TAILQ_INIT(&w->sessions);
	w->path.side = SESSION_GATEWAY;
	w->path.tun_fd = w->path.write_fd = start->tun_fds[index];
	w->path.tso = start->offloads.tso;
	w->path.uso = start->offloads.uso;
	w->path.mtu = (unsigned)server->conf->tunnel.mtu;
	w->path.client_to_client = server->conf->client_to_client;
	w->path.table = server->table;
	w->path.broken = on_device_gone;
	w->path.stranger = welcome_datagram;
	w->path.roam = server->roam;
	w->path.roamed = on_roamed;
	w->path.owner = w;
	if ((r = path_open(&w->path, index ? NULL : &server->loop)) < 0)
		return r;
	gate_init(w);
	w->handshakes.data = w;
	uv_idle_init(w->path.loop, &w->handshakes);
	return open_listeners(w, start);
}

void worker_work(struct worker *w)
{
	uv_idle_start(&w->handshakes, on_turn);
}

void worker_stop(void *worker)
{
	struct worker *w = worker;
	struct session *s, *next;
	size_t i;

	w->stopping = true;
	for (i = 0; i < w->listeners_len; i++) {
		uv_close((uv_handle_t *)&w->listeners[i].poll, NULL);
		if (w->listeners[i].datagrams.fd >= 0)
			uv_close((uv_handle_t *)&w->listeners[i].datagram_poll, NULL);
	}
	gate_fini(w);
	uv_close((uv_handle_t *)&w->handshakes, NULL);
	for (s = TAILQ_FIRST(&w->sessions); s; s = next) {
		next = TAILQ_NEXT(s, of_home);
		member_end(s, NULL); /* no DISCONNECT: clients come back when the gateway does */
	}
	path_close(&w->path);
}
