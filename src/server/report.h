/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, counters and events as JSON; the forms are fixed by the schemas in docs/. */
#ifndef SERVER_REPORT_H
#define SERVER_REPORT_H

#include <jansson.h>

struct path;
struct session;

/* Counters of the engine besides the packet verdicts; every reason why a stranger or peer is turned away has one. */
enum report_count {
	COUNT_ACCEPTED,          /* TCP connections */
	COUNT_HANDSHAKES,        /* TLS handshakes done */
	COUNT_REFUSED,           /* handshakes that failed over a certificate, at either end */
	COUNT_HANDSHAKE_ERRORS,  /* not TLS, or broken TLS */
	COUNT_HANDSHAKE_TIMEOUT, /* limits.handshake_seconds */
	COUNT_DROPPED_OLDEST,    /* unauthenticated connections dropped for newer ones */
	COUNT_HTTP_ERRORS,       /* not HTTP, too big, unknown path or method */
	COUNT_COOKIE_REFUSED,    /* CONNECT with a cookie that is not good for this identity */
	COUNT_POOL_EMPTY,        /* no inner address left */
	COUNT_HOOK_REFUSED,      /* the connect hook failed */
	COUNT_REPLACED,          /* sessions ended for a newer one */
	COUNT_REKEYS,            /* generations after a session's first */
	COUNT_REKEY_FAILURES,
	COUNT_STREAMS_LOST, /* streams that broke */
	COUNT_MOVED,        /* datagram channels whose client came from another address */
	REPORT_COUNTS
};

/** report_count_add() - Count one; from any thread */
void report_count_add(enum report_count c);

/** report_counters() - All counters, also those of @paths_len workers' paths: {"egress": {...}, "ingress": {...}, ...}
 */
json_t *report_counters(const struct path *const *paths, size_t paths_len);

/**
 * report_session() - One session as an element of `sessions`; from any thread that holds a reference
 *
 * While no stream is connected `connected` is false, `transport` and `tls` are null and `peer` is the last one.
 */
json_t *report_session(struct session *s);

/**
 * report_event() - An event line
 * @event:  "session", "ready", "up", "down", "rekey", "transport", "refused", "reconnecting", ...
 * @s:      session it is about, or NULL; gives name, generation, peer_share, ipv4, ipv6, peer
 * @name:   used when @s is NULL: certificate name or subject, may be NULL
 * @reason: may be NULL
 *
 * What is not known is left out of the line.
 */
json_t *report_event(const char *event, struct session *s, const char *name, const char *reason);

/** report_event_session() - The "session" event of an element of `sessions`, which stays the caller's */
json_t *report_event_session(const json_t *session);

/**
 * report_status() - The `status` object
 * @role:      "server" or "client"
 * @paths:     the workers', for counters and offloads
 * @paths_len: at least 1
 * @sessions:  its reference is taken
 */
json_t *report_status(const char *role, const struct path *const *paths, size_t paths_len, json_t *sessions);

#endif
