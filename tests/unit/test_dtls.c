/* SPDX-License-Identifier: Apache-2.0 */
/* Datagram handshakes: two of ours, with accidents on the way, and each of them against libssl. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/time.h>

#include "base/clock.h"
#include "base/err.h"
#include "crypto/memory.h"
#include "testdtls.h"

static uint64_t openssl_ms;
static struct testdtls_pair pair; /* too large for the stack */

/* OpenSSL's clock for repetitions: the executable's definition comes before the C library's. */
int gettimeofday(struct timeval *tv, void *zone)
{
	(void)zone;
	tv->tv_sec = (time_t)(openssl_ms / 1000);
	tv->tv_usec = (suseconds_t)(openssl_ms % 1000 * 1000);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	openssl_ms = 1000000;
	memset(&pair, 0, sizeof(pair));
	return crypto_memory_init();
}

static int begin(void **state)
{
	(void)state;
	openssl_ms = 1000000;
	memset(&pair, 0, sizeof(pair));
	return 0;
}

static int end(void **state)
{
	(void)state;
	testdtls_fini(&pair);
	return 0;
}

static void assert_both_done(void)
{
	assert_int_equal(pair.client_step, TLS_DONE);
	assert_int_equal(pair.server_step, TLS_DONE);
}

static void assert_same_half(const struct dtls_half *a, const struct dtls_half *b)
{
	assert_memory_equal(a->key, b->key, sizeof(a->key));
	assert_memory_equal(a->iv, b->iv, sizeof(a->iv));
}

static void assert_keys_fit(void)
{
	struct dtls_keys client, server;

	assert_int_equal(dtls_take_keys(pair.client, &client), 0);
	assert_int_equal(dtls_take_keys(pair.server, &server), 0);
	assert_int_equal(client.cipher, server.cipher);
	assert_same_half(&client.tx, &server.rx);
	assert_same_half(&client.rx, &server.tx);
	assert_memory_not_equal(client.tx.key, client.rx.key, 16);
	assert_memory_not_equal(client.tx.iv, client.rx.iv, 4);
	assert_int_equal(client.tx_number, DTLS_NUMBER_FIRST);
	assert_int_equal(server.tx_number, DTLS_NUMBER_FIRST);
}

static void two_of_ours_agree_on_every_suite(void **state)
{
	static const char *const names[] = { "PSK-AES128-GCM-SHA256", "PSK-AES256-GCM-SHA384",
					     "PSK-CHACHA20-POLY1305" };

	(void)state;
	for (int i = 0; i < AEAD_CIPHERS; i++) {
		struct dtls_keys keys;

		testdtls_shake(&pair, (enum aead_cipher)i);
		assert_both_done();
		assert_int_equal(pair.verify_requests, 1);
		assert_keys_fit();
		assert_int_equal(dtls_take_keys(pair.client, &keys), 0);
		assert_int_equal(keys.cipher, i);
		assert_string_equal(dtls_suite(pair.client), names[i]);
		assert_string_equal(dtls_suite(pair.server), names[i]);
		testdtls_fini(&pair);
	}
	memset(&pair, 0, sizeof(pair));
}

static void aes_128_is_taken_of_all(void **state)
{
	(void)state;
	testdtls_shake(&pair, AEAD_CIPHERS);
	assert_both_done();
	assert_string_equal(dtls_suite(pair.server), "PSK-AES128-GCM-SHA256");
}

static void every_handshake_has_keys_of_its_own(void **state)
{
	struct dtls_keys one, two;

	(void)state;
	testdtls_shake(&pair, AEAD_AES_128_GCM);
	assert_int_equal(dtls_take_keys(pair.client, &one), 0);
	testdtls_fini(&pair);
	testdtls_shake(&pair, AEAD_AES_128_GCM);
	assert_int_equal(dtls_take_keys(pair.client, &two), 0);
	assert_memory_not_equal(one.tx.key, two.tx.key, 16);
	assert_memory_not_equal(one.rx.key, two.rx.key, 16);
}

/* ---- accidents ---- */

