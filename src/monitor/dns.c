/* SPDX-License-Identifier: Apache-2.0 */
/* Name servers and search domains for the time of the tunnel. */
#include "monitor/dns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/hex.h"
#include "base/log.h"
#include "monitor/child.h"
#include "monitor/journal.h"

#define RESOLV_CONF     "/etc/resolv.conf"
#define RESOLVED_FOLDER "/run/systemd/resolve/"

enum { COMMAND_DEADLINE_S = 5, FILE_MAX_LEN = 65536 };

static const char nothing[] = "-"; /* in a journal entry: there was no file */

static int run(const struct child_words *words, const char *input)
{
	struct child_words env;
	int r;

	if (words->failed)
		return ERR_NOMEM;
	child_words_init(&env);
	r = child_run((const char *const *)words->items, &env, input, COMMAND_DEADLINE_S);
	child_words_fini(&env);
	return r;
}

/* Runs a command of three words. */
static int run_short(const char *program, const char *verb, const char *object)
{
	struct child_words words = { 0 };
	int r;

	child_word(&words, "%s", program);
	child_word(&words, "%s", verb);
	child_word(&words, "%s", object);
	r = run(&words, NULL);
	child_words_fini(&words);
	return r;
}

static int begin(struct dns *d, const char *kind, const char *text)
{
	int r;

	d->text = strdup(text);
	if (!d->text)
		return ERR_NOMEM;
	d->kind = kind;
	r = journal_add(d->journal, kind, text);
	if (r < 0)
		dns_fini(d);
	return r;
}

static void undo(struct dns *d)
{
	if (d->kind)
		journal_undo(d->journal, d->kind, d->text);
	dns_fini(d);
}

static int link_servers(const struct dns *d, const struct plan *plan)
{
	struct child_words words = { 0 };
	char text[ADDR_TEXT_LEN];
	size_t i;
	int r;

	child_word(&words, "resolvectl");
	child_word(&words, "dns");
	child_word(&words, "%s", d->device);
	for (i = 0; i < plan->dns.len; i++)
		child_word(&words, "%s", addr_format(&plan->dns.items[i].addr, text));
	r = run(&words, NULL);
	child_words_fini(&words);
	return r;
}

static int link_domains(const struct dns *d, const struct plan *plan)
{
	struct child_words words = { 0 };
	size_t i;
	int r;

	child_word(&words, "resolvectl");
	child_word(&words, "domain");
	child_word(&words, "%s", d->device);
	for (i = 0; i < plan->domains_len; i++)
		child_word(&words, "%s", plan->domains[i]);
	/* "~." sends every name there: when all traffic goes there, or when no domain says which names should. */
	if (plan->everything || !plan->domains_len)
		child_word(&words, "~.");
	r = run(&words, NULL);
	child_words_fini(&words);
	return r;
}

static int set_link(struct dns *d, const struct plan *plan)
{
	int r = begin(d, DNS_LINK, d->device);

	if (r < 0)
		return r;
	r = link_servers(d, plan);
	if (r == 0)
		r = link_domains(d, plan);
	if (r < 0)
		undo(d);
	return r;
}

static int set_resolvconf(struct dns *d, const struct buf *text)
{
	struct child_words words = { 0 };
	char name[64];
	int r;

	snprintf(name, sizeof(name), "%s.adit", d->device);
	r = begin(d, DNS_RESOLVCONF, name);
	if (r < 0)
		return r;
	child_word(&words, "resolvconf");
	child_word(&words, "-a");
	child_word(&words, "%s", name);
	r = run(&words, (const char *)buf_data(text));
	child_words_fini(&words);
	if (r < 0)
		undo(d);
	return r;
}

/* Appends a file's bytes. Return: 0, ERR_MISSING, ERR_TOO_BIG, ERR_SYS, ERR_NOMEM. */
static int file_read(const char *path, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint8_t *room;
	ssize_t n;

	if (fd < 0)
		return errno == ENOENT ? ERR_MISSING : ERR_SYS;
	do {
		if (buf_reserve(out, FILE_MAX_LEN, &room) < 0) {
			close(fd);
			return ERR_NOMEM;
		}
		n = read(fd, room, FILE_MAX_LEN);
		if (n > 0)
			buf_grow(out, (size_t)n);
	} while ((n > 0 && buf_len(out) <= FILE_MAX_LEN) || (n < 0 && errno == EINTR));
	close(fd);
	if (n < 0)
		return ERR_SYS;
	return buf_len(out) > FILE_MAX_LEN ? ERR_TOO_BIG : 0;
}

