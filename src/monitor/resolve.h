/* SPDX-License-Identifier: Apache-2.0 */
/* Looks host names up in short-lived children of the unprivileged user: no answer from the network is parsed here. */
#ifndef MONITOR_RESOLVE_H
#define MONITOR_RESOLVE_H

#include <uv.h>

#include "monitor/ask.h"
#include "monitor/privilege.h"

struct resolve;

/**
 * resolve_start() - Look up the addresses of a host
 * @loop: loop
 * @user: whom the child becomes
 * @host: name or address
 * @done: called once from the loop: 0 and 1..ASK_ADDRS_MAX addresses, ERR_MISSING, or ERR_TIMEOUT after 10 s
 * @arg:  for @done
 * @out:  the lookup, valid until @done is called
 *
 * Return: 0, or ERR_SYS or ERR_NOMEM and @done is not called.
 */
int resolve_start(uv_loop_t *loop, const struct privilege *user, const char *host,
		  void (*done)(void *arg, int result, const struct addr *addrs, size_t len), void *arg,
		  struct resolve **out);

/** resolve_stop() - End a lookup now; @done is called before return, with ERR_TIMEOUT */
void resolve_stop(struct resolve *r);

#endif