enum accident { LOST, TWICE, LATE };

static unsigned carried; /* datagrams so far, both ways */

static void deliver(struct testdtls_queue *from, const struct testdtls_datagram *d)
{
	if (from == &pair.to_server)
		testdtls_server_step(&pair, d, AEAD_CIPHERS);
	else
		testdtls_client_step(&pair, d);
}

/* Carries the next datagram of @from, or does to it what happens to the one numbered @which. */
static void carry(struct testdtls_queue *from, unsigned which, enum accident accident)
{
	bool hit = carried++ == which;
	size_t at = hit && accident == LATE ? from->count - 1 : 0;
	struct testdtls_datagram d = testdtls_take(from, at);

	if (hit && accident == LOST)
		return;
	deliver(from, &d);
	if (hit && accident == TWICE)
		deliver(from, &d);
}

static void carry_all(unsigned which, enum accident accident)
{
	while (pair.to_server.count || pair.to_client.count) {
		while (pair.to_server.count)
			carry(&pair.to_server, which, accident);
		while (pair.to_client.count)
			carry(&pair.to_client, which, accident);
	}
}

/* Nothing is under way: whoever has a deadline sleeps until it comes. */
static void wait_for_deadlines(void)
{
	openssl_ms += DTLS_RETRANSMIT_MS;
	if (dtls_deadline(pair.client, openssl_ms) <= openssl_ms)
		testdtls_client_step(&pair, NULL);
	if (pair.server && dtls_deadline(pair.server, openssl_ms) <= openssl_ms)
		testdtls_server_step(&pair, NULL, AEAD_CIPHERS);
}

static bool shake_with(unsigned which, enum accident accident)
{
	carried = 0;
	pair.client = testdtls_begin(TLS_CLIENT, AEAD_CIPHERS);
	testdtls_client_step(&pair, NULL);
	for (int waits = 0; waits < 4; waits++) {
		carry_all(which, accident);
		if (pair.client_step == TLS_DONE && pair.server_step == TLS_DONE)
			return true;
		wait_for_deadlines();
	}
	return false;
}

static void assert_survives(enum accident accident)
{
	unsigned total;

	assert_true(shake_with(UINT32_MAX, accident));
	total = carried;
	assert_in_range(total, 4, 12);
	for (unsigned which = 0; which < total; which++) {
		testdtls_fini(&pair);
		begin(NULL);
		assert_true(shake_with(which, accident));
		assert_keys_fit();
	}
}

static void any_datagram_may_be_lost(void **state)
{
	(void)state;
	assert_survives(LOST);
}

static void any_datagram_may_come_twice(void **state)
{
	(void)state;
	assert_survives(TWICE);
}

static void any_datagram_may_be_overtaken(void **state)
{
	(void)state;
	assert_survives(LATE);
}

/* The server has done its part and is kept for this. */
static void last_flight_is_repeated_after_the_end(void **state)
{
	(void)state;
	pair.client = testdtls_begin(TLS_CLIENT, AEAD_CIPHERS);
	testdtls_client_step(&pair, NULL);
	while (pair.server_step != TLS_DONE) {
		while (pair.to_server.count)
			carry(&pair.to_server, UINT32_MAX, LOST);
		while (pair.server_step != TLS_DONE && pair.to_client.count)
			carry(&pair.to_client, UINT32_MAX, LOST);
	}
	pair.to_client.count = 0; /* its Finished is lost */
	assert_int_equal(pair.client_step, TLS_MORE);
	assert_int_equal(dtls_deadline(pair.server, openssl_ms), CLOCK_NEVER);
	wait_for_deadlines();
	assert_int_not_equal(pair.to_server.count, 0);
	carry_all(UINT32_MAX, LOST);
	assert_both_done();
	assert_keys_fit();
}

