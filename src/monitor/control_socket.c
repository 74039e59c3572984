/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket. */
#include "monitor/control_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "monitor/journal.h"

enum { CONTROL_BACKLOG = 16, ORPHAN_WAIT_MS = 3000, ORPHAN_POLL_US = 50000 };

enum owner { OWNER_NONE, OWNER_ORPHAN, OWNER_ALIVE };

static int name_of(const char *path, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (snprintf(out->sun_path, sizeof(out->sun_path), "%s", path) < (int)sizeof(out->sun_path))
		return 0;
	return ERR_INVALID;
}

/* The length of the folder's part; the root folder keeps its slash. */
static size_t folder_len(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return 0;
	return slash == path ? 1 : (size_t)(slash - path);
}

static int make_folder(const char *path)
{
	char folder[PATH_MAX];

	snprintf(folder, sizeof(folder), "%.*s", (int)folder_len(path), path);
	if (!*folder)
		return 0;
	if (mkdir(folder, 0755) < 0)
		return errno == EEXIST ? 0 : ERR_SYS;
	/* Whatever our umask: control_group has to get in. */
	return chmod(folder, 0755) < 0 ? ERR_SYS : 0;
}

/* "ROLE-HASH.EXT" in the socket's folder, to @out[@cap]. */
static int path_beside(const struct conf *conf, const char *ext, char *out, size_t cap)
{
	const char *role = conf->role == CONF_SERVER ? "server" : "client", *c;
	uint64_t hash = 14695981039346656037u; /* FNV-1a: only tells names apart */
	size_t len = folder_len(conf->control);

	for (c = conf->control; *c; c++)
		hash = (hash ^ (unsigned char)*c) * 1099511628211u;
	if (snprintf(out, cap, "%.*s/%s-%016" PRIx64 ".%s", len ? (int)len : 1, len ? conf->control : ".", role, hash,
		     ext) >= (int)cap)
		return ERR_TOO_BIG;
	return 0;
}

/* The file is never removed: whoever had opened it just before would hold the lock of a file that is no more. */
static int take_lock(const struct conf *conf)
{
	char path[PATH_MAX];
	int fd, r = path_beside(conf, "lock", path, sizeof(path));

	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return ERR_SYS;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	r = errno == EWOULDBLOCK ? ERR_EXISTS : ERR_SYS;
	close(fd);
	return r;
}

/* Whoever called listen() is the peer that the kernel names, and that was a monitor. */
static enum owner find_owner(const struct sockaddr_un *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	enum owner owner = OWNER_NONE;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (fd < 0)
		return owner;
	if (connect(fd, (const struct sockaddr *)name, sizeof(*name)) < 0) {
		if (errno == EAGAIN) /* its backlog is full: somebody listens */
			owner = OWNER_ALIVE;
	} else {
		owner = OWNER_ALIVE;
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.pid > 0 &&
		    kill(peer.pid, 0) < 0 && errno == ESRCH)
			owner = OWNER_ORPHAN;
	}
	close(fd);
	return owner;
}

/* Waits for an engine whose monitor was killed. Return: 0 or ERR_EXISTS */
static int await_no_owner(const struct sockaddr_un *name)
{
	uint64_t deadline = clock_ms() + ORPHAN_WAIT_MS;
	enum owner owner;

	while ((owner = find_owner(name)) == OWNER_ORPHAN && clock_ms() < deadline)
		usleep(ORPHAN_POLL_US);
	return owner == OWNER_NONE ? 0 : ERR_EXISTS;
}

int control_socket_prepare(const struct conf *conf)
{
	struct sockaddr_un name;
	int lock, r;

	if (name_of(conf->control, &name) < 0) {
		log_err("control: path is too long: %s", conf->control);
		return ERR_INVALID;
	}
	if (make_folder(conf->control) < 0) {
		log_err("control: cannot make the folder of %s: %s", conf->control, err_text(ERR_SYS));
		return ERR_SYS;
	}
	lock = r = take_lock(conf);
	if (lock >= 0)
		r = await_no_owner(&name);
	if (r == 0)
		return lock;
	if (r == ERR_EXISTS)
		log_err("another adit is running: control=%s", conf->control);
	else
		log_err("control: cannot lock beside %s: %s", conf->control, err_text(r));
	if (lock >= 0)
		close(lock);
	return r;
}

int control_socket_journal_path(const struct conf *conf, char *out, size_t cap)
{
	return path_beside(conf, "journal", out, cap);
}

static int give_to_group(const struct conf *conf)
{
	const struct group *group;

	if (!conf->control_group || !*conf->control_group)
		return 0;
	group = getgrnam(conf->control_group);
	if (!group)
		return ERR_MISSING;
	if (chown(conf->control, (uid_t)-1, group->gr_gid) < 0 || chmod(conf->control, 0660) < 0)
		return ERR_SYS;
	return 0;
}

int control_socket_open(const struct conf *conf, struct journal *j)
{
	int fd, r = ERR_SYS;
	struct sockaddr_un name;
	mode_t mask;

	name_of(conf->control, &name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || (r = journal_add(j, CONTROL_JOURNAL, conf->control)) < 0)
		goto out;
	control_socket_undo(NULL, conf->control); /* a stale one */
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 ? ERR_SYS : 0;
	umask(mask);
	if (r < 0 || (r = give_to_group(conf)) < 0)
		goto out;
	r = listen(fd, CONTROL_BACKLOG) < 0 ? ERR_SYS : 0;
	if (r == 0)
		return fd;
out:
	log_err("control socket %s: %s", conf->control, err_text(r));
	if (fd >= 0)
		close(fd);
	return r;
}

void control_socket_undo(void *arg, const char *text)
{
	struct stat st;

	(void)arg;
	if (lstat(text, &st) == 0 && S_ISSOCK(st.st_mode) && unlink(text) < 0)
		log_warn("cannot remove %s: %s", text, err_text(ERR_SYS));
}
