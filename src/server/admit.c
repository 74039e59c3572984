/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a CONNECT to a stream of a session. An arrival is a stream on its way: it has left its connection and goes to
 * the session's home worker, for a new session by way of the connect hook.
 */
#include "server/admit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "monitor/ask.h"
#include "path/link.h"
#include "path/mailbox.h"
#include "server/conn.h"
#include "server/grant.h"
#include "server/member.h"
#include "server/report.h"
#include "server/server_int.h"
#include "session/app_id.h"
#include "session/channel.h"
#include "session/peers.h"
#include "session/session.h"
#include "session/table.h"
#include "wire/http.h"
#include "wire/records.h"
#include "wire/tunnel.h"

struct arrival {
	struct worker *worker; /* the session's home to be */
	int fd;
	struct endpoint peer;
	struct records *records;
	struct tls_facts facts;
	struct tls_identity_proof proof;
	uint8_t psk[TLS_PSK_LEN];
	struct buf plain;
	struct tunnel_offer offer;
	struct session *session; /* referenced; NULL: to be made */
	struct admission admission;
	bool hooked; /* the connect hook has run */
	int hook_result;
};

static void free_arrival(struct arrival *a)
{
	records_free(a->records);
	buf_fini(&a->plain);
	session_put(a->session);
	explicit_bzero(&a->offer, sizeof(a->offer));
	explicit_bzero(a->psk, sizeof(a->psk));
	free(a);
}

/* ---- refusals ---- */

static int encode_refusal(int status, const char *reason, const struct tunnel_offer *offer, struct buf *out)
{
	struct tunnel_grant grant = { .status = status };

	snprintf(grant.reason, sizeof(grant.reason), "%s", reason);
	return tunnel_encode_grant(&grant, offer, out);
}

static void refuse_conn(struct conn *c, int status, const char *reason, const struct tunnel_offer *offer)
{
	char peer[ENDPOINT_TEXT_LEN];
	struct buf reply = BUF_INIT;

	log_limited(LOG_LEVEL_WARN, "CONNECT refused peer=%s name=%s status=%d reason=\"%s\"",
		    endpoint_format(&c->peer, peer), c->proof.name, status, reason);
	if (encode_refusal(status, reason, offer, &reply) < 0)
		buf_clear(&reply);
	conn_send(c, &reply);
	conn_finish(c);
}

/* Closing with unread bytes would send a reset that overtakes the reason; one who sends on and on is not waited for. */
static void drain(int fd)
{
	uint8_t unread[4096];
	size_t drained = 0;
	ssize_t len;

	while (drained < CONN_DRAIN_MAX && (len = sock_recv(fd, unread, sizeof(unread))) > 0)
		drained += (size_t)len;
}

/* The stream has left its connection: one best effort to say why, then it is closed. */
static void refuse_arrival(struct arrival *a, int status, const char *reason)
{
	struct buf reply = BUF_INIT, sealed = BUF_INIT;
	char peer[ENDPOINT_TEXT_LEN];

	log_limited(LOG_LEVEL_WARN, "CONNECT refused peer=%s name=%s status=%d reason=\"%s\"",
		    endpoint_format(&a->peer, peer), a->proof.name, status, reason);
	if (!encode_refusal(status, reason, &a->offer, &reply) &&
	    !records_seal(a->records, buf_data(&reply), buf_len(&reply), &sealed)) {
		records_close(a->records, &sealed);
		sock_send(a->fd, buf_data(&sealed), buf_len(&sealed));
	}
	buf_fini(&reply);
	buf_fini(&sealed);
	shutdown(a->fd, SHUT_WR);
	drain(a->fd);
	close(a->fd);
	free_arrival(a);
}

/* ---- a stream of a living session, on its home worker ---- */

/* Whether the listener that the stream came by takes datagrams, too. */
static bool takes_datagrams(const struct conf *conf, uint16_t port)
{
	size_t i;

	for (i = 0; i < conf->listen.len; i++)
		if (conf->listen.items[i].port == port && conf->listen.items[i].datagrams)
			return true;
	return false;
}

