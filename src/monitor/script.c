/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a client's vpnc-script with an environment of checked values. Which reason it is given is decided when its turn
 * comes, by what stands then: the run before it may have failed, or have been for another configuration, which goes by
 * a run of its own first.
 */
#include "monitor/script.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hex.h"
#include "base/log.h"
#include "monitor/journal.h"

enum { SCRIPT_DEADLINE_S = 30, SCRIPT_GRACE_MS = 2000, RUNS_MAX = 8 };

enum reason { CONNECT, RECONNECT, ATTEMPT_RECONNECT, DISCONNECT, REASONS };
static const char *const reason_names[] = {
	[CONNECT] = "connect",
	[RECONNECT] = "reconnect",
	[ATTEMPT_RECONNECT] = "attempt-reconnect",
	[DISCONNECT] = "disconnect",
};
static_assert(sizeof(reason_names) / sizeof(reason_names[0]) == REASONS, "a name for every reason");

struct run {
	struct run *next;
	struct script *script;
	enum reason reason;                  /* CONNECT may become RECONNECT when it begins */
	char *entry;                         /* CONNECT: journal entry of its configuration; otherwise NULL */
	struct child_words env;              /* the reason of CONNECT is added when it begins */
	void (*done)(void *arg, int result); /* may be NULL */
	void *arg;
};

struct script {
	uv_loop_t *loop;
	struct journal *journal;
	const char *path, *device;
	struct run *runs;    /* the first is under way */
	struct child *child; /* its */
	char *standing;      /* journal entry of the configuration that "connect" was last run for, or NULL */
	bool connected;      /* it succeeded */
};

static const char *mask_format(unsigned len, char *out)
{
	struct prefix p = { .addr = { .family = ADDR_V4, .bytes = { 255, 255, 255, 255 } }, .len = (uint8_t)len };
	struct addr mask = prefix_network(&p).addr;

	return addr_format(&mask, out);
}

static void env_address(struct child_words *env, const struct prefix *p)
{
	char text[ADDR_TEXT_LEN], net_text[ADDR_TEXT_LEN];
	struct prefix net = prefix_network(p);

	addr_format(&p->addr, text);
	if (p->addr.family == ADDR_V6) {
		child_word(env, "INTERNAL_IP6_ADDRESS=%s", text);
		child_word(env, "INTERNAL_IP6_NETMASK=%s/%u", text, p->len);
		return;
	}
	child_word(env, "INTERNAL_IP4_ADDRESS=%s", text);
	child_word(env, "INTERNAL_IP4_NETMASK=%s", mask_format(p->len, text));
	child_word(env, "INTERNAL_IP4_NETMASKLEN=%u", p->len);
	child_word(env, "INTERNAL_IP4_NETADDR=%s", addr_format(&net.addr, net_text));
}

/* The numbered lists of networks: @name is "SPLIT_INC" or "SPLIT_EXC". */
static void env_networks(struct child_words *env, const char *name, enum addr_family family, enum net_kind kind,
			 const struct net_item *items, size_t len)
{
	const char *v6 = family == ADDR_V6 ? "IPV6_" : "";
	char text[ADDR_TEXT_LEN];
	unsigned n = 0;
	size_t i;

	for (i = 0; i < len; i++) {
		struct prefix net = prefix_network(&items[i].prefix);

		/* Without a list the script takes everything; so a default route is no entry. */
		if (items[i].kind != kind || net.addr.family != family || !net.len)
			continue;
		child_word(env, "CISCO_%s%s_%u_ADDR=%s", v6, name, n, addr_format(&net.addr, text));
		child_word(env, "CISCO_%s%s_%u_MASKLEN=%u", v6, name, n, net.len);
		if (family == ADDR_V4)
			child_word(env, "CISCO_%s_%u_MASK=%s", name, n, mask_format(net.len, text));
		n++;
	}
	if (n)
		child_word(env, "CISCO_%s%s=%u", v6, name, n);
}

static bool wants_everything(enum addr_family family, const struct net_item *items, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (items[i].kind == NET_ROUTE && items[i].prefix.addr.family == family && !items[i].prefix.len)
			return true;
	return false;
}

