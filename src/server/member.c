/* SPDX-License-Identifier: Apache-2.0 */
/* A session at its gateway: what becomes of it once it has begun. */
#include "server/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "conf/conf.h"
#include "monitor/ask.h"
#include "path/link.h"
#include "path/mailbox.h"
#include "server/report.h"
#include "server/server_int.h"
#include "server/sources.h"
#include "session/app_id.h"
#include "session/peers.h"
#include "session/session.h"
#include "session/table.h"

enum { TALK_BURST = 40 }; /* lines about one name in LOG_WINDOW_MS: a client may come and go as often as it likes */

struct worker *member_home(const struct session *s)
{
	return s->owner;
}

struct mailbox *member_main_mailbox(struct server *server)
{
	return server->workers[0].path.mailbox;
}

void member_free(struct session *s)
{
	link_free(s->link);
	session_put(s);
}

void member_facts(const struct session *s, bool connect, const char *reason, struct hook_facts *out)
{
	*out = (struct hook_facts){
		.connect = connect,
		.session = s->id,
		.ipv4 = s->ipv4,
		.ipv6 = s->ipv6,
		.rx_bytes = atomic_load(&s->rx_bytes),
		.tx_bytes = atomic_load(&s->tx_bytes),
		.seconds = (clock_wall_ms() - s->since_ms) / 1000,
	};
	snprintf(out->name, sizeof(out->name), "%s", s->name);
	endpoint_format(&s->peer, out->peer);
	endpoint_format(&s->local, out->local);
	snprintf(out->reason, sizeof(out->reason), "%s", reason ? reason : "");
}

static bool may_log(const struct session *s)
{
	struct worker *w = member_home(s);

	return log_allowed(&w->talk[hash_bytes(HASH_SEED, s->name, strlen(s->name)) % WORKER_NAMES], TALK_BURST);
}

/* Books the outer address under which the session lives now; ADDR_NONE: none. */
static void set_source(struct session *s, const struct addr *a)
{
	struct sources *sources = member_home(s)->server->sources;

	if (addr_equal(&s->source, a))
		return;
	if (s->source.family)
		sources_remove(sources, &s->source);
	if (a->family)
		sources_add(sources, a);
	s->source = *a;
}

static void on_moved(struct session *s)
{
	struct server *server = member_home(s)->server;
	char peer[ENDPOINT_TEXT_LEN], ipv4[ADDR_TEXT_LEN], ipv6[ADDR_TEXT_LEN];

	set_source(s, &s->peer.addr);
	app_ids_drop(server->app_ids, s, s->generation);
	if (!s->away)
		report_count_add(COUNT_REKEYS);
	if (may_log(s))
		log_info("%s session=%llu name=%s generation=%u peer=%s ipv4=%s ipv6=%s", s->away ? "up" : "rekeyed",
			 (unsigned long long)s->id, s->name, s->generation, endpoint_format(&s->peer, peer),
			 addr_format(&s->ipv4, ipv4), addr_format(&s->ipv6, ipv6));
	server_event(server, report_event(s->away ? "up" : "rekey", s, NULL, NULL));
}

static void on_rekey_failed(struct session *s, const char *why)
{
	app_ids_drop(member_home(s)->server->app_ids, s, s->generation);
	report_count_add(COUNT_REKEY_FAILURES);
	if (may_log(s))
		log_warn("rekey failed session=%llu name=%s reason=\"%s\"", (unsigned long long)s->id, s->name, why);
	server_event(member_home(s)->server, report_event("rekey_failed", s, NULL, why));
}

static void on_lost(struct session *s, const char *why)
{
	static const struct addr none;

	set_source(s, &none);
	report_count_add(COUNT_STREAMS_LOST);
	if (may_log(s))
		log_info("stream lost session=%llu name=%s reason=\"%s\"", (unsigned long long)s->id, s->name, why);
	server_event(member_home(s)->server, report_event("lost", s, NULL, why));
}