/* The App-ID by which the new stream's datagrams begin. */
static int name_channel(const struct arrival *a, unsigned generation, struct grant_datagrams *d)
{
	struct app_ids *ids = a->worker->server->app_ids;
	unsigned packet_max = grant_packet_max(a->worker->server->conf, &a->offer, d);

	if (session_keeps_datagrams(a->session) &&
	    app_ids_renew(ids, a->session, generation, a->psk, packet_max, d->app_id) == 0)
		return 0;
	return app_ids_add(ids, a->session, generation, a->psk, packet_max, d->app_id);
}

/* Whether a datagram channel can be granted; it has an App-ID then. */
static bool invite(const struct arrival *a, unsigned generation, struct grant_datagrams *out)
{
	struct server *server = a->worker->server;
	struct endpoint local;

	if (!a->offer.psk_negotiate || sock_local(a->fd, &local) < 0 || !takes_datagrams(server->conf, local.port)) {
		session_no_datagram(a->session, a->offer.psk_negotiate ? "not offered on this port"
								       : "the client does not ask for it");
		return false;
	}
	*out = (struct grant_datagrams){
		.app_id_len = APP_ID_LEN,
		.port = local.port,
		.outer = local.addr.family,
		.pmtu = sock_pmtu(a->fd),
	};
	if (name_channel(a, generation, out) < 0)
		return false;
	session_no_datagram(a->session, "the client has not begun a handshake");
	return true;
}

static int seal_grant(const struct arrival *a, struct records *records, unsigned generation, struct buf *out)
{
	struct grant_datagrams datagrams;
	struct tunnel_grant grant;
	struct buf reply = BUF_INIT;
	bool invited = invite(a, generation, &datagrams);
	int r;

	r = grant_fill(&grant, a->worker->server->conf, a->session, &a->offer, generation, invited ? &datagrams : NULL);
	if (r == 0)
		r = tunnel_encode_grant(&grant, &a->offer, &reply);
	grant_fini(&grant);
	if (r == 0)
		r = records_seal_all(records, buf_data(&reply), buf_len(&reply), out);
	buf_fini(&reply);
	return r;
}

/* The arrival's socket and keys become a channel. */
static struct channel *make_channel(struct arrival *a)
{
	struct channel *c = channel_new(a->records, a->fd, &a->peer, &a->facts,
					a->offer.frames ? FRAME_FORMAT_ADIT : FRAME_FORMAT_CSTP);

	if (!c)
		return NULL;
	a->records = NULL;
	c->plain = a->plain;
	a->plain = (struct buf)BUF_INIT;
	return c;
}

/* The other way round, when the session would not have it. */
static void unmake_channel(struct arrival *a, struct channel *c)
{
	a->records = c->records;
	c->records = NULL;
	channel_free(c);
}

static void join(struct arrival *a)
{
	const struct conf *conf = a->worker->server->conf;
	struct session *s = a->session;
	struct channel *c = make_channel(a);
	int r;

	if (!c) {
		refuse_arrival(a, 503, "out of memory");
		return;
	}
	c->generation = a->offer.join;
	if ((r = link_join(s->link, c, (unsigned)conf->dpd.seconds, (unsigned)conf->dpd.keepalive_seconds)) < 0) {
		unmake_channel(a, c);
		refuse_arrival(a, 503, r == ERR_EXISTS ? "two generations live already" : "no session to join");
		return;
	}
	/* Not before: a record that was sealed and not sent would spoil those of a refusal. */
	if (seal_grant(a, c->records, c->generation, &c->out) < 0)
		session_gone(s, c, "out of memory", clock_ms());
	else
		s->io->flush(c);
	free_arrival(a);
}

/* A session that never had a stream would wait for it for ever. */
static void end_if_new(struct session *s)
{
	if (!s->generation)
		member_end(s, NULL);
}

