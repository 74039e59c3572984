/* SPDX-License-Identifier: Apache-2.0 */
/* One DTLS 1.2 handshake with a pre-shared key. */
#include "crypto/dtls.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/err.h"
#include "crypto/datagram_bio_int.h"
#ifdef ADIT_KEYLOG
#include "base/hex.h"
#include "crypto/tls_int.h"
#endif

enum {
	RECORD_TYPE_DATA = 23,
	MASTER_LEN = 48,
	RANDOM_LEN = 32,
	SALT_LEN = 4, /* AES-GCM's part of the nonce that is derived */
	SESSION_SECONDS = 300,
	US_PER_MS = 1000,
};

static const char identity[] = "psk"; /* the same for all: the session is found by its App-ID */

struct suite {
	const char *name;
	uint32_t id; /* as SSL_CIPHER_get_id() has it */
	size_t key_len, iv_len;
};

static const struct suite suites[] = {
	[AEAD_AES_128_GCM] = { "PSK-AES128-GCM-SHA256", TLS1_CK_PSK_WITH_AES_128_GCM_SHA256, 16, SALT_LEN },
	[AEAD_AES_256_GCM] = { "PSK-AES256-GCM-SHA384", TLS1_CK_PSK_WITH_AES_256_GCM_SHA384, 32, SALT_LEN },
	[AEAD_CHACHA20_POLY1305] = { "PSK-CHACHA20-POLY1305", TLS1_CK_PSK_WITH_CHACHA20_POLY1305, 32, AEAD_NONCE_LEN },
};
static_assert(sizeof(suites) / sizeof(suites[0]) == AEAD_CIPHERS, "a suite for every cipher");

struct dtls_context {
	SSL_CTX *ssl_ctx;
};

struct dtls {
	SSL *ssl;
	struct datagram_bio *bio; /* belongs to ssl */
	uint8_t psk[TLS_PSK_LEN];
	enum tls_step step;
	bool begun;
	const char *failure;
};

static unsigned give_psk(SSL *ssl, unsigned char *psk, unsigned room)
{
	const struct dtls *d = SSL_get_app_data(ssl);

	if (room < sizeof(d->psk))
		return 0;
	memcpy(psk, d->psk, sizeof(d->psk));
	return sizeof(d->psk);
}

static unsigned on_server_psk(SSL *ssl, const char *name, unsigned char *psk, unsigned room)
{
	(void)name;
	return give_psk(ssl, psk, room);
}

static unsigned on_client_psk(SSL *ssl, const char *hint, char *name, unsigned name_room, unsigned char *psk,
			      unsigned room)
{
	(void)hint;
	if (name_room < sizeof(identity))
		return 0;
	memcpy(name, identity, sizeof(identity));
	return give_psk(ssl, psk, room);
}

/* It was judged before the handshake began: the answer is always yes. */
static int on_cookie(SSL *ssl, const unsigned char *cookie, unsigned len)
{
	(void)ssl;
	(void)cookie;
	(void)len;
	return 1;
}

static unsigned on_timer(SSL *ssl, unsigned last_us)
{
	(void)ssl;
	return last_us ? 2 * last_us : DTLS_RETRANSMIT_MS * US_PER_MS;
}

static bool offer(SSL_CTX *c, enum aead_cipher cipher)
{
	char list[128];
	size_t len = 0;

	if (cipher < AEAD_CIPHERS)
		return SSL_CTX_set_cipher_list(c, suites[cipher].name);
	for (size_t i = 0; i < AEAD_CIPHERS; i++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", i ? ":" : "", suites[i].name);
	return SSL_CTX_set_cipher_list(c, list);
}

#ifdef ADIT_KEYLOG
/* As if libssl had a label for it; its own line for DTLS 1.2 has the master secret only. */
static void log_key(const SSL *ssl, const char *label, const uint8_t *key, size_t len)
{
	char random_hex[2 * RANDOM_LEN + 1], key_hex[2 * AEAD_KEY_MAX + 1], line[256];
	uint8_t random[RANDOM_LEN];

	SSL_get_client_random(ssl, random, sizeof(random));
	hex_encode(random, sizeof(random), random_hex);
	hex_encode(key, len, key_hex);
	snprintf(line, sizeof(line), "%s %s %s", label, random_hex, key_hex);
	tls_keylog_line(ssl, line);
}

static void log_keys(const SSL *ssl, const uint8_t *block, size_t key_len)
{
	log_key(ssl, "DTLS_CLIENT_WRITE_KEY", block, key_len);
	log_key(ssl, "DTLS_SERVER_WRITE_KEY", block + key_len, key_len);
}
#endif

static bool set_policy(SSL_CTX *c, enum tls_role role, enum aead_cipher cipher)
{
#ifdef ADIT_KEYLOG
	SSL_CTX_set_keylog_callback(c, tls_keylog_line);
#endif
	SSL_CTX_set_options(c, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_QUERY_MTU |
				       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	if (role == TLS_SERVER) {
		SSL_CTX_set_cookie_verify_cb(c, on_cookie);
		SSL_CTX_set_psk_server_callback(c, on_server_psk);
	} else {
		SSL_CTX_set_psk_client_callback(c, on_client_psk);
	}
	return SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) && SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) &&
	       offer(c, cipher);
}

