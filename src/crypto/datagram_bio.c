/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams for libssl, as a BIO. */
#include "crypto/datagram_bio_int.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/bio_int.h"

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

/* A datagram is read at once; what has no room is lost, as with a socket. */
static int on_read(BIO *bio, char *out, int room)
{
	struct datagram_bio *b = BIO_get_data(bio);
	size_t len;

	BIO_clear_retry_flags(bio);
	if (room <= 0)
		return 0;
	if (!b->in) {
		BIO_set_retry_read(bio);
		return -1;
	}
	len = b->len < (size_t)room ? b->len : (size_t)room;
	memcpy(out, b->in, len);
	b->in = NULL;
	return (int)len;
}

static int on_write(BIO *bio, const char *data, int len)
{
	struct datagram_bio *b = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (len < 0 || !b->send)
		return -1;
	b->send(b->arg, (const uint8_t *)data, (size_t)len);
	return len;
}

static int on_destroy(BIO *bio)
{
	free(BIO_get_data(bio));
	return 1;
}

static void make_method(void)
{
	method = bio_method("datagrams", on_read, on_write, on_destroy);
}

struct datagram_bio *datagram_bio_attach(SSL *ssl)
{
	struct datagram_bio *b = calloc(1, sizeof(*b));

	pthread_once(&method_once, make_method);
	if (bio_attach(ssl, method, b) < 0) {
		free(b);
		return NULL;
	}
	return b;
}

void datagram_bio_begin(struct datagram_bio *b, const uint8_t *in, size_t len, dtls_send_fn *send, void *arg)
{
	b->in = len ? in : NULL;
	b->len = len;
	b->send = send;
	b->arg = arg;
}
