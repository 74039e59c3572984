/* SPDX-License-Identifier: Apache-2.0 */
/* BIOs of ours: what libssl reads from and writes to during a call, without a descriptor. */
#ifndef CRYPTO_BIO_INT_H
#define CRYPTO_BIO_INT_H

#include <openssl/bio.h>
#include <openssl/ssl.h>

/**
 * bio_method() - A kind of BIO, once a process
 * @name:    for OpenSSL's messages
 * @read:    as BIO_meth_set_read() has it
 * @write:   as BIO_meth_set_write() has it
 * @destroy: frees the data of one
 *
 * Return: the kind, kept for ever, or NULL without memory.
 */
BIO_METHOD *bio_method(const char *name, int (*read)(BIO *bio, char *out, int len),
		       int (*write)(BIO *bio, const char *data, int len), int (*destroy)(BIO *bio));

/** bio_attach() - Give a connection such a BIO, which owns @data on success. Return: 0 or ERR_NOMEM; NULLs are taken */
int bio_attach(SSL *ssl, BIO_METHOD *method, void *data);

#endif
