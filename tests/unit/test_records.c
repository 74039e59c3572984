/* SPDX-License-Identifier: Apache-2.0 */
/* Records between two of ours, and against libssl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include <openssl/err.h>

#include "base/err.h"
#include "crypto/aead.h"
#include "crypto/memory.h"
#include "testtls.h"
#include "wire/records.h"
#include "wire/tls_record.h"

enum { RECORD_HEADER = 5, THREAD_ROUNDS = 2000 };

static const struct testpki_cert *root, *gateway, *alice;

struct ends {
	struct records *server, *client;
	struct buf wire, plain;
};

static struct tls_settings server_settings(void)
{
	return testtls_server_settings(root, gateway);
}

static struct tls_settings client_settings(void)
{
	return testtls_client_settings(root, alice);
}

static struct ends open_ends(void)
{
	struct testtls_pair p = testtls_pair(server_settings(), client_settings());
	struct ends e = { 0 };

	assert_int_equal(p.server_step, TLS_DONE);
	assert_int_equal(records_take(p.server, &e.server), 0);
	assert_int_equal(records_take(p.client, &e.client), 0);
	testtls_pair_fini(&p);
	return e;
}

static void close_ends(struct ends *e)
{
	records_free(e->server);
	records_free(e->client);
	buf_fini(&e->wire);
	buf_fini(&e->plain);
}

static int open_wire(struct ends *e, struct records *by)
{
	int r = records_open(by, buf_data(&e->wire), buf_len(&e->wire), &e->plain);

	buf_consume(&e->wire, buf_len(&e->wire));
	return r;
}

static void assert_text(struct buf *plain, const char *text)
{
	assert_int_equal(buf_len(plain), strlen(text));
	assert_memory_equal(buf_data(plain), text, strlen(text));
	buf_consume(plain, buf_len(plain));
}

static int seal_text(struct records *r, const char *text, struct buf *wire)
{
	return records_seal(r, (const uint8_t *)text, strlen(text), wire);
}

static void assert_one_record(const struct buf *wire, size_t plain_len)
{
	const uint8_t *header = buf_data(wire);

	assert_int_equal(buf_len(wire), plain_len + RECORDS_OVERHEAD);
	assert_int_equal(header[0], 23);
	assert_int_equal((header[3] << 8 | header[4]) + RECORD_HEADER, buf_len(wire));
}

static void every_length_is_one_record_and_comes_back(void **state)
{
	static uint8_t data[RECORDS_PLAIN_MAX];
	struct ends e = open_ends();

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 31);
	for (size_t len = 1; len <= sizeof(data); len += len < 1500 ? 1 : 487) {
		assert_int_equal(records_seal(e.client, data, len, &e.wire), 0);
		assert_one_record(&e.wire, len);
		assert_int_equal(open_wire(&e, e.server), 0);
		assert_int_equal(buf_len(&e.plain), len);
		assert_memory_equal(buf_data(&e.plain), data, len);
		buf_consume(&e.plain, len);
	}
	assert_int_equal(records_seal(e.server, data, sizeof(data), &e.wire), 0);
	assert_one_record(&e.wire, sizeof(data));
	assert_int_equal(open_wire(&e, e.client), 0);
	assert_int_equal(buf_len(&e.plain), sizeof(data));
	close_ends(&e);
}

static void many_records_in_one_read_come_back_in_order(void **state)
{
	struct ends e = open_ends();

	(void)state;
	assert_int_equal(seal_text(e.client, "one ", &e.wire), 0);
	assert_int_equal(seal_text(e.client, "two ", &e.wire), 0);
	assert_int_equal(seal_text(e.client, "three", &e.wire), 0);
	assert_int_equal(open_wire(&e, e.server), 0);
	assert_text(&e.plain, "one two three");
	close_ends(&e);
}

static void records_open_one_byte_at_a_time(void **state)
{
	struct ends e = open_ends();

	(void)state;
	assert_int_equal(seal_text(e.client, "hello", &e.wire), 0);
	while (buf_len(&e.wire)) {
		assert_int_equal(buf_len(&e.plain), 0);
		assert_int_equal(records_open(e.server, buf_data(&e.wire), 1, &e.plain), 0);
		buf_consume(&e.wire, 1);
	}
	assert_text(&e.plain, "hello");
	close_ends(&e);
}

static void counts_follow_both_directions(void **state)
{
	struct ends e = open_ends();
	uint64_t records, bytes;

	(void)state;
	seal_text(e.client, "12345", &e.wire);
	seal_text(e.client, "678", &e.wire);
	assert_int_equal(open_wire(&e, e.server), 0);
	records_sealed(e.client, &records, &bytes);
	assert_int_equal(records, 2);
	assert_int_equal(bytes, 8);
	records_opened(e.server, &records, &bytes);
	assert_int_equal(records, 2);
	assert_int_equal(bytes, 8);
	records_sealed(e.server, &records, &bytes);
	assert_int_equal(records, 0);
	close_ends(&e);
}

static void changed_record_ends_the_connection(void **state)
{
	(void)state;
	for (size_t at = RECORD_HEADER; at < 5 + RECORDS_OVERHEAD; at++) {
		struct ends e = open_ends();

		seal_text(e.client, "hello", &e.wire);
		buf_data(&e.wire)[at] ^= 1;
		assert_int_equal(open_wire(&e, e.server), ERR_CRYPTO);
		assert_int_equal(records_refusal(e.server), TLS_ALERT_BAD_RECORD_MAC);
		assert_int_equal(buf_len(&e.plain), 0);
		seal_text(e.client, "later", &e.wire);
		assert_int_equal(open_wire(&e, e.server), ERR_CRYPTO);
		assert_int_equal(seal_text(e.server, "hello", &e.wire), ERR_CRYPTO);
		close_ends(&e);
	}
}

static void replayed_or_missing_record_ends_the_connection(void **state)
{
	struct ends e = open_ends(), f = open_ends();
	size_t first;

	(void)state;
	seal_text(e.client, "hello", &e.wire);
	assert_int_equal(records_open(e.server, buf_data(&e.wire), buf_len(&e.wire), &e.plain), 0);
	assert_int_equal(open_wire(&e, e.server), ERR_CRYPTO);
	seal_text(f.client, "one", &f.wire);
	first = buf_len(&f.wire);
	seal_text(f.client, "two", &f.wire);
	buf_consume(&f.wire, first);
	assert_int_equal(open_wire(&f, f.server), ERR_CRYPTO);
	close_ends(&e);
	close_ends(&f);
}

static void plain_bytes_end_the_connection(void **state)
{
	struct ends e = open_ends();

	(void)state;
	buf_printf(&e.wire, "GET / HTTP/1.1\r\n\r\n");
	assert_true(open_wire(&e, e.server) < 0);
	assert_int_equal(buf_len(&e.plain), 0);
	assert_int_equal(records_alert(e.server), -1);
	close_ends(&e);
}

static void close_notify_comes_after_what_was_sent(void **state)
{
	struct ends e = open_ends();

	(void)state;
	seal_text(e.client, "last", &e.wire);
	records_close(e.client, &e.wire);
	assert_int_equal(seal_text(e.client, "more", &e.wire), ERR_CRYPTO);
	assert_int_equal(open_wire(&e, e.server), ERR_EOF);
	assert_text(&e.plain, "last");
	assert_int_equal(records_alert(e.server), -1);
	assert_int_equal(seal_text(e.server, "answer", &e.wire), 0);
	assert_int_equal(open_wire(&e, e.client), 0);
	assert_text(&e.plain, "answer");
	assert_int_equal(open_wire(&e, e.server), ERR_EOF);
	close_ends(&e);
}

static void bytes_behind_the_handshake_are_opened(void **state)
{
	struct testtls_pair p = { .server = testtls_begin(server_settings()),
				  .client = testtls_begin(client_settings()) };
	struct ends e = { 0 };

	(void)state;
	tls_handshake(p.client, NULL, 0, &p.to_server);
	testtls_deliver(p.server, &p.to_server, 16384, &p.to_client);
	assert_int_equal(testtls_deliver(p.client, &p.to_client, 16384, &p.to_server), TLS_DONE);
	assert_int_equal(records_take(p.client, &e.client), 0);
	seal_text(e.client, "early", &p.to_server);
	seal_text(e.client, "bird", &p.to_server);
	assert_int_equal(tls_handshake(p.server, buf_data(&p.to_server), buf_len(&p.to_server) - 3, &p.to_client),
			 TLS_DONE);
	buf_consume(&p.to_server, buf_len(&p.to_server) - 3);
	assert_int_equal(records_take(p.server, &e.server), 0);
	assert_int_equal(open_wire(&e, e.server), 0);
	assert_text(&e.plain, "early");
	buf_append(&e.wire, buf_data(&p.to_server), 3);
	assert_int_equal(open_wire(&e, e.server), 0);
	assert_text(&e.plain, "bird");
	testtls_pair_fini(&p);
	close_ends(&e);
}

/* One of ours, finished, against libssl's end in the other role. */
static struct records *open_with_suite(struct testtls_raw *raw, bool raw_is_server, const char *suite)
{
	struct tls *ours = testtls_begin(raw_is_server ? client_settings() : server_settings());
	struct records *r;

