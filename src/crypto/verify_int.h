/* SPDX-License-Identifier: Apache-2.0 */
/* The decision on a peer's certificate chain. */
#ifndef CRYPTO_VERIFY_INT_H
#define CRYPTO_VERIFY_INT_H

#include <stdbool.h>

#include <openssl/x509.h>

#include "crypto/tls.h"

struct verify_policy {
	enum tls_role role; /* ours; the peer's certificate must be for the other one */
	enum tls_identity identity;
	bool crl_strict;
};

/**
 * verify_peer() - Judge a chain
 * @sc:     what libssl prepared: leaf, intermediates, store, name, purpose; on refusal its error is one for which
 *          libssl sends the fitting alert
 * @policy: what is asked beyond libssl's own checks
 * @proof:  subject is always filled, the rest on success
 * @reason: on refusal one sentence
 *
 * Return: whether the peer is accepted.
 */
bool verify_peer(X509_STORE_CTX *sc, const struct verify_policy *policy, struct tls_identity_proof *proof,
		 char reason[TLS_TEXT_LEN]);

/** verify_by_crls() - From now on chains over @store are checked against its revocation lists. Return: false without
 * memory
 */
bool verify_by_crls(X509_STORE *store);

/** verify_usage() - Whether a certificate's extended key usage is present and names the work of @role */
bool verify_usage(X509 *cert, enum tls_role role);

#endif
