/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets and descriptors passed between processes. */
#include "io/sock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "io/sock_int.h"

enum {
	LISTEN_BACKLOG = 1024,
	/*
	 * Data that the kernel takes and has not sent yet: two super-packets. More would be a queue that the senders
	 * inside the tunnel cannot see. SO_SNDBUF is left alone: setting it ends the kernel's own tuning of the flight.
	 */
	NOTSENT_LOWAT = 128 * 1024,
	USER_TIMEOUT_MS = 30000, /* unacknowledged data for so long: the connection is dead */
	KEEPALIVE_IDLE_S = 30,
	KEEPALIVE_INTERVAL_S = 10,
	KEEPALIVE_COUNT = 3,
};

socklen_t sock_name_encode(const struct endpoint *e, union sock_name *out)
{
	memset(out, 0, sizeof(*out));
	if (e->addr.family == ADDR_V4) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(e->port);
		memcpy(&out->v4.sin_addr, e->addr.bytes, 4);
		return sizeof(out->v4);
	}
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(e->port);
	memcpy(&out->v6.sin6_addr, e->addr.bytes, 16);
	return sizeof(out->v6);
}

struct addr sock_addr_v6(const struct in6_addr *a)
{
	bool mapped = IN6_IS_ADDR_V4MAPPED(a);

	return addr_from_bytes(a->s6_addr + (mapped ? 12 : 0), mapped ? 32 : 128);
}

struct endpoint sock_name_decode(const union sock_name *name)
{
	struct endpoint e = { 0 };

	if (name->any.sa_family == AF_INET) {
		e.addr = addr_from_bytes(&name->v4.sin_addr, 32);
		e.port = ntohs(name->v4.sin_port);
	} else if (name->any.sa_family == AF_INET6) {
		e.addr = sock_addr_v6(&name->v6.sin6_addr);
		e.port = ntohs(name->v6.sin6_port);
	}
	return e;
}

int sock_fail_closing(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return ERR_SYS;
}

int sock_set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

static int set_stream_options(int fd)
{
	if (sock_set(fd, IPPROTO_TCP, TCP_NODELAY, 1) < 0 ||
	    sock_set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, NOTSENT_LOWAT) < 0 ||
	    sock_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS) < 0 ||
	    sock_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1) < 0 ||
	    sock_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S) < 0 ||
	    sock_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S) < 0 ||
	    sock_set(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT) < 0)
		return ERR_SYS;
	return 0;
}

