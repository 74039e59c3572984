/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS 1.3 handshakes with certificates on both sides, as bytes in and bytes out: no descriptor, no clock but OpenSSL's
 * own for certificate dates. One struct tls is one handshake; when it is done its traffic keys move out, and records
 * are protected by wire/records.h.
 */
#ifndef CRYPTO_TLS_H
#define CRYPTO_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "crypto/aead.h"
#include "crypto/schedule.h"

struct tls;
struct tls_context;

enum tls_role { TLS_SERVER, TLS_CLIENT };
enum tls_identity { TLS_IDENTITY_CN, TLS_IDENTITY_SAN_DNS, TLS_IDENTITY_SAN_EMAIL };

enum {
	TLS_NAME_LEN = 65,  /* identity name with NUL: [A-Za-z0-9._@-]{1,64} */
	TLS_ROOT_LEN = 17,  /* first 8 bytes of the trust root's SHA-256 in hex, with NUL */
	TLS_TEXT_LEN = 256, /* subjects and reasons, with NUL */
	TLS_SHARE_LEN = 17, /* first 8 bytes of the SHA-256 of a public key share in hex, with NUL */
	TLS_PSK_LEN = 32,   /* EXPORTER-openconnect-psk */
};

struct tls_settings {
	enum tls_role role;
	const char *certificate; /* PEM: leaf, then intermediates */
	const char *key;         /* PEM */
	const char *ca;          /* PEM: one or more trust roots (and intermediates) */
	const char *crl;         /* PEM: one or more CRLs, or NULL */
	bool crl_strict;         /* a lapsed CRL refuses; otherwise it still revokes, and warns */
	enum tls_identity identity;
	const char *peer_name; /* client: host name or address the gateway must prove; NULL at a server */
};

/* Which of the settings a fault lies in. */
enum tls_pem { TLS_PEM_CERTIFICATE, TLS_PEM_KEY, TLS_PEM_CA, TLS_PEM_CRL, TLS_PEM_NONE };

struct tls_fault {
	enum tls_pem pem;
	char why[TLS_TEXT_LEN]; /* one sentence: wrong key for the certificate, no certificate in the PEM, ... */
};

struct tls_identity_proof {
	char name[TLS_NAME_LEN];    /* the identity by which sessions, leases and limits are keyed; "" at a client */
	char root[TLS_ROOT_LEN];    /* which trust root vouches for it */
	char subject[TLS_TEXT_LEN]; /* whole subject, RFC 2253 */
	int64_t not_after;          /* end of validity, seconds since 1970 */
};

struct tls_facts {
	const char *version;            /* "TLSv1.3" */
	const char *suite;              /* "TLS_AES_256_GCM_SHA384" */
	const char *group;              /* "X25519" */
	char peer_share[TLS_SHARE_LEN]; /* hash of the peer's ephemeral public key */
};

/* What protects application data after a handshake, each way. */
struct tls_traffic {
	enum aead_cipher cipher;
	bool peer_is_server;
	uint8_t tx_secret[SCHEDULE_SECRET_MAX], rx_secret[SCHEDULE_SECRET_MAX]; /* schedule_secret_len() bytes */
	uint64_t tx_sequence, rx_sequence;                                      /* of the next records */
	struct buf unread; /* received behind the handshake and still sealed */
};

/* Why a handshake failed, for the log and for the decision whether to try again. */
struct tls_failure {
	int alert;                  /* TLS alert number sent or received; -1: none */
	bool received;              /* the peer refused us; otherwise we refused it */
	bool certificate;           /* we refused the peer's certificate: @reason says why */
	char subject[TLS_TEXT_LEN]; /* of the peer's certificate, "" when none came */
	char reason[TLS_TEXT_LEN];  /* one sentence without a full stop: "certificate has expired" */
};

enum tls_step { TLS_MORE, TLS_DONE, TLS_FAILED };

