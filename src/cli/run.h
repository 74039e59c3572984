/* SPDX-License-Identifier: Apache-2.0 */
/* `adit server` and `adit client`: run in the foreground until told to stop. */
#ifndef CLI_RUN_H
#define CLI_RUN_H

/**
 * run_server() - Run `adit server -c FILE`
 * @argc: words from "server" on
 * @argv: them
 *
 * Return: exit code: what monitor_run() says, or EX_USAGE, EX_CONFIG (every fault is a line on stderr).
 */
int run_server(int argc, char **argv);

/** run_client() - Run `adit client -c FILE`, likewise */
int run_client(int argc, char **argv);

#endif
