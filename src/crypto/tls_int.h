/* SPDX-License-Identifier: Apache-2.0 */
/* What a context and its handshakes share. */
#ifndef CRYPTO_TLS_INT_H
#define CRYPTO_TLS_INT_H

#include <openssl/ssl.h>

#include "crypto/tls.h"
#include "crypto/verify_int.h"

struct tls_context {
	SSL_CTX *ssl_ctx;
	struct verify_policy policy;
	char *server_name; /* client: for the server_name extension; NULL when the gateway is an address */
};

/** tls_on_certificate() - For SSL_CTX_set_cert_verify_callback(): judge the peer */
int tls_on_certificate(X509_STORE_CTX *sc, void *arg);

/** tls_on_hello() - For SSL_CTX_set_client_hello_cb(): a whole ClientHello is here */
int tls_on_hello(SSL *ssl, int *alert, void *arg);

/** tls_on_secret() - A line of the key log has come: keep the traffic secrets */
void tls_on_secret(const SSL *ssl, const char *line);

#ifdef ADIT_KEYLOG
/** tls_keylog_line() - Test builds only: write a line of the key log, if one is wanted; for
 * SSL_CTX_set_keylog_callback() */
void tls_keylog_line(const SSL *ssl, const char *line);
#endif

/** tls_context_group() - Our static name for a group as OpenSSL calls it; "unknown" for none of ours, NULL included */
const char *tls_context_group(const char *openssl_name);

#endif
