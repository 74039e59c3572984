/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is set on the host for a tunnel. A gateway's network comes from its own configuration, at start. A client's
 * comes as items from the engine: they are checked (monitor/plan.h), and only differences to what stands are carried
 * out. Addresses and routes of the device go with the device; all else is in the journal.
 */
#ifndef MONITOR_NETWORK_H
#define MONITOR_NETWORK_H

#include <stdbool.h>
#include <uv.h>

#include "monitor/ask.h"

struct conf;
struct journal;
struct netlink;
struct network;

#define NETWORK_ROUTE "route" /* journal kind */

/**
 * network_new() - Nothing set yet
 * @conf:   settings; this and all else is borrowed
 * @nl:     netlink
 * @j:      journal
 * @device: the tunnel's device
 * @out:    filled
 *
 * Return: 0, ERR_SYS, ERR_NOMEM.
 */
int network_new(const struct conf *conf, struct netlink *nl, struct journal *j, const char *device,
		struct network **out);

/** network_serve() - Set up a gateway's device: addresses, MTU, routes to clients' networks, forwarding. Reports. */
int network_serve(struct network *n);

/** network_attach() - Give a client's network the loop its script runs on. Return: 0 or ERR_NOMEM */
int network_attach(struct network *n, uv_loop_t *loop);

/** network_begin() - Items follow; forgets those that came before */
void network_begin(struct network *n, enum net_phase phase);

/** network_item() - One item, checked by message_check(). Return: 0, ERR_INVALID (nothing was begun) */
int network_item(struct network *n, const struct net_item *item);

/**
 * network_commit() - Carry out what the items ask for
 * @n:    network
 * @done: called once, at once or from the loop: 0, ERR_REFUSED (an item is not allowed), ERR_SYS, ERR_TIMEOUT (script)
 * @arg:  for @done
 *
 * With NET_RECONNECTING and no items everything stays, and what goes outside the tunnel is moved to the present next
 * hop.
 *
 * Return: 0, or ERR_INVALID (nothing was begun) and @done is not called.
 */
int network_commit(struct network *n, void (*done)(void *arg, int result), void *arg);

/** network_busy() - Whether a script is under way */
bool network_busy(const struct network *n);

/** network_abandon() - The engine is gone: script_abandon(), if there is a script; accepts NULL */
void network_abandon(struct network *n);

/** network_undo_route() - The undo of NETWORK_ROUTE; @arg is the struct netlink */
void network_undo_route(void *arg, const char *text);

/** network_free() - What stands is left to the journal and the device's end; accepts NULL */
void network_free(struct network *n);

#endif
