/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a CONNECT to a stream of a session: cookie, addresses, connect hook, grant.
 */
#ifndef SERVER_ADMIT_H
#define SERVER_ADMIT_H

struct conn;
struct http_message;

/**
 * admit_connect() - Act on a whole CONNECT request
 * @c: authenticated connection; becomes a stream (and is then gone) or is answered and finished
 * @m: the request
 */
void admit_connect(struct conn *c, const struct http_message *m);

#endif
