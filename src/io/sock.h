/* SPDX-License-Identifier: Apache-2.0 */
/* Stream sockets, their addresses as text and value, and descriptors passed between processes. */
#ifndef IO_SOCK_H
#define IO_SOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/addr.h"

struct endpoint {
	struct addr addr;
	uint16_t port; /* host order */
};

enum { ENDPOINT_TEXT_LEN = 56 }; /* "[v6]:port" with NUL */

/** endpoint_equal() - Same address and port */
static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && addr_equal(&a->addr, &b->addr);
}

/** endpoint_format() - "10.0.0.1:443" or "[fd00::1]:443" to @out[ENDPOINT_TEXT_LEN]. Return: @out */
const char *endpoint_format(const struct endpoint *e, char *out);

/**
 * sock_listen() - A listening TCP socket
 * @at:     address and port; ADDR_NONE: every IPv6 and IPv4 address (dual stack; IPv4 only when there is no IPv6)
 * @shared: set SO_REUSEPORT, one socket a worker
 *
 * Non-blocking, close-on-exec, SO_REUSEADDR.
 *
 * Return: descriptor or ERR_SYS.
 */
int sock_listen(const struct endpoint *at, bool shared);

/**
 * sock_accept() - Next connection of a listener
 * @fd:   listener
 * @peer: filled; IPv4-mapped addresses come as IPv4
 *
 * The connection is non-blocking, close-on-exec, with TCP_NODELAY, TCP_NOTSENT_LOWAT 128 KiB (sock_send() takes no more
 * while so much is unsent), TCP_USER_TIMEOUT 30 s and keepalive.
 *
 * Return: descriptor, ERR_AGAIN, or ERR_SYS.
 */
int sock_accept(int fd, struct endpoint *peer);

/** sock_tcp() - A TCP socket set up as sock_accept() does, not yet connected. Return: descriptor or ERR_SYS */
int sock_tcp(enum addr_family family);

/** sock_connect() - Begin to connect. Return: 0 (done), ERR_AGAIN (wait for writability, then sock_error()), ERR_SYS */
int sock_connect(int fd, const struct endpoint *to);

/** sock_error() - Take the pending error of a socket: 0, or ERR_SYS with errno set */
int sock_error(int fd);

/** sock_local() - Its own end, a mapped address as IPv4. Return: 0 or ERR_SYS */
int sock_local(int fd, struct endpoint *out);

/** sock_recv() - Read what is there. Return: bytes, ERR_AGAIN, ERR_EOF, or ERR_SYS */
ssize_t sock_recv(int fd, uint8_t *data, size_t cap);

/** sock_send() - Write what fits, without SIGPIPE. Return: bytes (may be fewer), ERR_AGAIN, or ERR_SYS */
ssize_t sock_send(int fd, const uint8_t *data, size_t len);

/** sock_pmtu() - Path MTU the kernel knows for a connected TCP socket (TCP_INFO), or 0 */
int sock_pmtu(int fd);

/**
 * sock_send_fd() - Send one message over a SOCK_SEQPACKET pair, with a descriptor or without
 * @fd:   socket
 * @data: message
 * @len:  its bytes
 * @pass: descriptor to pass, or -1; stays the caller's
 *
 * Return: 0, ERR_AGAIN, or ERR_SYS.
 */
int sock_send_fd(int fd, const void *data, size_t len, int pass);

/**
 * sock_recv_fd() - Receive one such message
 * @fd:   socket
 * @data: room
 * @cap:  bytes of room; a longer message is ERR_TOO_BIG
 * @pass: filled with the descriptor (close-on-exec, the caller's now) or -1
 *
 * Return: bytes, ERR_AGAIN, ERR_EOF, ERR_TOO_BIG, or ERR_SYS.
 */
int sock_recv_fd(int fd, void *data, size_t cap, int *pass);

#endif