static void attach(struct arrival *a)
{
	const struct conf *conf = a->worker->server->conf;
	struct session *s = a->session;
	struct buf reply = BUF_INIT;
	struct channel *c;

	if (session_keeps_datagrams(s) && !addr_equal(&s->peer.addr, &a->peer.addr))
		session_end_generation(s); /* told the same App-ID, it would go on sending from where it is no more */
	c = seal_grant(a, a->records, s->generation + 1, &reply) < 0 ? NULL : make_channel(a);
	if (!c) {
		buf_fini(&reply);
		end_if_new(s);
		refuse_arrival(a, 503, "out of memory");
		return;
	}
	c->out = reply; /* the grant goes out before anything that waits in the session's queue */
	if (link_attach(s->link, c, (unsigned)conf->dpd.seconds, (unsigned)conf->dpd.keepalive_seconds) < 0) {
		unmake_channel(a, c);
		end_if_new(s);
		refuse_arrival(a, 503, "no resources");
		return;
	}
	free_arrival(a);
}

static void arrive(void *arg)
{
	struct arrival *a = arg;

	if (a->worker->stopping)
		refuse_arrival(a, 503, "the gateway is stopping");
	else if (!a->session->link || a->session->ending)
		refuse_arrival(a, 401, "the session has ended");
	else if (a->offer.join)
		join(a);
	else
		attach(a);
}

/* ---- a new session ---- */

static struct session *make_session(struct arrival *a)
{
	const struct conf *conf = a->worker->server->conf;
	const struct conf_client *fixed = a->admission.fixed;
	struct session_settings settings = {
		.side = SESSION_GATEWAY,
		.name = a->proof.name,
		.ipv4 = a->admission.ipv4,
		.ipv6 = a->admission.ipv6,
		.networks = fixed ? fixed->networks.items : NULL,
		.networks_len = fixed ? fixed->networks.len : 0,
		.overlap = a->offer.overlap,
		.smooth = !a->offer.overlap && conf->rekey.stock == CONF_STOCK_SMOOTH,
		.rekey = {
			.interval_ms = (uint64_t)conf->rekey.seconds * 1000,
			.records = UINT64_C(1) << conf->rekey.records_log2,
			.bytes = (uint64_t)conf->rekey.mib << 20,
		},
		.keep_seconds = (unsigned)conf->limits.cookie_seconds,
		.idle_seconds = (unsigned)conf->limits.idle_seconds,
		.events = &member_events,
		.owner = a->worker,
	};
	struct session *s = session_new(&settings, clock_ms());

	if (!s)
		return NULL;
	s->peer = a->peer;
	if (sock_local(a->fd, &s->local) < 0)
		s->local = (struct endpoint){ 0 };
	return s;
}

/* The addresses of the admission go back, and the stream is refused. */
static void refuse_new(struct arrival *a, int status, const char *reason)
{
	peers_release(a->worker->server->peers, &a->proof, a->offer.cookie, &a->admission);
	if (a->hooked && a->hook_result == 0)
		member_disconnect_hook(a->session, reason); /* what the connect hook did is to be undone */
	refuse_arrival(a, status, reason);
}

/* Books the new session and makes the arrival its first stream. */
static void enter(struct arrival *a)
{
	struct worker *w = a->worker;
	struct session *s = a->session;

	if (!link_new(&w->path, s)) {
		refuse_new(a, 503, "out of memory");
		return;
	}
	peers_enter(w->server->peers, &a->proof, a->offer.cookie, s);
	session_get(s); /* the arrival's; the first reference is this room's, until the session is drained */
	session_table_add(w->server->table, s);
	TAILQ_INSERT_TAIL(&w->sessions, s, of_home);
	attach(a);
}

static void after_hook(void *arg)
{
	struct arrival *a = arg;

	if (a->hook_result == 0 && !a->worker->stopping) {
		enter(a);
	} else if (a->hook_result == 0) {
		refuse_new(a, 503, "the gateway is stopping");
	} else {
		report_count_add(COUNT_HOOK_REFUSED);
		refuse_new(a, a->hook_result == ERR_REFUSED ? 403 : 503,
			   a->hook_result == ERR_REFUSED ? "refused by the gateway's connect hook"
							 : "the gateway's connect hook did not finish");
	}
}

/* Main loop: the hook has ended. */
static void hook_done(void *arg, int result)
{
	struct arrival *a = arg;

	a->hooked = true;
	a->hook_result = result;
	if (mailbox_post(a->worker->path.mailbox, after_hook, a) < 0)
		log_err("out of memory: a connection is stuck");
}