	*raw = testtls_raw(raw_is_server, raw_is_server ? gateway : alice);
	if (suite)
		assert_int_equal(SSL_CTX_set_ciphersuites(raw->ctx, suite), 1);
	testtls_raw_begin(raw);
	assert_int_equal(testtls_raw_shake(raw, ours), TLS_DONE);
	assert_int_equal(records_take(ours, &r), 0);
	tls_free(ours);
	return r;
}

static struct records *open_against(struct testtls_raw *raw, bool raw_is_server)
{
	return open_with_suite(raw, raw_is_server, NULL);
}

static void assert_raw_reads(struct testtls_raw *raw, struct buf *wire, const char *text)
{
	char got[64];

	testtls_raw_feed(raw, wire);
	assert_int_equal(SSL_read(raw->ssl, got, sizeof(got)), strlen(text));
	assert_memory_equal(got, text, strlen(text));
}

static void raw_writes(struct testtls_raw *raw, const char *text, struct buf *wire)
{
	assert_int_equal(SSL_write(raw->ssl, text, (int)strlen(text)), strlen(text));
	testtls_raw_collect(raw, wire);
}

static void run_key_update(bool raw_is_server, int kind)
{
	struct testtls_raw raw;
	struct ends e = { .server = open_against(&raw, raw_is_server) };
	size_t answer = kind == SSL_KEY_UPDATE_REQUESTED ? 5 + RECORDS_OVERHEAD : 0;

	for (int round = 0; round < 3; round++) {
		assert_int_equal(SSL_key_update(raw.ssl, kind), 1);
		raw_writes(&raw, "new keys", &e.wire);
		assert_int_equal(open_wire(&e, e.server), 0);
		assert_text(&e.plain, "new keys");
		assert_int_equal(seal_text(e.server, "understood", &e.wire), 0);
		assert_int_equal(buf_len(&e.wire), answer + strlen("understood") + RECORDS_OVERHEAD);
		assert_raw_reads(&raw, &e.wire, "understood");
	}
	testtls_raw_fini(&raw);
	close_ends(&e);
}

