/* SPDX-License-Identifier: Apache-2.0 */
/* The privileged process: open, fork, serve, undo. */
#include "monitor/monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "io/netlink.h"
#include "io/sock.h"
#include "io/udp.h"
#include "monitor/control_socket.h"
#include "monitor/dns.h"
#include "monitor/journal.h"
#include "monitor/network.h"
#include "monitor/privilege.h"
#include "monitor/script.h"
#include "monitor/serve.h"

enum {
#ifdef __SANITIZE_THREAD__
	STOP_MS = 30000, /* it reads symbols at its end, which takes seconds beside other work */
#else
	STOP_MS = 5000, /* an engine that was asked to end is killed after this */
#endif
	DEVICE_TRIES = 40, /* for a device that a dying engine still holds */
	DEVICE_RETRY_US = 50000,
	ENGINE_FDS_MAX = 2 + TUN_QUEUES_MAX,
};

struct monitor {
	struct conf *conf;
	struct engine_start start;
	size_t listen_len; /* entries of start.listen_fds and of start.datagram_fds; -1: not open */
	struct privilege user;
	struct netlink *nl;
	struct journal *journal;
	struct network *net;
	struct serve *serve;
	int lock_fd;   /* that no other adit runs with our control socket */
	int fd;        /* our end of the pair, until serve owns it */
	int device_fd; /* keeps the device until a script has run its "disconnect"; -1 without one */
	sigset_t old_mask;

	pid_t engine;
	bool ended;
	int exit_code;
	uv_loop_t loop;
	uv_signal_t on_term, on_int, on_child;
	uv_timer_t timer;
};

static const struct journal_kind journal_kinds[] = {
	{ CONTROL_JOURNAL, control_socket_undo },
	{ NETWORK_ROUTE, network_undo_route },
	{ DNS_LINK, dns_undo_link },
	{ DNS_RESOLVCONF, dns_undo_resolvconf },
	{ DNS_FILE, dns_undo_file },
	{ SCRIPT_JOURNAL, script_undo },
	{ NULL, NULL },
};

static void hold_stop(int how)
{
	sigset_t stop;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	sigprocmask(how, &stop, NULL);
}

