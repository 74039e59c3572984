/* SPDX-License-Identifier: Apache-2.0 */
/* What a client gives up on, and what it tries again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "client/failure.h"

static enum failure_verdict judge(enum failure_kind kind, int number, bool fresh, bool succeeded)
{
	struct failure f;

	failure_set(&f, kind, number, "reason");
	f.fresh = fresh;
	return failure_judge(&f, succeeded);
}

static void certificate_alerts_are_final_at_first(void **state)
{
	static const int alerts[] = { 42, 43, 44, 45, 46, 48, 49, 116 };

	(void)state;
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		assert_int_equal(judge(FAILURE_ALERT, alerts[i], false, false), FAILURE_FINAL);
}

static void other_alerts_are_retried(void **state)
{
	static const int alerts[] = { 0, 10, 20, 40, 47, 50, 51, 70, 71, 80, 90, 112 };

	(void)state;
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		assert_int_equal(judge(FAILURE_ALERT, alerts[i], false, false), FAILURE_RETRY);
}

static void revoked_and_unknown_authority_stay_final(void **state)
{
	(void)state;
	assert_int_equal(judge(FAILURE_ALERT, 44, false, true), FAILURE_FINAL);
	assert_int_equal(judge(FAILURE_ALERT, 48, false, true), FAILURE_FINAL);
}

static void other_certificate_alerts_are_retried_after_a_success(void **state)
{
	static const int alerts[] = { 42, 43, 45, 46, 49, 116 };

	(void)state;
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		assert_int_equal(judge(FAILURE_ALERT, alerts[i], false, true), FAILURE_RETRY);
}

static void gateway_certificate_is_final_only_at_first(void **state)
{
	(void)state;
	assert_int_equal(judge(FAILURE_CERTIFICATE, 0, false, false), FAILURE_FINAL);
	assert_int_equal(judge(FAILURE_CERTIFICATE, 0, false, true), FAILURE_RETRY);
}

static void refused_cookie_asks_for_a_login(void **state)
{
	(void)state;
	assert_int_equal(judge(FAILURE_STATUS, 401, false, false), FAILURE_LOGIN);
	assert_int_equal(judge(FAILURE_STATUS, 401, false, true), FAILURE_LOGIN);
}

static void refused_fresh_login_is_final(void **state)
{
	(void)state;
	assert_int_equal(judge(FAILURE_STATUS, 401, true, false), FAILURE_FINAL);
	assert_int_equal(judge(FAILURE_STATUS, 401, true, true), FAILURE_FINAL);
}

static void forbidden_is_final_only_at_first(void **state)
{
	(void)state;
	assert_int_equal(judge(FAILURE_STATUS, 403, true, false), FAILURE_FINAL);
	assert_int_equal(judge(FAILURE_STATUS, 403, true, true), FAILURE_RETRY);
}

static void unavailable_is_retried(void **state)
{
	(void)state;
	assert_int_equal(judge(FAILURE_STATUS, 503, true, false), FAILURE_RETRY);
	assert_int_equal(judge(FAILURE_STATUS, 404, true, false), FAILURE_RETRY);
	assert_int_equal(judge(FAILURE_STATUS, 302, false, true), FAILURE_RETRY);
}

static void unreachable_is_retried(void **state)
{
	(void)state;
	assert_int_equal(judge(FAILURE_UNREACHABLE, 0, false, false), FAILURE_RETRY);
	assert_int_equal(judge(FAILURE_UNREACHABLE, 0, true, true), FAILURE_RETRY);
}

static void alert_in_clear_is_nobodys_verdict(void **state)
{
	const struct tls_failure tls = { .alert = 48, .received = true, .reason = "unknown issuer" };
	struct failure f;

	(void)state;
	failure_from_tls(&f, &tls);
	assert_int_equal(f.kind, FAILURE_UNREACHABLE);
	assert_string_equal(f.reason, "unknown issuer");
	assert_int_equal(failure_judge(&f, false), FAILURE_RETRY);
}

static void refused_certificate_is_our_verdict(void **state)
{
	const struct tls_failure tls = { .alert = 48, .certificate = true, .reason = "unknown issuer" };
	struct failure f;

	(void)state;
	failure_from_tls(&f, &tls);
	assert_int_equal(f.kind, FAILURE_CERTIFICATE);
}

static void broken_handshake_is_nobodys_verdict(void **state)
{
	const struct tls_failure tls = { .alert = 48, .reason = "connection closed" };
	struct failure f;

	(void)state;
	failure_from_tls(&f, &tls);
	assert_int_equal(f.kind, FAILURE_UNREACHABLE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_alerts_are_final_at_first),
		cmocka_unit_test(other_alerts_are_retried),
		cmocka_unit_test(revoked_and_unknown_authority_stay_final),
		cmocka_unit_test(other_certificate_alerts_are_retried_after_a_success),
		cmocka_unit_test(gateway_certificate_is_final_only_at_first),
		cmocka_unit_test(refused_cookie_asks_for_a_login),
		cmocka_unit_test(refused_fresh_login_is_final),
		cmocka_unit_test(forbidden_is_final_only_at_first),
		cmocka_unit_test(unavailable_is_retried),
		cmocka_unit_test(unreachable_is_retried),
		cmocka_unit_test(alert_in_clear_is_nobodys_verdict),
		cmocka_unit_test(refused_certificate_is_our_verdict),
		cmocka_unit_test(broken_handshake_is_nobodys_verdict),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
