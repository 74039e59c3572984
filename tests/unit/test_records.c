/* SPDX-License-Identifier: Apache-2.0 */
/* Records between two of ours, and against libssl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>

#include "base/err.h"
#include "crypto/memory.h"
#include "testtls.h"

enum { RECORD_HEADER = 5, THREAD_ROUNDS = 2000 };

static const struct testpki_cert *root, *gateway, *alice;

struct ends {
	struct records *server, *client;
	struct buf wire, plain, reply;
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
	assert_int_equal(tls_take_records(p.server, &e.server), 0);
	assert_int_equal(tls_take_records(p.client, &e.client), 0);
	testtls_pair_fini(&p);
	return e;
}

static void close_ends(struct ends *e)
{
	records_free(e->server);
	records_free(e->client);
	buf_fini(&e->wire);
	buf_fini(&e->plain);
	buf_fini(&e->reply);
}

static int open_wire(struct ends *e, struct records *by)
{
	int r = records_open(by, buf_data(&e->wire), buf_len(&e->wire), &e->plain, &e->reply);

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
	assert_int_equal(buf_len(&e.reply), 0);
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
		assert_int_equal(records_open(e.server, buf_data(&e.wire), 1, &e.plain, &e.reply), 0);
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
		assert_int_equal(buf_len(&e.plain), 0);
		assert_true(buf_len(&e.reply) > 0);
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
	assert_int_equal(records_open(e.server, buf_data(&e.wire), buf_len(&e.wire), &e.plain, &e.reply), 0);
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
	assert_int_equal(tls_take_records(p.client, &e.client), 0);
	seal_text(e.client, "early", &p.to_server);
	seal_text(e.client, "bird", &p.to_server);
	assert_int_equal(tls_handshake(p.server, buf_data(&p.to_server), buf_len(&p.to_server) - 3, &p.to_client),
			 TLS_DONE);
	buf_consume(&p.to_server, buf_len(&p.to_server) - 3);
	assert_int_equal(tls_take_records(p.server, &e.server), 0);
	assert_int_equal(open_wire(&e, e.server), 0);
	assert_text(&e.plain, "early");
	buf_append(&e.wire, buf_data(&p.to_server), 3);
	assert_int_equal(open_wire(&e, e.server), 0);
	assert_text(&e.plain, "bird");
	testtls_pair_fini(&p);
	close_ends(&e);
}

/* One of ours, finished, against libssl's end in the other role. */
static struct records *open_against(struct testtls_raw *raw, bool raw_is_server)
{
	struct tls *ours = testtls_begin(raw_is_server ? client_settings() : server_settings());
	struct records *r;

	*raw = testtls_raw(raw_is_server, raw_is_server ? gateway : alice);
	testtls_raw_begin(raw);
	assert_int_equal(testtls_raw_shake(raw, ours), TLS_DONE);
	assert_int_equal(tls_take_records(ours, &r), 0);
	tls_free(ours);
	return r;
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
	assert_int_equal(buf_len(&e.reply), 0);
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
	assert_int_equal(buf_len(&e.reply), 0);
	assert_int_equal(seal_text(e.server, "one", &e.wire), 0);
	assert_raw_reads(&raw, &e.wire, "one");
	testtls_raw_fini(&raw);
	close_ends(&e);
}

static void unanswered_key_updates_do_not_pile_up(void **state)
{
	struct testtls_raw raw;
	struct ends e = { .server = open_against(&raw, false) };
	int r = 0, rounds = 0;

	(void)state;
	while (r == 0 && rounds++ < 1000)
		r = flood(&raw, &e, 1);
	assert_int_equal(r, ERR_PROTO);
	assert_true(rounds > 50);
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
	assert_int_equal(records_open(e.client, buf_data(&down.out), buf_len(&down.out), &back, &e.reply), 0);
	assert_int_equal(buf_len(&back), THREAD_ROUNDS);
	buf_fini(&down.out);
	buf_fini(&back);
	close_ends(&e);
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
		cmocka_unit_test(unanswered_key_updates_do_not_pile_up),
		cmocka_unit_test(tickets_of_a_gateway_are_read_past),
		cmocka_unit_test(seal_and_open_run_in_two_threads),
	};

	return crypto_memory_init() < 0 ? 1 : cmocka_run_group_tests(tests, setup, teardown);
}
