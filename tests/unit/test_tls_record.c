/* SPDX-License-Identifier: Apache-2.0 */
/* Single records and their keys, against the trace of RFC 8448 section 3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/hex.h"
#include "wire/tls_record.h"

static const char server_secret[] = "a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643";
static const char client_secret[] = "9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5";
static const char client_data[] =
	"1703030043a23f7054b62c94d0affafe8228ba55cbefacea42f914aa66bcab3f2b9819a8a5b46b395bd54a9a"
	"20441e2b62974e1f5a6292a2977014bd1e3deae63aeebb21694915e4";
static const char client_alert[] = "1703030013c9872760655666b74d7ff1153efd6db6d0b0e3";
/* Behind a ticket, so number 1. */
static const char server_data[] =
	"17030300432e937e11ef4ac740e538ad36005fc4a46932fc3225d05f82aa1b36e30efaf97d90e6dffc602dcb"
	"501a59a8fcc49c4bf2e5f0a21c0047c2abf332540dd032e167c2955d";
static const char server_alert[] = "1703030013b58fd67166ebf599d24720cfbe7efa7a8864a9";

static uint8_t record[TLS_RECORD_LEN_MAX + 1], plain[TLS_RECORD_LEN_MAX], data[TLS_RECORD_CONTENT_MAX];

static size_t unhex(const char *hex, uint8_t *out)
{
	int len = hex_decode(hex, strlen(hex), out);

	assert_true(len >= 0);
	return (size_t)len;
}

static struct tls_direction direction(const char *secret, uint64_t sequence)
{
	uint8_t bytes[SCHEDULE_SECRET_MAX];
	struct tls_direction d;

	unhex(secret, bytes);
	assert_int_equal(tls_direction_init(&d, AEAD_AES_128_GCM, bytes, sequence), 0);
	return d;
}

static void assert_hex(const uint8_t *bytes, const char *hex)
{
	uint8_t want[128];
	size_t len = unhex(hex, want);

	assert_memory_equal(bytes, want, len);
}

static void keys_are_those_of_the_trace(void **state)
{
	struct tls_direction server = direction(server_secret, 0), client = direction(client_secret, 0);
	uint8_t nothing[AEAD_TAG_LEN], want[AEAD_TAG_LEN], key[16];
	struct aead_key *k;

	(void)state;
	assert_hex(server.iv, "cf782b88dd83549aadf1e984");
	assert_hex(client.iv, "5b78923dee08579033e523d9");
	unhex("9f02283b6c9c07efc26bb9f2ac92e356", key);
	k = aead_key_new(AEAD_AES_128_GCM, key);
	aead_seal(k, server.iv, NULL, 0, data, 0, want);
	aead_seal(server.key, server.iv, NULL, 0, data, 0, nothing);
	assert_memory_equal(nothing, want, sizeof(want));
	aead_key_free(k);
	tls_direction_fini(&server);
	tls_direction_fini(&client);
}

static void check_trace(const char *secret, uint64_t first, const char *of_data, const char *of_alert)
{
	static const uint8_t close_notify[] = { 1, 0 };
	struct tls_direction tx = direction(secret, first), rx = direction(secret, first);
	size_t len, content;
	uint8_t type;

	tls_record_seal(&tx, TLS_APPLICATION_DATA, data, 50, record);
	assert_hex(record, of_data);
	assert_int_equal(tls_record_len(record, &len), 0);
	assert_int_equal(len, strlen(of_data) / 2);
	assert_int_equal(tls_record_open(&rx, record, len, plain, &type, &content), 0);
	assert_int_equal(type, TLS_APPLICATION_DATA);
	assert_int_equal(content, 50);
	assert_memory_equal(plain, data, 50);
	tls_record_seal(&tx, TLS_ALERT, close_notify, sizeof(close_notify), record);
	assert_hex(record, of_alert);
	assert_int_equal(tls_record_len(record, &len), 0);
	assert_int_equal(tls_record_open(&rx, record, len, plain, &type, &content), 0);
	assert_int_equal(type, TLS_ALERT);
	assert_int_equal(content, sizeof(close_notify));
	tls_direction_fini(&tx);
	tls_direction_fini(&rx);
}

static void records_are_those_of_the_trace(void **state)
{
	(void)state;
	for (uint8_t i = 0; i < 50; i++)
		data[i] = i;
	check_trace(client_secret, 0, client_data, client_alert);
	check_trace(server_secret, 1, server_data, server_alert);
}

static void lengths_are_limited_both_ways(void **state)
{
	uint8_t header[] = { 23, 3, 3, 0, 0 };
	size_t len;

	(void)state;
	for (unsigned body = 0; body < 65536; body++) {
		int want = 0;

		header[3] = (uint8_t)(body >> 8);
		header[4] = (uint8_t)body;
		if (body < 1 + AEAD_TAG_LEN)
			want = TLS_ALERT_BAD_RECORD_MAC;
		else if (body > TLS_RECORD_CONTENT_MAX + 1 + AEAD_TAG_LEN)
			want = TLS_ALERT_RECORD_OVERFLOW;
		assert_int_equal(tls_record_len(header, &len), want);
		if (!want)
			assert_int_equal(len, TLS_RECORD_HEADER_LEN + body);
	}
}

static void only_protected_records_are_taken(void **state)
{
	uint8_t header[] = { 0, 3, 3, 0, 100 };
	size_t len;

	(void)state;
	for (int type = 0; type < 256; type++) {
		header[0] = (uint8_t)type;
		assert_int_equal(tls_record_len(header, &len), type == 23 ? 0 : TLS_ALERT_UNEXPECTED_MESSAGE);
	}
}

