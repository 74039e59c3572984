/* SPDX-License-Identifier: Apache-2.0 */
/* The client's engine: main is a list. */
#include "client/client.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "client/airway.h"
#include "client/client_int.h"
#include "client/dial.h"
#include "client/keeper.h"
#include "client/renew.h"
#include "conf/conf.h"
#include "crypto/dtls.h"
#include "crypto/tls.h"
#include "monitor/monitor.h"
#include "path/link.h"
#include "path/mailbox.h"
#include "server/control.h"
#include "server/report.h"
#include "session/session.h"
#include "session/table.h"

enum { EXIT_FAILED = 1, EXIT_CONFIG = 78 };

static const char logout_text[] = "logged out by the user";

/* ---- the end ---- */

static void close_handle(void *handle)
{
	uv_close(handle, NULL);
}

static void close_path(void *path)
{
	path_close(path);
}

static void close_paths(struct client *c)
{
	size_t i;

	for (i = 1; i < c->paths_len; i++)
		mailbox_post(c->paths[i].mailbox, close_path, &c->paths[i]);
	for (i = 1; i < c->paths_len; i++)
		path_join(&c->paths[i]);
	path_close(&c->paths[0]); /* its mailbox runs what the others posted */
}

/* Everything leaves the loop, which then ends. */
static void on_end(uv_timer_t *timer)
{
	struct client *c = timer->data;

	control_close(c->control);
	c->control = NULL;
	ask_close(c->ask);
	dial_free(c->dial);
	close_paths(c);
	close_handle(&c->retry);
	close_handle(&c->echo);
	close_handle(&c->airway.again);
	close_handle(&c->end);
	close_handle(&c->on_term);
	close_handle(&c->on_int);
}

/* Not at once: the control socket or the monitor's link may be in the middle of a call. */
static void close_soon(struct client *c)
{
	uv_timer_start(&c->end, on_end, 0, 0);
}

struct path *client_datagram_path(struct client *c)
{
	return &c->paths[c->paths_len > 1 ? 1 : 0];
}

void client_unpublish(struct client *c, struct session *s)
{
	session_table_fallback(c->table, NULL);
	session_table_remove(c->table, s);
}

void client_event(struct client *c, const char *event, const char *reason)
{
	control_event(c->control, report_event(event, c->session, c->conf->trust.name, reason));
}

static void begin_end(struct client *c, int exit_code)
{
	if (c->ending)
		return;
	c->ending = true;
	c->exit_code = exit_code;
	keeper_stop(c);
	renew_stop(c);
	airway_stop(c);
}

void client_say_goodbye(struct client *c, int exit_code, const char *goodbye)
{
	begin_end(c, exit_code);
	client_unpublish(c, c->session);
	session_end(c->session, goodbye, clock_ms());
}

void client_end(struct client *c, int exit_code, const char *goodbye)
{
	if (c->ending && goodbye)
		return; /* it is being said */
	if (!c->session) {
		begin_end(c, exit_code);
		close_soon(c);
		return;
	}
	if (!c->ending)
		client_event(c, "down", goodbye);
	client_say_goodbye(c, exit_code, goodbye);
	link_touch(c->link);
}

/* ---- the session's events ---- */

static void on_moved(struct session *s)
{
	renew_moved(s->owner);
	airway_moved(s->owner);
}

static void on_rekey(struct session *s)
{
	renew_start(s->owner);
}

static void on_rekey_failed(struct session *s, const char *why)
{
	renew_failed(s->owner, why);
}

static void on_lost(struct session *s, const char *why)
{
	keeper_lost(s->owner, why);
}

static void on_generation_over(struct session *s)
{
	airway_stop(s->owner);
}

static void on_over(struct session *s, const char *why, bool by_peer)
{
	struct client *c = s->owner;
	const char *reason = *why ? why : "without a reason";

	if (c->ending || s != c->session)
		return;
	log_err("ended%s name=%s: %s", by_peer ? " by the gateway" : "", s->name, reason);
	client_event(c, "down", reason);
	client_say_goodbye(c, EXIT_FAILED, NULL);
}

