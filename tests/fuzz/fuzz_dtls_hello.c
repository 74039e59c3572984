/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a datagram of a stranger. */
#include <string.h>

#include "fuzz.h"
#include "wire/dtls_hello.h"
#include "wire/dtls_header.h"

static bool inside(const uint8_t *at, size_t at_len, const uint8_t *data, size_t len)
{
	return at >= data && at + at_len <= data + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t cookie[DTLS_COOKIE_LEN] = { 1 }, answer[DTLS_HELLO_VERIFY_LEN];
	struct dtls_record record;
	struct dtls_hello hello;
	enum verdict v = dtls_hello_peek(data, len, &hello);

	if (v != PASS) {
		fuzz_check(v == DROP_HELLO || v == DROP_RECORD);
		return 0;
	}
	fuzz_check(hello.id_len && hello.id_len <= DTLS_ID_MAX && inside(hello.id, hello.id_len, data, len));
	fuzz_check(!hello.cookie_len || hello.cookie_len == DTLS_COOKIE_LEN);
	fuzz_check(inside(hello.cookie, hello.cookie_len, data, len));
	fuzz_check(dtls_header_parse(data, len, &record) == PASS && record.number == hello.number);
	dtls_hello_verify(&hello, cookie, answer);
	fuzz_check(sizeof(answer) < len && !memcmp(answer + 5, data + 5, 6));
	return 0;
}
