/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The authentication phase: POST / with a config-auth document, answered by a cookie (protocol facts:
 * docs/protocol.md). The server writes its reply without reading the request's XML; the client parses the reply with
 * expat.
 */
#ifndef WIRE_AUTH_H
#define WIRE_AUTH_H

#include <stddef.h>

#include "base/buf.h"

struct http_message;

enum { AUTH_COOKIE_MAX = 512, AUTH_TEXT_MAX = 256 };

/* A prefix that ocserv knows; without it no IPv6 routes. */
#define AUTH_USER_AGENT "Open AnyConnect VPN Agent v9.01-adit"

struct auth_reply {
	char cookie[AUTH_COOKIE_MAX]; /* value of webvpn, or of session-token */
	char error[AUTH_TEXT_MAX];    /* <error> or <message> of a refusal, "" when none */
};

/**
 * auth_encode_request() - The client's first request, whole
 * @host: for the Host header and group-access
 * @port: named when it is not 443
 * @out:  bytes are appended
 *
 * Return: 0 or ERR_NOMEM.
 */
int auth_encode_request(const char *host, int port, struct buf *out);

/**
 * auth_decode_reply() - Read the gateway's reply
 * @m:   whole reply
 * @out: filled
 *
 * Bounded: no entity is expanded, depth and sizes are limited.
 *
 * Return: 0 (cookie present), ERR_REFUSED (error text or a form we cannot fill: @out->error says it), ERR_DENIED (401,
 * 403), ERR_AGAIN (5xx), ERR_PROTO, ERR_NOMEM. With a status other than 200, @out->error is the text behind it.
 */
int auth_decode_reply(const struct http_message *m, struct auth_reply *out);

/**
 * auth_encode_success() - The server's 200 with the cookie
 * @cookie: text without ; CR LF
 * @out:    bytes are appended: head, Set-Cookie (Secure; HttpOnly), body
 *
 * Return: 0 or ERR_NOMEM.
 */
int auth_encode_success(const char *cookie, struct buf *out);

#endif