/* Its last stream is closed: the session goes, and with it the engine when that ends. */
static void on_drained(struct session *s)
{
	struct client *c = s->owner;

	link_free(s->link);
	if (s == c->session) {
		c->session = NULL;
		c->link = NULL;
	}
	session_put(s);
	if (c->ending && !c->session)
		close_soon(c);
}

static void on_echo(struct session *s, const uint8_t *data, size_t len)
{
	renew_echo(s->owner, data, len);
}

static void on_transport(struct session *s)
{
	struct client *c = s->owner;

	if (s != c->session)
		return;
	log_info("packets go by %s name=%s generation=%u", s->by_datagram ? "datagrams" : "the stream", s->name,
		 s->generation);
	client_event(c, "transport", NULL);
	airway_changed(c);
}

const struct session_events client_session_events = {
	.moved = on_moved,
	.rekey = on_rekey,
	.rekey_failed = on_rekey_failed,
	.lost = on_lost,
	.generation_over = on_generation_over,
	.over = on_over,
	.drained = on_drained,
	.echo = on_echo,
	.transport = on_transport,
};

/* ---- the operator ---- */

static json_t *op_sessions(void *arg)
{
	const struct client *c = arg;
	json_t *list = json_array();

	/* Before the network stands the tunnel is of no use to anybody; "up" has not been told yet either. */
	if (c->session && c->configured)
		json_array_append_new(list, report_session(c->session));
	return list;
}

static json_t *op_status(void *arg)
{
	const struct client *c = arg;
	const struct path *paths[TUN_QUEUES_MAX];

	for (size_t i = 0; i < c->paths_len; i++)
		paths[i] = &c->paths[i];
	return report_status("client", paths, c->paths_len, op_sessions(arg));
}

static bool is_meant(const struct client *c, const char *name)
{
	return c->session && (!name || !strcmp(name, c->session->name));
}

static int op_disconnect(void *arg, const char *name)
{
	struct client *c = arg;

	if (!is_meant(c, name))
		return 0;
	client_end(c, 0, logout_text);
	return 1;
}

static int op_rekey(void *arg, const char *name)
{
	struct client *c = arg;

	if (!is_meant(c, name) || !c->session->current)
		return 0;
	session_rekey_now(c->session, clock_ms());
	link_touch(c->link);
	return 1;
}

static const struct control_ops control_ops = {
	.status = op_status,
	.sessions = op_sessions,
	.disconnect = op_disconnect,
	.rekey = op_rekey,
};

static void on_stop(void *arg)
{
	client_end(arg, 0, logout_text);
}

static void on_signal(uv_signal_t *handle, int signum)
{
	(void)signum;
	client_end(handle->data, 0, logout_text);
}

static void on_monitor_lost(void *arg)
{
	log_err("the monitor is gone");
	client_end(arg, EXIT_FAILED, NULL);
}

static void end_without_device(void *arg)
{
	struct client *c = arg;

	if (!c->ending)
		log_err("the tunnel's device is gone");
	client_end(arg, EXIT_FAILED, "its tunnel device is gone");
}

/* Each worker sees it; the main loop is told, after its own look at the device. */
static void on_device_gone(void *arg)
{
	struct client *c = arg;

	mailbox_post(c->paths[0].mailbox, end_without_device, c);
}

/* ---- the beginning ---- */

static int load_tls(struct client *c)
{
	const struct conf *conf = c->conf;
	struct tls_settings settings = {
		.role = TLS_CLIENT,
		.certificate = conf->identity.certificate,
		.key = conf->identity.key,
		.ca = conf->trust.ca,
		.crl = conf->trust.crl,
		.crl_strict = conf->trust.crl_policy == CONF_CRL_STRICT,
		.peer_name = conf->trust.name,
	};
	struct tls_fault fault;
	int r;

	r = tls_context_new(&settings, &c->tls, &fault);
	if (r < 0)
		log_err("%s: %s", conf_pem_at(conf, (enum conf_pem)fault.pem), fault.why);
	conf_wipe_key(c->conf);
	if (r == 0 && !(c->dtls = dtls_context_new(TLS_CLIENT, AEAD_CIPHERS)))
		r = ERR_NOMEM;
	return r;
}

