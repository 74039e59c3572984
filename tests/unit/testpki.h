/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and revocation lists made on the spot, as PEM text. Everything made lives until testpki_fini(). */
#ifndef TESTPKI_H
#define TESTPKI_H

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

enum { TESTPKI_DAY = 86400, TESTPKI_TEXTS_MAX = 256, TESTPKI_CERTS_MAX = 128 };

struct testpki_cert {
	X509 *cert;
	EVP_PKEY *key;
	const char *pem;
	const char *key_pem;
};

/* What a certificate says; what is zero is left out. */
struct testpki_spec {
	const char *cn[3];
	const char *san;   /* "DNS:vpn.example,IP:192.0.2.1,email:a@b.example" */
	const char *usage; /* extended key usage: "serverAuth", "clientAuth" */
	long from_s;       /* seconds from now */
	long until_s;      /* seconds from now; 0: ten days */
	bool ca;
	bool no_key_ids; /* neither subject nor authority key identifier */
};

static struct testpki_cert testpki_certs[TESTPKI_CERTS_MAX];
static char *testpki_texts[TESTPKI_TEXTS_MAX];
static size_t testpki_certs_len, testpki_texts_len;

/* Takes a memory BIO's text. */
static inline const char *testpki_text_take(BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	char *text = strndup(data, (size_t)len);

	assert(text && testpki_texts_len < TESTPKI_TEXTS_MAX);
	testpki_texts[testpki_texts_len++] = text;
	BIO_free(bio);
	return text;
}

static inline void testpki_extend(X509 *cert, const X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *extension;

	X509V3_set_ctx(&ctx, (X509 *)issuer, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert(extension && X509_add_ext(cert, extension, -1));
	X509_EXTENSION_free(extension);
}

static inline void testpki_fill(X509 *cert, const struct testpki_spec *spec, const X509 *issuer)
{
	X509_NAME *subject = X509_get_subject_name(cert);

	for (size_t i = 0; i < sizeof(spec->cn) / sizeof(spec->cn[0]) && spec->cn[i]; i++)
		X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)spec->cn[i], -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer));
	X509_gmtime_adj(X509_getm_notBefore(cert), spec->from_s);
	X509_gmtime_adj(X509_getm_notAfter(cert), spec->until_s ? spec->until_s : 10L * TESTPKI_DAY);
	testpki_extend(cert, issuer, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
	testpki_extend(cert, issuer, NID_key_usage, spec->ca ? "critical,keyCertSign,cRLSign" : "digitalSignature");
	if (!spec->no_key_ids) {
		testpki_extend(cert, issuer, NID_subject_key_identifier, "hash");
		testpki_extend(cert, issuer, NID_authority_key_identifier, "keyid:always");
	}
	if (spec->usage)
		testpki_extend(cert, issuer, NID_ext_key_usage, spec->usage);
	if (spec->san)
		testpki_extend(cert, issuer, NID_subject_alt_name, spec->san);
}

/** testpki_make() - A certificate signed by @issuer, or by itself when NULL */
static inline const struct testpki_cert *testpki_make(const struct testpki_cert *issuer, struct testpki_spec spec)
{
	struct testpki_cert *c = &testpki_certs[testpki_certs_len];
	BIO *pem = BIO_new(BIO_s_mem()), *key_pem = BIO_new(BIO_s_mem());

	assert(testpki_certs_len < TESTPKI_CERTS_MAX);
	c->key = EVP_EC_gen("P-256");
	c->cert = X509_new();
	X509_set_version(c->cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(c->cert), (long)++testpki_certs_len);
	X509_set_pubkey(c->cert, c->key);
	testpki_fill(c->cert, &spec, issuer ? issuer->cert : c->cert);
	assert(X509_sign(c->cert, issuer ? issuer->key : c->key, EVP_sha256()));
	assert(PEM_write_bio_X509(pem, c->cert));
	assert(PEM_write_bio_PrivateKey(key_pem, c->key, NULL, NULL, 0, NULL, NULL));
	c->pem = testpki_text_take(pem);
	c->key_pem = testpki_text_take(key_pem);
	return c;
}

/** testpki_ca() - A root, or an intermediate of @issuer */
static inline const struct testpki_cert *testpki_ca(const struct testpki_cert *issuer, const char *name)
{
	return testpki_make(issuer, (struct testpki_spec){ .cn = { name }, .ca = true });
}

/** testpki_server() - A good gateway certificate for a DNS name */
static inline const struct testpki_cert *testpki_server(const struct testpki_cert *issuer, const char *dns)
{
	char san[300];

	snprintf(san, sizeof(san), "DNS:%s", dns);
	return testpki_make(issuer, (struct testpki_spec){ .cn = { dns }, .san = san, .usage = "serverAuth" });
}

/** testpki_client() - A good client certificate */
static inline const struct testpki_cert *testpki_client(const struct testpki_cert *issuer, const char *name)
{
	return testpki_make(issuer, (struct testpki_spec){ .cn = { name }, .usage = "clientAuth" });
}

/** testpki_crl() - A list by @issuer that revokes @revoked (NULL: nobody), made @from_s and due @until_s from now */
static inline const char *testpki_crl(const struct testpki_cert *issuer, const struct testpki_cert *revoked,
				      long from_s, long until_s)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *when = X509_gmtime_adj(NULL, from_s);
	BIO *pem = BIO_new(BIO_s_mem());

	X509_CRL_set_version(crl, X509_CRL_VERSION_2);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->cert));
	X509_CRL_set1_lastUpdate(crl, when);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();

		X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->cert));
		X509_REVOKED_set_revocationDate(entry, when);
		X509_CRL_add0_revoked(crl, entry);
	}
	X509_gmtime_adj(when, until_s);
	X509_CRL_set1_nextUpdate(crl, when);
	X509_CRL_sort(crl);
	assert(X509_CRL_sign(crl, issuer->key, EVP_sha256()));
	assert(PEM_write_bio_X509_CRL(pem, crl));
	ASN1_TIME_free(when);
	X509_CRL_free(crl);
	return testpki_text_take(pem);
}

/** testpki_join() - Two PEM texts as one */
static inline const char *testpki_join(const char *first, const char *second)
{
	BIO *text = BIO_new(BIO_s_mem());

	BIO_printf(text, "%s%s", first, second);
	return testpki_text_take(text);
}

/** testpki_fini() - Free everything made so far */
static inline void testpki_fini(void)
{
	while (testpki_certs_len) {
		struct testpki_cert *c = &testpki_certs[--testpki_certs_len];

		X509_free(c->cert);
		EVP_PKEY_free(c->key);
	}
	while (testpki_texts_len)
		free(testpki_texts[--testpki_texts_len]);
}

#endif
