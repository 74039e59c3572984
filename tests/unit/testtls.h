/* SPDX-License-Identifier: Apache-2.0 */
/* Two ends of a handshake without a wire: ours, or libssl's as the reference. */
#ifndef TESTTLS_H
#define TESTTLS_H

#include <assert.h>
#include <stdbool.h>

#include <openssl/ssl.h>

#include "base/buf.h"
#include "crypto/tls.h"
#include "testpki.h"
#include "wire/records.h"

#define TESTTLS_GATEWAY "vpn.example"

/* Bytes on their way; what a failed test leaves is freed with the process. */
struct testtls_pair {
	struct tls *server, *client;
	enum tls_step server_step, client_step;
	struct buf to_server, to_client;
};

/* libssl's end. */
struct testtls_raw {
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* belong to ssl */
};

static inline struct tls_settings testtls_server_settings(const struct testpki_cert *root,
							  const struct testpki_cert *cert)
{
	return (struct tls_settings){
		.role = TLS_SERVER, .certificate = cert->pem, .key = cert->key_pem, .ca = root->pem
	};
}

static inline struct tls_settings testtls_client_settings(const struct testpki_cert *root,
							  const struct testpki_cert *cert)
{
	return (struct tls_settings){ .role = TLS_CLIENT,
				      .certificate = cert->pem,
				      .key = cert->key_pem,
				      .ca = root->pem,
				      .peer_name = TESTTLS_GATEWAY };
}

/** testtls_begin() - One new handshake; its context need not be kept */
static inline struct tls *testtls_begin(struct tls_settings settings)
{
	struct tls_context *ctx = NULL;
	struct tls_fault fault;
	struct tls *t;

	if (tls_context_new(&settings, &ctx, &fault) < 0)
		fprintf(stderr, "tls_context_new: %s\n", fault.why);
	assert(ctx);
	t = tls_new(ctx);
	assert(t);
	tls_context_free(ctx);
	return t;
}

/** testtls_deliver() - Give what waits in @from to a handshake, at most @chunk bytes a call */
static inline enum tls_step testtls_deliver(struct tls *t, struct buf *from, size_t chunk, struct buf *out)
{
	enum tls_step step = tls_handshake(t, NULL, 0, out);

	while (buf_len(from)) {
		size_t n = buf_len(from) < chunk ? buf_len(from) : chunk;

		step = tls_handshake(t, buf_data(from), n, out);
		buf_consume(from, n);
	}
	return step;
}

/** testtls_shake() - Run both ends until neither has bytes for the other */
static inline void testtls_shake(struct testtls_pair *p, size_t chunk)
{
	p->client_step = tls_handshake(p->client, NULL, 0, &p->to_server);
	while (p->client_step == TLS_MORE && buf_len(&p->to_server)) {
		p->server_step = testtls_deliver(p->server, &p->to_server, chunk, &p->to_client);
		p->client_step = testtls_deliver(p->client, &p->to_client, chunk, &p->to_server);
	}
	if (buf_len(&p->to_server))
		p->server_step = testtls_deliver(p->server, &p->to_server, chunk, &p->to_client);
}

static inline struct testtls_pair testtls_pair(struct tls_settings server, struct tls_settings client)
{
	struct testtls_pair p = { .server = testtls_begin(server), .client = testtls_begin(client) };

	testtls_shake(&p, 16384);
	return p;
}

static inline void testtls_pair_fini(struct testtls_pair *p)
{
	tls_free(p->server);
	tls_free(p->client);
	buf_fini(&p->to_server);
	buf_fini(&p->to_client);
}

/** testtls_raw() - libssl's end; @cert NULL: without a certificate. Verifies nothing */
static inline struct testtls_raw testtls_raw(bool server, const struct testpki_cert *cert)
{
	struct testtls_raw raw = { .ctx = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method()) };

	if (cert) {
		SSL_CTX_use_certificate(raw.ctx, cert->cert);
		SSL_CTX_use_PrivateKey(raw.ctx, cert->key);
	}
	if (server)
		SSL_CTX_set_num_tickets(raw.ctx, 2);
	return raw;
}

static inline void testtls_raw_begin(struct testtls_raw *raw)
{
	raw->ssl = SSL_new(raw->ctx);
	raw->in = BIO_new(BIO_s_mem());
	raw->out = BIO_new(BIO_s_mem());
	SSL_set_bio(raw->ssl, raw->in, raw->out);
	if (SSL_is_server(raw->ssl))
		SSL_set_accept_state(raw->ssl);
	else
		SSL_set_connect_state(raw->ssl);
}

/** testtls_raw_collect() - Move what libssl wants to send to the end of @to */
static inline void testtls_raw_collect(struct testtls_raw *raw, struct buf *to)
{
	uint8_t bytes[4096];
	int n;

	while ((n = BIO_read(raw->out, bytes, sizeof(bytes))) > 0)
		assert(buf_append(to, bytes, (size_t)n) == 0);
}

/** testtls_raw_feed() - Give libssl what waits in @from */
static inline void testtls_raw_feed(struct testtls_raw *raw, struct buf *from)
{
	BIO_write(raw->in, buf_data(from), (int)buf_len(from));
	buf_consume(from, buf_len(from));
}

/** testtls_raw_shake() - Run ours against libssl's until no bytes move. Return: our last step */
static inline enum tls_step testtls_raw_shake(struct testtls_raw *raw, struct tls *ours)
{
	struct buf to_ours = BUF_INIT, to_raw = BUF_INIT;
	enum tls_step step = tls_handshake(ours, NULL, 0, &to_raw);

	do {
		testtls_raw_feed(raw, &to_raw);
		SSL_do_handshake(raw->ssl);
		testtls_raw_collect(raw, &to_ours);
		step = testtls_deliver(ours, &to_ours, 16384, &to_raw);
	} while (buf_len(&to_raw));
	buf_fini(&to_ours);
	buf_fini(&to_raw);
	return step;
}

static inline void testtls_raw_fini(struct testtls_raw *raw)
{
	SSL_free(raw->ssl);
	SSL_CTX_free(raw->ctx);
}

#endif