static void on_generation_over(struct session *s)
{
	app_ids_drop(member_home(s)->server->app_ids, s, 0);
}

/* Main loop. */
struct hook_letter {
	struct server *server;
	struct hook_facts facts;
};

static void ask_disconnect_hook(void *arg)
{
	struct hook_letter *letter = arg;

	ask_hook(letter->server->ask, &letter->facts, NULL, NULL);
	free(letter);
}

void member_disconnect_hook(struct session *s, const char *reason)
{
	struct server *server = member_home(s)->server;
	struct hook_letter *letter;

	if (!server->conf->hooks.disconnect[0] || !(letter = malloc(sizeof(*letter))))
		return;
	letter->server = server;
	member_facts(s, false, reason, &letter->facts);
	if (mailbox_post(member_main_mailbox(server), ask_disconnect_hook, letter) < 0)
		free(letter);
}

static void end_session(struct session *s, const char *why, const char *tell)
{
	struct worker *w = member_home(s);
	static const struct addr none;

	if (s->ending)
		return;
	session_table_remove(w->server->table, s);
	peers_leave(w->server->peers, s);
	app_ids_drop(w->server->app_ids, s, 0);
	TAILQ_REMOVE(&w->sessions, s, of_home);
	set_source(s, &none);
	member_disconnect_hook(s, why);
	if (may_log(s))
		log_info("down session=%llu name=%s reason=\"%s\"", (unsigned long long)s->id, s->name, why);
	server_event(w->server, report_event("down", s, NULL, why));
	session_end(s, tell, clock_ms());
	link_wake(s->link);
}

static void on_over(struct session *s, const char *why, bool by_peer)
{
	end_session(s, by_peer && !why[0] ? "ended by the client" : why, by_peer ? NULL : why);
}

static void on_drained(struct session *s)
{
	member_free(s);
}

static void on_transport(struct session *s)
{
	log_debug("transport session=%llu name=%s datagrams=%d", (unsigned long long)s->id, s->name, s->by_datagram);
	server_event(member_home(s)->server, report_event("transport", s, NULL, NULL));
}

static void on_echo(struct session *s, const uint8_t *data, size_t len)
{
	(void)s;
	(void)data;
	(void)len; /* a gateway sends no probe with a payload */
}

const struct session_events member_events = {
	.moved = on_moved,
	.rekey_failed = on_rekey_failed,
	.lost = on_lost,
	.generation_over = on_generation_over,
	.over = on_over,
	.drained = on_drained,
	.echo = on_echo,
	.transport = on_transport,
};

void member_end(struct session *s, const char *reason)
{
	end_session(s, reason ? reason : "the gateway is stopping", reason);
}

/* What other threads want of a session, run at its home. */
struct wish {
	struct session *session; /* referenced */
	char reason[SESSION_TEXT_MAX];
};

static void grant_end(void *arg)
{
	struct wish *w = arg;

	member_end(w->session, w->reason);
	session_put(w->session);
	free(w);
}

static void grant_rekey(void *arg)
{
	struct wish *w = arg;

	if (!w->session->ending) {
		session_rekey_now(w->session, clock_ms());
		link_wake(w->session->link);
	}
	session_put(w->session);
	free(w);
}

static void post_wish(struct session *s, void (*fn)(void *), const char *reason)
{
	struct wish *w = calloc(1, sizeof(*w));

	if (!w)
		return;
	if (!session_get(s)) {
		free(w);
		return;
	}
	w->session = s;
	snprintf(w->reason, sizeof(w->reason), "%s", reason);
	if (mailbox_post(member_home(s)->path.mailbox, fn, w) < 0) {
		session_put(s);
		free(w);
	}
}

void member_post_end(struct session *s, const char *reason)
{
	post_wish(s, grant_end, reason);
}

void member_post_rekey(struct session *s)
{
	post_wish(s, grant_rekey, "");
}
