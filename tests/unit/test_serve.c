/* SPDX-License-Identifier: Apache-2.0 */
/* How the monitor serves an engine: a gateway's, whose hooks are none, or a client's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>
#include <cmocka.h>

#include "base/err.h"
#include "conf/conf.h"
#include "io/sock.h"
#include "monitor/message.h"
#include "monitor/serve.h"

enum { REQUESTS = 100, A_TURN = 64 };

static struct conf conf;
static uv_loop_t loop;
static struct serve *serve;
static int engine_fd;
static int broken;

static void on_broken(void *arg)
{
	(void)arg;
	broken++;
}

static int begin(void **state)
{
	static const struct privilege user;
	int ends[2];

	(void)state;
	conf = (struct conf){ .role = CONF_SERVER };
	broken = 0;
	uv_loop_init(&loop);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends) < 0)
		return -1;
	engine_fd = ends[1];
	serve = serve_new(&loop, ends[0], &conf, NULL, &user, "adit0", on_broken, NULL);
	return serve ? 0 : -1;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
	(void)arg;
	uv_close(handle, NULL);
}

static int end(void **state)
{
	(void)state;
	serve_drain(serve);
	uv_walk(&loop, close_handle, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	serve_free(serve);
	close(engine_fd);
	return uv_loop_close(&loop);
}

static union message hook_message(void)
{
	return (union message){ .hook = { { MESSAGE_HOOK, 1 }, { .connect = 1, .name = "x" } } };
}

static void request(const union message *m)
{
	assert_int_equal(sock_send_fd(engine_fd, m, message_len(m->header.type), -1), 0);
}

static void turn(void)
{
	uv_run(&loop, UV_RUN_NOWAIT);
}

static unsigned answers(void)
{
	union message m;
	unsigned n = 0;
	int fd;

	while (sock_recv_fd(engine_fd, &m, sizeof(m), &fd) > 0)
		n++;
	return n;
}

static void busy_engine_gets_its_share_of_a_turn(void **state)
{
	union message m = hook_message();
	int i;

	(void)state;
	for (i = 0; i < REQUESTS; i++)
		request(&m);
	turn();
	assert_int_equal(answers(), A_TURN);
	turn();
	assert_int_equal(answers(), REQUESTS - A_TURN);
	assert_false(broken);
}

static void malformed_request_ends_the_engine(void **state)
{
	union message m = hook_message();

	(void)state;
	m.hook.facts.connect = 2;
	request(&m);
	turn();
	assert_int_equal(answers(), 0);
	assert_int_equal(broken, 1);
}

/* A client asks for a socket. Return: the descriptor that came with the answer, -1 when the engine was cut off. */
static int ask_for(enum ask_socket_kind kind, enum addr_family family)
{
	union message m = { .socket = { { MESSAGE_SOCKET, 7 }, kind, family } };
	int fd, n;

	request(&m);
	turn();
	n = sock_recv_fd(engine_fd, &m, sizeof(m), &fd);
	if (n < 0)
		return -1;
	assert_int_equal(m.answer.header.id, 7);
	assert_int_equal(m.answer.result, 0);
	return fd;
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &value, &len), 0);
	return value;
}

static void client_gets_the_socket_it_asks_for(void **state)
{
	static const struct {
		enum ask_socket_kind kind;
		enum addr_family family;
		int type, domain;
	} wanted[] = {
		{ ASK_STREAM, ADDR_V4, SOCK_STREAM, AF_INET },
		{ ASK_STREAM, ADDR_V6, SOCK_STREAM, AF_INET6 },
		{ ASK_DATAGRAM, ADDR_V4, SOCK_DGRAM, AF_INET },
		{ ASK_DATAGRAM, ADDR_V6, SOCK_DGRAM, AF_INET6 },
	};

	(void)state;
	conf.role = CONF_CLIENT;
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int fd = ask_for(wanted[i].kind, wanted[i].family);

		assert_true(fd >= 0);
		assert_int_equal(option(fd, SO_TYPE), wanted[i].type);
		assert_int_equal(option(fd, SO_DOMAIN), wanted[i].domain);
		close(fd);
	}
	assert_false(broken);
}

static void client_without_datagrams_may_not_ask_for_their_socket(void **state)
{
	(void)state;
	conf.role = CONF_CLIENT;
	conf.transport = CONF_TRANSPORT_TLS;
	close(ask_for(ASK_STREAM, ADDR_V4));
	assert_false(broken);
	assert_int_equal(ask_for(ASK_DATAGRAM, ADDR_V4), -1);
	assert_int_equal(broken, 1);
}

static void gateway_opens_no_sockets_by_request(void **state)
{
	(void)state;
	assert_int_equal(ask_for(ASK_DATAGRAM, ADDR_V4), -1);
	assert_int_equal(broken, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(busy_engine_gets_its_share_of_a_turn, begin, end),
		cmocka_unit_test_setup_teardown(malformed_request_ends_the_engine, begin, end),
		cmocka_unit_test_setup_teardown(client_gets_the_socket_it_asks_for, begin, end),
		cmocka_unit_test_setup_teardown(client_without_datagrams_may_not_ask_for_their_socket, begin, end),
		cmocka_unit_test_setup_teardown(gateway_opens_no_sockets_by_request, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
