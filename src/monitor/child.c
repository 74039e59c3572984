/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that the monitor runs, beside its loop or waited for. */
#include "monitor/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

#define CHILD_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct child {
	uv_process_t process;
	uv_timer_t timer;
	int handles; /* open; the structure goes with the last */
	bool late;
	void (*done)(void *arg, int result);
	void *arg;
};

static void on_closed(uv_handle_t *handle)
{
	struct child *c = handle->data;

	if (--c->handles == 0)
		free(c);
}

static void close_handles(struct child *c)
{
	uv_close((uv_handle_t *)&c->process, on_closed);
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void on_exit_status(uv_process_t *process, int64_t status, int signo)
{
	struct child *c = process->data;
	int result = status || signo ? ERR_REFUSED : 0;

	/* What it left running in its group goes too. */
	kill(-process->pid, SIGKILL);
	close_handles(c);
	c->done(c->arg, c->late ? ERR_TIMEOUT : result);
}

static void on_deadline(uv_timer_t *timer)
{
	struct child *c = timer->data;

	c->late = true;
	kill(-c->process.pid, SIGKILL);
}

void child_word(struct child_words *w, const char *fmt, ...)
{
	char **grown = realloc(w->items, (w->len + 2) * sizeof(*grown));
	va_list args;
	int n = -1;

	if (grown) {
		w->items = grown;
		va_start(args, fmt);
		n = vasprintf(&grown[w->len], fmt, args);
		va_end(args);
	}
	if (n < 0) {
		w->failed = true;
		return;
	}
	grown[++w->len] = NULL;
}

void child_words_init(struct child_words *w)
{
	*w = (struct child_words){ 0 };
	child_word(w, "PATH=%s", CHILD_PATH);
}

void child_words_fini(struct child_words *w)
{
	while (w->len)
		free(w->items[--w->len]);
	free(w->items);
	*w = (struct child_words){ 0 };
}

int child_start(uv_loop_t *loop, const char *path, const struct child_words *env, int deadline_s,
		void (*done)(void *arg, int result), void *arg, struct child **out)
{
	char *argv[] = { (char *)path, NULL };
	uv_stdio_container_t stdio[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO }, /* its words join the log */
		{ .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
	};
	uv_process_options_t options = {
		.exit_cb = on_exit_status,
		.file = path,
		.args = argv,
		.env = env->items,
		.cwd = "/",
		.flags = UV_PROCESS_DETACHED,
		.stdio_count = 3,
		.stdio = stdio,
	};
	struct child *c;
	int r;

	if (env->failed || !(c = calloc(1, sizeof(*c))))
		return ERR_NOMEM;
	c->done = done;
	c->arg = arg;
	c->handles = 2;
	c->process.data = c->timer.data = c;
	uv_timer_init(loop, &c->timer);
	r = uv_spawn(loop, &c->process, &options);
	if (r < 0) {
		close_handles(c);
		errno = -r;
		return ERR_SYS;
	}
	uv_timer_start(&c->timer, on_deadline, (uint64_t)deadline_s * 1000, 0);
	if (out)
		*out = c;
	return 0;
}

void child_stop(struct child *c, uint64_t ms)
{
	if (uv_timer_get_due_in(&c->timer) > ms)
		uv_timer_start(&c->timer, on_deadline, ms, 0);
}

/* A file in memory with the text, at its beginning. */
static int input_open(const char *text)
{
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd < 0)
		return ERR_SYS;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) < 0) {
		close(fd);
		return ERR_SYS;
	}
	return fd;
}

static int spawn(const char *const argv[], char **env, int input, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none, all;
	int r;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawn_file_actions_init(&actions);
	if (input >= 0)
		posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
	else
		posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
	r = posix_spawnp(pid, argv[0], &actions, &attr, (char *const *)argv, env);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (r) {
		errno = r;
		return ERR_SYS;
	}
	return 0;
}

static int wait_for(pid_t pid, int deadline_s)
{
	struct pollfd exited = { .fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	bool late = false;
	int status = -1, r;

	if (exited.fd >= 0) {
		do
			r = poll(&exited, 1, deadline_s * 1000);
		while (r < 0 && errno == EINTR);
		late = r <= 0;
		close(exited.fd);
	}
	if (late)
		kill(-pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (late)
		return ERR_TIMEOUT;
	return status == 0 ? 0 : ERR_REFUSED;
}

int child_run(const char *const argv[], const struct child_words *env, const char *input, int deadline_s)
{
	int r, fd = -1;
	pid_t pid;

	if (env->failed)
		return ERR_NOMEM;
	if (input && (fd = input_open(input)) < 0)
		return fd;
	r = spawn(argv, env->items, fd, &pid);
	if (fd >= 0)
		close(fd);
	return r < 0 ? r : wait_for(pid, deadline_s);
}

bool child_is_program(const char *name)
{
	char dirs[] = CHILD_PATH, path[256], *dir, *rest = NULL;

	for (dir = strtok_r(dirs, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest)) {
		snprintf(path, sizeof(path), "%s/%s", dir, name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}