/* It is ending: nobody hurries it out of undoing what it did. Forgets one that waits, too. */
static void ignore_stop(void)
{
	signal(SIGTERM, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	hold_stop(SIG_UNBLOCK);
}

/* Those we handle wait until the loop does; one that comes during start-up is then a clean end. */
static void hold_signals(struct monitor *m)
{
	sigset_t held;

	sigemptyset(&held);
	sigaddset(&held, SIGTERM);
	sigaddset(&held, SIGINT);
	sigaddset(&held, SIGCHLD);
	sigprocmask(SIG_BLOCK, &held, &m->old_mask);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
}

static int open_journal(struct monitor *m)
{
	char path[PATH_MAX];
	int r = control_socket_journal_path(m->conf, path, sizeof(path));

	if (r == 0)
		r = journal_open(path, journal_kinds, m->nl, &m->journal);
	if (r < 0)
		log_err("cannot open the journal %s: %s", path, err_text(r));
	return r;
}

static int worker_count(const struct conf *conf)
{
	cpu_set_t cpus;
	int n = conf->workers;

	if (conf->role == CONF_SERVER && !n && sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		n = CPU_COUNT(&cpus);
	if (n < 1)
		n = 1;
	return n < TUN_QUEUES_MAX ? n : TUN_QUEUES_MAX;
}

static int open_device(struct monitor *m)
{
	int r, tries = journal_recovered(m->journal) ? DEVICE_TRIES : 1;
	int queues = worker_count(m->conf);
	const char *name = m->conf->tunnel.device;

	do {
		snprintf(m->start.device, sizeof(m->start.device), "%s", name);
		m->start.offloads = (struct tun_offloads){ m->conf->offload.tso, m->conf->offload.uso };
		r = tun_open(m->start.device, queues, &m->start.offloads, m->start.tun_fds);
	} while (r < 0 && errno == EBUSY && --tries > 0 && usleep(DEVICE_RETRY_US) == 0);
	if (r < 0) {
		log_err("cannot open tunnel device %s: %s", name,
			errno == EBUSY ? "there is one of that name already" : err_text(r));
		return r;
	}
	m->start.workers = queues;
	return 0;
}

static int listen_one(const struct conf_listen *l, bool datagrams, bool shared)
{
	struct endpoint at = { .port = (uint16_t)l->port };
	int fd;

	if (strcmp(l->address, "*") != 0 && addr_parse(l->address, &at.addr) < 0) {
		log_err("not an address to listen on: %s", l->address);
		return ERR_INVALID;
	}
	fd = datagrams ? udp_listen(&at, shared) : sock_listen(&at, shared);
	if (fd < 0)
		log_err("cannot listen on %s port %d%s: %s", l->address, l->port, datagrams ? " for datagrams" : "",
			err_text(fd));
	return fd;
}

/* Sockets that share a port never see that another program has it too; one that does not share does. */
static int check_port_free(const struct conf_listen *l, bool datagrams)
{
	int fd = listen_one(l, datagrams, false);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

static int check_ports_free(const struct conf *conf)
{
	const struct conf_listen *l;
	int r = 0;

	for (l = conf->listen.items; l < conf->listen.items + conf->listen.len && r == 0; l++) {
		r = check_port_free(l, false);
		if (r == 0 && l->datagrams)
			r = check_port_free(l, true);
	}
	return r;
}

static int *no_fds(size_t len)
{
	int *fds = malloc(len * sizeof(*fds));
	size_t i;

	for (i = 0; fds && i < len; i++)
		fds[i] = -1;
	return fds;
}

/* One worker's: for each entry one of each kind that it wants. */
static int open_worker_listeners(struct monitor *m, int *listen_fds, int *datagram_fds)
{
	const struct conf_listen *l = m->conf->listen.items;
	bool shared = m->start.workers > 1;
	size_t i;

	for (i = 0; i < m->conf->listen.len; i++) {
		if ((listen_fds[i] = listen_one(&l[i], false, shared)) < 0)
			return listen_fds[i];
		if (l[i].datagrams && (datagram_fds[i] = listen_one(&l[i], true, shared)) < 0)
			return datagram_fds[i];
	}
	return 0;
}

static int open_listeners(struct monitor *m)
{
	size_t i, each = m->conf->listen.len, all = each * (size_t)m->start.workers;
	int r = 0;

	if (m->conf->role == CONF_CLIENT)
		return 0;
	m->start.listen_fds = no_fds(all);
	m->start.datagram_fds = no_fds(all);
	if (!m->start.listen_fds || !m->start.datagram_fds)
		return ERR_NOMEM;
	m->listen_len = all;
	if (m->start.workers > 1)
		r = check_ports_free(m->conf);
	for (i = 0; i < all && r == 0; i += each)
		r = open_worker_listeners(m, m->start.listen_fds + i, m->start.datagram_fds + i);
	return r;
}

static int open_network(struct monitor *m)
{
	int r = network_new(m->conf, m->nl, m->journal, m->start.device, &m->net);

	if (r < 0) {
		log_err("cannot configure %s: %s", m->start.device, err_text(r));
		return r;
	}
	if (m->conf->role == CONF_SERVER)
		return network_serve(m->net);
	if (!m->conf->script || !*m->conf->script)
		return 0;
	m->device_fd = fcntl(m->start.tun_fds[0], F_DUPFD_CLOEXEC, 0);
	script_pre_init(m->conf->script, m->start.device);
	return 0;
}

static int open_all(struct monitor *m)
{
	int r = netlink_open(&m->nl);

	if (r < 0) {
		log_err("cannot open netlink: %s", err_text(r));
		return r;
	}
	if ((r = privilege_find(m->conf->user, &m->user)) < 0) {
		log_err("no unprivileged user to run as: user=%s: %s", m->conf->user, err_text(r));
		return r;
	}
	m->lock_fd = r = control_socket_prepare(m->conf);
	if (r < 0 || (r = open_journal(m)) < 0 || (r = open_device(m)) < 0 || (r = open_listeners(m)) < 0)
		return r;
	m->start.control_fd = r = control_socket_open(m->conf, m->journal);
	return r < 0 ? r : open_network(m);
}

static void close_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* The monitor keeps no copy of the engine's descriptors: the device shall go when the engine does. */
static void close_engine_fds(struct monitor *m)
{
	int i;

	for (i = 0; i < m->start.workers; i++)
		close(m->start.tun_fds[i]);
	m->start.workers = 0;
	while (m->listen_len) {
		close_open(m->start.listen_fds[--m->listen_len]);
		close_open(m->start.datagram_fds[m->listen_len]);
	}
	close_open(m->start.control_fd);
	close_open(m->start.monitor_fd);
	m->start.control_fd = m->start.monitor_fd = -1;
}

static int close_others(struct monitor *m)
{
	size_t len = 0, i;
	int *keep = calloc(ENGINE_FDS_MAX + 2 * m->listen_len, sizeof(*keep));

	if (!keep)
		return ERR_NOMEM;
	keep[len++] = m->start.monitor_fd;
	keep[len++] = m->start.control_fd;
	for (i = 0; i < (size_t)m->start.workers; i++)
		keep[len++] = m->start.tun_fds[i];
	for (i = 0; i < m->listen_len; i++) {
		keep[len++] = m->start.listen_fds[i];
		if (m->start.datagram_fds[i] >= 0)
			keep[len++] = m->start.datagram_fds[i];
	}
	privilege_close_others(keep, len);
	free(keep);
	return 0;
}

static enum log_level log_level_now(void)
{
	enum log_level level = LOG_LEVEL_DEBUG;

	while (level > LOG_LEVEL_ERR && !log_enabled(level))
		level--;
	return level;
}

/* A session is a descriptor; the usual soft limit of 1,024 is no measure for a gateway. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		log_warn("the limit of open files stays as it is: %s", err_text(ERR_SYS));
}

static int engine_main(struct monitor *m, int (*engine)(const struct engine_start *start))
{
	int r;

	log_init(log_level_now(), "engine");
	/* A terminal's ^C reaches both of us; the monitor turns it into a STOP. */
	signal(SIGINT, SIG_IGN);
	sigprocmask(SIG_SETMASK, &m->old_mask, NULL);
	allow_descriptors();
	if ((r = close_others(m)) < 0 || (r = privilege_drop(&m->user)) < 0) {
		log_err("cannot give up privileges: %s", err_text(r));
		return 1;
	}
	if (!privilege_is_bounded())
		log_warn("the capability bounding set stays as it is: CAP_SETPCAP is missing");
	return engine(&m->start);
}

static int fork_engine(struct monitor *m, int (*engine)(const struct engine_start *start))
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0) {
		log_err("cannot make a socket pair: %s", err_text(ERR_SYS));
		return ERR_SYS;
	}
	m->fd = ends[0];
	m->start.monitor_fd = ends[1];
	m->engine = fork();
	if (m->engine == 0)
		exit(engine_main(m, engine));
	if (m->engine < 0) {
		log_err("cannot fork: %s", err_text(ERR_SYS));
		return ERR_SYS;
	}
	close_engine_fds(m);
	conf_wipe_key(m->conf);
	return 0;
}

