/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's engine: main is a list. */
#include "server/server.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/random.h"
#include "conf/conf.h"
#include "crypto/dtls.h"
#include "crypto/tls.h"
#include "monitor/ask.h"
#include "monitor/monitor.h"
#include "path/egress.h"
#include "path/mailbox.h"
#include "path/roam.h"
#include "server/member.h"
#include "server/control.h"
#include "server/report.h"
#include "server/server_int.h"
#include "server/sources.h"
#include "server/worker.h"
#include "session/app_id.h"
#include "session/peers.h"
#include "session/session.h"
#include "session/table.h"

enum { HOUSEKEEPING_MS = 10000, EXIT_CONFIG = 78 };

/* ---- the control socket's wishes; main loop ---- */

/* Sessions taken out of the table for a report, referenced: making JSON of them takes longer than its lock may be held.
 */
struct snapshot {
	struct session **items;
	size_t len, cap;
};

static void add_to_snapshot(struct session *s, void *arg)
{
	struct snapshot *all = arg;

	if (all->len < all->cap && session_get(s))
		all->items[all->len++] = s;
}

static json_t *op_sessions(void *arg)
{
	struct server *server = arg;
	struct snapshot all = { .cap = session_table_count(server->table) };
	json_t *list = json_array();
	size_t i;

	all.items = calloc(all.cap + 1, sizeof(struct session *));
	if (all.items)
		session_table_each(server->table, add_to_snapshot, &all);
	for (i = 0; i < all.len; i++) {
		json_array_append_new(list, report_session(all.items[i]));
		session_put(all.items[i]);
	}
	free(all.items);
	return list;
}

static json_t *op_status(void *arg)
{
	struct server *server = arg;
	const struct path *paths[TUN_QUEUES_MAX];
	int i;

	for (i = 0; i < server->workers_len; i++)
		paths[i] = &server->workers[i].path;
	return report_status("server", paths, (size_t)server->workers_len, op_sessions(arg));
}

/* Sessions of one name, or all; what is done with each. */
struct selection {
	const char *name;
	bool (*act)(struct session *s); /* whether there was something to do */
	int count;
};

static void select_session(struct session *s, void *arg)
{
	struct selection *selection = arg;

	if (selection->name && strcmp(selection->name, s->name))
		return;
	selection->count += selection->act(s);
}

static bool act_disconnect(struct session *s)
{
	member_post_end(s, "disconnected by the operator");
	return true;
}

/* A session without stream gets new keys with its next one anyway. */
static bool act_rekey(struct session *s)
{
	if (!session_has_stream(s))
		return false;
	member_post_rekey(s);
	return true;
}

static int op_disconnect(void *arg, const char *name)
{
	struct server *server = arg;
	struct selection selection = { .name = name, .act = act_disconnect };

	session_table_each(server->table, select_session, &selection);
	return selection.count;
}

static int op_rekey(void *arg, const char *name)
{
	struct server *server = arg;
	struct selection selection = { .name = name, .act = act_rekey };

	session_table_each(server->table, select_session, &selection);
	return selection.count;
}

static const struct control_ops control_ops = {
	.status = op_status,
	.sessions = op_sessions,
	.disconnect = op_disconnect,
	.rekey = op_rekey,
};

/* ---- events ---- */

struct event_letter {
	struct server *server;
	json_t *event;
};

static void tell_event(void *arg)
{
	struct event_letter *letter = arg;

	control_event(letter->server->control, letter->event);
	free(letter);
}

void server_event(struct server *server, json_t *event)
{
	struct event_letter *letter = malloc(sizeof(*letter));

	if (letter) {
		letter->server = server;
		letter->event = event;
		if (mailbox_post(server->workers[0].path.mailbox, tell_event, letter) == 0)
			return;
	}
	free(letter);
	json_decref(event);
}

/* ---- the end ---- */

static void close_main(struct server *server)
{
	control_close(server->control);
	server->control = NULL;
	ask_close(server->ask);
	uv_close((uv_handle_t *)&server->housekeeping, NULL);
	uv_close((uv_handle_t *)&server->on_term, NULL);
}

static void stop(struct server *server, int exit_code)
{
	int i;

	if (server->stopping)
		return;
	server->stopping = true;
	server->exit_code = exit_code;
	log_info("stopping");
	for (i = 1; i < server->workers_len; i++)
		mailbox_post(server->workers[i].path.mailbox, worker_stop, &server->workers[i]);
	for (i = 1; i < server->workers_len; i++)
		path_join(&server->workers[i].path);
	worker_stop(&server->workers[0]); /* its mailbox runs what the others posted: hooks, events */
	close_main(server);
}

static void on_stop(void *arg)
{
	stop(arg, 0);
}

static void on_monitor_lost(void *arg)
{
	log_err("the monitor is gone");
	stop(arg, 1);
}

void server_end(struct server *server)
{
	stop(server, 1);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	stop(handle->data, 0);
}

