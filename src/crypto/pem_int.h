/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates, keys and revocation lists out of PEM text. */
#ifndef CRYPTO_PEM_INT_H
#define CRYPTO_PEM_INT_H

#include <openssl/x509.h>

/** pem_certificates() - All certificates in @text, in order. Return: at least one, owned by the caller; NULL: none */
STACK_OF(X509) * pem_certificates(const char *text);

/** pem_crls() - All revocation lists in @text. Return: at least one, owned by the caller; NULL: none */
STACK_OF(X509_CRL) * pem_crls(const char *text);

/** pem_key() - The private key in @text; nobody is asked for a passphrase. Return: owned by the caller; NULL: none */
EVP_PKEY *pem_key(const char *text);

#endif
