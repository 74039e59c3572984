/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One HTTP/1.1 message head, and a body up to a limit, from bytes as they come. Wraps http-parser, which refuses to
 * split a CONNECT path: the URL is kept raw.
 */
#ifndef WIRE_HTTP_H
#define WIRE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	HTTP_HEAD_MAX = 16384,
	HTTP_HEADERS_MAX = 128,
	/* the largest grant that can be configured: 448 routes, excludes and networks of 70 bytes, 64 domains of 270 */
	HTTP_REPLY_HEAD_MAX = 131072,
	HTTP_REPLY_HEADERS_MAX = 1536,
	HTTP_BODY_MAX = 65536,
};

enum http_kind { HTTP_REQUEST, HTTP_REPLY };

struct http_header {
	const char *name;  /* as sent; compare with strcasecmp() */
	const char *value; /* blanks at both ends removed */
};

struct http_message {
	char method[16];    /* request */
	const char *url;    /* request: raw */
	int status;         /* reply */
	const char *reason; /* reply: text behind the status, may be "" */
	bool keep_alive;
	const struct http_header *headers; /* the parser's */
	size_t headers_len;
	const uint8_t *body;
	size_t body_len;
};

struct http_parser_state; /* opaque, one message at a time */

/**
 * http_new() - A parser for one kind of message
 * @kind: requests or replies
 * @connect_reply: the reply answers a CONNECT: it has no body, what follows its head is the tunnel's
 * @keep_body: false: a body is read past and thrown away up to HTTP_BODY_MAX bytes (the server ignores it)
 *
 * Return: the parser, free with http_free(); NULL without memory.
 */
struct http_parser_state *http_new(enum http_kind kind, bool connect_reply, bool keep_body);

/**
 * http_feed() - Take bytes
 * @p:    parser
 * @data: bytes
 * @len:  bytes at @data
 * @used: filled with how many belong to this message; the rest (behind the head of a CONNECT) is the caller's
 * @out:  filled when the message is whole; its pointers live until http_reset() or http_free()
 *
 * Return: 1 when the message is whole, ERR_SHORT (all taken, more needed), ERR_TOO_BIG (head, body or
 * number of headers over its limit), ERR_PROTO (not HTTP), ERR_NOMEM. After a failure only http_free() is of use.
 */
int http_feed(struct http_parser_state *p, const uint8_t *data, size_t len, size_t *used, struct http_message *out);

/** http_finish() - The stream ended: a reply without length is whole now. Return: 1, or ERR_EOF if it was cut short */
int http_finish(struct http_parser_state *p, struct http_message *out);

/** http_reset() - Make ready for the next message on the same connection */
void http_reset(struct http_parser_state *p);

/** http_free() - Wipe (cookies pass here) and free; accepts NULL */
void http_free(struct http_parser_state *p);

/** http_find() - Value of the first header called @name in any case, or NULL */
const char *http_find(const struct http_message *m, const char *name);

/**
 * http_cookie() - One cookie out of all `Cookie` headers ("a=b; webvpn=X; c=d")
 * @m:    request
 * @name: cookie's name, exact case
 * @out:  value, NUL-terminated
 * @cap:  bytes at @out
 *
 * Return: its length, ERR_MISSING, or ERR_TOO_BIG.
 */
int http_cookie(const struct http_message *m, const char *name, char *out, size_t cap);

#endif
