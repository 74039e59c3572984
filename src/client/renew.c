/* SPDX-License-Identifier: Apache-2.0 */
/* Opens a session's next generation while the present one carries the traffic. */
#include "client/renew.h"

#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "client/airway.h"
#include "client/client_int.h"
#include "client/failure.h"
#include "client/keeper.h"
#include "conf/conf.h"
#include "path/link.h"
#include "server/report.h"
#include "session/channel.h"
#include "session/session.h"

enum { ECHO_WAIT_MS = 1000 };

/* The present generation goes on, the next attempt comes after the session's back-off. */
static void give_up(struct client *c, const char *why)
{
	struct session *s = c->session;

	renew_stop(c);
	rekey_failed(&s->rekey, clock_ms());
	renew_failed(c, why);
	if (s->handing_over)
		session_release_sending(s);
	link_touch(c->link);
}

static void on_failed(void *arg, const struct failure *why)
{
	give_up(arg, why->reason);
}

/* ---- to a gateway with overlap ---- */

static int join(struct client *c, struct channel *channel, const struct tunnel_grant *grant)
{
	const struct channel *current = c->session->current;
	unsigned next = c->session->generation + 1;

	if (!keeper_same(c, grant) || grant->generation != next)
		return ERR_PROTO;
	channel->generation = next;
	airway_granted(c, channel, grant);
	return link_join(c->link, channel, (unsigned)(current->dpd.interval_ms / 1000),
			 (unsigned)(current->dpd.keepalive_ms / 1000));
}

static void on_joined(void *arg, struct channel *channel, const struct tunnel_grant *grant)
{
	struct tunnel_grant g = *grant;
	struct client *c = arg;
	int r = join(c, channel, &g);

	tunnel_grant_fini(&g);
	if (r == 0)
		return;
	opening_drop(channel);
	give_up(c, err_text(r));
}

static const struct opening_events overlap_events = { .done = on_joined, .failed = on_failed };

/* ---- to any other gateway ---- */

static void proceed(struct client *c)
{
	uv_timer_stop(&c->echo);
	opening_proceed(&c->opening);
}

static void on_no_echo(uv_timer_t *timer)
{
	log_debug("no echo on the old stream, going on without");
	proceed(timer->data);
}

static void on_swap_ready(void *arg)
{
	struct client *c = arg;

	session_hold_sending(c->session); /* until the swap the TUN's own queues slow their senders down */
	random_bytes(c->marker, MARKER_LEN);
	uv_update_time(&c->loop);
	uv_timer_start(&c->echo, on_no_echo, ECHO_WAIT_MS, 0);
	session_probe(c->session, c->marker, MARKER_LEN, clock_ms());
}

static void on_swapped(void *arg, struct channel *channel, const struct tunnel_grant *grant)
{
	struct client *c = arg;

	if (!keeper_same(c, grant)) {
		renew_stop(c);
		keeper_take_up(c, channel, grant);
	} else if (keeper_attach(c, channel, grant) < 0) {
		give_up(c, err_text(ERR_SYS));
	}
}

static const struct opening_events swap_events = {
	.ready = on_swap_ready,
	.done = on_swapped,
	.failed = on_failed,
};

/* ---- exported ---- */

void renew_start(struct client *c)
{
	const struct session *s = c->session;
	struct opening_wish wish = {
		.addrs = &s->peer.addr,
		.addrs_len = 1,
		.had_ipv4 = s->ipv4,
		.had_ipv6 = s->ipv6,
		.join = s->overlap ? s->generation + 1 : 0,
		.events = s->overlap ? &overlap_events : &swap_events,
	};

	c->renewing = true;
	opening_start(&c->opening, &wish);
}

void renew_moved(struct client *c)
{
	const struct session *s = c->session;
	const struct tls_facts *facts = &s->current->facts;

	if (!c->renewing)
		return;
	c->renewing = false;
	report_count_add(COUNT_REKEYS);
	log_info("rekeyed name=%s generation=%u suite=%s group=%s", s->name, s->generation, facts->suite, facts->group);
	client_event(c, "rekey", NULL);
}

void renew_failed(struct client *c, const char *why)
{
	c->renewing = false;
	report_count_add(COUNT_REKEY_FAILURES);
	log_warn("rekey failed name=%s generation=%u: %s", c->session->name, c->session->generation, why);
	client_event(c, "rekey_failed", why);
}

void renew_echo(struct client *c, const uint8_t *data, size_t len)
{
	if (uv_is_active((uv_handle_t *)&c->echo) && len == MARKER_LEN && !memcmp(data, c->marker, len))
		proceed(c);
}

void renew_stop(struct client *c)
{
	if (!c->renewing)
		return;
	c->renewing = false;
	uv_timer_stop(&c->echo);
	opening_stop(&c->opening);
}
