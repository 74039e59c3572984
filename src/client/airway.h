/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client's datagram channel: dialed when a generation with a grant for it carries the traffic, and again for as
 * long as datagrams do not pass. A handshake that has failed is begun anew, AIRWAY_AGAIN_MS after the one before at the
 * earliest; so is a channel on which nothing arrives, on a socket of its own, for the way may be another by now.
 */
#ifndef CLIENT_AIRWAY_H
#define CLIENT_AIRWAY_H

#include <stdint.h>

struct channel;
struct client;
struct tunnel_grant;

enum { AIRWAY_AGAIN_MS = 4000 };

/** airway_granted() - Remember what the grant of a stream offers, until that stream's generation carries the traffic */
void airway_granted(struct client *c, const struct channel *stream, const struct tunnel_grant *grant);

/** airway_moved() - The session is in a new generation: dial its datagram channel, if one was granted */
void airway_moved(struct client *c);

/** airway_changed() - Packets go by datagrams, or do so no more */
void airway_changed(struct client *c);

/** airway_stop() - Dial no more: the generation is over, or the end has come */
void airway_stop(struct client *c);

#endif