static void key_update_is_followed(void **state)
{
	(void)state;
	run_key_update(false, SSL_KEY_UPDATE_NOT_REQUESTED);
	run_key_update(true, SSL_KEY_UPDATE_NOT_REQUESTED);
}

static void key_update_is_answered_with_the_next_record(void **state)
{
	(void)state;
	run_key_update(false, SSL_KEY_UPDATE_REQUESTED);
	run_key_update(true, SSL_KEY_UPDATE_REQUESTED);
}

static int flood(struct testtls_raw *raw, struct ends *e, int updates)
{
	for (int i = 0; i < updates; i++) {
		assert_int_equal(SSL_key_update(raw->ssl, SSL_KEY_UPDATE_REQUESTED), 1);
		SSL_do_handshake(raw->ssl);
	}
	raw_writes(raw, "x", &e->wire);
	return open_wire(e, e->server);
}

static void flood_of_key_updates_in_one_read_ends_the_connection(void **state)
{
	struct testtls_raw few_raw, many_raw;
	struct ends few = { .server = open_against(&few_raw, false) };
	struct ends many = { .server = open_against(&many_raw, false) };

	(void)state;
	assert_int_equal(flood(&few_raw, &few, 20), 0);
	assert_text(&few.plain, "x");
	assert_int_equal(flood(&many_raw, &many, 100), ERR_PROTO);
	testtls_raw_fini(&few_raw);
	testtls_raw_fini(&many_raw);
	close_ends(&few);
	close_ends(&many);
}

static void answers_to_many_key_updates_keep_their_order(void **state)
{
	struct testtls_raw raw;
	struct ends e = { .server = open_against(&raw, false) };

	(void)state;
	for (int i = 0; i < 30; i++)
		assert_int_equal(flood(&raw, &e, 1), 0);
	assert_int_equal(seal_text(e.server, "one", &e.wire), 0);
	assert_int_equal(seal_text(e.server, "two", &e.wire), 0);
	assert_raw_reads(&raw, &e.wire, "one");
	assert_raw_reads(&raw, &e.wire, "two");
	testtls_raw_fini(&raw);
	close_ends(&e);
}

static void many_key_updates_have_one_answer(void **state)
{
	struct testtls_raw raw;
	struct ends e = { .server = open_against(&raw, false) };

	(void)state;
	for (int i = 0; i < 200; i++)
		assert_int_equal(flood(&raw, &e, 1), 0);
	assert_int_equal(seal_text(e.server, "one", &e.wire), 0);
	assert_int_equal(buf_len(&e.wire), 5 + RECORDS_OVERHEAD + strlen("one") + RECORDS_OVERHEAD);
	assert_raw_reads(&raw, &e.wire, "one");
	testtls_raw_fini(&raw);
	close_ends(&e);
}

