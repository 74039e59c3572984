/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of a running adit in forms for people. */
#include "cli/print.h"

#include <stdbool.h>
#include <string.h>

enum { CELL_LEN = 512 };
enum form { AS_IS, AS_BYTES, AS_DATAGRAMS };

static const struct column {
	const char *title;
	const char *key;
	enum form form;
} columns[] = {
	{ "NAME", "name", AS_IS },           { "IPV4", "ipv4", AS_IS },
	{ "IPV6", "ipv6", AS_IS },           { "PEER", "peer", AS_IS },
	{ "TRANSPORT", "transport", AS_IS }, { "GENERATION", "generation", AS_IS },
	{ "SINCE", "since", AS_IS },         { "RECEIVED", "rx_bytes", AS_BYTES },
	{ "SENT", "tx_bytes", AS_BYTES },    { "DATAGRAMS", "datagrams", AS_DATAGRAMS },
};
enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

/* Cut to @cap with NUL. */
static void escape(const char *text, char *out, size_t cap)
{
	size_t n = 0;

	for (; *text && n + 5 <= cap; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c < 0x7f)
			out[n++] = (char)c;
		else
			n += (size_t)sprintf(out + n, "\\x%02x", c);
	}
	out[n] = '\0';
}

static void format_bytes(json_int_t bytes, char *out, size_t cap)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	size_t unit = 0;
	double n = (double)bytes;

	for (; n >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0]); unit++)
		n /= 1024;
	snprintf(out, cap, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

/* What keeps packets from them, or how old their keys are. */
static void format_datagrams(const json_t *datagrams, char out[CELL_LEN])
{
	const char *obstacle = json_string_value(json_object_get(datagrams, "obstacle"));
	const json_t *seconds = json_object_get(datagrams, "key_seconds");

	if (obstacle)
		escape(obstacle, out, CELL_LEN);
	else if (json_is_integer(seconds))
		snprintf(out, CELL_LEN, "keys %" JSON_INTEGER_FORMAT " s old", json_integer_value(seconds));
	else
		snprintf(out, CELL_LEN, "-");
}

static void format_value(const json_t *value, enum form form, char out[CELL_LEN])
{
	if (form == AS_DATAGRAMS)
		format_datagrams(value, out);
	else if (json_is_string(value))
		escape(json_string_value(value), out, CELL_LEN);
	else if (json_is_integer(value) && form == AS_BYTES)
		format_bytes(json_integer_value(value), out, CELL_LEN);
	else if (json_is_integer(value))
		snprintf(out, CELL_LEN, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		snprintf(out, CELL_LEN, "-");
}

static void format_cell(const json_t *session, const struct column *column, char out[CELL_LEN])
{
	format_value(json_object_get(session, column->key), column->form, out);
}

static int column_width(const json_t *sessions, const struct column *column)
{
	size_t width = strlen(column->title), i;
	const json_t *session;
	char cell[CELL_LEN];

	json_array_foreach(sessions, i, session) {
		format_cell(session, column, cell);
		if (strlen(cell) > width)
			width = strlen(cell);
	}
	return (int)width;
}

/* The last column is not padded, so that no line ends in blanks. */
static void print_cell(FILE *to, const char *text, int column, const int widths[COLUMNS])
{
	if (column == COLUMNS - 1)
		fprintf(to, "%s\n", text);
	else
		fprintf(to, "%-*s  ", widths[column], text);
}

/* Counters of @counters and of the objects in it; @prefix stands in front of the latter's names. */
static void print_counters(FILE *to, const char *prefix, const json_t *counters)
{
	const char *key;
	json_t *value;
	char name[CELL_LEN];

	json_object_foreach((json_t *)counters, key, value)
	{
		escape(key, name, sizeof(name));
		if (json_is_object(value))
			print_counters(to, name, value);
		else if (json_integer_value(value))
			fprintf(to, "  %-8s %-24s %" JSON_INTEGER_FORMAT "\n", prefix, name, json_integer_value(value));
	}
}

static void print_offloads(FILE *to, const json_t *offloads)
{
	const char *key;
	const json_t *in_use;
	char name[CELL_LEN];
	bool any = false;

	fprintf(to, "offloads:");
	json_object_foreach((json_t *)offloads, key, in_use)
	{
		if (!json_is_true(in_use))
			continue;
		escape(key, name, sizeof(name));
		fprintf(to, " %s", name);
		any = true;
	}
	fprintf(to, any ? "\n" : " none\n");
}

void print_status(FILE *to, const json_t *status)
{
	const json_t *sessions = json_object_get(status, "sessions");
	char version[CELL_LEN], role[CELL_LEN], aead[CELL_LEN];

	format_value(json_object_get(status, "version"), AS_IS, version);
	format_value(json_object_get(status, "role"), AS_IS, role);
	format_value(json_object_get(status, "aead"), AS_IS, aead);
	fprintf(to, "adit %s, %s\naead: %s\n", version, role, aead);
	print_offloads(to, json_object_get(status, "offloads"));
	fprintf(to, "counters:\n");
	print_counters(to, "", json_object_get(status, "counters"));
	fprintf(to, "sessions: %zu\n", json_array_size(sessions));
	if (json_array_size(sessions))
		print_sessions(to, sessions);
}

void print_sessions(FILE *to, const json_t *sessions)
{
	int widths[COLUMNS], column;
	const json_t *session;
	char cell[CELL_LEN];
	size_t i;

	for (column = 0; column < COLUMNS; column++) {
		widths[column] = column_width(sessions, &columns[column]);
		print_cell(to, columns[column].title, column, widths);
	}
	json_array_foreach(sessions, i, session) {
		for (column = 0; column < COLUMNS; column++) {
			format_cell(session, &columns[column], cell);
			print_cell(to, cell, column, widths);
		}
	}
}

void print_event(FILE *to, const json_t *event)
{
	char time[CELL_LEN], what[CELL_LEN], name[CELL_LEN], text[CELL_LEN];
	const char *key;
	json_t *value;

	format_value(json_object_get(event, "time"), AS_IS, time);
	format_value(json_object_get(event, "event"), AS_IS, what);
	fprintf(to, "%s %s", time, what);
	json_object_foreach((json_t *)event, key, value)
	{
		if (!strcmp(key, "time") || !strcmp(key, "event"))
			continue;
		escape(key, name, sizeof(name));
		format_value(value, AS_IS, text);
		fprintf(to, strchr(text, ' ') ? " %s=\"%s\"" : " %s=%s", name, text);
	}
	fprintf(to, "\n");
}

void print_told(FILE *to, const json_t *answer)
{
	json_int_t n = json_integer_value(json_object_get(answer, "sessions"));

	fprintf(to, "%" JSON_INTEGER_FORMAT " session%s told\n", n, n == 1 ? "" : "s");
}

void print_json(FILE *to, const json_t *answer)
{
	json_dumpf(answer, to, JSON_COMPACT | JSON_ENSURE_ASCII);
	fprintf(to, "\n");
}

void print_refusal(FILE *to, const char *error)
{
	char text[CELL_LEN];

	escape(error, text, sizeof(text));
	fprintf(to, "adit: %s\n", text);
}
