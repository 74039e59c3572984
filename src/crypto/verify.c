/* SPDX-License-Identifier: Apache-2.0 */
/* The decision on a peer's certificate chain: libssl's own checks, and ours on top of them. */
#include "crypto/verify_int.h"

#include <stdio.h>

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/log.h"
#include "crypto/identity_int.h"

/*
 * Errors for which libssl's own alert would mislead the peer or its text the operator. @as is the error that is left
 * for libssl to map; @text NULL keeps OpenSSL's.
 */
static const struct refusal {
	int error;
	int as;
	const char *text;
} refusals[] = {
	/* RFC 8446 6.2: certificate_expired means "has expired or is not currently valid" */
	{ X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED, NULL },
	/* the issuer has our root's name but not its key: unknown_ca, not decrypt_error */
	{ X509_V_ERR_CERT_SIGNATURE_FAILURE, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
	  "certificate is not signed by a trusted issuer" },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
	  "certificate is not signed by a trusted issuer" },
	{ X509_V_ERR_INVALID_PURPOSE, X509_V_ERR_INVALID_PURPOSE,
	  "certificate is not meant for this use (extended key usage)" },
	/* our revocation list is at fault, the certificate has not expired */
	{ X509_V_ERR_CRL_HAS_EXPIRED, X509_V_ERR_CERT_REJECTED, "revocation list has expired" },
	{ X509_V_ERR_CRL_NOT_YET_VALID, X509_V_ERR_CERT_REJECTED, "revocation list is not yet valid" },
	{ X509_V_ERR_CRL_SIGNATURE_FAILURE, X509_V_ERR_CERT_REJECTED, "revocation list is not signed by the issuer" },
	{ X509_V_ERR_UNABLE_TO_GET_CRL, X509_V_ERR_CERT_REJECTED, "revocation list does not fit the certificate" },
};

/* libcrypto's own check of one list: its scope, its dates, its signature. */
static X509_STORE_CTX_check_crl_fn check_list;

/*
 * libcrypto asks for a list for the root, too, which is the one that the certificate below the root was checked by: its
 * signature need not be verified twice.
 */
static int on_list(X509_STORE_CTX *sc, X509_CRL *crl)
{
	int depth = X509_STORE_CTX_get_error_depth(sc);

	if (depth > 0 && depth == sk_X509_num(X509_STORE_CTX_get0_chain(sc)) - 1)
		return 1;
	return check_list(sc, crl);
}

static const struct refusal *find_refusal(int error)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (refusals[i].error == error)
			return &refusals[i];
	return NULL;
}

/* An issuer without a list is accepted; one whose list OpenSSL could not use is not. */
static bool issuer_has_crl(X509_STORE_CTX *sc)
{
	const X509 *cert = X509_STORE_CTX_get_current_cert(sc);
	STACK_OF(X509_CRL) *crls = X509_STORE_CTX_get1_crls(sc, X509_get_issuer_name(cert));
	bool has = sk_X509_CRL_num(crls) > 0;

	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	return has;
}

static bool lapsed_crl_allowed(X509_STORE_CTX *sc, const struct verify_policy *policy)
{
	char issuer[TLS_TEXT_LEN];

	if (policy->crl_strict)
		return false;
	X509_NAME_oneline(X509_get_issuer_name(X509_STORE_CTX_get_current_cert(sc)), issuer, sizeof(issuer));
	log_limited(LOG_LEVEL_WARN, "revocation list is out of date and still used issuer=%s", issuer);
	return true;
}

static int on_error(int ok, X509_STORE_CTX *sc)
{
	bool allowed = false;

	if (ok)
		return ok;
	switch (X509_STORE_CTX_get_error(sc)) {
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		allowed = !issuer_has_crl(sc);
		break;
	case X509_V_ERR_CRL_HAS_EXPIRED:
	case X509_V_ERR_CRL_NOT_YET_VALID:
		allowed = lapsed_crl_allowed(sc, X509_STORE_CTX_get_app_data(sc));
		break;
	}
	if (allowed)
		X509_STORE_CTX_set_error(sc, X509_V_OK);
	return allowed;
}

static void describe_error(X509_STORE_CTX *sc, char reason[TLS_TEXT_LEN])
{
	int error = X509_STORE_CTX_get_error(sc);
	const struct refusal *refusal = find_refusal(error);
	const char *text = refusal && refusal->text ? refusal->text : X509_verify_cert_error_string(error);
	const X509 *at = X509_STORE_CTX_get_current_cert(sc);
	char issuer[TLS_TEXT_LEN];

	if (X509_STORE_CTX_get_error_depth(sc) > 0 && at) {
		identity_subject(at, issuer);
		snprintf(reason, TLS_TEXT_LEN, "%.120s (issuer %.120s)", text, issuer);
	} else {
		snprintf(reason, TLS_TEXT_LEN, "%s", text);
	}
	if (refusal)
		X509_STORE_CTX_set_error(sc, refusal->as);
}

static bool refuse(X509_STORE_CTX *sc, int error, const char *text, char reason[TLS_TEXT_LEN])
{
	X509_STORE_CTX_set_error(sc, error);
	snprintf(reason, TLS_TEXT_LEN, "%s", text);
	return false;
}

bool verify_by_crls(X509_STORE *store)
{
	X509_STORE_CTX *sc = X509_STORE_CTX_new();
	bool ok = sc && X509_STORE_CTX_init(sc, store, NULL, NULL);

	if (ok) {
		check_list = X509_STORE_CTX_get_check_crl(sc); /* of a store that has none of its own: libcrypto's */
		X509_STORE_set_check_crl(store, on_list);
		X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	X509_STORE_CTX_free(sc);
	return ok;
}

bool verify_usage(X509 *cert, enum tls_role role)
{
	if (!(X509_get_extension_flags(cert) & EXFLAG_XKUSAGE))
		return false;
	return X509_get_extended_key_usage(cert) & (role == TLS_SERVER ? XKU_SSL_SERVER : XKU_SSL_CLIENT);
}

bool verify_peer(X509_STORE_CTX *sc, const struct verify_policy *policy, struct tls_identity_proof *proof,
		 char reason[TLS_TEXT_LEN])
{
	X509 *leaf = X509_STORE_CTX_get0_cert(sc);
	STACK_OF(X509) * chain;
	const char *why;

	identity_subject(leaf, proof->subject);
	X509_STORE_CTX_set_app_data(sc, (void *)policy);
	X509_STORE_CTX_set_verify_cb(sc, on_error);
	if (X509_verify_cert(sc) <= 0) {
		describe_error(sc, reason);
		return false;
	}
	if (!verify_usage(leaf, policy->role == TLS_SERVER ? TLS_CLIENT : TLS_SERVER))
		return refuse(sc, X509_V_ERR_INVALID_PURPOSE, "certificate has no extended key usage for this use",
			      reason);
	if (policy->role == TLS_SERVER && identity_name(leaf, policy->identity, proof->name, &why) < 0)
		return refuse(sc, X509_V_ERR_CERT_REJECTED, why, reason);
	chain = X509_STORE_CTX_get0_chain(sc);
	identity_root(sk_X509_value(chain, sk_X509_num(chain) - 1), proof->root);
	proof->not_after = identity_not_after(leaf);
	X509_STORE_CTX_set_error(sc, X509_V_OK);
	return true;
}