static void expire_packets(struct session *s, void *arg)
{
	struct server *server = arg;

	egress_expire(&server->workers[0].path, s, clock_ms());
}

static void on_housekeeping(uv_timer_t *timer)
{
	struct server *server = timer->data;

	peers_expire(server->peers, clock_ms());
	session_table_each(server->table, expire_packets, server);
}

/* ---- the beginning ---- */

static int load_tls(struct server *server, struct conf *conf)
{
	struct tls_settings settings = {
		.role = TLS_SERVER,
		.certificate = conf->identity.certificate,
		.key = conf->identity.key,
		.ca = conf->trust.ca,
		.crl = conf->trust.crl,
		.crl_strict = conf->trust.crl_policy == CONF_CRL_STRICT,
		.identity = (enum tls_identity)conf->trust.identity,
	};
	struct tls_fault fault;
	int r;

	r = tls_context_new(&settings, &server->tls, &fault);
	if (r < 0)
		log_err("%s: %s", conf_pem_at(conf, (enum conf_pem)fault.pem), fault.why);
	conf_wipe_key(conf);
	return r;
}

static int declare_sites(struct server *server)
{
	const struct conf *conf = server->conf;
	size_t i, j;
	int r;

	for (i = 0; i < conf->clients.len; i++) {
		const struct conf_client *c = &conf->clients.items[i];

		for (j = 0; j < c->networks.len; j++)
			if ((r = session_table_site(server->table, &c->networks.items[j], c->name)) < 0)
				return r;
	}
	return 0;
}

static int open_tables(struct server *server)
{
	server->table = session_table_new();
	server->peers = peers_new(server->conf);
	server->sources = sources_new();
	server->app_ids = app_ids_new();
	server->roam = roam_new(clock_ms());
	server->dtls = dtls_context_new(TLS_SERVER, AEAD_CIPHERS);
	random_bytes(&server->cookie_secret, sizeof(server->cookie_secret));
	if (!server->table || !server->peers || !server->sources || !server->app_ids || !server->roam || !server->dtls)
		return ERR_NOMEM;
	return declare_sites(server);
}

static int open_workers(struct server *server, const struct engine_start *start)
{
	int i, r;

	server->workers = calloc((size_t)start->workers, sizeof(*server->workers));
	if (!server->workers)
		return ERR_NOMEM;
	server->workers_len = start->workers;
	for (i = 0; i < start->workers; i++)
		if ((r = worker_open(&server->workers[i], server, i, start)) < 0)
			return r;
	return 0;
}

static int open_main(struct server *server, const struct engine_start *start)
{
	uv_timer_init(&server->loop, &server->housekeeping);
	server->housekeeping.data = server;
	uv_timer_start(&server->housekeeping, on_housekeeping, HOUSEKEEPING_MS, HOUSEKEEPING_MS);
	uv_signal_init(&server->loop, &server->on_term);
	server->on_term.data = server;
	uv_signal_start(&server->on_term, on_signal, SIGTERM);
	server->ask = ask_open(&server->loop, start->monitor_fd, on_monitor_lost, on_stop, server);
	server->control = control_open(&server->loop, start->control_fd, &control_ops, server);
	return server->ask && server->control ? 0 : ERR_NOMEM;
}

static int start_workers(struct server *server)
{
	int i, r;

	for (i = 1; i < server->workers_len; i++)
		if ((r = path_start(&server->workers[i].path)) < 0)
			return r;
	return 0;
}

static void free_server(struct server *server)
{
	int i;

	for (i = 0; i < server->workers_len; i++) {
		path_fini(&server->workers[i].path);
		free(server->workers[i].listeners);
	}
	free(server->workers);
	urcu_memb_barrier(); /* sessions on their way out */
	session_table_free(server->table);
	peers_free(server->peers);
	sources_free(server->sources);
	app_ids_free(server->app_ids);
	roam_free(server->roam);
	dtls_context_free(server->dtls);
	tls_context_free(server->tls);
}

int server_engine(const struct engine_start *start)
{
	struct server server = { .conf = start->conf };
	int r;

	urcu_memb_register_thread();
	if (load_tls(&server, start->conf) < 0)
		return EXIT_CONFIG;
	if (uv_loop_init(&server.loop) < 0)
		return 1;
	if ((r = open_tables(&server)) < 0 || (r = open_workers(&server, start)) < 0 ||
	    (r = open_main(&server, start)) < 0 || (r = start_workers(&server)) < 0) {
		log_err("the engine cannot start: %s", err_text(r));
		return 1; /* nothing is served yet: the process's end cleans up */
	}
	log_info("serving device=%s workers=%d", start->device, start->workers);
	uv_run(&server.loop, UV_RUN_DEFAULT);
	uv_loop_close(&server.loop);
	free_server(&server);
	urcu_memb_unregister_thread();
	return server.exit_code;
}
