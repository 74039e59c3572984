/* SPDX-License-Identifier: Apache-2.0 */
/* BIOs of ours. */
#include "crypto/bio_int.h"

#include "base/err.h"

/* What is written has gone at once. */
static long on_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio;
	(void)number;
	(void)pointer;
	return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *bio_method(const char *name, int (*read)(BIO *bio, char *out, int len),
		       int (*write)(BIO *bio, const char *data, int len), int (*destroy)(BIO *bio))
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, name);

	if (!method)
		return NULL;
	BIO_meth_set_read(method, read);
	BIO_meth_set_write(method, write);
	BIO_meth_set_ctrl(method, on_ctrl);
	BIO_meth_set_destroy(method, destroy);
	return method;
}

int bio_attach(SSL *ssl, BIO_METHOD *method, void *data)
{
	BIO *bio = method && data ? BIO_new(method) : NULL;

	if (!bio)
		return ERR_NOMEM;
	BIO_set_data(bio, data);
	BIO_set_init(bio, 1);
	SSL_set_bio(ssl, bio, bio);
	return 0;
}
