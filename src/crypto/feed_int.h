/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libssl reads from and writes to during a handshake: the caller's own bytes and the caller's own queue, without a
 * copy in between. It also notes the alerts that pass.
 */
#ifndef CRYPTO_FEED_INT_H
#define CRYPTO_FEED_INT_H

#include <stddef.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "base/buf.h"

struct feed {
	const uint8_t *in; /* borrowed for a call; what libssl has not taken yet */
	size_t in_len;
	struct buf *out;    /* borrowed for a call */
	struct buf kept;    /* bytes of earlier calls that libssl has not taken yet; read first */
	uint64_t taken;     /* bytes that libssl took so far */
	int alert_sent;     /* last fatal alert, -1: none */
	int alert_received; /* likewise */
};

/**
 * feed_attach() - Give a new connection its feed
 * @ssl: connection without a BIO; owns the feed from now on
 *
 * Return: the feed, valid as long as @ssl; NULL without memory.
 */
struct feed *feed_attach(SSL *ssl);

/** feed_left() - Bytes that libssl has not taken yet */
static inline size_t feed_left(const struct feed *f)
{
	return buf_len(&f->kept) + f->in_len;
}

/** feed_begin() - Lend @in and @out to libssl until feed_end() */
void feed_begin(struct feed *f, const uint8_t *in, size_t len, struct buf *out);

/** feed_end() - Take them back; input that libssl left is kept. Return: 0 or ERR_NOMEM */
int feed_end(struct feed *f);

/** feed_note_alert() - For SSL_CTX_set_info_callback(): remember fatal alerts */
void feed_note_alert(const SSL *ssl, int where, int value);

#endif
