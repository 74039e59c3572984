/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opens a session's next generation while the present one carries the traffic.
 *
 * To a gateway with overlap the new stream joins the session, which moves by itself. Any other gateway drops the old
 * stream when it sees the CONNECT; so the new connection is made ready first, sending stops, and the echo of a marker
 * tells that the gateway has all that went before (docs/protocol.md, make before break).
 */
#ifndef CLIENT_RENEW_H
#define CLIENT_RENEW_H

#include <stddef.h>
#include <stdint.h>

struct client;

/** renew_start() - The session wants its next generation */
void renew_start(struct client *c);

/** renew_moved() - The session moved to a new generation, by our doing or the keeper's */
void renew_moved(struct client *c);

/** renew_failed() - The session gave the joining stream up */
void renew_failed(struct client *c, const char *why);

/** renew_echo() - The gateway answered a probe */
void renew_echo(struct client *c, const uint8_t *data, size_t len);

/** renew_stop() - Give up what is under way, without an event */
void renew_stop(struct client *c);

#endif