/* Two datagram sockets with SO_REUSEADDR share a port whoever they belong to: only streams get it. */
static int bind_at(int type, const union sock_name *name, socklen_t name_len, bool v6_only, bool shared)
{
	int fd = socket(name->any.sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return ERR_SYS;
	if ((type == SOCK_STREAM && sock_set(fd, SOL_SOCKET, SO_REUSEADDR, 1) < 0) ||
	    (shared && sock_set(fd, SOL_SOCKET, SO_REUSEPORT, 1) < 0) ||
	    (name->any.sa_family == AF_INET6 && sock_set(fd, IPPROTO_IPV6, IPV6_V6ONLY, v6_only) < 0) ||
	    bind(fd, &name->any, name_len) < 0)
		return sock_fail_closing(fd);
	return fd;
}

int sock_bound(int type, const struct endpoint *at, bool shared)
{
	struct endpoint any = { .addr.family = ADDR_V6, .port = at->port };
	union sock_name name;
	socklen_t len;
	int fd;

	if (at->addr.family != ADDR_NONE) {
		len = sock_name_encode(at, &name);
		return bind_at(type, &name, len, true, shared);
	}
	len = sock_name_encode(&any, &name);
	fd = bind_at(type, &name, len, false, shared);
	/* EADDRNOTAVAIL: the module is there but IPv6 is switched off. */
	if (fd >= 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
		return fd;
	any.addr.family = ADDR_V4;
	len = sock_name_encode(&any, &name);
	return bind_at(type, &name, len, true, shared);
}

const char *endpoint_format(const struct endpoint *e, char *out)
{
	char text[ADDR_TEXT_LEN];

	addr_format(&e->addr, text);
	snprintf(out, ENDPOINT_TEXT_LEN, e->addr.family == ADDR_V6 ? "[%s]:%u" : "%s:%u", text, e->port);
	return out;
}

int sock_listen(const struct endpoint *at, bool shared)
{
	int fd = sock_bound(SOCK_STREAM, at, shared);

	if (fd >= 0 && listen(fd, LISTEN_BACKLOG) < 0)
		return sock_fail_closing(fd);
	return fd;
}

int sock_accept(int fd, struct endpoint *peer)
{
	union sock_name name = { 0 };
	socklen_t len = sizeof(name);
	int conn;

	do
		conn = accept4(fd, &name.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (conn < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (conn < 0)
		return errno == EAGAIN ? ERR_AGAIN : ERR_SYS;
	if (set_stream_options(conn) < 0)
		return sock_fail_closing(conn);
	*peer = sock_name_decode(&name);
	return conn;
}

int sock_tcp(enum addr_family family)
{
	int fd = socket(family == ADDR_V4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return ERR_SYS;
	if (set_stream_options(fd) < 0)
		return sock_fail_closing(fd);
	return fd;
}

int sock_connect(int fd, const struct endpoint *to)
{
	union sock_name name;
	socklen_t len = sock_name_encode(to, &name);

	if (!connect(fd, &name.any, len))
		return 0;
	return errno == EINPROGRESS || errno == EINTR ? ERR_AGAIN : ERR_SYS;
}

int sock_error(int fd)
{
	int pending = 0;
	socklen_t len = sizeof(pending);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &pending, &len) < 0)
		return ERR_SYS;
	if (!pending)
		return 0;
	errno = pending;
	return ERR_SYS;
}

int sock_local(int fd, struct endpoint *out)
{
	union sock_name name = { 0 };
	socklen_t len = sizeof(name);

	if (getsockname(fd, &name.any, &len) < 0)
		return ERR_SYS;
	*out = sock_name_decode(&name);
	return 0;
}

ssize_t sock_recv(int fd, uint8_t *data, size_t cap)
{
	ssize_t n;

	do
		n = recv(fd, data, cap, 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? ERR_AGAIN : ERR_SYS;
	return n || !cap ? n : ERR_EOF;
}

ssize_t sock_send(int fd, const uint8_t *data, size_t len)
{
	ssize_t n;

	do
		n = send(fd, data, len, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? ERR_AGAIN : ERR_SYS;
	return n;
}

int sock_pmtu(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return 0;
	return (int)info.tcpi_pmtu;
}

int sock_send_fd(int fd, const void *data, size_t len, int pass)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	ssize_t n;

	if (pass >= 0) {
		control.header = (struct cmsghdr){
			.cmsg_len = CMSG_LEN(sizeof(int)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_RIGHTS,
		};
		memcpy(CMSG_DATA(&control.header), &pass, sizeof(pass));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.room);
	}
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? ERR_AGAIN : ERR_SYS;
	return 0;
}

/* Takes the first descriptor of a message and closes any that came with it. */
static int take_descriptor(struct msghdr *msg)
{
	struct cmsghdr *c;
	int fd, first = -1;

	for (c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t i, count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(fd);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(c) + i * sizeof(fd), sizeof(fd));
			if (first < 0)
				first = fd;
			else
				close(fd);
		}
	}
	return first;
}

int sock_recv_fd(int fd, void *data, size_t cap, int *pass)
{
	union {
		struct cmsghdr header;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = { data, cap };
	struct msghdr msg = {
		.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control.room),
	};
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
	/* A peer that closes without having read all is told as a reset, once, in front of what it has sent. */
	while (n < 0 && (errno == EINTR || errno == ECONNRESET));
	if (n < 0)
		return errno == EAGAIN ? ERR_AGAIN : ERR_SYS;
	*pass = take_descriptor(&msg);
	if (n > 0 && !(msg.msg_flags & MSG_TRUNC))
		return (int)n;
	if (*pass >= 0)
		close(*pass);
	*pass = -1;
	return n ? ERR_TOO_BIG : ERR_EOF;
}