/* One variable that holds a list; @family 0 takes all. */
static void env_list(struct child_words *env, const char *name, enum net_kind kind, enum addr_family family,
		     const struct net_item *items, size_t len)
{
	struct buf list = BUF_INIT;
	char text[ADDR_TEXT_LEN];
	size_t i;
	int r = 0;

	for (i = 0; i < len && r == 0; i++) {
		if (items[i].kind != kind || (family && items[i].prefix.addr.family != family))
			continue;
		r = buf_printf(&list, "%s%s", buf_len(&list) ? " " : "",
			       kind == NET_DNS ? addr_format(&items[i].prefix.addr, text) : items[i].text);
	}
	if (r < 0)
		env->failed = true;
	else if (buf_len(&list))
		child_word(env, "%s=%.*s", name, (int)buf_len(&list), (char *)buf_data(&list));
	buf_fini(&list);
}

void script_env(struct child_words *env, const char *device, const struct net_item *items, size_t len)
{
	char text[ADDR_TEXT_LEN];
	bool gateway = false;
	size_t i;

	child_words_init(env);
	child_word(env, "TUNDEV=%s", device);
	child_word(env, "VPNPID=%d", (int)getpid());
	for (i = 0; i < len; i++) {
		if (items[i].kind == NET_ADDRESS)
			env_address(env, &items[i].prefix);
		else if (items[i].kind == NET_MTU)
			child_word(env, "INTERNAL_IP4_MTU=%u", items[i].number);
		if (items[i].kind != NET_GATEWAY || gateway)
			continue;
		child_word(env, "VPNGATEWAY=%s", addr_format(&items[i].prefix.addr, text));
		gateway = true; /* the script knows one */
	}
	env_list(env, "INTERNAL_IP4_DNS", NET_DNS, ADDR_V4, items, len);
	env_list(env, "INTERNAL_IP6_DNS", NET_DNS, ADDR_V6, items, len);
	env_list(env, "CISCO_DEF_DOMAIN", NET_DOMAIN, ADDR_NONE, items, len);
	env_list(env, "CISCO_BANNER", NET_BANNER, ADDR_NONE, items, len);
	if (!wants_everything(ADDR_V4, items, len))
		env_networks(env, "SPLIT_INC", ADDR_V4, NET_ROUTE, items, len);
	if (!wants_everything(ADDR_V6, items, len))
		env_networks(env, "SPLIT_INC", ADDR_V6, NET_ROUTE, items, len);
	env_networks(env, "SPLIT_EXC", ADDR_V4, NET_EXCLUDE, items, len);
	env_networks(env, "SPLIT_EXC", ADDR_V6, NET_EXCLUDE, items, len);
}

static void env_reason(struct child_words *env, enum reason reason)
{
	child_word(env, "reason=%s", reason_names[reason]);
}

/* The journal entry: script and environment of its disconnect, each ended by NUL, in hexadecimal. */
static char *entry_of(const char *path, const struct child_words *env)
{
	struct buf words = BUF_INIT;
	char *text = NULL;
	size_t i;
	int r = buf_append(&words, path, strlen(path) + 1);

	for (i = 0; i < env->len && r == 0; i++)
		r = buf_append(&words, env->items[i], strlen(env->items[i]) + 1);
	if (r == 0 && !env->failed)
		text = malloc(2 * buf_len(&words) + 1);
	if (text)
		hex_encode(buf_data(&words), buf_len(&words), text);
	buf_fini(&words);
	return text;
}

/* Return: the path of an entry's script, to be freed, with its environment in @env; NULL without memory or sense. */
static char *entry_read(const char *text, struct child_words *env)
{
	size_t len = strlen(text) / 2;
	char *words = malloc(len + 1), *at;

	*env = (struct child_words){ 0 };
	if (!words || hex_decode(text, 2 * len, (uint8_t *)words) < 0) {
		free(words);
		return NULL;
	}
	words[len] = '\0';
	for (at = words + strlen(words) + 1; at < words + len; at += strlen(at) + 1)
		child_word(env, "%s", at);
	return words;
}

static int run_waiting(const char *path, const struct child_words *env)
{
	const char *const argv[] = { path, NULL };

	return child_run(argv, env, NULL, SCRIPT_DEADLINE_S);
}

static void on_done(void *arg, int result);

/* The configuration that stands goes by a run before all others. */
static int push_disconnect(struct script *s)
{
	struct run *run = calloc(1, sizeof(*run));
	char *path;

	if (!run)
		return ERR_NOMEM;
	path = entry_read(s->standing, &run->env);
	free(path);
	if (!path) {
		free(run);
		return ERR_NOMEM;
	}
	run->script = s;
	run->reason = DISCONNECT;
	run->next = s->runs;
	s->runs = run;
	return 0;
}

static int stand(struct script *s, const char *entry)
{
	int r = journal_add(s->journal, SCRIPT_JOURNAL, entry);

	if (r == 0 && !(s->standing = strdup(entry)))
		r = ERR_NOMEM;
	return r;
}

