/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's engine. */
#ifndef SERVER_SERVER_H
#define SERVER_SERVER_H

struct engine_start;

/**
 * server_engine() - Serve until told to stop
 * @start: what the monitor opened for us; borrowed
 *
 * Return: the process's exit code.
 */
int server_engine(const struct engine_start *start);

#endif
