/* SPDX-License-Identifier: Apache-2.0 */
/* Who may change state through the control socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/rights.h"

enum { OWN_UID = 900, GROUP = 50, OTHER = 1000 };

static const struct rights with_group = { .uid = OWN_UID, .has_group = true, .group = GROUP };
static const struct rights without_group = { .uid = OWN_UID, .group = GROUP };

static struct caller_groups caller(uid_t uid, gid_t primary, gid_t supplementary)
{
	return (struct caller_groups){ .uid = uid, .gids = { primary, supplementary }, .len = 2 };
}

static void root_is_allowed(void **state)
{
	struct caller_groups who = caller(0, 0, 0);

	(void)state;
	assert_true(rights_allow(&without_group, &who));
}

static void own_user_is_allowed(void **state)
{
	struct caller_groups who = caller(OWN_UID, OTHER, OTHER);

	(void)state;
	assert_true(rights_allow(&without_group, &who));
}

static void member_of_the_group_is_allowed(void **state)
{
	struct caller_groups primary = caller(OTHER, GROUP, OTHER), supplementary = caller(OTHER, OTHER, GROUP);

	(void)state;
	assert_true(rights_allow(&with_group, &primary));
	assert_true(rights_allow(&with_group, &supplementary));
}

static void others_are_not_allowed(void **state)
{
	struct caller_groups who = caller(OTHER, OTHER, OTHER);

	(void)state;
	assert_false(rights_allow(&with_group, &who));
}

static void group_counts_only_when_the_socket_has_one(void **state)
{
	struct caller_groups who = caller(OTHER, GROUP, GROUP);

	(void)state;
	assert_false(rights_allow(&without_group, &who));
}

/* What rights_init() says of a socket whose file has a mode. */
static struct rights rights_of_mode(mode_t mode)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	char dir[] = "/tmp/adit-rights-XXXXXX";
	struct rights r;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_non_null(mkdtemp(dir));
	snprintf(name.sun_path, sizeof(name.sun_path), "%s/sock", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	assert_int_equal(chmod(name.sun_path, mode), 0);
	rights_init(&r, fd);
	close(fd);
	unlink(name.sun_path);
	rmdir(dir);
	return r;
}

static void group_that_may_write_is_learnt_from_the_file(void **state)
{
	struct rights r = rights_of_mode(0660);

	(void)state;
	assert_true(r.has_group);
	assert_int_equal(r.group, getegid());
	assert_int_equal(r.uid, getuid());
}

static void group_that_may_not_write_is_none(void **state)
{
	struct rights r = rights_of_mode(0600);

	(void)state;
	assert_false(r.has_group);
}

static void socket_without_a_file_has_no_group(void **state)
{
	struct rights r;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	rights_init(&r, fd);
	assert_false(r.has_group);
	close(fd);
}

static void caller_is_who_connected(void **state)
{
	struct caller_groups who;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(rights_caller(ends[0], &who), 0);
	assert_int_equal(who.uid, geteuid());
	assert_int_equal(who.gids[0], getegid());
	assert_int_equal(who.len, 1 + getgroups(0, NULL));
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_is_allowed),
		cmocka_unit_test(own_user_is_allowed),
		cmocka_unit_test(member_of_the_group_is_allowed),
		cmocka_unit_test(others_are_not_allowed),
		cmocka_unit_test(group_counts_only_when_the_socket_has_one),
		cmocka_unit_test(group_that_may_write_is_learnt_from_the_file),
		cmocka_unit_test(group_that_may_not_write_is_none),
		cmocka_unit_test(socket_without_a_file_has_no_group),
		cmocka_unit_test(caller_is_who_connected),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
