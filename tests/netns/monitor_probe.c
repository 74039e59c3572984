/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The monitor with an engine that does only what the test asks: it has a network configured, prints what came of it,
 * and waits to be stopped. Used by monitor.t.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "conf/conf.h"
#include "monitor/ask.h"
#include "monitor/monitor.h"

static const char *mode;
static const struct engine_start *start;
static struct ask *ask;
static uv_loop_t loop;
static int exit_code;

static void say_started(void)
{
	printf("device=%s workers=%d uid=%d nnp=%d root_open=%d pid=%d\n", start->device, start->workers, (int)getuid(),
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), open("/etc/shadow", O_RDONLY) >= 0, (int)getpid());
	fflush(stdout);
}

static void end(void *arg)
{
	(void)arg;
	if (strcmp(mode, "deaf") != 0)
		uv_stop(&loop);
}

static void on_lost(void *arg)
{
	printf("lost\n");
	fflush(stdout);
	end(arg);
}

static void on_net(void *arg, int result)
{
	(void)arg;
	printf("net=%d\n", result);
	fflush(stdout);
}

static void on_hook(void *arg, int result)
{
	printf("hook %s=%d\n", (const char *)arg, result);
	fflush(stdout);
}

static void on_socket(void *arg, int result, int fd)
{
	(void)arg;
	printf("socket=%d valid=%d\n", result, fcntl(fd, F_GETFD) >= 0);
	fflush(stdout);
}

static void on_resolved(void *arg, int result, const struct addr *addrs, size_t len)
{
	char text[ADDR_TEXT_LEN] = "";

	(void)arg;
	printf("resolve=%d count=%zu first=%s\n", result, len, len ? addr_format(&addrs[0], text) : "");
	fflush(stdout);
}

static void item(struct net_item *items, size_t *len, enum net_kind kind, const char *value)
{
	struct net_item *i = &items[(*len)++];

	i->kind = kind;
	if (kind == NET_MTU)
		i->number = (uint32_t)atoi(value);
	else if (kind == NET_DOMAIN)
		snprintf(i->text, sizeof(i->text), "%s", value);
	else
		prefix_parse(value, &i->prefix);
}

static void ask_config(const char *address, void (*done)(void *arg, int result))
{
	struct net_item items[16] = { 0 };
	size_t n = 0;

	item(items, &n, NET_ADDRESS, address);
	item(items, &n, NET_ADDRESS, "fd88::5/128");
	item(items, &n, NET_MTU, "1300");
	item(items, &n, NET_GATEWAY, "192.0.2.9");
	item(items, &n, NET_EXCLUDE, "198.51.100.0/24");
	item(items, &n, NET_DNS, "10.88.0.1");
	item(items, &n, NET_DOMAIN, "corp.example");
	if (!strcmp(mode, "bad"))
		item(items, &n, NET_ROUTE, "127.0.0.0/8");
	if (!strcmp(mode, "split"))
		item(items, &n, NET_ROUTE, "10.99.0.0/16");
	ask_net(ask, items, n, NET_CONNECTED, done, NULL);
}

static void ask_client(void)
{
	ask_socket(ask, ASK_STREAM, ADDR_V4, on_socket, NULL);
	ask_resolve(ask, "192.0.2.77", on_resolved, NULL);
	ask_config("10.88.0.5/32", on_net);
}

static void on_net_first(void *arg, int result)
{
	on_net(arg, result);
	ask_config("10.88.0.5/32", on_net);
}

/* One configuration on the heels of another. */
static void ask_replace(void)
{
	ask_config("10.88.0.5/32", on_net);
	ask_config("10.88.0.6/32", on_net);
}

static void ask_server(void)
{
	struct hook_facts facts = { .connect = 1, .session = 7, .name = "berlin", .peer = "192.0.2.1:4433" };

	addr_parse(!strcmp(mode, "foreign") ? "192.168.99.1" : "10.20.0.2", &facts.ipv4);
	ask_hook(ask, &facts, on_hook, "connect");
	facts.connect = 0;
	ask_hook(ask, &facts, on_hook, "disconnect");
}

/* As a gateway with many sessions at its end. */
static void ask_crowd(void)
{
	struct hook_facts facts = { .name = "berlin", .reason = "the gateway is stopping" };

	for (facts.session = 1; facts.session <= 400; facts.session++)
		ask_hook(ask, &facts, NULL, NULL);
	uv_stop(&loop);
}

