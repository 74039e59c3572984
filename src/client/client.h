/* SPDX-License-Identifier: Apache-2.0 */
/* The client's engine. */
#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

struct engine_start;

/**
 * client_engine() - Keep a tunnel to the gateway until told to stop
 * @start: what the monitor opened for us; borrowed, the private key in its settings is wiped
 *
 * Return: the process's exit code: 0 ended as asked, 1 failed or ended by the gateway, 2 refused by it, 78 identity or
 * trust cannot be used.
 */
int client_engine(const struct engine_start *start);

#endif
