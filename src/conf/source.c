/* SPDX-License-Identifier: Apache-2.0 */
/* The files that a configuration is read from. */
#include "conf/source.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "conf/file.h"

enum { INCLUDE_DEPTH_MAX = 10 }; /* libconfig's own limit */
enum { WORD_LEN = 64 };

struct source_number {
	char *file; /* as @include names it, "": the main file */
	unsigned line;
	char name[WORD_LEN]; /* of the setting */
	char text[WORD_LEN];
};

struct scan {
	struct source *source;
	const char *file; /* as @include names it, "": the main file */
	const char *at;
	unsigned line;
	unsigned depth;
	char name[WORD_LEN]; /* of the latest setting */
	unsigned name_line;
};

static void scan_text(struct source *s, const char *file, const char *text, unsigned depth);

/* The file's name for people: beside the main file when it is included. */
static const char *shown_path(const struct source *s, const char *file, char out[PATH_MAX])
{
	const char *slash = strrchr(s->path, '/');
	int dir_len = slash ? (int)(slash - s->path + 1) : 0;

	if (!file || !*file)
		snprintf(out, PATH_MAX, "%s", s->path);
	else
		snprintf(out, PATH_MAX, "%.*s%s", dir_len, s->path, file);
	return out;
}

/* One line each, whatever bytes stand in a value. */
__attribute__((format(printf, 4, 5))) static void report_at(struct source *s, const char *file, unsigned line,
							    const char *fmt, ...)
{
	char path[PATH_MAX], text[1024], *at;
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	for (at = text; *at; at++)
		if (iscntrl((unsigned char)*at))
			*at = '?';
	fprintf(stderr, "%s:%u: %s\n", shown_path(s, file, path), line, text);
	s->errors++;
}

static void scan_over(struct scan *scan, size_t n)
{
	for (; n && *scan->at; n--)
		scan->line += *scan->at++ == '\n';
}

static void scan_comment(struct scan *scan)
{
	const char *end;

	if (scan->at[0] == '/' && scan->at[1] == '*') {
		end = strstr(scan->at + 2, "*/");
		scan_over(scan, end ? (size_t)(end + 2 - scan->at) : SIZE_MAX);
	} else {
		scan_over(scan, strcspn(scan->at, "\n"));
	}
}

/* libconfig would name the last line of the file, not that of the string. */
static bool scan_string(struct scan *scan)
{
	unsigned line = scan->line;

	scan_over(scan, 1);
	while (*scan->at && *scan->at != '"')
		scan_over(scan, *scan->at == '\\' ? 2 : 1);
	if (!*scan->at) {
		report_at(scan->source, scan->file, line, "syntax error: a string without an end");
		return false;
	}
	scan_over(scan, 1);
	return true;
}

static size_t scan_word(struct scan *scan, const char *letters, char out[WORD_LEN])
{
	size_t len = 0;

	while (isalnum((unsigned char)scan->at[len]) || (scan->at[len] && strchr(letters, scan->at[len])))
		len++;
	snprintf(out, WORD_LEN, "%.*s", len < WORD_LEN ? (int)len : WORD_LEN - 1, scan->at);
	scan->at += len;
	return len;
}

static void scan_name(struct scan *scan)
{
	scan->name_line = scan->line;
	scan_word(scan, "-_*", scan->name);
}

static bool is_float(const char *number)
{
	bool hex = number[0] == '0' && (number[1] | 0x20) == 'x';

	return strpbrk(number, hex ? "." : ".eE");
}

static void scan_number(struct scan *scan)
{
	struct source *s = scan->source;
	struct source_number *more, found = { .line = scan->name_line };
	long long value;

	if (!scan_word(scan, "+-.", found.text) || is_float(found.text))
		return;
	value = strtoll(found.text, NULL, (found.text[0] == '0' && (found.text[1] | 0x20) == 'x') ? 16 : 10);
	if (value >= INT32_MIN && value <= INT32_MAX)
		return;
	memcpy(found.name, scan->name, WORD_LEN);
	found.file = strdup(scan->file);
	more = reallocarray(s->numbers, s->numbers_len + 1, sizeof(*more));
	if (more)
		s->numbers = more;
	if (!more || !found.file) {
		free(found.file);
		report_at(s, scan->file, scan->line, "%s", err_text(ERR_NOMEM));
		return;
	}
	s->numbers[s->numbers_len++] = found;
}

static void include(struct scan *scan, const char *name, unsigned line)
{
	struct source *s = scan->source;
	char path[PATH_MAX];
	char *text = NULL;
	int r;

	if (*name == '/' || strchr(name, '\\')) {
		report_at(s, scan->file, line, "@include: found \"%s\", allowed a path relative to %s", name, s->dir);
		return;
	}
	/* Where nesting goes too deep libconfig says so. */
	if (scan->depth >= INCLUDE_DEPTH_MAX)
		return;
	snprintf(path, sizeof(path), "%s/%s", s->dir, name);
	if ((r = file_read(path, &text, NULL)) < 0) {
		report_at(s, scan->file, line, "@include: cannot read %s: %s", path, file_why(r));
		return;
	}
	scan_text(s, name, text, scan->depth + 1);
	file_wipe(text);
}

