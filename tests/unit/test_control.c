/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket, with callers in the same thread: the loop is turned by hand, nobody waits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "server/control.h"
#include "server/report.h"

enum { TURNS = 20, TURNS_MAX = 10000 };

static struct fixture {
	uv_loop_t loop;
	struct control *control;
	char dir[32];
	struct sockaddr_un name;
	/* what the engine does and sees */
	size_t sessions;
	char disconnected[65], rekeyed[65];
	int told;
} f;

static json_t *op_sessions(void *arg)
{
	struct fixture *engine = arg;
	json_t *list = json_array();
	char name[32];
	size_t i;

	for (i = 0; i < engine->sessions; i++) {
		snprintf(name, sizeof(name), "peer%zu", i);
		json_array_append_new(list, json_pack("{s:s, s:i, s:n, s:{s:s}}", "name", name, "generation", 3, "ipv4",
						      "tls", "peer_share", "abcd"));
	}
	return list;
}

static json_t *op_status(void *arg)
{
	return report_status("server", NULL, 0, op_sessions(arg));
}

static int op_disconnect(void *arg, const char *name)
{
	struct fixture *engine = arg;

	snprintf(engine->disconnected, sizeof(engine->disconnected), "%s", name);
	return engine->told;
}

static int op_rekey(void *arg, const char *name)
{
	struct fixture *engine = arg;

	snprintf(engine->rekeyed, sizeof(engine->rekeyed), "%s", name ? name : "(all)");
	return engine->told;
}

static const struct control_ops ops = { op_status, op_sessions, op_disconnect, op_rekey };

static int setup(void **state)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	(void)state;
	f = (struct fixture){ .dir = "/tmp/adit-control-XXXXXX", .name.sun_family = AF_UNIX, .told = 1 };
	if (!mkdtemp(f.dir))
		return -1;
	snprintf(f.name.sun_path, sizeof(f.name.sun_path), "%s/sock", f.dir);
	uv_loop_init(&f.loop);
	if (bind(fd, (struct sockaddr *)&f.name, sizeof(f.name)) < 0 || listen(fd, CONTROL_CALLERS_MAX) < 0)
		return -1;
	f.control = control_open(&f.loop, fd, &ops, &f);
	return f.control ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	control_close(f.control);
	uv_run(&f.loop, UV_RUN_DEFAULT);
	unlink(f.name.sun_path);
	rmdir(f.dir);
	return uv_loop_close(&f.loop);
}

static void turn(void)
{
	int i;

	for (i = 0; i < TURNS; i++)
		uv_run(&f.loop, UV_RUN_NOWAIT);
}

static int call(void)
{
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&f.name, sizeof(f.name)), 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	turn();
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	turn();
}

/* One line without its newline, byte for byte so that nothing behind it is taken. Return: false at the end. */
static bool hear(int fd, struct buf *line)
{
	int turns = 0;
	char c;

	buf_clear(line);
	for (;;) {
		ssize_t n = recv(fd, &c, 1, 0);

		if (n < 0 && errno == EAGAIN) {
			assert_true(turns++ < TURNS_MAX);
			uv_run(&f.loop, UV_RUN_NOWAIT);
		} else if (n <= 0) {
			return false;
		} else if (c == '\n') {
			return true;
		} else {
			buf_append(line, &c, 1);
		}
	}
}

static json_t *hear_json(int fd)
{
	struct buf line = BUF_INIT;
	json_t *o;

	assert_true(hear(fd, &line));
	o = json_loadb((char *)buf_data(&line), buf_len(&line), 0, NULL);
	assert_non_null(o);
	buf_fini(&line);
	return o;
}

static void assert_ended(int fd)
{
	struct buf line = BUF_INIT;

	assert_false(hear(fd, &line));
	assert_int_equal(buf_len(&line), 0);
	buf_fini(&line);
	close(fd);
}

