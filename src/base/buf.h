/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte queue: bytes are appended at the end and consumed at the front. Storage is kept when it empties, so a
 * queue that has reached its working size makes no heap call.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>
#include <stdint.h>

struct buf {
	uint8_t *base; /* storage, or NULL */
	size_t start;  /* first unread byte */
	size_t end;    /* one past the last */
	size_t cap;    /* bytes at base */
};

#define BUF_INIT              \
	{                     \
		NULL, 0, 0, 0 \
	}

/** buf_data() - First unread byte; valid until the next append; NULL before the first */
static inline uint8_t *buf_data(const struct buf *b)
{
	return b->base ? b->base + b->start : NULL;
}

/** buf_len() - Unread bytes */
static inline size_t buf_len(const struct buf *b)
{
	return b->end - b->start;
}

/**
 * buf_reserve() - Make room at the end
 * @b:    queue
 * @room: bytes the caller is about to write
 * @out:  where to write them; call buf_grow() with how many it were
 *
 * Return: 0, or ERR_NOMEM with @b unchanged.
 */
int buf_reserve(struct buf *b, size_t room, uint8_t **out);

/** buf_grow() - Count @n bytes, written into reserved room, as appended */
static inline void buf_grow(struct buf *b, size_t n)
{
	b->end += n;
}

/** buf_append() - Copy @len bytes to the end. Return: 0 or ERR_NOMEM with @b unchanged */
int buf_append(struct buf *b, const void *data, size_t len);

/** buf_printf() - Append formatted text without its NUL. Return: 0 or ERR_NOMEM with @b unchanged */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** buf_consume() - Forget the first @len unread bytes; @len <= buf_len() */
void buf_consume(struct buf *b, size_t len);

/** buf_clear() - Forget all bytes, keep the storage */
static inline void buf_clear(struct buf *b)
{
	b->start = b->end = 0;
}

/** buf_fini() - Wipe and free the storage; @b is then as BUF_INIT */
void buf_fini(struct buf *b);

#endif
