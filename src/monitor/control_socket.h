/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: where it lies decides where the journal lies, and that only one adit runs with it. For that a
 * lock file lies beside them, held by the monitor as long as it lives; the file itself stays, and means nothing alone.
 */
#ifndef MONITOR_CONTROL_SOCKET_H
#define MONITOR_CONTROL_SOCKET_H

#include <stdbool.h>
#include <stddef.h>

struct conf;
struct journal;

#define CONTROL_JOURNAL "socket" /* journal kind */

/**
 * control_socket_prepare() - Make the folder if it is missing, and see that no other adit runs with this socket
 * @conf: settings
 *
 * An engine whose monitor was killed is given 3 s to notice.
 *
 * Return: descriptor of the lock, to be kept open until everything is undone; ERR_EXISTS (another adit is running),
 * ERR_INVALID (the path is too long), ERR_SYS; reported.
 */
int control_socket_prepare(const struct conf *conf);

/** control_socket_journal_path() - Name of the journal that goes with this socket, to @out[@cap]. Return: 0 or
 * ERR_TOO_BIG */
int control_socket_journal_path(const struct conf *conf, char *out, size_t cap);

/** control_socket_open() - Bind and listen, 0600 or 0660 with the group. Return: descriptor, or ERR_SYS, ERR_MISSING;
 * reported
 */
int control_socket_open(const struct conf *conf, struct journal *j);

/** control_socket_undo() - The undo of CONTROL_JOURNAL: removes the socket; @arg is unused */
void control_socket_undo(void *arg, const char *text);

#endif
