/* SPDX-License-Identifier: Apache-2.0 */
/* The samples in config/: they load, they show every key, and what they show as a default is one. Run at the top. */
#include "testconf.h"

#include <ctype.h>

#include "conf/file.h"
#include "conf/schema.h"

static char *sample(enum conf_role role)
{
	char *text = NULL;

	assert_int_equal(file_read(role == CONF_SERVER ? "config/server.conf" : "config/client.conf", &text, NULL), 0);
	return text;
}

static struct conf *load(const char *text)
{
	struct conf *c;

	if (testconf_load_text(text, &c) < 0)
		fail_msg("%s", testconf_said);
	return c;
}

/* "# key = value" becomes " key = value"; offload stays, it may not be set yet. */
static void enable_defaults(char *text)
{
	char *at;

	for (at = text; (at = strstr(at, "# ")); at += 2) {
		size_t word = strspn(at + 2, "abcdefghijklmnopqrstuvwxyz_0123456789");

		if (word && !strncmp(at + 2 + word, " = ", 3) && strncmp(at + 2, "offload", 7) != 0)
			*at = ' ';
	}
}

static void assert_same(const struct schema_key *key, const struct conf *a, const struct conf *b)
{
	const char *at = (const char *)a + key->offset, *other = (const char *)b + key->offset;
	const char *text, *other_text;

	switch (key->type) {
	case SCHEMA_BOOL:
		assert_memory_equal(at, other, sizeof(bool));
		break;
	case SCHEMA_INT:
	case SCHEMA_CHOICE:
		assert_memory_equal(at, other, sizeof(int));
		break;
	default:
		memcpy(&text, at, sizeof(text));
		memcpy(&other_text, other, sizeof(other_text));
		assert_string_equal(text, other_text);
	}
}

static void compare_group(enum conf_role role, const char *group, const struct conf *a, const struct conf *b)
{
	const struct schema_key *key = NULL;

	while ((key = schema_next(key, group, role))) {
		if (key->type == SCHEMA_GROUP && !key->list)
			compare_group(role, key->name, a, b);
		else if (key->fallback)
			assert_same(key, a, b);
	}
}

static void check_defaults(enum conf_role role)
{
	char *text = sample(role);
	struct conf *plain = load(text), *full;

	enable_defaults(text);
	full = load(text);
	assert_int_equal(plain->role, role);
	compare_group(role, "", plain, full);
	conf_free(plain);
	conf_free(full);
	file_wipe(text);
}

static bool shows(const char *text, const char *leaf)
{
	size_t len = strlen(leaf);
	const char *at;

	for (at = text; (at = strstr(at, leaf)); at++)
		if (at > text && !isalnum((unsigned char)at[-1]) && at[-1] != '_' && !strncmp(at + len, " = ", 3))
			return true;
	return !strncmp(text, leaf, len);
}

static void check_keys(enum conf_role role, const char *group, const char *text)
{
	const struct schema_key *key = NULL;
	const char *dot;

	while ((key = schema_next(key, group, role))) {
		dot = strrchr(key->name, '.');
		if (!shows(text, dot ? dot + 1 : key->name))
			fail_msg("%s is not shown", key->name);
		if (key->type == SCHEMA_GROUP)
			check_keys(role, key->name, text);
	}
}

static void check_all_keys(enum conf_role role)
{
	char *text = sample(role);

	check_keys(role, "", text);
	file_wipe(text);
}

static void server_sample_loads_and_its_defaults_are_true(void **state)
{
	(void)state;
	check_defaults(CONF_SERVER);
}

static void client_sample_loads_and_its_defaults_are_true(void **state)
{
	(void)state;
	check_defaults(CONF_CLIENT);
}

static void server_sample_shows_every_key(void **state)
{
	(void)state;
	check_all_keys(CONF_SERVER);
}

static void client_sample_shows_every_key(void **state)
{
	(void)state;
	check_all_keys(CONF_CLIENT);
}

static int setup(void **state)
{
	int r = testconf_setup(state);

	testconf_write("server.crt", TESTCONF_CERT, 0644);
	testconf_write("server.key", TESTCONF_KEY, 0600);
	testconf_write("alice.crt", TESTCONF_CERT, 0644);
	testconf_write("alice.key", TESTCONF_KEY, 0600);
	return r;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(server_sample_loads_and_its_defaults_are_true),
		cmocka_unit_test(client_sample_loads_and_its_defaults_are_true),
		cmocka_unit_test(server_sample_shows_every_key),
		cmocka_unit_test(client_sample_shows_every_key),
	};

	return cmocka_run_group_tests_name("conf_sample", tests, setup, testconf_teardown);
}