static void version_is_authenticated_though_it_means_nothing(void **state)
{
	struct tls_direction tx = direction(client_secret, 0), rx = direction(client_secret, 0);
	size_t len, content;
	uint8_t type;

	(void)state;
	tls_record_seal(&tx, TLS_APPLICATION_DATA, data, 50, record);
	record[2] ^= 1;
	assert_int_equal(tls_record_len(record, &len), 0);
	assert_int_equal(tls_record_open(&rx, record, len, plain, &type, &content), TLS_ALERT_BAD_RECORD_MAC);
	assert_int_equal(rx.sequence, 0);
	tls_direction_fini(&tx);
	tls_direction_fini(&rx);
}

/* The inner plaintext is @content, @type and @zeros. */
static int open_padded(size_t content, uint8_t type, size_t zeros, uint8_t *got_type, size_t *got)
{
	struct tls_direction d = direction(client_secret, 0);
	static uint8_t inner[TLS_RECORD_CONTENT_MAX + 1];
	size_t len = content + 1 + zeros;
	int alert;

	memset(inner, 0, sizeof(inner));
	memset(inner, 7, content);
	inner[content] = type;
	memcpy(record, (uint8_t[]){ 23, 3, 3, (uint8_t)((len + 16) >> 8), (uint8_t)(len + 16) }, 5);
	aead_seal(d.key, d.iv, record, 5, inner, len, record + 5);
	assert_int_equal(tls_record_len(record, &len), 0);
	alert = tls_record_open(&d, record, len, plain, got_type, got);
	tls_direction_fini(&d);
	return alert;
}

static void padding_is_taken_off(void **state)
{
	static const size_t zeros[] = { 0, 1, 15, 16, 1000, TLS_RECORD_CONTENT_MAX - 10 };
	uint8_t type;
	size_t len;

	(void)state;
	for (size_t i = 0; i < sizeof(zeros) / sizeof(zeros[0]); i++) {
		assert_int_equal(open_padded(10, 23, zeros[i], &type, &len), 0);
		assert_int_equal(type, 23);
		assert_int_equal(len, 10);
	}
	assert_int_equal(open_padded(0, 22, TLS_RECORD_CONTENT_MAX, &type, &len), 0);
	assert_int_equal(type, 22);
	assert_int_equal(len, 0);
	assert_int_equal(open_padded(0, 0, 0, &type, &len), TLS_ALERT_UNEXPECTED_MESSAGE);
	assert_int_equal(open_padded(0, 0, 500, &type, &len), TLS_ALERT_UNEXPECTED_MESSAGE);
}

static void numbers_end_and_do_not_wrap(void **state)
{
	struct tls_direction d = direction(client_secret, UINT64_MAX - 1), tx = direction(client_secret, 0);
	size_t len = 10 + TLS_RECORD_OVERHEAD, content;
	uint8_t type;

	(void)state;
	/* A record as it would have to look, by a nonce whose number has gone round. */
	memcpy(record, (uint8_t[]){ 23, 3, 3, 0, 27 }, 5);
	for (int i = 4; i < AEAD_NONCE_LEN; i++)
		d.iv[i] ^= 0xff;
	d.iv[11] ^= 1;
	aead_seal_ending(d.key, d.iv, record, 5, data, 10, 23, record + 5);
	d.iv[11] ^= 1;
	for (int i = 4; i < AEAD_NONCE_LEN; i++)
		d.iv[i] ^= 0xff;
	assert_int_equal(tls_record_open(&d, record, len, plain, &type, &content), 0);
	tls_record_seal(&tx, TLS_APPLICATION_DATA, data, 10, record);
	assert_int_equal(tls_record_open(&d, record, len, plain, &type, &content), TLS_ALERT_UNEXPECTED_MESSAGE);
	assert_int_equal(d.sequence, UINT64_MAX);
	tls_direction_fini(&d);
	tls_direction_fini(&tx);
}

static void next_keys_begin_at_zero_and_are_others(void **state)
{
	struct tls_direction tx = direction(client_secret, 5), rx = direction(client_secret, 9);
	uint8_t old_iv[AEAD_NONCE_LEN], type;
	size_t len = 50 + TLS_RECORD_OVERHEAD, content;

	(void)state;
	memcpy(old_iv, tx.iv, sizeof(old_iv));
	assert_int_equal(tls_direction_next(&tx), 0);
	assert_int_equal(tx.sequence, 0);
	assert_memory_not_equal(tx.iv, old_iv, sizeof(old_iv));
	tls_record_seal(&tx, TLS_APPLICATION_DATA, data, 50, record);
	assert_int_equal(tls_record_open(&rx, record, len, plain, &type, &content), TLS_ALERT_BAD_RECORD_MAC);
	assert_int_equal(tls_direction_next(&rx), 0);
	assert_int_equal(tls_record_open(&rx, record, len, plain, &type, &content), 0);
	tls_direction_fini(&tx);
	tls_direction_fini(&rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_those_of_the_trace),
		cmocka_unit_test(records_are_those_of_the_trace),
		cmocka_unit_test(lengths_are_limited_both_ways),
		cmocka_unit_test(only_protected_records_are_taken),
		cmocka_unit_test(version_is_authenticated_though_it_means_nothing),
		cmocka_unit_test(padding_is_taken_off),
		cmocka_unit_test(numbers_end_and_do_not_wrap),
		cmocka_unit_test(next_keys_begin_at_zero_and_are_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
