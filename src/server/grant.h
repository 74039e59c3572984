/* SPDX-License-Identifier: Apache-2.0 */
/* What the gateway's configuration grants a session, as the reply to CONNECT. */
#ifndef SERVER_GRANT_H
#define SERVER_GRANT_H

struct conf;
struct session;
struct tunnel_grant;
struct tunnel_offer;

/**
 * grant_fill() - Fill the reply
 * @g:          filled; borrows from @conf and @s, release with grant_fini()
 * @conf:       server's
 * @s:          session
 * @offer:      what the client asked for
 * @generation: which generation of the session the new stream is
 *
 * The same session always gets the same addresses and routes. A family without any of push.routes gets its network of
 * `addresses` as split include.
 *
 * Return: 0 or ERR_NOMEM; release @g in both cases.
 */
int grant_fill(struct tunnel_grant *g, const struct conf *conf, const struct session *s,
	       const struct tunnel_offer *offer, unsigned generation);

/** grant_fini() - Release what grant_fill() allocated; not tunnel_grant_fini(), for lists are borrowed */
void grant_fini(struct tunnel_grant *g);

#endif
