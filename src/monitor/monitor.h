/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The privileged process. It opens what needs rights, forks the engine, and from then on only serves the engine's
 * requests (monitor/message.h), each checked as if the engine were hostile. It parses no byte from the network. It
 * undoes what it did when the engine ends; what a kill -9 leaves behind, the next start undoes from a journal.
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include <stddef.h>

#include "io/tun.h"

struct conf;

/* What the engine is born with: descriptors opened for it, nothing it could open by itself. */
struct engine_start {
	struct conf *conf;
	int monitor_fd;              /* SOCK_SEQPACKET to the monitor */
	int control_fd;              /* listening control socket (AF_UNIX stream), non-blocking */
	char device[TUN_NAME_LEN];   /* real name */
	int workers;                 /* 1..TUN_QUEUES_MAX */
	int tun_fds[TUN_QUEUES_MAX]; /* one a worker */
	struct tun_offloads offloads;
	int *listen_fds;   /* server: workers x conf->listen.len, worker w's begin at w x conf->listen.len */
	int *datagram_fds; /* likewise, of udp_listen(); -1 where datagrams = false */
};

/**
 * monitor_run() - Open, fork, serve, undo
 * @conf:   settings; the monitor's copy of the private key is wiped after the fork
 * @engine: the engine's main; runs in the child as the unprivileged user without capabilities; its result is the
 *          engine's exit code
 *
 * SIGTERM and SIGINT end the engine cleanly (5 s, then SIGKILL). If the engine dies by itself, everything is undone and
 * the result is 1.
 *
 * Return: the exit code of the program: the engine's, or 1 when start-up failed (reported).
 */
int monitor_run(struct conf *conf, int (*engine)(const struct engine_start *start));

#endif