struct dtls_context *dtls_context_new(enum tls_role role, enum aead_cipher cipher)
{
	struct dtls_context *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return NULL;
	ctx->ssl_ctx = SSL_CTX_new(role == TLS_SERVER ? DTLS_server_method() : DTLS_client_method());
	if (!ctx->ssl_ctx || !set_policy(ctx->ssl_ctx, role, cipher)) {
		dtls_context_free(ctx);
		ctx = NULL;
	}
	ERR_clear_error();
	return ctx;
}

void dtls_context_free(struct dtls_context *ctx)
{
	if (!ctx)
		return;
	SSL_CTX_free(ctx->ssl_ctx);
	free(ctx);
}

/*
 * The App-ID goes where the id of a session to be resumed goes, so such a session is made up. The gateway knows no
 * session of that id and answers by a full handshake (docs/protocol.md).
 */
static bool present_id(SSL *ssl, const uint8_t *id, size_t id_len)
{
	SSL_SESSION *session = SSL_SESSION_new();
	uint8_t master[MASTER_LEN];
	bool ok;

	ok = session && RAND_bytes(master, sizeof(master)) == 1 &&
	     SSL_SESSION_set_protocol_version(session, DTLS1_2_VERSION) &&
	     SSL_SESSION_set_cipher(session, sk_SSL_CIPHER_value(SSL_get_ciphers(ssl), 0)) &&
	     SSL_SESSION_set1_master_key(session, master, sizeof(master)) &&
	     SSL_SESSION_set1_id(session, id, (unsigned)id_len) && SSL_SESSION_set_time(session, (long)time(NULL)) &&
	     SSL_SESSION_set_timeout(session, SESSION_SECONDS) && SSL_set_session(ssl, session);
	SSL_SESSION_free(session);
	return ok;
}

struct dtls *dtls_new(struct dtls_context *ctx, const uint8_t psk[TLS_PSK_LEN], const uint8_t *id, size_t id_len)
{
	struct dtls *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	memcpy(d->psk, psk, sizeof(d->psk));
	d->ssl = SSL_new(ctx->ssl_ctx);
	if (d->ssl)
		d->bio = datagram_bio_attach(d->ssl);
	if (!d->bio || !SSL_set_mtu(d->ssl, DTLS_MTU) || (!SSL_is_server(d->ssl) && !present_id(d->ssl, id, id_len))) {
		ERR_clear_error();
		dtls_free(d);
		return NULL;
	}
	SSL_set_app_data(d->ssl, d);
	if (SSL_is_server(d->ssl))
		SSL_set_accept_state(d->ssl);
	else
		SSL_set_connect_state(d->ssl);
	DTLS_set_timer_cb(d->ssl, on_timer);
	return d;
}

static enum tls_step fail(struct dtls *d, const char *fallback)
{
	const char *cause = ERR_reason_error_string(ERR_peek_error());

	d->failure = cause ? cause : fallback;
	return TLS_FAILED;
}

/*
 * Makes OpenSSL stand where it would if it had sent the HelloVerifyRequest itself: it expects message 1 and counts on
 * from the record that brought it.
 */
static bool resume_behind_cookie(struct dtls *d)
{
	BIO_ADDR *unused = BIO_ADDR_new();
	int r = unused ? DTLSv1_listen(d->ssl, unused) : 0;

	BIO_ADDR_free(unused);
	return r == 1;
}

static enum tls_step go_on(struct dtls *d)
{
	int r = SSL_do_handshake(d->ssl);

	if (r == 1) {
		explicit_bzero(d->psk, sizeof(d->psk));
		return TLS_DONE;
	}
	if (SSL_get_error(d->ssl, r) == SSL_ERROR_WANT_READ)
		return TLS_MORE;
	return fail(d, "no answer");
}

/* What is due to be repeated OpenSSL repeats when it finds nothing to read. */
static enum tls_step step(struct dtls *d)
{
	bool first = !d->begun;

	d->begun = true;
	if (first && SSL_is_server(d->ssl) && !resume_behind_cookie(d))
		return fail(d, "does not begin with a ClientHello that has a cookie");
	return go_on(d);
}

/* OpenSSL repeats its last flight by itself when it reads that the client has not heard it. */
static void listen_on(struct dtls *d)
{
	uint8_t none;

	SSL_read(d->ssl, &none, sizeof(none));
}

