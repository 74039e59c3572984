/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One attempt to reach the gateway by TLS. Its addresses are tried one after the other, families in turn, each 250 ms
 * after the one before or as soon as that has failed (RFC 8305); the first whose handshake is done wins.
 */
#ifndef CLIENT_DIAL_H
#define CLIENT_DIAL_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "io/sock.h"

struct ask;
struct dial;
struct failure;
struct tls;
struct tls_context;

enum {
	DIAL_STAGGER_MS = 250,
	DIAL_AGAIN_MS = 1000, /* an address that failed, while another has not answered yet */
	DIAL_DEADLINE_MS = 10000,
};

/* A connection whose handshake is done at our end: the gateway's verdict on our certificate is still to come. */
struct dialed {
	int fd;
	struct tls *tls;
	struct endpoint peer;
};

/** dial_new() - One attempt at a time, all arguments borrowed. Return: NULL without memory */
struct dial *dial_new(uv_loop_t *loop, struct ask *ask, struct tls_context *tls);

/**
 * dial_start() - Begin an attempt; one under way is stopped
 * @d:     dial
 * @addrs: 1..ASK_ADDRS_MAX, in order of preference; copied
 * @len:   how many
 * @port:  host order
 * @done:  called once from the loop, with what is then the callee's, or with NULL and why
 * @arg:   for @done
 */
void dial_start(struct dial *d, const struct addr *addrs, size_t len, uint16_t port,
		void (*done)(void *arg, const struct dialed *result, const struct failure *why), void *arg);

/** dial_stop() - Give the attempt up; @done does not come */
void dial_stop(struct dial *d);

/** dial_free() - After ask_close(); freed in the loop's next turn. Accepts NULL */
void dial_free(struct dial *d);

#endif
