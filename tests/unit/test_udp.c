/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams in batches over loopback, with the kernel's offloads and without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/err.h"
#include "io/udp.h"

enum { RECORDS_MAX = 256, BYTES_MAX = 256 * 1024 };

static uint8_t records[BYTES_MAX];
static uint8_t rooms[UDP_RECV_MAX][UDP_RECV_ROOM];
static struct udp server, client;

/* What has arrived, put together again. */
static struct {
	uint8_t bytes[BYTES_MAX];
	size_t len, lengths[RECORDS_MAX], records, buffers;
	struct endpoint peer;
	struct addr local;
} arrived;

/* ---- a kernel that refuses ---- */

static struct {
	int calls, refuse, why; /* made since setup(), of the next ones, and the errno of these */
} kernel;

/* In place of the C library's. */
ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	kernel.calls++;
	if (!kernel.refuse)
		return syscall(SYS_sendmsg, fd, msg, flags);
	kernel.refuse--;
	errno = kernel.why;
	return -1;
}

static void refuse(int calls, int why)
{
	kernel.calls = 0;
	kernel.refuse = calls;
	kernel.why = why;
}

/* ---- two ends ---- */

static struct addr addr(const char *text)
{
	struct addr a;

	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

/* The gateway at @at, "*" for all addresses, and a client that is connected to it by @to. */
static void open_ends(const char *at, const char *to, bool gso, bool gro)
{
	struct endpoint e = { .addr = *at == '*' ? (struct addr){ 0 } : addr(at) };
	int fds[2];

	fds[0] = udp_listen(&e, false);
	assert_true(fds[0] >= 0);
	assert_int_equal(sock_local(fds[0], &e), 0);
	e.addr = addr(to);
	fds[1] = udp_open(e.addr.family);
	assert_true(fds[1] >= 0);
	assert_int_equal(sock_connect(fds[1], &e), 0);
	assert_int_equal(udp_init(&server, fds[0], gso, gro), 0);
	assert_int_equal(udp_init(&client, fds[1], gso, gro), 0);
}

static int setup(void **state)
{
	(void)state;
	server.fd = client.fd = -1;
	memset(&arrived, 0, sizeof(arrived));
	refuse(0, 0);
	for (size_t i = 0; i < sizeof(records); i++)
		records[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	close(server.fd);
	close(client.fd);
	return 0;
}

static struct udp_batch batch(size_t len, size_t stride)
{
	return (struct udp_batch){ .records = records, .len = len, .stride = stride };
}

static void take(const struct udp_received *got)
{
	arrived.buffers++;
	arrived.peer = got->peer;
	arrived.local = got->local;
	for (size_t at = 0; at < got->len; at += got->stride)
		arrived.lengths[arrived.records++] = got->len - at < got->stride ? got->len - at : got->stride;
	memcpy(arrived.bytes + arrived.len, got->data, got->len);
	arrived.len += got->len;
}

static bool is_readable(const struct udp *u, int ms)
{
	struct pollfd p = { .fd = u->fd, .events = POLLIN };

	return poll(&p, 1, ms) == 1;
}

/* Receives until so many bytes are there. */
static void receive(const struct udp *u, size_t len)
{
	struct udp_received got[UDP_RECV_MAX];
	int i, n;

	for (i = 0; i < UDP_RECV_MAX; i++)
		got[i].data = rooms[i];
	while (arrived.len < len) {
		assert_true(is_readable(u, 2000));
		n = udp_recv_batch(u, got, UDP_RECV_MAX);
		assert_true(n > 0);
		for (i = 0; i < n; i++)
			take(&got[i]);
	}
	assert_int_equal(udp_recv_batch(u, got, UDP_RECV_MAX), ERR_AGAIN);
}

static void check_arrived(size_t len, size_t stride)
{
	assert_int_equal(arrived.len, len);
	assert_memory_equal(arrived.bytes, records, len);
	assert_int_equal(arrived.records, (len + stride - 1) / stride);
	for (size_t i = 0; i + 1 < arrived.records; i++)
		assert_int_equal(arrived.lengths[i], stride);
}

static void send_all(struct udp *u, const struct udp_batch *b)
{
	struct udp_sent sent;

	assert_int_equal(udp_send_batch(u, b, &sent), 0);
	assert_int_equal(sent.records, (b->len + b->stride - 1) / b->stride);
	assert_int_equal(sent.refused, 0);
	assert_false(sent.gso_off || sent.too_big);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &len), 0);
	return value;
}

