/* SPDX-License-Identifier: Apache-2.0 */
/* Answers the engine's requests. A request that is malformed or out of order ends the engine. */
#ifndef MONITOR_SERVE_H
#define MONITOR_SERVE_H

#include <stdbool.h>
#include <uv.h>

#include "monitor/privilege.h"

struct conf;
struct network;
struct serve;

/**
 * serve_new() - Begin to serve
 * @loop:   loop
 * @fd:     our end of the socket pair; owned from now on
 * @conf:   settings; borrowed like all else
 * @net:    the client's network; a gateway's engine may not touch it
 * @user:   whom children become
 * @device: name for hooks
 * @broken: called once when the engine closed its end, or broke the rules and must be ended
 * @arg:    for @broken
 *
 * Return: NULL without memory or when the loop refuses.
 */
struct serve *serve_new(uv_loop_t *loop, int fd, const struct conf *conf, struct network *net,
			const struct privilege *user, const char *device, void (*broken)(void *arg), void *arg);

/** serve_stop() - Ask the engine to end */
void serve_stop(struct serve *s);

/**
 * serve_drain() - The engine is gone: take the requests it left behind
 * @s: serve
 *
 * Nobody wants the results of lookups and of a client's script any more, so these end (resolve_stop(),
 * network_abandon()); hooks go on. No answer goes out.
 */
void serve_drain(struct serve *s);

/** serve_busy() - Whether hooks, a script or a lookup are under way */
bool serve_busy(const struct serve *s);

/** serve_abandon() - Hooks that have not begun never will */
void serve_abandon(struct serve *s);

/** serve_free() - Nothing may be under way and the loop's handles are closed; accepts NULL */
void serve_free(struct serve *s);

#endif
