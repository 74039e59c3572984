/* SPDX-License-Identifier: Apache-2.0 */
/* Who a certificate speaks for: the name in it, its subject, and the root that vouches. */
#ifndef CRYPTO_IDENTITY_INT_H
#define CRYPTO_IDENTITY_INT_H

#include <openssl/x509.h>

#include "crypto/tls.h"

/**
 * identity_name() - The one name by which a client is known
 * @cert: certificate
 * @from: the single CN, or the single SAN of a kind
 * @name: filled on success
 * @why:  on failure, static text without a full stop
 *
 * Return: 0, or ERR_REFUSED (none, several, a character outside [A-Za-z0-9._@-], over 64 characters).
 */
int identity_name(X509 *cert, enum tls_identity from, char name[TLS_NAME_LEN], const char **why);

/** identity_subject() - The whole subject as RFC 2253 writes it, cut to fit */
void identity_subject(const X509 *cert, char subject[TLS_TEXT_LEN]);

/** identity_root() - Which root it is: the hash of the certificate's DER */
void identity_root(const X509 *cert, char root[TLS_ROOT_LEN]);

/** identity_not_after() - End of validity, seconds since 1970; 0 when it cannot be read */
int64_t identity_not_after(const X509 *cert);

#endif
