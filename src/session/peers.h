/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peers a gateway knows: each proven identity with its cookies and its sessions, and the rules by which a session
 * is admitted. One lock inside; may be called from every worker.
 */
#ifndef SESSION_PEERS_H
#define SESSION_PEERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "crypto/tls.h"

struct conf;
struct conf_client;
struct peers;
struct session;

enum {
	PEER_COOKIE_LEN = 65,  /* 32 random bytes in hex, with NUL */
	PEER_COOKIES_MAX = 16, /* of one identity; the oldest without a session goes first */
	ADMISSION_REPLACED_MAX = 4,
};

/* What a new session is to be made of. */
struct admission {
	const struct conf_client *fixed; /* the operator's entry, or NULL */
	struct addr ipv4, ipv6;          /* leased now; ADDR_NONE: none of this family */
	struct session
		*replaced[ADMISSION_REPLACED_MAX]; /* referenced by the caller now: to be ended with "replaced" */
	size_t replaced_len;
};

/** peers_new() - Pools and fixed addresses from a server's configuration (borrowed); NULL without memory */
struct peers *peers_new(const struct conf *conf);

/**
 * peers_login() - Give a proven identity a cookie
 * @p:      peers
 * @proof:  from the TLS handshake
 * @now_ms: time
 * @cookie: filled: text for the Set-Cookie header
 *
 * Good for cookie_seconds from now, or after the end of its session's last stream.
 *
 * Return: 0 or ERR_NOMEM.
 */
int peers_login(struct peers *p, const struct tls_identity_proof *proof, uint64_t now_ms, char cookie[PEER_COOKIE_LEN]);

/**
 * peers_claim() - Check a cookie
 * @p:      peers
 * @proof:  of the connection that presents it: the cookie is bound to the identity
 * @cookie: as received
 * @now_ms: time
 * @living: filled with the session that has this cookie, referenced for the caller, or NULL when there is none yet
 *
 * Return: 0, or ERR_DENIED (unknown, expired, another identity's).
 */
int peers_claim(struct peers *p, const struct tls_identity_proof *proof, const char *cookie, uint64_t now_ms,
		struct session **living);

/**
 * peers_admit() - Make room for a new session and lease its addresses
 * @p:      peers
 * @proof:  identity
 * @cookie: as peers_claim() took it, without a session
 * @ipv4:   whether an IPv4 address is wanted; @ipv6 likewise
 * @out:    filled; on failure only with what was replaced
 *
 * Newest takes over: sessions of the same identity beyond its limit, or in the way of its fixed address (under
 * whatever trust root), are taken out of the books and handed back in @out->replaced, those without a stream first,
 * then the oldest. What is admitted counts like a session until peers_enter() or peers_release(), one of which must
 * follow.
 *
 * Return: 0; ERR_FULL (pool empty: try later); ERR_MISSING (no address of a wanted family can be had at all);
 * ERR_EXISTS (as many of this identity as may be are on their way already, or one with this cookie: try later);
 * ERR_DENIED (the cookie is gone).
 */
int peers_admit(struct peers *p, const struct tls_identity_proof *proof, const char *cookie, bool ipv4, bool ipv6,
		struct admission *out);

/** peers_release() - End an admission that came to nothing; its addresses go back, replaced sessions stay replaced */
void peers_release(struct peers *p, const struct tls_identity_proof *proof, const char *cookie,
		   const struct admission *a);

/** peers_enter() - End an admission by booking its session under identity and cookie; takes a reference */
void peers_enter(struct peers *p, const struct tls_identity_proof *proof, const char *cookie, struct session *s);

/**
 * peers_leave() - A session is over: take it out of the books, give its addresses back, its cookie dies
 *
 * Drops the reference. Nothing when it has been replaced before.
 */
void peers_leave(struct peers *p, struct session *s);

/** peers_expire() - Forget cookies that have run out without a session. Return: when to call again, ms */
uint64_t peers_expire(struct peers *p, uint64_t now_ms);

/** peers_free() - No session may be left; accepts NULL */
void peers_free(struct peers *p);

#endif
