/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The engine's side of the talk with the monitor: requests go out as small fixed messages, answers come back on the
 * loop. One user: the engine's main loop.
 */
#ifndef MONITOR_ASK_H
#define MONITOR_ASK_H

#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/addr.h"

struct ask;

enum { ASK_ADDRS_MAX = 16, ASK_NAME_MAX = 256, ASK_NET_MAX = 1024 };

/* For a stream to a gateway, or for its datagram channel. */
enum ask_socket_kind { ASK_STREAM, ASK_DATAGRAM, ASK_SOCKET_KINDS };

/* One line of the network configuration a client wants (the server's comes from its own file). */
enum net_kind {
	NET_ADDRESS, /* prefix: own inner address with its length */
	NET_MTU,     /* number */
	NET_ROUTE,   /* prefix into the tunnel */
	NET_EXCLUDE, /* prefix that stays outside */
	NET_GATEWAY, /* prefix (full length): outer address of the gateway, never to be swallowed by a route */
	NET_DNS,     /* prefix (full length): name server */
	NET_DOMAIN,  /* text: search domain; with NET_DNS also the domains it answers for */
	NET_BANNER,  /* text for the script */
	NET_KINDS
};
struct net_item {
	enum net_kind kind;
	struct prefix prefix;
	uint32_t number;
	char text[ASK_NAME_MAX];
};

/* What a gateway's hook is told; ocserv's variable names are made of it. */
struct hook_facts {
	int connect;                          /* 1 connect, 0 disconnect */
	uint64_t session;                     /* ID */
	char name[65];                        /* USERNAME */
	char peer[56];                        /* IP_REAL: outer address */
	char local[56];                       /* IP_REAL_LOCAL */
	struct addr ipv4, ipv6;               /* IP_REMOTE, IPV6_REMOTE */
	uint64_t rx_bytes, tx_bytes, seconds; /* STATS_BYTES_IN, STATS_BYTES_OUT, STATS_DURATION */
	char reason[128];                     /* disconnect: why */
};

/* Why the script runs, for a client with `script` (vpnc-script's reasons besides connect and disconnect). */
enum net_phase { NET_CONNECTED, NET_RECONNECTING, NET_RECONNECTED };

/**
 * ask_open() - Begin to talk
 * @loop: the engine's main loop
 * @fd:   engine_start.monitor_fd; owned from now on
 * @lost: called once when the monitor is gone: the engine must end
 * @stop: called when the monitor asks for a clean end
 * @arg:  for both
 *
 * Return: the asker, free with ask_close(); NULL without memory.
 */
struct ask *ask_open(uv_loop_t *loop, int fd, void (*lost)(void *arg), void (*stop)(void *arg), void *arg);

/** ask_resolve() - Addresses of a host name; @done gets 0 and 1..ASK_ADDRS_MAX of them, or ERR_MISSING, ERR_TIMEOUT */
void ask_resolve(struct ask *a, const char *host,
		 void (*done)(void *arg, int result, const struct addr *addrs, size_t len), void *arg);

/**
 * ask_socket() - An unconnected socket for a client's connection
 * @a:      asker
 * @kind:   TCP, or UDP with large buffers (udp_open()); a client with transport = "tls" may not ask for the latter
 * @family: of the address it will be connected to
 * @done:   owns @fd, which is -1 with a result below 0
 * @arg:    for @done
 */
void ask_socket(struct ask *a, enum ask_socket_kind kind, enum addr_family family,
		void (*done)(void *arg, int result, int fd), void *arg);

/**
 * ask_net() - Have the network configured: replaces what an earlier call set, in full
 * @a:     asker
 * @items: copied before return
 * @len:   at most ASK_NET_MAX
 * @phase: why
 * @done:  0 when all stands; ERR_REFUSED (an item was not allowed, logged by the monitor) or ERR_SYS
 * @arg:   for @done
 *
 * Only differences to what stands are carried out, so a reconnect with the same grant touches nothing. NET_RECONNECTING
 * without items keeps what stands and moves what goes outside the tunnel to the present next hop. Every outer address
 * that may be connected to belongs among the items: one that is not outside would go into the dead tunnel.
 */
void ask_net(struct ask *a, const struct net_item *items, size_t len, enum net_phase phase,
	     void (*done)(void *arg, int result), void *arg);

/** ask_hook() - Run a hook; @done gets 0 (exit status 0), ERR_REFUSED (another status), ERR_TIMEOUT; NULL: don't care
 */
void ask_hook(struct ask *a, const struct hook_facts *facts, void (*done)(void *arg, int result), void *arg);

/**
 * ask_close() - Stop talking; callbacks under way never come
 * @a: asker, or NULL
 *
 * What was asked before still goes out; it may take 2 s until the monitor has taken it. The rest is counted in a
 * warning.
 */
void ask_close(struct ask *a);

#endif
