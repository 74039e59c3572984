/* SPDX-License-Identifier: Apache-2.0 */
/* Looks host names up in short-lived children of the unprivileged user. */
#include "monitor/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

enum { RESOLVE_DEADLINE_MS = 10000 };

struct resolve {
	uv_poll_t poll;
	uv_timer_t timer;
	int handles; /* open; the structure goes with the last */
	int fd;
	pid_t pid;
	size_t got; /* bytes at addrs */
	struct addr addrs[ASK_ADDRS_MAX];
	void (*done)(void *arg, int result, const struct addr *addrs, size_t len);
	void *arg;
};

static size_t look_up(const char *host, struct addr *out)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	struct addrinfo *found, *a;
	size_t n = 0;

	if (getaddrinfo(host, NULL, &hints, &found))
		return 0;
	for (a = found; a && n < ASK_ADDRS_MAX; a = a->ai_next) {
		if (a->ai_family == AF_INET)
			out[n++] = addr_from_bytes(&((struct sockaddr_in *)a->ai_addr)->sin_addr, 32);
		else if (a->ai_family == AF_INET6)
			out[n++] = addr_from_bytes(&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr, 128);
	}
	freeaddrinfo(found);
	return n;
}

static _Noreturn void child_main(const struct privilege *user, const char *host, int fd)
{
	struct addr addrs[ASK_ADDRS_MAX];
	sigset_t none;
	size_t len;
	int r;

	/* The parent's handlers write to its loop's descriptors, which are about to be closed. */
	signal(SIGTERM, SIG_DFL);
	signal(SIGINT, SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	privilege_close_others(&fd, 1);
	r = privilege_drop(user);
	if (r < 0) {
		log_err("cannot give up privileges to look a name up: %s", err_text(r));
		_exit(1);
	}
	len = look_up(host, addrs) * sizeof(*addrs);
	_exit(write(fd, addrs, len) == (ssize_t)len ? 0 : 1);
}

static void on_closed(uv_handle_t *handle)
{
	struct resolve *r = handle->data;

	if (--r->handles == 0)
		free(r);
}

static void finish(struct resolve *r, int result)
{
	size_t i, len = r->got / sizeof(*r->addrs);

	kill(r->pid, SIGKILL);
	while (waitpid(r->pid, NULL, 0) < 0 && errno == EINTR)
		;
	for (i = 0; i < len; i++)
		if (r->addrs[i].family != ADDR_V4 && r->addrs[i].family != ADDR_V6)
			len = 0;
	if (result == 0 && !len)
		result = ERR_MISSING;
	uv_poll_stop(&r->poll);
	close(r->fd);
	uv_close((uv_handle_t *)&r->poll, on_closed);
	uv_close((uv_handle_t *)&r->timer, on_closed);
	r->done(r->arg, result, r->addrs, result == 0 ? len : 0);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct resolve *r = poll->data;
	ssize_t n = read(r->fd, (uint8_t *)r->addrs + r->got, sizeof(r->addrs) - r->got);

	(void)events;
	if (n > 0)
		r->got += (size_t)n;
	else if (n == 0 || status < 0 || (errno != EAGAIN && errno != EINTR))
		finish(r, 0);
}

static void on_deadline(uv_timer_t *timer)
{
	finish(timer->data, ERR_TIMEOUT);
}

int resolve_start(uv_loop_t *loop, const struct privilege *user, const char *host,
		  void (*done)(void *arg, int result, const struct addr *addrs, size_t len), void *arg,
		  struct resolve **out)
{
	struct resolve *r = calloc(1, sizeof(*r));
	int ends[2];

	if (!r)
		return ERR_NOMEM;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		goto out;
	r->pid = fork();
	if (r->pid == 0)
		child_main(user, host, ends[1]);
	close(ends[1]);
	if (r->pid < 0) {
		close(ends[0]);
		goto out;
	}
	r->fd = ends[0];
	r->done = done;
	r->arg = arg;
	r->handles = 2;
	r->poll.data = r->timer.data = r;
	uv_poll_init(loop, &r->poll, r->fd);
	uv_timer_init(loop, &r->timer);
	uv_poll_start(&r->poll, UV_READABLE, on_ready);
	uv_timer_start(&r->timer, on_deadline, RESOLVE_DEADLINE_MS, 0);
	*out = r;
	return 0;
out:
	free(r);
	return ERR_SYS;
}

void resolve_stop(struct resolve *r)
{
	finish(r, ERR_TIMEOUT);
}