static void tickets_of_a_gateway_are_read_past(void **state)
{
	struct testtls_raw raw;
	struct ends e = { .client = open_against(&raw, true) };

	(void)state;
	raw_writes(&raw, "hello", &e.wire);
	assert_int_equal(open_wire(&e, e.client), 0);
	assert_text(&e.plain, "hello");
	assert_int_equal(seal_text(e.client, "hello", &e.wire), 0);
	assert_raw_reads(&raw, &e.wire, "hello");
	testtls_raw_fini(&raw);
	close_ends(&e);
}

/* ---- libssl as the reference, with every suite and backend ---- */

static void check_against_libssl(struct records *ours, struct testtls_raw *raw, struct ends *e, size_t len)
{
	static uint8_t data[RECORDS_PLAIN_MAX], got[RECORDS_PLAIN_MAX];

	for (size_t i = 0; i < len; i++)
		data[i] = (uint8_t)(i * 29 + len);
	assert_int_equal(records_seal(ours, data, len, &e->wire), 0);
	testtls_raw_feed(raw, &e->wire);
	assert_int_equal(SSL_read(raw->ssl, got, sizeof(got)), len);
	assert_memory_equal(got, data, len);
	assert_int_equal(SSL_write(raw->ssl, data, (int)len), len);
	testtls_raw_collect(raw, &e->wire);
	assert_int_equal(open_wire(e, ours), 0);
	assert_int_equal(buf_len(&e->plain), len);
	assert_memory_equal(buf_data(&e->plain), data, len);
	buf_consume(&e->plain, len);
}

static void check_suite(const char *suite, bool raw_is_server, size_t step)
{
	struct testtls_raw raw;
	struct ends e = { .server = open_with_suite(&raw, raw_is_server, suite) };

	assert_string_equal(SSL_get_cipher_name(raw.ssl), suite);
	for (size_t len = 1; len <= RECORDS_PLAIN_MAX; len += len < 70 ? 1 : step)
		check_against_libssl(e.server, &raw, &e, len);
	for (size_t len = RECORDS_PLAIN_MAX - 20; len <= RECORDS_PLAIN_MAX; len++)
		check_against_libssl(e.server, &raw, &e, len);
	testtls_raw_fini(&raw);
	close_ends(&e);
}

static void libssl_and_each_backend_understand_each_other(void **state)
{
	static const enum aead_choice choices[] = { AEAD_EVP, AEAD_AUTO };

	(void)state;
	for (int i = 0; i < 4; i++) {
		assert_int_equal(aead_choose(choices[i / 2]), 0);
		check_suite("TLS_AES_128_GCM_SHA256", i % 2, 37);
		check_suite("TLS_AES_256_GCM_SHA384", i % 2, 211);
		check_suite("TLS_CHACHA20_POLY1305_SHA256", i % 2, 211);
	}
}

static void run_key_updates_of_suite(const char *suite, int kind)
{
	struct testtls_raw raw;
	struct ends e = { .server = open_with_suite(&raw, false, suite) };

	for (int round = 0; round < 3; round++) {
		assert_int_equal(SSL_key_update(raw.ssl, kind), 1);
		check_against_libssl(e.server, &raw, &e, 100);
		check_against_libssl(e.server, &raw, &e, 1000);
	}
	testtls_raw_fini(&raw);
	close_ends(&e);
}

static void key_updates_go_on_in_every_suite(void **state)
{
	static const char *const suites[] = { "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
					      "TLS_CHACHA20_POLY1305_SHA256" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		run_key_updates_of_suite(suites[i], SSL_KEY_UPDATE_REQUESTED);
		run_key_updates_of_suite(suites[i], SSL_KEY_UPDATE_NOT_REQUESTED);
	}
}

static void libssl_understands_our_alert(void **state)
{
	struct testtls_raw raw;
	struct ends e = { .server = open_against(&raw, false) };
	char got[8];

	(void)state;
	buf_printf(&e.wire, "GET / HTTP/1.1");
	assert_int_equal(open_wire(&e, e.server), ERR_PROTO);
	records_close(e.server, &e.wire);
	testtls_raw_feed(&raw, &e.wire);
	assert_true(SSL_read(raw.ssl, got, sizeof(got)) <= 0);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_UNEXPECTED_MESSAGE);
	testtls_raw_fini(&raw);
	close_ends(&e);
}