/**
 * tls_context_new() - Load certificate, key and trust, fix the policy
 * @settings: borrowed for the call
 * @out:      the context; free with tls_context_free()
 * @fault:    filled on failure
 *
 * TLS 1.3 only; no tickets, no session cache, no 0-RTT; the peer's certificate is required. Groups are offered one by
 * one (X25519MLKEM768, X25519, P-256, P-384), those the library lacks dropped. Warns (once, log_warn) about an issuer
 * without CRL when @crl is given, and about our own certificate's dates and usage at a client. A context may be used
 * by many threads.
 *
 * Return: 0, ERR_NOMEM or ERR_CONFIG.
 */
int tls_context_new(const struct tls_settings *settings, struct tls_context **out, struct tls_fault *fault);

/** tls_context_free() - Accepts NULL; handshakes in flight keep what they need */
void tls_context_free(struct tls_context *ctx);

/** tls_new() - Begin a handshake; a client's ClientHello is ready after the first tls_handshake(). NULL: no memory */
struct tls *tls_new(struct tls_context *ctx);

/**
 * tls_handshake() - Take bytes from the peer and go on
 * @t:   handshake
 * @in:  bytes received, or NULL with @len 0 to begin; all are taken (what lies behind the handshake is kept for the
 *       records)
 * @len: bytes at @in
 * @out: bytes for the peer are appended here, also after TLS_FAILED (the alert)
 *
 * Certificate check: chain with intermediates, dates, basic constraints, CRL for the whole chain; extended key usage
 * must be present and fit (clientAuth, serverAuth); host name or, for an address, IP SAN only, never the CN. Each
 * refusal sends the fitting alert (RFC 8446 section 6.2): expired 45, revoked 44, unknown CA 48, none 116, the others
 * 42 or 43.
 *
 * Return: TLS_MORE (more bytes are needed), TLS_DONE, TLS_FAILED (see tls_failure()).
 */
enum tls_step tls_handshake(struct tls *t, const uint8_t *in, size_t len, struct buf *out);

/** tls_started() - Whether a whole ClientHello has arrived (server); a stranger that sends nothing never gets there */
bool tls_started(const struct tls *t);

/** tls_failure() - Why it failed; valid after TLS_FAILED */
const struct tls_failure *tls_failure(const struct tls *t);

/** tls_alert_final() - Whether a client should give up on this alert: 42-46, 48, 49, 116 */
bool tls_alert_final(int alert);

/** tls_alert_text() - An alert in a few static words: 45 is "certificate expired or not yet valid" */
const char *tls_alert_text(int alert);

/** tls_proof() - The peer's proven identity; valid after TLS_DONE */
const struct tls_identity_proof *tls_proof(const struct tls *t);

/** tls_facts() - What was negotiated; valid after TLS_DONE */
const struct tls_facts *tls_facts(const struct tls *t);

/**
 * tls_export_psk() - Key for the datagram channel of this generation
 * @t:   done handshake
 * @out: RFC 8446 7.5 exporter, label "EXPORTER-openconnect-psk", no context
 *
 * Return: 0 or ERR_CRYPTO.
 */
int tls_export_psk(struct tls *t, uint8_t out[TLS_PSK_LEN]);

/**
 * tls_take_traffic() - Hand the finished handshake's record protection over
 * @t:   done handshake; its proof and facts stay, libssl's state is freed
 * @out: filled; wipe with tls_traffic_fini()
 *
 * libssl has protected no record with these keys: it sends no tickets, and is told nothing after the Finished. So both
 * sequence numbers are 0, and from here on it has none.
 *
 * Return: 0, or ERR_CRYPTO with @out unset.
 */
int tls_take_traffic(struct tls *t, struct tls_traffic *out);

/** tls_traffic_fini() - Wipe the secrets and free what is unread */
void tls_traffic_fini(struct tls_traffic *traffic);

/** tls_free() - Wipe and free; accepts NULL */
void tls_free(struct tls *t);

#ifdef ADIT_KEYLOG
/** tls_keylog_to() - Test builds only: write NSS key log lines to @fd from now on */
void tls_keylog_to(int fd);
#endif

#endif
