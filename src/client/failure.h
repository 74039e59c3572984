/* SPDX-License-Identifier: Apache-2.0 */
/* Why an attempt to open a stream failed, and what a client makes of it: try again, log in anew, or give up. */
#ifndef CLIENT_FAILURE_H
#define CLIENT_FAILURE_H

#include <stdbool.h>

#include "crypto/tls.h"

/* In rising order of what they tell: of several addresses the most telling failure counts. */
enum failure_kind {
	FAILURE_UNREACHABLE, /* no address, no connection, no answer, or one that is not understood */
	FAILURE_STATUS,      /* an HTTP status other than 200 */
	FAILURE_ALERT,       /* the gateway ended TLS with an alert, under its keys */
	FAILURE_CERTIFICATE, /* we refuse the gateway's certificate */
};

struct failure {
	enum failure_kind kind;
	int number;                /* the status or the alert */
	bool fresh;                /* the login was made in this very attempt */
	char reason[TLS_TEXT_LEN]; /* one sentence without a full stop */
};

enum failure_verdict {
	FAILURE_RETRY, /* after a while */
	FAILURE_LOGIN, /* at once, without the cookie */
	FAILURE_FINAL, /* the other end refuses us, or we it */
};

/** failure_set() - Fill @f; @fresh is false */
void failure_set(struct failure *f, enum failure_kind kind, int number, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/**
 * failure_from_tls() - Fill @f from a failed handshake
 * @f:   filled
 * @tls: what crypto says of it
 *
 * An alert received here is nobody's verdict: until our Finished it comes in clear, so anybody on the way may have sent
 * it. The gateway judges our certificate behind that (RFC 8446, section 4.4.3), where client/stream.c reads it.
 */
void failure_from_tls(struct failure *f, const struct tls_failure *tls);

/**
 * failure_judge() - What to do about it
 * @f:         failure
 * @succeeded: this client had its tunnel before
 *
 * After a first success only a revoked certificate, an unknown authority and a 401 to a fresh login are final: all
 * else may be a gateway that is being repaired.
 */
enum failure_verdict failure_judge(const struct failure *f, bool succeeded);

#endif
