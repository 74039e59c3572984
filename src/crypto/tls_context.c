/* SPDX-License-Identifier: Apache-2.0 */
/* What all handshakes of one side have in common: certificate, key, trust, and the policy. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#ifdef ADIT_KEYLOG
#include <sys/uio.h>
#endif

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/addr.h"
#include "base/err.h"
#include "base/log.h"
#include "crypto/feed_int.h"
#include "crypto/identity_int.h"
#include "crypto/pem_int.h"
#include "crypto/tls_int.h"

enum { CHAIN_DEPTH_MAX = 8, SECURITY_LEVEL = 2 };

#define CIPHERSUITES "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

/* In order of preference: the name that lists take, and the one that libssl gives back. */
static const struct {
	const char *name;
	const char *openssl_name;
} groups[] = {
	{ "X25519MLKEM768", "X25519MLKEM768" },
	{ "X25519", "x25519" },
	{ "P-256", "secp256r1" },
	{ "P-384", "secp384r1" },
};
enum { GROUPS_LEN = sizeof(groups) / sizeof(groups[0]) };

#ifdef ADIT_KEYLOG
static _Atomic int keylog_fd = -1;

void tls_keylog_line(const SSL *ssl, const char *line)
{
	struct iovec parts[] = { { (void *)line, strlen(line) }, { "\n", 1 } };

	(void)ssl;
	if (keylog_fd >= 0 && writev(keylog_fd, parts, 2) < 0)
		log_warn("cannot write the key log: %s", err_text(ERR_SYS));
}

static void on_keylog(const SSL *ssl, const char *line)
{
	tls_on_secret(ssl, line);
	tls_keylog_line(ssl, line);
}

void tls_keylog_to(int fd)
{
	keylog_fd = fd;
}
#else
#define on_keylog tls_on_secret
#endif

static int complain(struct tls_fault *fault, const char *text)
{
	snprintf(fault->why, TLS_TEXT_LEN, "%s", text);
	ERR_clear_error();
	return ERR_CONFIG;
}

/* A refusal for which OpenSSL knows the cause, a key that is too small for example. */
static int complain_openssl(struct tls_fault *fault, const char *text)
{
	const char *cause = ERR_reason_error_string(ERR_peek_last_error());

	snprintf(fault->why, TLS_TEXT_LEN, "%s: %s", text, cause ? cause : "no reason given");
	ERR_clear_error();
	return ERR_CONFIG;
}

/* One name that the library does not know makes a whole list fail, so each is tried alone first. */
static bool offer_groups(SSL_CTX *c)
{
	char list[128] = "";
	size_t len = 0;

	for (size_t i = 0; i < GROUPS_LEN; i++)
		if (SSL_CTX_set1_groups_list(c, groups[i].name))
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", len ? ":" : "", groups[i].name);
	ERR_clear_error();
	return SSL_CTX_set1_groups_list(c, list);
}

static bool set_policy(SSL_CTX *c)
{
	SSL_CTX_set_security_level(c, SECURITY_LEVEL);
	SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
	SSL_CTX_set_mode(c, SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(c, CHAIN_DEPTH_MAX);
	SSL_CTX_set_cert_verify_callback(c, tls_on_certificate, NULL);
	SSL_CTX_set_client_hello_cb(c, tls_on_hello, NULL);
	SSL_CTX_set_info_callback(c, feed_note_alert);
	SSL_CTX_set_keylog_callback(c, on_keylog);
	return SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) && SSL_CTX_set_max_proto_version(c, TLS1_3_VERSION) &&
	       SSL_CTX_set_num_tickets(c, 0) && SSL_CTX_set_ciphersuites(c, CIPHERSUITES) && offer_groups(c);
}

/* Only warned about: the other end judges. */
static void warn_about_own(X509 *cert, enum tls_role role)
{
	if (X509_cmp_current_time(X509_get0_notBefore(cert)) > 0)
		log_warn("our certificate is not yet valid");
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) < 0)
		log_warn("our certificate has expired");
	if (!verify_usage(cert, role))
		log_warn("our certificate lacks the extended key usage %s",
			 role == TLS_SERVER ? "serverAuth" : "clientAuth");
}

static int use_chain(SSL_CTX *c, STACK_OF(X509) * chain, enum tls_role role, struct tls_fault *fault)
{
	if (SSL_CTX_use_certificate(c, sk_X509_value(chain, 0)) != 1)
		return complain_openssl(fault, "the certificate cannot be used");
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (!SSL_CTX_add1_chain_cert(c, sk_X509_value(chain, i)))
			return complain_openssl(fault, "an intermediate certificate cannot be used");
	warn_about_own(sk_X509_value(chain, 0), role);
	return 0;
}

static int use_key(SSL_CTX *c, const char *text, X509 *cert, struct tls_fault *fault)
{
	EVP_PKEY *key = pem_key(text);
	int r = 0;

	fault->pem = TLS_PEM_KEY;
	if (!key)
		return complain(fault, strstr(text, "ENCRYPTED") ? "the private key has a passphrase"
								 : "no private key in the PEM text");
	if (X509_check_private_key(cert, key) != 1)
		r = complain(fault, "the private key does not match the certificate");
	else if (SSL_CTX_use_PrivateKey(c, key) != 1)
		r = complain_openssl(fault, "the private key cannot be used");
	EVP_PKEY_free(key);
	return r;
}

