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
enum { WORD_LEN = 64, PLACE_LEN = 256, NEST_MAX = 16 };

#define PRIVATE_KEY "PRIVATE KEY-----"
#define MASK        'x'

/* Places are names and list indexes from the root on: ".clients.[2].sessions". */
struct source_number {
	char place[PLACE_LEN];
	char text[WORD_LEN];
};

struct source_secret {
	char place[PLACE_LEN];
	char *value; /* the string without quotes and escapes */
};

/* The groups and lists around what is looked at, over all files; the innermost is levels[depth]. */
struct nest {
	struct {
		bool list;
		unsigned index;      /* in a list */
		char name[WORD_LEN]; /* in a group: the latest setting */
	} levels[NEST_MAX];
	unsigned depth;
};

struct scan {
	struct source *source;
	struct nest *nest;
	const char *file; /* as @include names it, "": the main file */
	char *at;
	unsigned line;
	unsigned depth; /* of includes */
};

static void scan_text(struct source *s, struct nest *nest, const char *file, char *text, unsigned depth);

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

static bool is_comment(const char *at)
{
	return *at == '#' || (*at == '/' && (at[1] == '/' || at[1] == '*'));
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
	struct nest *n = scan->nest;
	char name[WORD_LEN];

	scan_word(scan, "-_*", name);
	if (n->depth < NEST_MAX && !n->levels[n->depth].list)
		memcpy(n->levels[n->depth].name, name, WORD_LEN);
}

/* One of { ( [ , ] ) } and what else stands between values. */
static void scan_mark(struct scan *scan)
{
	struct nest *n = scan->nest;

	if (strchr("{([", *scan->at) && ++n->depth < NEST_MAX) {
		memset(&n->levels[n->depth], 0, sizeof(n->levels[0]));
		n->levels[n->depth].list = *scan->at != '{';
	} else if (strchr("})]", *scan->at) && n->depth) {
		n->depth--;
	} else if (*scan->at == ',' && n->depth < NEST_MAX) {
		n->levels[n->depth].index++;
	}
	scan_over(scan, 1);
}

/* Deeper than any key stands: no place, "". */
static void scan_place(const struct scan *scan, char out[PLACE_LEN])
{
	const struct nest *n = scan->nest;
	size_t len = 0;
	unsigned i;

	*out = '\0';
	for (i = 0; n->depth < NEST_MAX && i <= n->depth && len < PLACE_LEN; i++)
		if (n->levels[i].list)
			len += (size_t)snprintf(out + len, PLACE_LEN - len, ".[%u]", n->levels[i].index);
		else
			len += (size_t)snprintf(out + len, PLACE_LEN - len, ".%s", n->levels[i].name);
}

static void place_of(const config_setting_t *setting, char out[PLACE_LEN])
{
	const config_setting_t *parent = config_setting_parent(setting);
	const char *name = config_setting_name(setting);
	size_t len;

	*out = '\0';
	if (!parent)
		return;
	place_of(parent, out);
	len = strlen(out);
	if (name)
		snprintf(out + len, PLACE_LEN - len, ".%s", name);
	else
		snprintf(out + len, PLACE_LEN - len, ".[%d]", config_setting_index(setting));
}

static bool is_float(const char *number)
{
	bool hex = number[0] == '0' && (number[1] | 0x20) == 'x';

	return strpbrk(number, hex ? "." : ".eE");
}

static void scan_number(struct scan *scan)
{
	struct source *s = scan->source;
	struct source_number *more, found;
	long long value;

	if (!scan_word(scan, "+-.", found.text) || is_float(found.text))
		return;
	value = strtoll(found.text, NULL, (found.text[0] == '0' && (found.text[1] | 0x20) == 'x') ? 16 : 10);
	if (value >= INT32_MIN && value <= INT32_MAX)
		return;
	scan_place(scan, found.place);
	more = reallocarray(s->numbers, s->numbers_len + 1, sizeof(*more));
	if (!more) {
		report_at(s, scan->file, scan->line, "%s", err_text(ERR_NOMEM));
		return;
	}
	s->numbers = more;
	s->numbers[s->numbers_len++] = found;
}

/* As libconfig does, for what PEM text may need. Return: one past what was written. */
static char *decode_string(const char *at, const char *end, char *out)
{
	static const char escapes[] = "nrtf\"\\", meant[] = "\n\r\t\f\"\\";
	const char *escape;

	for (; at < end; at++) {
		escape = *at == '\\' ? memchr(escapes, at[1], sizeof(escapes) - 1) : NULL;
		*out++ = escape ? meant[escape - escapes] : *at;
		at += escape != NULL;
	}
	return out;
}