static void scan_include(struct scan *scan)
{
	unsigned line = scan->line;
	const char *begin;
	char *name;

	scan_over(scan, strlen("@include"));
	scan_over(scan, strspn(scan->at, " \t"));
	begin = scan->at + 1;
	if (*scan->at != '"' || !scan_string(scan))
		return;
	name = strndup(begin, (size_t)(scan->at - 1 - begin));
	if (name)
		include(scan, name, line);
	else
		report_at(scan->source, scan->file, line, "%s", err_text(ERR_NOMEM));
	free(name);
}

/* Enough of libconfig's grammar to tell numbers and includes from what stands in strings and comments. */
static void scan_text(struct source *s, const char *file, const char *text, unsigned depth)
{
	struct scan scan = { .source = s, .file = file, .at = text, .line = 1, .depth = depth };

	while (*scan.at) {
		if (*scan.at == '#' || (*scan.at == '/' && (scan.at[1] == '/' || scan.at[1] == '*')))
			scan_comment(&scan);
		else if (*scan.at == '"')
			scan_string(&scan);
		else if (!strncmp(scan.at, "@include", strlen("@include")))
			scan_include(&scan);
		else if (isalpha((unsigned char)*scan.at) || *scan.at == '*')
			scan_name(&scan);
		else if (isdigit((unsigned char)*scan.at) || *scan.at == '-' || *scan.at == '+')
			scan_number(&scan);
		else
			scan_over(&scan, 1);
	}
}

/* The absolute directory of a file that exists. */
static char *directory_of(const char *path)
{
	char real[PATH_MAX];
	const char *slash = strrchr(path, '/');
	char *dir;

	dir = slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
	if (!dir || !realpath(dir, real)) {
		free(dir);
		return NULL;
	}
	free(dir);
	return strdup(real);
}

static void wipe_strings(const config_setting_t *setting)
{
	const char *text = config_setting_get_string(setting);
	int i;

	/* libconfig lends its strings as const; they are its own memory, freed right after this. */
	if (text)
		explicit_bzero((char *)(uintptr_t)text, strlen(text));
	if (!config_setting_is_aggregate(setting))
		return;
	for (i = 0; i < config_setting_length(setting); i++)
		wipe_strings(config_setting_get_elem(setting, (unsigned)i));
}

int source_open(struct source *s, const char *path)
{
	int r;

	*s = (struct source){ .path = path };
	config_init(&s->config);
	if ((r = file_read(path, &s->text, NULL)) < 0 || !(s->dir = directory_of(path))) {
		fprintf(stderr, "%s: cannot read: %s\n", path, file_why(r < 0 ? r : ERR_SYS));
		return ERR_CONFIG;
	}
	scan_text(s, "", s->text, 0);
	if (s->errors)
		return ERR_CONFIG;
	config_set_include_dir(&s->config, s->dir);
	if (!config_read_string(&s->config, s->text)) {
		report_at(s, config_error_file(&s->config), (unsigned)config_error_line(&s->config), "%s",
			  config_error_text(&s->config));
		return ERR_CONFIG;
	}
	return 0;
}

void source_report(struct source *s, const config_setting_t *setting, const char *key, const char *fmt, ...)
{
	unsigned line = config_setting_source_line(setting);
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	report_at(s, config_setting_source_file(setting), line ? line : 1, "%s: %s", key, text);
}

const char *source_number(const struct source *s, const config_setting_t *setting)
{
	const char *name = config_setting_name(setting), *file = config_setting_source_file(setting);
	unsigned line = config_setting_source_line(setting);
	const struct source_number *n;

	for (n = s->numbers; n < s->numbers + s->numbers_len; n++)
		if (name && n->line == line && !strcmp(n->name, name) && !strcmp(n->file, file ? file : ""))
			return n->text;
	return NULL;
}

const char *source_file(const struct source *s, const config_setting_t *setting, char out[PATH_MAX])
{
	return shown_path(s, config_setting_source_file(setting), out);
}

const char *source_resolve(const struct source *s, const config_setting_t *setting, const char *value,
			   char out[PATH_MAX])
{
	const char *file = config_setting_source_file(setting);
	const char *slash = file ? strrchr(file, '/') : NULL;
	int dir_len = slash ? (int)(slash - file + 1) : 0;

	if (*value == '/')
		snprintf(out, PATH_MAX, "%s", value);
	else
		snprintf(out, PATH_MAX, "%s/%.*s%s", s->dir, dir_len, dir_len ? file : "", value);
	return out;
}

void source_fini(struct source *s)
{
	size_t i;

	wipe_strings(config_root_setting(&s->config));
	config_destroy(&s->config);
	for (i = 0; i < s->numbers_len; i++)
		free(s->numbers[i].file);
	free(s->numbers);
	free(s->dir);
	file_wipe(s->text);
}
