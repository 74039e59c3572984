/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one worker needs to carry packets: its loop and thread, its TUN queue, the session table, its memory and its
 * counters. The journeys are told in egress.c (TUN to network) and ingress.c (network to TUN).
 */
#ifndef PATH_PATH_H
#define PATH_PATH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "base/buf.h"
#include "base/verdict.h"
#include "io/udp.h"
#include "session/session.h"

struct coalescer;
struct flows;
struct mailbox;
struct roam;
struct session_table;

enum {
	PATH_BATCH_PACKETS = 128,      /* TUN reads in one turn; as many writes bring on such a turn */
	PATH_TURN_FRAMES = 256,        /* off one stream; the others come before the rest of what it has brought */
	PATH_BATCH_BYTES = 256 * 1024, /* per direction and turn: bounds the other direction's wait */
	PATH_WIRE_LEN = 256 * 1024,    /* one recv */
	PATH_MERGED_MAX = 8,           /* buffers of one receive when the kernel merges datagrams in them */
};

struct path {
	/* set by the owner before path_open() */
	enum session_side side;
	int tun_fd;
	int write_fd;          /* TUN queue that ingress writes to: the kernel has a flow's answers come by the same */
	_Atomic unsigned mtu;  /* of the tunnel: longer packets from a peer are dropped */
	_Atomic bool tso, uso; /* the TUN takes super-packets of TCP, of UDP; cleared when it refuses one */
	_Atomic bool udp_gso;  /* several records go in one send; cleared when that is refused */
	bool udp_gro;          /* several datagrams come in one receive */
	bool client_to_client; /* gateway */
	struct path *crew;     /* client: the paths of all its workers, which send for one session */
	size_t crew_len;
	struct session_table *table;
	void (*broken)(void *owner); /* the device is gone: told once, nothing passes any more */
	/* Gateway: a datagram of no flow; answers it, or begins a flow by flow_accept(). */
	enum verdict (*stranger)(void *owner, struct udp *u, const struct udp_received *from, uint8_t *data, size_t len,
				 uint64_t now_ms);
	struct roam *roam;           /* gateway: where its flows are looked for whose client has moved; NULL: nowhere */
	void (*roamed)(void *owner); /* one was found */
	void *owner;

	uv_loop_t *loop;
	uv_loop_t own_loop; /* that of a thread of its own */
	pthread_t thread;
	uv_poll_t tun_poll;
	_Atomic bool paused; /* by path_pause(); read by the others */
	bool closed;         /* nothing begins here any more */
	unsigned written;    /* packets and bytes into the TUN queue since it was last read */
	size_t written_bytes;
	struct mailbox *mailbox;
	struct cds_lfht *by_peer; /* gateway: flows by the peer's address */
	uint64_t hash_key;        /* random: who writes to us chooses its port */
	TAILQ_HEAD(, flows) flows;
	struct verdict_counts egress, ingress; /* PASS counts packets */

	/* memory for one batch, laid out once */
	struct session *sending; /* whose tx_lock is held */
	bool waits;              /* client: it can send no more, so no more is read */
	uint8_t *gather;         /* packets of one turn, each behind the room for its frame header */
	uint8_t *frames;         /* in it: frames to be sealed together */
	size_t gathered;         /* their bytes */
	struct buf sealed;
	uint8_t *wire; /* bytes as received */
	struct buf plain;
	uint64_t now_ms;     /* of this turn */
	uint8_t *records;    /* sealed records of one flow, in a row */
	struct records_run { /* what is there of them */
		size_t len, stride;
		unsigned count;
		bool closed; /* the last one was shorter: none may follow */
	} run;
	uint8_t *received;    /* UDP_RECV_MAX buffers of UDP_RECV_ROOM; only what arrives in them is ever touched */
	unsigned receive_max; /* how many of them the next receive may fill */
	struct coalescer *coalescer; /* what a peer without frames sends, packet by packet, for the TUN */
};

/**
 * path_open() - Allocate and begin to read the TUN queue
 * @p:    what the owner sets is set
 * @loop: the engine's main loop; NULL: one of its own, for path_start()
 *
 * Return: 0, ERR_NOMEM, or ERR_SYS.
 */
int path_open(struct path *p, uv_loop_t *loop);

/** path_start() - Run its own loop in a thread of its own, until path_close() there. Return: 0 or ERR_SYS */
int path_start(struct path *p);

/** path_join() - Wait for that thread */
void path_join(struct path *p);

/**
 * path_pause() - Client: stop reading the TUN queue, for the session cannot send; on its thread
 *
 * Under the session's tx_lock: so who makes it able to send again, under that lock too, sees afterwards who waits.
 */
void path_pause(struct path *p);

/** path_resume_all() - Client: the session can send: all of the crew that wait go on reading; from @p's thread */
void path_resume_all(struct path *p);

/** path_close() - Stop, and leave the loop with its next turn; on its thread. The TUN queue is the owner's */
void path_close(struct path *p);

/** path_fini() - Free what other threads may have reached to the last, when none can any more */
void path_fini(struct path *p);

#endif
