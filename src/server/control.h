/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a running adit, gateway or client: one request a connection, a line of JSON; the answer is one
 * line of JSON, or for `events` a line an event until the caller leaves. Lives on the engine's main loop.
 */
#ifndef SERVER_CONTROL_H
#define SERVER_CONTROL_H

#include <jansson.h>
#include <uv.h>

struct control;

enum { CONTROL_CALLERS_MAX = 64, CONTROL_REQUEST_MAX = 4096, CONTROL_BACKLOG_MAX = 1024 * 1024 };

/* What the socket asks of the engine. Each returns new references, or NULL without memory. */
struct control_ops {
	json_t *(*status)(void *arg);                   /* the `status` object of docs/status.schema.json */
	json_t *(*sessions)(void *arg);                 /* array of session objects */
	int (*disconnect)(void *arg, const char *name); /* how many sessions were told to end; 0 none of that name */
	int (*rekey)(void *arg, const char *name);      /* likewise; NULL: all */
};

/**
 * control_open() - Serve the socket
 * @loop: the engine's main loop
 * @fd:   listening AF_UNIX stream socket; owned from now on
 * @ops:  borrowed
 * @arg:  for @ops
 *
 * Requests: {"command": "status" | "sessions" | "events" | "disconnect" | "rekey", "name": "..."}. Commands that change
 * state need the caller's credentials (SO_PEERCRED) to be root, this process's user, or a member of the socket's group
 * (server/rights.h). The answer to those two is {"sessions": how many were told}; to a request that is refused or names
 * nobody, {"error": "..."}. Who follows events and lets more than CONTROL_BACKLOG_MAX of them wait is dropped, and so
 * is who has not asked within 5 s. Of more than CONTROL_CALLERS_MAX callers the oldest that has not asked goes; if all
 * have, the newest is refused.
 *
 * Return: the control, or NULL without memory (then @fd stays the caller's).
 */
struct control *control_open(uv_loop_t *loop, int fd, const struct control_ops *ops, void *arg);

/** control_event() - Tell everybody who follows events; takes @event's reference; NULL @c or @event: nothing */
void control_event(struct control *c, json_t *event);

/** control_close() - Drop callers and socket; memory goes with the loop's next turn. Accepts NULL */
void control_close(struct control *c);

#endif
