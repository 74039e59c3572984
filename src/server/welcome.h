/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway's answer to datagrams of nobody it knows: a cookie first, then the session that the App-ID stands for. */
#ifndef SERVER_WELCOME_H
#define SERVER_WELCOME_H

#include <stddef.h>
#include <stdint.h>

#include "base/verdict.h"

struct udp;
struct udp_received;

/**
 * welcome_datagram() - struct path's stranger(), @worker is its owner
 *
 * A ClientHello without cookie is answered by HelloVerifyRequest and forgotten. One that brings its cookie back begins
 * a handshake for the session of its App-ID; for another program than adit only from the address of its stream or of a
 * flow that the session has, for the App-ID travels in clear (docs/protocol.md, section 8).
 *
 * Return: PASS, the verdicts of dtls_hello_peek(), DROP_COOKIE, DROP_APP_ID (unknown, or from elsewhere), DROP_HELLO
 * (two handshakes of that session are under way).
 */
enum verdict welcome_datagram(void *worker, struct udp *u, const struct udp_received *from, uint8_t *data, size_t len,
			      uint64_t now_ms);

#endif
