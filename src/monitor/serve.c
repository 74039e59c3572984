/* SPDX-License-Identifier: Apache-2.0 */
/* Answers the engine's requests, each checked as if the engine were hostile. */
#include "monitor/serve.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "io/sock.h"
#include "io/udp.h"
#include "monitor/hook.h"
#include "monitor/message.h"
#include "monitor/network.h"
#include "monitor/resolve.h"

enum {
	LOOKUPS_MAX = 4,
	READ_BATCH = 64,   /* requests a turn of the loop, which has signals and children to look after too */
	DRAIN_MAX = 65536, /* more than a socket holds: somebody goes on writing */
};

LIST_HEAD(lookups, pending);

struct serve {
	uv_poll_t poll;
	uv_loop_t *loop;
	int fd; /* -1: the engine is gone or cut off */
	const struct conf *conf;
	struct network *net;
	const struct privilege *user;
	struct hooks *hooks;
	struct lookups lookups;
	unsigned lookups_len;
	void (*broken)(void *arg);
	void *arg;
};

/* A request whose answer comes later. */
struct pending {
	struct serve *serve;
	uint32_t id;
	struct resolve *lookup; /* RESOLVE only, as what follows */
	LIST_ENTRY(pending) next;
};

static void cut_off(struct serve *s)
{
	if (s->fd < 0)
		return;
	uv_poll_stop(&s->poll);
	close(s->fd);
	s->fd = -1;
	s->broken(s->arg);
}

static void send_message(struct serve *s, const union message *m, int pass)
{
	int r;

	if (s->fd < 0)
		return;
	r = sock_send_fd(s->fd, m, message_len(m->header.type), pass);
	if (r == ERR_AGAIN) {
		log_err("the engine does not read its answers");
		cut_off(s);
	}
	/* Any other failure shows as the end of the socket. */
}

static void answer(struct serve *s, uint32_t id, int result, int pass)
{
	union message m = { 0 };

	m.answer.header = (struct message_header){ MESSAGE_ANSWER, id };
	m.answer.result = result;
	send_message(s, &m, pass);
}

static void answer_pending(void *arg, int result)
{
	struct pending *p = arg;

	answer(p->serve, p->id, result, -1);
	free(p);
}

static void on_resolved(void *arg, int result, const struct addr *addrs, size_t len)
{
	struct pending *p = arg;
	union message m = { 0 };

	LIST_REMOVE(p, next);
	p->serve->lookups_len--;
	m.answer.header = (struct message_header){ MESSAGE_ANSWER, p->id };
	m.answer.result = result;
	m.answer.count = (uint32_t)len;
	memcpy(m.answer.addrs, addrs, len * sizeof(*addrs));
	send_message(p->serve, &m, -1);
	free(p);
}

/* Return: 0, or ERR_INVALID when the engine asks for datagrams that its settings do without. */
static int serve_socket(struct serve *s, const struct message_socket *m)
{
	int fd;

	if (m->kind == ASK_DATAGRAM && s->conf->transport == CONF_TRANSPORT_TLS)
		return ERR_INVALID;
	fd = m->kind == ASK_DATAGRAM ? udp_open(m->family) : sock_tcp(m->family);
	answer(s, m->header.id, fd < 0 ? fd : 0, fd);
	if (fd >= 0)
		close(fd);
	return 0;
}

static void serve_resolve(struct serve *s, const struct message_resolve *m, struct pending *p)
{
	int r = ERR_FULL;

	if (s->lookups_len < LOOKUPS_MAX)
		r = resolve_start(s->loop, s->user, m->host, on_resolved, p, &p->lookup);
	if (r < 0) {
		answer_pending(p, r);
		return;
	}
	LIST_INSERT_HEAD(&s->lookups, p, next);
	s->lookups_len++;
}