static int load_identity(SSL_CTX *c, const struct tls_settings *settings, struct tls_fault *fault)
{
	STACK_OF(X509) *chain = pem_certificates(settings->certificate);
	int r;

	fault->pem = TLS_PEM_CERTIFICATE;
	if (!chain)
		return complain(fault, "no certificate in the PEM text, or a damaged one");
	if ((r = use_chain(c, chain, settings->role, fault)) == 0)
		r = use_key(c, settings->key, sk_X509_value(chain, 0), fault);
	sk_X509_pop_free(chain, X509_free);
	return r;
}

static void warn_without_crl(const X509 *ca, STACK_OF(X509_CRL) * crls)
{
	char subject[TLS_TEXT_LEN];

	for (int i = 0; i < sk_X509_CRL_num(crls); i++)
		if (!X509_NAME_cmp(X509_CRL_get_issuer(sk_X509_CRL_value(crls, i)), X509_get_subject_name(ca)))
			return;
	identity_subject(ca, subject);
	log_warn("no revocation list of an issuer, all its certificates are accepted issuer=%s", subject);
}

static int load_crls(X509_STORE *store, const char *text, STACK_OF(X509) * cas, struct tls_fault *fault)
{
	STACK_OF(X509_CRL) *crls = pem_crls(text);
	int r = 0;

	fault->pem = TLS_PEM_CRL;
	if (!crls)
		return complain(fault, "no revocation list in the PEM text, or a damaged one");
	for (int i = 0; i < sk_X509_CRL_num(crls) && !r; i++)
		if (!X509_STORE_add_crl(store, sk_X509_CRL_value(crls, i)))
			r = complain_openssl(fault, "a revocation list cannot be used");
	for (int i = 0; i < sk_X509_num(cas) && !r; i++)
		warn_without_crl(sk_X509_value(cas, i), crls);
	if (!r && !verify_by_crls(store))
		r = ERR_NOMEM;
	sk_X509_CRL_pop_free(crls, X509_CRL_free);
	return r;
}

static int load_trust(SSL_CTX *c, const struct tls_settings *settings, struct tls_fault *fault)
{
	X509_STORE *store = SSL_CTX_get_cert_store(c);
	STACK_OF(X509) *cas = pem_certificates(settings->ca);
	int r = 0;

	fault->pem = TLS_PEM_CA;
	if (!cas)
		return complain(fault, "no CA certificate in the PEM text, or a damaged one");
	for (int i = 0; i < sk_X509_num(cas) && !r; i++) {
		X509 *ca = sk_X509_value(cas, i);

		X509_check_purpose(ca, -1, 0); /* has OpenSSL note its extensions now, while there is one thread */
		if (!X509_STORE_add_cert(store, ca) || (settings->role == TLS_SERVER && !SSL_CTX_add_client_CA(c, ca)))
			r = complain_openssl(fault, "a CA certificate cannot be used");
	}
	if (!r && settings->crl)
		r = load_crls(store, settings->crl, cas, fault);
	sk_X509_pop_free(cas, X509_free);
	return r;
}

/* Never the CN; and a leading dot would match every host below it. */
static int expect_peer(struct tls_context *ctx, const char *name, struct tls_fault *fault)
{
	X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx->ssl_ctx);
	struct addr address;

	fault->pem = TLS_PEM_NONE;
	if (!name[0] || name[0] == '.')
		return complain(fault, "the gateway's name is empty or begins with a dot");
	if (addr_parse(name, &address) == 0)
		return X509_VERIFY_PARAM_set1_ip_asc(param, name) ? 0 : ERR_NOMEM;
	X509_VERIFY_PARAM_set_hostflags(param,
					X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (!X509_VERIFY_PARAM_set1_host(param, name, 0))
		return ERR_NOMEM;
	ctx->server_name = strdup(name);
	return ctx->server_name ? 0 : ERR_NOMEM;
}

const char *tls_context_group(const char *openssl_name)
{
	for (size_t i = 0; openssl_name && i < GROUPS_LEN; i++)
		if (!strcasecmp(groups[i].openssl_name, openssl_name))
			return groups[i].name;
	return "unknown";
}

int tls_context_new(const struct tls_settings *settings, struct tls_context **out, struct tls_fault *fault)
{
	struct tls_context *ctx = calloc(1, sizeof(*ctx));
	int r = ERR_NOMEM;

	assert(settings->role == TLS_SERVER || settings->peer_name);
	fault->pem = TLS_PEM_NONE;
	snprintf(fault->why, TLS_TEXT_LEN, "%s", err_text(ERR_NOMEM));
	ERR_clear_error();
	if (!ctx)
		goto out;
	ctx->policy = (struct verify_policy){ settings->role, settings->identity, settings->crl_strict };
	ctx->ssl_ctx = SSL_CTX_new(settings->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
	if (!ctx->ssl_ctx || !set_policy(ctx->ssl_ctx))
		goto out;
	if ((r = load_identity(ctx->ssl_ctx, settings, fault)) < 0 ||
	    (r = load_trust(ctx->ssl_ctx, settings, fault)) < 0)
		goto out;
	if (settings->role == TLS_CLIENT && (r = expect_peer(ctx, settings->peer_name, fault)) < 0)
		goto out;
	*out = ctx;
	ctx = NULL;
	r = 0;
out:
	ERR_clear_error();
	tls_context_free(ctx);
	return r;
}

void tls_context_free(struct tls_context *ctx)
{
	if (!ctx)
		return;
	SSL_CTX_free(ctx->ssl_ctx);
	free(ctx->server_name);
	free(ctx);
}
