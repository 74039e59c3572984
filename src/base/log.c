/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines on stderr, made safe for a terminal. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum { LINE_MAX_LEN = 1024 };

static enum log_level current_level = LOG_LEVEL_INFO;
static const char *process_name = "adit";
static const char *const level_names[] = { "error", "warn", "info", "debug" };

void log_init(enum log_level level, const char *name)
{
	current_level = level;
	process_name = name;
}

bool log_enabled(enum log_level level)
{
	return level <= current_level;
}

/* Copies @text to @out, anything that is not printable ASCII as \xNN. Returns the length. */
static size_t escape(const char *text, char *out, size_t cap)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (; *text && n + 4 < cap; text++) {
		unsigned char c = (unsigned char)*text;

		if (c >= 0x20 && c < 0x7f) {
			out[n++] = (char)c;
			continue;
		}
		out[n++] = '\\';
		out[n++] = 'x';
		out[n++] = hex[c >> 4];
		out[n++] = hex[c & 15];
	}
	return n;
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char text[LINE_MAX_LEN];
	char line[LINE_MAX_LEN + 128];
	struct timespec now;
	struct tm tm;
	va_list args;
	size_t n;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ldZ %s %s: ", now.tv_nsec / 1000000, process_name,
			      level_names[level]);
	n += escape(text, line + n, sizeof(line) - n - 1);
	line[n++] = '\n';
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* nowhere left to say so */
}

bool log_allowed(struct log_limit *limit, unsigned burst)
{
	uint64_t now = clock_ms();

	if (!limit->window_start_ms || now - limit->window_start_ms >= LOG_WINDOW_MS) {
		if (limit->dropped)
			log_line(LOG_LEVEL_WARN, "like the next line, not shown: %u", limit->dropped);
		*limit = (struct log_limit){ .window_start_ms = now };
	}
	if (limit->lines < burst) {
		limit->lines++;
		return true;
	}
	limit->dropped++;
	return false;
}
