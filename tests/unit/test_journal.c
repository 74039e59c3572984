/* SPDX-License-Identifier: Apache-2.0 */
/* The journal of changes to undo, over a crash and without one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "monitor/journal.h"

static char folder[64], path[96], undone[256];

static void undo(void *arg, const char *text)
{
	(void)arg;
	strcat(undone, text);
	strcat(undone, ";");
}

static const struct journal_kind kinds[] = { { "thing", undo }, { NULL, NULL } };

static int begin(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/test_journal.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/journal", folder);
	undone[0] = '\0';
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static struct journal *open_new(void)
{
	struct journal *j = NULL;

	assert_int_equal(journal_open(path, kinds, NULL, &j), 0);
	return j;
}

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	chmod(path, 0600);
}

static void close_undoes_in_reverse_and_removes_the_file(void **state)
{
	struct journal *j = open_new();

	(void)state;
	assert_int_equal(journal_add(j, "thing", "one"), 0);
	assert_int_equal(journal_add(j, "thing", "two words"), 0);
	assert_int_equal(access(path, F_OK), 0);
	journal_close(j);
	assert_string_equal(undone, "two words;one;");
	assert_int_not_equal(access(path, F_OK), 0);
}

static void next_start_undoes_what_was_left(void **state)
{
	struct journal *j;

	(void)state;
	write_file("thing one\nthing two\n");
	j = open_new();
	assert_true(journal_recovered(j));
	assert_string_equal(undone, "two;one;");
	journal_close(j);
	assert_string_equal(undone, "two;one;");
}

static void clean_start_has_recovered_nothing(void **state)
{
	struct journal *j = open_new();

	(void)state;
	assert_false(journal_recovered(j));
	journal_close(j);
}

static void line_cut_short_by_a_crash_is_passed_over(void **state)
{
	(void)state;
	write_file("thing one\nthing tw");
	journal_close(open_new());
	assert_string_equal(undone, "one;");
}

static void unknown_kind_is_passed_over(void **state)
{
	(void)state;
	write_file("other x\nthing one\nthing\n");
	journal_close(open_new());
	assert_string_equal(undone, "one;");
}

static void undone_entry_is_forgotten_in_the_file_too(void **state)
{
	struct journal *j = open_new();
	char text[64] = "";
	FILE *f;

	(void)state;
	journal_add(j, "thing", "one");
	journal_add(j, "thing", "two");
	journal_undo(j, "thing", "one");
	assert_string_equal(undone, "one;");
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fread(text, 1, sizeof(text) - 1, f), strlen("thing two\n"));
	fclose(f);
	assert_string_equal(text, "thing two\n");
	journal_close(j);
	assert_string_equal(undone, "one;two;");
}

static void forgotten_entry_is_never_undone(void **state)
{
	struct journal *j = open_new();
	struct stat st;

	(void)state;
	journal_add(j, "thing", "one");
	journal_forget(j, "thing", "one");
	journal_forget(j, "thing", "never there");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 0);
	journal_close(j);
	assert_string_equal(undone, "");
}

static void same_entry_is_kept_once(void **state)
{
	struct journal *j = open_new();

	(void)state;
	journal_add(j, "thing", "one");
	journal_add(j, "thing", "one");
	journal_close(j);
	assert_string_equal(undone, "one;");
}

static void journal_that_others_may_write_is_refused(void **state)
{
	struct journal *j = NULL;

	(void)state;
	write_file("thing one\n");
	chmod(path, 0622);
	assert_int_equal(journal_open(path, kinds, NULL, &j), ERR_DENIED);
	assert_string_equal(undone, "");
}

static void journal_is_for_its_owner_only(void **state)
{
	struct journal *j = open_new();
	struct stat st;

	(void)state;
	journal_add(j, "thing", "one");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	journal_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(close_undoes_in_reverse_and_removes_the_file, begin, end),
		cmocka_unit_test_setup_teardown(next_start_undoes_what_was_left, begin, end),
		cmocka_unit_test_setup_teardown(clean_start_has_recovered_nothing, begin, end),
		cmocka_unit_test_setup_teardown(line_cut_short_by_a_crash_is_passed_over, begin, end),
		cmocka_unit_test_setup_teardown(unknown_kind_is_passed_over, begin, end),
		cmocka_unit_test_setup_teardown(undone_entry_is_forgotten_in_the_file_too, begin, end),
		cmocka_unit_test_setup_teardown(forgotten_entry_is_never_undone, begin, end),
		cmocka_unit_test_setup_teardown(same_entry_is_kept_once, begin, end),
		cmocka_unit_test_setup_teardown(journal_that_others_may_write_is_refused, begin, end),
		cmocka_unit_test_setup_teardown(journal_is_for_its_owner_only, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
