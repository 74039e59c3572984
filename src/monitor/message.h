/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What engine and monitor say to each other over a SOCK_SEQPACKET pair: one fixed structure a message, both ends the
 * same program. The engine asks, each request with an id; the monitor answers with the same id, and sends STOP unasked.
 * NET_BEGIN, its items and NET_COMMIT carry one id and have one answer, to the commit.
 */
#ifndef MONITOR_MESSAGE_H
#define MONITOR_MESSAGE_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "monitor/ask.h"

enum message_type {
	MESSAGE_SOCKET,
	MESSAGE_RESOLVE,
	MESSAGE_NET_BEGIN,
	MESSAGE_NET_ITEM,
	MESSAGE_NET_COMMIT,
	MESSAGE_HOOK,
	MESSAGE_ANSWER, /* from the monitor from here on */
	MESSAGE_STOP,
	MESSAGE_TYPES
};

struct message_header {
	uint32_t type; /* enum message_type */
	uint32_t id;
};

struct message_socket {
	struct message_header header;
	uint32_t kind;   /* enum ask_socket_kind */
	uint32_t family; /* enum addr_family */
};

struct message_resolve {
	struct message_header header;
	char host[ASK_NAME_MAX];
};

struct message_net_begin {
	struct message_header header;
	uint32_t phase; /* enum net_phase */
};

struct message_net_item {
	struct message_header header;
	struct net_item item;
};

struct message_hook {
	struct message_header header;
	struct hook_facts facts;
};

struct message_answer {
	struct message_header header;
	int32_t result; /* enum err; of SOCKET with 0 a descriptor comes along */
	uint32_t count; /* RESOLVE: addresses that follow */
	struct addr addrs[ASK_ADDRS_MAX];
};

union message {
	struct message_header header; /* NET_COMMIT and STOP are nothing more */
	struct message_socket socket;
	struct message_resolve resolve;
	struct message_net_begin net_begin;
	struct message_net_item net_item;
	struct message_hook hook;
	struct message_answer answer;
};

static_assert(sizeof(struct message_header) == 8, "type and id");
static_assert(sizeof(struct message_socket) == 16, "header, kind and family");
static_assert(sizeof(struct message_resolve) == 8 + ASK_NAME_MAX, "header and host");
static_assert(sizeof(struct message_net_begin) == 12, "header and phase");
static_assert(sizeof(struct message_net_item) == 8 + 28 + ASK_NAME_MAX, "header and item");
static_assert(sizeof(struct message_hook) == 8 + 384, "header and facts");
static_assert(sizeof(struct message_answer) == 16 + 17 * ASK_ADDRS_MAX, "header, result, addresses");

/** message_len() - Bytes of a message of @type, which is below MESSAGE_TYPES */
size_t message_len(enum message_type type);

/**
 * message_check() - Whether bytes from the engine are a well-formed request
 * @m:   message
 * @len: bytes received into it
 *
 * Checks type, exact length, enum ranges, NUL termination, families, prefix lengths and that nothing is hidden behind
 * an IPv4 address, and that texts which become part of an environment or a file hold only what belongs there. Order and
 * policy are the caller's.
 *
 * Return: 0, or ERR_INVALID.
 */
int message_check(const union message *m, size_t len);

#endif
