/* SPDX-License-Identifier: Apache-2.0 */
/* A client's vpnc-script: it replaces our own addresses, routes and DNS. Runs follow each other in order. */
#ifndef MONITOR_SCRIPT_H
#define MONITOR_SCRIPT_H

#include <stddef.h>
#include <uv.h>

#include "monitor/ask.h"
#include "monitor/child.h"

struct journal;
struct script;

#define SCRIPT_JOURNAL "script" /* journal kind */

/** script_env() - All that vpnc-script reads but its reason, from checked items; end it with child_words_fini() */
void script_env(struct child_words *env, const char *device, const struct net_item *items, size_t len);

/** script_pre_init() - Run the script's first reason and wait; a failure is only logged */
void script_pre_init(const char *path, const char *device);

/** script_new() - The script of a client; all borrowed. Return: NULL without memory */
struct script *script_new(uv_loop_t *loop, struct journal *j, const char *path, const char *device);

/**
 * script_net() - Carry a network configuration out
 * @s:     script
 * @items: checked; copied as text before return
 * @len:   how many
 * @phase: NET_RECONNECTING runs "attempt-reconnect"; the others "connect", or "reconnect" when the very same
 *         configuration stands, or "disconnect" and "connect" when another does. What failed to connect does not stand
 * @done:  called at once or from the loop with 0, ERR_REFUSED, ERR_TIMEOUT, ERR_SYS or ERR_NOMEM
 * @arg:   for @done
 *
 * The journal runs "disconnect" at the end.
 *
 * Return: 0, or ERR_FULL, ERR_NOMEM and @done is not called.
 */
int script_net(struct script *s, const struct net_item *items, size_t len, enum net_phase phase,
	       void (*done)(void *arg, int result), void *arg);

/** script_undo() - The undo of SCRIPT_JOURNAL: runs "disconnect" and waits; @arg is unused */
void script_undo(void *arg, const char *text);

/**
 * script_abandon() - The end has come: only what the journal runs is wanted from now on
 * @s: script
 *
 * Runs that wait never will, their @done gets ERR_TIMEOUT. The one under way has 2 s left, but for a "disconnect",
 * which keeps its deadline of 30 s.
 */
void script_abandon(struct script *s);

/** script_free() - Accepts NULL; no run may be under way */
void script_free(struct script *s);

/** script_busy() - Whether a run is under way or waiting */
bool script_busy(const struct script *s);

#endif
