/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets over loopback, and descriptors passed over a pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "io/sock.h"

static int pair[2];

static int open_pair(void **state)
{
	(void)state;
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair);
}

static int close_pair(void **state)
{
	(void)state;
	close(pair[0]);
	if (pair[1] >= 0)
		close(pair[1]);
	return 0;
}

static struct endpoint at(const char *addr, uint16_t port)
{
	struct endpoint e = { .port = port };

	assert_int_equal(addr_parse(addr, &e.addr), 0);
	return e;
}

static void endpoint_text_has_brackets_for_ipv6_only(void **state)
{
	struct endpoint v4 = at("10.0.0.1", 443), v6 = at("fd00::1", 65535);
	char text[ENDPOINT_TEXT_LEN];

	(void)state;
	assert_string_equal(endpoint_format(&v4, text), "10.0.0.1:443");
	assert_string_equal(endpoint_format(&v6, text), "[fd00::1]:65535");
}

static void wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, 2000), 1);
}

static void connection_carries_bytes_and_tells_both_ends(void **state)
{
	struct endpoint local, peer, to = at("127.0.0.1", 0);
	uint8_t data[8];
	int listener = sock_listen(&to, false), fd = sock_tcp(ADDR_V4), conn;

	(void)state;
	assert_true(listener >= 0 && fd >= 0);
	assert_int_equal(sock_local(listener, &to), 0);
	assert_true(sock_connect(fd, &to) == 0 || sock_error(fd) == 0);
	wait_readable(listener);
	conn = sock_accept(listener, &peer);
	assert_true(conn >= 0);
	assert_int_equal(sock_local(fd, &local), 0);
	assert_memory_equal(&local, &peer, sizeof(peer));
	assert_int_equal(sock_recv(conn, data, sizeof(data)), ERR_AGAIN);
	assert_int_equal(sock_send(fd, (const uint8_t *)"hello", 5), 5);
	wait_readable(conn);
	assert_int_equal(sock_recv(conn, data, sizeof(data)), 5);
	close(fd);
	wait_readable(conn);
	assert_int_equal(sock_recv(conn, data, sizeof(data)), ERR_EOF);
	close(conn);
	close(listener);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

static void little_waits_unsent_and_the_kernel_tunes_the_rest(void **state)
{
	struct endpoint peer, to = at("127.0.0.1", 0);
	int listener = sock_listen(&to, false), ends[2] = { sock_tcp(ADDR_V4) };

	(void)state;
	assert_int_equal(sock_local(listener, &to), 0);
	assert_true(sock_connect(ends[0], &to) == 0 || sock_error(ends[0]) == 0);
	wait_readable(listener);
	ends[1] = sock_accept(listener, &peer);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(option(ends[i], IPPROTO_TCP, TCP_NOTSENT_LOWAT), 128 * 1024);
		assert_int_equal(option(ends[i], SOL_SOCKET, SO_BUF_LOCK), 0); /* neither buffer was ever set */
		close(ends[i]);
	}
	close(listener);
}

static void port_in_use_is_refused_unless_shared(void **state)
{
	struct endpoint to = at("127.0.0.1", 0);
	int first = sock_listen(&to, true), second;

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(sock_local(first, &to), 0);
	assert_int_equal(sock_listen(&to, false), ERR_SYS);
	second = sock_listen(&to, true);
	assert_true(second >= 0);
	close(first);
	close(second);
}

static void accept_without_a_connection_says_again(void **state)
{
	struct endpoint peer, to = at("127.0.0.1", 0);
	int listener = sock_listen(&to, false);

	(void)state;
	assert_int_equal(sock_accept(listener, &peer), ERR_AGAIN);
	close(listener);
}

static void mapped_peer_comes_as_ipv4(void **state)
{
	struct endpoint any = { 0 }, peer, to;
	int listener = sock_listen(&any, false), fd = sock_tcp(ADDR_V4), conn;

	(void)state;
	assert_int_equal(sock_local(listener, &any), 0);
	to = at("127.0.0.1", any.port);
	assert_true(sock_connect(fd, &to) == 0 || sock_error(fd) == 0);
	wait_readable(listener);
	conn = sock_accept(listener, &peer);
	assert_int_equal(peer.addr.family, ADDR_V4);
	close(conn);
	close(fd);
	close(listener);
}

static void descriptor_travels_with_its_message(void **state)
{
	char data[16];
	int pass, fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(sock_send_fd(pair[0], "take", 4, fds[1]), 0);
	close(fds[1]);
	assert_int_equal(sock_recv_fd(pair[1], data, sizeof(data), &pass), 4);
	assert_true(pass >= 0);
	assert_true(fcntl(pass, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(pass, "x", 1), 1);
	assert_int_equal(read(fds[0], data, 1), 1);
	close(pass);
	close(fds[0]);
}

static void message_without_descriptor_gives_none(void **state)
{
	char data[16];
	int pass = 0;

	(void)state;
	assert_int_equal(sock_recv_fd(pair[1], data, sizeof(data), &pass), ERR_AGAIN);
	assert_int_equal(sock_send_fd(pair[0], "plain", 5, -1), 0);
	assert_int_equal(sock_recv_fd(pair[1], data, sizeof(data), &pass), 5);
	assert_int_equal(pass, -1);
}

static void message_over_the_room_is_refused(void **state)
{
	char data[4];
	int pass;

	(void)state;
	assert_int_equal(sock_send_fd(pair[0], "12345", 5, pair[0]), 0);
	assert_int_equal(sock_recv_fd(pair[1], data, sizeof(data), &pass), ERR_TOO_BIG);
	assert_int_equal(pass, -1);
}

static void closed_end_is_end_of_file(void **state)
{
	char data[4];
	int pass;

	(void)state;
	close(pair[1]);
	pair[1] = -1;
	assert_int_equal(sock_recv_fd(pair[0], data, sizeof(data), &pass), ERR_EOF);
	assert_int_equal(sock_send_fd(pair[0], "x", 1, -1), ERR_SYS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoint_text_has_brackets_for_ipv6_only),
		cmocka_unit_test(connection_carries_bytes_and_tells_both_ends),
		cmocka_unit_test(little_waits_unsent_and_the_kernel_tunes_the_rest),
		cmocka_unit_test(port_in_use_is_refused_unless_shared),
		cmocka_unit_test(accept_without_a_connection_says_again),
		cmocka_unit_test(mapped_peer_comes_as_ipv4),
		cmocka_unit_test_setup_teardown(descriptor_travels_with_its_message, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(message_without_descriptor_gives_none, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(message_over_the_room_is_refused, open_pair, close_pair),
		cmocka_unit_test_setup_teardown(closed_end_is_end_of_file, open_pair, close_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
