/* SPDX-License-Identifier: Apache-2.0 */
/* The commands that are spoken to a running adit over its control socket. */
#ifndef CLI_CTL_H
#define CLI_CTL_H

/**
 * ctl_main() - Run `adit status`, `sessions`, `events`, `disconnect` or `rekey`
 * @argc: words from the command on
 * @argv: them
 *
 * `events` ends with 0 when nobody reads its output any more.
 *
 * Return: exit code: 0; 1 when no adit answers or it refuses (said on stderr); EX_USAGE, also when both a gateway and
 * a client run and none was chosen.
 */
int ctl_main(int argc, char **argv);

#endif