/* @path is as long as the content takes; both ways of writing end here. */
static int file_fill(const char *path, int flags, mode_t mode, const struct buf *text)
{
	int r = 0, fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, mode);

	if (fd < 0)
		return ERR_SYS;
	if (write(fd, buf_data(text), buf_len(text)) != (ssize_t)buf_len(text) || fsync(fd) < 0)
		r = ERR_SYS;
	if ((flags & O_CREAT) && fchmod(fd, mode) < 0)
		r = ERR_SYS;
	close(fd);
	return r;
}

static int file_write(const char *path, const struct buf *text)
{
	char beside[PATH_MAX];
	struct stat st;
	mode_t mode = stat(path, &st) < 0 ? 0644 : st.st_mode & 0777;

	if (snprintf(beside, sizeof(beside), "%s.adit", path) >= (int)sizeof(beside))
		return ERR_TOO_BIG;
	unlink(beside);
	if (file_fill(beside, O_CREAT | O_EXCL, mode, text) == 0 && rename(beside, path) == 0)
		return 0;
	/* A mount point cannot be replaced, nor can anything in a folder we may not write. */
	unlink(beside);
	return file_fill(path, O_TRUNC, 0, text);
}

static char *hex_of(const void *data, size_t len)
{
	char *text = malloc(2 * len + 1);

	if (text)
		hex_encode(data, len, text);
	return text;
}

/* Reads one hexadecimal word of a journal entry, NUL-terminated behind its bytes. */
static int word_read(const char *word, struct buf *out)
{
	size_t len = strlen(word);
	uint8_t *room;
	int n;

	if (buf_reserve(out, len / 2 + 1, &room) < 0)
		return ERR_NOMEM;
	n = hex_decode(word, len, room);
	if (n < 0)
		return n;
	room[n] = '\0';
	buf_grow(out, (size_t)n);
	return 0;
}

/* "PATH ORIGINAL OURS" in hexadecimal; ORIGINAL may be nothing[]. */
static int file_entry(const char *path, const struct buf *original, const struct buf *ours, char **out)
{
	char *words[3] = { hex_of(path, strlen(path)),
			   original ? hex_of(buf_data(original), buf_len(original)) : strdup(nothing),
			   hex_of(buf_data(ours), buf_len(ours)) };
	int i, r = ERR_NOMEM;

	if (words[0] && words[1] && words[2] && asprintf(out, "%s %s %s", words[0], words[1], words[2]) >= 0)
		r = 0;
	for (i = 0; i < 3; i++)
		free(words[i]);
	return r;
}

/* The three words of a file's entry; @original is left empty when there was no file. Return: whether there was one. */
static int file_words(const char *entry, struct buf *path, struct buf *original, struct buf *ours)
{
	char *words = strdup(entry), *rest = words, *word[3] = { NULL };
	int r = words ? 0 : ERR_NOMEM, existed = 0;

	if (words) {
		/* An empty original is an empty word, which strsep() keeps. */
		word[0] = strsep(&rest, " ");
		word[1] = strsep(&rest, " ");
		word[2] = strsep(&rest, " ");
		existed = word[1] && strcmp(word[1], nothing) != 0;
		if (!word[2])
			r = ERR_INVALID;
	}
	if (r == 0 && (r = word_read(word[0], path)) == 0 && existed)
		r = word_read(word[1], original);
	if (r == 0)
		r = word_read(word[2], ours);
	free(words);
	return r < 0 ? r : existed;
}

static bool file_holds(const char *path, const struct buf *text)
{
	struct buf now = BUF_INIT;
	bool same = file_read(path, &now) == 0 && buf_len(&now) == buf_len(text) &&
		    !memcmp(buf_data(&now), buf_data(text), buf_len(text));

	buf_fini(&now);
	return same;
}

static void file_restore(const char *path, const struct buf *original, const struct buf *ours)
{
	int r;

	if (original ? file_holds(path, original) : access(path, F_OK) < 0)
		return; /* never changed */
	if (!file_holds(path, ours)) {
		log_warn("changed by somebody else meanwhile, left as it is: %s", path);
		return;
	}
	r = original ? file_write(path, original) : unlink(path) < 0 ? ERR_SYS : 0;
	if (r < 0)
		log_err("cannot restore %s: %s", path, err_text(r));
}

