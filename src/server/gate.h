/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Limits on connections that have not proven themselves. A new one is never refused: the oldest is dropped for it,
 * those that have not even sent a ClientHello first. Sources with a live session are counted apart, so that a flood
 * from elsewhere (or from behind the same NAT) does not cost them their rekey. Proven peers that make no session of it
 * are limited likewise, by name. Limits are divided among workers, for the kernel spreads connections over them.
 */
#ifndef SERVER_GATE_H
#define SERVER_GATE_H

#include <stdint.h>

struct conn;
struct worker;

/** gate_init() / gate_fini() - The worker's lists and their timer; fini closes every connection */
void gate_init(struct worker *w);
void gate_fini(struct worker *w);

/** gate_enter() - A new connection: make room for it, give it its deadline */
void gate_enter(struct conn *c);

/** gate_authenticated() - It has proven itself, or made a request: its next deadline */
void gate_authenticated(struct conn *c);

/** gate_closing() - It is only drained from now on */
void gate_closing(struct conn *c);

/** gate_shed() - No descriptor is left: drop the connection that is missed least */
void gate_shed(struct worker *w);

/** gate_leave() - It goes, or becomes a stream */
void gate_leave(struct conn *c);

#endif
