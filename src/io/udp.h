/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Datagram sockets: many records in one send (UDP_SEGMENT, Linux 4.18), many in one receive (UDP_GRO, Linux 5.0).
 *
 * A client has a connected socket for each generation. A gateway has one unconnected socket a worker and listener, for
 * it may not bind more to the port: it learns with each datagram the address it was sent to, and answers from there.
 */
#ifndef IO_UDP_H
#define IO_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io/sock.h"

enum {
	UDP_SEGMENTS_MAX = 64, /* records in one send: more is EINVAL before Linux 6.9 */
	UDP_SEND_MAX = 65507,  /* bytes in one send: an IPv4 packet without its headers */
	UDP_RECV_MAX = 64,     /* buffers that one receive fills */
	UDP_RECV_ROOM = 65535, /* of each of them: the kernel merges no more */
	/*
	 * 6 ms of 10 Gbit/s for what arrives while we are away. What a turn sends fits twice, and not more: what waits
	 * there keeps all that comes behind it waiting. The kernel doubles the numbers for its own book-keeping.
	 */
	UDP_RECV_BUFFER = 8 << 20,
	UDP_SEND_BUFFER = 512 << 10,
};

/* A socket and what of the kernel it uses. One user: the thread of its loop. */
struct udp {
	int fd;
	bool v6;          /* of family IPv6: addresses of IPv4 are mapped */
	_Atomic bool gso; /* several records go in one send; any worker may find out that they may not */
	bool gro;         /* several datagrams may come in one buffer */
};

/* Records of one way, all of one length but the last, which may be shorter. */
struct udp_batch {
	const uint8_t *records;
	size_t len;                /* bytes, at least 1 */
	size_t stride;             /* of each record; 1..UDP_SEND_MAX */
	const struct endpoint *to; /* NULL: the socket is connected */
	const struct addr *from;   /* own address to send from; NULL or ADDR_NONE: the kernel's choice */
};

/** udp_records() - How many records of @stride bytes make @len bytes, the last being shorter or not */
static inline size_t udp_records(size_t len, size_t stride)
{
	return (len + stride - 1) / stride;
}

/* What became of a batch. */
struct udp_sent {
	size_t records; /* with the kernel */
	size_t refused; /* dropped: the kernel will not send them */
	bool too_big;   /* of those, one at least was too long for the way (EMSGSIZE) */
	bool gso_off;   /* the kernel refused the offload: it is off from now on */
};

/* One buffer of a receive: a datagram, or several of one flow merged. */
struct udp_received {
	uint8_t *data;        /* the caller's, UDP_RECV_ROOM bytes */
	size_t len;           /* bytes received */
	size_t stride;        /* of each datagram in them; the last may be shorter; @len when it is alone */
	struct endpoint peer; /* mapped addresses as IPv4 */
	struct addr local;    /* own address they were sent to; ADDR_NONE on a connected socket */
};

/**
 * udp_listen() - A gateway's datagram socket
 * @at:     address and port, as for sock_listen()
 * @shared: set SO_REUSEPORT, one socket a worker
 *
 * As udp_open(), and told with each datagram which address it was sent to (IP_PKTINFO, IPV6_PKTINFO).
 *
 * Return: descriptor or ERR_SYS.
 */
int udp_listen(const struct endpoint *at, bool shared);

/**
 * udp_open() - A client's datagram socket, to be connected with sock_connect()
 * @family: of the addresses it is for
 *
 * Non-blocking, close-on-exec. Its buffers are UDP_RECV_BUFFER and UDP_SEND_BUFFER; without CAP_NET_ADMIN what the host
 * allows. Packets are never fragmented and only the device limits them (IP_PMTUDISC_PROBE): what ICMP claims about the
 * way could be forged.
 *
 * Return: descriptor or ERR_SYS.
 */
int udp_open(enum addr_family family);

/**
 * udp_init() - Take a socket into use
 * @u:   filled; @fd stays the caller's
 * @fd:  from udp_listen() or udp_open()
 * @gso: whether to send with UDP_SEGMENT, if the kernel has it
 * @gro: whether to receive with UDP_GRO, likewise
 *
 * Return: 0, or ERR_SYS when @fd is no socket.
 */
int udp_init(struct udp *u, int fd, bool gso, bool gro);

/**
 * udp_send_batch() - Send records, as few calls as the kernel takes
 * @u:    socket; its gso goes off when the kernel refuses to segment what it then takes one by one
 * @b:    records
 * @sent: filled with what became of them, after ERR_AGAIN too
 *
 * An error that an ICMP message left on a connected socket is about an earlier datagram: it is dropped, the record
 * sent. A record that the kernel refuses by itself is dropped and the others go on; so are those that it has no memory
 * for (ENOBUFS). Of one that the queue of the device has no room for nothing is heard: without IP_RECVERR it is sent.
 *
 * Return: 0 when all are dealt with; ERR_AGAIN when the socket is full: the first @sent->records + @sent->refused
 * records are dealt with, the rest may be sent when the socket is writable.
 */
int udp_send_batch(struct udp *u, const struct udp_batch *b, struct udp_sent *sent);

/** udp_answer() - Send one datagram back to where another came from; nobody minds if it is lost */
void udp_answer(struct udp *u, const struct udp_received *to, const uint8_t *data, size_t len);

/**
 * udp_recv_batch() - Receive what is there
 * @u:   socket
 * @got: @len entries with data set; filled from the first on
 * @len: 1..UDP_RECV_MAX
 *
 * Return: how many are filled; ERR_AGAIN; ERR_SYS after several errors in a row, such as ICMP messages leave on a
 * connected socket: nothing to end it for.
 */
int udp_recv_batch(const struct udp *u, struct udp_received *got, size_t len);

#endif
