/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway's configuration grants a session, as the reply to CONNECT. */
#ifndef SERVER_GRANT_H
#define SERVER_GRANT_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "wire/tunnel.h"

struct conf;
struct session;

/* The datagram channel to be granted beside the stream. */
struct grant_datagrams {
	uint8_t app_id[TUNNEL_APP_ID_MAX];
	size_t app_id_len;      /* 1..TUNNEL_APP_ID_MAX */
	uint16_t port;          /* of the listener that the stream came by */
	enum addr_family outer; /* of the stream, and so of the datagrams */
	int pmtu;               /* our view of the way to the client, sock_pmtu(); 0: not known */
};

/**
 * grant_fill() - Fill the reply
 * @g:          filled; borrows from @conf and @s, release with grant_fini()
 * @conf:       server's
 * @s:          session
 * @offer:      what the client asked for
 * @generation: which generation of the session the new stream is
 * @datagrams:  copied; NULL: no datagram channel is granted. Without it in the offer there is none either.
 *
 * The same session always gets the same addresses and routes. A family without any of push.routes gets its network of
 * `addresses` as split include. With a datagram channel the MTU is what its records can carry on the narrower of both
 * ends' views of the way, at most tunnel.mtu; the stream keeps to it too, so that a change of channel changes nothing
 * for the flows inside.
 *
 * Return: 0 or ERR_NOMEM; release @g in both cases.
 */
int grant_fill(struct tunnel_grant *g, const struct conf *conf, const struct session *s,
	       const struct tunnel_offer *offer, unsigned generation, const struct grant_datagrams *datagrams);

/** grant_packet_max() - The longest packet of the tunnel that a datagram may carry on the way of @offer and @datagrams
 */
unsigned grant_packet_max(const struct conf *conf, const struct tunnel_offer *offer,
			  const struct grant_datagrams *datagrams);

/** grant_fini() - Release what grant_fill() allocated; not tunnel_grant_fini(), for lists are borrowed */
void grant_fini(struct tunnel_grant *g);

#endif
