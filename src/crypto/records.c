/* SPDX-License-Identifier: Apache-2.0 */
/* Record protection of one TLS connection by libssl's own records. */
#include "crypto/records.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "base/err.h"
#include "crypto/records_int.h"

/*
 * An honest peer sends two tickets and now and then a KeyUpdate. Each costs key derivations and may want an answer, so
 * what one call does and what waits for the next record to go out are bounded.
 */
enum {
	ROUNDS_MAX = 64, /* libssl takes one or two a message */
	KEY_UPDATE_LEN = 5 + RECORDS_OVERHEAD,
	ANSWERS_MAX = 64 * KEY_UPDATE_LEN,
};

struct counts {
	_Atomic uint64_t records, bytes;
};

struct records {
	pthread_mutex_t lock; /* libssl's state is one for both directions */
	SSL *ssl;
	struct feed *feed;  /* belongs to ssl */
	struct buf answers; /* written by libssl while opening */
	int lost;           /* enum err once opening has ended, ERR_EOF included */
	bool broken;        /* nothing can be sealed any more */
	struct counts sealed, opened;
};

static void count(struct counts *c, size_t bytes)
{
	atomic_fetch_add_explicit(&c->records, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&c->bytes, bytes, memory_order_relaxed);
}

static void read_counts(const struct counts *c, uint64_t *records, uint64_t *bytes)
{
	*records = atomic_load_explicit(&c->records, memory_order_relaxed);
	*bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed);
}

static int hand_over_answers(struct records *r, struct buf *out)
{
	int result;

	if (!buf_len(&r->answers))
		return 0;
	if ((result = buf_append(out, buf_data(&r->answers), buf_len(&r->answers))) < 0)
		return result;
	buf_clear(&r->answers);
	return 0;
}

static int seal(struct records *r, const uint8_t *data, size_t len, struct buf *out)
{
	size_t written;
	uint8_t *room;
	int result;

	/* Room first: a record that is sealed but finds none would leave a hole in the numbers. */
	if ((result = buf_reserve(out, buf_len(&r->answers) + KEY_UPDATE_LEN + len + RECORDS_OVERHEAD, &room)) < 0)
		return result;
	if ((result = hand_over_answers(r, out)) < 0)
		return result;
	feed_begin(r->feed, NULL, 0, out);
	result = SSL_write_ex(r->ssl, data, len, &written) == 1 ? 0 : ERR_CRYPTO;
	feed_begin(r->feed, NULL, 0, NULL);
	return result;
}

static int why_not_opened(struct records *r, int ssl_result)
{
	switch (SSL_get_error(r->ssl, ssl_result)) {
	case SSL_ERROR_WANT_READ:
		return ERR_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return ERR_EOF;
	default:
		return r->feed->alert_sent == SSL_AD_BAD_RECORD_MAC ? ERR_CRYPTO : ERR_PROTO;
	}
}

/* A read with room for the longest plaintext gives one whole record. */
static int open_one(struct records *r, struct buf *plain)
{
	uint8_t *room;
	size_t len;
	int result;

	if ((result = buf_reserve(plain, RECORDS_PLAIN_MAX, &room)) < 0)
		return result;
	if ((result = SSL_read_ex(r->ssl, room, RECORDS_PLAIN_MAX, &len)) != 1)
		return why_not_opened(r, result);
	buf_grow(plain, len);
	count(&r->opened, len);
	return 0;
}

/* libssl returns while it handles handshake messages (SSL_MODE_AUTO_RETRY is off), so they can be counted here. */
static int open_all(struct records *r, const uint8_t *in, size_t len, struct buf *plain)
{
	unsigned rounds = 0;
	int result;

	feed_begin(r->feed, in, len, &r->answers);
	do {
		result = open_one(r, plain);
		if (result == ERR_AGAIN && feed_left(r->feed) && ++rounds <= ROUNDS_MAX)
			result = 0;
	} while (result == 0);
	if (result == ERR_AGAIN)
		result = feed_left(r->feed) || buf_len(&r->answers) > ANSWERS_MAX ? ERR_PROTO : 0;
	feed_begin(r->feed, NULL, 0, NULL);
	return result;
}

struct records *records_new_take(SSL *ssl, struct feed *feed)
{
	struct records *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	if (pthread_mutex_init(&r->lock, NULL)) {
		free(r);
		return NULL;
	}
	SSL_set_app_data(ssl, NULL);
	SSL_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
	r->ssl = ssl;
	r->feed = feed;
	return r;
}

int records_seal(struct records *r, const uint8_t *data, size_t len, struct buf *out)
{
	int result = ERR_CRYPTO;

	assert(len > 0 && len <= RECORDS_PLAIN_MAX);
	pthread_mutex_lock(&r->lock);
	ERR_clear_error();
	if (!r->broken)
		result = seal(r, data, len, out);
	if (result == 0)
		count(&r->sealed, len);
	else if (result == ERR_CRYPTO)
		r->broken = true;
	ERR_clear_error();
	pthread_mutex_unlock(&r->lock);
	return result;
}

int records_open(struct records *r, const uint8_t *in, size_t len, struct buf *plain, struct buf *reply)
{
	int result;

	pthread_mutex_lock(&r->lock);
	ERR_clear_error();
	if (!r->lost)
		r->lost = open_all(r, in, len, plain);
	/* Nothing is sealed any more that could bring the alert along. */
	r->broken = r->broken || (r->lost && r->lost != ERR_EOF);
	if (r->broken && hand_over_answers(r, reply) < 0)
		r->lost = ERR_NOMEM;
	result = r->lost;
	ERR_clear_error();
	pthread_mutex_unlock(&r->lock);
	return result;
}

void records_close(struct records *r, struct buf *out)
{
	pthread_mutex_lock(&r->lock);
	ERR_clear_error();
	if (!r->broken && hand_over_answers(r, out) == 0) {
		feed_begin(r->feed, NULL, 0, out);
		SSL_shutdown(r->ssl);
		feed_begin(r->feed, NULL, 0, NULL);
	}
	r->broken = true;
	ERR_clear_error();
	pthread_mutex_unlock(&r->lock);
}

int records_alert(const struct records *r)
{
	return r->feed->alert_received;
}

void records_sealed(const struct records *r, uint64_t *records, uint64_t *bytes)
{
	read_counts(&r->sealed, records, bytes);
}

void records_opened(const struct records *r, uint64_t *records, uint64_t *bytes)
{
	read_counts(&r->opened, records, bytes);
}

void records_free(struct records *r)
{
	if (!r)
		return;
	SSL_free(r->ssl);
	buf_fini(&r->answers);
	pthread_mutex_destroy(&r->lock);
	free(r);
}