static void stand_no_more(struct script *s)
{
	journal_forget(s->journal, SCRIPT_JOURNAL, s->standing);
	free(s->standing);
	s->standing = NULL;
	s->connected = false;
}

/* The first run is about to begin. */
static int decide(struct script *s)
{
	struct run *run = s->runs;

	if (run->reason != CONNECT)
		return 0;
	if (s->standing && strcmp(s->standing, run->entry) != 0)
		return push_disconnect(s);
	if (s->connected)
		run->reason = RECONNECT;
	env_reason(&run->env, run->reason);
	return s->standing ? 0 : stand(s, run->entry);
}

static void start_first(struct script *s)
{
	int r;

	if (!s->runs)
		return;
	r = decide(s);
	if (r == 0)
		r = child_start(s->loop, s->path, &s->runs->env, SCRIPT_DEADLINE_S, on_done, s->runs, &s->child);
	if (r < 0)
		on_done(s->runs, r);
}

static void run_free(struct run *run)
{
	child_words_fini(&run->env);
	free(run->entry);
	free(run);
}

static void on_done(void *arg, int result)
{
	struct run *run = arg;
	struct script *s = run->script;

	if (result < 0)
		log_warn("script failed: reason=%s: %s", reason_names[run->reason], err_text(result));
	s->child = NULL;
	s->runs = run->next;
	if (run->reason == CONNECT)
		s->connected = result == 0;
	else if (run->reason == DISCONNECT)
		stand_no_more(s);
	if (run->done)
		run->done(run->arg, result);
	run_free(run);
	start_first(s);
}

/* Takes @run. */
static int push(struct script *s, struct run *run_taken)
{
	struct run **at;
	unsigned n = 0;

	for (at = &s->runs; *at; at = &(*at)->next)
		n++;
	if (run_taken->env.failed || n >= RUNS_MAX) {
		run_free(run_taken);
		return n >= RUNS_MAX ? ERR_FULL : ERR_NOMEM;
	}
	*at = run_taken;
	if (!n)
		start_first(s);
	return 0;
}

void script_pre_init(const char *path, const char *device)
{
	struct child_words env;
	int r;

	script_env(&env, device, NULL, 0);
	child_word(&env, "reason=pre-init");
	r = run_waiting(path, &env);
	if (r < 0)
		log_warn("script failed: reason=pre-init: %s", err_text(r));
	child_words_fini(&env);
}

struct script *script_new(uv_loop_t *loop, struct journal *j, const char *path, const char *device)
{
	struct script *s = calloc(1, sizeof(*s));

	if (s)
		*s = (struct script){ .loop = loop, .journal = j, .path = path, .device = device };
	return s;
}

static char *disconnect_entry(struct script *s, const struct net_item *items, size_t len)
{
	struct child_words env;
	char *entry;

	script_env(&env, s->device, items, len);
	env_reason(&env, DISCONNECT);
	entry = entry_of(s->path, &env);
	child_words_fini(&env);
	return entry;
}

int script_net(struct script *s, const struct net_item *items, size_t len, enum net_phase phase,
	       void (*done)(void *arg, int result), void *arg)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run)
		return ERR_NOMEM;
	run->script = s;
	run->done = done;
	run->arg = arg;
	script_env(&run->env, s->device, items, len);
	if (phase == NET_RECONNECTING) {
		run->reason = ATTEMPT_RECONNECT;
		env_reason(&run->env, ATTEMPT_RECONNECT);
	} else if (!(run->entry = disconnect_entry(s, items, len))) {
		run_free(run);
		return ERR_NOMEM;
	}
	return push(s, run);
}

void script_undo(void *arg, const char *text)
{
	struct child_words env;
	char *path = entry_read(text, &env);
	int r = path ? run_waiting(path, &env) : 0;

	(void)arg;
	if (r < 0)
		log_warn("script failed: reason=disconnect: %s", err_text(r));
	child_words_fini(&env);
	free(path);
}

void script_abandon(struct script *s)
{
	struct run *run, *waiting;

	if (!s->runs)
		return;
	waiting = s->runs->next;
	s->runs->next = NULL;
	while ((run = waiting)) {
		waiting = run->next;
		if (run->done)
			run->done(run->arg, ERR_TIMEOUT);
		run_free(run);
	}
	if (s->runs->reason != DISCONNECT)
		child_stop(s->child, SCRIPT_GRACE_MS);
}

bool script_busy(const struct script *s)
{
	return s->runs != NULL;
}

void script_free(struct script *s)
{
	if (!s)
		return;
	free(s->standing);
	free(s);
}
