/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From addresses to a stream that carries the tunnel: dial, log in when there is no cookie, CONNECT. Login and CONNECT
 * share a connection unless the gateway wants it otherwise. One at a time.
 */
#ifndef CLIENT_OPENING_H
#define CLIENT_OPENING_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/addr.h"
#include "monitor/ask.h"

struct channel;
struct conf;
struct dial;
struct dialed;
struct failure;
struct stream;
struct tunnel_grant;

/* What becomes of an opening; called once from the loop, when it is over. */
struct opening_events {
	/* All is ready but the CONNECT, which waits for opening_proceed(). NULL: do not wait. */
	void (*ready)(void *arg);
	/* The channel and what @grant holds are the callee's now. */
	void (*done)(void *arg, struct channel *c, const struct tunnel_grant *grant);
	void (*failed)(void *arg, const struct failure *why);
};

struct opening_wish {
	const struct addr *addrs; /* 1..ASK_ADDRS_MAX; copied */
	size_t addrs_len;
	struct addr had_ipv4, had_ipv6; /* inner addresses of the session that lives, if any */
	unsigned join;                  /* generation to be beside the present one, 0: none */
	const struct opening_events *events;
};

struct opening {
	uv_loop_t *loop;
	struct dial *dial;
	const struct conf *conf;
	char *cookie; /* AUTH_COOKIE_MAX bytes; "": log in first, which fills it */
	void *arg;

	struct opening_wish wish;
	struct addr addrs[ASK_ADDRS_MAX];
	struct stream *stream;
	bool fresh; /* the cookie was got in this opening */
};

/** opening_init() - Nothing under way; all arguments borrowed, @arg is for the events */
void opening_init(struct opening *o, uv_loop_t *loop, struct dial *dial, const struct conf *conf, char *cookie,
		  void *arg);

/** opening_start() - Begin; what is under way is stopped */
void opening_start(struct opening *o, const struct opening_wish *wish);

/** opening_proceed() - After events->ready: send the CONNECT */
void opening_proceed(struct opening *o);

/** opening_stop() - Give it up, no event follows; nothing when none is under way */
void opening_stop(struct opening *o);

/** opening_drop() - Close and free a channel that is of no use */
void opening_drop(struct channel *c);

#endif
