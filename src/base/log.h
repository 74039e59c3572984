/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One event, one line on stderr. Levels: err, the service cannot do its job; warn, the operator should look; info, a
 * session changed state; debug, a developer asks.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* State of one call site that a stranger can trigger: at most a burst of lines in LOG_WINDOW_MS, the rest counted. */
struct log_limit {
	uint64_t window_start_ms;
	unsigned lines;
	unsigned dropped;
};
enum { LOG_BURST = 10, LOG_WINDOW_MS = 10000 };

/**
 * log_init() - Set what is logged from now on
 * @level: highest level that is printed
 * @name:  process name in front of every line ("monitor", "engine"); borrowed for good
 */
void log_init(enum log_level level, const char *name);

/** log_enabled() - Whether lines of @level are printed; saves building costly arguments */
bool log_enabled(enum log_level level);

/**
 * log_line() - Print one line
 * @level: its level
 * @fmt:   text without newline; bytes below 0x20, 0x7f and above are printed as \xNN, so a peer's text is harmless
 *
 * Thread-safe: one write(2) a line. Use the macros below.
 */
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** log_allowed() - Whether a rate-limited call site may print now; reports what was left out when a window ends */
bool log_allowed(struct log_limit *limit, unsigned burst);

#define log_at(level, ...)                            \
	do {                                          \
		if (log_enabled(level))               \
			log_line(level, __VA_ARGS__); \
	} while (0)
#define log_err(...)   log_at(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* For whatever a stranger or a peer can trigger. */
#define log_limited(level, ...)                                                \
	do {                                                                   \
		static _Thread_local struct log_limit limit_here;              \
		if (log_enabled(level) && log_allowed(&limit_here, LOG_BURST)) \
			log_line(level, __VA_ARGS__);                          \
	} while (0)

#endif