/* Return: 0, or ERR_INVALID when the engine broke the order of messages or claims what cannot be. */
static int dispatch(struct serve *s, const union message *m, struct pending *p)
{
	switch ((enum message_type)m->header.type) {
	case MESSAGE_RESOLVE:
		serve_resolve(s, &m->resolve, p);
		return 0;
	case MESSAGE_HOOK:
		if (!hook_allowed(s->conf, &m->hook.facts))
			return ERR_INVALID;
		hook_run(s->hooks, &m->hook.facts, answer_pending, p);
		return 0;
	case MESSAGE_NET_COMMIT:
		return network_commit(s->net, answer_pending, p);
	default:
		return ERR_INVALID;
	}
}

/* Only a client connects and takes its network from the engine; only a gateway has hooks. */
static bool role_allows(const struct serve *s, enum message_type type)
{
	return (s->conf->role == CONF_SERVER) == (type == MESSAGE_HOOK);
}

static int serve_one(struct serve *s, const union message *m, int len)
{
	struct pending *p;
	int r;

	if (message_check(m, (size_t)len) < 0 || !role_allows(s, m->header.type))
		return ERR_INVALID;
	switch ((enum message_type)m->header.type) {
	case MESSAGE_SOCKET:
		return serve_socket(s, &m->socket);
	case MESSAGE_NET_BEGIN:
		network_begin(s->net, m->net_begin.phase);
		return 0;
	case MESSAGE_NET_ITEM:
		return network_item(s->net, &m->net_item.item);
	default:
		break;
	}
	p = malloc(sizeof(*p));
	if (!p)
		return ERR_NOMEM;
	*p = (struct pending){ .serve = s, .id = m->header.id };
	r = dispatch(s, m, p);
	if (r < 0)
		free(p);
	return r;
}

/* Return: 0, ERR_AGAIN, ERR_EOF, or why the engine must go. */
static int read_one(struct serve *s)
{
	union message m = { 0 };
	int n, fd;

	n = sock_recv_fd(s->fd, &m, sizeof(m), &fd);
	if (n < 0)
		return n;
	if (fd >= 0)
		close(fd);
	return serve_one(s, &m, n);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct serve *s = poll->data;
	int n, r = 0, batch = status < 0 ? DRAIN_MAX : READ_BATCH; /* the loop looks no more after an error */

	(void)events;
	for (n = 0; n < batch && r == 0 && s->fd >= 0; n++)
		r = read_one(s);
	if (status == 0 && (r == 0 || r == ERR_AGAIN))
		return;
	if (r < 0 && r != ERR_EOF && r != ERR_AGAIN)
		log_err("the engine sent what it may not: %s", err_text(r));
	cut_off(s);
}

struct serve *serve_new(uv_loop_t *loop, int fd, const struct conf *conf, struct network *net,
			const struct privilege *user, const char *device, void (*broken)(void *arg), void *arg)
{
	struct serve *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	*s = (struct serve){
		.loop = loop,
		.fd = fd,
		.conf = conf,
		.net = net,
		.user = user,
		.hooks = hook_new(loop, conf, device),
		.broken = broken,
		.arg = arg,
	};
	s->poll.data = s;
	if (!s->hooks || uv_poll_init(loop, &s->poll, fd) < 0) {
		hook_free(s->hooks);
		free(s);
		return NULL;
	}
	uv_poll_start(&s->poll, UV_READABLE, on_ready);
	return s;
}

void serve_stop(struct serve *s)
{
	union message m = { .header.type = MESSAGE_STOP };

	send_message(s, &m, -1);
}

void serve_drain(struct serve *s)
{
	int n;

	for (n = 0; n < DRAIN_MAX && s->fd >= 0 && read_one(s) == 0; n++)
		;
	while (!LIST_EMPTY(&s->lookups))
		resolve_stop(LIST_FIRST(&s->lookups)->lookup);
	network_abandon(s->net);
	if (s->fd < 0)
		return;
	uv_poll_stop(&s->poll);
	close(s->fd);
	s->fd = -1;
}

bool serve_busy(const struct serve *s)
{
	return hook_busy(s->hooks) || network_busy(s->net) || s->lookups_len;
}

void serve_abandon(struct serve *s)
{
	hook_abandon(s->hooks);
}

void serve_free(struct serve *s)
{
	if (!s)
		return;
	hook_free(s->hooks);
	free(s);
}