static void scan_blank(struct scan *scan)
{
	for (;;) {
		scan_over(scan, strspn(scan->at, " \t\r\n\f"));
		if (!is_comment(scan->at))
			return;
		scan_comment(scan);
	}
}

/* What the strings from @from to @end, without errors, are together. */
static char *decode_strings(struct scan from, const char *end)
{
	char *value = malloc((size_t)(end - from.at) + 1), *out = value;
	const char *begin;

	if (!value)
		return NULL;
	while (from.at < end) {
		begin = from.at + 1;
		scan_string(&from);
		out = decode_string(begin, from.at - 1, out);
		scan_blank(&from);
	}
	*out = '\0';
	return value;
}

/* Keeps the value and leaves libconfig a string of as many bytes and lines. It reads included files by itself. */
static void hide_strings(struct scan from, char *end)
{
	struct source *s = from.source;
	struct source_secret *more, found;
	char *at;

	scan_place(&from, found.place);
	if (*from.file) {
		report_at(s, from.file, from.line,
			  "%s: found a private key in an included file, allowed in the main file or a PEM file",
			  *found.place ? found.place + 1 : "");
		return;
	}
	found.value = decode_strings(from, end);
	more = reallocarray(s->secrets, s->secrets_len + 1, sizeof(*more));
	if (more)
		s->secrets = more;
	if (!more || !found.value) {
		file_wipe(found.value);
		report_at(s, from.file, from.line, "%s", err_text(ERR_NOMEM));
		return;
	}
	s->secrets[s->secrets_len++] = found;
	for (at = from.at + 1; at < end - 1; at++)
		if (*at != '\n')
			*at = MASK;
}

/* Strings with nothing between them are one. */
static void scan_strings(struct scan *scan)
{
	const struct scan from = *scan;
	char *end;

	do {
		if (!scan_string(scan))
			return;
		end = scan->at;
		scan_blank(scan);
	} while (*scan->at == '"');
	if (memmem(from.at, (size_t)(end - from.at), PRIVATE_KEY, strlen(PRIVATE_KEY)))
		hide_strings(from, end);
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
	scan_text(s, scan->nest, name, text, scan->depth + 1);
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

/* Enough of libconfig's grammar to tell numbers, keys and includes, and where they stand. */
static void scan_text(struct source *s, struct nest *nest, const char *file, char *text, unsigned depth)
{
	struct scan scan = { .source = s, .nest = nest, .file = file, .at = text, .line = 1, .depth = depth };

	while (*scan.at) {
		if (is_comment(scan.at))
			scan_comment(&scan);
		else if (*scan.at == '"')
			scan_strings(&scan);
		else if (!strncmp(scan.at, "@include", strlen("@include")))
			scan_include(&scan);
		else if (isalpha((unsigned char)*scan.at) || *scan.at == '*')
			scan_name(&scan);
		else if (isdigit((unsigned char)*scan.at) || *scan.at == '-' || *scan.at == '+')
			scan_number(&scan);
		else
			scan_mark(&scan);
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

int source_open(struct source *s, const char *path)
{
	struct nest nest = { 0 };
	int r;

	*s = (struct source){ .path = path };
	config_init(&s->config);
	if ((r = file_read(path, &s->text, NULL)) < 0 || !(s->dir = directory_of(path))) {
		fprintf(stderr, "%s: cannot read: %s\n", path, file_why(r < 0 ? r : ERR_SYS));
		return ERR_CONFIG;
	}
	scan_text(s, &nest, "", s->text, 0);
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

const char *source_where(const struct source *s, const config_setting_t *setting, const char *key,
			 char out[SOURCE_WHERE_LEN])
{
	char path[PATH_MAX];

	snprintf(out, SOURCE_WHERE_LEN, "%s:%u: %s", source_file(s, setting, path), config_setting_source_line(setting),
		 key);
	return out;
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
	const struct source_number *n;
	char place[PLACE_LEN];

	if (!s->numbers_len)
		return NULL;
	place_of(setting, place);
	for (n = s->numbers; n < s->numbers + s->numbers_len; n++)
		if (!strcmp(n->place, place))
			return n->text;
	return NULL;
}

const char *source_string(const struct source *s, const config_setting_t *setting)
{
	const char *text = config_setting_get_string(setting);
	const struct source_secret *secret;
	char place[PLACE_LEN];

	if (!s->secrets_len || !text || *text != MASK)
		return text;
	place_of(setting, place);
	for (secret = s->secrets; secret < s->secrets + s->secrets_len; secret++)
		if (!strcmp(secret->place, place))
			return secret->value;
	return text;
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

	config_destroy(&s->config);
	for (i = 0; i < s->secrets_len; i++)
		file_wipe(s->secrets[i].value);
	free(s->secrets);
	free(s->numbers);
	free(s->dir);
	file_wipe(s->text);
}
