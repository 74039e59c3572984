/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an HTTP message line by line. No value can break out of its line: control characters become blanks. */
#ifndef WIRE_HEAD_H
#define WIRE_HEAD_H

#include "base/buf.h"

struct head {
	struct buf *out;
	size_t len_before;
	int result; /* the first failure; later lines are then not written */
};

enum { HEAD_LINE_MAX = 2048 };

/** head_begin() - Start a message behind what @out holds, which is borrowed till head_end() */
struct head head_begin(struct buf *out);

/** head_line() - Write the start line or a header, without line end; failures show in head_end() */
void head_line(struct head *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** head_host() - Write the Host header: @host, in brackets when it is an IPv6 address, and @port unless it is 443 */
void head_host(struct head *h, const char *host, int port);

/**
 * head_end() - Write Content-Length (with a body), the blank line and the body
 * @h:    head
 * @body: its bytes, or NULL for none
 * @len:  bytes at @body
 *
 * Return: 0, or ERR_NOMEM or ERR_TOO_BIG (a line of HEAD_LINE_MAX) with the queue as long as before head_begin().
 */
int head_end(struct head *h, const void *body, size_t len);

#endif
