/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP with the gateway over an authenticated connection: one request, one reply, and in the end the connection is
 * handed over as a channel of the tunnel. What goes wrong here may be the gateway's verdict on our certificate: under
 * TLS 1.3 its alert comes after our handshake is done.
 */
#ifndef CLIENT_STREAM_H
#define CLIENT_STREAM_H

#include <stdbool.h>
#include <uv.h>

#include "wire/frame.h"

struct buf;
struct channel;
struct dialed;
struct failure;
struct http_message;
struct stream;

/** stream_new_take() - Over a connection that becomes the stream's, even on failure. Return: NULL without memory */
struct stream *stream_new_take(uv_loop_t *loop, const struct dialed *d);

/** stream_pmtu() - Path MTU to the gateway, 0: not known */
int stream_pmtu(const struct stream *s);

/**
 * stream_exchange() - Send a request, wait for its reply
 * @s:       stream, no other exchange under way
 * @request: whole, at most RECORDS_PLAIN_MAX bytes; copied
 * @connect: the reply is to a CONNECT: what follows its head is the tunnel's
 * @seconds: for the reply to come
 * @done:    called once from the loop with the reply, valid till it returns, or with NULL and why; it may begin the
 *           next exchange, hand the stream over or free it
 * @arg:     for @done
 *
 * Return: 0, or ERR_TOO_BIG, ERR_NOMEM or ERR_CRYPTO and @done is not called.
 */
int stream_exchange(struct stream *s, const struct buf *request, bool connect, unsigned seconds,
		    void (*done)(void *arg, const struct http_message *m, const struct failure *why), void *arg);

/**
 * stream_hand_over() - End the stream and keep its connection
 * @s:      stream, freed in any case
 * @format: of the frames to come
 *
 * Return: a channel with what has arrived behind the last reply; NULL without memory (then all is closed).
 */
struct channel *stream_hand_over(struct stream *s, enum frame_format format);

/** stream_free() - Close the connection; an exchange under way is forgotten. Accepts NULL */
void stream_free(struct stream *s);

#endif
