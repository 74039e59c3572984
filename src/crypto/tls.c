/* SPDX-License-Identifier: Apache-2.0 */
/* One TLS 1.3 handshake. */
#include "crypto/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "base/err.h"
#include "base/hex.h"
#include "crypto/feed_int.h"
#include "crypto/secrets_int.h"
#include "crypto/tls_int.h"

/* Two hellos, a chain of CHAIN_DEPTH_MAX large certificates, and room; libssl bounds each message by itself. */
enum { HANDSHAKE_MAX = 128 * 1024 };

static const char psk_label[] = "EXPORTER-openconnect-psk";

struct tls {
	SSL *ssl;
	struct feed *feed; /* belongs to ssl */
	struct verify_policy policy;
	enum tls_step step;
	bool started;
	struct secrets secrets;
	struct tls_identity_proof proof;
	struct tls_facts facts;
	struct tls_failure failure;
};

int tls_on_certificate(X509_STORE_CTX *sc, void *arg)
{
	const SSL *ssl = X509_STORE_CTX_get_ex_data(sc, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct tls *t = SSL_get_app_data(ssl);

	(void)arg;
	if (verify_peer(sc, &t->policy, &t->proof, t->failure.reason))
		return 1;
	t->failure.certificate = true;
	return 0;
}

/* With max_fragment_length granted libssl would split what must stay one record; so it is not granted. */
int tls_on_hello(SSL *ssl, int *alert, void *arg)
{
	struct tls *t = SSL_get_app_data(ssl);
	const unsigned char *data;
	size_t len;

	(void)arg;
	t->started = true;
	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_max_fragment_length, &data, &len))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_HANDSHAKE_FAILURE;
	snprintf(t->failure.reason, TLS_TEXT_LEN, "client asks for short records");
	return SSL_CLIENT_HELLO_ERROR;
}

void tls_on_secret(const SSL *ssl, const char *line)
{
	struct tls *t = SSL_get_app_data(ssl);

	secrets_note(&t->secrets, line);
}

static void describe_failure(struct tls *t, const char *fallback)
{
	const char *cause = ERR_reason_error_string(ERR_peek_error());
	struct tls_failure *f = &t->failure;

	memcpy(f->subject, t->proof.subject, sizeof(f->subject));
	f->received = t->feed->alert_received >= 0;
	f->alert = f->received ? t->feed->alert_received : t->feed->alert_sent;
	if (f->received) {
		snprintf(f->reason, TLS_TEXT_LEN, "refused by the other end: %s", tls_alert_text(f->alert));
	} else if (f->alert == SSL_AD_CERTIFICATE_REQUIRED) {
		f->certificate = true;
		snprintf(f->reason, TLS_TEXT_LEN, "no certificate was sent");
	} else if (!f->reason[0]) {
		snprintf(f->reason, TLS_TEXT_LEN, "%s", cause ? cause : fallback);
	}
}

/* A KEM's answer is no public key: its side reports no share. */
static void describe_share(const SSL *ssl, char out[TLS_SHARE_LEN])
{
	EVP_PKEY *key = NULL;
	unsigned char *bytes = NULL;
	uint8_t hash[EVP_MAX_MD_SIZE];
	size_t len = 0;

	if (SSL_get_peer_tmp_key((SSL *)ssl, &key))
		len = EVP_PKEY_get1_encoded_public_key(key, &bytes);
	if (len && EVP_Digest(bytes, len, hash, NULL, EVP_sha256(), NULL))
		hex_encode(hash, (TLS_SHARE_LEN - 1) / 2, out);
	OPENSSL_free(bytes);
	EVP_PKEY_free(key);
}

static void describe_facts(struct tls *t)
{
	t->facts.version = SSL_get_version(t->ssl);
	t->facts.suite = SSL_CIPHER_get_name(SSL_get_current_cipher(t->ssl));
	t->facts.group = tls_context_group(SSL_group_to_name(t->ssl, (int)SSL_get_negotiated_group(t->ssl)));
	describe_share(t->ssl, t->facts.peer_share);
}

static enum tls_step go_on(struct tls *t)
{
	int r = SSL_do_handshake(t->ssl);

	if (r == 1) {
		describe_facts(t);
		return TLS_DONE;
	}
	if (SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_READ && t->feed->taken <= HANDSHAKE_MAX)
		return TLS_MORE;
	describe_failure(t, t->feed->taken > HANDSHAKE_MAX ? "handshake is too long" : "connection closed");
	return TLS_FAILED;
}

