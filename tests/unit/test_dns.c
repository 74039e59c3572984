/* SPDX-License-Identifier: Apache-2.0 */
/* A resolv.conf rewritten and restored. */
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
#include "base/log.h"
#include "monitor/dns.h"
#include "monitor/journal.h"

static const struct journal_kind kinds[] = { { DNS_FILE, dns_undo_file }, { NULL, NULL } };

static char folder[64], path[96], journal_path[96], link_path[96], content[256];
static struct dns dns;
static struct buf ours;

static void write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *read_file(void)
{
	FILE *f = fopen(path, "r");

	assert_non_null(f);
	content[fread(content, 1, sizeof(content) - 1, f)] = '\0';
	fclose(f);
	return content;
}

static int begin(void **state)
{
	(void)state;
	log_init(LOG_LEVEL_ERR, "test");
	strcpy(folder, "/tmp/test_dns.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/resolv.conf", folder);
	snprintf(journal_path, sizeof(journal_path), "%s/journal", folder);
	snprintf(link_path, sizeof(link_path), "%s/link", folder);
	dns_init(&dns, NULL, "adit0");
	ours = (struct buf)BUF_INIT;
	buf_printf(&ours, "nameserver 10.0.0.1\n");
	return journal_open(journal_path, kinds, NULL, &dns.journal);
}

static int end(void **state)
{
	(void)state;
	dns_fini(&dns);
	buf_fini(&ours);
	unlink(link_path);
	unlink(path);
	return rmdir(folder);
}

static void finish(void)
{
	journal_close(dns.journal);
}

static void original_comes_back(void **state)
{
	struct stat st;

	(void)state;
	write_file("nameserver 9.9.9.9\n");
	chmod(path, 0640);
	assert_int_equal(dns_file_set(&dns, path, &ours), 0);
	assert_string_equal(read_file(), "nameserver 10.0.0.1\n");
	finish();
	assert_string_equal(read_file(), "nameserver 9.9.9.9\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
}

static void missing_file_is_missing_again(void **state)
{
	(void)state;
	assert_int_equal(dns_file_set(&dns, path, &ours), 0);
	assert_string_equal(read_file(), "nameserver 10.0.0.1\n");
	finish();
	assert_int_not_equal(access(path, F_OK), 0);
}

static void empty_file_is_empty_again(void **state)
{
	(void)state;
	write_file("");
	assert_int_equal(dns_file_set(&dns, path, &ours), 0);
	finish();
	assert_string_equal(read_file(), "");
}

static void words_of_somebody_else_stay(void **state)
{
	(void)state;
	write_file("nameserver 9.9.9.9\n");
	assert_int_equal(dns_file_set(&dns, path, &ours), 0);
	write_file("nameserver 1.1.1.1\n");
	finish();
	assert_string_equal(read_file(), "nameserver 1.1.1.1\n");
}

static void link_stays_a_link(void **state)
{
	struct stat st;

	(void)state;
	write_file("nameserver 9.9.9.9\n");
	assert_int_equal(symlink("resolv.conf", link_path), 0);
	assert_int_equal(dns_file_set(&dns, link_path, &ours), 0);
	assert_string_equal(read_file(), "nameserver 10.0.0.1\n");
	assert_int_equal(lstat(link_path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	finish();
	assert_string_equal(read_file(), "nameserver 9.9.9.9\n");
}

static void text_lists_servers_and_domains(void **state)
{
	static struct plan plan;
	struct buf text = BUF_INIT;

	(void)state;
	prefix_parse("10.0.0.1", &plan.dns.items[0]);
	prefix_parse("fd00::1", &plan.dns.items[1]);
	plan.dns.len = 2;
	plan.domains[0] = "corp.example";
	plan.domains[1] = "lab.example";
	plan.domains_len = 2;
	assert_int_equal(dns_text(&plan, &text), 0);
	buf_append(&text, "", 1);
	assert_non_null(strstr((char *)buf_data(&text), "nameserver 10.0.0.1\nnameserver fd00::1\n"));
	assert_non_null(strstr((char *)buf_data(&text), "\nsearch corp.example lab.example\n"));
	buf_fini(&text);
	finish();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(original_comes_back, begin, end),
		cmocka_unit_test_setup_teardown(missing_file_is_missing_again, begin, end),
		cmocka_unit_test_setup_teardown(empty_file_is_empty_again, begin, end),
		cmocka_unit_test_setup_teardown(words_of_somebody_else_stay, begin, end),
		cmocka_unit_test_setup_teardown(link_stays_a_link, begin, end),
		cmocka_unit_test_setup_teardown(text_lists_servers_and_domains, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
