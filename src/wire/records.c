/* SPDX-License-Identifier: Apache-2.0 */
/* Record protection of one TLS connection. */
#include "wire/records.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "crypto/tls.h"
#include "wire/post_handshake.h"
#include "wire/tls_record.h"

static_assert((int)RECORDS_PLAIN_MAX == (int)TLS_RECORD_CONTENT_MAX, "one of ours is one of the protocol's");
static_assert((int)RECORDS_OVERHEAD == (int)TLS_RECORD_OVERHEAD, "likewise");

/* What the peer must hear of us next. Opening sets it, sealing does it. An alert is itself: none of them is 0 here. */
enum { OWED_NOTHING = 0, OWED_KEY_UPDATE = -1, OWED_SILENCE = -2 };

enum { CACHE_LINE = 64 };
enum { ALERT_LEN = 2, ALERT_WARNING = 1, ALERT_FATAL = 2 };

static const uint8_t key_update[] = { 24, 0, 0, 1, 0 }; /* update_not_requested: RFC 8446 4.6.3 */

/* Written by one thread, read by all. */
struct counts {
	_Atomic uint64_t records, bytes;
};

struct view {
	const uint8_t *at;
	size_t len;
};

struct records {
	/* sealing */
	struct tls_direction tx;
	bool closed;
	struct counts sealed;

	_Atomic int owed;

	/* opening; on lines of its own, for two cores are at work */
	_Alignas(CACHE_LINE) struct tls_direction rx;
	struct post_handshake post;
	struct buf kept; /* the beginning of a record; at first whatever came behind the handshake */
	unsigned quiet;  /* records without data in the present call */
	int lost;        /* enum err once opening has ended, ERR_EOF included */
	int alert, refusal;
	struct counts opened;
};

static void add(_Atomic uint64_t *n, uint64_t more)
{
	atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + more, memory_order_relaxed);
}

static void count(struct counts *c, size_t bytes)
{
	add(&c->records, 1);
	add(&c->bytes, bytes);
}

static void read_counts(const struct counts *c, uint64_t *records, uint64_t *bytes)
{
	*records = atomic_load_explicit(&c->records, memory_order_relaxed);
	*bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed);
}

/* Into room that is there. */
static void put_record(struct records *r, enum tls_content type, const uint8_t *data, size_t len, struct buf *out)
{
	tls_record_seal(&r->tx, type, data, len, buf_data(out) + buf_len(out));
	buf_grow(out, len + TLS_RECORD_OVERHEAD);
	count(&r->sealed, len);
}

/* A request that comes meanwhile is answered with the next record: what we send now may be older than it. */
static int update_keys(struct records *r, struct buf *out)
{
	int asked = OWED_KEY_UPDATE;

	atomic_compare_exchange_strong(&r->owed, &asked, OWED_NOTHING);
	put_record(r, TLS_HANDSHAKE, key_update, sizeof(key_update), out);
	if (tls_direction_next(&r->tx) == 0)
		return 0;
	r->closed = true;
	return ERR_CRYPTO;
}

/* Brings what is kept up to @need bytes, as far as the input goes. */
static int top_up(struct records *r, struct view *in, size_t need)
{
	size_t had = buf_len(&r->kept), n = had < need ? need - had : 0;

	if (n > in->len)
		n = in->len;
	if (!n)
		return 0;
	if (buf_append(&r->kept, in->at, n) < 0)
		return TLS_ALERT_INTERNAL_ERROR;
	in->at += n;
	in->len -= n;
	return 0;
}

/*
 * The next record: at the front of the input, or of what is kept when a part came earlier. Returns 0 when it is whole,
 * ERR_SHORT, or the alert with which to refuse it.
 */
static int find_record(struct records *r, struct view *in, struct view *record)
{
	bool kept = buf_len(&r->kept) > 0;
	size_t len;
	int alert;

	if (kept && (alert = top_up(r, in, TLS_RECORD_HEADER_LEN)))
		return alert;
	*record = kept ? (struct view){ buf_data(&r->kept), buf_len(&r->kept) } : *in;
	if (record->len < TLS_RECORD_HEADER_LEN)
		return ERR_SHORT;
	if ((alert = tls_record_len(record->at, &len)))
		return alert;
	if (kept) {
		if ((alert = top_up(r, in, len)))
			return alert;
		*record = (struct view){ buf_data(&r->kept), buf_len(&r->kept) };
	}
	if (record->len < len)
		return ERR_SHORT;
	record->len = len;
	return 0;
}

static void consume(struct records *r, struct view *in, size_t len)
{
	if (buf_len(&r->kept)) {
		buf_consume(&r->kept, len);
		return;
	}
	in->at += len;
	in->len -= len;
}

/* RFC 8446 6: all end the connection, whatever level they claim, but for one that announces close_notify. */
static int take_alert(struct records *r, const uint8_t *content, size_t len)
{
	if (len != ALERT_LEN)
		return TLS_ALERT_DECODE_ERROR;
	if (content[1] == TLS_ALERT_CLOSE_NOTIFY) {
		r->lost = ERR_EOF;
	} else if (content[1] != TLS_ALERT_USER_CANCELED) {
		r->alert = content[1];
		r->lost = ERR_PROTO;
		atomic_store(&r->owed, OWED_SILENCE);
	}
	return 0;
}

static int take_handshake(struct records *r, const uint8_t *content, size_t len)
{
	enum post_handshake_event event;
	int alert = post_handshake_take(&r->post, content, len, &event);

	if (alert || event == POST_HANDSHAKE_NOTHING)
		return alert;
	if (tls_direction_next(&r->rx) < 0)
		return TLS_ALERT_INTERNAL_ERROR;
	if (event == POST_HANDSHAKE_KEY_UPDATE_REQUESTED)
		atomic_store(&r->owed, OWED_KEY_UPDATE);
	return 0;
}