static void libssl_understands_our_close_notify(void **state)
{
	struct testtls_raw raw;
	struct ends e = { .server = open_against(&raw, false) };
	char got[8];

	(void)state;
	assert_int_equal(seal_text(e.server, "last", &e.wire), 0);
	records_close(e.server, &e.wire);
	assert_raw_reads(&raw, &e.wire, "last");
	assert_int_equal(SSL_read(raw.ssl, got, sizeof(got)), 0);
	assert_int_equal(SSL_get_shutdown(raw.ssl), SSL_RECEIVED_SHUTDOWN);
	testtls_raw_fini(&raw);
	close_ends(&e);
}

/* ---- a peer that seals whatever the test wants ---- */

struct forger {
	struct records *r;           /* ours, a server or a client */
	struct tls_direction tx, rx; /* the peer's */
	struct buf wire, plain;
};

static const uint8_t forged_secrets[2][SCHEDULE_SECRET_MAX] = { { 1, 2 }, { 3, 4 } };

static struct forger forge(bool against_client, uint64_t tx_sequence)
{
	struct tls_traffic traffic = { .cipher = AEAD_AES_128_GCM,
				       .peer_is_server = against_client,
				       .tx_sequence = tx_sequence };
	struct forger f = { 0 };

	memcpy(traffic.tx_secret, forged_secrets[0], SCHEDULE_SECRET_MAX);
	memcpy(traffic.rx_secret, forged_secrets[1], SCHEDULE_SECRET_MAX);
	f.r = records_new_take(&traffic);
	assert_non_null(f.r);
	assert_int_equal(tls_direction_init(&f.rx, AEAD_AES_128_GCM, forged_secrets[0], tx_sequence), 0);
	assert_int_equal(tls_direction_init(&f.tx, AEAD_AES_128_GCM, forged_secrets[1], 0), 0);
	return f;
}

static void forger_fini(struct forger *f)
{
	records_free(f->r);
	tls_direction_fini(&f->tx);
	tls_direction_fini(&f->rx);
	buf_fini(&f->wire);
	buf_fini(&f->plain);
}

static void forge_record(struct forger *f, uint8_t type, const void *content, size_t len)
{
	uint8_t *room;

	assert_int_equal(buf_reserve(&f->wire, len + RECORDS_OVERHEAD, &room), 0);
	tls_record_seal(&f->tx, (enum tls_content)type, content, len, room);
	buf_grow(&f->wire, len + RECORDS_OVERHEAD);
}

static int open_forged(struct forger *f)
{
	int r = records_open(f->r, buf_data(&f->wire), buf_len(&f->wire), &f->plain);

	buf_consume(&f->wire, buf_len(&f->wire));
	return r;
}

/* The peer reads the next of our records. */
static size_t read_sealed(struct forger *f, struct buf *sealed, uint8_t *type, uint8_t *content)
{
	size_t len, got;

	assert_true(buf_len(sealed) >= TLS_RECORD_HEADER_LEN);
	assert_int_equal(tls_record_len(buf_data(sealed), &len), 0);
	assert_int_equal(tls_record_open(&f->rx, buf_data(sealed), len, content, type, &got), 0);
	buf_consume(sealed, len);
	return got;
}

static void assert_alert_is_sealed(struct forger *f, int level, int alert)
{
	struct buf sealed = BUF_INIT;
	uint8_t type, content[64];

	records_close(f->r, &sealed);
	assert_int_equal(read_sealed(f, &sealed, &type, content), 2);
	assert_int_equal(type, TLS_ALERT);
	assert_int_equal(content[0], level);
	assert_int_equal(content[1], alert);
	assert_int_equal(buf_len(&sealed), 0);
	records_close(f->r, &sealed);
	assert_int_equal(buf_len(&sealed), 0);
	buf_fini(&sealed);
}

static void assert_refused(struct forger *f, int alert)
{
	assert_int_equal(open_forged(f), ERR_PROTO);
	assert_int_equal(records_refusal(f->r), alert);
	assert_int_equal(records_alert(f->r), -1);
	assert_int_equal(seal_text(f->r, "x", &f->wire), ERR_CRYPTO);
	assert_int_equal(open_forged(f), ERR_PROTO);
	assert_alert_is_sealed(f, 2, alert);
	forger_fini(f);
}

