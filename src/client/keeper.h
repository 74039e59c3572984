/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the tunnel: reaches the gateway, takes the session up, configures the network, reconnects. */
#ifndef CLIENT_KEEPER_H
#define CLIENT_KEEPER_H

#include <stdbool.h>

struct channel;
struct client;
struct tunnel_grant;

/** keeper_start() - Begin the first attempt */
void keeper_start(struct client *c);

/** keeper_lost() - The session's last stream is gone: reconnect */
void keeper_lost(struct client *c, const char *why);

/** keeper_same() - Whether a grant continues the present session: same addresses, same ways */
bool keeper_same(const struct client *c, const struct tunnel_grant *g);

/**
 * keeper_attach() - Make a stream the present session's current one
 * @c:       client
 * @channel: taken in any case
 * @grant:   keeper_same(); replaces the present one, taken in any case
 *
 * Return: 0, or ERR_SYS.
 */
int keeper_attach(struct client *c, struct channel *channel, const struct tunnel_grant *grant);

/** keeper_take_up() - As keeper_attach() with any grant: a new session if need be, then the network; on failure retry
 */
void keeper_take_up(struct client *c, struct channel *channel, const struct tunnel_grant *grant);

/** keeper_stop() - No further attempt */
void keeper_stop(struct client *c);

#endif
