/* SPDX-License-Identifier: Apache-2.0 */
/* `adit check`: is a configuration good? */
#ifndef CLI_CHECK_H
#define CLI_CHECK_H

/**
 * check_main() - Run `adit check FILE` or `adit check --keys server|client`
 * @argc: words from "check" on
 * @argv: them
 *
 * Return: exit code: 0, EX_USAGE, EX_CONFIG (every fault is a line on stderr).
 */
int check_main(int argc, char **argv);

#endif