static bool is_silent(int fd)
{
	char c;

	turn();
	return recv(fd, &c, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Call, ask, and take the one answer. */
static json_t *ask(const char *request)
{
	int fd = call();
	json_t *o;

	say(fd, request);
	o = hear_json(fd);
	assert_ended(fd);
	return o;
}

static void assert_text(json_t *o, const char *key, const char *text)
{
	assert_string_equal(json_string_value(json_object_get(o, key)), text);
}

static void assert_error(json_t *o, const char *text)
{
	assert_text(o, "error", text);
	json_decref(o);
}

static void assert_event(int fd, const char *event)
{
	json_t *o = hear_json(fd);

	assert_text(o, "event", event);
	json_decref(o);
}

static int follow(void)
{
	int fd = call();

	say(fd, "{\"command\": \"events\"}\n");
	return fd;
}

static void status_is_answered(void **state)
{
	json_t *o = ask("{\"command\": \"status\"}\n");

	(void)state;
	assert_text(o, "role", "server");
	json_decref(o);
}

static void sessions_are_answered(void **state)
{
	json_t *o;

	(void)state;
	f.sessions = 2;
	o = ask("{\"command\": \"sessions\"}\n");
	assert_int_equal(json_array_size(o), 2);
	json_decref(o);
}

static void request_in_pieces_is_answered(void **state)
{
	int fd = call();
	json_t *o;

	(void)state;
	say(fd, "{\"command\":");
	say(fd, "\"sessions\"}");
	assert_true(is_silent(fd));
	say(fd, "\n");
	o = hear_json(fd);
	assert_true(json_is_array(o));
	json_decref(o);
	assert_ended(fd);
}

static void malformed_request_gets_an_error(void **state)
{
	(void)state;
	assert_error(ask("status\n"), "a request is {\"command\": \"...\", \"name\": \"...\"}");
	assert_error(ask("{\"command\": \"reboot\"}\n"), "unknown command");
}

static void request_that_is_too_long_gets_an_error(void **state)
{
	char line[CONTROL_REQUEST_MAX + 1];

	(void)state;
	memset(line, ' ', CONTROL_REQUEST_MAX);
	line[CONTROL_REQUEST_MAX] = '\0';
	assert_error(ask(line), "the request is too long");
}

static void disconnect_reaches_the_engine(void **state)
{
	json_t *o = ask("{\"command\": \"disconnect\", \"name\": \"berlin\"}\n");

	(void)state;
	assert_int_equal(json_integer_value(json_object_get(o, "sessions")), 1);
	assert_string_equal(f.disconnected, "berlin");
	json_decref(o);
}

static void disconnect_of_nobody_is_an_error(void **state)
{
	(void)state;
	f.told = 0;
	assert_error(ask("{\"command\": \"disconnect\", \"name\": \"nobody\"}\n"), "no such session");
}

static void rekey_without_name_means_all(void **state)
{
	(void)state;
	json_decref(ask("{\"command\": \"rekey\"}\n"));
	assert_string_equal(f.rekeyed, "(all)");
	json_decref(ask("{\"command\": \"rekey\", \"name\": \"berlin\"}\n"));
	assert_string_equal(f.rekeyed, "berlin");
}

static void events_begin_with_the_sessions_and_ready(void **state)
{
	json_t *o;
	int fd;

	(void)state;
	f.sessions = 1;
	fd = follow();
	o = hear_json(fd);
	assert_text(o, "event", "session");
	assert_text(o, "name", "peer0");
	assert_text(o, "peer_share", "abcd");
	assert_int_equal(json_integer_value(json_object_get(o, "generation")), 3);
	assert_null(json_object_get(o, "ipv4"));
	json_decref(o);
	assert_event(fd, "ready");
	assert_true(is_silent(fd));
	close(fd);
}

static void events_are_told_to_all_who_follow(void **state)
{
	int one = follow(), two = follow();

	(void)state;
	control_event(f.control, report_event("up", NULL, "berlin", NULL));
	assert_event(one, "ready");
	assert_event(one, "up");
	assert_event(two, "ready");
	assert_event(two, "up");
	close(one);
	close(two);
}

static void events_are_not_told_to_others(void **state)
{
	int fd = call();

	(void)state;
	control_event(f.control, report_event("up", NULL, "berlin", NULL));
	assert_true(is_silent(fd));
	close(fd);
}

static void event_without_control_is_freed(void **state)
{
	(void)state;
	control_event(NULL, report_event("up", NULL, "berlin", NULL));
	control_event(f.control, NULL);
}

static void follower_that_does_not_read_is_dropped(void **state)
{
	char reason[1024] = "";
	int slow = follow(), fast = follow(), i;
	struct buf line = BUF_INIT;

	(void)state;
	memset(reason, 'r', sizeof(reason) - 1);
	assert_event(fast, "ready");
	for (i = 0; i < 2 * CONTROL_BACKLOG_MAX / (int)sizeof(reason); i++) {
		control_event(f.control, report_event("down", NULL, "berlin", reason));
		assert_event(fast, "down");
	}
	turn();
	for (i = 0; hear(slow, &line);)
		i++;
	assert_in_range(i, 1, 2 * CONTROL_BACKLOG_MAX / (int)sizeof(reason) - 1);
	assert_true(is_silent(fast));
	buf_fini(&line);
	close(slow);
	close(fast);
}

static void answer_beyond_the_backlog_reaches_a_slow_reader(void **state)
{
	int fd = call();
	json_t *o;

	(void)state;
	f.sessions = 30000;
	say(fd, "{\"command\": \"sessions\"}\n");
	o = hear_json(fd);
	assert_int_equal(json_array_size(o), 30000);
	json_decref(o);
	assert_ended(fd);
}

static void newest_caller_beyond_the_limit_is_refused(void **state)
{
	int fds[CONTROL_CALLERS_MAX], one_more, i;

	(void)state;
	for (i = 0; i < CONTROL_CALLERS_MAX; i++)
		fds[i] = follow();
	one_more = call();
	assert_error(hear_json(one_more), "too many callers");
	assert_ended(one_more);
	assert_event(fds[0], "ready");
	for (i = 0; i < CONTROL_CALLERS_MAX; i++)
		close(fds[i]);
}

static void oldest_caller_that_has_not_asked_gives_way(void **state)
{
	int fds[CONTROL_CALLERS_MAX], i;

	(void)state;
	fds[0] = follow();
	for (i = 1; i < CONTROL_CALLERS_MAX; i++)
		fds[i] = call();
	json_decref(ask("{\"command\": \"status\"}\n"));
	assert_ended(fds[1]);
	assert_event(fds[0], "ready");
	assert_true(is_silent(fds[2]));
	close(fds[0]);
	for (i = 2; i < CONTROL_CALLERS_MAX; i++)
		close(fds[i]);
}

/* The loop's descriptor is readable as long as something waits to be looked at. */
static bool is_busy(void)
{
	struct pollfd loop = { .fd = uv_backend_fd(&f.loop), .events = POLLIN };

	turn();
	return poll(&loop, 1, 0) > 0;
}

static void caller_without_a_descriptor_waits_and_the_loop_rests(void **state)
{
	struct rlimit limit, none;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	json_t *o;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	none = (struct rlimit){ (rlim_t)fd, limit.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&f.name, sizeof(f.name)), 0);
	assert_false(is_busy());
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	say(fd, "{\"command\": \"status\"}\n");
	while (recv(fd, (char[1]){ 0 }, 1, MSG_PEEK | MSG_DONTWAIT) < 0)
		uv_run(&f.loop, UV_RUN_ONCE);
	o = hear_json(fd);
	assert_text(o, "role", "server");
	json_decref(o);
	assert_ended(fd);
}

static void caller_that_leaves_makes_room(void **state)
{
	int fds[CONTROL_CALLERS_MAX], i;

	(void)state;
	for (i = 0; i < CONTROL_CALLERS_MAX; i++)
		fds[i] = i % 2 ? follow() : call();
	for (i = 0; i < CONTROL_CALLERS_MAX; i++)
		close(fds[i]);
	turn();
	json_decref(ask("{\"command\": \"status\"}\n"));
}

static void caller_that_leaves_before_its_answer_harms_nobody(void **state)
{
	int fd = call();

	(void)state;
	f.sessions = 30000;
	say(fd, "{\"command\": \"sessions\"}\n");
	close(fd);
	turn();
	f.sessions = 1;
	json_decref(ask("{\"command\": \"sessions\"}\n"));
}

static void closing_drops_followers(void **state)
{
	int fd = follow();

	(void)state;
	assert_event(fd, "ready");
	control_close(f.control);
	f.control = NULL;
	turn();
	assert_ended(fd);
}

#define behaviour(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		behaviour(status_is_answered),
		behaviour(sessions_are_answered),
		behaviour(request_in_pieces_is_answered),
		behaviour(malformed_request_gets_an_error),
		behaviour(request_that_is_too_long_gets_an_error),
		behaviour(disconnect_reaches_the_engine),
		behaviour(disconnect_of_nobody_is_an_error),
		behaviour(rekey_without_name_means_all),
		behaviour(events_begin_with_the_sessions_and_ready),
		behaviour(events_are_told_to_all_who_follow),
		behaviour(events_are_not_told_to_others),
		behaviour(event_without_control_is_freed),
		behaviour(follower_that_does_not_read_is_dropped),
		behaviour(answer_beyond_the_backlog_reaches_a_slow_reader),
		behaviour(newest_caller_beyond_the_limit_is_refused),
		behaviour(oldest_caller_that_has_not_asked_gives_way),
		behaviour(caller_without_a_descriptor_waits_and_the_loop_rests),
		behaviour(caller_that_leaves_makes_room),
		behaviour(caller_that_leaves_before_its_answer_harms_nobody),
		behaviour(closing_drops_followers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
