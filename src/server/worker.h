/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: a loop with its own listeners, TUN queue and memory; the first one runs on the engine's main loop. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

struct engine_start;
struct server;
struct worker;

/** worker_open() - Set worker @index up on its loop; for 0 the server's. Return: 0 or an error (reported) */
int worker_open(struct worker *w, struct server *server, int index, const struct engine_start *start);

/** worker_start() - Run it in a thread of its own (not for worker 0). Return: 0 or ERR_SYS */
int worker_start(struct worker *w);

/** worker_work() - There are handshakes to work on */
void worker_work(struct worker *w);

/** worker_stop() - Close everything so that its loop ends; on the worker's thread, by its mailbox */
void worker_stop(void *worker);

/** worker_join() - Wait for its thread (not for worker 0) */
void worker_join(struct worker *w);

#endif