static void repetitions_come_later_and_later(void **state)
{
	uint64_t began = openssl_ms;

	(void)state;
	pair.client = testdtls_begin(TLS_CLIENT, AEAD_CIPHERS);
	testdtls_client_step(&pair, NULL);
	assert_int_equal(pair.to_server.count, 1);
	assert_int_equal(dtls_deadline(pair.client, 77), 77 + DTLS_RETRANSMIT_MS);
	openssl_ms = began + DTLS_RETRANSMIT_MS / 2;
	testdtls_client_step(&pair, NULL); /* too early */
	assert_int_equal(pair.to_server.count, 1);
	openssl_ms = began + DTLS_RETRANSMIT_MS;
	assert_int_equal(dtls_deadline(pair.client, 77), 77);
	testdtls_client_step(&pair, NULL);
	assert_int_equal(pair.to_server.count, 2);
	assert_int_equal(dtls_deadline(pair.client, 77), 77 + 2 * DTLS_RETRANSMIT_MS);
}

static void datagrams_of_a_handshake_are_short(void **state)
{
	(void)state;
	pair.client = testdtls_begin(TLS_CLIENT, AEAD_CIPHERS);
	testdtls_client_step(&pair, NULL);
	while (pair.to_server.count || pair.to_client.count) {
		struct testdtls_queue *from = pair.to_server.count ? &pair.to_server : &pair.to_client;

		assert_true(from->waiting[0].len <= DTLS_MTU);
		carry(from, UINT32_MAX, LOST);
	}
	assert_both_done();
}

/* ---- refusals ---- */

static void other_key_comes_to_no_end(void **state)
{
	struct dtls_context *ctx = dtls_context_new(TLS_CLIENT, AEAD_CIPHERS);
	uint8_t psk[TLS_PSK_LEN];

	(void)state;
	memcpy(psk, testdtls_psk, sizeof(psk));
	psk[TLS_PSK_LEN - 1] ^= 1;
	pair.client = dtls_new(ctx, psk, testdtls_id, sizeof(testdtls_id));
	dtls_context_free(ctx);
	testdtls_client_step(&pair, NULL);
	for (int i = 0; i < 3; i++) {
		testdtls_run(&pair, AEAD_CIPHERS);
		wait_for_deadlines();
	}
	assert_int_not_equal(pair.client_step, TLS_DONE);
	assert_int_not_equal(pair.server_step, TLS_DONE);
}

static void server_begins_with_nothing_but_a_hello_with_cookie(void **state)
{
	static const uint8_t junk[100] = { 22, 0xfe, 0xfd };
	struct testdtls_datagram hello;

	(void)state;
	pair.client = testdtls_begin(TLS_CLIENT, AEAD_CIPHERS);
	testdtls_client_step(&pair, NULL);
	hello = testdtls_take(&pair.to_server, 0);
	pair.server = testdtls_begin(TLS_SERVER, AEAD_CIPHERS);
	assert_int_equal(dtls_handshake(pair.server, hello.data, hello.len, testdtls_push, &pair.to_client),
			 TLS_FAILED);
	assert_non_null(dtls_failure(pair.server));
	assert_int_equal(pair.to_client.count, 0);
	dtls_free(pair.server);
	pair.server = testdtls_begin(TLS_SERVER, AEAD_CIPHERS);
	assert_int_equal(dtls_handshake(pair.server, junk, sizeof(junk), testdtls_push, &pair.to_client), TLS_FAILED);
	assert_int_equal(dtls_handshake(pair.server, junk, sizeof(junk), testdtls_push, &pair.to_client), TLS_FAILED);
	assert_int_equal(dtls_deadline(pair.server, 5), CLOCK_NEVER);
}

static void application_data_is_not_openssls(void **state)
{
	uint8_t data[64] = { 23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 5, 0, 51 };

	(void)state;
	testdtls_shake(&pair, AEAD_CIPHERS);
	assert_both_done();
	assert_int_equal(dtls_handshake(pair.server, data, sizeof(data), testdtls_push, &pair.to_client), TLS_DONE);
	data[0] = 22; /* not authentic */
	assert_int_equal(dtls_handshake(pair.server, data, sizeof(data), testdtls_push, &pair.to_client), TLS_DONE);
	assert_int_equal(pair.to_client.count, 0);
}

