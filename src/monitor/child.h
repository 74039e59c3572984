/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that the monitor runs: fixed argv, an environment of its own, a process group of their own, a deadline. */
#ifndef MONITOR_CHILD_H
#define MONITOR_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct child;

/* A list of strings for argv or envp, ended by NULL. */
struct child_words {
	char **items;
	size_t len;
	bool failed; /* no memory: child_start() and child_run() refuse it */
};

/** child_word() - Append formatted text */
void child_word(struct child_words *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** child_words_init() - An environment with nothing but PATH */
void child_words_init(struct child_words *w);

/** child_words_fini() - Free the strings; @w is then empty */
void child_words_fini(struct child_words *w);

/**
 * child_start() - Run a program beside the loop
 * @loop:       loop
 * @path:       program; its argv is the path alone
 * @env:        whole environment
 * @deadline_s: then its process group is killed
 * @done:       called once, from the loop: 0, ERR_REFUSED (exit status not 0, or a signal), ERR_TIMEOUT
 * @arg:        for @done
 * @out:        the child, valid until @done is called; may be NULL
 *
 * Return: 0, or ERR_SYS or ERR_NOMEM and @done is not called.
 */
int child_start(uv_loop_t *loop, const char *path, const struct child_words *env, int deadline_s,
		void (*done)(void *arg, int result), void *arg, struct child **out);

/** child_stop() - Have its deadline in @ms from now, unless it is sooner */
void child_stop(struct child *c, uint64_t ms);

/**
 * child_run() - Run a program and wait for it
 * @argv:       ended by NULL; argv[0] is looked up in our PATH
 * @env:        whole environment
 * @input:      text for its standard input, or NULL
 * @deadline_s: then its process group is killed
 *
 * Return: 0, ERR_REFUSED, ERR_TIMEOUT, ERR_SYS (it could not be started), ERR_NOMEM.
 */
int child_run(const char *const argv[], const struct child_words *env, const char *input, int deadline_s);

/** child_is_program() - Whether a command is in the PATH that children get */
bool child_is_program(const char *name);

#endif
