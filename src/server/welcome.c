/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway's answer to datagrams of nobody it knows. */
#include "server/welcome.h"

#include <string.h>

#include "conf/conf.h"
#include "crypto/dtls.h"
#include "crypto/dtls_cookie.h"
#include "io/udp.h"
#include "path/flow.h"
#include "server/server_int.h"
#include "session/app_id.h"
#include "session/session.h"
#include "wire/dtls_hello.h"

static enum verdict demand_cookie(struct worker *w, struct udp *u, const struct udp_received *from,
				  const struct dtls_hello *hello, uint64_t now_ms)
{
	uint8_t cookie[DTLS_COOKIE_LEN], answer[DTLS_HELLO_VERIFY_LEN];

	if (dtls_cookie_make(&w->server->cookie_secret, &from->peer.addr, from->peer.port, hello->id, hello->id_len,
			     now_ms, cookie) < 0)
		return DROP_COOKIE;
	dtls_hello_verify(hello, cookie, answer);
	udp_answer(u, from, answer, sizeof(answer));
	return PASS;
}

static bool cookie_good(struct worker *w, const struct udp_received *from, const struct dtls_hello *hello,
			uint64_t now_ms)
{
	return hello->cookie_len == DTLS_COOKIE_LEN &&
	       dtls_cookie_good(&w->server->cookie_secret, &from->peer.addr, from->peer.port, hello->id, hello->id_len,
				now_ms, hello->cookie);
}

/* Where the session is known to be: the address of its stream, or of its datagrams. */
static bool comes_from_home(struct session *s, const struct addr *from)
{
	bool known;

	pthread_mutex_lock(&s->tx_lock);
	known = addr_equal(&s->peer.addr, from) || (s->datagram && addr_equal(&s->datagram->peer.addr, from));
	pthread_mutex_unlock(&s->tx_lock);
	return known;
}

static enum verdict begin(struct worker *w, struct session *s, struct udp *u, const struct udp_received *from,
			  const struct app_id_facts *facts, uint64_t now_ms, struct flow **out)
{
	const struct conf *conf = w->server->conf;
	struct flow_settings settings = {
		.generation = facts->generation,
		.packet_max = facts->packet_max,
		.gate = s->overlap ? DATAGRAM_GATE_RECORD : DATAGRAM_GATE_READY,
		.dpd_seconds = (unsigned)conf->dpd.seconds,
		.keepalive_seconds = (unsigned)conf->dpd.keepalive_seconds,
	};
	bool known = comes_from_home(s, &from->peer.addr);
	struct dtls *dtls;

	if (!known && !s->overlap) {
		session_no_datagram(s, "its ClientHello comes from elsewhere than its stream");
		return DROP_APP_ID;
	}
	dtls = dtls_new(w->server->dtls, facts->psk, NULL, 0);
	*out = dtls ? flow_accept(&w->path, s, u, from, dtls, known, &settings, now_ms) : NULL;
	return *out ? PASS : DROP_HELLO;
}

enum verdict welcome_datagram(void *worker, struct udp *u, const struct udp_received *from, uint8_t *data, size_t len,
			      uint64_t now_ms)
{
	struct worker *w = worker;
	struct dtls_hello hello;
	struct datagram_packet nothing;
	struct app_id_facts facts;
	struct session *s;
	struct flow *f;
	enum verdict v = dtls_hello_peek(data, len, &hello);

	if (v != PASS)
		return v;
	if (!hello.cookie_len)
		return demand_cookie(w, u, from, &hello, now_ms);
	if (!cookie_good(w, from, &hello, now_ms))
		return DROP_COOKIE;
	s = app_ids_find(w->server->app_ids, hello.id, hello.id_len, &facts);
	if (!s)
		return DROP_APP_ID;
	v = begin(w, s, u, from, &facts, now_ms, &f);
	explicit_bzero(&facts, sizeof(facts));
	session_put(s);
	return v == PASS ? flow_take(f, data, len, now_ms, &nothing) : v;
}
