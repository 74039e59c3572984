/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of a datagram handshake without a wire: ours, or libssl's as the reference. */
#ifndef TESTDTLS_H
#define TESTDTLS_H

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include <openssl/ssl.h>

#include "base/addr.h"
#include "crypto/dtls.h"
#include "crypto/dtls_cookie.h"
#include "wire/dtls_hello.h"
#include "wire/dtls_header.h"

enum { TESTDTLS_ID_LEN = 32, TESTDTLS_DATAGRAM_MAX = 2048, TESTDTLS_QUEUE = 32, TESTDTLS_PORT = 40000 };

struct testdtls_datagram {
	uint8_t data[TESTDTLS_DATAGRAM_MAX];
	size_t len;
};

/* Datagrams on their way, oldest first. */
struct testdtls_queue {
	struct testdtls_datagram waiting[TESTDTLS_QUEUE];
	size_t count;
};

/* libssl's end; ours is given as a struct dtls. */
struct testdtls_raw {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* belong to ssl */
};

struct testdtls_pair {
	struct dtls *server, *client; /* server NULL until a hello has brought its cookie */
	struct testdtls_raw raw;      /* in place of one of them */
	enum tls_step server_step, client_step;
	struct testdtls_queue to_server, to_client;
	unsigned verify_requests;
};

static const uint8_t testdtls_psk[TLS_PSK_LEN] = { 1, 2, 3, 4, 5, 6, 7, 8 };
static const uint8_t testdtls_id[TESTDTLS_ID_LEN] = { 0xa0, 0x94, 0x55, 0x15 };
static const struct dtls_cookie_secret testdtls_secret = { { 9 } };
static const struct addr testdtls_peer = { ADDR_V4, { 192, 0, 2, 1 } };

/** testdtls_push() - A dtls_send_fn; @arg is a queue */
static inline void testdtls_push(void *arg, const uint8_t *datagram, size_t len)
{
	struct testdtls_queue *q = arg;

	assert(q->count < TESTDTLS_QUEUE && len && len <= TESTDTLS_DATAGRAM_MAX);
	memcpy(q->waiting[q->count].data, datagram, len);
	q->waiting[q->count++].len = len;
}

/** testdtls_take() - Take the datagram at @index out of its queue */
static inline struct testdtls_datagram testdtls_take(struct testdtls_queue *q, size_t index)
{
	struct testdtls_datagram d;

	assert(index < q->count);
	d = q->waiting[index];
	q->count--;
	memmove(&q->waiting[index], &q->waiting[index + 1], (q->count - index) * sizeof(d));
	return d;
}

/** testdtls_begin() - One end of ours; its context need not be kept */
static inline struct dtls *testdtls_begin(enum tls_role role, enum aead_cipher cipher)
{
	struct dtls_context *ctx = dtls_context_new(role, cipher);
	struct dtls *d;

	assert(ctx);
	d = dtls_new(ctx, testdtls_psk, testdtls_id, sizeof(testdtls_id));
	assert(d);
	dtls_context_free(ctx);
	return d;
}

/* ---- libssl's end ---- */

static inline unsigned testdtls_server_psk(SSL *ssl, const char *name, unsigned char *psk, unsigned room)
{
	(void)ssl;
	assert(!strcmp(name, "psk") && room >= sizeof(testdtls_psk));
	memcpy(psk, testdtls_psk, sizeof(testdtls_psk));
	return sizeof(testdtls_psk);
}

static inline unsigned testdtls_client_psk(SSL *ssl, const char *hint, char *name, unsigned name_room,
					   unsigned char *psk, unsigned room)
{
	(void)hint;
	assert(name_room >= sizeof("psk"));
	memcpy(name, "psk", sizeof("psk"));
	return testdtls_server_psk(ssl, name, psk, room);
}

/* The App-ID, as openconnect presents it. */
static inline void testdtls_present_id(SSL *ssl)
{
	uint8_t master[48] = { 7 };
	SSL_SESSION *s = SSL_SESSION_new();

	SSL_SESSION_set_protocol_version(s, DTLS1_2_VERSION);
	SSL_SESSION_set_cipher(s, sk_SSL_CIPHER_value(SSL_get_ciphers(ssl), 0));
	SSL_SESSION_set1_master_key(s, master, sizeof(master));
	SSL_SESSION_set1_id(s, testdtls_id, sizeof(testdtls_id));
	SSL_SESSION_set_timeout(s, 100);
	assert(SSL_set_session(ssl, s) == 1);
	SSL_SESSION_free(s);
}

/** testdtls_raw() - libssl's end with OpenSSL's own defaults; @suites as for SSL_CTX_set_cipher_list() */
static inline struct testdtls_raw testdtls_raw(enum tls_role role, const char *suites)
{
	struct testdtls_raw raw = { .ctx = SSL_CTX_new(role == TLS_SERVER ? DTLS_server_method()
									  : DTLS_client_method()) };

	assert(SSL_CTX_set_cipher_list(raw.ctx, suites) == 1);
	SSL_CTX_set_options(raw.ctx, SSL_OP_NO_QUERY_MTU);
	SSL_CTX_set_psk_server_callback(raw.ctx, testdtls_server_psk);
	SSL_CTX_set_psk_client_callback(raw.ctx, testdtls_client_psk);
	raw.ssl = SSL_new(raw.ctx);
	SSL_set_mtu(raw.ssl, TESTDTLS_DATAGRAM_MAX);
	raw.in = BIO_new(BIO_s_mem());
	raw.out = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(raw.in, -1);
	SSL_set_bio(raw.ssl, raw.in, raw.out);
	if (role == TLS_CLIENT)
		testdtls_present_id(raw.ssl);
	if (role == TLS_SERVER)
		SSL_set_accept_state(raw.ssl);
	else
		SSL_set_connect_state(raw.ssl);
	return raw;
}

