/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A session at work on a loop: readiness of its sockets in, session and path calls out, its one timer set to the
 * deadline that the session returns. Lives on the session's home worker.
 */
#ifndef PATH_LINK_H
#define PATH_LINK_H

#include <stdint.h>

struct channel;
struct link;
struct path;
struct session;

/**
 * link_new() - Bind a session to a worker
 * @p: the worker's path
 * @s: session without stream; the link takes a reference and sets s->io and s->link
 *
 * Return: the link, or NULL without memory.
 */
struct link *link_new(struct path *p, struct session *s);

/** link_attach() - session_attach() with the channel's socket on the loop. Return: 0 or ERR_SYS (@c stays the caller's)
 */
int link_attach(struct link *l, struct channel *c, unsigned dpd_s, unsigned keep_s);

/** link_join() - session_join() likewise. Return: 0, ERR_SYS, or what session_join() says (@c stays the caller's) */
int link_join(struct link *l, struct channel *c, unsigned dpd_s, unsigned keep_s);

/** link_touch() - Something about the session changed: tick it and set the timer */
void link_touch(struct link *l);

/** link_wake() - Touch it from the loop's next turn; safe inside session_events */
void link_wake(struct link *l);

/** link_blocked() - From any worker, under the session's tx_lock: the stream is full, watch for writability */
void link_blocked(struct path *from, struct session *s);

/** link_used_up() - From any worker, under the session's tx_lock: session_used_up() has said so */
void link_used_up(struct path *from, struct session *s);

/** link_free() - Every stream is closed: leave the loop, drop the reference. Accepts NULL */
void link_free(struct link *l);

#endif
