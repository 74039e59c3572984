/* SPDX-License-Identifier: Apache-2.0 */
/* A worker: a loop with its own listeners, TUN queue and memory; the first one runs on the engine's main loop. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

struct engine_start;
struct server;
struct worker;

/** worker_open() - Set worker @index up: 0 on the server's loop, others for path_start(). Return: 0 or an error */
int worker_open(struct worker *w, struct server *server, int index, const struct engine_start *start);

/** worker_work() - There are handshakes to work on */
void worker_work(struct worker *w);

/** worker_stop() - Close everything so that its loop ends; on the worker's thread, by its mailbox */
void worker_stop(void *worker);

#endif
