/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates, keys and revocation lists out of PEM text. */
#include "crypto/pem_int.h"

#include <stdbool.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static int no_passphrase(char *out, int cap, int writing, void *arg)
{
	(void)out;
	(void)cap;
	(void)writing;
	(void)arg;
	return -1;
}

/* Reading ends either because no block is left or because one is damaged. */
static bool ended_cleanly(void)
{
	bool clean = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

	ERR_clear_error();
	return clean;
}

STACK_OF(X509) * pem_certificates(const char *text)
{
	STACK_OF(X509) *all = sk_X509_new_null();
	BIO *in = BIO_new_mem_buf(text, -1);
	X509 *one = NULL;

	while (all && in && (one = PEM_read_bio_X509(in, NULL, no_passphrase, NULL)) && sk_X509_push(all, one))
		one = NULL;
	X509_free(one);
	BIO_free(in);
	if (ended_cleanly() && sk_X509_num(all) > 0)
		return all;
	sk_X509_pop_free(all, X509_free);
	return NULL;
}

STACK_OF(X509_CRL) * pem_crls(const char *text)
{
	STACK_OF(X509_CRL) *all = sk_X509_CRL_new_null();
	BIO *in = BIO_new_mem_buf(text, -1);
	X509_CRL *one = NULL;

	while (all && in && (one = PEM_read_bio_X509_CRL(in, NULL, no_passphrase, NULL)) && sk_X509_CRL_push(all, one))
		one = NULL;
	X509_CRL_free(one);
	BIO_free(in);
	if (ended_cleanly() && sk_X509_CRL_num(all) > 0)
		return all;
	sk_X509_CRL_pop_free(all, X509_CRL_free);
	return NULL;
}

EVP_PKEY *pem_key(const char *text)
{
	BIO *in = BIO_new_mem_buf(text, -1);
	EVP_PKEY *key = in ? PEM_read_bio_PrivateKey(in, NULL, no_passphrase, NULL) : NULL;

	BIO_free(in);
	ERR_clear_error();
	return key;
}