enum tls_step dtls_handshake(struct dtls *d, const uint8_t *in, size_t len, dtls_send_fn *send, void *arg)
{
	if (len && in[0] == RECORD_TYPE_DATA)
		return d->step;
	datagram_bio_begin(d->bio, in, len, send, arg);
	ERR_clear_error();
	if (d->step == TLS_MORE)
		d->step = step(d);
	else if (d->step == TLS_DONE)
		listen_on(d);
	ERR_clear_error();
	datagram_bio_begin(d->bio, NULL, 0, NULL, NULL);
	return d->step;
}

uint64_t dtls_deadline(struct dtls *d, uint64_t now_ms)
{
	struct timeval left;

	if (d->step != TLS_MORE || !DTLSv1_get_timeout(d->ssl, &left))
		return CLOCK_NEVER;
	return now_ms + (uint64_t)left.tv_sec * 1000 + ((uint64_t)left.tv_usec + US_PER_MS - 1) / US_PER_MS;
}

const char *dtls_failure(const struct dtls *d)
{
	return d->failure;
}

/*
 * A Finished under other keys is dropped without a word (RFC 6347, section 4.1.2.7), so whoever waits for it knows only
 * that what should have opened never did.
 */
const char *dtls_waiting(const struct dtls *d)
{
	switch (SSL_get_state(d->ssl)) {
	case TLS_ST_SR_CHANGE:
		return "the client's key is not that of its stream";
	case TLS_ST_CW_FINISHED:
		return "the gateway does not answer to our key";
	default:
		return "the handshake was not done in time";
	}
}

const char *dtls_suite_name(enum aead_cipher cipher)
{
	return suites[cipher].name;
}

const char *dtls_suite(const struct dtls *d)
{
	return SSL_CIPHER_get_name(SSL_get_current_cipher(d->ssl));
}

/* AEAD_CIPHERS when it is none of ours. */
static enum aead_cipher agreed_cipher(const SSL *ssl)
{
	uint32_t id = SSL_CIPHER_get_id(SSL_get_current_cipher(ssl));
	int i = 0;

	while (i < AEAD_CIPHERS && suites[i].id != id)
		i++;
	return (enum aead_cipher)i;
}

/* RFC 5246 section 6.3: the server's random comes first here. */
static bool derive(const SSL *ssl, uint8_t *block, size_t len)
{
	static const char label[] = "key expansion";
	uint8_t master[MASTER_LEN], randoms[2 * RANDOM_LEN];
	const EVP_MD *digest = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
	size_t master_len = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof(master));
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_TLS1_PRF, NULL);
	EVP_KDF_CTX *kdf_ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	bool ok;

	SSL_get_server_random(ssl, randoms, RANDOM_LEN);
	SSL_get_client_random(ssl, randoms + RANDOM_LEN, RANDOM_LEN);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)EVP_MD_get0_name(digest), 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, master_len),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (char *)label, sizeof(label) - 1),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, randoms, sizeof(randoms)),
		OSSL_PARAM_construct_end(),
	};
	ok = kdf_ctx && master_len == MASTER_LEN && EVP_KDF_derive(kdf_ctx, block, len, params) == 1;
	explicit_bzero(master, sizeof(master));
	EVP_KDF_CTX_free(kdf_ctx);
	EVP_KDF_free(kdf);
	return ok;
}

/* The client's half comes first, keys before IVs. */
static void cut_block(const struct suite *suite, const uint8_t *block, struct dtls_half *client,
		      struct dtls_half *server)
{
	memcpy(client->key, block, suite->key_len);
	memcpy(server->key, block + suite->key_len, suite->key_len);
	block += 2 * suite->key_len;
	memcpy(client->iv, block, suite->iv_len);
	memcpy(server->iv, block + suite->iv_len, suite->iv_len);
}

int dtls_take_keys(struct dtls *d, struct dtls_keys *out)
{
	uint8_t block[2 * (AEAD_KEY_MAX + AEAD_NONCE_LEN)];
	enum aead_cipher cipher = agreed_cipher(d->ssl);
	int r = ERR_CRYPTO;

	assert(d->step == TLS_DONE);
	if (cipher < AEAD_CIPHERS && derive(d->ssl, block, 2 * (suites[cipher].key_len + suites[cipher].iv_len))) {
		*out = (struct dtls_keys){ .cipher = cipher, .tx_number = DTLS_NUMBER_FIRST };
		if (SSL_is_server(d->ssl))
			cut_block(&suites[cipher], block, &out->rx, &out->tx);
		else
			cut_block(&suites[cipher], block, &out->tx, &out->rx);
#ifdef ADIT_KEYLOG
		log_keys(d->ssl, block, suites[cipher].key_len);
#endif
		r = 0;
	}
	explicit_bzero(block, sizeof(block));
	ERR_clear_error();
	return r;
}

void dtls_free(struct dtls *d)
{
	if (!d)
		return;
	SSL_free(d->ssl);
	explicit_bzero(d->psk, sizeof(d->psk));
	free(d);
}