static void on_timer(uv_timer_t *timer)
{
	struct monitor *m = timer->data;

	if (m->ended) {
		serve_abandon(m->serve);
		return;
	}
	log_err("the engine does not end, killing it");
	if (kill(m->engine, SIGKILL) < 0)
		log_err("cannot kill the engine: pid=%d: %s", (int)m->engine, err_text(ERR_SYS));
}

/* The loop's time is that of its last look at the clock; what it has run since may have taken long. */
static void start_timer(struct monitor *m, uint64_t ms)
{
	uv_update_time(&m->loop);
	uv_timer_start(&m->timer, on_timer, ms, 0);
}

static void on_stop(uv_signal_t *handle, int signo)
{
	struct monitor *m = handle->data;

	log_info("ending: signal=%d", signo);
	serve_stop(m->serve);
	start_timer(m, STOP_MS);
}

/* The engine closed its end, or was cut off. One that still lives has as long as after a STOP. */
static void on_broken(void *arg)
{
	struct monitor *m = arg;

	if (!m->ended && !uv_is_active((uv_handle_t *)&m->timer))
		start_timer(m, STOP_MS);
}

static void on_child(uv_signal_t *handle, int signo)
{
	struct monitor *m = handle->data;
	int status;

	(void)signo;
	if (m->ended || waitpid(m->engine, &status, WNOHANG) != m->engine)
		return;
	m->ended = true;
	m->exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	if (WIFSIGNALED(status))
		log_err("the engine died: signal=%d", WTERMSIG(status));
	serve_drain(m->serve);
	start_timer(m, (uint64_t)m->conf->hooks.seconds * 1000);
}