static void what_nobody_may_send_is_refused(void **state)
{
	static const struct {
		uint8_t type;
		uint8_t content[8];
		size_t len;
		int alert;
	} rows[] = {
		{ 20, { 1 }, 1, TLS_ALERT_UNEXPECTED_MESSAGE },
		{ 24, { 1 }, 1, TLS_ALERT_UNEXPECTED_MESSAGE },
		{ 255, { 1 }, 1, TLS_ALERT_UNEXPECTED_MESSAGE },
		{ 22, { 0 }, 0, TLS_ALERT_UNEXPECTED_MESSAGE },
		{ 22, { 13, 0, 0, 1, 0 }, 5, TLS_ALERT_UNEXPECTED_MESSAGE }, /* certificate request */
		{ 22, { 1, 0, 0, 1, 0 }, 5, TLS_ALERT_UNEXPECTED_MESSAGE },  /* ClientHello: renegotiation */
		{ 22, { 4, 0, 0, 1, 0 }, 5, TLS_ALERT_UNEXPECTED_MESSAGE },  /* a client's ticket */
		{ 22, { 24, 0, 0, 1, 2 }, 5, TLS_ALERT_ILLEGAL_PARAMETER },
		{ 22, { 24, 0, 0, 1, 0, 24 }, 6, TLS_ALERT_UNEXPECTED_MESSAGE },
		{ 21, { 1 }, 1, TLS_ALERT_DECODE_ERROR },
		{ 21, { 1, 0, 1 }, 3, TLS_ALERT_DECODE_ERROR },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct forger f = forge(false, 0);

		forge_record(&f, 23, "before", 6);
		forge_record(&f, rows[i].type, rows[i].content, rows[i].len);
		forge_record(&f, 23, "behind", 6);
		assert_int_equal(open_forged(&f), ERR_PROTO);
		assert_text(&f.plain, "before");
		assert_refused(&f, rows[i].alert);
	}
}

static void other_records_amid_a_message_are_refused(void **state)
{
	static const uint8_t types[] = { 21, 23 };

	(void)state;
	for (size_t i = 0; i < sizeof(types); i++) {
		struct forger f = forge(false, 0);

		forge_record(&f, 22, "\x18\0\0", 3);
		forge_record(&f, types[i], "\1\0", 2);
		assert_refused(&f, TLS_ALERT_UNEXPECTED_MESSAGE);
	}
}

static void too_long_a_record_is_refused_by_its_header(void **state)
{
	struct forger f = forge(false, 0);

	(void)state;
	buf_append(&f.wire, "\x17\3\3\x40\x12", 5);
	assert_refused(&f, TLS_ALERT_RECORD_OVERFLOW);
}

static void tickets_are_for_clients(void **state)
{
	static uint8_t ticket[4 + 40000] = { 4, 0, 40000 >> 8, 40000 & 0xff };
	struct forger f = forge(true, 0);

	(void)state;
	forge_record(&f, 22, ticket, 16384);
	forge_record(&f, 22, ticket + 16384, 16384);
	forge_record(&f, 22, ticket + 32768, sizeof(ticket) - 32768);
	forge_record(&f, 23, "data", 4);
	assert_int_equal(open_forged(&f), 0);
	assert_text(&f.plain, "data");
	forger_fini(&f);
}

static void an_alert_of_the_peer_ends_all_in_silence(void **state)
{
	static const uint8_t levels[] = { 1, 2, 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(levels); i++) {
		const uint8_t alert[] = { levels[i], 42 };
		struct forger f = forge(true, 0);

		forge_record(&f, 23, "data", 4);
		forge_record(&f, 21, alert, 2);
		assert_int_equal(open_forged(&f), ERR_PROTO);
		assert_text(&f.plain, "data");
		assert_int_equal(records_alert(f.r), 42);
		assert_int_equal(records_refusal(f.r), -1);
		assert_int_equal(seal_text(f.r, "x", &f.wire), ERR_CRYPTO);
		records_close(f.r, &f.wire);
		assert_int_equal(buf_len(&f.wire), 0);
		forger_fini(&f);
	}
}

static void cancelling_announces_the_close(void **state)
{
	struct forger f = forge(true, 0);

	(void)state;
	forge_record(&f, 21, "\1\x5a", 2);
	assert_int_equal(open_forged(&f), 0);
	forge_record(&f, 21, "\1\0", 2);
	forge_record(&f, 23, "ignored", 7);
	assert_int_equal(open_forged(&f), ERR_EOF);
	assert_int_equal(buf_len(&f.plain), 0);
	assert_int_equal(seal_text(f.r, "x", &f.wire), 0);
	buf_consume(&f.wire, buf_len(&f.wire));
	f.rx.sequence++;
	assert_alert_is_sealed(&f, 1, 0);
	forger_fini(&f);
}

static void records_without_data_are_limited_in_a_call(void **state)
{
	struct forger few = forge(false, 0), many = forge(false, 0);

	(void)state;
	for (int call = 0; call < 3; call++) {
		for (int i = 0; i < RECORDS_QUIET_MAX; i++)
			forge_record(&few, 23, "", 0);
		forge_record(&few, 23, "data", 4);
		assert_int_equal(open_forged(&few), 0);
		assert_text(&few.plain, "data");
	}
	for (int i = 0; i < RECORDS_QUIET_MAX + 1; i++)
		forge_record(&many, 23, "", 0);
	assert_refused(&many, TLS_ALERT_UNEXPECTED_MESSAGE);
	forger_fini(&few);
}