/* ---- sockets ---- */

static void packets_are_never_fragmented_and_icmp_is_not_believed(void **state)
{
	(void)state;
	open_ends("*", "127.0.0.1", true, true);
	assert_int_equal(option(server.fd, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
	assert_int_equal(option(server.fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER), IPV6_PMTUDISC_PROBE);
	assert_int_equal(option(server.fd, IPPROTO_IPV6, IPV6_DONTFRAG), 1);
	assert_int_equal(option(client.fd, IPPROTO_IP, IP_MTU_DISCOVER), IP_PMTUDISC_PROBE);
	assert_int_equal(option(client.fd, IPPROTO_IP, IP_RECVERR), 0);
	assert_true(fcntl(server.fd, F_GETFD) & FD_CLOEXEC && fcntl(client.fd, F_GETFL) & O_NONBLOCK);
}

static void buffers_grow_as_far_as_we_may(void **state)
{
	int plain = socket(AF_INET, SOCK_DGRAM, 0), before = option(plain, SOL_SOCKET, SO_RCVBUF);

	(void)state;
	close(plain);
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	assert_true(option(server.fd, SOL_SOCKET, SO_RCVBUF) > before);
	assert_true(option(client.fd, SOL_SOCKET, SO_RCVBUF) > before);
	assert_true(option(client.fd, SOL_SOCKET, SO_SNDBUF) > before);
}

static void datagram_port_in_use_is_refused_unless_shared(void **state)
{
	struct endpoint at = { .addr = addr("127.0.0.1") };
	int first = udp_listen(&at, true), second;

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(sock_local(first, &at), 0);
	assert_int_equal(udp_listen(&at, false), ERR_SYS);
	second = udp_listen(&at, true);
	assert_true(second >= 0);
	close(first);
	close(second);
}

static void what_is_no_socket_is_refused(void **state)
{
	struct udp u;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(udp_init(&u, ends[0], true, true), ERR_SYS);
	close(ends[0]);
	close(ends[1]);
}

static void offloads_that_are_not_wanted_stay_off(void **state)
{
	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", false, false);
	assert_false(client.gso || client.gro);
	udp_init(&client, client.fd, true, true);
	assert_true(client.gso && client.gro);
	udp_init(&client, client.fd, true, false);
	assert_true(client.gso && !client.gro);
}

/* ---- both ways ---- */

static void batch_goes_and_comes_in_one_piece(void **state)
{
	struct udp_batch b = batch(9300, 1000);

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	send_all(&client, &b);
	receive(&server, b.len);
	check_arrived(b.len, b.stride);
	assert_int_equal(arrived.buffers, 1);
}

static void receiver_without_gro_gets_one_by_one(void **state)
{
	struct udp_batch b = batch(9300, 1000);

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", true, false);
	send_all(&client, &b);
	receive(&server, b.len);
	check_arrived(b.len, b.stride);
	assert_int_equal(arrived.buffers, 10);
}

static void sender_without_gso_sends_one_by_one(void **state)
{
	struct udp_batch b = batch(9300, 1000);

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", false, true);
	send_all(&client, &b);
	receive(&server, b.len);
	check_arrived(b.len, b.stride);
	assert_int_equal(arrived.buffers, 10);
}

static void more_than_one_call_takes_goes_in_several(void **state)
{
	struct udp_batch many = batch(200 * 100, 100), large = batch(5 * 30000, 30000);

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	send_all(&client, &many);
	receive(&server, many.len);
	check_arrived(many.len, many.stride);
	assert_int_equal(arrived.buffers, 4);
	memset(&arrived, 0, sizeof(arrived));
	send_all(&client, &large);
	receive(&server, large.len);
	check_arrived(large.len, large.stride);
	assert_int_equal(arrived.buffers, 3);
}

static void largest_record_passes(void **state)
{
	struct udp_batch b = batch(UDP_SEND_MAX, UDP_SEND_MAX);

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	send_all(&client, &b);
	receive(&server, b.len);
	check_arrived(b.len, b.stride);
}

static void short_record_alone_passes(void **state)
{
	struct udp_batch b = batch(1, 1400);

	(void)state;
	open_ends("::1", "::1", true, true);
	send_all(&client, &b);
	receive(&server, b.len);
	check_arrived(1, 1);
}

/* ---- addresses ---- */

/* A client hears only from the address that it has sent to. */
static void check_answer(const char *at, const char *to)
{
	struct udp_batch b = batch(3000, 1000);
	struct addr asked = addr(to);
	struct endpoint peer;

	open_ends(at, to, true, true);
	send_all(&client, &b);
	receive(&server, b.len);
	assert_int_equal(sock_local(client.fd, &peer), 0);
	assert_memory_equal(&arrived.peer, &peer, sizeof(peer));
	assert_true(addr_equal(&arrived.local, &asked));
	b.to = &arrived.peer;
	b.from = &arrived.local;
	send_all(&server, &b);
	arrived.len = arrived.records = arrived.buffers = 0;
	receive(&client, b.len);
	check_arrived(b.len, b.stride);
	assert_int_equal(arrived.buffers, 1);
	assert_int_equal(arrived.local.family, ADDR_NONE);
	teardown(NULL);
}

static void answer_comes_from_the_address_that_was_asked(void **state)
{
	(void)state;
	check_answer("*", "127.0.0.2");
	setup(NULL);
	check_answer("*", "::1");
	setup(NULL);
	check_answer("0.0.0.0", "127.0.0.2");
	server.fd = client.fd = -1;
}

static void without_a_source_the_kernel_chooses_another(void **state)
{
	struct udp_batch b = batch(100, 100);

	(void)state;
	open_ends("*", "127.0.0.2", true, true);
	send_all(&client, &b);
	receive(&server, b.len);
	b.to = &arrived.peer;
	send_all(&server, &b);
	assert_false(is_readable(&client, 20));
}

/* ---- refusals ---- */

static void kernel_that_will_not_segment_gets_one_by_one_from_then_on(void **state)
{
	struct udp_batch b = batch(9300, 1000);
	struct udp_sent sent;
	int on = 1;

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	/* Without checksums it segments nothing. */
	assert_int_equal(setsockopt(client.fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof(on)), 0);
	assert_int_equal(udp_send_batch(&client, &b, &sent), 0);
	assert_true(sent.gso_off && !client.gso);
	assert_int_equal(sent.records, 10);
	assert_int_equal(sent.refused, 0);
	receive(&server, b.len);
	check_arrived(b.len, b.stride);
	assert_int_equal(udp_send_batch(&client, &b, &sent), 0);
	assert_false(sent.gso_off);
}

static void refusal_of_every_record_is_not_the_offloads_fault(void **state)
{
	struct endpoint everybody = { .addr = addr("255.255.255.255"), .port = 9 };
	struct udp_batch b = batch(3000, 1000);
	struct udp_sent sent;

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	b.to = &everybody;
	assert_int_equal(udp_send_batch(&client, &b, &sent), 0);
	assert_int_equal(sent.records, 0);
	assert_int_equal(sent.refused, 3);
	assert_true(client.gso && !sent.gso_off && !sent.too_big);
}

static void record_too_long_for_the_way_is_told(void **state)
{
	static const uint8_t options[] = { 1, 1, 1, 1 };
	struct udp_batch b = batch(UDP_SEND_MAX + 100, UDP_SEND_MAX);
	struct udp_sent sent;

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	/* Four bytes of IP header more than there is room for. */
	assert_int_equal(setsockopt(client.fd, IPPROTO_IP, IP_OPTIONS, options, sizeof(options)), 0);
	assert_int_equal(udp_send_batch(&client, &b, &sent), 0);
	assert_int_equal(sent.records, 1);
	assert_int_equal(sent.refused, 1);
	assert_true(sent.too_big && client.gso);
	arrived.len = 0;
	receive(&server, 100);
	assert_memory_equal(arrived.bytes, records + UDP_SEND_MAX, 100);
}

static void refused_port_is_nothing_to_end_for(void **state)
{
	struct udp_batch b = batch(3000, 1000);
	struct udp_received got = { .data = rooms[0] };

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	close(server.fd);
	server.fd = -1;
	send_all(&client, &b); /* port unreachable comes back at once */
	send_all(&client, &b);
	assert_int_equal(udp_recv_batch(&client, &got, 1), ERR_AGAIN);
}

/* There is none for the first send: that costs @lost records of @count, the others arrive. */
static void send_without_memory(bool gso, size_t count, size_t lost)
{
	struct udp_batch b = batch(count * 100, 100);
	size_t rest = (count - lost) * 100;
	struct udp_sent sent;

	open_ends("127.0.0.1", "127.0.0.1", gso, true);
	refuse(1, ENOBUFS);
	assert_int_equal(udp_send_batch(&client, &b, &sent), 0);
	assert_int_equal(sent.refused, lost);
	assert_int_equal(sent.records, count - lost);
	assert_true(!sent.gso_off && !sent.too_big);
	receive(&server, rest);
	assert_memory_equal(arrived.bytes, records + lost * 100, rest);
}

static void what_there_is_no_memory_for_is_dropped_whole_and_the_rest_goes_on(void **state)
{
	(void)state;
	send_without_memory(true, 70, 64);
	assert_int_equal(kernel.calls, 2);
	assert_true(client.gso);
}

static void no_memory_costs_a_single_record_that_record(void **state)
{
	(void)state;
	send_without_memory(false, 3, 1);
}

static void full_socket_is_not_tried_again(void **state)
{
	struct udp_batch b = batch(9300, 1000);
	struct udp_sent sent;

	(void)state;
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	refuse(1, EAGAIN);
	assert_int_equal(udp_send_batch(&client, &b, &sent), ERR_AGAIN);
	assert_int_equal(kernel.calls, 1);
	assert_true(!sent.records && !sent.refused && client.gso);
}

/* A pair of another family: it knows none of the offloads, and it gets full. */
static void full_socket_takes_the_rest_later(void **state)
{
	struct udp_batch b = batch(200 * 1000, 1000), rest = b;
	int ends[2], r, rounds = 0;
	struct udp_sent sent;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	assert_int_equal(udp_init(&server, ends[0], true, true), 0);
	assert_int_equal(udp_init(&client, ends[1], true, true), 0);
	assert_false(client.gso || client.gro);
	do {
		r = udp_send_batch(&client, &rest, &sent);
		assert_int_equal(sent.refused, 0);
		assert_true(sent.records > 0);
		rest.records += sent.records * b.stride;
		rest.len -= sent.records * b.stride;
		receive(&server, (size_t)(rest.records - records));
		rounds++;
	} while (r == ERR_AGAIN);
	assert_int_equal(r, 0);
	assert_true(rounds > 1);
	check_arrived(b.len, b.stride);
}

static int narrow_loopback(int mtu)
{
	struct ifreq request = { .ifr_name = "lo" };
	int r, fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -1;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	request.ifr_mtu = mtu;
	r = ioctl(fd, SIOCSIFMTU, &request);
	request.ifr_flags = IFF_UP;
	if (r == 0)
		r = ioctl(fd, SIOCSIFFLAGS, &request);
	close(fd);
	return r;
}

/* In a network of its own, so it comes last. */
static void narrow_way_is_not_the_offloads_fault(void **state)
{
	struct udp_batch b = batch(2 * 1473 + 100, 1473);
	struct udp_sent sent;

	(void)state;
	if (narrow_loopback(1500) < 0)
		skip();
	open_ends("127.0.0.1", "127.0.0.1", true, true);
	assert_int_equal(udp_send_batch(&client, &b, &sent), 0);
	assert_int_equal(sent.records, 1);
	assert_int_equal(sent.refused, 2);
	assert_true(sent.too_big && client.gso && !sent.gso_off);
	receive(&server, 100);
	memset(&arrived, 0, sizeof(arrived));
	b = batch(2 * 1472 + 100, 1472);
	send_all(&client, &b);
	receive(&server, b.len);
	check_arrived(b.len, b.stride);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(packets_are_never_fragmented_and_icmp_is_not_believed),
		TEST(buffers_grow_as_far_as_we_may),
		TEST(datagram_port_in_use_is_refused_unless_shared),
		TEST(what_is_no_socket_is_refused),
		TEST(offloads_that_are_not_wanted_stay_off),
		TEST(batch_goes_and_comes_in_one_piece),
		TEST(receiver_without_gro_gets_one_by_one),
		TEST(sender_without_gso_sends_one_by_one),
		TEST(more_than_one_call_takes_goes_in_several),
		TEST(largest_record_passes),
		TEST(short_record_alone_passes),
		TEST(answer_comes_from_the_address_that_was_asked),
		TEST(without_a_source_the_kernel_chooses_another),
		TEST(kernel_that_will_not_segment_gets_one_by_one_from_then_on),
		TEST(refusal_of_every_record_is_not_the_offloads_fault),
		TEST(record_too_long_for_the_way_is_told),
		TEST(refused_port_is_nothing_to_end_for),
		TEST(what_there_is_no_memory_for_is_dropped_whole_and_the_rest_goes_on),
		TEST(no_memory_costs_a_single_record_that_record),
		TEST(full_socket_is_not_tried_again),
		TEST(full_socket_takes_the_rest_later),
		TEST(narrow_way_is_not_the_offloads_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