static void client_without_a_common_suite_is_told(void **state)
{
	(void)state;
	testdtls_shake_raw(&pair, TLS_CLIENT, "ECDHE-PSK-CHACHA20-POLY1305");
	assert_int_equal(pair.server_step, TLS_FAILED);
	assert_string_equal(dtls_failure(pair.server), "no shared cipher");
}

/* ---- libssl at the other end ---- */

static const char *const common[] = { "PSK-AES128-GCM-SHA256", "PSK-AES256-GCM-SHA384", "PSK-CHACHA20-POLY1305" };

static void libssl_server_agrees_with_our_client(void **state)
{
	(void)state;
	for (size_t i = 0; i < AEAD_CIPHERS; i++) {
		testdtls_shake_raw(&pair, TLS_SERVER, common[i]);
		assert_both_done();
		assert_int_equal(SSL_session_reused(pair.raw.ssl), 0);
		assert_string_equal(dtls_suite(pair.client), common[i]);
		testdtls_fini(&pair);
	}
	memset(&pair, 0, sizeof(pair));
}

static void libssl_client_agrees_with_our_server(void **state)
{
	(void)state;
	for (size_t i = 0; i < AEAD_CIPHERS; i++) {
		testdtls_shake_raw(&pair, TLS_CLIENT, common[i]);
		assert_both_done();
		assert_int_equal(pair.verify_requests, 1);
		assert_int_equal(SSL_session_reused(pair.raw.ssl), 0);
		assert_string_equal(dtls_suite(pair.server), common[i]);
		testdtls_fini(&pair);
	}
	memset(&pair, 0, sizeof(pair));
}

/* As openconnect's OpenSSL build offers it; its first is ECDHE-PSK with ChaCha20. */
static void plain_psk_is_chosen_from_all_kinds(void **state)
{
	(void)state;
	testdtls_shake_raw(&pair, TLS_CLIENT, "PSK");
	assert_both_done();
	assert_string_equal(dtls_suite(pair.server), "PSK-AES128-GCM-SHA256");
}

static void client_that_likes_chacha_best_gets_it(void **state)
{
	(void)state;
	testdtls_shake_raw(&pair, TLS_CLIENT, "PSK-CHACHA20-POLY1305:PSK-AES128-GCM-SHA256");
	assert_both_done();
	assert_string_equal(dtls_suite(pair.server), "PSK-CHACHA20-POLY1305");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(two_of_ours_agree_on_every_suite, begin, end),
		cmocka_unit_test_setup_teardown(aes_128_is_taken_of_all, begin, end),
		cmocka_unit_test_setup_teardown(every_handshake_has_keys_of_its_own, begin, end),
		cmocka_unit_test_setup_teardown(any_datagram_may_be_lost, begin, end),
		cmocka_unit_test_setup_teardown(any_datagram_may_come_twice, begin, end),
		cmocka_unit_test_setup_teardown(any_datagram_may_be_overtaken, begin, end),
		cmocka_unit_test_setup_teardown(last_flight_is_repeated_after_the_end, begin, end),
		cmocka_unit_test_setup_teardown(repetitions_come_later_and_later, begin, end),
		cmocka_unit_test_setup_teardown(datagrams_of_a_handshake_are_short, begin, end),
		cmocka_unit_test_setup_teardown(other_key_comes_to_no_end, begin, end),
		cmocka_unit_test_setup_teardown(server_begins_with_nothing_but_a_hello_with_cookie, begin, end),
		cmocka_unit_test_setup_teardown(application_data_is_not_openssls, begin, end),
		cmocka_unit_test_setup_teardown(client_without_a_common_suite_is_told, begin, end),
		cmocka_unit_test_setup_teardown(libssl_server_agrees_with_our_client, begin, end),
		cmocka_unit_test_setup_teardown(libssl_client_agrees_with_our_server, begin, end),
		cmocka_unit_test_setup_teardown(plain_psk_is_chosen_from_all_kinds, begin, end),
		cmocka_unit_test_setup_teardown(client_that_likes_chacha_best_gets_it, begin, end),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
