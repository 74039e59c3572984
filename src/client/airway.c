/* SPDX-License-Identifier: Apache-2.0 */
/* The client's datagram channel. */
#include "client/airway.h"

#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "client/client_int.h"
#include "conf/conf.h"
#include "crypto/dtls.h"
#include "io/udp.h"
#include "path/flow.h"
#include "session/channel.h"
#include "session/session.h"
#include "wire/mtu.h"

/* ocserv takes a client for one that has gone to the stream when it has heard no datagram for 15 s. */
enum { AIRWAY_HEARD_SECONDS = 10 };

static void on_again(uv_timer_t *timer);

static bool is_wanted(const struct client *c)
{
	const struct airway *a = &c->airway;

	return !c->ending && c->session && a->offer.id_len && a->offer.generation == c->session->generation;
}

/* The channel of this generation is there and passes; an older one's may still be in use. */
static bool has_it(const struct client *c)
{
	struct session *s = c->session;
	bool has;

	pthread_mutex_lock(&s->tx_lock);
	has = session_by_datagram(s) && s->datagram->generation == c->airway.offer.generation;
	pthread_mutex_unlock(&s->tx_lock);
	return has;
}

static void again_later(struct client *c)
{
	uint64_t now = clock_ms(), at = c->airway.dialed_ms + AIRWAY_AGAIN_MS;

	if (!is_wanted(c) || has_it(c))
		return;
	uv_update_time(&c->loop);
	uv_timer_start(&c->airway.again, on_again, at > now ? at - now : 1, 0);
}

static void on_failed(struct session *s, const char *why)
{
	struct client *c = s->owner;

	if (s != c->session)
		return;
	log_debug("no datagrams: %s", why);
	again_later(c);
}

static unsigned keepalive(const struct session *s, const struct airway_offer *offer)
{
	bool enough = s->overlap || (offer->keepalive_seconds && offer->keepalive_seconds < AIRWAY_HEARD_SECONDS);

	return enough ? offer->keepalive_seconds : AIRWAY_HEARD_SECONDS;
}

/* What the kernel has refused for one socket stays off for the next. */
static bool may_segment(const struct client *c)
{
	bool may = true;

	for (size_t i = 0; i < c->paths_len; i++)
		may = may && c->paths[i].udp_gso;
	return may;
}

static int dial(struct client *c, int fd)
{
	const struct airway_offer *offer = &c->airway.offer;
	struct session *s = c->session;
	struct endpoint to = { .addr = s->peer.addr, .port = offer->port };
	struct flow_settings settings = {
		.generation = offer->generation,
		.gate = DATAGRAM_GATE_NONE,
		.announce = true,
		.dpd_seconds = offer->dpd_seconds,
		.keepalive_seconds = keepalive(s, offer),
	};
	struct mtu_way way = { .base = offer->base_mtu, .outer = to.addr.family, .cipher = MTU_GCM };
	int inside = mtu_inside(&way), packet_max = inside < offer->mtu ? inside : offer->mtu;
	struct dtls *dtls = NULL;
	struct udp u;

	settings.packet_max = packet_max > 0 ? (unsigned)packet_max : 0;
	if (sock_connect(fd, &to) == 0 && udp_init(&u, fd, may_segment(c), c->conf->offload.udp_gro) == 0)
		dtls = dtls_new(c->dtls, offer->psk, offer->id, offer->id_len);
	if (!dtls) {
		close(fd);
		return ERR_SYS;
	}
	for (size_t i = 0; i < c->paths_len; i++) { /* all send by it */
		if (!u.gso)
			c->paths[i].udp_gso = false; /* never back to true: a worker may find it refused meanwhile */
		c->paths[i].udp_gro = u.gro;
	}
	return flow_dial(client_datagram_path(c), s, &u, &to, dtls, &settings, on_failed);
}

static void on_socket(void *arg, int result, int fd)
{
	struct client *c = arg;

	c->airway.asking = false;
	if (fd >= 0 && !is_wanted(c)) {
		close(fd);
		return;
	}
	if (fd >= 0)
		result = dial(c, fd);
	if (result < 0 && c->session) {
		session_no_datagram(c->session, err_text(result));
		on_failed(c->session, err_text(result));
	}
}

static void begin(struct client *c)
{
	uv_timer_stop(&c->airway.again);
	if (!is_wanted(c) || c->airway.asking)
		return;
	c->airway.asking = true;
	c->airway.dialed_ms = clock_ms();
	ask_socket(c->ask, ASK_DATAGRAM, c->session->peer.addr.family, on_socket, c);
}

static void on_again(uv_timer_t *timer)
{
	begin(timer->data);
}

/* ---- exported ---- */

void airway_granted(struct client *c, const struct channel *stream, const struct tunnel_grant *grant)
{
	struct airway_offer *offer = &c->airway.next;

	explicit_bzero(offer, sizeof(*offer));
	if (c->conf->transport == CONF_TRANSPORT_TLS || !grant->app_id_len)
		return;
	offer->generation = grant->generation;
	offer->port = (uint16_t)grant->dtls_port;
	offer->base_mtu = grant->base_mtu;
	offer->mtu = c->conf->tunnel.mtu && c->conf->tunnel.mtu < grant->mtu ? c->conf->tunnel.mtu : grant->mtu;
	offer->dpd_seconds = (unsigned)grant->dtls_dpd_seconds;
	offer->keepalive_seconds = (unsigned)grant->dtls_keepalive_seconds;
	memcpy(offer->id, grant->app_id, grant->app_id_len);
	offer->id_len = grant->app_id_len;
	memcpy(offer->psk, stream->psk, sizeof(offer->psk));
}

static const char *first_obstacle(const struct client *c)
{
	if (c->conf->transport == CONF_TRANSPORT_TLS)
		return "transport is \"tls\"";
	return c->airway.offer.id_len ? "no handshake is done yet" : "the gateway does not offer it";
}

void airway_moved(struct client *c)
{
	struct airway *a = &c->airway;

	a->offer = a->next;
	a->offer.generation = c->session->generation; /* ocserv does not count them */
	explicit_bzero(&a->next, sizeof(a->next));
	session_no_datagram(c->session, first_obstacle(c));
	begin(c);
}

void airway_changed(struct client *c)
{
	if (is_wanted(c) && has_it(c))
		uv_timer_stop(&c->airway.again);
	else
		again_later(c);
}

void airway_stop(struct client *c)
{
	uv_timer_stop(&c->airway.again);
	explicit_bzero(&c->airway.offer, sizeof(c->airway.offer));
	explicit_bzero(&c->airway.next, sizeof(c->airway.next));
}
