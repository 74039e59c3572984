/* SPDX-License-Identifier: Apache-2.0 */
/* What libssl reads from and writes to, as a BIO. */
#include "crypto/feed_int.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "crypto/bio_int.h"

static BIO_METHOD *method;
static pthread_once_t method_once = PTHREAD_ONCE_INIT;

static size_t take_kept(struct feed *f, char *out, size_t len)
{
	size_t n = buf_len(&f->kept) < len ? buf_len(&f->kept) : len;

	memcpy(out, buf_data(&f->kept), n);
	buf_consume(&f->kept, n);
	return n;
}

static size_t take_in(struct feed *f, char *out, size_t len)
{
	size_t n = f->in_len < len ? f->in_len : len;

	memcpy(out, f->in, n);
	f->in += n;
	f->in_len -= n;
	return n;
}

static int on_read(BIO *bio, char *out, int len)
{
	struct feed *f = BIO_get_data(bio);
	size_t n;

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if (!feed_left(f)) {
		BIO_set_retry_read(bio);
		return -1;
	}
	n = buf_len(&f->kept) ? take_kept(f, out, (size_t)len) : take_in(f, out, (size_t)len);
	f->taken += n;
	return (int)n;
}

static int on_write(BIO *bio, const char *data, int len)
{
	struct feed *f = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (len < 0 || !f->out || buf_append(f->out, data, (size_t)len) < 0)
		return -1;
	return len;
}

static int on_destroy(BIO *bio)
{
	struct feed *f = BIO_get_data(bio);

	if (f)
		buf_fini(&f->kept);
	free(f);
	return 1;
}

static void make_method(void)
{
	method = bio_method("feed", on_read, on_write, on_destroy);
}

struct feed *feed_attach(SSL *ssl)
{
	struct feed *f = calloc(1, sizeof(*f));

	pthread_once(&method_once, make_method);
	if (bio_attach(ssl, method, f) < 0) {
		free(f);
		return NULL;
	}
	f->alert_sent = f->alert_received = -1;
	return f;
}

void feed_begin(struct feed *f, const uint8_t *in, size_t len, struct buf *out)
{
	f->in = in;
	f->in_len = len;
	f->out = out;
}

int feed_end(struct feed *f)
{
	int r = buf_append(&f->kept, f->in, f->in_len);

	feed_begin(f, NULL, 0, NULL);
	return r;
}

void feed_note_alert(const SSL *ssl, int where, int value)
{
	struct feed *f = BIO_get_data(SSL_get_rbio(ssl));
	int alert = value & 0xff;

	if (alert == SSL3_AD_CLOSE_NOTIFY || alert == TLS1_AD_USER_CANCELLED)
		return;
	if (where == SSL_CB_READ_ALERT)
		f->alert_received = alert;
	if (where == SSL_CB_WRITE_ALERT)
		f->alert_sent = alert;
}
