/* SPDX-License-Identifier: Apache-2.0 */
/* From addresses to a stream that carries the tunnel. */
#include "client/opening.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "client/dial.h"
#include "client/failure.h"
#include "client/stream.h"
#include "conf/conf.h"
#include "server/report.h"
#include "session/channel.h"
#include "wire/auth.h"
#include "wire/http.h"
#include "wire/tunnel.h"

enum {
	LOGIN_SECONDS = 10,
	CONNECT_SECONDS = 30, /* a gateway's hook may run before it answers */
};

static void fail(struct opening *o, const struct failure *why)
{
	struct failure copy = *why;

	copy.fresh = o->fresh;
	opening_stop(o);
	o->wish.events->failed(o->arg, &copy);
}

static void fail_by(struct opening *o, const char *what, int code)
{
	struct failure why;

	failure_set(&why, FAILURE_UNREACHABLE, 0, "%s: %s", what, err_text(code));
	fail(o, &why);
}

/* ---- CONNECT ---- */

static void take_grant(struct opening *o, struct tunnel_grant *g)
{
	struct stream *s = o->stream;
	struct channel *c;

	o->stream = NULL;
	c = stream_hand_over(s, g->frames ? FRAME_FORMAT_ADIT : FRAME_FORMAT_CSTP);
	if (c) {
		o->wish.events->done(o->arg, c, g);
		return;
	}
	tunnel_grant_fini(g);
	fail_by(o, "tunnel", ERR_NOMEM);
}

static void on_grant(void *arg, const struct http_message *m, const struct failure *why)
{
	struct opening *o = arg;
	struct tunnel_grant g;
	struct failure refusal;
	int r;

	if (!m) {
		fail(o, why);
		return;
	}
	r = tunnel_decode_grant(m, &g);
	if (r == 0 && g.status == 200) {
		take_grant(o, &g);
		return;
	}
	if (r == 0)
		failure_set(&refusal, FAILURE_STATUS, g.status, "the gateway refuses the tunnel: %d %s", g.status,
			    g.reason);
	else
		failure_set(&refusal, FAILURE_UNREACHABLE, 0, "the gateway's grant: %s: %s", err_text(r), g.reason);
	tunnel_grant_fini(&g);
	fail(o, &refusal);
}

static int encode_connect(struct opening *o, struct buf *out)
{
	struct tunnel_offer offer = {
		.base_mtu = stream_pmtu(o->stream),
		.mtu = o->conf->tunnel.mtu,
		.ipv4 = true,
		.ipv6 = true,
		.full_ipv6 = true,
		.had_ipv4 = o->wish.had_ipv4,
		.had_ipv6 = o->wish.had_ipv6,
		.psk_negotiate = o->conf->transport != CONF_TRANSPORT_TLS,
		.frames = true,
		.overlap = true,
		.join = o->wish.join,
	};
	int r;

	snprintf(offer.cookie, sizeof(offer.cookie), "%s", o->cookie);
	if (gethostname(offer.hostname, sizeof(offer.hostname) - 1) < 0)
		offer.hostname[0] = '\0';
	r = tunnel_encode_offer(&offer, o->conf->server_host, o->conf->server_port, out);
	explicit_bzero(&offer, sizeof(offer));
	return r;
}

void opening_proceed(struct opening *o)
{
	struct buf request = BUF_INIT;
	int r = encode_connect(o, &request);

	if (r == 0)
		r = stream_exchange(o->stream, &request, true, CONNECT_SECONDS, on_grant, o);
	buf_fini(&request);
	if (r < 0)
		fail_by(o, "CONNECT", r);
}

static void have_cookie(struct opening *o)
{
	if (o->wish.events->ready)
		o->wish.events->ready(o->arg);
	else
		opening_proceed(o);
}

/* ---- login ---- */

static void dial(struct opening *o);

static void read_login(const struct http_message *m, struct auth_reply *reply, struct failure *why)
{
	int r = auth_decode_reply(m, reply);

	if (r == 0)
		return;
	if (m->status != 200)
		failure_set(why, FAILURE_STATUS, m->status, "the gateway refuses the login: %d %s", m->status,
			    reply->error);
	else
		failure_set(why, FAILURE_UNREACHABLE, 0, "the gateway refuses the login: %s",
			    reply->error[0] ? reply->error : err_text(r));
}

static void on_login(void *arg, const struct http_message *m, const struct failure *why)
{
	struct failure refusal = { 0 };
	struct opening *o = arg;
	struct auth_reply reply;

	if (!m) {
		fail(o, why);
		return;
	}
	o->fresh = true;
	read_login(m, &reply, &refusal);
	if (refusal.reason[0]) {
		fail(o, &refusal);
		return;
	}
	memcpy(o->cookie, reply.cookie, AUTH_COOKIE_MAX);
	explicit_bzero(&reply, sizeof(reply));
	if (m->keep_alive) {
		have_cookie(o);
		return;
	}
	stream_free(o->stream);
	o->stream = NULL;
	dial(o);
}

static void login(struct opening *o)
{
	struct buf request = BUF_INIT;
	int r = auth_encode_request(o->conf->server_host, o->conf->server_port, &request);

	if (r == 0)
		r = stream_exchange(o->stream, &request, false, LOGIN_SECONDS, on_login, o);
	buf_fini(&request);
	if (r < 0)
		fail_by(o, "login", r);
}

/* ---- the connection ---- */

static void on_dialed(void *arg, const struct dialed *result, const struct failure *why)
{
	struct opening *o = arg;

	if (!result) {
		fail(o, why);
		return;
	}
	report_count_add(COUNT_HANDSHAKES);
	o->stream = stream_new_take(o->loop, result);
	if (!o->stream)
		fail_by(o, "connection", ERR_NOMEM);
	else if (o->cookie[0])
		have_cookie(o);
	else
		login(o);
}

static void dial(struct opening *o)
{
	dial_start(o->dial, o->addrs, o->wish.addrs_len, (uint16_t)o->conf->server_port, on_dialed, o);
}

/* ---- exported ---- */

void opening_init(struct opening *o, uv_loop_t *loop, struct dial *d, const struct conf *conf, char *cookie, void *arg)
{
	*o = (struct opening){ .loop = loop, .dial = d, .conf = conf, .cookie = cookie, .arg = arg };
}

void opening_start(struct opening *o, const struct opening_wish *wish)
{
	opening_stop(o);
	o->wish = *wish;
	memcpy(o->addrs, wish->addrs, wish->addrs_len * sizeof(*wish->addrs));
	o->wish.addrs = o->addrs;
	o->fresh = false;
	dial(o);
}

void opening_stop(struct opening *o)
{
	if (o->dial)
		dial_stop(o->dial);
	stream_free(o->stream);
	o->stream = NULL;
}

void opening_drop(struct channel *c)
{
	close(c->fd);
	channel_free(c);
}