/** testdtls_raw_collect() - What libssl has written, one record a datagram */
static inline void testdtls_raw_collect(struct testdtls_raw *raw, struct testdtls_queue *to)
{
	uint8_t bytes[4 * TESTDTLS_DATAGRAM_MAX];
	int n = BIO_read(raw->out, bytes, sizeof(bytes));
	struct dtls_record r;

	for (uint8_t *at = bytes; n > 0; at += DTLS_HEADER_LEN + r.len, n -= (int)(DTLS_HEADER_LEN + r.len)) {
		assert(dtls_header_parse(at, (size_t)n, &r) == PASS);
		testdtls_push(to, at, DTLS_HEADER_LEN + r.len);
	}
}

static inline enum tls_step testdtls_raw_step(struct testdtls_raw *raw, const struct testdtls_datagram *d,
					      struct testdtls_queue *to)
{
	int r;

	if (d)
		BIO_write(raw->in, d->data, (int)d->len);
	r = SSL_do_handshake(raw->ssl);
	testdtls_raw_collect(raw, to);
	return r == 1 ? TLS_DONE : TLS_MORE;
}

static inline void testdtls_raw_fini(struct testdtls_raw *raw)
{
	SSL_free(raw->ssl);
	SSL_CTX_free(raw->ctx);
}

/* ---- the handshake ---- */

/* What a gateway does with a datagram of a flow that it does not know; @now_ms as for the cookie. */
static inline void testdtls_greet(struct testdtls_pair *p, const struct testdtls_datagram *d, enum aead_cipher cipher)
{
	uint8_t cookie[DTLS_COOKIE_LEN], answer[DTLS_HELLO_VERIFY_LEN];
	struct dtls_hello hello;

	if (dtls_hello_peek(d->data, d->len, &hello) != PASS)
		return;
	assert(hello.id_len == sizeof(testdtls_id) && !memcmp(hello.id, testdtls_id, hello.id_len));
	if (!hello.cookie_len) {
		assert(dtls_cookie_make(&testdtls_secret, &testdtls_peer, TESTDTLS_PORT, hello.id, hello.id_len, 5,
					cookie) == 0);
		dtls_hello_verify(&hello, cookie, answer);
		testdtls_push(&p->to_client, answer, sizeof(answer));
		p->verify_requests++;
	} else if (dtls_cookie_good(&testdtls_secret, &testdtls_peer, TESTDTLS_PORT, hello.id, hello.id_len, 5,
				    hello.cookie)) {
		p->server = testdtls_begin(TLS_SERVER, cipher);
		p->server_step = dtls_handshake(p->server, d->data, d->len, testdtls_push, &p->to_client);
	}
}

/** testdtls_client_step() - Give the client a datagram, or NULL: its beginning, or the deadline has come */
static inline void testdtls_client_step(struct testdtls_pair *p, const struct testdtls_datagram *d)
{
	if (!p->client)
		p->client_step = testdtls_raw_step(&p->raw, d, &p->to_server);
	else
		p->client_step =
			dtls_handshake(p->client, d ? d->data : NULL, d ? d->len : 0, testdtls_push, &p->to_server);
}

/** testdtls_server_step() - Give the server a datagram, or NULL: the deadline has come */
static inline void testdtls_server_step(struct testdtls_pair *p, const struct testdtls_datagram *d,
					enum aead_cipher cipher)
{
	if (p->client && p->raw.ssl)
		p->server_step = testdtls_raw_step(&p->raw, d, &p->to_client);
	else if (p->server)
		p->server_step =
			dtls_handshake(p->server, d ? d->data : NULL, d ? d->len : 0, testdtls_push, &p->to_client);
	else if (d)
		testdtls_greet(p, d, cipher);
}

/** testdtls_run() - Carry everything in order until nothing is under way */
static inline void testdtls_run(struct testdtls_pair *p, enum aead_cipher cipher)
{
	struct testdtls_datagram d;

	while (p->to_server.count || p->to_client.count) {
		if (p->to_server.count) {
			d = testdtls_take(&p->to_server, 0);
			testdtls_server_step(p, &d, cipher);
		}
		if (p->to_client.count) {
			d = testdtls_take(&p->to_client, 0);
			testdtls_client_step(p, &d);
		}
	}
}

/** testdtls_shake() - A handshake of ours without accidents; @cipher: what the server takes */
static inline void testdtls_shake(struct testdtls_pair *p, enum aead_cipher cipher)
{
	memset(p, 0, sizeof(*p));
	p->client = testdtls_begin(TLS_CLIENT, AEAD_CIPHERS);
	testdtls_client_step(p, NULL);
	testdtls_run(p, cipher);
}

/** testdtls_shake_raw() - Against libssl, which is @raw_role and may use @suites */
static inline void testdtls_shake_raw(struct testdtls_pair *p, enum tls_role raw_role, const char *suites)
{
	memset(p, 0, sizeof(*p));
	p->raw = testdtls_raw(raw_role, suites);
	if (raw_role == TLS_SERVER)
		p->client = testdtls_begin(TLS_CLIENT, AEAD_CIPHERS);
	testdtls_client_step(p, NULL);
	testdtls_run(p, AEAD_CIPHERS);
}

static inline void testdtls_fini(struct testdtls_pair *p)
{
	dtls_free(p->server);
	dtls_free(p->client);
	testdtls_raw_fini(&p->raw);
}

#endif