static void a_cut_record_waits_for_its_rest(void **state)
{
	struct forger f = forge(false, 0);
	static uint8_t data[3000];
	size_t len;

	(void)state;
	for (size_t i = 0; i < 40; i++)
		forge_record(&f, 23, data, 1 + i * 70);
	len = buf_len(&f.wire);
	for (size_t part = 1; buf_len(&f.wire); part = part * 7 % 4001) {
		size_t n = part < buf_len(&f.wire) ? part : buf_len(&f.wire);

		assert_int_equal(records_open(f.r, buf_data(&f.wire), n, &f.plain), 0);
		buf_consume(&f.wire, n);
	}
	assert_int_equal(buf_len(&f.plain), len - 40 * RECORDS_OVERHEAD);
	forge_record(&f, 23, data, 100);
	assert_int_equal(records_open(f.r, buf_data(&f.wire), buf_len(&f.wire) - 1, &f.plain), 0);
	assert_int_equal(buf_len(&f.plain), len - 40 * RECORDS_OVERHEAD);
	forger_fini(&f);
}

static void long_plaintext_is_sealed_at_equal_strides(void **state)
{
	static uint8_t data[4 * RECORDS_PLAIN_MAX + 10], content[RECORDS_PLAIN_MAX + 1];
	struct forger f = forge(false, 0);
	uint8_t type;

	(void)state;
	assert_int_equal(records_seal_all(f.r, data, sizeof(data), &f.wire), 0);
	assert_int_equal(buf_len(&f.wire), sizeof(data) + 5 * RECORDS_OVERHEAD);
	for (int i = 0; i < 4; i++)
		assert_int_equal(read_sealed(&f, &f.wire, &type, content), RECORDS_PLAIN_MAX);
	assert_int_equal(read_sealed(&f, &f.wire, &type, content), 10);
	forger_fini(&f);
}

static void a_key_that_has_sealed_its_share_is_followed_by_another(void **state)
{
	struct forger f = forge(false, TLS_RECORD_KEY_MAX - 2);
	uint8_t type, content[64];
	uint64_t records, bytes;

	(void)state;
	assert_int_equal(seal_text(f.r, "last", &f.wire), 0);
	assert_int_equal(seal_text(f.r, "first", &f.wire), 0);
	assert_int_equal(seal_text(f.r, "second", &f.wire), 0);
	assert_int_equal(read_sealed(&f, &f.wire, &type, content), 4);
	assert_int_equal(type, TLS_APPLICATION_DATA);
	assert_int_equal(read_sealed(&f, &f.wire, &type, content), 5);
	assert_int_equal(type, TLS_HANDSHAKE);
	assert_memory_equal(content, "\x18\0\0\1\0", 5);
	assert_int_equal(f.rx.sequence, TLS_RECORD_KEY_MAX);
	assert_int_equal(tls_direction_next(&f.rx), 0);
	assert_int_equal(read_sealed(&f, &f.wire, &type, content), 5);
	assert_memory_equal(content, "first", 5);
	assert_int_equal(read_sealed(&f, &f.wire, &type, content), 6);
	records_sealed(f.r, &records, &bytes);
	assert_int_equal(records, 4);
	assert_int_equal(bytes, 4 + 5 + 5 + 6);
	forger_fini(&f);
}

static void the_alert_has_a_number_left(void **state)
{
	struct forger f = forge(false, TLS_RECORD_KEY_MAX - 2);
	uint8_t type, content[64];

	(void)state;
	assert_int_equal(seal_text(f.r, "last", &f.wire), 0);
	assert_int_equal(read_sealed(&f, &f.wire, &type, content), 4);
	assert_alert_is_sealed(&f, 1, 0);
	forger_fini(&f);
}

struct sealer {
	struct records *records;
	struct buf out;
	uint8_t mark;
};

static void *seal_many(void *arg)
{
	struct sealer *s = arg;

	for (int i = 0; i < THREAD_ROUNDS; i++)
		if (records_seal(s->records, &s->mark, 1, &s->out) < 0)
			return s;
	return NULL;
}