static int take_content(struct records *r, uint8_t type, const uint8_t *content, size_t len)
{
	if (type == TLS_HANDSHAKE)
		return take_handshake(r, content, len);
	if (post_handshake_amid(&r->post))
		return TLS_ALERT_UNEXPECTED_MESSAGE;
	if (type == TLS_ALERT)
		return take_alert(r, content, len);
	return type == TLS_APPLICATION_DATA ? 0 : TLS_ALERT_UNEXPECTED_MESSAGE;
}

/* Every record is opened where plaintext goes; only data stays there. */
static int open_record(struct records *r, const struct view *record, struct buf *plain)
{
	size_t len, data;
	uint8_t *room, type;
	int alert;

	if (buf_reserve(plain, record->len, &room) < 0)
		return TLS_ALERT_INTERNAL_ERROR;
	if ((alert = tls_record_open(&r->rx, record->at, record->len, room, &type, &len)) ||
	    (alert = take_content(r, type, room, len)))
		return alert;
	data = type == TLS_APPLICATION_DATA ? len : 0;
	buf_grow(plain, data);
	count(&r->opened, len);
	if (!data && ++r->quiet > RECORDS_QUIET_MAX)
		return TLS_ALERT_UNEXPECTED_MESSAGE;
	return 0;
}

static int open_next(struct records *r, struct view *in, struct buf *plain)
{
	struct view record;
	int result = find_record(r, in, &record);

	if (result == ERR_SHORT)
		return top_up(r, in, buf_len(&r->kept) + in->len) ? TLS_ALERT_INTERNAL_ERROR : ERR_SHORT;
	if (result == 0 && (result = open_record(r, &record, plain)) == 0)
		consume(r, in, record.len);
	return result;
}

static int code_of(int alert)
{
	switch (alert) {
	case TLS_ALERT_BAD_RECORD_MAC:
		return ERR_CRYPTO;
	case TLS_ALERT_INTERNAL_ERROR:
		return ERR_NOMEM;
	default:
		return ERR_PROTO;
	}
}

static void refuse(struct records *r, int alert)
{
	r->refusal = alert;
	r->lost = code_of(alert);
	atomic_store(&r->owed, alert);
}

struct records *records_new_take(struct tls_traffic *traffic)
{
	struct records *r = aligned_alloc(CACHE_LINE, sizeof(*r));

	if (r) {
		memset(r, 0, sizeof(*r));
		r->alert = r->refusal = -1;
		r->post.tickets = traffic->peer_is_server;
		r->kept = traffic->unread;
		traffic->unread = (struct buf)BUF_INIT;
		if (tls_direction_init(&r->tx, traffic->cipher, traffic->tx_secret, traffic->tx_sequence) < 0 ||
		    tls_direction_init(&r->rx, traffic->cipher, traffic->rx_secret, traffic->rx_sequence) < 0) {
			records_free(r);
			r = NULL;
		}
	}
	tls_traffic_fini(traffic);
	return r;
}

int records_take(struct tls *t, struct records **out)
{
	struct tls_traffic traffic;
	struct records *r;
	int result = tls_take_traffic(t, &traffic);

	if (result < 0)
		return result;
	if (!(r = records_new_take(&traffic)))
		return ERR_NOMEM;
	*out = r;
	return 0;
}

int records_seal(struct records *r, const uint8_t *data, size_t len, struct buf *out)
{
	int owed = atomic_load_explicit(&r->owed, memory_order_relaxed), result;
	uint8_t *room;

	assert(len > 0 && len <= RECORDS_PLAIN_MAX);
	if (r->closed || (owed != OWED_NOTHING && owed != OWED_KEY_UPDATE))
		return ERR_CRYPTO;
	/* Room first: a record that is sealed but finds none would leave a hole in the numbers. */
	if ((result = buf_reserve(out, sizeof(key_update) + RECORDS_OVERHEAD + len + RECORDS_OVERHEAD, &room)) < 0)
		return result;
	/* The key's last number is the KeyUpdate's. */
	if ((owed == OWED_KEY_UPDATE || r->tx.sequence >= TLS_RECORD_KEY_MAX - 1) && (result = update_keys(r, out)) < 0)
		return result;
	put_record(r, TLS_APPLICATION_DATA, data, len, out);
	return 0;
}

int records_open(struct records *r, const uint8_t *in, size_t len, struct buf *plain)
{
	struct view input = { in, len };
	int result = 0;

	r->quiet = 0;
	while (!r->lost && result == 0)
		result = open_next(r, &input, plain);
	if (result > 0)
		refuse(r, result);
	if (!buf_len(&r->kept))
		buf_fini(&r->kept);
	return r->lost;
}

int records_alert(const struct records *r)
{
	return r->alert;
}

int records_refusal(const struct records *r)
{
	return r->refusal;
}

void records_close(struct records *r, struct buf *out)
{
	int owed = atomic_load_explicit(&r->owed, memory_order_relaxed);
	uint8_t alert[ALERT_LEN] = { ALERT_WARNING, TLS_ALERT_CLOSE_NOTIFY }, *room;

	if (owed > 0) {
		alert[0] = ALERT_FATAL;
		alert[1] = (uint8_t)owed;
	}
	if (!r->closed && owed != OWED_SILENCE && buf_reserve(out, ALERT_LEN + RECORDS_OVERHEAD, &room) == 0)
		put_record(r, TLS_ALERT, alert, ALERT_LEN, out);
	r->closed = true;
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
	tls_direction_fini(&r->tx);
	tls_direction_fini(&r->rx);
	buf_fini(&r->kept);
	free(r);
}