/* Main loop. */
static void ask_connect_hook(void *arg)
{
	struct arrival *a = arg;
	struct server *server = a->worker->server;
	struct hook_facts facts;

	member_facts(a->session, true, NULL, &facts);
	ask_hook(server->ask, &facts, hook_done, a);
}

static void end_replaced(struct server *server, struct admission *admission)
{
	size_t i;

	for (i = 0; i < admission->replaced_len; i++) {
		struct session *s = admission->replaced[i];

		report_count_add(COUNT_REPLACED);
		session_table_remove(server->table, s);
		member_post_end(s, "replaced");
		session_put(s);
	}
	admission->replaced_len = 0;
}

/* The admission failed, so there is nothing to release. */
static void refuse_admission(struct arrival *a, int why)
{
	switch (why) {
	case ERR_FULL:
		report_count_add(COUNT_POOL_EMPTY);
		refuse_arrival(a, 503, "no address is free");
		return;
	case ERR_EXISTS:
		refuse_arrival(a, 503, "another connection of yours is on its way");
		return;
	case ERR_DENIED:
		report_count_add(COUNT_COOKIE_REFUSED);
		refuse_arrival(a, 401, "the cookie is not acceptable");
		return;
	default:
		refuse_arrival(a, 503, "no address of a family you asked for");
		return;
	}
}

static void begin_session(struct arrival *a)
{
	struct server *server = a->worker->server;
	int r;

	r = peers_admit(server->peers, &a->proof, a->offer.cookie, a->offer.ipv4, a->offer.ipv6, &a->admission);
	end_replaced(server, &a->admission);
	if (r < 0) {
		refuse_admission(a, r);
		return;
	}
	a->session = make_session(a);
	if (a->session && !server->conf->hooks.connect[0])
		enter(a);
	else if (!a->session || mailbox_post(member_main_mailbox(server), ask_connect_hook, a) < 0)
		refuse_new(a, 503, "out of memory");
}

/* ---- from the connection ---- */

/* The connection gives up its socket, keys and unread bytes. */
static struct arrival *detach(struct conn *c, const struct tunnel_offer *offer)
{
	struct arrival *a = calloc(1, sizeof(*a));

	if (!a)
		return NULL;
	a->worker = c->worker;
	a->fd = c->fd;
	a->peer = c->peer;
	a->records = c->records;
	a->facts = c->facts;
	a->proof = c->proof;
	memcpy(a->psk, c->psk, sizeof(a->psk));
	a->plain = c->plain;
	a->offer = *offer;
	c->records = NULL;
	c->plain = (struct buf)BUF_INIT;
	conn_detach(c);
	return a;
}

static void go_home(struct arrival *a, struct session *living)
{
	struct worker *here = a->worker;

	a->session = living;
	a->worker = member_home(living);
	if (a->worker == here)
		arrive(a);
	else if (mailbox_post(a->worker->path.mailbox, arrive, a) < 0)
		refuse_arrival(a, 503, "out of memory");
}

void admit_connect(struct conn *c, const struct http_message *m)
{
	struct session *living = NULL;
	struct tunnel_offer offer;
	struct arrival *a;
	int r;

	r = tunnel_decode_offer(m, &offer);
	if (strcmp(m->url, TUNNEL_PATH)) {
		report_count_add(COUNT_HTTP_ERRORS);
		refuse_conn(c, 404, "no such path", &offer);
	} else if (r < 0 && r != ERR_MISSING) {
		report_count_add(COUNT_HTTP_ERRORS);
		refuse_conn(c, 400, "malformed header", &offer);
	} else if (r == ERR_MISSING ||
		   peers_claim(c->worker->server->peers, &c->proof, offer.cookie, clock_ms(), &living) < 0) {
		report_count_add(COUNT_COOKIE_REFUSED);
		refuse_conn(c, 401, "the cookie is not acceptable", &offer);
	} else if (!living && offer.join) {
		refuse_conn(c, 503, "no session to join", &offer);
	} else if (!(a = detach(c, &offer))) {
		session_put(living);
		conn_close(c);
	} else if (living) {
		go_home(a, living);
	} else {
		begin_session(a);
	}
	explicit_bzero(&offer, sizeof(offer));
}
