/* SPDX-License-Identifier: Apache-2.0 */
/* The table of settings: every row can be used as it stands. */
#include "testconf.h"

#include "conf/schema.h"

static void check_row(const struct schema_key *key)
{
	char allowed[SCHEMA_ALLOWED_LEN];

	assert_true(strlen(key->name) < SCHEMA_NAME_LEN);
	assert_non_null(key->help);
	assert_true(strlen(schema_allowed(key, allowed)) > 0);
	assert_true(strlen(allowed) < SCHEMA_ALLOWED_LEN - 1);
	if (key->type == SCHEMA_INT && key->fallback)
		assert_in_range(atoi(key->fallback), key->min, key->max);
	if (key->type == SCHEMA_STRING && key->fallback && *key->fallback)
		assert_true(key->valid ? key->valid(key->fallback) : schema_word(key, key->fallback) >= 0);
	if (key->type == SCHEMA_STRING && !key->words[0])
		assert_true(key->valid && key->form);
	if (key->type == SCHEMA_CHOICE)
		assert_true(schema_word(key, key->fallback) >= 0);
	if (key->type == SCHEMA_BOOL)
		assert_true(!strcmp(key->fallback, "true") || !strcmp(key->fallback, "false"));
	if (key->list)
		assert_true(key->max > 0 && schema_item_size(key) > 0);
}

static unsigned check_group(const char *group, enum conf_role role)
{
	const struct schema_key *key = NULL;
	unsigned n = 0;

	while ((key = schema_next(key, group, role))) {
		assert_ptr_equal(schema_find(key->name, role), key);
		check_row(key);
		n++;
		if (key->type == SCHEMA_GROUP)
			n += check_group(key->name, role);
	}
	return n;
}

static void every_row_is_sound_and_its_name_stands_once(void **state)
{
	(void)state;
	assert_true(check_group("", CONF_SERVER) > 50);
	assert_true(check_group("", CONF_CLIENT) > 30);
}

static void words_have_the_places_of_their_enum(void **state)
{
	(void)state;
	assert_int_equal(schema_word(schema_find("trust.crl_policy", CONF_SERVER), "strict"), CONF_CRL_STRICT);
	assert_int_equal(schema_word(schema_find("trust.identity", CONF_SERVER), "cn"), CONF_IDENTITY_CN);
	assert_int_equal(schema_word(schema_find("trust.identity", CONF_SERVER), "san_dns"), CONF_IDENTITY_SAN_DNS);
	assert_int_equal(schema_word(schema_find("trust.identity", CONF_SERVER), "san_email"), CONF_IDENTITY_SAN_EMAIL);
	assert_int_equal(schema_word(schema_find("rekey.stock", CONF_SERVER), "smooth"), CONF_STOCK_SMOOTH);
	assert_int_equal(schema_word(schema_find("transport", CONF_CLIENT), "dtls"), CONF_TRANSPORT_DTLS);
	assert_int_equal(schema_word(schema_find("transport", CONF_CLIENT), "tls"), CONF_TRANSPORT_TLS);
	assert_int_equal(schema_word(schema_find("transport", CONF_CLIENT), "udp"), ERR_MISSING);
}

static void keys_belong_to_their_role(void **state)
{
	(void)state;
	assert_non_null(schema_find("limits.per_source", CONF_SERVER));
	assert_null(schema_find("limits.per_source", CONF_CLIENT));
	assert_null(schema_find("limits.per_sourc", CONF_SERVER));
	assert_null(schema_find("", CONF_SERVER));
}

static void nearest_name_is_found_within_reason(void **state)
{
	char many[1000];

	(void)state;
	assert_string_equal(schema_nearest("limits.unauthentcated", CONF_SERVER)->name, "limits.unauthenticated");
	assert_string_equal(schema_nearest("hooks.second", CONF_SERVER)->name, "hooks.seconds");
	assert_string_equal(schema_nearest("seconds", CONF_CLIENT)->name, "rekey.seconds");
	assert_null(schema_nearest("zzzzzz", CONF_SERVER));
	memset(many, 'x', sizeof(many));
	many[sizeof(many) - 1] = '\0';
	assert_null(schema_nearest(many, CONF_SERVER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_sound_and_its_name_stands_once),
		cmocka_unit_test(words_have_the_places_of_their_enum),
		cmocka_unit_test(keys_belong_to_their_role),
		cmocka_unit_test(nearest_name_is_found_within_reason),
	};

	return cmocka_run_group_tests_name("conf_schema", tests, NULL, NULL);
}