static void seal_and_open_run_in_two_threads(void **state)
{
	struct ends e = open_ends();
	struct sealer down = { .records = e.server, .mark = 'd' };
	struct buf back = BUF_INIT;
	pthread_t thread;
	void *failed;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, seal_many, &down), 0);
	for (int i = 0; i < THREAD_ROUNDS; i++) {
		assert_int_equal(seal_text(e.client, "up", &e.wire), 0);
		assert_int_equal(open_wire(&e, e.server), 0);
	}
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	assert_int_equal(buf_len(&e.plain), 2 * THREAD_ROUNDS);
	assert_int_equal(records_open(e.client, buf_data(&down.out), buf_len(&down.out), &back), 0);
	assert_int_equal(buf_len(&back), THREAD_ROUNDS);
	buf_fini(&down.out);
	buf_fini(&back);
	close_ends(&e);
}

/* What the thread has sealed, as the peer reads it. Returns the KeyUpdates among it. */
static unsigned follow_key_updates(struct forger *f, struct buf *sealed, unsigned *data)
{
	uint8_t type, content[64];
	unsigned updates = 0;

	while (buf_len(sealed)) {
		read_sealed(f, sealed, &type, content);
		if (type == TLS_HANDSHAKE) {
			assert_int_equal(tls_direction_next(&f->rx), 0);
			updates++;
		} else {
			++*data;
		}
	}
	return updates;
}

static void key_updates_are_answered_while_another_thread_seals(void **state)
{
	struct forger f = forge(false, 0);
	struct sealer down = { .records = f.r, .mark = 'd' };
	unsigned data = 0, updates;
	pthread_t thread;
	void *failed;

	(void)state;
	assert_int_equal(pthread_create(&thread, NULL, seal_many, &down), 0);
	for (int i = 0; i < 100; i++) {
		forge_record(&f, TLS_HANDSHAKE, "\x18\0\0\1\1", 5);
		assert_int_equal(tls_direction_next(&f.tx), 0);
		forge_record(&f, TLS_APPLICATION_DATA, "up", 2);
		assert_int_equal(open_forged(&f), 0);
	}
	assert_int_equal(pthread_join(thread, &failed), 0);
	assert_null(failed);
	assert_int_equal(seal_text(f.r, "x", &down.out), 0);
	updates = follow_key_updates(&f, &down.out, &data);
	assert_in_range(updates, 1, 100);
	assert_int_equal(data, THREAD_ROUNDS + 1);
	assert_int_equal(buf_len(&f.plain), 200);
	buf_fini(&down.out);
	forger_fini(&f);
}

static int setup(void **state)
{
	(void)state;
	root = testpki_ca(NULL, "root");
	gateway = testpki_server(root, TESTTLS_GATEWAY);
	alice = testpki_client(root, "alice");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	testpki_fini();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_is_one_record_and_comes_back),
		cmocka_unit_test(many_records_in_one_read_come_back_in_order),
		cmocka_unit_test(records_open_one_byte_at_a_time),
		cmocka_unit_test(counts_follow_both_directions),
		cmocka_unit_test(changed_record_ends_the_connection),
		cmocka_unit_test(replayed_or_missing_record_ends_the_connection),
		cmocka_unit_test(plain_bytes_end_the_connection),
		cmocka_unit_test(close_notify_comes_after_what_was_sent),
		cmocka_unit_test(bytes_behind_the_handshake_are_opened),
		cmocka_unit_test(key_update_is_followed),
		cmocka_unit_test(key_update_is_answered_with_the_next_record),
		cmocka_unit_test(flood_of_key_updates_in_one_read_ends_the_connection),
		cmocka_unit_test(answers_to_many_key_updates_keep_their_order),
		cmocka_unit_test(many_key_updates_have_one_answer),
		cmocka_unit_test(tickets_of_a_gateway_are_read_past),
		cmocka_unit_test(libssl_and_each_backend_understand_each_other),
		cmocka_unit_test(key_updates_go_on_in_every_suite),
		cmocka_unit_test(libssl_understands_our_alert),
		cmocka_unit_test(libssl_understands_our_close_notify),
		cmocka_unit_test(what_nobody_may_send_is_refused),
		cmocka_unit_test(other_records_amid_a_message_are_refused),
		cmocka_unit_test(too_long_a_record_is_refused_by_its_header),
		cmocka_unit_test(tickets_are_for_clients),
		cmocka_unit_test(an_alert_of_the_peer_ends_all_in_silence),
		cmocka_unit_test(cancelling_announces_the_close),
		cmocka_unit_test(records_without_data_are_limited_in_a_call),
		cmocka_unit_test(a_cut_record_waits_for_its_rest),
		cmocka_unit_test(long_plaintext_is_sealed_at_equal_strides),
		cmocka_unit_test(a_key_that_has_sealed_its_share_is_followed_by_another),
		cmocka_unit_test(the_alert_has_a_number_left),
		cmocka_unit_test(seal_and_open_run_in_two_threads),
		cmocka_unit_test(key_updates_are_answered_while_another_thread_seals),
	};

	return crypto_memory_init() < 0 ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
