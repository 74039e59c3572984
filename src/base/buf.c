/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte queue. */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { FIRST_CAP = 1024 };

/* realloc() may leave a copy of the bytes behind: move by hand and wipe. */
static int enlarge(struct buf *b, size_t need)
{
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	uint8_t *base;

	while (cap < need)
		cap *= 2;
	base = malloc(cap);
	if (!base)
		return ERR_NOMEM;
	if (b->base) {
		memcpy(base, buf_data(b), buf_len(b));
		explicit_bzero(b->base, b->cap);
		free(b->base);
	}
	*b = (struct buf){ .base = base, .end = buf_len(b), .cap = cap };
	return 0;
}

int buf_reserve(struct buf *b, size_t room, uint8_t **out)
{
	int r;

	if (room > b->cap - b->end && b->start) {
		memmove(b->base, buf_data(b), buf_len(b));
		b->end -= b->start;
		b->start = 0;
	}
	if (room > b->cap - b->end && (r = enlarge(b, buf_len(b) + room)) < 0)
		return r;
	*out = b->base + b->end;
	return 0;
}

int buf_append(struct buf *b, const void *data, size_t len)
{
	uint8_t *at;
	int r;

	if (!len)
		return 0;
	if ((r = buf_reserve(b, len, &at)) < 0)
		return r;
	memcpy(at, data, len);
	buf_grow(b, len);
	return 0;
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list args;
	uint8_t *at;
	int len, r;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	if ((r = buf_reserve(b, (size_t)len + 1, &at)) < 0)
		return r;
	va_start(args, fmt);
	vsnprintf((char *)at, (size_t)len + 1, fmt, args);
	va_end(args);
	buf_grow(b, (size_t)len);
	return 0;
}

void buf_consume(struct buf *b, size_t len)
{
	assert(len <= buf_len(b));
	b->start += len;
	if (b->start == b->end)
		buf_clear(b);
}

void buf_fini(struct buf *b)
{
	if (b->base)
		explicit_bzero(b->base, b->cap);
	free(b->base);
	*b = (struct buf)BUF_INIT;
}