void dns_init(struct dns *d, struct journal *j, const char *device)
{
	*d = (struct dns){ .journal = j, .device = device };
}

int dns_text(const struct plan *plan, struct buf *out)
{
	char text[ADDR_TEXT_LEN];
	size_t i;
	int r = buf_printf(out, "# for the time of an adit tunnel\n");

	for (i = 0; i < plan->dns.len && r == 0; i++)
		r = buf_printf(out, "nameserver %s\n", addr_format(&plan->dns.items[i].addr, text));
	for (i = 0; i < plan->domains_len && r == 0; i++)
		r = buf_printf(out, i ? " %s" : "search %s", plan->domains[i]);
	if (r == 0 && plan->domains_len)
		r = buf_printf(out, "\n");
	return r;
}

int dns_file_set(struct dns *d, const char *path, const struct buf *text)
{
	struct buf original = BUF_INIT;
	char real[PATH_MAX], *entry = NULL;
	bool missing;
	int r;

	if (!realpath(path, real) && snprintf(real, sizeof(real), "%s", path) >= (int)sizeof(real))
		return ERR_TOO_BIG;
	r = file_read(real, &original);
	missing = r == ERR_MISSING;
	if (r < 0 && !missing)
		goto out;
	r = file_entry(real, missing ? NULL : &original, text, &entry);
	if (r < 0)
		goto out;
	r = begin(d, DNS_FILE, entry);
	if (r < 0)
		goto out;
	r = file_write(real, text);
	if (r < 0)
		undo(d);
out:
	free(entry);
	buf_fini(&original);
	return r;
}

/* Programs ask systemd-resolved only when /etc/resolv.conf is one of its files, or says what they say. */
static bool resolved_is_asked(void)
{
	struct buf text = BUF_INIT;
	char real[PATH_MAX];
	bool asked;

	if (access(RESOLVED_FOLDER, F_OK) < 0)
		return false;
	if (realpath(RESOLV_CONF, real) && !strncmp(real, RESOLVED_FOLDER, strlen(RESOLVED_FOLDER)))
		return true;
	asked = file_read(RESOLV_CONF, &text) == 0 && buf_append(&text, "", 1) == 0 &&
		strstr((const char *)buf_data(&text), "nameserver 127.0.0.53");
	buf_fini(&text);
	return asked;
}

int dns_set(struct dns *d, const struct plan *plan)
{
	struct buf text = BUF_INIT;
	int r;

	undo(d);
	if (!plan->dns.len)
		return 0;
	if (resolved_is_asked() && set_link(d, plan) == 0)
		return 0;
	r = dns_text(plan, &text);
	if (r == 0)
		r = buf_append(&text, "", 1); /* for those who read it as a string */
	if (r < 0)
		goto out;
	text.end--;
	if (child_is_program("resolvconf") && set_resolvconf(d, &text) == 0)
		goto out;
	r = dns_file_set(d, RESOLV_CONF, &text);
out:
	buf_fini(&text);
	return r;
}

bool dns_stands(const struct dns *d)
{
	struct buf path = BUF_INIT, original = BUF_INIT, ours = BUF_INIT;
	bool stands = true;

	if (d->kind && !strcmp(d->kind, DNS_FILE) && file_words(d->text, &path, &original, &ours) >= 0)
		stands = file_holds((char *)buf_data(&path), &ours);
	buf_fini(&path);
	buf_fini(&original);
	buf_fini(&ours);
	return stands;
}

void dns_undo_link(void *arg, const char *text)
{
	(void)arg;
	/* After a crash the device and its settings are gone already, so a failure means nothing. */
	run_short("resolvectl", "revert", text);
}

void dns_undo_resolvconf(void *arg, const char *text)
{
	(void)arg;
	if (run_short("resolvconf", "-d", text) < 0)
		log_warn("resolvconf would not remove %s", text);
}

void dns_undo_file(void *arg, const char *text)
{
	struct buf path = BUF_INIT, original = BUF_INIT, ours = BUF_INIT;
	int existed = file_words(text, &path, &original, &ours);

	(void)arg;
	if (existed >= 0)
		file_restore((char *)buf_data(&path), existed ? &original : NULL, &ours);
	buf_fini(&path);
	buf_fini(&original);
	buf_fini(&ours);
}

void dns_fini(struct dns *d)
{
	free(d->text);
	d->text = NULL;
	d->kind = NULL;
}
