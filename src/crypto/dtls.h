/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DTLS 1.2 handshakes with a pre-shared key, as datagrams in and datagrams out: no descriptor, no clock but OpenSSL's
 * own for retransmission. One struct dtls is one handshake; what it leaves behind are the keys of a generation's
 * datagrams, whose records are ours (wire/dtls_record.h).
 *
 * The key is the exporter value of the TLS connection (tls_export_psk()), so that the datagrams belong to that
 * connection's generation. Plain PSK with AEAD only; no resumption, no tickets, no renegotiation.
 *
 * OpenSSL keeps some numbers of epoch 1 for itself, for its Finished and repetitions of it: ours begin at
 * DTLS_NUMBER_FIRST, so that no number, and with it no nonce, is used twice.
 */
#ifndef CRYPTO_DTLS_H
#define CRYPTO_DTLS_H

#include <stddef.h>
#include <stdint.h>

#include "crypto/aead.h"
#include "crypto/tls.h"

struct dtls;
struct dtls_context;

enum {
	DTLS_MTU = 1200,             /* datagrams of a handshake are no longer */
	DTLS_APP_ID_MAX = 32,        /* it travels as a session id */
	DTLS_NUMBER_FIRST = 1 << 20, /* of our own records */
	DTLS_RETRANSMIT_MS = 400,    /* then doubling */
};

struct dtls_half {
	uint8_t key[AEAD_KEY_MAX];
	uint8_t iv[AEAD_NONCE_LEN]; /* AES-GCM: 4 bytes of it */
};

/* What a finished handshake leaves behind; wiped by its holder. */
struct dtls_keys {
	enum aead_cipher cipher;
	struct dtls_half tx, rx;
	uint64_t tx_number; /* of the first record that we seal, in epoch 1 */
};

/** dtls_send_fn - Takes one datagram for the peer; called within dtls_handshake() */
typedef void dtls_send_fn(void *arg, const uint8_t *datagram, size_t len);

/**
 * dtls_context_new() - Fix the policy
 * @role:   TLS_SERVER or TLS_CLIENT
 * @cipher: the only one to offer and take, or AEAD_CIPHERS: all
 *
 * Of all, the server takes the first it has in the order AES-128-GCM, AES-256-GCM, ChaCha20-Poly1305, unless the client
 * puts ChaCha20 first, as one without AES in its processor does. A context may be used by many threads.
 *
 * Return: the context, or NULL without memory; free with dtls_context_free().
 */
struct dtls_context *dtls_context_new(enum tls_role role, enum aead_cipher cipher);

/** dtls_context_free() - Accepts NULL; handshakes in flight keep what they need */
void dtls_context_free(struct dtls_context *ctx);

/**
 * dtls_new() - Begin a handshake
 * @ctx:    policy
 * @psk:    key; copied
 * @id:     client: App-ID, which it presents as if it wanted to resume a session of that id; ignored at a server
 * @id_len: its bytes, 1..DTLS_APP_ID_MAX
 *
 * Return: the handshake, or NULL without memory.
 */
struct dtls *dtls_new(struct dtls_context *ctx, const uint8_t psk[TLS_PSK_LEN], const uint8_t *id, size_t id_len);

/**
 * dtls_handshake() - Take one datagram and go on
 * @d:    handshake
 * @in:   datagram, NULL with @len 0: a client's beginning, or the deadline has come
 * @len:  its bytes
 * @send: takes the datagrams for the peer, in order
 * @arg:  for @send
 *
 * A server begins with the ClientHello that has brought our cookie back: it was read and judged without it
 * (dtls_hello_peek(), dtls_cookie_good()), and is believed here. Anything else at the beginning is TLS_FAILED.
 *
 * Behind TLS_DONE a server takes what is still about the handshake: a client that repeats its Finished has not heard
 * ours, which is then repeated. Application data is ignored at any time: its records are not OpenSSL's to count.
 *
 * Return: TLS_MORE, TLS_DONE (dtls_take_keys() is due), TLS_FAILED (dtls_failure() says why).
 */
enum tls_step dtls_handshake(struct dtls *d, const uint8_t *in, size_t len, dtls_send_fn *send, void *arg);

/** dtls_deadline() - When to call dtls_handshake() without a datagram, monotonic ms; CLOCK_NEVER once it is over */
uint64_t dtls_deadline(struct dtls *d, uint64_t now_ms);

/** dtls_failure() - Why it failed: static text without a full stop */
const char *dtls_failure(const struct dtls *d);

/** dtls_waiting() - What a handshake that is not done waits for, as dtls_failure() would say it */
const char *dtls_waiting(const struct dtls *d);

/** dtls_suite_name() - "PSK-AES128-GCM-SHA256" and the like; static text */
const char *dtls_suite_name(enum aead_cipher cipher);

/** dtls_suite() - What was agreed on: "PSK-AES128-GCM-SHA256"; static text, valid after TLS_DONE */
const char *dtls_suite(const struct dtls *d);

/**
 * dtls_take_keys() - Derive the keys of the finished handshake (RFC 5246 6.3)
 * @d:   done; a client's is then to be freed, a server's kept until the first record of the client has been opened or
 *       some seconds have passed, for the client may not have heard our Finished
 * @out: filled
 *
 * Return: 0 or ERR_CRYPTO.
 */
int dtls_take_keys(struct dtls *d, struct dtls_keys *out);

/** dtls_free() - Wipe and free; accepts NULL */
void dtls_free(struct dtls *d);

#endif