static int open_loop(struct monitor *m)
{
	if (uv_loop_init(&m->loop) < 0)
		return ERR_NOMEM;
	m->on_term.data = m->on_int.data = m->on_child.data = m->timer.data = m;
	uv_timer_init(&m->loop, &m->timer);
	uv_signal_init(&m->loop, &m->on_term);
	uv_signal_init(&m->loop, &m->on_int);
	uv_signal_init(&m->loop, &m->on_child);
	m->serve = serve_new(&m->loop, m->fd, m->conf, m->net, &m->user, m->start.device, on_broken, m);
	if (!m->serve)
		return ERR_NOMEM;
	m->fd = -1;
	if (uv_signal_start(&m->on_term, on_stop, SIGTERM) < 0 || uv_signal_start(&m->on_int, on_stop, SIGINT) < 0 ||
	    uv_signal_start(&m->on_child, on_child, SIGCHLD) < 0)
		return ERR_SYS;
	return network_attach(m->net, &m->loop);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void close_loop(struct monitor *m)
{
	uv_walk(&m->loop, close_handle, NULL);
	uv_run(&m->loop, UV_RUN_DEFAULT);
	uv_loop_close(&m->loop);
	serve_free(m->serve);
}

static int serve_engine(struct monitor *m)
{
	int r = open_loop(m);

	if (r < 0) {
		log_err("cannot serve the engine: %s", err_text(r));
		kill(m->engine, SIGKILL);
		waitpid(m->engine, NULL, 0);
		return 1;
	}
	sigprocmask(SIG_SETMASK, &m->old_mask, NULL);
	while (!m->ended || serve_busy(m->serve))
		uv_run(&m->loop, UV_RUN_ONCE);
	hold_stop(SIG_BLOCK);
	close_loop(m); /* gives its signals back to the system */
	ignore_stop();
	return m->exit_code;
}

static void undo_all(struct monitor *m)
{
	close_engine_fds(m);
	close_open(m->fd);
	network_free(m->net);
	journal_close(m->journal);
	close_open(m->device_fd);
	netlink_free(m->nl);
	free(m->start.listen_fds);
	free(m->start.datagram_fds);
	close_open(m->lock_fd);
}

int monitor_run(struct conf *conf, int (*engine)(const struct engine_start *start))
{
	struct monitor m = {
		.conf = conf,
		.start = { .conf = conf, .control_fd = -1, .monitor_fd = -1 },
		.lock_fd = -1,
		.fd = -1,
		.device_fd = -1,
	};
	int code = 1;

	hold_signals(&m);
	if (open_all(&m) == 0 && fork_engine(&m, engine) == 0)
		code = serve_engine(&m);
	ignore_stop();
	undo_all(&m);
	sigprocmask(SIG_SETMASK, &m.old_mask, NULL);
	return code;
}
