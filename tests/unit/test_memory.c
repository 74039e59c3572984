/* SPDX-License-Identifier: Apache-2.0 */
/* What OpenSSL frees is wiped, and no traffic secret outlives its connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/wait.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "base/err.h"
#include "base/hex.h"
#include "crypto/memory.h"
#include "testtls.h"

/* A secret is kept under a mask, so that a scan of the heap does not find our own copy. */
enum { SECRET_MAX = 64, MASK = 0x5a };
struct masked {
	uint8_t bytes[SECRET_MAX];
	size_t len;
};
static struct masked client_secret, server_secret;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
static const bool heap_is_plain = false;
#else
static const bool heap_is_plain = true;
#endif

static int late_result; /* of crypto_memory_init() in a process whose OpenSSL has allocated already */

/* In a child, for it can be tried only once; before ours is initialized. */
static int initialize_late(void)
{
	int status = 0;
	pid_t child = fork();

	if (!child) {
		OPENSSL_free(OPENSSL_malloc(1));
		_exit(crypto_memory_init() == ERR_CRYPTO);
	}
	return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) ? ERR_CRYPTO : 0;
}

static void initialization_after_an_allocation_is_refused(void **state)
{
	(void)state;
	assert_int_equal(late_result, ERR_CRYPTO);
}

static void realloc_keeps_the_bytes(void **state)
{
	char *p = OPENSSL_malloc(16);

	(void)state;
	memcpy(p, "0123456789abcde", 16);
	p = OPENSSL_realloc(p, 100000);
	assert_string_equal(p, "0123456789abcde");
	p = OPENSSL_realloc(p, 8);
	assert_memory_equal(p, "01234567", 8);
	OPENSSL_free(p);
	assert_null(OPENSSL_realloc(OPENSSL_malloc(1), 0));
}

/* libc's allocator writes its own pointers into the first 16 bytes of what is given back: look behind them. */
static void assert_wiped(const volatile uint8_t *freed, size_t len)
{
	for (size_t i = 32; i < len; i++)
		assert_int_equal(freed[i], 0);
}

static void free_and_realloc_wipe(void **state)
{
	uint8_t *p, *q;

	(void)state;
	if (!heap_is_plain)
		return; /* a sanitizer's heap keeps what is freed: nothing can be said */
	p = OPENSSL_malloc(4000);
	q = OPENSSL_malloc(4000);
	memset(p, 0xaa, 4000);
	memset(q, 0xbb, 4000);
	OPENSSL_free(p);
	assert_wiped(p, 4000);
	p = OPENSSL_realloc(q, 8000);
	assert_wiped(q, 4000);
	assert_int_equal(p[3999], 0xbb);
	OPENSSL_free(p);
}

static bool here(const uint8_t *at, const struct masked *secret)
{
	for (size_t i = 0; i < secret->len; i++)
		if ((at[i] ^ MASK) != secret->bytes[i])
			return false;
	return true;
}

static size_t count_between(const uint8_t *from, const uint8_t *to, const struct masked *secret)
{
	size_t found = 0;

	for (const uint8_t *at = from; at + secret->len <= to; at++)
		found += here(at, secret);
	return found;
}

static size_t count_in_heap(const struct masked *secret)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long from, to;
	size_t found = 0;
	char line[512];

	assert_non_null(maps);
	assert_true(secret->len >= 32);
	while (fgets(line, sizeof(line), maps))
		if (strstr(line, "[heap]") && sscanf(line, "%lx-%lx", &from, &to) == 2)
			found += count_between((const uint8_t *)from, (const uint8_t *)to, secret);
	fclose(maps);
	return found;
}

/* "LABEL random secret" */
static void on_keylog(const SSL *ssl, const char *line)
{
	struct masked *secret = NULL;
	const char *digits = strrchr(line, ' ') + 1;
	int len;

	(void)ssl;
	if (!strncmp(line, "CLIENT_TRAFFIC_SECRET_0 ", 24))
		secret = &client_secret;
	if (!strncmp(line, "SERVER_TRAFFIC_SECRET_0 ", 24))
		secret = &server_secret;
	if (!secret)
		return;
	len = hex_decode(digits, strlen(digits), secret->bytes);
	assert(len > 0);
	secret->len = (size_t)len;
	for (size_t i = 0; i < secret->len; i++)
		secret->bytes[i] ^= MASK;
}

static void no_traffic_secret_outlives_its_records(void **state)
{
	const struct testpki_cert *root;
	struct testtls_raw raw;
	struct records *records;
	struct tls *client;

	(void)state;
	if (!heap_is_plain)
		return; /* a sanitizer's heap keeps what is freed: nothing can be said */
	root = testpki_ca(NULL, "root");
	raw = testtls_raw(true, testpki_server(root, TESTTLS_GATEWAY));
	client = testtls_begin(testtls_client_settings(root, testpki_client(root, "alice")));
	SSL_CTX_set_keylog_callback(raw.ctx, on_keylog);
	testtls_raw_begin(&raw);
	assert_int_equal(testtls_raw_shake(&raw, client), TLS_DONE);
	assert_int_equal(records_take(client, &records), 0);
	tls_free(client);
	testtls_raw_fini(&raw);
	assert_true(count_in_heap(&client_secret) > 0);
	assert_true(count_in_heap(&server_secret) > 0);
	records_free(records);
	assert_int_equal(count_in_heap(&client_secret), 0);
	assert_int_equal(count_in_heap(&server_secret), 0);
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
		cmocka_unit_test(initialization_after_an_allocation_is_refused),
		cmocka_unit_test(realloc_keeps_the_bytes),
		cmocka_unit_test(free_and_realloc_wipe),
		cmocka_unit_test(no_traffic_secret_outlives_its_records),
	};

	late_result = initialize_late();
	return crypto_memory_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, teardown);
}
