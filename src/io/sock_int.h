/* SPDX-License-Identifier: Apache-2.0 */
/* What stream and datagram sockets share; used by this room only. */
#ifndef IO_SOCK_INT_H
#define IO_SOCK_INT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "io/sock.h"

union sock_name {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/** sock_name_encode() - An endpoint as the kernel wants it. Return: its length */
socklen_t sock_name_encode(const struct endpoint *e, union sock_name *out);

/** sock_name_decode() - An endpoint out of the kernel's form; mapped addresses come as IPv4 */
struct endpoint sock_name_decode(const union sock_name *name);

/** sock_addr_v6() - An address out of the kernel's form; a mapped one comes as IPv4 */
struct addr sock_addr_v6(const struct in6_addr *a);

/** sock_set() - setsockopt() of a number */
int sock_set(int fd, int level, int name, int value);

/** sock_fail_closing() - Close @fd and keep errno of what went wrong before. Return: ERR_SYS */
int sock_fail_closing(int fd);

/**
 * sock_bound() - A non-blocking, close-on-exec socket with an address of its own
 * @type:   SOCK_STREAM or SOCK_DGRAM
 * @at:     as for sock_listen()
 * @shared: set SO_REUSEPORT
 *
 * Return: descriptor or ERR_SYS.
 */
int sock_bound(int type, const struct endpoint *at, bool shared);

#endif
