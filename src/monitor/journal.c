/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of changes to undo: lines of "kind text". */
#include "monitor/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

struct journal {
	char *path;
	const struct journal_kind *kinds;
	void *arg;
	char **lines;
	size_t len, cap;
	bool recovered;
};

static int write_all(int fd, const char *text, size_t len)
{
	ssize_t n;

	while (len) {
		n = write(fd, text, len);
		if (n < 0 && errno != EINTR)
			return ERR_SYS;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

static int write_lines(struct journal *j, int fd, size_t from)
{
	int r = 0;

	for (; from < j->len && r == 0; from++) {
		r = write_all(fd, j->lines[from], strlen(j->lines[from]));
		if (r == 0)
			r = write_all(fd, "\n", 1);
	}
	if (r == 0 && fdatasync(fd) < 0)
		r = ERR_SYS;
	return r;
}

static int append_last(struct journal *j)
{
	int r, fd = open(j->path, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	if (fd < 0)
		return ERR_SYS;
	r = write_lines(j, fd, j->len - 1);
	close(fd);
	return r;
}

/* Writes the whole file anew beside the old one, so that a crash leaves one of the two. */
static int rewrite(struct journal *j)
{
	char path[4096];
	int fd, r;

	if (snprintf(path, sizeof(path), "%s.new", j->path) >= (int)sizeof(path))
		return ERR_TOO_BIG;
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return ERR_SYS;
	r = write_lines(j, fd, 0);
	close(fd);
	if (r == 0 && rename(path, j->path) < 0)
		r = ERR_SYS;
	return r;
}

static int push(struct journal *j, char *line_taken)
{
	size_t cap = j->cap ? 2 * j->cap : 16;
	char **grown;

	if (j->len == j->cap) {
		grown = realloc(j->lines, cap * sizeof(*grown));
		if (!grown)
			return ERR_NOMEM;
		j->lines = grown;
		j->cap = cap;
	}
	j->lines[j->len++] = line_taken;
	return 0;
}

static size_t find(const struct journal *j, const char *line)
{
	size_t i;

	for (i = 0; i < j->len && strcmp(j->lines[i], line) != 0; i++)
		;
	return i;
}

static void undo_line(struct journal *j, const char *line)
{
	const struct journal_kind *k;
	size_t len = strcspn(line, " ");

	for (k = j->kinds; k->name; k++)
		if (strlen(k->name) == len && !memcmp(k->name, line, len) && line[len])
			break;
	if (k->name)
		k->undo(j->arg, line + len + 1);
	else
		log_warn("journal: unknown entry passed over: %.32s", line);
}

static void undo_all(struct journal *j)
{
	while (j->len) {
		undo_line(j, j->lines[--j->len]);
		free(j->lines[j->len]);
	}
	if (unlink(j->path) < 0 && errno != ENOENT)
		log_warn("journal %s: %s", j->path, strerror(errno));
}

static void take_out(struct journal *j, const char *kind, const char *text, bool undo)
{
	char *line;
	size_t at;

	if (asprintf(&line, "%s %s", kind, text) < 0)
		return; /* stays in the journal, to be undone at the end */
	at = find(j, line);
	if (at < j->len) {
		if (undo)
			undo_line(j, line);
		free(j->lines[at]);
		memmove(&j->lines[at], &j->lines[at + 1], (--j->len - at) * sizeof(*j->lines));
		if (rewrite(j) < 0)
			log_warn("journal %s: %s", j->path, err_text(ERR_SYS));
	}
	free(line);
}

/* A crash may have cut the last line short: only whole lines count, for the change comes after the sync. */
static int read_lines(struct journal *j, FILE *f)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = getline(&line, &cap, f)) > 0 && line[n - 1] == '\n') {
		line[n - 1] = '\0';
		r = push(j, line);
		if (r == 0)
			line = NULL;
	}
	free(line);
	return r;
}

static int load(struct journal *j)
{
	int r, fd = open(j->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	struct stat st;
	FILE *f;

	if (fd < 0)
		return errno == ENOENT ? 0 : ERR_SYS;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022)) {
		close(fd);
		return ERR_DENIED;
	}
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return ERR_SYS;
	}
	r = read_lines(j, f);
	fclose(f);
	return r;
}

static void release(struct journal *j)
{
	while (j->len)
		free(j->lines[--j->len]);
	free(j->lines);
	free(j->path);
	free(j);
}

int journal_open(const char *path, const struct journal_kind *kinds, void *arg, struct journal **out)
{
	struct journal *j = calloc(1, sizeof(*j));
	int r = ERR_NOMEM;

	if (!j)
		return r;
	j->kinds = kinds;
	j->arg = arg;
	j->path = strdup(path);
	if (!j->path)
		goto out;
	r = load(j);
	if (r < 0)
		goto out;
	if (j->len) {
		log_warn("undoing what an earlier run left: entries=%zu", j->len);
		j->recovered = true;
	}
	undo_all(j);
	*out = j;
	return 0;
out:
	release(j);
	return r;
}

bool journal_recovered(const struct journal *j)
{
	return j->recovered;
}

int journal_add(struct journal *j, const char *kind, const char *text)
{
	char *line;
	int r;

	if (asprintf(&line, "%s %s", kind, text) < 0)
		return ERR_NOMEM;
	if (find(j, line) < j->len) {
		free(line);
		return 0;
	}
	r = push(j, line);
	if (r < 0) {
		free(line);
		return r;
	}
	r = append_last(j);
	if (r < 0)
		free(j->lines[--j->len]);
	return r;
}

void journal_undo(struct journal *j, const char *kind, const char *text)
{
	take_out(j, kind, text, true);
}

void journal_forget(struct journal *j, const char *kind, const char *text)
{
	take_out(j, kind, text, false);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	undo_all(j);
	release(j);
}
