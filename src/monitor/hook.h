/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway's hooks: the operator's programs at a client's connect and disconnect, many side by side. */
#ifndef MONITOR_HOOK_H
#define MONITOR_HOOK_H

#include <stdbool.h>
#include <uv.h>

#include "monitor/ask.h"
#include "monitor/child.h"

struct conf;
struct hooks;

/* All sessions of a gateway may end at once: those of a /16, in 32 MB. */
enum { HOOKS_RUNNING_MAX = 64, HOOKS_WAITING_MAX = 65536 };

/** hook_env() - The environment of a hook, from checked facts; end it with child_words_fini() */
void hook_env(struct child_words *env, const struct conf *conf, const char *device, const struct hook_facts *facts);

/**
 * hook_allowed() - Whether a hook may be told this
 * @conf:  settings
 * @facts: checked by message_check()
 *
 * Return: false without a name, or with an inner address that is not of `addresses` or is the gateway's own.
 */
bool hook_allowed(const struct conf *conf, const struct hook_facts *facts);

/** hook_new() - All borrowed. Return: NULL without memory */
struct hooks *hook_new(uv_loop_t *loop, const struct conf *conf, const char *device);

/**
 * hook_run() - Run the hook that the configuration names for this event, when its turn comes and there is room
 * @h:     hooks
 * @facts: checked by message_check(); copied
 * @done:  called once, at once or from the loop: 0 (also when there is no hook), ERR_REFUSED (exit status not 0),
 *         ERR_TIMEOUT, ERR_FULL, ERR_SYS, ERR_NOMEM
 * @arg:   for @done
 */
void hook_run(struct hooks *h, const struct hook_facts *facts, void (*done)(void *arg, int result), void *arg);

/** hook_busy() - Whether hooks run or wait */
bool hook_busy(const struct hooks *h);

/** hook_abandon() - Forget those that wait; those that run have their deadline */
void hook_abandon(struct hooks *h);

/** hook_free() - None may run or wait and the loop's handles are closed; accepts NULL */
void hook_free(struct hooks *h);

#endif