struct tls *tls_new(struct tls_context *ctx)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->policy = ctx->policy;
	t->failure.alert = -1;
	t->ssl = SSL_new(ctx->ssl_ctx);
	if (t->ssl)
		t->feed = feed_attach(t->ssl);
	if (!t->feed || (ctx->server_name && !SSL_set_tlsext_host_name(t->ssl, ctx->server_name))) {
		ERR_clear_error();
		tls_free(t);
		return NULL;
	}
	SSL_set_app_data(t->ssl, t);
	if (ctx->policy.role == TLS_SERVER)
		SSL_set_accept_state(t->ssl);
	else
		SSL_set_connect_state(t->ssl);
	return t;
}

enum tls_step tls_handshake(struct tls *t, const uint8_t *in, size_t len, struct buf *out)
{
	if (t->step == TLS_FAILED)
		return TLS_FAILED;
	feed_begin(t->feed, in, len, out);
	ERR_clear_error();
	if (t->step == TLS_MORE)
		t->step = go_on(t);
	ERR_clear_error();
	if (feed_end(t->feed) < 0) {
		snprintf(t->failure.reason, TLS_TEXT_LEN, "%s", err_text(ERR_NOMEM));
		t->step = TLS_FAILED;
	}
	return t->step;
}

bool tls_started(const struct tls *t)
{
	return t->started;
}

const struct tls_failure *tls_failure(const struct tls *t)
{
	return &t->failure;
}

const struct tls_identity_proof *tls_proof(const struct tls *t)
{
	return &t->proof;
}

const struct tls_facts *tls_facts(const struct tls *t)
{
	return &t->facts;
}

int tls_export_psk(struct tls *t, uint8_t out[TLS_PSK_LEN])
{
	int ok = SSL_export_keying_material(t->ssl, out, TLS_PSK_LEN, psk_label, strlen(psk_label), NULL, 0, 0);

	ERR_clear_error();
	return ok == 1 ? 0 : ERR_CRYPTO;
}

/* Return: of the suite, or ERR_MISSING. */
static int cipher_of(const SSL *ssl)
{
	const SSL_CIPHER *suite = SSL_get_current_cipher(ssl);

	switch (suite ? SSL_CIPHER_get_id(suite) : 0) {
	case TLS1_3_CK_AES_128_GCM_SHA256:
		return AEAD_AES_128_GCM;
	case TLS1_3_CK_AES_256_GCM_SHA384:
		return AEAD_AES_256_GCM;
	case TLS1_3_CK_CHACHA20_POLY1305_SHA256:
		return AEAD_CHACHA20_POLY1305;
	default:
		return ERR_MISSING;
	}
}

static void take_secrets(const struct tls *t, struct tls_traffic *out)
{
	bool server = t->policy.role == TLS_SERVER;
	const struct secret *tx = server ? &t->secrets.server : &t->secrets.client;
	const struct secret *rx = server ? &t->secrets.client : &t->secrets.server;

	out->peer_is_server = !server;
	memcpy(out->tx_secret, tx->bytes, tx->len);
	memcpy(out->rx_secret, rx->bytes, rx->len);
}

int tls_take_traffic(struct tls *t, struct tls_traffic *out)
{
	int cipher = t->ssl && t->step == TLS_DONE ? cipher_of(t->ssl) : ERR_MISSING;
	size_t len = cipher < 0 ? 0 : schedule_secret_len((enum aead_cipher)cipher);

	/* Both secrets are told before the Finished; a record that libssl has read and not used would be lost. */
	if (!len || t->secrets.client.len != len || t->secrets.server.len != len || SSL_has_pending(t->ssl))
		return ERR_CRYPTO;
	*out = (struct tls_traffic){ .cipher = (enum aead_cipher)cipher, .unread = t->feed->kept };
	t->feed->kept = (struct buf)BUF_INIT;
	take_secrets(t, out);
	secrets_fini(&t->secrets);
	SSL_free(t->ssl);
	t->ssl = NULL;
	t->feed = NULL;
	return 0;
}

void tls_traffic_fini(struct tls_traffic *traffic)
{
	buf_fini(&traffic->unread);
	explicit_bzero(traffic, sizeof(*traffic));
}

void tls_free(struct tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	explicit_bzero(t, sizeof(*t));
	free(t);
}