static void on_first_hook(void *arg, int result)
{
	(void)arg;
	(void)result;
	uv_stop(&loop);
}

/* It ends while answers lie unread; what it asks for last is behind them. */
static void ask_unread(void)
{
	struct hook_facts facts = { .name = "berlin", .reason = "ended by the operator" };
	struct pollfd answer = { .fd = start->monitor_fd, .events = POLLIN };

	for (facts.session = 1; facts.session <= 100; facts.session++)
		ask_hook(ask, &facts, on_first_hook, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	poll(&answer, 1, -1);
	for (; facts.session <= 400; facts.session++)
		ask_hook(ask, &facts, NULL, NULL);
	uv_stop(&loop);
}

static void ask_lookup(void)
{
	ask_resolve(ask, "host.example", on_resolved, NULL);
	ask_socket(ask, ASK_STREAM, ADDR_V4, on_socket, NULL); /* its answer shows that the lookup has begun */
}

static void ask_many(void)
{
	struct net_item items[ASK_NET_MAX] = { 0 };
	char text[64];
	size_t n = 0;

	item(items, &n, NET_ADDRESS, "10.88.0.5/24");
	while (n < ASK_NET_MAX) {
		snprintf(text, sizeof(text), "10.%zu.%zu.0/24", 100 + n / 256, n % 256);
		item(items, &n, NET_ROUTE, text);
	}
	ask_net(ask, items, n, NET_CONNECTED, on_net, NULL);
}

static int engine(const struct engine_start *s)
{
	start = s;
	say_started();
	if (!strcmp(mode, "hostile") && write(s->monitor_fd, "garbage", 7) != 7)
		return 9;
	uv_loop_init(&loop);
	ask = ask_open(&loop, s->monitor_fd, on_lost, end, NULL);
	if (!strcmp(mode, "crowd"))
		ask_crowd();
	else if (!strcmp(mode, "unread"))
		ask_unread();
	else if (s->conf->role == CONF_SERVER)
		ask_server();
	else if (!strcmp(mode, "many"))
		ask_many();
	else if (!strcmp(mode, "again"))
		ask_config("10.88.0.5/32", on_net_first);
	else if (!strcmp(mode, "replace"))
		ask_replace();
	else if (!strcmp(mode, "lookup"))
		ask_lookup();
	else
		ask_client();
	uv_run(&loop, UV_RUN_DEFAULT);
	ask_close(ask);
	uv_run(&loop, UV_RUN_DEFAULT);
	uv_loop_close(&loop);
	if (!strcmp(mode, "refused"))
		exit_code = 2;
	return exit_code;
}

static char *setting(const char *name, const char *otherwise)
{
	const char *value = getenv(name);

	return strdup(value ? value : otherwise);
}

static void fill_server(struct conf *c)
{
	static struct conf_listen at = { .port = 4433, .datagrams = true };
	static struct prefix networks[1];
	static struct conf_client client = { .name = "berlin", .networks = { networks, 1 } };

	at.address = setting("LISTEN", "*");
	c->listen.items = &at;
	c->listen.len = 1;
	prefix_parse("10.20.0.0/24", &c->addresses.ipv4);
	prefix_parse("fd20:aa::/64", &c->addresses.ipv6);
	prefix_parse("192.168.7.0/24", &networks[0]);
	c->clients.items = &client;
	c->clients.len = 1;
	c->workers = 2;
	c->tunnel.mtu = 1380;
}

int main(int argc, char **argv)
{
	static struct conf c = { .role = CONF_CLIENT };

	if (argc != 3)
		return 64;
	mode = argv[2];
	log_init(LOG_LEVEL_DEBUG, "monitor");
	c.tunnel.device = setting("DEVICE", "adit0");
	c.control = setting("CONTROL", "/run/adit/probe.sock");
	c.control_group = setting("CONTROL_GROUP", "");
	c.user = setting("RUN_AS", "nobody");
	c.script = setting("SCRIPT", "");
	c.hooks.connect = setting("HOOK_CONNECT", "");
	c.hooks.disconnect = setting("HOOK_DISCONNECT", "");
	c.hooks.seconds = getenv("HOOK_SECONDS") ? atoi(getenv("HOOK_SECONDS")) : 2;
	if (!strcmp(argv[1], "server")) {
		c.role = CONF_SERVER;
		fill_server(&c);
	}
	return monitor_run(&c, engine);
}
