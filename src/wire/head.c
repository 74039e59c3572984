/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an HTTP message line by line. */
#include "wire/head.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

enum { HTTPS_PORT = 443 };

struct head head_begin(struct buf *out)
{
	return (struct head){ .out = out, .len_before = buf_len(out) };
}

void head_line(struct head *h, const char *fmt, ...)
{
	char line[HEAD_LINE_MAX];
	va_list args;
	int i, len;

	va_start(args, fmt);
	len = vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	if (len < 0 || (size_t)len >= sizeof(line))
		h->result = ERR_TOO_BIG;
	for (i = 0; !h->result && i < len; i++)
		if (iscntrl((unsigned char)line[i]))
			line[i] = ' ';
	if (!h->result)
		h->result = buf_printf(h->out, "%s\r\n", line);
	explicit_bzero(line, sizeof(line)); /* cookies are written here */
}

void head_host(struct head *h, const char *host, int port)
{
	const char *open = strchr(host, ':') ? "[" : "", *close = *open ? "]" : "";

	if (port == HTTPS_PORT)
		head_line(h, "Host: %s%s%s", open, host, close);
	else
		head_line(h, "Host: %s%s%s:%d", open, host, close, port);
}

int head_end(struct head *h, const void *body, size_t len)
{
	if (body)
		head_line(h, "Content-Length: %zu", len);
	if (!h->result)
		h->result = buf_append(h->out, "\r\n", 2);
	if (!h->result && body)
		h->result = buf_append(h->out, body, len);
	if (h->result < 0)
		h->out->end = h->out->start + h->len_before;
	return h->result;
}