static void open_handles(struct client *c)
{
	uv_timer_init(&c->loop, &c->retry);
	uv_timer_init(&c->loop, &c->echo);
	uv_timer_init(&c->loop, &c->airway.again);
	uv_timer_init(&c->loop, &c->end);
	uv_signal_init(&c->loop, &c->on_term);
	uv_signal_init(&c->loop, &c->on_int);
	c->retry.data = c->echo.data = c->airway.again.data = c->end.data = c->on_term.data = c->on_int.data = c;
	uv_signal_start(&c->on_term, on_signal, SIGTERM);
	uv_signal_start(&c->on_int, on_signal, SIGINT);
}

static void set_path(struct path *p, struct client *c, const struct engine_start *start)
{
	p->side = SESSION_CLIENT;
	p->tun_fd = start->tun_fds[p - c->paths];
	p->write_fd = start->tun_fds[0]; /* whoever receives: the answers are for the worker that has the stream */
	p->tso = start->offloads.tso;
	p->uso = start->offloads.uso;
	p->udp_gso = c->conf->offload.udp_gso;
	p->crew = c->paths;
	p->crew_len = c->paths_len;
	p->table = c->table;
	p->broken = on_device_gone;
	p->owner = c;
}

static int open_paths(struct client *c, const struct engine_start *start)
{
	size_t i;
	int r;

	c->paths_len = (size_t)start->workers;
	c->paths = calloc(c->paths_len, sizeof(*c->paths));
	if (!c->paths)
		return ERR_NOMEM;
	for (i = 0; i < c->paths_len; i++) {
		set_path(&c->paths[i], c, start);
		if ((r = path_open(&c->paths[i], i ? NULL : &c->loop)) < 0)
			return r;
	}
	return 0;
}

static int start_paths(struct client *c)
{
	size_t i;
	int r;

	for (i = 1; i < c->paths_len; i++)
		if ((r = path_start(&c->paths[i])) < 0)
			return r;
	return 0;
}

static int open_all(struct client *c, const struct engine_start *start)
{
	int r;

	c->table = session_table_new();
	if (!c->table)
		return ERR_NOMEM;
	if ((r = open_paths(c, start)) < 0)
		return r;
	open_handles(c);
	c->ask = ask_open(&c->loop, start->monitor_fd, on_monitor_lost, on_stop, c);
	c->control = control_open(&c->loop, start->control_fd, &control_ops, c);
	if (!c->ask || !c->control)
		return ERR_NOMEM;
	c->dial = dial_new(&c->loop, c->ask, c->tls);
	if (!c->dial)
		return ERR_NOMEM;
	opening_init(&c->opening, &c->loop, c->dial, c->conf, c->cookie, c);
	return start_paths(c);
}

static void free_all(struct client *c)
{
	urcu_memb_barrier(); /* sessions on their way out */
	for (size_t i = 0; i < c->paths_len; i++)
		path_fini(&c->paths[i]);
	free(c->paths);
	session_table_free(c->table);
	tls_context_free(c->tls);
	dtls_context_free(c->dtls);
	tunnel_grant_fini(&c->grant);
	explicit_bzero(c->cookie, sizeof(c->cookie));
}

int client_engine(const struct engine_start *start)
{
	struct client c = { .conf = start->conf };
	int r;

	signal(SIGPIPE, SIG_IGN);
	urcu_memb_register_thread();
	if (load_tls(&c) < 0)
		return EXIT_CONFIG;
	if (uv_loop_init(&c.loop) < 0)
		return EXIT_FAILED;
	if ((r = open_all(&c, start)) < 0) {
		log_err("the engine cannot start: %s", err_text(r));
		return EXIT_FAILED; /* nothing is set up yet: the process's end cleans up */
	}
	log_info("connecting server=%s:%d device=%s workers=%d", c.conf->server_host, c.conf->server_port,
		 start->device, start->workers);
	keeper_start(&c);
	uv_run(&c.loop, UV_RUN_DEFAULT);
	uv_loop_close(&c.loop);
	free_all(&c);
	urcu_memb_unregister_thread();
	return c.exit_code;
}
